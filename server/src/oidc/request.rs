//! What relying parties may ask for, checked before anything is stored.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use godkend_protocol::text::{self, MAX_REFERENCE_TEXT};
use godkend_protocol::types::{Action, Level};
use serde::Deserialize;

use super::dpop;
use super::error::{Kind, OidcError};
use super::params::{Params, code_challenge, visible};
use super::payment::{Asked, WantedPayment, payment_of, payment_of_details};
use super::records::{Ask, AuthorizationRequest, Language, Wish};
use crate::config::{Level as ConfigLevel, RelyingParty};

/// The scope of a citizen's own site: its token opens what [`crate::citizen`] serves.
pub const SELF_SERVICE: &str = "self_service";

/// Where the browser goes back to: known before anything else is judged, for an unknown address is never used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReturnTo {
    /// One of the client's registered addresses.
    pub redirect_uri: String,
    /// Comes back unchanged.
    pub state: Option<String>,
}

/// Where the request wants the browser sent back to.
///
/// # Errors
/// `invalid_request`; to be shown, never redirected.
pub fn return_to(params: &Params, party: &RelyingParty) -> Result<ReturnTo, OidcError> {
    let wanted = params.need("redirect_uri", "redirect_uri is missing.")?;
    if !party.redirect_uris.iter().any(|known| known == wanted) {
        return Err(OidcError::invalid("redirect_uri is not one of those registered for this client."));
    }
    // An answer without the state that was sent would look forged to the client, so a bad one is not answered there.
    let state =
        params.get("state").map(|state| visible(state, 1024, "state must be at most 1024 visible ASCII characters."));
    Ok(ReturnTo { redirect_uri: wanted.to_owned(), state: state.transpose()?.map(str::to_owned) })
}

/// Checks an authorisation request (OpenID Connect Core, section 3.1.2.1; RFC 7636).
///
/// # Errors
/// [`OidcError`]; may be redirected to `back`.
pub fn authorization(
    params: &Params,
    party: &RelyingParty,
    back: &ReturnTo,
) -> Result<AuthorizationRequest, OidcError> {
    if params.get("request").is_some() {
        return Err(OidcError::new(Kind::RequestNotSupported, "Push the request instead (RFC 9126)."));
    }
    if params.get("registration").is_some() {
        return Err(OidcError::new(Kind::RegistrationNotSupported, "Clients are registered by the operator."));
    }
    if params.need("response_type", "response_type is missing.")? != "code" {
        return Err(OidcError::new(Kind::UnsupportedResponseType, "response_type must be code."));
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(OidcError::invalid("response_mode must be query, or left out."));
    }
    if params.get("code_challenge_method") != Some("S256") {
        return Err(OidcError::invalid("PKCE is required: code_challenge_method must be S256."));
    }
    let code_challenge =
        code_challenge(params.need("code_challenge", "PKCE is required: code_challenge is missing.")?)?;
    let mut ask = ask(params, party)?;
    prompt(params, &mut ask.wish)?;
    if ask.wish.silent && party.single_sign_on.is_none() {
        return Err(OidcError::new(
            Kind::LoginRequired,
            "Each login is approved on the phone; prompt=none needs a client that shares logins.",
        ));
    }
    Ok(AuthorizationRequest {
        ask,
        redirect_uri: back.redirect_uri.clone(),
        state: back.state.clone(),
        code_challenge,
        dpop_jkt: dpop::wanted_key(params)?,
    })
}

/// Checks an authorisation request that came with the browser and was not pushed: the person who sits there can have
/// written it. A client that proves who it is must push (RFC 9126, section 5) unless it is registered as one that need
/// not; of those and of public ones, only a plain login is taken.
///
/// # Errors
/// [`OidcError`]; may be redirected to `back`.
pub fn unpushed(params: &Params, party: &RelyingParty, back: &ReturnTo) -> Result<AuthorizationRequest, OidcError> {
    if party.is_confidential() && !party.unpushed {
        return Err(OidcError::invalid(
            "This client has a secret or keys and must push its requests first (RFC 9126), then send client_id and request_uri only.",
        ));
    }
    let request = authorization(params, party, back)?;
    let Ask { action, text, payment, .. } = &request.ask;
    if *action != Action::LogOn || text.is_some() || payment.is_some() {
        return Err(OidcError::invalid(
            "Only a plain LOG_ON may be asked for without pushing; push requests with another action, a text or a payment (RFC 9126).",
        ));
    }
    Ok(request)
}

