//! Clients: registered by file and by a desk, with a secret, with keys, or with neither.

use reqwest::Method;
use serde_json::{Value, json};

use crate::rp::{Rp, Shows, jwk, new_key, world, world_with};

fn wanted(id: &str) -> Value {
    json!({
        "client_id": id, "name": "Lånebanken", "redirect_uris": [format!("https://{id}.example/callback")],
        "levels": ["low", "substantial"],
    })
}

fn with(id: &str, name: &str, value: Value) -> Value {
    let mut wanted = wanted(id);
    wanted[name] = value;
    wanted
}

#[tokio::test]
async fn a_desk_registers_a_client_whose_secret_is_shown_once() {
    let mut world = world().await;
    let (status, made) = world.desk(Method::POST, "clients", Some(wanted("loans"))).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["client_secret"].as_str().unwrap().to_owned();
    assert!(secret.len() >= 43 && made.get("client_secret_sha256").is_none(), "{made}");
    let loans = Rp::new(&world, "loans", Shows::Secret(secret.clone()));
    let id_token = loans.tokens(&world, "approves", &[]).await.text("id_token");
    assert_eq!(crate::rp::claims_of(&id_token)["aud"], "loans");

    // It survives a restart, is listed and shown without its secret, and lies in no file as it is.
    world.restart().await;
    assert_eq!(loans.push(&[]).await.status, 201);
    let (_, shown) = world.desk(Method::GET, "clients/loans", None).await;
    assert_eq!(
        (&shown["authentication"], &shown["in_file"], &shown["levels"]),
        (&json!("secret"), &json!(false), &json!(["low", "substantial"]))
    );
    let (_, list) = world.desk(Method::GET, "clients", None).await;
    let ids: Vec<&str> =
        list["clients"].as_array().unwrap().iter().map(|client| client["client_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["netbank", "borger", "loans"]);
    assert!(!list.to_string().contains("sha256") && !shown.to_string().contains(&secret));
    for entry in
        std::fs::read_dir(world.data()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let bytes = std::fs::read(&entry).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", entry.display());
    }

    // A new secret ends the old one; a change keeps it; a removal ends everything.
    let (status, made) = world.desk(Method::POST, "clients/loans/secret", None).await;
    assert_eq!(status, 200, "{made}");
    assert_eq!(loans.push(&[]).await.error(), "invalid_client");
    let loans = Rp::new(&world, "loans", Shows::Secret(made["client_secret"].as_str().unwrap().to_owned()));
    let (status, changed) =
        world.desk(Method::PUT, "clients/loans", Some(with("loans", "levels", json!(["low"])))).await;
    assert_eq!((status, changed.get("client_secret")), (200, None), "{changed}");
    assert_eq!(loans.push(&[]).await.error(), "unmet_authentication_requirements");
    let token = loans.tokens(&world, "approves", &[("acr_values", "Low")]).await.text("access_token");
    assert_eq!(world.desk(Method::DELETE, "clients/loans", None).await.0, 204);
    assert_eq!(loans.push(&[]).await.error(), "invalid_client");
    assert_eq!(loans.open("/userinfo", &token, None).await.error(), "invalid_token");
    assert_eq!(world.desk(Method::GET, "clients/loans", None).await.0, 404);
}

/// A secret that leaked and was replaced must not come back with an older database.
#[tokio::test]
async fn an_older_database_brings_no_client_back_that_was_changed_or_removed() {
    let mut world = world().await;
    let mut secrets = std::collections::BTreeMap::new();
    for id in ["leaked", "moved", "gone", "same"] {
        let (_, made) = world.desk(Method::POST, "clients", Some(wanted(id))).await;
        secrets.insert(id, made["client_secret"].as_str().unwrap().to_owned());
    }
    world.stop().await;
    let copy = world.database();
    world.start().await;
    assert_eq!(world.desk(Method::POST, "clients/leaked/secret", None).await.0, 200);
    assert_eq!(world.desk(Method::PUT, "clients/moved", Some(with("moved", "levels", json!(["low"])))).await.0, 200);
    assert_eq!(world.desk(Method::DELETE, "clients/gone", None).await.0, 204);
    // Written again as it was.
    assert_eq!(world.desk(Method::PUT, "clients/same", Some(wanted("same"))).await.0, 200);
    world.stop().await;
    world.put_back(&copy);
    world.start().await;
    for (id, secret) in secrets {
        let reply = Rp::new(&world, id, Shows::Secret(secret)).push(&[]).await;
        let (status, _) = world.desk(Method::GET, &format!("clients/{id}"), None).await;
        if id == "same" {
            assert_eq!((reply.status, status), (201, 200));
        } else {
            assert_eq!((reply.error(), status), ("invalid_client", 404), "{id}");
            assert_eq!(world.desk(Method::POST, "clients", Some(wanted(id))).await.0, 201, "{id}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_registration_is_said_field_by_field() {
    let world = world().await;
    let long = "x".repeat(65);
    let mut private = jwk(&new_key());
    private["d"] = json!("AAAA");
    for (body, field) in [
        (with("a b", "name", json!("A")), "client_id"),
        (with(&long, "name", json!("A")), "client_id"),
        (with("c", "name", json!("A\u{202e}")), "name"),
        (with("c", "name", json!("")), "name"),
        (with("c", "name", json!(5)), "name"),
        (with("c", "redirect_uris", json!([])), "redirect_uris"),
        (with("c", "redirect_uris", json!(["http://c.example/"])), "redirect_uris"),
        (with("c", "redirect_uris", json!(["https://c.example/#x"])), "redirect_uris"),
        (with("c", "redirect_uris", json!("https://c.example/")), "redirect_uris"),
        (with("c", "levels", json!(["gold"])), "levels"),
        (with("c", "cpr", json!("all")), "cpr"),
        (with("c", "sector", json!("https://c.example")), "sector"),
        (with("c", "keys", json!([jwk(&new_key())])), "keys"),
        (with("c", "single_sign_on", json!("a b")), "single_sign_on"),
        (with("c", "post_logout_redirect_uris", json!(["custom:x"])), "post_logout_redirect_uris"),
        (with("c", "backchannel_logout_uri", json!("http://c.example/out")), "backchannel_logout_uri"),
        (with("c", "ciba_notification_uri", json!("https://c.example/ping")), "ciba_notification_uri"),
        (with("c", "client_secret_sha256", json!("a".repeat(64))), "client"),
        (with("c", "unknown", json!(1)), "client"),
        (with("c", "authentication", json!("password")), "authentication"),
        (
            json!({ "authentication": "keys", "client_id": "c", "name": "C", "keys": [private], "redirect_uris": ["https://c.example/"] }),
            "keys",
        ),
        (
            json!({ "authentication": "keys", "client_id": "c", "name": "C", "redirect_uris": ["https://c.example/"] }),
            "keys",
        ),
        (json!({ "authentication": "none", "client_id": "c", "name": "C", "ciba": true }), "ciba"),
        (
            json!({ "authentication": "none", "client_id": "c", "name": "C", "cpr": "match", "redirect_uris": ["https://c.example/"] }),
            "cpr",
        ),
    ] {
        let (status, refusal) = world.desk(Method::POST, "clients", Some(body.clone())).await;
        assert_eq!((status, &refusal["error"]), (400, &json!("malformed")), "{body}: {refusal}");
        let fields = refusal["findings"].as_array().map_or_else(
            || vec![refusal["field"].clone()],
            |list| list.iter().map(|finding| finding["field"].clone()).collect(),
        );
        assert!(fields.contains(&json!(field)), "{body}: {refusal}");
        assert!(!refusal["message_da"].as_str().unwrap().is_empty());
    }
    for taken in ["netbank", "twice"] {
        world.desk(Method::POST, "clients", Some(wanted("twice"))).await;
        let (status, refusal) = world.desk(Method::POST, "clients", Some(wanted(taken))).await;
        assert_eq!((status, &refusal["field"]), (409, &json!("client_id")), "{refusal}");
    }
    // Those of the file are changed in the file.
    assert_eq!(world.desk(Method::DELETE, "clients/netbank", None).await.0, 409);
    assert_eq!(world.desk(Method::PUT, "clients/netbank", Some(wanted("netbank"))).await.0, 409);
}

#[tokio::test]
async fn a_client_with_keys_signs_for_itself_once_each_time() {
    let world = world().await;
    let (key, other) = (new_key(), new_key());
    let mut body = with("signs", "keys", json!([jwk(&key)]));
    body["authentication"] = json!("keys");
    let (status, made) = world.desk(Method::POST, "clients", Some(body)).await;
    assert_eq!((status, made.get("client_secret")), (201, None), "{made}");
    let rp = Rp::new(&world, "signs", Shows::Nothing);
    let good = rp.assertion(&key, &json!({}));
    let push = async |assertion: &[(String, String)]| {
        let mut all = rp.parameters(&[]);
        all.extend(assertion.iter().cloned());
        let form: Vec<(&str, &str)> =
            all.iter().filter(|(name, _)| name != "client_id").map(|(n, v)| (n.as_str(), v.as_str())).collect();
        rp.open_with("/par", Some(&form), &[]).await
    };
    assert_eq!(push(&good).await.status, 201);
    assert_eq!(push(&good).await.error(), "invalid_client", "seen once");
    let now = godkend_tests::world::unix_now();
    for changed in [
        json!({ "exp": now - 1 }),
        json!({ "exp": now + 3_600 }),
        json!({ "aud": "https://evil.example" }),
        json!({ "aud": [] }),
        json!({ "iss": "netbank" }),
        json!({ "sub": "netbank" }),
        json!({ "nbf": now + 600 }),
        json!({ "jti": 5 }),
    ] {
        let reply = push(&rp.assertion(&key, &changed)).await;
        assert_eq!((reply.status, reply.error()), (401, "invalid_client"), "{changed}");
    }
    assert_eq!(push(&rp.assertion(&other, &json!({}))).await.error(), "invalid_client");
    let mut none = rp.assertion(&key, &json!({}));
    none[1].1 = format!("{}.", none[1].1.rsplit_once('.').unwrap().0);
    assert_eq!(push(&none).await.error(), "invalid_client", "without a signature");
    assert_eq!(rp.push(&[]).await.error(), "invalid_client", "without an assertion");
    let with_secret = Rp::secret(&world, "signs");
    assert_eq!(with_secret.push(&[]).await.error(), "invalid_client");

    let signing = Rp::new(&world, "signs", Shows::Key(Box::new(key))).bound();
    let reply = signing.tokens(&world, "approves", &[]).await;
    assert_eq!(reply.json["token_type"], "DPoP");
}

#[tokio::test]
async fn a_client_of_the_file_can_have_keys_as_well() {
    let key = new_key();
    let more = format!(
        "\n[[relying_party]]\nclient_id = \"filed\"\nname = \"Filed\"\nkeys = ['{}']\nredirect_uris = [\"https://filed.example/callback\"]\n",
        jwk(&key)
    );
    let world = world_with(&more).await;
    assert_eq!(Rp::new(&world, "filed", Shows::Key(Box::new(key))).push(&[]).await.status, 201);
    assert!(!world.refuses_configuration(&more.replace("filed", "other").replace("\"EC\"", "\"RSA\"")).is_empty());
}

#[tokio::test]
async fn what_the_description_names_is_there_and_takes_what_it_says() {
    let world = world().await;
    let rp = Rp::secret(&world, "netbank");
    let described = rp.get("/.well-known/openid-configuration").await.json;
    for endpoint in [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "end_session_endpoint",
        "pushed_authorization_request_endpoint",
        "backchannel_authentication_endpoint",
        "introspection_endpoint",
        "godkend_cpr_match_endpoint",
    ] {
        let url = described[endpoint].as_str().unwrap_or_else(|| panic!("no {endpoint}"));
        let path = url.strip_prefix(&world.url).unwrap();
        let (get, post) = (rp.get(path).await.status, rp.open_with(path, Some(&[]), &[]).await.status);
        assert!(get != 404 && (get != 405 || post != 405), "{endpoint}: {get} {post}");
    }
    for (name, value) in [
        ("dpop_signing_alg_values_supported", json!(["ES256"])),
        (
            "token_endpoint_auth_methods_supported",
            json!(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]),
        ),
        ("backchannel_token_delivery_modes_supported", json!(["poll", "ping"])),
        ("backchannel_logout_supported", json!(true)),
        ("authorization_response_iss_parameter_supported", json!(true)),
        ("request_parameter_supported", json!(false)),
        ("issuer", json!(world.url)),
    ] {
        assert_eq!(described[name], value, "{name}");
    }
}
