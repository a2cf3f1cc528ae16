//! A state file whose bytes are not what was written.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
};

use serde_json::Value;

use super::{assert_says, healthy, run};
use crate::support::{daemon::Site, ldap::Ldap, slapd::Slapd, smtp::SmtpServer, wait};

const PAGE: usize = 4096;

/// A state in which something was told, and nobody works on it.
async fn told() -> (Slapd, SmtpServer, Site) {
    let (slapd, smtp, site) = healthy().await;
    let daemon = site.start();
    daemon.wait_live().await;
    Ldap::admin(&slapd).await.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    smtp.wait_for(2).await;
    daemon.stop().await;
    (slapd, smtp, site)
}

fn garble(bytes: &mut [u8]) {
    let mut state = 1_u32;
    for byte in bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
}

/// The file is as it was damaged, and nothing lies beside it but the lock.
#[track_caller]
fn assert_untouched(site: &Site, damaged: &[u8], what: &str) {
    assert!(fs::read(site.state_file()).expect("the state file") == damaged, "{what}: it was written to");
    for end in ["-wal", "-shm"] {
        let beside = format!("{}{end}", site.state_file().display());
        assert!(!Path::new(&beside).exists(), "{what}: {beside}");
    }
}

const DAMAGED: &[&str] =
    &["the state file", "is damaged", "stop dirherald, look after the disk and restore a backup"];
const EMPTY: &[&str] = &["is empty, as a full disk or a crash may leave it: restore a backup, or remove it"];
const FOREIGN: &[&str] = &["is not a state file of dirherald, or its first bytes are damaged"];

#[tokio::test]
async fn m28_a_damaged_state_file_is_refused_and_not_touched() {
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(&str, &[&str], bool, Spoil); 7] = [
        ("every page but the first", DAMAGED, true, |bytes| garble(&mut bytes[PAGE..])),
        ("one page in the middle", DAMAGED, false, |bytes| {
            // The last table of the file that has rows: a page that is in use.
            let used = (1..bytes.len() / PAGE).rev().find(|page| bytes[page * PAGE] == 13).expect("a table");
            garble(&mut bytes[used * PAGE..(used + 1) * PAGE]);
        }),
        ("half of it is gone", DAMAGED, true, |bytes| bytes.truncate(bytes.len() / PAGE / 2 * PAGE)),
        ("its end is gone", DAMAGED, false, |bytes| bytes.truncate(bytes.len() - 10 * PAGE - 100)),
        ("all of it is gone", EMPTY, true, Vec::clear),
        ("a text", FOREIGN, true, |bytes| *bytes = b"[state]\npath = \"state.db\"\n".repeat(100)),
        ("its first page", FOREIGN, true, |bytes| garble(&mut bytes[..PAGE])),
    ];
    let (_slapd, smtp, site) = told().await;
    let whole = fs::read(site.state_file()).expect("the state file");
    for (name, says, everywhere, spoil) in cases {
        let mut damaged = whole.clone();
        spoil(&mut damaged);
        fs::write(site.state_file(), &damaged).expect("writing the state file");

        let ran = run(&site, &["run"]).await;
        assert_eq!(ran.code, 1, "{name}: {}", ran.stderr);
        assert_says(&ran.stderr, says);
        assert_untouched(&site, &damaged, name);

        let ran = run(&site, &["check"]).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (3, ""), "{name}: {}", ran.stdout);
        assert_says(&ran.stdout, &[&["PROBLEM"], says].concat());
        assert_untouched(&site, &damaged, name);

        for command in [["status"].as_slice(), &["events"], &["outbox", "list"], &["held", "list"]] {
            let ran = run(&site, command).await;
            if everywhere {
                assert_eq!(ran.code, 1, "{name}: {command:?}: {}", ran.stdout);
                assert_says(&ran.stderr, says);
            }
            assert!(!ran.stderr.contains("panicked"), "{name}: {command:?}: {}", ran.stderr);
            assert_untouched(&site, &damaged, &format!("{name}, {command:?}"));
        }
    }
    fs::write(site.state_file(), &whole).expect("writing the state file");
    assert_eq!(run(&site, &["check"]).await.code, 0);
    assert_eq!(smtp.mails().len(), 2, "nobody was told anything");
}

const LOG_ALONE: &[&str] =
    &["is gone, and its log", "-wal is still there: put the file back", "a new silent baseline"];

