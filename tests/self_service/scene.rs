//! The server, the site, and a browser that goes from one to the other.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_netbank::Settings;
use godkend_protocol::bytes::Secret;
use godkend_protocol::opaque::Registering;
use godkend_self_service::Site;
use godkend_server::server::CERTIFICATE_FILE;
use godkend_tests::phone::PIN;
use godkend_tests::world::{CLIENT_SECRET, rng};
use godkend_tests::{Phone, World};
use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A server and the site.
pub(crate) struct Scene {
    pub(crate) world: World,
    /// The site's origin.
    pub(crate) site: String,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let site = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let hash = hex::encode(ring::digest::digest(&ring::digest::SHA256, CLIENT_SECRET.as_bytes()));
        let registered = format!(
            "\n[[relying_party]]\nclient_id = \"self-service\"\nclient_secret_sha256 = \"{hash}\"\nname = \"Mit Godkend\"\n\
             redirect_uris = [\"{site}/callback\"]\nlevels = [\"substantial\", \"high\"]\nself_service = true\n"
        );
        let towns = ["town-a", "town-b"].map(|id| {
            format!(
                "\n[[relying_party]]\nclient_id = \"{id}\"\nclient_secret_sha256 = \"{hash}\"\nname = \"{id}\"\n\
                 redirect_uris = [\"https://{id}.example/callback\"]\nsingle_sign_on = \"towns\"\n"
            )
        });
        let registered = registered + &towns.concat();
        let world = World::with(|_| {}, |config| config.push_str(&registered)).await;
        let settings = Settings {
            url: site.clone(),
            issuer: world.url.clone(),
            client_id: "self-service".to_owned(),
            client_secret: Some(CLIENT_SECRET.to_owned()),
            certificate: Some(std::fs::read(world.data().join(CERTIFICATE_FILE)).unwrap()),
            dpop: false,
        };
        tokio::spawn(Site::new(settings).unwrap().serve(listener));
        Self { world, site }
    }

    pub(crate) fn visitor(&self) -> Visitor {
        let http = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
            .no_proxy();
        Visitor {
            http: http.build().unwrap(),
            site: self.site.clone(),
            issuer: self.world.url.clone(),
            cookies: BTreeMap::new(),
            language: None,
        }
    }

    /// Chooses a password with the code that the site has shown, as the script of the server's page does.
    pub(crate) async fn choose_password(&self, code: &str) {
        let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        let (client, request) = Registering::start(&mut rng(), Secret([1; 32])).unwrap();
        let post = async |path: &str, body: Value| {
            let reply = http.post(format!("{}/password/{path}", self.world.url)).json(&body).send().await.unwrap();
            assert_eq!(reply.status().as_u16(), 200);
            reply.json::<Value>().await.unwrap()
        };
        let body = json!({ "code": code, "request": URL_SAFE_NO_PAD.encode(&request.0) });
        let response = post("register", body).await;
        let response = URL_SAFE_NO_PAD.decode(response["response"].as_str().unwrap()).unwrap();
        let upload = client.finish(&mut rng(), &response).unwrap().upload;
        post("set", json!({ "code": code, "upload": URL_SAFE_NO_PAD.encode(&upload.0) })).await;
    }

    /// Somebody with a phone, signed in by a scanned code.
    pub(crate) async fn signed_in(&self, user_id: &str) -> (Visitor, Phone) {
        let (_, phone) = self.world.person(user_id).await;
        let mut visitor = self.visitor();
        visitor.log_on(&phone).await;
        (visitor, phone)
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Page {
    /// What stands between `start` and `end`.
    pub(crate) fn between(&self, start: &str, end: &str) -> String {
        let rest = self.body.split_once(start).unwrap_or_else(|| panic!("no {start}: {} {}", self.status, self.body)).1;
        rest.split_once(end).unwrap().0.to_owned()
    }

    /// The token of its forms.
    pub(crate) fn form(&self) -> String {
        self.between(r#"name="form" value=""#, "\"")
    }

    /// The id in the first link to this action.
    pub(crate) fn id(&self, action: &str) -> String {
        self.between(&format!("/do/{action}?id="), "\"")
    }

    /// Where it leads, on this site.
    pub(crate) fn to(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.location.as_deref().unwrap()
    }

    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.body.contains(text), "not said: {text}: {} {}", self.status, self.body);
        self
    }

    pub(crate) fn says_not(&self, text: &str) -> &Self {
        assert!(!self.body.contains(text), "said: {text}: {}", self.body);
        self
    }
}

/// A browser: cookies by host, and no redirect unless asked.
pub(crate) struct Visitor {
    http: reqwest::Client,
    pub(crate) site: String,
    issuer: String,
    cookies: BTreeMap<(String, String), String>,
    pub(crate) language: Option<&'static str>,
}

