//! The acts, done for real, beside what the promises allow.

use std::collections::BTreeSet;

use godkend_core::{Approval, Command, Failure, Outcome, Pin, RequestView};
use godkend_protocol::codes::Code;
use godkend_protocol::messages::pin::PinStatus;
use godkend_protocol::types::Factor;
use godkend_tests::bench::{Bench, Kill};
use godkend_tests::phone::{OTHER_PIN, PIN, with_pin};
use godkend_tests::world::Citizen;
use godkend_tests::{Ask, Browser, World};
use proptest::prelude::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};
use reqwest::Method;
use serde_json::json;

use crate::tally::Tally;
use crate::{Act, With};

/// Seconds after which a login has certainly expired, and until which it certainly has not. The server's clock runs
/// on while a test works.
pub(crate) const EXPIRED: i64 = 180;
const ALIVE: i64 = 120;
/// Debits of a dead PIN.
const DEAD: u32 = 9;

/// Where a login stands, as its page can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Open,
    Approved,
    Refused,
    /// Given up, expired, or lost with a database that was set back: nothing comes of it any more.
    Over,
}

/// What the promises say of a login.
pub(crate) struct Login {
    pub(crate) browser: Browser,
    pub(crate) ask: Ask,
    /// The phone that has opened it: nobody else may.
    pub(crate) owner: Option<usize>,
    pub(crate) standing: Standing,
    /// Who approved it.
    pub(crate) by: Option<usize>,
    pub(crate) collected: bool,
    pub(crate) created: i64,
    /// Begun after the copy of the database was made.
    pub(crate) since_save: bool,
    /// The number on the page, and whose it is.
    pub(crate) number: Option<(String, usize)>,
    /// It was opened by that number, which never reaches High.
    pub(crate) by_number: bool,
    /// Given up in the browser before any phone had it: nobody's decision, so the log does not hold it.
    pub(crate) given_up: bool,
}

/// What the promises say of a phone.
pub(crate) struct Phone {
    pub(crate) bench: Bench,
    pub(crate) citizen: Citizen,
    pub(crate) user_id: String,
    pub(crate) device: String,
    /// The `sub` that the bank knows its owner by.
    pub(crate) sub: Option<String>,
    pub(crate) shown: Option<(RequestView, usize)>,
    pub(crate) blocked: bool,
    /// A copy of the database from before its keys or PIN were changed was put back: a new activation is the way on.
    pub(crate) void: bool,
    pub(crate) changed_since_save: bool,
    /// Tries that failed since the last right PIN; each value that the promises allow now.
    pub(crate) debits: u32,
    pub(crate) biometrics: bool,
}

pub(crate) struct Play {
    pub(crate) world: World,
    pub(crate) phones: Vec<Phone>,
    pub(crate) logins: Vec<Login>,
    pub(crate) clock: i64,
    pub(crate) copy: Option<tempfile::TempDir>,
    pub(crate) tally: Tally,
}

pub(crate) type Checked = Result<(), TestCaseError>;

fn debits(status: &PinStatus) -> u32 {
    if status.dead { DEAD } else { (2 - status.rounds_left) * 3 + (3 - status.tries_left) }
}

fn ask(what: usize) -> Ask {
    match what % 4 {
        0 => Ask::login(),
        1 => Ask::payment("1250.00", "Elselskabet"),
        2 => Ask { text: Some("Læs din post"), ..Ask::login().from("borger") },
        _ => Ask { text: Some("Se din skat"), ..Ask::login().from("borger").at("High") },
    }
}

impl Play {
    /// Three people, one of them with bad intentions, and a phone each.
    pub(crate) async fn begin() -> Self {
        let world = World::new().await;
        let mut phones = Vec::new();
        for (at, user_id) in ["anna.model", "bent.model", "mallory.model"].into_iter().enumerate() {
            let citizen = world.citizen(user_id).await;
            let mut bench = Bench::new(&world, u64::try_from(at).unwrap() + 77);
            bench.activate(&world, &citizen, &mut std::iter::empty()).await;
            let device = world.devices(&citizen).await[0]["id"].as_str().unwrap().to_owned();
            phones.push(Phone {
                bench,
                citizen,
                user_id: user_id.to_owned(),
                device,
                sub: None,
                shown: None,
                blocked: false,
                void: false,
                changed_since_save: false,
                debits: 0,
                biometrics: false,
            });
        }
        Self { world, phones, logins: Vec::new(), clock: 0, copy: None, tally: Tally::default() }
    }

