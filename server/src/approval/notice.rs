//! Notices: the person's other phones are told of every new device and of every PIN reset, each by a transaction of its
//! own. Approving one acknowledges it on that phone alone. Refusing or reporting one stops an activation that still waits,
//! and ends the others. What is in use already it only disputes, in history and log: a refusal proves nobody, and whoever
//! holds an old phone could else block the one that its owner has just activated.

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::text;
use godkend_protocol::types::{Decision, Operation};
use serde_json::json;

use super::manage::own_transaction;
use super::transaction::{check_open, close, id_of, put_open};
use crate::activation::{self, NOTICE_SECONDS, stage_now};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{Addressed, AddressedBy, Device, Enrolment, EnrolmentKind, Entry, HandedOutBy, Transaction};

/// Tells each of `siblings` of a finished enrolment of `device`.
pub(super) fn tell(
    app: &App,
    changes: &mut Changes,
    device: &Device,
    enrolment: &Enrolment,
    siblings: &[Entry<Device>],
    now: i64,
) {
    let operation = Operation::NewDeviceNotice { activation: enrolment.id };
    for sibling in siblings.iter().filter(|sibling| sibling.doc.state != DeviceState::Removed) {
        let mut notice = own_transaction(app, id(&enrolment.id, &sibling.doc.id), operation.clone());
        notice.text = Some(sentence(device, enrolment, &sibling.doc.info.language));
        notice.expires = enrolment.active_from.unwrap_or_else(|| now.saturating_add(NOTICE_SECONDS));
        notice.addressed = Some(Addressed { account: Some(device.account), by: AddressedBy::Notice(sibling.doc.id) });
        put_open(changes, &notice, device.account, false);
        changes.insert(&notice);
    }
}

/// What refusing or reporting a notice does. Nothing for any other transaction.
pub(super) async fn refused(
    app: &App,
    changes: &mut Changes,
    transaction: &Transaction,
    decision: Decision,
    now: i64,
) -> Result<(), ApiError> {
    let Some(Operation::NewDeviceNotice { activation }) = &transaction.operation else { return Ok(()) };
    let Some(Addressed { account: Some(account), by: AddressedBy::Notice(own) }) = &transaction.addressed else {
        return Err(Code::Internal.into());
    };
    let Some(mut enrolment) = docs::get::<Enrolment>(&*app.store, &activation.0).await? else { return Ok(()) };
    let Some(id) = enrolment.doc.device.filter(|_| enrolment.doc.account == *account) else { return Ok(()) };
    let Some(mut device) = docs::get::<Device>(&*app.store, &id.0).await? else { return Ok(()) };
    let details = json!({
        "model": device.doc.info.model, "by": "notice", "reported": decision == Decision::ReportFraud, "alert": true,
    });
    match (stage_now(&enrolment.doc, now), device.doc.state) {
        (Some(Stage::Waiting { .. }), _) => {
            activation::stop(changes, &mut enrolment.doc, Some(&mut device.doc), "stopped", now);
            changes.update(&enrolment).update(&device);
            end_others(app, changes, account, activation, own, now).await?;
            history::add(changes, app, *account, "activation_stopped", About::device(id).with(details));
        }
        // Done already: a desk handed it out, or has let the PIN be set anew. The other phones go on asking.
        (Some(Stage::Active), DeviceState::Active | DeviceState::Frozen | DeviceState::Enrolling) => {
            let reported = decision == Decision::ReportFraud;
            changes.log(&AuditEntry::NoticeRefused { device: id, account: *account, by: *own, reported, at: now });
            history::add(changes, app, *account, "notice_refused", About::device(id).with(details));
        }
        _ => {}
    }
    Ok(())
}

