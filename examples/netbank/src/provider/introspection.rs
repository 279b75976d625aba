//! What a resource asks the identity server about a token that it was sent (RFC 7662).

use openidconnect::AccessToken;
use serde::Deserialize;

use super::{Level, Provider, ProviderError};

/// What the identity server says about a token.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Introspected {
    /// Whether it opens anything of this client's.
    pub active: bool,
    /// The key that it is bound to (RFC 9449, section 6.2).
    cnf: Option<Confirmation>,
    /// `Bearer` or `DPoP`, the scheme that it must be sent with.
    #[serde(default)]
    pub token_type: String,
    /// The level that the login reached (RFC 9470, section 6.2).
    acr: Option<String>,
    /// The level that was asked for, which is what the person was shown.
    #[serde(rename = "godkend.asked_acr")]
    asked_acr: Option<String>,
    /// When the person signed in, Unix seconds (RFC 9470, section 6.2).
    pub auth_time: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Confirmation {
    jkt: String,
}

impl Introspected {
    /// The thumbprint of the key that it is bound to.
    #[must_use]
    pub fn jkt(&self) -> Option<&str> {
        self.cnf.as_ref().map(|confirmation| confirmation.jkt.as_str())
    }

    /// What counts of the login: what was reached, but no more than was asked for.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        let reached = Level::of(self.acr.as_deref()?)?;
        let asked = self.asked_acr.as_deref().map_or(Some(reached), Level::of)?;
        Some(reached.min(asked))
    }
}

impl Provider {
    /// Asks about a token that somebody sent.
    ///
    /// # Errors
    /// [`ProviderError`], also where the identity server has no introspection; nothing is known of the token then.
    pub async fn introspect(&self, token: &AccessToken) -> Result<Introspected, ProviderError> {
        let known = self.known().await?;
        let missing = || ProviderError::Unusable("it describes no introspection_endpoint".to_owned());
        let endpoint = known.beside.introspection_endpoint.as_ref().ok_or_else(missing)?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token.secret())
            .append_pair("token_type_hint", "access_token")
            .finish();
        self.post(endpoint, form).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_login_counts_what_was_asked_for_and_reached() {
        let of = |text: &str| serde_json::from_str::<Introspected>(text).unwrap().level();
        let (low, high) = (Level::Low.uri(), Level::High.uri());
        for (acr, asked, level) in [(high, low, Level::Low), (low, high, Level::Low), (high, high, Level::High)] {
            let told = format!(r#"{{"active":true,"acr":"{acr}","godkend.asked_acr":"{asked}"}}"#);
            assert_eq!(of(&told), Some(level), "{told}");
        }
        assert_eq!(of(&format!(r#"{{"active":true,"acr":"{high}"}}"#)), Some(Level::High));
        for unknown in ["", r#","acr":"x""#, r#","godkend.asked_acr":"https://data.gov.dk/concept/core/nsis/High""#] {
            assert_eq!(of(&format!(r#"{{"active":true{unknown}}}"#)), None, "{unknown}");
        }
    }
}
