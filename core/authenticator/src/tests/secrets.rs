//! What is never printed, and what is said instead.

use godkend_protocol::codes::Code;
use godkend_protocol::formats::digits::PinError;
use godkend_protocol::messages::ErrorReply;
use godkend_protocol::messages::pin::PinStatus;

use super::*;
use crate::{Approval, HandedActivation, KeyFailure, Pin};

#[test]
fn a_pin_is_six_digits_and_is_never_printed() {
    for bad in ["", "12345", "1234567", "12345a", " 123456", "12345\u{662}", "\u{ff11}\u{ff12}"] {
        assert_eq!(Pin::new(bad).unwrap_err(), Failure::WeakPin(PinError::Shape), "{bad}");
    }
    let pin = || Pin::new("271828").unwrap();
    let printed = [
        format!("{:?}", pin()),
        format!("{:?}", Approval::Pin(pin())),
        format!("{:?}", Command::ChangePin { identity: None, old: pin(), new: pin() }),
        format!(
            "{:#?}",
            Command::Approve { request: crate::RequestId(1), with: Approval::Pin(pin()), remember_browser: false }
        ),
    ];
    for text in printed {
        assert!(text.contains("[redacted]") && !text.contains("271828"), "{text}");
    }
}

#[test]
fn secrets_on_their_way_to_the_key_store_are_not_printed() {
    let mut phone = Phone::new();
    let request = phone.fetch().id;
    let pin = Pin::new("271828").unwrap();
    let effect = phone.begin(Command::Approve { request, with: Approval::Pin(pin), remember_browser: false });
    let EffectKind::Key(KeyRequest::Derive { input, .. }) = &effect.kind else { panic!("{effect:?}") };
    let text = format!("{effect:?}");
    assert!(text.contains("[redacted]") && !text.contains(&format!("{:?}", input.0)), "{text}");
    let handed = HandedActivation { link: "godkend://activate/secret".to_owned(), expires: WALL };
    assert!(!format!("{handed:?}").contains("secret"));
}

#[test]
fn a_wrong_pin_says_what_is_left() {
    let wrong = |tries_left, wait, dead| Failure::WrongPin(PinStatus { tries_left, wait, rounds_left: 1, dead });
    assert!(wrong(2, 0, false).english().ends_with("Tries left: 2."));
    assert!(wrong(2, 0, false).danish().ends_with("Forsøg tilbage: 2."));
    assert!(wrong(3, 60, false).english().ends_with("Wait 60 seconds."));
    assert!(wrong(3, 60, false).danish().ends_with("Vent 60 sekunder."));
    assert_eq!(wrong(0, 0, true).english(), Code::PinDead.english());
}

#[test]
fn what_failed_is_told_by_what_can_be_done() {
    let refused = |code: &str| {
        let reply = ErrorReply { code: code.to_owned(), retry_after: Some(7), tries_left: None };
        Failure::from(ServerFailure::Refused(reply))
    };
    assert_eq!(Failure::from(ServerFailure::Network), Failure::NoNetwork);
    assert_eq!(Failure::from(ServerFailure::Garbled), Failure::NoNetwork);
    assert_eq!(Failure::from(ServerFailure::Pin), Failure::Untrusted);
    assert_eq!(refused(Code::TransactionExpired.as_str()), Failure::Expired);
    assert_eq!(refused(Code::UpdateNeeded.as_str()), Failure::UpdateNeeded);
    let told = |code| Failure::Refused { code, retry_after: Some(7), tries_left: None };
    assert_eq!(refused(Code::Throttled.as_str()), told(Code::Throttled));
    // A code of a newer server.
    assert_eq!(refused("never_heard_of"), told(Code::Internal));
    assert_eq!(Failure::from(KeyFailure::Invalidated), Failure::KeyInvalidated);
    assert_eq!(Failure::from(KeyFailure::Missing), Failure::KeyMissing);
    assert_eq!(Failure::from(KeyFailure::LockedOut), Failure::LockedOut);
    assert_eq!(Failure::from(KeyFailure::Cancelled), Failure::Cancelled);
}
