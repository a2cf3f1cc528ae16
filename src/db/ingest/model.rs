//! Random histories of a small directory, and what must be told of them: nothing lost, nothing made up,
//! nothing told twice.
//!
//! [`server::Server`] changes as slapd does, with and without referential integrity, and says so as its
//! syncrepl does: live, or in a refresh in any order, whole or cut short. [`truth`] says from the server's
//! states alone which events must come of it.

mod server;
mod truth;

use std::sync::Arc;

use jiff::Timestamp;
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestCaseResult},
};
use rusqlite::Connection;

use self::{
    server::{Act, Refint, Server, Style},
    truth::{Facts, Ledger, Line, expected, lines},
};
use super::*;
use crate::{
    change::event::{ChangeEvent, ChangeSetId},
    db::{mirror::StoreMirror, open, rows::json_at},
    directory::{
        batch::Reading,
        entry::Relation,
        mirror::{Mirror, Scope},
        schema::SchemaSettings,
    },
};

/// What happens between two looks at the events.
#[derive(Debug, Clone)]
enum Step {
    /// Each act is told as it happens; so many readings share a batch.
    Live { acts: Vec<Act>, together: usize },
    /// Nobody listens while `acts` happen.
    Away { acts: Vec<Act>, style: Style, seed: u64, cut: Option<Cut> },
}

/// A refresh that is cut short after so many batches, and what happens until the next one.
#[derive(Debug, Clone)]
struct Cut {
    after: usize,
    how: End,
    meanwhile: Vec<Act>,
}

/// How a refresh is cut short.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The connection broke; the process lives on.
    Connection,
    /// The process was killed.
    Process,
    /// The batch could not be committed.
    Commit,
}

struct World {
    connection: Connection,
    context: StoreContext,
    server: Server,
    ledger: Ledger,
    /// The newest change that the stored checkpoint covers.
    cookie: u64,
    seen: usize,
}

fn begin_store(connection: &Connection, name: &str) -> StoreNo {
    connection.execute("INSERT INTO store (name, view) VALUES (?1, 'all')", [name]).unwrap();
    StoreNo(connection.last_insert_rowid())
}

impl World {
    fn new(refint: Refint) -> Self {
        let connection = open::in_memory().unwrap();
        let server = Server::new(refint);
        // Another store with the same names and ids: nothing of it may ever be touched.
        let mut world = Self::store(connection, "other", server.clone());
        world.baseline();
        let mut world = Self::store(world.connection, "acme", server);
        world.baseline();
        world
    }

    fn store(connection: Connection, name: &str, server: Server) -> Self {
        let no = begin_store(&connection, name);
        let schema = Arc::new(Schema::new(SchemaSettings::openldap()).unwrap());
        let dn = |text| Dn::parse(text).unwrap();
        let tree = WatchedTree::new(dn(server::BASE), vec![dn(server::EXCLUDED)]);
        let context = StoreContext::new(no, tree, schema, 1000);
        let ledger = Ledger::new(&server.facts());
        let cookie = server.now();
        Self { connection, context, server, ledger, cookie, seen: 0 }
    }

    fn baseline(&mut self) {
        let readings = self.server.refresh(0, Style::Whole, 7);
        self.refresh_with(readings, None);
    }

    fn batch(&mut self, phase: Phase, readings: Vec<Reading>, end: Option<End>) {
        let now = [self.server.clone()];
        let rest = self.take(phase, self.read(readings), end, &now);
        assert!(rest.is_empty(), "a refresh waits for its end");
    }

    /// Each reading with the server as it was right after it, which answers what is asked about it.
    fn live_batch(&mut self, said: Vec<(Reading, Server)>) {
        let (readings, servers): (Vec<Reading>, Vec<Server>) = said.into_iter().unzip();
        let mut rest = self.read(readings);
        while !rest.is_empty() {
            let before = servers.len() - rest.len();
            rest = self.take(Phase::Live, rest, None, &servers[before..]);
        }
    }

    fn read(&self, readings: Vec<Reading>) -> Vec<Observation> {
        let schema = &self.context.schema;
        readings.into_iter().map(|reading| Observation::new(reading, schema)).collect()
    }

    /// What is to be handed in again.
    fn take(
        &mut self,
        phase: Phase,
        observations: Vec<Observation>,
        end: Option<End>,
        servers: &[Server],
    ) -> Vec<Observation> {
        let transaction = self.connection.transaction().unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let ingest = Ingest { connection: &transaction, context: &self.context, now };
        let ingested = ingest.batch(observations, phase).unwrap();
        if let Some(End::Commit) = end {
            transaction.rollback().unwrap();
            return Vec::new();
        }
        transaction.commit().unwrap();
        let Ingested { readings, mut unresolved, mut unread, rest, .. } = ingested;
        let taken = usize::try_from(readings).unwrap().clamp(1, servers.len());
        for round in 0.. {
            if unresolved.is_empty() && unread.is_empty() {
                break;
            }
            assert!(round < 3, "the questions come to an end: {unresolved:?} {unread:?}");
            Ingested { unresolved, unread, .. } = self.look_up(unresolved, unread, &servers[taken - 1]);
        }
        rest
    }

