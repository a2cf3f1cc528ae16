//! Everything is read again and compared: because it is time, because the checkpoint is of no use, because the
//! directory went back in time.

use std::{sync::Arc, time::Duration};

use dirherald::{
    clock, config,
    connector::{Connector, RetryRange, Timing},
    db::{Db, StoreContext},
    directory::watched::WatchedTree,
    outbox::mailer::Mailer,
    pipeline,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    cases::scene::{Scene, WANJIRU_JOINED},
    commands::compare::rewrite,
    support::{
        daemon::Site,
        ldap::Ldap,
        proxy::Proxy,
        slapd::{Overlay, Setup},
        wait,
    },
};

const WAREHOUSE: &str = "cn=warehouse,ou=groups";
const WANJIRU: &str = "uid=wanjiru,ou=people";

/// The database, in the server's own configuration.
const MAIN: &str = "olcDatabase={1}mdb,cn=config";

/// Comparisons of everything that came to their end.
fn ended(site: &Site) -> i64 {
    site.count("SELECT count(*) FROM comparison WHERE events IS NOT NULL")
}

async fn wait_for_another(site: &Site, before: i64) {
    wait::until_async("another comparison", async || (ended(site) > before).then_some(())).await;
}

#[tokio::test]
async fn a_periodic_comparison_finds_what_no_feed_shows_and_says_nothing_else() {
    let mut scene = Scene::of(Setup::company().with(Overlay::Refint)).await;
    scene = scene.with("notify.object_modified", "true").with("full_comparison", "\"1s\"");
    let daemon = scene.live().await;
    wait_for_another(&scene.site, 1).await;
    // refint rewrites the groups without a word.
    scene.ldap.rename("uid=oscar,ou=people", "uid=oskar").await;
    scene.settle().await;
    let before = ended(&scene.site);
    wait_for_another(&scene.site, before + 1).await;
    assert_eq!(scene.events(), ["object-renamed Óscar Fuentes"]);
    rewrite(&mut scene, "telephoneNumber: +1 555 0123", "telephoneNumber: +1 555 0999").await;
    let before = ended(&scene.site);
    wait_for_another(&scene.site, before + 1).await;
    scene.assert_reasons(&["mei: object_modified", "oscar: object_modified"]).await;
    assert_eq!(scene.events(), ["object-renamed Óscar Fuentes", "attributes-changed Mei Chen"]);
    daemon.stop().await;
}

#[tokio::test]
async fn a_periodic_comparison_is_due_after_the_last_one_and_not_after_a_start() {
    let scene = Scene::company().await;
    scene.live().await.stop().await;
    let scene = scene.with("full_comparison", "\"1h\"");
    let daemon = scene.live().await;
    scene.settle().await;
    daemon.stop().await;
    assert_eq!(ended(&scene.site), 0);
    scene
        .site
        .state()
        .execute("UPDATE store SET compared_at = compared_at - 3600000000", [])
        .expect("an hour");
    let daemon = scene.live().await;
    wait_for_another(&scene.site, 0).await;
    daemon.wait_live().await;
    scene.settle().await;
    assert_eq!((ended(&scene.site), scene.events()), (1, vec![]));
    daemon.stop().await;
}