/// The log is no state of its own: a new file beside it would take what is in it for a part of itself.
#[tokio::test]
async fn m28_a_state_file_that_is_gone_without_its_log_is_missed() {
    let (slapd, smtp, site) = told().await;
    let beside = |end: &str| format!("{}{end}", site.state_file().display());
    let away = site.state_file().with_file_name("away.db");
    let daemon = site.start();
    daemon.wait_live().await;
    Ldap::admin(&slapd).await.remove_member("cn=warehouse,ou=groups", "uid=mei,ou=people").await;
    smtp.wait_for(4).await;
    fs::rename(site.state_file(), &away).expect("moving the state file away");
    let ran = run(&site, &["status"]).await;
    assert_eq!(ran.code, 1, "a daemon runs on what was moved away: {}", ran.stdout);
    assert_says(&ran.stderr, LOG_ALONE);
    daemon.kill().await;

    for command in [["run"].as_slice(), &["status"], &["held", "discard", "--all"], &["accept"], &["compare"]]
    {
        let ran = run(&site, command).await;
        assert_eq!(ran.code, 1, "{command:?}: {}", ran.stdout);
        assert_says(&ran.stderr, LOG_ALONE);
    }
    let ran = run(&site, &["check"]).await;
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert_says(&ran.stdout, &[&["PROBLEM"], LOG_ALONE].concat());
    assert!(!site.state_file().exists() && Path::new(&beside("-wal")).exists());

    let kept = away.with_extension("log");
    fs::rename(beside("-wal"), &kept).expect("moving the log away as well");
    let daemon = site.start();
    daemon.wait_live().await;
    assert_eq!(site.events_json().await, Vec::<Value>::new(), "a new silent baseline");
    daemon.stop().await;
    fs::rename(&kept, beside("-wal")).expect("putting the log back");
    fs::rename(&away, site.state_file()).expect("putting the state file back");
    assert_eq!(run(&site, &["check"]).await.code, 0);
    assert_eq!(site.events_json().await.len(), 2, "what was in the log is there");
    assert_eq!(smtp.mails().len(), 4, "nobody was told anything");
}

#[tokio::test]
async fn rows_that_belong_to_nothing_are_a_problem() {
    let (_slapd, _smtp, site) = told().await;
    let state = site.state();
    state.pragma_update(None, "foreign_keys", false).expect("a pragma");
    state.execute("DELETE FROM change_set", []).expect("a deletion");
    drop(state);
    let ran = run(&site, &["check"]).await;
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert_says(
        &ran.stdout,
        &["PROBLEM", "belongs to a row of change_set that is not there", "restore a backup"],
    );
}

#[tokio::test]
async fn m28_damage_found_while_running_ends_the_daemon_before_the_checkpoint_moves() {
    let (slapd, smtp, site) = healthy().await;
    let daemon = site.start();
    daemon.wait_live().await;
    let ldap = Ldap::admin(&slapd).await;
    ldap.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    smtp.wait_for(2).await;
    wait::until_async("all is delivered", async || {
        (site.count("SELECT count(*) FROM message WHERE due_at IS NOT NULL") == 0).then_some(())
    })
    .await;
    let state = site.state();
    let copy = site.state_file().with_file_name("copy.db");
    state.execute("VACUUM INTO ?1", [copy.to_str().expect("UTF-8")]).expect("a copy");
    // All is in the file, and what the daemon remembers of it does not count any more.
    state.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
    state.pragma_update(None, "user_version", 3).expect("something is written");
    state.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
    let file = OpenOptions::new().read(true).write(true).open(site.state_file()).expect("the state file");
    let mut bytes = fs::read(site.state_file()).expect("the state file");
    garble(&mut bytes[PAGE..]);
    file.write_all_at(&bytes[PAGE..], PAGE as u64).expect("damaging it");
    ldap.remove_member("cn=warehouse,ou=groups", "uid=mei,ou=people").await;
    daemon.wait_failed(1).await;
    let log = site.log();
    assert_says(&log, DAMAGED);
    assert_eq!((log.matches("is damaged: cannot").count(), log.matches("ERROR").count()), (1, 0), "{log}");
    assert_eq!(smtp.mails().len(), 2, "{log}");
    drop((state, file));

    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", site.state_file().display()));
    }
    fs::copy(&copy, site.state_file()).expect("restoring the copy");
    let daemon = site.start();
    daemon.wait_live().await;
    let mails = smtp.wait_for(4).await;
    assert!(mails[2..].iter().all(|mail| mail.text().contains("Mei Chen")), "{mails:#?}");
    daemon.stop().await;
    assert_eq!(smtp.mails().len(), 4, "what was told before is not told again");
}
