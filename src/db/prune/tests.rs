use std::time::{Duration, Instant};

use proptest::{collection::vec, option, prelude::*};
use rusqlite::Connection;

use super::*;
use crate::db::{open, queue_plans::plan_of};

const BEFORE: i64 = 1_000;

/// Of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Old,
    New,
}

impl Age {
    fn micros(self) -> i64 {
        match self {
            Self::Old => BEFORE - 1,
            Self::New => BEFORE,
        }
    }
}

/// A change set, and for each of its notifications the message it became part of.
#[derive(Debug, Clone)]
struct Set {
    seen: Age,
    dispatched: Option<Age>,
    is_held: bool,
    is_aside: bool,
    events: usize,
    skipped: usize,
    notifications: Vec<Option<usize>>,
}

#[derive(Debug, Clone)]
struct Message {
    ended: Option<Age>,
    is_asked_for: bool,
    attempts: usize,
}

#[derive(Debug, Clone)]
struct State {
    sets: Vec<Set>,
    messages: Vec<Message>,
}

fn ages() -> impl Strategy<Value = Age> {
    prop_oneof![3 => Just(Age::Old), 1 => Just(Age::New)]
}

fn states() -> impl Strategy<Value = State> {
    let rarely = || prop::bool::weighted(0.1);
    let message = (option::weighted(0.8, ages()), rarely(), 0..3_usize)
        .prop_map(|(ended, is_asked_for, attempts)| Message { ended, is_asked_for, attempts });
    let set = (
        ages(),
        option::weighted(0.9, ages()),
        rarely(),
        rarely(),
        0..4_usize,
        0..3_usize,
        vec(option::weighted(0.9, any::<prop::sample::Index>()), 0..4),
    );
    (vec(message, 1..6), vec(set, 0..12)).prop_map(|(messages, sets)| {
        let set = |(seen, dispatched, is_held, is_aside, events, skipped, told): (
            _,
            Option<_>,
            bool,
            _,
            _,
            _,
            Vec<Option<prop::sample::Index>>,
        )| {
            let notifications = told.into_iter().map(|told| told.map(|index| index.index(messages.len())));
            Set {
                seen,
                dispatched,
                is_held: is_held && dispatched.is_none(),
                is_aside,
                events,
                skipped,
                notifications: if dispatched.is_some() { notifications.collect() } else { Vec::new() },
            }
        };
        State { sets: sets.into_iter().map(set).collect(), messages }
    })
}

fn stored(state: &State) -> Connection {
    let connection = open::in_memory().unwrap();
    connection
        .execute_batch(
            "PRAGMA foreign_keys = ON;
             INSERT INTO store (no, name, view) VALUES (1, 'acme', '');
             INSERT INTO hold (seq, id, store, cause, facts, since) VALUES (1, randomblob(16), 1, 'max-events', '', 0);",
        )
        .unwrap();
    let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| connection.execute(sql, parameters).unwrap();
    for (seq, message) in (0_u32..).zip(&state.messages) {
        let ended = message.ended.map(Age::micros);
        let (word, due) = if ended.is_some() { ("failed", None) } else { ("scheduled", Some(0)) };
        run(
            "INSERT INTO message (seq, id, store, address, recipient_key, subject, message_id, bytes, events,
                                  created_at, state, due_at, ended_at)
             VALUES (?1, randomblob(16), 1, '', '', '', ?1, x'', '[]', 0, ?2, ?3, ?4)",
            &[&seq, &word, &due, &ended],
        );
        for _ in 0..message.attempts {
            run(
                "INSERT INTO attempt (message, at, outcome, answer) VALUES (?1, 0, 'permanent', '')",
                &[&seq],
            );
        }
        let outcome = if message.is_asked_for { None } else { Some("done") };
        run(
            "INSERT INTO outbox_request (store, message, wish, asked_at, outcome) VALUES (1, ?1, 'retry', ?2, ?3)",
            &[&seq, &BEFORE, &outcome],
        );
    }
    for (seq, set) in (0_u32..).zip(&state.sets) {
        let (dispatched, aside) = (set.dispatched.map(Age::micros), set.is_aside.then_some("why"));
        let hold = set.is_held.then_some(1);
        run(
            "INSERT INTO change_set (seq, id, store, seen, dispatched_at, set_aside, held, hold)
             VALUES (?1, randomblob(16), 1, ?2, ?3, ?4, ?5, ?6)",
            &[&seq, &set.seen.micros(), &dispatched, &aside, &set.is_held, &hold],
        );
        for _ in 0..set.events {
            run(
                "INSERT INTO event (id, change_set, time, facts) VALUES (randomblob(16), ?1, 0, '')",
                &[&seq],
            );
        }
        for _ in 0..set.skipped {
            run("INSERT INTO skipped (change_set, facts) VALUES (?1, '')", &[&seq]);
        }
        for (number, message) in (0_u32..).zip(&set.notifications) {
            let message = message.map(|at| u32::try_from(at).unwrap());
            run(
                "INSERT INTO notification (change_set, store, recipient_key, role, facts, created_at, message)
                 VALUES (?1, 1, ?2, 'to', '', 0, ?3)",
                &[&seq, &number, &message],
            );
        }
    }
    connection
}

