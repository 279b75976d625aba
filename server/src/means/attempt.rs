//! A try on the login page: the two messages of OPAQUE, with what else the combination asks for in the first.
//!
//! Whatever of the first message is wrong (an unknown user id, no password, a wrong code, another's chip), the reply is
//! made of a record that no password opens: the same bytes in kind, the same work, the same writes, and the second message
//! is refused with one sentence for all.

use std::collections::BTreeMap;

use godkend_protocol::bytes::{Blob, Hash32, Id};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::opaque::{self, KE1_LEN, KE3_LEN};
use godkend_protocol::types::{Action, Binding, Decision, Factor, Level};
use serde_json::{Value, json};

use super::records::{Attempt, Filler, Password};
use super::tries::{self, Counter};
use super::{Judged, PASSWORD, Proof, beside, challenge, context, known, password};
use crate::app::App;
use crate::approval;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::policy::{APP, Combination, Proved};
use crate::records::{Account, Document, Entry, Outcome, Transaction};

/// The first message of a try.
#[derive(Clone, Debug)]
pub struct First<'a> {
    /// As typed.
    pub user_id: &'a str,
    /// The combination's name in the policy.
    pub combination: &'a str,
    /// OPAQUE's KE1.
    pub ke1: &'a [u8],
    /// What else the combination asks for, by the means' names.
    pub proofs: &'a BTreeMap<String, Value>,
    /// The cookie of browsers that have signed in before; empty if there is none.
    pub known: &'a str,
    /// The browser's address, as limits know it.
    pub source: &'a str,
}

/// The combinations of a request's level that a page can take, best first: none for what is more than a login, for what is
/// approved must be seen on a device of the person's own.
#[must_use]
pub fn offered<'a>(app: &'a App, transaction: &Transaction) -> Vec<&'a Combination> {
    if transaction.action != Action::LogOn || transaction.payment.is_some() {
        return Vec::new();
    }
    app.policy
        .reaching(transaction.level)
        .filter(|combination| binding(app, combination) >= Some(transaction.level))
        .collect()
}

/// What a combination's binding can carry; `None` for one that no page takes.
fn binding(app: &App, combination: &Combination) -> Option<Level> {
    bound_by(app, &combination.means).map(Binding::cap)
}

/// How the page's means bind the browser: by the best of them.
fn bound_by(app: &App, means: &[String]) -> Option<Binding> {
    if beside::is(means) {
        return Some(Binding::Origin);
    }
    if !means.iter().any(|name| name == PASSWORD) || means.iter().any(|name| name == APP) {
        return None;
    }
    let others = means.iter().filter(|name| *name != PASSWORD);
    let bindings: Option<Vec<Binding>> = others.map(|name| Some(app.means.get(name)?.binding())).collect();
    bindings?.into_iter().chain([Binding::Typed]).max_by_key(|binding| binding.cap())
}

/// Takes the first message: KE2. The same message again gets the same.
///
/// # Errors
/// [`Code::Malformed`]; [`Code::LevelUnreachable`] for a combination that is not offered; [`Code::MeansWaiting`] and
/// [`Code::Throttled`] with the seconds to wait, for unknown users alike; [`Code::TransactionTaken`] once a phone has
/// opened the request.
pub async fn start(app: &App, id: &Id, session: &Hash32, first: &First<'_>) -> Result<Blob, ApiError> {
    if first.ke1.len() != KE1_LEN || first.proofs.len() > 4 {
        return Err(Code::Malformed.into());
    }
    let proofs = serde_json::to_vec(first.proofs).map_err(|_| Code::Malformed)?;
    let folded = approval::fold(first.user_id);
    let message = [folded.as_bytes(), first.combination.as_bytes(), first.ke1, &proofs];
    let hash = crypto::labelled_hash("godkend/1/means-start", &message);
    let open = open(app, id, session).await?;
    if let Some(known) = docs::get::<Attempt>(&*app.store, &id.0).await?
        && known.doc.start == hash
    {
        return Ok(known.doc.ke2);
    }
    let offered = offered(app, &open.doc);
    let combination = offered.into_iter().find(|combination| combination.name() == first.combination);
    let combination = combination.filter(|combination| !combination.has_app()).ok_or(Code::LevelUnreachable)?;
    let mut others: Vec<&String> = combination.means.iter().filter(|name| *name != PASSWORD).collect();
    others.sort();
    if !others.into_iter().eq(first.proofs.keys()) {
        return Err(Code::Malformed.into());
    }
    app.throttle.take("means", first.source, app.config.means.tries_per_source_minute, app.clock.now_ms())?;
    retry(|| start_attempt(app, id, session, first, &folded, combination, hash)).await
}

