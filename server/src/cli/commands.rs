//! The commands that work on files or serve.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use godkend_protocol::bytes::{Fixed, Hash32};
use tokio::net::TcpListener;

use super::{Command, EvidenceCommand, InitArgs, KeysCommand, LanguageArg, LogCommand, desk, say};
use crate::activation::Judge;
use crate::app::Clock;
use crate::config::{Config, Severity};
use crate::keys::{self, InitOptions, RotateOptions, ServerKeys};
use crate::oidc::records::Language;
use crate::ops::{logging, tls};
use crate::policy::Policy;
use crate::server::{self, StartError, StartOptions};

type Outcome = Result<ExitCode, Box<dyn Error>>;

pub(super) async fn run(command: Command) -> Outcome {
    match command {
        Command::Serve { at, new_epoch } => serve(&at.config, new_epoch).await,
        Command::Init(args) => init(args),
        Command::Check { at } => check(&at.config),
        Command::Keys(KeysCommand::Rotate { at, oidc, opaque, pins }) => {
            let extra_pins = pins.iter().map(|pin| read_pin(pin)).collect::<Result<_, _>>()?;
            let options = RotateOptions { oidc, opaque, extra_pins };
            let set = keys::rotate(&load(&at.config)?, &options, now(), &mut tls::system_random())?;
            say(format_args!("key set {} is signed; the server uses it from its next start", set.number));
            Ok(ExitCode::SUCCESS)
        }
        Command::Keys(KeysCommand::Show { at }) => show_keys(&at.config),
        Command::Log(LogCommand::Verify { at }) => verify_log(&at.config),
        Command::Evidence(EvidenceCommand::Export { at, transaction, file }) => {
            desk::export_evidence(&load(&at.config)?, &transaction, &file).await
        }
        Command::Evidence(EvidenceCommand::Verify { file, root }) => {
            let root = serde_json::from_slice(&std::fs::read(&root)?)?;
            let shown = crate::evidence::verify(&std::fs::read(&file)?, &root)?;
            say(format_args!("{}", serde_json::to_string_pretty(&shown)?));
            Ok(ExitCode::SUCCESS)
        }
        Command::Policy { at, language } => policy(&at.config, language),
        Command::Desk(args) => desk::run(&load(&args.at.config)?, args.command).await,
    }
}

async fn serve(path: &Path, new_epoch: bool) -> Outcome {
    let config = load(path)?;
    logging::start(&config.log.level)?;
    let address = config.server.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let running = server::start_on(config, listener, StartOptions { new_epoch, ..StartOptions::default() }).await?;
    running.shutdown().on_signals()?;
    tracing::info!(address = %running.addr, environment = running.root.environment, "serving");
    running.ended().await;
    Ok(ExitCode::SUCCESS)
}

fn init(args: InitArgs) -> Outcome {
    let InitArgs { dir, environment, url, listen, metrics, test, suite2 } = args;
    let options = InitOptions { dir, environment, url, listen, metrics: Some(metrics), test, hybrid: suite2 };
    let created = keys::init(&options, now(), &mut tls::system_random())?;
    say(format_args!("configuration   {}", created.config.display()));
    say(format_args!("public root     {}", created.root_file.display()));
    say(format_args!("admin token     {}", created.token_file.display()));
    say(format_args!("key set         {}", created.key_set));
    say(format_args!("root            {}", created.root.fingerprint().to_base64()));
    if !test {
        say(format_args!("Name your apps in [attestation] of the configuration; the server does not start before."));
        say(format_args!("Keep secrets/root.pem offline: only `keys rotate` needs it."));
    }
    Ok(ExitCode::SUCCESS)
}

fn check(path: &Path) -> Outcome {
    let config = load(path)?;
    let findings = config.check();
    for finding in &findings {
        say(format_args!("{finding}"));
    }
    let policy = Policy::load(&config, &crate::means::implemented(&[]));
    let mut sound = findings.iter().all(|finding| finding.severity != Severity::Error);
    let keys = ServerKeys::load(&config, now());
    for error in [
        Judge::load(&config).err().map(|error| error.to_string()),
        keys.as_ref().err().map(ToString::to_string),
        policy.err().map(|error| error.to_string()),
    ]
    .into_iter()
    .flatten()
    {
        say(format_args!("error: {error}"));
        sound = false;
    }
    if let Ok(keys) = keys {
        let days = keys.set.expires.saturating_sub(now()) / 86_400;
        let severity = if days < 30 { "warning" } else { "fine" };
        say(format_args!("{severity}: the key set {} can be used for {days} more days.", keys.key_set_number));
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Without a configuration file, the policy that is built in.
fn policy(path: &Path, language: LanguageArg) -> Outcome {
    let config = if path.exists() { load(path)? } else { Config::default() };
    let policy = Policy::load(&config, &crate::means::implemented(&[]))?;
    let language = match language {
        LanguageArg::Da => Language::Da,
        LanguageArg::En => Language::En,
    };
    say(format_args!("{}", policy.table(language).trim_end()));
    Ok(ExitCode::SUCCESS)
}

fn show_keys(path: &Path) -> Outcome {
    let config = load(path)?;
    let data = config.data_dir();
    let root = keys::read_root(&data)?;
    let (_, set) = keys::newest_key_set(&data, &root, i64::MIN)?;
    say(format_args!("environment     {}", root.environment));
    say(format_args!("root            {}", root.fingerprint().to_base64()));
    say(format_args!("key set         {}", set.number));
    say(format_args!("issued, expires {} {}", set.issued, set.expires));
    say(format_args!("suites          {:?}", set.suites));
    for pin in &set.tls_pins {
        say(format_args!("TLS pin         {}", hex::encode(pin.0)));
    }
    say(format_args!("challenge keys  {}", set.challenge_keys.len()));
    say(format_args!("log keys        {}", set.log_keys.len()));
    Ok(ExitCode::SUCCESS)
}

fn verify_log(path: &Path) -> Outcome {
    let config = load(path)?;
    let data = config.data_dir();
    let root = keys::read_root(&data)?;
    let (_, set) = keys::newest_key_set(&data, &root, i64::MIN)?;
    let report = crate::log::verify(&data.join(server::LOG_DIR), &keys::checkpoint_verifiers(&set))?;
    say(format_args!("environment     {}", report.environment));
    say(format_args!("epoch           {}", report.epoch));
    say(format_args!("entries         {}", report.size));
    say(format_args!("root hash       {}", hex::encode(report.root)));
    say(format_args!("signed at       {}", report.time));
    say(format_args!("erased          {}", report.erased));
    say(format_args!("not yet signed  {}", report.unsigned));
    say(format_args!("torn bytes      {}", report.torn));
    if !report.companions {
        say(format_args!(
            "warning: index and tree differ from the entries; remove both, and the next start rebuilds them."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn load(path: &Path) -> Result<Config, Box<dyn Error>> {
    Ok(Config::load(path, std::env::vars())?)
}

fn read_pin(text: &str) -> Result<Hash32, Box<dyn Error>> {
    let mut pin = [0; 32];
    hex::decode_to_slice(text, &mut pin).map_err(|_| "a TLS pin is 64 hex digits")?;
    Ok(Fixed(pin))
}

fn now() -> i64 {
    Clock::default().now_ms().div_euclid(1000)
}
