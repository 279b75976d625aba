//! The authorisation endpoint: a request becomes a login page with its own session.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, Request, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::bytes::Secret;
use godkend_protocol::messages::approval::RelyingParty as Asking;

use super::visitor::Visitor;
use super::{cookies, finish, html};
use crate::app::App;
use crate::approval::{self, NewTransaction, Start};
use crate::config::RelyingParty;
use crate::docs::Changes;
use crate::error::ApiError;
use crate::oidc::error::{Kind, OidcError};
use crate::oidc::params::Params;
use crate::oidc::records::{Ask, AuthorizationRequest, Login};
use crate::oidc::request::ReturnTo;
use crate::oidc::{self, client, code, hint, request, session};
use crate::records::Transaction;

/// Seconds that a login is remembered after it began: its last page can still be shown.
pub(super) const KEPT: i64 = 900;

/// `GET /authorize`.
pub(super) async fn by_query(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    authorize(&app, params, &headers, request.extensions()).await
}

/// `POST /authorize` (OpenID Connect Core, section 3.1.2.1 wants both).
pub(super) async fn by_form(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Response {
    let params = oidc::form(&headers, &body);
    authorize(&app, params, &headers, &extensions).await
}

/// What went wrong, and where to say so.
enum Refusal {
    /// To the relying party.
    Redirect(ReturnTo, OidcError),
    /// To the person: the client or its address is not known.
    Show(OidcError),
}

async fn authorize(
    app: &App,
    params: Result<Params, OidcError>,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Response {
    let outcome = match params {
        Ok(params) => begin(app, &params, headers, extensions).await,
        Err(error) => Err(Refusal::Show(error)),
    };
    match outcome {
        Ok(response) => response,
        Err(Refusal::Redirect(back, error)) => finish::refuse(app, &back, error.kind, error.description),
        Err(Refusal::Show(error)) => html::refused(cookies::language(headers).unwrap_or_default(), &error),
    }
}

async fn begin(app: &App, params: &Params, headers: &HeaderMap, extensions: &Extensions) -> Result<Response, Refusal> {
    let unknown = || Refusal::Show(OidcError::new(Kind::InvalidClient, "client_id is not known here."));
    let client_id = params.need("client_id", "client_id is missing.").map_err(Refusal::Show)?;
    let party = client::find(app, client_id).await.map_err(|error| Refusal::Show(error.into()))?;
    let party = &*party.ok_or_else(unknown)?;
    let mut changes = Changes::new();
    let mut request = match params.get("request_uri") {
        Some(uri) => oidc::take_pushed(app, &mut changes, party, uri).await.map_err(Refusal::Show)?,
        None => {
            let back = request::return_to(params, party).map_err(Refusal::Show)?;
            let request = request::unpushed(params, party, &back).and_then(|mut request| {
                hint::read(app, party, params, &mut request.ask)?;
                Ok(request)
            });
            request.map_err(|error| Refusal::Redirect(back, error))?
        }
    };
    if let Some(chosen) = cookies::language(headers) {
        request.ask.language = chosen;
    }
    let back = ReturnTo { redirect_uri: request.redirect_uri.clone(), state: request.state.clone() };
    let redirect = |error: OidcError| Refusal::Redirect(back.clone(), error);

    let used = |error: ApiError| {
        let used = OidcError::new(Kind::InvalidRequestUri, "request_uri was used already; push the request again.");
        Refusal::Show(if error.is_conflict() { used } else { error.into() })
    };
    if let Some(shared) = shared(app, headers, party, &request, &mut changes).await.map_err(used)? {
        return Ok(shared);
    }
    if request.ask.wish.silent {
        // Used up all the same.
        changes.commit(&*app.store).await.map_err(used)?;
        return Err(redirect(OidcError::new(Kind::LoginRequired, "The person has to sign in, and prompt is none.")));
    }
    let visitor = Visitor::of(app, headers, extensions, request.ask.language);
    let secret = Secret::<32>::random(&mut app.rng());
    let session = cookies::session_hash(&secret);
    let cookie = cookies::browser(app, headers);
    let may_remember = cookie.is_none();
    // A pushed request is used up with what begins by it, or before; of two browsers, one is refused. A cookie may have
    // to be revoked whatever becomes of the request, so it does not share the commit.
    if cookie.is_some() {
        std::mem::take(&mut changes).commit(&*app.store).await.map_err(used)?;
    }
    let start = cookie.map_or(Start::Page, |cookie| Start::Browser { cookie });
    let mut new = transaction(party, &request.ask, visitor.source, start);
    new.browser_session = Some(session);
    new.place = visitor.place;
    new.browser = visitor.browser;
    new.may_remember = may_remember;
    let now = app.now();
    let login = |transaction: &Transaction, changes: &mut Changes| {
        changes.insert(&login_of(transaction.id, request.clone(), session, now));
    };
    let begun = approval::begin_beside(app, new, &changes, &login).await;
    let begun = begun.map_err(|error| if error.is_conflict() { used(error) } else { redirect(error.into()) })?;
    let id = begun.transaction.doc.id;
    approval::magic::act(app, &id).await.map_err(|error| redirect(error.into()))?;

    let mut response =
        (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/login/{}", id.to_base64()))]).into_response();
    let browser = match &begun.browser_cookie {
        Some(cookie) => cookies::set_browser(app, cookie),
        None if begun.forget_cookie => cookies::forget_browser(app),
        None => None,
    };
    for cookie in cookies::set_session(app, &id, &secret).into_iter().chain(browser) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// An answer at once, where the browser's session with the relying party's group is good enough.
async fn shared(
    app: &App,
    headers: &HeaderMap,
    party: &RelyingParty,
    request: &AuthorizationRequest,
    changes: &mut Changes,
) -> Result<Option<Response>, ApiError> {
    let Some(group) = &party.single_sign_on else { return Ok(None) };
    let Some(cookie) = cookies::shared(app, headers, group) else { return Ok(None) };
    let mut with = changes.clone();
    let Some(grant) = session::share(app, &mut with, &cookie, party, &request.ask).await? else { return Ok(None) };
    let code = Secret::<32>::random(&mut app.rng()).to_base64();
    let account = grant.account;
    with.insert(&code::record(&code, request.clone(), grant, app.now(), app.config.oidc.code_seconds));
    with.commit(&*app.store).await?;
    app.wake.all(account);
    let back = ReturnTo { redirect_uri: request.redirect_uri.clone(), state: request.state.clone() };
    Ok(Some(finish::back_to(app, &back, &[("code", &code)])))
}

/// What a login page keeps of its request.
pub(super) fn login_of(
    id: godkend_protocol::bytes::Id,
    request: AuthorizationRequest,
    session: godkend_protocol::bytes::Hash32,
    now: i64,
) -> Login {
    Login { transaction: id, request, session, finished: None, purge: now.saturating_add(KEPT) }
}

/// The transaction of an ask, without a browser.
pub(crate) fn transaction(party: &RelyingParty, ask: &Ask, source: String, start: Start) -> NewTransaction {
    NewTransaction {
        relying_party: Asking { id: party.client_id.clone(), name: party.name.clone() },
        action: ask.action,
        text: ask.text.clone(),
        payment: ask.payment.clone(),
        level: ask.level,
        browser_session: None,
        place: None,
        browser: None,
        source,
        may_remember: false,
        start,
    }
}
