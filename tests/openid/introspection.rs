//! What a client's resources are told about a token that they were sent (RFC 7662), and what nobody else is.

use reqwest::Method;
use serde_json::{Value, json};

use crate::rp::{Reply, Rp, Shows, claims_of, new_key, thumbprint, world, world_with};

async fn asked(rp: &Rp, token: &str) -> Reply {
    let reply = rp.send("/introspect", &[("token", token)], &[]).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, "no-store"), "{reply:?}");
    reply
}

/// For a token that is not to be told of: nothing but that.
async fn nothing(rp: &Rp, token: &str, why: &str) {
    assert_eq!(asked(rp, token).await.json, json!({ "active": false }), "{why}");
}

#[tokio::test]
async fn a_clients_resource_learns_level_and_time_of_the_login() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank");
    let reply = bank.tokens(&world, "approves", &[("acr_values", "Low")]).await;
    let (claims, token) = (claims_of(&reply.text("id_token")), reply.text("access_token"));
    world.advance(100).await;
    let told = asked(&bank, &token).await.json;
    for claim in ["iss", "sub", "acr", "auth_time"] {
        assert_eq!(told[claim], claims[claim], "{claim}");
    }
    let lifetime = told["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!((&told["active"], lifetime), (&json!(true), 300));
    assert_eq!((&told["client_id"], &told["scope"]), (&json!("netbank"), &json!("openid")));
    assert_eq!((&told["token_type"], told.get("cnf")), (&json!("Bearer"), None));
    // More was reached than was asked for, and both are said.
    assert_eq!(told["acr"], "https://data.gov.dk/concept/core/nsis/Substantial");
    assert_eq!(told["godkend.asked_acr"], "https://data.gov.dk/concept/core/nsis/Low");

    // A hint changes nothing, and asking uses nothing up.
    let hinted = bank.send("/introspect", &[("token", &token), ("token_type_hint", "refresh_token")], &[]).await;
    assert_eq!(hinted.json, told);
    assert_eq!(bank.open("/userinfo", &token, None).await.status, 200);
    world.advance(201).await;
    nothing(&bank, &token, "its time is over").await;
}

#[tokio::test]
async fn a_bound_token_names_its_key_and_a_payments_its_payment() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank").bound();
    let details = r#"[{"type":"godkend_payment","amount":"5.00","currency":"DKK","payee":"Bager"}]"#;
    let token = bank.tokens(&world, "approves", &[("authorization_details", details)]).await.text("access_token");
    let told = asked(&bank, &token).await.json;
    let jkt = thumbprint(bank.key.as_ref().unwrap());
    assert_eq!((&told["token_type"], &told["cnf"]), (&json!("DPoP"), &json!({ "jkt": jkt })));
    assert_eq!(told["authorization_details"], serde_json::from_str::<Value>(details).unwrap());
}

#[tokio::test]
async fn nobody_learns_of_another_clients_token_or_of_one_that_opens_nothing() {
    let mut world = world().await;
    let (bank, borger) = (Rp::secret(&world, "netbank"), Rp::secret(&world, "borger"));
    let token = bank.tokens(&world, "approves", &[]).await.text("access_token");
    nothing(&borger, &token, "another client's").await;
    for forged in ["x", &format!("{token}x"), &format!(" {token}"), &token.to_lowercase()] {
        nothing(&bank, forged, forged).await;
    }
    world.restart().await;
    assert_eq!(asked(&bank, &token).await.json["active"], true, "a restart ends no token");

    // A code that came twice ends what it gave.
    let code = bank.code(&world, "approves", &[]).await;
    let stolen = bank.redeem(&code).await.text("access_token");
    assert_eq!(bank.redeem(&code).await.error(), "invalid_grant");
    nothing(&bank, &stolen, "its code came twice").await;

    let blocked = world.magic("blocked", "approves").await;
    let token = bank.tokens(&world, "blocked", &[]).await.text("access_token");
    assert_eq!(asked(&bank, &token).await.json["active"], true);
    let (status, reply) =
        world.desk(Method::POST, &format!("citizens/{}/block", blocked.id), Some(json!({ "by": "desk" }))).await;
    assert!((200..300).contains(&status), "{status} {reply}");
    nothing(&bank, &token, "its person is blocked").await;
}

#[tokio::test]
async fn only_a_client_that_proves_itself_may_ask() {
    let key = new_key();
    let world = world_with(
        "\n[[relying_party]]\nclient_id = \"open\"\nname = \"Open\"\nredirect_uris = [\"https://open.example/callback\"]\n",
    )
    .await;
    let bank = Rp::secret(&world, "netbank");
    let token = bank.tokens(&world, "approves", &[]).await.text("access_token");
    let form = [("token", token.as_str())];
    for (who, shows) in [
        ("open", Shows::Nothing),
        ("netbank", Shows::Nothing),
        ("netbank", Shows::Secret("wrong".to_owned())),
        ("netbank", Shows::Key(Box::new(key))),
        ("nobody", Shows::Secret("wrong".to_owned())),
    ] {
        let reply = Rp::new(&world, who, shows).send("/introspect", &form, &[]).await;
        assert_eq!((reply.status, reply.error()), (401, "invalid_client"), "{who}");
        assert!(!reply.json.to_string().contains("active"), "{reply:?}");
    }
    // The token itself is no proof of who asks.
    let bearer = bank.open_with("/introspect", Some(&form), &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!((bearer.status, bearer.error()), (401, "invalid_client"));
    let missing = bank.send("/introspect", &[("token", "")], &[]).await;
    assert_eq!((missing.status, missing.error()), (400, "invalid_request"));
    assert_eq!(bank.get(&format!("/introspect?token={token}")).await.status, 405);
}
