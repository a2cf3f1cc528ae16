//! Between columns and types.

use jiff::Timestamp;
use rusqlite::{Row, types::Type};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::error::DbError;
use crate::directory::{
    dn::Dn,
    entry::{EntryKind, Rank, Relation},
    mirror::{EntryNo, Meaning, Scope},
    schema::Role,
};

pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(super) fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types serialise")
}

pub(super) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|source| DbError::Corrupt { what, source: source.into() })
}

/// For use inside a row mapping, where only `rusqlite`'s error fits.
pub(super) fn unreadable(
    column: usize,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, source.into())
}

pub(super) fn uuid_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    Ok(Uuid::from_bytes(row.get(column)?))
}

pub(super) fn count_at(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

pub(super) fn dn_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Dn> {
    Dn::parse(row.get_ref(column)?.as_str()?).map_err(|source| unreadable(column, source))
}

pub(super) fn json_at<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|source| unreadable(column, source))
}

pub(super) fn kind_code(kind: EntryKind) -> i64 {
    match kind {
        EntryKind::User => 1,
        EntryKind::Group => 2,
        EntryKind::Contact => 3,
        EntryKind::Container => 4,
    }
}

pub(super) fn kind_at(row: &Row<'_>, column: usize) -> rusqlite::Result<EntryKind> {
    let code: i64 = row.get(column)?;
    [EntryKind::User, EntryKind::Group, EntryKind::Contact, EntryKind::Container]
        .into_iter()
        .find(|kind| kind_code(*kind) == code)
        .ok_or_else(|| unreadable(column, "unknown kind of entry"))
}

pub(super) fn scope_code(scope: Scope) -> i64 {
    match scope {
        Scope::Inside => 1,
        Scope::Outside => 2,
    }
}

pub(super) fn scope_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Scope> {
    let code: i64 = row.get(column)?;
    Ok(if code == scope_code(Scope::Inside) { Scope::Inside } else { Scope::Outside })
}

/// Roles in the order in which their type orders them, so that both sides of a comparison sort alike.
const ROLES: [Role; 5] = [
    Role { relation: Relation::Member, rank: Rank::Primary },
    Role { relation: Relation::Owner, rank: Rank::Primary },
    Role { relation: Relation::Owner, rank: Rank::Additional },
    Role { relation: Relation::Manager, rank: Rank::Primary },
    Role { relation: Relation::Manager, rank: Rank::Additional },
];

pub(super) fn role_code(role: Role) -> i64 {
    match (role.relation, role.rank) {
        (Relation::Member, _) => 1,
        (Relation::Owner, Rank::Primary) => 2,
        (Relation::Owner, Rank::Additional) => 3,
        (Relation::Manager, Rank::Primary) => 4,
        (Relation::Manager, Rank::Additional) => 5,
    }
}

pub(super) fn role_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Role> {
    let code: i64 = row.get(column)?;
    ROLES
        .into_iter()
        .find(|role| role_code(*role) == code)
        .ok_or_else(|| unreadable(column, "unknown role of a link"))
}

/// First and last code of a relation's roles.
pub(super) fn role_range(relation: Relation) -> (i64, i64) {
    match relation {
        Relation::Member => (1, 1),
        Relation::Owner => (2, 3),
        Relation::Manager => (4, 5),
    }
}

pub(super) fn meaning_code(meaning: Meaning) -> Option<i64> {
    match meaning {
        Meaning::ByName => None,
        Meaning::Gone => Some(0),
        Meaning::Bound(no) => Some(no.0),
    }
}

pub(super) fn meaning_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Meaning> {
    let code: Option<i64> = row.get(column)?;
    Ok(match code {
        None => Meaning::ByName,
        Some(0) => Meaning::Gone,
        Some(no) => Meaning::Bound(EntryNo(no)),
    })
}
