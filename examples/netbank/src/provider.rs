//! A relying party's side of OpenID Connect: the bank's, and that of the other demo sites.

mod introspection;
mod transport;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGenderClaim, CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreSubjectIdentifierType, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AdditionalProviderMetadata, AuthenticationContextClass, AuthorizationCode,
    Client, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata,
    RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

pub use openidconnect::AccessToken;

pub use self::introspection::Introspected;
use self::transport::Bound;
pub use crate::asked::{Asked, Level, Payment};
use crate::{Callback, Clock, Settings, system_clock};

/// Why somebody is not signed in, or a payment not approved. The texts are for the bank's customer.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The settings cannot be used: correct them.
    #[error("a setting cannot be used: {0}")]
    Settings(String),
    /// The identity server did not answer: try again.
    #[error("the identity server does not answer: {0}")]
    Unreachable(String),
    /// It answered with what it should not: look at both.
    #[error("the identity server's answer cannot be used: {0}")]
    Unusable(String),
    /// It refused the request: look at the client's registration.
    #[error("the identity server refused the request: {error}: {description}")]
    Refused {
        /// Its `error`.
        error: String,
        /// Its `error_description`.
        description: String,
    },
    /// The person declined, or did not answer.
    #[error("not approved: {0}")]
    Declined(String),
    /// An answer that nobody asked for: begin anew.
    #[error("there is nothing to answer; begin again")]
    Unasked,
    /// The token is not what was asked for: nothing is done with it.
    #[error("the answer does not fit what was asked for: {0}")]
    Mismatch(&'static str),
}

impl ProviderError {
    /// The status of the page that says so.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Settings(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unreachable(_) | Self::Unusable(_) | Self::Refused { .. } => StatusCode::BAD_GATEWAY,
            Self::Declined(_) | Self::Unasked | Self::Mismatch(_) => StatusCode::FORBIDDEN,
        }
    }
}

/// What a request may ask for beside the login.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside {
    /// A scope beside `openid`.
    pub scope: Option<&'static str>,
    /// A login that is at most so many seconds old when it comes back.
    pub max_age: Option<u64>,
    /// A new login, whatever the browser has done before.
    pub fresh: bool,
    /// The language of the identity server's pages: `da`, `en`.
    pub language: Option<&'static str>,
}

/// A request that the browser was sent away with.
pub struct Pending {
    asked: Asked,
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// A person, as the verified ID token says.
#[derive(Clone, Debug)]
pub struct Person {
    /// The subject, this bank's own.
    pub sub: String,
    /// The name.
    pub name: String,
    /// The level that was reached.
    pub level: Level,
    /// How browser and phone were bound.
    pub binding: String,
    /// The approval's name at the identity server.
    pub transaction: String,
}

/// The claims beside the standard ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    #[serde(rename = "mitid.identity_name")]
    name: String,
    #[serde(rename = "mitid.transaction_id")]
    transaction: String,
    #[serde(rename = "godkend.binding")]
    binding: String,
    authorization_details: Option<Value>,
}

impl AdditionalClaims for Claims {}

/// What the crate does not read of the description (RFC 9126, section 5; RFC 8414, section 2).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Endpoints {
    pushed_authorization_request_endpoint: Url,
    introspection_endpoint: Option<Url>,
}

impl AdditionalProviderMetadata for Endpoints {}

type Metadata = ProviderMetadata<
    Endpoints,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type Tokens = StandardTokenResponse<
    IdTokenFields<
        Claims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

type OidcClient = Client<
    Claims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

struct Known {
    client: OidcClient,
    authorize: Url,
    beside: Endpoints,
}

/// The identity server, as this client knows it.
pub struct Provider {
    settings: Settings,
    issuer: IssuerUrl,
    http: reqwest::Client,
    /// The key that tokens are bound to, where they are.
    bound: Option<Bound>,
    known: OnceCell<Known>,
}

impl Provider {
    /// Nothing is asked of the identity server until the first login.
    ///
    /// # Errors
    /// [`ProviderError::Settings`].
    pub fn new(settings: Settings) -> Result<Self, ProviderError> {
        Self::with_clock(settings, std::sync::Arc::new(system_clock))
    }

