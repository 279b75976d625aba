//! `activation/enrol`: the first valid message takes the activation, with one conditional commit. The same bytes get the
//! same reply.

use std::sync::Arc;

use godkend_protocol::bytes::{Blob, Hash32, Id, Nonce, Secret, random};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose;
use godkend_protocol::crypto;
use godkend_protocol::messages::activation::{
    ActivationOffer, ActivationOpen, Enrol, EnrolCore, EnrolProof, EnrolReply, SealedEnrol, SealedReply, Stage,
    full_transcript, mac_key, transcript,
};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::suite::{Psk, ReplyKey, Sealed};
use godkend_protocol::text::{self, MAX_NAME};
use godkend_protocol::types::{DeviceInfo, KeyPurpose};

use super::{KEPT, MOST_DEVICES, effective_state, open, seconds, verify_keys};
use crate::app::App;
use crate::audit::{AuditEntry, logged_keys};
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::phone::{Call, reply, version};
use crate::records::{
    Account, AppAttest, BlockCodeIndex, Device, EnrolledKey, Enrolment, EnrolmentKind, Entry, HandedOutBy,
};

pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let request: SealedEnrol = cbor::decode(&call.bytes)?;
    let received = app.keys.open_own::<ActivationOffer>(&request.offer.0)?;
    let call_hash = crypto::sha256(&[&call.bytes]);
    docs::retry(|| attempt(&app, &request, received.claimed(), received.payload(), call_hash, &call.source)).await
}

async fn attempt(
    app: &App,
    request: &SealedEnrol,
    offer: &ActivationOffer,
    offer_payload: &[u8],
    call_hash: Hash32,
    source: &str,
) -> Result<Vec<u8>, ApiError> {
    let mut enrolment = docs::get::<Enrolment>(&*app.store, &offer.id.0).await?.ok_or(Code::ActivationUnknown)?;
    if enrolment.doc.kind != EnrolmentKind::Activation {
        return Err(Code::ActivationUnknown.into());
    }
    if let Some((hash, sealed)) = &enrolment.doc.taken_by
        && *hash == call_hash
    {
        return Ok(sealed.0.clone());
    }
    let now = app.now();
    open::usable(&enrolment.doc, now)?;
    let finish_before = offer.issued.saturating_add(seconds(app.config.activation.first_approval_seconds));
    if now >= finish_before {
        return Err(Code::ActivationExpired.into());
    }
    let (enrol, reply_key) = unseal(app, request, offer, &enrolment.doc)?;
    let transcript = match check_mac(&enrol, offer, offer_payload, &enrolment.doc) {
        Err(refusal) if refusal.code == Code::ActivationRefused => {
            return Err(spend_try(app, enrolment, now).await?);
        }
        checked => checked?,
    };
    let core: EnrolCore = cbor::decode(&enrol.core.0)?;
    let (keys, vouching) = check_keys(app, &core, &enrol.proof, offer, &transcript)?;
    let mut account =
        docs::get::<Account>(&*app.store, &enrolment.doc.account.0).await?.ok_or(Code::ActivationUnknown)?;
    if account.doc.blocked {
        return Err(Code::IdentityBlocked.into());
    }
    if offer.suite < account.doc.least_suite {
        return Err(Code::SuiteRefused.into());
    }
    check_room(app, &account.doc, &enrolment.doc).await?;

    let mut rng = app.rng();
    let nonce: Nonce = random(&mut rng);
    let full = full_transcript(&transcript, &nonce);
    let mut device =
        new_device(app, &account.doc.id, offer, &core, keys, full, random(&mut rng), Secret::random(&mut rng));
    device.app_attest = vouching;
    let answer = EnrolReply {
        transcript,
        nonce,
        account: account.doc.id,
        device: device.id,
        identity_name: account.doc.name.clone(),
        ratchet: device.ratchet.clone(),
        finish_before,
    };
    let sealed = reply(&SealedReply { ciphertext: Blob(reply_key.seal(&app.keys.sign_challenge(&answer))) });
    let doc = &mut enrolment.doc;
    doc.stage = Some(Stage::Digits);
    doc.device = Some(device.id);
    doc.transcript = Some(full);
    doc.finish_before = Some(finish_before);
    doc.taken_by = Some((call_hash, Blob(sealed.clone())));
    doc.place = Some(source.to_owned());
    doc.purge = finish_before.saturating_add(KEPT);
    // Used up: whoever reads the database later learns nothing from it.
    doc.link_secret = None;
    doc.code = None;
    account.doc.least_suite = account.doc.least_suite.max(offer.suite);
    let mut changes = Changes::new();
    // Writing the account serialises its enrolments, so that the limit of devices holds under races.
    changes.update(&enrolment).update(&account).insert(&device);
    super::put_due(&mut changes, &enrolment.doc);
    changes.insert(&BlockCodeIndex { hash: device.block_code, device: device.id });
    changes.log(&AuditEntry::DeviceEnrolled {
        device: device.id,
        account: account.doc.id,
        enrolment: enrolment.doc.id,
        transcript: full,
        keys: logged_keys(&device.keys),
        suite: device.suite,
        at: now,
    });
    changes.log(&AuditEntry::Ratchet {
        device: device.id,
        count: 0,
        ratchet: device.ratchet.clone(),
        answer: None,
        at: now,
    });
    let about = About::device(device.id).with(serde_json::json!({"model": device.info.model, "place": source}));
    history::add(&mut changes, app, account.doc.id, "activation_taken", about);
    changes.commit(&*app.store).await?;
    app.log.wake();
    app.wake.all(account.doc.id);
    Ok(sealed)
}

