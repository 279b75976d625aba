//! The Rust of docs/embedding.md, run as it stands there.

use std::sync::Arc;

use godkend_client::core::{Command, Failure, Outcome, Pin};
use godkend_client::entropy::Entropy;
use godkend_client::software_keys::{Persona, SoftwareKeys};
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::types::DeviceInfo;

use godkend_tests::phone::{PIN, Shelf, with_pin};
use godkend_tests::{Ask, World};

const PAGE: &str = include_str!("../../docs/embedding.md");
const SOURCE: &str = include_str!("embedding.rs");

// The page's own lines from here on, a module for each block.
#[rustfmt::skip]
mod opening {
use std::sync::Arc;

use godkend_client::core::{Command, Config, Failure, Outcome};
use godkend_client::{Client, ClientConfig, Roots, TransportConfig, keys::HardwareKeys, state::StateStore};
use godkend_protocol::types::{DeviceInfo, SecurityLevel, Suite};

async fn open(
    root: &str, info: DeviceInfo, keys: Arc<dyn HardwareKeys>, store: Arc<dyn StateStore>,
) -> Result<Client, Box<dyn std::error::Error>> {
    let roots = Roots::from_json(root)?.iter().cloned().collect();
    // An app says TrustedEnvironment, or more: software keys are for the test server.
    let core = Config { roots, info, suites: vec![Suite::P256], security: SecurityLevel::Software };
    let client = Client::open(ClientConfig { core, store, keys, transport: TransportConfig::default() }).await?;
    // First thing after a start: what a kill left open is brought to its end.
    match client.run(Command::Resume).await {
        Ok(Outcome::Resumed { .. }) | Err(Failure::NoNetwork) => Ok(client),
        Ok(_) => Ok(client),
        Err(failure) => Err(failure.english().into()),
    }
}

pub(super) async fn run(
    root: &str, info: DeviceInfo, keys: Arc<dyn HardwareKeys>, store: Arc<dyn StateStore>,
) -> Result<Client, Box<dyn std::error::Error>> {
    open(root, info, keys, store).await
}
}

#[rustfmt::skip]
mod waiting {
use godkend_client::Client;
use godkend_client::core::{Command, Failure, Outcome, RequestView};

async fn next_request(phone: &Client) -> Result<Option<RequestView>, Failure> {
    let mut watch = phone.watch(None);
    loop {
        for waiting in watch.next().await? {
            if waiting.locked {
                return Ok(None); // ask for the number, then Command::TypeNumber
            }
            if let Outcome::Request(view) = phone.run(Command::Open { identity: None, id: waiting.id }).await? {
                return Ok(Some(*view));
            }
        }
    }
}

pub(super) async fn run(phone: &Client) -> Result<Option<RequestView>, Failure> {
    next_request(phone).await
}
}

/// Every block of the page's Rust stands above, letter for letter.
#[test]
fn the_page_says_what_runs_here() {
    let blocks: Vec<&str> =
        PAGE.split("```rust").skip(1).filter_map(|part| part.split_once('\n')?.1.split("```").next()).collect();
    assert_eq!(blocks.len(), 2, "a block without a test");
    for block in blocks {
        assert!(SOURCE.contains(block), "tests/e2e/embedding.rs does not run this block of the page:\n{block}");
    }
}

#[tokio::test]
async fn a_phone_is_opened_as_the_page_says_and_used() {
    let world = World::new().await;
    let citizen = world.citizen("anna-embeds").await;
    let root = std::fs::read_to_string(world.data().join("root.json")).unwrap();
    let info = DeviceInfo {
        model: "A program".to_owned(),
        platform: "Rust".to_owned(),
        app_version: "1.0.0".to_owned(),
        language: "en".to_owned(),
    };
    let keys = Arc::new(SoftwareKeys::in_memory(Entropy::system(), Persona::default()));
    let store = Arc::new(Shelf::default());
    let client = opening::run(&root, info.clone(), keys.clone(), store.clone()).await.unwrap();
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let begun = client.run(Command::Activate { text: link, environment: None }).await.unwrap();
    let Outcome::Digits { identity, digits } = begun else { panic!("{begun:?}") };
    assert_eq!(world.digits(&activation, &digits).await.0, 200);
    let pin = Pin::new(PIN).unwrap();
    let chosen = client.run(Command::ChoosePin { identity: Some(identity), pin }).await.unwrap();
    assert!(matches!(chosen, Outcome::Stage(Stage::Active)), "{chosen:?}");
    client.close().await;
    // What is opened again is the same phone.
    let again = opening::run(&root, info.clone(), keys.clone(), store).await.unwrap();
    assert_eq!(again.identities().len(), 1);
    // Whatever is no root is refused before anything is opened.
    assert!(opening::run("{}", info, keys, Arc::new(Shelf::default())).await.is_err());
}

#[tokio::test]
async fn the_next_request_is_shown_and_a_locked_one_is_not() {
    let world = World::new().await;
    let (_, phone) = world.person("bo-embeds").await;
    // A browser that was remembered calls at once.
    let mut browser = world.login_page(&Ask::login()).await;
    let first = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve_with(&first, with_pin(PIN), true).await.unwrap();
    browser.signed_in().await;
    browser.open(&world, &Ask::login()).await;
    let next = waiting::run(&phone.client).await.unwrap().expect("a request");
    assert_ne!(next.transaction, first.transaction);
    phone.approve(&next, PIN).await.unwrap();
    browser.signed_in().await;
    // From any other it waits for its number.
    let mut stranger = world.login_page(&Ask::login()).await;
    stranger.type_user_id("bo-embeds").await;
    assert_eq!(waiting::run(&phone.client).await.unwrap(), None);
    phone.client.close().await;
    assert!(matches!(waiting::run(&phone.client).await, Err(Failure::Cancelled | Failure::Storage)));
}
