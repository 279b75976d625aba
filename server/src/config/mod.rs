//! The server's configuration: one TOML file, every setting of which an environment variable can override.
//!
//! A setting `key` in the table `[section]` is overridden by `GODKEND_SECTION_KEY` (`[server] listen` by
//! `GODKEND_SERVER_LISTEN`). Lists are written as in TOML (`[60, 3600]`). `[[relying_party]]` and `[attestation]` come from
//! the file alone. Unknown settings are errors, in the file and in the environment: a misspelt limit must not be a
//! limit that is off.
//!
//! Each setting with its default, unit and variable stands in [`settings::SETTINGS`], from which [`Config::example`]
//! writes the commented file; a test holds the two together.
mod app_versions;
mod check;
mod check_party;
mod check_push;
mod example;
mod load;
pub mod settings;
#[cfg(test)]
mod tests;

pub use app_versions::{AppVersions, Version};
pub use check::{Finding, Severity};
pub(crate) use check_party::check_relying_party;
pub use load::ConfigError;
pub(crate) use load::RELYING_PARTY_KEYS;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Everything an operator can set. Defaults are the values of the design; see the sections for units.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where the server stands and what it calls itself.
    pub server: Server,
    /// The server's own TLS.
    pub tls: Tls,
    /// The database.
    pub database: Database,
    /// Prometheus metrics.
    pub metrics: Metrics,
    /// Bounds on connections, requests and sources.
    pub limits: Limits,
    /// Activation of an app.
    pub activation: Activation,
    /// PIN tries.
    pub pin: Pin,
    /// Approvals and browser binding.
    pub approval: Approval,
    /// Which versions of the app are served.
    pub app: AppVersions,
    /// The means of identification.
    pub means: Means,
    /// OpenID Connect lifetimes.
    pub oidc: Oidc,
    /// Wake-ups through push gateways.
    pub push: Push,
    /// The citizen's own site.
    pub self_service: SelfService,
    /// The administration interface.
    pub admin: Admin,
    /// Logs.
    pub log: Log,
    /// The attestation policy, passed on as it stands: the module that judges attestations owns and checks its keys.
    pub attestation: toml::Table,
    /// Those who may send citizens here.
    pub relying_party: Vec<RelyingParty>,
    /// Settings that nobody knows, as sentences; reported by [`Config::check`].
    #[serde(skip)]
    unknown: Vec<Finding>,
    /// The folder of the configuration file, against which a relative `server.data_dir` is read.
    #[serde(skip)]
    base: PathBuf,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    /// The environment's name inside every signed message: 1 to 32 lower-case letters, digits and hyphens.
    /// Default `test`; `GODKEND_SERVER_ENVIRONMENT`.
    pub environment: String,
    /// Allows a steerable clock, software attestation and magic identities. Default `false`;
    /// `GODKEND_SERVER_TEST_ENVIRONMENT`.
    pub test_environment: bool,
    /// Address of the main listener. Default `127.0.0.1:8443`; `GODKEND_SERVER_LISTEN`.
    pub listen: SocketAddr,
    /// The https origin that phones, browsers and relying parties use, without a path. Default
    /// `https://localhost:8443`; `GODKEND_SERVER_PUBLIC_URL`.
    pub public_url: String,
    /// Folder for secrets, database and log; relative to the configuration file's folder. Default `data`;
    /// `GODKEND_SERVER_DATA_DIR`.
    pub data_dir: PathBuf,
    /// Reverse proxies whose `X-Forwarded-For` is believed, as IP addresses. Default none;
    /// `GODKEND_SERVER_TRUSTED_PROXIES`.
    pub trusted_proxies: Vec<IpAddr>,
    /// Header in which a trusted proxy names the place that a browser seems to be at, as text for the citizen. Default
    /// empty: none; `GODKEND_SERVER_PLACE_HEADER`.
    pub place_header: String,
}

