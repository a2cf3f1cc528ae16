//! From a link to the entry it means.

use super::event::{Marks, RankedRef};
use crate::directory::{
    dn::Dn,
    entry::{EntryId, EntryKind, EntryRef, Relation},
    mirror::{EntryNo, KnownEntry, KnownLink, Meaning, Mirror, MirroredAttributes},
    schema::{LinkTarget, Schema},
};

/// The entry that `link` means now.
pub fn resolve<M: Mirror>(mirror: &M, link: &KnownLink) -> Result<Option<KnownEntry>, M::Error> {
    match link.meaning {
        Meaning::Bound(no) => mirror.by_no(no),
        Meaning::Gone => Ok(None),
        Meaning::ByName => Ok(mirror.by_name(link.key)?.pop()),
    }
}

/// Whether a value means somebody else than the mirror has it, because its name is borne anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anew {
    /// It means whom it meant.
    Nobody,
    /// It meant an entry that was deleted.
    InsteadOfTheDead,
    /// It meant this entry, which is called something else now.
    InsteadOf(EntryNo),
}

/// See [`Anew`]. To be asked only of a value that the server has just shown: what it has not shown it may
/// have rewritten.
pub fn meant_anew<M: Mirror>(mirror: &M, link: &KnownLink) -> Result<Anew, M::Error> {
    let meant = match link.meaning {
        Meaning::ByName => return Ok(Anew::Nobody),
        Meaning::Gone => None,
        Meaning::Bound(no) => Some(no),
    };
    let bearers = mirror.by_name(link.key)?;
    if bearers.is_empty() || bearers.iter().any(|entry| Some(entry.no) == meant) {
        return Ok(Anew::Nobody);
    }
    Ok(meant.map_or(Anew::InsteadOfTheDead, Anew::InsteadOf))
}

/// How an event names `entry`.
pub fn name_entry(schema: &Schema, entry: &KnownEntry) -> EntryRef {
    EntryRef {
        id: Some(entry.id),
        dn: entry.dn.clone(),
        kind: Some(entry.kind),
        name: schema.display_name(&entry.dn, &entry.attributes),
    }
}

/// What the filters say of an entry, as far as its attributes tell: of an entry on its way out nobody knows the
/// groups, so `memberOf` in `do_not_notify_filter` matches nothing here.
pub fn marks(schema: &Schema, kind: EntryKind, attributes: &MirroredAttributes) -> Marks {
    Marks {
        ignored: schema.is_ignored(attributes),
        public: schema.is_public(kind, attributes),
        do_not_notify: schema.do_not_notify(attributes),
    }
}

/// [`name_entry`] with [`marks`].
pub fn mark_entry(schema: &Schema, entry: &KnownEntry) -> (EntryRef, Marks) {
    (name_entry(schema, entry), marks(schema, entry.kind, &entry.attributes))
}

/// How an event names what it knows by name only.
pub fn name_target(target: &LinkTarget) -> EntryRef {
    let dn = match target {
        LinkTarget::Dn(dn) => dn.clone(),
        LinkTarget::Account(account) => Dn::of_account(account),
    };
    let name = dn.rdn_value();
    EntryRef { id: None, dn, kind: None, name }
}

/// Whom `link` means, as an event names it. `None`: a dangling value of a deleted entry.
pub fn describe<M: Mirror>(
    mirror: &M,
    schema: &Schema,
    link: &KnownLink,
) -> Result<Option<EntryRef>, M::Error> {
    if let Some(entry) = resolve(mirror, link)? {
        return Ok(Some(name_entry(schema, &entry)));
    }
    if link.meaning == Meaning::Gone {
        return Ok(None);
    }
    Ok(mirror.stray(link.key)?.map(|stray| name_target(&stray.target)))
}

/// The owners or managers of an entry as they are now, each once, the better rank first.
pub fn ranked<M: Mirror>(
    mirror: &M,
    schema: &Schema,
    entry: EntryNo,
    relation: Relation,
) -> Result<Vec<RankedRef>, M::Error> {
    let mut ranked = Vec::new();
    for link in mirror.links_of(entry, relation)? {
        if let Some(entry) = describe(mirror, schema, &link)? {
            add_ranked(&mut ranked, RankedRef { entry, rank: link.role.rank });
        }
    }
    Ok(ranked)
}

/// Adds `new` unless the same entry is there already.
pub fn add_ranked(ranked: &mut Vec<RankedRef>, new: RankedRef) {
    if !ranked.iter().any(|known| same(&known.entry, &new.entry)) {
        ranked.push(new);
    }
}

/// Whether two references mean one entry: by id, else by name.
pub fn same(a: &EntryRef, b: &EntryRef) -> bool {
    identity(a) == identity(b)
}

/// By what an entry is told apart: its id, else the key of its name.
pub fn identity(entry: &EntryRef) -> Identity {
    entry.id.map_or_else(|| Identity::Name(entry.dn.key().0), Identity::Id)
}

/// See [`identity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// Read at least once.
    Id(EntryId),
    /// Never read: the key of its DN.
    Name(i64),
}
