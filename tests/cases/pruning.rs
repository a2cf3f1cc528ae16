//! `state.keep`: what is over and old goes, and nothing else.

use crate::{
    cases::scene::Scene,
    support::{
        smtp::{At, Fault},
        wait,
    },
};

const GROUP: &str = "cn=warehouse,ou=groups";

/// Everything in the state file happened two days before it did.
const TWO_DAYS_AGO: &str = "
    UPDATE change_set SET seen = seen - 172800000000, dispatched_at = dispatched_at - 172800000000;
    UPDATE event SET time = time - 172800000000;
    UPDATE notification SET created_at = created_at - 172800000000;
    UPDATE message SET created_at = created_at - 172800000000, ended_at = ended_at - 172800000000;";

#[tokio::test]
async fn what_is_older_than_keep_is_removed_and_what_waits_is_told() {
    let mut scene = Scene::company().await;
    scene.site = scene.site.with_global("state.keep", "\"1d\"");
    scene
        .smtp
        .script(Fault::at(At::Rcpt).only_for("wanjiru@harbour-vale.example").answer("550 5.1.1 nobody"));
    scene.smtp.script(Fault::at(At::Rcpt).only_for("mei@harbour-vale.example").answer("451 4.2.1 later"));
    let daemon = scene.live().await;
    scene.ldap.add_member(GROUP, "uid=wanjiru,ou=people").await;
    let count = |sql: &str| scene.site.count(sql);
    wait::until_async("one is given up", async || {
        (count("SELECT count(*) FROM message WHERE state = 'failed'") == 1).then_some(())
    })
    .await;
    scene.ldap.remove_member(GROUP, "uid=mei,ou=people").await;
    wait::until_async("one is put off, the others are sent", async || {
        let state = "SELECT count(*) FROM message WHERE state = ";
        (count(&format!("{state}'deferred'")) == 1 && count(&format!("{state}'delivered'")) == 2)
            .then_some(())
    })
    .await;
    let daemon_log = daemon.log();
    assert!(!daemon_log.contains("removed what is older"), "{daemon_log}");
    daemon.stop().await;
    scene.site.state().execute_batch(TWO_DAYS_AGO).expect("moving all into the past");

    let daemon = scene.site.start();
    wait::until_async("it is said", async || {
        scene.site.log().contains("removed what is older than state.keep").then_some(())
    })
    .await;
    daemon.wait_live().await;
    assert_eq!(scene.events(), ["member-removed warehouse Mei Chen"], "its mail to mei still waits");
    let states: Vec<_> = scene.site.outbox_json().await.iter().map(|mail| mail["state"].clone()).collect();
    assert_eq!(states, ["deferred"], "given up two days ago is over as well");
    scene.smtp.clear_script();
    let ran = scene.site.run(&["outbox", "retry", &id_of_the_first(&scene).await]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    scene.ldap.add_member(GROUP, "uid=chloe,ou=people").await;
    scene
        .assert_told(&[
            "ravi: owner: Wanjiru Kamau was added to warehouse",
            "ravi: owner: Mei Chen was removed from warehouse",
            "mei: removed_members: You were removed from warehouse",
            "ravi: owner: Chloé Martin was added to warehouse",
            "chloe: added_members: You were added to warehouse",
        ])
        .await;
    daemon.stop().await;
    assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

async fn id_of_the_first(scene: &Scene) -> String {
    let mails = scene.site.outbox_json().await;
    mails.first().and_then(|mail| mail["id"].as_str()).expect("a mail").to_owned()
}
