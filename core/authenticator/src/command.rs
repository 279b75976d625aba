//! What a person can want, and what comes of it.

use godkend_protocol::bytes::{Id, PublicKey};
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::device::Overview;
use godkend_protocol::messages::push::{PushAddress, PushState};
use godkend_protocol::types::{KeyPurpose, VersionPolicy};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::Failure;
use crate::request::{RequestId, RequestView};
use crate::state::IdentityId;

/// A typed PIN: wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Pin(String);

impl Pin {
    /// Takes six typed digits.
    ///
    /// # Errors
    /// [`Failure::WeakPin`] with [`godkend_protocol::formats::digits::PinError::Shape`].
    pub fn new(text: &str) -> Result<Self, Failure> {
        if text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Failure::WeakPin(godkend_protocol::formats::digits::PinError::Shape))
        }
    }

    pub(crate) fn digits(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Debug for Pin {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How the person proves themselves.
#[derive(Clone, Debug)]
pub enum Approval {
    /// With the PIN.
    Pin(Pin),
    /// With a finger or a face.
    Biometric,
}

/// What to do about the push address that the server has of this phone.
#[derive(Clone, Debug)]
pub enum PushWish {
    /// Nothing: only ask.
    Ask,
    /// This one from now on, with a new handle.
    Set(PushAddress),
    /// None from now on.
    Remove,
}

/// What is wanted. `identity` may be left out while there is only one.
///
/// Its debug form shows nothing: links, codes and numbers are secrets.
#[derive(Clone)]
pub enum Command {
    /// Settles whatever a kill or a lost connection left open, and removes orphaned keys. First thing after a start.
    Resume,
    /// Activates by a link's text or a typed 4x5 code. → [`Outcome::Digits`]
    Activate {
        /// The text.
        text: String,
        /// The root to use for a typed code, which names none: the environment's name; the first root if left out.
        environment: Option<String>,
    },
    /// Asks how the enrolment stands, for up to `wait` seconds while it does not change. → [`Outcome::Stage`]
    Enrolment {
        /// Whose.
        identity: Option<IdentityId>,
        /// At most 25 seconds.
        wait: u32,
    },
    /// Chooses a PIN in an enrolment, and ends it with a first approval. → [`Outcome::Stage`]
    ChoosePin {
        /// Whose.
        identity: Option<IdentityId>,
        /// The new PIN.
        pin: Pin,
    },
    /// Asks for the PIN reset that a desk has opened. → [`Outcome::Digits`]
    ResetPin {
        /// Whose.
        identity: Option<IdentityId>,
    },
    /// Lists what waits, for up to `wait` seconds while nothing changes. → [`Outcome::Waiting`]
    Poll {
        /// Whose.
        identity: Option<IdentityId>,
        /// At most 25 seconds.
        wait: u32,
    },
    /// Opens a request that was pushed whole. → [`Outcome::Request`]
    Open {
        /// Whose.
        identity: Option<IdentityId>,
        /// The waiting request.
        id: Id,
    },
    /// What the camera saw inside the app: an activation, a login page's QR code, an offline challenge.
    /// → [`Outcome::Request`] or [`Outcome::Digits`]
    Scan {
        /// Whose.
        identity: Option<IdentityId>,
        /// The text.
        text: String,
    },
    /// A link that opened the app: an activation or a login on this same device.
    /// → [`Outcome::Request`] or [`Outcome::Digits`]
    OpenLink {
        /// Whose.
        identity: Option<IdentityId>,
        /// The text.
        text: String,
    },
    /// The number on the other screen. → [`Outcome::Request`]
    TypeNumber {
        /// Whose.
        identity: Option<IdentityId>,
        /// Eight digits.
        number: String,
    },
    /// Approves a request that is shown. → [`Outcome::Approved`], or [`Outcome::OfflineCode`]
    Approve {
        /// The shown request.
        request: RequestId,
        /// How.
        with: Approval,
        /// Remember the browser.
        remember_browser: bool,
    },
    /// Refuses a request that is shown: I changed my mind. → [`Outcome::Refused`]
    Deny {
        /// The shown request.
        request: RequestId,
    },
    /// Refuses a request that is shown: this was not me. → [`Outcome::Refused`]
    ReportFraud {
        /// The shown request.
        request: RequestId,
    },
    /// Refuses or reports a request that is still locked. → [`Outcome::Refused`]
    RefuseLocked {
        /// Whose.
        identity: Option<IdentityId>,
        /// The waiting request.
        id: Id,
        /// This was not me.
        fraud: bool,
    },
    /// A new PIN for the old. → [`Outcome::Done`]
    ChangePin {
        /// Whose.
        identity: Option<IdentityId>,
        /// The PIN until now.
        old: Pin,
        /// The PIN from now on.
        new: Pin,
    },
    /// Biometrics on, and offline codes where the phone can. → [`Outcome::Keys`]
    EnableBiometrics {
        /// Whose.
        identity: Option<IdentityId>,
        /// The PIN.
        pin: Pin,
    },
    /// Biometrics off, offline codes with them. → [`Outcome::Keys`]
    DisableBiometrics {
        /// Whose.
        identity: Option<IdentityId>,
        /// How.
        with: Approval,
    },
    /// New keys for old. → [`Outcome::Keys`]
    RotateKeys {
        /// Whose.
        identity: Option<IdentityId>,
        /// The PIN.
        pin: Pin,
    },
    /// Hands out an activation for another phone. → [`Outcome::Activation`]
    Move {
        /// Whose.
        identity: Option<IdentityId>,
        /// How.
        with: Approval,
        /// Keep this phone active afterwards.
        keep: bool,
    },
    /// The digits that the other phone shows. → [`Outcome::MovedTo`]
    MoveDigits {
        /// Whose.
        identity: Option<IdentityId>,
        /// Eight digits.
        digits: String,
    },
    /// Lists the person's devices and remembered browsers. → [`Outcome::Overview`]
    Overview {
        /// Whose.
        identity: Option<IdentityId>,
    },
    /// Removes a device of the same person, this one if none is named. → [`Outcome::Done`]
    RemoveDevice {
        /// Whose.
        identity: Option<IdentityId>,
        /// Which; this one if left out.
        device: Option<Id>,
        /// How.
        with: Approval,
    },
    /// Forgets a remembered browser. → [`Outcome::Done`]
    ForgetBrowser {
        /// Whose.
        identity: Option<IdentityId>,
        /// Which.
        browser: Id,
        /// How.
        with: Approval,
    },
    /// Locked pushes from typed user ids, on or off. → [`Outcome::Done`]
    SetLockedPush {
        /// Whose.
        identity: Option<IdentityId>,
        /// On.
        on: bool,
        /// How.
        with: Approval,
    },
    /// Where the server can wake this phone. → [`Outcome::Push`]
    Push {
        /// Whose.
        identity: Option<IdentityId>,
        /// What to change.
        wish: PushWish,
    },
    /// Blocks this device at once. → [`Outcome::Done`]
    Block {
        /// Whose.
        identity: Option<IdentityId>,
    },
    /// The block code has been written down: forget it. → [`Outcome::Done`]
    BlockCodeNoted {
        /// Whose.
        identity: Option<IdentityId>,
    },
    /// Removes an identity that can no longer be used from this phone, keys and all. → [`Outcome::Done`]
    Forget {
        /// Whose.
        identity: IdentityId,
    },
}

impl core::fmt::Debug for Command {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Command([redacted])")
    }
}

/// What came of a command. Digits and codes are left out of its debug form.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Type these eight digits where you were given the activation.
    Digits {
        /// The identity that is being enrolled.
        identity: IdentityId,
        /// Eight digits.
        digits: String,
    },
    /// Where the enrolment stands.
    Stage(Stage),
    /// What waits.
    Waiting {
        /// The requests.
        requests: Vec<WaitingRequest>,
        /// What the server says about the app's version.
        policy: VersionPolicy,
    },
    /// A request to show and answer.
    Request(Box<RequestView>),
    /// Approved, and the server has taken it.
    Approved {
        /// On the same device: where to send the browser.
        return_url: Option<String>,
        /// A new device: active from this instant on (Unix seconds).
        active_from: Option<i64>,
    },
    /// Approved offline: type this code into the browser.
    OfflineCode {
        /// Eight digits.
        code: String,
    },
    /// Refused, and the server knows.
    Refused,
    /// The keys of this device now.
    Keys(Vec<KeyStatus>),
    /// An activation for another phone.
    Activation(HandedActivation),
    /// The phone whose digits were right.
    MovedTo {
        /// Its model.
        model: String,
        /// Where it is.
        place: Option<String>,
        /// When it becomes active at the earliest (Unix seconds).
        active_from: Option<i64>,
    },
    /// Devices and browsers.
    Overview(Box<Overview>),
    /// What the server can send, and whether it has an address of this phone.
    Push(PushState),
    /// What was settled after a start: how many answers and enrolments were brought to their end.
    Resumed {
        /// Brought to their end.
        settled: u32,
        /// Still open, for want of a network.
        open: u32,
    },
}

