//! What is known of the browser that asks: its source, its place and its name. All of it is a hint to the citizen.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, header};
use godkend_protocol::text::{self, MAX_NAME};

use crate::app::App;
use crate::oidc::records::Language;
use crate::ops::sources::{Source, client_address};

/// A browser as it seems to be.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// What limits fall on.
    pub(super) source: String,
    /// Where it seems to be.
    pub(super) place: Option<String>,
    /// Which browser and system it says it is.
    pub(super) browser: Option<String>,
}

/// What limits of a request fall on.
pub(crate) fn source(app: &App, headers: &HeaderMap, extensions: &Extensions) -> String {
    source_of(address(app, headers, extensions))
}

impl Visitor {
    pub(super) fn of(app: &App, headers: &HeaderMap, extensions: &Extensions, language: Language) -> Self {
        let peer = peer(extensions);
        let trusted = &app.config.server.trusted_proxies;
        let address = address(app, headers, extensions);
        // The header is a proxy's word; from anybody else it would be the visitor's own.
        let from_proxy = peer.is_some_and(|peer| trusted.iter().any(|t| t.to_canonical() == peer.ip().to_canonical()));
        let named = (from_proxy && !app.config.server.place_header.is_empty())
            .then(|| headers.get(&app.config.server.place_header))
            .flatten()
            .and_then(|value| core::str::from_utf8(value.as_bytes()).ok())
            .map(|place| text::tame(place, MAX_NAME));
        Self {
            source: source_of(address),
            place: named.or_else(|| address.map(|address| address_class(address, language))),
            browser: headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).map(browser_name),
        }
    }
}

fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer)
}

fn address(app: &App, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
    peer(extensions).map(|peer| client_address(peer, headers, &app.config.server.trusted_proxies))
}

fn source_of(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "unknown".to_owned(), |address| Source::of(address).0.to_string())
}

/// Without a place database: what kind of address it is, and its first half, which a person can compare.
fn address_class(address: IpAddr, language: Language) -> String {
    match address {
        address if address.is_loopback() => match language {
            Language::Da => "Denne computer",
            Language::En => "This computer",
            Language::Kl => "Qarasaasiaq una",
        }
        .to_owned(),
        IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => local(language),
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => local(language),
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            format!("Internet ({a}.{b}.x.x)")
        }
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            format!("Internet ({a:x}:{b:x}::)")
        }
    }
}

fn local(language: Language) -> String {
    if language == Language::En { "Local network" } else { "Lokalt netværk" }.to_owned()
}

/// `Firefox, Windows`, from a User-Agent; what it does not know, it shortens.
fn browser_name(agent: &str) -> String {
    // In this order: most browsers also name those that they imitate.
    let browsers = [
        ("Edg/", "Edge"),
        ("EdgA/", "Edge"),
        ("EdgiOS/", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let systems = [
        ("Windows", "Windows"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Mac OS X", "Mac"),
        ("Linux", "Linux"),
    ];
    let find =
        |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (find(&browsers), find(&systems)) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => text::tame(agent, 40),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_for_people() {
        for (agent, name) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox, Windows"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0 Safari/537.36 Edg/129.0",
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari, iPhone",
            ),
            ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/129.0 Mobile Safari/537.36", "Chrome, Android"),
            ("curl/8.0", "curl/8.0"),
            ("", "?"),
            (&"x".repeat(500), &"x".repeat(40)),
        ] {
            assert_eq!(browser_name(agent), name);
        }
    }

    #[test]
    fn an_address_tells_its_kind_and_not_its_holder() {
        for (address, danish) in [
            ("127.0.0.1", "Denne computer"),
            ("::1", "Denne computer"),
            ("192.168.1.20", "Lokalt netværk"),
            ("fd00::1", "Lokalt netværk"),
            ("203.0.113.77", "Internet (203.0.x.x)"),
            ("2001:db8:1:2::3", "Internet (2001:db8::)"),
        ] {
            assert_eq!(address_class(address.parse().unwrap(), Language::Da), danish);
        }
        assert_eq!(address_class("::1".parse().unwrap(), Language::En), "This computer");
    }
}
