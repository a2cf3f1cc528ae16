//! `outbox retry` and `outbox delete`, with and without a daemon.

use serde_json::{Value, json};

use super::{assert_says, run};
use crate::support::{
    daemon::{Daemon, STORE, Site},
    ldap::Ldap,
    slapd::{Setup, Slapd},
    smtp::{At, Fault, SmtpServer},
    wait,
};

const WAREHOUSE: &str = "cn=warehouse,ou=groups";
const WANJIRU: &str = "uid=wanjiru,ou=people";
const ADDRESS: &str = "wanjiru@harbour-vale.example";

/// A daemon that has tried to tell Wanjiru, and only her, of one change.
async fn told(fault: Option<Fault>) -> (Slapd, SmtpServer, Site, Daemon) {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    if let Some(fault) = fault {
        smtp.script(fault);
    }
    let site =
        Site::new(&slapd, &smtp).with("notify.added_members", "true").with("smtp.retry_initial", "\"1h\"");
    let daemon = site.start();
    daemon.wait_live().await;
    Ldap::admin(&slapd).await.add_member(WAREHOUSE, WANJIRU).await;
    (slapd, smtp, site, daemon)
}

/// The one mail there is.
async fn mail(site: &Site, state: &str) -> Value {
    wait::until_async(state, async || {
        let mails = site.outbox_json().await;
        let [mail] = mails.as_slice() else { return None };
        (mail["state"] == state).then(|| mail.clone())
    })
    .await
}

fn id(mail: &Value) -> &str {
    mail["id"].as_str().expect("an id")
}

#[tokio::test]
async fn m03_a_mail_that_was_given_up_is_retried_by_hand() {
    let fault = Fault::at(At::Rcpt).answer("550 5.1.1 no such user");
    let (_slapd, smtp, site, daemon) = told(Some(fault)).await;
    let failed = mail(&site, "failed").await;
    assert_eq!(site.status().await[0]["outbox_failed"], 1);

    let again = run(&site, &["outbox", "retry", id(&failed)]).await;
    assert_eq!((again.code, again.stderr.as_str()), (1, ""));
    assert_says(&again.stdout, &["failed again: ", "550 5.1.1 no such user"]);

    smtp.clear_script();
    let retried = site.json(&["outbox", "retry", id(&failed)]).await;
    let expected = json!({
        "id": failed["id"], "request": "retry", "state": "delivered", "last_answer": "250 2.0.0 queued",
    });
    assert_eq!(retried, [expected]);
    let [sent] = &smtp.mails()[..] else { panic!("one mail") };
    assert_eq!(sent.to, [ADDRESS]);
    assert_eq!(mail(&site, "delivered").await["attempts"], 3);
    assert_eq!(site.status().await[0]["outbox_failed"], 0);
    daemon.stop().await;
}

#[tokio::test]
async fn a_mail_that_was_delivered_is_not_sent_again() {
    let (_slapd, smtp, site, daemon) = told(None).await;
    let delivered = mail(&site, "delivered").await;
    let check = async || {
        let refused = run(&site, &["outbox", "retry", id(&delivered)]).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
        assert_says(&refused.stderr, &["dirherald: the mail ", "was delivered already"]);
    };
    check().await;
    daemon.stop().await;
    check().await;
    assert_eq!(smtp.mails().len(), 1);
}

#[tokio::test]
async fn a_mail_that_the_server_put_off_goes_at_once_and_has_all_its_attempts_before_it() {
    let fault = Fault::at(At::Rcpt).answer("451 4.3.0 try later");
    let (_slapd, smtp, site, daemon) = told(Some(fault)).await;
    let deferred = mail(&site, "deferred").await;
    let again = run(&site, &["outbox", "retry", id(&deferred)]).await;
    assert_eq!(again.code, 0);
    assert_says(&again.stdout, &["tried, and put off again: ", "451 4.3.0 try later"]);
    // As if the first attempt had been long ago: it would be given up now, but for the hand that retried it.
    site.state()
        .execute_batch("UPDATE message SET created_at = created_at - 30 * 86400 * 1000000")
        .expect("moving the past");
    let again = run(&site, &["outbox", "retry", id(&deferred)]).await;
    assert_says(&again.stdout, &["tried, and put off again"]);
    smtp.clear_script();
    let sent = run(&site, &["outbox", "retry", id(&deferred)]).await;
    assert_says(&sent.stdout, &["delivered to wanjiru@harbour-vale.example: 250 2.0.0 queued"]);
    daemon.stop().await;
}