impl core::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Digits { identity, .. } => write!(f, "Digits({identity:?}, [redacted])"),
            Self::Stage(stage) => stage.fmt(f),
            Self::Waiting { requests, .. } => requests.fmt(f),
            Self::Request(view) => view.fmt(f),
            Self::Approved { active_from, .. } => write!(f, "Approved({active_from:?})"),
            Self::OfflineCode { .. } => f.write_str("OfflineCode([redacted])"),
            Self::Refused => f.write_str("Refused"),
            Self::Keys(keys) => keys.fmt(f),
            Self::Activation(activation) => activation.fmt(f),
            Self::MovedTo { model, active_from, .. } => write!(f, "MovedTo({model}, {active_from:?})"),
            Self::Overview(overview) => overview.fmt(f),
            Self::Push(state) => state.fmt(f),
            Self::Resumed { settled, open } => write!(f, "Resumed({settled} settled, {open} open)"),
        }
    }
}

/// One waiting request: an id and nothing else until it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingRequest {
    /// Its id.
    pub id: Id,
    /// Type the number on the other screen to open it.
    pub locked: bool,
    /// Seconds left.
    pub expires_in: u32,
}

/// A key of this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The public key; the pepper has none.
    pub public: Option<PublicKey>,
}

/// An activation for another phone. The link is a secret: show it as a QR code, nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct HandedActivation {
    /// The link.
    pub link: String,
    /// Unix seconds.
    pub expires: i64,
}

impl core::fmt::Debug for HandedActivation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HandedActivation").field("link", &"[redacted]").field("expires", &self.expires).finish()
    }
}
