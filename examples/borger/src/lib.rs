#![doc = include_str!("../README.md")]

mod letters;
mod pages;

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use godkend_netbank::challenge::Challenge;
use godkend_netbank::dpop::Seen;
use godkend_netbank::provider::{AccessToken, Asked, Beside, Level, Person, Provider, ProviderError};
use godkend_netbank::session::Sessions;
use godkend_netbank::{Callback, Clock, Settings, shell, system_clock, with_cookie};
use letters::Fetched;

/// The public body: its pages, and the resource that they read letters from.
pub struct Borger {
    provider: Provider,
    sessions: Sessions,
    url: String,
    clock: Clock,
    proofs: Seen,
}

impl Borger {
    /// A site that has not talked to the identity server yet.
    ///
    /// # Errors
    /// [`ProviderError::Settings`].
    pub fn new(settings: Settings) -> Result<Arc<Self>, ProviderError> {
        Self::with_clock(settings, Arc::new(system_clock))
    }

    /// The same, with a clock of its own.
    ///
    /// # Errors
    /// [`ProviderError::Settings`].
    pub fn with_clock(settings: Settings, clock: Clock) -> Result<Arc<Self>, ProviderError> {
        let (url, sessions) = (settings.url.clone(), Sessions::new("borger"));
        let provider = Provider::with_clock(settings, clock.clone())?;
        Ok(Arc::new(Self { provider, sessions, url, clock, proofs: Seen::default() }))
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

    /// Who is signed in, and what came of asking for the letter in that name.
    async fn fetch(&self, headers: &HeaderMap) -> Option<(Person, Fetched)> {
        let signed_in = |person: &Option<Person>, token: &Option<AccessToken>| person.clone().zip(token.clone());
        let found = self.sessions.read(headers, |session| signed_in(&session.person, &session.token));
        let (person, token) = found.flatten()?;
        Some((person, letters::fetch(self, &token).await))
    }

    /// The visit is over, for the token is.
    fn ended(&self, headers: &HeaderMap) -> Response {
        self.sessions.end(headers);
        pages::ended()
    }
}

async fn home(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    pages::home(borger.person(&headers).as_ref())
}

async fn login(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    let asked = Asked::Login { level: Level::Low, text: "Log på Borgersiden", sub: None };
    send(&borger, &headers, asked, Beside::default()).await
}

/// The letter, where the login does; the others are told what it takes.
async fn letter(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    match borger.fetch(&headers).await {
        None => Redirect::to("/").into_response(),
        Some((person, Fetched::Letter(text))) => pages::letter(&person, &text),
        Some((person, Fetched::Insufficient(challenge))) => pages::locked(&person, challenge),
        Some((_, Fetched::Ended)) => borger.ended(&headers),
        Some((_, Fetched::Unreachable)) => pages::unreachable(),
    }
}

/// Asks for what the letter's resource asks for, as it words it (RFC 9470, section 4).
async fn step_up(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    match borger.fetch(&headers).await {
        None => Redirect::to("/").into_response(),
        Some((person, Fetched::Insufficient(Challenge { level, max_age }))) => {
            let level = level.unwrap_or(person.level);
            let asked = Asked::Login { level, text: "Læs et brev fra Kommunen", sub: Some(person.sub) };
            send(&borger, &headers, asked, Beside { max_age, ..Beside::default() }).await
        }
        Some((_, Fetched::Letter(_))) => Redirect::to("/letter").into_response(),
        Some((_, Fetched::Ended)) => borger.ended(&headers),
        Some((_, Fetched::Unreachable)) => pages::unreachable(),
    }
}

async fn logout(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    borger.sessions.end(&headers);
    Redirect::to("/").into_response()
}

/// Pushes the request and sends the browser to the identity server with its reference.
async fn send(borger: &Borger, headers: &HeaderMap, asked: Asked, beside: Beside) -> Response {
    match borger.provider.begin_with(asked, beside).await {
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
    match borger.provider.finish_with_token(pending, callback).await {
        Ok((asked, mut person, token)) => {
            let stepped_up = matches!(asked, Asked::Login { sub: Some(_), .. });
            // Of a login counts what was asked for: that is what the person has seen and approved.
            if let Asked::Login { level, .. } = asked {
                person.level = person.level.min(level);
            }
            borger.sessions.end(&headers);
            let cookie = borger.sessions.begin_with_token(person, token);
            with_cookie(Redirect::to(if stepped_up { "/letter" } else { "/" }).into_response(), cookie)
        }
        // A step up that was declined leaves the person signed in as before.
        Err(error) => pages::failed(&error),
    }
}
