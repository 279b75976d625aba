//! The floor: a server that does the dear parts of a login and nothing else. Through the same stack (TLS, HTTP/2,
//! limits, metrics) a request names how many signatures are to be verified and made, how many OPAQUE tries started
//! and how many small documents committed, each durably and by the same group commit.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as Named, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use godkend_protocol::bytes::{Blob, Fixed, Hash32, Id, PublicKey, Secret, Signature, random};
use godkend_protocol::crypto;
use godkend_protocol::opaque::{Registering, ServerSecrets, Trying, finish_registration};
use godkend_server::keys::{newest_key_set, read_root};
use godkend_server::ops::metrics::Metrics;
use godkend_server::ops::secrets::{P256Key, load_p256};
use godkend_server::ops::serve::{Serving, serve};
use godkend_server::ops::shutdown::Shutdown;
use godkend_server::ops::tls::{self, system_random};
use godkend_server::store::sqlite::SqliteStore;
use godkend_server::store::{Batch, Expect, Kind, Put, Store as _};
use tokio::net::TcpListener;

use crate::clock;
use crate::embedded;
use crate::problem::Problem;

/// A running floor.
pub(crate) struct Floor {
    pub(crate) url: String,
    pub(crate) metrics: Option<String>,
    shutdown: Shutdown,
    main: tokio::task::JoinHandle<bool>,
}

/// What one request does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Work {
    pub(super) verifications: u32,
    pub(super) signatures: u32,
    pub(super) opaque_starts: u32,
    pub(super) commits: u32,
}

/// What it does it with.
struct Tools {
    store: SqliteStore,
    key: P256Key,
    message: [u8; 400],
    signature: Signature,
    opaque: ServerSecrets,
    record: Blob,
    ke1: Blob,
    credential: Id,
}

impl Floor {
    /// Starts the floor in an environment's directory, which is made where there is none.
    ///
    /// # Errors
    /// [`Problem::Embedded`].
    pub(crate) async fn start(directory: &Path, options: &embedded::Options) -> Result<Self, Problem> {
        let failed = |error: &dyn std::fmt::Display| Problem::Embedded(error.to_string());
        let (listener, mut config) = embedded::prepare(directory, options).await?;
        config.limits.requests_per_source_minute = 0;
        config.limits.connections_per_source = 0;
        let key = load_p256(&config.data_dir().join("secrets").join(tls::KEY_FILE)).map_err(|e| failed(&e))?;
        let now = u64::try_from(clock::unix()).unwrap_or(0);
        let identity = tls::identity(&config, &key, now).map_err(|e| failed(&e))?;
        let store = SqliteStore::open(&config.data_dir().join("floor.db"), 1).await.map_err(|e| failed(&e))?;
        let tools = Tools::new(store).ok_or_else(|| Problem::Embedded("the floor has no tools".to_owned()))?;
        let shutdown = Shutdown::new();
        let metrics = Metrics::new();
        let (root, now) = (read_root(&config.data_dir()).map_err(|e| failed(&e))?, clock::unix());
        let (keys, _) = newest_key_set(&config.data_dir(), &root, now).map_err(|e| failed(&e))?;
        let routes = Router::new()
            .route("/floor/{work}", post(work))
            .with_state(Arc::new(tools))
            // So that the same clients can be made.
            .route("/phone/v1/keys", get(move || async move { keys }));
        let beside = TcpListener::bind("127.0.0.1:0").await.map_err(|e| failed(&e))?;
        let address = beside.local_addr().ok().map(|address| format!("http://{address}/metrics"));
        let plain = Serving::new(config.limits.clone(), shutdown.receiver());
        tokio::spawn(serve(beside, metrics.routes(), plain));
        let serving = Serving {
            tls: identity.map(|identity| identity.config),
            limits: config.limits.clone(),
            trusted_proxies: Vec::new(),
            metrics,
            stop: shutdown.receiver(),
        };
        let url = config.server.public_url.clone();
        Ok(Self { url, metrics: address, shutdown, main: tokio::spawn(serve(listener, routes, serving)) })
    }

    /// Stops it.
    pub(crate) async fn stop(self) {
        self.shutdown.stop();
        let _ = self.main.await;
    }
}

