//! A browser without a screen: cookies, the login page's endpoints, redirects that it follows by hand.

use std::collections::BTreeMap;
use std::net::IpAddr;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bank::{Ask, Bank, Claims};
use crate::world::World;

/// A browser.
pub struct Browser {
    http: reqwest::Client,
    url: String,
    pub cookies: BTreeMap<String, String>,
    login: String,
    bank: Option<Bank>,
    /// The last answer, as it came.
    pub last: Answered,
}

/// An answer as it came over the wire, but for what every answer has of its own: its time, its name and its cookies'
/// values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answered {
    pub status: u16,
    pub headers: BTreeMap<String, Vec<String>>,
    pub body: String,
}

impl Answered {
    pub async fn of(response: reqwest::Response) -> Self {
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in response.headers() {
            let value = match name.as_str() {
                "date" | "x-request-id" => String::new(),
                "set-cookie" => value.to_str().unwrap().split_once(';').unwrap().1.to_owned(),
                _ => value.to_str().unwrap().to_owned(),
            };
            headers.entry(name.to_string()).or_default().push(value);
        }
        Self { status: response.status().as_u16(), headers, body: response.text().await.unwrap() }
    }
}

impl Browser {
    pub fn new(world: &World) -> Self {
        Self::at(world, None)
    }

    /// One whose connections come from another address of this machine, so that limits on a source tell it apart.
    pub fn at(world: &World, address: Option<IpAddr>) -> Self {
        let http = reqwest::Client::builder()
            .local_address(address)
            .tls_danger_accept_invalid_certs(true)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
            .no_proxy()
            .build()
            .unwrap();
        Self {
            http,
            url: world.url.clone(),
            cookies: BTreeMap::new(),
            login: String::new(),
            bank: None,
            last: Answered::default(),
        }
    }

    async fn send(&mut self, method: Method, url: &str, body: Option<Value>) -> (StatusCode, Option<String>, String) {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut request = self.http.request(method, url).header(COOKIE, cookies);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() || attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = response.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let status = response.status();
        self.last = Answered::of(response).await;
        (status, location, self.last.body.clone())
    }

    /// Goes from the bank to the login page.
    pub async fn open(&mut self, world: &World, ask: &Ask) {
        let bank = Bank::push(world, ask).await;
        let url = bank.authorize_url.clone();
        if let Err(refusal) = self.authorize(bank, &url).await {
            panic!("no login page: {refusal:?}");
        }
    }

    /// Goes to a bank's authorization endpoint by any address; the status and the page where there is no login.
    pub async fn authorize(&mut self, bank: Bank, url: &str) -> Result<(), (u16, String)> {
        self.visit(url).await.map_err(|(status, _, body)| (status, body))?;
        self.bank = Some(bank);
        Ok(())
    }

    /// Goes to an authorization endpoint; the status, the way back and the page where there is no login.
    pub async fn visit(&mut self, url: &str) -> Result<(), (u16, Option<String>, String)> {
        let (status, location, body) = self.send(Method::GET, url, None).await;
        let Some(page) = location.clone().filter(|location| location.starts_with("/login/")) else {
            return Err((status.as_u16(), location, body));
        };
        self.login = format!("{}{page}", self.url);
        let (status, _, page) = self.send(Method::GET, &self.login.clone(), None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        Ok(())
    }

    /// The id of the login, which its transaction has too.
    pub fn login(&self) -> &str {
        self.login.rsplit('/').next().unwrap()
    }

    /// Asks the login page's own endpoint something; the status and the answer.
    pub async fn ask(&mut self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/{path}", self.login);
        let (status, _, text) = self.send(method, &url, body).await;
        (status.as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn state(&mut self) -> Value {
        self.ask(Method::GET, "state", None).await.1
    }

    /// The text of the QR code that the page shows now.
    pub async fn qr(&mut self) -> String {
        let (status, reply) = self.ask(Method::GET, "frames", None).await;
        assert_eq!(status, 200, "{reply}");
        let second = reply["now_ms"].as_i64().unwrap() / 1000;
        let frames = reply["frames"].as_array().unwrap();
        let now = frames.iter().find(|frame| frame["second"].as_i64() == Some(second)).expect("a frame for now");
        now["text"].as_str().unwrap().to_owned()
    }

    pub async fn same_device_link(&mut self) -> String {
        self.state().await["same_device_link"].as_str().expect("a link").to_owned()
    }

    /// Types a user id; the number that the page shows.
    pub async fn type_user_id(&mut self, user_id: &str) -> String {
        let (status, reply) = self.ask(Method::POST, "user-id", Some(json!({ "user_id": user_id }))).await;
        assert_eq!(status, 200, "{reply}");
        reply["number"].as_str().unwrap().to_owned()
    }

    pub async fn offline_qr(&mut self, user_id: &str) -> String {
        let (status, reply) = self.ask(Method::POST, "offline", Some(json!({ "user_id": user_id }))).await;
        assert_eq!(status, 200, "{reply}");
        reply["text"].as_str().unwrap().to_owned()
    }

    pub async fn type_offline_code(&mut self, code: &str) -> (u16, Value) {
        self.ask(Method::POST, "offline-code", Some(json!({ "code": code }))).await
    }

    pub async fn cancel(&mut self) {
        let (status, reply) = self.ask(Method::POST, "cancel", Some(json!({}))).await;
        assert_eq!(status, 200, "{reply}");
    }

    /// Follows a link of the app's back to the page.
    pub async fn follow(&mut self, url: &str) -> (u16, Option<String>) {
        let (status, location, _) = self.send(Method::GET, url, None).await;
        (status.as_u16(), location)
    }

    pub fn finish_url(&self) -> String {
        format!("{}/finish", self.login)
    }

    /// What the page sends back to the bank: the parameters of the redirect.
    pub async fn finish(&mut self) -> BTreeMap<String, String> {
        let url = self.finish_url();
        let (status, location, body) = self.send(Method::GET, &url, None).await;
        let location = location.unwrap_or_else(|| panic!("not finished: {status} {body}"));
        let url = reqwest::Url::parse(&location).unwrap_or_else(|_| panic!("not finished: {location}"));
        url.query_pairs().into_owned().collect()
    }

    /// Goes back to the bank, which redeems the code and verifies the token.
    pub async fn signed_in(&mut self) -> Claims {
        let answer = self.finish().await;
        self.bank.as_ref().unwrap().redeem(&answer).await.unwrap_or_else(|error| panic!("no token: {error} {answer:?}"))
    }

    /// The bank of this login.
    pub fn bank(&self) -> &Bank {
        self.bank.as_ref().unwrap()
    }

    /// Any page of the server.
    pub async fn get(&mut self, path: &str) -> (u16, String) {
        let url = format!("{}{path}", self.url);
        let (status, _, body) = self.send(Method::GET, &url, None).await;
        (status.as_u16(), body)
    }

    /// A page's own request, as JSON; the status and the answer.
    pub async fn post(&mut self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.url);
        let (status, _, text) = self.send(Method::POST, &url, Some(body)).await;
        (status.as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// A plain form, as the block page has one.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let response = self.http.post(format!("{}{path}", self.url)).form(fields).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}
