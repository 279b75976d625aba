//! Failures, typed by what the person can do next, each with a sentence in both languages.

use godkend_protocol::codes::Code;
use godkend_protocol::formats::digits::PinError;
use godkend_protocol::messages::ErrorReply;
use godkend_protocol::messages::pin::PinStatus;

use crate::keys::KeyFailure;

/// Why a command did not do what it should.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// The person cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The finger or face was not recognised: try again, or use the PIN.
    #[error("not authenticated")]
    NotAuthenticated,
    /// The biometric sensor is locked out: use the PIN.
    #[error("the sensor is locked out")]
    LockedOut,
    /// A new finger or face invalidated the key: use the PIN and turn biometrics on again.
    #[error("the key was invalidated")]
    KeyInvalidated,
    /// The keys are gone, as after a restored backup: activate again.
    #[error("the keys are missing")]
    KeyMissing,
    /// This phone cannot do it.
    #[error("this phone cannot do it")]
    NotSupported,
    /// No answer from the server: try again when there is a network. What was begun is kept.
    #[error("no network")]
    NoNetwork,
    /// The server refused, with its stable code.
    #[error("refused: {}", code.as_str())]
    Refused {
        /// The code.
        code: Code,
        /// Seconds until it is worth trying again.
        retry_after: Option<u32>,
        /// Tries left.
        tries_left: Option<u32>,
    },
    /// The request's time is over.
    #[error("expired")]
    Expired,
    /// The PIN was wrong; what is left.
    #[error("wrong PIN")]
    WrongPin(PinStatus),
    /// The PIN is not taken.
    #[error("{0}")]
    WeakPin(PinError),
    /// What was scanned, typed or opened is not a code of ours, is damaged, or belongs elsewhere.
    #[error("not a valid code")]
    NotACode,
    /// The code belongs to an environment or a root that this app does not know.
    #[error("unknown root or environment")]
    UnknownRoot,
    /// The code needs a newer app.
    #[error("a newer app is needed")]
    UpdateNeeded,
    /// What answered is not the server that the root vouches for, or went back on what it said before.
    #[error("the server cannot be trusted")]
    Untrusted,
    /// The server's keys have expired, or this phone's clock is days ahead: check the date, then try again.
    #[error("the clock is wrong or the server's keys have expired")]
    ClockWrong,
    /// The app's store failed: nothing was sent. Free some space and start again.
    #[error("the store failed")]
    Storage,
    /// Another action of the same identity is under way.
    #[error("busy")]
    Busy,
    /// There is no such identity, or several and none was named.
    #[error("no such identity")]
    NoIdentity,
    /// There is nothing to answer.
    #[error("nothing to answer")]
    NoRequest,
    /// The step does not fit: the digits have not been typed yet, the device is not active, or it is already.
    #[error("not at this step")]
    NotNow,
    /// Several people share this phone, so biometrics cannot tell who it is.
    #[error("shared phone")]
    SharedPhone,
}

impl Failure {
    /// What a Danish reader is told.
    #[must_use]
    pub fn danish(&self) -> String {
        self.sentence(Code::danish, PinError::danish, |text| text.0)
    }

    /// What an English reader is told.
    #[must_use]
    pub fn english(&self) -> String {
        self.sentence(Code::english, PinError::english, |text| text.1)
    }

    fn sentence(
        &self,
        code: fn(Code) -> &'static str,
        pin: fn(PinError) -> &'static str,
        pick: fn((&'static str, &'static str)) -> &'static str,
    ) -> String {
        match self {
            Self::Refused { code: refusal, .. } => code(*refusal).to_owned(),
            Self::WeakPin(error) => pin(*error).to_owned(),
            Self::WrongPin(status) if status.dead => code(Code::PinDead).to_owned(),
            Self::WrongPin(status) if status.wait > 0 => {
                let (danish, english) = ("Vent {} sekunder.", "Wait {} seconds.");
                let wait = pick((danish, english)).replace("{}", &status.wait.to_string());
                format!("{} {wait}", code(Code::PinWrong))
            }
            Self::WrongPin(status) => {
                let (danish, english) = ("Forsøg tilbage: {}.", "Tries left: {}.");
                let left = pick((danish, english)).replace("{}", &status.tries_left.to_string());
                format!("{} {left}", code(Code::PinWrong))
            }
            _ => pick(self.fixed()).to_owned(),
        }
    }

