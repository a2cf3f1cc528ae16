//! From findings to events: every name means somebody, or is known to mean nobody.

mod combine;
mod moves;
mod questions;
mod turns;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use uuid::Uuid;

pub use self::questions::{Asking, unresolved};
use self::{
    combine::combine,
    moves::Moves,
    turns::{Place, Turns, Values},
};
use super::{
    event::{
        Actor, Cause, Change, ChangeEvent, ChangeSet, ChangeSetId, Direction, EventId, Marks, RankedRef,
    },
    finding::{Came, Finding, Former, Found, LastFacts, Losing, Order},
    resolve::{Identity, add_ranked, identity, mark_entry, name_entry, name_target, ranked, resolve},
};
use crate::directory::{
    entry::{EntryKind, EntryRef, Rank, Relation},
    mirror::{EntryNo, KnownEntry, Mirror, Scope},
    schema::{LinkTarget, Schema},
};

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
    combine(&mut findings, schema, mirror)?;
    let turns =
        findings.iter().map(|finding| Turns::of(finding, schema, mirror)).collect::<Result<Vec<_>, _>>()?;
    let moves = Moves::of(&findings);
    let mut later: Later<'_> = BTreeMap::new();
    for turns in turns.iter().rev() {
        later.entry(turns.finding.no).or_default().push(turns);
    }
    let mut sets = Vec::new();
    for (at, turns) in turns.iter().enumerate() {
        later.entry(turns.finding.no).or_default().pop();
        let (finding, later, moves, set) = (turns.finding, &later, &moves, ChangeSetId(new_id()));
        let facts = Facts { schema, mirror, at, finding, turns, later, moves, seen, set };
        let mut events = Vec::new();
        facts.tell(&mut |told| events.push(facts.event(told, EventId(new_id()))))?;
        if !events.is_empty() {
            sets.push(ChangeSet { id: facts.set, events });
        }
    }
    Ok(sets)
}

/// An event without its ids and stamps.
struct Told {
    entry: EntryRef,
    change: Change,
    cause: Cause,
    owners: Vec<RankedRef>,
    managers: Vec<RankedRef>,
    actor: Actor,
    marks: Marks,
}

/// What was found of each entry after a certain finding, last first.
type Later<'a> = BTreeMap<EntryNo, Vec<&'a Turns<'a>>>;

/// Who had a link to a deleted entry, as it was then.
struct Holder {
    entry: EntryRef,
    kind: EntryKind,
    scope: Scope,
    marks: Marks,
}

