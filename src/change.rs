//! Pure rules of comparison: what a batch means against the mirror.

pub mod event;
