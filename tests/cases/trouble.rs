//! A directory that goes away, freezes, refuses or hides itself while dirherald follows it.

use dirherald::db::StatusRow;

use crate::{
    cases::scene::{MEI_LEFT, PAYROLL_DELETED, Scene, WANJIRU_JOINED},
    support::{
        ldap::Ldap,
        proxy::Proxy,
        slapd::{Setup, Slapd},
        wait,
    },
};

#[tokio::test]
async fn l16_a_server_that_restarts_loses_nothing() {
    for setup in [Setup::company(), Setup::company().session_log(100)] {
        let mut scene = Scene::of(setup).await;
        let daemon = scene.live().await;
        scene.slapd.restart();
        scene.bind_again().await;
        scene.wanjiru_joins().await;
        scene.delete_payroll().await;
        scene.slapd.kill();
        scene.slapd.start_again();
        scene.bind_again().await;
        scene.assert_told(&[&WANJIRU_JOINED[..], &PAYROLL_DELETED].concat()).await;
        scene.assert_no_duplicates();
        assert_eq!(scene.status().last_error, None);
        daemon.stop().await;
    }
}

#[tokio::test]
async fn l16_a_server_that_is_away_for_a_while_is_found_again() {
    let mut scene = Scene::company().await;
    let daemon = scene.live().await;
    scene.wanjiru_joins().await;
    scene.settle().await;
    scene.slapd.stop();
    scene.wait_for_error("").await;
    assert_ne!(scene.status().state, "live");
    scene.slapd.start_again();
    scene.bind_again().await;
    scene.mei_leaves().await;
    scene.assert_told(&[WANJIRU_JOINED, MEI_LEFT].concat()).await;
    daemon.stop().await;
}

