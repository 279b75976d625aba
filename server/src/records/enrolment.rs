//! Activations and PIN resets on their way.

use godkend_protocol::bytes::{Blob, Hash32, Id, Secret};
use godkend_protocol::formats::activation_code::ActivationName;
use godkend_protocol::messages::activation::Stage;
use serde::{Deserialize, Serialize};

use super::{Document, PinRecord};
use crate::store::Kind;

/// An activation or PIN reset on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolment {
    /// Its id.
    pub id: Id,
    /// The account.
    pub account: Id,
    /// What it enrols.
    pub kind: EnrolmentKind,
    /// The link's secret.
    pub link_secret: Option<Secret<32>>,
    /// The code's name and secret.
    pub code: Option<(ActivationName, Secret<7>)>,
    /// Tries left with a wrong code secret.
    pub tries_left: u32,
    /// Unix seconds: when the link or code stops working.
    pub expires: i64,
    /// Unix seconds, from the phone's valid message on: all void after.
    pub finish_before: Option<i64>,
    /// Where it stands; `None` until a phone has taken it.
    pub stage: Option<Stage>,
    /// The device that has taken it.
    pub device: Option<Id>,
    /// The full transcript.
    pub transcript: Option<Hash32>,
    /// Tries left for the digits.
    pub digits_left: u32,
    /// SHA-256 of the request that took it, and the reply it got: a retry gets the same.
    pub taken_by: Option<(Hash32, Blob)>,
    /// The place of the phone that took it.
    pub place: Option<String>,
    /// Who handed it out: `desk:<name>`, or the old device in a move.
    pub handed_out_by: HandedOutBy,
    /// The finished activation waits until then (Unix seconds) for the person's other means.
    pub active_from: Option<i64>,
    /// A PIN reset's new PIN, until the reset is finished: the device keeps its old one as long.
    #[serde(default)]
    pub pin: Option<PinRecord>,
    /// Unix seconds: purge.
    pub purge: i64,
}

/// What an enrolment enrols.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolmentKind {
    /// A new device.
    Activation,
    /// A new PIN on a device.
    PinReset,
}

/// Who handed an enrolment out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandedOutBy {
    /// A desk that has proofed the person: active at once.
    Desk(String),
    /// Another device of the person: active after the waiting hour.
    Device {
        /// The old device.
        device: Id,
        /// It stays active afterwards.
        keep: bool,
    },
    /// The person, signed in on their own site: active after the waiting hour.
    SelfService,
}

/// Finds an enrolment by its typed code's name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CodeIndex {
    /// The name.
    pub name: ActivationName,
    /// The enrolment.
    pub enrolment: Id,
    /// Unix seconds: purge.
    pub purge: i64,
}

/// When time alone changes an enrolment: what the sweep looks at, in the order of time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EnrolmentDue {
    /// Unix seconds.
    pub at: i64,
    /// The enrolment.
    pub enrolment: Id,
    /// The end of its wait, and not of the time to finish it.
    pub waiting: bool,
}

document!(Enrolment, "enrolment", |d| d.id.0.to_vec(), owner d.account.0.to_vec(), expires Some(d.purge));
document!(CodeIndex, "code", |d| d.name.0.to_vec(), owner Vec::new(), expires Some(d.purge));
document!(EnrolmentDue, "enrolment_due",
    |d| [&u64::try_from(d.at).unwrap_or(0).to_be_bytes()[..], &[u8::from(d.waiting)], &d.enrolment.0].concat(),
    owner Vec::new(), expires None);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_sorts_by_time() {
        let due = |at, enrolment, waiting| EnrolmentDue {
            at,
            enrolment: godkend_protocol::bytes::Fixed([enrolment; 16]),
            waiting,
        };
        assert!(due(5, 255, true).id() < due(256, 0, false).id());
        assert_ne!(due(5, 1, true).id(), due(5, 1, false).id());
    }
}
