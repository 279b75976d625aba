//! The bank's sessions, in memory, named by a cookie.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use openidconnect::CsrfToken;

use crate::provider::{Payment, Pending, Person};

const COOKIE: &str = "netbank";
/// Sessions remembered at once; an example needs no more.
const MOST: usize = 10_000;

/// One browser.
#[derive(Default)]
pub(crate) struct Session {
    /// What was asked for and is not answered yet.
    pub(crate) pending: Option<Pending>,
    /// Who is signed in.
    pub(crate) person: Option<Person>,
    /// What was paid.
    pub(crate) receipts: Vec<Receipt>,
}

/// An approved payment.
#[derive(Clone)]
pub(crate) struct Receipt {
    /// What was approved.
    pub(crate) payment: Payment,
    /// The approval's name at the identity server, for evidence.
    pub(crate) transaction: String,
}

/// What the signed-in page shows.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) person: Person,
    pub(crate) receipts: Vec<Receipt>,
}

impl Session {
    pub(crate) fn account(&self) -> Option<Account> {
        Some(Account { person: self.person.clone()?, receipts: self.receipts.clone() })
    }
}

/// All sessions.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    pub(crate) fn read<T>(&self, headers: &HeaderMap, read: impl FnOnce(&Session) -> T) -> Option<T> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(name(headers)?).map(read)
    }

    /// Changes the browser's session, or a new one; returns the cookie.
    pub(crate) fn change(&self, headers: &HeaderMap, change: impl FnOnce(&mut Session)) -> String {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = name(headers).filter(|name| sessions.contains_key(*name)).map(str::to_owned);
        let name = known.unwrap_or_else(fresh);
        if sessions.len() >= MOST {
            sessions.retain(|_, session| session.person.is_some());
        }
        change(sessions.entry(name.clone()).or_default());
        cookie(&name)
    }

    /// A new session for a person who has just signed in: the name from before is not carried over.
    pub(crate) fn begin(&self, person: Person) -> String {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = fresh();
        sessions.insert(name.clone(), Session { person: Some(person), ..Session::default() });
        cookie(&name)
    }

    pub(crate) fn take_pending(&self, headers: &HeaderMap) -> Option<Pending> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get_mut(name(headers)?)?.pending.take()
    }

    pub(crate) fn end(&self, headers: &HeaderMap) {
        if let Some(name) = name(headers) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
    }
}

fn fresh() -> String {
    CsrfToken::new_random_len(32).into_secret()
}

fn cookie(name: &str) -> String {
    format!("{COOKIE}={name}; Path=/; HttpOnly; SameSite=Lax")
}

fn name(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == COOKIE)
        .map(|(_, value)| value)
}
