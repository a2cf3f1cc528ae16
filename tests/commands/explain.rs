//! `explain`: what was decided about an event, told afterwards.

use serde_json::{Value, json};

use super::{assert_says, run};
use crate::support::{
    daemon::{STORE, Site},
    ldap::Ldap,
    slapd::{Setup, Slapd},
    smtp::{At, Fault, SmtpServer},
    wait,
};

const CAMERAS: &str = "cn=quay-cameras,ou=groups";
const LENA: &str = "uid=lena,ou=people";

/// Options of four kinds: that tell somebody, that find nobody, that do not fire, that are off.
fn site(slapd: &Slapd, smtp: &SmtpServer) -> Site {
    Site::new(slapd, smtp)
        .with("notify.logged_in_users", "true")
        .with("notify.owner", "true")
        .with("notify.manager", "true")
        .with("notify.public_group_owner", "true")
        .with("notify.added_members", "true")
        .with("recipients.to", r#"["audit@harbour-vale.example"]"#)
}

/// All events of the site, once there are so many and all mails about them have ended.
async fn told(site: &Site, count: usize) -> Vec<Value> {
    wait::until_async("the events are told", async || {
        let (events, outbox) = (site.events_json().await, site.outbox_json().await);
        let done = outbox.iter().all(|mail| mail["state"] == "delivered") && !outbox.is_empty();
        (events.len() == count && done).then_some(events)
    })
    .await
}

/// What a person reads, with names in place of what differs each time.
async fn explained(site: &Site, event: &Value) -> String {
    let id = event["id"].as_str().expect("an id");
    let mut text = run(site, &["explain", id]).await.stdout.replace(id, "EVENT");
    for mail in site.outbox_json().await {
        let (id, to) = (mail["id"].as_str().expect("an id"), mail["to"].as_str().expect("an address"));
        let (name, _) = to.split_once('@').expect("an address");
        text = text.replace(id, &format!("MAIL-TO-{}", name.to_uppercase()));
    }
    without_times(&text)
}

/// `2026-07-27 14:03:12 UTC` becomes `TIME`.
fn without_times(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" UTC") {
        let (head, time) = before.split_at(before.len() - "2026-07-27 14:03:12".len());
        assert!(time.chars().all(|c| c.is_ascii_digit() || "-: ".contains(c)), "{time}");
        kept.push_str(head);
        kept.push_str("TIME");
        rest = after;
    }
    kept + rest
}

#[tokio::test]
async fn a_member_added_is_explained_option_by_option() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = site(&slapd, &smtp);
    let daemon = site.start();
    daemon.wait_live().await;
    Ldap::bind_as(&slapd, LENA).await.add_member(CAMERAS, "uid=finn,ou=people").await;
    let events = told(&site, 1).await;
    let expected = "\
member-added: quay-cameras, Finn O'Brien
  entry     quay-cameras, group, cn=quay-cameras,ou=groups,dc=harbour-vale,dc=example
  concerns  Finn O'Brien, user, uid=finn,ou=people,dc=harbour-vale,dc=example
  by        Lena Hartmann, user, uid=lena,ou=people,dc=harbour-vale,dc=example
  cause     directory
  store     company
  time      TIME
  event     EVENT
  decided   TIME

logged_in_users (Notify logged-in users about changes being made to objects)
  fired
  told: Lena Hartmann at lena@harbour-vale.example: delivered TIME, message MAIL-TO-LENA

owner (Notify owner (of groups))
  fired
  told: Lena Hartmann at lena@harbour-vale.example, through the group service-desk: delivered TIME, message MAIL-TO-LENA
  told: İbrahim Demir at ibrahim@harbour-vale.example, through the group service-desk: delivered TIME, message MAIL-TO-IBRAHIM

manager (Notify manager (of users/contacts))
  did not fire: it does not look at member-added of a group

public_group_owner (Notify public group owner of membership change)
  did not fire: schema.public_group_filter does not match the group

