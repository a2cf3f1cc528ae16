//! The numbered cases a trustworthy listener survives, and the promises of the whole: the real program between
//! real servers.

mod refresh;
mod scene;
