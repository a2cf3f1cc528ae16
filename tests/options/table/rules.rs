//! The rules that hold for all options.

mod groups;
mod people;
mod settings;

pub use groups::{group_recipients, removed_and_all_members};
pub use people::{addresses, do_not_notify, ignored_entries, not_written_to, one_person_in_several_parts};
pub use settings::{disabled_people_who_are_told, domains, hidden_actor, pilot};
