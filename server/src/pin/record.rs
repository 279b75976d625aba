//! A PIN's record: how it comes to be, and how a try ends.

use godkend_protocol::bytes::{Fixed, Hash32, Id};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role};
use godkend_protocol::crypto;
use godkend_protocol::messages::approval::PinProof;
use godkend_protocol::messages::pin::{PinContext, PinEnrol, PinEnrolRequest};
use godkend_protocol::opaque;

use crate::app::App;
use crate::error::ApiError;
use crate::phone::request;
use crate::records::{Device, PinRecord};

/// OPAQUE's credential identifier: the device and the context that the PIN is registered in.
///
/// Not the device alone: a registration evaluates the same function as a try, without a debit. Were its key that of the
/// record in use, one debited KE2 and free registrations would test every PIN.
#[must_use]
pub fn credential(device: &Id, context: &PinContext) -> Id {
    let hash = crypto::labelled_hash("godkend/1/credential", &[&device.0, &cbor::encode(context)]);
    let mut id = [0; 16];
    id.copy_from_slice(&hash.0[..16]);
    Fixed(id)
}

/// Checks a new PIN's record, which `possession` and the `pin` key itself have signed in `context`.
///
/// # Errors
/// [`Code::SignatureInvalid`], [`Code::Malformed`], or [`Code::ChallengeInvalid`] if it belongs elsewhere.
pub fn check_enrol(
    app: &App,
    request: &PinEnrolRequest,
    device: &Device,
    context: &PinContext,
) -> Result<PinRecord, ApiError> {
    let received = Received::<PinEnrol>::parse(&request.enrol.0, app.environment())?;
    received.check(&request::possession(device)?)?;
    let enrol = received.claimed();
    if enrol.device != device.id || enrol.context != *context {
        return Err(Code::ChallengeInvalid.into());
    }
    if !app.keys.opaque.contains_key(&enrol.seed) {
        return Err(Code::Malformed.into());
    }
    if !crypto::is_valid_point(&enrol.pin_key) || device.keys.iter().any(|key| key.public == enrol.pin_key) {
        return Err(Code::Malformed.into());
    }
    received.check_as(Role::Pin, &enrol.pin_key, &request.pin_signature)?;
    let record = opaque::finish_registration(&enrol.upload.0).map_err(|_| Code::Malformed)?;
    Ok(PinRecord {
        seed: enrol.seed,
        credential: credential(&device.id, context),
        record,
        key: enrol.pin_key,
        debits: 0,
        last_debit: 0,
        exchange: None,
        // Numbers go on rising over a change of PIN, so that no start of the old one is ever taken again.
        last_exchange: device.pin.as_ref().map_or(0, |pin| pin.last_exchange),
        enrolled: 0,
    })
}

/// Ends a try. A right PIN clears the debits; a wrong one closes the exchange, and the caller commits that too.
///
/// # Errors
/// [`Code::PinWrong`]; [`Code::PinExchangeClosed`] and [`Code::ChallengeInvalid`], which change nothing.
pub fn prove(record: &mut PinRecord, proof: &PinProof, challenge: &Hash32) -> Result<(), ApiError> {
    let exchange = record.exchange.as_ref().filter(|open| open.number == proof.exchange);
    let exchange = exchange.ok_or(Code::PinExchangeClosed)?;
    // OPAQUE bound its context at the start; the library does not look at it again.
    if exchange.challenge != *challenge {
        return Err(Code::ChallengeInvalid.into());
    }
    let result = opaque::finish_try(&exchange.state, &proof.ke3.0);
    record.exchange = None;
    result.map_err(|_| Code::PinWrong)?;
    record.debits = 0;
    Ok(())
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::{Blob, Secret, random};
    use godkend_protocol::opaque::{Registering, ServerSecrets, Trying};

    use super::*;
    use crate::records::Exchange;

    fn register(server: &ServerSecrets, credential: &Id, pin: Secret<32>) -> PinRecord {
        let mut rng = crate::ops::tls::system_random();
        let (phone, request) = Registering::start(&mut rng, pin).unwrap();
        let response = server.register(&request.0, credential).unwrap();
        let done = phone.finish(&mut rng, &response.0).unwrap();
        PinRecord {
            seed: 1,
            credential: *credential,
            record: opaque::finish_registration(&done.upload.0).unwrap(),
            key: Fixed([4; 65]),
            debits: 2,
            last_debit: 0,
            exchange: None,
            last_exchange: 0,
            enrolled: 0,
        }
    }

    fn start(server: &ServerSecrets, record: &mut PinRecord, pin: Secret<32>, challenge: Hash32) -> PinProof {
        let mut rng = crate::ops::tls::system_random();
        let (phone, ke1) = Trying::start(&mut rng, pin).unwrap();
        let started = server.start_try(&mut rng, &record.record.0, &ke1.0, &record.credential, &challenge).unwrap();
        record.last_exchange += 1;
        record.exchange = Some(Exchange {
            number: record.last_exchange,
            start: Fixed([0; 32]),
            challenge,
            reply: Blob(vec![]),
            state: started.state,
        });
        let ke3 = phone.finish(&mut rng, &started.ke2.0, &challenge).map_or_else(|_| Blob(vec![7; 32]), |ok| ok.ke3);
        PinProof { exchange: record.last_exchange, ke3 }
    }

    #[test]
    fn a_right_pin_clears_and_a_wrong_one_closes() {
        let mut rng = crate::ops::tls::system_random();
        let server = ServerSecrets::generate(&mut rng);
        let (id, challenge) = (random(&mut rng), random(&mut rng));
        let mut record = register(&server, &id, Secret([1; 32]));
        let wrong = start(&server, &mut record, Secret([2; 32]), challenge);
        assert_eq!(prove(&mut record, &wrong, &challenge), Err(Code::PinWrong.into()));
        assert!(record.exchange.is_none() && record.debits == 2);
        assert_eq!(prove(&mut record, &wrong, &challenge), Err(Code::PinExchangeClosed.into()));
        let right = start(&server, &mut record, Secret([1; 32]), challenge);
        assert_eq!(prove(&mut record, &right, &random(&mut rng)), Err(Code::ChallengeInvalid.into()));
        assert_eq!(prove(&mut record, &right, &challenge), Ok(()));
        assert!(record.exchange.is_none() && record.debits == 0);
    }

    #[test]
    fn a_registration_is_no_oracle_for_another_context() {
        let mut rng = crate::ops::tls::system_random();
        let device = random(&mut rng);
        let change = |challenge| PinContext::Change { challenge };
        let (a, b) = (change(random(&mut rng)), change(random(&mut rng)));
        assert_eq!(credential(&device, &a), credential(&device, &a));
        assert_ne!(credential(&device, &a), credential(&device, &b));
        assert_ne!(credential(&device, &a), credential(&random(&mut rng), &a));
    }
}
