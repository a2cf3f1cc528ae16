//! What a comparison found, before every name in it means somebody.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{AttributeChange, Marks, RankedRef};
use crate::directory::{
    batch::Origin,
    dn::{Dn, NameKey},
    entry::{EntryKind, EntryRef, Rank, Relation},
    mirror::{EntryNo, KnownLink, Scope},
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
    /// What the filters say of the entry so named.
    #[serde(default)]
    pub marks: Marks,
    /// The server's stamp.
    pub time: Option<Timestamp>,
    /// Who did it, where the feed could tell.
    pub actor: Option<Dn>,
    /// Whether it was found in the order of the changes.
    pub order: Order,
    /// What happened to the entry itself.
    pub found: Found,
    /// Links that came.
    pub came: Vec<Came>,
    /// Links that went.
    pub went: Vec<Went>,
    /// What went with it.
    #[serde(default, skip_serializing_if = "Along::is_empty")]
    pub along: Along,
}

/// What lay below an entry, and came into what is watched or out of it because the entry moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Along {
    /// Users, groups and contacts that came.
    #[serde(default)]
    pub entered: Vec<EntryNo>,
    /// Users, groups and contacts that went.
    #[serde(default)]
    pub left: Vec<EntryNo>,
    /// Names below which everything came, and must be read: no feed shows it.
    #[serde(default)]
    pub unread: Vec<Dn>,
}

impl Along {
    /// Nothing did.
    pub fn is_empty(&self) -> bool {
        self.entered.is_empty() && self.left.is_empty() && self.unread.is_empty()
    }
}

/// How findings that are told together follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// As the changes did.
    OfTheChanges,
    /// As the server chose to show the result of all changes.
    Arbitrary,
}

/// What happened to the entry itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// It is new.
    Created,
    /// It was known.
    Changed {
        /// What it was called before, where it has a new name.
        renamed_from: Option<Former>,
        /// Watched attributes with other values than before.
        attributes: Vec<AttributeChange>,
    },
    /// It is watched from now on, and existed before. What of its links came and went meanwhile is not told.
    Entered,
    /// It is watched no longer, and goes on to exist. Its links are as little told.
    Left,
    /// It is gone.
    Deleted(LastFacts),
}

/// The name that an entry had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// The whole name.
    pub dn: Dn,
    /// The row of the entry right above it then. `None`: not in the mirror.
    pub parent: Option<EntryNo>,
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
    /// Where it was. Of one outside nothing is told but what others lost.
    #[serde(default)]
    pub scope: Scope,
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
    /// Under which key the mirror had it.
    pub key: NameKey,
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

impl LastFacts {
    /// Who owned or managed it.
    pub fn of(&self, relation: Relation) -> &[RankedRef] {
        match relation {
            Relation::Owner => &self.owners,
            Relation::Manager => &self.managers,
            Relation::Member => &[],
        }
    }
}

impl Losing {
    /// Under which the mirror had it.
    pub fn value(&self) -> (EntryNo, Role, NameKey) {
        (self.holder, Role { relation: self.relation, rank: self.rank }, self.key)
    }
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
    pub fn new(
        no: EntryNo,
        (entry, marks): (EntryRef, Marks),
        origin: &Origin,
        order: Order,
        found: Found,
    ) -> Self {
        Self {
            no,
            entry,
            marks,
            time: origin.time,
            actor: origin.actor.clone(),
            order,
            found,
            came: Vec::new(),
            went: Vec::new(),
            along: Along::default(),
        }
    }

    /// A finding of a refresh about an entry of which nothing but the meaning of its links has changed.
    pub fn unchanged(no: EntryNo, entry: (EntryRef, Marks)) -> Self {
        let found = Found::Changed { renamed_from: None, attributes: Vec::new() };
        Self::new(no, entry, &Origin::default(), Order::Arbitrary, found)
    }

    /// A value of the entry means `now` instead of `was`, by the same name.
    pub fn means_anew(&mut self, link: &KnownLink, now: EntryRef, was: Option<EntryRef>) {
        let Role { relation, rank } = link.role;
        let target = LinkTarget::Dn(now.dn.clone());
        self.went.extend(was.map(|was| Went { relation, rank, key: link.key, was }));
        self.came.push(Came { relation, rank, key: link.key, target, at_first: Some(now) });
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        if !self.along.is_empty() {
            return false;
        }
        match &self.found {
            Found::Created => false,
            Found::Entered | Found::Left => self.entry.kind == Some(EntryKind::Container),
            Found::Deleted(last) => !self.is_told_as_deleted(last) && last.losing.is_empty(),
            Found::Changed { renamed_from, attributes } => {
                renamed_from.is_none()
                    && attributes.is_empty()
                    && self.came.is_empty()
                    && self.went.is_empty()
            }
        }
    }

    /// Whether it names the entry as it was, because there is nothing to see of it afterwards.
    pub fn is_an_end(&self) -> bool {
        match &self.found {
            Found::Left | Found::Deleted(_) => true,
            Found::Created | Found::Changed { .. } | Found::Entered => false,
        }
    }

    /// Whether the end of the entry is an event, and not only what others lost by it.
    pub fn is_told_as_deleted(&self, last: &LastFacts) -> bool {
        last.scope == Scope::Inside && self.entry.kind != Some(EntryKind::Container)
    }

    /// Whether the links that came and went are told.
    pub fn tells_links(&self) -> bool {
        match &self.found {
            Found::Created | Found::Changed { .. } => true,
            Found::Entered | Found::Left | Found::Deleted(_) => false,
        }
    }
}
