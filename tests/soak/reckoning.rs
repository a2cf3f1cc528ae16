//! What was changed beside who was told, slot by slot.
//!
//! What happened to a slot while dirherald could not look is seen in one look, as the difference between the
//! value before and the value after; so each row of changes is cut into groups, such that what each group comes
//! to is told, in order, and nothing else. A group may only hold changes of which it is not known that dirherald
//! had seen the one before the next was made. Of all ways to cut, the one that leaves the least unexplained is
//! taken; what it leaves is lost or false.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::ledger::{Fact, History, Ledger, Slot, Transition};

/// What dirherald said of one slot in one change set.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// When it learned of it.
    pub seen: Timestamp,
    /// With the events that say so, one each unless it says something twice.
    pub facts: BTreeMap<Fact, Vec<String>>,
}

/// For each event the addresses that were told of it, once for each Message-ID.
pub type Readers = BTreeMap<String, Vec<String>>;

/// That by `at` everything up to `covered` was stored.
#[derive(Debug, Clone, Copy)]
pub struct Proof {
    pub covered: Timestamp,
    pub at: Timestamp,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Reckoning {
    /// Facts that reached one reader.
    pub told: usize,
    pub lost: Vec<String>,
    pub made_up: Vec<String>,
    /// Changes that were told together with others, or undone by them, in one look.
    pub unseen: usize,
    /// For each told event when the change that it tells of was made, where that was one change.
    pub made_at: BTreeMap<String, Timestamp>,
}

/// Proofs, oldest first: neither of their times ever goes back.
#[derive(Debug, Default)]
pub struct Proofs(pub Vec<Proof>);

impl Proofs {
    /// Between two proofs.
    pub fn longest_silence(&self) -> Duration {
        let silences = self.0.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at));
        silences.max().map_or(Duration::ZERO, jiff::SignedDuration::unsigned_abs)
    }

    /// Whether it is known that what was done at `done` was stored before something else was begun.
    fn separate(&self, done: Timestamp, begun: Timestamp) -> bool {
        let first = self.0.partition_point(|proof| proof.covered < done);
        self.0.get(first).is_some_and(|proof| proof.at <= begun)
    }
}

/// One way to explain what was told up to some place.
#[derive(Debug, Clone, Copy)]
struct Way {
    cost: usize,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Begin,
    /// The changes from this one on came to nothing.
    Nothing(usize),
    /// The changes from this one on are what was told next.
    Match(usize),
    /// The changes from this one on were not told.
    Lost(usize),
    /// What was told next is nothing that happened.
    MadeUp,
}

impl Reckoning {
    /// `told` in the order in which it was learned.
    pub fn of(
        ledger: &Ledger,
        mut told: BTreeMap<Slot, Vec<Told>>,
        readers: &Readers,
        proofs: &Proofs,
    ) -> Self {
        let mut sum = Self::default();
        for (slot, history) in &ledger.0 {
            sum.add(slot, history, &told.remove(slot).unwrap_or_default(), readers, proofs);
        }
        for (slot, told) in told {
            sum.add(&slot, &History::default(), &told, readers, proofs);
        }
        sum
    }

    fn add(&mut self, slot: &Slot, history: &History, told: &[Told], readers: &Readers, proofs: &Proofs) {
        let (mut i, mut j) = (history.transitions.len(), told.len());
        let ways = ways(slot, history, told, proofs);
        while let Way { step, .. } = ways[i][j]
            && step != Step::Begin
        {
            match step {
                Step::Begin => break,
                Step::Nothing(from) => {
                    self.unseen += i - from;
                    i = from;
                }
                Step::Match(from) => {
                    self.unseen += i - from - 1;
                    self.compare_readers(slot, history, from..i, &told[j - 1], readers);
                    (i, j) = (from, j - 1);
                }
                Step::Lost(from) => {
                    let facts = slot.facts(history.value(from), history.value(i));
                    let Transition { begun, done, .. } = &history.transitions[i - 1];
                    let line = |fact| format!("{fact:?}, begun {begun}, done {done}: to nobody");
                    self.lost.extend(facts.iter().map(line));
                    i = from;
                }
                Step::MadeUp => {
                    let Told { seen, facts } = &told[j - 1];
                    self.made_up
                        .extend(facts.iter().map(|(fact, ids)| format!("{fact:?} seen {seen}: {ids:?}")));
                    j -= 1;
                }
            }
        }
    }

    /// Who was told of these changes, and who should have been.
    fn compare_readers(
        &mut self,
        slot: &Slot,
        history: &History,
        changes: std::ops::Range<usize>,
        told: &Told,
        readers: &Readers,
    ) {
        let last = &history.transitions[changes.end - 1];
        let named = slot.named(history.value(changes.start), history.value(changes.end));
        let expected: BTreeSet<_> = last.told.union(&named).cloned().collect();
        for (fact, ids) in &told.facts {
            let mut left = expected.clone();
            for reader in ids.iter().flat_map(|id| readers.get(id).into_iter().flatten()) {
                if left.remove(reader) {
                    self.told += 1;
                } else {
                    self.made_up.push(format!("{fact:?} to {reader}, {ids:?}"));
                }
            }
            self.lost.extend(left.iter().map(|reader| format!("{fact:?} to {reader}, {ids:?}")));
            if changes.len() == 1 {
                self.made_at.extend(ids.iter().map(|id| (id.clone(), last.done)));
            }
        }
    }
}

impl History {
    /// After so many changes.
    fn value(&self, changes: usize) -> &super::ledger::Value {
        changes.checked_sub(1).map_or(&self.first, |last| &self.transitions[last].to)
    }
}