    /// The same, with a clock of its own.
    ///
    /// # Errors
    /// [`ProviderError::Settings`].
    pub fn with_clock(settings: Settings, clock: Clock) -> Result<Self, ProviderError> {
        let unusable = |error: &dyn std::error::Error| ProviderError::Settings(error.to_string());
        // Fails if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            // The crate's advice: a redirect could lead requests with the secret elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(core::time::Duration::from_secs(20));
        if let Some(pem) = &settings.certificate {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| unusable(&error))?;
            http = http.tls_certs_only(certificates);
        }
        let http = http.build().map_err(|error| unusable(&error))?;
        let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(|error| unusable(&error))?;
        let bound = if settings.dpop { Some(Bound::new(clock)?) } else { None };
        Ok(Self { settings, issuer, http, bound, known: OnceCell::new() })
    }

    /// Pushes a request; says where to send the browser, and what to keep until it comes back.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn begin(&self, asked: Asked) -> Result<(String, Pending), ProviderError> {
        self.begin_with(asked, Beside::default()).await
    }

    /// [`Self::begin`], with what few relying parties ask for beside it.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn begin_with(&self, asked: Asked, beside: Beside) -> Result<(String, Pending), ProviderError> {
        let known = self.known().await?;
        let (level, text) = match &asked {
            Asked::Login { level, text, .. } => (*level, *text),
            Asked::Payment { .. } => (Level::High, "Betaling fra din lønkonto"),
        };
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let idp_params = json!({ "reference_text": STANDARD.encode(text) }).to_string();
        let mut request = known
            .client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_auth_context_value(AuthenticationContextClass::new(level.uri().to_owned()))
            .set_pkce_challenge(challenge)
            .add_extra_param("idp_params", idp_params);
        if let Some(scope) = beside.scope {
            request = request.add_scope(Scope::new(scope.to_owned()));
        }
        if let Some(seconds) = beside.max_age {
            let age = core::time::Duration::from_secs(seconds);
            request = request.set_max_age(age);
        }
        if beside.fresh {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        if let Some(language) = beside.language {
            request = request.add_extra_param("language", language);
        }
        if let Asked::Payment { payment, .. } = &asked {
            request = request.add_extra_param("authorization_details", payment.details().to_string());
        }
        let (whole, state, nonce) = request.url();
        let request_uri = self.push(known, whole.query().unwrap_or_default()).await?;
        let mut address = known.authorize.clone();
        address
            .query_pairs_mut()
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("request_uri", &request_uri);
        Ok((address.into(), Pending { asked, state, nonce, verifier }))
    }

    /// Redeems the code and verifies all that is said of the person and of what was approved.
    ///
    /// # Errors
    /// [`ProviderError`]; nobody is signed in and nothing is paid.
    pub async fn finish(&self, pending: Pending, callback: Callback) -> Result<(Asked, Person), ProviderError> {
        let (asked, person, _) = self.finish_with_token(pending, callback).await?;
        Ok((asked, person))
    }

    /// [`Self::finish`], with the access token, for a resource of the identity server's.
    ///
    /// # Errors
    /// [`ProviderError`]; nobody is signed in and nothing is paid.
    pub async fn finish_with_token(
        &self,
        pending: Pending,
        callback: Callback,
    ) -> Result<(Asked, Person, AccessToken), ProviderError> {
        let Pending { asked, state, nonce, verifier } = pending;
        if callback.state.as_deref() != Some(state.secret().as_str()) {
            return Err(ProviderError::Unasked);
        }
        // RFC 9207: an answer of another server is not taken for this one's.
        if callback.iss.as_deref() != Some(self.issuer.as_str()) {
            return Err(ProviderError::Mismatch("it comes from another issuer"));
        }
        if let Some(error) = callback.error {
            return Err(ProviderError::Declined(callback.error_description.unwrap_or(error)));
        }
        let code = callback.code.ok_or(ProviderError::Unasked)?;
        let client = &self.known().await?.client;
        let unusable = |error: &dyn std::error::Error| ProviderError::Unusable(error.to_string());
        let http = self.transport();
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| unusable(&error))?
            .set_pkce_verifier(verifier)
            .request_async(&http)
            .await
            .map_err(|error| match error {
                openidconnect::RequestTokenError::ServerResponse(refusal) => ProviderError::Refused {
                    error: refusal.error().as_ref().to_owned(),
                    description: refusal.error_description().cloned().unwrap_or_default(),
                },
                openidconnect::RequestTokenError::Request(error) => error,
                error => unusable(&error),
            })?;
        let id_token = tokens.id_token().ok_or(ProviderError::Mismatch("there is no ID token"))?;
        let token_verifier = client.id_token_verifier().set_allowed_algs([CoreJwsSigningAlgorithm::EcdsaP256Sha256]);
        let claims = id_token.claims(&token_verifier, &nonce).map_err(|error| unusable(&error))?;
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = id_token.signing_alg().map_err(|error| unusable(&error))?;
            let key = id_token.signing_key(&token_verifier).map_err(|error| unusable(&error))?;
            let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if actual.map_err(|error| unusable(&error))? != *expected {
                return Err(ProviderError::Mismatch("the access token is another"));
            }
        }
        let level = claims.auth_context_ref().and_then(|level| Level::of(level));
        let level = level.ok_or(ProviderError::Mismatch("the token names no level"))?;
        let extra = claims.additional_claims();
        let person = Person {
            sub: claims.subject().to_string(),
            name: extra.name.clone(),
            level,
            binding: extra.binding.clone(),
            transaction: extra.transaction.clone(),
        };
        fits(&asked, &person, extra.authorization_details.as_ref())?;
        Ok((asked, person, tokens.access_token().clone()))
    }

    /// What this client talks to the identity server with, and trusts nobody else by.
    #[must_use]
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The identity server's origin.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// The identity server's description, fetched once.
    async fn known(&self) -> Result<&Known, ProviderError> {
        self.known.get_or_try_init(|| self.discover()).await
    }

    async fn discover(&self) -> Result<Known, ProviderError> {
        let http = self.transport();
        let metadata = Metadata::discover_async(self.issuer.clone(), &http).await.map_err(|error| match error {
            openidconnect::DiscoveryError::Request(error) => error,
            error => ProviderError::Unusable(error.to_string()),
        })?;
        let authorize = metadata.authorization_endpoint().url().clone();
        let beside = metadata.additional_metadata().clone();
        let redirect = RedirectUrl::new(format!("{}/callback", self.settings.url))
            .map_err(|error| ProviderError::Settings(error.to_string()))?;
        let secret = self.settings.client_secret.clone().map(ClientSecret::new);
        let client =
            OidcClient::from_provider_metadata(metadata, ClientId::new(self.settings.client_id.clone()), secret)
                .set_redirect_uri(redirect);
        Ok(Known { client, authorize, beside })
    }

    /// RFC 9126: the crate has no pushed requests, so the query of its address is posted as it is.
    async fn push(&self, known: &Known, query: &str) -> Result<String, ProviderError> {
        #[derive(Deserialize)]
        struct Pushed {
            request_uri: String,
        }
        let pushed: Pushed = self.post(&known.beside.pushed_authorization_request_endpoint, query.to_owned()).await?;
        Ok(pushed.request_uri)
    }
}

