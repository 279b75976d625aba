//! Wrong input for every command: one clear sentence in the reader's language, the documented exit code, and nothing changed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{PIN, World, words};

/// Command, answers, exit code.
type Case<'a> = (&'a str, &'a [&'a str], i32);

fn cases<'a>(long: &'a [&'a str], long_text: &'a str) -> Vec<Case<'a>> {
    vec![
        ("demo", &["abc"], 2),
        ("serve --dir elsewhere", &[], 2),
        ("-p new activate", &["rubbish"], 2),
        ("-p new activate", long, 2),
        ("-p new activate", &["godkend://activate/1?e=test"], 2),
        ("-p new activate", &["\u{0}\u{7}"], 2),
        ("-p new activate", &[], 2),
        ("-p nobody resume", &[], 2),
        ("-p nobody people", &[], 2),
        ("-p .. people", &[], 2),
        ("--person 9 pending", &[], 2),
        ("--person 9 watch --once", &[], 2),
        ("scan", &["rubbish"], 2),
        ("scan", long, 2),
        ("scan --picture missing.png", &[], 8),
        ("scan --picture profiles/default/phone.json", &[], 2),
        ("open", &["https://evil.example/"], 2),
        ("number", &["123"], 2),
        ("number", &["1234567x"], 2),
        ("number", &["00000000"], 3),
        ("approve", &[], 1),
        ("approve rubbish", &[], 2),
        ("approve AAAAAAAAAAAAAAAAAAAAAA", &[], 1),
        ("deny", &[], 1),
        ("deny rubbish", &[], 2),
        // An id may begin with a hyphen.
        ("deny -vLkJfrW9dn7swFSoKBbAA", &[], 1),
        ("confirm-digits -vLkJfrW9dn7swFSoKBbAA", &["00000000"], 3),
        ("report", &[], 1),
        ("report AAAAAAAAAAAAAAAAAAAAAA", &[], 1),
        ("was-me", &[], 1),
        ("was-me rubbish", &[], 2),
        ("not-me", &[], 1),
        ("not-me -vLkJfrW9dn7swFSoKBbAA", &[], 1),
        ("--person 9 history", &[], 2),
        ("--person 9 devices", &[], 2),
        ("browsers --forget rubbish", &[], 2),
        ("pin", &["12", PIN], 2),
        ("pin", &[PIN, "111111"], 2),
        ("pin", &[PIN, "12345x"], 2),
        ("pin --reset", &[], 3),
        ("biometrics on", &["x"], 2),
        ("rotate-keys", &[], 2),
        ("rotate-keys", &["1234567"], 2),
        ("calls off", &["x"], 2),
        ("push --web-push https://push.example/up --key rubbish --auth rubbish", &[], 2),
        ("push --apns rubbish", &[], 2),
        ("push --fcm token", &[], 3),
        ("--person 9 woken AAAAAAAAAAAAAAAAAAAAAA", &[], 2),
        ("move", &["x"], 2),
        ("remove rubbish", &[], 2),
        ("block", &["perhaps", "perhaps", "perhaps"], 2),
        ("--person 9 block-code-noted", &[], 2),
        ("--person 9 forget", &[], 2),
        ("forget", &[], 1),
        ("create-citizen --name Bo --user-id anna.a --born 1990-05-17", &[], 2),
        ("create-citizen --name Bo --user-id b --born 1990-05-17", &[], 2),
        ("create-citizen --name Bo --user-id bo.bo --born 1990-02-30", &[], 2),
        ("create-citizen --name Bo --user-id bo.bo --born 1990-05-17 --cpr", &["1"], 2),
        (long_text, &[], 2),
        ("citizens nobody.x", &[], 3),
        ("citizens --token missing", &[], 8),
        ("activation nobody.x", &[], 3),
        ("confirm-digits", &["0000000"], 2),
        ("confirm-digits AAAAAAAAAAAAAAAAAAAAAA", &["00000000"], 3),
        ("block-citizen nobody.x", &[], 3),
        ("unblock-citizen nobody.x", &[], 3),
        ("reset-pin nobody.x", &[], 3),
        ("reset-pin anna.a --device rubbish", &[], 3),
        ("clock 99999999999", &[], 2),
        ("request-login --browser ../x", &[], 2),
        ("request-login --client missing.json", &[], 8),
        ("request-payment --amount 1.00 --payee '\u{202e}evil'", &[], 2),
        ("simulate --users 1 --here --client missing.json", &[], 8),
    ]
}

/// Those that take nothing that could be wrong but for the command line.
const ONLY_THE_LINE: [&str; 5] =
    ["simulate --users 0", "schema x", "completions tcsh", "man x", "request-payment --amount 1,50 --payee x"];

