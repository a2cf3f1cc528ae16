//! What a process took: time, processor, memory.

use std::{
    fmt, fs,
    process::{Child, Command},
    time::{Duration, Instant},
};

use crate::support::wait;

/// What one process took from its start to its end.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// By the clock on the wall.
    pub wall: Duration,
    /// The most memory it had resident, in bytes.
    pub peak_memory: u64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = self.peak_memory / 1_000_000;
        write!(f, "{:6.2} s, {megabytes} MB at the peak", self.wall.as_secs_f64())
    }
}

/// Runs a command to its end, which must be a success.
pub fn until_it_ends(mut command: Command) -> Measured {
    let start = Instant::now();
    let mut child = command.spawn().expect("starting the measured program");
    let mut peak_memory = 0;
    while child.try_wait().expect("asking for our own child").is_none() {
        peak_memory = peak_memory.max(peak_memory_of(&child).unwrap_or_default());
        wait::pause();
    }
    let wall = start.elapsed();
    let status = child.wait().expect("waiting for our own child");
    assert!(status.success(), "{command:?}: {status}");
    Measured { wall, peak_memory }
}

/// `VmHWM` of proc_pid_status(5), in bytes. `None` once the process has ended.
pub fn peak_memory_of(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The one in the middle by time; never of none.
pub fn median(rounds: &[Measured]) -> Measured {
    let mut sorted = rounds.to_vec();
    sorted.sort_by_key(|measured| measured.wall);
    sorted[sorted.len() / 2]
}
