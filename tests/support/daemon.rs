//! The program itself: a configuration on disk, its commands, and `run` as a process.
//!
//! ```ignore
//! let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
//! let site = Site::new(&slapd, &smtp).with("notify.owner", "true");
//! let daemon = site.start();
//! daemon.wait_live().await;
//! // … change the directory, smtp.wait_for(1).await …
//! let events = site.json(&["events"]).await;
//! daemon.stop().await;
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use dirherald::db::Reader;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::{
    disk::Disk,
    postfix::{Door, Postfix},
    slapd::{Slapd, signal},
    smtp::SmtpServer,
    wait,
};

/// The store of [`Site::new`].
pub const STORE: &str = "company";

/// See [`Site::with_guard_wide_open`].
const GUARD_WIDE_OPEN: [(&str, &str); 2] =
    [("guard.max_events", "1000000000"), ("guard.membership_percent", "1000")];

/// The daemon promises to be gone by then.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// A configuration file, and a state file that may come to be, in a directory of their own. A clone means
/// the same files with, from then on, keys of its own.
#[derive(Debug, Clone)]
pub struct Site {
    dir: Arc<TempDir>,
    /// Words before every command of ours.
    enter: Vec<String>,
    /// Dotted from the top of the file, with the value as TOML.
    keys: BTreeMap<String, String>,
    /// Set for every command.
    variables: BTreeMap<String, String>,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// A running `dirherald run`. Killed when dropped, or when the thread that started it ends.
#[derive(Debug)]
pub struct Daemon {
    site: Site,
    child: Mutex<Child>,
    /// Bytes in the log before it started.
    log_begins: usize,
}

impl Site {
    /// A directory and a mail server, both in the clear, no option on, no waiting for a digest or for the hour.
    pub fn new(slapd: &Slapd, smtp: &SmtpServer) -> Self {
        Self::empty().and_store(STORE, slapd, smtp)
    }

    /// A configuration that only knows where its state is.
    pub fn empty() -> Self {
        let dir = tempfile::Builder::new().prefix("dirherald-site-").tempdir().expect("a directory");
        let site =
            Self { dir: Arc::new(dir), enter: Vec::new(), keys: BTreeMap::new(), variables: BTreeMap::new() };
        let state = toml_text(site.state_file().to_str().expect("a temporary path in UTF-8"));
        site.with_global("state.path", &state)
    }

    /// With its state on a disk that only commands of this site see.
    pub fn on(mut self, disk: &Disk) -> Self {
        self.enter = disk.enter();
        let state = toml_text(disk.path().join("state.db").to_str().expect("a temporary path in UTF-8"));
        self.with_global("state.path", &state)
    }

    /// The same site for commands that may only read the disk.
    pub fn that_may_only_read(&self, disk: &Disk) -> Self {
        Self { enter: disk.enter_read_only(), ..self.clone() }
    }

    /// One more store.
    pub fn and_store(mut self, name: &str, slapd: &Slapd, smtp: &SmtpServer) -> Self {
        let keys = [
            ("urls", format!("[{}]", toml_text(&slapd.url()))),
            ("base_dn", toml_text(slapd.base())),
            ("bind.dn", toml_text(&slapd.service_dn())),
            ("bind.password", toml_text(Slapd::SERVICE_PASSWORD)),
            ("tls.allow_plaintext", "true".to_owned()),
            ("smtp.server", toml_text("127.0.0.1")),
            ("smtp.port", smtp.port().to_string()),
            ("smtp.security", toml_text("none")),
            ("smtp.from", toml_text("Directory <no-reply@harbour-vale.example>")),
            ("notify.digest_window", toml_text("0s")),
            ("notify.max_messages_per_hour", "1000000".to_owned()),
        ];
        for (key, value) in keys {
            self.keys.insert(format!("identity_store.{name}.{key}"), value);
        }
        self.written()
    }

