//! Servers that die, freeze, forget and misbehave.

use std::time::Duration;

use super::{
    following::{
        Following, Stored, connector, connector_with, id, scripted_settings, server, settings, texts, timing,
    },
    refresh::crowd,
};
use crate::support::{
    ber,
    ldap::Ldap,
    proxy::Proxy,
    scripted_ldap::{Operation, Script, ScriptedLdap, Step, exchange},
    slapd::Setup,
};
use dirherald::{
    connector::{Basis, Disposition, FeedEvent, Timing},
    directory::{
        batch::{Phase, Reading},
        checkpoint::{Checkpoint, Mechanism},
    },
};

const MEI: &str = "uid=mei,ou=people";

#[tokio::test]
async fn l06_a_refresh_cut_in_the_middle_says_nothing_of_what_does_not_exist() {
    let slapd = crowd(3000).start();
    for after in [300_000, 600_000] {
        let proxy = Proxy::start(slapd.address()).await;
        proxy.cut_after(after);
        let mut settings = settings(&slapd);
        settings.urls = vec![server(&proxy.url())];
        let mut following = Following::start(settings);
        let failure = following.failure().await;
        let cut = failure.so_far;
        assert!(!cut.complete && cut.deleted.is_empty() && cut.checkpoint.is_none(), "{}", cut.images.len());
        assert!(!cut.images.is_empty() && cut.images.len() < 3004, "{}", cut.images.len());
        assert!(failure.error.contains("closed the connection"), "{}", failure.error);
        assert_eq!(failure.disposition, Disposition::Reconnect);
        proxy.cut_after(usize::MAX);
        assert_eq!(following.whole_refresh().await.images.len(), 3004);
        following.stop().await;
    }
}

#[tokio::test]
async fn l16_a_restarted_server_is_followed_on_without_loss() {
    let mut slapd = Setup::company().session_log(100).start();
    let mut following = Following::start(settings(&slapd));
    following.refresh().await;
    Ldap::admin(&slapd).await.replace(MEI, "mail", &["a@harbour-vale.example"]).await;
    assert_eq!(texts(&following.image().await, "mail"), ["a@harbour-vale.example"]);
    slapd.restart();
    Ldap::admin(&slapd).await.replace(MEI, "mail", &["b@harbour-vale.example"]).await;
    let mut seen = Vec::new();
    while !seen.contains(&"b@harbour-vale.example".to_owned()) {
        let FeedEvent::Batch(batch) = following.event().await else { continue };
        seen.extend(batch.readings.iter().flat_map(|reading| match reading {
            Reading::Image(image) => texts(image, "mail"),
            _ => Vec::new(),
        }));
    }
    following.stop().await;
}

#[tokio::test]
async fn l16_a_frozen_server_is_noticed_within_two_heartbeats() {
    let slapd = Setup::company().session_log(100).start();
    let heartbeat = Duration::from_millis(500);
    let impatient = Timing { heartbeat, request: Duration::from_millis(500), ..timing() };
    let mut following = Following::start_with(connector_with(settings(&slapd), impatient), Stored::default());
    following.refresh().await;
    // A server that is only silent is not taken for frozen.
    let silence = tokio::time::timeout(heartbeat * 3, following.event()).await;
    assert!(silence.is_err(), "{silence:?}");
    slapd.freeze();
    let start = std::time::Instant::now();
    let failure = following.failure().await;
    assert!(failure.error.contains("frozen"), "{}", failure.error);
    assert!(start.elapsed() < heartbeat * 3, "{:?}", start.elapsed());
    // While it is frozen, nothing waits for ever.
    let failure = following.failure().await;
    assert!(failure.error.contains("no answer within 0.5 s"), "{}", failure.error);
    slapd.thaw();
    following.connected().await;
    following.refresh().await;
    following.stop().await;
}

