//! What must hold after every step.

use axum::http::Method;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{Binding, Decision};
use godkend_server::records::{Device, Document, Outcome, Transaction};

use super::{Scene, Seen};
use crate::host::{Answer, template};

/// How OAuth's endpoints say it (RFC 6749, section 4.1.2.1).
const UNAVAILABLE: &str = "temporarily_unavailable";

impl Scene {
    pub(super) async fn call(&self, method: Method, path: &str, headers: &[(&str, String)], body: Vec<u8>) -> Answer {
        let answer = self.host().call(method, path, headers, body).await;
        // Nothing is at fault here: no disk is full, no store is busy. What is left to be unavailable is a client that
        // asks too much, which is told when to come again, and evidence that the log takes in within the second.
        let asked_too_much = answer.headers.contains_key("retry-after") && answer.json()["error"] == UNAVAILABLE;
        let not_logged_yet = path.starts_with("/admin/v1/evidence/") && answer.json()["error"] == "unavailable";
        let right = answer.status < 500 || (answer.status == 503 && (asked_too_much || not_logged_yet));
        assert!(right, "{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        answer
    }

    pub(super) async fn all<D: Document>(&self) -> Vec<D> {
        let records = self.host().app.store.scan(D::KIND, None, 256).await.unwrap();
        records.iter().map(|record| serde_json::from_slice(&record.body).unwrap()).collect()
    }

    pub(super) async fn check(&mut self) {
        self.check_outcomes().await;
        for device in self.all::<Device>().await {
            let pin = device.pin.as_ref().map(|pin| (pin.key, pin.debits));
            let cleared = match self.devices.get(&device.id) {
                Some(Seen { pin: Some((key, before)), cleared, .. }) => match pin {
                    Some((now, debits)) if now == *key && debits < *before => cleared + 1,
                    _ => *cleared,
                },
                _ => 0,
            };
            let proofs = self.proofs.iter().filter(|(of, _)| *of == device.id).count();
            assert!(cleared as usize <= proofs, "tries came back without a right PIN");
            let config = &self.host().app.config.pin;
            let most = config.tries_per_round * (config.waits_seconds.len() as u32 + 1);
            assert!(pin.is_none_or(|(_, debits)| debits <= most), "more tries than there are");
            if device.state == DeviceState::Frozen {
                let owner = self.people.iter().find(|person| person.owns(device.id));
                assert!(owner.is_none_or(|person| person.tampered), "an honest phone was frozen");
            }
            self.devices.insert(device.id, Seen { state: device.state, pin, cleared });
        }
    }

    pub(super) async fn check_outcomes(&mut self) {
        for transaction in self.all::<Transaction>().await {
            let Some(outcome) = &transaction.outcome else {
                assert!(!self.outcomes.contains_key(&transaction.id), "a decided transaction is open again");
                continue;
            };
            let decided = (outcome.decision, outcome.account, outcome.device);
            match self.outcomes.insert(transaction.id, decided) {
                Some(before) => assert!(before.0 == decided.0, "two outcomes: {before:?}, {decided:?}"),
                None => self.judge(&transaction, outcome),
            }
        }
    }

    /// Whether somebody who may has decided so.
    pub(super) fn judge(&mut self, transaction: &Transaction, outcome: &Outcome) {
        let id = transaction.id;
        let owner = outcome.device.and_then(|device| self.people.iter_mut().find(|person| person.owns(device)));
        match (outcome.decision, owner) {
            // A notice about another phone is shown and approved; any other operation is the phone's own wish.
            (Decision::Approve, Some(person)) if person.approved.contains(&id) => {}
            (Decision::Approve, Some(person)) if transaction.operation.is_some() => {
                person.wishes_done += 1;
                assert!(person.wishes_done <= person.wishes, "a wish that nobody had");
            }
            (Decision::Approve, Some(_)) => panic!("nobody approved this"),
            (Decision::Approve, None) if outcome.binding == Binding::Offline => {
                assert!(self.people.iter().any(|person| person.approved.contains(&id)), "nobody approved this");
            }
            (Decision::Approve, None) => {
                // Magic identities of a test environment, or a phone that has been activated anew since.
                let magic = outcome.account.map(|id| id.to_base64()) == Some(template().citizens[2].clone());
                let someone = self.people.iter().any(|person| person.approved.contains(&id) || person.wishes > 0);
                assert!(magic || someone, "nobody approved this");
            }
            (_, Some(person)) if transaction.operation.is_none() => {
                assert!(person.refused.contains(&id), "nobody refused this");
            }
            _ => {}
        }
    }

    /// What an older database beside the living log must not undo.
    pub(super) async fn check_restored(&self) {
        let devices = self.all::<Device>().await;
        for (id, seen) in &self.devices {
            let Some(now) = devices.iter().find(|device| device.id == *id) else { continue };
            let ended = matches!(seen.state, DeviceState::Blocked | DeviceState::Frozen | DeviceState::Removed);
            assert!(!(ended && now.state == DeviceState::Active), "a device came back: {:?}", seen.state);
            if seen.state == DeviceState::Active {
                assert!(now.state != DeviceState::Frozen, "a restore froze somebody");
            }
        }
    }
}
