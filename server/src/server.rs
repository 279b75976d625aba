//! The whole server in one call: [`start`] opens store, log and keys, replays, and serves until [`Running::stop`]. The
//! binary, the tests and the headless example start it the same way.

mod background;
mod counting;
mod log_check;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use godkend_protocol::keyset::Root;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::log_check::LogCheck;
use crate::activation::{Judge, JudgeError};
use crate::app::{App, Clock, Wake};
use crate::audit::AuditLog;
use crate::config::{Config, Finding, Severity, TlsMode};
use crate::error::ApiError;
use crate::keys::{KeysError, ServerKeys};
use crate::log::{Behind, LogError, Opened, Sequencer, SequencerConfig};
use crate::ops::health::Readiness;
use crate::ops::metrics::Metrics;
use crate::ops::secrets::{self, SecretError};
use crate::ops::serve::{self, Serving};
use crate::ops::shutdown::{Shutdown, Stopping};
use crate::ops::tls::{self, TlsError};
use crate::records::{Account, Document as _};
use crate::store::counted::Counted;
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use crate::throttle::Throttle;
use crate::witness::{self, WitnessError};

/// The self-made certificate's file in the data folder, as PEM.
pub const CERTIFICATE_FILE: &str = "tls-certificate.pem";

/// A running server.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The origin that phones and browsers use.
    pub url: String,
    /// The public root, for phones.
    pub root: Root,
    /// Its parts, for programs that embed it.
    pub app: Arc<App>,
    /// Its metrics.
    pub metrics: Metrics,
    /// Where the desk's interface is, if it has a listener of its own.
    pub admin_addr: Option<SocketAddr>,
    /// Where the metrics are, if they are served.
    pub metrics_addr: Option<SocketAddr>,
    shutdown: Shutdown,
    main: JoinHandle<()>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("addr", &self.addr).field("url", &self.url).finish_non_exhaustive()
    }
}

impl Running {
    /// What stops it, for signals.
    #[must_use]
    pub const fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Lets running requests finish, writes what waits to log and database, and ends.
    pub async fn stop(self) {
        self.shutdown.stop();
        self.ended().await;
    }

    /// Returns when the server has stopped, for whatever reason.
    pub async fn ended(self) {
        if self.main.await.is_err() {
            tracing::error!("the server ended with a fault");
        }
    }
}

/// What the operator may decide at a start.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// The log was lost and will not come back: begin a new epoch ([`Behind::NewEpoch`]).
    pub new_epoch: bool,
    /// Means of the embedder's own, which the policy may name.
    pub more_means: Vec<Arc<dyn crate::means::Means>>,
}

