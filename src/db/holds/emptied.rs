//! Asked when several groups have lost all their members at once, which is seldom: it may read every entry.

use rusqlite::{Connection, params};

use crate::{
    db::{DbError, StoreNo, error::During, rows::kind_code},
    directory::entry::EntryKind,
};

/// Whether more than `count` groups have members.
pub(super) fn has_more_groups_than(
    connection: &Connection,
    store: StoreNo,
    count: usize,
) -> Result<bool, DbError> {
    let behind = i64::try_from(count).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT 1 FROM entry WHERE store = ?1 AND kind = ?2 AND EXISTS
                 (SELECT 1 FROM link WHERE link.entry = entry.no AND role = 1 AND (target IS NULL OR target <> 0))
             LIMIT 1 OFFSET ?3",
        )
        .and_then(|mut s| s.exists(params![store.0, kind_code(EntryKind::Group), behind]))
        .during("look for groups with members")
}
