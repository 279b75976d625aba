//! Logins without a browser: poll and ping (OpenID Connect CIBA Core 1.0).

use serde_json::{Value, json};

use crate::rp::{Rp, claims_of, table, world_with};
use crate::told::Told;

const GRANT: &str = "urn:openid:params:grant-type:ciba";
const TOKEN: &str = "8d67dc78-7faa-4d41-aabd-67707b374255";

async fn pinger() -> (godkend_tests::World, Rp, Told) {
    let told = Told::listen().await;
    let more = format!("ciba = true\nciba_notification_uri = \"{}/ping\"", told.url);
    let world = world_with(&table("pinger", &more)).await;
    for (user_id, outcome) in [("refuses", "refuses"), ("never-answers", "never_answers")] {
        world.magic(user_id, outcome).await;
    }
    let rp = Rp::secret(&world, "pinger");
    (world, rp, told)
}

async fn begin(rp: &Rp, user_id: &str, more: &[(&str, &str)]) -> crate::rp::Reply {
    let mut form = vec![("scope", "openid"), ("login_hint", user_id), ("acr_values", "Substantial")];
    form.extend(more);
    rp.post("/ciba", &form).await
}

async fn poll(rp: &Rp, id: &str) -> crate::rp::Reply {
    rp.post("/token", &[("grant_type", GRANT), ("auth_req_id", id)]).await
}

#[tokio::test]
async fn a_client_is_told_when_its_request_is_answered_whatever_the_answer() {
    let (world, rp, told) = pinger().await;
    let begun = begin(&rp, "approves", &[("client_notification_token", TOKEN)]).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let id = begun.text("auth_req_id");
    let (path, headers, body) = told.next().await;
    assert_eq!(
        (path.as_str(), headers["authorization"].to_str().unwrap()),
        ("/ping", format!("Bearer {TOKEN}").as_str())
    );
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "auth_req_id": id }));
    let reply = poll(&rp, &id).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let claims = claims_of(&reply.text("id_token"));
    assert_eq!(claims["urn:openid:params:jwt:claim:auth_req_id"], id);
    assert_eq!(poll(&rp, &id).await.error(), "invalid_grant", "collected once");

    let refused = begin(&rp, "refuses", &[("client_notification_token", TOKEN)]).await.text("auth_req_id");
    told.next().await;
    assert_eq!(poll(&rp, &refused).await.error(), "access_denied");

    // Time is an answer too; a restart meanwhile forgets nothing.
    let late = begin(&rp, "never-answers", &[("client_notification_token", TOKEN)]).await.text("auth_req_id");
    assert!(told.quiet().await);
    let mut world = world;
    world.restart().await;
    world.advance(200).await;
    let (_, _, body) = told.next().await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["auth_req_id"], late);
    assert_eq!(poll(&rp, &late).await.error(), "expired_token");
}

#[tokio::test]
async fn a_client_is_told_over_tls_that_the_server_trusts_and_over_no_other() {
    let (told, pem) = Told::listen_tls().await;
    let more = format!("ciba = true\nciba_notification_uri = \"{}/ping\"", told.url);
    let mut world = world_with(&table("pinger", &more)).await;
    let rp = Rp::secret(&world, "pinger");
    begin(&rp, "approves", &[("client_notification_token", TOKEN)]).await;
    assert!(told.quiet().await, "nobody has signed the door's certificate");
    std::fs::write(world.dir.path().join("authorities.pem"), pem).unwrap();
    world.configure("notification_authorities = \"\"", "notification_authorities = \"authorities.pem\"");
    world.restart().await;
    let again = begin(&rp, "approves", &[("client_notification_token", TOKEN)]).await.text("auth_req_id");
    let (path, _, mut body) = told.next().await;
    assert_eq!(path, "/ping");
    // The first one may be tried again before the second.
    if !body.contains(&again) {
        (_, _, body) = told.next().await;
    }
    assert!(body.contains(&again), "{body}");
}

#[tokio::test]
async fn a_notification_token_is_a_good_secret_or_refused_and_lies_nowhere_in_clear() {
    let (world, rp, _told) = pinger().await;
    for token in ["", "short", "spaces are not of a bearer token", &"x".repeat(1025)] {
        let reply = begin(&rp, "never-answers", &[("client_notification_token", token)]).await;
        assert_eq!((reply.status, reply.error()), (400, "invalid_request"), "{token}");
    }
    assert_eq!(begin(&rp, "never-answers", &[("client_notification_token", TOKEN)]).await.status, 200);
    for entry in std::fs::read_dir(world.data()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            let bytes = std::fs::read(&entry).unwrap();
            assert!(!bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes()), "{}", entry.display());
        }
    }
    // A client without an address to be told at need not send one.
    let bank = Rp::secret(&world, "netbank");
    assert_eq!(begin(&bank, "never-answers", &[]).await.status, 200);
    assert_eq!(begin(&Rp::secret(&world, "nobody"), "never-answers", &[]).await.error(), "invalid_client");
}

#[tokio::test]
async fn what_a_poll_gives_can_be_bound_to_a_key_and_is_one_clients() {
    let (world, _, _told) = pinger().await;
    let bank = Rp::secret(&world, "netbank").bound();
    let id = begin(&bank, "approves", &[]).await.text("auth_req_id");
    let other = Rp::secret(&world, "borger");
    assert_eq!(poll(&other, &id).await.error(), "invalid_grant");
    let reply = poll(&bank, &id).await;
    assert_eq!(reply.json["token_type"], "DPoP", "{reply:?}");
    let token = reply.text("access_token");
    assert_eq!(bank.open("/userinfo", &token, None).await.status, 200);
    assert_eq!(Rp::secret(&world, "netbank").open("/userinfo", &token, None).await.status, 401);
}
