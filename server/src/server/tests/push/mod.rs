//! Push addresses and wake-ups, with gateways that check what they are sent as the real ones do.

mod gateway;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::{Blob, Fixed, Hash32, Id, PublicKey, Secret, Signature, random};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::messages::approval::RefuseLocked;
use godkend_protocol::messages::device::BlockSelf;
use godkend_protocol::messages::push::{PushAddress, PushChange, PushRegister, PushState};
use godkend_protocol::types::{Decision, Level};
use ring::{aead, hkdf};

use self::gateway::{ACCESS, Gateway, Seen};
use super::approval::{active, active_as, new};
use super::phone::Refused;
use super::*;
use crate::approval::{self, Start};
use crate::docs;
use crate::records::Device;

const HANDLE: Secret<16> = Secret([0xc7; 16]);
const SERVICE_ACCOUNT: &str = include_str!("service-account.pem");

/// A server that sends through `gateway` and nowhere else.
async fn stage(gateway: &Gateway) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = InitOptions::test(&dir.path().join("env"), listener.local_addr().unwrap());
    let created = init(&options, Clock::default().now_ms() / 1000, &mut tls::system_random()).unwrap();
    let beside = created.config.parent().unwrap().join("push");
    let account = serde_json::json!({
        "type": "service_account", "client_email": "push@p.iam.gserviceaccount.com", "private_key_id": "k1",
        "private_key": SERVICE_ACCOUNT, "token_uri": format!("{}/token", gateway.url()),
    });
    secrets::write_new(&beside.join("fcm.json"), account.to_string().as_bytes()).unwrap();
    for name in ["apns.p8", "vapid.pem"] {
        secrets::create_p256(&beside.join(name), &mut tls::system_random()).unwrap();
    }
    std::fs::write(beside.join("gateway.pem"), &gateway.certificate).unwrap();
    let (url, port) = (gateway.url(), gateway.port);
    let push: toml::Table = format!(
        "coalesce_seconds = 0\nfcm_project = 'p'\nfcm_key = 'push/fcm.json'\nfcm_url = '{url}'\napns_topic = 'dk.godkend'\n\
         apns_team = 'TEAM123456'\napns_key_id = 'KEY1234567'\napns_key = 'push/apns.p8'\napns_url = '{url}'\n\
         apns_sandbox_url = '{url}'\nweb_push_hosts = ['localhost:{port}']\nweb_push_key = 'push/vapid.pem'\n\
         web_push_contact = 'mailto:drift@godkend.example'\nweb_push_private = true\nauthorities = 'push/gateway.pem'\n"
    )
    .parse()
    .unwrap();
    let mut config: toml::Table = std::fs::read_to_string(&created.config).unwrap().parse().unwrap();
    config.insert("push".to_owned(), toml::Value::Table(push));
    std::fs::write(&created.config, toml::to_string(&config).unwrap()).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    Stage::open(dir, created.config, listener).await
}

/// Who reads Web Push: a private key and a secret.
fn subscriber() -> (Secret<32>, Secret<16>) {
    (crypto::p256_from_seed(&[5; 32], "subscriber"), Secret([0x5a; 16]))
}

fn web(gateway: &Gateway, path: &str) -> PushAddress {
    let (key, auth) = subscriber();
    let key = crypto::p256_public(&key).unwrap();
    PushAddress::WebPush { endpoint: format!("{}/up/{path}", gateway.url()), key, auth }
}

fn message(phone: &Phone<'_>, number: u64, change: Option<PushChange>) -> Vec<u8> {
    let nonce = random(&mut tls::system_random());
    phone.sign(&PushRegister { device: phone.device, nonce, number, change })
}

async fn post(phone: &Phone<'_>, message: Vec<u8>) -> Result<PushState, Refused> {
    Ok(cbor::decode(&phone.post(PushRegister::PATH, message).await?).unwrap())
}

async fn set(phone: &Phone<'_>, number: u64, address: PushAddress) -> Result<PushState, Refused> {
    post(phone, message(phone, number, Some(PushChange::Set { handle: HANDLE, address }))).await
}

