//! The list of all settings: what the environment may override and what the example file explains.

/// How a setting's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; also addresses, paths and names.
    Text,
    /// A whole number, zero or more.
    Number,
    /// `true` or `false`.
    Switch,
    /// A list of texts.
    TextList,
    /// A list of whole numbers.
    NumberList,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its table in the file.
    pub section: &'static str,
    /// Its key in the table.
    pub key: &'static str,
    /// How its value is written.
    pub kind: Kind,
    /// What it does, with its unit.
    pub about: &'static str,
}

impl Setting {
    /// The environment variable that overrides it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("GODKEND_{}_{}", self.section, self.key).to_ascii_uppercase()
    }

    /// Its name in sentences: `section.key`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }
}

/// The tables in the order of the example file, each with what it is about.
pub const SECTIONS: &[(&str, &str)] = &[
    ("server", "Where the server stands and what it calls itself."),
    ("tls", "The server's own TLS."),
    ("database", "The database."),
    ("metrics", "Prometheus metrics, plain HTTP on a listener of their own: keep it off the internet."),
    ("limits", "What one connection, one request and one source may cost. A source is an IPv4 address or an IPv6 /64."),
    ("activation", "Activation of an app."),
    ("pin", "PIN tries. The rounds are one more than the waits; after the last the PIN is dead."),
    ("approval", "Approvals and the binding of a browser to a phone."),
    ("app", "Which versions (major.minor.patch) of the app are served; \"\" turns a rule off."),
    ("means", "Means of identification beside the app; `godkend-server policy` prints what they give."),
    ("oidc", "OpenID Connect."),
    (
        "push",
        "Wake-ups of phones that do not poll. A service without its settings is off; long polling works without any.",
    ),
    (
        "self_service",
        "The citizen's own site: a relying party with self_service = true, and the API under /citizen/v1.",
    ),
    ("admin", "The administration interface."),
    ("log", "Logs: JSON lines on standard error; and the audit log."),
];

macro_rules! settings {
    ($($section:literal { $($key:literal $kind:ident $about:literal)* })*) => {
        /// Every setting, section by section.
        pub const SETTINGS: &[Setting] = &[
            $($(Setting { section: $section, key: $key, kind: Kind::$kind, about: $about },)*)*
        ];
    };
}

