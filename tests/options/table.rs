//! The table of options, in the order of the document that they come from: for each option what it fires on and
//! what not, whom it tells and whom not. Each row says the exact mails with all options on; what is left of them
//! with one option alone follows.
//!
//! Rows are written for what a directory *means*; each server's suite carries them out in its own way, and what
//! it cannot do it leaves out by class or field.

mod logged_in_users;
mod owner;

mod manager;

mod object_modified;

mod public_group_owner;

mod added_members;
mod removed_members;

mod recipients;

mod rules;
mod together;

pub use rules::{
    addresses, disabled_people_who_are_told, do_not_notify, domains, group_recipients, hidden_actor,
    ignored_entries, not_written_to, one_person_in_several_parts, pilot, removed_and_all_members,
};

use super::row::{Class, Entry, Field, Row, and, entry, group, people, person};

/// Every option that fires on changes, in order, and several things at once.
pub fn options() -> Vec<Row> {
    [
        logged_in_users::rows(),
        owner::rows(),
        manager::rows(),
        object_modified::rows(),
        public_group_owner::rows(),
        added_members::rows(),
        removed_members::rows(),
        recipients::rows(),
        together::rows(),
    ]
    .concat()
}

/// Olga owns it, Ann and Ben belong to it.
fn crew() -> Entry {
    group("crew").owners("olga").members("ann ben")
}

/// The crew with its people, and more.
fn with_crew(more: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    and(and(people("ann ben olga"), [crew()]), more)
}

/// Maud manages her.
fn una() -> Entry {
    person("una").managers("maud")
}

/// Una with her manager, and more.
fn with_una(more: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    and(and(people("maud"), [una()]), more)
}

/// Olga owns it, Ann belongs to it by `uniqueMember`.
fn unique_crew() -> Entry {
    entry("crew", Class::UniqueGroup).owners("olga").with(Field::UniqueMember, "ann")
}

/// Olga owns it, Ann belongs to it by `memberUid`.
fn posix_crew() -> Entry {
    entry("crew", Class::PosixGroup).owners("olga").with(Field::MemberUid, "ann")
}
