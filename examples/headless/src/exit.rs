//! Exit codes: what a script can act on, the same for every command.

use godkend_core::Failure;
use godkend_protocol::codes::Code;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// Anything else.
    Other,
    /// The command line or what was typed is wrong.
    Usage,
    /// The person or the server refused.
    Refused,
    /// Its time is over.
    Expired,
    /// The PIN or the sensor is locked, for a while or for good.
    Locked,
    /// The device or the identity is blocked, frozen or removed.
    Blocked,
    /// No answer from the server, or none that can be trusted.
    Network,
    /// What is kept on this machine cannot be read or written.
    Storage,
}

impl Exit {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 9] = [
        Self::Done,
        Self::Other,
        Self::Usage,
        Self::Refused,
        Self::Expired,
        Self::Locked,
        Self::Blocked,
        Self::Network,
        Self::Storage,
    ];

    /// The process's exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Other => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Expired => 4,
            Self::Locked => 5,
            Self::Blocked => 6,
            Self::Network => 7,
            Self::Storage => 8,
        }
    }

    /// What it means, for the help text and the man page.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Other => "any other failure",
            Self::Usage => "the command line, or what was typed or scanned, is wrong",
            Self::Refused => "refused by the person or by the server",
            Self::Expired => "expired",
            Self::Locked => "locked: a PIN that waits or is dead, or a locked sensor",
            Self::Blocked => "blocked, frozen or removed: the device or the identity",
            Self::Network => "network: no answer, or none that can be trusted",
            Self::Storage => "storage: what is kept on this machine cannot be read or written",
        }
    }

    /// The exit codes as a page of text.
    pub(crate) fn table() -> String {
        let lines = Self::ALL.iter().map(|exit| format!("  {}  {}", exit.code(), exit.meaning()));
        format!("Exit codes:\n{}", lines.collect::<Vec<_>>().join("\n"))
    }

    /// Of a phone's failure.
    pub(crate) const fn of_failure(failure: &Failure) -> Self {
        match failure {
            Failure::Cancelled | Failure::NotAuthenticated | Failure::UpdateNeeded => Self::Refused,
            Failure::LockedOut => Self::Locked,
            Failure::WrongPin(status) if status.dead || status.wait > 0 => Self::Locked,
            Failure::WrongPin(_) => Self::Refused,
            Failure::NoNetwork | Failure::Untrusted => Self::Network,
            Failure::Refused { code, .. } => Self::of_code(*code),
            Failure::Expired => Self::Expired,
            Failure::WeakPin(_) | Failure::NotACode | Failure::UnknownRoot | Failure::NoIdentity => Self::Usage,
            Failure::Storage | Failure::KeyMissing => Self::Storage,
            Failure::KeyInvalidated
            | Failure::NotSupported
            | Failure::Busy
            | Failure::NoRequest
            | Failure::NotNow
            | Failure::SharedPhone
            | Failure::ClockWrong => Self::Other,
        }
    }

    /// Of a server's stable code.
    pub(crate) const fn of_code(code: Code) -> Self {
        match code {
            Code::Malformed | Code::TooLarge | Code::TextRefused | Code::UserIdTaken => Self::Usage,
            Code::Unavailable | Code::Internal => Self::Network,
            Code::ActivationExpired | Code::TransactionExpired | Code::QrStale | Code::PollExpired => Self::Expired,
            Code::PinWaiting | Code::PinDead => Self::Locked,
            Code::DeviceBlocked | Code::DeviceFrozen | Code::DeviceRemoved | Code::IdentityBlocked => Self::Blocked,
            _ => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use godkend_protocol::messages::pin::PinStatus;

    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_documentation() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let document = include_str!("../../../docs/headless.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(document.contains(&row), "docs/headless.md lacks: {row}");
        }
    }

    #[test]
    fn failures_end_as_documented() {
        let pin = |tries_left, wait, dead| Failure::WrongPin(PinStatus { tries_left, wait, rounds_left: 1, dead });
        let refused = |code| Failure::Refused { code, retry_after: None, tries_left: None };
        for (failure, exit) in [
            (pin(2, 0, false), Exit::Refused),
            (pin(0, 60, false), Exit::Locked),
            (pin(0, 0, true), Exit::Locked),
            (refused(Code::PinWaiting), Exit::Locked),
            (refused(Code::DeviceFrozen), Exit::Blocked),
            (refused(Code::IdentityBlocked), Exit::Blocked),
            (refused(Code::TransactionExpired), Exit::Expired),
            (refused(Code::NumberWrong), Exit::Refused),
            (Failure::Expired, Exit::Expired),
            (Failure::NoNetwork, Exit::Network),
            (Failure::Untrusted, Exit::Network),
            (Failure::Storage, Exit::Storage),
            (Failure::NotACode, Exit::Usage),
            (Failure::NotNow, Exit::Other),
            (Failure::Cancelled, Exit::Refused),
        ] {
            assert_eq!(Exit::of_failure(&failure), exit, "{failure:?}");
        }
    }

    #[test]
    fn every_server_code_has_an_exit_that_is_a_failure() {
        for code in Code::ALL {
            assert_ne!(Exit::of_code(*code), Exit::Done, "{}", code.as_str());
        }
    }
}
