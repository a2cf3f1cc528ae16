//! Directories that send what no directory sends, in amounts that no memory holds.

use std::{fs, time::Instant};

use crate::support::{
    ber,
    daemon::{Daemon, Site},
    random::Random,
    scripted_ldap::{Script, ScriptedLdap, Step, exchange},
    slapd::{Setup, Slapd},
    smtp::SmtpServer,
    wait,
};

const TEN_MILLION: usize = 10_000_000;
const COOKIE: &str = "rid=000,csn=20261123101935.123456Z#000000#000#000000";
/// The id of the search that follows the content: bind, who am I, root DSE and base come before it.
const SEARCH: i64 = 5;

/// So much the program may hold while eight directories send ten million bytes each, again and again: what it
/// takes by itself, and for each what was received of one message.
const MOST_OF_SMALL_MESSAGES: u64 = 160 << 20;
/// While one directory sends entries of almost 64 MB, each four times in memory for a moment: as received, as
/// handed on by the guard, and as the tree that the LDAP crate makes of it, twice.
const MOST_OF_LARGE_ENTRIES: u64 = 640 << 20;

/// The most memory that the process ever held, in bytes.
fn peak(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("our own child");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak of its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// A store for each directory that plays the script, again and again.
async fn hostile(
    site: Site,
    slapd: &Slapd,
    smtp: &SmtpServer,
    name: &str,
    script: Script,
) -> (Site, ScriptedLdap) {
    let server = ScriptedLdap::start(vec![script; 4]).await;
    let site = site.and_store(name, slapd, smtp);
    let set = |site: Site, key: &str, value: &str| {
        site.with_global(&format!("identity_store.{name}.{key}"), &format!("{value:?}"))
    };
    let site = site.with_global(&format!("identity_store.{name}.urls"), &format!("[\"{}\"]", server.url()));
    let site = set(site, "base_dn", "dc=x");
    (set(site, "bind.dn", "cn=dirherald,dc=x"), server)
}

fn random_bytes() -> Vec<u8> {
    let mut random = Random::new(7);
    (0..1 << 20).map(|_| u8::try_from(random.below(256)).expect("less than 256")).collect()
}

/// One entry, and in it sequences in sequences.
fn nested() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(TEN_MILLION);
    let mut left = u32::try_from(TEN_MILLION).expect("it fits");
    while left > 6 {
        left -= 6;
        bytes.push(if bytes.is_empty() { 0x64 } else { 0x30 });
        bytes.push(0x84);
        bytes.extend(left.to_be_bytes());
    }
    bytes.resize(TEN_MILLION, 0);
    message(&bytes)
}

fn message(operation: &[u8]) -> Vec<u8> {
    ber::message(SEARCH, operation.to_vec())
}

/// So many bytes of one message.
fn ten_million_of(message: Vec<u8>) -> Step {
    let times = TEN_MILLION / message.len();
    Step::Flood(message, times)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l15_ten_million_bytes_of_garbage_fill_no_memory_and_are_not_asked_for_again_at_once() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let live = || {
        [exchange::welcome("dc=x"), vec![exchange::synced("dc=x", 1), exchange::refresh_done(COOKIE)]]
            .concat()
    };
    let asked = || exchange::welcome("dc=x");
    let huge = |size: [u8; 4]| [&[0x30, 0x84], &size[..], &[2, 1, 5, 0x64, 0x84], &size[..]].concat();
    let junk = || Step::Flood(random_bytes(), 10);
    let unknown = ber::intermediate(Some("1.2.3"), Some(b"nothing that anybody knows"));
    let reference = ber::reference(&["ldap://elsewhere.example/dc=x"]);
    let new_cookie = ber::intermediate(Some(exchange::SYNC_INFO), Some(&ber::tlv(0x80, COOKIE.as_bytes())));
    let shapes: Vec<(&str, Script, &str)> = vec![
        ("random", vec![junk()], "not the beginning of a message"),
        (
            "length",
            [asked(), vec![Step::Send(huge([0x7f, 0xff, 0xff, 0xff])), junk()]].concat(),
            "a message beyond the limit",
        ),
        (
            "truncated",
            [asked(), vec![Step::Send(huge([0x03, 0xff, 0xff, 0xf0])), junk()]].concat(),
            "in the middle of a message",
        ),
        ("nested", [asked(), vec![Step::Send(nested())]].concat(), "nested too deeply"),
        (
            "strangers",
            [asked(), vec![ten_million_of(ber::message(99, ber::entry("cn=a", &[])))]].concat(),
            "closed the connection",
        ),
        (
            "intermediate",
            [asked(), vec![ten_million_of(message(&unknown))]].concat(),
            "closed the connection",
        ),
        ("references", [live(), vec![ten_million_of(message(&reference))]].concat(), "closed the connection"),
        ("cookies", [live(), vec![ten_million_of(message(&new_cookie))]].concat(), "closed the connection"),
    ];
    let mut site = Site::empty();
    let mut servers = Vec::new();
    for (name, script, words) in shapes {
        let (with_it, server) = hostile(site, &slapd, &smtp, name, script).await;
        site = with_it;
        servers.push((name, server, words));
    }
    let daemon = site.start();
    let start = Instant::now();
    for (name, server, words) in &servers {
        wait::until_async(&format!("two attempts of {name}"), async || {
            (server.connections() >= 2).then_some(())
        })
        .await;
        let log = daemon.log();
        let failure =
            log.lines().find(|line| line.contains(&format!("store.name={name}")) && line.contains(words));
        assert!(failure.is_some(), "{name} without {words}: {log}");
    }
    // The first wait is half a second at least.
    for (name, server, _) in &servers {
        let most = 1 + start.elapsed().as_millis() / 500;
        assert!(
            server.connections() as u128 <= most,
            "{name}: {}, {:?}",
            server.connections(),
            start.elapsed()
        );
    }
    let peak = peak(&daemon);
    println!("{} MB at the peak, {:.1} s", peak >> 20, start.elapsed().as_secs_f64());
    assert!(peak < MOST_OF_SMALL_MESSAGES, "{} MB", peak >> 20);
    daemon.stop().await;
}

