#![doc = include_str!("../README.md")]

mod actions;
mod api;
mod events;
mod greenlandic;
mod pages;
mod session;
mod shell;
mod time;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, Query, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use godkend_netbank::provider::{Asked, Beside, Level, Provider, ProviderError};
use godkend_netbank::{Callback, Settings};
use serde::Deserialize;
use serde_json::{Value, json};

use actions::{Action, After};
use api::Refused;
use pages::Around;
use session::{Sessions, Signed, Visit};
use shell::{Language, STYLE_PATH};

/// What a visit takes.
const LEVEL: Level = Level::Substantial;
/// The scope that opens a citizen's own affairs.
const SCOPE: &str = "self_service";
/// The cookie that the form of who is not signed in must agree with.
const GUEST_COOKIE: &str = "godkend-self-guest";

/// The site.
pub struct Site {
    provider: Provider,
    sessions: Sessions,
    origin: String,
}

impl Site {
    /// A site that has not talked to the identity server yet.
    ///
    /// # Errors
    /// [`ProviderError::Settings`].
    pub fn new(settings: Settings) -> Result<Arc<Self>, ProviderError> {
        let (origin, secure) = (settings.url.clone(), settings.url.starts_with("https://"));
        Ok(Arc::new(Self { provider: Provider::new(settings)?, sessions: Sessions::new(secure), origin }))
    }

