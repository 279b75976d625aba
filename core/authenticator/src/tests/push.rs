//! The push address: numbered, its handle stored before it is sent, and known when it comes back.

use godkend_protocol::messages::push::PushAddress;

use super::*;
use crate::PushWish;

fn fcm() -> PushWish {
    PushWish::Set(PushAddress::Fcm { token: "token".to_owned() })
}

fn push(wish: PushWish) -> Command {
    Command::Push { identity: None, wish }
}

/// The last registration that was sent.
fn sent(phone: &Phone) -> PushRegister {
    let (path, body) = phone.sent.last().unwrap();
    assert_eq!(*path, PushRegister::PATH);
    Received::<PushRegister>::parse(body, ENVIRONMENT).unwrap().claimed().clone()
}

fn handle(register: &PushRegister) -> String {
    match &register.change {
        Some(PushChange::Set { handle, .. }) => handle.to_base64(),
        other => panic!("{other:?}"),
    }
}

fn registered(registered: bool) -> Result<Outcome, Failure> {
    Ok(Outcome::Push(PushState { registered, fcm: true, apns: false, web_push: None }))
}

#[test]
fn each_change_has_a_number_of_its_own_and_each_address_a_handle() {
    let mut phone = Phone::new();
    assert_eq!(phone.run(push(fcm())), registered(true));
    let first = sent(&phone);
    assert_eq!((first.device, first.number), (DEVICE, 1));
    let me = phone.machine.identities()[0].id;
    assert_eq!(phone.machine.woken(&handle(&first)), Some(me));
    assert_eq!(phone.run(push(fcm())), registered(true));
    let second = sent(&phone);
    assert_eq!(second.number, 2);
    assert_ne!(handle(&first), handle(&second));
    assert_eq!(phone.run(push(PushWish::Ask)), registered(false));
    assert_eq!(sent(&phone).change, None);
    assert_eq!(phone.run(push(PushWish::Remove)), registered(false));
    assert_eq!((sent(&phone).number, sent(&phone).change), (3, Some(PushChange::Remove)));
    // A wake-up may be on its way still.
    assert_eq!(phone.machine.woken(&handle(&second)), Some(me));
    for unknown in [handle(&first).as_str(), "", "AAAAAAAAAAAAAAAAAAAAAA", "?"] {
        assert_eq!(phone.machine.woken(unknown), None, "{unknown}");
    }
}

#[test]
fn a_kill_on_the_way_loses_neither_handle_nor_number() {
    let mut phone = Phone::new();
    let begun = phone.begin(push(fcm()));
    let sending = phone.advance(begun, |kind| matches!(kind, EffectKind::Send(_)));
    let EffectKind::Send(request) = sending.kind else { unreachable!() };
    let lost = Received::<PushRegister>::parse(&request.body, ENVIRONMENT).unwrap().claimed().clone();
    // Killed here; the server may have taken it.
    let mut again = Phone::new();
    again.machine = Authenticator::new(config(), Some(phone.saved.last().unwrap())).unwrap();
    assert!(again.machine.woken(&handle(&lost)).is_some());
    assert_eq!(again.run(push(fcm())), registered(true));
    assert_eq!(sent(&again).number, lost.number + 1);
    assert!(again.machine.woken(&handle(&lost)).is_some());
}

#[test]
fn what_cannot_be_an_address_is_not_sent_and_no_number_is_used_twice() {
    let mut phone = Phone::new();
    let bad = PushWish::Set(PushAddress::Fcm { token: "a b".to_owned() });
    assert_eq!(phone.run(push(bad)), Err(Failure::NotSupported));
    let mut state = state();
    state.identities[0].push = Some(crate::state::LocalPush { number: u64::MAX, handle: None, previous: None });
    let mut phone = Phone::with(&state);
    for _ in 0..2 {
        assert_eq!(phone.run(push(fcm())), Err(Failure::NotSupported));
    }
    assert!(phone.sent.iter().all(|(path, _)| *path != PushRegister::PATH));
}
