//! Relying party and browser against the whole server, with magic identities for phones.

use std::collections::BTreeMap;

use godkend_protocol::bytes::{Id, Secret, random};
use godkend_protocol::types::{Level, Suite};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::config::{Config, Cpr, Level as ConfigLevel, RelyingParty, TlsMode};
use crate::docs::Changes;
use crate::keys::{InitOptions, init};
use crate::ops::tls::system_random;
use crate::records::{Account, Magic, UserIdIndex};
use crate::server::{Running, StartOptions, start_on};

const SECRET: &str = "a-secret-of-the-bank";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BACK: &str = "https://bank.dk/cb";

struct World {
    server: Running,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
}

/// One browser's answer.
struct Page {
    status: StatusCode,
    headers: header::HeaderMap,
    text: String,
}

impl Page {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }

    fn location(&self) -> url::Url {
        let location = self.headers.get(header::LOCATION).unwrap_or_else(|| panic!("{} {}", self.status, self.text));
        url::Url::parse("https://x/").unwrap().join(location.to_str().unwrap()).unwrap()
    }

    fn query(&self) -> BTreeMap<String, String> {
        self.location().query_pairs().into_owned().collect()
    }
}

/// A browser with its cookies.
#[derive(Default)]
struct Browser(BTreeMap<String, String>);

impl World {
    async fn start() -> Self {
        Self::with(|_| {}, StartOptions::default()).await
    }

    async fn with(change: impl FnOnce(&mut Config), options: StartOptions) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[allow(clippy::disallowed_methods, reason = "a test is a program's edge")]
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let created =
            init(&InitOptions::test(dir.path(), address), i64::try_from(now).unwrap(), &mut system_random()).unwrap();
        let mut config = Config::load(&created.config, std::iter::empty()).unwrap();
        config.tls.mode = TlsMode::Off;
        config.approval.long_poll_seconds = 2;
        let hash = hex::encode(godkend_protocol::crypto::sha256(&[SECRET.as_bytes()]).0);
        config.relying_party = vec![RelyingParty {
            client_id: "bank".to_owned(),
            client_secret_sha256: Some(hash),
            redirect_uris: vec![BACK.to_owned()],
            name: "Banken & Co".to_owned(),
            sector: None,
            levels: vec![ConfigLevel::Low, ConfigLevel::Substantial, ConfigLevel::High],
            cpr: Cpr::Claim,
            ciba: true,
            ..RelyingParty::default()
        }];
        let public = RelyingParty {
            client_id: "shop".to_owned(),
            client_secret_sha256: None,
            cpr: Cpr::None,
            ciba: false,
            ..config.relying_party[0].clone()
        };
        config.relying_party.push(public);
        change(&mut config);
        let server = start_on(config, listener, options).await.unwrap();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let world = Self { server, http, _dir: dir };
        for (user_id, magic) in [
            ("approves", Magic::Approves),
            ("refuses", Magic::Refuses),
            ("reports", Magic::ReportsFraud),
            ("never-answers", Magic::NeverAnswers),
        ] {
            world.account(user_id, magic).await;
        }
        world
    }

    async fn account(&self, user_id: &str, magic: Magic) {
        self.person(user_id, Some(magic)).await;
    }

    async fn person(&self, user_id: &str, magic: Option<Magic>) -> Id {
        let mut rng = system_random();
        let account = Account {
            id: random(&mut rng),
            uuid: format!("uuid-of-{user_id}"),
            user_id: user_id.to_owned(),
            name: "Søren Test".to_owned(),
            date_of_birth: "1990-01-31".to_owned(),
            cpr: Some(Secret(*b"3101901234")),
            identity_level: Level::High,
            blocked: false,
            least_suite: Suite::P256,
            locked_push: true,
            tell_uses: false,
            disputed: Vec::new(),
            created: 0,
            magic,
        };
        let mut changes = Changes::new();
        changes.insert(&account).insert(&UserIdIndex { user_id: user_id.to_owned(), account: account.id });
        changes.commit(&*self.server.app.store).await.unwrap();
        account.id
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Page {
        let reply = request.send().await.unwrap();
        let (status, headers) = (reply.status(), reply.headers().clone());
        Page { status, headers, text: reply.text().await.unwrap() }
    }

    fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.addr)
    }

    /// A back-channel request of the bank.
    async fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Page {
        let request = self.http.post(self.at(path)).basic_auth("bank", Some(SECRET)).form(parameters);
        self.send(request).await
    }

    async fn push(&self, more: &[(&str, &str)]) -> Page {
        let mut parameters = vec![
            ("client_id", "bank"),
            ("response_type", "code"),
            ("redirect_uri", BACK),
            ("scope", "openid"),
            ("state", "the state"),
            ("nonce", "the nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        parameters.extend(more);
        self.post("/par", &parameters).await
    }

    /// A login that has begun in a browser: its path.
    async fn begin(&self, browser: &mut Browser, more: &[(&str, &str)]) -> String {
        let pushed = self.push(more).await;
        assert_eq!(pushed.status, StatusCode::CREATED, "{}", pushed.text);
        let request_uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
        let address = format!("/authorize?client_id=bank&request_uri={request_uri}");
        let begun = self.browse(browser, Method::GET, &address, None).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
        begun.location().path().to_owned()
    }

    async fn browse(&self, browser: &mut Browser, method: Method, path: &str, body: Option<Value>) -> Page {
        let cookies: Vec<String> = browser.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self.http.request(method, self.at(path)).header(header::COOKIE, cookies.join("; "));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let page = self.send(request).await;
        for cookie in page.headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            for part in ["__Host-", "; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
                assert!(text.contains(part), "{text}");
            }
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            browser.0.insert(name.to_owned(), value.to_owned());
        }
        page
    }

    /// The whole login of a magic identity: where the browser is sent in the end.
    async fn log_in(&self, user_id: &str, more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut browser = Browser::default();
        let path = self.begin(&mut browser, more).await;
        let number = self
            .browse(&mut browser, Method::POST, &format!("{path}/user-id"), Some(json!({ "user_id": user_id })))
            .await;
        assert_eq!(number.status, StatusCode::OK, "{}", number.text);
        let state =
            self.browse(&mut browser, Method::GET, &format!("{path}/state?known=waiting&wait=5"), None).await.json();
        let finish = state["finish"].as_str().unwrap_or_else(|| panic!("{state}"));
        let end = self.browse(&mut browser, Method::GET, finish, None).await;
        let again = self.browse(&mut browser, Method::GET, finish, None).await;
        assert_eq!(end.location(), again.location(), "asked again, the same");
        assert!(end.location().as_str().starts_with(BACK));
        end.query()
    }

    async fn token(&self, code: &str, verifier: &str) -> Page {
        let parameters =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK), ("code_verifier", verifier)];
        self.post("/token", &parameters).await
    }

    /// Verifies an ID token with the published key.
    async fn verify(&self, token: &str) -> Value {
        let keys = self.send(self.http.get(self.at("/jwks"))).await.json();
        let key = &keys["keys"][0];
        assert_eq!(jsonwebtoken::decode_header(token).unwrap().kid.as_deref(), key["kid"].as_str());
        let coordinate = |name: &str| key[name].as_str().unwrap().to_owned();
        let key = jsonwebtoken::DecodingKey::from_ec_components(&coordinate("x"), &coordinate("y")).unwrap();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        validation.set_audience(&["bank"]);
        validation.set_issuer(&[&self.server.url]);
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims
    }
}

