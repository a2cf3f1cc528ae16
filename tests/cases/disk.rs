//! A disk under the state file that is full or may only be read (M28), and what `status` says meanwhile.

use serde_json::Value;

use crate::{
    cases::scene::{MEI_LEFT, PAYROLL_DELETED, Scene, WANJIRU_JOINED},
    support::{
        daemon::Daemon,
        disk::Disk,
        smtp::{At, Fault},
        wait,
    },
};

const CANNOT: &str = "the state file cannot be written";
const CAN_AGAIN: &str = "the state file can be written again";

/// Room for the log and for more than is stored in these tests.
const ROOMY: u32 = 16 * 1024;

async fn on(disk: &Disk) -> Scene {
    let mut scene = Scene::company().await;
    scene.site = scene.site.on(disk);
    scene
}

async fn status(scene: &Scene) -> Value {
    scene.site.status().await.pop().expect("one store")
}

/// Until `status` says that the disk is full.
async fn wait_until_full(scene: &Scene) -> Value {
    wait::until_async("status says so", async || {
        let status = status(scene).await;
        let said = status["last_error"].as_str().is_some_and(|error| error.contains("make room on it"));
        said.then_some(status)
    })
    .await
}

async fn wait_until_told(scene: &Scene, expected: &[&str]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    let told = || {
        let mut told = scene.told();
        told.sort();
        told
    };
    scene.smtp.wait_for_mails("all of them", |_| told().len() >= expected.len()).await;
    scene.ring().await;
    assert_eq!(told(), expected, "{}", scene.site.log());
    scene.assert_no_duplicates();
}

/// Said once, and once that it is over; nobody else said anything of it.
#[track_caller]
fn assert_said_once(daemon: &Daemon) {
    let log = daemon.log();
    let count = |words: &str| log.matches(words).count();
    assert_eq!((count(CANNOT), count(CAN_AGAIN)), (1, 1), "{log}");
    assert_eq!(count("ERROR"), 1, "{log}");
    assert!(log.lines().count() < 20, "{log}");
}

#[tokio::test]
async fn m28_a_full_disk_stops_ingest_until_there_is_room() {
    let disk = Disk::of(ROOMY);
    let scene = on(&disk).await;
    let daemon = scene.live().await;
    let before = status(&scene).await;
    disk.fill_but(0);
    scene.wanjiru_joins().await;
    let full = wait_until_full(&scene).await;
    assert_eq!(full["state"], "connecting", "{full}");
    assert_eq!(full["entries"], before["entries"]);
    scene.delete_payroll().await;
    assert_eq!(scene.site.events_json().await, Vec::<Value>::new(), "the other commands answer as well");
    let ran = scene.site.run(&["check"]).await;
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("full: make room on it"), "{}", ran.stdout);
    assert_eq!(scene.told(), Vec::<String>::new());

    disk.make_room();
    wait_until_told(&scene, &[&WANJIRU_JOINED[..], &PAYROLL_DELETED].concat()).await;
    let after = status(&scene).await;
    assert_eq!((&after["state"], &after["last_error"]), (&"live".into(), &Value::Null));
    assert_said_once(&daemon);
    daemon.stop().await;
}

#[tokio::test]
async fn m28_a_daemon_that_is_killed_or_stopped_on_a_full_disk_loses_nothing() {
    let disk = Disk::of(ROOMY);
    let scene = on(&disk).await;
    let daemon = scene.live().await;
    disk.fill_but(0);
    scene.wanjiru_joins().await;
    wait_until_full(&scene).await;
    daemon.kill().await;
    assert_eq!(status(&scene).await["state"], "stopped");

    // One that is started waits as well, and ends when it is asked to.
    let daemon = scene.site.start();
    assert_eq!(wait_until_full(&scene).await["state"], "connecting");
    daemon.stop().await;
    let daemon = scene.site.start();
    wait_until_full(&scene).await;
    disk.make_room();
    wait_until_told(&scene, &WANJIRU_JOINED).await;
    assert_said_once(&daemon);
    // What has left and is not on record yet when a daemon ends is the one thing that is sent twice.
    wait::until_async("all is on record", async || {
        (status(&scene).await["outbox_pending"] == 0).then_some(())
    })
    .await;
    disk.fill_but(0);
    scene.mei_leaves().await;
    wait_until_full(&scene).await;
    daemon.stop().await;
    disk.make_room();
    let daemon = scene.live().await;
    wait_until_told(&scene, &[WANJIRU_JOINED, MEI_LEFT].concat()).await;
    daemon.stop().await;
    assert_eq!(disk.files(), ["mounted", "state.db", "state.db.lock"]);
}