/// Why the server did not start. Nothing has been changed but what a start always does.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has errors: correct them.
    #[error("the configuration has errors:{}", sentences(.0))]
    Config(Vec<Finding>),
    /// The keys: run `init`, or restore them.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A secret file: see there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// `[attestation]`.
    #[error(transparent)]
    Attestation(#[from] JudgeError),
    /// The policy of the means: see there.
    #[error(transparent)]
    Policy(#[from] crate::policy::PolicyError),
    /// `[push]`: see there.
    #[error(transparent)]
    Push(#[from] crate::push::PushError),
    /// The database: see there.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log: see there. One that was lost for good needs a new epoch (`serve --new-epoch`).
    #[error(transparent)]
    Log(#[from] LogError),
    /// There is a log, and the database beside it is empty: citizens and phones are not in a log.
    #[error(
        "the database is empty, and the log beside it has {entries} entries: put back a copy of the database; to begin \
         an empty environment instead, move the folder of the log away"
    )]
    DatabaseLost {
        /// Entries of the log.
        entries: u64,
    },
    /// A witness's checkpoint: see there.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// What the log knows and the database does not could not be replayed.
    #[error("the log could not be replayed into the database: {0}")]
    Replay(ApiError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Phones would refuse the TLS key: sign a new key set with `keys rotate`.
    #[error("the TLS key is not among the pins of the key set; run `keys rotate`")]
    NotPinned,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

fn sentences(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("\n{finding}")).collect()
}

/// Starts the server on the address of its configuration.
///
/// # Errors
/// [`StartError`].
pub async fn start(config: Config) -> Result<Running, StartError> {
    let address = config.server.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    start_on(config, listener, StartOptions::default()).await
}

/// [`start`], on a listener that is open already, so that its port can be part of the configuration.
///
/// # Errors
/// [`StartError`].
pub async fn start_on(config: Config, listener: TcpListener, options: StartOptions) -> Result<Running, StartError> {
    let shutdown = Shutdown::new();
    let assembled = assemble(config, Clock::default(), shutdown.receiver(), options).await?;
    let Assembled { app, routes, admin, sequencer, tls, metrics } = assembled;

    let config = &app.config;
    let address = config.server.listen;
    let addr = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
    let metrics_listener = bind(config.metrics.listen).await?;
    let admin_listener = bind(config.admin.listen).await?;
    let metrics_addr = metrics_listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let admin_addr = admin_listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let (limits, trusted_proxies) = (config.limits.clone(), config.server.trusted_proxies.clone());
    let (url, root) = (config.server.public_url.clone(), app.keys.root.clone());
    let (router, admin) = match admin_listener {
        None => (routes.merge(admin), None),
        Some(listener) => (routes, Some((listener, admin))),
    };
    let stop = shutdown.receiver();
    let tls = tls.map(|identity| identity.config);
    let serving = Serving { tls, limits, trusted_proxies, metrics: metrics.clone(), stop };
    tokio::spawn(counting::run(app.clone(), metrics.clone()));
    let main = tokio::spawn(run(app.clone(), sequencer, (listener, router), admin, serving, metrics_listener));
    Ok(Running { addr, url, root, app, metrics, admin_addr, metrics_addr, shutdown, main })
}

/// A server whose database and log agree, and that nobody serves yet.
pub struct Assembled {
    /// Its parts.
    pub app: Arc<App>,
    /// For phones, browsers and relying parties.
    pub routes: Router,
    /// For desks.
    pub admin: Router,
    /// Writes the log; it has to run.
    pub sequencer: Sequencer,
    /// What it shows; none where TLS is off.
    pub tls: Option<tls::TlsIdentity>,
    /// Its metrics.
    pub metrics: Metrics,
}

/// All of a start but listening: for [`start_on`], and for programs that call the routes themselves. Long polls end when
/// `stop` turns true.
///
/// # Errors
/// [`StartError`].
pub async fn assemble(
    config: Config,
    clock: Clock,
    stop: tokio::sync::watch::Receiver<bool>,
    options: StartOptions,
) -> Result<Assembled, StartError> {
    let findings = config.check();
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Warning) {
        tracing::warn!(setting = finding.setting, "a setting is unwise; run `check`");
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(StartError::Config(findings));
    }
    let now = clock.now_ms().div_euclid(1000);
    let keys = ServerKeys::load(&config, now)?;
    let means = crate::means::Registry::new(&options.more_means);
    let policy = crate::policy::Policy::load(&config, &means.implemented())?;
    let attestation = Judge::load(&config)?;
    let token = secrets::load_admin_token(&config.in_data_dir(&config.admin.token_file))?;
    let tls = identity(&config, &keys, now)?;

    let metrics = Metrics::new();
    let push = crate::push::Push::new(&config, &metrics)?;
    let store: Arc<dyn Store> = Arc::new(Counted::new(Arc::new(open_store(&config).await?), &metrics));
    let check = LogCheck::of(&config, &keys, options.new_epoch);
    if let Some(check) = check.as_ref().filter(|check| !check.is_long()) {
        check.before_start().await?;
    }
    let Opened { log, sequencer, entries_ahead, .. } =
        open_log(&config, &keys, store.clone(), now, options.new_epoch).await?;
    let unknown = u64::try_from(entries_ahead.len()).unwrap_or(u64::MAX);
    if unknown > 0 && unknown == log.size() && store.scan(Account::KIND, None, 1).await?.is_empty() {
        return Err(StartError::DatabaseLost { entries: unknown });
    }
    if let Some(check) = check.filter(LogCheck::is_long) {
        check.behind(log.clone());
    }
    let log = AuditLog::new(log);
    let app = Arc::new(App {
        config,
        store,
        log,
        keys,
        attestation,
        policy,
        means,
        clock,
        wake: Wake::default(),
        push,
        throttle: Throttle::default(),
        stopping: Stopping::new(stop),
        restored_at: AtomicU64::new(0),
    });
    let replayed = crate::replay::run(&app, &entries_ahead).await.map_err(StartError::Replay)?;
    if replayed.entries > 0 {
        tracing::warn!(entries = replayed.entries, "the database was older than the log and was brought up to date");
    }
    let admin = crate::admin::routes(app.clone(), token);
    let routes = main_routes(&app);
    Ok(Assembled { app, routes, admin, sequencer, tls, metrics })
}

async fn bind(address: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = address else { return Ok(None) };
    let bound = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    Ok(Some(bound))
}

/// All routes of the main listener but the desk's.
fn main_routes(app: &Arc<App>) -> Router {
    let (store, log) = (app.store.clone(), app.log.clone());
    let readiness = Readiness::new()
        .check("database", move || {
            let store = store.clone();
            async move { store.healthy().await.is_ok() }
        })
        .check("log", move || {
            let well = log.log().trouble().is_none();
            async move { well }
        })
        .until(app.stopping.clone());
    Router::new()
        .merge(crate::phone::routes().with_state(app.clone()))
        .merge(crate::oidc::routes(app.clone()))
        .merge(crate::web::routes(app.clone()))
        .merge(crate::citizen::routes(app.clone()))
        .merge(witness::routes(app.clone()))
        .merge(readiness.routes())
}

/// Serves until told to stop. The log is written to the end after the last request, and the database closed after it.
async fn run(
    app: Arc<App>,
    sequencer: Sequencer,
    (listener, router): (TcpListener, Router),
    admin: Option<(TcpListener, Router)>,
    serving: Serving,
    metrics_listener: Option<TcpListener>,
) {
    let (last, stopped) = tokio::sync::oneshot::channel::<()>();
    let sequencing = tokio::spawn(sequencer.run(async move {
        // A sender that is gone means the same.
        let _ = stopped.await;
    }));
    let background = tokio::spawn(background::run(app.clone()));
    let metrics = metrics_listener.map(|listener| {
        let routes = serving.metrics.routes();
        let plain = Serving::new(serving.limits.clone(), serving.stop.clone());
        tokio::spawn(serve::serve(listener, routes, plain))
    });
    let desk = admin.map(|(listener, routes)| {
        let Serving { tls, limits, trusted_proxies, metrics, stop } = &serving;
        let like = Serving {
            tls: tls.clone(),
            limits: limits.clone(),
            trusted_proxies: trusted_proxies.clone(),
            metrics: metrics.clone(),
            stop: stop.clone(),
        };
        tokio::spawn(serve::serve(listener, routes, like))
    });
    serve::serve(listener, router, serving).await;
    if let Some(desk) = desk {
        let _ = desk.await;
    }
    let _ = background.await;
    if let Some(metrics) = metrics {
        let _ = metrics.await;
    }
    let _ = last.send(());
    let _ = sequencing.await;
    app.store.close().await;
}

fn identity(config: &Config, keys: &ServerKeys, now: i64) -> Result<Option<tls::TlsIdentity>, StartError> {
    let key = secrets::load_p256(&config.data_dir().join("secrets").join(tls::KEY_FILE))?;
    let identity = tls::identity(config, &key, u64::try_from(now).unwrap_or(0))?;
    let pinned = |pin: &[u8; 32]| keys.set.tls_pins.iter().any(|known| known.0 == *pin);
    match identity {
        Some(identity) if !pinned(&identity.spki_sha256) => Err(StartError::NotPinned),
        Some(identity) => {
            if config.tls.mode == TlsMode::SelfMade {
                publish_certificate(config, &identity);
            }
            Ok(Some(identity))
        }
        None => Ok(None),
    }
}

/// The self-made certificate as a file of the data folder: for relying parties, which know neither the root nor its pins.
/// Made anew at each start, with the same key and name, so that a copy from before still serves.
fn publish_certificate(config: &Config, identity: &tls::TlsIdentity) {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(&identity.certificate);
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| core::str::from_utf8(line).ok()).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    if let Err(error) = std::fs::write(config.data_dir().join(CERTIFICATE_FILE), pem) {
        tracing::warn!(%error, "the server's certificate could not be written to the data folder");
    }
}