pub(super) async fn open(app: &App, id: &Id, session: &Hash32) -> Result<Entry<Transaction>, ApiError> {
    let entry = approval::read(app, id).await?;
    approval::check_session(&entry.doc, Some(session))?;
    approval::check_open(&entry.doc, app.now())?;
    if entry.doc.taken.is_some() {
        return Err(Code::TransactionTaken.into());
    }
    Ok(entry)
}

async fn start_attempt(
    app: &App,
    id: &Id,
    session: &Hash32,
    first: &First<'_>,
    folded: &str,
    combination: &Combination,
    hash: Hash32,
) -> Result<Blob, ApiError> {
    let now = app.now();
    let transaction = open(app, id, session).await?;
    approval::check_seal(app, &transaction.doc)?;
    app.log.well()?;
    let (account, is_known) = approval::name(app, folded).await?;
    let context = context(app, &transaction.doc, session);
    let challenge = challenge(&context, first.ke1);
    let mut judged = judge(app, &transaction.doc, account, first, combination, challenge, now).await?;

    // Whose try it is: before anything is computed with the password.
    let own = known::find(app, first.known, &account);
    let counter = match &own {
        _ if judged.right && judged.unguessable => Counter::Proved,
        Some(browser) => Counter::OwnBrowser(browser),
        None => Counter::Strangers,
    };
    let tried = &app.policy.tries;
    let mut changes = Changes::new();
    let mut counted = Vec::new();
    // The address first: what it may not spend, it does not.
    let address = (counter == Counter::Strangers).then_some(Counter::Address(first.source));
    let mut fillers = 0;
    for counter in address.into_iter().chain([counter]) {
        let mut count = tries::read(app, counter.key(&account)).await?;
        tries::debit(&mut count.doc, counter, tried, now)?;
        counted.push((count.doc.key, count.doc.failures));
        changes.update(&count);
        if Some(counter) != address && tries::is_last(&count.doc, tried) {
            if is_known {
                let about = about(&transaction.doc, json!({ "place": transaction.doc.place, "alert": true }));
                history::add(&mut changes, app, account, "means_paused", about);
            } else {
                fillers += 1;
            }
        }
    }

    let stored = docs::get::<Password>(&*app.store, &account.0).await?;
    let real = judged.right && is_known && stored.is_some();
    // A seed from before a rotation serves those who do not exist as it serves those who stay.
    let oldest = app.keys.opaque.keys().next().copied().unwrap_or(app.keys.current_seed);
    let seed = stored.as_ref().map_or(oldest, |stored| stored.doc.seed);
    let record = match stored {
        Some(stored) if real => stored.doc.record,
        _ => password::nobodys(app)?,
    };
    let secrets = app.keys.opaque.get(&seed).ok_or(Code::Internal)?;
    let credential = password::credential(app, &account);
    let started =
        secrets.start_try(&mut app.rng(), &record.0, first.ke1, &credential, &context).map_err(|_| Code::Malformed)?;

    let previous = docs::get::<Attempt>(&*app.store, &id.0).await?;
    let attempt = Attempt {
        transaction: *id,
        account,
        start: hash,
        ke2: started.ke2.clone(),
        state: Some(started.state),
        real,
        means: combination.means.clone(),
        most: judged.most,
        counters: counted.iter().map(|(key, _)| *key).collect(),
        own_browser: own.is_some(),
        expires: transaction.doc.expires.saturating_add(60),
    };
    changes.update(&Entry { doc: attempt, version: previous.and_then(|previous| previous.version) });
    fillers += usize::from(judged.used.is_none());
    // Read whether they are written or not.
    for filler in self::fillers(app, id, now).await?.iter().take(fillers) {
        changes.update(filler);
    }
    changes.append(core::mem::take(&mut judged.changes));
    let (item, next) = judged.used.unzip();
    changes.log(&AuditEntry::MeansTried { counters: counted, item, next, at: now });
    changes.unchanged(&transaction);
    changes.commit(&*app.store).await?;
    app.log.wake();
    Ok(started.ke2)
}

/// What all the proofs beside the password or the app say together.
pub(super) async fn judge(
    app: &App,
    transaction: &Transaction,
    account: Id,
    first: &First<'_>,
    combination: &Combination,
    challenge: Hash32,
    now: i64,
) -> Result<Judged, ApiError> {
    let mut all = Judged { right: true, ..Judged::default() };
    for name in combination.means.iter().filter(|name| *name != PASSWORD && *name != APP) {
        let (Some(means), Some(value)) = (app.means.get(name), first.proofs.get(name)) else {
            return Err(Code::Malformed.into());
        };
        let judged = means.judge(&Proof { app, account, transaction, challenge, value, now }).await?;
        all.right &= judged.right;
        all.unguessable |= judged.unguessable;
        all.most = [all.most, judged.most].into_iter().flatten().min();
        all.used = all.used.or(judged.used);
        all.changes.append(judged.changes);
    }
    Ok(all)
}

