//! What the fuzzer found: clocks and counters at their ends, and a key set that names no server.

use super::*;
use crate::{Approval, Pin};

#[test]
fn no_clock_brings_the_phone_down() {
    for wall in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
        let mut phone = Phone::new();
        phone.now.wall = wall;
        let opened = phone.run(Command::Open { identity: None, id: TRANSACTION });
        // A clock that is years ahead says that the server's keys have expired; one that is behind changes nothing.
        match wall {
            i64::MAX => assert_eq!(opened, Err(Failure::ClockWrong)),
            _ => assert!(matches!(opened, Ok(Outcome::Request(_))), "{wall}: {opened:?}"),
        }
    }
}

#[test]
fn a_request_at_the_end_of_the_monotonic_clock_has_expired() {
    let mut phone = Phone::new();
    phone.now.monotonic_ms = u64::MAX;
    let request = phone.fetch();
    assert_eq!(request.expires_at_ms, Some(u64::MAX));
    assert_eq!(phone.run(Command::Deny { request: request.id }), Err(Failure::Expired));
}

#[test]
fn a_counter_at_its_end_is_not_used_again() {
    let mut state = state();
    state.identities[0].exchange = u64::MAX;
    state.identities[0].generation = u32::MAX;
    let mut phone = Phone::with(&state);
    let request = phone.fetch().id;
    let pin = || Pin::new("271828").unwrap();
    let with = Approval::Pin(pin());
    let approved = phone.run(Command::Approve { request, with, remember_browser: false });
    assert_eq!(approved, Err(Failure::NotSupported));
    assert_eq!(phone.run(Command::EnableBiometrics { identity: None, pin: pin() }), Err(Failure::NotSupported));
}

#[test]
fn a_key_set_without_pins_opens_no_connection() {
    let mut state = state();
    state.trusted[0].key_set = Blob(key_set_with(Vec::new()));
    let open = || Command::Open { identity: None, id: TRANSACTION };
    // The server has no better one, or cannot be asked.
    let mut phone = Phone::with(&state);
    phone.network = false;
    assert_eq!(phone.run(open()), Err(Failure::NoNetwork));
    assert_eq!(phone.sent.iter().map(|(path, _)| *path).collect::<Vec<_>>(), ["keys"]);
    // It has: the phone takes it, and goes on.
    let mut phone = Phone::with(&state);
    assert!(matches!(phone.run(open()), Ok(Outcome::Request(_))));
    assert_eq!(phone.sent.iter().map(|(path, _)| *path).collect::<Vec<_>>(), ["keys", Fetch::PATH]);
}