struct Facts<'a, M> {
    schema: &'a Schema,
    mirror: &'a M,
    /// Which of the findings it is.
    at: usize,
    finding: &'a Finding,
    turns: &'a Turns<'a>,
    /// What was found after this.
    later: &'a Later<'a>,
    moves: &'a Moves,
    seen: Timestamp,
    set: ChangeSetId,
}

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
            marks: told.marks,
        }
    }

    fn tell(&self, tell: Tell<'_>) -> Result<(), M::Error> {
        let actor = self.actor()?;
        match &self.finding.found {
            Found::Created => self.tell_created(&actor, tell)?,
            Found::Changed { renamed_from, attributes } => {
                let around = self.around(actor.clone())?;
                if let Some(former) = renamed_from
                    && self.is_its_own_rename(former)?
                {
                    tell(around.with(Change::ObjectRenamed { old_dn: former.dn.clone() }));
                }
                if !attributes.is_empty() {
                    tell(around.with(Change::AttributesChanged { attributes: attributes.clone() }));
                }
                self.tell_links(&around, tell)?;
            }
            Found::Entered => self.tell_scope(Change::ScopeEntered, &actor, tell)?,
            Found::Left => self.tell_scope(Change::ScopeLeft, &actor, tell)?,
            Found::Deleted(last) => self.tell_deleted(last, &actor, tell)?,
        }
        self.tell_along(&actor, tell)
    }

    /// Containers are not watched: they only carry along what lies below them.
    fn tell_scope(&self, change: Change, actor: &Actor, tell: Tell<'_>) -> Result<(), M::Error> {
        if self.finding.entry.kind != Some(EntryKind::Container) {
            tell(self.around(actor.clone())?.with(change));
        }
        Ok(())
    }

    /// Those who are where the move has put them; another reading may have said otherwise since.
    fn tell_along(&self, actor: &Actor, tell: Tell<'_>) -> Result<(), M::Error> {
        let along = &self.finding.along;
        let moved = [
            (&along.left, Scope::Outside, Change::ScopeLeft),
            (&along.entered, Scope::Inside, Change::ScopeEntered),
        ];
        for (nos, scope, change) in moved {
            for no in nos {
                let Some(known) = self.mirror.by_no(*no)? else { continue };
                if known.scope == scope && known.kind != EntryKind::Container {
                    tell(self.as_it_is(&known, change.clone(), actor)?);
                }
            }
        }
        Ok(())
    }

    /// An event on another entry than the finding's own.
    fn as_it_is(&self, known: &KnownEntry, change: Change, actor: &Actor) -> Result<Told, M::Error> {
        let (entry, marks) = mark_entry(self.schema, known);
        Ok(Told {
            entry,
            change,
            cause: Cause::Directory,
            owners: self.ranked(known.no, known.kind, Relation::Owner)?,
            managers: self.ranked(known.no, known.kind, Relation::Manager)?,
            actor: actor.clone(),
            marks,
        })
    }

    /// Not one that came with the container above it, nor one of a container with nothing in it.
    fn is_its_own_rename(&self, former: &Former) -> Result<bool, M::Error> {
        let entry = &self.finding.entry;
        if entry.kind == Some(EntryKind::Container) && self.is_empty_now()? {
            return Ok(false);
        }
        let (Some(parent), Some(above)) = (former.parent, entry.dn.parent()) else { return Ok(true) };
        if self.mirror.by_name(above.key())?.pop().is_none_or(|bearer| bearer.no != parent) {
            return Ok(true);
        }
        let moved_along = former.dn.parent().and_then(|old| former.dn.with_base_replaced(&old, &above));
        Ok(moved_along.is_none_or(|dn| dn.key() != entry.dn.key()))
    }

    /// Whether nothing lies below the entry, by the name it bears now: it may have been renamed again since.
    fn is_empty_now(&self) -> Result<bool, M::Error> {
        let known = self.mirror.by_no(self.finding.no)?;
        let name = known.map_or_else(|| self.finding.entry.dn.key(), |known| known.dn.key());
        Ok(!self.mirror.is_parent(name)?)
    }

    /// A created group names its members one by one; its owners are facts of the event.
    fn tell_created(&self, actor: &Actor, tell: Tell<'_>) -> Result<(), M::Error> {
        let around = self.around(actor.clone())?;
        tell(around.with(Change::ObjectCreated));
        let mut told = BTreeSet::new();
        for (_, member) in self.turns.arrivals.iter().filter(|(came, _)| came.relation == Relation::Member) {
            if told.insert(identity(member)) {
                tell(around.with(Change::MemberAdded { member: member.clone() }));
            }
        }
        Ok(())
    }

    fn tell_deleted(&self, last: &LastFacts, actor: &Actor, tell: Tell<'_>) -> Result<(), M::Error> {
        let mut losers = Vec::new();
        for losing in &last.losing {
            if let Some(holder) = self.holder(losing.holder)? {
                losers.push((losing, holder));
            }
        }
        let mut told = BTreeSet::new();
        losers.retain(|(losing, holder)| {
            holder.scope == Scope::Inside
                && concerns(holder.kind, losing.relation)
                && told.insert((losing.holder, losing.relation))
        });
        if self.finding.is_told_as_deleted(last) {
            tell(self.end_of(last, &losers, actor)?);
        }
        for (losing, holder) in &losers {
            tell(self.consequence(losing, holder, actor)?);
        }
        Ok(())
    }

    fn end_of(
        &self,
        last: &LastFacts,
        losers: &[(&Losing, Holder)],
        actor: &Actor,
    ) -> Result<Told, M::Error> {
        let last_groups = losers
            .iter()
            .filter(|(losing, _)| losing.relation == Relation::Member)
            .map(|(_, holder)| holder.entry.clone())
            .collect();
        let last_members =
            last.members.iter().map(|member| self.found_since(member)).collect::<Result<_, _>>()?;
        Ok(Told {
            entry: self.finding.entry.clone(),
            change: Change::ObjectDeleted { last_members, last_member_count: last.member_count, last_groups },
            cause: Cause::Directory,
            owners: self.found_since_with_rank(&last.owners)?,
            managers: self.found_since_with_rank(&last.managers)?,
            actor: actor.clone(),
            marks: self.finding.marks,
        })
    }

    /// Who was only a name when the finding was made, and was looked up since.
    fn found_since(&self, who: &EntryRef) -> Result<EntryRef, M::Error> {
        if who.id.is_some() {
            return Ok(who.clone());
        }
        let bearer = self.mirror.by_name(who.dn.key())?.pop();
        Ok(bearer.map_or_else(|| who.clone(), |entry| name_entry(self.schema, &entry)))
    }

    fn found_since_with_rank(&self, all: &[RankedRef]) -> Result<Vec<RankedRef>, M::Error> {
        all.iter()
            .map(|RankedRef { entry, rank }| Ok(RankedRef { entry: self.found_since(entry)?, rank: *rank }))
            .collect()
    }

    /// `None`: nothing is told of it. A refresh does not say whether a group lost somebody before or after it
    /// came or left or was deleted, so it says nothing of that; live, the holder is as it was then.
    fn holder(&self, no: EntryNo) -> Result<Option<Holder>, M::Error> {
        let now = self.mirror.by_no(no)?;
        let end = match self.finding.order {
            Order::Arbitrary if now.is_none() || self.moves.in_a_refresh(no) => return Ok(None),
            Order::Arbitrary => None,
            Order::OfTheChanges => self.later_of(no).iter().rev().find(|later| later.finding.is_an_end()),
        };
        let (entry, marks) = match (end, &now) {
            (Some(end), _) => (end.finding.entry.clone(), end.finding.marks),
            (None, Some(known)) => mark_entry(self.schema, known),
            (None, None) => return Ok(None),
        };
        let then = self.moves.scope_then(no, self.at);
        let scope = then.or(now.map(|known| known.scope)).unwrap_or_default();
        Ok(entry.kind.map(|kind| Holder { entry, kind, scope, marks }))
    }

    fn consequence(&self, losing: &Losing, holder: &Holder, actor: &Actor) -> Result<Told, M::Error> {
        let gone = self.finding.entry.clone();
        let went = RankedRef { entry: gone.clone(), rank: losing.rank };
        let mut owners = self.ranked_then(losing.holder, holder.kind, Relation::Owner)?;
        let mut managers = self.ranked_then(losing.holder, holder.kind, Relation::Manager)?;
        match losing.relation {
            Relation::Member => {}
            Relation::Owner => add_ranked(&mut owners, went),
            Relation::Manager => add_ranked(&mut managers, went),
        }
        Ok(Told {
            entry: holder.entry.clone(),
            change: link_change(losing.relation, losing.rank, Direction::Removed, gone),
            cause: Cause::Consequence,
            owners,
            managers,
            actor: actor.clone(),
            marks: holder.marks,
        })
    }

    /// What was found of an entry after this finding, last first.
    fn later_of(&self, no: EntryNo) -> &[&Turns<'_>] {
        self.later.get(&no).map_or(&[], Vec::as_slice)
    }

    /// Ids decide: who came by one name and went by another, or is still there by a third, did neither.
    fn tell_links(&self, around: &Around<'_>, tell: Tell<'_>) -> Result<(), M::Error> {
        let mut told = BTreeSet::new();
        for gone in &self.finding.went {
            let place = (gone.relation, identity(&gone.was));
            if told.insert(place) && self.turn(place)? == Some(Direction::Removed) {
                self.tell_link(around, gone.relation, gone.rank, Direction::Removed, &gone.was, tell);
            }
        }
        told.clear();
        for (new, who) in &self.turns.arrivals {
            let place = (new.relation, identity(who));
            if told.insert(place) && self.turn(place)? == Some(Direction::Added) {
                self.tell_link(around, new.relation, new.rank, Direction::Added, who, tell);
            }
        }
        Ok(())
    }

    /// What this finding made of the entry's link to somebody. `None`: it was there before and after, or
    /// neither.
    fn turn(&self, place: Place) -> Result<Option<Direction>, M::Error> {
        let Some(mut values) = self.values_now(place)? else {
            return Ok(self.turns.alone(&place));
        };
        for later in self.later_of(self.finding.no) {
            later.undo(&place, &mut values);
        }
        let after = !values.is_empty();
        self.turns.undo(&place, &mut values);
        let before = !values.is_empty();
        Ok(match (before, after) {
            (false, true) => Some(Direction::Added),
            (true, false) => Some(Direction::Removed),
            (true, true) | (false, false) => None,
        })
    }

    /// `None`: one of the two is gone, and all links between them.
    fn values_now(&self, (relation, who): Place) -> Result<Option<Values>, M::Error> {
        if self.mirror.by_no(self.finding.no)?.is_none() {
            return Ok(None);
        }
        let Identity::Id(id) = who else { return self.nameless_values_now((relation, who)).map(Some) };
        let Some(entry) = self.mirror.by_id(id)? else { return Ok(None) };
        let links = self.mirror.links_between(self.finding.no, relation, &entry)?;
        Ok(Some(links.iter().map(|link| (link.role, link.key)).collect()))
    }

    /// Of a name that means nobody: the values known by these findings that are still there.
    fn nameless_values_now(&self, place: Place) -> Result<Values, M::Error> {
        let mut values = Values::new();
        for turns in self.later_of(self.finding.no).iter().copied().chain([self.turns]) {
            for (role, key) in turns.came.get(&place).into_iter().flatten() {
                if self.mirror.link(self.finding.no, *role, *key)?.is_some() {
                    values.insert((*role, *key));
                }
            }
        }
        Ok(values)
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

    /// What all events on the finding's own entry share: its owners and managers before ∪ after.
    fn around(&self, actor: Actor) -> Result<Around<'_>, M::Error> {
        let (no, kind) = (self.finding.no, self.finding.entry.kind.unwrap_or(EntryKind::Container));
        let mut owners = self.ranked_then(no, kind, Relation::Owner)?;
        let mut managers = self.ranked_then(no, kind, Relation::Manager)?;
        for went in &self.finding.went {
            let was = RankedRef { entry: went.was.clone(), rank: went.rank };
            match went.relation {
                Relation::Member => {}
                Relation::Owner => add_ranked(&mut owners, was),
                Relation::Manager => add_ranked(&mut managers, was),
            }
        }
        Ok(Around { entry: &self.finding.entry, owners, managers, actor, marks: self.finding.marks })
    }

    /// An entry's owners or managers when this finding was made: as they are now, or were at its end, without
    /// what was found of it since.
    fn ranked_then(
        &self,
        no: EntryNo,
        kind: EntryKind,
        relation: Relation,
    ) -> Result<Vec<RankedRef>, M::Error> {
        let mut people = self.ranked(no, kind, relation)?;
        for later in self.later_of(no) {
            if let Found::Deleted(last) = &later.finding.found {
                people = self.found_since_with_rank(last.of(relation))?;
            }
            if self.surely_comes_before(later) {
                let came = later.arrivals.iter().filter(|(came, _)| came.relation == relation);
                let came: BTreeSet<_> = came.map(|(_, who)| identity(who)).collect();
                people.retain(|person| !came.contains(&identity(&person.entry)));
                for went in later.finding.went.iter().filter(|went| went.relation == relation) {
                    add_ranked(&mut people, RankedRef { entry: went.was.clone(), rank: went.rank });
                }
            }
        }
        Ok(people)
    }

    /// What a refresh found comes after live changes that were still waiting when it began, and in no order itself.
    fn surely_comes_before(&self, later: &Turns<'_>) -> bool {
        match (self.finding.order, later.finding.order) {
            (Order::Arbitrary, Order::Arbitrary) => false,
            (Order::OfTheChanges, _) | (_, Order::OfTheChanges) => true,
        }
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
    marks: Marks,
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
            marks: self.marks,
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
