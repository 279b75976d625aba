//! What lies on the phone's disk: damaged, cut, swapped or gone.

use std::path::Path;
use std::sync::Arc;

use godkend_client::entropy::Entropy;
use godkend_client::software_keys::{Persona, SoftwareKeys};
use godkend_client::state::Wrapping;
use godkend_client::{Client, ClientConfig, Desktop, OpenError, Surroundings, TransportConfig};
use godkend_core::{Command, Config, Failure, Outcome, Pin};
use godkend_protocol::types::{DeviceInfo, SecurityLevel, Suite};

use godkend_tests::phone::{PIN, Shelf, with_pin};
use godkend_tests::world::Citizen;
use godkend_tests::{Ask, World};

fn config(world: &World) -> Config {
    Config {
        roots: vec![world.root.clone()],
        info: DeviceInfo {
            model: "Disk".to_owned(),
            platform: "Linux".to_owned(),
            app_version: "1.0.0".to_owned(),
            language: "en".to_owned(),
        },
        suites: vec![Suite::P256],
        security: SecurityLevel::Software,
    }
}

async fn open(world: &World, directory: &Path) -> Result<Desktop, OpenError> {
    Desktop::open(directory, Wrapping::KeyFile, config(world), Persona::default()).await
}

async fn activate(world: &World, citizen: &Citizen, client: &Client) {
    let (activation, text) = world.hand_out(citizen, "link").await;
    let begun = client.run(Command::Activate { text, environment: None }).await.unwrap();
    let Outcome::Digits { digits, .. } = begun else { panic!("{begun:?}") };
    assert_eq!(world.digits(&activation, &digits).await.0, 200);
    client.run(Command::ChoosePin { identity: None, pin: Pin::new(PIN).unwrap() }).await.unwrap();
}

async fn login(world: &World, client: &Client) -> Result<(), Failure> {
    let mut browser = world.login_page(&Ask::login()).await;
    let text = browser.qr().await;
    let Outcome::Request(view) = client.run(Command::Scan { identity: None, text }).await? else { panic!() };
    client.run(Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false }).await?;
    browser.signed_in().await;
    Ok(())
}

/// Every way to cut it, and each byte changed.
fn damaged(good: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let cut = (0..good.len()).map(|length| good[..length].to_vec());
    let flipped = (0..good.len()).map(|at| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    cut.chain(flipped).chain([[good, &[0]].concat()])
}

/// A sentence in both languages.
fn says_what_to_do(error: &OpenError) {
    let (english, danish) = (error.to_string(), error.danish());
    assert!(english.len() > 30 && danish.ends_with('.') && danish.len() > 30, "{english} / {danish}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a27_a_profile_cut_or_changed_anywhere_fails_closed_with_a_sentence() {
    let world = World::new().await;
    let citizen = world.citizen("kaj-disk").await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    activate(&world, &citizen, &open(&world, path).await.unwrap().client).await;
    let mut refused = 0;
    for name in ["profile", "wrapping.key", "keys.sealed", "state.sealed"] {
        let file = path.join(name);
        let good = std::fs::read(&file).unwrap();
        for bytes in damaged(&good) {
            std::fs::write(&file, &bytes).unwrap();
            says_what_to_do(&open(&world, path).await.expect_err(name));
            assert_eq!(std::fs::read(&file).unwrap(), bytes, "{name} was written");
            refused += 1;
        }
        std::fs::write(&file, &good).unwrap();
    }
    println!("{refused} damaged profiles");
    // Two files for each other: neither is what it says.
    let files = ["keys.sealed", "state.sealed"].map(|name| path.join(name));
    let bytes = files.each_ref().map(|file| std::fs::read(file).unwrap());
    for (file, bytes) in files.iter().zip(bytes.iter().rev()) {
        std::fs::write(file, bytes).unwrap();
    }
    says_what_to_do(&open(&world, path).await.unwrap_err());
    for (file, bytes) in files.iter().zip(&bytes) {
        std::fs::write(file, bytes).unwrap();
    }
    // Nothing is lost: mended, the phone goes on.
    login(&world, &open(&world, path).await.unwrap().client).await.unwrap();
}

#[tokio::test]
async fn a27_a_profile_without_one_of_its_files_approves_nothing() {
    let world = World::new().await;
    let citizen = world.citizen("kim-disk").await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    activate(&world, &citizen, &open(&world, path).await.unwrap().client).await;
    for name in ["profile", "wrapping.key", "keys.sealed", "state.sealed"] {
        let (file, aside) = (path.join(name), path.join("aside"));
        std::fs::rename(&file, &aside).unwrap();
        match open(&world, path).await {
            Err(error) => says_what_to_do(&error),
            Ok(phone) if name == "keys.sealed" => {
                let failure = login(&world, &phone.client).await.unwrap_err();
                assert_eq!(failure, Failure::KeyMissing);
                assert!(failure.english().contains("Activate the app again"));
            }
            // An app that was never activated.
            Ok(phone) if name == "state.sealed" => assert!(phone.client.identities().is_empty()),
            Ok(_) => panic!("opened without {name}"),
        }
        std::fs::rename(&aside, &file).unwrap();
    }
    login(&world, &open(&world, path).await.unwrap().client).await.unwrap();
}

/// A store of the shell's own, which does not seal: the state itself notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a27_a_state_cut_or_changed_anywhere_is_not_begun_from() {
    let world = World::new().await;
    let (_, phone) = world.person("kis-state").await;
    let good = phone.store.content();
    let (core, keys) = (config(&world), Arc::new(SoftwareKeys::in_memory(Entropy::system(), Persona::default())));
    for bytes in damaged(&good) {
        let shelf = Arc::new(Shelf::holding(bytes.clone()));
        let (core, keys, transport) = (core.clone(), keys.clone(), TransportConfig::default());
        let parts = ClientConfig { core, store: shelf.clone(), keys, transport };
        let error = Client::open_in(parts, Surroundings::default()).await.expect_err("opened a damaged state");
        says_what_to_do(&error);
        assert_eq!(shelf.content(), bytes, "nothing is written over it");
    }
}
