//! `explain`: who was told of an event and who was not, and why.

use std::time::Duration;

use clap::Args;

use super::{
    CommandError, Exit, Format,
    events::{concerns, named, timezone},
    explanation::print,
    output::Output,
    table::local_time,
};
use crate::{
    clock,
    config::Config,
    db::{EventRow, Explanation, IdPrefix, Pace, Reader, Rules},
    notify::render::visible,
};

/// Events listed where the id means several.
const CANDIDATES: usize = 10;

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The event's id as `events` shows it, or its first digits, six at least
    #[arg(value_name = "EVENT")]
    event: IdPrefix,
    /// One JSON object a line for each option
    #[arg(long)]
    json: bool,
}

/// What was decided about the event; for one that waits, what would be decided now.
pub(super) fn explain(config: &Config, arguments: &ExplainArguments) -> Result<Exit, CommandError> {
    let id = &arguments.event;
    let no_such = || CommandError::NoSuchEvent { id: id.clone() };
    let reader = Reader::open(&config.state.path)?.ok_or_else(no_such)?;
    let more_than_shown = u32::try_from(CANDIDATES).map_or(u32::MAX, |shown| shown + 1);
    let rows = reader.events_beginning_with(id, more_than_shown)?;
    let explanation = match rows.as_slice() {
        [] => return Err(no_such()),
        [row] => explanation_of(&reader, row, config)?,
        [..] => {
            let candidates = candidates(&rows, config);
            return Err(CommandError::SeveralEvents { id: id.clone(), candidates });
        }
    };
    let format = Format::asked_for(arguments.json);
    let mut output = Output::new();
    print(&mut output, &explanation, &timezone(config, &explanation.store), format)?;
    output.finish()?;
    Ok(Exit::Success)
}

fn explanation_of(reader: &Reader, row: &EventRow, config: &Config) -> Result<Explanation, CommandError> {
    let store = config.stores.values().find(|store| store.name.as_str() == row.store);
    let options = store.map(|store| &store.notify);
    let pace = Pace {
        window: options.map_or(Duration::ZERO, |options| options.digest_window),
        cap: options.map_or(u32::MAX, |options| options.max_messages_per_hour),
        now: clock::now(),
    };
    if let Some(decided) = reader.decided(row, pace)? {
        return Ok(decided);
    }
    let store = store.ok_or_else(|| CommandError::NothingDecided { store: row.store.clone() })?;
    Ok(reader.would_decide(row, Rules { schema: &store.schema, options: &store.notify })?)
}

fn candidates(rows: &[EventRow], config: &Config) -> String {
    let line = |row: &EventRow| {
        let event = &row.event;
        let at = local_time(event.time, &timezone(config, &row.store));
        let what = format!("{} {} {}", event.change.name(), named(&event.entry), concerns(&event.change));
        format!("\n  {}  {at}  {}", event.id, visible(&what))
    };
    let mut lines: String = rows.iter().take(CANDIDATES).map(line).collect();
    if rows.len() > CANDIDATES {
        lines.push_str("\n  and more");
    }
    lines
}
