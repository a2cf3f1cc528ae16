//! The vocabulary of a directory: names, entries, attributes, batches, checkpoints, and the face of the
//! mirror. No I/O, and nothing of any LDAP crate.

pub mod attribute;
pub mod batch;
pub mod checkpoint;
pub mod dn;
pub mod entry;
pub mod filter;
#[cfg(test)]
mod fuzz;
pub mod mail_address;
pub mod mirror;
pub mod schema;
pub mod store_name;
mod stored;
mod text;
pub mod time;
pub mod watched;