/// Something waits for a person, or for nobody.
async fn ask(app: &App, user_id: &str, source: &str) -> Id {
    let start = Start::Ciba { user_id: user_id.to_owned() };
    let mut asked = new(Level::Substantial, Fixed([0; 32]), start);
    (asked.browser_session, asked.source) = (None, source.to_owned());
    approval::begin(app, asked).await.unwrap().transaction.doc.id
}

async fn refuse(phone: &Phone<'_>, transaction: Id) {
    let nonce = random(&mut tls::system_random());
    let refuse = RefuseLocked { device: phone.device, transaction, decision: Decision::Deny, nonce };
    phone.post(RefuseLocked::PATH, phone.sign(&refuse)).await.unwrap();
}

async fn stored(app: &App, phone: &Phone<'_>) -> Device {
    docs::get::<Device>(&*app.store, &phone.device.0).await.unwrap().unwrap().doc
}

async fn has_address(app: &App, phone: &Phone<'_>) -> bool {
    stored(app, phone).await.push.is_some_and(|registered| registered.target.is_some())
}

/// Waits until what a gateway answered has been taken in.
async fn until(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if done().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it does not come to pass");
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// Header and claims of a token, whose signature `good` has found right.
fn jwt(token: &str, good: impl FnOnce(&[u8], &[u8]) -> bool) -> (Value, Value) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert!(good(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()), "{token}");
    let (header, claims) = signed.split_once('.').unwrap();
    (part(header), part(claims))
}

fn es256(key: [u8; 65]) -> impl FnOnce(&[u8], &[u8]) -> bool {
    move |message, signature| crypto::verify_es256(&Fixed(key), message, &Signature::from_slice(signature).unwrap())
}

