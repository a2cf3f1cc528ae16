//! What several findings that are told together say of one and the same link.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use super::whom_came;
use crate::{
    change::{
        finding::{Came, Finding, Found, Losing, Order, Went},
        resolve::name_entry,
    },
    directory::{
        dn::NameKey,
        entry::{EntryId, EntryRef},
        mirror::{EntryNo, Mirror, Scope},
        schema::{Role, Schema},
    },
};

/// Makes of several findings what they say together.
pub(super) fn combine<M: Mirror>(
    findings: &mut [Finding],
    schema: &Schema,
    mirror: &M,
) -> Result<(), M::Error> {
    name_departures(findings, schema, mirror)?;
    merge_shuffled(findings);
    bury_first(findings);
    hand_over_departures(findings, mirror)
}

/// A name is free before another entry takes it. Where a refresh showed the new bearer before the end of the
/// old one (rule 4), what became of the old one is told first: else it would look as if the new one were gone.
fn bury_first(findings: &mut [Finding]) {
    let mut created = BTreeMap::new();
    let mut buried = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        match &finding.found {
            Found::Created | Found::Entered => {
                created.entry(finding.entry.dn.key()).or_insert((at, finding.no));
            }
            Found::Deleted(_) => {
                let another = created.get(&finding.entry.dn.key()).filter(|(_, no)| *no != finding.no);
                buried.extend(another.map(|(before, _)| (finding.no, *before)));
            }
            Found::Changed { .. } | Found::Left => {}
        }
    }
    let place = |at, no| match buried.get(&no) {
        Some(&before) if before < at => (before, 0),
        Some(_) | None => (at, 1),
    };
    // The keys are asked for once each, in the findings' order.
    let mut at = 0;
    findings.sort_by_cached_key(|finding| {
        at += 1;
        place(at - 1, finding.no)
    });
}

/// Under which a value is filed.
type Value = (EntryNo, Role, NameKey);

/// A value that went before its name meant somebody meant who bears it now: one that came only since the last
/// events were told, or whom a look-up found.
fn name_departures<M: Mirror>(findings: &mut [Finding], schema: &Schema, mirror: &M) -> Result<(), M::Error> {
    let came: BTreeSet<Value> = findings
        .iter()
        .flat_map(|finding| finding.came.iter().map(|came| (finding.no, came.role(), came.key)))
        .collect();
    for finding in findings.iter_mut() {
        let holder = finding.no;
        for went in finding.went.iter_mut().filter(|went| went.was.id.is_none()) {
            let Some(bearer) = mirror.by_name(went.key)?.pop() else { continue };
            if bearer.scope == Scope::Outside || came.contains(&(holder, went.role(), went.key)) {
                went.was = name_entry(schema, &bearer);
            }
        }
    }
    Ok(())
}

/// What several readings of a refresh, or of one that was cut short and the next, found of one entry's links
/// is one difference. What lay between was never true: half of the names were old.
fn merge_shuffled(findings: &mut [Finding]) {
    let mut first_of: BTreeMap<EntryNo, usize> = BTreeMap::new();
    for at in 0..findings.len() {
        let Some(later) = findings.get_mut(at).filter(|finding| finding.order == Order::Arbitrary) else {
            continue;
        };
        match later.found {
            Found::Created | Found::Changed { .. } => {}
            Found::Deleted(_) => continue,
            // Its links are not told: those of readings before and after stay theirs.
            Found::Entered | Found::Left => {
                first_of.remove(&later.no);
                continue;
            }
        }
        let first = *first_of.entry(later.no).or_insert(at);
        if first == at {
            continue;
        }
        let (came, went) = (mem::take(&mut later.came), mem::take(&mut later.went));
        if let Some(first) = findings.get_mut(first) {
            append(first, came, went);
        }
    }
}

