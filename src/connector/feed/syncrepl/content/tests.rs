use uuid::Uuid;

use super::*;
use crate::directory::attribute::RawAttributes;

const CSN: &str = "20261123101935.123456Z#000000#000#000000";
const NEXT_CSN: &str = "20261123101936.000000Z#000000#000#000000";

fn id(number: u8) -> EntryId {
    EntryId(Uuid::from_bytes([number; 16]))
}

fn cookie(csn: &str) -> Cookie {
    Cookie::of(&checkpoint(csn)).unwrap()
}

fn checkpoint(csn: &str) -> Checkpoint {
    let bytes = format!("rid=000,csn={csn}").into_bytes();
    Checkpoint { mechanism: crate::directory::checkpoint::Mechanism::Syncrepl, bytes }
}

fn dn(text: &str) -> Dn {
    Dn::parse(text).unwrap()
}

/// An entry of the number, changed by lena at [`CSN`].
fn entry(state: State, number: u8, said: Option<&str>) -> Message {
    let sync = SyncState { state, id: id(number), cookie: said.map(cookie) };
    let entry = Entry {
        dn: Ok(dn(&format!("cn={number}"))),
        attributes: RawAttributes::default(),
        uuid: None,
        csn: Some(CSN.to_owned()),
        modifiers_name: Some(dn("cn=lena")),
        created: None,
        size: 100,
    };
    Message::Entry(sync, entry)
}

fn info(info: SyncInfo) -> Message {
    Message::Info(info)
}

fn present_ends(done: bool) -> Message {
    info(SyncInfo::RefreshPresent { cookie: Some(cookie(CSN)), done })
}

fn delete_ends(done: bool) -> Message {
    info(SyncInfo::RefreshDelete { cookie: Some(cookie(CSN)), done })
}

fn ids(numbers: &[u8]) -> Vec<EntryId> {
    numbers.iter().copied().map(id).collect()
}

/// The readings in short: `+1` an image, `-1` a deletion, `=1` exists, `.` nothing else exists; and between
/// them where batches begin: `B` the refresh begins, `r` refresh, `E` the refresh ends, `L` live; `c` where a
/// checkpoint is with a batch.
fn told(batches: Vec<Batch>) -> String {
    let number = |id: EntryId| id.0.as_bytes()[0];
    let mut told = Vec::new();
    for batch in batches {
        let phase = match batch.phase {
            Phase::RefreshBegins => "B",
            Phase::Refresh => "r",
            Phase::RefreshEnds => "E",
            Phase::Live => "L",
        };
        told.push(format!("{phase}{}", if batch.checkpoint.is_some() { "c" } else { "" }));
        for reading in batch.readings {
            told.push(match reading {
                Reading::Image(image) => format!("+{}", number(image.id)),
                Reading::Delete(delete) => format!("-{}", number(delete.id)),
                Reading::PresentSet(PresentSet { ids, complete: false }) => {
                    ids.into_iter().map(|id| format!("={}", number(id))).collect::<Vec<_>>().join(" ")
                }
                Reading::PresentSet(PresentSet { ids, complete: true }) if ids.is_empty() => ".".to_owned(),
                other => panic!("{other:?}"),
            });
        }
    }
    told.join(" ")
}

fn check(resumed: Resumed, messages: Vec<Message>, expected: &str) {
    let mut content = Content::new(resumed, None, None);
    let mut batches = Vec::new();
    for message in messages {
        if content.accept(message) == Flow::Full {
            batches.extend(content.take_batches());
        }
    }
    batches.extend(content.take_batches());
    assert_eq!(told(batches), expected);
}

#[test]
fn without_a_cookie_whatever_is_not_shown_does_not_exist() {
    let (add, nothing) = (|number| entry(State::Add, number, None), Resumed::FromNothing);
    check(nothing, vec![add(1), add(2), delete_ends(true)], "B Ec +1 +2 .");
    check(nothing, vec![add(1), add(2), present_ends(true)], "B Ec +1 +2 .");
    check(nothing, vec![delete_ends(true)], "B Ec .");
    check(nothing, vec![add(1), present_ends(false), add(2), delete_ends(true)], "B Ec +1 . +2");
}

#[test]
fn l01_absence_is_told_after_the_end_of_a_present_phase_only() {
    let resumed = Resumed::FromCookie;
    let named = || info(SyncInfo::Present { cookie: None, ids: ids(&[1, 2]) });
    let shown = |number| entry(State::Present, number, None);
    check(
        resumed,
        vec![named(), shown(3), entry(State::Add, 4, None), present_ends(true)],
        "B Ec =1 =2 =3 +4 .",
    );
    check(resumed, vec![present_ends(true)], "B Ec .");
    check(resumed, vec![named(), shown(3)], "B r =1 =2 =3");
    check(resumed, vec![], "");
}

#[test]
fn l02_a_delete_phase_says_what_is_gone_and_nothing_of_the_rest() {
    let resumed = Resumed::FromCookie;
    let gone = |numbers: &[u8]| info(SyncInfo::Deleted { cookie: None, ids: ids(numbers) });
    check(resumed, vec![entry(State::Add, 1, None), gone(&[2, 3]), delete_ends(true)], "B Ec +1 -2 -3");
    check(resumed, vec![entry(State::Delete, 2, None), delete_ends(true)], "B Ec -2");
    check(resumed, vec![delete_ends(true)], "B Ec");
    let named = info(SyncInfo::Present { cookie: None, ids: ids(&[1]) });
    check(resumed, vec![named, present_ends(false), gone(&[2]), delete_ends(true)], "B Ec =1 . -2");
    check(resumed, vec![gone(&[2]), delete_ends(false), gone(&[3]), delete_ends(true)], "B Ec -2 -3");
}

