//! What was stored is read back whole or refused.

use proptest::prelude::*;

use super::*;
use crate::StateError;
use crate::history::{HistoryEvent, HistoryLine};
use crate::state::{Change, InFlight, PendingActivation};

/// A state with something in every field.
fn full() -> State {
    let line = HistoryLine {
        at: WALL,
        event: HistoryEvent::Approved,
        relying_party: Some("Bank".to_owned()),
        action: Some(Action::LogOn),
        text: Some("Ærø".to_owned()),
        place: None,
        code: None,
    };
    let mut state = state();
    let keys = state.identities[0].keys.clone();
    state.identities[0].in_flight = Some(InFlight {
        request: Blob(vec![1, 2, 3]),
        answer: Fixed([8; 32]),
        change: Change::Keys { new: keys.clone() },
        line: line.clone(),
    });
    state.identities[0].note(line);
    state.activation = Some(PendingActivation { root: root().fingerprint(), keys, sealed: None, suite: Suite::P256 });
    state.orphans.push(Alias("orphan".to_owned()));
    state
}

fn open(bytes: &[u8]) -> Result<(), StateError> {
    Authenticator::new(config(), Some(bytes)).map(|_| ())
}

fn with_sum(body: &[u8]) -> Vec<u8> {
    [body, &crypto::sha256(&[body]).0].concat()
}

#[test]
fn a_state_is_read_back_as_it_was() {
    assert_eq!(State::from_bytes(&full().to_bytes()).unwrap(), full());
    assert_eq!(State::from_bytes(&State::new().to_bytes()).unwrap(), State::new());
}

#[test]
fn a_state_cut_at_any_length_is_damaged() {
    let bytes = full().to_bytes();
    for length in 0..bytes.len() {
        assert_eq!(open(&bytes[..length]), Err(StateError::Damaged), "{length}");
        // A store that makes its own checksums over a cut body is no better.
        if length < bytes.len() - 32 {
            assert_eq!(open(&with_sum(&bytes[..length])), Err(StateError::Damaged), "{length} with a fitting sum");
        }
    }
    assert_eq!(open(&[bytes.as_slice(), &[0]].concat()), Err(StateError::Damaged));
}

#[test]
fn a_state_with_any_bit_flipped_is_damaged() {
    let mut bytes = full().to_bytes();
    for place in 0..bytes.len() {
        for bit in 0..8 {
            bytes[place] ^= 1 << bit;
            assert_eq!(open(&bytes), Err(StateError::Damaged), "bit {bit} of byte {place}");
            bytes[place] ^= 1 << bit;
        }
    }
    assert_eq!(open(&bytes), Ok(()));
}

#[test]
fn a_newer_format_is_refused_as_newer() {
    let mut state = full();
    state.format += 1;
    assert_eq!(open(&state.to_bytes()), Err(StateError::Newer));
    state.format = 0;
    assert_eq!(open(&state.to_bytes()), Ok(()));
}

proptest! {
    #[test]
    fn no_bytes_crash_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(open(&bytes), Err(StateError::Damaged));
        // With a fitting checksum the decoder itself has to hold.
        prop_assert_eq!(open(&with_sum(&bytes)), Err(StateError::Damaged));
    }
}
