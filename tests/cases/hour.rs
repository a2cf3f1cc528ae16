//! `max_messages_per_hour`: nobody gets more, and nothing is dropped.

use crate::{
    cases::scene::Scene,
    support::{ldap::Ldap, mail::Letter, wait},
};

const WAREHOUSE: &str = "cn=warehouse,ou=groups";
const WANJIRU: &str = "uid=wanjiru,ou=people";

const WAITING: &str =
    "SELECT count(*) FROM notification WHERE recipient_key LIKE 'ravi@%' AND message IS NULL";
const NOTIFIED: &str = "SELECT count(*) FROM notification WHERE recipient_key LIKE 'ravi@%'";

/// Changes of the warehouse, of which Ravi is to hear, one by one. Begins anew where it was left.
async fn change(ldap: &Ldap, numbers: std::ops::Range<usize>) {
    for number in numbers {
        match number % 2 {
            0 => ldap.add_member(WAREHOUSE, WANJIRU).await,
            _ => ldap.remove_member(WAREHOUSE, WANJIRU).await,
        }
    }
}

async fn notified(scene: &Scene, count: i64) {
    wait::until_async("the notifications", async || (scene.site.count(NOTIFIED) == count).then_some(()))
        .await;
}

/// As if everything until now had happened so much earlier.
fn let_pass(scene: &Scene, seconds: i64) {
    let earlier = seconds * 1_000_000;
    let state = scene.site.state();
    let sql = format!(
        "UPDATE message SET created_at = created_at - {earlier}, ended_at = ended_at - {earlier};
         UPDATE notification SET created_at = created_at - {earlier};"
    );
    state.execute_batch(&sql).expect("moving the past");
}

fn events(letters: &[Letter]) -> Vec<String> {
    letters.iter().flat_map(|letter| letter.events.clone()).collect()
}

#[tokio::test]
async fn m06_one_by_one_within_minutes_nobody_gets_more_than_the_cap_and_nothing_is_dropped() {
    let scene = Scene::company()
        .await
        .with("notify.max_messages_per_hour", "2")
        .with("recipients.to", "[\"audit@harbour-vale.example\"]");
    let daemon = scene.live().await;
    change(&scene.ldap, 0..1).await;
    wait::until_async("the first mail", async || (scene.letters_to("ravi").len() == 1).then_some(())).await;
    change(&scene.ldap, 1..12).await;
    notified(&scene, 12).await;
    // Audit gets a copy of each change all the same.
    wait::until_async("the copies", async || (scene.letters_to("audit").len() == 12).then_some(())).await;
    wait::until_async("two mails", async || (scene.letters_to("ravi").len() == 2).then_some(())).await;
    let waiting = scene.site.count(WAITING);
    let told = scene.letters_to("ravi");
    assert_eq!(events(&told).len() + usize::try_from(waiting).expect("a count"), 12);

    // A restart changes nothing.
    daemon.kill().await;
    let daemon = scene.live().await;
    change(&scene.ldap, 12..13).await;
    notified(&scene, 13).await;
    wait::until_async("its copy", async || (scene.letters_to("audit").len() == 13).then_some(())).await;
    assert_eq!(scene.letters_to("ravi").len(), 2);

    // Fifty-nine minutes later nothing has changed, an hour later the rest comes in one mail, in order.
    let_pass(&scene, 59 * 60);
    change(&scene.ldap, 13..14).await;
    notified(&scene, 14).await;
    wait::until_async("its copy", async || (scene.letters_to("audit").len() == 14).then_some(())).await;
    assert_eq!(scene.letters_to("ravi").len(), 2);
    let_pass(&scene, 61);
    wait::until_async("the summary", async || (scene.letters_to("ravi").len() == 3).then_some(())).await;
    scene.delivered().await;
    assert_eq!(scene.site.count(WAITING), 0);
    let letters = scene.letters_to("ravi");
    let expected: Vec<String> = scene.change_events().iter().map(|event| event.id.to_string()).collect();
    assert_eq!(events(&letters), expected, "everything once, in order");
    let summary = letters.last().expect("three mails");
    let words = summary.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("This is a summary: more than 2 mails within an hour were due to you"), "{words}");
    daemon.stop().await;
}

#[tokio::test]
async fn m06_mail_that_waits_for_the_mail_server_counts_when_it_leaves() {
    let mut scene = Scene::company().await.with("notify.max_messages_per_hour", "2");
    let daemon = scene.live().await;
    scene.smtp.stop().await;
    change(&scene.ldap, 0..8).await;
    notified(&scene, 8).await;
    // More than an hour without a mail server: were only the writing counted, four mails would leave at once.
    wait::until_async("two mails", async || {
        let mails = "SELECT count(*) FROM message WHERE cap_key LIKE 'ravi@%'";
        (scene.site.count(mails) == 2).then_some(())
    })
    .await;
    let_pass(&scene, 3700);
    change(&scene.ldap, 8..10).await;
    notified(&scene, 10).await;
    scene.smtp.start_again().await;
    scene.delivered().await;
    assert_eq!(scene.letters_to("ravi").len(), 2);
    let_pass(&scene, 3700);
    wait::until_async("the summary", async || (scene.letters_to("ravi").len() == 3).then_some(())).await;
    scene.delivered().await;
    assert_eq!(events(&scene.letters_to("ravi")).len(), 10);
    scene.assert_no_duplicates();
    daemon.stop().await;
}
