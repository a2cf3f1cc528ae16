//! The face of the mirror: what dirherald last knew of the entries in scope. The database implements it,
//! the rules read through it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    attribute::AttributeName,
    dn::{Dn, NameKey},
    entry::{EntryId, EntryKind, EntryRef, Relation, Stamp},
    schema::{LinkTarget, MappedEntry, Role},
};

/// What the mirror keeps of an entry's attributes: the allow-listed ones, in the server's order.
pub type MirroredAttributes = BTreeMap<AttributeName, Vec<String>>;

/// What is known of an entry when someone is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// How the entry is named.
    pub entry: EntryRef,
    /// All values of the attributes that `schema.mail` names, in that order, as read: not yet checked.
    pub mail: Vec<String>,
    /// What `schema.account_name` reads.
    pub account: Option<String>,
    /// What `schema.language` reads.
    pub language: Option<String>,
    /// Matched by `schema.disabled_filter`.
    pub disabled: bool,
    /// From when on the account is expired. `None`: never.
    pub expires: Option<Timestamp>,
    /// Matched by `schema.do_not_notify_filter`.
    pub do_not_notify: bool,
    /// Matched by `notify.pilot_filter`, or there is none.
    pub in_pilot: bool,
    /// All that is mirrored of it.
    pub attributes: MirroredAttributes,
}

/// What the notification rules ask of the mirror.
pub trait People {
    /// Why the mirror could not be read.
    type Error: std::error::Error;

    /// The entry as it is known now. `None`: deleted, or never read.
    fn profile(&self, id: EntryId) -> Result<Option<Profile>, Self::Error>;

    /// The direct members of a group, at most `limit`, in the order of their DNs' keys. A member that
    /// resolves to nothing has no id.
    fn members(&self, group: EntryId, limit: usize) -> Result<Vec<EntryRef>, Self::Error>;

    /// What an entry with these attributes would have as [`Profile::mail`].
    fn mail(&self, attributes: &MirroredAttributes) -> Vec<String>;
}

/// The number of a row: short, local to one state file, never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryNo(pub i64);

/// An entry as last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownEntry {
    /// Its row.
    pub no: EntryNo,
    /// Its identity.
    pub id: EntryId,
    /// What it is.
    pub kind: EntryKind,
    /// Whether it is watched.
    pub scope: Scope,
    /// Its last-seen DN.
    pub dn: Dn,
    /// Under which it is found: that of `dn`, or nobody's since another entry was seen under that name.
    pub key: NameKey,
    /// Under which the entry right above it is found.
    pub above: NameKey,
    /// Key of its account name, where it has one.
    pub account: Option<NameKey>,
    /// How new the reading is.
    pub stamp: Option<Stamp>,
    /// What is kept of its attributes.
    pub attributes: MirroredAttributes,
}

/// Where an entry lies. Changes of users, groups and contacts inside are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// In the watched tree.
    #[default]
    Inside,
    /// Elsewhere, or excluded: known because something inside names it, or because it was inside once.
    Outside,
}

/// A link as the mirror files it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownLink {
    /// What it says.
    pub role: Role,
    /// Hash of the name that the server's value holds.
    pub key: NameKey,
    /// Whom it means.
    pub meaning: Meaning,
}

/// Whom a link means. Ids decide: once the name could mean somebody else, the link is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Whoever bears the name.
    ByName,
    /// This entry, whatever it is called now (rule 2 of the mirror).
    Bound(EntryNo),
    /// An entry that was deleted: the value dangles until the server cleans it.
    Gone,
}

/// A name in a link that no entry of the mirror bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// The name.
    pub target: LinkTarget,
    /// The server was asked for it and showed nothing.
    pub looked_up: bool,
}

/// What the rules of comparison ask of the mirror. All answers are of one store.
pub trait Mirror {
    /// Why the mirror could not be read.
    type Error: std::error::Error;

    /// The entry with this identity.
    fn by_id(&self, id: EntryId) -> Result<Option<KnownEntry>, Self::Error>;

    /// The entry of this row.
    fn by_no(&self, no: EntryNo) -> Result<Option<KnownEntry>, Self::Error>;

    /// The entries that bear this DN or account name, newest row last. More than one only while a
    /// recreated entry is known and its predecessor's end is not (rule 4).
    fn by_name(&self, key: NameKey) -> Result<Vec<KnownEntry>, Self::Error>;