#[tokio::test]
async fn l07_a_restored_server_is_compared_after_a_wait() {
    let mut slapd = Setup::company().start();
    slapd.stop();
    slapd.save();
    slapd.start_again();
    let mut following = Following::start(settings(&slapd));
    following.refresh().await;
    Ldap::admin(&slapd).await.delete(MEI).await;
    let Reading::Delete(_) = following.reading().await else { panic!("no delete") };
    slapd.stop();
    slapd.restore();
    slapd.start_again();
    let mut seen = Vec::new();
    let refresh = loop {
        let (_, basis) = following.connected().await;
        seen.push(basis);
        if basis == Basis::WentBack {
            break following.refresh().await;
        }
        let failure = following.failure().await;
        assert!(failure.error.contains("behind the checkpoint: 53"), "{}", failure.error);
        assert!(matches!(failure.disposition, Disposition::Wait | Disposition::Resync), "{failure:?}");
    };
    assert!(seen.contains(&Basis::Checkpoint), "{seen:?}");
    assert!(refresh.complete && refresh.by_dn().contains_key(slapd.dn(MEI).as_str()));
    following.stop().await;
}

#[tokio::test]
async fn l12_a_checkpoint_that_is_of_no_use_to_the_server_gives_everything() {
    let slapd = Setup::company().session_log(100).start();
    let (count, _) = Ldap::admin(&slapd).await.count().await;
    for cookie in ["garbage", "rid=000", "rid=000,csn=20010101000000.000000Z#000000#000#000000"] {
        let stored = Stored::default();
        stored.set(Some(Checkpoint { mechanism: Mechanism::Syncrepl, bytes: cookie.into() }));
        let mut following = Following::start_with(connector(settings(&slapd)), stored);
        let refresh = following.refresh().await;
        assert!(refresh.complete, "{cookie}: what is not shown is gone");
        assert_eq!(refresh.images.len(), count, "{cookie}");
        following.stop().await;
    }
}

#[tokio::test]
async fn l12_deletions_beyond_the_session_log_are_not_lost() {
    let setups = [
        Setup::company(),
        Setup::company().session_log(1),
        Setup::company().session_log(2),
        Setup::company().session_log(4),
    ];
    for setup in setups {
        let slapd = setup.start();
        let admin = Ldap::admin(&slapd).await;
        let mut following = Following::start(settings(&slapd));
        following.refresh().await;
        let stored = following.stop().await;
        let mut gone = Vec::new();
        for name in ["uid=finn,ou=people", "uid=bela,ou=people", MEI] {
            gone.push(id(&admin.id(name).await));
            admin.delete(name).await;
            admin.replace("cn=warehouse,ou=groups", "description", &[name]).await;
        }
        let mut following = Following::start_with(connector(settings(&slapd)), stored);
        let refresh = following.refresh().await;
        let said_deleted: Vec<_> = refresh.deleted.iter().map(|delete| delete.id).collect();
        for id in gone {
            let is_absent = refresh.complete && !refresh.named.contains(&id);
            assert!(is_absent || said_deleted.contains(&id), "{id}: {refresh:?}");
        }
        following.stop().await;
    }
}

#[tokio::test]
async fn m21_a_referral_object_is_an_entry_and_not_followed() {
    let slapd = Setup::company().start();
    let admin = Ldap::admin(&slapd).await;
    let nowhere = ["ldap://127.0.0.1:1/dc=elsewhere"];
    admin
        .add(
            "cn=away,ou=people",
            &[("objectClass", &["referral", "extensibleObject"]), ("cn", &["away"]), ("ref", &nowhere)],
        )
        .await;
    let mut following = Following::start(settings(&slapd));
    let refresh = following.refresh().await;
    assert!(refresh.complete && refresh.by_dn().contains_key(slapd.dn("cn=away,ou=people").as_str()));
    following.stop().await;
}

const COOKIE: &str = "rid=000,csn=20261123101935.123456Z#000000#000#000000";

fn entry(name: &str, number: u8) -> Step {
    exchange::synced(name, number)
}

fn info(value: &[u8]) -> Step {
    exchange::sync_info(value)
}

fn refresh_done() -> Step {
    exchange::refresh_done(COOKIE)
}

async fn scripted(scripts: impl IntoIterator<Item = Script>) -> (ScriptedLdap, Following) {
    let scripts = scripts.into_iter().map(|script| [exchange::welcome("dc=x"), script].concat());
    let server = ScriptedLdap::start(scripts).await;
    let following = Following::start(scripted_settings(&server));
    (server, following)
}

