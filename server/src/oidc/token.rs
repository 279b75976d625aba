//! The token endpoint (RFC 6749, section 4.1.3; CIBA Core, section 10.1).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::bytes::{Hash32, Secret};
use godkend_protocol::crypto;
use serde_json::{Value, json};

use super::claims::{self, Issue};
use super::dpop::{self, Proof};
use super::error::{Kind, OidcError};
use super::params::{Params, challenge_of};
use super::records::{AccessToken, Ask, AuthorizationCode, Grant, secret_hash};
use super::{ciba, client, form, issuer, jwt, metadata};
use crate::app::App;
use crate::config::RelyingParty;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::records::Account;

pub(super) const CODE_GRANT: &str = "authorization_code";
pub(super) const CIBA_GRANT: &str = "urn:openid:params:grant-type:ciba";

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OidcError> {
    let params = form(&headers, &body)?;
    let party = client::authenticate(&app, &headers, &params).await?;
    let proof = dpop::proof(&app, &headers, "POST", metadata::TOKEN_PATH, None).await?;
    if party.dpop && proof.is_none() {
        return Err(OidcError::new(
            Kind::InvalidDpopProof,
            "This client's tokens are bound to a key: send a DPoP proof.",
        ));
    }
    let reply = match params.need("grant_type", "grant_type is missing.")? {
        CODE_GRANT => by_code(&app, &party, &params, proof.as_ref()).await?,
        CIBA_GRANT => ciba::poll(&app, &party, &params, proof.as_ref()).await?,
        _ => {
            return Err(OidcError::new(
                Kind::UnsupportedGrantType,
                "grant_type must be one that the discovery document names.",
            ));
        }
    };
    let mut response =
        ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(reply)).into_response();
    if let Some(nonce) = proof.and_then(|_| dpop::nonce_header(&app)) {
        response.headers_mut().insert(dpop::NONCE_HEADER, nonce);
    }
    Ok(response)
}

async fn by_code(app: &App, party: &RelyingParty, params: &Params, proof: Option<&Proof>) -> Result<Value, OidcError> {
    let code = params.need("code", "code is missing.")?;
    let found = docs::get::<AuthorizationCode>(&*app.store, &secret_hash(code).0).await?;
    let mut record = found.ok_or_else(refused)?;
    if let Some(token) = record.doc.redeemed {
        if record.doc.request.ask.client_id == party.client_id {
            revoke(app, &token).await?;
        }
        return Err(refused());
    }
    redeem(&record.doc, party, params, app.now())?;
    if let Some(jkt) = record.doc.request.dpop_jkt
        && proof.is_none_or(|proof| proof.jkt != jkt)
    {
        return Err(OidcError::new(Kind::InvalidDpopProof, "The code is bound to another DPoP key."));
    }
    let account = account(app, &record.doc.grant).await?;
    let (reply, token) = tokens(app, party, &account, &record.doc.grant, &record.doc.request.ask, None, proof)?;
    // Once: of two that come together one finds the record changed.
    record.doc.redeemed = Some(token.hash);
    let mut changes = Changes::new();
    changes.update(&record).insert(&token);
    if let Some(proof) = proof {
        proof.spend(&mut changes);
    }
    match changes.commit(&*app.store).await {
        Ok(_) => Ok(reply),
        Err(error) if error.is_conflict() => Err(refused()),
        Err(error) => Err(error.into()),
    }
}