/// Checks a CIBA request (CIBA Core, section 7.1).
///
/// # Errors
/// [`OidcError`].
pub fn backchannel(params: &Params, party: &RelyingParty) -> Result<(Ask, String), OidcError> {
    if params.get("request").is_some() {
        return Err(OidcError::new(Kind::RequestNotSupported, "Send the parameters themselves."));
    }
    if params.get("login_hint_token").is_some() || params.get("id_token_hint").is_some() {
        return Err(OidcError::invalid("Only login_hint with the person's user id is supported."));
    }
    if params.get("user_code").is_some() {
        return Err(OidcError::invalid("user_code is not supported; the number beside auth_req_id takes its place."));
    }
    if params.get("requested_expiry").is_some_and(|seconds| seconds.parse::<u32>().map_or(true, |s| s == 0)) {
        return Err(OidcError::invalid("requested_expiry must be a positive whole number of seconds."));
    }
    let mut ask = ask(params, party)?;
    if ask.self_service {
        return Err(OidcError::new(Kind::InvalidScope, "The scope self_service needs the person's browser."));
    }
    let user_id = ask.login_hint.clone().ok_or(OidcError::invalid("login_hint is missing."))?;
    if let Some(message) = params.get("binding_message") {
        let shown = OidcError::new(
            Kind::InvalidBindingMessage,
            "binding_message must be at most 130 characters that can be shown safely.",
        );
        text::check(message, MAX_REFERENCE_TEXT).map_err(|_| shown)?;
        if ask.text.is_some() {
            return Err(OidcError::invalid("Send either binding_message or reference_text."));
        }
        ask.text = Some(message.to_owned());
    }
    Ok((ask, user_id))
}

fn prompt(params: &Params, wish: &mut Wish) -> Result<(), OidcError> {
    let mut values = 0;
    for value in params.get("prompt").unwrap_or_default().split(' ').filter(|v| !v.is_empty()) {
        values += 1;
        match value {
            "login" | "consent" | "select_account" => wish.fresh = true,
            "none" => wish.silent = true,
            _ => return Err(OidcError::invalid("prompt holds an unknown value.")),
        }
    }
    if wish.silent && values > 1 {
        return Err(OidcError::invalid("prompt=none stands alone."));
    }
    if let Some(seconds) = params.get("max_age") {
        let seconds = seconds.parse::<u32>();
        wish.max_age =
            Some(i64::from(seconds.map_err(|_| OidcError::invalid("max_age must be a whole number of seconds."))?));
    }
    Ok(())
}