settings! {
    "server" {
        "environment" Text "Name of this environment inside every signed message: lower-case letters, digits, hyphens, at most 32."
        "test_environment" Switch "Allow a steerable clock, software attestation and magic identities."
        "listen" Text "Address of the main listener."
        "public_url" Text "The https origin that phones, browsers and relying parties use, without a path."
        "data_dir" Text "Folder for secrets, database and log, relative to this file."
        "trusted_proxies" TextList "Reverse proxies (IP addresses) whose X-Forwarded-For is believed."
        "place_header" Text "Header in which a trusted proxy names the place of a browser; \"\" for none."
    }
    "tls" {
        "mode" Text "\"self-made\" (own key, clients pin it), \"files\", or \"off\" (only behind a proxy that ends TLS)."
        "certificate" Text "With \"files\": PEM chain, leaf first, relative to this file."
        "key" Text "With \"files\": PEM private key, relative to this file."
    }
    "database" {
        "path" Text "SQLite file, relative to server.data_dir."
    }
    "metrics" {
        "listen" Text "Address of the metrics listener; \"\" turns it off."
    }
    "limits" {
        "body_bytes" Number "Largest request body, bytes."
        "form_bytes" Number "Largest form from a browser or relying party, bytes."
        "header_bytes" Number "Largest request head, bytes."
        "header_seconds" Number "Time for a request head, seconds."
        "handshake_seconds" Number "Time for the TLS handshake, seconds."
        "request_seconds" Number "Time for a request from head to answer, seconds."
        "idle_seconds" Number "An HTTP/2 connection without a running request ends after so many seconds."
        "shutdown_seconds" Number "Time that running requests have at shutdown, seconds."
        "connections" Number "Open connections; more wait in the operating system's backlog."
        "connections_per_source" Number "Open connections of one source; 0 for no limit."
        "streams_per_connection" Number "Concurrent HTTP/2 streams on a connection."
        "requests_per_source_minute" Number "Requests of one source, per minute; 0 for no limit."
        "logins_per_source_minute" Number "Logins that one source may start, per minute."
        "unknown_names_per_source_minute" Number "Activation names that exist nowhere, per source and minute."
    }
    "activation" {
        "expiry_seconds" Number "Life of an activation, seconds."
        "tries" Number "Tries of an activation code."
        "digits_tries" Number "Tries of the eight digits."
        "waiting_seconds" Number "Wait of a device that another means handed out, seconds."
        "first_approval_seconds" Number "Time from the server's first answer to the first PIN approval, seconds."
    }
    "pin" {
        "tries_per_round" Number "Tries in a round."
        "waits_seconds" NumberList "Waits between the rounds, seconds."
    }
    "approval" {
        "lifetime_seconds" Number "Life of a challenge, seconds, at most 180."
        "qr_valid_seconds" Number "How long a QR frame is good, seconds."
        "qr_frames_ahead" Number "QR frames that a browser gets ahead of time."
        "numbers_per_minute" Number "Eight-digit numbers that a device may try, per minute."
        "locked_pushes" Switch "Push logins of browsers that are not remembered, locked until their number is typed."
        "locked_waiting" Number "Locked requests that may wait for one source and account."
        "poll_token_seconds" Number "Life of the token that a phone polls with, seconds."
        "long_poll_seconds" Number "How long a poll may wait, seconds; below limits.request_seconds."
        "software_keys_high" Switch "Test environments only: software keys count as High."
    }
    "app" {
        "recommended" Text "Older versions are told that a newer one is recommended."
        "required" Text "Older versions are told that a newer one is required from app.required_from on, and refused then."
        "required_from" Text "When app.required is required: Unix seconds, or a date such as 2027-01-15T08:00:00Z."
        "refused_below" Text "Older versions are refused."
    }
    "means" {
        "policy" Text "Policy file: which means and combinations give which level, relative to this file; \"\" for the one built in."
        "tries_per_source_minute" Number "Tries of password, code display or chip that one source may make, per minute."
    }
    "oidc" {
        "par_seconds" Number "Life of a pushed authorisation request, seconds."
        "code_seconds" Number "Life of an authorisation code, seconds."
        "id_token_seconds" Number "Life of an ID token, seconds."
        "access_token_seconds" Number "Life of an access token, seconds."
        "ciba_interval_seconds" Number "Shortest time between two CIBA polls, seconds."
        "session_seconds" Number "Life of a browser's session with relying parties that share logins or hear of logouts, seconds."
        "notification_authorities" Text "PEM file of authorities trusted beside the system's where relying parties are notified; \"\" for none."
    }
    "push" {
        "coalesce_seconds" Number "Shortest time between two wake-ups of a phone, seconds."
        "fcm_project" Text "Firebase project; turns FCM on."
        "fcm_key" Text "The service account's key in JSON (mode 0600), relative to this file."
        "fcm_url" Text "The https origin of FCM."
        "apns_topic" Text "The app's bundle identifier; turns APNs on."
        "apns_team" Text "Apple's team id."
        "apns_key_id" Text "The id of the key in push.apns_key."
        "apns_key" Text "Apple's key (.p8, mode 0600), relative to this file."
        "apns_url" Text "The https origin of APNs."
        "apns_sandbox_url" Text "The https origin of APNs for development builds."
        "web_push_hosts" TextList "Hosts that Web Push may be sent to (name, name:port, *.name, * for every public host); turn it on."
        "web_push_key" Text "The key that signs Web Push (P-256 as PKCS#8 PEM, mode 0600), relative to this file."
        "web_push_contact" Text "Whom operators of Web Push services can ask: mailto: or https:."
        "web_push_private" Switch "Test environments only: Web Push may reach this machine and its network."
        "authorities" Text "PEM file of authorities trusted beside the system's at push gateways; \"\" for none."
    }
    "self_service" {
        "token_seconds" Number "Life of its access tokens, and so of a visit, seconds."
        "fresh_seconds" Number "How old the login may be where something is added, removed or set, seconds."
    }
    "admin" {
        "listen" Text "Address of a listener of its own for /admin, with the same TLS; \"\" leaves it on server.listen."
        "token_file" Text "File with the bearer token (mode 0600), relative to server.data_dir."
    }
    "log" {
        "level" Text "error, warn, info, debug or trace."
        "sign_again_seconds" Number "The audit log's checkpoint is signed again after so many seconds without news; 0 for never."
        "checked_before_start_mb" Number "An audit log up to so many megabytes is read whole before a start, a longer one behind the running server."
        "witnesses" TextList "Witnesses of the audit log, each \"<verifier key> <file of its newest cosigned checkpoint>\"; a log older than it does not start."
    }
}