#[tokio::test]
async fn a_retry_does_not_wait_for_the_next_probe_of_a_mail_server_that_was_away() {
    let (_slapd, mut smtp, site, daemon) = told(Some(Fault::at(At::Connect))).await;
    let waiting = mail(&site, "deferred").await;
    smtp.stop().await;
    // Until the next probe is eight seconds away, longer than the command waits.
    wait::until_async("some probes", async || {
        (site.count("SELECT count(*) FROM attempt WHERE outcome = 'unreachable'") > 3).then_some(())
    })
    .await;
    smtp.clear_script();
    smtp.start_again().await;
    let sent = run(&site, &["outbox", "retry", id(&waiting)]).await;
    assert_says(&sent.stdout, &["delivered to wanjiru@"]);
    daemon.stop().await;
}

#[tokio::test]
async fn a_request_for_a_mail_that_is_being_sent_waits_for_the_end_of_the_attempt() {
    let (_slapd, smtp, site, daemon) = told(Some(Fault::at(At::Data).hold())).await;
    smtp.wait_for_command("DATA").await;
    let held = mail(&site, "scheduled").await;
    let early = run(&site, &["outbox", "delete", id(&held)]).await;
    assert_eq!((early.code, early.stdout.as_str()), (1, ""));
    assert_says(&early.stderr, &["an attempt may be under way", "the request is kept"]);
    assert_eq!(site.outbox_json().await.len(), 1, "nothing is done to what is under way");
    smtp.clear_script();
    smtp.release();
    // The server took it first: what was asked comes too late, and changes nothing.
    mail(&site, "delivered").await;
    wait::until("the request is answered", || {
        (site.count("SELECT count(*) FROM outbox_request WHERE outcome IS NULL") == 0).then_some(())
    });
    assert_eq!((smtp.mails().len(), site.outbox_json().await.len()), (1, 1));
    daemon.stop().await;
}

#[tokio::test]
async fn a_deleted_mail_is_gone_and_what_it_tells_is_never_told_again() {
    let fault = Fault::at(At::Rcpt).answer("451 4.3.0 try later");
    let (slapd, smtp, site, daemon) = told(Some(fault)).await;
    let deferred = mail(&site, "deferred").await;
    assert_eq!(site.status().await[0]["outbox_pending"], 1);
    let deleted = site.json(&["outbox", "delete", id(&deferred)]).await;
    let expected = json!({ "id": deferred["id"], "request": "delete", "state": null, "last_answer": null });
    assert_eq!(deleted, [expected]);
    smtp.clear_script();
    let row = &site.status().await[0];
    assert_eq!((&row["outbox_pending"], &row["outbox_failed"]), (&json!(0), &json!(0)));
    for word in ["show", "retry", "delete"] {
        let gone = run(&site, &["outbox", word, id(&deferred)]).await;
        assert_eq!((gone.code, gone.stdout.as_str()), (1, ""), "{word}");
        assert_says(&gone.stderr, &["no message in the outbox has the id"]);
    }
    daemon.stop().await;
    let daemon = site.start();
    daemon.wait_live().await;
    Ldap::admin(&slapd).await.add_member("cn=crane-log,ou=groups", WANJIRU).await;
    let mails = smtp.wait_for(1).await;
    assert!(mails[0].text().contains("crane-log") && !mails[0].text().contains("warehouse"));
    assert_eq!(site.outbox_json().await.len(), 1);
    assert_eq!(site.count("SELECT sum(length(bytes)) FROM message WHERE deleted_at IS NOT NULL"), 0);
    daemon.stop().await;
}

#[tokio::test]
async fn without_a_daemon_the_command_does_it_itself() {
    let fault = Fault::at(At::Rcpt).answer("550 5.1.1 no such user");
    let (_slapd, smtp, site, daemon) = told(Some(fault)).await;
    let failed = mail(&site, "failed").await;
    daemon.stop().await;
    smtp.clear_script();
    let due = run(&site, &["outbox", "retry", id(&failed)]).await;
    assert_eq!((due.code, due.stderr.as_str()), (0, ""));
    assert_says(&due.stdout, &["due now: it goes to wanjiru@", "as soon as dirherald runs"]);
    mail(&site, "scheduled").await;
    assert!(smtp.mails().is_empty());
    let daemon = site.start();
    smtp.wait_for(1).await;
    let delivered = mail(&site, "delivered").await;
    daemon.stop().await;
    let refused = run(&site, &["outbox", "delete", id(&delivered)]).await;
    assert_eq!(refused.code, 1);
    assert_says(&refused.stderr, &["was delivered already"]);
    assert_eq!(site.outbox_json().await.len(), 1);
}

