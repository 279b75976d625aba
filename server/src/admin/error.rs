//! Refusals as JSON: a stable code, a sentence in both languages, and what may be done about it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::codes::Code;
use serde_json::json;

use crate::error::ApiError;

/// A refusal towards a desk: the code, and the field that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    error: ApiError,
    field: Option<&'static str>,
}

impl Refusal {
    /// A refusal of one field.
    #[must_use]
    pub fn field(code: Code, field: &'static str) -> Self {
        Self { error: code.into(), field: Some(field) }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { error, field: None }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        ApiError::from(code).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        respond(&self.error, self.field)
    }
}

/// `{"error", "message_da", "message_en", "retry_after"?, "tries_left"?}` with the code's status.
#[must_use]
pub fn json_error(error: &ApiError) -> Response {
    respond(error, None)
}

fn respond(error: &ApiError, field: Option<&'static str>) -> Response {
    let code = error.code;
    let mut body = json!({"error": code.as_str(), "message_da": code.danish(), "message_en": code.english()});
    if let Some(map) = body.as_object_mut() {
        for (name, value) in [("retry_after", error.retry_after), ("tries_left", error.tries_left)] {
            if let Some(value) = value {
                map.insert(name.to_owned(), value.into());
            }
        }
        if let Some(field) = field {
            map.insert("field".to_owned(), field.into());
        }
    }
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if code == Code::Unauthorised {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
