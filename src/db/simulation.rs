//! What would be told of a change that nobody has made: the real rules on the real state, and all of it taken
//! back.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::TransactionBehavior;
use uuid::Uuid;

use super::{
    DbError,
    error::During,
    explanation::{Explanation, Rules, Stage},
    mirror::StoreMirror,
    open,
    stores::known_store,
};
use crate::{
    change::{
        event::ChangeSet,
        finding::Finding,
        observation::Observation,
        reconcile::{Comparison, Older, reconcile},
        resolve::resolve,
        settle::{Asking, settle, unresolved},
    },
    directory::{
        attribute::AttributeName,
        batch::{Delete, Delta, Modification, Operation, Origin, Phase},
        dn::Dn,
        entry::{EntryId, EntryKind, Rank, Relation},
        mirror::{EntryNo, KnownEntry, KnownLink, Meaning, Mirror, Scope, Write},
        schema::{LinkSyntax, LinkTarget},
        watched::WatchedTree,
    },
    notify::{decide::decide, table::Ticked},
};

/// A change that nobody has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supposed {
    /// A value more among a group's members.
    MemberAdded {
        /// Who comes.
        member: EntryId,
        /// Into which group.
        group: EntryId,
    },
    /// All values that mean this member less.
    MemberRemoved {
        /// Who goes.
        member: EntryId,
        /// From which group.
        group: EntryId,
    },
    /// This one in place of all primary owners.
    OwnerSet {
        /// Who comes.
        owner: EntryId,
        /// Of which group.
        group: EntryId,
    },
    /// This one in place of all primary managers.
    ManagerSet {
        /// Who comes.
        manager: EntryId,
        /// Of which user or contact.
        of: EntryId,
    },
    /// An entry less.
    Deleted {
        /// Which.
        entry: EntryId,
    },
}

/// What would come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// One for each event, in their order; empty where there is nothing to tell.
    pub explanations: Vec<Explanation>,
    /// Names that would be looked up in the directory first. Here they mean somebody who cannot be read.
    pub unresolved: Vec<Dn>,
}

/// Why a change cannot be supposed.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The state file.
    #[error(transparent)]
    Db(#[from] DbError),
    /// It has neither members nor owners.
    #[error("{dn} is no group but a {}", kind.as_str())]
    NotAGroup {
        /// Which entry.
        dn: Dn,
        /// What it is.
        kind: EntryKind,
    },
    /// It has no manager.
    #[error("{dn} is no user or contact but a {}", kind.as_str())]
    NotAPerson {
        /// Which entry.
        dn: Dn,
        /// What it is.
        kind: EntryKind,
    },
    /// Its changes are not seen.
    #[error("{dn} lies outside the watched tree: dirherald does not see what happens to it")]
    NotWatched {
        /// Which entry.
        dn: Dn,
    },
    /// A container is not told of.
    #[error("{dn} is a container: its deletion is told to nobody")]
    Container {
        /// Which entry.
        dn: Dn,
    },
    /// A group that lists its members by account name cannot list this one.
    #[error("{group} lists its members by account name, and {dn} has none")]
    NoAccountName {
        /// Who was to come.
        dn: Dn,
        /// Into which group.
        group: Dn,
    },
    /// The schema names no attribute for such a link.
    #[error("the schema of this store names no attribute for that")]
    NoAttribute,
}

/// Plays `supposed` on the mirror, decides who is told, and takes everything back: the state file is the same
/// afterwards. Other writers wait for as long as that takes. The decision sees the mirror as it would be after
/// the change, as dispatch would. `actor`: whom the feed would name.
pub fn simulate(
    path: &Path,
    store: &str,
    tree: &WatchedTree,
    rules: Rules<'_>,
    supposed: Supposed,
    actor: Option<Dn>,
    now: Timestamp,
) -> Result<Simulated, SimulationError> {
    let unknown = || DbError::NoBaseline { store: store.to_owned() };
    if !open::exists(path)? {
        return Err(unknown().into());
    }
    let mut connection = open::open_for_rehearsing(path)?.ok_or_else(unknown)?;
    let rehearsal = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .during("begin to suppose a change")?;
    let no = known_store(&rehearsal, store)?;
    let mirror = StoreMirror { connection: &rehearsal, store: no, schema: rules.schema };
    let simulation = Simulation { mirror, store, tree, rules, now };
    let simulated = simulation.play(supposed, Origin { time: None, actor });
    rehearsal.rollback().during("take back what was supposed")?;
    simulated
}

