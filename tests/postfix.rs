//! The mailer and the whole program against a real Postfix.

use std::time::Duration;

use dirherald::{
    directory::mail_address::MailAddress,
    outbox::{
        mailer::{Mailer, SendError},
        settings::{Credentials, MailSettings, Mailbox, RetryPolicy, Security, SmtpSettings, Transport},
        state::FailureClass,
    },
};
use secrecy::SecretString;

use crate::support::{
    daemon::{Site, toml_text},
    ldap::Ldap,
    postfix::{Door, Postfix},
    slapd::{Setup, Slapd, process_state},
    smtp::SmtpServer,
    wait,
};

const MEI: &str = "mei@harbour-vale.example";

fn settings(postfix: &Postfix, door: Door) -> SmtpSettings {
    let security = match door {
        Door::Plain => Security::None,
        Door::Submission => Security::StartTls,
        Door::Tls => Security::Tls,
    };
    SmtpSettings {
        server: "127.0.0.1".to_owned(),
        port: postfix.port(door),
        security,
        ca_file: Some(postfix.ca_file()),
        credentials: Some(login(Postfix::PASSWORD)),
        timeout: Duration::from_secs(20),
    }
}

fn login(password: &str) -> Credentials {
    Credentials { username: Postfix::USER.to_owned(), password: SecretString::from(password.to_owned()) }
}

fn mailer(smtp: SmtpSettings) -> Mailer {
    let from: MailAddress = "no-reply@harbour-vale.example".parse().expect("an address");
    let settings = MailSettings {
        from: Mailbox { name: None, address: from.clone() },
        envelope_from: Some(from),
        reply_to: None,
        transport: Transport::Smtp(smtp),
        retry: RetryPolicy {
            initial: Duration::from_secs(5),
            max: Duration::from_hours(1),
            give_up_after: Duration::from_hours(72),
        },
    };
    Mailer::new(&settings).expect("a mailer")
}

async fn send(mailer: &Mailer, to: &str, body: &str) -> Result<String, SendError> {
    let bytes = format!(
        "From: no-reply@harbour-vale.example\r\nTo: <{to}>\r\nMessage-ID: <1@harbour-vale.example>\r\n\
         Subject: test\r\n\r\n{body}\r\n"
    );
    let to = to.parse().expect("an address");
    mailer.send(&to, bytes.as_bytes(), "<1@harbour-vale.example>").await.map(|answer| answer.to_string())
}

#[tokio::test]
async fn mail_arrives_through_each_door_with_the_login() {
    let postfix = Postfix::start();
    for (count, door) in [Door::Plain, Door::Submission, Door::Tls].into_iter().enumerate() {
        let answer = send(&mailer(settings(&postfix, door)), MEI, ".dot\r\nend").await;
        let answer = answer.unwrap_or_else(|error| panic!("{door:?}: {error:?} {}", postfix.log()));
        assert!(answer.starts_with("250 2.0.0 Ok: queued as"), "{answer}");
        let mails = postfix.wait_for("mei", count + 1);
        assert!(mails.iter().all(|mail| mail.contains("\n.dot\nend\n")), "{mails:#?}");
        assert!(mails.iter().all(|mail| mail.starts_with("Return-Path: <no-reply@harbour-vale.example>")));
    }
    assert_eq!(postfix.log().matches("sasl_method=PLAIN, sasl_username=herald@").count(), 3);
    assert_eq!(postfix.log().matches("Anonymous TLS connection established from").count(), 2);
}

#[tokio::test]
async fn in_the_clear_without_a_login() {
    let postfix = Postfix::start();
    let mailer = mailer(SmtpSettings { credentials: None, ca_file: None, ..settings(&postfix, Door::Plain) });
    send(&mailer, MEI, "hello").await.expect("accepted");
    postfix.wait_for("mei", 1);
    assert_eq!(postfix.log().matches("sasl_method").count(), 0);
}

#[tokio::test]
async fn a_wrong_password_or_a_missing_login_fails_no_message() {
    let postfix = Postfix::start();
    for door in [Door::Plain, Door::Submission, Door::Tls] {
        let wrong = SmtpSettings { credentials: Some(login("wrong")), ..settings(&postfix, door) };
        let error = send(&mailer(wrong), MEI, "hello").await.expect_err("refused");
        assert_eq!(error.class(), FailureClass::Unreachable, "{error:?}");
        assert!(error.answer().to_string().contains("535 5.7.8"), "{}", error.answer());
    }
    let nobody = SmtpSettings { credentials: None, ..settings(&postfix, Door::Submission) };
    let error = send(&mailer(nobody), MEI, "hello").await.expect_err("refused");
    assert!(error.answer().to_string().contains("5.7.1"), "{}", error.answer());
}

