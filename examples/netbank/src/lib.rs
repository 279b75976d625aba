#![doc = include_str!("../README.md")]

mod asked;
pub mod challenge;
pub mod dpop;
mod pages;
pub mod program;
pub mod provider;
pub mod session;
pub mod shell;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use provider::{Asked, Level, Payment, Provider, ProviderError};
use session::{Receipt, Sessions};

/// What the bank is told at its start.
#[derive(Clone)]
pub struct Settings {
    /// The bank's own origin, without a slash at its end.
    pub url: String,
    /// The identity server.
    pub issuer: String,
    /// The client identifier there.
    pub client_id: String,
    /// The client's secret; none for a public client.
    pub client_secret: Option<String>,
    /// A PEM certificate to trust for the identity server, and no other.
    pub certificate: Option<Vec<u8>>,
    /// Binds its tokens to a key (DPoP, RFC 9449), as a client must that is registered so.
    pub dpop: bool,
}

/// Tells the time, Unix seconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The machine's own clock.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the program's edge")]
pub fn system_clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The bank.
pub struct Bank {
    provider: Provider,
    sessions: Sessions,
}

impl Bank {
    /// A bank that has not talked to the identity server yet.
    ///
    /// # Errors
    /// [`ProviderError::Settings`].
    pub fn new(settings: Settings) -> Result<Arc<Self>, ProviderError> {
        Ok(Arc::new(Self { provider: Provider::new(settings)?, sessions: Sessions::new("netbank") }))
    }

    /// The bank's pages.
    pub fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/", get(home))
            .route("/login", post(login))
            .route("/pay", post(pay))
            .route("/logout", post(logout))
            .route("/callback", get(callback))
            .route(shell::STYLE_PATH, get(shell::style))
            .with_state(self)
    }

    /// Serves until the listener fails.
    ///
    /// # Errors
    /// The listener's.
    pub async fn serve(self: Arc<Self>, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        axum::serve(listener, self.routes()).await
    }
}

async fn home(State(bank): State<Arc<Bank>>, headers: HeaderMap) -> Response {
    pages::home(bank.sessions.read(&headers, |session| session.account()).flatten().as_ref())
}

async fn login(State(bank): State<Arc<Bank>>, headers: HeaderMap) -> Response {
    send(&bank, &headers, Asked::Login { level: Level::Substantial, text: "Log på Netbanken", sub: None }).await
}

async fn pay(State(bank): State<Arc<Bank>>, headers: HeaderMap, Form(payment): Form<Payment>) -> Response {
    let Some(account) = bank.sessions.read(&headers, |session| session.account()).flatten() else {
        return Redirect::to("/").into_response();
    };
    let asked = Asked::Payment { payment: payment.normalised(), sub: account.person.sub };
    send(&bank, &headers, asked).await
}

/// Pushes the request and sends the browser to the identity server with its reference.
async fn send(bank: &Bank, headers: &HeaderMap, asked: Asked) -> Response {
    match bank.provider.begin(asked).await {
        Ok((address, pending)) => {
            let cookie = bank.sessions.change(headers, |session| session.pending = Some(pending));
            with_cookie(Redirect::to(&address).into_response(), cookie)
        }
        Err(error) => pages::failed(&error),
    }
}

async fn logout(State(bank): State<Arc<Bank>>, headers: HeaderMap) -> Response {
    bank.sessions.end(&headers);
    Redirect::to("/").into_response()
}

/// What the identity server sends the browser back with.
#[derive(Clone, Debug, Deserialize)]
pub struct Callback {
    /// The code.
    pub code: Option<String>,
    /// The request that it belongs to.
    pub state: Option<String>,
    /// The issuer (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// In words.
    pub error_description: Option<String>,
}

async fn callback(State(bank): State<Arc<Bank>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let callback = Callback::read(query.as_deref().unwrap_or_default());
    // A request is answered once: whatever comes of it, it is no longer pending.
    let Some(pending) = bank.sessions.take_pending(&headers) else { return pages::failed(&ProviderError::Unasked) };
    match bank.provider.finish(pending, callback).await {
        Ok((Asked::Login { .. }, person)) => {
            bank.sessions.end(&headers);
            let cookie = bank.sessions.begin(person);
            with_cookie(Redirect::to("/").into_response(), cookie)
        }
        Ok((Asked::Payment { payment, .. }, person)) => {
            let receipt = Receipt { payment, transaction: person.transaction };
            let cookie = bank.sessions.change(&headers, |session| session.receipts.push(receipt));
            with_cookie(Redirect::to("/").into_response(), cookie)
        }
        Err(error) => pages::failed(&error),
    }
}

impl Callback {
    /// Reads the query of the way back.
    #[must_use]
    pub fn read(query: &str) -> Self {
        let mut found = Self { code: None, state: None, iss: None, error: None, error_description: None };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let field = match name.as_ref() {
                "code" => &mut found.code,
                "state" => &mut found.state,
                "iss" => &mut found.iss,
                "error" => &mut found.error,
                "error_description" => &mut found.error_description,
                _ => continue,
            };
            *field = Some(value.into_owned());
        }
        found
    }
}

/// Sends a cookie with an answer.
#[must_use]
pub fn with_cookie(mut response: Response, cookie: String) -> Response {
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}
