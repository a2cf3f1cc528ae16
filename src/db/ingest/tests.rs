//! What readings mean against a mirror: a whole company in memory, real SQL underneath.

mod comparing;
mod outsiders;
mod scope;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::db::MirrorView;
use crate::{
    change::event::ChangeEvent,
    directory::{
        attribute::{AttributeName, RawAttributes},
        batch::{Delta, Image, Modification, Operation, PresentSet, Reading, Rename},
        checkpoint::{Checkpoint, Mechanism},
        entry::Stamp,
        schema::SchemaSettings,
    },
};

const BASE: &str = "dc=acme,dc=example";

/// An entry under test. Its id is its letter, its DN is completed with the base.
#[derive(Clone)]
struct Entry {
    id: char,
    dn: String,
    attributes: Vec<(&'static str, String)>,
}

fn dn_of(short: &str) -> String {
    format!("{short},{BASE}")
}

fn person(id: char, uid: &str) -> Entry {
    let attributes = vec![
        ("objectClass", "inetOrgPerson".into()),
        ("uid", uid.into()),
        ("cn", uid.into()),
        ("mail", format!("{uid}@acme.example")),
    ];
    Entry { id, dn: dn_of(&format!("uid={uid},ou=people")), attributes }
}

fn group(id: char, cn: &str, members: &[&str]) -> Entry {
    let attributes = vec![("objectClass", "groupOfNames".into()), ("cn", cn.into())];
    Entry { id, dn: dn_of(&format!("cn={cn},ou=groups")), attributes }.with_all("member", members)
}

fn container(id: char, short: &str) -> Entry {
    Entry { id, dn: dn_of(short), attributes: vec![("objectClass", "organizationalUnit".into())] }
}

fn uid(name: &str) -> String {
    dn_of(&format!("uid={name},ou=people"))
}

impl Entry {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    fn with_all(mut self, name: &'static str, people: &[&str]) -> Self {
        self.attributes.extend(people.iter().map(|person| (name, uid(person))));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.attributes.retain(|(n, _)| *n != name);
        self
    }

