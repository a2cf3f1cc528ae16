//! A real OpenLDAP server for one test: its own directory, database, ports and certificates.
//!
//! ```ignore
//! let slapd = Setup::company().with(Overlay::Refint).start();
//! let lena = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;
//! lena.add_member("cn=payroll,ou=groups", "uid=mei,ou=people").await;
//! ```
//!
//! The server dies with the value, and with the test process if that is killed.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{self, Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{ber, certificates, wait};

/// The root of the sample company's tree.
pub const COMPANY: &str = "dc=harbour-vale,dc=example";

/// The dummy member of the sample company's groups that would be empty without; there is no such entry.
pub const NOBODY: &str = "cn=nobody";

const CONFIGURATION: &str = include_str!("../../fixtures/openldap/slapd.conf.template");
const SCHEMA: &str = include_str!("../../fixtures/openldap/dirherald-test.schema");
const COMPANY_LDIF: &str = include_str!("../../fixtures/openldap/company.ldif");

/// How a server is to be.
#[derive(Debug, Clone)]
pub struct Setup {
    base: String,
    seed: String,
    overlays: BTreeSet<Overlay>,
    session_log: Option<u32>,
    service_limit: ServiceLimit,
    access: String,
    server_names: Vec<&'static str>,
    max_size: u64,
}

/// An overlay beside syncprov, which is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overlay {
    /// Deletes and renames are carried into `member`, `owner`, `manager` and their kin, unseen by syncrepl. A
    /// group that would be empty gets the dummy member.
    Refint,
    /// Keeps `memberOf`, and `member` of groupOfNames and groupOfMembers in step with it, unseen by syncrepl.
    MemberOf,
}

/// What `cn=dirherald,ou=services` may read in one search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceLimit {
    /// Everything: what an administrator has to set up.
    None,
    /// This many entries.
    Entries(u32),
    /// What the server gives everyone: 500 entries.
    ServerDefault,
}

impl Setup {
    /// The sample company, `fixtures/openldap/company.ldif`, without overlays.
    pub fn company() -> Self {
        Self::seeded(COMPANY, COMPANY_LDIF)
    }

    /// A tree of one's own: `ldif` begins with the entry `base`, and needs `cn=dirherald,ou=services` with
    /// the password [`Slapd::SERVICE_PASSWORD`] to be read.
    pub fn seeded(base: &str, ldif: &str) -> Self {
        Self {
            base: base.to_owned(),
            seed: ldif.to_owned(),
            overlays: BTreeSet::new(),
            session_log: None,
            service_limit: ServiceLimit::None,
            access: String::new(),
            server_names: vec!["localhost", "127.0.0.1"],
            max_size: 256 << 20,
        }
    }

    /// One more overlay.
    pub fn with(mut self, overlay: Overlay) -> Self {
        self.overlays.insert(overlay);
        self
    }

    /// syncprov remembers this many changes, deletions among them, until the server stops.
    pub fn session_log(mut self, changes: u32) -> Self {
        self.session_log = Some(changes);
        self
    }

    /// What the service account may read in one search.
    pub fn service_limit(mut self, limit: ServiceLimit) -> Self {
        self.service_limit = limit;
        self
    }

    /// An access rule that goes before all others, as slapd.access(5) writes it, without the word `access`.
    pub fn access(mut self, rule: &str) -> Self {
        self.access.push_str("access ");
        self.access.push_str(rule);
        self.access.push('\n');
        self
    }

    /// For whom the server's certificate is valid; `localhost` and `127.0.0.1` unless said otherwise.
    pub fn server_names(mut self, names: &[&'static str]) -> Self {
        self.server_names = names.to_vec();
        self
    }

    /// The most that the database may hold, in bytes.
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = bytes;
        self
    }

    /// Starts the server and waits until it answers.
    pub fn start(self) -> Slapd {
        let slapd = self.prepare();
        slapd.load(|stdin| stdin.write_all(self.seed.as_bytes()));
        slapd.started()
    }

