//! What happened to a group since is asked of the events that are stored, and found without a walk.

use rusqlite::{Connection, types::Value};
use uuid::Uuid;

use super::*;
use crate::{
    change::event::{Actor, Cause, EventId, Marks},
    db::{
        EventRow, Supposed, baseline,
        company::{BASE, STORE, State},
        open, simulate,
    },
    directory::{dn::Dn, entry::EntryRef, watched::WatchedTree},
    notify::decide::Decision,
};

const COMPANY: &str = "
    user  ada
    user  ben
    user  cem
    user  dora
    group ops    member=ada member=cem
    group desk   member=ada member=cem mail=desk@acme.example
    group hush   member=ada department=quiet
";

const TICKED: &str = "object_modified removed_members";

/// Sorted: address and options, or who is not told, by which option and why not.
fn shown(decision: &Decision) -> Vec<String> {
    let told = decision.notifications.iter().map(|notification| {
        let reasons: Vec<_> = notification.grounds.iter().map(|ground| ground.reason.as_str()).collect();
        let address = notification.recipient.address.as_str().trim_end_matches("@acme.example");
        format!("{address}: {}", reasons.join(", "))
    });
    let skipped = decision
        .skipped
        .iter()
        .map(|skipped| format!("- {}: {}, {}", skipped.who.name, skipped.reason, skipped.why.as_str()));
    let mut lines: Vec<String> = told.chain(skipped).collect();
    lines.sort();
    lines
}

