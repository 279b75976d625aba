//! Relying parties that a desk registers while the server runs. Those of the configuration file stand beside them and are
//! changed there.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::bytes::{Hash32, Secret};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Refusal, read};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::config::{Finding, RELYING_PARTY_KEYS, RelyingParty, Severity, check_relying_party};
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::oidc::records::RegisteredClient;
use crate::records::{Document as _, Entry};

#[derive(Deserialize)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<u32>,
}

/// How a client proves who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Authentication {
    /// By a secret, which the server draws and shows once.
    Secret,
    /// By its keys.
    Keys,
    /// Not at all: a public client.
    None,
}

/// `POST /admin/v1/clients`: the fields of `[[relying_party]]` and `authentication`.
pub(super) async fn create(State(app): State<Arc<App>>, body: Bytes) -> Result<Response, Wrong> {
    let (mut party, authentication) = wanted(&body)?;
    if in_file(&app, &party.client_id) {
        return Err(Refusal::field(Code::Conflict, "client_id").into());
    }
    let secret = (authentication == Authentication::Secret).then(|| draw(&app, &mut party));
    check(&app, &party)?;
    write(&app, Entry { doc: party, version: None }, secret, StatusCode::CREATED).await
}

/// `PUT /admin/v1/clients/{id}`: all fields anew; a secret stays unless `authentication` is another.
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Wrong> {
    let found = find(&app, &id).await?;
    let (mut party, authentication) = wanted(&body)?;
    if party.client_id != id {
        return Err(Refusal::field(Code::Malformed, "client_id").into());
    }
    let mut secret = None;
    if authentication == Authentication::Secret {
        match found.doc.party.client_secret_sha256.clone() {
            Some(kept) => party.client_secret_sha256 = Some(kept),
            None => secret = Some(draw(&app, &mut party)),
        }
    }
    check(&app, &party)?;
    write(&app, Entry { doc: party, version: found.version }, secret, StatusCode::OK).await
}

