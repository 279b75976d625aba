//! What a desk does, over the admin API: with the token of a file, never of an argument.

pub(crate) mod commands;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::http;
use crate::json::Citizen;
use crate::problem::Problem;
use crate::rp::browser::server_problem;
use crate::secret::SecretText;

/// A desk that is open.
pub(crate) struct Desk {
    client: reqwest::Client,
    url: String,
    token: Zeroizing<String>,
}

/// A citizen who has been proofed.
#[derive(Clone, Debug)]
pub(crate) struct NewCitizen {
    pub(crate) name: String,
    pub(crate) user_id: String,
    pub(crate) born: String,
    pub(crate) cpr: Option<Zeroizing<String>>,
    pub(crate) level: String,
    pub(crate) magic: Option<String>,
    pub(crate) tell_uses: bool,
}

/// An activation that was handed out. `text` is the secret.
#[derive(Deserialize)]
pub(crate) struct HandedOut {
    pub(crate) id: String,
    pub(crate) text: SecretText,
    pub(crate) expires: i64,
}

/// The phone whose digits were right.
#[derive(Deserialize)]
pub(crate) struct Confirmed {
    pub(crate) model: String,
    pub(crate) place: Option<String>,
    pub(crate) active_from: Option<i64>,
}

/// A citizen's device.
#[derive(Deserialize)]
pub(crate) struct DeviceLine {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) platform: String,
    pub(crate) state: String,
    pub(crate) enrolled: i64,
    pub(crate) last_used: Option<i64>,
}

impl Desk {
    /// Opens a desk at the root's server.
    ///
    /// # Errors
    /// [`Problem::File`], and as [`http::client`].
    pub(crate) async fn open(root: &godkend_client::Root, token_file: &Path) -> Result<Self, Problem> {
        let token = std::fs::read_to_string(token_file).map_err(|e| Problem::file(token_file, e))?;
        let token = Zeroizing::new(Zeroizing::new(token).trim().to_owned());
        Ok(Self { client: http::client(root).await?, url: root.url.trim_end_matches('/').to_owned(), token })
    }

    /// The same desk at another origin, behind the same pinned keys.
    pub(crate) fn at(mut self, origin: &str) -> Self {
        origin.trim_end_matches('/').clone_into(&mut self.url);
        self
    }

    /// Creates a citizen.
    ///
    /// # Errors
    /// [`Problem::Server`] and [`Problem::NoNetwork`], here and below.
    pub(crate) async fn create_citizen(&self, new: &NewCitizen) -> Result<Citizen, Problem> {
        let mut body = json!({
            "name": new.name, "user_id": new.user_id, "date_of_birth": new.born, "identity_level": new.level,
        });
        if let Some(map) = body.as_object_mut() {
            map.extend(new.cpr.as_ref().map(|cpr| ("cpr".to_owned(), json!(cpr.as_str()))));
            map.extend(new.magic.as_ref().map(|magic| ("magic".to_owned(), json!(magic))));
            map.extend(new.tell_uses.then(|| ("tell_uses".to_owned(), json!(true))));
        }
        self.post("citizens", &body).await
    }

