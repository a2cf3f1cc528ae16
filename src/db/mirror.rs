//! The mirror in SQL: the face the rules read through, and the writes they ask for.

pub(super) mod outsiders;

use rusqlite::{CachedStatement, Connection, Row, params};

use super::{
    StoreNo,
    error::{DbError, During},
    rows::{
        dn_at, from_json, json_at, kind_at, kind_code, meaning_at, meaning_code, role_at, role_code,
        role_range, scope_at, scope_code, to_json, uuid_at,
    },
};
use crate::{
    change::resolve::{describe, name_entry},
    directory::{
        dn::{Dn, NameKey},
        entry::{EntryId, EntryKind, EntryRef, Relation, Stamp},
        filter::WithGroups,
        mirror::{
            EntryNo, KnownEntry, KnownLink, Mirror, MirroredAttributes, NewEntry, People, Profile, Scope,
            Stray, Write,
        },
        schema::{Link, LinkTarget, Role, Schema},
        watched::WatchedTree,
    },
};

/// One store's mirror on an open connection.
pub(super) struct StoreMirror<'a> {
    pub(super) connection: &'a Connection,
    pub(super) store: StoreNo,
    pub(super) schema: &'a Schema,
}

/// The indexes that comparison needs. Random keys cost ten times less when they are sorted once at the end
/// of the first baseline than when they are inserted one by one.
pub(super) const INDEXES: &[(&str, &str)] = &[
    // The id first: an index that began with the store would be taken for every question about one store.
    ("mirror_entry_id", "CREATE UNIQUE INDEX mirror_entry_id ON entry (id, store)"),
    ("mirror_entry_dn", "CREATE INDEX mirror_entry_dn ON entry (dn_key)"),
    ("mirror_entry_parent", "CREATE INDEX mirror_entry_parent ON entry (parent_key)"),
    (
        "mirror_entry_account",
        "CREATE INDEX mirror_entry_account ON entry (account_key) WHERE account_key IS NOT NULL",
    ),
    ("mirror_link_key", "CREATE INDEX mirror_link_key ON link (key)"),
    ("mirror_link_target", "CREATE INDEX mirror_link_target ON link (target) WHERE target IS NOT NULL"),
];

/// Two questions, because one with OR may be answered by reading every entry of the store.
const BEARERS: &str = "SELECT no FROM entry WHERE dn_key = ?2 AND store = ?1
     UNION ALL SELECT no FROM entry WHERE account_key = ?2 AND store = ?1";
const BEARER: &str = "SELECT max(no) FROM (SELECT no FROM entry WHERE dn_key = ?2 AND store = ?1
     UNION ALL SELECT no FROM entry WHERE account_key = ?2 AND store = ?1)";

const ENTRY: &str =
    "SELECT no, id, kind, scope, dn, account_key, stamp, attributes, dn_key, parent_key FROM entry";

fn entry_at(row: &Row<'_>) -> rusqlite::Result<KnownEntry> {
    let stamp: Option<String> = row.get(6)?;
    Ok(KnownEntry {
        no: EntryNo(row.get(0)?),
        id: EntryId(uuid_at(row, 1)?),
        kind: kind_at(row, 2)?,
        scope: scope_at(row, 3)?,
        dn: dn_at(row, 4)?,
        key: NameKey(row.get(8)?),
        above: NameKey(row.get(9)?),
        account: row.get::<_, Option<i64>>(5)?.map(NameKey),
        stamp: stamp.as_deref().map(Stamp::from_csn),
        attributes: json_at(row, 7)?,
    })
}

fn link_at(row: &Row<'_>) -> rusqlite::Result<KnownLink> {
    Ok(KnownLink { role: role_at(row, 0)?, key: NameKey(row.get(1)?), meaning: meaning_at(row, 2)? })
}

fn no_row<T>(error: rusqlite::Error) -> rusqlite::Result<Option<T>> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(None),
        error => Err(error),
    }
}

