//! `activation/open`: the server's offer. Nothing is stored: the offer is signed and comes back with the enrolment.

use std::sync::Arc;

use godkend_protocol::bytes::random;
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::messages::activation::{ActivationOffer, ActivationOpen};
use godkend_protocol::suite;

use crate::app::App;
use crate::docs;
use crate::error::ApiError;
use crate::phone::{Call, version};
use crate::records::{Account, CodeIndex, Enrolment, EnrolmentKind, Entry};

pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let open: ActivationOpen = cbor::decode(&call.bytes)?;
    version::check(&app.config.app, &open.app_version, app.now())?;
    let enrolment = find(&app, &open, &call.source).await?;
    let account = docs::get::<Account>(&*app.store, &enrolment.account.0).await?.ok_or(Code::ActivationUnknown)?;
    let suite = suite::choose(&open.suites, &app.keys.suites).filter(|suite| *suite >= account.doc.least_suite);
    let suite = suite.ok_or(Code::SuiteRefused)?;
    let hpke = app.keys.hpke(suite).ok_or(Code::SuiteRefused)?;
    let offer = ActivationOffer {
        id: enrolment.id,
        open_hash: crypto::sha256(&[&call.bytes]),
        suite,
        hpke_key: hpke.public().clone(),
        nonce: random(&mut app.rng()),
        issued: app.now(),
        security: app.attestation.least_security(),
        key_set: app.keys.key_set_number,
    };
    Ok(app.keys.sign_challenge(&offer))
}

/// The activation that is meant. One that does not exist costs its source, and nobody else.
async fn find(app: &App, open: &ActivationOpen, source: &str) -> Result<Enrolment, ApiError> {
    let (per_minute, now_ms) = (app.config.limits.unknown_names_per_source_minute, app.clock.now_ms());
    app.throttle.check("unknown_activation", source, per_minute, now_ms)?;
    let found: Option<Entry<Enrolment>> = match (&open.id, &open.name) {
        (Some(id), None) => docs::get(&*app.store, &id.0).await?,
        (None, Some(name)) => match docs::get::<CodeIndex>(&*app.store, &name.0).await? {
            Some(index) => docs::get(&*app.store, &index.doc.enrolment.0).await?,
            None => None,
        },
        _ => return Err(Code::Malformed.into()),
    };
    // A name leads to codes alone. One that has been used holds its secret no more, and must still say so.
    let fits = |doc: &Enrolment| doc.kind == EnrolmentKind::Activation && (open.name.is_some() || doc.code.is_none());
    let meant = found.filter(|entry| fits(&entry.doc));
    let Some(entry) = meant else {
        app.throttle.take("unknown_activation", source, per_minute, now_ms)?;
        return Err(Code::ActivationUnknown.into());
    };
    usable(&entry.doc, app.now())?;
    Ok(entry.doc)
}

/// Whether a phone may still take an activation at `now` (Unix seconds).
pub(super) fn usable(enrolment: &Enrolment, now: i64) -> Result<(), ApiError> {
    if enrolment.stage.is_some() {
        return Err(Code::ActivationUsed.into());
    }
    if enrolment.tries_left == 0 {
        return Err(Code::ActivationBlocked.into());
    }
    if now >= enrolment.expires {
        return Err(Code::ActivationExpired.into());
    }
    Ok(())
}