/// `POST /admin/v1/clients/{id}/secret`: a new secret; the old one is void at once.
pub(super) async fn new_secret(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Wrong> {
    let found = find(&app, &id).await?;
    let mut party = found.doc.party;
    if party.client_secret_sha256.is_none() {
        return Err(Refusal::field(Code::OperationRefused, "authentication").into());
    }
    let secret = draw(&app, &mut party);
    write(&app, Entry { doc: party, version: found.version }, Some(secret), StatusCode::OK).await
}

/// `DELETE /admin/v1/clients/{id}`. What it was given before opens nothing more: tokens name their client.
pub(super) async fn remove(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<StatusCode, Wrong> {
    let found = find(&app, &id).await?;
    let mut changes = Changes::new();
    changes.delete(&found).log(&changed(&found.doc.party, None, app.now()));
    changes.commit(&*app.store).await?;
    app.log.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /admin/v1/clients/{id}`, registered or of the file.
pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let party = crate::oidc::client::find(&app, &id).await?.ok_or(Code::NotFound)?;
    Ok(Json(view(&party, in_file(&app, &id))))
}

/// `GET /admin/v1/clients`: those of the file first, with the first page.
pub(super) async fn list(State(app): State<Arc<App>>, Query(page): Query<Page>) -> Result<Json<Value>, Refusal> {
    let limit = page.limit.unwrap_or(100).clamp(1, 256);
    let mut clients = Vec::new();
    if page.after.is_none() {
        clients.extend(app.config.relying_party.iter().map(|party| view(party, true)));
    }
    let after = page.after.as_deref().map(str::as_bytes);
    let records = app.store.scan(RegisteredClient::KIND, after, limit).await.map_err(ApiError::from)?;
    let mut last = None;
    for record in &records {
        let client: RegisteredClient = serde_json::from_slice(&record.body).map_err(|_| Code::Internal)?;
        clients.push(view(&client.party, false));
        last = Some(client.party.client_id);
    }
    let full = u32::try_from(records.len()).unwrap_or(u32::MAX) >= limit;
    Ok(Json(json!({ "clients": clients, "next": last.filter(|_| full) })))
}

fn in_file(app: &App, id: &str) -> bool {
    app.config.relying_party.iter().any(|party| party.client_id == id)
}

async fn find(app: &App, id: &str) -> Result<Entry<RegisteredClient>, Wrong> {
    if in_file(app, id) {
        return Err(Refusal::field(Code::OperationRefused, "client_id").into());
    }
    let name = if (1..=64).contains(&id.len()) { id } else { "-" };
    Ok(docs::get(&*app.store, name.as_bytes()).await?.ok_or(Code::NotFound)?)
}

/// The client that a body describes. A secret is never taken: one that people choose can be guessed from its hash.
fn wanted(body: &[u8]) -> Result<(RelyingParty, Authentication), Wrong> {
    let mut fields: Map<String, Value> = read(body)?;
    let authentication = fields.remove("authentication").unwrap_or_else(|| json!("secret"));
    let authentication =
        serde_json::from_value(authentication).map_err(|_| Refusal::field(Code::Malformed, "authentication"))?;
    let unknown =
        fields.keys().find(|key| !RELYING_PARTY_KEYS.contains(&key.as_str()) || *key == "client_secret_sha256");
    if unknown.is_some() {
        return Err(Wrong::one("client", "has a field that a client does not have"));
    }
    // Keys may be objects here; the file, which has no such thing, has their text.
    if let Some(Value::Array(keys)) = fields.get_mut("keys") {
        for key in keys.iter_mut().filter(|key| key.is_object()) {
            *key = Value::String(key.to_string());
        }
    }
    for field in RELYING_PARTY_KEYS {
        if let Some(value) = fields.get(*field).cloned() {
            let mut alone = json!({ "client_id": "x", "name": "x" });
            if let Some(alone) = alone.as_object_mut() {
                alone.insert((*field).to_owned(), value);
            }
            if serde_json::from_value::<RelyingParty>(alone).is_err() {
                return Err(Refusal::field(Code::Malformed, field).into());
            }
        }
    }
    let party: RelyingParty =
        serde_json::from_value(fields.into()).map_err(|_| Wrong::one("client_id", "and name must be there"))?;
    let has_keys = !party.keys.is_empty();
    if has_keys != (authentication == Authentication::Keys) {
        return Err(Wrong::one("keys", "must be there if authentication is \"keys\", and only then"));
    }
    Ok((party, authentication))
}

fn draw(app: &App, party: &mut RelyingParty) -> String {
    let secret = Secret::<32>::random(&mut app.rng()).to_base64();
    party.client_secret_sha256 = Some(hex::encode(crypto::sha256(&[secret.as_bytes()]).0));
    secret
}

fn check(app: &App, party: &RelyingParty) -> Result<(), Wrong> {
    let mut found = Vec::new();
    check_relying_party(party, app.config.server.test_environment, &str::to_owned, &mut found);
    found.retain(|finding| finding.severity == Severity::Error);
    if found.is_empty() { Ok(()) } else { Err(Wrong::Fields(found)) }
}

/// Why a client is not registered or changed.
pub(super) enum Wrong {
    /// As the rest of this interface refuses.
    Refused(Refusal),
    /// What is wrong with each field.
    Fields(Vec<Finding>),
}

impl Wrong {
    fn one(field: &str, text: &str) -> Self {
        Self::Fields(vec![Finding::error(field, text)])
    }
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ApiError> for Wrong {
    fn from(error: ApiError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<Code> for Wrong {
    fn from(code: Code) -> Self {
        Self::Refused(code.into())
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let found = match self {
            Self::Refused(refusal) => return refusal.into_response(),
            Self::Fields(found) => found,
        };
        let code = Code::Malformed;
        let list: Vec<Value> =
            found.iter().map(|finding| json!({ "field": finding.setting, "message_en": finding.text })).collect();
        let body = json!({
            "error": code.as_str(), "message_da": code.danish(), "message_en": code.english(), "findings": list,
        });
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST);
        (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
    }
}

async fn write(
    app: &App,
    client: Entry<RelyingParty>,
    secret: Option<String>,
    status: StatusCode,
) -> Result<Response, Wrong> {
    let mut shown = view(&client.doc, false);
    let entry = Entry { doc: RegisteredClient { party: client.doc, changed: app.now() }, version: client.version };
    let mut changes = Changes::new();
    changes.update(&entry).log(&changed(&entry.doc.party, Some(entry.doc.hash()), entry.doc.changed));
    changes.commit(&*app.store).await.map_err(|error| {
        let taken = error.is_conflict() && entry.version.is_none();
        if taken { Refusal::field(Code::Conflict, "client_id") } else { error.into() }
    })?;
    app.log.wake();
    if let (Some(secret), Some(shown)) = (secret, shown.as_object_mut()) {
        shown.insert("client_secret".to_owned(), json!(secret));
    }
    Ok((status, [(header::CACHE_CONTROL, "no-store")], Json(shown)).into_response())
}

fn changed(party: &RelyingParty, registration: Option<Hash32>, at: i64) -> AuditEntry {
    let (client, name) = (party.client_id.clone(), party.name.clone());
    AuditEntry::ClientChanged { client, name, registration, by: "desk".to_owned(), at }
}

/// A client without the hash of its secret.
fn view(party: &RelyingParty, in_file: bool) -> Value {
    let authentication = match (&party.client_secret_sha256, party.keys.is_empty()) {
        (Some(_), _) => "secret",
        (None, false) => "keys",
        (None, true) => "none",
    };
    let mut shown = serde_json::to_value(party).unwrap_or_default();
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("client_secret_sha256");
        shown.insert("authentication".to_owned(), json!(authentication));
        shown.insert("in_file".to_owned(), json!(in_file));
    }
    shown
}
