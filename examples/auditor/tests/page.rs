//! Runs `docs/auditing.md`: every command in it, as processes of their own, beside a real server with a real login.
//!
//! Has no harness of its own: called with [`ROLE`], it is the server's program, the one that this test was built with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that goes wrong ends")]
#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use godkend_tests::{Ask, World};

const PAGE: &str = include_str!("../../../docs/auditing.md");
const ROLE: &str = "GODKEND_TEST_IS_SERVER";
const ROLLED_BACK: &str = "<!-- the operator puts back an older copy and goes on -->";

fn main() -> ExitCode {
    if std::env::var_os(ROLE).is_some() {
        return godkend_server::cli::main();
    }
    if std::env::args().any(|word| word == "--list") {
        println!("the_page_happens_as_it_is_written: test");
        return ExitCode::SUCCESS;
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(the_page_happens());
    println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
    ExitCode::SUCCESS
}

async fn the_page_happens() {
    a_line_that_does_not_fit_is_found();
    let mut world = World::new().await;
    let (_, phone) = world.person("anna-auditing").await;
    world.stop().await;
    let older = support::copy(&world);
    world.start().await;
    let transaction = support::login(&world, &phone, &Ask::login(), None).await;
    support::settled(&world).await;
    let folder = world.dir.path().to_owned();
    std::fs::copy(world.data().join("root.json"), folder.join("root.json")).unwrap();
    let mut names = BTreeMap::from([("transaction".to_owned(), transaction)]);
    let (mut run, mut rolled_back) = (0, false);
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if line == ROLLED_BACK {
            rolled_back = true;
            world.stop().await;
            support::put_back(&world, &older);
            world.start().await;
            let seen: u64 = names["size"].parse().unwrap();
            let mut number = 0;
            while support::size(&world).await <= seen {
                support::entry(&world, &format!("other-{number}")).await;
                number += 1;
            }
        }
        if line == "```console" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            run += story(&block, &folder, &mut names).await;
        }
    }
    assert!(rolled_back);
    assert_eq!(
        run,
        PAGE.lines().filter(|line| line.starts_with("$ ")).count(),
        "the page has commands that did not run"
    );
    let report = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(report.contains("The evidence holds: approved with the PIN.") && report.contains("Log på Netbank"));
}

/// One block; how many commands it has.
async fn story(block: &[&str], folder: &Path, names: &mut BTreeMap<String, String>) -> usize {
    let (mut said, mut last, mut skipping, mut run) = (Vec::new().into_iter(), None, false, 0);
    for line in block {
        let Some(command) = line.strip_prefix("$ ") else {
            if let Some(code) = last.take_if(|_| said.as_slice().is_empty() && line.parse::<i32>().is_ok()) {
                assert_eq!(line.parse::<i32>().unwrap(), code);
            } else if *line == "..." {
                skipping = true;
            } else {
                reads(line, &mut said, &mut skipping, names);
            }
            continue;
        };
        run += 1;
        if command == "echo $?" {
            let rest: Vec<String> = said.by_ref().collect();
            assert!(skipping || rest.iter().all(|line| line.trim().is_empty()), "the page does not show: {rest:#?}");
            continue;
        }
        assert!(said.as_slice().is_empty(), "{command}: the page does not show how the last one ended");
        let (lines, code) = process(&filled(command, names), folder).await;
        (said, last, skipping) = (lines.into_iter(), Some(code), false);
    }
    run
}

async fn process(line: &str, folder: &Path) -> (Vec<String>, i32) {
    let mut words = line.split_whitespace();
    let mut command = match words.next().unwrap() {
        "godkend-auditor" => support::command(),
        "godkend-server" => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.env(ROLE, "1");
            command
        }
        other => panic!("{other} is not for this page"),
    };
    command.args(words).current_dir(folder).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    let lines = String::from_utf8(text).unwrap().lines().map(str::to_owned).collect();
    (lines, output.status.code().unwrap())
}

fn reads(
    wanted: &str,
    said: &mut std::vec::IntoIter<String>,
    skipping: &mut bool,
    names: &mut BTreeMap<String, String>,
) {
    let mut passed = Vec::new();
    for line in said.by_ref() {
        if fits(wanted, &line, names) {
            *skipping = false;
            return;
        }
        passed.push(line.clone());
        assert!(*skipping, "wanted: {wanted}\nsaid:   {line}\nrest:   {:#?}", said.as_slice());
    }
    panic!("ended without: {wanted}\n{passed:#?}");
}

fn filled(text: &str, names: &BTreeMap<String, String>) -> String {
    let text = names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("⟨{name}⟩"), value));
    assert!(!text.contains('⟨'), "nobody has shown {text}");
    text
}

/// Whether a line is the page's: a name in ⟨ ⟩ is what it was before, or is learnt here; ⟨…⟩ is anything. Runs of spaces
/// count as one.
fn fits(wanted: &str, line: &str, names: &mut BTreeMap<String, String>) -> bool {
    let even = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut learnt = names.clone();
    let good = fit(&even(wanted), &even(line), &mut learnt);
    if good {
        *names = learnt;
    }
    good
}

fn fit(wanted: &str, line: &str, names: &mut BTreeMap<String, String>) -> bool {
    let Some((before, rest)) = wanted.split_once('⟨') else { return wanted == line };
    let (name, after) = rest.split_once('⟩').unwrap();
    let Some(line) = line.strip_prefix(before) else { return false };
    if let Some(known) = names.get(name).cloned() {
        return line.strip_prefix(known.as_str()).is_some_and(|line| fit(after, line, names));
    }
    for (end, _) in line.char_indices().skip(1).chain([(line.len(), ' ')]) {
        let mut learnt = names.clone();
        if name != "…" {
            learnt.insert(name.to_owned(), line[..end].to_owned());
        }
        if fit(after, &line[end..], &mut learnt) {
            *names = learnt;
            return true;
        }
    }
    false
}

/// A page that says something else is noticed.
fn a_line_that_does_not_fit_is_found() {
    let mut names = BTreeMap::new();
    assert!(fits("  Kept in: ⟨record⟩", "  Kept in: a/b.json", &mut names));
    assert_eq!(names["record"], "a/b.json");
    assert!(!fits("  Kept in: ⟨record⟩", "  Kept in: a/c.json", &mut names));
    assert!(!fits("✓ It holds", "✗ It holds", &mut names));
}
