//! Kills and races of processes.

use crate::support::{PIN, World, files};

/// The server is halted, so that the phone is killed after it has written down and sent its first message.
#[test]
fn a_kill_in_the_middle_of_an_approval_converges() {
    let mut world = World::serving();
    world.activated("anna.a", "default");
    let (bank, number) = world.login_by_number("anna.a");
    let mut phone = world.godkend("number --approve --json").start();
    phone.types(&number);
    phone.json("request");
    let profile = world.path("profiles");
    let before = files(&profile);
    world.server().signal("STOP");
    phone.types(PIN);
    let mut looks = 0;
    while files(&profile) == before {
        looks += 1;
        assert!(looks < 2000, "the phone sends what it has not written down");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    phone.kill();
    world.server().signal("CONT");
    world.godkend("resume --json").end().ends(0);
    world.godkend("number --approve --json").typing(&[&number, PIN]).end().ends(0).one("approved");
    let (code, said) = bank.ends();
    assert!(code == 0 && said.contains("\"verified\":true"), "{code} {said}");
    let devices = world.godkend("devices --json").end().ends(0).one("devices");
    assert_eq!(devices["pin"]["tries_left"], 3);
    assert_eq!(world.godkend("people --json").end().ends(0).one("people")["people"][0]["unsettled"], false);
}

/// Whenever the kill comes: the bank is told at most once, and the phone works afterwards.
#[test]
fn a_kill_at_any_moment_leaves_one_outcome() {
    let world = World::serving();
    world.activated("anna.a", "default");
    // So that no answer comes from the bank's future while the clock is moved on below.
    world.godkend("clock -200").end().ends(0);
    for milliseconds in [0, 60, 200] {
        let (bank, number) = world.login_by_number("anna.a");
        let mut phone = world.godkend("number --approve --json").start();
        phone.types(&number);
        phone.json("request");
        phone.types(PIN);
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        phone.kill();
        world.godkend("resume --json").end().ends(0);
        let again = world.godkend("number --approve --json").typing(&[&number, PIN]).end();
        let (code, said) = bank.ends();
        assert!(code == 0 && said.contains("\"verified\":true"), "{milliseconds}: {code} {said} {again:?}");
        let history = world.godkend("history --json").end().ends(0).one("history");
        assert_eq!(history["lines"].as_array().unwrap().last().unwrap()["event"], "approved", "{history}");
        // A phone may type five numbers a minute.
        world.godkend("clock 61").end().ends(0);
        let devices = world.godkend("devices --json").end().ends(0).one("devices");
        assert_eq!(devices["pin"]["tries_left"], 3, "{milliseconds}");
    }
}

#[test]
fn an_activation_that_is_killed_goes_on() {
    let world = World::serving();
    world.godkend("create-citizen --name Anna --user-id anna.a --born 1990-05-17 --json").end().ends(0);
    let handed = world.godkend("activation anna.a --json").end().ends(0).one("activation");
    let mut phone = world.godkend("activate --json").start();
    phone.types(handed["text"].as_str().unwrap());
    let digits = phone.json("digits")["digits"].as_str().unwrap().to_owned();
    phone.kill();
    world.godkend("confirm-digits --json").typing(&[&digits]).end().ends(0);
    let ready = world.godkend("resume --json").typing(&[PIN]).end().ends(0).one("activated");
    assert_eq!(ready["person"]["standing"], "active");
    assert_eq!(world.godkend("resume --json").end().ends(0).one("done")["what"], "resumed");
}

#[test]
fn two_processes_on_one_profile_are_told_so() {
    let world = World::serving();
    world.activated("anna.a", "default");
    world.activated("bo.bo", "bo");
    let mut watching = world.godkend("watch --json").start();
    // It has the profile once it answers a push: a login that it lists.
    let (bank, _) = world.login_by_number("anna.a");
    watching.json("waiting");
    let danish = world.godkend("people").end().ends(8);
    let english = world.godkend("--language en history").end().ends(8);
    assert!(
        danish.err.contains("bruges af et andet program") && english.err.contains("in use by another process"),
        "{danish:?}"
    );
    world.godkend("devices --json").end().fails(8, "store");
    // Another profile is not in the way.
    world.godkend("-p bo pending --json").end().ends(0);
    watching.signal("INT");
    assert_eq!(watching.ends().0, 130);
    world.godkend("people --json").end().ends(0);
    bank.kill();
}
