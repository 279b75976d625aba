//! Browsers that a person has signed in with: a cookie that the server makes and nobody else can, so that the person's own
//! tries are counted apart from a stranger's. It signs nobody in.

use godkend_protocol::bytes::{Fixed, Id, random};
use godkend_protocol::crypto;

use crate::app::App;

/// People who share a browser and are told apart.
const MOST: usize = 4;

/// The browser's name for this account, if its cookie says that the account has signed in with it.
pub(super) fn find(app: &App, cookie: &str, account: &Id) -> Option<Id> {
    entries(cookie)
        .find(|entry| crypto::same(&entry.0[16..], &seal(app, account, &browser(entry))))
        .map(|e| browser(&e))
}

/// The cookie with this account added; the oldest of too many is dropped.
pub(super) fn add(app: &App, cookie: &str, account: &Id) -> String {
    let id: Id = random(&mut app.rng());
    let mut entry = [0; 32];
    entry[..16].copy_from_slice(&id.0);
    entry[16..].copy_from_slice(&seal(app, account, &id));
    let others = entries(cookie).filter(|entry| !crypto::same(&entry.0[16..], &seal(app, account, &browser(entry))));
    let all: Vec<String> = core::iter::once(Fixed(entry)).chain(others).take(MOST).map(|e| e.to_base64()).collect();
    all.join(".")
}

fn entries(cookie: &str) -> impl Iterator<Item = Fixed<32>> {
    cookie.split('.').take(MOST).filter_map(Fixed::<32>::from_base64)
}

fn browser(entry: &Fixed<32>) -> Id {
    let mut id = [0; 16];
    id.copy_from_slice(&entry.0[..16]);
    Fixed(id)
}

fn seal(app: &App, account: &Id, browser: &Id) -> [u8; 16] {
    let whole = crypto::hmac_sha256(&app.keys.pairwise.0, &[b"godkend/1/known-browser", &account.0, &browser.0]);
    let mut half = [0; 16];
    half.copy_from_slice(&whole.0[..16]);
    half
}
