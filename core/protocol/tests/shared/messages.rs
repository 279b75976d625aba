//! The list of everything that is encoded: signed messages, unsigned messages, and the parts that stand in them.

use godkend_protocol::cose::SignedMessage;
use godkend_protocol::keyset::*;
use godkend_protocol::messages::activation::*;
use godkend_protocol::messages::approval::*;
use godkend_protocol::messages::device::*;
use godkend_protocol::messages::offline::*;
use godkend_protocol::messages::pin::*;
use godkend_protocol::messages::push::*;
use godkend_protocol::messages::*;
use godkend_protocol::types::*;
use minicbor::{Decode, Encode};

use super::generate::{Any, Gen, Mode, Variants};

/// What every encoded type can do.
pub trait Encoded: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + std::fmt::Debug {}
impl<T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + std::fmt::Debug> Encoded for T {}

/// Is shown each type once.
pub trait Visitor {
    fn signed<T: Encoded + Any + SignedMessage>(&mut self);
    fn unsigned<T: Encoded + Any>(&mut self);
    fn part<T: Encoded + Any>(&mut self);
    fn choice<T: Encoded + Any + Variants>(&mut self);
}

/// The type's name without its path.
pub fn name<T>() -> &'static str {
    std::any::type_name::<T>().rsplit("::").next().unwrap()
}

/// The values of one type that stand in the vectors.
pub fn examples<T: Encoded + Any>() -> Vec<(&'static str, T)> {
    let modes = [("full", Mode::Full), ("least", Mode::Least), ("mixed 1", Mode::Mixed), ("mixed 2", Mode::Mixed)];
    let mut all: Vec<(&'static str, T)> = Vec::new();
    for (case, mode) in modes {
        let mut g = Gen::new(mode, &format!("{} {case}", name::<T>()));
        all.push((case, T::any(&mut g, "")));
    }
    all
}

/// Every variant of one enumeration.
pub fn variants<T: Encoded + Variants>() -> Vec<(&'static str, T)> {
    T::variants(&mut Gen::new(Mode::Full, name::<T>()))
}

pub fn visit(v: &mut impl Visitor) {
    v.signed::<KeySet>();
    v.signed::<PinRegister>();
    v.signed::<PinEnrol>();
    v.signed::<PinStart>();
    v.signed::<PinResetOpen>();
    v.signed::<PinResetOffer>();
    v.signed::<ActivationOffer>();
    v.signed::<EnrolProof>();
    v.signed::<EnrolReply>();
    v.signed::<EnrolmentStatus>();
    v.signed::<TypedDigits>();
    v.signed::<OfflineChallenge>();
    v.signed::<PollOpen>();
    v.signed::<Fetch>();
    v.signed::<Manage>();
    v.signed::<Challenge>();
    v.signed::<Answer>();
    v.signed::<AnswerReply>();
    v.signed::<RefuseLocked>();
    v.signed::<AskOverview>();
    v.signed::<BlockSelf>();
    v.signed::<PushRegister>();
    v.unsigned::<SignedKeySet>();
    v.unsigned::<ErrorReply>();
    v.unsigned::<Done>();
    v.unsigned::<ActivationOpen>();
    v.unsigned::<EnrolCore>();
    v.unsigned::<Enrol>();
    v.unsigned::<SealedEnrol>();
    v.unsigned::<SealedReply>();
    v.unsigned::<StageReply>();
    v.unsigned::<DigitsReply>();
    v.unsigned::<PollOpened>();
    v.unsigned::<Poll>();
    v.unsigned::<Pending>();
    v.unsigned::<Fetched>();
    v.unsigned::<AnswerRequest>();
    v.unsigned::<Overview>();
    v.unsigned::<PinRegistered>();
    v.unsigned::<PinEnrolRequest>();
    v.unsigned::<PinStartRequest>();
    v.unsigned::<PinStarted>();
    v.unsigned::<PushState>();
    v.part::<DeviceKey>();
    v.part::<Payment>();
    v.part::<LogPosition>();
    v.part::<DeviceInfo>();
    v.part::<Root>();
    v.part::<HpkePublic>();
    v.part::<PendingItem>();
    v.part::<RelyingParty>();
    v.part::<OperationData>();
    v.part::<NewKeySignature>();
    v.part::<PinProof>();
    v.part::<HandedOut>();
    v.part::<DeviceLine>();
    v.part::<BrowserLine>();
    v.part::<PinStatus>();
    v.choice::<Suite>();
    v.choice::<KeyPurpose>();
    v.choice::<SecurityLevel>();
    v.choice::<Attestation>();
    v.choice::<Level>();
    v.choice::<Factor>();
    v.choice::<Decision>();
    v.choice::<Binding>();
    v.choice::<Action>();
    v.choice::<Operation>();
    v.choice::<VersionPolicy>();
    v.choice::<Stage>();
    v.choice::<FetchHow>();
    v.choice::<DeviceState>();
    v.choice::<PinContext>();
    v.choice::<PushAddress>();
    v.choice::<PushChange>();
}
