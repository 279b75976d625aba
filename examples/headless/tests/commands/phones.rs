//! What a phone does besides a plain login: other ways to bind the browser, biometrics, moving, several phones.

use crate::support::{PIN, World, files};

#[test]
fn two_profiles_are_two_phones() {
    let world = World::serving();
    world.activated("anna.a", "anna");
    world.activated("bo.bo", "bo");
    let person = |profile: &str| {
        let people = world.godkend(&format!("-p {profile} people --json")).end().ends(0).one("people");
        assert_eq!(people["people"].as_array().unwrap().len(), 1);
        people["people"][0]["device"].as_str().unwrap().to_owned()
    };
    assert_ne!(person("anna"), person("bo"));
    // Another's number opens nothing.
    let (bank, number) = world.login_by_number("anna.a");
    world.godkend("-p bo number --approve --json").typing(&[&number, PIN]).end().fails(3, "number_wrong");
    world.godkend("-p anna number --approve --json").typing(&[&number, PIN]).end().ends(0).one("approved");
    assert_eq!(bank.ends().0, 0);
    let history = world.godkend("-p bo history --json").end().ends(0).out;
    assert!(!history.contains("Testbanken\",\"action\":\"LOG_ON"), "{history}");
}

#[test]
fn a_picture_is_scanned_and_removed() {
    let world = World::serving();
    world.activated("anna.a", "default");
    let mut bank = world.godkend("request-login --picture qr.png --json").start();
    bank.json("login_started");
    let approved = world.godkend("scan --picture qr.png --approve --json").typing(&[PIN]).end().ends(0);
    assert_eq!(approved.one("request")["binding"], "scanned_qr");
    let claims = bank.json("signed_in");
    assert_eq!(claims["claims"]["godkend.binding"], "scanned_qr");
    assert_eq!(bank.ends().0, 0);
    assert!(!world.path("qr.png").exists(), "an old code must not be scanned");
}

#[test]
fn a_link_on_the_same_device_needs_the_way_back() {
    let world = World::serving();
    world.activated("anna.a", "default");
    let mut bank = world.godkend("request-login --same-device --json").start();
    let link = bank.json("login_started")["link"].as_str().unwrap().to_owned();
    let approved = world.godkend("open --approve --json").typing(&[&link, PIN]).end().ends(0).one("approved");
    bank.types(approved["return_url"].as_str().unwrap());
    assert_eq!(bank.json("signed_in")["claims"]["godkend.binding"], "same_device");
    assert_eq!(bank.ends().0, 0);
}

#[test]
fn a_finger_approves_and_works_without_a_network() {
    let world = World::serving();
    world.activated("anna.a", "default");
    let keys = world.godkend("--finger match biometrics on --json").typing(&[PIN]).end().ends(0).one("keys");
    assert!(keys["purposes"].as_array().unwrap().iter().any(|purpose| purpose == "biometric"), "{keys}");
    let (mut bank, number) = world.login_by_number("anna.a");
    for (finger, exit) in [("cancel", 3), ("locked", 5), ("match", 0)] {
        let line = format!("--finger {finger} number --approve --with biometric --json");
        world.godkend(&line).typing(&[&number]).end().ends(exit);
    }
    let claims = bank.json("signed_in");
    assert!(!claims["claims"]["amr"].to_string().contains("pin\""), "{claims}");
    assert_eq!(bank.ends().0, 0);

    let mut bank = world.godkend("request-login --offline --user-id anna.a --json").start();
    let text = bank.json("login_started")["offline"].as_str().unwrap().to_owned();
    let offline = world.godkend("--finger match scan --approve --with biometric --json").typing(&[&text]).end().ends(0);
    bank.types(offline.one("offline_code")["code"].as_str().unwrap());
    assert_eq!(bank.json("signed_in")["claims"]["godkend.binding"], "offline");
    assert_eq!(bank.ends().0, 0);

    let keys = world.godkend("biometrics off --with pin --json").typing(&[PIN]).end().ends(0).one("keys");
    assert!(!keys["purposes"].to_string().contains("biometric"), "{keys}");
}

#[test]
fn a_remembered_browser_pushes_until_it_is_forgotten() {
    let world = World::serving();
    world.activated("anna.a", "default");
    let mut bank = world.godkend("request-login --number --user-id anna.a --browser annas --json").start();
    let number = bank.json("login_started")["number"].as_str().unwrap().to_owned();
    world.godkend("number --approve --remember --json").typing(&[&number, PIN]).end().ends(0);
    assert_eq!(bank.json("signed_in")["remembered"], true);
    assert_eq!(bank.ends().0, 0);

    let mut bank = world.godkend("request-login --browser annas --json").start();
    assert_eq!(bank.json("login_started")["remembered"], true);
    let approved = world.godkend("approve --json").typing(&[PIN]).end().ends(0);
    assert_eq!(approved.one("request")["binding"], "remembered_browser");
    assert_eq!(bank.ends().0, 0);

    // Another browser of the same bank is nobody's.
    let mut bank = world.godkend("request-login --browser other --json").start();
    assert_eq!(bank.json("login_started")["remembered"], false);
    world.godkend("approve --json").end().fails(1, "no_request");
    bank.kill();

    let browsers = world.godkend("browsers --json").end().ends(0).one("browsers");
    let id = browsers["browsers"][0]["id"].as_str().unwrap();
    world.godkend(&format!("browsers --forget {id} --json")).typing(&[PIN]).end().ends(0);
    let mut bank = world.godkend("request-login --browser annas --json").start();
    assert_eq!(bank.json("login_started")["remembered"], false);
    bank.kill();
}

