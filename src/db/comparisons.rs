//! Full comparisons: what is wanted, under way and done, by row. Daemon and commands meet here.

use std::{path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    Access, Db, DbError, Reader, StoreNo,
    error::During,
    rows::{dn_at, micros, timestamp, unreadable, uuid_at},
    stores::{self, Baseline, known_store},
    worker::Priority,
};
use crate::{
    change::purpose::Purpose,
    directory::{
        checkpoint::Checkpoint,
        dn::Dn,
        entry::{EntryId, Stamp},
    },
};

/// A periodic comparison that could not be finished is not tried again before that.
const TRY_AGAIN: Duration = Duration::from_hours(1);

/// The number of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComparisonNo(pub(super) i64);

/// A comparison of everything that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenComparison {
    /// Which.
    pub no: ComparisonNo,
    /// What becomes of the differences.
    pub purpose: Purpose,
    /// Whether its reading was begun.
    pub stage: ComparisonStage,
}

/// How far a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparisonStage {
    /// Asked for.
    Wanted,
    /// What is read, or will be read next, is compared for it.
    Begun,
}

/// What is to be compared next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextComparison {
    /// Nothing: ask again after this long at most.
    None {
        /// Until the next periodic one; an hour where there is none.
        until: Duration,
    },
    /// One entry is read and its differences are accepted.
    Entry {
        /// For which request.
        no: ComparisonNo,
        /// Which.
        id: EntryId,
        /// Its name, as last seen.
        dn: Dn,
    },
    /// Everything is read.
    Everything(OpenComparison),
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComparisonOutcome {
    /// Everything was read, and the differences are events.
    Compared {
        /// How many.
        events: u64,
        /// How many of these are held.
        held: u64,
    },
    /// Nothing came of it, and why.
    Refused(String),
}

/// A comparison as the command sees it that asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparisonLook {
    /// May have become another than was asked for: a directory that went back in time holds what it finds.
    pub purpose: Purpose,
    /// `None`: it is not over.
    pub outcome: Option<ComparisonOutcome>,
    /// What the daemon is doing about the store meanwhile: the word of `status`.
    pub state: String,
    /// What is wrong with the store's directory meanwhile.
    pub trouble: Option<String>,
}

/// What a command gets that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A comparison of its own.
    New(ComparisonNo),
    /// One that was under way for the same purpose.
    Joined(ComparisonNo),
    /// Nothing: one is under way for this other purpose.
    Another(Purpose),
}

impl Db {
    /// The comparison of everything that is wanted or under way.
    pub async fn open_comparison(&self, store: StoreNo) -> Result<Option<OpenComparison>, DbError> {
        self.worker.call(Priority::Ingest, move |connection| open_of(connection, store)).await
    }

    /// What is to be compared next in a store that is live. `every`: how often everything is, by itself.
    pub async fn next_comparison(
        &self,
        store: StoreNo,
        every: Option<Duration>,
        now: Timestamp,
    ) -> Result<NextComparison, DbError> {
        self.worker
            .call(Priority::Ingest, move |connection| {
                let transaction = connection.transaction().during("begin to look for a comparison")?;
                let next = next(&transaction, store, every, now)?;
                transaction.commit().during("commit a comparison that is due")?;
                Ok(next)
            })
            .await
    }

    /// Ends a comparison of which nothing came. What its reading has found so far is told as any change.
    pub async fn refuse_comparison(
        &self,
        no: ComparisonNo,
        problem: String,
        now: Timestamp,
    ) -> Result<(), DbError> {
        self.worker
            .call(Priority::Ingest, move |connection| {
                connection
                    .execute(
                        "UPDATE comparison SET ended_at = ?2, problem = ?3 WHERE seq = ?1 AND ended_at IS NULL",
                        params![no.0, micros(now), problem],
                    )
                    .during("refuse a comparison")
                    .map(drop)
            })
            .await
    }

