//! The one form that a message has, and what later versions may add to it.

use godkend_core::{Command, Failure, Outcome, ServerFailure};
use godkend_protocol::bytes::Blob;
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::messages::approval::{AnswerRequest, Fetched};
use godkend_protocol::messages::pin::{PinEnrolRequest, PinStartRequest};
use godkend_protocol::types::KeyPurpose;
use godkend_tests::World;
use godkend_tests::bench::{Bench, Tap};
use godkend_tests::forge::{Insider, parts, possess, with_signature};
use godkend_tests::phone::{PIN, with_pin};
use minicbor::Decoder;

fn refusal(result: &Result<Vec<u8>, ServerFailure>) -> Option<Code> {
    match result {
        Err(ServerFailure::Refused(reply)) => reply.code(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => None,
    }
}

/// The entries of a map, each with its key.
fn entries(map: &[u8]) -> Vec<Vec<u8>> {
    let mut d = Decoder::new(map);
    let count = d.map().unwrap().unwrap();
    let entry = |d: &mut Decoder<'_>| {
        let start = d.position();
        d.skip().unwrap();
        d.skip().unwrap();
        map[start..d.position()].to_vec()
    };
    (0..count).map(|_| entry(&mut d)).collect()
}

fn map_of(entries: &[Vec<u8>]) -> Vec<u8> {
    let head = 0xa0 + u8::try_from(entries.len()).unwrap();
    assert!(head < 0xb8);
    [vec![head], entries.concat()].concat()
}

/// The map with one more entry at its end.
fn with(map: &[u8], entry: &[u8]) -> Vec<u8> {
    let mut all = entries(map);
    all.push(entry.to_vec());
    map_of(&all)
}

/// Everything that says the same in another form, or hides something in it.
fn other_forms(map: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let all = entries(map);
    let count = u8::try_from(all.len()).unwrap();
    let mut forms = vec![
        ("a map's length in two bytes", [vec![0xb8, count], all.concat()].concat()),
        ("a map of indefinite length", [vec![0xbf], all.concat(), vec![0xff]].concat()),
        ("an unknown key below the extensions", with(map, &[0x18, 63, 1])),
        ("null for something absent", with(map, &[0x18, 63, 0xf6])),
        ("a byte after the end", [map, &[0]].concat()),
        ("twice over", [map, map].concat()),
        ("a tag around it", [&[0xc1], map].concat()),
        ("an extension out of order", with(&with(map, &[0x18, 65, 1]), &[0x18, 64, 1])),
        ("an extension that stands twice", with(&with(map, &[0x18, 64, 1]), &[0x18, 64, 1])),
        ("an extension whose key is too long", with(map, &[0x19, 0, 64, 1])),
        ("a float in an extension", with(map, &[0x18, 64, 0xf9, 0, 0])),
        ("a tag in an extension", with(map, &[0x18, 64, 0xc1, 1])),
        ("undefined in an extension", with(map, &[0x18, 64, 0xf7])),
        ("a list of indefinite length in an extension", with(map, &[0x18, 64, 0x9f, 0xff])),
        ("a nest of lists in an extension", with(map, &[&[0x18, 64][..], &[0x81; 2000], &[0]].concat())),
        ("a nest of maps in an extension", with(map, &[&[0x18, 64][..], &[0xa1; 2000]].concat())),
        ("bytes beyond memory in an extension", with(map, &[&[0x18, 64, 0x5b][..], &[0xff; 8]].concat())),
        ("a list beyond memory in an extension", with(map, &[&[0x18, 64, 0x9b][..], &[0xff; 8]].concat())),
    ];
    if let Some(first) = all.first() {
        // Field keys have one byte; in two they are the same number.
        let long = [vec![0x18, first[0]], first[1..].to_vec()].concat();
        let rest = all[1..].to_vec();
        forms.push(("a key in two bytes", map_of(&[vec![long], rest.clone()].concat())));
        forms.push(("a key twice", map_of(&[vec![first.clone()], all.clone()].concat())));
        forms.push(("a field left out", map_of(&rest)));
        if !rest.is_empty() {
            forms.push(("keys out of order", map_of(&[rest, vec![first.clone()]].concat())));
        }
    }
    forms
}