impl Visitor {
    async fn send(&mut self, request: reqwest::RequestBuilder) -> Page {
        let (http, request) = request.build_split();
        let mut request = request.unwrap();
        let url = request.url().clone();
        let host = format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap());
        let mine = self.cookies.iter().filter(|((owner, _), _)| *owner == host);
        let cookies: Vec<String> = mine.map(|((_, name), value)| format!("{name}={value}")).collect();
        request.headers_mut().insert(COOKIE, cookies.join("; ").parse().unwrap());
        if let Some(language) = self.language {
            request.headers_mut().insert("accept-language", language.parse().unwrap());
        }
        let reply = http.execute(request).await.unwrap();
        for cookie in reply.headers().get_all(SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert((host.clone(), name.to_owned()), value.to_owned());
        }
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let location = headers.get(LOCATION).map(|location| location.to_str().unwrap().to_owned());
        let page = Page { status, location, headers, body: reply.text().await.unwrap() };
        if url.as_str().starts_with(&self.site) {
            is_strict(&page);
        }
        page
    }

    /// A page of the site.
    pub(crate) async fn get(&mut self, path: &str) -> Page {
        let request = self.http.get(format!("{}{path}", self.site));
        self.send(request).await
    }

    /// A form sent to the site.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.http.post(format!("{}{path}", self.site)).form(fields);
        self.send(request).await
    }

    /// The same, as a page of another origin sends it.
    pub(crate) async fn post_from(&mut self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.http.post(format!("{}{path}", self.site)).form(fields).header("origin", origin);
        self.send(request).await
    }

    /// From the front page to the login page, which the phone scans, and back to the site's page.
    pub(crate) async fn log_on(&mut self, phone: &Phone) -> Page {
        let form = self.get("/").await.form();
        let sent = self.post("/login", &[("form", &form)]).await;
        self.approve(&sent, phone).await
    }

    /// The name of the login page that a redirect leads to.
    pub(crate) async fn login_page(&mut self, sent: &Page) -> String {
        let request = self.http.get(sent.to());
        let began = self.send(request).await;
        format!("{}{}", self.issuer, began.to())
    }

    /// From a redirect to the identity server, through its page, to the page of the site that it ends on.
    pub(crate) async fn approve(&mut self, sent: &Page, phone: &Phone) -> Page {
        let page = self.login_page(sent).await;
        let request = self.http.get(format!("{page}/frames"));
        let frames: Value = serde_json::from_str(&self.send(request).await.body).unwrap();
        let second = frames["now_ms"].as_i64().unwrap() / 1000;
        let frame = frames["frames"].as_array().unwrap().iter().find(|frame| frame["second"] == second).unwrap();
        let view = phone.scan(frame["text"].as_str().unwrap()).await.unwrap();
        assert_eq!((view.relying_party.name.as_str(), view.text.is_some()), ("Mit Godkend", true));
        phone.approve(&view, PIN).await.unwrap();
        self.back(&page).await
    }

    /// The same with a typed number, which reaches Substantial at most.
    pub(crate) async fn log_on_by_number(&mut self, user_id: &str, phone: &Phone) -> Page {
        let form = self.get("/").await.form();
        let sent = self.post("/login", &[("form", &form)]).await;
        let page = self.login_page(&sent).await;
        let request = self.http.post(format!("{page}/user-id")).json(&serde_json::json!({ "user_id": user_id }));
        let shown: Value = serde_json::from_str(&self.send(request).await.body).unwrap();
        let view = phone.type_number(shown["number"].as_str().unwrap()).await.unwrap();
        phone.approve(&view, PIN).await.unwrap();
        self.back(&page).await
    }

    /// Gives up on a login page.
    pub(crate) async fn cancel(&mut self, page: &str) {
        let request = self.http.post(format!("{page}/cancel")).json(&serde_json::json!({}));
        assert_eq!(self.send(request).await.status, 200);
    }

    /// From a finished login page to the site's page.
    pub(crate) async fn back(&mut self, page: &str) -> Page {
        let request = self.http.get(format!("{page}/finish"));
        let finished = self.send(request).await;
        let request = self.http.get(finished.to());
        let landed = self.send(request).await;
        match landed.status {
            303 => self.get(landed.to()).await,
            _ => landed,
        }
    }

    /// Opens an action's page and presses its button.
    pub(crate) async fn act(&mut self, action: &str, id: &str, typed: &str) -> Page {
        let page = self.get(&format!("/do/{action}?id={id}")).await;
        assert_eq!(page.status, 200, "{action}: {}", page.body);
        self.post(&format!("/do/{action}"), &[("form", &page.form()), ("id", id), ("typed", typed)]).await
    }

    /// The same, where it is done: the overview that says so.
    pub(crate) async fn done(&mut self, action: &str, id: &str, typed: &str) -> Page {
        let done = self.act(action, id, typed).await;
        assert_eq!(done.to(), "/", "{action}: {done:?}");
        let page = self.get("/").await;
        page.says(r#"id="told""#);
        page
    }
}

/// No answer of the site's runs a script, loads from elsewhere, is framed or kept.
fn is_strict(page: &Page) {
    let header = |name| page.headers.get(name).map_or("", |value| value.to_str().unwrap());
    let policy = header(CONTENT_SECURITY_POLICY);
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self' https://localhost:"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    assert_eq!(header(CACHE_CONTROL), "no-store");
    for tag in ["<script", "style=", "onclick", "<img", "<iframe"] {
        assert!(!page.body.contains(tag), "{tag} in {}", page.body);
    }
    for cookie in page.headers.get_all(SET_COOKIE) {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite="), "{cookie}");
    }
}
