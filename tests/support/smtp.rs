//! A small mail server that does as it is told: it takes mail, refuses, drops, holds, and can be stopped
//! and started again on the same port.
//!
//! ```ignore
//! let server = SmtpServer::start().await;
//! server.script(Fault::at(At::Rcpt).only_for("bob@acme.example").answer("550 5.1.1 no such user"));
//! // … send …
//! let mails = server.wait_for(3).await;
//! ```

mod certificates;
mod dialogue;
mod script;

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use certificates::Authority;
use script::Mishap;

use crate::support::wait;
pub use script::{At, Fault};

/// How long [`SmtpServer::wait_for`] waits. Only a failing test ever waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A scripted mail server on a free port of 127.0.0.1. Everything ends when it is dropped.
pub struct SmtpServer {
    port: u16,
    shared: Arc<Shared>,
    files: tempfile::TempDir,
    /// While it is up.
    listening: Option<JoinHandle<()>>,
    /// While it is down: bound but not listening, so that connections are refused and nobody else gets the
    /// port.
    reserved: Option<TcpSocket>,
}

/// A mail that was accepted with 250.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The envelope's sender; empty for `<>`.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Without dot-stuffing, with its last line end.
    pub bytes: Vec<u8>,
    /// When the 250 was given.
    pub at: Timestamp,
}

impl Mail {
    /// The message as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The unfolded value of a header, not decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        let text = self.text();
        let head = text.split("\r\n\r\n").next()?.replace("\r\n ", " ").replace("\r\n\t", " ");
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// How the server protects its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Not at all; STARTTLS is not offered.
    None,
    /// STARTTLS is offered, and nothing else is taken before it.
    StartTls,
    /// STARTTLS is answered with 220 and further bytes in the clear, as an attacker would inject them.
    StartTlsInjected,
    /// From the first byte.
    Tls,
}

/// What a server is like before it starts.
#[derive(Debug, Clone)]
pub struct SmtpOptions {
    protection: Protection,
    certificate_names: Vec<String>,
    login: Option<(String, String)>,
    mechanisms: &'static str,
    extensions: BTreeSet<&'static str>,
    /// Nothing is kept of a mail but these headers. `None`: all of it is.
    headers_kept: Option<&'static [&'static str]>,
}

impl Default for SmtpOptions {
    fn default() -> Self {
        Self {
            protection: Protection::None,
            certificate_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            login: None,
            mechanisms: "PLAIN LOGIN",
            extensions: ["8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 10485760"].into(),
            headers_kept: None,
        }
    }
}

impl SmtpOptions {
    /// See [`Protection`].
    pub fn protection(mut self, protection: Protection) -> Self {
        self.protection = protection;
        self
    }

    /// The names in the certificate, instead of `localhost` and `127.0.0.1`.
    pub fn certificate_for(mut self, names: &[&str]) -> Self {
        self.certificate_names = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Mail is taken only after this login.
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Which AUTH mechanisms are offered, instead of `PLAIN LOGIN`.
    pub fn mechanisms(mut self, mechanisms: &'static str) -> Self {
        self.mechanisms = mechanisms;
        self
    }

    /// Keeps of each mail only these headers, one line each, for a test in which many come.
    pub fn keeping_headers(mut self, names: &'static [&'static str]) -> Self {
        self.headers_kept = Some(names);
        self
    }

    /// Without this extension.
    pub fn without(mut self, extension: &'static str) -> Self {
        self.extensions.remove(extension);
        self
    }

    /// Starts it.
    pub async fn start(self) -> SmtpServer {
        let mut server = self.start_down();
        server.start_again().await;
        server
    }

    /// A server that is down to begin with: see [`SmtpServer::start_again`].
    pub fn start_down(self) -> SmtpServer {
        let files = tempfile::tempdir().expect("a directory for the CA");
        let authority = Authority::new();
        std::fs::write(files.path().join("ca.pem"), &authority.pem).expect("the CA is written");
        std::fs::write(files.path().join("other-ca.pem"), Authority::new().pem)
            .expect("the other CA is written");
        let socket = bound(0).expect("a free port");
        let port = socket.local_addr().expect("the socket is bound").port();
        let acceptor = authority.acceptor(self.certificate_names.clone());
        let shared = Arc::new(Shared {
            options: self,
            acceptor,
            record: watch::channel(Record::default()).0,
            faults: Mutex::new(Vec::new()),
            released: watch::channel(0).0,
            broken: watch::channel(0).0,
        });
        SmtpServer { port, shared, files, listening: None, reserved: Some(socket) }
    }
}

impl SmtpServer {
    /// A plain server that takes everything.
    pub async fn start() -> Self {
        Self::options().start().await
    }

    /// Something else than that.
    pub fn options() -> SmtpOptions {
        SmtpOptions::default()
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// PEM of the CA that signed its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.files.path().join("ca.pem")
    }

