//! Ways to connect and to say who we are.

use std::net::TcpListener;

use dirherald::{
    connector::{
        Disposition,
        settings::{Bind, ConnectorSettings, TlsSettings},
    },
    directory::dn::Dn,
};

use super::following::{
    Following, client_certificate, connector, scripted_settings, server, settings, simple, trusting,
};
use crate::support::{
    ber,
    proxy::Proxy,
    recording::Side,
    scripted_ldap::{Operation, Script, ScriptedLdap, Step, exchange},
    slapd::{Setup, Slapd},
};

async fn follows(settings: ConnectorSettings) {
    let mut following = Following::start(settings);
    let refresh = following.refresh().await;
    assert!(refresh.complete && refresh.images.len() > 20, "{}", refresh.images.len());
    following.stop().await;
}

#[tokio::test]
async fn ldap_in_the_clear() {
    let slapd = Setup::company().start();
    follows(settings(&slapd)).await;
}

#[tokio::test]
async fn ldaps() {
    let slapd = Setup::company().start();
    let urls = vec![server(&slapd.ldaps_url())];
    follows(ConnectorSettings { urls, tls: trusting(&slapd), ..settings(&slapd) }).await;
}

#[tokio::test]
async fn ldaps_to_an_address() {
    let slapd = Setup::company().start();
    let urls = vec![server(&slapd.ldaps_url().replace("localhost", "127.0.0.1"))];
    follows(ConnectorSettings { urls, tls: trusting(&slapd), ..settings(&slapd) }).await;
}

#[tokio::test]
async fn start_tls() {
    let slapd = Setup::company().start();
    let tls = TlsSettings { start_tls: true, ..trusting(&slapd) };
    follows(ConnectorSettings { tls, ..settings(&slapd) }).await;
}

#[tokio::test]
async fn ldapi_with_external() {
    let slapd = Setup::company().start();
    let urls = vec![server(&slapd.ldapi_url())];
    follows(ConnectorSettings { urls, bind: Bind::External, ..settings(&slapd) }).await;
}

#[tokio::test]
async fn a_client_certificate_with_external() {
    let slapd = Setup::company().start();
    let urls = vec![server(&slapd.ldaps_url())];
    let tls = TlsSettings { client: Some(client_certificate(&slapd)), ..trusting(&slapd) };
    follows(ConnectorSettings { urls, tls, bind: Bind::External, ..settings(&slapd) }).await;
}

#[tokio::test]
async fn anonymous() {
    let slapd = Setup::company().start();
    follows(ConnectorSettings { bind: Bind::Anonymous, ..settings(&slapd) }).await;
}

#[tokio::test]
async fn a_dead_server_makes_room_for_the_next() {
    let slapd = Setup::company().start();
    let mut settings = settings(&slapd);
    settings.urls.insert(0, server("ldap://127.0.0.1:1"));
    let mut following = Following::start(settings);
    assert_eq!(following.connected().await.0, slapd.url());
    assert!(following.refresh().await.complete);
    following.stop().await;
}

#[tokio::test]
async fn all_servers_dead_is_told_of_each() {
    let slapd = Setup::company().start();
    let urls = ["ldap://127.0.0.1:1", "ldap://[::1]:1"].map(server).into();
    let mut following = Following::start(ConnectorSettings { urls, ..settings(&slapd) });
    let failure = following.failure().await;
    assert_eq!(failure.disposition, Disposition::Reconnect);
    assert!(failure.error.contains("ldap://127.0.0.1:1: could not connect"), "{}", failure.error);
    assert!(failure.error.contains("ldap://[::1]:1: could not connect"), "{}", failure.error);
    following.stop().await;
}

#[tokio::test]
async fn m22_a_wrong_password_is_retried_slowly_and_not_shown() {
    let slapd = Setup::company().start();
    let mut settings = settings(&slapd);
    settings.bind = simple(&slapd.service_dn(), "not-the-password");
    settings.urls.push(server(&slapd.ldaps_url()));
    let mut following = Following::start(settings);
    let failure = following.failure().await;
    assert!(matches!(failure.disposition, Disposition::RetrySlowly { .. }), "{failure:?}");
    assert!(failure.error.contains("49 invalidCredentials") && failure.error.contains(&slapd.url()));
    assert!(
        !failure.error.contains("not-the-password") && !failure.error.contains("ldaps"),
        "{}",
        failure.error
    );
    following.failure().await;
    following.stop().await;
}

