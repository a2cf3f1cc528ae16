//! What a server may say, and what a network may make of it, where no slapd would do it.

use std::{ops::Range, time::Duration};

use dirherald::{
    connector::{Basis, Disposition, FeedEvent},
    directory::{
        checkpoint::{Checkpoint, Mechanism},
        dn::Dn,
    },
};

use super::following::{Failure, Following, Refresh, Stored, connector_with, hasty, scripted_settings};
use crate::support::{
    ber,
    scripted_ldap::{Operation, Script, ScriptedLdap, Step, exchange, faults},
};

const COOKIE: &str = "rid=000,csn=20261123101935.123456Z#000000#000#000000";
/// Of a server that several others replicate to.
const OF_SEVERAL: &str = "rid=000,sid=003,csn=20261123101935.123456Z#000000#001#000000;\
     20261123101936.000001Z#000000#002#000000;20250101000000.000000Z#000000#00a#000000";

async fn start(scripts: impl IntoIterator<Item = Script>, stored: Option<&str>) -> (ScriptedLdap, Following) {
    let scripts = scripts.into_iter().map(|script| [exchange::welcome("dc=x"), script].concat());
    let server = ScriptedLdap::start(scripts).await;
    let before = Stored::default();
    before.set(stored.map(checkpoint));
    let following = Following::start_with(connector_with(scripted_settings(&server), hasty()), before);
    (server, following)
}

fn checkpoint(cookie: &str) -> Checkpoint {
    Checkpoint { mechanism: Mechanism::Syncrepl, bytes: cookie.into() }
}

fn info(tag: u8, parts: &[Vec<u8>]) -> Step {
    exchange::sync_info(&ber::tlv(tag, &parts.concat()))
}

fn new_cookie(cookie: &str) -> Step {
    exchange::sync_info(&ber::tlv(0x80, cookie.as_bytes()))
}

#[tokio::test]
async fn l04_of_the_cookies_of_a_refresh_the_last_valid_one_is_kept_as_it_is() {
    // What a server sends before and at the end of a refresh, and what is stored after it.
    let check = async |before: Option<&str>, steps: Vec<Step>, expected: Option<&str>| {
        let said = format!("{before:?} {steps:?}");
        let begin = vec![exchange::synced("dc=x", 1)];
        let (server, mut following) =
            start([[begin, steps, vec![Step::Wait, Step::Close]].concat(), vec![Step::Hold]], before).await;
        let refresh = following.refresh().await;
        assert_eq!(refresh.checkpoint.is_some(), expected != before, "{said}");
        assert_eq!(following.stored.now(), expected.map(checkpoint), "{said}");
        // And offered as it is to the next connection.
        server.go_on();
        following.connected().await;
        let offered = server_hears_the_search(&server).await;
        let cookie = expected.unwrap_or("csn=");
        let is_offered = offered.windows(cookie.len()).any(|part| part == cookie.as_bytes());
        assert_eq!(is_offered, expected.is_some(), "{said}");
        following.stop().await;
    };
    let done = |cookie: Option<&str>| info(0xa1, &cookie.map(ber::octets).into_iter().collect::<Vec<_>>());
    let present = |cookie: Option<&str>, is_last: bool| {
        let cookie = cookie.map(ber::octets).into_iter();
        info(0xa2, &cookie.chain([ber::boolean(is_last)]).collect::<Vec<_>>())
    };
    check(None, vec![done(Some(COOKIE))], Some(COOKIE)).await;
    check(None, vec![done(Some(OF_SEVERAL))], Some(OF_SEVERAL)).await;
    check(None, vec![done(None)], None).await;
    check(Some(COOKIE), vec![done(None)], Some(COOKIE)).await;
    check(Some(COOKIE), vec![done(Some("rid=000"))], Some(COOKIE)).await;
    check(None, vec![done(Some("rid=000"))], None).await;
    check(None, vec![done(Some(""))], None).await;
    check(None, vec![new_cookie(COOKIE), done(None)], Some(COOKIE)).await;
    check(None, vec![new_cookie(COOKIE), done(Some("rid=000"))], Some(COOKIE)).await;
    check(None, vec![new_cookie(COOKIE), new_cookie("rid=000"), done(None)], Some(COOKIE)).await;
    check(Some("csn=old"), vec![new_cookie(COOKIE), done(Some(OF_SEVERAL))], Some(OF_SEVERAL)).await;
    check(None, vec![present(Some(COOKIE), false), done(None)], Some(COOKIE)).await;
    check(None, vec![present(Some(COOKIE), true)], Some(COOKIE)).await;
}

