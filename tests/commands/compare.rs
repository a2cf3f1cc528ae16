//! `compare` and `accept`.

use std::fs;

use serde_json::Value;

use super::{assert_says, run};
use crate::{
    cases::scene::Scene,
    support::{
        daemon::{Ran, Site},
        ldap::Ldap,
        slapd::{ServiceLimit, Setup, Slapd, signal},
        wait,
    },
};

const WAREHOUSE: &str = "cn=warehouse,ou=groups";
const WANJIRU: &str = "uid=wanjiru,ou=people";

/// What nobody sees who follows changes: `from` becomes `to` in the data of the server, stamps and all.
pub async fn rewrite(scene: &mut Scene, from: &str, to: &str) {
    scene.slapd.stop();
    let data = scene.slapd.export();
    let changed = data.replace(from, to);
    assert_ne!(data, changed, "{from}");
    scene.slapd.reload(&changed);
    scene.slapd.start_again();
    scene.bind_again().await;
}

/// Mei has another number, unseen.
async fn renumber(scene: &mut Scene) {
    rewrite(scene, "telephoneNumber: +1 555 0123", "telephoneNumber: +1 555 0999").await;
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// `change entry subject`, sorted.
fn facts(events: &[Value]) -> Vec<String> {
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let fact = |event: &Value| {
        let change = event["change"].as_str().expect("a change");
        format!("{change} {} {}", name(&event["entry"]), name(&event["subject"])).trim_end().to_owned()
    };
    let mut facts: Vec<String> = events.iter().map(fact).collect();
    facts.sort();
    facts
}

fn left_behind(site: &Site) -> Vec<String> {
    let state = site.state_file();
    let names = fs::read_dir(state.parent().expect("a directory")).expect("the site's directory");
    let names = names.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8"));
    names.filter(|name| name.starts_with(".dirherald")).collect()
}

#[tokio::test]
async fn compare_without_a_daemon_prints_and_changes_nothing_and_applied_it_counts() {
    let scene = Scene::company().await;
    let none = run(&scene.site, &["compare"]).await;
    assert_eq!(none.code, 1);
    assert_says(&none.stderr, &["nothing is known of the identity store company yet", "dirherald run"]);
    scene.live().await.stop().await;
    let same = run(&scene.site, &["compare"]).await;
    assert_eq!(
        (same.code, same.stdout.as_str()),
        (0, "company: nothing differs from what is known.\n"),
        "{same:?}"
    );

    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    scene.ldap.delete("cn=payroll,ou=groups").await;
    let before = scene.status();
    let facts_expected = ["member-added warehouse Wanjiru Kamau", "object-deleted payroll"];
    for _ in 0..2 {
        let differs = run(&scene.site, &["compare", "--json"]).await;
        assert_eq!(differs.code, 3, "{differs:?}");
        assert_eq!(facts(&lines(&differs)), facts_expected);
        assert_says(
            &differs.stderr,
            &["company: 2 differences. Nothing was changed", "compare --apply", "accept"],
        );
    }
    let table = run(&scene.site, &["compare"]).await;
    assert_eq!(table.code, 3);
    assert_says(&table.stdout, &["CHANGE", "member-added", "Wanjiru Kamau", "company: 2 differences."]);
    assert_eq!((scene.status(), scene.events()), (before, vec![]));
    assert_eq!(left_behind(&scene.site), Vec::<String>::new());

    let applied = run(&scene.site, &["compare", "--apply"]).await;
    assert_eq!((applied.code, applied.stdout.as_str()), (0, "company: 2 events were made.\n"), "{applied:?}");
    let again = scene.site.json(&["compare", "--apply"]).await;
    assert_eq!(again[0]["events"], 0, "{again:?}");
    assert_eq!(facts(&scene.site.events_json().await), facts_expected);
    let daemon = scene.live().await;
    scene
        .assert_reasons(&[
            "chloe: owner, removed_members",
            "jonas: owner",
            "ravi: owner",
            "tomasz: removed_members",
            "wanjiru: added_members",
        ])
        .await;
    daemon.stop().await;
}

#[tokio::test]
async fn compare_beside_a_daemon_finds_what_the_feed_cannot_show() {
    let mut scene = Scene::company().await.with("notify.object_modified", "true");
    let daemon = scene.live().await;
    renumber(&mut scene).await;
    scene.assert_told(&[]).await;
    let differs = run(&scene.site, &["compare", "--json"]).await;
    assert_eq!(differs.code, 3, "{differs:?}");
    assert_eq!(facts(&lines(&differs)), ["attributes-changed Mei Chen"]);
    scene.assert_told(&[]).await;
    let applied = run(&scene.site, &["compare", "--apply"]).await;
    assert_eq!((applied.code, applied.stdout.as_str()), (0, "company: 1 event was made.\n"), "{applied:?}");
    daemon.wait_live().await;
    scene.assert_reasons(&["mei: object_modified"]).await;
    assert_eq!(run(&scene.site, &["compare"]).await.code, 0);
    daemon.stop().await;
}

#[tokio::test]
async fn compare_beside_a_daemon_under_concurrent_writers_shows_nothing_that_is_told_anyway() {
    let scene = Scene::company().await;
    let daemon = scene.live().await;
    let done = tokio_util::sync::CancellationToken::new();
    let writers: Vec<_> = (0..3)
        .map(|number| {
            let (url, base, admin) =
                (scene.slapd.url(), scene.slapd.base().to_owned(), scene.slapd.admin_dn());
            let done = done.clone();
            tokio::spawn(async move {
                let ldap = Ldap::bind(&url, &base, &admin, Slapd::ADMIN_PASSWORD).await;
                let mut round = 0;
                while !done.is_cancelled() {
                    let person = format!("uid=w{number}-{round},ou=people");
                    ldap.add_person(&person, "Brief", "brief@harbour-vale.example").await;
                    ldap.add_member(WAREHOUSE, &person).await;
                    ldap.rename(&person, &format!("uid=v{number}-{round}")).await;
                    ldap.remove_member(WAREHOUSE, &person).await;
                    ldap.delete(&format!("uid=v{number}-{round},ou=people")).await;
                    round += 1;
                }
            })
        })
        .collect();
    for _ in 0..4 {
        let ran = run(&scene.site, &["compare"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    done.cancel();
    for writer in writers {
        writer.await.expect("a writer");
    }
    // What they did is still being told.
    daemon.kill().await;
}

#[tokio::test]
async fn accept_after_a_restore_tells_nobody() {
    // Before the daemon has lost its patience, and without one.
    for beside_daemon in [true, false] {
        let mut scene = Scene::company().await.with("recipients.to", "[\"archive@harbour-vale.example\"]");
        let daemon = scene.live().await;
        scene.slapd.stop();
        scene.slapd.save();
        scene.slapd.start_again();
        scene.bind_again().await;
        scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
        scene.ldap.delete("cn=payroll,ou=groups").await;
        scene.settle().await;
        let told = scene.told().len();
        let mut daemon = Some(daemon);
        if !beside_daemon {
            daemon.take().expect("it runs").stop().await;
        }
        scene.slapd.stop();
        scene.slapd.restore();
        scene.slapd.start_again();
        scene.bind_again().await;
        if beside_daemon {
            scene.wait_for_error("behind the checkpoint").await;
        }
        let dry = run(&scene.site, &["compare", "--json"]).await;
        assert_eq!(dry.code, 3, "{dry:?}");
        let mut differences = facts(&lines(&dry));
        differences.retain(|fact| !fact.contains("ring ") && !fact.contains("bell"));
        assert!(
            differences.contains(&"member-removed warehouse Wanjiru Kamau".to_owned()),
            "{differences:?}"
        );
        assert!(differences.contains(&"object-created payroll".to_owned()), "{differences:?}");
        assert_says(&dry.stderr, &["older than what dirherald has already seen"]);

        let accepted = run(&scene.site, &["accept"]).await;
        assert_eq!(accepted.code, 0, "{accepted:?}");
        assert_says(&accepted.stdout, &["company: ", "differences were accepted; nobody is told."]);
        let daemon = match daemon {
            Some(daemon) => daemon,
            None => scene.site.start(),
        };
        daemon.wait_live().await;
        let events = scene.site.events_json().await;
        let accepted: Vec<Value> = events.into_iter().filter(|event| event["cause"] == "accepted").collect();
        let found = facts(&accepted);
        assert!(found.contains(&"member-removed warehouse Wanjiru Kamau".to_owned()), "{found:?}");
        // What comes after it is told.
        scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
        scene.settle().await;
        let after = &scene.told()[told..];
        let after: Vec<&String> = after.iter().filter(|line| !line.starts_with("archive")).collect();
        assert_eq!(after.len(), 2, "{after:?}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn what_a_killed_accept_began_is_accepted_even_where_the_next_one_cannot_go_on_with_it() {
    let mut scene = Scene::company().await;
    scene.live().await.stop().await;
    let began =
        "INSERT INTO comparison (store, purpose, asked_at, begun_at) SELECT no, 'accept', 1, 1 FROM store";
    scene.site.state().execute(began, []).expect("a comparison");
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    scene.slapd.stop();
    let refused = run(&scene.site, &["accept"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    scene.slapd.start_again();
    scene.bind_again().await;
    let daemon = scene.live().await;
    scene.assert_told(&[]).await;
    assert_eq!(scene.events(), ["member-added warehouse Wanjiru Kamau"]);
    daemon.stop().await;
}

#[tokio::test]
async fn accept_group_takes_that_group_alone() {
    let mut scene = Scene::company().await;
    let daemon = scene.live().await;
    scene.slapd.stop();
    let data = scene.slapd.export();
    let unseen = |dn: &str, data: &str| {
        let at = data.find(&format!("dn: {dn},")).expect("the group");
        let (before, rest) = data.split_at(at);
        let member = format!("member: {WANJIRU},dc=harbour-vale,dc=example\n");
        format!("{before}{}", rest.replacen("member: ", &format!("{member}member: "), 1))
    };
    scene.slapd.reload(&unseen("cn=finance,ou=groups", &unseen(WAREHOUSE, &data)));
    scene.slapd.start_again();
    scene.bind_again().await;
    scene.settle().await;
    let wrong = run(&scene.site, &["accept", "--group", "mei"]).await;
    assert_eq!(wrong.code, 1);
    assert_says(&wrong.stderr, &["\"mei\" is no group but a user"]);
    let accepted = run(&scene.site, &["accept", "--group", "warehouse"]).await;
    assert_eq!(accepted.stdout, "company: 1 difference was accepted; nobody is told.\n", "{accepted:?}");
    assert_eq!(scene.events(), ["member-added warehouse Wanjiru Kamau"]);
    scene.assert_told(&[]).await;
    daemon.stop().await;
    let differs = run(&scene.site, &["compare", "--json"]).await;
    assert_eq!(facts(&lines(&differs)), ["member-added finance Wanjiru Kamau"]);
    let alone =
        run(&scene.site, &["accept", "--group", "cn=finance,ou=groups,dc=harbour-vale,dc=example"]).await;
    assert_eq!(alone.stdout, "company: 1 difference was accepted; nobody is told.\n", "{alone:?}");
    assert_eq!(run(&scene.site, &["compare"]).await.code, 0);
}

#[tokio::test]
async fn m25_what_cannot_be_read_to_its_end_is_no_difference() {
    let scene = Scene::of(Setup::company().service_limit(ServiceLimit::None)).await;
    scene.live().await.stop().await;
    let before = scene.status().entries;
    let check = async |site: &Site, words: &[&str]| {
        for command in [&["compare"][..], &["compare", "--apply"], &["accept"]] {
            let ran = run(site, command).await;
            assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{command:?}: {ran:?}");
            assert_says(&ran.stderr, words);
        }
        assert_eq!((scene.events(), scene.status().entries), (vec![], before));
        assert_eq!(left_behind(site), Vec::<String>::new());
    };
    let site = || scene.site.clone();
    check(&site().with("bind.password", "\"wrong\""), &["invalidCredentials", "bind.password"]).await;
    check(&site().with("urls", "[\"ldap://127.0.0.1:1\"]"), &["could not connect"]).await;
    let site = scene.site.clone().with("bind.password", &format!("{:?}", Slapd::SERVICE_PASSWORD));
    let site = site.with("urls", &format!("[{:?}]", scene.slapd.url()));
    let config = Ldap::config(&scene.slapd).await;
    let limits = format!("dn.exact=\"{}\" size=10 time=unlimited", scene.slapd.service_dn());
    config.replace("olcDatabase={1}mdb,cn=config", "olcLimits", &[&limits]).await;
    check(&site, &["shows only a part of the tree", "olcLimits"]).await;
    // What was begun to be accepted goes on as that.
    config
        .replace("olcDatabase={1}mdb,cn=config", "olcLimits", &[&limits.replace("=10", "=unlimited")])
        .await;
    let other = site.clone().with("schema.watched_attributes", "[\"title\"]");
    let ran = run(&other, &["compare"]).await;
    assert_eq!(ran.code, 1);
    assert_says(&ran.stderr, &["schema of company is another", "restart"]);
    let site = site.with(
        "schema.watched_attributes",
        "[\"displayName\", \"mail\", \"title\", \"department\", \"telephoneNumber\"]",
    );
    let ran = run(&site, &["accept"]).await;
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "company: nothing differs from what was known.\n"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn compare_that_is_interrupted_leaves_nothing() {
    let scene = Scene::company().await;
    scene.live().await.stop().await;
    scene.slapd.freeze();
    let mut child = scene
        .site
        .command(&["compare"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("starting dirherald");
    wait::until_async("a copy", async || (!left_behind(&scene.site).is_empty()).then_some(())).await;
    signal("INT", child.id().expect("it runs"));
    let status =
        tokio::time::timeout(wait::PATIENCE, child.wait()).await.expect("in time").expect("our child");
    assert_eq!(status.code(), Some(1));
    assert_eq!(left_behind(&scene.site), Vec::<String>::new());
    scene.slapd.thaw();
}
