//! What waits, what is shown, and what comes of it.

use godkend_core::{RequestView, WaitingRequest};
use godkend_protocol::formats::amount;
use godkend_protocol::types;

use crate::config::Language;
use crate::error::PinTries;
use crate::watch::AppVersion;

/// A request that waits: an id and nothing else until it is opened.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct Waiting {
    /// To open or refuse it with.
    pub id: String,
    /// Whose it is.
    pub person: u32,
    /// Locked: the number on the other screen opens it (`typeNumber`).
    pub locked: bool,
    /// Seconds left.
    pub seconds_left: u32,
}

impl Waiting {
    pub(crate) fn new(person: u32, request: &WaitingRequest) -> Self {
        Self { id: request.id.to_base64(), person, locked: request.locked, seconds_left: request.expires_in }
    }
}

/// What an approval does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum Action {
    /// Signs in.
    LogOn,
    /// Approves, a payment among others.
    Approve,
    /// Confirms.
    Confirm,
    /// Accepts.
    Accept,
    /// Signs.
    Sign,
    /// Ends an activation or a PIN reset.
    FinishEnrolment,
    /// Sets a new PIN.
    ChangePin,
    /// Turns biometrics or offline codes on.
    AddKeys,
    /// Turns them off.
    RemoveKeys,
    /// Makes new keys for old.
    RotateKeys,
    /// Hands out an activation for another phone.
    MovePhone,
    /// Removes a phone of the same person.
    RemovePhone,
    /// Forgets a remembered browser.
    ForgetBrowser,
    /// A notice: another phone is about to become active. Refusing stops it.
    NewPhoneNotice,
    /// Turns calls from unknown browsers on or off.
    SetLockedPush,
    /// A notice of use: nothing is asked for. Show `text`, which says what was used, and ask whether it was the person:
    /// `answerNotice`.
    NoticeOfUse,
}

impl From<types::Action> for Action {
    fn from(action: types::Action) -> Self {
        match action {
            types::Action::LogOn => Self::LogOn,
            types::Action::Approve => Self::Approve,
            types::Action::Confirm => Self::Confirm,
            types::Action::Accept => Self::Accept,
            types::Action::Sign => Self::Sign,
            types::Action::FinishEnrolment => Self::FinishEnrolment,
            types::Action::ChangePin => Self::ChangePin,
            types::Action::AddKeys => Self::AddKeys,
            types::Action::RemoveKeys => Self::RemoveKeys,
            types::Action::RotateKeys => Self::RotateKeys,
            types::Action::MoveDevice => Self::MovePhone,
            types::Action::RemoveDevice => Self::RemovePhone,
            types::Action::ForgetBrowser => Self::ForgetBrowser,
            types::Action::NewDeviceNotice => Self::NewPhoneNotice,
            types::Action::SetLockedPush => Self::SetLockedPush,
        }
    }
}

/// A payment: the approval is for this amount and this payee and no other.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct Payment {
    /// In the currency's minor unit: øre, cent.
    pub minor_units: u64,
    /// ISO 4217, three letters.
    pub currency: String,
    /// The payee's name, unchanged.
    pub payee: String,
    /// The payee's account, unchanged.
    pub account: Option<String>,
}

#[uniffi::export]
impl Payment {
    /// The amount as people write it: `1.250,00 DKK`, `DKK 1,250.00`, `JPY 1,250`.
    pub fn amount(&self, language: Language) -> String {
        amount::text(self.minor_units, &self.currency, language.pick(true, false))
    }
}

/// An assurance level (NSIS).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, uniffi::Enum)]
pub enum Level {
    /// Low.
    Low,
    /// Substantial.
    Substantial,
    /// High.
    High,
}

impl From<types::Level> for Level {
    fn from(level: types::Level) -> Self {
        match level {
            types::Level::Low => Self::Low,
            types::Level::Substantial => Self::Substantial,
            types::Level::High => Self::High,
        }
    }
}

/// How the browser that asks was tied to this phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum Binding {
    /// The moving QR code was scanned.
    ScannedQr,
    /// A link on this same device; send the browser back to `Approved.returnUrl`.
    SameDevice,
    /// The number on the other screen was typed.
    TypedNumber,
    /// A remembered browser.
    RememberedBrowser,
    /// A remembered browser, and the number.
    RememberedBrowserAndNumber,
    /// No browser: the phone asked for itself.
    Device,
    /// Without a network: a code to type into the browser.
    Offline,
}

impl From<types::Binding> for Binding {
    fn from(binding: types::Binding) -> Self {
        match binding {
            types::Binding::ScannedQr => Self::ScannedQr,
            types::Binding::SameDevice => Self::SameDevice,
            types::Binding::TypedNumber => Self::TypedNumber,
            types::Binding::RememberedBrowser => Self::RememberedBrowser,
            types::Binding::RememberedBrowserAndNumber => Self::RememberedBrowserAndNumber,
            // Typed and origin reach no phone: the core refuses a challenge that names them.
            types::Binding::Device | types::Binding::Typed | types::Binding::Origin => Self::Device,
            types::Binding::Offline => Self::Offline,
        }
    }
}

