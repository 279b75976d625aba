//! Every endpoint refuses what it should with its stable code, and nothing is half done afterwards.

use godkend_protocol::cbor;
use godkend_protocol::messages::ErrorReply;
use reqwest::Method;
use serde_json::json;

use godkend_tests::phone::PIN;
use godkend_tests::{Ask, World};

const PHONE_PATHS: [&str; 15] = [
    "activation/open",
    "activation/enrol",
    "activation/status",
    "activation/digits",
    "pin/register",
    "pin/enrol",
    "pin/start",
    "pin/reset",
    "poll/open",
    "poll",
    "challenge",
    "manage",
    "answer",
    "refuse",
    "overview",
];

fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_phone_api_refuses_what_is_no_message() {
    let world = World::new().await;
    let http = http();
    let deep = [vec![0x81; 500], vec![0x00]].concat();
    let bodies: [(&str, Vec<u8>); 6] = [
        ("empty", vec![]),
        ("text", b"hello".to_vec()),
        ("an empty map", vec![0xa0]),
        ("an indefinite map", vec![0xbf, 0xff]),
        ("nested", deep),
        ("random", (0..300).map(|i| u8::try_from((i * 7919) % 251).unwrap()).collect()),
    ];
    for path in PHONE_PATHS.iter().chain(&["block"]) {
        for (what, body) in &bodies {
            let url = format!("{}/phone/v1/{path}", world.url);
            let response =
                http.post(url).header("content-type", "application/cbor").body(body.clone()).send().await.unwrap();
            let status = response.status().as_u16();
            let bytes = response.bytes().await.unwrap();
            let reply: ErrorReply =
                cbor::decode(&bytes).unwrap_or_else(|_| panic!("{path}, {what}: {status} {bytes:?}"));
            assert!((400..500).contains(&status), "{path}, {what}: {status} {}", reply.code);
            assert!(reply.code().is_some(), "{path}, {what}: {}", reply.code);
        }
        let huge = vec![0; 100_000];
        let response = http.post(format!("{}/phone/v1/{path}", world.url)).body(huge).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 413, "{path}");
    }
    let (_, phone) = world.person("still-works").await;
    assert_eq!(phone.waiting().await, []);
}

#[tokio::test]
async fn the_desk_needs_its_token_and_whole_sentences() {
    let world = World::new().await;
    let http = http();
    let url = format!("{}/admin/v1/citizens", world.url);
    for token in ["", "wrong"] {
        let response = http.post(&url).bearer_auth(token).json(&json!({})).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 401);
    }
    let good = json!({ "name": "Anna Jensen", "user_id": "anna-desk", "date_of_birth": "1985-03-17", "identity_level": "high" });
    let (status, _) = world.desk(Method::POST, "citizens", Some(good.clone())).await;
    assert_eq!(status, 201);
    let (status, reply) = world.desk(Method::POST, "citizens", Some(good.clone())).await;
    assert_eq!((status, reply["error"].as_str()), (409, Some("user_id_taken")));
    for (field, value) in [
        ("user_id", json!("abc")),
        ("user_id", json!("1703850003")),
        ("user_id", json!("x".repeat(49))),
        ("name", json!("Net\u{202e}bank")),
        ("name", json!("")),
        ("date_of_birth", json!("1985-13-40")),
        ("identity_level", json!("highest")),
        ("cpr", json!("12")),
        ("unknown", json!(1)),
    ] {
        let mut bad = good.clone();
        bad["user_id"] = json!("another-desk");
        bad[field] = value.clone();
        let (status, reply) = world.desk(Method::POST, "citizens", Some(bad)).await;
        assert_eq!(status, 400, "{field}={value}: {reply}");
        assert!(reply["error"].is_string(), "{reply}");
    }
    let (status, _) = world.desk(Method::GET, "users/another-desk", None).await;
    assert_eq!(status, 404, "nothing is half done");
    for path in ["citizens/AAAA/activations", "activations/zzz/digits", "devices/!/block"] {
        let (status, reply) = world.desk(Method::POST, path, Some(json!({}))).await;
        assert!((400..500).contains(&status), "{path}: {status} {reply}");
    }
}

#[tokio::test]
async fn relying_parties_hear_what_is_wrong() {
    let world = World::new().await;
    let http = http();
    let post = |path: &'static str, form: Vec<(&'static str, String)>, secret: &'static str| {
        let (http, url) = (http.clone(), format!("{}/{path}", world.url));
        async move {
            let response = http.post(url).basic_auth("netbank", Some(secret)).form(&form).send().await.unwrap();
            let status = response.status().as_u16();
            (status, serde_json::from_str::<serde_json::Value>(&response.text().await.unwrap()).unwrap())
        }
    };
    const SECRET: &str = "a+secret+of+thirty-two+bytes+or+more%2C+for+tests";
    let good = Ask::login().parameters();
    let (status, reply) = post("par", good.clone(), "wrong").await;
    assert_eq!((status, reply["error"].as_str()), (401, Some("invalid_client")));
    let (status, _) = post("par", good.clone(), SECRET).await;
    assert_eq!(status, 201);
    for (name, value, error) in [
        ("redirect_uri", "https://evil.example/", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("scope", "email", "invalid_scope"),
        ("acr_values", "https://data.gov.dk/concept/core/nsis/Highest", "invalid_request"),
        ("idp_params", "{", "invalid_request"),
        ("idp_params", "{\"reference_text\":\"TmV04oCuYmFuaw==\"}", "invalid_request"),
    ] {
        let form = good.iter().cloned().map(|(k, v)| if k == name { (k, value.to_owned()) } else { (k, v) }).collect();
        let (status, reply) = post("par", form, SECRET).await;
        assert!((400..500).contains(&status), "{name}={value}: {reply}");
        assert!(reply["error_description"].as_str().is_some_and(|text| text.len() > 10), "{reply}");
        let _ = error;
    }
    for form in
        [vec![], vec![("grant_type", "password".to_owned())], vec![("grant_type", "authorization_code".to_owned())]]
    {
        let (status, reply) = post("token", form, SECRET).await;
        assert_eq!(status, 400, "{reply}");
        assert!(reply["error"].is_string());
    }
}

#[tokio::test]
async fn a_strange_page_or_path_is_refused_politely() {
    let world = World::new().await;
    let mut browser = world.login_page(&Ask::login()).await;
    for path in ["/nothing", "/login/AAAA", "/login/AAAAAAAAAAAAAAAAAAAAAA", "/authorize", "/authorize?client_id=x"] {
        let (status, _) = browser.get(path).await;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    // The page belongs to its browser.
    let mut stranger = world.browser();
    let (_, page) = browser.get("/block").await;
    assert!(page.contains("<form"));
    let view = world.person("a-person").await.1;
    let scanned = view.scan(&browser.qr().await).await.unwrap();
    view.approve(&scanned, PIN).await.unwrap();
    stranger.cookies.clear();
    assert!(browser.signed_in().await["sub"].is_string());
}