#[tokio::test]
async fn m20_another_authority_or_host_name_is_refused_before_the_login() {
    let (postfix, elsewhere) = (Postfix::start(), Postfix::certified_as(&["elsewhere.example"]));
    for door in [Door::Submission, Door::Tls] {
        let other_authority = SmtpSettings { ca_file: Some(elsewhere.ca_file()), ..settings(&postfix, door) };
        for refused in [other_authority, settings(&elsewhere, door)] {
            let error = send(&mailer(refused), MEI, "hello").await.expect_err("refused");
            assert_eq!(error.class(), FailureClass::Unreachable, "{error:?}");
            assert!(error.answer().to_string().contains("certificate"), "{}", error.answer());
        }
    }
    for server in [postfix, elsewhere] {
        assert!(!server.log().contains("sasl"), "{}", server.log());
    }
}

#[tokio::test]
async fn m04_what_postfix_refuses_and_the_others_served() {
    let postfix = Postfix::start();
    let mailer = mailer(settings(&postfix, Door::Submission));
    let large = "x".repeat(70) + "\r\n";
    let large = large.repeat(Postfix::SIZE_LIMIT / 70);
    for (to, body, class, words) in [
        ("nobody@harbour-vale.example", "hello", FailureClass::Permanent, "550 5.1.1"),
        ("greylisted@harbour-vale.example", "hello", FailureClass::Transient, "450 4.2.0"),
        (MEI, &large, FailureClass::Permanent, "552 5.3.4"),
    ] {
        let error = send(&mailer, to, body).await.expect_err("refused");
        let answer = error.answer().to_string();
        assert_eq!(error.class(), class, "{to}: {answer}");
        assert!(answer.contains(words), "{to}: {answer}");
        send(&mailer, MEI, "hello").await.expect("the connection goes on");
    }
    let mails = postfix.wait_for("mei", 3);
    assert_eq!(mails.len(), 3);
}

#[tokio::test]
async fn m08_a_local_part_in_utf8() {
    let postfix = Postfix::start();
    let mailer = mailer(settings(&postfix, Door::Submission));
    send(&mailer, "björn@harbour-vale.example", "hällo").await.expect("accepted");
    let mails = postfix.wait_for("björn", 1);
    assert!(mails[0].contains("hällo"), "{}", mails[0]);
    assert!(mails[0].contains("with UTF8SMTPSA"), "{}", mails[0]);
}

#[tokio::test]
async fn a_change_in_the_directory_lies_in_the_maildir() {
    let (slapd, postfix) = (Setup::company().start(), Postfix::start());
    let unused = SmtpServer::start().await;
    let site = Site::new(&slapd, &unused)
        .by_postfix(&postfix, Door::Submission)
        .with("recipients.to", "[\"greylisted@harbour-vale.example\"]")
        .with("notify.owner", "true")
        .with("notify.added_members", "true");
    let daemon = site.start();
    daemon.wait_live().await;
    let lena = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;
    lena.add_member("cn=warehouse,ou=groups", "uid=sofia,ou=people").await;
    let [to_sofia] = &postfix.wait_for("sofia", 1)[..] else { panic!("one mail") };
    assert!(to_sofia.contains("X-Dirherald-Reasons: added_members\n"), "{to_sofia}");
    postfix.wait_for("ravi", 1);
    let deferred = wait::until_async("the greylisted copy is deferred", async || {
        let outbox = site.outbox_json().await;
        outbox.into_iter().find(|message| message["state"] == "deferred")
    })
    .await;
    assert_eq!(deferred["to"], "greylisted@harbour-vale.example");
    daemon.stop().await;
}

/// A daemon that sends by `postfix` and has nobody to tell yet.
fn office(slapd: &Slapd, unused: &SmtpServer, postfix: &Postfix) -> Site {
    Site::new(slapd, unused).by_postfix(postfix, Door::Tls).with("notify.added_members", "true")
}

