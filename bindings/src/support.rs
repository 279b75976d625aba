//! The support code: what a desk needs to know of a phone, in words that can be read out, and nothing of its owner.

use crate::config::{KeySecurity, PhoneConfig};
use crate::error::PhoneError;
use crate::people::Standing;
use crate::watch::{AppVersion, Connection, PhoneState};

/// What the code is made of.
pub(crate) struct Facts<'a> {
    pub(crate) config: &'a PhoneConfig,
    pub(crate) state: &'a PhoneState,
    pub(crate) last: Option<&'a PhoneError>,
}

/// `G1-<app>-<library>-<letters>-<last failure>`: one letter each for keys, connection, version and every person's
/// standing (lower case with biometrics). No name, id, place, relying party or time.
pub(crate) fn code(facts: &Facts<'_>) -> String {
    let keys = match facts.config.security {
        KeySecurity::Software => 'S',
        KeySecurity::TrustedEnvironment => 'T',
        KeySecurity::Dedicated => 'D',
    };
    let connection = match facts.state.connection {
        Connection::Unknown => 'X',
        Connection::Online => 'N',
        Connection::Offline => 'F',
        Connection::Untrusted => 'U',
        Connection::ClockWrong => 'C',
    };
    let version = match facts.state.app_version {
        AppVersion::Current => 'C',
        AppVersion::UpdateRecommended => 'R',
        AppVersion::UpdateRequiredFrom { .. } => 'Q',
        AppVersion::Refused => 'O',
    };
    let people: String = facts.state.people.iter().map(|person| letter(person.standing, person.biometrics)).collect();
    let last = facts.last.map_or("OK", name);
    let app: String = facts.config.app_version.chars().filter(|c| c.is_ascii_digit() || *c == '.').take(12).collect();
    format!("G1-{app}-{}-{keys}{connection}{version}{people}-{last}", env!("CARGO_PKG_VERSION"))
}

const fn letter(standing: Standing, biometrics: bool) -> char {
    let letter = match standing {
        Standing::Enrolling { .. } => 'E',
        Standing::Active => 'A',
        Standing::ResettingPin { .. } => 'P',
        Standing::Blocked => 'B',
        Standing::Frozen => 'Z',
        Standing::Removed => 'R',
    };
    if biometrics { letter.to_ascii_lowercase() } else { letter }
}

/// A failure in a few letters; the server's refusals by their stable code.
fn name(error: &PhoneError) -> &str {
    match error {
        PhoneError::Cancelled => "CANCELLED",
        PhoneError::NotAuthenticated => "NOTAUTH",
        PhoneError::LockedOut => "LOCKOUT",
        PhoneError::KeyInvalidated => "KEYINVALID",
        PhoneError::KeyMissing => "KEYGONE",
        PhoneError::NotSupported => "NOHARDWARE",
        PhoneError::NoNetwork => "NONET",
        PhoneError::Refused { code, .. } => code,
        PhoneError::Blocked => "BLOCKED",
        PhoneError::Frozen => "FROZEN",
        PhoneError::Removed => "REMOVED",
        PhoneError::Expired => "EXPIRED",
        PhoneError::WrongPin { .. } => "PINWRONG",
        PhoneError::PinWaiting { .. } => "PINWAIT",
        PhoneError::PinBlocked => "PINDEAD",
        PhoneError::PinTooWeak { .. } => "PINWEAK",
        PhoneError::NotACode => "NOCODE",
        PhoneError::UnknownRoot => "NOROOT",
        PhoneError::UpdateNeeded => "UPDATE",
        PhoneError::Untrusted => "UNTRUSTED",
        PhoneError::ClockWrong => "CLOCK",
        PhoneError::Storage => "STORAGE",
        PhoneError::StateDamaged => "DAMAGED",
        PhoneError::StateNewer => "NEWER",
        PhoneError::InUse => "INUSE",
        PhoneError::Busy => "BUSY",
        PhoneError::NoPerson => "NOPERSON",
        PhoneError::NoRequest => "NOREQUEST",
        PhoneError::NotNow => "NOTNOW",
        PhoneError::SharedPhone => "SHARED",
        PhoneError::ShutDown => "SHUTDOWN",
        PhoneError::BadConfiguration { .. } => "CONFIG",
        PhoneError::Unexpected => "UNEXPECTED",
    }
}