#[tokio::test]
async fn l03_l12_a_checkpoint_that_is_of_no_use_is_compared_and_floods_nobody() {
    for cookie in ["garbage", "rid=000,csn=20010101000000.000000Z#000000#000#000000"] {
        let scene = Scene::of(Setup::company().session_log(2)).await;
        scene.live().await.stop().await;
        scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
        for number in 0..4 {
            scene.ldap.replace("uid=mei,ou=people", "description", &[&format!("{number}")]).await;
        }
        scene
            .site
            .state()
            .execute("UPDATE store SET checkpoint = ?1", [cookie.as_bytes()])
            .expect("a checkpoint");
        let daemon = scene.live().await;
        scene.assert_told(&WANJIRU_JOINED).await;
        assert_eq!(scene.events(), ["member-added warehouse Wanjiru Kamau"], "{cookie}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn l12_a_database_that_is_reloaded_and_a_log_that_does_not_reach_back_lose_nothing() {
    let mut scene = Scene::of(Setup::company().session_log(2)).await;
    scene.live().await.stop().await;
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    scene.ldap.delete("uid=luca,ou=contractors,ou=people").await;
    for number in 0..4 {
        scene.ldap.replace("uid=mei,ou=people", "description", &[&format!("{number}")]).await;
    }
    scene.slapd.stop();
    scene.slapd.reload(&scene.slapd.export());
    scene.slapd.start_again();
    scene.bind_again().await;
    let daemon = scene.live().await;
    scene.assert_told(&WANJIRU_JOINED).await;
    let events = scene.events();
    assert!(events.iter().any(|event| event.starts_with("object-deleted")), "{events:?}");
    assert_eq!(events.iter().filter(|event| event.starts_with("object-")).count(), 1, "{events:?}");
    daemon.stop().await;
}

/// As little patience as a test has.
struct Impatient {
    cancel: CancellationToken,
    runs: JoinHandle<()>,
}

impl Impatient {
    /// What `run` does, in this process, with a minute of waiting cut short.
    async fn start(site: &Site) -> Self {
        let config = config::load(&site.config_file(), std::iter::empty()).expect("a configuration");
        let settings = config.into_config().stores.into_values().next().expect("a store");
        let db = Db::open(&site.state_file()).expect("a state");
        let tree = WatchedTree::new(settings.connector.base_dn.clone(), settings.connector.exclude.clone());
        let view = format!("{}|{}", tree.fingerprint(), settings.schema.fingerprint());
        let no = db.begin_store(settings.name.clone(), view, clock::now()).await.expect("a store").no;
        let milliseconds = Duration::from_millis;
        let timing = Timing {
            retry: RetryRange { first: milliseconds(20), last: milliseconds(100) },
            went_back: milliseconds(500),
            ..Timing::default()
        };
        let attributes = settings.schema.requested_attributes();
        let schema = Arc::new(settings.schema);
        let store = pipeline::Store {
            name: settings.name,
            db,
            context: Arc::new(StoreContext::new(no, tree, schema, 1001)),
            connector: Connector::new(settings.connector, attributes, timing),
            full_comparison: settings.full_comparison,
            options: Arc::new(settings.notify),
            mailer: Mailer::new(&settings.mail).expect("a mailer"),
            mail: settings.mail,
            timezone: settings.timezone,
            wake: Arc::default(),
        };
        let cancel = CancellationToken::new();
        let runs = tokio::spawn(pipeline::run(store, cancel.clone()));
        Self { cancel, runs }
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.runs.await.expect("it ends");
    }
}

fn state(site: &Site) -> String {
    site.state().query_row("SELECT state FROM store", [], |row| row.get(0)).expect("a state")
}

/// The purposes of all comparisons of everything, with how many events they came to.
fn comparisons(site: &Site) -> Vec<(String, Option<i64>)> {
    let state = site.state();
    let mut statement =
        state.prepare("SELECT purpose, events FROM comparison ORDER BY seq").expect("a query");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

#[tokio::test]
async fn l07_a_directory_that_went_back_is_waited_for_then_compared_and_all_of_it_is_for_holding() {
    let mut scene = Scene::company().await;
    scene.slapd.stop();
    let backup = scene.slapd.export();
    scene.slapd.start_again();
    scene.bind_again().await;
    scene.live().await.stop().await;
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    scene.ldap.delete("cn=payroll,ou=groups").await;
    let daemon = scene.live().await;
    scene.settle().await;
    daemon.stop().await;
    scene.slapd.stop();
    scene.slapd.reload(&backup);
    scene.slapd.start_again();
    scene.bind_again().await;

    let daemon = Impatient::start(&scene.site).await;
    scene.wait_for_error("behind the checkpoint").await;
    wait_for_another(&scene.site, 0).await;
    wait::until_async("live", async || (state(&scene.site) == "live").then_some(())).await;
    let found = comparisons(&scene.site);
    let [(purpose, Some(events))] = &found[..] else { panic!("{found:?}") };
    assert_eq!(purpose, "back-in-time");
    assert!(*events >= 2, "{found:?}");
    let lines = scene.events();
    assert!(lines.contains(&"member-removed warehouse Wanjiru Kamau".to_owned()), "{lines:?}");
    assert!(lines.contains(&"object-created payroll".to_owned()), "{lines:?}");
    let held: i64 = scene
        .site
        .state()
        .query_row("SELECT held FROM comparison", [], |row| row.get(0))
        .expect("what is held of the one comparison");
    assert_eq!(held, *events, "all of it");
    assert_eq!(scene.status().held, u64::try_from(held).expect("a count"));
    assert_eq!(scene.status().last_error, None);
    daemon.stop().await;
    // It is as new as what is known now, and is resumed from there.
    let daemon = Impatient::start(&scene.site).await;
    wait::until_async("live", async || (state(&scene.site) == "live").then_some(())).await;
    assert_eq!(comparisons(&scene.site).len(), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn a25_everything_is_read_of_the_server_that_is_not_behind() {
    let (mut scene, mut replica) = (Scene::company().await, Setup::company().start());
    scene.slapd.stop();
    replica.stop();
    replica.reload(&scene.slapd.export());
    scene.slapd.start_again();
    replica.start_again();
    scene.bind_again().await;
    let proxy = Proxy::start(replica.address()).await;
    let urls = format!("[{:?}, {:?}]", proxy.url(), scene.slapd.url());
    scene.live().await.stop().await;
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    scene.ldap.delete("cn=payroll,ou=groups").await;
    scene.ldap.add_person("uid=zoe,ou=people", "Zoe New", "zoe@harbour-vale.example").await;
    let daemon = scene.live().await;
    scene.settle().await;
    daemon.stop().await;
    let events = scene.events();
    // The older one comes first from now on.
    scene = scene.with("urls", &urls).with("full_comparison", "\"1s\"");
    let daemon = scene.live().await;
    let before = ended(&scene.site);
    wait_for_another(&scene.site, before + 1).await;
    daemon.wait_live().await;
    scene.settle().await;
    assert_eq!(scene.events(), events, "{}", scene.site.log());
    assert_eq!(scene.status().url.as_deref(), Some(scene.slapd.url().as_str()));
    daemon.stop().await;
}

#[tokio::test]
async fn a_comparison_that_is_killed_goes_on_for_the_same_purpose() {
    for purpose in ["tell", "accept", "back-in-time"] {
        let mut scene = Scene::company().await;
        let proxy = Proxy::start(scene.slapd.address()).await;
        scene.site = scene.site.with("urls", &format!("[\"{}\"]", proxy.url()));
        scene.live().await.stop().await;
        rewrite(&mut scene, "telephoneNumber: +1 555 0123", "telephoneNumber: +1 555 0999").await;
        scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
        let insert = "INSERT INTO comparison (store, purpose, asked_at, begun_at) VALUES (1, ?1, 0, 0)";
        scene.site.state().execute(insert, [purpose]).expect("a comparison");
        let waiting = || scene.site.count("SELECT count(*) FROM finding");
        for bytes in (6000..).step_by(1500) {
            proxy.cut_after(bytes);
            let failures = || scene.site.log().matches("connection to the directory failed").count();
            let before = failures();
            let daemon = scene.site.start();
            wait::until_async("a cut", async || (failures() > before).then_some(())).await;
            daemon.kill().await;
            if waiting() > 0 {
                break;
            }
        }
        assert_eq!(scene.events(), Vec::<String>::new());
        proxy.cut_after(usize::MAX);
        let daemon = scene.live().await;
        let mut events = scene.events();
        events.sort();
        assert_eq!(
            events,
            ["attributes-changed Mei Chen", "member-added warehouse Wanjiru Kamau"],
            "{purpose}"
        );
        assert_eq!(comparisons(&scene.site), [(purpose.to_owned(), Some(2))]);
        let causes: Vec<&str> = scene.change_events().iter().map(|event| event.cause.as_str()).collect();
        let cause = if purpose == "accept" { "accepted" } else { "directory" };
        assert_eq!(causes, [cause; 2]);
        match purpose {
            "tell" => scene.assert_told(&WANJIRU_JOINED).await,
            "accept" => scene.assert_told(&[]).await,
            _ => {}
        }
        daemon.stop().await;
    }
}

#[tokio::test]
async fn m25_a_comparison_that_meets_a_limit_is_given_up_and_the_directory_is_followed_on() {
    let scene = Scene::company().await;
    scene.live().await.stop().await;
    let entries = scene.status().entries;
    let config = Ldap::config(&scene.slapd).await;
    let limits = format!("dn.exact=\"{}\" size=10 time=unlimited", scene.slapd.service_dn());
    config.replace(MAIN, "olcLimits", &[&limits]).await;
    let scene = scene.with("full_comparison", "\"1h\"");
    scene.site.state().execute("UPDATE store SET compared_at = 0", []).expect("long ago");
    let daemon = scene.site.start();
    let status = scene.wait_for_error("the last full comparison could not be finished").await;
    assert!(status.last_error.expect("an error").contains("olcLimits"));
    daemon.wait_live().await;
    scene.ldap.add_member(WAREHOUSE, WANJIRU).await;
    scene.assert_told(&WANJIRU_JOINED).await;
    assert_eq!(scene.status().entries, entries);
    daemon.stop().await;
}

#[tokio::test]
async fn m25_a_comparison_that_is_shown_nothing_removes_nobody() {
    let scene = Scene::company().await;
    scene.live().await.stop().await;
    let entries = scene.status().entries;
    let config = Ldap::config(&scene.slapd).await;
    let rules = config.values(MAIN, "olcAccess").await.expect("the database");
    let rules: Vec<&str> =
        rules.iter().map(|rule| rule.split_once('}').expect("a numbered rule").1).collect();
    let account = format!("dn.exact=\"{}\"", scene.slapd.service_dn());
    let hidden = format!("to dn.children=\"{}\" by {account} none by * break", scene.slapd.base());
    config.replace(MAIN, "olcAccess", &[&[hidden.as_str()], &rules[..]].concat()).await;
    let insert = "INSERT INTO comparison (store, purpose, asked_at, begun_at) VALUES (1, 'accept', 0, 0)";
    scene.site.state().execute(insert, []).expect("a comparison");
    let daemon = scene.site.start();
    scene.wait_for_error("shows nobody").await;
    assert_eq!((scene.events(), scene.status().entries), (vec![], entries));
    daemon.stop().await;
    config.replace(MAIN, "olcAccess", &rules).await;
    let daemon = scene.live().await;
    assert_eq!((scene.events(), scene.status().entries), (vec![], entries));
    assert_eq!(comparisons(&scene.site), [("accept".to_owned(), Some(0))]);
    daemon.stop().await;
}
