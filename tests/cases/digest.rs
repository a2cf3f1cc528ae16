//! Several changes, one mail.

use crate::{
    cases::scene::Scene,
    support::{mail::Letter, wait},
};

const WAREHOUSE: &str = "cn=warehouse,ou=groups";
const CRANE_LOG: &str = "cn=crane-log,ou=groups";
const WANJIRU: &str = "uid=wanjiru,ou=people";

/// The window of most of these tests, in microseconds.
const WINDOW: i64 = 2_000_000;

/// For each mail: how long after the first of its changes it was written, in microseconds.
fn waited(scene: &Scene) -> Vec<i64> {
    let state = scene.site.state();
    let mut waited = state
        .prepare(
            "SELECT message.created_at - min(notification.created_at) FROM message
             JOIN notification ON notification.message = message.seq GROUP BY message.seq",
        )
        .expect("a statement");
    let rows = waited.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a number")).collect()
}

fn place(letter: &Letter, words: &str) -> usize {
    letter.text.find(words).unwrap_or_else(|| panic!("{words:?} in {}", letter.text))
}

#[tokio::test]
async fn changes_within_the_window_share_a_mail_grouped_by_entry_in_the_order_of_time() {
    let scene = Scene::company().await.with("notify.digest_window", "\"2s\"");
    let daemon = scene.live().await;
    // Ravi owns both.
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    scene.ldap.add_member(CRANE_LOG, WANJIRU).await;
    scene.ldap.remove_member(WAREHOUSE, WANJIRU).await;
    scene
        .assert_told(&[
            "ravi: owner: 3 changes in 2 groups",
            "wanjiru: added_members, removed_members: 3 changes in 2 groups",
            "amara: owner: Wanjiru Kamau was added to crane-log",
        ])
        .await;
    let [digest] = &scene.letters_to("ravi")[..] else { panic!("one mail") };
    assert_eq!(digest.events.len(), 3);
    let added = place(digest, "Wanjiru Kamau was added to warehouse");
    let removed = place(digest, "Wanjiru Kamau was removed from warehouse");
    let elsewhere = place(digest, "Wanjiru Kamau was added to crane-log");
    assert!(added < removed && removed < elsewhere, "{}", digest.text);
    assert!(!digest.text.contains("summary"), "{}", digest.text);

    // The window is closed: what comes now makes a mail of its own.
    scene.ldap.remove_member(CRANE_LOG, WANJIRU).await;
    scene.settle().await;
    assert_eq!(scene.letters_to("ravi").len(), 2);
    daemon.stop().await;
}

#[tokio::test]
async fn the_window_starts_at_the_first_change_and_is_not_extended() {
    let scene = Scene::company().await.with("notify.digest_window", "\"2s\"");
    let daemon = scene.live().await;
    // One change after the other until the first mail is there: were the window extended, it never would be.
    let mut changes = 0;
    while scene.letters_to("ravi").is_empty() {
        match changes % 2 {
            0 => scene.ldap.add_member(WAREHOUSE, WANJIRU).await,
            _ => scene.ldap.remove_member(WAREHOUSE, WANJIRU).await,
        }
        changes += 1;
        wait::until_async("its notifications", async || {
            (scene.site.count("SELECT count(*) FROM notification") == 2 * changes).then_some(())
        })
        .await;
    }
    // What did not come into the first mail.
    scene.ldap.set_owners(WAREHOUSE, &["uid=ravi,ou=people", "uid=amara,ou=people"]).await;
    scene.settle().await;
    assert!(scene.letters_to("ravi").len() > 1, "what came while the first was on its way has its own");
    let waited = waited(&scene);
    assert!(waited.iter().all(|waited| *waited >= WINDOW), "{waited:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_window_of_zero_makes_one_mail_of_each_change_set() {
    let scene = Scene::company().await;
    let daemon = scene.live().await;
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    scene.ldap.remove_member(WAREHOUSE, WANJIRU).await;
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    scene.settle().await;
    for who in ["ravi", "wanjiru"] {
        let letters = scene.letters_to(who);
        assert_eq!(letters.len(), 3, "{who}: {:#?}", scene.told());
        assert!(letters.iter().all(|letter| letter.events.len() == 1));
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_window_that_is_open_when_the_daemon_stops_closes_after_its_start() {
    let scene = Scene::company().await.with("notify.digest_window", "\"2s\"");
    let daemon = scene.live().await;
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    wait::until_async("the notifications", async || {
        (scene.site.count("SELECT count(*) FROM notification WHERE message IS NULL") == 2).then_some(())
    })
    .await;
    daemon.kill().await;
    let daemon = scene.live().await;
    scene.smtp.wait_for(2).await;
    let waited = waited(&scene);
    assert!(waited.iter().all(|waited| *waited >= WINDOW), "{waited:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn m09_who_is_deleted_while_the_window_is_open_is_not_written_to_and_that_is_on_record() {
    let scene = Scene::company().await.with("notify.digest_window", "\"3s\"");
    let daemon = scene.live().await;
    let zoe = "uid=zoe,ou=people";
    scene.ldap.add_person(zoe, "Zoe New", "zoe@harbour-vale.example").await;
    scene.ldap.add_member(WAREHOUSE, zoe).await;
    wait::until_async("both notifications", async || {
        (scene.site.count("SELECT count(*) FROM notification") == 2).then_some(())
    })
    .await;
    scene.ldap.delete(zoe).await;
    scene.assert_told(&["ravi: owner: 2 changes to warehouse"]).await;
    let skipped = "SELECT count(*) FROM skipped WHERE facts LIKE '%\"added_members\"%\"deleted\"%'";
    assert_eq!(scene.site.count(skipped), 1);
    assert_eq!(scene.site.count("SELECT count(*) FROM notification WHERE message IS NULL"), 0);
    daemon.stop().await;
}
