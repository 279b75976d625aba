//! Whoever has the database's file but no key; and the desk's door.

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _, SqliteConnection};

use godkend_tests::phone::{PIN, code};
use godkend_tests::{Ask, World};

/// The database of a server that is stopped.
async fn database(world: &World) -> SqliteConnection {
    let path = world.data().join("godkend.sqlite");
    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

async fn document(database: &mut SqliteConnection, kind: &str, id: &[u8]) -> Value {
    let query = sqlx::query("SELECT body FROM records WHERE kind = ? AND id = ?").bind(kind).bind(id);
    let row = query.fetch_one(database).await.unwrap();
    serde_json::from_slice(&row.get::<Vec<u8>, _>(0)).unwrap()
}

async fn replace(database: &mut SqliteConnection, kind: &str, id: &[u8], document: &Value) {
    let body = serde_json::to_vec(document).unwrap();
    let query = sqlx::query("UPDATE records SET body = ? WHERE kind = ? AND id = ?").bind(body).bind(kind).bind(id);
    assert_eq!(query.execute(database).await.unwrap().rows_affected(), 1);
}

type Change = fn(&mut Value);

fn own_listener(text: &mut String) {
    let (before, admin) = text.split_once("[admin]").unwrap();
    *text = format!("{before}[admin]{}", admin.replacen("listen = \"\"", "listen = \"127.0.0.1:0\"", 1));
}

#[tokio::test]
async fn a13_a_request_changed_in_the_database_is_neither_shown_nor_approved() {
    let mut world = World::new().await;
    let (_, phone) = world.person("anna-dump").await;
    let changes: [(&str, Change); 6] = [
        ("text", |doc| doc["text"] = json!("Log på Netbank")),
        ("payee", |doc| doc["payment"]["payee"] = json!("Somebody else")),
        ("amount", |doc| doc["payment"]["amount_minor"] = json!(1)),
        ("level", |doc| doc["level"] = json!("low")),
        ("relying party", |doc| doc["relying_party"]["name"] = json!("borger")),
        ("seal", |doc| doc["seal"] = Value::Null),
    ];
    for (what, change) in changes {
        let ask = Ask::payment("1250.00", "Bager Sørensen").at("Substantial");
        // Before the phone has seen it, and after.
        let mut unseen = world.login_page(&ask).await;
        let mut seen = world.login_page(&ask).await;
        let view = phone.scan(&seen.qr().await).await.unwrap();
        world.stop().await;
        let mut file = database(&world).await;
        for login in [unseen.login(), seen.login()] {
            let id = Id::from_base64(login).unwrap();
            let before = document(&mut file, "transaction", &id.0).await;
            let mut after = before.clone();
            change(&mut after);
            assert_ne!(before, after, "{what}");
            replace(&mut file, "transaction", &id.0, &after).await;
        }
        file.close().await.unwrap();
        world.start().await;
        assert_eq!(code(phone.scan(&unseen.qr().await).await), Some(Code::Internal), "{what}");
        assert_eq!(code(phone.approve(&view, PIN).await), Some(Code::ChallengeInvalid), "{what}");
        assert!(seen.state().await["finish"].is_null() && unseen.state().await["finish"].is_null());
        // The person asks again, and approves what the bank asks. The right PIN has cost no try.
        let mut browser = world.login_page(&ask).await;
        let view = phone.scan(&browser.qr().await).await.unwrap();
        assert_eq!(view.payment.clone().unwrap().payee, "Bager Sørensen");
        assert_eq!(view.pin.as_ref().unwrap().tries_left, 3);
        phone.approve(&view, PIN).await.unwrap();
        browser.signed_in().await;
    }
}

#[tokio::test]
async fn b40_the_desks_own_listener_is_the_only_door_to_it() {
    let world = World::with(|_| {}, own_listener).await;
    // The desk works there, and the citizens' listener knows no such thing, whatever token comes.
    let (_, phone) = world.person("bo-desk").await;
    let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    for path in ["citizens", "clock", "users/bo-desk"] {
        let response = http.get(format!("{}/admin/v1/{path}", world.url)).bearer_auth(world.token()).send();
        assert_eq!(response.await.unwrap().status().as_u16(), 404, "{path}");
        let (status, _) = world.desk(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}");
    }
    // And there is nothing else at the desk's.
    for path in ["phone/v1/keys", "authorize", "block", ".well-known/openid-configuration"] {
        let url = format!("{}/{path}", world.desk_url());
        assert_eq!(http.get(&url).send().await.unwrap().status().as_u16(), 401, "{path}");
        let with_token = http.get(&url).bearer_auth(world.token()).send().await.unwrap();
        assert_eq!(with_token.status().as_u16(), 404, "{path}");
    }
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
}

#[tokio::test]
async fn b41_more_than_256_removed_phones_hide_none_that_counts() {
    let mut world = World::new().await;
    let (citizen, first) = world.person("cy-many").await;
    for _ in 0..2 {
        world.phone().await.activate(&world, &citizen, PIN).await;
    }
    let device = first.client.identities()[0].device;
    world.stop().await;
    let mut file = database(&world).await;
    let mut removed = document(&mut file, "device", &device.0).await;
    removed["state"] = json!("removed");
    removed["pin"] = Value::Null;
    for number in 0..300_u16 {
        // Before every living one in the order of the store.
        let mut id = device;
        id.0[..8].copy_from_slice(&[0; 8]);
        id.0[8..10].copy_from_slice(&number.to_be_bytes());
        removed["id"] = json!(id.to_base64());
        let copy = "INSERT INTO records SELECT kind, ?, version, owner, expires, ? FROM records WHERE kind = 'device' AND id = ?";
        let body = serde_json::to_vec(&removed).unwrap();
        let query = sqlx::query(copy).bind(id.0.to_vec()).bind(body).bind(device.0.to_vec());
        assert_eq!(query.execute(&mut file).await.unwrap().rows_affected(), 1);
    }
    file.close().await.unwrap();
    world.start().await;
    assert_eq!(world.devices(&citizen).await.len(), 303, "the desk sees all of them");
    assert_eq!(first.overview().await.devices.len(), 3);
    // The limit of three apps holds still.
    let path = format!("citizens/{}/activations", citizen.id);
    let (status, reply) = world.desk(Method::POST, &path, Some(json!({ "form": "link", "by": "test desk" }))).await;
    assert_eq!((status, reply["error"].as_str()), (409, Some("device_limit")), "{reply}");
    let blocked = device.to_base64();
    let desk = async |what: &str| {
        world.desk(Method::POST, &format!("devices/{blocked}/{what}"), Some(json!({ "by": "test desk" }))).await
    };
    assert_eq!(desk("block").await.0, 200);
    let fourth = world.phone().await;
    fourth.activate(&world, &citizen, PIN).await;
    let (status, reply) = desk("unblock").await;
    assert_eq!((status, reply["error"].as_str()), (409, Some("device_limit")), "{reply}");
}
