//! What needs a hand is said to whoever looks after dirherald, once and again a day later.

use std::time::Duration;

use dirherald::clock;

use crate::{
    cases::scene::Scene,
    support::{
        daemon::STORE,
        slapd::Slapd,
        smtp::{At, Fault, Mail},
        wait,
    },
};

const OPS: &str = "ops@harbour-vale.example";
const WANJIRU: &str = "wanjiru@harbour-vale.example";
const HOLD: &str = "0192f0c1-7b3a-7c44-9f10-5d2b6c3e8a01";

async fn scene() -> Scene {
    Scene::company().await.with("alerts.to", &format!("[\"{OPS}\"]"))
}

/// What the guard would write.
fn hold(scene: &Scene, group: &str) {
    let sql = format!(
        "INSERT INTO hold (id, store, cause, facts, since)
         SELECT unhex(replace('{HOLD}', '-', '')), no, 'membership',
                json_object('cause', 'membership',
                            'group', json_object('id', NULL, 'dn', 'cn=group', 'kind', 'group', 'name', '{group}'),
                            'members', 30, 'added', 2, 'removed', 17, 'limit_percent', 50, 'window_seconds', 300),
                {} FROM store WHERE name = '{STORE}'",
        clock::now().as_microsecond(),
    );
    scene.site.state().execute_batch(&sql).expect("a hold");
}

fn let_go(scene: &Scene) {
    let sql = "UPDATE hold SET wish = 'release', wished_at = 1, ended_at = 1";
    scene.site.state().execute_batch(sql).expect("the end of a hold");
}

async fn wait_open(scene: &Scene, count: u64) {
    wait::until_async(&format!("{count} open alerts"), async || {
        (scene.status().alerts == count).then_some(())
    })
    .await;
}

/// Alerts that were ever written.
fn written(scene: &Scene) -> i64 {
    scene.site.count("SELECT count(*) FROM message WHERE alert = 1")
}

/// All spaces and line ends are one space.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn set_password(scene: &Scene, password: &str) {
    scene.ldap.replace("cn=dirherald,ou=services", "userPassword", &[password]).await;
}

#[tokio::test]
async fn a_password_that_is_refused_is_told_once_and_not_by_each_attempt() {
    let mut scene = scene().await;
    let daemon = scene.live().await;
    set_password(&scene, "changed").await;
    scene.slapd.restart();
    let [alert] = &scene.wait_for_alerts(1).await[..] else { panic!("one alert") };
    assert_eq!(alert.to, [OPS]);
    assert_eq!(alert.subject, format!("{STORE}: dirherald cannot watch the directory"));
    for words in [
        "49 invalidCredentials; check bind.dn and bind.password",
        "dirherald check --store company",
        "dirherald status --store company",
    ] {
        assert!(flowing(&alert.text).contains(words) && alert.html.contains(words), "{}", alert.text);
    }
    assert!(!alert.text.contains("changed") && !alert.text.contains(Slapd::SERVICE_PASSWORD));
    assert_eq!(scene.status().alerts, 1);
    daemon.stop().await;

    // Every start is an attempt more.
    for _ in 0..2 {
        let daemon = scene.site.start();
        wait::until_async("the refusal", async || daemon.log().contains("cannot be followed").then_some(()))
            .await;
        daemon.stop().await;
    }
    scene.bind_again().await;
    set_password(&scene, Slapd::SERVICE_PASSWORD).await;
    let daemon = scene.live().await;
    wait_open(&scene, 0).await;
    scene.settle().await;
    assert_eq!((scene.alerts().len(), written(&scene)), (1, 1), "{}", scene.site.log());
    daemon.stop().await;
}

#[tokio::test]
async fn a_feed_that_stopped_is_told_at_once() {
    let scene = scene().await.with("base_dn", "\"dc=nowhere,dc=example\"");
    let daemon = scene.site.start();
    let [alert] = &scene.wait_for_alerts(1).await[..] else { panic!("one alert") };
    assert_eq!(alert.subject, format!("{STORE}: dirherald has stopped watching the directory"));
    assert!(flowing(&alert.text).contains("check base_dn"), "{}", alert.text);
    daemon.stop().await;
}

