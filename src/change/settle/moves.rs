//! Who came into what is watched, or went out of it, and when.

use std::collections::BTreeMap;

use crate::{
    change::finding::{Finding, Found, Order},
    directory::mirror::{EntryNo, Scope},
};

/// Of each entry whose place changed among some findings: in which of them, and where it was before.
pub(super) struct Moves(BTreeMap<EntryNo, Vec<Move>>);

struct Move {
    at: usize,
    order: Order,
    from: Scope,
    /// It goes on to exist.
    lives: bool,
}

impl Moves {
    pub(super) fn of(findings: &[Finding]) -> Self {
        let mut moves: BTreeMap<EntryNo, Vec<Move>> = BTreeMap::new();
        for (at, finding) in findings.iter().enumerate() {
            let order = finding.order;
            let mut note = |no, from, lives| {
                moves.entry(no).or_default().push(Move { at, order, from, lives });
            };
            match &finding.found {
                Found::Entered => note(finding.no, Scope::Outside, true),
                Found::Left => note(finding.no, Scope::Inside, true),
                Found::Deleted(last) => note(finding.no, last.scope, false),
                Found::Created | Found::Changed { .. } => {}
            }
            for no in &finding.along.entered {
                note(*no, Scope::Outside, true);
            }
            for no in &finding.along.left {
                note(*no, Scope::Inside, true);
            }
        }
        Self(moves)
    }

    /// Where an entry was when the finding at this place was made. `None`: where it is now.
    pub(super) fn scope_then(&self, no: EntryNo, at: usize) -> Option<Scope> {
        self.0.get(&no)?.iter().find(|step| step.at > at).map(|step| step.from)
    }

    /// Whether a refresh found that the entry came or left, and does not say what else was before that.
    pub(super) fn in_a_refresh(&self, no: EntryNo) -> bool {
        let is_shuffled = |step: &Move| step.order == Order::Arbitrary && step.lives;
        self.0.get(&no).is_some_and(|steps| steps.iter().any(is_shuffled))
    }
}
