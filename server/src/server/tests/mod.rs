//! The whole server over real TLS, with a phone made of the protocol's own functions.

mod activation;
mod approval;
mod approval_offline;
mod approval_own;
mod approval_told;
mod approval_ways;
mod desk;
mod phone;
mod pin;
mod push;

use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;

use self::phone::Phone;
use super::*;
use crate::keys::{InitOptions, init};

/// A running server in a folder of its own, and a desk.
struct Stage {
    dir: tempfile::TempDir,
    config: PathBuf,
    running: Running,
    http: reqwest::Client,
    token: String,
}

impl Stage {
    async fn new(hybrid: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options =
            InitOptions { hybrid, ..InitOptions::test(&dir.path().join("env"), listener.local_addr().unwrap()) };
        let created = init(&options, Clock::default().now_ms() / 1000, &mut tls::system_random()).unwrap();
        Self::open(dir, created.config, listener).await
    }

    async fn open(dir: tempfile::TempDir, config: PathBuf, listener: TcpListener) -> Self {
        let (running, token) = Self::serve(&config, listener).await;
        let pins = running.app.keys.set.tls_pins.iter().map(|pin| pin.0).collect();
        let tls = crate::cli::pinned::client_config(pins).unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls).build().unwrap();
        Self { dir, config, running, http, token }
    }

    async fn serve(config: &Path, listener: TcpListener) -> (Running, String) {
        let config = Config::load(config, std::iter::empty()).unwrap();
        let token = secrets::load_admin_token(&config.in_data_dir(&config.admin.token_file)).unwrap();
        (start_on(config, listener, StartOptions::default()).await.unwrap(), token.expose().to_owned())
    }

    /// Stops the server and starts it anew on the same files and port.
    async fn restart(self) -> Self {
        let Self { dir, config, running, .. } = self;
        let addr = running.addr;
        running.stop().await;
        Self::open(dir, config, TcpListener::bind(addr).await.unwrap()).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url)
    }

    async fn desk(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = self.http.post(self.url(&format!("/admin/v1/{path}"))).bearer_auth(&self.token).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn look(&self, path: &str) -> Value {
        let request = self.http.get(self.url(&format!("/admin/v1/{path}"))).bearer_auth(&self.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A citizen's id.
    async fn citizen(&self, user_id: &str) -> String {
        let body = serde_json::json!({
            "name": "Anna Sørensen", "user_id": user_id, "date_of_birth": "1990-04-30", "identity_level": "high",
            "cpr": "300490-1234",
        });
        let (status, body) = self.desk("citizens", body).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    /// An activation: its id and its link or code.
    async fn activation(&self, citizen: &str, form: &str) -> (String, String) {
        let path = format!("citizens/{citizen}/activations");
        let (status, body) = self.desk(&path, serde_json::json!({"form": form})).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        (body["id"].as_str().unwrap().to_owned(), body["text"].as_str().unwrap().to_owned())
    }

    async fn advance(&self, seconds: i64) {
        let (status, _) = self.desk("clock", serde_json::json!({"advance_seconds": seconds})).await;
        assert_eq!(status, StatusCode::OK);
    }

    /// A phone whose PIN is registered, before its first approval.
    async fn enrolled(&self, citizen: &str) -> Phone<'_> {
        self.enrolled_as(citizen, 1).await
    }

    async fn enrolled_as(&self, citizen: &str, seed: u8) -> Phone<'_> {
        let (id, link) = self.activation(citizen, "link").await;
        let mut phone = Phone::new(self, seed);
        phone.enrol(&link).await.unwrap();
        let (status, body) =
            self.desk(&format!("activations/{id}/digits"), serde_json::json!({"digits": phone.digits()})).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        phone.choose_pin("120486").await.unwrap();
        phone
    }
}