#[tokio::test]
async fn a_notice_of_disconnection_is_in_the_log_and_in_status() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let notice = ber::extended_response(52, "going down", Some("1.3.6.1.4.1.1466.20036"), None);
    let live = vec![exchange::synced("dc=x", 1), exchange::refresh_done(COOKIE)];
    let said = vec![Step::Wait, Step::Send(ber::message(0, notice)), Step::Close];
    let script = [exchange::welcome("dc=x"), live, said].concat();
    let (site, server) = hostile(Site::empty(), &slapd, &smtp, "leaving", script).await;
    let daemon = site.start();
    daemon.wait_live().await;
    server.go_on();
    let words = "the server disconnects: 52 unavailable (going down)";
    wait::until_async("the reason in status", async || {
        let status = site.status().await;
        status[0]["last_error"].as_str().is_some_and(|error| error.ends_with(words)).then_some(())
    })
    .await;
    assert_eq!(daemon.log().matches(words).count(), 1, "{}", daemon.log());
    daemon.stop().await;
}

/// An entry of this many bytes, with values of this size; the names are not asked for, or are.
fn large_entry(attribute: &str, bytes: usize, value: usize) -> Step {
    let one = ber::octets(vec![b'x'; value]);
    let values = ber::set(&vec![one; bytes / (value + 4)]);
    let attributes = ber::sequence(&[ber::sequence(&[ber::octets(attribute), values])]);
    let state = ber::sequence(&[ber::enumerated(1), ber::octets([9; 16])]);
    let control = ber::control(exchange::SYNC_STATE, false, Some(&state));
    Step::AnswerWithControls(
        ber::tlv(0x64, &[ber::octets("cn=large,dc=x"), attributes].concat()),
        vec![control],
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l15_entries_of_almost_64_mb_again_and_again_fill_no_memory() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let almost = 63 << 20;
    let mut script = exchange::welcome("dc=x");
    script.push(exchange::synced("dc=x", 1));
    // The last two have as many values as the guard lets pass.
    script.push(large_entry("jpegPhoto", almost, almost - 100));
    script.push(large_entry("cn", almost, almost - 100));
    script.push(large_entry("jpegPhoto", almost, almost - 100));
    script.push(large_entry("member", almost / 4, 30));
    script.push(large_entry("jpegPhoto", almost, 30));
    script.push(exchange::refresh_done(COOKIE));
    script.push(Step::HoldAlive);
    let (site, _server) = hostile(Site::empty(), &slapd, &smtp, "large", script).await;
    let daemon = site.start();
    let start = Instant::now();
    daemon.wait_live().await;
    let peak = peak(&daemon);
    println!("{} MB at the peak, {:.1} s", peak >> 20, start.elapsed().as_secs_f64());
    assert!(peak < MOST_OF_LARGE_ENTRIES, "{} MB", peak >> 20);
    daemon.stop().await;
}
