//! One observation against the mirror: which rows change, and what was found.

use std::collections::BTreeMap;

use super::{
    event::AttributeChange,
    finding::{Came, Finding, Former, Found, LastFacts, Losing, Order, Went},
    modification::{Held, modified, modify_links},
    observation::{Observation, Observed},
    resolve::{Anew, describe, mark_entry, marks, meant_anew, name_entry, ranked},
};
use crate::directory::{
    batch::{Delete, Delta, Origin, Phase, Rename},
    dn::{Dn, NameKey},
    entry::{EntryKind, EntryRef, Rank, Relation, Stamp},
    mirror::{EntryNo, KnownEntry, KnownLink, Meaning, Mirror, MirroredAttributes, NewEntry, Scope, Write},
    schema::{Link, Role, Schema},
};

/// What follows from one observation. Rows first: a finding speaks of the mirror after them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// To be applied in order.
    pub writes: Vec<Write>,
    /// At most one.
    pub finding: Option<Finding>,
}

/// What a comparison needs beside the mirror.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// How entries are read.
    pub schema: &'a Schema,
    /// Where the watched tree begins.
    pub base: &'a Dn,
    /// How many last members of a deleted group an event carries.
    pub member_cap: usize,
    /// In a refresh an image that is as new as what is known is compared too: without a new stamp, refint
    /// writes other names for the same people.
    pub phase: Phase,
}

/// Compares `observation` with the mirror. A present set changes nothing by itself: its end is the caller's to judge.
pub fn reconcile<M: Mirror>(
    observation: &Observation,
    comparison: &Comparison<'_>,
    mirror: &M,
) -> Result<Effects, M::Error> {
    let Comparison { schema, base, member_cap, phase } = *comparison;
    let rules = Rules { schema, base, mirror, member_cap, phase };
    match observation {
        Observation::Entry(observed) => rules.entry(observed),
        Observation::Delta(delta) => rules.delta(delta),
        Observation::Delete(delete) => rules.delete(delete),
        Observation::Rename(rename) => rules.rename(rename),
        Observation::Present(_) => Ok(Effects::default()),
    }
}

struct Rules<'a, M> {
    schema: &'a Schema,
    base: &'a Dn,
    mirror: &'a M,
    member_cap: usize,
    phase: Phase,
}

/// How an entry differs from what was known of it.
struct Difference<'a> {
    dn: &'a Dn,
    kind: EntryKind,
    account: Option<NameKey>,
    stamp: Option<Stamp>,
    attributes: MirroredAttributes,
    links: LinkDifference,
}

#[derive(Default)]
struct LinkDifference {
    came: Vec<Link>,
    went: Vec<KnownLink>,
    /// Same name, other rank: no event, but other rows.
    moved: Vec<(KnownLink, Link)>,
    /// A dead link whose name is borne again.
    revived: Vec<Link>,
}

