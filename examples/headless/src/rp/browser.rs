//! A browser without a window: cookies, no redirects of its own, and what the login page's script asks for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use godkend_protocol::codes::Code;
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::home::write_private;
use crate::http;
use crate::problem::Problem;
use crate::secret::SecretText;

/// What a browser of ours says it is: the server shows it to the person who approves.
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A browser at one origin.
pub(crate) struct Browser {
    client: reqwest::Client,
    origin: Url,
    cookies: BTreeMap<String, SecretText>,
    /// Where cookies that outlive a login are kept.
    file: Option<PathBuf>,
}

/// What the login page shows.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PageState {
    /// `waiting`, `opened`, `approved`, `denied`, `reported` or `expired`.
    pub(crate) state: String,
    /// Seconds.
    pub(crate) expires_in: i64,
    /// To be typed into the app.
    pub(crate) number: Option<String>,
    /// The app has approved; the browser must come back through its link.
    #[serde(default)]
    pub(crate) needs_return: bool,
    /// This browser is remembered: the login was pushed to the phone.
    #[serde(default)]
    pub(crate) remembered: bool,
    /// Opens the app on the same device.
    pub(crate) same_device_link: Option<String>,
    /// Where to go when all is over.
    pub(crate) finish: Option<String>,
}

/// One frame of the moving QR code.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Frame {
    /// The Unix second, by the server's clock, that it belongs to.
    pub(crate) second: i64,
    /// What to draw.
    pub(crate) text: String,
}

/// The frames of now and the next seconds.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Frames {
    /// The server's clock.
    pub(crate) now_ms: i64,
    /// In order.
    pub(crate) frames: Vec<Frame>,
}

impl Frames {
    /// The frame of this moment.
    pub(crate) fn current(&self) -> Option<&Frame> {
        let second = self.now_ms.div_euclid(1000);
        self.frames.iter().find(|frame| frame.second == second).or_else(|| self.frames.first())
    }
}

/// A login page that is open.
pub(crate) struct LoginPage {
    path: String,
}

impl LoginPage {
    /// Its path at the server.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

impl Browser {
    /// A browser that knows nobody, or what it kept in `file`.
    ///
    /// # Errors
    /// [`Problem::File`] if the file is not a browser's.
    pub(crate) fn new(client: reqwest::Client, origin: Url, file: Option<PathBuf>) -> Result<Self, Problem> {
        let cookies = match file.as_deref().map(read_cookies) {
            Some(cookies) => cookies?,
            None => BTreeMap::new(),
        };
        Ok(Self { client, origin, cookies, file })
    }

    /// The same browser and connections, in a window that knows nobody.
    pub(crate) fn forgetting(&self) -> Self {
        Self { client: self.client.clone(), origin: self.origin.clone(), cookies: BTreeMap::new(), file: None }
    }

    /// Follows the relying party's redirect to the login page.
    ///
    /// # Errors
    /// [`Problem::OpenId`] where the server sends back to the relying party at once, and as [`Problem::NoNetwork`].
    pub(crate) async fn open_login(&mut self, authorize: &Url) -> Result<LoginPage, Problem> {
        let response = self.send(self.client.get(authorize.clone())).await?;
        let path = location(&response)?;
        let url = self.origin.join(&path).map_err(|_| odd())?;
        if url.origin() != self.origin.origin() {
            return Err(refusal(&url).unwrap_or_else(odd));
        }
        Ok(LoginPage { path: url.path().to_owned() })
    }

    /// Loads the page itself, as a browser does before its script runs; the first frames come with it.
    ///
    /// # Errors
    /// [`Problem::NoNetwork`], and [`Problem::Untrusted`] for what is no page.
    pub(crate) async fn load(&mut self, page: &LoginPage) -> Result<Frames, Problem> {
        let url = self.origin.join(&page.path).map_err(|_| odd())?;
        let response = self.send(self.client.get(url)).await?;
        let body = response.bytes().await.map_err(|error| http::network(self.origin.as_str(), &error))?;
        frames_of_page(&body).ok_or_else(odd)
    }

