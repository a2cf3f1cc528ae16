//! Ingest: a batch against the mirror, in one transaction with its events and its checkpoint.

mod comparing;
mod given_up;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use uuid::{ContextV7, Uuid};

pub use self::comparing::{BegunComparison, EntryCompared};
use self::given_up::GivenUp;
use super::{
    Db, DbError, StoreNo,
    baseline::{self, Names},
    comparisons::{self, OpenComparison},
    error::During,
    hindsight::members_of,
    holds::{Counting, Gate, OpenedHold, Place},
    mirror::{StoreMirror, outsiders::outside},
    open,
    rows::{json_at, micros, to_json},
    stores::{self, Baseline},
    worker::Priority,
};
use crate::{
    change::{
        event::{Cause, ChangeSet},
        finding::{Finding, Found},
        guard::GuardSettings,
        observation::{Observation, Observed},
        purpose::Purpose,
        reconcile::{Comparison, Older, reconcile},
        resolve::{Anew, mark_entry, meant_anew, name_entry},
        settle::{Asking, settle, unresolved},
    },
    directory::{
        batch::{Delete, Existence, Origin, Phase},
        checkpoint::Checkpoint,
        dn::{Dn, NameKey},
        entry::EntryId,
        mirror::{EntryNo, KnownEntry, KnownLink, Mirror, Write},
        schema::Schema,
        watched::WatchedTree,
    },
};

/// What a look-up says of an entry outside holds for so long. Minutes: such an entry's changes are seen by
/// nothing else, and a group of many outsiders that changes all day is to be told of without as many questions.
const ANSWER_STANDS: SignedDuration = SignedDuration::from_mins(5);

/// So many answers are remembered before those that stand no longer are dropped.
const REMEMBERED: usize = 4096;

/// What ingest needs to know of a store, and where its present refresh stands.
#[derive(Debug)]
pub struct StoreContext {
    /// Which store.
    pub no: StoreNo,
    /// What is watched.
    pub tree: WatchedTree,
    /// How entries are read.
    pub schema: Arc<Schema>,
    /// How many last members of a deleted group an event carries.
    pub member_cap: usize,
    /// When the bulk guard holds something back.
    pub guard: GuardSettings,
    pub(super) counting: Counting,
    refresh: Mutex<Refresh>,
    /// When names were asked for. In memory: after a restart they are asked for once more.
    asked: Mutex<BTreeMap<NameKey, Timestamp>>,
}

/// What was shown since the refresh began. Lost in a crash, and the refresh with it.
#[derive(Debug, Default)]
struct Refresh {
    stage: Stage,
    /// Named or shown.
    seen: Rows,
    /// Shown whole: what an image says of name and links is final.
    imaged: Rows,
    shown: u64,
    names: Names,
    /// Since it is over.
    given_up: GivenUp,
    /// What everything is read for. It may stay after the refresh, while names are looked up.
    comparison: Option<OpenComparison>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Over,
    UnderWay,
}

/// One bit for each row of the mirror.
#[derive(Debug, Default)]
struct Rows(Vec<u64>);

impl Refresh {
    fn begun(comparison: Option<OpenComparison>) -> Self {
        Self { stage: Stage::UnderWay, comparison, ..Self::default() }
    }

    fn older(&self) -> Older {
        match (self.stage, self.comparison) {
            (Stage::UnderWay, Some(_)) => Older::Counts,
            (Stage::UnderWay, None) | (Stage::Over, _) => Older::Ignored,
        }
    }
}

impl Rows {
    fn mark(&mut self, no: EntryNo) {
        let Ok(bit) = usize::try_from(no.0) else { return };
        let word = bit / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (bit % 64);
        }
    }

    fn has(&self, no: EntryNo) -> bool {
        let Ok(bit) = usize::try_from(no.0) else { return false };
        self.0.get(bit / 64).is_some_and(|word| word & (1 << (bit % 64)) != 0)
    }
}

