//! Keys in a program's memory: for desktops, testers and tests. It honours policies as a phone does, refuses what it
//! cannot keep, and can play a phone whose sensor, fingers or backup make trouble.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use godkend_protocol::bytes::{PublicKey, Secret, Signature};
use godkend_protocol::crypto;
use godkend_protocol::types::{Attestation, KeyPurpose, SecurityLevel};
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::keys::{CreatedKey, HardwareKeys, KeyAlias, KeyFailure, KeyPolicy, SecretBytes32};
use crate::state::{StateStore, StoreError};

/// What a person does when the biometric prompt comes up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touch {
    /// The finger or face matches.
    Match,
    /// The person cancels.
    Cancel,
    /// Too many failed matches: the sensor is locked out.
    LockedOut,
}

/// Plays the biometric prompt.
#[async_trait]
pub trait BiometricPrompt: Send + Sync {
    /// Shows `text` and waits for the person.
    async fn ask(&self, text: &str) -> Touch;
}

/// A prompt that always ends the same way.
#[async_trait]
impl BiometricPrompt for Touch {
    async fn ask(&self, _: &str) -> Touch {
        *self
    }
}

/// Which phone a software key store plays.
#[derive(Clone)]
pub struct Persona {
    /// The biometric sensor's prompt; without one there are no biometrics, and keys that ask for them are refused.
    pub biometrics: Option<Arc<dyn BiometricPrompt>>,
    /// Whether the hardware can do ECDH; without it there are no offline codes.
    pub key_agreement: bool,
}

impl Default for Persona {
    /// A desktop: no biometric sensor, but ECDH.
    fn default() -> Self {
        Self { biometrics: None, key_agreement: true }
    }
}

impl Persona {
    /// A phone with a sensor that this prompt plays.
    #[must_use]
    pub fn with_biometrics(prompt: impl BiometricPrompt + 'static) -> Self {
        Self { biometrics: Some(Arc::new(prompt)), ..Self::default() }
    }

    /// The same phone, without ECDH.
    #[must_use]
    pub fn without_key_agreement(self) -> Self {
        Self { key_agreement: false, ..self }
    }
}

impl fmt::Debug for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persona")
            .field("biometrics", &self.biometrics.is_some())
            .field("key_agreement", &self.key_agreement)
            .finish()
    }
}

/// Software keys, kept in memory and, where a store is given, in one sealed file beside the state.
///
/// Its keys have [`SecurityLevel::Software`] and [`Attestation::Software`], and claim nothing else: a policy that asks
/// for more is refused.
pub struct SoftwareKeys {
    keys: Mutex<BTreeMap<String, Key>>,
    persona: Mutex<Persona>,
    entropy: Entropy,
    store: Option<Box<dyn StateStore>>,
}

impl SoftwareKeys {
    /// Keys that end with the process.
    #[must_use]
    pub fn in_memory(entropy: Entropy, persona: Persona) -> Self {
        Self { keys: Mutex::default(), persona: Mutex::new(persona), entropy, store: None }
    }

    /// Keys that `store` keeps: every new or removed key is durable before the core hears of it.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not open, or holds something else.
    pub fn open(store: Box<dyn StateStore>, entropy: Entropy, persona: Persona) -> Result<Self, StoreError> {
        let keys = match store.load()? {
            Some(blob) => decode(&blob).ok_or(StoreError::Damaged)?,
            None => BTreeMap::new(),
        };
        Ok(Self { keys: Mutex::new(keys), persona: Mutex::new(persona), entropy, store: Some(store) })
    }

    /// All keys as one blob. It holds private keys in the clear: seal it.
    #[must_use]
    pub fn export(&self) -> Zeroizing<Vec<u8>> {
        encode(&self.lock())
    }

    /// Replaces all keys by those of [`Self::export`]: another phone's backup, or a clone.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for anything else, and what saving says.
    pub fn import(&self, blob: &[u8]) -> Result<(), StoreError> {
        let keys = decode(blob).ok_or(StoreError::Damaged)?;
        self.change(|all| *all = keys)
    }