    /// Sends what the first store tells by `postfix`, through this door, with a login where the door asks for one.
    pub fn by_postfix(self, postfix: &Postfix, door: Door) -> Self {
        let security = match door {
            Door::Plain => "none",
            Door::Submission => "starttls",
            Door::Tls => "tls",
        };
        self.with("smtp.port", &postfix.port(door).to_string())
            .with("smtp.security", &toml_text(security))
            .with("smtp.ca_file", &toml_text(postfix.ca_file().to_str().expect("a path in UTF-8")))
            .with("smtp.use_authentication", &(door != Door::Plain).to_string())
            .with("smtp.username", &toml_text(Postfix::USER))
            .with("smtp.password", &toml_text(Postfix::PASSWORD))
    }

    /// Sets a key of the first store, as `with("notify.owner", "true")`. The value is TOML.
    pub fn with(self, key: &str, value: &str) -> Self {
        self.with_global(&format!("identity_store.{STORE}.{key}"), value)
    }

    /// Sets a key by its whole path.
    pub fn with_global(mut self, path: &str, value: &str) -> Self {
        self.keys.insert(path.to_owned(), value.to_owned());
        self.written()
    }

    /// The bulk guard holds nothing: the test makes more changes than anybody would without meaning to.
    pub fn with_guard_wide_open(self) -> Self {
        GUARD_WIDE_OPEN.iter().fold(self, |site, (key, value)| site.with(key, value))
    }

    /// Sets a variable of the environment for the daemon and every command.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Leaves a key of the first store to its default.
    pub fn without(mut self, key: &str) -> Self {
        self.keys.remove(&format!("identity_store.{STORE}.{key}"));
        self.written()
    }

    fn written(self) -> Self {
        let lines: Vec<_> = self.keys.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        fs::write(self.config_file(), lines.join("\n")).expect("writing the configuration");
        // There are passwords in it.
        fs::set_permissions(self.config_file(), Permissions::from_mode(0o600)).expect("closing it");
        self
    }

    /// Where configuration, state and log are, unless a test sets another `state.path`.
    pub fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// For `--config`.
    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("dirherald.toml")
    }

    /// Where the state is, unless a test sets another `state.path`.
    pub fn state_file(&self) -> PathBuf {
        self.dir.path().join("state.db")
    }

    /// The state file as it is, for what no command shows, and for putting it into a state that takes hours or a
    /// broken disk to come about.
    pub fn state(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.state_file()).expect("opening the state file");
        connection.busy_timeout(wait::PATIENCE).expect("setting the busy timeout");
        connection
    }

    /// One number out of the state file.
    pub fn count(&self, sql: &str) -> i64 {
        self.state().query_row(sql, [], |row| row.get(0)).expect("counting in the state file")
    }

    /// What all daemons of this site wrote to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn stores(&self) -> usize {
        let name = |path: &String| path.strip_prefix("identity_store.")?.split('.').next().map(str::to_owned);
        self.keys.keys().filter_map(name).collect::<BTreeSet<_>>().len()
    }

    /// A command of this site that is not started yet; `--config` is given, and no variable of ours is set.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.entering();
        command.args(arguments).arg("--config").arg(self.config_file()).envs(&self.variables);
        command
    }

    /// The program without any argument.
    pub fn bare_command() -> Command {
        Self::entering_by(&[])
    }

    fn entering(&self) -> Command {
        Self::entering_by(&self.enter)
    }

    fn entering_by(words: &[String]) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .args(words)
            .arg(env!("CARGO_BIN_EXE_dirherald"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DIRHERALD_")) {
            command.env_remove(name);
        }
        command
    }

    /// The same with another configuration.
    pub async fn run_with(&self, config: &Path, arguments: &[&str]) -> Ran {
        let mut command = self.entering();
        command.args(arguments).arg("--config").arg(config);
        Ran::of(command, arguments).await
    }

    /// Carries a command out, with a limit.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments), arguments).await
    }

    /// What a command prints with `--json`, one value a line. It must succeed.
    pub async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let ran = self.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        let parsed = |line: &str| serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}"));
        ran.stdout.lines().map(parsed).collect()
    }

    /// `status --json`.
    pub async fn status(&self) -> Vec<Value> {
        self.json(&["status"]).await
    }

    /// `events --json`.
    pub async fn events_json(&self) -> Vec<Value> {
        self.json(&["events"]).await
    }

    /// `outbox list --json`.
    pub async fn outbox_json(&self) -> Vec<Value> {
        self.json(&["outbox", "list"]).await
    }

    /// Starts the daemon and waits for nothing.
    pub fn start(&self) -> Daemon {
        let log_begins = self.log().len();
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).expect("a log");
        let mut command = self.command(&["run"]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("starting dirherald");
        Daemon { site: self.clone(), child: Mutex::new(child), log_begins }
    }
}

