//! Where a phone can be woken: its push address, and the handle by which it knows what a wake-up is for.

use core::fmt;

use minicbor::{Decode, Encode};

use super::number;
use crate::bytes::{Blob, Id, Nonce, PublicKey, Secret};
use crate::cose::{Role, SignedMessage};
use crate::crypto;

/// The longest FCM registration token, in bytes. Google names no bound; today's have fewer than 200.
pub const MAX_FCM_TOKEN: usize = 4096;
/// The shortest APNs device token, in bytes.
pub const MIN_APNS_TOKEN: usize = 32;
/// The longest APNs device token, in bytes, as Apple bounds it.
pub const MAX_APNS_TOKEN: usize = 100;
/// The longest Web Push endpoint, in bytes.
pub const MAX_ENDPOINT: usize = 1024;

/// Gives, replaces or takes back this device's push address, or only asks what the server can send. Sent bare to `push`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PushRegister {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// Fresh.
    #[n(4)]
    pub nonce: Nonce,
    /// Above that of every earlier change of this device, so that none of those counts again.
    #[n(5)]
    pub number: u64,
    /// What to change; nothing if left out.
    #[n(6)]
    pub change: Option<PushChange>,
}

impl PushRegister {
    /// The request's path.
    pub const PATH: &'static str = "push";
}

impl SignedMessage for PushRegister {
    const TYPE: u16 = number::PUSH_REGISTER;
    const SIGNER: Role = Role::Possession;
}

/// A change of the push address.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum PushChange {
    /// From now on this one, and no other.
    #[n(1)]
    Set {
        /// What a wake-up carries, and nothing else: drawn by the phone, so that it can tell its identities apart.
        #[n(0)]
        handle: Secret<16>,
        /// Where to.
        #[n(1)]
        address: PushAddress,
    },
    /// None.
    #[n(2)]
    Remove,
}

/// Where a wake-up is sent. Whoever knows one may disturb its owner: debug output names the service alone.
#[derive(Clone, PartialEq, Eq, Encode, Decode, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushAddress {
    /// Firebase Cloud Messaging.
    #[n(1)]
    Fcm {
        /// The registration token.
        #[n(0)]
        token: String,
    },
    /// Apple Push Notification service.
    #[n(2)]
    Apns {
        /// The device token.
        #[n(0)]
        token: Blob,
        /// Of a development build.
        #[n(1)]
        sandbox: bool,
    },
    /// Web Push (RFC 8030), as UnifiedPush distributors and browsers give it: no Google, no Apple.
    #[n(3)]
    WebPush {
        /// The endpoint, an https address.
        #[n(0)]
        endpoint: String,
        /// The subscriber's public key (RFC 8291, `p256dh`).
        #[n(1)]
        key: PublicKey,
        /// The subscriber's secret (RFC 8291, `auth`).
        #[n(2)]
        auth: Secret<16>,
    },
}

impl fmt::Debug for PushAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushAddress({}, [redacted])", self.service())
    }
}

impl PushAddress {
    /// The service's name in logs and metrics: `fcm`, `apns`, `web_push`.
    #[must_use]
    pub const fn service(&self) -> &'static str {
        match self {
            Self::Fcm { .. } => "fcm",
            Self::Apns { .. } => "apns",
            Self::WebPush { .. } => "web_push",
        }
    }

    /// Whether it has the form that the protocol allows. Whether anybody is there, only its gateway knows.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let printable = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match self {
            Self::Fcm { token } => printable(token, MAX_FCM_TOKEN),
            Self::Apns { token, .. } => (MIN_APNS_TOKEN..=MAX_APNS_TOKEN).contains(&token.0.len()),
            Self::WebPush { endpoint, key, .. } => {
                let host = endpoint.strip_prefix("https://").map(|rest| rest.split(['/', '?']).next().unwrap_or(rest));
                let plain = host.is_some_and(|host| !host.is_empty() && !host.contains('@'));
                // A backslash ends a host for some parsers and not for others.
                plain
                    && printable(endpoint, MAX_ENDPOINT)
                    && !endpoint.contains(['#', '\\'])
                    && crypto::is_valid_point(key)
            }
        }
    }
}

/// What the server can send, and whether it has an address of this device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PushState {
    /// An address of this device is registered. One that its gateway has called void is not any more.
    #[n(1)]
    pub registered: bool,
    /// Sends through FCM.
    #[n(2)]
    pub fcm: bool,
    /// Sends through APNs.
    #[n(3)]
    pub apns: bool,
    /// Sends Web Push, and signs with this key (RFC 8292): what a subscription is to be restricted to.
    #[n(4)]
    pub web_push: Option<PublicKey>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Fixed;

    fn web(endpoint: &str) -> PushAddress {
        let key = crypto::p256_public(&crypto::p256_from_seed(&[1; 32], "push")).unwrap();
        PushAddress::WebPush { endpoint: endpoint.to_owned(), key, auth: Secret([9; 16]) }
    }

    #[test]
    fn addresses_have_a_form() {
        for good in [
            PushAddress::Fcm { token: "a".repeat(MAX_FCM_TOKEN) },
            PushAddress::Apns { token: Blob(vec![0; 32]), sandbox: true },
            PushAddress::Apns { token: Blob(vec![0; 100]), sandbox: false },
            web("https://push.example"),
            web("https://push.example:8443/abc?x=1"),
            web(&format!("https://{}", "a".repeat(MAX_ENDPOINT - 8))),
        ] {
            assert!(good.is_well_formed(), "{good:?}");
        }
        for bad in [
            PushAddress::Fcm { token: String::new() },
            PushAddress::Fcm { token: "a".repeat(MAX_FCM_TOKEN + 1) },
            PushAddress::Fcm { token: "a b".to_owned() },
            PushAddress::Fcm { token: "a\r\nb".to_owned() },
            PushAddress::Fcm { token: "æ".to_owned() },
            PushAddress::Apns { token: Blob(vec![0; 31]), sandbox: false },
            PushAddress::Apns { token: Blob(vec![0; 101]), sandbox: false },
        ] {
            assert!(!bad.is_well_formed(), "{bad:?}");
        }
        for bad in [
            "http://push.example/a",
            "https://",
            "https:///a",
            "https://a@push.example/",
            "https://push.example/#a",
            "https://push.example\\@other/",
            "https://push.example/ a",
            &format!("https://{}", "a".repeat(MAX_ENDPOINT)),
        ] {
            assert!(!web(bad).is_well_formed(), "{bad}");
        }
        let off_curve =
            PushAddress::WebPush { endpoint: "https://a".to_owned(), key: Fixed([4; 65]), auth: Secret([0; 16]) };
        assert!(!off_curve.is_well_formed());
    }

    #[test]
    fn debug_output_names_the_service_alone() {
        let register = |address| PushRegister {
            device: Fixed([1; 16]),
            nonce: Fixed([2; 32]),
            number: 1,
            change: Some(PushChange::Set { handle: Secret([0xab; 16]), address }),
        };
        for (address, service) in
            [(PushAddress::Fcm { token: "sesame".to_owned() }, "fcm"), (web("https://sesame.example/"), "web_push")]
        {
            let text = format!("{:?}", register(address));
            assert!(text.contains(service) && !text.contains("sesame") && !text.contains("ab"), "{text}");
        }
    }
}
