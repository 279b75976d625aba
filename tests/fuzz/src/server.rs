//! The whole server: people at phones, pages, a bank and a desk, and a stranger on the wire, in any order. What is sent
//! is also lost, repeated, changed and reordered; the server is stopped and started, on its database or an older one.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use godkend_core::{
    Approval, Command, Effect, EffectKind, Failure, IdentityId, Input as Event, Outcome, Pin, Reply, RequestId,
    RequestView, ServerFailure,
};
use godkend_protocol::bytes::{Id, PublicKey};
use godkend_protocol::cbor;
use godkend_protocol::cose::Received;
use godkend_protocol::messages::approval::{Answer as SignedAnswer, AnswerRequest};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{Binding, Decision};
use godkend_server::records::{Device, Document, Transaction};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::handset::{Handset, Saved};
use crate::host::{self, Answer, Host, OTHER_PIN, PIN, USERS, template};
use crate::input::Input;
use crate::mutate;

/// The most steps of one input.
const STEPS: usize = 80;

pub(crate) fn run(data: &[u8]) {
    // Made before the count of the generator begins, so that a first input runs as it would as a thousandth.
    let _ = template();
    #[cfg(fuzzing)]
    godkend_server::ops::random::repeatable::reset();
    host::runtime().block_on(async {
        let mut scene = Scene::new().await;
        // What the template's people did on their way here is not for this scene to judge.
        scene.outcomes.extend(scene.all::<Transaction>().await.iter().filter_map(|transaction| {
            let outcome = transaction.outcome.as_ref()?;
            Some((transaction.id, (outcome.decision, outcome.account, outcome.device)))
        }));
        let mut input = Input::new(data);
        for _ in 0..STEPS {
            if input.is_empty() {
                break;
            }
            scene.step(&mut input).await;
            scene.check().await;
        }
        scene.host.take().unwrap().close().await;
    });
}

/// A phone, what its person has been shown and has done.
struct Person {
    phone: Handset,
    shown: Vec<RequestView>,
    digits: String,
    /// Transactions that the person has approved, and refused.
    approved: HashSet<Id>,
    refused: HashSet<Id>,
    /// Wishes of the phone's own, each approved by being made.
    wishes: u32,
    wishes_done: u32,
    /// The store was put back or copied.
    tampered: bool,
    earlier: Option<Saved>,
}

impl Person {
    fn new(saved: Saved, seed: &str) -> Self {
        Self {
            phone: Handset::new(template().root.clone(), saved, seed),
            shown: Vec::new(),
            digits: "12345678".to_owned(),
            approved: HashSet::new(),
            refused: HashSet::new(),
            wishes: 0,
            wishes_done: 0,
            tampered: false,
            earlier: None,
        }
    }

    fn devices(&self) -> Vec<Id> {
        self.phone.machine().identities().iter().map(|view| view.device).collect()
    }

    fn device(&self) -> Option<Id> {
        self.devices().first().copied()
    }

    fn owns(&self, device: Id) -> bool {
        self.devices().contains(&device)
    }
}

#[derive(Default)]
struct Page {
    login: String,
    cookies: HashMap<String, String>,
    answer: String,
}

/// What the store said of a device when last looked at.
struct Seen {
    state: DeviceState,
    pin: Option<(PublicKey, u32)>,
    /// Times that the debits went down.
    cleared: u32,
}

struct Scene {
    dir: TempDir,
    older: Option<TempDir>,
    host: Option<Host>,
    ahead_ms: i64,
    people: Vec<Person>,
    /// Effects that are asked for and not performed.
    flows: Vec<(usize, Effect)>,
    /// Links, codes, numbers and QR texts that were handed to somebody.
    texts: Vec<String>,
    numbers: Vec<String>,
    activations: Vec<String>,
    requests: Vec<String>,
    waiting: Vec<Id>,
    pages: Vec<Page>,
    /// Everything that a phone has sent.
    sent: Vec<(&'static str, Vec<u8>)>,
    outcomes: HashMap<Id, (Decision, Option<Id>, Option<Id>)>,
    devices: HashMap<Id, Seen>,
    /// Right proofs of a PIN that left a phone, by device and exchange.
    proofs: HashSet<(Id, u64)>,
    restored: bool,
}

impl Scene {
    async fn new() -> Self {
        let dir = host::copy();
        let host = Host::open(dir.path(), 0).await;
        let mut people: Vec<_> = template()
            .phones
            .iter()
            .enumerate()
            .map(|(number, saved)| Person::new(saved.clone(), &format!("phone {number}")))
            .collect();
        people.push(Person::new(Saved::default(), "phone new"));
        Self {
            dir,
            older: None,
            host: Some(host),
            ahead_ms: 0,
            people,
            flows: Vec::new(),
            texts: Vec::new(),
            numbers: Vec::new(),
            activations: Vec::new(),
            requests: Vec::new(),
            waiting: Vec::new(),
            pages: Vec::new(),
            sent: Vec::new(),
            outcomes: HashMap::new(),
            devices: HashMap::new(),
            proofs: HashSet::new(),
            restored: false,
        }
    }

