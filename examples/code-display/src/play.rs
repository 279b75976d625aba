//! Real sound, by whichever player the system has. The sound goes to it by its standard input and lies in no file.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::display::DisplayError;

/// Players in the order in which they are tried, with what makes them read a WAV from their standard input.
const PLAYERS: &[(&str, &[&str])] =
    &[("pw-play", &["-"]), ("paplay", &[]), ("aplay", &["-q", "-"]), ("play", &["-q", "-t", "wav", "-"])];

/// Plays a WAV file and waits for its end.
pub(crate) fn play(wav: &[u8]) -> Result<(), DisplayError> {
    for (player, arguments) in PLAYERS {
        let started = Command::new(player)
            .args(*arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = started else { continue };
        let written = child.stdin.take().is_some_and(|mut input| input.write_all(wav).is_ok());
        if child.wait().is_ok_and(|status| status.success()) && written {
            return Ok(());
        }
    }
    Err(DisplayError::NoPlayer)
}
