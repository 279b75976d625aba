//! Payments in `authorization_details` (RFC 9396): the project's own type, and `payment_initiation` as the RFC's example has
//! it. Of the latter everything that says what is paid to whom is shown on the page and on the phone, and what would not be
//! is refused.

use godkend_protocol::text::{self, MAX_NAME, MAX_REFERENCE_TEXT};
use godkend_protocol::types::Payment;
use serde::Deserialize;
use serde_json::Value;

use super::error::{Kind, OidcError};
use super::params::visible;

/// The project's own type of a payment.
pub const PAYMENT_TYPE: &str = "godkend_payment";
/// The type of RFC 9396, section 2.
pub const INITIATION_TYPE: &str = "payment_initiation";

/// Currencies with two decimals. Others would be shown wrongly by a phone that counts in hundredths.
const CURRENCIES: &[&str] =
    &["DKK", "EUR", "SEK", "NOK", "USD", "GBP", "CHF", "PLN", "CZK", "HUF", "RON", "BGN", "CAD", "AUD", "NZD"];

/// What a request asks to be paid; nothing by default.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) payment: Option<Payment>,
    /// The details as they were sent, which come back so in the answer.
    pub(super) details: Option<Value>,
    /// What the payee is told, shown as the reference text.
    pub(super) text: Option<String>,
}

impl Asked {
    /// A payment and no more.
    pub(super) fn plain(payment: Payment) -> Self {
        Self { payment: Some(payment), ..Self::default() }
    }
}

/// The project's own form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedPayment {
    amount: String,
    currency: String,
    payee: String,
    account: Option<String>,
}

/// RFC 9396's form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Initiation {
    instructed_amount: Amount,
    creditor_name: String,
    creditor_account: Option<Account>,
    remittance_information_unstructured: Option<String>,
    actions: Option<Vec<String>>,
    locations: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    amount: String,
    currency: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    iban: String,
    bic: Option<String>,
}

/// Reads `authorization_details`.
pub(super) fn payment_of_details(text: &str) -> Result<Asked, OidcError> {
    let refuse = |description| OidcError::new(Kind::InvalidAuthorizationDetails, description);
    let details: Vec<Value> =
        serde_json::from_str(text).map_err(|_| refuse("authorization_details must be a JSON array."))?;
    let [detail] = <[Value; 1]>::try_from(details)
        .map_err(|_| refuse("authorization_details must hold one payment; several cannot be approved at once."))?;
    let sent = detail.clone();
    let Value::Object(mut detail) = detail else {
        return Err(refuse("authorization_details must hold an object."));
    };
    let kind = detail.remove("type");
    match kind.as_ref().and_then(Value::as_str) {
        Some(PAYMENT_TYPE) => {
            let wanted: WantedPayment = serde_json::from_value(detail.into()).map_err(|_| {
                refuse("A payment has amount, currency, payee and, if wished, account; all of them texts.")
            })?;
            payment_of(&wanted).map(Asked::plain).map_err(refuse)
        }
        Some(INITIATION_TYPE) => {
            let wanted: Initiation = serde_json::from_value(detail.into()).map_err(|_| {
                refuse(
                    "A payment_initiation has instructedAmount, creditorName and, if wished, creditorAccount with iban and bic, remittanceInformationUnstructured, actions and locations.",
                )
            })?;
            initiation(wanted, sent).map_err(refuse)
        }
        _ => Err(refuse("The type in authorization_details must be godkend_payment or payment_initiation.")),
    }
}

fn initiation(wanted: Initiation, sent: Value) -> Result<Asked, &'static str> {
    // What else one may do with a payment is shown to nobody, so nobody can approve it.
    if wanted.actions.is_some_and(|actions| actions.iter().any(|action| action != "initiate")) {
        return Err("actions must be initiate alone: more is not what the person is shown.");
    }
    let fits = |location: &String| visible(location, 256, "").is_ok();
    if wanted.locations.is_some_and(|locations| locations.len() > 4 || !locations.iter().all(fits)) {
        return Err("locations must be at most four addresses of at most 256 visible ASCII characters.");
    }
    let Amount { amount, currency } = wanted.instructed_amount;
    let account = wanted.creditor_account.map(|account| shown(&account)).transpose()?;
    if let Some(remittance) = &wanted.remittance_information_unstructured {
        text::check(remittance, MAX_REFERENCE_TEXT).map_err(
            |_| "remittanceInformationUnstructured must be at most 130 characters that can be shown safely.",
        )?;
    }
    let payment = payment_of(&WantedPayment { amount, currency, payee: wanted.creditor_name, account })?;
    Ok(Asked { payment: Some(payment), details: Some(sent), text: wanted.remittance_information_unstructured })
}

/// An account as people read it: in groups of four (ISO 13616), then the bank.
fn shown(account: &Account) -> Result<String, &'static str> {
    if !is_iban(&account.iban) {
        return Err("iban must be one without spaces, with its right check digits.");
    }
    let groups: Vec<&str> = (0..account.iban.len())
        .step_by(4)
        .filter_map(|at| account.iban.get(at..account.iban.len().min(at.saturating_add(4))))
        .collect();
    let mut text = groups.join(" ");
    if let Some(bic) = &account.bic {
        let letters = bic.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !letters || !matches!(bic.len(), 8 | 11) {
            return Err("bic must be 8 or 11 capital letters and digits (ISO 9362).");
        }
        text.push_str(", ");
        text.push_str(bic);
    }
    Ok(text)
}

