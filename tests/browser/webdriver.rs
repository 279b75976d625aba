//! The W3C WebDriver protocol, as much of it as these stories need, spoken to a chromedriver of our own.
//!
//! Two of Chromium's extensions are used besides: its logs, and one command of its developer tools.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

/// How long chromedriver may take for one command.
const PATIENCE: Duration = Duration::from_secs(30);

/// One session of one chromedriver; both end with it.
pub(crate) struct Driver {
    http: reqwest::Client,
    port: u16,
    session: String,
    child: Child,
    // Read from now and then by nobody, but closed it would cost chromedriver its voice.
    _voice: BufReader<ChildStdout>,
}

impl Driver {
    /// Starts chromedriver on a port that the system gives it, and a browser with these capabilities.
    pub(crate) async fn start(capabilities: Value) -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("no chromedriver ({error}): install it and Chromium; on Debian, chromium and chromium-driver")
            });
        let mut voice = BufReader::new(child.stdout.take().unwrap());
        let port = port(&mut voice);
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        // Dropped from here on, it ends chromedriver, whatever becomes of the browser.
        let mut driver = Self { http, port, session: String::new(), child, _voice: voice };
        let begun =
            driver.send(Method::POST, "/session", Some(json!({ "capabilities": { "alwaysMatch": capabilities } })));
        let begun = begun.await.unwrap_or_else(|error| panic!("Chromium does not start: {error}"));
        driver.session = begun["sessionId"].as_str().unwrap().to_owned();
        driver
    }

    /// A command of the session that needs a body; its `value`, or `error: message`.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.send(Method::POST, &format!("/session/{}{path}", self.session), Some(body)).await
    }

    /// A command of the session without one.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, String> {
        self.send(Method::GET, &format!("/session/{}{path}", self.session), None).await
    }

    /// Ends something of the session's.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value, String> {
        self.send(Method::DELETE, &format!("/session/{}{path}", self.session), None).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let mut request = self.http.request(method, format!("http://127.0.0.1:{}{path}", self.port));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply = request.send().await.map_err(|error| error.to_string())?;
        let good = reply.status().is_success();
        let mut reply: Value = reply.json().await.map_err(|error| error.to_string())?;
        let value = reply["value"].take();
        if good { Ok(value) } else { Err(format!("{}: {}", value["error"].as_str().unwrap_or("?"), value["message"])) }
    }

    /// Ends the browser. By hand, for a drop cannot wait for a future.
    fn delete_session(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", self.session)?;
        stream.read(&mut [0]).map(|_| ())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.delete_session();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port that chromedriver says it has taken.
fn port(voice: &mut impl BufRead) -> u16 {
    let mut said = String::new();
    loop {
        let before = said.len();
        assert_ne!(voice.read_line(&mut said).unwrap(), 0, "chromedriver ended: {said}");
        if let Some((_, port)) = said[before..].split_once("started successfully on port ") {
            return port.trim().trim_end_matches('.').parse().unwrap();
        }
    }
}