    /// Its pages.
    pub fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/", get(home))
            .route("/login", post(login))
            .route("/callback", get(callback))
            .route("/logout", post(logout))
            .route("/language/{tag}", get(language))
            .route("/history", get(history))
            .route("/export", get(export))
            .route("/do/{name}", get(confirm).post(act))
            .route("/phone", get(phone))
            .route("/phone/digits", post(digits))
            .route(STYLE_PATH, get(shell::style))
            .layer(middleware::from_fn_with_state(self.clone(), protect))
            .with_state(self)
    }

    /// Serves until the listener fails.
    ///
    /// # Errors
    /// The listener's.
    pub async fn serve(self: Arc<Self>, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        axum::serve(listener, self.routes()).await
    }

    fn person(&self, headers: &HeaderMap) -> Option<Signed> {
        self.sessions.with(headers, |visit| visit.person.clone()).flatten()
    }

    /// Asks the identity server in the name of who is signed in.
    async fn ask(&self, headers: &HeaderMap, path: &str, body: Option<Value>) -> Result<Value, Refused> {
        let person = self.person(headers).ok_or(Refused::Ended)?;
        api::ask(&self.provider, &person.token, path, body).await
    }

    /// What a page stands in; its forms get a token where somebody is signed in.
    fn around<'a>(&'a self, headers: &HeaderMap, form: &'a str) -> Around<'a> {
        let form = (!form.is_empty()).then_some(form);
        Around { language: Language::of(headers), form, issuer: self.provider.issuer() }
    }

    /// Sends the browser to sign in. Who is signed in already must come back as the same person.
    async fn sign_in(&self, headers: &HeaderMap, level: Level, max_age: Option<u64>, back: String) -> Response {
        let language = Language::of(headers);
        let sub = self.person(headers).map(|person| person.sub);
        let asked = Asked::Login { level, text: language.pick("Log på Mit Godkend", "Log on to Mit Godkend"), sub };
        let beside = Beside { scope: Some(SCOPE), max_age, fresh: max_age.is_some(), language: Some(language.tag()) };
        match self.provider.begin_with(asked, beside).await {
            Ok((address, pending)) => {
                let mut slot = Some((pending, back));
                let kept = self.sessions.with(headers, |visit| visit.pending = slot.take());
                let response = Redirect::to(&address).into_response();
                match kept {
                    Some(()) => response,
                    None => with_cookie(response, &self.sessions.begin(Visit { pending: slot, ..Visit::default() })),
                }
            }
            Err(error) => self.failed(headers, &error),
        }
    }

    fn failed(&self, headers: &HeaderMap, error: &ProviderError) -> Response {
        let form = self.sessions.form(headers);
        let around = self.around(headers, &form);
        let said = match error {
            ProviderError::Declined(_) => around.language.pick("Du loggede ikke på.", "You did not log on."),
            ProviderError::Unasked => around
                .language
                .pick("Der er intet at svare på. Begynd forfra.", "There is nothing to answer. Begin again."),
            ProviderError::Mismatch(_) => around
                .language
                .pick("Svaret passer ikke til det, der blev bedt om.", "The answer does not fit what was asked for."),
            _ => around.language.pick(
                "Godkend svarer ikke lige nu. Prøv igen om lidt.",
                "Godkend cannot answer right now. Try again shortly.",
            ),
        };
        pages::problem(around, error.status(), said)
    }

    /// Whatever is not an answer that a page has a place for: the visit is over, a better login is needed, or a sentence.
    async fn refused(&self, headers: &HeaderMap, refused: Refused, back: String) -> Response {
        match refused {
            Refused::Ended => {
                self.sessions.end(headers);
                self.welcome(headers, StatusCode::UNAUTHORIZED, true)
            }
            Refused::StepUp { level, max_age } => self.sign_in(headers, level.max(LEVEL), Some(max_age), back).await,
            other => {
                let form = self.sessions.form(headers);
                let (said, status) = pages::said(Language::of(headers), &other);
                pages::problem(self.around(headers, &form), status, &said)
            }
        }
    }

    fn welcome(&self, headers: &HeaderMap, status: StatusCode, ended: bool) -> Response {
        let known = session::cookie(headers, GUEST_COOKIE).map(str::to_owned);
        let guest = known.clone().unwrap_or_else(session::fresh);
        let mut response = pages::welcome(self.around(headers, ""), &guest, ended);
        *response.status_mut() = status;
        match known {
            Some(_) => response,
            None => with_cookie(response, &format!("{GUEST_COOKIE}={guest}; Path=/; HttpOnly; SameSite=Strict")),
        }
    }

    /// A form that this browser was not shown, or has sent already.
    fn strange_form(&self, headers: &HeaderMap) -> Response {
        let form = self.sessions.form(headers);
        let around = self.around(headers, &form);
        let said = around.language.pick(
            "Formularen er sendt før eller hører ikke til dit besøg. Intet er gjort. Begynd forfra på siden.",
            "The form was sent before or does not belong to your visit. Nothing was done. Begin again on the page.",
        );
        pages::problem(around, StatusCode::FORBIDDEN, said)
    }

    /// Whether a form was sent from a page of this site's. Browsers say so themselves; the token decides.
    fn is_own(&self, headers: &HeaderMap) -> bool {
        headers.get(header::ORIGIN).is_none_or(|origin| origin.as_bytes() == self.origin.as_bytes())
    }
}

async fn protect(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    shell::protect(&mut response, site.provider.issuer());
    response
}

async fn home(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    if site.person(&headers).is_none() {
        return site.welcome(&headers, StatusCode::OK, false);
    }
    match site.ask(&headers, "overview", None).await {
        Ok(own) => {
            let told = site.sessions.with(&headers, |visit| visit.told.take()).flatten();
            let form = site.sessions.form(&headers);
            pages::overview(site.around(&headers, &form), &own, told.as_deref())
        }
        Err(refused) => site.refused(&headers, refused, "/".to_owned()).await,
    }
}

/// What forms send. Each has its token; the others are there where the form has them.
#[derive(Deserialize)]
struct Sent {
    #[serde(default)]
    form: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    typed: String,
    #[serde(default)]
    digits: String,
}

async fn login(State(site): State<Arc<Site>>, headers: HeaderMap, Form(sent): Form<Sent>) -> Response {
    // Nobody is signed in, so the token is the browser's own, in a cookie that no other site's page sends or knows.
    let own = session::cookie(&headers, GUEST_COOKIE).is_some_and(|cookie| !cookie.is_empty() && cookie == sent.form);
    if !own || !site.is_own(&headers) {
        return site.strange_form(&headers);
    }
    site.sessions.end(&headers);
    site.sign_in(&headers, LEVEL, None, "/".to_owned()).await
}

