//! What can go wrong, typed by what the person can do next.

use godkend_client::OpenError;
use godkend_client::state::StoreError as ClientStoreError;
use godkend_core::{Failure, StateError};
use godkend_protocol::codes::Code;
use godkend_protocol::formats::digits::PinError;
use godkend_protocol::messages::pin::PinStatus;

use crate::config::Language;

/// What is left of the PIN's tries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Record)]
pub struct PinTries {
    /// Tries left in this round; while `wait_seconds` is above 0, those of the round that begins after it.
    pub tries_left: u32,
    /// Seconds until the next try; 0 if none.
    pub wait_seconds: u32,
    /// Rounds left after this one; 0 in the last.
    pub rounds_left: u32,
    /// No try is left: a new PIN after proofing again.
    pub blocked: bool,
}

impl From<PinStatus> for PinTries {
    fn from(status: PinStatus) -> Self {
        Self {
            tries_left: status.tries_left,
            wait_seconds: status.wait,
            rounds_left: status.rounds_left,
            blocked: status.dead,
        }
    }
}

impl From<PinTries> for PinStatus {
    fn from(tries: PinTries) -> Self {
        Self {
            tries_left: tries.tries_left,
            wait: tries.wait_seconds,
            rounds_left: tries.rounds_left,
            dead: tries.blocked,
        }
    }
}

/// Why a PIN is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum WeakPin {
    /// Not six digits.
    Shape,
    /// The same digit throughout.
    Repeated,
    /// Digits in a row, up or down.
    Sequence,
    /// A pattern that everybody tries first.
    Pattern,
}

impl From<PinError> for WeakPin {
    fn from(error: PinError) -> Self {
        match error {
            PinError::Shape => Self::Shape,
            PinError::Repeated => Self::Repeated,
            PinError::Sequence => Self::Sequence,
            PinError::Pattern => Self::Pattern,
        }
    }
}

impl From<WeakPin> for PinError {
    fn from(weak: WeakPin) -> Self {
        match weak {
            WeakPin::Shape => Self::Shape,
            WeakPin::Repeated => Self::Repeated,
            WeakPin::Sequence => Self::Sequence,
            WeakPin::Pattern => Self::Pattern,
        }
    }
}

/// Why a call did not do what it should. `text` says it to the person, with what to do next.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, uniffi::Error)]
pub enum PhoneError {
    /// The person cancelled, or the app called `cancel`. Nothing was approved.
    #[error("cancelled")]
    Cancelled,
    /// The finger or face was not recognised: try again, or use the PIN.
    #[error("not authenticated")]
    NotAuthenticated,
    /// The sensor is locked out for now: use the PIN.
    #[error("the sensor is locked out")]
    LockedOut,
    /// A new finger or face invalidated the biometric key: use the PIN, then turn biometrics on again.
    #[error("the key was invalidated")]
    KeyInvalidated,
    /// The keys are gone, as after a restored backup: `erase`, and activate again.
    #[error("the keys are missing")]
    KeyMissing,
    /// This phone cannot do it: no such hardware (StrongBox, biometrics, key agreement), or it failed twice.
    #[error("this phone cannot do it")]
    NotSupported,
    /// No connection: try again when there is one. What was begun is kept.
    #[error("no network")]
    NoNetwork,
    /// The server refused.
    #[error("refused: {code}")]
    Refused {
        /// The stable code (the protocol's section on refusals).
        code: String,
        /// Seconds until it is worth trying again.
        retry_after: Option<u32>,
        /// Tries left, where they are counted.
        tries_left: Option<u32>,
    },
    /// This phone is blocked: the person goes to support, or activates anew.
    #[error("this phone is blocked")]
    Blocked,
    /// A copy of this app, or an old backup, has answered: this phone is frozen.
    #[error("this phone is frozen")]
    Frozen,
    /// This phone was removed from the person's phones: activate again.
    #[error("this phone was removed")]
    Removed,
    /// The request's time is over.
    #[error("expired")]
    Expired,
    /// The PIN was wrong.
    #[error("wrong PIN")]
    WrongPin {
        /// What is left.
        tries: PinTries,
    },
    /// Too many wrong PINs: wait.
    #[error("too many wrong PINs")]
    PinWaiting {
        /// For how many seconds.
        seconds: u32,
    },
    /// The PIN has no tries left: a new PIN after proofing again.
    #[error("the PIN is blocked")]
    PinBlocked,
    /// The chosen PIN is not taken.
    #[error("the PIN is too weak")]
    PinTooWeak {
        /// Why.
        reason: WeakPin,
    },
    /// What was scanned, typed or opened is not a code of ours, or is damaged.
    #[error("not a valid code")]
    NotACode,
    /// The code belongs to an environment that this app does not know.
    #[error("unknown environment")]
    UnknownRoot,
    /// A newer app is needed.
    #[error("a newer app is needed")]
    UpdateNeeded,
    /// What answered is not the right server: try another network.
    #[error("the server cannot be trusted")]
    Untrusted,
    /// This phone's date is wrong: correct it.
    #[error("the clock is wrong")]
    ClockWrong,
    /// The state could not be saved: nothing was sent. Free some space and start the app again.
    #[error("the store failed")]
    Storage,
    /// The stored state is damaged or was replaced: `erase`, and activate again.
    #[error("the stored state is damaged")]
    StateDamaged,
    /// The stored state was written by a newer app: update.
    #[error("the stored state was written by a newer app")]
    StateNewer,
    /// Another process has the profile open.
    #[error("in use by another process")]
    InUse,
    /// Another action of the same person is under way.
    #[error("busy")]
    Busy,
    /// There is no such person on this phone, or several and none was named.
    #[error("no such person")]
    NoPerson,
    /// There is no such request on the screen.
    #[error("no such request")]
    NoRequest,
    /// The step does not fit: the digits have not been typed yet, the phone is not active, or it is already.
    #[error("not at this step")]
    NotNow,
    /// Several people share this phone, so biometrics cannot tell who it is.
    #[error("shared phone")]
    SharedPhone,
    /// The phone has been shut down.
    #[error("shut down")]
    ShutDown,
    /// A mistake in what the app is built with.
    #[error("bad configuration: {what}")]
    BadConfiguration {
        /// In English, for the developer.
        what: String,
    },
    /// Something that should not happen. Nothing was approved.
    #[error("unexpected")]
    Unexpected,
}

