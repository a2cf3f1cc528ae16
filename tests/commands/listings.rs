//! `events`, `outbox` and `status`, before, during and after a daemon.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{assert_says, complete, healthy, run};
use crate::support::{
    daemon::{Ran, STORE, Site},
    ldap::Ldap,
    slapd::{Setup, Slapd},
    smtp::{At, Fault, SmtpServer},
};

pub(super) const WAREHOUSE: &str = "cn=warehouse,ou=groups";
pub(super) const WANJIRU: &str = "uid=wanjiru,ou=people";

/// A daemon that has told one change: lena put wanjiru into the warehouse, whose owner is ravi.
pub(super) async fn with_a_change() -> (Slapd, SmtpServer, Site) {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = Site::new(&slapd, &smtp)
        .with("notify.owner", "true")
        .with("notify.added_members", "true")
        .with("timezone", r#""Pacific/Auckland""#);
    let daemon = site.start();
    daemon.wait_live().await;
    Ldap::bind_as(&slapd, "uid=lena,ou=people").await.add_member(WAREHOUSE, WANJIRU).await;
    smtp.wait_for(2).await;
    daemon.stop().await;
    (slapd, smtp, site)
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn before_there_is_a_state_file_nothing_happened_and_nothing_runs() {
    let (slapd, smtp, site) = healthy().await;
    let site = site.and_store("school", &slapd, &smtp);
    for (row, name) in site.status().await.iter().zip([STORE, "school"]) {
        let expected = json!({
            "store": name, "state": "stopped", "daemon": false, "url": null, "kind": null, "feed": null, "bell": null,
            "checkpoint_age_seconds": null, "lag_seconds": null, "entries": 0, "outbox_pending": 0,
            "outbox_failed": 0, "held": 0, "alerts": 0, "last_error": null,
        });
        assert_eq!(row, &expected);
    }
    assert_eq!(site.status().await.len(), 2);
    assert_eq!(site.json(&["status", "--store", "school"]).await.len(), 1);
    assert_eq!(site.events_json().await, [] as [Value; 0]);
    assert_eq!(site.outbox_json().await, [] as [Value; 0]);
    let table = run(&site, &["status"]).await;
    assert_says(
        &table.stdout,
        &["STORE", "DAEMON", "LAST ERROR\n", STORE, "no  ", "stopped", "\nschool", "no  ", "stopped"],
    );
    assert_says(&run(&site, &["events"]).await.stdout, &["TIME", "STORE", "CHANGE", "ENTRY"]);
    assert_says(&run(&site, &["outbox", "list"]).await.stdout, &["ID", "STATE", "LAST ANSWER"]);
    for listing in [["status"].as_slice(), &["events"], &["outbox", "list"], &["held", "list"]] {
        let ran = run(&site, listing).await;
        assert_eq!(ran.code, 0, "{listing:?}");
        assert_says(&ran.stderr, &["there is no state file", "state.db yet: `dirherald run` makes it"]);
    }
    assert!(!site.state_file().exists(), "looking leaves no trace");
}

#[tokio::test]
async fn status_tells_how_a_running_daemon_stands_and_that_it_stopped() {
    let (slapd, smtp, site) = healthy().await;
    let daemon = site.start();
    daemon.wait_live().await;
    let row = site.status().await.remove(0);
    let expected = [
        "alerts",
        "bell",
        "checkpoint_age_seconds",
        "daemon",
        "entries",
        "feed",
        "held",
        "kind",
        "lag_seconds",
        "last_error",
        "outbox_failed",
        "outbox_pending",
        "state",
        "store",
        "url",
    ];
    assert_eq!(keys(&row).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    for (key, value) in [
        ("store", json!(STORE)),
        ("state", json!("live")),
        ("daemon", json!(true)),
        ("url", json!(slapd.url())),
        ("kind", json!("openldap")),
        ("feed", json!("syncrepl")),
        ("bell", json!("syncrepl")),
        ("lag_seconds", json!(null)),
        ("outbox_pending", json!(0)),
        ("alerts", json!(0)),
        ("last_error", json!(null)),
    ] {
        assert_eq!(row[key], value, "{key}");
    }
    assert!(row["entries"].as_u64().expect("a number") > 30, "{row}");
    assert!(row["checkpoint_age_seconds"].as_f64().is_some_and(|age| (0.0..60.0).contains(&age)), "{row}");

    smtp.script(Fault::at(At::Rcpt).answer("451 4.3.0 try later"));
    Ldap::admin(&slapd).await.replace("uid=mei,ou=people", "title", &["Chief dispatcher"]).await;
    smtp.wait_for_command("RCPT").await;
    crate::support::wait::until_async("the deferred mail", async || {
        let row = site.status().await.remove(0);
        (row["outbox_pending"] == 1 && row["lag_seconds"].is_f64()).then_some(())
    })
    .await;
    let table = run(&site, &["status"]).await;
    assert_says(
        &table.stdout,
        &["STORE", "PENDING", STORE, "runs", "live", &slapd.url(), "openldap", "syncrepl"],
    );
    daemon.stop().await;
    let row = site.status().await.remove(0);
    assert_eq!(
        (&row["state"], &row["daemon"], &row["url"]),
        (&json!("stopped"), &json!(false), &json!(null))
    );
    assert_eq!(row["outbox_pending"], 1);
}

#[tokio::test]
async fn status_tells_what_went_wrong_and_what_to_do() {
    let (_slapd, _smtp, site) = healthy().await;
    let site = site.with("bind.password", r#""guess""#);
    let daemon = site.start();
    daemon.wait_state("connecting").await;
    let error = crate::support::wait::until_async("the refused bind", async || {
        let row = site.status().await.remove(0);
        row["last_error"].as_str().map(str::to_owned)
    })
    .await;
    assert_says(&error, &["49 invalidCredentials", "check bind.dn and bind.password"]);
    assert!(run(&site, &["status"]).await.stdout.contains("49 invalidCredentials"));
    daemon.stop().await;
}

#[tokio::test]
async fn a_store_that_was_given_up_is_told_from_one_that_nobody_watches() {
    let (_slapd, _smtp, site) = healthy().await;
    let site = site.with("base_dn", r#""ou=elsewhere,dc=harbour-vale,dc=example""#);
    let daemon = site.start();
    daemon.wait_state("stopped").await;
    let row = site.status().await.remove(0);
    assert_eq!((&row["state"], &row["daemon"]), (&json!("stopped"), &json!(true)));
    assert_says(
        &run(&site, &["status"]).await.stdout,
        &["DAEMON  STATE", "runs    stopped", "check base_dn"],
    );
    daemon.stop().await;
    let row = site.status().await.remove(0);
    assert_eq!((&row["state"], &row["daemon"]), (&json!("stopped"), &json!(false)));
    assert_says(&run(&site, &["status"]).await.stdout, &["no      stopped"]);
}

#[tokio::test]
async fn a_daemon_that_was_killed_is_stopped() {
    let (_slapd, _smtp, site) = healthy().await;
    let daemon = site.start();
    daemon.wait_live().await;
    daemon.kill().await;
    assert_eq!(site.status().await[0]["state"], "stopped");
}

#[tokio::test]
async fn events_say_what_happened_to_whom_and_who_did_it() {
    let (slapd, _smtp, site) = with_a_change().await;
    let events = site.events_json().await;
    let [event] = events.as_slice() else { panic!("one event: {events:?}") };
    assert_eq!(
        keys(event).into_iter().collect::<BTreeSet<_>>(),
        ["actor", "cause", "change", "change_set", "entry", "held", "id", "store", "subject", "time"].into()
    );
    let ldap = Ldap::admin(&slapd).await;
    let shape = async |dn: &str, kind: &str, name: &str| json!({ "id": ldap.id(dn).await, "dn": slapd.dn(dn), "kind": kind, "name": name });
    assert_eq!(event["store"], STORE);
    assert_eq!(event["change"], "member-added");
    assert_eq!((&event["cause"], &event["held"]), (&json!("directory"), &json!(false)));
    assert_eq!(event["entry"], shape(WAREHOUSE, "group", "warehouse").await);
    assert_eq!(event["subject"]["dn"], slapd.dn(WANJIRU));
    assert_eq!(event["subject"]["kind"], "user");
    assert_eq!(event["actor"]["dn"], slapd.dn("uid=lena,ou=people"));
    let time = event["time"].as_str().expect("a time");
    assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");

    let table = run(&site, &["events"]).await.stdout;
    assert_eq!(table.lines().count(), 2, "{table}");
    assert_says(
        &table,
        &["TIME", "CAUSE\n", "NZ", STORE, "member-added", "warehouse", "Wanjiru", "Lena", "directory"],
    );
    let heading = table.lines().next().expect("a heading");
    let row = table.lines().nth(1).expect("a row");
    assert_eq!(heading.find("CHANGE"), row.find("member-added"), "{table}");
}

#[tokio::test]
async fn each_kind_of_change_tells_its_facts() {
    let (slapd, smtp, site) = healthy().await;
    let daemon = site.start();
    daemon.wait_live().await;
    let ldap = Ldap::admin(&slapd).await;
    let people = |uid: &str| slapd.dn(&format!("uid={uid},ou=people"));
    ldap.add_group("cn=pair,ou=groups", &["uid=ravi,ou=people"], &["uid=mei,ou=people", WANJIRU]).await;
    ldap.rename("cn=pair,ou=groups", "cn=couple").await;
    ldap.set_owners("cn=couple,ou=groups", &["uid=lena,ou=people"]).await;
    ldap.set_manager("uid=mei,ou=people", "uid=maren,ou=people").await;
    ldap.replace("uid=mei,ou=people", "title", &["Chief dispatcher"]).await;
    ldap.delete("cn=couple,ou=groups").await;
    crate::support::wait::until_async("the deletion is told", async || {
        let events = site.events_json().await;
        events.iter().any(|event| event["change"] == "object-deleted").then_some(())
    })
    .await;
    daemon.stop().await;
    drop(smtp);
    let events = site.events_json().await;
    let find = |change: &str, more: &dyn Fn(&Value) -> bool| {
        let found = events.iter().find(|event| event["change"] == change && more(event));
        found.unwrap_or_else(|| panic!("{change} in {events:#?}"))
    };
    let any = |_: &Value| true;
    assert!(find("object-created", &any).get("subject").is_none());
    assert_eq!(find("object-renamed", &any)["old_dn"], slapd.dn("cn=pair,ou=groups"));
    let owner = find("owner-added", &|event| event["subject"]["dn"] == people("lena"));
    assert_eq!((&owner["rank"], owner["entry"]["kind"].as_str()), (&json!("primary"), Some("group")));
    find("owner-removed", &|event| event["subject"]["dn"] == people("ravi") && event["rank"] == "primary");
    let manager = find("manager-changed", &|event| event["direction"] == "added");
    assert_eq!((&manager["subject"]["dn"], &manager["rank"]), (&json!(people("maren")), &json!("primary")));
    let attributes = &find("attributes-changed", &any)["attributes"][0];
    assert_eq!(attributes["name"], "title");
    assert_eq!(attributes["new"], json!(["Chief dispatcher"]));
    assert!(attributes["old"].is_array());
    assert_eq!(find("object-deleted", &any)["last_member_count"], 2);

    let table = run(&site, &["events"]).await.stdout;
    assert_says(
        &table,
        &["object-renamed", "was cn=pair", "Maren Vale (added)", "title", "object-deleted", "2 members"],
    );
}

#[tokio::test]
async fn events_since_then() {
    let (_slapd, _smtp, site) = with_a_change().await;
    let check = async |since: &str, expected: usize| {
        assert_eq!(site.json(&["events", "--since", since]).await.len(), expected, "{since}");
    };
    check("1h", 1).await;
    check("0s", 0).await;
    check("2001-01-01T00:00:00+13:00", 1).await;
    check("2999-01-01T00:00:00Z", 0).await;
}

#[tokio::test]
async fn m16_a_name_with_control_characters_stays_one_harmless_line() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = complete(Site::new(&slapd, &smtp));
    let daemon = site.start();
    daemon.wait_live().await;
    let ldap = Ldap::admin(&slapd).await;
    ldap.replace("uid=mei,ou=people", "displayName", &["Mei\u{1b}[2J\r\nFake: row\u{202e}"]).await;
    smtp.wait_for(1).await;
    daemon.stop().await;
    for arguments in [&["events"][..], &["outbox", "list"]] {
        let table = run(&site, arguments).await.stdout;
        assert_eq!(table.lines().count(), 2, "{table}");
        assert!(!table.contains(['\u{1b}', '\r', '\u{202e}']), "{table:?}");
    }
    assert_says(&run(&site, &["events"]).await.stdout, &["Mei [2J Fake: row"]);
}

#[tokio::test]
async fn the_outbox_tells_what_became_of_each_mail() {
    let (_slapd, smtp, site) = with_a_change().await;
    let rows = site.outbox_json().await;
    let event = site.events_json().await[0]["id"].clone();
    for row in &rows {
        assert_eq!(
            keys(row).into_iter().collect::<BTreeSet<_>>(),
            ["attempts", "events", "id", "last_answer", "next_attempt", "state", "store", "subject", "to"]
                .into()
        );
        assert_eq!((&row["state"], &row["store"]), (&json!("delivered"), &json!(STORE)));
        assert_eq!((&row["attempts"], &row["next_attempt"]), (&json!(1), &json!(null)));
        assert_eq!(row["last_answer"], "250 2.0.0 queued");
        assert_eq!(row["events"], json!([event]));
    }
    let to: BTreeSet<_> = rows.iter().map(|row| row["to"].as_str().expect("an address")).collect();
    assert_eq!(to, ["ravi@harbour-vale.example", "wanjiru@harbour-vale.example"].into());

    let table = run(&site, &["outbox", "list"]).await.stdout;
    assert_eq!(table.lines().count(), 3, "{table}");
    assert_says(&table, &["ID", "STATE", "NEXT ATTEMPT", "delivered", "250 2.0.0 queued"]);

    for row in &rows {
        let shown = run(&site, &["outbox", "show", row["id"].as_str().expect("an id")]).await;
        assert_eq!(shown.code, 0);
        let mails = smtp.mails();
        let sent = mails.iter().find(|mail| mail.to == [row["to"].as_str().expect("an address")]);
        assert_eq!(shown.stdout, sent.expect("it was sent").text(), "the mail as sent");
        assert_says(&shown.stderr, &["delivered to ", "NZ", "delivered: 250 2.0.0 queued"]);
    }
    let missing = run(&site, &["outbox", "show", "01890000-0000-7000-8000-000000000000"]).await;
    assert_eq!((missing.code, missing.stdout.as_str()), (1, ""));
    assert_says(&missing.stderr, &["dirherald: no message in the outbox has the id 01890000-"]);
}

#[tokio::test]
async fn a_mail_that_waits_says_until_when_and_why() {
    let (slapd, smtp, site) = healthy().await;
    smtp.script(Fault::at(At::Rcpt).answer("451 4.3.0 try later"));
    let daemon = site.start();
    daemon.wait_live().await;
    Ldap::admin(&slapd).await.replace("uid=mei,ou=people", "title", &["Chief dispatcher"]).await;
    let row = crate::support::wait::until_async("the deferred mail", async || {
        site.outbox_json().await.into_iter().find(|row| row["state"] == "deferred")
    })
    .await;
    assert!(row["next_attempt"].as_str().is_some_and(|at| at.ends_with('Z')), "{row}");
    assert!(row["last_answer"].as_str().is_some_and(|words| words.contains("451 4.3.0 try later")), "{row}");
    daemon.stop().await;
    let shown = run(&site, &["outbox", "show", row["id"].as_str().expect("an id")]).await;
    assert_says(&shown.stderr, &["deferred to audit@", "transient: ", "451 4.3.0 try later", "next attempt"]);
}

#[tokio::test]
async fn only_the_stores_asked_for() {
    let (one, other) = (Setup::company().start(), Setup::company().start());
    let smtp = SmtpServer::start().await;
    let site = complete(Site::new(&one, &smtp))
        .and_store("school", &other, &smtp)
        .with_global("identity_store.school.recipients.to", r#"["head@school.example"]"#)
        .with_global("identity_store.school.recipients.copy", r#""all-changes""#);
    let daemon = site.start();
    daemon.wait_live().await;
    for slapd in [&one, &other] {
        Ldap::admin(slapd).await.replace("uid=mei,ou=people", "title", &["Chief dispatcher"]).await;
    }
    smtp.wait_for(2).await;
    daemon.stop().await;
    for command in [&["events"][..], &["outbox", "list"], &["status"]] {
        assert_eq!(site.json(command).await.len(), 2, "{command:?}");
        let some = site.json(&[command, &["--store", "school"]].concat()).await;
        assert_eq!(some.len(), 1, "{command:?}");
        assert_eq!(some[0]["store"], "school", "{command:?}");
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_failure() {
    let (_slapd, _smtp, site) = with_a_change().await;
    for arguments in [&["events"][..], &["events", "--json"], &["status"], &["outbox", "list"], &["check"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = site.command(arguments);
        // `output` would put a pipe of its own in its place.
        let child = command.stdout(writer).stderr(std::process::Stdio::piped()).spawn().expect("starting");
        drop(command);
        let ended = child.wait_with_output().await.expect("waiting");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{arguments:?}");
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_state_file_that_is_not_ours_is_refused() {
    let (_slapd, _smtp, site) = healthy().await;
    std::fs::write(site.state_file(), "the shopping list of last week").expect("writing");
    for arguments in [&["events"][..], &["status", "--json"], &["outbox", "list"], &["run"]] {
        let Ran { code, stdout, stderr } = run(&site, arguments).await;
        assert_eq!((code, stdout.as_str()), (1, ""), "{arguments:?}");
        assert_says(&stderr, &["dirherald: ", "state.db is not a state file of dirherald"]);
    }
    assert_eq!(
        std::fs::read_to_string(site.state_file()).expect("reading"),
        "the shopping list of last week"
    );
}