impl<M: Mirror> Rules<'_, M> {
    fn entry(&self, observed: &Observed) -> Result<Effects, M::Error> {
        let Some(known) = self.mirror.by_id(observed.id)? else { return self.appeared(observed) };
        if self.is_stale(&known, observed.stamp.as_ref()) {
            return Ok(Effects::default());
        }
        // A looked-up entry has no stamp; one that a feed delivered and that left has.
        if known.scope == Scope::Outside && known.stamp.is_none() && known.dn.is_within(self.base) {
            return self.came_after_its_name(&known, observed);
        }
        let links = self.compare_links(known.no, &observed.mapped.links)?;
        let difference = Difference {
            dn: &observed.dn,
            kind: observed.mapped.kind,
            account: observed.mapped.account,
            stamp: observed.stamp.clone(),
            attributes: observed.mapped.attributes.clone(),
            links,
        };
        self.conclude(&known, difference, &observed.origin)
    }

    fn appeared(&self, observed: &Observed) -> Result<Effects, M::Error> {
        let mut effects = Effects::default();
        if let Some(account) = observed.mapped.account {
            self.bind_bearer(account, &mut effects.writes)?;
        }
        effects.writes.push(Write::Insert(NewEntry {
            id: observed.id,
            dn: observed.dn.clone(),
            stamp: observed.stamp.clone(),
            scope: Scope::Inside,
            mapped: observed.mapped.clone(),
        }));
        if observed.mapped.kind == EntryKind::Container {
            return Ok(effects);
        }
        let entry = EntryRef {
            id: Some(observed.id),
            dn: observed.dn.clone(),
            kind: Some(observed.mapped.kind),
            name: self.schema.display_name(&observed.dn, &observed.mapped.attributes),
        };
        // The row's number is not known before the insert: whoever applies it fills it in.
        let marks = marks(self.schema, observed.mapped.kind, &observed.mapped.attributes);
        let found = Found::Created;
        let mut finding = Finding::new(EntryNo(0), (entry, marks), &observed.origin, self.order(), found);
        finding.came = self.name_arrivals(&observed.mapped.links)?;
        effects.finding = Some(finding);
        Ok(effects)
    }

    /// The entry was looked up under a name in the watched tree before the feed told of its creation.
    fn came_after_its_name(&self, known: &KnownEntry, observed: &Observed) -> Result<Effects, M::Error> {
        let mut effects = self.appeared(observed)?;
        if let Some(finding) = &mut effects.finding {
            finding.no = known.no;
        }
        let silent = Difference {
            dn: &observed.dn,
            kind: observed.mapped.kind,
            account: observed.mapped.account,
            stamp: observed.stamp.clone(),
            attributes: observed.mapped.attributes.clone(),
            links: self.compare_links(known.no, &observed.mapped.links)?,
        };
        effects.writes = self.conclude(known, silent, &observed.origin)?.writes;
        Ok(effects)
    }

    fn delta(&self, delta: &Delta) -> Result<Effects, M::Error> {
        let Some(known) = self.mirror.by_id(delta.id)? else { return Ok(Effects::default()) };
        if self.is_stale(&known, delta.stamp.as_ref()) {
            return Ok(Effects::default());
        }
        let mapped = modified(self.schema, &known, &delta.modifications);
        let mut held = self.mirror.links(known.no)?.into_iter().map(Held::Known).collect();
        for modification in &delta.modifications {
            modify_links(self.schema, &known, modification, &mut held);
        }
        let difference = Difference {
            dn: &known.dn,
            kind: mapped.kind,
            account: mapped.account,
            stamp: delta.stamp.clone(),
            attributes: mapped.attributes,
            links: self.difference_of(known.no, held)?,
        };
        self.conclude(&known, difference, &delta.origin)
    }

    fn rename(&self, rename: &Rename) -> Result<Effects, M::Error> {
        let Some(known) = self.mirror.by_id(rename.id)? else { return Ok(Effects::default()) };
        if self.is_stale(&known, rename.stamp.as_ref()) {
            return Ok(Effects::default());
        }
        let difference = Difference {
            dn: &rename.dn,
            kind: known.kind,
            account: known.account,
            stamp: rename.stamp.clone(),
            attributes: known.attributes.clone(),
            links: LinkDifference::default(),
        };
        self.conclude(&known, difference, &rename.origin)
    }

    fn delete(&self, delete: &Delete) -> Result<Effects, M::Error> {
        let Some(known) = self.mirror.by_id(delete.id)? else { return Ok(Effects::default()) };
        let mut effects = Effects { writes: vec![Write::Remove { no: known.no }], finding: None };
        if known.kind == EntryKind::Container || known.scope == Scope::Outside {
            return Ok(effects);
        }
        let facts = self.last_facts(&known)?;
        let entry = mark_entry(self.schema, &known);
        let found = Found::Deleted(facts);
        effects.finding = Some(Finding::new(known.no, entry, &delete.origin, self.order(), found));
        Ok(effects)
    }

    fn last_facts(&self, known: &KnownEntry) -> Result<LastFacts, M::Error> {
        let mut members = Vec::new();
        let mut member_count = 0;
        for link in self.mirror.links_of(known.no, Relation::Member)? {
            if link.meaning == Meaning::Gone {
                continue;
            }
            member_count += 1;
            if members.len() < self.member_cap {
                members.extend(describe(self.mirror, self.schema, &link)?);
            }
        }
        let links = self.mirror.links_to(known)?.into_iter().filter(|(holder, _)| *holder != known.no);
        let losing = links
            .map(|(holder, KnownLink { role, key, .. })| {
                let Role { relation, rank } = role;
                Losing { holder, relation, rank, key }
            })
            .collect();
        Ok(LastFacts {
            owners: ranked(self.mirror, self.schema, known.no, Relation::Owner)?,
            managers: ranked(self.mirror, self.schema, known.no, Relation::Manager)?,
            members,
            member_count,
            losing,
        })
    }

    /// Rows and finding for an entry that was known. An entry that comes into scope, or leaves it for another
    /// kind or another place, changes rows and says nothing.
    fn conclude(
        &self,
        known: &KnownEntry,
        difference: Difference<'_>,
        origin: &Origin,
    ) -> Result<Effects, M::Error> {
        let told = known.scope == Scope::Inside
            && self.scope_of(difference.dn) == Scope::Inside
            && (known.kind == EntryKind::Container) == (difference.kind == EntryKind::Container);
        let mut effects = Effects::default();
        let renamed_from = self.write_move(known, difference.dn, &mut effects.writes)?;
        let finding = if told { self.finding(known, &difference, renamed_from, origin)? } else { None };
        effects.finding = finding.filter(|finding| !finding.is_empty());
        self.write_entry(known, &difference, &mut effects.writes)?;
        write_links(known.no, difference.links, &mut effects.writes);
        Ok(effects)
    }

    fn scope_of(&self, dn: &Dn) -> Scope {
        if dn.is_within(self.base) { Scope::Inside } else { Scope::Outside }
    }

    fn finding(
        &self,
        known: &KnownEntry,
        difference: &Difference<'_>,
        renamed_from: Option<Former>,
        origin: &Origin,
    ) -> Result<Option<Finding>, M::Error> {
        let entry = EntryRef {
            id: Some(known.id),
            dn: difference.dn.clone(),
            kind: Some(difference.kind),
            name: self.schema.display_name(difference.dn, &difference.attributes),
        };
        let attributes = self.watched_changes(&known.attributes, &difference.attributes);
        let found = Found::Changed { renamed_from, attributes };
        let marks = marks(self.schema, difference.kind, &difference.attributes);
        let mut finding = Finding::new(known.no, (entry, marks), origin, self.order(), found);
        finding.came = self.name_arrivals(&difference.links.came)?;
        finding.came.extend(self.name_arrivals(&difference.links.revived)?);
        finding.went = self.name_departures(&difference.links.went)?;
        Ok(Some(finding))
    }

    fn write_move(
        &self,
        known: &KnownEntry,
        dn: &Dn,
        writes: &mut Vec<Write>,
    ) -> Result<Option<Former>, M::Error> {
        if known.dn == *dn && known.key == dn.key() {
            return Ok(None);
        }
        writes.push(Write::Move { no: known.no, from: known.dn.clone(), to: dn.clone() });
        if known.dn.key() == dn.key() {
            return Ok(None);
        }
        let above = known.dn.parent().map(|parent| self.mirror.by_name(parent.key())).transpose()?;
        let parent = above.and_then(|mut bearers| bearers.pop()).map(|parent| parent.no);
        Ok(Some(Former { dn: known.dn.clone(), parent }))
    }

    fn write_entry(
        &self,
        known: &KnownEntry,
        difference: &Difference<'_>,
        writes: &mut Vec<Write>,
    ) -> Result<(), M::Error> {
        let scope = self.scope_of(difference.dn);
        let same = known.kind == difference.kind
            && known.scope == scope
            && known.account == difference.account
            && known.attributes == difference.attributes;
        if same {
            writes.extend(difference.stamp.clone().map(|stamp| Write::Touch { no: known.no, stamp }));
            return Ok(());
        }
        if known.account != difference.account {
            for name in [known.account, difference.account].into_iter().flatten() {
                self.bind_bearer(name, writes)?;
            }
        }
        writes.push(Write::Update {
            no: known.no,
            kind: difference.kind,
            scope,
            account: difference.account,
            stamp: difference.stamp.clone().or_else(|| known.stamp.clone()),
            attributes: difference.attributes.clone(),
        });
        Ok(())
    }

    /// An account name is about to be given up or to be borne by one more: links that mean somebody by it
    /// go on to mean the same.
    fn bind_bearer(&self, account: NameKey, writes: &mut Vec<Write>) -> Result<(), M::Error> {
        let bearer = self.mirror.by_name(account)?.pop();
        writes.extend(bearer.map(|entry| Write::Bind { key: account, to: entry.no }));
        Ok(())
    }

    fn watched_changes(&self, old: &MirroredAttributes, new: &MirroredAttributes) -> Vec<AttributeChange> {
        let values = |of: &MirroredAttributes, name| of.get(name).cloned().unwrap_or_default();
        let mut changes = Vec::new();
        for name in self.schema.watched() {
            let (old, new) = (values(old, name), values(new, name));
            if sorted(&old) != sorted(&new) {
                changes.push(AttributeChange { name: name.clone(), old, new });
            }
        }
        changes.sort_by(|a, b| a.name.cmp(&b.name));
        changes
    }

    fn order(&self) -> Order {
        match self.phase {
            Phase::Live => Order::OfTheChanges,
            Phase::RefreshBegins | Phase::Refresh | Phase::RefreshEnds => Order::Arbitrary,
        }
    }

    /// What is not newer is ignored (rule 5).
    fn is_stale(&self, known: &KnownEntry, stamp: Option<&Stamp>) -> bool {
        let (Some(known), Some(new)) = (&known.stamp, stamp) else { return false };
        match self.phase {
            Phase::Live => new <= known,
            Phase::RefreshBegins | Phase::Refresh | Phase::RefreshEnds => new < known,
        }
    }

    /// Both sides are ordered by role and key: one walk.
    fn compare_links(&self, entry: EntryNo, now: &[Link]) -> Result<LinkDifference, M::Error> {
        let known = self.mirror.links(entry)?;
        let mut difference = LinkDifference::default();
        let mut known = known.into_iter().peekable();
        for link in now {
            let place = (link.role, link.key);
            while let Some(gone) = known.next_if(|k| (k.role, k.key) < place) {
                difference.went.push(gone);
            }
            match known.next_if(|k| (k.role, k.key) == place) {
                None => difference.came.push(link.clone()),
                Some(k) => self.compare_meaning(k, link, &mut difference)?,
            }
        }
        difference.went.extend(known);
        Ok(pair_moved(difference))
    }

    /// A value that is there before and after: whoever bears its name now is meant now. A name that nobody
    /// bears any more goes on to mean whom it meant (rule 2).
    fn compare_meaning(
        &self,
        known: KnownLink,
        link: &Link,
        difference: &mut LinkDifference,
    ) -> Result<(), M::Error> {
        match meant_anew(self.mirror, &known)? {
            Anew::Nobody => {}
            Anew::InsteadOfTheDead => difference.revived.push(link.clone()),
            Anew::InsteadOf(_) => {
                difference.went.push(known);
                difference.came.push(link.clone());
            }
        }
        Ok(())
    }

    fn difference_of(&self, entry: EntryNo, held: Vec<Held>) -> Result<LinkDifference, M::Error> {
        let mut difference = LinkDifference::default();
        let mut kept = Vec::new();
        for link in held {
            match link {
                Held::Known(known) => kept.push((known.role, known.key)),
                Held::New(new) => difference.came.push(new),
            }
        }
        kept.sort_unstable();
        for known in self.mirror.links(entry)? {
            if kept.binary_search(&(known.role, known.key)).is_err() {
                difference.went.push(known);
            }
        }
        Ok(pair_moved(difference))
    }

    fn name_arrivals(&self, links: &[Link]) -> Result<Vec<Came>, M::Error> {
        let mut came = Vec::with_capacity(links.len());
        for link in links {
            let bearer = self.mirror.by_name(link.key)?.pop();
            came.push(Came {
                relation: link.role.relation,
                rank: link.role.rank,
                key: link.key,
                target: link.target.clone(),
                at_first: bearer.map(|entry| name_entry(self.schema, &entry)),
            });
        }
        Ok(came)
    }

    fn name_departures(&self, links: &[KnownLink]) -> Result<Vec<Went>, M::Error> {
        let mut went = Vec::new();
        for link in links {
            if let Some(was) = describe(self.mirror, self.schema, link)? {
                went.push(Went { relation: link.role.relation, rank: link.role.rank, key: link.key, was });
            }
        }
        Ok(went)
    }
}

