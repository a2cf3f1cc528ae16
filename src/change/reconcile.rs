//! One observation against the mirror: which rows change, and what was found.

use std::collections::BTreeMap;

use super::{
    event::AttributeChange,
    finding::{Along, Came, Finding, Former, Found, LastFacts, Losing, Order, Went},
    modification::{Held, modified, modify_links},
    observation::{Observation, Observed},
    resolve::{Anew, describe, mark_entry, marks, meant_anew, name_entry, ranked},
};
use crate::directory::{
    batch::{Delete, Delta, Existence, Origin, Phase, Rename},
    dn::{Dn, NameKey},
    entry::{EntryKind, EntryRef, Rank, Relation, Stamp},
    mirror::{EntryNo, KnownEntry, KnownLink, Meaning, Mirror, MirroredAttributes, NewEntry, Scope, Write},
    schema::{Link, Role, Schema},
    watched::WatchedTree,
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
    /// What is watched.
    pub tree: &'a WatchedTree,
    /// How many last members of a deleted group an event carries.
    pub member_cap: usize,
    /// In a refresh an image that is as new as what is known is compared too: without a new stamp, refint
    /// writes other names for the same people.
    pub phase: Phase,
    /// What becomes of what is older than what is known.
    pub older: Older,
}

/// What becomes of a reading that is older than what is known (rule 5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Older {
    /// It changes nothing: it comes late, or from a server that is behind.
    #[default]
    Ignored,
    /// It is how things are: everything is read and compared, and the directory may hold what was restored.
    Counts,
}