impl Work {
    /// As the path says it.
    pub(super) fn path(self) -> String {
        let Self { verifications, signatures, opaque_starts, commits } = self;
        format!("/floor/{verifications}-{signatures}-{opaque_starts}-{commits}")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-').map(str::parse);
        let mut next = || parts.next()?.ok();
        let work = Self { verifications: next()?, signatures: next()?, opaque_starts: next()?, commits: next()? };
        parts.next().is_none().then_some(work)
    }
}

impl Tools {
    fn new(store: SqliteStore) -> Option<Self> {
        let mut rng = system_random();
        let key = P256Key::generate(&mut rng).ok()?;
        let message = [7; 400];
        let signature = Fixed(key.sign(&message).ok()?);
        let opaque = ServerSecrets::generate(&mut rng);
        let (credential, pin): (Id, Secret<32>) = (random(&mut rng), Secret::random(&mut rng));
        let (phone, request) = Registering::start(&mut rng, pin.clone()).ok()?;
        let response = opaque.register(&request.0, &credential).ok()?;
        let record = finish_registration(&phone.finish(&mut rng, &response.0).ok()?.upload.0).ok()?;
        let (_, ke1) = Trying::start(&mut rng, pin).ok()?;
        Some(Self { store, key, message, signature, opaque, record, ke1, credential })
    }

    async fn does(&self, work: Work) -> Option<()> {
        let public: PublicKey = Fixed(*self.key.public());
        for _ in 0..work.verifications {
            crypto::verify_es256(&public, &self.message, &self.signature).then_some(())?;
        }
        for _ in 0..work.signatures {
            self.key.sign(&self.message).ok()?;
        }
        for _ in 0..work.opaque_starts {
            let context: Hash32 = Fixed([1; 32]);
            let started =
                self.opaque.start_try(&mut system_random(), &self.record.0, &self.ke1.0, &self.credential, &context);
            started.ok()?;
        }
        for _ in 0..work.commits {
            let id: Id = random(&mut system_random());
            let put = Put {
                kind: Kind("floor"),
                id: id.0.to_vec(),
                owner: Vec::new(),
                expires: None,
                body: vec![b'x'; 64],
                expect: Expect::Absent,
            };
            self.store.commit(Batch { puts: vec![put], ..Batch::default() }).await.ok()?;
        }
        Some(())
    }
}

async fn work(State(tools): State<Arc<Tools>>, Named(text): Named<String>) -> StatusCode {
    let Some(work) = Work::parse(&text) else { return StatusCode::NOT_FOUND };
    match tools.does(work).await {
        Some(()) => StatusCode::OK,
        None => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The same operations as so many requests did, spread over them one by one.
pub(super) fn plan(requests: u32, all: Work) -> Vec<Work> {
    let count = requests.max(1);
    let share = |whole: u32, nr: u32| whole / count + u32::from(nr < whole % count);
    (0..count)
        .map(|nr| Work {
            verifications: share(all.verifications, nr),
            signatures: share(all.signatures, nr),
            opaque_starts: share(all.opaque_starts, nr),
            commits: share(all.commits, nr),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_holds_all_of_the_work() {
        let all = Work { verifications: 7, signatures: 2, opaque_starts: 1, commits: 11 };
        let plan = plan(10, all);
        let sum = |of: fn(&Work) -> u32| plan.iter().map(of).sum::<u32>();
        assert_eq!(plan.len(), 10);
        assert_eq!((sum(|w| w.verifications), sum(|w| w.signatures)), (7, 2));
        assert_eq!((sum(|w| w.opaque_starts), sum(|w| w.commits)), (1, 11));
        assert_eq!(Work::parse(all.path().trim_start_matches("/floor/")), Some(all));
        for bad in ["", "1-2-3", "1-2-3-4-5", "a-1-1-1"] {
            assert_eq!(Work::parse(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn the_work_is_really_done() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::new(SqliteStore::open(&folder.path().join("floor.db"), 1).await.unwrap()).unwrap();
        let work = Work { verifications: 2, signatures: 1, opaque_starts: 1, commits: 3 };
        assert_eq!(tools.does(work).await, Some(()));
        assert_eq!(tools.store.count(Kind("floor")).await, Ok(3));
        let broken = Tools { signature: Fixed([1; 64]), ..tools };
        assert_eq!(broken.does(work).await, None);
    }
}
