//! From findings to events: every name means somebody, or is known to mean nobody.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    event::{Actor, Cause, Change, ChangeEvent, ChangeSet, ChangeSetId, Direction, EventId, RankedRef},
    finding::{Came, Finding, Found, LastFacts, Losing},
    resolve::{Identity, add_ranked, identity, name_entry, name_target, ranked, resolve},
};
use crate::directory::{
    dn::{Dn, NameKey},
    entry::{EntryId, EntryKind, EntryRef, Rank, Relation},
    mirror::{EntryNo, KnownEntry, KnownLink, Meaning, Mirror},
    schema::{LinkTarget, Role, Schema},
};

/// The names in `findings` that must be looked up in the directory before anything is said (rule 3): what
/// came and means nobody, and owners and managers to be told who were never looked up.
pub fn unresolved<M: Mirror>(findings: &[Finding], mirror: &M) -> Result<BTreeMap<NameKey, Dn>, M::Error> {
    let mut names = BTreeMap::new();
    for finding in findings {
        for came in &finding.came {
            names.extend(unknown_arrival(mirror, finding.no, came)?.map(|dn| (came.key, dn)));
        }
        for relation in [Relation::Owner, Relation::Manager] {
            for link in mirror.links_of(finding.no, relation)? {
                names.extend(never_looked_up(mirror, &link)?.map(|dn| (link.key, dn)));
            }
        }
    }
    Ok(names)
}

fn unknown_arrival<M: Mirror>(mirror: &M, holder: EntryNo, came: &Came) -> Result<Option<Dn>, M::Error> {
    let LinkTarget::Dn(dn) = &came.target else { return Ok(None) };
    if came.at_first.is_some() || whom_came(mirror, holder, came)?.is_some() {
        return Ok(None);
    }
    Ok(Some(dn.clone()))
}

fn never_looked_up<M: Mirror>(mirror: &M, link: &KnownLink) -> Result<Option<Dn>, M::Error> {
    if link.meaning != Meaning::ByName || resolve(mirror, link)?.is_some() {
        return Ok(None);
    }
    Ok(mirror.stray(link.key)?.filter(|stray| !stray.looked_up).and_then(|stray| match stray.target {
        LinkTarget::Dn(dn) => Some(dn),
        LinkTarget::Account(_) => None,
    }))
}

/// The entry that an arrived link means by now.
fn whom_came<M: Mirror>(mirror: &M, holder: EntryNo, came: &Came) -> Result<Option<KnownEntry>, M::Error> {
    match mirror.link(holder, came.role(), came.key)? {
        Some(link) => resolve(mirror, &link),
        None => Ok(None),
    }
}

/// Makes events of `findings`, in their order: one change set for each that says something. `seen` is our
/// clock; `new_id` gives fresh UUIDv7s.
pub fn settle<M: Mirror>(
    mut findings: Vec<Finding>,
    seen: Timestamp,
    schema: &Schema,
    mirror: &M,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Result<Vec<ChangeSet>, M::Error> {
    hand_over_departures(&mut findings);
    let mut sets = Vec::new();
    for finding in &findings {
        let facts = Facts { schema, mirror, finding, seen, set: ChangeSetId(new_id()) };
        let mut events = Vec::new();
        facts.tell(&mut |told| events.push(facts.event(told, EventId(new_id()))))?;
        if !events.is_empty() {
            sets.push(ChangeSet { id: facts.set, events });
        }
    }
    Ok(sets)
}

/// A link that went because its target was deleted belongs to that deletion, whether the server cleaned the
/// holder before or after it told of the deletion.
fn hand_over_departures(findings: &mut [Finding]) {
    let deleted: BTreeMap<EntryId, usize> = findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| matches!(finding.found, Found::Deleted(_)))
        .filter_map(|(at, finding)| finding.entry.id.map(|id| (id, at)))
        .collect();
    if deleted.is_empty() {
        return;
    }
    let mut handed = Vec::new();
    for finding in findings.iter_mut() {
        let holder = finding.no;
        finding.went.retain(|went| match went.was.id.and_then(|id| deleted.get(&id)) {
            Some(at) => {
                handed.push((*at, Losing { holder, relation: went.relation, rank: went.rank }));
                false
            }
            None => true,
        });
    }
    for (at, losing) in handed {
        if let Some(Finding { found: Found::Deleted(facts), .. }) = findings.get_mut(at) {
            facts.losing.push(losing);
        }
    }
}

/// An event without its ids and stamps.
struct Told {
    entry: EntryRef,
    change: Change,
    cause: Cause,
    owners: Vec<RankedRef>,
    managers: Vec<RankedRef>,
    actor: Actor,
}

struct Facts<'a, M> {
    schema: &'a Schema,
    mirror: &'a M,
    finding: &'a Finding,
    seen: Timestamp,
    set: ChangeSetId,
}

/// A relation and whom it is to.
type Place = (Relation, Identity);

type Tell<'t> = &'t mut dyn FnMut(Told);

