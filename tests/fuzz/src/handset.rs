//! A phone that is driven effect by effect: the real core over a key store in memory.

use std::collections::BTreeMap;

use godkend_core::{
    Authenticator, Command, Config, CreatedKey, Effect, Input, KeyFailure, KeyReply, KeyRequest, Now, SecretBytes32,
};
use godkend_protocol::bytes::Secret;
use godkend_protocol::crypto;
use godkend_protocol::keyset::Root;
use godkend_protocol::types::{Attestation, DeviceInfo, KeyPurpose, SecurityLevel, Suite};

use crate::shared::random::Stream;

/// The most effects that one command may ask for. The longest honest one, new keys of every purpose, needs 29.
const MOST_EFFECTS: u32 = 64;

/// Keys by alias.
#[derive(Clone, Default)]
pub(crate) struct Keys(BTreeMap<String, (KeyPurpose, Secret<32>)>);

impl Keys {
    pub(crate) fn handle(&mut self, rng: &mut Stream, request: KeyRequest) -> Result<KeyReply, KeyFailure> {
        let find = |keys: &Self, alias: &str, purposes: &[KeyPurpose]| {
            let (purpose, secret) = keys.0.get(alias).cloned().ok_or(KeyFailure::Missing)?;
            if purposes.contains(&purpose) { Ok(secret) } else { Err(KeyFailure::Unsupported) }
        };
        match request {
            KeyRequest::Create { alias, policy } => {
                assert!(policy.purpose != KeyPurpose::Pin, "the pin key lives in the core alone");
                let secret = crypto::p256_from_seed(&Secret::<32>::random(rng).0, "fuzz key");
                let public = if policy.purpose == KeyPurpose::Pepper { None } else { crypto::p256_public(&secret) };
                self.0.insert(alias.0, (policy.purpose, secret));
                let security = SecurityLevel::Software;
                Ok(KeyReply::Created(CreatedKey { public, attestation: Attestation::Software, security }))
            }
            KeyRequest::Sign { alias, message, .. } => {
                let secret = find(self, &alias.0, &[KeyPurpose::Possession, KeyPurpose::Biometric])?;
                crypto::p256_sign(&secret, &message).map(KeyReply::Signed).ok_or(KeyFailure::Failed)
            }
            KeyRequest::Derive { alias, input } => {
                let secret = find(self, &alias.0, &[KeyPurpose::Pepper])?;
                Ok(KeyReply::Derived(SecretBytes32(crypto::hmac_sha256(&secret.0, &[&input.0]).0)))
            }
            KeyRequest::Agree { alias, point, .. } => {
                let secret = find(self, &alias.0, &[KeyPurpose::Offline])?;
                let shared = crypto::ecdh(&secret, &point).ok_or(KeyFailure::Unsupported)?;
                Ok(KeyReply::Agreed(SecretBytes32(shared.0)))
            }
            KeyRequest::Delete { aliases } => {
                self.0.retain(|name, _| !aliases.iter().any(|alias| alias.0 == *name));
                Ok(KeyReply::Deleted)
            }
        }
    }
}

/// What outlives a process: the state and the keys.
#[derive(Clone, Default)]
pub(crate) struct Saved {
    pub(crate) state: Option<Vec<u8>>,
    pub(crate) keys: Keys,
}

/// A phone.
pub(crate) struct Handset {
    machine: Authenticator,
    config: Config,
    pub(crate) saved: Saved,
    pub(crate) rng: Stream,
    pub(crate) now: Now,
    sequence: u64,
    effects: BTreeMap<u64, u32>,
}

impl Handset {
    pub(crate) fn config(root: Root) -> Config {
        Config {
            roots: vec![root],
            info: DeviceInfo {
                model: "Fuzzfon".to_owned(),
                platform: "Linux".to_owned(),
                app_version: "1.0.0".to_owned(),
                language: "da".to_owned(),
            },
            suites: vec![Suite::P256],
            security: SecurityLevel::Software,
        }
    }

    pub(crate) fn new(root: Root, saved: Saved, seed: &str) -> Self {
        let config = Self::config(root);
        let machine = Authenticator::new(config.clone(), saved.state.as_deref()).unwrap();
        let now = Now { wall: 1_790_000_000, monotonic_ms: 1000 };
        let rng = Stream::new(seed);
        Self { machine, config, saved, rng, now, sequence: 0, effects: BTreeMap::new() }
    }

    pub(crate) const fn machine(&self) -> &Authenticator {
        &self.machine
    }

    /// The process ends; the next one begins with what was persisted.
    pub(crate) fn restart(&mut self) {
        self.machine = Authenticator::new(self.config.clone(), self.saved.state.as_deref())
            .unwrap_or_else(|error| panic!("what the core persisted is refused: {error}"));
        self.sequence = 0;
        self.effects.clear();
    }

    pub(crate) fn begin(&mut self, command: Command) -> Effect {
        self.input(Input::Command(command)).expect("a command has an effect")
    }

    pub(crate) fn input(&mut self, input: Input) -> Option<Effect> {
        self.now.monotonic_ms = self.now.monotonic_ms.saturating_add(1);
        let effect = self.machine.handle(self.now, &mut self.rng, input)?;
        self.rng.drawn.clear();
        let count = self.effects.entry(effect.ticket.0).or_default();
        *count += 1;
        assert!(*count <= MOST_EFFECTS, "a command without end");
        Some(effect)
    }

    /// Does what a driver does with a state.
    pub(crate) fn persist(&mut self, bytes: Vec<u8>, sequence: u64) {
        if sequence <= self.sequence {
            return;
        }
        assert!(
            Authenticator::new(self.config.clone(), Some(&bytes)).is_ok(),
            "the core persists what it would not read"
        );
        self.sequence = sequence;
        self.saved.state = Some(bytes);
    }
}
