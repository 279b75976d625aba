//! The display itself: a seed and a counter in a file that only its owner reads.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use godkend_oath::{Code, Digits, Hash, Moving, Seed, Token};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

/// Why the display does not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DisplayError {
    /// The display's file: make one with `new`, or name another with `--file`.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The display's file is no display's.
    #[error("{0} is not a display's file")]
    Damaged(PathBuf),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Random,
    /// What was to be shown cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(std::io::Error),
    /// No program plays sound here: install alsa-utils, pulseaudio-utils or pipewire, or write a file with `--wav`.
    #[error("no program here plays sound: install alsa-utils, pulseaudio-utils or pipewire, or use --wav FILE")]
    NoPlayer,
    /// The page cannot be served.
    #[error("the page cannot be served: {0}")]
    Page(std::io::Error),
}

/// What the file says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Display {
    serial: String,
    seed: String,
    /// Presses so far; the next code's counter.
    pressed: u64,
    /// Seconds of a step, for one with a clock.
    clock: Option<u32>,
}

impl Drop for Display {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl Display {
    /// Makes a display with a new seed, and its container. Overwrites nothing.
    pub(crate) fn create(
        path: &Path,
        serial: &str,
        clock: Option<u32>,
        container: &Path,
    ) -> Result<Self, DisplayError> {
        let mut seed = Zeroizing::new([0; 20]);
        SystemRandom::new().fill(&mut *seed).map_err(|_| DisplayError::Random)?;
        let display = Self { serial: serial.to_owned(), seed: STANDARD.encode(*seed), pressed: 0, clock };
        write_new(container, display.container().as_bytes())?;
        write_new(path, &display.bytes())?;
        Ok(display)
    }

    /// Opens a display's file.
    pub(crate) fn open(path: &Path) -> Result<Self, DisplayError> {
        let bytes = Zeroizing::new(std::fs::read(path).map_err(|source| file(path, source))?);
        let display: Self = serde_json::from_slice(&bytes).map_err(|_| DisplayError::Damaged(path.to_owned()))?;
        display.token().map(|_| ()).ok_or_else(|| DisplayError::Damaged(path.to_owned()))?;
        Ok(display)
    }

    /// The number on its back.
    pub(crate) fn serial(&self) -> &str {
        &self.serial
    }

    /// Presses the button. The counter is stored before the code is shown, so that no code is shown twice.
    pub(crate) fn press(&mut self, path: &Path) -> Result<Code, DisplayError> {
        let token = self.token().ok_or_else(|| DisplayError::Damaged(path.to_owned()))?;
        let counter = match token.step_at(now()) {
            Some(step) => step,
            None => {
                let counter = self.pressed;
                self.pressed = self.pressed.saturating_add(1);
                replace(path, &self.bytes())?;
                counter
            }
        };
        Ok(token.code(counter))
    }

    fn token(&self) -> Option<Token> {
        let seed = Zeroizing::new(STANDARD.decode(&self.seed).ok()?);
        let moving = self.clock.map_or(Moving::Counter, |step| Moving::Time { step });
        Some(Token { seed: Seed::new(&seed)?, hash: Hash::Sha1, digits: Digits::SIX, moving })
    }

    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec_pretty(self).unwrap_or_default())
    }

    /// PSKC (RFC 6030) with a plain secret.
    fn container(&self) -> Zeroizing<String> {
        let serial = escape(&self.serial);
        let (kind, data) = match self.clock {
            None => ("hotp", "<Counter><PlainValue>0</PlainValue></Counter>".to_owned()),
            Some(step) => ("totp", format!("<TimeInterval><PlainValue>{step}</PlainValue></TimeInterval>")),
        };
        Zeroizing::new(format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">
  <KeyPackage>
    <DeviceInfo><Manufacturer>Godkend</Manufacturer><SerialNo>{serial}</SerialNo></DeviceInfo>
    <Key Id="{serial}" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:{kind}">
      <AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>
      <Data><Secret><PlainValue>{}</PlainValue></Secret>{data}</Data>
    </Key>
  </KeyPackage>
</KeyContainer>
"#,
            self.seed
        ))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[allow(clippy::disallowed_methods, reason = "a display's clock is this machine's")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(0)
}

fn file(path: &Path, source: std::io::Error) -> DisplayError {
    DisplayError::File { path: path.to_owned(), source }
}

/// A file that only its owner reads, and that was not there.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), DisplayError> {
    let write = || {
        let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        to.write_all(bytes)?;
        to.sync_all()
    };
    write().map_err(|source| file(path, source))
}

/// Beside its name, then renamed to it: a crash leaves the whole file.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), DisplayError> {
    let beside = path.with_extension("new");
    let _ = std::fs::remove_file(&beside);
    write_new(&beside, bytes)?;
    std::fs::rename(&beside, path).map_err(|source| file(path, source))
}

/// A file that may be there already.
pub(crate) fn write_new_or_old(path: &Path, bytes: &[u8]) -> Result<(), DisplayError> {
    std::fs::write(path, bytes).map_err(|source| file(path, source))
}

#[cfg(test)]
mod tests {
    use godkend_oath::pskc::{Reading, read};
    use godkend_oath::{Position, Windows};

    use super::*;

    #[test]
    fn a_desk_takes_in_what_a_display_is_made_of_and_no_code_comes_twice() {
        let folder = tempfile::tempdir().unwrap();
        let (path, container) = (folder.path().join("d.json"), folder.path().join("d.xml"));
        Display::create(&path, "A&B <1>", None, &container).unwrap();
        assert!(Display::create(&path, "x", None, &folder.path().join("e.xml")).is_err(), "nothing is overwritten");
        let keys = read(&std::fs::read(&container).unwrap(), &Reading::default()).unwrap();
        assert_eq!(keys[0].serial.as_deref(), Some("A&B <1>"));
        let token = keys[0].token().unwrap();
        assert!(token.seed.is_strong());
        let mut position = Position::default();
        for pressed in 1..=5 {
            // Opened anew each time, as a program that was closed.
            let code = Display::open(&path).unwrap().press(&path).unwrap();
            position = token.accept(&position, 0, &Windows::default(), code.expose()).unwrap();
            assert_eq!(position.next, pressed);
        }
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(Display::open(&path), Err(DisplayError::Damaged(_))));
    }

    #[test]
    fn one_with_a_clock_follows_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, container) = (folder.path().join("d.json"), folder.path().join("d.xml"));
        Display::create(&path, "T1", Some(30), &container).unwrap();
        let keys = read(&std::fs::read(&container).unwrap(), &Reading::default()).unwrap();
        let token = keys[0].token().unwrap();
        assert_eq!(token.moving, Moving::Time { step: 30 });
        let code = Display::open(&path).unwrap().press(&path).unwrap();
        assert!(token.accept(&Position::default(), now(), &Windows::default(), code.expose()).is_some());
    }
}
