//! A demo site's sessions, in memory, named by a cookie.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use openidconnect::{AccessToken, CsrfToken};

use crate::provider::{Payment, Pending, Person};

/// Sessions remembered at once; an example needs no more.
const MOST: usize = 10_000;

/// One browser.
#[derive(Default)]
pub struct Session {
    /// What was asked for and is not answered yet.
    pub pending: Option<Pending>,
    /// Who is signed in.
    pub person: Option<Person>,
    /// What opens resources in the person's name, where the site has any.
    pub token: Option<AccessToken>,
    /// What was paid.
    pub receipts: Vec<Receipt>,
}

/// An approved payment.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// What was approved.
    pub payment: Payment,
    /// The approval's name at the identity server, for evidence.
    pub transaction: String,
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

/// All sessions of a site.
pub struct Sessions {
    cookie: &'static str,
    all: Mutex<HashMap<String, Session>>,
}

impl Sessions {
    /// No sessions yet. Cookies do not tell ports apart, so each site's has a name of its own.
    #[must_use]
    pub fn new(cookie: &'static str) -> Self {
        Self { cookie, all: Mutex::default() }
    }

    /// Reads the browser's session, if it has one.
    pub fn read<T>(&self, headers: &HeaderMap, read: impl FnOnce(&Session) -> T) -> Option<T> {
        let sessions = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(self.name(headers)?).map(read)
    }

    /// Changes the browser's session, or a new one; returns the cookie.
    pub fn change(&self, headers: &HeaderMap, change: impl FnOnce(&mut Session)) -> String {
        let mut sessions = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.name(headers).filter(|name| sessions.contains_key(*name)).map(str::to_owned);
        let name = known.unwrap_or_else(fresh);
        if sessions.len() >= MOST {
            sessions.retain(|_, session| session.person.is_some());
        }
        change(sessions.entry(name.clone()).or_default());
        self.set(&name)
    }

    /// A new session for a person who has just signed in: the name from before is not carried over.
    pub fn begin(&self, person: Person) -> String {
        self.insert(Session { person: Some(person), ..Session::default() })
    }

    /// [`Self::begin`], with the access token.
    pub fn begin_with_token(&self, person: Person, token: AccessToken) -> String {
        self.insert(Session { person: Some(person), token: Some(token), ..Session::default() })
    }

    fn insert(&self, session: Session) -> String {
        let mut sessions = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let name = fresh();
        sessions.insert(name.clone(), session);
        self.set(&name)
    }

    /// Takes the request that the browser was sent away with.
    pub fn take_pending(&self, headers: &HeaderMap) -> Option<Pending> {
        let mut sessions = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get_mut(self.name(headers)?)?.pending.take()
    }

    fn set(&self, name: &str) -> String {
        format!("{}={name}; Path=/; HttpOnly; SameSite=Lax", self.cookie)
    }

    fn name<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == self.cookie)
            .map(|(_, value)| value)
    }

    /// Forgets the browser.
    pub fn end(&self, headers: &HeaderMap) {
        if let Some(name) = self.name(headers) {
            self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
    }
}

fn fresh() -> String {
    CsrfToken::new_random_len(32).into_secret()
}