struct Simulation<'a> {
    mirror: StoreMirror<'a>,
    store: &'a str,
    tree: &'a WatchedTree,
    rules: Rules<'a>,
    now: Timestamp,
}

/// What a value that means an entry would say.
enum Spelling {
    Dn(Dn),
    Account(String),
}

impl Spelling {
    fn syntax(&self) -> LinkSyntax {
        match self {
            Self::Dn(_) => LinkSyntax::Dn,
            Self::Account(_) => LinkSyntax::Account,
        }
    }

    fn into_value(self) -> Vec<u8> {
        match self {
            Self::Dn(dn) => dn.as_str().as_bytes().to_vec(),
            Self::Account(account) => account.into_bytes(),
        }
    }
}

impl Simulation<'_> {
    fn play(&self, supposed: Supposed, origin: Origin) -> Result<Simulated, SimulationError> {
        match self.observation(supposed, origin)? {
            Some(observation) => self.observe(&observation),
            None => Ok(Simulated { explanations: Vec::new(), unresolved: Vec::new() }),
        }
    }

    /// As a feed would say it. `None`: it would say nothing, because nothing changes.
    fn observation(
        &self,
        supposed: Supposed,
        origin: Origin,
    ) -> Result<Option<Observation>, SimulationError> {
        let (of, modifications) = match supposed {
            Supposed::Deleted { entry } => return self.deletion(entry, origin),
            Supposed::MemberAdded { member, group } => {
                let Some((group, member)) = self.pair(group, member)? else { return Ok(None) };
                watched_group(&group)?;
                (group.id, self.addition(&group, &member)?)
            }
            Supposed::MemberRemoved { member, group } => {
                let Some((group, member)) = self.pair(group, member)? else { return Ok(None) };
                watched_group(&group)?;
                let links = self.mirror.links_between(group.no, Relation::Member, &member)?;
                (group.id, self.removal(&group, Relation::Member, &links)?)
            }
            Supposed::OwnerSet { owner, group } => {
                let Some((group, owner)) = self.pair(group, owner)? else { return Ok(None) };
                watched_group(&group)?;
                (group.id, self.replacement(&group, Relation::Owner, &owner)?)
            }
            Supposed::ManagerSet { manager, of } => {
                let Some((of, manager)) = self.pair(of, manager)? else { return Ok(None) };
                watched_person(&of)?;
                (of.id, self.replacement(&of, Relation::Manager, &manager)?)
            }
        };
        if modifications.is_empty() {
            return Ok(None);
        }
        Ok(Some(Observation::Delta(Delta { id: of, stamp: None, origin, modifications })))
    }

    fn deletion(&self, id: EntryId, origin: Origin) -> Result<Option<Observation>, SimulationError> {
        let Some(entry) = self.mirror.by_id(id)? else { return Ok(None) };
        watched(&entry)?;
        if entry.kind == EntryKind::Container {
            return Err(SimulationError::Container { dn: entry.dn });
        }
        Ok(Some(Observation::Delete(Delete { id, origin })))
    }

    /// `None`: one of them has gone since it was found.
    fn pair(&self, holder: EntryId, other: EntryId) -> Result<Option<(KnownEntry, KnownEntry)>, DbError> {
        Ok(self.mirror.by_id(holder)?.zip(self.mirror.by_id(other)?))
    }

    fn addition(
        &self,
        group: &KnownEntry,
        member: &KnownEntry,
    ) -> Result<Vec<Modification>, SimulationError> {
        if !self.mirror.links_between(group.no, Relation::Member, member)?.is_empty() {
            return Ok(Vec::new());
        }
        let spelling = match self.syntax_of_members(group)? {
            LinkSyntax::Dn => Spelling::Dn(member.dn.clone()),
            LinkSyntax::Account => Spelling::Account(self.account_for(group, member)?),
        };
        self.modification(group, Relation::Member, Operation::Add, spelling).map(|added| vec![added])
    }

    fn account_for(&self, group: &KnownEntry, member: &KnownEntry) -> Result<String, SimulationError> {
        let account = self.rules.schema.account(&member.attributes);
        let (dn, group) = (member.dn.clone(), group.dn.clone());
        account.ok_or(SimulationError::NoAccountName { dn, group })
    }

    fn removal(
        &self,
        holder: &KnownEntry,
        relation: Relation,
        links: &[KnownLink],
    ) -> Result<Vec<Modification>, SimulationError> {
        let mut removed = Vec::new();
        for link in links {
            if let Some(spelling) = self.spelling(holder.no, link)? {
                removed.push(self.modification(holder, relation, Operation::Delete, spelling)?);
            }
        }
        Ok(removed)
    }

    /// An owner who stands among the additional ones too keeps that place.
    fn replacement(
        &self,
        holder: &KnownEntry,
        relation: Relation,
        new: &KnownEntry,
    ) -> Result<Vec<Modification>, SimulationError> {
        let links = self.mirror.links_of(holder.no, relation)?;
        let beside = |link: &KnownLink| {
            links.iter().any(|other| other.role.rank == Rank::Additional && other.key == link.key)
        };
        let own = self.mirror.links_between(holder.no, relation, new)?;
        let replaced: Vec<KnownLink> = links
            .iter()
            .filter(|link| link.role.rank == Rank::Primary && !own.contains(link) && !beside(link))
            .copied()
            .collect();
        let mut modifications = self.removal(holder, relation, &replaced)?;
        if own.iter().all(|link| link.role.rank == Rank::Additional) {
            let spelling = Spelling::Dn(new.dn.clone());
            modifications.push(self.modification(holder, relation, Operation::Add, spelling)?);
        }
        Ok(modifications)
    }

    fn modification(
        &self,
        holder: &KnownEntry,
        relation: Relation,
        operation: Operation,
        spelling: Spelling,
    ) -> Result<Modification, SimulationError> {
        let attribute = self.attribute(holder.kind, relation, spelling.syntax());
        let attribute = attribute.ok_or(SimulationError::NoAttribute)?;
        Ok(Modification { attribute, operation, values: vec![spelling.into_value()] })
    }

    /// The first of the settings: which of several with one syntax holds a link, the mirror does not keep, and it
    /// makes no difference.
    fn attribute(&self, kind: EntryKind, relation: Relation, syntax: LinkSyntax) -> Option<AttributeName> {
        let schema = self.rules.schema;
        let mut names = schema.requested_attributes().into_iter();
        names.find(|name| schema.link(kind, name) == Some((relation, syntax)))
    }

    /// How a group lists its members: as it lists the first, or as the first attribute of the settings does.
    fn syntax_of_members(&self, group: &KnownEntry) -> Result<LinkSyntax, SimulationError> {
        if let Some(link) = self.mirror.links_of(group.no, Relation::Member)?.first()
            && let Some(syntax) = self.syntax_of(link)?
        {
            return Ok(syntax);
        }
        let schema = self.rules.schema;
        let first = schema.members().iter().find_map(|name| schema.link(EntryKind::Group, name));
        first.map(|(_, syntax)| syntax).ok_or(SimulationError::NoAttribute)
    }

    /// `None`: of a deleted entry the name is not known any more.
    fn syntax_of(&self, link: &KnownLink) -> Result<Option<LinkSyntax>, DbError> {
        if let Some(entry) = resolve(&self.mirror, link)? {
            let by_account = entry.account == Some(link.key);
            return Ok(Some(if by_account { LinkSyntax::Account } else { LinkSyntax::Dn }));
        }
        Ok(self.mirror.stray(link.key)?.map(|stray| match stray.target {
            LinkTarget::Dn(_) => LinkSyntax::Dn,
            LinkTarget::Account(_) => LinkSyntax::Account,
        }))
    }

    /// What the value behind a link says. `None`: it dangles.
    ///
    /// A link by a former name is filed under the present one first, as if the server had cleaned the value: what
    /// it said before is not known.
    fn spelling(&self, holder: EntryNo, link: &KnownLink) -> Result<Option<Spelling>, DbError> {
        let Some(entry) = resolve(&self.mirror, link)? else {
            return Ok(self.mirror.stray(link.key)?.map(|stray| match stray.target {
                LinkTarget::Dn(dn) => Spelling::Dn(dn),
                LinkTarget::Account(account) => Spelling::Account(account),
            }));
        };
        if entry.account == Some(link.key)
            && let Some(account) = self.rules.schema.account(&entry.attributes)
        {
            return Ok(Some(Spelling::Account(account)));
        }
        if link.key != entry.dn.key() {
            self.refile(holder, link, &entry)?;
        }
        Ok(Some(Spelling::Dn(entry.dn)))
    }

    fn refile(&self, holder: EntryNo, link: &KnownLink, entry: &KnownEntry) -> Result<(), DbError> {
        let remove = Write::RemoveLink { entry: holder, role: link.role, key: link.key };
        let add = Write::AddLink {
            entry: holder,
            role: link.role,
            key: entry.dn.key(),
            target: LinkTarget::Dn(entry.dn.clone()),
            meaning: Meaning::Bound(entry.no),
        };
        for write in [remove, add] {
            self.mirror.apply(&write, &|_| false)?;
        }
        Ok(())
    }

    /// What ingest and dispatch would do.
    fn observe(&self, observation: &Observation) -> Result<Simulated, SimulationError> {
        let Rules { schema, options } = self.rules;
        let member_cap = options.group_expansion_limit.saturating_add(1);
        let comparison =
            Comparison { schema, tree: self.tree, member_cap, phase: Phase::Live, older: Older::Ignored };
        let effects = reconcile(observation, &comparison, &self.mirror)?;
        for write in &effects.writes {
            self.mirror.apply(write, &|_| false)?;
        }
        let findings: Vec<Finding> = effects.finding.into_iter().collect();
        // Whom the daemon looked up it would look up anew; that is not to be had here.
        let is_fresh = |key| self.mirror.by_name(key).is_ok_and(|bearers| !bearers.is_empty());
        let asking = Asking { is_fresh: &is_fresh, member_cap };
        let unresolved = unresolved(&findings, asking, &self.mirror)?.into_values().collect();
        // These ids are nobody's: nothing is kept of them.
        let mut last = 0;
        let mut new_id = || {
            last += 1;
            Uuid::from_u128(last)
        };
        let sets = settle(findings, self.now, schema, &self.mirror, &mut new_id)?;
        let mut explanations = Vec::new();
        for set in sets {
            explanations.extend(self.explained(set)?);
        }
        Ok(Simulated { explanations, unresolved })
    }

    fn explained(&self, set: ChangeSet) -> Result<Vec<Explanation>, DbError> {
        let decision = decide(&set, self.rules.options, &self.mirror)?;
        let ticked = Ticked::of(self.rules.options);
        let explained = set.events.into_iter().map(|event| {
            Explanation::of(self.store.to_owned(), event, Stage::Supposed, ticked.clone(), &decision)
        });
        Ok(explained.collect())
    }
}

fn watched(entry: &KnownEntry) -> Result<(), SimulationError> {
    match entry.scope {
        Scope::Inside => Ok(()),
        Scope::Outside => Err(SimulationError::NotWatched { dn: entry.dn.clone() }),
    }
}

fn watched_group(entry: &KnownEntry) -> Result<(), SimulationError> {
    match entry.kind {
        EntryKind::Group => watched(entry),
        kind @ (EntryKind::User | EntryKind::Contact | EntryKind::Container) => {
            Err(SimulationError::NotAGroup { dn: entry.dn.clone(), kind })
        }
    }
}

fn watched_person(entry: &KnownEntry) -> Result<(), SimulationError> {
    match entry.kind {
        EntryKind::User | EntryKind::Contact => watched(entry),
        kind @ (EntryKind::Group | EntryKind::Container) => {
            Err(SimulationError::NotAPerson { dn: entry.dn.clone(), kind })
        }
    }
}

#[cfg(test)]
mod tests;
