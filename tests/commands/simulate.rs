//! `simulate`: what is foretold is what happens, and foretelling changes nothing.

use std::collections::BTreeSet;

use rusqlite::{Connection, types::Value as Cell};
use serde_json::{Value, json};

use super::{assert_says, run};
use crate::support::{
    daemon::{Daemon, Ran, Site},
    ldap::{Change, Ldap},
    slapd::{Overlay, Setup, Slapd},
    smtp::SmtpServer,
    wait,
};

/// Everything is on, and everybody who is concerned hears of it.
fn site(slapd: &Slapd, smtp: &SmtpServer) -> Site {
    let options = [
        "logged_in_users",
        "owner",
        "manager",
        "object_modified",
        "public_group_owner",
        "added_members",
        "removed_members",
    ];
    let site = Site::new(slapd, smtp)
        .with("schema.public_group_filter", r#""(cn=board)""#)
        .with("recipients.to", r#"["audit@harbour-vale.example"]"#);
    options.iter().fold(site, |site, option| site.with(&format!("notify.{option}"), "true"))
}

async fn live(overlays: &[Overlay]) -> (Slapd, SmtpServer, Site, Daemon) {
    let setup = overlays.iter().fold(Setup::company(), |setup, overlay| setup.with(*overlay));
    let (slapd, smtp) = (setup.start(), SmtpServer::start().await);
    let site = site(&slapd, &smtp);
    let daemon = site.start();
    daemon.wait_live().await;
    (slapd, smtp, site, daemon)
}

/// Event, option, verdict, and everybody who is told or not: what an explanation says but for ids of events, times
/// and mails.
fn said(lines: &[Value]) -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    for line in lines {
        let at = format!("{} {} {}", line["change"], line["entry"]["dn"], line["subject"]["dn"]);
        said.insert(format!("{at}: {} {} {}", line["option"], line["verdict"], line["why"]));
        for told in line["told"].as_array().expect("a list") {
            let (address, who, via) = (&told["address"], &told["entry"]["dn"], &told["via"]);
            said.insert(format!("{at}: {} tells {who} at {address} {} {via}", line["option"], told["role"]));
        }
        for untold in line["untold"].as_array().expect("a list") {
            let (who, why, via) = (&untold["entry"]["dn"], &untold["why"], &untold["via"]);
            said.insert(format!("{at}: {} does not tell {who} {via}: {why}", line["option"]));
        }
    }
    said
}

/// `simulate` and its arguments; `@name` stands for the group of that name.
fn arguments(words: &str) -> Vec<String> {
    let group = |name: &str| format!("cn={name},ou=groups,dc=harbour-vale,dc=example");
    let whole = |word: &str| word.strip_prefix('@').map_or_else(|| word.to_owned(), group);
    ["simulate"].into_iter().chain(words.split_whitespace()).map(whole).collect()
}

async fn simulate(site: &Site, words: &str) -> Ran {
    let arguments = arguments(words);
    run(site, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
}

async fn simulate_json(site: &Site, words: &str) -> Vec<Value> {
    let arguments = arguments(words);
    site.json(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// Foretells, lets `change` make the change, and compares with what the daemon then decided.
async fn check(site: &Site, words: &str, expected: &[&str], change: impl AsyncFnOnce()) {
    let before = site.events_json().await.len();
    let foretold = simulate_json(site, words).await;
    assert!(foretold.iter().all(|line| line["event"].is_null() && line["decided_at"].is_null()));
    let states = foretold.iter().flat_map(|line| line["told"].as_array().expect("a list").clone());
    assert!(states.into_iter().all(|told| told["state"] == "would-be-told" && told["message"].is_null()));
    change().await;
    let events = wait::until_async("what was foretold", async || {
        let events = site.events_json().await.split_off(before);
        (events.len() == expected.len()).then_some(events)
    })
    .await;
    let changes: Vec<_> = events.iter().map(|event| event["change"].as_str().expect("a word")).collect();
    assert_eq!(changes, expected, "{words}");
    let mut happened = Vec::new();
    for event in &events {
        let id = event["id"].as_str().expect("an id");
        happened.extend(
            wait::until_async("it is decided", async || {
                let lines = site.json(&["explain", id]).await;
                (!lines[0]["decided_at"].is_null()).then_some(lines)
            })
            .await,
        );
    }
    assert_eq!(said(&foretold), said(&happened), "{words}");
    assert_eq!(foretold.len(), happened.len());
}

#[tokio::test]
async fn what_is_foretold_is_what_happens() {
    let (slapd, _smtp, site, daemon) = live(&[]).await;
    let ldap = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;
    let words = "--add-member finn --to @quay-cameras --by LENA@harbour-vale.example";
    check(&site, words, &["member-added"], async || {
        ldap.add_member("cn=quay-cameras,ou=groups", "uid=finn,ou=people").await;
    })
    .await;
    check(&site, "--add-member ravi --to @board --by lena", &["member-added"], async || {
        ldap.modify("cn=board,ou=groups", &[Change::Add("uniqueMember", &[&slapd.dn("uid=ravi,ou=people")])])
            .await;
    })
    .await;
    check(&site, "--remove-member kenji --from @unix-admins --by lena", &["member-removed"], async || {
        ldap.modify("cn=unix-admins,ou=groups", &[Change::Delete("memberUid", &["kenji"])]).await;
    })
    .await;
    check(
        &site,
        "--remove-member @warehouse --from @operations --by lena",
        &["member-removed"],
        async || {
            ldap.remove_member("cn=operations,ou=groups", "cn=warehouse,ou=groups").await;
        },
    )
    .await;
    let replaced = ["owner-removed", "owner-removed", "owner-added"];
    check(&site, "--set-owner wanjiru --of @payroll --by lena", &replaced, async || {
        ldap.set_owners("cn=payroll,ou=groups", &["uid=wanjiru,ou=people"]).await;
    })
    .await;
    check(
        &site,
        "--set-owner priya --of @crane-log --by lena",
        &["owner-removed", "owner-added"],
        async || {
            ldap.replace("cn=crane-log,ou=groups", "managedBy", &["uid=priya,ou=people"]).await;
        },
    )
    .await;
    let words = "--set-manager amara --of mei@harbour-vale.example --by lena";
    check(&site, words, &["manager-changed", "manager-changed"], async || {
        ldap.set_manager("uid=mei,ou=people", "uid=amara,ou=people").await;
    })
    .await;
    daemon.stop().await;
}

/// syncrepl does not tell who deleted something.
#[tokio::test]
async fn a15_a_foretold_deletion_has_its_consequences() {
    for overlays in [&[][..], &[Overlay::Refint]] {
        let (slapd, _smtp, site, daemon) = live(overlays).await;
        let ldap = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;
        check(&site, "--delete @sales", &["object-deleted"], async || {
            ldap.delete("cn=sales,ou=groups").await;
        })
        .await;
        let consequences = [
            "object-deleted",
            "manager-changed",
            "manager-changed",
            "manager-changed",
            "owner-removed",
            "member-removed",
            "owner-removed",
        ];
        check(&site, "--delete ravi", &consequences, async || ldap.delete("uid=ravi,ou=people").await).await;
        daemon.stop().await;
    }
}

/// Every row of every table.
fn content(site: &Site) -> Vec<String> {
    let file = Connection::open(site.state_file()).expect("opening the state");
    let mut names =
        file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").expect("SQL");
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))
        .and_then(Iterator::collect)
        .expect("reading the names of the tables");
    assert!(names.len() > 10, "{names:?}");
    let mut content = Vec::new();
    for name in names {
        let mut table = file.prepare(&format!("SELECT * FROM {name}")).expect("SQL");
        let columns = table.column_count();
        let rows = table.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
        for row in rows.expect("reading a table") {
            let row: Vec<Cell> = row.expect("reading a row");
            content.push(format!("{name}: {row:?}"));
        }
    }
    content
}

#[tokio::test]
async fn nothing_is_touched() {
    let (slapd, smtp, site, daemon) = live(&[]).await;
    let ldap = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;
    ldap.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    smtp.wait_for(1).await;
    wait::until_async("all is told", async || {
        let outbox = site.outbox_json().await;
        (!outbox.is_empty() && outbox.iter().all(|mail| mail["state"] == "delivered")).then_some(())
    })
    .await;
    daemon.stop().await;
    let before = content(&site);
    for words in [
        "--add-member maren --to @warehouse",
        "--remove-member wanjiru --from @warehouse",
        "--set-owner maren --of @warehouse --by lena",
        "--set-manager maren --of wanjiru",
        "--delete @warehouse",
    ] {
        for format in ["", " --json"] {
            let ran = simulate(&site, &format!("{words}{format}")).await;
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{words}");
            assert!(!ran.stdout.is_empty(), "{words}");
            assert_eq!(content(&site), before, "{words}");
        }
    }
    let mails = smtp.mails().len();
    let daemon = site.start();
    daemon.wait_live().await;
    daemon.stop().await;
    assert_eq!((smtp.mails().len(), site.events_json().await.len()), (mails, 1));
    assert_eq!(ldap.values("cn=warehouse,ou=groups", "member").await.expect("members").len(), 4);
}

#[tokio::test]
async fn a_person_reads_who_would_be_told() {
    let (_slapd, _smtp, site, daemon) = live(&[]).await;
    let Ran { code, stdout, stderr } =
        simulate(&site, "--store company --add-member wanjiru --to @board").await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let expected = "\
member-added: board, Wanjiru Kamau
  entry     board, group, cn=board,ou=groups,dc=harbour-vale,dc=example
  concerns  Wanjiru Kamau, user, uid=wanjiru,ou=people,dc=harbour-vale,dc=example
  by        nobody knows: say it with --by
  cause     directory
  store     company
  decided   never: this did not happen

logged_in_users (Notify logged-in users about changes being made to objects)
  did not fire: nobody knows who did it

owner (Notify owner (of groups))
  fired
  would be told: Maren Vale at maren@harbour-vale.example

manager (Notify manager (of users/contacts))
  did not fire: it does not look at member-added of a group

object_modified (Notify object being modified)
  fired
";
    assert!(stdout.starts_with(expected), "{stdout}");
    assert_says(
        &stdout,
        &[
            "  would be told: Amara Okafor at amara@harbour-vale.example, through the group board\n",
            "public_group_owner (",
            "  would be told: Maren Vale at maren@harbour-vale.example\n",
            "added_members (",
            "  would be told: Wanjiru Kamau at wanjiru@harbour-vale.example\n",
            "removed_members (Notify removed group member on removal)\n  did not fire: it does not look at member-added\n",
            "recipients (",
            "  would be told: audit@harbour-vale.example, listed under To\n",
        ],
    );
    let ran = simulate(&site, "--add-member maren --to @board").await;
    let nothing = "This would change nothing: Maren Vale (uid=maren,ou=people,dc=harbour-vale,dc=example) is a member \
                   of board (cn=board,ou=groups,dc=harbour-vale,dc=example) already.\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (0, nothing));
    let ran = simulate(&site, "--json --add-member maren --to @board").await;
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", nothing));
    daemon.stop().await;
}

#[tokio::test]
async fn what_is_configured_now_counts_before_the_daemon_knows_it() {
    let (_slapd, _smtp, site, daemon) = live(&[]).await;
    let quiet = site.clone().with("notify.owner", "false").with("notify.object_modified", "false");
    let lines = simulate_json(&quiet, "--delete ravi").await;
    let off: BTreeSet<_> = lines
        .iter()
        .filter(|line| line["verdict"] == "off")
        .map(|line| line["option"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(off, ["object_modified".to_owned(), "owner".to_owned()].into());
    let other = site.with("schema.watched_attributes", r#"["mail"]"#);
    let ran = simulate(&other, "--delete ravi").await;
    assert_eq!(ran.code, 0);
    assert_says(&ran.stderr, &["in another way than the daemon has read it"]);
    daemon.stop().await;
}

#[tokio::test]
async fn what_cannot_be_simulated_says_why() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = site(&slapd, &smtp);
    let check = async |site: &Site, words: &str, code: i32, says: &[&str]| {
        let ran = simulate(site, words).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{words}: {}", ran.stderr);
        assert_says(&ran.stderr, says);
    };
    let unknown = ["nothing is known of the identity store company yet", "says live"];
    check(&site, "--delete ravi", 1, &unknown).await;
    assert!(!site.state_file().exists(), "looking leaves no trace");
    let daemon = site.start();
    daemon.wait_live().await;
    daemon.stop().await;
    let nobody =
        r#"no entry of company has the DN, mail address, account name or, as a group, the name "nobody""#;
    check(&site, "--delete nobody", 1, &[nobody]).await;
    let near = ["did you mean:\n", "cn=warehouse,ou=groups,dc=harbour-vale,dc=example: warehouse, group"];
    check(&site, "--delete Wareh", 1, &near).await;
    check(&site, "--add-member mei --to ravi", 1, &["uid=ravi", "is no group but a user"]).await;
    check(&site, &format!("--delete {}", slapd.dn("ou=people")), 1, &["is a container"]).await;
    check(&site, "--delete ravi --store school", 2, &["no identity store is called school"]).await;
    for words in [
        "",
        "--add-member mei",
        "--to @board",
        "--set-owner mei",
        "--add-member mei --from @board",
        "--add-member mei --of @board",
        "--delete mei --of @board",
        "--delete mei --to @board",
        "--delete mei --from @board",
        "--set-owner mei --to @board",
        "--set-manager mei --of ravi --from @board",
        "--delete mei --add-member mei --to @board",
    ] {
        check(&site, words, 2, &["Usage: dirherald simulate"]).await;
    }
    let two = site.clone().and_store("school", &slapd, &smtp);
    check(&two, "--delete ravi", 2, &["say with --store"]).await;
    let unknown = ["nothing is known of the identity store school yet"];
    check(&two, "--delete ravi --store school", 1, &unknown).await;
}

#[tokio::test]
async fn several_entries_are_never_guessed_among() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    Ldap::admin(&slapd).await.replace("uid=mei,ou=people", "mail", &["Ravi@harbour-vale.example"]).await;
    let site = site(&slapd, &smtp);
    let daemon = site.start();
    daemon.wait_live().await;
    daemon.stop().await;
    let ran = simulate(&site, "--delete ravi@harbour-vale.example").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert_says(
        &ran.stderr,
        &[
            "means several entries of company; write the DN of one of them:",
            "uid=mei,ou=people",
            "uid=ravi,ou=people",
        ],
    );
    let lines = simulate_json(&site, "--delete ravi").await;
    assert_eq!(lines[0]["entry"]["dn"], json!(slapd.dn("uid=ravi,ou=people")));
}
