//! A comparison that counts: carried out by the daemon that runs, or without one by the command itself.

use std::{path::Path, sync::Arc, time::Duration};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{CompareError, require_view};
use crate::{
    change::purpose::Purpose,
    clock,
    commands::{
        CommandError, Format,
        output::Output,
        patience::Patience,
        run::{directory, view},
    },
    config::{Complete, Config, StoreSettings},
    db::{
        Access, Asked, Candidate, ComparisonLook, ComparisonNo, ComparisonOutcome, Comparisons, Db, DbError,
        Reader, RunLock, StoreContext, StoreState,
    },
    pipeline::{self, NotCompared},
};

/// So long a daemon that does not compare has while something is wrong with the directory, and while nothing is.
const IN_TROUBLE: Duration = Duration::from_secs(10);
const OTHERWISE: Duration = Duration::from_secs(30);

/// What is to be compared, and why.
pub(in crate::commands) struct Wish<'a> {
    pub(in crate::commands) store: &'a StoreSettings,
    pub(in crate::commands) purpose: Purpose,
    /// Only this one.
    pub(in crate::commands) group: Option<Candidate>,
}

/// What came of it.
pub(in crate::commands) struct Carried {
    /// May be another than was wished.
    purpose: Purpose,
    events: u64,
    held: u64,
}

/// Carries the wish out and waits for its end. `complete` reads the secrets too, where no daemon runs.
pub(in crate::commands) async fn carry_out(
    config: &Config,
    complete: impl Fn() -> Result<Complete, CommandError>,
    wish: &Wish<'_>,
) -> Result<Carried, CommandError> {
    let path = &config.state.path;
    match Comparisons::open(path)? {
        Access::NoState => Err(DbError::NoBaseline { store: wish.store.name.to_string() }.into()),
        Access::BesideDaemon(comparisons) => beside(path, comparisons, wish).await,
        Access::Alone(lock) => {
            let complete = complete()?;
            let store = complete.stores.get(&wish.store.name).expect("both come from one file");
            alone(path, &lock, &Wish { store, purpose: wish.purpose, group: wish.group.clone() }).await
        }
    }
}

async fn beside(path: &Path, mut comparisons: Comparisons, wish: &Wish<'_>) -> Result<Carried, CommandError> {
    let store = wish.store.name.as_str();
    let group = wish.group.as_ref().map(|group| group.id);
    let no = taken(comparisons.ask(store, wish.purpose, group, clock::now())?, store)?;
    let mut patience = Patience::default();
    loop {
        let look = comparisons.look(no)?;
        if let Some(outcome) = &look.outcome {
            return carried(store, &look, outcome);
        }
        if !RunLock::is_held(path) {
            return Err(CompareError::DaemonGone.into());
        }
        if look.state == StoreState::Comparing.as_str() {
            patience.renew();
        }
        if !patience.lasts(if look.trouble.is_some() { IN_TROUBLE } else { OTHERWISE }).await {
            let trouble = look.trouble.unwrap_or_else(|| format!("the store is {}", look.state));
            return Err(CompareError::NotYet { trouble }.into());
        }
    }
}

fn taken(asked: Asked, store: &str) -> Result<ComparisonNo, CommandError> {
    match asked {
        Asked::New(no) | Asked::Joined(no) => Ok(no),
        Asked::Another(purpose) => Err(CompareError::UnderWay { store: store.to_owned(), purpose }.into()),
    }
}

fn carried(store: &str, look: &ComparisonLook, outcome: &ComparisonOutcome) -> Result<Carried, CommandError> {
    match outcome {
        ComparisonOutcome::Compared { events, held } => {
            Ok(Carried { purpose: look.purpose, events: *events, held: *held })
        }
        ComparisonOutcome::Refused(problem) => {
            Err(CompareError::Refused { store: store.to_owned(), problem: problem.clone() }.into())
        }
    }
}