    /// What the answers leave open.
    fn look_up(&mut self, names: Vec<(NameKey, Dn)>, unread: Vec<Dn>, server: &Server) -> Ingested {
        let looked_up = names
            .into_iter()
            .map(|(key, dn)| {
                let image = server.look_up(&dn);
                let entry = image.map(|image| Observed::looked_up(image, &self.context.schema));
                LookedUp { key, dn, entry }
            })
            .collect();
        let transaction = self.connection.transaction().unwrap();
        let ingest = Ingest { connection: &transaction, context: &self.context, now: Timestamp::UNIX_EPOCH };
        let read = |dn| {
            let images = server.below(&dn).into_iter();
            let entries = images.map(|image| Observed::new(image, &self.context.schema)).collect();
            ReadBelow { dn, entries }
        };
        let settled = ingest.settle(looked_up, unread.into_iter().map(read).collect()).unwrap();
        transaction.commit().unwrap();
        settled
    }

    /// `false`: it was cut short.
    fn refresh_with(&mut self, readings: Vec<Reading>, cut: Option<(usize, End)>) -> bool {
        self.batch(Phase::RefreshBegins, vec![], None);
        for (at, reading) in readings.into_iter().enumerate() {
            let end = cut.filter(|(after, _)| *after == at).map(|(_, end)| end);
            self.batch(Phase::Refresh, vec![reading], end);
            if end.is_some() {
                return false;
            }
        }
        self.batch(Phase::RefreshEnds, vec![], None);
        self.cookie = self.server.now();
        true
    }

    fn told(&mut self) -> Vec<ChangeEvent> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT event.facts FROM event JOIN change_set ON change_set.seq = event.change_set
                 WHERE store = ?1 ORDER BY event.seq",
            )
            .unwrap();
        let rows = statement.query_map([self.context.no.0], |row| json_at(row, 0)).unwrap();
        let all: Vec<ChangeEvent> = rows.collect::<Result<_, _>>().unwrap();
        let new = all.iter().skip(self.seen).cloned().collect();
        self.seen = all.len();
        new
    }

    fn play(&mut self, step: &Step) -> TestCaseResult {
        match step {
            Step::Live { acts, together } => self.play_live(acts, *together)?,
            Step::Away { acts, style, seed, cut } => self.play_away(acts, *style, *seed, cut.as_ref())?,
        }
        self.check_mirror()
    }

    fn play_live(&mut self, acts: &[Act], together: usize) -> TestCaseResult {
        let mut expect: Vec<Vec<Line>> = Vec::new();
        let mut allowed = Vec::new();
        let mut readings = Vec::new();
        for act in acts {
            let before = self.server.facts();
            let Some(reading) = self.server.act(*act) else { continue };
            self.server.heard();
            readings.push((reading, self.server.clone()));
            let set = expected(&before, &self.server.facts());
            allowed.extend(set.allowed);
            if !set.required.is_empty() {
                expect.push(set.required.into_iter().collect());
            }
        }
        while !readings.is_empty() {
            let rest = readings.split_off(together.min(readings.len()));
            self.live_batch(readings);
            readings = rest;
        }
        self.cookie = self.server.now();
        let events = self.told();
        let mut told = lines_by_set(&events);
        for set in &mut told {
            set.retain(|line| !allowed.contains(line));
        }
        told.retain(|set| !set.is_empty());
        prop_assert_eq!(told, expect, "live");
        self.ledger.book(&events)?;
        self.ledger.compare(&self.server.facts())
    }

    fn play_away(&mut self, acts: &[Act], style: Style, seed: u64, cut: Option<&Cut>) -> TestCaseResult {
        let before = self.server.facts();
        for act in acts {
            self.server.act(*act);
        }
        let mut events = Vec::new();
        if let Some(cut) = cut {
            let readings = self.server.refresh(self.cookie, style, seed);
            if !self.refresh_with(readings, Some((cut.after, cut.how))) {
                prop_assert_eq!(lines(&self.told()), vec![], "told in the middle of a refresh");
                if let End::Process = cut.how {
                    let (no, tree) = (self.context.no, self.context.tree.clone());
                    let schema = Arc::clone(&self.context.schema);
                    self.context = StoreContext::new(no, tree, schema, self.context.member_cap);
                }
            }
            events.extend(self.told());
            // An open gap: somebody who moved into a container that is renamed once more between two attempts at a
            // refresh may be told as having come in.
            for act in cut.meanwhile.iter().filter(|act| !act.renames_a_container()) {
                self.server.act(*act);
            }
        }
        let readings = self.server.refresh(self.cookie, style, seed.rotate_left(17));
        self.refresh_with(readings, None);
        self.server.heard();
        events.extend(self.told());
        let after = self.server.facts();
        if cut.is_none_or(|cut| cut.meanwhile.is_empty()) {
            expected(&before, &after).check(&lines(&events))?;
        }
        self.ledger.book(&events)?;
        self.ledger.compare(&after)
    }

    /// What the mirror knows is what the server has.
    fn check_mirror(&self) -> TestCaseResult {
        let schema = &self.context.schema;
        let mirror = StoreMirror { connection: &self.connection, store: self.context.no, schema };
        let mut known = Facts::default();
        for id in mirror.shown(&self.context.tree, |_| true).unwrap() {
            let entry = mirror.by_id(id).unwrap().unwrap();
            if entry.scope == Scope::Outside {
                continue;
            }
            let (no, id) = (entry.no, server::number(id));
            known.names.insert(id, entry.dn.as_str().to_owned());
            for relation in [Relation::Member, Relation::Owner] {
                for link in mirror.links_of(no, relation).unwrap() {
                    if let Some(target) = crate::change::resolve::resolve(&mirror, &link).unwrap() {
                        known.links.insert((id, relation, server::number(target.id)));
                    }
                }
            }
        }
        let truth = self.server.facts();
        prop_assert_eq!(&known.names, &truth.names, "names in the mirror");
        prop_assert_eq!(&known.links, &truth.links, "links in the mirror");
        let waiting: i64 =
            self.connection.query_row("SELECT count(*) FROM finding", [], |row| row.get(0)).unwrap();
        prop_assert_eq!(waiting, 0, "nothing waits after the end");
        Ok(())
    }
}