impl<M: Mirror> Facts<'_, M> {
    fn event(&self, told: Told, id: EventId) -> ChangeEvent {
        ChangeEvent {
            id,
            change_set: self.set,
            time: self.finding.time.unwrap_or(self.seen),
            seen: self.seen,
            entry: told.entry,
            change: told.change,
            actor: told.actor,
            cause: told.cause,
            owners: told.owners,
            managers: told.managers,
        }
    }

    fn tell(&self, tell: Tell<'_>) -> Result<(), M::Error> {
        let actor = self.actor()?;
        match &self.finding.found {
            Found::Created => self.tell_created(&actor, tell),
            Found::Changed { renamed_from, attributes } => {
                let around = self.around(actor)?;
                if let Some(old_dn) = renamed_from {
                    tell(around.with(Change::ObjectRenamed { old_dn: old_dn.clone() }));
                }
                if !attributes.is_empty() {
                    tell(around.with(Change::AttributesChanged { attributes: attributes.clone() }));
                }
                self.tell_links(&around, tell)
            }
            Found::Deleted(last) => self.tell_deleted(last, &actor, tell),
        }
    }

    /// A created group names its members one by one; its owners are facts of the event.
    fn tell_created(&self, actor: &Actor, tell: Tell<'_>) -> Result<(), M::Error> {
        let around = self.around(actor.clone())?;
        tell(around.with(Change::ObjectCreated));
        let mut told = Vec::new();
        for came in self.finding.came.iter().filter(|came| came.relation == Relation::Member) {
            let member = self.whom(came)?;
            if !told.contains(&identity(&member)) {
                told.push(identity(&member));
                tell(around.with(Change::MemberAdded { member }));
            }
        }
        Ok(())
    }

    fn tell_deleted(&self, last: &LastFacts, actor: &Actor, tell: Tell<'_>) -> Result<(), M::Error> {
        let mut losers = Vec::new();
        for losing in &last.losing {
            if let Some(holder) = self.mirror.by_no(losing.holder)? {
                losers.push((losing, holder));
            }
        }
        let last_groups = losers
            .iter()
            .filter(|(losing, _)| losing.relation == Relation::Member)
            .map(|(_, holder)| name_entry(self.schema, holder))
            .collect();
        tell(Told {
            entry: self.finding.entry.clone(),
            change: Change::ObjectDeleted {
                last_members: last.members.clone(),
                last_member_count: last.member_count,
                last_groups,
            },
            cause: Cause::Directory,
            owners: last.owners.clone(),
            managers: last.managers.clone(),
            actor: actor.clone(),
        });
        let mut told = Vec::new();
        for (losing, holder) in &losers {
            if told.contains(&(losing.holder, losing.relation)) {
                continue;
            }
            told.push((losing.holder, losing.relation));
            if let Some(event) = self.consequence(losing, holder, actor)? {
                tell(event);
            }
        }
        Ok(())
    }

    fn consequence(
        &self,
        losing: &Losing,
        holder: &KnownEntry,
        actor: &Actor,
    ) -> Result<Option<Told>, M::Error> {
        let gone = self.finding.entry.clone();
        let mut owners = self.ranked(holder.no, holder.kind, Relation::Owner)?;
        let mut managers = self.ranked(holder.no, holder.kind, Relation::Manager)?;
        let went = RankedRef { entry: gone.clone(), rank: losing.rank };
        match losing.relation {
            Relation::Member => {}
            Relation::Owner => add_ranked(&mut owners, went),
            Relation::Manager => add_ranked(&mut managers, went),
        }
        let change = link_change(losing.relation, losing.rank, Direction::Removed, gone);
        if !concerns(holder.kind, losing.relation) {
            return Ok(None);
        }
        Ok(Some(Told {
            entry: name_entry(self.schema, holder),
            change,
            cause: Cause::Consequence,
            owners,
            managers,
            actor: actor.clone(),
        }))
    }

    /// Ids decide: who came by one name and went by another, or is still there by a third, did neither.
    fn tell_links(&self, around: &Around<'_>, tell: Tell<'_>) -> Result<(), M::Error> {
        let mut arrivals = Vec::with_capacity(self.finding.came.len());
        for came in &self.finding.came {
            arrivals.push((came, self.whom(came)?));
        }
        let came: BTreeSet<Place> = arrivals.iter().map(|(c, who)| (c.relation, identity(who))).collect();
        let went: BTreeSet<Place> =
            self.finding.went.iter().map(|w| (w.relation, identity(&w.was))).collect();
        let touched: BTreeSet<(Role, NameKey)> = (self.finding.went.iter().map(|w| (w.role(), w.key)))
            .chain(self.finding.came.iter().map(|c| (c.role(), c.key)))
            .collect();
        let mut told = BTreeSet::new();
        for gone in &self.finding.went {
            let place = (gone.relation, identity(&gone.was));
            if !came.contains(&place)
                && told.insert(place)
                && !self.is_linked(&touched, gone.relation, &gone.was)?
            {
                self.tell_link(around, gone.relation, gone.rank, Direction::Removed, &gone.was, tell);
            }
        }
        told.clear();
        for (new, who) in &arrivals {
            let place = (new.relation, identity(who));
            if !went.contains(&place) && told.insert(place) && !self.is_linked(&touched, new.relation, who)? {
                self.tell_link(around, new.relation, new.rank, Direction::Added, who, tell);
            }
        }
        Ok(())
    }

    /// Whether the entry links to `who` by a value that neither came nor went: before and after alike.
    fn is_linked(
        &self,
        touched: &BTreeSet<(Role, NameKey)>,
        relation: Relation,
        who: &EntryRef,
    ) -> Result<bool, M::Error> {
        let Some(id) = who.id else { return Ok(false) };
        let Some(who) = self.mirror.by_id(id)? else { return Ok(false) };
        let links = self.mirror.links_between(self.finding.no, relation, &who)?;
        Ok(links.iter().any(|link| !touched.contains(&(link.role, link.key))))
    }

    fn tell_link(
        &self,
        around: &Around<'_>,
        relation: Relation,
        rank: Rank,
        direction: Direction,
        who: &EntryRef,
        tell: Tell<'_>,
    ) {
        if self.finding.entry.kind.is_some_and(|kind| concerns(kind, relation)) {
            tell(around.with(link_change(relation, rank, direction, who.clone())));
        }
    }

    /// Whom an arrived link means: now, else when it was read, else its name.
    fn whom(&self, came: &Came) -> Result<EntryRef, M::Error> {
        if let Some(entry) = whom_came(self.mirror, self.finding.no, came)? {
            return Ok(name_entry(self.schema, &entry));
        }
        Ok(came.at_first.clone().unwrap_or_else(|| name_target(&came.target)))
    }

    /// What all events on the finding's own entry share: its owners and managers before ∪ after.
    fn around(&self, actor: Actor) -> Result<Around<'_>, M::Error> {
        let kind = self.finding.entry.kind.unwrap_or(EntryKind::Container);
        let mut owners = self.ranked(self.finding.no, kind, Relation::Owner)?;
        let mut managers = self.ranked(self.finding.no, kind, Relation::Manager)?;
        for went in &self.finding.went {
            let was = RankedRef { entry: went.was.clone(), rank: went.rank };
            match went.relation {
                Relation::Member => {}
                Relation::Owner => add_ranked(&mut owners, was),
                Relation::Manager => add_ranked(&mut managers, was),
            }
        }
        Ok(Around { entry: &self.finding.entry, owners, managers, actor })
    }

    fn ranked(&self, no: EntryNo, kind: EntryKind, relation: Relation) -> Result<Vec<RankedRef>, M::Error> {
        if concerns(kind, relation) { ranked(self.mirror, self.schema, no, relation) } else { Ok(Vec::new()) }
    }

    fn actor(&self) -> Result<Actor, M::Error> {
        let Some(dn) = &self.finding.actor else { return Ok(Actor::Unknown) };
        let known = self.mirror.by_name(dn.key())?.pop();
        Ok(Actor::Known(known.map_or_else(
            || name_target(&LinkTarget::Dn(dn.clone())),
            |entry| name_entry(self.schema, &entry),
        )))
    }
}

