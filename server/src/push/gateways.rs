//! The gateways that are configured, and one way to send through any of them.

use core::fmt;
use core::time::Duration;

use godkend_protocol::bytes::{Fixed, PublicKey};
use godkend_protocol::messages::push::PushAddress;

use super::apns::Apns;
use super::fcm::Fcm;
use super::http::Answer;
use super::web_push::WebPush;
use super::{PushError, Target};
use crate::config::Config;

/// What became of a wake-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sent {
    /// The gateway has taken it.
    Done,
    /// The gateway knows no such address, or not any more.
    Gone,
    /// Worth trying again, no earlier than the gateway says.
    Later(Option<Duration>),
    /// The gateway refuses what is sent to it: nothing that another try would mend.
    Refused(u16),
}

/// The gateways that are configured.
pub struct Gateways {
    fcm: Option<Fcm>,
    apns: Option<Apns>,
    web_push: Option<WebPush>,
}

impl fmt::Debug for Gateways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fcm, apns, web_push) = self.offered();
        write!(f, "Gateways(fcm {fcm}, apns {apns}, web_push {})", web_push.is_some())
    }
}

impl Gateways {
    /// As the configuration has them.
    pub(super) fn new(config: &Config) -> Result<Self, PushError> {
        let push = &config.push;
        let fcm = if push.fcm_project.is_empty() { None } else { Some(Fcm::new(config)?) };
        let apns = if push.apns_topic.is_empty() { None } else { Some(Apns::new(config)?) };
        let web_push = if push.web_push_hosts.is_empty() { None } else { Some(WebPush::new(config)?) };
        Ok(Self { fcm, apns, web_push })
    }

    /// Whether anything can be sent.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.fcm.is_some() || self.apns.is_some() || self.web_push.is_some()
    }

    /// FCM, APNs, and the key of Web Push.
    #[must_use]
    pub fn offered(&self) -> (bool, bool, Option<PublicKey>) {
        let key = self.web_push.as_ref().map(|web_push| Fixed(*web_push.public()));
        (self.fcm.is_some(), self.apns.is_some(), key)
    }

    /// Whether something may be sent to this address.
    #[must_use]
    pub fn takes(&self, address: &PushAddress) -> bool {
        match address {
            PushAddress::Fcm { .. } => self.fcm.is_some(),
            PushAddress::Apns { .. } => self.apns.is_some(),
            PushAddress::WebPush { endpoint, .. } => {
                self.web_push.as_ref().is_some_and(|web_push| web_push.allowed(endpoint).is_some())
            }
        }
    }

    /// Where what is sent to this address queues: one gateway that never answers must not stop the others.
    pub(super) fn queue(&self, address: &PushAddress) -> String {
        let host = match (address, &self.web_push) {
            (PushAddress::WebPush { endpoint, .. }, Some(web_push)) => {
                web_push.allowed(endpoint).and_then(|url| url.host_str().map(str::to_owned))
            }
            _ => None,
        };
        host.unwrap_or_else(|| address.service().to_owned())
    }

    /// Sends one wake-up, of use for `life` seconds from `now` (Unix seconds).
    pub(super) async fn send(&self, target: &Target, now: i64, life: i64) -> Sent {
        match &target.address {
            PushAddress::Fcm { token } => match &self.fcm {
                Some(fcm) => fcm.send(token, &target.handle, now, life).await,
                None => Sent::Refused(0),
            },
            PushAddress::Apns { token, sandbox } => match &self.apns {
                Some(apns) => apns.send(&token.0, *sandbox, &target.handle, now, life).await,
                None => Sent::Refused(0),
            },
            PushAddress::WebPush { endpoint, key, auth } => match &self.web_push {
                Some(web_push) => web_push.send(endpoint, key, auth, &target.handle, now, life).await,
                None => Sent::Refused(0),
            },
        }
    }
}

/// What the statuses mean that mean the same everywhere.
pub(super) fn judge(answer: &Answer) -> Sent {
    match answer.status {
        200..=299 => Sent::Done,
        404 | 410 => Sent::Gone,
        408 | 429 | 500..=599 => Sent::Later(answer.retry_after),
        status => Sent::Refused(status),
    }
}
