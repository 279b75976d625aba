//! Where things are said: results on standard output, progress and narration on standard error.

use std::io::{self, IsTerminal as _, Write as _};

use crate::json::Report;
use crate::language::Language;
use crate::qr;
use crate::view::{self, Style};

/// How this run speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    language: Language,
    style: Style,
    progress: bool,
}

impl Output {
    /// For people, or with `json` for scripts.
    pub(crate) fn new(json: bool, language: Language) -> Self {
        // NO_COLOR (no-color.org) also turns the moving line off, which is made of escape sequences.
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let style = Style { colour: io::stdout().is_terminal() && !plain };
        Self { json, language, style, progress: !json && !plain && io::stderr().is_terminal() }
    }

    /// The same reader, without progress of its own.
    pub(crate) const fn silent(self) -> Self {
        Self { progress: false, ..self }
    }

    /// The reader's language.
    pub(crate) const fn language(&self) -> Language {
        self.language
    }

    /// Whether a script reads.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// A result.
    pub(crate) fn report(&self, report: &Report) {
        let text = if self.json {
            serde_json::to_string(report)
                .unwrap_or_else(|_| r#"{"type":"error","code":"json","message":"?","exit_code":1}"#.to_owned())
        } else {
            view::draw(report, self.language, self.style)
        };
        // A reader that has gone away wants nothing more.
        let _ = writeln!(io::stdout().lock(), "{}", text.trim_end_matches('\n'));
        let _ = io::stdout().lock().flush();
    }

    /// What a person may want to see beside the results; nothing with `--json`.
    pub(crate) fn say(&self, danish: &str, english: &str) {
        if !self.json {
            self.clear();
            let _ = writeln!(io::stderr().lock(), "{}", self.language.pick(danish, english));
        }
    }

    /// A QR code, for a terminal alone: a log file can be scanned by nobody.
    pub(crate) fn code(&self, text: &str) {
        if self.progress {
            self.show(&qr::draw(text));
        }
    }

    /// Something drawn; nothing with `--json`.
    pub(crate) fn show(&self, drawn: &str) {
        if !self.json {
            self.clear();
            let _ = writeln!(io::stderr().lock(), "{}", drawn.trim_end_matches('\n'));
        }
    }

    /// A line that the next one overwrites, in a terminal.
    pub(crate) fn progress(&self, danish: &str, english: &str) {
        if self.progress {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K{}", self.language.pick(danish, english));
            let _ = io::stderr().lock().flush();
        }
    }

    /// Takes the moving line away.
    pub(crate) fn clear(&self) {
        if self.progress {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
            let _ = io::stderr().lock().flush();
        }
    }

    /// Whether drawings may replace each other.
    pub(crate) const fn can_redraw(&self) -> bool {
        self.progress
    }
}
