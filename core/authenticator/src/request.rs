//! Requests: fetched by scan, number, link or push, verified, and shown exactly as signed.

use godkend_protocol::bytes::{Blob, Hash32, Id};
use godkend_protocol::cose::Received;
use godkend_protocol::formats::{digits, link::Link};
use godkend_protocol::messages::approval::{
    Challenge, Fetch, FetchHow, Fetched, MAX_LIFETIME, RelyingParty, challenge_hash,
};
use godkend_protocol::messages::offline::OfflineChallenge;
use godkend_protocol::messages::pin::PinStatus;
use godkend_protocol::text;
use godkend_protocol::types::{
    Action, Binding, Factor, KeyPurpose, Level, LogPosition, Operation, Payment, VersionPolicy,
};

use crate::activation;
use crate::command::Outcome;
use crate::error::Failure;
use crate::flow::Port;
use crate::offline;
use crate::state::IdentityId;
use crate::trust::decode_reply;

/// Names a request that is shown; good until it is answered, expires or the app is closed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// Everything that a person must see before deciding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestView {
    /// To answer it with.
    pub id: RequestId,
    /// Who is asked.
    pub identity: IdentityId,
    /// The transaction.
    pub transaction: Id,
    /// Who asks.
    pub relying_party: RelyingParty,
    /// What an approval does.
    pub action: Action,
    /// The reference text, unchanged.
    pub text: Option<String>,
    /// The payment.
    pub payment: Option<Payment>,
    /// The device's own wish, or a notice about a new device.
    pub operation: Option<Operation>,
    /// A notice of use: nobody asks for anything. The text says what was used; the person says whether it was them, by
    /// [`crate::Command::Deny`] that it was, and by [`crate::Command::ReportFraud`] that it was not.
    pub notice_of_use: bool,
    /// The level that was asked for.
    pub level: Level,
    /// What this phone can approve it with.
    pub factors: Vec<Factor>,
    /// How the browser is bound.
    pub binding: Binding,
    /// Where the browser seems to be.
    pub place: Option<String>,
    /// Which browser and system it says it is.
    pub browser: Option<String>,
    /// This person has not signed in from this browser before.
    pub new_browser: bool,
    /// The page offers to remember this browser.
    pub may_remember: bool,
    /// Milliseconds of the monotonic clock at which it expires; none offline, where the server alone judges.
    pub expires_at_ms: Option<u64>,
    /// The PIN's tries.
    pub pin: Option<PinStatus>,
    /// What the server says about the app's version.
    pub policy: VersionPolicy,
}

/// A shown request with what its answer needs.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) view: RequestView,
    pub(crate) hash: Hash32,
    pub(crate) kind: ShownKind,
}

#[derive(Clone, Debug)]
pub(crate) enum ShownKind {
    /// The COSE challenge.
    Online(Blob),
    Offline(Box<OfflineChallenge>),
}

/// How many requests may be shown at once; the oldest is dropped.
const SHOWN_MAX: usize = 8;

/// How often a challenge is asked for while other requests of the same identity move its place in the log.
pub(crate) const MOST_ASKED: usize = 6;

pub(crate) async fn open(port: &Port, identity: IdentityId, id: Id) -> Result<Outcome, Failure> {
    fetch(port, identity, FetchHow::Pushed { id }).await
}

pub(crate) async fn number(port: &Port, identity: IdentityId, number: &str) -> Result<Outcome, Failure> {
    let number = digits::parse(number).ok_or(Failure::NotACode)?;
    fetch(port, identity, FetchHow::Numbered { number }).await
}

/// What the camera saw. A same-device link is refused: it must open the app on the device that shows the page.
pub(crate) async fn scan(port: &Port, identity: Option<IdentityId>, text: &str) -> Result<Outcome, Failure> {
    match parse(text)? {
        Link::Activation(_) => activation::activate(port, text, None).await,
        Link::Login(frame) => {
            let identity = port.shared().state.resolve(identity)?;
            check_environment(port, identity, &frame.environment)?;
            let how = FetchHow::Scanned { session: frame.session, frame: frame.frame, code: frame.code };
            fetch(port, identity, how).await
        }
        Link::Offline(link) => offline::show(port, identity, &link.challenge),
        Link::SameDevice(_) => Err(Failure::NotACode),
    }
}

