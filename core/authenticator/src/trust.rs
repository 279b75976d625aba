//! Whom the phone believes: roots, their key sets, and messages signed under them.

use godkend_protocol::bytes::{Blob, Hash32, PublicKey, Signature};
use godkend_protocol::cbor;
use godkend_protocol::checkpoint::{self, CheckpointAlgorithm};
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{CoseError, Received, Role, SignedMessage, Unsigned, checked_signature};
use godkend_protocol::crypto;
use godkend_protocol::keyset::{KeySet, KeySetError, Root, SignedKeySet};
use godkend_protocol::merkle;
use godkend_protocol::suite::pq_verify;
use godkend_protocol::types::{KeyPurpose, LogPosition};

use crate::error::{Failure, ServerFailure};
use crate::flow::{Port, Request};
use crate::keys::{KeyAlias, KeyReply, KeyRequest};
use crate::state::{Alias, IdentityId, LocalKey, Trusted};

/// How far the phone's clock may be ahead before a key set that has expired for it is refused, in seconds.
const CLOCK_GRACE: i64 = 2 * 86_400;

/// A key set within this time of its end is fetched anew, in seconds.
const RENEW_BEFORE: i64 = 7 * 86_400;

/// The wall clock, behind by the grace: it may show anything.
const fn graced(wall: i64) -> i64 {
    wall.saturating_sub(CLOCK_GRACE)
}

/// Whether nothing says which server may answer. Plain http, to this machine alone, has no pins.
fn is_unpinned(root: &Root, set: &KeySet) -> bool {
    set.tls_pins.is_empty() && !root.url.starts_with("http://")
}

impl Port {
    pub(crate) fn root(&self, fingerprint: &Hash32) -> Result<Root, Failure> {
        self.config.roots.iter().find(|root| root.fingerprint() == *fingerprint).cloned().ok_or(Failure::UnknownRoot)
    }

    pub(crate) fn root_of(&self, identity: IdentityId) -> Result<Root, Failure> {
        let fingerprint = self.shared().state.identity(identity)?.root;
        self.root(&fingerprint)
    }

    /// The newest key set that this phone has seen, fetched first if there is none or it ends soon.
    pub(crate) async fn key_set(&self, root: &Root) -> Result<KeySet, Failure> {
        match self.stored_key_set(root) {
            Some(set) if self.now().wall < set.expires.saturating_sub(RENEW_BEFORE) => Ok(set),
            Some(set) => Ok(self.fetch_key_set(root).await.unwrap_or(set)),
            None => self.fetch_key_set(root).await,
        }
    }

    /// The stored key set, without a network.
    pub(crate) fn stored_key_set(&self, root: &Root) -> Option<KeySet> {
        let shared = self.shared();
        let trusted = shared.state.trusted.iter().find(|trusted| trusted.root == root.fingerprint())?;
        SignedKeySet::verify(&trusted.key_set.0, root, trusted.number, graced(shared.now.wall)).ok()
    }

    /// Fetches the key set; an older one than before is refused.
    pub(crate) async fn fetch_key_set(&self, root: &Root) -> Result<KeySet, Failure> {
        let request = Request { url: root.url.clone(), path: "keys", body: Vec::new(), tls_pins: Vec::new(), wait: 0 };
        let bytes = self.send(request).await?;
        let fingerprint = root.fingerprint();
        let set = {
            let mut shared = self.shared();
            let wall = graced(shared.now.wall);
            let known = shared.state.trusted.iter().position(|trusted| trusted.root == fingerprint);
            let least = known.and_then(|place| shared.state.trusted.get(place)).map_or(0, |trusted| trusted.number);
            let set = SignedKeySet::verify(&bytes, root, least, wall).map_err(|error| match error {
                KeySetError::Expired => Failure::ClockWrong,
                _ => Failure::Untrusted,
            })?;
            let trusted = Trusted { root: fingerprint, number: set.number, key_set: Blob(bytes) };
            match known.and_then(|place| shared.state.trusted.get_mut(place)) {
                Some(place) => *place = trusted,
                None => shared.state.trusted.push(trusted),
            }
            set
        };
        self.persist().await?;
        Ok(set)
    }

