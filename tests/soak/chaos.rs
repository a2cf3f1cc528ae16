//! Kills, freezes and restarts the directory, the mail server and dirherald, each at its own random instants.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use dirherald::clock;
use jiff::Timestamp;
use tokio::time::Instant;

use super::watch::Watch;
use crate::support::{
    daemon::{Daemon, Site},
    postfix::Postfix,
    random::Random,
    slapd::{Slapd, process_state},
    wait,
};

/// What was done to whom.
#[derive(Debug, Default)]
pub struct Log {
    pub counts: BTreeMap<String, usize>,
    /// From before it was done until the victim ran again, and what it was.
    pub disturbances: Vec<(Timestamp, Timestamp, String)>,
    /// When dirherald was ended, by whatever means.
    pub ends: Vec<Timestamp>,
}

/// Of each minute so much is left in peace.
const CALM: Duration = Duration::from_secs(12);

#[derive(Debug, Clone, Copy)]
enum Blow {
    Kill,
    Freeze,
    Restart,
}

/// What all three share.
#[derive(Clone)]
pub struct Chaos {
    pub begin: Instant,
    pub until: Instant,
    pub log: Arc<Mutex<Log>>,
}

impl Chaos {
    /// The next instant for a blow, or `None`: it is over.
    async fn next(&self, random: &mut Random, most: usize) -> Option<Blow> {
        let wait = if random.percent(20) { random.below(400) } else { 1000 + random.below(most) };
        tokio::time::sleep(milliseconds(wait)).await;
        let minute = Duration::from_mins(1);
        let into = Duration::from_nanos(
            u64::try_from(self.begin.elapsed().as_nanos() % minute.as_nanos()).expect("less than a minute"),
        );
        if into + CALM > minute {
            tokio::time::sleep(minute.saturating_sub(into)).await;
        }
        let blow = match random.below(10) {
            0..5 => Blow::Kill,
            5..8 => Blow::Freeze,
            _ => Blow::Restart,
        };
        (Instant::now() < self.until).then_some(blow)
    }

    fn note(&self, victim: &str, blow: Blow, begun: Timestamp) {
        let mut log = self.log.lock().expect("nobody panics with the log in hand");
        let what = format!("{victim} {blow:?}").to_lowercase();
        *log.counts.entry(what.clone()).or_default() += 1;
        log.disturbances.push((begun, clock::now(), what));
    }

    /// Gives the server back, running.
    pub async fn torment_slapd(self, mut slapd: Slapd, mut random: Random) -> Slapd {
        while let Some(blow) = self.next(&mut random, 14_000).await {
            let begun = clock::now();
            match blow {
                Blow::Kill => slapd.kill(),
                Blow::Restart => slapd.stop(),
                Blow::Freeze => {
                    slapd.freeze();
                    tokio::time::sleep(milliseconds(200 + random.below(5000))).await;
                    slapd.thaw();
                }
            }
            if !matches!(blow, Blow::Freeze) {
                tokio::time::sleep(milliseconds(random.below(3000))).await;
                slapd.start_again();
            }
            self.note("slapd", blow, begun);
        }
        slapd
    }

    /// Likewise.
    pub async fn torment_postfix(self, mut postfix: Postfix, mut random: Random) -> Postfix {
        while let Some(blow) = self.next(&mut random, 12_000).await {
            let begun = clock::now();
            match blow {
                Blow::Kill => postfix.kill(),
                Blow::Restart => postfix.stop(),
                Blow::Freeze => {
                    postfix.freeze();
                    tokio::time::sleep(milliseconds(200 + random.below(8000))).await;
                    postfix.thaw();
                }
            }
            if !matches!(blow, Blow::Freeze) {
                tokio::time::sleep(milliseconds(random.below(3000))).await;
                postfix.start_again();
            }
            self.note("postfix", blow, begun);
        }
        postfix
    }

    /// Likewise.
    pub async fn torment_dirherald(
        self,
        site: Site,
        mut daemon: Daemon,
        watch: Arc<Watch>,
        mut random: Random,
    ) -> Daemon {
        watch.daemon.store(daemon.pid(), Ordering::Relaxed);
        while let Some(blow) = self.next(&mut random, 8000).await {
            let begun = clock::now();
            daemon.assert_runs();
            match blow {
                Blow::Kill => daemon.kill().await,
                Blow::Restart => {
                    // Before that it would not hear the signal.
                    wait::until("dirherald runs", || daemon.log().contains("dirherald runs").then_some(()));
                    daemon.stop().await;
                }
                Blow::Freeze => {
                    daemon.signal("STOP");
                    wait::until("dirherald is stopped", || {
                        (process_state(daemon.pid()) == Some('T')).then_some(())
                    });
                    tokio::time::sleep(milliseconds(100 + random.below(6000))).await;
                    daemon.signal("CONT");
                    self.note("dirherald", blow, begun);
                    continue;
                }
            }
            self.log.lock().expect("nobody panics with the log in hand").ends.push(clock::now());
            tokio::time::sleep(milliseconds(random.below(3000))).await;
            daemon = site.start();
            watch.daemon.store(daemon.pid(), Ordering::Relaxed);
            self.note("dirherald", blow, begun);
        }
        daemon
    }
}

fn milliseconds(milliseconds: usize) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).expect("a short while"))
}
