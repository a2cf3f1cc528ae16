//! `events --follow`: what happens from now on.
//!
//! A thread looks into the state file ten times a second and prints. It is a thread of its own because it may
//! be stuck in printing, when a pager takes nothing more; a signal ends the command all the same.

use std::{
    convert::Infallible,
    fs,
    future::pending,
    io::{self, stdout},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::Path,
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
        printer.print_at_once(&[])?;
        let mut state = StateFile::default();
        let mut seen = match state.look(&self.config.state.path)? {
            Some(reader) => self.begin(reader, &mut printer)?,
            // Whatever comes to be is new.
            None => 0,
        };
        while stop.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            if let Some(reader) = state.look(&self.config.state.path)? {
                seen = self.catch_up(reader, seen, &mut printer)?;
            }
        }
        Ok(())
    }

    /// Prints what there is already as far as it is wanted. Answers with the number of the last event seen.
    fn begin(&self, reader: &Reader, printer: &mut Printer<'_>) -> Result<i64, CommandError> {
        let newest = reader.newest_event()?;
        let filter = EventFilter { since: self.since, store: self.store.as_deref() };
        let mut seen = newest;
        let mut print = |rows: &[EventRow]| {
            seen = rows.last().map_or(seen, |row| row.seq.max(seen));
            printer.print_at_once(rows)
        };
        match self.since {
            Some(_) => each_page(reader, filter, 0, print)?,
            None => print(&reader.last_events(filter, LAST)?)?,
        }
        Ok(seen)
    }

    /// Prints what came after the event with number `seen`, and answers with the number of the last one. The
    /// events of other stores are left out here and not by the query, so that they are passed over once.
    fn catch_up(&self, reader: &Reader, seen: i64, printer: &mut Printer<'_>) -> Result<i64, CommandError> {
        // A state file that was put back from a backup counts from an earlier event.
        let mut seen = seen.min(reader.newest_event()?);
        let filter = EventFilter { since: self.since, store: None };
        each_page(reader, filter, seen, |rows| {
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

/// The state file as long as it is the same one. Between two looks no transaction is open, so the daemon's
/// write-ahead log can be tidied up.
#[derive(Default)]
struct StateFile(Option<(FileId, Reader)>);

/// Device and inode.
type FileId = (u64, u64);

impl StateFile {
    /// `None`: there is none yet, or nothing is in it.
    fn look(&mut self, path: &Path) -> Result<Option<&Reader>, DbError> {
        let found = fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if found.is_none() || self.0.as_ref().map(|(id, _)| *id) != found {
            let reader = Reader::open(path)?;
            self.0 = found.zip(reader);
        }
        Ok(self.0.as_ref().map(|(_, reader)| reader))
    }
}
