//! Questions at the terminal. They go to the error stream, so that a script can read the answer's result alone.

use std::io::{self, BufRead, IsTerminal, Write};

use zeroize::{Zeroize, Zeroizing};

/// An answer longer than this is refused: 1,024 bytes.
pub(crate) const MAX_ANSWER_BYTES: usize = 1024;
/// An answer that is none of those asked for is asked for again, this often in all.
const TRIES: usize = 3;

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PromptError {
    /// Input ended before an answer: give the answer on standard input, or run in a terminal.
    #[error("no answer: input ended")]
    Ended,
    /// The answer is longer than [`MAX_ANSWER_BYTES`].
    #[error("the answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
    /// The answer is not UTF-8 text.
    #[error("the answer is not text")]
    NotText,
    /// Three answers were none of those asked for: ask the person to start again.
    #[error("none of the answers fits the question")]
    Unclear,
    /// The terminal or the pipe failed.
    #[error("the terminal failed: {0}")]
    Terminal(#[from] io::Error),
}

/// Asks for a secret. In a terminal nothing of it is shown; otherwise it is the next line of standard input.
/// It is wiped when dropped.
///
/// # Errors
/// Every [`PromptError`] but [`PromptError::Unclear`].
pub(crate) fn secret(question: &str) -> Result<Zeroizing<String>, PromptError> {
    if !io::stdin().is_terminal() {
        return line(&mut input()?);
    }
    let answer = rpassword::prompt_password(format!("{question}: ")).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => PromptError::Ended,
        io::ErrorKind::InvalidData => PromptError::NotText,
        _ => PromptError::Terminal(e),
    })?;
    let answer = Zeroizing::new(answer);
    if answer.len() > MAX_ANSWER_BYTES { Err(PromptError::TooLong) } else { Ok(answer) }
}

/// Asks a yes-or-no question, in English or Danish; an empty answer is no.
///
/// # Errors
/// Every [`PromptError`].
pub(crate) fn confirm(question: &str) -> Result<bool, PromptError> {
    confirm_through(question, &mut input()?, &mut io::stderr())
}

/// Asks for one of several options, by its number from 1; returns its index from 0.
///
/// # Errors
/// Every [`PromptError`]; [`PromptError::Unclear`] at once when there is no option.
pub(crate) fn choose(question: &str, options: &[&str]) -> Result<usize, PromptError> {
    choose_through(question, options, &mut input()?, &mut io::stderr())
}

/// Standard input, read a byte at a time: the standard library's own buffer would keep what was typed, PINs too, for the
/// life of the process.
fn input() -> io::Result<impl BufRead> {
    #[cfg(unix)]
    let input = std::fs::File::from(std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?);
    #[cfg(not(unix))]
    let input = io::stdin().lock();
    Ok(io::BufReader::with_capacity(1, input))
}

fn confirm_through(question: &str, input: &mut impl BufRead, output: &mut impl Write) -> Result<bool, PromptError> {
    for _ in 0..TRIES {
        write!(output, "{question} [y/N] ")?;
        output.flush()?;
        match line(input)?.trim().to_lowercase().as_str() {
            "y" | "yes" | "j" | "ja" => return Ok(true),
            "" | "n" | "no" | "nej" => return Ok(false),
            _ => writeln!(output, "Svar ja eller nej. (Please answer yes or no.)")?,
        }
    }
    Err(PromptError::Unclear)
}