    fn at(mut self, short: &str) -> Self {
        self.dn = dn_of(short);
        self
    }
}

fn id_of(letter: char) -> EntryId {
    EntryId(Uuid::from_u128(u128::from(u32::from(letter))))
}

/// One thing the feed says.
enum Said {
    Is(Entry),
    Gone(char),
    Present(&'static str),
    Nothing(&'static str),
    Delta(char, Operation, &'static str, Vec<String>),
    Moved(char, &'static str),
    /// The last image again, with an older stamp.
    Stale(Entry),
    /// An image of an entry that existed before it is first shown.
    Came(Entry),
}
use Said::{Came, Gone, Is, Moved, Nothing, Stale};

/// What a base search in the directory would find.
type Outside = BTreeMap<String, Entry>;

struct World {
    db: Db,
    context: Arc<StoreContext>,
    clock: i64,
    outside: Outside,
    told: usize,
    /// The names that were looked up, in order, without the base.
    asked: Vec<String>,
    /// Minutes that have passed beside what was said.
    later: i64,
}

impl World {
    async fn new(before: Vec<Entry>) -> Self {
        Self::excluding(&[], Outside::new(), before).await
    }

    async fn excluding(exclude: &[&str], outside: Outside, before: Vec<Entry>) -> Self {
        let exclude = exclude.iter().map(|short| Dn::parse(&dn_of(short)).unwrap()).collect();
        let tree = WatchedTree::new(Dn::parse(BASE).unwrap(), exclude);
        let db = Db::in_memory();
        let facts =
            db.begin_store("acme".parse().unwrap(), "all".into(), Timestamp::UNIX_EPOCH).await.unwrap();
        let schema = Arc::new(Schema::new(SchemaSettings::openldap()).unwrap());
        let context = Arc::new(StoreContext::new(facts.no, tree, schema, 10));
        let mut world = Self { db, context, clock: 0, outside, told: 0, asked: Vec::new(), later: 0 };
        world.batch(Phase::RefreshBegins, vec![]).await;
        world.batch(Phase::Refresh, before.into_iter().map(Is).collect()).await;
        world.batch(Phase::RefreshEnds, vec![Nothing("")]).await;
        world
    }

    fn reading(&mut self, said: Said) -> Reading {
        self.clock += 1;
        let stamp = Some(Stamp::from_usn(self.clock.unsigned_abs()));
        let origin = Origin::default();
        match said {
            Is(entry) => Reading::Image(image(&entry, stamp)),
            Came(entry) => Reading::Image(Image { existence: Existence::Before, ..image(&entry, stamp) }),
            Stale(entry) => Reading::Image(image(&entry, Some(Stamp::from_usn(0)))),
            Gone(id) => Reading::Delete(Delete { id: id_of(id), origin }),
            Said::Present(ids) => present(ids, false),
            Nothing(ids) => present(ids, true),
            Said::Delta(id, operation, name, values) => Reading::Delta(Delta {
                id: id_of(id),
                stamp,
                origin,
                modifications: vec![Modification {
                    attribute: AttributeName::new(name),
                    operation,
                    values: values.into_iter().map(String::into_bytes).collect(),
                }],
            }),
            Moved(id, short) => {
                let dn = Dn::parse(&dn_of(short)).unwrap();
                Reading::Rename(Rename { id: id_of(id), dn, stamp, origin })
            }
        }
    }

    async fn try_batch(&mut self, phase: Phase, said: Vec<Said>) -> Result<Ingested, DbError> {
        let schema = Arc::clone(&self.context.schema);
        let observations =
            said.into_iter().map(|said| Observation::new(self.reading(said), &schema)).collect();
        self.try_take(phase, observations).await
    }

    async fn try_take(&mut self, phase: Phase, observations: Vec<Observation>) -> Result<Ingested, DbError> {
        let checkpoint = matches!(phase, Phase::RefreshEnds | Phase::Live).then(|| Checkpoint {
            mechanism: Mechanism::Syncrepl,
            bytes: self.clock.to_string().into_bytes(),
        });
        let now = self.now();
        self.db.ingest(Arc::clone(&self.context), observations, phase, checkpoint, now).await
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + self.clock + 60 * self.later).unwrap()
    }

    /// A batch, and the look-ups it asks for.
    async fn batch(&mut self, phase: Phase, said: Vec<Said>) {
        let ingested = self.try_batch(phase, said).await.unwrap();
        self.go_on(phase, ingested).await;
    }

    async fn take(&mut self, phase: Phase, observations: Vec<Observation>) {
        let ingested = self.try_take(phase, observations).await.unwrap();
        self.go_on(phase, ingested).await;
    }

    async fn go_on(&mut self, phase: Phase, mut ingested: Ingested) {
        loop {
            let rest = std::mem::take(&mut ingested.rest);
            self.answer(ingested).await;
            if rest.is_empty() {
                return;
            }
            ingested = self.try_take(phase, rest).await.unwrap();
        }
    }

    async fn answer(&mut self, mut ingested: Ingested) {
        while !ingested.unresolved.is_empty() || !ingested.unread.is_empty() {
            ingested = self.answer_once(ingested).await;
        }
    }

    async fn answer_once(&mut self, ingested: Ingested) -> Ingested {
        let schema = Arc::clone(&self.context.schema);
        let mut looked_up = Vec::new();
        for (key, dn) in ingested.unresolved {
            let short = dn.as_str().strip_suffix(BASE).unwrap_or(dn.as_str());
            self.asked.push(short.trim_end_matches(',').to_owned());
            let found = self.outside.get(dn.as_str());
            let entry = found.map(|entry| image(entry, Some(Stamp::from_usn(0))));
            let entry = entry.map(|image| Observed::looked_up(image, &schema));
            looked_up.push(LookedUp { key, dn, entry });
        }
        let mut below = Vec::new();
        for dn in ingested.unread {
            let is_there = |entry: &&Entry| Dn::parse(&entry.dn).unwrap().is_within(&dn);
            let entries: Vec<Entry> = self.outside.values().filter(is_there).cloned().collect();
            let entries =
                entries.iter().map(|entry| Observed::new(image(entry, Some(self.stamp())), &schema));
            below.push(ReadBelow { dn: dn.clone(), entries: entries.collect() });
        }
        self.db.settle(Arc::clone(&self.context), looked_up, below, self.now()).await.unwrap()
    }

    fn stamp(&self) -> Stamp {
        Stamp::from_usn(self.clock.unsigned_abs())
    }

    fn asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.asked)
    }

    async fn live(&mut self, said: Vec<Said>) {
        self.batch(Phase::Live, said).await;
    }

    /// A refresh with a cookie: only what is said changed; `Nothing` ends a present phase.
    async fn refresh(&mut self, said: Vec<Said>) {
        self.batch(Phase::RefreshBegins, vec![]).await;
        self.batch(Phase::Refresh, said).await;
        self.batch(Phase::RefreshEnds, vec![]).await;
    }

    /// What was told since the last call, one line an event: change set, change, entry, subject.
    async fn told(&mut self) -> Vec<String> {
        let events = self.db.all_events().await;
        let mut sets = Vec::new();
        let lines = events.iter().skip(self.told).map(|event| line(event, &mut sets)).collect();
        self.told = events.len();
        lines
    }
}

fn line(event: &ChangeEvent, sets: &mut Vec<crate::change::event::ChangeSetId>) -> String {
    if !sets.contains(&event.change_set) {
        sets.push(event.change_set);
    }
    let mut line = format!("{} {} {}", sets.len(), event.change.name(), event.entry.name);
    if let Some(subject) = event.change.subject() {
        line.push(' ');
        line.push_str(&subject.name);
        if subject.id.is_none() {
            line.push('?');
        }
    }
    if let crate::change::event::Change::ManagerChanged { direction, .. } = &event.change {
        line.push_str(&format!(" {direction:?}").to_lowercase());
    }
    if event.cause == Cause::Consequence {
        line.push_str(" (consequence)");
    }
    line
}

/// Where the order of the change sets does not matter.
fn without_set(line: &str) -> &str {
    line.split_once(' ').unwrap().1
}

fn image(entry: &Entry, stamp: Option<Stamp>) -> Image {
    let mut attributes = RawAttributes::default();
    for (name, value) in &entry.attributes {
        let name = AttributeName::new(name);
        let value = value.clone().into_bytes();
        match attributes.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, values)) => values.push(value),
            None => attributes.0.push((name, vec![value])),
        }
    }
    let dn = Dn::parse(&entry.dn).unwrap();
    let (origin, existence) = (Origin::default(), Existence::New);
    Image { id: id_of(entry.id), dn, stamp, origin, existence, attributes }
}

fn present(ids: &str, complete: bool) -> Reading {
    Reading::PresentSet(PresentSet { ids: ids.chars().map(id_of).collect(), complete })
}

impl Db {
    async fn all_events(&self) -> Vec<ChangeEvent> {
        self.worker
            .call(Priority::Rest, |connection| {
                connection
                    .prepare("SELECT facts FROM event ORDER BY seq")
                    .and_then(|mut s| s.query_map([], |row| json_at(row, 0))?.collect())
                    .during("read events")
            })
            .await
            .unwrap()
    }
}

