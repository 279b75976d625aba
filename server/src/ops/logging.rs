//! Logs: one JSON object a line, on standard error, that can hold no PIN, key, code or CPR number.
//!
//! Three rules, each enough alone for most slips:
//! 1. A field is written only if its name stands in [`FIELDS`], in the form given there. Others are named under
//!    `withheld`, without their values. Adding a name there is a decision about secrets: think before.
//! 2. A message is a literal. Values go into fields: `tracing::warn!(reason = "expired", "login refused")`, never
//!    `warn!("login {id} refused")`; a test reads the server's sources and fails on an interpolated message. Of other
//!    crates only warnings and errors are written, as their module's name without their message.
//! 3. What is written at all goes through [`redact::mask`].
use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::redact;

/// The form of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A number that is no secret and is written as it is: durations, counts, sizes, status codes.
    Number,
    /// A request's id: 16 lower-case hex digits, anything else is masked.
    RequestId,
    /// Text, which is masked where it looks like a secret.
    Text,
}

/// The only fields that logs may hold.
pub const FIELDS: &[(&str, Form)] = &[
    ("request_id", Form::RequestId),
    ("method", Form::Text),
    ("route", Form::Text),
    ("status", Form::Number),
    ("duration_ms", Form::Number),
    ("count", Form::Number),
    ("bytes", Form::Number),
    ("seconds", Form::Number),
    ("size", Form::Number),
    ("entries", Form::Number),
    ("jobs", Form::Number),
    ("epoch", Form::Number),
    ("line", Form::Number),
    ("reason", Form::Text),
    ("error", Form::Text),
    ("kind", Form::Text),
    ("code", Form::Text),
    ("setting", Form::Text),
    ("component", Form::Text),
    ("address", Form::Text),
    ("file", Form::Text),
    ("version", Form::Text),
    ("environment", Form::Text),
    ("client_id", Form::Text),
    ("level", Form::Text),
    ("outcome", Form::Text),
];

/// Crates whose messages are trusted to be literals, by the beginning of their target.
const OWN: &str = "godkend";

/// Starts logging to standard error at `level` (of `[log]`; anything unknown is `info`), and has panics logged by
/// their place alone, for their message may hold anything.
///
/// # Errors
/// If the program already logs elsewhere.
pub fn start(level: &str) -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
    let level = level.parse().unwrap_or(Level::INFO);
    tracing::subscriber::set_global_default(subscriber(level, std::io::stderr()))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// The subscriber that [`start`] installs, writing to `output`.
pub fn subscriber(level: Level, output: impl Write + Send + 'static) -> impl Subscriber + Send + Sync {
    tracing_subscriber::registry().with(Redacting { level, output: Mutex::new(output) })
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let (file, line) = info.location().map_or(("", 0), |place| (place.file(), place.line()));
    tracing::error!(file, line, "a fault in the program: please report it");
}

struct Redacting<W> {
    level: Level,
    output: Mutex<W>,
}

impl<S, W> Layer<S> for Redacting<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Write + Send + 'static,
{
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        let own = metadata.target().starts_with(OWN);
        *metadata.level() <= if own { self.level } else { self.level.min(Level::WARN) }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !attributes.metadata().target().starts_with(OWN) {
            return;
        }
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let meta = event.metadata();
        let mut line = Map::new();
        line.insert("time".into(), timestamp().into());
        line.insert("severity".into(), meta.level().as_str().into());
        line.insert("target".into(), meta.target().into());
        let mut withheld = BTreeSet::new();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.extend(fields.shown.clone());
                withheld.extend(&fields.withheld);
            }
        }
        if meta.target().starts_with(OWN) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            line.insert("message".into(), fields.message.into());
            line.extend(fields.shown);
            withheld.extend(fields.withheld);
        } else {
            line.insert("message".into(), "a library warns; its message is withheld".into());
        }
        if !withheld.is_empty() {
            line.insert("withheld".into(), withheld.into_iter().collect());
        }
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // A log that cannot be written must not stop the server.
        let _ = self.output.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    shown: Map<String, Value>,
    withheld: BTreeSet<&'static str>,
}

impl Fields {
    fn put(&mut self, field: &Field, number: Option<Value>, text: impl FnOnce() -> String) {
        let name = field.name();
        if name == "message" {
            self.message = redact::mask(&text());
            return;
        }
        let form = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, form)| *form);
        let value = match (form, number) {
            (None, _) => {
                self.withheld.insert(name);
                return;
            }
            (Some(Form::Number), Some(number)) => number,
            (Some(Form::RequestId), _) => {
                let text = text();
                let fits = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if fits { text.into() } else { redact::MASK.into() }
            }
            (Some(Form::Number | Form::Text), _) => redact::mask(&text()).into(),
        };
        self.shown.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, None, || format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, None, || value.to_owned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Some(value.into()), || value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Some(value.into()), || value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Some(value.into()), || value.to_string());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, None, || value.to_string());
    }
}

/// Now, as RFC 3339 with milliseconds.
fn timestamp() -> String {
    #[expect(clippy::disallowed_methods, reason = "a log line says when it was written")]
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    rfc3339(now.as_secs(), now.subsec_millis())
}

