//! Hundreds of changes, and a daemon that is killed again and again while they are made: nothing may be lost,
//! nothing made up, nothing told twice but where the mail server's answer was lost.
//!
//! `make crash` is the long form. `DIRHERALD_CRASH_SEED`, `DIRHERALD_CRASH_RUNS`, `DIRHERALD_CRASH_CHANGES` and
//! `DIRHERALD_CRASH_EPISODES` say which series, how many, how long, and in how many episodes, in each of which
//! the daemon is killed at least once.

pub mod company;
pub mod directory;
pub mod run;
mod series;
mod verdict;
pub mod witness;

use std::time::Instant;

use self::{
    directory::Manner,
    run::{Outcome, Run},
    series::Series,
    verdict::{Verdict, count},
};

const MANNERS: [Manner; 3] = [Manner::Tidy, Manner::Forgetful, Manner::Dangling];

/// The same series twice, each on a directory of its own.
async fn check(seed: u64, changes: usize, episodes: usize) {
    let start = Instant::now();
    let manner = MANNERS[usize::try_from(seed).expect("a small number") % MANNERS.len()];
    let series = Series::new(seed, changes, episodes, manner);
    println!("seed {seed}: {changes} changes in {episodes} episodes, {manner:?}");
    let undisturbed = async { Run::prepare(&series, manner).await.undisturbed().await };
    let disturbed = async { Run::prepare(&series, manner).await.disturbed(seed).await };
    let (undisturbed, disturbed) = tokio::join!(undisturbed, disturbed);
    let verdict = Verdict::sum((0..episodes).map(|episode| {
        let excuses = run::excuses(&series, episode, &undisturbed, &disturbed);
        Verdict::of(&count(undisturbed.told_in(episode)), &count(disturbed.told_in(episode)), &excuses)
    }));
    let undone = series.steps.iter().filter(|step| step.undoes.is_some()).count();
    let tally = &disturbed.tally;
    println!(
        "seed {seed}: {} told, {} kills, slapd restarted {} times and killed {} times, {} duplicates at the SMTP gap, {} of {} undone pairs not seen, \
         {} told to owners of before and after, {} not told to people dismissed meanwhile, {} discarded, {:.1} s\n  killed with {:?}",
        disturbed.told.len(),
        tally.kills,
        tally.slapd_restarts,
        tally.slapd_kills,
        tally.duplicates,
        verdict.cancelled,
        undone,
        verdict.to_more_owners,
        verdict.to_the_dismissed,
        verdict.discarded,
        start.elapsed().as_secs_f64(),
        tally.edges
    );
    assert!(
        verdict.is_clean(),
        "seed {seed}, {manner:?}\n{}",
        report(&series, &undisturbed, &disturbed, &verdict)
    );
}

/// All that is needed to find out why.
fn report(series: &Series, undisturbed: &Outcome, disturbed: &Outcome, verdict: &Verdict) -> String {
    let told = |told: &verdict::Count| lines(told.iter().map(|(told, times)| format!("{times} x {told}")));
    let step = |(number, step): (usize, &series::Step)| {
        let episode = series.episode_of(number);
        format!("episode {episode} step {number}: {:?}, undoes {:?}", step.act, step.undoes)
    };
    [
        ("lost", told(&verdict.lost)),
        ("made up", told(&verdict.made_up)),
        ("steps", lines(series.steps.iter().enumerate().map(step))),
        ("events, undisturbed", lines(&undisturbed.events)),
        ("events, disturbed", lines(&disturbed.events)),
        ("skipped, disturbed", lines(&disturbed.skipped)),
        ("log", disturbed.log.clone()),
    ]
    .map(|(title, text)| format!("{title}:\n{text}\n"))
    .concat()
}

fn lines(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    text
}

fn setting(name: &str, otherwise: u64) -> u64 {
    let name = format!("DIRHERALD_CRASH_{name}");
    std::env::var(&name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m02_killed_again_and_again_it_loses_nothing_and_makes_nothing_up() {
    let length = |name, otherwise| usize::try_from(setting(name, otherwise)).expect("a small number");
    let (changes, episodes) = (length("CHANGES", 100), length("EPISODES", 10));
    let first = setting("SEED", 1);
    for seed in first..first + setting("RUNS", 1) {
        check(seed, changes, episodes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m06_killed_while_the_guard_holds_releases_and_discards() {
    check(5, 60, 6).await;
}
