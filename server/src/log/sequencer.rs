//! The task that moves entries from the store's outbox into the log, and the handle that everybody else reads it by.
//!
//! One round: read the outbox, append what the log does not have, flush, sign and write the checkpoint, clear the
//! outbox together with the position that the database knows. Killed between any two of these, the next start finds
//! either outbox entries that the log has (known by their ids, skipped) or log entries without a checkpoint (signed).

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use godkend_protocol::merkle::{Hash, consistency_proof, inclusion_proof, root_at};
use rand_core::CryptoRng;
use tokio::sync::{Notify, watch};

use super::file::{LogFile, LogReader};
use super::opening::{Known, Position, Signing, open_files};
use super::{CheckpointSigner, CheckpointVerifier, Clock, LogEntry, LogError, SignedCheckpoint, Witnessed};
use crate::ops::work;
use crate::store::{OutboxEntry, OutboxId, Store};

/// Where the store keeps the [`Position`].
const POSITION_KEY: &str = "log.position";
/// The most entries in one round.
const ROUND: u32 = 512;
/// The shortest time between the beginnings of two rounds: each flushes five times, so that many commits share one. What
/// is lost together with the database is at most this much more.
const PACE: Duration = Duration::from_millis(50);
/// How long the task sleeps when nobody wakes it.
const TICK: Duration = Duration::from_millis(200);

/// What to do when the log has less than the database knows: it was lost, or an older one was put back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behind {
    /// Refuse to open, with [`LogError::Behind`].
    Refuse,
    /// Move what there is into `epoch-<number>` and begin an empty log with [`SequencerConfig::epoch`], which must be
    /// above every earlier one. The domain then does what a new epoch asks for.
    NewEpoch,
}

/// What a [`Sequencer`] needs.
pub struct SequencerConfig {
    /// The log's own folder; created if it is missing.
    pub dir: PathBuf,
    /// The environment that the log belongs to.
    pub environment: String,
    /// The epoch of a log that has to be created; unix seconds do well. An existing log keeps its own.
    pub epoch: u64,
    /// What to do when the log is behind the database.
    pub behind: Behind,
    /// The keys that sign every checkpoint, at least one.
    pub signers: Vec<CheckpointSigner>,
    /// Earlier keys, for a stored checkpoint that was signed before a rotation.
    pub earlier: Vec<CheckpointVerifier>,
    /// Unix seconds.
    pub clock: Clock,
    /// Draws the salts.
    pub rng: Box<dyn CryptoRng + Send>,
    /// What witnesses have cosigned.
    pub witnessed: Vec<Witnessed>,
    /// A checkpoint older than so many seconds is signed again, so that a log without news can be told from one that is
    /// kept back; 0 for never.
    pub sign_again_after: u64,
}

/// An open log that does not run yet.
pub struct Opened {
    /// Reads the log; to be shared.
    pub log: Log,
    /// To be run once the entries ahead are replayed.
    pub sequencer: Sequencer,
    /// Entries of the log that the database has not seen, in order: an older database was put back, and the domain has
    /// to replay them before it answers anyone. Entries whose commit is in the database (they wait in its outbox) are
    /// not here. Replaying must be idempotent: killed in the midst, the next start gives them again.
    pub entries_ahead: Vec<AheadEntry>,
    /// The log was created by this call: the very first start, a lost log, or a new epoch.
    pub created: bool,
}

/// An entry of the log that the database does not know.
#[derive(Clone, PartialEq, Eq)]
pub struct AheadEntry {
    /// Its place in the log.
    pub index: u64,
    /// Its bytes; none once erased.
    pub entry: Option<Vec<u8>>,
}

/// Reads the log. Cheap to clone. Reads are short and block the calling thread.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    epoch: u64,
    reader: RwLock<Arc<LogReader>>,
    runs: RwLock<Vec<Run>>,
    checkpoint: watch::Sender<Arc<SignedCheckpoint>>,
    wake: Notify,
    /// Why the last round failed, if it did.
    trouble: RwLock<Option<LogError>>,
    /// Damage that no next round can mend.
    condemned: OnceLock<LogError>,
    closed: watch::Sender<bool>,
}

/// Entries of one store instance that follow each other in the log; their sequence numbers rise.
#[derive(Clone, Copy)]
struct Run {
    instance: u64,
    first: u64,
    last: u64,
    start: u64,
    len: u64,
}

/// Moves entries from the outbox into the log.
pub struct Sequencer {
    store: Arc<dyn Store>,
    shared: Arc<Shared>,
    signing: Arc<Signing>,
    dir: PathBuf,
    rng: Box<dyn CryptoRng + Send>,
    /// None after a failure: the next round opens it again.
    file: Option<LogFile>,
    /// Entries that are in the log and, as far as we know, still in the outbox.
    known: HashMap<OutboxId, u64>,
    /// What the database knows of the log.
    position: Option<Position>,
}