/// A value that came and went again did neither. One that went and came again may mean somebody else.
fn append(finding: &mut Finding, came: Vec<Came>, went: Vec<Went>) {
    let mut arrived: BTreeMap<_, _> =
        mem::take(&mut finding.came).into_iter().map(|came| ((came.role(), came.key), came)).collect();
    for went in went {
        if arrived.remove(&(went.role(), went.key)).is_none() {
            finding.went.push(went);
        }
    }
    arrived.extend(came.into_iter().map(|came| ((came.role(), came.key), came)));
    finding.came = arrived.into_values().collect();
}

/// Where the order is unknown: a link that went because its target was deleted belongs to that deletion,
/// whether the server cleaned the holder before or after it told of the deletion. A link that came since the
/// last events were told, to an entry that is gone now, says nothing at all.
fn hand_over_departures<M: Mirror>(findings: &mut [Finding], mirror: &M) -> Result<(), M::Error> {
    let graves = Graves::of(findings);
    if graves.places.is_empty() {
        return Ok(());
    }
    let mut passing = BTreeSet::new();
    let mut handed = Vec::new();
    for finding in findings.iter_mut().filter(|finding| is_shuffled(finding) && finding.tells_links()) {
        let went = graves.take_departures(finding);
        let were_there: BTreeSet<Value> = went.iter().map(|(_, losing)| losing.value()).collect();
        handed.extend(went);
        let came = graves.take_arrivals(finding, mirror)?;
        passing.extend(came.into_iter().filter(|value| !were_there.contains(value)));
    }
    for (at, losing) in handed {
        if let Some(Finding { found: Found::Deleted(facts), .. }) = findings.get_mut(at) {
            facts.losing.push(losing);
        }
    }
    for finding in findings {
        if let Found::Deleted(facts) = &mut finding.found {
            facts.losing.retain(|losing| !passing.contains(&losing.value()));
        }
    }
    Ok(())
}

fn is_shuffled(finding: &Finding) -> bool {
    finding.order == Order::Arbitrary
}

/// What a refresh found deleted.
struct Graves {
    /// Where among the findings.
    places: BTreeMap<EntryId, usize>,
    /// The values that meant one of them at its end.
    lost: BTreeSet<Value>,
}

impl Graves {
    fn of(findings: &[Finding]) -> Self {
        let mut graves = Self { places: BTreeMap::new(), lost: BTreeSet::new() };
        for (at, finding) in findings.iter().enumerate().filter(|(_, finding)| is_shuffled(finding)) {
            if let Found::Deleted(facts) = &finding.found {
                graves.places.extend(finding.entry.id.map(|id| (id, at)));
                graves.lost.extend(facts.losing.iter().map(Losing::value));
            }
        }
        graves
    }

    fn place(&self, entry: &EntryRef) -> Option<usize> {
        self.places.get(&entry.id?).copied()
    }

    /// The links to the deleted that `finding` says went, each with the place of the deletion.
    fn take_departures(&self, finding: &mut Finding) -> Vec<(usize, Losing)> {
        let holder = finding.no;
        let gone = finding.went.extract_if(.., |went| self.place(&went.was).is_some());
        gone.filter_map(|went| {
            let Went { relation, rank, key, was } = went;
            Some((self.place(&was)?, Losing { holder, relation, rank, key }))
        })
        .collect()
    }

    /// The values that came and meant one of the deleted. They stay only where they mean somebody else by now.
    fn take_arrivals<M: Mirror>(&self, finding: &mut Finding, mirror: &M) -> Result<Vec<Value>, M::Error> {
        let mut taken = Vec::new();
        let mut lasting = Vec::with_capacity(finding.came.len());
        for came in mem::take(&mut finding.came) {
            let value = (finding.no, came.role(), came.key);
            let is_to_the_dead = match &came.at_first {
                Some(entry) => self.place(entry).is_some(),
                None => self.lost.contains(&value),
            };
            if is_to_the_dead {
                taken.push(value);
            }
            if !is_to_the_dead || whom_came(mirror, finding.no, &came)?.is_some() {
                lasting.push(came);
            }
        }
        finding.came = lasting;
        Ok(taken)
    }
}
