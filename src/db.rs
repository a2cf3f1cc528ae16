//! The state file, and the only code that sees SQL.
//!
//! One thread owns the connection and runs each hand-over as one transaction. [`Db`] is its face: one call
//! per hand-over step, ingest before everything else. Commands that only look use a [`Reader`] of their own.

mod baseline;
#[cfg(test)]
mod company;
mod delivery;

mod error;
mod explanation;
mod find;
mod ingest;
mod mirror;
mod notifications;

mod open;
mod reader;

mod rows;
mod simulation;
mod stores;
mod worker;

use std::path::Path;

use self::worker::Worker;
pub use self::{
    delivery::{AfterAttempt, AttemptRecord, QueueHead, QueuedMail},
    error::DbError,
    explanation::{Explanation, Fate, IdPrefix, IdPrefixError, MailFate, Rules, Stage},
    find::{Candidate, Found},
    ingest::{Ingested, LookedUp, StoreContext},
    notifications::{Composable, Cursor, Dispatched, Draft, MailDue},
    open::RunLock,
    reader::{AttemptRow, EventFilter, EventRow, MessageRow, Reader, StateFile, StatusRow, WholeMessage},
    simulation::{Simulated, SimulationError, Supposed, simulate},
    stores::{Baseline, MirrorView, Side, StoreFacts, StoreNo, StoreState},
};

/// The database thread's face. Cheap to clone; the thread ends when the last clone is gone.
#[derive(Clone)]
pub struct Db {
    worker: Worker,
}

impl Db {
    /// Opens the state file, creating or migrating it. Blocks for as long as that takes.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        Ok(Self { worker: Worker::start(open::open_for_writing(path)?) })
    }

    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        Self { worker: Worker::start(open::in_memory().unwrap()) }
    }
}
