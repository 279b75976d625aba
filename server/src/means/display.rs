//! Code displays, talking ones too: OATH codes of a display that a desk has handed to the person.

use async_trait::async_trait;
use godkend_oath::{Digits, Hash, Moving, Position, Seed, Token};
use godkend_protocol::bytes::{Blob, Id, Secret};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::types::{Binding, Level};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::records::{Display, DisplayState};
use super::{CODE_DISPLAY, Judged, Means, Proof};
use crate::app::App;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::policy::{Implemented, Kind};
use crate::records::Entry;

/// Displays of one person that are looked at: those before the present one stay listed.
pub(super) const MOST_DISPLAYS: u32 = 64;

/// The code display as a means.
pub(super) struct CodeDisplay;

/// `{"code": "123456"}`, or with the code after it in `next`: two in a row, which find a display that was pressed in a
/// pocket, and which nobody guesses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    code: String,
    #[serde(default)]
    next: Option<String>,
}

#[async_trait]
impl Means for CodeDisplay {
    fn implemented(&self) -> Implemented {
        Implemented { name: CODE_DISPLAY, kinds: &[Kind::Possession], ceiling: Level::Substantial, alone: false }
    }

    fn binding(&self) -> Binding {
        Binding::Typed
    }

    async fn judge(&self, proof: &Proof<'_>) -> Result<Judged, ApiError> {
        let typed = Typed::deserialize(proof.value).map_err(|_| Code::Malformed)?;
        let code = digits(&typed.code)?;
        let next = typed.next.as_deref().filter(|next| !next.trim().is_empty()).map(digits).transpose()?;
        let app = proof.app;
        let held = active(app, &proof.account).await?;
        // Without a display, one that shows what nobody knows: the work is the same.
        let (token, position) = match &held {
            Some(display) => (token(app, &display.doc)?, position(&display.doc)),
            None => (nobodys(app)?, Position::default()),
        };
        let windows = app.policy.code_display.into();
        let judge = |token: &Token, position: &Position| match &next {
            None => token.accept(position, proof.now, &windows, &code),
            Some(next) => token.resynchronise(position, proof.now, &windows, &code, next),
        };
        let moved = judge(&token, &position);
        // A window of the other kind, so that the work does not tell one with a clock from one with a button, or from none.
        let other = Token {
            moving: if token.step_at(0).is_none() { Moving::Time { step: 30 } } else { Moving::Counter },
            ..nobodys(app)?
        };
        core::hint::black_box(judge(&other, &Position::default()));
        let (Some(mut display), Some(moved)) = (held, moved) else { return Ok(Judged::default()) };
        (display.doc.next, display.doc.drift, display.doc.last_used) = (moved.next, moved.drift, Some(proof.now));
        let mut changes = Changes::new();
        changes.update(&display);
        let used = Some((display.doc.id, moved.next));
        Ok(Judged { right: true, unguessable: next.is_some(), most: None, used, changes })
    }
}

/// The display that a person uses now.
pub(super) async fn active(app: &App, account: &Id) -> Result<Option<Entry<Display>>, ApiError> {
    let all = docs::list::<Display>(&*app.store, &account.0, MOST_DISPLAYS).await?;
    Ok(all.into_iter().find(|display| display.doc.state == DisplayState::Active))
}

/// The six digits of a typed code: spaces in between are a reader's help.
fn digits(text: &str) -> Result<Zeroizing<String>, ApiError> {
    let plain = Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect::<String>());
    let good = (6..=8).contains(&plain.len()) && plain.bytes().all(|byte| byte.is_ascii_digit());
    if good { Ok(plain) } else { Err(Code::Malformed.into()) }
}

fn position(display: &Display) -> Position {
    Position { next: display.next, drift: display.drift }
}

/// A display as it computes. Only for codes that are judged.
fn token(app: &App, display: &Display) -> Result<Token, ApiError> {
    let damaged = || ApiError::damaged("display");
    let account = display.account.ok_or_else(damaged)?;
    let seed = open(app, &display.id, Some(&account), &display.seed).ok_or_else(damaged)?;
    Ok(Token {
        seed: Seed::new(&seed).ok_or_else(damaged)?,
        hash: Hash::parse(&display.hash).ok_or_else(damaged)?,
        digits: Digits::new(display.digits).ok_or_else(damaged)?,
        moving: display.step.map_or(Moving::Counter, |step| Moving::Time { step }),
    })
}

fn nobodys(app: &App) -> Result<Token, ApiError> {
    let (id, secret) = (Display::id_of("", ""), Secret::<20>::random(&mut app.rng()));
    // Sealed and opened as a stored one is.
    let seed = open(app, &id, None, &seal(app, &id, None, &secret.0)).ok_or(Code::Internal)?;
    let seed = Seed::new(&seed).ok_or(Code::Internal)?;
    Ok(Token { seed, hash: Hash::Sha1, digits: Digits::SIX, moving: Moving::Counter })
}

/// Seals a seed to its display and holder, under a key from outside the database: a dump has no seeds, and whoever can
/// write to the database cannot give their own display to another person.
pub(super) fn seal(app: &App, display: &Id, account: Option<&Id>, seed: &[u8]) -> Blob {
    use rand_core::Rng as _;
    let mut nonce = [0; 12];
    app.rng().fill_bytes(&mut nonce);
    let sealed = crypto::aead_seal(&key(app), nonce, &named(display, account), seed);
    Blob([nonce.as_slice(), &sealed].concat())
}

/// Opens [`seal`]; `None` for another display's or holder's.
pub(super) fn open(app: &App, display: &Id, account: Option<&Id>, sealed: &Blob) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, body) = sealed.0.split_at_checked(12)?;
    crypto::aead_open(&key(app), nonce.try_into().ok()?, &named(display, account), body).map(Zeroizing::new)
}

fn key(app: &App) -> Secret<32> {
    crypto::hkdf_sha256(&app.keys.pairwise.0, &[b"godkend/1/display-seeds"])
}

fn named(display: &Id, account: Option<&Id>) -> Vec<u8> {
    [display.0.as_slice(), account.map_or(&[][..], |account| &account.0)].concat()
}
