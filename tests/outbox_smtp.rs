//! The mailer against a scripted mail server.

use std::{error::Error as _, path::PathBuf, sync::Arc, time::Duration};

use dirherald::{
    directory::mail_address::MailAddress,
    outbox::{
        mailer::{Fault as MailFault, MAX_CONNECTIONS, Mailer, MailerError, SendError, Step},
        settings::{Credentials, MailSettings, Mailbox, RetryPolicy, Security, SmtpSettings, Transport},
        state::FailureClass,
    },
};
use secrecy::SecretString;

use crate::support::smtp::{At, Fault, Protection, SmtpOptions, SmtpServer};

const ADA: &str = "ada@acme.example";
const BOB: &str = "bob@acme.example";
const PASSWORD: &str = "correct horse battery";
const LETTER: &[u8] =
    b"From: no-reply@acme.example\r\nTo: ada@acme.example\r\nMessage-ID: <1@acme.example>\r\n\r\n.dot\r\n..\r\nend\r\n";

fn address(text: &str) -> MailAddress {
    text.parse().expect("a mail address")
}

fn smtp_settings(server: &SmtpServer) -> SmtpSettings {
    SmtpSettings {
        server: "127.0.0.1".to_owned(),
        port: server.port(),
        security: Security::None,
        ca_file: None,
        credentials: None,
        timeout: Duration::from_secs(10),
    }
}

fn over(transport: Transport) -> MailSettings {
    MailSettings {
        from: Mailbox { name: Some("Directory".to_owned()), address: address("no-reply@acme.example") },
        envelope_from: Some(address("no-reply@acme.example")),
        reply_to: None,
        transport,
        retry: RetryPolicy {
            initial: Duration::from_secs(5),
            max: Duration::from_hours(1),
            give_up_after: Duration::from_hours(72),
        },
    }
}

fn mailer(smtp: SmtpSettings) -> Mailer {
    Mailer::new(&over(Transport::Smtp(smtp))).expect("a mailer")
}

fn login() -> Credentials {
    Credentials { username: "herald".to_owned(), password: SecretString::from(PASSWORD) }
}

async fn send(mailer: &Mailer, to: &str) -> Result<String, SendError> {
    mailer.send(&address(to), LETTER, "<1@acme.example>").await.map(|answer| answer.to_string())
}

