//! Commands that meet each other, end early, or cannot be stored.

use super::*;
use crate::{Approval, KeyFailure, Pin};

fn is_send(kind: &EffectKind) -> bool {
    matches!(kind, EffectKind::Send(_))
}

fn is_persist(kind: &EffectKind) -> bool {
    matches!(kind, EffectKind::Persist { .. })
}

#[test]
fn two_commands_that_change_one_identity_exclude_each_other() {
    let mut phone = Phone::new();
    let request = phone.fetch().id;
    let first = phone.begin(Command::Deny { request });
    for second in [
        Command::Deny { request },
        Command::Approve { request, with: Approval::Biometric, remember_browser: false },
        Command::Block { identity: None },
        Command::SetLockedPush { identity: None, on: false, with: Approval::Biometric },
    ] {
        let effect = phone.begin(second);
        assert_eq!(done(&effect), Some(&Failure::Busy), "{effect:?}");
    }
    // One that changes nothing may run beside it, and the first ends as if nothing had happened.
    let beside = phone.fetch();
    assert_eq!(beside.transaction, TRANSACTION);
    assert_eq!(phone.finish(first), Ok(Outcome::Refused));
    let request = phone.fetch().id;
    assert_eq!(phone.run(Command::Deny { request }), Ok(Outcome::Refused));
}

#[test]
fn a_cancelled_command_ends_and_releases_its_identity() {
    let mut phone = Phone::new();
    let request = phone.fetch().id;
    let first = phone.begin(Command::Deny { request });
    let ticket = first.ticket;
    let ended = phone.input(Input::Cancel(ticket)).unwrap();
    assert_eq!((ended.ticket, done(&ended)), (ticket, Some(&Failure::Cancelled)));
    // What was asked for comes too late.
    assert_eq!(phone.input(Input::Reply(ticket, Reply::Key(Err(KeyFailure::Failed)))), None);
    assert_eq!(phone.input(Input::Cancel(ticket)), None);
    assert_eq!(phone.run(Command::Deny { request }), Ok(Outcome::Refused));
}

#[test]
fn an_answer_cancelled_on_its_way_is_settled_with_the_same_bytes() {
    let mut phone = Phone::new();
    let request = phone.fetch().id;
    let first = phone.begin(Command::Deny { request });
    let sending = phone.advance(first, is_send);
    let EffectKind::Send(lost) = sending.kind else { unreachable!() };
    phone.input(Input::Cancel(sending.ticket)).unwrap();
    assert!(phone.machine.identities()[0].unsettled);
    assert_eq!(phone.run(Command::Resume), Ok(Outcome::Resumed { settled: 1, open: 0 }));
    assert_eq!(phone.sent.last(), Some(&(AnswerRequest::PATH, lost.body)));
    assert!(!phone.machine.identities()[0].unsettled);
}

#[test]
fn nothing_is_sent_after_a_save_that_failed() {
    let pin = || Approval::Pin(Pin::new("271828").unwrap());
    for with in [None, Some(Approval::Biometric), Some(pin())] {
        let mut phone = Phone::new();
        let request = phone.fetch().id;
        phone.stores = false;
        phone.sent.clear();
        let command = match with {
            None => Command::Deny { request },
            Some(with) => Command::Approve { request, with, remember_browser: false },
        };
        assert_eq!(phone.run(command), Err(Failure::Storage));
        assert_eq!(phone.saved.len(), 1);
        // Memory may be ahead of the store, so even a store that is well again does not make the machine go on.
        phone.stores = true;
        for command in [
            Command::Resume,
            Command::Deny { request },
            Command::Poll { identity: None, wait: 0 },
            Command::Open { identity: None, id: TRANSACTION },
            Command::Block { identity: None },
            Command::ChangePin { identity: None, old: Pin::new("271828").unwrap(), new: Pin::new("314159").unwrap() },
        ] {
            let effect = phone.begin(command);
            assert_eq!(done(&effect), Some(&Failure::Storage), "{effect:?}");
        }
        assert_eq!(phone.sent, []);
    }
}

#[test]
fn a_command_under_way_cannot_save_after_a_save_that_failed() {
    let mut phone = Phone::new();
    let request = phone.fetch().id;
    let other = phone.begin(Command::BlockCodeNoted { identity: None });
    let deny = phone.begin(Command::Deny { request });
    assert!(is_persist(&other.kind));
    let failed = phone.input(Input::Reply(other.ticket, Reply::Persisted(false))).unwrap();
    assert_eq!(done(&failed), Some(&Failure::Storage));
    phone.sent.clear();
    assert_eq!(phone.finish(deny), Err(Failure::Storage));
    assert_eq!(phone.sent, []);
}

#[test]
fn replies_to_nobody_and_of_the_wrong_kind_do_no_harm() {
    let mut phone = Phone::new();
    for reply in [Reply::Persisted(true), Reply::Server(Ok(vec![1])), Reply::Key(Err(KeyFailure::Failed))] {
        assert_eq!(phone.input(Input::Reply(NOBODY, reply)), None);
    }
    assert_eq!(phone.input(Input::Cancel(NOBODY)), None);
    let request = phone.fetch().id;
    let first = phone.begin(Command::Deny { request });
    let ended = phone.input(Input::Reply(first.ticket, Reply::Persisted(true))).unwrap();
    assert_eq!(done(&ended), Some(&Failure::NotSupported));
    assert_eq!(phone.run(Command::Deny { request }), Ok(Outcome::Refused));
}

#[test]
fn a_lost_network_keeps_the_answer() {
    let mut phone = Phone::new();
    let request = phone.fetch().id;
    phone.network = false;
    assert_eq!(phone.run(Command::Deny { request }), Err(Failure::NoNetwork));
    let sent = phone.sent.last().cloned();
    assert_eq!(phone.run(Command::Resume), Ok(Outcome::Resumed { settled: 0, open: 1 }));
    // Killed, and started again from what was stored.
    let stored = State::from_bytes(phone.saved.last().unwrap()).unwrap();
    let mut phone = Phone::with(&stored);
    assert_eq!(phone.run(Command::Resume), Ok(Outcome::Resumed { settled: 1, open: 0 }));
    assert_eq!(phone.sent.last().cloned(), sent);
}
