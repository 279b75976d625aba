//! The command line: what every command takes, and which commands there are. What a command takes of its own stands with its
//! kind.

mod desk;
mod phone;
mod relying_party;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use desk::{AtDesk, BlockCitizen, CreateCitizen, LevelName};
pub(crate) use phone::{Activate, Decide, PushArgs, Switch};
pub(crate) use relying_party::RequestLogin;
use relying_party::amount;

use crate::language::Language;
use crate::phone::Finger;
use crate::phone::decide::With;
use crate::simulate::way::Way;

/// The testers' phone: every part of Godkend from the command line.
///
/// Plays a phone, a desk, a relying party with its customer's browser, and a whole server. Secrets (PINs, codes, links,
/// digits) are asked for, or read from standard input one line each; they are never arguments.
#[derive(Debug, Parser)]
#[command(name = "godkend", version, propagate_version = true, max_term_width = 100, after_help = crate::exit::Exit::table(),
    after_long_help = format!("Examples:\n  godkend demo\n  godkend serve --test\n  godkend --profile anna activate\n  godkend --profile anna scan --picture qr.png\n\n{}", crate::exit::Exit::table()))]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// For every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder for phones, browsers and the embedded server [default: the XDG state folder].
    #[arg(long, global = true, env = "GODKEND_HOME", value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Folder of the server that `serve` runs [default: `server` in the home folder].
    #[arg(long, global = true, env = "GODKEND_DIR", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// A root to trust; may be given several times [default: the embedded server's].
    #[arg(long, global = true, env = "GODKEND_ROOT", value_name = "FILE")]
    pub(crate) root: Vec<PathBuf>,
    /// Which phone.
    #[arg(long, short, global = true, env = "GODKEND_PROFILE", default_value = "default", value_name = "NAME")]
    pub(crate) profile: String,
    /// Which person on a shared phone, by the number that `people` shows.
    #[arg(long, global = true, value_name = "NUMBER")]
    pub(crate) person: Option<u32>,
    /// Language of screens and sentences.
    #[arg(long, short, global = true, env = "GODKEND_LANGUAGE", default_value = "da")]
    pub(crate) language: Language,
    /// One line of JSON for each result, on standard output; see docs/headless.md.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Where a new phone keeps the key that seals its files.
    #[arg(long, global = true, default_value = "auto")]
    pub(crate) key_store: KeyStore,
    /// What the finger does when the sensor asks.
    #[arg(long, global = true, default_value = "ask")]
    pub(crate) finger: Finger,
}

