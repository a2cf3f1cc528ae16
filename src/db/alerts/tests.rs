use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::{
    db::{Reader, Side},
    notify::company::options,
};

/// A state file with one store that is caught up.
struct State {
    _dir: TempDir,
    db: Db,
    other: Connection,
    store: StoreNo,
    path: std::path::PathBuf,
}

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60;

fn at(minutes: i64) -> Timestamp {
    timestamp(minutes * MINUTE)
}

impl State {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let db = Db::open(&path).unwrap();
        let store = db.begin_store("acme".parse().unwrap(), "all".into(), at(0)).await.unwrap().no;
        db.set_standing(store, Standing::Following, at(0)).await.unwrap();
        let other = Connection::open(&path).unwrap();
        other.busy_timeout(Duration::from_secs(5)).unwrap();
        Self { _dir: dir, db, other, store, path }
    }

    fn sql(&self, sql: &str) {
        self.other.execute_batch(sql).unwrap();
    }

    fn count(&self, sql: &str) -> i64 {
        self.other.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn hold(&self, number: u8, facts: &str) {
        self.sql(&format!(
            "INSERT INTO hold (id, store, cause, facts, since)
             VALUES (x'{number:032x}', {}, 'membership', '{facts}', {})",
            self.store.0,
            micros(at(1)),
        ));
    }

    /// A message that was given up.
    fn failed(&self, number: u8, minute: i64, alert: u8) {
        self.sql(&format!(
            "INSERT INTO message (id, store, address, recipient_key, subject, message_id, bytes, events,
                                  created_at, state, ended_at, attempts, alert)
             VALUES (x'{number:032x}', {}, 'a@x', 'a@x', 's', '<{number}@x>', x'00', '[]', 0, 'failed', {}, 1,
                     {alert})",
            self.store.0,
            micros(at(minute)),
        ));
    }

    async fn due(&self, minute: i64) -> Vec<DueAlert> {
        self.db.due_alerts(self.store, at(minute)).await.unwrap()
    }

    async fn said(&self, minute: i64) -> Vec<Said> {
        self.due(minute).await.into_iter().map(|due| due.said).collect()
    }

    async fn say(&self, alerts: Vec<DueAlert>, minute: i64) -> bool {
        let id = Uuid::now_v7();
        let letter = AlertLetter {
            id,
            address: "ops@acme.example".parse().unwrap(),
            message_id: format!("<{id}@acme.example>"),
            bytes: b"mail".to_vec(),
        };
        let mail = AlertMail { alerts, subject: "alert".into(), letters: vec![letter] };
        self.db.say_alerts(self.store, mail, at(minute)).await.unwrap()
    }

    fn open_alerts(&self) -> u64 {
        Reader::open(&self.path).unwrap().unwrap().status().unwrap().remove(0).alerts
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_followed_is_told_once_however_often_it_is_tried_and_again_after_a_day() {
    let state = State::new().await;
    assert_eq!(state.due(1).await, []);
    let error = Some("no such password".to_owned());
    state.db.set_error(state.store, Side::Directory, error.clone()).await.unwrap();
    state.db.set_standing(state.store, Standing::Refused, at(2)).await.unwrap();
    let due = state.due(2).await;
    let matter = Matter::Feed { standing: Standing::Refused, error };
    assert_eq!(due.iter().map(|due| due.said.clone()).collect::<Vec<_>>(), [Said { since: at(2), matter }]);
    assert!(state.say(due, 2).await);
    assert_eq!(state.open_alerts(), 1);
    for minute in [3, 60, 600, DAY + 1] {
        state.db.set_standing(state.store, Standing::Connected, at(minute)).await.unwrap();
        assert_eq!(state.due(minute).await, []);
        state.db.set_standing(state.store, Standing::Refused, at(minute)).await.unwrap();
        assert_eq!(state.due(minute).await, []);
    }
    let again = state.due(DAY + 2).await;
    assert_eq!(again[0].said.since, at(2));
    assert!(state.say(again, DAY + 2).await);
    state.db.set_standing(state.store, Standing::Following, at(DAY + 3)).await.unwrap();
    assert_eq!(state.due(3 * DAY).await, []);
    assert_eq!(state.open_alerts(), 0);
}

#[tokio::test]
async fn a_restart_neither_ends_nor_repeats_what_was_said() {
    let state = State::new().await;
    state.db.set_standing(state.store, Standing::Away, at(1)).await.unwrap();
    assert_eq!(state.due(15).await, []);
    let due = state.due(16).await;
    assert!(state.say(due, 16).await);
    let again = state.db.begin_store("acme".parse().unwrap(), "all".into(), at(30)).await.unwrap();
    assert_eq!(again.no, state.store);
    for minute in [30, 45, 200] {
        assert_eq!(state.due(minute).await, []);
    }
    assert_eq!(state.due(16 + DAY).await[0].said.since, at(1));
}

#[tokio::test]
async fn until_the_mail_is_stored_it_is_given_again_and_two_that_have_it_store_one() {
    let state = State::new().await;
    state.hold(1, r#"{"group": {"name": "Finance"}}"#);
    let (one, other) = (state.due(2).await, state.due(2).await);
    assert_eq!(one, other);
    assert!(state.say(one, 2).await);
    assert!(!state.say(other, 3).await);
    assert_eq!(state.count("SELECT count(*) FROM message"), 1);
    let stored = "SELECT count(*) FROM message
                  WHERE alert = 1 AND state = 'scheduled' AND cap_key IS NULL AND events = '[]'";
    assert_eq!(state.count(stored), 1);
}

#[tokio::test]
async fn what_is_over_before_its_mail_is_stored_is_not_said() {
    let state = State::new().await;
    state.hold(1, "{}");
    let due = state.due(2).await;
    state.sql("UPDATE hold SET wish = 'release', wished_at = 1, ended_at = 1");
    assert_eq!(state.due(3).await, []);
    assert!(!state.say(due, 3).await);
    assert_eq!(state.count("SELECT count(*) FROM message"), 0);
}

#[tokio::test]
async fn a_mail_that_cannot_be_stored_whole_is_not_stored_and_nothing_counts_as_said() {
    let state = State::new().await;
    state.hold(1, "{}");
    state.sql("CREATE TRIGGER full BEFORE INSERT ON message BEGIN SELECT raise(ABORT, 'disk full'); END");
    let due = state.due(2).await;
    let letter = AlertLetter {
        id: Uuid::now_v7(),
        address: "ops@acme.example".parse().unwrap(),
        message_id: "<1@x>".into(),
        bytes: Vec::new(),
    };
    let mail = AlertMail { alerts: due.clone(), subject: String::new(), letters: vec![letter] };
    assert!(state.db.say_alerts(state.store, mail, at(2)).await.is_err());
    state.sql("DROP TRIGGER full");
    assert_eq!(state.due(3).await, due);
}

#[tokio::test]
async fn a_hold_is_told_with_what_it_holds() {
    let state = State::new().await;
    let store = state.store.0;
    state.hold(
        1,
        r#"{"cause": "membership", "group": {"id": null, "kind": "group", "name": "Finance", "dn": "cn=x"},
            "members": 30, "added": 2, "removed": 17, "limit_percent": 50, "window_seconds": 300}"#,
    );
    state.hold(2, "[7]");
    state.sql(&format!(
        "INSERT INTO change_set (id, store, seen, hold, held) VALUES
             (x'{:032x}', {store}, 0, 1, 1), (x'{:032x}', {store}, 0, 1, 1), (x'{:032x}', {store}, 0, 1, 0)",
        11, 12, 13,
    ));
    for (number, change_set) in [(21, 1), (22, 1), (23, 2), (24, 3)] {
        state.sql(&format!(
            "INSERT INTO event (id, change_set, time, facts) VALUES (x'{number:032x}', {change_set}, 0, '{{}}')"
        ));
    }
    let matter = |number, group: Option<&str>, events| Matter::Hold {
        id: Uuid::from_u128(number),
        cause: HoldCause::Membership,
        group: group.map(str::to_owned),
        events,
    };
    let said = state.said(2).await;
    assert_eq!(said[0], Said { since: at(1), matter: matter(1, Some("Finance"), 3) });
    assert_eq!(said[1], Said { since: at(1), matter: matter(2, None, 0) });
}

#[tokio::test]
async fn mail_that_was_given_up_is_told_by_how_many_and_an_alert_that_was_is_not() {
    let state = State::new().await;
    state.failed(1, 5, 1);
    assert_eq!(state.due(6).await, []);
    state.failed(2, 8, 0);
    state.failed(3, 7, 0);
    let due = state.due(9).await;
    assert_eq!(due[0].said, Said { since: at(7), matter: Matter::FailedMail(2) });
    assert!(state.say(due, 9).await);
    state.failed(4, 10, 0);
    assert_eq!(state.due(10).await, [], "one more is told tomorrow");
    state.sql("UPDATE message SET deleted_at = 1, bytes = x'' WHERE alert = 0");
    assert_eq!(state.due(11).await, []);
    state.failed(5, 12, 0);
    assert_eq!(state.due(12).await, [], "it was said within the hour");
    assert_eq!(state.said(69).await, [Said { since: at(12), matter: Matter::FailedMail(1) }]);
}

#[tokio::test]
async fn what_is_set_aside_is_told_by_how_many() {
    let state = State::new().await;
    let store = state.store.0;
    state.sql(&format!(
        "INSERT INTO change_set (id, store, seen, set_aside) VALUES (x'{:032x}', {store}, 0, 'unreadable');
         INSERT INTO notification (change_set, store, recipient_key, role, facts, created_at, set_aside)
         VALUES (1, {store}, 'a@x', 'by-role', '!', 0, 'unreadable')",
        1,
    ));
    assert_eq!(state.said(4).await, [Said { since: at(4), matter: Matter::SetAside(2) }]);
}

#[tokio::test]
async fn another_store_is_another_matter() {
    let state = State::new().await;
    let other = state.db.begin_store("other".parse().unwrap(), "all".into(), at(0)).await.unwrap().no;
    state.db.set_standing(other, Standing::Following, at(0)).await.unwrap();
    state.hold(1, "{}");
    state.failed(2, 1, 0);
    assert_eq!(state.due(2).await.len(), 2);
    assert_eq!(state.db.due_alerts(other, at(2)).await.unwrap(), []);
}

#[tokio::test]
async fn what_was_over_a_month_ago_is_forgotten() {
    let state = State::new().await;
    state.hold(1, "{}");
    assert_eq!(state.due(1).await.len(), 1);
    state.sql("UPDATE hold SET wish = 'discard', wished_at = 1, ended_at = 1");
    for (day, left) in [(1, 1), (30, 1), (32, 0)] {
        assert_eq!(state.due(day * DAY).await, []);
        assert_eq!(state.count("SELECT count(*) FROM alert"), left, "day {day}");
    }
}

#[tokio::test]
async fn redirected_alerts_are_alerts_still() {
    let state = State::new().await;
    state.hold(1, "{}");
    let due = state.due(1).await;
    assert!(state.say(due, 1).await);
    state.sql("UPDATE message SET bytes = CAST('To: ops@acme.example' || x'0d0a0d0a' AS BLOB)");
    let options = crate::notify::options::Options {
        redirect_to: vec!["one@acme.example".parse().unwrap(), "two@acme.example".parse().unwrap()],
        ..options("")
    };
    state.db.take_stock(state.store, options.into(), [].into(), at(1)).await.unwrap();
    let redirected = "SELECT count(*) FROM message WHERE alert = 1 AND intended = 'ops@acme.example'";
    assert_eq!(state.count(redirected), 2);
}
