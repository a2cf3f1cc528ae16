//! The connector against real slapd servers, and against scripted ones where no slapd would do it.

mod connections;
mod following;
mod live;
mod lookups;
mod refresh;
mod trouble;
