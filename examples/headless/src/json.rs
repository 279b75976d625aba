//! What commands say, as data: one line of JSON each with `--json`, drawn by [`crate::view`] without it. The schema is
//! `schema.json`; `docs/headless.md` explains it.

use godkend_core::{HistoryEvent, HistoryLine, IdentityStanding, IdentityView, RequestView, WaitingRequest};
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::device::{BrowserLine, DeviceLine, Overview};
use godkend_protocol::messages::pin::PinStatus;
use godkend_protocol::types::{Binding, Factor, Operation, VersionPolicy};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::language::Language;
use crate::problem::Problem;

/// The schema of every line that `--json` prints.
pub(crate) const SCHEMA: &str = include_str!("../schema.json");

/// One thing that a command has to say.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Report {
    /// Eight digits to type where the activation was handed out.
    Digits { person: u32, digits: String },
    /// Where an enrolment stands.
    Stage { stage: &'static str, active_from: Option<i64> },
    /// A phone is in use.
    Activated { person: Person, block_code: Option<String> },
    /// The people on this phone.
    People { people: Vec<Person>, activation_pending: bool },
    /// What waits.
    Waiting { requests: Vec<Waiting>, policy: Option<Policy> },
    /// A request to decide on.
    Request(Box<Request>),
    /// Approved, and the server has taken it.
    Approved { return_url: Option<String>, active_from: Option<i64> },
    /// Approved without a network.
    OfflineCode { code: String },
    /// Refused, and the server knows.
    Refused { reported: bool },
    /// A notice of use was answered, and the server knows.
    NoticeAnswered { was_me: bool },
    /// What this phone remembers.
    History { lines: Vec<Line> },
    /// The person's devices.
    Devices { devices: Vec<Device>, locked_push: Option<bool>, pin: Option<Pin> },
    /// The person's remembered browsers.
    Browsers { browsers: Vec<Browser> },
    /// What the server can send to wake this phone, and whether it has an address of it.
    Push { registered: bool, fcm: bool, apns: bool, web_push: Option<String> },
    /// The keys of this phone.
    Keys { purposes: Vec<&'static str> },
    /// An activation for another phone; a secret.
    Activation { form: &'static str, text: String, expires: i64, id: Option<String>, picture: Option<String> },
    /// The phone whose digits were right.
    Confirmed { model: String, place: Option<String>, active_from: Option<i64> },
    /// Done; what.
    Done { what: &'static str },
    /// A citizen at the desk.
    Citizen(Box<Citizen>),
    /// Citizens at the desk.
    Citizens { citizens: Vec<Citizen> },
    /// A login waits for the phone.
    LoginStarted(Box<LoginStarted>),
    /// The relying party has verified its answer.
    SignedIn { verified: bool, remembered: bool, claims: Map<String, Value> },
    /// The embedded server runs.
    Serving {
        url: String,
        directory: String,
        root: String,
        token: String,
        relying_party: String,
        metrics: Option<String>,
    },
    /// The demo has come to its end.
    Demo { verified: bool, seconds: f64 },
    /// A load test's result.
    Simulation(Box<Simulation>),
    /// The command failed.
    Error { code: String, message: String, exit_code: u8 },
}

/// One person on this phone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Person {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) environment: String,
    pub(crate) device: String,
    pub(crate) standing: &'static str,
    pub(crate) biometrics: bool,
    pub(crate) offline: bool,
    pub(crate) unsettled: bool,
}

/// A waiting request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    pub(crate) locked: bool,
    pub(crate) expires_in: u32,
}

/// What the server says about the app's version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Policy {
    pub(crate) state: &'static str,
    pub(crate) required_from: Option<i64>,
}

/// A request as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Request {
    pub(crate) transaction: String,
    pub(crate) relying_party: String,
    pub(crate) relying_party_id: String,
    pub(crate) action: &'static str,
    pub(crate) text: Option<String>,
    pub(crate) payment: Option<Payment>,
    pub(crate) operation: Option<String>,
    pub(crate) level: &'static str,
    pub(crate) factors: Vec<&'static str>,
    pub(crate) binding: &'static str,
    pub(crate) place: Option<String>,
    pub(crate) browser: Option<String>,
    pub(crate) new_browser: bool,
    pub(crate) may_remember: bool,
    pub(crate) expires_in: Option<u64>,
    pub(crate) pin: Option<Pin>,
    pub(crate) policy: Policy,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Payment {
    pub(crate) amount_minor: u64,
    pub(crate) currency: String,
    pub(crate) payee: String,
    pub(crate) account: Option<String>,
}

/// The PIN's tries.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Pin {
    pub(crate) tries_left: u32,
    pub(crate) wait: u32,
    pub(crate) rounds_left: u32,
    pub(crate) dead: bool,
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Line {
    pub(crate) at: i64,
    pub(crate) event: &'static str,
    pub(crate) relying_party: Option<String>,
    pub(crate) action: Option<&'static str>,
    pub(crate) text: Option<String>,
    pub(crate) place: Option<String>,
    pub(crate) code: Option<String>,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) platform: String,
    pub(crate) state: &'static str,
    pub(crate) enrolled: i64,
    pub(crate) last_used: Option<i64>,
    pub(crate) keys: Vec<&'static str>,
    pub(crate) this: bool,
}

