//! The first reading of a store: rows without comparison, indexes afterwards.

use std::hash::{BuildHasherDefault, Hasher};

use rusqlite::{CachedStatement, Connection};

use super::{
    DbError, StoreNo,
    error::During,
    ingest::StoreContext,
    mirror::{INDEXES, INSERT_ENTRY, INSERT_LINK, StoreMirror, insert_link_by},
};
use crate::{
    change::observation::{Observation, Observed},
    directory::{
        entry::EntryId,
        mirror::{NewEntry, Scope},
        schema::{Link, LinkTarget},
    },
};

/// The unique index on ids.
const IDS: &str = "mirror_entry_id";

/// The DNs that were delivered so far, so that only names nobody bears are written down as strays.
/// Eight bytes and the table's slack for each entry; gone when the baseline stands.
#[derive(Debug, Default)]
#[expect(clippy::disallowed_types, reason = "membership only, never iterated, and memory counts here")]
pub(super) struct Names(std::collections::HashSet<i64, BuildHasherDefault<AsItIs>>);

/// A key is a hash with secretless but well-mixed bits already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_i64(&mut self, key: i64) {
        self.0 = key.cast_unsigned();
    }
}

/// The statements of a load, looked up once for each batch.
struct Load<'a> {
    mirror: &'a StoreMirror<'a>,
    entry: CachedStatement<'a>,
    link: CachedStatement<'a>,
}

impl<'a> Load<'a> {
    fn new(mirror: &'a StoreMirror<'a>) -> Result<Self, DbError> {
        let prepare = |sql| mirror.connection.prepare_cached(sql).during("prepare a load");
        Ok(Self { mirror, entry: prepare(INSERT_ENTRY)?, link: prepare(INSERT_LINK)? })
    }
}

/// Begins anew: whatever an earlier attempt left is removed.
pub(super) fn begin(connection: &Connection, store: StoreNo) -> Result<(), DbError> {
    let alone: bool = connection
        .query_row("SELECT NOT EXISTS (SELECT 1 FROM entry WHERE store <> ?1)", [store.0], |row| row.get(0))
        .during("look for other stores")?;
    if alone {
        // Without a WHERE the pages are freed at once.
        connection.execute_batch("DELETE FROM link; DELETE FROM entry;").during("empty the mirror")?;
        for (name, _) in INDEXES {
            connection.execute_batch(&format!("DROP INDEX IF EXISTS {name};")).during("drop an index")?;
        }
    } else {
        ensure_indexes(connection)?;
        connection
            .execute("DELETE FROM link WHERE entry IN (SELECT no FROM entry WHERE store = ?1)", [store.0])
            .during("empty a store's links")?;
        connection.execute("DELETE FROM entry WHERE store = ?1", [store.0]).during("empty a store")?;
    }
    connection.execute("DELETE FROM stray WHERE store = ?1", [store.0]).during("empty a store's names")?;
    connection.execute("DELETE FROM finding WHERE store = ?1", [store.0]).during("empty findings")?;
    connection
        .execute("DELETE FROM former_name WHERE store = ?1", [store.0])
        .during("empty a store's former names")?;
    connection
        .execute("UPDATE store SET baseline = 'reading', entries = 0 WHERE no = ?1", [store.0])
        .during("begin a baseline")?;
    Ok(())
}

/// Stores readings as they come. Answers how many entries were new.
pub(super) fn load(
    connection: &Connection,
    context: &StoreContext,
    names: &mut Names,
    observations: Vec<Observation>,
) -> Result<u64, DbError> {
    let mirror = StoreMirror { connection, store: context.no, schema: &context.schema };
    let mut entries = 0;
    let mut load = Load::new(&mirror)?;
    let indexes_stand = has_index(connection, IDS)?;
    for observation in observations {
        match observation {
            Observation::Entry(observed) if context.tree.excludes(&observed.dn) => {
                if indexes_stand {
                    drop_entry(connection, context.no, observed.id)?;
                }
            }
            Observation::Entry(observed) => {
                if indexes_stand {
                    // Another store needs them: an entry that comes twice is met here and not at the end.
                    drop_entry(connection, context.no, observed.id)?;
                }
                load_entry(&mut load, names, observed)?;
                entries += 1;
            }
            Observation::Delete(delete) => {
                drop_entry(connection, context.no, delete.id)?;
            }
            // Nothing is known yet that could be modified, renamed or still be there.
            Observation::Delta(_) | Observation::Rename(_) | Observation::Present(_) => {}
        }
    }
    Ok(entries)
}

