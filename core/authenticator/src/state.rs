//! What survives a kill: the persisted state, as deterministic CBOR.

use godkend_protocol::bytes::{Blob, Hash32, Id, PublicKey, Secret};
use godkend_protocol::cbor;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{KeyPurpose, LogPosition, Suite};
use minicbor::{Decode, Encode};

use crate::error::Failure;
use crate::history::{self, HistoryLine};
use crate::keys::KeyAlias;

/// The state's format; a newer one is refused, an older one is read.
const FORMAT: u32 = 1;

/// Names an identity on this phone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct IdentityId(#[n(0)] pub u32);

/// The stored state cannot be used. Nothing is guessed from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StateError {
    /// Truncated or changed: restore nothing, activate again.
    #[error("the stored state is damaged; remove it and activate again")]
    Damaged,
    /// Written by a newer app.
    #[error("the stored state was written by a newer app; update this one")]
    Newer,
}

/// Everything that survives.
#[derive(Clone, PartialEq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct State {
    #[n(1)]
    pub(crate) format: u32,
    #[n(2)]
    pub(crate) identities: Vec<Identity>,
    #[n(3)]
    pub(crate) trusted: Vec<Trusted>,
    #[n(4)]
    pub(crate) activation: Option<PendingActivation>,
    /// Keys that nothing uses any more; removed when the key store answers.
    #[n(5)]
    pub(crate) orphans: Vec<Alias>,
    #[n(6)]
    pub(crate) next_identity: u32,
}

/// A key's name in CBOR.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Alias(#[n(0)] pub(crate) String);

impl From<&Alias> for KeyAlias {
    fn from(alias: &Alias) -> Self {
        Self(alias.0.clone())
    }
}

/// The newest key set of a root.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Trusted {
    #[n(1)]
    pub(crate) root: Hash32,
    #[n(2)]
    pub(crate) number: u64,
    #[n(3)]
    pub(crate) key_set: Blob,
}

/// An activation between its first key and the server's reply.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct PendingActivation {
    #[n(1)]
    pub(crate) root: Hash32,
    #[n(2)]
    pub(crate) keys: Vec<LocalKey>,
    #[n(3)]
    pub(crate) sealed: Option<SealedActivation>,
    #[n(4)]
    pub(crate) suite: Suite,
}

/// The bytes that went out, and what opens the reply.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SealedActivation {
    #[n(1)]
    pub(crate) request: Blob,
    #[n(2)]
    pub(crate) reply_key: Secret<32>,
    #[n(3)]
    pub(crate) reply_nonce: Secret<12>,
    #[n(4)]
    pub(crate) transcript: Hash32,
    #[n(5)]
    pub(crate) block_code: String,
    #[n(6)]
    pub(crate) enrolment: Id,
}

/// A key of this phone.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct LocalKey {
    #[n(1)]
    pub(crate) purpose: KeyPurpose,
    #[n(2)]
    pub(crate) alias: Alias,
    #[n(3)]
    pub(crate) public: Option<PublicKey>,
}

/// One person on this phone.
#[derive(Clone, PartialEq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Identity {
    #[n(1)]
    pub(crate) id: IdentityId,
    #[n(2)]
    pub(crate) root: Hash32,
    #[n(3)]
    pub(crate) account: Id,
    #[n(4)]
    pub(crate) device: Id,
    #[n(5)]
    pub(crate) name: String,
    #[n(6)]
    pub(crate) keys: Vec<LocalKey>,
    #[n(7)]
    pub(crate) enrolment: Option<LocalEnrolment>,
    #[n(8)]
    pub(crate) ratchet: Secret<16>,
    #[n(9)]
    pub(crate) ratchet_count: u64,
    #[n(10)]
    pub(crate) exchange: u64,
    #[n(11)]
    pub(crate) log: Option<LogPosition>,
    #[n(12)]
    pub(crate) in_flight: Option<InFlight>,
    #[n(13)]
    pub(crate) history: Vec<HistoryLine>,
    #[n(14)]
    pub(crate) block_code: Option<String>,
    #[n(15)]
    pub(crate) suite: Suite,
    #[n(16)]
    pub(crate) state: DeviceState,
    /// The activation that this phone has handed out last.
    #[n(17)]
    pub(crate) handed_out: Option<Id>,
    /// Rises with each new key, so that no alias is used twice.
    #[n(18)]
    pub(crate) generation: u32,
    #[n(19)]
    pub(crate) push: Option<LocalPush>,
}

/// What this phone has told the server about waking it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct LocalPush {
    /// Of the last change.
    #[n(1)]
    pub(crate) number: u64,
    /// What wake-ups carry; none after the address was taken back.
    #[n(2)]
    pub(crate) handle: Option<Secret<16>>,
    /// What they carried before.
    #[n(3)]
    pub(crate) previous: Option<Secret<16>>,
}

/// An activation or PIN reset that is not finished.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct LocalEnrolment {
    #[n(1)]
    pub(crate) id: Id,
    #[n(2)]
    pub(crate) transcript: Hash32,
    #[n(3)]
    pub(crate) stage: Stage,
    #[n(4)]
    pub(crate) reset: bool,
}