    pub(crate) async fn act(&mut self, act: &Act) -> Checked {
        self.tally.acts += 1;
        let phone = |phone: usize| phone % self.phones.len();
        // Mostly one of the newest logins, and a phone that shows something: acts that meet each other.
        let login = |login: usize| self.logins.len().checked_sub(1 + login % self.logins.len().clamp(1, 4));
        let showing = |who: usize| {
            let showing: Vec<_> = (0..self.phones.len()).filter(|who| self.phones[*who].shown.is_some()).collect();
            *showing.get(who % showing.len().max(1)).unwrap_or(&phone(who))
        };
        match *act {
            Act::Ask { what } => self.ask(what).await,
            Act::Call { login: at, person } => match login(at) {
                Some(at) => self.call(at, phone(person)).await,
                None => Ok(()),
            },
            Act::Scan { phone: who, login: at } => match login(at) {
                Some(at) => self.scan(phone(who), at).await,
                None => Ok(()),
            },
            Act::Number { phone: who, login: at } => match login(at) {
                Some(at) => self.number(phone(who), at).await,
                None => Ok(()),
            },
            Act::Approve { phone: who, with, kill } => self.approve(showing(who), with, kill).await,
            Act::Refuse { phone: who, fraud, kill } => self.refuse(showing(who), fraud, kill).await,
            Act::ChangePin { phone: who, right, kill } => self.change_pin(phone(who), right, kill).await,
            Act::Biometrics { phone: who, kill } => self.biometrics(phone(who), kill).await,
            Act::Collect { login: at } => match login(at) {
                Some(at) => self.collect(at).await,
                None => Ok(()),
            },
            Act::Cancel { login: at } => match login(at) {
                Some(at) => self.cancel(at).await,
                None => Ok(()),
            },
            Act::Block { phone: who, lift } => self.block(phone(who), lift).await,
            Act::Later { seconds } => self.later(seconds).await,
            Act::Restart => self.restart().await,
            Act::Save => self.save().await,
            Act::SetBack => self.set_back().await,
            Act::Replay { message } => self.replay(message, |body| body).await,
            Act::Bend { message, byte, bit } => {
                let bend = |mut body: Vec<u8>| {
                    let at = byte % body.len().max(1);
                    if let Some(byte) = body.get_mut(at) {
                        *byte ^= 1 << bit;
                    }
                    body
                };
                self.replay(message, bend).await
            }
            Act::Graft { message, phone: who } => self.graft(message, phone(who)).await,
            Act::Forge { phone: who, factor } => self.forge(showing(who), factor).await,
        }?;
        self.compare(act).await
    }

