//! What dirherald learns when it was away: refreshes of a real server.

use crate::{
    cases::scene::Scene,
    support::{
        ldap::Ldap,
        proxy::Proxy,
        slapd::{COMPANY, ServiceLimit, Setup},
        wait,
    },
};

#[tokio::test]
async fn m01_the_first_run_is_silent() {
    let scene = Scene::company().await.with("recipients.to", "[\"archive@harbour-vale.example\"]");
    let scene = scene.with("recipients.copy", "\"all-changes\"");
    let daemon = scene.live().await;
    // The copy of the ring itself.
    scene.settle().await;
    let told = scene.told();
    assert!(matches!(&told[..], [ring] if ring.starts_with("archive: recipients: ")), "{told:?}");
    assert_eq!(scene.events(), Vec::<String>::new());
    assert!(scene.status().entries > 40, "{:?}", scene.status());
    daemon.stop().await;
}

/// What three changes say that are made while dirherald is away.
const MISSED: [&str; 5] = [
    "amara: owner: Mei Chen was added to operations",
    "jonas: owner: The group payroll was deleted",
    "mei: added_members: You were added to operations",
    "chloe: owner, removed_members: The group payroll was deleted",
    "tomasz: removed_members: The group payroll, to which you belonged, was deleted",
];

async fn change(ldap: &Ldap) {
    ldap.add_member("cn=operations,ou=groups", "uid=mei,ou=people").await;
    ldap.delete("cn=payroll,ou=groups").await;
    ldap.delete("uid=luca,ou=contractors,ou=people").await;
}

async fn check_missed(setup: Setup, server: impl AsyncFn(&mut Scene)) {
    let mut scene = Scene::of(setup).await;
    scene.live().await.stop().await;
    change(&scene.ldap).await;
    server(&mut scene).await;
    let daemon = scene.live().await;
    scene.assert_told(&MISSED).await;
    scene.assert_no_duplicates();
    let deleted = scene.events().into_iter().filter(|event| event.starts_with("object-deleted")).count();
    assert_eq!(deleted, 2, "{:?}", scene.events());
    daemon.stop().await;
}

#[tokio::test]
async fn l01_a_complete_present_phase_shows_what_was_deleted() {
    check_missed(Setup::company(), async |_| ()).await;
    check_missed(Setup::company().session_log(100), async |scene| {
        // The session log is lost with the process.
        scene.slapd.restart();
        scene.bind_again().await;
    })
    .await;
}

#[tokio::test]
async fn l02_a_delete_phase_with_the_ids_of_a_session_log() {
    check_missed(Setup::company().session_log(100), async |_| ()).await;
}

#[tokio::test]
async fn l01_an_empty_present_phase_says_nothing() {
    for setup in [Setup::company(), Setup::company().session_log(100)] {
        let mut scene = Scene::of(setup).await;
        let entries = {
            scene.live().await.stop().await;
            scene.status().entries
        };
        scene.slapd.restart();
        scene.bind_again().await;
        let daemon = scene.live().await;
        scene.assert_told(&[]).await;
        assert_eq!((scene.events(), scene.status().entries), (vec![], entries));
        daemon.stop().await;
    }
}

#[tokio::test]
async fn l01_l06_a_present_phase_that_is_cut_short_anywhere_deletes_nothing() {
    let mut scene = Scene::company().await;
    let proxy = Proxy::start(scene.slapd.address()).await;
    scene.site = scene.site.with("urls", &format!("[\"{}\"]", proxy.url()));
    scene.live().await.stop().await;
    let entries = scene.status().entries;
    change(&scene.ldap).await;
    let mut cuts = 0;
    for bytes in (50..).step_by(170) {
        proxy.cut_after(bytes);
        let failures = || scene.site.log().matches("connection to the directory failed").count();
        let before = failures();
        let daemon = scene.site.start();
        let live = wait::until_async("live or cut", async || match scene.status().state.as_str() {
            "live" => Some(true),
            _ => (failures() > before).then_some(false),
        })
        .await;
        if live {
            daemon.stop().await;
            break;
        }
        daemon.kill().await;
        cuts += 1;
        assert_eq!((scene.told(), scene.status().entries), (vec![], entries), "cut after {bytes} bytes");
    }
    assert!(cuts > 5, "only {cuts} cuts");
    proxy.cut_after(usize::MAX);
    let daemon = scene.live().await;
    scene.assert_told(&MISSED).await;
    daemon.stop().await;
}

