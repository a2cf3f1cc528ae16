//! Everything is read again, for a purpose.

use super::*;
use crate::db::{Asked, ComparisonOutcome, NextComparison};

impl World {
    async fn begin(&mut self, purpose: Purpose) -> BegunComparison {
        self.db.begin_comparison(Arc::clone(&self.context), purpose, self.now()).await.unwrap()
    }

    /// Everything, as a server shows it that is asked without a checkpoint; the entries keep their stamps.
    async fn read_all(&mut self, all: Vec<Said>) {
        self.batch(Phase::RefreshBegins, vec![]).await;
        self.batch(Phase::Refresh, all).await;
        self.batch(Phase::RefreshEnds, vec![Nothing("")]).await;
    }

    /// With their causes.
    async fn causes(&mut self) -> Vec<(String, &'static str)> {
        let from = self.told;
        let causes: Vec<_> =
            self.db.all_events().await.iter().skip(from).map(|event| event.cause.as_str()).collect();
        self.told().await.into_iter().zip(causes).collect()
    }

    async fn next(&self, every: Option<std::time::Duration>, seconds: i64) -> NextComparison {
        let now = self.now() + SignedDuration::from_secs(seconds);
        self.db.next_comparison(self.context.no, every, now).await.unwrap()
    }

    async fn compare_one(&mut self, no: crate::db::ComparisonNo, entry: &Entry) {
        let observed =
            Observed::new(image(entry, Some(Stamp::from_usn(0))), &Arc::clone(&self.context.schema));
        loop {
            let context = Arc::clone(&self.context);
            let compared = self.db.compare_entry(context, no, observed.clone(), self.now()).await.unwrap();
            let EntryCompared::Unresolved(names) = compared else { return };
            let looked_up = names.into_iter().map(|(key, dn)| LookedUp { key, dn, entry: None }).collect();
            self.db.learn(Arc::clone(&self.context), looked_up, self.now()).await.unwrap();
        }
    }
}

/// The company with other members of ops, all of it older than what is known.
fn restored(members: &[&str]) -> Vec<Said> {
    let mut all: Vec<Said> = company().into_iter().filter(|entry| entry.id != 'o').map(Stale).collect();
    all.push(Stale(ops(members)));
    all
}