async fn open_store(config: &Config) -> Result<SqliteStore, StoreError> {
    use rand_core::Rng as _;
    let instance = tls::system_random().next_u64();
    SqliteStore::open(&config.in_data_dir(&config.database.path), instance).await
}

async fn open_log(
    config: &Config,
    keys: &ServerKeys,
    store: Arc<dyn Store>,
    now: i64,
    new_epoch: bool,
) -> Result<Opened, StartError> {
    let witnessed = witness::cosigned(config, keys)?;
    let settings = |epoch| {
        let clock = Clock::default();
        SequencerConfig {
            dir: config.data_dir().join(LOG_DIR),
            environment: config.server.environment.clone(),
            epoch,
            behind: if new_epoch { Behind::NewEpoch } else { Behind::Refuse },
            signers: keys.checkpoint_signers(),
            earlier: keys.earlier_checkpoint_keys(),
            clock: Arc::new(move || u64::try_from(clock.now_ms().div_euclid(1000)).unwrap_or(0)),
            rng: Box::new(tls::system_random()),
            witnessed: witnessed.clone(),
            sign_again_after: config.log.sign_again_seconds,
        }
    };
    // The time names an epoch; where the clock is behind the last one, the number after it does.
    match Sequencer::open(Arc::clone(&store), settings(u64::try_from(now).unwrap_or(0))).await {
        Err(LogError::EpochTooLow { last }) => Ok(Sequencer::open(store, settings(last.saturating_add(1))).await?),
        opened => Ok(opened?),
    }
}

/// The log's folder in the data folder.
pub const LOG_DIR: &str = "log";
