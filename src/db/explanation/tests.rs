//! What is read back of what was decided.

use super::*;
use crate::{
    db::{AfterAttempt, AttemptRecord, company::State},
    notify::reason::Reason,
    outbox::state::{Answer, FailureClass, Outcome},
};

#[test]
fn an_id_may_be_cut_short_but_not_to_nothing() {
    let check = |text: &str, expected: Option<(&str, &str)>| {
        let found = text.parse::<IdPrefix>().ok();
        let range = found.map(|id| (id.first.to_string(), id.last.to_string()));
        let expected = expected.map(|(first, last)| (first.to_owned(), last.to_owned()));
        assert_eq!(range, expected, "{text:?}");
    };
    let whole = "01983a7b-4c2d-7e00-8f00-0123456789ab";
    check(whole, Some((whole, whole)));
    check(&whole.replace('-', "").to_uppercase(), Some((whole, whole)));
    let (first, last) = ("01983a70-0000-0000-0000-000000000000", "01983a7f-ffff-ffff-ffff-ffffffffffff");
    check("01983a7", Some((first, last)));
    check("01-983-A7", Some((first, last)));
    check("01983", None);
    check("01-98-3", None);
    check("01983g", None);
    check("", None);
    check(&format!("{whole}0"), None);
    check("０１９８３ａ", None);
}

const COMPANY: &str = "
    user ada
    user ben  mail=-
    user cem
    user dora
    group ops   owner=dora member=ada
    group desk  owner=cem member=ada
";

const MINUTE: Duration = Duration::from_mins(1);

fn decided(state: &State, event: usize, window: Duration) -> Option<Explanation> {
    let row = &state.events()[event];
    let pace = Pace { window, cap: u32::MAX, now: state.now() };
    state.reader().decided(row, pace).unwrap()
}

/// Who is told at which address, and who is not.
fn people(explanation: &Explanation) -> Vec<String> {
    let told = explanation.notifications.iter().map(|n| n.recipient.address.as_str().to_owned());
    told.chain(explanation.skipped.iter().map(|s| format!("not {}", s.who.name))).collect()
}

#[tokio::test]
async fn an_event_that_waits_is_told_as_it_would_be_decided_and_then_is() {
    let mut state = State::new(COMPANY, "owner added_members").await;
    state.modify("ops", "member+ben").await;
    assert_eq!(decided(&state, 0, MINUTE), None);
    let row = state.events().remove(0);
    let before = state.reader().would_decide(&row, state.rules()).unwrap();
    assert_eq!((before.stage, before.fates.len()), (Stage::Waiting, 0));
    assert_eq!(people(&before), ["dora@acme.example", "not ben"]);
    state.dispatch().await;
    let after = decided(&state, 0, MINUTE).unwrap();
    assert_eq!(after.stage, Stage::Decided(state.now()));
    let frozen = |e: &Explanation| (e.ticked.clone(), e.notifications.clone(), e.skipped.clone());
    assert_eq!(frozen(&after), frozen(&before));
}

#[tokio::test]
async fn what_was_decided_stays_whatever_changes_later() {
    let mut state = State::new(COMPANY, "owner").await;
    state.modify("ops", "member+ben").await;
    state.dispatch().await;
    let before = decided(&state, 0, MINUTE).unwrap();
    state.modify("dora", "mail=new@acme.example").await;
    state.delete("cem").await;
    state.dispatch().await;
    assert_eq!(decided(&state, 0, MINUTE).unwrap(), before);
    assert_eq!(before.ticked.unwrap().on.into_iter().map(Reason::as_str).collect::<Vec<_>>(), ["owner"]);
}

#[tokio::test]
async fn of_a_change_set_only_what_concerns_the_event() {
    let mut state = State::new(COMPANY, "owner").await;
    state.delete("ada").await;
    state.dispatch().await;
    let events: Vec<_> = state.events().iter().map(|row| row.event.entry.name.clone()).collect();
    assert_eq!(events, ["ada", "ops", "desk"]);
    let told: Vec<_> = (0..3).map(|event| people(&decided(&state, event, MINUTE).unwrap())).collect();
    assert_eq!(told, [vec![], vec!["dora@acme.example".to_owned()], vec!["cem@acme.example".to_owned()]]);
}

#[tokio::test]
async fn what_an_earlier_version_decided_has_no_options() {
    let mut state = State::new(COMPANY, "owner").await;
    state.modify("ops", "member+ben").await;
    state.dispatch().await;
    let file = Connection::open(state.path()).unwrap();
    file.execute("UPDATE change_set SET options = NULL", []).unwrap();
    let explanation = decided(&state, 0, MINUTE).unwrap();
    assert_eq!(
        (explanation.ticked.clone(), people(&explanation)),
        (None, vec!["dora@acme.example".to_owned()])
    );
}

