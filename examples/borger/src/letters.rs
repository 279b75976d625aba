//! The letters, as a protected resource: whose login is too weak is told what it takes, in the words of RFC 9470, section 3.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_netbank::provider::{Level, Person};

use crate::Borger;

/// The resource.
pub(crate) const PATH: &str = "/api/letter";
/// What reading a letter takes.
const FOR_A_LETTER: Level = Level::Substantial;

/// What comes of asking for a letter.
pub(crate) enum Opened {
    /// It may be read.
    Letter(Person),
    /// Nobody is signed in.
    Nobody,
    /// The login does not do: the value of `WWW-Authenticate`.
    Insufficient(String),
}

/// Judges who asks.
pub(crate) fn open(person: Option<Person>) -> Opened {
    match person {
        None => Opened::Nobody,
        Some(person) if person.level >= FOR_A_LETTER => Opened::Letter(person),
        Some(_) => Opened::Insufficient(format!(
            "Bearer error=\"insufficient_user_authentication\", \
             error_description=\"A letter takes a better login\", acr_values=\"{}\"",
            FOR_A_LETTER.uri()
        )),
    }
}

/// `GET /api/letter`: the letter's text, or 401.
pub(crate) async fn serve(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    let challenge = match open(borger.person(&headers)) {
        Opened::Letter(person) => return format!("Kære {}\nDit nye pas ligger klar.\n", person.name).into_response(),
        Opened::Nobody => "Bearer".to_owned(),
        Opened::Insufficient(challenge) => challenge,
    };
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
}

/// What a challenge asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Challenge {
    /// `acr_values`: the first level of them that is known.
    pub(crate) level: Level,
}

impl Challenge {
    /// Reads a `WWW-Authenticate`; `None` for one that asks for no better login.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let rest = text.split_once(&format!("{name}=\""))?.1;
            Some(rest.split_once('"')?.0)
        };
        if value("error")? != "insufficient_user_authentication" {
            return None;
        }
        let level = value("acr_values")?.split(' ').find_map(Level::of)?;
        Some(Self { level })
    }
}

#[cfg(test)]
mod tests {
    use godkend_netbank::Settings;

    use super::*;

    fn person(level: Level) -> Person {
        Person {
            sub: "me".to_owned(),
            name: "Anna".to_owned(),
            level,
            binding: "typed".to_owned(),
            transaction: "t".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_weak_login_is_told_what_the_letter_takes() {
        let settings = Settings {
            url: "http://127.0.0.1:1".to_owned(),
            issuer: "https://localhost:1".to_owned(),
            client_id: "borger".to_owned(),
            client_secret: None,
            certificate: None,
        };
        let borger = Borger::new(settings).unwrap();
        let ask = async |person: Option<Person>| {
            let mut headers = HeaderMap::new();
            if let Some(person) = person {
                let cookie = borger.sessions.begin(person);
                headers.insert(header::COOKIE, cookie.split(';').next().unwrap().parse().unwrap());
            }
            let answer = serve(State(borger.clone()), headers).await;
            let challenge = answer.headers().get(header::WWW_AUTHENTICATE);
            (answer.status(), challenge.map(|challenge| challenge.to_str().unwrap().to_owned()))
        };
        assert_eq!(ask(None).await, (StatusCode::UNAUTHORIZED, Some("Bearer".to_owned())));
        let (status, challenge) = ask(Some(person(Level::Low))).await;
        let challenge = challenge.unwrap();
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(Challenge::read(&challenge), Some(Challenge { level: Level::Substantial }), "{challenge}");
        assert_eq!(ask(Some(person(Level::Substantial))).await, (StatusCode::OK, None));
    }

    #[test]
    fn another_challenge_asks_for_no_login() {
        for other in [
            "Bearer",
            "Bearer error=\"invalid_token\", acr_values=\"x\"",
            "Bearer error=\"insufficient_user_authentication\", acr_values=\"x y\"",
        ] {
            assert_eq!(Challenge::read(other), None, "{other}");
        }
    }
}
