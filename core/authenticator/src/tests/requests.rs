//! Requests: how long they live, and which codes open them.

use godkend_protocol::formats::link::{ActivationLink, Link, LoginFrame, OfflineLink, SameDeviceLink};
use godkend_protocol::formats::offline_code;
use godkend_protocol::messages::approval::challenge_hash;
use godkend_protocol::messages::offline::{OfflineChallenge, account_hint};

use super::*;
use crate::{Approval, Pin};

const LIFETIME_MS: u64 = 180_000;
const DAY: i64 = 86_400;

fn approve(phone: &mut Phone, request: crate::RequestId) -> Result<Outcome, Failure> {
    phone.run(Command::Approve { request, with: Approval::Biometric, remember_browser: false })
}

#[test]
fn a_wall_clock_a_day_off_changes_nothing_about_expiry() {
    for at_fetch in [-DAY, 0, DAY] {
        for at_answer in [-DAY, 0, DAY] {
            for (after, good) in [(0, true), (LIFETIME_MS - 1, true), (LIFETIME_MS, false), (LIFETIME_MS * 9, false)] {
                let mut phone = Phone::new();
                phone.now.wall = WALL + at_fetch;
                let view = phone.fetch();
                assert_eq!(view.expires_at_ms, Some(phone.now.monotonic_ms + LIFETIME_MS));
                phone.now = Now { wall: WALL + at_answer, monotonic_ms: phone.now.monotonic_ms + after };
                let expected = if good {
                    Ok(Outcome::Approved { return_url: None, active_from: None })
                } else {
                    Err(Failure::Expired)
                };
                assert_eq!(approve(&mut phone, view.id), expected, "{at_fetch} {at_answer} {after}");
            }
        }
    }
}

#[test]
fn a_monotonic_clock_that_goes_back_lengthens_nothing() {
    let mut phone = Phone::new();
    let view = phone.fetch();
    let fetched = phone.now.monotonic_ms;
    // Any input shows the machine the time.
    phone.now.monotonic_ms = fetched + LIFETIME_MS;
    assert_eq!(phone.input(Input::Reply(NOBODY, Reply::Persisted(true))), None);
    for back in [fetched, 0] {
        phone.now.monotonic_ms = back;
        let failure = approve(&mut phone, view.id).unwrap_err();
        assert!(matches!(failure, Failure::Expired | Failure::NoRequest), "{failure:?}");
    }
    // A new request counts from the latest time seen, not from the clock that is behind.
    assert_eq!(phone.fetch().expires_at_ms, Some(fetched + 2 * LIFETIME_MS));
}

#[test]
fn what_is_proved_on_a_page_asks_no_phone() {
    for (binding, taken) in [(Binding::Offline, true), (Binding::Typed, false), (Binding::Origin, false)] {
        let mut phone = Phone::new();
        phone.binding = binding;
        let outcome = phone.run(Command::Open { identity: None, id: TRANSACTION });
        match outcome {
            Ok(Outcome::Request(view)) if taken => assert_eq!(view.binding, binding),
            Err(Failure::Untrusted) if !taken => {}
            other => panic!("{binding:?}: {other:?}"),
        }
    }
}

