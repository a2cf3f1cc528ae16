//! `events --follow`: what happens, as it happens.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
    time::timeout,
};

use super::{
    healthy,
    listings::{WANJIRU, WAREHOUSE, with_a_change},
};
use crate::support::{
    daemon::{STORE, Site},
    ldap::Ldap,
    slapd::{Setup, signal},
    smtp::SmtpServer,
    wait,
};

/// An `events --follow` that runs.
struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn start(site: &Site, more: &[&str]) -> Self {
        let mut command = site.command(&[&["events", "--follow"], more].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starting");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = timeout(wait::PATIENCE, self.lines.next_line()).await.expect("a line in time");
        line.expect("reading").expect("it still writes")
    }

    async fn event(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|why| panic!("{line}: {why}"))
    }

    /// Whatever else it prints until it ends, which must be a success without a complaint.
    async fn stop(self, name: &str) -> Vec<String> {
        signal(name, self.child.id().expect("it runs"));
        self.ended().await
    }

    async fn ended(mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Some(line) = self.lines.next_line().await.expect("reading") {
            rest.push(line);
        }
        let ended = timeout(wait::PATIENCE, self.child.wait_with_output()).await.expect("it ends in time");
        let ended = ended.expect("waiting");
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
        rest
    }
}

/// Tells the newest event that many times more; the copies have the numbers from 1 on as their entry's name.
fn repeat(site: &Site, times: u32) {
    let state = rusqlite::Connection::open(site.state_file()).expect("the state file");
    let copies = "WITH RECURSIVE copy (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < ?1)
        INSERT INTO event (id, change_set, time, facts)
        SELECT randomblob(16), change_set, time, json_set(facts, '$.entry.name', 'copy ' || n)
        FROM copy, (SELECT * FROM event ORDER BY seq DESC LIMIT 1) ORDER BY n";
    assert_eq!(state.execute(copies, [times]).expect("copying"), times as usize);
}

fn name(event: &Value) -> &str {
    event["entry"]["name"].as_str().expect("a name")
}

#[tokio::test]
async fn new_events_come_whether_the_daemon_was_restarted_or_killed() {
    let (slapd, _smtp, site) = with_a_change().await;
    let mut following = Following::start(&site, &["--json"]);
    assert_eq!(following.event().await["change"], "member-added", "what was last");
    let ldap = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;

    let daemon = site.start();
    daemon.wait_live().await;
    ldap.remove_member(WAREHOUSE, WANJIRU).await;
    let event = following.event().await;
    assert_eq!((&event["change"], name(&event)), (&Value::from("member-removed"), "warehouse"));
    daemon.kill().await;

    let daemon = site.start();
    daemon.wait_live().await;
    ldap.add_member(WAREHOUSE, WANJIRU).await;
    assert_eq!(following.event().await["change"], "member-added");
    daemon.stop().await;
    assert_eq!(following.stop("INT").await, [] as [String; 0], "nothing twice");
}

#[tokio::test]
async fn it_waits_for_a_state_file_that_is_not_there_yet() {
    let (slapd, _smtp, site) = healthy().await;
    let mut table = Following::start(&site, &[]);
    let mut json = Following::start(&site, &["--json"]);
    assert!(table.line().await.starts_with("ID "));
    let daemon = site.start();
    daemon.wait_live().await;
    Ldap::admin(&slapd).await.replace("uid=mei,ou=people", "title", &["Chief dispatcher"]).await;
    assert_eq!(json.event().await["change"], "attributes-changed");
    assert!(table.line().await.contains("  attributes-changed  "));
    daemon.stop().await;
    for following in [table, json] {
        assert_eq!(following.stop("TERM").await, [] as [String; 0]);
    }
}

