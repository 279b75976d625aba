//! The server's side of activation and polling, in the protocol's own words, with faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use godkend_client::core::Config;
use godkend_client::entropy::Entropy;
use godkend_client::software_keys::{Persona, SoftwareKeys};
use godkend_client::state::{MemoryStore, StateStore, StoreError};
use godkend_client::{ClientConfig, Root, TransportConfig};
use godkend_protocol::bytes::{Blob, Fixed, Hash32, Id, PublicKey, Secret};
use godkend_protocol::cose::{self, Received, SignedMessage, Unsigned};
use godkend_protocol::formats::link::{ActivationLink, Link};
use godkend_protocol::keyset::{HpkePublic, KeySet, SignedKeySet};
use godkend_protocol::messages::activation::{
    ActivationOffer, ActivationOpen, Enrol, EnrolCore, EnrolReply, SealedEnrol, SealedReply, transcript,
};
use godkend_protocol::messages::approval::{Pending, PendingItem, Poll, PollOpen, PollOpened};
use godkend_protocol::messages::device::{AskOverview, BlockSelf, Overview};
use godkend_protocol::messages::{Done, ErrorReply};
use godkend_protocol::suite::{HpkeKey, Psk, Sealed};
use godkend_protocol::types::{DeviceInfo, SecurityLevel, Suite, VersionPolicy};
use godkend_protocol::{cbor, crypto};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

const ENVIRONMENT: &str = "test";
const FOREVER: i64 = 4_000_000_000;

/// Requests (path and body) and saves (`save`), in their order.
type Log = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// What goes wrong with a request.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// The connection breaks before the server has seen the request.
    Lost,
    /// The server acts and the connection breaks before the reply.
    ReplyLost,
    /// A load balancer's error page.
    Gateway,
    /// Throttled, for so many seconds.
    Throttled(u32),
    /// No answer for a minute.
    Hangs,
}

pub(crate) struct Server {
    address: SocketAddr,
    root: Secret<32>,
    challenge: Secret<32>,
    hpke: HpkeKey,
    activation: (Id, Secret<32>),
    possession: Mutex<Option<PublicKey>>,
    enrolled: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// What is served with, and what the key set says; none without TLS.
    tls: Mutex<Option<TlsAcceptor>>,
    key_set: Mutex<(u64, Vec<Hash32>)>,
    pending: watch::Sender<Vec<(Id, bool)>>,
    faults: Mutex<BTreeMap<&'static str, VecDeque<Fault>>>,
    /// Requests (path and body) and saves (`save`), in their order.
    pub(crate) log: Log,
}

