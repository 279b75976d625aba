//! Requests: found, opened, answered.

use godkend_core::{Approval, Command, Outcome, RequestId};

use super::{Phone, id, identity, typed_pin};
use crate::error::PhoneError;
use crate::request::{Action, Approved, Request, Scanned, Waiting, seconds_between};
use crate::secret::SecretBytes;

#[uniffi::export]
impl Phone {
    /// Asks the server what waits, for one person or for all: after a wake-up, or where nothing watches.
    #[uniffi::method(default(person = None))]
    pub async fn waiting(&self, person: Option<u32>) -> Result<Vec<Waiting>, PhoneError> {
        let people = match identity(person) {
            Some(person) => vec![person],
            None => self.board.active(),
        };
        self.until_stopped(async {
            let mut all = Vec::new();
            for person in people {
                all.extend(self.board.poll(person, 0).await?);
            }
            Ok(all)
        })
        .await
    }

    /// Opens a request that waits and is not locked.
    #[uniffi::method(default(person = None))]
    pub async fn open_request(&self, waiting: String, person: Option<u32>) -> Result<Request, PhoneError> {
        let command = Command::Open { identity: identity(person), id: id(&waiting)? };
        let outcome = self.run(command).await?;
        self.shown(outcome)
    }

    /// What the camera saw inside the app: a login page's QR code, an offline one, an activation.
    #[uniffi::method(default(person = None))]
    pub async fn scan(&self, text: String, person: Option<u32>) -> Result<Scanned, PhoneError> {
        let outcome = self.run(Command::Scan { identity: identity(person), text }).await?;
        self.scanned(outcome)
    }

    /// A link that opened the app: a login on this same device, or an activation. Never pass a camera's text here.
    #[uniffi::method(default(person = None))]
    pub async fn open_link(&self, text: String, person: Option<u32>) -> Result<Scanned, PhoneError> {
        let outcome = self.run(Command::OpenLink { identity: identity(person), text }).await?;
        self.scanned(outcome)
    }

    /// Opens a request by the eight digits on the other screen; spaces and hyphens are ignored.
    #[uniffi::method(default(person = None))]
    pub async fn type_number(&self, digits: String, person: Option<u32>) -> Result<Request, PhoneError> {
        let outcome = self.run(Command::TypeNumber { identity: identity(person), number: digits }).await?;
        self.shown(outcome)
    }

    /// Seconds until a request that was opened now expires, on a clock that goes on in sleep. None for an unknown end.
    pub fn seconds_left(&self, request: &Request) -> Option<u32> {
        let ends = self.ends.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ends.get(&request.id).map(|end| seconds_between(self.now_ms(), *end))
    }

    /// Approves with the PIN, six ASCII digits. A wrong one leaves the request open while tries are left.
    #[uniffi::method(default(remember_browser = false))]
    pub async fn approve_with_pin(
        &self,
        request: &Request,
        pin: SecretBytes,
        remember_browser: bool,
    ) -> Result<Approved, PhoneError> {
        self.approve(request, Approval::Pin(typed_pin(&pin)?), remember_browser).await
    }

    /// Approves with a finger or face: the system's prompt shows who asks for what.
    #[uniffi::method(default(remember_browser = false))]
    pub async fn approve_with_biometrics(
        &self,
        request: &Request,
        remember_browser: bool,
    ) -> Result<Approved, PhoneError> {
        self.approve(request, Approval::Biometric, remember_browser).await
    }

    /// Refuses: I changed my mind.
    pub async fn deny(&self, request: &Request) -> Result<(), PhoneError> {
        self.answer(request, Command::Deny { request: RequestId(request.id) }).await.map(drop)
    }

    /// Refuses: this was not me. The session ends, its source is blocked, and the person's other means are told.
    pub async fn report_fraud(&self, request: &Request) -> Result<(), PhoneError> {
        self.answer(request, Command::ReportFraud { request: RequestId(request.id) }).await.map(drop)
    }

    /// Answers a notice of use (`Action.NoticeOfUse`). `wasMe` puts it away; else what that use and those since have given
    /// ends, and the browser that was used is forgotten. Needs neither PIN nor finger. Any other request is `NotNow`.
    pub async fn answer_notice(&self, request: &Request, was_me: bool) -> Result<(), PhoneError> {
        if request.action != Action::NoticeOfUse {
            return Err(PhoneError::NotNow);
        }
        if was_me { self.deny(request).await } else { self.report_fraud(request).await }
    }

    /// Refuses a request that is still locked; with `fraud` as *this was not me*.
    #[uniffi::method(default(fraud = false, person = None))]
    pub async fn refuse_locked(&self, waiting: String, fraud: bool, person: Option<u32>) -> Result<(), PhoneError> {
        let command = Command::RefuseLocked { identity: identity(person), id: id(&waiting)?, fraud };
        self.run(command).await?;
        self.board.answered(&waiting);
        Ok(())
    }
}

impl Phone {
    async fn approve(&self, request: &Request, with: Approval, remember: bool) -> Result<Approved, PhoneError> {
        let id = RequestId(request.id);
        let command = Command::Approve { request: id, with, remember_browser: remember };
        match self.answer(request, command).await? {
            Outcome::Approved { return_url, active_from } => Ok(Approved { return_url, code: None, active_from }),
            Outcome::OfflineCode { code } => Ok(Approved { return_url: None, code: Some(code), active_from: None }),
            _ => Err(PhoneError::Unexpected),
        }
    }

    /// Answers a request, and takes it off the list of those that wait.
    async fn answer(&self, request: &Request, command: Command) -> Result<Outcome, PhoneError> {
        let outcome = self.run(command).await?;
        self.ends.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&request.id);
        self.board.answered(&request.transaction);
        Ok(outcome)
    }

    fn shown(&self, outcome: Outcome) -> Result<Request, PhoneError> {
        let Outcome::Request(view) = outcome else { return Err(PhoneError::Unexpected) };
        let now = self.now_ms();
        let mut ends = self.ends.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ends.retain(|_, end| *end > now);
        if let Some(end) = view.expires_at_ms {
            ends.insert(view.id.0, end);
        }
        Ok(Request::new(*view, now))
    }

    fn scanned(&self, outcome: Outcome) -> Result<Scanned, PhoneError> {
        match outcome {
            Outcome::Digits { identity, .. } => Ok(Scanned::Activation { person: identity.0 }),
            other => Ok(Scanned::Request { request: self.shown(other)? }),
        }
    }
}
