//! What was changed: everything that can be told, as a row of values that one slot had one after the other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::crash::company::Label;

/// Something that has one value at a time, of which every change is told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    pub kind: Kind,
    pub entry: Label,
    /// Of a membership the member, of an attribute its name in lower case; else empty.
    pub of: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Whether somebody is a member.
    Member,
    Owners,
    Manager,
    Attribute,
    /// The first part of the name.
    Name,
    /// Whether the entry is there.
    Life,
}

/// What a slot has: nothing, one thing, or several.
pub type Value = BTreeSet<String>;

/// The name of the contract, for attributes and names with both values; the entry; the subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    pub change: String,
    pub entry: Label,
    /// Empty: there is none.
    pub subject: Label,
}

/// One change of a slot.
#[derive(Debug, Clone)]
pub struct Transition {
    /// Before the directory was asked for it.
    pub begun: Timestamp,
    /// When it had surely happened.
    pub done: Timestamp,
    pub to: Value,
    /// Who is told, beside those whom [`Kind::Owners`] and [`Kind::Manager`] themselves name.
    pub told: BTreeSet<String>,
}

/// All changes of a slot.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Before the first.
    pub first: Value,
    pub transitions: Vec<Transition>,
}

/// Everything that was changed.
#[derive(Debug, Default)]
pub struct Ledger(pub BTreeMap<Slot, History>);

impl Slot {
    pub fn new(kind: Kind, entry: impl Into<Label>, of: impl Into<String>) -> Self {
        Self { kind, entry: entry.into(), of: of.into() }
    }

    /// What is told where the value was `from` and is `to`. Empty where it is the same.
    pub fn facts(&self, from: &Value, to: &Value) -> BTreeSet<Fact> {
        if from == to {
            return BTreeSet::new();
        }
        let fact = |change: String, subject: &str| Fact {
            change,
            entry: self.entry.clone(),
            subject: subject.to_owned(),
        };
        let came_and_went = |came: &str, went: &str| {
            let came = to.difference(from).map(|who| fact(came.to_owned(), who));
            came.chain(from.difference(to).map(|who| fact(went.to_owned(), who))).collect()
        };
        match self.kind {
            Kind::Member => came_and_went("member-added", "member-removed"),
            Kind::Owners => came_and_went("owner-added", "owner-removed"),
            Kind::Manager => came_and_went("manager-changed added", "manager-changed removed"),
            Kind::Attribute => [fact(attribute_changed(&self.of, from, to), "")].into(),
            Kind::Name => [fact("object-renamed".to_owned(), "")].into(),
            Kind::Life if from.is_empty() => [fact("object-created".to_owned(), "")].into(),
            Kind::Life => [fact("object-deleted".to_owned(), "")].into(),
        }
    }

    /// Whose address is told because the value itself names them.
    pub fn named(&self, from: &Value, to: &Value) -> BTreeSet<String> {
        match self.kind {
            Kind::Owners | Kind::Manager => from | to,
            Kind::Member | Kind::Attribute | Kind::Name | Kind::Life => BTreeSet::new(),
        }
    }
}

/// Of the values before and after.
pub fn attribute_changed(name: &str, from: &Value, to: &Value) -> String {
    format!("attributes-changed {name} {from:?} {to:?}")
}

impl Ledger {
    /// What a slot has before its first change, where that is something.
    pub fn begin(&mut self, slot: Slot, first: Value) {
        self.0.insert(slot, History { first, transitions: Vec::new() });
    }

    /// One more change.
    pub fn note(&mut self, slot: Slot, transition: Transition) {
        self.0.entry(slot).or_default().transitions.push(transition);
    }
}
