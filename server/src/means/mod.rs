//! The means of identification beside the app, which are proved on the login page: password, code display, chip.
//!
//! Each is one module behind [`Means`]; which of them together give which level, the policy says ([`crate::policy`]). A try
//! is one exchange of OPAQUE (`attempt`): what else the combination asks for travels with its first message, and a wrong one
//! is answered as for an unknown user. Counters (`tries`) keep a stranger from using up the owner's tries.

pub mod attempt;
pub mod beside;
pub mod chip;
mod code;
pub mod desk;
mod display;
mod known;
pub mod orders;
pub mod password;
pub mod records;
pub(crate) mod replay;
mod tries;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use godkend_protocol::bytes::{Blob, Hash32, Id};
use godkend_protocol::types::{Binding, Level};
use serde_json::Value;

pub use records::KINDS;

use crate::app::App;
use crate::docs::Changes;
use crate::error::ApiError;
use crate::policy::{Implemented, Kind};
use crate::records::Transaction;

/// The password's name in the policy.
pub const PASSWORD: &str = "password";
/// The code display's name in the policy, talking ones too.
pub const CODE_DISPLAY: &str = "code_display";
/// The chip's name in the policy.
pub const CHIP: &str = "chip";

/// A means that is proved on a page beside the password. A new one is a module that implements this, and lines in the
/// policy.
#[async_trait]
pub trait Means: Send + Sync {
    /// What no policy can trust it with more than.
    fn implemented(&self) -> Implemented;

    /// How it binds the browser.
    fn binding(&self) -> Binding;

    /// Judges a proof. Does the same work whether the account exists, has the means or not, and changes nothing itself.
    ///
    /// # Errors
    /// [`ApiError`] for a proof whose form says that it is none, and if the store cannot answer; never for a wrong one.
    async fn judge(&self, proof: &Proof<'_>) -> Result<Judged, ApiError>;
}

/// A proof as it came from a page.
pub struct Proof<'a> {
    /// The server's parts.
    pub app: &'a App,
    /// Whose it should be; may be an account that does not exist.
    pub account: Id,
    /// The request that it is for.
    pub transaction: &'a Transaction,
    /// What a proof that is a signature signs ([`challenge`]).
    pub challenge: Hash32,
    /// The proof itself, as the page sent it.
    pub value: &'a Value,
    /// Unix seconds.
    pub now: i64,
}

/// What a means says of a proof.
#[derive(Default)]
pub struct Judged {
    /// It is right.
    pub right: bool,
    /// It is right and cannot have been guessed, so that it stands apart from a stranger's tries.
    pub unguessable: bool,
    /// What the thing that proved it is worth at most; none where its combination alone says it.
    pub most: Option<Level>,
    /// What was used up by it: the thing, and the lowest number that it still takes. For the log, and a replay of it.
    pub used: Option<(Id, u64)>,
    /// What using it up changes: one document at most, which `used` names. To be committed with the try, before anything is
    /// answered.
    pub changes: Changes,
}

/// The means that are there.
#[derive(Clone, Default)]
pub struct Registry {
    means: BTreeMap<&'static str, Arc<dyn Means>>,
    nobody: Arc<OnceLock<Blob>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.means.keys()).finish()
    }
}

impl fmt::Debug for dyn Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.implemented().name)
    }
}

impl Registry {
    /// The project's own means, and an embedder's.
    #[must_use]
    pub fn new(more: &[Arc<dyn Means>]) -> Self {
        let own: [Arc<dyn Means>; 2] = [Arc::new(display::CodeDisplay), Arc::new(chip::ChipMeans)];
        let all = own.iter().chain(more).map(|means| (means.implemented().name, means.clone()));
        Self { means: all.collect(), nobody: Arc::default() }
    }

    /// What is implemented, for the policy's check: these, the app and the password.
    #[must_use]
    pub fn implemented(&self) -> Vec<Implemented> {
        let app = Implemented {
            name: crate::policy::APP,
            kinds: &[Kind::Possession, Kind::Knowledge, Kind::Inherence],
            ceiling: Level::High,
            alone: true,
        };
        let password = Implemented { name: PASSWORD, kinds: &[Kind::Knowledge], ceiling: Level::Low, alone: true };
        [app, password].into_iter().chain(self.means.values().map(|means| means.implemented())).collect()
    }

    /// A means by its name in the policy.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&dyn Means> {
        self.means.get(name).map(AsRef::as_ref)
    }
}

/// What is implemented with these beside the project's own, for checks without a server.
#[must_use]
pub fn implemented(more: &[Arc<dyn Means>]) -> Vec<Implemented> {
    Registry::new(more).implemented()
}

/// What relying parties call a means in `amr`.
#[must_use]
pub fn amr(name: &str) -> &str {
    match name {
        CODE_DISPLAY => "code_token",
        CHIP => "u2f_token",
        other => other,
    }
}

/// What a page's OPAQUE exchange is bound to: the login, its browser, and what is asked.
#[must_use]
pub fn context(app: &App, transaction: &Transaction, session: &Hash32) -> Hash32 {
    let asked = transaction.seal.map_or([0; 32], |seal| seal.0);
    godkend_protocol::crypto::labelled_hash(
        "godkend/1/page-login",
        &[app.environment().as_bytes(), &transaction.id.0, &session.0, &asked],
    )
}

/// What a proof that is a signature signs: the login, its browser and what is asked (`context`), and OPAQUE's first message.
/// So a signature belongs to one try, and nothing has to be remembered for it. A page computes the same. Beside the app there
/// is no such message, and it belongs to the login.
#[must_use]
pub fn challenge(context: &Hash32, ke1: &[u8]) -> Hash32 {
    godkend_protocol::crypto::sha256(&[b"godkend/1/chip", &context.0, ke1])
}

/// The counter of an account's strangers, for tests of what a log brings back.
#[cfg(test)]
pub(crate) fn strangers_of(account: &Id) -> Hash32 {
    tries::Counter::Strangers.key(account)
}