#[tokio::test]
async fn what_became_of_the_mail() {
    let mut state = State::new(COMPANY, "owner").await;
    state.modify("ops", "member+ben").await;
    state.dispatch().await;
    let fate = |state: &State| decided(state, 0, MINUTE).unwrap().fates.remove(0);
    let now = state.now();
    let until = now + MINUTE;
    assert_eq!(fate(&state), Fate::InDigest { until });

    state.compose(MINUTE, until).await;
    let mut mail = MailFate {
        id: Uuid::from_u128(1),
        message_id: "<1@acme.example>".to_owned(),
        state: DeliveryState::Scheduled,
        due: Some(until),
        ended: None,
        last_answer: None,
        redirected_to: None,
        deleted: None,
    };
    assert_eq!(fate(&state), Fate::InMail(mail.clone()));

    let attempt = async |next: AfterAttempt, outcome: Outcome, words: &str| {
        let (seq, at, answer) = (1, until, Answer::reply(451, words));
        state.db.record_attempt(AttemptRecord { seq, at, outcome, answer, next }).await.unwrap();
    };
    let later = until + MINUTE;
    attempt(AfterAttempt::Deferred(later), Outcome::Failed(FailureClass::Transient), "later").await;
    (mail.state, mail.due, mail.last_answer) =
        (DeliveryState::Deferred, Some(later), Some("451 later".into()));
    assert_eq!(fate(&state), Fate::InMail(mail.clone()));

    attempt(AfterAttempt::Delivered, Outcome::Delivered, "").await;
    (mail.state, mail.due, mail.ended, mail.last_answer) =
        (DeliveryState::Delivered, None, Some(until), Some("451".into()));
    assert_eq!(fate(&state), Fate::InMail(mail));
}

#[tokio::test]
async fn what_cannot_be_read_is_said_to_be_set_aside() {
    let mut state = State::new(COMPANY, "owner").await;
    state.modify("ops", "member+ben").await;
    state.dispatch().await;
    let set_aside = "UPDATE notification SET set_aside = 'it is torn'";
    Connection::open(state.path()).unwrap().execute_batch(set_aside).unwrap();
    let fates = decided(&state, 0, MINUTE).unwrap().fates;
    assert_eq!(fates, [Fate::SetAside { why: "it is torn".to_owned() }]);
}

#[tokio::test]
async fn a_digest_is_the_one_that_the_notification_is_in() {
    let mut state = State::new(COMPANY, "owner").await;
    for _ in 0..3 {
        state.modify("ops", "member+ben").await;
        state.modify("ops", "member-ben").await;
        state.dispatch().await;
    }
    // Two events each second or so: the clock of the company goes on by a second with each image.
    let window = Duration::from_secs(3);
    let until: Vec<_> = (0..6)
        .map(|event| match decided(&state, event, window).unwrap().fates.remove(0) {
            Fate::InDigest { until } => until,
            fate @ (Fate::InMail(_) | Fate::SetAside { .. }) => panic!("{fate:?}"),
        })
        .collect();
    let start = state.now() - Duration::from_secs(4);
    let first = start + window;
    let second = start + Duration::from_secs(4) + window;
    assert_eq!(until, [first, first, first, first, second, second]);
}

#[tokio::test]
async fn events_are_found_by_the_beginning_of_their_ids() {
    let mut state = State::new(COMPANY, "owner").await;
    state.modify("ops", "member+ben").await;
    state.delete("ada").await;
    let events = state.events();
    let reader = state.reader();
    let find = |text: &str, most: u32| reader.events_beginning_with(&text.parse().unwrap(), most).unwrap();
    for row in &events {
        assert_eq!(find(&row.event.id.to_string(), 2), std::slice::from_ref(row));
    }
    let beginning = events[0].event.id.to_string().split_at(7).0.to_owned();
    assert_eq!(find(&beginning, 10), events);
    assert_eq!(find(&beginning, 2).len(), 2);
    assert_eq!(find("ffffff", 2), []);
}

#[tokio::test]
async fn a_file_of_the_version_before_waits_for_its_daemon() {
    let mut state = State::new(COMPANY, "owner").await;
    state.modify("ops", "member+ben").await;
    Connection::open(state.path()).unwrap().execute_batch("PRAGMA user_version = 1").unwrap();
    let refused = Reader::open(&state.path()).map(drop);
    assert!(matches!(refused, Err(DbError::Older { found: 1, known: 3, .. })), "{refused:?}");
}
