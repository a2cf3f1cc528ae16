//! `accept`: the directory as it is is taken as known, and nobody is told.

use clap::Args;

use super::{
    CommandError, Exit, Format, StoreChoice,
    compare::{CompareError, carried},
    simulate::Finder,
};
use crate::{
    change::purpose::Purpose,
    config::{Complete, Config, StoreSettings},
    db::{Candidate, DbError, Reader},
    directory::entry::EntryKind,
    notify::render::visible,
};

#[derive(Debug, Args)]
#[command(after_help = "Also what changes while it reads is accepted. What is held already stays held.")]
pub(super) struct AcceptArguments {
    /// Only this group, by its DN, mail address or name
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// One JSON object instead of a sentence
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    choice: StoreChoice,
}

/// `complete` reads the secrets too, for who connects.
pub(super) async fn accept(
    config: &Config,
    complete: impl Fn() -> Result<Complete, CommandError>,
    arguments: &AcceptArguments,
) -> Result<Exit, CommandError> {
    let store = arguments.choice.single(config)?;
    let group = arguments.group.as_deref().map(|text| group(config, store, text)).transpose()?;
    let wish = carried::Wish { store, purpose: Purpose::Accept, group };
    let carried = carried::carry_out(config, complete, &wish).await?;
    let format = Format::asked_for(arguments.json);
    carried::say(store, &carried, format, about_holds(config, store)?)?;
    Ok(Exit::Success)
}

fn group(config: &Config, store: &StoreSettings, text: &str) -> Result<Candidate, CommandError> {
    let unknown = || DbError::NoBaseline { store: store.name.to_string() };
    let reader = Reader::open(&config.state.path)?.ok_or_else(unknown)?;
    let candidate = Finder { reader: &reader, store }.entry(text)?;
    match candidate.entry.kind {
        Some(EntryKind::Group) => Ok(candidate),
        other => Err(CompareError::NotAGroup {
            text: visible(text),
            kind: other.map_or("entry", EntryKind::as_str),
        }
        .into()),
    }
}

fn about_holds(config: &Config, store: &StoreSettings) -> Result<Option<String>, CommandError> {
    let Some(reader) = Reader::open(&config.state.path)? else { return Ok(None) };
    let holds = reader.open_holds(store.name.as_str())?;
    Ok((holds > 0).then(|| {
        format!(
            "what was held before stays held ({holds} in `dirherald held list`): `dirherald held discard ID` tells \
             nobody of it, `dirherald held release ID` everybody."
        )
    }))
}
