//! A headless Chromium, and what a person does with it.

use core::fmt::Display;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::webdriver::Driver;

/// The key of an element's reference (W3C WebDriver, section 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// What a person waits for at most.
const PATIENCE: Duration = Duration::from_secs(15);

/// A browser that has never been used.
pub(crate) struct Chrome {
    driver: Driver,
    _profile: TempDir,
}

impl Chrome {
    /// A window of 900 by 1,000 pixels.
    pub(crate) async fn start() -> Self {
        Self::with(json!({ "intl.accept_languages": "da,en" })).await
    }

    /// The same, of a person who has turned scripts off.
    pub(crate) async fn without_scripts() -> Self {
        let off = json!({ "intl.accept_languages": "da,en", "profile.managed_default_content_settings.javascript": 2 });
        Self::with(off).await
    }

    async fn with(preferences: Value) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        let mut options = json!({ "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--ignore-certificate-errors", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-proxy-server",
            data,
        ], "prefs": preferences });
        // Where Debian keeps it; elsewhere chromedriver looks for it.
        if Path::new("/usr/bin/chromium").exists() {
            options["binary"] = json!("/usr/bin/chromium");
        }
        let capabilities = json!({
            "browserName": "chrome", "acceptInsecureCerts": true, "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let chrome = Self { driver: Driver::start(capabilities).await, _profile: profile };
        chrome.resize(900, 1000).await;
        chrome
    }

    /// Sets the size of the page, in pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// What the person has asked of the system: `prefers-color-scheme`, `forced-colors` and the like. It takes the place
    /// of what was asked before.
    pub(crate) async fn prefers(&self, features: &[(&str, &str)]) {
        let features: Vec<_> = features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.tools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// From now on pages stay where they would go on by themselves at once or after three seconds, so that they can be
    /// looked at.
    pub(crate) async fn hold(&self) {
        // axe, once it is there, has timers of its own.
        let source = "const set = window.setTimeout; window.setTimeout = (go, wait, ...rest) => \
                      set(go, (wait === 0 || wait === 3000) && !window.axe ? 3600000 : wait, ...rest);";
        self.tools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
    }

    /// Presses keys, one after the other; the special ones are WebDriver's (section 17.4.2).
    pub(crate) async fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| [("keyDown", key), ("keyUp", key)]);
        self.strokes(strokes.collect()).await;
    }

    /// Presses a key while another is held.
    pub(crate) async fn press_with(&self, held: char, key: char) {
        self.strokes(vec![("keyDown", held), ("keyDown", key), ("keyUp", key), ("keyUp", held)]).await;
    }

    async fn strokes(&self, strokes: Vec<(&str, char)>) {
        let strokes = strokes.into_iter().map(|(kind, key)| json!({ "type": kind, "value": key.to_string() }));
        let actions =
            json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>() }] });
        self.driver.post("/actions", actions).await.unwrap();
    }

    pub(crate) async fn open(&self, url: &str) {
        self.driver.post("/url", json!({ "url": url })).await.unwrap();
    }

    pub(crate) async fn url(&self) -> String {
        self.driver.get("/url").await.unwrap().as_str().unwrap().to_owned()
    }

    pub(crate) async fn title(&self) -> String {
        self.driver.get("/title").await.unwrap().as_str().unwrap().to_owned()
    }

    async fn find(&self, css: &str) -> Result<String, String> {
        let found = self.driver.post("/element", json!({ "using": "css selector", "value": css })).await?;
        Ok(found[ELEMENT].as_str().unwrap().to_owned())
    }

    /// The text of an element as it is displayed; of a hidden one, none.
    pub(crate) async fn text(&self, css: &str) -> Result<String, String> {
        let element = self.find(css).await?;
        let text = self.driver.get(&format!("/element/{element}/text")).await?;
        Ok(text.as_str().unwrap().to_owned())
    }

    /// Whether an element is there and displayed.
    pub(crate) async fn shows(&self, css: &str) -> bool {
        let Ok(element) = self.find(css).await else { return false };
        self.driver.get(&format!("/element/{element}/displayed")).await == Ok(Value::Bool(true))
    }

    pub(crate) async fn attribute(&self, css: &str, name: &str) -> Option<String> {
        let element = self.find(css).await.unwrap();
        let value = self.driver.get(&format!("/element/{element}/attribute/{name}")).await.unwrap();
        value.as_str().map(str::to_owned)
    }

    /// Clicks an element as soon as it is displayed.
    pub(crate) async fn click(&self, css: &str) {
        self.until_shown(css).await;
        let element = self.find(css).await.unwrap();
        self.driver.post(&format!("/element/{element}/click"), json!({})).await.unwrap();
    }

    /// Types into a field, in place of what stands there.
    pub(crate) async fn write(&self, css: &str, text: &str) {
        let element = self.find(css).await.unwrap();
        self.driver.post(&format!("/element/{element}/clear"), json!({})).await.unwrap();
        self.driver.post(&format!("/element/{element}/value"), json!({ "text": text })).await.unwrap();
    }

    /// Runs a script as the developer tools do, outside the page's policy.
    pub(crate) async fn script(&self, script: &str) -> Value {
        self.driver.post("/execute/sync", json!({ "script": script, "args": [] })).await.unwrap()
    }

    /// Plugs a chip in: Chromium's virtual authenticator, of a computer's port or the platform's own. It is touched whenever
    /// it asks, and verifies its person if it can.
    pub(crate) async fn plug_in(&self, transport: &str, verifies: bool) -> String {
        let options = json!({
            "protocol": "ctap2", "transport": transport, "hasResidentKey": true, "hasUserVerification": verifies,
            "isUserConsenting": true, "isUserVerified": verifies,
        });
        let id = self.driver.post("/webauthn/authenticator", options).await.unwrap();
        id.as_str().unwrap().to_owned()
    }

    pub(crate) async fn unplug(&self, chip: &str) {
        self.driver.delete(&format!("/webauthn/authenticator/{chip}")).await.unwrap();
    }

    /// The keys that a plugged-in chip holds.
    pub(crate) async fn credentials(&self, chip: &str) -> Vec<Value> {
        let all = self.driver.get(&format!("/webauthn/authenticator/{chip}/credentials")).await.unwrap();
        all.as_array().unwrap().clone()
    }

    /// What the window shows, as a PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        decode(&self.driver.get("/screenshot").await.unwrap())
    }

    /// Waits until the text of an element is what it should be.
    pub(crate) async fn until_text(&self, css: &str, text: &str) {
        let mut last = Ok(String::new());
        let seen = until(async || {
            last = self.text(css).await;
            (last.as_deref() == Ok(text)).then_some(())
        });
        if seen.await.is_none() {
            panic!("{css} is {last:?}, not {text:?}, at {}", self.url().await);
        }
    }

    /// Waits until an element is displayed.
    pub(crate) async fn until_shown(&self, css: &str) {
        if until(async || self.shows(css).await.then_some(())).await.is_none() {
            panic!("no {css} at {}: {}", self.url().await, self.text("body").await.unwrap_or_default());
        }
    }

    /// Waits until the address begins like this.
    pub(crate) async fn until_at(&self, start: impl Display) {
        let start = start.to_string();
        if until(async || self.url().await.starts_with(&start).then_some(())).await.is_none() {
            panic!("not at {start} but at {}", self.url().await);
        }
    }

    /// What the console has said since it was last asked, each as `LEVEL message`.
    pub(crate) async fn console(&self) -> Vec<String> {
        let log = self.log("browser").await;
        let line =
            |entry: &Value| format!("{} {}", entry["level"].as_str().unwrap(), entry["message"].as_str().unwrap());
        log.iter().map(line).collect()
    }

    /// What has come over the network since pages or this were last asked: addresses, with the bytes of their answers,
    /// headers included, as they travelled.
    pub(crate) async fn weighed(&self) -> Vec<(String, u64)> {
        let mut weighed: Vec<(String, String, u64)> = Vec::new();
        for entry in self.log("performance").await {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let (event, parameters) = (&event["message"]["method"], &event["message"]["params"]);
            let id = parameters["requestId"].as_str().unwrap_or_default().to_owned();
            match event.as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    weighed.push((id, parameters["request"]["url"].as_str().unwrap().to_owned(), 0));
                }
                "Network.loadingFinished" => {
                    let bytes = parameters["encodedDataLength"].as_f64().unwrap_or_default();
                    if let Some(one) = weighed.iter_mut().rev().find(|(known, ..)| *known == id) {
                        one.2 = format!("{bytes:.0}").parse().unwrap();
                    }
                }
                _ => {}
            }
        }
        weighed.into_iter().map(|(_, url, bytes)| (url, bytes)).filter(|(url, _)| url.starts_with("http")).collect()
    }

    /// The addresses on the network that pages have asked for since this was last asked.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let events = self.log("performance").await.into_iter();
        let events = events.map(|entry| serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap());
        events
            .filter(|event| event["message"]["method"] == "Network.requestWillBeSent")
            .map(|event| event["message"]["params"]["request"]["url"].as_str().unwrap().to_owned())
            // The empty tab of the beginning is made of the browser's own files.
            .filter(|url| !url.starts_with("chrome://") && !url.starts_with("data:"))
            .collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let log = self.driver.post("/se/log", json!({ "type": kind })).await.unwrap();
        log.as_array().unwrap().clone()
    }

    /// A command of Chromium's developer tools.
    async fn tools(&self, command: &str, parameters: Value) -> Value {
        self.driver.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await.unwrap()
    }
}

/// Asks again and again, until there is an answer or no patience is left.
pub(crate) async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.ok()
}

fn decode(png: &Value) -> Vec<u8> {
    STANDARD.decode(png.as_str().unwrap()).unwrap()
}