    /// Starts a server with what `write` writes as LDIF, for data that should not lie in memory.
    pub fn start_with(self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Slapd {
        let slapd = self.prepare();
        slapd.load(|stdin| write(stdin));
        slapd.started()
    }

    fn prepare(&self) -> Slapd {
        let dir = tempfile::Builder::new().prefix("dirherald-slapd-").tempdir().expect("a directory");
        fs::create_dir(dir.path().join("db")).expect("a directory for the database");
        fs::write(dir.path().join("dirherald-test.schema"), SCHEMA).expect("writing the schema");
        certificates::write(&dir.path().join("tls"), &self.server_names);
        fs::write(dir.path().join("slapd.conf"), self.configuration(dir.path()))
            .expect("writing the configuration");
        Slapd { program: program(dir.path()), dir, base: self.base.clone(), port: 0, running: None }
    }

    fn configuration(&self, dir: &Path) -> String {
        let owner = fs::metadata(dir).expect("looking at our own directory");
        let session_log = self.session_log.map(|changes| format!("syncprov-sessionlog {changes}\n"));
        let overlays = self.overlays.iter().copied().map(Overlay::configuration);
        let overlays: String = session_log.into_iter().chain(overlays).collect();
        let path = dir.to_str().expect("a temporary path in UTF-8");
        CONFIGURATION
            .replace("@OVERLAYS@", &overlays)
            .replace("@LIMITS@", &self.service_limit.configuration())
            .replace("@ACCESS@", &self.access)
            .replace("@DIR@", path)
            .replace("@UID@", &owner.uid().to_string())
            .replace("@GID@", &owner.gid().to_string())
            .replace("@SUFFIX@", &self.base)
            .replace("@ADMIN@", Slapd::ADMIN_PASSWORD)
            .replace("@MAX_SIZE@", &self.max_size.to_string())
    }
}

impl Overlay {
    fn configuration(self) -> String {
        match self {
            Self::Refint => "overlay refint\n\
                 refint_attributes member uniqueMember owner manager managedBy msExchCoManagedByLink\n\
                 refint_nothing cn=nobody,@SUFFIX@\n"
                .to_owned(),
            Self::MemberOf => ["groupOfNames", "groupOfMembers"]
                .map(|class| {
                    format!(
                        "overlay memberof\nmemberof-group-oc {class}\nmemberof-member-ad member\n\
                         memberof-memberof-ad memberOf\nmemberof-dangling ignore\nmemberof-refint true\n"
                    )
                })
                .concat(),
        }
    }
}

impl ServiceLimit {
    fn configuration(self) -> String {
        let size = match self {
            Self::None => "unlimited".to_owned(),
            Self::Entries(count) => count.to_string(),
            Self::ServerDefault => return String::new(),
        };
        format!("limits dn.exact=\"cn=dirherald,ou=services,@SUFFIX@\" size={size} time=unlimited\n")
    }
}

/// A server that runs, or one that was stopped and keeps its data.
#[derive(Debug)]
pub struct Slapd {
    dir: TempDir,
    program: PathBuf,
    base: String,
    port: u16,
    running: Option<Child>,
}

impl Slapd {
    /// Of `cn=admin` below the base, whom no rule and no limit binds, and of `cn=config`.
    pub const ADMIN_PASSWORD: &str = "secret";

    /// Of everyone in the sample company.
    pub const PEOPLES_PASSWORD: &str = "demo-only";

    /// Of `cn=dirherald,ou=services`.
    pub const SERVICE_PASSWORD: &str = "demo-only";

    /// `ldap://127.0.0.1:PORT`; the port stays the same over a restart. StartTLS is offered.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// `ldaps://localhost:PORT`.
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://localhost:{}", self.port + 1)
    }

    /// `ldapi://%2F…`; EXTERNAL makes the user who runs the tests the service account.
    pub fn ldapi_url(&self) -> String {
        format!("ldapi://{}", self.socket().replace('/', "%2F"))
    }

    /// Where `ldap://` is heard.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The root of the tree.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A whole DN from one below the base, `uid=lena,ou=people`. A whole one stays as it is.
    pub fn dn(&self, short: &str) -> String {
        complete(short, &self.base)
    }