/// What was decided about the change set of an event.
fn decided(state: &State, row: &EventRow) -> Decision {
    let connection = Connection::open(state.path()).unwrap();
    let read = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([row.event.change_set.0.as_bytes()], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let set = "change_set = (SELECT seq FROM change_set WHERE id = ?1) ORDER BY seq";
    let notifications = read(&format!("SELECT facts FROM notification WHERE {set}"));
    let skipped = read(&format!("SELECT facts FROM skipped WHERE {set}"));
    Decision {
        notifications: notifications.iter().map(|facts| serde_json::from_str(facts).unwrap()).collect(),
        skipped: skipped.iter().map(|facts| serde_json::from_str(facts).unwrap()).collect(),
    }
}

/// Compares what is decided about each event, and what `explain` says of it while all wait.
async fn check(state: &State, expect: &[(&str, &[&str])]) {
    let waiting = would_decide(state);
    state.dispatch().await;
    let rows = state.events();
    assert_eq!(rows.len(), expect.len(), "{rows:#?}");
    for ((row, before), (event, people)) in rows.iter().zip(&waiting).zip(expect) {
        assert_eq!(format!("{} {}", row.event.change.name(), row.event.entry.name), *event);
        assert_eq!(shown(&decided(state, row)), *people, "{event}");
        assert_eq!(shown(before), *people, "{event}, while it waits");
    }
}

fn would_decide(state: &State) -> Vec<Decision> {
    let reader = state.reader();
    let decision = |row: &EventRow| {
        let explanation = reader.would_decide(row, state.rules()).unwrap();
        Decision { notifications: explanation.notifications, skipped: explanation.skipped }
    };
    state.events().iter().map(decision).collect()
}

#[tokio::test]
async fn the_members_of_a_group_are_those_after_each_change_set_whenever_it_is_dispatched() {
    let mut state = State::new(COMPANY, TICKED).await;
    state.modify("ops", "member+ben").await;
    state.modify("ops", "member-ada").await;
    state.modify("desk", "member+dora").await;
    state.modify("ops", "member+dora").await;
    state.delete("desk").await;
    let told = [
        ("member-added ops", &["ada: object_modified", "ben: object_modified", "cem: object_modified"][..]),
        ("member-removed ops", &["ada: removed_members", "ben: object_modified", "cem: object_modified"]),
        ("member-added desk", &["ada: object_modified", "cem: object_modified", "dora: object_modified"]),
        ("member-added ops", &["ben: object_modified", "cem: object_modified", "dora: object_modified"]),
        (
            "object-deleted desk",
            &[
                "ada: object_modified, removed_members",
                "cem: object_modified, removed_members",
                "dora: object_modified, removed_members",
            ],
        ),
    ];
    check(&state, &told).await;
}

#[tokio::test]
async fn a_deleted_group_is_not_opened_where_it_was_not_to_be_notified() {
    let mut state = State::new(COMPANY, TICKED).await;
    state.modify("hush", "member+ben").await;
    state.delete("hush").await;
    check(
        &state,
        &[
            ("member-added hush", &["- hush: object_modified, do-not-notify"]),
            (
                "object-deleted hush",
                &["- hush: object_modified, do-not-notify", "- hush: removed_members, do-not-notify"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn nothing_comes_after_what_is_only_supposed() {
    let mut state = State::new(COMPANY, "object_modified").await;
    state.modify("ops", "member+ben").await;
    state.modify("ops", "member-ada").await;
    let supposed = Supposed::MemberAdded { member: state.id("dora"), group: state.id("ops") };
    let tree = WatchedTree::from(Dn::parse(BASE).unwrap());
    let simulated =
        simulate(&state.path(), STORE, &tree, state.rules(), supposed, None, state.now()).unwrap();
    let mut told: Vec<_> = simulated.explanations[0]
        .notifications
        .iter()
        .map(|notification| notification.recipient.address.as_str().trim_end_matches("@acme.example"))
        .collect();
    told.sort_unstable();
    assert_eq!(told, ["ben", "cem", "dora"]);
}

#[tokio::test]
async fn of_another_store_with_the_same_directory_nothing_is_undone() {
    let mut state = State::new(COMPANY, TICKED).await;
    state.modify("ops", "member+ben").await;
    state.modify("ops", "member-ada").await;
    let connection = Connection::open(state.path()).unwrap();
    let here =
        StoreMirror { connection: &connection, store: state.context.no, schema: &state.context.schema };
    let first = state.events()[0].event.change_set;
    let since =
        || here.members_since(state.id("ops"), first).unwrap().iter().map(Change::name).collect::<Vec<_>>();
    assert_eq!(since(), ["member-removed"]);
    assert_eq!(here.members_since(state.id("desk"), first).unwrap(), []);
    connection
        .execute_batch(
            "INSERT INTO store (no, name, view) VALUES (99, 'other', '');
             UPDATE change_set SET store = 99 WHERE seq = (SELECT max(seq) FROM change_set)",
        )
        .unwrap();
    assert_eq!(since(), Vec::<&str>::new());
}

fn entry(kind: EntryKind, id: u128) -> EntryRef {
    let dn = Dn::parse(&format!("cn={id},{BASE}")).unwrap();
    EntryRef { id: Some(EntryId(Uuid::from_u128(id))), dn, kind: Some(kind), name: id.to_string() }
}

fn event(number: u128, entry: EntryRef, change: Change) -> ChangeEvent {
    ChangeEvent {
        id: EventId(Uuid::from_u128(number)),
        change_set: ChangeSetId(Uuid::from_u128(number)),
        time: jiff::Timestamp::UNIX_EPOCH,
        seen: jiff::Timestamp::UNIX_EPOCH,
        entry,
        change,
        actor: Actor::Unknown,
        cause: Cause::Directory,
        owners: Vec::new(),
        managers: Vec::new(),
        marks: Marks::default(),
    }
}

fn of_every_kind() -> Vec<(Change, bool)> {
    let member = || entry(EntryKind::User, 1);
    let deleted =
        Change::ObjectDeleted { last_members: Vec::new(), last_member_count: 0, last_groups: Vec::new() };
    vec![
        (Change::MemberAdded { member: member() }, true),
        (Change::MemberRemoved { member: member() }, true),
        (deleted, true),
        (Change::ObjectCreated, false),
        (Change::ScopeLeft, false),
        (Change::AttributesChanged { attributes: Vec::new() }, false),
    ]
}

#[test]
fn what_waits_in_a_file_of_the_version_before_is_found_too() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(include_str!("../../../migrations/0001_initial.sql")).unwrap();
    connection.execute_batch("INSERT INTO store (no, name, view) VALUES (1, 'acme', '')").unwrap();
    let mut expected = Vec::new();
    for (number, (change, is_found)) in (1_u128..).zip(of_every_kind()) {
        for (half, kind) in [(0, EntryKind::Group), (100, EntryKind::User)] {
            for (dispatched, at) in [(0, None), (1000, Some(7))] {
                let id = number + half + dispatched;
                let event = event(id, entry(kind, 7), change.clone());
                let set = "INSERT INTO change_set (id, store, seen, dispatched_at) VALUES (?1, 1, 0, ?2)";
                connection.execute(set, params![event.change_set.0.as_bytes(), at]).unwrap();
                let seq = connection.last_insert_rowid();
                let sql = "INSERT INTO event (id, change_set, time, facts) VALUES (?1, ?2, 0, ?3)";
                let facts = serde_json::to_string(&event).unwrap();
                connection.execute(sql, params![event.id.0.as_bytes(), seq, facts]).unwrap();
                let found = members_of(&event).map(|group| group.0.as_bytes().to_vec());
                assert_eq!(found.is_some(), is_found && kind == EntryKind::Group, "{event:?}");
                expected.push(found.filter(|_| at.is_none()));
            }
        }
    }
    connection.execute_batch(include_str!("../../../migrations/0002_options.sql")).unwrap();
    let mut statement = connection.prepare("SELECT members_of FROM event ORDER BY seq").unwrap();
    let found = statement.query_map([], |row| row.get::<_, Option<Vec<u8>>>(0)).unwrap();
    assert_eq!(found.map(Result::unwrap).collect::<Vec<_>>(), expected);
}

/// How `SQLite` would answer.
fn plan() -> String {
    let connection = open::in_memory().unwrap();
    baseline::ensure_indexes(&connection).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {MEMBERS_SINCE}")).unwrap();
    let parameters = vec![Value::Integer(1); statement.parameter_count()];
    let rows =
        statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
}

#[test]
fn what_happened_to_one_group_is_found_by_an_index_and_in_order() {
    let plan = plan();
    assert!(
        plan.starts_with("SEARCH event USING INDEX event_members_of (members_of=? AND change_set>?)"),
        "{plan}"
    );
    assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
}

/// Turns of one group that all wait: each knows what came of the group since.
async fn turns_of_one_group(count: usize) -> State {
    let mut state = State::new(COMPANY, TICKED).await;
    for turn in 0..count {
        state.modify("ops", if turn % 2 == 0 { "member+ben" } else { "member-ben" }).await;
    }
    state
}

#[tokio::test]
async fn what_happened_to_a_group_is_read_once_for_all_change_sets_of_a_dispatch() {
    let state = turns_of_one_group(200).await;
    let connection = Connection::open(state.path()).unwrap();
    let mirror =
        || StoreMirror { connection: &connection, store: state.context.no, schema: &state.context.schema };
    let sets: Vec<_> = state.events().iter().map(|row| row.event.change_set).collect();
    let group = state.id("ops");
    let anew = mirror();
    let expected: Vec<_> = sets.iter().map(|set| anew.past(group, *set, 10).unwrap()).collect();
    let in_order = InOrder::new(mirror());
    let mut found = vec![in_order.past(group, sets[0], 10).unwrap()];
    // From here on nothing can be read any more, and nothing has to be.
    connection.execute_batch("UPDATE event SET facts = '{}'").unwrap();
    found.extend(sets[1..].iter().map(|set| in_order.past(group, *set, 10).unwrap()));
    assert_eq!(found, expected);
    assert!(anew.past(group, sets[0], 10).is_err());
}
