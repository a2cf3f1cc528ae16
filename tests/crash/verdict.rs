//! What was told in two runs, side by side.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// One person was told one fact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// The name of the contract, and for attributes the name and both values.
    pub change: String,
    pub entry: String,
    /// Empty: there is none.
    pub subject: String,
    pub recipient: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { change, entry, subject, recipient } = self;
        write!(f, "{change} {entry} {subject} -> {recipient}")
    }
}

/// How often each was told.
pub type Count = BTreeMap<Told, usize>;

/// What cannot be otherwise, by the plan of the series.
#[derive(Debug, Default)]
pub struct Excuses {
    /// What two steps told that undid each other: it is told as a whole or not at all.
    pub undone: Vec<Vec<Told>>,
    /// For steps that one look may show together with a change of the group's owners: what was told, and to
    /// whom else it may be.
    pub more_owners: BTreeSet<Told>,
    /// What nobody was told because somebody discarded it: change, entry, subject.
    pub discarded: BTreeSet<(String, String, String)>,
    /// What waited to be told when its recipient was dismissed, by the record of who was not told and why.
    pub to_the_dismissed: Count,
}

/// What is left to explain.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub lost: Count,
    pub made_up: Count,
    /// How many pairs of steps were not seen.
    pub cancelled: usize,
    /// How much was told to owners of before and after alike.
    pub to_more_owners: usize,
    /// How much was not told to whoever was dismissed meanwhile.
    pub to_the_dismissed: usize,
    /// How much nobody was told because it was discarded.
    pub discarded: usize,
}

impl Verdict {
    /// Compares a disturbed run with an undisturbed one.
    pub fn of(undisturbed: &Count, disturbed: &Count, excuses: &Excuses) -> Self {
        let lost = without(undisturbed, disturbed);
        let before = total(&lost);
        let mut lost = without(&lost, &excuses.to_the_dismissed);
        let to_the_dismissed = before - total(&lost);
        let mut made_up = without(disturbed, undisturbed);
        let mut cancelled = 0;
        for pair in &excuses.undone {
            let pair = count(pair.iter().cloned());
            let told = without(&pair, &lost);
            // The same may have been told of another step, to more owners than were due.
            let not_of_these = told.keys().all(|told| excuses.more_owners.contains(told));
            if told.len() < pair.len() && not_of_these {
                lost = without(&lost, &pair);
                for (told, times) in told {
                    *made_up.entry(told).or_default() += times;
                }
                cancelled += 1;
            }
        }
        let mut discarded = 0;
        lost.retain(|told, times| {
            let fact = (told.change.clone(), told.entry.clone(), told.subject.clone());
            let is_discarded = excuses.discarded.contains(&fact);
            if is_discarded {
                discarded += *times;
            }
            !is_discarded
        });
        let mut to_more_owners = 0;
        made_up.retain(|told, times| {
            let is_excused = excuses.more_owners.contains(told);
            if is_excused {
                to_more_owners += *times;
            }
            !is_excused
        });
        Self { lost, made_up, cancelled, to_more_owners, to_the_dismissed, discarded }
    }

    /// Of all episodes.
    pub fn sum(verdicts: impl IntoIterator<Item = Self>) -> Self {
        let mut sum = Self::default();
        for verdict in verdicts {
            add(&mut sum.lost, verdict.lost);
            add(&mut sum.made_up, verdict.made_up);
            sum.cancelled += verdict.cancelled;
            sum.to_more_owners += verdict.to_more_owners;
            sum.to_the_dismissed += verdict.to_the_dismissed;
            sum.discarded += verdict.discarded;
        }
        sum
    }

    /// Nothing was lost and nothing made up.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.made_up.is_empty()
    }
}

/// How often each is there.
pub fn count(told: impl IntoIterator<Item = Told>) -> Count {
    let mut count = Count::new();
    told.into_iter().for_each(|told| *count.entry(told).or_default() += 1);
    count
}

fn add(sum: &mut Count, count: Count) {
    for (told, times) in count {
        *sum.entry(told).or_default() += times;
    }
}

fn total(count: &Count) -> usize {
    count.values().sum()
}

