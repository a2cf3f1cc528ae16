//! Servers and networks that hold a connection and bring nothing.

use std::time::{Duration, Instant};

use dirherald::{
    connector::{
        Timing,
        settings::{ConnectorSettings, TlsSettings},
    },
    directory::dn::Dn,
};

use super::following::{
    Following, Stored, connector_with, scripted_settings, server, settings, texts, timing, trusting,
};
use crate::support::{
    ber,
    ldap::Ldap,
    proxy::Proxy,
    scripted_ldap::{Operation, Script, ScriptedLdap, Step, exchange},
    slapd::{Setup, Slapd},
};

const MEI: &str = "uid=mei,ou=people";
const COOKIE: &str = "rid=000,csn=20261123101935.123456Z#000000#000#000000";
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Two heartbeats, and what a loaded machine takes.
const NOTICED: Duration = Duration::from_secs(4);
/// For a server that gives signs of life.
const GIVEN_UP: Duration = Duration::from_secs(15);

fn impatient() -> Timing {
    let request = HEARTBEAT * 2;
    Timing { heartbeat: HEARTBEAT, request, refresh: HEARTBEAT * 3, connect: request, ..timing() }
}

/// For servers that keep the machine busy, and must not be taken for frozen meanwhile.
fn patient() -> Timing {
    let seconds = Duration::from_secs;
    Timing { heartbeat: seconds(1), request: seconds(3), refresh: seconds(2), ..timing() }
}

/// For a server that freezes in the middle of a refresh: its heartbeat is missed first.
fn heartbeats_only() -> Timing {
    Timing { refresh: Duration::from_secs(20), ..impatient() }
}

async fn scripted(scripts: impl IntoIterator<Item = Script>, timing: Timing) -> (ScriptedLdap, Following) {
    let scripts = scripts.into_iter().map(|script| [exchange::welcome("dc=x"), script].concat());
    let server = ScriptedLdap::start(scripts).await;
    let connector = connector_with(scripted_settings(&server), timing);
    (server, Following::start_with(connector, Stored::default()))
}

fn sound() -> Script {
    vec![exchange::synced("dc=x", 1), exchange::refresh_done(COOKIE), Step::HoldAlive]
}

/// The next failure says so, and comes within two heartbeats.
async fn is_noticed(following: &mut Following, words: &str) {
    fails_within(NOTICED, following, words).await;
}

async fn fails_within(limit: Duration, following: &mut Following, words: &str) {
    let start = Instant::now();
    let failure = following.failure().await;
    assert!(failure.error.contains(words), "{}", failure.error);
    assert!(!failure.so_far.complete && failure.so_far.deleted.is_empty(), "{:?}", failure.so_far);
    assert!(start.elapsed() < limit, "{:?}: {}", start.elapsed(), failure.error);
}

fn through(proxy: &Proxy, slapd: &Slapd, timing: Timing) -> Following {
    let settings = ConnectorSettings { urls: vec![server(&proxy.url())], ..settings(slapd) };
    Following::start_with(connector_with(settings, timing), Stored::default())
}

#[tokio::test]
async fn l16_a_dead_path_is_noticed_within_two_heartbeats_and_nothing_is_lost() {
    let slapd = Setup::company().session_log(100).start();
    let admin = Ldap::admin(&slapd).await;
    let proxy = Proxy::start(slapd.address()).await;
    let mut following = through(&proxy, &slapd, impatient());
    following.refresh().await;
    // A firewall forgets the connection, without a word to either side.
    proxy.swallow();
    admin.replace(MEI, "mail", &["a@harbour-vale.example"]).await;
    is_noticed(&mut following, "frozen: no sign of life for 0.5 s").await;
    let missed = following.refresh().await;
    assert_eq!(texts(&missed.images[0], "mail"), ["a@harbour-vale.example"]);
    // Then nothing passes at all for a while, connections are taken all the same.
    proxy.swallow_all();
    admin.replace(MEI, "mail", &["b@harbour-vale.example"]).await;
    is_noticed(&mut following, "frozen: no sign of life").await;
    is_noticed(&mut following, "no answer within 1 s to the bind").await;
    proxy.restore();
    let missed = following.whole_refresh().await;
    assert_eq!(texts(&missed.images[0], "mail"), ["b@harbour-vale.example"]);
    following.stop().await;
}