/// So many mails that were given up, one for each of these groups, which Wanjiru joins.
async fn given_up(slapd: &Slapd, site: &Site, groups: &[&str]) -> Vec<Value> {
    let ldap = Ldap::admin(slapd).await;
    for group in groups {
        ldap.add_member(group, WANJIRU).await;
    }
    wait::until_async("all are given up", async || {
        let mails = site.outbox_json().await;
        let failed = mails.iter().filter(|mail| mail["state"] == "failed").count();
        (failed == groups.len() + 1).then_some(mails)
    })
    .await
}

const OTHERS: [&str; 2] = ["cn=crane-log,ou=groups", "cn=payroll,ou=groups"];

#[tokio::test]
async fn m03_all_mails_that_were_given_up_are_retried_at_once() {
    let fault = Fault::at(At::Rcpt).answer("550 5.1.1 no such user");
    let (slapd, smtp, site, daemon) = told(Some(fault)).await;
    let failed = given_up(&slapd, &site, &OTHERS).await;
    let again = run(&site, &["outbox", "retry", "--all"]).await;
    assert_eq!((again.code, again.stderr.as_str()), (1, ""));
    let expected: Vec<String> =
        failed.iter().map(|mail| format!("{}: failed again: 550 5.1.1 no such user", id(mail))).collect();
    assert_eq!(again.stdout.lines().collect::<Vec<_>>(), expected, "oldest first");

    smtp.clear_script();
    smtp.script(Fault::at(At::Rcpt).times(1).answer("550 5.1.1 no such user"));
    let ran = run(&site, &["outbox", "retry", "--all", "--store", STORE, "--json"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    let lines: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(lines.len(), failed.len());
    let states = |mails: &[Value]| mails.iter().map(|mail| mail["state"].to_string()).collect::<Vec<_>>();
    for (line, mail) in lines.iter().zip(&failed) {
        assert_eq!((&line["id"], &line["request"]), (&mail["id"], &json!("retry")));
    }
    let mut now = states(&lines);
    assert_eq!(now, states(&site.outbox_json().await));
    now.sort();
    assert_eq!(now, ["\"delivered\"", "\"delivered\"", "\"failed\""]);

    daemon.stop().await;
    let due = run(&site, &["outbox", "retry", "--all"]).await;
    assert_eq!((due.code, due.stdout.lines().count()), (0, 1), "only what failed: {}", due.stdout);
    assert_says(&due.stdout, &["due now: it goes to wanjiru@", "as soon as dirherald runs"]);
    let none = run(&site, &["outbox", "retry", "--all"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (0, "no mail was given up\n"));
    assert_eq!(site.json(&["outbox", "retry", "--all"]).await, Vec::<Value>::new());
}

#[tokio::test]
async fn all_that_failed_is_what_failed_of_the_store() {
    let fault = Fault::at(At::Rcpt).answer("550 5.1.1 no such user");
    let (slapd, smtp, site, daemon) = told(Some(fault)).await;
    given_up(&slapd, &site, &[]).await;
    daemon.stop().await;
    let site = site.and_store("other", &slapd, &smtp);
    let none = run(&site, &["outbox", "retry", "--all", "--store", "other"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (0, "no mail was given up\n"));
    mail(&site, "failed").await;
    let due = run(&site, &["outbox", "retry", "--all", "--store", STORE]).await;
    assert_says(&due.stdout, &["due now: it goes to wanjiru@"]);
    mail(&site, "scheduled").await;
}

#[tokio::test]
async fn one_mail_or_all_are_retried() {
    let (_slapd, _smtp, site) = super::healthy().await;
    let nobody = "01890000-0000-7000-8000-000000000000";
    for wrong in [&[][..], &[nobody, "--all"], &[nobody, "--store", STORE]] {
        assert_eq!(run(&site, &[&["outbox", "retry"], wrong].concat()).await.code, 2, "{wrong:?}");
    }
    let none = run(&site, &["outbox", "retry", "--all"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (0, "no mail was given up\n"));
    assert!(!site.state_file().exists(), "a request leaves no trace where there is nothing");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let (_slapd, _smtp, site) = super::healthy().await;
    let nobody = "01890000-0000-7000-8000-000000000000";
    let check = async || {
        for word in ["show", "retry", "delete"] {
            let missing = run(&site, &["outbox", word, nobody]).await;
            assert_eq!((missing.code, missing.stdout.as_str()), (1, ""), "{word}");
            assert_says(&missing.stderr, &["no message in the outbox has the id 01890000-", "outbox list"]);
        }
    };
    check().await;
    assert!(!site.state_file().exists(), "a request leaves no trace where there is nothing");
    let daemon = site.start();
    daemon.wait_live().await;
    check().await;
    daemon.stop().await;
    check().await;
}
