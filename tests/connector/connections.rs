//! Ways to connect and to say who we are.

use dirherald::{
    connector::{
        Disposition,
        settings::{Bind, ConnectorSettings, TlsSettings},
    },
    directory::dn::Dn,
};

use super::following::{Following, client_certificate, server, settings, simple, trusting};
use crate::support::{
    ber,
    scripted_ldap::{Operation, ScriptedLdap, Step},
    slapd::Setup,
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

#[tokio::test]
async fn m20_a_certificate_of_another_authority_is_refused() {
    let (slapd, other) = (Setup::company().start(), Setup::company().start());
    let urls = vec![server(&slapd.ldaps_url())];
    is_refused(ConnectorSettings { urls, tls: trusting(&other), ..settings(&slapd) }, "TLS failed").await;
    let tls = TlsSettings { start_tls: true, ..trusting(&other) };
    is_refused(ConnectorSettings { tls, ..settings(&slapd) }, "TLS failed").await;
}

#[tokio::test]
async fn m20_a_certificate_for_another_host_is_refused() {
    let slapd = Setup::company().server_names(&["ldap.harbour-vale.example"]).start();
    let urls = vec![server(&slapd.ldaps_url())];
    is_refused(ConnectorSettings { urls, tls: trusting(&slapd), ..settings(&slapd) }, "TLS failed").await;
}

#[tokio::test]
async fn m20_a_stripped_starttls_is_refused_and_no_credentials_are_sent() {
    let slapd = Setup::company().start();
    let refusal = ber::extended_response(2, "unsupported extended operation", None, None);
    let script = vec![Step::expect(Operation::Extended), Step::answer(refusal), Step::Hold];
    let stripped = ScriptedLdap::start([script]).await;
    let tls = TlsSettings { start_tls: true, ..trusting(&slapd) };
    let urls = vec![server(&stripped.url())];
    is_refused(ConnectorSettings { urls, tls, ..settings(&slapd) }, "refuses StartTLS: 2 protocolError")
        .await;
    let received = stripped.received();
    assert!(received.iter().all(|message| message.tag == Operation::Extended as u8), "{received:?}");
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