    fn host(&self) -> &Host {
        self.host.as_ref().unwrap()
    }

    async fn step(&mut self, input: &mut Input<'_>) {
        match input.below(24) {
            0..=5 => {
                self.command(input).await;
            }
            6..=8 => self.one_effect(input).await,
            9 => {
                while !self.flows.is_empty() {
                    self.perform(input, 0, 0).await;
                }
            }
            10 | 11 => self.bank(input).await,
            12..=14 => self.page(input).await,
            15 => self.desk(input).await,
            16 => self.digits(input).await,
            17 => self.pass_time(input).await,
            18 => self.replay(input).await,
            19 => self.raw(input).await,
            20 => self.restart(input).await,
            21 => self.kill(input),
            22 => self.token(input).await,
            _ => self.everyday(input).await,
        }
    }

    // ------------------------------------------------------------------------------------------------- phones

    fn pin(input: &mut Input<'_>) -> Pin {
        let text = if input.rarely(6) { OTHER_PIN } else { PIN };
        Pin::new(text).unwrap()
    }

    fn with(input: &mut Input<'_>) -> Approval {
        if input.rarely(3) { Approval::Biometric } else { Approval::Pin(Self::pin(input)) }
    }

    fn last(texts: &[String], input: &mut Input<'_>) -> String {
        if texts.is_empty() {
            return input.text();
        }
        texts[texts.len() - 1 - input.below(texts.len())].clone()
    }

    fn choose(&mut self, input: &mut Input<'_>, who: usize) -> Command {
        let identities: Vec<_> = self.people[who].phone.machine().identities().iter().map(|view| view.id).collect();
        let identity = (identities.len() > 1).then(|| identities[input.below(identities.len())]);
        let request = self.people[who].shown.last().map_or(RequestId(1), |view| view.id);
        let waiting = self.waiting.last().copied().unwrap_or(godkend_protocol::bytes::Fixed([1; 16]));
        let devices: Vec<Id> = self.people.iter().flat_map(Person::devices).collect();
        match input.below(26) {
            0 => Command::Resume,
            1 | 2 => Command::Activate { text: Self::last(&self.texts, input), environment: None },
            3 => Command::Enrolment { identity, wait: 0 },
            4 => Command::ChoosePin { identity, pin: Self::pin(input) },
            5 => Command::ResetPin { identity },
            6 => Command::Poll { identity, wait: 0 },
            7 => Command::Open { identity, id: waiting },
            8 | 9 => Command::Scan { identity, text: Self::last(&self.texts, input) },
            10 => Command::OpenLink { identity, text: Self::last(&self.texts, input) },
            11 | 12 => Command::TypeNumber { identity, number: Self::last(&self.numbers, input) },
            13..=15 => Command::Approve { request, with: Self::with(input), remember_browser: input.flag() },
            16 => Command::Deny { request },
            17 => Command::ReportFraud { request },
            18 => Command::RefuseLocked { identity, id: waiting, fraud: input.flag() },
            19 => {
                let new = Pin::new(if input.flag() { OTHER_PIN } else { PIN }).unwrap();
                Command::ChangePin { identity, old: Self::pin(input), new }
            }
            20 => match input.below(4) {
                0 => Command::EnableBiometrics { identity, pin: Self::pin(input) },
                1 => Command::DisableBiometrics { identity, with: Self::with(input) },
                _ => Command::RotateKeys { identity, pin: Self::pin(input) },
            },
            21 => Command::Move { identity, with: Self::with(input), keep: input.flag() },
            22 => Command::MoveDigits { identity, digits: Self::last(&self.numbers, input) },
            23 => match input.below(3) {
                0 => Command::Overview { identity },
                1 => Command::SetLockedPush { identity, on: input.flag(), with: Self::with(input) },
                _ => {
                    let device = (!devices.is_empty()).then(|| devices[input.below(devices.len())]);
                    Command::RemoveDevice { identity, device, with: Self::with(input) }
                }
            },
            24 => Command::Block { identity },
            _ => Command::Forget { identity: identity.or(identities.first().copied()).unwrap_or(IdentityId(1)) },
        }
    }

