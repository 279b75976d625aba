//! A phone on a desktop, from one directory.

use std::path::PathBuf;
use std::sync::Arc;

use godkend_core::Config;

use crate::driver::{Client, ClientConfig, OpenError, TransportConfig};
use crate::entropy::Entropy;
use crate::software_keys::{Persona, SoftwareKeys};
use crate::state::{Method, Profile, StoreError, Wrapping};

/// A client whose state and software keys lie sealed in one directory.
#[derive(Clone, Debug)]
pub struct Desktop {
    /// The client.
    pub client: Client,
    /// Its keys: to play new fingers and restores.
    pub keys: Arc<SoftwareKeys>,
    /// How the directory's key is kept.
    pub method: Method,
}

impl Desktop {
    /// Opens the profile in `directory`, or makes one. It stays taken until the client and its keys are dropped.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        directory: impl Into<PathBuf>,
        wrapping: Wrapping,
        core: Config,
        persona: Persona,
    ) -> Result<Self, OpenError> {
        let directory = directory.into();
        // A key store may ask the person, and a passphrase takes its time.
        let open = move || -> Result<_, StoreError> {
            let entropy = Entropy::system();
            let profile = Profile::open(directory, &wrapping, entropy.clone())?;
            let keys = SoftwareKeys::open(Box::new(profile.file("keys")), entropy, persona)?;
            Ok((profile, Arc::new(keys)))
        };
        let (profile, keys) = tokio::task::spawn_blocking(open).await.unwrap_or(Err(StoreError::Stopped))?;
        let store = Arc::new(profile.file("state"));
        let config = ClientConfig { core, store, keys: keys.clone(), transport: TransportConfig::default() };
        let client = Client::open(config).await?;
        Ok(Self { client, keys, method: profile.method() })
    }
}
