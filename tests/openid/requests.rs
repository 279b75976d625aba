//! Authorisation requests, as attackers and careless clients write them.

use crate::rp::{Rp, Shows, query, table, world, world_with};

fn public() -> String {
    "\n[[relying_party]]\nclient_id = \"shop\"\nname = \"Shop\"\nredirect_uris = [\"https://shop.example/callback\"]\n"
        .to_owned()
}

/// `/authorize` with these parameters.
fn authorize(rp: &Rp, changed: &[(&str, &str)]) -> String {
    let mut url = url::Url::parse(&format!("{}/authorize", rp.url)).unwrap();
    url.query_pairs_mut().extend_pairs(rp.parameters(changed));
    url.into()
}

#[tokio::test]
async fn an_unknown_address_is_never_used_and_the_person_is_told() {
    let world = world_with(&public()).await;
    let shop = Rp::new(&world, "shop", Shows::Nothing);
    for changed in [
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "https://shop.example/callback/"),
        ("redirect_uri", "https://shop.example/callback?x=1"),
        ("redirect_uri", "https://shop.example/callback#x"),
        ("redirect_uri", "https://shop.example:443/callback"),
        ("redirect_uri", "https://shop.example/../callback"),
        ("redirect_uri", "https://shop.example@evil.example/callback"),
        ("redirect_uri", "HTTPS://shop.example/callback"),
        ("redirect_uri", ""),
        ("client_id", "nobody"),
        ("client_id", ""),
        ("client_id", "../netbank"),
    ] {
        let (status, location, body) = world.browser().visit(&authorize(&shop, &[changed])).await.unwrap_err();
        assert_eq!((status, location), (400, None), "{changed:?}");
        assert!(!body.contains("evil.example"), "{body}");
        if changed.0 == "redirect_uri" {
            assert_eq!(shop.push(&[changed]).await.error(), "invalid_request", "{changed:?}");
        }
    }
}

#[tokio::test]
async fn a_bad_request_goes_back_with_its_state_and_the_issuer() {
    let world = world_with(&public()).await;
    let shop = Rp::new(&world, "shop", Shows::Nothing);
    for (changed, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", "id_token"), "unsupported_response_type"),
        (("response_type", "code id_token"), "unsupported_response_type"),
        (("response_type", "code token"), "unsupported_response_type"),
        (("response_type", "none"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("response_mode", "fragment"), "invalid_request"),
        (("response_mode", "form_post"), "invalid_request"),
        (("request", "eyJhbGciOiJub25lIn0.e30."), "request_not_supported"),
        (("registration", "{}"), "registration_not_supported"),
        (("scope", ""), "invalid_request"),
        (("scope", "profile"), "invalid_scope"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("prompt", "none"), "login_required"),
        (("prompt", "none login"), "invalid_request"),
        (("max_age", "-1"), "invalid_request"),
        (("id_token_hint", "eyJhbGciOiJub25lIn0.e30."), "invalid_request"),
        (("acr_values", "urn:unknown"), "invalid_request"),
        (("login_hint", "a b"), "invalid_request"),
        (("idp_params", "{\"reference_text\":\"aGVq\"}"), "invalid_request"),
    ] {
        let (status, location, body) = world.browser().visit(&authorize(&shop, &[changed])).await.unwrap_err();
        let location = location.unwrap_or_else(|| panic!("{changed:?}: {status} {body}"));
        assert!(location.starts_with("https://shop.example/callback?"), "{location}");
        let answer = query(&location);
        assert_eq!(answer["error"], error, "{changed:?}");
        assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("the state", world.url.as_str()));
        assert!(!answer["error_description"].is_empty() && !answer.contains_key("code"));
        // Pushed, the same is refused before a browser is there.
        if changed.0 != "idp_params" {
            let pushed = shop.push(&[changed]).await;
            assert_eq!((pushed.status, pushed.error()), (400, error), "{changed:?}");
        }
    }
}

#[tokio::test]
async fn a_parameter_that_stands_twice_is_refused_wherever_it_stands() {
    let world = world_with(&public()).await;
    let shop = Rp::new(&world, "shop", Shows::Nothing);
    let good = authorize(&shop, &[]);
    for again in
        ["state=x", "redirect_uri=https%3A%2F%2Fshop.example%2Fcallback", "scope=openid", "client_id=shop", "x=1&x=2"]
    {
        let (status, location, _) = world.browser().visit(&format!("{good}&{again}")).await.unwrap_err();
        assert_eq!((status, location), (400, None), "{again}");
    }
    let bank = Rp::secret(&world, "netbank");
    let code = bank.code(&world, "approves", &[]).await;
    let twice = [("code", code.as_str()), ("code", code.as_str()), ("grant_type", "authorization_code")];
    assert_eq!(bank.send("/token", &twice, &[]).await.error(), "invalid_request");
    assert_eq!(bank.send("/par", &[("scope", "openid"), ("scope", "openid")], &[]).await.error(), "invalid_request");
}

