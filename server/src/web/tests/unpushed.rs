//! What a browser may ask for by itself, and how much of it.

use super::*;
use crate::approval::{self, State};
use crate::docs;
use crate::records::{Outcome, Transaction};
use godkend_protocol::types::{Binding, Decision, Factor};

fn address(client: &str, more: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("client_id", client),
        ("response_type", "code"),
        ("redirect_uri", BACK),
        ("scope", "openid"),
        ("state", "the state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    query.extend_pairs(more);
    format!("/authorize?{}", query.finish())
}

#[tokio::test]
async fn a_client_with_a_secret_pushes_and_others_may_ask_for_a_plain_login() {
    let world = World::start().await;
    let payment =
        json!([{ "type": "godkend_payment", "amount": "9999.00", "currency": "DKK", "payee": "Me" }]).to_string();
    let text = json!({ "reference_text": "SGVq" }).to_string();
    let forged: [&[(&str, &str)]; 4] = [
        &[("authorization_details", &payment)],
        &[("idp_params", &text)],
        &[("idp_params", "{\"action_text\":\"SIGN\"}")],
        &[("idp_params", "{\"action_text\":\"APPROVE\"}")],
    ];
    let mut browser = Browser::default();
    let mut refused = async |path: &str, method: Method| {
        let end = world.browse(&mut browser, method, path, None).await.query();
        assert_eq!((end["error"].as_str(), end["state"].as_str()), ("invalid_request", "the state"), "{path}");
        assert!(end["error_description"].contains("RFC 9126"), "{end:?}");
    };
    refused(&address("bank", &[]), Method::GET).await;
    for more in forged {
        refused(&address("bank", more), Method::GET).await;
        refused(&address("shop", more), Method::GET).await;
    }
    // A form is no way around it.
    let form =
        world.http.post(world.at("/authorize")).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let posted = world.send(form.body(address("bank", forged[0]).split_once('?').unwrap().1.to_owned())).await;
    assert_eq!(posted.query()["error"], "invalid_request");

    let plain = world.browse(&mut Browser::default(), Method::GET, &address("shop", &[]), None).await;
    assert!(plain.location().path().starts_with("/login/"), "{}", plain.text);
    // Pushed, a public client may have more.
    let form = address("shop", forged[0]).split_once('?').unwrap().1.to_owned();
    let push = world.http.post(world.at("/par")).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let pushed = world.send(push.body(form)).await;
    assert_eq!(pushed.status, StatusCode::CREATED, "{}", pushed.text);

    let known = world.send(world.http.get(world.at("/.well-known/openid-configuration"))).await.json();
    assert_eq!(known["require_pushed_authorization_requests"], false, "one client is public");
    world.server.stop().await;
}

#[tokio::test]
async fn pushes_of_a_public_client_are_counted_by_source() {
    let world = World::start().await;
    let form = address("shop", &[]).split_once('?').unwrap().1.to_owned();
    let push = async || {
        let request =
            world.http.post(world.at("/par")).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        world.send(request.body(form.clone())).await
    };
    let most = world.server.app.config.limits.logins_per_source_minute;
    let mut refused = None;
    // The bucket refills while it is emptied.
    for _ in 0..most * 2 {
        let pushed = push().await;
        if pushed.status != StatusCode::CREATED {
            refused = Some(pushed);
            break;
        }
    }
    let refused = refused.expect("too many are refused");
    assert_eq!(error(&refused), (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable".to_owned()));
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    // A client that proves itself is not its source's guest.
    assert_eq!(world.push(&[]).await.status, StatusCode::CREATED);
    world.server.stop().await;
}

#[tokio::test]
async fn four_waits_of_a_login_are_held_and_more_are_answered_at_once() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let path = world.begin(&mut browser, &[]).await;
    let id = Id::from_base64(path.trim_start_matches("/login/")).unwrap();
    let app = world.server.app.clone();
    let wait = || async {
        let begun = tokio::time::Instant::now();
        approval::wait(&app, &id, State::Waiting, 2).await.unwrap();
        begun.elapsed().as_millis()
    };
    let mut times = futures_util::future::join_all((0..10).map(|_| wait())).await;
    times.sort_unstable();
    assert!(times[5] < 1_000 && times[6] >= 1_900, "{times:?}");
    assert!(wait().await >= 1_900, "the others are gone");
    world.server.stop().await;
}

#[tokio::test]
async fn a_wait_ends_when_the_return_is_needed() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let path = world.begin(&mut browser, &[]).await;
    let id = Id::from_base64(path.trim_start_matches("/login/")).unwrap();
    let app = world.server.app.clone();
    let mut entry = docs::get::<Transaction>(&*app.store, &id.0).await.unwrap().unwrap();
    entry.doc.taken =
        Some(crate::records::Taken { device: random(&mut system_random()), binding: Binding::SameDevice });
    let mut changes = Changes::new();
    changes.update(&entry);
    entry.version = changes.commit(&*app.store).await.unwrap().versions.first().copied();

    let begun = tokio::time::Instant::now();
    let held = approval::wait(&app, &id, State::Opened, 2);
    let approve = async {
        tokio::time::sleep(core::time::Duration::from_millis(200)).await;
        entry.doc.outcome = Some(Outcome {
            factor: Factor::Pin,
            at: app.now(),
            ..crate::approval::testing::outcome(Decision::Approve, Binding::SameDevice)
        });
        let mut changes = Changes::new();
        changes.update(&entry);
        changes.commit(&*app.store).await.unwrap();
        app.wake.all(id);
    };
    let (view, ()) = tokio::join!(held, approve);
    let view = view.unwrap();
    assert!(view.needs_return && view.state == State::Opened);
    assert!(begun.elapsed().as_millis() < 900, "woken, and not at the next look");
    // A page that has not seen it yet is told at once; one that has, waits.
    for (known, at_once) in [("false", true), ("true", false)] {
        let begun = tokio::time::Instant::now();
        let address = format!("{path}/state?known=opened&needs_return={known}&wait=2");
        let state = world.browse(&mut browser, Method::GET, &address, None).await.json();
        assert_eq!(state["needs_return"], true);
        assert_eq!(begun.elapsed().as_millis() < 1_000, at_once, "{known}");
    }
    let bad = world.browse(&mut browser, Method::GET, &format!("{path}/state?known=opened&needs_return=x"), None).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    world.server.stop().await;
}
