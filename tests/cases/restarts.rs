//! Restarts between any two changes, and changes made while dirherald is away: each is told exactly once.

use tokio::sync::OnceCell;

use crate::{
    cases::scene::Scene,
    support::{
        ldap::{Change, Ldap},
        slapd::{Overlay, Setup},
    },
};

const WAREHOUSE: &str = "cn=warehouse,ou=groups";
const CREW: &str = "cn=night-crew,ou=groups";
const ZOE: &str = "uid=zoe,ou=people";

/// How many changes there are.
const CHANGES: usize = 14;

/// One of each kind, each on what those before it left.
async fn change(ldap: &Ldap, number: usize) {
    match number {
        0 => ldap.add_member(WAREHOUSE, "uid=wanjiru,ou=people").await,
        1 => ldap.add_person(ZOE, "Zoe New", "zoe@harbour-vale.example").await,
        2 => ldap.add_group(CREW, &["uid=ravi,ou=people"], &[ZOE, "uid=oscar,ou=people"]).await,
        3 => ldap.rename("uid=oscar,ou=people", "uid=oskar").await,
        4 => ldap.modify(WAREHOUSE, &[Change::Add("owner", &["uid=amara,ou=people"])]).await,
        5 => ldap.move_below("uid=mei,ou=people", "ou=contractors,ou=people").await,
        6 => ldap.modify("cn=unix-admins,ou=groups", &[Change::Add("memberUid", &["ibrahim"])]).await,
        7 => ldap.delete("uid=finn,ou=people").await,
        8 => ldap.rename(CREW, "cn=late-crew").await,
        9 => ldap.modify("cn=board,ou=groups", &[Change::Replace("displayName", &["The Board"])]).await,
        10 => ldap.remove_member(WAREHOUSE, "uid=wanjiru,ou=people").await,
        11 => ldap.rename("ou=contractors,ou=people", "ou=externals").await,
        12 => ldap.delete("cn=payroll,ou=groups").await,
        13 => ldap.delete(ZOE).await,
        other => panic!("there is no change {other}"),
    }
}

fn setup() -> Setup {
    Setup::company().with(Overlay::Refint).session_log(100)
}

async fn scene(setup: Setup) -> Scene {
    let scene = Scene::of(setup).await;
    // groupOfUniqueNames has no displayName of its own.
    scene.ldap.modify("cn=board,ou=groups", &[Change::Add("objectClass", &["dirheraldManaged"])]).await;
    let scene = scene.with("recipients.to", "[\"archive@harbour-vale.example\"]");
    scene.with("recipients.copy", "\"all-changes\"")
}

/// What was told, without the copies of the bell. One person's mails stay in their order.
fn told(scene: &Scene) -> Vec<String> {
    let mut told = scene.told();
    told.retain(|line| !line.contains(" of bell changed") && !line.contains(" of ring "));
    told.sort_by(|a, b| a.split(':').next().cmp(&b.split(':').next()));
    told
}

/// A run in which nothing goes wrong.
async fn undisturbed() -> &'static [String] {
    static TOLD: OnceCell<Vec<String>> = OnceCell::const_new();
    TOLD.get_or_init(async || {
        let scene = scene(setup()).await;
        let daemon = scene.live().await;
        for number in 0..CHANGES {
            change(&scene.ldap, number).await;
            scene.settle().await;
        }
        daemon.stop().await;
        scene.assert_no_duplicates();
        let told = told(&scene);
        assert!(told.len() > 2 * CHANGES, "{told:#?}");
        told
    })
    .await
}

#[track_caller]
fn assert_same(scene: &Scene, found: &[String], expected: &[String]) {
    assert_eq!(found, expected, "{:#?}\n{}", scene.events(), scene.site.log());
}

#[tokio::test]
async fn a_restart_between_any_two_changes_tells_nothing_twice() {
    let scene = scene(setup()).await;
    for number in 0..CHANGES {
        let daemon = scene.live().await;
        change(&scene.ldap, number).await;
        scene.settle().await;
        daemon.stop().await;
    }
    scene.assert_no_duplicates();
    assert_same(&scene, &told(&scene), undisturbed().await);
}

#[tokio::test]
async fn every_change_made_while_it_is_stopped_is_told_once() {
    let scene = scene(setup()).await;
    scene.live().await.stop().await;
    for number in 0..CHANGES {
        change(&scene.ldap, number).await;
        let daemon = scene.live().await;
        scene.settle().await;
        daemon.stop().await;
    }
    scene.assert_no_duplicates();
    assert_same(&scene, &told(&scene), undisturbed().await);
}

/// Kills it wherever it is with each change of these, makes the next one meanwhile, and starts it again.
async fn check_killed(setup: Setup, parity: usize) {
    let scene = scene(setup).await;
    let mut daemon = scene.live().await;
    let mut number = 0;
    while number < CHANGES {
        change(&scene.ldap, number).await;
        if number % 2 == parity {
            daemon.kill().await;
            number += 1;
            if number < CHANGES {
                change(&scene.ldap, number).await;
            }
            daemon = scene.live().await;
        }
        scene.settle().await;
        number += 1;
    }
    daemon.stop().await;
    // Where one refresh shows both changes, the server's order is not that of the changes; and a mail may have
    // been taken whose answer did not arrive.
    let sorted = |lines: &[String]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    assert_same(&scene, &sorted(&told(&scene)), &sorted(undisturbed().await));
}

#[tokio::test]
async fn killed_after_each_even_change_and_the_odd_ones_made_meanwhile() {
    check_killed(setup(), 0).await;
}

#[tokio::test]
async fn killed_after_each_odd_change_and_the_even_ones_made_meanwhile() {
    check_killed(setup(), 1).await;
}

#[tokio::test]
async fn killed_and_resumed_by_present_phases_without_a_session_log() {
    let setup = || Setup::company().with(Overlay::Refint);
    check_killed(setup(), 0).await;
    check_killed(setup(), 1).await;
}