    /// Posts to the server whose TLS key the key set pins; a pin that no longer fits is looked up once more.
    pub(crate) async fn post(
        &self,
        root: &Root,
        path: &'static str,
        body: Vec<u8>,
        wait: u32,
    ) -> Result<Vec<u8>, Failure> {
        let mut set = self.key_set(root).await?;
        if is_unpinned(root, &set) {
            // Without a pin any server could answer: a driver is never asked to talk to just anyone.
            set = self.fetch_key_set(root).await?;
            if is_unpinned(root, &set) {
                return Err(Failure::Untrusted);
            }
        }
        let request = |set: &KeySet| Request {
            url: root.url.clone(),
            path,
            body: body.clone(),
            tls_pins: set.tls_pins.iter().map(|pin| pin.0).collect(),
            wait,
        };
        match self.send(request(&set)).await {
            Err(ServerFailure::Pin) => {
                let set = self.fetch_key_set(root).await?;
                Ok(self.send(request(&set)).await?)
            }
            other => Ok(other?),
        }
    }

    /// [`Self::post`] for an identity; a refusal that ends the device is noted.
    pub(crate) async fn post_as(
        &self,
        identity: IdentityId,
        path: &'static str,
        body: Vec<u8>,
        wait: u32,
    ) -> Result<Vec<u8>, Failure> {
        use godkend_protocol::messages::device::DeviceState;
        let root = self.root_of(identity)?;
        let result = self.post(&root, path, body, wait).await;
        if result.is_ok() {
            // A desk has lifted a block or a freeze: the server takes this phone's word again.
            let mut shared = self.shared();
            let person = shared.state.identity_mut(identity)?;
            if matches!(person.state, DeviceState::Blocked | DeviceState::Frozen) {
                person.state = DeviceState::Active;
            }
        }
        if let Err(Failure::Refused { code, .. }) = &result {
            let ended = match code {
                Code::DeviceBlocked => Some(DeviceState::Blocked),
                Code::DeviceFrozen => Some(DeviceState::Frozen),
                Code::DeviceRemoved => Some(DeviceState::Removed),
                _ => None,
            };
            if let Some(ended) = ended {
                let changed = {
                    let mut shared = self.shared();
                    let identity = shared.state.identity_mut(identity)?;
                    std::mem::replace(&mut identity.state, ended) != ended
                };
                if changed {
                    self.persist().await?;
                }
            }
        }
        result
    }

    /// Opens a message of the server's. A key that is not in the stored set may be new: the set is fetched once more.
    pub(crate) async fn open<M: SignedMessage>(&self, root: &Root, bytes: &[u8]) -> Result<Received<M>, Failure> {
        let set = self.key_set(root).await?;
        match set.open::<M>(bytes, &root.environment) {
            Ok(received) => Ok(received),
            Err(CoseError::BadSignature) => {
                let newer = self.fetch_key_set(root).await?;
                newer.open::<M>(bytes, &root.environment).map_err(|_| Failure::Untrusted)
            }
            Err(error) => Err(server_spoke_wrongly(error)),
        }
    }