/// What is common to both flows.
fn ask(params: &Params, party: &RelyingParty) -> Result<Ask, OidcError> {
    let scope = params.need("scope", "scope is missing.")?;
    let token = |c: char| matches!(c, '\u{21}' | '\u{23}'..='\u{5b}' | '\u{5d}'..='\u{7e}' | ' ');
    if scope.len() > 1024 || !scope.chars().all(token) || !scope.split(' ').any(|s| s == "openid") {
        return Err(OidcError::new(Kind::InvalidScope, "scope must hold openid."));
    }
    let self_service = scope.split(' ').any(|s| s == SELF_SERVICE);
    if self_service && !party.self_service {
        return Err(OidcError::new(Kind::InvalidScope, "This client may not ask for the scope self_service."));
    }
    let idp = IdpParams::read(params)?;
    let payment = match (params.get("authorization_details"), &idp.payment) {
        (Some(_), Some(_)) => return Err(OidcError::invalid("The payment stands there twice.")),
        (Some(details), None) => payment_of_details(details)?,
        (None, Some(wanted)) => Asked::plain(payment_of(wanted).map_err(OidcError::invalid)?),
        (None, None) => Asked::default(),
    };
    let Asked { payment, details, text } = payment;
    let text = match (idp.reference_text()?, text) {
        (Some(_), Some(_)) => return Err(OidcError::invalid("The text stands there twice.")),
        (own, of_the_payment) => own.or(of_the_payment),
    };
    let action = match (idp.action_text.as_deref(), &payment) {
        (None, None) => Action::LogOn,
        (None, Some(_)) => Action::Approve,
        (Some(name), payment) => {
            let action = action_of(name)?;
            if payment.is_some() && action == Action::LogOn {
                return Err(OidcError::invalid("A payment cannot be approved with LOG_ON."));
            }
            action
        }
    };
    let nonce =
        params.get("nonce").map(|nonce| visible(nonce, 512, "nonce must be at most 512 visible ASCII characters."));
    let login_hint = params.get("login_hint").map(user_id).transpose()?;
    let level = level(params, &idp, party)?;
    if idp.require_psd2 == Some(true) && level == Level::Low {
        return Err(OidcError::invalid("require_psd2 means two factors: ask for Substantial or High."));
    }
    Ok(Ask {
        client_id: party.client_id.clone(),
        action,
        text,
        payment,
        details,
        level,
        login_hint,
        language: language(params)?,
        nonce: nonce.transpose()?.map(str::to_owned),
        wish: Wish { uuid: idp.uuid_hint()?, fresh: idp.enable_step_up == Some(true), ..Wish::default() },
        self_service,
    })
}

/// A user id: 5 to 48 visible characters.
///
/// # Errors
/// `invalid_request`. Says nothing about whether there is such a user.
pub fn user_id(text: &str) -> Result<String, OidcError> {
    let text = text.trim();
    let length = text.chars().count();
    if !(5..=48).contains(&length) || text::check(text, 48).is_err() {
        return Err(OidcError::invalid("A user id has 5 to 48 characters."));
    }
    Ok(text.to_owned())
}

fn language(params: &Params) -> Result<Language, OidcError> {
    match params.get("language") {
        Some("da") => return Ok(Language::Da),
        Some("en") => return Ok(Language::En),
        Some("kl") => return Ok(Language::Kl),
        Some(_) => return Err(OidcError::invalid("language must be da, en or kl.")),
        None => {}
    }
    let wanted = visible(params.get("ui_locales").unwrap_or_default(), 256, "ui_locales is malformed.")?;
    let known = wanted.split(' ').find_map(Language::of_tag);
    // RFC 5646 tags that nobody here speaks are no error (OpenID Connect Core, section 3.1.2.1).
    Ok(known.unwrap_or_default())
}

fn level(params: &Params, idp: &IdpParams, party: &RelyingParty) -> Result<Level, OidcError> {
    let known = |text: &str| {
        [Level::Low, Level::Substantial, Level::High]
            .into_iter()
            .find(|level| level.uri() == text || level.name().eq_ignore_ascii_case(text))
    };
    let may = |level: Level| party.levels.iter().any(|allowed| level_of(*allowed) == level);
    let by_idp = match idp.loa_value.as_deref() {
        None => None,
        Some(text) => Some(known(text).ok_or(OidcError::invalid("loa_value is not a known level."))?),
    };
    let by_acr = match params.get("acr_values") {
        None => None,
        Some(text) => {
            let wanted: Vec<Level> = text.split(' ').filter_map(known).collect();
            if wanted.is_empty() {
                return Err(OidcError::invalid("acr_values names no known level."));
            }
            // In the order of preference; a level that this client may not have is passed over.
            Some(wanted.iter().copied().find(|level| may(*level)).or_else(|| wanted.first().copied()))
        }
    }
    .flatten();
    let wanted = match (by_idp, by_acr) {
        (Some(a), Some(b)) if a != b => {
            return Err(OidcError::invalid("acr_values and loa_value ask for different levels."));
        }
        (Some(level), _) | (None, Some(level)) => level,
        (None, None) => default_level(party),
    };
    if may(wanted) {
        Ok(wanted)
    } else {
        Err(OidcError::new(Kind::UnmetAuthenticationRequirements, "This client may not ask for that level."))
    }
}