/// What opened the app. A login page's QR code is refused: a stranger's code in a message must not open a request.
pub(crate) async fn open_link(port: &Port, identity: Option<IdentityId>, text: &str) -> Result<Outcome, Failure> {
    match parse(text)? {
        Link::Activation(_) => activation::activate(port, text, None).await,
        Link::SameDevice(link) => {
            let identity = port.shared().state.resolve(identity)?;
            check_environment(port, identity, &link.environment)?;
            fetch(port, identity, FetchHow::Linked { session: link.session, secret: link.secret }).await
        }
        Link::Login(_) | Link::Offline(_) => Err(Failure::NotACode),
    }
}

pub(crate) fn parse(text: &str) -> Result<Link, Failure> {
    use godkend_protocol::formats::link::LinkError;
    Link::parse(text.trim()).map_err(|error| match error {
        LinkError::NotOurs | LinkError::Damaged => Failure::NotACode,
        LinkError::Newer => Failure::UpdateNeeded,
    })
}

fn check_environment(port: &Port, identity: IdentityId, environment: &str) -> Result<(), Failure> {
    if port.root_of(identity)?.environment == environment { Ok(()) } else { Err(Failure::UnknownRoot) }
}

async fn fetch(port: &Port, identity: IdentityId, how: FetchHow) -> Result<Outcome, Failure> {
    for _ in 0..MOST_ASKED {
        let nonce = port.random();
        let started = port.now().monotonic_ms;
        let (device, log) = {
            let shared = port.shared();
            let identity = shared.state.identity(identity)?;
            (identity.device, identity.log)
        };
        let app_version = port.config.info.app_version.clone();
        let fetch = Fetch { device, nonce, how: how.clone(), log, app_version };
        let (bytes, _) = port.sign(identity, &fetch).await?;
        let reply = port.post_as(identity, Fetch::PATH, bytes, 0).await?;
        let Some(shown) = verify(port, identity, &reply, &nonce.0, started, log).await? else { continue };
        let expected = match how {
            FetchHow::Pushed { id: expected } | FetchHow::Scanned { session: expected, .. } => {
                expected == shown.view.transaction
            }
            FetchHow::Linked { session, .. } => session == shown.view.transaction,
            // The number alone names it; which request it opened is what the person is about to read.
            FetchHow::Numbered { .. } => true,
        };
        return if expected { Ok(show(port, shown)) } else { Err(Failure::Untrusted) };
    }
    Err(Failure::Busy)
}

/// Makes a verified request answerable.
pub(crate) fn show(port: &Port, mut shown: Shown) -> Outcome {
    let mut shared = port.shared();
    shown.view.id = RequestId(shared.next_request);
    shared.next_request += 1;
    // The same transaction fetched again replaces what was shown before.
    shared.shown.retain(|other| other.view.transaction != shown.view.transaction);
    if shared.shown.len() >= SHOWN_MAX {
        shared.shown.remove(0);
    }
    let view = shown.view.clone();
    shared.shown.push(shown);
    Outcome::Request(Box::new(view))
}