/// The cheapest way to explain the first `i` changes by the first `j` things told, for all of them.
fn ways(slot: &Slot, history: &History, told: &[Told], proofs: &Proofs) -> Vec<Vec<Way>> {
    let begin = Way { cost: 0, step: Step::Begin };
    let mut ways: Vec<Vec<Way>> = Vec::new();
    for i in 0..=history.transitions.len() {
        ways.push(Vec::new());
        for j in 0..=told.len() {
            let mut options = Vec::new();
            if i == 0 && j == 0 {
                options.push(begin);
            }
            for (from, before) in ways.iter().enumerate().take(i).skip(first_together(history, i, proofs)) {
                let facts = slot.facts(history.value(from), history.value(i));
                if facts.is_empty() {
                    options.push(Way { cost: before[j].cost, step: Step::Nothing(from) });
                    continue;
                }
                options.push(Way { cost: before[j].cost + facts.len(), step: Step::Lost(from) });
                if j > 0 && says(&told[j - 1], &facts) && told[j - 1].seen >= history.transitions[i - 1].begun
                {
                    options.push(Way { cost: before[j - 1].cost, step: Step::Match(from) });
                }
            }
            if j > 0 {
                let cost = ways[i][j - 1].cost + told[j - 1].facts.values().map(Vec::len).sum::<usize>();
                options.push(Way { cost, step: Step::MadeUp });
            }
            let best = options.into_iter().min_by_key(|way| (way.cost, matches!(way.step, Step::Lost(_))));
            ways[i].push(best.expect("every place has a way to it"));
        }
    }
    ways
}

/// The first change that may be seen in one look with the last of these.
fn first_together(history: &History, end: usize, proofs: &Proofs) -> usize {
    let apart = |&n: &usize| {
        let (this, next) = (&history.transitions[n - 1], &history.transitions[n]);
        proofs.separate(this.done, next.begun)
    };
    (1..end).rev().find(apart).unwrap_or(0)
}

fn says(told: &Told, facts: &BTreeSet<Fact>) -> bool {
    told.facts.keys().eq(facts) && told.facts.values().all(|ids| ids.len() == 1)
}

#[cfg(test)]
mod tests {
    use super::{super::ledger::*, *};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small number")
    }

    fn slot() -> Slot {
        Slot::new(Kind::Member, "g1", "p1")
    }

    /// `+` and `-` at their second: joined, left. Told likewise, by readers after a colon.
    #[track_caller]
    fn check(changes: &str, told: &str, proofs: &[(i64, i64)], expected: (usize, usize, usize, usize)) {
        let parse = |line: &str| {
            let (second, rest) = line.split_at(line.find(['+', '-']).expect("a sign"));
            (at(second.parse().expect("a second")), rest.starts_with('+'), rest.to_owned())
        };
        let mut ledger = Ledger::default();
        for (when, joined, _) in changes.split_whitespace().map(parse) {
            let to = joined.then(|| "p1".to_owned()).into_iter().collect();
            let told = ["o".to_owned(), "p1".to_owned()].into();
            ledger.note(slot(), Transition { begun: when, done: when, to, told });
        }
        let (mut rows, mut readers) = (Vec::new(), Readers::new());
        for (seen, joined, who) in told.split_whitespace().map(parse) {
            let id = format!("e{}", rows.len());
            let change = if joined { "member-added" } else { "member-removed" }.to_owned();
            let fact = Fact { change, entry: "g1".to_owned(), subject: "p1".to_owned() };
            rows.push(Told { seen, facts: [(fact, vec![id.clone()])].into() });
            readers
                .insert(id, who.trim_start_matches(['+', '-', ':']).split(',').map(str::to_owned).collect());
        }
        let proofs = proofs.iter().map(|&(covered, when)| Proof { covered: at(covered), at: at(when) });
        let found = Reckoning::of(&ledger, [(slot(), rows)].into(), &readers, &Proofs(proofs.collect()));
        let found = (found.told, found.lost.len(), found.made_up.len(), found.unseen);
        assert_eq!(found, expected, "{changes} told as {told}");
    }

    #[test]
    fn each_reader_of_each_change_counts() {
        check("1+", "1+:o,p1", &[], (2, 0, 0, 0));
        check("1+", "1+:o", &[], (1, 1, 0, 0));
        check("1+", "1+:o,p1,p2", &[], (2, 0, 1, 0));
        check("1+", "1+:o,p1,p1", &[], (2, 0, 1, 0));
        check("1+", "", &[], (0, 1, 0, 0));
        check("1+", "1+:o,p1 2+:o,p1", &[], (2, 0, 1, 0));
        check("1+ 2-", "1+:o,p1 2-:o,p1", &[], (4, 0, 0, 0));
    }

    #[test]
    fn nothing_is_told_before_it_happens() {
        check("3+", "2+:o,p1", &[], (0, 1, 1, 0));
    }

    #[test]
    fn what_undid_itself_may_go_unseen_unless_it_is_known_to_have_been_seen() {
        check("1+ 3-", "", &[], (0, 0, 0, 2));
        check("1+ 3-", "", &[(1, 2)], (0, 2, 0, 0));
        check("1+ 3-", "", &[(1, 4)], (0, 0, 0, 2));
        check("1+ 3- 5+", "6+:o,p1", &[], (2, 0, 0, 2));
        check("1+ 3- 5+", "6+:o,p1", &[(1, 2)], (2, 0, 0, 2));
        check("1+ 3- 5+", "1+:o,p1", &[(1, 2), (3, 4)], (2, 2, 0, 0));
        check("1+ 3- 5+", "1+:o,p1 3-:o,p1 6+:o,p1", &[(1, 2), (3, 4)], (6, 0, 0, 0));
    }
}