struct Around<'a> {
    entry: &'a EntryRef,
    owners: Vec<RankedRef>,
    managers: Vec<RankedRef>,
    actor: Actor,
}

impl Around<'_> {
    fn with(&self, change: Change) -> Told {
        Told {
            entry: self.entry.clone(),
            change,
            cause: Cause::Directory,
            owners: self.owners.clone(),
            managers: self.managers.clone(),
            actor: self.actor.clone(),
        }
    }
}

/// Groups have members and owners, users and contacts have managers.
fn concerns(kind: EntryKind, relation: Relation) -> bool {
    match (kind, relation) {
        (EntryKind::Group, Relation::Member | Relation::Owner)
        | (EntryKind::User | EntryKind::Contact, Relation::Manager) => true,
        (EntryKind::Group, Relation::Manager)
        | (EntryKind::User | EntryKind::Contact, Relation::Member | Relation::Owner)
        | (EntryKind::Container, Relation::Member | Relation::Owner | Relation::Manager) => false,
    }
}

fn link_change(relation: Relation, rank: Rank, direction: Direction, who: EntryRef) -> Change {
    match (relation, direction) {
        (Relation::Member, Direction::Added) => Change::MemberAdded { member: who },
        (Relation::Member, Direction::Removed) => Change::MemberRemoved { member: who },
        (Relation::Owner, Direction::Added) => Change::OwnerAdded { owner: who, rank },
        (Relation::Owner, Direction::Removed) => Change::OwnerRemoved { owner: who, rank },
        (Relation::Manager, _) => Change::ManagerChanged { manager: who, direction, rank },
    }
}