/// Opens the envelope. A link's secret is part of HPKE; a code's is proved by the MAC.
fn unseal(
    app: &App,
    request: &SealedEnrol,
    offer: &ActivationOffer,
    enrolment: &Enrolment,
) -> Result<(Enrol, ReplyKey), ApiError> {
    let hpke =
        app.keys.hpke(offer.suite).filter(|key| *key.public() == offer.hpke_key).ok_or(Code::ActivationExpired)?;
    let sealed = Sealed { enc: request.enc.clone(), ciphertext: request.ciphertext.clone() };
    let psk = enrolment.link_secret.as_ref().map(|secret| Psk { secret, id: &enrolment.id });
    let (plaintext, reply_key) =
        hpke.open(psk, &request.offer.0, &sealed).map_err(|_| ApiError::from(Code::ActivationRefused))?;
    Ok((cbor::decode(&plaintext)?, reply_key))
}

/// Checks that the message answers this offer and comes from the holder of the secret; returns the transcript.
fn check_mac(
    enrol: &Enrol,
    offer: &ActivationOffer,
    offer_payload: &[u8],
    enrolment: &Enrolment,
) -> Result<Hash32, ApiError> {
    if crypto::sha256(&[&enrol.open.0]) != offer.open_hash {
        return Err(Code::Malformed.into());
    }
    cbor::decode::<ActivationOpen>(&enrol.open.0)?;
    let transcript = transcript(&enrol.open.0, offer_payload, &enrol.core.0);
    let secret: &[u8] = match (&enrolment.link_secret, &enrolment.code) {
        (Some(secret), _) => &secret.0,
        (None, Some((_, secret))) => &secret.0,
        (None, None) => return Err(Code::ActivationUsed.into()),
    };
    let key = mac_key(secret, &enrolment.id);
    let mac = crypto::hmac_sha256(&key.0, &[&transcript.0]);
    if crypto::same(&mac.0, &enrol.mac.0) { Ok(transcript) } else { Err(Code::ActivationRefused.into()) }
}

/// A wrong code costs one of its tries; gives the refusal.
async fn spend_try(app: &App, mut enrolment: Entry<Enrolment>, now: i64) -> Result<ApiError, ApiError> {
    let doc = &mut enrolment.doc;
    doc.tries_left = doc.tries_left.saturating_sub(1);
    let left = doc.tries_left;
    let spent = AuditEntry::EnrolmentSpent {
        enrolment: doc.id,
        tries_left: left,
        digits_left: doc.digits_left,
        void: left == 0,
        at: now,
    };
    let account = doc.account;
    let mut changes = Changes::new();
    changes.update(&enrolment).log(&spent);
    if left == 0 {
        history::add(&mut changes, app, account, "activation_blocked", About::default());
    }
    changes.commit(&*app.store).await?;
    app.log.wake();
    Ok(if left == 0 { Code::ActivationBlocked.into() } else { ApiError::tries(Code::ActivationRefused, left) })
}

