//! The client against a server that speaks the protocol and misbehaves on demand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use godkend_client::core::{Command, Failure, IdentityStanding, Outcome};
use godkend_client::keys::{CreatedKey, HardwareKeys, KeyAlias, KeyFailure, KeyPolicy, SecretBytes32};
use godkend_client::software_keys::{Persona, SoftwareKeys};
use godkend_client::state::{Method, StateStore as _, StoreError, Wrapping};
use godkend_client::{Client, Desktop, OpenError};
use godkend_protocol::bytes::{Fixed, PublicKey, Signature};
use godkend_protocol::codes::Code;
use support::{Fault, Phone, Server};

const SOON: Duration = Duration::from_secs(5);

async fn activated() -> (Arc<Server>, Phone, Client) {
    let server = Server::start().await;
    let phone = Phone::new(&server);
    let client = Client::open(phone.config.clone()).await.unwrap();
    client.run(activate(&server)).await.unwrap();
    (server, phone, client)
}

fn activate(server: &Server) -> Command {
    Command::Activate { text: server.link(), environment: None }
}

const OVERVIEW: Command = Command::Overview { identity: None };
const BLOCK: Command = Command::Block { identity: None };

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, work).await.expect("took too long")
}

#[tokio::test]
async fn an_activation_survives_lost_requests_and_replies_with_the_same_bytes() {
    let server = Server::start().await;
    let phone = Phone::new(&server);
    server.fail("keys", &[Fault::Lost]);
    server.fail("activation/open", &[Fault::Gateway]);
    server.fail("activation/enrol", &[Fault::Lost, Fault::ReplyLost]);
    let client = Client::open(phone.config.clone()).await.unwrap();
    assert!(client.identities().is_empty());
    let outcome = soon(client.run(activate(&server))).await.unwrap();
    let Outcome::Digits { digits, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(digits.len(), 8);
    let sent = server.sent("activation/enrol");
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|body| *body == sent[0]), "a retry was not the same bytes");
    // Stored before it was sent, and holding what was sent.
    let log = server.log.lock().unwrap().clone();
    let first = log.iter().position(|(path, _)| path == "activation/enrol").unwrap();
    let (path, state) = &log[first - 1];
    assert_eq!(path, "save");
    assert!(state.windows(sent[0].len()).any(|window| *window == sent[0]), "sent before it was stored");

    // The next process finds it all.
    drop(client);
    let client = Client::open(phone.config.clone()).await.unwrap();
    let identities = client.identities();
    assert_eq!(identities.len(), 1);
    assert_eq!(identities[0].name, "Anna Ancher");
    assert!(matches!(identities[0].standing, IdentityStanding::Enrolling(_)));
    assert!(matches!(client.run(OVERVIEW).await, Ok(Outcome::Overview(_))));
}

