//! The numbered cases a trustworthy listener survives, and the promises of the whole: the real program between
//! real servers.

mod actors;
mod alerts;
mod configuration;
mod digest;
mod hour;
mod identity;
mod mail_server;
mod people;
mod pilot;
mod refresh;
mod restarts;
mod scene;
mod scope;
mod secrets;
mod set_aside;
mod trouble;