/// Mirror, events and checkpoint are stored; whoever is told of them is told by the next daemon.
async fn alone(path: &Path, _lock: &RunLock, wish: &Wish<'_>) -> Result<Carried, CommandError> {
    let store = wish.store.name.as_str();
    check_view(path, wish.store)?;
    let db = Db::open(path)?;
    let facts = db.begin_store(wish.store.name.clone(), view(wish.store), clock::now()).await?;
    let group = wish.group.as_ref().map(|group| group.id);
    let no = taken(db.ask_for_comparison(store.to_owned(), wish.purpose, group, clock::now()).await?, store)?;
    let directory = directory(db.clone(), facts.no, wish.store);
    let context = Arc::clone(&directory.context);
    let mut before = None;
    let done = if let Some(group) = &wish.group {
        pipeline::accept_once(directory, no, group.id, &group.entry.dn).await
    } else {
        before = db.begin_comparison(Arc::clone(&context), wish.purpose, clock::now()).await?.before;
        pipeline::compare_once(directory, &CancellationToken::new()).await
    };
    db.set_state(facts.no, StoreState::Stopped).await?;
    if let Err(source) = done {
        if before != Some(Purpose::Accept) {
            withdraw(&db, no, wish, &context, &source).await?;
        }
        return Err(CompareError::NotCompared { store: store.to_owned(), source }.into());
    }
    let look = db.look_at_comparison(no).await?;
    match &look.outcome {
        Some(outcome) => carried(store, &look, outcome),
        None => {
            Err(CompareError::NotCompared { store: store.to_owned(), source: NotCompared::Stopped }.into())
        }
    }
}

/// What was begun to be accepted, by this command or by one that was killed, is gone on with by the next daemon, or it
/// would tell what was found so far.
async fn withdraw(
    db: &Db,
    no: ComparisonNo,
    wish: &Wish<'_>,
    context: &StoreContext,
    why: &NotCompared,
) -> Result<(), CommandError> {
    if wish.purpose == Purpose::Accept && wish.group.is_none() && context.has_begun_to_read() {
        return Ok(());
    }
    Ok(db.refuse_comparison(no, why.to_string(), clock::now()).await?)
}

fn check_view(path: &Path, store: &StoreSettings) -> Result<(), CommandError> {
    let unknown = || DbError::NoBaseline { store: store.name.to_string() };
    // A file of an earlier version is brought up to date first.
    drop(Db::open(path)?);
    let reader = Reader::open(path)?.ok_or_else(unknown)?;
    require_view(&reader, store)
}

#[derive(Serialize)]
struct Line<'a> {
    store: &'a str,
    purpose: &'static str,
    events: u64,
    held: u64,
}

/// Says what came of it; `remark` goes below the sentence.
pub(in crate::commands) fn say(
    store: &StoreSettings,
    carried: &Carried,
    format: Format,
    remark: Option<String>,
) -> Result<(), CommandError> {
    let Carried { purpose, events, held } = *carried;
    let name = store.name.as_str();
    let mut output = Output::new();
    match format {
        Format::Json => output.json(&Line { store: name, purpose: purpose.as_str(), events, held })?,
        Format::Table => {
            output.line(format_args!("{name}: {}", sentence(carried)))?;
            remark.into_iter().try_for_each(|remark| output.line(format_args!("{name}: {remark}")))?;
        }
    }
    output.finish()
}

fn sentence(carried: &Carried) -> String {
    let Carried { purpose, events, held } = *carried;
    match (purpose, events) {
        (_, 0) => "nothing differs from what was known.".to_owned(),
        (Purpose::Accept, _) => {
            format!("{} accepted; nobody is told.", counted(events, "difference was", "differences were"))
        }
        (Purpose::Tell, _) if held == 0 => format!("{} made.", counted(events, "event was", "events were")),
        (Purpose::Tell | Purpose::BackInTime, _) => format!(
            "{} made, of which {held} are held: `dirherald held list` shows why.",
            counted(events, "event was", "events were")
        ),
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