    /// Remembers what a command means for what may be decided.
    fn intend(&mut self, who: usize, command: &Command) {
        let person = &mut self.people[who];
        let shown = |request: &RequestId| person.shown.iter().find(|view| view.id == *request).map(|v| v.transaction);
        match command {
            Command::Approve { request, .. } => person.approved.extend(shown(request)),
            Command::Deny { request } | Command::ReportFraud { request } => person.refused.extend(shown(request)),
            Command::RefuseLocked { id, .. } => drop(person.refused.insert(*id)),
            Command::ChoosePin { .. }
            | Command::ChangePin { .. }
            | Command::EnableBiometrics { .. }
            | Command::DisableBiometrics { .. }
            | Command::RotateKeys { .. }
            | Command::Move { .. }
            | Command::RemoveDevice { .. }
            | Command::ForgetBrowser { .. }
            | Command::SetLockedPush { .. } => person.wishes += 1,
            _ => {}
        }
    }

    /// Begins a command; most are taken to their end at once, a few wait for [`Self::one_effect`].
    async fn command(&mut self, input: &mut Input<'_>) {
        let who = input.below(self.people.len());
        let command = self.choose(input, who);
        let whole = !input.rarely(4);
        self.issue(input, who, command, whole).await;
    }

    async fn issue(&mut self, input: &mut Input<'_>, who: usize, command: Command, whole: bool) {
        self.intend(who, &command);
        let effect = self.people[who].phone.begin(command);
        self.flows.push((who, effect));
        if whole {
            let ticket = self.flows.last().unwrap().1.ticket;
            while let Some(at) = self.flows.iter().position(|(of, flow)| *of == who && flow.ticket == ticket) {
                let fate = if input.rarely(32) { input.byte() } else { 0 };
                self.perform(input, at, fate).await;
            }
        }
    }

    async fn one_effect(&mut self, input: &mut Input<'_>) {
        if !self.flows.is_empty() {
            let at = input.below(self.flows.len());
            let fate = input.byte();
            self.perform(input, at, fate).await;
        }
    }

    /// Performs one effect; `fate` 0 to 7 honestly, above it as bad luck and strangers would have it.
    async fn perform(&mut self, input: &mut Input<'_>, at: usize, fate: u8) {
        let (who, effect) = self.flows.remove(at);
        let ticket = effect.ticket;
        let reply = match effect.kind {
            EffectKind::Done(result) => return self.done(who, result),
            EffectKind::Key(request) => {
                let Handset { saved, rng, .. } = &mut self.people[who].phone;
                match fate % 16 {
                    14 => Reply::Key(Err(godkend_core::KeyFailure::Cancelled)),
                    15 => Reply::Key(Err(godkend_core::KeyFailure::Failed)),
                    _ => Reply::Key(saved.keys.handle(rng, request)),
                }
            }
            EffectKind::Persist { bytes, sequence } => {
                self.people[who].phone.persist(bytes, sequence);
                Reply::Persisted(true)
            }
            EffectKind::Send(request) => {
                self.note_sent(request.path, &request.body);
                Reply::Server(self.send(input, request.path, request.body, fate).await)
            }
        };
        if let Some(next) = self.people[who].phone.input(Event::Reply(ticket, reply)) {
            if let EffectKind::Done(result) = next.kind {
                self.done(who, result);
            } else {
                self.flows.push((who, next));
            }
        }
    }

