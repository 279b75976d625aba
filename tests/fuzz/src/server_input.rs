//! What else the server reads: relying parties' parameters, its configuration, its own documents, log and evidence
//! files, proxies' headers.

use std::path::PathBuf;
use std::sync::OnceLock;

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use godkend_protocol::text;
use godkend_protocol::types::Action;
use godkend_server::audit::AuditEntry;
use godkend_server::config::{Config, RelyingParty};
use godkend_server::evidence;
use godkend_server::identity::{LeftUserId, Preferences};
use godkend_server::log;
use godkend_server::means::orders::Order;
use godkend_server::means::records::{Attempt, Chip, ChipCode, Display, Password, PasswordCode, TryCount};
use godkend_server::oidc::notify::Notification;
use godkend_server::oidc::params::{Params, challenge_of};
use godkend_server::oidc::records::{
    AccessToken, AuthorizationCode, CibaRequest, Login, PushedRequest, RegisteredClient,
};
use godkend_server::oidc::session::{Member, Session};
use godkend_server::oidc::{payment, request};
use godkend_server::ops::sources::client_address;
use godkend_server::records::{
    Account, BlockCodeIndex, Browser, CodeIndex, Device, Document, Enrolment, EnrolmentDue, HistoryLine, OfflineTries,
    Transaction, UserIdIndex,
};
use godkend_server::store::Kind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::host::{self, template};
use crate::input::{self, Input};
use crate::mutate;

macro_rules! documents {
    ($($type:ty),* $(,)?) => {
        /// Every kind of stored document.
        pub(crate) const KINDS: &[Kind] = &[$(<$type as Document>::KIND),*];
        const READERS: &[fn(&[u8])] = &[$(document::<$type>),*];
    };
}

documents! {
    Account, UserIdIndex, Enrolment, CodeIndex, EnrolmentDue, OfflineTries, Device, BlockCodeIndex, Browser,
    HistoryLine, Transaction, PushedRequest, Login, AuthorizationCode, CibaRequest, AccessToken, RegisteredClient, Session,
    Member, Notification, Display, Password, PasswordCode, Chip, ChipCode, TryCount, Attempt, Order, Preferences, LeftUserId,
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(9) {
        0 => drop(Params::parse(input.rest())),
        1 | 2 => parameters(&mut input),
        3 => configuration(&mut input),
        4 => {
            let reader = READERS[input.below(READERS.len())];
            reader(input.rest());
        }
        5 => stored(&mut input),
        6 => evidence_file(&mut input),
        7 => log_files(&mut input),
        _ => {
            let mut headers = HeaderMap::new();
            for _ in 0..input.below(3) {
                if let Ok(value) = HeaderValue::from_bytes(input.chunk()) {
                    headers.append("x-forwarded-for", value);
                }
            }
            let proxy = std::net::IpAddr::from([10, 0, 0, 1]);
            let peer = if input.flag() { proxy } else { std::net::IpAddr::from(input.array::<16>()) };
            let address = client_address((peer, 1).into(), &headers, &[proxy]);
            assert!(peer == proxy || address == peer.to_canonical(), "a stranger's header is believed");
            let text = input.text();
            let _ = challenge_of(&text);
            if let Ok(user_id) = request::user_id(&text) {
                assert!((5..=48).contains(&user_id.chars().count()));
            }
        }
    }
}

fn parties() -> &'static [RelyingParty] {
    static PARTIES: OnceLock<Vec<RelyingParty>> = OnceLock::new();
    PARTIES.get_or_init(|| {
        let text = "[[relying_party]]\nclient_id = \"netbank\"\nclient_secret_sha256 = \"\
            aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\nname = \"Netbank\"\nciba = true\n\
            redirect_uris = [\"https://netbank.example/callback\"]\n\
            [[relying_party]]\nclient_id = \"shop\"\nname = \"Shop\"\n\
            redirect_uris = [\"https://shop.example/callback\"]\n";
        Config::parse(text, PathBuf::new(), std::iter::empty()).unwrap().relying_party
    })
}