/// A day's traffic, every request that phones have.
async fn day(world: &World, user_id: &str, seed: u64) -> Bench {
    let citizen = world.citizen(user_id).await;
    let mut bench = Bench::new(world, seed);
    bench.activate(world, &citizen, &mut std::iter::empty()).await;
    bench.login(world, with_pin(PIN)).await.unwrap();
    bench.ok(Command::Poll { identity: None, wait: 0 }).await;
    bench.ok(Command::Overview { identity: None }).await;
    let pin = || godkend_core::Pin::new(PIN).unwrap();
    bench.ok(Command::EnableBiometrics { identity: None, pin: pin() }).await;
    let mut page = world.login_page(&godkend_tests::Ask::login()).await;
    page.type_user_id(user_id).await;
    let Outcome::Waiting { requests, .. } = bench.ok(Command::Poll { identity: None, wait: 0 }).await else { panic!() };
    bench.ok(Command::RefuseLocked { identity: None, id: requests[0].id, fraud: false }).await;
    bench
}

/// The signed payload of a request, and how to put another in its place.
#[allow(clippy::type_complexity, reason = "a message and its way back")]
fn signed_in(path: &str, body: &[u8]) -> Option<(Vec<u8>, Box<dyn Fn(Vec<u8>) -> Vec<u8>>)> {
    Some(match path {
        "activation/open" | "activation/enrol" | "poll" => return None,
        "answer" => {
            let request: AnswerRequest = cbor::decode(body).unwrap();
            let put = request.clone();
            (
                request.answer.0,
                Box::new(move |answer| cbor::encode(&AnswerRequest { answer: Blob(answer), ..put.clone() })),
            )
        }
        "pin/start" => {
            let request: PinStartRequest = cbor::decode(body).unwrap();
            let put = request.clone();
            (
                request.start.0,
                Box::new(move |start| cbor::encode(&PinStartRequest { start: Blob(start), ..put.clone() })),
            )
        }
        "pin/enrol" => {
            let request: PinEnrolRequest = cbor::decode(body).unwrap();
            let put = request.clone();
            (
                request.enrol.0,
                Box::new(move |enrol| cbor::encode(&PinEnrolRequest { enrol: Blob(enrol), ..put.clone() })),
            )
        }
        _ => (body.to_vec(), Box::new(|cose| cose)),
    })
}

/// The four parts of a payload: type, version, environment, body.
fn items(payload: &[u8]) -> [Vec<u8>; 4] {
    let mut d = Decoder::new(payload);
    assert_eq!(d.array().unwrap(), Some(4));
    std::array::from_fn(|_| {
        let start = d.position();
        d.skip().unwrap();
        payload[start..d.position()].to_vec()
    })
}

fn payload_of(items: &[Vec<u8>; 4]) -> Vec<u8> {
    [vec![0x84], items.concat()].concat()
}

