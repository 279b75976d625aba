//! The server's refusals: a stable code, and what the sender may do about it.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::cbor::{self, CborError};
use godkend_protocol::codes::Code;
use godkend_protocol::cose::CoseError;
use godkend_protocol::messages::{CONTENT_TYPE, ErrorReply};

use crate::store::StoreError;

/// A refusal. Its [`IntoResponse`] is the phone API's CBOR; JSON towards browsers and relying parties is made where
/// they are answered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", code.as_str())]
pub struct ApiError {
    /// The stable code.
    pub code: Code,
    /// Seconds until it is worth trying again.
    pub retry_after: Option<u32>,
    /// Tries left, where they are counted.
    pub tries_left: Option<u32>,
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self { code, retry_after: None, tries_left: None }
    }
}

impl ApiError {
    /// A refusal with the seconds to wait.
    #[must_use]
    pub fn wait(code: Code, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..code.into() }
    }

    /// A refusal with the tries that are left.
    #[must_use]
    pub fn tries(code: Code, left: u32) -> Self {
        Self { tries_left: Some(left), ..code.into() }
    }

    /// Something else changed the same records: read again and decide anew.
    #[must_use]
    pub fn conflict() -> Self {
        Code::Conflict.into()
    }

    /// Whether [`Self::conflict`].
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code == Code::Conflict
    }

    /// A stored document is not what was written.
    #[must_use]
    pub fn damaged(kind: &'static str) -> Self {
        tracing::error!(kind, "a stored document is damaged");
        Code::Internal.into()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Database(_) | StoreError::Closed => Self::wait(Code::Unavailable, 1),
            StoreError::SchemaTooNew { .. } | StoreError::Damaged(_) | StoreError::Invalid(_) => Code::Internal.into(),
        }
    }
}

impl From<CborError> for ApiError {
    fn from(error: CborError) -> Self {
        match error {
            CborError::Malformed => Code::Malformed.into(),
            CborError::TooLarge => Code::TooLarge.into(),
            CborError::UpdateNeeded => Code::UpdateNeeded.into(),
        }
    }
}

impl From<CoseError> for ApiError {
    fn from(error: CoseError) -> Self {
        match error {
            CoseError::Cbor(error) => error.into(),
            CoseError::WrongType => Code::Malformed.into(),
            CoseError::WrongVersion => Code::UpdateNeeded.into(),
            CoseError::WrongEnvironment => Code::WrongEnvironment.into(),
            CoseError::BadSignature => Code::SignatureInvalid.into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let reply = ErrorReply {
            code: self.code.as_str().to_owned(),
            retry_after: self.retry_after,
            tries_left: self.tries_left,
        };
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], cbor::encode(&reply)).into_response()
    }
}
