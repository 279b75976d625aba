//! What an ID token says: OpenID Connect Core, section 2, and the claims that Danish relying parties read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::{Id, Secret};
use godkend_protocol::crypto;
use godkend_protocol::types::{Factor, Payment};
use serde_json::{Map, Value, json};

use super::payment::{PAYMENT_TYPE, amount_text};
use super::records::{Ask, Grant};
use crate::config::{Cpr, RelyingParty};
use crate::policy::APP;
use crate::records::Account;

/// Who issues a token, for whom, and when.
#[derive(Clone, Copy, Debug)]
pub struct Issue<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// The client.
    pub party: &'a RelyingParty,
    /// Keys the pairwise `sub`.
    pub pairwise: &'a Secret<32>,
    /// Unix seconds.
    pub now: i64,
    /// Seconds.
    pub lifetime: i64,
    /// The access token beside it.
    pub access_token: Option<&'a str>,
    /// CIBA: the request (CIBA Core, section 7.3.1 names the claim for push; harmless and useful here too).
    pub auth_req_id: Option<&'a str>,
}

/// The claims of an ID token.
#[must_use]
pub fn id_token(issue: &Issue<'_>, account: &Account, grant: &Grant, ask: &Ask) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| {
        claims.insert(name.to_owned(), value);
    };
    put("iss", json!(issue.issuer));
    put("sub", json!(subject_of(issue.pairwise, issue.party, &account.id)));
    put("aud", json!(issue.party.client_id));
    put("exp", json!(issue.now.saturating_add(issue.lifetime)));
    put("iat", json!(issue.now));
    put("auth_time", json!(grant.at));
    if let Some(nonce) = &ask.nonce {
        put("nonce", json!(nonce));
    }
    if let Some(token) = issue.access_token {
        put("at_hash", json!(at_hash(token)));
    }
    if let Some(id) = issue.auth_req_id {
        put("urn:openid:params:jwt:claim:auth_req_id", json!(id));
    }
    if let Some(sid) = &grant.sid {
        put("sid", json!(sid.to_base64()));
    }
    put("acr", json!(grant.level.uri()));
    put("loa", json!(grant.level.uri()));
    put("ial", json!(account.identity_level.uri()));
    put("aal", json!(grant.authenticator_level.uri()));
    put("amr", json!(amr(grant)));
    put("idp", json!("mitid"));
    put("identity_type", json!("private"));
    put("godkend.binding", json!(grant.binding.name()));
    put("godkend.action", json!(ask.action.name()));
    if let Some(text) = &ask.text {
        put("godkend.reference_text", json!(text));
    }
    if let Some(payment) = &ask.payment {
        put("authorization_details", json!([payment_details(ask, payment)]));
    }
    put("mitid.uuid", json!(account.uuid));
    put("mitid.identity_name", json!(account.name));
    put("mitid.date_of_birth", json!(account.date_of_birth));
    if let Some(age) = age(&account.date_of_birth, issue.now) {
        put("mitid.age", json!(age));
    }
    put("mitid.has_cpr", json!(account.cpr.is_some()));
    put("mitid.transaction_id", json!(grant.transaction.to_base64()));
    if issue.party.cpr == Cpr::Claim
        && let Some(cpr) = account.cpr.as_ref().and_then(|cpr| core::str::from_utf8(&cpr.0).ok())
    {
        put("dk.cpr", json!(cpr));
    }
    claims
}

/// An approved payment, as it was asked for (RFC 9396, section 7).
#[must_use]
pub fn payment_details(ask: &Ask, payment: &Payment) -> Value {
    if let Some(details) = &ask.details {
        return details.clone();
    }
    let mut details = json!({
        "type": PAYMENT_TYPE,
        "amount": amount_text(payment.amount_minor),
        "currency": payment.currency,
        "payee": payment.payee,
    });
    if let (Some(account), Some(details)) = (&payment.account, details.as_object_mut()) {
        details.insert("account".to_owned(), json!(account));
    }
    details
}

/// The `sub` under which a client knows an account.
#[must_use]
pub fn subject_of(key: &Secret<32>, party: &RelyingParty, account: &Id) -> String {
    subject(key, &sector(party), account)
}

/// The pairwise `sub`: the same for all clients of a sector, unrelated between sectors (OpenID Connect Core, section
/// 8.1).
fn subject(key: &Secret<32>, sector: &str, account: &Id) -> String {
    crypto::hmac_sha256(&key.0, &[b"godkend/1/pairwise\0", &account.0, sector.as_bytes()]).to_base64()
}

/// The configured sector, or the host of the redirect addresses.
fn sector(party: &RelyingParty) -> String {
    let host = || {
        let first = party.redirect_uris.first()?;
        Some(url::Url::parse(first).ok()?.host_str()?.to_owned())
    };
    party.sector.clone().or_else(host).unwrap_or_else(|| party.client_id.clone())
}

/// OpenID Connect Core, section 3.1.3.6: the left half of the hash.
fn at_hash(token: &str) -> String {
    let hash = crypto::sha256(&[token.as_bytes()]);
    URL_SAFE_NO_PAD.encode(&hash.0[..16])
}

fn amr(grant: &Grant) -> Vec<&str> {
    let by_app = match grant.factor {
        Factor::Pin => vec!["code_app", "pin"],
        Factor::Biometric => vec!["code_app", "biometric"],
        Factor::None => vec!["code_app"],
    };
    if grant.means.is_empty() {
        return by_app;
    }
    let mut all = Vec::new();
    for means in &grant.means {
        if means == APP {
            all.extend(&by_app);
        } else {
            all.push(crate::means::amr(means));
        }
    }
    all
}

/// Whole years between a `YYYY-MM-DD` and a Unix time.
fn age(date_of_birth: &str, now: i64) -> Option<i64> {
    let mut parts = date_of_birth.splitn(3, '-');
    let mut next = || parts.next()?.parse::<i64>().ok();
    let (year, month, day) = (next()?, next()?, next()?);
    let today = date(now);
    let had_birthday = (today.1, today.2) >= (month, day);
    let age = today.0 - year - i64::from(!had_birthday);
    (age >= 0).then_some(age)
}

/// Year, month and day (UTC) of a Unix time, by the proleptic Gregorian calendar.
fn date(now: i64) -> (i64, i64, i64) {
    // Counted in years that begin in March, so that the leap day comes last.
    let days = now.div_euclid(86_400) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
