//! Times as directories write them.

use jiff::Timestamp;

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time: {reason}")]
pub struct TimeError {
    /// What is wrong, for a person.
    pub reason: &'static str,
}

/// GeneralizedTime (RFC 4517, section 3.3.13).
pub fn generalized_time(_text: &str) -> Result<Timestamp, TimeError> {
    Err(TimeError { reason: "not read yet" })
}

/// The time part of a change sequence number, `20261123101935.123456Z#000000#000#000000`.
pub fn csn_time(_csn: &str) -> Result<Timestamp, TimeError> {
    Err(TimeError { reason: "not read yet" })
}
