//! `outbox retry` and `outbox delete`: asked of the daemon, or carried out at once where none runs.

use serde::Serialize;
use uuid::Uuid;

use super::RequestArguments;
use crate::{
    clock,
    commands::{
        CommandError, Exit,
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

/// What is printed with `--json`.
#[derive(Serialize)]
struct Line<'a> {
    id: Uuid,
    request: &'static str,
    /// That of `outbox list`; null for a mail that was deleted.
    state: Option<&'static str>,
    last_answer: Option<&'a str>,
}

/// Asks, waits a few seconds for what comes of it, and says so.
pub(super) async fn request(
    config: &Config,
    arguments: &RequestArguments,
    wish: Wish,
) -> Result<Exit, CommandError> {
    let id = arguments.id;
    let missing = || CommandError::NoSuchMessage { id };
    let mut requests = Requests::open(&config.state.path)?.ok_or_else(missing)?;
    let request = requests.ask(id, wish, clock::now())?.ok_or_else(missing)?;
    match wait(|| requests.outcome(request)).await? {
        None => return Err(RequestError::NotYet.into()),
        Some(RequestOutcome::Delivered) => return Err(RequestError::Delivered { id }.into()),
        Some(RequestOutcome::Gone) => return Err(missing()),
        Some(RequestOutcome::Done) => {}
    }
    let attempt = match wish {
        Wish::Delete => Attempt::NotYet,
        Wish::Retry if !requests.daemon_runs() => Attempt::NoDaemon,
        Wish::Retry => {
            let settled = wait(|| Ok(requests.is_settled(id)?.then_some(Attempt::Made))).await?;
            settled.unwrap_or(Attempt::NotYet)
        }
    };
    // With it goes the lock, where no daemon had it.
    drop(requests);
    let row = Reader::open(&config.state.path)?.map(|reader| reader.message(id)).transpose()?.flatten();
    let row = row.map(|whole| whole.row);
    let mut output = Output::new();
    if arguments.json {
        output.json(&Line {
            id,
            request: wish.as_str(),
            state: row.as_ref().map(|row| row.state.as_str()),
            last_answer: row.as_ref().and_then(|row| row.last_answer.as_deref()),
        })?;
    } else {
        output.line(sentence(row.as_ref(), attempt))?;
    }
    output.finish()?;
    Ok(match row.map(|row| row.state) {
        Some(DeliveryState::Failed) => Exit::Failed,
        Some(
            DeliveryState::Scheduled
            | DeliveryState::Delivered
            | DeliveryState::Deferred
            | DeliveryState::Suppressed,
        )
        | None => Exit::Success,
    })
}

/// Asks until there is an answer, for some seconds.
async fn wait<T>(mut ask: impl FnMut() -> Result<Option<T>, DbError>) -> Result<Option<T>, DbError> {
    let mut patience = Patience::default();
    loop {
        let answer = ask()?;
        if answer.is_some() || !patience.lasts(FOR_A_REQUEST).await {
            return Ok(answer);
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
