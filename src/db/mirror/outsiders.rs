//! Entries that no feed tells of: known because something in the watched tree names them, by look-ups.

use rusqlite::{Row, params};

use super::{StoreMirror, entry_at, no_row};
use crate::{
    change::observation::Observed,
    db::{
        error::{DbError, During},
        rows::{dn_at, from_json, role_code},
    },
    directory::{
        dn::{Dn, NameKey},
        entry::{EntryKind, Rank, Relation},
        mirror::{EntryNo, KnownEntry, Mirror, NewEntry, Scope, Write},
        schema::{LinkTarget, MappedEntry, Role},
    },
};

/// A member has no rank.
const MEMBER: Role = Role { relation: Relation::Member, rank: Rank::Primary };

/// See [`Mirror::unread_members`].
pub(super) fn unread_members(
    mirror: &StoreMirror<'_>,
    group: EntryNo,
    at_most: usize,
) -> Result<Vec<(NameKey, Dn)>, DbError> {
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX).saturating_add(1);
    let members: Vec<()> = mirror
        .connection
        .prepare_cached("SELECT 1 FROM link WHERE entry = ?1 AND role = ?2 LIMIT ?3")
        .and_then(|mut s| s.query_map(params![group.0, role_code(MEMBER), limit], |_| Ok(()))?.collect())
        .during("count members")?;
    if members.is_empty() || members.len() > at_most {
        return Ok(Vec::new());
    }
    // CROSS JOIN keeps the order: from the group's own links to whom they mean.
    let read = |sql: &str| -> Result<Vec<(NameKey, Dn)>, DbError> {
        mirror
            .connection
            .prepare_cached(sql)
            .and_then(|mut s| {
                s.query_map(params![mirror.store.0, group.0, role_code(MEMBER)], name_at)?.collect()
            })
            .during("read members that are not watched")
    };
    let mut names = read(
        "SELECT entry.dn_key, entry.dn FROM link CROSS JOIN entry ON entry.dn_key = link.key
         WHERE link.entry = ?2 AND link.role = ?3 AND link.target IS NULL
         AND +entry.store = ?1 AND (entry.scope = 2 OR entry.kind = 4)",
    )?;
    names.extend(read(
        "SELECT entry.dn_key, entry.dn FROM link CROSS JOIN entry ON entry.no = link.target
         WHERE link.entry = ?2 AND link.role = ?3 AND +entry.store = ?1
         AND (entry.scope = 2 OR entry.kind = 4) AND entry.dn_key <> entry.no",
    )?);
    names.extend(strays(mirror, group)?);
    Ok(names)
}

fn name_at(row: &Row<'_>) -> rusqlite::Result<(NameKey, Dn)> {
    Ok((NameKey(row.get(0)?), dn_at(row, 1)?))
}