impl Sequencer {
    /// Opens the log, creating it at the very first start, and compares it with what the database knows.
    ///
    /// # Errors
    /// [`LogError::Damaged`], [`LogError::RootMismatch`], [`LogError::Forked`] and [`LogError::Behind`] mean that log
    /// and database must not be used together as they are; the others are of the system or the configuration.
    pub async fn open(store: Arc<dyn Store>, config: SequencerConfig) -> Result<Opened, LogError> {
        let SequencerConfig {
            dir,
            environment,
            epoch,
            behind,
            signers,
            earlier,
            clock,
            rng,
            witnessed,
            sign_again_after,
        } = config;
        let own = signers.iter().map(|signer| signer.verifier.clone());
        let verifiers = own.chain(earlier).collect();
        let signing = Arc::new(Signing { environment, signers, verifiers, clock, sign_again_after });
        let position = store.meta_get(POSITION_KEY).await?.map(|bytes| Position::decode(&bytes)).transpose()?;
        let (folder, keys) = (dir.clone(), signing.clone());
        let opening = move || open_files(&folder, &keys, epoch, behind, Known { position, witnessed });
        let (file, signed, created, start) = blocking(opening).await??;
        let mut waiting = HashSet::new();
        let mut after = 0;
        loop {
            let page = store.outbox_read(after, ROUND).await?;
            let Some(last) = page.last() else { break };
            after = last.id.sequence;
            waiting.extend(page.iter().map(|entry| entry.id));
        }
        let size = file.size();
        let reader = file.reader();
        let ahead_reader = reader.clone();
        let (known, entries_ahead, runs) = blocking(move || {
            let (mut known, mut ahead) = (HashMap::new(), Vec::new());
            for index in start..size {
                let entry = ahead_reader.read(index)?;
                if waiting.contains(&entry.outbox_id) {
                    known.insert(entry.outbox_id, index);
                } else {
                    ahead.push(AheadEntry { index, entry: entry.content.map(|content| content.entry) });
                }
            }
            let mut runs = Vec::new();
            ahead_reader.each_id(size, |index, id| extend_runs(&mut runs, index, id))?;
            Ok::<_, LogError>((known, ahead, runs))
        })
        .await??;
        let shared = Arc::new(Shared {
            epoch: file.epoch(),
            reader: RwLock::new(reader),
            runs: RwLock::new(runs),
            checkpoint: watch::Sender::new(Arc::new(signed)),
            wake: Notify::new(),
            trouble: RwLock::new(None),
            condemned: OnceLock::new(),
            closed: watch::Sender::new(false),
        });
        let log = Log { shared: shared.clone() };
        let sequencer = Self { store, shared, signing, dir, rng, file: Some(file), known, position };
        Ok(Opened { log, sequencer, entries_ahead, created })
    }

    /// Works until `stop` completes; then moves what the outbox still holds and ends.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let begun = tokio::time::Instant::now();
            let moved = self.round_reported().await;
            // A full round shares its flushes well enough, and more is waiting.
            let pause = if moved < usize::try_from(ROUND).unwrap_or(usize::MAX) { PACE } else { Duration::ZERO };
            tokio::select! {
                () = &mut stop => break,
                () = tokio::time::sleep_until(begun + pause) => {}
            }
            if moved > 0 {
                continue;
            }
            tokio::select! {
                () = &mut stop => break,
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
        while self.round_reported().await > 0 {}
        self.shared.closed.send_replace(true);
    }

    /// One round, its trouble told to the operator once and kept for [`Log::trouble`].
    async fn round_reported(&mut self) -> usize {
        let (moved, trouble) = match self.round().await {
            Ok(moved) => (moved, None),
            Err(error) => (0, Some(error)),
        };
        let mut last = self.shared.trouble.write().unwrap_or_else(PoisonError::into_inner);
        if *last != trouble {
            match &trouble {
                Some(error) => tracing::error!(%error, "the audit log stands still"),
                None => tracing::info!("the audit log goes on"),
            }
            *last = trouble;
        }
        moved
    }

    /// Moves up to [`ROUND`] entries; says how many.
    pub(super) async fn round(&mut self) -> Result<usize, LogError> {
        if let Some(damage) = self.shared.condemned.get() {
            return Err(damage.clone());
        }
        let rows = self.store.outbox_read(0, ROUND).await?;
        self.reopen().await?;
        let fresh: Vec<_> = rows.iter().filter(|row| !self.known.contains_key(&row.id)).collect();
        let fresh = self.salted(&fresh);
        self.append(fresh).await?;
        if let Some(last) = rows.last() {
            self.clear(last.id.sequence, &rows).await?;
        } else if self.position != Some(self.position_now()?) {
            self.clear(0, &[]).await?;
        }
        Ok(rows.len())
    }

