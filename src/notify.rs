//! Pure rules: who is told what, and the words of it.
//!
//! [`table`] says which option fires on what and whom it tells, [`decide`](mod@decide) walks it for one change set,
//! [`recipients`] turns "the owners" into people with addresses, [`digest`] says which notifications share
//! a mail, [`render`](mod@render) writes it, [`explain`](mod@explain) says afterwards who was told and why.

pub mod alerts;
pub mod decide;
pub mod digest;
pub mod explain;
pub mod hindsight;
pub mod notification;
pub mod options;
pub mod reason;
pub mod recipients;
pub mod render;
pub mod table;

#[cfg(test)]
pub(crate) mod company;
