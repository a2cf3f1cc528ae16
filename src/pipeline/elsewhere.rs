//! Gone from the watched tree is not yet deleted: an entry may have moved out of it (rule 7 of the mirror).
//! Where the base is not a whole naming context, what is gone is looked up by id outside it before the mirror
//! hears of it.

use std::sync::Arc;

use tracing::info;

use super::Directory;
use crate::{
    change::observation::{Observation, Observed},
    connector::{ConnectorError, Lookup, Whereabouts},
    db::DbError,
    directory::{
        batch::{Image, PresentSet},
        entry::EntryId,
    },
};

/// Why it cannot be said where an entry is.
#[derive(Debug, thiserror::Error)]
pub(super) enum ElsewhereError {
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The same observations with an image in place of each deletion of an entry that lives on outside the base,
/// and without those of entries that are back already.
pub(super) async fn told_apart(
    store: &Directory,
    lookup: &mut Lookup,
    observations: Vec<Observation>,
) -> Result<Vec<Observation>, ElsewhereError> {
    let gone: Vec<EntryId> = observations.iter().filter_map(deleted).collect();
    if gone.is_empty() {
        return Ok(observations);
    }
    let mut found = lookup.whereabouts(&gone, store.context.tree.base()).await?.into_iter();
    let told_apart = observations.into_iter().filter_map(|observation| {
        let place = deleted(&observation).and_then(|_| found.next());
        match place {
            None | Some(Whereabouts::Nowhere) => Some(observation),
            Some(Whereabouts::Inside) => None,
            Some(Whereabouts::Outside(image)) => Some(moved_out(store, *image)),
        }
    });
    Ok(told_apart.collect())
}

/// What is to be said of the entries that a complete present phase is about to take as gone and that live on,
/// outside the base or within it. What came before that end must be stored.
pub(super) async fn absent_but_alive(
    store: &Directory,
    lookup: &mut Lookup,
    present: Vec<EntryId>,
) -> Result<Vec<Observation>, ElsewhereError> {
    if !lookup.has_outside(store.context.tree.base()).await? {
        return Ok(Vec::new());
    }
    let absent = store.db.absent(Arc::clone(&store.context), present).await?;
    let places = lookup.whereabouts(&absent, store.context.tree.base()).await?;
    let alive = absent.into_iter().zip(places).filter_map(|(id, place)| match place {
        Whereabouts::Nowhere => None,
        Whereabouts::Inside => Some(Observation::Present(PresentSet { ids: vec![id], complete: false })),
        Whereabouts::Outside(image) => Some(moved_out(store, *image)),
    });
    Ok(alive.collect())
}

fn deleted(observation: &Observation) -> Option<EntryId> {
    match observation {
        Observation::Delete(delete) => Some(delete.id),
        Observation::Entry(_) | Observation::Delta(_) | Observation::Rename(_) | Observation::Present(_) => {
            None
        }
    }
}

fn moved_out(store: &Directory, image: Image) -> Observation {
    info!(entry.id = %image.id, "an entry left the watched tree");
    Observation::Entry(Observed::new(image, &store.context.schema))
}
