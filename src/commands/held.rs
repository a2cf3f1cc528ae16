//! `held`: what the bulk guard holds back. There is no guard in this version, so nothing is held.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{CommandError, Exit, Format, Listing, StoreChoice, output::Output, table::Table};
use crate::{config::Config, db::Reader, notify::render::visible};

#[derive(Debug, Subcommand)]
pub(super) enum HeldCommand {
    /// List what is held: in this version nothing, as there is no guard yet that holds mass changes
    List(Listing),
    /// Say what is held under ID
    Show(OneArguments),
    /// Tell after all whom it concerns
    Release(OneArguments),
    /// Tell nobody
    Discard(OneArguments),
}

#[derive(Debug, Args)]
pub(super) struct OneArguments {
    /// As `held list` shows it
    id: String,
    #[command(flatten)]
    listing: Listing,
}

/// Something that is held. Nothing can be.
#[derive(Debug, Serialize)]
enum Held {}

pub(super) fn held(config: &Config, command: &HeldCommand) -> Result<Exit, CommandError> {
    match command {
        HeldCommand::List(listing) => list(config, listing),
        HeldCommand::Show(one) | HeldCommand::Release(one) | HeldCommand::Discard(one) => {
            match find(config, &one.listing.choice, &one.id)? {}
        }
    }
}

fn list(config: &Config, listing: &Listing) -> Result<Exit, CommandError> {
    let all = all(config, &listing.choice)?;
    let mut output = Output::new();
    match listing.format() {
        Format::Json => all.iter().try_for_each(|held| output.json(held))?,
        Format::Table => {
            let mut table = Table::new(["ID", "STORE", "SINCE", "EVENTS", "WHY"]);
            for held in &all {
                table.row(cells(held));
            }
            table.print(&mut output)?;
        }
    }
    output.finish()?;
    Ok(Exit::Success)
}

fn cells(held: &Held) -> [String; 5] {
    match *held {}
}

fn find(config: &Config, choice: &StoreChoice, id: &str) -> Result<Held, CommandError> {
    let found = all(config, choice)?.into_iter().next();
    found.ok_or_else(|| CommandError::NothingHeld { id: visible(id) })
}

/// A store that is not configured and a state file that is not ours are told as everywhere.
fn all(config: &Config, choice: &StoreChoice) -> Result<Vec<Held>, CommandError> {
    choice.name(config)?;
    Reader::open(&config.state.path)?;
    Ok(Vec::new())
}
