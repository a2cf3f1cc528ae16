//! A real OpenLDAP server for one test: its own directory, database, ports and certificates.
//!
//! ```ignore
//! let slapd = Setup::company().with(Overlay::Refint).start();
//! let lena = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;
//! lena.add_member("cn=payroll,ou=groups", "uid=mei,ou=people").await;
//! ```
//!
//! The server dies with the value, and with the test process if that is killed.

mod process;
mod setup;

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

use super::wait;

pub use process::{next_port, process_state, signal, signal_group, spawn};
pub use setup::{COMPANY, NOBODY, Overlay, ServiceLimit, Setup};

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

    /// All data of a server that does not run as LDIF, with what clients cannot set: ids, stamps, contextCSN.
    pub fn export(&self) -> String {
        let output = Command::new(&self.program)
            .args(["-T", "cat", "-f"])
            .arg(self.configuration())
            .args(["-b", &self.base, "-o", "ldif_wrap=no"])
            .output()
            .expect("starting slapcat");
        assert!(output.status.success(), "slapcat: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("LDIF in UTF-8")
    }

    /// Replaces all data of a server that does not run by what [`export`](Self::export) gave, or by something
    /// made from it.
    pub fn reload(&self, ldif: &str) {
        assert!(self.running.is_none(), "the data of a running server cannot be replaced");
        let data = self.dir.path().join("db");
        fs::remove_dir_all(&data).expect("removing old data");
        fs::create_dir(&data).expect("a directory for the data");
        self.load(|stdin| stdin.write_all(ldif.as_bytes()));
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
            wait::until("slapd answers a bind", || process::answers(port));
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
