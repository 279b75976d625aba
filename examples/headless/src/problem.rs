//! Why a command failed: one sentence in each language, a stable code for scripts, and an exit code.

use std::path::PathBuf;

use godkend_client::roots::RootError;
use godkend_client::state::StoreError;
use godkend_core::Failure;
use godkend_protocol::codes::Code;

use crate::exit::Exit;
use crate::language::Language;
use crate::prompt::PromptError;
use crate::qr::QrError;

/// Everything that can end a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The phone says so.
    #[error(transparent)]
    Phone(#[from] Failure),
    /// The phone cannot be opened: its files are damaged, locked by another process, or of a newer version.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The phone's stored state cannot be used: remove the profile and activate again.
    #[error("the phone cannot be opened: {0}")]
    Open(String),
    /// The root file.
    #[error(transparent)]
    Roots(#[from] RootError),
    /// Nothing was answered at a prompt.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The picture.
    #[error(transparent)]
    Qr(#[from] QrError),
    /// The server refused, with its stable code.
    #[error("refused: {}", .0.as_str())]
    Server(Code),
    /// An OpenID endpoint refused.
    #[error("{error}: {description}")]
    OpenId {
        /// `error`.
        error: String,
        /// `error_description`.
        description: String,
    },
    /// No answer.
    #[error("the server at {0} cannot be reached")]
    NoNetwork(String),
    /// Somebody else answered.
    #[error("the server's key or answer is not what the root vouches for: {0}")]
    Untrusted(String),
    /// The ID token does not hold: do not sign the person in.
    #[error("the ID token was refused: {0}")]
    Token(String),
    /// A file of this machine.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The command line does not make sense: correct it.
    #[error("{en}")]
    Usage {
        /// In Danish.
        da: String,
        /// In English.
        en: String,
    },
    /// The embedded server.
    #[error("the server: {0}")]
    Embedded(String),
}

impl Problem {
    /// A wrong command line or answer.
    pub(crate) fn usage(da: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Usage { da: da.into(), en: en.into() }
    }

    /// A file that cannot be used.
    pub(crate) fn file(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::File { path: path.into(), reason: reason.to_string() }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Phone(failure) => Exit::of_failure(failure),
            Self::Store(_) | Self::Open(_) | Self::File { .. } => Exit::Storage,
            Self::Roots(RootError::Io { .. }) => Exit::Storage,
            Self::Roots(_) | Self::Usage { .. } => Exit::Usage,
            Self::Prompt(PromptError::Terminal(_)) => Exit::Other,
            Self::Prompt(_) => Exit::Usage,
            Self::Qr(QrError::Open(_) | QrError::Write(_)) => Exit::Storage,
            Self::Qr(_) => Exit::Usage,
            Self::Server(code) => Exit::of_code(*code),
            Self::OpenId { error, .. } => match error.as_str() {
                "access_denied" => Exit::Refused,
                "expired_token" => Exit::Expired,
                "temporarily_unavailable" | "server_error" => Exit::Network,
                "invalid_request" | "invalid_scope" | "invalid_authorization_details" | "invalid_binding_message" => {
                    Exit::Usage
                }
                _ => Exit::Refused,
            },
            Self::NoNetwork(_) | Self::Untrusted(_) => Exit::Network,
            Self::Token(_) => Exit::Refused,
            Self::Embedded(_) => Exit::Other,
        }
    }

    /// The stable code: a server's or OpenID's own where there is one.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Phone(failure) => failure_code(failure),
            Self::Store(_) | Self::Open(_) => "store",
            Self::Roots(_) => "root",
            Self::Prompt(_) => "no_answer",
            Self::Qr(_) => "picture",
            Self::Server(code) => code.as_str(),
            Self::OpenId { error, .. } => error,
            Self::NoNetwork(_) => "no_network",
            Self::Untrusted(_) => "untrusted",
            Self::Token(_) => "id_token",
            Self::File { .. } => "file",
            Self::Usage { .. } => "usage",
            Self::Embedded(_) => "server",
        }
    }

    /// What the person is told. What the system says stands in it unchanged.
    pub(crate) fn text(&self, language: Language) -> String {
        match (self, language) {
            (Self::Phone(failure), Language::Da) => failure.danish(),
            (Self::Phone(failure), Language::En) => failure.english(),
            (Self::Server(code), Language::Da) => code.danish().to_owned(),
            (Self::Server(code), Language::En) => code.english().to_owned(),
            (Self::Usage { da, .. }, Language::Da) => da.clone(),
            (Self::Usage { en, .. }, Language::En) => en.clone(),
            (Self::NoNetwork(url), Language::Da) => format!("Serveren på {url} svarer ikke."),
            (Self::NoNetwork(url), Language::En) => format!("The server at {url} does not answer."),
            (Self::Token(reason), Language::Da) => format!("ID-tokenet blev afvist: {reason}. Ingen er logget ind."),
            (Self::Token(reason), Language::En) => format!("The ID token was refused: {reason}. Nobody is signed in."),
            (Self::OpenId { error, description }, Language::Da) => format!("Afvist ({error}): {description}"),
            (Self::OpenId { error, description }, Language::En) => format!("Refused ({error}): {description}"),
            (Self::Store(error), Language::Da) => error.danish().to_owned(),
            (Self::Prompt(error), Language::Da) => danish_prompt(error).to_owned(),
            (Self::Qr(error), Language::Da) => danish_qr(error),
            (Self::Untrusted(reason), Language::Da) => format!("Svaret kom ikke fra den rigtige server ({reason})."),
            (Self::Roots(reason), Language::Da) => format!("Roden kan ikke bruges ({reason})."),
            (Self::Open(reason), Language::Da) => format!("Telefonen kan ikke åbnes ({reason})."),
            (Self::File { path, reason }, Language::Da) => {
                format!("Filen {} kan ikke bruges ({reason}).", path.display())
            }
            (Self::Embedded(reason), Language::Da) => format!("Serveren kan ikke køre ({reason})."),
            (other, Language::En) => sentence(&other.to_string()),
        }
    }
}

