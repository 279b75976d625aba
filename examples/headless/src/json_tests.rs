use std::collections::BTreeSet;

use godkend_protocol::bytes::Fixed;
use godkend_protocol::messages::approval::RelyingParty;
use godkend_protocol::types::{Action, Level};
use serde_json::json;

use super::*;

/// A payment as the phone shows it.
pub(crate) fn payment_request() -> Request {
    Request {
        transaction: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        relying_party: "Netbank".to_owned(),
        relying_party_id: "netbank".to_owned(),
        action: "APPROVE",
        text: Some("Faktura 17".to_owned()),
        payment: Some(Payment {
            amount_minor: 125_000,
            currency: "DKK".to_owned(),
            payee: "Elselskabet".to_owned(),
            account: Some("DK5000400440116243".to_owned()),
        }),
        operation: None,
        level: "Substantial",
        factors: vec!["pin", "biometric"],
        binding: "scanned_qr",
        place: Some("Denne computer".to_owned()),
        browser: Some("Firefox, Linux".to_owned()),
        new_browser: true,
        may_remember: true,
        expires_in: Some(178),
        pin: Some(pin()),
        policy: Policy { state: "current", required_from: None },
    }
}

fn pin() -> Pin {
    Pin { tries_left: 3, wait: 0, rounds_left: 2, dead: false }
}

fn person() -> Person {
    Person {
        id: 1,
        name: "Anna Andersen".to_owned(),
        environment: "test".to_owned(),
        device: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        standing: "active",
        biometrics: true,
        offline: false,
        unsettled: true,
    }
}

fn citizen() -> Citizen {
    Citizen {
        id: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        user_id: "anna.a".to_owned(),
        name: "Anna Andersen".to_owned(),
        date_of_birth: "1990-05-17".to_owned(),
        identity_level: "substantial".to_owned(),
        blocked: true,
        has_cpr: false,
        magic: Some("approves".to_owned()),
    }
}