#[tokio::test]
async fn a25_what_is_older_counts_only_where_everything_is_compared() {
    let mut world = World::new(company()).await;
    world.refresh(restored(&["ada"])).await;
    assert_eq!(world.told().await, Vec::<String>::new());
    world.begin(Purpose::Tell).await;
    world.read_all(restored(&["ada"])).await;
    assert_eq!(world.told().await, ["1 member-removed ops ben"]);
    // And is known from now on: what is newer than that is told again.
    world.live(vec![Is(ops(&["ada", "ben"]))]).await;
    assert_eq!(world.told().await, ["1 member-added ops ben"]);
    world.refresh(restored(&["ada"])).await;
    assert_eq!(world.told().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_comparison_ends_with_what_came_of_it() {
    let mut world = World::new(company()).await;
    for (members, events) in [(&["ada"][..], 1), (&["ada"], 0), (&["ben", "cem"], 3)] {
        let no = world.begin(Purpose::Tell).await.open.no;
        assert_eq!(world.db.look_at_comparison(no).await.unwrap().outcome, None);
        world.read_all(restored(members)).await;
        let outcome = world.db.look_at_comparison(no).await.unwrap().outcome;
        assert_eq!(outcome, Some(ComparisonOutcome::Compared { events, held: 0 }));
        assert_eq!(world.db.open_comparison(world.context.no).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_is_accepted_is_no_live_change_before_or_after_it() {
    let mut world = World::new(company()).await;
    // Waits for a name that could not be asked for.
    let waits = world.try_batch(Phase::Live, vec![Is(ops(&["ada", "ben", "zoe"]))]).await.unwrap();
    assert_eq!(waits.unresolved.len(), 1);
    world.begin(Purpose::Accept).await;
    assert_eq!(world.causes().await, [("1 member-added ops zoe?".to_owned(), "directory")]);
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, restored(&["ada", "yan"])).await;
    // At the end names are open again, and before they are answered somebody changes something.
    let end = world.try_batch(Phase::RefreshEnds, vec![Nothing("")]).await.unwrap();
    assert_eq!(end.unresolved.len(), 2);
    let live =
        world.try_batch(Phase::Live, vec![Is(person('a', "ada").with("title", "Lead"))]).await.unwrap();
    assert_eq!(world.told().await, Vec::<String>::new());
    world.answer(live).await;
    let mut causes = world.causes().await;
    causes.sort();
    let accepted = |line: &str| (line.to_owned(), "accepted");
    assert_eq!(
        causes,
        [
            accepted("1 member-added ops yan?"),
            accepted("1 member-removed ops ben"),
            accepted("1 member-removed ops zoe?"),
            ("2 attributes-changed ada".to_owned(), "directory"),
        ]
    );
    assert_eq!(world.db.open_comparison(world.context.no).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_reading_found_that_was_cut_short_keeps_its_purpose_over_a_restart() {
    for purpose in [Purpose::Tell, Purpose::Accept, Purpose::BackInTime] {
        let mut world = World::new(company()).await;
        let no = world.begin(purpose).await.open.no;
        world.batch(Phase::RefreshBegins, vec![]).await;
        world.batch(Phase::Refresh, vec![Stale(ops(&["ada"]))]).await;
        // Another process.
        let schema = Arc::clone(&world.context.schema);
        let base = Dn::parse(BASE).unwrap();
        world.context = Arc::new(StoreContext::new(world.context.no, base, schema, 10));
        let open = world.db.open_comparison(world.context.no).await.unwrap().unwrap();
        assert_eq!((open.no, open.purpose), (no, purpose));
        assert_eq!(world.begin(Purpose::Tell).await.before, Some(purpose));
        world.read_all(restored(&["ada"])).await;
        let cause = if purpose == Purpose::Accept { "accepted" } else { "directory" };
        assert_eq!(world.causes().await, [("1 member-removed ops ben".to_owned(), cause)]);
        let look = world.db.look_at_comparison(no).await.unwrap();
        assert_eq!(look.purpose, purpose);
        assert!(matches!(look.outcome, Some(ComparisonOutcome::Compared { events: 1, .. })), "{look:?}");
    }
}

#[tokio::test]
async fn l07_a_directory_that_went_back_turns_telling_into_holding_and_leaves_accepting() {
    let mut world = World::new(company()).await;
    let told = world.begin(Purpose::Tell).await;
    assert_eq!((told.open.purpose, told.before), (Purpose::Tell, None));
    let held = world.begin(Purpose::BackInTime).await;
    assert_eq!(
        (held.open.no, held.open.purpose, held.before),
        (told.open.no, Purpose::BackInTime, Some(Purpose::Tell))
    );
    assert_eq!(world.begin(Purpose::Tell).await.open.purpose, Purpose::BackInTime);
    let mut world = World::new(company()).await;
    world.begin(Purpose::Accept).await;
    assert_eq!(world.begin(Purpose::BackInTime).await.open.purpose, Purpose::Accept);
}

#[tokio::test]
async fn one_group_is_accepted_alone_and_at_once() {
    let mut world = World::new(company()).await;
    let asked = world
        .db
        .ask_for_comparison("acme".to_owned(), Purpose::Accept, Some(id_of('o')), world.now())
        .await
        .unwrap();
    let Asked::New(no) = asked else { panic!("{asked:?}") };
    let NextComparison::Entry { no: next, id, dn } = world.next(None, 0).await else { panic!("nothing") };
    assert_eq!((next, id, dn.as_str()), (no, id_of('o'), dn_of("cn=ops,ou=groups").as_str()));
    world.compare_one(no, &ops(&["cem", "zoe"])).await;
    let causes = world.causes().await;
    assert_eq!(causes.len(), 4, "{causes:?}");
    assert!(causes.iter().all(|(_, cause)| *cause == "accepted"), "{causes:?}");
    let outcome = world.db.look_at_comparison(no).await.unwrap().outcome;
    assert_eq!(outcome, Some(ComparisonOutcome::Compared { events: 4, held: 0 }));
    assert!(matches!(world.next(None, 0).await, NextComparison::None { .. }));
    // One that nobody knows any more.
    world.live(vec![Gone('o')]).await;
    let asked =
        world.db.ask_for_comparison("acme".to_owned(), Purpose::Accept, Some(id_of('o')), world.now());
    let Asked::New(no) = asked.await.unwrap() else { panic!("not taken") };
    assert!(matches!(world.next(None, 0).await, NextComparison::None { .. }));
    let outcome = world.db.look_at_comparison(no).await.unwrap().outcome;
    assert!(matches!(outcome, Some(ComparisonOutcome::Refused(_))), "{outcome:?}");
}

#[tokio::test]
async fn everything_is_compared_so_long_after_it_was_last_read_to_its_end() {
    let day = std::time::Duration::from_hours(24);
    let mut world = World::new(company()).await;
    assert!(matches!(world.next(None, 10_000_000).await, NextComparison::None { .. }), "off");
    assert!(matches!(world.next(Some(day), 86_390).await, NextComparison::None { .. }));
    let NextComparison::Everything(open) = world.next(Some(day), 86_401).await else { panic!("not due") };
    assert_eq!((open.purpose, open.stage), (Purpose::Tell, crate::db::ComparisonStage::Wanted));
    // It is due once, and one that could not be finished is not tried again at once.
    assert_eq!(world.next(Some(day), 86_402).await, NextComparison::Everything(open));
    let failed = world.now() + SignedDuration::from_secs(86_402);
    world.db.refuse_comparison(open.no, "a limit".to_owned(), failed).await.unwrap();
    assert_eq!(world.db.unfinished_comparison(world.context.no).await.unwrap().as_deref(), Some("a limit"));
    assert!(matches!(world.next(Some(day), 86_402 + 3590).await, NextComparison::None { .. }));
    let NextComparison::Everything(_) = world.next(Some(day), 86_402 + 3601).await else { panic!("not due") };
    world.later = 60 * 48;
    world.begin(Purpose::Tell).await;
    world.read_all(restored(&["ada", "ben"])).await;
    assert_eq!(world.db.unfinished_comparison(world.context.no).await.unwrap(), None);
    assert!(matches!(world.next(Some(day), 86_300).await, NextComparison::None { .. }));
}

#[tokio::test]
async fn m26_a_wish_ends_where_everything_is_read_anew() {
    let mut world = World::new(company()).await;
    let no = world.begin(Purpose::Accept).await.open.no;
    world.db.begin_store("acme".parse().unwrap(), "other".into(), Timestamp::UNIX_EPOCH).await.unwrap();
    world.read_all(company().into_iter().map(Is).collect()).await;
    let outcome = world.db.look_at_comparison(no).await.unwrap().outcome;
    assert!(matches!(outcome, Some(ComparisonOutcome::Refused(_))), "{outcome:?}");
    world.refresh(vec![Is(ops(&["ada"]))]).await;
    assert_eq!(world.causes().await, [("1 member-removed ops ben".to_owned(), "directory")]);
}

#[tokio::test]
async fn m25_a_comparison_that_shows_nobody_removes_nobody() {
    let mut world = World::new(company()).await;
    world.begin(Purpose::Accept).await;
    world.batch(Phase::RefreshBegins, vec![]).await;
    let ended = world.try_batch(Phase::RefreshEnds, vec![Nothing("")]).await;
    assert!(matches!(ended, Err(DbError::NothingShown)), "{ended:?}");
    world.read_all(restored(&["ada", "ben"])).await;
    assert_eq!(world.told().await, Vec::<String>::new());
}

/// As after a kill: what stands in memory is gone.
fn killed(world: &mut World) {
    let schema = Arc::clone(&world.context.schema);
    let base = Dn::parse(BASE).unwrap();
    world.context = Arc::new(StoreContext::new(world.context.no, base, schema, 10));
}

#[tokio::test]
async fn m03_half_of_a_refresh_that_a_kill_cut_short_is_not_told_where_a_comparison_begins() {
    for purpose in [Purpose::Tell, Purpose::Accept, Purpose::BackInTime] {
        let mut world = World::new(company()).await;
        world.batch(Phase::RefreshBegins, vec![]).await;
        // The new member is to be shown after the group, and was not yet.
        world.batch(Phase::Refresh, vec![Is(ops(&["ada", "ben", "zoe"]))]).await;
        killed(&mut world);
        world.begin(purpose).await;
        assert_eq!(world.told().await, Vec::<String>::new(), "{purpose:?}");
        let mut all = restored(&["ada", "ben", "zoe"]);
        all.push(Is(person('z', "zoe")));
        world.read_all(all).await;
        let mut told = world.told().await;
        told.sort();
        assert_eq!(told, ["1 member-added ops zoe", "2 object-created zoe"], "{purpose:?}");
    }
}

#[tokio::test]
async fn m03_half_of_a_refresh_that_a_kill_cut_short_waits_while_one_group_is_accepted() {
    let mut world = World::new(company().into_iter().chain([group('n', "night", &["ben"])]).collect()).await;
    world.batch(Phase::RefreshBegins, vec![]).await;
    world
        .batch(
            Phase::Refresh,
            vec![Is(ops(&["ada", "ben", "zoe"])), Is(group('n', "night", &["ben", "zoe"]))],
        )
        .await;
    killed(&mut world);
    let asked =
        world.db.ask_for_comparison("acme".to_owned(), Purpose::Accept, Some(id_of('o')), world.now());
    let Asked::New(no) = asked.await.unwrap() else { panic!("not taken") };
    world.compare_one(no, &ops(&["ada", "zoe"])).await;
    let mut causes = world.causes().await;
    causes.sort();
    let accepted = |line: &str| (line.to_owned(), "accepted");
    assert_eq!(
        causes,
        [accepted("1 member-added ops zoe?"), accepted("1 member-removed ops ben")],
        "nothing of the other group"
    );
    world.refresh(vec![Is(group('n', "night", &["ben", "zoe"])), Is(person('z', "zoe"))]).await;
    let mut causes = world.causes().await;
    causes.sort();
    assert_eq!(
        causes,
        [
            ("1 member-added night zoe".to_owned(), "directory"),
            ("2 object-created zoe".to_owned(), "directory")
        ]
    );
}
