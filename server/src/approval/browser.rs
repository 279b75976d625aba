//! Remembered browsers: a cookie that is stored hashed, rotated at each use, and revokes its browser when an old one
//! comes back.

use godkend_protocol::bytes::{Hash32, Id, Secret, random};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::text;
use serde_json::json;

use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{Account, Browser, Entry};

/// What a remembered browser holds. Its text is a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrowserCookie {
    /// The browser.
    pub id: Id,
    /// Replaced at each use.
    pub secret: Secret<32>,
}

impl BrowserCookie {
    /// `<id>.<secret>`, both Base64url.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}.{}", self.id.to_base64(), self.secret.to_base64())
    }

    /// Reads [`Self::to_text`]; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_once('.')?;
        Some(Self { id: Id::from_base64(id)?, secret: Secret::from_base64(secret)? })
    }
}

/// How long after a rotation the secret before it may still come, in seconds: two pages that a browser opened at once.
const OVERLAP: u64 = 10;

/// What a cookie turned out to be.
pub(super) enum Used {
    /// Good, and replaced.
    Good {
        /// The browser.
        browser: Id,
        /// Whose it is.
        account: Box<Entry<Account>>,
        /// The cookie from now on.
        cookie: BrowserCookie,
    },
    /// Of no browser that may be used.
    Void,
    /// The one before, just after its rotation: of no use for this request, and no proof of a copy.
    Overtaken,
    /// An old one of a remembered browser: somebody has a copy. The browser is revoked in the changes.
    Replayed,
}

/// Judges a cookie and adds to `changes` what its use changes.
pub(super) async fn use_cookie(
    app: &App,
    changes: &mut Changes,
    cookie: &BrowserCookie,
    now: i64,
) -> Result<Used, ApiError> {
    let Some(mut browser) = docs::get::<Browser>(&*app.store, &cookie.id.0).await? else { return Ok(Used::Void) };
    match judge(&browser.doc, &cookie.secret, now) {
        Judged::Current => {}
        Judged::Old => {
            revoke(app, changes, &browser, "replayed", now);
            return Ok(Used::Replayed);
        }
        Judged::Overtaken => return Ok(Used::Overtaken),
        Judged::Strange => return Ok(Used::Void),
    }
    let account = docs::get::<Account>(&*app.store, &browser.doc.account.0).await?;
    let Some(account) = account.filter(|account| !account.doc.blocked) else { return Ok(Used::Void) };
    let cookie = BrowserCookie { id: browser.doc.id, secret: next(&cookie.secret, &Secret::random(&mut app.rng())) };
    browser.doc.family_hash = Some(family_hash(&cookie.secret));
    browser.doc.previous_hash = Some(browser.doc.secret_hash);
    browser.doc.secret_hash = secret_hash(&cookie.secret);
    browser.doc.last_used = now;
    changes.update(&browser).log(&AuditEntry::BrowserRotated { browser: browser.doc.id, at: now });
    Ok(Used::Good { browser: browser.doc.id, account: Box::new(account), cookie })
}

/// Remembers a browser in `changes`.
pub(super) fn remember(app: &App, changes: &mut Changes, account: Id, name: Option<&str>, now: i64) -> BrowserCookie {
    let mut rng = app.rng();
    let cookie = BrowserCookie { id: random(&mut rng), secret: Secret::random(&mut rng) };
    let browser = Browser {
        id: cookie.id,
        account,
        name: text::tame(name.unwrap_or("?"), text::MAX_NAME),
        secret_hash: secret_hash(&cookie.secret),
        previous_hash: None,
        family_hash: Some(family_hash(&cookie.secret)),
        remembered: now,
        last_used: now,
    };
    let name = browser.name.clone();
    changes.insert(&browser).log(&AuditEntry::BrowserRemembered { browser: browser.id, account, at: now });
    history::add(changes, app, account, "browser_remembered", About::default().with(json!({ "browser": name })));
    cookie
}