    /// Any page, as text.
    ///
    /// # Errors
    /// [`Problem::NoNetwork`], and [`Problem::Untrusted`] for what is no page.
    pub(crate) async fn page(&mut self, path: &str) -> Result<String, Problem> {
        let url = self.origin.join(path).map_err(|_| odd())?;
        let response = self.send(self.client.get(url)).await?;
        let body = response.bytes().await.map_err(|error| http::network(self.origin.as_str(), &error))?;
        String::from_utf8(body.to_vec()).map_err(|_| odd())
    }

    /// What a page's script posts, and is answered.
    ///
    /// # Errors
    /// As [`Self::state`].
    pub(crate) async fn ask_page(&mut self, path: &str, body: Value) -> Result<Value, Problem> {
        self.post(path, body).await
    }

    /// What the page shows; held for up to `wait` seconds while it is still `known`.
    ///
    /// # Errors
    /// [`Problem::Server`] and [`Problem::NoNetwork`].
    pub(crate) async fn state(
        &mut self,
        page: &LoginPage,
        known: Option<&str>,
        wait: u32,
    ) -> Result<PageState, Problem> {
        let known = known.map(|known| format!("known={known}&")).unwrap_or_default();
        self.get(&format!("{}/state?{known}wait={wait}", page.path)).await
    }

    /// The moving QR code's next frames.
    ///
    /// # Errors
    /// As [`Self::state`].
    pub(crate) async fn frames(&mut self, page: &LoginPage) -> Result<Frames, Problem> {
        self.get(&format!("{}/frames", page.path)).await
    }

    /// Types a user id; the number comes back, for unknown users too.
    ///
    /// # Errors
    /// As [`Self::state`].
    pub(crate) async fn type_user_id(&mut self, page: &LoginPage, user_id: &str) -> Result<String, Problem> {
        let reply: Value = self.post(&format!("{}/user-id", page.path), json!({ "user_id": user_id })).await?;
        text_of(&reply, "number")
    }

    /// Asks for a QR code for a phone without a network.
    ///
    /// # Errors
    /// As [`Self::state`].
    pub(crate) async fn offline(&mut self, page: &LoginPage, user_id: &str) -> Result<String, Problem> {
        let reply: Value = self.post(&format!("{}/offline", page.path), json!({ "user_id": user_id })).await?;
        text_of(&reply, "text")
    }

    /// Types the code that such a phone shows.
    ///
    /// # Errors
    /// As [`Self::state`].
    pub(crate) async fn type_offline_code(&mut self, page: &LoginPage, code: &str) -> Result<PageState, Problem> {
        self.post(&format!("{}/offline-code", page.path), json!({ "code": code.trim() })).await
    }

    /// Gives up.
    ///
    /// # Errors
    /// As [`Self::state`].
    pub(crate) async fn cancel(&mut self, page: &LoginPage) -> Result<(), Problem> {
        let _: Value = self.post(&format!("{}/cancel", page.path), json!({})).await?;
        Ok(())
    }

    /// Opens the address that the app on the same device gives back.
    ///
    /// # Errors
    /// [`Problem::Usage`] for an address of another origin, and as [`Self::state`].
    pub(crate) async fn open_return(&mut self, address: &str) -> Result<(), Problem> {
        let url = self.origin.join(address.trim()).ok().filter(|url| url.origin() == self.origin.origin());
        let url = url.ok_or_else(|| {
            Problem::usage("Adressen hører ikke til serveren.", "The address does not belong to the server.")
        })?;
        let response = self.send(self.client.get(url)).await?;
        if response.status().is_redirection() { Ok(()) } else { Err(Problem::Server(Code::LinkInvalid)) }
    }

