//! The numbered cases a trustworthy listener survives, and the promises of the whole: the real program between
//! real servers.

mod identity;
mod mail_server;
mod people;
mod refresh;
mod restarts;
mod scene;
mod trouble;
