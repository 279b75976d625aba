//! The plain decisions of an answer: its shape, its place in the ratchet, its time.

use godkend_protocol::codes::Code;
use godkend_protocol::messages::approval::{Answer, AnswerRequest, Challenge, ratchet_hash};
use godkend_protocol::types::{Decision, Factor, Operation};

use crate::error::ApiError;
use crate::records::Device;

/// Where an answer stands in the ratchet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// The next one.
    Next,
    /// Ahead of the server, whose log and database lost the answers between: only with a PIN.
    Ahead,
    /// Ahead of the server, which has lost nothing since the device's last answer: no phone comes there, whoever claims
    /// it.
    Invented,
    /// Behind, or beside: a clone or an old store.
    Behind,
}

/// Compares an answer's ratchet with the one that the device was given last. `epoch` is the log's, `restored` the last
/// restore of the database ([`crate::app::App::restored`]).
pub(super) fn step(device: &Device, answer: &Answer, epoch: u32, restored: u64) -> Step {
    if answer.ratchet_count > device.ratchet_count {
        if device.epoch < epoch || device.restored < restored { Step::Ahead } else { Step::Invented }
    } else if answer.ratchet_count == device.ratchet_count
        && godkend_protocol::crypto::same(&answer.ratchet_hash.0, &ratchet_hash(&device.ratchet).0)
    {
        Step::Next
    } else {
        Step::Behind
    }
}

/// Whether an answer behind the ratchet shows that two stores are in use. One over an older challenge may be a copy of
/// bytes that the phone itself sent before: it is refused and nothing more, so that nobody's recording freezes a phone.
pub(super) fn shows_a_clone(device: &Device, challenge: &Challenge, open: bool) -> bool {
    open && device.last_used.is_none_or(|last| challenge.issued >= last)
}

