//! Signing keys change under a running traffic: what the old one signed stays good for as long as it lives.

use godkend_server::keys::{RotateOptions, rotate};
use godkend_tests::bank::Bank;
use godkend_tests::world::{rng, unix_now};
use godkend_tests::{Ask, World};

use crate::rp::{Rp, header_of, world};

async fn published(rp: &Rp) -> Vec<String> {
    let keys = rp.get("/jwks").await.json;
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn rotate_and_restart(world: &mut World) {
    let config = world.config();
    rotate(&config, &RotateOptions { oidc: true, ..RotateOptions::default() }, unix_now(), &mut rng()).unwrap();
    world.restart().await;
}

#[tokio::test]
async fn a_token_of_the_key_before_is_verified_under_the_published_keys() {
    let mut world = world().await;
    let rp = Rp::secret(&world, "netbank");
    let first = rp.tokens(&world, "approves", &[]).await.text("id_token");
    let before = published(&rp).await;
    assert_eq!(before, [header_of(&first)["kid"].as_str().unwrap()]);

    rotate_and_restart(&mut world).await;
    let second = rp.tokens(&world, "approves", &[]).await.text("id_token");
    let kid = |token: &str| header_of(token)["kid"].as_str().unwrap().to_owned();
    assert_ne!(kid(&first), kid(&second));
    assert_eq!(published(&rp).await, [kid(&second), kid(&first)]);
    let bank = Bank::push(&world, &Ask::login()).await;
    for token in [&first, &second] {
        bank.verify(token).await.unwrap();
    }
    // And it is still a hint of this server's.
    assert_eq!(rp.push(&[("id_token_hint", &first)]).await.status, 201);

    // Twice in a row: a token of five minutes outlives neither of two rotations.
    rotate_and_restart(&mut world).await;
    assert_eq!(published(&rp).await.len(), 3);
    for token in [&first, &second] {
        bank.verify(token).await.unwrap();
    }
    // A day after its successor came, a key signs nothing that lives, and is no longer shown.
    #[allow(clippy::disallowed_methods, reason = "a test's edge")]
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 86_400);
    for number in [2, 3] {
        let path = world.data().join(format!("secrets/oidc-{number}.pem"));
        std::fs::File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    }
    world.restart().await;
    assert_eq!(published(&rp).await.len(), 1);
}
