//! What the tests stand on: real slapd servers, scripted servers, and patience with a limit.

pub mod ber;
pub mod certificates;
pub mod daemon;
pub mod disk;
pub mod ldap;
pub mod mail;
pub mod postfix;
pub mod proxy;
pub mod random;
pub mod recording;
pub mod scripted_ldap;
pub mod slapd;
pub mod smtp;
pub mod wait;
