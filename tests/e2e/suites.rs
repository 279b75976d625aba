//! Suite 2, negotiation that cannot be lowered, and key sets that never go back.

use godkend_core::Failure;
use godkend_protocol::codes::Code;
use godkend_protocol::types::Suite;

use godkend_tests::phone::{PIN, code};
use godkend_tests::{Ask, Phone, World};

async fn login(world: &World, phone: &Phone) -> Result<(), Failure> {
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await?;
    phone.approve(&view, PIN).await?;
    browser.signed_in().await;
    Ok(())
}

#[tokio::test]
async fn suite_2_is_taken_where_both_speak_it_and_only_rises() {
    let world = World::with(|options| options.hybrid = true, |_| {}).await;
    assert!(world.root.pq_key.is_some());
    let citizen = world.citizen("anna-hybrid").await;
    let phone = Phone::new(world.root.clone(), vec![Suite::P256, Suite::Hybrid]).await;
    phone.activate(&world, &citizen, PIN).await;
    login(&world, &phone).await.unwrap();
    // The account has been at suite 2: a phone that offers less is refused, by the phone's or the server's word.
    let old = Phone::new(world.root.clone(), vec![Suite::P256]).await;
    let (_, link) = world.hand_out(&citizen, "link").await;
    assert_eq!(code(old.begin_activation(&link).await), Some(Code::SuiteRefused));
    // Somebody who never was there may still use suite 1.
    let other = world.citizen("bo-plain").await;
    old.activate(&world, &other, PIN).await;
    login(&world, &old).await.unwrap();
}

#[tokio::test]
async fn a_root_without_its_post_quantum_key_is_another_root() {
    let world = World::with(|options| options.hybrid = true, |_| {}).await;
    let citizen = world.citizen("cai-hybrid").await;
    let (_, link) = world.hand_out(&citizen, "link").await;
    let mut stripped = world.root.clone();
    stripped.pq_key = None;
    let phone = Phone::new(stripped, vec![Suite::P256]).await;
    assert_eq!(phone.begin_activation(&link).await.unwrap_err(), Failure::UnknownRoot);
}

#[tokio::test]
async fn a_rogue_server_with_its_own_root_is_refused() {
    let (world, rogue) = (World::new().await, World::new().await);
    let citizen = world.citizen("dan-rogue").await;
    let (_, link) = world.hand_out(&citizen, "link").await;
    // The app's root, but the way leads to somebody else's server.
    let mut redirected = world.root.clone();
    redirected.url = rogue.url.clone();
    let phone = Phone::new(redirected, vec![Suite::P256]).await;
    let failure = phone.begin_activation(&link).await.unwrap_err();
    assert_eq!(failure, Failure::Untrusted);
}