#[tokio::test]
async fn m23_what_was_not_asked_for_is_dropped_unread() {
    let state = ber::sequence(&[ber::enumerated(1), ber::octets([1; 16])]);
    let control = ber::control(exchange::SYNC_STATE, false, Some(&state));
    let names = ["userPassword", "USERPASSWORD;x-foo", "2.5.4.35", "unicodePwd", "pwdHistory", "description"];
    let mut attributes = vec![("cn", &["a"][..])];
    attributes.extend(names.map(|name| (name, &["a secret"][..])));
    let more = Step::AnswerWithControls(ber::entry("dc=x", &attributes), vec![control]);
    let (_server, mut following) = scripted([vec![more, refresh_done(), Step::Hold]]).await;
    let refresh = following.refresh().await;
    let [image] = &refresh.images[..] else { panic!("one entry: {refresh:?}") };
    let names: Vec<String> = image.attributes.0.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["cn"]);
    assert!(!format!("{refresh:?}").contains("a secret"));
    following.stop().await;
}

#[tokio::test]
async fn a_notice_of_disconnection_is_told_in_the_servers_words() {
    let notice = ber::extended_response(52, "going down", Some("1.3.6.1.4.1.1466.20036"), None);
    let script =
        vec![entry("dc=x", 1), refresh_done(), Step::Wait, Step::Send(ber::message(0, notice)), Step::Close];
    let (server, mut following) = scripted([script]).await;
    assert_eq!(following.refresh().await.images.len(), 1);
    server.go_on();
    let failure = following.failure().await;
    assert!(
        failure.error.ends_with("the server disconnects: 52 unavailable (going down)"),
        "{}",
        failure.error
    );
    following.stop().await;
}

#[tokio::test]
async fn a_stop_says_goodbye_also_while_nobody_takes_the_batches() {
    let mut script = vec![entry("dc=x", 1), refresh_done()];
    for number in 0..20 {
        script.extend([Step::Wait, entry("dc=x", number)]);
    }
    script.push(Step::expect(Operation::Unbind));
    let (server, mut following) = scripted([script]).await;
    following.refresh().await;
    (0..20).for_each(|_| server.go_on());
    following.stop().await;
    server.finished(1).await;
}

#[tokio::test]
async fn a_connector_whose_batches_nobody_wants_ends() {
    let script = vec![entry("dc=x", 1), refresh_done(), Step::expect(Operation::Unbind)];
    let (server, mut following) = scripted([script]).await;
    following.refresh().await;
    following.turn_away().await;
    server.finished(1).await;
}

#[tokio::test]
async fn l03_a_refused_checkpoint_leads_to_a_full_refresh() {
    let refused = vec![Step::answer(ber::search_done(4096, "")), Step::Hold];
    // Asked whether it is behind, it refuses once more; then everything is asked for.
    let full = vec![
        Step::answer(ber::search_done(4096, "")),
        Step::expect_with(Operation::Search, "1.3.6.1.4.1.4203.1.9.1.1"),
        entry("dc=x", 1),
        refresh_done(),
        Step::Hold,
    ];
    let (_server, mut following) = scripted([refused, full]).await;
    following.stored.set(Some(Checkpoint { mechanism: Mechanism::Syncrepl, bytes: b"csn=old".to_vec() }));
    let failure = following.failure().await;
    assert_eq!(failure.disposition, Disposition::Resync);
    assert_eq!(following.connected().await.1, Basis::CheckpointRefused);
    assert!(following.refresh().await.complete);
    following.stop().await;
}

#[tokio::test]
async fn l04_the_last_cookie_with_a_csn_is_kept_through_the_live_phase() {
    let later = "rid=000,csn=a#000000#001#000000;b#000000#002#000000";
    let script = vec![
        entry("dc=x", 1),
        info(&ber::tlv(0x80, COOKIE.as_bytes())),
        info(&ber::tlv(0xa1, &[])),
        Step::Wait,
        info(&ber::tlv(0x80, b"rid=000")),
        info(&ber::tlv(0x80, later.as_bytes())),
        Step::Hold,
    ];
    let (server, mut following) = scripted([script]).await;
    assert_eq!(following.refresh().await.checkpoint.unwrap().bytes, COOKIE.as_bytes());
    server.go_on();
    let batch = following.live().await;
    assert!(batch.readings.is_empty() && batch.phase == Phase::Live);
    assert_eq!(batch.checkpoint.unwrap().bytes, later.as_bytes());
    following.stop().await;
}

