//! Exchanges with a real slapd, recorded and played again.
//!
//! `make record` writes them to `fixtures/recorded`; without it the tests record for themselves.

use std::{fmt::Write, fs, path::Path};

use dirherald::{connector::settings::ConnectorSettings, directory::batch::Reading};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::following::{Following, Refresh, Stored, connector, server, settings};
use crate::support::{
    ber,
    ldap::Ldap,
    proxy::Proxy,
    recording::Recording,
    scripted_ldap::{ScriptedLdap, Step, exchange},
    slapd::{Setup, Slapd},
};

const MEI: &str = "uid=mei,ou=people";
const TEAM: &str = "cn=team,ou=groups";

/// The service account, two people and a group.
fn small() -> Setup {
    let mut ldif = String::new();
    let mut add = |dn: &str, attributes: &[&str]| {
        write!(ldif, "dn: {dn}dc=example,dc=com\n{}\n\n", attributes.join("\n")).unwrap();
    };
    let unit = "objectClass: organizationalUnit";
    add("", &["objectClass: dcObject", "objectClass: organization", "dc: example", "o: Example"]);
    add("ou=services,", &[unit, "ou: services"]);
    add(
        "cn=dirherald,ou=services,",
        &[
            "objectClass: organizationalRole",
            "objectClass: simpleSecurityObject",
            "cn: dirherald",
            &format!("userPassword: {}", Slapd::SERVICE_PASSWORD),
        ],
    );
    add("ou=people,", &[unit, "ou: people"]);
    add("ou=groups,", &[unit, "ou: groups"]);
    for (name, family) in [("mei", "Chen"), ("finn", "Olsen")] {
        let dn = format!("uid={name},ou=people,");
        let names = [format!("uid: {name}"), format!("cn: {name} {family}"), format!("sn: {family}")];
        add(&dn, &["objectClass: inetOrgPerson", &names[0], &names[1], &names[2]]);
    }
    Setup::seeded("dc=example,dc=com", &ldif)
}

/// What a connector makes of one connection; compared as text.
#[derive(Debug)]
#[expect(dead_code, reason = "read by its Debug")]
struct Seen {
    refresh: Refresh,
    live: Vec<Reading>,
}

/// What the daemon does with its connection: reads everything, then follows an add, a change, a rename and a
/// deletion.
async fn first_reading(slapd: &Slapd) -> (Recording, Seen, Stored) {
    let (proxy, mut following) = through_a_proxy(slapd, Stored::default()).await;
    let refresh = following.refresh().await;
    let admin = Ldap::admin(slapd).await;
    let mut live = Vec::new();
    let members = [slapd.dn(MEI)];
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    admin.add(TEAM, &[("objectClass", &["groupOfNames"]), ("cn", &["team"]), ("member", &members)]).await;
    live.push(following.reading().await);
    admin.add_member(TEAM, "uid=finn,ou=people").await;
    live.push(following.reading().await);
    admin.rename(TEAM, "cn=crew").await;
    live.push(following.reading().await);
    admin.delete("cn=crew,ou=groups").await;
    live.push(following.reading().await);
    let stored = following.stop().await;
    let title = "slapd: a first reading; then an entry is added, changed, renamed and deleted";
    (proxy.recorded(0, title), Seen { refresh, live }, stored)
}

/// The same after some time.
async fn resumption(slapd: &Slapd, stored: Stored, title: &str) -> (Recording, Seen) {
    let admin = Ldap::admin(slapd).await;
    admin.replace(MEI, "mail", &["mei@example.com"]).await;
    admin.delete("uid=finn,ou=people").await;
    let (proxy, mut following) = through_a_proxy(slapd, stored).await;
    let refresh = following.refresh().await;
    following.stop().await;
    (proxy.recorded(0, title), Seen { refresh, live: Vec::new() })
}

async fn through_a_proxy(slapd: &Slapd, stored: Stored) -> (Proxy, Following) {
    let proxy = Proxy::start(slapd.address()).await;
    let settings = ConnectorSettings { urls: vec![server(&proxy.url())], ..settings(slapd) };
    (proxy, Following::start_with(connector(settings), stored))
}

