//! The surface as an app's own executor drives it: polled outside any runtime, dropped half-way, from many threads,
//! shut down under way, over hardware and stores that fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what they expect")]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use async_trait::async_trait;
use godkend_ffi::{
    CreatedKey, Desktop, HardwareKeys, KeyConditions, KeyError, KeySecurity, Language, Phone, PhoneConfig, PhoneError,
    Root, SecretBytes, StateStore, StoreError, erase, hash_to_curve,
};

/// An executor that knows nothing of tokio, as those of Kotlin, Swift and Python.
fn block_on<F: Future>(work: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut work = pin!(work);
    loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

/// Hardware over the desktop's, which can be told to fail.
struct Faulty {
    keys: Arc<dyn HardwareKeys>,
    fault: Mutex<Fault>,
    made: AtomicU32,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Panic,
    Short,
}

impl Faulty {
    fn new(desktop: &Desktop) -> Arc<Self> {
        Arc::new(Self { keys: desktop.keys(), fault: Mutex::new(Fault::None), made: AtomicU32::new(0) })
    }

    fn play(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }
}

#[async_trait]
impl HardwareKeys for Faulty {
    async fn create(&self, alias: String, conditions: KeyConditions) -> Result<CreatedKey, KeyError> {
        self.made.fetch_add(1, Ordering::SeqCst);
        self.keys.create(alias, conditions).await
    }

    async fn sign(&self, alias: String, message: Vec<u8>, prompt: Option<String>) -> Result<Vec<u8>, KeyError> {
        self.keys.sign(alias, message, prompt).await
    }

    async fn derive(&self, alias: String, input: SecretBytes) -> Result<SecretBytes, KeyError> {
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::None => self.keys.derive(alias, input).await,
            Fault::Panic => panic!("a key store that panics"),
            Fault::Short => Ok(SecretBytes::new(vec![1; 31])),
        }
    }

    async fn agree(&self, alias: String, point: Vec<u8>, prompt: Option<String>) -> Result<SecretBytes, KeyError> {
        self.keys.agree(alias, point, prompt).await
    }

    async fn delete(&self, aliases: Vec<String>) -> Result<(), KeyError> {
        self.keys.delete(aliases).await
    }

    async fn aliases(&self) -> Result<Vec<String>, KeyError> {
        self.keys.aliases().await
    }
}

/// A store in memory.
#[derive(Default)]
struct Shelf(Mutex<Option<Vec<u8>>>);

impl StateStore for Shelf {
    fn load(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn save(&self, blob: Vec<u8>) -> Result<(), StoreError> {
        *self.0.lock().unwrap() = Some(blob);
        Ok(())
    }
}

/// A server where nobody listens.
fn config() -> PhoneConfig {
    PhoneConfig {
        roots: vec![Root {
            environment: "test".to_owned(),
            url: "https://127.0.0.1:9".to_owned(),
            // Any point of the curve.
            key: hash_to_curve(b"a root".to_vec()).unwrap(),
            pq_key: None,
        }],
        model: "Model".to_owned(),
        platform: "Platform".to_owned(),
        app_version: "1.0.0".to_owned(),
        language: Language::Danish,
        security: KeySecurity::Software,
        hybrid: false,
    }
}

fn desktop() -> (tempfile::TempDir, Arc<Desktop>) {
    let folder = tempfile::tempdir().unwrap();
    let desktop = Desktop::new(folder.path().join("phone").to_str().unwrap().to_owned(), None).unwrap();
    (folder, desktop)
}

/// A well-formed activation code, made as a desk makes one.
fn code() -> String {
    use godkend_protocol::formats::activation_code::ActivationCode;
    godkend_client::entropy::Entropy::system().with(|rng| ActivationCode::generate(rng)).to_text()
}

#[test]
fn it_runs_on_an_executor_that_knows_no_runtime() {
    let (_folder, desktop) = desktop();
    let phone = block_on(Phone::open(config(), desktop.keys(), desktop.store())).unwrap();
    assert!(phone.state().people.is_empty());
    assert!(block_on(phone.settle()).unwrap());
    assert_eq!(block_on(phone.activate(code(), None)), Err(PhoneError::NoNetwork));
    assert_eq!(block_on(phone.activate("no code".to_owned(), None)), Err(PhoneError::NotACode));
    assert_eq!(phone.support_code(), format!("G1-1.0.0-{}-SXC-NOCODE", godkend_ffi::version()));
    block_on(phone.shut_down());
}

#[test]
fn a_call_that_is_dropped_half_way_leaves_a_phone_that_works() {
    let (_folder, desktop) = desktop();
    let phone = block_on(Phone::open(config(), desktop.keys(), desktop.store())).unwrap();
    for polls in 0..20 {
        let mut call = Box::pin(phone.activate(code(), None));
        for _ in 0..polls {
            let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        }
        drop(call);
    }
    assert!(block_on(phone.settle()).unwrap());
    block_on(phone.shut_down());
}

#[test]
fn shutting_down_ends_what_runs_on_every_thread_and_refuses_what_comes() {
    let (_folder, desktop) = desktop();
    let phone = block_on(Phone::open(config(), desktop.keys(), desktop.store())).unwrap();
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let phone = Arc::clone(&phone);
            thread::spawn(move || block_on(phone.activate(code(), None)))
        })
        .collect();
    let closers: Vec<_> = (0..4)
        .map(|_| {
            let phone = Arc::clone(&phone);
            thread::spawn(move || block_on(phone.shut_down()))
        })
        .collect();
    for closer in closers {
        closer.join().unwrap();
    }
    for thread in threads {
        let result = thread.join().unwrap();
        assert!(matches!(result, Err(PhoneError::ShutDown | PhoneError::NoNetwork)), "{result:?}");
    }
    assert_eq!(block_on(phone.settle()), Err(PhoneError::ShutDown));
    assert_eq!(block_on(phone.activate(code(), None)), Err(PhoneError::ShutDown));
    assert!(phone.state().people.is_empty());
    phone.cancel();
    phone.unwatch();
}

