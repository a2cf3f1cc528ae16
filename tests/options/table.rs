//! The table: for each kind of change the exact mails. Rows are written for what a directory *means*; each
//! server's suite carries them out in its own way, and what it cannot do it leaves out by class or field.

mod entries;
mod members;
mod owners;
mod people;
mod together;

pub use people::{addresses, group_recipients, not_written_to, one_person_in_several_parts};

use super::row::Row;

/// Every kind of change.
pub fn changes() -> Vec<Row> {
    [
        members::members(),
        members::member_spellings(),
        owners::owners(),
        entries::groups(),
        entries::users(),
        entries::places(),
        together::groups_in_groups(),
        together::at_once(),
    ]
    .concat()
}