async fn callback(State(site): State<Arc<Site>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let callback = Callback::read(query.as_deref().unwrap_or_default());
    // A request is answered once: whatever comes of it, it is no longer pending.
    let pending = site.sessions.with(&headers, |visit| visit.pending.take()).flatten();
    let Some((pending, back)) = pending else { return site.failed(&headers, &ProviderError::Unasked) };
    match site.provider.finish_with_token(pending, callback).await {
        Ok((_, person, token)) => {
            // The name from before is not carried over; what was handed out is.
            let before = site.sessions.end(&headers);
            if let Some(old) = before.as_ref().and_then(|visit| visit.person.clone()) {
                // The older token is of no use any more.
                let _ = api::ask(&site.provider, &old.token, "logout", Some(json!({}))).await;
            }
            let person = Some(Signed { sub: person.sub, token });
            let handed = before.and_then(|visit| visit.handed);
            let cookie = site.sessions.begin(Visit { person, handed, ..Visit::default() });
            with_cookie(Redirect::to(&back).into_response(), &cookie)
        }
        // A step up that was declined leaves the person signed in as before.
        Err(error) => site.failed(&headers, &error),
    }
}

async fn logout(State(site): State<Arc<Site>>, headers: HeaderMap, Form(sent): Form<Sent>) -> Response {
    if !site.is_own(&headers) || !site.sessions.take_form(&headers, &sent.form) {
        return site.strange_form(&headers);
    }
    // Out here in any case; there as well, if the server answers.
    let _ = site.ask(&headers, "logout", Some(json!({}))).await;
    site.sessions.end(&headers);
    Redirect::to("/").into_response()
}

async fn language(Path(tag): Path<String>) -> Response {
    let language = Language::of_tag(&tag);
    with_cookie(Redirect::to("/").into_response(), &language.cookie())
}

#[derive(Deserialize)]
struct Older {
    #[serde(default)]
    after: String,
}

async fn history(State(site): State<Arc<Site>>, headers: HeaderMap, Query(older): Query<Older>) -> Response {
    let after = actions::path_of("&after={}", &older.after).unwrap_or_default();
    match site.ask(&headers, &format!("history?limit=25{after}"), None).await {
        Ok(found) => {
            let form = site.sessions.form(&headers);
            pages::history(site.around(&headers, &form), &found)
        }
        Err(refused) => site.refused(&headers, refused, "/history".to_owned()).await,
    }
}

async fn export(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    match site.ask(&headers, "export", None).await {
        Ok(file) => {
            let file = serde_json::to_string_pretty(&file).unwrap_or_default();
            let headers = [
                (header::CONTENT_TYPE, "application/json"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"godkend.json\""),
            ];
            (headers, file).into_response()
        }
        Err(refused) => site.refused(&headers, refused, "/".to_owned()).await,
    }
}

#[derive(Deserialize)]
struct Thing {
    #[serde(default)]
    id: String,
}

async fn confirm(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    Query(thing): Query<Thing>,
    headers: HeaderMap,
) -> Response {
    if site.person(&headers).is_none() {
        return site.welcome(&headers, StatusCode::UNAUTHORIZED, true);
    }
    let form = site.sessions.form(&headers);
    let around = site.around(&headers, &form);
    match Action::find(&name).filter(|action| action.path(&thing.id).is_some()) {
        Some(action) => pages::confirm(around, action, &thing.id, None),
        None => pages::problem(
            around,
            StatusCode::NOT_FOUND,
            around.language.pick("Siden findes ikke.", "There is no such page."),
        ),
    }
}