/// `[tls]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// Where the certificate comes from. Default `self-made`; `GODKEND_TLS_MODE`.
    pub mode: TlsMode,
    /// PEM chain, leaf first; only with `files`. Default empty; `GODKEND_TLS_CERTIFICATE`.
    pub certificate: PathBuf,
    /// PEM private key (PKCS#8 or SEC 1); only with `files`. Default empty; `GODKEND_TLS_KEY`.
    pub key: PathBuf,
}

/// Where the server's certificate comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// A key of the server's own and a certificate it signs itself; clients pin the key.
    #[default]
    SelfMade,
    /// The operator's certificate and key.
    Files,
    /// Plain HTTP/1.1: only behind a proxy that ends TLS.
    Off,
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Database {
    /// SQLite file, relative to `server.data_dir`. Default `godkend.sqlite`; `GODKEND_DATABASE_PATH`.
    pub path: PathBuf,
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// Address of the plain HTTP metrics listener; the empty string turns it off. Default `127.0.0.1:9464`;
    /// `GODKEND_METRICS_LISTEN`.
    #[serde(with = "load::optional_address")]
    pub listen: Option<SocketAddr>,
}

/// `[limits]`: what one connection, one request and one source may cost. A source is an IPv4 address or an IPv6 /64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Largest request body, bytes. Default 65536; `GODKEND_LIMITS_BODY_BYTES`.
    pub body_bytes: usize,
    /// Largest form from a browser or relying party, bytes. Default 16384; `GODKEND_LIMITS_FORM_BYTES`.
    pub form_bytes: usize,
    /// Largest request head, bytes. Default 16384; `GODKEND_LIMITS_HEADER_BYTES`.
    pub header_bytes: usize,
    /// Time for a whole request head, and for the first one after the handshake, seconds. Default 10;
    /// `GODKEND_LIMITS_HEADER_SECONDS`.
    pub header_seconds: u64,
    /// Time for the TLS handshake, seconds. Default 10; `GODKEND_LIMITS_HANDSHAKE_SECONDS`.
    pub handshake_seconds: u64,
    /// Time for a request from its head to its answer, body included, seconds. Default 40;
    /// `GODKEND_LIMITS_REQUEST_SECONDS`.
    pub request_seconds: u64,
    /// An HTTP/2 connection without a running request ends after so many seconds, and an answer must be taken within
    /// them. Default 60; `GODKEND_LIMITS_IDLE_SECONDS`.
    pub idle_seconds: u64,
    /// Time that running requests have at shutdown, seconds. Default 10; `GODKEND_LIMITS_SHUTDOWN_SECONDS`.
    pub shutdown_seconds: u64,
    /// Open connections; more wait in the operating system's backlog. Default 4096; `GODKEND_LIMITS_CONNECTIONS`.
    pub connections: usize,
    /// Open connections of one source, 0 for no limit; not applied to trusted proxies. Default 256;
    /// `GODKEND_LIMITS_CONNECTIONS_PER_SOURCE`.
    pub connections_per_source: usize,
    /// Concurrent HTTP/2 streams on a connection. Default 64; `GODKEND_LIMITS_STREAMS_PER_CONNECTION`.
    pub streams_per_connection: u32,
    /// Requests of one source, per minute; 0 for no limit. Default 1200; `GODKEND_LIMITS_REQUESTS_PER_SOURCE_MINUTE`.
    pub requests_per_source_minute: u32,
    /// Logins one source may start, per minute. Default 60; `GODKEND_LIMITS_LOGINS_PER_SOURCE_MINUTE`.
    pub logins_per_source_minute: u32,
    /// Activation names one source may try that exist nowhere, per minute. Default 5;
    /// `GODKEND_LIMITS_UNKNOWN_NAMES_PER_SOURCE_MINUTE`.
    pub unknown_names_per_source_minute: u32,
}

