//! Readings as the schema understands them.

use crate::directory::{
    batch::{Delete, Delta, Existence, Image, Origin, PresentSet, Reading, Rename},
    dn::Dn,
    entry::{EntryId, Stamp},
    schema::{MappedEntry, Schema},
};

/// A reading, its image read through the schema. Made beside the database's thread, because mapping a
/// million entries takes as long as storing them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A whole entry.
    Entry(Observed),
    /// Values that came and went.
    Delta(Delta),
    /// Gone.
    Delete(Delete),
    /// Under a new DN.
    Rename(Rename),
    /// Still there.
    Present(PresentSet),
}

/// An image read through the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// As in [`Image`].
    pub id: EntryId,
    /// As in [`Image`].
    pub dn: Dn,
    /// As in [`Image`].
    pub stamp: Option<Stamp>,
    /// As in [`Image`].
    pub origin: Origin,
    /// As in [`Image`].
    pub existence: Existence,
    /// What it is and whom it links to.
    pub mapped: MappedEntry,
}

impl Observation {
    /// Reads `reading` through `schema`.
    pub fn new(reading: Reading, schema: &Schema) -> Self {
        match reading {
            Reading::Image(image) => Self::Entry(Observed::new(image, schema)),
            Reading::Delta(delta) => Self::Delta(delta),
            Reading::Delete(delete) => Self::Delete(delete),
            Reading::Rename(rename) => Self::Rename(rename),
            Reading::PresentSet(set) => Self::Present(set),
        }
    }
}

impl Observed {
    /// Reads `image` through `schema`. Links come ordered by role and key.
    pub fn new(image: Image, schema: &Schema) -> Self {
        let mapped = schema.map(&image.dn, &image.attributes);
        Self::mapped(image, mapped)
    }

    /// Reads an entry that was looked up by name: of one that is of no kind, too, its attributes are kept,
    /// because it may be somebody who is told.
    pub fn looked_up(image: Image, schema: &Schema) -> Self {
        let mapped = schema.map_named(&image.dn, &image.attributes);
        Self::mapped(image, mapped)
    }

    fn mapped(image: Image, mut mapped: MappedEntry) -> Self {
        mapped.links.sort_by_key(|link| (link.role, link.key));
        let Image { id, dn, stamp, origin, existence, attributes: _ } = image;
        Self { id, dn, stamp, origin, existence, mapped }
    }
}
