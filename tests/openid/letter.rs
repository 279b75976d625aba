//! The example body's letter as a protected resource, asked by whoever has a token or says so: bearer tokens, tokens bound to a
//! key (RFC 9449), and logins that are too weak or too old (RFC 9470).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use godkend_borger::Borger;
use godkend_netbank::Settings;
use godkend_server::server::CERTIFICATE_FILE;
use godkend_tests::World;
use godkend_tests::world::{CLIENT_SECRET, unix_now};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::rp::{Reply, Rp, hash, once, table, world_with};

const PATH: &str = "/api/letter";

/// The server, and the resource of one of its clients.
struct Letters {
    world: World,
    /// Asks the resource.
    door: Rp,
    ahead: Arc<AtomicI64>,
}

impl Letters {
    async fn of(client: &str, more: &str) -> Self {
        let world = world_with(&table(client, more)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = ahead.clone();
        let settings = Settings {
            url: url.clone(),
            issuer: world.url.clone(),
            client_id: client.to_owned(),
            client_secret: Some(CLIENT_SECRET.to_owned()),
            certificate: Some(std::fs::read(world.data().join(CERTIFICATE_FILE)).unwrap()),
            dpop: false,
        };
        let clock = Arc::new(move || unix_now() + clock.load(Ordering::SeqCst));
        tokio::spawn(Borger::with_clock(settings, clock).unwrap().serve(listener));
        let mut door = Rp::secret(&world, client);
        door.url = url;
        Self { world, door, ahead }
    }

    /// Moves the clocks of both.
    async fn advance(&self, seconds: i64) {
        self.world.advance(seconds).await;
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn send(&self, authorization: &str, proof: Option<&str>) -> Reply {
        let mut headers = vec![("authorization", authorization)];
        headers.extend(proof.map(|proof| ("dpop", proof)));
        self.door.open_with(PATH, None, &headers).await
    }

    /// Expects a refusal with this beginning of its challenge, and without a word of the letter; the whole challenge.
    async fn refused(&self, authorization: &str, proof: Option<&str>, challenge: &str) -> String {
        let reply = self.send(authorization, proof).await;
        let whole = reply.header("www-authenticate").to_owned();
        assert_eq!((reply.status, &reply.json), (401, &Value::String(String::new())), "{whole}");
        assert!(whole.starts_with(challenge), "{whole}");
        whole
    }

    async fn opened(&self, authorization: &str, proof: Option<&str>) {
        let reply = self.send(authorization, proof).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.json.as_str().unwrap().starts_with("Dit nye pas") && reply.header("cache-control") == "no-store");
    }
}

const WEAK: &str = "Bearer error=\"insufficient_user_authentication\", error_description=\"A letter takes a better";
const OLD: &str = "Bearer error=\"insufficient_user_authentication\", error_description=\"A letter takes a newer";
const INVALID: &str = "Bearer error=\"invalid_token\",";

#[tokio::test]
async fn a_bearer_token_opens_the_letter_where_its_login_does() {
    let letters = Letters::of("letters", "").await;
    let world = &letters.world;
    let own = Rp::secret(world, "letters");
    let bearer = async |rp: &Rp, level: &str| {
        let reply = rp.tokens(world, "approves", &[("acr_values", level)]).await;
        format!("Bearer {}", reply.text("access_token"))
    };
    // More was reached than was asked for, and what was asked for counts.
    let challenge = letters.refused(&bearer(&own, "Low").await, None, WEAK).await;
    let wanted = "acr_values=\"https://data.gov.dk/concept/core/nsis/Substantial\", max_age=\"180\"";
    assert!(challenge.ends_with(wanted), "{challenge}");

    let good = bearer(&own, "Substantial").await;
    letters.opened(&good, None).await;
    letters.refused(&bearer(&Rp::secret(world, "netbank"), "Substantial").await, None, INVALID).await;
    letters.refused(&format!("{good}x"), None, INVALID).await;
    letters.refused(&good.replacen("Bearer", "DPoP", 1), None, "DPoP error=\"invalid_token\",").await;
    let none = "Bearer, DPoP algs=\"ES256\"";
    assert_eq!(letters.refused("Basic x", None, none).await, none);

    letters.advance(175).await;
    letters.opened(&good, None).await;
    letters.advance(10).await;
    letters.refused(&good, None, OLD).await;
    // What the challenge says, sent back as it stands, is enough.
    let step_up = [("acr_values", "Substantial"), ("max_age", "180")];
    let newer = own.tokens(world, "approves", &step_up).await.text("access_token");
    letters.opened(&format!("Bearer {newer}"), None).await;
    letters.advance(120).await;
    letters.refused(&good, None, INVALID).await;
}

#[tokio::test]
async fn a_bound_token_opens_the_letter_with_a_new_proof_of_its_key_alone() {
    let letters = Letters::of("letters", "dpop = true").await;
    let own = Rp::secret(&letters.world, "letters").bound();
    let token = own.tokens(&letters.world, "approves", &[]).await.text("access_token");
    let dpop = format!("DPoP {token}");
    let at = format!("{}{PATH}", letters.door.url);
    let proof = |rp: &Rp, changed: Value| {
        let mut claims = json!({ "ath": hash(&token), "htu": at, "nonce": null });
        claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        rp.proof("GET", PATH, "", &claims)
    };
    letters.refused(&format!("Bearer {token}"), None, INVALID).await;
    let good = proof(&own, json!({}));
    letters.opened(&dpop, Some(&good)).await;
    const UNPROVEN: &str = "DPoP error=\"invalid_dpop_proof\",";
    letters.refused(&dpop, Some(&good), UNPROVEN).await;
    letters.refused(&dpop, None, UNPROVEN).await;
    let thief = Rp::secret(&letters.world, "letters").bound();
    letters.refused(&dpop, Some(&proof(&thief, json!({}))), UNPROVEN).await;
    for wrong in [
        json!({ "htm": "POST" }),
        json!({ "htu": format!("{}/userinfo", letters.door.url) }),
        json!({ "ath": hash("another token") }),
        json!({ "ath": null }),
        json!({ "iat": unix_now() - 70 }),
        json!({ "jti": "" }),
    ] {
        letters.refused(&dpop, Some(&proof(&own, wrong)), UNPROVEN).await;
    }
    letters.opened(&dpop, Some(&proof(&own, json!({ "jti": once() })))).await;

    let low = own.tokens(&letters.world, "approves", &[("acr_values", "Low")]).await.text("access_token");
    let proof = proof(&own, json!({ "ath": hash(&low) }));
    let weak = WEAK.replacen("Bearer", "DPoP", 1);
    letters.refused(&format!("DPoP {low}"), Some(&proof), &weak).await;
}