#[tokio::test]
async fn l02_both_kinds_of_id_sets_and_mixed_phases_are_understood() {
    let ids = |deletes: bool, number: u8| {
        let set = ber::set(&[ber::octets([number; 16])]);
        info(&ber::tlv(0xa3, &[ber::boolean(deletes), set].concat()))
    };
    let present_phase_ends = info(&ber::tlv(0xa2, &ber::boolean(false)));
    let script = vec![
        ids(false, 1),
        entry("cn=a,dc=x", 2),
        present_phase_ends,
        ids(true, 3),
        refresh_done(),
        Step::Hold,
    ];
    let (_server, mut following) = scripted([script]).await;
    let refresh = following.refresh().await;
    let uuid = |number: u8| uuid::Uuid::from_bytes([number; 16]).to_string();
    assert_eq!(refresh.named, [id(&uuid(1))].into());
    assert_eq!(refresh.images[0].id, id(&uuid(2)));
    assert_eq!(refresh.deleted[0].id, id(&uuid(3)));
    assert!(refresh.complete);
    following.stop().await;
}

#[tokio::test]
async fn l14_a_server_without_the_control_stops_with_advice() {
    let script = vec![Step::answer(ber::search_done(12, "critical control unavailable")), Step::Hold];
    let (_server, mut following) = scripted([script]).await;
    let failure = following.failure().await;
    let Disposition::Stop { advice } = &failure.disposition else { panic!("{failure:?}") };
    assert!(advice.contains("syncprov"), "{advice}");
}

#[tokio::test]
async fn l14_an_entry_without_its_sync_state_is_an_error() {
    let script = vec![entry("dc=x", 1), Step::answer(ber::entry("dc=x", &[])), Step::Hold];
    let (_server, mut following) = scripted([script]).await;
    let failure = following.failure().await;
    assert!(failure.error.contains("without the sync state control"), "{}", failure.error);
    following.stop().await;
}

#[tokio::test]
async fn l15_malformed_messages_end_the_connection_and_nothing_else() {
    let malformed: [&[u8]; 10] = [
        b"\x30\x00",
        b"\x30\x80\x00\x00",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x30\x84\x7f\xff\xff\xff",
        b"\x30\x05\x02\x01\x05\x65\x00",
        b"\x30\x05\x02\x01\x05\x61\x00",
        b"\x30\x07\x02\x01\x05\x64\x02\x04\x09",
        b"\x30\x05\x04\x01\x05\x64\x00",
        b"\x30\x0c\x02\x01\x05\x65\x07\x0a\x01\x00\x04\x01\xff\x04\x00",
        b"\x30\x0a\x02\x01\x05\x64\x00\xa0\x03\x30\x01\x04",
    ];
    let scripts = malformed.map(|bytes| vec![entry("dc=x", 1), Step::Send(bytes.to_vec()), Step::Hold]);
    let sound = vec![entry("dc=x", 1), refresh_done(), Step::Hold];
    let (_server, mut following) = scripted(scripts.into_iter().chain([sound])).await;
    for bytes in malformed {
        let failure = following.failure().await;
        assert!(failure.error.contains("malformed LDAP message"), "{bytes:x?}: {}", failure.error);
        assert!(!failure.so_far.complete);
    }
    assert!(following.refresh().await.complete);
    following.stop().await;
}

#[tokio::test]
async fn windows_long_lengths_are_taken() {
    let state = ber::sequence(&[ber::enumerated(1), ber::octets([1; 16])]);
    let control = ber::tlv_long(0x30, &[ber::octets(exchange::SYNC_STATE), ber::octets(state)].concat());
    let operation = ber::tlv_long(0x64, &[ber::octets("dc=x"), ber::tlv_long(0x30, &[])].concat());
    let message = [ber::integer(5), operation, ber::tlv_long(0xa0, &control)].concat();
    let script = vec![Step::Send(ber::tlv_long(0x30, &message)), refresh_done(), Step::Hold];
    let (_server, mut following) = scripted([script]).await;
    assert_eq!(following.refresh().await.images.len(), 1);
    following.stop().await;
}