    /// Whom no rule and no limit binds.
    pub fn admin_dn(&self) -> String {
        self.dn("cn=admin")
    }

    /// The account dirherald reads with.
    pub fn service_dn(&self) -> String {
        self.dn("cn=dirherald,ou=services")
    }

    /// The authority behind the server's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("tls/ca.pem")
    }

    /// A certificate that EXTERNAL maps to the service account.
    pub fn client_cert_file(&self) -> PathBuf {
        self.dir.path().join("tls/client.pem")
    }

    /// Its key.
    pub fn client_key_file(&self) -> PathBuf {
        self.dir.path().join("tls/client.key")
    }

    /// The server's own directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Of the running server.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("the server runs").id()
    }

    /// Ends the server as an administrator would, data written and clients disconnected.
    pub fn stop(&mut self) {
        let mut child = self.running.take().expect("the server runs");
        signal("TERM", child.id());
        wait::until("slapd ends after SIGTERM", || child.try_wait().expect("asking for our own child"));
    }

    /// Ends the server at once (SIGKILL).
    pub fn kill(&mut self) {
        let mut child = self.running.take().expect("the server runs");
        child.kill().expect("killing our own child");
        child.wait().expect("waiting for our own child");
    }

    /// Starts a server that was stopped or killed, on the same ports, with the data it had.
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "the server runs already");
        // The port may be in the hands of another for a moment, a client's closing connection for example.
        let child = wait::until("slapd starts on its old port", || self.try_port(self.port).ok());
        self.running = Some(child);
    }

    /// [`stop`](Self::stop) and [`start_again`](Self::start_again).
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Stops the process without ending it (SIGSTOP): connections stay open and nothing is answered.
    pub fn freeze(&self) {
        signal("STOP", self.pid());
        wait::until("slapd is stopped", || (process_state(self.pid()) == Some('T')).then_some(()));
    }

    /// Lets a frozen server run on.
    pub fn thaw(&self) {
        signal("CONT", self.pid());
    }

    /// Keeps a copy of the data of a server that does not run, for [`restore`](Self::restore).
    pub fn save(&self) {
        self.copy_data("db", "saved");
    }

    /// Puts back what [`save`](Self::save) kept: the server went back in time.
    pub fn restore(&self) {
        self.copy_data("saved", "db");
    }

    /// What the server wrote to its log, for a test that failed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn socket(&self) -> String {
        self.dir.path().join("ldapi").to_str().expect("a temporary path in UTF-8").to_owned()
    }

    fn configuration(&self) -> PathBuf {
        self.dir.path().join("slapd.conf")
    }

    fn copy_data(&self, from: &str, to: &str) {
        assert!(self.running.is_none(), "the data of a running server cannot be copied");
        let (from, to) = (self.dir.path().join(from), self.dir.path().join(to));
        if to.exists() {
            fs::remove_dir_all(&to).expect("removing old data");
        }
        fs::create_dir(&to).expect("a directory for the data");
        for file in fs::read_dir(&from).expect("the data to copy") {
            let file = file.expect("a file of the data");
            fs::copy(file.path(), to.join(file.file_name())).expect("copying the data");
        }
    }

    /// Feeds slapadd. `-q` leaves out checks that cost time and that our own data do not need.
    fn load(&self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) {
        let mut child = Command::new(&self.program)
            .args(["-T", "add", "-q", "-f"])
            .arg(self.configuration())
            .args(["-b", &self.base])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting slapadd");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let written = write(&mut stdin);
        drop(stdin);
        let Output { status, stderr, .. } = child.wait_with_output().expect("waiting for slapadd");
        let complaint = String::from_utf8_lossy(&stderr);
        assert!(status.success() && written.is_ok(), "slapadd: {status}, {written:?}: {complaint}");
    }

    fn started(mut self) -> Self {
        let (port, child) = wait::until("a free port for slapd", || {
            let port = next_port();
            self.try_port(port).ok().map(|child| (port, child))
        });
        self.port = port;
        self.running = Some(child);
        self
    }

    /// One attempt: a server that answers, or the news that the port was taken.
    fn try_port(&self, port: u16) -> Result<Child, PortTaken> {
        let listeners = format!(
            "ldapi://{} ldap://127.0.0.1:{port} ldaps://127.0.0.1:{}",
            self.socket().replace('/', "%2F"),
            port + 1
        );
        let log = fs::File::create(self.dir.path().join("log")).expect("the server's log");
        let pid_file = self.dir.path().join("pid");
        // A killed server leaves its own behind.
        let _ = fs::remove_file(&pid_file);
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.program)
            .args(["-d", "0", "-f"])
            .arg(self.configuration())
            .args(["-h", &listeners])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut child = spawn(command);
        // slapd writes the file when all listeners are open, or ends.
        let status = wait::until("slapd opens its listeners", || match child.try_wait() {
            Ok(None) => fs::read_to_string(&pid_file).ok().filter(|text| text.ends_with('\n')).map(|_| None),
            Ok(Some(status)) => Some(Some(status)),
            Err(error) => panic!("asking for our own child: {error}"),
        });
        let Some(status) = status else {
            wait::until("slapd answers a bind", || answers(port));
            return Ok(child);
        };
        let log = self.log();
        assert!(log.contains("bind("), "slapd ended with {status}: {log}");
        Err(PortTaken)
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[derive(Debug)]
struct PortTaken;

