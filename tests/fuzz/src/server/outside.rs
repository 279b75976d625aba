//! A bank, its customers' browsers, and a desk.

use std::collections::HashMap;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use godkend_core::Command;
use serde_json::{Value, json};

use super::{Page, Scene};
use crate::host::{self, Answer, USERS, template};
use crate::input::Input;

impl Scene {
    pub(super) async fn form(&self, path: &str, fields: &[(&str, String)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [host::basic(), ("content-type", "application/x-www-form-urlencoded".to_owned())];
        self.call(Method::POST, path, &headers, body.into_bytes()).await
    }

    pub(super) fn asked(input: &mut Input<'_>) -> Vec<(&'static str, String)> {
        let level = *input.pick(&["Substantial", "High", "Low", "Substantial"]);
        let mut fields = vec![
            ("scope", "openid".to_owned()),
            ("acr_values", format!("https://data.gov.dk/concept/core/nsis/{level}")),
        ];
        match input.below(4) {
            0 => fields.push(("idp_params", json!({"reference_text": STANDARD.encode("Log på")}).to_string())),
            1 => {
                let payment =
                    json!([{"type": "godkend_payment", "amount": "12.50", "currency": "DKK", "payee": "Bager"}]);
                fields.push(("authorization_details", payment.to_string()));
            }
            _ => {}
        }
        fields
    }

    pub(super) async fn bank(&mut self, input: &mut Input<'_>) {
        let mut fields = Self::asked(input);
        if input.flag() {
            fields.push((
                "login_hint",
                (*input.pick(&["alice", "alice", "bobby", "magic-approve", "nobody"])).to_owned(),
            ));
            let reply = self.form("/ciba", &fields).await.json();
            self.numbers.extend(reply["number"].as_str().map(str::to_owned));
            self.requests.extend(reply["auth_req_id"].as_str().map(str::to_owned));
            return;
        }
        let challenge = godkend_protocol::crypto::sha256(&[b"a-verifier-of-at-least-forty-three-characters-long"]);
        fields.extend([
            ("response_type", "code".to_owned()),
            ("client_id", "netbank".to_owned()),
            ("redirect_uri", "https://netbank.example/callback".to_owned()),
            ("code_challenge_method", "S256".to_owned()),
            ("code_challenge", challenge.to_base64()),
        ]);
        let reply = self.form("/par", &fields).await.json();
        let Some(uri) = reply["request_uri"].as_str() else { return };
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", "netbank")
            .append_pair("request_uri", uri)
            .finish();
        // Now and then from a browser that has been here.
        let cookies = match self.pages.last() {
            Some(page) if input.flag() => page.cookies.clone(),
            _ => HashMap::new(),
        };
        let mut page = Page { cookies, ..Page::default() };
        let answer = self.browse(&mut page, Method::GET, &format!("/authorize?{query}"), None).await;
        if let Some(to) = answer.headers.get("location").and_then(|to| to.to_str().ok())
            && to.starts_with("/login/")
        {
            page.login = to.to_owned();
            self.pages.push(page);
        }
    }

    pub(super) async fn browse(&self, page: &mut Page, method: Method, path: &str, body: Option<Value>) -> Answer {
        let cookies = page.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut headers =
            vec![("cookie", cookies), ("user-agent", "Mozilla/5.0 (X11; Linux) Firefox/140.0".to_owned())];
        if body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let body = body.map(|body| serde_json::to_vec(&body).unwrap()).unwrap_or_default();
        let answer = self.call(method, path, &headers, body).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() || attributes.contains("Max-Age=0") {
                page.cookies.remove(name);
            } else {
                page.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(super) async fn page(&mut self, input: &mut Input<'_>) {
        if self.pages.is_empty() {
            return;
        }
        let at = self.pages.len() - 1 - input.below(self.pages.len());
        let mut page = std::mem::take(&mut self.pages[at]);
        self.visit(input, &mut page).await;
        self.pages[at] = page;
    }

    pub(super) async fn visit(&mut self, input: &mut Input<'_>, page: &mut Page) {
        let login = page.login.clone();
        let under = |path: &str| format!("{login}/{path}");
        let user_id = (*input.pick(&["alice", "alice", "bobby", "nobody"])).to_owned();
        match input.below(10) {
            0 => drop(self.browse(page, Method::GET, &login, None).await),
            1 => {
                let state = self.browse(page, Method::GET, &under("state"), None).await.json();
                self.texts.extend(state["same_device_link"].as_str().map(str::to_owned));
            }
            2 | 3 => {
                let reply = self.browse(page, Method::GET, &under("frames"), None).await.json();
                let now = reply["now_ms"].as_i64().unwrap_or(0) / 1000;
                let frames = reply["frames"].as_array().cloned().unwrap_or_default();
                let frame = frames.iter().find(|frame| frame["second"].as_i64() == Some(now));
                self.texts.extend(frame.and_then(|frame| frame["text"].as_str()).map(str::to_owned));
            }
            4 => {
                let body = Some(json!({ "user_id": user_id }));
                let reply = self.browse(page, Method::POST, &under("user-id"), body).await.json();
                self.numbers.extend(reply["number"].as_str().map(str::to_owned));
            }
            5 => {
                let body = Some(json!({ "user_id": user_id }));
                let reply = self.browse(page, Method::POST, &under("offline"), body).await.json();
                self.texts.extend(reply["text"].as_str().map(str::to_owned));
            }
            6 => {
                let body = Some(json!({ "code": Self::last(&self.numbers, input) }));
                drop(self.browse(page, Method::POST, &under("offline-code"), body).await);
            }
            7 => drop(self.browse(page, Method::POST, &under("cancel"), Some(json!({}))).await),
            8 => {
                let answer = self.browse(page, Method::GET, &under("finish"), None).await;
                if let Some(to) = answer.headers.get("location").and_then(|to| to.to_str().ok())
                    && let Ok(to) = url::Url::parse(to)
                    && let Some((_, code)) = to.query_pairs().find(|(name, _)| name == "code")
                {
                    page.answer = code.into_owned();
                }
            }
            _ => {
                // A link of the app's back to the page.
                let to = Self::last(&self.texts, input);
                if let Some(path) = to.strip_prefix(&template().root.url) {
                    drop(self.browse(page, Method::GET, path, None).await);
                }
            }
        }
    }

    pub(super) async fn token(&mut self, input: &mut Input<'_>) {
        let fields = match (input.flag(), self.requests.last(), self.pages.last()) {
            (true, Some(request), _) => {
                vec![("grant_type", "urn:openid:params:grant-type:ciba".to_owned()), ("auth_req_id", request.clone())]
            }
            (_, _, Some(page)) => vec![
                ("grant_type", "authorization_code".to_owned()),
                ("code", page.answer.clone()),
                ("redirect_uri", "https://netbank.example/callback".to_owned()),
                ("code_verifier", "a-verifier-of-at-least-forty-three-characters-long".to_owned()),
            ],
            _ => return,
        };
        self.form("/token", &fields).await;
    }

    pub(super) async fn ask_desk(&self, method: Method, path: &str, body: Value) -> Answer {
        let headers = [
            ("authorization", format!("Bearer {}", self.host().token)),
            ("content-type", "application/json".to_owned()),
        ];
        self.call(method, &format!("/admin/v1/{path}"), &headers, serde_json::to_vec(&body).unwrap()).await
    }

    pub(super) async fn desk(&mut self, input: &mut Input<'_>) {
        let citizen = input.pick(&template().citizens[..2]).clone();
        let device = self.people[input.below(self.people.len())].device().map(|id| id.to_base64()).unwrap_or_default();
        match input.below(10) {
            0..=3 => {
                let form = if input.flag() { "link" } else { "code" };
                let path = format!("citizens/{citizen}/activations");
                let reply = self.ask_desk(Method::POST, &path, json!({ "form": form })).await.json();
                self.texts.extend(reply["text"].as_str().map(str::to_owned));
                self.activations.extend(reply["id"].as_str().map(str::to_owned));
            }
            4 => drop(self.ask_desk(Method::POST, &format!("devices/{device}/block"), json!({})).await),
            5 => drop(self.ask_desk(Method::POST, &format!("devices/{device}/unblock"), json!({})).await),
            6 => {
                let reply = self.ask_desk(Method::POST, &format!("devices/{device}/pin-reset"), json!({})).await.json();
                self.activations.extend(reply["id"].as_str().map(str::to_owned));
            }
            7 => {
                let what = if input.flag() { "block" } else { "unblock" };
                drop(self.ask_desk(Method::POST, &format!("citizens/{citizen}/{what}"), json!({})).await);
            }
            8 => drop(self.ask_desk(Method::POST, &format!("devices/{device}/remove"), json!({})).await),
            _ => {
                for path in [format!("citizens/{citizen}/history"), format!("citizens/{citizen}/devices")] {
                    drop(self.ask_desk(Method::GET, &path, json!({})).await);
                }
                if let Some(transaction) = self.outcomes.keys().next() {
                    let path = format!("evidence/{}", transaction.to_base64());
                    drop(self.ask_desk(Method::GET, &path, json!({})).await);
                }
            }
        }
    }

    pub(super) async fn digits(&mut self, input: &mut Input<'_>) {
        let who = input.below(self.people.len());
        let digits = if input.rarely(4) { "00000000".to_owned() } else { self.people[who].digits.clone() };
        if let Some(activation) = self.activations.last().cloned() {
            self.ask_desk(Method::POST, &format!("activations/{activation}/digits"), json!({ "digits": digits })).await;
        }
    }

    /// A whole login as on any day, so that the deeper states are common.
    pub(super) async fn everyday(&mut self, input: &mut Input<'_>) {
        let who = input.below(3);
        let user = USERS[usize::from(who == 2)];
        let mut fields = Self::asked(input);
        fields.push(("login_hint", user.to_owned()));
        let reply = self.form("/ciba", &fields).await.json();
        let Some(number) = reply["number"].as_str().map(str::to_owned) else { return };
        self.requests.extend(reply["auth_req_id"].as_str().map(str::to_owned));
        self.issue(input, who, Command::TypeNumber { identity: None, number }, true).await;
        if let Some(view) = self.people[who].shown.last() {
            let command =
                Command::Approve { request: view.id, with: Self::with(input), remember_browser: input.flag() };
            self.issue(input, who, command, true).await;
        }
    }
}
