//! What identifies an entry, and what kind of object it is.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::dn::Dn;

/// The identity of an entry for as long as it lives: entryUUID, objectGUID or nsUniqueId, 128 bits each.
/// Never the DN, which is an attribute that may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub Uuid);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an entry is to dirherald, by the filters of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A person with an account.
    User,
    /// A group, whatever attribute holds its members.
    Group,
    /// A person without an account (Active Directory).
    Contact,
    /// Anything else: known by id and DN only, because the entries below it carry its name in theirs.
    Container,
}

impl EntryKind {
    /// The word used in output and in mails.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Contact => "contact",
            Self::Container => "container",
        }
    }
}

/// How new a reading of an entry is: entryCSN, uSNChanged or entryusn in a form whose byte order is the
/// server's order. Stamps of one store compare; nothing else about them is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(String);

impl Stamp {
    /// An entryCSN: fixed width, so its text order is its order.
    pub fn from_csn(csn: &str) -> Self {
        Self(csn.to_owned())
    }

    /// An update sequence number, padded so that text order is numeric order.
    pub fn from_usn(usn: u64) -> Self {
        Self(format!("{usn:020}"))
    }

    /// The text form, for the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How an event names an entry: enough to show it and to find it again, kept although it may be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRef {
    /// `None` for a DN that resolves to nothing we may read.
    pub id: Option<EntryId>,
    /// As last seen. For a `memberUid` that names nobody: a DN made of that one `uid`.
    pub dn: Dn,
    /// `None` where the entry was never read.
    pub kind: Option<EntryKind>,
    /// What a person would call it: display name, else common name, else the first value of the RDN.
    pub name: String,
}

/// Whether an owner or manager stands first or beside (`primary_owner` / `additional_owners` of the schema).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rank {
    /// Of `primary_owner` or `manager`.
    Primary,
    /// Of `additional_owners` or `additional_managers`.
    Additional,
}

/// What a link says about its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// The target is a direct member of this group.
    Member,
    /// The target owns this group.
    Owner,
    /// The target manages this user or contact.
    Manager,
}