#[tokio::test]
async fn a02_cbor_in_any_form_but_its_one_is_refused_even_signed_by_the_phones_own_key() {
    let world = World::new().await;
    let mut bench = day(&world, "other-forms", 1).await;
    let possession = bench.secret(KeyPurpose::Possession);
    let mut paths = std::collections::BTreeSet::new();
    let traffic: Vec<_> = bench.traffic.iter().filter(|exchange| paths.insert(exchange.path)).cloned().collect();
    paths.remove("keys");
    assert!(paths.len() >= 13, "{paths:?}");
    let mut cases = 0;
    for exchange in traffic.iter().filter(|exchange| exchange.path != "keys") {
        let path = exchange.path;
        let mut forms = Vec::new();
        if exchange.body[0] >> 5 == 5 {
            forms.extend(other_forms(&exchange.body));
        }
        if let Some((cose, put)) = signed_in(path, &exchange.body) {
            let (protected, payload, signature) = parts(&cose);
            let [kind, version, environment, body] = items(&payload);
            let sign = |payload: &[u8]| possess(payload, &possession);
            assert_eq!(parts(&sign(&payload)).1, payload);
            for (why, form) in other_forms(&body) {
                let payload = payload_of(&[kind.clone(), version.clone(), environment.clone(), form]);
                forms.push((why, put(sign(&payload))));
            }
            let all = [kind, version, environment, body].concat();
            forms.push(("a payload's length in two bytes", put(sign(&[&[0x98, 4], &all[..]].concat()))));
            forms.push(("a payload of indefinite length", put(sign(&[&[0x9f], &all[..], &[0xff]].concat()))));
            forms.push(("a payload of five", put(sign(&[&[0x85], &all[..], &[0]].concat()))));
            forms.push(("a byte after the payload", put(sign(&[&payload[..], &[0]].concat()))));
            // The envelope's own forms need no new signature.
            let bytes = |content: &[u8]| {
                let mut e = minicbor::Encoder::new(Vec::new());
                e.bytes(content).unwrap();
                e.into_writer()
            };
            let (protected, payload, signature) = (bytes(&protected), bytes(&payload), bytes(&signature.0));
            let four = |parts: [&[u8]; 4]| put([&[0x84][..], &parts.concat()].concat());
            forms.push(("COSE's tag", put([&[0xd2], &cose[..]].concat())));
            forms.push(("an envelope of indefinite length", put([&[0x9f], &cose[1..], &[0xff]].concat())));
            forms.push(("an unprotected header", four([&protected, &[0xa1, 0x04, 0x41, 1], &payload, &signature])));
            forms.push(("an unprotected header in two bytes", four([&protected, &[0xb8, 0], &payload, &signature])));
            forms.push(("no payload", four([&protected, &[0xa0], &[0xf6], &signature])));
            forms.push(("an empty protected header", four([&[0x40], &[0xa0], &payload, &signature])));
            forms.push(("another algorithm", four([&[0x44, 0xa1, 0x01, 0x38, 0x22], &[0xa0], &payload, &signature])));
            forms.push((
                "a key's name",
                four([&[0x4d, 0xa2, 0x01, 0x26, 0x04, 0x48, 1, 2, 3, 4, 5, 6, 7, 8], &[0xa0], &payload, &signature]),
            ));
        }
        for (why, form) in forms {
            let code = refusal(&bench.post(path, form.clone()).await);
            // A header that is well-formed but not what was signed is a wrong signature.
            let expected = [Code::Malformed, Code::SignatureInvalid];
            let strict = why != "a key's name";
            let good = code.is_some_and(|code| code == expected[0] || (!strict && code == expected[1]));
            assert!(good, "{path}, {why}: {code:?} {}", hex::encode(form));
            cases += 1;
        }
    }
    println!("{cases} forms");
    // Nothing came of it.
    bench.login(&world, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a48_a_requests_extension_that_may_be_ignored_passes_stays_signed_and_a_critical_one_says_update() {
    let world = World::new().await;
    let citizen = world.citizen("later-version").await;
    let mut bench = Bench::new(&world, 2);
    let (may, must): (&[u8], &[u8]) = (&[0x18, 64, 0x63, b'n', b'e', b'w'], &[0x38, 64, 1]);
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    let possession = bench.secret(KeyPurpose::Possession);
    let (mut page, view) = bench.scan(&world).await;
    let mut texts = Vec::new();
    for _ in 0..2 {
        texts.push(world.login_page(&godkend_tests::Ask::login()).await.qr().await);
    }
    let commands = [
        (Command::Overview { identity: None }, "overview"),
        (Command::Poll { identity: None, wait: 0 }, "poll/open"),
        (Command::Poll { identity: None, wait: 0 }, "poll"),
        (Command::Scan { identity: None, text: texts[0].clone() }, "challenge"),
        (Command::SetLockedPush { identity: None, on: true, with: with_pin(PIN) }, "manage"),
        (Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false }, "pin/start"),
        (Command::Deny { request: view.id }, "answer"),
    ];
    for (command, path) in commands {
        let held = bench.hold(command, path).await;
        let body = held.request.body.clone();
        if body[0] >> 5 == 5 {
            // What nothing signs may be added to as well: the pins of TLS stand for it.
            assert_eq!(refusal(&bench.post(path, with(&body, must)).await), Some(Code::UpdateNeeded), "{path}");
        }
        let posted = match signed_in(path, &body) {
            None => with(&body, may),
            Some((cose, put)) => {
                let (_, payload, signature) = parts(&cose);
                let extended = |entry: &[u8]| {
                    let [kind, version, environment, body] = items(&payload);
                    payload_of(&[kind, version, environment, with(&body, entry)])
                };
                let critical = put(possess(&extended(must), &possession));
                assert_eq!(refusal(&bench.post(path, critical).await), Some(Code::UpdateNeeded), "{path}");
                let good = possess(&extended(may), &possession);
                // Taken out, put in or changed on the way, it is not what was signed.
                let (_, _, theirs) = parts(&good);
                let plain = put(with_signature(&cose, &theirs));
                let added = put(with_signature(&good, &signature));
                let mut changed = good.clone();
                let place = changed.windows(3).position(|window| window == b"new").unwrap();
                changed[place] = b'N';
                for (why, bent) in [("out", plain), ("in", added), ("changed", put(changed))] {
                    let refused = refusal(&bench.post(path, bent).await);
                    assert_eq!(refused, Some(Code::SignatureInvalid), "{path}, {why}");
                }
                put(good)
            }
        };
        let passed = bench.post(path, posted).await;
        assert!(passed.is_ok(), "{path}: {passed:?}");
        bench.input(godkend_core::Input::Cancel(held.ticket));
    }
    assert_eq!(page.state().await["state"], "denied");
}

#[tokio::test]
async fn a48_a_challenges_extension_that_may_be_ignored_is_answered_and_a_critical_one_says_update() {
    let world = World::new().await;
    let citizen = world.citizen("later-server").await;
    let mut bench = Bench::new(&world, 3);
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    let add = |entry: &'static [u8]| {
        let insider = Insider::new(&world);
        Tap::reply(move |path, reply| {
            if let ("challenge", Ok(bytes)) = (path, reply) {
                let mut fetched: Fetched = cbor::decode(bytes).unwrap();
                let [kind, version, environment, body] = items(&parts(&fetched.challenge.0).1);
                let payload = payload_of(&[kind, version, environment, with(&body, entry)]);
                fetched.challenge = Blob(insider.sign_payload(&payload));
                // The reply itself may be extended as well.
                *bytes = with(&cbor::encode(&fetched), &[0x18, 64, 1]);
            }
        })
    };
    for (entry, update) in [(&[0x18_u8, 64, 1][..], false), (&[0x19, 1, 0, 0x81, 1], false), (&[0x20, 1], true)] {
        bench.tap = Some(add(entry));
        if !update {
            bench.login(&world, with_pin(PIN)).await.unwrap();
            continue;
        }
        let text = world.login_page(&godkend_tests::Ask::login()).await.qr().await;
        let result = bench.run(Command::Scan { identity: None, text }, None).await.0.unwrap();
        assert_eq!(result.unwrap_err(), Failure::UpdateNeeded);
    }
    // A critical key of the unsigned reply around it.
    bench.tap = Some(Tap::reply(|path, reply| {
        if let ("challenge", Ok(bytes)) = (path, reply) {
            *bytes = with(bytes, &[0x20, 1]);
        }
    }));
    let text = world.login_page(&godkend_tests::Ask::login()).await.qr().await;
    let result = bench.run(Command::Scan { identity: None, text }, None).await.0.unwrap();
    assert_eq!(result.unwrap_err(), Failure::UpdateNeeded);
    bench.tap = None;
    bench.login(&world, with_pin(PIN)).await.unwrap();
}