fn check_keys(
    app: &App,
    core: &EnrolCore,
    proof: &Blob,
    offer: &ActivationOffer,
    transcript: &Hash32,
) -> Result<(Vec<EnrolledKey>, Option<AppAttest>), ApiError> {
    let possession = core.keys.iter().find(|key| key.purpose == KeyPurpose::Possession).ok_or(Code::Malformed)?;
    let proof: EnrolProof = cose::open(&proof.0, app.environment(), &possession.public)?;
    if proof.transcript != *transcript {
        return Err(Code::SignatureInvalid.into());
    }
    version::check(&app.config.app, &core.info.app_version, app.now())?;
    if core.info.model.len() > 1024 || core.info.platform.len() > 1024 {
        return Err(Code::Malformed.into());
    }
    let present: Vec<KeyPurpose> = core.keys.iter().map(|key| key.purpose).collect();
    let (keys, vouching) = verify_keys(app, &core.keys, offer.nonce.as_bytes(), &offer.id, &present, None)?;
    let least = app.attestation.least_security();
    let weak = keys.iter().any(|key| key.purpose == KeyPurpose::Possession && key.security < least);
    if weak || core.pepper_security < least { Err(Code::AttestationRefused.into()) } else { Ok((keys, vouching)) }
}

/// At most three apps: those that are active and those that are on their way. The one that a move replaces goes.
async fn check_room(app: &App, account: &Account, enrolment: &Enrolment) -> Result<(), ApiError> {
    let now = app.now();
    let devices = super::all_of::<Device>(app, &account.id).await?;
    let enrolments = super::all_of::<Enrolment>(app, &account.id).await?;
    let replaced = match &enrolment.handed_out_by {
        HandedOutBy::Device { device, keep: false } => Some(*device),
        HandedOutBy::Device { .. } | HandedOutBy::Desk(_) | HandedOutBy::SelfService => None,
    };
    let counts = |device: &Device| {
        let own =
            enrolments.iter().find(|e| e.doc.device == Some(device.id) && e.doc.kind == EnrolmentKind::Activation);
        let state = own.map_or(device.state, |own| effective_state(device, &own.doc, now));
        matches!(state, DeviceState::Active | DeviceState::Enrolling) && Some(device.id) != replaced
    };
    let taken = devices.iter().filter(|entry| counts(&entry.doc)).count();
    if taken < MOST_DEVICES { Ok(()) } else { Err(Code::DeviceLimit.into()) }
}

#[allow(clippy::too_many_arguments, reason = "each is a part of the record, drawn or checked by the only caller")]
fn new_device(
    app: &App,
    account: &Id,
    offer: &ActivationOffer,
    core: &EnrolCore,
    keys: Vec<EnrolledKey>,
    transcript: Hash32,
    id: Id,
    ratchet: Secret<16>,
) -> Device {
    let info = &core.info;
    let language =
        if ["da", "en", "kl"].contains(&info.language.as_str()) { info.language.clone() } else { "en".to_owned() };
    let possession = keys.iter().find(|key| key.purpose == KeyPurpose::Possession);
    let security = possession.map_or(app.attestation.least_security(), |key| key.security);
    Device {
        id,
        account: *account,
        state: DeviceState::Enrolling,
        info: DeviceInfo {
            model: text::tame(&info.model, MAX_NAME),
            platform: text::tame(&info.platform, MAX_NAME),
            app_version: info.app_version.clone(),
            language,
        },
        security,
        keys,
        suite: offer.suite,
        enrolled: app.now(),
        last_used: None,
        ratchet_count: 0,
        ratchet,
        last_answer: None,
        block_code: core.block_code_hash,
        pin: None,
        epoch: app.log.epoch(),
        restored: app.restored(),
        transcript,
        app_attest: None,
        push: None,
    }
}
