//! `witness`: follows the log of a server, cosigns what it has checked, and calls out a history that was changed.

mod look;
mod state;
mod watch;

use std::error::Error;
use std::path::Path;

use godkend_evidence::proof;
use godkend_evidence::signed::{self, Others};
use godkend_protocol::bytes::Blob;
use godkend_protocol::checkpoint;
use godkend_protocol::cosignature::WitnessKey;
use serde_json::json;

use crate::args::{WitnessArgs, WitnessCommand};
use crate::date::danish;
use crate::output::Output;
use crate::{exit, files, texts};

pub(crate) async fn run(args: WitnessArgs, output: Output) -> Result<u8, Box<dyn Error>> {
    match args.command {
        None => watch::run(&args.watch, output).await,
        Some(WitnessCommand::Init { state, name }) => {
            let key = state::init(&state, &name)?.witness().to_text();
            show_key(&key, output)
        }
        Some(WitnessCommand::Key { state }) => show_key(&state::cosigner(&state)?.witness().to_text(), output),
        Some(WitnessCommand::Proof { file, root }) => judge(&file, &root, output),
        Some(WitnessCommand::Check { file, root, key_set, witness_key }) => {
            check(&file, &root, &key_set, &witness_key, output)
        }
    }
}

fn show_key(key: &str, output: Output) -> Result<u8, Box<dyn Error>> {
    output.tell(&json!({"type": "witness_key", "key": key}));
    output.say(key);
    Ok(exit::WELL)
}

/// `witness proof`.
fn judge(file: &Path, root: &Path, output: Output) -> Result<u8, Box<dyn Error>> {
    let root = files::read_root(root)?;
    let (exit_code, object, line) = match proof::verify(&files::read(file)?, &root) {
        Ok(proven) => {
            let exit_code = if proven.convicts { exit::WELL } else { exit::NO_CONVICTION };
            let lines = watch::proven(&proven, output);
            (exit_code, json!({"type": "proof", "holds": true, "proven": proven, "exit_code": exit_code}), lines)
        }
        Err(error) => {
            let exit_code = exit::REFUSED;
            let sentence = output.choose("Filen beviser ikke noget", "The file proves nothing");
            let object = json!({
                "type": "proof", "holds": false, "code": error.code(), "message": error.to_string(),
                "exit_code": exit_code,
            });
            (exit_code, object, format!("✗ {sentence}: {error}."))
        }
    };
    output.tell(&object);
    output.say(&line);
    Ok(exit_code)
}

/// `witness check`.
fn check(file: &Path, root: &Path, key_set: &Path, key: &str, output: Output) -> Result<u8, Box<dyn Error>> {
    let root = files::read_root(root)?;
    let key = WitnessKey::parse(key).ok_or("the witness's verifier key is not of the form <name>+<hash>+<key>")?;
    let note = files::read_text(file)?;
    let sets = signed::key_sets(&[Blob(files::read(key_set)?)], &root);
    let judged = sets.map_err(|error| error.to_string()).and_then(|sets| {
        let unverified = checkpoint::parse(note.as_bytes()).map_err(|error| error.to_string())?;
        let log = signed::open(&note, &sets, &root, Others::Ignored).map_err(|error| error.to_string())?;
        let time = key.verify(&unverified).map_err(|error| error.to_string())?;
        Ok((log, time))
    });
    match judged {
        Ok((log, time)) => {
            output.tell(&json!({
                "type": "checkpoint", "holds": true, "environment": log.environment, "epoch": log.epoch,
                "size": log.size, "time": log.time, "witness": key.name, "witnessed": time,
            }));
            let entries = output.choose("poster", "entries");
            let seen = output.choose("set af", "seen by");
            let when = danish(texts::seconds(time));
            output.say(&format!("✓ {} {} {entries}; {seen} {} {when}", log.environment, log.size, key.name));
            Ok(exit::WELL)
        }
        Err(error) => {
            let exit_code = exit::REFUSED;
            output.tell(&json!({"type": "checkpoint", "holds": false, "message": error, "exit_code": exit_code}));
            output.say(&format!("✗ {error}"));
            Ok(exit_code)
        }
    }
}
