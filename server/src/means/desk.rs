//! What a desk does with code displays: takes a delivery in, hands one to a person, notes that one was lost.

use godkend_oath::pskc::{self, PskcError, Reading};
use godkend_oath::{Digits, Moving};
use godkend_protocol::bytes::{Blob, Id};
use godkend_protocol::codes::Code;
use serde::Serialize;
use serde_json::json;

use super::CODE_DISPLAY;
use super::display::{MOST_DISPLAYS, active, open, seal};
use super::records::{Display, DisplayState};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{Account, Entry};

/// Displays that are stored in one commit.
const AT_ONCE: usize = 64;
/// Seconds before a battery's end from which its holder is warned: 90 days.
const BATTERY_WARNING: i64 = 90 * 86_400;

/// What became of a delivery.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Imported {
    /// Displays that are in stock now.
    pub imported: u32,
    /// Serial numbers that were there already, and stayed as they were.
    pub known: Vec<String>,
    /// Keys that cannot be used, each with its reason.
    pub refused: Vec<(String, String)>,
}

/// Why a delivery was not taken in.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ImportError {
    /// The container: see there.
    #[error(transparent)]
    Container(#[from] PskcError),
    /// The store: try again, what was taken in is known then.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// Takes a container in. What is there already stays as it is, so that a second import changes no counter.
///
/// # Errors
/// [`ImportError`].
pub async fn import(app: &App, container: &[u8], reading: &Reading<'_>, talks: bool) -> Result<Imported, ImportError> {
    let keys = pskc::read(container, reading)?;
    let mut done = Imported::default();
    for chunk in keys.chunks(AT_ONCE) {
        let mut changes = Changes::new();
        let mut fresh = 0;
        let mut seen = std::collections::BTreeSet::new();
        for key in chunk {
            let serial = key.serial.clone().unwrap_or_else(|| key.id.clone());
            match display(app, key, &serial, talks) {
                Err(why) => done.refused.push((serial, why)),
                Ok(display) => {
                    let there = docs::get::<Display>(&*app.store, &display.id.0).await?.is_some();
                    if there || !seen.insert(display.id) {
                        done.known.push(serial);
                    } else {
                        changes.insert(&display);
                        fresh += 1;
                    }
                }
            }
        }
        if fresh > 0 {
            changes.commit(&*app.store).await?;
            done.imported += fresh;
        }
    }
    Ok(done)
}

fn display(app: &App, key: &pskc::Key, serial: &str, talks: bool) -> Result<Display, String> {
    let token = key.token().map_err(|error| error.to_string())?;
    if !token.seed.is_strong() {
        return Err("the seed is shorter than 128 bits (RFC 4226, R6)".to_owned());
    }
    if token.digits != Digits::SIX {
        return Err("a code display shows six digits here".to_owned());
    }
    let manufacturer = key.manufacturer.clone().unwrap_or_default();
    let id = Display::id_of(&manufacturer, serial);
    Ok(Display {
        id,
        manufacturer,
        serial: serial.trim().to_owned(),
        account: None,
        state: DisplayState::Stock,
        seed: seal(app, &id, None, token.seed.expose()),
        hash: token.hash.name().to_owned(),
        digits: token.digits.get(),
        step: match token.moving {
            Moving::Counter => None,
            Moving::Time { step } => Some(step),
        },
        next: key.counter.filter(|_| token.moving == Moving::Counter).unwrap_or(0),
        drift: key.drift.unwrap_or(0),
        talks,
        imported: app.now(),
        assigned: None,
        last_used: None,
        battery_until: None,
    })
}

/// Finds the display that a desk holds in its hand. Where makers share a serial number, the maker says which.
///
/// # Errors
/// [`Code::DisplayUnknown`].
pub async fn by_serial(app: &App, manufacturer: &str, serial: &str) -> Result<Entry<Display>, ApiError> {
    let id = Display::id_of(manufacturer, serial);
    docs::get::<Display>(&*app.store, &id.0).await?.ok_or_else(|| Code::DisplayUnknown.into())
}

/// Hands a display from stock to a person. One that the person has already is replaced, if the desk says so.
///
/// # Errors
/// [`Code::DisplayUnknown`]; [`Code::DisplayTaken`] for one that is not in stock, or where the person has another.
pub async fn assign(
    app: &App,
    account: &Entry<Account>,
    display: &Id,
    replace: bool,
    battery_until: Option<i64>,
    by: &str,
) -> Result<(), ApiError> {
    retry(|| async {
        let mut new = docs::get::<Display>(&*app.store, &display.0).await?.ok_or(Code::DisplayUnknown)?;
        let (id, now) = (account.doc.id, app.now());
        if new.doc.state != DisplayState::Stock {
            return Err(Code::DisplayTaken.into());
        }
        let mut changes = Changes::new();
        if let Some(mut old) = active(app, &id).await? {
            if !replace {
                return Err(Code::DisplayTaken.into());
            }
            old.doc.state = DisplayState::Replaced;
            changes.update(&old).log(&changed(&id, &old.doc, "replaced", by, now));
        }
        let seed = open(app, &new.doc.id, None, &new.doc.seed).ok_or_else(|| ApiError::damaged("display"))?;
        new.doc.seed = seal(app, &new.doc.id, Some(&id), &seed);
        (new.doc.account, new.doc.state) = (Some(id), DisplayState::Active);
        (new.doc.assigned, new.doc.battery_until) = (Some(now), battery_until);
        changes.update(&new).unchanged(account).log(&changed(&id, &new.doc, "assigned", by, now));
        let about = About::default().with(json!({ "serial": new.doc.serial, "by": by, "alert": true }));
        history::add(&mut changes, app, id, "display_assigned", about);
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(id);
        Ok(())
    })
    .await
}

/// Notes that a person's display is lost. It is never used again, even if it is found.
///
/// # Errors
/// [`Code::DisplayUnknown`] where the person has none.
pub async fn lose(app: &App, account: &Id, by: &str) -> Result<(), ApiError> {
    retry(|| async {
        let mut display = active(app, account).await?.ok_or(Code::DisplayUnknown)?;
        let now = app.now();
        display.doc.state = DisplayState::Lost;
        display.doc.seed = Blob(Vec::new());
        let mut changes = Changes::new();
        changes.update(&display).log(&changed(account, &display.doc, "lost", by, now));
        let about = About::default().with(json!({ "serial": display.doc.serial, "by": by }));
        history::add(&mut changes, app, *account, "display_lost", about);
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(*account);
        Ok(())
    })
    .await
}

/// A person's display as a desk or the person may see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Shown {
    /// The maker.
    pub manufacturer: String,
    /// The number on its back.
    pub serial: String,
    /// Where it stands.
    pub state: DisplayState,
    /// It speaks.
    pub talks: bool,
    /// Unix seconds.
    pub assigned: Option<i64>,
    /// Unix seconds.
    pub last_used: Option<i64>,
    /// Unix seconds, as delivered.
    pub battery_until: Option<i64>,
    /// Its battery ends within three months, or has ended.
    pub battery_low: bool,
}

/// All displays that a person has or had.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn shown(app: &App, account: &Id) -> Result<Vec<Shown>, ApiError> {
    let (all, now) = (docs::list::<Display>(&*app.store, &account.0, MOST_DISPLAYS).await?, app.now());
    let show = |display: Display| Shown {
        manufacturer: display.manufacturer,
        serial: display.serial,
        state: display.state,
        talks: display.talks,
        assigned: display.assigned,
        last_used: display.last_used,
        battery_until: display.battery_until,
        battery_low: display.battery_until.is_some_and(|until| now >= until.saturating_sub(BATTERY_WARNING)),
    };
    Ok(all.into_iter().map(|entry| show(entry.doc)).collect())
}

fn changed(account: &Id, display: &Display, state: &str, by: &str, at: i64) -> AuditEntry {
    AuditEntry::MeansChanged {
        account: *account,
        means: CODE_DISPLAY.to_owned(),
        item: display.id,
        state: state.to_owned(),
        by: by.to_owned(),
        at,
    }
}