added_members (Notify newly added group members on addition)
  fired
  not told: Finn O'Brien has no mail address

recipients (Recipients: To and CC)
  fired
  told: audit@harbour-vale.example, listed under To: delivered TIME, message MAIL-TO-AUDIT

off: object_modified, removed_members
";
    assert_eq!(explained(&site, &events[0]).await, expected);
    // The daemon need not run, and what is configured now does not count.
    daemon.stop().await;
    let site = site.with("notify.owner", "false").with("notify.removed_members", "true");
    assert_eq!(explained(&site, &events[0]).await, expected);
}

#[tokio::test]
async fn each_option_is_a_line_of_json() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = site(&slapd, &smtp).with("recipients.cc", r#"["Lena@harbour-vale.example"]"#);
    let daemon = site.start();
    daemon.wait_live().await;
    let ldap = Ldap::bind_as(&slapd, LENA).await;
    ldap.add_member(CAMERAS, "uid=finn,ou=people").await;
    let event = told(&site, 1).await.remove(0);
    daemon.stop().await;
    let id = event["id"].as_str().expect("an id");
    let lines = site.json(&["explain", id]).await;
    let verdicts: Vec<_> =
        lines.iter().map(|line| format!("{} {}", line["option"], line["verdict"])).collect();
    assert_eq!(
        verdicts,
        [
            r#""logged_in_users" "fired""#,
            r#""owner" "fired""#,
            r#""manager" "other-kind""#,
            r#""object_modified" "off""#,
            r#""public_group_owner" "group-not-public""#,
            r#""added_members" "fired""#,
            r#""removed_members" "off""#,
            r#""recipients" "fired""#,
        ]
    );
    let entry = async |dn: &str, kind: &str, name: &str| json!({ "id": ldap.id(dn).await, "dn": slapd.dn(dn), "kind": kind, "name": name });
    let finn = entry("uid=finn,ou=people", "user", "Finn O'Brien").await;
    let mails = site.outbox_json().await;
    let sent = smtp.mails();
    let told = |address: &str, who: &Value, via: &Value, role: &str, line: &Value| {
        let mail = mails.iter().find(|mail| mail["to"] == address).expect("a mail");
        let letter = sent.iter().find(|mail| mail.to == [address]).expect("it was sent");
        json!({
            "address": address, "entry": who, "via": via, "role": role, "state": "delivered", "until": null,
            "ended_at": line["ended_at"], "message": mail["id"], "last_answer": "250 2.0.0 queued",
            "message_id": letter.header("Message-ID").expect("a header"),
        })
    };
    for line in &lines {
        for (key, expected) in [
            ("event", json!(id)),
            ("store", json!(STORE)),
            ("change", json!("member-added")),
            ("entry", event["entry"].clone()),
            ("subject", finn.clone()),
        ] {
            assert_eq!(line[key], expected, "{key}");
        }
        let decided = line["decided_at"].as_str().expect("a time");
        assert!(decided.ends_with('Z') && decided.parse::<jiff::Timestamp>().is_ok(), "{decided}");
    }
    let desk = entry("cn=service-desk,ou=groups", "group", "service-desk").await;
    let (lena, ibrahim) = (
        entry(LENA, "user", "Lena Hartmann").await,
        entry("uid=ibrahim,ou=people", "user", "İbrahim Demir").await,
    );
    let (directly, group) = (json!({ "way": "directly" }), json!({ "way": "group", "group": desk }));
    let (to_lena, to_ibrahim) = ("lena@harbour-vale.example", "ibrahim@harbour-vale.example");
    let by_role = |to: &str, who: &Value, via: &Value, line: &Value| told(to, who, via, "by-role", line);
    let owner = &lines[1]["told"];
    assert_eq!(lines[0]["told"], json!([by_role(to_lena, &lena, &directly, &lines[0]["told"][0])]));
    assert_eq!(
        *owner,
        json!([by_role(to_lena, &lena, &group, &owner[0]), by_role(to_ibrahim, &ibrahim, &group, &owner[1])])
    );
    let ended = owner[0]["ended_at"].as_str().expect("a time");
    assert!(ended.ends_with('Z') && ended.parse::<jiff::Timestamp>().is_ok(), "{ended}");
    assert_eq!(lines[5]["told"], json!([]));
    assert_eq!(lines[5]["untold"], json!([{ "entry": finn, "via": directly, "why": "no-address" }]));
    // Lena is listed under Cc and gets no second mail.
    let copies = &lines[7]["told"];
    assert_eq!(
        *copies,
        json!([
            by_role(to_lena, &Value::Null, &directly, &copies[0]),
            told("audit@harbour-vale.example", &Value::Null, &directly, "to", &copies[1]),
        ])
    );
    assert_eq!(lines[2]["why"], "it does not look at member-added of a group");
    assert_eq!((&lines[0]["why"], &lines[3]["why"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn w2_where_nobody_knows_who_it_was_the_option_says_so() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = site(&slapd, &smtp);
    let daemon = site.start();
    daemon.wait_live().await;
    daemon.stop().await;
    // What a refresh finds bears the last writer's name, who need not be the one who did it.
    Ldap::bind_as(&slapd, LENA).await.add_member(CAMERAS, "uid=mei,ou=people").await;
    let daemon = site.start();
    let events = told(&site, 1).await;
    daemon.stop().await;
    let text = explained(&site, &events[0]).await;
    assert_says(
        &text,
        &[
            "  by        nobody knows\n",
            "logged_in_users (",
            "  did not fire: nobody knows who did it\n\nowner (",
            "  told: Mei Chen at mei@harbour-vale.example: delivered TIME",
        ],
    );
    let lines = site.json(&["explain", events[0]["id"].as_str().expect("an id")]).await;
    assert_eq!((&lines[0]["verdict"], &lines[0]["told"]), (&json!("actor-unknown"), &json!([])));
}

#[tokio::test]
async fn a_mail_that_has_not_left_says_what_it_waits_for() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    smtp.script(Fault::at(At::Rcpt).answer("451 4.3.0 try later"));
    let site = Site::new(&slapd, &smtp).with("notify.owner", "true");
    let daemon = site.start();
    daemon.wait_live().await;
    let ldap = Ldap::bind_as(&slapd, LENA).await;
    ldap.add_member(CAMERAS, "uid=mei,ou=people").await;
    wait::until_async("a deferred mail", async || {
        site.outbox_json().await.iter().any(|mail| mail["state"] == "deferred").then_some(())
    })
    .await;
    let events = site.events_json().await;
    let text = explained(&site, &events[0]).await;
    assert_says(&text, &["to be told: ", ": deferred until TIME (451 4.3.0 try later), message MAIL-TO-"]);
    daemon.stop().await;

    let site = site.with("notify.digest_window", r#""1h""#);
    let daemon = site.start();
    daemon.wait_live().await;
    ldap.add_member(CAMERAS, "uid=ravi,ou=people").await;
    let event =
        wait::until_async("the second event", async || site.events_json().await.into_iter().nth(1)).await;
    let waiting = wait::until_async("it is decided", async || {
        let lines = site.json(&["explain", event["id"].as_str().expect("an id")]).await;
        (!lines[1]["decided_at"].is_null()).then(|| lines[1].clone())
    })
    .await;
    daemon.stop().await;
    assert_says(
        &explained(&site, &event).await,
        &["to be told: Lena", ": the digest or the cap of the hour holds the mail until TIME\n"],
    );
    let (told, decided) = (&waiting["told"][0], waiting["decided_at"].as_str().expect("a time"));
    assert_eq!((&told["state"], &told["message"]), (&json!("in-digest"), &Value::Null));
    let time = |text: &str| text.parse::<jiff::Timestamp>().expect("a time");
    let until = time(told["until"].as_str().expect("a time"));
    assert_eq!(until.duration_since(time(decided)).as_secs(), 3600);
}

#[tokio::test]
async fn an_event_is_found_by_the_beginning_of_its_id() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = site(&slapd, &smtp);
    let none = run(&site, &["explain", "018900"]).await;
    let unknown =
        "dirherald: no event has an id that begins with 018900; `dirherald events` shows those there are\n";
    assert_eq!((none.code, none.stderr.as_str()), (1, unknown), "before there is a state file");
    let daemon = site.start();
    daemon.wait_live().await;
    let ldap = Ldap::bind_as(&slapd, LENA).await;
    ldap.add_member(CAMERAS, "uid=mei,ou=people").await;
    ldap.remove_member(CAMERAS, "uid=mei,ou=people").await;
    let events = told(&site, 2).await;
    daemon.stop().await;
    let ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().expect("an id")).collect();
    let table = run(&site, &["events"]).await.stdout;
    for (row, id) in table.lines().skip(1).zip(&ids) {
        assert!(row.starts_with(id), "the table shows the id: {row}");
    }
    let unique = (6..36)
        .map(|length| ids[1].split_at(length).0)
        .find(|text| !ids[0].starts_with(*text))
        .expect("two ids");
    assert_says(
        &run(&site, &["explain", unique]).await.stdout,
        &["member-removed: quay-cameras, Mei Chen", ids[1]],
    );

    let both = run(&site, &["explain", ids[0].split_at(6).0]).await;
    assert_eq!((both.code, both.stdout.as_str()), (1, ""));
    assert_says(
        &both.stderr,
        &[
            "several events have ids that begin with ",
            ids[0],
            "member-added quay-cameras Mei Chen",
            ids[1],
            "member-removed",
        ],
    );
    let other = run(&site, &["explain", "ffffff"]).await;
    assert_eq!(other.code, 1);
    assert_says(&other.stderr, &["no event has an id that begins with ffffff"]);
    for text in ["01890", "", "xyz", "--", "0189000000000000000000000000000000"] {
        let refused = run(&site, &["explain", "--", text]).await;
        assert_eq!(refused.code, 2, "{text}: {}", refused.stderr);
    }
}

#[tokio::test]
async fn an_event_that_waits_is_told_as_it_would_be_decided_now() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = site(&slapd, &smtp);
    let daemon = site.start();
    daemon.wait_live().await;
    Ldap::bind_as(&slapd, LENA).await.add_member(CAMERAS, "uid=finn,ou=people").await;
    let event = told(&site, 1).await.remove(0);
    daemon.stop().await;
    // As a daemon leaves it that is killed before it decides.
    let file = rusqlite::Connection::open(site.state_file()).expect("opening the state");
    file.execute_batch(
        "DELETE FROM notification; DELETE FROM skipped;
         UPDATE change_set SET dispatched_at = NULL, options = NULL;",
    )
    .expect("forgetting what was decided");
    drop(file);
    let changed = site.clone().with("notify.logged_in_users", "false");
    let text = explained(&changed, &event).await;
    assert_says(
        &text,
        &[
            "  decided   not yet; this is what would be decided now\n\nowner (",
            "  would be told: Lena Hartmann at lena@harbour-vale.example, through the group service-desk\n",
            "  not told: Finn O'Brien has no mail address\n",
            "off: logged_in_users, object_modified, removed_members\n",
        ],
    );
    let lines = site.json(&["explain", event["id"].as_str().expect("an id")]).await;
    assert_eq!((&lines[1]["event"], &lines[1]["decided_at"]), (&event["id"], &Value::Null));
    assert_eq!(lines[1]["told"][0]["state"], "would-be-told");

    let renamed = Site::empty().and_store("school", &slapd, &smtp);
    std::fs::copy(site.state_file(), renamed.state_file()).expect("copying the state");
    let ran = run(&renamed, &["explain", event["id"].as_str().expect("an id")]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert_says(
        &ran.stderr,
        &["nothing was decided about this event, and no identity store is called company"],
    );
}