/// What of all is left when those are taken away.
pub fn without(all: &Count, those: &Count) -> Count {
    let left = |(told, times): (&Told, &usize)| {
        let left = times.saturating_sub(*those.get(told).unwrap_or(&0));
        (left > 0).then(|| (told.clone(), left))
    };
    all.iter().filter_map(left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &str) -> Vec<Told> {
        let one = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let mut word = || words.next().expect("four words");
            Told { change: word(), entry: word(), subject: word(), recipient: word() }
        };
        lines.split(';').filter(|line| !line.trim().is_empty()).map(one).collect()
    }

    #[track_caller]
    fn check(undisturbed: &str, disturbed: &str, pairs: &[&str], lost: &str, made_up: &str) {
        let undone = pairs.iter().map(|pair| told(pair)).collect();
        let excuses = Excuses {
            undone,
            more_owners: told("added g1 p1 new").into_iter().collect(),
            to_the_dismissed: count(told("added g1 p1 gone")),
            discarded: [["added", "g1", "p9"].map(str::to_owned).into()].into(),
        };
        let verdict = Verdict::of(&count(told(undisturbed)), &count(told(disturbed)), &excuses);
        assert_eq!((verdict.lost, verdict.made_up), (count(told(lost)), count(told(made_up))));
    }

    #[test]
    fn what_differs_is_found() {
        check("added g1 p1 o", "added g1 p1 o", &[], "", "");
        check("added g1 p1 o", "", &[], "added g1 p1 o", "");
        check("", "added g1 p1 o", &[], "", "added g1 p1 o");
        check("added g1 p1 o", "added g1 p1 o; added g1 p1 o", &[], "", "added g1 p1 o");
        check("added g1 p1 o; added g1 p1 o", "added g1 p1 o", &[], "added g1 p1 o", "");
        check("added g1 p1 o", "added g1 p1 other", &[], "added g1 p1 o", "added g1 p1 other");
    }

    #[test]
    fn what_undid_itself_is_told_as_a_whole_or_not_at_all() {
        let pair = "added g1 p1 o; removed g1 p1 o";
        check(pair, "", &[pair], "", "");
        check(pair, pair, &[pair], "", "");
        check(pair, "added g1 p1 o", &[pair], "removed g1 p1 o", "");
        check(&format!("{pair}; {pair}"), pair, &[pair], "", "");
        check(&format!("{pair}; {pair}"), "", &[pair], pair, "");
        check(&format!("{pair}; {pair}"), "", &[pair, pair], "", "");
    }

    #[test]
    fn what_the_dismissed_were_not_told_is_on_record() {
        check("added g1 p1 gone", "", &[], "", "");
        check("added g1 p1 gone", "added g1 p1 gone", &[], "", "");
        check("added g1 p1 gone; added g1 p1 gone", "", &[], "added g1 p1 gone", "");
        check("added g1 p1 gone; removed g1 p1 gone", "", &[], "removed g1 p1 gone", "");
        check("", "added g1 p1 gone", &[], "", "added g1 p1 gone");
        let pair = "added g1 p1 o; added g1 p1 gone; removed g1 p1 o; removed g1 p1 gone";
        let told = "added g1 p1 o; removed g1 p1 o; removed g1 p1 gone";
        check(pair, told, &[pair], "", "");
    }

    #[test]
    fn what_was_discarded_is_told_to_nobody() {
        check("added g1 p9 o; added g1 p9 p9", "", &[], "", "");
        check("removed g1 p9 o; added g1 p9 o", "", &[], "removed g1 p9 o", "");
        check("added g1 p9 o", "added g1 p9 other", &[], "", "added g1 p9 other");
    }

    #[test]
    fn more_owners_are_told_where_the_plan_has_them() {
        check("added g1 p1 o", "added g1 p1 o; added g1 p1 new", &[], "", "");
        check("added g1 p1 o", "added g1 p1 o; added g1 p1 newer", &[], "", "added g1 p1 newer");
        let pair = "added g1 p1 o; added g1 p1 new; removed g1 p1 o; removed g1 p1 p1";
        check(&format!("{pair}; added g1 p1 p1"), "added g1 p1 new; added g1 p1 p1", &[pair], "", "");
    }
}
