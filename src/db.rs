//! The state file, and the only code that sees SQL.
//!
//! One thread owns the connection and runs each hand-over as one transaction. [`Db`] is its face: one call
//! per hand-over step, ingest before everything else. Commands that only look use a [`Reader`] of their own, and
//! those that want something of the queue leave [`Requests`].

mod access;
mod alerts;
mod backup;
mod baseline;
#[cfg(test)]
mod company;
mod comparisons;
mod compose;
mod copy;
mod delivery;

mod error;
mod examine;
mod explanation;
mod find;
mod health;
mod hindsight;
mod holds;
mod ingest;
mod lock;
mod mirror;
mod notifications;

mod open;
mod prune;
#[cfg(test)]
mod queue_plans;
mod reader;
mod requests;

mod rows;
mod simulation;
mod stores;
mod worker;

use std::path::Path;

pub use self::{
    access::Access,
    alerts::{AlertLetter, AlertMail, DueAlert},
    backup::{BackupError, back_up},
    comparisons::{
        Asked, ComparisonLook, ComparisonNo, ComparisonOutcome, ComparisonStage, Comparisons, NextComparison,
        OpenComparison,
    },
    compose::{Composable, Cursor, Draft, DraftCopy, MailDue, Told},
    copy::{StateCopy, remove_leftovers},
    delivery::{AfterAttempt, AttemptRecord, QueueHead, QueuedMail, Stock},
    error::{DbError, Trouble},
    explanation::{Explanation, Fate, IdPrefix, IdPrefixError, MailFate, Pace, Rules, Stage},
    find::{Candidate, Found},
    health::FileHealth,
    holds::{HoldAnswer, HoldNews, HoldRow, HoldSpan, HoldWish, OpenedHold},
    ingest::{BegunComparison, EntryCompared, Ingested, LookedUp, ReadBelow, StoreContext},
    lock::RunLock,
    notifications::Dispatched,
    prune::{Pruned, Pruning},
    reader::{AttemptRow, EventFilter, EventRow, MessageRow, Reader, StateFile, StatusRow, WholeMessage},
    requests::{RequestNo, RequestOutcome, Requests, Wish},
    simulation::{Simulated, SimulationError, Supposed, simulate},
    stores::{Baseline, MirrorView, Side, StoreFacts, StoreNo, StoreState},
};
use self::{
    error::During,
    worker::{Priority, Worker},
};

/// The database thread's face. Cheap to clone; the thread ends when the last clone is gone.
#[derive(Clone)]
pub struct Db {
    worker: Worker,
}

impl Db {
    /// Opens the state file, creating or migrating it. Blocks for as long as that takes, and for as long as it
    /// takes to see that no page of it is damaged: nothing is written into a file that is.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        examine::whole_pages(path)?;
        Ok(Self { worker: Worker::start(open::open_for_writing(path)?) })
    }

    /// Ends the thread after what was asked for, and leaves the file without a log beside it. Whoever asks for
    /// something later is refused.
    pub async fn close(self) -> Result<(), DbError> {
        self.worker.close().await
    }

    /// A number that is another than before as soon as somebody else has written to the file.
    pub async fn version_by_others(&self) -> Result<i64, DbError> {
        self.worker
            .call(Priority::Rest, |connection| {
                connection
                    .pragma_query_value(None, "data_version", |row| row.get(0))
                    .during("ask whether the file changed")
            })
            .await
    }

    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        Self { worker: Worker::start(open::in_memory().unwrap()) }
    }
}
