//! Wake-ups: where the server can wake this phone.

use std::sync::Arc;

use godkend_core::{Command, Outcome, PushWish};
use godkend_protocol::bytes::{Blob, PublicKey, Secret};
use godkend_protocol::messages::push::{self, PushState};

use crate::error::PhoneError;
use crate::phone::{Phone, identity};

/// Where this phone can be woken. It prints nothing: whoever knows one may disturb its owner.
#[derive(uniffi::Object)]
pub struct PushAddress(push::PushAddress);

#[uniffi::export]
impl PushAddress {
    /// Firebase Cloud Messaging: the registration token.
    #[uniffi::constructor]
    pub fn fcm(token: String) -> Arc<Self> {
        Arc::new(Self(push::PushAddress::Fcm { token }))
    }

    /// Apple Push Notification service: the device token, and whether the build is for development.
    #[uniffi::constructor]
    pub fn apns(token: Vec<u8>, sandbox: bool) -> Arc<Self> {
        Arc::new(Self(push::PushAddress::Apns { token: Blob(token), sandbox }))
    }

    /// Web Push, without Google or Apple: endpoint, `p256dh` and `auth` (Base64url), as a UnifiedPush distributor gives
    /// them for a subscription under `PushServices.webPush`.
    #[uniffi::constructor]
    pub fn web_push(endpoint: String, p256dh: String, auth: String) -> Result<Arc<Self>, PhoneError> {
        let key = PublicKey::from_base64(p256dh.trim_end_matches('=')).ok_or(PhoneError::NotACode)?;
        let auth = Secret::from_base64(auth.trim_end_matches('=')).ok_or(PhoneError::NotACode)?;
        let address = push::PushAddress::WebPush { endpoint, key, auth };
        if address.is_well_formed() { Ok(Arc::new(Self(address))) } else { Err(PhoneError::NotACode) }
    }
}

impl core::fmt::Debug for PushAddress {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// What the server can send, and whether it has an address of this phone.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct PushServices {
    /// It has an address of this phone. Look at each start: a gateway may have called it void.
    pub registered: bool,
    /// It sends through FCM.
    pub fcm: bool,
    /// It sends through APNs.
    pub apns: bool,
    /// It sends Web Push under this VAPID key (Base64url): restrict the subscription to it.
    pub web_push: Option<String>,
}

impl From<PushState> for PushServices {
    fn from(state: PushState) -> Self {
        let PushState { registered, fcm, apns, web_push } = state;
        Self { registered, fcm, apns, web_push: web_push.map(|key| key.to_base64()) }
    }
}

#[uniffi::export]
impl Phone {
    /// Has this phone woken at an address, in place of any other: at each start, and when the address changes. Without one
    /// everything works by looking (`watch`, `waiting`).
    #[uniffi::method(default(person = None))]
    pub async fn register_push(
        &self,
        address: Arc<PushAddress>,
        person: Option<u32>,
    ) -> Result<PushServices, PhoneError> {
        self.push(PushWish::Set(address.0.clone()), person).await
    }

    /// Has this phone woken no more.
    #[uniffi::method(default(person = None))]
    pub async fn remove_push(&self, person: Option<u32>) -> Result<PushServices, PhoneError> {
        self.push(PushWish::Remove, person).await
    }

    /// What the server can send, and whether it has an address of this phone.
    #[uniffi::method(default(person = None))]
    pub async fn push_services(&self, person: Option<u32>) -> Result<PushServices, PhoneError> {
        self.push(PushWish::Ask, person).await
    }

    /// Whom a wake-up is for, by the handle that it carried. Sends nothing: `waiting` next, for everybody on this phone if
    /// the handle is not known.
    pub fn woken(&self, handle: String) -> Option<u32> {
        self.client().woken(&handle).map(|person| person.0)
    }
}

impl Phone {
    async fn push(&self, wish: PushWish, person: Option<u32>) -> Result<PushServices, PhoneError> {
        match self.run(Command::Push { identity: identity(person), wish }).await? {
            Outcome::Push(state) => Ok(state.into()),
            _ => Err(PhoneError::Unexpected),
        }
    }
}