fn choose_through(
    question: &str,
    options: &[&str],
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<usize, PromptError> {
    if options.is_empty() {
        return Err(PromptError::Unclear);
    }
    writeln!(output, "{question}")?;
    for (index, option) in options.iter().enumerate() {
        writeln!(output, "  {}. {option}", index + 1)?;
    }
    for _ in 0..TRIES {
        write!(output, "1-{}: ", options.len())?;
        output.flush()?;
        let index = line(input)?.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        if let Some(index) = index.filter(|index| *index < options.len()) {
            return Ok(index);
        }
    }
    Err(PromptError::Unclear)
}

/// One line without its end, never more than the limit in memory, wiped when dropped.
fn line(input: &mut impl BufRead) -> Result<Zeroizing<String>, PromptError> {
    // Reserved whole, so that no growth leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_ANSWER_BYTES + 2));
    loop {
        let ready = match input.fill_buf() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if ready.is_empty() {
            if bytes.is_empty() {
                return Err(PromptError::Ended);
            }
            break;
        }
        let end = ready.iter().position(|byte| *byte == b'\n');
        let taken = ready.get(..end.unwrap_or(ready.len())).unwrap_or_default();
        // One byte over the limit is kept: it may be the carriage return of the line's end.
        if bytes.len() + taken.len() > MAX_ANSWER_BYTES + 1 {
            return Err(PromptError::TooLong);
        }
        bytes.extend_from_slice(taken);
        let used = end.map_or(taken.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            break;
        }
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    if bytes.len() > MAX_ANSWER_BYTES {
        return Err(PromptError::TooLong);
    }
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|e| {
        e.into_bytes().zeroize();
        PromptError::NotText
    })
}

#[cfg(test)]
mod tests {
    use std::{io::BufReader, thread};

    use super::*;

    /// A real pipe, written by another thread and then closed.
    fn pipe(text: &[u8]) -> BufReader<io::PipeReader> {
        let (reader, mut writer) = io::pipe().unwrap();
        let text = text.to_vec();
        thread::spawn(move || {
            // The reader may have gone after a refusal.
            let _ = writer.write_all(&text);
        });
        BufReader::new(reader)
    }

    #[test]
    fn a_secret_is_a_line_of_the_pipe() {
        let mut input = pipe("123456\r\nørred\n\n last".as_bytes());
        assert_eq!(*line(&mut input).unwrap(), "123456");
        assert_eq!(*line(&mut input).unwrap(), "ørred");
        assert_eq!(*line(&mut input).unwrap(), "");
        assert_eq!(*line(&mut input).unwrap(), " last");
        assert!(matches!(line(&mut input), Err(PromptError::Ended)));
    }

    #[test]
    fn length_and_text_are_bounded() {
        let longest = "x".repeat(MAX_ANSWER_BYTES);
        for end in ["", "\n", "\r\n"] {
            assert_eq!(*line(&mut pipe(format!("{longest}{end}").as_bytes())).unwrap(), longest);
        }
        for text in [format!("{longest}x"), format!("{longest}x\n"), "x".repeat(10_000_000)] {
            assert!(matches!(line(&mut pipe(text.as_bytes())), Err(PromptError::TooLong)), "{}", text.len());
        }
        assert!(matches!(line(&mut pipe(b"\xff\xfe\n")), Err(PromptError::NotText)));
    }

    #[test]
    fn confirm_takes_both_languages_and_no_guess() {
        let ask = |text: &str| confirm_through("Go on?", &mut pipe(text.as_bytes()), &mut Vec::new());
        for text in ["y\n", "YES\n", " j \n", "Ja", "what\nja\n", "1\n2\ny\n"] {
            assert!(ask(text).unwrap(), "{text:?}");
        }
        for text in ["n\n", "no\n", "Nej\n", "\n", "hm\n\n"] {
            assert!(!ask(text).unwrap(), "{text:?}");
        }
        assert!(matches!(ask("a\nb\nc\ny\n"), Err(PromptError::Unclear)));
        assert!(matches!(ask(""), Err(PromptError::Ended)));
    }

    #[test]
    fn choose_takes_a_number_in_range() {
        let mut shown = Vec::new();
        let mut ask = |text: &str| {
            shown.clear();
            choose_through("Which?", &["bank", "borger.dk"], &mut pipe(text.as_bytes()), &mut shown)
        };
        assert_eq!(ask("1\n").unwrap(), 0);
        assert_eq!(ask("2\n").unwrap(), 1);
        assert_eq!(ask("0\n3\n2\n").unwrap(), 1);
        for text in ["0\n3\n-1\n", "bank\nx\n\n", "99999999999999999999\n\n\n"] {
            assert!(matches!(ask(text), Err(PromptError::Unclear)), "{text:?}");
        }
        assert!(matches!(ask(""), Err(PromptError::Ended)));
        assert_eq!(String::from_utf8(shown).unwrap(), "Which?\n  1. bank\n  2. borger.dk\n1-2: ");
        assert!(matches!(choose_through("?", &[], &mut pipe(b"1\n"), &mut Vec::new()), Err(PromptError::Unclear)));
    }
}
