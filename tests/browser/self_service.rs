//! The citizen's own site in a real Chromium: from its front page through the login page to a blocked phone, without a script
//! of the site's, by keyboard too, on a small screen.

use std::net::Ipv4Addr;

use godkend_netbank::Settings;
use godkend_self_service::Site;
use godkend_server::server::CERTIFICATE_FILE;
use godkend_tests::World;
use godkend_tests::phone::PIN;
use godkend_tests::world::CLIENT_SECRET;
use tokio::net::TcpListener;

use crate::chrome::Chrome;
use crate::means::{PASSWORD, holder};
use crate::scene::Scene;
use crate::screens::take;

/// The server and the site, and a browser at its door.
pub(crate) async fn scene() -> Scene {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let site = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let hash = hex::encode(ring::digest::digest(&ring::digest::SHA256, CLIENT_SECRET.as_bytes()));
    let registered = format!(
        "\n[[relying_party]]\nclient_id = \"self-service\"\nclient_secret_sha256 = \"{hash}\"\nname = \"Mit Godkend\"\n\
         redirect_uris = [\"{site}/callback\"]\nself_service = true\n"
    );
    let (world, chrome) = tokio::join!(World::with(|_| {}, |config| config.push_str(&registered)), Chrome::start());
    let settings = Settings {
        url: site.clone(),
        issuer: world.url.clone(),
        client_id: "self-service".to_owned(),
        client_secret: Some(CLIENT_SECRET.to_owned()),
        certificate: Some(std::fs::read(world.data().join(CERTIFICATE_FILE)).unwrap()),
        dpop: false,
    };
    tokio::spawn(Site::new(settings).unwrap().serve(listener));
    Scene::at(world, chrome, site)
}

#[tokio::test]
async fn a_citizen_looks_adds_a_phone_and_blocks_the_old_one() {
    let scene = scene().await;
    let chrome = &scene.chrome;
    let (_, phone) = scene.world.person("mette-site").await;
    scene.log_on().await;
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    chrome.until_text("h1", "mette-site Testesen").await;
    take(chrome, (900, 1000), "self-service").await;

    // A new phone scans the code from the screen.
    chrome.click("#phones a[href='/do/add-phone']").await;
    chrome.until_text("h1", "Aktivér en ny telefon").await;
    chrome.click("#do").await;
    chrome.until_shown("#qr").await;
    take(chrome, (900, 1000), "self-service-new-phone").await;
    let new = scene.world.phone().await;
    let (_, digits) = new.begin_activation(&scene.see().await).await.unwrap();
    chrome.click("#scanned").await;
    chrome.until_shown("#digits").await;
    chrome.write("#digits", &digits).await;
    chrome.click("#confirm").await;
    chrome.until_text("#stage", "Vælg nu en PIN-kode på den nye telefon.").await;

    // What happened, on a small screen: nothing is cut off.
    chrome.resize(320, 640).await;
    chrome.open(&format!("{}/history", scene.bank)).await;
    assert_eq!(chrome.script("return document.documentElement.scrollWidth").await, 320);
    chrome.resize(900, 1000).await;
    take(chrome, (900, 1000), "self-service-history").await;

    // The old phone is lost: two presses.
    chrome.open(&scene.bank).await;
    chrome.click(".phone a[href^='/do/block-phone']").await;
    chrome.until_text("#do", "Spær telefonen").await;
    chrome.click("#do").await;
    chrome.until_text("#told", "Telefonen er spærret.").await;
    chrome.resize(320, 640).await;
    assert_eq!(chrome.script("return document.documentElement.scrollWidth").await, 320);
    assert_eq!(chrome.script("return document.scripts.length").await, 0);

    chrome.click("#logout").await;
    chrome.until_shown("#login").await;
    assert_eq!(chrome.console().await, Vec::<String>::new());
    let ours = |url: &str| [&scene.world.url, &scene.bank].iter().any(|own| url.starts_with(&format!("{own}/")));
    let strange: Vec<_> = chrome.requests().await.into_iter().filter(|url| !ours(url)).collect();
    assert_eq!(strange, Vec::<String>::new());
}

#[tokio::test]
async fn a_password_is_chosen_from_the_site_to_its_end() {
    let scene = scene().await;
    let chrome = &scene.chrome;
    let (citizen, display) = holder(&scene, "noah-site").await;
    let phone = scene.world.phone().await;
    phone.activate(&scene.world, &citizen, PIN).await;
    scene.log_on().await;
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    chrome.until_text("h1", "noah-site Testesen").await;
    chrome.click("#codes a[href='/do/new-password']").await;
    chrome.until_text("h1", "Ny adgangskode").await;
    chrome.click("#do").await;
    chrome.until_text("h1", "Din kode").await;
    let code = chrome.text("#code").await.unwrap();
    chrome.click("#choose").await;
    chrome.until_at(format!("{}/password", scene.world.url)).await;
    chrome.write("#code", &code).await;
    chrome.write("#user-id", "noah-site").await;
    chrome.write("#password", PASSWORD).await;
    chrome.write("#again", PASSWORD).await;
    chrome.click("#choose-form button").await;
    chrome.until_text("#done", "Adgangskoden er gemt.").await;
    chrome.open(&scene.bank).await;
    chrome.until_shown("#password").await;

    // Signed in with it, at the site itself; and the code is used up.
    chrome.click("#logout").await;
    chrome.until_shown("#login").await;
    scene.log_on().await;
    chrome.click("#ways a[href$=code_display]").await;
    chrome.until_shown("#way-form").await;
    chrome.write("#user-id", "noah-site").await;
    chrome.write("#password", PASSWORD).await;
    chrome.write("#code", display.code(0).expose()).await;
    chrome.click("#way-form button[type=submit]").await;
    chrome.until_text("h1", "noah-site Testesen").await;
    chrome.open(&format!("{}/password", scene.world.url)).await;
    chrome.write("#code", &code).await;
    chrome.write("#user-id", "noah-site").await;
    chrome.write("#password", PASSWORD).await;
    chrome.write("#again", PASSWORD).await;
    chrome.click("#choose-form button").await;
    chrome.until_shown("#problem").await;
}
