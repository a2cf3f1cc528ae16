//! What a comparison found, before every name in it means somebody.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{AttributeChange, RankedRef};
use crate::directory::{
    batch::Origin,
    dn::{Dn, NameKey},
    entry::{EntryRef, Rank, Relation},
    mirror::EntryNo,
    schema::{LinkTarget, Role},
};

/// The difference of one reading of one entry against the mirror. Kept in the state file while a refresh
/// lasts or a name is being looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The row of the entry; for a deleted one, what it was.
    pub no: EntryNo,
    /// The entry as it is named afterwards; for a deleted one, before.
    pub entry: EntryRef,
    /// The server's stamp.
    pub time: Option<Timestamp>,
    /// Who did it, where the feed could tell.
    pub actor: Option<Dn>,
    /// What happened to the entry itself.
    pub found: Found,
    /// Links that came.
    pub came: Vec<Came>,
    /// Links that went.
    pub went: Vec<Went>,
}

/// What happened to the entry itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// It is new.
    Created,
    /// It was known.
    Changed {
        /// The DN before, where it has a new one.
        renamed_from: Option<Dn>,
        /// Watched attributes with other values than before.
        attributes: Vec<AttributeChange>,
    },
    /// It is gone.
    Deleted(LastFacts),
}

/// What a deleted entry had, because nobody can ask it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastFacts {
    /// Of a group.
    pub owners: Vec<RankedRef>,
    /// Of a user or contact.
    pub managers: Vec<RankedRef>,
    /// Of a group, capped.
    pub members: Vec<EntryRef>,
    /// Of a group, all.
    pub member_count: u64,
    /// The links of other entries that went with it.
    pub losing: Vec<Losing>,
}

/// A link that another entry had to a deleted one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losing {
    /// Who had it.
    pub holder: EntryNo,
    /// What it said.
    pub relation: Relation,
    /// As which.
    pub rank: Rank,
}

/// A link that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Came {
    /// What it says.
    pub relation: Relation,
    /// As which.
    pub rank: Rank,
    /// Under which key the mirror files it.
    pub key: NameKey,
    /// The name in the value.
    pub target: LinkTarget,
    /// Whom it meant when it was read: taken if the entry is gone before the finding is settled.
    pub at_first: Option<EntryRef>,
}

/// A link that went, with whom it meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Went {
    /// What it said.
    pub relation: Relation,
    /// As which.
    pub rank: Rank,
    /// Under which key the mirror had it.
    pub key: NameKey,
    /// Whom it meant.
    pub was: EntryRef,
}

impl Came {
    /// How the mirror files it.
    pub fn role(&self) -> Role {
        Role { relation: self.relation, rank: self.rank }
    }
}

impl Went {
    /// How the mirror filed it.
    pub fn role(&self) -> Role {
        Role { relation: self.relation, rank: self.rank }
    }
}

impl Finding {
    /// A finding about `entry` with nothing in it yet.
    pub fn new(no: EntryNo, entry: EntryRef, origin: &Origin, found: Found) -> Self {
        Self {
            no,
            entry,
            time: origin.time,
            actor: origin.actor.clone(),
            found,
            came: Vec::new(),
            went: Vec::new(),
        }
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        match &self.found {
            Found::Created | Found::Deleted(_) => false,
            Found::Changed { renamed_from, attributes } => {
                renamed_from.is_none()
                    && attributes.is_empty()
                    && self.came.is_empty()
                    && self.went.is_empty()
            }
        }
    }
}
