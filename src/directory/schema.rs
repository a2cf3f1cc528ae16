//! Which attributes mean what: how an image becomes an entry with names and links.

use super::{
    attribute::AttributeName,
    dn::{Dn, NameKey},
    entry::{EntryKind, Rank, Relation},
    mirror::MirroredAttributes,
};

/// An image read through the schema: what the mirror compares and keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedEntry {
    /// By the filters, in doubt group before contact before user.
    pub kind: EntryKind,
    /// The allow-listed attributes; empty for a container.
    pub attributes: MirroredAttributes,
    /// Each (role, key) at most once, without dummy members; empty for a container.
    pub links: Vec<Link>,
    /// Key of the account name, under which `memberUid` finds a user; `None` for other kinds.
    pub account: Option<NameKey>,
}

/// One value of a link attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub role: Role,
    /// What it is compared by.
    pub key: NameKey,
    /// What it names.
    pub target: LinkTarget,
}

/// Relation and rank in one: how the mirror files a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    /// What the link says of its target.
    pub relation: Relation,
    /// Always primary for members.
    pub rank: Rank,
}

/// What a link value names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkTarget {
    /// An entry by DN (the `#uid` part of RFC 4517, section 3.3.21, cut off).
    Dn(Dn),
    /// A user by account name (RFC 2307, `memberUid`).
    Account(String),
}

/// What the `schema` keys of the configuration say, checked. Lists keep their order: the first attribute
/// that has values is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaSettings {
    /// Attributes that hold members: DNs, or account names where the attribute is `memberUid`.
    pub members: Vec<AttributeName>,
    /// The first of these that has values holds the primary owners.
    pub primary_owner: Vec<AttributeName>,
    /// All of these hold additional owners, but for the one taken as primary.
    pub additional_owners: Vec<AttributeName>,
    /// The first of these that has values holds the managers.
    pub manager: Vec<AttributeName>,
    /// All of these hold additional managers, but for the one taken as primary.
    pub additional_managers: Vec<AttributeName>,
    /// Mail addresses.
    pub mail: Vec<AttributeName>,
    /// What a person would call the entry.
    pub display_name: Vec<AttributeName>,
    /// What the person logs in with.
    pub account_name: Vec<AttributeName>,
    /// RFC 2798 preferredLanguage or the like.
    pub language: Option<AttributeName>,
    /// Attributes whose change is an event.
    pub watched: Vec<AttributeName>,
    /// Members that stand for nobody.
    pub dummy_members: Vec<Dn>,
}