/// How a try ended well.
#[derive(Clone, Debug)]
pub struct Done {
    /// The cookie of browsers that have signed in, from now on.
    pub known: String,
}

/// Takes the second message, and with a right one approves the request.
///
/// # Errors
/// [`Code::MeansWrong`] for all that can be wrong; [`Code::LevelUnreachable`] where the person's identity was not proofed
/// well enough.
pub async fn finish(app: &App, id: &Id, session: &Hash32, ke3: &[u8], cookie: &str) -> Result<Done, ApiError> {
    if ke3.len() != KE3_LEN {
        return Err(Code::Malformed.into());
    }
    retry(|| async {
        let now = app.now();
        let transaction = open(app, id, session).await?;
        let mut attempt = docs::get::<Attempt>(&*app.store, &id.0).await?.ok_or(Code::OperationRefused)?;
        let state = attempt.doc.state.take().ok_or(Code::OperationRefused)?;
        let proved = opaque::finish_try(&state, ke3).is_ok() && attempt.doc.real;
        let account = docs::get::<Account>(&*app.store, &attempt.doc.account.0).await?;
        match account {
            Some(account) if proved && !account.doc.blocked => {
                right(app, transaction, attempt, account, cookie, now).await
            }
            account => wrong(app, &transaction.doc, &attempt, account.as_ref(), now).await,
        }
    })
    .await
}

async fn wrong(
    app: &App,
    transaction: &Transaction,
    attempt: &Entry<Attempt>,
    account: Option<&Entry<Account>>,
    now: i64,
) -> Result<Done, ApiError> {
    let mut changes = Changes::new();
    changes.update(attempt);
    let fillers = fillers(app, &transaction.id, now).await?;
    match account {
        Some(account) => {
            let details = json!({
                "means": attempt.doc.means, "place": transaction.place, "browser": transaction.browser,
                "own_browser": attempt.doc.own_browser,
            });
            history::add(&mut changes, app, account.doc.id, "means_wrong", about(transaction, details));
        }
        None => {
            for filler in fillers.iter().take(1) {
                changes.update(filler);
            }
        }
    }
    changes.commit(&*app.store).await?;
    app.wake.all(attempt.doc.account);
    Err(Code::MeansWrong.into())
}

async fn right(
    app: &App,
    mut transaction: Entry<Transaction>,
    attempt: Entry<Attempt>,
    account: Entry<Account>,
    cookie: &str,
    now: i64,
) -> Result<Done, ApiError> {
    approval::check_seal(app, &transaction.doc)?;
    app.log.well()?;
    let means = attempt.doc.means.clone();
    let proved: Vec<_> = means.iter().map(|name| Proved::of(name)).collect();
    let authenticator = app.policy.level(&proved).ok_or(Code::LevelUnreachable)?;
    let authenticator = attempt.doc.most.map_or(authenticator, |most| authenticator.min(most));
    let binding = bound_by(app, &means).ok_or(Code::LevelUnreachable)?;
    let level = authenticator.min(account.doc.identity_level).min(binding.cap());
    let mut changes = Changes::new();
    for counter in &attempt.doc.counters {
        let mut count = tries::read(app, *counter).await?;
        count.doc.failures = 0;
        changes.update(&count).log(&AuditEntry::MeansCleared { counter: *counter, at: now });
    }
    changes.update(&attempt);
    if level < transaction.doc.level {
        // Whoever hears this has proved who they are.
        changes.commit(&*app.store).await?;
        app.log.wake();
        return Err(Code::LevelUnreachable.into());
    }
    let outcome = Outcome {
        decision: Decision::Approve,
        account: Some(account.doc.id),
        device: None,
        factor: Factor::None,
        binding,
        level: Some(level),
        authenticator_level: Some(authenticator),
        at: now,
        remember_browser: false,
        means,
        evidence: None,
    };
    approval::settle(app, &mut changes, &mut transaction, Some(&account.doc), outcome, None).await?;
    changes.unchanged(&account);
    changes.commit(&*app.store).await?;
    approval::told(app, &transaction.doc);
    Ok(Done { known: known::add(app, cookie, &account.doc.id) })
}

/// What is written instead of a known person's documents: two at most in one commit.
pub(super) async fn fillers(app: &App, id: &Id, at: i64) -> Result<Vec<Entry<Filler>>, ApiError> {
    let mut fillers = Vec::new();
    for number in 0..2 {
        let filler = Filler { shard: id.0[0], number, at };
        let known = docs::get::<Filler>(&*app.store, &filler.id()).await?;
        fillers.push(Entry { doc: filler, version: known.and_then(|known| known.version) });
    }
    Ok(fillers)
}

fn about(transaction: &Transaction, details: Value) -> About {
    About { device: None, relying_party: Some(transaction.relying_party.name.clone()), details }
}