#[uniffi::export]
impl PhoneError {
    /// What the person is told: one or two sentences with what to do next.
    pub fn text(&self, language: Language) -> String {
        if let Some(failure) = self.failure() {
            return match language {
                Language::English => failure.english(),
                Language::Danish | Language::Greenlandic => failure.danish(),
            };
        }
        let (danish, english) = self.own_text();
        language.pick(danish, english).to_owned()
    }
}

impl PhoneError {
    /// The core's failure that has the sentence.
    fn failure(&self) -> Option<Failure> {
        let refused = |code| Failure::Refused { code, retry_after: None, tries_left: None };
        Some(match self {
            Self::Cancelled => Failure::Cancelled,
            Self::NotAuthenticated => Failure::NotAuthenticated,
            Self::LockedOut => Failure::LockedOut,
            Self::KeyInvalidated => Failure::KeyInvalidated,
            Self::KeyMissing => Failure::KeyMissing,
            Self::NotSupported => Failure::NotSupported,
            Self::NoNetwork => Failure::NoNetwork,
            Self::Refused { code, .. } => refused(Code::parse(code).unwrap_or(Code::Internal)),
            Self::Blocked => refused(Code::DeviceBlocked),
            Self::Frozen => refused(Code::DeviceFrozen),
            Self::Removed => refused(Code::DeviceRemoved),
            Self::Expired => Failure::Expired,
            Self::WrongPin { tries } => Failure::WrongPin((*tries).into()),
            Self::PinWaiting { .. } => refused(Code::PinWaiting),
            Self::PinBlocked => refused(Code::PinDead),
            Self::PinTooWeak { reason } => Failure::WeakPin((*reason).into()),
            Self::NotACode => Failure::NotACode,
            Self::UnknownRoot => Failure::UnknownRoot,
            Self::UpdateNeeded => Failure::UpdateNeeded,
            Self::Untrusted => Failure::Untrusted,
            Self::ClockWrong => Failure::ClockWrong,
            Self::Storage => Failure::Storage,
            Self::Busy => Failure::Busy,
            Self::NoPerson => Failure::NoIdentity,
            Self::NoRequest => Failure::NoRequest,
            Self::NotNow => Failure::NotNow,
            Self::SharedPhone => Failure::SharedPhone,
            Self::Unexpected => refused(Code::Internal),
            Self::StateDamaged | Self::StateNewer | Self::InUse | Self::ShutDown | Self::BadConfiguration { .. } => {
                return None;
            }
        })
    }

    /// Danish and English, where the core has no sentence.
    const fn own_text(&self) -> (&'static str, &'static str) {
        match self {
            Self::StateNewer => (
                "De gemte data er skrevet af en nyere version. Opdatér appen.",
                "The stored data was written by a newer version. Update the app.",
            ),
            Self::InUse => (
                "Appen er åben et andet sted på enheden. Luk den dér, og prøv igen.",
                "The app is open elsewhere on this device. Close it there and try again.",
            ),
            Self::ShutDown => ("Appen er ved at lukke. Start den igen.", "The app is closing. Start it again."),
            Self::BadConfiguration { .. } => (
                "Appen er sat forkert op. Hent den igen fra appbutikken.",
                "The app is set up wrongly. Get it again from the app store.",
            ),
            _ => (
                "De gemte data er beskadiget. Aktivér appen igen.",
                "The stored data is damaged. Activate the app again.",
            ),
        }
    }
}