/// One list for each change set, each in the order of the lines.
fn lines_by_set(events: &[ChangeEvent]) -> Vec<Vec<Line>> {
    let mut sets: Vec<(ChangeSetId, Vec<Line>)> = Vec::new();
    for event in events {
        let id = event.change_set;
        match sets.last_mut() {
            Some((last, lines)) if *last == id => lines.push(Line::of(event)),
            Some(_) | None => sets.push((id, vec![Line::of(event)])),
        }
    }
    sets.into_iter()
        .map(|(_, mut lines)| {
            lines.sort();
            lines
        })
        .collect()
}

fn acts(most: usize) -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(server::any_act(), 0..=most)
}

fn cut() -> impl Strategy<Value = Option<Cut>> {
    let how = prop_oneof![Just(End::Connection), Just(End::Process), Just(End::Commit)];
    let meanwhile = prop_oneof![Just(Vec::new()), acts(3)];
    let cut = (0usize..8, how, meanwhile).prop_map(|(after, how, meanwhile)| Cut { after, how, meanwhile });
    prop::option::weighted(0.4, cut)
}

fn step() -> impl Strategy<Value = Step> {
    let style = prop_oneof![Just(Style::Deletes), Just(Style::Present), Just(Style::Whole)];
    prop_oneof![
        (acts(5), 1usize..4).prop_map(|(acts, together)| Step::Live { acts, together }),
        (acts(6), style, any::<u64>(), cut()).prop_map(|(acts, style, seed, cut)| Step::Away {
            acts,
            style,
            seed,
            cut
        }),
    ]
}

fn play(refint: Refint, steps: &[Step]) -> TestCaseResult {
    let mut world = World::new(refint);
    steps.iter().try_for_each(|step| world.play(step))
}

proptest! {
    #![proptest_config(hunt())]

    #[test]
    fn any_history_with_refint_is_told_exactly(steps in prop::collection::vec(step(), 1..6)) {
        play(Refint::On, &steps)?;
    }

    #[test]
    fn any_history_without_refint_is_told_exactly(steps in prop::collection::vec(step(), 1..6)) {
        play(Refint::Off, &steps)?;
    }
}

/// The same 500 histories each time, so that what a change breaks is what it broke; with `PROPTEST_CASES` so many
/// others each time.
fn hunt() -> ProptestConfig {
    match std::env::var("PROPTEST_CASES") {
        Ok(_) => ProptestConfig::default(),
        Err(_) => {
            ProptestConfig { cases: 500, rng_seed: RngSeed::Fixed(20_261_123), ..ProptestConfig::default() }
        }
    }
}
