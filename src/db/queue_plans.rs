//! How `SQLite` would run the statements of the queue: messages are long and many, so none is read to find another.

use super::{baseline, open};

pub(super) fn plan_of(sql: &str) -> String {
    let connection = open::in_memory().unwrap();
    baseline::ensure_indexes(&connection).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let parameters = vec![rusqlite::types::Value::Integer(1); statement.parameter_count()];
    let rows =
        statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
}

/// Those of the sources, as written between quotes.
fn statements() -> Vec<String> {
    [
        include_str!("alerts.rs"),
        include_str!("notifications.rs"),
        include_str!("compose.rs"),
        include_str!("delivery.rs"),
        include_str!("delivery/aged.rs"),
        include_str!("requests.rs"),
    ]
    .iter()
    .flat_map(|source| source.split('"'))
    .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
    .filter(|text| ["SELECT ", "UPDATE ", "DELETE ", "WITH "].iter().any(|verb| text.starts_with(verb)))
    .filter(|text| !text.contains('{'))
    .collect()
}

#[test]
fn no_statement_of_the_queue_walks_a_whole_table() {
    let statements = statements();
    assert!(statements.len() > 20, "{statements:#?}");
    for sql in statements {
        let plan = plan_of(&sql);
        // What was just put together.
        let plan = ["SCAN CONSTANT ROW", "SCAN (subquery-"]
            .iter()
            .fold(plan, |plan, allowed| plan.replace(allowed, ""));
        assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
    }
}

#[track_caller]
fn check(sql: &str, index: &str) {
    let plan = plan_of(sql);
    assert!(plan.contains(index), "{sql}\n{plan}");
}

#[test]
fn the_questions_asked_often_are_answered_by_an_index_alone() {
    check(
        "SELECT ended_at FROM message WHERE store = ?1 AND cap_key = ?2 AND ended_at > ?3
         ORDER BY ended_at DESC LIMIT 9",
        "SEARCH message USING COVERING INDEX message_capped (store=? AND cap_key=? AND ended_at>?)",
    );
    check("SELECT seq FROM message WHERE store = ?1 AND due_at IS NOT NULL LIMIT 9", "USING COVERING INDEX");
    check(
        "SELECT seq, recipient_key, due_at FROM message WHERE store = ?1 AND due_at IS NOT NULL ORDER BY seq",
        "SEARCH message USING COVERING INDEX message_waiting (store=?)",
    );
    check(
        "SELECT count(*) FROM message WHERE store = ?1 AND state = 'failed' AND deleted_at IS NULL",
        "INDEX message_failed",
    );
    check(
        "SELECT count(*), min(ended_at) FROM message
         WHERE store = ?1 AND alert = 0 AND state = 'failed' AND deleted_at IS NULL",
        "USING COVERING INDEX message_failed (store=? AND alert=?)",
    );
    check(
        "SELECT seq FROM message WHERE store = ?1 AND due_at IS NOT NULL
         AND coalesce(renewed_at, created_at) <= ?2 LIMIT ?3",
        "USING INDEX message_age (store=? AND <expr><?)",
    );
    check(
        "SELECT recipient_key, role, min(seq), created_at FROM notification
         WHERE store = ?1 AND message IS NULL AND set_aside IS NULL AND (recipient_key, role) > (?2, ?3)
         GROUP BY recipient_key, role ORDER BY recipient_key, role LIMIT ?4",
        "USING COVERING INDEX notification_waiting",
    );
}
