//! The connector against real slapd servers, and against scripted ones where no slapd would do it.

mod connections;
mod cuts;
mod faults;
mod following;
mod live;
mod lookups;
mod recordings;
mod refresh;
mod silence;
mod stalls;
mod trouble;