/// RFC 8291 and RFC 8188 from the subscriber's side, on another library's HKDF.
fn decrypt(body: &[u8]) -> Vec<u8> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let (own, auth) = subscriber();
    let (salt, rest) = body.split_at(16);
    let (size, rest) = rest.split_at(4);
    assert!(usize::try_from(u32::from_be_bytes(size.try_into().unwrap())).unwrap() > rest.len(), "one record");
    assert_eq!(rest[0], 65);
    let sender = PublicKey::from_slice(&rest[1..66]).unwrap();
    let shared = crypto::ecdh(&own, &sender).unwrap();
    let own = crypto::p256_public(&own).unwrap();
    let expand = |salt: &[u8], secret: &[u8], info: &[&[u8]], size: usize| {
        let mut out = vec![0; size];
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
        prk.expand(info, Length(size)).unwrap().fill(&mut out).unwrap();
        out
    };
    let ikm = expand(&auth.0, &shared.0, &[b"WebPush: info\0", &own.0, &sender.0], 32);
    let key = expand(salt, &ikm, &[b"Content-Encoding: aes128gcm\0"], 16);
    let nonce = expand(salt, &ikm, &[b"Content-Encoding: nonce\0"], 12);
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &key).unwrap());
    let nonce = aead::Nonce::try_assume_unique_for_key(&nonce).unwrap();
    let mut record = rest[66..].to_vec();
    let plain = key.open_in_place(nonce, aead::Aad::empty(), &mut record).unwrap();
    plain.strip_suffix(&[2]).unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn fcm_is_sent_the_handle_with_a_service_accounts_token() {
    let gateway = Gateway::open().await;
    let stage = stage(&gateway).await;
    let app = stage.running.app.clone();
    let (phone, _) = active(&stage, &stage.citizen("anna.s").await).await;
    let state = set(&phone, 1, PushAddress::Fcm { token: "token:1".to_owned() }).await.unwrap();
    assert!(state.registered && state.fcm && state.apns && state.web_push.is_some());
    let first = ask(&app, "anna.s", "10.0.0.1").await;

    let bought = gateway.any().await;
    assert_eq!(bought.path, "/token");
    let form: std::collections::HashMap<String, String> =
        url::form_urlencoded::parse(&bought.body).into_owned().collect();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let der = <rustls_pki_types::PrivatePkcs8KeyDer<'_> as rustls_pki_types::pem::PemObject>::from_pem_slice(
        SERVICE_ACCOUNT.as_bytes(),
    )
    .unwrap();
    let key = ring::signature::RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let public = ring::signature::KeyPair::public_key(&key).as_ref().to_vec();
    let (header, claims) = jwt(&form["assertion"], |message, signature| {
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, public);
        key.verify(message, signature).is_ok()
    });
    assert_eq!(header, serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
    assert_eq!(claims["iss"], "push@p.iam.gserviceaccount.com");
    assert_eq!(claims["aud"], format!("{}/token", gateway.url()));
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/firebase.messaging");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);

    let sent = gateway.any().await;
    assert_eq!(
        (sent.path.as_str(), sent.header("authorization")),
        ("/v1/projects/p/messages:send", &*format!("Bearer {ACCESS}"))
    );
    let expected = serde_json::json!({ "message": {
        "token": "token:1", "data": { "wake": HANDLE.to_base64() },
        "android": { "priority": "HIGH", "ttl": "180s", "collapse_key": "wake" },
    }});
    assert_eq!(sent.json(), expected);

    // The access token serves again; a token that Google calls void is forgotten, and the phone is told so.
    refuse(&phone, first).await;
    let void = message(
        &phone,
        2,
        Some(PushChange::Set { handle: HANDLE, address: PushAddress::Fcm { token: "void".to_owned() } }),
    );
    assert!(post(&phone, void.clone()).await.unwrap().registered);
    ask(&app, "anna.s", "10.0.0.2").await;
    assert_eq!(gateway.any().await.path, "/v1/projects/p/messages:send");
    until(async || !has_address(&app, &phone).await).await;
    assert!(!post(&phone, message(&phone, 0, None)).await.unwrap().registered);
    assert!(!post(&phone, void).await.unwrap().registered, "a retry does not bring it back");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apns_is_sent_the_handle_over_http2_with_a_provider_token() {
    let gateway = Gateway::open().await;
    let stage = stage(&gateway).await;
    let app = stage.running.app.clone();
    let (phone, _) = active(&stage, &stage.citizen("anna.s").await).await;
    set(&phone, 1, PushAddress::Apns { token: Blob(vec![0xab; 32]), sandbox: false }).await.unwrap();
    let first = ask(&app, "anna.s", "10.0.0.1").await;
    let sent = gateway.next().await;
    assert_eq!(
        (sent.version, sent.path.as_str()),
        (axum::http::Version::HTTP_2, &*format!("/3/device/{}", "ab".repeat(32)))
    );
    let expiration: i64 = sent.header("apns-expiration").parse().unwrap();
    assert!((1..=180).contains(&(expiration - app.now())), "{expiration}");
    for (name, value) in [
        ("apns-push-type", "alert"),
        ("apns-priority", "10"),
        ("apns-topic", "dk.godkend"),
        ("apns-collapse-id", "wake"),
    ] {
        assert_eq!(sent.header(name), value, "{name}");
    }
    let key = secrets::load_p256(&stage.config.parent().unwrap().join("push/apns.p8")).unwrap();
    let token = sent.header("authorization").strip_prefix("Bearer ").unwrap().to_owned();
    let (header, claims) = jwt(&token, es256(*key.public()));
    assert_eq!(header, serde_json::json!({ "alg": "ES256", "kid": "KEY1234567" }));
    assert_eq!(claims["iss"], "TEAM123456");
    let expected = serde_json::json!({
        "aps": { "alert": { "loc-key": "WAKE" }, "sound": "default" }, "wake": HANDLE.to_base64(),
    });
    assert_eq!(sent.json(), expected);

    refuse(&phone, first).await;
    set(&phone, 2, PushAddress::Apns { token: Blob(vec![0xee; 32]), sandbox: true }).await.unwrap();
    ask(&app, "anna.s", "10.0.0.2").await;
    let sent = gateway.next().await;
    assert_eq!(sent.header("authorization"), format!("Bearer {token}"), "Apple wants the same token for a while");
    until(async || !has_address(&app, &phone).await).await;
    stage.running.stop().await;
}

fn check_web_push(stage: &Stage, gateway: &Gateway, sent: &Seen) {
    for (name, value) in [("content-encoding", "aes128gcm"), ("ttl", "180"), ("urgency", "high"), ("topic", "wake")] {
        assert_eq!(sent.header(name), value, "{name}");
    }
    let key = secrets::load_p256(&stage.config.parent().unwrap().join("push/vapid.pem")).unwrap();
    let (token, public) = sent.header("authorization").strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(public).unwrap(), key.public());
    let (header, claims) = jwt(token, es256(*key.public()));
    assert_eq!(header, serde_json::json!({ "typ": "JWT", "alg": "ES256" }));
    assert_eq!(claims["aud"], gateway.url());
    assert_eq!(claims["sub"], "mailto:drift@godkend.example");
    let left = claims["exp"].as_i64().unwrap() - stage.running.app.now();
    assert!((1..=86_400).contains(&left), "{left}");
    assert_eq!(decrypt(&sent.body), HANDLE.to_base64().as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn web_push_is_encrypted_for_its_subscriber_tried_again_and_forgotten_when_gone() {
    let gateway = Gateway::open().await;
    let stage = stage(&gateway).await;
    let app = stage.running.app.clone();
    let (phone, _) = active(&stage, &stage.citizen("anna.s").await).await;
    let asked = post(&phone, message(&phone, 0, None)).await.unwrap();
    let key = secrets::load_p256(&stage.config.parent().unwrap().join("push/vapid.pem")).unwrap();
    assert_eq!((asked.registered, asked.web_push), (false, Some(Fixed(*key.public()))));
    gateway.script(&[(503, ""), (429, "1"), (201, "")]);
    set(&phone, 1, web(&gateway, "script")).await.unwrap();
    let first = ask(&app, "anna.s", "10.0.0.1").await;
    for _ in 0..3 {
        let sent = gateway.next().await;
        assert_eq!(sent.path, "/up/script");
        check_web_push(&stage, &gateway, &sent);
    }
    // A wait that outlives the request is not waited for.
    refuse(&phone, first).await;
    gateway.script(&[(503, "3600")]);
    let second = ask(&app, "anna.s", "10.0.0.2").await;
    gateway.next().await;
    let counted = |what: &str| stage.running.metrics.render().contains(what);
    until(async || counted("godkend_push_total{service=\"web_push\",outcome=\"failed\"} 1")).await;
    assert!(counted("godkend_push_total{service=\"web_push\",outcome=\"sent\"} 1"));
    assert!(counted("godkend_push_total{service=\"web_push\",outcome=\"retried\"} 2"));
    assert!(has_address(&app, &phone).await);

    refuse(&phone, second).await;
    set(&phone, 2, web(&gateway, "gone")).await.unwrap();
    ask(&app, "anna.s", "10.0.0.3").await;
    assert_eq!(gateway.next().await.path, "/up/gone");
    until(async || !has_address(&app, &phone).await).await;
    assert!(gateway.is_quiet().await);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_changes_its_address_while_it_is_being_woken_is_woken_there() {
    let gateway = Gateway::open().await;
    let stage = stage(&gateway).await;
    let app = stage.running.app.clone();
    let (phone, _) = active(&stage, &stage.citizen("anna.s").await).await;
    gateway.script(&[(503, "1")]);
    set(&phone, 1, web(&gateway, "script")).await.unwrap();
    ask(&app, "anna.s", "10.0.0.1").await;
    assert_eq!(gateway.next().await.path, "/up/script");
    set(&phone, 2, web(&gateway, "other")).await.unwrap();
    assert_eq!(gateway.next().await.path, "/up/other");
    let sent =
        || stage.running.metrics.render().contains("godkend_push_total{service=\"web_push\",outcome=\"sent\"} 1");
    until(async || sent()).await;
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_its_own_devices_and_the_newest_counts() {
    let gateway = Gateway::open().await;
    let stage = stage(&gateway).await;
    let app = stage.running.app.clone();
    let (phone, _) = active_as(&stage, &stage.citizen("anna.s").await, 1).await;
    let (other, _) = active_as(&stage, &stage.citizen("bo.bo").await, 2).await;
    let fcm = |token: &str| PushAddress::Fcm { token: token.to_owned() };
    let change = |token: &str| Some(PushChange::Set { handle: HANDLE, address: fcm(token) });
    let first = message(&phone, 5, change("first"));
    assert!(post(&phone, first.clone()).await.unwrap().registered);
    assert!(post(&phone, first.clone()).await.unwrap().registered, "a retry");
    // What came before counts never again: neither recorded, nor signed anew with an old number.
    assert!(set(&phone, 6, fcm("second")).await.unwrap().registered);
    for late in [first, message(&phone, 6, change("third")), message(&phone, 0, Some(PushChange::Remove))] {
        assert_eq!(post(&phone, late).await.unwrap_err().0, Code::Conflict);
    }
    let target = stored(&app, &phone).await.push.unwrap().target.unwrap();
    assert_eq!(target.address, fcm("second"));
    let removed = message(&phone, 7, Some(PushChange::Remove));
    assert!(!post(&phone, removed.clone()).await.unwrap().registered);
    let again = message(&phone, 6, change("second"));
    assert_eq!(post(&phone, again).await.unwrap_err().0, Code::Conflict, "after a removal too");
    assert!(!post(&phone, removed).await.unwrap().registered);

    // In another's name, or of nobody.
    let nonce: Hash32 = random(&mut tls::system_random());
    let forged = PushRegister { device: other.device, nonce, number: 1, change: change("mine") };
    assert_eq!(post(&phone, phone.sign(&forged)).await.unwrap_err().0, Code::SignatureInvalid);
    let nobody = PushRegister { device: Fixed([9; 16]), ..forged };
    assert_eq!(post(&phone, phone.sign(&nobody)).await.unwrap_err().0, Code::DeviceUnknown);
    assert!(stored(&app, &other).await.push.is_none());

    // Forms, and what the server does not send to.
    let (key, auth) = subscriber();
    let key = crypto::p256_public(&key).unwrap();
    let endpoint = |endpoint: &str| PushAddress::WebPush { endpoint: endpoint.to_owned(), key, auth: auth.clone() };
    for bad in [
        fcm(""),
        fcm("a b"),
        PushAddress::Apns { token: Blob(vec![1; 101]), sandbox: false },
        endpoint("http://localhost/"),
    ] {
        assert_eq!(set(&other, 1, bad).await.unwrap_err().0, Code::Malformed);
    }
    for strange in
        ["https://localhost/", "https://169.254.169.254/latest", "https://push.example/", "https://127.0.0.1:1/"]
    {
        assert_eq!(set(&other, 1, endpoint(strange)).await.unwrap_err().0, Code::PushRefused, "{strange}");
    }
    // Each change is a write.
    for number in 1..=10 {
        set(&other, number, fcm("again")).await.unwrap();
    }
    assert_eq!(set(&other, 11, fcm("again")).await.unwrap_err().0, Code::Throttled);

    // A blocked phone is woken no more, and asks for nothing.
    let nonce = random(&mut tls::system_random());
    other.post(BlockSelf::PATH, other.sign(&BlockSelf { device: other.device, nonce })).await.unwrap();
    assert!(!has_address(&app, &other).await);
    assert_eq!(set(&other, 20, fcm("again")).await.unwrap_err().0, Code::DeviceBlocked);
    ask(&app, "bo.bo", "10.0.0.1").await;
    set(&phone, 8, fcm("fourth")).await.unwrap();
    ask(&app, "anna.s", "10.0.0.2").await;
    assert_eq!(gateway.next().await.json()["message"]["token"], "fourth");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_gateway_stops_nobody_elses_wake_ups() {
    let gateway = Gateway::open().await;
    let stage = stage(&gateway).await;
    let app = stage.running.app.clone();
    let mut phones = Vec::new();
    for (seed, path) in (1..).zip(["hang", "endless", "redirect", "script"]) {
        let user_id = format!("citizen.{path}");
        let (phone, _) = active_as(&stage, &stage.citizen(&user_id).await, seed).await;
        let address =
            if path == "script" { PushAddress::Fcm { token: "well".to_owned() } } else { web(&gateway, path) };
        set(&phone, 1, address).await.unwrap();
        ask(&app, &user_id, &format!("10.0.0.{seed}")).await;
        phones.push(phone);
        let reached = gateway.next().await.path;
        let expected = if path == "script" { "/v1/projects/p/messages:send".to_owned() } else { format!("/up/{path}") };
        assert_eq!(reached, expected);
    }
    let counted = |what: &str| stage.running.metrics.render().contains(what);
    until(async || counted("godkend_push_total{service=\"fcm\",outcome=\"sent\"} 1")).await;
    until(async || counted("godkend_push_total{service=\"web_push\",outcome=\"sent\"} 1")).await;
    until(async || counted("godkend_push_total{service=\"web_push\",outcome=\"refused\"} 1")).await;
    let since = gateway.since().await;
    assert!(!since.iter().any(|path| path == "/up/elsewhere"), "a redirect was followed: {since:?}");
    assert!(gateway.poured() < 20_000_000, "a hundred megabytes were read: {}", gateway.poured());
    // The one that hangs holds nothing up when the server stops, either.
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_looks_wake_once_and_unknown_people_look_the_same() {
    let gateway = Gateway::open().await;
    let stage = stage(&gateway).await;
    let app = stage.running.app.clone();
    let (phone, _) = active(&stage, &stage.citizen("anna.s").await).await;
    set(&phone, 1, PushAddress::Fcm { token: "anna".to_owned() }).await.unwrap();
    ask(&app, "nobody.here", "10.0.0.9").await;
    let account = stored(&app, &phone).await.account;
    let mut rng = tls::system_random();
    for _ in 0..30_000 {
        app.push.look(random(&mut rng));
    }
    let first = ask(&app, "anna.s", "10.0.0.1").await;
    until(async || {
        app.push.look(account);
        !gateway.is_quiet().await
    })
    .await;
    for _ in 0..10_000 {
        app.push.look(account);
    }
    // What comes next is for the next request: nothing was sent twice, and nothing for nobody.
    refuse(&phone, first).await;
    set(&phone, 2, PushAddress::Fcm { token: "anna.2".to_owned() }).await.unwrap();
    ask(&app, "anna.s", "10.0.0.2").await;
    let mut tokens = Vec::new();
    while tokens.last().is_none_or(|token| token != "anna.2") {
        tokens.push(gateway.next().await.json()["message"]["token"].as_str().unwrap().to_owned());
    }
    assert!(tokens.len() <= 2, "{tokens:?}");
    stage.running.stop().await;
}

#[derive(Clone, Default)]
struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// In one thread, so that this test's log is this server's.
#[tokio::test]
async fn neither_token_nor_handle_reaches_logs_metrics_or_debug_output() {
    let lines = Lines::default();
    let _logging =
        tracing::subscriber::set_default(crate::ops::logging::subscriber(tracing::Level::TRACE, lines.clone()));
    let gateway = Gateway::open().await;
    let stage = stage(&gateway).await;
    let app = stage.running.app.clone();
    let (phone, _) = active(&stage, &stage.citizen("anna.s").await).await;
    set(&phone, 1, web(&gateway, "echo")).await.unwrap();
    ask(&app, "anna.s", "10.0.0.1").await;
    gateway.next().await;
    let counted = |what: &str| stage.running.metrics.render().contains(what);
    until(async || counted("godkend_push_total{service=\"web_push\",outcome=\"refused\"} 1")).await;
    let device = stored(&app, &phone).await;
    let (handle, auth) = (HANDLE.to_base64(), subscriber().1.to_base64());
    let metrics = stage.running.metrics.render();
    stage.running.stop().await;
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("a push gateway refuses"), "{log}");
    for (what, text) in
        [("log", log), ("metrics", metrics), ("debug", format!("{:?} {app:?}", device.push, app = app.push))]
    {
        for secret in [handle.as_str(), auth.as_str(), "/up/echo", &hex::encode(HANDLE.0)] {
            assert!(!text.contains(secret), "{secret} in {what}: {text}");
        }
    }
}