/// A company before: three people, a group of two owned by the third, their containers.
fn company() -> Vec<Entry> {
    vec![
        Entry { id: '0', dn: BASE.into(), attributes: vec![("objectClass", "organization".into())] },
        container('P', "ou=people"),
        container('G', "ou=groups"),
        person('a', "ada"),
        person('b', "ben"),
        person('c', "cem"),
        group('o', "ops", &["ada", "ben"]).with_all("owner", &["cem"]),
    ]
}

async fn check(changes: Vec<Said>, expect: &[&str]) {
    let mut world = World::new(company()).await;
    assert_eq!(world.told().await, Vec::<String>::new(), "the baseline is silent");
    world.live(changes).await;
    assert_eq!(world.told().await, expect);
}

async fn check_refresh(changes: Vec<Said>, expect: &[&str]) {
    let mut world = World::new(company()).await;
    world.refresh(changes).await;
    assert_eq!(world.told().await, expect);
}

fn ops(members: &[&str]) -> Entry {
    group('o', "ops", members).with_all("owner", &["cem"])
}

#[tokio::test]
async fn m01_first_run_is_silent() {
    check(vec![], &[]).await;
}

#[tokio::test]
async fn a_member_comes_and_goes() {
    check(vec![Is(ops(&["ada", "ben", "cem"]))], &["1 member-added ops cem"]).await;
    check(vec![Is(ops(&["ada"]))], &["1 member-removed ops ben"]).await;
    check(vec![Is(ops(&["ada", "cem"]))], &["1 member-removed ops ben", "1 member-added ops cem"]).await;
}

#[tokio::test]
async fn order_and_spelling_of_members_are_no_change() {
    let same = ops(&[]).with("member", "UID=Ben , ou=People,DC=acme,dc=example").with_all("member", &["ada"]);
    check(vec![Is(same)], &[]).await;
}

#[tokio::test]
async fn a_member_that_comes_and_goes_is_told_twice_in_order() {
    check(
        vec![Is(ops(&["ada"])), Is(ops(&["ada", "ben"]))],
        &["1 member-removed ops ben", "2 member-added ops ben"],
    )
    .await;
}

#[tokio::test]
async fn what_is_not_newer_is_ignored() {
    check(vec![Stale(ops(&[]))], &[]).await;
}

#[tokio::test]
async fn owners_come_and_go_and_a_change_of_rank_is_no_event() {
    let owned = |by: &[&str]| group('o', "ops", &["ada", "ben"]).with_all("owner", by);
    check(vec![Is(owned(&["cem", "ada"]))], &["1 owner-added ops ada"]).await;
    check(vec![Is(owned(&["ada"]))], &["1 owner-removed ops cem", "1 owner-added ops ada"]).await;
    check(vec![Is(owned(&["cem"]).with_all("managedBy", &["ada"]))], &["1 owner-added ops ada"]).await;
    check(vec![Is(owned(&[]).with_all("managedBy", &["cem"]))], &[]).await;
    check(vec![Is(owned(&["cem"]).with_all("managedBy", &["cem"]))], &[]).await;
}

#[tokio::test]
async fn managers_are_told_apart_by_direction() {
    let managed = |by: &[&str]| person('a', "ada").with_all("manager", by);
    let mut world = World::new(company()).await;
    world.live(vec![Is(managed(&["ben"]))]).await;
    assert_eq!(world.told().await, ["1 manager-changed ada ben added"]);
    world.live(vec![Is(managed(&["cem"]))]).await;
    assert_eq!(world.told().await, ["1 manager-changed ada ben removed", "1 manager-changed ada cem added"]);
}