/// One of every report, and every word that a `done` may hold.
pub(crate) fn samples() -> Vec<Report> {
    let text = || "x".to_owned();
    let series = || Series {
        done: 9,
        failed: 1,
        seconds: 1.5,
        per_second: 6.0,
        p50_ms: 12.5,
        p90_ms: 30.0,
        p99_ms: 80.0,
        max_ms: 90.0,
    };
    let server = ServerUse {
        cpu_ms: 1.5,
        requests: 10.0,
        signatures: 3.0,
        verifications: 6.0,
        opaque_starts: 0.0,
        commits: 5.0,
        transactions: 1.0,
        log_rounds: 0.5,
        log_flushes: 2.5,
        memory_kb: 40_000,
        peak_kb: 41_000,
    };
    let line = Line {
        at: 1_800_000_000,
        event: "wrong_pin",
        relying_party: Some("Netbank".to_owned()),
        action: Some("LOG_ON"),
        text: None,
        place: Some(text()),
        code: Some("pin_wrong".to_owned()),
    };
    let device = Device {
        id: text(),
        model: "Pixel 9".to_owned(),
        platform: "Android 16".to_owned(),
        state: "active",
        enrolled: 1_800_000_000,
        last_used: None,
        keys: vec!["possession", "pepper"],
        this: true,
    };
    let waiting = Waiting { id: text(), locked: true, expires_in: 90 };
    let mut all = vec![
        Report::Digits { person: 1, digits: "12345678".to_owned() },
        Report::Stage { stage: "waiting", active_from: Some(1_800_000_000) },
        Report::Activated { person: person(), block_code: Some("ABCDEF-GHJKMN-PQRSTV".to_owned()) },
        Report::People { people: vec![person()], activation_pending: true },
        Report::People { people: vec![], activation_pending: false },
        Report::Waiting { requests: vec![waiting], policy: Some(Policy { state: "required", required_from: Some(1) }) },
        Report::Waiting { requests: vec![], policy: None },
        Report::Request(Box::new(payment_request())),
        Report::Approved {
            return_url: Some("https://id.example/login/x/return?code=y".to_owned()),
            active_from: Some(1),
        },
        Report::OfflineCode { code: "12345678".to_owned() },
        Report::Refused { reported: false },
        Report::Refused { reported: true },
        Report::NoticeAnswered { was_me: true },
        Report::History { lines: vec![line] },
        Report::History { lines: vec![] },
        Report::Devices { devices: vec![device], locked_push: Some(true), pin: Some(pin()) },
        Report::Browsers { browsers: vec![Browser { id: text(), name: text(), remembered: 1, last_used: 2 }] },
        Report::Browsers { browsers: vec![] },
        Report::Push { registered: true, fcm: true, apns: false, web_push: Some(text()) },
        Report::Push { registered: false, fcm: false, apns: false, web_push: None },
        Report::Keys { purposes: vec!["possession"] },
        Report::Activation { form: "code", text: text(), expires: 1, id: Some(text()), picture: None },
        Report::Confirmed { model: text(), place: Some(text()), active_from: Some(1) },
        Report::Citizen(Box::new(citizen())),
        Report::Citizens { citizens: vec![citizen()] },
        Report::LoginStarted(Box::new(LoginStarted {
            how: "number",
            expires_in: 170,
            number: Some("12345678".to_owned()),
            link: Some(text()),
            offline: None,
            picture: Some(text()),
            remembered: true,
        })),
        Report::SignedIn {
            verified: true,
            remembered: true,
            claims: json!({"sub": "s", "amr": ["pin"]}).as_object().unwrap().clone(),
        },
        Report::Serving {
            url: text(),
            directory: text(),
            root: text(),
            token: text(),
            relying_party: text(),
            metrics: Some(text()),
        },
        Report::Demo { verified: true, seconds: 1.25 },
        Report::Simulation(Box::new(Simulation {
            users: 10,
            in_flight: 2,
            activations: series(),
            logins: series(),
            cpu_seconds: Some(1.0),
            started_ms: Some(300.0),
            runs: vec![LoadRun {
                with: "pin".to_owned(),
                in_flight: 2,
                logins: series(),
                phases: vec![Phase { name: "1 par".to_owned(), p50_ms: 1.0, p99_ms: 2.0 }],
                server: Some(server.clone()),
                generator_cpu_ms: 2.5,
                floor: Some(FloorRun {
                    series: series(),
                    server: Some(server.clone()),
                    cpu_ratio: 1.4,
                    throughput_ratio: 1.3,
                }),
                empty: Some(EmptyRun { logins: series(), server: Some(server), p50_ratio: 1.0, p99_ratio: 1.1 }),
            }],
            failures: vec![text()],
        })),
        Report::Error { code: "pin_wrong".to_owned(), message: "Wrong PIN.".to_owned(), exit_code: 3 },
    ];
    for stage in ["digits", "choose_pin", "finish", "active", "void"] {
        all.push(Report::Stage { stage, active_from: None });
    }
    let words = schema_words();
    all.extend(words.into_iter().map(|what| Report::Done { what: what.leak() }));
    all
}