/// Civil date from days (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"), for dates from 1970.
fn rfc3339(seconds: u64, ms: u32) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * index + 2) / 5 + 1;
    let month = if index < 10 { index + 3 } else { index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    /// A log that a test can read.
    #[derive(Clone, Default)]
    pub(in crate::ops) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(in crate::ops) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(act: impl FnOnce()) -> Vec<Value> {
        let captured = Captured::default();
        tracing::subscriber::with_default(subscriber(Level::INFO, captured.clone()), act);
        captured.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn only_listed_fields_are_written() {
        let lines = logged(|| {
            let span = tracing::info_span!("request", request_id = "0123456789abcdef", cpr = "010190-1234");
            let _inside = span.enter();
            tracing::info!(pin = "1234", key = ?[1, 2], user = "anna", reason = "expired", status = 404, "login refused");
        });
        let line = &lines[0];
        assert_eq!(line["message"], "login refused");
        assert_eq!(line["reason"], "expired");
        assert_eq!(line["status"], 404);
        assert_eq!(line["request_id"], "0123456789abcdef");
        assert_eq!(line["withheld"], serde_json::json!(["cpr", "key", "pin", "user"]));
        let text = line.to_string();
        assert!(!text.contains("1234\"") && !text.contains("010190") && !text.contains("anna"), "{text}");
    }

    #[test]
    fn planted_secrets_are_masked_in_listed_fields_and_messages() {
        for secret in [
            "010190-1234",
            "123456",
            "12345678",
            "ABCDE-FGHJK-MNPQR-STVWX",
            "0123456789abcdef0123456789abcdef",
            "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
        ] {
            let lines = logged(|| {
                let wrapped = format!("bad value {secret} here");
                tracing::error!(error = secret, reason = %wrapped, kind = ?secret, "static");
                tracing::error!(request_id = secret, status = secret, "static");
                tracing::event!(Level::WARN, message = wrapped.as_str());
                let source: Box<dyn std::error::Error> = Box::new(std::io::Error::other(wrapped));
                tracing::warn!(error = &*source, "static");
            });
            assert_eq!(lines.len(), 4);
            for line in lines {
                let text = line.to_string();
                assert!(!text.contains(secret) && text.contains(redact::MASK), "{text}");
            }
        }
        let line = logged(|| tracing::info!(reason = 123_456, code = 7_654_321_i64, "static")).remove(0);
        assert_eq!((&line["reason"], &line["code"]), (&redact::MASK.into(), &redact::MASK.into()));
        let line = logged(|| tracing::info!(duration_ms = 123_456, "static")).remove(0);
        assert_eq!(line["duration_ms"], 123_456);
    }

    #[test]
    fn other_crates_are_heard_but_not_quoted() {
        let lines = logged(|| {
            tracing::info!(target: "sqlx::query", "SELECT 1");
            tracing::warn!(target: "sqlx::query", error = "hemmelig", "slow statement hemmelig");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["target"], "sqlx::query");
        assert!(!lines[0].to_string().contains("hemmelig"));
    }

    #[test]
    fn a_panic_is_logged_without_its_message() {
        let captured = Captured::default();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        tracing::subscriber::with_default(subscriber(Level::INFO, captured.clone()), || {
            let caught = std::panic::catch_unwind(|| panic!("the PIN is 123456"));
            assert!(caught.is_err());
        });
        std::panic::set_hook(before);
        let text = captured.text();
        assert!(text.contains("logging.rs") && !text.contains("PIN is"), "{text}");
    }

    #[test]
    fn levels_are_kept() {
        let lines = logged(|| {
            tracing::debug!("no");
            tracing::error!("yes");
        });
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn dates_are_right() {
        assert_eq!(rfc3339(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_399, 7), "2000-02-28T23:59:59.007Z");
        assert_eq!(rfc3339(951_782_400, 0), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_795_000_000, 999), "2026-11-18T11:06:40.999Z");
    }

    /// Rule 2, over the sources of this crate.
    #[test]
    fn no_message_is_interpolated() {
        let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut seen = 0;
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                // What ships: without comments and without the tests at a file's end.
                let shipped = text.split("mod tests {").next().unwrap_or("");
                let lines = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
                let found = interpolated(&lines.collect::<Vec<_>>().join("\n"));
                assert_eq!(
                    found,
                    Vec::<String>::new(),
                    "{}: a message must be a literal without braces",
                    path.display()
                );
                seen += 1;
            }
        }
        assert!(seen > 5);
        assert_eq!(interpolated("warn!(error = %e, \"it {x} is\");").len(), 1);
        assert_eq!(interpolated("tracing::info!(\n a = 1,\n \"x {}\", y);").len(), 1);
        assert_eq!(interpolated("info!(route = \"/a/{id}\", \"fine\"); error!(\"fine\")").len(), 0);
    }

    /// Calls of logging macros whose last literal holds a brace.
    fn interpolated(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for name in ["trace!(", "debug!(", "info!(", "warn!(", "error!("] {
            for (at, _) in text.match_indices(name) {
                // Not inside a longer name or a string, as the list above is.
                if text[..at].ends_with(['"', '_']) || text[..at].ends_with(|c: char| c.is_alphanumeric()) {
                    continue;
                }
                let call = &text[at..];
                let end = call.find(");").unwrap_or(call.len());
                let call = &call[..end];
                // Literals that are a field's value follow an equals sign.
                let mut rest = call;
                while let Some(open) = rest.find('"') {
                    let value = rest[..open].trim_end().ends_with(['=', '%', '?']);
                    let literal = &rest[open + 1..];
                    let close = literal.find('"').unwrap_or(literal.len());
                    if !value && literal[..close].contains('{') {
                        found.push(call.to_owned());
                        break;
                    }
                    rest = literal.get(close + 1..).unwrap_or("");
                }
            }
        }
        found
    }
}