    /// PEM of a CA that has nothing to do with it.
    pub fn other_ca_file(&self) -> PathBuf {
        self.files.path().join("other-ca.pem")
    }

    /// What was accepted so far, in order.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.record.borrow().mails.clone()
    }

    /// Every message that came to its end, taken or not, in order.
    pub fn offered(&self) -> Vec<Mail> {
        self.shared.record.borrow().offered.clone()
    }

    /// Every line that clients sent, the messages left out, in order.
    pub fn commands(&self) -> Vec<String> {
        self.shared.record.borrow().commands.clone()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.record.borrow().connections
    }

    /// Waits until `count` mails were accepted, and gives all there are.
    pub async fn wait_for(&self, count: usize) -> Vec<Mail> {
        let enough = |record: &Record| record.mails.len() >= count;
        self.wait_until(&format!("{count} mails"), enough).await;
        self.mails()
    }

    /// Waits until what was accepted so far is as it should be.
    pub async fn wait_for_mails(&self, what: &str, mut done: impl FnMut(&[Mail]) -> bool) {
        self.wait_until(what, |record| done(&record.mails)).await;
    }

    /// Waits until a client sent a line that begins with `command`.
    pub async fn wait_for_command(&self, command: &str) {
        let sent = |record: &Record| record.commands.iter().any(|line| line.starts_with(command));
        self.wait_until(command, sent).await;
    }

    async fn wait_until(&self, what: &str, done: impl FnMut(&Record) -> bool) {
        let mut record = self.shared.record.subscribe();
        let waited = tokio::time::timeout(PATIENCE, record.wait_for(done)).await.map(|found| found.is_ok());
        assert_eq!(waited, Ok(true), "{what} did not come within {PATIENCE:?}: {:#?}", self.commands());
    }

    /// Adds a fault. The first that applies strikes.
    pub fn script(&self, fault: Fault) {
        self.shared.faults().push(fault);
    }

    /// All is well again. What is held stays held.
    pub fn clear_script(&self) {
        self.shared.faults().clear();
    }

    /// Lets all held connections go on.
    pub fn release(&self) {
        self.shared.released.send_modify(|count| *count += 1);
    }

    /// Breaks all connections, and takes new ones.
    pub fn break_connections(&self) {
        self.shared.broken.send_modify(|count| *count += 1);
    }

    /// Breaks all connections; from now on they are refused.
    pub async fn stop(&mut self) {
        let Some(task) = self.listening.take() else { return };
        task.abort();
        let _ = task.await;
        // A process that another test starts at this moment has the listener until it becomes another program.
        let again = wait::until_async("the port that was ours", async || bound(self.port).ok()).await;
        self.reserved = Some(again);
    }

    /// Listens on the same port, again where it was stopped.
    pub async fn start_again(&mut self) {
        self.stop().await;
        let socket = self.reserved.take().expect("a server is up or down");
        let listener = socket.listen(64).expect("the port is ours");
        self.listening = Some(tokio::spawn(serve(listener, Arc::clone(&self.shared))));
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        if let Some(task) = &self.listening {
            task.abort();
        }
    }
}

fn bound(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

impl SmtpOptions {
    /// What is kept of a message.
    fn kept(&self, bytes: Vec<u8>) -> Vec<u8> {
        let Some(names) = self.headers_kept else { return bytes };
        let text = String::from_utf8_lossy(&bytes);
        let head = text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
        let is_kept = |line: &&str| names.iter().any(|name| line.starts_with(&format!("{name}: ")));
        let lines: Vec<&str> = head.lines().filter(is_kept).collect();
        lines.join("\r\n").into_bytes()
    }
}

#[derive(Debug, Default)]
struct Record {
    mails: Vec<Mail>,
    offered: Vec<Mail>,
    commands: Vec<String>,
    connections: usize,
}

struct Shared {
    options: SmtpOptions,
    acceptor: TlsAcceptor,
    record: watch::Sender<Record>,
    faults: Mutex<Vec<Fault>>,
    released: watch::Sender<usize>,
    broken: watch::Sender<usize>,
}

impl Shared {
    fn faults(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.faults.lock().expect("no test panics with the script in hand")
    }

    fn mishap(&self, at: At, recipients: &[String]) -> Option<Mishap> {
        let mut faults = self.faults();
        let fault = faults.iter_mut().find(|fault| fault.strikes(at, recipients))?;
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.mishap.clone())
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Connections live in this set, so that stopping the server breaks them.
    let mut connections = JoinSet::new();
    let mut broken = shared.broken.subscribe();
    loop {
        let accepted = tokio::select! {
            biased;
            Ok(()) = broken.changed() => {
                connections.shutdown().await;
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let Ok((tcp, _)) = accepted else { return };
        shared.record.send_modify(|record| record.connections += 1);
        let _ = tcp.set_nodelay(true);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // A client that goes away ends the dialogue; that is no failure of the server.
            let _ = dialogue::converse(tcp, &shared).await;
        });
    }
}