    fn salted(&mut self, rows: &[&OutboxEntry]) -> Vec<(OutboxId, [u8; 32], Vec<u8>)> {
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let mut salt = [0; 32];
            self.rng.fill_bytes(&mut salt);
            entries.push((row.id, salt, row.entry.clone()));
        }
        entries
    }

    /// Opens the files again after a failure, and learns what the failed round had written nevertheless.
    async fn reopen(&mut self) -> Result<(), LogError> {
        if self.file.is_some() {
            return Ok(());
        }
        let (dir, signing) = (self.dir.clone(), self.signing.clone());
        let published = self.shared.size();
        let (file, ids) = blocking(move || {
            let (file, _) = LogFile::open(&dir, &signing.environment, &signing.verifiers)?;
            let reader = file.reader();
            let ids = (published..file.size()).map(|index| Ok((reader.id(index)?, index)));
            let ids = ids.collect::<Result<Vec<_>, LogError>>()?;
            Ok::<_, LogError>((file, ids))
        })
        .await??;
        self.known.extend(ids);
        *self.shared.reader.write().unwrap_or_else(PoisonError::into_inner) = file.reader();
        self.file = Some(file);
        Ok(())
    }

    /// Appends, flushes, signs, and shows the new state to readers. An entry that is in the log already is not.
    async fn append(&mut self, entries: Vec<(OutboxId, [u8; 32], Vec<u8>)>) -> Result<(), LogError> {
        let Some(mut file) = self.file.take() else { return Err(LogError::Closed) };
        let published = self.shared.size();
        let due = self.signing.is_old(&self.shared.checkpoint.borrow().checkpoint);
        if entries.is_empty() && file.size() == published && !due {
            self.file = Some(file);
            return Ok(());
        }
        work::LOG_ROUNDS.add(1);
        let ids: Vec<_> = (file.size()..).zip(entries.iter().map(|(id, _, _)| *id)).collect();
        let signing = self.signing.clone();
        let (file, signed) = blocking(move || {
            // An error drops the file; the next round opens it anew and finds what was written.
            file.append(&entries)?;
            let signed = signing.sign(&file);
            Ok::<_, LogError>((file, signed))
        })
        .await??;
        self.known.extend(ids.iter().map(|(index, id)| (*id, *index)));
        let reader = file.reader();
        self.file = Some(file);
        let signed = signed?;
        {
            let mut runs = self.shared.runs.write().unwrap_or_else(PoisonError::into_inner);
            let have = runs.last().map_or(0, |run: &Run| run.start + run.len);
            for index in have..signed.checkpoint.size {
                extend_runs(&mut runs, index, reader.id(index)?);
            }
        }
        self.shared.checkpoint.send_replace(Arc::new(signed));
        Ok(())
    }

    async fn clear(&mut self, upto: u64, rows: &[OutboxEntry]) -> Result<(), LogError> {
        let cleared: Vec<_> = rows.iter().filter_map(|row| self.known.remove_entry(&row.id)).collect();
        let position = self.position_now();
        let result = match position {
            Ok(position) => self
                .store
                .outbox_clear(upto, POSITION_KEY, &position.encode())
                .await
                .map(|()| position)
                .map_err(LogError::from),
            Err(error) => Err(error),
        };
        match result {
            Ok(position) => {
                self.position = Some(position);
                Ok(())
            }
            Err(error) => {
                self.known.extend(cleared);
                Err(error)
            }
        }
    }

    /// What the database may be told: nothing at or above the first entry that it still holds in its outbox, so that
    /// a restart finds that entry when it looks for duplicates.
    fn position_now(&self) -> Result<Position, LogError> {
        let size = self.known.values().min().copied().unwrap_or(self.shared.size());
        Ok(Position {
            epoch: self.shared.epoch,
            size,
            root: root_at(size, |level, nr| self.shared.reader().node(level, nr))?,
        })
    }
}

impl Drop for Sequencer {
    fn drop(&mut self) {
        // Also when the task is aborted: nobody waits for what will not come.
        self.shared.closed.send_replace(true);
    }
}

impl Log {
    /// The number of entries under the newest checkpoint.
    pub fn size(&self) -> u64 {
        self.shared.size()
    }

    /// The log's epoch.
    pub fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    /// The newest signed checkpoint.
    pub fn checkpoint(&self) -> Arc<SignedCheckpoint> {
        self.shared.checkpoint.borrow().clone()
    }

    /// Tells of every new checkpoint, for witnesses and long polls.
    pub fn subscribe(&self) -> watch::Receiver<Arc<SignedCheckpoint>> {
        self.shared.checkpoint.subscribe()
    }

