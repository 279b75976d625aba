//! The phone's API: `POST /phone/v1/<path>`, deterministic CBOR in and out; and `GET /phone/v1/keys`.

pub mod request;
pub mod version;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use godkend_protocol::cbor;
use godkend_protocol::messages::CONTENT_TYPE;
use minicbor::Encode;

use crate::app::App;
use crate::error::ApiError;
use crate::ops::sources::Source;

/// One request of a phone.
#[derive(Clone, Debug)]
pub struct Call {
    /// The body.
    pub bytes: Vec<u8>,
    /// Where it came from, for limits.
    pub source: String,
}

/// Routes of the phone API, without their state.
pub type PhoneRouter = Router<Arc<App>>;

/// All of the phone API.
pub fn routes() -> PhoneRouter {
    Router::new()
        .route("/phone/v1/keys", get(keys))
        .merge(crate::activation::routes())
        .merge(crate::pin::routes())
        .merge(crate::device::routes())
        .merge(crate::push::routes())
        .merge(crate::approval::routes())
}

/// Adds the handler of one message to a router. The handler returns the reply's bytes: [`reply`].
pub fn route<F, Fut>(router: PhoneRouter, path: &str, handler: F) -> PhoneRouter
where
    F: Fn(Arc<App>, Call) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Vec<u8>, ApiError>> + Send,
{
    let answer = move |State(app): State<Arc<App>>, source: Option<Extension<Source>>, body: Bytes| {
        let handler = handler.clone();
        async move {
            let source = source.map_or_else(|| "unknown".to_owned(), |Extension(Source(address))| address.to_string());
            match handler(app, Call { bytes: body.to_vec(), source }).await {
                Ok(bytes) => cbor_response(bytes),
                Err(refusal) => refusal.into_response(),
            }
        }
    };
    router.route(&format!("/phone/v1/{path}"), post(answer))
}

/// The bytes of a reply.
#[must_use]
pub fn reply<T: Encode<()>>(message: &T) -> Vec<u8> {
    cbor::encode(message)
}

/// The root-signed key set, for anyone.
async fn keys(State(app): State<Arc<App>>) -> Response {
    cbor_response(app.keys.key_set.clone())
}

fn cbor_response(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], bytes).into_response()
}