impl Ran {
    /// Carries out a command that was prepared with [`Site::command`].
    pub async fn of(mut command: Command, arguments: &[&str]) -> Self {
        let output = timeout(wait::PATIENCE, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{arguments:?} takes too long"));
        let output = output.expect("starting dirherald by setpriv");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output in UTF-8");
        Self {
            code: output.status.code().unwrap_or_else(|| panic!("{arguments:?}: {}", output.status)),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Prints what a daemon wrote where waiting for it fails: the file goes with the test.
struct LogOfFailure<'a>(&'a Daemon);

impl Drop for LogOfFailure<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the log of a daemon:\n{}", self.0.log());
        }
    }
}

impl Daemon {
    /// Waits until every store is live: from now on every change is told.
    pub async fn wait_live(&self) {
        self.wait_state("live").await;
    }

    /// Waits until every store is in this state.
    pub async fn wait_state(&self, state: &str) {
        let stores = self.site.stores();
        let _log = LogOfFailure(self);
        wait::until_async(&format!("state {state}"), async || {
            self.assert_runs();
            // Until it says so, the state file tells how an earlier daemon that was killed left the stores.
            if !self.log().contains("dirherald runs") {
                return None;
            }
            let states = self.states().await;
            (states.len() == stores && states.iter().all(|now| now == state)).then_some(())
        })
        .await;
    }

    /// What it wrote to standard error, at the log level `info` unless a test asks for less.
    pub fn log(&self) -> String {
        self.site.log().split_off(self.log_begins)
    }

    /// As `status` finds them, without a process for each look.
    async fn states(&self) -> Vec<String> {
        if !self.site.enter.is_empty() {
            let rows = self.site.status().await;
            return rows.iter().map(|row| row["state"].as_str().expect("a state").to_owned()).collect();
        }
        let reader = Reader::open(&self.site.state_file()).expect("opening the state");
        let rows = reader.map_or_else(Vec::new, |reader| reader.status().expect("reading the state"));
        rows.into_iter().map(|row| row.state).collect()
    }

    /// Fails the test where it ended by itself.
    #[track_caller]
    pub fn assert_runs(&self) {
        let ended = self.child.lock().expect("no look at it panics").try_wait();
        let ended = ended.expect("asking for our own child");
        assert!(ended.is_none(), "dirherald ended, {ended:?}: {}", self.site.log());
    }

    /// Of the process.
    pub fn pid(&self) -> u32 {
        self.child.lock().expect("no look at it panics").id().expect("it was not waited for")
    }

    /// Sends a signal, `"HUP"` for example.
    pub fn signal(&self, name: &str) {
        signal(name, self.pid());
    }

    /// Ends it as an administrator would; it must end in time and with success.
    pub async fn stop(self) {
        self.signal("TERM");
        let mut child = self.child.into_inner().expect("no look at it panics");
        let ended = timeout(STOPS_WITHIN, child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("dirherald does not stop in time: {}", self.site.log()));
        let status = ended.expect("waiting for our own child");
        assert!(status.success(), "{status}: {}", self.site.log());
    }

    /// Waits until it has given up by itself, with this exit code.
    pub async fn wait_failed(self, code: i32) {
        let mut child = self.child.into_inner().expect("no look at it panics");
        let ended = timeout(wait::PATIENCE, child.wait()).await;
        let status = ended.expect("dirherald gives up in time").expect("waiting for our own child");
        assert_eq!(status.code(), Some(code), "{}", self.site.log());
    }

    /// Ends it at once (SIGKILL), as a power failure would.
    pub async fn kill(self) {
        let mut child = self.child.into_inner().expect("no look at it panics");
        child.kill().await.expect("killing our own child");
    }
}

/// A string as TOML writes it.
pub fn toml_text(text: &str) -> String {
    // JSON's escapes are TOML's.
    Value::from(text).to_string()
}
