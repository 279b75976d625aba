//! The testers' phone, one binary `godkend`: a phone, a desk, a relying party and a server from the command line.

mod args;
mod ask;
mod clock;
mod demo;
mod desk;
mod embedded;
mod exit;
mod home;
mod http;
mod json;
mod language;
mod output;
mod pages;
mod phone;
mod problem;
mod prompt;
mod qr;
mod rp;
mod run;
mod secret;
mod serve;
mod simulate;
mod view;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::Cli;
use crate::exit::Exit;
use crate::json::Report;
use crate::language::Language;
use crate::output::Output;
use crate::problem::Problem;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let out = Output::new(cli.global.json, cli.global.language);
    let exit = match runtime() {
        Ok(runtime) => {
            let result = runtime.block_on(run::run(cli, out));
            // A question at the terminal may still be waiting on its thread.
            runtime.shutdown_background();
            result.unwrap_or_else(|problem| failed(&problem, &out))
        }
        Err(problem) => failed(&problem, &out),
    };
    ExitCode::from(exit.code())
}

fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    // Another library may have installed one already; it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| Problem::Embedded(e.to_string()))
}

fn failed(problem: &Problem, out: &Output) -> Exit {
    out.clear();
    let report = Report::of_problem(problem, out.language());
    if out.is_json() {
        out.report(&report);
    } else {
        out.show(&view::draw(&report, out.language(), view::Style::default()));
    }
    problem.exit()
}

/// What is wrong with the command line, in clap's words; help and version are no failures.
fn refuse(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader that has gone away wants nothing more.
        let _ = error.print();
        return ExitCode::from(Exit::Done.code());
    }
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let problem = Problem::usage(first.clone(), first);
        Output::new(true, Language::En).report(&Report::of_problem(&problem, Language::En));
    } else {
        let _ = error.print();
    }
    ExitCode::from(Exit::Usage.code())
}