/// What came of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Readings that were taken in.
    pub readings: u64,
    /// Change sets that can be dispatched now.
    pub change_sets: usize,
    /// Events that the bulk guard held back, behind older holds too.
    pub held: usize,
    /// Holds that began.
    pub opened: Vec<OpenedHold>,
    /// Names to look up before the rest can be told: see [`Db::settle`].
    pub unresolved: Vec<(NameKey, Dn)>,
    /// Names below which everything is to be read before the rest can be told.
    pub unread: Vec<Dn>,
    /// What was not taken in, because something before it waits for an answer: to be handed in again after
    /// that, with the checkpoint, which was not stored.
    pub rest: Vec<Observation>,
}

/// A name that was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedUp {
    /// As asked for in [`Ingested::unresolved`].
    pub key: NameKey,
    /// Likewise.
    pub dn: Dn,
    /// `None`: the server shows nothing under that name.
    pub entry: Option<Observed>,
}

/// What came of telling one unit.
#[derive(Debug, Default)]
struct Told {
    /// Change sets that can be dispatched.
    change_sets: usize,
    /// Events that are held.
    held: usize,
    opened: Vec<OpenedHold>,
}

impl Told {
    fn add(&mut self, more: Self) {
        self.change_sets += more.change_sets;
        self.held += more.held;
        self.opened.extend(more.opened);
    }
}

impl Ingested {
    fn add(&mut self, told: Told) {
        self.change_sets += told.change_sets;
        self.held += told.held;
        self.opened.extend(told.opened);
    }
}

/// A clock that was set back says nothing of how old an answer is.
fn stands(at: Timestamp, now: Timestamp) -> bool {
    (SignedDuration::ZERO..ANSWER_STANDS).contains(&now.duration_since(at))
}

/// What lies below a name that came into the watched tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBelow {
    /// As asked for in [`Ingested::unread`].
    pub dn: Dn,
    /// All there is, the entry of that name too.
    pub entries: Vec<Observed>,
}

impl StoreContext {
    /// A store before its first batch, guarded as it is where nothing is configured.
    pub fn new(no: StoreNo, tree: impl Into<WatchedTree>, schema: Arc<Schema>, member_cap: usize) -> Self {
        let (refresh, asked) = (Mutex::default(), Mutex::default());
        let (guard, counting) = (GuardSettings::default(), Counting::default());
        Self { no, tree: tree.into(), schema, member_cap, guard, counting, refresh, asked }
    }

    /// With these limits.
    #[must_use]
    pub fn guarded(self, guard: GuardSettings) -> Self {
        Self { guard, ..self }
    }

