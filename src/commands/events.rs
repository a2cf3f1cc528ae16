//! `events`: what happened.

mod follow;

use std::time::Duration;

use clap::Args;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use super::{
    CommandError, Exit, Format, Listing,
    output::Output,
    state_file::to_look_at,
    table::{Table, local_time},
};
use crate::{
    change::event::{Actor, AttributeChange, Change, ChangeSetId, Direction, EventId},
    clock,
    config::{Config, parse_duration},
    db::{EventFilter, EventRow, Reader},
    directory::{
        dn::Dn,
        entry::{EntryRef, Rank},
    },
};

/// Events read at a time.
const PAGE: u32 = 1000;

#[derive(Debug, Args)]
pub(super) struct EventsArguments {
    /// Only those seen since then: a duration before now (2h, 30d) or a time (2026-07-27T14:00:00+02:00)
    #[arg(long, value_name = "WHEN", value_parser = parse_since)]
    since: Option<Since>,
    /// Stay, and print each new event as it comes, until Ctrl-C. Begins with the last ten, or with --since
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    listing: Listing,
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Ago(Duration),
    At(Timestamp),
}

fn parse_since(text: &str) -> Result<Since, &'static str> {
    parse_duration(text)
        .map(Since::Ago)
        .or_else(|| text.parse().ok().map(Since::At))
        .ok_or("write a duration such as 2h or 30d, or a time such as 2026-07-27T14:00:00Z")
}

impl Since {
    fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(duration) => now - duration,
            Self::At(instant) => instant,
        }
    }
}

/// Prints the events, oldest first; with `--follow` also those to come.
pub(super) fn events(config: &Config, arguments: &EventsArguments) -> Result<Exit, CommandError> {
    let filter = EventFilter {
        since: arguments.since.map(|since| since.instant(clock::now())),
        store: arguments.listing.choice.name(config)?,
    };
    let format = arguments.listing.format();
    if arguments.follow { follow::follow(config, format, filter) } else { list(config, format, filter) }
}

fn list(config: &Config, format: Format, filter: EventFilter<'_>) -> Result<Exit, CommandError> {
    let mut printer = Printer::new(config, format);
    if let Some(reader) = to_look_at(&config.state.path)? {
        each_page(&reader, filter, 0, |rows| printer.print(rows))?;
    }
    printer.print(&[])?;
    printer.finish()?;
    Ok(Exit::Success)
}

/// Hands on the events after the one with number `seq`, page by page.
fn each_page(
    reader: &Reader,
    filter: EventFilter<'_>,
    mut seq: i64,
    mut take: impl FnMut(&[EventRow]) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    loop {
        let rows = reader.events_after(filter, seq, PAGE)?;
        let Some(last) = rows.last() else { return Ok(()) };
        seq = last.seq;
        take(&rows)?;
    }
}

/// Puts events on standard output.
pub(super) struct Printer<'a> {
    config: &'a Config,
    format: Format,
    table: Table<8>,
    output: Output,
}

impl<'a> Printer<'a> {
    pub(super) fn new(config: &'a Config, format: Format) -> Self {
        let table = Table::new(["ID", "TIME", "STORE", "CHANGE", "ENTRY", "CONCERNS", "BY", "CAUSE"]);
        Self { config, format, table, output: Output::new() }
    }

    /// The first call puts the heading of a table above them.
    pub(super) fn print(&mut self, rows: &[EventRow]) -> Result<(), CommandError> {
        match self.format {
            Format::Json => rows.iter().try_for_each(|row| self.output.json(&EventLine::of(row))),
            Format::Table => {
                for row in rows {
                    self.table.row(cells(row, self.config));
                }
                self.table.print(&mut self.output)
            }
        }
    }

    /// For what stands between events.
    pub(super) fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// What was printed so far is seen.
    pub(super) fn finish(self) -> Result<(), CommandError> {
        self.output.finish()
    }
}

/// The keys of the contract, in its order, whether it is held, then what only some changes have.
#[derive(Serialize)]
struct EventLine<'a> {
    id: EventId,
    change_set: ChangeSetId,
    time: Timestamp,
    store: &'a str,
    change: &'static str,
    entry: &'a EntryRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a EntryRef>,
    actor: Option<&'a EntryRef>,
    cause: &'static str,
    held: bool,
    #[serde(flatten)]
    details: Details<'a>,
}

/// Facts that only some changes have.
#[derive(Default, Serialize)]
struct Details<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a [AttributeChange]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_dn: Option<&'a Dn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<Rank>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_member_count: Option<u64>,
}

