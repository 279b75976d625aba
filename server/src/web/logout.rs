//! The end of a session (OpenID Connect RP-Initiated Logout 1.0).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::language::preferred as language;
use super::{cookies, html};
use crate::app::App;
use crate::docs::{Changes, retry};
use crate::error::ApiError;
use crate::oidc::error::{Kind, OidcError};
use crate::oidc::hint::{self, Told};
use crate::oidc::params::{Params, visible};
use crate::oidc::{self, client, notify, session};

/// `GET /logout`.
pub(super) async fn by_query(State(app): State<Arc<App>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    logout(&app, params, &headers).await
}

/// `POST /logout` (RP-Initiated Logout, section 2 wants both).
pub(super) async fn by_form(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let params = oidc::form(&headers, &body);
    logout(&app, params, &headers).await
}

async fn logout(app: &App, params: Result<Params, OidcError>, headers: &HeaderMap) -> Response {
    let language = language(headers);
    let ended = match params {
        Ok(params) => end(app, &params, headers).await,
        Err(error) => Err(error),
    };
    ended.unwrap_or_else(|error| html::refused_logout(language, &error))
}

/// The hint is what says that the relying party had this session: without one, any page could log people out.
async fn end(app: &App, params: &Params, headers: &HeaderMap) -> Result<Response, OidcError> {
    let text = params.need("id_token_hint", "id_token_hint is missing: send the ID token of the session that ends.")?;
    let told = hint::told(app, text)?;
    if params.get("client_id").is_some_and(|id| id != told.client_id) {
        return Err(OidcError::invalid("id_token_hint was issued to another client."));
    }
    let unknown = || OidcError::new(Kind::InvalidClient, "The client is not known here any more.");
    let party = client::find(app, &told.client_id).await?.ok_or_else(unknown)?;
    let back = params.get("post_logout_redirect_uri");
    if back.is_some_and(|back| !party.post_logout_redirect_uris.iter().any(|known| known == back)) {
        return Err(OidcError::invalid("post_logout_redirect_uri is not one of those registered for this client."));
    }
    let state =
        params.get("state").map(|state| visible(state, 1024, "state must be at most 1024 visible ASCII characters."));
    let state = state.transpose()?;
    end_session(app, &told).await?;
    let mut response = match back {
        Some(back) => {
            let mut address =
                url::Url::parse(back).map_err(|_| OidcError::invalid("post_logout_redirect_uri is no address."))?;
            if let Some(state) = state {
                address.query_pairs_mut().append_pair("state", state);
            }
            (StatusCode::SEE_OTHER, [(header::LOCATION, String::from(address))]).into_response()
        }
        None => html::logged_out(language(headers)),
    };
    if let Some(cookie) = party.single_sign_on.as_deref().and_then(|group| cookies::forget_shared(app, group)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn end_session(app: &App, told: &Told) -> Result<(), ApiError> {
    let Some(sid) = &told.sid else { return Ok(()) };
    retry(|| async {
        let Some(found) = session::of_member(app, &told.client_id, sid).await? else { return Ok(()) };
        let mut changes = Changes::new();
        session::end(app, &mut changes, found, Some(&told.client_id)).await?;
        changes.commit(&*app.store).await.map(|_| ())
    })
    .await?;
    notify::wake(app);
    Ok(())
}
