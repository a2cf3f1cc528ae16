//! `held`: what the bulk guard holds back.

mod request;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

pub use self::request::HoldRequestError;
use super::{
    CommandError, Exit, Format, Listing, StoreChoice,
    events::{Printer, named, timezone},
    output::Output,
    state_file::to_look_at,
    table::{Table, local_time},
};
use crate::{
    change::guard::{HoldCause, HoldFacts},
    config::Config,
    db::{HoldRow, HoldWish, IdPrefix, Reader},
    directory::entry::EntryRef,
    notify::render::visible,
};

/// Events read at a time.
const PAGE: u32 = 1000;

/// Holds listed where the id means several.
const CANDIDATES: usize = 10;

#[derive(Debug, Subcommand)]
pub(super) enum HeldCommand {
    /// List what is held: mass changes that nobody is told of before somebody has looked
    List(Listing),
    /// Say what was counted against which limit, and show the events; with --json the hold, then each event
    Show(OneArguments),
    /// Tell after all whom it concerns, at today's addresses
    Release(RequestArguments),
    /// Tell nobody
    Discard(RequestArguments),
}

#[derive(Debug, Args)]
pub(super) struct OneArguments {
    /// As `held list` shows it, or its first digits, six at least
    id: String,
    #[command(flatten)]
    listing: Listing,
}

#[derive(Debug, Args)]
pub(super) struct RequestArguments {
    /// As `held list` shows it, or its first digits, six at least
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    id: Option<String>,
    /// Everything that is held now
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    listing: Listing,
}

pub(super) async fn held(config: &Config, command: &HeldCommand) -> Result<Exit, CommandError> {
    match command {
        HeldCommand::List(listing) => list(config, listing),
        HeldCommand::Show(one) => show(config, one),
        HeldCommand::Release(arguments) => request::request(config, arguments, HoldWish::Release).await,
        HeldCommand::Discard(arguments) => request::request(config, arguments, HoldWish::Discard).await,
    }
}

/// A hold with `--json`.
#[derive(Serialize)]
struct HeldLine<'a> {
    id: Uuid,
    store: &'a str,
    since: Timestamp,
    cause: &'static str,
    /// The one group whose events are held.
    group: Option<&'a EntryRef>,
    /// In it now.
    events: u64,
    /// What was counted, and against which limit.
    counted: &'a HoldFacts,
    /// What somebody wants done with it.
    wish: Option<&'static str>,
    /// When that was done.
    ended: Option<Timestamp>,
}

impl<'a> HeldLine<'a> {
    fn of(row: &'a HoldRow) -> Self {
        Self {
            id: row.id,
            store: &row.store,
            since: row.since,
            cause: row.facts.cause().as_str(),
            group: row.facts.group(),
            events: row.events,
            counted: &row.facts,
            wish: row.wish.map(HoldWish::as_str),
            ended: row.ended,
        }
    }
}

fn list(config: &Config, listing: &Listing) -> Result<Exit, CommandError> {
    let store = listing.choice.name(config)?;
    let rows =
        to_look_at(&config.state.path)?.map_or_else(|| Ok(Vec::new()), |reader| reader.holds(store))?;
    let mut output = Output::new();
    match listing.format() {
        Format::Json => rows.iter().try_for_each(|row| output.json(&HeldLine::of(row)))?,
        Format::Table => {
            let mut table = Table::new(["ID", "STORE", "SINCE", "EVENTS", "GROUP", "WHY", "ASKED FOR"]);
            for row in &rows {
                table.row(cells(row, config));
            }
            table.print(&mut output)?;
        }
    }
    output.finish()?;
    Ok(Exit::Success)
}

fn cells(row: &HoldRow, config: &Config) -> [String; 7] {
    [
        row.id.to_string(),
        row.store.clone(),
        local_time(row.since, &timezone(config, &row.store)),
        row.events.to_string(),
        row.facts.group().map(named).unwrap_or_default(),
        why(&row.facts).to_owned(),
        row.wish.map(HoldWish::as_str).unwrap_or_default().to_owned(),
    ]
}

fn why(facts: &HoldFacts) -> &'static str {
    match facts.cause() {
        HoldCause::MaxEvents => "too many changes",
        HoldCause::Membership => "too many members came or went",
        HoldCause::BackInTime => "the directory went back in time",
    }
}

fn show(config: &Config, arguments: &OneArguments) -> Result<Exit, CommandError> {
    let Found { reader, row } = find(config, &arguments.listing.choice, &arguments.id)?;
    let mut printer = Printer::new(config, arguments.listing.format());
    match arguments.listing.format() {
        Format::Json => printer.output().json(&HeldLine::of(&row))?,
        Format::Table => head(&row, config).into_iter().try_for_each(|line| printer.output().line(line))?,
    }
    let mut last = 0;
    loop {
        let rows = reader.held_events_after(row.id, last, PAGE)?;
        printer.print(&rows)?;
        let Some(newest) = rows.last() else { break };
        last = newest.seq;
    }
    printer.finish()?;
    Ok(Exit::Success)
}

/// What is said above the events.
fn head(row: &HoldRow, config: &Config) -> Vec<String> {
    let at = |time| local_time(time, &timezone(config, &row.store));
    let mut lines = vec![format!("held: {}", why(&row.facts))];
    lines.push(field("hold", &row.id.to_string()));
    lines.push(field("store", &row.store));
    lines.push(field("since", &at(row.since)));
    if let Some(group) = row.facts.group() {
        lines.push(field("group", &format!("{}, {}", named(group), group.dn)));
    }
    lines.push(field("counted", &row.facts.sentence()));
    lines.push(field("events", &row.events.to_string()));
    match (row.wish, row.ended) {
        (Some(wish), Some(ended)) => lines.push(field(done(wish), &at(ended))),
        (Some(wish), None) => lines.push(field("asked for", wish.as_str())),
        (None, _) => lines.push(field(
            "to do",
            &format!(
                "`dirherald held release {0}` tells them, `dirherald held discard {0}` tells nobody",
                row.id
            ),
        )),
    }
    lines.push(String::new());
    lines
}

fn field(name: &str, value: &str) -> String {
    format!("  {name:<9} {}", visible(value))
}

/// What has become of what was held.
fn done(wish: HoldWish) -> &'static str {
    match wish {
        HoldWish::Release => "released",
        HoldWish::Discard => "discarded",
    }
}

struct Found {
    reader: Reader,
    row: HoldRow,
}

/// The hold whose id begins so; one that has ended, too.
fn find(config: &Config, choice: &StoreChoice, id: &str) -> Result<Found, CommandError> {
    let store = choice.name(config)?;
    let missing = || CommandError::NothingHeld { id: visible(id) };
    let reader = Reader::open(&config.state.path)?.ok_or_else(missing)?;
    let prefix: IdPrefix = id.parse().map_err(|_| missing())?;
    let more_than_shown = u32::try_from(CANDIDATES).map_or(u32::MAX, |shown| shown + 1);
    let mut rows = reader.holds_beginning_with(&prefix, store, more_than_shown)?;
    match (rows.pop(), rows.is_empty()) {
        (None, _) => Err(missing()),
        (Some(row), true) => Ok(Found { reader, row }),
        (Some(last), false) => {
            rows.push(last);
            let shown = rows.iter().take(CANDIDATES);
            let line = |row: &HoldRow| format!("\n  {}  {}  {}", row.id, row.store, why(&row.facts));
            Err(CommandError::SeveralHolds { id: prefix, candidates: shown.map(line).collect() })
        }
    }
}