/// Where the real server was, a scripted one plays the recording.
async fn is_seen_again(slapd: &Slapd, recording: &Recording, stored: Stored, seen: &Seen) {
    let script = [exchange::script_of(recording), vec![Step::Hold]].concat();
    let scripted = ScriptedLdap::start([script]).await;
    let settings = ConnectorSettings { urls: vec![server(&scripted.url())], ..settings(slapd) };
    let mut following = Following::start_with(connector(settings), stored);
    let refresh = following.refresh().await;
    let mut live = Vec::new();
    while live.len() < seen.live.len() {
        live.extend(following.live().await.readings);
    }
    assert_eq!(format!("{:?}", Seen { refresh, live }), format!("{seen:?}"));
    following.stop().await;
    scripted.finished(1).await;
}

fn keep(name: &str, recording: &Recording) {
    let text = recording.render();
    assert_eq!(&Recording::parse(&text), recording, "what is written is what is read");
    assert!(!text.contains(Slapd::SERVICE_PASSWORD), "passwords are not recorded");
    if std::env::var_os("DIRHERALD_RECORD").is_none() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recorded");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.ldap")), text).unwrap();
}

#[tokio::test]
async fn recorded_exchanges_with_a_real_server_can_be_played_again() {
    for (setup, kind) in [(small(), "present"), (small().session_log(100), "delete")] {
        let slapd = setup.start();
        let (recording, seen, stored) = first_reading(&slapd).await;
        keep("slapd-first-reading", &recording);
        is_seen_again(&slapd, &recording, Stored::default(), &seen).await;
        let before = Stored::default();
        before.set(stored.now());
        let title =
            format!("slapd: resumed with a cookie after a change and a deletion, with a {kind} phase");
        let (recording, seen) = resumption(&slapd, stored, &title).await;
        keep(&format!("slapd-resumed-with-a-{kind}-phase"), &recording);
        is_seen_again(&slapd, &recording, before, &seen).await;
    }
}

/// Sends a search with the control for simple paged results and gives the names found and the next cookie.
async fn page(stream: &mut TcpStream, id: i64, cookie: &str) -> (usize, Vec<u8>) {
    let value = ber::sequence(&[ber::integer(2), ber::octets(cookie)]);
    let control = ber::control(exchange::PAGED_RESULTS, true, Some(&value));
    let search = ber::tlv(0x63, &ber::octets("dc=x"));
    stream.write_all(&ber::message_with_controls(id, search, &[control])).await.unwrap();
    let mut received = Vec::new();
    let mut entries = 0;
    loop {
        let Some((_, message, rest)) = ber::split(&received) else {
            assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0);
            continue;
        };
        let (_, answered, operation) = ber::split(message).unwrap();
        assert_eq!(i64::from(answered[0]), id);
        let (tag, _, controls) = ber::split(operation).unwrap();
        if tag == 0x64 {
            entries += 1;
            received = rest.to_vec();
            continue;
        }
        let (0xa0, control, _) = ber::split(controls).unwrap() else { panic!("{controls:x?}") };
        let (_, control, _) = ber::split(control).unwrap();
        let (_, oid, value) = ber::split(control).unwrap();
        assert_eq!(oid, exchange::PAGED_RESULTS.as_bytes());
        let (_, value, _) = ber::split(value).unwrap();
        let (_, value, _) = ber::split(value).unwrap();
        let (_, _, cookie) = ber::split(value).unwrap();
        return (entries, ber::split(cookie).unwrap().1.to_vec());
    }
}

#[tokio::test]
async fn a_script_serves_pages() {
    let entry = |name: &str| ber::entry(name, &[("cn", &["a"])]);
    let pages = [
        exchange::page([entry("cn=a,dc=x"), entry("cn=b,dc=x")], "more"),
        exchange::page([entry("cn=c,dc=x")], ""),
    ];
    let server = ScriptedLdap::start([pages.concat()]).await;
    let mut stream = TcpStream::connect(server.url().trim_start_matches("ldap://")).await.unwrap();
    assert_eq!(page(&mut stream, 7, "").await, (2, b"more".to_vec()));
    assert_eq!(page(&mut stream, 8, "more").await, (1, vec![]));
    server.finished(1).await;
}