    /// Whether a reading has begun since this was made, and is not at its end.
    pub fn has_begun_to_read(&self) -> bool {
        self.refresh().stage == Stage::UnderWay
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<NameKey, Timestamp>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_asked(&self, key: NameKey, now: Timestamp) {
        let mut asked = self.asked();
        if asked.len() >= REMEMBERED {
            asked.retain(|_, at| stands(*at, now));
        }
        asked.insert(key, now);
    }

    fn refresh(&self) -> MutexGuard<'_, Refresh> {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Db {
    /// Takes a batch in. Everything it says and its checkpoint are stored, or nothing is.
    ///
    /// The events of a refresh become dispatchable at its end, those of live changes at once; both only when
    /// every name in them is known or was looked up.
    pub async fn ingest(
        &self,
        context: Arc<StoreContext>,
        observations: Vec<Observation>,
        phase: Phase,
        checkpoint: Option<Checkpoint>,
        now: Timestamp,
    ) -> Result<Ingested, DbError> {
        self.worker
            .call(Priority::Ingest, move |connection| {
                let store = |connection: &mut Connection| {
                    let transaction = connection.transaction().during("begin an ingest")?;
                    let ingest = Ingest { connection: &transaction, context: &context, now };
                    let ingested = ingest.batch(observations, phase)?;
                    if let Some(checkpoint) = checkpoint.filter(|_| ingested.rest.is_empty()) {
                        stores::store_checkpoint(&transaction, context.no, &checkpoint, now)?;
                    }
                    transaction.commit().during("commit an ingest")?;
                    Ok(ingested)
                };
                match (phase, stores::baseline(connection, context.no)?) {
                    (Phase::RefreshBegins | Phase::Refresh, Baseline::Missing) => {
                        open::without_waiting_for_the_disk(connection, store)
                    }
                    (Phase::RefreshEnds | Phase::Live, _) | (_, Baseline::Complete) => store(connection),
                }
            })
            .await
    }

    /// Keeps what was looked up; what waits for it goes on waiting, for [`Db::settle`].
    pub async fn learn(
        &self,
        context: Arc<StoreContext>,
        looked_up: Vec<LookedUp>,
        now: Timestamp,
    ) -> Result<(), DbError> {
        self.worker
            .call(Priority::Ingest, move |connection| {
                let transaction = connection.transaction().during("begin to learn")?;
                Ingest { connection: &transaction, context: &context, now }.learn(looked_up)?;
                transaction.commit().during("commit what was learnt")
            })
            .await
    }

    /// Tells what waited for `looked_up` and `below`. What is unresolved after that is told by its name alone,
    /// but for what was read `below`: the names in it are asked for first, and answered to this once more.
    pub async fn settle(
        &self,
        context: Arc<StoreContext>,
        looked_up: Vec<LookedUp>,
        below: Vec<ReadBelow>,
        now: Timestamp,
    ) -> Result<Ingested, DbError> {
        self.worker
            .call(Priority::Ingest, move |connection| {
                let transaction = connection.transaction().during("begin to settle")?;
                let ingest = Ingest { connection: &transaction, context: &context, now };
                let settled = ingest.settle(looked_up, below)?;
                transaction.commit().during("commit what was settled")?;
                Ok(settled)
            })
            .await
    }

    /// The entries that a complete present phase ending with `present` would take as gone.
    pub async fn absent(
        &self,
        context: Arc<StoreContext>,
        present: Vec<EntryId>,
    ) -> Result<Vec<EntryId>, DbError> {
        self.worker
            .call(Priority::Ingest, move |connection| {
                let mirror = StoreMirror { connection, store: context.no, schema: &context.schema };
                let present: BTreeSet<EntryId> = present.into_iter().collect();
                let refresh = context.refresh();
                let mut absent = mirror.shown(&context.tree, |no| !refresh.seen.has(no))?;
                absent.retain(|id| !present.contains(id));
                Ok(absent)
            })
            .await
    }
}

struct Ingest<'a> {
    connection: &'a Connection,
    context: &'a StoreContext,
    now: Timestamp,
}