    /// Why the last comparison of everything came to no end, if none has since.
    pub async fn unfinished_comparison(&self, store: StoreNo) -> Result<Option<String>, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                connection
                    .query_row(
                        "SELECT problem FROM comparison JOIN store ON store.no = comparison.store
                         WHERE store = ?1 AND problem IS NOT NULL AND comparison.entry IS NULL
                         AND ended_at > coalesce(compared_at, 0) ORDER BY ended_at DESC LIMIT 1",
                        [store.0],
                        |row| row.get(0),
                    )
                    .optional()
                    .during("read what became of a comparison")
            })
            .await
    }

    /// What became of it.
    pub async fn look_at_comparison(&self, no: ComparisonNo) -> Result<ComparisonLook, DbError> {
        self.worker.call(Priority::Rest, move |connection| look(connection, no)).await
    }

    /// Asks for one, where nobody else can: see [`Comparisons::ask`].
    pub async fn ask_for_comparison(
        &self,
        store: String,
        purpose: Purpose,
        entry: Option<EntryId>,
        now: Timestamp,
    ) -> Result<Asked, DbError> {
        self.worker.call(Priority::Rest, move |connection| ask(connection, &store, purpose, entry, now)).await
    }
}

/// Where a command leaves what it wants of a daemon that runs.
pub struct Comparisons {
    connection: Connection,
}

impl Comparisons {
    /// Takes the lock, or finds the daemon that has it.
    pub fn open(path: &Path) -> Result<Access<Self>, DbError> {
        Ok(match Access::gain(path)? {
            Access::NoState => Access::NoState,
            Access::Alone(lock) => Access::Alone(lock),
            Access::BesideDaemon(connection) => Access::BesideDaemon(Self { connection }),
        })
    }

    /// Asks for a comparison of everything, or of one `entry`. Where one of everything is under way already it is
    /// taken for this one, or stands in its way.
    pub fn ask(
        &mut self,
        store: &str,
        purpose: Purpose,
        entry: Option<EntryId>,
        now: Timestamp,
    ) -> Result<Asked, DbError> {
        ask(&mut self.connection, store, purpose, entry, now)
    }

    /// What became of it.
    pub fn look(&self, no: ComparisonNo) -> Result<ComparisonLook, DbError> {
        look(&self.connection, no)
    }
}

fn ask(
    connection: &mut Connection,
    store: &str,
    purpose: Purpose,
    entry: Option<EntryId>,
    now: Timestamp,
) -> Result<Asked, DbError> {
    let transaction = connection.transaction().during("begin to ask for a comparison")?;
    let store = known_store(&transaction, store)?;
    let asked = match open_of(&transaction, store)? {
        Some(open) if entry.is_none() && open.purpose == purpose => Asked::Joined(open.no),
        Some(open) => Asked::Another(open.purpose),
        None => Asked::New(insert(&transaction, store, purpose, entry, now)?),
    };
    transaction.commit().during("commit a wish for a comparison")?;
    Ok(asked)
}

fn next(
    connection: &Connection,
    store: StoreNo,
    every: Option<Duration>,
    now: Timestamp,
) -> Result<NextComparison, DbError> {
    let idle = NextComparison::None { until: TRY_AGAIN };
    if stores::baseline(connection, store)? == Baseline::Missing {
        return Ok(idle);
    }
    if let Some((no, id, dn)) = next_entry(connection, store, now)? {
        return Ok(NextComparison::Entry { no, id, dn });
    }
    if let Some(open) = open_of(connection, store)? {
        return Ok(NextComparison::Everything(open));
    }
    let Some(every) = every else { return Ok(idle) };
    let due = due(connection, store, every)?;
    match Duration::try_from(due.duration_since(now)) {
        Ok(until) if !until.is_zero() => Ok(NextComparison::None { until: until.min(TRY_AGAIN) }),
        Ok(_) | Err(_) => {
            let no = insert(connection, store, Purpose::Tell, None, now)?;
            let open = OpenComparison { no, purpose: Purpose::Tell, stage: ComparisonStage::Wanted };
            Ok(NextComparison::Everything(open))
        }
    }
}