    /// Every citizen.
    pub(crate) async fn citizens(&self) -> Result<Vec<Citizen>, Problem> {
        #[derive(Deserialize)]
        struct Page {
            citizens: Vec<Citizen>,
            next: Option<String>,
        }
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page: Page = self.ask(Method::GET, &format!("citizens?limit=256{after}"), None).await?;
            all.extend(page.citizens);
            match page.next {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(all),
            }
        }
    }

    /// A citizen by user id.
    pub(crate) async fn citizen(&self, user_id: &str) -> Result<Citizen, Problem> {
        let encoded: String = url::form_urlencoded::byte_serialize(user_id.as_bytes()).collect();
        self.ask(Method::GET, &format!("users/{encoded}"), None).await
    }

    /// Hands out an activation, as a link or as a code to type.
    pub(crate) async fn hand_out(&self, citizen: &str, code: bool) -> Result<HandedOut, Problem> {
        let form = if code { "code" } else { "link" };
        self.post(&format!("citizens/{citizen}/activations"), &json!({ "form": form })).await
    }

    /// Hands out a code for a page of the server's: `password` or `chip`.
    pub(crate) async fn open_means(&self, citizen: &str, means: &str) -> Result<String, Problem> {
        #[derive(Deserialize)]
        struct Opened {
            code: String,
        }
        let opened: Opened = self.post(&format!("citizens/{citizen}/{means}"), &json!({})).await?;
        Ok(opened.code)
    }

    /// Imports a code display that counts (HOTP), in a container of RFC 6030, and assigns it.
    pub(crate) async fn assign_display(&self, citizen: &str, serial: &str, seed: &[u8]) -> Result<(), Problem> {
        let secret = Zeroizing::new(STANDARD.encode(seed));
        let container = Zeroizing::new(format!(
            r#"<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"><KeyPackage>
            <DeviceInfo><SerialNo>{serial}</SerialNo></DeviceInfo>
            <Key Id="1" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"><AlgorithmParameters>
            <ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>
            <Data><Secret><PlainValue>{}</PlainValue></Secret></Data></Key></KeyPackage></KeyContainer>"#,
            secret.as_str()
        ));
        let _: Value = self.post("displays", &json!({ "container": STANDARD.encode(container.as_bytes()) })).await?;
        let _: Value = self.post(&format!("citizens/{citizen}/display"), &json!({ "serial": serial })).await?;
        Ok(())
    }

    /// Types the digits that the phone shows.
    pub(crate) async fn confirm(&self, activation: &str, digits: &str) -> Result<Confirmed, Problem> {
        self.post(&format!("activations/{activation}/digits"), &json!({ "digits": digits })).await
    }

    /// A citizen's devices.
    pub(crate) async fn devices(&self, citizen: &str) -> Result<Vec<DeviceLine>, Problem> {
        #[derive(Deserialize)]
        struct Devices {
            devices: Vec<DeviceLine>,
        }
        let devices: Devices = self.ask(Method::GET, &format!("citizens/{citizen}/devices"), None).await?;
        Ok(devices.devices)
    }

    /// Blocks the whole identity, or lifts the block.
    pub(crate) async fn block_citizen(&self, citizen: &str, blocked: bool) -> Result<Citizen, Problem> {
        let what = if blocked { "block" } else { "unblock" };
        self.post(&format!("citizens/{citizen}/{what}"), &json!({})).await
    }

    /// Blocks, unblocks or removes a device: `what` is the path's last word.
    pub(crate) async fn device(&self, device: &str, what: &str) -> Result<(), Problem> {
        let _: Value = self.post(&format!("devices/{device}/{what}"), &json!({})).await?;
        Ok(())
    }

    /// Opens a PIN reset; gives its id, for the digits.
    pub(crate) async fn reset_pin(&self, device: &str) -> Result<String, Problem> {
        #[derive(Deserialize)]
        struct Reset {
            id: String,
        }
        let reset: Reset = self.post(&format!("devices/{device}/pin-reset"), &json!({})).await?;
        Ok(reset.id)
    }

    /// Moves a test environment's clock.
    pub(crate) async fn advance(&self, seconds: i64) -> Result<(), Problem> {
        let _: Value = self.post("clock", &json!({ "advance_seconds": seconds })).await?;
        Ok(())
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Problem> {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&Value>) -> Result<T, Problem> {
        let bearer = Zeroizing::new(format!("Bearer {}", self.token.as_str()));
        let mut value = reqwest::header::HeaderValue::from_str(&bearer)
            .map_err(|_| Problem::usage("Skrankens token kan ikke sendes.", "The desk's token cannot be sent."))?;
        value.set_sensitive(true);
        let request = self.client.request(method, format!("{}/admin/v1/{path}", self.url));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.header(reqwest::header::AUTHORIZATION, value).send().await;
        let response = response.map_err(|error| http::network(&self.url, &error))?;
        let status = response.status();
        let bytes = Zeroizing::new(response.bytes().await.map_err(|error| http::network(&self.url, &error))?.to_vec());
        let odd = || Problem::Untrusted(format!("the desk's server answered with HTTP {}", status.as_u16()));
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|_| odd());
        }
        Err(server_problem(&bytes).unwrap_or_else(odd))
    }
}
