//! The page's looks, its languages, its forms without scripts, and more time.

use super::*;
use crate::approval;
use crate::docs;
use crate::oidc::records::Login;
use crate::records::Transaction;

/// The apps' palette.
const TOKENS: &str = include_str!("../../../../bindings/screens/tokens.json");

#[test]
fn the_pages_colours_are_those_of_the_apps() {
    let style = include_str!("../style.css");
    let (light, dark) = style.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let tokens: Value = serde_json::from_str(TOKENS).unwrap();
    let mut compared = 0;
    for (name, colours) in tokens["colour"].as_object().unwrap() {
        let property = format!("--{}: ", name.replace('_', "-"));
        for (part, theme) in [(light, "light"), (dark, "dark")] {
            // Not every colour of the apps is on a page.
            let Some((_, after)) = part.split_once(&property) else { continue };
            assert!(after.starts_with(colours[theme].as_str().unwrap()), "{name}, {theme}");
            compared += 1;
        }
    }
    assert!(compared >= 30, "{compared}");
}

async fn form(world: &World, browser: &mut Browser, path: &str, origin: Option<&str>, body: &'static str) -> Page {
    let cookies: Vec<String> = browser.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut request = world.http.post(world.at(path)).header(header::COOKIE, cookies.join("; ")).body(body);
    request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(origin) = origin {
        request = request.header(header::ORIGIN, origin);
    }
    world.send(request).await
}

