//! A row of the state file that cannot be read holds up nothing else, and is not lost.

use crate::{cases::scene::Scene, support::wait};

const WAREHOUSE: &str = "cn=warehouse,ou=groups";
const WANJIRU: &str = "uid=wanjiru,ou=people";

#[tokio::test]
async fn a_change_set_that_cannot_be_read_holds_up_no_other_and_is_tried_again_at_the_next_start() {
    // Nobody is told within the window, so that there is a notification to spoil as well.
    let scene = Scene::company().await.with("notify.digest_window", "\"1h\"");
    let daemon = scene.live().await;
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    scene.ldap.remove_member(WAREHOUSE, "uid=mei,ou=people").await;
    wait::until_async("the notifications", async || {
        (scene.site.count("SELECT count(*) FROM notification") == 4).then_some(())
    })
    .await;
    daemon.stop().await;
    // The first change is as it would be before its dispatch, and unreadable; of the second, Ravi's part is.
    let spoil = "
        DELETE FROM notification WHERE change_set = (SELECT min(seq) FROM change_set);
        UPDATE change_set SET dispatched_at = NULL WHERE seq = (SELECT min(seq) FROM change_set);
        UPDATE event SET facts = '!' || facts WHERE change_set = (SELECT min(seq) FROM change_set);
        UPDATE notification SET facts = '!' || facts WHERE recipient_key LIKE 'ravi@%';";
    scene.site.state().execute_batch(spoil).expect("spoiling the state");
    let scene = scene.with("notify.digest_window", "\"0s\"");
    let daemon = scene.live().await;
    scene.assert_told(&["mei: removed_members: You were removed from warehouse"]).await;
    let status = scene.wait_for_error("2 rows of the state file cannot be read").await;
    assert_eq!(status.state, "live");
    let log = daemon.log();
    assert_eq!(log.matches("a change set is set aside until the next start").count(), 1, "{log}");
    assert_eq!(log.matches("what cannot be read is set aside until the next start").count(), 1, "{log}");
    assert!(!log.contains("wanjiru"), "no names in the log: {log}");
    daemon.stop().await;

    let mend = "
        UPDATE event SET facts = ltrim(facts, '!'); UPDATE notification SET facts = ltrim(facts, '!');";
    scene.site.state().execute_batch(mend).expect("mending the state");
    let daemon = scene.live().await;
    scene
        .assert_told(&[
            "mei: removed_members: You were removed from warehouse",
            "ravi: owner: Mei Chen was removed from warehouse",
            "ravi: owner: Wanjiru Kamau was added to warehouse",
            "wanjiru: added_members: You were added to warehouse",
        ])
        .await;
    assert_eq!(scene.status().last_error, None);
    scene.assert_no_duplicates();
    daemon.stop().await;
}
