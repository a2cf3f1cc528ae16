//! `events --follow`: what happens from now on.
//!
//! A thread looks into the state file ten times a second and prints. It is a thread of its own because it may
//! be stuck in printing, when a pager takes nothing more; a signal ends the command all the same.

use std::{
    convert::Infallible,
    future::pending,
    io::{self, stdout},
    os::fd::AsFd,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    io::Interest,
    net::unix::pipe::Sender,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::timeout,
};

use super::{
    super::{CommandError, Exit, Format, block_on},
    Printer, each_page,
};
use crate::{
    config::Config,
    db::{DbError, EventFilter, EventRow, Reader},
};

/// Between two looks. An event is to be seen within a quarter of a second.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What is printed of the past when nobody says since when.
const LAST: u32 = 10;
/// How long a line under way may take to get out when the command is to end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Prints events until SIGINT or SIGTERM, or until nobody reads them any more.
pub(super) fn follow(config: &Config, format: Format, filter: EventFilter<'_>) -> Result<Exit, CommandError> {
    let follower = Follower {
        config: config.clone(),
        format,
        since: filter.since,
        store: filter.store.map(str::to_owned),
    };
    block_on(until_stopped(follower))
}

async fn until_stopped(follower: Follower) -> Result<Exit, CommandError> {
    let listen = |kind| {
        signal(kind).map_err(|source| CommandError::System { operation: "listen for signals", source })
    };
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let (go_on, stop) = mpsc::channel();
    let (say_end, mut end) = oneshot::channel();
    thread::Builder::new()
        .name("events".to_owned())
        .spawn(move || say_end.send(follower.run(&stop)))
        .map_err(|source| CommandError::System { operation: "start a thread", source })?;
    tokio::select! {
        ended = &mut end => return outcome(ended),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = nobody_reads() => {}
    }
    drop(go_on);
    timeout(FAREWELL, end).await.map_or(Ok(Exit::Success), outcome)
}

fn outcome(ended: Result<Result<(), CommandError>, oneshot::error::RecvError>) -> Result<Exit, CommandError> {
    let lost =
        |error| Err(CommandError::System { operation: "follow the events", source: io::Error::other(error) });
    ended.unwrap_or_else(lost).map(|()| Exit::Success)
}

/// Ends when standard output is a pipe that nobody reads any more. Without it, `| head` would wait for one event
/// more than it wants.
async fn nobody_reads() {
    // Unchecked, because a checked one would no longer wait for room in the pipe; what is no pipe is no trouble.
    let watched = stdout().as_fd().try_clone_to_owned().and_then(Sender::from_owned_fd_unchecked);
    let Ok(output) = watched else { return pending().await };
    loop {
        match output.ready(Interest::ERROR).await {
            Ok(ready) if ready.is_error() => return,
            // It may wake up for nothing.
            Ok(_) => tokio::task::yield_now().await,
            Err(_) => return pending().await,
        }
    }
}

struct Follower {
    config: Config,
    format: Format,
    since: Option<Timestamp>,
    store: Option<String>,
}

impl Follower {
    /// Until the other end of `stop` is gone.
    fn run(self, stop: &Receiver<Infallible>) -> Result<(), CommandError> {
        let mut printer = Printer::new(&self.config, self.format);
        let mut seen = self.begin(&mut printer)?;
        while stop.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            seen = self.catch_up(seen, &mut printer)?;
        }
        Ok(())
    }

    /// For one look. Kept open, it would keep SQLite from putting its log away when the daemon ends, and whoever
    /// then replaced the state file by a backup would leave the log of another file beside it.
    fn open(&self) -> Result<Option<Reader>, DbError> {
        Reader::open(&self.config.state.path)
    }

    /// Prints what there is already as far as it is wanted. Answers with the number of the last event seen.
    fn begin(&self, printer: &mut Printer<'_>) -> Result<i64, CommandError> {
        let Some(reader) = self.open()? else {
            printer.print_at_once(&[])?;
            // Whatever comes to be is new.
            return Ok(0);
        };
        let newest = reader.newest_event()?;
        let filter = EventFilter { since: self.since, store: self.store.as_deref() };
        let mut seen = newest;
        let mut print = |rows: &[EventRow]| {
            seen = rows.last().map_or(seen, |row| row.seq.max(seen));
            printer.print_at_once(rows)
        };
        match self.since {
            Some(_) => each_page(&reader, filter, 0, print)?,
            None => print(&reader.last_events(filter, LAST)?)?,
        }
        printer.print_at_once(&[])?;
        Ok(seen)
    }

    /// Prints what came after the event with number `seen`, and answers with the number of the last one. The
    /// events of other stores are left out here and not by the query, so that they are passed over once.
    fn catch_up(&self, seen: i64, printer: &mut Printer<'_>) -> Result<i64, CommandError> {
        let Some(reader) = self.open()? else { return Ok(seen) };
        // A state file that was put back from a backup counts from an earlier event.
        let mut seen = seen.min(reader.newest_event()?);
        let filter = EventFilter { since: self.since, store: None };
        each_page(&reader, filter, seen, |rows| {
            seen = rows.last().map_or(seen, |row| row.seq);
            let wanted = |row: &&EventRow| self.store.as_ref().is_none_or(|store| *store == row.store);
            printer.print_at_once(&rows.iter().filter(wanted).cloned().collect::<Vec<_>>())
        })?;
        Ok(seen)
    }
}

impl Printer<'_> {
    /// Nothing is left in a buffer, and a line of JSON goes out as a whole.
    fn print_at_once(&mut self, rows: &[EventRow]) -> Result<(), CommandError> {
        match self.format {
            Format::Json => rows.chunks(1).try_for_each(|row| {
                self.print(row)?;
                self.output.flush()
            }),
            Format::Table => {
                self.print(rows)?;
                self.output.flush()
            }
        }
    }
}
