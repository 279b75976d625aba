//! A person with a phone and a browser, who keeps a ledger of everything that the server acknowledged to them.

mod settling;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use godkend_client::entropy::Entropy;
use godkend_client::keys::HardwareKeys;
use godkend_client::software_keys::{BiometricPrompt, Persona, SoftwareKeys, Touch};
use godkend_client::state::{MemoryStore, StateStore};
use godkend_client::{Client, ClientConfig, TransportConfig};
use godkend_core::{Approval, Command, Config, Failure, HistoryLine, Outcome, Pin, RequestView};
use godkend_protocol::codes::Code;
use godkend_protocol::keyset::Root;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::types::{Decision, DeviceInfo, SecurityLevel, Suite};
use reqwest::Method;
use serde_json::json;

pub(crate) use self::settling::debits;
use crate::dice::Dice;
use crate::gate::{Gate, Gated};
use crate::login::Login;
use crate::wire::{Browser, Done, Trouble, Wire};

const PINS: [&str; 4] = ["139074", "580263", "264917", "918352"];
/// Nobody's.
const WRONG_PIN: &str = "604731";

/// What happened, for the record.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counts {
    pub(crate) approvals: u64,
    pub(crate) denials: u64,
    pub(crate) wrong_pins: u64,
    pub(crate) pin_changes: u64,
    pub(crate) activations: u64,
    pub(crate) blocks: u64,
    pub(crate) tokens: u64,
    /// Cut off by a kill: nobody knows until the server is back.
    pub(crate) cut: u64,
    /// Of those, found taken afterwards.
    pub(crate) cut_taken: u64,
}

impl Counts {
    pub(crate) const fn add(&mut self, other: Self) {
        self.approvals += other.approvals;
        self.denials += other.denials;
        self.wrong_pins += other.wrong_pins;
        self.pin_changes += other.pin_changes;
        self.activations += other.activations;
        self.blocks += other.blocks;
        self.tokens += other.tokens;
        self.cut += other.cut;
        self.cut_taken += other.cut_taken;
    }
}

struct Willing;

#[async_trait]
impl BiometricPrompt for Willing {
    async fn ask(&self, _: &str) -> Touch {
        Touch::Match
    }
}

/// What an activation still lacks.
enum Arrival {
    Digits { activation: String, digits: String },
    Done,
}

/// A person.
pub(crate) struct Person {
    pub(crate) citizen: String,
    user_id: String,
    pub(crate) wire: Wire,
    core: Config,
    keys: Arc<dyn HardwareKeys>,
    store: Arc<dyn StateStore>,
    transport: TransportConfig,
    pub(crate) client: Client,
    arrival: Arrival,
    /// The phone has told its person that it is active.
    pub(crate) active: bool,
    /// The desk was told that the phone is blocked; or, at first, asked.
    pub(crate) blocked: bool,
    block_asked: bool,
    pin: &'static str,
    /// The PIN that a change was cut off on the way to.
    pin_perhaps: Option<&'static str>,
    /// Failed tries since the last right one: at least, and at most.
    pub(crate) debits: (u32, u32),
    browser: Browser,
    logins: Vec<Login>,
    /// Every transaction that was acknowledged, and as what; none is one that nobody may ever find decided.
    pub(crate) acknowledged: Vec<(String, Option<Decision>)>,
    /// The phone's last line of history before its last answer.
    line: Option<HistoryLine>,
    pub(crate) counts: Counts,
}

/// Failures that a kill explains; the rest is wrong.
fn trouble(what: &str, failure: &Failure) -> Trouble {
    match failure {
        Failure::NoNetwork | Failure::Refused { code: Code::Unavailable, .. } => Trouble::Gone,
        other => Trouble::wrong(format!("{what}: {other:?}")),
    }
}

impl Person {
    /// Somebody without a phone yet.
    pub(crate) async fn new(wire: &Wire, root: &Root, user_id: &str) -> Done<Self> {
        Self::held(wire, root, user_id, None).await
    }

