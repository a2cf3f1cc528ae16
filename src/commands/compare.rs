//! `compare`: what differs from what is known of a directory.

pub(super) mod carried;
mod dry;
mod meanwhile;

use clap::Args;

use super::{CommandError, Exit, Listing, run::view};
use crate::{
    change::purpose::Purpose,
    config::{Complete, Config, StoreSettings},
    db::Reader,
    pipeline::NotCompared,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Without --apply nothing is changed or told, and the exit code is 3 where something differs."
)]
pub(super) struct CompareArguments {
    /// Make events of the differences, as of any change; a running daemon does it
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    listing: Listing,
}

/// Why nothing was compared, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// Directory or state file.
    #[error("identity_store.{store}")]
    NotCompared {
        /// Its name.
        store: String,
        /// Why.
        #[source]
        source: NotCompared,
    },
    /// The configuration has changed since the mirror was read.
    #[error(
        "base_dn, exclude or schema of {store} is another than that with which its directory was read: restart \
         `dirherald run`, which reads everything anew and tells nobody"
    )]
    AnotherView {
        /// Its name.
        store: String,
    },
    /// Only one of everything can be under way.
    #[error("{} of {store} is under way; ask again when `dirherald status` says live", what(*purpose))]
    UnderWay {
        /// Its name.
        store: String,
        /// That of the one under way.
        purpose: Purpose,
    },
    /// A daemon, or this command, could not carry it out.
    #[error("nothing was compared in {store}: {problem}")]
    Refused {
        /// Its name.
        store: String,
        /// Why.
        problem: String,
    },
    /// The daemon does not come to it.
    #[error(
        "dirherald has not come to it: {trouble}; what was asked for is kept, and carried out as soon as it can be"
    )]
    NotYet {
        /// What is wrong with the directory.
        trouble: String,
    },
    /// The daemon ended while it was waited for.
    #[error(
        "dirherald has stopped meanwhile; what was asked for is kept, and carried out when it runs again"
    )]
    DaemonGone,
    /// Only groups are accepted one by one.
    #[error("{text:?} is no group but a {kind}: --group takes a group's DN, mail address or name")]
    NotAGroup {
        /// As given.
        text: String,
        /// What it is.
        kind: &'static str,
    },
    /// Ctrl-C or SIGTERM.
    #[error("interrupted; nothing was changed")]
    Interrupted,
}

fn what(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Tell => "a full comparison",
        Purpose::Accept => "an accept",
        Purpose::BackInTime => {
            "a full comparison after the directory went back in time, which holds what it finds,"
        }
    }
}

/// Only what was read as it would be read now can be compared with.
fn require_view(reader: &Reader, store: &StoreSettings) -> Result<(), CommandError> {
    let name = store.name.as_str();
    reader.require_baseline(name)?;
    if reader.is_read_as(name, &view(store))? {
        Ok(())
    } else {
        Err(CompareError::AnotherView { store: name.to_owned() }.into())
    }
}

/// `complete` reads the secrets too, for who connects.
pub(super) async fn compare(
    config: &Config,
    complete: impl Fn() -> Result<Complete, CommandError>,
    arguments: &CompareArguments,
) -> Result<Exit, CommandError> {
    let stores = arguments.listing.choice.of(config)?;
    if !arguments.apply {
        return dry::compare(&complete()?, &arguments.listing).await;
    }
    for store in stores {
        let wish = carried::Wish { store, purpose: Purpose::Tell, group: None };
        let carried = carried::carry_out(config, &complete, &wish).await?;
        carried::say(store, &carried, arguments.listing.format(), None)?;
    }
    Ok(Exit::Success)
}