    /// In the end everybody who may sign in can.
    pub(crate) async fn end(&mut self) -> Checked {
        // No wait and no throttle is left.
        self.later(7_200).await?;
        for who in 0..self.phones.len() {
            let phone = &self.phones[who];
            if phone.blocked || phone.void || phone.debits == DEAD {
                continue;
            }
            self.ask(0).await?;
            let login = self.logins.len() - 1;
            self.scan(who, login).await?;
            self.approve(who, With::RightPin, None).await?;
            prop_assert_eq!(self.logins[login].standing, Standing::Approved, "phone {} cannot sign in", who);
            self.collect(login).await?;
            self.compare(&Act::Restart).await?;
        }
        for login in 0..self.logins.len() {
            self.collect(login).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, what: usize) -> Checked {
        let ask = ask(what);
        let browser = self.world.login_page(&ask).await;
        self.logins.push(Login {
            browser,
            ask,
            owner: None,
            standing: Standing::Open,
            by: None,
            collected: false,
            created: self.clock,
            since_save: true,
            number: None,
            by_number: false,
            given_up: false,
        });
        Ok(())
    }

    pub(crate) fn age(&self, login: usize) -> i64 {
        self.clock - self.logins[login].created
    }

    pub(crate) fn may_be_open(&self, login: usize) -> bool {
        self.logins[login].standing == Standing::Open && self.age(login) < EXPIRED
    }

    fn is_open(&self, login: usize) -> bool {
        self.logins[login].standing == Standing::Open && self.age(login) < ALIVE
    }

    async fn call(&mut self, login: usize, person: usize) -> Checked {
        let user_id = self.phones[person].user_id.clone();
        let body = json!({ "user_id": user_id });
        let (status, reply) = self.logins[login].browser.ask(Method::POST, "user-id", Some(body)).await;
        if status == 200 {
            prop_assert!(self.may_be_open(login), "a number for a login that is over: {}", reply);
            self.logins[login].number = reply["number"].as_str().map(|number| (number.to_owned(), person));
        }
        Ok(())
    }

    /// What is shown is what the relying party asked for, and only an open login is shown, to one phone.
    fn shows(&mut self, who: usize, login: usize, view: RequestView) -> Checked {
        prop_assert!(self.may_be_open(login), "a login that is over was shown");
        let (phone, Login { ask, owner, .. }) = (&self.phones[who], &self.logins[login]);
        prop_assert!(!phone.blocked && !phone.void);
        prop_assert!(owner.is_none() || *owner == Some(who), "shown to two phones");
        prop_assert_eq!(view.text.as_deref(), ask.text);
        prop_assert_eq!(&view.relying_party.name, ask.client);
        let payment = view.payment.as_ref().map(|payment| (payment.amount_minor, payment.payee.as_str()));
        prop_assert_eq!(payment, ask.payment.as_ref().map(|_| (125_000, "Elselskabet")));
        prop_assert_eq!(format!("{:?}", view.level), ask.level);
        self.logins[login].owner = Some(who);
        self.phones[who].shown = Some((view, login));
        Ok(())
    }

    async fn scan(&mut self, who: usize, login: usize) -> Checked {
        let (status, reply) = self.logins[login].browser.ask(Method::GET, "frames", None).await;
        let now = reply["now_ms"].as_i64().unwrap_or_default() / 1000;
        let frames = reply["frames"].as_array().cloned().unwrap_or_default();
        let Some(frame) = frames.iter().find(|frame| frame["second"].as_i64() == Some(now)) else {
            let fresh = self.logins[login].owner.is_none() && self.is_open(login);
            prop_assert!(!fresh, "an open login shows no code: {} {}", status, reply);
            return Ok(());
        };
        let text = frame["text"].as_str().unwrap().to_owned();
        let result = self.phones[who].bench.run(Command::Scan { identity: None, text }, None).await.0.unwrap();
        match result {
            Ok(Outcome::Request(view)) => self.shows(who, login, *view),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => {
                let phone = &self.phones[who];
                let fits = self.logins[login].owner.is_none_or(|owner| owner == who) && self.is_open(login);
                let throttled = matches!(failure, Failure::Refused { code: Code::Throttled | Code::QrStale, .. });
                prop_assert!(!fits || phone.blocked || phone.void || throttled, "refused: {:?}", failure);
                Ok(())
            }
        }
    }

    async fn number(&mut self, who: usize, login: usize) -> Checked {
        let Some((number, person)) = self.logins[login].number.clone() else { return Ok(()) };
        let command = Command::TypeNumber { identity: None, number };
        match self.phones[who].bench.run(command, None).await.0.unwrap() {
            Ok(Outcome::Request(view)) => {
                // Two pages may show one number only to two people.
                prop_assert_eq!(person, who, "a number opened somebody else's request");
                self.logins[login].by_number = true;
                self.shows(who, login, *view)
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => Ok(()),
        }
    }

    fn pin(&self, who: usize, right: bool) -> &'static str {
        let pin = self.phones[who].bench.pin;
        match (right, pin == PIN) {
            (true, _) => pin,
            (false, true) => OTHER_PIN,
            (false, false) => PIN,
        }
    }

    /// Does a command; after a kill the app starts again and settles what was open.
    async fn run(&mut self, who: usize, command: Command, kill: Option<Kill>) -> Option<Result<Outcome, Failure>> {
        let result = self.phones[who].bench.run(command, kill).await.0;
        if result.is_none() {
            self.tally.kills += 1;
            self.phones[who].shown = None;
            let resumed = self.phones[who].bench.run(Command::Resume, None).await.0.unwrap();
            assert!(resumed.is_ok(), "{resumed:?}");
        }
        result
    }

    async fn approve(&mut self, who: usize, with: With, kill: Option<Kill>) -> Checked {
        let Some((view, login)) = self.phones[who].shown.clone() else { return Ok(()) };
        let approval = match with {
            With::RightPin | With::WrongPin => with_pin(self.pin(who, with == With::RightPin)),
            With::Finger => Approval::Biometric,
        };
        let before = self.phones[who].debits;
        let command = Command::Approve { request: view.id, with: approval, remember_browser: false };
        let result = self.run(who, command, kill).await;
        let phone = &self.phones[who];
        let able = !phone.blocked && !phone.void;
        // A try that the server saw is counted, and a right one clears them.
        let tried = (before + 1).min(DEAD);
        let after = match (&result, with) {
            (_, With::Finger) => vec![before],
            (Some(Ok(_)), _) => vec![0],
            (Some(Err(Failure::WrongPin(_))), _) => vec![tried],
            (Some(Err(_)) | None, With::RightPin) => vec![before, tried, 0],
            (Some(Err(_)) | None, With::WrongPin) => vec![before, tried],
        };
        match &result {
            Some(Ok(Outcome::Approved { .. })) => {
                prop_assert!(able && self.may_be_open(login), "approved what is over");
                prop_assert!(with != With::WrongPin, "approved with a wrong PIN");
                prop_assert!(with != With::Finger || phone.biometrics, "approved with a finger that is not enrolled");
                self.decided(login, Standing::Approved, who);
            }
            Some(Ok(other)) => panic!("{other:?}"),
            Some(Err(Failure::WrongPin(status))) => {
                prop_assert_eq!(with, With::WrongPin);
                prop_assert_eq!(debits(status), tried);
                self.tally.wrong_pins += 1;
            }
            Some(Err(failure)) => {
                let waiting = before > 0 && before.is_multiple_of(3);
                // A request that was fetched before biometrics were turned on does not offer them.
                let usable = with != With::Finger || (phone.biometrics && view.factors.contains(&Factor::Biometric));
                let right = with != With::WrongPin && able && usable && !waiting && self.is_open(login);
                let fits = self.logins[login].owner == Some(who);
                prop_assert!(!(right && fits), "refused: {:?}", failure);
            }
            None if with != With::WrongPin => self.settle(login, Standing::Approved, who).await?,
            None => {}
        }
        self.check_debits(who, &after).await
    }

    async fn refuse(&mut self, who: usize, fraud: bool, kill: Option<Kill>) -> Checked {
        let Some((view, login)) = self.phones[who].shown.clone() else { return Ok(()) };
        let request = view.id;
        let command = if fraud { Command::ReportFraud { request } } else { Command::Deny { request } };
        match self.run(who, command, kill).await {
            Some(Ok(_)) => {
                prop_assert!(self.may_be_open(login), "refused what is over");
                self.decided(login, Standing::Refused, who);
            }
            Some(Err(failure)) => {
                let phone = &self.phones[who];
                let able = !phone.blocked && !phone.void && self.logins[login].owner == Some(who);
                prop_assert!(!(able && self.is_open(login)), "cannot refuse: {:?}", failure);
            }
            None => self.settle(login, Standing::Refused, who).await?,
        }
        Ok(())
    }

    fn decided(&mut self, login: usize, standing: Standing, who: usize) {
        match standing {
            Standing::Approved => self.tally.approved += 1,
            _ => self.tally.refused += 1,
        }
        self.logins[login].standing = standing;
        self.logins[login].by = Some(who);
        self.phones[who].shown = None;
    }

    /// After a kill a decision was taken or it was not; from now on it is what the page says.
    pub(crate) async fn settle(&mut self, login: usize, standing: Standing, who: usize) -> Checked {
        let seen = self.seen(login).await;
        if seen == standing && self.may_be_open(login) && self.logins[login].owner == Some(who) {
            self.decided(login, standing, who);
        }
        Ok(())
    }

    pub(crate) async fn seen(&mut self, login: usize) -> Standing {
        let (status, reply) = self.logins[login].browser.ask(Method::GET, "state", None).await;
        match reply["state"].as_str() {
            Some("waiting" | "opened") => Standing::Open,
            Some("approved") => Standing::Approved,
            Some("denied" | "reported") => Standing::Refused,
            Some("expired") => Standing::Over,
            None if (400..500).contains(&status) => Standing::Over,
            _ => panic!("{status} {reply}"),
        }
    }

    /// The tries are those that the promises allow, to the try.
    pub(crate) async fn check_debits(&mut self, who: usize, allowed: &[u32]) -> Checked {
        let phone = &mut self.phones[who];
        if phone.blocked || phone.void {
            // Nobody tells such a phone; it is looked at when the block is lifted.
            return Ok(());
        }
        match phone.bench.run(Command::Overview { identity: None }, None).await.0.unwrap() {
            Ok(Outcome::Overview(overview)) => {
                let seen = debits(&overview.pin.unwrap());
                let allowed: BTreeSet<u32> = allowed.iter().copied().collect();
                prop_assert!(allowed.contains(&seen), "{} debits, allowed are {:?}", seen, allowed);
                phone.debits = seen;
                Ok(())
            }
            Err(Failure::Refused { code: Code::Throttled, .. }) => {
                self.world.advance(61).await;
                self.clock += 61;
                Box::pin(self.check_debits(who, allowed)).await
            }
            other => panic!("{other:?}"),
        }
    }

    async fn change_pin(&mut self, who: usize, right: bool, kill: Option<Kill>) -> Checked {
        let (old, new) = (self.pin(who, right), self.pin(who, false));
        let new = if right { new } else { "902746" };
        let before = self.phones[who].debits;
        let command = Command::ChangePin { identity: None, old: Pin::new(old).unwrap(), new: Pin::new(new).unwrap() };
        let result = self.run(who, command, kill).await;
        let tried = (before + 1).min(DEAD);
        let allowed = match &result {
            Some(Ok(_)) => {
                prop_assert!(right, "a wrong PIN changed the PIN");
                self.phones[who].bench.pin = new;
                self.phones[who].changed_since_save = true;
                vec![0]
            }
            Some(Err(_)) | None if right => vec![before, tried, 0],
            Some(Err(_)) | None => vec![before, tried],
        };
        self.check_debits(who, &allowed).await?;
        if result.is_none() && right {
            // One of the two is the PIN now. A right one costs nothing, so that trying tells.
            self.phones[who].changed_since_save = true;
            self.which_pin(who, new).await?;
        }
        Ok(())
    }

    async fn which_pin(&mut self, who: usize, new: &'static str) -> Checked {
        let phone = &self.phones[who];
        if phone.blocked || phone.void || phone.debits % 3 == 2 || (phone.debits > 0 && phone.debits.is_multiple_of(3))
        {
            // Trying would cost what the phone may not have: wait, and clear by the other.
            self.later(3_601).await?;
        }
        let old = self.phones[who].bench.pin;
        for pin in [new, old] {
            let (mut browser, view) = match self.fresh(who).await? {
                Some(fresh) => fresh,
                None => return Ok(()),
            };
            let command = Command::Approve { request: view.id, with: with_pin(pin), remember_browser: false };
            let result = self.phones[who].bench.run(command, None).await.0.unwrap();
            if result.is_ok() {
                browser.signed_in().await;
                self.phones[who].bench.pin = pin;
                return self.check_debits(who, &[0]).await;
            }
            let now = self.phones[who].debits;
            self.check_debits(who, &[(now + 1).min(DEAD), now]).await?;
        }
        prop_assert!(self.phones[who].debits == DEAD, "neither PIN works");
        Ok(())
    }

    async fn fresh(&mut self, who: usize) -> Result<Option<(Browser, RequestView)>, TestCaseError> {
        if self.phones[who].blocked || self.phones[who].void {
            return Ok(None);
        }
        Ok(Some(self.phones[who].bench.scan(&self.world).await))
    }

    async fn biometrics(&mut self, who: usize, kill: Option<Kill>) -> Checked {
        let before = self.phones[who].debits;
        let pin = Pin::new(self.pin(who, true)).unwrap();
        let result = self.run(who, Command::EnableBiometrics { identity: None, pin }, kill).await;
        let tried = (before + 1).min(DEAD);
        let allowed = if matches!(result, Some(Ok(_))) { vec![0] } else { vec![before, tried, 0] };
        if !matches!(result, Some(Err(_))) {
            self.phones[who].changed_since_save = true;
        }
        self.phones[who].biometrics = self.phones[who].bench.machine.identities()[0].biometrics;
        prop_assert!(!matches!(result, Some(Ok(_))) || self.phones[who].biometrics);
        self.check_debits(who, &allowed).await
    }

    /// The bank gets one token for an approved login, says whose it is, and nothing for any other.
    async fn collect(&mut self, at: usize) -> Checked {
        let login = &mut self.logins[at];
        if login.standing != Standing::Approved {
            let (status, reply) = login.browser.ask(Method::GET, "state", None).await;
            prop_assert!(status != 200 || reply["state"] != "approved", "{}", reply);
            return Ok(());
        }
        if login.collected {
            let (status, _) = login.browser.follow(&login.browser.finish_url()).await;
            prop_assert!(status < 500);
            return Ok(());
        }
        if self.clock - login.created >= EXPIRED {
            // The code's own time may be over; what counts is that nobody else gets it.
            return Ok(());
        }
        let answer = login.browser.finish().await;
        let Some(code) = answer.get("code").cloned() else {
            return Err(TestCaseError::fail(format!("an approved login gives no code: {answer:?}")));
        };
        let claims = login.browser.bank().redeem(&answer).await.map_err(TestCaseError::fail)?;
        let again = login.browser.bank().redeem_code(&code).await;
        prop_assert!(again.0 >= 400, "a code was redeemed twice: {}", again.1);
        login.collected = true;
        self.tally.collected += 1;
        let (by, client) = (login.by.unwrap(), login.ask.client);
        let sub = format!("{client} {}", claims["sub"].as_str().unwrap());
        let text = claims["godkend.reference_text"].as_str();
        prop_assert_eq!(text, login.ask.text);
        let granted = claims["acr"].as_str().unwrap().rsplit('/').next().unwrap();
        let enough = granted == login.ask.level || granted == "High";
        prop_assert!(enough && !(login.by_number && granted == "High"), "{}: {}", granted, claims["godkend.binding"]);
        let uuid = claims["mitid.uuid"].as_str().unwrap().to_owned();
        let known = self.phones[by].sub.get_or_insert_with(|| uuid.clone());
        prop_assert_eq!(&uuid, known, "signed in as somebody else: {}", sub);
        let others = self.phones.iter().enumerate().filter(|(who, _)| *who != by);
        for (_, phone) in others {
            prop_assert!(phone.sub.as_ref() != Some(&uuid), "two people are one");
        }
        Ok(())
    }

    async fn cancel(&mut self, login: usize) -> Checked {
        let (status, reply) = self.logins[login].browser.ask(Method::POST, "cancel", Some(json!({}))).await;
        prop_assert!(status < 500, "{}", reply);
        if status == 200 && self.logins[login].standing == Standing::Open {
            self.logins[login].standing = Standing::Over;
            self.logins[login].given_up = self.logins[login].owner.is_none() && self.logins[login].number.is_none();
        }
        Ok(())
    }

    /// The server is where the promises say.
    async fn compare(&mut self, act: &Act) -> Checked {
        for at in 0..self.logins.len() {
            let seen = self.seen(at).await;
            let (login, age) = (&self.logins[at], self.age(at));
            let allowed = match login.standing {
                Standing::Open if age >= EXPIRED => vec![Standing::Over],
                Standing::Open if age < ALIVE => vec![Standing::Open],
                Standing::Open => vec![Standing::Open, Standing::Over],
                // What is decided stays decided; its page may have closed.
                Standing::Approved => vec![Standing::Approved, Standing::Over],
                Standing::Refused => vec![Standing::Refused, Standing::Over],
                Standing::Over => vec![Standing::Over, Standing::Refused],
            };
            prop_assert!(allowed.contains(&seen), "after {:?}: login {} is {:?}, allowed {:?}", act, at, seen, allowed);
            if seen == Standing::Over {
                self.logins[at].standing = Standing::Over;
            }
        }
        if matches!(act, Act::Replay { .. } | Act::Bend { .. } | Act::Graft { .. } | Act::Forge { .. } | Act::Restart) {
            for who in 0..self.phones.len() {
                let debits = self.phones[who].debits;
                self.check_debits(who, &[debits]).await?;
                let phone = &self.phones[who];
                let devices = self.world.devices(&phone.citizen).await;
                let state = devices.iter().find(|device| device["id"] == phone.device.as_str()).map(|d| &d["state"]);
                let expected = if phone.blocked { "blocked" } else { "active" };
                prop_assert!(phone.void || state == Some(&json!(expected)), "after {:?}: {:?}", act, state);
            }
        }
        Ok(())
    }
}