    /// The same, whose phone can be held at any step.
    pub(crate) async fn held(wire: &Wire, root: &Root, user_id: &str, gate: Option<Arc<Gate>>) -> Done<Self> {
        let citizen = wire.citizen(user_id).await?;
        let core = Config {
            roots: vec![root.clone()],
            info: DeviceInfo {
                model: "Testfon 3".to_owned(),
                platform: "Linux".to_owned(),
                app_version: "1.0.0".to_owned(),
                language: "da".to_owned(),
            },
            suites: vec![Suite::P256],
            security: SecurityLevel::Software,
        };
        let keys = Arc::new(SoftwareKeys::in_memory(Entropy::system(), Persona::with_biometrics(Willing)));
        let store = Arc::new(MemoryStore::default());
        let (keys, store, transport): (Arc<dyn HardwareKeys>, Arc<dyn StateStore>, _) = match gate {
            Some(gate) => {
                let keys = Arc::new(Gated::new(keys, gate.clone()));
                (keys, Arc::new(Gated::new(store, gate)), TransportConfig::default())
            }
            None => (keys, store, impatient()),
        };
        let client = open(&core, &store, &keys, &transport).await;
        Ok(Self {
            citizen,
            user_id: user_id.to_owned(),
            wire: wire.clone(),
            core,
            keys,
            store,
            transport,
            client,
            arrival: Arrival::Done,
            active: false,
            blocked: false,
            block_asked: false,
            pin: PINS[0],
            pin_perhaps: None,
            debits: (0, 0),
            browser: Browser::new(wire),
            logins: Vec::new(),
            acknowledged: Vec::new(),
            line: None,
            counts: Counts::default(),
        })
    }

    /// From the desk to an active phone.
    pub(crate) async fn activate(&mut self) -> Done<()> {
        let (activation, link) = self.wire.hand_out(&self.citizen).await?;
        let digits = match self.client.run(Command::Activate { text: link, environment: None }).await {
            Ok(Outcome::Digits { digits, .. }) => digits,
            Ok(other) => return Err(Trouble::wrong(format!("{other:?}"))),
            Err(failure) => return Err(trouble("activation", &failure)),
        };
        self.arrival = Arrival::Digits { activation, digits };
        self.arrive().await
    }

    /// The rest of an activation.
    async fn arrive(&mut self) -> Done<()> {
        if let Arrival::Digits { activation, digits } = &self.arrival {
            let typed = self.wire.digits(activation, digits).await;
            match typed {
                // What was typed before the server went away is typed no second time.
                Err(Trouble::Wrong(refusal)) if !refusal.contains("operation_refused") => {
                    let (path, known) = (format!("activations/{activation}"), ["choose_pin", "finish", "active"]);
                    let status = self.wire.desk(Method::GET, &path, None).await?.is(200)?;
                    if !known.contains(&status["stage"].as_str().unwrap_or_default()) {
                        return Err(Trouble::wrong(format!("{refusal} {status}")));
                    }
                }
                typed => drop(typed?),
            }
            self.arrival = Arrival::Done;
        }
        let pin = Pin::new(self.pin).unwrap();
        // The first approval with the new PIN is a try like any other.
        self.debits = (0, self.debits.1 + 1);
        match self.client.run(Command::ChoosePin { identity: None, pin }).await {
            Ok(Outcome::Stage(Stage::Active)) => {
                self.debits = (0, 0);
                self.active = true;
                self.counts.activations += 1;
                Ok(())
            }
            Ok(other) => Err(Trouble::wrong(format!("{other:?}"))),
            Err(failure) => Err(trouble("first PIN", &failure)),
        }
    }

    /// The PIN that was acknowledged last.
    pub(crate) fn pin(&self) -> Approval {
        Approval::Pin(Pin::new(self.pin).unwrap())
    }

