//! What the provider remembers: pushed requests, logins, codes and CIBA requests. Secrets that a client presents are
//! stored as hashes.

use godkend_protocol::bytes::{Hash32, Id};
use godkend_protocol::crypto;
use godkend_protocol::types::{Action, Binding, Factor, Level, Payment};
use serde::{Deserialize, Serialize};

use crate::approval::Granted;
use crate::config::RelyingParty;
use crate::records::Document;
use crate::store::Kind;

/// The kinds of this module, for purging.
pub const KINDS: &[Kind] = &[
    PushedRequest::KIND,
    Login::KIND,
    AuthorizationCode::KIND,
    CibaRequest::KIND,
    AccessToken::KIND,
    UsedToken::KIND,
    super::session::Session::KIND,
    super::session::Member::KIND,
    super::notify::Notification::KIND,
    super::cpr_match::Tries::KIND,
];

/// The language of the pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Danish.
    #[default]
    Da,
    /// English.
    En,
    /// Greenlandic.
    Kl,
}

impl Language {
    /// Reads a tag of RFC 5646 by its first part.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        match tag.split('-').next().unwrap_or_default() {
            "da" => Some(Self::Da),
            "en" => Some(Self::En),
            "kl" => Some(Self::Kl),
            _ => None,
        }
    }
}

/// What a relying party asks of a person, checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// The client identifier.
    pub client_id: String,
    /// What an approval does.
    pub action: Action,
    /// The reference text.
    pub text: Option<String>,
    /// The payment.
    pub payment: Option<Payment>,
    /// The payment's `authorization_details` as they were sent, where they are not of the project's own type.
    #[serde(default)]
    pub details: Option<serde_json::Value>,
    /// The level that was asked for.
    pub level: Level,
    /// The user id, if the relying party knows it.
    pub login_hint: Option<String>,
    /// The language of the pages.
    pub language: Language,
    /// Comes back in the ID token.
    pub nonce: Option<String>,
    /// Who it must be, and how fresh.
    #[serde(default)]
    pub wish: Wish,
    /// The scope `self_service`: its token opens the citizen's own affairs ([`crate::citizen`]).
    #[serde(default)]
    pub self_service: bool,
}

impl Ask {
    /// The scope of its tokens.
    #[must_use]
    pub const fn scope(&self) -> &'static str {
        if self.self_service { "openid self_service" } else { "openid" }
    }
}

/// Who has to sign in, and whether an earlier login in the same browser may do.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Wish {
    /// `max_age`: the most seconds since the login.
    pub max_age: Option<i64>,
    /// `prompt=none`: without asking the person anything.
    pub silent: bool,
    /// `prompt=login`, `consent` or `select_account`: never by an earlier login.
    pub fresh: bool,
    /// `uuid_hint`: the `mitid.uuid` that it must be.
    pub uuid: Option<String>,
    /// The `sub` of `id_token_hint` that it must be.
    pub subject: Option<String>,
}

/// A checked authorisation request of the code flow.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// What is asked.
    pub ask: Ask,
    /// One of the client's registered addresses.
    pub redirect_uri: String,
    /// Comes back unchanged.
    pub state: Option<String>,
    /// PKCE S256 (RFC 7636, section 4.2): SHA-256 of the verifier.
    pub code_challenge: Hash32,
    /// Thumbprint of the DPoP key that the code is bound to (RFC 9449, section 10).
    #[serde(default)]
    pub dpop_jkt: Option<Hash32>,
}

/// A pushed authorisation request (RFC 9126). Deleted when used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PushedRequest {
    /// [`secret_hash`] of the `request_uri`.
    pub hash: Hash32,
    /// The request.
    pub request: AuthorizationRequest,
    /// Unix seconds.
    pub expires: i64,
}

/// A login page's session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    /// Also the session's name in paths.
    pub transaction: Id,
    /// The request.
    pub request: AuthorizationRequest,
    /// Hash of the session cookie.
    pub session: Hash32,
    /// How it ended, once the browser was sent back.
    pub finished: Option<Finished>,
    /// Unix seconds: purge.
    pub purge: i64,
}

/// How a login ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finished {
    /// A code was issued.
    Code,
    /// The relying party was told that the person declined.
    Declined,
    /// The relying party was told that the person reported fraud.
    Reported,
    /// The relying party was told that the time ran out.
    Expired,
    /// The relying party was told that it was another person than the one it named.
    Another,
}

/// What a code or a CIBA request is good for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The transaction.
    pub transaction: Id,
    /// The account.
    pub account: Id,
    /// The level that was reached.
    pub level: Level,
    /// The authenticator's own level.
    pub authenticator_level: Level,
    /// What proved the person.
    pub factor: Factor,
    /// How the browser was bound.
    pub binding: Binding,
    /// The policy's names of the means that were proved on the page; none where a phone answered.
    #[serde(default)]
    pub means: Vec<String>,
    /// Unix seconds.
    pub at: i64,
    /// The relying party's session (`sid`), if it has one.
    #[serde(default)]
    pub sid: Option<Id>,
}

