//! A phone with software keys, and the person who holds it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use godkend_client::clock::{Clock, SystemClock};
use godkend_client::entropy::Entropy;
use godkend_client::software_keys::{BiometricPrompt, Persona, SoftwareKeys, Touch};
use godkend_client::state::{StateStore, StoreError};
use godkend_client::{Client, ClientConfig, Surroundings, TransportConfig};
use godkend_core::{
    Approval, Command, Config, Failure, HistoryEvent, IdentityId, Now, Outcome, Pin, RequestView, WaitingRequest,
};
use godkend_protocol::codes::Code;
use godkend_protocol::keyset::Root;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::device::Overview;
use godkend_protocol::types::{DeviceInfo, SecurityLevel, Suite};
use zeroize::Zeroizing;

use crate::world::{Citizen, World};

/// The PIN of everyone in these stories.
pub const PIN: &str = "139074";
/// Another one.
pub const OTHER_PIN: &str = "580263";

/// What the sensor will say next.
#[derive(Clone, Default)]
pub struct Finger(Arc<AtomicU8>);

impl Finger {
    pub fn cancels(&self) {
        self.0.store(1, Ordering::SeqCst);
    }

    pub fn is_locked_out(&self) {
        self.0.store(2, Ordering::SeqCst);
    }

    pub fn matches(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

#[async_trait]
impl BiometricPrompt for Finger {
    async fn ask(&self, _: &str) -> Touch {
        match self.0.load(Ordering::SeqCst) {
            0 => Touch::Match,
            1 => Touch::Cancel,
            _ => Touch::LockedOut,
        }
    }
}

/// A store whose content a thief can take and a restore can put back.
#[derive(Default)]
pub struct Shelf(Mutex<Option<Vec<u8>>>);

impl Shelf {
    pub fn holding(content: Vec<u8>) -> Self {
        Self(Mutex::new(Some(content)))
    }

    pub fn content(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone().unwrap()
    }
}

impl StateStore for Shelf {
    fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        Ok(self.0.lock().unwrap().clone().map(Zeroizing::new))
    }

    fn save(&self, blob: &[u8]) -> Result<(), StoreError> {
        *self.0.lock().unwrap() = Some(blob.to_vec());
        Ok(())
    }
}

/// A phone.
#[derive(Clone)]
pub struct Phone {
    pub client: Client,
    pub keys: Arc<SoftwareKeys>,
    pub store: Arc<Shelf>,
    pub finger: Finger,
    config: Config,
}

impl Phone {
    pub async fn new(root: Root, suites: Vec<Suite>) -> Self {
        let finger = Finger::default();
        let persona = Persona::with_biometrics(finger.clone());
        Self::with(root, suites, persona, finger).await
    }

    pub async fn with(root: Root, suites: Vec<Suite>, persona: Persona, finger: Finger) -> Self {
        let config = Config {
            roots: vec![root],
            info: DeviceInfo {
                model: "Testfon 3".to_owned(),
                platform: "Linux".to_owned(),
                app_version: "1.0.0".to_owned(),
                language: "da".to_owned(),
            },
            suites,
            security: SecurityLevel::Software,
        };
        let keys = Arc::new(SoftwareKeys::in_memory(Entropy::system(), persona));
        let store = Arc::new(Shelf::default());
        let client = open(&config, &store, &keys).await;
        Self { client, keys, store, finger, config }
    }

    /// The same phone after its app was closed and opened, with a clock that is wrong by so many seconds.
    pub async fn reopened_with_clock(self, wrong_by: i64) -> Self {
        let client = open_with_clock(
            &self.config,
            &self.store,
            &self.keys,
            WrongClock { clock: SystemClock::start(), wrong_by },
        )
        .await;
        Self { client, ..self }
    }

    /// The same phone after its app was closed and opened.
    pub async fn reopened(self) -> Self {
        let Self { client, keys, store, finger, config } = self;
        drop(client);
        let client = open(&config, &store, &keys).await;
        Self { client, keys, store, finger, config }
    }

    /// A second copy of the app with the same keys and what is stored now.
    pub async fn cloned(&self) -> Self {
        let keys = Arc::new(SoftwareKeys::in_memory(Entropy::system(), Persona::with_biometrics(self.finger.clone())));
        keys.import(&self.keys.export()).unwrap();
        let store = Arc::new(Shelf::holding(self.store.content()));
        let client = open(&self.config, &store, &keys).await;
        Self { client, keys, store, finger: self.finger.clone(), config: self.config.clone() }
    }

    pub async fn run(&self, command: Command) -> Result<Outcome, Failure> {
        self.client.run(command).await
    }

    /// Scans or types an activation; the identity and the eight digits.
    pub async fn begin_activation(&self, text: &str) -> Result<(IdentityId, String), Failure> {
        match self.run(Command::Activate { text: text.to_owned(), environment: None }).await? {
            Outcome::Digits { identity, digits } => Ok((identity, digits)),
            other => panic!("{other:?}"),
        }
    }