    /// Goes back to the relying party; gives the address with its parameters.
    ///
    /// # Errors
    /// As [`Self::state`].
    pub(crate) async fn finish(&mut self, path: &str) -> Result<Url, Problem> {
        let url = self.origin.join(path).map_err(|_| odd())?;
        let response = self.send(self.client.get(url)).await?;
        let target = Url::parse(&location(&response)?).map_err(|_| odd())?;
        if let Some(file) = &self.file {
            self.keep(file)?;
        }
        Ok(target)
    }

    /// Whether this browser is remembered by somebody.
    pub(crate) fn is_remembered(&self) -> bool {
        self.cookies.keys().any(|name| is_lasting(name))
    }

    fn keep(&self, file: &Path) -> Result<(), Problem> {
        let lasting: BTreeMap<&String, &str> =
            self.cookies.iter().filter(|(name, _)| is_lasting(name)).map(|(name, value)| (name, &**value)).collect();
        let text = serde_json::to_vec_pretty(&lasting).map_err(|e| Problem::file(file, e))?;
        write_private(file, &Zeroizing::new(text))
    }

    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Problem> {
        let url = self.origin.join(path).map_err(|_| odd())?;
        let response = self.send(self.client.get(url)).await?;
        self.json(response).await
    }

    async fn post<T: DeserializeOwned>(&mut self, path: &str, body: Value) -> Result<T, Problem> {
        let url = self.origin.join(path).map_err(|_| odd())?;
        let origin = self.origin.origin().ascii_serialization();
        let response = self.send(self.client.post(url).header("Origin", origin).json(&body)).await?;
        self.json(response).await
    }

    async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T, Problem> {
        let status = response.status();
        let json =
            response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let body = response.bytes().await.map_err(|error| http::network(self.origin.as_str(), &error))?;
        if status.is_success() && json {
            return serde_json::from_slice(&body).map_err(|_| odd());
        }
        Err(server_problem(&body).unwrap_or_else(odd))
    }

    async fn send(&mut self, request: RequestBuilder) -> Result<Response, Problem> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={}", &**value)).collect();
        let mut request = request.header("User-Agent", USER_AGENT);
        if !cookies.is_empty() {
            let mut value = reqwest::header::HeaderValue::from_str(&cookies.join("; ")).map_err(|_| odd())?;
            value.set_sensitive(true);
            request = request.header(COOKIE, value);
        }
        let response = request.send().await.map_err(|error| http::network(self.origin.as_str(), &error))?;
        for header in response.headers().get_all(SET_COOKIE) {
            if let Some((name, value)) = header.to_str().ok().and_then(parse_cookie) {
                match value {
                    Some(value) => self.cookies.insert(name, SecretText::from(value)),
                    None => self.cookies.remove(&name),
                };
            }
        }
        Ok(response)
    }
}

/// What the page's script reads of its `data-frames`.
fn frames_of_page(body: &[u8]) -> Option<Frames> {
    let page = core::str::from_utf8(body).ok()?;
    let escaped = page.split_once("data-frames=\"")?.1.split('"').next()?;
    serde_json::from_str(&escaped.replace("&quot;", "\"").replace("&amp;", "&")).ok()
}

/// `error` and `error_description` in a redirect to the relying party.
pub(crate) fn refusal(url: &Url) -> Option<Problem> {
    let find = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    Some(Problem::OpenId { error: find("error")?, description: find("error_description").unwrap_or_default() })
}

/// The stable code in a JSON refusal.
pub(crate) fn server_problem(body: &[u8]) -> Option<Problem> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        #[serde(default)]
        error_description: Option<String>,
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    Some(match Code::parse(&refusal.error) {
        Some(code) => Problem::Server(code),
        None => Problem::OpenId { error: refusal.error, description: refusal.error_description.unwrap_or_default() },
    })
}

/// The browser's cookies that outlive a login.
fn is_lasting(name: &str) -> bool {
    name.ends_with("godkend-browser")
}

