//! The only code that sees the LDAP crate.