#[test]
fn l04_a_refresh_keeps_the_last_cookie_and_may_end_without_one() {
    let resumed = Resumed::FromCookie;
    let silent_end = || info(SyncInfo::RefreshDelete { cookie: None, done: true });
    check(resumed, vec![silent_end()], "B E");
    check(resumed, vec![info(SyncInfo::NewCookie(cookie(CSN))), silent_end()], "B Ec");
    // The cookie of an entry covers that entry, not what comes before it in the server's order of changes.
    check(resumed, vec![entry(State::Add, 1, Some(CSN)), silent_end()], "B E +1");
}

#[test]
fn live_changes_carry_the_newest_checkpoint() {
    let live = |messages: Vec<Message>, expected: &str| {
        let messages = std::iter::once(delete_ends(true)).chain(messages).collect();
        check(Resumed::FromCookie, messages, &format!("B Ec{expected}"));
    };
    live(vec![entry(State::Add, 1, Some(CSN)), entry(State::Modify, 2, Some(CSN))], " Lc +1 +2");
    live(vec![entry(State::Delete, 1, Some(CSN))], " Lc -1");
    live(vec![info(SyncInfo::NewCookie(cookie(CSN)))], " Lc");
    live(vec![info(SyncInfo::Deleted { cookie: Some(cookie(CSN)), ids: ids(&[1]) })], " Lc -1");
    live(vec![entry(State::Add, 1, None)], " L +1");
    // Nothing that belongs to a refresh has a meaning any more, least of all absence.
    live(vec![present_ends(true), delete_ends(true), entry(State::Present, 1, None)], "");
    live(vec![info(SyncInfo::Present { cookie: None, ids: ids(&[1]) })], "");
}

#[test]
fn a_part_of_the_tree_on_another_server_makes_the_refresh_incomplete() {
    let mut content = Content::new(Resumed::FromNothing, None, None);
    assert!(matches!(content.refer(), Err(Problem::Referral)));
    content.accept(entry(State::Add, 1, None));
    assert!(matches!(content.refer(), Err(Problem::Referral)));
    assert_eq!(told(content.take_batches()), "B r +1", "nothing live, and no end");
    content.accept(delete_ends(true));
    assert!(content.refer().is_ok());
}

#[test]
fn batches_are_full_at_their_limits() {
    let mut content = Content::new(Resumed::FromCookie, None, None);
    for _ in 1..MAX_READINGS {
        assert_eq!(content.accept(entry(State::Add, 1, None)), Flow::Room);
    }
    assert_eq!(content.accept(entry(State::Add, 1, None)), Flow::Full);
    content.take_batches();
    let Message::Entry(sync, mut large) = entry(State::Add, 1, None) else { panic!() };
    large.size = MAX_BYTES;
    assert_eq!(content.accept(Message::Entry(sync, large)), Flow::Full);
}

#[test]
fn an_entry_without_a_readable_name_exists_all_the_same() {
    let nameless = || {
        let Message::Entry(sync, mut entry) = entry(State::Add, 1, None) else { panic!() };
        entry.dn = Err(crate::connector::decode::NotADn { reason: "x".to_owned() });
        Message::Entry(sync, entry)
    };
    check(Resumed::FromCookie, vec![nameless(), present_ends(true)], "B Ec =1 .");
    check(Resumed::FromCookie, vec![delete_ends(true), nameless()], "B Ec");
}

/// The origin told for one message, live or within a refresh.
fn origin(is_live: bool, message: Message) -> Origin {
    let mut content = Content::new(Resumed::FromCookie, Some(dn("cn=dirherald")), None);
    if is_live {
        content.accept(delete_ends(true));
        content.take_batches();
    }
    content.accept(message);
    match content.take_batches().pop().unwrap().readings.pop().unwrap() {
        Reading::Image(image) => image.origin,
        Reading::Delete(delete) => delete.origin,
        other => panic!("{other:?}"),
    }
}

#[test]
fn w01_an_actor_is_named_only_for_the_change_that_the_message_is_about() {
    let time = csn_time(CSN).ok();
    let lena = Some(dn("cn=lena"));
    let check = |is_live, message, actor: Option<Dn>| {
        assert_eq!(origin(is_live, message), Origin { time, actor });
    };
    check(true, entry(State::Modify, 1, Some(CSN)), lena.clone());
    check(true, entry(State::Add, 1, Some(CSN)), lena.clone());
    check(true, entry(State::Modify, 1, Some(&format!("{NEXT_CSN};{CSN}"))), lena);
    check(true, entry(State::Modify, 1, Some(NEXT_CSN)), None);
    check(true, entry(State::Modify, 1, None), None);
    check(false, entry(State::Modify, 1, Some(CSN)), None);
    check(true, entry(State::Delete, 1, Some(CSN)), None);
    let by = |name: &str| {
        let Message::Entry(sync, mut entry) = entry(State::Modify, 1, Some(CSN)) else { panic!() };
        entry.modifiers_name = Some(dn(name));
        Message::Entry(sync, entry)
    };
    check(true, by("cn=Referential Integrity Overlay"), None);
    check(true, by("CN=dirherald"), None);
}
