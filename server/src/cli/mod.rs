//! The command line.

mod commands;
mod desk;
pub(crate) mod pinned;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The Godkend identity server.
#[derive(Debug, Parser)]
#[command(name = "godkend-server", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
struct At {
    /// The configuration file.
    #[arg(long, short, env = "GODKEND_CONFIG", default_value = "godkend.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until SIGTERM or SIGINT.
    Serve {
        #[command(flatten)]
        at: At,
        /// The log was lost and will not come back: begin a new epoch.
        #[arg(long)]
        new_epoch: bool,
    },
    /// Creates an environment: configuration, keys, administrator's token and root. Never overwrites one.
    Init(InitArgs),
    /// Says everything that is wrong or unwise in the configuration, and whether the keys fit.
    Check {
        #[command(flatten)]
        at: At,
    },
    /// The server's keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The audit log.
    #[command(subcommand)]
    Log(LogCommand),
    /// Evidence of one approval.
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Which means and combinations give which level: checks the policy and prints it as a table.
    Policy {
        #[command(flatten)]
        at: At,
        /// The table's language.
        #[arg(long, default_value = "da")]
        language: LanguageArg,
    },
    /// What a desk does, on a running server.
    Desk(DeskArgs),
}

#[derive(Debug, Args)]
struct InitArgs {
    /// The folder for configuration and data.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// The environment's name: 1 to 32 lower-case letters, digits and hyphens.
    #[arg(long, default_value = "test")]
    environment: String,
    /// The https origin that phones and browsers use.
    #[arg(long, default_value = "https://localhost:8443")]
    url: String,
    /// Address of the main listener.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Address of the metrics listener.
    #[arg(long, default_value = "127.0.0.1:9464")]
    metrics: SocketAddr,
    /// A test environment: software keys, a steerable clock and magic identities.
    #[arg(long)]
    test: bool,
    /// Suite 2 as well (hybrid post-quantum).
    #[arg(long)]
    suite2: bool,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Signs a new numbered key set with a new challenge key, valid beside the old one; used from the next start.
    Rotate {
        #[command(flatten)]
        at: At,
        /// A new key for ID tokens, too.
        #[arg(long)]
        oidc: bool,
        /// New OPAQUE secrets for PINs that are chosen from now on, too.
        #[arg(long)]
        opaque: bool,
        /// SHA-256 of another TLS key's SubjectPublicKeyInfo that may answer, 64 hex digits.
        #[arg(long = "pin")]
        pins: Vec<String>,
    },
    /// Shows the newest key set.
    Show {
        #[command(flatten)]
        at: At,
    },
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Reads every entry, recomputes the Merkle tree and compares it with the signed checkpoint.
    Verify {
        #[command(flatten)]
        at: At,
    },
}

