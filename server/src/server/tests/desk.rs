use godkend_protocol::codes::Code;
use godkend_protocol::messages::device::BlockSelf;
use serde_json::json;

use super::phone::Stage_;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nothing_is_done() {
    let stage = Stage::new(false).await;
    for token in ["", "wrong"] {
        let request = stage.http.get(stage.url("/admin/v1/citizens")).bearer_auth(token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"], "unauthorised");
        assert!(body["message_da"].is_string() && body["message_en"].is_string());
    }
    let ready: Value = stage.http.get(stage.url("/ready")).send().await.unwrap().json().await.unwrap();
    assert_eq!(ready["status"], "ready", "{ready}");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn citizens_are_checked_listed_and_blocked() {
    let stage = Stage::new(false).await;
    let anna = stage.citizen("Anna.S").await;
    let good = json!({"name": "Bo Ib", "user_id": "bo.ib", "date_of_birth": "1980-01-01"});
    let with = |key: &str, value: &str| {
        let mut body = good.clone();
        body[key] = value.into();
        body
    };
    for (key, value, error) in [
        ("user_id", "anna.s", "user_id_taken"),
        ("user_id", "0101801234", "malformed"),
        ("name", "Bo\u{202e}Ib", "text_refused"),
        ("date_of_birth", "1980-02-30", "malformed"),
        ("cpr", "9901801234", "malformed"),
        ("identity_level", "none", "malformed"),
        ("unexpected", "x", "malformed"),
    ] {
        assert_eq!(stage.desk("citizens", with(key, value)).await.1["error"], error, "{key} {value}");
    }
    let (status, bo) = stage.desk("citizens", with("magic", "approves")).await;
    assert_eq!(
        (status, bo["magic"].as_str(), bo["has_cpr"].as_bool()),
        (StatusCode::CREATED, Some("approves"), Some(false))
    );
    let page = stage.look("citizens?limit=1").await;
    let next = page["next"].as_str().unwrap();
    let rest = stage.look(&format!("citizens?limit=5&after={next}")).await;
    assert_eq!((page["citizens"].as_array().unwrap().len(), rest["citizens"].as_array().unwrap().len()), (1, 1));
    assert!(!page.to_string().contains("300490") && !rest.to_string().contains("300490"));
    assert_eq!(stage.look("users/ANNA.S").await["id"], anna.as_str());

    let (_, link) = stage.activation(&anna, "link").await;
    assert_eq!(stage.desk(&format!("citizens/{anna}/block"), json!({})).await.1["blocked"], true);
    assert_eq!(Phone::new(&stage, 1).enrol(&link).await.unwrap_err().0, Code::IdentityBlocked);
    assert_eq!(stage.desk(&format!("citizens/{anna}/activations"), json!({})).await.1["error"], "identity_blocked");
    stage.desk(&format!("citizens/{anna}/unblock"), json!({})).await;
    Phone::new(&stage, 1).enrol(&link).await.unwrap();
    let history = stage.look(&format!("citizens/{anna}/history")).await;
    let events: Vec<_> =
        history["history"].as_array().unwrap().iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["activation_taken", "identity_unblocked", "identity_blocked", "identity_created"]);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_code_stops_a_phone_from_anywhere() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let phone = stage.enrolled(&citizen).await;
    let app = &stage.running.app;
    let wrong = "ABCDEF-GHJKMN-PQRSTV";
    for round in 0..6 {
        let expected = if round < 5 { Code::BlockCodeWrong } else { Code::Throttled };
        assert_eq!(crate::device::block_by_code(app, wrong, "6.6.6.6").await.unwrap_err().code, expected);
    }
    let code = phone.block_code.to_text().to_lowercase();
    let blocked = crate::device::block_by_code(app, &code, "7.7.7.7").await.unwrap();
    assert_eq!((blocked.device, blocked.model.as_str()), (phone.device, "Pixel 9"));
    assert_eq!(crate::device::block_by_code(app, &code, "7.7.7.7").await.unwrap(), blocked);
    // It was not active yet, so it is gone for good.
    assert_eq!(phone.status(Stage_::Finish, 5).await, Ok(Stage_::Void));
    let nonce = godkend_protocol::bytes::random(&mut tls::system_random());
    phone.post(BlockSelf::PATH, phone.sign(&BlockSelf { device: phone.device, nonce })).await.unwrap();
    let id = phone.device.to_base64();
    assert_eq!(stage.desk(&format!("devices/{id}/unblock"), json!({})).await.1["error"], "device_removed");
    assert_eq!(stage.desk(&format!("devices/{id}/pin-reset"), json!({})).await.1["error"], "device_removed");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_log_does_not_start() {
    let stage = Stage::new(false).await;
    let config = Config::load(&stage.config, std::iter::empty()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = start_on(config, listener, StartOptions::default()).await.unwrap_err();
    assert!(matches!(error, StartError::Log(LogError::Locked)), "{error}");
    stage.running.stop().await;
}
