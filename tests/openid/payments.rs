//! A payment as RFC 9396 writes it: the same on page and phone, and back as it was sent.

use godkend_tests::phone::PIN;
use serde_json::json;

use crate::rp::{Rp, claims_of};

#[tokio::test]
async fn a_payment_initiation_is_shown_approved_and_told_as_it_was_sent() {
    let world = godkend_tests::World::new().await;
    let bank = Rp::secret(&world, "netbank");
    let (_, phone) = world.person("rar-payer").await;
    let sent = json!([{
        "type": "payment_initiation", "actions": ["initiate"], "locations": ["https://bank.example/payments"],
        "instructedAmount": { "currency": "EUR", "amount": "123.50" }, "creditorName": "Merchant A",
        "creditorAccount": { "bic": "ABCIDEFFXXX", "iban": "DE02100100109307118603" },
        "remittanceInformationUnstructured": "Ref Number Merchant",
    }]);
    let mut browser = world.browser();
    browser.visit(&bank.address(&[("authorization_details", &sent.to_string())]).await).await.unwrap();
    let page = browser.last.body.clone();
    for shown in ["123,50 EUR", "Merchant A", "DE02 1001 0010 9307 1186 03, ABCIDEFFXXX", "Ref Number Merchant"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let view = phone.scan(&browser.qr().await).await.unwrap();
    let payment = view.payment.clone().unwrap();
    assert_eq!(
        (payment.amount_minor, payment.currency.as_str(), payment.payee.as_str()),
        (12_350, "EUR", "Merchant A")
    );
    assert_eq!(payment.account.as_deref(), Some("DE02 1001 0010 9307 1186 03, ABCIDEFFXXX"));
    assert_eq!(view.text.as_deref(), Some("Ref Number Merchant"));
    phone.approve(&view, PIN).await.unwrap();
    let reply = bank.redeem(&browser.finish().await["code"]).await;
    assert_eq!(reply.json["authorization_details"], sent, "{reply:?}");
    assert_eq!(claims_of(&reply.text("id_token"))["authorization_details"], sent);
}
