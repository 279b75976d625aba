//! What a desk does, through the admin interface of a running server on this machine. Answers are printed as JSON.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{By, DeskCommand, FormArg, pinned, say};
use crate::config::{Config, TlsMode};
use crate::keys;
use crate::ops::secrets;

pub(super) async fn run(config: &Config, command: DeskCommand) -> Result<ExitCode, Box<dyn Error>> {
    let desk = Desk::new(config)?;
    let answer = match command {
        DeskCommand::Create { name, user_id, born, level, magic, cpr_stdin } => {
            let mut body = json!({"name": name, "user_id": user_id, "date_of_birth": born, "identity_level": level});
            if let Some(magic) = magic {
                body["magic"] = magic.into();
            }
            if cpr_stdin {
                body["cpr"] = line()?.trim().into();
            }
            desk.post("citizens", body).await?
        }
        DeskCommand::List => desk.get("citizens").await?,
        DeskCommand::Show { user_id } => desk.citizen(&user_id).await?,
        DeskCommand::Activate { user_id, form, by } => {
            let form = match form {
                FormArg::Link => "link",
                FormArg::Code => "code",
            };
            let path = desk.of_citizen(&user_id, "activations").await?;
            desk.post(&path, by.named(json!({"form": form}))).await?
        }
        DeskCommand::Activation { id } => desk.get(&format!("activations/{id}")).await?,
        DeskCommand::Digits { id, digits } => {
            desk.post(&format!("activations/{id}/digits"), json!({"digits": digits})).await?
        }
        DeskCommand::Devices { user_id } => desk.get(&desk.of_citizen(&user_id, "devices").await?).await?,
        DeskCommand::History { user_id } => desk.get(&desk.of_citizen(&user_id, "history").await?).await?,
        DeskCommand::Block { user_id } => desk.post(&desk.of_citizen(&user_id, "block").await?, json!({})).await?,
        DeskCommand::Unblock { user_id } => desk.post(&desk.of_citizen(&user_id, "unblock").await?, json!({})).await?,
        DeskCommand::BlockDevice { id } => desk.post(&format!("devices/{id}/block"), json!({})).await?,
        DeskCommand::UnblockDevice { id } => desk.post(&format!("devices/{id}/unblock"), json!({})).await?,
        DeskCommand::RemoveDevice { id } => desk.post(&format!("devices/{id}/remove"), json!({})).await?,
        DeskCommand::PinReset { id, by } => desk.post(&format!("devices/{id}/pin-reset"), by.named(json!({}))).await?,
        DeskCommand::Means { user_id } => desk.get(&desk.of_citizen(&user_id, "means").await?).await?,
        DeskCommand::Password { user_id, by } => desk.on_citizen(&user_id, "password", by.named(json!({}))).await?,
        DeskCommand::RemovePassword { user_id, by } => {
            desk.on_citizen(&user_id, "password/remove", by.named(json!({}))).await?
        }
        DeskCommand::ImportDisplays { file, key_stdin, passphrase_stdin, signature_checked, talks } => {
            let container = Zeroizing::new(std::fs::read(&file)?);
            let mut body = json!({
                "container": STANDARD.encode(&*container), "signature_checked": signature_checked, "talks": talks,
            });
            if key_stdin || passphrase_stdin {
                let line = line()?;
                body[if key_stdin { "key" } else { "passphrase" }] = line.trim_end_matches(['\r', '\n']).into();
            }
            desk.post("displays", body).await?
        }
        DeskCommand::Display { user_id, serial, manufacturer, replace, battery_until, by } => {
            let body = json!({
                "serial": serial, "manufacturer": manufacturer, "replace": replace, "battery_until": battery_until,
            });
            desk.on_citizen(&user_id, "display", by.named(body)).await?
        }
        DeskCommand::LostDisplay { user_id, by } => {
            desk.on_citizen(&user_id, "display/lost", by.named(json!({}))).await?
        }
        DeskCommand::Chip { user_id, by } => desk.on_citizen(&user_id, "chip", by.named(json!({}))).await?,
        DeskCommand::LostChip { user_id, by } => desk.on_citizen(&user_id, "chip/lost", by.named(json!({}))).await?,
        DeskCommand::RemoveChip { user_id, by } => {
            desk.on_citizen(&user_id, "chip/remove", by.named(json!({}))).await?
        }
        DeskCommand::Orders => desk.orders().await?,
        DeskCommand::Handed { id, by } => desk.post(&format!("orders/{id}/handed"), by.named(json!({}))).await?,
        DeskCommand::Clock { seconds } => desk.post("clock", json!({"advance_seconds": seconds})).await?,
    };
    say(format_args!("{}", serde_json::to_string_pretty(&answer)?));
    Ok(ExitCode::SUCCESS)
}