impl Server {
    pub(crate) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            root: Secret([1; 32]),
            challenge: Secret([2; 32]),
            hpke: HpkeKey::from_seed(Suite::P256, &Secret([3; 32])),
            activation: (Fixed([4; 16]), Secret([5; 32])),
            possession: Mutex::default(),
            enrolled: Mutex::default(),
            tls: Mutex::default(),
            key_set: Mutex::new((1, Vec::new())),
            pending: watch::Sender::new(Vec::new()),
            faults: Mutex::default(),
            log: Arc::default(),
        });
        let shared = Arc::clone(&server);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = Arc::clone(&shared);
                let tls = server.tls.lock().unwrap().clone();
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| Arc::clone(&server).serve(request));
                    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let Some(tls) = tls else {
                        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                        return;
                    };
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        server
    }

    /// A new TLS key; told by a new key set, or by nobody.
    pub(crate) fn new_tls_key(&self, told: bool) {
        let certified = rcgen::generate_simple_self_signed(["elsewhere.example".to_owned()]).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        // In HTTP/2 a fault would break a stream and not the connection.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        *self.tls.lock().unwrap() = Some(TlsAcceptor::from(Arc::new(config)));
        if told {
            let mut key_set = self.key_set.lock().unwrap();
            *key_set = (key_set.0 + 1, vec![godkend_client::pin_of(certified.cert.der()).unwrap()]);
        }
    }

    pub(crate) fn root(&self) -> Root {
        Root {
            environment: ENVIRONMENT.to_owned(),
            url: match *self.tls.lock().unwrap() {
                Some(_) => format!("https://{}", self.address),
                None => format!("http://{}", self.address),
            },
            key: crypto::p256_public(&self.root).unwrap(),
            pq_key: None,
        }
    }

    pub(crate) fn link(&self) -> String {
        Link::Activation(ActivationLink {
            environment: ENVIRONMENT.to_owned(),
            id: self.activation.0,
            secret: self.activation.1.clone(),
            root: self.root().fingerprint(),
            expires: FOREVER,
        })
        .to_text()
    }

    /// The next requests of this path go wrong so.
    pub(crate) fn fail(&self, path: &'static str, faults: &[Fault]) {
        self.faults.lock().unwrap().entry(path).or_default().extend(faults);
    }

    /// What waits for the phone.
    pub(crate) fn set_pending(&self, items: &[(u8, bool)]) {
        self.pending.send_replace(items.iter().map(|(id, locked)| (Fixed([*id; 16]), *locked)).collect());
    }

    /// The bodies that were sent to a path.
    pub(crate) fn sent(&self, path: &str) -> Vec<Vec<u8>> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|(to, _)| to == path).map(|(_, body)| body.clone()).collect()
    }

    async fn serve(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let path = request.uri().path().strip_prefix("/phone/v1/").unwrap().to_owned();
        let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
        self.log.lock().unwrap().push((path.clone(), body.clone()));
        let fault = self.faults.lock().unwrap().get_mut(path.as_str()).and_then(VecDeque::pop_front);
        let reply = |status: u16, body: Vec<u8>| {
            Ok(Response::builder().status(status).header("content-type", "application/cbor").body(body.into()).unwrap())
        };
        match fault {
            Some(Fault::Lost) => return Err(io::ErrorKind::ConnectionReset.into()),
            Some(Fault::Gateway) => {
                return Ok(Response::builder().status(502).body(Bytes::from_static(b"Bad Gateway").into()).unwrap());
            }
            Some(Fault::Throttled(seconds)) => {
                let code = "throttled".to_owned();
                let error = ErrorReply { code, retry_after: Some(seconds), tries_left: None };
                return reply(429, cbor::encode(&error));
            }
            Some(Fault::Hangs) => tokio::time::sleep(Duration::from_secs(60)).await,
            Some(Fault::ReplyLost) | None => {}
        }
        let body = self.answer(&path, &body).await;
        if matches!(fault, Some(Fault::ReplyLost)) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        reply(200, body)
    }

    async fn answer(&self, path: &str, body: &[u8]) -> Vec<u8> {
        match path {
            "keys" => self.key_set(),
            ActivationOpen::PATH => {
                let open: ActivationOpen = cbor::decode(body).unwrap();
                assert_eq!(open.id, Some(self.activation.0));
                self.sign(&ActivationOffer {
                    id: self.activation.0,
                    open_hash: crypto::sha256(&[body]),
                    suite: Suite::P256,
                    hpke_key: self.hpke.public().clone(),
                    nonce: Fixed([6; 32]),
                    issued: 1,
                    security: SecurityLevel::Software,
                    key_set: 1,
                })
            }
            SealedEnrol::PATH => {
                let known = self.enrolled.lock().unwrap().get(body).cloned();
                known.unwrap_or_else(|| {
                    let reply = self.enrol(body);
                    self.enrolled.lock().unwrap().insert(body.to_vec(), reply.clone());
                    reply
                })
            }
            PollOpen::PATH => {
                self.verify::<PollOpen>(body);
                cbor::encode(&PollOpened { token: Secret([7; 32]), expires_in: 600, policy: VersionPolicy::Current })
            }
            Poll::PATH => {
                let poll: Poll = cbor::decode(body).unwrap();
                let mut pending = self.pending.subscribe();
                let news = pending.wait_for(|now| now.iter().map(|(id, _)| *id).collect::<Vec<_>>() != poll.known);
                if poll.wait > 0 {
                    drop(tokio::time::timeout(Duration::from_secs(poll.wait.into()), news).await);
                }
                let items = self.pending.borrow().clone();
                let item = |(id, locked)| PendingItem { id, locked, expires_in: 60 };
                cbor::encode(&Pending { items: items.into_iter().map(item).collect() })
            }
            AskOverview::PATH => {
                self.verify::<AskOverview>(body);
                cbor::encode(&Overview { devices: vec![], browsers: vec![], locked_push: true, pin: None })
            }
            BlockSelf::PATH => {
                self.verify::<BlockSelf>(body);
                cbor::encode(&Done {})
            }
            other => panic!("nothing answers {other}"),
        }
    }

    fn enrol(&self, body: &[u8]) -> Vec<u8> {
        let request: SealedEnrol = cbor::decode(body).unwrap();
        let psk = Psk { secret: &self.activation.1, id: &self.activation.0 };
        let sealed = Sealed { enc: request.enc, ciphertext: request.ciphertext };
        let (plain, reply_key) = self.hpke.open(Some(psk), &request.offer.0, &sealed).unwrap();
        let enrol: Enrol = cbor::decode(&plain).unwrap();
        let core: EnrolCore = cbor::decode(&enrol.core.0).unwrap();
        let offer = Received::<ActivationOffer>::parse(&request.offer.0, ENVIRONMENT).unwrap();
        *self.possession.lock().unwrap() = Some(core.keys[0].public);
        let reply = self.sign(&EnrolReply {
            transcript: transcript(&enrol.open.0, offer.payload(), &enrol.core.0),
            nonce: Fixed([8; 32]),
            account: Fixed([9; 16]),
            device: Fixed([10; 16]),
            identity_name: "Anna Ancher".to_owned(),
            ratchet: Secret([11; 16]),
            finish_before: FOREVER,
        });
        cbor::encode(&SealedReply { ciphertext: Blob(reply_key.seal(&reply)) })
    }

    fn key_set(&self) -> Vec<u8> {
        let (number, tls_pins) = self.key_set.lock().unwrap().clone();
        let set = KeySet {
            number,
            issued: 1,
            expires: FOREVER,
            tls_pins,
            challenge_keys: vec![crypto::p256_public(&self.challenge).unwrap()],
            log_keys: vec![crypto::p256_public(&self.challenge).unwrap()],
            hpke_keys: vec![HpkePublic { suite: Suite::P256, public: self.hpke.public().clone() }],
            suites: vec![Suite::P256],
            log_pq_key: None,
        };
        let sign = |tbs: &[u8]| crypto::p256_sign(&self.root, tbs);
        let public = crypto::p256_public(&self.root).unwrap();
        cbor::encode(&SignedKeySet::sign(&set, ENVIRONMENT, &public, sign, None).unwrap())
    }

    fn sign<M: SignedMessage>(&self, message: &M) -> Vec<u8> {
        let public = crypto::p256_public(&self.challenge).unwrap();
        let unsigned = Unsigned::new(message, ENVIRONMENT, Some(cose::key_id(&public)));
        let signature = crypto::p256_sign(&self.challenge, &unsigned.to_be_signed()).unwrap();
        unsigned.assemble(&signature, &public).unwrap()
    }

    fn verify<M: SignedMessage>(&self, bytes: &[u8]) {
        let key = self.possession.lock().unwrap().expect("not enrolled");
        cose::open::<M>(bytes, ENVIRONMENT, &key).unwrap();
    }
}

