//! dirherald watches an LDAP directory and writes to the people a change concerns.
//!
//! The folder tree is the way of the data:
//!
//! ```text
//!  directory ─► connector ─► INGEST ─────────► DISPATCH ───────► COMPOSE ─────────► DELIVER ─► SMTP
//!              feed + bell   batch vs mirror    who is told       digest windows      due messages
//!                            → events           → notifications   → rendered mails    → attempts
//! ```
//!
//! [`directory`] is the vocabulary, [`connector`] the only code that sees the LDAP crate, [`change`]
//! compares a batch with the mirror, [`notify`] decides who is told, [`outbox`] renders and delivers,
//! [`db`] is the only code that sees SQL, [`pipeline`] wires the four stages together,
//! [`jobs`] look after the state file as a whole.

pub mod change;
pub mod clock;
pub mod commands;
pub mod config;
pub mod connector;
pub mod db;
pub mod directory;
pub mod error_chain;
#[cfg(test)]
mod fuzz;
pub mod jobs;
pub mod notify;
pub mod outbox;
pub mod pipeline;
pub mod telemetry;
pub mod withheld;
