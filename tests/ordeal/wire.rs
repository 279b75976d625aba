//! Desk, bank and browser over real HTTPS, none of whom is surprised when the server goes away.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::server::{CLIENT_SECRET, Server};

/// Why something did not come to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// The server is away, or says that it cannot now: what it took is not known.
    Gone,
    /// What must not happen.
    Wrong(String),
}

impl Trouble {
    pub(crate) fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }
}

pub(crate) type Done<T> = Result<T, Trouble>;

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-long";
const CALLBACK: &str = "https://netbank.example/callback";

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) cookies: Vec<String>,
    pub(crate) body: Value,
}

impl Reply {
    /// The body, if the status is this one.
    pub(crate) fn is(self, status: u16) -> Done<Value> {
        if self.status == status { Ok(self.body) } else { Err(Trouble::wrong(format!("not {status}: {self:?}"))) }
    }
}

/// The way to one server.
#[derive(Clone)]
pub(crate) struct Wire {
    http: reqwest::Client,
    pub(crate) url: String,
    token: String,
}

impl Wire {
    pub(crate) fn to(server: &Server) -> Self {
        let http = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build()
            .unwrap();
        Self { http, url: server.url.clone(), token: server.token.clone() }
    }

    async fn send(&self, request: RequestBuilder) -> Done<Reply> {
        let response = request.send().await.map_err(|_| Trouble::Gone)?;
        let status = response.status().as_u16();
        let location = response.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let cookies = response.headers().get_all(SET_COOKIE).iter();
        let cookies = cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect();
        let text = response.text().await.map_err(|_| Trouble::Gone)?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status == 503 { Err(Trouble::Gone) } else { Ok(Reply { status, location, cookies, body }) }
    }

    /// One request to the desk's interface.
    pub(crate) async fn desk(&self, method: Method, path: &str, body: Option<Value>) -> Done<Reply> {
        let mut request = self.http.request(method, format!("{}/admin/v1/{path}", self.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.send(request).await
    }

    /// A proofed person; the account's id.
    pub(crate) async fn citizen(&self, user_id: &str) -> Done<String> {
        let body = json!({
            "name": format!("{user_id} Testesen"), "user_id": user_id, "date_of_birth": "1985-03-17",
            "identity_level": "high",
        });
        let reply = self.desk(Method::POST, "citizens", Some(body)).await?.is(201)?;
        Ok(reply["id"].as_str().unwrap().to_owned())
    }

    /// An activation: its id and its link.
    pub(crate) async fn hand_out(&self, citizen: &str) -> Done<(String, String)> {
        let path = format!("citizens/{citizen}/activations");
        let reply = self.desk(Method::POST, &path, Some(json!({ "form": "link" }))).await?.is(201)?;
        Ok((reply["id"].as_str().unwrap().to_owned(), reply["text"].as_str().unwrap().to_owned()))
    }

    /// The digits, typed at the desk.
    pub(crate) async fn digits(&self, activation: &str, digits: &str) -> Done<Value> {
        let path = format!("activations/{activation}/digits");
        self.desk(Method::POST, &path, Some(json!({ "digits": digits }))).await?.is(200)
    }

    /// A person's phones.
    pub(crate) async fn devices(&self, citizen: &str) -> Done<Vec<Value>> {
        let reply = self.desk(Method::GET, &format!("citizens/{citizen}/devices"), None).await?.is(200)?;
        Ok(reply["devices"].as_array().unwrap().clone())
    }

    /// Something that a relying party posts.
    pub(crate) async fn bank(&self, path: &str, form: &[(&str, String)]) -> Done<Reply> {
        let secret: String = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
        let request = self.http.post(format!("{}/{path}", self.url)).basic_auth("netbank", Some(secret)).form(form);
        self.send(request).await
    }

    /// The status that a relying party's new login gets, whatever it is.
    pub(crate) async fn par_status(&self) -> Option<u16> {
        let secret: String = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
        let request = self.http.post(format!("{}/par", self.url)).basic_auth("netbank", Some(secret));
        request.form(&Self::ask()).send().await.ok().map(|response| response.status().as_u16())
    }

    fn ask() -> Vec<(&'static str, String)> {
        let challenge = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, VERIFIER.as_bytes()));
        vec![
            ("response_type", "code".to_owned()),
            ("client_id", "netbank".to_owned()),
            ("redirect_uri", CALLBACK.to_owned()),
            ("scope", "openid".to_owned()),
            ("state", "the state".to_owned()),
            ("nonce", "the nonce".to_owned()),
            ("acr_values", "https://data.gov.dk/concept/core/nsis/Substantial".to_owned()),
            ("code_challenge_method", "S256".to_owned()),
            ("code_challenge", challenge),
        ]
    }

