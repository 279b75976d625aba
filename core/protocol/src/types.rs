//! The vocabulary of the protocol: what stands in messages, and nothing that acts.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::bytes::{Blob, Hash32, Id, PublicKey};

/// The protocol's version, in every signed payload.
pub const VERSION: u32 = 1;

/// A set of algorithms. Larger is stronger: the highest that both ends know is taken, and an account's lowest
/// suite only rises.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Suite {
    /// Suite 1: DHKEM(P-256), HKDF-SHA256, AES-256-GCM, ES256, OPAQUE on P-256.
    #[n(1)]
    P256,
    /// Suite 2: suite 1 with MLKEM768-P256 for HPKE, and ML-DSA-65 beside ES256 on key sets and checkpoints.
    #[n(2)]
    Hybrid,
}

/// What a key is for. A key signs only the message types of its purpose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum KeyPurpose {
    /// Signs every request and answer of a device.
    #[n(1)]
    Possession,
    /// Signs an approval after a biometric match.
    #[n(2)]
    Biometric,
    /// Agrees with an offline challenge, behind biometrics.
    #[n(3)]
    Offline,
    /// Derives the OPAQUE password from the PIN; never leaves the hardware.
    #[n(4)]
    Pepper,
    /// Signs an approval after the PIN; seeded by OPAQUE's export key, lives for one signature.
    #[n(5)]
    Pin,
}

impl KeyPurpose {
    /// The name in key aliases and derivation labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Possession => "possession",
            Self::Biometric => "biometric",
            Self::Offline => "offline",
            Self::Pepper => "pepper",
            Self::Pin => "pin",
        }
    }
}

/// How well a key is protected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum SecurityLevel {
    /// In the memory and files of a program.
    #[n(1)]
    Software,
    /// In the phone's trusted execution environment.
    #[n(2)]
    TrustedEnvironment,
    /// In a chip of its own: StrongBox, Secure Enclave.
    #[n(3)]
    Dedicated,
}

/// How the hardware vouches for a key.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attestation {
    /// Nothing vouches for it: test environments only.
    #[n(1)]
    Software,
    /// An Android key attestation chain, leaf first, each certificate as DER.
    #[n(2)]
    Android {
        /// The certificates.
        #[n(0)]
        chain: Vec<Blob>,
    },
    /// An Apple App Attest object, and an assertion that covers this key.
    #[n(3)]
    AppAttest {
        /// The App Attest key's identifier.
        #[n(0)]
        key_id: Blob,
        /// The attestation object (CBOR), with the first key that it vouches for; later ones carry none.
        #[n(1)]
        object: Option<Blob>,
        /// The assertion over the attestation challenge and this key.
        #[n(2)]
        assertion: Blob,
    },
}

/// A key that a device enrols.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct DeviceKey {
    /// What it is for.
    #[n(1)]
    pub purpose: KeyPurpose,
    /// COSE algorithm: -7 (ES256) for signing keys, -25 (ECDH-ES) for the offline key.
    #[n(2)]
    pub algorithm: i32,
    /// The public key.
    #[n(3)]
    pub public: PublicKey,
    /// How the hardware vouches for it.
    #[n(4)]
    pub attestation: Attestation,
}

/// COSE algorithm identifier of ES256 (RFC 9053, section 2.1).
pub const ALG_ES256: i32 = -7;
/// COSE algorithm identifier of ECDH-ES + HKDF-256 (RFC 9053, section 6.3.1).
pub const ALG_ECDH_ES: i32 = -25;

/// An assurance level (NSIS). Ordered: a higher one satisfies a request for a lower one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Low.
    #[n(1)]
    Low,
    /// Substantial.
    #[n(2)]
    Substantial,
    /// High.
    #[n(3)]
    High,
}

impl Level {
    /// The name in `acr_values` and claims.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Low => "https://data.gov.dk/concept/core/nsis/Low",
            Self::Substantial => "https://data.gov.dk/concept/core/nsis/Substantial",
            Self::High => "https://data.gov.dk/concept/core/nsis/High",
        }
    }

    /// Reads [`Self::uri`], or the bare name in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.rsplit('/').next().unwrap_or(text);
        [Self::Low, Self::Substantial, Self::High].into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }

    /// The bare name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "Low",
            Self::Substantial => "Substantial",
            Self::High => "High",
        }
    }
}