fn sent(server: &SmtpServer, verb: &str) -> Vec<String> {
    server.commands().into_iter().filter(|line| line.starts_with(verb)).collect()
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_given() {
    let server = SmtpServer::start().await;
    let mailer = mailer(smtp_settings(&server));
    assert_eq!(send(&mailer, ADA).await.unwrap(), "250 2.0.0 queued");
    let mails = server.wait_for(1).await;
    assert_eq!(mails[0].from, "no-reply@acme.example");
    assert_eq!(mails[0].to, [ADA]);
    assert_eq!(mails[0].text().as_bytes(), LETTER);
    assert_eq!(mails[0].header("message-id").as_deref(), Some("<1@acme.example>"));
}

#[tokio::test]
async fn m15_the_null_sender() {
    let server = SmtpServer::start().await;
    let settings = MailSettings { envelope_from: None, ..over(Transport::Smtp(smtp_settings(&server))) };
    send(&Mailer::new(&settings).unwrap(), ADA).await.unwrap();
    assert_eq!(sent(&server, "MAIL"), ["MAIL FROM:<>"]);
    assert_eq!(server.mails()[0].from, "");
}

#[tokio::test]
async fn mails_share_one_connection() {
    let server = SmtpServer::start().await;
    let mailer = mailer(smtp_settings(&server));
    for _ in 0..5 {
        send(&mailer, ADA).await.unwrap();
    }
    assert_eq!(server.mails().len(), 5);
    assert_eq!(server.connections(), 1);
    mailer.close().await;
    assert_eq!(sent(&server, "QUIT"), ["QUIT"]);
    send(&mailer, ADA).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn many_at_once_take_few_connections() {
    let server = SmtpServer::start().await;
    let mailer = Arc::new(mailer(smtp_settings(&server)));
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let mailer = Arc::clone(&mailer);
            tokio::spawn(async move { send(&mailer, ADA).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(server.mails().len(), 40);
    assert!(server.connections() <= MAX_CONNECTIONS, "{}", server.connections());
}

#[tokio::test]
async fn m04_a_reply_says_what_becomes_of_the_message() {
    for at in [At::Mail, At::Rcpt, At::Data, At::Message] {
        for (line, class) in [
            ("451 4.3.0 try later", FailureClass::Transient),
            ("452 4.2.2 mailbox full", FailureClass::Transient),
            ("550 5.1.1 no such user", FailureClass::Permanent),
            ("571 5.7.1 not with that content", FailureClass::Permanent),
            ("421 4.3.2 closing down", FailureClass::Unreachable),
            ("535 5.7.8 the login has expired", FailureClass::Unreachable),
        ] {
            let server = SmtpServer::start().await;
            let mailer = mailer(smtp_settings(&server));
            server.script(Fault::at(at).answer(line));
            let error = send(&mailer, ADA).await.unwrap_err();
            assert_eq!(error.class(), class, "{line} at {at:?}");
            assert!(error.answer().to_string().ends_with(line), "{}", error.answer());
            assert!(server.mails().is_empty());
            // The next message goes through, over the same connection where the server left it open.
            server.clear_script();
            send(&mailer, BOB).await.unwrap();
            assert_eq!(server.mails()[0].to, [BOB]);
            let connections = if class == FailureClass::Unreachable { 2 } else { 1 };
            assert_eq!(server.connections(), connections, "{line} at {at:?}");
        }
    }
}

#[tokio::test]
async fn m04_one_bad_recipient_of_many() {
    let server = SmtpServer::start().await;
    let mailer = mailer(smtp_settings(&server));
    server.script(Fault::at(At::Rcpt).only_for(BOB).answer("550 5.1.1 no such user"));
    let mut refused = Vec::new();
    for to in [ADA, BOB, "eve@acme.example"] {
        if let Err(error) = send(&mailer, to).await {
            assert_eq!(error.class(), FailureClass::Permanent);
            refused.push(to);
        }
    }
    assert_eq!(refused, [BOB]);
    let told: Vec<_> = server.mails().into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(told, [ADA, "eve@acme.example"]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_let_us_in_fails_no_message() {
    for (at, line, step) in [
        (At::Connect, "554 5.7.1 go away", Step::Greeting),
        (At::Connect, "421 4.3.2 too busy", Step::Greeting),
        (At::Connect, "HTTP/1.1 400 Bad Request", Step::Greeting),
        (At::Ehlo, "550 5.7.1 I do not know you", Step::Ehlo),
        (At::Auth, "535 5.7.8 wrong", Step::Auth),
        (At::Auth, "454 4.7.0 cannot ask now", Step::Auth),
    ] {
        let server = SmtpServer::options().login("herald", PASSWORD).start().await;
        let mailer = mailer(SmtpSettings { credentials: Some(login()), ..smtp_settings(&server) });
        server.script(Fault::at(at).answer(line).times(1));
        match send(&mailer, ADA).await {
            Err(SendError::Unreachable(error)) => assert_eq!(error.step, step, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
        send(&mailer, ADA).await.unwrap();
        assert_eq!(server.mails().len(), 1);
    }
}

#[tokio::test]
async fn m02_a_connection_that_breaks_or_falls_silent() {
    for (at, class) in [
        (At::Connect, FailureClass::Unreachable),
        (At::Ehlo, FailureClass::Unreachable),
        (At::Mail, FailureClass::Unreachable),
        (At::Rcpt, FailureClass::Unreachable),
        (At::Data, FailureClass::Unreachable),
        (At::Message, FailureClass::Transient),
        (At::Taken, FailureClass::Transient),
    ] {
        for fault in [Fault::at(at).drop_connection(), Fault::at(at).hold()] {
            let server = SmtpServer::start().await;
            let timeout = Duration::from_millis(300);
            let mailer = mailer(SmtpSettings { timeout, ..smtp_settings(&server) });
            server.script(fault.clone().times(1));
            let error = send(&mailer, ADA).await.unwrap_err();
            assert_eq!(error.class(), class, "{fault:?}: {error:?}");
            let words = error.answer().to_string();
            assert!(words.contains("closed the connection") || words.contains("no answer within"), "{words}");
            send(&mailer, ADA).await.unwrap();
            // After the lost answer there are two, recognisable as one by their Message-ID.
            let mails = server.mails();
            assert_eq!(mails.len(), if at == At::Taken { 2 } else { 1 }, "{fault:?}");
            assert!(
                mails.iter().all(|mail| mail.header("Message-ID").as_deref() == Some("<1@acme.example>"))
            );
        }
    }
}

#[tokio::test]
async fn a_slow_server_is_waited_for() {
    let server = SmtpServer::start().await;
    server.script(Fault::at(At::Message).slow(Duration::from_millis(200)));
    send(&mailer(smtp_settings(&server)), ADA).await.unwrap();
}

#[tokio::test]
async fn m03_a_server_that_is_down_and_comes_back() {
    let mut server = SmtpServer::options().start_down();
    let mailer = mailer(smtp_settings(&server));
    let error = send(&mailer, ADA).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Unreachable);
    assert!(error.answer().to_string().contains("refused"), "{}", error.answer());
    server.start_again().await;
    send(&mailer, ADA).await.unwrap();
    server.stop().await;
    assert_eq!(send(&mailer, ADA).await.unwrap_err().class(), FailureClass::Unreachable);
    server.start_again().await;
    send(&mailer, ADA).await.unwrap();
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_no_failure() {
    let mut server = SmtpServer::start().await;
    let mailer = mailer(smtp_settings(&server));
    send(&mailer, ADA).await.unwrap();
    server.stop().await;
    server.start_again().await;
    send(&mailer, ADA).await.unwrap();
    for words in ["421 4.4.2 idle for too long", "530 5.7.0 log in again"] {
        server.script(Fault::at(At::Mail).answer(words).times(1));
        send(&mailer, ADA).await.unwrap();
    }
    assert_eq!(server.mails().len(), 4);
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn a_send_that_is_given_up_leaves_no_trace_on_the_next() {
    let server = SmtpServer::start().await;
    let mailer = Arc::new(mailer(smtp_settings(&server)));
    server.script(Fault::at(At::Data).hold().times(1));
    let task = tokio::spawn({
        let mailer = Arc::clone(&mailer);
        async move { send(&mailer, ADA).await }
    });
    server.wait_for_command("DATA").await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    server.release();
    send(&mailer, BOB).await.unwrap();
    assert_eq!(server.mails().len(), 1);
    assert_eq!(server.mails()[0].to, [BOB]);
}

#[tokio::test]
async fn words_in_any_encoding_are_words() {
    for (line, expected) in [
        (b"550 5.1.1 f\xfcr niemanden".as_slice(), "550 5.1.1 f\u{fffd}r niemanden"),
        (b"550 5.1.1 \x1b[31mred\x07", "550 5.1.1 [31mred"),
        (b"550-5.1.1 no\r\n550 5.1.1 such user", "550 5.1.1 no such user"),
        (b"550", "550"),
    ] {
        let server = SmtpServer::start().await;
        let mailer = mailer(smtp_settings(&server));
        server.script(Fault::at(At::Rcpt).answer(line));
        let error = send(&mailer, ADA).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::Permanent, "{error:?}");
        assert_eq!(error.answer().to_string(), expected);
    }
}

#[tokio::test]
async fn nonsense_from_a_server_ends_the_dialogue() {
    for line in [vec![b'x'; 100_000], b"250 taken already".to_vec(), b"354 go on\r\n354 go on".to_vec()] {
        let server = SmtpServer::start().await;
        let mailer = mailer(smtp_settings(&server));
        server.script(Fault::at(At::Data).answer(line).times(1));
        let error = send(&mailer, ADA).await.unwrap_err();
        assert_ne!(error.class(), FailureClass::Permanent);
        assert!(server.mails().is_empty());
        send(&mailer, ADA).await.unwrap();
    }
}

// Protection and authentication.

fn protected(protection: Protection) -> SmtpOptions {
    SmtpServer::options().protection(protection).login("herald", PASSWORD)
}

fn protected_settings(server: &SmtpServer, security: Security) -> SmtpSettings {
    SmtpSettings {
        security,
        ca_file: Some(server.ca_file()),
        credentials: Some(login()),
        ..smtp_settings(server)
    }
}

#[tokio::test]
async fn each_security_mode_with_each_login_mechanism() {
    for (protection, security) in [
        (Protection::None, Security::None),
        (Protection::StartTls, Security::StartTls),
        (Protection::Tls, Security::Tls),
    ] {
        for (mechanisms, used) in
            [("PLAIN LOGIN", "AUTH PLAIN "), ("LOGIN", "AUTH LOGIN"), ("GSSAPI PLAIN", "AUTH PLAIN ")]
        {
            let server = protected(protection).mechanisms(mechanisms).start().await;
            let mailer = mailer(protected_settings(&server, security));
            send(&mailer, ADA).await.unwrap();
            send(&mailer, ADA).await.unwrap();
            assert_eq!(server.mails().len(), 2);
            assert_eq!(server.connections(), 1);
            let logins = sent(&server, "AUTH");
            assert_eq!(logins.len(), 1);
            assert!(logins[0].starts_with(used), "{logins:?}");
        }
    }
}

#[tokio::test]
async fn a_host_name_is_checked_and_found_at_each_of_its_addresses() {
    let server = protected(Protection::StartTls).certificate_for(&["localhost"]).start().await;
    let settings =
        SmtpSettings { server: "localhost".to_owned(), ..protected_settings(&server, Security::StartTls) };
    send(&mailer(settings), ADA).await.unwrap();
}

#[tokio::test]
async fn without_credentials_none_are_sent() {
    let server = protected(Protection::None).start().await;
    let error = send(&mailer(smtp_settings(&server)), ADA).await.unwrap_err();
    assert!(sent(&server, "AUTH").is_empty());
    // 530 to MAIL speaks of the login, not of the message.
    assert_eq!(error.class(), FailureClass::Unreachable);
    assert!(error.advice().unwrap().contains("smtp.username"));
}

#[tokio::test]
async fn a_wrong_password_is_the_servers_matter_and_loud() {
    let server = protected(Protection::StartTls).login("herald", "another").start().await;
    let error = send(&mailer(protected_settings(&server, Security::StartTls)), ADA).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Unreachable);
    assert_eq!(error.answer().to_string(), "535 5.7.8 authentication credentials invalid");
    assert!(error.advice().unwrap().contains("smtp.password"));
}

#[tokio::test]
async fn a_login_that_cannot_be_made_is_not_left_out() {
    let server = protected(Protection::None).mechanisms("GSSAPI").start().await;
    let error = send(&mailer(protected_settings(&server, Security::None)), ADA).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Unreachable(error) if matches!(error.fault, MailFault::NoMechanism)),
        "{error:?}"
    );
    assert!(sent(&server, "MAIL").is_empty());
}

#[tokio::test]
async fn m22_no_secret_in_errors_and_debug() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let plain = BASE64_STANDARD.encode(format!("\0herald\0{PASSWORD}"));
    let server = protected(Protection::None).start().await;
    server.script(Fault::at(At::Auth).answer(format!("535 5.7.8 not {PASSWORD} nor {plain}")));
    let settings = over(Transport::Smtp(protected_settings(&server, Security::None)));
    let mailer = Mailer::new(&settings).unwrap();
    let error = send(&mailer, ADA).await.unwrap_err();
    let report = mailer.probe().await;
    let mut shown = format!("{settings:?} {mailer:?} {error:?} {error} {} {report:?}", error.answer());
    let mut cause = error.source();
    while let Some(error) = cause {
        shown.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(shown.contains("[withheld]"), "{shown}");
    assert!(!shown.contains(PASSWORD) && !shown.contains(&plain), "{shown}");
}

#[tokio::test]
async fn m20_an_untrusted_connection_gets_no_credentials_and_no_mail() {
    struct Case {
        name: &'static str,
        server: SmtpOptions,
        security: Security,
        trusts: fn(&SmtpServer) -> Option<PathBuf>,
        step: Step,
    }
    let own = |server: &SmtpServer| Some(server.ca_file());
    let case = |name, server, security, step| Case { name, server, security, trusts: own, step };
    let other: fn(&SmtpServer) -> Option<PathBuf> = |server| Some(server.other_ca_file());
    let starttls = || protected(Protection::StartTls);
    let tls = || protected(Protection::Tls);
    let cases = [
        case("STARTTLS stripped", protected(Protection::None), Security::StartTls, Step::StartTls),
        case("answer injected", protected(Protection::StartTlsInjected), Security::StartTls, Step::StartTls),
        case("TLS expected, plain found", protected(Protection::None), Security::Tls, Step::Tls),
        case("wrong name", starttls().certificate_for(&["mail.evil.example"]), Security::StartTls, Step::Tls),
        case("wrong name", tls().certificate_for(&["mail.evil.example"]), Security::Tls, Step::Tls),
        Case { trusts: other, ..case("wrong CA", starttls(), Security::StartTls, Step::Tls) },
        Case { trusts: other, ..case("wrong CA", tls(), Security::Tls, Step::Tls) },
        Case { trusts: |_| None, ..case("not a system root", tls(), Security::Tls, Step::Tls) },
    ];
    for Case { name, server, security, trusts, step } in cases {
        let server = server.start().await;
        let ca_file = trusts(&server);
        let settings = SmtpSettings { ca_file, ..protected_settings(&server, security) };
        let mailer = match Mailer::new(&over(Transport::Smtp(settings))) {
            Ok(mailer) => mailer,
            // A machine without any system roots refuses even earlier.
            Err(MailerError::NoRoots) => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        match send(&mailer, ADA).await {
            Err(error @ SendError::Unreachable(_)) => {
                assert!(error.advice().is_some(), "{name}");
                let SendError::Unreachable(error) = error else { unreachable!() };
                assert_eq!(error.step, step, "{name}: {error:?}");
            }
            other => panic!("{name}: {other:?}"),
        }
        let report = mailer.probe().await;
        assert!(report.failure.is_some() && report.tls.is_none(), "{name}: {report:?}");
        let told = server.commands();
        assert!(
            !told.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")),
            "{name}: {told:?}"
        );
        assert!(server.mails().is_empty());
    }
}

#[tokio::test]
async fn a_starttls_that_is_refused_goes_no_further() {
    let server = protected(Protection::StartTls).start().await;
    server.script(Fault::at(At::StartTls).answer("454 4.7.0 TLS not available"));
    let error = send(&mailer(protected_settings(&server, Security::StartTls)), ADA).await.unwrap_err();
    assert_eq!(error.answer().to_string(), "454 4.7.0 TLS not available");
    assert_eq!(server.commands().len(), 2, "EHLO and STARTTLS: {:?}", server.commands());
}

#[test]
fn certificates_that_cannot_be_used_are_said_at_the_start() {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let pem = |base64: &str| format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    for (ca_file, words) in [
        (files.path().join("missing.pem"), "cannot read certificates from ca_file"),
        (file("empty.pem", ""), "holds no certificate"),
        (file("text.pem", "hello"), "holds no certificate"),
        (file("broken.pem", &pem("!!!")), "cannot read certificates from ca_file"),
        (file("nonsense.pem", &pem("AAAA")), "the trusted certificates cannot be used"),
    ] {
        let settings = SmtpSettings {
            server: "mail.acme.example".to_owned(),
            port: 465,
            security: Security::Tls,
            ca_file: Some(ca_file),
            credentials: None,
            timeout: Duration::from_secs(1),
        };
        let error = Mailer::new(&over(Transport::Smtp(settings))).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

// Addresses beyond ASCII.

#[tokio::test]
async fn m08_idn_domains_and_utf8_local_parts() {
    for (to, rcpt, parameters) in [
        ("ada@bücher.example", "RCPT TO:<ada@xn--bcher-kva.example>", ""),
        ("jörg@acme.example", "RCPT TO:<jörg@acme.example>", " BODY=8BITMIME SMTPUTF8"),
        ("jörg@bücher.example", "RCPT TO:<jörg@xn--bcher-kva.example>", " BODY=8BITMIME SMTPUTF8"),
    ] {
        let server = SmtpServer::start().await;
        send(&mailer(smtp_settings(&server)), to).await.unwrap();
        assert_eq!(sent(&server, "RCPT"), [rcpt]);
        assert_eq!(sent(&server, "MAIL"), [format!("MAIL FROM:<no-reply@acme.example>{parameters}")]);
    }
}

#[tokio::test]
async fn m08_without_smtputf8_only_the_message_that_needs_it_fails() {
    let server = SmtpServer::options().without("SMTPUTF8").start().await;
    let mailer = mailer(smtp_settings(&server));
    let error = send(&mailer, "jörg@acme.example").await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Permanent);
    assert!(error.answer().to_string().contains("SMTPUTF8"), "{}", error.answer());
    assert!(sent(&server, "MAIL").is_empty());
    send(&mailer, "ada@bücher.example").await.unwrap();
    assert_eq!(server.connections(), 1);
}

// check.

#[tokio::test]
async fn the_probe_says_what_it_found_and_sends_nothing() {
    for (protection, security) in [
        (Protection::None, Security::None),
        (Protection::StartTls, Security::StartTls),
        (Protection::Tls, Security::Tls),
    ] {
        let server = protected(protection).start().await;
        let report = mailer(protected_settings(&server, security)).probe().await;
        assert!(report.failure.is_none(), "{report:?}");
        assert_eq!(report.target, format!("127.0.0.1:{}", server.port()));
        assert_eq!(report.greeting.unwrap().to_string(), "220 mail.test ESMTP ready");
        assert_eq!(
            report.capabilities,
            ["8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 10485760", "SMTPUTF8", "AUTH PLAIN LOGIN"]
        );
        assert_eq!(report.authentication.unwrap().to_string(), "235 2.7.0 welcome");
        assert_eq!(
            report.tls.map(|tls| tls.version),
            (security != Security::None).then(|| "TLSv1.3".to_owned())
        );
        assert!(sent(&server, "MAIL").is_empty());
        assert_eq!(sent(&server, "QUIT").len(), 1);
    }
}

#[tokio::test]
async fn the_probe_tells_how_far_it_came() {
    let server = protected(Protection::StartTls).login("herald", "another").start().await;
    let report = mailer(protected_settings(&server, Security::StartTls)).probe().await;
    assert!(report.tls.is_some());
    assert!(report.capabilities.contains(&"AUTH PLAIN LOGIN".to_owned()), "{report:?}");
    assert_eq!(report.failure.unwrap().answer().code(), Some(535));

    let down = SmtpServer::options().start_down();
    let report = mailer(smtp_settings(&down)).probe().await;
    assert_eq!(report.greeting, None);
    assert_eq!(report.failure.unwrap().class(), FailureClass::Unreachable);
}

// Files.

#[tokio::test]
async fn the_file_transport_writes_one_file_per_message() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let mailer = Mailer::new(&over(Transport::File { directory: path.clone() })).unwrap();
    assert!(mailer.probe().await.failure.is_none());
    assert_eq!(send(&mailer, ADA).await.unwrap(), "written to 1@acme.example.eml");
    assert_eq!(std::fs::read(path.join("1@acme.example.eml")).unwrap(), LETTER);
    directory.close().unwrap();
    let error = send(&mailer, ADA).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Unreachable);
    assert!(error.advice().unwrap().contains("smtp.directory"));
    assert!(mailer.probe().await.failure.is_some());
}