/// Demands exactly the parts that the decision and the operation take.
pub(super) fn check_shape(
    answer: &Answer,
    request: &AnswerRequest,
    operation: Option<&Operation>,
) -> Result<(), ApiError> {
    if answer.decision == Decision::Approve {
        if answer.factor == Factor::None {
            return Err(Code::FactorRefused.into());
        }
        if request.factor_signature.is_none() || request.pin.is_some() != (answer.factor == Factor::Pin) {
            return Err(Code::Malformed.into());
        }
        let data = request.data.as_ref();
        let fits = match operation {
            Some(Operation::ChangePin) => data.is_some_and(|data| data.pin.is_some() && data.keys.is_empty()),
            Some(Operation::AddKeys { .. } | Operation::RotateKeys) => {
                data.is_some_and(|data| data.pin.is_none() && !data.keys.is_empty())
            }
            _ => data.is_none(),
        };
        if !fits || (data.is_none_or(|data| data.keys.is_empty()) && !request.new_keys.is_empty()) {
            return Err(Code::Malformed.into());
        }
        if answer.operation != data.map(godkend_protocol::messages::approval::OperationData::hash) {
            return Err(Code::ChallengeInvalid.into());
        }
        return Ok(());
    }
    let bare = answer.factor == Factor::None
        && !answer.remember_browser
        && answer.operation.is_none()
        && request.factor_signature.is_none()
        && request.pin.is_none()
        && request.data.is_none()
        && request.new_keys.is_empty();
    if bare { Ok(()) } else { Err(Code::Malformed.into()) }
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::{Blob, Fixed, Secret};
    use godkend_protocol::messages::approval::{OperationData, PinProof};
    use godkend_protocol::types::LogPosition;

    use super::super::testing::{challenge, device};
    use super::*;

    fn answer(decision: Decision, factor: Factor) -> Answer {
        Answer {
            device: Fixed([1; 16]),
            challenge: Fixed([2; 32]),
            decision,
            factor,
            remember_browser: false,
            ratchet_hash: ratchet_hash(&device().ratchet),
            ratchet_count: device().ratchet_count,
            log: LogPosition { epoch: 1, size: 0, root: Fixed([0; 32]) },
            operation: None,
        }
    }

    fn request(factor: Factor) -> AnswerRequest {
        AnswerRequest {
            answer: Blob(vec![]),
            challenge: Blob(vec![]),
            factor_signature: (factor != Factor::None).then_some(Fixed([0; 64])),
            pin: (factor == Factor::Pin).then_some(PinProof { exchange: 1, ke3: Blob(vec![0; 32]) }),
            data: None,
            new_keys: vec![],
        }
    }

    #[test]
    fn only_the_last_ratchet_is_the_next_step() {
        let device = device();
        let mut answer = answer(Decision::Approve, Factor::Pin);
        let step = |answer: &Answer| step(&device, answer, device.epoch, device.restored);
        assert_eq!(step(&answer), Step::Next);
        answer.ratchet_hash = ratchet_hash(&Secret([0; 16]));
        assert_eq!(step(&answer), Step::Behind);
        answer.ratchet_count += 1;
        assert_eq!(step(&answer), Step::Invented);
        answer.ratchet_count = u64::MAX;
        assert_eq!(step(&answer), Step::Invented);
        answer.ratchet_count = device.ratchet_count - 1;
        assert_eq!(step(&answer), Step::Behind);
    }

    #[test]
    fn ahead_is_believed_in_a_new_epoch_and_after_a_restore_only() {
        let device = device();
        let mut answer = answer(Decision::Approve, Factor::Pin);
        answer.ratchet_count += 1;
        assert_eq!(step(&device, &answer, device.epoch + 1, 0), Step::Ahead);
        assert_eq!(step(&device, &answer, device.epoch, 0), Step::Invented);
        assert_eq!(step(&device, &answer, device.epoch - 1, 0), Step::Invented);
        assert_eq!(step(&device, &answer, device.epoch, device.restored + 1), Step::Ahead);
    }

    #[test]
    fn a_recording_of_old_bytes_freezes_nobody() {
        let mut device = device();
        device.last_used = Some(1_000);
        let mut challenge = challenge();
        challenge.issued = 1_000;
        assert!(shows_a_clone(&device, &challenge, true));
        assert!(!shows_a_clone(&device, &challenge, false));
        challenge.issued = 999;
        assert!(!shows_a_clone(&device, &challenge, true));
    }

    #[test]
    fn each_decision_has_its_parts_and_no_others() {
        let shape = |answer: &Answer, request: &AnswerRequest| check_shape(answer, request, None);
        for factor in [Factor::Pin, Factor::Biometric] {
            assert_eq!(shape(&answer(Decision::Approve, factor), &request(factor)), Ok(()));
        }
        for decision in [Decision::Deny, Decision::ReportFraud] {
            assert_eq!(shape(&answer(decision, Factor::None), &request(Factor::None)), Ok(()));
            assert_eq!(shape(&answer(decision, Factor::Pin), &request(Factor::Pin)), Err(Code::Malformed.into()));
        }
        let none = answer(Decision::Approve, Factor::None);
        assert_eq!(shape(&none, &request(Factor::None)), Err(Code::FactorRefused.into()));
        // A PIN relabelled as a finger, and the other way round.
        let finger = answer(Decision::Approve, Factor::Biometric);
        assert_eq!(shape(&finger, &request(Factor::Pin)), Err(Code::Malformed.into()));
        let pin = answer(Decision::Approve, Factor::Pin);
        assert_eq!(shape(&pin, &request(Factor::Biometric)), Err(Code::Malformed.into()));
        let mut remembered = answer(Decision::Deny, Factor::None);
        remembered.remember_browser = true;
        assert_eq!(shape(&remembered, &request(Factor::None)), Err(Code::Malformed.into()));
    }

    #[test]
    fn an_operations_data_is_the_signed_one() {
        let mut answer = answer(Decision::Approve, Factor::Pin);
        let mut request = request(Factor::Pin);
        let rotate = Operation::RotateKeys;
        assert_eq!(check_shape(&answer, &request, Some(&rotate)), Err(Code::Malformed.into()));
        let data = OperationData {
            keys: vec![godkend_protocol::types::DeviceKey {
                purpose: godkend_protocol::types::KeyPurpose::Possession,
                algorithm: godkend_protocol::types::ALG_ES256,
                public: Fixed([4; 65]),
                attestation: godkend_protocol::types::Attestation::Software,
            }],
            pin: None,
        };
        request.data = Some(data.clone());
        assert_eq!(check_shape(&answer, &request, Some(&rotate)), Err(Code::ChallengeInvalid.into()));
        answer.operation = Some(data.hash());
        assert_eq!(check_shape(&answer, &request, Some(&rotate)), Ok(()));
        assert_eq!(check_shape(&answer, &request, None), Err(Code::Malformed.into()));
    }
}
