//! What is said on standard error: the subscriber for log lines.

use std::io::{IsTerminal, stderr};

use tracing::Level;
use tracing_subscriber::{EnvFilter, fmt};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Log lines of `level` and above go to standard error from now on; those of libraries only as warnings,
/// because they may carry what we never log. The LDAP crate quotes messages in its
/// warnings and is silent.
pub fn start(format: LogFormat, level: Level) {
    let filter = EnvFilter::new(format!("warn,ldap3=off,dirherald={level}"));
    let lines = fmt().with_env_filter(filter).with_writer(stderr).with_target(false);
    match format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).init(),
    }
}
