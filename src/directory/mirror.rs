//! The face of the mirror: what dirherald last knew of the entries in scope. The database implements it,
//! the rules read through it.

use std::collections::BTreeMap;

use super::{
    attribute::AttributeName,
    entry::{EntryId, EntryRef},
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
    /// All mirrored attributes, for filters.
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
}
