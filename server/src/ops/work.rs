//! What this process has done, for `godkend_work_total{kind="..."}`: the dear parts of a login, to be divided by the
//! logins of the same time (docs/performance.md). Counted for the whole process, however many servers it runs.

use godkend_protocol::tally::{OPAQUE_STARTS, Tally, VERIFICATIONS};

/// ES256 signatures that were made.
pub static SIGNATURES: Tally = Tally::new();
/// Batches that callers had committed to the database.
pub static COMMITS: Tally = Tally::new();
/// Database transactions, each made durable once; one holds the batches of many callers.
pub static TRANSACTIONS: Tally = Tally::new();
/// Rounds of the audit log.
pub static LOG_ROUNDS: Tally = Tally::new();
/// Flushes to the disk by the audit log's files. The database's come on top: one for each transaction, and those of the
/// checkpoints of its write-ahead log.
pub static LOG_FLUSHES: Tally = Tally::new();

/// All of them with their labels.
pub(super) fn all() -> [(&'static str, &'static Tally); 7] {
    [
        ("signatures", &SIGNATURES),
        ("verifications", &VERIFICATIONS),
        ("opaque_starts", &OPAQUE_STARTS),
        ("commits", &COMMITS),
        ("transactions", &TRANSACTIONS),
        ("log_rounds", &LOG_ROUNDS),
        ("log_flushes", &LOG_FLUSHES),
    ]
}