/// Everything that the person must see before deciding, exactly as the server signed it.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct Request {
    /// To answer it with. Good until it is answered or expires, or the phone is shut down.
    pub id: u64,
    /// Who is asked.
    pub person: u32,
    /// The waiting request that it is.
    pub transaction: String,
    /// Who asks, by name.
    pub relying_party: String,
    /// Who asks, by its identifier at the server.
    pub relying_party_id: String,
    /// What an approval does.
    pub action: Action,
    /// The reference text, unchanged.
    pub text: Option<String>,
    /// The payment: show amount and payee large.
    pub payment: Option<Payment>,
    /// The level that was asked for.
    pub level: Level,
    /// The PIN can approve it.
    pub pin_allowed: bool,
    /// A finger or face can approve it.
    pub biometrics_allowed: bool,
    /// How the browser is bound.
    pub binding: Binding,
    /// Where the browser seems to be.
    pub place: Option<String>,
    /// Which browser and system it says it is.
    pub browser: Option<String>,
    /// Warn: this person has not signed in from this browser before.
    pub new_browser: bool,
    /// The page offers to remember this browser.
    pub may_remember: bool,
    /// Seconds left when it was opened; `secondsLeft` counts on. None offline, where the server alone judges.
    pub seconds_left: Option<u32>,
    /// The PIN's tries, where the server told them.
    pub pin: Option<PinTries>,
    /// What the server says about the app's version.
    pub app_version: AppVersion,
}

impl Request {
    pub(crate) fn new(view: RequestView, now_ms: u64) -> Self {
        Self {
            id: view.id.0,
            person: view.identity.0,
            transaction: view.transaction.to_base64(),
            relying_party: view.relying_party.name,
            relying_party_id: view.relying_party.id,
            action: if view.notice_of_use { Action::NoticeOfUse } else { view.action.into() },
            text: view.text,
            payment: view.payment.map(|payment| Payment {
                minor_units: payment.amount_minor,
                currency: payment.currency,
                payee: payment.payee,
                account: payment.account,
            }),
            level: view.level.into(),
            pin_allowed: view.factors.contains(&types::Factor::Pin),
            biometrics_allowed: view.factors.contains(&types::Factor::Biometric),
            binding: view.binding.into(),
            place: view.place,
            browser: view.browser,
            new_browser: view.new_browser,
            may_remember: view.may_remember,
            seconds_left: view.expires_at_ms.map(|end| seconds_between(now_ms, end)),
            pin: view.pin.map(PinTries::from),
            app_version: view.policy.into(),
        }
    }
}

/// Whole seconds from one instant of the monotonic clock to another; a begun second counts.
pub(crate) fn seconds_between(now_ms: u64, end_ms: u64) -> u32 {
    u32::try_from(end_ms.saturating_sub(now_ms).div_ceil(1000)).unwrap_or(u32::MAX)
}

/// What a scan or a link opened.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Enum)]
#[allow(clippy::large_enum_variant, reason = "made once and copied across the binding at once")]
pub enum Scanned {
    /// A request to show and answer.
    Request {
        /// The request.
        request: Request,
    },
    /// An activation has begun: show `digits` of this person.
    Activation {
        /// The person who is being enrolled.
        person: u32,
    },
}

/// What came of an approval. Its printed form shows nothing: links and codes are secrets.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Debug, Display)]
pub struct Approved {
    /// On the same device: open this URL to go back to the browser.
    pub return_url: Option<String>,
    /// Offline: the person types these eight digits into the browser.
    pub code: Option<String>,
    /// A new phone: in use from this instant on (Unix seconds).
    pub active_from: Option<i64>,
}

impl core::fmt::Debug for Approved {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Approved([redacted])")
    }
}

impl core::fmt::Display for Approved {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_the_language_writes_them() {
        let amount = |language| {
            let currency = "DKK".to_owned();
            Payment { minor_units: 125_000, currency, payee: String::new(), account: None }.amount(language)
        };
        assert_eq!(amount(Language::Danish), "1.250,00 DKK");
        assert_eq!(amount(Language::Greenlandic), "1.250,00 DKK");
        assert_eq!(amount(Language::English), "DKK 1,250.00");
    }

    #[test]
    fn a_begun_second_counts_and_none_is_negative() {
        assert_eq!(seconds_between(1_000, 3_001), 3);
        assert_eq!(seconds_between(1_000, 3_000), 2);
        assert_eq!(seconds_between(3_001, 3_000), 0);
        assert_eq!(seconds_between(0, u64::MAX), u32::MAX);
    }
}
