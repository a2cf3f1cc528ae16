//! Delivery states, retry, and the only code that sees the mail crate.

pub mod settings;
