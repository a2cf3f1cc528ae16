//! `dry_run` and `redirect_to`: trying it out without anybody noticing.

use serde_json::Value;

use crate::{
    cases::scene::Scene,
    support::{smtp::Mail, wait},
};

const WAREHOUSE: &str = "cn=warehouse,ou=groups";
const WANJIRU: &str = "uid=wanjiru,ou=people";

/// `to state attempts`, sorted.
async fn outbox(scene: &Scene) -> Vec<String> {
    let line =
        |mail: &Value| format!("{} {} {}", mail["to"], mail["state"], mail["attempts"]).replace('"', "");
    let mut lines: Vec<String> = scene.site.outbox_json().await.iter().map(line).collect();
    lines.sort();
    lines
}

async fn wait_for_outbox(scene: &Scene, expected: &[&str]) {
    let mut last = Vec::new();
    for _ in 0..400 {
        last = outbox(scene).await;
        if last == expected {
            return;
        }
    }
    assert_eq!(last, expected, "{}", scene.site.log());
}

async fn id_of(scene: &Scene, to: &str) -> String {
    let mails = scene.site.outbox_json().await;
    let mail = mails.iter().find(|mail| mail["to"] == to).unwrap_or_else(|| panic!("{to} in {mails:#?}"));
    mail["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn dry_run_does_everything_but_the_sending() {
    let scene = Scene::company().await.with("recipients.to", "[\"audit@harbour-vale.example\"]");
    let dry = scene.with("notify.dry_run", "true");
    let daemon = dry.live().await;
    assert!(daemon.log().contains("dry_run is on"), "{}", daemon.log());
    dry.ldap.add_member(WAREHOUSE, WANJIRU).await;
    let suppressed = [
        "audit@harbour-vale.example suppressed 0",
        "ravi@harbour-vale.example suppressed 0",
        "wanjiru@harbour-vale.example suppressed 0",
    ];
    wait_for_outbox(&dry, &suppressed).await;
    assert_eq!(dry.site.count("SELECT count(*) FROM attempt"), 0);

    // Asked for by hand it is still a dry run.
    let id = id_of(&dry, "wanjiru@harbour-vale.example").await;
    let again = dry.site.run(&["outbox", "retry", &id]).await;
    assert_eq!((again.code, again.stderr.as_str()), (0, ""));
    assert!(again.stdout.contains("suppressed again: notify.dry_run is on"), "{}", again.stdout);
    wait_for_outbox(&dry, &suppressed).await;
    // The Test button is pressed by somebody who wants a mail.
    let test = dry.site.run(&["test-mail", "--to", "admin@harbour-vale.example"]).await;
    assert_eq!(test.code, 0, "{}", test.stderr);
    daemon.stop().await;
    assert_eq!(dry.smtp.mails().len(), 1);

    let scene = dry.with("notify.dry_run", "false");
    let daemon = scene.live().await;
    wait_for_outbox(&scene, &suppressed).await;
    let sent = scene.site.run(&["outbox", "retry", &id]).await;
    assert!(sent.stdout.contains("delivered to wanjiru@harbour-vale.example: 250"), "{}", sent.stdout);
    assert_eq!(scene.smtp.mails().len(), 2);
    daemon.stop().await;
}

#[tokio::test]
async fn what_waits_when_dry_run_is_switched_on_does_not_leave() {
    let mut scene = Scene::company().await;
    let daemon = scene.live().await;
    scene.smtp.stop().await;
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    wait::until_async("waiting mails", async || (scene.status().outbox_pending == 2).then_some(())).await;
    daemon.stop().await;
    scene.smtp.start_again().await;
    let scene = scene.with("notify.dry_run", "true");
    let daemon = scene.live().await;
    wait::until_async("an empty queue", async || (scene.status().outbox_pending == 0).then_some(())).await;
    daemon.stop().await;
    assert!(scene.smtp.mails().is_empty());
    let states: Vec<String> = outbox(&scene).await;
    assert!(states.iter().all(|line| line.contains(" suppressed ")), "{states:?}");
}

const PILOTS: &str = "[\"pilot@harbour-vale.example\", \"copilot@harbour-vale.example\"]";

/// `envelope: intended: subject`, sorted.
fn redirected(mails: &[Mail]) -> Vec<String> {
    let line = |mail: &Mail| {
        let letter = crate::support::mail::Letter::of(mail);
        assert_eq!(
            mail.header("To").as_deref(),
            Some("pilot@harbour-vale.example, copilot@harbour-vale.example"),
            "{}",
            mail.text()
        );
        assert_eq!(mail.header("Cc"), None);
        let intended = mail.header("X-Dirherald-Intended-To").unwrap_or_else(|| panic!("{}", mail.text()));
        format!("{}: {intended}: {}", mail.to.join(","), letter.subject).replace("@harbour-vale.example", "")
    };
    let mut lines: Vec<String> = mails.iter().map(line).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn redirect_to_gets_all_mail_and_nobody_else_gets_any() {
    let scene = Scene::company()
        .await
        .with("recipients.to", "[\"audit@harbour-vale.example\"]")
        .with("recipients.cc", "[\"archive@harbour-vale.example\"]")
        .with("notify.redirect_to", PILOTS);
    let daemon = scene.live().await;
    assert!(daemon.log().contains("redirect_to is on"), "{}", daemon.log());
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    let mails = scene.smtp.wait_for(8).await;
    scene.delivered().await;
    let expected: Vec<String> = ["copilot", "pilot"]
        .iter()
        .flat_map(|pilot| {
            [
                format!("{pilot}: archive: Wanjiru Kamau was added to warehouse"),
                format!("{pilot}: audit: Wanjiru Kamau was added to warehouse"),
                format!("{pilot}: ravi: Wanjiru Kamau was added to warehouse"),
                format!("{pilot}: wanjiru: You were added to warehouse"),
            ]
        })
        .collect();
    assert_eq!(redirected(&mails), expected);
    scene.assert_no_duplicates();
    let listed = scene.site.outbox_json().await;
    let is_pilot = |mail: &Value| mail["to"].as_str().is_some_and(|to| to.contains("pilot@"));
    assert!(listed.iter().all(is_pilot), "{listed:#?}");
    let id = id_of(&scene, "copilot@harbour-vale.example").await;
    let shown = scene.site.run(&["outbox", "show", &id]).await;
    assert!(shown.stdout.contains("X-Dirherald-Intended-To: "), "{}", shown.stdout);
    daemon.stop().await;
}

#[tokio::test]
async fn what_waits_when_redirect_to_is_switched_on_leaves_for_the_pilots() {
    let mut scene = Scene::company().await.with("recipients.to", "[\"audit@harbour-vale.example\"]");
    let daemon = scene.live().await;
    scene.smtp.stop().await;
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    wait::until_async("waiting mails", async || (scene.status().outbox_pending == 3).then_some(())).await;
    daemon.stop().await;
    let before = scene.site.outbox_json().await;
    // One of them was given up before; retried by hand it must not find its old way either.
    scene
        .site
        .state()
        .execute_batch(
            "UPDATE message SET state = 'failed', due_at = NULL, ended_at = created_at
             WHERE address LIKE 'wanjiru@%'",
        )
        .expect("giving a mail up");
    let given_up = id_of(&scene, "wanjiru@harbour-vale.example").await;

    let mut scene = scene.with("notify.redirect_to", PILOTS);
    scene.smtp.start_again().await;
    let daemon = scene.live().await;
    let mails = scene.smtp.wait_for(6).await;
    assert_eq!(
        redirected(&mails),
        [
            "copilot: audit: Wanjiru Kamau was added to warehouse",
            "copilot: audit: company: 1 mail was given up",
            "copilot: ravi: Wanjiru Kamau was added to warehouse",
            "pilot: audit: Wanjiru Kamau was added to warehouse",
            "pilot: audit: company: 1 mail was given up",
            "pilot: ravi: Wanjiru Kamau was added to warehouse",
        ]
    );
    let retried = scene.site.run(&["outbox", "retry", &given_up]).await;
    assert!(retried.stdout.contains("delivered to pilot@"), "{} {}", retried.stdout, retried.stderr);
    let mails = scene.smtp.wait_for(8).await;
    assert!(redirected(&mails).contains(&"copilot: wanjiru: You were added to warehouse".to_owned()));
    scene.assert_no_duplicates();
    // What was in the queue kept its ids.
    let after = scene.site.outbox_json().await;
    for mail in &before {
        assert!(after.iter().any(|row| row["id"] == mail["id"]), "{mail}");
    }
    scene.delivered().await;
    daemon.stop().await;
}
