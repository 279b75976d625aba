//! A relying party's own door, where the server tells it things.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::IntoResponse;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Path, headers and body.
pub(crate) type Call = (String, HeaderMap, String);

#[derive(Clone)]
struct Door {
    calls: UnboundedSender<Call>,
    status: Arc<AtomicU16>,
}

pub(crate) struct Told {
    pub(crate) url: String,
    calls: Mutex<UnboundedReceiver<Call>>,
    status: Arc<AtomicU16>,
}

impl Told {
    pub(crate) async fn listen() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, calls) = unbounded_channel();
        let status = Arc::new(AtomicU16::new(200));
        let router = Router::new().fallback(called).with_state(Door { calls: sender, status: status.clone() });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, calls: Mutex::new(calls), status }
    }

    /// What every later call is answered with; a redirect points to another path here.
    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The next call. The time is only there so that a broken server ends the test.
    pub(crate) async fn next(&self) -> Call {
        let mut calls = self.calls.lock().await;
        tokio::time::timeout(Duration::from_secs(60), calls.recv()).await.expect("nobody called").unwrap()
    }

    /// Whether nobody calls for longer than the server's sender sleeps.
    pub(crate) async fn quiet(&self) -> bool {
        let mut calls = self.calls.lock().await;
        tokio::time::timeout(Duration::from_secs(6), calls.recv()).await.is_err()
    }
}

async fn called(State(door): State<Door>, uri: Uri, headers: HeaderMap, body: String) -> impl IntoResponse {
    let _ = door.calls.send((uri.path().to_owned(), headers, body));
    let status = StatusCode::from_u16(door.status.load(Ordering::SeqCst)).unwrap();
    (status, [(header::LOCATION, "/elsewhere")], "")
}