/// As the document has it, read slowly: the messages and the change sets that stay.
fn what_stays(state: &State) -> (Vec<usize>, Vec<usize>) {
    let goes = |message: &Message| message.ended == Some(Age::Old) && !message.is_asked_for;
    let messages = (0..state.messages.len()).filter(|at| !goes(&state.messages[*at])).collect();
    let waits = |set: &Set| set.dispatched.is_none() && !set.is_aside;
    let stays = |at: &usize| {
        let (before, set) = (&state.sets[..=*at], &state.sets[*at]);
        let told =
            set.notifications.iter().all(|message| message.is_some_and(|at| goes(&state.messages[at])));
        !told
            || set.dispatched != Some(Age::Old)
            || set.is_aside
            || before.iter().any(|set| waits(set) || set.is_held || set.seen == Age::New)
    };
    (messages, (0..state.sets.len()).filter(stays).collect())
}

fn numbers(connection: &Connection, sql: &str) -> Vec<usize> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get::<_, u32>(0)).unwrap().map(|row| row.unwrap() as usize).collect()
}

fn prune_all(connection: &Connection, before: i64, now: i64) -> Pruning {
    let mut so_far = Pruning::default();
    for _ in 0..10_000 {
        match prune(connection, so_far, before, now).unwrap() {
            Pruned::Some(some) => so_far = some,
            Pruned::All(all) => return all,
        }
    }
    panic!("it comes to no end: {so_far:?}");
}

proptest! {
    #[test]
    fn what_waits_stays_and_what_is_over_goes(state in states()) {
        let connection = stored(&state);
        let pruned = prune_all(&connection, BEFORE, BEFORE);
        let (messages, sets) = what_stays(&state);
        prop_assert_eq!(numbers(&connection, "SELECT seq FROM message ORDER BY seq"), messages.clone());
        prop_assert_eq!(numbers(&connection, "SELECT seq FROM change_set ORDER BY seq"), sets.clone());
        prop_assert_eq!(pruned.messages, (state.messages.len() - messages.len()) as u64);
        prop_assert_eq!(pruned.change_sets, (state.sets.len() - sets.len()) as u64);
        let count = |sql| numbers(&connection, sql)[0];
        let of_sets = |rows: fn(&Set) -> usize| sets.iter().map(|at| rows(&state.sets[*at])).sum::<usize>();
        prop_assert_eq!(count("SELECT count(*) FROM event"), of_sets(|set| set.events));
        prop_assert_eq!(count("SELECT count(*) FROM skipped"), of_sets(|set| set.skipped));
        let attempts: usize = messages.iter().map(|at| state.messages[*at].attempts).sum();
        prop_assert_eq!(count("SELECT count(*) FROM attempt"), attempts);
        prop_assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
        prop_assert_eq!(prune_all(&connection, BEFORE, BEFORE), Pruning { step: Step::Strays, ..Pruning::default() });
    }
}