impl Grant {
    /// A phone has answered, alone or with a chip beside it.
    #[must_use]
    pub fn by_phone(&self) -> bool {
        self.means.is_empty() || self.means.iter().any(|means| means == crate::policy::APP)
    }

    /// What a collected approval is good for.
    #[must_use]
    pub fn of(transaction: Id, granted: &Granted) -> Self {
        Self {
            transaction,
            account: granted.account.id,
            level: granted.level,
            authenticator_level: granted.authenticator_level,
            factor: granted.factor,
            binding: granted.binding,
            means: granted.means.clone(),
            at: granted.at,
            sid: None,
        }
    }
}

/// An authorisation code. Kept for a while after its use: a second use revokes what came of the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorizationCode {
    /// [`secret_hash`] of the code.
    pub hash: Hash32,
    /// The request, whose client, redirect address and PKCE bind the code.
    pub request: AuthorizationRequest,
    /// What it is good for.
    pub grant: Grant,
    /// Unix seconds.
    pub expires: i64,
    /// Used: the hash of the access token that it gave.
    #[serde(default)]
    pub redeemed: Option<Hash32>,
}

/// An access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccessToken {
    /// [`secret_hash`] of the token.
    pub hash: Hash32,
    /// What was asked for it.
    pub ask: Ask,
    /// What it is good for.
    pub grant: Grant,
    /// Thumbprint of the DPoP key that it is bound to.
    pub jkt: Option<Hash32>,
    /// Unix seconds.
    pub expires: i64,
}

impl AccessToken {
    /// The `token_type`, which is also the scheme that it is sent with.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        if self.jkt.is_some() { "DPoP" } else { "Bearer" }
    }
}

/// A signed token of a client's that may be seen once: a DPoP proof, or an assertion.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UsedToken {
    /// Hash of its signer and its `jti`.
    pub hash: Hash32,
    /// Unix seconds: it would be refused for its age from then on.
    pub expires: i64,
}

/// A client that a desk has registered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisteredClient {
    /// The client, as the configuration file would have it.
    pub party: RelyingParty,
    /// Unix seconds.
    pub changed: i64,
}

impl RegisteredClient {
    /// What the log has of the registration: SHA-256 of the client as it is kept.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        crypto::sha256(&[&serde_json::to_vec(&self.party).unwrap_or_default()])
    }
}

impl Document for RegisteredClient {
    const KIND: Kind = Kind("oidc_client");
    fn id(&self) -> Vec<u8> {
        self.party.client_id.as_bytes().to_vec()
    }
}

/// A CIBA request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CibaRequest {
    /// [`secret_hash`] of the `auth_req_id`.
    pub hash: Hash32,
    /// The transaction.
    pub transaction: Id,
    /// What is asked.
    pub ask: Ask,
    /// Seconds between polls; 5 more after each poll that came too soon.
    pub interval: i64,
    /// Unix milliseconds of the last poll.
    pub last_poll_ms: Option<i64>,
    /// Unix seconds.
    pub expires: i64,
    /// The tokens were handed out.
    pub collected: bool,
}

/// How a long random secret is stored and found.
#[must_use]
pub fn secret_hash(secret: &str) -> Hash32 {
    crypto::labelled_hash("godkend/1/oidc-secret", &[secret.as_bytes()])
}

macro_rules! document {
    ($type:ty, $kind:literal, |$doc:ident| $id:expr, expires $expires:expr) => {
        impl Document for $type {
            const KIND: Kind = Kind($kind);
            fn id(&self) -> Vec<u8> {
                let $doc = self;
                $id.0.to_vec()
            }
            fn expires(&self) -> Option<i64> {
                let $doc = self;
                Some($expires)
            }
        }
    };
}

document!(PushedRequest, "oidc_request", |d| d.hash, expires d.expires);
document!(Login, "oidc_login", |d| d.transaction, expires d.purge);
// Longer than any access token that it gave.
document!(AuthorizationCode, "oidc_code", |d| d.hash, expires d.expires.saturating_add(3600));
document!(AccessToken, "oidc_token", |d| d.hash, expires d.expires);
document!(UsedToken, "oidc_used", |d| d.hash, expires d.expires);
// Kept a while longer, so that a late poll is told `expired_token` and not that it never was.
document!(CibaRequest, "oidc_ciba", |d| d.hash, expires d.expires.saturating_add(600));

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;

    use super::*;

    /// The fuzzer's finding: a damaged document must not bring down whoever reads it.
    #[test]
    fn a_request_at_the_end_of_time_expires_there() {
        let ask = Ask {
            client_id: "bank".to_owned(),
            action: Action::LogOn,
            text: None,
            payment: None,
            details: None,
            level: Level::Low,
            login_hint: None,
            language: Language::Da,
            nonce: None,
            wish: Wish::default(),
            self_service: false,
        };
        let mut request = CibaRequest {
            hash: Fixed([1; 32]),
            transaction: Fixed([2; 16]),
            ask,
            interval: 2,
            last_poll_ms: None,
            expires: 1_795_392_000,
            collected: false,
        };
        assert_eq!(request.expires(), Some(1_795_392_600));
        request.expires = i64::MAX;
        assert_eq!(request.expires(), Some(i64::MAX));
    }
}
