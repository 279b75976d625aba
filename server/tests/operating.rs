//! docs/operating.md names only settings, commands and routes that exist, and all settings and commands that do.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use godkend_server::cli::Cli;
use godkend_server::config::Config;
use godkend_server::config::settings::{SECTIONS, SETTINGS, Setting};

const PAGE: &str = include_str!("../../docs/operating.md");

/// What stands between single backquotes.
fn code() -> BTreeSet<&'static str> {
    PAGE.lines().filter(|line| !line.starts_with("```")).flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// Lines of fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in PAGE.split("\n```").skip(1).step_by(2) {
        if let Some(body) = part.strip_prefix(language).and_then(|rest| rest.strip_prefix('\n')) {
            found.push(body.to_owned());
        }
    }
    assert!(!found.is_empty(), "no block of {language}");
    found
}

#[test]
fn settings_are_the_servers() {
    let known: BTreeSet<String> = SETTINGS.iter().map(Setting::name).collect();
    let is_section = |text: &str| SECTIONS.iter().any(|(section, _)| *section == text);
    let named: BTreeSet<String> = code()
        .into_iter()
        .map(|text| text.split(" = ").next().unwrap_or(text))
        .filter(|text| text.split_once('.').is_some_and(|(section, key)| is_section(section) && !key.contains('/')))
        .map(str::to_owned)
        // A file that the page names is no setting.
        .filter(|text| !text.ends_with(".pem") && !text.ends_with(".json"))
        .collect();
    assert_eq!(named, known);
    let variables: BTreeSet<String> = SETTINGS.iter().map(Setting::variable).collect();
    for word in PAGE.split(|c: char| !c.is_ascii_uppercase() && c != '_').filter(|word| word.starts_with("GODKEND_")) {
        // The last is read by the desk's side.
        assert!(["GODKEND_", "GODKEND_CONFIG", "GODKEND_DESK"].contains(&word) || variables.contains(word), "{word}");
    }
}

#[test]
fn configuration_examples_load_without_unknown_settings() {
    for block in blocks("toml") {
        let block =
            block.replace("9A:CF:1B:2C:…", &"ab".repeat(32)).replace("\"…\"", &format!("\"{}\"", "ab".repeat(32)));
        let config = Config::parse(&block, "/etc/godkend".into(), std::iter::empty()).unwrap();
        assert_eq!(config.check(), [], "{block}");
        if !config.attestation.is_empty() {
            let policy: godkend_server::attestation::AttestationPolicy = config.attestation.try_into().unwrap();
            policy.check(false).unwrap();
        }
    }
}

/// Every command down to its leaves, as typed.
fn leaves(command: &clap::Command, path: &str, into: &mut BTreeSet<String>) {
    let mut below = command.get_subcommands().filter(|sub| sub.get_name() != "help").peekable();
    if below.peek().is_none() {
        into.insert(path.trim().to_owned());
    }
    for sub in below {
        leaves(sub, &format!("{path} {}", sub.get_name()), into);
    }
}

#[test]
fn commands_are_the_servers() {
    let cli = Cli::command();
    let mut known = BTreeSet::new();
    leaves(&cli, "", &mut known);
    for command in &known {
        assert!(PAGE.contains(command.as_str()), "`{command}` is not told of");
    }
    // What is shown at a prompt or in a script must parse.
    for line in blocks("console").iter().chain(&blocks("sh")).flat_map(|block| block.lines()) {
        for part in line.trim_start_matches("$ ").split(" && ") {
            let Some(rest) = part.trim().strip_prefix("godkend-server ") else { continue };
            let rest = rest.split(" #").next().unwrap_or(rest);
            let words = rest.split('"').enumerate().flat_map(|(at, piece)| {
                if at % 2 == 1 { vec![piece.to_owned()] } else { piece.split_whitespace().map(str::to_owned).collect() }
            });
            let words = std::iter::once("godkend-server".to_owned()).chain(words);
            if let Err(error) = cli.clone().try_get_matches_from(words) {
                // A program's own line of output may begin with its name.
                assert!(part.starts_with("godkend-server: "), "{line}: {error}");
            }
        }
    }
    for command in code().into_iter().filter(|text| text.starts_with("desk ")) {
        let name: Vec<&str> = command.split_whitespace().take(2).collect();
        assert!(known.contains(&name.join(" ")), "`{command}`");
    }
}

#[test]
fn the_admin_api_is_the_servers() {
    let source = include_str!("../src/admin/mod.rs");
    let section = PAGE.split("## Admin API").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let mut routes = 0;
    for line in source.lines().filter(|line| line.trim_start().starts_with(".route(")) {
        let path = line.split('"').nth(1).unwrap().trim_start_matches("/admin/v1");
        routes += 1;
        let last = path.rsplit('/').next().unwrap();
        // The last part names most; evidence alone is by a transaction.
        let told = section.contains(path)
            || section.contains(&format!("`…/{last}`"))
            || path == "/evidence/{id}" && section.contains("/evidence/{transaction}");
        assert!(told, "{path}");
    }
    assert!(routes > 10, "{routes}");
}
