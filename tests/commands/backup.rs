//! `backup`, and a state that was restored from one.

use std::{fs, os::unix::fs::PermissionsExt};

use super::{assert_says, healthy, run};
use crate::support::{ldap::Ldap, smtp::SmtpServer, wait};

const GROUP: &str = "cn=warehouse,ou=groups";

/// Subjects of the mails to members and owners from the one with this number on, sorted.
fn subjects(smtp: &SmtpServer, from: usize) -> Vec<String> {
    let mails = smtp.mails().split_off(from);
    let mut subjects: Vec<_> = mails.iter().map(|mail| mail.header("Subject").expect("a subject")).collect();
    subjects.sort();
    subjects
}

#[tokio::test]
async fn a_restored_backup_loses_nothing_and_tells_again_what_was_told_since() {
    let (slapd, smtp, site) = healthy().await;
    let site = site.with("recipients.to", "[]");
    let ldap = Ldap::admin(&slapd).await;
    let copy = site.state_file().with_file_name("copy.db");
    let copy_name = copy.to_str().expect("a path in UTF-8");

    let ran = run(&site, &["backup", copy_name]).await;
    assert_eq!((ran.code, copy.exists()), (1, false), "{}", ran.stdout);
    assert_says(&ran.stderr, &["there is no state yet at", "state.db"]);

    let daemon = site.start();
    daemon.wait_live().await;
    ldap.add_member(GROUP, "uid=wanjiru,ou=people").await;
    smtp.wait_for(1).await;
    wait::until_async("it is on record", async || {
        (site.count("SELECT count(*) FROM message WHERE state = 'delivered'") == 1).then_some(())
    })
    .await;
    let ran = run(&site, &["backup", copy_name]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    assert_says(
        &ran.stdout,
        &["copy.db: ", "bytes, all that", "to restore it: stop dirherald, remove", "-wal"],
    );
    let found = fs::metadata(&copy).expect("the copy");
    assert_eq!(found.permissions().mode() & 0o777, 0o600);

    let ran = run(&site, &["backup", copy_name]).await;
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert_says(&ran.stderr, &["copy.db is there already: name a file that is not"]);
    assert_eq!(fs::metadata(&copy).expect("the copy").modified().ok(), found.modified().ok());

    ldap.remove_member(GROUP, "uid=mei,ou=people").await;
    smtp.wait_for(2).await;
    daemon.stop().await;
    ldap.add_member(GROUP, "uid=lena,ou=people").await;

    fs::copy(&copy, site.state_file()).expect("restoring");
    assert_eq!(site.events_json().await.len(), 1, "what happened since is not known");
    let daemon = site.start();
    daemon.wait_live().await;
    smtp.wait_for(3).await;
    daemon.stop().await;
    let told = subjects(&smtp, 2);
    assert_eq!(told.len(), 1, "{told:?}");
    let again = smtp.mails().pop().expect("a mail").text();
    for name in ["Mei Chen", "Lena"] {
        assert!(again.contains(name), "{name}: {again}");
    }
    assert!(!again.contains("Wanjiru"), "what was told before the backup is not told again: {again}");
    let left = fs::read_dir(site.state_file().parent().expect("a directory")).expect("reading it");
    let left: Vec<_> = left.map(|file| file.expect("a file").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".dirherald-")), "{left:?}");
}

#[tokio::test]
async fn a_backup_is_of_one_moment_and_holds_up_nobody() {
    let (slapd, smtp, site) = healthy().await;
    let daemon = site.start();
    daemon.wait_live().await;
    let ldap = Ldap::admin(&slapd).await;
    let directory = site.state_file();
    let directory = directory.parent().expect("a directory");
    let changes = async {
        for round in 0..10 {
            let name = format!("round {round}");
            ldap.replace("uid=mei,ou=people", "displayName", &[&name]).await;
            ldap.add_member(GROUP, "uid=wanjiru,ou=people").await;
            ldap.remove_member(GROUP, "uid=wanjiru,ou=people").await;
        }
    };
    let copies = async {
        for number in 0..5 {
            let copy = directory.join(format!("copy{number}.db"));
            let ran = run(&site, &["backup", copy.to_str().expect("UTF-8")]).await;
            assert_eq!(ran.code, 0, "{}", ran.stderr);
        }
    };
    tokio::join!(changes, copies);
    smtp.wait_for(20).await;
    daemon.stop().await;
    for number in 0..5 {
        fs::copy(directory.join(format!("copy{number}.db")), site.state_file()).expect("restoring");
        let ran = run(&site, &["check"]).await;
        assert_eq!(ran.code, 0, "{}", ran.stdout);
        let open = site.count(
            "SELECT count(*) FROM notification WHERE message IS NOT NULL
             AND message NOT IN (SELECT seq FROM message)",
        );
        assert_eq!(open, 0);
    }
    assert!(!site.log().contains("ERROR") && !site.log().contains("WARN"), "{}", site.log());
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_said() {
    let (_slapd, _smtp, site) = healthy().await;
    drop(dirherald::db::Db::open(&site.state_file()).expect("a state file"));
    let ran = run(&site, &["backup", "/dev/null/copy.db"]).await;
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert_says(&ran.stderr, &["cannot write /dev/null/copy.db: its directory must exist"]);
}
