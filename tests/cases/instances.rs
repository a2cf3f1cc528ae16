//! Two daemons on one state (M27).

use std::os::unix::fs::symlink;

use crate::{cases::scene::Scene, support::daemon::toml_text};

#[tokio::test]
async fn m27_the_second_instance_refuses_and_names_the_first() {
    let scene = Scene::company().await;
    let first = scene.live().await;
    let state = scene.site.state_file();
    let directory = state.parent().expect("it is in a directory");
    symlink(&state, directory.join("link.db")).expect("a link");
    symlink(directory, directory.join("here")).expect("a link");
    std::fs::hard_link(&state, directory.join("hard.db")).expect("a second name");
    let pid = format!("(pid {})", first.pid());
    for (name, says) in [
        ("state.db", pid.as_str()),
        ("link.db", &pid),
        ("here/state.db", &pid),
        ("here/./here/link.db", &pid),
        ("hard.db", "(pid unknown, as it uses another name of the file, a hard link)"),
    ] {
        let path = toml_text(directory.join(name).to_str().expect("a path in UTF-8"));
        // A file of its own: the first daemon's configuration stays as it is.
        let config = directory.join("other.toml");
        let text = std::fs::read_to_string(scene.site.config_file()).expect("the configuration");
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("state.path")).collect();
        std::fs::write(&config, format!("state.path = {path}\n{}", lines.join("\n"))).expect("writing it");
        let ran = scene.site.run_with(&config, &["run"]).await;
        assert_eq!(ran.code, 1, "{name}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("another dirherald ") && ran.stderr.contains(says),
            "{name}: {}",
            ran.stderr
        );
        assert!(ran.stderr.contains("stop it first"), "{name}: {}", ran.stderr);
    }
    scene.ldap.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    scene.assert_reasons(&["ravi: owner", "wanjiru: added_members"]).await;
    scene.assert_no_duplicates();
    first.kill().await;

    let next = scene.live().await;
    scene.ldap.remove_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    let told = ["ravi: owner", "wanjiru: added_members", "ravi: owner", "wanjiru: removed_members"];
    scene.assert_reasons(&told).await;
    next.stop().await;
}

#[tokio::test]
async fn a_daemon_that_stops_leaves_one_private_file_and_its_lock() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::company().await;
    let files = || {
        let directory = scene.site.state_file();
        let directory = directory.parent().expect("it is in a directory");
        let files = std::fs::read_dir(directory).expect("reading it").map(|file| {
            let file = file.expect("a file");
            let mode = file.metadata().expect("its mode").permissions().mode() & 0o777;
            (file.file_name().into_string().expect("UTF-8"), mode)
        });
        let mut files: Vec<_> = files.filter(|(name, _)| name.starts_with("state.db")).collect();
        files.sort();
        files
    };
    let private =
        |names: &[&str]| -> Vec<_> { names.iter().map(|name| ((*name).to_owned(), 0o600)).collect() };
    let daemon = scene.live().await;
    scene.settle().await;
    assert_eq!(files(), private(&["state.db", "state.db-shm", "state.db-wal", "state.db.lock"]));
    daemon.stop().await;
    assert_eq!(files(), private(&["state.db", "state.db.lock"]), "{}", scene.site.log());
    assert_eq!(scene.site.status().await[0]["state"], "stopped");
    assert_eq!(files(), private(&["state.db", "state.db.lock"]), "looking leaves nothing");
}