async fn is_refused(settings: ConnectorSettings, because: &str) {
    let mut following = Following::start(settings);
    let failure = following.failure().await;
    assert!(failure.error.contains(because), "{}", failure.error);
    assert!(matches!(failure.disposition, Disposition::RetrySlowly { .. }), "{failure:?}");
    following.stop().await;
}

/// The kinds and lengths of the TLS records (RFC 8446, section 5.1) that a client sent, after StartTLS if there
/// was one.
fn records(mut bytes: &[u8]) -> Vec<(u8, usize)> {
    if bytes.first() == Some(&0x30) {
        let (_, _, rest) = ber::split(bytes).expect("the whole request for StartTLS");
        bytes = rest;
    }
    let mut records = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        records.push((*kind, length));
        bytes = rest.get(length..).unwrap_or_default();
    }
    records
}

const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// An alert of two bytes, its kind, and what protects them.
const ENCRYPTED_ALERT: usize = 2 + 1 + 16;

/// A real server whose certificate is not to be trusted, with a proxy that sees every byte before it.
async fn hears_nothing_secret(slapd: &Slapd, trusts: &Slapd, host: &str) {
    for start_tls in [false, true] {
        let (scheme, port) = if start_tls { ("ldap", 0) } else { ("ldaps", 1) };
        let mut address = slapd.address();
        address.set_port(address.port() + port);
        let proxy = Proxy::start(address).await;
        let url = proxy.url().replace("ldap://127.0.0.1", &format!("{scheme}://{host}"));
        let urls = vec![server(&url)];
        let tls = TlsSettings { start_tls, ..trusting(trusts) };
        let mut settings = ConnectorSettings { urls, tls, ..settings(slapd) };
        is_refused(settings.clone(), "TLS failed").await;
        let sent = proxy.bytes(0, Side::Client);
        let records = records(&sent);
        assert_eq!(records.first().map(|(kind, _)| *kind), Some(HANDSHAKE), "{records:?}");
        let protected = records.iter().filter(|(kind, _)| *kind == APPLICATION_DATA);
        assert!(protected.clone().all(|(_, length)| *length <= ENCRYPTED_ALERT), "{records:?}");
        assert!(protected.count() <= 1, "{records:?}");
        let hides = |secret: &str| !sent.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(hides(Slapd::SERVICE_PASSWORD) && hides(&slapd.service_dn()), "start_tls: {start_tls}");
        // The same way with a certificate that is right: there the bind goes out.
        if host == "localhost" {
            settings.tls = TlsSettings { start_tls, ..trusting(slapd) };
            let connection = proxy.connections();
            follows(settings).await;
            let records = self::records(&proxy.bytes(connection, Side::Client));
            assert!(
                records.iter().any(|(kind, length)| *kind == APPLICATION_DATA && *length > 60),
                "{records:?}"
            );
        }
    }
}

#[tokio::test]
async fn m20_a_certificate_of_another_authority_is_refused_and_no_credentials_are_sent() {
    let (slapd, other) = (Setup::company().start(), Setup::company().start());
    hears_nothing_secret(&slapd, &other, "localhost").await;
}

#[tokio::test]
async fn m20_a_certificate_for_another_host_is_refused_and_no_credentials_are_sent() {
    let slapd = Setup::company().server_names(&["ldap.harbour-vale.example"]).start();
    hears_nothing_secret(&slapd, &slapd, "127.0.0.1").await;
}

#[tokio::test]
async fn m20_a_stripped_starttls_is_refused_and_no_credentials_are_sent() {
    let slapd = Setup::company().start();
    let success = || ber::extended_response(0, "", None, None);
    let expect = || Step::expect(Operation::Extended);
    let refusal = ber::extended_response(2, "unsupported extended operation", None, None);
    // What is injected behind the answer must not pass for what came over TLS.
    let injected = [ber::message(1, success()), ber::message(2, ber::bind_response(0, ""))].concat();
    let cases: Vec<(Script, &str)> = vec![
        (vec![expect(), Step::answer(refusal), Step::Hold], "refuses StartTLS: 2 protocolError"),
        (vec![expect(), Step::Close], "StartTLS request"),
        (
            vec![expect(), Step::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Step::Hold],
            "answer to StartTLS",
        ),
        (vec![expect(), Step::answer(ber::bind_response(0, "")), Step::Hold], "answer to StartTLS"),
        (vec![expect(), Step::Send(injected), Step::Hold], "TLS failed"),
        (
            vec![
                expect(),
                Step::answer(success()),
                Step::Send(ber::message(2, ber::bind_response(0, ""))),
                Step::Hold,
            ],
            "TLS failed",
        ),
    ];
    for (script, words) in cases {
        let said = format!("{script:?}");
        let stripped = ScriptedLdap::start([script]).await;
        let tls = TlsSettings { start_tls: true, ..trusting(&slapd) };
        let urls = vec![server(&stripped.url())];
        let mut following = Following::start(ConnectorSettings { urls, tls, ..settings(&slapd) });
        let failure = following.failure().await;
        assert!(failure.error.contains(words), "{said}: {}", failure.error);
        following.stop().await;
        let received = stripped.received();
        assert!(
            received.iter().all(|message| message.tag == Operation::Extended as u8),
            "{said}: {received:?}"
        );
    }
}