/// Ends the notices of the person's other phones where nothing is left to decide.
async fn end_others(
    app: &App,
    changes: &mut Changes,
    account: &Id,
    enrolment: &Id,
    own: &Id,
    now: i64,
) -> Result<(), ApiError> {
    for sibling in activation::all_of::<Device>(app, account).await? {
        if sibling.doc.id == *own {
            continue;
        }
        let other = docs::get::<Transaction>(&*app.store, &id(enrolment, &sibling.doc.id).0).await?;
        if let Some(mut other) = other.filter(|other| check_open(&other.doc, now).is_ok()) {
            close(app, changes, &mut other, now).await?;
        }
    }
    Ok(())
}

/// Of this activation or reset, for this device. Both names are random.
fn id(activation: &Id, device: &Id) -> Id {
    id_of(&crypto::labelled_hash("godkend/1/notice", &[&activation.0, &device.0]))
}

/// What the phone shows, in its language: the model alone while there is time to refuse.
fn sentence(device: &Device, enrolment: &Enrolment, language: &str) -> String {
    let model = text::tame(&device.info.model, text::MAX_NAME);
    let by_desk = matches!(enrolment.handed_out_by, HandedOutBy::Desk(_));
    let (danish, english) = match (enrolment.kind, by_desk) {
        (EnrolmentKind::PinReset, _) => ("ny PIN-kode efter ny legitimation.", "new PIN after proofing again."),
        (EnrolmentKind::Activation, true) => ("er aktiveret ved en skranke.", "was activated at a desk."),
        (EnrolmentKind::Activation, false) if enrolment.active_from.is_some() => return model,
        (EnrolmentKind::Activation, false) => ("er aktiveret.", "was activated."),
    };
    if language == "en" {
        format!("{model}: {english} Not you? Refuse, and remove it.")
    } else {
        format!("{model}: {danish} Ikke dig? Afvis og fjern den.")
    }
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;

    use super::super::testing::device;
    use super::*;

    fn enrolment(kind: EnrolmentKind, by: HandedOutBy, active_from: Option<i64>) -> Enrolment {
        Enrolment {
            id: Fixed([2; 16]),
            account: Fixed([3; 16]),
            kind,
            link_secret: None,
            code: None,
            tries_left: 5,
            expires: 600,
            finish_before: None,
            stage: None,
            device: None,
            transcript: None,
            digits_left: 3,
            taken_by: None,
            place: None,
            handed_out_by: by,
            active_from,
            pin: None,
            purge: 0,
        }
    }

    #[test]
    fn a_notice_says_what_happened_in_the_phones_language_and_fits() {
        let mut new = device();
        new.info.model = "Fairphone".to_owned();
        let desk = || HandedOutBy::Desk("a".to_owned());
        let other = HandedOutBy::Device { device: Fixed([9; 16]), keep: true };
        let waiting = enrolment(EnrolmentKind::Activation, other, Some(9));
        assert_eq!(sentence(&new, &waiting, "da"), "Fairphone");
        let reset = enrolment(EnrolmentKind::PinReset, desk(), None);
        assert_eq!(
            sentence(&new, &reset, "en"),
            "Fairphone: new PIN after proofing again. Not you? Refuse, and remove it."
        );
        let by_desk = enrolment(EnrolmentKind::Activation, desk(), None);
        assert!(sentence(&new, &by_desk, "da").contains("ved en skranke"));
        new.info.model = "x".repeat(200);
        for enrolment in [&waiting, &reset, &by_desk] {
            for language in ["da", "en", "kl"] {
                let sentence = sentence(&new, enrolment, language);
                assert!(text::check(&sentence, text::MAX_REFERENCE_TEXT).is_ok(), "{sentence}");
            }
        }
    }

    #[test]
    fn each_phone_has_a_notice_of_its_own() {
        let (a, b) = (Fixed([1; 16]), Fixed([2; 16]));
        assert_eq!(id(&a, &b), id(&a, &b));
        assert_ne!(id(&a, &b), id(&a, &a));
        assert_ne!(id(&a, &b), id(&b, &a));
    }
}
