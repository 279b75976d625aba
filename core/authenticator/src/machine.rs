//! The machine: commands in, effects out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use godkend_protocol::formats::digits;
use godkend_protocol::keyset::Root;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::types::{DeviceInfo, KeyPurpose, SecurityLevel, Suite};

use crate::command::{Command, Outcome};
use crate::error::Failure;
use crate::flow::{Effect, Flow, Now, Pool, Port, Reply, Shared, Ticket};
use crate::history::HistoryLine;
use crate::state::{IdentityId, IdentityView, State, StateError};
use crate::{activation, answer, device, manage, push, request};

/// What an app is built with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The roots of trust. A link selects one; nothing adds one.
    pub roots: Vec<Root>,
    /// What the phone says about itself.
    pub info: DeviceInfo,
    /// The suites that this app speaks.
    pub suites: Vec<Suite>,
    /// The protection that this phone's keys get, at least; the server may ask for more.
    pub security: SecurityLevel,
}

/// What can happen to the machine.
#[derive(Debug)]
pub enum Input {
    /// A person wants something.
    Command(Command),
    /// An effect was performed.
    Reply(Ticket, Reply),
    /// A person no longer wants it. What the server may have taken is settled by [`Command::Resume`] or by the next
    /// command of the identity.
    Cancel(Ticket),
}

/// A phone. See the crate's front page.
pub struct Authenticator {
    shared: Arc<Mutex<Shared>>,
    config: Arc<Config>,
    flows: BTreeMap<Ticket, Flow>,
    next: u64,
}

impl core::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Authenticator").field("running", &self.flows.len()).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// A phone as it was when `stored` was persisted, or a new one.
    ///
    /// # Errors
    /// [`StateError`]: the bytes are damaged or from a newer app. Nothing is guessed from them.
    pub fn new(config: Config, stored: Option<&[u8]>) -> Result<Self, StateError> {
        let state = stored.map_or_else(|| Ok(State::new()), State::from_bytes)?;
        let shared = Shared {
            state,
            shown: Vec::new(),
            poll_tokens: Vec::new(),
            known: Vec::new(),
            now: Now { wall: 0, monotonic_ms: 0 },
            sequence: 0,
            next_request: 1,
            busy: std::collections::BTreeSet::new(),
            poisoned: false,
            rng: Pool::new(),
        };
        Ok(Self { shared: Arc::new(Mutex::new(shared)), config: Arc::new(config), flows: BTreeMap::new(), next: 1 })
    }

    /// Takes one input. Gives at most one effect: the next of the command that the input belongs to. Several commands
    /// may run at once; those that change one identity exclude each other ([`Failure::Busy`]).
    pub fn handle(&mut self, now: Now, rng: &mut dyn rand_core::CryptoRng, input: Input) -> Option<Effect> {
        {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            // A monotonic clock that went back would lengthen a request's life.
            let monotonic_ms = now.monotonic_ms.max(shared.now.monotonic_ms);
            shared.now = Now { wall: now.wall, monotonic_ms };
            shared.rng.refresh(rng);
        }
        let (ticket, reply) = match input {
            Input::Command(command) => {
                let ticket = Ticket(self.next);
                self.next += 1;
                let port = Port::new(Arc::clone(&self.shared), Arc::clone(&self.config));
                self.flows.insert(ticket, Flow::new(port.clone(), run(port, command)));
                (ticket, None)
            }
            Input::Reply(ticket, reply) => (ticket, Some(reply)),
            Input::Cancel(ticket) => {
                self.flows.remove(&ticket)?;
                return Some(Effect { ticket, kind: crate::flow::EffectKind::Done(Err(Failure::Cancelled)) });
            }
        };
        let kind = self.flows.get_mut(&ticket)?.step(reply);
        if matches!(kind, crate::flow::EffectKind::Done(_)) {
            self.flows.remove(&ticket);
        }
        Some(Effect { ticket, kind })
    }

    /// The people on this phone.
    #[must_use]
    pub fn identities(&self) -> Vec<IdentityView> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let several = shared.state.identities.len() > 1;
        shared
            .state
            .identities
            .iter()
            .map(|identity| IdentityView {
                id: identity.id,
                name: identity.name.clone(),
                environment: self
                    .config
                    .roots
                    .iter()
                    .find(|root| root.fingerprint() == identity.root)
                    .map(|root| root.environment.clone())
                    .unwrap_or_default(),
                device: identity.device,
                standing: identity.standing(),
                biometrics: !several && identity.has(KeyPurpose::Biometric),
                offline: !several && identity.has(KeyPurpose::Offline),
                unsettled: identity.in_flight.is_some(),
                block_code: identity.block_code.clone(),
            })
            .collect()
    }

    /// An identity's history on this phone, oldest first.
    ///
    /// # Errors
    /// [`Failure::NoIdentity`].
    pub fn history(&self, identity: Option<IdentityId>) -> Result<Vec<HistoryLine>, Failure> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let id = shared.state.resolve(identity)?;
        Ok(shared.state.identity(id)?.history.clone())
    }

    /// The digits that the person is to type where the activation was handed out, while they are wanted.
    ///
    /// # Errors
    /// [`Failure::NoIdentity`].
    pub fn digits(&self, identity: Option<IdentityId>) -> Result<Option<String>, Failure> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let id = shared.state.resolve(identity)?;
        let enrolment = shared.state.identity(id)?.enrolment.as_ref();
        let wanted = enrolment.filter(|enrolment| enrolment.stage == Stage::Digits);
        Ok(wanted.map(|enrolment| digits::of_transcript(&enrolment.transcript)))
    }

    /// Whom a wake-up is for, by the handle that it carried; `None` for one that is not known (any more). Either way, ask
    /// what waits: a wake-up says that something may wait, and nothing else.
    #[must_use]
    pub fn woken(&self, handle: &str) -> Option<IdentityId> {
        push::woken(&self.shared.lock().unwrap_or_else(PoisonError::into_inner).state, handle)
    }

    /// Whether an activation was sent and its reply is not there yet: [`Command::Resume`] fetches it.
    #[must_use]
    pub fn activation_pending(&self) -> bool {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).state.activation.is_some()
    }
}