    /// An ordinary login with the PIN.
    pub(crate) async fn ordinary_login(&mut self) -> Done<()> {
        let before = self.counts.tokens;
        for _ in 0..5 {
            self.login(self.pin(), false).await?;
            if self.counts.tokens > before {
                return Ok(());
            }
        }
        Err(Trouble::wrong("five pictures too old, or a PIN that waits"))
    }

    /// A login with a finger, if there is one for it.
    pub(crate) async fn finger_login(&mut self) -> Done<()> {
        if !self.has_biometrics() {
            self.biometrics_on().await?;
        }
        self.login(Approval::Biometric, false).await
    }

    /// The browser of the last login.
    pub(crate) fn page(&self) -> Browser {
        self.logins.last().unwrap().browser.clone()
    }

    /// A page that the phone has read, not answered yet.
    pub(crate) async fn shown(&mut self) -> Done<RequestView> {
        for _ in 0..5 {
            if let Some(view) = self.scan(Browser::new(&self.wire)).await? {
                return Ok(view);
            }
        }
        Err(Trouble::wrong("five pictures too old"))
    }

    /// Whether the phone can be used at all.
    pub(crate) fn is_usable(&self) -> bool {
        self.active && !self.blocked && !self.block_asked
    }

    /// The app is closed, or killed, and opened.
    pub(crate) async fn reopen(&mut self) {
        self.client = open(&self.core, &self.store, &self.keys, &self.transport).await;
    }

    /// Something that people do.
    pub(crate) async fn deed(&mut self, dice: &mut Dice) -> Done<()> {
        if self.debits.1 >= 7 {
            return self.login(self.pin(), false).await;
        }
        match dice.below(18) {
            0..4 => self.login(self.pin(), false).await,
            4..8 => self.wrong_login().await,
            8 | 9 if self.has_biometrics() => self.login(Approval::Biometric, false).await,
            8 | 9 => self.biometrics_on().await,
            10 | 11 => self.deny().await,
            12 | 13 => self.remembered().await,
            14 => self.change_pin(dice).await,
            15 | 16 => self.ciba().await,
            _ => self.look_at_overview().await,
        }
    }

    pub(crate) fn has_biometrics(&self) -> bool {
        self.client.identities().first().is_some_and(|view| view.biometrics)
    }

    /// A page, and what the phone reads off it; none if the picture was too old by then.
    async fn scan(&mut self, mut browser: Browser) -> Done<Option<RequestView>> {
        browser.open().await?;
        self.logins.push(Login::on(browser.clone()));
        let text = browser.qr().await?;
        match self.client.run(Command::Scan { identity: None, text }).await {
            Ok(Outcome::Request(view)) => Ok(Some(*view)),
            Ok(other) => Err(Trouble::wrong(format!("{other:?}"))),
            Err(Failure::Refused { code: Code::QrStale, .. }) => {
                self.logins.pop();
                Ok(None)
            }
            Err(failure) => Err(trouble("scan", &failure)),
        }
    }

    /// A whole login, from the bank and back to it.
    async fn login(&mut self, with: Approval, remember: bool) -> Done<()> {
        let browser = if remember { self.browser.clone() } else { Browser::new(&self.wire) };
        let Some(view) = self.scan(browser).await? else { return Ok(()) };
        self.approve(&view, with, remember).await?;
        self.collect_last().await
    }

    pub(crate) async fn approve(&mut self, view: &RequestView, with: Approval, remember: bool) -> Done<()> {
        let by_pin = matches!(with, Approval::Pin(_));
        if by_pin {
            self.debits = (0, self.debits.1 + 1);
        }
        self.answering(Decision::Approve);
        let command = Command::Approve { request: view.id, with, remember_browser: remember };
        match self.client.run(command).await {
            Ok(Outcome::Approved { .. }) => {
                self.acknowledge(Decision::Approve);
                if by_pin {
                    self.debits = (0, 0);
                }
                Ok(())
            }
            Ok(other) => Err(Trouble::wrong(format!("{other:?}"))),
            Err(Failure::Refused { code: Code::PinWaiting, .. }) if by_pin => self.sit_out().await,
            Err(failure) => Err(trouble("approve", &failure)),
        }
    }

