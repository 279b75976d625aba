//! What a process says: lines for people, or one JSON object a line.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::args::Language;
use crate::exit;

/// How it is said.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub(crate) language: Language,
    pub(crate) json: bool,
}

impl Output {
    /// A line for people.
    pub(crate) fn say(self, line: &str) {
        if !self.json {
            put(line);
        }
    }

    /// An object for programs.
    pub(crate) fn tell(self, object: &Value) {
        if self.json {
            put(&object.to_string());
        }
    }

    /// The Danish or the English.
    pub(crate) fn choose<'a>(self, danish: &'a str, english: &'a str) -> &'a str {
        match self.language {
            Language::Da => danish,
            Language::En => english,
        }
    }

    /// A failure that says nothing about the evidence; the exit code.
    pub(crate) fn failed(self, reason: &str) -> u8 {
        self.tell(&json!({"type": "error", "code": "failed", "message": reason, "exit_code": exit::FAILED}));
        if !self.json {
            eprintln!("godkend-auditor: {reason}");
        }
        exit::FAILED
    }
}

/// A reader that has gone (`| head`) is no fault.
fn put(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