/// A remembered browser.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Browser {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) remembered: i64,
    pub(crate) last_used: i64,
}

/// A citizen as a desk sees one.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub(crate) struct Citizen {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) name: String,
    pub(crate) date_of_birth: String,
    pub(crate) identity_level: String,
    pub(crate) blocked: bool,
    pub(crate) has_cpr: bool,
    pub(crate) magic: Option<String>,
}

/// A login that waits for the phone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LoginStarted {
    pub(crate) how: &'static str,
    pub(crate) expires_in: i64,
    pub(crate) number: Option<String>,
    pub(crate) link: Option<String>,
    pub(crate) offline: Option<String>,
    pub(crate) picture: Option<String>,
    pub(crate) remembered: bool,
}

/// A load test's result. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Simulation {
    pub(crate) users: u32,
    pub(crate) in_flight: u32,
    pub(crate) activations: Series,
    pub(crate) logins: Series,
    /// Of this process: phones, browsers, relying party and desk.
    pub(crate) cpu_seconds: Option<f64>,
    /// Until a server of its own answered.
    pub(crate) started_ms: Option<f64>,
    /// The logins by factor and number in flight.
    pub(crate) runs: Vec<LoadRun>,
    pub(crate) failures: Vec<String>,
}

/// The logins with one factor and one number in flight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LoadRun {
    pub(crate) with: String,
    pub(crate) in_flight: u32,
    pub(crate) logins: Series,
    pub(crate) phases: Vec<Phase>,
    /// Of a server of its own, for each login.
    pub(crate) server: Option<ServerUse>,
    /// Phones, browsers and relying party, for each login.
    pub(crate) generator_cpu_ms: f64,
    pub(crate) floor: Option<FloorRun>,
    pub(crate) empty: Option<EmptyRun>,
}

/// The same logins on an empty server, in turns with those on the full one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct EmptyRun {
    pub(crate) logins: Series,
    pub(crate) server: Option<ServerUse>,
    /// The full server's time by the empty one's.
    pub(crate) p50_ratio: f64,
    pub(crate) p99_ratio: f64,
}

/// One step of a login.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// What a login takes of the server. Memory is that of its whole process.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ServerUse {
    pub(crate) cpu_ms: f64,
    pub(crate) requests: f64,
    pub(crate) signatures: f64,
    pub(crate) verifications: f64,
    pub(crate) opaque_starts: f64,
    pub(crate) commits: f64,
    pub(crate) transactions: f64,
    pub(crate) log_rounds: f64,
    pub(crate) log_flushes: f64,
    pub(crate) memory_kb: u64,
    pub(crate) peak_kb: u64,
}

/// The same number of empty requests, signatures, OPAQUE tries and commits, in turns with the logins.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FloorRun {
    pub(crate) series: Series,
    pub(crate) server: Option<ServerUse>,
    /// The server's processor time for a login, by the floor's.
    pub(crate) cpu_ratio: f64,
    /// The floor's pieces of work a second, by the logins a second.
    pub(crate) throughput_ratio: f64,
}

/// One kind of work of a load test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Series {
    pub(crate) done: u32,
    pub(crate) failed: u32,
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Report {
    /// A failure.
    pub(crate) fn of_problem(problem: &Problem, language: Language) -> Self {
        Self::Error {
            code: problem.code().to_owned(),
            message: problem.text(language),
            exit_code: problem.exit().code(),
        }
    }

    /// An enrolment's stage.
    pub(crate) fn of_stage(stage: Stage) -> Self {
        let active_from = match stage {
            Stage::Waiting { until } => Some(until),
            _ => None,
        };
        Self::Stage { stage: stage_name(stage), active_from }
    }

    /// The history, oldest first.
    pub(crate) fn of_history(lines: &[HistoryLine]) -> Self {
        let line = |line: &HistoryLine| Line {
            at: line.at,
            event: event_name(line.event),
            relying_party: line.relying_party.clone(),
            action: line.action.map(godkend_protocol::types::Action::name),
            text: line.text.clone(),
            place: line.place.clone(),
            code: line.code.clone(),
        };
        Self::History { lines: lines.iter().map(line).collect() }
    }

    /// The devices; `own` is this one.
    pub(crate) fn of_devices(overview: &Overview, own: Option<godkend_protocol::bytes::Id>) -> Self {
        let device = |device: &DeviceLine| Device {
            id: device.id.to_base64(),
            model: device.model.clone(),
            platform: device.platform.clone(),
            state: device_state(device.state),
            enrolled: device.enrolled,
            last_used: device.last_used,
            keys: device.keys.iter().map(|purpose| purpose.name()).collect(),
            this: own == Some(device.id),
        };
        Self::Devices {
            devices: overview.devices.iter().map(device).collect(),
            locked_push: Some(overview.locked_push),
            pin: overview.pin.as_ref().map(Pin::of),
        }
    }

    /// The remembered browsers.
    pub(crate) fn of_browsers(overview: &Overview) -> Self {
        let browser = |browser: &BrowserLine| Browser {
            id: browser.id.to_base64(),
            name: browser.name.clone(),
            remembered: browser.remembered,
            last_used: browser.last_used,
        };
        Self::Browsers { browsers: overview.browsers.iter().map(browser).collect() }
    }

    /// What waits.
    pub(crate) fn of_waiting(requests: &[WaitingRequest], policy: Option<VersionPolicy>) -> Self {
        let waiting = |request: &WaitingRequest| Waiting {
            id: request.id.to_base64(),
            locked: request.locked,
            expires_in: request.expires_in,
        };
        Self::Waiting { requests: requests.iter().map(waiting).collect(), policy: policy.map(Policy::of) }
    }
}

