//! `outbox`: the queue of mails.

mod request;

pub use self::request::RequestError;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{
    CommandError, Exit, Format, Listing,
    events::timezone,
    output::{Output, remark},
    state_file::to_look_at,
    table::{Table, local_time},
};
use crate::{
    config::Config,
    db::{AttemptRow, MessageRow, Reader, WholeMessage, Wish},
    notify::render::visible,
};

/// Messages read at once.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum OutboxCommand {
    /// List the mails, newest last
    List(Listing),
    /// Print one mail as it was sent, and on standard error what became of it
    Show(ShowArguments),
    /// Send a mail now that was given up, put off or suppressed, with all its attempts before it
    Retry(RetryArguments),
    /// Take a mail out of the queue for good; what it tells is not told again
    Delete(DeleteArguments),
}

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// As `outbox list` shows it
    #[arg(value_parser = parse_id)]
    id: Uuid,
}

#[derive(Debug, Args)]
pub(super) struct RetryArguments {
    /// As `outbox list` shows it
    #[arg(value_parser = parse_id, required_unless_present = "all", conflicts_with_all = ["all", "store"])]
    id: Option<Uuid>,
    /// Every mail that was given up
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    listing: Listing,
}

#[derive(Debug, Args)]
pub(super) struct DeleteArguments {
    /// As `outbox list` shows it
    #[arg(value_parser = parse_id)]
    id: Uuid,
    /// One JSON object instead of a sentence
    #[arg(long)]
    json: bool,
}

fn parse_id(text: &str) -> Result<Uuid, &'static str> {
    text.parse().map_err(|_| {
        "a mail has an id such as 0192f0c1-7b3a-7c44-9f10-5d2b6c3e8a01; `dirherald outbox list` shows those there are"
    })
}

pub(super) async fn outbox(config: &Config, command: &OutboxCommand) -> Result<Exit, CommandError> {
    match command {
        OutboxCommand::List(listing) => list(config, listing),
        OutboxCommand::Show(arguments) => show(config, arguments.id),
        OutboxCommand::Retry(RetryArguments { id: Some(id), listing, .. }) => {
            request::request(config, *id, Wish::Retry, listing.format()).await
        }
        OutboxCommand::Retry(RetryArguments { id: None, listing, .. }) => {
            request::retry_failed(config, listing).await
        }
        OutboxCommand::Delete(DeleteArguments { id, json }) => {
            request::request(config, *id, Wish::Delete, Format::asked_for(*json)).await
        }
    }
}

/// The keys of the contract.
#[derive(Serialize)]
struct MessageLine<'a> {
    id: Uuid,
    store: &'a str,
    state: &'static str,
    to: &'a str,
    subject: &'a str,
    attempts: u32,
    next_attempt: Option<Timestamp>,
    last_answer: Option<&'a str>,
    events: &'a [Uuid],
}

impl<'a> MessageLine<'a> {
    fn of(row: &'a MessageRow) -> Self {
        Self {
            id: row.id,
            store: &row.store,
            state: row.state.as_str(),
            to: &row.to,
            subject: &row.subject,
            attempts: row.attempts,
            next_attempt: row.next_attempt,
            last_answer: row.last_answer.as_deref(),
            events: &row.events,
        }
    }
}

/// Page by page: a queue may be longer than what is to be kept in memory.
fn list(config: &Config, listing: &Listing) -> Result<Exit, CommandError> {
    let store = listing.choice.name(config)?;
    let mut printer = Printer::new(config, listing.format());
    if let Some(reader) = to_look_at(&config.state.path)? {
        let mut last = 0;
        loop {
            let rows = reader.messages_after(store, last, PAGE)?;
            let Some(row) = rows.last() else { break };
            last = row.seq;
            printer.print(&rows)?;
        }
    }
    printer.print(&[])?;
    printer.output.finish()?;
    Ok(Exit::Success)
}

/// Puts messages on standard output.
struct Printer<'a> {
    config: &'a Config,
    format: Format,
    table: Table<8>,
    output: Output,
}

impl<'a> Printer<'a> {
    fn new(config: &'a Config, format: Format) -> Self {
        let heading = ["ID", "STORE", "STATE", "TO", "SUBJECT", "ATTEMPTS", "NEXT ATTEMPT", "LAST ANSWER"];
        Self { config, format, table: Table::new(heading), output: Output::new() }
    }

    /// The first call puts the heading of a table above them.
    fn print(&mut self, rows: &[MessageRow]) -> Result<(), CommandError> {
        match self.format {
            Format::Json => rows.iter().try_for_each(|row| self.output.json(&MessageLine::of(row))),
            Format::Table => {
                for row in rows {
                    self.table.row(cells(row, self.config));
                }
                self.table.print(&mut self.output)
            }
        }
    }
}

fn cells(row: &MessageRow, config: &Config) -> [String; 8] {
    let next_attempt = row.next_attempt.map(|at| local_time(at, &timezone(config, &row.store)));
    [
        row.id.to_string(),
        row.store.clone(),
        row.state.as_str().to_owned(),
        row.to.clone(),
        row.subject.clone(),
        row.attempts.to_string(),
        next_attempt.unwrap_or_default(),
        row.last_answer.clone().unwrap_or_default(),
    ]
}

/// The mail alone goes to standard output, so that it can be kept as a file.
fn show(config: &Config, id: Uuid) -> Result<Exit, CommandError> {
    let reader = Reader::open(&config.state.path)?;
    let found = reader.map_or(Ok(None), |reader| reader.message(id))?;
    let WholeMessage { row, bytes, attempts } = found.ok_or(CommandError::NoSuchMessage { id })?;
    say_fate(&row, &attempts, config);
    let mut output = Output::new();
    output.bytes(&bytes)?;
    output.finish()?;
    Ok(Exit::Success)
}

fn say_fate(row: &MessageRow, attempts: &[AttemptRow], config: &Config) {
    let timezone = timezone(config, &row.store);
    remark(format_args!("{} to {}, store {}", row.state.as_str(), visible(&row.to), row.store));
    for AttemptRow { at, outcome, answer } in attempts {
        remark(format_args!("{}  {outcome}: {}", local_time(*at, &timezone), visible(answer)));
    }
    if let Some(next) = row.next_attempt {
        remark(format_args!("{}  next attempt", local_time(next, &timezone)));
    }
}
