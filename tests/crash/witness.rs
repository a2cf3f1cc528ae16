//! The state file, looked at from outside while dirherald works on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

/// A connection of its own that only reads.
pub struct Witness(Connection);

/// Between two stages, where dirherald is to be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// Events of a refresh are kept back until its end.
    Kept,
    /// Events are stored with their checkpoint, nobody is chosen.
    Stored,
    /// It is settled who is told, nothing is written.
    Dispatched,
    /// Mails are written, none was tried.
    Composed,
    /// The mail server has taken a mail, and has not said so.
    Taken,
    /// An attempt was recorded.
    Recorded,
    /// The directory has said what changed, and nothing of it can be stored.
    Committing,
    /// The mail server has said that it took a mail, and that cannot be stored.
    Acknowledged,
}

/// While it is there nobody else can store anything.
pub struct Hold<'a>(&'a Connection);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.execute_batch("ROLLBACK").expect("nothing was written");
    }
}

/// How far the work is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    is_live: bool,
    kept: i64,
    undispatched: i64,
    unwritten: i64,
    untried: i64,
    attempts: i64,
    events: i64,
}

/// A message with its attempts.
#[derive(Debug)]
pub struct Sent {
    pub state: String,
    /// The ids of all its events.
    pub events: Vec<String>,
    /// When and how, oldest first.
    pub attempts: Vec<(Timestamp, String)>,
}

impl Witness {
    /// Of a state file that is there.
    pub fn of(state_file: &Path) -> Self {
        let connection = Connection::open_with_flags(state_file, OpenFlags::SQLITE_OPEN_READ_WRITE);
        Self(connection.expect("opening the state"))
    }

    /// How far the work is.
    pub fn progress(&self) -> Progress {
        let sql = "SELECT (SELECT count(*) FROM finding),
                          (SELECT count(*) FROM change_set WHERE dispatched_at IS NULL AND held = 0),
                          (SELECT count(*) FROM notification WHERE message IS NULL),
                          (SELECT count(*) FROM message WHERE due_at IS NOT NULL AND attempts = 0),
                          (SELECT coalesce(max(seq), 0) FROM attempt),
                          (SELECT coalesce(max(seq), 0) FROM event),
                          (SELECT state = 'live' FROM store)";
        let mut statement = self.0.prepare_cached(sql).expect("the tables are there");
        let progress = statement.query_row([], |row| {
            Ok(Progress {
                kept: row.get(0)?,
                undispatched: row.get(1)?,
                unwritten: row.get(2)?,
                untried: row.get(3)?,
                attempts: row.get(4)?,
                events: row.get(5)?,
                is_live: row.get(6)?,
            })
        });
        progress.expect("reading the state")
    }