/// Where the wrapping key is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum KeyStore {
    /// In the operating system's key store, or a file where there is none.
    Auto,
    /// In the operating system's key store.
    Os,
    /// In a file beside the state.
    File,
    /// Under a passphrase, which is asked for.
    Passphrase,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The main job from beginning to end, on a server of its own that is removed afterwards.
    #[command(after_help = "Examples:\n  godkend demo\n  godkend --language en demo --yes")]
    Demo {
        /// Nobody is asked: the demo chooses a PIN and approves.
        #[arg(long)]
        yes: bool,
        /// Keep server and database in this new folder.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
    /// Runs an identity server until Ctrl-C; makes it first where there is none.
    #[command(
        after_help = "Examples:\n  godkend serve --test\n  godkend serve --test --listen 127.0.0.1:8443 --dir /tmp/server"
    )]
    Serve(Serve),

    /// Activates this phone: the link or code is asked for.
    #[command(
        after_help = "Examples:\n  godkend activate\n  echo \"$LINK\" | godkend activate --digits-only\n  godkend -p anna activate --picture activation.png --model 'Pixel 9'"
    )]
    Activate(Activate),
    /// Goes on with what a kill or a lost network left open.
    #[command(after_help = "Example:\n  godkend resume")]
    Resume,
    /// Lists the people on this phone.
    #[command(after_help = "Example:\n  godkend people --json")]
    People,
    /// Lists the requests that wait.
    #[command(after_help = "Example:\n  godkend pending")]
    Pending,
    /// Waits for requests and shows each one.
    #[command(after_help = "Examples:\n  godkend watch\n  echo \"$PIN\" | godkend watch --once --approve")]
    Watch {
        /// Ends after the first.
        #[arg(long)]
        once: bool,
        #[command(flatten)]
        decide: Decide,
    },
    /// Scans a QR code: a login, an activation or an offline challenge.
    #[command(
        after_help = "Examples:\n  godkend scan --picture qr.png\n  echo \"$PIN\" | godkend scan --picture qr.png --approve"
    )]
    Scan {
        /// A PNG or JPEG picture, looked at again while it changes; the code's text is asked for where it is left out.
        #[arg(long, value_name = "FILE")]
        picture: Option<PathBuf>,
        #[command(flatten)]
        decide: Decide,
    },
    /// Opens a link on this same device; the link is asked for.
    #[command(after_help = "Example:\n  godkend open")]
    Open {
        #[command(flatten)]
        decide: Decide,
    },
    /// Types the number on the other screen; it is asked for.
    #[command(
        after_help = "Examples:\n  godkend number\n  printf '%s\\n' \"$NUMBER\" \"$PIN\" | godkend number --approve"
    )]
    Number {
        #[command(flatten)]
        decide: Decide,
    },
    /// Shows a pushed request and approves it.
    #[command(after_help = "Examples:\n  godkend approve\n  godkend --finger match approve --with biometric")]
    Approve {
        /// The request, as `pending` lists it; the only one where it is left out.
        #[arg(allow_hyphen_values = true)]
        id: Option<String>,
        /// With what.
        #[arg(long)]
        with: Option<With>,
        /// Remember the browser.
        #[arg(long)]
        remember: bool,
    },
    /// Refuses a waiting request: I changed my mind.
    #[command(after_help = "Example:\n  godkend deny")]
    Deny {
        /// The request, as `pending` lists it.
        #[arg(allow_hyphen_values = true)]
        id: Option<String>,
    },
    /// Refuses a waiting request and reports it: this was not me.
    #[command(after_help = "Example:\n  godkend report")]
    Report {
        /// The request, as `pending` lists it.
        #[arg(allow_hyphen_values = true)]
        id: Option<String>,
    },
    /// Answers a notice of use: yes, it was me.
    #[command(after_help = "Example:\n  godkend was-me")]
    WasMe {
        /// The notice, as `pending` lists it.
        #[arg(allow_hyphen_values = true)]
        id: Option<String>,
    },
    /// Answers a notice of use: no, it was not me. What the use has given ends.
    #[command(after_help = "Example:\n  godkend not-me")]
    NotMe {
        /// The notice, as `pending` lists it.
        #[arg(allow_hyphen_values = true)]
        id: Option<String>,
    },
    /// Shows what this phone remembers, failed and refused attempts too.
    #[command(after_help = "Example:\n  godkend history --json")]
    History,
    /// Lists the person's devices.
    #[command(after_help = "Example:\n  godkend devices")]
    Devices,
    /// Lists remembered browsers, or forgets one.
    #[command(after_help = "Examples:\n  godkend browsers\n  godkend browsers --forget ID")]
    Browsers {
        /// The browser to forget.
        #[arg(long, value_name = "ID", allow_hyphen_values = true)]
        forget: Option<String>,
        /// Approve with what.
        #[arg(long)]
        with: Option<With>,
    },
    /// Changes the PIN, or sets a new one after proofing again.
    #[command(after_help = "Examples:\n  godkend pin\n  godkend pin --reset")]
    Pin {
        /// The PIN is forgotten or dead, and a desk has opened a reset.
        #[arg(long)]
        reset: bool,
        /// With --reset: ends once the digits are shown; `resume` goes on.
        #[arg(long, requires = "reset")]
        digits_only: bool,
    },
    /// Turns biometrics and offline codes on or off.
    #[command(after_help = "Examples:\n  godkend biometrics on\n  godkend biometrics off --with pin")]
    Biometrics {
        /// On or off.
        state: Switch,
        /// Approve with what; turning on takes the PIN.
        #[arg(long)]
        with: Option<With>,
    },
    /// Makes new keys for this phone.
    #[command(after_help = "Example:\n  godkend rotate-keys")]
    RotateKeys,
    /// Whether logins from browsers that are not remembered may call this person's phones.
    #[command(after_help = "Example:\n  godkend calls off")]
    Calls {
        /// On or off.
        state: Switch,
        /// Approve with what.
        #[arg(long)]
        with: Option<With>,
    },
    /// Where the server can wake this phone: gives an address, takes it back, or asks what the server can send.
    #[command(
        after_help = "Examples:\n  godkend push\n  godkend push --web-push https://push.example/up/1 --key BCVx... --auth BTBZ...\n  godkend push --fcm TOKEN\n  godkend push --remove"
    )]
    Push(PushArgs),
    /// A wake-up came with this handle: what waits for the person that it is for.
    #[command(after_help = "Example:\n  godkend woken x8fHx8fHx8fHx8fHx8fHxw")]
    Woken {
        /// The handle that it carried.
        handle: String,
    },
    /// Moves to another phone: shows it an activation, and takes its digits.
    #[command(after_help = "Examples:\n  godkend move\n  godkend move --keep --picture move.png")]
    Move {
        /// Keep this phone active.
        #[arg(long)]
        keep: bool,
        /// Write the QR code as a picture.
        #[arg(long, value_name = "FILE")]
        picture: Option<PathBuf>,
        /// Approve with what.
        #[arg(long)]
        with: Option<With>,
    },
    /// Removes a device of this person, this phone where none is named.
    #[command(after_help = "Examples:\n  godkend remove\n  godkend remove ID")]
    Remove {
        /// The device, as `devices` lists it.
        #[arg(allow_hyphen_values = true)]
        id: Option<String>,
        /// Approve with what.
        #[arg(long)]
        with: Option<With>,
    },
    /// Blocks this phone at once.
    #[command(after_help = "Example:\n  godkend block --yes")]
    Block {
        /// Without asking.
        #[arg(long)]
        yes: bool,
    },
    /// The block code has been written down: the phone forgets it.
    #[command(after_help = "Example:\n  godkend block-code-noted")]
    BlockCodeNoted,
    /// Takes a person who can no longer use this phone off it.
    #[command(after_help = "Example:\n  godkend --person 2 forget")]
    Forget,

    /// Desk: creates a citizen whose identity has been proofed.
    #[command(
        after_help = "Examples:\n  godkend create-citizen --name 'Anna Andersen' --user-id anna.a --born 1990-05-17\n  godkend create-citizen --name 'Ja' --user-id ja.altid --born 1990-05-17 --magic approves"
    )]
    CreateCitizen(CreateCitizen),
    /// Desk: lists citizens, or shows one with devices.
    #[command(after_help = "Examples:\n  godkend citizens\n  godkend citizens anna.a")]
    Citizens {
        /// User id.
        user_id: Option<String>,
        #[command(flatten)]
        desk: AtDesk,
    },
    /// Desk: hands out an activation.
    #[command(
        after_help = "Examples:\n  godkend activation anna.a --code\n  godkend activation anna.a --picture activation.png"
    )]
    Activation {
        /// User id.
        user_id: String,
        /// A code to type instead of a QR code.
        #[arg(long)]
        code: bool,
        /// Write the QR code as a picture.
        #[arg(long, value_name = "FILE", conflicts_with = "code")]
        picture: Option<PathBuf>,
        #[command(flatten)]
        desk: AtDesk,
    },
    /// Desk: types the digits that the phone shows; they are asked for.
    #[command(after_help = "Example:\n  echo \"$DIGITS\" | godkend confirm-digits")]
    ConfirmDigits {
        /// The activation or PIN reset; the last one opened here where it is left out.
        #[arg(allow_hyphen_values = true)]
        id: Option<String>,
        #[command(flatten)]
        desk: AtDesk,
    },
    /// Desk: blocks a whole identity, or one device.
    #[command(after_help = "Example:\n  godkend block-citizen anna.a --device ID")]
    BlockCitizen(BlockCitizen),
    /// Desk: lifts a block, of a whole identity or one device.
    #[command(after_help = "Example:\n  godkend unblock-citizen anna.a")]
    UnblockCitizen(BlockCitizen),
    /// Desk: lets a citizen set a new PIN on a phone, after proofing again.
    #[command(after_help = "Example:\n  godkend reset-pin anna.a")]
    ResetPin(BlockCitizen),
    /// Test environments: moves the server's clock.
    #[command(after_help = "Example:\n  godkend clock 3600")]
    Clock {
        /// Seconds; negative ones go back.
        #[arg(allow_negative_numbers = true)]
        seconds: i64,
        #[command(flatten)]
        desk: AtDesk,
    },

    /// Relying party: asks for a login, waits, and verifies the answer.
    #[command(
        after_help = "Examples:\n  godkend request-login\n  godkend request-login --picture qr.png --browser annas --level high\n  godkend request-login --number --user-id anna.a\n  godkend request-login --ciba --user-id anna.a"
    )]
    RequestLogin(RequestLogin),
    /// Relying party: asks for a payment, waits, and verifies the answer.
    #[command(
        after_help = "Example:\n  godkend request-payment --amount 1250.00 --payee Elselskabet --ciba --user-id anna.a"
    )]
    RequestPayment {
        /// The amount, with two decimals.
        #[arg(long, value_parser = amount)]
        amount: String,
        /// Its currency.
        #[arg(long, default_value = "DKK")]
        currency: String,
        /// Who is paid.
        #[arg(long)]
        payee: String,
        /// The payee's account.
        #[arg(long)]
        account: Option<String>,
        #[command(flatten)]
        request: RequestLogin,
    },

    /// Load test: many phones are activated and log in.
    #[command(
        after_help = "Examples:\n  godkend simulate --users 100 --in-flight 8\n  godkend simulate --users 100 --here\n  godkend simulate --users 100 --logins 20 --in-flight 1,8,64 --with pin,biometric --floor"
    )]
    Simulate {
        /// Phones.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        users: u32,
        /// Logins of each.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        logins: u32,
        /// How many at once; several numbers one after the other.
        #[arg(long, default_value = "8", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1_000))]
        in_flight: Vec<u32>,
        /// How they sign in; several ways one after the other.
        #[arg(long, default_value = "pin", value_delimiter = ',')]
        with: Vec<Way>,
        /// Measure, in turns with the logins, a server that does only what a login cannot do without.
        #[arg(long, conflicts_with = "here")]
        floor: bool,
        /// Each phone logs in once before anything is measured.
        #[arg(long)]
        warm_up: bool,
        /// Another version of this program to be the server.
        #[arg(long, value_name = "PROGRAM", conflicts_with = "here")]
        server: Option<PathBuf>,
        /// So many further citizens in the database; an empty server takes turns with it, for comparison.
        #[arg(long, value_name = "CITIZENS", conflicts_with = "here", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        prepare: Option<u32>,
        /// Against the server that runs already, not one of its own.
        #[arg(long)]
        here: bool,
        #[command(flatten)]
        desk: AtDesk,
        /// The relying party's file [default: the server's testbank.json].
        #[arg(long, value_name = "FILE")]
        client: Option<PathBuf>,
    },
    /// Prints the JSON Schema of what --json prints.
    #[command(after_help = "Example:\n  godkend schema > schema.json")]
    Schema,
    /// Prints a completion script for a shell.
    #[command(after_help = "Example:\n  godkend completions bash > ~/.local/share/bash-completion/completions/godkend")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints the man page, or writes those of all commands.
    #[command(after_help = "Examples:\n  godkend man | man -l -\n  godkend man --out ~/.local/share/man/man1")]
    Man {
        /// A folder for the pages of all commands.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// `serve`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// A new environment is one for tests: software keys, a clock that can be set, magic identities.
    #[arg(long)]
    pub(crate) test: bool,
    /// A new environment speaks suite 2 (post-quantum) as well.
    #[arg(long)]
    pub(crate) hybrid: bool,
    /// Where a new environment listens.
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// For a load test: no limits for each source, metrics, and an end when standard input is closed.
    #[arg(long, hide = true)]
    pub(crate) attached: bool,
    /// For a load test: only what a login cannot do without.
    #[arg(long, hide = true, requires = "attached")]
    pub(crate) floor: bool,
    /// For a load test: so many citizens in the database.
    #[arg(long, hide = true, requires = "attached")]
    pub(crate) prepare: Option<u32>,
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
