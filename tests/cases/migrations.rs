//! The state of an earlier version, taken over by this one.

use std::fs;

use rusqlite::Connection;

use crate::{
    cases::scene::Scene,
    support::{
        slapd::{COMPANY, Setup},
        wait,
    },
};

/// What the real program of an earlier version left when it was killed, and the directory it was following then.
/// Everything in them was moved to one day in the past.
struct Left {
    state: &'static str,
    directory: &'static str,
    /// Whether what it read is read alike now. Where not, the mirror is read anew in silence.
    reads_alike: bool,
    /// What waited beside [`WAITS_IN_ALL`]: for its name to be looked up, to be decided about, to be written, to be
    /// sent.
    waits: &'static [&'static str],
}

/// What waited in each state.
const WAITS_IN_ALL: [&str; 7] = [
    "chloe: owner: Mei Chen was added to payroll",
    "chloe: owner: Tomasz Nowak was removed from payroll",
    "jonas: owner: Mei Chen was added to payroll",
    "jonas: owner: Tomasz Nowak was removed from payroll",
    "mei: added_members: You were added to payroll",
    "ravi: owner: Wanjiru Kamau was added to warehouse",
    "tomasz: removed_members: You were removed from payroll",
];

/// Nothing is told again, what waits is told once, and what happens next is told.
async fn check(left: Left) {
    let mut scene = Scene::of(Setup::seeded(COMPANY, left.directory)).await;
    scene.site = scene.site.with_global("state.keep", "\"36500d\"");
    let state = Connection::open(scene.site.state_file()).expect("a state file");
    state.execute_batch(left.state).expect("the state of that version");
    let failed: i64 = scene.site.count("SELECT count(*) FROM message WHERE state = 'failed'");
    drop(state);
    let daemon = scene.live().await;
    assert_eq!(
        !scene.site.log().contains("is another than before"),
        left.reads_alike,
        "{}",
        scene.site.log()
    );
    scene.ldap.remove_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    let next = [
        "ravi: owner: Wanjiru Kamau was removed from warehouse",
        "wanjiru: removed_members: You were removed from warehouse",
    ];
    let told = [&WAITS_IN_ALL, left.waits, &next].concat();
    scene.assert_told(&told).await;
    scene.assert_no_duplicates();
    assert_eq!(scene.site.count("SELECT count(*) FROM message WHERE state = 'failed'"), failed);
    wait::until_async("nothing in hand", async || {
        (scene.site.count("SELECT count(*) FROM finding") == 0).then_some(())
    })
    .await;
    daemon.stop().await;
    let daemon = scene.live().await;
    scene.settle().await;
    scene.assert_no_duplicates();
    assert_eq!(scene.told().len(), told.len());
    daemon.stop().await;
}

#[tokio::test]
async fn a_state_of_version_1_goes_on() {
    check(Left {
        state: include_str!("../../fixtures/state/v1.sql"),
        directory: include_str!("../../fixtures/state/v1.ldif"),
        reads_alike: false,
        waits: &[
            "ravi: owner: Mei Chen was removed from warehouse",
            "priya: owner: 4 changes in 4 groups",
            "ibrahim: owner: Lena Hartmann was deleted and is no longer in directory-editors",
            "kenji: owner: Lena Hartmann was deleted and is no longer in directory-editors",
        ],
    })
    .await;
}

#[tokio::test]
async fn a_state_of_version_2_goes_on() {
    check(Left {
        state: include_str!("../../fixtures/state/v2.sql"),
        directory: include_str!("../../fixtures/state/v2.ldif"),
        reads_alike: true,
        waits: &["chloe: owner: ghost was added to payroll", "jonas: owner: ghost was added to payroll"],
    })
    .await;
}

#[tokio::test]
async fn a_state_of_a_later_version_is_left_alone() {
    let scene = Scene::company().await;
    drop(dirherald::db::Db::open(&scene.site.state_file()).expect("a state file"));
    let later = Connection::open(scene.site.state_file()).expect("opening it");
    later.pragma_update(None, "user_version", 99).expect("a version from the future");
    later.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("all is in the file");
    drop(later);
    let before = fs::read(scene.site.state_file()).expect("the state file");
    for command in [["run"].as_slice(), &["status"], &["events"], &["outbox", "list"], &["backup", "copy.db"]]
    {
        let ran = scene.site.run(command).await;
        assert_eq!(ran.code, 1, "{command:?}: {}", ran.stdout);
        assert!(ran.stderr.contains("has version 99"), "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("install the newer dirherald again"), "{command:?}: {}", ran.stderr);
        assert!(fs::read(scene.site.state_file()).expect("the state file") == before, "{command:?}");
    }
}