    /// Whether the mirror knows entries right below this name.
    fn is_parent(&self, key: NameKey) -> Result<bool, Self::Error>;

    /// The entries right below this name, outside ones too.
    fn children(&self, key: NameKey) -> Result<Vec<KnownEntry>, Self::Error>;

    /// The names of those direct members of a group of whom a feed says nothing and who may be told all the
    /// same: outside, of no kind that is watched, or never looked up. None for a group of more than `at_most`
    /// members, of whom nobody is told.
    fn unread_members(&self, group: EntryNo, at_most: usize) -> Result<Vec<(NameKey, Dn)>, Self::Error>;

    /// The links of an entry, ordered by role and key.
    fn links(&self, entry: EntryNo) -> Result<Vec<KnownLink>, Self::Error>;

    /// The links of one relation, ordered likewise.
    fn links_of(&self, entry: EntryNo, relation: Relation) -> Result<Vec<KnownLink>, Self::Error>;

    /// One link of an entry.
    fn link(&self, entry: EntryNo, role: Role, key: NameKey) -> Result<Option<KnownLink>, Self::Error>;

    /// The links by which `entry` means `target`, under whatever name.
    fn links_between(
        &self,
        entry: EntryNo,
        relation: Relation,
        target: &KnownEntry,
    ) -> Result<Vec<KnownLink>, Self::Error>;

    /// All links that mean `target`, ordered by the entry that holds them.
    fn links_to(&self, target: &KnownEntry) -> Result<Vec<(EntryNo, KnownLink)>, Self::Error>;

    /// The text behind a key that no entry bears.
    fn stray(&self, key: NameKey) -> Result<Option<Stray>, Self::Error>;
}

/// A change of the mirror's rows, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A new entry with its links.
    Insert(NewEntry),
    /// What a reading says of a known entry; links are written apart.
    Update {
        /// The row.
        no: EntryNo,
        /// What it is now.
        kind: EntryKind,
        /// Whether it is watched.
        scope: Scope,
        /// Key of its account name.
        account: Option<NameKey>,
        /// How new the reading is.
        stamp: Option<Stamp>,
        /// What is kept.
        attributes: MirroredAttributes,
    },
    /// The reading was newer but said nothing new.
    Touch {
        /// The row.
        no: EntryNo,
        /// How new the reading is.
        stamp: Stamp,
    },
    /// A new DN; for an entry with entries below it theirs change too. Whoever was known by it is found by it
    /// no longer: its own new name, or its end, is still on its way.
    Move {
        /// The row.
        no: EntryNo,
        /// Before.
        from: Dn,
        /// After.
        to: Dn,
    },
    /// The entry went out of the watched tree, or came back, with the one above it.
    Rescope {
        /// The row.
        no: EntryNo,
        /// Where it is now.
        scope: Scope,
    },
    /// The entry is gone with all its links; links to it dangle.
    Remove {
        /// The row.
        no: EntryNo,
    },
    /// A value came.
    AddLink {
        /// Who holds it.
        entry: EntryNo,
        /// What it says.
        role: Role,
        /// Its name's hash.
        key: NameKey,
        /// Its name.
        target: LinkTarget,
        /// Whom it means: by name, but for a value that only changed its role.
        meaning: Meaning,
    },
    /// A value went.
    RemoveLink {
        /// Who holds it.
        entry: EntryNo,
        /// What it said.
        role: Role,
        /// Its name's hash.
        key: NameKey,
    },
    /// Links that mean an entry by this name mean it for ever: the name is about to mean something else.
    Bind {
        /// The name.
        key: NameKey,
        /// Whom it meant.
        to: EntryNo,
    },
    /// A link means whoever bears its name.
    Revive {
        /// Who holds the link.
        entry: EntryNo,
        /// What it says.
        role: Role,
        /// Its name's hash.
        key: NameKey,
    },
}

/// An entry that the mirror does not have yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Its identity.
    pub id: EntryId,
    /// Its DN.
    pub dn: Dn,
    /// How new the reading is.
    pub stamp: Option<Stamp>,
    /// Whether it is watched.
    pub scope: Scope,
    /// What the schema makes of it.
    pub mapped: MappedEntry,
}