fn links() -> [(Link, &'static str); 3] {
    let environment = || ENVIRONMENT.to_owned();
    let frame = LoginFrame { environment: environment(), session: TRANSACTION, frame: 1, code: Fixed([1; 16]) };
    let same = SameDeviceLink { environment: environment(), session: TRANSACTION, secret: Secret([2; 32]) };
    let offline = OfflineLink { challenge: Blob(offline(ACCOUNT, Level::Low)) };
    [(Link::Login(frame), "scan"), (Link::SameDevice(same), "open"), (Link::Offline(offline), "scan")]
}

#[test]
fn a_link_opens_only_the_way_it_is_meant() {
    for (link, way) in links() {
        let text = link.to_text();
        for used in ["scan", "open"] {
            let mut phone = Phone::new();
            let command = match used {
                "scan" => Command::Scan { identity: None, text: text.clone() },
                _ => Command::OpenLink { identity: None, text: text.clone() },
            };
            let result = phone.run(command);
            if used == way {
                assert!(matches!(result, Ok(Outcome::Request(_))), "{text}: {result:?}");
            } else {
                assert_eq!(result, Err(Failure::NotACode), "{text}");
                assert_eq!(phone.sent, []);
            }
        }
    }
}

#[test]
fn codes_from_elsewhere_are_refused_before_anything_is_sent() {
    let other = || "other".to_owned();
    let frame = LoginFrame { environment: other(), session: TRANSACTION, frame: 1, code: Fixed([1; 16]) };
    let same = SameDeviceLink { environment: other(), session: TRANSACTION, secret: Secret([2; 32]) };
    let activation = |environment: String, root| {
        let (id, secret) = (Fixed([1; 16]), Secret([2; 32]));
        Link::Activation(ActivationLink { environment, id, secret, root, expires: WALL }).to_text()
    };
    let mut phone = Phone::new();
    let scan = |text: &str| Command::Scan { identity: None, text: text.to_owned() };
    for (command, failure) in [
        (scan(&Link::Login(frame).to_text()), Failure::UnknownRoot),
        (Command::OpenLink { identity: None, text: Link::SameDevice(same).to_text() }, Failure::UnknownRoot),
        (scan(&activation(other(), root().fingerprint())), Failure::UnknownRoot),
        (scan(&activation(ENVIRONMENT.to_owned(), Fixed([3; 32]))), Failure::UnknownRoot),
        (scan("https://id.example/login"), Failure::NotACode),
        (scan("godkend://login/1?e=test"), Failure::NotACode),
        (scan("godkend://login/2?e=test"), Failure::UpdateNeeded),
        (Command::TypeNumber { identity: None, number: "1234567".to_owned() }, Failure::NotACode),
    ] {
        assert_eq!(phone.run(command.clone()), Err(failure), "{command:?}");
    }
    assert_eq!(phone.sent, []);
}

/// A signed offline challenge for an account.
fn offline(account: Id, level: Level) -> Vec<u8> {
    signed(&offline_challenge(account, level), &CHALLENGE)
}

fn offline_challenge(account: Id, level: Level) -> OfflineChallenge {
    OfflineChallenge {
        transaction: TRANSACTION,
        account_hint: account_hint(&account, &TRANSACTION),
        relying_party: RelyingParty { id: "bank".to_owned(), name: "Bank".to_owned() },
        action: Action::LogOn,
        text: None,
        payment: None,
        level,
        ephemeral: crypto::p256_public(&Secret([11; 32])).unwrap(),
        place: None,
        browser: None,
        issued: WALL,
        expires: WALL + LIFETIME,
    }
}

fn scan_offline(phone: &mut Phone, challenge: Vec<u8>) -> Result<Outcome, Failure> {
    let text = Link::Offline(OfflineLink { challenge: Blob(challenge) }).to_text();
    phone.run(Command::Scan { identity: None, text })
}

#[test]
fn an_offline_challenge_is_shown_only_to_whom_it_is_for() {
    let mut phone = Phone::new();
    phone.network = false;
    let stranger = offline(Fixed([0xEE; 16]), Level::Substantial);
    assert_eq!(scan_offline(&mut phone, stranger), Err(Failure::NoRequest));
    let forged = signed(&offline_challenge(ACCOUNT, Level::Low), &Secret([12; 32]));
    assert_eq!(scan_offline(&mut phone, forged), Err(Failure::Untrusted));
    assert_eq!(scan_offline(&mut phone, offline(ACCOUNT, Level::High)), Err(Failure::Untrusted));
    let mut bent = offline(ACCOUNT, Level::Substantial);
    *bent.last_mut().unwrap() ^= 1;
    assert_eq!(scan_offline(&mut phone, bent), Err(Failure::Untrusted));
    assert_eq!(phone.sent, []);
}

#[test]
fn an_offline_code_is_the_servers_and_needs_the_finger() {
    let mut phone = Phone::new();
    phone.network = false;
    let challenge = offline(ACCOUNT, Level::Substantial);
    let Ok(Outcome::Request(view)) = scan_offline(&mut phone, challenge.clone()) else { panic!("not shown") };
    assert_eq!((view.binding, view.expires_at_ms), (Binding::Offline, None));
    let pin = Approval::Pin(Pin::new("271828").unwrap());
    let by_pin = phone.run(Command::Approve { request: view.id, with: pin, remember_browser: false });
    assert_eq!(by_pin, Err(Failure::NotSupported));
    let Ok(Outcome::OfflineCode { code }) = approve(&mut phone, view.id) else { panic!("no code") };
    // What the server computes from its own half.
    let received = Received::<OfflineChallenge>::parse(&challenge, ENVIRONMENT).unwrap();
    let public = crypto::p256_public(&key_secret(KeyPurpose::Offline)).unwrap();
    let agreed = crypto::ecdh(&Secret([11; 32]), &public).unwrap();
    let hash = challenge_hash(received.payload());
    assert_eq!(code, offline_code::code(&offline_code::key(&agreed, &hash), &hash));
    assert_eq!(phone.sent, []);
    // Once only.
    assert_eq!(approve(&mut phone, view.id), Err(Failure::NoRequest));
}