    /// Changes which phone is played, from the next operation on.
    pub fn set_persona(&self, persona: Persona) {
        *self.persona.lock().unwrap_or_else(PoisonError::into_inner) = persona;
    }

    /// A new finger is enrolled in the phone's settings: every biometric key is invalid for good.
    ///
    /// # Errors
    /// What saving says.
    pub fn enrol_new_finger(&self) -> Result<(), StoreError> {
        self.change(|all| {
            for key in all.values_mut().filter(|key| key.biometric) {
                key.secret = None;
            }
        })
    }

    /// The phone was restored from a backup: hardware keys do not come back.
    ///
    /// # Errors
    /// What saving says.
    pub fn forget_all(&self) -> Result<(), StoreError> {
        self.change(BTreeMap::clear)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the keys in the store and then in memory; on failure neither has changed.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Key>)) -> Result<(), StoreError> {
        let mut keys = self.lock();
        let mut next = keys.clone();
        change(&mut next);
        if let Some(store) = &self.store {
            store.save(&encode(&next))?;
        }
        *keys = next;
        Ok(())
    }

    fn find(&self, alias: &KeyAlias, purposes: &[KeyPurpose]) -> Result<(Secret<32>, bool), KeyFailure> {
        let keys = self.lock();
        let key = keys.get(&alias.0).ok_or(KeyFailure::Missing)?;
        if !purposes.contains(&key.purpose) {
            return Err(KeyFailure::Unsupported);
        }
        Ok((key.secret.clone().ok_or(KeyFailure::Invalidated)?, key.biometric))
    }

    fn persona(&self) -> Persona {
        self.persona.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn touch(&self, prompt: Option<String>) -> Result<(), KeyFailure> {
        let biometrics = self.persona().biometrics.ok_or(KeyFailure::Unsupported)?;
        match biometrics.ask(prompt.as_deref().unwrap_or_default()).await {
            Touch::Match => Ok(()),
            Touch::Cancel => Err(KeyFailure::Cancelled),
            Touch::LockedOut => Err(KeyFailure::LockedOut),
        }
    }

    /// The key's secret, once the person has done what the key asks. Looked up again after the prompt: a finger may
    /// have been enrolled meanwhile.
    async fn unlock(
        &self,
        alias: &KeyAlias,
        purposes: &[KeyPurpose],
        prompt: Option<String>,
    ) -> Result<Secret<32>, KeyFailure> {
        if self.find(alias, purposes)?.1 {
            self.touch(prompt).await?;
        }
        Ok(self.find(alias, purposes)?.0)
    }
}

impl fmt::Debug for SoftwareKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareKeys").field("aliases", &self.lock().keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

#[async_trait]
impl HardwareKeys for SoftwareKeys {
    async fn create(&self, alias: KeyAlias, policy: KeyPolicy) -> Result<CreatedKey, KeyFailure> {
        let persona = self.persona();
        let possible = policy.security == SecurityLevel::Software
            && (!policy.biometric || persona.biometrics.is_some())
            && (policy.purpose != KeyPurpose::Offline || persona.key_agreement)
            // The `pin` key lives for one signature, in the core.
            && policy.purpose != KeyPurpose::Pin
            && is_alias(&alias);
        if !possible {
            return Err(KeyFailure::Unsupported);
        }
        let secret = self.entropy.with(|rng| {
            let seed = Secret::<32>::random(rng);
            crypto::p256_from_seed(&seed.0, "godkend/software-key")
        });
        let public = match policy.purpose {
            KeyPurpose::Pepper => None,
            _ => Some(crypto::p256_public(&secret).ok_or(KeyFailure::Failed)?),
        };
        let key = Key { purpose: policy.purpose, biometric: policy.biometric, secret: Some(secret) };
        self.change(|all| {
            all.insert(alias.0, key);
        })
        .map_err(failed)?;
        Ok(CreatedKey { public, attestation: Attestation::Software, security: SecurityLevel::Software })
    }

    async fn sign(&self, alias: KeyAlias, message: Vec<u8>, prompt: Option<String>) -> Result<Signature, KeyFailure> {
        let secret = self.unlock(&alias, &[KeyPurpose::Possession, KeyPurpose::Biometric], prompt).await?;
        crypto::p256_sign(&secret, &message).ok_or(KeyFailure::Failed)
    }