#[test]
fn a_change_of_many_thousands_goes_in_pieces_and_its_room_is_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let connection = open::open_for_writing(&path).unwrap();
    let fill =
        "INSERT INTO change_set (seq, id, store, seen, dispatched_at) VALUES (1, randomblob(16), 1, 0, 0);
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 8000)
         INSERT INTO event (id, change_set, time, facts, members_of)
             SELECT randomblob(16), 1, 0, hex(randomblob(200)), x'00112233445566778899aabbccddeeff' FROM n;
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 800)
         INSERT INTO message (seq, id, store, address, recipient_key, subject, message_id, bytes, events,
                              created_at, state, ended_at, attempts)
             SELECT n, randomblob(16), 1, '', n, '', n, randomblob(12000), '[]', 0, 'delivered', 0, 1 FROM n;
         INSERT INTO notification (change_set, store, recipient_key, role, facts, created_at, message)
             SELECT 1, 1, seq, 'to', '', 0, seq FROM message;";
    connection.execute_batch("INSERT INTO store (no, name, view) VALUES (1, 'acme', '');").unwrap();
    connection.execute_batch(&format!("BEGIN; {fill} COMMIT;")).unwrap();
    let pages = |connection: &Connection| -> i64 {
        connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap()
    };
    let before_it = pages(&connection);
    let (mut so_far, mut longest, mut pieces) = (Pruning::default(), Duration::ZERO, 0);
    let all = loop {
        let begun = Instant::now();
        let transaction = connection.unchecked_transaction().unwrap();
        let pruned = prune(&transaction, so_far, BEFORE, BEFORE).unwrap();
        transaction.commit().unwrap();
        longest = longest.max(begun.elapsed());
        pieces += 1;
        match pruned {
            Pruned::Some(some) => so_far = some,
            Pruned::All(all) => break all,
        }
    };
    assert_eq!((all.change_sets, all.messages), (1, 800));
    assert!(pieces > 60, "{pieces}");
    println!("{pieces} pieces, the longest {longest:?}; {before_it} pages");
    connection.execute_batch(&format!("BEGIN; {fill} COMMIT;")).unwrap();
    assert!(
        pages(&connection) <= before_it + before_it / 50,
        "{} pages after {before_it}",
        pages(&connection)
    );
}

