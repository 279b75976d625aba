//! The same with an authenticator that another project wrote, and the client that speaks for a browser there.

use async_trait::async_trait;
use passkey::authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey::client::{Client, DefaultClientData, WebauthnError};
use passkey::crypto::rust_crypto::RustCryptoBackend;
use passkey::types::Passkey;
use passkey::types::ctap2::{Aaguid, Ctap2Error};
use passkey::types::webauthn::{CredentialCreationOptions, CredentialRequestOptions};
use url::Url;

use super::*;

/// Somebody who touches it, and shows a finger where that is asked.
struct Person;

#[async_trait]
impl UserValidationMethod for Person {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _: UiHint<'a, Passkey>,
        presence: bool,
        verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence, verification })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }
}

/// What it keeps between two pages.
struct Other {
    kept: Option<Passkey>,
    origin: Url,
}

/// A client around what was kept.
macro_rules! client {
    ($kept:expr) => {{
        let mut authenticator = Authenticator::new(Aaguid::new_empty(), $kept, Person, RustCryptoBackend);
        authenticator.set_make_credentials_with_signature_counter(true);
        Client::new(authenticator).allows_insecure_localhost(true)
    }};
}

impl Other {
    async fn register(&mut self, options: &Value) -> Value {
        let asked: CredentialCreationOptions = serde_json::from_value(json!({ "publicKey": options })).unwrap();
        let mut client = client!(self.kept.take());
        let made = client.register(&self.origin, asked, DefaultClientData).await.unwrap();
        self.kept.clone_from(client.authenticator().store());
        told(
            &made.raw_id,
            json!({
                "clientDataJSON": URL_SAFE_NO_PAD.encode(&*made.response.client_data_json),
                "attestationObject": URL_SAFE_NO_PAD.encode(&*made.response.attestation_object),
            }),
        )
    }

    async fn sign(&mut self, challenge: &[u8], verification: &str) -> Result<Value, WebauthnError> {
        let asked = json!({ "publicKey": {
            "challenge": URL_SAFE_NO_PAD.encode(challenge), "rpId": "localhost", "userVerification": verification,
        } });
        let asked: CredentialRequestOptions = serde_json::from_value(asked).unwrap();
        let mut client = client!(self.kept.clone());
        let signed = client.authenticate(&self.origin, asked, DefaultClientData).await?;
        self.kept.clone_from(client.authenticator().store());
        let response = signed.response;
        Ok(told(
            &signed.raw_id,
            json!({
                "clientDataJSON": URL_SAFE_NO_PAD.encode(&*response.client_data_json),
                "authenticatorData": URL_SAFE_NO_PAD.encode(&*response.authenticator_data),
                "signature": URL_SAFE_NO_PAD.encode(&*response.signature),
                "userHandle": response.user_handle.map(|handle| URL_SAFE_NO_PAD.encode(&*handle)),
            }),
        ))
    }
}

fn told(id: &[u8], response: Value) -> Value {
    let id = URL_SAFE_NO_PAD.encode(id);
    json!({ "id": id, "rawId": id, "type": "public-key", "response": response })
}

async fn registered(world: &World, citizen: &Citizen, other: &mut Other) -> (u16, Value) {
    let (_, opened) = world.desk(Method::POST, &format!("citizens/{}/chip", citizen.id), Some(json!({}))).await;
    let (_, asked) = post(world, "/chip/ask", json!({ "code": opened["code"] })).await;
    let credential = other.register(&asked["options"]).await;
    post(world, "/chip/set", json!({ "code": opened["code"], "credential": credential })).await
}

#[tokio::test]
async fn a42_another_projects_passkey_is_refused_unless_the_policy_takes_copies_and_then_held_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let strict = World::new().await;
    let anna = strict.citizen("synchronised").await;
    let mut other = Other { kept: None, origin: strict.url.parse().unwrap() };
    assert_eq!(refused(&registered(&strict, &anna, &mut other).await), (403, "chip_refused"), "it can be copied");

    let policy = godkend_server::policy::DEFAULT
        .replace("synchronised = false", "synchronised = true")
        .replace("\nattested = \"high\"", "\nattested = \"substantial\"");
    let world = World::with(|_| {}, with_policy(&folder, &policy)).await;
    let citizen = world.citizen("synchronised").await;
    choose(&world, &citizen).await;
    let mut other = Other { kept: None, origin: world.url.parse().unwrap() };
    let reply = registered(&world, &citizen, &mut other).await;
    assert_eq!(reply.0, 200, "{}", reply.1);
    let (_, shown) = world.desk(Method::GET, &format!("citizens/{}/means", citizen.id), None).await;
    assert_eq!((&shown["chip"]["synchronised"], &shown["chip"]["level"]), (&json!(true), &json!("substantial")));

    let mut replay = Value::Null;
    let mut browser = world.login_page(&Ask::login()).await;
    let right = async |c: &[u8]| {
        replay = other.sign(c, "required").await.unwrap();
        replay.clone()
    };
    assert_eq!(attempt(&mut browser, "synchronised", right).await.0, 200);
    let claims = browser.signed_in().await;
    assert_eq!(claims["acr"], "https://data.gov.dk/concept/core/nsis/Substantial");
    // At High it is not enough under this policy, and not offered.
    let mut high = world.login_page(&Ask::login().at("High")).await;
    let (status, page) = high.ask(Method::GET, &format!("way/{WITH_CHIP}"), None).await;
    assert_eq!(status, 403, "{page}");

    let no = (403, "means_wrong");
    assert_eq!(refused(&try_at(&world, "Substantial", "synchronised", async |_| replay).await), no, "a replay");
    let unverified = async |c: &[u8]| other.sign(c, "discouraged").await.unwrap();
    assert_eq!(refused(&try_at(&world, "Substantial", "synchronised", unverified).await), no, "nobody verified");
    // A page at another port, which a browser would not stop.
    let own = core::mem::replace(&mut other.origin, "https://localhost:1".parse().unwrap());
    let elsewhere = async |c: &[u8]| other.sign(c, "required").await.unwrap();
    assert_eq!(refused(&try_at(&world, "Substantial", "synchronised", elsewhere).await), no, "another origin");
    other.origin = own;
    // Put back to where it was: frozen.
    world.advance(86_400).await;
    let before = other.kept.clone();
    let right = async |c: &[u8]| other.sign(c, "required").await.unwrap();
    assert_eq!(try_at(&world, "Substantial", "synchronised", right).await.0, 200);
    other.kept = before;
    let back = async |c: &[u8]| other.sign(c, "required").await.unwrap();
    assert_eq!(refused(&try_at(&world, "Substantial", "synchronised", back).await), no, "the counter went back");
    assert!(world.history(&citizen).await.contains(&"chip_frozen".to_owned()));
}
