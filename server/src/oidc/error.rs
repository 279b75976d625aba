//! Refusals towards relying parties: RFC 6749 (sections 4.1.2.1, 5.2), RFC 9126 (section 2.3), OpenID Connect Core
//! (section 3.1.2.6) and CIBA (sections 11, 13).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::codes::Code;

use crate::error::ApiError;

/// What went wrong, as the standards name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A parameter is missing, twice there or malformed.
    InvalidRequest,
    /// The client did not prove who it is.
    InvalidClient,
    /// The code, or the CIBA request, is not this client's, is used up or too old.
    InvalidGrant,
    /// The client may not do this.
    UnauthorizedClient,
    /// Another grant type than the discovery document names.
    UnsupportedGrantType,
    /// Another response type than `code`.
    UnsupportedResponseType,
    /// The scope lacks `openid`.
    InvalidScope,
    /// `authorization_details` cannot be taken (RFC 9396, section 5).
    InvalidAuthorizationDetails,
    /// `request` is not supported.
    RequestNotSupported,
    /// `request_uri` is unknown, used or too old.
    InvalidRequestUri,
    /// `registration` is not supported.
    RegistrationNotSupported,
    /// `prompt=none`, and there is no login in this browser that the client may share.
    LoginRequired,
    /// The level cannot be reached (OpenID Connect Unmet Authentication Requirements 1.0).
    UnmetAuthenticationRequirements,
    /// The person declined, or reported fraud.
    AccessDenied,
    /// The DPoP proof cannot be taken (RFC 9449, section 5).
    InvalidDpopProof,
    /// The DPoP proof needs the server's nonce (RFC 9449, section 8).
    UseDpopNonce,
    /// CIBA: not answered yet.
    AuthorizationPending,
    /// CIBA: polled sooner than the interval.
    SlowDown,
    /// CIBA: nobody answered in time.
    ExpiredToken,
    /// CIBA: `binding_message` cannot be shown.
    InvalidBindingMessage,
    /// Too many requests from one place, or the server cannot answer now.
    TemporarilyUnavailable,
    /// A fault of the server.
    ServerError,
}

impl Kind {
    /// All of them, for documents and tests.
    pub const ALL: &[Self] = &[
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::UnsupportedResponseType,
        Self::InvalidScope,
        Self::InvalidAuthorizationDetails,
        Self::RequestNotSupported,
        Self::InvalidRequestUri,
        Self::RegistrationNotSupported,
        Self::LoginRequired,
        Self::UnmetAuthenticationRequirements,
        Self::AccessDenied,
        Self::InvalidDpopProof,
        Self::UseDpopNonce,
        Self::AuthorizationPending,
        Self::SlowDown,
        Self::ExpiredToken,
        Self::InvalidBindingMessage,
        Self::TemporarilyUnavailable,
        Self::ServerError,
    ];

    /// The stable `error`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidAuthorizationDetails => "invalid_authorization_details",
            Self::RequestNotSupported => "request_not_supported",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::LoginRequired => "login_required",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::AccessDenied => "access_denied",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::InvalidBindingMessage => "invalid_binding_message",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// A refusal: its kind, and a sentence that says what to change. Holds nothing that the sender sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {description}", kind.as_str())]
pub struct OidcError {
    /// The kind.
    pub kind: Kind,
    /// `error_description`.
    pub description: &'static str,
    /// Seconds until it is worth trying again.
    pub retry_after: Option<u32>,
    /// The nonce for the next DPoP proof.
    pub dpop_nonce: Option<String>,
}

impl OidcError {
    /// A refusal.
    #[must_use]
    pub const fn new(kind: Kind, description: &'static str) -> Self {
        Self { kind, description, retry_after: None, dpop_nonce: None }
    }

    /// [`Kind::InvalidRequest`].
    #[must_use]
    pub const fn invalid(description: &'static str) -> Self {
        Self::new(Kind::InvalidRequest, description)
    }
}

impl From<ApiError> for OidcError {
    fn from(error: ApiError) -> Self {
        let kind = match error.code {
            Code::Throttled | Code::Unavailable | Code::Conflict => Kind::TemporarilyUnavailable,
            Code::LevelUnreachable => Kind::UnmetAuthenticationRequirements,
            Code::TransactionExpired | Code::TransactionUnknown => Kind::ExpiredToken,
            Code::TransactionFinished | Code::IdentityBlocked => Kind::InvalidGrant,
            Code::Malformed | Code::TooLarge | Code::TextRefused => Kind::InvalidRequest,
            _ => Kind::ServerError,
        };
        Self { retry_after: error.retry_after, ..Self::new(kind, error.code.english()) }
    }
}

impl IntoResponse for OidcError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.kind.as_str(), "error_description": self.description });
        let mut response = (self.kind.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.kind == Kind::InvalidClient {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"godkend\""));
        }
        if let Some(nonce) = self.dpop_nonce.and_then(|nonce| HeaderValue::from_str(&nonce).ok()) {
            headers.insert(super::dpop::NONCE_HEADER, nonce);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
