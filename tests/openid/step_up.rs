//! A resource that wants a better or a newer login says which (RFC 9470), and gets it.

use crate::rp::{Rp, claims_of, table, world_with};

const SUBSTANTIAL: &str = "https://data.gov.dk/concept/core/nsis/Substantial";

#[tokio::test]
async fn a_low_login_is_told_what_it_lacks_and_a_new_one_has_it() {
    let world = world_with(&table("lender", "cpr = \"match\"")).await;
    let lender = Rp::secret(&world, "lender").bound();
    // The level that was granted counts, not the one that was asked for: this person's identity is proofed at Low.
    let (citizen, phone) = (world.citizen_at("low-signer", "low").await, world.phone().await);
    phone.activate(&world, &citizen, godkend_tests::phone::PIN).await;
    let mut browser = world.browser();
    browser.visit(&lender.address(&[("acr_values", "Low")]).await).await.unwrap();
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, godkend_tests::phone::PIN).await.unwrap();
    let reply = lender.redeem(&browser.finish().await["code"]).await;
    assert!(claims_of(&reply.text("id_token"))["acr"].as_str().unwrap().ends_with("/Low"));
    let refused = lender.open("/cpr-match", &reply.text("access_token"), Some(&[("cpr", "1703850003")])).await;
    assert_eq!((refused.status, refused.error()), (401, "insufficient_user_authentication"));
    let challenge = refused.header("www-authenticate");
    assert!(
        challenge.starts_with("DPoP ") && challenge.contains("error=\"insufficient_user_authentication\""),
        "{challenge}"
    );
    assert!(
        challenge.contains(&format!("acr_values=\"{SUBSTANTIAL}\"")) && challenge.contains("max_age=\"900\""),
        "{challenge}"
    );

    // What the challenge says, sent back as it stands, is enough.
    let step_up = [("acr_values", SUBSTANTIAL), ("max_age", "900")];
    let token = lender.tokens(&world, "approves", &step_up).await.text("access_token");
    let opened = lender.open("/cpr-match", &token, Some(&[("cpr", "0101700000")])).await;
    assert_eq!((opened.status, &opened.json["match"]), (200, &false.into()), "{opened:?}");
}
