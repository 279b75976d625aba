//! The demo, the load test, and what describes the program.

use std::process::Command;

use crate::support::{PIN, Terminal, World};

#[test]
fn the_demo_runs_by_itself() {
    let world = World::empty();
    let ended = world.godkend("demo --yes --json").end().ends(0);
    assert_eq!(ended.one("demo")["verified"], true);
    let danish = world.godkend("demo --yes").end().ends(0);
    assert!(danish.out.contains("✓ Banken fik sit underskrevne svar"), "{danish:?}");
    let english = world.godkend("--language en demo --yes").end().ends(0);
    assert!(english.out.contains("✓ The bank got its signed answer"), "{english:?}");
}

#[test]
fn the_demo_takes_piped_answers_and_a_refusal_is_3() {
    let world = World::empty();
    let approved = world.godkend("demo --json").typing(&[PIN, "1", "n", PIN]).end().ends(0);
    assert!(approved.out.lines().last().unwrap().contains("\"verified\":true"), "{approved:?}");
    for refusal in ["2", "3"] {
        let refused = world.godkend("demo").typing(&[PIN, refusal]).end().ends(3);
        assert!(!refused.out.contains("✓ Banken"), "{refused:?}");
    }
    // A pipe cannot be asked again.
    world.godkend("demo").typing(&[PIN, "1", "n", "918273"]).end().ends(3);
    world.godkend("demo").typing(&["123456"]).end().ends(2);
    world.godkend("demo").end().ends(2);
}

/// At a terminal a slip can be corrected. `script` of util-linux gives the terminal.
#[test]
fn the_demo_at_a_terminal_asks_again() {
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{} demo", env!("CARGO_BIN_EXE_godkend")), "/dev/null"]).env("NO_COLOR", "1");
    let mut terminal = Terminal::start(&mut command);
    for (question, answer) in [
        ("Ny PIN-kode (seks tal): ", "111111"),
        ("Gentag PIN-koden: ", "111111"),
        ("Ny PIN-kode (seks tal): ", PIN),
        ("Gentag PIN-koden: ", "918273"),
        ("Ny PIN-kode (seks tal): ", PIN),
        ("Gentag PIN-koden: ", PIN),
        ("1-4: ", "9"),
        ("1-4: ", "1"),
        ("[y/N] ", "n"),
        ("PIN-kode: ", "918273"),
        ("PIN-kode: ", PIN),
    ] {
        terminal.wait_for(question);
        terminal.types(answer);
    }
    terminal.wait_for("✓ Godkendt.");
    let (code, said) = terminal.ends();
    assert!(code == 0 && said.contains("✓ Banken fik sit underskrevne svar"), "{code} {said}");
}

#[test]
fn a_load_test_reports() {
    let world = World::empty();
    let result = world.godkend("simulate --users 5 --in-flight 2 --json").end().ends(0).one("simulation");
    for series in ["activations", "logins"] {
        assert_eq!(
            (result[series]["done"].as_u64(), result[series]["failed"].as_u64()),
            (Some(5), Some(0)),
            "{result}"
        );
        assert!(result[series]["p99_ms"].as_f64() >= result[series]["p50_ms"].as_f64());
    }
    assert_eq!(result["failures"].as_array().unwrap().len(), 0);
}

#[test]
fn a_load_test_measures_server_and_floor() {
    let world = World::empty();
    let line =
        "simulate --users 3 --in-flight 1,3 --logins 2 --with pin,biometric --floor --warm-up --prepare 50 --json";
    let result = world.godkend(line).end().ends(0).one("simulation");
    let runs = result["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4, "{result}");
    for run in runs {
        assert_eq!((run["logins"]["done"].as_u64(), run["floor"]["series"]["done"].as_u64()), (Some(6), Some(6)));
        // The floor has done what the logins did.
        let (login, floor) = (&run["server"], &run["floor"]["server"]);
        for count in ["requests", "verifications", "signatures", "opaque_starts", "commits"] {
            let (login, floor) = (login[count].as_f64().unwrap(), floor[count].as_f64().unwrap());
            assert!((login - floor).abs() <= 1.0, "{count}: {login} {floor} in {run}");
        }
        assert_eq!(login["opaque_starts"].as_f64(), Some(if run["with"] == "pin" { 1.0 } else { 0.0 }));
        assert!(login["requests"].as_f64() >= Some(9.0) && login["commits"].as_f64() >= Some(3.0), "{run}");
        assert!(login["memory_kb"].as_u64() > Some(1000));
        assert_eq!(
            (run["empty"]["logins"]["done"].as_u64(), run["empty"]["logins"]["failed"].as_u64()),
            (Some(6), Some(0))
        );
    }
}

#[test]
fn every_way_logs_in_beside_its_floor() {
    let world = World::empty();
    let ways =
        ["biometric", "number", "remembered", "ciba", "app-chip", "password-chip", "password-display", "password"];
    let line = format!("simulate --users 2 --in-flight 2 --logins 2 --with {} --floor --json", ways.join(","));
    let result = world.godkend(&line).end().ends(0).one("simulation");
    let runs = result["runs"].as_array().unwrap();
    assert_eq!(runs.iter().map(|run| run["with"].as_str().unwrap()).collect::<Vec<_>>(), ways);
    for (run, way) in runs.iter().zip(ways) {
        assert_eq!((run["logins"]["done"].as_u64(), run["logins"]["failed"].as_u64()), (Some(4), Some(0)), "{run}");
        let tries = if way == "biometric" { 0.0 } else { 1.0 };
        assert_eq!(run["server"]["opaque_starts"].as_f64(), Some(tries), "{run}");
        // The floor verifies a chip's signature more: it is checked by another library, which counts nothing.
        let verified = |side: &serde_json::Value| side["verifications"].as_f64().unwrap();
        let more = verified(&run["floor"]["server"]) - verified(&run["server"]);
        let chips = if way.contains("chip") { 1.0 } else { 0.0 };
        assert!((more - chips).abs() <= 0.6, "{run}");
    }
}

#[test]
fn completions_man_page_and_schema_are_printed() {
    let world = World::empty();
    for (shell, part) in [("bash", "complete -F"), ("zsh", "#compdef godkend"), ("fish", "complete -c godkend")] {
        let script = world.godkend(&format!("completions {shell}")).end().ends(0).out;
        assert!(script.contains(part) && script.contains("request-payment"), "{shell}");
    }
    let page = world.godkend("man").end().ends(0).out;
    assert!(page.contains(".TH godkend 1") && page.contains("simulate"), "{page}");
    world.godkend("man --out pages").end().ends(0);
    assert!(world.path("pages/godkend-request-login.1").exists());
    assert!(crate::support::schema::published()["oneOf"].as_array().unwrap().len() > 20);
    world.godkend("completions tcsh").end().ends(2);
}