    async fn send(
        &mut self,
        input: &mut Input<'_>,
        path: &'static str,
        body: Vec<u8>,
        fate: u8,
    ) -> Result<Vec<u8>, ServerFailure> {
        match fate % 16 {
            // The request is lost.
            8 => return Err(ServerFailure::Network),
            // The reply is lost.
            9 => {
                let _ = self.phone(path, body).await;
                return Err(ServerFailure::Network);
            }
            // It arrives twice.
            10 => drop(self.phone(path, body.clone()).await),
            // A changed copy arrives first.
            11 => {
                let changed = mutate::bytes(input, body.clone());
                let _ = self.phone(path, changed).await;
            }
            12 => {
                if let Some(changed) = mutate::cbor(input, &body) {
                    let _ = self.phone(path, changed).await;
                }
            }
            // An earlier request arrives in between.
            13 if !self.sent.is_empty() => {
                let (path, body) = self.sent[input.below(self.sent.len())].clone();
                let _ = self.phone(path, body).await;
            }
            _ => {}
        }
        let reply = self.phone(path, body).await;
        if fate % 16 == 14 && reply.is_ok() { reply.map(|reply| mutate::bytes(input, reply)) } else { reply }
    }

    async fn phone(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, ServerFailure> {
        let method = if path == "keys" { Method::GET } else { Method::POST };
        let headers = [("content-type", godkend_protocol::messages::CONTENT_TYPE.to_owned())];
        host::read_phone(self.call(method, &format!("/phone/v1/{path}"), &headers, body).await)
    }

    fn note_sent(&mut self, path: &'static str, body: &[u8]) {
        if path == AnswerRequest::PATH
            && let Ok(request) = cbor::decode::<AnswerRequest>(body)
            && let Ok(answer) = Received::<SignedAnswer>::parse(&request.answer.0, "test")
            && let Some(proof) = &request.pin
        {
            self.proofs.insert((answer.claimed().device, proof.exchange));
        }
        self.sent.push((path, body.to_vec()));
    }

    fn done(&mut self, who: usize, result: Result<Outcome, Failure>) {
        let person = &mut self.people[who];
        match result {
            Ok(Outcome::Digits { digits, .. }) => {
                person.digits.clone_from(&digits);
                self.numbers.push(digits);
            }
            Ok(Outcome::Request(view)) => person.shown.push(*view),
            Ok(Outcome::Waiting { requests, .. }) => self.waiting.extend(requests.iter().map(|request| request.id)),
            Ok(Outcome::Activation(handed)) => self.texts.push(handed.link),
            Ok(Outcome::OfflineCode { code }) => self.numbers.push(code),
            Ok(Outcome::Approved { return_url: Some(url), .. }) => self.texts.push(url),
            _ => {}
        }
    }

    fn kill(&mut self, input: &mut Input<'_>) {
        let who = input.below(self.people.len());
        let person = &mut self.people[who];
        match input.below(6) {
            0 => person.earlier = Some(person.phone.saved.clone()),
            1 => {
                if let Some(earlier) = person.earlier.clone() {
                    person.phone.saved = earlier;
                    person.tampered = true;
                }
            }
            _ => {}
        }
        person.phone.restart();
        person.shown.clear();
        self.flows.retain(|(of, _)| *of != who);
    }

    // ------------------------------------------------------------------------------------ bank, pages, desk

    async fn form(&self, path: &str, fields: &[(&str, String)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [host::basic(), ("content-type", "application/x-www-form-urlencoded".to_owned())];
        self.call(Method::POST, path, &headers, body.into_bytes()).await
    }

    fn asked(input: &mut Input<'_>) -> Vec<(&'static str, String)> {
        let level = *input.pick(&["Substantial", "High", "Low", "Substantial"]);
        let mut fields = vec![
            ("scope", "openid".to_owned()),
            ("acr_values", format!("https://data.gov.dk/concept/core/nsis/{level}")),
        ];
        match input.below(4) {
            0 => fields.push(("idp_params", json!({"reference_text": STANDARD.encode("Log på")}).to_string())),
            1 => {
                let payment =
                    json!([{"type": "godkend_payment", "amount": "12.50", "currency": "DKK", "payee": "Bager"}]);
                fields.push(("authorization_details", payment.to_string()));
            }
            _ => {}
        }
        fields
    }

    async fn bank(&mut self, input: &mut Input<'_>) {
        let mut fields = Self::asked(input);
        if input.flag() {
            fields.push((
                "login_hint",
                (*input.pick(&["alice", "alice", "bobby", "magic-approve", "nobody"])).to_owned(),
            ));
            let reply = self.form("/ciba", &fields).await.json();
            self.numbers.extend(reply["number"].as_str().map(str::to_owned));
            self.requests.extend(reply["auth_req_id"].as_str().map(str::to_owned));
            return;
        }
        let challenge = godkend_protocol::crypto::sha256(&[b"a-verifier-of-at-least-forty-three-characters-long"]);
        fields.extend([
            ("response_type", "code".to_owned()),
            ("client_id", "netbank".to_owned()),
            ("redirect_uri", "https://netbank.example/callback".to_owned()),
            ("code_challenge_method", "S256".to_owned()),
            ("code_challenge", challenge.to_base64()),
        ]);
        let reply = self.form("/par", &fields).await.json();
        let Some(uri) = reply["request_uri"].as_str() else { return };
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", "netbank")
            .append_pair("request_uri", uri)
            .finish();
        // Now and then from a browser that has been here.
        let cookies = match self.pages.last() {
            Some(page) if input.flag() => page.cookies.clone(),
            _ => HashMap::new(),
        };
        let mut page = Page { cookies, ..Page::default() };
        let answer = self.browse(&mut page, Method::GET, &format!("/authorize?{query}"), None).await;
        if let Some(to) = answer.headers.get("location").and_then(|to| to.to_str().ok())
            && to.starts_with("/login/")
        {
            page.login = to.to_owned();
            self.pages.push(page);
        }
    }

    async fn browse(&self, page: &mut Page, method: Method, path: &str, body: Option<Value>) -> Answer {
        let cookies = page.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut headers =
            vec![("cookie", cookies), ("user-agent", "Mozilla/5.0 (X11; Linux) Firefox/140.0".to_owned())];
        if body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let body = body.map(|body| serde_json::to_vec(&body).unwrap()).unwrap_or_default();
        let answer = self.call(method, path, &headers, body).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() || attributes.contains("Max-Age=0") {
                page.cookies.remove(name);
            } else {
                page.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    async fn page(&mut self, input: &mut Input<'_>) {
        if self.pages.is_empty() {
            return;
        }
        let at = self.pages.len() - 1 - input.below(self.pages.len());
        let mut page = std::mem::take(&mut self.pages[at]);
        self.visit(input, &mut page).await;
        self.pages[at] = page;
    }

    async fn visit(&mut self, input: &mut Input<'_>, page: &mut Page) {
        let login = page.login.clone();
        let under = |path: &str| format!("{login}/{path}");
        let user_id = (*input.pick(&["alice", "alice", "bobby", "nobody"])).to_owned();
        match input.below(10) {
            0 => drop(self.browse(page, Method::GET, &login, None).await),
            1 => {
                let state = self.browse(page, Method::GET, &under("state"), None).await.json();
                self.texts.extend(state["same_device_link"].as_str().map(str::to_owned));
            }
            2 | 3 => {
                let reply = self.browse(page, Method::GET, &under("frames"), None).await.json();
                let now = reply["now_ms"].as_i64().unwrap_or(0) / 1000;
                let frames = reply["frames"].as_array().cloned().unwrap_or_default();
                let frame = frames.iter().find(|frame| frame["second"].as_i64() == Some(now));
                self.texts.extend(frame.and_then(|frame| frame["text"].as_str()).map(str::to_owned));
            }
            4 => {
                let body = Some(json!({ "user_id": user_id }));
                let reply = self.browse(page, Method::POST, &under("user-id"), body).await.json();
                self.numbers.extend(reply["number"].as_str().map(str::to_owned));
            }
            5 => {
                let body = Some(json!({ "user_id": user_id }));
                let reply = self.browse(page, Method::POST, &under("offline"), body).await.json();
                self.texts.extend(reply["text"].as_str().map(str::to_owned));
            }
            6 => {
                let body = Some(json!({ "code": Self::last(&self.numbers, input) }));
                drop(self.browse(page, Method::POST, &under("offline-code"), body).await);
            }
            7 => drop(self.browse(page, Method::POST, &under("cancel"), Some(json!({}))).await),
            8 => {
                let answer = self.browse(page, Method::GET, &under("finish"), None).await;
                if let Some(to) = answer.headers.get("location").and_then(|to| to.to_str().ok())
                    && let Ok(to) = url::Url::parse(to)
                    && let Some((_, code)) = to.query_pairs().find(|(name, _)| name == "code")
                {
                    page.answer = code.into_owned();
                }
            }
            _ => {
                // A link of the app's back to the page.
                let to = Self::last(&self.texts, input);
                if let Some(path) = to.strip_prefix(&template().root.url) {
                    drop(self.browse(page, Method::GET, path, None).await);
                }
            }
        }
    }

    async fn token(&mut self, input: &mut Input<'_>) {
        let fields = match (input.flag(), self.requests.last(), self.pages.last()) {
            (true, Some(request), _) => {
                vec![("grant_type", "urn:openid:params:grant-type:ciba".to_owned()), ("auth_req_id", request.clone())]
            }
            (_, _, Some(page)) => vec![
                ("grant_type", "authorization_code".to_owned()),
                ("code", page.answer.clone()),
                ("redirect_uri", "https://netbank.example/callback".to_owned()),
                ("code_verifier", "a-verifier-of-at-least-forty-three-characters-long".to_owned()),
            ],
            _ => return,
        };
        self.form("/token", &fields).await;
    }

    async fn ask_desk(&self, method: Method, path: &str, body: Value) -> Answer {
        let headers = [
            ("authorization", format!("Bearer {}", self.host().token)),
            ("content-type", "application/json".to_owned()),
        ];
        self.call(method, &format!("/admin/v1/{path}"), &headers, serde_json::to_vec(&body).unwrap()).await
    }

    async fn desk(&mut self, input: &mut Input<'_>) {
        let citizen = input.pick(&template().citizens[..2]).clone();
        let device = self.people[input.below(self.people.len())].device().map(|id| id.to_base64()).unwrap_or_default();
        match input.below(10) {
            0..=3 => {
                let form = if input.flag() { "link" } else { "code" };
                let path = format!("citizens/{citizen}/activations");
                let reply = self.ask_desk(Method::POST, &path, json!({ "form": form })).await.json();
                self.texts.extend(reply["text"].as_str().map(str::to_owned));
                self.activations.extend(reply["id"].as_str().map(str::to_owned));
            }
            4 => drop(self.ask_desk(Method::POST, &format!("devices/{device}/block"), json!({})).await),
            5 => drop(self.ask_desk(Method::POST, &format!("devices/{device}/unblock"), json!({})).await),
            6 => {
                let reply = self.ask_desk(Method::POST, &format!("devices/{device}/pin-reset"), json!({})).await.json();
                self.activations.extend(reply["id"].as_str().map(str::to_owned));
            }
            7 => {
                let what = if input.flag() { "block" } else { "unblock" };
                drop(self.ask_desk(Method::POST, &format!("citizens/{citizen}/{what}"), json!({})).await);
            }
            8 => drop(self.ask_desk(Method::POST, &format!("devices/{device}/remove"), json!({})).await),
            _ => {
                for path in [format!("citizens/{citizen}/history"), format!("citizens/{citizen}/devices")] {
                    drop(self.ask_desk(Method::GET, &path, json!({})).await);
                }
                if let Some(transaction) = self.outcomes.keys().next() {
                    let path = format!("evidence/{}", transaction.to_base64());
                    drop(self.ask_desk(Method::GET, &path, json!({})).await);
                }
            }
        }
    }

    async fn digits(&mut self, input: &mut Input<'_>) {
        let who = input.below(self.people.len());
        let digits = if input.rarely(4) { "00000000".to_owned() } else { self.people[who].digits.clone() };
        if let Some(activation) = self.activations.last().cloned() {
            self.ask_desk(Method::POST, &format!("activations/{activation}/digits"), json!({ "digits": digits })).await;
        }
    }

    /// A whole login as on any day, so that the deeper states are common.
    async fn everyday(&mut self, input: &mut Input<'_>) {
        let who = input.below(3);
        let user = USERS[usize::from(who == 2)];
        let mut fields = Self::asked(input);
        fields.push(("login_hint", user.to_owned()));
        let reply = self.form("/ciba", &fields).await.json();
        let Some(number) = reply["number"].as_str().map(str::to_owned) else { return };
        self.requests.extend(reply["auth_req_id"].as_str().map(str::to_owned));
        self.issue(input, who, Command::TypeNumber { identity: None, number }, true).await;
        if let Some(view) = self.people[who].shown.last() {
            let command =
                Command::Approve { request: view.id, with: Self::with(input), remember_browser: input.flag() };
            self.issue(input, who, command, true).await;
        }
    }

    // --------------------------------------------------------------------------------- strangers, time, faults

    async fn replay(&mut self, input: &mut Input<'_>) {
        if self.sent.is_empty() {
            return;
        }
        let (path, body) = self.sent[self.sent.len() - 1 - input.below(self.sent.len())].clone();
        let body = match input.below(3) {
            0 => body,
            1 => mutate::bytes(input, body),
            _ => mutate::cbor(input, &body).unwrap_or(body),
        };
        let path = if input.rarely(4) { self.sent[input.below(self.sent.len())].0 } else { path };
        let _ = self.phone(path, body).await;
    }

    async fn raw(&mut self, input: &mut Input<'_>) {
        const PATHS: &[&str] = &[
            "/phone/v1/activation/open",
            "/phone/v1/activation/enrol",
            "/phone/v1/activation/status",
            "/phone/v1/answer",
            "/phone/v1/activation/digits",
            "/phone/v1/pin/register",
            "/phone/v1/pin/enrol",
            "/phone/v1/pin/start",
            "/phone/v1/pin/reset",
            "/phone/v1/poll/open",
            "/phone/v1/poll",
            "/phone/v1/challenge",
            "/phone/v1/manage",
            "/phone/v1/refuse",
            "/phone/v1/overview",
            "/phone/v1/block",
            "/phone/v1/keys",
            "/authorize",
            "/par",
            "/ciba",
            "/token",
            "/jwks",
            "/login/",
            "/block",
            "/health",
            "/ready",
            "/return/",
            "/admin/v1/citizens",
            "/admin/v1/clock",
            "/admin/v1/evidence/",
            "/admin/v1/users/",
            "/.well-known/openid-configuration",
        ];
        let mut path = (*input.pick(PATHS)).to_owned();
        if input.flag() {
            let tail: String = url::form_urlencoded::byte_serialize(input.chunk()).collect();
            path.push_str(if input.flag() { "?" } else { "" });
            path.push_str(&tail);
        }
        let method = if input.flag() { Method::POST } else { Method::GET };
        let mut headers = vec![(
            "content-type",
            (*input.pick(&["application/cbor", "application/json", "application/x-www-form-urlencoded", "text/plain"]))
                .to_owned(),
        )];
        if input.flag() {
            headers.push(("authorization", format!("Bearer {}", self.host().token)));
        } else if input.flag() {
            headers.push(host::basic());
        }
        if input.flag() {
            let header = *input.pick(&["cookie", "x-forwarded-for", "accept-language", "user-agent", "origin", "dpop"]);
            headers.push((header, input.text()));
        }
        // Time is the other step's.
        if path.starts_with("/admin/v1/clock") && method == Method::POST {
            return;
        }
        let body = input.chunk().to_vec();
        self.call(method, &path, &headers, body).await;
    }

    async fn pass_time(&mut self, input: &mut Input<'_>) {
        let seconds = match input.below(8) {
            0..=2 => input.below(5) as i64,
            3 => 60,
            4 => 181,
            5 => 3_601,
            6 => 86_400,
            _ => -(input.below(120) as i64),
        };
        self.ahead_ms += seconds * 1000;
        self.host().app.clock.advance_ms(seconds * 1000);
        for person in &mut self.people {
            person.phone.now.wall += seconds;
            person.phone.now.monotonic_ms += u64::try_from(seconds * 1000).unwrap_or(0);
        }
    }

    async fn restart(&mut self, input: &mut Input<'_>) {
        let data = self.host().app.config.data_dir();
        self.host.take().unwrap().close().await;
        let database = |name: &str| name.contains(".sqlite");
        match input.below(4) {
            // The operator copies the database away, or puts the copy back beside the living log.
            0 => {
                let copy = host::folder();
                move_files(&data, copy.path(), database);
                self.older = Some(copy);
            }
            1 => {
                if let Some(older) = &self.older {
                    for entry in std::fs::read_dir(&data).unwrap().flatten() {
                        if database(&entry.file_name().to_string_lossy()) {
                            std::fs::remove_file(entry.path()).unwrap();
                        }
                    }
                    move_files(older.path(), &data, database);
                    self.restored = true;
                }
            }
            _ => {}
        }
        self.host = Some(Host::open(self.dir.path(), self.ahead_ms).await);
        if self.restored {
            self.check_restored().await;
        }
    }

    // ------------------------------------------------------------------------------------------------ promises

    async fn call(&self, method: Method, path: &str, headers: &[(&str, String)], body: Vec<u8>) -> Answer {
        let answer = self.host().call(method, path, headers, body).await;
        // Nothing is at fault here: no disk is full, no store is busy. A server that errs says what no one may see.
        assert!(answer.status < 500, "{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        answer
    }

    async fn all<D: Document>(&self) -> Vec<D> {
        let records = self.host().app.store.scan(D::KIND, None, 256).await.unwrap();
        records.iter().map(|record| serde_json::from_slice(&record.body).unwrap()).collect()
    }

    async fn check(&mut self) {
        self.check_outcomes().await;
        for device in self.all::<Device>().await {
            let pin = device.pin.as_ref().map(|pin| (pin.key, pin.debits));
            let cleared = match self.devices.get(&device.id) {
                Some(Seen { pin: Some((key, before)), cleared, .. }) => match pin {
                    Some((now, debits)) if now == *key && debits < *before => cleared + 1,
                    _ => *cleared,
                },
                _ => 0,
            };
            let proofs = self.proofs.iter().filter(|(of, _)| *of == device.id).count();
            assert!(cleared as usize <= proofs, "tries came back without a right PIN");
            let config = &self.host().app.config.pin;
            let most = config.tries_per_round * (config.waits_seconds.len() as u32 + 1);
            assert!(pin.is_none_or(|(_, debits)| debits <= most), "more tries than there are");
            if device.state == DeviceState::Frozen {
                let owner = self.people.iter().find(|person| person.owns(device.id));
                assert!(owner.is_none_or(|person| person.tampered), "an honest phone was frozen");
            }
            self.devices.insert(device.id, Seen { state: device.state, pin, cleared });
        }
    }

    async fn check_outcomes(&mut self) {
        for transaction in self.all::<Transaction>().await {
            let Some(outcome) = &transaction.outcome else {
                assert!(!self.outcomes.contains_key(&transaction.id), "a decided transaction is open again");
                continue;
            };
            let decided = (outcome.decision, outcome.account, outcome.device);
            match self.outcomes.insert(transaction.id, decided) {
                Some(before) => assert!(before.0 == decided.0, "two outcomes: {before:?}, {decided:?}"),
                None => self.judge(&transaction, outcome),
            }
        }
    }

    /// Whether somebody who may has decided so.
    fn judge(&mut self, transaction: &Transaction, outcome: &godkend_server::records::Outcome) {
        let id = transaction.id;
        let owner = outcome.device.and_then(|device| self.people.iter_mut().find(|person| person.owns(device)));
        match (outcome.decision, owner) {
            (Decision::Approve, Some(person)) if transaction.operation.is_some() => {
                // A notice about another phone is shown and approved; all else is the phone's own wish.
                if !person.approved.contains(&id) {
                    person.wishes_done += 1;
                    assert!(person.wishes_done <= person.wishes, "a wish that nobody had");
                }
            }
            (Decision::Approve, Some(person)) => assert!(person.approved.contains(&id), "nobody approved this"),
            (Decision::Approve, None) if outcome.binding == Binding::Offline => {
                assert!(self.people.iter().any(|person| person.approved.contains(&id)), "nobody approved this");
            }
            (Decision::Approve, None) => {
                // Magic identities of a test environment, or a phone that has been activated anew since.
                let magic = outcome.account.map(|id| id.to_base64()) == Some(template().citizens[2].clone());
                let someone = self.people.iter().any(|person| person.approved.contains(&id) || person.wishes > 0);
                assert!(magic || someone, "nobody approved this");
            }
            (_, Some(person)) if transaction.operation.is_none() => {
                assert!(person.refused.contains(&id), "nobody refused this");
            }
            _ => {}
        }
    }

    /// What an older database beside the living log must not undo.
    async fn check_restored(&self) {
        let devices = self.all::<Device>().await;
        for (id, seen) in &self.devices {
            let Some(now) = devices.iter().find(|device| device.id == *id) else { continue };
            let ended = matches!(seen.state, DeviceState::Blocked | DeviceState::Frozen | DeviceState::Removed);
            assert!(!(ended && now.state == DeviceState::Active), "a device came back: {:?}", seen.state);
            if seen.state == DeviceState::Active {
                assert!(now.state != DeviceState::Frozen, "a restore froze somebody");
            }
        }
    }
}

fn move_files(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let name = entry.file_name();
        if wanted(&name.to_string_lossy()) {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