const fn danish_prompt(error: &PromptError) -> &'static str {
    match error {
        PromptError::Ended => "Der kom intet svar: input sluttede.",
        PromptError::TooLong => "Svaret er for langt.",
        PromptError::NotText => "Svaret er ikke tekst.",
        PromptError::Unclear => "Svaret passer ikke til spørgsmålet.",
        PromptError::Terminal(_) => "Terminalen svigtede.",
    }
}

fn danish_qr(error: &QrError) -> String {
    match error {
        QrError::Open(reason) => format!("Billedet kan ikke åbnes ({reason})."),
        QrError::NotAPicture => "Det er ikke et ubeskadiget PNG- eller JPEG-billede.".to_owned(),
        QrError::TooLarge => "Billedet er for stort.".to_owned(),
        QrError::NoCode => "Der er ingen QR-kode i billedet, eller den er ikke skarp nok.".to_owned(),
        QrError::SeveralCodes(count) => format!("Der er {count} QR-koder i billedet: vis én ad gangen."),
        QrError::TooLong => "Teksten er for lang til en QR-kode.".to_owned(),
        QrError::Write(reason) => format!("Billedet kan ikke skrives ({reason})."),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

const fn failure_code(failure: &Failure) -> &'static str {
    match failure {
        Failure::Cancelled => "cancelled",
        Failure::NotAuthenticated => "not_authenticated",
        Failure::LockedOut => "locked_out",
        Failure::KeyInvalidated => "key_invalidated",
        Failure::KeyMissing => "key_missing",
        Failure::NotSupported => "not_supported",
        Failure::NoNetwork => "no_network",
        Failure::Refused { code, .. } => code.as_str(),
        Failure::Expired => "expired",
        Failure::WrongPin(status) if status.dead => Code::PinDead.as_str(),
        Failure::WrongPin(_) => Code::PinWrong.as_str(),
        Failure::WeakPin(_) => "weak_pin",
        Failure::NotACode => "not_a_code",
        Failure::UnknownRoot => "unknown_root",
        Failure::UpdateNeeded => "update_needed",
        Failure::Untrusted => "untrusted",
        Failure::Storage => "storage",
        Failure::Busy => "busy",
        Failure::NoIdentity => "no_identity",
        Failure::NoRequest => "no_request",
        Failure::NotNow => "not_now",
        Failure::SharedPhone => "shared_phone",
        Failure::ClockWrong => "clock_wrong",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_a_sentence_with_a_code_and_a_failing_exit() {
        let problems = [
            Problem::Phone(Failure::NoNetwork),
            Problem::Open("damaged".to_owned()),
            Problem::Prompt(PromptError::Ended),
            Problem::Qr(QrError::NoCode),
            Problem::Server(Code::UserIdTaken),
            Problem::OpenId { error: "access_denied".to_owned(), description: "The person declined.".to_owned() },
            Problem::NoNetwork("https://localhost:8443".to_owned()),
            Problem::Untrusted("signature".to_owned()),
            Problem::Token("signature".to_owned()),
            Problem::file("x", "not there"),
            Problem::usage("Forkert.", "Wrong."),
            Problem::Embedded("port taken".to_owned()),
        ];
        for problem in problems {
            assert_ne!(problem.exit(), Exit::Done, "{problem:?}");
            assert!(problem.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{problem:?}");
            for language in [Language::Da, Language::En] {
                let text = problem.text(language);
                assert!(text.ends_with('.') && text.chars().next().is_some_and(char::is_uppercase), "{text}");
            }
        }
    }

    #[test]
    fn what_the_relying_party_is_told_ends_as_documented() {
        let of = |error: &str| Problem::OpenId { error: error.to_owned(), description: String::new() }.exit();
        assert_eq!(of("access_denied"), Exit::Refused);
        assert_eq!(of("expired_token"), Exit::Expired);
        assert_eq!(of("server_error"), Exit::Network);
        assert_eq!(of("invalid_request"), Exit::Usage);
        assert_eq!(of("invalid_client"), Exit::Refused);
    }
}
