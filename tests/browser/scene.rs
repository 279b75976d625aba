//! The identity server, the example bank and a browser that stands at the bank's door.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use godkend_borger::Borger;
use godkend_core::RequestView;
use godkend_netbank::{Bank, Settings};
use godkend_protocol::codes::Code;
use godkend_server::server::CERTIFICATE_FILE;
use tokio::net::TcpListener;

use crate::camera;
use crate::chrome::{Chrome, until};
use godkend_tests::phone::code;
use godkend_tests::world::{CLIENT_SECRET, unix_now};
use godkend_tests::{Ask, Phone, World, bank};

/// A scene.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) chrome: Chrome,
    /// The bank's origin.
    pub(crate) bank: String,
    /// The public body's.
    pub(crate) borger: String,
    /// How far the public body's clock is ahead of this machine's, seconds.
    ahead: Arc<AtomicI64>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(Chrome::start()).await
    }

    /// With a browser of its own kind.
    pub(crate) async fn with(chrome: impl Future<Output = Chrome>) -> Self {
        Self::built(chrome, false).await
    }

    /// Where the tokens of both sites are bound to keys.
    pub(crate) async fn bound() -> Self {
        Self::built(Chrome::start(), true).await
    }

    async fn built(chrome: impl Future<Output = Chrome>, dpop: bool) -> Self {
        let listen = async || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let origin = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
            (listener, origin)
        };
        let ((at_bank, bank), (at_borger, borger)) = (listen().await, listen().await);
        let hash = hex::encode(ring::digest::digest(&ring::digest::SHA256, CLIENT_SECRET.as_bytes()));
        let registered =
            [("bank", "Netbanken", &bank), ("borgersiden", "Borgersiden", &borger)].map(|(id, name, origin)| {
                format!(
                    "\n[[relying_party]]\nclient_id = \"{id}\"\nclient_secret_sha256 = \"{hash}\"\nname = \"{name}\"\n\
                 redirect_uris = [\"{origin}/callback\"]\ndpop = {dpop}\n"
                )
            });
        let (world, chrome) = tokio::join!(World::with(|_| {}, |config| config.push_str(&registered.concat())), chrome);
        let certificate = std::fs::read(world.data().join(CERTIFICATE_FILE)).unwrap();
        let settings = |id: &str, origin: &str| Settings {
            url: origin.to_owned(),
            issuer: world.url.clone(),
            client_id: id.to_owned(),
            client_secret: Some(CLIENT_SECRET.to_owned()),
            certificate: Some(certificate.clone()),
            dpop,
        };
        tokio::spawn(Bank::new(settings("bank", &bank)).unwrap().serve(at_bank));
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = ahead.clone();
        let clock = Arc::new(move || unix_now() + clock.load(Ordering::SeqCst));
        tokio::spawn(Borger::with_clock(settings("borgersiden", &borger), clock).unwrap().serve(at_borger));
        Self { world, chrome, bank, borger, ahead }
    }

    /// One with another site at its door.
    pub(crate) fn at(world: World, chrome: Chrome, site: String) -> Self {
        Self { world, chrome, borger: site.clone(), bank: site, ahead: Arc::default() }
    }

    /// Moves the clocks of the identity server and of the public body.
    pub(crate) async fn advance(&self, seconds: i64) {
        self.world.advance(seconds).await;
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }

    /// From the bank's front page to the login page.
    pub(crate) async fn log_on(&self) {
        self.log_on_at(&self.bank).await;
    }

    /// From a demo site's front page to the login page.
    pub(crate) async fn log_on_at(&self, site: &str) {
        self.chrome.open(site).await;
        self.chrome.click("#login").await;
        self.chrome.until_at(format!("{}/login/", self.world.url)).await;
    }

    /// The login page of a request that no example bank makes.
    pub(crate) async fn open(&self, ask: &Ask) {
        let bank = bank::Bank::push(&self.world, ask).await;
        self.chrome.open(&bank.authorize_url).await;
        self.chrome.until_at(format!("{}/login/", self.world.url)).await;
    }

    /// What a camera before the screen reads.
    pub(crate) async fn see(&self) -> String {
        let seen = until(async || camera::read(&self.chrome.screenshot().await)).await;
        seen.expect("a QR code on the screen")
    }

    /// Scans what the screen shows. A camera looks again when it was too late for a frame.
    pub(crate) async fn scan(&self, phone: &Phone) -> RequestView {
        let scanned = until(async || {
            let scanned = phone.scan(&self.see().await).await;
            (code(scanned.clone()) != Some(Code::QrStale)).then_some(scanned)
        });
        scanned.await.expect("a code in time").unwrap()
    }

    /// Waits until the bank greets its customer.
    pub(crate) async fn signed_in(&self, name: &str, binding: &str) {
        self.chrome.until_at(&self.bank).await;
        self.chrome.until_text("#name", name).await;
        self.chrome.until_text("#binding", binding).await;
    }

    /// Waits until the bank says that it was not approved.
    pub(crate) async fn declined(&self, why: &str) {
        self.chrome.until_at(&self.bank).await;
        self.chrome.until_text("#error", &format!("not approved: {why}")).await;
    }
}
