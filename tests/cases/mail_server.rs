//! A mail server that goes away, or whose answer is lost; ingest goes on meanwhile.

use std::collections::BTreeMap;

use crate::{
    cases::scene::{Scene, WANJIRU_JOINED},
    support::{
        mail::Letter,
        smtp::{At, Fault},
        wait,
    },
};

const WAREHOUSE: &str = "cn=warehouse,ou=groups";

async fn pending(scene: &Scene) -> u64 {
    let [status] = &scene.site.status().await[..] else { panic!("one store") };
    status["outbox_pending"].as_u64().expect("a number")
}

/// Until `status` says that the mail server cannot be used, and why.
async fn wait_until_said(scene: &Scene, why: &str) {
    wait::until_async(why, async || {
        let said = scene.status().last_error?;
        (said.contains("the mail server cannot be used") && said.contains(why)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn m03_status_says_why_the_mail_server_cannot_be_used_and_when_that_changes() {
    let mut scene = Scene::company().await.with("smtp.security", "\"starttls\"");
    let daemon = scene.live().await;
    scene.ldap.add_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
    // It answers, and has no protection to offer.
    wait_until_said(&scene, "STARTTLS").await;
    scene.smtp.stop().await;
    wait_until_said(&scene, "Connection refused").await;
    daemon.stop().await;
}

#[tokio::test]
async fn m03_while_the_mail_server_is_away_ingest_goes_on_and_then_all_is_delivered_in_order() {
    let mut scene = Scene::company().await;
    let daemon = scene.live().await;
    scene.smtp.stop().await;
    let mut before = scene.status();
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for round in 0..8 {
        // Each round tells Ravi twice and Wanjiru once more.
        scene.ldap.add_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
        scene.ldap.remove_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
        let mail = |who: &str, subject: &str, expected: &mut BTreeMap<String, Vec<String>>| {
            expected.entry(who.to_owned()).or_default().push(subject.to_owned());
        };
        mail("ravi", "Wanjiru Kamau was added to warehouse", &mut expected);
        mail("ravi", "Wanjiru Kamau was removed from warehouse", &mut expected);
        mail("wanjiru", "You were added to warehouse", &mut expected);
        mail("wanjiru", "You were removed from warehouse", &mut expected);
        let waiting = 4 * (round + 1);
        wait::until_async(&format!("{waiting} waiting mails"), async || {
            (pending(&scene).await == waiting).then_some(())
        })
        .await;
        let now = scene.status();
        assert!(now.checkpoint_at > before.checkpoint_at, "{before:?} {now:?}");
        assert_eq!(now.state, "live");
        before = now;
    }
    assert!(scene.smtp.mails().is_empty());
    wait_until_said(&scene, "Connection refused").await;
    scene.smtp.start_again().await;
    scene.delivered().await;
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for letter in scene.letters() {
        let who = letter.to[0].split('@').next().expect("an address").to_owned();
        found.entry(who).or_default().push(letter.subject);
    }
    assert_eq!(found, expected);
    scene.assert_no_duplicates();
    daemon.stop().await;
}

#[tokio::test]
async fn m03_a_daemon_that_stops_while_the_mail_server_is_away_delivers_after_its_start() {
    let mut scene = Scene::company().await;
    let daemon = scene.live().await;
    scene.smtp.stop().await;
    scene.ldap.add_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
    wait::until_async("waiting mails", async || (scene.status().outbox_pending == 2).then_some(())).await;
    daemon.stop().await;
    assert_eq!(scene.status().outbox_pending, 2);
    scene.smtp.start_again().await;
    let daemon = scene.live().await;
    scene.assert_told(&WANJIRU_JOINED).await;
    scene.assert_no_duplicates();
    daemon.stop().await;
}

/// The mails to Wanjiru.
fn to_wanjiru(scene: &Scene) -> Vec<Letter> {
    scene.letters_to("wanjiru")
}

#[tokio::test]
async fn m02_an_answer_lost_after_the_message_makes_one_duplicate_with_the_same_id() {
    let scene = Scene::company().await;
    let daemon = scene.live().await;
    scene
        .smtp
        .script(Fault::at(At::Taken).only_for("wanjiru@harbour-vale.example").times(1).drop_connection());
    scene.ldap.add_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
    scene.assert_told(&WANJIRU_JOINED).await;
    let [first, second] = &to_wanjiru(&scene)[..] else { panic!("{:#?}", scene.told()) };
    assert_eq!(first, second);
    assert_eq!(scene.letters().len(), 3);
    daemon.stop().await;
}

#[tokio::test]
async fn m02_killed_between_the_message_and_the_answer() {
    let scene = Scene::company().await;
    let daemon = scene.live().await;
    scene.smtp.script(Fault::at(At::Taken).only_for("wanjiru@harbour-vale.example").times(1).hold());
    scene.ldap.add_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
    scene.smtp.wait_for(2).await;
    daemon.kill().await;
    scene.smtp.release();
    let daemon = scene.live().await;
    scene.assert_told(&WANJIRU_JOINED).await;
    let [first, second] = &to_wanjiru(&scene)[..] else { panic!("{:#?}", scene.told()) };
    assert_eq!(first, second);
    daemon.stop().await;
}

#[tokio::test]
async fn m02_killed_before_the_message_is_taken() {
    for at in [At::Connect, At::Rcpt, At::Data, At::Message] {
        let scene = Scene::company().await;
        let daemon = scene.live().await;
        scene.smtp.script(Fault::at(at).hold());
        scene.ldap.add_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
        wait::until_async("waiting mails", async || (scene.status().outbox_pending == 2).then_some(())).await;
        daemon.kill().await;
        scene.smtp.clear_script();
        // What is held breaks with its client, whatever the server would answer.
        let daemon = scene.live().await;
        scene.assert_told(&WANJIRU_JOINED).await;
        scene.assert_no_duplicates();
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_mail_server_that_does_not_answer() {
    let scene = Scene::company().await;
    let daemon = scene.live().await;
    scene.smtp.script(Fault::at(At::Data).hold());
    scene.ldap.add_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
    scene.smtp.wait_for_command("DATA").await;
    daemon.stop().await;
    scene.smtp.clear_script();
    let daemon = scene.live().await;
    scene.assert_told(&WANJIRU_JOINED).await;
    daemon.stop().await;
}

#[tokio::test]
async fn m04_one_bad_recipient_of_many_keeps_nobody_waiting() {
    let scene = Scene::company().await.with("smtp.retry_initial", "\"1s\"");
    let daemon = scene.live().await;
    scene.smtp.script(
        Fault::at(At::Rcpt).only_for("wanjiru@harbour-vale.example").answer("550 5.1.1 no such user"),
    );
    scene.smtp.script(
        Fault::at(At::Rcpt).only_for("mei@harbour-vale.example").times(1).answer("451 4.7.1 greylisted"),
    );
    let wanjiru = ["uid=wanjiru,ou=people"];
    scene.ldap.replace(WAREHOUSE, "member", &wanjiru).await;
    // Oscar, Mei and Finn went; Finn has no address. Mei's comes after a second.
    scene
        .assert_told(&[
            "ravi: owner: 4 changes to warehouse",
            "mei: removed_members: You were removed from warehouse",
            "oscar: removed_members: You were removed from warehouse",
        ])
        .await;
    let mut states: Vec<String> = (scene.site.outbox_json().await.iter())
        .filter(|mail| mail["to"] != "ringer@bell.example")
        .map(|mail| format!("{} {} {}", mail["to"], mail["state"], mail["attempts"]).replace('"', ""))
        .collect();
    states.sort();
    assert_eq!(
        states,
        [
            "mei@harbour-vale.example delivered 2",
            "oscar@harbour-vale.example delivered 1",
            "ravi@harbour-vale.example delivered 1",
            "wanjiru@harbour-vale.example failed 1",
        ]
    );
    daemon.stop().await;
}