async fn act(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Form(sent): Form<Sent>,
) -> Response {
    if site.person(&headers).is_none() {
        return site.welcome(&headers, StatusCode::UNAUTHORIZED, true);
    }
    if !site.is_own(&headers) || !site.sessions.take_form(&headers, &sent.form) {
        return site.strange_form(&headers);
    }
    let language = Language::of(&headers);
    let found = Action::find(&name).and_then(|action| Some((action, action.path(&sent.id)?)));
    let Some((action, path)) = found else {
        let form = site.sessions.form(&headers);
        let said = language.pick("Siden findes ikke.", "There is no such page.");
        return pages::problem(site.around(&headers, &form), StatusCode::NOT_FOUND, said);
    };
    let answer = match site.ask(&headers, &path, Some(action.body(&sent.typed))).await {
        Ok(answer) => answer,
        Err(refused @ Refused::Said { .. }) => {
            let form = site.sessions.form(&headers);
            let (said, status) = pages::said(language, &refused);
            return pages::confirm(site.around(&headers, &form), action, &sent.id, Some((&said, status)));
        }
        Err(refused) => {
            // Back to the page with the button, not to what it does.
            let id = if sent.id.is_empty() { String::new() } else { format!("?id={}", sent.id) };
            return site.refused(&headers, refused, format!("/do/{name}{id}")).await;
        }
    };
    match action.after {
        After::Overview => {
            let done = language.pick(action.done.0, action.done.1).to_owned();
            site.sessions.with(&headers, |visit| visit.told = Some(done));
            Redirect::to("/").into_response()
        }
        After::Code | After::ChipCode => {
            let form = site.sessions.form(&headers);
            pages::code(site.around(&headers, &form), action, &answer)
        }
        After::NewPhone => {
            let field = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (id, text) = (field("id"), field("text"));
            let to = format!("/phone?id={id}");
            site.sessions.with(&headers, |visit| visit.handed = Some((id, text)));
            Redirect::to(&to).into_response()
        }
        After::Out => {
            site.sessions.end(&headers);
            pages::blocked(site.around(&headers, ""))
        }
    }
}

async fn phone(State(site): State<Arc<Site>>, Query(thing): Query<Thing>, headers: HeaderMap) -> Response {
    show_phone(&site, &headers, &thing.id, None).await
}

async fn show_phone(site: &Site, headers: &HeaderMap, id: &str, problem: Option<(&str, StatusCode)>) -> Response {
    let path = actions::path_of("activations/{}", id).unwrap_or_else(|| "activations/-".to_owned());
    match site.ask(headers, &path, None).await {
        Ok(shown) => {
            let handed = site.sessions.with(headers, |visit| visit.handed.clone()).flatten();
            let handed = handed.filter(|(own, _)| own == id).map(|(_, text)| text);
            let form = site.sessions.form(headers);
            pages::new_phone(site.around(headers, &form), &shown, handed.as_deref(), problem)
        }
        Err(refused) => site.refused(headers, refused, "/".to_owned()).await,
    }
}

async fn digits(State(site): State<Arc<Site>>, headers: HeaderMap, Form(sent): Form<Sent>) -> Response {
    if site.person(&headers).is_none() {
        return site.welcome(&headers, StatusCode::UNAUTHORIZED, true);
    }
    if !site.is_own(&headers) || !site.sessions.take_form(&headers, &sent.form) {
        return site.strange_form(&headers);
    }
    let Some(path) = actions::path_of("activations/{}/digits", &sent.id) else { return site.strange_form(&headers) };
    match site.ask(&headers, &path, Some(json!({ "digits": sent.digits }))).await {
        Ok(_) => Redirect::to(&format!("/phone?id={}", sent.id)).into_response(),
        Err(refused @ Refused::Said { .. }) => {
            let (said, status) = pages::said(Language::of(&headers), &refused);
            show_phone(&site, &headers, &sent.id, Some((&said, status))).await
        }
        Err(refused) => site.refused(&headers, refused, "/".to_owned()).await,
    }
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