/// An answer that was stored and perhaps sent, until the server acknowledges or refuses it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct InFlight {
    #[n(1)]
    pub(crate) request: Blob,
    #[n(2)]
    pub(crate) answer: Hash32,
    #[n(3)]
    pub(crate) change: Change,
    #[n(4)]
    pub(crate) line: HistoryLine,
}

/// What an acknowledged answer changes on this phone. Until then both the old and the new stay.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum Change {
    #[n(1)]
    Nothing,
    /// New keys, in place of those with the same purpose.
    #[n(2)]
    Keys {
        #[n(0)]
        new: Vec<LocalKey>,
    },
    #[n(3)]
    DropKeys {
        #[n(0)]
        purposes: Vec<KeyPurpose>,
    },
    #[n(4)]
    FinishEnrolment,
    #[n(5)]
    RemoveThisDevice,
}

/// What a person sees of an identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityView {
    /// Its name on this phone.
    pub id: IdentityId,
    /// The person's name.
    pub name: String,
    /// The environment's server.
    pub environment: String,
    /// The device, as other devices list it.
    pub device: Id,
    /// Where it stands.
    pub standing: IdentityStanding,
    /// Whether a finger or a face can approve.
    pub biometrics: bool,
    /// Whether offline codes can be made.
    pub offline: bool,
    /// An answer waits to be settled.
    pub unsettled: bool,
    /// The block code, until it has been written down.
    pub block_code: Option<String>,
}

/// Where an identity on this phone stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdentityStanding {
    /// Being enrolled.
    Enrolling(Stage),
    /// In use.
    Active,
    /// A new PIN is being set.
    ResettingPin(Stage),
    /// Blocked.
    Blocked,
    /// Frozen: this store or a copy of it answered out of turn.
    Frozen,
    /// Removed.
    Removed,
}

impl State {
    pub(crate) const fn new() -> Self {
        Self {
            format: FORMAT,
            identities: Vec::new(),
            trusted: Vec::new(),
            activation: None,
            orphans: Vec::new(),
            next_identity: 1,
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = cbor::encode(self);
        let sum = godkend_protocol::crypto::sha256(&[&bytes]);
        bytes.extend_from_slice(&sum.0);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        // The checksum catches what a store without encryption would not.
        let (body, sum) = bytes.split_at_checked(bytes.len().saturating_sub(32)).ok_or(StateError::Damaged)?;
        if godkend_protocol::crypto::sha256(&[body]).0 != sum {
            return Err(StateError::Damaged);
        }
        if format(body).ok_or(StateError::Damaged)? > FORMAT {
            return Err(StateError::Newer);
        }
        let state: Self = minicbor::decode(body).map_err(|_| StateError::Damaged)?;
        if cbor::encode(&state) == body { Ok(state) } else { Err(StateError::Damaged) }
    }

    pub(crate) fn identity(&self, id: IdentityId) -> Result<&Identity, Failure> {
        self.identities.iter().find(|identity| identity.id == id).ok_or(Failure::NoIdentity)
    }

    pub(crate) fn identity_mut(&mut self, id: IdentityId) -> Result<&mut Identity, Failure> {
        self.identities.iter_mut().find(|identity| identity.id == id).ok_or(Failure::NoIdentity)
    }

    /// The named identity, or the only one.
    pub(crate) fn resolve(&self, id: Option<IdentityId>) -> Result<IdentityId, Failure> {
        match (id, self.identities.as_slice()) {
            (Some(id), _) => self.identity(id).map(|identity| identity.id),
            (None, [only]) => Ok(only.id),
            (None, _) => Err(Failure::NoIdentity),
        }
    }
}

/// The format alone, whatever else a newer app may have written.
fn format(body: &[u8]) -> Option<u32> {
    let mut decoder = minicbor::Decoder::new(body);
    decoder.map().ok()??;
    (decoder.u32().ok()? == 1).then(|| decoder.u32().ok()).flatten()
}

impl Identity {
    pub(crate) fn key(&self, purpose: KeyPurpose) -> Result<&LocalKey, Failure> {
        self.keys.iter().find(|key| key.purpose == purpose).ok_or(Failure::NotSupported)
    }

    pub(crate) fn has(&self, purpose: KeyPurpose) -> bool {
        self.key(purpose).is_ok()
    }

    pub(crate) fn note(&mut self, line: HistoryLine) {
        self.history.push(line);
        if self.history.len() > history::KEPT {
            self.history.remove(0);
        }
    }

    pub(crate) fn standing(&self) -> IdentityStanding {
        match (self.state, &self.enrolment) {
            (DeviceState::Blocked, _) => IdentityStanding::Blocked,
            (DeviceState::Frozen, _) => IdentityStanding::Frozen,
            (DeviceState::Removed, _) => IdentityStanding::Removed,
            (_, Some(enrolment)) if enrolment.reset => IdentityStanding::ResettingPin(enrolment.stage),
            (_, Some(enrolment)) => IdentityStanding::Enrolling(enrolment.stage),
            (DeviceState::Enrolling | DeviceState::Active, None) => IdentityStanding::Active,
        }
    }
}