#[tokio::test]
async fn a_form_is_taken_from_this_origin_alone() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let path = world.begin(&mut browser, &[]).await;
    for origin in ["https://evil.example", "null"] {
        for to in ["user-id", "extend", "cancel"] {
            let refused = form(&world, &mut browser, &format!("{path}/{to}"), Some(origin), "user_id=approves").await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{to} from {origin}");
        }
    }
    // Another browser's form reaches no login.
    let stranger = form(&world, &mut Browser::default(), &format!("{path}/cancel"), None, "").await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    // What a page does not know is no form of its own.
    let odd = form(&world, &mut browser, &format!("{path}/user-id"), None, "user_id=approves&more=1").await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    let own = world.server.url.clone();
    let sent = form(&world, &mut browser, &format!("{path}/user-id"), Some(&own), "user_id=never-answers").await;
    assert_eq!((sent.status, sent.location().path()), (StatusCode::SEE_OTHER, path.as_str()));
    let page = world.browse(&mut browser, Method::GET, &path, None).await.text;
    assert!(page.contains(r#"http-equiv="refresh" content="5;url=/login/"#), "{page}");
    let state = world.browse(&mut browser, Method::GET, &format!("{path}/state"), None).await.json();
    assert!(page.contains(state["number_spaced"].as_str().unwrap()), "{page}");
    world.server.stop().await;
}

#[tokio::test]
async fn time_is_given_ten_times_and_not_to_a_phone_at_work() {
    let world = World::start().await;
    let app = world.server.app.clone();
    let mut browser = Browser::default();
    let path = world.begin(&mut browser, &[]).await;
    let id = Id::from_base64(path.trim_start_matches("/login/")).unwrap();
    world
        .browse(&mut browser, Method::POST, &format!("{path}/user-id"), Some(json!({ "user_id": "never-answers" })))
        .await;
    let extend = async |browser: &mut Browser| {
        world.browse(browser, Method::POST, &format!("{path}/extend"), Some(json!({}))).await
    };
    for time in 0..10 {
        app.clock.advance_ms(170_000);
        let given = extend(&mut browser).await;
        assert_eq!(given.status, StatusCode::OK, "{time}: {}", given.text);
        assert_eq!(given.json()["may_extend"], time < 9);
        assert!(given.json()["expires_in"].as_i64().unwrap() >= 179, "{}", given.text);
        assert!(given.headers.contains_key(header::SET_COOKIE), "the login's cookie lives on");
    }
    // The login itself is kept as long.
    let login = docs::get::<Login>(&*app.store, &id.0).await.unwrap().unwrap().doc;
    assert!(login.purge > app.now() + 600);
    // The place of a locked request is held: another browser gets none.
    app.clock.advance_ms(100_000);
    let mut other = Browser::default();
    let second = world.begin(&mut other, &[]).await;
    let typed = json!({ "user_id": "never-answers" });
    let held = world.browse(&mut other, Method::POST, &format!("{second}/user-id"), Some(typed)).await;
    assert_eq!(error(&held), (StatusCode::TOO_MANY_REQUESTS, "throttled".to_owned()));
    assert_eq!(error(&extend(&mut browser).await), (StatusCode::CONFLICT, "operation_refused".to_owned()));
    app.clock.advance_ms(81_000);
    assert_eq!(error(&extend(&mut browser).await), (StatusCode::GONE, "transaction_expired".to_owned()));

    let mut entry =
        docs::get::<Transaction>(&*app.store, &Id::from_base64(&second[7..]).unwrap().0).await.unwrap().unwrap();
    entry.doc.expires = app.now() + 60;
    entry.doc.taken = Some(crate::records::Taken {
        device: random(&mut system_random()),
        binding: godkend_protocol::types::Binding::ScannedQr,
    });
    let mut changes = Changes::new();
    changes.update(&entry);
    changes.commit(&*app.store).await.unwrap();
    assert!(!approval::may_extend(&entry.doc, app.now()));
    let taken = world.browse(&mut other, Method::POST, &format!("{second}/extend"), Some(json!({}))).await;
    assert_eq!(error(&taken), (StatusCode::CONFLICT, "transaction_taken".to_owned()));
    world.server.stop().await;
}

#[tokio::test]
async fn a_language_is_one_of_three_and_a_link_keeps_its_login() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let path = world.begin(&mut browser, &[("ui_locales", "kl")]).await;
    let page = world.browse(&mut browser, Method::GET, &path, None).await;
    assert!(page.text.contains(r#"<html lang="kl">"#), "{}", page.text);
    let chosen = world.browse(&mut browser, Method::GET, &format!("{path}?language=en"), None).await;
    assert_eq!((chosen.status, chosen.location().path()), (StatusCode::SEE_OTHER, path.as_str()));
    assert_eq!(chosen.location().query(), None);
    let page = world.browse(&mut browser, Method::GET, &path, None).await;
    assert!(page.text.contains(r#"<html lang="en">"#));
    // What is no language of ours changes nothing.
    for odd in ["xx", "da%0d%0aset-cookie:x", ""] {
        let page = world.browse(&mut browser, Method::GET, &format!("{path}?language={odd}"), None).await;
        assert_eq!((page.status, page.headers.get(header::SET_COOKIE)), (StatusCode::OK, None), "{odd}");
        assert!(page.text.contains(r#"<html lang="en">"#), "{odd}");
    }
    world.server.stop().await;
}

#[tokio::test]
async fn every_page_and_asset_forbids_framing_and_whatever_is_not_its_own() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let login = world.begin(&mut browser, &[]).await;
    let way = format!("{login}/way/password+code_display");
    let pages = [
        &login,
        &way,
        "/block",
        "/password",
        "/login/unknown",
        "/authorize",
        "/assets/login.js",
        "/assets/style.css",
        "/assets/time.js",
        "/assets/means.js",
    ];
    for path in pages {
        let page = world.browse(&mut browser, Method::GET, path, None).await;
        let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{path}: {policy}");
        assert_eq!(page.headers[header::X_FRAME_OPTIONS], "DENY", "{path}");
        assert_eq!(page.headers[header::REFERRER_POLICY], "same-origin", "{path}");
        if page.text.starts_with("<!doctype") {
            for inline in [" style=", "<style", " onclick=", "javascript:", "<script>"] {
                assert!(!page.text.contains(inline), "{path}: {inline}");
            }
        }
    }
    world.server.stop().await;
}
