//! One test for each exit code.

use crate::support::{PIN, World};

#[test]
fn refused_by_order_is_done_and_refused_by_choice_is_3() {
    let world = World::serving();
    world.activated("anna.a", "default");
    let (bank, number) = world.login_by_number("anna.a");
    let refused = world.godkend("number --deny --json").typing(&[&number]).end().ends(0);
    assert_eq!(refused.one("refused")["reported"], false);
    let (code, said) = bank.ends();
    assert!(code == 3 && said.contains("access_denied"), "{code} {said}");

    // A refusal lets its source wait; the server's clock is moved on.
    world.godkend("clock 30").end().ends(0);
    let (bank, number) = world.login_by_number("anna.a");
    let chosen = world.godkend("number").typing(&[&number, "2"]).end().ends(3);
    assert!(chosen.out.contains("✗ Afvist. Intet er godkendt."), "{chosen:?}");
    assert_eq!(bank.ends().0, 3);

    world.godkend("clock 60").end().ends(0);
    let (bank, number) = world.login_by_number("anna.a");
    let reported = world.godkend("number --report --json").typing(&[&number]).end().ends(0);
    assert_eq!(reported.one("refused")["reported"], true);
    assert_eq!(bank.ends().0, 3);
    // Whoever asked is shut out.
    world.godkend("request-login --number --user-id anna.a --json").end().fails(3, "throttled");
    let history = world.godkend("history --json").end().ends(0).one("history");
    let events: Vec<&str> =
        history["lines"].as_array().unwrap().iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events[events.len() - 3..], ["denied", "denied", "reported"]);
}

#[test]
fn expired_is_4() {
    let world = World::serving();
    world.activated("anna.a", "default");
    let (bank, number) = world.login_by_number("anna.a");
    let mut phone = world.godkend("number --approve --json").start();
    phone.types(&number);
    phone.json("request");
    world.godkend("clock 200").end().ends(0);
    phone.types(PIN);
    let (code, said) = phone.ends();
    assert!(code == 4 && said.contains("\"exit_code\":4"), "{code} {said}");
    // OpenID Connect has no word of its own for it; CIBA has.
    let (code, said) = bank.ends();
    assert!(code == 3 && said.contains("Nobody approved in time."), "{code} {said}");
    let mut bank = world.godkend("request-login --ciba --user-id anna.a --json").start();
    bank.json("login_started");
    world.godkend("clock 200").end().ends(0);
    let (code, said) = bank.ends();
    assert!(code == 4 && said.contains("expired_token"), "{code} {said}");

    let handed = world.godkend("activation anna.a --json").end().ends(0).one("activation");
    world.godkend("clock 700").end().ends(0);
    let text = handed["text"].as_str().unwrap();
    world.godkend("-p late activate --json").typing(&[text]).end().fails(4, "activation_expired");
}

#[test]
fn three_wrong_pins_lock_and_a_minute_unlocks() {
    let world = World::serving();
    world.activated("anna.a", "default");
    // So that the answer is not from the bank's future when the minute has been waited for.
    world.godkend("clock -100").end().ends(0);
    let (bank, number) = world.login_by_number("anna.a");
    // After the third the next round's tries wait.
    for (exit, left, waits) in [(3, 2, false), (3, 1, false), (5, 3, true)] {
        let wrong =
            world.godkend("number --approve --json").typing(&[&number, "918273"]).end().fails(exit, "pin_wrong");
        let devices = world.godkend("devices --json").end().ends(0).one("devices");
        assert_eq!(devices["pin"]["tries_left"], left, "{wrong:?}");
        assert_eq!(devices["pin"]["wait"].as_u64() > Some(0), waits, "{wrong:?}");
    }
    // The right one does not help before the minute is over.
    world.godkend("number --approve --json").typing(&[&number, PIN]).end().fails(5, "pin_waiting");
    world.godkend("clock 61").end().ends(0);
    world.godkend("number --approve --json").typing(&[&number, PIN]).end().ends(0).one("approved");
    let (code, said) = bank.ends();
    assert!(code == 0 && said.contains("signed_in"), "{code} {said}");
    let devices = world.godkend("devices --json").end().ends(0).one("devices");
    assert_eq!(devices["pin"]["tries_left"], 3);
}

#[test]
fn blocked_is_6() {
    let world = World::serving();
    world.activated("anna.a", "default");
    world.godkend("block-citizen anna.a --json").end().ends(0);
    world.godkend("pending --json").end().fails(6, "identity_blocked");
    world.godkend("unblock-citizen anna.a --json").end().ends(0);
    world.godkend("pending --json").end().ends(0);

    // Asked first, and not done without a yes.
    world.godkend("block").typing(&["nej"]).end().ends(3);
    world.godkend("pending --json").end().ends(0);
    world.godkend("block --yes --json").end().ends(0).one("done");
    let people = world.godkend("people --json").end().ends(0).one("people");
    assert_eq!(people["people"][0]["standing"], "blocked");
    world.godkend("pending --json").end().ends(6);
    let blocked = world.godkend("--language en pending").end().ends(6);
    assert!(blocked.err.contains("blocked"), "{blocked:?}");
}

#[test]
fn no_network_is_7() {
    let mut world = World::serving();
    world.activated("anna.a", "default");
    let before = world.godkend("history --json").end().ends(0).out;
    world.kill_server();
    for line in ["pending", "devices", "request-login", "citizens", "activation anna.a", "simulate --users 1 --here"] {
        world.godkend(&format!("{line} --json")).end().fails(7, "no_network");
    }
    assert!(world.godkend("pending").end().ends(7).err.starts_with("✗ "));
    // What needs no server still works, and nothing was changed.
    assert_eq!(world.godkend("history --json").end().ends(0).out, before);
    world.serve();
    world.godkend("pending --json").end().ends(0);
}

#[test]
fn a_damaged_profile_is_8_and_is_left_alone() {
    let world = World::serving();
    world.activated("anna.a", "default");
    let profile = world.path("profiles/default");
    let state = std::fs::read_dir(&profile).unwrap().map(|entry| entry.unwrap().path());
    let state = state
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("state"))
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let good = std::fs::read(&state).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    for damaged in [bad, good[..good.len() / 2].to_vec(), Vec::new()] {
        std::fs::write(&state, &damaged).unwrap();
        world.godkend("people --json").end().fails(8, "store");
        let danish = world.godkend("people").end().ends(8).err;
        let english = world.godkend("--language en people").end().ends(8).err;
        assert!(danish.contains("beskadiget") && english.contains("damaged"), "{danish} {english}");
        assert_eq!(std::fs::read(&state).unwrap(), damaged, "a damaged file is evidence");
    }
    std::fs::write(&state, &good).unwrap();
    world.godkend("pending --json").end().ends(0);
}

#[test]
fn a_wrong_command_line_is_2() {
    let world = World::empty();
    for line in
        ["", "nothing", "request-login --ciba", "clock", "simulate", "scan --approve --deny", "biometrics maybe"]
    {
        let wrong = world.godkend(line).end().ends(2);
        assert!(!wrong.err.is_empty() && wrong.out.is_empty(), "{wrong:?}");
    }
    for line in ["nothing --json", "clock x --json", "-p ../x people --json", "people --json"] {
        world.godkend(line).end().fails(2, "usage");
    }
    assert_eq!(std::fs::read_dir(world.path("")).unwrap().count(), 0, "a wrong command makes nothing");
}