/// The words of `done`, from the schema.
fn schema_words() -> Vec<String> {
    let schema = schema();
    let lines = schema["oneOf"].as_array().unwrap();
    let done = lines.iter().find(|line| line["properties"]["type"]["const"] == "done").unwrap();
    serde_json::from_value(done["properties"]["what"]["enum"].clone()).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// As much of JSON Schema as ours uses.
fn fits(schema: &Value, value: &Value, root: &Value) -> bool {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.strip_prefix("#/$defs/").unwrap();
        return fits(&root["$defs"][name], value, root);
    }
    let known = [
        "$schema",
        "title",
        "description",
        "$defs",
        "oneOf",
        "anyOf",
        "type",
        "const",
        "enum",
        "pattern",
        "minimum",
        "maximum",
        "properties",
        "required",
        "additionalProperties",
        "items",
    ];
    let unknown = schema.as_object().unwrap().keys().find(|key| !known.contains(&key.as_str()));
    assert!(unknown.is_none(), "this checker does not know {unknown:?}");
    let one_type = |name: &str| match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    let type_fits = match schema.get("type") {
        None => true,
        Some(Value::String(name)) => one_type(name),
        Some(Value::Array(names)) => names.iter().any(|name| one_type(name.as_str().unwrap())),
        Some(other) => panic!("{other}"),
    };
    let many = |name: &str| schema.get(name).and_then(Value::as_array);
    let count = |all: &Vec<Value>| all.iter().filter(|one| fits(one, value, root)).count();
    let pattern_fits = match (schema.get("pattern").and_then(Value::as_str), value.as_str()) {
        (Some("^[0-9]{8}$"), Some(text)) => text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()),
        (Some("^[a-z0-9_]+$"), Some(text)) => {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        }
        (Some(other), Some(_)) => panic!("this checker does not know {other}"),
        _ => true,
    };
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let number = value.as_f64();
    type_fits
        && pattern_fits
        && many("oneOf").is_none_or(|all| count(all) == 1)
        && many("anyOf").is_none_or(|all| count(all) > 0)
        && schema.get("const").is_none_or(|wanted| wanted == value)
        && many("enum").is_none_or(|all| all.contains(value))
        && bound("minimum").zip(number).is_none_or(|(least, number)| number >= least)
        && bound("maximum").zip(number).is_none_or(|(most, number)| number <= most)
        && many("required").is_none_or(|names| names.iter().all(|name| value.get(name.as_str().unwrap()).is_some()))
        && value.as_object().is_none_or(|members| {
            let properties = schema.get("properties").and_then(Value::as_object);
            let closed = schema.get("additionalProperties") == Some(&json!(false));
            members.iter().all(|(name, member)| match properties.and_then(|known| known.get(name)) {
                Some(known) => fits(known, member, root),
                None => !closed,
            })
        })
        && value.as_array().is_none_or(|items| {
            schema.get("items").is_none_or(|item| items.iter().all(|value| fits(item, value, root)))
        })
}

#[test]
fn every_report_fits_the_schema_and_every_line_of_it_is_used() {
    let schema = schema();
    let mut seen = BTreeSet::new();
    for report in samples() {
        let value = serde_json::to_value(&report).unwrap();
        assert!(fits(&schema, &value, &schema), "{value:#}");
        seen.insert(value["type"].as_str().unwrap().to_owned());
    }
    let lines = schema["oneOf"].as_array().unwrap();
    let known: BTreeSet<String> =
        lines.iter().map(|line| line["properties"]["type"]["const"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, known);
}

#[test]
fn what_does_not_fit_is_noticed() {
    let schema = schema();
    let good = serde_json::to_value(Report::Digits { person: 1, digits: "12345678".to_owned() }).unwrap();
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    for bad in [
        with("digits", json!("1234567")),
        with("digits", json!(12345678)),
        with("person", json!(-1)),
        with("more", json!(1)),
        with("type", json!("nothing")),
        json!({"type": "digits", "person": 1}),
        json!({"type": "done", "what": "anything"}),
        json!({"type": "error", "code": "x", "message": "x", "exit_code": 0}),
    ] {
        assert!(!fits(&schema, &bad, &schema), "{bad}");
    }
}

#[test]
fn the_document_explains_every_line() {
    let document = include_str!("../../../docs/headless.md");
    for line in schema()["oneOf"].as_array().unwrap() {
        let name = line["properties"]["type"]["const"].as_str().unwrap();
        assert!(document.contains(&format!("| `{name}` |")), "docs/headless.md lacks {name}");
    }
}

#[test]
fn a_request_counts_down_from_the_phones_own_clock() {
    let view = godkend_core::RequestView {
        id: godkend_core::RequestId(1),
        identity: godkend_core::IdentityId(1),
        transaction: Fixed([0; 16]),
        relying_party: RelyingParty { id: "netbank".to_owned(), name: "Netbank".to_owned() },
        action: Action::LogOn,
        text: None,
        payment: None,
        operation: None,
        notice_of_use: false,
        level: Level::High,
        factors: vec![Factor::Pin],
        binding: Binding::ScannedQr,
        place: None,
        browser: None,
        new_browser: false,
        may_remember: false,
        expires_at_ms: Some(10_000),
        pin: None,
        policy: VersionPolicy::Current,
    };
    let left = |now| Request::of(&view, now).expires_in;
    assert_eq!((left(0), left(9_001), left(10_000), left(99_000)), (Some(10), Some(1), Some(0), Some(0)));
    let offline = godkend_core::RequestView { expires_at_ms: None, ..view };
    assert_eq!(Request::of(&offline, 0).expires_in, None);
}
