//! A code display in software: what a person would hold in the hand, to try Godkend with. It shows a code at each press, in
//! the terminal or on a small page, or speaks it.

mod display;
mod page;
mod play;
mod sound;
mod talk;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use display::{Display, DisplayError};
use sound::{Language, Manner};

#[derive(Parser)]
#[command(name = "code-display", version, about, propagate_version = true)]
struct Cli {
    /// The display's own file: its seed and how often it was pressed. Whoever has it has the display.
    #[arg(long, env = "GODKEND_CODE_DISPLAY", default_value = "code-display.json", global = true)]
    file: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a new display, and the PSKC container (RFC 6030) from which a desk takes it in.
    New {
        /// The number on its back.
        #[arg(long)]
        serial: String,
        /// The container to write; it must not exist. It holds the seed in the open: for test environments.
        #[arg(long)]
        pskc: PathBuf,
        /// A display with a clock: a new code every so many seconds, instead of at each press.
        #[arg(long, value_parser = clap::value_parser!(u32).range(10..=600))]
        clock: Option<u32>,
    },
    /// Presses the button: shows the next code.
    Show,
    /// Presses the button, and speaks the code.
    Speak(SpeakArgs),
    /// A display that is used by ear alone: Enter repeats, and single letters do the rest, each answered by sound.
    Talk(SpeakArgs),
    /// A small page with a button, on this machine alone.
    Page {
        /// The port; 0 for any that is free.
        #[arg(long, default_value_t = 8686)]
        port: u16,
    },
}

#[derive(Args, Clone)]
struct SpeakArgs {
    /// da, en or kl.
    #[arg(long, default_value = "da")]
    language: Language,
    /// How often the code is said.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=9))]
    times: u32,
    /// From 0.5 (slow) to 2 (quick).
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// From 0.1 to 1.
    #[arg(long, default_value_t = 1.0)]
    volume: f64,
    /// Milliseconds between two digits, so that one can type along; three times as long in the middle.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=5000))]
    pause: u32,
    /// Writes the sound to a WAV file; then nothing is played.
    #[arg(long)]
    wav: Option<PathBuf>,
}

impl SpeakArgs {
    fn manner(&self) -> Manner {
        let Self { language, times, speed, volume, pause, .. } = *self;
        Manner { language, times, speed, volume, pause_ms: pause }.within_bounds()
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "code-display: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), DisplayError> {
    let Cli { file, command } = cli;
    match command {
        Command::New { serial, pskc, clock } => {
            let display = Display::create(&file, &serial, clock, &pskc)?;
            say(&format!("display {} made; a desk takes it in from {}", display.serial(), pskc.display()))
        }
        Command::Show => {
            let code = Display::open(&file)?.press(&file)?;
            say(&sound::in_groups(code.expose()))
        }
        Command::Speak(args) => {
            let code = Display::open(&file)?.press(&file)?;
            let samples = sound::speak(code.expose(), &args.manner());
            match &args.wav {
                Some(wav) => display::write_new_or_old(wav, &sound::wav(&samples)),
                None => play::play(&sound::wav(&samples)),
            }
        }
        Command::Talk(args) => talk::run(&file, args.manner(), std::io::stdin().lock(), play::play),
        Command::Page { port } => page::serve(&file, port),
    }
}

fn say(line: &str) -> Result<(), DisplayError> {
    writeln!(std::io::stdout(), "{line}").map_err(DisplayError::Output)
}