/// ISO 13616: country, two check digits, 11 to 30 letters and digits; modulo 97 (ISO 7064) it is 1.
fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    let form = (15..=34).contains(&bytes.len())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit)
        && bytes[4..].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let remainder = |bytes: &[u8]| {
        bytes.iter().fold(0_u32, |rest, byte| match byte {
            b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
            digit => (rest * 10 + u32::from(digit.saturating_sub(b'0'))) % 97,
        })
    };
    form && remainder(&[&bytes[4..], &bytes[..4]].concat()) == 1
}

/// Checks a payment of the project's own form.
pub(super) fn payment_of(wanted: &WantedPayment) -> Result<Payment, &'static str> {
    let amount_minor =
        amount_minor(&wanted.amount).ok_or("amount must be a positive text such as 1250.00, with two decimals.")?;
    if !CURRENCIES.contains(&wanted.currency.as_str()) {
        return Err("currency must be a known ISO 4217 code with two decimals, such as DKK.");
    }
    text::check(&wanted.payee, MAX_NAME)
        .map_err(|_| "The payee's name must be at most 64 characters that can be shown safely.")?;
    if let Some(account) = &wanted.account {
        text::check(account, MAX_NAME)
            .map_err(|_| "account must be at most 64 characters that can be shown safely.")?;
    }
    Ok(Payment {
        amount_minor,
        currency: wanted.currency.clone(),
        payee: wanted.payee.clone(),
        account: wanted.account.clone(),
    })
}

/// `1250.00` as 125000.
fn amount_minor(text: &str) -> Option<u64> {
    let (whole, cents) = text.split_once('.')?;
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let canonical = whole == "0" || !whole.starts_with('0');
    if !(1..=12).contains(&whole.len()) || cents.len() != 2 || !digits(whole) || !digits(cents) || !canonical {
        return None;
    }
    let minor = whole.parse::<u64>().ok()? * 100 + cents.parse::<u64>().ok()?;
    (minor > 0).then_some(minor)
}

/// 125000 as `1250.00`.
#[must_use]
pub fn amount_text(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 9396, section 2, figure 2, without the actions that it lists besides.
    fn example() -> Value {
        json!({
            "type": "payment_initiation", "actions": ["initiate"], "locations": ["https://example.com/payments"],
            "instructedAmount": { "currency": "EUR", "amount": "123.50" }, "creditorName": "Merchant A",
            "creditorAccount": { "bic": "ABCIDEFFXXX", "iban": "DE02100100109307118603" },
            "remittanceInformationUnstructured": "Ref Number Merchant",
        })
    }

    fn read(detail: &Value) -> Result<Asked, OidcError> {
        payment_of_details(&json!([detail]).to_string())
    }

    #[test]
    fn the_rfcs_example_is_shown_whole_and_comes_back_as_it_was() {
        let asked = read(&example()).unwrap();
        let payment = asked.payment.unwrap();
        assert_eq!((payment.amount_minor, payment.currency.as_str()), (12_350, "EUR"));
        assert_eq!(payment.payee, "Merchant A");
        assert_eq!(payment.account.as_deref(), Some("DE02 1001 0010 9307 1186 03, ABCIDEFFXXX"));
        assert_eq!((asked.text.as_deref(), asked.details), (Some("Ref Number Merchant"), Some(example())));
        let mut least = example();
        for optional in ["actions", "locations", "creditorAccount", "remittanceInformationUnstructured"] {
            least.as_object_mut().unwrap().remove(optional);
        }
        assert!(read(&least).unwrap().text.is_none());
    }

    #[test]
    fn what_would_not_be_shown_is_refused() {
        for (pointer, instead) in [
            ("/actions", json!(["initiate", "cancel"])),
            ("/actions", json!("initiate")),
            ("/locations", json!(["https://æ.example"])),
            ("/locations", json!(["a", "b", "c", "d", "e"])),
            ("/instructedAmount/amount", json!(123.5)),
            ("/instructedAmount/amount", json!("123.5")),
            ("/instructedAmount/currency", json!("JPY")),
            ("/instructedAmount/tip", json!("1.00")),
            ("/creditorName", json!("")),
            ("/creditorName", json!("a\u{202e}b")),
            ("/creditorAccount/iban", json!("DE03100100109307118603")),
            ("/creditorAccount/iban", json!("DE02 1001 0010 9307 1186 03")),
            ("/creditorAccount/bic", json!("abcideff")),
            ("/creditorAccount/owner", json!("B")),
            ("/remittanceInformationUnstructured", json!("x".repeat(131))),
            ("/debtorAccount", json!({ "iban": "DE02100100109307118603" })),
            ("/type", json!("other")),
        ] {
            let mut bent = example();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            bent.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(name.to_owned(), instead.clone());
            let refused = read(&bent).map(|asked| asked.payment).unwrap_err();
            assert_eq!(refused.kind, Kind::InvalidAuthorizationDetails, "{pointer}: {instead}");
        }
    }

    #[test]
    fn ibans_have_their_check_digits() {
        // The registry's examples.
        for good in
            ["DK5000400440116243", "DE89370400440532013000", "NO9386011117947", "MT84MALT011000012345MTLCAST001S"]
        {
            assert!(is_iban(good), "{good}");
        }
        for bad in [
            "",
            "DK",
            "DK5000400440116244",
            "dk5000400440116243",
            "DK50 0040 0440 1162 43",
            "5000400440116243DK",
            "æøå500040044011",
        ] {
            assert!(!is_iban(bad), "{bad}");
        }
    }
}