#[tokio::test]
async fn l04_a_live_cookie_without_a_csn_moves_nothing_and_a_new_one_alone_does() {
    let script = vec![
        exchange::synced("dc=x", 1),
        exchange::refresh_done(COOKIE),
        Step::Wait,
        new_cookie("rid=000"),
        new_cookie(""),
        exchange::synced("cn=a,dc=x", 2),
        Step::Wait,
        new_cookie(OF_SEVERAL),
        Step::Hold,
    ];
    let (server, mut following) = start([script], None).await;
    following.refresh().await;
    server.go_on();
    let batch = following.live().await;
    assert_eq!((batch.readings.len(), batch.checkpoint), (1, None));
    assert_eq!(following.stored.now(), Some(checkpoint(COOKIE)));
    server.go_on();
    let batch = following.live().await;
    assert_eq!((batch.readings.len(), batch.checkpoint), (0, Some(checkpoint(OF_SEVERAL))));
    following.stop().await;
}

/// The control of the second connection's search.
async fn server_hears_the_search(server: &ScriptedLdap) -> Vec<u8> {
    crate::support::wait::until_async("the search of the second connection", async || {
        let received = server.received().into_iter();
        let mut searches = received.filter(|one| one.connection == 1 && one.tag == Operation::Search as u8);
        searches.nth(2).map(|search| search.bytes)
    })
    .await
}

#[tokio::test]
async fn l14_a_server_that_ignores_the_control_is_told_from_one_that_refuses_it() {
    let check = async |steps: Vec<Step>, words: &str| {
        let (_server, mut following) = start([steps.clone()], None).await;
        let failure = following.failure().await;
        assert!(failure.error.ends_with(words), "{steps:?}: {}", failure.error);
        let Disposition::Stop { advice } = &failure.disposition else { panic!("{steps:?}: {failure:?}") };
        assert!(advice.contains("syncprov"), "{advice}");
        assert!(failure.so_far.images.is_empty() && !failure.so_far.complete);
        assert!(following.ended().await.is_err());
    };
    let plain = || Step::answer(ber::entry("dc=x", &[("dc", &["x"])]));
    let end = || Step::answer(ber::search_done(0, ""));
    check(vec![plain(), plain(), end(), Step::Hold], "ignores the sync control").await;
    check(vec![end(), Step::Hold], "ignores the sync control").await;
    let another = ber::control("1.2.3", false, Some(b"x"));
    let with_another = Step::AnswerWithControls(ber::entry("dc=x", &[]), vec![another]);
    check(vec![with_another, Step::Hold], "ignores the sync control").await;
    let refusal = Step::answer(ber::search_done(12, "critical control unavailable"));
    check(
        vec![refusal, Step::Hold],
        "does not offer the sync control: 12 unavailableCriticalExtension (critical control unavailable)",
    )
    .await;
}

#[tokio::test]
async fn l14_an_end_of_what_should_follow_is_no_end_of_the_refresh() {
    // Success, after something was shown: the server follows no longer, and said nothing of what is absent.
    let script = vec![exchange::synced("dc=x", 1), Step::answer(ber::search_done(0, "")), Step::Hold];
    let (_server, mut following) = start([script], None).await;
    let failure = following.failure().await;
    assert_eq!(failure.disposition, Disposition::Reconnect);
    assert!(!failure.so_far.complete && failure.so_far.checkpoint.is_none(), "{failure:?}");
    following.stop().await;
}

/// An entry with a sync state control of this value.
fn with_state(value: Option<&[u8]>) -> Step {
    let control = ber::control(exchange::SYNC_STATE, false, value);
    Step::AnswerWithControls(ber::entry("cn=a,dc=x", &[]), vec![control])
}