#[test]
fn what_is_left_over_goes_and_what_is_in_use_stays() {
    let connection = open::in_memory().unwrap();
    connection
        .execute_batch(
            "PRAGMA foreign_keys = ON;
             INSERT INTO store (no, name, view, baseline) VALUES (1, 'acme', '', 'complete'), (2, 'zoo', '', 'complete');
             INSERT INTO entry (no, store, id, kind, scope, dn, dn_key, parent_key, attributes)
                 VALUES (1, 1, randomblob(16), 2, 1, '', 5, 5, '{}');
             INSERT INTO link (entry, role, key) VALUES (1, 1, 10);
             INSERT INTO stray (store, key, target) VALUES (1, 10, ''), (1, 11, ''), (2, 11, '');
             INSERT INTO finding (store, facts) VALUES (2, '');
             INSERT INTO deleted_entry (store, id, at)
                 VALUES (1, x'01010101010101010101010101010101', 5), (1, x'02020202020202020202020202020202', 1000),
                        (1, x'03030303030303030303030303030303', NULL), (2, x'01010101010101010101010101010101', 5);
             INSERT INTO hold (seq, id, store, cause, facts, since, wish, wished_at, ended_at) VALUES
                 (1, randomblob(16), 1, 'membership', '', 0, 'discard', 0, 5),
                 (2, randomblob(16), 1, 'membership', '', 0, 'release', 0, 1000),
                 (3, randomblob(16), 1, 'membership', '', 0, NULL, NULL, NULL),
                 (4, randomblob(16), 1, 'membership', '', 0, 'release', 0, 5);
             INSERT INTO held_entry (entry, hold) SELECT randomblob(16), seq FROM hold;
             INSERT INTO change_set (id, store, seen, dispatched_at, hold, held) VALUES
                 (randomblob(16), 1, 0, 1000, 4, 0), (randomblob(16), 2, 0, NULL, NULL, 0);
             INSERT INTO comparison (store, purpose, asked_at, begun_at, ended_at, events, held) VALUES
                 (1, 'tell', 0, 0, 5, 0, 0), (1, 'tell', 0, 0, 6, 0, 0), (2, 'tell', 0, 0, 1000, 0, 0);",
        )
        .unwrap();
    let all = |sql: &str| numbers(&connection, sql);
    prune_all(&connection, BEFORE, 5_000);
    assert_eq!(
        all("SELECT key * 10 + store FROM stray ORDER BY 1"),
        [101, 112],
        "a finding waits in store 2"
    );
    assert_eq!(all("SELECT seq FROM hold ORDER BY seq"), [2, 3, 4]);
    assert_eq!(all("SELECT hold FROM held_entry ORDER BY hold"), [2, 3, 4]);
    assert_eq!(all("SELECT seq FROM comparison ORDER BY seq"), [2, 3]);
    assert_eq!(
        all("SELECT at FROM deleted_entry ORDER BY 1"),
        [5, 1000, 5000],
        "somebody may be told in store 2"
    );
    connection.execute_batch("DELETE FROM finding; UPDATE change_set SET dispatched_at = 5;").unwrap();
    prune_all(&connection, BEFORE, 6_000);
    assert_eq!(all("SELECT key FROM stray"), [10]);
    assert_eq!(all("SELECT seq FROM hold ORDER BY seq"), [2, 3]);
    assert_eq!(all("SELECT at FROM deleted_entry ORDER BY 1"), [1000, 5000]);
    assert_eq!(all("SELECT count(*) FROM change_set"), [0]);
    prune_all(&connection, 6_000, 6_000);
    assert_eq!(all("SELECT at FROM deleted_entry"), Vec::<usize>::new());
    assert_eq!(all("SELECT seq FROM comparison ORDER BY seq"), [2, 3], "the last of each store");
}

#[test]
fn no_row_is_looked_for_in_a_table_that_grows() {
    let text = include_str!("../prune.rs");
    let growing = ["event", "message", "notification", "attempt", "skipped", "link", "entry"];
    let statements = text.split('"').map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let statements: Vec<_> = statements
        .filter(|sql| ["SELECT ", "DELETE "].iter().any(|verb| sql.starts_with(verb)) && !sql.contains('{'))
        .collect();
    assert!(statements.len() > 15, "{statements:#?}");
    for sql in statements {
        let plan = plan_of(&sql);
        for table in growing {
            let walks = plan.split("; ").any(|line| line.starts_with(&format!("SCAN {table}")));
            // The waiting ones alone, by an index of nothing else.
            let few = plan.contains("notification_waiting");
            assert!(!walks || few, "{sql}\n{plan}");
        }
        if sql.starts_with("DELETE FROM change_set") || sql.contains("FROM change_set WHERE seq >") {
            assert!(plan.contains("INTEGER PRIMARY KEY"), "{sql}\n{plan}");
        }
    }
}

/// What refers to a row is found by an index when the row is removed.
#[test]
fn every_reference_has_an_index() {
    let connection = open::in_memory().unwrap();
    let references: Vec<(String, String)> = {
        let mut statement = connection
            .prepare(
                "SELECT t.name, f.\"from\" FROM sqlite_schema t, pragma_foreign_key_list(t.name) f
                 WHERE t.type = 'table' AND f.\"table\" <> 'store'",
            )
            .unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    assert!(references.len() >= 8, "{references:?}");
    for (table, column) in references {
        let plan = plan_of(&format!("SELECT 1 FROM {table} WHERE {column} = ?1"));
        assert!(plan.starts_with("SEARCH"), "{table}.{column}: {plan}");
    }
}
