//! The test servers themselves: what the other tests take for granted.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    ber, certificates,
    ldap::{Change, Ldap},
    scripted_ldap::{Operation, Received, ScriptedLdap, Step},
    slapd::{COMPANY, NOBODY, Overlay, ServiceLimit, Setup, Slapd, process_state},
    wait,
};

#[tokio::test]
async fn two_servers_hold_the_same_company_and_change_apart() {
    let (one, other) = (Setup::company().start(), Setup::company().start());
    assert_ne!(one.url(), other.url());
    let (at_one, at_other) = (Ldap::admin(&one).await, Ldap::admin(&other).await);
    at_one.delete("uid=mei,ou=people").await;
    assert_eq!(at_one.values("uid=mei,ou=people", "cn").await, None);
    assert_eq!(at_other.values("uid=mei,ou=people", "cn").await, Some(vec!["Mei Chen".to_owned()]));
}

#[test]
fn nothing_is_left_of_a_server_that_is_dropped() {
    let slapd = Setup::company().start();
    let (pid, dir) = (slapd.pid(), slapd.dir().to_owned());
    assert!(is_alive(pid) && dir.exists());
    drop(slapd);
    assert!(!is_alive(pid), "the process is gone");
    assert!(!dir.exists(), "the directory is gone");
}

#[test]
fn nothing_is_left_of_a_frozen_server_when_its_test_panics() {
    let slapd = Setup::company().start();
    let pid = slapd.pid();
    slapd.freeze();
    let test = std::thread::spawn(move || {
        let _slapd = slapd;
        panic!("this panic is part of the test");
    });
    assert!(test.join().is_err());
    assert!(!is_alive(pid));
}

/// Plays both parts: started by itself with [`HOLD`] set, it is the process that gets killed.
#[test]
fn a_server_dies_with_the_process_that_started_it() {
    const HOLD: &str = "DIRHERALD_TEST_HOLD";
    if std::env::var_os(HOLD).is_some() {
        let slapd = Setup::company().start();
        println!("\npid {}", slapd.pid());
        loop {
            std::thread::park();
        }
    }
    let left_behind = tempfile::tempdir().expect("a directory");
    let mut process = Command::new(std::env::current_exe().expect("our own path"))
        .args(["--exact", "--nocapture", "rig::a_server_dies_with_the_process_that_started_it"])
        .env(HOLD, "1")
        .env("TMPDIR", left_behind.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starting ourselves");
    let mut lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
    let pid = lines.find_map(|line| line.expect("its output").strip_prefix("pid ")?.parse().ok());
    let pid = pid.expect("it started a server");
    assert!(is_alive(pid));
    process.kill().expect("killing it");
    process.wait().expect("waiting for it");
    wait::until("the server dies", || (!is_alive(pid)).then_some(()));
}

fn is_alive(pid: u32) -> bool {
    !matches!(process_state(pid), None | Some('Z'))
}

#[tokio::test]
async fn a_frozen_server_answers_nothing_and_goes_on_when_thawed() {
    let slapd = Setup::company().start();
    let ldap = Ldap::admin(&slapd).await;
    slapd.freeze();
    let limit = Duration::from_millis(200);
    assert!(timeout(limit, ldap.values("uid=mei,ou=people", "cn")).await.is_err());
    slapd.thaw();
    assert!(ldap.values("uid=mei,ou=people", "cn").await.is_some());
}

#[tokio::test]
async fn a_restart_keeps_port_and_data_however_the_server_ended() {
    let mut slapd = Setup::company().start();
    let url = slapd.url();
    Ldap::admin(&slapd).await.add_person("uid=new,ou=people", "New Person", "new@harbour-vale.example").await;
    slapd.restart();
    Ldap::admin(&slapd).await.set_manager("uid=new,ou=people", "uid=mei,ou=people").await;
    slapd.kill();
    slapd.start_again();
    let manager = Ldap::admin(&slapd).await.values("uid=new,ou=people", "manager").await;
    assert_eq!(manager, Some(vec![slapd.dn("uid=mei,ou=people")]));
    assert_eq!(slapd.url(), url);
}

#[tokio::test]
async fn a_restored_server_knows_nothing_of_what_came_after() {
    let mut slapd = Setup::company().start();
    slapd.stop();
    slapd.save();
    slapd.start_again();
    Ldap::admin(&slapd).await.delete("uid=mei,ou=people").await;
    slapd.stop();
    slapd.restore();
    slapd.start_again();
    assert!(Ldap::admin(&slapd).await.values("uid=mei,ou=people", "cn").await.is_some());
}

#[tokio::test]
async fn people_may_change_what_their_roles_allow() {
    const INSUFFICIENT_ACCESS: u32 = 50;
    let slapd = Setup::company().start();
    let check = async |person: &str, change: Change<'_>, expected: u32| {
        let code = Ldap::bind_as(&slapd, person).await.try_modify("cn=warehouse,ou=groups", &[change]).await;
        assert_eq!(code, expected, "{person}: {change:?}");
    };
    let newcomer = ["uid=wanjiru,ou=people"];
    let add = Change::Add("member", &newcomer);
    check("uid=mei,ou=people", add, INSUFFICIENT_ACCESS).await;
    check("cn=dirherald,ou=services", add, INSUFFICIENT_ACCESS).await;
    check("uid=ravi,ou=people", add, 0).await;
    check("uid=ravi,ou=people", Change::Replace("owner", &newcomer), INSUFFICIENT_ACCESS).await;
    check("uid=lena,ou=people", Change::Replace("owner", &newcomer), 0).await;
    check("uid=ibrahim,ou=people", Change::Replace("description", &["crew"]), 0).await;
    check("uid=kenji,ou=people", Change::Delete("member", &newcomer), 0).await;
    check("cn=provisioning,ou=services", Change::Delete("description", &[]), 0).await;
}