/// `[activation]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Activation {
    /// Life of an activation, seconds. Default 600; `GODKEND_ACTIVATION_EXPIRY_SECONDS`.
    pub expiry_seconds: u64,
    /// Tries of an activation code. Default 5; `GODKEND_ACTIVATION_TRIES`.
    pub tries: u32,
    /// Tries of the eight digits. Default 3; `GODKEND_ACTIVATION_DIGITS_TRIES`.
    pub digits_tries: u32,
    /// Wait of a device that another means handed out, seconds. Default 3600; `GODKEND_ACTIVATION_WAITING_SECONDS`.
    pub waiting_seconds: u64,
    /// Time from the server's first answer to the first PIN approval, seconds. Default 1800;
    /// `GODKEND_ACTIVATION_FIRST_APPROVAL_SECONDS`.
    pub first_approval_seconds: u64,
}

/// `[pin]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pin {
    /// Tries in a round. Default 3; `GODKEND_PIN_TRIES_PER_ROUND`.
    pub tries_per_round: u32,
    /// Waits between the rounds, seconds; after the round that follows the last wait the PIN is dead. Default
    /// `[60, 3600]`, that is three rounds; `GODKEND_PIN_WAITS_SECONDS`.
    pub waits_seconds: Vec<u64>,
}

/// `[approval]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Approval {
    /// Life of a challenge, seconds, at most 180. Default 180; `GODKEND_APPROVAL_LIFETIME_SECONDS`.
    pub lifetime_seconds: u64,
    /// How long a QR frame is good, seconds. Default 3; `GODKEND_APPROVAL_QR_VALID_SECONDS`.
    pub qr_valid_seconds: u64,
    /// QR frames a browser gets ahead of time. Default 3; `GODKEND_APPROVAL_QR_FRAMES_AHEAD`.
    pub qr_frames_ahead: u32,
    /// Eight-digit numbers a device may try, per minute. Default 5; `GODKEND_APPROVAL_NUMBERS_PER_MINUTE`.
    pub numbers_per_minute: u32,
    /// Whether a login from a browser that is not remembered may push, locked until its number is typed. Default
    /// `true`; `GODKEND_APPROVAL_LOCKED_PUSHES`.
    pub locked_pushes: bool,
    /// Locked requests that may wait for one source and account. Default 1; `GODKEND_APPROVAL_LOCKED_WAITING`.
    pub locked_waiting: u32,
    /// Life of the token a phone polls with, seconds. Default 600; `GODKEND_APPROVAL_POLL_TOKEN_SECONDS`.
    pub poll_token_seconds: u64,
    /// How long a poll may wait, seconds; below `limits.request_seconds`. Default 25;
    /// `GODKEND_APPROVAL_LONG_POLL_SECONDS`.
    pub long_poll_seconds: u64,
    /// Test environments only: software keys count as High, so that every level can be tried without a phone. Default
    /// `false`; `GODKEND_APPROVAL_SOFTWARE_KEYS_HIGH`.
    pub software_keys_high: bool,
}

/// `[means]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Means {
    /// The policy file: which means and combinations give which level, relative to the configuration file's folder; the
    /// empty string for the one that is built in. Default empty; `GODKEND_MEANS_POLICY`.
    pub policy: PathBuf,
    /// Tries of the page's means that one source may make, per minute. Default 60; `GODKEND_MEANS_TRIES_PER_SOURCE_MINUTE`.
    pub tries_per_source_minute: u32,
}

/// `[oidc]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Oidc {
    /// Life of a pushed authorisation request, seconds. Default 90; `GODKEND_OIDC_PAR_SECONDS`.
    pub par_seconds: u64,
    /// Life of an authorisation code, seconds. Default 60; `GODKEND_OIDC_CODE_SECONDS`.
    pub code_seconds: u64,
    /// Life of an ID token, seconds. Default 300; `GODKEND_OIDC_ID_TOKEN_SECONDS`.
    pub id_token_seconds: u64,
    /// Life of an access token, seconds. Default 300; `GODKEND_OIDC_ACCESS_TOKEN_SECONDS`.
    pub access_token_seconds: u64,
    /// Shortest time between two CIBA polls, seconds. Default 2; `GODKEND_OIDC_CIBA_INTERVAL_SECONDS`.
    pub ciba_interval_seconds: u64,
    /// Life of a browser's session with relying parties that share logins, or that want to hear of its end, seconds.
    /// Default 1800; `GODKEND_OIDC_SESSION_SECONDS`.
    pub session_seconds: u64,
    /// PEM file of authorities that are trusted, beside the system's, at the addresses that relying parties are notified
    /// at; relative to the configuration file's folder. Default empty; `GODKEND_OIDC_NOTIFICATION_AUTHORITIES`.
    pub notification_authorities: PathBuf,
}

