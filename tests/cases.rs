//! The numbered cases a trustworthy listener survives, and the promises of the whole: the real program between
//! real servers.

mod actors;
mod alerts;
mod comparison;
mod configuration;
mod digest;
mod disk;
mod garbage;
mod guard;
mod hour;
mod identity;
mod instances;
mod mail_server;
mod migrations;
mod people;
mod pilot;
mod poison;
mod pruning;
mod refresh;
mod restarts;
pub mod scene;
mod scope;
mod secrets;
mod set_aside;
mod smtp_faults;
mod trouble;
mod unprivileged;