impl StoreMirror<'_> {
    fn entry(
        &self,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Option<KnownEntry>, DbError> {
        self.connection
            .prepare_cached(&format!("{ENTRY} WHERE {condition}"))
            .and_then(|mut s| s.query_row(parameters, entry_at).map(Some).or_else(no_row))
            .during("read an entry")
    }

    /// The row of an entry.
    pub(super) fn no_of(&self, id: EntryId) -> Result<Option<EntryNo>, DbError> {
        self.connection
            .prepare_cached("SELECT no FROM entry WHERE store = ?1 AND id = ?2")
            .and_then(|mut s| {
                s.query_row(params![self.store.0, id.0.as_bytes()], |row| Ok(Some(EntryNo(row.get(0)?))))
                    .or_else(no_row)
            })
            .during("find an entry")
    }

    fn read_links(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<Vec<KnownLink>, DbError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut s| s.query_map(parameters, link_at)?.collect())
            .during("read links")
    }

    /// Whether `entry` is the one that bears `key` now.
    fn is_bearer(&self, key: NameKey, entry: EntryNo) -> Result<bool, DbError> {
        Ok(self.bearer(key)? == Some(entry))
    }

    /// The row of the entry that bears `key` now: the newest.
    fn bearer(&self, key: NameKey) -> Result<Option<EntryNo>, DbError> {
        self.connection
            .prepare_cached(BEARER)
            .and_then(|mut s| s.query_row(params![self.store.0, key.0], |row| row.get::<_, Option<i64>>(0)))
            .map(|no| no.map(EntryNo))
            .during("find an entry by name")
    }

    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<usize, DbError> {
        self.connection.prepare_cached(sql).and_then(|mut s| s.execute(parameters)).during("write the mirror")
    }

    /// Applies one write. An insert answers with the new row's number. `stands` says of which entries the
    /// present name is beyond doubt: a refresh has shown them already.
    pub(super) fn apply(&self, write: &Write, stands: Stands<'_>) -> Result<Option<EntryNo>, DbError> {
        match write {
            Write::Insert(entry) => return self.insert(entry, stands).map(Some),
            Write::Update { no, kind, scope, account, stamp, attributes } => {
                if self.scope_of(*no)? != Some(*scope) {
                    self.count(more_inside(*scope))?;
                }
                self.execute(
                    "UPDATE entry SET kind = ?2, scope = ?3, account_key = ?4, stamp = ?5, attributes = ?6
                     WHERE no = ?1",
                    params![
                        no.0,
                        kind_code(*kind),
                        scope_code(*scope),
                        account.map(|key| key.0),
                        stamp.as_ref().map(Stamp::as_str),
                        to_json(attributes)
                    ],
                )?;
                if let Some(account) = account {
                    self.forget_stray(*account)?;
                }
            }
            Write::Touch { no, stamp } => {
                self.execute("UPDATE entry SET stamp = ?2 WHERE no = ?1", params![no.0, stamp.as_str()])?;
            }
            Write::Move { no, from, to } => self.move_entry(*no, from, to, stands)?,
            Write::Rescope { no, scope } => {
                if !stands(*no) && self.scope_of(*no)?.is_some_and(|known| known != *scope) {
                    self.count(more_inside(*scope))?;
                    self.execute(
                        "UPDATE entry SET scope = ?2 WHERE no = ?1",
                        params![no.0, scope_code(*scope)],
                    )?;
                }
            }
            Write::Remove { no } => self.remove(*no)?,
            Write::AddLink { entry, role, key, target, meaning } => {
                self.execute(
                    "INSERT OR REPLACE INTO link (entry, role, key, target) VALUES (?1, ?2, ?3, ?4)",
                    params![entry.0, role_code(*role), key.0, meaning_code(*meaning)],
                )?;
                self.remember_stray(*key, target)?;
            }
            Write::RemoveLink { entry, role, key } => {
                self.execute(
                    "DELETE FROM link WHERE entry = ?1 AND role = ?2 AND key = ?3",
                    params![entry.0, role_code(*role), key.0],
                )?;
            }
            Write::Bind { key, to } => self.bind(*key, *to)?,
            Write::Revive { entry, role, key } => {
                self.execute(
                    "UPDATE link SET target = NULL WHERE entry = ?1 AND role = ?2 AND key = ?3",
                    params![entry.0, role_code(*role), key.0],
                )?;
            }
        }
        Ok(None)
    }

    fn insert(&self, entry: &NewEntry, stands: Stands<'_>) -> Result<EntryNo, DbError> {
        for former in self.by_name(entry.dn.key())? {
            self.displace(former.no, stands)?;
        }
        let no = self.insert_row(entry)?;
        if entry.scope == Scope::Inside {
            self.count(1)?;
        }
        self.forget_stray(entry.dn.key())?;
        if let Some(account) = entry.mapped.account {
            self.forget_stray(account)?;
        }
        for link in &entry.mapped.links {
            self.insert_link(no, link)?;
            self.remember_stray(link.key, &link.target)?;
        }
        Ok(no)
    }

    fn count(&self, more: i64) -> Result<(), DbError> {
        self.execute("UPDATE store SET entries = entries + ?2 WHERE no = ?1", params![self.store.0, more])?;
        Ok(())
    }

    /// The entry's own row and nothing else.
    fn insert_row(&self, entry: &NewEntry) -> Result<EntryNo, DbError> {
        let mut statement = self.connection.prepare_cached(INSERT_ENTRY).during("write the mirror")?;
        self.insert_row_by(&mut statement, entry)
    }

    /// As above; `statement` is [`INSERT_ENTRY`].
    pub(super) fn insert_row_by(
        &self,
        statement: &mut CachedStatement<'_>,
        entry: &NewEntry,
    ) -> Result<EntryNo, DbError> {
        statement
            .execute(params![
                self.store.0,
                entry.id.0.as_bytes(),
                kind_code(entry.mapped.kind),
                scope_code(entry.scope),
                entry.dn.as_str(),
                entry.dn.key().0,
                parent_key(&entry.dn).0,
                entry.mapped.account.map(|key| key.0),
                entry.stamp.as_ref().map(Stamp::as_str),
                to_json(&entry.mapped.attributes)
            ])
            .during("write the mirror")?;
        Ok(EntryNo(self.connection.last_insert_rowid()))
    }

    /// One link's row and nothing else.
    fn insert_link(&self, entry: EntryNo, link: &Link) -> Result<(), DbError> {
        let mut statement = self.connection.prepare_cached(INSERT_LINK).during("write the mirror")?;
        insert_link_by(&mut statement, entry, link)
    }

    /// Keeps the text of a name that no entry bears.
    fn remember_stray(&self, key: NameKey, target: &LinkTarget) -> Result<(), DbError> {
        if self.bearer(key)?.is_none() {
            self.insert_stray(key, target)?;
        }
        Ok(())
    }

    pub(super) fn insert_stray(&self, key: NameKey, target: &LinkTarget) -> Result<(), DbError> {
        self.execute(
            "INSERT OR IGNORE INTO stray (store, key, target) VALUES (?1, ?2, ?3)",
            params![self.store.0, key.0, to_json(target)],
        )?;
        Ok(())
    }

    fn forget_stray(&self, key: NameKey) -> Result<(), DbError> {
        self.execute("DELETE FROM stray WHERE store = ?1 AND key = ?2", params![self.store.0, key.0])?;
        Ok(())
    }

    fn bind(&self, key: NameKey, to: EntryNo) -> Result<(), DbError> {
        self.mean_by_name(key, to.0)
    }

    /// Sets whom the links of this store mean that meant the bearer of `key` until now.
    fn mean_by_name(&self, key: NameKey, target: i64) -> Result<(), DbError> {
        self.execute(
            "UPDATE link SET target = ?3 WHERE key = ?2 AND target IS NULL
             AND (SELECT store FROM entry WHERE no = link.entry) = ?1",
            params![self.store.0, key.0, target],
        )?;
        Ok(())
    }

    fn move_entry(&self, no: EntryNo, from: &Dn, to: &Dn, stands: Stands<'_>) -> Result<(), DbError> {
        if let Some(former) = self.other_bearer(to.key(), no)? {
            self.displace(former, stands)?;
        }
        self.rename(no, from, to, to.key(), stands)?;
        self.forget_stray(to.key())
    }

    /// Gives `no` and what lies below it other names, the entry itself to be found under `key`.
    fn rename(
        &self,
        no: EntryNo,
        from: &Dn,
        to: &Dn,
        key: NameKey,
        stands: Stands<'_>,
    ) -> Result<(), DbError> {
        let before = self.key_of(no)?;
        if before != key {
            self.bind_meant(before, no)?;
            for (child, dn) in self.names_below(before)? {
                if stands(child) {
                    continue;
                }
                if let Some(moved) = dn.with_base_replaced(from, to) {
                    self.move_along(child, &dn, &moved, key, stands)?;
                }
            }
        }
        self.execute(
            "UPDATE entry SET dn = ?2, dn_key = ?3, parent_key = ?4 WHERE no = ?1",
            params![no.0, to.as_str(), key.0, parent_key(to).0],
        )?;
        Ok(())
    }

    /// Moves an entry with the one above it, which is found under `above` now.
    fn move_along(
        &self,
        no: EntryNo,
        from: &Dn,
        to: &Dn,
        above: NameKey,
        stands: Stands<'_>,
    ) -> Result<(), DbError> {
        let key = match self.other_bearer(to.key(), no)? {
            Some(former) if stands(former) => nobodys_key(no),
            Some(former) => {
                self.displace(former, stands)?;
                to.key()
            }
            None => to.key(),
        };
        self.rename(no, from, to, key, stands)?;
        self.execute("UPDATE entry SET parent_key = ?2 WHERE no = ?1", params![no.0, above.0])?;
        Ok(())
    }

    /// Another entry was seen under this one's name: it keeps what it was called last, but is found by that
    /// no longer, nor is what lies below it.
    fn displace(&self, no: EntryNo, stands: Stands<'_>) -> Result<(), DbError> {
        let before = self.key_of(no)?;
        self.bind_meant(before, no)?;
        for (child, _) in self.names_below(before)? {
            if !stands(child) {
                self.displace(child, stands)?;
                self.execute(
                    "UPDATE entry SET parent_key = ?2 WHERE no = ?1",
                    params![child.0, nobodys_key(no).0],
                )?;
            }
        }
        self.execute("UPDATE entry SET dn_key = ?2 WHERE no = ?1", params![no.0, nobodys_key(no).0])?;
        Ok(())
    }

    /// Keeps the names of an entry and of all that will move with it.
    pub(super) fn keep_names(&self, no: EntryNo, stands: Stands<'_>) -> Result<(), DbError> {
        self.each_that_moves(no, stands, &mut |key, no| {
            self.execute(
                "INSERT OR REPLACE INTO former_name (store, key, entry) VALUES (?1, ?2, ?3)",
                params![self.store.0, key.0, no.0],
            )?;
            Ok(())
        })
    }

    /// An entry and all that will move with it, each with the name it has now.
    pub(super) fn each_that_moves(
        &self,
        no: EntryNo,
        stands: Stands<'_>,
        of: &mut dyn FnMut(NameKey, EntryNo) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        let mut moving = vec![no];
        while let Some(no) = moving.pop() {
            let key = self.key_of(no)?;
            of(key, no)?;
            let below = self.names_below(key)?.into_iter().map(|(child, _)| child);
            moving.extend(below.filter(|child| !stands(*child)));
        }
        Ok(())
    }

    /// One link means `no`, where nobody bears the name in it.
    pub(super) fn mean_if_nobodys(
        &self,
        holder: EntryNo,
        role: Role,
        key: NameKey,
        no: EntryNo,
    ) -> Result<(), DbError> {
        if self.bearer(key)?.is_none() {
            self.execute(
                "UPDATE link SET target = ?4 WHERE entry = ?1 AND role = ?2 AND key = ?3 AND target IS NULL",
                params![holder.0, role_code(role), key.0, no.0],
            )?;
        }
        Ok(())
    }

    /// Links by a kept name that nobody bears any more mean who bore it. Then no name is kept.
    pub(super) fn mean_by_kept_names(&self) -> Result<(), DbError> {
        let kept: Vec<(NameKey, EntryNo)> = self
            .connection
            .prepare_cached("SELECT key, entry FROM former_name WHERE store = ?1")
            .and_then(|mut s| {
                s.query_map([self.store.0], |row| Ok((NameKey(row.get(0)?), EntryNo(row.get(1)?))))?.collect()
            })
            .during("read former names")?;
        for (key, no) in kept {
            if self.bearer(key)?.is_none() && self.by_no(no)?.is_some() {
                self.bind(key, no)?;
                self.forget_stray(key)?;
            }
        }
        self.execute("DELETE FROM former_name WHERE store = ?1", [self.store.0])?;
        Ok(())
    }

    /// Links that mean `no` by `key` mean it for ever.
    fn bind_meant(&self, key: NameKey, no: EntryNo) -> Result<(), DbError> {
        if self.is_bearer(key, no)? { self.bind(key, no) } else { Ok(()) }
    }

    fn scope_of(&self, no: EntryNo) -> Result<Option<Scope>, DbError> {
        self.connection
            .prepare_cached("SELECT scope FROM entry WHERE no = ?1")
            .and_then(|mut s| s.query_row([no.0], |row| scope_at(row, 0).map(Some)).or_else(no_row))
            .during("read an entry")
    }

    fn key_of(&self, no: EntryNo) -> Result<NameKey, DbError> {
        self.connection
            .prepare_cached("SELECT dn_key FROM entry WHERE no = ?1")
            .and_then(|mut s| s.query_row([no.0], |row| Ok(NameKey(row.get(0)?))))
            .during("read an entry")
    }

    fn other_bearer(&self, key: NameKey, but: EntryNo) -> Result<Option<EntryNo>, DbError> {
        self.connection
            .prepare_cached("SELECT no FROM entry WHERE dn_key = ?2 AND +store = ?1 AND no <> ?3 LIMIT 1")
            .and_then(|mut s| {
                s.query_row(params![self.store.0, key.0, but.0], |row| Ok(Some(EntryNo(row.get(0)?))))
                    .or_else(no_row)
            })
            .during("find an entry by name")
    }

    /// Links of this store whose names may be borne by others than they mean.
    pub(super) fn links_by_borne_names(&self) -> Result<Vec<(EntryNo, KnownLink)>, DbError> {
        self.connection
            .prepare_cached(
                "SELECT role, key, target, entry FROM link
                 WHERE target IS NOT NULL AND (SELECT store FROM entry WHERE no = link.entry) = ?1
                 AND (EXISTS (SELECT 1 FROM entry
                              WHERE dn_key = link.key AND store = ?1 AND no <> link.target)
                      OR EXISTS (SELECT 1 FROM entry
                                 WHERE account_key = link.key AND store = ?1 AND no <> link.target))",
            )
            .and_then(|mut s| {
                s.query_map([self.store.0], |row| Ok((EntryNo(row.get(3)?), link_at(row)?)))?.collect()
            })
            .during("read links by names that are borne")
    }

    fn names_below(&self, parent: NameKey) -> Result<Vec<(EntryNo, Dn)>, DbError> {
        self.connection
            .prepare_cached("SELECT no, dn FROM entry WHERE parent_key = ?2 AND +store = ?1")
            .and_then(|mut s| {
                s.query_map(params![self.store.0, parent.0], |row| {
                    Ok((EntryNo(row.get(0)?), dn_at(row, 1)?))
                })?
                .collect()
            })
            .during("read the entries below one")
    }

    fn remove(&self, no: EntryNo) -> Result<(), DbError> {
        let Some(entry) = self.by_no(no)? else { return Ok(()) };
        if entry.scope == Scope::Inside {
            self.count(-1)?;
        }
        self.execute("UPDATE link SET target = 0 WHERE target = ?1", params![no.0])?;
        for key in [Some(entry.key), entry.account].into_iter().flatten() {
            if self.is_bearer(key, no)? {
                self.mean_by_name(key, 0)?;
            }
        }
        self.execute("DELETE FROM link WHERE entry = ?1", params![no.0])?;
        self.execute("DELETE FROM entry WHERE no = ?1", params![no.0])?;
        Ok(())
    }

    fn profile_of(&self, entry: KnownEntry) -> Result<Profile, DbError> {
        let groups = if self.schema.reads_groups() { self.groups_of(&entry)? } else { Vec::new() };
        let as_filtered = WithGroups { attributes: &entry.attributes, groups: &groups };
        Ok(Profile {
            entry: name_entry(self.schema, &entry),
            mail: self.schema.mail(&entry.attributes),
            account: self.schema.account(&entry.attributes),
            language: self.schema.language(&entry.attributes),
            disabled: self.schema.disabled(&as_filtered),
            expires: self.schema.expires(&entry.attributes),
            do_not_notify: self.schema.do_not_notify(&as_filtered),
            in_pilot: self.schema.in_pilot(&as_filtered),
            attributes: entry.attributes,
        })
    }

    /// The DNs of the groups that hold an entry as a direct member, each as often as it does.
    fn groups_of(&self, member: &KnownEntry) -> Result<Vec<Dn>, DbError> {
        let (first, last) = role_range(Relation::Member);
        let read = |sql: &str, parameters: &[i64]| -> Result<Vec<Dn>, DbError> {
            self.connection
                .prepare_cached(sql)
                .and_then(|mut s| {
                    s.query_map(rusqlite::params_from_iter(parameters), |row| dn_at(row, 0))?.collect()
                })
                .during("read the groups of an entry")
        };
        let mut groups = read(
            "SELECT holder.dn FROM link JOIN entry AS holder ON holder.no = link.entry
             WHERE link.target = ?1 AND link.role BETWEEN ?2 AND ?3",
            &[member.no.0, first, last],
        )?;
        for key in [Some(member.key), member.account].into_iter().flatten() {
            if self.is_bearer(key, member.no)? {
                groups.extend(read(
                    "SELECT holder.dn FROM link JOIN entry AS holder ON holder.no = link.entry
                     WHERE link.key = ?1 AND link.target IS NULL AND link.role BETWEEN ?2 AND ?3
                     AND +holder.store = ?4",
                    &[key.0, first, last, self.store.0],
                )?);
            }
        }
        Ok(groups)
    }

    /// Whether one of this store's users, groups and contacts is among the `shown`, excluded ones too, or there
    /// is none to show.
    pub(super) fn shows_anyone(&self, shown: impl Fn(EntryNo) -> bool) -> Result<bool, DbError> {
        let container = kind_code(EntryKind::Container);
        self.connection
            .prepare_cached("SELECT no, scope FROM entry WHERE store = ?1 AND kind <> ?2")
            .and_then(|mut s| {
                let mut rows = s.query(params![self.store.0, container])?;
                let mut nobody_to_show = true;
                while let Some(row) = rows.next()? {
                    nobody_to_show &= scope_at(row, 1)? == Scope::Outside;
                    if shown(EntryNo(row.get(0)?)) {
                        return Ok(true);
                    }
                }
                Ok(nobody_to_show)
            })
            .during("look for somebody who was shown")
    }

    /// This store's entries that the feed shows, watched or excluded, of the rows that are `wanted`, by number.
    /// Only they are held in memory.
    pub(super) fn shown(
        &self,
        tree: &WatchedTree,
        wanted: impl Fn(EntryNo) -> bool,
    ) -> Result<Vec<EntryId>, DbError> {
        self.connection
            .prepare_cached("SELECT no, id, scope, dn FROM entry WHERE store = ?1 ORDER BY no")
            .and_then(|mut s| {
                let mut rows = s.query([self.store.0])?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    let is_shown = match scope_at(row, 2)? {
                        Scope::Inside => true,
                        Scope::Outside => tree.has_gaps() && tree.excludes(&dn_at(row, 3)?),
                    };
                    if is_shown && wanted(EntryNo(row.get(0)?)) {
                        found.push(EntryId(uuid_at(row, 1)?));
                    }
                }
                Ok(found)
            })
            .during("read the entries of a store")
    }
}