fn json_value(input: &mut Input<'_>, depth: usize) -> Value {
    match input.below(if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => Value::Bool(input.flag()),
        2 => json!(input.number()),
        3 => json!(input.number() as i64),
        4 => Value::String(input.text()),
        5 => (0..input.below(4)).map(|_| json_value(input, depth - 1)).collect(),
        _ => (0..input.below(4))
            .map(|_| (input.text(), json_value(input, depth - 1)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// Changes one value of a JSON tree that was right.
pub(crate) fn bend(input: &mut Input<'_>, value: &mut Value) {
    match value {
        Value::Object(map) if !map.is_empty() && !input.rarely(8) => {
            let key = map.keys().nth(input.below(map.len())).cloned().unwrap();
            match input.below(8) {
                0 => drop(map.remove(&key)),
                1 => drop(map.insert(input.text(), json_value(input, 1))),
                _ => bend(input, map.get_mut(&key).unwrap()),
            }
        }
        Value::Array(items) if !items.is_empty() && !input.rarely(8) => {
            let at = input.below(items.len());
            match input.below(8) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => bend(input, &mut items[at]),
            }
        }
        Value::String(text) if input.flag() => {
            *text = input::text(&mutate::bytes(input, std::mem::take(text).into_bytes()));
        }
        _ => *value = json_value(input, 2),
    }
}

fn bent(input: &mut Input<'_>, mut value: Value) -> String {
    for _ in 0..input.below(3) {
        bend(input, &mut value);
    }
    value.to_string()
}

/// A request that was right, with some parameters bent, left out, doubled or added.
fn parameters(input: &mut Input<'_>) {
    let party = input.pick(parties());
    let mut fields: Vec<(String, String)> = vec![
        ("response_type".to_owned(), "code".to_owned()),
        ("client_id".to_owned(), party.client_id.clone()),
        ("redirect_uri".to_owned(), party.redirect_uris[0].clone()),
        ("scope".to_owned(), "openid".to_owned()),
        ("code_challenge_method".to_owned(), "S256".to_owned()),
        ("code_challenge".to_owned(), "A".repeat(43)),
        ("state".to_owned(), "the state".to_owned()),
        ("nonce".to_owned(), "the nonce".to_owned()),
        ("login_hint".to_owned(), "alice".to_owned()),
    ];
    for _ in 0..input.below(6) {
        let (name, value) = match input.below(14) {
            0 => {
                let right = json!({
                    "reference_text": STANDARD.encode("Log på"), "action_text": "LOG_ON", "loa_value": "Substantial",
                    "enable_step_up": false, "enable_app_switch": true, "require_psd2": false,
                });
                ("idp_params", bent(input, right))
            }
            1 => {
                let right = if input.flag() {
                    json!([{
                        "type": "godkend_payment", "amount": "1250.00", "currency": "DKK", "payee": "Bager Sørensen",
                    }])
                } else {
                    json!([{
                        "type": "payment_initiation", "actions": ["initiate"], "locations": ["https://bank.example"],
                        "instructedAmount": { "currency": "EUR", "amount": "123.50" }, "creditorName": "Merchant A",
                        "creditorAccount": { "bic": "ABCIDEFFXXX", "iban": "DE02100100109307118603" },
                        "remittanceInformationUnstructured": "Ref Number Merchant",
                    }])
                };
                ("authorization_details", bent(input, right))
            }
            2 => ("acr_values", format!("https://data.gov.dk/concept/core/nsis/{}", input.pick(&["High", "Low", "?"]))),
            3 => ("ui_locales", input.text()),
            4 => ("prompt", (*input.pick(&["login", "none", "consent login", "x"])).to_owned()),
            5 => ("max_age", input.number().to_string()),
            6 => ("binding_message", input.text()),
            7 => ("requested_expiry", input.number().to_string()),
            8 => ("claims", bent(input, json!({"id_token": {"acr": {"essential": true, "values": ["x"]}}}))),
            9 => ("scope", input.text()),
            10 => ("request", input.text()),
            11 => ("response_mode", input.text()),
            12 => ("login_hint", input.text()),
            _ => {
                let at = input.below(fields.len());
                if input.flag() {
                    fields.remove(at);
                } else {
                    fields[at].1 = input::text(&mutate::bytes(input, fields[at].1.clone().into_bytes()));
                }
                continue;
            }
        };
        fields.retain(|(other, _)| other != name || input.rarely(8));
        fields.push((name.to_owned(), value));
    }
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    let Ok(params) = Params::parse(form.as_bytes()) else { return };
    let shown = |ask: &godkend_server::oidc::records::Ask| {
        assert!(ask.text.as_deref().is_none_or(|shown| text::check(shown, text::MAX_REFERENCE_TEXT).is_ok()));
        if let Some(payment) = &ask.payment {
            assert!(text::check(&payment.payee, text::MAX_NAME).is_ok() && payment.currency.len() == 3);
            assert!(payment.account.as_ref().is_none_or(|account| text::check(account, text::MAX_NAME).is_ok()));
            let _ = payment::amount_text(payment.amount_minor);
        }
        assert_eq!(ask.client_id, party.client_id);
    };
    if let Ok(back) = request::return_to(&params, party) {
        assert!(party.redirect_uris.contains(&back.redirect_uri), "sent somewhere else");
        if let Ok(request) = request::authorization(&params, party, &back) {
            shown(&request.ask);
        }
        if let Ok(request) = request::unpushed(&params, party, &back) {
            assert!(party.client_secret_sha256.is_none(), "a client with a secret need not push");
            assert!(request.ask.action == Action::LogOn && request.ask.text.is_none() && request.ask.payment.is_none());
        }
    }
    if let Ok((ask, user_id)) = request::backchannel(&params, party) {
        shown(&ask);
        assert!((5..=48).contains(&user_id.chars().count()));
    }
}

fn configuration(input: &mut Input<'_>) {
    let text = if input.flag() {
        input::text(&mutate::bytes(input, Config::example().into_bytes()))
    } else {
        input::text(input.chunk())
    };
    let mut env = Vec::new();
    for _ in 0..input.below(3) {
        let name =
            *input.pick(&["GODKEND_SERVER_LISTEN", "GODKEND_PIN_WAITS_SECONDS", "GODKEND_APPROVAL_LIFETIME_SECONDS"]);
        env.push((if input.flag() { name.to_owned() } else { format!("GODKEND_{}", input.text()) }, input.text()));
    }
    if let Ok(config) = Config::parse(&text, PathBuf::new(), env.into_iter()) {
        for finding in config.check() {
            assert!(!finding.to_string().is_empty());
        }
        let _ = config.public_host();
    }
}

/// What is read is written back the same; its own accounts of itself do not fail.
fn document<D: Document>(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<D>(bytes) else { return };
    assert!(same(&read), "a document changes by being stored");
    let _ = (read.id(), read.owner(), read.expires());
}

fn same<D: Serialize + DeserializeOwned>(value: &D) -> bool {
    let written = serde_json::to_vec(value).unwrap();
    let again: D = serde_json::from_slice(&written).expect("what is stored is read again");
    serde_json::to_vec(&again).unwrap() == written
}

fn stored(input: &mut Input<'_>) {
    let at = input.below(KINDS.len());
    let samples = &template().documents[at];
    if samples.is_empty() || input.rarely(6) {
        let entries = &template().log;
        let content = entries[input.below(entries.len())].content.as_ref();
        let Some(mut value) = content.and_then(|content| serde_json::from_slice(&content.entry).ok()) else { return };
        bend(input, &mut value);
        if let Ok(entry) = serde_json::from_value::<AuditEntry>(value) {
            assert!(same(&entry), "an entry changes by being logged");
        }
        return;
    }
    let mut value: Value = serde_json::from_slice(&samples[input.below(samples.len())]).unwrap();
    for _ in 0..=input.below(3) {
        bend(input, &mut value);
    }
    READERS[at](&serde_json::to_vec(&value).unwrap());
}

fn evidence_file(input: &mut Input<'_>) {
    let template = template();
    static RIGHT: OnceLock<evidence::Shown> = OnceLock::new();
    let right = RIGHT.get_or_init(|| evidence::verify(&template.evidence, &template.root).unwrap());
    let changed = if input.flag() {
        Some(mutate::bytes(input, template.evidence.clone()))
    } else {
        mutate::cbor(input, &template.evidence)
    };
    let Some(changed) = changed else { return };
    if let Ok(shown) = evidence::verify(&changed, &template.root) {
        // Proofs and sizes of the log may be others; what was decided, by whom and when, may not.
        let log = right.log.clone();
        assert_eq!(evidence::Shown { log, ..shown }, *right, "changed evidence shows something else");
    }
    // What a phone has signed does not become the server's mere word by leaving the signatures out.
    assert!(evidence::verify_statement(&changed, &template.root).is_err(), "evidence taken for a statement");
    // A log that has done nothing wrong is convicted by nothing.
    let mut record = json!({
        "version": 1, "noticed": input.pick(&["shrunk", "forked", "rewritten", "epoch_changed"]), "at": 1,
        "key_sets": [STANDARD.encode(input.chunk())], "older": input.text(), "newer": input.text(), "other_root": null,
        "consistency": [],
    });
    bend(input, &mut record);
    if let Ok(proven) = godkend_evidence::proof::verify(&serde_json::to_vec(&record).unwrap(), &template.root) {
        assert!(!proven.convicts);
    }
}

fn log_files(input: &mut Input<'_>) {
    let template = template();
    static RIGHT: OnceLock<Vec<(std::ffi::OsString, Vec<u8>)>> = OnceLock::new();
    let files = RIGHT.get_or_init(|| {
        let mut files: Vec<_> = std::fs::read_dir(&template.log_folder)
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    });
    let folder = host::folder();
    let changed = input.below(files.len());
    for (at, (name, content)) in files.iter().enumerate() {
        let content = if at == changed { mutate::bytes(input, content.clone()) } else { content.clone() };
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    if let Ok(report) = log::verify(folder.path(), &template.verifiers) {
        let right = log::verify(&template.log_folder, &template.verifiers).unwrap();
        assert_eq!((report.size, report.root, report.epoch), (right.size, right.root, right.epoch), "another log");
    }
}
