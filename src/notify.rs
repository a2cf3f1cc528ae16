//! Pure rules: who is told what, and the words of it.

pub mod options;