    /// Makes the sequencer look into the outbox now; to be called after every commit that had log entries.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Why the log stands still, if it does.
    pub fn trouble(&self) -> Option<LogError> {
        if let Some(damage) = self.shared.condemned.get() {
            return Some(damage.clone());
        }
        self.shared.trouble.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops the log for good: it has been found damaged, and the next start has to be told so.
    pub fn condemn(&self, damage: LogError) {
        // The first finding stays.
        let _ = self.shared.condemned.set(damage);
        self.wake();
    }

    /// The inclusion proof of an entry in the tree of `size` entries.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] unless `index < size <= self.size()`.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        if size > self.size() {
            return Err(LogError::OutOfRange);
        }
        let reader = self.shared.reader();
        inclusion_proof(index, size, |level, nr| reader.node(level, nr))?.ok_or(LogError::OutOfRange)
    }

    /// The proof that the first `old` entries are a prefix of the first `new`.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] unless `old <= new <= self.size()`.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, LogError> {
        if new > self.size() {
            return Err(LogError::OutOfRange);
        }
        let reader = self.shared.reader();
        consistency_proof(old, new, |level, nr| reader.node(level, nr))?.ok_or(LogError::OutOfRange)
    }

    /// The root hash of the first `size` entries.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] unless `size <= self.size()`.
    pub fn root(&self, size: u64) -> Result<Hash, LogError> {
        if size > self.size() {
            return Err(LogError::OutOfRange);
        }
        let reader = self.shared.reader();
        root_at(size, |level, nr| reader.node(level, nr))
    }

    /// One entry.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`], or [`LogError::Damaged`] when it is not what was written.
    pub fn read(&self, index: u64) -> Result<LogEntry, LogError> {
        if index >= self.size() {
            return Err(LogError::OutOfRange);
        }
        self.shared.reader().read(index)
    }

    /// The entries from `index` to the size at the time of the call.
    pub fn iter_from(&self, index: u64) -> impl Iterator<Item = Result<LogEntry, LogError>> + use<> {
        let reader = self.shared.reader();
        (index..self.size()).map(move |index| reader.read(index))
    }

    /// Where an outbox entry is in the log, if it is there.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn find(&self, id: OutboxId) -> Result<Option<u64>, LogError> {
        let size = self.size();
        let reader = self.shared.reader();
        let holds = |run: &&Run| run.instance == id.instance && (run.first..=run.last).contains(&id.sequence);
        let runs: Vec<Run> = {
            let runs = self.shared.runs.read().unwrap_or_else(PoisonError::into_inner);
            runs.iter().rev().filter(holds).copied().collect()
        };
        for run in runs {
            let (mut low, mut high) = (run.start, run.start + run.len);
            while low < high {
                let middle = low + (high - low) / 2;
                match reader.id(middle)?.sequence.cmp(&id.sequence) {
                    std::cmp::Ordering::Equal => return Ok((middle < size).then_some(middle)),
                    std::cmp::Ordering::Less => low = middle + 1,
                    std::cmp::Ordering::Greater => high = middle,
                }
            }
        }
        Ok(None)
    }

    /// Waits until an outbox entry is in the log under a signed checkpoint; its place. The caller sets the time limit.
    ///
    /// # Errors
    /// [`LogError::Closed`] when the sequencer ends first.
    pub async fn sequenced(&self, id: OutboxId) -> Result<u64, LogError> {
        let mut news = self.shared.checkpoint.subscribe();
        let mut closed = self.shared.closed.subscribe();
        self.wake();
        loop {
            news.mark_unchanged();
            let over = *closed.borrow_and_update();
            if let Some(index) = self.find(id)? {
                return Ok(index);
            }
            if over {
                return Err(LogError::Closed);
            }
            tokio::select! {
                changed = news.changed() => changed.map_err(|_| LogError::Closed)?,
                changed = closed.changed() => changed.map_err(|_| LogError::Closed)?,
            }
        }
    }

    /// Erases salt and entry for ever; the commitment stays, and with it every proof. Backups are not reached.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`], [`LogError::Io`], or [`LogError::Damaged`].
    pub fn erase(&self, index: u64) -> Result<(), LogError> {
        if index >= self.size() {
            return Err(LogError::OutOfRange);
        }
        self.shared.reader().erase(index)
    }
}

impl Shared {
    fn size(&self) -> u64 {
        self.checkpoint.borrow().checkpoint.size
    }

    fn reader(&self) -> Arc<LogReader> {
        self.reader.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn extend_runs(runs: &mut Vec<Run>, index: u64, id: OutboxId) {
    match runs.last_mut() {
        Some(run) if run.instance == id.instance && run.last < id.sequence => {
            run.last = id.sequence;
            run.len += 1;
        }
        _ => runs.push(Run { instance: id.instance, first: id.sequence, last: id.sequence, start: index, len: 1 }),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| LogError::Closed)
}