/// What the person proved with at an approval.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// Nothing: a refusal or a report.
    #[n(0)]
    None,
    /// The PIN, through OPAQUE and the `pin` key.
    #[n(1)]
    Pin,
    /// A finger or a face, through the `biometric` key.
    #[n(2)]
    Biometric,
}

/// What the person decided.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Approved.
    #[n(1)]
    Approve,
    /// Refused: I changed my mind.
    #[n(2)]
    Deny,
    /// Refused: this was not me.
    #[n(3)]
    ReportFraud,
}

/// How the browser that asks was tied to the phone that answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// The app scanned the moving QR code.
    #[n(1)]
    ScannedQr,
    /// The app was opened by a link on the same device; completes with its return code only.
    #[n(2)]
    SameDevice,
    /// The number on the other screen was typed into the app.
    #[n(3)]
    TypedNumber,
    /// A remembered browser's cookie.
    #[n(4)]
    RememberedBrowser,
    /// Cookie and number together.
    #[n(5)]
    RememberedBrowserAndNumber,
    /// No browser: the device asked for itself.
    #[n(6)]
    Device,
    /// A QR code read by a phone without a network, its code typed into the browser.
    #[n(7)]
    Offline,
    /// No phone: a password, with or without a display's code, on the page itself. Never in a message to a phone.
    #[n(8)]
    Typed,
    /// No phone: a chip that signs for the page's own origin. Never in a message to a phone.
    #[n(9)]
    Origin,
}

impl Binding {
    /// The name in tokens (`godkend.binding`), evidence and history.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScannedQr => "scanned_qr",
            Self::SameDevice => "same_device",
            Self::TypedNumber => "typed_number",
            Self::RememberedBrowser => "remembered_browser",
            Self::RememberedBrowserAndNumber => "remembered_browser_and_number",
            Self::Device => "device",
            Self::Offline => "offline",
            Self::Typed => "typed",
            Self::Origin => "origin",
        }
    }

    /// The highest level that this binding can carry.
    #[must_use]
    pub const fn cap(self) -> Level {
        match self {
            Self::TypedNumber | Self::RememberedBrowser | Self::Offline | Self::Typed => Level::Substantial,
            Self::ScannedQr | Self::SameDevice | Self::RememberedBrowserAndNumber | Self::Device | Self::Origin => {
                Level::High
            }
        }
    }
}

/// What an approval does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Signs in (`LOG_ON`).
    #[n(1)]
    LogOn,
    /// Approves (`APPROVE`), a payment among others.
    #[n(2)]
    Approve,
    /// Confirms (`CONFIRM`).
    #[n(3)]
    Confirm,
    /// Accepts (`ACCEPT`).
    #[n(4)]
    Accept,
    /// Signs (`SIGN`).
    #[n(5)]
    Sign,
    /// The first PIN approval, which ends an activation or a PIN reset.
    #[n(16)]
    FinishEnrolment,
    /// A new PIN.
    #[n(17)]
    ChangePin,
    /// Biometrics or offline codes on.
    #[n(18)]
    AddKeys,
    /// Biometrics or offline codes off.
    #[n(19)]
    RemoveKeys,
    /// New keys for old.
    #[n(20)]
    RotateKeys,
    /// Hand out an activation for another phone.
    #[n(21)]
    MoveDevice,
    /// Remove a device of the same person.
    #[n(22)]
    RemoveDevice,
    /// Forget a remembered browser.
    #[n(23)]
    ForgetBrowser,
    /// Told to the person's other devices: a phone is about to become active; refusing stops it.
    #[n(24)]
    NewDeviceNotice,
    /// Locked pushes from typed user ids, on or off.
    #[n(25)]
    SetLockedPush,
}

impl Action {
    /// Whether a relying party asks for it (and not the person's own device).
    #[must_use]
    pub const fn is_relying_party(self) -> bool {
        matches!(self, Self::LogOn | Self::Approve | Self::Confirm | Self::Accept | Self::Sign)
    }

    /// The name in `idp_params.action_text` and history.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogOn => "LOG_ON",
            Self::Approve => "APPROVE",
            Self::Confirm => "CONFIRM",
            Self::Accept => "ACCEPT",
            Self::Sign => "SIGN",
            Self::FinishEnrolment => "FINISH_ENROLMENT",
            Self::ChangePin => "CHANGE_PIN",
            Self::AddKeys => "ADD_KEYS",
            Self::RemoveKeys => "REMOVE_KEYS",
            Self::RotateKeys => "ROTATE_KEYS",
            Self::MoveDevice => "MOVE_DEVICE",
            Self::RemoveDevice => "REMOVE_DEVICE",
            Self::ForgetBrowser => "FORGET_BROWSER",
            Self::NewDeviceNotice => "NEW_DEVICE_NOTICE",
            Self::SetLockedPush => "SET_LOCKED_PUSH",
        }
    }
}

