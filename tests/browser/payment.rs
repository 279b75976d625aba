//! A payment from the bank's page to its receipt.

use godkend_protocol::types::Level;

use crate::scene::Scene;
use godkend_tests::phone::PIN;

#[tokio::test]
async fn amount_and_payee_stand_on_the_page_the_phone_and_the_receipt() {
    let scene = Scene::new().await;
    // A laptop's window: the code must be seen without scrolling.
    scene.chrome.resize(1280, 680).await;
    let (_, phone) = scene.world.person("hans-berg").await;
    scene.log_on().await;
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("hans-berg Testesen", "scanned_qr").await;

    scene.chrome.write("[name=amount]", "1.250,50").await;
    scene.chrome.write("[name=payee]", "Bager <b>Sørensen</b> & søn").await;
    scene.chrome.click("#pay").await;
    scene.chrome.until_at(format!("{}/login/", scene.world.url)).await;
    assert_eq!(scene.chrome.text("#text").await.unwrap(), "Betaling fra din lønkonto");
    let shown = scene.chrome.text("#payment").await.unwrap();
    let lines: Vec<&str> = shown.lines().map(str::trim).collect();
    let expected = ["Beløb", "1.250,50 DKK", "Til", "Bager <b>Sørensen</b> & søn", "Konto", "1234 0001234567"];
    assert_eq!(lines, expected);
    let view = scene.scan(&phone).await;
    assert_eq!(view.level, Level::High);
    let payment = view.payment.clone().unwrap();
    assert_eq!((payment.amount_minor, payment.payee.as_str()), (125_050, "Bager <b>Sørensen</b> & søn"));
    phone.approve(&view, PIN).await.unwrap();
    scene.chrome.until_shown(".receipt").await;
    let receipt = scene.chrome.text(".receipt").await.unwrap();
    assert!(receipt.starts_with("1250.50 DKK til Bager <b>Sørensen</b> & søn"), "{receipt}");
}