#[tokio::test]
async fn watched_attributes_are_compared_without_order() {
    let mut world = World::new(company()).await;
    let titled = person('a', "ada").with("title", "Lead").with("title", "Mentor");
    world.live(vec![Is(titled)]).await;
    assert_eq!(world.told().await, ["1 attributes-changed ada"]);
    world.live(vec![Is(person('a', "ada").with("title", "Mentor").with("title", "Lead"))]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
    world.live(vec![Is(person('a', "ada").with("description", "not watched"))]).await;
    assert_eq!(world.told().await, ["1 attributes-changed ada"], "the title went");
}

#[tokio::test]
async fn a_created_group_is_one_change_set_with_its_members() {
    check(
        vec![Is(group('n', "new", &["ada", "ben"]).with_all("owner", &["cem"]))],
        &["1 object-created new", "1 member-added new ada", "1 member-added new ben"],
    )
    .await;
    check(vec![Is(person('d', "dee").with_all("manager", &["ada"]))], &["1 object-created dee"]).await;
    check(vec![Is(container('x', "ou=more"))], &[]).await;
}

#[tokio::test]
async fn a_deleted_member_leaves_its_groups_as_a_consequence() {
    let mut world = World::new(company()).await;
    world.live(vec![Gone('b')]).await;
    assert_eq!(world.told().await, ["1 object-deleted ben", "1 member-removed ops ben (consequence)"]);
    // Later the server shows the cleaned group, or one that still has the dangling value: nothing more.
    world.live(vec![Is(ops(&["ada", "ben"]))]).await;
    world.live(vec![Is(ops(&["ada"]))]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_deleted_owner_or_manager_is_a_consequence_too() {
    let mut before = company();
    before.push(person('d', "dee").with_all("manager", &["cem"]));
    let mut world = World::new(before).await;
    world.live(vec![Gone('c')]).await;
    assert_eq!(
        world.told().await,
        [
            "1 object-deleted cem",
            "1 owner-removed ops cem (consequence)",
            "1 manager-changed dee cem removed (consequence)"
        ]
    );
}

#[tokio::test]
async fn a_deleted_group_is_object_deleted_alone() {
    check(vec![Gone('o')], &["1 object-deleted ops"]).await;
}

#[tokio::test]
async fn l11_modrdn_of_a_member_with_refint_says_nothing_on_the_group() {
    let mut world = World::new(company()).await;
    world.live(vec![Is(person('b', "ben").at("uid=benno,ou=people"))]).await;
    assert_eq!(world.told().await, ["1 object-renamed ben"]);
    world.live(vec![Is(ops(&["ada", "benno"]).with("description", "changed"))]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
    world.live(vec![Is(ops(&["ada"]))]).await;
    assert_eq!(world.told().await, ["1 member-removed ops ben"]);
}

#[tokio::test]
async fn l11_modrdn_of_a_member_without_refint_leaves_the_dangling_dn_the_same_link() {
    let mut world = World::new(company()).await;
    world.live(vec![Is(person('b', "ben").at("uid=benno,ou=people"))]).await;
    world.told().await;
    world.live(vec![Is(ops(&["ada", "ben"]).with("description", "changed"))]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
    world.live(vec![Is(ops(&["ada"]))]).await;
    assert_eq!(world.told().await, ["1 member-removed ops ben"], "who left is known by id");
}

#[tokio::test]
async fn a_name_that_somebody_else_takes_does_not_change_who_was_a_member() {
    let mut world = World::new(company()).await;
    world.live(vec![Is(person('b', "ben").at("uid=benno,ou=people"))]).await;
    world.live(vec![Is(person('n', "ben"))]).await;
    assert_eq!(world.told().await, ["1 object-renamed ben", "2 object-created ben"]);
    world.live(vec![Is(ops(&["ada", "benno"]))]).await;
    assert_eq!(world.told().await, Vec::<String>::new(), "the old ben is still the member");
    world.live(vec![Gone('n')]).await;
    assert_eq!(world.told().await, ["1 object-deleted ben"], "the new one never was");
}

#[tokio::test]
async fn l08_recreated_under_the_same_dn_the_new_id_before_the_end_of_the_old() {
    check_refresh(
        vec![Is(person('n', "ben")), Gone('b')],
        &["1 object-deleted ben", "1 member-removed ops ben (consequence)", "2 object-created ben"],
    )
    .await;
    check(
        vec![Gone('b'), Is(person('n', "ben"))],
        &["1 object-deleted ben", "1 member-removed ops ben (consequence)", "2 object-created ben"],
    )
    .await;
}

#[tokio::test]
async fn l08_a_recreated_member_that_the_group_names_again_is_a_new_member() {
    let mut world = World::new(company()).await;
    world.live(vec![Gone('b'), Is(person('n', "ben"))]).await;
    world.told().await;
    world.live(vec![Is(ops(&["ada", "ben"]))]).await;
    assert_eq!(world.told().await, ["1 member-added ops ben"]);
}

#[tokio::test]
async fn l09_the_last_member_goes_and_the_group_is_replaced() {
    check(
        vec![Is(ops(&["cem"]))],
        &["1 member-removed ops ada", "1 member-removed ops ben", "1 member-added ops cem"],
    )
    .await;
    check(vec![Is(ops(&[]))], &["1 member-removed ops ada", "1 member-removed ops ben"]).await;
}

#[tokio::test]
async fn l21_created_and_added_while_away_and_the_refresh_sends_the_group_first() {
    check_refresh(
        vec![Is(ops(&["ada", "ben", "dee"])), Is(person('d', "dee"))],
        &["1 member-added ops dee", "2 object-created dee"],
    )
    .await;
}

#[tokio::test]
async fn a_refresh_that_renames_a_member_and_shows_the_group_first_says_only_the_rename() {
    check_refresh(
        vec![Is(ops(&["ada", "benno"])), Is(person('b', "ben").at("uid=benno,ou=people"))],
        &["1 object-renamed ben"],
    )
    .await;
}

#[tokio::test]
async fn who_came_into_a_group_and_was_renamed_while_away_is_a_member_by_id_without_refint() {
    let group = || Is(ops(&["ada", "ben", "cem"]));
    let renamed = || Is(person('c', "cem").at("uid=cemal,ou=people"));
    let above = || Is(container('P', "ou=staff"));
    let check = async |said: Vec<Said>, renamed: &str| {
        let mut world = World::new(company()).await;
        world.refresh(said).await;
        let mut told: Vec<_> = world.told().await.iter().map(|line| without_set(line).to_owned()).collect();
        told.sort();
        assert_eq!(told, ["member-added ops cem", renamed]);
        assert_eq!(world.asked(), Vec::<String>::new());
        world.live(vec![Gone('c')]).await;
        assert_eq!(world.told().await[1], "1 member-removed ops cem (consequence)");
    };
    check(vec![group(), renamed()], "object-renamed cem").await;
    check(vec![renamed(), group()], "object-renamed cem").await;
    check(vec![group(), above()], "object-renamed staff").await;
    check(vec![above(), group()], "object-renamed staff").await;
}

#[tokio::test]
async fn a_name_given_up_in_a_refresh_that_was_cut_short_is_remembered_in_the_next() {
    let mut world = World::new(company()).await;
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, vec![Is(person('c', "cem").at("uid=cemal,ou=people"))]).await;
    world.refresh(vec![Is(ops(&["ada", "ben", "cem"]))]).await;
    assert_eq!(world.told().await, ["1 object-renamed cem", "2 member-added ops cem"]);
    // Of the next refresh, nobody bears it.
    world.refresh(vec![Is(group('n', "new", &["ada"])), Is(person('a', "ada"))]).await;
    world.told().await;
    world.refresh(vec![Is(group('n', "new", &["ada", "cem"]))]).await;
    assert_eq!(world.told().await, ["1 member-added new cem?"]);
}

#[tokio::test]
async fn l09_a_group_that_is_cleaned_late_still_has_whoever_was_renamed_twice() {
    let ben = |uid: &str| Is(person('b', "ben").at(&format!("uid={uid},ou=people")));
    let mut world = World::new(company()).await;
    world.live(vec![ben("benno"), ben("benedikt")]).await;
    assert_eq!(world.told().await, ["1 object-renamed ben", "2 object-renamed ben"]);
    // refint follows a rename in its own time, and says nothing of it: this name the group was never shown with.
    world.live(vec![Is(ops(&["ada", "benno"]))]).await;
    world.live(vec![Is(ops(&["ada", "benedikt"]))]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
    // A group that had nobody by another name names nobody by that one.
    world.live(vec![Is(group('n', "new", &["ada"]))]).await;
    world.told().await;
    world.live(vec![Is(group('n', "new", &["ada", "benno"]))]).await;
    assert_eq!(world.told().await, ["1 member-added new benno?"]);
    world.live(vec![Gone('b')]).await;
    assert_eq!(world.told().await, ["1 object-deleted ben", "1 member-removed ops ben (consequence)"]);
}

#[tokio::test]
async fn l09_whose_container_was_renamed_twice_is_still_in_a_group_that_is_cleaned_late() {
    let mut world = World::new(company()).await;
    world.live(vec![Is(container('P', "ou=staff")), Is(container('P', "ou=crew"))]).await;
    world.told().await;
    let named = |of: &'static str| {
        let dn = |uid| dn_of(&format!("uid={uid},{of}"));
        let ops = group('o', "ops", &[]).with("owner", &dn("cem"));
        ops.with("member", &dn("ada")).with("member", &dn("ben"))
    };
    world.live(vec![Is(named("ou=staff"))]).await;
    world.live(vec![Is(named("ou=crew"))]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_member_deleted_while_away_is_one_change_set_whichever_the_server_tells_first() {
    let expect = &["1 object-deleted ben", "1 member-removed ops ben (consequence)"];
    check_refresh(vec![Is(ops(&["ada"])), Gone('b')], expect).await;
    check_refresh(vec![Gone('b'), Is(ops(&["ada"]))], expect).await;
}

#[tokio::test]
async fn l01_absent_entries_are_deleted_only_after_a_complete_present_phase() {
    check_refresh(vec![Said::Present("0PGaco")], &[]).await;
    check_refresh(
        vec![Said::Present("0PGac"), Nothing("o")],
        &["1 object-deleted ben", "1 member-removed ops ben (consequence)"],
    )
    .await;
    check_refresh(vec![Is(ops(&["ada", "ben"])), Nothing("0PGabc")], &[]).await;
}

#[tokio::test]
async fn m25_a_directory_that_shows_nothing_is_no_mass_removal() {
    let mut world = World::new(company()).await;
    world.batch(Phase::RefreshBegins, vec![]).await;
    let refused = world.try_batch(Phase::RefreshEnds, vec![Nothing("")]).await;
    assert!(matches!(refused, Err(DbError::NothingShown)));
    assert_eq!(world.told().await, Vec::<String>::new());
    world.live(vec![Is(ops(&["ada"]))]).await;
    assert_eq!(world.told().await, ["1 member-removed ops ben"], "the mirror still stands");
}

#[tokio::test]
async fn l05_a_batch_and_its_checkpoint_are_stored_together() {
    let mut world = World::new(company()).await;
    let at_baseline = world.db.checkpoint(world.context.no).await.unwrap();
    assert!(at_baseline.is_some(), "stored with the end of the refresh");
    world.batch(Phase::RefreshBegins, vec![]).await;
    assert!(world.try_batch(Phase::RefreshEnds, vec![Nothing("")]).await.is_err());
    assert_eq!(world.db.checkpoint(world.context.no).await.unwrap(), at_baseline);
    world.live(vec![Is(ops(&["ada"]))]).await;
    assert_ne!(world.db.checkpoint(world.context.no).await.unwrap(), at_baseline);
}

#[tokio::test]
async fn an_unknown_member_is_looked_up_before_anything_is_said() {
    let mut world = World::new(company()).await;
    let mut elsewhere = person('e', "eve");
    elsewhere.dn = "uid=eve,dc=other,dc=example".into();
    world.outside.insert(elsewhere.dn.clone(), elsewhere.clone());
    world.live(vec![Is(ops(&["ada", "ben"]).with("member", &elsewhere.dn))]).await;
    assert_eq!(world.told().await, ["1 member-added ops eve"]);
    world.live(vec![Is(ops(&["ada", "ben", "nobody"]).with("member", &elsewhere.dn))]).await;
    assert_eq!(world.told().await, ["1 member-added ops nobody?"], "told by its name alone");
    world.live(vec![Is(ops(&["ada", "ben"]))]).await;
    assert_eq!(world.told().await.len(), 2);
}

#[tokio::test]
async fn an_unknown_name_may_be_a_known_entry_whose_rename_is_still_on_its_way() {
    let mut world = World::new(company()).await;
    let renamed = person('b', "ben").at("uid=benno,ou=people");
    world.outside.insert(renamed.dn.clone(), renamed.clone());
    world.live(vec![Is(ops(&["ada", "benno"]))]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
    world.live(vec![Is(renamed)]).await;
    assert_eq!(world.told().await, ["1 object-renamed ben"]);
}

#[tokio::test]
async fn an_entry_that_was_looked_up_before_its_creation_came_is_still_created_once() {
    let mut world = World::new(company()).await;
    let dee = person('d', "dee");
    world.outside.insert(dee.dn.clone(), dee.clone());
    world.live(vec![Is(ops(&["ada", "ben", "dee"]))]).await;
    world.live(vec![Is(dee)]).await;
    assert_eq!(world.told().await, ["1 member-added ops dee", "2 object-created dee"]);
}

#[tokio::test]
async fn renaming_a_container_is_one_event_and_moves_the_names_below_it() {
    let mut world = World::new(company()).await;
    world.live(vec![Is(container('P', "ou=staff"))]).await;
    assert_eq!(world.told().await, ["1 object-renamed staff"]);
    // refint rewrote the group, or did not: the members are the same people.
    let moved = group('o', "ops", &[])
        .with("member", &dn_of("uid=ada,ou=staff"))
        .with("member", &dn_of("uid=ben,ou=staff"))
        .with("owner", &dn_of("uid=cem,ou=staff"));
    world.live(vec![Is(moved.clone())]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
    world.live(vec![Is(moved.with("member", &dn_of("uid=cem,ou=staff")))]).await;
    assert_eq!(world.told().await, ["1 member-added ops cem"]);
}

#[tokio::test]
async fn l17_member_unique_member_and_member_uid_are_one_membership() {
    let mut before = company();
    let posix = || {
        Entry { id: 'u', dn: dn_of("cn=unix,ou=groups"), attributes: vec![] }
            .with("objectClass", "posixGroup")
            .with("cn", "unix")
    };
    before.push(posix().with("memberUid", "ada"));
    let mut world = World::new(before).await;
    world.live(vec![Is(posix().with("memberUid", "ada").with("memberUid", "ben"))]).await;
    assert_eq!(world.told().await, ["1 member-added unix ben"]);
    world
        .live(vec![Is(posix()
            .with("memberUid", "ben")
            .with("uniqueMember", &format!("{}#'01'B", uid("ada"))))])
        .await;
    assert_eq!(world.told().await, Vec::<String>::new(), "ada is still a member, by another attribute");
    world.live(vec![Is(posix().with("memberUid", "ben"))]).await;
    assert_eq!(world.told().await, ["1 member-removed unix ada"]);
}

#[tokio::test]
async fn deltas_and_renames_mean_what_images_mean() {
    let mut world = World::new(company()).await;
    world.live(vec![Said::Delta('o', Operation::Add, "member", vec![uid("cem")])]).await;
    assert_eq!(world.told().await, ["1 member-added ops cem"]);
    world.live(vec![Said::Delta('o', Operation::Delete, "member", vec![uid("ada")])]).await;
    assert_eq!(world.told().await, ["1 member-removed ops ada"]);
    world.live(vec![Said::Delta('o', Operation::Replace, "member", vec![uid("ada"), uid("ben")])]).await;
    assert_eq!(world.told().await, ["1 member-removed ops cem", "1 member-added ops ada"]);
    world.live(vec![Said::Delta('o', Operation::Delete, "owner", vec![])]).await;
    assert_eq!(world.told().await, ["1 owner-removed ops cem"]);
    world.live(vec![Said::Delta('a', Operation::Add, "title", vec!["Lead".into()])]).await;
    assert_eq!(world.told().await, ["1 attributes-changed ada"]);
    world.live(vec![Moved('a', "uid=ada2,ou=people")]).await;
    assert_eq!(world.told().await, ["1 object-renamed ada"]);
}

#[tokio::test]
async fn owners_before_and_after_are_facts_of_the_event() {
    let mut world = World::new(company()).await;
    world.live(vec![Is(group('o', "ops", &["ada"]).with_all("owner", &["ada"]))]).await;
    let events = world.db.all_events().await;
    let owners = |event: &ChangeEvent| -> Vec<String> {
        let mut names: Vec<_> = event.owners.iter().map(|owner| owner.entry.name.clone()).collect();
        names.sort();
        names
    };
    assert!(events.iter().all(|event| owners(event) == ["ada", "cem"]), "{events:?}");
}

#[tokio::test]
async fn owners_are_those_of_each_change_whatever_came_after_it_in_the_same_batch() {
    let mut world = World::new(company()).await;
    let owned = |owner: &str| group('n', "new", &["ada"]).with_all("owner", &[owner]);
    let with_bob = |owner: &str| group('n', "new", &["ada", "bob"]).with_all("owner", &[owner]);
    world.live(vec![Is(owned("cem")), Is(with_bob("cem")), Is(with_bob("ben")), Gone('n')]).await;
    let names = |event: &ChangeEvent| {
        let names: Vec<_> = event.owners.iter().map(|owner| owner.entry.name.clone()).collect();
        format!("{}: {}", event.change.name(), names.join(" "))
    };
    let told: Vec<_> = world.db.all_events().await.iter().map(names).collect();
    assert_eq!(
        told,
        [
            "object-created: cem",
            "member-added: cem",
            "member-added: cem",
            "owner-removed: ben cem",
            "owner-added: ben cem",
            "object-deleted: ben"
        ]
    );
}

#[tokio::test]
async fn owners_are_those_of_a_live_change_that_still_waited_when_a_refresh_showed_others() {
    let mut world = World::new(company()).await;
    let waits = world.try_batch(Phase::Live, vec![Is(ops(&["ada", "ben", "dee"]))]).await.unwrap();
    assert_eq!(waits.unresolved.len(), 1);
    world.refresh(vec![Is(group('o', "ops", &["ada", "ben", "dee"]).with_all("owner", &["ben"]))]).await;
    let names = |event: &ChangeEvent| {
        let names: Vec<_> = event.owners.iter().map(|owner| owner.entry.name.clone()).collect();
        format!("{}: {}", event.change.name(), names.join(" "))
    };
    let told: Vec<_> = world.db.all_events().await.iter().map(names).collect();
    assert_eq!(told, ["member-added: cem", "owner-removed: ben cem", "owner-added: ben cem"]);
}

/// What is told of `said` in one batch while an answer is outstanding: each event with its group's owners.
async fn told_together(said: Vec<Said>) -> Vec<String> {
    let mut world = World::new(company()).await;
    let first = world.try_batch(Phase::Live, vec![Is(group('n', "new", &["nobody"]))]).await.unwrap();
    let then = world.try_batch(Phase::Live, said).await.unwrap();
    assert_eq!((first.unresolved.len(), then.rest.len()), (1, 0));
    world.answer(then).await;
    let told = world.told().await;
    let events = world.db.all_events().await;
    let owners = events.iter().map(|event| event.owners.iter().map(|owner| owner.entry.name.as_str()));
    let lines = told.iter().zip(owners).map(|(line, owners)| {
        let owners: Vec<_> = owners.collect();
        format!("{} | {}", without_set(line), owners.join(" "))
    });
    lines.filter(|line| !line.contains(" new")).collect()
}

#[tokio::test]
async fn what_a_group_lost_is_told_of_the_group_as_it_was_whatever_came_after_it_in_the_same_batch() {
    let went = ["object-deleted ben | ", "member-removed ops ben (consequence) | cem"];
    let check = async |then: Said, expected: &[&str]| {
        let told = told_together(vec![Gone('b'), then]).await;
        assert_eq!(told, [&went, expected].concat());
    };
    check(Gone('o'), &["object-deleted ops | cem"]).await;
    let left = Entry { dn: "cn=ops,dc=elsewhere".into(), ..ops(&["ada"]) };
    check(Is(left), &["scope-left ops | cem"]).await;
    let owned = group('o', "ops", &["ada"]).with_all("owner", &["ada"]);
    check(Is(owned), &["owner-removed ops cem | ada cem", "owner-added ops ada | ada cem"]).await;
}

#[tokio::test]
async fn a_group_that_is_out_of_sight_when_a_member_is_deleted_hears_of_nothing_in_the_same_batch() {
    let left = Entry { dn: "cn=ops,dc=elsewhere".into(), ..ops(&["ada", "ben"]) };
    let told = told_together(vec![Is(left), Gone('b'), Is(ops(&["ada"]))]).await;
    assert_eq!(told, ["scope-left ops | cem", "object-deleted ben | ", "scope-entered ops | cem"]);
}

#[tokio::test]
async fn a_baseline_that_was_cut_short_begins_anew_and_stays_silent() {
    let mut world = World::new(vec![container('0', "ou=x")]).await;
    let facts =
        world.db.begin_store("other".parse().unwrap(), "all".into(), Timestamp::UNIX_EPOCH).await.unwrap();
    let schema = Arc::clone(&world.context.schema);
    world.context = Arc::new(StoreContext::new(facts.no, Dn::parse(BASE).unwrap(), schema, 10));
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, company().into_iter().take(5).map(Is).collect()).await;
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, company().into_iter().map(Is).collect()).await;
    world.batch(Phase::RefreshEnds, vec![Nothing("")]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
    world.live(vec![Is(ops(&["ada"]))]).await;
    assert_eq!(world.told().await, ["1 member-removed ops ben"]);
}

#[tokio::test]
async fn findings_of_a_refresh_survive_a_restart_in_its_middle() {
    let mut world = World::new(company()).await;
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, vec![Is(ops(&["ada"]))]).await;
    assert_eq!(world.told().await, Vec::<String>::new(), "told together at the end");
    // Restarted: the server sends the same image again, which is not newer.
    world.clock -= 1;
    world.refresh(vec![Is(ops(&["ada"]))]).await;
    assert_eq!(world.told().await, ["1 member-removed ops ben"]);
}

#[tokio::test]
async fn a_newcomer_under_a_renamed_members_old_name_is_a_member_of_their_own() {
    let mut world = World::new(company()).await;
    world.live(vec![Is(person('b', "ben").at("uid=benno,ou=people")), Is(person('n', "ben"))]).await;
    world.told().await;
    world.live(vec![Is(ops(&["ada", "benno", "ben"]))]).await;
    assert_eq!(world.told().await, ["1 member-added ops ben"], "the new one");
    world.live(vec![Is(ops(&["ada", "benno"]))]).await;
    assert_eq!(world.told().await, ["1 member-removed ops ben"]);
}

#[tokio::test]
async fn a_refresh_that_shows_the_group_before_its_members_old_name_is_taken_over() {
    let renamed = || Is(person('b', "ben").at("uid=benno,ou=people"));
    let taken = || Is(person('n', "ben"));
    let after = || Is(ops(&["ada", "benno", "ben"]));
    let told = ["1 member-added ops ben", "2 object-renamed ben", "3 object-created ben"];
    check_refresh(vec![after(), renamed(), taken()], &told).await;
    let told = ["1 object-created ben", "2 member-added ops ben", "3 object-renamed ben"];
    check_refresh(vec![taken(), after(), renamed()], &told).await;
}

#[tokio::test]
async fn two_members_that_swapped_their_names_while_away_are_two_renames() {
    let ada = || Is(person('a', "ada").at("uid=ben,ou=people"));
    let ben = || Is(person('b', "ben").at("uid=ada,ou=people"));
    let told = ["1 object-renamed ada", "2 object-renamed ben"];
    check_refresh(vec![ada(), Is(ops(&["ben", "ada"])), ben()], &told).await;
    check_refresh(vec![Is(ops(&["ben", "ada"])), ada(), ben()], &told).await;
    let only_ada = || Is(group('s', "solo", &["ben"]));
    let mut before = company();
    before.push(group('s', "solo", &["ada"]));
    let mut world = World::new(before).await;
    world.refresh(vec![ada(), only_ada(), ben()]).await;
    assert_eq!(world.told().await, told);
}

#[tokio::test]
async fn entries_shown_before_their_container_is_renamed_moved_with_it() {
    check_refresh(
        vec![Is(person('a', "ada").at("uid=ada,ou=staff")), Is(container('P', "ou=staff"))],
        &["1 object-renamed staff"],
    )
    .await;
    check_refresh(
        vec![Is(person('a', "ada").at("uid=ada2,ou=staff")), Is(container('P', "ou=staff"))],
        &["1 object-renamed ada", "2 object-renamed staff"],
    )
    .await;
}

#[tokio::test]
async fn a_container_renamed_and_renamed_back_in_one_refresh_is_two_renames() {
    check_refresh(
        vec![Is(container('P', "ou=staff")), Is(container('P', "ou=people"))],
        &["1 object-renamed staff", "2 object-renamed people"],
    )
    .await;
}

#[tokio::test]
async fn a_rows_number_is_never_used_again_while_findings_speak_of_it() {
    let mut before = company();
    before.push(group('z', "last", &["ben"]));
    let mut world = World::new(before).await;
    world.refresh(vec![Gone('b'), Gone('z'), Is(group('n', "new", &["ada"]))]).await;
    assert_eq!(
        world.told().await,
        [
            "1 object-deleted ben",
            "1 member-removed ops ben (consequence)",
            "2 object-deleted last",
            "3 object-created new",
            "3 member-added new ada"
        ]
    );
}

#[tokio::test]
async fn what_a_refresh_found_is_not_told_by_an_answer_that_comes_in_its_middle() {
    let mut world = World::new(company()).await;
    let asked = world.try_batch(Phase::Live, vec![Is(ops(&["ada", "ben", "nobody"]))]).await.unwrap();
    assert_eq!(asked.unresolved.len(), 1);
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, vec![Is(group('n', "new", &["dee"]))]).await;
    let (key, dn) = asked.unresolved[0].clone();
    let answer = vec![LookedUp { key, dn, entry: None }];
    let settled =
        world.db.settle(Arc::clone(&world.context), answer, vec![], Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!((settled.change_sets, world.told().await.len()), (0, 0));
    world.batch(Phase::Refresh, vec![Is(person('d', "dee"))]).await;
    world.batch(Phase::RefreshEnds, vec![]).await;
    assert_eq!(
        world.told().await,
        [
            "1 member-added ops nobody?",
            "2 object-created new",
            "2 member-added new dee",
            "3 object-created dee"
        ]
    );
}

#[tokio::test]
async fn an_account_name_that_two_bear_goes_on_to_mean_the_same_one() {
    let twin = || person('t', "ada").at("uid=ada,ou=more");
    let unix = |member: &str| {
        Entry { id: 'u', dn: dn_of("cn=unix,ou=groups"), attributes: vec![] }
            .with("objectClass", "posixGroup")
            .with("cn", "unix")
            .with("memberUid", member)
    };
    let mut before = company();
    before.extend([container('M', "ou=more"), twin(), unix("ada")]);
    let mut world = World::new(before).await;
    // The first of the two gives the name up: the other is still meant.
    world.live(vec![Is(person('a', "ada").without("uid").with("uid", "eda"))]).await;
    world.live(vec![Gone('t')]).await;
    let told = world.told().await;
    assert_eq!(told, ["1 object-deleted ada", "1 member-removed unix ada (consequence)"]);
}

#[tokio::test]
async fn an_entry_that_comes_twice_in_the_baseline_of_a_second_store_counts_once() {
    let mut world = World::new(company()).await;
    let facts =
        world.db.begin_store("other".parse().unwrap(), "all".into(), Timestamp::UNIX_EPOCH).await.unwrap();
    let schema = Arc::clone(&world.context.schema);
    world.context = Arc::new(StoreContext::new(facts.no, Dn::parse(BASE).unwrap(), schema, 10));
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, company().into_iter().map(Is).collect()).await;
    world.batch(Phase::Refresh, vec![Is(ops(&["ada"])), Gone('b')]).await;
    world.batch(Phase::RefreshEnds, vec![Nothing("")]).await;
    world.live(vec![Is(ops(&["ada", "cem"]))]).await;
    assert_eq!(world.told().await, ["1 member-added ops cem"]);
}

#[tokio::test]
async fn an_entry_that_came_twice_in_the_first_baseline_counts_once() {
    let mut before = company();
    before.extend([ops(&["ada"]), person('n', "nil")]);
    let mut world = World::new(before).await;
    world.live(vec![Is(ops(&["ada", "cem"]))]).await;
    assert_eq!(world.told().await, ["1 member-added ops cem"]);
}

#[tokio::test]
async fn m26_another_base_or_schema_begins_with_a_new_silent_baseline() {
    let mut world = World::new(company()).await;
    let again =
        |view: &str| world.db.begin_store("acme".parse().unwrap(), view.into(), Timestamp::UNIX_EPOCH);
    assert_eq!(again("all").await.unwrap().mirror, MirrorView::Same);
    assert_eq!(again("more").await.unwrap().mirror, MirrorView::Another);
    assert_eq!(world.db.checkpoint(world.context.no).await.unwrap(), None);
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, company().into_iter().map(Is).collect()).await;
    world.batch(Phase::RefreshEnds, vec![Nothing("")]).await;
    world.live(vec![Is(ops(&["ada"]))]).await;
    assert_eq!(world.told().await, ["1 member-removed ops ben"]);
}