/// A value that went from one rank to the other keeps its meaning and is no event.
fn pair_moved(difference: LinkDifference) -> LinkDifference {
    let LinkDifference { came, went, mut moved, revived } = difference;
    let mut went: BTreeMap<_, _> = went.into_iter().map(|link| ((link.role, link.key), link)).collect();
    let mut arrived = Vec::with_capacity(came.len());
    for link in came {
        let Role { relation, rank } = link.role;
        let other = Role { relation, rank: other_rank(rank) };
        match went.remove(&(other, link.key)) {
            Some(from) => moved.push((from, link)),
            None => arrived.push(link),
        }
    }
    LinkDifference { came: arrived, went: went.into_values().collect(), moved, revived }
}

fn other_rank(rank: Rank) -> Rank {
    match rank {
        Rank::Primary => Rank::Additional,
        Rank::Additional => Rank::Primary,
    }
}

fn write_links(entry: EntryNo, links: LinkDifference, writes: &mut Vec<Write>) {
    for link in links.went {
        writes.push(Write::RemoveLink { entry, role: link.role, key: link.key });
    }
    for (from, to) in links.moved {
        writes.push(Write::RemoveLink { entry, role: from.role, key: from.key });
        let (role, key, target) = (to.role, to.key, to.target);
        writes.push(Write::AddLink { entry, role, key, target, meaning: from.meaning });
    }
    for link in links.came {
        let (role, key, target) = (link.role, link.key, link.target);
        writes.push(Write::AddLink { entry, role, key, target, meaning: Meaning::ByName });
    }
    for link in links.revived {
        writes.push(Write::Revive { entry, role: link.role, key: link.key });
    }
}

fn sorted(values: &[String]) -> Vec<&String> {
    let mut values: Vec<_> = values.iter().collect();
    values.sort();
    values
}
