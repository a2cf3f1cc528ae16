//! `compare` without `--apply`: everything is done on a copy of the state, which is then thrown away.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{CompareError, meanwhile::Compared, require_view};
use crate::{
    change::purpose::Purpose,
    clock,
    commands::{
        CommandError, Exit, Format, Listing,
        events::Printer,
        output::{Output, remark},
        run::{directory, view},
    },
    config::{Complete, StoreSettings},
    db::{Db, DbError, EventFilter, EventRow, Reader, StateCopy, StoreNo},
    directory::checkpoint::Checkpoint,
    pipeline::{self, NotCompared},
};

/// An interrupted reading ends within that.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a comparison would come to.
struct Differences {
    rows: Vec<EventRow>,
    /// What the running daemon tells by itself.
    left_out: usize,
    age: Age,
}

/// The directory's, compared with what is known of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Same,
    Older,
}

/// Prints the events that would be made in each store chosen.
pub(super) async fn compare(config: &Complete, listing: &Listing) -> Result<Exit, CommandError> {
    let mut exit = Exit::Success;
    let mut printer = Printer::new(config, listing.format());
    for store in listing.choice.of(config)? {
        let cancel = CancellationToken::new();
        let differences = interruptible(&cancel, find(&config.state.path, store, &cancel)).await?;
        if !differences.rows.is_empty() {
            printer.print(&differences.rows)?;
            exit = Exit::Found;
        }
        conclude(printer.output(), store, &differences, listing.format())?;
    }
    printer.finish()?;
    Ok(exit)
}

/// The copy is removed in good order when somebody does not want to wait any longer.
async fn interruptible<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let listen = |kind| {
        signal(kind).map_err(|source| CommandError::System { operation: "listen for signals", source })
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut work = Box::pin(work);
    tokio::select! {
        done = &mut work => return done,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    cancel.cancel();
    // Whatever it comes to by now.
    let _ = tokio::time::timeout(FAREWELL, work).await;
    Err(CompareError::Interrupted.into())
}

async fn find(
    state: &Path,
    store: &StoreSettings,
    cancel: &CancellationToken,
) -> Result<Differences, CommandError> {
    let name = store.name.as_str();
    let copy = StateCopy::of(state)?.ok_or_else(|| DbError::NoBaseline { store: name.to_owned() })?;
    let (seen, newest) = before(&copy, store)?;
    let db = Db::open(&copy.path())?;
    let no = db.begin_store(store.name.clone(), view(store), clock::now()).await?.no;
    let age = read_all(&db, no, store, cancel)
        .await
        .map_err(|source| CompareError::NotCompared { store: name.to_owned(), source })?;
    let reader = opened(&copy, name)?;
    let filter = EventFilter { since: None, store: Some(name) };
    let all = reader.events_after(filter, newest, u32::MAX)?;
    let count = all.len();
    let rows = if copy.daemon_runs() {
        Compared { store: name, state, copy: &reader, seen, newest }.without_what_is_told(all).await?
    } else {
        all
    };
    Ok(Differences { left_out: count - rows.len(), rows, age })
}

/// How the copied state stands before anything is read.
fn before(copy: &StateCopy, store: &StoreSettings) -> Result<(Option<Checkpoint>, i64), CommandError> {
    let name = store.name.as_str();
    let reader = opened(copy, name)?;
    require_view(&reader, store)?;
    Ok((reader.checkpoint(name)?, reader.newest_event()?))
}

fn opened(copy: &StateCopy, store: &str) -> Result<Reader, DbError> {
    Reader::open(&copy.path())?.ok_or_else(|| DbError::NoBaseline { store: store.to_owned() })
}

/// As the daemon does it. A directory that is older than what is known is compared too: nobody is told.
async fn read_all(
    db: &Db,
    no: StoreNo,
    store: &StoreSettings,
    cancel: &CancellationToken,
) -> Result<Age, NotCompared> {
    match read_for(Purpose::Tell, db, no, store, cancel).await {
        Ok(()) => Ok(Age::Same),
        Err(NotCompared::Behind(_)) => {
            read_for(Purpose::BackInTime, db, no, store, cancel).await.map(|()| Age::Older)
        }
        Err(error @ (NotCompared::Db(_) | NotCompared::Directory(_) | NotCompared::Stopped)) => Err(error),
    }
}

async fn read_for(
    purpose: Purpose,
    db: &Db,
    no: StoreNo,
    store: &StoreSettings,
    cancel: &CancellationToken,
) -> Result<(), NotCompared> {
    let directory = directory(db.clone(), no, store);
    let context = Arc::clone(&directory.context);
    db.begin_comparison(context, purpose, clock::now()).await.map_err(NotCompared::Db)?;
    pipeline::compare_once(directory, cancel).await
}

/// Beside JSON it is a remark.
fn conclude(
    output: &mut Output,
    store: &StoreSettings,
    differences: &Differences,
    format: Format,
) -> Result<(), CommandError> {
    let (name, count) = (&store.name, differences.rows.len());
    let mut lines = Vec::new();
    if differences.age == Age::Older {
        lines.push(format!(
            "{name}: the directory is older than what dirherald has already seen of it, as after restoring a backup: \
             a running daemon holds all of this."
        ));
    }
    if differences.left_out > 0 {
        lines.push(format!(
            "{name}: {} changes made meanwhile are left out: the running daemon tells them itself.",
            differences.left_out
        ));
    }
    lines.push(match count {
        0 => format!("{name}: nothing differs from what is known."),
        1 => format!("{name}: 1 difference. {NOTHING_CHANGED}"),
        _ => format!("{name}: {count} differences. {NOTHING_CHANGED}"),
    });
    match format {
        Format::Table => lines.into_iter().try_for_each(|line| output.line(line)),
        Format::Json => {
            lines.into_iter().for_each(remark);
            Ok(())
        }
    }
}

const NOTHING_CHANGED: &str = "Nothing was changed: `dirherald compare --apply` makes events of them, `dirherald \
                               accept` takes them as known and tells nobody.";
