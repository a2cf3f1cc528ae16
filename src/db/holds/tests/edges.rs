//! What happens at the edges of holds: between a wish and its end, and where one hold follows another.

use super::*;
use crate::change::purpose::Purpose;

impl State {
    /// The events that `address` is told of, in the order in which mails would tell them.
    fn told_to(&self, address: &str) -> Vec<String> {
        let connection = Connection::open(self.path()).unwrap();
        let mut statement = connection
            .prepare(
                "SELECT event.facts FROM notification, json_each(notification.facts, '$.events') AS told
                 JOIN event ON event.id = unhex(replace(told.value, '-', ''))
                 WHERE recipient_key = ?1 ORDER BY notification.seq, event.seq",
            )
            .unwrap();
        let rows = statement.query_map([address], |row| {
            let event: ChangeEvent = json_at(row, 0)?;
            let subject = event.change.subject().map(|who| format!(" {}", who.name)).unwrap_or_default();
            Ok(format!("{} {}{subject}", event.change.name(), event.entry.name))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Everything is compared with a directory that went back in time.
    async fn go_back(&mut self, changes: &[(&str, &str)]) {
        let context = Arc::clone(&self.context);
        self.db.begin_comparison(context, Purpose::BackInTime, self.now()).await.unwrap();
        self.refresh(changes).await;
    }
}

#[tokio::test]
async fn what_happens_after_a_discard_was_asked_for_is_not_discarded_with_it() {
    let mut state = company().await;
    state.refresh(&[("ops", "member-ada"), ("ops", "member-ben"), ("ops", "member-cem")]).await;
    let of_ops = state.holds()[0].id;
    state.ask(of_ops, HoldWish::Discard);
    // The daemon has not come to it yet.
    state.modify("ops", "member+cem").await;
    state.let_go().await;
    state.dispatch_all().await;
    assert_eq!(state.ways()[3], "told: member-added ops cem");
    assert_eq!(state.told_to("eve@acme.example"), ["member-added ops cem"]);
}

#[tokio::test]
async fn what_happens_while_everything_is_discarded_is_told_and_counted() {
    let people: String = (0..600).fold(String::new(), |lines, number| format!("{lines}user u{number}\n"));
    let mut state = State::guarded(&people, "to=audit@acme.example all-changes", GUARD).await;
    let names: Vec<String> = (0..600).map(|number| format!("u{number}")).collect();
    let changes: Vec<_> = names.iter().map(|name| (name.as_str(), "title=b")).collect();
    state.refresh(&changes).await;
    let everything = state.holds()[0].id;
    state.ask(everything, HoldWish::Discard);
    let news = state.let_go_some().await;
    assert!((1..600).contains(&news.change_sets), "{news:?}");
    for title in ["c", "d", "e"] {
        state.modify("u7", &format!("title={title}")).await;
    }
    assert_eq!(state.ways()[600], "waits: attributes-changed u7");
    state.restarted();
    state.modify("u7", "title=f").await;
    state.let_go().await;
    assert_eq!(state.holds(), []);
    state.dispatch_all().await;
    assert_eq!(state.told_to("audit@acme.example").len(), 4);
    // Before and after the end of the hold, and in two processes: all of it is counted.
    state.modify("u7", "title=g").await;
    assert_eq!(state.holds(), []);
    state.modify("u7", "title=h").await;
    assert_eq!(state.holds().len(), 1, "six within the window");
}

#[tokio::test]
async fn what_waits_and_comes_before_a_held_group_is_not_called_back_into_a_later_hold_of_everything() {
    let mut state = company().await;
    state.delete("ben").await;
    state.modify("ops", "member-ada").await;
    state.modify("ops", "member-cem").await;
    let of_ops = state.holds()[0].id;
    for title in ["b", "c", "d", "e", "f"] {
        state.modify("dora", &format!("title={title}")).await;
    }
    let [_, everything] = &state.holds()[..] else { panic!("{:?}", state.holds()) };
    let everything = everything.id;
    for hold in [of_ops, everything] {
        state.ask(hold, HoldWish::Release);
        state.let_go().await;
        state.dispatch_all().await;
    }
    assert_eq!(
        state.told_to("eve@acme.example"),
        ["member-removed ops ben", "member-removed ops ada", "member-removed ops cem"]
    );
}

#[tokio::test]
async fn what_was_released_and_waits_keeps_what_is_older_from_being_called_back() {
    let mut state = company().await;
    state.modify("ops", "member-ada").await;
    state.dispatch_all().await;
    state.go_back(&[("ops", "member+eve")]).await;
    let hold = state.holds()[0].clone();
    assert_eq!((hold.facts.cause(), hold.events), (HoldCause::BackInTime, 1));
    state.ask(hold.id, HoldWish::Release);
    state.let_go().await;
    state.dispatch_all().await;
    for member in ["member-ben", "member-cem", "member-dora"] {
        state.modify("ops", member).await;
    }
    let of_ops = state.holds()[0].id;
    state.ask(of_ops, HoldWish::Release);
    state.let_go().await;
    state.dispatch_all().await;
    assert_eq!(
        state.told_to("eve@acme.example"),
        [
            "member-removed ops ada",
            "member-added ops eve",
            "member-removed ops ben",
            "member-removed ops cem",
            "member-removed ops dora"
        ]
    );
}

#[tokio::test]
async fn a_group_that_is_renamed_and_deleted_while_it_is_held_is_told_whole_when_it_is_released() {
    let mut state = company().await;
    state.refresh(&[("ops", "member-ada"), ("ops", "member-ben"), ("ops", "member-cem")]).await;
    state.rename("ops", "cn=night").await;
    state.delete("ben").await;
    state.delete("ops").await;
    let hold = state.holds()[0].clone();
    state.restarted();
    state.ask(hold.id, HoldWish::Release);
    state.let_go().await;
    state.dispatch_all().await;
    let ways = state.ways();
    assert!(ways.iter().all(|way| way.starts_with("told: ")), "{ways:?}");
    let told = state.told_to("eve@acme.example");
    assert_eq!(told[..3], ["member-removed ops ada", "member-removed ops ben", "member-removed ops cem"]);
    assert!(told.contains(&"object-deleted ops".to_owned()), "{told:?}");
    assert_eq!(state.told_to("ada@acme.example"), ["member-removed ops ada"]);
    // Who is deleted is not written to.
    assert_eq!(state.told_to("ben@acme.example"), Vec::<String>::new());
}

#[tokio::test]
async fn other_limits_after_a_restart_judge_what_went_out_before_it() {
    let mut state = company().await;
    state.modify("ops", "member-ada").await;
    state.modify("ops", "member-ben").await;
    state.dispatch_all().await;
    state.compose(Duration::ZERO, state.now()).await;
    let context = &state.context;
    let new = StoreContext::new(context.no, context.tree.clone(), Arc::clone(&context.schema), 1001);
    let stricter = GuardSettings { max_events: 2, membership_percent: 100, ..GUARD };
    state.context = Arc::new(new.guarded(stricter));
    state.modify("dora", "title=b").await;
    let [hold] = &state.holds()[..] else { panic!("{:?}", state.holds()) };
    assert_eq!(hold.facts, HoldFacts::MaxEvents { events: 3, limit: 2, window_seconds: 300 });
    assert_eq!(state.ways()[..2], ["told: member-removed ops ada", "told: member-removed ops ben"]);
    assert_eq!(state.ways()[2], "held: attributes-changed dora");
}