#[tokio::test]
async fn a_pushed_request_is_its_clients_used_once_and_soon_too_old() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank");
    let address = bank.address(&[]).await;
    let (status, location, _) = world.browser().visit(&address.replace("=netbank", "=borger")).await.unwrap_err();
    assert_eq!((status, location), (400, None), "another client's");
    world.browser().visit(&address).await.unwrap();
    let (status, location, body) = world.browser().visit(&address).await.unwrap_err();
    assert_eq!((status, location), (400, None));
    assert!(body.contains("invalid_request_uri"), "{body}");
    // What the browser adds to a pushed request changes nothing.
    let address = bank.address(&[]).await + "&acr_values=Low&redirect_uri=https%3A%2F%2Fevil.example%2F&state=other";
    let mut browser = world.browser();
    browser.visit(&address).await.unwrap();
    browser.type_user_id("approves").await;
    assert_eq!(browser.finish().await["state"], "the state");
    let address = bank.address(&[]).await;
    world.advance(91).await;
    assert!(world.browser().visit(&address).await.is_err(), "too old");
    assert_eq!(bank.push(&[("request_uri", "urn:x")]).await.error(), "invalid_request");
}

#[tokio::test]
async fn a_client_with_a_secret_pushes_unless_it_is_registered_as_one_that_need_not() {
    let world = world_with(&table("mod-auth", "unpushed = true")).await;
    let bank = Rp::secret(&world, "netbank");
    let (_, location, _) = world.browser().visit(&authorize(&bank, &[])).await.unwrap_err();
    assert_eq!(query(&location.unwrap())["error"], "invalid_request");
    let free = Rp::secret(&world, "mod-auth");
    let mut browser = world.browser();
    browser.visit(&authorize(&free, &[])).await.unwrap();
    browser.type_user_id("approves").await;
    assert_eq!(free.redeem(&browser.finish().await["code"]).await.status, 200);
    let text = [("idp_params", "{\"reference_text\":\"aGVq\"}")];
    let (_, location, _) = world.browser().visit(&authorize(&free, &text)).await.unwrap_err();
    assert_eq!(query(&location.unwrap())["error"], "invalid_request", "a text that the person could have written");
}

#[tokio::test]
async fn the_person_that_the_request_names_is_the_one_who_signs_in() {
    let world = world().await;
    world.magic("somebody", "approves").await;
    let bank = Rp::secret(&world, "netbank");
    let reply = bank.tokens(&world, "approves", &[]).await;
    let (hint, uuid) = (reply.text("id_token"), crate::rp::claims_of(&reply.text("id_token"))["mitid.uuid"].clone());
    let params = serde_json::json!({ "uuid_hint": uuid }).to_string();
    for named in [("id_token_hint", hint.as_str()), ("idp_params", params.as_str())] {
        let right = bank.answer(&mut world.browser(), "approves", &[named]).await;
        assert!(right.contains_key("code"), "{right:?}");
        let wrong = bank.answer(&mut world.browser(), "somebody", &[named]).await;
        assert_eq!(wrong["error"], "access_denied", "{wrong:?}");
    }
    let other = Rp::secret(&world, "borger");
    assert_eq!(other.push(&[("id_token_hint", &hint)]).await.error(), "invalid_request", "another client's token");
    let forged = format!("{}AAAA", &hint[..hint.len() - 4]);
    assert_eq!(bank.push(&[("id_token_hint", &forged)]).await.error(), "invalid_request");
    // A number shown for a login hint is the same as for a typed user id: it only fills the field.
    let mut browser = world.browser();
    browser.visit(&bank.address(&[("login_hint", "approves")]).await).await.unwrap();
    assert!(browser.last.body.contains("value=\"approves\""));
}

#[tokio::test]
async fn several_payments_or_another_type_are_refused_by_their_own_name() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank");
    let payment = serde_json::json!({
        "type": "godkend_payment", "amount": "1250.00", "currency": "DKK", "payee": "Bager Sørensen", "account": "1234 0001234567",
    });
    for details in [
        serde_json::json!([payment, payment]),
        serde_json::json!([]),
        serde_json::json!(payment),
        serde_json::json!([{ "type": "payment_initiation" }]),
    ] {
        let pushed = bank.push(&[("authorization_details", &details.to_string())]).await;
        assert_eq!((pushed.status, pushed.error()), (400, "invalid_authorization_details"), "{details}");
    }
    let details = serde_json::json!([payment]);
    let reply = bank.tokens(&world, "approves", &[("authorization_details", &details.to_string())]).await;
    assert_eq!(reply.json["authorization_details"], details);
    let claims = crate::rp::claims_of(&reply.text("id_token"));
    assert_eq!((&claims["authorization_details"], &claims["godkend.action"]), (&details, &"APPROVE".into()));
    let told = bank.open("/userinfo", &reply.text("access_token"), None).await;
    assert_eq!(told.json["authorization_details"], details);
}