/// Everybody whose name is also the address joins, and all their mails come to an end.
async fn join(slapd: &Slapd, site: &Site, people: &[&str]) -> Vec<(String, String, String)> {
    let admin = Ldap::admin(slapd).await;
    for person in people {
        let dn = format!("uid=test-{person},ou=people");
        admin.add_person(&dn, person, &format!("{person}@{}", Postfix::DOMAIN)).await;
        admin.add_member("cn=warehouse,ou=groups", &dn).await;
    }
    let mut fates = wait::until_async("the end of the mails", async || {
        let mails = site.outbox_json().await;
        let ended = |mail: &&serde_json::Value| mail["state"] == "delivered" || mail["state"] == "failed";
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let fate =
            |mail: &serde_json::Value| (text(&mail["to"]), text(&mail["state"]), text(&mail["last_answer"]));
        (mails.len() == people.len() && mails.iter().filter(ended).count() == people.len())
            .then(|| mails.iter().map(fate).collect::<Vec<_>>())
    })
    .await;
    fates.sort();
    fates
}

#[tokio::test]
async fn m15_what_comes_back_goes_to_envelope_from_and_starts_nothing() {
    let (slapd, postfix, unused) = (Setup::company().start(), Postfix::start(), SmtpServer::start().await);
    let site = office(&slapd, &unused, &postfix)
        .with("smtp.envelope_from", &toml_text("bounces@harbour-vale.example"));
    let daemon = site.start();
    daemon.wait_live().await;
    // `list` has the sender among its readers, `gone` is taken and comes back, `nobody` is refused.
    let fates = join(&slapd, &site, &["list", "gone", "nobody", "mei"]).await;
    let states: Vec<_> = fates.iter().map(|(to, state, _)| (to.as_str(), state.as_str())).collect();
    assert_eq!(
        states,
        [
            ("gone@harbour-vale.example", "delivered"),
            ("list@harbour-vale.example", "delivered"),
            ("mei@harbour-vale.example", "delivered"),
            ("nobody@harbour-vale.example", "failed"),
        ]
    );
    assert!(fates[3].2.contains("550 5.1.1"), "{fates:?}");
    let [report] = &postfix.wait_for("bounces", 1)[..] else { panic!("one report") };
    assert!(
        report.starts_with("Return-Path: <>\n") && report.contains("Auto-Submitted: auto-replied"),
        "{report}"
    );
    assert!(
        report.contains("nothing leaves this machine") && report.contains("gone@harbour-vale.example"),
        "{report}"
    );
    for reader in ["sofia", "no-reply", "mei"] {
        let [mail] = &postfix.wait_for(reader, 1)[..] else { panic!("one mail to {reader}") };
        assert!(mail.starts_with("Return-Path: <bounces@harbour-vale.example>\n"), "{mail}");
        for header in ["Auto-Submitted: auto-generated\n", "X-Auto-Response-Suppress: All\n"] {
            assert_eq!(mail.matches(header).count(), 1, "{mail}");
        }
    }
    // Whatever the sender got, it was not told of again.
    assert_eq!(site.count("SELECT count(*) FROM message"), 4);
    assert_eq!(site.count("SELECT count(*) FROM attempt"), 4);
    daemon.stop().await;
}

#[tokio::test]
async fn m15_from_the_null_sender_nothing_comes_back() {
    let (slapd, postfix, unused) = (Setup::company().start(), Postfix::start(), SmtpServer::start().await);
    let site = office(&slapd, &unused, &postfix).with("smtp.envelope_from", "\"<>\"");
    let daemon = site.start();
    daemon.wait_live().await;
    let fates = join(&slapd, &site, &["gone", "mei"]).await;
    assert!(fates.iter().all(|(_, state, _)| state == "delivered"), "{fates:?}");
    let [mail] = &postfix.wait_for("mei", 1)[..] else { panic!("one mail") };
    assert!(mail.starts_with("Return-Path: <>\n"), "{mail}");
    wait::until("the mail to who is gone is given up", || {
        postfix.log().contains("status=bounced").then_some(())
    });
    assert!(postfix.mails("no-reply").is_empty() && postfix.mails("bounces").is_empty());
    daemon.stop().await;
}

#[test]
fn nothing_is_left_of_postfix() {
    let postfix = Postfix::start();
    let dir = postfix.dir().to_owned();
    let pids = processes_in(&dir);
    assert!(pids.len() > 1, "a master and its programs: {pids:?}");
    drop(postfix);
    wait::until("all are gone", || {
        pids.iter().all(|&pid| matches!(process_state(pid), None | Some('Z'))).then_some(())
    });
    assert!(!dir.exists());
}

/// Those that work in its queue.
fn processes_in(dir: &std::path::Path) -> Vec<u32> {
    let of = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        std::fs::read_link(entry.path().join("cwd")).ok()?.starts_with(dir).then_some(pid)
    };
    std::fs::read_dir("/proc").expect("the processes").filter_map(of).collect()
}