/// Substantial where the client may have it, else the nearest that it may have.
fn default_level(party: &RelyingParty) -> Level {
    let mut levels: Vec<Level> = party.levels.iter().map(|level| level_of(*level)).collect();
    levels.sort_unstable();
    let up_to = levels.iter().rev().find(|level| **level <= Level::Substantial);
    up_to.or(levels.first()).copied().unwrap_or(Level::Substantial)
}

/// The protocol's name of a configured level.
#[must_use]
pub const fn level_of(level: ConfigLevel) -> Level {
    match level {
        ConfigLevel::Low => Level::Low,
        ConfigLevel::Substantial => Level::Substantial,
        ConfigLevel::High => Level::High,
    }
}

fn action_of(name: &str) -> Result<Action, OidcError> {
    [Action::LogOn, Action::Approve, Action::Confirm, Action::Accept, Action::Sign]
        .into_iter()
        .find(|action| action.name() == name)
        .ok_or(OidcError::invalid("action_text must be LOG_ON, APPROVE, CONFIRM, ACCEPT or SIGN."))
}

/// The Danish brokers' own parameters.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct IdpParams {
    reference_text: Option<String>,
    action_text: Option<String>,
    loa_value: Option<String>,
    payment: Option<WantedPayment>,
    uuid_hint: Option<String>,
    require_psd2: Option<bool>,
    enable_step_up: Option<bool>,
    // Taken, for they ask for what every login page here has: a link that opens the app.
    #[serde(rename = "enable_app_switch")]
    _app_switch: Option<bool>,
    #[serde(rename = "app_switch_os")]
    _app_switch_os: Option<String>,
    #[serde(rename = "app_switch_url")]
    _app_switch_url: Option<String>,
}

impl IdpParams {
    fn read(params: &Params) -> Result<Self, OidcError> {
        let Some(text) = params.get("idp_params") else { return Ok(Self::default()) };
        let invalid = OidcError::invalid(
            "idp_params must be a JSON object with reference_text, action_text, loa_value, uuid_hint, require_psd2, enable_step_up, payment and the app switch's fields only.",
        );
        // Some brokers nest the fields under the provider's name.
        let mut value: serde_json::Value = serde_json::from_str(text).map_err(|_| invalid.clone())?;
        let object = value.as_object_mut().ok_or_else(|| invalid.clone())?;
        if object.len() == 1
            && let Some(nested) = object.remove("mitid")
        {
            value = nested;
        }
        if !value.is_object() {
            return Err(invalid);
        }
        serde_json::from_value(value).map_err(|_| invalid)
    }

    /// RFC 9562, section 4, in lower case: as `mitid.uuid` was told.
    fn uuid_hint(&self) -> Result<Option<String>, OidcError> {
        let Some(hint) = &self.uuid_hint else { return Ok(None) };
        let fits = hint.len() == 36
            && hint.bytes().enumerate().all(|(at, b)| match at {
                8 | 13 | 18 | 23 => b == b'-',
                _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
            });
        if fits {
            Ok(Some(hint.clone()))
        } else {
            Err(OidcError::invalid("uuid_hint must be a mitid.uuid as it was told."))
        }
    }

    fn reference_text(&self) -> Result<Option<String>, OidcError> {
        let Some(encoded) = &self.reference_text else { return Ok(None) };
        let invalid = OidcError::invalid(
            "reference_text must be Base64 of UTF-8 text: at most 130 characters that can be shown safely, in normal form C.",
        );
        let engine = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let bytes = engine.decode(encoded).map_err(|_| invalid.clone())?;
        let shown = String::from_utf8(bytes).map_err(|_| invalid.clone())?;
        text::check(&shown, MAX_REFERENCE_TEXT).map_err(|_| invalid)?;
        Ok(Some(shown))
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