/// A payment: the approval is for this amount and this payee and no other (PSD2 RTS, article 5).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Payment {
    /// In the currency's minor unit (øre, cent).
    #[n(1)]
    pub amount_minor: u64,
    /// ISO 4217, three letters.
    #[n(2)]
    pub currency: String,
    /// The payee's name, as shown.
    #[n(3)]
    pub payee: String,
    /// The payee's account, as shown.
    #[n(4)]
    pub account: Option<String>,
}

/// What a device wants done for itself; approved like any other challenge.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Ends an activation or a PIN reset.
    #[n(1)]
    FinishEnrolment,
    /// Set a new PIN; the answer carries its record.
    #[n(2)]
    ChangePin,
    /// Add keys of these purposes; the answer carries them.
    #[n(3)]
    AddKeys {
        /// [`KeyPurpose::Biometric`] and [`KeyPurpose::Offline`] only.
        #[n(0)]
        purposes: Vec<KeyPurpose>,
    },
    /// Remove the keys of these purposes.
    #[n(4)]
    RemoveKeys {
        /// [`KeyPurpose::Biometric`] and [`KeyPurpose::Offline`] only.
        #[n(0)]
        purposes: Vec<KeyPurpose>,
    },
    /// New keys for all but pepper and PIN; the answer carries them.
    #[n(5)]
    RotateKeys,
    /// Hand out an activation for another phone.
    #[n(6)]
    MoveDevice {
        /// Keep this phone active afterwards.
        #[n(0)]
        keep: bool,
    },
    /// Remove a device of the same person; this one too.
    #[n(7)]
    RemoveDevice {
        /// Which.
        #[n(0)]
        device: Id,
    },
    /// Forget a remembered browser.
    #[n(8)]
    ForgetBrowser {
        /// Which.
        #[n(0)]
        browser: Id,
    },
    /// Another phone of the same person waits to become active.
    #[n(9)]
    NewDeviceNotice {
        /// Its activation.
        #[n(0)]
        activation: Id,
    },
    /// Locked pushes on or off.
    #[n(10)]
    SetLockedPush {
        /// Whether typed user ids may push.
        #[n(0)]
        on: bool,
    },
}

impl Operation {
    /// The action that its challenge names.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::FinishEnrolment => Action::FinishEnrolment,
            Self::ChangePin => Action::ChangePin,
            Self::AddKeys { .. } => Action::AddKeys,
            Self::RemoveKeys { .. } => Action::RemoveKeys,
            Self::RotateKeys => Action::RotateKeys,
            Self::MoveDevice { .. } => Action::MoveDevice,
            Self::RemoveDevice { .. } => Action::RemoveDevice,
            Self::ForgetBrowser { .. } => Action::ForgetBrowser,
            Self::NewDeviceNotice { .. } => Action::NewDeviceNotice,
            Self::SetLockedPush { .. } => Action::SetLockedPush,
        }
    }
}

/// Where the log stood: enough to check consistency later.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct LogPosition {
    /// The epoch: rises when both database and log were lost.
    #[n(1)]
    pub epoch: u32,
    /// Entries.
    #[n(2)]
    pub size: u64,
    /// Merkle tree hash (RFC 9162, section 2.1.1).
    #[n(3)]
    pub root: Hash32,
}

/// What the server says about the app's version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionPolicy {
    /// Good.
    #[n(1)]
    Current,
    /// A newer one is recommended.
    #[n(2)]
    Recommended,
    /// A newer one is required from this instant on.
    #[n(3)]
    RequiredFrom {
        /// Unix seconds.
        #[n(0)]
        at: i64,
    },
}

/// What a phone says about itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct DeviceInfo {
    /// Maker and model, shown to the person who types the digits. At most 64 characters.
    #[n(1)]
    pub model: String,
    /// Platform and its version, at most 64 characters.
    #[n(2)]
    pub platform: String,
    /// The app's version: `major.minor.patch`.
    #[n(3)]
    pub app_version: String,
    /// The person's language: `da`, `en` or `kl`.
    #[n(4)]
    pub language: String,
}
