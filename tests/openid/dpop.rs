//! Tokens that are bound to a key (RFC 9449).

use serde_json::{Value, json};

use crate::rp::{Rp, hash, jwk, jws, new_key, once, thumbprint, world, world_with};

#[tokio::test]
async fn a_bound_token_opens_with_its_key_alone() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank").bound();
    let reply = bank.tokens(&world, "approves", &[]).await;
    assert_eq!(reply.json["token_type"], "DPoP");
    assert!(!reply.header("dpop-nonce").is_empty());
    let token = reply.text("access_token");

    let told = bank.open("/userinfo", &token, None).await;
    assert_eq!((told.status, &told.json["mitid.identity_name"]), (200, &json!("Magic Testesen")), "{told:?}");
    assert!(!told.header("dpop-nonce").is_empty());

    let as_bearer = bank.open_with("/userinfo", None, &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!((as_bearer.status, as_bearer.error()), (401, "invalid_token"));
    let thief = Rp::secret(&world, "netbank").bound();
    let stolen = thief.open("/userinfo", &token, None).await;
    assert_eq!((stolen.status, stolen.error()), (401, "invalid_token"));
    assert!(stolen.header("www-authenticate").starts_with("DPoP "), "{stolen:?}");

    // And one that is bound to none does not become so.
    let plain = Rp::secret(&world, "netbank");
    let token = plain.tokens(&world, "approves", &[]).await.text("access_token");
    assert_eq!(plain.open("/userinfo", &token, None).await.status, 200);
    assert_eq!(bank.open("/userinfo", &token, None).await.error(), "invalid_token");
}

#[tokio::test]
async fn a_proof_is_for_one_request_and_seen_once() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank").bound();
    let nonce = bank.nonce().await;
    let code = bank.code(&world, "approves", &[]).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", bank.back.as_str()),
        ("code_verifier", crate::rp::VERIFIER),
    ];
    let now = godkend_tests::world::unix_now();
    for (changed, error) in [
        (json!({ "htm": "GET" }), "invalid_dpop_proof"),
        (json!({ "htm": "post" }), "invalid_dpop_proof"),
        (json!({ "htm": null }), "invalid_dpop_proof"),
        (json!({ "htu": format!("{}/par", bank.url) }), "invalid_dpop_proof"),
        (json!({ "htu": "https://evil.example/token" }), "invalid_dpop_proof"),
        (json!({ "htu": null }), "invalid_dpop_proof"),
        (json!({ "iat": now - 120 }), "invalid_dpop_proof"),
        (json!({ "iat": now + 120 }), "invalid_dpop_proof"),
        (json!({ "iat": "now" }), "invalid_dpop_proof"),
        (json!({ "iat": null }), "invalid_dpop_proof"),
        (json!({ "jti": "" }), "invalid_dpop_proof"),
        (json!({ "jti": null }), "invalid_dpop_proof"),
        (json!({ "jti": "x".repeat(129) }), "invalid_dpop_proof"),
        (json!({ "nonce": null }), "use_dpop_nonce"),
        (json!({ "nonce": "another" }), "use_dpop_nonce"),
    ] {
        let reply = bank.send("/token", &form, &[("dpop", &bank.proof("POST", "/token", &nonce, &changed))]).await;
        assert_eq!((reply.status, reply.error()), (400, error), "{changed}");
        assert!(!reply.header("dpop-nonce").is_empty(), "{changed}");
    }
    let claims = |name: &str| json!({ "jti": name, "htm": "POST", "htu": format!("{}/token", bank.url), "iat": now, "nonce": nonce });
    let key = new_key();
    let good = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(&key) });
    let header = |name: &str, value: Value| {
        let mut header = good.clone();
        header[name] = value;
        header
    };
    let mut private = jwk(&key);
    private["d"] = json!("AAAA");
    for header in [
        header("typ", json!("JWT")),
        header("typ", Value::Null),
        header("alg", json!("none")),
        header("alg", json!("HS256")),
        header("jwk", Value::Null),
        header("jwk", private),
        header("jwk", jwk(&new_key())),
        header("jwk", json!({ "kty": "oct", "k": "AAAA" })),
        header("crit", json!(["exp"])),
    ] {
        let proof = jws(&key, &header, &claims(&once()));
        let reply = bank.send("/token", &form, &[("dpop", &proof)]).await;
        assert_eq!((reply.status, reply.error()), (400, "invalid_dpop_proof"), "{header}");
    }
    for proof in ["", "x", "a.b.c"] {
        assert_eq!(bank.send("/token", &form, &[("dpop", proof)]).await.error(), "invalid_dpop_proof", "{proof}");
    }
    let proof = bank.proof("POST", "/token", &nonce, &json!({}));
    let twice = bank.send("/token", &form, &[("dpop", &proof), ("dpop", &proof)]).await;
    assert_eq!(twice.error(), "invalid_dpop_proof");

    // None of it used the code up.
    let reply = bank.send("/token", &form, &[("dpop", &proof)]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let token = reply.text("access_token");
    let again = bank.send("/token", &form, &[("dpop", &proof)]).await;
    assert_eq!((again.status, again.error()), (400, "invalid_dpop_proof"), "a proof is seen once");

    // At a resource, too: there the token is part of it.
    let nonce = bank.nonce().await;
    let authorization = format!("DPoP {token}");
    for ath in [json!(null), json!(hash("another token"))] {
        let proof = bank.proof("GET", "/userinfo", &nonce, &json!({ "ath": ath }));
        let reply = bank.open_with("/userinfo", None, &[("authorization", &authorization), ("dpop", &proof)]).await;
        assert_eq!((reply.status, reply.error()), (401, "invalid_dpop_proof"), "{ath}");
    }
    let proof = bank.proof("GET", "/userinfo", &nonce, &json!({ "ath": hash(&token) }));
    let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str())];
    let send = || bank.open_with("/userinfo", None, &headers);
    assert_eq!(send().await.status, 200);
    let replayed = send().await;
    assert_eq!((replayed.status, replayed.error()), (401, "invalid_dpop_proof"));
    let without = bank.open_with("/userinfo", None, &[("authorization", &authorization)]).await;
    assert_eq!((without.status, without.error()), (401, "invalid_token"));
}

