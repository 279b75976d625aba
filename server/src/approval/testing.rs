//! Documents for this module's unit tests.

use godkend_protocol::bytes::{Blob, Fixed, Secret};
use godkend_protocol::messages::approval::{Challenge, RelyingParty};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{
    Action, Binding, Decision, DeviceInfo, Factor, KeyPurpose, Level, LogPosition, SecurityLevel, Suite,
};

use crate::records::{Device, EnrolledKey, Outcome, PinRecord, Transaction};

pub(crate) fn device() -> Device {
    let text = || "x".to_owned();
    let key = |purpose| EnrolledKey {
        purpose,
        public: Fixed([4; 65]),
        security: SecurityLevel::Software,
        enrolled: 0,
        counter: None,
    };
    Device {
        id: Fixed([1; 16]),
        account: Fixed([3; 16]),
        state: DeviceState::Active,
        info: DeviceInfo { model: text(), platform: text(), app_version: text(), language: text() },
        keys: vec![key(KeyPurpose::Possession), key(KeyPurpose::Biometric)],
        suite: Suite::P256,
        enrolled: 0,
        last_used: None,
        ratchet_count: 7,
        ratchet: Secret([7; 16]),
        last_answer: None,
        block_code: Fixed([0; 32]),
        pin: Some(PinRecord {
            seed: 1,
            credential: Fixed([1; 16]),
            record: Blob(vec![]),
            key: Fixed([4; 65]),
            debits: 0,
            last_debit: 0,
            exchange: None,
            last_exchange: 0,
            enrolled: 0,
        }),
        epoch: 1,
        restored: 0,
        transcript: Fixed([0; 32]),
        security: SecurityLevel::Software,
        app_attest: None,
        push: None,
    }
}

pub(crate) fn transaction() -> Transaction {
    Transaction {
        id: Fixed([8; 16]),
        created: 900,
        expires: 1_080,
        relying_party: RelyingParty { id: "bank".to_owned(), name: "Banken".to_owned() },
        action: Action::LogOn,
        text: None,
        payment: None,
        operation: None,
        level: Level::Substantial,
        seal: None,
        browser_session: Some(Fixed([6; 32])),
        place: None,
        browser: None,
        source: "10.0.0.1".to_owned(),
        may_remember: true,
        qr_secret: Some(Secret([1; 32])),
        link_secret: Some(Secret([2; 32])),
        return_code: None,
        returned: false,
        number: None,
        addressed: None,
        nobody: None,
        taken: None,
        shown: false,
        offline: None,
        chip: None,
        outcome: None,
        collected: false,
        oidc: None,
        extended: 0,
        slot: None,
        told: None,
    }
}

pub(crate) fn outcome(decision: Decision, binding: Binding) -> Outcome {
    Outcome {
        decision,
        account: Some(Fixed([3; 16])),
        device: Some(Fixed([1; 16])),
        factor: Factor::Pin,
        binding,
        level: Some(Level::Substantial),
        authenticator_level: Some(Level::High),
        at: 1_000,
        remember_browser: false,
        means: Vec::new(),
        evidence: None,
    }
}

pub(crate) fn challenge() -> Challenge {
    Challenge {
        transaction: Fixed([8; 16]),
        account: Fixed([3; 16]),
        device: Fixed([1; 16]),
        relying_party: RelyingParty { id: "bank".to_owned(), name: "Banken".to_owned() },
        action: Action::LogOn,
        text: None,
        payment: None,
        operation: None,
        level: Level::Substantial,
        factors: vec![Factor::Pin],
        browser_session: None,
        binding: Binding::ScannedQr,
        place: None,
        browser: None,
        new_browser: true,
        may_remember: false,
        nonce: Fixed([5; 32]),
        log: LogPosition { epoch: 1, size: 0, root: Fixed([0; 32]) },
        issued: 1_000,
        expires: 1_180,
    }
}
