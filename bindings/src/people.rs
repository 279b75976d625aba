//! The people on this phone, and where each one's enrolment stands.

use godkend_core::{IdentityStanding, IdentityView};
use godkend_protocol::messages::activation::Stage;

/// Where an enrolment stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum EnrolmentStage {
    /// The digits on the phone wait to be typed where the activation was handed out.
    Digits,
    /// The digits were right: choose a PIN.
    ChoosePin,
    /// The PIN is registered, and its first approval is still missing: choose it again.
    Finish,
    /// Finished, and in use from this instant on, unless another of the person's means refuses.
    Waiting {
        /// Unix seconds.
        until: i64,
    },
    /// In use.
    Active,
    /// Void: expired, refused, or the digits were wrong three times.
    Void,
}

impl From<Stage> for EnrolmentStage {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Digits => Self::Digits,
            Stage::ChoosePin => Self::ChoosePin,
            Stage::Finish => Self::Finish,
            Stage::Waiting { until } => Self::Waiting { until },
            Stage::Active => Self::Active,
            Stage::Void => Self::Void,
        }
    }
}

/// Where a person on this phone stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum Standing {
    /// Being enrolled.
    Enrolling {
        /// How far.
        stage: EnrolmentStage,
    },
    /// In use.
    Active,
    /// A new PIN is being set after proofing again.
    ResettingPin {
        /// How far.
        stage: EnrolmentStage,
    },
    /// Blocked: support, or a new activation.
    Blocked,
    /// Frozen: a copy of this app, or an old backup, has answered.
    Frozen,
    /// Removed: `forget`, then a new activation.
    Removed,
}

impl From<IdentityStanding> for Standing {
    fn from(standing: IdentityStanding) -> Self {
        match standing {
            IdentityStanding::Enrolling(stage) => Self::Enrolling { stage: stage.into() },
            IdentityStanding::Active => Self::Active,
            IdentityStanding::ResettingPin(stage) => Self::ResettingPin { stage: stage.into() },
            IdentityStanding::Blocked => Self::Blocked,
            IdentityStanding::Frozen => Self::Frozen,
            IdentityStanding::Removed => Self::Removed,
        }
    }
}

/// A person on this phone.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct Person {
    /// Names the person in calls.
    pub id: u32,
    /// The person's name.
    pub name: String,
    /// The environment.
    pub environment: String,
    /// This phone, as `overview` lists it.
    pub phone_id: String,
    /// Where the person stands.
    pub standing: Standing,
    /// A finger or face can approve.
    pub biometrics: bool,
    /// Offline codes can be made.
    pub offline_codes: bool,
    /// An answer was sent and its outcome is not known yet: `settle` asks.
    pub unsettled: bool,
    /// A block code waits to be written down: `blockCode`, then `blockCodeNoted`.
    pub block_code_waits: bool,
}

impl From<IdentityView> for Person {
    fn from(view: IdentityView) -> Self {
        Self {
            id: view.id.0,
            name: view.name,
            environment: view.environment,
            phone_id: view.device.to_base64(),
            standing: view.standing.into(),
            biometrics: view.biometrics,
            offline_codes: view.offline,
            unsettled: view.unsettled,
            block_code_waits: view.block_code.is_some(),
        }
    }
}
