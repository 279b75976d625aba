//! A PIN try by hand: what somebody does who has a phone's keys, or a modified app.

use godkend_client::entropy::Entropy;
use godkend_core::{Failure, ServerFailure};
use godkend_protocol::bytes::{Blob, Hash32, Secret};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::messages::ErrorReply;
use godkend_protocol::messages::approval::{
    Answer, AnswerReply, AnswerRequest, Challenge, Fetched, PinProof, challenge_hash, ratchet_hash,
};
use godkend_protocol::messages::pin::{PinStart, PinStartRequest, PinStarted, PinStatus};
use godkend_protocol::opaque::{self, Proved, Trying};
use godkend_protocol::types::{Decision, Factor, KeyPurpose};

use godkend_tests::phone::{code, with_pin};
use godkend_tests::world::Citizen;
use godkend_tests::{Bench, Browser, World};

/// A world with an active phone on the bench.
pub(super) async fn active(user_id: &str) -> (World, Citizen, Bench) {
    let world = World::new().await;
    let citizen = world.citizen(user_id).await;
    let mut bench = Bench::new(&world, 16);
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    (world, citizen, bench)
}

/// A request that the phone has fetched.
pub(super) struct Asked {
    pub(super) browser: Browser,
    pub(super) challenge: Blob,
    pub(super) claimed: Challenge,
    pub(super) hash: Hash32,
    /// What the server says is left.
    pub(super) left: PinStatus,
}

/// Scans a login of the bank.
pub(super) async fn ask(bench: &mut Bench, world: &World) -> Asked {
    let (browser, _) = bench.scan(world).await;
    let reply = bench.sent("challenge").reply.clone().unwrap();
    let fetched: Fetched = cbor::decode(&reply).unwrap();
    let received = Received::<Challenge>::parse(&fetched.challenge.0, bench.environment()).unwrap();
    let (claimed, hash) = (received.claimed().clone(), challenge_hash(received.payload()));
    Asked { browser, challenge: fetched.challenge, claimed, hash, left: fetched.pin.unwrap() }
}

/// Tries left, rounds left and whether they have to be waited for, as the server says it to the phone that fetches.
pub(super) async fn left(bench: &mut Bench, world: &World) -> (u32, u32, bool) {
    let left = ask(bench, world).await.left;
    (left.tries_left, left.rounds_left, left.wait > 0)
}

/// The whole three rounds of three.
pub(super) const ALL: (u32, u32, bool) = (3, 2, false);

/// A first message, and what it takes to go on from its reply.
pub(super) struct Try {
    trying: Trying,
    pub(super) start: PinStart,
    pub(super) body: Vec<u8>,
}

/// What goes into OPAQUE, with the phone's pepper key in hand.
pub(super) fn password(bench: &Bench, challenge: &Challenge, pin: &str) -> Secret<32> {
    let input = opaque::pin_input(bench.environment(), &challenge.account, &challenge.device, pin);
    Secret(crypto::hmac_sha256(&bench.secret(KeyPurpose::Pepper).0, &[&input.0]).0)
}

/// The number that the phone would give its next exchange.
pub(super) fn next_exchange(bench: &Bench) -> u64 {
    let request: PinStartRequest = cbor::decode(&bench.sent(PinStartRequest::PATH).body).unwrap();
    Received::<PinStart>::parse(&request.start.0, bench.environment()).unwrap().claimed().exchange + 1
}

/// Makes a first message.
pub(super) fn begin(bench: &Bench, asked: &Asked, exchange: u64, pin: &str) -> Try {
    let password = password(bench, &asked.claimed, pin);
    let (trying, ke1) = Entropy::system().with(|rng| Trying::start(rng, password)).unwrap();
    let start = PinStart { device: asked.claimed.device, challenge: asked.hash, exchange, ke1 };
    let body = start_request(bench.sign(&start), asked);
    Try { trying, start, body }
}

/// The request around a signed first message.
pub(super) fn start_request(start: Vec<u8>, asked: &Asked) -> Vec<u8> {
    cbor::encode(&PinStartRequest { start: Blob(start), challenge: asked.challenge.clone() })
}

/// Opens the reply; nothing if the PIN is wrong.
pub(super) fn open(attempt: Try, reply: &[u8], hash: &Hash32) -> Option<Proved> {
    let started: PinStarted = cbor::decode(reply).unwrap();
    assert_eq!(started.exchange, attempt.start.exchange);
    Entropy::system().with(|rng| attempt.trying.finish(rng, &started.ke2.0, hash)).ok()
}

/// Spends one try; the proof if the PIN was right.
pub(super) async fn spend(bench: &Bench, asked: &Asked, exchange: u64, pin: &str) -> Option<Proved> {
    let attempt = begin(bench, asked, exchange, pin);
    let reply = bench.post(PinStartRequest::PATH, attempt.body.clone()).await.unwrap();
    open(attempt, &reply, &asked.hash)
}

/// A whole approval with a PIN: all signatures are those of the phone.
pub(super) fn approval(bench: &Bench, asked: &Asked, exchange: u64, proved: &Proved) -> Vec<u8> {
    let reply = bench.sent(AnswerRequest::PATH).reply.clone().unwrap();
    let last = Received::<AnswerReply>::parse(&reply, bench.environment()).unwrap().claimed().clone();
    let answer = Answer {
        device: asked.claimed.device,
        challenge: asked.hash,
        decision: Decision::Approve,
        factor: Factor::Pin,
        remember_browser: false,
        ratchet_hash: ratchet_hash(&last.ratchet),
        ratchet_count: last.ratchet_count,
        log: asked.claimed.log,
        operation: None,
    };
    let unsigned = Unsigned::new(&answer, bench.environment(), None);
    let key = opaque::pin_key(&proved.export_key);
    cbor::encode(&AnswerRequest {
        answer: Blob(bench.sign(&answer)),
        challenge: asked.challenge.clone(),
        factor_signature: crypto::p256_sign(&key, &unsigned.to_be_signed_as(Role::Pin)),
        pin: Some(PinProof { exchange, ke3: proved.ke3.clone() }),
        data: None,
        new_keys: Vec::new(),
    })
}

/// The server's code of a refusal.
pub(super) fn refused<T>(result: Result<T, ServerFailure>) -> Option<Code> {
    match result {
        Err(ServerFailure::Refused(reply)) => reply.code(),
        _ => None,
    }
}

/// The honest phone signs in. Numbers that somebody else has used cost it nothing.
pub(super) async fn goes_on(bench: &mut Bench, world: &World) {
    for _ in 0..60 {
        match bench.login(world, with_pin(bench.pin)).await {
            Ok(()) => return,
            Err(failure @ Failure::Refused { .. }) => {
                assert_eq!(code::<()>(Err(failure)), Some(Code::PinExchangeClosed));
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("the phone does not come through");
}

/// Posts without the phone's client, so that any number can be under way at once.
pub(super) async fn post(http: reqwest::Client, url: String, body: Vec<u8>) -> Result<Vec<u8>, Code> {
    let response = http.post(url).header("content-type", "application/cbor").body(body).send().await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap().to_vec();
    if status == 200 {
        return Ok(bytes);
    }
    let reply: ErrorReply = cbor::decode(&bytes).unwrap_or_else(|_| panic!("{status} {bytes:?}"));
    Err(reply.code().unwrap_or_else(|| panic!("{}", reply.code)))
}

/// A plain HTTP client.
pub(super) fn http() -> reqwest::Client {
    reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap()
}