#[tokio::test]
async fn a_replayed_proof_is_known_after_a_restart_and_a_nonce_grows_old() {
    let mut world = world().await;
    let bank = Rp::secret(&world, "netbank").bound();
    let token = bank.tokens(&world, "approves", &[]).await.text("access_token");
    let nonce = bank.nonce().await;
    let proof = bank.proof("GET", "/userinfo", &nonce, &json!({ "ath": hash(&token) }));
    let authorization = format!("DPoP {token}");
    let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str())];
    assert_eq!(bank.open_with("/userinfo", None, &headers).await.status, 200);
    world.restart().await;
    assert_eq!(bank.open_with("/userinfo", None, &headers).await.error(), "invalid_dpop_proof");
    // The nonce outlives a restart as well, but not five minutes.
    let with = |nonce: &str, at: i64| bank.proof("POST", "/token", nonce, &json!({ "iat": at }));
    let now = godkend_tests::world::unix_now();
    let fresh = bank.send("/token", &[("grant_type", "x")], &[("dpop", &with(&nonce, now))]).await;
    assert_eq!(fresh.error(), "unsupported_grant_type");
    world.advance(301).await;
    let now = godkend_tests::world::unix_now() + 301;
    let old = bank.send("/token", &[("grant_type", "x")], &[("dpop", &with(&nonce, now))]).await;
    assert_eq!(old.error(), "use_dpop_nonce");
    let next = old.header("dpop-nonce").to_owned();
    assert_ne!(next, nonce);
    let fresh = bank.send("/token", &[("grant_type", "x")], &[("dpop", &with(&next, now))]).await;
    assert_eq!(fresh.error(), "unsupported_grant_type");
}

#[tokio::test]
async fn a_code_is_bound_to_the_key_that_the_request_named() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank").bound();
    let jkt = thumbprint(bank.key.as_ref().unwrap());
    let code = bank.code(&world, "approves", &[("dpop_jkt", &jkt)]).await;
    let thief = Rp::secret(&world, "netbank").bound();
    assert_eq!(thief.redeem(&code).await.error(), "invalid_dpop_proof");
    assert_eq!(Rp::secret(&world, "netbank").redeem(&code).await.error(), "invalid_dpop_proof");
    assert_eq!(bank.redeem(&code).await.status, 200);

    // A proof at the pushed request binds as well, and must be by the key that is named.
    let all = bank.parameters(&[]);
    let mut form: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let nonce = bank.nonce().await;
    let pushed = bank.send("/par", &form, &[("dpop", &bank.proof("POST", "/par", &nonce, &json!({})))]).await;
    assert_eq!(pushed.status, 201, "{pushed:?}");
    let mut browser = world.browser();
    let uri = pushed.text("request_uri");
    browser.visit(&format!("{}/authorize?client_id=netbank&request_uri={uri}", bank.url)).await.unwrap();
    browser.type_user_id("approves").await;
    let code = browser.finish().await["code"].clone();
    assert_eq!(thief.redeem(&code).await.error(), "invalid_dpop_proof");
    assert_eq!(bank.redeem(&code).await.status, 200);
    let other = thumbprint(&new_key());
    form.push(("dpop_jkt", &other));
    let refused = bank.send("/par", &form, &[("dpop", &bank.proof("POST", "/par", &nonce, &json!({})))]).await;
    assert_eq!(refused.error(), "invalid_dpop_proof");
}

#[tokio::test]
async fn a_client_that_wants_bound_tokens_gets_no_others() {
    let world = world_with(&crate::rp::table("strict", "dpop = true")).await;
    let loose = Rp::secret(&world, "strict");
    let code = loose.code(&world, "approves", &[]).await;
    assert_eq!(loose.redeem(&code).await.error(), "invalid_dpop_proof");
    assert_eq!(loose.bound().redeem(&code).await.json["token_type"], "DPoP");
}
