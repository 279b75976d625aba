//! Codes, and what is refused at the token endpoint.

use godkend_tests::World;

use crate::rp::{Rp, Shows, claims_of, hash, world};

#[tokio::test]
async fn a_code_that_comes_twice_is_refused_and_revokes_what_it_gave() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank");
    let code = bank.code(&world, "approves", &[]).await;
    let token = bank.redeem(&code).await.text("access_token");
    assert_eq!(bank.open("/userinfo", &token, None).await.status, 200);
    // Another client's try with a stolen code revokes nothing.
    assert_eq!(Rp::secret(&world, "borger").redeem(&code).await.error(), "invalid_grant");
    assert_eq!(bank.open("/userinfo", &token, None).await.status, 200);
    assert_eq!(bank.redeem(&code).await.error(), "invalid_grant");
    let revoked = bank.open("/userinfo", &token, None).await;
    assert_eq!((revoked.status, revoked.error()), (401, "invalid_token"));
}

#[tokio::test]
async fn a_code_is_its_requests_alone_and_a_wrong_try_does_not_use_it_up() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank");
    let code = bank.code(&world, "approves", &[]).await;
    let other_verifier = crate::rp::VERIFIER.replace('d', "e");
    for (changed, error) in [
        (("code_verifier", other_verifier.as_str()), "invalid_grant"),
        (("code_verifier", ""), "invalid_request"),
        (("code_verifier", "short"), "invalid_request"),
        // The challenge is not its own verifier: plain was never agreed on.
        (("code_verifier", crate::rp::CHALLENGE), "invalid_grant"),
        (("redirect_uri", "https://netbank.example/callback/"), "invalid_grant"),
        (("redirect_uri", ""), "invalid_request"),
        (("code", ""), "invalid_request"),
        (("code", "another"), "invalid_grant"),
        (("grant_type", ""), "invalid_request"),
        (("grant_type", "password"), "unsupported_grant_type"),
        (("grant_type", "refresh_token"), "unsupported_grant_type"),
        (("grant_type", "client_credentials"), "unsupported_grant_type"),
        (("client_id", "borger"), "invalid_request"),
    ] {
        let reply = bank.redeem_with(&code, &[changed]).await;
        assert_eq!((reply.status, reply.error()), (400, error), "{changed:?}");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    let stranger = Rp::new(&world, "netbank", Shows::Secret("a guess".to_owned()));
    let reply = stranger.redeem(&code).await;
    assert_eq!((reply.status, reply.error()), (401, "invalid_client"));
    assert!(reply.header("www-authenticate").starts_with("Basic"));
    assert_eq!(Rp::new(&world, "netbank", Shows::Nothing).redeem(&code).await.error(), "invalid_client");
    assert_eq!(bank.redeem(&code).await.status, 200);
}

#[tokio::test]
async fn a_code_lives_for_a_minute() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank");
    let code = bank.code(&world, "approves", &[]).await;
    world.advance(61).await;
    assert_eq!(bank.redeem(&code).await.error(), "invalid_grant");
}

#[tokio::test]
async fn of_ten_that_redeem_a_code_at_once_one_is_given_tokens() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank");
    let code = bank.code(&world, "approves", &[]).await;
    let tries = (0..10).map(|_| bank.redeem(&code));
    let replies = futures_util::future::join_all(tries).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1, "{replies:?}");
}

#[tokio::test]
async fn the_answer_carries_state_issuer_nonce_and_the_tokens_hash() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank");
    let answer = bank.answer(&mut world.browser(), "approves", &[("state", "a b&c=d"), ("nonce", "~n +%")]).await;
    assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("a b&c=d", world.url.as_str()));
    let reply = bank.redeem(&answer["code"]).await;
    let claims = claims_of(&reply.text("id_token"));
    assert_eq!(
        (&claims["nonce"], &claims["aud"], &claims["iss"]),
        (&"~n +%".into(), &"netbank".into(), &world.url.as_str().into())
    );
    let half = hash(&reply.text("access_token"));
    // The left half of the hash, in Base64url: its first 21 characters are the same.
    assert_eq!(claims["at_hash"].as_str().unwrap()[..21], half[..21]);
    assert_eq!(reply.json["token_type"], "Bearer");
    // Without them there are none.
    let answer = bank.answer(&mut world.browser(), "approves", &[("state", ""), ("nonce", "")]).await;
    assert_eq!(answer.get("state"), None);
    let claims = claims_of(&bank.redeem(&answer["code"]).await.text("id_token"));
    assert_eq!(claims.get("nonce"), None);
}

#[tokio::test]
async fn userinfo_says_what_the_token_said_and_opens_for_a_good_token_only() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank");
    let reply = bank.tokens(&world, "approves", &[]).await;
    let (claims, token) = (claims_of(&reply.text("id_token")), reply.text("access_token"));
    for told in [bank.open("/userinfo", &token, None).await, bank.open("/userinfo", &token, Some(&[])).await] {
        assert_eq!((told.status, &told.json["sub"], &told.json["acr"]), (200, &claims["sub"], &claims["acr"]));
        assert_eq!(told.json["mitid.uuid"], claims["mitid.uuid"]);
        assert!(told.json.get("aud").is_none() && told.json.get("nonce").is_none(), "{told:?}");
        assert_eq!(told.header("cache-control"), "no-store");
    }
    let nothing = bank.get("/userinfo").await;
    assert_eq!(nothing.status, 401);
    assert!(!nothing.header("www-authenticate").contains("error="), "{nothing:?}");
    for value in ["Bearer", "Bearer ", "Bearer x", "Basic x", &format!("Bearer {token} x"), &format!("Bearer x{token}")]
    {
        let reply = bank.open_with("/userinfo", None, &[("authorization", value)]).await;
        assert_eq!((reply.status, reply.error()), (401, "invalid_token"), "{value}");
    }
    // Not where it would stand in logs and histories.
    assert_eq!(bank.get(&format!("/userinfo?access_token={token}")).await.status, 401);
    world.advance(301).await;
    assert_eq!(bank.open("/userinfo", &token, None).await.error(), "invalid_token");
}

#[tokio::test]
async fn what_is_stored_is_no_token() {
    let world: World = world().await;
    let bank = Rp::secret(&world, "netbank");
    let code = bank.code(&world, "approves", &[]).await;
    let token = bank.redeem(&code).await.text("access_token");
    let mut seen = 0;
    for file in std::fs::read_dir(world.data()).unwrap().map(|entry| entry.unwrap().path()) {
        if file.is_file() && file.file_name().unwrap().to_str().unwrap().starts_with("godkend.sqlite") {
            let bytes = std::fs::read(&file).unwrap();
            seen += bytes.len();
            for secret in [&code, &token] {
                assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", file.display());
            }
        }
    }
    assert!(seen > 10_000, "the database was read: {seen} bytes");
}
