//! The person's own affairs: history, PIN, biometrics, phones, browsers, moving, blocking.
//!
//! Where an approval is needed, `pin` is the PIN; left out, a finger or face approves.

use godkend_core::{Approval, Command, Outcome};

use super::{Phone, id, identity, typed_pin};
use crate::error::PhoneError;
use crate::history::{HistoryLine, to_csv};
use crate::management::{HandedOut, NewPhone, Overview};
use crate::secret::SecretBytes;

#[uniffi::export]
impl Phone {
    /// What happened on this phone, oldest first.
    #[uniffi::method(default(person = None))]
    pub fn history(&self, person: Option<u32>) -> Result<Vec<HistoryLine>, PhoneError> {
        let lines = self.client.history(identity(person))?;
        Ok(lines.into_iter().map(HistoryLine::from).collect())
    }

    /// The history as CSV (RFC 4180), for the person to keep: times in UTC, events and actions by their stable names.
    #[uniffi::method(default(person = None))]
    pub fn export_history(&self, person: Option<u32>) -> Result<String, PhoneError> {
        Ok(to_csv(&self.client.history(identity(person))?))
    }

    /// A new PIN for the old; both six ASCII digits.
    #[uniffi::method(default(person = None))]
    pub async fn change_pin(&self, old: SecretBytes, new: SecretBytes, person: Option<u32>) -> Result<(), PhoneError> {
        let (old, new) = (typed_pin(&old)?, typed_pin(&new)?);
        self.run(Command::ChangePin { identity: identity(person), old, new }).await.map(drop)
    }

    /// Biometrics on, and offline codes where the hardware can agree.
    #[uniffi::method(default(person = None))]
    pub async fn enable_biometrics(&self, pin: SecretBytes, person: Option<u32>) -> Result<(), PhoneError> {
        let pin = typed_pin(&pin)?;
        self.run(Command::EnableBiometrics { identity: identity(person), pin }).await.map(drop)
    }

    /// Biometrics off, offline codes with them. Without a PIN a finger or face approves it.
    #[uniffi::method(default(pin = None, person = None))]
    pub async fn disable_biometrics(&self, pin: Option<SecretBytes>, person: Option<u32>) -> Result<(), PhoneError> {
        let with = approval(pin)?;
        self.run(Command::DisableBiometrics { identity: identity(person), with }).await.map(drop)
    }

    /// New keys for old.
    #[uniffi::method(default(person = None))]
    pub async fn rotate_keys(&self, pin: SecretBytes, person: Option<u32>) -> Result<(), PhoneError> {
        let pin = typed_pin(&pin)?;
        self.run(Command::RotateKeys { identity: identity(person), pin }).await.map(drop)
    }

    /// The person's phones and remembered browsers, from the server.
    #[uniffi::method(default(person = None))]
    pub async fn overview(&self, person: Option<u32>) -> Result<Overview, PhoneError> {
        let Outcome::Overview(overview) = self.run(Command::Overview { identity: identity(person) }).await? else {
            return Err(PhoneError::Unexpected);
        };
        let people = self.client.identities();
        let this = people.iter().find(|view| person.is_none_or(|person| view.id.0 == person));
        Ok(Overview::new(*overview, this.map(|view| view.device.to_base64()).as_deref()))
    }

    /// Removes a phone of the same person, this one if none is named. Without a PIN a finger or face approves it.
    #[uniffi::method(default(phone = None, pin = None, person = None))]
    pub async fn remove_phone(
        &self,
        phone: Option<String>,
        pin: Option<SecretBytes>,
        person: Option<u32>,
    ) -> Result<(), PhoneError> {
        let device = phone.as_deref().map(id).transpose()?;
        let with = approval(pin)?;
        self.run(Command::RemoveDevice { identity: identity(person), device, with }).await.map(drop)
    }

    /// Forgets a remembered browser. Without a PIN a finger or face approves it.
    #[uniffi::method(default(pin = None, person = None))]
    pub async fn forget_browser(
        &self,
        browser: String,
        pin: Option<SecretBytes>,
        person: Option<u32>,
    ) -> Result<(), PhoneError> {
        let browser = id(&browser)?;
        let with = approval(pin)?;
        self.run(Command::ForgetBrowser { identity: identity(person), browser, with }).await.map(drop)
    }

    /// Whether browsers that nobody remembered may call this person's phones. Without a PIN a finger or face approves.
    #[uniffi::method(default(pin = None, person = None))]
    pub async fn set_locked_push(
        &self,
        on: bool,
        pin: Option<SecretBytes>,
        person: Option<u32>,
    ) -> Result<(), PhoneError> {
        let with = approval(pin)?;
        self.run(Command::SetLockedPush { identity: identity(person), on, with }).await.map(drop)
    }

    /// Hands out an activation for another phone; with `keep` this one stays in use afterwards. Show the link as a QR
    /// code, then `typeNewPhoneDigits`. Without a PIN a finger or face approves it.
    #[uniffi::method(default(pin = None, person = None))]
    pub async fn move_to_new_phone(
        &self,
        keep: bool,
        pin: Option<SecretBytes>,
        person: Option<u32>,
    ) -> Result<HandedOut, PhoneError> {
        let with = approval(pin)?;
        match self.run(Command::Move { identity: identity(person), with, keep }).await? {
            Outcome::Activation(handed) => Ok(HandedOut { link: handed.link, expires_at: handed.expires }),
            _ => Err(PhoneError::Unexpected),
        }
    }

    /// The eight digits that the new phone shows. Three tries.
    #[uniffi::method(default(person = None))]
    pub async fn type_new_phone_digits(&self, digits: String, person: Option<u32>) -> Result<NewPhone, PhoneError> {
        match self.run(Command::MoveDigits { identity: identity(person), digits }).await? {
            Outcome::MovedTo { model, place, active_from } => Ok(NewPhone { model, place, active_from }),
            _ => Err(PhoneError::Unexpected),
        }
    }

    /// Blocks this phone at once, without a PIN. Only support or a new activation opens it again.
    #[uniffi::method(default(person = None))]
    pub async fn block(&self, person: Option<u32>) -> Result<(), PhoneError> {
        self.run(Command::Block { identity: identity(person) }).await.map(drop)
    }

    /// Takes a person who can no longer be used (blocked, frozen, removed, void) off this phone, keys and all.
    pub async fn forget(&self, person: u32) -> Result<(), PhoneError> {
        self.run(Command::Forget { identity: godkend_core::IdentityId(person) }).await.map(drop)
    }
}

fn approval(pin: Option<SecretBytes>) -> Result<Approval, PhoneError> {
    pin.map_or(Ok(Approval::Biometric), |pin| Ok(Approval::Pin(typed_pin(&pin)?)))
}