#[tokio::test]
async fn l16_a_server_frozen_in_the_middle_of_a_refresh_is_noticed_and_everything_is_read_again() {
    let (server, mut following) = scripted(
        [vec![exchange::synced("dc=x", 1), exchange::synced("cn=a,dc=x", 2), Step::Hold], sound()],
        heartbeats_only(),
    )
    .await;
    is_noticed(&mut following, "frozen: no sign of life").await;
    let refresh = following.refresh().await;
    assert_eq!((refresh.images.len(), refresh.complete), (1, true));
    following.stop().await;
    server.finished(2).await;
}

#[tokio::test]
async fn l16_a_path_that_dies_in_the_middle_of_a_refresh_of_a_real_server() {
    let slapd = super::refresh::crowd(3000).start();
    let proxy = Proxy::start(slapd.address()).await;
    proxy.swallow_after(300_000);
    let mut following = through(&proxy, &slapd, heartbeats_only());
    is_noticed(&mut following, "frozen: no sign of life").await;
    proxy.swallow_after(usize::MAX);
    assert_eq!(following.whole_refresh().await.images.len(), 3004);
    following.stop().await;
}

/// Plays the script, then a sound one, to a connector of its own: after a refresh, if the script has one, the
/// connection is given up, and the next one is sound.
async fn gives_up(timing: Timing, script: Script, words: &str) {
    let is_live =
        script.iter().any(|step| format!("{step:?}") == format!("{:?}", exchange::refresh_done(COOKIE)));
    let (_server, mut following) = scripted([script, sound()], timing).await;
    if is_live {
        following.refresh().await;
    }
    fails_within(GIVEN_UP, &mut following, words).await;
    following.refresh().await;
    following.stop().await;
}

#[tokio::test]
async fn l16_a_server_that_answers_heartbeats_but_not_the_search_has_a_limit() {
    let words = "no answer within 1.5 s to the refresh";
    tokio::join!(
        gives_up(impatient(), vec![Step::HoldAlive], words),
        gives_up(impatient(), vec![exchange::synced("dc=x", 1), Step::HoldAlive], words),
    );
}

#[tokio::test]
async fn l16_a_server_that_trickles_is_given_up() {
    // The beginning of a message of 30,000 bytes, and then one byte now and then.
    let endless =
        || Step::Trickle([&b"\x30\x82\x75\x30"[..], &[4; 3000]].concat(), Duration::from_millis(20));
    let live = vec![exchange::synced("dc=x", 1), exchange::refresh_done(COOKIE), endless()];
    tokio::join!(
        gives_up(impatient(), vec![endless()], "no answer within 1.5 s to the refresh"),
        gives_up(
            impatient(),
            vec![exchange::synced("dc=x", 1), endless()],
            "no answer within 1.5 s to the refresh"
        ),
        gives_up(impatient(), live, "no answer within 1.5 s to the heartbeat"),
    );
}

/// Again and again, as long as anybody listens.
fn endless(message: &[u8]) -> Step {
    Step::Flood(message.to_vec(), 1 << 40)
}

// With several threads, as the daemon has them: who floods and who reads must not take turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l16_endless_messages_that_say_nothing_are_given_up() {
    let stray = ber::message(99, ber::entry("cn=a", &[]));
    // The search is the fifth request of a connection.
    let unknown = ber::message(5, ber::intermediate(Some("1.2.3"), Some(b"x")));
    let live = vec![exchange::synced("dc=x", 1), exchange::refresh_done(COOKIE), endless(&unknown)];
    gives_up(patient(), vec![endless(&stray)], "no answer within 2 s to the refresh").await;
    gives_up(patient(), live, "no answer within 2 s to the heartbeat").await;
}

#[tokio::test]
async fn l16_each_request_before_the_search_has_a_limit() {
    let welcome = exchange::welcome("dc=x");
    let is_request = |step: &Step| matches!(step, Step::Expect(_) | Step::ExpectWith(..));
    let places: Vec<usize> = (0..welcome.len()).filter(|place| is_request(&welcome[*place])).collect();
    let ways = [
        Step::Hold,
        Step::Trickle(
            [&[0x30, 0x82, 0x10, 0, 4, 0x82, 0x0f][..], &[0; 60]].concat(),
            Duration::from_millis(100),
        ),
    ];
    let check = async |place: usize, then: Step| {
        let server = ScriptedLdap::start([[&welcome[..=place], &[then]].concat()]).await;
        let connector = connector_with(scripted_settings(&server), impatient());
        let mut following = Following::start_with(connector, Stored::default());
        is_noticed(&mut following, "no answer within 1 s to the ").await;
        following.stop().await;
    };
    let cases = places[..4].iter().flat_map(|place| ways.iter().map(|way| check(*place, way.clone())));
    futures_util::future::join_all(cases).await;
}