#[tokio::test]
async fn m21_a_referral_is_not_followed_wherever_it_comes() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("ldap://{}/dc=x", elsewhere.local_addr().unwrap());
    let referral = ber::tlv(0xa3, &ber::octets(&url));
    let referred = |tag| {
        ber::tlv(tag, &[ber::enumerated(10), ber::octets(""), ber::octets(""), referral.clone()].concat())
    };
    let welcome = exchange::welcome("dc=x");
    let bind = vec![Step::expect(Operation::Bind), Step::answer(referred(0x61)), Step::Hold];
    // After bind and who am I: the root DSE, the base, the search itself.
    let to_search =
        |before: usize| [&welcome[..=before], &[Step::answer(referred(0x65)), Step::Hold]].concat();
    let reference = [&welcome[..], &[Step::answer(ber::reference(&[&url])), Step::Hold]].concat();
    let base = to_search(7);
    let search = to_search(welcome.len() - 1);
    for (script, words) in [
        (bind, "refuses the bind: 10 referral"),
        (base, "referrals are not followed"),
        (search, "referrals are not followed"),
        (reference, "referrals are not followed"),
    ] {
        let scripted = ScriptedLdap::start([script]).await;
        let mut following = Following::start(scripted_settings(&scripted));
        let failure = following.failure().await;
        assert!(failure.error.contains(words), "{}", failure.error);
        assert!(!failure.so_far.complete && failure.so_far.images.is_empty());
        following.stop().await;
    }
    let answered = [
        exchange::bind(),
        exchange::who_am_i(""),
        vec![Step::expect(Operation::Search), Step::answer(referred(0x65)), Step::Hold],
    ];
    let scripted = ScriptedLdap::start([answered.concat()]).await;
    let mut lookup = connector(scripted_settings(&scripted)).lookup();
    assert_eq!(lookup.entry(&Dn::parse("cn=a,dc=x").unwrap()).await.unwrap(), None);
    assert!(elsewhere.accept().is_err(), "nobody went there");
}

#[tokio::test]
async fn a_missing_authority_file_is_named() {
    let slapd = Setup::company().start();
    let urls = vec![server(&slapd.ldaps_url())];
    let tls = TlsSettings { ca_file: Some("/nowhere/ca.pem".into()), ..TlsSettings::default() };
    is_refused(ConnectorSettings { urls, tls, ..settings(&slapd) }, "could not use /nowhere/ca.pem").await;
}

#[tokio::test]
async fn m25_an_unreadable_base_stops_with_advice() {
    let slapd = Setup::company().start();
    let mut settings = settings(&slapd);
    settings.base_dn = Dn::parse(&slapd.dn("ou=nowhere")).unwrap();
    let mut following = Following::start(settings);
    let failure = following.failure().await;
    assert!(failure.so_far.images.is_empty() && !failure.so_far.complete);
    let Disposition::Stop { advice } = &failure.disposition else { panic!("{failure:?}") };
    assert!(advice.contains("ou=nowhere"), "{advice}");
    assert!(following.ended().await.is_err());
}

#[tokio::test]
async fn m25_a_base_hidden_from_the_account_stops_with_advice() {
    let slapd =
        Setup::company().access("to * by dn.base=\"cn=nobody\" read by anonymous auth by * none").start();
    let mut following = Following::start(settings(&slapd));
    let failure = following.failure().await;
    assert!(matches!(failure.disposition, Disposition::Stop { .. }), "{failure:?}");
}