    async fn derive(&self, alias: KeyAlias, input: SecretBytes32) -> Result<SecretBytes32, KeyFailure> {
        let secret = self.unlock(&alias, &[KeyPurpose::Pepper], None).await?;
        Ok(SecretBytes32(crypto::hmac_sha256(&secret.0, &[&input.0]).0))
    }

    async fn agree(
        &self,
        alias: KeyAlias,
        point: PublicKey,
        prompt: Option<String>,
    ) -> Result<SecretBytes32, KeyFailure> {
        if !self.persona().key_agreement || !crypto::is_valid_point(&point) {
            return Err(KeyFailure::Unsupported);
        }
        let secret = self.unlock(&alias, &[KeyPurpose::Offline], prompt).await?;
        let shared = crypto::ecdh(&secret, &point).ok_or(KeyFailure::Failed)?;
        Ok(SecretBytes32(shared.0))
    }

    async fn delete(&self, aliases: Vec<KeyAlias>) -> Result<(), KeyFailure> {
        self.change(|all| all.retain(|name, _| !aliases.iter().any(|alias| alias.0 == *name))).map_err(failed)
    }

    async fn aliases(&self) -> Result<Vec<KeyAlias>, KeyFailure> {
        Ok(self.lock().keys().cloned().map(KeyAlias).collect())
    }
}

