//! Two PIN records swapped in the database, with the server stopped: a record is worth something to one phone only.

use godkend_core::Failure;
use godkend_protocol::bytes::Id;
use serde_json::Value;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use godkend_tests::phone::{PIN, Phone};
use godkend_tests::{Ask, World};

const OTHERS_PIN: &str = "580263";

async fn login(world: &World, phone: &Phone, pin: &str) -> Result<(), Failure> {
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await?;
    phone.approve(&view, pin).await?;
    browser.signed_in().await;
    Ok(())
}

async fn device(database: &mut SqliteConnection, id: &Id) -> Value {
    let row = sqlx::query("SELECT body FROM records WHERE kind = 'device' AND id = ?")
        .bind(id.0.to_vec())
        .fetch_one(database)
        .await
        .unwrap();
    serde_json::from_slice(&row.get::<Vec<u8>, _>(0)).unwrap()
}

/// Changes two devices' documents, as somebody with the file would.
async fn edit(world: &World, a: &Id, b: &Id, change: impl Fn(&mut Value, &mut Value)) {
    let file = world.data().join("godkend.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let (mut first, mut second) = (device(&mut database, a).await, device(&mut database, b).await);
    change(&mut first, &mut second);
    for (id, document) in [(a, first), (b, second)] {
        let done = sqlx::query("UPDATE records SET body = ? WHERE kind = 'device' AND id = ?")
            .bind(serde_json::to_vec(&document).unwrap())
            .bind(id.0.to_vec())
            .execute(&mut database)
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1);
    }
    database.close().await.unwrap();
}

#[tokio::test]
async fn a42_two_pin_records_swapped_in_the_database_open_neither_phone() {
    let mut world = World::new().await;
    let anna = world.person("ida-swapped").await.1;
    let citizen = world.citizen("ivan-swapped").await;
    let bent = world.phone().await;
    bent.activate(&world, &citizen, OTHERS_PIN).await;
    let (a, b) = (anna.client.identities()[0].device, bent.client.identities()[0].device);
    let swap = |first: &mut Value, second: &mut Value| std::mem::swap(&mut first["pin"], &mut second["pin"]);
    // The record alone, its tries and key staying behind; then everything there is of it.
    let record_only = |first: &mut Value, second: &mut Value| {
        for field in ["record", "credential", "seed"] {
            std::mem::swap(&mut first["pin"][field], &mut second["pin"][field]);
        }
    };
    for whole in [false, true] {
        world.stop().await;
        match whole {
            true => edit(&world, &a, &b, swap).await,
            false => edit(&world, &a, &b, record_only).await,
        }
        world.start().await;
        // Neither one's own PIN nor the other's: the pepper and the hash before it name another device.
        for (phone, pin) in [(&anna, PIN), (&anna, OTHERS_PIN), (&bent, OTHERS_PIN), (&bent, PIN)] {
            let refused = login(&world, phone, pin).await;
            assert!(matches!(refused, Err(Failure::WrongPin(status)) if !status.dead), "{refused:?}");
        }
        // Put back, both go on with what tries the records had.
        world.stop().await;
        match whole {
            true => edit(&world, &a, &b, swap).await,
            false => edit(&world, &a, &b, record_only).await,
        }
        world.start().await;
        login(&world, &anna, PIN).await.unwrap();
        login(&world, &bent, OTHERS_PIN).await.unwrap();
    }
}