pub(super) const INSERT_ENTRY: &str = "INSERT INTO entry
     (store, id, kind, scope, dn, dn_key, parent_key, account_key, stamp, attributes)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
pub(super) const INSERT_LINK: &str = "INSERT OR IGNORE INTO link (entry, role, key) VALUES (?1, ?2, ?3)";

/// `statement` is [`INSERT_LINK`].
pub(super) fn insert_link_by(
    statement: &mut CachedStatement<'_>,
    entry: EntryNo,
    link: &Link,
) -> Result<(), DbError> {
    statement.execute(params![entry.0, role_code(link.role), link.key.0]).map(drop).during("write the mirror")
}

/// Which entries' names are beyond doubt.
pub(super) type Stands<'a> = &'a dyn Fn(EntryNo) -> bool;

/// Under which an entry is filed that is found by no name: no hash of a name is so small but by chance.
fn nobodys_key(no: EntryNo) -> NameKey {
    NameKey(no.0)
}

/// How many more entries are watched when one takes on `scope`.
fn more_inside(scope: Scope) -> i64 {
    match scope {
        Scope::Inside => 1,
        Scope::Outside => -1,
    }
}

fn parent_key(dn: &Dn) -> NameKey {
    dn.parent().unwrap_or_else(Dn::root).key()
}

