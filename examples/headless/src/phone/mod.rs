//! A phone without a phone: a profile on disk, software keys, and the client that an app would use.

pub(crate) mod activate;
pub(crate) mod decide;
pub(crate) mod manage;
pub(crate) mod push;
pub(crate) mod requests;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use godkend_client::clock::{Clock as _, SystemClock};
use godkend_client::entropy::Entropy;
use godkend_client::software_keys::{BiometricPrompt, Persona, SoftwareKeys, Touch};
use godkend_client::state::{MemoryStore, Profile, Wrapping};
use godkend_client::{Client, ClientConfig, OpenError, Roots, Surroundings, TransportConfig};
use godkend_core::{Command, Config, Failure, IdentityId, IdentityView, Outcome};
use godkend_protocol::types::{DeviceInfo, SecurityLevel, Suite};
use serde::{Deserialize, Serialize};

use crate::ask;
use crate::home::write_private;
use crate::json::{Report, Request};
use crate::output::Output;
use crate::problem::Problem;

/// A phone that is switched on.
pub(crate) struct Phone {
    /// What an app would hold.
    pub(crate) client: Client,
    /// Who is meant, where several share the phone.
    pub(crate) person: Option<IdentityId>,
    pub(crate) out: Output,
    clock: Arc<SystemClock>,
}

/// What kind of phone is played. Kept beside the state, chosen at the first activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    /// Maker and model.
    pub(crate) model: String,
    /// Whether it has a sensor.
    pub(crate) biometrics: bool,
    /// Whether its hardware can agree on keys: offline codes need it.
    pub(crate) key_agreement: bool,
}

impl Default for Kind {
    fn default() -> Self {
        Self { model: "Godkend headless".to_owned(), biometrics: true, key_agreement: true }
    }
}

/// How the finger behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Finger {
    /// Asks at the terminal.
    #[default]
    Ask,
    /// Matches.
    Match,
    /// Is taken away.
    Cancel,
    /// Has failed too often.
    Locked,
}

impl Phone {
    /// Opens a profile, makes it where there is none, and settles what a kill left open.
    ///
    /// # Errors
    /// [`Problem::Store`], [`Problem::Open`], [`Problem::Phone`] with [`Failure::Storage`].
    pub(crate) async fn open(
        directory: &Path,
        roots: &Roots,
        wrapping: Wrapping,
        new: Option<Kind>,
        finger: Finger,
        person: Option<u32>,
        out: Output,
    ) -> Result<Self, Problem> {
        let entropy = Entropy::system();
        let (place, shared) = (directory.to_owned(), entropy.clone());
        let opened = tokio::task::spawn_blocking(move || Profile::open(place, &wrapping, shared)).await;
        let profile = opened.map_err(|_| Problem::Open("interrupted".to_owned()))??;
        let kind = kind(directory, new)?;
        let keys = SoftwareKeys::open(Box::new(profile.file("keys")), entropy.clone(), persona(&kind, finger, out))?;
        let clock = Arc::new(SystemClock::start());
        let config = ClientConfig {
            core: core_config(roots, &kind.model, out.language().tag()),
            store: Arc::new(profile.file("state")),
            keys: Arc::new(keys),
            transport: TransportConfig::default(),
        };
        let client = Client::open_in(config, Surroundings { clock: clock.clone(), entropy }).await.map_err(opening)?;
        let phone = Self { client, person: person.map(IdentityId), out, clock };
        match phone.client.run(Command::Resume).await {
            // What is open stays open; the command that follows says whether it matters.
            Ok(_) | Err(Failure::NoNetwork) => Ok(phone),
            Err(failure) => Err(failure.into()),
        }
    }

    /// A phone that ends with the process.
    ///
    /// # Errors
    /// [`Problem::Open`].
    pub(crate) async fn in_memory(roots: &Roots, model: &str, finger: Finger, out: Output) -> Result<Self, Problem> {
        let entropy = Entropy::system();
        let kind = Kind { model: model.to_owned(), ..Kind::default() };
        let clock = Arc::new(SystemClock::start());
        let config = ClientConfig {
            core: core_config(roots, model, out.language().tag()),
            store: Arc::new(MemoryStore::default()),
            keys: Arc::new(SoftwareKeys::in_memory(entropy.clone(), persona(&kind, finger, out))),
            transport: TransportConfig::default(),
        };
        let client = Client::open_in(config, Surroundings { clock: clock.clone(), entropy }).await.map_err(opening)?;
        Ok(Self { client, person: None, out, clock })
    }

