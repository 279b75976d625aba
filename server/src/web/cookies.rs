//! The cookies: one for each login, one for a remembered browser, one for each group of relying parties that share logins.

use axum::http::{HeaderMap, HeaderValue, header};
use godkend_protocol::bytes::{Hash32, Id, Secret};
use godkend_protocol::crypto;

use crate::app::App;
use crate::approval::BrowserCookie;
use crate::oidc::records::Language;

/// Seconds that a login's cookie lives: longer than the login, so that its last page can still be shown.
const LOGIN_AGE: i64 = 900;
/// Seconds that a remembered browser's cookie lives: what browsers allow (400 days).
const BROWSER_AGE: i64 = 400 * 86_400;

/// The name of the cookie that holds a language, over HTTPS and without.
const LANGUAGE_NAMES: [&str; 2] = ["__Host-godkend-language", "godkend-language"];

/// The hash under which the server and the challenge know a session.
pub(super) fn session_hash(secret: &Secret<32>) -> Hash32 {
    crypto::labelled_hash("godkend/1/browser-session", &[&secret.0])
}

/// The hash of the session cookie that a browser sent for this login.
pub(super) fn session(app: &App, headers: &HeaderMap, id: &Id) -> Option<Hash32> {
    let value = read(headers, &login_name(app, id))?;
    Some(session_hash(&Secret::from_base64(value)?))
}

/// The remembered browser's cookie, if the browser sent one.
pub(super) fn browser(app: &App, headers: &HeaderMap) -> Option<BrowserCookie> {
    BrowserCookie::parse(read(headers, &browser_name(app))?)
}

pub(super) fn set_session(app: &App, id: &Id, secret: &Secret<32>) -> Option<HeaderValue> {
    cookie(app, &login_name(app, id), &secret.to_base64(), LOGIN_AGE)
}

pub(super) fn set_browser(app: &App, cookie_value: &BrowserCookie) -> Option<HeaderValue> {
    cookie(app, &browser_name(app), &cookie_value.to_text(), BROWSER_AGE)
}

pub(super) fn forget_browser(app: &App) -> Option<HeaderValue> {
    cookie(app, &browser_name(app), "", 0)
}

/// The cookie of the session of a group of relying parties, as its hash.
pub(super) fn shared(app: &App, headers: &HeaderMap, group: &str) -> Option<Hash32> {
    Some(crate::oidc::session::cookie_hash(&Secret::from_base64(read(headers, &shared_name(app, group))?)?))
}

/// Lives as long as the session.
pub(super) fn set_shared(app: &App, group: &str, secret: &Secret<32>) -> Option<HeaderValue> {
    let age = i64::try_from(app.config.oidc.session_seconds).unwrap_or(1800);
    cookie(app, &shared_name(app, group), &secret.to_base64(), age)
}

pub(super) fn forget_shared(app: &App, group: &str) -> Option<HeaderValue> {
    cookie(app, &shared_name(app, group), "", 0)
}

fn shared_name(app: &App, group: &str) -> String {
    format!("{}godkend-session-{group}", prefix(app))
}

/// What a browser's cookie says of the people who have signed in with it; empty if it has none.
pub(super) fn known<'a>(app: &App, headers: &'a HeaderMap) -> &'a str {
    read(headers, &format!("{}godkend-known", prefix(app))).unwrap_or_default()
}

pub(super) fn set_known(app: &App, value: &str) -> Option<HeaderValue> {
    cookie(app, &format!("{}godkend-known", prefix(app)), value, BROWSER_AGE)
}

/// The way that was last used in this browser; a preference and nothing more.
pub(super) fn way<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    read(headers, &format!("{}godkend-way", prefix(app)))
}

pub(super) fn set_way(app: &App, value: &str) -> Option<HeaderValue> {
    cookie(app, &format!("{}godkend-way", prefix(app)), value, BROWSER_AGE)
}

/// The language that was chosen in this browser.
pub(super) fn language(headers: &HeaderMap) -> Option<Language> {
    Language::of_tag(read(headers, LANGUAGE_NAMES[0]).or_else(|| read(headers, LANGUAGE_NAMES[1]))?)
}

pub(super) fn set_language(app: &App, language: Language) -> Option<HeaderValue> {
    let [secure, plain] = LANGUAGE_NAMES;
    cookie(app, if is_secure(app) { secure } else { plain }, super::texts::of(language).tag, BROWSER_AGE)
}

/// A login's cookie again, for the time that it was given.
pub(super) fn renew_session(app: &App, headers: &HeaderMap, id: &Id) -> Option<HeaderValue> {
    let name = login_name(app, id);
    cookie(app, &name, read(headers, &name)?, LOGIN_AGE)
}

fn login_name(app: &App, id: &Id) -> String {
    format!("{}godkend-login-{}", prefix(app), id.to_base64())
}

fn browser_name(app: &App) -> String {
    format!("{}godkend-browser", prefix(app))
}

/// A `__Host-` cookie can be set by this host alone, not by a sibling or over plain HTTP (RFC 6265bis, section 4.1.3.2).
fn prefix(app: &App) -> &'static str {
    if is_secure(app) { "__Host-" } else { "" }
}

fn is_secure(app: &App) -> bool {
    app.config.server.public_url.starts_with("https://")
}

fn cookie(app: &App, name: &str, value: &str, age: i64) -> Option<HeaderValue> {
    let secure = if is_secure(app) { "; Secure" } else { "" };
    let mut header =
        HeaderValue::from_str(&format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"))
            .ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// A cookie by its name; none if it stands there twice, for one of them may be a stranger's.
fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_once_or_not_at_all() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; b=2".parse().unwrap());
        headers.append(header::COOKIE, "c=3;b=4".parse().unwrap());
        assert_eq!(read(&headers, "a"), Some("1"));
        assert_eq!(read(&headers, "c"), Some("3"));
        assert_eq!(read(&headers, "b"), None);
        assert_eq!(read(&headers, "d"), None);
    }
}