#[tokio::test]
async fn refint_and_memberof_carry_a_rename_where_they_are_on_and_not_elsewhere() {
    let check = async |setup: Setup, name_afterwards: &str| {
        let slapd = setup.start();
        let ldap = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;
        ldap.add_group("cn=pair,ou=groups", &["uid=ravi,ou=people"], &["uid=mei,ou=people"]).await;
        ldap.rename("uid=mei,ou=people", "uid=mei-lin").await;
        wait::until_async("the group follows", async || {
            let members = ldap.values("cn=pair,ou=groups", "member").await;
            (members == Some(vec![slapd.dn(name_afterwards)])).then_some(())
        })
        .await;
    };
    check(Setup::company(), "uid=mei,ou=people").await;
    check(Setup::company().with(Overlay::Refint), "uid=mei-lin,ou=people").await;
    check(Setup::company().with(Overlay::MemberOf), "uid=mei-lin,ou=people").await;
    check(Setup::company().with(Overlay::Refint).with(Overlay::MemberOf), "uid=mei-lin,ou=people").await;
}

#[tokio::test]
async fn refint_leaves_the_dummy_member_in_a_group_that_would_be_empty() {
    let slapd = Setup::company().with(Overlay::Refint).session_log(100).start();
    let ldap = Ldap::admin(&slapd).await;
    ldap.add_group("cn=single,ou=groups", &[], &["uid=mei,ou=people"]).await;
    ldap.delete("uid=mei,ou=people").await;
    wait::until_async("refint cleans the group", async || {
        let members = ldap.values("cn=single,ou=groups", "member").await;
        (members == Some(vec![slapd.dn(NOBODY)])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn changes_arrive_as_they_were_asked_for() {
    let slapd = Setup::company().start();
    let ldap = Ldap::bind_as(&slapd, "uid=ibrahim,ou=people").await;
    let id = ldap.id("uid=finn,ou=people").await;
    ldap.move_below("uid=finn,ou=people", "ou=contractors,ou=people").await;
    assert_eq!(ldap.id("uid=finn,ou=contractors,ou=people").await, id);
    ldap.add_member("cn=vpn-users,ou=groups", "uid=finn,ou=contractors,ou=people").await;
    ldap.remove_member("cn=vpn-users,ou=groups", "uid=maren,ou=people").await;
    ldap.set_owners("cn=sales,ou=groups", &["uid=aroha,ou=people", "cn=it,ou=groups"]).await;
    ldap.replace("uid=mei,ou=people", "title", &["Chief dispatcher"]).await;
    let values =
        async |dn: &str, attribute: &str| ldap.values(dn, attribute).await.expect("the entry is there");
    let members = values("cn=vpn-users,ou=groups", "member").await;
    assert!(members.contains(&slapd.dn("uid=finn,ou=contractors,ou=people")), "{members:?}");
    assert!(!members.contains(&slapd.dn("uid=maren,ou=people")), "{members:?}");
    assert_eq!(
        values("cn=sales,ou=groups", "owner").await,
        [slapd.dn("uid=aroha,ou=people"), slapd.dn("cn=it,ou=groups")]
    );
    assert_eq!(values("uid=mei,ou=people", "title").await, ["Chief dispatcher"]);
    assert_eq!(values("uid=mei,ou=people", "modifiersName").await, [slapd.dn("uid=ibrahim,ou=people")]);
}

#[tokio::test]
async fn the_service_account_is_limited_as_the_setup_says_and_config_changes_it_live() {
    let slapd = Setup::company().service_limit(ServiceLimit::Entries(7)).start();
    let database = "olcDatabase={1}mdb,cn=config";
    let limits = |size: &str| format!("dn.exact=\"{}\" size={size} time=unlimited", slapd.service_dn());
    let config = Ldap::config(&slapd).await;
    let [before] = &config.values(database, "olcLimits").await.expect("the database")[..] else {
        panic!("one limit");
    };
    assert!(before.contains(" size=7 "), "{before}");
    assert_eq!(entries_for_the_service_account(&slapd).await, (7, SIZE_LIMIT_EXCEEDED));
    config.replace(database, "olcLimits", &[&limits("unlimited")]).await;
    let (all, code) = entries_for_the_service_account(&slapd).await;
    assert!(all > 30 && code == 0, "{all} entries, result {code}");
}

#[tokio::test]
async fn an_own_tree_with_own_rules_and_the_server_s_default_limit() {
    let ldif = "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: x\n\n\
        dn: ou=services,dc=example,dc=org\nobjectClass: organizationalUnit\nou: services\n\n\
        dn: cn=dirherald,ou=services,dc=example,dc=org\nobjectClass: applicationProcess\n\
        objectClass: simpleSecurityObject\ncn: dirherald\nuserPassword: demo-only\n";
    let setup = Setup::seeded("dc=example,dc=org", ldif)
        .service_limit(ServiceLimit::ServerDefault)
        .access("to dn.subtree=\"ou=services,dc=example,dc=org\" by anonymous auth by * none")
        .max_size(64 << 20);
    let slapd = setup.clone().start();
    assert_eq!(entries_for_the_service_account(&slapd).await, (1, 0));
    let filled = setup.start_with(|out| {
        out.write_all(ldif.as_bytes())?;
        (0..600).try_for_each(|n| {
            write!(out, "\ndn: ou=u{n},dc=example,dc=org\nobjectClass: organizationalUnit\nou: u{n}\n")
        })
    });
    assert_eq!(entries_for_the_service_account(&filled).await, (500, SIZE_LIMIT_EXCEEDED));
    assert_eq!(filled.base(), "dc=example,dc=org");
    assert_eq!(filled.log(), "", "a healthy server has nothing to say");
}

const SIZE_LIMIT_EXCEEDED: u32 = 4;

/// How many entries a search of everything gives, and with which result code.
async fn entries_for_the_service_account(slapd: &Slapd) -> (usize, u32) {
    let ldap = Ldap::bind(&slapd.url(), slapd.base(), &slapd.service_dn(), Slapd::SERVICE_PASSWORD).await;
    ldap.count().await
}

#[test]
fn tls_and_the_socket_make_the_service_account_of_whoever_shows_certificate_or_user() {
    let slapd = Setup::company().start();
    let who_am_i = |url: &str, ca: &Path| {
        // OpenLDAP's client takes "localhost" for the machine's own name.
        let url = url.replace("localhost", "127.0.0.1");
        let output = Command::new("ldapwhoami")
            .args(["-Q", "-Y", "EXTERNAL", "-H", &url])
            .env("LDAPTLS_CACERT", ca)
            .env("LDAPTLS_CERT", slapd.client_cert_file())
            .env("LDAPTLS_KEY", slapd.client_key_file())
            .output()
            .expect("ldapwhoami, of the package ldap-utils");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let expected = format!("dn:{}", slapd.service_dn());
    assert_eq!(who_am_i(&slapd.ldaps_url(), &slapd.ca_file()), expected);
    assert_eq!(who_am_i(&slapd.ldapi_url(), &slapd.ca_file()), expected);

    let stranger = tempfile::tempdir().expect("a directory");
    certificates::write(stranger.path(), &["localhost", "127.0.0.1"]);
    assert_eq!(who_am_i(&slapd.ldaps_url(), &stranger.path().join("ca.pem")), "", "another authority");
    let elsewhere = Setup::company().server_names(&["elsewhere.example"]).start();
    assert_eq!(who_am_i(&elsewhere.ldaps_url(), &elsewhere.ca_file()), "", "another host's certificate");
}

#[test]
fn the_company_is_what_the_other_tests_take_it_for() {
    let slapd = Setup::company().start();
    assert_eq!(slapd.base(), COMPANY);
    assert_eq!(slapd.dn("uid=mei,ou=people"), format!("uid=mei,ou=people,{COMPANY}"));
    assert_eq!(slapd.dn(&slapd.admin_dn()), slapd.admin_dn());
    assert_eq!(slapd.url(), format!("ldap://{}", slapd.address()));
}

#[tokio::test]
async fn a_scripted_server_plays_its_part_and_keeps_what_it_heard() {
    let cookie = ber::control("1.3.6.1.4.1.4203.1.9.1.3", false, Some(b"cookie"));
    let server = ScriptedLdap::start([
        vec![
            Step::expect_with(Operation::Bind, "cn=me"),
            Step::Wait,
            Step::answer(ber::bind_response(0, "welcome")),
            Step::expect(Operation::Search),
            Step::answer(ber::entry("cn=a", &[("cn", &["a", "b"])])),
            Step::answer(ber::reference(&["ldap://elsewhere.example"])),
            Step::answer(ber::intermediate(Some("1.3.6.1.4.1.4203.1.9.1.4"), Some(b"info"))),
            Step::AnswerWithControls(ber::search_done(0, ""), vec![cookie.clone()]),
            Step::expect(Operation::Abandon),
            Step::expect(Operation::Unbind),
            Step::Hold,
        ],
        vec![
            Step::Send(ber::message(0, ber::extended_response(52, "bye", Some("1.2"), Some(b"v")))),
            Step::Close,
        ],
    ])
    .await;
    let address = server.url().strip_prefix("ldap://").expect("in the clear").to_owned();
    let mut client = TcpStream::connect(&address).await.expect("connecting");
    let bind = ber::tlv(0x60, &[ber::integer(3), ber::octets("cn=me"), ber::tlv(0x80, b"pw")].concat());
    let message = ber::message(1, bind.clone());
    let (half, rest) = message.split_at(9);
    client.write_all(half).await.expect("sending");
    client.write_all(rest).await.expect("sending");
    server.go_on();
    read_exactly(&mut client, &ber::message(1, ber::bind_response(0, "welcome"))).await;

    let search = ber::tlv(0x63, &ber::octets("dc=example"));
    client.write_all(&ber::message(300, search)).await.expect("sending");
    let expected = [
        ber::message(300, ber::entry("cn=a", &[("cn", &["a", "b"])])),
        ber::message(300, ber::reference(&["ldap://elsewhere.example"])),
        ber::message(300, ber::intermediate(Some("1.3.6.1.4.1.4203.1.9.1.4"), Some(b"info"))),
        ber::message_with_controls(300, ber::search_done(0, ""), &[cookie]),
    ];
    read_exactly(&mut client, &expected.concat()).await;
    client.write_all(&ber::message(301, ber::tlv(0x50, &[1, 44]))).await.expect("sending");
    client.write_all(&ber::message(302, ber::tlv(0x42, b""))).await.expect("sending");
    drop(client);

    let mut second = TcpStream::connect(&address).await.expect("connecting again");
    let notice = ber::message(0, ber::extended_response(52, "bye", Some("1.2"), Some(b"v")));
    read_exactly(&mut second, &notice).await;
    assert_eq!(second.read(&mut [0]).await.expect("reading"), 0, "the server closed");
    server.finished(2).await;
    let received = server.received();
    assert_eq!(received[0], Received { connection: 0, id: 1, tag: 0x60, bytes: bind });
    assert_eq!((received[1].id, received[1].tag), (300, Operation::Search as u8));
    assert_eq!(received.len(), 4);
}

#[tokio::test]
#[should_panic(expected = "the client left the script")]
async fn a_client_that_leaves_the_script_fails_the_test() {
    let server = ScriptedLdap::start([vec![Step::expect(Operation::Extended)]]).await;
    let address = server.url().strip_prefix("ldap://").expect("in the clear").to_owned();
    let mut client = TcpStream::connect(address).await.expect("connecting");
    client.write_all(&ber::message(1, ber::tlv(0x42, b""))).await.expect("sending");
    server.finished(1).await;
}

async fn read_exactly(client: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    timeout(wait::PATIENCE, client.read_exact(&mut bytes)).await.expect("in time").expect("reading");
    assert_eq!(bytes, expected);
}
