//! What a feed hands over: all that the core knows of LDAP.

use jiff::Timestamp;

use super::{
    attribute::{AttributeName, RawAttributes},
    checkpoint::Checkpoint,
    dn::Dn,
    entry::{EntryId, Stamp},
};

/// Some readings in the server's order, stored in one transaction together with `checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// In the server's order.
    pub readings: Vec<Reading>,
    /// Whether these readings are part of a refresh or happened just now.
    pub phase: Phase,
    /// Covers everything up to and including this batch. `None` where the server gave none.
    pub checkpoint: Option<Checkpoint>,
}

/// Where in the life of a feed a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A refresh begins: nothing is known yet of what exists. Carries no readings of its own meaning.
    RefreshBegins,
    /// In the middle of a refresh, a poll or a comparison: what it says is told together at its end.
    Refresh,
    /// The last batch of the above.
    RefreshEnds,
    /// Changes as they happen.
    Live,
}

/// One thing the directory said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A whole entry as it is now.
    Image(Image),
    /// Values that came and went on an entry already known.
    Delta(Delta),
    /// The entry is gone, or has left the search's scope.
    Delete(Delete),
    /// A new DN for a known entry.
    Rename(Rename),
    /// "These, and those of which an image came since the refresh began, exist."
    PresentSet(PresentSet),
}

/// Who did it and when, where the feed can tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The server's stamp of the change.
    pub time: Option<Timestamp>,
    /// The DN that made the change. `None`: unknown, never guessed.
    pub actor: Option<Dn>,
}

/// Whether an entry that nobody has seen yet can be a new one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existence {
    /// It may have been created since the feed last said something, or nobody can tell.
    #[default]
    New,
    /// It existed when the feed last said something: it came to where it is seen from elsewhere.
    Before,
}

/// A whole entry. An attribute that was asked for and is not here has no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The entry's identity.
    pub id: EntryId,
    /// Its present DN.
    pub dn: Dn,
    /// How new this image is. `None`: the server does not say, the image is taken as new.
    pub stamp: Option<Stamp>,
    /// Who and when.
    pub origin: Origin,
    /// Counts where the entry was not known.
    pub existence: Existence,
    /// All attributes that were asked for.
    pub attributes: RawAttributes,
}

/// Values that came and went, in the order the server applied them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The entry's identity.
    pub id: EntryId,
    /// As in [`Image`].
    pub stamp: Option<Stamp>,
    /// Who and when.
    pub origin: Origin,
    /// In the order the server applied them.
    pub modifications: Vec<Modification>,
}

/// One modification of RFC 4511, section 4.6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modification {
    /// What is modified.
    pub attribute: AttributeName,
    /// How.
    pub operation: Operation,
    /// Delete without values removes the attribute; replace without values too.
    pub values: Vec<Vec<u8>>,
}

/// RFC 4511, section 4.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The values come.
    Add,
    /// The values go; all of them when none is listed.
    Delete,
    /// The values are all there is.
    Replace,
}

/// An entry that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The entry's identity.
    pub id: EntryId,
    /// Who and when.
    pub origin: Origin,
}

/// A known entry under a new DN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// The entry's identity.
    pub id: EntryId,
    /// Its DN from now on.
    pub dn: Dn,
    /// As in [`Image`].
    pub stamp: Option<Stamp>,
    /// Who and when.
    pub origin: Origin,
}

/// Entries that exist, in pieces as the server sends them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentSet {
    /// In the server's order.
    pub ids: Vec<EntryId>,
    /// `true`: nothing else exists than what was named or shown since the refresh began. Sent only after a
    /// valid end of the phase; a refresh that was cut short never says it.
    pub complete: bool,
}
