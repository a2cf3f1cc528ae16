//! `outbox retry` and `outbox delete`: asked of the daemon, or carried out at once where none runs.

use serde::Serialize;
use uuid::Uuid;

use crate::{
    clock,
    commands::{
        CommandError, Exit, Format, Listing,
        output::Output,
        patience::{FOR_A_REQUEST, Patience},
    },
    config::Config,
    db::{DbError, MessageRow, Reader, RequestOutcome, Requests, Wish},
    notify::render::visible,
    outbox::state::DeliveryState,
};

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A mail server took it; sending it again would tell the reader twice.
    #[error(
        "the mail {id} was delivered already: what the mail server has taken is neither sent again nor called back"
    )]
    Delivered {
        /// Of the message.
        id: Uuid,
    },
    /// The daemon is busy with this message, or does not know its store any more.
    #[error(
        "dirherald has not come to it within {seconds} s: an attempt may be under way, or the configuration of the \
         running dirherald may lack the store; the request is kept and carried out then",
        seconds = FOR_A_REQUEST.as_secs()
    )]
    NotYet,
}

/// What became of a retried mail while we waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// There is nobody to make one.
    NoDaemon,
    /// Others are before it, or it is under way.
    NotYet,
    /// Or ruled out.
    Made,
}

/// What is printed with `--json`, one for each mail.
#[derive(Serialize)]
struct Line<'a> {
    id: Uuid,
    request: &'static str,
    /// That of `outbox list`; null for a mail that was deleted.
    state: Option<&'static str>,
    last_answer: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(id: Uuid, wish: Wish, row: Option<&'a MessageRow>) -> Self {
        Self {
            id,
            request: wish.as_str(),
            state: row.map(|row| row.state.as_str()),
            last_answer: row.and_then(|row| row.last_answer.as_deref()),
        }
    }
}

/// Asks, waits a few seconds for what comes of it, and says so.
pub(super) async fn request(
    config: &Config,
    id: Uuid,
    wish: Wish,
    format: Format,
) -> Result<Exit, CommandError> {
    let missing = || CommandError::NoSuchMessage { id };
    let mut requests = Requests::open(&config.state.path)?.ok_or_else(missing)?;
    let request = requests.ask(id, wish, clock::now())?.ok_or_else(missing)?;
    match wait(&mut Patience::default(), || requests.outcome(request)).await? {
        None => return Err(RequestError::NotYet.into()),
        Some(RequestOutcome::Delivered) => return Err(RequestError::Delivered { id }.into()),
        Some(RequestOutcome::Gone) => return Err(missing()),
        Some(RequestOutcome::Done) => {}
    }
    let attempt = match wish {
        Wish::Delete => Attempt::NotYet,
        Wish::Retry => attempt(&requests, id, &mut Patience::default()).await?,
    };
    // With it goes the lock, where no daemon had it.
    drop(requests);
    let row = row(config, id)?;
    let mut output = Output::new();
    match format {
        Format::Json => output.json(&Line::of(id, wish, row.as_ref()))?,
        Format::Table => output.line(sentence(row.as_ref(), attempt))?,
    }
    output.finish()?;
    Ok(exit(row.as_ref()))
}

/// The same for every mail that was given up. One that somebody else had delivered or deleted meanwhile is as good as
/// retried.
pub(super) async fn retry_failed(config: &Config, listing: &Listing) -> Result<Exit, CommandError> {
    let (path, format) = (&config.state.path, listing.format());
    let store = listing.choice.name(config)?;
    let failed = match Reader::open(path)? {
        Some(reader) => reader.failed_messages(store)?,
        None => Vec::new(),
    };
    let mut output = Output::new();
    let mut worst = Exit::Success;
    if failed.is_empty() && format == Format::Table {
        output.line("no mail was given up")?;
    }
    if let Some(mut requests) = Requests::open(path)?.filter(|_| !failed.is_empty()) {
        let (mut to_come, mut to_try) = (Patience::default(), Patience::default());
        for (id, request) in requests.ask_for_each(&failed, Wish::Retry, clock::now())? {
            wait(&mut to_come, || requests.outcome(request)).await?.ok_or(RequestError::NotYet)?;
            let attempt = attempt(&requests, id, &mut to_try).await?;
            let row = row(config, id)?;
            match format {
                Format::Json => output.json(&Line::of(id, Wish::Retry, row.as_ref()))?,
                Format::Table => output.line(format_args!("{id}: {}", sentence(row.as_ref(), attempt)))?,
            }
            if exit(row.as_ref()) != Exit::Success {
                worst = Exit::Failed;
            }
        }
    }
    output.finish()?;
    Ok(worst)
}

/// Waits for it while there is somebody to make it.
async fn attempt(requests: &Requests, id: Uuid, patience: &mut Patience) -> Result<Attempt, CommandError> {
    if !requests.daemon_runs() {
        return Ok(Attempt::NoDaemon);
    }
    let made = wait(patience, || Ok(requests.is_settled(id)?.then_some(Attempt::Made))).await?;
    Ok(made.unwrap_or(Attempt::NotYet))
}

fn row(config: &Config, id: Uuid) -> Result<Option<MessageRow>, DbError> {
    let Some(reader) = Reader::open(&config.state.path)? else { return Ok(None) };
    Ok(reader.message(id)?.map(|whole| whole.row))
}

fn exit(row: Option<&MessageRow>) -> Exit {
    match row.map(|row| row.state) {
        Some(DeliveryState::Failed) => Exit::Failed,
        Some(
            DeliveryState::Scheduled
            | DeliveryState::Delivered
            | DeliveryState::Deferred
            | DeliveryState::Suppressed,
        )
        | None => Exit::Success,
    }
}

/// Asks until there is an answer, which renews the patience, or none is left of it.
async fn wait<T>(
    patience: &mut Patience,
    mut ask: impl FnMut() -> Result<Option<T>, DbError>,
) -> Result<Option<T>, DbError> {
    loop {
        if let Some(answer) = ask()? {
            patience.renew();
            return Ok(Some(answer));
        }
        if !patience.lasts(FOR_A_REQUEST).await {
            return Ok(None);
        }
    }
}

/// `None`: the message is gone.
fn sentence(row: Option<&MessageRow>, attempt: Attempt) -> String {
    let Some(row) = row else {
        return "deleted: it is not sent, and what it tells is not told again".to_owned();
    };
    let (to, answer) = (visible(&row.to), row.last_answer.as_deref().map(visible).unwrap_or_default());
    match (row.state, attempt) {
        (DeliveryState::Delivered, _) => format!("delivered to {to}: {answer}"),
        (DeliveryState::Failed, _) => format!("failed again: {answer}"),
        (DeliveryState::Suppressed, _) => {
            "suppressed again: notify.dry_run is on, and nothing is sent".to_owned()
        }
        (DeliveryState::Scheduled | DeliveryState::Deferred, Attempt::NoDaemon) => {
            format!("due now: it goes to {to} as soon as dirherald runs")
        }
        (DeliveryState::Scheduled | DeliveryState::Deferred, Attempt::Made) => {
            format!("tried, and put off again: {answer}; `dirherald outbox list` says until when")
        }
        (DeliveryState::Scheduled | DeliveryState::Deferred, Attempt::NotYet) => {
            format!("due now: it goes to {to} in its turn")
        }
    }
}