#[derive(Debug, Subcommand)]
enum EvidenceCommand {
    /// Writes the evidence of a transaction from a running server to a file.
    Export {
        #[command(flatten)]
        at: At,
        /// The transaction's id; it may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        transaction: String,
        /// The file; it must not exist.
        file: PathBuf,
    },
    /// Verifies an evidence file under a root, without any server.
    Verify {
        /// The file.
        file: PathBuf,
        /// The environment's public root.
        #[arg(long, default_value = "root.json")]
        root: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LanguageArg {
    Da,
    En,
}

#[derive(Debug, Args)]
struct DeskArgs {
    #[command(flatten)]
    at: At,
    #[command(subcommand)]
    command: DeskCommand,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormArg {
    Link,
    Code,
}

#[derive(Debug, Subcommand)]
enum DeskCommand {
    /// Creates a citizen whose identity was proofed.
    Create {
        /// The name, as proofed.
        #[arg(long)]
        name: String,
        /// The user id: 5 to 48 letters, digits, `.`, `_` and `-`.
        #[arg(long)]
        user_id: String,
        /// YYYY-MM-DD.
        #[arg(long)]
        born: String,
        /// How well the identity was proofed: low, substantial or high.
        #[arg(long, default_value = "substantial")]
        level: String,
        /// A fixed outcome, in test environments: approves, refuses, never_answers, reports_fraud or wrong_pin.
        #[arg(long)]
        magic: Option<String>,
        /// Read the CPR number from standard input.
        #[arg(long)]
        cpr_stdin: bool,
    },
    /// Lists citizens.
    List,
    /// Shows a citizen by user id.
    Show {
        /// The user id.
        user_id: String,
    },
    /// Hands out an activation.
    Activate {
        /// The citizen's user id.
        user_id: String,
        /// A link for a QR code, or a code to type.
        #[arg(long, default_value = "link")]
        form: FormArg,
        #[command(flatten)]
        by: By,
    },
    /// Shows an activation: which phone has taken it, and from where.
    Activation {
        /// Its id.
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Types in the digits that the citizen's phone shows.
    Digits {
        /// The activation or PIN reset.
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// The eight digits.
        digits: String,
    },
    /// Lists a citizen's devices.
    Devices {
        /// The citizen's user id.
        user_id: String,
    },
    /// Shows a citizen's history, newest first.
    History {
        /// The citizen's user id.
        user_id: String,
    },
    /// Blocks a whole identity.
    Block {
        /// The citizen's user id.
        user_id: String,
    },
    /// Opens a blocked identity again.
    Unblock {
        /// The citizen's user id.
        user_id: String,
    },
    /// Blocks a device.
    BlockDevice {
        /// Its id.
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Opens a blocked or frozen device again.
    UnblockDevice {
        /// Its id.
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Removes a device for good.
    RemoveDevice {
        /// Its id.
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Opens a new PIN for a device whose owner was proofed again.
    PinReset {
        /// Its id.
        #[arg(allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        by: By,
    },
    /// Lists a citizen's means beside the app.
    Means {
        /// The citizen's user id.
        user_id: String,
    },
    /// Hands out a code with which the citizen chooses a password.
    Password {
        /// The citizen's user id.
        user_id: String,
        #[command(flatten)]
        by: By,
    },
    /// Takes a citizen's password away.
    RemovePassword {
        /// The citizen's user id.
        user_id: String,
        #[command(flatten)]
        by: By,
    },
    /// Takes a delivery of code displays in: a PSKC file.
    ImportDisplays {
        /// The file.
        file: PathBuf,
        /// Read the pre-shared key, hexadecimal, from standard input.
        #[arg(long, conflicts_with = "passphrase_stdin")]
        key_stdin: bool,
        /// Read the passphrase from standard input.
        #[arg(long)]
        passphrase_stdin: bool,
        /// The file is signed, and somebody has checked the signature.
        #[arg(long)]
        signature_checked: bool,
        /// These displays speak.
        #[arg(long)]
        talks: bool,
    },
    /// Hands a code display from stock to a citizen.
    Display {
        /// The citizen's user id.
        user_id: String,
        /// The number on its back.
        serial: String,
        /// Its maker, as the delivery names it.
        #[arg(long, default_value = "")]
        manufacturer: String,
        /// In place of the one that the citizen has.
        #[arg(long)]
        replace: bool,
        /// When its battery should be replaced, Unix seconds.
        #[arg(long)]
        battery_until: Option<i64>,
        #[command(flatten)]
        by: By,
    },
    /// Notes that a citizen's code display is lost.
    LostDisplay {
        /// The citizen's user id.
        user_id: String,
        #[command(flatten)]
        by: By,
    },
    /// Hands out a code with which the citizen registers a chip.
    Chip {
        /// The citizen's user id.
        user_id: String,
        #[command(flatten)]
        by: By,
    },
    /// Notes that a citizen's chip is lost.
    LostChip {
        /// The citizen's user id.
        user_id: String,
        #[command(flatten)]
        by: By,
    },
    /// Takes a citizen's chip away.
    RemoveChip {
        /// The citizen's user id.
        user_id: String,
        #[command(flatten)]
        by: By,
    },
    /// Lists what citizens have ordered and nobody has handed over yet.
    Orders,
    /// Notes that an order was handed over.
    Handed {
        /// The order's id.
        #[arg(allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        by: By,
    },
    /// Moves the clock of a test environment.
    Clock {
        /// Seconds, forward or back.
        #[arg(allow_negative_numbers = true)]
        seconds: i64,
    },
}

/// Who stands at the desk, for history and log.
#[derive(Debug, clap::Args)]
struct By {
    /// Who does it, as history and log name them (`desk:CLERK`).
    #[arg(long, value_name = "CLERK")]
    by: Option<String>,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Clients of this process without a TLS configuration of their own take rustls's default provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(commands::run(cli.command)) {
        Ok(code) => code,
        Err(error) => failed(&*error),
    }
}

/// A line on standard output. A reader that has gone (`| head`) is no fault.
fn say(line: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("godkend-server: {error}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    /// One id in 64 begins with a hyphen.
    #[test]
    fn an_id_may_begin_with_a_hyphen() {
        for command in ["activation", "block-device", "unblock-device", "remove-device", "pin-reset"] {
            let parsed = super::Cli::command().try_get_matches_from([
                "godkend-server",
                "desk",
                command,
                "-dFzYWtlZXAxMjM0NTY3OA",
            ]);
            assert!(parsed.is_ok(), "{command}: {parsed:?}");
        }
        let digits = ["godkend-server", "desk", "digits", "-dFzYWtlZXAxMjM0NTY3OA", "12345678"];
        assert!(super::Cli::command().try_get_matches_from(digits).is_ok());
    }
}