    /// From the desk's link to an active phone.
    pub async fn activate(&self, world: &World, citizen: &Citizen, pin: &str) -> IdentityId {
        let (activation, link) = world.hand_out(citizen, "link").await;
        let (identity, digits) = self.begin_activation(&link).await.unwrap();
        let (status, reply) = world.digits(&activation, &digits).await;
        assert_eq!(status, 200, "{reply}");
        assert_eq!(self.choose_pin(identity, pin).await.unwrap(), Stage::Active);
        identity
    }

    pub async fn choose_pin(&self, identity: IdentityId, pin: &str) -> Result<Stage, Failure> {
        let pin = Pin::new(pin).unwrap();
        match self.run(Command::ChoosePin { identity: Some(identity), pin }).await? {
            Outcome::Stage(stage) => Ok(stage),
            other => panic!("{other:?}"),
        }
    }

    pub async fn stage(&self) -> Stage {
        match self.run(Command::Enrolment { identity: None, wait: 0 }).await.unwrap() {
            Outcome::Stage(stage) => stage,
            other => panic!("{other:?}"),
        }
    }

    pub async fn scan(&self, text: &str) -> Result<RequestView, Failure> {
        self.request(Command::Scan { identity: None, text: text.to_owned() }).await
    }

    pub async fn open_link(&self, text: &str) -> Result<RequestView, Failure> {
        self.request(Command::OpenLink { identity: None, text: text.to_owned() }).await
    }

    pub async fn type_number(&self, number: &str) -> Result<RequestView, Failure> {
        self.request(Command::TypeNumber { identity: None, number: number.to_owned() }).await
    }

    pub async fn open(&self, waiting: &WaitingRequest) -> Result<RequestView, Failure> {
        self.request(Command::Open { identity: None, id: waiting.id }).await
    }

    pub async fn request(&self, command: Command) -> Result<RequestView, Failure> {
        match self.run(command).await? {
            Outcome::Request(view) => Ok(*view),
            other => panic!("{other:?}"),
        }
    }

    pub async fn waiting(&self) -> Vec<WaitingRequest> {
        match self.run(Command::Poll { identity: None, wait: 0 }).await.unwrap() {
            Outcome::Waiting { requests, .. } => requests,
            other => panic!("{other:?}"),
        }
    }

    pub async fn approve(&self, view: &RequestView, pin: &str) -> Result<Option<String>, Failure> {
        self.approve_with(view, with_pin(pin), false).await
    }

    pub async fn approve_with(
        &self,
        view: &RequestView,
        with: Approval,
        remember_browser: bool,
    ) -> Result<Option<String>, Failure> {
        match self.run(Command::Approve { request: view.id, with, remember_browser }).await? {
            Outcome::Approved { return_url, .. } => Ok(return_url),
            other => panic!("{other:?}"),
        }
    }

    pub async fn deny(&self, view: &RequestView) -> Result<(), Failure> {
        self.run(Command::Deny { request: view.id }).await.map(|_| ())
    }

    pub async fn report(&self, view: &RequestView) -> Result<(), Failure> {
        self.run(Command::ReportFraud { request: view.id }).await.map(|_| ())
    }

    pub async fn biometrics_on(&self) -> Result<(), Failure> {
        let pin = Pin::new(PIN).unwrap();
        self.run(Command::EnableBiometrics { identity: None, pin }).await.map(|_| ())
    }

    pub async fn overview(&self) -> Overview {
        match self.run(Command::Overview { identity: None }).await.unwrap() {
            Outcome::Overview(overview) => *overview,
            other => panic!("{other:?}"),
        }
    }

    pub fn events(&self) -> Vec<HistoryEvent> {
        self.client.history(None).unwrap().into_iter().map(|line| line.event).collect()
    }
}

struct WrongClock {
    clock: SystemClock,
    wrong_by: i64,
}

impl Clock for WrongClock {
    fn now(&self) -> Now {
        let right = self.clock.now();
        Now { wall: right.wall + self.wrong_by, ..right }
    }
}

async fn open(config: &Config, store: &Arc<Shelf>, keys: &Arc<SoftwareKeys>) -> Client {
    open_with_clock(config, store, keys, SystemClock::start()).await
}

async fn open_with_clock(
    config: &Config,
    store: &Arc<Shelf>,
    keys: &Arc<SoftwareKeys>,
    clock: impl Clock + 'static,
) -> Client {
    let parts = ClientConfig {
        core: config.clone(),
        store: store.clone(),
        keys: keys.clone(),
        transport: TransportConfig::default(),
    };
    Client::open_in(parts, Surroundings { clock: Arc::new(clock), entropy: Entropy::system() }).await.unwrap()
}

pub fn with_pin(pin: &str) -> Approval {
    Approval::Pin(Pin::new(pin).unwrap())
}

/// The server's code, if a refusal has one.
pub fn code<T>(result: Result<T, Failure>) -> Option<Code> {
    match result {
        Err(Failure::Refused { code, .. }) => Some(code),
        _ => None,
    }
}
