//! Form parameters as RFC 6749 wants them read (section 3.1): none twice, an empty one is none.

use godkend_protocol::bytes::Hash32;

use super::error::OidcError;

/// The longest value of a parameter, bytes.
const LONGEST: usize = 8192;
/// The most parameters in one request.
const MOST: usize = 64;

/// Checked form parameters.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string or a form body (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    /// `invalid_request` for a repeated, over-long or not UTF-8 parameter.
    pub fn parse(text: &[u8]) -> Result<Self, OidcError> {
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            // The parser replaces what is not UTF-8; nothing that we read may hold the replacement.
            if name.contains('\u{FFFD}') || value.contains('\u{FFFD}') {
                return Err(OidcError::invalid("A parameter is not UTF-8."));
            }
            if params.len() >= MOST || value.len() > LONGEST || name.len() > 128 {
                return Err(OidcError::invalid("There are too many parameters, or one is too long."));
            }
            if params.iter().any(|(seen, _)| *seen == name) {
                return Err(OidcError::invalid("A parameter stands there twice."));
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(params))
    }

    /// A parameter that has a value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request` with this description.
    pub fn need(&self, name: &str, description: &'static str) -> Result<&str, OidcError> {
        self.get(name).ok_or(OidcError::invalid(description))
    }
}

/// A parameter of visible ASCII (RFC 6749, appendix A: VSCHAR), as `state`, `nonce` and codes are.
///
/// # Errors
/// `invalid_request` with this description.
pub fn visible<'a>(value: &'a str, longest: usize, description: &'static str) -> Result<&'a str, OidcError> {
    if value.len() <= longest && value.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
        Ok(value)
    } else {
        Err(OidcError::invalid(description))
    }
}

/// A PKCE S256 challenge (RFC 7636, section 4.2).
///
/// # Errors
/// `invalid_request`.
pub fn code_challenge(value: &str) -> Result<Hash32, OidcError> {
    Hash32::from_base64(value).ok_or(OidcError::invalid("code_challenge must be 43 characters of Base64url."))
}

/// The challenge of a PKCE verifier: 43 to 128 unreserved characters (RFC 7636, section 4.1).
#[must_use]
pub fn challenge_of(verifier: &str) -> Option<Hash32> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    ((43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved))
        .then(|| godkend_protocol::crypto::sha256(&[verifier.as_bytes()]))
}