/// Forgets a browser in `changes`; `why` is a stable word.
pub(super) fn revoke(app: &App, changes: &mut Changes, browser: &Entry<Browser>, why: &str, now: i64) {
    let (id, account) = (browser.doc.id, browser.doc.account);
    changes.delete(browser).log(&AuditEntry::BrowserRevoked { browser: id, account, why: why.to_owned(), at: now });
    let event = if why == "forgotten" { "browser_forgotten" } else { "browser_revoked" };
    history::add(
        changes,
        app,
        account,
        event,
        About::default().with(json!({ "browser": browser.doc.name, "why": why })),
    );
}

/// Forgets a remembered browser of `account`, from the person's own site.
///
/// # Errors
/// [`Code::BrowserUnknown`], for another person's too.
pub async fn forget_browser(app: &App, account: &Id, browser: &Id) -> Result<(), ApiError> {
    let found = docs::get::<Browser>(&*app.store, &browser.0).await?;
    let found = found.filter(|browser| browser.doc.account == *account).ok_or(Code::BrowserUnknown)?;
    let mut changes = Changes::new();
    revoke(app, &mut changes, &found, "forgotten", app.now());
    changes.commit(&*app.store).await?;
    app.log.wake();
    app.wake.all(*account);
    Ok(())
}

enum Judged {
    Current,
    Overtaken,
    Old,
    Strange,
}

fn judge(browser: &Browser, secret: &Secret<32>, now: i64) -> Judged {
    let is = |own: &Option<Hash32>, hash: Hash32| own.as_ref().is_some_and(|own| crypto::same(&own.0, &hash.0));
    let hash = secret_hash(secret);
    if crypto::same(&browser.secret_hash.0, &hash.0) {
        Judged::Current
    } else if is(&browser.previous_hash, hash) || is(&browser.family_hash, family_hash(secret)) {
        // Tabs that are restored or clicked twice send the same cookie before the first answer has replaced it.
        if now.abs_diff(browser.last_used) <= OVERLAP { Judged::Overtaken } else { Judged::Old }
    } else {
        // A guess is no proof of a copy: it must not cost the citizen the browser.
        Judged::Strange
    }
}

fn secret_hash(secret: &Secret<32>) -> Hash32 {
    crypto::sha256(&[&secret.0])
}

fn family_hash(secret: &Secret<32>) -> Hash32 {
    crypto::sha256(&[&secret.0[..16]])
}

/// The secret after a rotation: the first 16 bytes stay, the others are drawn anew.
fn next(secret: &Secret<32>, fresh: &Secret<32>) -> Secret<32> {
    let mut next = fresh.clone();
    next.0[..16].copy_from_slice(&secret.0[..16]);
    next
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;

    use super::*;

    #[test]
    fn a_cookie_has_one_text() {
        let cookie = BrowserCookie { id: Fixed([7; 16]), secret: Secret([9; 32]) };
        assert_eq!(BrowserCookie::parse(&cookie.to_text()), Some(cookie.clone()));
        for bad in ["", ".", "a.b", &cookie.to_text()[1..], &format!("{}x", cookie.to_text())] {
            assert_eq!(BrowserCookie::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_old_secret_is_told_from_a_guess() {
        let secret = |byte| Secret([byte; 32]);
        let hash = |byte| secret_hash(&secret(byte));
        let browser = Browser {
            id: Fixed([1; 16]),
            account: Fixed([2; 16]),
            name: "Firefox".to_owned(),
            secret_hash: hash(2),
            previous_hash: Some(hash(1)),
            family_hash: Some(family_hash(&secret(2))),
            remembered: 0,
            last_used: 1_000,
        };
        for now in [1_000, 1_010, 1_011, 5_000] {
            assert!(matches!(judge(&browser, &secret(2), now), Judged::Current));
            assert!(matches!(judge(&browser, &secret(3), now), Judged::Strange));
        }
        // The one before, and any before that: whoever has a right first half has had the cookie.
        for old in [secret(1), next(&secret(2), &secret(7))] {
            assert!(matches!(judge(&browser, &old, 1_000), Judged::Overtaken));
            assert!(matches!(judge(&browser, &old, 1_010), Judged::Overtaken));
            assert!(matches!(judge(&browser, &old, 1_011), Judged::Old));
        }
    }
}