impl Mirror for StoreMirror<'_> {
    type Error = DbError;

    fn by_id(&self, id: EntryId) -> Result<Option<KnownEntry>, DbError> {
        self.entry("store = ?1 AND id = ?2", params![self.store.0, id.0.as_bytes()])
    }

    fn by_no(&self, no: EntryNo) -> Result<Option<KnownEntry>, DbError> {
        self.entry("no = ?1", [no.0])
    }

    fn by_name(&self, key: NameKey) -> Result<Vec<KnownEntry>, DbError> {
        self.connection
            .prepare_cached(&format!("{ENTRY} WHERE no IN ({BEARERS}) ORDER BY no"))
            .and_then(|mut s| s.query_map(params![self.store.0, key.0], entry_at)?.collect())
            .during("find an entry by name")
    }

    fn is_parent(&self, key: NameKey) -> Result<bool, DbError> {
        self.connection
            .prepare_cached("SELECT 1 FROM entry WHERE parent_key = ?2 AND +store = ?1 LIMIT 1")
            .and_then(|mut s| s.exists(params![self.store.0, key.0]))
            .during("look below an entry")
    }

    fn children(&self, key: NameKey) -> Result<Vec<KnownEntry>, DbError> {
        self.connection
            .prepare_cached(&format!("{ENTRY} WHERE parent_key = ?2 AND +store = ?1 ORDER BY no"))
            .and_then(|mut s| s.query_map(params![self.store.0, key.0], entry_at)?.collect())
            .during("read the entries below one")
    }

    fn unread_members(&self, group: EntryNo, at_most: usize) -> Result<Vec<(NameKey, Dn)>, DbError> {
        outsiders::unread_members(self, group, at_most)
    }

    fn links(&self, entry: EntryNo) -> Result<Vec<KnownLink>, DbError> {
        self.read_links("SELECT role, key, target FROM link WHERE entry = ?1 ORDER BY role, key", [entry.0])
    }

    fn links_of(&self, entry: EntryNo, relation: Relation) -> Result<Vec<KnownLink>, DbError> {
        let (first, last) = role_range(relation);
        self.read_links(
            "SELECT role, key, target FROM link WHERE entry = ?1 AND role BETWEEN ?2 AND ?3 ORDER BY role, key",
            params![entry.0, first, last],
        )
    }

    fn link(&self, entry: EntryNo, role: Role, key: NameKey) -> Result<Option<KnownLink>, DbError> {
        self.connection
            .prepare_cached("SELECT role, key, target FROM link WHERE entry = ?1 AND role = ?2 AND key = ?3")
            .and_then(|mut s| {
                s.query_row(params![entry.0, role_code(role), key.0], link_at).map(Some).or_else(no_row)
            })
            .during("read a link")
    }

    fn links_between(
        &self,
        entry: EntryNo,
        relation: Relation,
        target: &KnownEntry,
    ) -> Result<Vec<KnownLink>, DbError> {
        let (first, last) = role_range(relation);
        let mut links = self.read_links(
            "SELECT role, key, target FROM link
             WHERE target = ?1 AND entry = ?2 AND role BETWEEN ?3 AND ?4",
            params![target.no.0, entry.0, first, last],
        )?;
        for key in [Some(target.key), target.account].into_iter().flatten() {
            if self.is_bearer(key, target.no)? {
                links.extend(self.read_links(
                    "SELECT role, key, target FROM link
                     WHERE entry = ?1 AND role BETWEEN ?2 AND ?3 AND key = ?4 AND target IS NULL",
                    params![entry.0, first, last, key.0],
                )?);
            }
        }
        Ok(links)
    }

    fn links_to(&self, target: &KnownEntry) -> Result<Vec<(EntryNo, KnownLink)>, DbError> {
        let read = |sql: &str, parameters: &[i64]| -> Result<Vec<(EntryNo, KnownLink)>, DbError> {
            self.connection
                .prepare_cached(sql)
                .and_then(|mut s| {
                    s.query_map(rusqlite::params_from_iter(parameters), |row| {
                        Ok((EntryNo(row.get(3)?), link_at(row)?))
                    })?
                    .collect()
                })
                .during("read the links to an entry")
        };
        let mut links = read("SELECT role, key, target, entry FROM link WHERE target = ?1", &[target.no.0])?;
        for key in [Some(target.key), target.account].into_iter().flatten() {
            if self.is_bearer(key, target.no)? {
                links.extend(read(
                    "SELECT role, key, target, entry FROM link WHERE key = ?2 AND target IS NULL
                     AND (SELECT store FROM entry WHERE no = link.entry) = ?1",
                    &[self.store.0, key.0],
                )?);
            }
        }
        links.sort_by_key(|(entry, link)| (*entry, link.role, link.key));
        Ok(links)
    }

    fn stray(&self, key: NameKey) -> Result<Option<Stray>, DbError> {
        let found: Option<(String, bool)> = self
            .connection
            .prepare_cached("SELECT target, looked_up FROM stray WHERE store = ?1 AND key = ?2")
            .and_then(|mut s| {
                s.query_row(params![self.store.0, key.0], |row| Ok(Some((row.get(0)?, row.get(1)?))))
                    .or_else(no_row)
            })
            .during("read a name")?;
        found
            .map(|(target, looked_up)| Ok(Stray { target: from_json("name", &target)?, looked_up }))
            .transpose()
    }
}

