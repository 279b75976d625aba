//! A display for the ear alone. Every key is answered by the code itself, said anew in the new manner, so that nothing has
//! to be read: Enter repeats, `n` is the button, `+` and `-` the speed, `u` and `d` the volume, `p` and `o` longer and shorter
//! pauses, `l` the next language, `q` ends. Each key is followed by Enter.

use std::io::BufRead;
use std::path::Path;

use crate::display::{Display, DisplayError};
use crate::sound::{self, Language, Manner};

/// Runs until `q` or the end of the input. `play` gets a WAV file.
pub(crate) fn run(
    path: &Path,
    mut manner: Manner,
    input: impl BufRead,
    play: impl Fn(&[u8]) -> Result<(), DisplayError>,
) -> Result<(), DisplayError> {
    let mut code = Display::open(path)?.press(path)?;
    play(&sound::wav(&sound::speak(code.expose(), &manner)))?;
    for line in input.lines() {
        let line = line.map_err(DisplayError::Output)?;
        match line.trim() {
            "q" => break,
            "n" => code = Display::open(path)?.press(path)?,
            "+" => manner.speed += 0.25,
            "-" => manner.speed -= 0.25,
            "u" => manner.volume += 0.2,
            "d" => manner.volume -= 0.2,
            "p" => manner.pause_ms = manner.pause_ms.saturating_add(250),
            "o" => manner.pause_ms = manner.pause_ms.saturating_sub(250),
            "l" => {
                manner.language = match manner.language {
                    Language::Da => Language::En,
                    Language::En => Language::Kl,
                    Language::Kl => Language::Da,
                }
            }
            // Anything else repeats: a slip must not be silent.
            _ => {}
        }
        manner = manner.within_bounds();
        play(&sound::wav(&sound::speak(code.expose(), &manner)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn every_key_is_answered_by_sound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.json");
        Display::create(&path, "T", None, &folder.path().join("d.xml")).unwrap();
        let heard = RefCell::new(Vec::new());
        let manner = Manner { language: Language::Da, times: 1, speed: 1.0, volume: 0.4, pause_ms: 250 };
        let play = |wav: &[u8]| {
            heard.borrow_mut().push(wav.to_vec());
            Ok(())
        };
        run(&path, manner, "\n-\n+\nu\nd\np\no\nl\nl\nl\nn\nx\nq\n".as_bytes(), play).unwrap();
        let heard = heard.into_inner();
        assert_eq!(heard.len(), 13, "one at the beginning, and one for each key but q");
        assert_eq!(heard[0], heard[1], "repeated");
        assert!(heard[2].len() > heard[1].len(), "slower");
        assert_eq!(heard[3].len(), heard[1].len(), "as before");
        assert!(heard[4] != heard[3] && heard[4].len() == heard[3].len(), "louder");
        assert!(heard[6].len() > heard[5].len(), "longer pauses");
        assert_ne!(heard[8], heard[7], "English");
        assert_eq!(heard[10], heard[7], "and Danish again");
        assert_ne!(heard[11], heard[10], "the next code");
        assert_eq!(heard[12], heard[11], "a slip repeats");
    }
}
