//! Runs `docs/by-hand.md`: every command in it, as processes of their own, with what the page says is typed and read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that goes wrong ends")]
#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use support::{Terminal, words};

const PAGE: &str = include_str!("../../../docs/by-hand.md");
/// The folder that the page names; a test has one of its own.
const FOLDER: &str = "/tmp/godkend-by-hand";

#[test]
fn the_page_happens_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let page = PAGE.replace(FOLDER, folder.path().to_str().unwrap());
    let mut story = Story::default();
    for block in blocks(&page) {
        story.run(&block);
    }
    let Story { run, terminals, .. } = story;
    let commands = page.lines().filter(|line| line.trim_start().starts_with("$ ")).count();
    assert_eq!(run, commands, "the page has commands that did not run");
    assert_eq!(terminals.len(), 3);
    for (name, seat) in terminals {
        assert!(seat.running.is_none(), "the page does not show how {name} ends: {:?}", seat.last);
    }
}

/// The page tells of everything that it is there to tell of.
#[test]
fn the_page_has_the_whole_story() {
    for command in [
        "serve --test",
        "activate",
        "watch",
        "create-citizen",
        "activation",
        "confirm-digits",
        "request-login",
        "request-payment",
        "history",
    ] {
        assert!(
            PAGE.lines().any(|line| line.starts_with("$ godkend") && line.contains(&format!(" {command}"))),
            "{command}"
        );
    }
    assert!(PAGE.contains("--language en"));
}

/// A page that says something else is noticed.
#[test]
fn a_line_that_does_not_fit_is_found() {
    let mut names = BTreeMap::new();
    assert!(fits("│ (⟨digits⟩) │", "│   (1234 5678)    │", &mut names));
    assert_eq!(names["digits"], "1234 5678");
    assert!(fits("✓ ⟨digits⟩ is ⟨…⟩.", "✓ 1234 5678 is right.", &mut names));
    assert!(!fits("✓ ⟨digits⟩ is ⟨…⟩.", "✓ 1234 5679 is right.", &mut names));
    assert!(!fits("✓ Godkendt.", "✗ Afvist.", &mut names));
    assert!(!fits("✓ Godkendt", "✓ Godkendt.", &mut names));
}

struct Block {
    terminal: String,
    lines: Vec<String>,
}

/// The blocks of the three terminals; no other block has a command of this program.
fn blocks(page: &str) -> Vec<Block> {
    let mut all = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let body: Vec<String> = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        match kind.strip_prefix("console ") {
            Some(terminal) => all.push(Block { terminal: terminal.to_owned(), lines: body }),
            // How the program under test was built.
            None => assert_eq!(body, ["cargo install --path examples/headless"], "{kind}"),
        }
    }
    assert!(all.len() > 5);
    all
}

#[derive(Default)]
struct Story {
    terminals: BTreeMap<String, Seat>,
    names: BTreeMap<String, String>,
    run: usize,
}

/// One terminal.
#[derive(Default)]
struct Seat {
    variables: BTreeMap<String, String>,
    running: Option<Terminal>,
    /// The exit code of what ran last.
    last: Option<i32>,
    /// The page has left lines out.
    skipping: bool,
}

impl Story {
    fn run(&mut self, block: &Block) {
        let seat = self.terminals.entry(block.terminal.clone()).or_default();
        for line in &block.lines {
            if let Some(command) = line.strip_prefix("$ ") {
                self.run += 1;
                seat.command(command);
            } else if line == "..." {
                seat.skipping = true;
            } else if line == "^C" {
                seat.running.as_ref().unwrap().signal("INT");
            } else if let Some(typed) = line.strip_prefix("> ") {
                seat.types(&filled(typed, &self.names));
            } else if let Some((prompt, typed)) = line.split_once(" > ") {
                seat.prompt(prompt);
                seat.types(&filled(typed, &self.names));
            } else {
                seat.reads(line, &mut self.names);
            }
        }
    }
}

impl Seat {
    fn command(&mut self, line: &str) {
        if line == "echo $?" {
            return self.finish();
        }
        if let Some(terminal) = &self.running {
            panic!("{line}: the page does not show how process {} before it ended", terminal.pid());
        }
        if let Some(variables) = line.strip_prefix("export ") {
            for variable in words(variables) {
                let (name, value) = variable.split_once('=').unwrap();
                self.variables.insert(name.to_owned(), value.to_owned());
            }
            return;
        }
        let mut words = words(line);
        assert_eq!(words.remove(0), "godkend", "{line}");
        assert!(self.variables.contains_key("GODKEND_HOME"), "{line} would use the tester's own folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_godkend"));
        command.args(words).envs(&self.variables).current_dir(&self.variables["GODKEND_HOME"]);
        command.env_remove("DBUS_SESSION_BUS_ADDRESS");
        self.running = Some(Terminal::start(&mut command));
        self.skipping = false;
    }

    /// Everything that was said has been read, and the process ends.
    fn finish(&mut self) {
        let mut terminal = self.running.take().unwrap();
        let (code, rest) = terminal.reach_end();
        assert!(self.skipping || rest.trim().is_empty(), "the page does not show: {rest}");
        self.last = Some(code);
    }

    fn types(&mut self, text: &str) {
        self.running.as_mut().unwrap().types(text);
    }

    fn prompt(&mut self, prompt: &str) {
        let terminal = self.running.as_mut().unwrap();
        let before = terminal.wait_for(prompt);
        let rest = before.strip_suffix(prompt).unwrap();
        assert!(self.skipping || rest.trim().is_empty(), "before {prompt}: {rest}");
        self.skipping = false;
    }

    fn reads(&mut self, wanted: &str, names: &mut BTreeMap<String, String>) {
        if let Some(code) = self.last.take() {
            assert_eq!(wanted, code.to_string(), "the exit code");
            return;
        }
        let mut passed = String::new();
        while let Some(line) = self.line() {
            if fits(wanted, &line, names) {
                self.skipping = false;
                return;
            }
            passed.push_str(&line);
            passed.push('\n');
            assert!(self.skipping || line.trim().is_empty(), "wanted: {wanted}\nsaid:   {line}");
        }
        panic!("ended without: {wanted}\n{passed}");
    }

    /// The next line of output.
    fn line(&mut self) -> Option<String> {
        let terminal = self.running.as_mut().expect("a process that says this");
        loop {
            if let Some((line, rest)) = terminal.said.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                terminal.said = rest;
                return Some(line);
            }
            if !terminal.more() {
                let rest = std::mem::take(&mut terminal.said);
                return (!rest.is_empty()).then_some(rest);
            }
        }
    }
}

/// What is read off another terminal, put in.
fn filled(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in names {
        text = text.replace(&format!("⟨{name}⟩"), value);
    }
    assert!(!text.contains('⟨'), "nobody has shown {text}");
    text
}

/// Whether a line of output is the page's line: a name in ⟨ ⟩ is what it was before, or is learnt here; ⟨…⟩ is anything.
/// Runs of spaces count as one, for what takes a name's place has another width.
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
    if let Some(known) = names.get(name) {
        return line.strip_prefix(known.as_str()).is_some_and(|line| fit(after, line, &mut names.clone()));
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