#[tokio::test]
async fn m28_a_disk_that_fills_up_in_the_first_reading_is_read_again() {
    let disk = Disk::of(ROOMY);
    let scene = on(&disk).await;
    for number in 0..1500 {
        let dn = format!("uid=extra{number},ou=people");
        scene.ldap.add_person(&dn, "Extra", &format!("extra{number}@harbour-vale.example")).await;
    }
    disk.fill_but(600);
    let daemon = scene.site.start();
    let full = wait_until_full(&scene).await;
    assert_eq!(full["entries"], 0, "{full}");
    disk.make_room();
    daemon.wait_live().await;
    scene.wanjiru_joins().await;
    wait_until_told(&scene, &WANJIRU_JOINED).await;
    assert_said_once(&daemon);
    daemon.stop().await;
}

#[tokio::test]
async fn m28_mail_that_cannot_be_written_down_waits_and_is_sent_once() {
    let disk = Disk::of(ROOMY);
    let scene = on(&disk).await.with("notify.digest_window", "\"1s\"");
    let daemon = scene.live().await;
    scene.wanjiru_joins().await;
    wait::until_async("the event", async || (scene.site.events_json().await.len() == 1).then_some(())).await;
    disk.fill_but(0);
    wait_until_full(&scene).await;
    assert_eq!(scene.told(), Vec::<String>::new());
    disk.make_room();
    wait_until_told(&scene, &WANJIRU_JOINED).await;
    assert_said_once(&daemon);
    daemon.stop().await;
}

#[tokio::test]
async fn m28_mail_that_left_while_the_disk_filled_up_is_not_sent_again() {
    let disk = Disk::of(ROOMY);
    let scene = on(&disk).await;
    scene.smtp.script(Fault::at(At::Taken).hold());
    let daemon = scene.live().await;
    scene.wanjiru_joins().await;
    scene.smtp.wait_for(2).await;
    disk.fill_but(0);
    scene.smtp.release();
    wait_until_full(&scene).await;
    disk.make_room();
    wait_until_told(&scene, &WANJIRU_JOINED).await;
    assert_said_once(&daemon);
    daemon.stop().await;
}

/// As after an error of the disk. A daemon that writes cannot be turned read-only under in a test, so only `status` sees
/// it that way.
#[tokio::test]
async fn m28_a_disk_that_turned_read_only_under_a_daemon_is_said_though_nothing_can_be_noted() {
    let disk = Disk::of(ROOMY);
    let scene = on(&disk).await;
    let daemon = scene.live().await;
    let seen = scene.site.that_may_only_read(&disk).status().await.pop().expect("one store");
    assert_eq!((&seen["state"], &seen["daemon"]), (&"connecting".into(), &true.into()), "{seen}");
    let said = seen["last_error"].as_str().expect("an error");
    assert!(said.contains("on a file system that is read-only"), "{said}");
    assert_eq!(status(&scene).await["last_error"], Value::Null);
    daemon.stop().await;
}

#[tokio::test]
async fn m28_a_disk_that_may_only_be_read_is_said_at_the_start_and_can_be_looked_at() {
    let disk = Disk::of(ROOMY);
    let scene = on(&disk).await;
    let daemon = scene.live().await;
    scene.wanjiru_joins().await;
    wait_until_told(&scene, &WANJIRU_JOINED).await;
    daemon.stop().await;
    scene.mei_leaves().await;
    disk.set_read_only();
    for command in [["run"].as_slice(), &["check"]] {
        let ran = scene.site.run(command).await;
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, if command == ["run"] { 1 } else { 3 }, "{said}");
        assert!(said.contains("is on a file system that is read-only"), "{said}");
    }
    assert_eq!(status(&scene).await["state"], "stopped");
    assert_eq!(scene.site.events_json().await.len(), 2, "of wanjiru, and of the bell");
    disk.set_writable();
    let daemon = scene.live().await;
    wait_until_told(&scene, &[WANJIRU_JOINED, MEI_LEFT].concat()).await;
    daemon.stop().await;
}
