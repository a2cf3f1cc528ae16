//! `held release` and `held discard`: asked of the daemon, or carried out at once where none runs.

use serde::Serialize;
use uuid::Uuid;

use super::{RequestArguments, done, find};
use crate::{
    clock,
    commands::{
        CommandError, Exit, Format,
        output::Output,
        patience::{FOR_A_REQUEST, Patience},
    },
    config::Config,
    db::{DbError, HoldAnswer, HoldRow, HoldWish, IdPrefix, Reader, Requests},
    notify::render::visible,
};

/// Why a wish was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum HoldRequestError {
    /// What was let go is not called back.
    #[error("what {id} held was {} already", done(*wish))]
    Ended {
        /// Of the hold.
        id: Uuid,
        /// What was done.
        wish: HoldWish,
    },
    /// Half of it may have been told.
    #[error("{id} is being {} already: some of it may be on its way", done(*wish))]
    UnderWay {
        /// Of the hold.
        id: Uuid,
        /// What is being done.
        wish: HoldWish,
    },
    /// The daemon does not know its store any more, or is busy.
    #[error(
        "dirherald has not come to {id} within {seconds} s: the configuration of the running dirherald may lack the \
         store; the request is kept and carried out then",
        seconds = FOR_A_REQUEST.as_secs()
    )]
    NotYet {
        /// Of the hold.
        id: Uuid,
    },
}

/// What is printed with `--json`, one for each hold.
#[derive(Serialize)]
struct Line<'a> {
    id: Uuid,
    store: &'a str,
    request: &'static str,
    /// That were in it.
    events: u64,
}

/// Asks, waits until it is done, and says so.
pub(super) async fn request(
    config: &Config,
    arguments: &RequestArguments,
    wish: HoldWish,
) -> Result<Exit, CommandError> {
    let rows = chosen(config, arguments)?;
    let mut output = Output::new();
    for row in &rows {
        let missing = || CommandError::NothingHeld { id: row.id.to_string() };
        let mut requests = Requests::open(&config.state.path)?.ok_or_else(missing)?;
        let answer = requests.ask_for_hold(row.id, wish, clock::now())?.ok_or_else(missing)?;
        refuse(row.id, wish, answer)?;
        let daemon_runs = requests.daemon_runs();
        if daemon_runs {
            wait(config, row.id).await?;
        } else {
            while !requests.carry_out_wishes(clock::now())?.is_idle {}
        }
        match arguments.listing.format() {
            Format::Json => {
                let (id, store) = (row.id, row.store.as_str());
                output.json(&Line { id, store, request: wish.as_str(), events: row.events })?;
            }
            Format::Table => output.line(sentence(row, wish, daemon_runs))?,
        }
    }
    if rows.is_empty() && arguments.listing.format() == Format::Table {
        output.line("nothing is held")?;
    }
    output.finish()?;
    Ok(Exit::Success)
}

fn chosen(config: &Config, arguments: &RequestArguments) -> Result<Vec<HoldRow>, CommandError> {
    let choice = &arguments.listing.choice;
    if let Some(id) = &arguments.id {
        return Ok(vec![find(config, choice, id)?.row]);
    }
    let store = choice.name(config)?;
    Ok(Reader::open(&config.state.path)?.map_or_else(|| Ok(Vec::new()), |reader| reader.holds(store))?)
}

fn refuse(id: Uuid, wish: HoldWish, answer: HoldAnswer) -> Result<(), HoldRequestError> {
    match answer {
        HoldAnswer::Ended(wish) => Err(HoldRequestError::Ended { id, wish }),
        HoldAnswer::UnderWay(before) if before != wish => {
            Err(HoldRequestError::UnderWay { id, wish: before })
        }
        HoldAnswer::UnderWay(_) | HoldAnswer::Asked => Ok(()),
    }
}

/// For as long as something happens.
async fn wait(config: &Config, id: Uuid) -> Result<(), CommandError> {
    let (mut left, mut patience) = (u64::MAX, Patience::default());
    loop {
        let Some(row) = look(config, id)?.filter(|row| row.ended.is_none()) else { return Ok(()) };
        if row.events < left {
            patience.renew();
        }
        left = row.events;
        if !patience.lasts(FOR_A_REQUEST).await {
            return Err(HoldRequestError::NotYet { id }.into());
        }
    }
}

fn look(config: &Config, id: Uuid) -> Result<Option<HoldRow>, DbError> {
    let whole: IdPrefix = id.to_string().parse().expect("an id begins with itself");
    let Some(reader) = Reader::open(&config.state.path)? else { return Ok(None) };
    Ok(reader.holds_beginning_with(&whole, None, 1)?.pop())
}

fn sentence(row: &HoldRow, wish: HoldWish, daemon_runs: bool) -> String {
    let events = match row.events {
        1 => "1 event".to_owned(),
        events => format!("{events} events"),
    };
    let (done, store) = (done(wish), visible(&row.store));
    match wish {
        HoldWish::Discard => format!("{done}: {events} of {store}, told to nobody"),
        HoldWish::Release if daemon_runs => format!("{done}: {events} of {store}, told to whom they concern"),
        HoldWish::Release => format!("{done}: {events} of {store}, told as soon as dirherald runs"),
    }
}
