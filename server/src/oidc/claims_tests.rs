//! What relying parties read, and what they must not.

use godkend_protocol::bytes::Fixed;
use godkend_protocol::types::{Action, Binding, Level, Suite};

use super::*;
use crate::config::Level as ConfigLevel;

const NOW: i64 = 1_795_392_000; // 2026-11-23

fn account() -> Account {
    Account {
        id: Fixed([3; 16]),
        uuid: "0f1c-uuid".to_owned(),
        user_id: "SorenK".to_owned(),
        name: "Søren Kierkegård".to_owned(),
        date_of_birth: "1990-11-24".to_owned(),
        cpr: Some(Secret(*b"2411901234")),
        identity_level: Level::High,
        blocked: false,
        least_suite: Suite::P256,
        locked_push: true,
        tell_uses: false,
        disputed: Vec::new(),
        created: 0,
        magic: None,
    }
}

fn party(sector: Option<&str>, cpr: Cpr) -> RelyingParty {
    RelyingParty {
        client_id: "bank".to_owned(),
        client_secret_sha256: None,
        redirect_uris: vec!["https://bank.dk/cb".to_owned()],
        name: "Banken".to_owned(),
        sector: sector.map(str::to_owned),
        levels: vec![ConfigLevel::Substantial],
        cpr,
        ..RelyingParty::default()
    }
}

fn ask() -> Ask {
    Ask {
        client_id: "bank".to_owned(),
        action: Action::Approve,
        text: Some("Betal".to_owned()),
        payment: Some(Payment {
            amount_minor: 125_000,
            currency: "DKK".to_owned(),
            payee: "Bager".to_owned(),
            account: Some("1234".to_owned()),
        }),
        details: None,
        level: Level::Substantial,
        login_hint: None,
        language: Default::default(),
        nonce: Some("n".to_owned()),
        wish: Default::default(),
        self_service: false,
    }
}

fn claims(party: &RelyingParty, account: &Account) -> Value {
    let issue = Issue {
        issuer: "https://id.dk",
        party,
        pairwise: &Secret([5; 32]),
        now: NOW,
        lifetime: 300,
        access_token: Some("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
        auth_req_id: None,
    };
    let grant = Grant {
        transaction: Fixed([9; 16]),
        account: account.id,
        level: Level::Substantial,
        authenticator_level: Level::High,
        factor: Factor::Biometric,
        binding: Binding::ScannedQr,
        means: Vec::new(),
        at: NOW - 7,
        sid: None,
    };
    Value::Object(id_token(&issue, account, &grant, &ask()))
}

#[test]
fn the_token_says_who_how_well_and_what_was_approved() {
    let claims = claims(&party(None, Cpr::None), &account());
    for (name, value) in [
        ("iss", json!("https://id.dk")),
        ("aud", json!("bank")),
        ("exp", json!(NOW + 300)),
        ("iat", json!(NOW)),
        ("auth_time", json!(NOW - 7)),
        ("nonce", json!("n")),
        // The example of OpenID Connect Core, appendix A.3.
        ("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ")),
        ("acr", json!("https://data.gov.dk/concept/core/nsis/Substantial")),
        ("loa", json!("https://data.gov.dk/concept/core/nsis/Substantial")),
        ("ial", json!("https://data.gov.dk/concept/core/nsis/High")),
        ("aal", json!("https://data.gov.dk/concept/core/nsis/High")),
        ("amr", json!(["code_app", "biometric"])),
        ("idp", json!("mitid")),
        ("identity_type", json!("private")),
        ("godkend.binding", json!("scanned_qr")),
        ("godkend.action", json!("APPROVE")),
        ("godkend.reference_text", json!("Betal")),
        ("mitid.uuid", json!("0f1c-uuid")),
        ("mitid.identity_name", json!("Søren Kierkegård")),
        ("mitid.date_of_birth", json!("1990-11-24")),
        ("mitid.age", json!(35)),
        ("mitid.has_cpr", json!(true)),
        ("mitid.transaction_id", json!(Fixed([9; 16]).to_base64())),
        (
            "authorization_details",
            json!([{ "type": "godkend_payment", "amount": "1250.00", "currency": "DKK", "payee": "Bager", "account": "1234" }]),
        ),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
}

#[test]
fn the_cpr_number_goes_to_those_who_may_have_it() {
    assert_eq!(claims(&party(None, Cpr::Claim), &account())["dk.cpr"], "2411901234");
    for cpr in [Cpr::None, Cpr::Match] {
        let text = claims(&party(None, cpr), &account()).to_string();
        assert!(!text.contains("2411901234") && !text.contains("dk.cpr"), "{text}");
    }
    let without = Account { cpr: None, ..account() };
    let claims = claims(&party(None, Cpr::Claim), &without);
    assert_eq!(claims["mitid.has_cpr"], false);
    assert!(claims.get("dk.cpr").is_none());
}

#[test]
fn the_subject_is_one_per_sector_and_tells_no_account() {
    let sub = |party: &RelyingParty, account: &Account| claims(party, account)["sub"].as_str().unwrap().to_owned();
    let bank = sub(&party(None, Cpr::None), &account());
    assert_eq!(bank, sub(&party(Some("bank.dk"), Cpr::None), &account()));
    assert_ne!(bank, sub(&party(Some("shop.dk"), Cpr::None), &account()));
    assert_ne!(bank, sub(&party(None, Cpr::None), &Account { id: Fixed([4; 16]), ..account() }));
    assert!(!bank.contains(&account().id.to_base64()));
}

#[test]
fn ages_turn_on_the_birthday() {
    assert_eq!(date(0), (1970, 1, 1));
    assert_eq!(date(951_782_400), (2000, 2, 29));
    assert_eq!(date(NOW), (2026, 11, 23));
    assert_eq!(age("1990-11-23", NOW), Some(36));
    assert_eq!(age("1990-11-24", NOW), Some(35));
    assert_eq!(age("2026-11-23", NOW), Some(0));
    for bad in ["2027-01-01", "", "1990", "x-y-z"] {
        assert_eq!(age(bad, NOW), None, "{bad}");
    }
}
