//! What an attacker does. Nothing may come of it: the comparison after each act says so.

use godkend_core::Command;
use godkend_protocol::cbor;
use godkend_protocol::cose::Received;
use godkend_protocol::messages::approval::{Answer, AnswerRequest};
use godkend_protocol::types::{Decision, Factor, KeyPurpose};
use godkend_tests::bench::{Tap, sign_with};
use proptest::prop_assert;

use crate::play::{Checked, Play, Standing};

impl Play {
    pub(crate) fn recorded(&self, message: usize) -> Option<(&'static str, Vec<u8>)> {
        // Wishes cost their sender: only what decides or counts is worth an attacker's while.
        let all = self.phones.iter().flat_map(|phone| &phone.bench.traffic);
        let all: Vec<_> = all.filter(|exchange| exchange.path != "keys").collect();
        let at = message * 7_919;
        (!all.is_empty()).then(|| (all[at % all.len()].path, all[at % all.len()].body.clone()))
    }

    /// Whoever sends it: nothing changes. The comparison after the act says so.
    pub(crate) async fn replay(&mut self, message: usize, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Checked {
        let Some((path, body)) = self.recorded(message) else { return Ok(()) };
        if path == "manage" {
            return Ok(());
        }
        self.tally.attacks += 1;
        self.post(path, change(body)).await
    }

    pub(crate) async fn post(&mut self, path: &'static str, body: Vec<u8>) -> Checked {
        let url = format!("{}/phone/v1/{path}", self.world.url);
        let (status, _) = self.world.post_bytes(&url, body).await;
        prop_assert!(status < 500, "{} answered {}", path, status);
        Ok(())
    }

    /// An answer to one request, signed by the phone of somebody else.
    pub(crate) async fn graft(&mut self, message: usize, who: usize) -> Checked {
        let all = self.phones.iter().flat_map(|phone| &phone.bench.traffic);
        let answers: Vec<_> = all.filter(|exchange| exchange.path == "answer").collect();
        let Some(exchange) = answers.get(message % answers.len().max(1)) else { return Ok(()) };
        let mut request: AnswerRequest = cbor::decode(&exchange.body).unwrap();
        let bench = &self.phones[who].bench;
        request.answer.0 = bench.resign::<Answer>(&request.answer.0, |_| {});
        self.tally.attacks += 1;
        let body = cbor::encode(&request);
        self.post("answer", body).await
    }

    /// The honest refusal is kept on the phone and sent again once nobody sits in between.
    pub(crate) async fn forge(&mut self, who: usize, factor: Factor) -> Checked {
        let Some((view, login)) = self.phones[who].shown.clone() else { return Ok(()) };
        let bench = &mut self.phones[who].bench;
        let (key, environment) = (bench.secret(KeyPurpose::Possession), bench.environment().to_owned());
        bench.tap = Some(Tap::request(move |path, body| {
            if path == "answer" {
                let mut request: AnswerRequest = cbor::decode(body).unwrap();
                let received = Received::<Answer>::parse(&request.answer.0, &environment).unwrap();
                let forged = Answer { decision: Decision::Approve, factor, ..received.claimed().clone() };
                request.answer.0 = sign_with(&forged, &environment, &key);
                *body = cbor::encode(&request);
            }
        }));
        let result = bench.run(Command::Deny { request: view.id }, None).await.0.unwrap();
        bench.tap = None;
        self.tally.attacks += 1;
        prop_assert!(result.is_err(), "a forged approval was taken");
        // The app takes a refusal for the server's word, and forgets the request.
        self.phones[who].shown = None;
        let resumed = self.phones[who].bench.run(Command::Resume, None).await.0.unwrap();
        prop_assert!(resumed.is_ok(), "{:?}", resumed);
        self.settle(login, Standing::Refused, who).await
    }
}
