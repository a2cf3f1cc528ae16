//! Looks at the state file while dirherald works on it: how far it is, and what is known to have been seen.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::reckoning::{Proof, Proofs};
use crate::crash::witness::Witness;
use dirherald::clock;

/// Shared by all.
#[derive(Debug, Default)]
pub struct Watch {
    /// In microseconds: what was done by then is told or written into a mail.
    settled: AtomicI64,
    proofs: Mutex<Vec<Proof>>,
    /// Of the running dirherald. 0: none runs.
    pub daemon: AtomicU32,
    peak_rss_kib: AtomicU64,
    peak_state_bytes: AtomicU64,
    pub ends: AtomicBool,
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(40);

/// What is waited for before everything up to `covered` is settled.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    Nothing,
    /// These change sets are to be dispatched.
    Dispatch {
        covered: Timestamp,
        last: i64,
    },
    /// These notifications are to be written.
    Mails {
        covered: Timestamp,
        last: i64,
    },
}

impl Watch {
    /// What was done by then is told or written into a mail, and nobody who is dismissed now goes without it.
    pub fn settled(&self) -> Timestamp {
        Timestamp::from_microsecond(self.settled.load(Ordering::Relaxed)).expect("an instant")
    }

    /// All that was noted.
    pub fn proofs(&self) -> Proofs {
        Proofs(self.proofs.lock().expect("no look panics").clone())
    }

    /// The most that dirherald held in memory, in KiB.
    pub fn peak_rss_kib(&self) -> u64 {
        self.peak_rss_kib.load(Ordering::Relaxed)
    }

    /// The most that the state file and its log had, in bytes.
    pub fn peak_state_bytes(&self) -> u64 {
        self.peak_state_bytes.load(Ordering::Relaxed)
    }

    /// Looks until told to end.
    pub async fn run(&self, state_file: PathBuf) {
        let witness = Witness::of(&state_file);
        let mut waiting = Waiting::Nothing;
        while !self.ends.load(Ordering::Relaxed) {
            self.note_proof(&witness);
            waiting = self.step(&witness, waiting);
            self.note_sizes(&state_file);
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn note_proof(&self, witness: &Witness) {
        let Some(covered) = covered(witness) else { return };
        let mut proofs = self.proofs.lock().expect("no look panics");
        if proofs.last().is_none_or(|last| last.covered < covered) {
            proofs.push(Proof { covered, at: clock::now() });
        }
    }

    fn step(&self, witness: &Witness, waiting: Waiting) -> Waiting {
        match waiting {
            Waiting::Nothing => match covered(witness) {
                Some(covered) => Waiting::Dispatch { covered, last: witness.last_change_set() },
                None => Waiting::Nothing,
            },
            Waiting::Dispatch { covered, last } if !witness.dispatches_up_to(last) => {
                Waiting::Mails { covered, last: witness.last_notification() }
            }
            Waiting::Mails { covered, last } if !witness.waits_up_to(last) => {
                self.settled.fetch_max(covered.as_microsecond(), Ordering::Relaxed);
                Waiting::Nothing
            }
            Waiting::Dispatch { .. } | Waiting::Mails { .. } => waiting,
        }
    }

    fn note_sizes(&self, state_file: &std::path::Path) {
        let wal = state_file.with_extension("db-wal");
        let size = |path: &std::path::Path| fs::metadata(path).map_or(0, |file| file.len());
        self.peak_state_bytes.fetch_max(size(state_file) + size(&wal), Ordering::Relaxed);
        let pid = self.daemon.load(Ordering::Relaxed);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|line| line.split_whitespace().next()?.parse().ok());
        self.peak_rss_kib.fetch_max(peak.unwrap_or(0), Ordering::Relaxed);
    }
}

/// Up to when everything is stored as events. `None`: some waits for the end of a refresh or for a name.
fn covered(witness: &Witness) -> Option<Timestamp> {
    let covered = csn_time(&witness.checkpoint())?;
    (!witness.keeps_findings()).then_some(covered)
}

/// The time of the last CSN of a cookie (RFC 4533 leaves its form to the server): `…csn=YYYYmmddHHMMSS.ffffffZ#…`.
fn csn_time(cookie: &str) -> Option<Timestamp> {
    let (_, csn) = cookie.split_once("csn=")?;
    let (time, _) = csn.split_once('Z')?;
    let time = DateTime::strptime("%Y%m%d%H%M%S%.f", time).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}
