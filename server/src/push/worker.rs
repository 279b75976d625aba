//! Looks who is to be woken, and wakes them: in the background, a bounded number at once, again after a failure that passes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::gateways::Sent;
use super::told::{Next, Told};
use super::{Push, Target, forget};
use crate::activation::all_of;
use crate::app::App;
use crate::approval;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::records::Device;

/// Wake-ups that are on their way or wait for another try; more are dropped, and counted.
const MOST_AT_WORK: usize = 1024;
/// Of these, how many one gateway (of Web Push: one host) has at once.
const AT_ONCE: usize = 32;
/// Looks that are put off; more are dropped.
const MOST_PUT_OFF: usize = 10_000;
/// When a person who could not be looked up is looked up again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Tries of one wake-up.
const TRIES: u32 = 4;
/// The wait before the second try; doubled each time, with up to as much again at random.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// A gateway that wants to be left alone for longer is left alone: the request will be over.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How often what was told is tidied.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Sends until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    if !app.push.gateways.any() {
        return;
    }
    let mut stopping = app.stopping.clone();
    let mut at_work: JoinSet<()> = JoinSet::new();
    let mut desk = Desk {
        told: Told::new(Duration::from_secs(app.config.push.coalesce_seconds)),
        put_off: BTreeSet::new(),
        queues: HashMap::new(),
    };
    let mut tidied = Instant::now();
    loop {
        while at_work.try_join_next().is_some() {}
        let now = Instant::now();
        let mut accounts = app.push.take_pending();
        while let Some((due, account)) = desk.put_off.first().copied().filter(|(due, _)| *due <= now) {
            desk.put_off.remove(&(due, account));
            accounts.insert(account);
        }
        for account in accounts {
            if let Err(error) = desk.look(&app, account, &mut at_work).await {
                desk.put_off(&app, now + LOOK_AGAIN, account);
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "a person could not be looked up for a wake-up, and is soon looked up again");
            }
        }
        if now.duration_since(tidied) >= TIDY_EVERY {
            tidied = now;
            desk.told.tidy(now);
            desk.queues.retain(|_, queue| Arc::strong_count(queue) > 1);
        }
        let next = desk.put_off.first().map_or(now + TIDY_EVERY, |(due, _)| *due).min(now + TIDY_EVERY);
        tokio::select! {
            () = app.push.wake.notified() => {}
            () = tokio::time::sleep_until(next) => {}
            () = stopping.wait() => break,
        }
    }
    // What is on its way ends with the server: the phone that it would have woken asks by itself.
    at_work.shutdown().await;
}

struct Desk {
    told: Told,
    put_off: BTreeSet<(Instant, Id)>,
    queues: HashMap<String, Arc<Semaphore>>,
}

impl Desk {
    async fn look(&mut self, app: &Arc<App>, account: Id, at_work: &mut JoinSet<()>) -> Result<(), ApiError> {
        for device in all_of::<Device>(app, &account).await? {
            let id = device.doc.id;
            let Some(target) = device.doc.push.and_then(|registered| registered.target) else { continue };
            let waiting = waiting(app, &id).await?;
            match self.told.judge(id, &waiting, &app.push.polling(&id), Instant::now()) {
                Next::Rest => {}
                Next::LookAt(due) => self.put_off(app, due, account),
                Next::Wake if at_work.len() < MOST_AT_WORK => {
                    let queue = app.push.gateways.queue(&target.address);
                    let queue = self.queues.entry(queue).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE)));
                    at_work.spawn(one(Arc::clone(app), id, target.address.service(), Arc::clone(queue)));
                }
                Next::Wake => app.push.dropped.add(1),
            }
        }
        Ok(())
    }

    fn put_off(&mut self, app: &App, due: Instant, account: Id) {
        if self.put_off.len() < MOST_PUT_OFF {
            self.put_off.insert((due, account));
        } else {
            app.push.dropped.add(1);
        }
    }
}

/// What waits for a device; nothing for one that may be told nothing. An error is one that passes.
async fn waiting(app: &App, device: &Id) -> Result<Vec<Id>, ApiError> {
    match approval::waiting(app, device).await {
        Ok(items) => Ok(items.into_iter().map(|item| item.id).collect()),
        Err(error) if error.code == Code::Unavailable => Err(error),
        Err(_) => Ok(Vec::new()),
    }
}

/// Sends one wake-up, and sees to what comes of it. The address is read anew for each try: the phone counts as woken, so one
/// that has given another address meanwhile is woken there, if in the queue of the old one.
async fn one(app: Arc<App>, device: Id, mut service: &'static str, queue: Arc<Semaphore>) {
    let life = i64::try_from(app.config.approval.lifetime_seconds).unwrap_or(180);
    let push: &Push = &app.push;
    for tried in 1..=TRIES {
        let Ok(permit) = queue.acquire().await else { return };
        // It may have been a while: the request may be answered, and the address another's or nobody's.
        let target = match wanted(&app, &device).await {
            Ok(Some(target)) => target,
            Ok(None) => return push.count(service, "not_needed"),
            Err(_) => {
                drop(permit);
                tokio::time::sleep(back_off(tried)).await;
                continue;
            }
        };
        service = target.address.service();
        let sent = push.gateways.send(&target, app.now(), life).await;
        drop(permit);
        match sent {
            Sent::Done => return push.count(service, "sent"),
            Sent::Gone => {
                push.count(service, "gone");
                if let Err(error) = drop_address(&app, &device, &target).await {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "a void push address could not be removed");
                }
                return;
            }
            Sent::Refused(status) => {
                push.count(service, "refused");
                tracing::warn!(kind = service, status, "a push gateway refuses what it is sent; see [push]");
                return;
            }
            Sent::Later(after) => {
                let wait = after.unwrap_or(Duration::ZERO).max(back_off(tried));
                if tried == TRIES || wait > LONGEST_WAIT {
                    push.count(service, "failed");
                    tracing::warn!(kind = service, "a wake-up was not taken, and is not tried again");
                    return;
                }
                push.count(service, "retried");
                tokio::time::sleep(wait).await;
            }
        }
    }
    push.count(service, "failed");
}

fn back_off(tried: u32) -> Duration {
    use rand_core::Rng as _;
    let least = FIRST_WAIT.saturating_mul(1 << tried.saturating_sub(1).min(6));
    let most = u64::try_from(least.as_millis()).unwrap_or(1000).max(1);
    least + Duration::from_millis(crate::ops::random::system().next_u64() % most)
}

/// The address of a device that something waits for.
async fn wanted(app: &App, device: &Id) -> Result<Option<Target>, ApiError> {
    let Some(stored) = docs::get::<Device>(&*app.store, &device.0).await? else { return Ok(None) };
    let target = stored.doc.push.and_then(|registered| registered.target);
    let waits = !waiting(app, device).await?.is_empty();
    Ok(target.filter(|_| waits))
}

/// Forgets an address that its gateway has called void, unless the device has given another meanwhile.
async fn drop_address(app: &App, device: &Id, target: &Target) -> Result<(), ApiError> {
    docs::retry(|| async move {
        let Some(mut stored) = docs::get::<Device>(&*app.store, &device.0).await? else { return Ok(()) };
        if stored.doc.push.as_ref().is_none_or(|registered| registered.target.as_ref() != Some(target)) {
            return Ok(());
        }
        forget(&mut stored.doc.push);
        let mut changes = Changes::new();
        changes.update(&stored);
        changes.commit(&*app.store).await.map(|_| ())
    })
    .await
}