/// Compares `observation` with the mirror. A present set changes nothing by itself: its end is the caller's to judge.
pub fn reconcile<M: Mirror>(
    observation: &Observation,
    comparison: &Comparison<'_>,
    mirror: &M,
) -> Result<Effects, M::Error> {
    let Comparison { schema, tree, member_cap, phase, older } = *comparison;
    let rules = Rules { schema, tree, mirror, member_cap, phase, older };
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
    tree: &'a WatchedTree,
    mirror: &'a M,
    member_cap: usize,
    phase: Phase,
    older: Older,
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
        if known.scope == Scope::Outside && known.stamp.is_none() && self.tree.holds(&known.dn) {
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

    /// An excluded entry is kept only where something names it.
    fn appeared(&self, observed: &Observed) -> Result<Effects, M::Error> {
        let mut effects = Effects::default();
        let scope = self.tree.scope_of(&observed.dn);
        if scope == Scope::Outside && !self.is_named(observed)? {
            return Ok(effects);
        }
        if let Some(account) = observed.mapped.account {
            self.bind_bearer(account, &mut effects.writes)?;
        }
        effects.writes.push(Write::Insert(NewEntry {
            id: observed.id,
            dn: observed.dn.clone(),
            stamp: observed.stamp.clone(),
            scope,
            mapped: observed.mapped.clone(),
        }));
        if scope == Scope::Outside {
            return Ok(effects);
        }
        let found = match observed.existence {
            Existence::New if observed.mapped.kind == EntryKind::Container => return Ok(effects),
            Existence::New => Found::Created,
            Existence::Before => Found::Entered,
        };
        let entry = EntryRef {
            id: Some(observed.id),
            dn: observed.dn.clone(),
            kind: Some(observed.mapped.kind),
            name: self.schema.display_name(&observed.dn, &observed.mapped.attributes),
        };
        // The row's number is not known before the insert: whoever applies it fills it in.
        let marks = marks(self.schema, observed.mapped.kind, &observed.mapped.attributes);
        let mut finding = Finding::new(EntryNo(0), (entry, marks), &observed.origin, self.order(), found);
        if finding.tells_links() {
            finding.came = self.name_arrivals(&observed.mapped.links)?;
        } else if observed.mapped.kind == EntryKind::Container {
            finding.along.unread.push(observed.dn.clone());
        }
        effects.finding = Some(finding).filter(|finding| !finding.is_empty());
        Ok(effects)
    }

    fn is_named(&self, observed: &Observed) -> Result<bool, M::Error> {
        if self.mirror.stray(observed.dn.key())?.is_some() {
            return Ok(true);
        }
        let Some(account) = observed.mapped.account else { return Ok(false) };
        Ok(self.mirror.stray(account)?.is_some())
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
        let facts = self.last_facts(&known)?;
        let entry = mark_entry(self.schema, &known);
        let found = Found::Deleted(facts);
        let finding = Finding::new(known.no, entry, &delete.origin, self.order(), found);
        Ok(Effects {
            writes: vec![Write::Remove { no: known.no }],
            // In a refresh, what others lost by it may have been found before it, or is yet to be.
            finding: Some(finding).filter(|finding| !finding.is_empty() || finding.order == Order::Arbitrary),
        })
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
            scope: known.scope,
        })
    }

    /// Rows and finding for an entry that was known.
    fn conclude(
        &self,
        known: &KnownEntry,
        mut difference: Difference<'_>,
        origin: &Origin,
    ) -> Result<Effects, M::Error> {
        if difference.kind == EntryKind::Container {
            // Attributes are kept only of containers that something names, and come by look-ups alone: what a
            // member was called goes on to be known when it is of no kind any more.
            difference.attributes.clone_from(&known.attributes);
        }
        let mut effects = Effects::default();
        let renamed_from = self.write_move(known, difference.dn, &mut effects.writes)?;
        let along = self.take_along(known, difference.dn, &mut effects.writes)?;
        if let Some(found) = self.found(known, &difference, renamed_from) {
            let mut finding = self.finding(known, &difference, found, origin)?;
            finding.along = along;
            effects.finding = Some(finding).filter(|finding| !finding.is_empty());
        }
        self.write_entry(known, &difference, &mut effects.writes)?;
        write_links(known.no, difference.links, &mut effects.writes);
        Ok(effects)
    }

    /// `None`: it was out of sight and is.
    fn found(
        &self,
        known: &KnownEntry,
        difference: &Difference<'_>,
        renamed_from: Option<Former>,
    ) -> Option<Found> {
        let scope = self.tree.scope_of(difference.dn);
        let was_watched = known.scope == Scope::Inside && known.kind != EntryKind::Container;
        let is_watched = scope == Scope::Inside && difference.kind != EntryKind::Container;
        match (was_watched, is_watched) {
            (true, false) => Some(Found::Left),
            (false, true) => Some(Found::Entered),
            (true, true) => {
                let attributes = self.watched_changes(&known.attributes, &difference.attributes);
                Some(Found::Changed { renamed_from, attributes })
            }
            (false, false) => match (known.scope, scope) {
                (Scope::Inside, Scope::Inside) => {
                    Some(Found::Changed { renamed_from, attributes: Vec::new() })
                }
                (Scope::Outside, Scope::Inside) => Some(Found::Entered),
                (Scope::Inside, Scope::Outside) => Some(Found::Left),
                (Scope::Outside, Scope::Outside) => None,
            },
        }
    }

    fn finding(
        &self,
        known: &KnownEntry,
        difference: &Difference<'_>,
        found: Found,
        origin: &Origin,
    ) -> Result<Finding, M::Error> {
        // Who left is named as what it was: afterwards it may be of no kind.
        let (kind, attributes) = match found {
            Found::Left => (known.kind, &known.attributes),
            Found::Created | Found::Entered | Found::Changed { .. } | Found::Deleted(_) => {
                (difference.kind, &difference.attributes)
            }
        };
        let entry = EntryRef {
            id: Some(known.id),
            dn: difference.dn.clone(),
            kind: Some(kind),
            name: self.schema.display_name(difference.dn, attributes),
        };
        let marks = marks(self.schema, kind, attributes);
        let mut finding = Finding::new(known.no, (entry, marks), origin, self.order(), found);
        finding.came = self.name_arrivals(&difference.links.came)?;
        finding.came.extend(self.name_arrivals(&difference.links.revived)?);
        finding.went = self.name_departures(&difference.links.went)?;
        Ok(finding)
    }

    /// What lies below an entry moves with it, out of the watched tree or into it, and the feed does not say
    /// so. Entries that were only looked up have no stamp: they stay what they are until they are read.
    fn take_along(&self, known: &KnownEntry, to: &Dn, writes: &mut Vec<Write>) -> Result<Along, M::Error> {
        let mut along = Along::default();
        let scope = self.tree.scope_of(to);
        let mut gaps = self.tree.gaps_below(&known.dn).chain(self.tree.gaps_below(to));
        if known.dn.key() == to.key() || (known.scope == scope && gaps.next().is_none()) {
            return Ok(along);
        }
        let mut above = vec![known.key];
        while let Some(key) = above.pop() {
            for child in self.mirror.children(key)? {
                let Some(dn) = child.dn.with_base_replaced(&known.dn, to) else { continue };
                above.push(child.key);
                let scope = self.tree.scope_of(&dn);
                if child.stamp.is_none() || child.scope == scope {
                    continue;
                }
                writes.push(Write::Rescope { no: child.no, scope });
                if child.kind == EntryKind::Container {
                    continue;
                }
                match scope {
                    Scope::Inside => along.entered.push(child.no),
                    Scope::Outside => along.left.push(child.no),
                }
            }
        }
        if known.kind == EntryKind::Container && known.scope == Scope::Outside && scope == Scope::Inside {
            along.unread.push(to.clone());
        }
        let opened = self.tree.gaps_below(&known.dn).filter_map(|gap| gap.with_base_replaced(&known.dn, to));
        along.unread.extend(opened.filter(|dn| self.tree.holds(dn)));
        Ok(along)
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
        // Another entry may bear its name by now.
        let parent = self.mirror.by_name(known.above)?.pop().map(|parent| parent.no);
        Ok(Some(Former { dn: known.dn.clone(), parent }))
    }

    fn write_entry(
        &self,
        known: &KnownEntry,
        difference: &Difference<'_>,
        writes: &mut Vec<Write>,
    ) -> Result<(), M::Error> {
        let scope = self.tree.scope_of(difference.dn);
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
            Phase::RefreshBegins | Phase::Refresh | Phase::RefreshEnds => {
                self.older == Older::Ignored && new < known
            }
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