fn strays(mirror: &StoreMirror<'_>, group: EntryNo) -> Result<Vec<(NameKey, Dn)>, DbError> {
    let texts: Vec<(i64, String)> = mirror
        .connection
        .prepare_cached(
            "SELECT stray.key, stray.target FROM link
             CROSS JOIN stray ON stray.store = ?1 AND stray.key = link.key
             WHERE link.entry = ?2 AND link.role = ?3 AND link.target IS NULL AND stray.looked_up = 0",
        )
        .and_then(|mut s| {
            let rows = s.query_map(params![mirror.store.0, group.0, role_code(MEMBER)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            rows.collect()
        })
        .during("read members that are only names")?;
    dns_of(texts)
}

/// Account names are not among them: a directory has no entry of that name.
fn dns_of(texts: Vec<(i64, String)>) -> Result<Vec<(NameKey, Dn)>, DbError> {
    let mut names = Vec::with_capacity(texts.len());
    for (key, text) in texts {
        match from_json("name", &text)? {
            LinkTarget::Dn(dn) => names.push((NameKey(key), dn)),
            LinkTarget::Account(_) => {}
        }
    }
    Ok(names)
}

impl StoreMirror<'_> {
    /// All names that nobody bears and that were not looked up.
    pub(in crate::db) fn open_names(&self) -> Result<Vec<(NameKey, Dn)>, DbError> {
        let texts: Vec<(i64, String)> = self
            .connection
            .prepare("SELECT key, target FROM stray WHERE store = ?1 AND looked_up = 0")
            .and_then(|mut s| s.query_map([self.store.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .during("read names")?;
        dns_of(texts)
    }

    /// A name that was looked up and found: links by this name mean that entry.
    pub(in crate::db) fn learn(&self, key: NameKey, entry: &NewEntry) -> Result<(), DbError> {
        let no = match self.by_id(entry.id)? {
            Some(known) => {
                self.renew(&known, entry)?;
                known.no
            }
            None => self.insert(entry, &|_| false)?,
        };
        if !self.is_bearer(key, no)? {
            self.bind(key, no)?;
        }
        self.forget_stray(key)
    }

    /// What a look-up says of an entry that was known. Of a watched one the feed will say it.
    fn renew(&self, known: &KnownEntry, read: &NewEntry) -> Result<(), DbError> {
        let apply = |write: Write| self.apply(&write, &|_| false).map(drop);
        if known.scope == Scope::Inside {
            return match known.kind {
                EntryKind::Container => apply(with_attributes_of(known, read)),
                EntryKind::User | EntryKind::Group | EntryKind::Contact => Ok(()),
            };
        }
        if known.key != read.dn.key() {
            apply(Write::Move { no: known.no, from: known.dn.clone(), to: read.dn.clone() })?;
        }
        apply(with_attributes_of(known, read))?;
        let held = self.links(known.no)?;
        let is_read = |role, key| read.mapped.links.iter().any(|link| (link.role, link.key) == (role, key));
        for link in held.iter().filter(|link| !is_read(link.role, link.key)) {
            apply(Write::RemoveLink { entry: known.no, role: link.role, key: link.key })?;
        }
        for link in &read.mapped.links {
            self.insert_link(known.no, link)?;
            self.remember_stray(link.key, &link.target)?;
        }
        Ok(())
    }

    /// The server shows nothing under this name: one whom another store knows, unless the name lies below our
    /// own base, else nobody. An entry outside that bore it keeps its name for who reads of it, but no mail goes
    /// where it is no more.
    pub(in crate::db) fn learn_of_nothing(&self, key: NameKey, dn: &Dn, base: &Dn) -> Result<(), DbError> {
        if !dn.is_within(base)
            && let Some(elsewhere) = self.in_another_store(key)?
        {
            return self.learn(key, &elsewhere);
        }
        let Some(bearer) = self.by_name(key)?.pop() else { return self.note_looked_up(key, dn) };
        if bearer.scope == Scope::Inside {
            return Ok(());
        }
        let attributes = self.schema.without_addresses(&bearer.attributes);
        let KnownEntry { no, kind, scope, account, stamp, .. } = bearer;
        self.apply(&Write::Update { no, kind, scope, account, stamp, attributes }, &|_| false).map(drop)
    }

    fn note_looked_up(&self, key: NameKey, dn: &Dn) -> Result<(), DbError> {
        self.insert_stray(key, &LinkTarget::Dn(dn.clone()))?;
        self.execute(
            "UPDATE stray SET looked_up = 1 WHERE store = ?1 AND key = ?2",
            params![self.store.0, key.0],
        )?;
        Ok(())
    }

    /// Whom another store watches under this name, as that store last read them.
    fn in_another_store(&self, key: NameKey) -> Result<Option<NewEntry>, DbError> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT no, id, kind, scope, dn, account_key, stamp, attributes, dn_key, parent_key FROM entry
                 WHERE dn_key = ?2 AND +store <> ?1 AND scope = 1 ORDER BY no LIMIT 1",
            )
            .and_then(|mut s| {
                s.query_row(params![self.store.0, key.0], |row| entry_at(row).map(Some)).or_else(no_row)
            })
            .during("find an entry of another store")?;
        // An account name means somebody of its own store only.
        Ok(found.map(|KnownEntry { id, kind, dn, attributes, .. }| NewEntry {
            id,
            dn,
            stamp: None,
            scope: Scope::Outside,
            mapped: MappedEntry { kind, attributes, links: Vec::new(), account: None },
        }))
    }
}

fn with_attributes_of(known: &KnownEntry, read: &NewEntry) -> Write {
    let MappedEntry { kind, attributes, account, .. } = &read.mapped;
    let (kind, account) = match known.scope {
        Scope::Inside => (known.kind, known.account),
        Scope::Outside => (*kind, *account),
    };
    Write::Update {
        no: known.no,
        kind,
        scope: known.scope,
        account,
        stamp: known.stamp.clone(),
        attributes: attributes.clone(),
    }
}

/// Looked up, not watched: as a feed would have delivered it, but without a stamp, so that a feed that does
/// deliver it is believed.
pub(in crate::db) fn outside(observed: &Observed) -> NewEntry {
    NewEntry {
        id: observed.id,
        dn: observed.dn.clone(),
        stamp: None,
        scope: Scope::Outside,
        mapped: observed.mapped.clone(),
    }
}