/// A code that comes twice was stolen, or its tokens were (RFC 6749, section 4.1.2): what it gave opens nothing more.
async fn revoke(app: &App, token: &Hash32) -> Result<(), OidcError> {
    if let Some(token) = docs::get::<AccessToken>(&*app.store, &token.0).await? {
        let mut changes = Changes::new();
        changes.delete(&token);
        match changes.commit(&*app.store).await {
            // Somebody else revoked it.
            Err(error) if !error.is_conflict() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn refused() -> OidcError {
    OidcError::new(Kind::InvalidGrant, "The code is unknown, used or too old, or not this request's.")
}

/// Whether a code may be redeemed by this client, for this redirect address, with this verifier.
fn redeem(record: &AuthorizationCode, party: &RelyingParty, params: &Params, now: i64) -> Result<(), OidcError> {
    let redirect_uri = params.need("redirect_uri", "redirect_uri is missing.")?;
    let verifier = params.need("code_verifier", "code_verifier is missing.")?;
    let challenge =
        challenge_of(verifier).ok_or(OidcError::invalid("code_verifier must be 43 to 128 unreserved characters."))?;
    let good = record.request.ask.client_id == party.client_id
        && record.request.redirect_uri == redirect_uri
        && crypto::same(&record.request.code_challenge.0, &challenge.0)
        && now < record.expires;
    if good { Ok(()) } else { Err(refused()) }
}

/// The account of a grant, unless it was blocked or the login disputed meanwhile.
pub(super) async fn account(app: &App, grant: &Grant) -> Result<Account, OidcError> {
    let found = docs::get::<Account>(&*app.store, &grant.account.0).await?;
    let account = found.ok_or_else(|| ApiError::damaged("account"))?;
    if account.doc.blocked {
        return Err(OidcError::new(Kind::InvalidGrant, "The identity was blocked meanwhile."));
    }
    if account.doc.disputes(grant.at) {
        return Err(OidcError::new(Kind::InvalidGrant, "The person has reported that this was not their login."));
    }
    Ok(account.doc)
}

/// The token response, and the access token's record for the caller's commit.
pub(super) fn tokens(
    app: &App,
    party: &RelyingParty,
    account: &Account,
    grant: &Grant,
    ask: &Ask,
    auth_req_id: Option<&str>,
    proof: Option<&Proof>,
) -> Result<(Value, AccessToken), OidcError> {
    let access_token = Secret::<32>::random(&mut app.rng()).to_base64();
    let issue = Issue {
        issuer: issuer(app),
        party,
        pairwise: &app.keys.pairwise,
        now: app.now(),
        lifetime: i64::try_from(app.config.oidc.id_token_seconds).unwrap_or(300),
        access_token: Some(&access_token),
        auth_req_id,
    };
    let claims = claims::id_token(&issue, account, grant, ask);
    let id_token = jwt::sign(&app.keys.oidc, &metadata::key_id(&app.keys.oidc), &claims)
        .map_err(|_| OidcError::new(Kind::ServerError, "The ID token could not be signed."))?;
    let lifetime =
        if ask.self_service { app.config.self_service.token_seconds } else { app.config.oidc.access_token_seconds };
    let lifetime = i64::try_from(lifetime).unwrap_or(300);
    let record = AccessToken {
        hash: secret_hash(&access_token),
        ask: ask.clone(),
        grant: grant.clone(),
        jkt: proof.map(|proof| proof.jkt),
        expires: app.now().saturating_add(lifetime),
    };
    let mut reply = json!({
        "access_token": access_token,
        "token_type": record.kind(),
        "expires_in": lifetime,
        "scope": ask.scope(),
        "id_token": id_token,
    });
    if let (Some(payment), Some(reply)) = (&ask.payment, reply.as_object_mut()) {
        reply.insert("authorization_details".to_owned(), json!([claims::payment_details(ask, payment)]));
    }
    Ok((reply, record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::records::AuthorizationRequest;
    use godkend_protocol::bytes::Fixed;
    use godkend_protocol::types::{Action, Binding, Factor, Level};

    // RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn record() -> AuthorizationCode {
        AuthorizationCode {
            hash: secret_hash("c"),
            request: AuthorizationRequest {
                ask: Ask {
                    client_id: "bank".to_owned(),
                    action: Action::LogOn,
                    text: None,
                    payment: None,
                    details: None,
                    level: Level::Substantial,
                    login_hint: None,
                    language: Default::default(),
                    nonce: None,
                    wish: Default::default(),
                    self_service: false,
                },
                redirect_uri: "https://a.dk/cb".to_owned(),
                state: None,
                code_challenge: Fixed::from_base64("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap(),
                dpop_jkt: None,
            },
            grant: Grant {
                transaction: Fixed([1; 16]),
                account: Fixed([2; 16]),
                level: Level::Substantial,
                authenticator_level: Level::High,
                factor: Factor::Pin,
                binding: Binding::ScannedQr,
                means: Vec::new(),
                at: 100,
                sid: None,
            },
            expires: 160,
            redeemed: None,
        }
    }

    fn party(id: &str) -> RelyingParty {
        RelyingParty { client_id: id.to_owned(), ..RelyingParty::default() }
    }

    #[test]
    fn a_code_is_bound_to_client_address_verifier_and_time() {
        let body = |uri: &str, verifier: &str| {
            let text = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("redirect_uri", uri)
                .append_pair("code_verifier", verifier)
                .finish();
            Params::parse(text.as_bytes()).unwrap()
        };
        let good = body("https://a.dk/cb", VERIFIER);
        assert_eq!(redeem(&record(), &party("bank"), &good, 159), Ok(()));
        for (who, params, now) in [
            ("other", &good, 159),
            ("bank", &good, 160),
            ("bank", &body("https://a.dk/cb2", VERIFIER), 159),
            ("bank", &body("https://a.dk/cb", &VERIFIER.replace('d', "e")), 159),
        ] {
            assert_eq!(redeem(&record(), &party(who), params, now).unwrap_err().kind, Kind::InvalidGrant);
        }
        for params in [
            body("", VERIFIER),
            body("https://a.dk/cb", ""),
            body("https://a.dk/cb", "short"),
            body("https://a.dk/cb", &"ø".repeat(50)),
        ] {
            assert_eq!(redeem(&record(), &party("bank"), &params, 159).unwrap_err().kind, Kind::InvalidRequest);
        }
    }
}
