//! Pure rules of comparison: what a reading means against the mirror.
//!
//! A reading is compared at once ([`reconcile()`]): out come rows for the mirror and a [`finding::Finding`].
//! Findings become events only when every name in them means somebody ([`settle`]): at once for a change as
//! it happens, together at the end of a refresh, because a refresh delivers a group before the member that
//! was created with it.

pub mod event;
pub mod finding;
pub mod guard;
pub mod modification;
pub mod observation;
pub mod purpose;
pub mod reconcile;
pub mod resolve;
pub mod settle;

pub use reconcile::reconcile;
