//! The only reader of wall time. Everything else takes `now` as an argument.

use jiff::Timestamp;

/// The present instant of this machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