fn read_cookies(path: &Path) -> Result<BTreeMap<String, SecretText>, Problem> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            serde_json::from_str(&text).map_err(|_| Problem::file(path, "this is not a browser's file"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(Problem::file(path, error)),
    }
}

/// Name and value; no value for a cookie that is taken back (RFC 6265, section 5.2.2).
fn parse_cookie(header: &str) -> Option<(String, Option<String>)> {
    let mut parts = header.split(';');
    let (name, value) = parts.next()?.trim().split_once('=')?;
    let gone = value.is_empty() || parts.any(|part| part.trim().eq_ignore_ascii_case("max-age=0"));
    Some((name.to_owned(), (!gone).then(|| value.to_owned())))
}

fn location(response: &Response) -> Result<String, Problem> {
    let status = response.status();
    let redirect = matches!(status, StatusCode::SEE_OTHER | StatusCode::FOUND | StatusCode::TEMPORARY_REDIRECT);
    let value = response.headers().get(LOCATION).filter(|_| redirect).and_then(|value| value.to_str().ok());
    value.map(str::to_owned).ok_or_else(|| Problem::OpenId {
        error: "login_refused".to_owned(),
        description: format!("The login page answered with HTTP {} and no way on.", status.as_u16()),
    })
}

fn text_of(value: &Value, name: &str) -> Result<String, Problem> {
    value.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(odd)
}

fn odd() -> Problem {
    Problem::Untrusted("the answer is not what a login page gives".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_set_and_taken_back() {
        let set = parse_cookie("__Host-godkend-browser=abc; Path=/; Max-Age=34560000; HttpOnly");
        assert_eq!(set, Some(("__Host-godkend-browser".to_owned(), Some("abc".to_owned()))));
        assert_eq!(parse_cookie("a=; Path=/; Max-Age=0"), Some(("a".to_owned(), None)));
        assert_eq!(parse_cookie("a=b; max-age=0"), Some(("a".to_owned(), None)));
        assert_eq!(parse_cookie("nothing"), None);
        assert!(is_lasting("__Host-godkend-browser") && !is_lasting("__Host-godkend-login-x"));
    }

    #[test]
    fn refusals_keep_their_codes() {
        let url = Url::parse("https://bank.dk/cb?error=access_denied&error_description=The+person+declined.").unwrap();
        let Some(Problem::OpenId { error, description }) = refusal(&url) else { panic!() };
        assert_eq!((error.as_str(), description.as_str()), ("access_denied", "The person declined."));
        assert!(refusal(&Url::parse("https://bank.dk/cb?code=x").unwrap()).is_none());
        assert!(matches!(server_problem(br#"{"error":"qr_stale"}"#), Some(Problem::Server(Code::QrStale))));
        assert!(matches!(server_problem(br#"{"error":"invalid_client"}"#), Some(Problem::OpenId { .. })));
        assert!(server_problem(b"<html>").is_none());
    }

    #[test]
    fn the_first_frames_are_in_the_page() {
        let page = br#"<main data-state="{}" data-frames="{&quot;now_ms&quot;:7,&quot;frames&quot;:[{&quot;second&quot;:0,&quot;text&quot;:&quot;a&amp;b&quot;}]}">"#;
        let frames = frames_of_page(page).unwrap();
        assert_eq!((frames.now_ms, frames.frames[0].text.as_str()), (7, "a&b"));
        assert!(frames_of_page(b"<main>").is_none());
    }

    #[test]
    fn the_frame_of_this_second_is_drawn() {
        let frame = |second| Frame { second, text: second.to_string() };
        let frames = Frames { now_ms: 7_900, frames: vec![frame(6), frame(7), frame(8)] };
        assert_eq!(frames.current().unwrap().second, 7);
        assert!(Frames { now_ms: 0, frames: vec![] }.current().is_none());
    }
}