impl From<Failure> for PhoneError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Cancelled => Self::Cancelled,
            Failure::NotAuthenticated => Self::NotAuthenticated,
            Failure::LockedOut => Self::LockedOut,
            Failure::KeyInvalidated => Self::KeyInvalidated,
            Failure::KeyMissing => Self::KeyMissing,
            Failure::NotSupported => Self::NotSupported,
            Failure::NoNetwork => Self::NoNetwork,
            Failure::Refused { code: Code::DeviceBlocked, .. } => Self::Blocked,
            Failure::Refused { code: Code::DeviceFrozen, .. } => Self::Frozen,
            Failure::Refused { code: Code::DeviceRemoved | Code::DeviceUnknown, .. } => Self::Removed,
            Failure::Refused { code: Code::PinWaiting, retry_after, .. } => {
                Self::PinWaiting { seconds: retry_after.unwrap_or(0) }
            }
            Failure::Refused { code: Code::PinDead, .. } => Self::PinBlocked,
            Failure::Refused { code, retry_after, tries_left } => {
                Self::Refused { code: code.as_str().to_owned(), retry_after, tries_left }
            }
            Failure::Expired => Self::Expired,
            Failure::WrongPin(status) if status.dead => Self::PinBlocked,
            Failure::WrongPin(status) => Self::WrongPin { tries: status.into() },
            Failure::WeakPin(reason) => Self::PinTooWeak { reason: reason.into() },
            Failure::NotACode => Self::NotACode,
            Failure::UnknownRoot => Self::UnknownRoot,
            Failure::UpdateNeeded => Self::UpdateNeeded,
            Failure::Untrusted => Self::Untrusted,
            Failure::ClockWrong => Self::ClockWrong,
            Failure::Storage => Self::Storage,
            Failure::Busy => Self::Busy,
            Failure::NoIdentity => Self::NoPerson,
            Failure::NoRequest => Self::NoRequest,
            Failure::NotNow => Self::NotNow,
            Failure::SharedPhone => Self::SharedPhone,
        }
    }
}

impl From<ClientStoreError> for PhoneError {
    fn from(error: ClientStoreError) -> Self {
        match error {
            ClientStoreError::InUse { .. } => Self::InUse,
            ClientStoreError::Damaged => Self::StateDamaged,
            ClientStoreError::Newer => Self::StateNewer,
            ClientStoreError::KeyMissing => Self::KeyMissing,
            ClientStoreError::Stopped => Self::ShutDown,
            error => {
                tracing::error!(%error, "the store did not open");
                Self::Storage
            }
        }
    }
}

impl From<OpenError> for PhoneError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            OpenError::State(StateError::Damaged) => Self::StateDamaged,
            OpenError::State(StateError::Newer) => Self::StateNewer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_to_do_in_both_languages() {
        let tries = |wait_seconds| PinTries { tries_left: 2, wait_seconds, rounds_left: 1, blocked: false };
        let refused = |code: &str| PhoneError::Refused { code: code.to_owned(), retry_after: None, tries_left: None };
        let mut all = vec![
            PhoneError::Cancelled,
            PhoneError::NotAuthenticated,
            PhoneError::LockedOut,
            PhoneError::KeyInvalidated,
            PhoneError::KeyMissing,
            PhoneError::NotSupported,
            PhoneError::NoNetwork,
            refused("a code of a newer server's"),
            PhoneError::Blocked,
            PhoneError::Frozen,
            PhoneError::Removed,
            PhoneError::Expired,
            PhoneError::WrongPin { tries: tries(0) },
            PhoneError::WrongPin { tries: tries(60) },
            PhoneError::PinWaiting { seconds: 60 },
            PhoneError::PinBlocked,
            PhoneError::PinTooWeak { reason: WeakPin::Sequence },
            PhoneError::NotACode,
            PhoneError::UnknownRoot,
            PhoneError::UpdateNeeded,
            PhoneError::Untrusted,
            PhoneError::ClockWrong,
            PhoneError::Storage,
            PhoneError::StateDamaged,
            PhoneError::StateNewer,
            PhoneError::InUse,
            PhoneError::Busy,
            PhoneError::NoPerson,
            PhoneError::NoRequest,
            PhoneError::NotNow,
            PhoneError::SharedPhone,
            PhoneError::ShutDown,
            PhoneError::BadConfiguration { what: "x".to_owned() },
            PhoneError::Unexpected,
        ];
        all.extend(Code::ALL.iter().map(|code| refused(code.as_str())));
        for error in all {
            let (danish, english) = (error.text(Language::Danish), error.text(Language::English));
            for text in [&danish, &english] {
                assert!(text.len() > 8 && text.ends_with('.') && !text.contains("{}"), "{error:?}: {text}");
            }
            assert_ne!(danish, english);
            assert_eq!(error.text(Language::Greenlandic), danish);
        }
    }

    #[test]
    fn a_refusal_keeps_its_code_and_its_sentence() {
        for code in Code::ALL {
            let failure = Failure::Refused { code: *code, retry_after: Some(7), tries_left: Some(1) };
            let error = PhoneError::from(failure);
            let sentence = match code {
                Code::DeviceUnknown => Code::DeviceRemoved.english(),
                code => code.english(),
            };
            assert_eq!(error.text(Language::English), sentence);
        }
        let waiting = Failure::Refused { code: Code::PinWaiting, retry_after: Some(7), tries_left: None };
        assert_eq!(PhoneError::from(waiting), PhoneError::PinWaiting { seconds: 7 });
    }
}