/// When the periodic comparison is due: so long after everything was last read to its end, and not soon after an
/// attempt that failed.
fn due(connection: &Connection, store: StoreNo, every: Duration) -> Result<Timestamp, DbError> {
    let (compared, failed): (Option<i64>, Option<i64>) = connection
        .query_row(
            "SELECT compared_at,
                    (SELECT max(ended_at) FROM comparison
                     WHERE store = store.no AND problem IS NOT NULL AND entry IS NULL)
             FROM store WHERE no = ?1",
            [store.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .during("read when everything was last compared")?;
    let after = |at: Option<i64>, wait: Duration| {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        let at = at.map_or(Timestamp::UNIX_EPOCH, timestamp);
        at.checked_add(wait).unwrap_or(Timestamp::MAX)
    };
    Ok(after(compared, every).max(after(failed, every.min(TRY_AGAIN))))
}

/// The oldest wish for one entry. One that is not in the mirror any more is refused.
fn next_entry(
    connection: &Connection,
    store: StoreNo,
    now: Timestamp,
) -> Result<Option<(ComparisonNo, EntryId, Dn)>, DbError> {
    loop {
        let found = connection
            .prepare_cached(
                "SELECT seq, comparison.entry, dn
                 FROM comparison LEFT JOIN entry ON entry.store = comparison.store AND entry.id = comparison.entry
                 WHERE comparison.store = ?1 AND ended_at IS NULL AND comparison.entry IS NOT NULL
                 ORDER BY seq LIMIT 1",
            )
            .and_then(|mut s| {
                s.query_row([store.0], |row| {
                    let is_known = row.get_ref(2)?.as_str_or_null()?.is_some();
                    let dn = is_known.then(|| dn_at(row, 2)).transpose()?;
                    Ok((ComparisonNo(row.get(0)?), EntryId(uuid_at(row, 1)?), dn))
                })
                .optional()
            })
            .during("look for an entry to compare")?;
        match found {
            None => return Ok(None),
            Some((no, id, Some(dn))) => return Ok(Some((no, id, dn))),
            Some((no, _, None)) => {
                connection
                    .execute(
                        "UPDATE comparison SET ended_at = ?2, problem = 'the group is not known any more'
                         WHERE seq = ?1",
                        params![no.0, micros(now)],
                    )
                    .during("refuse a comparison")?;
            }
        }
    }
}

fn insert(
    connection: &Connection,
    store: StoreNo,
    purpose: Purpose,
    entry: Option<EntryId>,
    now: Timestamp,
) -> Result<ComparisonNo, DbError> {
    connection
        .execute(
            "INSERT INTO comparison (store, purpose, entry, asked_at) VALUES (?1, ?2, ?3, ?4)",
            params![store.0, purpose.as_str(), entry.as_ref().map(|id| id.0.as_bytes()), micros(now)],
        )
        .during("store a wish for a comparison")?;
    Ok(ComparisonNo(connection.last_insert_rowid()))
}

fn purpose_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Purpose> {
    Purpose::parse(row.get_ref(column)?.as_str()?)
        .ok_or_else(|| unreadable(column, "unknown purpose of a comparison"))
}

pub(super) fn open_of(connection: &Connection, store: StoreNo) -> Result<Option<OpenComparison>, DbError> {
    connection
        .prepare_cached(
            "SELECT seq, purpose, begun_at IS NOT NULL FROM comparison
             WHERE store = ?1 AND ended_at IS NULL AND entry IS NULL",
        )
        .and_then(|mut s| {
            s.query_row([store.0], |row| {
                let stage = if row.get(2)? { ComparisonStage::Begun } else { ComparisonStage::Wanted };
                Ok(OpenComparison { no: ComparisonNo(row.get(0)?), purpose: purpose_at(row, 1)?, stage })
            })
            .optional()
        })
        .during("look for a comparison")
}

/// Inside an ingest transaction: everything is read from now on. What is wanted already begins; a directory that
/// went back in time makes of a comparison to tell one to hold.
pub(super) fn begin(
    connection: &Connection,
    store: StoreNo,
    otherwise: Purpose,
    now: Timestamp,
) -> Result<OpenComparison, DbError> {
    let (no, purpose) = match open_of(connection, store)? {
        Some(open) if open.purpose == Purpose::Tell => (open.no, otherwise),
        Some(open) => (open.no, open.purpose),
        None => (insert(connection, store, otherwise, None, now)?, otherwise),
    };
    connection
        .execute(
            "UPDATE comparison SET purpose = ?2, begun_at = coalesce(begun_at, ?3) WHERE seq = ?1",
            params![no.0, purpose.as_str(), micros(now)],
        )
        .during("begin a comparison")?;
    Ok(OpenComparison { no, purpose, stage: ComparisonStage::Begun })
}

/// The number of the newest change set.
pub(super) fn newest_change_set(connection: &Connection) -> Result<i64, DbError> {
    connection
        .query_row("SELECT coalesce(max(seq), 0) FROM change_set", [], |row| row.get(0))
        .during("find the newest change set")
}

/// Inside the transaction that stores its events: those of change sets after number `after`.
pub(super) fn end(
    connection: &Connection,
    store: StoreNo,
    no: ComparisonNo,
    after: i64,
    now: Timestamp,
) -> Result<(), DbError> {
    connection
        .execute(
            "UPDATE comparison
             SET begun_at = coalesce(begun_at, ?4), ended_at = ?4,
                 (events, held) = (SELECT count(*), coalesce(sum(change_set.held), 0)
                                   FROM change_set JOIN event ON event.change_set = change_set.seq
                                   WHERE change_set.seq > ?3 AND store = ?2)
             WHERE seq = ?1",
            params![no.0, store.0, after, micros(now)],
        )
        .during("end a comparison")
        .map(drop)
}

/// Inside an ingest transaction: everything was read to its end.
pub(super) fn note_compared(connection: &Connection, store: StoreNo, now: Timestamp) -> Result<(), DbError> {
    connection
        .execute("UPDATE store SET compared_at = ?2 WHERE no = ?1", params![store.0, micros(now)])
        .during("store when everything was read")
        .map(drop)
}

/// Inside an ingest transaction: a first baseline begins, and there is nothing to compare with.
pub(super) fn refuse_all(connection: &Connection, store: StoreNo, now: Timestamp) -> Result<(), DbError> {
    connection
        .execute(
            "UPDATE comparison SET ended_at = ?2,
                 problem = 'everything is read anew, silently: base_dn, exclude or schema is another than before'
             WHERE store = ?1 AND ended_at IS NULL",
            params![store.0, micros(now)],
        )
        .during("refuse comparisons")
        .map(drop)
}

fn look(connection: &Connection, no: ComparisonNo) -> Result<ComparisonLook, DbError> {
    connection
        .prepare_cached(
            "SELECT purpose, ended_at IS NOT NULL, events, held, problem, directory_error, state
             FROM comparison JOIN store ON store.no = comparison.store WHERE seq = ?1",
        )
        .and_then(|mut s| {
            s.query_row([no.0], |row| {
                let problem: Option<String> = row.get(4)?;
                let outcome = match problem {
                    Some(problem) => Some(ComparisonOutcome::Refused(problem)),
                    None if row.get(1)? => Some(ComparisonOutcome::Compared {
                        events: row.get::<_, i64>(2)?.unsigned_abs(),
                        held: row.get::<_, i64>(3)?.unsigned_abs(),
                    }),
                    None => None,
                };
                Ok(ComparisonLook {
                    purpose: purpose_at(row, 0)?,
                    outcome,
                    trouble: row.get(5)?,
                    state: row.get(6)?,
                })
            })
        })
        .during("read a comparison")
}

impl Reader {
    /// An error: not everything of `store` was read once, and there is nothing to compare with.
    pub fn require_baseline(&self, store: &str) -> Result<(), DbError> {
        known_store(&self.connection, store).map(drop)
    }

    /// Where the feed of `store` stands.
    pub fn checkpoint(&self, store: &str) -> Result<Option<Checkpoint>, DbError> {
        stores::checkpoint(&self.connection, known_store(&self.connection, store)?)
    }

    /// How new what is known of an entry is. `None`: it is not known, or has no stamp.
    pub fn stamp(&self, store: &str, id: EntryId) -> Result<Option<Stamp>, DbError> {
        let store = known_store(&self.connection, store)?;
        let stamp: Option<Option<String>> = self
            .connection
            .prepare_cached("SELECT stamp FROM entry WHERE store = ?1 AND id = ?2")
            .and_then(|mut s| s.query_row(params![store.0, id.0.as_bytes()], |row| row.get(0)).optional())
            .during("read the stamp of an entry")?;
        Ok(stamp.flatten().map(|text| Stamp::from_csn(&text)))
    }
}
