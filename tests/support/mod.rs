//! What the tests stand on: real slapd servers, scripted servers, and patience with a limit.

pub mod ber;
pub mod certificates;
pub mod ldap;
pub mod scripted_ldap;
pub mod slapd;
pub mod wait;