    /// Waits for the next round of tries; the login is given up.
    async fn sit_out(&mut self) -> Done<()> {
        self.debits.1 -= 1;
        self.logins.pop();
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(())
    }

    fn answering(&mut self, decision: Decision) {
        self.logins.last_mut().unwrap().wanted = Some(decision);
        self.line = self.last_line();
    }

    fn acknowledge(&mut self, decision: Decision) {
        let login = self.logins.last_mut().unwrap();
        login.decided = Some(decision);
        if !login.transaction.is_empty() {
            self.acknowledged.push((login.transaction.clone(), Some(decision)));
        }
        match decision {
            Decision::Approve => self.counts.approvals += 1,
            _ => self.counts.denials += 1,
        }
    }

    fn last_line(&self) -> Option<HistoryLine> {
        self.client.history(None).ok().and_then(|mut lines| lines.pop())
    }

    pub(crate) async fn wrong_login(&mut self) -> Done<()> {
        let Some(view) = self.scan(Browser::new(&self.wire)).await? else { return Ok(()) };
        self.debits.1 += 1;
        let with = Approval::Pin(Pin::new(WRONG_PIN).unwrap());
        let result = self.client.run(Command::Approve { request: view.id, with, remember_browser: false }).await;
        match result {
            Err(Failure::WrongPin(_)) => {
                self.debits.0 += 1;
                self.counts.wrong_pins += 1;
                self.acknowledged.push((self.logins.pop().unwrap().transaction, None));
                Ok(())
            }
            Err(Failure::Refused { code: Code::PinWaiting, .. }) => self.sit_out().await,
            Ok(other) => Err(Trouble::wrong(format!("a wrong PIN gave {other:?}"))),
            Err(failure) => Err(trouble("wrong PIN", &failure)),
        }
    }

    pub(crate) async fn deny(&mut self) -> Done<()> {
        let Some(view) = self.scan(Browser::new(&self.wire)).await? else { return Ok(()) };
        self.answering(Decision::Deny);
        match self.client.run(Command::Deny { request: view.id }).await {
            Ok(_) => {
                self.acknowledge(Decision::Deny);
                self.collect_last().await
            }
            Err(failure) => Err(trouble("deny", &failure)),
        }
    }

    async fn remembered(&mut self) -> Done<()> {
        let pin = self.pin();
        let mut browser = self.browser.clone();
        browser.open().await?;
        self.logins.push(Login::on(browser));
        let waiting = match self.client.run(Command::Poll { identity: None, wait: 0 }).await {
            Ok(Outcome::Waiting { requests, .. }) => requests,
            Ok(other) => return Err(Trouble::wrong(format!("{other:?}"))),
            Err(failure) => return Err(trouble("poll", &failure)),
        };
        let id = self.logins.last().unwrap().transaction.clone();
        let whole = waiting.into_iter().find(|request| !request.locked && request.id.to_base64() == id);
        let command = match whole {
            Some(request) => Command::Open { identity: None, id: request.id },
            None => {
                let text = self.logins.last_mut().unwrap().browser.qr().await?;
                Command::Scan { identity: None, text }
            }
        };
        let view = match self.client.run(command).await {
            Ok(Outcome::Request(view)) => view,
            Ok(other) => return Err(Trouble::wrong(format!("{other:?}"))),
            Err(Failure::Refused { code: Code::QrStale, .. }) => {
                self.logins.pop();
                return Ok(());
            }
            Err(failure) => return Err(trouble("open", &failure)),
        };
        self.approve(&view, pin, true).await?;
        self.collect_last().await?;
        if let Some(login) = self.logins.last() {
            self.browser = login.browser.clone();
        }
        Ok(())
    }