async fn run(port: Port, command: Command) -> Result<Outcome, Failure> {
    if port.shared().poisoned {
        return Err(Failure::Storage);
    }
    let who = |identity| port.shared().state.resolve(identity);
    match command {
        Command::Resume => activation::resume(&port).await,
        Command::Activate { text, environment } => activation::activate(&port, &text, environment.as_deref()).await,
        Command::Enrolment { identity, wait } => activation::status(&port, who(identity)?, wait).await,
        Command::ChoosePin { identity, pin } => activation::choose_pin(&port, who(identity)?, &pin).await,
        Command::ResetPin { identity } => activation::reset_pin(&port, who(identity)?).await,
        Command::Poll { identity, wait } => device::poll(&port, who(identity)?, wait).await,
        Command::Open { identity, id } => request::open(&port, who(identity)?, id).await,
        Command::Scan { identity, text } => request::scan(&port, identity, &text).await,
        Command::OpenLink { identity, text } => request::open_link(&port, identity, &text).await,
        Command::TypeNumber { identity, number } => request::number(&port, who(identity)?, &number).await,
        Command::Approve { request, with, remember_browser } => {
            answer::approve(&port, request, with, remember_browser).await
        }
        Command::Deny { request } => answer::refuse(&port, request, false).await,
        Command::ReportFraud { request } => answer::refuse(&port, request, true).await,
        Command::RefuseLocked { identity, id, fraud } => device::refuse_locked(&port, who(identity)?, id, fraud).await,
        Command::ChangePin { identity, old, new } => manage::change_pin(&port, who(identity)?, old, &new).await,
        Command::EnableBiometrics { identity, pin } => manage::enable_biometrics(&port, who(identity)?, pin).await,
        Command::DisableBiometrics { identity, with } => manage::disable_biometrics(&port, who(identity)?, with).await,
        Command::RotateKeys { identity, pin } => manage::rotate_keys(&port, who(identity)?, pin).await,
        Command::Move { identity, with, keep } => manage::hand_out(&port, who(identity)?, with, keep).await,
        Command::MoveDigits { identity, digits } => manage::digits(&port, who(identity)?, &digits).await,
        Command::Overview { identity } => device::overview(&port, who(identity)?).await,
        Command::RemoveDevice { identity, device, with } => {
            manage::remove_device(&port, who(identity)?, device, with).await
        }
        Command::ForgetBrowser { identity, browser, with } => {
            manage::forget_browser(&port, who(identity)?, browser, with).await
        }
        Command::SetLockedPush { identity, on, with } => manage::set_locked_push(&port, who(identity)?, on, with).await,
        Command::Push { identity, wish } => push::push(&port, who(identity)?, wish).await,
        Command::Block { identity } => device::block(&port, who(identity)?).await,
        Command::BlockCodeNoted { identity } => device::block_code_noted(&port, who(identity)?).await,
        Command::Forget { identity } => device::forget(&port, identity).await,
    }
}
