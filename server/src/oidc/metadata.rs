//! The provider's description and its public key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::Fixed;
use godkend_protocol::types::Level;
use serde_json::{Value, json};

use super::issuer;
use super::payment::{INITIATION_TYPE, PAYMENT_TYPE};
use crate::app::App;
use crate::ops::secrets::P256Key;

pub(super) const JWKS_PATH: &str = "/jwks";
pub(super) const PAR_PATH: &str = "/par";
pub(super) const TOKEN_PATH: &str = "/token";
pub(super) const CIBA_PATH: &str = "/ciba";
pub(super) const USERINFO_PATH: &str = "/userinfo";
pub(super) const INTROSPECTION_PATH: &str = "/introspect";
pub(super) const CPR_MATCH_PATH: &str = "/cpr-match";
/// Served by the pages.
pub(crate) const LOGOUT_PATH: &str = "/logout";
/// Served by the pages.
pub(crate) const AUTHORIZE_PATH: &str = "/authorize";

/// `/.well-known/openid-configuration` (OpenID Connect Discovery, section 3).
pub(super) async fn configuration(State(app): State<Arc<App>>) -> impl IntoResponse {
    // RFC 9126, section 5, knows one answer for all: each client with a secret must push, whatever stands here.
    let all_push = app.config.relying_party.iter().all(|party| party.is_confidential() && !party.unpushed);
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(document(issuer(&app), all_push)))
}

const CLAIMS: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "at_hash",
    "sid",
    "acr",
    "amr",
    "loa",
    "ial",
    "aal",
    "idp",
    "identity_type",
    "authorization_details",
    "godkend.binding",
    "godkend.action",
    "godkend.reference_text",
    "mitid.uuid",
    "mitid.identity_name",
    "mitid.date_of_birth",
    "mitid.age",
    "mitid.has_cpr",
    "mitid.transaction_id",
    "dk.cpr",
];

fn document(issuer: &str, all_push: bool) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let mut described = json!({
        "issuer": issuer,
        "authorization_endpoint": at(AUTHORIZE_PATH),
        "token_endpoint": at(TOKEN_PATH),
        "jwks_uri": at(JWKS_PATH),
        "pushed_authorization_request_endpoint": at(PAR_PATH),
        "backchannel_authentication_endpoint": at(CIBA_PATH),
        "backchannel_token_delivery_modes_supported": ["poll", "ping"],
        "backchannel_user_code_parameter_supported": false,
        "scopes_supported": ["openid"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [super::token::CODE_GRANT, super::token::CIBA_GRANT],
        "acr_values_supported": [Level::Low.uri(), Level::Substantial.uri(), Level::High.uri()],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "authorization_details_types_supported": [PAYMENT_TYPE, INITIATION_TYPE],
        "require_pushed_authorization_requests": all_push,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "ui_locales_supported": ["da", "en", "kl"],
        "claims_supported": CLAIMS,
    });
    let beside = json!({
        "userinfo_endpoint": at(USERINFO_PATH),
        "introspection_endpoint": at(INTROSPECTION_PATH),
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "introspection_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "end_session_endpoint": at(LOGOUT_PATH),
        "godkend_cpr_match_endpoint": at(CPR_MATCH_PATH),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "frontchannel_logout_supported": false,
    });
    if let (Value::Object(described), Value::Object(beside)) = (&mut described, beside) {
        described.extend(beside);
    }
    described
}

/// The key set (RFC 7517).
pub(super) async fn jwks(State(app): State<Arc<App>>) -> impl IntoResponse {
    // Those before this one stay until no token signed by them can still be valid.
    let keys: Vec<Value> = core::iter::once(&app.keys.oidc).chain(&app.keys.oidc_previous).map(jwk).collect();
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(json!({ "keys": keys })))
}

pub(super) fn jwk(key: &P256Key) -> Value {
    let (x, y) = coordinates(key);
    json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": key_id(key), "x": x, "y": y })
}

/// The key's thumbprint (RFC 7638).
pub(super) fn key_id(key: &P256Key) -> String {
    super::jws::thumbprint(&Fixed(*key.public())).to_base64()
}

fn coordinates(key: &P256Key) -> (String, String) {
    let point = key.public();
    (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_what_is_served_and_nothing_weaker() {
        let document = document("https://id.example.dk", true);
        assert_eq!(document["issuer"], "https://id.example.dk");
        assert_eq!(document["token_endpoint"], "https://id.example.dk/token");
        assert_eq!(document["id_token_signing_alg_values_supported"], json!(["ES256"]));
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(document["subject_types_supported"], json!(["pairwise"]));
    }

    #[test]
    fn the_jwk_verifies_what_the_key_signed() {
        let key = P256Key::generate(&mut crate::ops::tls::system_random()).unwrap();
        let token =
            super::super::jwt::sign(&key, &key_id(&key), &json!({ "sub": "x", "exp": 4_000_000_000_u64 })).unwrap();
        let jwk = jwk(&key);
        let decoding =
            jsonwebtoken::DecodingKey::from_ec_components(jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap())
                .unwrap();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap();
        assert_eq!(decoded.claims["sub"], "x");
        assert_eq!(decoded.header.kid, Some(key_id(&key)));
        let mut forged = token.into_bytes();
        let middle = forged.len() / 2;
        forged[middle] ^= 1;
        assert!(jsonwebtoken::decode::<Value>(&forged, &decoding, &validation).is_err());
    }
}