/// Checks all of a fetched challenge before a person sees any of it. `log` is where the identity had seen the log when it
/// asked; none comes back if another request has moved it on meanwhile, and it has to be asked anew.
pub(crate) async fn verify(
    port: &Port,
    identity: IdentityId,
    reply: &[u8],
    nonce: &[u8; 32],
    started_ms: u64,
    log: Option<LogPosition>,
) -> Result<Option<Shown>, Failure> {
    let fetched: Fetched = decode_reply(reply)?;
    let root = port.root_of(identity)?;
    let received: Received<Challenge> = port.open(&root, &fetched.challenge.0).await?;
    let position = port.follow_log(identity, &fetched.checkpoint, &fetched.consistency, log).await?;
    let Some(position) = position else { return Ok(None) };
    let challenge = received.claimed();
    let (account, device, biometric) = {
        let shared = port.shared();
        let alone = shared.state.identities.len() == 1;
        let identity = shared.state.identity(identity)?;
        (identity.account, identity.device, alone && identity.has(KeyPurpose::Biometric))
    };
    let lifetime = lifetime(challenge.issued, challenge.expires).ok_or(Failure::Untrusted)?;
    let genuine = challenge.account == account
        && challenge.device == device
        && challenge.nonce.0 == *nonce
        && challenge.log == position
        && challenge.action.is_relying_party() == challenge.operation.is_none()
        && challenge.operation.as_ref().is_none_or(|operation| operation.action() == challenge.action)
        // What is proved on a page asks no phone.
        && !matches!(challenge.binding, Binding::Typed | Binding::Origin);
    if !genuine || !is_showable(challenge) {
        return Err(Failure::Untrusted);
    }
    let factors = challenge
        .factors
        .iter()
        .copied()
        .filter(|factor| *factor == Factor::Pin || (*factor == Factor::Biometric && biometric))
        .collect();
    let lifetime_ms = u64::try_from(lifetime).unwrap_or(0) * 1000;
    let view = RequestView {
        id: RequestId(0),
        identity,
        transaction: challenge.transaction,
        relying_party: challenge.relying_party.clone(),
        action: challenge.action,
        text: challenge.text.clone(),
        payment: challenge.payment.clone(),
        operation: challenge.operation.clone(),
        notice_of_use: challenge.is_notice_of_use(&root.environment),
        level: challenge.level,
        factors,
        binding: challenge.binding,
        place: challenge.place.clone(),
        browser: challenge.browser.clone(),
        new_browser: challenge.new_browser,
        may_remember: challenge.may_remember,
        // The server's time is at least that of the nonce, so the app gives up no later than the server.
        expires_at_ms: Some(started_ms.saturating_add(lifetime_ms)),
        pin: fetched.pin,
        policy: fetched.policy,
    };
    let hash = challenge_hash(received.payload());
    Ok(Some(Shown { view, hash, kind: ShownKind::Online(fetched.challenge) }))
}

/// Seconds that a challenge lives, if they are as many as one may have. Its times are any numbers until then.
fn lifetime(issued: i64, expires: i64) -> Option<i64> {
    expires.checked_sub(issued).filter(|seconds| (1..=MAX_LIFETIME).contains(seconds))
}

/// Whether every text of a challenge can be shown as it is.
fn is_showable(challenge: &Challenge) -> bool {
    let name = |name: &Option<String>| name.as_deref().is_none_or(|name| text::check(name, text::MAX_NAME).is_ok());
    text::check(&challenge.relying_party.name, text::MAX_NAME).is_ok()
        && challenge.text.as_deref().is_none_or(|text| text::check(text, text::MAX_REFERENCE_TEXT).is_ok())
        && challenge.payment.as_ref().is_none_or(is_showable_payment)
        && name(&challenge.place)
        && name(&challenge.browser)
}

pub(crate) fn is_showable_payment(payment: &Payment) -> bool {
    text::check(&payment.payee, text::MAX_NAME).is_ok()
        && payment.account.as_deref().is_none_or(|account| text::check(account, text::MAX_NAME).is_ok())
        && payment.currency.len() == 3
        && payment.currency.bytes().all(|b| b.is_ascii_uppercase())
}

impl Port {
    /// A request that is shown and not past its time.
    pub(crate) fn shown(&self, id: RequestId) -> Result<Shown, Failure> {
        let mut shared = self.shared();
        let now = shared.now.monotonic_ms;
        let place = shared.shown.iter().position(|shown| shown.view.id == id).ok_or(Failure::NoRequest)?;
        let shown = shared.shown.get(place).cloned().ok_or(Failure::NoRequest)?;
        if shown.view.expires_at_ms.is_some_and(|end| now >= end) {
            shared.shown.remove(place);
            return Err(Failure::Expired);
        }
        Ok(shown)
    }

    /// Takes a request off the screen.
    pub(crate) fn unshow(&self, id: RequestId) {
        self.shared().shown.retain(|shown| shown.view.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_lives_at_least_a_second_and_at_most_three_minutes() {
        for (issued, expires, seconds) in [
            (1_000, 1_180, Some(180)),
            (1_000, 1_001, Some(1)),
            (i64::MIN, i64::MIN + 1, Some(1)),
            (1_000, 1_000, None),
            (1_000, 1_181, None),
            (1_001, 1_000, None),
            (i64::MIN, i64::MAX, None),
            (i64::MAX, i64::MIN, None),
            (1, i64::MIN, None),
        ] {
            assert_eq!(lifetime(issued, expires), seconds, "{issued} {expires}");
        }
    }
}