fn error(page: &Page) -> (StatusCode, String) {
    (page.status, page.json()["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_pushed_login_ends_with_a_verified_token_once() {
    let world = World::start().await;
    let end = world.log_in("Approves", &[]).await;
    assert_eq!(end["state"], "the state");
    assert_eq!(end["iss"], world.server.url);
    let wrong = world.token(&end["code"], &VERIFIER.replace('d', "e")).await;
    assert_eq!(error(&wrong), (StatusCode::BAD_REQUEST, "invalid_grant".to_owned()));
    let good = world.token(&end["code"], VERIFIER).await;
    assert_eq!(good.status, StatusCode::OK, "{}", good.text);
    assert_eq!(good.headers[header::CACHE_CONTROL], "no-store");
    let claims = world.verify(good.json()["id_token"].as_str().unwrap()).await;
    for (name, value) in [
        ("nonce", "the nonce"),
        ("godkend.binding", "typed_number"),
        ("mitid.uuid", "uuid-of-approves"),
        ("dk.cpr", "3101901234"),
        ("acr", Level::Substantial.uri()),
    ] {
        assert_eq!(claims[name], value);
    }
    assert_eq!(claims["amr"], json!(["code_app", "pin"]));
    let second = world.token(&end["code"], VERIFIER).await;
    assert_eq!(error(&second), (StatusCode::BAD_REQUEST, "invalid_grant".to_owned()));
    world.server.stop().await;
}

#[tokio::test]
async fn a_refusal_a_report_and_a_cancelled_login_tell_the_relying_party() {
    let world = World::start().await;
    for user in ["refuses", "reports"] {
        let end = world.log_in(user, &[]).await;
        assert_eq!((end["error"].as_str(), end["state"].as_str()), ("access_denied", "the state"), "{user}");
        assert!(!end.contains_key("code") && end.contains_key("error_description") && end.contains_key("iss"));
        // What follows a report waits at its source; another source is not touched.
        world.server.app.clock.advance_ms(700_000);
    }
    let mut browser = Browser::default();
    let path = world.begin(&mut browser, &[]).await;
    let cancelled = world.browse(&mut browser, Method::POST, &format!("{path}/cancel"), Some(json!({}))).await;
    let end = world.browse(&mut browser, Method::GET, cancelled.json()["finish"].as_str().unwrap(), None).await;
    assert_eq!(end.query()["error"], "access_denied");
    world.server.stop().await;
}

#[tokio::test]
async fn the_page_shows_all_of_it_and_nothing_from_elsewhere() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let details = json!([{ "type": "godkend_payment", "amount": "1250.05", "currency": "DKK", "payee": "Bager <b>", "account": "1234" }]);
    let path =
        world.begin(&mut browser, &[("authorization_details", &details.to_string()), ("ui_locales", "en")]).await;
    let page = world.browse(&mut browser, Method::GET, &path, None).await;
    assert_eq!(page.status, StatusCode::OK);
    for part in ["Banken &amp; Co", "DKK 1,250.05", "Bager &lt;b&gt;", "1234", "asks you to approve", "lang=\"en\""] {
        assert!(page.text.contains(part), "{part}");
    }
    for part in ["<script>", "style=", "onclick", "src=\"http", "href=\"http"] {
        assert!(!page.text.contains(part), "{part}");
    }
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe") && !policy.contains("http"));
    assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");

    let frames = world.browse(&mut browser, Method::GET, &format!("{path}/frames"), None).await.json();
    let frames = frames["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 4);
    assert!(frames.iter().all(|frame| frame["code"]["size"].as_u64() > Some(20)));
    assert_ne!(frames[0]["text"], frames[1]["text"]);
    let state = world.browse(&mut browser, Method::GET, &format!("{path}/state"), None).await.json();
    assert_eq!(state["state"], "waiting");
    assert!(state["same_device_link"].as_str().unwrap().starts_with("godkend://approve/1?"));
    assert!(state["finish"].is_null());

    // Another browser sees and does nothing.
    let mut other = Browser::default();
    for page in ["", "/state", "/frames", "/finish"] {
        let page = world.browse(&mut other, Method::GET, &format!("{path}{page}"), None).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(!page.text.contains("1250"));
    }
    let cancel = world.browse(&mut other, Method::POST, &format!("{path}/cancel"), Some(json!({}))).await;
    assert_eq!(cancel.status, StatusCode::NOT_FOUND);
    // Nothing has ended: the finish page leads back.
    let early = world.browse(&mut browser, Method::GET, &format!("{path}/finish"), None).await;
    assert_eq!(early.location().path(), path);
    world.server.stop().await;
}

#[tokio::test]
async fn an_unknown_user_id_looks_like_one_that_never_answers() {
    let world = World::start().await;
    let mut seen = Vec::new();
    for user in ["never-answers", "nobody-at-all"] {
        let mut browser = Browser::default();
        let path = world.begin(&mut browser, &[]).await;
        let reply = world
            .browse(&mut browser, Method::POST, &format!("{path}/user-id"), Some(json!({ "user_id": user })))
            .await;
        assert_eq!(reply.status, StatusCode::OK);
        let number = reply.json()["number"].as_str().unwrap().to_owned();
        assert!(number.len() == 8 && number.bytes().all(|b| b.is_ascii_digit()));
        let mut state = world.browse(&mut browser, Method::GET, &format!("{path}/state"), None).await.json();
        for changing in ["number", "number_spaced", "same_device_link", "expires_in"] {
            state[changing] = Value::Null;
        }
        seen.push(state);
    }
    assert_eq!(seen[0], seen[1]);
    world.server.stop().await;
}

#[tokio::test]
async fn a_request_is_refused_where_it_belongs() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let pushed = world.push(&[]).await.json();
    let uri = pushed["request_uri"].as_str().unwrap();
    let once = format!("/authorize?client_id=bank&request_uri={uri}");
    assert_eq!(world.browse(&mut browser, Method::GET, &once, None).await.status, StatusCode::SEE_OTHER);
    // Used, unknown, of another client, without a known address: shown, never redirected.
    for address in [
        once.as_str(),
        "/authorize?client_id=bank&request_uri=urn:ietf:params:oauth:request_uri:x",
        "/authorize?client_id=nobody",
        "/authorize",
        "/authorize?client_id=bank&response_type=code&scope=openid",
        "/authorize?client_id=bank&response_type=code&scope=openid&redirect_uri=https://evil.dk/",
        "/authorize?client_id=bank&client_id=bank&redirect_uri=https://bank.dk/cb",
    ] {
        let page = world.browse(&mut browser, Method::GET, address, None).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{address}");
        assert!(page.headers.get(header::LOCATION).is_none());
    }
    // With a known one: told to the client.
    let address = "/authorize?client_id=shop&response_type=token&scope=openid&state=s&redirect_uri=https://bank.dk/cb";
    let told = world.browse(&mut browser, Method::GET, address, None).await.query();
    assert_eq!((told["error"].as_str(), told["state"].as_str()), ("unsupported_response_type", "s"));

    let expired = world.push(&[]).await.json();
    world.server.app.clock.advance_ms(91_000);
    let late = format!("/authorize?client_id=bank&request_uri={}", expired["request_uri"].as_str().unwrap());
    assert_eq!(world.browse(&mut browser, Method::GET, &late, None).await.status, StatusCode::BAD_REQUEST);

    let wrong =
        world.send(world.http.post(world.at("/par")).basic_auth("bank", Some("wrong")).form(&[("a", "b")])).await;
    assert_eq!(error(&wrong), (StatusCode::UNAUTHORIZED, "invalid_client".to_owned()));
    let evil = world.post("/par", &[("redirect_uri", "https://evil.dk/"), ("response_type", "code")]).await;
    assert_eq!(error(&evil), (StatusCode::BAD_REQUEST, "invalid_request".to_owned()));
    let json = world.http.post(world.at("/token")).basic_auth("bank", Some(SECRET)).json(&json!({}));
    assert_eq!(error(&world.send(json).await), (StatusCode::BAD_REQUEST, "invalid_request".to_owned()));
    let grant = world.post("/token", &[("grant_type", "password")]).await;
    assert_eq!(error(&grant), (StatusCode::BAD_REQUEST, "unsupported_grant_type".to_owned()));
    world.server.stop().await;
}

#[tokio::test]
async fn a_back_channel_login_is_polled_for_and_handed_out_once() {
    let world = World::start().await;
    let start = |user: &'static str| world.post_owned("/ciba", vec![("scope", "openid"), ("login_hint", user)]);
    let poll = async |id: String| {
        world.post("/token", &[("grant_type", "urn:openid:params:grant-type:ciba"), ("auth_req_id", &id)]).await
    };
    let id = |begun: &Page| begun.json()["auth_req_id"].as_str().unwrap().to_owned();

    let begun = start("approves").await;
    assert_eq!(begun.status, StatusCode::OK, "{}", begun.text);
    assert_eq!(begun.json()["number"].as_str().unwrap().len(), 8);
    let tokens = poll(id(&begun)).await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.text);
    let claims = world.verify(tokens.json()["id_token"].as_str().unwrap()).await;
    assert_eq!(claims["urn:openid:params:jwt:claim:auth_req_id"], id(&begun));
    assert_eq!(error(&poll(id(&begun)).await).1, "invalid_grant");

    let begun = start("refuses").await;
    assert_eq!(error(&poll(id(&begun)).await).1, "access_denied");

    let begun = start("nobody-here").await;
    assert_eq!(begun.json()["number"].as_str().unwrap().len(), 8);
    let (first, second) = tokio::join!(poll(id(&begun)), async {
        tokio::time::sleep(core::time::Duration::from_millis(300)).await;
        poll(id(&begun)).await
    });
    assert_eq!((error(&first).1.as_str(), error(&second).1.as_str()), ("authorization_pending", "slow_down"));
    world.server.app.clock.advance_ms(200_000);
    assert_eq!(error(&poll(id(&begun)).await).1, "expired_token");
    assert_eq!(error(&poll("unknown".to_owned()).await).1, "invalid_grant");

    let high = world
        .post("/ciba", &[("scope", "openid"), ("login_hint", "approves"), ("acr_values", Level::High.uri())])
        .await;
    assert_eq!(error(&high).1, "unmet_authentication_requirements");
    world.server.stop().await;
}

impl World {
    async fn post_owned(&self, path: &'static str, parameters: Vec<(&'static str, &'static str)>) -> Page {
        self.post(path, &parameters).await
    }
}

#[tokio::test]
async fn the_block_page_speaks_both_languages_and_refuses_a_guess() {
    let world = World::start().await;
    let danish = world.send(world.http.get(world.at("/block"))).await;
    assert!(danish.text.contains("Spær en telefon"));
    let english = world.send(world.http.get(world.at("/block?language=en"))).await;
    assert!(english.text.contains("Block a phone"));
    for code in ["", "ABC", "ABCDEF-GHJKMN-PQRSTV"] {
        let guess = world.send(world.http.post(world.at("/block")).form(&[("code", code), ("language", "en")])).await;
        assert_eq!(guess.status, StatusCode::FORBIDDEN, "{code}");
        assert!(guess.text.contains("The block code does not match."), "{}", guess.text);
    }
    world.server.stop().await;
}

mod means;
mod page;
mod unpushed;
