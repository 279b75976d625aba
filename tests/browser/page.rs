//! What holds for the login page whatever is asked: its languages, its policy, its size, its patience.

use crate::scene::Scene;
use godkend_tests::Ask;
use godkend_tests::phone::PIN;

#[tokio::test]
async fn english_where_the_bank_asks_for_it() {
    let scene = Scene::new().await;
    scene.open(&Ask { language: Some("en-GB da"), ..Ask::login() }).await;
    assert_eq!(scene.chrome.title().await, "Log on – Godkend");
    assert_eq!(scene.chrome.attribute("html", "lang").await.as_deref(), Some("en"));
    assert_eq!(scene.chrome.text("h1").await.unwrap(), "netbank\nasks you to log on");
    scene.chrome.until_text("#status", "Waiting for your phone.").await;
    assert!(scene.chrome.text("#left").await.unwrap().starts_with("Expires in "));
    assert_eq!(scene.chrome.text("#cancel").await.unwrap(), "Cancel");
}

#[tokio::test]
async fn a_text_with_markup_is_text_and_the_policy_holds() {
    const TEXT: &str = r#"<img src=x onerror="window.hit=1"><script>window.hit=2</script> "&amp;' Køb"#;
    let scene = Scene::new().await;
    scene.open(&Ask { text: Some(TEXT), ..Ask::login() }).await;
    scene.chrome.until_shown("#qr svg").await;
    assert_eq!(scene.chrome.text("#text").await.unwrap(), TEXT);
    assert_eq!(scene.chrome.script("return document.querySelectorAll('#text *').length").await, 0);
    assert_eq!(scene.chrome.console().await, Vec::<String>::new());

    // Whatever came past the escaping would be stopped by the policy.
    let inject =
        "const s = document.createElement('script'); s.textContent = 'window.hit = 3'; document.body.append(s);
        document.body.insertAdjacentHTML('beforeend', '<img src=\"/nothing\" onerror=\"window.hit = 4\">');
        const f = document.createElement('iframe'); f.src = '/block'; document.body.append(f);
        const e = document.createElement('script'); e.src = arguments[0]; document.body.append(e);";
    scene.chrome.script(&inject.replace("arguments[0]", &format!("'{}/x.js'", scene.bank))).await;
    tokio::time::sleep(core::time::Duration::from_millis(500)).await;
    assert_eq!(scene.chrome.script("return window.hit ?? null").await, serde_json::Value::Null);
    let console = scene.chrome.console().await;
    let refused = |directive: &str| {
        console.iter().any(|line| line.contains("Content Security Policy") && line.contains(directive))
    };
    for directive in ["script-src", "default-src"] {
        assert!(refused(directive), "{directive}: {console:#?}");
    }
}

#[tokio::test]
async fn a_whole_login_asks_nobody_else_and_complains_of_nothing() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("jan-berg").await;
    scene.log_on().await;
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("jan-berg Testesen", "scanned_qr").await;
    scene.chrome.open(&format!("{}/block", scene.world.url)).await;
    scene.chrome.open(&format!("{}/login/unknown", scene.world.url)).await;
    let requests = scene.chrome.requests().await;
    let ours = |url: &str| [&scene.world.url, &scene.bank].iter().any(|origin| url.starts_with(&format!("{origin}/")));
    // The first frames came with the page; that it asks at all is seen by the state.
    assert!(requests.iter().any(|url| url.contains("/state?")), "{requests:#?}");
    assert_eq!(requests.iter().filter(|url| !ours(url)).collect::<Vec<_>>(), Vec::<&String>::new());
    let console = scene.chrome.console().await;
    // That there is no such login, the last page says itself; the browser notes its status.
    let (expected, others): (Vec<_>, Vec<_>) = console.iter().partition(|line| line.contains("/login/unknown"));
    assert_eq!((expected.len(), others), (1, Vec::new()), "{console:#?}");
}

#[tokio::test]
async fn a_page_that_loses_its_server_says_so_and_goes_on() {
    let mut scene = Scene::new().await;
    let (_, phone) = scene.world.person("kaj-berg").await;
    scene.log_on().await;
    scene.chrome.until_shown("#qr svg").await;
    scene.world.stop().await;
    scene.chrome.until_text("#status", "Ingen forbindelse. Siden prøver igen.").await;
    scene.world.start().await;
    scene.chrome.until_text("#status", "Venter på din telefon.").await;
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("kaj-berg Testesen", "scanned_qr").await;
}

#[tokio::test]
async fn a_small_phone_shows_it_all_without_scrolling_sideways() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("lis-berg").await;
    phone.biometrics_on().await.unwrap();
    scene.chrome.resize(320, 640).await;
    scene
        .open(&Ask {
            text: Some("Et langt ord: sammenhængendeudenmellemrumogbindestregienmegetlangrækkeafbogstaver"),
            ..Ask::login()
        })
        .await;
    scene.chrome.until_shown("#qr svg").await;
    scene.chrome.click("#other summary").await;
    scene.chrome.write("#user-id", "lis-berg").await;
    scene.chrome.click("#user-id-form button[type=submit]").await;
    scene.chrome.until_shown("#number").await;
    scene.chrome.click("#offline-button").await;
    scene.chrome.until_shown("#offline-qr svg").await;
    assert_eq!(scene.chrome.script("return document.documentElement.scrollWidth").await, 320);
}
