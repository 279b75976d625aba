//! What a simulated person has beside the app: a password, a code display and a chip in software.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_chip::Chip;
use godkend_oath::{Digits, Hash, Moving, Seed, Token};
use godkend_protocol::bytes::{Fixed, Hash32, Secret};
use godkend_protocol::crypto;
use godkend_protocol::opaque::{Registering, Trying};
use godkend_server::ops::tls::system_random;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::way::Way;
use crate::desk::Desk;
use crate::problem::Problem;
use crate::rp::browser::{Browser, LoginPage};

/// What the password is stretched to. The browser's Argon2id costs the server nothing, and is left out here.
const STRETCHED: Secret<32> = Secret([8; 32]);

/// Whose means they are.
#[derive(Clone, Copy)]
pub(super) struct Person<'a> {
    /// The account's name at the desk.
    pub(super) id: &'a str,
    pub(super) user_id: &'a str,
}

/// A person's means, of those that the ways need.
pub(super) struct Means {
    user_id: String,
    chip: Option<Mutex<Chip>>,
    display: Option<Mutex<Display>>,
}

/// A display that counts how often its button was pressed.
struct Display {
    token: Token,
    pressed: u64,
}

impl Means {
    /// Registers a chip, assigns a display and chooses a password, with codes of the desk's.
    ///
    /// # Errors
    /// [`Problem`].
    pub(super) async fn of(
        with: &[Way],
        desk: &Desk,
        browser: &mut Browser,
        origin: &Url,
        person: Person<'_>,
    ) -> Result<Self, Problem> {
        if with.iter().any(|way| way.has_password()) {
            choose_password(desk, browser, person).await?;
        }
        let chip = match with.iter().any(|way| way.has_chip()) {
            true => Some(Mutex::new(register_chip(desk, browser, origin, person).await?)),
            false => None,
        };
        let display = match with.contains(&Way::PasswordDisplay) {
            true => Some(Mutex::new(assign_display(desk, person).await?)),
            false => None,
        };
        Ok(Self { user_id: person.user_id.to_owned(), chip, display })
    }

    /// The chip's half, on its page; a phone is to complete it.
    ///
    /// # Errors
    /// [`Problem`].
    pub(super) async fn half(&self, browser: &mut Browser, page: &LoginPage) -> Result<(), Problem> {
        let context = context(browser, page, "app+chip").await?;
        // Held until the server has it: signatures that overtake each other look like a copied chip's.
        let mut chip = self.chip.as_ref().ok_or_else(missing)?.lock().await;
        let proofs = json!({ "chip": signed(&mut chip, &context, &[])? });
        let body = json!({ "user_id": self.user_id, "combination": "app+chip", "proofs": proofs });
        browser.ask_page(&format!("{}/means/chip", page.path()), body).await.map(|_| ())
    }

    /// The password and what the way has beside it, on their page: where to go on.
    ///
    /// # Errors
    /// [`Problem`].
    pub(super) async fn sign_in(&self, way: Way, browser: &mut Browser, page: &LoginPage) -> Result<String, Problem> {
        let combination = match way {
            Way::PasswordChip => "password+chip",
            Way::PasswordDisplay => "password+code_display",
            _ => "password",
        };
        let context = context(browser, page, combination).await?;
        let weird = |_| Problem::Embedded("OPAQUE refuses".to_owned());
        let (client, ke1) = Trying::start(&mut system_random(), STRETCHED).map_err(weird)?;
        let mut first = json!({ "user_id": self.user_id, "combination": combination, "ke1": text(&ke1.0) });
        let start = format!("{}/means/start", page.path());
        let reply = match way {
            Way::PasswordChip => {
                // Held until the server has it, as above.
                let mut chip = self.chip.as_ref().ok_or_else(missing)?.lock().await;
                first["proofs"] = json!({ "chip": signed(&mut chip, &context, &ke1.0)? });
                browser.ask_page(&start, first).await?
            }
            Way::PasswordDisplay => {
                let mut display = self.display.as_ref().ok_or_else(missing)?.lock().await;
                first["proofs"] = json!({ "code_display": { "code": display.press() } });
                browser.ask_page(&start, first).await?
            }
            _ => {
                first["proofs"] = json!({});
                browser.ask_page(&start, first).await?
            }
        };
        let proved = client.finish(&mut system_random(), &bytes(&reply, "ke2")?, &context).map_err(weird)?;
        let last = json!({ "ke3": text(&proved.ke3.0), "combination": combination });
        let done = browser.ask_page(&format!("{}/means/finish", page.path()), last).await?;
        done["finish"].as_str().map(str::to_owned).ok_or_else(odd)
    }
}