#[tokio::test]
async fn l16_a_server_that_freezes_for_a_moment_loses_nothing() {
    let scene = Scene::company().await;
    let daemon = scene.live().await;
    scene.slapd.freeze();
    // The request lies in the server's socket until it thaws.
    let request = scene.wanjiru_joins();
    tokio::pin!(request);
    assert!(futures_util::poll!(&mut request).is_pending());
    scene.slapd.thaw();
    request.await;
    scene.assert_told(&WANJIRU_JOINED).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_daemon_that_starts_while_the_server_is_frozen_stops_cleanly() {
    let scene = Scene::company().await;
    scene.slapd.freeze();
    let daemon = scene.site.start();
    daemon.wait_state("connecting").await;
    daemon.stop().await;
    scene.slapd.thaw();
}

/// slapd stores its contextCSN now and then, and takes what it has stored for what its session log begins with. When
/// it is killed, the log is empty and said to cover what was deleted before: whoever was away is not told.
#[tokio::test]
async fn l16_a_deletion_that_a_killed_slapd_forgot_is_found_by_a_comparison() {
    let mut scene = Scene::of(Setup::company().session_log(100)).await;
    let daemon = scene.live().await;
    daemon.stop().await;
    scene.delete_payroll().await;
    scene.slapd.kill();
    scene.slapd.start_again();
    scene.bind_again().await;
    scene.wanjiru_joins().await;
    let daemon = scene.live().await;
    scene.assert_told(&WANJIRU_JOINED).await;
    let ran = scene.site.run(&["compare", "--apply"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    scene.assert_told(&[&WANJIRU_JOINED[..], &PAYROLL_DELETED].concat()).await;
    daemon.stop().await;
}

#[tokio::test]
async fn l16_a_look_up_that_is_not_answered_does_not_keep_it_from_stopping() {
    let mut scene = Scene::company().await;
    let proxy = Proxy::start(scene.slapd.address()).await;
    scene = scene.with("urls", &format!("[\"{}\"]", proxy.url()));
    let daemon = scene.live().await;
    proxy.stall(true);
    scene.ldap.add_member("cn=warehouse,ou=groups", "uid=unheard-of,ou=people").await;
    scene.wanjiru_joins().await;
    wait::until_async("a look-up waits", async || (proxy.stalled() > 0).then_some(())).await;
    daemon.stop().await;
    proxy.stall(false);
    let daemon = scene.live().await;
    let unheard_of = "ravi: owner: unheard-of was added to warehouse";
    scene.assert_told(&[WANJIRU_JOINED[0], unheard_of, WANJIRU_JOINED[1]]).await;
    scene.assert_no_duplicates();
    daemon.stop().await;
}

/// While dirherald is connected, `spoil` makes that it can no longer read what it read, and the connection breaks.
/// Until `mend` nothing is told or forgotten, whether it was running or starts; afterwards only what happened is.
async fn check_spoiled(words: &str, spoil: impl AsyncFn(&Scene), mend: impl AsyncFn(&Scene)) {
    let mut scene = Scene::company().await;
    let proxy = Proxy::start(scene.slapd.address()).await;
    scene = scene
        .with("urls", &format!("[\"{}\"]", proxy.url()))
        .with("recipients.to", "[\"archive@harbour-vale.example\"]")
        .with("recipients.copy", "\"all-changes\"");
    let daemon = scene.live().await;
    let before = scene.status();
    spoil(&scene).await;
    proxy.cut_after(0);
    proxy.break_all();
    daemon.wait_state("connecting").await;
    scene.wanjiru_joins().await;
    proxy.cut_after(usize::MAX);
    let status = scene.wait_for_error(words).await;
    assert_ne!(status.state, "live");
    assert_nothing_told(&scene, &before);
    daemon.stop().await;

    let said = scene.site.log().matches(words).count();
    let daemon = scene.site.start();
    wait::until_async(words, async || (scene.site.log().matches(words).count() > said).then_some(())).await;
    assert_nothing_told(&scene, &before);
    daemon.stop().await;

    mend(&scene).await;
    let daemon = scene.live().await;
    scene.settle().await;
    assert_eq!(scene.events(), ["member-added warehouse Wanjiru Kamau"]);
    assert_eq!(scene.status().entries, before.entries);
    daemon.stop().await;
}

#[track_caller]
fn assert_nothing_told(scene: &Scene, before: &StatusRow) {
    assert_eq!((scene.told(), scene.events()), (vec![], vec![]), "{}", scene.site.log());
    assert_eq!(scene.status().entries, before.entries);
}

async fn set_password(scene: &Scene, password: &str) {
    scene.ldap.replace("cn=dirherald,ou=services", "userPassword", &[password]).await;
}

#[tokio::test]
async fn m25_a_refused_bind_removes_nothing() {
    check_spoiled(
        "invalidCredentials",
        async |scene| set_password(scene, "changed").await,
        async |scene| set_password(scene, Slapd::SERVICE_PASSWORD).await,
    )
    .await;
}

/// Rules for dirherald's account that go before all others; the base is completed.
async fn check_hidden(words: &str, rules: &[&str]) {
    const MAIN: &str = "olcDatabase={1}mdb,cn=config";
    let set = async |scene: &Scene, rules: &[&str]| {
        let config = Ldap::config(&scene.slapd).await;
        let now = config.values(MAIN, "olcAccess").await.expect("the database");
        let now = now.iter().map(|rule| rule.split_once('}').expect("a numbered rule").1);
        let own = now.filter(|rule| !rule.contains(&scene.slapd.service_dn()));
        let all: Vec<String> = rules
            .iter()
            .map(|rule| {
                let rule = rule.replace("BASE", scene.slapd.base());
                rule.replace("ACCOUNT", &format!("dn.exact=\"{}\"", scene.slapd.service_dn()))
            })
            .chain(own.map(str::to_owned))
            .collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        config.replace(MAIN, "olcAccess", &all).await;
    };
    check_spoiled(words, async |scene| set(scene, rules).await, async |scene| set(scene, &[]).await).await;
}

#[tokio::test]
async fn m25_an_unreadable_base_removes_nothing() {
    check_hidden("base_dn", &["to dn.subtree=\"BASE\" by ACCOUNT none by * break"]).await;
}

#[tokio::test]
async fn m25_searches_that_find_nothing_remove_nothing() {
    check_hidden("base_dn", &["to dn.subtree=\"BASE\" by ACCOUNT search by * break"]).await;
}

#[tokio::test]
async fn m25_a_base_with_nothing_below_it_removes_nothing() {
    let rules = [
        "to dn.base=\"BASE\" by ACCOUNT read by * break",
        "to dn.subtree=\"BASE\" by ACCOUNT none by * break",
    ];
    check_hidden("shows nobody", &rules).await;
}

#[tokio::test]
async fn a_wrong_password_is_said_loudly_and_does_not_keep_a_daemon_from_stopping() {
    let scene = Scene::company().await.with("bind.password", "\"wrong\"");
    let daemon = scene.site.start();
    let status = scene.wait_for_error("invalidCredentials").await;
    let said = status.last_error.expect("it was said");
    assert!(said.contains("bind.password"), "it names the key: {said}");
    assert!(!said.contains("wrong"), "and not the password: {said}");
    assert!(scene.site.log().contains("ERROR"), "{}", scene.site.log());
    // A server locks accounts that are tried too often.
    let attempts = scene.site.log().matches("invalidCredentials").count();
    assert_eq!(attempts, 1, "{}", scene.site.log());
    assert_eq!(status.entries, 0);
    daemon.stop().await;
}