#[tokio::test]
async fn l15_well_formed_messages_with_malformed_parts_end_the_connection_and_nothing_else() {
    let id = || ber::octets([7; 16]);
    let state = |parts: &[Vec<u8>]| with_state(Some(&ber::sequence(parts)));
    let malformed: Vec<(Step, &str)> = vec![
        (with_state(None), "without the sync state control"),
        (with_state(Some(b"")), "sync state control"),
        (with_state(Some(b"\x30\x80\x00\x00")), "an indefinite length"),
        (with_state(Some(b"\x30\x7f\x0a")), "sync state control"),
        (state(&[]), "no state"),
        (state(&[ber::enumerated(1)]), "no entryUUID"),
        (state(&[ber::enumerated(9), id()]), "an unknown state"),
        (state(&[ber::enumerated(-1), id()]), "a negative number"),
        (state(&[ber::enumerated(1), ber::octets([7; 15])]), "not 16 bytes"),
        (state(&[ber::enumerated(1), id(), id(), id()]), "an element too many"),
        (exchange::sync_info(b""), "an empty value"),
        (exchange::sync_info(b"\xa9\x00"), "an unknown sync info"),
        (exchange::sync_info(b"\xa1\x7f\x04"), "sync info message"),
        (info(0xa3, &[]), "no set of entryUUIDs"),
        (info(0xa3, &[ber::set(&[ber::octets("short")])]), "not 16 bytes"),
        (info(0xa1, &[ber::octets(COOKIE), ber::tlv(1, b"")]), "a boolean that is not one byte"),
        (Step::answer(ber::intermediate(Some(exchange::SYNC_INFO), None)), "an empty value"),
        (Step::AnswerWithControls(ber::tlv(0x64, b""), vec![good_state()]), "an entry without a name"),
        (
            Step::AnswerWithControls(
                ber::tlv(0x64, &[ber::octets("cn=a"), ber::sequence(&[ber::octets("cn")])].concat()),
                vec![good_state()],
            ),
            "an attribute's parts",
        ),
        (Step::answer(ber::reference(&["ldap://elsewhere/dc=x"])), "referrals are not followed"),
        (Step::answer(ber::result(0x61, 0, "")), "does not fit its request"),
        (Step::answer(ber::extended_response(0, "", None, None)), "does not fit its request"),
        (Step::Send(ber::message(-7, ber::entry("dc=x", &[]))), "a negative number"),
        (Step::Send(ber::message(0, ber::entry("dc=x", &[]))), "an answer to nothing"),
    ];
    let script = |bad: &Step| {
        vec![exchange::synced("dc=x", 1), bad.clone(), exchange::refresh_done(COOKIE), Step::Hold]
    };
    let sound = vec![exchange::synced("dc=x", 1), exchange::refresh_done(COOKIE), Step::Hold];
    let scripts: Vec<Script> = malformed.iter().map(|(bad, _)| script(bad)).chain([sound]).collect();
    let (_server, mut following) = start(scripts, None).await;
    for (bad, words) in &malformed {
        let Failure { so_far, error, .. } = following.failure().await;
        assert!(error.contains(words), "{bad:?}: {error}");
        assert!(!so_far.complete && so_far.checkpoint.is_none(), "{bad:?}: {so_far:?}");
    }
    assert!(following.refresh().await.complete);
    following.stop().await;
}

fn good_state() -> Vec<u8> {
    let state = ber::sequence(&[ber::enumerated(1), ber::octets([7; 16])]);
    ber::control(exchange::SYNC_STATE, false, Some(&state))
}

#[tokio::test]
async fn l15_messages_that_nobody_asked_for_change_nothing() {
    let stray = [
        Step::Send(ber::message(99, ber::entry("dc=x", &[]))),
        Step::Send(ber::message(99, ber::search_done(0, ""))),
        Step::Send(ber::message(1, ber::bind_response(49, "again"))),
        Step::Send(ber::message(2, ber::extended_response(0, "again", None, None))),
        Step::Send(ber::message(3, ber::search_done(53, "again"))),
        Step::Send(ber::message(0, ber::extended_response(0, "hello", Some("1.2.3"), None))),
        Step::answer(ber::intermediate(Some("1.2.3"), Some(b"whatever"))),
        Step::answer(ber::intermediate(None, None)),
    ];
    let mut script = stray.to_vec();
    script.push(exchange::synced("dc=x", 1));
    script.extend(stray.clone());
    script.push(exchange::refresh_done(COOKIE));
    script.extend(stray);
    script.extend([exchange::synced("cn=a,dc=x", 2), Step::Hold]);
    let (_server, mut following) = start([script], None).await;
    assert_eq!(following.refresh().await.images.len(), 1);
    assert_eq!(following.live().await.readings.len(), 1);
    following.stop().await;
}

/// The recorded first reading, from its entries on, with something done to it.
fn damaged(damage: impl FnOnce(&mut Script)) -> Script {
    let mut script = exchange::recorded("slapd-first-reading");
    damage(&mut script);
    script.push(Step::Hold);
    script
}

/// Answers of the recording that belong to its last search: the entries, the end of the refresh, live changes.
const ENTRIES: Range<usize> = 6..13;

