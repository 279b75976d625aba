//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

/// For auditors and relying parties: verifies evidence of approvals without any server, and witnesses the log.
#[derive(Debug, Parser)]
#[command(name = "godkend-auditor", version, about, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The language of texts and reports; JSON has none.
    #[arg(long, global = true, env = "GODKEND_LANGUAGE", default_value = "da")]
    pub(crate) language: Language,
    /// JSON instead of texts, one object a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Danish.
    Da,
    /// English.
    En,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Evidence of a decision.
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Follows the log of a server, cosigns what it has checked, and calls out a history that was changed.
    Witness(WitnessArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Verifies an evidence file under a root: what was shown to whom, who decided with what, and that it is logged.
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The file, as `godkend-server evidence export` writes it.
    pub(crate) file: PathBuf,
    /// The environment's public root, got from somebody you trust and not with the evidence.
    #[arg(long, default_value = "root.json")]
    pub(crate) root: PathBuf,
    /// Writes a report for people to this file: one HTML page, without scripts; it must not exist.
    #[arg(long)]
    pub(crate) report: Option<PathBuf>,
    /// A checkpoint that a witness has cosigned, to show that it saw the same log.
    #[arg(long, requires = "witness_key")]
    pub(crate) witnessed: Option<PathBuf>,
    /// That witness's verifier key, as `witness init` shows it.
    #[arg(long, requires = "witnessed")]
    pub(crate) witness_key: Option<String>,
    /// The server's answer to `/log/v1/consistency` between the two checkpoints, where they differ in size.
    #[arg(long, requires = "witnessed")]
    pub(crate) consistency: Option<PathBuf>,
    /// Fetches that answer from this server instead.
    #[arg(long, requires = "witnessed", conflicts_with = "consistency")]
    pub(crate) server: Option<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct WitnessArgs {
    #[command(subcommand)]
    pub(crate) command: Option<WitnessCommand>,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("when").required(true).args(["once", "every"])))]
pub(crate) struct WatchArgs {
    /// The environment's public root.
    #[arg(long, default_value = "root.json")]
    pub(crate) root: PathBuf,
    /// The witness's folder, made by `witness init`.
    #[arg(long, default_value = "witness")]
    pub(crate) state: PathBuf,
    /// The server; where it is left out, the root's.
    #[arg(long)]
    pub(crate) server: Option<String>,
    /// One look.
    #[arg(long)]
    pub(crate) once: bool,
    /// A look every so many seconds, until SIGTERM or SIGINT.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) every: Option<u64>,
    /// Calls out when nothing newer was signed for so many seconds. The server signs at least once an hour.
    #[arg(long, value_name = "SECONDS", default_value_t = 10_800)]
    pub(crate) stale_after: u64,
    /// Also writes the cosigned checkpoint to this file, for others to fetch.
    #[arg(long)]
    pub(crate) publish: Option<PathBuf>,
    /// Goes over to this epoch, which the operator has announced; the last one's checkpoint is set aside.
    #[arg(long, value_name = "EPOCH")]
    pub(crate) accept_epoch: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WitnessCommand {
    /// Makes a witness: its folder and its key. Shows the verifier key.
    Init {
        /// The folder; must not hold a witness yet.
        #[arg(long, default_value = "witness")]
        state: PathBuf,
        /// The witness's name, such as `tilsyn.example/godkend`: no spaces, no `+`.
        #[arg(long)]
        name: String,
    },
    /// Shows the verifier key.
    Key {
        /// The witness's folder.
        #[arg(long, default_value = "witness")]
        state: PathBuf,
    },
    /// Verifies a witness's record of two checkpoints that cannot both be true.
    Proof {
        /// The record.
        file: PathBuf,
        /// The environment's public root.
        #[arg(long, default_value = "root.json")]
        root: PathBuf,
    },
    /// Verifies a cosigned checkpoint: signed by the log under the root, and cosigned by the witness.
    Check {
        /// The checkpoint.
        file: PathBuf,
        /// The environment's public root.
        #[arg(long, default_value = "root.json")]
        root: PathBuf,
        /// The key set that it was signed under, as the witness keeps it (`keyset.cbor`).
        #[arg(long)]
        key_set: PathBuf,
        /// The witness's verifier key.
        #[arg(long)]
        witness_key: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