#[tokio::test]
async fn the_last_ten_come_first_or_all_since_then() {
    let (_slapd, _smtp, site) = with_a_change().await;
    repeat(&site, 12);
    let check = async |more: &[&str], expected: &[&str]| {
        let mut following = Following::start(&site, &[&["--json"], more].concat());
        for (at, expected) in expected.iter().enumerate() {
            assert_eq!(name(&following.event().await), *expected, "{more:?}, event {at}");
        }
        assert_eq!(following.stop("TERM").await, [] as [String; 0], "{more:?}");
    };
    let names: Vec<_> = (1..=12).map(|n| format!("copy {n}")).collect();
    let names: Vec<&str> = std::iter::once("warehouse").chain(names.iter().map(String::as_str)).collect();
    check(&[], &names[3..]).await;
    check(&["--since", "1h"], &names).await;
    check(&["--since", "1h", "--store", STORE], &names).await;

    let mut from_now_on = Following::start(&site, &["--json", "--since", "2999-01-01T00:00:00Z"]);
    let mut table = Following::start(&site, &["--since", "1h"]);
    for _ in 0..14 {
        table.line().await;
    }
    repeat(&site, 1);
    assert!(table.line().await.contains("copy 1"));
    assert_eq!(table.stop("TERM").await, [] as [String; 0]);
    signal("TERM", from_now_on.child.id().expect("it runs"));
    assert_eq!(from_now_on.lines.next_line().await.expect("reading"), None, "2999 is still to come");
}

#[tokio::test]
async fn only_the_store_asked_for() {
    let (one, other) = (Setup::company().start(), Setup::company().start());
    let smtp = SmtpServer::start().await;
    let site = Site::new(&one, &smtp).and_store("school", &other, &smtp);
    let daemon = site.start();
    daemon.wait_live().await;
    let mut school = Following::start(&site, &["--json", "--store", "school"]);
    let mut all = Following::start(&site, &["--json"]);
    for (slapd, store, title) in [(&one, STORE, "Smith"), (&other, "school", "Smith"), (&one, STORE, "Pilot")]
    {
        Ldap::admin(slapd).await.replace("uid=mei,ou=people", "title", &[title]).await;
        assert_eq!(all.event().await["store"], store);
    }
    assert_eq!(school.event().await["store"], "school");
    daemon.stop().await;
    for following in [school, all] {
        assert_eq!(following.stop("TERM").await, [] as [String; 0]);
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_it_without_another_event() {
    let (_slapd, _smtp, site) = with_a_change().await;
    for more in [&["--json"][..], &[]] {
        let mut following = Following::start(&site, more);
        following.line().await;
        let Following { child, lines } = following;
        drop(lines);
        let ended =
            timeout(wait::PATIENCE, child.wait_with_output()).await.expect("in time").expect("waiting");
        assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()), "{more:?}");
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_more_does_not_keep_it_from_ending() {
    let (_slapd, _smtp, site) = with_a_change().await;
    repeat(&site, 2000);
    let mut following = Following::start(&site, &["--json", "--since", "1h"]);
    following.line().await;
    signal("TERM", following.child.id().expect("it runs"));
    let Following { mut child, lines } = following;
    let status = timeout(wait::PATIENCE, child.wait()).await.expect("it ends in time").expect("waiting");
    assert_eq!(status.code(), Some(0));
    drop(lines);
}

#[tokio::test]
async fn between_two_looks_the_log_of_the_state_file_can_be_emptied() {
    let (_slapd, _smtp, site) = with_a_change().await;
    let mut following = Following::start(&site, &["--json"]);
    following.line().await;
    repeat(&site, 1);
    following.line().await;
    let state = rusqlite::Connection::open(site.state_file()).expect("the state file");
    wait::until_async("no reading is open", async || {
        let busy: i64 =
            state.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).expect("asking");
        (busy == 0).then_some(())
    })
    .await;
    following.stop("TERM").await;
}

#[tokio::test]
async fn another_state_file_in_its_place_is_followed() {
    let (_slapd, _smtp, site) = with_a_change().await;
    let mut following = Following::start(&site, &["--json"]);
    following.line().await;
    let (_slapd, _smtp, other) = with_a_change().await;
    repeat(&other, 1);
    std::fs::rename(other.state_file(), site.state_file()).expect("putting it there");
    assert_eq!(name(&following.event().await), "copy 1");
    following.stop("TERM").await;
}