/// `[push]`: how phones are woken that do not poll. A service without its settings is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Push {
    /// Shortest time between two wake-ups of a phone, seconds. Default 5; `GODKEND_PUSH_COALESCE_SECONDS`.
    pub coalesce_seconds: u64,
    /// Firebase project, which turns FCM on. Default empty; `GODKEND_PUSH_FCM_PROJECT`.
    pub fcm_project: String,
    /// The service account's key as Google hands it out (JSON, mode 0600), relative to the configuration file's folder.
    /// Default empty; `GODKEND_PUSH_FCM_KEY`.
    pub fcm_key: PathBuf,
    /// The https origin of FCM. Default `https://fcm.googleapis.com`; `GODKEND_PUSH_FCM_URL`.
    pub fcm_url: String,
    /// The app's bundle identifier, which turns APNs on. Default empty; `GODKEND_PUSH_APNS_TOPIC`.
    pub apns_topic: String,
    /// Apple's team id. Default empty; `GODKEND_PUSH_APNS_TEAM`.
    pub apns_team: String,
    /// The id of the key in `apns_key`. Default empty; `GODKEND_PUSH_APNS_KEY_ID`.
    pub apns_key_id: String,
    /// The key as Apple hands it out (`.p8`, mode 0600), relative to the configuration file's folder. Default empty;
    /// `GODKEND_PUSH_APNS_KEY`.
    pub apns_key: PathBuf,
    /// The https origin of APNs. Default `https://api.push.apple.com`; `GODKEND_PUSH_APNS_URL`.
    pub apns_url: String,
    /// The same for development builds. Default `https://api.sandbox.push.apple.com`;
    /// `GODKEND_PUSH_APNS_SANDBOX_URL`.
    pub apns_sandbox_url: String,
    /// Hosts that Web Push may be sent to, which turn it on: a name means its port 443, `name:port` that port, `*.name` the
    /// names below it, `*` every public host. Default none; `GODKEND_PUSH_WEB_PUSH_HOSTS`.
    pub web_push_hosts: Vec<String>,
    /// The key that signs Web Push (P-256 as PKCS#8 PEM, mode 0600; RFC 8292), relative to the configuration file's
    /// folder. Default empty; `GODKEND_PUSH_WEB_PUSH_KEY`.
    pub web_push_key: PathBuf,
    /// Whom the operators of Web Push services can ask: a `mailto:` or `https:` address. Default empty;
    /// `GODKEND_PUSH_WEB_PUSH_CONTACT`.
    pub web_push_contact: String,
    /// Test environments only: Web Push may reach this machine and its network. Default `false`;
    /// `GODKEND_PUSH_WEB_PUSH_PRIVATE`.
    pub web_push_private: bool,
    /// PEM file of authorities that are trusted, beside the system's, at push gateways; relative to the configuration
    /// file's folder. Default empty; `GODKEND_PUSH_AUTHORITIES`.
    pub authorities: PathBuf,
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Admin {
    /// Address of a listener of its own for `/admin`, with the main listener's TLS; then the main one has none of it. The
    /// empty string leaves it on the main listener. Default empty; `GODKEND_ADMIN_LISTEN`.
    #[serde(with = "load::optional_address")]
    pub listen: Option<SocketAddr>,
    /// File with the bearer token (mode 0600), relative to `server.data_dir`. Default `secrets/admin.token`;
    /// `GODKEND_ADMIN_TOKEN_FILE`.
    pub token_file: PathBuf,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`. Default `info`; `GODKEND_LOG_LEVEL`.
    pub level: String,
    /// The audit log's checkpoint is signed again after so many seconds without a new entry, for witnesses; 0 for never.
    /// Default 3600; `GODKEND_LOG_SIGN_AGAIN_SECONDS`.
    pub sign_again_seconds: u64,
    /// A start reads the whole audit log. Up to so many megabytes (10^6 bytes) it does so before the server answers anyone,
    /// and damage refuses to start; a longer one is read behind the running server, and damage stops the log and every
    /// approval. Default 64; `GODKEND_LOG_CHECKED_BEFORE_START_MB`.
    pub checked_before_start_mb: u64,
    /// Witnesses of the audit log: each a verifier key, a space, and the file of the newest checkpoint that the witness has
    /// cosigned, relative to the configuration file's folder. A log older than it does not start. Default none;
    /// `GODKEND_LOG_WITNESSES`.
    pub witnesses: Vec<String>,
}

/// `[[relying_party]]`: one OpenID Connect client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelyingParty {
    /// Its identifier, 1 to 64 letters, digits, `.`, `_` and `-`.
    pub client_id: String,
    /// SHA-256 of its secret, 64 hex digits; the secret must be random (32 bytes), for the hash is not stretched.
    /// Absent for a client with keys, and for a public one.
    #[serde(default)]
    pub client_secret_sha256: Option<String>,
    /// Exact redirect addresses: https, or http on the loopback.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// What the citizen reads, at most 60 characters.
    pub name: String,
    /// Host name that the pairwise `sub` is computed over (OpenID Connect Core, section 8.1). Default: the host of
    /// the redirect addresses.
    #[serde(default)]
    pub sector: Option<String>,
    /// Levels it may ask for. Default all.
    #[serde(default = "all_levels")]
    pub levels: Vec<Level>,
    /// Whether it learns the CPR number. Default `none`.
    #[serde(default)]
    pub cpr: Cpr,
    /// Whether it may start a login from its own back channel (CIBA). Default `false`.
    #[serde(default)]
    pub ciba: bool,
    /// Its public keys for `private_key_jwt`, in place of a secret: each a JWK (EC, P-256) as JSON text, at most four.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Whether its tokens must be bound to a DPoP key (RFC 9449). Default `false`.
    #[serde(default)]
    pub dpop: bool,
    /// Whether a client that has a secret or keys may send a plain login with the browser, without pushing it first.
    /// Default `false`.
    #[serde(default)]
    pub unpushed: bool,
    /// The group of relying parties that share a login in one browser. Default none: each login is approved.
    #[serde(default)]
    pub single_sign_on: Option<String>,
    /// Exact addresses that a browser may be sent to after it has logged out here.
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session has ended (OpenID Connect Back-Channel Logout 1.0).
    #[serde(default)]
    pub backchannel_logout_uri: Option<String>,
    /// Where it is told that a CIBA request has been answered (ping mode); without one it polls.
    #[serde(default)]
    pub ciba_notification_uri: Option<String>,
    /// Whether it is the citizen's own site, and may ask for the scope `self_service`. Default `false`.
    #[serde(default)]
    pub self_service: bool,
}

impl RelyingParty {
    /// Whether it proves who it is, by a secret or by keys.
    #[must_use]
    pub const fn is_confidential(&self) -> bool {
        self.client_secret_sha256.is_some() || !self.keys.is_empty()
    }
}

impl Default for RelyingParty {
    /// A public client without a name or an address, as the file's defaults have it.
    fn default() -> Self {
        Self {
            client_id: String::new(),
            client_secret_sha256: None,
            redirect_uris: Vec::new(),
            name: String::new(),
            sector: None,
            levels: all_levels(),
            cpr: Cpr::None,
            ciba: false,
            keys: Vec::new(),
            dpop: false,
            unpushed: false,
            single_sign_on: None,
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            ciba_notification_uri: None,
            self_service: false,
        }
    }
}

/// `[self_service]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SelfService {
    /// Life of an access token with the scope `self_service`, in seconds. Default 900;
    /// `GODKEND_SELF_SERVICE_TOKEN_SECONDS`.
    pub token_seconds: u64,
    /// How old the login may be where something is added, removed or set, in seconds. Default 300;
    /// `GODKEND_SELF_SERVICE_FRESH_SECONDS`.
    pub fresh_seconds: u64,
}

/// A level of assurance under NSIS, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Low.
    Low,
    /// Substantial.
    Substantial,
    /// High.
    High,
}

