//! The citizen's interface of the identity server, `/citizen/v1`.

use axum::http::{Method, StatusCode, header};
use godkend_netbank::challenge::Challenge;
use godkend_netbank::provider::{Level, Provider};
use openidconnect::AccessToken;
use serde_json::Value;

/// Why the identity server did not do it.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The token is good no more: the visit is over.
    Ended,
    /// It takes a better or a newer login (RFC 9470).
    StepUp {
        /// At least.
        level: Level,
        /// At most so many seconds old.
        max_age: u64,
    },
    /// A refusal with its own sentence.
    Said {
        /// The status.
        status: StatusCode,
        /// In both languages.
        danish: String,
        english: String,
        /// Tries that are left, where they are counted.
        tries_left: Option<u64>,
    },
    /// No answer, or one that says nothing.
    Unreachable,
}

/// Asks; what is sent makes it a POST.
pub(crate) async fn ask(
    provider: &Provider,
    token: &AccessToken,
    path: &str,
    body: Option<Value>,
) -> Result<Value, Refused> {
    let url = format!("{}/citizen/v1/{path}", provider.issuer().trim_end_matches('/'));
    let method = if body.is_some() { Method::POST } else { Method::GET };
    let mut request = provider.http().request(method, url).bearer_auth(token.secret());
    if let Some(body) = body {
        request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
    }
    let reply = request.send().await.map_err(|_| Refused::Unreachable)?;
    let status = reply.status();
    let challenge = reply.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    let challenge = challenge.unwrap_or_default().to_owned();
    let bytes = reply.bytes().await.map_err(|_| Refused::Unreachable)?;
    let answer: Value = serde_json::from_slice(&bytes).map_err(|_| Refused::Unreachable)?;
    if status.is_success() {
        return Ok(answer);
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (status, text("error").as_str()) {
        (StatusCode::UNAUTHORIZED, "insufficient_user_authentication") => Err(step_up(&challenge)),
        (StatusCode::UNAUTHORIZED, _) | (StatusCode::FORBIDDEN, "insufficient_scope") => Err(Refused::Ended),
        (_, "") => Err(Refused::Unreachable),
        _ => Err(Refused::Said {
            status,
            danish: text("message_da"),
            english: text("message_en"),
            tries_left: answer.get("tries_left").and_then(Value::as_u64),
        }),
    }
}

fn step_up(challenge: &str) -> Refused {
    match Challenge::read(challenge) {
        Some(Challenge { level: Some(level), max_age: Some(max_age) }) => Refused::StepUp { level, max_age },
        _ => Refused::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_what_is_lacking() {
        let challenge = "Bearer realm=\"godkend\", error=\"insufficient_user_authentication\", error_description=\"x\", \
                         acr_values=\"https://data.gov.dk/concept/core/nsis/High\", max_age=\"300\"";
        assert!(matches!(step_up(challenge), Refused::StepUp { level: Level::High, max_age: 300 }));
        assert!(matches!(step_up("Bearer realm=\"godkend\""), Refused::Unreachable));
    }
}
