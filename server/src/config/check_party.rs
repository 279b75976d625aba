//! What is wrong with a relying party's registration: from the file at a start, from the desk when it is made.

use std::collections::BTreeSet;

use godkend_protocol::text;

use super::check::is_loopback;
use super::{Cpr, Finding, RelyingParty};
use crate::oidc::jws::Jwk;

/// The most keys of one client: old and new, with room for a second machine.
const MOST_KEYS: usize = 4;
/// The most addresses of one kind.
const MOST_ADDRESSES: usize = 32;

/// What is wrong with a relying party; `at` names its settings. In a test environment notifications may be plain HTTP on
/// the loopback.
pub(crate) fn check_relying_party(
    party: &RelyingParty,
    test: bool,
    at: &dyn Fn(&str) -> String,
    found: &mut Vec<Finding>,
) {
    let id = &party.client_id;
    if !(1..=64).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        found.push(Finding::error(at("client_id"), "must be 1 to 64 letters, digits, dots, underscores and hyphens"));
    }
    // What every phone shows: refused here, at the start, and not at each of its logins.
    if let Err(error) = text::check(&party.name, 60) {
        found.push(Finding::error(at("name"), format!("must be 1 to 60 characters that can be shown safely: {error}")));
    }
    if let Some(hash) = &party.client_secret_sha256 {
        if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
            found.push(Finding::error(
                at("client_secret_sha256"),
                "must be 64 hex digits, the SHA-256 of a random secret",
            ));
        }
        if hash.bytes().all(|b| b == b'0') {
            found.push(Finding::error(at("client_secret_sha256"), "is the example's; put the hash of your own secret"));
        }
        if !party.keys.is_empty() {
            found.push(Finding::error(at("keys"), "stand beside a secret; a client has one or the other"));
        }
    }
    if !party.is_confidential() {
        if party.ciba {
            found.push(Finding::error(
                at("ciba"),
                "needs a client secret or keys: anyone could start logins in its name",
            ));
        }
        if party.cpr != Cpr::None {
            found.push(Finding::error(
                at("cpr"),
                "needs a client secret or keys: a public client must not learn CPR numbers",
            ));
        }
    }
    if party.self_service && (!party.is_confidential() || party.unpushed || party.single_sign_on.is_some()) {
        found.push(Finding::error(
            at("self_service"),
            "needs a client secret or keys, pushed requests and logins of its own: neither unpushed nor single_sign_on",
        ));
    }
    check_keys(party, at, found);
    check_sessions(party, test, at, found);
    if party.redirect_uris.is_empty() && !party.ciba {
        found.push(Finding::error(at("redirect_uris"), "must name at least one address, unless ciba is true"));
    }
    let mut hosts = BTreeSet::new();
    for uri in &party.redirect_uris {
        match url::Url::parse(uri) {
            Ok(url) if redirect_is_safe(&url) => {
                hosts.extend(url.host_str().map(str::to_owned));
            }
            _ => found.push(Finding::error(
                at("redirect_uris"),
                "must hold https addresses (or http on the loopback) without a fragment or password",
            )),
        }
    }
    match &party.sector {
        Some(sector) => {
            let host = url::Host::parse(sector).map(|host| host.to_string());
            if host.as_ref() != Ok(sector) {
                found.push(Finding::error(at("sector"), "must be a host name in lower case"));
            }
        }
        None if hosts.len() != 1 => {
            found.push(Finding::error(at("sector"), "must be given unless all redirect addresses have one host"));
        }
        None => {}
    }
    if party.levels.is_empty() {
        found.push(Finding::error(at("levels"), "must name at least one level"));
    }
}

fn check_keys(party: &RelyingParty, at: &dyn Fn(&str) -> String, found: &mut Vec<Finding>) {
    if party.keys.len() > MOST_KEYS {
        found.push(Finding::error(at("keys"), format!("must be at most {MOST_KEYS}")));
    }
    if party.keys.iter().any(|text| Jwk::parse(text).is_none()) {
        found.push(Finding::error(
            at("keys"),
            "must each be the JSON text of a public JWK with kty EC, crv P-256, x and y, and no private part",
        ));
    }
}

fn check_sessions(party: &RelyingParty, test: bool, at: &dyn Fn(&str) -> String, found: &mut Vec<Finding>) {
    if party.redirect_uris.len() > MOST_ADDRESSES || party.post_logout_redirect_uris.len() > MOST_ADDRESSES {
        found.push(Finding::error(at("redirect_uris"), format!("must be at most {MOST_ADDRESSES} of each kind")));
    }
    if party.post_logout_redirect_uris.iter().any(|uri| !url::Url::parse(uri).is_ok_and(|url| redirect_is_safe(&url))) {
        found.push(Finding::error(
            at("post_logout_redirect_uris"),
            "must hold https addresses (or http on the loopback) without a fragment or password",
        ));
    }
    if let Some(group) = &party.single_sign_on {
        let fits =
            (1..=32).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !fits {
            found.push(Finding::error(
                at("single_sign_on"),
                "must be 1 to 32 letters, digits, dots, underscores and hyphens",
            ));
        }
    }
    for (key, uri) in [
        ("backchannel_logout_uri", &party.backchannel_logout_uri),
        ("ciba_notification_uri", &party.ciba_notification_uri),
    ] {
        let Some(uri) = uri else { continue };
        if !url::Url::parse(uri).is_ok_and(|url| notification_is_safe(&url, test)) {
            found.push(Finding::error(
                at(key),
                "must be an https address of a public host, without a fragment or password",
            ));
        }
    }
    if party.ciba_notification_uri.is_some() && !party.ciba {
        found.push(Finding::error(at("ciba_notification_uri"), "is of no use unless ciba is true"));
    }
}

fn redirect_is_safe(url: &url::Url) -> bool {
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && loopback);
    scheme && url.has_host() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
}

/// Where the server itself may send something. What a name resolves to is judged when it is resolved.
fn notification_is_safe(url: &url::Url, test: bool) -> bool {
    let bare = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    let public = match url.host() {
        Some(url::Host::Domain(name)) => test || !is_loopback(name),
        Some(url::Host::Ipv4(address)) => test || crate::oidc::outbound::is_public(address.into()),
        Some(url::Host::Ipv6(address)) => test || crate::oidc::outbound::is_public(address.into()),
        None => false,
    };
    let local =
        test && url.scheme() == "http" && url.host_str().is_some_and(|host| is_loopback(host.trim_matches(['[', ']'])));
    bare && public && (url.scheme() == "https" || local)
}