impl Person {
    /// As the phone knows one.
    pub(crate) fn of(view: &IdentityView) -> Self {
        Self {
            id: view.id.0,
            name: view.name.clone(),
            environment: view.environment.clone(),
            device: view.device.to_base64(),
            standing: match view.standing {
                IdentityStanding::Enrolling(_) => "enrolling",
                IdentityStanding::Active => "active",
                IdentityStanding::ResettingPin(_) => "resetting_pin",
                IdentityStanding::Blocked => "blocked",
                IdentityStanding::Frozen => "frozen",
                IdentityStanding::Removed => "removed",
            },
            biometrics: view.biometrics,
            offline: view.offline,
            unsettled: view.unsettled,
        }
    }
}

impl Policy {
    fn of(policy: VersionPolicy) -> Self {
        match policy {
            VersionPolicy::Current => Self { state: "current", required_from: None },
            VersionPolicy::Recommended => Self { state: "recommended", required_from: None },
            VersionPolicy::RequiredFrom { at } => Self { state: "required", required_from: Some(at) },
        }
    }
}

impl Pin {
    fn of(status: &PinStatus) -> Self {
        let PinStatus { tries_left, wait, rounds_left, dead } = *status;
        Self { tries_left, wait, rounds_left, dead }
    }
}

/// The name of what nobody asks to be approved.
pub(crate) const NOTICE_OF_USE: &str = "NOTICE_OF_USE";

impl Request {
    /// A request at a moment of the phone's monotonic clock, in milliseconds.
    pub(crate) fn of(view: &RequestView, now_ms: u64) -> Self {
        Self {
            transaction: view.transaction.to_base64(),
            relying_party: view.relying_party.name.clone(),
            relying_party_id: view.relying_party.id.clone(),
            action: if view.notice_of_use { NOTICE_OF_USE } else { view.action.name() },
            text: view.text.clone(),
            payment: view.payment.as_ref().map(|payment| Payment {
                amount_minor: payment.amount_minor,
                currency: payment.currency.clone(),
                payee: payment.payee.clone(),
                account: payment.account.clone(),
            }),
            operation: view.operation.as_ref().map(operation_name),
            level: view.level.name(),
            factors: view.factors.iter().map(|factor| factor_name(*factor)).collect(),
            binding: Binding::name(view.binding),
            place: view.place.clone(),
            browser: view.browser.clone(),
            new_browser: view.new_browser,
            may_remember: view.may_remember,
            expires_in: view.expires_at_ms.map(|end| end.saturating_sub(now_ms).div_ceil(1000)),
            pin: view.pin.as_ref().map(Pin::of),
            policy: Policy::of(view.policy),
        }
    }
}

const fn factor_name(factor: Factor) -> &'static str {
    match factor {
        Factor::None => "none",
        Factor::Pin => "pin",
        Factor::Biometric => "biometric",
    }
}

fn operation_name(operation: &Operation) -> String {
    operation.action().name().to_owned()
}

/// A stage's name.
pub(crate) const fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Digits => "digits",
        Stage::ChoosePin => "choose_pin",
        Stage::Finish => "finish",
        Stage::Waiting { .. } => "waiting",
        Stage::Active => "active",
        Stage::Void => "void",
    }
}

const fn event_name(event: HistoryEvent) -> &'static str {
    match event {
        HistoryEvent::Activated => "activated",
        HistoryEvent::Approved => "approved",
        HistoryEvent::Denied => "denied",
        HistoryEvent::Reported => "reported",
        HistoryEvent::WrongPin => "wrong_pin",
        HistoryEvent::NotTaken => "not_taken",
        HistoryEvent::Expired => "expired",
        HistoryEvent::OfflineCode => "offline_code",
        HistoryEvent::Blocked => "blocked",
        HistoryEvent::PinReset => "pin_reset",
        HistoryEvent::Recognised => "recognised",
    }
}

const fn device_state(state: godkend_protocol::messages::device::DeviceState) -> &'static str {
    use godkend_protocol::messages::device::DeviceState;
    match state {
        DeviceState::Enrolling => "enrolling",
        DeviceState::Active => "active",
        DeviceState::Blocked => "blocked",
        DeviceState::Frozen => "frozen",
        DeviceState::Removed => "removed",
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
pub(crate) mod tests;