#[tokio::test]
async fn a_directory_that_is_away_is_told_after_a_while_and_not_before() {
    let mut scene = scene().await;
    let daemon = scene.live().await;
    scene.slapd.stop();
    wait::until_async("it is away", async || {
        (scene.site.count("SELECT count(*) FROM store WHERE standing = 'away'") == 1).then_some(())
    })
    .await;
    assert_eq!((scene.status().alerts, written(&scene)), (0, 0));
    // As if it had been away for longer, and dirherald there to see it.
    let sql = "UPDATE store SET behind_since = behind_since - 900000000, begun_at = begun_at - 900000000";
    scene.site.state().execute_batch(sql).expect("setting a clock back");
    let [alert] = &scene.wait_for_alerts(1).await[..] else { panic!("one alert") };
    assert_eq!(alert.subject, format!("{STORE}: the directory has not been reached for a while"));
    scene.slapd.start_again();
    wait_open(&scene, 0).await;
    daemon.stop().await;
}

#[tokio::test]
async fn mail_that_is_given_up_is_told_by_how_many_and_an_alert_that_is_given_up_is_not() {
    let scene = scene().await.with("alerts.to", &format!("[\"{OPS}\", \"desk@harbour-vale.example\"]"));
    let refused = |who: &str| Fault::at(At::Rcpt).only_for(who).answer("550 5.1.1 no such user");
    scene.smtp.script(refused(WANJIRU));
    scene.smtp.script(refused(OPS));
    let daemon = scene.live().await;
    scene.ldap.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    let [alert] = &scene.wait_for_alerts(1).await[..] else { panic!("one alert") };
    assert_eq!(alert.to, ["desk@harbour-vale.example"]);
    assert_eq!(alert.subject, format!("{STORE}: 1 mail was given up"));
    for words in ["dirherald outbox list --store company", "dirherald outbox retry ID"] {
        assert!(alert.text.contains(words), "{}", alert.text);
    }
    assert!(!alert.text.to_lowercase().contains("wanjiru"), "no names, no addresses: {}", alert.text);
    wait::until_async("both refusals", async || (scene.status().outbox_failed == 2).then_some(())).await;
    scene.settle().await;
    assert_eq!((scene.alerts().len(), written(&scene), scene.status().alerts), (1, 2, 1));

    let sql = "UPDATE message SET deleted_at = 1, bytes = x'' WHERE state = 'failed' AND alert = 0";
    scene.site.state().execute_batch(sql).expect("deleting a message");
    wait_open(&scene, 0).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_hold_is_told_with_the_commands_that_end_it_and_again_after_a_day() {
    let scene = scene().await;
    let daemon = scene.live().await;
    hold(&scene, "Sales\r\nBcc: all@acme.example");
    let [alert] = &scene.wait_for_alerts(1).await[..] else { panic!("one alert") };
    assert_eq!(
        alert.subject,
        format!("{STORE}: changes to the group Sales Bcc: all@acme.example are held back")
    );
    for command in ["show", "release", "discard"] {
        let command = format!("dirherald held {command} {HOLD}");
        assert!(alert.text.contains(&command) && alert.html.contains(&command), "{}", alert.text);
    }
    let mail = scene.smtp.mails().remove(0);
    let header = |name: &str| mail.header(name);
    assert_eq!(header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(header("X-Dirherald-Reasons").as_deref(), Some("alert"));
    assert_eq!(header("X-Dirherald-Store").as_deref(), Some(STORE));
    assert_eq!((header("X-Dirherald-Events"), header("Bcc")), (None, None));

    let listed = scene.site.outbox_json().await;
    assert_eq!(listed[0]["events"], serde_json::json!([]));
    let shown = scene.site.run(&["outbox", "show", listed[0]["id"].as_str().expect("an id")]).await;
    assert_eq!((shown.code, shown.stdout), (0, mail.text()));

    let sql = "UPDATE alert SET said_at = said_at - 86400000000";
    scene.site.state().execute_batch(sql).expect("a day later");
    let alerts = scene.wait_for_alerts(2).await;
    assert_eq!(alerts[0].text, alerts[1].text);
    assert_ne!(alerts[0].message_id, alerts[1].message_id);
    let_go(&scene);
    wait_open(&scene, 0).await;
    scene.settle().await;
    assert_eq!(scene.alerts().len(), 2);
    daemon.stop().await;
}

/// Who removed them is looked up first, and the mass change is noticed when that is known.
#[tokio::test]
async fn a_hold_that_waited_for_a_name_is_told_at_once() {
    let scene = scene().await.with("guard.membership_min", "2");
    let daemon = scene.live().await;
    scene.ldap.replace("cn=warehouse,ou=groups", "member", &["uid=mei,ou=people"]).await;
    let at_once = Duration::from_secs(10);
    wait::until_within(at_once, "an alert", async || (written(&scene) == 1).then_some(())).await;
    assert_eq!(scene.status().held, 2);
    daemon.stop().await;
}

#[tokio::test]
async fn killed_before_its_mail_is_taken_an_alert_comes_once() {
    let scene = scene().await;
    let daemon = scene.live().await;
    scene.smtp.script(Fault::at(At::Message).hold());
    hold(&scene, "Sales");
    scene.smtp.wait_for_command("DATA").await;
    daemon.kill().await;
    scene.smtp.clear_script();
    // What was put on record and not said before the end is said after the next start.
    let sql = "INSERT INTO alert (store, kind, about, since) SELECT no, 'failed-mail', x'', 1 FROM store;
         INSERT INTO message (id, store, address, recipient_key, subject, message_id, bytes, events, created_at,
                              state, ended_at, attempts)
         SELECT x'00000000000000000000000000000001', no, 'a@x', 'a@x', 's', '<1@x>', x'00', '[]', 0, 'failed', 1, 1
         FROM store";
    scene.site.state().execute_batch(sql).expect("a message that was given up");
    let daemon = scene.live().await;
    scene.wait_for_alerts(2).await;
    scene.settle().await;
    let subjects: Vec<String> = scene.alerts().into_iter().map(|alert| alert.subject).collect();
    let expected =
        ["changes to the group Sales are held back", "1 mail was given up"].map(|s| format!("{STORE}: {s}"));
    assert_eq!((subjects, written(&scene)), (expected.to_vec(), 2));
    daemon.stop().await;
}

#[tokio::test]
async fn while_the_mail_server_is_away_an_alert_waits_as_all_mail_does() {
    let mut scene = scene().await;
    let daemon = scene.live().await;
    scene.smtp.stop().await;
    hold(&scene, "Sales");
    wait::until_async("it waits", async || (scene.status().outbox_pending == 1).then_some(())).await;
    scene.smtp.start_again().await;
    scene.wait_for_alerts(1).await;
    scene.settle().await;
    assert_eq!(scene.alerts().len(), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn dry_run_and_redirection_hold_for_alerts() {
    let scene = scene().await.with("notify.redirect_to", "[\"pilot@harbour-vale.example\"]");
    let daemon = scene.live().await;
    hold(&scene, "Sales");
    let [alert] = &scene.wait_for_alerts(1).await[..] else { panic!("one alert") };
    assert_eq!(alert.to, ["pilot@harbour-vale.example"]);
    let intended = |mail: &Mail| mail.header("X-Dirherald-Intended-To");
    assert_eq!(intended(&scene.smtp.mails()[0]).as_deref(), Some(OPS));
    daemon.stop().await;

    let scene = scene.with("notify.dry_run", "true");
    let daemon = scene.live().await;
    let sql = "UPDATE alert SET said_at = said_at - 86400000000";
    scene.site.state().execute_batch(sql).expect("a day later");
    wait::until_async("a suppressed alert", async || {
        let suppressed = "SELECT count(*) FROM message WHERE alert = 1 AND state = 'suppressed'";
        (scene.site.count(suppressed) == 1).then_some(())
    })
    .await;
    assert_eq!(scene.alerts().len(), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn where_nobody_is_named_for_alerts_those_of_the_copies_hear_of_it() {
    let scene = Scene::company().await;
    let daemon = scene.live().await;
    hold(&scene, "Sales");
    wait_open(&scene, 1).await;
    scene.settle().await;
    assert_eq!(written(&scene), 0, "nobody is named at all");
    daemon.stop().await;

    let scene = scene.with("recipients.to", "[\"archive@harbour-vale.example\"]");
    let daemon = scene.live().await;
    let [alert] = &scene.wait_for_alerts(1).await[..] else { panic!("one alert") };
    assert_eq!(alert.to, ["archive@harbour-vale.example"]);
    assert!(
        flowing(&alert.text).contains("stands in recipients.to, and alerts.to is empty"),
        "{}",
        alert.text
    );
    daemon.stop().await;
}