    /// Signs a message with the identity's possession key; gives the COSE message and its payload.
    pub(crate) async fn sign<M: SignedMessage>(
        &self,
        identity: IdentityId,
        message: &M,
    ) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let environment = self.root_of(identity)?.environment;
        let unsigned = Unsigned::new(message, &environment, None);
        let key = self.shared().state.identity(identity)?.key(KeyPurpose::Possession)?.clone();
        let cose = self.sign_with(&key, unsigned).await?;
        let payload = Received::<M>::parse(&cose, &environment).map_err(|_| Failure::NotSupported)?.payload().to_vec();
        Ok((cose, payload))
    }

    /// Signs a prepared message with a key; a signature that does not verify under the enrolled key is not sent.
    pub(crate) async fn sign_with(&self, key: &LocalKey, unsigned: Unsigned) -> Result<Vec<u8>, Failure> {
        let public = key.public.ok_or(Failure::NotSupported)?;
        let signature = self.sign_bytes(&key.alias, unsigned.to_be_signed(), None).await?;
        unsigned.assemble(&signature, &public).map_err(|_| Failure::KeyMissing)
    }

    /// A second signature over the same payload, by another key in another role.
    pub(crate) async fn countersign(
        &self,
        key: &LocalKey,
        unsigned: &Unsigned,
        role: Role,
        prompt: Option<String>,
    ) -> Result<Signature, Failure> {
        let public: PublicKey = key.public.ok_or(Failure::NotSupported)?;
        let tbs = unsigned.to_be_signed_as(role);
        let signature = self.sign_bytes(&key.alias, tbs.clone(), prompt).await?;
        checked_signature(&tbs, &signature, &public).map_err(|_| Failure::KeyInvalidated)
    }

    async fn sign_bytes(&self, alias: &Alias, message: Vec<u8>, prompt: Option<String>) -> Result<Signature, Failure> {
        match self.key(KeyRequest::Sign { alias: KeyAlias::from(alias), message, prompt }).await? {
            KeyReply::Signed(signature) => Ok(signature),
            _ => Err(Failure::NotSupported),
        }
    }

    /// Verifies a checkpoint and that it continues `from`, where the identity had seen the log when it asked; remembers
    /// it. None if another request has moved on meanwhile: nothing shows yet that the two continue each other.
    pub(crate) async fn follow_log(
        &self,
        identity: IdentityId,
        note: &str,
        proof: &[Hash32],
        from: Option<LogPosition>,
    ) -> Result<Option<LogPosition>, Failure> {
        let root = self.root_of(identity)?;
        let set = self.key_set(&root).await?;
        let position = verify_checkpoint(&set, &root, note).ok_or(Failure::Untrusted)?;
        let mut shared = self.shared();
        let identity = shared.state.identity_mut(identity)?;
        if let Some(seen) = from {
            let proof: Vec<[u8; 32]> = proof.iter().map(|hash| hash.0).collect();
            let continues = position.epoch > seen.epoch
                || (position.epoch == seen.epoch
                    && merkle::verify_consistency(seen.size, position.size, &seen.root.0, &position.root.0, &proof)
                        .is_ok());
            if !continues {
                return Err(Failure::Untrusted);
            }
        }
        if identity.log != from && identity.log != Some(position) {
            return Ok(None);
        }
        identity.log = Some(position);
        Ok(Some(position))
    }
}

/// A checkpoint that the key set's log key (and, with suite 2, its post-quantum key) has signed.
fn verify_checkpoint(set: &KeySet, root: &Root, note: &str) -> Option<LogPosition> {
    let unverified = checkpoint::parse(note.as_bytes()).ok()?;
    let name = unverified.checkpoint.origin().ok()?;
    let es256: Vec<([u8; 4], PublicKey)> = set
        .log_keys
        .iter()
        .map(|key| (checkpoint::key_hash(&name, CheckpointAlgorithm::Es256, &key.0), *key))
        .collect();
    // Any one of the log keys will do, so that they can be rotated with an overlap.
    let (signer, public) = es256
        .iter()
        .find(|(hash, _)| unverified.signatures.iter().any(|line| line.key_hash == *hash && line.name == name))?;
    let mut required = vec![*signer];
    let pq = set.log_pq_key.as_ref().filter(|_| root.pq_key.is_some());
    let pq_hash = pq.map(|key| checkpoint::key_hash(&name, CheckpointAlgorithm::MlDsa65, &key.0));
    required.extend(pq_hash);
    let verified = unverified
        .verify(&required, |body, hash, signature| match (Some(hash) == pq_hash, pq) {
            (true, Some(key)) => pq_verify(&key.0, body, signature),
            _ => {
                Signature::from_slice(signature).is_some_and(|signature| crypto::verify_es256(public, body, &signature))
            }
        })
        .ok()?;
    (verified.environment == root.environment).then_some(LogPosition {
        epoch: u32::try_from(verified.epoch).ok()?,
        size: verified.size,
        root: godkend_protocol::bytes::Fixed(verified.root),
    })
}

/// A server that sends what cannot be read is not to be trusted; one that is newer asks for an update.
pub(crate) const fn server_spoke_wrongly(error: CoseError) -> Failure {
    match error {
        CoseError::Cbor(cbor::CborError::UpdateNeeded) | CoseError::WrongVersion => Failure::UpdateNeeded,
        _ => Failure::Untrusted,
    }
}

/// Decodes an unsigned reply, whose origin TLS vouches for.
pub(crate) fn decode_reply<T>(bytes: &[u8]) -> Result<T, Failure>
where
    T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>,
{
    cbor::decode(bytes).map_err(|error| server_spoke_wrongly(error.into()))
}
