//! How far the first reading is: a bar on a terminal, a log line every few seconds otherwise.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::info;

const EVERY: Duration = Duration::from_secs(5);

/// The directory does not say how many entries there are, so this counts and gives a rate.
pub(super) struct Progress {
    begun: Instant,
    said: Instant,
    entries: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn begin(store: &str) -> Self {
        let begun = Instant::now();
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template("{spinner} {msg}: {human_pos} entries read, {per_sec}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.set_message(store.to_owned());
            bar
        });
        Self { begun, said: begun, entries: 0, bar }
    }

    pub(super) fn add(&mut self, entries: u64) {
        self.entries += entries;
        if let Some(bar) = &self.bar {
            bar.set_position(self.entries);
        } else if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            info!(entries = self.entries, seconds = self.begun.elapsed().as_secs(), "reading the directory");
        }
    }

    pub(super) fn end(self) {
        if let Some(bar) = &self.bar {
            bar.finish_with_message(format!("{} entries", HumanCount(self.entries)));
        }
        let milliseconds = self.begun.elapsed().as_millis();
        info!(entries = self.entries, milliseconds, "baseline stored; changes are told from now on");
    }
}