    const fn fixed(&self) -> (&'static str, &'static str) {
        match self {
            Self::Cancelled => ("Annulleret. Intet er godkendt.", "Cancelled. Nothing was approved."),
            Self::NotAuthenticated => (
                "Fingeraftryk eller ansigt blev ikke genkendt. Prøv igen, eller brug PIN-koden.",
                "The fingerprint or face was not recognised. Try again, or use the PIN.",
            ),
            Self::LockedOut => (
                "Fingeraftryk eller ansigt er låst lige nu. Brug PIN-koden.",
                "Fingerprint or face is locked for now. Use the PIN.",
            ),
            Self::KeyInvalidated => (
                "Der er kommet et nyt fingeraftryk eller ansigt på telefonen. Brug PIN-koden, og slå biometri til igen.",
                "A fingerprint or face was added to the phone. Use the PIN and turn biometrics on again.",
            ),
            Self::KeyMissing => (
                "Telefonens nøgler er væk, som efter en gendannelse. Aktivér appen igen.",
                "The phone's keys are gone, as after a restore. Activate the app again.",
            ),
            Self::NotSupported => ("Det kan denne telefon ikke.", "This phone cannot do that."),
            Self::NoNetwork => (
                "Der er ikke forbindelse. Prøv igen, når der er netværk.",
                "There is no connection. Try again when there is a network.",
            ),
            Self::Expired => (
                "Anmodningen er udløbet. Start forfra dér, hvor du loggede ind.",
                "The request has expired. Start again where you signed in.",
            ),
            Self::NotACode => ("Det er ikke en gyldig kode.", "This is not a valid code."),
            Self::UnknownRoot => (
                "Koden hører til et andet miljø end denne app.",
                "The code belongs to another environment than this app.",
            ),
            Self::UpdateNeeded => ("Opdatér appen, og prøv igen.", "Update the app and try again."),
            Self::Untrusted => (
                "Svaret kom ikke fra den rigtige server. Intet er godkendt. Prøv et andet netværk.",
                "The answer did not come from the right server. Nothing was approved. Try another network.",
            ),
            Self::ClockWrong => (
                "Telefonens dato ser forkert ud. Ret den, og prøv igen.",
                "The phone's date looks wrong. Correct it and try again.",
            ),
            Self::Storage => (
                "Telefonen kunne ikke gemme. Intet er sendt. Frigør plads, og start appen igen.",
                "The phone could not save. Nothing was sent. Free some space and start the app again.",
            ),
            Self::Busy => ("Vent, til det forrige er færdigt.", "Wait until the previous action is done."),
            Self::NoIdentity => ("Vælg, hvem det gælder.", "Choose whom this is for."),
            Self::NoRequest => ("Der er ingen anmodning at svare på.", "There is no request to answer."),
            Self::NotNow => ("Det kan ikke gøres på dette trin.", "That cannot be done at this step."),
            Self::SharedPhone => (
                "Flere deler denne telefon, så biometri kan ikke bruges.",
                "Several people share this phone, so biometrics cannot be used.",
            ),
            Self::Refused { .. } | Self::WrongPin(_) | Self::WeakPin(_) => ("", ""),
        }
    }

    /// Whether the same bytes may still succeed later: what was begun is kept.
    #[must_use]
    pub(crate) const fn is_passing(&self) -> bool {
        match self {
            Self::NoNetwork => true,
            Self::Refused { code, .. } => {
                matches!(code, Code::Unavailable | Code::Throttled | Code::Internal | Code::Conflict)
            }
            _ => false,
        }
    }
}

/// Why a request got no reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerFailure {
    /// No connection, or it broke.
    Network,
    /// The TLS key is not one that the key set pins.
    Pin,
    /// The server refused.
    Refused(ErrorReply),
    /// What came back is no message.
    Garbled,
}

impl From<ServerFailure> for Failure {
    fn from(failure: ServerFailure) -> Self {
        match failure {
            ServerFailure::Network => Self::NoNetwork,
            ServerFailure::Pin => Self::Untrusted,
            // A proxy's error page says nothing about the request: it may be tried again.
            ServerFailure::Garbled => Self::NoNetwork,
            ServerFailure::Refused(reply) => match reply.code() {
                Some(Code::UpdateNeeded) => Self::UpdateNeeded,
                Some(Code::TransactionExpired) => Self::Expired,
                code => Self::Refused {
                    code: code.unwrap_or(Code::Internal),
                    retry_after: reply.retry_after,
                    tries_left: reply.tries_left,
                },
            },
        }
    }
}

impl From<KeyFailure> for Failure {
    fn from(failure: KeyFailure) -> Self {
        match failure {
            KeyFailure::Cancelled => Self::Cancelled,
            KeyFailure::NotAuthenticated => Self::NotAuthenticated,
            KeyFailure::LockedOut => Self::LockedOut,
            KeyFailure::Invalidated => Self::KeyInvalidated,
            KeyFailure::Missing => Self::KeyMissing,
            KeyFailure::Unsupported => Self::NotSupported,
            KeyFailure::Failed => Self::NotSupported,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_speaks_both_languages() {
        let status = |tries_left, wait, dead| PinStatus { tries_left, wait, rounds_left: 1, dead };
        let mut all = vec![
            Failure::Cancelled,
            Failure::NotAuthenticated,
            Failure::LockedOut,
            Failure::KeyInvalidated,
            Failure::KeyMissing,
            Failure::NotSupported,
            Failure::NoNetwork,
            Failure::Expired,
            Failure::WrongPin(status(2, 0, false)),
            Failure::WrongPin(status(0, 60, false)),
            Failure::WrongPin(status(0, 0, true)),
            Failure::NotACode,
            Failure::UnknownRoot,
            Failure::UpdateNeeded,
            Failure::Untrusted,
            Failure::ClockWrong,
            Failure::Storage,
            Failure::Busy,
            Failure::NoIdentity,
            Failure::NoRequest,
            Failure::NotNow,
            Failure::SharedPhone,
        ];
        all.extend(Code::ALL.iter().map(|code| Failure::Refused { code: *code, retry_after: None, tries_left: None }));
        all.extend([PinError::Shape, PinError::Repeated, PinError::Sequence, PinError::Pattern].map(Failure::WeakPin));
        for failure in all {
            for text in [failure.danish(), failure.english()] {
                assert!(text.len() > 8 && text.ends_with('.') && !text.contains("{}"), "{failure:?}: {text}");
            }
            assert_ne!(failure.danish(), failure.english());
        }
    }
}