async fn refresh_of(script: Script) -> (Refresh, Option<Checkpoint>) {
    let server = ScriptedLdap::start([script]).await;
    let mut settings = scripted_settings(&server);
    settings.base_dn = Dn::parse("dc=example,dc=com").unwrap();
    let mut following = Following::start_with(connector_with(settings, hasty()), Stored::default());
    let refresh = following.refresh().await;
    let stored = following.stop().await.now();
    (refresh, stored)
}

#[tokio::test]
async fn a_refresh_with_its_messages_repeated_delayed_and_in_another_order_says_the_same() {
    let (plain, stored) = refresh_of(damaged(|_| ())).await;
    assert_eq!(plain.images.len(), ENTRIES.len());
    let check = async |damage: fn(&mut Script)| {
        let (seen, stored_then) = refresh_of(damaged(damage)).await;
        assert_eq!(seen.by_dn(), plain.by_dn());
        assert_eq!((seen.complete, seen.deleted, &stored_then), (true, vec![], &stored));
    };
    check(|script| faults::reorder(script, ENTRIES, <[Step]>::reverse)).await;
    check(|script| faults::repeat(script, ENTRIES, 3)).await;
    check(|script| faults::reorder(script, ENTRIES, |entries| entries.rotate_left(3))).await;
    check(|script| faults::delay(script, ENTRIES.start + 2, Duration::from_millis(150))).await;
    check(|script| {
        faults::repeat(script, ENTRIES.start..ENTRIES.start + 2, 2);
        faults::reorder(script, ENTRIES, <[Step]>::reverse);
    })
    .await;
}

#[tokio::test]
async fn l15_each_recorded_message_cut_or_damaged_is_an_error_and_the_next_connection_is_sound() {
    let whole = damaged(|_| ());
    for answer in 0..=ENTRIES.end {
        let is_entry = ENTRIES.contains(&answer);
        let damages: [&dyn Fn(&mut Script); 4] = [
            &|script| faults::cut_before(script, answer),
            &|script| faults::corrupt(script, answer, |bytes| bytes.truncate(bytes.len() / 2)),
            &|script| faults::corrupt(script, answer, |bytes| bytes[0] = 0x45),
            &|script| faults::corrupt(script, answer, |bytes| bytes.extend(*b"\x04\x00")),
        ];
        let scripts: Vec<Script> =
            damages.iter().map(|damage| damaged(damage)).chain([whole.clone()]).collect();
        let server = ScriptedLdap::start(scripts).await;
        let mut settings = scripted_settings(&server);
        settings.base_dn = Dn::parse("dc=example,dc=com").unwrap();
        let mut following = Following::start_with(connector_with(settings, hasty()), Stored::default());
        for number in 0..damages.len() {
            let failure = following.failure().await;
            assert_eq!(failure.disposition, Disposition::Reconnect, "{answer} {number}: {failure:?}");
            assert!(!failure.so_far.complete, "{answer} {number}");
            assert!(is_entry || answer == ENTRIES.end || failure.so_far.images.is_empty());
        }
        assert_eq!(following.refresh().await.images.len(), ENTRIES.len());
        following.stop().await;
    }
}

#[tokio::test]
async fn a_script_is_cut_after_so_many_bytes() {
    let mut script = vec![exchange::synced("dc=x", 1), exchange::refresh_done(COOKIE), Step::Hold];
    assert_eq!(faults::answers(&script), 2);
    faults::cut_after(&mut script, 30);
    let (_server, mut following) = start([script], None).await;
    let failure = following.failure().await;
    assert!(failure.error.ends_with("in the middle of a message"), "{}", failure.error);
    assert!(matches!(following.event().await, FeedEvent::Connecting));
    following.stop().await;
}

#[tokio::test]
async fn a_resumption_that_was_recorded_is_offered_its_cookie() {
    for kind in ["present", "delete"] {
        let script = exchange::recorded(&format!("slapd-resumed-with-a-{kind}-phase"));
        let server = ScriptedLdap::start([[script, vec![Step::Hold]].concat()]).await;
        let mut settings = scripted_settings(&server);
        settings.base_dn = Dn::parse("dc=example,dc=com").unwrap();
        let stored = Stored::default();
        stored.set(Some(checkpoint(COOKIE)));
        let mut following = Following::start_with(connector_with(settings, hasty()), stored);
        assert_eq!(following.connected().await.1, Basis::Checkpoint);
        let refresh = following.refresh().await;
        assert_eq!(refresh.images.len(), 1, "{kind}: {refresh:?}");
        assert_eq!(
            (refresh.complete, refresh.deleted.len()),
            if kind == "present" { (true, 0) } else { (false, 1) }
        );
        following.stop().await;
    }
}
