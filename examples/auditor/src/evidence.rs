//! `evidence verify`.

use std::error::Error;

use godkend_evidence::signed::Consistency;
use godkend_evidence::{
    EvidenceError, Shown, Stated, Witnessed, verify as verify_evidence, verify_statement, witnessed,
};
use godkend_protocol::checkpoint;
use godkend_protocol::cosignature::WitnessKey;
use godkend_protocol::crypto;
use godkend_protocol::keyset::Root;
use serde_json::{Value, json};

use crate::args::VerifyArgs;
use crate::output::Output;
use crate::{clock, exit, fetch, files, report, texts};

/// What a file turned out to be.
pub(crate) enum Verdict {
    /// Evidence of a decision that a phone has signed.
    Shown(Box<Shown>),
    /// What the log says of one that no phone has signed.
    Stated(Box<Stated>),
}

/// A file that holds, and what was checked beside it.
pub(crate) struct Judged<'a> {
    pub(crate) verdict: Verdict,
    pub(crate) witnessed: Option<Witnessed>,
    pub(crate) root: &'a Root,
    pub(crate) file: &'a [u8],
}

pub(crate) async fn verify(args: &VerifyArgs, output: Output) -> Result<u8, Box<dyn Error>> {
    let root = files::read_root(&args.root)?;
    let file = files::read(&args.file)?;
    let verdict = match verify_evidence(&file, &root) {
        Ok(shown) => Ok(Verdict::Shown(Box::new(shown))),
        Err(EvidenceError::StatementOnly) => {
            verify_statement(&file, &root).map(|stated| Verdict::Stated(Box::new(stated)))
        }
        Err(error) => Err(error),
    };
    let witnessing = match &verdict {
        Ok(_) => witnessing(args, &file, &root).await?,
        Err(_) => Ok(None),
    };
    let (verdict, witnessed) = match (verdict, witnessing) {
        (Ok(verdict), Ok(witnessed)) => (verdict, witnessed),
        (Err(error), _) | (_, Err(error)) => return refused(args, &root, &file, error, output),
    };
    let judged = Judged { verdict, witnessed, root: &root, file: &file };
    if let Some(path) = &args.report {
        files::create(path, report::page(&judged, output.language).as_bytes(), 0o644)?;
    }
    output.tell(&object(&judged)?);
    for line in texts::lines(&judged, output.language) {
        output.say(&line);
    }
    Ok(match judged.verdict {
        Verdict::Shown(_) => exit::WELL,
        Verdict::Stated(_) => exit::STATEMENT,
    })
}

fn refused(
    args: &VerifyArgs,
    root: &Root,
    file: &[u8],
    error: EvidenceError,
    output: Output,
) -> Result<u8, Box<dyn Error>> {
    let exit_code = if error == EvidenceError::Newer { exit::NEWER } else { exit::REFUSED };
    if let Some(path) = &args.report {
        files::create(path, report::refusal(error, root, file, output.language).as_bytes(), 0o644)?;
    }
    output.tell(&json!({
        "type": "evidence", "holds": false, "code": error.code(), "message": error.to_string(), "exit_code": exit_code,
    }));
    output.say(&format!("✗ {}", texts::refusal(error, output.language)));
    Ok(exit_code)
}

/// The outer failure is a file or a server; the inner one speaks of the evidence.
async fn witnessing(
    args: &VerifyArgs,
    file: &[u8],
    root: &Root,
) -> Result<Result<Option<Witnessed>, EvidenceError>, Box<dyn Error>> {
    let (Some(path), Some(key)) = (&args.witnessed, &args.witness_key) else { return Ok(Ok(None)) };
    let key = WitnessKey::parse(key).ok_or("the witness's verifier key is not of the form <name>+<hash>+<key>")?;
    let note = files::read_text(path)?;
    let proof = match (&args.consistency, &args.server) {
        (Some(path), _) => serde_json::from_slice::<Consistency>(&files::read(path)?)?.proof,
        (None, Some(url)) => fetched(url, file, root, &note).await?,
        (None, None) => Vec::new(),
    };
    Ok(witnessed(file, root, &note, &key, &proof).map(Some))
}

async fn fetched(
    url: &str,
    file: &[u8],
    root: &Root,
    note: &str,
) -> Result<Vec<godkend_protocol::bytes::Hash32>, Box<dyn Error>> {
    let own = match verify_evidence(file, root) {
        Ok(shown) => shown.log.size,
        Err(_) => verify_statement(file, root)?.log.size,
    };
    let theirs = checkpoint::parse(note.as_bytes())?.checkpoint.size;
    let now = i64::try_from(clock::unix()).unwrap_or(i64::MAX);
    let keys = fetch::keys(url, root, 0, now).await?;
    let server = fetch::Server::pinned(url, &keys.set)?;
    Ok(server.consistency(own.min(theirs), own.max(theirs)).await?.proof)
}

fn object(judged: &Judged<'_>) -> Result<Value, serde_json::Error> {
    let (kind, content, exit_code) = match &judged.verdict {
        Verdict::Shown(shown) => ("decision", serde_json::to_value(shown)?, exit::WELL),
        Verdict::Stated(stated) => ("statement", serde_json::to_value(stated)?, exit::STATEMENT),
    };
    Ok(json!({
        "type": "evidence",
        "holds": true,
        "kind": kind,
        kind: content,
        "witnessed": judged.witnessed,
        "root": judged.root.fingerprint(),
        "sha256": crypto::sha256(&[judged.file]),
        "exit_code": exit_code,
    }))
}