#[test]
fn wrong_input_is_told_and_changes_nothing() {
    let world = World::serving();
    world.activated("anna.a", "default");
    let long = "x".repeat(5000);
    let long_text = format!("request-login --text {}", "x".repeat(131));
    let mut told = BTreeSet::new();
    let mut wrong = Vec::new();
    let before = state(&world);
    for (line, typed, exit) in cases(&[&long], &long_text) {
        let run = |option: &str| world.godkend(&format!("{option} {line}")).typing(typed).end();
        let (danish, english, json) = (run("--language da"), run("--language en"), run("--json"));
        told.extend(words(line));
        let sentence = |text: &str| {
            let last = text.lines().last().unwrap_or_default();
            let last = last.rsplit_once("✗ ").map_or("", |(_, sentence)| sentence);
            last.ends_with(']') && last.contains(['.', '?']) && !last.contains("panicked")
        };
        let codes = [danish.code, english.code, json.code];
        let error: Value = serde_json::from_str(json.out.lines().last().unwrap_or("{}")).unwrap_or_default();
        let good = codes == [exit; 3]
            && sentence(&danish.err)
            && sentence(&english.err)
            && danish.err.lines().last() != english.err.lines().last()
            && error["type"] == "error"
            && error["exit_code"] == exit;
        if !good {
            wrong.push(format!(
                "{line:.80} {typed:.40?}: {codes:?} for {exit}\n  {}\n  {}\n  {error}",
                danish.err, english.err
            ));
        }
        if state(&world) != before {
            wrong.push(format!("{line:.80} changed something"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for line in ONLY_THE_LINE {
        world.godkend(line).end().ends(2);
        world.godkend(&format!("{line} --json")).end().fails(2, "usage");
        told.extend(words(line));
    }
    assert_eq!(state(&world), before);
    // No command is left out.
    let help = world.godkend("--help").end().ends(0).out;
    let list = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    for name in names.filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty() && *name != "help") {
        assert!(told.contains(name), "{name} is not tried");
    }
}

/// What must stay: citizens, people, devices with their keys and tries, browsers.
fn state(world: &World) -> Value {
    let ask = |line: &str, kind: &str| world.godkend(&format!("{line} --json")).end().ends(0).one(kind);
    let mut devices = ask("devices", "devices");
    for device in devices["devices"].as_array_mut().unwrap() {
        device["last_used"] = Value::Null;
    }
    json!([ask("citizens", "citizens"), ask("people", "people"), devices, ask("browsers", "browsers")])
}

#[test]
fn the_same_thing_twice_is_told() {
    let world = World::serving();
    world.activated("anna.a", "default");
    let handed = world.godkend("activation anna.a --json").end().ends(0).one("activation");
    let text = handed["text"].as_str().unwrap();
    let digits = world.godkend("-p b activate --digits-only --json").typing(&[text]).end().ends(0).one("digits");
    // A second phone with the same link, and wrong digits, three times at most.
    world.godkend("-p c activate --json").typing(&[text]).end().fails(3, "activation_used");
    let digits = digits["digits"].as_str().unwrap();
    let other = if digits == "00000000" { "00000001" } else { "00000000" };
    world.godkend("confirm-digits --json").typing(&[other]).end().fails(3, "digits_wrong");
    // The right ones twice are an honest retry.
    let confirmed = world.godkend("confirm-digits --json").typing(&[digits]).end().ends(0).one("confirmed");
    assert_eq!(world.godkend("confirm-digits --json").typing(&[digits]).end().ends(0).one("confirmed"), confirmed);
    // An answered request is not answered again.
    let (bank, number) = world.login_by_number("anna.a");
    world.godkend("number --approve --json").typing(&[&number, PIN]).end().ends(0).one("approved");
    assert_eq!(bank.ends().0, 0);
    assert_ne!(world.godkend("number --approve --json").typing(&[&number, PIN]).end().code, 0);
}

/// Where the desk has a listener of its own, its commands have to be told.
#[test]
fn the_desk_is_found_at_its_own_address() {
    let world = World::empty();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let own = format!("127.0.0.1:{port}");
    let serve = world.godkend("serve --test --listen 127.0.0.1:0 --json");
    let mut server = serve.env("GODKEND_ADMIN_LISTEN", own).start();
    server.wait_for("\"type\":\"serving\"");
    let create = "create-citizen --name Anna --user-id anna.a --born 1990-05-17 --json";
    assert_ne!(world.godkend(create).end().code, 0);
    let desk = format!("https://localhost:{port}");
    world.godkend(create).env("GODKEND_DESK", &desk).end().ends(0);
    let one = world.godkend(&format!("citizens anna.a --desk {desk} --json")).end().ends(0);
    assert!(one.out.contains("\"anna.a\""), "{one:?}");
    server.kill();
}

#[test]
fn no_secret_is_an_argument() {
    let world = World::empty();
    for line in [
        "activate godkend://activate/1?e=test",
        "activate --code ABCDE",
        "approve --pin 123456",
        "number 12345678",
        "open godkend://login/1",
        "scan godkend://login/1",
        "pin 123456",
        "biometrics on --pin 123456",
        "confirm-digits --digits 12345678",
        "create-citizen --name A --user-id anna.a --born 1990-05-17 --cpr 1705904444",
        "--key-store passphrase --passphrase secret people",
    ] {
        let ended = world.godkend(line).end().ends(2);
        assert!(ended.err.starts_with("error: "), "{ended:?}");
    }
}
