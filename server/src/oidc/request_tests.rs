//! Every malformed parameter is refused, and says what to change.

use super::*;
use crate::oidc::payment::amount_text;
use base64::engine::general_purpose::STANDARD;

fn party() -> RelyingParty {
    RelyingParty {
        client_id: "bank".to_owned(),
        client_secret_sha256: None,
        redirect_uris: vec!["https://bank.dk/cb".to_owned(), "https://bank.dk/cb2?x=1".to_owned()],
        name: "Banken".to_owned(),
        sector: None,
        levels: vec![ConfigLevel::Low, ConfigLevel::Substantial],
        ciba: true,
        ..RelyingParty::default()
    }
}

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The good request with some parameters replaced, or removed by an empty value.
fn with(changed: &[(&str, &str)]) -> Params {
    let mut all = vec![
        ("response_type", "code"),
        ("redirect_uri", "https://bank.dk/cb"),
        ("scope", "openid"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "abc"),
        ("nonce", "n-1"),
    ];
    for (name, value) in changed {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
    Params::parse(text.as_bytes()).unwrap()
}

fn check(changed: &[(&str, &str)]) -> Result<AuthorizationRequest, OidcError> {
    let params = with(changed);
    let back = return_to(&params, &party())?;
    authorization(&params, &party(), &back)
}

fn idp(json: &serde_json::Value) -> Result<AuthorizationRequest, OidcError> {
    check(&[("idp_params", &json.to_string())])
}

#[test]
fn a_plain_request_is_a_substantial_login_in_danish() {
    let request = check(&[]).unwrap();
    assert_eq!(request.redirect_uri, "https://bank.dk/cb");
    assert_eq!(request.state.as_deref(), Some("abc"));
    assert_eq!(request.code_challenge.to_base64(), CHALLENGE);
    let ask = request.ask;
    assert_eq!((ask.action, ask.level, ask.language), (Action::LogOn, Level::Substantial, Language::Da));
    assert_eq!((ask.nonce.as_deref(), ask.text, ask.payment, ask.login_hint), (Some("n-1"), None, None, None));
}

#[test]
fn what_is_malformed_is_refused_by_its_own_name() {
    let long = "x".repeat(1025);
    for (changed, kind) in [
        (&[("redirect_uri", "")][..], Kind::InvalidRequest),
        (&[("redirect_uri", "https://bank.dk/cb/")], Kind::InvalidRequest),
        (&[("redirect_uri", "https://BANK.dk/cb")], Kind::InvalidRequest),
        (&[("redirect_uri", "https://bank.dk/cb2")], Kind::InvalidRequest),
        (&[("redirect_uri", "https://evil.dk/cb")], Kind::InvalidRequest),
        (&[("state", "a\nb")], Kind::InvalidRequest),
        (&[("state", &long)], Kind::InvalidRequest),
        (&[("nonce", "ø")], Kind::InvalidRequest),
        (&[("nonce", &long)], Kind::InvalidRequest),
        (&[("response_type", "")], Kind::InvalidRequest),
        (&[("response_type", "token")], Kind::UnsupportedResponseType),
        (&[("response_type", "code id_token")], Kind::UnsupportedResponseType),
        (&[("response_mode", "fragment")], Kind::InvalidRequest),
        (&[("scope", "")], Kind::InvalidRequest),
        (&[("scope", "profile")], Kind::InvalidScope),
        (&[("scope", "openidx")], Kind::InvalidScope),
        (&[("scope", "openid \"")], Kind::InvalidScope),
        (&[("code_challenge", "")], Kind::InvalidRequest),
        (&[("code_challenge", "short")], Kind::InvalidRequest),
        (&[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=")], Kind::InvalidRequest),
        (&[("code_challenge_method", "")], Kind::InvalidRequest),
        (&[("code_challenge_method", "plain")], Kind::InvalidRequest),
        (&[("request", "eyJ")], Kind::RequestNotSupported),
        (&[("registration", "{}")], Kind::RegistrationNotSupported),
        (&[("prompt", "none")], Kind::LoginRequired),
        (&[("prompt", "dance")], Kind::InvalidRequest),
        (&[("prompt", "none login")], Kind::InvalidRequest),
        (&[("max_age", "4294967296")], Kind::InvalidRequest),
        (&[("dpop_jkt", "short")], Kind::InvalidRequest),
        (&[("idp_params", "{\"uuid_hint\": \"0F1C2B3A-0000-4000-8000-000000000000\"}")], Kind::InvalidRequest),
        (&[("idp_params", "{\"require_psd2\": true, \"loa_value\": \"Low\"}")], Kind::InvalidRequest),
        (&[("max_age", "-1")], Kind::InvalidRequest),
        (&[("max_age", "soon")], Kind::InvalidRequest),
        (&[("acr_values", "urn:unknown")], Kind::InvalidRequest),
        (&[("acr_values", "https://evil.dk/High")], Kind::InvalidRequest),
        (&[("acr_values", Level::High.uri())], Kind::UnmetAuthenticationRequirements),
        (&[("language", "sv")], Kind::InvalidRequest),
        (&[("ui_locales", "ø")], Kind::InvalidRequest),
        (&[("login_hint", "abcd")], Kind::InvalidRequest),
        (&[("login_hint", "sø\u{202e}ren")], Kind::InvalidRequest),
        (&[("idp_params", "[]")], Kind::InvalidRequest),
        (&[("idp_params", "{")], Kind::InvalidRequest),
        (&[("idp_params", "{\"mitid\": 5}")], Kind::InvalidRequest),
        (&[("idp_params", "{\"uuid_hint\": \"x\"}")], Kind::InvalidRequest),
        (&[("idp_params", "{\"unknown\": \"x\"}")], Kind::InvalidRequest),
        (&[("idp_params", "{\"loa_value\": \"Gold\"}")], Kind::InvalidRequest),
        (&[("idp_params", "{\"action_text\": \"log_on\"}")], Kind::InvalidRequest),
        (&[("idp_params", "{\"action_text\": \"CHANGE_PIN\"}")], Kind::InvalidRequest),
        (&[("idp_params", "{\"reference_text\": \"%%\"}")], Kind::InvalidRequest),
        (&[("idp_params", "{\"reference_text\": \"/w==\"}")], Kind::InvalidRequest),
        (&[("authorization_details", "{}")], Kind::InvalidAuthorizationDetails),
        (&[("authorization_details", "[]")], Kind::InvalidAuthorizationDetails),
        (&[("authorization_details", "[5]")], Kind::InvalidAuthorizationDetails),
        (&[("authorization_details", "[{\"type\":\"other\"}]")], Kind::InvalidAuthorizationDetails),
    ] {
        assert_eq!(check(changed).map_err(|e| e.kind), Err(kind), "{changed:?}");
    }
}

#[test]
fn who_it_must_be_and_how_fresh_is_kept() {
    let wish = |changed: &[(&str, &str)]| check(changed).unwrap().ask.wish;
    assert_eq!(wish(&[]), Wish::default());
    assert_eq!(wish(&[("max_age", "0")]).max_age, Some(0));
    for prompt in ["login", "consent", "select_account", "login consent"] {
        assert!(wish(&[("prompt", prompt)]).fresh, "{prompt}");
    }
    let uuid = "0f1c2b3a-0000-4000-8000-000000000000";
    let json = serde_json::json!({ "uuid_hint": uuid, "enable_step_up": true }).to_string();
    let told = wish(&[("idp_params", &json)]);
    assert_eq!((told.uuid.as_deref(), told.fresh), (Some(uuid), true));
    let sharing = RelyingParty { single_sign_on: Some("towns".to_owned()), ..party() };
    let params = with(&[("prompt", "none")]);
    let back = return_to(&params, &sharing).unwrap();
    assert!(authorization(&params, &sharing, &back).unwrap().ask.wish.silent);
    assert_eq!(check(&[("dpop_jkt", CHALLENGE)]).unwrap().dpop_jkt.unwrap().to_base64(), CHALLENGE);
}

#[test]
fn a_client_that_need_not_push_sends_plain_logins_only() {
    let own = RelyingParty { client_secret_sha256: Some("a".repeat(64)), ..party() };
    let params = with(&[]);
    let back = return_to(&params, &own).unwrap();
    assert_eq!(unpushed(&params, &own, &back).unwrap_err().kind, Kind::InvalidRequest);
    let free = RelyingParty { unpushed: true, ..own };
    assert!(unpushed(&params, &free, &back).is_ok());
    let signing = with(&[("idp_params", "{\"action_text\": \"SIGN\"}")]);
    assert_eq!(unpushed(&signing, &free, &back).unwrap_err().kind, Kind::InvalidRequest);
    let keys = RelyingParty { keys: vec!["{}".to_owned()], ..party() };
    assert_eq!(unpushed(&params, &keys, &back).unwrap_err().kind, Kind::InvalidRequest);
}

#[test]
fn a_parameter_that_stands_twice_or_is_not_utf8_is_refused() {
    for text in [&b"state=a&state=b"[..], b"state=a&state=", b"state=%ff"] {
        assert_eq!(Params::parse(text).unwrap_err().kind, Kind::InvalidRequest);
    }
    assert!(Params::parse(b"state=").unwrap().get("state").is_none());
    assert!(Params::parse(format!("a={}", "x".repeat(8193)).as_bytes()).is_err());
}

#[test]
fn levels_are_taken_in_the_clients_order_and_within_its_rights() {
    let level = |values: &str| check(&[("acr_values", values)]).map(|request| request.ask.level);
    assert_eq!(level(Level::Low.uri()), Ok(Level::Low));
    assert_eq!(level("substantial"), Ok(Level::Substantial));
    assert_eq!(level(&format!("{} {}", Level::High.uri(), Level::Substantial.uri())), Ok(Level::Substantial));
    assert_eq!(level(&format!("urn:other {}", Level::Low.uri())), Ok(Level::Low));
    let both = |acr: &str, loa: &str| {
        check(&[("acr_values", acr), ("idp_params", &serde_json::json!({ "loa_value": loa }).to_string())])
    };
    assert_eq!(both("Low", "LOW").unwrap().ask.level, Level::Low);
    assert!(both("Low", "Substantial").is_err());
    let high_only = RelyingParty { levels: vec![ConfigLevel::High], ..party() };
    assert_eq!(default_level(&high_only), Level::High);
    assert_eq!(default_level(&RelyingParty { levels: vec![ConfigLevel::Low], ..party() }), Level::Low);
}

#[test]
fn the_brokers_parameters_are_read_flat_or_nested() {
    let fields = serde_json::json!({
        "reference_text": STANDARD.encode("Log på Netbank – æøå"), "action_text": "SIGN", "loa_value": "Low",
        "enable_app_switch": true, "app_switch_os": "ios", "app_switch_url": "https://bank.dk/app",
        "require_psd2": false, "enable_step_up": false,
    });
    for value in [fields.clone(), serde_json::json!({ "mitid": fields })] {
        let ask = idp(&value).unwrap().ask;
        assert_eq!(ask.text.as_deref(), Some("Log på Netbank – æøå"));
        assert_eq!((ask.action, ask.level), (Action::Sign, Level::Low));
    }
}

#[test]
fn unsafe_and_over_long_texts_are_refused() {
    let text = |text: &str| idp(&serde_json::json!({ "reference_text": STANDARD.encode(text) }));
    assert!(text(&"x".repeat(130)).is_ok());
    for bad in ["", "   ", &"x".repeat(131), "Betal\u{202e}100", "Net\u{200b}bank", "N\u{435}tbank", "e\u{301}", "a\nb"]
    {
        assert_eq!(text(bad).unwrap_err().kind, Kind::InvalidRequest, "{bad:?}");
    }
}

fn payment(json: serde_json::Value) -> Result<AuthorizationRequest, OidcError> {
    check(&[("authorization_details", &serde_json::json!([json]).to_string())])
}

#[test]
fn a_payment_is_read_to_the_last_oere() {
    let wanted = serde_json::json!({
        "type": "godkend_payment", "amount": "1250.05", "currency": "DKK", "payee": "Bager Sørensen", "account": "1234 0001234567",
    });
    let ask = payment(wanted).unwrap().ask;
    assert_eq!(ask.action, Action::Approve);
    let paid = ask.payment.unwrap();
    assert_eq!((paid.amount_minor, paid.currency.as_str()), (125_005, "DKK"));
    assert_eq!((paid.payee.as_str(), paid.account.as_deref()), ("Bager Sørensen", Some("1234 0001234567")));
    let nested = serde_json::json!({ "payment": { "amount": "0.01", "currency": "EUR", "payee": "A" } });
    assert_eq!(idp(&nested).unwrap().ask.payment.unwrap().amount_minor, 1);
    assert_eq!(amount_text(125_005), "1250.05");
    assert_eq!(amount_text(5), "0.05");
}

#[test]
fn a_payment_that_could_be_read_in_two_ways_is_refused() {
    for amount in [
        "1250",
        "1250,00",
        "1.250,00",
        "1250.5",
        "1250.000",
        "-5.00",
        "+5.00",
        "0.00",
        "00.10",
        "01.00",
        ".50",
        "5.",
        "1e3",
        " 5.00",
        "1000000000000.00",
        "٣.٠٠",
        "",
    ] {
        let wanted =
            serde_json::json!({ "type": "godkend_payment", "amount": amount, "currency": "DKK", "payee": "A" });
        assert_eq!(payment(wanted).unwrap_err().kind, Kind::InvalidAuthorizationDetails, "{amount}");
    }
    for (field, value) in [
        ("amount", serde_json::json!(1250.0)),
        ("currency", serde_json::json!("dkk")),
        ("currency", serde_json::json!("JPY")),
        ("currency", serde_json::json!("BTC")),
        ("payee", serde_json::json!("")),
        ("payee", serde_json::json!("x".repeat(65))),
        ("payee", serde_json::json!("Bager\u{202e}")),
        ("account", serde_json::json!("\u{200b}")),
        ("tip", serde_json::json!("5.00")),
    ] {
        let mut wanted =
            serde_json::json!({ "type": "godkend_payment", "amount": "5.00", "currency": "DKK", "payee": "A" });
        wanted[field] = value;
        assert_eq!(payment(wanted).unwrap_err().kind, Kind::InvalidAuthorizationDetails, "{field}");
    }
    let one = serde_json::json!({ "type": "godkend_payment", "amount": "5.00", "currency": "DKK", "payee": "A" });
    let two = serde_json::json!([one, one]).to_string();
    assert!(check(&[("authorization_details", &two)]).is_err());
    let idp = serde_json::json!({ "action_text": "LOG_ON" }).to_string();
    assert!(check(&[("authorization_details", &serde_json::json!([one]).to_string()), ("idp_params", &idp)]).is_err());
    let idp = serde_json::json!({ "payment": { "amount": "5.00", "currency": "DKK", "payee": "A" } }).to_string();
    assert!(check(&[("authorization_details", &serde_json::json!([one]).to_string()), ("idp_params", &idp)]).is_err());
}

#[test]
fn languages_fall_back_to_danish() {
    for (name, value, language) in [
        ("ui_locales", "en-GB da", Language::En),
        ("ui_locales", "sv da-DK en", Language::Da),
        ("ui_locales", "sv", Language::Da),
        ("language", "en", Language::En),
        ("ui_locales", "kl-GL da", Language::Kl),
        ("language", "kl", Language::Kl),
    ] {
        assert_eq!(check(&[(name, value)]).unwrap().ask.language, language, "{value}");
    }
}

#[test]
fn a_back_channel_names_the_person_and_one_text() {
    let ciba = |changed: &[(&str, &str)]| backchannel(&with(changed), &party());
    let (ask, user) = ciba(&[("login_hint", " soren.k "), ("binding_message", "W4SCT")]).unwrap();
    assert_eq!((user.as_str(), ask.text.as_deref()), ("soren.k", Some("W4SCT")));
    let idp = serde_json::json!({ "reference_text": STANDARD.encode("Lån") }).to_string();
    for (changed, kind) in [
        (&[("login_hint", "")][..], Kind::InvalidRequest),
        (&[("login_hint", "soren.k"), ("login_hint_token", "x")], Kind::InvalidRequest),
        (&[("login_hint", "soren.k"), ("id_token_hint", "x")], Kind::InvalidRequest),
        (&[("login_hint", "soren.k"), ("user_code", "x")], Kind::InvalidRequest),
        (&[("login_hint", "soren.k"), ("request", "x")], Kind::RequestNotSupported),
        (&[("login_hint", "soren.k"), ("requested_expiry", "0")], Kind::InvalidRequest),
        (&[("login_hint", "soren.k"), ("binding_message", "a\u{202e}")], Kind::InvalidBindingMessage),
        (&[("login_hint", "soren.k"), ("binding_message", "a"), ("idp_params", &idp)], Kind::InvalidRequest),
        (&[("login_hint", "soren.k"), ("scope", "x")], Kind::InvalidScope),
    ] {
        assert_eq!(ciba(changed).map_err(|e| e.kind).err(), Some(kind), "{changed:?}");
    }
}
