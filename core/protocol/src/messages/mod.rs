//! Every message of version 1, by the conversation it belongs to.
//!
//! A phone's requests are posted to `/phone/v1/<path>` as `application/cbor`; each request's path is its `PATH`.
//! Those that `possession` signs are sent as the bare COSE message, or inside a map beside what travels unsigned.

pub mod activation;
pub mod approval;
pub mod device;
pub mod offline;
pub mod pin;
pub mod push;

use minicbor::{Decode, Encode};

use crate::codes::Code;

/// The content type of every phone message.
pub const CONTENT_TYPE: &str = "application/cbor";

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ErrorReply {
    /// The stable code: [`Code::as_str`].
    #[n(1)]
    pub code: String,
    /// Seconds until it is worth trying again.
    #[n(2)]
    pub retry_after: Option<u32>,
    /// Tries left, where they are counted.
    #[n(3)]
    pub tries_left: Option<u32>,
}

impl ErrorReply {
    /// The code, if this version knows it.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        Code::parse(&self.code)
    }
}

/// Done; nothing more to say.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Done {}

/// Numbers of the signed messages, all in one place so that none is given twice.
///
/// 1 is [`crate::keyset::KeySet`].
pub(crate) mod number {
    pub(crate) const ACTIVATION_OFFER: u16 = 2;
    pub(crate) const ENROL_PROOF: u16 = 3;
    pub(crate) const ENROL_REPLY: u16 = 4;
    pub(crate) const ENROLMENT_STATUS: u16 = 5;
    pub(crate) const TYPED_DIGITS: u16 = 6;
    pub(crate) const PIN_REGISTER: u16 = 7;
    pub(crate) const PIN_ENROL: u16 = 8;
    pub(crate) const PIN_START: u16 = 9;
    pub(crate) const PIN_RESET_OPEN: u16 = 10;
    pub(crate) const PIN_RESET_OFFER: u16 = 11;
    pub(crate) const POLL_OPEN: u16 = 12;
    pub(crate) const FETCH: u16 = 13;
    pub(crate) const MANAGE: u16 = 14;
    pub(crate) const CHALLENGE: u16 = 15;
    pub(crate) const ANSWER: u16 = 16;
    pub(crate) const ANSWER_REPLY: u16 = 17;
    pub(crate) const REFUSE_LOCKED: u16 = 18;
    pub(crate) const OVERVIEW: u16 = 19;
    pub(crate) const BLOCK_SELF: u16 = 20;
    pub(crate) const OFFLINE_CHALLENGE: u16 = 21;
    pub(crate) const PUSH_REGISTER: u16 = 22;
}
