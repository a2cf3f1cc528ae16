//! How long is waited for what.

use std::time::Duration;

/// Every wait of the connector has a limit.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// For each address that a server's name stands for; and for the TLS handshake.
    pub connect: Duration,
    /// For the answer to a bind, a look-up, or any other single request.
    pub request: Duration,
    /// So often the server is asked for a sign of life, and has as long to give it: one that freezes is
    /// noticed within two heartbeats.
    pub heartbeat: Duration,
    /// For what gets us on, while the server gives signs of life: the next message of a refresh or of a search
    /// below a name, and the answer to a heartbeat while other bytes come.
    pub refresh: Duration,
    /// How long readings of a refresh are gathered before they are handed on.
    pub gather: Duration,
    /// Waits between attempts.
    pub retry: RetryRange,
    /// Waits between attempts that only a person can make succeed.
    pub slow_retry: RetryRange,
    /// How long a server that is behind our checkpoint may take to catch up before everything is compared.
    pub went_back: Duration,
}

/// Waits double from `first` to `last`, with jitter; `last` is never exceeded.
#[derive(Debug, Clone, Copy)]
pub struct RetryRange {
    /// After the first failure.
    pub first: Duration,
    /// From then on.
    pub last: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(10),
            request: seconds(30),
            heartbeat: seconds(30),
            refresh: Duration::from_mins(5),
            gather: Duration::from_millis(100),
            retry: RetryRange { first: seconds(1), last: Duration::from_mins(1) },
            slow_retry: RetryRange { first: Duration::from_mins(1), last: Duration::from_mins(10) },
            went_back: Duration::from_mins(5),
        }
    }
}