impl<'a> EventLine<'a> {
    fn of(row: &'a EventRow) -> Self {
        let event = &row.event;
        Self {
            id: event.id,
            change_set: event.change_set,
            time: event.time,
            store: &row.store,
            change: event.change.name(),
            entry: &event.entry,
            subject: event.change.subject(),
            actor: known(&event.actor),
            cause: event.cause.as_str(),
            held: row.is_held,
            details: Details::of(&event.change),
        }
    }
}

impl<'a> Details<'a> {
    fn of(change: &'a Change) -> Self {
        match change {
            Change::MemberAdded { .. }
            | Change::MemberRemoved { .. }
            | Change::ObjectCreated
            | Change::ScopeEntered
            | Change::ScopeLeft => Self::default(),
            Change::OwnerAdded { rank, .. } | Change::OwnerRemoved { rank, .. } => {
                Self { rank: Some(*rank), ..Self::default() }
            }
            Change::ManagerChanged { direction, rank, .. } => {
                Self { direction: Some(*direction), rank: Some(*rank), ..Self::default() }
            }
            Change::ObjectDeleted { last_member_count, .. } => {
                Self { last_member_count: Some(*last_member_count), ..Self::default() }
            }
            Change::ObjectRenamed { old_dn } => Self { old_dn: Some(old_dn), ..Self::default() },
            Change::AttributesChanged { attributes } => {
                Self { attributes: Some(attributes), ..Self::default() }
            }
        }
    }
}

pub(super) fn known(actor: &Actor) -> Option<&EntryRef> {
    match actor {
        Actor::Known(entry) => Some(entry),
        Actor::Unknown => None,
    }
}

fn cells(row: &EventRow, config: &Config) -> [String; 8] {
    let event = &row.event;
    [
        event.id.to_string(),
        local_time(event.time, &timezone(config, &row.store)),
        row.store.clone(),
        event.change.name().to_owned(),
        named(&event.entry),
        concerns(&event.change),
        known(&event.actor).map(named).unwrap_or_default(),
        cause(row),
    ]
}

/// With a mark where nobody is told before an operator says so.
fn cause(row: &EventRow) -> String {
    let cause = row.event.cause.as_str();
    if row.is_held { format!("{cause}, held") } else { cause.to_owned() }
}

/// UTC for a store that is no longer configured.
pub(super) fn timezone(config: &Config, store: &str) -> TimeZone {
    let settings = config.stores.iter().find(|(name, _)| name.as_str() == store);
    settings.map_or(TimeZone::UTC, |(_, settings)| settings.timezone.clone())
}

pub(super) fn named(entry: &EntryRef) -> String {
    if entry.name.is_empty() { entry.dn.as_str().to_owned() } else { entry.name.clone() }
}

/// Who or what of the entry the change is about, in few words.
pub(super) fn concerns(change: &Change) -> String {
    match change {
        Change::MemberAdded { member } | Change::MemberRemoved { member } => named(member),
        Change::OwnerAdded { owner, rank } | Change::OwnerRemoved { owner, rank } => match rank {
            Rank::Primary => named(owner),
            Rank::Additional => format!("{} (additional)", named(owner)),
        },
        Change::ManagerChanged { manager, direction, .. } => match direction {
            Direction::Added => format!("{} (added)", named(manager)),
            Direction::Removed => format!("{} (removed)", named(manager)),
        },
        Change::ObjectCreated
        | Change::ScopeEntered
        | Change::ScopeLeft
        | Change::ObjectDeleted { last_member_count: 0, .. } => String::new(),
        Change::ObjectDeleted { last_member_count: 1, .. } => "1 member".to_owned(),
        Change::ObjectDeleted { last_member_count, .. } => format!("{last_member_count} members"),
        Change::ObjectRenamed { old_dn } => format!("was {old_dn}"),
        Change::AttributesChanged { attributes } => {
            attributes.iter().map(|attribute| attribute.name.to_string()).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_duration_or_an_instant() {
        let now: Timestamp = "2026-07-27T12:00:00Z".parse().unwrap();
        let check = |text, expected: Option<&str>| {
            let found = parse_since(text).ok().map(|since| since.instant(now).to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("2h", Some("2026-07-27T10:00:00Z"));
        check("1d", Some("2026-07-26T12:00:00Z"));
        check("36500d", Some("1926-08-21T12:00:00Z"));
        check("2026-07-27T14:00:00+02:00", Some("2026-07-27T12:00:00Z"));
        check("2026-07-27T14:00:00.5Z", Some("2026-07-27T14:00:00.5Z"));
        check("yesterday", None);
        check("2026-07-27T14:00:00", None);
        check("-2h", None);
        check("", None);
    }
}
