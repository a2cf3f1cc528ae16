//! What goes on beside the four stages, for the state file as a whole.

pub mod prune;
pub mod state_file;
