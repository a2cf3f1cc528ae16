//! The bulk guard: mass changes wait for an operator, and nothing of them is lost, told twice or out of order.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::scene::{Scene, WANJIRU_JOINED};
use crate::support::{
    daemon::Daemon,
    ldap::{Change, Ldap},
    slapd::{COMPANY, NOBODY},
    wait,
};

const CREW: &str = "cn=crew,ou=groups";
const LENA: &str = "uid=lena,ou=people";

/// `uid=pN,ou=people` for each N.
async fn people(scene: &Scene, numbers: std::ops::Range<usize>) -> Vec<String> {
    let mut people = Vec::new();
    for number in numbers {
        let dn = format!("uid=p{number},ou=people");
        let (name, mail) = (format!("Person P{number}"), format!("p{number}@harbour-vale.example"));
        scene.ldap.add_person(&dn, &name, &mail).await;
        people.push(dn);
    }
    people
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Thousands of events are seconds of work, and a machine that runs other tests has other work.
const LONG: Duration = Duration::from_secs(90);

async fn wait_for_count(scene: &Scene, sql: &str, expected: i64) {
    wait::until_within(LONG, &format!("{expected} by {sql}"), async || {
        (scene.try_status().is_some() && scene.site.count(sql) == expected).then_some(())
    })
    .await;
}

async fn wait_for_held(scene: &Scene, events: i64) {
    let held =
        "SELECT count(*) FROM event JOIN change_set ON change_set.seq = event.change_set WHERE held = 1";
    wait_for_count(scene, held, events).await;
}

/// What is held, oldest first.
async fn holds(scene: &Scene) -> Vec<Value> {
    scene.site.json(&["held", "list"]).await
}

fn id(hold: &Value) -> &str {
    hold["id"].as_str().expect("an id")
}

/// `release` or `discard` of everything, with or without a daemon.
async fn let_go(scene: &Scene, wish: &str) {
    let ran = scene.site.run(&["held", wish, "--all"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", scene.site.log());
    assert_eq!(scene.status().held, 0);
}

/// 100 groups of which everybody in it is a new member, 10,000 in all; owners are ravi and amara by turns.
const GROUPS: usize = 100;

async fn groups_to_fill(scene: &Scene) -> Vec<String> {
    let people = people(scene, 0..100).await;
    for number in 0..GROUPS {
        let owner = if number % 2 == 0 { "uid=ravi,ou=people" } else { "uid=amara,ou=people" };
        scene.ldap.add_group(&format!("cn=g{number},ou=groups"), &[owner], &[NOBODY]).await;
    }
    people
}

async fn fill_groups(scene: &Scene, people: &[String]) {
    for number in 0..GROUPS {
        let members = Change::Add("member", &texts(people));
        scene.ldap.modify(&format!("cn=g{number},ou=groups"), &[members]).await;
    }
}

/// Ten thousand events, released: each owner has five mails of the hour, and the rest of their events waits.
async fn assert_released_within_the_cap(scene: &Scene) {
    let [hold] = &holds(scene).await[..] else { panic!("one hold") };
    assert_eq!((&hold["cause"], &hold["events"]), (&json!("max-events"), &json!(10_000)));
    assert_eq!(scene.told(), [] as [String; 0]);
    assert!(scene.site.log().contains("a mass change is held"), "{}", scene.site.log());
    let_go(scene, "release").await;
    let waiting = "SELECT count(*) FROM change_set WHERE dispatched_at IS NULL";
    wait_for_count(scene, waiting, 0).await;
    let to_be_told = "SELECT sum(json_array_length(facts, '$.events')) FROM notification";
    assert_eq!(scene.site.count(to_be_told), 10_000, "nothing is dropped");
    wait::until_within(LONG, "the mails of the hour", async || {
        let full = |owner: &&str| scene.letters_to(owner).len() == 5;
        ["ravi", "amara"].iter().all(full).then_some(())
    })
    .await;
    assert_eq!(scene.letters().len(), 10);
    let in_mails =
        "SELECT sum(json_array_length(facts, '$.events')) FROM notification WHERE message IS NOT NULL";
    let once = "SELECT count(DISTINCT value) FROM message, json_each(message.events)";
    assert_eq!(scene.site.count(once), scene.site.count(in_mails), "no mail repeats another");
}

#[tokio::test]
async fn m06_ten_thousand_changes_at_once_are_held_and_when_released_nobody_gets_more_than_the_cap() {
    let scene = Scene::company().await.with("notify.max_messages_per_hour", "5");
    let scene = scene.with("notify.added_members", "false");
    let people = groups_to_fill(&scene).await;
    scene.live().await.stop().await;
    fill_groups(&scene, &people).await;
    let daemon = scene.site.start();
    wait_for_count(&scene, "SELECT count(*) FROM event", 10_000).await;
    daemon.wait_live().await;
    wait_for_held(&scene, 10_000).await;
    assert_released_within_the_cap(&scene).await;
    daemon.stop().await;
}

#[tokio::test]
async fn m06_ten_thousand_changes_one_by_one_are_held_with_those_that_are_in_no_mail_yet() {
    let scene = Scene::company().await.with("notify.max_messages_per_hour", "5");
    let scene = scene.with("notify.added_members", "false").with("notify.digest_window", "\"1h\"");
    let people = groups_to_fill(&scene).await;
    let daemon = scene.live().await;
    fill_groups(&scene, &people).await;
    wait_for_held(&scene, 10_000).await;
    daemon.stop().await;
    let scene = scene.with("notify.digest_window", "\"0s\"");
    let daemon = scene.live().await;
    assert_released_within_the_cap(&scene).await;
    daemon.stop().await;
}

/// A crew of twenty, owned by ravi, and twenty others.
async fn crew(scene: Scene) -> (Scene, Vec<String>, Vec<String>) {
    let people = people(&scene, 0..40).await;
    let (crew, others) = people.split_at(20);
    scene.ldap.add_group(CREW, &["uid=ravi,ou=people"], &texts(crew)).await;
    let (crew, others) = (crew.to_vec(), others.to_vec());
    (scene, crew, others)
}

/// `change entry subject` of what is held, in its order.
fn lines(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .map(|event| format!("{} {} {}", event["change"], event["entry"]["name"], event["subject"]["name"]))
        .map(|line| line.replace('"', ""))
        .collect()
}

/// `events` marks what is held, and that is what happened to these.
async fn assert_marked(scene: &Scene, entries: &[&str]) {
    for event in scene.site.events_json().await {
        let name = event["entry"]["name"].as_str().expect("a name");
        assert_eq!(event["held"], json!(entries.contains(&name)), "{event}");
    }
    let table = scene.site.run(&["events"]).await.stdout;
    assert_eq!(table.contains("  directory, held\n"), !entries.is_empty(), "{table}");
}

#[tokio::test]
async fn m07_a_group_swapped_at_once_waits_while_others_are_told_and_keeps_order_actor_and_cause() {
    let (scene, crew, others) = crew(Scene::company().await.with("notify.logged_in_users", "true")).await;
    let daemon = scene.live().await;
    let lena = Ldap::bind_as(&scene.slapd, LENA).await;
    lena.replace(CREW, "member", &texts(&others)).await;
    wait_for_held(&scene, 40).await;
    // Of this group nothing more is told, of others everything.
    scene.ldap.add_member(CREW, &crew[0]).await;
    scene.wanjiru_joins().await;
    wait_for_held(&scene, 41).await;
    scene.assert_told(&WANJIRU_JOINED).await;
    assert_marked(&scene, &["crew"]).await;

    let [hold] = &holds(&scene).await[..] else { panic!("one hold") };
    assert_eq!(
        (&hold["cause"], &hold["group"]["name"], &hold["store"]),
        (&json!("membership"), &json!("crew"), &json!("company"))
    );
    let counted = json!({
        "cause": "membership", "group": hold["group"], "members": 20, "added": 20, "removed": 20, "limit_percent": 50,
        "window_seconds": 300,
    });
    assert_eq!(hold["counted"], counted);
    let shown = scene.site.json(&["held", "show", id(hold).get(..13).expect("an id")]).await;
    assert_eq!(&shown[0], hold);
    let queue = lines(&shown[1..]);
    assert_eq!((queue.len(), queue[40].as_str()), (41, "member-added crew Person P0"));
    assert!(
        shown[1..41]
            .iter()
            .all(|event| event["actor"]["name"] == "Lena Hartmann" && event["cause"] == "directory")
    );
    let table = scene.site.run(&["held", "show", id(hold)]).await.stdout;
    for words in [
        "too many members came or went",
        "200 % of the 20 members",
        "`dirherald held release",
        "Lena Hartmann",
    ] {
        assert!(table.contains(words), "{words} is missing in {table}");
    }
    let event = shown[1]["id"].as_str().expect("an id");
    let explained = scene.site.run(&["explain", event]).await.stdout;
    for words in [
        "held      since ",
        id(hold),
        "`dirherald held release ",
        "not yet; this is what would be decided now",
    ] {
        assert!(explained.contains(words), "{words} is missing in {explained}");
    }

    let_go(&scene, "release").await;
    assert_marked(&scene, &[]).await;
    let events = scene.change_events();
    let told = scene.told_in_all().await;
    assert_eq!(scene.change_events(), events, "nothing of an event changes");
    let count = |who: &str| told.iter().filter(|line| line.starts_with(who)).count();
    assert_eq!((count("ravi: "), count("lena: ")), (1 + 2, 1), "{told:#?}");
    assert_eq!((count("p0: "), count("p1: "), count("p20: ")), (2, 1, 1), "{told:#?}");
    let to_p0: Vec<_> = scene.letters_to("p0").into_iter().map(|letter| letter.subject).collect();
    assert_eq!(to_p0, ["You were removed from crew", "You were added to crew"]);
    scene.assert_no_duplicates();
    let explained = scene.site.run(&["explain", event]).await.stdout;
    assert!(explained.contains("held      from ") && explained.contains(" by "), "{explained}");

    // It was looked at: the group goes on as any other.
    scene.ldap.remove_member(CREW, &crew[0]).await;
    scene.settle().await;
    assert_eq!(scene.letters_to("p0").len(), 3);
    daemon.stop().await;
}

#[tokio::test]
async fn m07_a_group_swapped_one_by_one_is_held_from_the_crossing_on_with_what_is_in_no_mail_yet() {
    let (scene, crew, others) = crew(Scene::company().await.with("notify.digest_window", "\"1h\"")).await;
    let daemon = scene.live().await;
    for (old, new) in crew.iter().zip(&others) {
        scene.ldap.add_member(CREW, new).await;
        scene.ldap.remove_member(CREW, old).await;
    }
    wait_for_held(&scene, 40).await;
    assert_eq!(scene.site.count("SELECT count(*) FROM notification"), 0);
    daemon.stop().await;
    let scene = scene.with("notify.digest_window", "\"0s\"");
    // Without a daemon the command does it, and the next daemon tells.
    let_go(&scene, "release").await;
    assert_eq!(scene.told(), [] as [String; 0]);
    let daemon = scene.live().await;
    let told = scene.told_in_all().await;
    assert_eq!(told.len(), 40 + 40, "{told:#?}");
    let to_ravi: Vec<_> = scene.letters_to("ravi").into_iter().map(|letter| letter.subject).collect();
    let expected: Vec<_> = (0..20)
        .flat_map(|n| {
            [format!("Person P{} was added to crew", n + 20), format!("Person P{n} was removed from crew")]
        })
        .collect();
    assert_eq!(to_ravi, expected);
    scene.assert_no_duplicates();
    daemon.stop().await;
}

/// Takes from the account the right to read members, or gives it back.
async fn hide_members(scene: &Scene, hide: bool) {
    let config = Ldap::config(&scene.slapd).await;
    let rule =
        format!("{{0}}to attrs=member by dn.exact=\"cn=dirherald,ou=services,{COMPANY}\" none by * break");
    let change =
        if hide { Change::Add("olcAccess", &[&rule]) } else { Change::Delete("olcAccess", &["{0}"]) };
    config.modify("olcDatabase={1}mdb,cn=config", &[change]).await;
}

/// Two groups whose forty members an access rule hid and showed again, as 80 events that wait for a decision; the
/// members of the first.
async fn hidden_and_back() -> (Scene, Daemon, Vec<String>) {
    let (scene, crew, others) = crew(Scene::company().await).await;
    scene.ldap.add_group("cn=watch,ou=groups", &["uid=ravi,ou=people"], &texts(&others)).await;
    scene.live().await.stop().await;
    hide_members(&scene, true).await;
    // What nobody touches is not read again.
    for group in [CREW, "cn=watch,ou=groups"] {
        scene.ldap.replace(group, "description", &["nobody can see us"]).await;
    }
    let daemon = scene.live().await;
    wait_for_held(&scene, 40).await;
    assert_eq!(holds(&scene).await.len(), 2);
    scene.assert_told(&[]).await;

    // The right comes back before anybody has decided: that they came back waits behind their going.
    hide_members(&scene, false).await;
    for group in [CREW, "cn=watch,ou=groups"] {
        scene.ldap.replace(group, "description", &["everybody can see us"]).await;
    }
    wait_for_held(&scene, 80).await;
    (scene, daemon, crew)
}

#[tokio::test]
async fn a24_an_acl_hides_the_members_and_nobody_is_told_that_they_went() {
    let (scene, daemon, crew) = hidden_and_back().await;
    let_go(&scene, "discard").await;
    scene.assert_told(&[]).await;
    let event = scene.change_events()[0].id.to_string();
    let explained = scene.site.run(&["explain", &event]).await.stdout;
    assert!(explained.contains("an operator discarded it, and nobody is told"), "{explained}");

    // The mirror is right, and the groups go on.
    scene.ldap.remove_member(CREW, &crew[3]).await;
    scene
        .assert_told(&[
            "ravi: owner: Person P3 was removed from crew",
            "p3: removed_members: You were removed from crew",
        ])
        .await;
    assert_eq!(scene.change_events().len(), 81);
    daemon.stop().await;
}

#[tokio::test]
async fn a24_members_who_were_hidden_are_told_in_order_when_an_operator_releases_it() {
    let (scene, daemon, crew) = hidden_and_back().await;
    let_go(&scene, "release").await;
    // Whoever releases it wants it told, that they went and that they came back: to each of them, and to the owner
    // of both groups, who gets each time all of a group in one.
    let told = scene.told_in_all().await;
    assert_eq!(told.len(), 80 + 4, "{told:#?}");
    for (person, group) in [("p0", "crew"), ("p19", "crew"), ("p20", "watch"), ("p39", "watch")] {
        let subjects: Vec<_> = scene.letters_to(person).into_iter().map(|letter| letter.subject).collect();
        let gone_and_back = ["removed from", "added to"].map(|way| format!("You were {way} {group}"));
        assert_eq!(subjects, gone_and_back, "{person}");
    }
    scene.assert_no_duplicates();

    // The mirror is right, and the groups go on.
    scene.ldap.remove_member(CREW, &crew[3]).await;
    scene.settle().await;
    assert_eq!(scene.letters_to("p3").len(), 3);
    assert_eq!((scene.change_events().len(), scene.status().held), (81, 0));
    daemon.stop().await;
}

#[tokio::test]
async fn a_large_group_that_is_deleted_waits_and_is_told_when_it_is_released() {
    let (scene, ..) = crew(Scene::company().await).await;
    let daemon = scene.live().await;
    scene.ldap.delete(CREW).await;
    wait_for_held(&scene, 1).await;
    scene.assert_told(&[]).await;
    let [hold] = &holds(&scene).await[..] else { panic!("one hold") };
    let ran = scene.site.run(&["held", "release", id(hold)]).await;
    assert_eq!(ran.stdout, "released: 1 event of company, told to whom they concern\n");
    let told = scene.told_in_all().await;
    assert_eq!(told.len(), 1 + 20, "{told:#?}");
    let again = scene.site.run(&["held", "discard", id(hold)]).await;
    assert_eq!((again.code, again.stdout.as_str()), (1, ""));
    assert!(again.stderr.contains("was released already"), "{}", again.stderr);
    daemon.stop().await;
}

async fn killed_and_live(scene: &Scene, daemon: Daemon) -> Daemon {
    daemon.kill().await;
    scene.live().await
}

#[tokio::test]
async fn m02_killed_while_it_holds_and_while_it_lets_go_it_tells_everything_once() {
    let scene = Scene::company().await.with("guard.max_events", "10");
    let scene = scene
        .with("recipients.to", "[\"audit@harbour-vale.example\"]")
        .with("recipients.copy", "\"all-changes\"");
    let people = people(&scene, 0..60).await;
    let mut daemon = scene.live().await;
    let title = async |person: &String, title: &str| scene.ldap.replace(person, "title", &[title]).await;
    for person in &people[..30] {
        title(person, "Mate").await;
    }
    wait::until_async("a hold", async || (scene.status().held > 0).then_some(())).await;
    daemon = killed_and_live(&scene, daemon).await;
    // What comes after a kill queues behind it like what came before.
    for person in &people[30..] {
        title(person, "Mate").await;
    }
    let events = "SELECT count(*) FROM event";
    wait::until_async("all events", async || (scene.site.count(events) == 60).then_some(())).await;
    let told_before = 60 - scene.status().held;
    assert!(told_before <= 10, "{told_before}");
    daemon.kill().await;
    let hold = holds(&scene).await.remove(0);
    scene
        .site
        .state()
        .execute("UPDATE hold SET wish = 'release', wished_at = since", [])
        .expect("leaving a wish");
    // At whatever it is: letting go, dispatching, writing mails, sending them.
    let mut ended = 0;
    for round in 0..6 {
        let daemon = scene.site.start();
        let done = [
            "SELECT count(*) FROM change_set WHERE hold IS NOT NULL AND held = 0",
            "SELECT count(*) FROM notification",
        ];
        wait::until_async("some of the work", async || {
            (scene.site.count(done[round % 2]) >= ended).then_some(())
        })
        .await;
        ended += 12;
        daemon.kill().await;
    }
    let daemon = scene.live().await;
    wait::until_async("the end of the hold", async || holds(&scene).await.is_empty().then_some(())).await;
    let audit = async || {
        scene.delivered().await;
        let letters =
            scene.letters().into_iter().filter(|letter| letter.to == ["audit@harbour-vale.example"]);
        letters.collect::<Vec<_>>()
    };
    wait::until_async("all mails", async || {
        let ids: BTreeSet<_> = audit().await.into_iter().map(|letter| letter.message_id).collect();
        (ids.len() == 60).then_some(())
    })
    .await;
    let told: BTreeSet<_> = audit().await.into_iter().flat_map(|letter| letter.events).collect();
    assert_eq!(told.len(), 60, "each event in one mail, however often that was sent");
    let shown = scene.site.json(&["held", "show", id(&hold)]).await;
    assert_eq!((shown.len(), &shown[0]["wish"]), (1, &json!("release")));
    assert!(shown[0]["ended"].is_string());
    daemon.stop().await;
}

#[tokio::test]
async fn a24_an_acl_that_hides_the_members_of_small_groups_tells_nobody_either() {
    let scene = Scene::company().await;
    let daemon = scene.live().await;
    hide_members(&scene, true).await;
    let compared = scene.site.run(&["compare", "--apply"]).await;
    assert!(compared.stdout.contains("are held"), "{} {}", compared.stdout, compared.stderr);
    assert_eq!(scene.told(), [] as [String; 0]);
    let listed = scene.site.run(&["held", "list"]).await.stdout;
    let payroll = listed.lines().find(|line| line.contains(" payroll ")).expect("its two members are held");
    let id = payroll.split(' ').next().unwrap();
    let shown = scene.site.run(&["held", "show", id]).await.stdout;
    assert!(shown.contains("the account may have lost the right to read them"), "{shown}");

    // With the right everything is as it was, and what is discarded leaves no trace.
    hide_members(&scene, false).await;
    scene.site.run(&["compare", "--apply"]).await;
    assert_eq!(scene.told(), [] as [String; 0]);
    let_go(&scene, "discard").await;
    scene.assert_told(&[]).await;
    scene.ldap.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    assert!(scene.told_in_all().await.iter().any(|told| told.contains("You were added to warehouse")));
    daemon.stop().await;
}
