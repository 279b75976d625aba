//! Unknown people look like known ones: in what is answered, in the work that it costs, in what phones see of the log.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_server::ops::even::STEP;
use reqwest::Method;
use serde_json::{Value, json};

use crate::means::{BOTH, WRONG, equip, first};
use godkend_tests::browser::Answered;
use godkend_tests::world::CLIENT_SECRET;
use godkend_tests::{Ask, Browser, World};

/// The steps of one visit, each with what came back and what it cost.
type Visit = Vec<(&'static str, Answered, BTreeMap<String, u64>)>;

/// What a request costs the store, from the metrics: statements, writes, commits, entries of the log.
pub(crate) async fn work(world: &World) -> BTreeMap<String, u64> {
    let text = world.metrics().await;
    let counts = text.lines().filter(|line| line.starts_with("godkend_store_") && !line.contains("\"scan\""));
    counts.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, n)| (name.to_owned(), n.parse().unwrap())).collect()
}

/// Every door that takes a user id, through one address.
#[allow(unused_assignments, reason = "what a step cost is counted from the one before it, also where none follows")]
async fn visit(world: &World, address: Ipv4Addr, user_id: &str) -> Visit {
    let mut steps: Visit = Vec::new();
    let mut before = work(world).await;
    macro_rules! note {
        ($what:expr, $answer:expr) => {{
            let answer: Answered = $answer;
            let after = work(world).await;
            let cost = after.iter().map(|(name, n)| (name.clone(), n - before.get(name).unwrap_or(&0))).collect();
            steps.push(($what, answer, cost));
            before = after;
        }};
    }
    let new = async || {
        let mut browser = Browser::at(world, Some(address.into()));
        browser.open(world, &Ask::login()).await;
        browser
    };
    let id = |user_id: &str| Some(json!({ "user_id": user_id }));
    let mut first = new().await;
    before = work(world).await;
    for (what, path, body) in [
        ("types the user id", "user-id", id(user_id)),
        ("types it again", "user-id", id(&user_id.to_uppercase())),
        ("types another", "user-id", id("somebody-else-entirely")),
        ("asks for an offline code", "offline", id(user_id)),
        ("types a wrong code", "offline-code", Some(json!({ "code": "00000000" }))),
        ("types a second one", "offline-code", Some(json!({ "code": "11111111" }))),
    ] {
        first.ask(Method::POST, path, body).await;
        note!(what, first.last.clone());
    }
    first.state().await;
    note!("looks at the state", first.last.clone());
    let page = format!("/login/{}", first.login());
    first.get(&page).await;
    note!("reloads the page", first.last.clone());
    let mut second = new().await;
    before = work(world).await;
    second.ask(Method::POST, "user-id", id(user_id)).await;
    note!("types it in a second page", second.last.clone());
    first.ask(Method::POST, "cancel", Some(json!({}))).await;
    note!("gives up", first.last.clone());
    first.get(&format!("{page}/finish")).await;
    note!("goes back to the bank", first.last.clone());

    // All tries of an offline code.
    second.ask(Method::POST, "offline", id(user_id)).await;
    note!("begins with the offline code", second.last.clone());
    for _ in 0..4 {
        second.ask(Method::POST, "offline-code", Some(json!({ "code": "22222222" }))).await;
        note!("types a wrong code to the end", second.last.clone());
    }
    let mut third = new().await;
    before = work(world).await;
    third.ask(Method::POST, "user-id", id(user_id)).await;
    note!("is made to wait", third.last.clone());

    // The back channel, and a request that names the person.
    let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    let post = |path: &str, form: Vec<(&'static str, String)>| {
        let secret = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect::<String>();
        http.post(format!("{}/{path}", world.url)).basic_auth("netbank", Some(secret)).form(&form).send()
    };
    let ask: Vec<_> = Ask::login().parameters();
    let named = |ask: Vec<(&'static str, String)>| [ask, vec![("login_hint", user_id.to_owned())]].concat();
    note!("pushes a login_hint", Answered::of(post("par", named(ask.clone())).await.unwrap()).await);
    let back = ask.into_iter().filter(|(name, _)| ["scope", "acr_values", "idp_params"].contains(name));
    let back: Vec<_> = named(back.collect());
    let begun = Answered::of(post("ciba", back.clone()).await.unwrap()).await;
    let request = serde_json::from_str::<Value>(&begun.body).unwrap();
    note!("begins without a browser", begun);
    note!("begins so again", Answered::of(post("ciba", back).await.unwrap()).await);
    let poll = vec![
        ("grant_type", "urn:openid:params:grant-type:ciba".to_owned()),
        ("auth_req_id", request["auth_req_id"].as_str().unwrap_or_default().to_owned()),
    ];
    note!("polls", Answered::of(post("token", poll).await.unwrap()).await);
    steps
}

/// An answer with every text as long as it was, and every number as many digits; a picture only as one.
pub(crate) fn shape(answer: &Answered) -> (Answered, String) {
    fn blur(value: &mut Value) {
        match value {
            // Sentences and codes are compared as they are; what is drawn at random by its length.
            Value::String(text) if text.starts_with('/') || text.chars().any(|c| c.is_ascii_digit()) => {
                // A path holds an id, which may by chance have no digit.
                *text = text.chars().map(|c| if c == ' ' { ' ' } else { 'x' }).collect();
            }
            Value::Number(number) => *value = json!("9".repeat(number.to_string().len())),
            Value::Array(all) => all.iter_mut().for_each(blur),
            // A QR code's size depends on how well what is drawn at random packs.
            Value::Object(all) if all.contains_key("modules") => *value = json!("a picture"),
            Value::Object(all) => all.values_mut().for_each(blur),
            _ => {}
        }
    }
    let mut answer = answer.clone();
    let body = match serde_json::from_str::<Value>(&answer.body) {
        Ok(mut value) => {
            blur(&mut value);
            value.to_string()
        }
        // A page, without the pictures of its QR code.
        Err(_) => match answer.body.split_once("data-frames=\"") {
            Some((before, after)) => (before.len() + after.split_once('"').unwrap().1.len()).to_string(),
            None => answer.body.len().to_string(),
        },
    };
    if answer.body.contains("\"modules\"") || answer.body.contains("data-frames=") {
        answer.headers.remove("content-length");
    }
    if let Some(seconds) = answer.headers.get_mut("retry-after") {
        *seconds = seconds.iter().map(|text| "9".repeat(text.len())).collect();
    }
    if let Some(location) = answer.headers.get_mut("location") {
        *location = location.iter().map(|to| to.len().to_string()).collect();
    }
    answer.body = String::new();
    (answer, body)
}

/// What tells known people from nobody, in sentences.
fn differences(nobody: &Visit, people: &[&str], visits: &BTreeMap<&str, Visit>) -> Vec<String> {
    let mut told = Vec::new();
    for user_id in people {
        for ((what, answer, cost), (_, other, others)) in nobody.iter().zip(&visits[user_id]) {
            let (nobodys, theirs) = (shape(answer), shape(other));
            if nobodys != theirs {
                told.push(format!("{user_id} {what}: {nobodys:?} for nobody, {theirs:?}"));
            }
            for (name, count) in cost.iter().filter(|(name, count)| others[*name] != **count) {
                told.push(format!("{user_id} {what}: {name} {count} for nobody, {}", others[name]));
            }
        }
    }
    told
}

#[tokio::test]
async fn a33_an_unknown_user_cannot_be_told_from_a_known_one_in_bytes_or_work() {
    let world = World::with(|_| {}, short_polls).await;
    let (_, phone) = world.person("known-with-phone").await;
    phone.biometrics_on().await.unwrap();
    let (_, plain) = world.person("known-with-a-pin").await;
    world.citizen("known-with-none-").await;
    let (blocked, _) = world.person("known-and-blockd").await;
    world.desk(Method::POST, &format!("citizens/{}/block", blocked.id), Some(json!({ "by": "test desk" }))).await;
    // As long as each other, so that a page that repeats one is as long.
    let people = ["nobody-at-all-01", "known-with-phone", "known-with-a-pin", "known-with-none-", "known-and-blockd"];

    world.next_day().await;
    let mut address = 0;
    let mut least: BTreeMap<&str, Visit> = BTreeMap::new();
    let mut told = vec![String::new()];
    // What the server does by itself meanwhile is counted too, and falls on another visit in each round: the least of a
    // person's visits has none of it, and what is left is a difference.
    for round in 0..6 {
        if round > 1 && told.is_empty() {
            break;
        }
        let mut turns = people;
        turns.rotate_left(round % people.len());
        for user_id in turns {
            address += 1;
            let visit = visit(&world, Ipv4Addr::new(127, 0, 33, address), user_id).await;
            match least.get_mut(user_id) {
                None => drop(least.insert(user_id, visit)),
                Some(known) => {
                    for (old, new) in known.iter_mut().zip(visit) {
                        for (name, count) in &mut old.2 {
                            *count = (*count).min(new.2[name]);
                        }
                    }
                }
            }
            world.next_day().await;
        }
        told = differences(&least["nobody-at-all-01"], &people[1..], &least);
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
    let nobody = &least["nobody-at-all-01"];
    // The comparison is worth something: doors were open, and work was done.
    let statuses: Vec<_> = nobody.iter().map(|(what, answer, _)| (*what, answer.status)).collect();
    assert!(statuses.iter().filter(|(_, status)| *status == 200).count() >= 8, "{statuses:?}");
    let log: u64 = nobody.iter().map(|(.., cost)| cost["godkend_store_changes_total{operation=\"log_entry\"}"]).sum();
    assert!(log >= 6, "the log grows for nobody as it does for somebody");
    // Nobody was harmed: the known ones sign in, with all tries.
    for phone in [phone, plain] {
        let mut browser = world.login_page(&Ask::login()).await;
        let view = phone.scan(&browser.qr().await).await.unwrap();
        assert_eq!(view.pin.as_ref().unwrap().tries_left, 3);
        phone.approve(&view, godkend_tests::phone::PIN).await.unwrap();
        browser.signed_in().await;
    }
}

/// Polls that end soon, and metrics at any free port.
pub(crate) fn short_polls(text: &mut String) {
    let (before, metrics) = text.split_once("[metrics]").unwrap();
    let metrics = metrics.replacen("listen = \"\"", "listen = \"127.0.0.1:0\"", 1);
    *text = format!("{before}[metrics]{metrics}");
    *text = text.replace("long_poll_seconds = 25", "long_poll_seconds = 1");
}

/// Prints how long the doors take, for known and unknown people in turn. How they differ is not asserted: what a machine
/// measures is not what a test may depend on, and the work above is counted. That each waits for its step is.
#[tokio::test]
async fn a33_how_long_the_doors_take_is_printed_for_known_and_unknown_people() {
    let rounds: usize = std::env::var("GODKEND_TEST_TIMING_ROUNDS").map_or(12, |text| text.parse().unwrap());
    let world = World::new().await;
    let (citizen, phone) = world.person("known-with-phone").await;
    phone.biometrics_on().await.unwrap();
    equip(&world, &citizen, "a-display-to-time").await;
    let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    let mut times: BTreeMap<(&str, &str), Vec<u128>> = BTreeMap::new();
    for round in 0..rounds {
        let mut people = ["known-with-phone", "nobody-at-all-01"];
        people.rotate_left(round % 2);
        for user_id in people {
            let mut took =
                |door, begun: Instant| times.entry((door, user_id)).or_default().push(begun.elapsed().as_micros());
            let mut browser = world.login_page(&Ask::login()).await;
            let (_, start) = first(user_id, BOTH, &WRONG, &json!({ "code_display": { "code": "000000" } }));
            let named = json!({ "user_id": user_id });
            for (door, body) in [
                ("means/start", start),
                ("means/finish", json!({ "ke3": URL_SAFE_NO_PAD.encode([0; 32]), "combination": BOTH })),
                ("user-id", named.clone()),
                ("offline", named),
                ("offline-code", json!({ "code": "00000000" })),
                ("cancel", json!({})),
            ] {
                if door == "cancel" {
                    // What the page asks for afterwards tells no more than what it was sent.
                    let page = format!("/login/{}", browser.login());
                    for (door, path) in [("then: state", format!("{page}/state")), ("then: page", page)] {
                        let begun = now();
                        assert_eq!(browser.get(&path).await.0, 200);
                        took(door, begun);
                    }
                }
                let begun = now();
                let (status, reply) = browser.ask(Method::POST, door, Some(body)).await;
                took(door, begun);
                assert!([200, 403].contains(&status), "{door}: {reply}");
            }
            let secret = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect::<String>();
            let ask = [("scope", "openid"), ("acr_values", "substantial"), ("login_hint", user_id)];
            let begun = now();
            let ciba = http.post(format!("{}/ciba", world.url)).basic_auth("netbank", Some(secret)).form(&ask);
            let status = ciba.send().await.unwrap().status();
            took("ciba", begun);
            assert_eq!(status.as_u16(), 200);
        }
        // Tries, waits and open requests are then as they were.
        world.advance(86_400).await;
    }
    for ((door, user_id), mut all) in times {
        all.sort_unstable();
        let at = |part: usize| all[all.len() * part / 4];
        println!(
            "a33 {door:<13}{user_id}: median {:>6} us, middle half {} to {}, of {}",
            at(2),
            at(1),
            at(3),
            all.len()
        );
        let stepped = !door.starts_with("then");
        assert!(!stepped || all[0] >= STEP.as_micros(), "{door} answered {user_id} after {} us", all[0]);
    }
}

#[allow(clippy::disallowed_methods, reason = "a test's edge")]
fn now() -> Instant {
    Instant::now()
}
