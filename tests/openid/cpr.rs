//! CPR numbers: a claim for public bodies, a yes or no for private ones, three tries in 15 minutes.

use godkend_tests::phone::PIN;
use serde_json::json;

use crate::rp::{Rp, claims_of, table, world_with};

#[tokio::test]
async fn a_private_party_matches_a_number_that_the_person_typed_three_times_and_no_more() {
    let mut world = world_with(&[table("lender", "cpr = \"match\""), table("other", "cpr = \"match\"")].concat()).await;
    let (_, phone) = world.person("owner-of-number").await;
    let sign_in = async |world: &godkend_tests::World, id: &str| {
        let rp = Rp::secret(world, id);
        let mut browser = world.browser();
        browser.visit(&rp.address(&[]).await).await.unwrap();
        let view = phone.scan(&browser.qr().await).await.unwrap();
        phone.approve(&view, PIN).await.unwrap();
        let reply = rp.redeem(&browser.finish().await["code"]).await;
        assert!(!reply.text("id_token").contains("1703850003"));
        assert!(claims_of(&reply.text("id_token")).get("dk.cpr").is_none());
        (rp, reply.text("access_token"))
    };
    let (lender, token) = sign_in(&world, "lender").await;
    let told = lender.open("/userinfo", &token, None).await;
    assert!(told.json["mitid.has_cpr"] == true && !told.json.to_string().contains("170385"), "{told:?}");
    let ask = async |rp: &Rp, token: &str, cpr: &str| rp.open("/cpr-match", token, Some(&[("cpr", cpr)])).await;
    for malformed in ["", "170385000", "17038-50003", "17038500033", "170385000x"] {
        let reply = ask(&lender, &token, malformed).await;
        assert_eq!((reply.status, reply.error()), (400, "invalid_request"), "{malformed}");
    }
    for number in ["1703850003", "170385-0003"] {
        assert_eq!(ask(&lender, &token, number).await.json, json!({ "match": true, "tries_left": 3 }), "{number}");
    }
    for left in [2, 1] {
        assert_eq!(ask(&lender, &token, "1703850004").await.json, json!({ "match": false, "tries_left": left }));
    }
    // Neither a restart nor a new login gives a try back.
    world.restart().await;
    let (lender, token) = sign_in(&world, "lender").await;
    assert_eq!(ask(&lender, &token, "1703850005").await.json, json!({ "match": false, "tries_left": 0 }));
    let refused = ask(&lender, &token, "1703850003").await;
    assert_eq!((refused.status, refused.error()), (429, "too_many_tries"), "the right number neither");
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!((800..=900).contains(&wait), "{wait}");
    // Another relying party's customers are not locked out by this one's.
    let (other, others) = sign_in(&world, "other").await;
    assert_eq!(ask(&other, &others, "1703850003").await.json["match"], true);
    world.advance(900).await;
    let (lender, token) = sign_in(&world, "lender").await;
    assert_eq!(ask(&lender, &token, "1703850003").await.json, json!({ "match": true, "tries_left": 3 }));
    // Only those that are registered for it.
    let (bank, token) = sign_in(&world, "netbank").await;
    let refused = ask(&bank, &token, "1703850003").await;
    assert_eq!((refused.status, refused.error()), (403, "insufficient_scope"));
    assert_eq!(ask(&lender, "x", "1703850003").await.status, 401);
}

#[tokio::test]
async fn ten_guesses_at_once_are_three() {
    let world = world_with(&table("lender", "cpr = \"match\"")).await;
    let lender = Rp::secret(&world, "lender");
    let token = lender.tokens(&world, "approves", &[]).await.text("access_token");
    let guesses: Vec<String> = (0..10).map(|number| format!("010170000{number}")).collect();
    let forms: Vec<[(&str, &str); 1]> = guesses.iter().map(|guess| [("cpr", guess.as_str())]).collect();
    let tries = forms.iter().map(|form| lender.open("/cpr-match", &token, Some(form)));
    let replies = futures_util::future::join_all(tries).await;
    let judged = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(judged, 3, "{replies:?}");
}

#[tokio::test]
async fn a_public_body_is_given_the_number() {
    let world = world_with("").await;
    let (_, phone) = world.person("citizen-of-number").await;
    let borger = Rp::secret(&world, "borger");
    let mut browser = world.browser();
    browser.visit(&borger.address(&[]).await).await.unwrap();
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    let reply = borger.redeem(&browser.finish().await["code"]).await;
    assert_eq!(claims_of(&reply.text("id_token"))["dk.cpr"], "1703850003");
    let told = borger.open("/userinfo", &reply.text("access_token"), None).await;
    assert_eq!(told.json["dk.cpr"], "1703850003");
    let asked = borger.open("/cpr-match", &reply.text("access_token"), Some(&[("cpr", "1703850003")])).await;
    assert_eq!(asked.error(), "insufficient_scope");
}
