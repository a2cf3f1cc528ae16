//! The links of one finding by whom they mean.

use std::collections::{BTreeMap, BTreeSet};

use super::whom_came;
use crate::{
    change::{
        event::Direction,
        finding::{Came, Finding, Order},
        resolve::{Identity, identity, name_entry, name_target},
    },
    directory::{
        dn::NameKey,
        entry::{EntryRef, Relation},
        mirror::{EntryNo, Mirror},
        schema::{Role, Schema},
    },
};

/// A relation and whom it is to.
pub(super) type Place = (Relation, Identity);

/// The values of one entry that mean the same.
pub(super) type Values = BTreeSet<(Role, NameKey)>;

/// The links of a finding by whom they mean.
pub(super) struct Turns<'a> {
    pub(super) finding: &'a Finding,
    /// In the order of [`Finding::came`].
    pub(super) arrivals: Vec<(&'a Came, EntryRef)>,
    pub(super) came: BTreeMap<Place, Values>,
    went: BTreeMap<Place, Values>,
}

impl<'a> Turns<'a> {
    pub(super) fn of<M: Mirror>(finding: &'a Finding, schema: &Schema, mirror: &M) -> Result<Self, M::Error> {
        let mut turns = Self {
            finding,
            arrivals: Vec::with_capacity(finding.came.len()),
            came: BTreeMap::new(),
            went: BTreeMap::new(),
        };
        for came in &finding.came {
            let who = whom(came, finding.no, schema, mirror)?;
            let place = (came.relation, identity(&who));
            turns.came.entry(place).or_default().insert((came.role(), came.key));
            turns.arrivals.push((came, who));
        }
        for went in &finding.went {
            let place = (went.relation, identity(&went.was));
            turns.went.entry(place).or_default().insert((went.role(), went.key));
        }
        Ok(turns)
    }

    /// What it says of two of which one is gone, with all links between them: in a refresh, that says all.
    pub(super) fn alone(&self, place: &Place) -> Option<Direction> {
        if self.finding.order == Order::Arbitrary {
            return None;
        }
        match (self.came.contains_key(place), self.went.contains_key(place)) {
            (true, false) => Some(Direction::Added),
            (false, true) => Some(Direction::Removed),
            (true, true) | (false, false) => None,
        }
    }

    /// From the values that were there afterwards to those that were there before.
    pub(super) fn undo(&self, place: &Place, values: &mut Values) {
        if let Some(came) = self.came.get(place) {
            values.retain(|value| !came.contains(value));
        }
        values.extend(self.went.get(place).into_iter().flatten());
    }
}

/// Whom an arrived link means: now, else when it was read, else its name.
fn whom<M: Mirror>(came: &Came, holder: EntryNo, schema: &Schema, mirror: &M) -> Result<EntryRef, M::Error> {
    if let Some(entry) = whom_came(mirror, holder, came)? {
        return Ok(name_entry(schema, &entry));
    }
    if let Some(entry) = &came.at_first {
        return Ok(entry.clone());
    }
    let known = mirror.by_name(came.key)?.pop();
    Ok(known.map_or_else(|| name_target(&came.target), |entry| name_entry(schema, &entry)))
}
