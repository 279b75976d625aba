//! The person's phones and browsers, and moving to another phone.

use godkend_protocol::messages::device::{self, DeviceState};
use godkend_protocol::types::KeyPurpose;

use crate::error::PinTries;

/// Where one of the person's phones stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum PhoneStanding {
    /// Being enrolled, or in its waiting hour.
    Enrolling,
    /// In use.
    Active,
    /// Blocked.
    Blocked,
    /// Frozen.
    Frozen,
    /// Removed.
    Removed,
}

impl From<DeviceState> for PhoneStanding {
    fn from(state: DeviceState) -> Self {
        match state {
            DeviceState::Enrolling => Self::Enrolling,
            DeviceState::Active => Self::Active,
            DeviceState::Blocked => Self::Blocked,
            DeviceState::Frozen => Self::Frozen,
            DeviceState::Removed => Self::Removed,
        }
    }
}

/// One of the person's phones.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct KnownPhone {
    /// To remove it with.
    pub id: String,
    /// Maker and model.
    pub model: String,
    /// Platform and version.
    pub platform: String,
    /// Where it stands.
    pub standing: PhoneStanding,
    /// It is this one.
    pub this_phone: bool,
    /// It has a biometric key.
    pub biometrics: bool,
    /// Unix seconds.
    pub enrolled_at: i64,
    /// Unix seconds of the last accepted answer.
    pub last_used_at: Option<i64>,
}

/// A browser that the person chose to remember.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct KnownBrowser {
    /// To forget it with.
    pub id: String,
    /// What it said it was.
    pub name: String,
    /// Unix seconds.
    pub remembered_at: i64,
    /// Unix seconds.
    pub last_used_at: i64,
}

/// The person's phones and browsers.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct Overview {
    /// Phones that are not removed.
    pub phones: Vec<KnownPhone>,
    /// Remembered browsers.
    pub browsers: Vec<KnownBrowser>,
    /// A browser that nobody remembered may call this person's phones (locked).
    pub locked_push: bool,
    /// The PIN's tries on this phone.
    pub pin: Option<PinTries>,
}

impl Overview {
    pub(crate) fn new(overview: device::Overview, this_phone: Option<&str>) -> Self {
        let phone = |line: device::DeviceLine| {
            let id = line.id.to_base64();
            KnownPhone {
                this_phone: this_phone == Some(id.as_str()),
                id,
                model: line.model,
                platform: line.platform,
                standing: line.state.into(),
                biometrics: line.keys.contains(&KeyPurpose::Biometric),
                enrolled_at: line.enrolled,
                last_used_at: line.last_used,
            }
        };
        let browser = |line: device::BrowserLine| KnownBrowser {
            id: line.id.to_base64(),
            name: line.name,
            remembered_at: line.remembered,
            last_used_at: line.last_used,
        };
        Self {
            phones: overview.devices.into_iter().map(phone).collect(),
            browsers: overview.browsers.into_iter().map(browser).collect(),
            locked_push: overview.locked_push,
            pin: overview.pin.map(PinTries::from),
        }
    }
}

/// An activation for another phone. Its printed form hides the link, which is a secret: show it as a QR code and
/// nowhere else.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Debug, Display)]
pub struct HandedOut {
    /// The text of the QR code.
    pub link: String,
    /// Unix seconds.
    pub expires_at: i64,
}

impl core::fmt::Debug for HandedOut {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HandedOut([redacted])")
    }
}

impl core::fmt::Display for HandedOut {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self, f)
    }
}

/// The phone whose digits were right.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct NewPhone {
    /// Maker and model.
    pub model: String,
    /// Where it seems to be.
    pub place: Option<String>,
    /// In use from this instant on at the earliest (Unix seconds).
    pub active_from: Option<i64>,
}
