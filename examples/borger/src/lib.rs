#![doc = include_str!("../README.md")]

mod letters;
mod pages;

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use godkend_netbank::provider::{Asked, Level, Person, Provider, ProviderError};
use godkend_netbank::session::Sessions;
use godkend_netbank::{Callback, Settings, shell, with_cookie};
use letters::{Challenge, Opened};

/// The public body.
pub struct Borger {
    provider: Provider,
    sessions: Sessions,
}

impl Borger {
    /// A site that has not talked to the identity server yet.
    ///
    /// # Errors
    /// [`ProviderError::Settings`].
    pub fn new(settings: Settings) -> Result<Arc<Self>, ProviderError> {
        Ok(Arc::new(Self { provider: Provider::new(settings)?, sessions: Sessions::new("borger") }))
    }

    /// Its pages.
    pub fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/", get(home))
            .route("/login", post(login))
            .route("/letter", get(letter))
            .route(letters::PATH, get(letters::serve))
            .route("/step-up", post(step_up))
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

    fn person(&self, headers: &HeaderMap) -> Option<Person> {
        self.sessions.read(headers, |session| session.person.clone()).flatten()
    }
}

async fn home(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    pages::home(borger.person(&headers).as_ref())
}

async fn login(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    send(&borger, &headers, Asked::Login { level: Level::Low, text: "Log på Borgersiden", sub: None }).await
}

/// The letter, for those whose session is good enough; the others are told what it takes.
async fn letter(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    match letters::open(borger.person(&headers)) {
        Opened::Letter(person) => pages::letter(&person),
        Opened::Nobody => Redirect::to("/").into_response(),
        Opened::Insufficient(_) => pages::locked(),
    }
}

/// Asks for what the letter's resource asks for, as it words it.
async fn step_up(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    let Some(person) = borger.person(&headers) else { return Redirect::to("/").into_response() };
    let sub = Some(person.sub.clone());
    let Opened::Insufficient(challenge) = letters::open(Some(person)) else {
        return Redirect::to("/letter").into_response();
    };
    let Some(Challenge { level }) = Challenge::read(&challenge) else { return pages::locked() };
    send(&borger, &headers, Asked::Login { level, text: "Læs et brev fra Kommunen", sub }).await
}

async fn logout(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    borger.sessions.end(&headers);
    Redirect::to("/").into_response()
}

/// Pushes the request and sends the browser to the identity server with its reference.
async fn send(borger: &Borger, headers: &HeaderMap, asked: Asked) -> Response {
    match borger.provider.begin(asked).await {
        Ok((address, pending)) => {
            let cookie = borger.sessions.change(headers, |session| session.pending = Some(pending));
            with_cookie(Redirect::to(&address).into_response(), cookie)
        }
        Err(error) => pages::failed(&error),
    }
}

async fn callback(State(borger): State<Arc<Borger>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let callback = Callback::read(query.as_deref().unwrap_or_default());
    let Some(pending) = borger.sessions.take_pending(&headers) else { return pages::failed(&ProviderError::Unasked) };
    match borger.provider.finish(pending, callback).await {
        Ok((asked, mut person)) => {
            let stepped_up = matches!(asked, Asked::Login { sub: Some(_), .. });
            // Of a login counts what was asked for: that is what the person has seen and approved.
            if let Asked::Login { level, .. } = asked {
                person.level = person.level.min(level);
            }
            borger.sessions.end(&headers);
            let cookie = borger.sessions.begin(person);
            with_cookie(Redirect::to(if stepped_up { "/letter" } else { "/" }).into_response(), cookie)
        }
        // A step up that was declined leaves the person signed in as before.
        Err(error) => pages::failed(&error),
    }
}