/// A store that writes each save into the server's log.
pub(crate) struct LoggedStore {
    pub(crate) inner: MemoryStore,
    log: Log,
}

impl StateStore for LoggedStore {
    fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.inner.load()
    }

    fn save(&self, blob: &[u8]) -> Result<(), StoreError> {
        self.inner.save(blob)?;
        self.log.lock().unwrap().push(("save".to_owned(), blob.to_vec()));
        Ok(())
    }
}

/// A phone's parts, which outlive its client.
pub(crate) struct Phone {
    pub(crate) store: Arc<LoggedStore>,
    pub(crate) keys: Arc<SoftwareKeys>,
    pub(crate) config: ClientConfig,
}

impl Phone {
    pub(crate) fn new(server: &Server) -> Self {
        let store = Arc::new(LoggedStore { inner: MemoryStore::default(), log: Arc::clone(&server.log) });
        let keys = Arc::new(SoftwareKeys::in_memory(Entropy::system(), Persona::default()));
        let info = DeviceInfo {
            model: "Test".to_owned(),
            platform: "none".to_owned(),
            app_version: "1.0.0".to_owned(),
            language: "da".to_owned(),
        };
        let core =
            Config { roots: vec![server.root()], info, suites: vec![Suite::P256], security: SecurityLevel::Software };
        let transport = TransportConfig {
            first_backoff: Duration::from_millis(10),
            most_backoff: Duration::from_millis(20),
            ..TransportConfig::default()
        };
        let config = ClientConfig { core, store: store.clone(), keys: keys.clone(), transport };
        Self { store, keys, config }
    }
}