    /// Lets nobody else store anything until the value is dropped.
    pub fn hold_writes(&self) -> Hold<'_> {
        self.0.execute_batch("BEGIN IMMEDIATE").expect("dirherald lets go of the file in time");
        Hold(&self.0)
    }

    /// Where the feed stands, as text. Empty: nowhere yet.
    pub fn checkpoint(&self) -> String {
        let sql = "SELECT checkpoint FROM store";
        let mut statement = self.0.prepare_cached(sql).expect("the tables are there");
        let bytes: Option<Vec<u8>> = statement.query_row([], |row| row.get(0)).expect("one store");
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    }

    /// The last of the notifications. 0: there is none.
    pub fn last_notification(&self) -> i64 {
        let sql = "SELECT coalesce(max(seq), 0) FROM notification";
        let mut statement = self.0.prepare_cached(sql).expect("the tables are there");
        statement.query_row([], |row| row.get(0)).expect("reading the notifications")
    }

    /// Whether one of the notifications up to this one is still to be written into a mail.
    pub fn waits_up_to(&self, last: i64) -> bool {
        let sql = "SELECT EXISTS (SELECT 1 FROM notification WHERE message IS NULL AND seq <= ?1)";
        let mut statement = self.0.prepare_cached(sql).expect("the tables are there");
        statement.query_row([last], |row| row.get(0)).expect("reading the notifications")
    }

    /// The last of the change sets. 0: there is none.
    pub fn last_change_set(&self) -> i64 {
        self.number("SELECT coalesce(max(seq), 0) FROM change_set", [])
    }

    /// Whether it is still to be settled who is told of one of the change sets up to this one.
    pub fn dispatches_up_to(&self, last: i64) -> bool {
        let sql = "SELECT EXISTS (SELECT 1 FROM change_set WHERE dispatched_at IS NULL AND seq <= ?1)";
        self.number(sql, [last]) == 1
    }

    /// How many holds nobody has let go yet.
    pub fn holds(&self) -> i64 {
        self.number("SELECT count(*) FROM hold WHERE ended_at IS NULL", [])
    }

    /// Whether a hold is to be let go, and is not yet.
    pub fn is_letting_go(&self) -> bool {
        self.number("SELECT EXISTS (SELECT 1 FROM hold WHERE ended_at IS NULL AND wish IS NOT NULL)", []) == 1
    }

    /// The ids of the events that nobody was told of because somebody wanted it so.
    pub fn discarded(&self) -> BTreeSet<String> {
        let sql = "SELECT event.facts ->> 'id' FROM event
                   JOIN change_set ON change_set.seq = event.change_set
                   JOIN hold ON hold.seq = change_set.hold WHERE hold.wish = 'discard'";
        let mut statement = self.0.prepare(sql).expect("the tables are there");
        let rows = statement.query_map([], |row| row.get(0)).expect("reading what was discarded");
        rows.map(|row| row.expect("reading what was discarded")).collect()
    }

    /// Whether findings wait for the end of a refresh or for a name.
    pub fn keeps_findings(&self) -> bool {
        self.number("SELECT EXISTS (SELECT 1 FROM finding)", []) == 1
    }

    fn number(&self, sql: &str, parameters: impl rusqlite::Params) -> i64 {
        let mut statement = self.0.prepare_cached(sql).expect("the tables are there");
        statement.query_row(parameters, |row| row.get(0)).expect("reading the state")
    }

    /// Who was not told, and why.
    pub fn skipped(&self) -> Vec<String> {
        let mut statement =
            self.0.prepare("SELECT facts FROM skipped ORDER BY seq").expect("the tables are there");
        let rows = statement.query_map([], |row| row.get(0)).expect("reading who is not told");
        rows.map(|row| row.expect("reading who is not told")).collect()
    }

    /// Every message by its Message-ID.
    pub fn sent(&self) -> BTreeMap<String, Sent> {
        let sql = "SELECT message_id, state, attempt.at, attempt.outcome, events
                   FROM message LEFT JOIN attempt ON attempt.message = message.seq ORDER BY attempt.seq";
        let mut statement = self.0.prepare_cached(sql).expect("the tables are there");
        let mut all = BTreeMap::new();
        let mut rows = statement.query([]).expect("reading the messages");
        while let Some(row) = rows.next().expect("reading a message") {
            let id: String = row.get(0).expect("its Message-ID");
            let state = row.get(1).expect("its state");
            let events: String = row.get(4).expect("its events");
            let events = serde_json::from_str(&events).expect("a list of ids");
            let sent = all.entry(id).or_insert(Sent { state, events, attempts: Vec::new() });
            let at: Option<i64> = row.get(2).expect("when");
            let Some(at) = at else { continue };
            let at = Timestamp::from_microsecond(at).expect("an instant");
            sent.attempts.push((at, row.get(3).expect("how")));
        }
        all
    }
}

impl Progress {
    /// Nothing is left but to deliver.
    pub fn is_dispatched(self) -> bool {
        self.kept == 0 && self.undispatched == 0
    }

    /// Nothing is left to do but what was tried and is to be tried again.
    pub fn is_idle(self) -> bool {
        self.is_dispatched() && self.unwritten == 0 && self.untried == 0
    }

    /// Whether the work came to this edge after `before`. What the state file does not show is not seen here.
    pub fn shows(self, edge: Edge, before: Self) -> bool {
        match edge {
            Edge::Kept => self.kept > 0,
            Edge::Stored => self.undispatched > 0,
            Edge::Dispatched => self.unwritten > 0,
            Edge::Composed => self.untried > 0,
            Edge::Taken | Edge::Committing | Edge::Acknowledged => false,
            Edge::Recorded => self.attempts > before.attempts,
        }
    }

    /// At which edges it stood when it was killed.
    pub fn edges(self) -> Vec<&'static str> {
        let kept = if self.is_live { "waits for a look-up" } else { "in a refresh, events kept back" };
        [
            (self.kept, kept),
            (self.undispatched, "events not dispatched"),
            (self.unwritten, "notifications not written"),
            (self.untried, "mails not tried"),
        ]
        .into_iter()
        .filter_map(|(count, edge)| (count > 0).then_some(edge))
        .collect()
    }

    /// Whether anything was stored since `before`.
    pub fn has_news(self, before: Self) -> bool {
        self.events > before.events
    }
}
