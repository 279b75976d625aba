use clap::CommandFactory as _;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_says_what_it_does_and_shows_an_example() {
    fn check(command: &clap::Command) {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(after.contains("godkend ") && after.contains("Example"), "{}", command.get_name());
        for argument in command.get_arguments().filter(|a| !matches!(a.get_id().as_str(), "help" | "version")) {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
    }
    for command in Cli::command().get_subcommands() {
        check(command);
    }
}

#[test]
fn every_command_of_the_issue_is_there() {
    let command = Cli::command();
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    for wanted in [
        "demo",
        "serve",
        "activate",
        "pending",
        "watch",
        "scan",
        "approve",
        "deny",
        "report",
        "history",
        "devices",
        "browsers",
        "pin",
        "biometrics",
        "move",
        "remove",
        "simulate",
        "request-login",
        "request-payment",
        "create-citizen",
        "confirm-digits",
        "completions",
        "man",
    ] {
        assert!(names.contains(&wanted), "{wanted}");
    }
}

/// PINs, codes, links, digits and tokens come by prompt or standard input.
#[test]
fn no_secret_is_an_argument() {
    for command in Cli::command().get_subcommands() {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            // Switches that say which kind is meant, and files that hold one.
            let takes_value = argument.get_action().takes_values();
            let is_file = argument.get_value_names().is_some_and(|names| names.iter().any(|name| name == "FILE"));
            let secret = ["pin", "code", "link", "digits", "number", "token", "secret", "passphrase", "text", "cpr"]
                .contains(&name);
            let reference_text = name == "text" && command.get_name().starts_with("request-");
            assert!(!secret || !takes_value || is_file || reference_text, "{} {name}", command.get_name());
        }
    }
}

#[test]
fn good_lines_are_read() {
    for line in [
        "godkend demo --yes",
        "godkend --json --profile anna --language en scan --picture qr.png --approve --with biometric",
        "godkend scan --profile anna --json",
        "godkend request-login --number --user-id anna.a --level high",
        "godkend request-payment --amount 1250.00 --payee Elselskabet --ciba --user-id anna.a",
        "godkend clock -3600",
        "godkend --root a.json --root b.json activate",
        "godkend biometrics off --with pin",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

#[test]
fn wrong_lines_are_refused() {
    for line in [
        "godkend",
        "godkend nothing",
        "godkend scan --approve --deny",
        "godkend request-login --number",
        "godkend request-login --number --ciba --user-id anna.a",
        "godkend request-login --ciba --user-id anna.a --browser a",
        "godkend request-payment --payee X",
        "godkend request-payment --payee X --amount 12",
        "godkend request-payment --payee X --amount 0.00",
        "godkend request-payment --payee X --amount 01.00",
        "godkend request-payment --payee X --amount -1.00",
        "godkend create-citizen --name X",
        "godkend simulate --users 0",
        "godkend simulate",
        "godkend --language fr demo",
        "godkend biometrics maybe",
        "godkend pin 123456",
        "godkend activate LINK",
        "godkend number 12345678",
        "godkend confirm-digits ID 12345678",
        "godkend activation anna.a --code --picture x.png",
        "godkend pin --digits-only",
    ] {
        let error = parse(line).expect_err(line);
        assert_ne!(error.kind(), clap::error::ErrorKind::DisplayHelp, "{line}");
        // clap's own number for usage is ours.
        assert_eq!(error.exit_code(), i32::from(crate::exit::Exit::Usage.code()), "{line}");
    }
}