#[tokio::test]
async fn l05_killed_right_after_the_first_refresh() {
    let scene = Scene::company().await;
    let daemon = scene.site.start();
    wait::until_async("a checkpoint", async || scene.try_status()?.checkpoint_at).await;
    daemon.kill().await;
    change(&scene.ldap).await;
    let daemon = scene.live().await;
    scene.assert_told(&MISSED).await;
    assert_eq!(
        scene.site.log().matches("since=\"the stored checkpoint\"").count(),
        1,
        "{}",
        scene.site.log()
    );
    daemon.stop().await;
}

#[tokio::test]
async fn l05_killed_right_after_a_later_refresh() {
    let scene = Scene::company().await;
    scene.live().await.stop().await;
    let before = scene.status().checkpoint_at;
    change(&scene.ldap).await;
    let daemon = scene.site.start();
    wait::until_async("a newer checkpoint", async || (scene.status().checkpoint_at > before).then_some(()))
        .await;
    daemon.kill().await;
    let daemon = scene.live().await;
    scene.assert_told(&MISSED).await;
    daemon.stop().await;
}

#[tokio::test]
async fn l21_a_user_who_was_created_and_added_meanwhile_is_told_once() {
    let scene = Scene::company().await;
    scene.live().await.stop().await;
    scene.ldap.add_person("uid=zoe,ou=people", "Zoe New", "zoe@harbour-vale.example").await;
    scene.ldap.add_member("cn=finance,ou=groups", "uid=zoe,ou=people").await;
    let daemon = scene.live().await;
    scene
        .assert_told(&[
            "jonas: owner: Zoe New was added to finance",
            "zoe: added_members: You were added to finance",
        ])
        .await;
    // The server showed the group, which is older, first.
    assert_eq!(scene.events(), ["member-added finance Zoe New", "object-created Zoe New"]);
    scene.assert_no_duplicates();
    daemon.stop().await;
}

/// More than the 500 entries that slapd shows to everyone.
async fn crowd(limit: ServiceLimit) -> Scene {
    let scene = Scene::of(Setup::company().service_limit(limit)).await;
    for number in 0..520 {
        let dn = format!("uid=u{number},ou=people");
        scene.ldap.add(&dn, &[("objectClass", &["account"]), ("uid", &[&format!("u{number}")])]).await;
    }
    scene
}

#[tokio::test]
async fn l22_under_the_default_size_limit_nothing_is_stored_and_the_advice_names_the_setting() {
    let scene = crowd(ServiceLimit::ServerDefault).await;
    let daemon = scene.site.start();
    let limits =
        format!("olcLimits: dn.exact=\"{}\" size=unlimited time=unlimited", scene.slapd.service_dn());
    let status = scene.wait_for_error(&limits).await;
    assert_ne!(status.state, "live");
    let [shown] = &scene.site.status().await[..] else { panic!("one store") };
    assert!(shown["last_error"].as_str().is_some_and(|error| error.contains(&limits)), "{shown}");
    assert_eq!(shown["entries"], 0, "{shown}");
    assert_eq!(status.checkpoint_at, None);
    daemon.stop().await;
    set_limit(&scene, "unlimited").await;
    let daemon = scene.live().await;
    scene.assert_told(&[]).await;
    assert!(scene.status().entries > 520);
    assert_eq!(scene.status().last_error, None);
    daemon.stop().await;
}

#[tokio::test]
async fn l22_a_size_limit_that_comes_later_deletes_nothing() {
    let scene = crowd(ServiceLimit::None).await;
    scene.live().await.stop().await;
    let before = scene.status();
    change(&scene.ldap).await;
    // What did not change is named by its id, and that is not limited.
    for number in 0..60 {
        scene.ldap.replace(&format!("uid=u{number},ou=people"), "description", &["changed"]).await;
    }
    set_limit(&scene, "50").await;
    let daemon = scene.site.start();
    scene.wait_for_error("olcLimits").await;
    assert_eq!((scene.told(), scene.events()), (vec![], vec![]));
    assert_eq!(scene.status().entries, before.entries);
    assert_eq!(scene.status().checkpoint_at, before.checkpoint_at);
    daemon.stop().await;
    set_limit(&scene, "unlimited").await;
    let daemon = scene.live().await;
    scene.assert_told(&MISSED).await;
    daemon.stop().await;
}

async fn set_limit(scene: &Scene, size: &str) {
    let config = Ldap::config(&scene.slapd).await;
    let limits = format!("dn.exact=\"cn=dirherald,ou=services,{COMPANY}\" size={size} time=unlimited");
    config.replace("olcDatabase={1}mdb,cn=config", "olcLimits", &[&limits]).await;
}
