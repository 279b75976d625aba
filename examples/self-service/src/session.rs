//! Visits, in memory, named by a cookie; and the tokens without which no form does anything.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use godkend_netbank::provider::Pending;
use openidconnect::{AccessToken, CsrfToken};

/// Visits remembered at once; the oldest goes first.
const MOST: usize = 100_000;
/// Forms of one visit that wait to be sent: those of the last pages.
const MOST_FORMS: usize = 64;

/// One browser.
#[derive(Default)]
pub(crate) struct Visit {
    /// What was asked for and is not answered yet, and the page to come back to.
    pub(crate) pending: Option<(Pending, String)>,
    /// Who is signed in.
    pub(crate) person: Option<Signed>,
    /// What the next page says was done.
    pub(crate) told: Option<String>,
    /// A new phone's activation, shown as long as no phone has taken it: its id and its text.
    pub(crate) handed: Option<(String, String)>,
    /// Tokens of the forms that were shown and not sent yet.
    pub(crate) forms: VecDeque<String>,
}

/// Who is signed in.
#[derive(Clone)]
pub(crate) struct Signed {
    /// The subject, this site's own.
    pub(crate) sub: String,
    /// Opens the person's own affairs.
    pub(crate) token: AccessToken,
}

#[derive(Default)]
struct Visits {
    all: HashMap<String, Visit>,
    order: VecDeque<String>,
}

/// All visits.
pub(crate) struct Sessions {
    secure: bool,
    visits: Mutex<Visits>,
}

impl Sessions {
    /// No visits yet. `secure`: the site is reached over https.
    pub(crate) fn new(secure: bool) -> Self {
        Self { secure, visits: Mutex::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Visits> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-godkend-self" } else { "godkend-self" }
    }

    fn cookie(&self, name: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={name}; Path=/; HttpOnly; SameSite=Lax{secure}", self.cookie_name())
    }

    /// Reads or changes the browser's visit, if it has one.
    pub(crate) fn with<T>(&self, headers: &HeaderMap, change: impl FnOnce(&mut Visit) -> T) -> Option<T> {
        let name = cookie(headers, self.cookie_name())?;
        self.lock().all.get_mut(name).map(change)
    }

    /// Begins a visit in a name that nobody has seen; returns its cookie.
    pub(crate) fn begin(&self, visit: Visit) -> String {
        let name = fresh();
        let mut visits = self.lock();
        while visits.order.len() >= MOST {
            if let Some(oldest) = visits.order.pop_front() {
                visits.all.remove(&oldest);
            }
        }
        visits.order.push_back(name.clone());
        visits.all.insert(name.clone(), visit);
        self.cookie(&name)
    }

    /// Forgets the browser's visit.
    pub(crate) fn end(&self, headers: &HeaderMap) -> Option<Visit> {
        let name = cookie(headers, self.cookie_name())?;
        let mut visits = self.lock();
        visits.order.retain(|other| other != name);
        visits.all.remove(name)
    }

    /// A token for the forms of one page. Each is good once: what is sent twice is done once.
    pub(crate) fn form(&self, headers: &HeaderMap) -> String {
        let token = fresh();
        let kept = self.with(headers, |visit| {
            if visit.forms.len() >= MOST_FORMS {
                visit.forms.pop_front();
            }
            visit.forms.push_back(token.clone());
        });
        kept.map_or_else(String::new, |()| token)
    }

    /// Uses a form's token up; whether it was one of this visit's.
    pub(crate) fn take_form(&self, headers: &HeaderMap, token: &str) -> bool {
        let taken = self.with(headers, |visit| {
            let place = visit.forms.iter().position(|own| own == token);
            place.and_then(|place| visit.forms.remove(place)).is_some()
        });
        taken == Some(true)
    }
}

/// A cookie by its name; none if it stands there twice, for one of them may be a stranger's.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// A name that nobody can guess.
pub(crate) fn fresh() -> String {
    CsrfToken::new_random_len(32).into_secret()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cookie: &str) -> HeaderMap {
        let pair = cookie.split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, pair.parse().unwrap())])
    }

    #[test]
    fn a_form_is_good_once_and_in_its_own_visit() {
        let sessions = Sessions::new(true);
        let (mine, yours) = (sessions.begin(Visit::default()), sessions.begin(Visit::default()));
        assert!(mine.starts_with("__Host-godkend-self=") && mine.ends_with("; Secure"), "{mine}");
        let (mine, yours) = (of(&mine), of(&yours));
        let form = sessions.form(&mine);
        assert!(!sessions.take_form(&yours, &form) && !sessions.take_form(&mine, ""));
        assert!(sessions.take_form(&mine, &form));
        assert!(!sessions.take_form(&mine, &form));
        let first = sessions.form(&mine);
        for _ in 0..MOST_FORMS {
            sessions.form(&mine);
        }
        assert!(!sessions.take_form(&mine, &first), "only the last pages' forms wait");
        assert!(sessions.form(&HeaderMap::new()).is_empty());
        sessions.end(&mine);
        assert!(sessions.with(&mine, |_| ()).is_none());
    }
}