#[tokio::test]
async fn an_activation_that_was_given_up_is_fetched_by_the_next_process() {
    let server = Server::start().await;
    let phone = Phone::new(&server);
    server.fail("activation/enrol", &[Fault::ReplyLost; 4]);
    let client = Client::open(phone.config.clone()).await.unwrap();
    assert_eq!(soon(client.run(activate(&server))).await, Err(Failure::NoNetwork));
    assert!(client.activation_pending());
    drop(client);
    let client = Client::open(phone.config.clone()).await.unwrap();
    assert!(client.activation_pending());
    assert_eq!(soon(client.run(Command::Resume)).await, Ok(Outcome::Resumed { settled: 1, open: 0 }));
    assert_eq!(client.identities().len(), 1);
    let sent = server.sent("activation/enrol");
    assert_eq!(sent.len(), 5);
    assert!(sent.iter().all(|body| *body == sent[0]));
    assert_eq!(phone.keys.aliases().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_short_throttle_is_waited_out_and_a_long_one_is_told() {
    let (server, _phone, client) = activated().await;
    server.fail("overview", &[Fault::Throttled(1)]);
    assert!(matches!(soon(client.run(OVERVIEW)).await, Ok(Outcome::Overview(_))));
    assert_eq!(server.sent("overview").len(), 2);
    server.fail("overview", &[Fault::Throttled(60)]);
    let refused = soon(client.run(OVERVIEW)).await;
    assert_eq!(refused, Err(Failure::Refused { code: Code::Throttled, retry_after: Some(60), tries_left: None }));
    assert_eq!(server.sent("overview").len(), 3);
}

#[tokio::test]
async fn a_new_tls_key_is_looked_up_under_the_root_and_a_strangers_is_refused() {
    let server = Server::start().await;
    server.new_tls_key(true);
    let phone = Phone::new(&server);
    let client = Client::open(phone.config.clone()).await.unwrap();
    soon(client.run(activate(&server))).await.unwrap();
    assert_eq!(server.sent("keys").len(), 1);
    // The server rotates its key; the open connection breaks.
    server.new_tls_key(true);
    server.fail("overview", &[Fault::Lost]);
    assert!(matches!(soon(client.run(OVERVIEW)).await, Ok(Outcome::Overview(_))));
    assert_eq!(server.sent("keys").len(), 2);
    // Somebody with another key stands in between and passes on the key set.
    server.new_tls_key(false);
    server.fail("overview", &[Fault::Lost]);
    let before = server.sent("overview").len();
    assert_eq!(soon(client.run(OVERVIEW)).await, Err(Failure::Untrusted));
    assert_eq!(server.sent("overview").len(), before + 1, "told a stranger");
}

#[tokio::test]
async fn retries_end() {
    let (server, _phone, client) = activated().await;
    server.fail("overview", &[Fault::Lost; 20]);
    assert_eq!(soon(client.run(OVERVIEW)).await, Err(Failure::NoNetwork));
    assert_eq!(server.sent("overview").len(), 4);
}

#[tokio::test]
async fn a_watch_tells_every_change_once_and_outlasts_an_outage() {
    let (server, _phone, client) = activated().await;
    let mut watch = client.watch(None);
    server.set_pending(&[(1, false)]);
    let told = soon(watch.next()).await.unwrap();
    assert_eq!((told[0].id, told[0].locked, told.len()), (Fixed([1; 16]), false, 1));
    // Nothing new: it waits, and loses nothing when its future is dropped.
    assert!(tokio::time::timeout(Duration::from_millis(300), watch.next()).await.is_err());
    server.set_pending(&[(1, false), (2, true)]);
    let told = soon(watch.next()).await.unwrap();
    assert_eq!((told[1].id, told[1].locked, told.len()), (Fixed([2; 16]), true, 2));
    // While it waits.
    let changing = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.set_pending(&[]);
    };
    let (told, ()) = soon(async { tokio::join!(watch.next(), changing) }).await;
    assert_eq!(told.unwrap(), []);
    // More failures than one command retries.
    server.fail("poll", &[Fault::Lost, Fault::Gateway, Fault::Lost, Fault::Lost, Fault::Lost]);
    server.set_pending(&[(3, false)]);
    assert_eq!(soon(watch.next()).await.unwrap().len(), 1);
    // A second watch hears what the first has heard.
    assert_eq!(soon(client.watch(None).next()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_on_one_phone_never_meet_busy() {
    let (server, _phone, client) = activated().await;
    let commands: Vec<_> = (0..48)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.run(if number % 2 == 0 { BLOCK } else { OVERVIEW }).await })
        })
        .collect();
    for command in commands {
        command.await.unwrap().unwrap();
    }
    assert_eq!(server.sent("block").len(), 24);
}

#[tokio::test]
async fn a_dropped_command_leaves_the_way_free() {
    let (server, _phone, client) = activated().await;
    server.fail("block", &[Fault::Hangs]);
    assert!(tokio::time::timeout(Duration::from_millis(200), client.run(BLOCK)).await.is_err());
    assert_eq!(soon(client.run(BLOCK)).await, Ok(Outcome::Done));
    assert_eq!(server.sent("block").len(), 2);
}