impl Ingest<'_> {
    fn mirror(&self) -> StoreMirror<'_> {
        StoreMirror { connection: self.connection, store: self.context.no, schema: &self.context.schema }
    }

    fn batch(&self, observations: Vec<Observation>, phase: Phase) -> Result<Ingested, DbError> {
        let missing = stores::baseline(self.connection, self.context.no)? == Baseline::Missing;
        match (phase, missing) {
            (Phase::RefreshBegins, true) => {
                *self.context.refresh() = Refresh::begun(None);
                comparisons::refuse_all(self.connection, self.context.no, self.now)?;
                baseline::begin(self.connection, self.context.no)?;
                self.load(observations)
            }
            (Phase::RefreshBegins, false) => {
                *self.context.refresh() = Refresh::begun(self.comparison_under_way()?);
                self.compare(observations, phase)
            }
            (Phase::Refresh, true) => self.load(observations),
            (Phase::RefreshEnds, true) => {
                let loaded = self.load(observations)?;
                self.refuse_nothing()?;
                baseline::finish(self.connection, self.context)?;
                comparisons::note_compared(self.connection, self.context.no, self.now)?;
                *self.context.refresh() = Refresh::default();
                Ok(Ingested { unresolved: self.excluded_names()?, ..loaded })
            }
            (Phase::Refresh | Phase::RefreshEnds | Phase::Live, false) => self.compare(observations, phase),
            // A feed never goes live before its refresh has ended.
            (Phase::Live, true) => Ok(Ingested::default()),
        }
    }

    fn load(&self, observations: Vec<Observation>) -> Result<Ingested, DbError> {
        let mut refresh = self.context.refresh();
        let entries = baseline::load(self.connection, self.context, &mut refresh.names, observations)?;
        refresh.shown += entries;
        Ok(Ingested { readings: entries, ..Ingested::default() })
    }

    /// Excluded entries that something watched names, in a baseline that did not keep them. The feed tells of
    /// them too: known by id, they stay the same through their renames.
    fn excluded_names(&self) -> Result<Vec<(NameKey, Dn)>, DbError> {
        let tree = &self.context.tree;
        if !tree.has_gaps() {
            return Ok(Vec::new());
        }
        let mut names = self.mirror().open_names()?;
        names.retain(|(_, dn)| tree.excludes(dn));
        Ok(names)
    }

    fn compare(&self, observations: Vec<Observation>, phase: Phase) -> Result<Ingested, DbError> {
        let mut ingested = Ingested::default();
        // Where the directory cannot be asked for a while, ingest goes on all the same.
        let may_pause = phase == Phase::Live && !self.is_waiting()?;
        let mut observations = observations.into_iter();
        while let Some(observation) = observations.next() {
            ingested.readings += 1;
            self.mark_shown(&observation)?;
            let complete = matches!(&observation, Observation::Present(set) if set.complete);
            ingested.add(self.take_in(&observation, phase)?);
            if complete {
                self.remove_absent(phase)?;
            }
            if may_pause && self.is_waiting()? {
                // A finding is told of the mirror as it is then: what happened later must not be in it yet.
                ingested.rest = observations.collect();
                break;
            }
        }
        if phase == Phase::RefreshEnds {
            self.mean_anew()?;
            self.context.refresh().stage = Stage::Over;
        }
        if phase == Phase::RefreshEnds || phase == Phase::Live {
            let waiting = self.findings()?;
            ingested.unresolved = self.unresolved(&waiting)?;
            ingested.unread = self.unread(&waiting)?;
            let is_to_be_told = !waiting.is_empty() || self.context.refresh().comparison.is_some();
            if ingested.unresolved.is_empty() && ingested.unread.is_empty() && is_to_be_told {
                ingested.add(self.settle_waiting()?);
            }
        }
        Ok(ingested)
    }

    /// One observation: rows at once; events at once where nothing has to be waited for.
    fn take_in(&self, observation: &Observation, phase: Phase) -> Result<Told, DbError> {
        let mirror = self.mirror();
        let effects = reconcile(observation, &self.comparison(phase), &mirror)?;
        let mut inserted = None;
        let mut refresh = self.context.refresh();
        for write in &effects.writes {
            let Refresh { stage, imaged, given_up, .. } = &mut *refresh;
            let stands = |no| *stage == Stage::UnderWay && imaged.has(no);
            if let Write::Move { no, from, to } = write
                && from.key() != to.key()
            {
                match stage {
                    Stage::UnderWay => mirror.keep_names(*no, &stands)?,
                    Stage::Over => given_up.note(&mirror, *no, &stands)?,
                }
            }
            inserted = mirror.apply(write, &stands)?.or(inserted);
        }
        if let Some(no) = inserted {
            refresh.seen.mark(no);
            refresh.imaged.mark(no);
        }
        let Some(mut finding) = effects.finding else { return Ok(Told::default()) };
        if finding.no == EntryNo(0) {
            finding.no = inserted.expect("an entry that was not known was inserted");
        }
        self.mean_by_names_given_up(&finding, &refresh.given_up)?;
        drop(refresh);
        let findings = vec![finding];
        let at_once = phase == Phase::Live
            && findings.iter().all(|finding| finding.along.unread.is_empty())
            && !self.is_waiting()?
            && self.unresolved(&findings)?.is_empty();
        if at_once {
            return self.tell(findings, Purpose::Tell);
        }
        self.wait(&findings)?;
        Ok(Told::default())
    }

    fn comparison(&self, phase: Phase) -> Comparison<'_> {
        Comparison {
            schema: &self.context.schema,
            tree: &self.context.tree,
            member_cap: self.context.member_cap,
            phase,
            older: self.context.refresh().older(),
        }
    }

    fn mark_shown(&self, observation: &Observation) -> Result<(), DbError> {
        let mut refresh = self.context.refresh();
        match observation {
            Observation::Entry(observed) => {
                refresh.shown += 1;
                if let Some(no) = self.mirror().no_of(observed.id)? {
                    refresh.seen.mark(no);
                    refresh.imaged.mark(no);
                }
                Ok(())
            }
            Observation::Present(set) => {
                refresh.shown += set.ids.len() as u64;
                for id in &set.ids {
                    if let Some(no) = self.mirror().no_of(*id)? {
                        refresh.seen.mark(no);
                    }
                }
                Ok(())
            }
            Observation::Delta(_) | Observation::Delete(_) | Observation::Rename(_) => Ok(()),
        }
    }

    /// "These and no others exist."
    fn remove_absent(&self, phase: Phase) -> Result<(), DbError> {
        self.refuse_nothing()?;
        let absent: Vec<EntryId> = {
            let refresh = self.context.refresh();
            // Rights may be taken from all but the containers.
            if !self.mirror().shows_anyone(|no| refresh.seen.has(no))? {
                return Err(DbError::NothingShown);
            }
            self.mirror().shown(&self.context.tree, |no| !refresh.seen.has(no))?
        };
        for id in absent {
            let gone = Observation::Delete(Delete { id, origin: Origin::default() });
            self.take_in(&gone, phase)?;
        }
        Ok(())
    }

    /// A refresh may show a group before the entry that has its member's name now. At its end every name in an
    /// image means who bears it then.
    fn mean_anew(&self) -> Result<(), DbError> {
        let mirror = self.mirror();
        // Without referential integrity, what came in by a name goes on to be shown by it.
        mirror.mean_by_kept_names()?;
        let links = mirror.links_by_borne_names()?;
        for (holder, link) in links {
            if !self.context.refresh().imaged.has(holder) {
                continue;
            }
            let was = match meant_anew(&mirror, &link)? {
                Anew::Nobody => continue,
                Anew::InsteadOfTheDead => None,
                Anew::InsteadOf(no) => mirror.by_no(no)?,
            };
            let (role, key) = (link.role, link.key);
            mirror.apply(&Write::Revive { entry: holder, role, key }, &|_| false)?;
            self.find_anew(holder, &link, was)?;
        }
        Ok(())
    }

    /// Adds to what was found of `holder` in this refresh that one of its links means somebody else.
    fn find_anew(&self, holder: EntryNo, link: &KnownLink, was: Option<KnownEntry>) -> Result<(), DbError> {
        let mirror = self.mirror();
        let (Some(entry), Some(bearer)) = (mirror.by_no(holder)?, mirror.by_name(link.key)?.pop()) else {
            return Ok(());
        };
        let schema = &self.context.schema;
        let (seq, mut finding) = match self.last_waiting(holder)? {
            Some((seq, finding)) => (Some(seq), finding),
            None => (None, Finding::unchanged(holder, mark_entry(schema, &entry))),
        };
        if !finding.came.iter().any(|came| came.role() == link.role && came.key == link.key) {
            finding.means_anew(link, name_entry(schema, &bearer), was.map(|was| name_entry(schema, &was)));
        }
        match seq {
            Some(seq) => self.rewrite(seq, &finding),
            None => self.wait(&[finding]),
        }
    }

    fn last_waiting(&self, holder: EntryNo) -> Result<Option<(i64, Finding)>, DbError> {
        let waiting = self.waiting()?;
        Ok(waiting.into_iter().rev().find(|(_, finding)| finding.no == holder))
    }

    fn rewrite(&self, seq: i64, finding: &Finding) -> Result<(), DbError> {
        self.connection
            .prepare_cached("UPDATE finding SET facts = ?2 WHERE seq = ?1")
            .and_then(|mut s| s.execute(params![seq, to_json(finding)]))
            .during("store a finding")
            .map(drop)
    }

    /// A directory that shows nothing at all hides it: that is never a mass removal, and never a baseline.
    fn refuse_nothing(&self) -> Result<(), DbError> {
        if self.context.refresh().shown == 0 {
            return Err(DbError::NothingShown);
        }
        Ok(())
    }

    fn learn(&self, looked_up: Vec<LookedUp>) -> Result<(), DbError> {
        let mirror = self.mirror();
        let mut anew = BTreeSet::new();
        for LookedUp { key, dn, entry } in looked_up {
            self.context.note_asked(key, self.now);
            let before = mirror.by_name(key)?.pop().map(|bearer| bearer.id);
            match entry {
                Some(observed) => mirror.learn(key, &outside(&observed))?,
                None => mirror.learn_of_nothing(key, &dn, self.context.tree.base())?,
            }
            let after = mirror.by_name(key)?.pop().map(|bearer| bearer.id);
            if before.is_some() && before != after {
                anew.insert(key);
            }
        }
        if anew.is_empty() { Ok(()) } else { self.mean_the_new(&anew) }
    }

    /// Values that came since the last events were told mean who bears their names now, not who was last seen
    /// under them.
    fn mean_the_new(&self, anew: &BTreeSet<NameKey>) -> Result<(), DbError> {
        let mirror = self.mirror();
        for finding in self.findings()? {
            for came in finding.came.iter().filter(|came| anew.contains(&came.key)) {
                let revive = Write::Revive { entry: finding.no, role: came.role(), key: came.key };
                mirror.apply(&revive, &|_| false)?;
            }
        }
        Ok(())
    }

    /// What came into the watched tree with the entry above it: told with that, and what became of it meanwhile
    /// is not.
    fn take_in_below(&self, read: ReadBelow) -> Result<(), DbError> {
        let mut asked = None;
        for (seq, finding) in self.waiting()? {
            if let Some(at) = self.unread_of(&finding)?.iter().position(|dn| dn.as_ref() == Some(&read.dn)) {
                asked = Some((seq, finding, at));
                break;
            }
        }
        let Some((seq, mut finding, at)) = asked else { return Ok(()) };
        finding.along.unread.remove(at);
        let (mirror, own) = (self.mirror(), finding.entry.id);
        // Who moved with the entry above them bears another name without a newer stamp.
        let comparison = self.comparison(Phase::Refresh);
        for entry in read.entries.into_iter().filter(|entry| Some(entry.id) != own) {
            let entry = Observed { existence: Existence::Before, ..entry };
            let effects = reconcile(&Observation::Entry(entry), &comparison, &mirror)?;
            let mut no = None;
            for write in &effects.writes {
                no = mirror.apply(write, &|_| false)?.or(no);
            }
            let Some(found) = effects.finding.filter(|found| found.found == Found::Entered) else { continue };
            let no = no.unwrap_or(found.no);
            if !finding.along.entered.contains(&no) {
                finding.along.entered.push(no);
            }
        }
        self.rewrite(seq, &finding)
    }

    fn unread(&self, findings: &[Finding]) -> Result<Vec<Dn>, DbError> {
        let mut names = Vec::new();
        for finding in findings {
            names.extend(self.unread_of(finding)?.into_iter().flatten());
        }
        Ok(names)
    }

    /// What is to be read below an entry that came in, by its present name: while a finding waits, the entry may
    /// be renamed once more. `None`: it is not in the watched tree any more.
    fn unread_of(&self, finding: &Finding) -> Result<Vec<Option<Dn>>, DbError> {
        if finding.along.unread.is_empty() {
            return Ok(Vec::new());
        }
        let top = self.mirror().by_no(finding.no)?.map(|known| known.dn);
        let now = |then: &Dn| then.with_base_replaced(&finding.entry.dn, top.as_ref()?);
        let names = finding.along.unread.iter().map(now);
        Ok(names.map(|name| name.filter(|dn| self.context.tree.holds(dn))).collect())
    }

    fn unresolved(&self, findings: &[Finding]) -> Result<Vec<(NameKey, Dn)>, DbError> {
        let asked = self.context.asked();
        let is_fresh = |key| asked.get(&key).is_some_and(|at| stands(*at, self.now));
        let asking = Asking { is_fresh: &is_fresh, member_cap: self.context.member_cap };
        Ok(unresolved(findings, asking, &self.mirror())?.into_iter().collect())
    }

    fn is_waiting(&self) -> Result<bool, DbError> {
        self.connection
            .prepare_cached("SELECT 1 FROM finding WHERE store = ?1 LIMIT 1")
            .and_then(|mut s| s.exists([self.context.no.0]))
            .during("look for findings")
    }

    fn waiting(&self) -> Result<Vec<(i64, Finding)>, DbError> {
        self.connection
            .prepare_cached("SELECT seq, facts FROM finding WHERE store = ?1 ORDER BY seq")
            .and_then(|mut s| {
                s.query_map([self.context.no.0], |row| Ok((row.get(0)?, json_at(row, 1)?)))?.collect()
            })
            .during("read findings")
    }

    fn findings(&self) -> Result<Vec<Finding>, DbError> {
        Ok(self.waiting()?.into_iter().map(|(_, finding)| finding).collect())
    }

    fn wait(&self, findings: &[Finding]) -> Result<(), DbError> {
        for finding in findings {
            self.connection
                .prepare_cached("INSERT INTO finding (store, facts) VALUES (?1, ?2)")
                .and_then(|mut s| s.execute(params![self.context.no.0, to_json(finding)]))
                .during("store a finding")?;
        }
        Ok(())
    }

    fn settle(&self, looked_up: Vec<LookedUp>, below: Vec<ReadBelow>) -> Result<Ingested, DbError> {
        // Only what is read below brings names that nobody could ask for before, so the rounds come to an end.
        let brings_names = !below.is_empty();
        self.learn(looked_up)?;
        for read in below {
            self.take_in_below(read)?;
        }
        // What a refresh has found so far waits for its end, whatever was asked before it began.
        if self.context.refresh().stage == Stage::UnderWay {
            return Ok(Ingested::default());
        }
        if brings_names {
            let open = self.still_open()?;
            if !open.unresolved.is_empty() || !open.unread.is_empty() {
                return Ok(open);
            }
        }
        let mut settled = Ingested::default();
        settled.add(self.settle_waiting()?);
        Ok(settled)
    }

    /// What waits for names that were not just asked for: who is not found is not asked for twice.
    fn still_open(&self) -> Result<Ingested, DbError> {
        let waiting = self.findings()?;
        let mut unresolved = self.unresolved(&waiting)?;
        self.retain_not_asked(&mut unresolved);
        Ok(Ingested { unresolved, unread: self.unread(&waiting)?, ..Ingested::default() })
    }

    fn retain_not_asked(&self, names: &mut Vec<(NameKey, Dn)>) {
        let asked = self.context.asked();
        names.retain(|(key, _)| asked.get(key).is_none_or(|at| !stands(*at, self.now)));
    }

    fn settle_waiting(&self) -> Result<Told, DbError> {
        let findings = self.findings()?;
        let comparison = self.context.refresh().comparison;
        let told = match comparison {
            Some(open) => self.settle_comparison(open, findings)?,
            None => self.tell(findings, Purpose::Tell)?,
        };
        self.forget_findings()?;
        Ok(told)
    }

    fn forget_findings(&self) -> Result<(), DbError> {
        self.connection
            .execute("DELETE FROM finding WHERE store = ?1", [self.context.no.0])
            .during("empty findings")
            .map(drop)
    }

    /// Makes events of one unit and lets them through the bulk guard.
    fn tell(&self, findings: Vec<Finding>, purpose: Purpose) -> Result<Told, DbError> {
        let order = ContextV7::new();
        let (seconds, nanos) = (self.now.as_second(), self.now.subsec_nanosecond());
        let mut new_id = || {
            let stamp = uuid::Timestamp::from_unix(&order, seconds.unsigned_abs(), nanos.unsigned_abs());
            Uuid::new_v7(stamp)
        };
        let mut sets = settle(findings, self.now, &self.context.schema, &self.mirror(), &mut new_id)?;
        match purpose {
            Purpose::Tell | Purpose::BackInTime => {}
            Purpose::Accept => accept(&mut sets),
        }
        let gate = Gate { connection: self.connection, context: self.context, now: self.now };
        let guarded = gate.pass(sets, purpose, &mut new_id)?;
        let mut told = Told { opened: guarded.opened, ..Told::default() };
        for (place, set) in &guarded.sets {
            self.insert_change_set(*place, set)?;
            match place {
                Place::Dispatch { .. } => told.change_sets += 1,
                Place::Hold(_) => told.held += set.events.len(),
            }
        }
        Ok(told)
    }

    fn insert_change_set(&self, place: Place, set: &ChangeSet) -> Result<(), DbError> {
        let (hold, counted) = match place {
            Place::Dispatch { counted } => (None, counted),
            Place::Hold(hold) => (Some(hold.0), false),
        };
        self.connection
            .prepare_cached(
                "INSERT INTO change_set (id, store, seen, hold, held, counted)
                 VALUES (?1, ?2, ?3, ?4, ?4 IS NOT NULL, ?5)",
            )
            .and_then(|mut s| {
                let id = set.id.0.as_bytes();
                s.execute(params![id, self.context.no.0, micros(self.now), hold, counted])
            })
            .during("store a change set")?;
        let seq = self.connection.last_insert_rowid();
        for event in &set.events {
            self.connection
                .prepare_cached(
                    "INSERT INTO event (id, change_set, time, facts, members_of) VALUES (?1, ?2, ?3, ?4, ?5)",
                )
                .and_then(|mut s| {
                    let members_of = members_of(event);
                    s.execute(params![
                        event.id.0.as_bytes(),
                        seq,
                        micros(event.time),
                        to_json(event),
                        members_of.as_ref().map(|group| group.0.as_bytes())
                    ])
                })
                .during("store an event")?;
        }
        self.note_lag(set)
    }

    fn note_lag(&self, set: &ChangeSet) -> Result<(), DbError> {
        let Some(event) = set.events.first() else { return Ok(()) };
        let lag = micros(self.now).saturating_sub(micros(event.time)).max(0);
        self.connection
            .prepare_cached("UPDATE store SET lag_us = ?2 WHERE no = ?1")
            .and_then(|mut s| s.execute(params![self.context.no.0, lag]))
            .during("store the lag")
            .map(drop)
    }
}

fn accept(sets: &mut [ChangeSet]) {
    for event in sets.iter_mut().flat_map(|set| &mut set.events) {
        event.cause = Cause::Accepted;
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