#[test]
fn a_person_moves_to_another_phone() {
    let world = World::serving();
    world.activated("anna.a", "old");
    let mut old = world.godkend("-p old move --json").start();
    old.types(PIN);
    let link = old.json("activation")["text"].as_str().unwrap().to_owned();
    let mut new = world.godkend("-p new activate --json").start();
    new.types(&link);
    let digits = new.json("digits")["digits"].as_str().unwrap().to_owned();
    old.types(&digits);
    assert!(old.json("confirmed")["active_from"].is_i64());
    assert_eq!(old.ends().0, 0);
    new.types("918273");
    assert_eq!(new.json("stage")["stage"], "waiting");
    new.json("activated");
    assert_eq!(new.ends().0, 0);
    // The link was good once.
    assert_eq!(world.godkend("-p third activate --json").typing(&[&link]).end().code, 3);

    world.godkend("clock 3700").end().ends(0);
    let (bank, number) = world.login_by_number("anna.a");
    world.godkend("-p new number --approve --json").typing(&[&number, "918273"]).end().ends(0).one("approved");
    // The bank's own clock has not moved: an answer from its future signs nobody in.
    let (code, said) = bank.ends();
    assert!(code == 3 && said.contains("id_token"), "{code} {said}");
    world.godkend("-p old pending --json").end().fails(6, "device_removed");
}

/// Everything that a person types, and every token: on no screen, in no log and in no file as it is.
#[test]
fn what_is_typed_is_never_printed() {
    let world = World::empty();
    let mut server = world.godkend("serve --test --listen 127.0.0.1:0 --json").env("RUST_LOG", "trace").start();
    server.wait_for("\"type\":\"serving\"");
    let mut printed = String::new();
    let mut run = |line: &str, typed: &[&str]| {
        let ended = world.godkend(&format!("{line} --json")).env("RUST_LOG", "trace").typing(typed).end().ends(0);
        printed.push_str(&ended.out);
        printed.push_str(&ended.err);
        ended
    };
    run("create-citizen --name Anna --user-id anna.a --born 1990-05-17 --cpr", &["170590-4444"]);
    let handed = run("activation anna.a", &[]).one("activation");
    let digits = run("activate --digits-only", &[handed["text"].as_str().unwrap()]).one("digits");
    run("confirm-digits", &[digits["digits"].as_str().unwrap()]);
    run("resume", &[PIN]);
    run("pin", &[PIN, "918273"]);
    let (mut bank, number) = world.login_by_number("anna.a");
    run("number --approve", &[&number, "918273"]);
    bank.json("signed_in");
    assert_eq!(bank.ends().0, 0);
    run("history", &[]);
    run("devices", &[]);
    server.signal("TERM");
    let (code, said) = server.ends();
    assert_eq!(code, 0, "{said}");
    printed.push_str(&said);
    let token = std::fs::read_to_string(world.path("server/data/secrets/admin.token")).unwrap();
    for secret in [PIN, "918273", "1705904444", "170590-4444", token.trim()] {
        assert!(!printed.contains(secret), "{secret} is printed");
    }
    for (path, bytes) in files(&world.path("profiles")) {
        for secret in [PIN, "918273"] {
            assert!(!bytes.windows(6).any(|window| window == secret.as_bytes()), "{secret} is in {}", path.display());
        }
    }
}

#[test]
fn a_push_address_is_given_asked_for_and_taken_back() {
    let mut world = World::serving();
    world.activated("anna.a", "default");
    let push = |world: &World, options: &str| world.godkend(&format!("push {options} --json")).end();
    assert_eq!(push(&world, "").ends(0).one("push")["apns"], false);
    let token = "07".repeat(32);
    push(&world, &format!("--apns {token}")).fails(3, "push_refused");
    // Its operator has a key of Apple's. That nobody answers there costs wake-ups and nothing else.
    world.kill_server();
    let file = world.path("server/godkend.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (name, value) in [
        ("topic", "dk.godkend.app"),
        ("team", "TEAM123456"),
        ("key_id", "KEY1234567"),
        ("key", "data/secrets/oidc-1.pem"),
        ("url", "https://127.0.0.1:9"),
        ("sandbox_url", "https://127.0.0.1:9"),
    ] {
        let line = text.lines().find(|line| line.starts_with(&format!("apns_{name} = "))).unwrap().to_owned();
        text = text.replace(&line, &format!("apns_{name} = \"{value}\""));
    }
    std::fs::write(&file, text).unwrap();
    world.serve();
    let given = push(&world, &format!("--apns {token} --sandbox")).ends(0).one("push");
    assert_eq!((&given["registered"], &given["apns"], &given["fcm"]), (&true.into(), &true.into(), &false.into()));
    // What came with a wake-up leads to what waits; the handle itself is the gateway's and the phone's to know.
    let (bank, number) = world.login_by_number("anna.a");
    let waiting = world.godkend("woken AAAAAAAAAAAAAAAAAAAAAA --json").end().ends(0).one("waiting");
    assert_eq!(waiting["requests"].as_array().unwrap().len(), 1, "{waiting}");
    world.godkend("number --approve --json").typing(&[&number, PIN]).end().ends(0).one("approved");
    assert_eq!(bank.ends().0, 0);
    assert_eq!(push(&world, "").ends(0).one("push")["registered"], true);
    assert_eq!(push(&world, "--remove").ends(0).one("push")["registered"], false);
}
