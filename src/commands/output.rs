//! Standard output.

use std::{
    fmt::Display,
    io::{self, BufWriter, StdoutLock, Write, stdout},
};

use serde::Serialize;

use super::CommandError;

/// Standard output, ours alone while it lives. What is not [finished](Self::finish) may not be seen.
pub(super) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(super) fn new() -> Self {
        Self(BufWriter::new(stdout().lock()))
    }

    pub(super) fn line(&mut self, line: impl Display) -> Result<(), CommandError> {
        writeln!(self.0, "{line}").map_err(CommandError::Output)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        self.0.write_all(bytes).map_err(CommandError::Output)
    }

    /// What somebody else writes.
    pub(super) fn with(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CommandError> {
        write(&mut self.0).map_err(CommandError::Output)
    }

    /// One object on a line of its own.
    pub(super) fn json(&mut self, object: &impl Serialize) -> Result<(), CommandError> {
        serde_json::to_writer(&mut self.0, object).map_err(|error| CommandError::Output(error.into()))?;
        self.line("")
    }

    /// What was written so far can be seen from now on.
    pub(super) fn flush(&mut self) -> Result<(), CommandError> {
        self.0.flush().map_err(CommandError::Output)
    }

    pub(super) fn finish(mut self) -> Result<(), CommandError> {
        self.flush()
    }
}

/// Remarks beside the output, for a person; nobody has to hear them.
pub(super) fn remark(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
