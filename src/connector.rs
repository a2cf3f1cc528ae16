//! The only code that sees the LDAP crate.

pub mod settings;