impl Display {
    /// The code of this press.
    fn press(&mut self) -> String {
        let code = self.token.code(self.pressed);
        self.pressed += 1;
        code.expose().to_owned()
    }
}

async fn choose_password(desk: &Desk, browser: &mut Browser, person: Person<'_>) -> Result<(), Problem> {
    let code = desk.open_means(person.id, "password").await?;
    let weird = |_| Problem::Embedded("OPAQUE refuses".to_owned());
    let (client, request) = Registering::start(&mut system_random(), STRETCHED).map_err(weird)?;
    let body = json!({ "code": code, "request": text(&request.0) });
    let response = bytes(&browser.ask_page("/password/register", body).await?, "response")?;
    let upload = client.finish(&mut system_random(), &response).map_err(weird)?.upload;
    browser.ask_page("/password/set", json!({ "code": code, "upload": text(&upload.0) })).await.map(|_| ())
}

async fn register_chip(desk: &Desk, browser: &mut Browser, origin: &Url, person: Person<'_>) -> Result<Chip, Problem> {
    let odd = |_| Problem::Embedded("the chip has no key".to_owned());
    let page = origin.origin().ascii_serialization();
    let mut chip = Chip::new(&page, origin.host_str().unwrap_or_default()).map_err(odd)?;
    let code = desk.open_means(person.id, "chip").await?;
    let asked = browser.ask_page("/chip/ask", json!({ "code": code })).await?;
    let credential = chip.register(&asked["options"], None).map_err(odd)?;
    browser.ask_page("/chip/set", json!({ "code": code, "credential": credential })).await?;
    Ok(chip)
}

async fn assign_display(desk: &Desk, person: Person<'_>) -> Result<Display, Problem> {
    let bytes: Secret<20> = Secret::random(&mut system_random());
    desk.assign_display(person.id, person.user_id, &bytes.0).await?;
    let seed = Seed::new(&bytes.0).ok_or_else(missing)?;
    let token = Token { seed, hash: Hash::Sha1, digits: Digits::SIX, moving: Moving::Counter };
    Ok(Display { token, pressed: 0 })
}

fn signed(chip: &mut Chip, context: &Hash32, ke1: &[u8]) -> Result<Value, Problem> {
    let challenge = crypto::sha256(&[b"godkend/1/chip", &context.0, ke1]);
    chip.sign(&challenge.0).map_err(|_| odd())
}

fn missing() -> Problem {
    Problem::Embedded("the person has not got these means".to_owned())
}

/// What the page of a combination binds to: it stands in the page.
async fn context(browser: &mut Browser, page: &LoginPage, way: &str) -> Result<Hash32, Problem> {
    let page = browser.page(&format!("{}/way/{way}", page.path())).await?;
    let found = page.split_once("data-context=\"").and_then(|(_, rest)| rest.split('"').next());
    found.and_then(Fixed::from_base64).ok_or_else(odd)
}

fn bytes(reply: &Value, name: &str) -> Result<Vec<u8>, Problem> {
    let field = reply.get(name).and_then(Value::as_str).ok_or_else(odd)?;
    URL_SAFE_NO_PAD.decode(field).map_err(|_| odd())
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn odd() -> Problem {
    Problem::Untrusted("the answer is not what a login page gives".to_owned())
}