/// What a relying party learns of the CPR number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cpr {
    /// Nothing.
    #[default]
    None,
    /// The number, as a claim: public bodies.
    Claim,
    /// Whether a number that the person typed is theirs.
    Match,
}

fn all_levels() -> Vec<Level> {
    vec![Level::Low, Level::Substantial, Level::High]
}

impl Config {
    /// The data folder; a relative setting is read from the configuration file's folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.base.join(&self.server.data_dir)
    }

    /// A path inside the data folder; an absolute one stays as it is.
    #[must_use]
    pub fn in_data_dir(&self, path: &Path) -> PathBuf {
        self.data_dir().join(path)
    }

    /// A path of `[tls]`, which is relative to the configuration file's folder.
    #[must_use]
    pub fn beside_file(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The host of `server.public_url`, if that is an address.
    #[must_use]
    pub fn public_host(&self) -> Option<String> {
        let url = url::Url::parse(&self.server.public_url).ok()?;
        // IPv6 hosts come in brackets.
        url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned())
    }
}

macro_rules! defaults {
    ($($section:ident { $($field:ident: $value:expr),* $(,)? })*) => {
        $(impl Default for $section {
            fn default() -> Self {
                Self { $($field: $value),* }
            }
        })*
    };
}

defaults! {
    Server {
        environment: "test".to_owned(), test_environment: false, listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
        public_url: "https://localhost:8443".to_owned(), data_dir: PathBuf::from("data"), trusted_proxies: Vec::new(),
        place_header: String::new(),
    }
    Database { path: PathBuf::from("godkend.sqlite") }
    Metrics { listen: Some(SocketAddr::from(([127, 0, 0, 1], 9464))) }
    Limits {
        body_bytes: 64 * 1024, form_bytes: 16 * 1024, header_bytes: 16 * 1024, header_seconds: 10,
        handshake_seconds: 10, request_seconds: 40, idle_seconds: 60, shutdown_seconds: 10, connections: 4096,
        connections_per_source: 256, streams_per_connection: 64, requests_per_source_minute: 1200,
        logins_per_source_minute: 60, unknown_names_per_source_minute: 5,
    }
    Activation {
        expiry_seconds: 600, tries: 5, digits_tries: 3, waiting_seconds: 3600, first_approval_seconds: 1800,
    }
    Pin { tries_per_round: 3, waits_seconds: vec![60, 3600] }
    Approval {
        lifetime_seconds: 180, qr_valid_seconds: 3, qr_frames_ahead: 3, numbers_per_minute: 5, locked_pushes: true,
        locked_waiting: 1, poll_token_seconds: 600, long_poll_seconds: 25, software_keys_high: false,
    }
    Means { policy: PathBuf::new(), tries_per_source_minute: 60 }
    Oidc {
        par_seconds: 90, code_seconds: 60, id_token_seconds: 300, access_token_seconds: 300, ciba_interval_seconds: 2,
        session_seconds: 1800, notification_authorities: PathBuf::new(),
    }
    Push {
        coalesce_seconds: 5, fcm_project: String::new(), fcm_key: PathBuf::new(),
        fcm_url: "https://fcm.googleapis.com".to_owned(), apns_topic: String::new(), apns_team: String::new(),
        apns_key_id: String::new(), apns_key: PathBuf::new(), apns_url: "https://api.push.apple.com".to_owned(),
        apns_sandbox_url: "https://api.sandbox.push.apple.com".to_owned(), web_push_hosts: Vec::new(),
        web_push_key: PathBuf::new(), web_push_contact: String::new(), web_push_private: false,
        authorities: PathBuf::new(),
    }
    SelfService { token_seconds: 900, fresh_seconds: 300 }
    Admin { listen: None, token_file: PathBuf::from("secrets/admin.token") }
    Log { level: "info".to_owned(), sign_again_seconds: 3600, checked_before_start_mb: 64, witnesses: Vec::new() }
}