/// The entry as it came before, with its links.
fn drop_entry(connection: &Connection, store: StoreNo, id: EntryId) -> Result<(), DbError> {
    let parameters = rusqlite::params![store.0, id.0.as_bytes()];
    let known = "SELECT no FROM entry WHERE store = ?1 AND id = ?2";
    for sql in [
        format!("DELETE FROM link WHERE entry IN ({known})"),
        format!("DELETE FROM entry WHERE no IN ({known})"),
    ] {
        connection
            .prepare_cached(&sql)
            .and_then(|mut s| s.execute(parameters))
            .during("drop an entry from the baseline")?;
    }
    Ok(())
}

fn load_entry(load: &mut Load<'_>, names: &mut Names, observed: Observed) -> Result<(), DbError> {
    names.0.insert(observed.dn.key().0);
    let entry = NewEntry {
        id: observed.id,
        dn: observed.dn,
        stamp: observed.stamp,
        scope: Scope::Inside,
        mapped: observed.mapped,
    };
    let no = load.mirror.insert_row_by(&mut load.entry, &entry)?;
    for link in &entry.mapped.links {
        insert_link_by(&mut load.link, no, link)?;
        note_name(load.mirror, names, link)?;
    }
    Ok(())
}

fn note_name(mirror: &StoreMirror<'_>, names: &Names, link: &Link) -> Result<(), DbError> {
    let target: &LinkTarget = &link.target;
    if names.0.contains(&link.key.0) { Ok(()) } else { mirror.insert_stray(link.key, target) }
}

/// The whole baseline was read: indexes are built and names that turned out to be borne are dropped.
pub(super) fn finish(connection: &Connection, context: &StoreContext) -> Result<(), DbError> {
    if ensure_indexes(connection).is_err() {
        // An entry that changed while it was read may have come twice, which the unique index refuses.
        drop_older_readings(connection, context.no)?;
        ensure_indexes(connection)?;
    }
    drop_borne_names(connection, context)
}

/// The later reading counts.
fn drop_older_readings(connection: &Connection, store: StoreNo) -> Result<(), DbError> {
    connection
        .execute_batch(
            "CREATE TEMP TABLE older (no INTEGER PRIMARY KEY);
             INSERT INTO older SELECT no FROM (SELECT no, max(no) OVER (PARTITION BY store, id) AS newest FROM entry)
             WHERE no < newest;
             DELETE FROM link WHERE entry IN (SELECT no FROM older);
             DELETE FROM entry WHERE no IN (SELECT no FROM older);
             DROP TABLE older;",
        )
        .during("drop older readings")
        .map(|()| tracing::debug!(store.no = store.0, "dropped older readings of entries that came twice"))
}

pub(super) fn ensure_indexes(connection: &Connection) -> Result<(), DbError> {
    for (name, sql) in INDEXES {
        if !has_index(connection, name)? {
            connection.execute_batch(sql).during("build an index")?;
        }
    }
    Ok(())
}

fn has_index(connection: &Connection, name: &str) -> Result<bool, DbError> {
    connection
        .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)", [name], |row| row.get(0))
        .during("look for an index")
}

fn drop_borne_names(connection: &Connection, context: &StoreContext) -> Result<(), DbError> {
    connection
        .execute(
            "DELETE FROM stray WHERE store = ?1 AND (
                 EXISTS (SELECT 1 FROM entry WHERE dn_key = stray.key AND store = ?1) OR
                 EXISTS (SELECT 1 FROM entry WHERE account_key = stray.key AND store = ?1))",
            [context.no.0],
        )
        .during("drop names that are borne")?;
    let mirror = StoreMirror { connection, store: context.no, schema: &context.schema };
    connection
        .execute(
            "UPDATE store SET baseline = 'complete', entries = ?2 WHERE no = ?1",
            rusqlite::params![context.no.0, mirror.count_inside()?],
        )
        .during("complete a baseline")?;
    Ok(())
}