    /// A login without a browser: `auth_req_id` and the number to type.
    pub(crate) async fn ciba(&self, user_id: &str) -> Done<(String, String)> {
        let mut form: Vec<_> =
            Self::ask().into_iter().filter(|(name, _)| ["scope", "acr_values"].contains(name)).collect();
        form.push(("login_hint", user_id.to_owned()));
        let reply = self.bank("ciba", &form).await?.is(200)?;
        Ok((reply["auth_req_id"].as_str().unwrap().to_owned(), reply["number"].as_str().unwrap().to_owned()))
    }

    /// One poll for the tokens of a CIBA login.
    pub(crate) async fn ciba_token(&self, auth_req_id: &str) -> Done<Reply> {
        let grant = "urn:openid:params:grant-type:ciba".to_owned();
        self.bank("token", &[("grant_type", grant), ("auth_req_id", auth_req_id.to_owned())]).await
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, code: &str) -> Done<Reply> {
        let form = [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", CALLBACK.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
        ];
        self.bank("token", &form).await
    }
}

/// How a login's page ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Finish {
    /// It has not.
    Waits,
    /// With a code for the bank.
    Code(String),
    /// Declined or expired.
    Declined,
}

/// A browser: cookies, and one login at a time.
#[derive(Clone)]
pub(crate) struct Browser {
    wire: Wire,
    cookies: BTreeMap<String, String>,
    login: String,
}

impl Browser {
    pub(crate) fn new(wire: &Wire) -> Self {
        Self { wire: wire.clone(), cookies: BTreeMap::new(), login: String::new() }
    }

    /// The values of its cookies.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.cookies.values().cloned().collect()
    }

    /// The transaction of the login on the page.
    pub(crate) fn transaction(&self) -> &str {
        self.login.rsplit('/').next().unwrap()
    }

    async fn send(&mut self, method: Method, url: &str, body: Option<Value>) -> Done<Reply> {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut request = self.wire.http.request(method, url).header(COOKIE, cookies);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply = self.wire.send(request).await?;
        for cookie in &reply.cookies {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() || attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(reply)
    }

    /// From the bank to the login page.
    pub(crate) async fn open(&mut self) -> Done<()> {
        let reply = self.wire.bank("par", &Wire::ask()).await?.is(201)?;
        let mut url = reqwest::Url::parse(&format!("{}/authorize", self.wire.url)).unwrap();
        let uri = reply["request_uri"].as_str().unwrap();
        url.query_pairs_mut().append_pair("client_id", "netbank").append_pair("request_uri", uri);
        let reply = self.send(Method::GET, url.as_str(), None).await?;
        let page = reply.location.clone().filter(|to| to.starts_with("/login/"));
        let page = page.ok_or_else(|| Trouble::wrong(format!("no login page: {reply:?}")))?;
        self.login = format!("{}{page}", self.wire.url);
        self.send(Method::GET, &self.login.clone(), None).await?.is(200).map(drop)
    }

    /// What the page's script asks.
    pub(crate) async fn page(&mut self, method: Method, path: &str, body: Option<Value>) -> Done<Reply> {
        let url = format!("{}/{path}", self.login);
        self.send(method, &url, body).await
    }

    /// What the QR code says now.
    pub(crate) async fn qr(&mut self) -> Done<String> {
        let reply = self.page(Method::GET, "frames", None).await?.is(200)?;
        let second = reply["now_ms"].as_i64().unwrap() / 1000;
        let frames = reply["frames"].as_array().unwrap();
        let frame = frames.iter().find(|frame| frame["second"].as_i64() == Some(second));
        let frame = frame.ok_or_else(|| Trouble::wrong(format!("no frame for now: {reply}")))?;
        Ok(frame["text"].as_str().unwrap().to_owned())
    }

    /// Sends the browser back to the bank.
    pub(crate) async fn finish(&mut self) -> Done<Finish> {
        let reply = self.page(Method::GET, "finish", None).await?;
        let to = reply.location.clone().ok_or_else(|| Trouble::wrong(format!("no way back: {reply:?}")))?;
        let Ok(url) = reqwest::Url::parse(&to) else { return Ok(Finish::Waits) };
        let answer: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        Ok(match answer.get("code") {
            Some(code) => Finish::Code(code.clone()),
            None if answer.get("error").map(String::as_str) == Some("access_denied") => Finish::Declined,
            None => return Err(Trouble::wrong(format!("{answer:?}"))),
        })
    }
}
