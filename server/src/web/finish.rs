//! The end of a login: back to the relying party, with a code or with the reason why there is none.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use godkend_protocol::bytes::{Hash32, Id, Secret};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::types::Action;
use url::Url;

use super::language::preferred as language;
use super::{cookies, html, password};
use crate::app::App;
use crate::approval::{self, State as TransactionState};
use crate::config::RelyingParty;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::oidc::error::Kind;
use crate::oidc::params::Params;
use crate::oidc::records::{Ask, Finished, Grant, Language, Login};
use crate::oidc::request::ReturnTo;
use crate::oidc::{client, code, hint, issuer, notify, session as oidc_session};
use crate::records::{Entry, Transaction};

/// The login whose session cookie the browser sent, and the cookie's hash.
///
/// # Errors
/// [`Code::NotFound`], the same for a login that is not there and for one of another browser.
pub(super) async fn session(app: &App, headers: &HeaderMap, id: &str) -> Result<(Entry<Login>, Hash32), ApiError> {
    let id = Id::from_base64(id).ok_or(Code::NotFound)?;
    let session = cookies::session(app, headers, &id).ok_or(Code::NotFound)?;
    let login = docs::get::<Login>(&*app.store, &id.0).await?.ok_or(Code::NotFound)?;
    if !crypto::same(&login.doc.session.0, &session.0) {
        return Err(Code::NotFound.into());
    }
    Ok((login, session))
}

/// `GET /login/return?t=<login>&c=<return code>`: the app sends the browser of the same device here. Approval, return
/// code and cookie together complete the login, and no two of them.
pub(super) async fn returned(State(app): State<Arc<App>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let outcome = async {
        let params =
            Params::parse(query.unwrap_or_default().as_bytes()).map_err(|_| ApiError::from(Code::Malformed))?;
        let code = params.get("c").and_then(Secret::<16>::from_base64).ok_or(Code::LinkInvalid)?;
        let (login, session) = session(&app, &headers, params.get("t").unwrap_or_default()).await?;
        let transaction = login.doc.transaction;
        approval::complete_same_device(&app, &transaction, &code, Some(&session)).await.map(|_| transaction)
    };
    match outcome.await {
        Ok(transaction) => Redirect::to(&format!("/login/{}/finish", transaction.to_base64())).into_response(),
        Err(error) if error.code == Code::NotFound => html::wrong_browser(language(&headers)),
        Err(error) => html::error(language(&headers), &error),
    }
}

