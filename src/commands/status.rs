//! `status`: how each store stands, whether or not the daemon runs.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    CommandError, Exit, Format, Listing,
    output::Output,
    state_file::to_look_at,
    table::{Table, roughly},
};
use crate::{
    clock,
    config::Config,
    db::{Reader, StatusRow},
};

const MICROSECONDS: f64 = 1e6;

/// Prints one row for each configured store.
pub(super) fn status(config: &Config, listing: &Listing) -> Result<Exit, CommandError> {
    let stores = listing.choice.of(config)?;
    let reader = to_look_at(&config.state.path)?;
    let rows = reader.as_ref().map_or_else(|| Ok(Vec::new()), Reader::status)?;
    let daemon = reader.is_some_and(|reader| reader.daemon_runs());
    let now = clock::now();
    let lines = stores.into_iter().map(|store| {
        let name = store.name.as_str();
        let known = rows.iter().find(|row| row.store == name);
        known.map_or_else(|| StatusLine::unknown(name, daemon), |row| StatusLine::of(row, daemon, now))
    });
    let mut output = Output::new();
    match listing.format() {
        Format::Json => lines.into_iter().try_for_each(|line| output.json(&line))?,
        Format::Table => {
            let mut table = Table::new([
                "STORE",
                "DAEMON",
                "STATE",
                "CONNECTED TO",
                "KIND",
                "FEED",
                "BELL",
                "CHECKPOINT",
                "LAG",
                "ENTRIES",
                "PENDING",
                "FAILED",
                "HELD",
                "LAST ERROR",
            ]);
            lines.for_each(|line| table.row(line.cells()));
            table.print(&mut output)?;
        }
    }
    output.finish()?;
    Ok(Exit::Success)
}

/// The keys of the contract.
#[derive(Serialize)]
struct StatusLine<'a> {
    store: &'a str,
    state: &'a str,
    /// What tells a store that was given up from one that nobody watches: both are `stopped`.
    daemon: bool,
    url: Option<&'a str>,
    kind: Option<&'a str>,
    feed: Option<&'a str>,
    bell: Option<&'a str>,
    checkpoint_age_seconds: Option<f64>,
    lag_seconds: Option<f64>,
    entries: u64,
    outbox_pending: u64,
    outbox_failed: u64,
    held: u64,
    /// Conditions that need a hand, as alerts tell them.
    alerts: u64,
    last_error: Option<&'a str>,
}

impl<'a> StatusLine<'a> {
    /// Of a store that the state file does not know yet; a daemon that runs will come to it.
    fn unknown(store: &'a str, daemon: bool) -> Self {
        Self {
            store,
            state: if daemon { "connecting" } else { "stopped" },
            daemon,
            url: None,
            kind: None,
            feed: None,
            bell: None,
            checkpoint_age_seconds: None,
            lag_seconds: None,
            entries: 0,
            outbox_pending: 0,
            outbox_failed: 0,
            held: 0,
            alerts: 0,
            last_error: None,
        }
    }

    fn of(row: &'a StatusRow, daemon: bool, now: Timestamp) -> Self {
        let age = |since: Timestamp| seconds(now.as_microsecond() - since.as_microsecond());
        let is_connected = matches!(row.state.as_str(), "baseline" | "live" | "comparing");
        Self {
            store: &row.store,
            state: &row.state,
            daemon,
            url: row.url.as_deref().filter(|_| is_connected),
            kind: row.kind.as_deref(),
            feed: row.feed.as_deref(),
            bell: row.bell.as_deref(),
            checkpoint_age_seconds: row.checkpoint_at.map(age),
            lag_seconds: row.lag_us.map(seconds),
            entries: row.entries,
            outbox_pending: row.outbox_pending,
            outbox_failed: row.outbox_failed,
            held: row.held,
            alerts: row.alerts,
            last_error: row.last_error.as_deref(),
        }
    }

    fn cells(&self) -> [String; 14] {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let duration = |seconds: Option<f64>| {
            let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            duration.map(roughly).unwrap_or_default()
        };
        [
            self.store.to_owned(),
            if self.daemon { "runs" } else { "no" }.to_owned(),
            self.state.to_owned(),
            text(self.url),
            text(self.kind),
            text(self.feed),
            text(self.bell),
            duration(self.checkpoint_age_seconds),
            duration(self.lag_seconds),
            self.entries.to_string(),
            self.outbox_pending.to_string(),
            self.outbox_failed.to_string(),
            self.held.to_string(),
            text(self.last_error),
        ]
    }
}

/// A clock that went back makes nothing negative.
#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
fn seconds(microseconds: i64) -> f64 {
    microseconds.max(0) as f64 / MICROSECONDS
}
