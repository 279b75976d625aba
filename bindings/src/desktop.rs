//! Keys and state in one folder: for desktops, Python and tests, never for a citizen's phone.

use std::sync::Arc;

use async_trait::async_trait;
use godkend_client::entropy::Entropy;
use godkend_client::software_keys::{BiometricPrompt, Persona, SoftwareKeys, Touch as ClientTouch};
use godkend_client::state::{self as port, Passphrase, Profile, StateStore as _, Wrapping};
use tokio::sync::watch;

use crate::error::PhoneError;
use crate::keys::{HardwareKeys, Software};
use crate::secret::SecretBytes;
use crate::store::{StateStore, StoreError};

/// What the person does when the played biometric prompt comes up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum Touch {
    /// The finger or face matches.
    Match,
    /// The person cancels.
    Cancel,
    /// Too many failed matches: locked out.
    LockedOut,
    /// The person does not answer until the touch is changed.
    Waits,
}

/// **For desktops, scripts and tests.** Keys in software and state in a file, both sealed in one folder, which one
/// process at a time has open. A server takes such keys in test environments only.
///
/// It can also play a phone that makes trouble: no biometrics, no key agreement, a new finger, a restored backup.
#[derive(uniffi::Object)]
pub struct Desktop {
    keys: Arc<SoftwareKeys>,
    profile: Profile,
    touch: watch::Sender<Touch>,
}

#[uniffi::export]
impl Desktop {
    /// Opens the folder, or makes it. Under a passphrase of at least 12 characters, or with a key file beside what it
    /// seals, which guards a copied file and not a copied folder. Blocks while a passphrase is stretched.
    #[uniffi::constructor(default(passphrase = None))]
    pub fn new(folder: String, passphrase: Option<SecretBytes>) -> Result<Arc<Self>, PhoneError> {
        let wrapping = match passphrase {
            Some(passphrase) => {
                let text = std::str::from_utf8(passphrase.as_bytes())
                    .map_err(|_| PhoneError::BadConfiguration { what: "the passphrase is not UTF-8".to_owned() })?;
                Wrapping::Passphrase(Passphrase::new(text.to_owned()))
            }
            None => Wrapping::KeyFile,
        };
        let entropy = Entropy::system();
        let profile = Profile::open(folder, &wrapping, entropy.clone())?;
        let keys = SoftwareKeys::open(Box::new(profile.file("keys")), entropy, Persona::default())?;
        Ok(Arc::new(Self { keys: Arc::new(keys), profile, touch: watch::Sender::new(Touch::Match) }))
    }

    /// The key store.
    pub fn keys(&self) -> Arc<dyn HardwareKeys> {
        Arc::new(Software(Arc::clone(&self.keys)))
    }

    /// The store of the state.
    pub fn store(&self) -> Arc<dyn StateStore> {
        Arc::new(File(self.profile.file("state")))
    }

    /// From now on: whether there is a biometric sensor and how each prompt ends, and whether the hardware can agree.
    /// At first there is no sensor, and it can.
    #[uniffi::method(default(touch = None, key_agreement = true))]
    pub fn play(&self, touch: Option<Touch>, key_agreement: bool) {
        let biometrics = touch.map(|touch| {
            self.touch.send_replace(touch);
            let prompt: Arc<dyn BiometricPrompt> = Arc::new(Prompt(self.touch.subscribe()));
            prompt
        });
        self.keys.set_persona(Persona { biometrics, key_agreement });
    }

    /// A new finger is enrolled in the settings: biometric keys are invalid for good.
    pub fn enrol_new_finger(&self) -> Result<(), PhoneError> {
        Ok(self.keys.enrol_new_finger()?)
    }

    /// All keys are gone, as after a restored backup.
    pub fn lose_keys(&self) -> Result<(), PhoneError> {
        Ok(self.keys.forget_all()?)
    }
}

/// A prompt that ends as the newest touch says.
struct Prompt(watch::Receiver<Touch>);

#[async_trait]
impl BiometricPrompt for Prompt {
    async fn ask(&self, _: &str) -> ClientTouch {
        let mut touches = self.0.clone();
        let touch = touches.wait_for(|touch| *touch != Touch::Waits).await;
        match touch.as_deref() {
            Ok(Touch::Match) => ClientTouch::Match,
            Ok(Touch::LockedOut) => ClientTouch::LockedOut,
            // Waits does not come here; an error means that the desktop is gone.
            Ok(Touch::Cancel | Touch::Waits) | Err(_) => ClientTouch::Cancel,
        }
    }
}

/// The profile's file of the state, as an app's store.
struct File(port::SealedFile);

impl StateStore for File {
    fn load(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.load().map_err(of_client)?.map(|blob| blob.to_vec()))
    }

    fn save(&self, blob: Vec<u8>) -> Result<(), StoreError> {
        self.0.save(&blob).map_err(of_client)
    }
}

fn of_client(error: port::StoreError) -> StoreError {
    match error {
        port::StoreError::Damaged => StoreError::Damaged,
        port::StoreError::KeyMissing => StoreError::KeyMissing,
        error => StoreError::Failed { detail: error.to_string() },
    }
}
