//! `godkend-auditor`: verifies evidence without any server, and witnesses the log. Depends on neither the server nor the
//! phone's core. See `docs/auditing.md`.

mod args;
mod clock;
mod date;
mod evidence;
mod exit;
mod fetch;
mod files;
mod output;
mod report;
mod texts;
mod witness;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command, EvidenceCommand};
use output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output { language: cli.language, json: cli.json };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(output.failed(&error.to_string())),
    };
    let ended = runtime.block_on(async {
        match cli.command {
            Command::Evidence(EvidenceCommand::Verify(args)) => evidence::verify(&args, output).await,
            Command::Witness(args) => witness::run(args, output).await,
        }
    });
    ExitCode::from(ended.unwrap_or_else(|error| output.failed(&error.to_string())))
}