    pub(crate) async fn change_pin(&mut self, dice: &mut Dice) -> Done<()> {
        let others: Vec<_> = PINS.into_iter().filter(|pin| *pin != self.pin).collect();
        let new = others[usize::try_from(dice.below(3)).unwrap()];
        self.debits = (0, self.debits.1 + 1);
        self.pin_perhaps = Some(new);
        let (old, to) = (Pin::new(self.pin).unwrap(), Pin::new(new).unwrap());
        match self.client.run(Command::ChangePin { identity: None, old, new: to }).await {
            Ok(_) => {
                (self.pin, self.pin_perhaps, self.debits) = (new, None, (0, 0));
                self.counts.pin_changes += 1;
                Ok(())
            }
            Err(Failure::Refused { code: Code::PinWaiting, .. }) => {
                self.pin_perhaps = None;
                self.debits.1 -= 1;
                tokio::time::sleep(Duration::from_millis(300)).await;
                Ok(())
            }
            Err(Failure::Refused { code: Code::Throttled, .. }) => Ok(()),
            Err(failure) => Err(trouble("PIN change", &failure)),
        }
    }

    pub(crate) async fn biometrics_on(&mut self) -> Done<()> {
        self.debits = (0, self.debits.1 + 1);
        let pin = Pin::new(self.pin).unwrap();
        match self.client.run(Command::EnableBiometrics { identity: None, pin }).await {
            Ok(_) => {
                self.debits = (0, 0);
                Ok(())
            }
            Err(Failure::Refused { code: Code::PinWaiting, .. }) => {
                self.debits.1 -= 1;
                Ok(())
            }
            Err(Failure::Refused { code: Code::Throttled, .. }) => Ok(()),
            Err(failure) => Err(trouble("biometrics", &failure)),
        }
    }

    /// A login that the bank's own app starts.
    async fn ciba(&mut self) -> Done<()> {
        let (auth_req_id, number) = self.wire.ciba(&self.user_id).await?;
        let mut login = Login::on(Browser::new(&self.wire));
        login.ciba = Some(auth_req_id);
        self.logins.push(login);
        let view = match self.client.run(Command::TypeNumber { identity: None, number }).await {
            Ok(Outcome::Request(view)) => view,
            Ok(other) => return Err(Trouble::wrong(format!("{other:?}"))),
            Err(failure) => return Err(trouble("number", &failure)),
        };
        self.approve(&view, self.pin(), false).await?;
        self.collect_last().await
    }

    /// Looks at the phone's overview.
    async fn look_at_overview(&mut self) -> Done<()> {
        match self.client.run(Command::Overview { identity: None }).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(trouble("overview", &failure)),
        }
    }

    /// The desk blocks the phone.
    pub(crate) async fn block(&mut self) -> Done<()> {
        let devices = self.wire.devices(&self.citizen).await?;
        self.block_asked = true;
        for device in &devices {
            let path = format!("devices/{}/block", device["id"].as_str().unwrap());
            self.wire.desk(Method::POST, &path, Some(json!({}))).await?.is(200)?;
        }
        self.blocked = true;
        self.counts.blocks += 1;
        Ok(())
    }

    /// The bank comes for the last login.
    pub(crate) async fn collect_last(&mut self) -> Done<()> {
        match self.logins.last_mut() {
            Some(login) => {
                let tokens = login.collect(&self.wire).await?;
                self.counts.tokens += u64::from(tokens);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A server that was killed comes back only when everybody has noticed.
fn impatient() -> TransportConfig {
    TransportConfig {
        retries: 1,
        first_backoff: Duration::from_millis(20),
        most_backoff: Duration::from_millis(50),
        ..TransportConfig::default()
    }
}

async fn open(
    core: &Config,
    store: &Arc<dyn StateStore>,
    keys: &Arc<dyn HardwareKeys>,
    transport: &TransportConfig,
) -> Client {
    let (core, transport) = (core.clone(), transport.clone());
    Client::open(ClientConfig { core, store: store.clone(), keys: keys.clone(), transport }).await.unwrap()
}
