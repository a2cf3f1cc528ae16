//! As a system would run it: a user without rights, a configuration that it can only read, a directory of state that
//! is its own, and nothing else to write to.

use std::{
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use dirherald::db::{Reader, RunLock};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::support::{
    daemon::{Ran, STORE, Site, toml_text},
    ldap::Ldap,
    slapd::{Setup, Slapd, signal},
    smtp::SmtpServer,
    wait,
};

/// nobody, on most systems; nothing need be known of it.
const UID: u32 = 65_534;
/// Somebody else.
const STRANGER: u32 = 65_533;

/// `etc/`, `bin/` and `state/`, and places that are offered to the program and that it is not to touch.
struct Machine {
    place: TempDir,
    slapd: Slapd,
    smtp: SmtpServer,
}

/// What the program may think are its places to write to.
const OFFERED: [&str; 3] = ["home", "tmp", "cwd"];

impl Machine {
    async fn start() -> Self {
        assert_eq!(
            fs::metadata("/proc/self").expect("proc(5)").uid(),
            0,
            "only root can become another user"
        );
        let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
        let place = tempfile::Builder::new()
            .prefix("dirherald-machine-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .expect("a directory");
        let machine = Self { place, slapd, smtp };
        for (name, owner, mode) in [("etc", 0, 0o755), ("bin", 0, 0o755), ("state", UID, 0o700)]
            .into_iter()
            .chain(OFFERED.map(|name| (name, UID, 0o700)))
        {
            let path = machine.path(name);
            fs::create_dir(&path).expect("a directory");
            own(&path, owner, mode);
        }
        fs::copy(env!("CARGO_BIN_EXE_dirherald"), machine.path("bin/dirherald"))
            .expect("copying the program");
        machine.configure();
        machine
    }

    /// The password lies in a file that its user may read and nobody else.
    fn configure(&self) {
        let password = self.path("etc/password");
        fs::write(&password, Slapd::SERVICE_PASSWORD).expect("writing the password");
        own(&password, UID, 0o400);
        let site = Site::new(&self.slapd, &self.smtp)
            .without("bind.password")
            .with("bind.password_file", &quoted(&password))
            .with("notify.owner", "true")
            .with("recipients.to", "[\"audit@harbour-vale.example\"]")
            .with("recipients.copy", "\"all-changes\"")
            .with_global("state.path", &quoted(&self.path("state/state.db")));
        fs::copy(site.config_file(), self.config()).expect("writing the configuration");
        own(&self.config(), 0, 0o644);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("etc/dirherald.toml")
    }

    /// As the user, with the umask that takes nothing away.
    fn command(&self, words: &[&str]) -> Command {
        self.command_as(UID, words)
    }

    fn command_as(&self, uid: u32, words: &[&str]) -> Command {
        let id = uid.to_string();
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", &id, "--regid", &id, "--clear-groups", "--pdeathsig", "KILL", "--"])
            .args(["sh", "-c", "umask 000; exec \"$@\"", "sh"])
            .arg(self.path("bin/dirherald"))
            .args(words)
            .arg("--config")
            .arg(self.config())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .current_dir(self.path("cwd"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, words: &[&str]) -> Ran {
        Ran::of(self.command(words), words).await
    }

    async fn live(&self) -> Child {
        self.until_live(self.started()).await
    }

    fn started(&self) -> Child {
        let log = fs::File::create(self.path("log")).expect("a log");
        self.command(&["run"]).stdout(Stdio::null()).stderr(log).spawn().expect("starting it")
    }

    async fn until_live(&self, mut child: Child) -> Child {
        wait::until_async("it is live", async || {
            let ended = child.try_wait().expect("looking at it");
            assert_eq!(ended, None, "it ended: {}", self.log());
            self.status().is_some_and(|state| state == "live").then_some(())
        })
        .await;
        child
    }

    fn status(&self) -> Option<String> {
        let reader = Reader::open(&self.path("state/state.db")).expect("opening the state")?;
        Some(reader.status().expect("reading the status").pop()?.state)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Everything is in the directory of state, and of no use to anybody else.
    fn assert_kept_to_its_own(&self) {
        let mut names = Vec::new();
        for file in fs::read_dir(self.path("state")).expect("its state") {
            let file = file.expect("a file");
            let found = file.metadata().expect("a file");
            let name = file.file_name().into_string().expect("a name");
            assert_eq!((found.mode() & 0o7777, found.uid()), (0o600, UID), "{name}");
            names.push(name);
        }
        assert!(names.contains(&"state.db".to_owned()), "{names:?}");
        assert!(names.iter().all(|name| name.starts_with("state.db")), "{names:?}");
        for place in OFFERED.into_iter().chain(["bin", "etc"]) {
            let mut left: Vec<_> = fs::read_dir(self.path(place))
                .expect("a directory")
                .map(|file| file.expect("a file").file_name().into_string().expect("a name"))
                .collect();
            left.retain(|name| !matches!(name.as_str(), "dirherald" | "dirherald.toml" | "password"));
            assert_eq!(left, Vec::<String>::new(), "{place}");
        }
    }
}

fn own(path: &Path, owner: u32, mode: u32) {
    chown(path, Some(owner), Some(owner)).expect("giving it to its owner");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("closing it");
}

fn quoted(path: &Path) -> String {
    toml_text(path.to_str().expect("a path in UTF-8"))
}

async fn stop(mut child: Child) {
    signal("TERM", child.id().expect("it was not waited for"));
    let ended = timeout(Duration::from_secs(10), child.wait()).await.expect("it stops in time");
    assert!(ended.expect("waiting for it").success());
}

/// One socket of a process, as proc(5) has it.
#[derive(Debug)]
struct Socket {
    remote: SocketAddr,
    is_listening: bool,
}

/// TCP and UDP, both versions.
fn sockets(pid: u32) -> Vec<Socket> {
    let open =
        fs::read_dir(format!("/proc/{pid}/fd")).expect("only root sees what a private process has open");
    let inodes: Vec<String> = open
        .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_owned()))
        .collect();
    assert!(!inodes.is_empty(), "it is connected");
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(|table| {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    });
    let rows = tables.concat();
    rows.iter().filter_map(|row| socket(&row.split_whitespace().collect::<Vec<_>>(), &inodes)).collect()
}

fn socket(row: &[&str], inodes: &[String]) -> Option<Socket> {
    let [_, _, remote, state, _, _, _, _, _, inode, ..] = row else { return None };
    if !inodes.iter().any(|own| own == inode) {
        return None;
    }
    let (address, port) = remote.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address =
        u32::from_str_radix(address, 16).expect("a version 4 address: the servers are on 127.0.0.1");
    let remote = SocketAddr::from((address.swap_bytes().to_be_bytes(), port));
    Some(Socket { remote, is_listening: *state == "0A" || *state == "07" })
}

#[tokio::test]
async fn an_ordinary_user_can_run_it_and_it_writes_nothing_but_its_state() {
    let machine = Machine::start().await;
    let check = machine.run(&["check"]).await;
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
    let child = machine.live().await;
    Ldap::admin(&machine.slapd).await.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    machine.smtp.wait_for(2).await;
    let pid = child.id().expect("it runs");
    let allowed = [machine.slapd.address().port(), machine.smtp.port()];
    for socket in sockets(pid) {
        let expected = allowed.contains(&socket.remote.port()) && socket.remote.ip().is_loopback();
        assert!(expected && !socket.is_listening, "{socket:?}");
    }
    let limits = fs::metadata(format!("/proc/{pid}/environ")).expect("proc(5)");
    assert_eq!(limits.uid(), 0, "whose memory is private belongs to root in proc(5)");

    let events = machine.run(&["events", "--json"]).await;
    let event: serde_json::Value =
        serde_json::from_str(events.stdout.lines().next().expect("an event")).expect("JSON");
    let outbox = machine.run(&["outbox", "list", "--json"]).await;
    let message: serde_json::Value =
        serde_json::from_str(outbox.stdout.lines().next().expect("a message")).expect("JSON");
    let (event, message) = (event["id"].as_str().expect("an id"), message["id"].as_str().expect("an id"));
    let commands: [&[&str]; 9] = [
        &["check"],
        &["test-mail", "--to", "somebody@harbour-vale.example"],
        &["events"],
        &["explain", event],
        &["simulate", "--delete", "mei"],
        &["outbox", "list"],
        &["outbox", "show", message],
        &["held", "list"],
        &["status"],
    ];
    for words in commands {
        let ran = machine.run(words).await;
        assert_eq!(ran.code, 0, "{words:?}: {}{}", ran.stdout, ran.stderr);
    }
    machine.assert_kept_to_its_own();
    stop(child).await;
    for words in commands {
        let ran = machine.run(words).await;
        assert_eq!(ran.code, 0, "without a daemon, {words:?}: {}{}", ran.stdout, ran.stderr);
    }
    machine.assert_kept_to_its_own();
    assert!(!machine.log().contains("ERROR"), "{}", machine.log());
}

/// Every command that needs the state says what is in its way, and what to do.
#[tokio::test]
async fn a_state_that_is_not_its_own_is_told_by_every_command() {
    let machine = Machine::start().await;
    let id = "00000000-0000-0000-0000-000000000000";
    let commands: [(&[&str], i32); 9] = [
        (&["run"], 1),
        (&["check"], 3),
        (&["events"], 1),
        (&["explain", id], 1),
        (&["simulate", "--delete", "mei"], 1),
        (&["outbox", "list"], 1),
        (&["outbox", "show", id], 1),
        (&["outbox", "retry", id], 1),
        (&["status"], 1),
    ];
    let refuse = async |who: u32, words: &[&str], code: i32, says: &[&str]| {
        let ran = Ran::of(machine.command_as(who, words), words).await;
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, code, "{words:?}: {said}");
        for part in says {
            assert!(said.contains(part), "{words:?} does not say {part:?}: {said}");
        }
    };
    // The state of another user, whose directory one may not enter.
    stop(machine.live().await).await;
    own(&machine.path("etc/password"), STRANGER, 0o400);
    for (words, code) in commands {
        refuse(STRANGER, words, code, &["state.db", "this user may not write into"]).await;
    }
    // A file of another user in a directory of one's own.
    own(&machine.path("etc/password"), UID, 0o400);
    own(&machine.path("state/state.db"), STRANGER, 0o600);
    for (words, code) in commands {
        refuse(UID, words, code, &["state.db", "this user may not read and write"]).await;
    }
    // A directory that may be read and not written to.
    own(&machine.path("state/state.db"), UID, 0o600);
    own(&machine.path("state"), 0, 0o755);
    for file in ["state.db.lock", "state.db-wal", "state.db-shm"] {
        let _ = fs::remove_file(machine.path("state").join(file));
    }
    for (words, code) in &commands[..2] {
        refuse(UID, words, *code, &["state.db", "this user may not write into"]).await;
    }
}

/// Root's commands leave nothing behind that keeps the daemon from starting.
#[tokio::test]
async fn what_root_does_in_between_is_no_obstacle() {
    let machine = Machine::start().await;
    let child = machine.live().await;
    Ldap::admin(&machine.slapd).await.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    machine.smtp.wait_for(2).await;
    stop(child).await;
    fs::remove_file(machine.path("state/state.db.lock")).expect("removing the lock");
    let outbox = machine.run(&["outbox", "list", "--json"]).await;
    let message: serde_json::Value =
        serde_json::from_str(outbox.stdout.lines().next().expect("a message")).expect("JSON");
    let words = ["outbox", "delete", message["id"].as_str().expect("an id")];
    let by_root = Ran::of(machine.command_as(0, &words), &words).await;
    assert_eq!(by_root.code, 1, "{}", by_root.stderr);
    assert!(by_root.stderr.contains("was delivered already"), "{}", by_root.stderr);
    stop(machine.live().await).await;
    machine.assert_kept_to_its_own();
}

/// What a command of root's creates beside the state is root's own for a moment.
#[tokio::test]
async fn what_root_has_just_created_is_no_obstacle() {
    let machine = Machine::start().await;
    stop(machine.live().await).await;
    let state = machine.path("state/state.db");
    let beside = machine.path("state/state.db-shm");
    fs::write(&beside, "").expect("a file");
    own(&beside, 0, 0o600);
    let child = machine.started();
    wait::until("it has the lock", || RunLock::is_held(&state).then_some(()));
    own(&beside, UID, 0o600);
    stop(machine.until_live(child).await).await;
}

/// A password that everybody may read is a finding, wherever it lies; one that nobody can come to is not.
#[tokio::test]
async fn m22_check_finds_secrets_that_others_can_read() {
    let machine = Machine::start().await;
    let found = async |says: Option<&str>| {
        let ran = machine.run(&["check"]).await;
        let code = if says.is_some() { 3 } else { 0 };
        assert_eq!(ran.code, code, "{says:?}: {}{}", ran.stdout, ran.stderr);
        if let Some(says) = says {
            assert!(ran.stdout.contains(says), "{says}: {}", ran.stdout);
            assert!(ran.stdout.contains("what to do"), "{}", ran.stdout);
        }
    };
    found(None).await;
    let password = machine.path("etc/password");
    fs::set_permissions(&password, Permissions::from_mode(0o404)).expect("opening it");
    let key = format!("identity_store.{STORE}.bind.password_file");
    found(Some(&format!("{key}: everybody on this machine may read or change"))).await;
    own(&machine.path("etc"), UID, 0o700);
    found(None).await;
    own(&machine.path("etc"), UID, 0o755);
    fs::set_permissions(&password, Permissions::from_mode(0o440)).expect("closing it");
    found(None).await;

    let text = fs::read_to_string(machine.config()).expect("the configuration");
    let inline = text.replace(
        &format!("{key} = {}", quoted(&password)),
        &format!("identity_store.{STORE}.bind.password = {}", toml_text(Slapd::SERVICE_PASSWORD)),
    );
    assert_ne!(text, inline);
    fs::write(machine.config(), inline).expect("writing the configuration");
    found(Some(&format!("which holds identity_store.{STORE}.bind.password"))).await;
    own(&machine.config(), UID, 0o640);
    found(None).await;
    own(&machine.config(), UID, 0o642);
    found(Some("everybody on this machine may change")).await;
}