/// Whether the verified token is about what was asked for: level, for a step up and a payment the person, for a payment
/// amount and payee.
fn fits(asked: &Asked, person: &Person, approved: Option<&Value>) -> Result<(), ProviderError> {
    match asked {
        Asked::Login { level, .. } if person.level < *level => Err(ProviderError::Mismatch("the level is too low")),
        Asked::Payment { .. } if person.level < Level::High => Err(ProviderError::Mismatch("the level is too low")),
        Asked::Login { sub: Some(sub), .. } | Asked::Payment { sub, .. } if *sub != person.sub => {
            Err(ProviderError::Mismatch("another person approved than the one who is signed in"))
        }
        Asked::Login { .. } => Ok(()),
        Asked::Payment { payment, .. } if approved != Some(&payment.details()) => {
            Err(ProviderError::Mismatch("another payment was approved"))
        }
        Asked::Payment { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(amount: &str) -> Payment {
        Payment {
            amount: amount.to_owned(),
            currency: "DKK".to_owned(),
            payee: "Bager".to_owned(),
            account: "1234".to_owned(),
        }
    }

    fn person(level: Level) -> Person {
        Person {
            sub: "me".to_owned(),
            name: "A".to_owned(),
            level,
            binding: "scanned_qr".to_owned(),
            transaction: "t".to_owned(),
        }
    }

    #[test]
    fn only_the_payment_that_was_asked_for_is_paid() {
        let asked = Asked::Payment { payment: payment("5.00"), sub: "me".to_owned() };
        let good = payment("5.00").details();
        assert!(fits(&asked, &person(Level::High), Some(&good)).is_ok());
        assert!(fits(&asked, &person(Level::Substantial), Some(&good)).is_err());
        assert!(fits(&asked, &person(Level::High), None).is_err());
        assert!(fits(&asked, &person(Level::High), Some(&payment("50.00").details())).is_err());
        let other = Person { sub: "you".to_owned(), ..person(Level::High) };
        assert!(fits(&asked, &other, Some(&good)).is_err());
    }

    #[test]
    fn a_login_needs_its_level_and_a_step_up_its_person() {
        let login = |level, sub: Option<&str>| Asked::Login { level, text: "x", sub: sub.map(str::to_owned) };
        assert!(fits(&login(Level::Substantial, None), &person(Level::High), None).is_ok());
        assert!(fits(&login(Level::Substantial, None), &person(Level::Substantial), None).is_ok());
        assert!(fits(&login(Level::Substantial, None), &person(Level::Low), None).is_err());
        assert!(fits(&login(Level::Low, None), &person(Level::Low), None).is_ok());
        assert!(fits(&login(Level::Low, Some("me")), &person(Level::Low), None).is_ok());
        assert!(fits(&login(Level::Low, Some("you")), &person(Level::Low), None).is_err());
        assert_eq!(Level::of(Level::High.uri()), Some(Level::High));
        assert_eq!(Level::of(""), None);
    }
}