/// `GET /login/<id>/finish`: sends the browser back. Asked again, it gives the same answer.
pub(super) async fn finish(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let (login, session) = match session(&app, &headers, &id).await {
        Ok(found) => found,
        Err(error) if error.code == Code::NotFound => return html::wrong_browser(language(&headers)),
        Err(error) => return html::error(language(&headers), &error),
    };
    let back =
        ReturnTo { redirect_uri: login.doc.request.redirect_uri.clone(), state: login.doc.request.state.clone() };
    match conclude(&app, &headers, login.doc.transaction, &session).await {
        Ok(None) => Redirect::to(&format!("/login/{id}")).into_response(),
        Ok(Some(Concluded { finished: Finished::Code, cookies })) => {
            let code = code::of_transaction(&app.keys.pairwise, &login.doc.transaction);
            let mut response = back_to(&app, &back, &[("code", &code)]);
            for cookie in cookies {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(Some(Concluded { finished, .. })) => {
            let why = match finished {
                Finished::Reported => "The person reports that this was not their request.",
                Finished::Expired => "Nobody approved in time.",
                Finished::Another => "Another person approved than the one that the request names.",
                Finished::Declined | Finished::Code => "The person declined.",
            };
            refuse(&app, &back, Kind::AccessDenied, why)
        }
        Err(error) => html::error(login.doc.request.ask.language, &error),
    }
}

/// How a login ended, and the cookies that come of it: once, with its first telling.
struct Concluded {
    finished: Finished,
    cookies: Vec<HeaderValue>,
}

/// Fixes how the login ends; `None` while it has not.
async fn conclude(app: &App, headers: &HeaderMap, id: Id, session: &Hash32) -> Result<Option<Concluded>, ApiError> {
    retry(|| async {
        let mut login = docs::get::<Login>(&*app.store, &id.0).await?.ok_or(Code::NotFound)?;
        if let Some(finished) = login.doc.finished {
            return Ok(Some(Concluded { finished, cookies: Vec::new() }));
        }
        let mut changes = Changes::new();
        let transaction = docs::get::<Transaction>(&*app.store, &id.0).await?.ok_or(Code::TransactionUnknown)?;
        let mut cookies = Vec::new();
        let finished = match approval::view(&transaction.doc, app.now()).state {
            TransactionState::Waiting | TransactionState::Opened => return Ok(None),
            TransactionState::Denied => Finished::Declined,
            TransactionState::Reported => Finished::Reported,
            TransactionState::Expired => Finished::Expired,
            TransactionState::Approved if approval::is_disputed(app, &transaction.doc).await? => Finished::Reported,
            TransactionState::Approved => {
                // In one commit with its code: one that is collected without a code is one that a replay knows from the
                // log, and was told of before.
                let granted = approval::collect_into(app, &mut changes, &id, Some(session)).await?;
                let ask = &login.doc.request.ask;
                // The server's own pages ask as no client.
                let party = client::find(app, &ask.client_id).await?;
                if party.is_none() && ask.client_id != password::OWN {
                    return Err(Code::NotFound.into());
                }
                if party.as_ref().is_none_or(|party| hint::is_wanted(app, party, ask, &granted.account)) {
                    let (code, lifetime) =
                        (code::of_transaction(&app.keys.pairwise, &id), app.config.oidc.code_seconds);
                    let mut grant = Grant::of(id, &granted);
                    if let Some(party) = &party {
                        cookies.extend(shared(app, headers, &mut changes, party, ask, &mut grant).await?);
                    }
                    changes.insert(&code::record(&code, login.doc.request.clone(), grant, app.now(), lifetime));
                    cookies.extend(granted.new_browser_cookie.and_then(|cookie| cookies::set_browser(app, &cookie)));
                    Finished::Code
                } else {
                    Finished::Another
                }
            }
        };
        login.doc.finished = Some(finished);
        changes.update(&login);
        changes.commit(&*app.store).await?;
        app.log.wake();
        notify::wake(app);
        Ok(Some(Concluded { finished, cookies }))
    })
    .await
}

/// The session that begins with a login. A payment or a signature begins none: nobody signs in by it.
async fn shared(
    app: &App,
    headers: &HeaderMap,
    changes: &mut Changes,
    party: &RelyingParty,
    ask: &Ask,
    grant: &mut Grant,
) -> Result<Option<HeaderValue>, ApiError> {
    if ask.action != Action::LogOn {
        return Ok(None);
    }
    let group = party.single_sign_on.as_deref();
    let earlier = group.and_then(|group| cookies::shared(app, headers, group));
    let secret = oidc_session::begin(app, changes, party, grant, earlier.as_ref()).await?;
    Ok(secret.zip(group).and_then(|(secret, group)| cookies::set_shared(app, group, &secret)))
}

/// An error response (RFC 6749, section 4.1.2.1).
pub(super) fn refuse(app: &App, back: &ReturnTo, kind: Kind, description: &str) -> Response {
    back_to(app, back, &[("error", kind.as_str()), ("error_description", description)])
}

/// Back to a registered address, with the state and the issuer (RFC 9207).
pub(super) fn back_to(app: &App, back: &ReturnTo, parameters: &[(&str, &str)]) -> Response {
    let Some(url) = address(&back.redirect_uri, back.state.as_deref(), issuer(app), parameters) else {
        return html::error(Language::Da, &Code::Internal.into());
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response()
}

fn address(redirect_uri: &str, state: Option<&str>, issuer: &str, parameters: &[(&str, &str)]) -> Option<String> {
    let mut url = Url::parse(redirect_uri).ok()?;
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(parameters);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", issuer);
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_keeps_the_registered_query_and_adds_state_and_issuer() {
        let url = address("https://a.dk/cb?tenant=7", Some("x y&z"), "https://id.dk", &[("code", "c")]).unwrap();
        assert_eq!(url, "https://a.dk/cb?tenant=7&code=c&state=x+y%26z&iss=https%3A%2F%2Fid.dk");
        let url = address("https://a.dk/cb", None, "https://id.dk", &[("error", "access_denied")]).unwrap();
        assert_eq!(url, "https://a.dk/cb?error=access_denied&iss=https%3A%2F%2Fid.dk");
    }
}