impl By {
    /// The request's body with the name of whoever stands at the desk.
    fn named(self, mut body: Value) -> Value {
        if let Some(by) = self.by {
            body["by"] = by.into();
        }
        body
    }
}

/// A line of standard input, where secrets do not stand in a list of processes.
fn line() -> std::io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut line)?;
    Ok(line)
}

/// Fetches the evidence of a transaction into a new file.
pub(super) async fn export_evidence(
    config: &Config,
    transaction: &str,
    file: &Path,
) -> Result<ExitCode, Box<dyn Error>> {
    use std::io::Write as _;
    let desk = Desk::new(config)?;
    let request = desk.http.get(desk.url(&format!("evidence/{transaction}"))).bearer_auth(desk.token.expose());
    let response = request.send().await?;
    if !response.status().is_success() {
        return Err(refusal(&response.json().await?).into());
    }
    let bytes = response.bytes().await?;
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).open(file)?;
    out.write_all(&bytes)?;
    out.sync_all()?;
    say(format_args!("{} bytes of evidence are in {}", bytes.len(), file.display()));
    Ok(ExitCode::SUCCESS)
}

struct Desk {
    http: reqwest::Client,
    origin: String,
    token: secrets::AdminToken,
}

impl Desk {
    fn new(config: &Config) -> Result<Self, Box<dyn Error>> {
        let token = secrets::load_admin_token(&config.in_data_dir(&config.admin.token_file))?;
        let address = reachable(config.admin.listen.unwrap_or(config.server.listen));
        let builder = reqwest::Client::builder().no_proxy();
        let (http, origin) = if config.tls.mode == TlsMode::Off {
            (builder.build()?, format!("http://{address}"))
        } else {
            let data = config.data_dir();
            let (_, set) = keys::newest_key_set(&data, &keys::read_root(&data)?, i64::MIN)?;
            let tls = pinned::client_config(set.tls_pins.iter().map(|pin| pin.0).collect())?;
            (builder.tls_backend_preconfigured(tls).build()?, format!("https://{address}"))
        };
        Ok(Self { http, origin, token })
    }

    async fn get(&self, path: &str) -> Result<Value, Box<dyn Error>> {
        self.send(self.http.get(self.url(path))).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, Box<dyn Error>> {
        self.send(self.http.post(self.url(path)).json(&body)).await
    }

    /// All open orders: a page of the server's list may hold none of them and still have a next.
    async fn orders(&self) -> Result<Value, Box<dyn Error>> {
        let (mut all, mut path) = (Vec::new(), "orders".to_owned());
        loop {
            let page = self.get(&path).await?;
            all.extend(page.get("orders").and_then(Value::as_array).into_iter().flatten().cloned());
            let Some(next) = page.get("next").and_then(Value::as_str) else { return Ok(json!({ "orders": all })) };
            path = format!("orders?after={next}");
        }
    }

    async fn citizen(&self, user_id: &str) -> Result<Value, Box<dyn Error>> {
        let safe = user_id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if !safe {
            return Err("a user id has letters, digits, full stops, underscores and hyphens".into());
        }
        self.get(&format!("users/{user_id}")).await
    }

    /// The path of something that belongs to the citizen with this user id.
    async fn of_citizen(&self, user_id: &str, what: &str) -> Result<String, Box<dyn Error>> {
        let citizen = self.citizen(user_id).await?;
        let id = citizen.get("id").and_then(Value::as_str).ok_or("the server's answer has no id")?;
        Ok(format!("citizens/{id}/{what}"))
    }

    /// Does something for the citizen with this user id.
    async fn on_citizen(&self, user_id: &str, what: &str, body: Value) -> Result<Value, Box<dyn Error>> {
        self.post(&self.of_citizen(user_id, what).await?, body).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}/admin/v1/{path}", self.origin)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Box<dyn Error>> {
        let response = request.bearer_auth(self.token.expose()).send().await?;
        let status = response.status();
        let body: Value = response.json().await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(refusal(&body).into())
    }
}

/// A refusal in a sentence.
fn refusal(body: &Value) -> String {
    let sentence = body.get("message_en").and_then(Value::as_str).unwrap_or("The server refused.");
    // Of a delivery that cannot be read: why.
    let sentence = body.get("reason").and_then(Value::as_str).unwrap_or(sentence);
    let code = body.get("error").and_then(Value::as_str).unwrap_or("unknown");
    let field = body.get("field").and_then(Value::as_str).map(|field| format!(" ({field})")).unwrap_or_default();
    format!("{code}{field}: {sentence}")
}

/// An address that this machine reaches: the loopback for "all addresses".
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