#[tokio::test]
async fn l16_a_tls_handshake_that_hangs_has_a_limit() {
    let slapd = Setup::company().start();
    let taken = exchange_of_start_tls();
    let scripts = [
        // ldaps: nothing is answered, or one byte at a time.
        vec![Step::Delay(NOTICED * 2)],
        vec![Step::Trickle(vec![0x16, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc, 3, 3], Duration::from_millis(100))],
        // StartTLS: not answered, and answered but followed by nothing.
        vec![Step::expect(Operation::Extended), Step::Delay(NOTICED * 2)],
        [taken, vec![Step::Delay(NOTICED * 2)]].concat(),
    ];
    let words = ["not within 1 s", "not within 1 s", "to the StartTLS request", "not within 1 s"];
    let check = async |number: usize, script: Script, words: &str| {
        let scripted = ScriptedLdap::start([script]).await;
        let url = if number < 2 { scripted.url().replace("ldap://", "ldaps://") } else { scripted.url() };
        let tls = TlsSettings { start_tls: number >= 2, ..trusting(&slapd) };
        let settings = ConnectorSettings { urls: vec![server(&url)], tls, ..settings(&slapd) };
        let mut following = Following::start_with(connector_with(settings, impatient()), Stored::default());
        is_noticed(&mut following, words).await;
        following.stop().await;
    };
    let cases = scripts.into_iter().zip(words).enumerate();
    let cases = cases.map(|(number, (script, words))| check(number, script, words));
    futures_util::future::join_all(cases).await;
}

fn exchange_of_start_tls() -> Script {
    vec![Step::expect(Operation::Extended), Step::answer(ber::extended_response(0, "", None, None))]
}

#[tokio::test]
async fn l16_a_look_up_on_a_dead_or_frozen_connection_is_asked_again() {
    let slapd = Setup::company().start();
    let proxy = Proxy::start(slapd.address()).await;
    let settings = ConnectorSettings { urls: vec![server(&proxy.url())], ..settings(&slapd) };
    let mut lookup = connector_with(settings, impatient()).lookup();
    let mei = Dn::parse(&slapd.dn(MEI)).unwrap();
    assert!(lookup.entry(&mei).await.unwrap().is_some());
    // The connection is idle, and a firewall drops it.
    proxy.swallow();
    let start = Instant::now();
    assert!(lookup.entry(&mei).await.unwrap().is_some());
    assert!(start.elapsed() < NOTICED, "{:?}", start.elapsed());
    slapd.freeze();
    let start = Instant::now();
    let error = lookup.entry(&mei).await.unwrap_err();
    assert!(error.to_string().contains("no answer within 1 s"), "{error}");
    assert!(start.elapsed() < NOTICED, "{:?}", start.elapsed());
    slapd.thaw();
    assert!(lookup.entry(&mei).await.unwrap().is_some());
    lookup.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l16_a_look_up_that_is_answered_without_end_is_given_up() {
    let stray = ber::message(99, ber::entry("cn=a", &[]));
    // Bind and who am I come before the first question.
    let references = ber::message(3, ber::reference(&["ldap://elsewhere/dc=x"]));
    let opened =
        || [exchange::bind(), exchange::who_am_i(""), vec![Step::expect(Operation::Search)]].concat();
    let base = Dn::parse("dc=x").unwrap();
    for message in [&stray, &references] {
        let answered = [opened(), vec![endless(message)]].concat();
        let server = ScriptedLdap::start([answered.clone(), answered]).await;
        let connector = connector_with(scripted_settings(&server), patient());
        let (mut one, mut another) = (connector.lookup(), connector.lookup());
        let (entry, below) = tokio::join!(one.entry(&base), another.below(&base));
        let (entry, below) = (entry.unwrap_err().to_string(), below.unwrap_err().to_string());
        assert!(entry.contains("no answer within 3 s to the look-up"), "{entry}");
        assert!(below.contains("no answer within 2 s to the search below a name"), "{below}");
    }
}
