//! Holds in a state file: what waits, what goes on, and what becomes of it.

mod edges;

use std::{sync::Arc, time::Duration};

use rusqlite::Connection;

use super::*;
use crate::{
    change::{guard::HoldCause, observation::Observation},
    db::{
        Cursor, Draft, DraftCopy, EventRow, Explanation, Pace, Requests, Stage, Supposed, baseline,
        company::STORE, company::State, open, simulate,
    },
    directory::{
        batch::Phase,
        checkpoint::{Checkpoint, Mechanism},
    },
    notify::options::Options,
};

const COMPANY: &str = "
    user ada
    user ben
    user cem
    user dora
    user eve
    group ops   owner=eve member=ada member=ben member=cem member=dora
    group desk  owner=eve member=ada
";

const OPTIONS: &str = "owner removed_members";

/// Half of four members may change; five events at once.
const GUARD: GuardSettings = GuardSettings {
    window: Duration::from_mins(5),
    max_events: 5,
    membership_percent: 50,
    membership_min: 4,
};

async fn company() -> State {
    State::guarded(COMPANY, OPTIONS, GUARD).await
}

impl State {
    /// Each event as `change entry subject`, with the state of its change set in front: `held`, `waits`, `told` or
    /// `discarded`.
    fn ways(&self) -> Vec<String> {
        let connection = Connection::open(self.path()).unwrap();
        let mut statement = connection
            .prepare(
                "SELECT CASE WHEN held = 1 THEN 'held' WHEN dispatched_at IS NULL THEN 'waits'
                             WHEN wish = 'discard' THEN 'discarded' ELSE 'told' END, event.facts, change_set.id
                 FROM event JOIN change_set ON change_set.seq = event.change_set
                            LEFT JOIN hold ON hold.seq = change_set.hold ORDER BY event.seq",
            )
            .unwrap();
        let rows = statement.query_map([], |row| {
            let (way, event): (String, ChangeEvent) = (row.get(0)?, json_at(row, 1)?);
            assert_eq!(event.change_set.0, Uuid::from_bytes(row.get(2)?), "an event knows its change set");
            let subject = event.change.subject().map(|who| format!(" {}", who.name)).unwrap_or_default();
            Ok(format!("{way}: {} {}{subject}", event.change.name(), event.entry.name))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    fn count(&self, sql: &str) -> i64 {
        Connection::open(self.path()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn holds(&self) -> Vec<HoldRow> {
        self.reader().holds(Some(STORE)).unwrap()
    }

    fn ask(&self, hold: Uuid, wish: HoldWish) -> Option<HoldAnswer> {
        let mut requests = Requests::open(&self.path()).unwrap().unwrap();
        requests.ask_for_hold(hold, wish, self.now()).unwrap()
    }

    async fn let_go_some(&self) -> HoldNews {
        self.db.carry_out_wishes(Arc::clone(&self.context), self.now()).await.unwrap()
    }

    async fn let_go(&self) {
        while !self.let_go_some().await.is_idle {}
    }

    /// Dispatches until nothing waits.
    async fn dispatch_all(&self) {
        let waiting = "SELECT count(*) FROM change_set WHERE dispatched_at IS NULL AND held = 0";
        while self.count(waiting) > 0 {
            self.dispatch().await;
        }
    }

    /// As after a restart.
    fn restarted(&mut self) {
        let context = &self.context;
        let new = StoreContext::new(context.no, context.tree.clone(), Arc::clone(&context.schema), 1001);
        self.context = Arc::new(new.guarded(context.guard));
    }

    fn explained(&self, event: &EventRow) -> Explanation {
        let pace = Pace { window: Duration::ZERO, cap: u32::MAX, now: self.now() };
        let decided = self.reader().decided(event, pace).unwrap();
        decided.unwrap_or_else(|| self.reader().would_decide(event, self.rules()).unwrap())
    }
}

#[tokio::test]
async fn m07_what_is_not_in_a_mail_yet_is_called_back_and_the_rest_goes_on() {
    let mut state = company().await;
    state.modify("ops", "member-ada").await;
    state.dispatch().await;
    state.compose(Duration::ZERO, state.now()).await;
    state.modify("ops", "member-ben").await;
    state.dispatch().await;
    let notified = "SELECT count(*) FROM notification WHERE message IS NULL";
    assert_eq!(state.count(notified), 2);
    state.modify("ops", "member-cem").await;
    assert_eq!(state.count(notified), 0);
    assert_eq!(state.count("SELECT count(*) FROM skipped"), 0);
    state.modify("desk", "member+ben").await;
    state.modify("ops", "member+ben").await;
    let expected = [
        "told: member-removed ops ada",
        "held: member-removed ops ben",
        "held: member-removed ops cem",
        "waits: member-added desk ben",
        "held: member-added ops ben",
    ];
    assert_eq!(state.ways(), expected);
    let [hold] = &state.holds()[..] else { panic!("one hold") };
    assert_eq!((hold.events, hold.facts.group().unwrap().name.as_str()), (3, "ops"));
    assert!(hold.facts.sentence().starts_with("0 added and 3 removed within 5 min, which is 75 % of the 4"));
    assert_eq!(state.reader().status().unwrap()[0].held, 3);
    assert_eq!(state.reader().in_hand().unwrap(), 1 + 2, "what waits, and the mails of the first");
}

#[tokio::test]
async fn what_is_released_is_told_in_order_and_the_hold_takes_events_until_it_is_empty() {
    let mut state = company().await;
    state.refresh(&[("ops", "member-ada"), ("ops", "member-ben"), ("ops", "member-cem")]).await;
    let hold = state.holds()[0].id;
    assert_eq!(state.ask(hold, HoldWish::Release), Some(HoldAnswer::Asked));
    assert_eq!(state.ask(hold, HoldWish::Discard), Some(HoldAnswer::UnderWay(HoldWish::Release)));
    let news = state.let_go_some().await;
    assert_eq!((news.change_sets, news.ended, news.is_idle), (1, None, false));
    state.modify("ops", "member+cem").await;
    assert_eq!(state.ways()[3], "held: member-added ops cem");
    state.dispatch_all().await;
    state.let_go().await;
    assert_eq!((state.holds(), state.reader().status().unwrap()[0].held), (Vec::new(), 0));
    state.modify("ops", "member+ben").await;
    assert_eq!(
        state.ways()[4],
        "waits: member-added ops ben",
        "what was released does not trip the guard again"
    );
    state.dispatch_all().await;
    assert!(state.ways().iter().all(|line| line.starts_with("told: ")), "{:?}", state.ways());
    let mails = state.count("SELECT count(*) FROM notification");
    assert_eq!(mails, 4 + 1 + 1, "the owner and three removed; the owner; the owner");
    assert_eq!(state.ask(hold, HoldWish::Release), Some(HoldAnswer::Ended(HoldWish::Release)));
    assert_eq!(state.ask(Uuid::nil(), HoldWish::Release), None);

    let events = state.events();
    let released = state.explained(&events[0]);
    let span = released.held.unwrap();
    assert_eq!((span.hold, span.is_held, span.wish), (hold, false, Some(HoldWish::Release)));
    assert!(span.ended.unwrap() >= span.from);
    assert_eq!(state.explained(&events[4]).held, None);
}

#[tokio::test]
async fn what_is_discarded_is_told_to_nobody_and_what_comes_after_it_is_right() {
    let mut state = State::guarded(COMPANY, "owner removed_members object_modified", GUARD).await;
    state.refresh(&[("ops", "member-ada"), ("ops", "member-ben"), ("ops", "member-cem")]).await;
    state.delete("ben").await;
    let hold = state.holds()[0].id;
    let waiting = state.explained(&state.events()[0]);
    assert_eq!(waiting.stage, Stage::Waiting);
    assert!(waiting.held.unwrap().is_held);
    state.ask(hold, HoldWish::Discard);
    state.let_go().await;
    state.dispatch_all().await;
    assert_eq!(state.count("SELECT count(*) FROM notification"), 0);
    assert_eq!(
        &state.ways()[..3],
        [
            "discarded: member-removed ops ada",
            "discarded: member-removed ops ben",
            "discarded: member-removed ops cem"
        ]
    );
    let discarded = state.explained(&state.events()[0]);
    assert!(matches!(discarded.stage, Stage::Discarded(_)), "{:?}", discarded.stage);
    assert_eq!((discarded.notifications, discarded.skipped), (vec![], vec![]));
    // Of the group's members dora is left, and ada comes back: each is told of a change of the group.
    state.modify("ops", "member+ada").await;
    state.dispatch_all().await;
    let last = state.explained(state.events().last().unwrap());
    let mut told: Vec<_> = last.notifications.iter().map(|n| n.recipient.address.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["ada@acme.example", "dora@acme.example", "eve@acme.example"]);
}

#[tokio::test]
async fn who_was_deleted_is_not_written_to_even_where_the_deletion_is_discarded() {
    let mut state = State::guarded(COMPANY, OPTIONS, GuardSettings { max_events: 1, ..GUARD }).await;
    state.delete("ada").await;
    assert_eq!(state.ways().len(), 3);
    assert!(state.ways().iter().all(|line| line.starts_with("held: ")), "{:?}", state.ways());
    state.ask(state.holds()[0].id, HoldWish::Discard);
    state.let_go().await;
    assert_eq!(state.count("SELECT count(*) FROM deleted_entry"), 1);
}

#[tokio::test]
async fn m06_too_many_events_are_held_and_counted_anew_after_their_hold_and_after_a_restart() {
    let mut state = company().await;
    for title in ["b", "c", "d"] {
        state.modify("ada", &format!("title={title}")).await;
        state.restarted();
    }
    state.modify("ben", "title=b").await;
    state.modify("cem", "title=b").await;
    state.restarted();
    state.modify("dora", "title=b").await;
    let all = state.ways();
    assert!(all.iter().all(|line| line.starts_with("held: ")), "nothing was in a mail yet: {all:?}");
    let hold = &state.holds()[0];
    assert_eq!(hold.facts, HoldFacts::MaxEvents { events: 6, limit: 5, window_seconds: 300 });
    state.restarted();
    state.modify("eve", "title=b").await;
    assert_eq!(state.ways()[6], "held: attributes-changed eve");
    state.ask(hold.id, HoldWish::Release);
    state.let_go().await;
    state.restarted();
    for title in ["e", "f", "g", "h", "i"] {
        state.modify("ada", &format!("title={title}")).await;
    }
    assert_eq!(state.holds(), []);
    state.modify("ada", "title=j").await;
    assert_eq!(state.holds().len(), 1);
}

#[tokio::test]
async fn what_was_not_stored_was_not_counted() {
    let mut state = company().await;
    let connection = Connection::open(state.path()).unwrap();
    connection
        .execute_batch(
            "CREATE TRIGGER full BEFORE UPDATE OF checkpoint ON store BEGIN SELECT RAISE(ABORT, 'full'); END",
        )
        .unwrap();
    state.modify("ada", "title=a").await;
    for _ in 0..5 {
        state.change("ada", "title=z");
        let reading = state.image(2);
        let observations = vec![Observation::new(reading, &state.context.schema)];
        let checkpoint = Some(Checkpoint { mechanism: Mechanism::Syncrepl, bytes: vec![1] });
        let context = Arc::clone(&state.context);
        let now = state.now();
        state.db.ingest(context, observations, Phase::Live, checkpoint, now).await.unwrap_err();
    }
    for title in ["b", "c", "d", "e"] {
        state.modify("ada", &format!("title={title}")).await;
    }
    assert_eq!((state.events().len(), state.holds().len()), (5, 0));
    state.modify("ada", "title=f").await;
    assert_eq!(state.holds().len(), 1);
}

#[tokio::test]
async fn a_mail_of_which_a_part_is_called_back_is_not_sent_and_the_rest_of_it_is_due_still() {
    let mut state = company().await;
    state.modify("desk", "member+ben").await;
    state.modify("ops", "member-ada").await;
    state.modify("ops", "member-ben").await;
    state.dispatch().await;
    let options = Arc::new(Options { digest_window: Duration::ZERO, ..Options::clone(&state.options) });
    let due =
        state.db.composable(state.context.no, options, Cursor::default(), state.now()).await.unwrap().due;
    let of_eve: Vec<i64> = due.iter().flat_map(|mail| mail.notifications.clone()).collect();
    let told = state.db.told(state.context.no, of_eve.clone(), usize::MAX).await.unwrap();
    let recipient = told.notices[0].1.notification.recipient.clone();
    state.modify("ops", "member-cem").await;
    let copy = DraftCopy {
        id: Uuid::from_u128(1),
        address: recipient.address.clone(),
        intended: None,
        message_id: "<1@acme.example>".to_owned(),
        bytes: b"mail".to_vec(),
    };
    let draft = Draft {
        notifications: of_eve,
        recipient: recipient.address,
        role: recipient.role,
        subject: "subject".to_owned(),
        events: Vec::new(),
        copies: vec![copy],
    };
    assert_eq!(state.db.enqueue(state.context.no, vec![draft], state.now()).await.unwrap(), 1);
    assert_eq!(state.count("SELECT count(*) FROM message"), 0);
    assert_eq!(state.count("SELECT count(*) FROM notification"), 1, "that of the desk");
}

#[tokio::test]
async fn what_stays_and_comes_later_keeps_what_is_older_from_being_called_back() {
    let mut state = company().await;
    state.modify("ops", "member-ada").await;
    // One change set with somebody else's event in it.
    state.delete("ben").await;
    state.modify("ops", "member-cem").await;
    let expected = [
        "waits: member-removed ops ada",
        "waits: object-deleted ben",
        "waits: member-removed ops ben",
        "held: member-removed ops cem",
    ];
    assert_eq!(state.ways(), expected);
}

#[tokio::test]
async fn a_large_hold_is_let_go_in_pieces_each_told_in_its_order() {
    let people: String = (0..600).fold(String::new(), |lines, number| format!("{lines}user u{number}\n"));
    let mut state = State::guarded(&people, "to=audit@acme.example all-changes", GUARD).await;
    let names: Vec<String> = (0..600).map(|number| format!("u{number}")).collect();
    let changes: Vec<_> = names.iter().map(|name| (name.as_str(), "title=b")).collect();
    state.refresh(&changes).await;
    let hold = state.holds()[0].clone();
    assert_eq!((hold.events, hold.facts.cause()), (600, HoldCause::MaxEvents));
    assert_eq!(state.reader().held_events_after(hold.id, 0, 1000).unwrap(), state.events());
    let fifth = state.events()[4].seq;
    assert_eq!(state.reader().held_events_after(hold.id, fifth, 2).unwrap(), state.events()[5..7]);
    state.ask(hold.id, HoldWish::Release);
    let news = state.let_go_some().await;
    assert!((1..600).contains(&news.change_sets), "{news:?}");
    // The daemon ends here; another goes on.
    state.restarted();
    state.dispatch_all().await;
    state.let_go().await;
    state.dispatch_all().await;
    assert_eq!(state.count("SELECT count(*) FROM notification"), 600);
    let out_of_order = "SELECT count(*) FROM notification a JOIN notification b ON b.seq = a.seq + 1
                        WHERE b.change_set <= a.change_set";
    assert_eq!(state.count(out_of_order), 0);
}

#[tokio::test]
async fn a_simulation_sees_no_hold() {
    let mut state = company().await;
    state.refresh(&[("ops", "member-ada"), ("ops", "member-ben"), ("ops", "member-cem")]).await;
    let before = state.dump();
    let supposed = Supposed::MemberAdded { member: state.id("ada"), group: state.id("ops") };
    let tree = state.context.tree.clone();
    let simulated =
        simulate(&state.path(), STORE, &tree, state.rules(), supposed, None, state.now()).unwrap();
    let [explanation] = &simulated.explanations[..] else { panic!("one event") };
    assert_eq!((explanation.stage, explanation.notifications.len()), (Stage::Supposed, 1));
    assert_eq!(state.dump(), before);
}

#[test]
fn what_the_guard_asks_at_every_reading_is_answered_by_an_index() {
    let connection = open::in_memory().unwrap();
    baseline::ensure_indexes(&connection).unwrap();
    let sources = [include_str!("../holds.rs"), include_str!("recall.rs"), include_str!("wishes.rs")];
    let statements = sources.iter().flat_map(|source| source.split('"'));
    let statements = statements.filter(|text| text.starts_with("SELECT ") || text.starts_with("UPDATE "));
    let mut asked = 0;
    for sql in statements {
        let plan = || -> rusqlite::Result<String> {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let values = vec![rusqlite::types::Value::Integer(1); statement.parameter_count()];
            let rows =
                statement.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?.join("; "))
        };
        let plan = plan().unwrap_or_else(|error| panic!("{sql}\n{error}"));
        assert!(!plan.replace("SCAN hold USING INDEX hold_open", "").contains("SCAN"), "{sql}\n{plan}");
        asked += 1;
    }
    assert!(asked > 12, "{asked}");
}
