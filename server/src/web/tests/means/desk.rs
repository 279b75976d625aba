//! What a desk hands out, what a person chooses with it, and when it ends.

use super::*;

#[tokio::test]
async fn a_desk_takes_in_hands_out_and_replaces_displays() {
    let world = world().await;
    let anna = world.holder("anna-berg", 1).await;
    let seeds: [&[u8]; 3] = [&[7; 20], &[8; 20], b"short"];
    let delivery =
        json!({ "container": container(&[("n1", seeds[0]), ("n2", seeds[1]), ("n3", seeds[2]), ("n1", seeds[0])]) });
    let imported = world.desk("displays", delivery.clone()).await;
    assert_eq!(imported.status, StatusCode::CREATED);
    let (imported, again) = (imported.json(), world.desk("displays", delivery).await.json());
    assert_eq!((&imported["imported"], &imported["known"]), (&json!(2), &json!(["n1"])));
    assert!(imported["refused"][0][1].as_str().unwrap().contains("128 bits"), "{imported}");
    assert_eq!((&again["imported"], &again["known"]), (&json!(0), &json!(["n1", "n2", "n1"])));
    let bad = world.desk("displays", json!({ "container": STANDARD.encode("<x/>") })).await;
    assert_eq!(
        (bad.status, bad.json()["reason"].as_str().unwrap().contains("KeyContainer")),
        (StatusCode::BAD_REQUEST, true)
    );

    let path = format!("citizens/{}", anna.id.to_base64());
    let assign = async |body: Value| world.desk(&format!("{path}/display"), body).await;
    assert_eq!(error(&assign(json!({ "serial": "unknown" })).await).1, "display_unknown");
    assert_eq!(error(&assign(json!({ "serial": "anna-berg" })).await).1, "display_taken", "not in stock");
    assert_eq!(error(&assign(json!({ "serial": "n1" })).await).1, "display_taken", "she has one");
    let soon = world.server.app.now() + 86_400;
    let replaced = assign(json!({ "serial": "n1", "replace": true, "battery_until": soon })).await;
    assert_eq!(replaced.status, StatusCode::CREATED, "{}", replaced.text);
    assert_eq!(world.stranger(1, &both(&anna, "anna-berg", anna.code(0))).await, "means_wrong", "the old one is over");
    let new = Person { display: display(seeds[0]), ..anna };
    assert_eq!(world.stranger(2, &both(&new, "anna-berg", new.code(0))).await, "");
    let config = &world.server.app.config;
    let token = std::fs::read_to_string(config.in_data_dir(&config.admin.token_file)).unwrap();
    let shown =
        world.send(world.http.get(world.at(&format!("/admin/v1/{path}/means"))).bearer_auth(token.trim())).await;
    let shown = shown.json();
    let states: Vec<_> =
        shown["displays"].as_array().unwrap().iter().map(|d| (&d["serial"], &d["state"], &d["battery_low"])).collect();
    assert!(states.contains(&(&json!("n1"), &json!("active"), &json!(true))), "{shown}");
    assert!(states.contains(&(&json!("anna-berg"), &json!("replaced"), &json!(false))), "{shown}");
    assert!(shown["password"]["set"].is_i64());
    assert_eq!(world.desk(&format!("{path}/display/lost"), json!({ "by": "test" })).await.status, StatusCode::OK);
    assert_eq!(world.stranger(3, &both(&new, "anna-berg", new.code(1))).await, "means_wrong", "a lost one is over");
    assert_eq!(error(&world.desk(&format!("{path}/display/lost"), json!({})).await).1, "display_unknown");
    let events = world.events(&new).await;
    for event in ["display_assigned", "display_lost", "password_opened", "password_set", "means_wrong"] {
        assert!(events.iter().any(|own| own == event), "{event}: {events:?}");
    }
    world.server.stop().await;
}

#[tokio::test]
async fn a_changed_password_ends_the_old_one_and_a_code_ends_by_time() {
    let world = world().await;
    let anna = world.holder("anna-berg", 1).await;
    world.choose(&anna, &Secret([5; 32])).await;
    assert_eq!(world.stranger(1, &both(&anna, "anna-berg", anna.code(0))).await, "means_wrong");
    let changed = Try { password: Secret([5; 32]), ..both(&anna, "anna-berg", anna.code(1)) };
    assert_eq!(world.stranger(2, &changed).await, "");
    assert!(world.events(&anna).await.contains(&"password_changed".to_owned()));
    let opened = world.desk(&format!("citizens/{}/password", anna.id.to_base64()), json!({})).await.json();
    world.server.app.clock.advance_ms(600_000);
    let late = world.choose_with(opened["code"].as_str().unwrap(), &Secret([6; 32])).await;
    assert_eq!(error(&late).1, "password_code_wrong");
    for _ in 0..4 {
        assert_eq!(error(&world.choose_with("ABCDEF-GHJKMN-PQRSTV", &Secret([6; 32])).await).1, "password_code_wrong");
    }
    assert_eq!(error(&world.choose_with("ABCDEF-GHJKMN-PQRSTV", &Secret([6; 32])).await).1, "throttled");
    world.server.stop().await;
}

#[tokio::test]
async fn the_app_opens_a_new_password_once_and_in_its_own_browser() {
    let world = world().await;
    let mut browser = Browser::default();
    let begun = world.browse(&mut browser, Method::GET, "/password/app?language=da", None).await;
    let path = begun.location().path().to_owned();
    let page = world.browse(&mut browser, Method::GET, &path, None).await.text;
    assert!(page.contains("Vælg adgangskode") && !page.contains("/way/"), "only a phone can approve it");
    let typed = json!({ "user_id": "approves" });
    world.browse(&mut browser, Method::POST, &format!("{path}/user-id"), Some(typed)).await;
    let back = world.browse(&mut browser, Method::GET, &format!("{path}/finish"), None).await.location();
    assert!(back.as_str().starts_with(&format!("{}/password?", world.server.url)), "{back}");
    let address = format!("{}?{}", back.path(), back.query().unwrap());
    let stranger = world.browse(&mut Browser::default(), Method::GET, &address, None).await;
    assert!(stranger.status == StatusCode::FORBIDDEN && !stranger.text.contains("choose-form"));
    let page = world.browse(&mut browser, Method::GET, &address, None).await;
    let code = page.text.split("id=\"code\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(world.choose_with(&code, &Secret([8; 32])).await.status, StatusCode::OK);
    let again = world.browse(&mut browser, Method::GET, &address, None).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN, "good once");
    // A relying party's code is none of ours.
    let end = world.log_in("approves", &[]).await;
    let foreign = world.browse(&mut browser, Method::GET, &format!("/password?code={}", end["code"]), None).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let alone = Try { user_id: "approves", password: Secret([8; 32]), combination: "password", proofs: json!({}) };
    assert_eq!(world.try_in(&mut browser, 1, Level::Low, &alone).await.0, "");
    world.server.stop().await;
}
