//! An ID token of ours that comes back as a hint (OpenID Connect Core, section 3.1.2.1; RP-Initiated Logout 1.0).

use godkend_protocol::bytes::{Fixed, Id};

use super::error::OidcError;
use super::jws::Jws;
use super::params::Params;
use super::records::{Ask, Grant};
use super::{claims, issuer, metadata};
use crate::app::App;
use crate::config::RelyingParty;
use crate::records::Account;

/// What an ID token said, whose signature was ours. It may have expired: it is a hint, and no proof of anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The client that it was issued to.
    pub client_id: String,
    /// `sub`
    pub subject: String,
    /// `sid`
    pub sid: Option<Id>,
}

/// Reads an ID token of ours.
///
/// # Errors
/// `invalid_request`.
pub fn told(app: &App, text: &str) -> Result<Told, OidcError> {
    let refused = || OidcError::invalid("id_token_hint is not an ID token of this server's.");
    let token = Jws::parse(text).ok_or_else(refused)?;
    let kid = token.header_text("kid").ok_or_else(refused)?;
    let own = core::iter::once(&app.keys.oidc).chain(&app.keys.oidc_previous);
    let key = own.into_iter().find(|key| metadata::key_id(key) == kid).ok_or_else(refused)?;
    if !token.verify(&Fixed(*key.public())) || token.text("iss") != Some(issuer(app)) {
        return Err(refused());
    }
    // The same keys sign logout tokens, which are no ID tokens.
    if token.claims.contains_key("events") {
        return Err(refused());
    }
    Ok(Told {
        client_id: token.text("aud").ok_or_else(refused)?.to_owned(),
        subject: token.text("sub").ok_or_else(refused)?.to_owned(),
        sid: token.text("sid").and_then(Id::from_base64),
    })
}

/// Reads `id_token_hint` of an authorisation request, if it has one.
///
/// # Errors
/// `invalid_request`.
pub fn read(app: &App, party: &RelyingParty, params: &Params, ask: &mut Ask) -> Result<(), OidcError> {
    let Some(text) = params.get("id_token_hint") else { return Ok(()) };
    let told = told(app, text)?;
    if told.client_id != party.client_id {
        return Err(OidcError::invalid("id_token_hint was issued to another client."));
    }
    ask.wish.subject = Some(told.subject);
    Ok(())
}

/// Whether a person is the one that the request names, if it names one.
#[must_use]
pub fn is_wanted(app: &App, party: &RelyingParty, ask: &Ask, account: &Account) -> bool {
    let subject = || claims::subject_of(&app.keys.pairwise, party, &account.id);
    ask.wish.uuid.as_ref().is_none_or(|uuid| *uuid == account.uuid)
        && ask.wish.subject.as_ref().is_none_or(|wanted| *wanted == subject())
}

/// Whether an earlier login is good enough for this request, at `now` in Unix seconds.
#[must_use]
pub fn is_recent(ask: &Ask, grant: &Grant, now: i64) -> bool {
    // `max_age=0` asks for a new login, even within the same second.
    !ask.wish.fresh && ask.wish.max_age.is_none_or(|seconds| seconds > 0 && now.saturating_sub(grant.at) <= seconds)
}