#[tokio::test]
async fn closing_ends_polls_waits_for_the_rest_and_takes_no_more() {
    let (server, _phone, client) = activated().await;
    let poll = Command::Poll { identity: None, wait: 25 };
    let polling = tokio::spawn({
        let client = client.clone();
        async move { client.run(poll).await }
    });
    server.fail("block", &[Fault::Throttled(1)]);
    let blocking = tokio::spawn({
        let client = client.clone();
        async move { client.run(BLOCK).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    soon(client.close()).await;
    assert_eq!(server.sent("block").len(), 2);
    assert_eq!(soon(polling).await.unwrap(), Err(Failure::Cancelled));
    assert_eq!(soon(blocking).await.unwrap(), Ok(Outcome::Done));
    assert_eq!(soon(client.run(OVERVIEW)).await, Err(Failure::Cancelled));
    assert_eq!(soon(client.watch(None).next()).await, Err(Failure::Cancelled));
}

#[tokio::test]
async fn what_cannot_be_saved_is_not_sent() {
    let server = Server::start().await;
    let phone = Phone::new(&server);
    let client = Client::open(phone.config.clone()).await.unwrap();
    server.fail("activation/open", &[Fault::Throttled(60)]);
    assert!(client.run(activate(&server)).await.is_err());
    phone.store.inner.fail_from_now_on();
    assert_eq!(soon(client.run(activate(&server))).await, Err(Failure::Storage));
    assert!(server.sent("activation/enrol").is_empty());
}

#[tokio::test]
async fn a_damaged_state_opens_nothing() {
    let (_server, phone, client) = activated().await;
    drop(client);
    let mut state = phone.store.load().unwrap().unwrap();
    state[10] ^= 1;
    phone.store.save(&state).unwrap();
    let refused = Client::open(phone.config.clone()).await;
    assert!(matches!(refused, Err(OpenError::State(_))), "{refused:?}");
    assert!(refused.unwrap_err().danish().ends_with('.'));
}

#[tokio::test]
async fn a_desktop_is_opened_from_a_directory_and_finds_its_keys_again() {
    let server = Server::start().await;
    let directory = tempfile::tempdir().unwrap();
    let core = Phone::new(&server).config.core;
    let open = || Desktop::open(directory.path(), Wrapping::KeyFile, core.clone(), Persona::default());
    let desktop = open().await.unwrap();
    soon(desktop.client.run(activate(&server))).await.unwrap();
    let taken = open().await;
    assert!(matches!(taken, Err(OpenError::Store(StoreError::InUse { .. }))), "{taken:?}");
    desktop.client.close().await;
    drop(desktop);
    let desktop = open().await.unwrap();
    assert!(matches!(soon(desktop.client.run(OVERVIEW)).await, Ok(Outcome::Overview(_))));
    assert_eq!(desktop.method, Method::KeyFile);
}

/// A shell's key store that panics while it is told to, and fails as often as it is told to.
struct Faulty(Arc<SoftwareKeys>, AtomicBool, AtomicUsize);

#[async_trait]
impl HardwareKeys for Faulty {
    async fn create(&self, alias: KeyAlias, policy: KeyPolicy) -> Result<CreatedKey, KeyFailure> {
        self.0.create(alias, policy).await
    }
    async fn sign(&self, alias: KeyAlias, message: Vec<u8>, prompt: Option<String>) -> Result<Signature, KeyFailure> {
        assert!(!self.1.load(Ordering::SeqCst), "the shell's fault");
        if self.2.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(KeyFailure::Failed);
        }
        self.0.sign(alias, message, prompt).await
    }
    async fn derive(&self, alias: KeyAlias, input: SecretBytes32) -> Result<SecretBytes32, KeyFailure> {
        self.0.derive(alias, input).await
    }
    async fn agree(&self, a: KeyAlias, point: PublicKey, p: Option<String>) -> Result<SecretBytes32, KeyFailure> {
        self.0.agree(a, point, p).await
    }
    async fn delete(&self, aliases: Vec<KeyAlias>) -> Result<(), KeyFailure> {
        self.0.delete(aliases).await
    }
    async fn aliases(&self) -> Result<Vec<KeyAlias>, KeyFailure> {
        self.0.aliases().await
    }
}

#[tokio::test]
async fn a_panic_in_a_shells_key_store_reaches_its_caller_and_locks_nobody_out() {
    let (_server, mut phone, client) = activated().await;
    drop(client);
    let keys = Arc::new(Faulty(Arc::clone(&phone.keys), AtomicBool::new(true), AtomicUsize::new(0)));
    phone.config.keys = keys.clone();
    let client = Client::open(phone.config.clone()).await.unwrap();
    let run = client.clone();
    let died = tokio::spawn(async move { run.run(BLOCK).await }).await;
    assert!(died.unwrap_err().is_panic());
    keys.1.store(false, Ordering::SeqCst);
    assert_eq!(soon(client.run(BLOCK)).await, Ok(Outcome::Done));
}

#[tokio::test]
async fn a_key_store_that_fails_once_is_asked_again_and_no_third_time() {
    let (_server, mut phone, client) = activated().await;
    drop(client);
    let keys = Arc::new(Faulty(Arc::clone(&phone.keys), AtomicBool::new(false), AtomicUsize::new(1)));
    phone.config.keys = keys.clone();
    let client = Client::open(phone.config.clone()).await.unwrap();
    assert_eq!(soon(client.run(BLOCK)).await, Ok(Outcome::Done));
    keys.2.store(3, Ordering::SeqCst);
    assert_eq!(soon(client.run(BLOCK)).await, Err(Failure::NotSupported));
    assert_eq!(keys.2.load(Ordering::SeqCst), 1);
}