/// Completes a DN below `base`. What ends in `base` or `cn=config` and the empty DN stay as they are.
pub fn complete(short: &str, base: &str) -> String {
    if short.is_empty() || short.ends_with("cn=config") || short.ends_with(base) {
        return short.to_owned();
    }
    format!("{short},{base}")
}

/// Where slapd is. An AppArmor profile for its path, which Ubuntu brings, would keep it from our directories;
/// it does not hold for a copy.
fn program(dir: &Path) -> PathBuf {
    let installed = ["/usr/sbin/slapd", "/usr/local/sbin/slapd", "/usr/libexec/slapd"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
        .expect("slapd is not installed: run `make test`, or install the packages slapd and ldap-utils");
    if !Path::new("/etc/apparmor.d/usr.sbin.slapd").exists() {
        return installed;
    }
    let copy = dir.join("slapd");
    fs::copy(installed, &copy).expect("copying slapd");
    copy
}

/// A pair of ports below those the system hands out by itself, so that no client's connection sits on them
/// while a server restarts. Processes begin at different places; within one, each pair is given once a round.
fn next_port() -> u16 {
    const FIRST: u32 = 10_000;
    const PAIRS: u32 = 10_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let place = process::id().wrapping_mul(211).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
    u16::try_from(FIRST + 2 * (place % PAIRS)).expect("ports below 30,000")
}

/// Whether an anonymous bind (RFC 4511, section 4.2) succeeds.
fn answers(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let bind = ber::tlv(0x60, &[ber::integer(3), ber::octets(""), ber::tlv(0x80, b"")].concat());
    stream.write_all(&ber::message(1, bind)).ok()?;
    let expected = ber::message(1, ber::bind_response(0, ""));
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).ok()?;
    (answer == expected).then_some(())
}

/// Starts a process from a thread that lives as long as the tests do: the kernel sends the signal asked for
/// with `--pdeathsig` when the *thread* that started the process ends.
fn spawn(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static STARTER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                // The one who asked waits for the answer.
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, child) = mpsc::channel();
    starter.send((command, answer)).expect("the thread that starts processes lives");
    child.recv().expect("the thread that starts processes answers").expect("starting slapd by setpriv")
}

/// Through the shell, whose `kill` is built in; the program of that name may be missing.
fn signal(name: &str, pid: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(status.expect("starting a shell").success(), "sending SIG{name} to {pid}");
}

/// The letter of proc_pid_stat(5): `T` is stopped, `Z` dead and not yet waited for. `None`: no such process.
pub fn process_state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