/// One key. `secret` is gone once a new finger has invalidated it.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
struct Key {
    #[n(1)]
    purpose: KeyPurpose,
    #[n(2)]
    biometric: bool,
    #[n(3)]
    secret: Option<Secret<32>>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Keys {
    #[n(1)]
    version: u32,
    #[n(2)]
    keys: BTreeMap<String, Key>,
}

const FORMAT: u32 = 1;

fn encode(keys: &BTreeMap<String, Key>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(godkend_protocol::cbor::encode(&Keys { version: FORMAT, keys: keys.clone() }))
}

fn decode(blob: &[u8]) -> Option<BTreeMap<String, Key>> {
    let keys: Keys = minicbor::decode(blob).ok()?;
    (keys.version == FORMAT).then_some(keys.keys)
}

fn is_alias(alias: &KeyAlias) -> bool {
    (1..=64).contains(&alias.0.len()) && alias.0.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

fn failed(error: StoreError) -> KeyFailure {
    tracing::error!(%error, "the software keys could not be saved");
    KeyFailure::Failed
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;

    use super::*;
    use crate::entropy::tests::Seeded;
    use crate::keys::{KeyReply, KeyRequest};
    use crate::state::MemoryStore;

    fn alias(name: &str) -> KeyAlias {
        KeyAlias(format!("godkend.00112233aabbccdd.{name}.1"))
    }

    fn policy(purpose: KeyPurpose, biometric: bool) -> KeyPolicy {
        KeyPolicy {
            purpose,
            security: SecurityLevel::Software,
            biometric,
            unlocked: true,
            attestation_challenge: Some(Fixed([7; 32])),
        }
    }

    fn phone() -> SoftwareKeys {
        SoftwareKeys::in_memory(Seeded::entropy(1), Persona::with_biometrics(Touch::Match))
    }

    #[tokio::test]
    async fn a_key_signs_derives_and_agrees_as_its_purpose_says() {
        let keys = phone();
        let made = keys.create(alias("possession"), policy(KeyPurpose::Possession, false)).await.unwrap();
        assert_eq!(made.security, SecurityLevel::Software);
        assert_eq!(made.attestation, Attestation::Software);
        let signature = keys.sign(alias("possession"), b"message".to_vec(), None).await.unwrap();
        assert!(crypto::verify_es256(&made.public.unwrap(), b"message", &signature));

        let pepper = keys.create(alias("pepper"), policy(KeyPurpose::Pepper, false)).await.unwrap();
        assert_eq!(pepper.public, None);
        let one = keys.derive(alias("pepper"), SecretBytes32([1; 32])).await.unwrap();
        assert_eq!(one, keys.derive(alias("pepper"), SecretBytes32([1; 32])).await.unwrap());
        assert_ne!(one, keys.derive(alias("pepper"), SecretBytes32([2; 32])).await.unwrap());

        let offline = keys.create(alias("offline"), policy(KeyPurpose::Offline, true)).await.unwrap();
        let other = Secret([9; 32]);
        let shared = keys.agree(alias("offline"), crypto::p256_public(&other).unwrap(), None).await.unwrap();
        assert_eq!(shared.0, crypto::ecdh(&other, &offline.public.unwrap()).unwrap().0);

        // No key does another purpose's work.
        let unsupported = Err(KeyFailure::Unsupported);
        assert_eq!(keys.sign(alias("offline"), vec![1], None).await.map(drop), unsupported);
        assert_eq!(keys.sign(alias("pepper"), vec![1], None).await.map(drop), unsupported);
        assert_eq!(keys.derive(alias("possession"), SecretBytes32([1; 32])).await.map(drop), unsupported);
        assert_eq!(keys.agree(alias("possession"), offline.public.unwrap(), None).await.map(drop), unsupported);
    }

    #[tokio::test]
    async fn the_dispatcher_answers_each_request_with_the_reply_of_its_kind() {
        let keys = phone();
        let create = KeyRequest::Create { alias: alias("pepper"), policy: policy(KeyPurpose::Pepper, false) };
        assert!(matches!(keys.handle(create).await, Ok(KeyReply::Created(_))));
        let derive = KeyRequest::Derive { alias: alias("pepper"), input: SecretBytes32([1; 32]) };
        assert!(matches!(keys.handle(derive).await, Ok(KeyReply::Derived(_))));
        let delete = KeyRequest::Delete { aliases: vec![alias("pepper"), alias("never-made")] };
        assert_eq!(keys.handle(delete).await, Ok(KeyReply::Deleted));
        assert_eq!(keys.aliases().await, Ok(vec![]));
    }

    #[tokio::test]
    async fn nothing_weaker_or_stronger_than_asked_is_made() {
        let keys = phone();
        for security in [SecurityLevel::TrustedEnvironment, SecurityLevel::Dedicated] {
            let asked = KeyPolicy { security, ..policy(KeyPurpose::Possession, false) };
            assert_eq!(keys.create(alias("possession"), asked).await, Err(KeyFailure::Unsupported));
        }
        assert_eq!(keys.create(alias("pin"), policy(KeyPurpose::Pin, false)).await, Err(KeyFailure::Unsupported));
        keys.set_persona(Persona::default().without_key_agreement());
        for purpose in [KeyPurpose::Biometric, KeyPurpose::Offline] {
            assert_eq!(keys.create(alias("x"), policy(purpose, true)).await, Err(KeyFailure::Unsupported));
        }
        assert_eq!(keys.create(alias("x"), policy(KeyPurpose::Offline, false)).await, Err(KeyFailure::Unsupported));
        assert_eq!(keys.aliases().await, Ok(vec![]));
    }

    #[tokio::test]
    async fn the_prompt_decides_over_a_biometric_key() {
        let keys = phone();
        keys.create(alias("biometric"), policy(KeyPurpose::Biometric, true)).await.unwrap();
        let sign = || keys.sign(alias("biometric"), b"m".to_vec(), Some("Godkend?".to_owned()));
        assert!(sign().await.is_ok());
        for (touch, failure) in [(Touch::Cancel, KeyFailure::Cancelled), (Touch::LockedOut, KeyFailure::LockedOut)] {
            keys.set_persona(Persona::with_biometrics(touch));
            assert_eq!(sign().await, Err(failure));
        }
        keys.set_persona(Persona::with_biometrics(Touch::Match));
        assert!(sign().await.is_ok());
    }

    #[tokio::test]
    async fn the_prompts_text_reaches_the_person() {
        struct Ear(Mutex<Vec<String>>);
        #[async_trait]
        impl BiometricPrompt for Arc<Ear> {
            async fn ask(&self, text: &str) -> Touch {
                self.0.lock().unwrap().push(text.to_owned());
                Touch::Match
            }
        }
        let ear = Arc::new(Ear(Mutex::default()));
        let keys = SoftwareKeys::in_memory(Seeded::entropy(1), Persona::with_biometrics(Arc::clone(&ear)));
        keys.create(alias("biometric"), policy(KeyPurpose::Biometric, true)).await.unwrap();
        keys.sign(alias("biometric"), vec![1], Some("Betal 10 kr.".to_owned())).await.unwrap();
        keys.create(alias("possession"), policy(KeyPurpose::Possession, false)).await.unwrap();
        keys.sign(alias("possession"), vec![1], None).await.unwrap();
        assert_eq!(*ear.0.lock().unwrap(), ["Betal 10 kr."]);
    }

    #[tokio::test]
    async fn a_new_finger_invalidates_biometric_keys_for_good_and_no_others() {
        let keys = phone();
        let store = MemoryStore::default();
        keys.create(alias("biometric"), policy(KeyPurpose::Biometric, true)).await.unwrap();
        keys.create(alias("possession"), policy(KeyPurpose::Possession, false)).await.unwrap();
        keys.enrol_new_finger().unwrap();
        let sign = |keys: Arc<SoftwareKeys>, name| async move { keys.sign(alias(name), vec![1], None).await };
        let invalidated = Arc::new(keys);
        assert_eq!(sign(Arc::clone(&invalidated), "biometric").await, Err(KeyFailure::Invalidated));
        assert!(sign(Arc::clone(&invalidated), "possession").await.is_ok());
        // The invalidation outlives the process.
        store.save(&invalidated.export()).unwrap();
        let again = SoftwareKeys::open(Box::new(store), Seeded::entropy(2), Persona::with_biometrics(Touch::Match));
        let again = Arc::new(again.unwrap());
        assert_eq!(sign(Arc::clone(&again), "biometric").await, Err(KeyFailure::Invalidated));
        // A new key under the same name works.
        again.create(alias("biometric"), policy(KeyPurpose::Biometric, true)).await.unwrap();
        assert!(sign(again, "biometric").await.is_ok());
    }

    #[tokio::test]
    async fn keys_outlive_the_process_in_their_store_and_not_a_restore() {
        let store = Arc::new(MemoryStore::default());
        let open = || SoftwareKeys::open(Box::new(Arc::clone(&store)), Seeded::entropy(3), Persona::default()).unwrap();
        let made = open().create(alias("possession"), policy(KeyPurpose::Possession, false)).await.unwrap();
        let keys = open();
        let signature = keys.sign(alias("possession"), vec![1], None).await.unwrap();
        assert!(crypto::verify_es256(&made.public.unwrap(), &[1], &signature));
        keys.forget_all().unwrap();
        assert_eq!(open().sign(alias("possession"), vec![1], None).await, Err(KeyFailure::Missing));
    }

    #[tokio::test]
    async fn a_failed_save_makes_no_key() {
        let store = Arc::new(MemoryStore::default());
        let keys = SoftwareKeys::open(Box::new(Arc::clone(&store)), Seeded::entropy(4), Persona::default()).unwrap();
        store.fail_from_now_on();
        let made = keys.create(alias("possession"), policy(KeyPurpose::Possession, false)).await;
        assert_eq!(made, Err(KeyFailure::Failed));
        assert_eq!(keys.aliases().await, Ok(vec![]));
    }

    #[tokio::test]
    async fn the_same_randomness_gives_the_same_keys_and_other_randomness_others() {
        let make = |seed| async move {
            let keys = SoftwareKeys::in_memory(Seeded::entropy(seed), Persona::default());
            keys.create(alias("possession"), policy(KeyPurpose::Possession, false)).await.unwrap().public
        };
        assert_eq!(make(5).await, make(5).await);
        assert_ne!(make(5).await, make(6).await);
    }

    #[test]
    fn a_damaged_blob_is_refused() {
        let keys = phone();
        let blob = keys.export();
        assert!(keys.import(&blob).is_ok());
        assert!(matches!(keys.import(b"nonsense"), Err(StoreError::Damaged)));
        assert!(matches!(keys.import(&[]), Err(StoreError::Damaged)));
    }
}