impl People for StoreMirror<'_> {
    type Error = DbError;

    fn profile(&self, id: EntryId) -> Result<Option<Profile>, DbError> {
        self.by_id(id)?.map(|entry| self.profile_of(entry)).transpose()
    }

    fn members(&self, group: EntryId, limit: usize) -> Result<Vec<EntryRef>, DbError> {
        let Some(group) = self.by_id(group)? else { return Ok(Vec::new()) };
        let mut members = Vec::new();
        for link in self.links_of(group.no, Relation::Member)? {
            if members.len() == limit {
                break;
            }
            members.extend(describe(self, self.schema, &link)?);
        }
        Ok(members)
    }

    fn mail(&self, attributes: &MirroredAttributes) -> Vec<String> {
        self.schema.mail(attributes)
    }
}

impl StoreMirror<'_> {
    /// How many entries are watched.
    pub(super) fn count_inside(&self) -> Result<i64, DbError> {
        self.connection
            .query_row("SELECT count(*) FROM entry WHERE store = ?1 AND scope = 1", [self.store.0], |row| {
                row.get(0)
            })
            .during("count entries")
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::directory::{
        attribute::{AttributeName, RawAttributes},
        filter::Filter,
        schema::SchemaSettings,
    };

    const BASE: &str = "dc=acme,dc=example";

    fn dn(short: &str) -> Dn {
        Dn::parse(&format!("{short},{BASE}")).unwrap()
    }

    fn insert(mirror: &StoreMirror<'_>, number: u128, short: &str, attributes: &[(&str, &str)]) -> EntryId {
        let values = attributes.iter().map(|(name, value)| {
            let values = value.split(';').map(|value| value.as_bytes().to_vec()).collect();
            (AttributeName::new(name), values)
        });
        let id = EntryId(Uuid::from_u128(number));
        let mapped = mirror.schema.map(&dn(short), &RawAttributes(values.collect()));
        let entry = NewEntry { id, dn: dn(short), stamp: None, scope: Scope::Inside, mapped };
        mirror.apply(&Write::Insert(entry), &|_| false).unwrap();
        id
    }

    #[test]
    fn member_of_follows_the_members_of_groups_and_not_the_servers_attribute() {
        let connection = super::super::open::in_memory().unwrap();
        super::super::baseline::ensure_indexes(&connection).unwrap();
        connection
            .execute("INSERT INTO store (no, name, view) VALUES (1, 'a', ''), (2, 'b', '')", [])
            .unwrap();
        let filter = |text: &str| Some(Filter::parse(text).unwrap());
        let schema = Schema::new(SchemaSettings {
            pilot_filter: filter(&format!("(memberOf=CN=Pilot, ou=groups,{BASE})")),
            do_not_notify_filter: filter(&format!("(memberOf=cn=quiet,ou=groups,{BASE})")),
            disabled_filter: filter(&format!("(memberOf=cn=locked,ou=groups,{BASE})")),
            ..SchemaSettings::openldap()
        })
        .unwrap();
        let mirror = StoreMirror { connection: &connection, store: StoreNo(1), schema: &schema };
        let other = StoreMirror { connection: &connection, store: StoreNo(2), schema: &schema };

        let person = |number, uid: &str| {
            let attributes = [("objectClass", "inetOrgPerson"), ("uid", uid)];
            insert(&mirror, number, &format!("uid={uid},ou=people"), &attributes)
        };
        let (ada, ben, cem) = (person(1, "ada"), person(2, "ben"), person(3, "cem"));
        let names = |uids: &str| {
            uids.split(' ').map(|uid| format!("uid={uid},ou=people,{BASE}")).collect::<Vec<_>>().join(";")
        };
        let group = |mirror, number, cn: &str, attribute, values: &str| {
            let attributes = [("objectClass", "groupOfNames"), ("cn", cn), (attribute, values)];
            insert(mirror, number, &format!("cn={cn},ou=groups"), &attributes)
        };
        let pilot = group(&mirror, 10, "Pilot", "member", &names("ada ben"));
        group(&mirror, 11, "quiet", "memberUid", "ben;nobody");
        let ring = format!("cn=Pilot,ou=groups,{BASE}");
        group(&mirror, 12, "locked", "member", &ring);
        // An owner is no member, and another store's group is none of ours.
        group(&mirror, 13, "owned", "owner", &names("cem"));
        group(&other, 14, "Pilot", "member", &names("cem"));

        let check = |id, expected: [bool; 3]| {
            let profile = mirror.profile(id).unwrap().unwrap();
            let found = [profile.in_pilot, profile.do_not_notify, profile.disabled];
            assert_eq!(found, expected, "{}", profile.entry.name);
        };
        check(ada, [true, false, false]);
        check(ben, [true, true, false]);
        check(cem, [false, false, false]);
        // Directly only: those in the pilot are not locked, their group is.
        check(pilot, [false, false, true]);

        // The link follows a renamed member and a renamed group, and goes with its value.
        let no = mirror.no_of(ada).unwrap().unwrap();
        let (from, to) = (dn("uid=ada,ou=people"), dn("uid=adele,ou=people"));
        mirror.apply(&Write::Move { no, from, to }, &|_| false).unwrap();
        check(ada, [true, false, false]);
        let no = mirror.no_of(pilot).unwrap().unwrap();
        let (from, to) = (dn("cn=Pilot,ou=groups"), dn("cn=Former,ou=groups"));
        mirror.apply(&Write::Move { no, from, to }, &|_| false).unwrap();
        check(ada, [false, false, false]);
        let (from, to) = (dn("cn=Former,ou=groups"), dn("cn=pilot,ou=groups"));
        mirror.apply(&Write::Move { no, from, to }, &|_| false).unwrap();
        check(ada, [true, false, false]);
        let role = Role { relation: Relation::Member, rank: crate::directory::entry::Rank::Primary };
        let key = dn("uid=ben,ou=people").key();
        mirror.apply(&Write::RemoveLink { entry: no, role, key }, &|_| false).unwrap();
        check(ben, [false, true, false]);
    }

    /// How `SQLite` would run a statement.
    fn plan_of(sql: &str) -> String {
        let connection = super::super::open::in_memory().unwrap();
        super::super::baseline::ensure_indexes(&connection).unwrap();
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = vec![rusqlite::types::Value::Integer(1); statement.parameter_count()];
        let rows = statement
            .query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3))
            .unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    /// Statements of this file, as written between quotes.
    fn statements() -> Vec<String> {
        let here = include_str!("mirror.rs").split("mod tests").next().unwrap();
        let source = [here, include_str!("mirror/outsiders.rs")].concat();
        let assembled = [
            BEARER.to_owned(),
            format!("{ENTRY} WHERE no IN ({BEARERS}) ORDER BY no"),
            format!("{ENTRY} WHERE parent_key = ?2 AND +store = ?1 ORDER BY no"),
        ];
        source
            .split('"')
            .map(str::to_owned)
            .chain(assembled)
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|text| ["SELECT ", "UPDATE ", "DELETE "].iter().any(|verb| text.starts_with(verb)))
            .filter(|text| text.contains(" WHERE ") && !text.contains('{'))
            .collect()
    }

    #[test]
    fn no_statement_walks_a_whole_table() {
        let whole_store = [
            "SELECT no, id, scope, dn FROM entry WHERE store = ?1 ORDER BY no",
            "SELECT no, scope FROM entry WHERE store = ?1 AND kind",
            "SELECT count(*) FROM entry",
        ];
        let statements = statements();
        assert!(statements.len() > 15, "{statements:#?}");
        for sql in statements.iter().filter(|sql| !whole_store.iter().any(|start| sql.starts_with(start))) {
            let plan = plan_of(sql);
            assert!(!plan.contains("SCAN") && !plan.contains("mirror_entry_id (store=?)"), "{sql}\n{plan}");
        }
    }
}