#[test]
fn cancel_ends_what_waits_and_nothing_later() {
    let (_folder, desktop) = desktop();
    let phone = block_on(Phone::open(config(), desktop.keys(), desktop.store())).unwrap();
    let waiting = {
        let phone = Arc::clone(&phone);
        thread::spawn(move || block_on(phone.activate(code(), None)))
    };
    // Cancels until it has ended: the thread may not have begun yet.
    while !waiting.is_finished() {
        phone.cancel();
        thread::yield_now();
    }
    assert_eq!(waiting.join().unwrap(), Err(PhoneError::Cancelled));
    assert!(block_on(phone.settle()).unwrap(), "a later call is not cancelled");
    block_on(phone.shut_down());
}

#[test]
fn hardware_that_panics_or_lies_opens_nothing_and_breaks_nothing() {
    let (_folder, desktop) = desktop();
    let (keys, store) = (Faulty::new(&desktop), Arc::new(Shelf::default()));
    let open = || Phone::open(config(), keys.clone(), store.clone());
    keys.play(Fault::Panic);
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(open()))).is_err(), "a panic reaches the app");
    keys.play(Fault::Short);
    assert_eq!(block_on(open()).unwrap_err(), PhoneError::NotSupported);
    keys.play(Fault::None);
    let phone = block_on(open()).unwrap();
    assert!(block_on(phone.settle()).unwrap());
    block_on(phone.shut_down());
}

#[test]
fn the_sealing_key_is_made_once_and_nothing_opens_without_it() {
    let (_folder, desktop) = desktop();
    let (keys, store) = (Faulty::new(&desktop), Arc::new(Shelf::default()));
    let open = || block_on(Phone::open(config(), keys.clone(), store.clone()));
    for _ in 0..3 {
        let phone = open().unwrap();
        block_on(phone.shut_down());
    }
    assert_eq!(keys.made.load(Ordering::SeqCst), 1);
    // Something that is not ours is neither opened nor taken for an empty store.
    *store.0.lock().unwrap() = Some(b"something else".to_vec());
    assert_eq!(open().unwrap_err(), PhoneError::StateDamaged);
    desktop.lose_keys().unwrap();
    assert_eq!(open().unwrap_err(), PhoneError::KeyMissing);
    assert_eq!(keys.made.load(Ordering::SeqCst), 1, "a lost key is not replaced in silence");
    block_on(erase(keys.clone(), store.clone())).unwrap();
    block_on(open().unwrap().shut_down());
    assert_eq!(keys.made.load(Ordering::SeqCst), 2);
}