    /// The same phone, for another person on it.
    pub(crate) fn again(&self) -> Self {
        Self { client: self.client.clone(), person: self.person, out: self.out, clock: Arc::clone(&self.clock) }
    }

    /// Runs a command.
    ///
    /// # Errors
    /// [`Problem::Phone`].
    pub(crate) async fn run(&self, command: Command) -> Result<Outcome, Problem> {
        Ok(self.client.run(command).await?)
    }

    /// The person that is meant, or the only one.
    ///
    /// # Errors
    /// [`Failure::NoIdentity`].
    pub(crate) fn identity(&self) -> Result<IdentityView, Problem> {
        let mut people = self.client.identities();
        let only = people.len() == 1;
        let found = people.iter().position(|view| self.person.map_or(only, |person| view.id == person));
        Ok(found.map(|index| people.swap_remove(index)).ok_or(Failure::NoIdentity)?)
    }

    /// A request as it stands now.
    pub(crate) fn shown(&self, view: &godkend_core::RequestView) -> Report {
        Report::Request(Box::new(Request::of(view, self.clock.now().monotonic_ms)))
    }
}

fn kind(directory: &Path, new: Option<Kind>) -> Result<Kind, Problem> {
    let path = directory.join("phone.json");
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| Problem::file(&path, e)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if let Some(kind) = &new {
                write_private(&path, &serde_json::to_vec_pretty(kind).map_err(|e| Problem::file(&path, e))?)?;
            }
            Ok(new.unwrap_or_default())
        }
        Err(error) => Err(Problem::file(&path, error)),
    }
}

fn core_config(roots: &Roots, model: &str, language: &str) -> Config {
    Config {
        roots: roots.iter().cloned().collect(),
        info: DeviceInfo {
            model: model.to_owned(),
            platform: format!("Godkend headless on {}", std::env::consts::OS),
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            language: language.to_owned(),
        },
        suites: vec![Suite::P256, Suite::Hybrid],
        security: SecurityLevel::Software,
    }
}

fn persona(kind: &Kind, finger: Finger, out: Output) -> Persona {
    let biometrics = kind.biometrics.then(|| -> Arc<dyn BiometricPrompt> {
        match finger {
            Finger::Ask => Arc::new(AskFinger(out)),
            Finger::Match => Arc::new(Touch::Match),
            Finger::Cancel => Arc::new(Touch::Cancel),
            Finger::Locked => Arc::new(Touch::LockedOut),
        }
    });
    Persona { biometrics, key_agreement: kind.key_agreement }
}

/// The sensor, played at the terminal.
struct AskFinger(Output);

#[async_trait]
impl BiometricPrompt for AskFinger {
    async fn ask(&self, text: &str) -> Touch {
        let danish = format!("[Sensor] {text}\n         Læg fingeren på?");
        let english = format!("[Sensor] {text}\n         Put your finger on it?");
        match ask::confirm(&self.0, &danish, &english).await {
            Ok(true) => Touch::Match,
            _ => Touch::Cancel,
        }
    }
}

fn opening(error: OpenError) -> Problem {
    match error {
        OpenError::Store(error) => Problem::Store(error),
        other => Problem::Open(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_keeps_its_kind() {
        let folder = tempfile::tempdir().unwrap();
        let pixel = Kind { model: "Pixel 9".to_owned(), biometrics: false, key_agreement: false };
        assert_eq!(kind(folder.path(), None).unwrap(), Kind::default());
        assert_eq!(kind(folder.path(), Some(pixel.clone())).unwrap(), pixel);
        assert_eq!(kind(folder.path(), Some(Kind::default())).unwrap(), pixel);
        std::fs::write(folder.path().join("phone.json"), "{}").unwrap();
        assert!(matches!(kind(folder.path(), None), Err(Problem::File { .. })));
    }
}
