//! What is wrong or unwise in a configuration, said in sentences.
use std::collections::BTreeSet;
use std::fmt;

use super::{Config, TlsMode, Version};

/// Whether the server may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It starts; the operator should know.
    Warning,
    /// It does not start.
    Error,
}

/// One sentence about one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the server may start.
    pub severity: Severity,
    /// The setting, as `section.key`.
    pub setting: String,
    /// The rest of the sentence that the setting's name begins.
    pub text: String,
}

impl Finding {
    pub(crate) fn error(setting: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, setting: setting.into(), text: text.into() }
    }

    pub(super) fn warning(setting: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, setting: setting.into(), text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}: {} {}.", self.setting, self.text)
    }
}

impl Config {
    /// Everything wrong or unwise, errors first. The server must not start while there is an error.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        let mut found = self.unknown().to_vec();
        self.check_server(&mut found);
        self.check_tls(&mut found);
        self.check_limits(&mut found);
        self.check_protocol(&mut found);
        self.check_app(&mut found);
        self.check_push(&mut found);
        self.check_relying_parties(&mut found);
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        found
    }

    fn check_server(&self, found: &mut Vec<Finding>) {
        let server = &self.server;
        let name = &server.environment;
        let fits = (1..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits {
            found.push(Finding::error("server.environment", "must be 1 to 32 lower-case letters, digits and hyphens"));
        }
        if server.test_environment {
            if name == "production" {
                found.push(Finding::error(
                    "server.test_environment",
                    "must be false in the environment called production",
                ));
            }
            let local = server.listen.ip().is_loopback() && self.public_host().is_none_or(|host| is_loopback(&host));
            if !local && !name.starts_with("test") {
                found.push(Finding::error(
                    "server.test_environment",
                    "must be false where others reach the server, unless server.environment begins with \"test\": software keys and magic identities are no citizens'",
                ));
            } else if !local {
                found.push(Finding::warning(
                    "server.test_environment",
                    "is on while the server is reached from beyond this machine: anyone who reaches it can steer its clock",
                ));
            }
        }
        match url::Url::parse(&server.public_url) {
            Ok(url) if url.scheme() == "https" && url.has_host() => {
                let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
                if !bare || server.public_url.ends_with('/') || !url.username().is_empty() {
                    found.push(Finding::error(
                        "server.public_url",
                        "must be an origin alone, without path, query or a slash at its end",
                    ));
                }
            }
            _ => found.push(Finding::error("server.public_url", "must be an https address")),
        }
        if server.data_dir.as_os_str().is_empty() {
            found.push(Finding::error("server.data_dir", "must name a folder"));
        }
        if self.metrics.listen.is_some_and(|address| !address.ip().is_loopback()) {
            found.push(Finding::warning(
                "metrics.listen",
                "reaches beyond this machine; metrics are plain HTTP and need no password",
            ));
        }
        if self.metrics.listen.is_some_and(|a| a == server.listen && a.port() != 0) {
            found.push(Finding::error("metrics.listen", "must differ from server.listen"));
        }
        if let Some(address) = self.admin.listen.filter(|address| address.port() != 0) {
            if address == server.listen || Some(address) == self.metrics.listen {
                found.push(Finding::error("admin.listen", "must differ from server.listen and metrics.listen"));
            }
            if self.tls.mode == TlsMode::Off && !address.ip().is_loopback() {
                let text = "reaches beyond this machine without TLS: the token is readable on the way";
                found.push(Finding::error("admin.listen", text));
            }
        }
        if !["error", "warn", "info", "debug", "trace"].contains(&self.log.level.as_str()) {
            found.push(Finding::error("log.level", "must be error, warn, info, debug or trace"));
        }
        if self.log.witnesses.iter().any(|item| crate::witness::parse(item).is_none()) {
            found.push(Finding::error(
                "log.witnesses",
                "must be of the form \"<verifier key> <file>\" each; the witness shows its verifier key",
            ));
        }
    }

    fn check_tls(&self, found: &mut Vec<Finding>) {
        let (certificate, key) = (!self.tls.certificate.as_os_str().is_empty(), !self.tls.key.as_os_str().is_empty());
        match self.tls.mode {
            TlsMode::Files => {
                for (present, name) in [(certificate, "tls.certificate"), (key, "tls.key")] {
                    if !present {
                        found.push(Finding::error(name, "must name a file when tls.mode is \"files\""));
                    }
                }
            }
            TlsMode::SelfMade | TlsMode::Off => {
                for (present, name) in [(certificate, "tls.certificate"), (key, "tls.key")] {
                    if present {
                        found.push(Finding::error(name, "is only read when tls.mode is \"files\"; remove one of them"));
                    }
                }
            }
        }
        if self.tls.mode == TlsMode::Off {
            if !self.server.listen.ip().is_loopback() {
                let text = "is \"off\" while the server listens beyond this machine: everything is readable on the way";
                found.push(if self.server.trusted_proxies.is_empty() {
                    Finding::error(
                        "tls.mode",
                        format!("{text}; name the proxy that ends TLS in server.trusted_proxies"),
                    )
                } else {
                    Finding::warning("tls.mode", text)
                });
            }
            if self.server.trusted_proxies.is_empty() {
                found.push(Finding::warning(
                    "server.trusted_proxies",
                    "is empty while tls.mode is \"off\": every citizen then seems to be the proxy, and its limits hit all",
                ));
            }
        }
    }

    fn check_limits(&self, found: &mut Vec<Finding>) {
        let l = &self.limits;
        let positive = [
            (l.header_seconds, "header_seconds"),
            (l.handshake_seconds, "handshake_seconds"),
            (l.request_seconds, "request_seconds"),
            (l.idle_seconds, "idle_seconds"),
            (u64::from(l.streams_per_connection), "streams_per_connection"),
            (u64::from(l.logins_per_source_minute), "logins_per_source_minute"),
            (u64::from(l.unknown_names_per_source_minute), "unknown_names_per_source_minute"),
        ];
        for (value, key) in positive {
            if value == 0 {
                found.push(Finding::error(format!("limits.{key}"), "must be at least 1"));
            }
        }
        if l.requests_per_source_minute == 0 && !self.server.test_environment {
            found.push(Finding::warning("limits.requests_per_source_minute", "is 0: one source may ask without limit"));
        }
        if l.connections == 0 || l.connections > 1_000_000 {
            found.push(Finding::error("limits.connections", "must be 1 to 1000000"));
        }
        for (value, least, key) in [
            (l.body_bytes, 16 * 1024, "body_bytes"),
            (l.form_bytes, 4096, "form_bytes"),
            (l.header_bytes, 8192, "header_bytes"),
        ] {
            if value < least || value > 16 * 1024 * 1024 {
                found.push(Finding::error(format!("limits.{key}"), format!("must be {least} to 16777216 bytes")));
            }
        }
        if l.request_seconds <= self.approval.long_poll_seconds {
            found.push(Finding::error(
                "approval.long_poll_seconds",
                "must be below limits.request_seconds, or every poll is cut off",
            ));
        }
    }

    fn check_protocol(&self, found: &mut Vec<Finding>) {
        let (activation, pin, approval, oidc) = (&self.activation, &self.pin, &self.approval, &self.oidc);
        // Zero is wrong; more than the design's value weakens what its text promises.
        let bounds: &[(&str, u64, u64)] = &[
            ("activation.expiry_seconds", activation.expiry_seconds, 600),
            ("activation.tries", activation.tries.into(), 5),
            ("activation.digits_tries", activation.digits_tries.into(), 3),
            ("activation.first_approval_seconds", activation.first_approval_seconds, 1800),
            ("pin.tries_per_round", pin.tries_per_round.into(), 3),
            ("approval.qr_valid_seconds", approval.qr_valid_seconds, 3),
            ("approval.qr_frames_ahead", approval.qr_frames_ahead.into(), 5),
            ("approval.numbers_per_minute", approval.numbers_per_minute.into(), 5),
            ("approval.locked_waiting", approval.locked_waiting.into(), 1),
            ("approval.poll_token_seconds", approval.poll_token_seconds, 600),
            ("means.tries_per_source_minute", self.means.tries_per_source_minute.into(), 600),
            ("oidc.par_seconds", oidc.par_seconds, 600),
            ("oidc.code_seconds", oidc.code_seconds, 60),
            ("oidc.id_token_seconds", oidc.id_token_seconds, 3600),
            ("oidc.access_token_seconds", oidc.access_token_seconds, 3600),
            ("oidc.ciba_interval_seconds", oidc.ciba_interval_seconds, 30),
            ("oidc.session_seconds", oidc.session_seconds, 3600),
        ];
        for (setting, value, most) in bounds {
            if *value == 0 {
                found.push(Finding::error(*setting, "must be at least 1"));
            } else if value > most {
                found.push(Finding::warning(
                    *setting,
                    format!("is above {most}, the most that the threat model counts with"),
                ));
            }
        }
        if activation.waiting_seconds < 3600 && !self.server.test_environment {
            found.push(Finding::warning(
                "activation.waiting_seconds",
                "is below 3600: a person has less than an hour to refuse a stranger's phone",
            ));
        }
        if pin.waits_seconds.is_empty() || pin.waits_seconds.contains(&0) {
            found.push(Finding::error("pin.waits_seconds", "must list at least one wait, each at least 1 second"));
        }
        if pin.waits_seconds.len() > 2 {
            found.push(Finding::warning("pin.waits_seconds", "allows more than three rounds of PIN tries"));
        }
        if !(10..=180).contains(&approval.lifetime_seconds) {
            found.push(Finding::error("approval.lifetime_seconds", "must be 10 to 180"));
        }
    }

    fn check_app(&self, found: &mut Vec<Finding>) {
        let app = &self.app;
        for (setting, text) in [
            ("app.recommended", &app.recommended),
            ("app.required", &app.required),
            ("app.refused_below", &app.refused_below),
        ] {
            if !text.is_empty() && Version::parse(text).is_none() {
                found.push(Finding::error(setting, "must be a version such as 1.4.0"));
            }
        }
        if !app.required_from.is_empty() && app.required_from().is_none() {
            found.push(Finding::error(
                "app.required_from",
                "must be Unix seconds or a date such as 2027-01-15T08:00:00Z",
            ));
        }
        if app.required.is_empty() != app.required_from.is_empty() {
            found.push(Finding::error("app.required", "and app.required_from belong together: set both or none"));
        }
    }

    fn check_relying_parties(&self, found: &mut Vec<Finding>) {
        let mut seen = BTreeSet::new();
        for (number, party) in (1..).zip(&self.relying_party) {
            let label = if party.client_id.is_empty() { format!("number {number}") } else { party.client_id.clone() };
            let at = |key: &str| format!("relying_party[{label}].{key}");
            if !seen.insert(&party.client_id) {
                found.push(Finding::error(at("client_id"), "stands twice; each relying party needs its own"));
            }
            super::check_relying_party(party, self.server.test_environment, &at, found);
        }
    }
}

/// Whether a host of an address is this machine only.
pub(super) fn is_loopback(host: &str) -> bool {
    let literal = host.parse::<std::net::IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || literal.is_ok_and(|address| address.is_loopback())
}
