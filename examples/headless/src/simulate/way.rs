//! The ways in which simulated people sign in: the app with PIN or finger, a chip in software beside it, or the chip with a
//! password.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_chip::Chip;
use godkend_protocol::bytes::{Fixed, Hash32, Secret};
use godkend_protocol::crypto;
use godkend_protocol::opaque::{Registering, Trying};
use godkend_server::ops::tls::system_random;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use crate::desk::Desk;
use crate::problem::Problem;
use crate::rp::browser::{Browser, LoginPage};

/// How a person signs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Way {
    /// The app with the PIN.
    Pin,
    /// The app with the finger.
    Biometric,
    /// A chip, and the app with the PIN.
    AppChip,
    /// A password and a chip.
    PasswordChip,
}

impl Way {
    /// As the command line has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Biometric => "biometric",
            Self::AppChip => "app-chip",
            Self::PasswordChip => "password-chip",
        }
    }

    /// A chip is a part of it.
    pub(crate) const fn has_chip(self) -> bool {
        matches!(self, Self::AppChip | Self::PasswordChip)
    }
}

/// What the password is stretched to. The browser's Argon2id costs the server nothing, and is left out here.
const STRETCHED: Secret<32> = Secret([8; 32]);

/// A person's chip and password.
pub(super) struct Means {
    user_id: String,
    chip: Mutex<Chip>,
}

impl Means {
    /// Registers a chip and chooses a password, with codes of the desk's.
    ///
    /// # Errors
    /// [`Problem`].
    pub(super) async fn new(
        desk: &Desk,
        browser: &mut Browser,
        origin: &Url,
        (citizen, user_id): (&str, &str),
    ) -> Result<Self, Problem> {
        let odd = |_| Problem::Embedded("the chip has no key".to_owned());
        let page = origin.origin().ascii_serialization();
        let mut chip = Chip::new(&page, origin.host_str().unwrap_or_default()).map_err(odd)?;
        let code = desk.open_means(citizen, "chip").await?;
        let asked = browser.ask_page("/chip/ask", json!({ "code": code })).await?;
        let credential = chip.register(&asked["options"], None).map_err(odd)?;
        browser.ask_page("/chip/set", json!({ "code": code, "credential": credential })).await?;

        let code = desk.open_means(citizen, "password").await?;
        let weird = |_| Problem::Embedded("OPAQUE refuses".to_owned());
        let (client, request) = Registering::start(&mut system_random(), STRETCHED).map_err(weird)?;
        let body = json!({ "code": code, "request": text(&request.0) });
        let response = bytes(&browser.ask_page("/password/register", body).await?, "response")?;
        let upload = client.finish(&mut system_random(), &response).map_err(weird)?.upload;
        browser.ask_page("/password/set", json!({ "code": code, "upload": text(&upload.0) })).await?;
        Ok(Self { user_id: user_id.to_owned(), chip: Mutex::new(chip) })
    }

    /// The chip's half, on its page; a phone is to complete it.
    ///
    /// # Errors
    /// [`Problem`].
    pub(super) async fn half(&self, browser: &mut Browser, page: &LoginPage) -> Result<(), Problem> {
        let context = context(browser, page, "app+chip").await?;
        // Held until the server has it: signatures that overtake each other look like a copied chip's.
        let mut chip = self.chip.lock().await;
        let proofs = signed(&mut chip, &context, &[])?;
        let body = json!({ "user_id": self.user_id, "combination": "app+chip", "proofs": proofs });
        browser.ask_page(&format!("{}/means/chip", page.path()), body).await.map(|_| ())
    }

    /// Password and chip, on their page: where to go on.
    ///
    /// # Errors
    /// [`Problem`].
    pub(super) async fn sign_in(&self, browser: &mut Browser, page: &LoginPage) -> Result<String, Problem> {
        let way = "password+chip";
        let context = context(browser, page, way).await?;
        let weird = |_| Problem::Embedded("OPAQUE refuses".to_owned());
        let (client, ke1) = Trying::start(&mut system_random(), STRETCHED).map_err(weird)?;
        let mut chip = self.chip.lock().await;
        let proofs = signed(&mut chip, &context, &ke1.0)?;
        let first = json!({ "user_id": self.user_id, "combination": way, "ke1": text(&ke1.0), "proofs": proofs });
        let reply = browser.ask_page(&format!("{}/means/start", page.path()), first).await?;
        drop(chip);
        let proved = client.finish(&mut system_random(), &bytes(&reply, "ke2")?, &context).map_err(weird)?;
        let last = json!({ "ke3": text(&proved.ke3.0), "combination": way });
        let done = browser.ask_page(&format!("{}/means/finish", page.path()), last).await?;
        done["finish"].as_str().map(str::to_owned).ok_or_else(odd)
    }
}

fn signed(chip: &mut Chip, context: &Hash32, ke1: &[u8]) -> Result<BTreeMap<&'static str, Value>, Problem> {
    let challenge = crypto::sha256(&[b"godkend/1/chip", &context.0, ke1]);
    let signed = chip.sign(&challenge.0).map_err(|_| odd())?;
    Ok(BTreeMap::from([("chip", signed)]))
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
