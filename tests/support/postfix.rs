//! A real Postfix for one test: its own configuration, queue, ports, certificates and maildirs.
//!
//! ```ignore
//! let postfix = Postfix::start();
//! // … send to 127.0.0.1:postfix.port(Door::Submission) …
//! let mails = postfix.wait_for("mei", 1);
//! ```
//!
//! Postfix drops privileges between its programs, so the tests that use it run as root. It dies with the value,
//! and with the test process if that is killed, frozen or not.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    certificates,
    slapd::{next_port, process_state, signal, signal_group, spawn},
    wait,
};

const PROGRAMS: &str = "/usr/lib/postfix/sbin";

/// A server that runs, or one that was stopped and keeps its queue.
#[derive(Debug)]
pub struct Postfix {
    dir: TempDir,
    ports: [u16; 3],
    master: Option<Master>,
}

/// Its first program, which leads a group of processes, and whoever sees to it that the group ends with us: the
/// signal that setpriv could ask for is forgotten when a process changes its user for a moment, as this one does.
#[derive(Debug)]
struct Master {
    process: Child,
    guardian: Child,
}

impl Master {
    fn start(command: Command) -> Self {
        let process = spawn(command);
        // Reads until our end of the pipe is gone. In a group of its own: what interrupts us must not end it first.
        let mut guardian = Command::new("sh");
        guardian
            .args(["-c", &format!("cat; kill -KILL -{} 2>&-", process.id())])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0);
        let guardian = spawn(guardian);
        Self { process, guardian }
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        let _ = self.guardian.wait();
        let _ = self.process.wait();
    }
}

/// Whom it takes mail for, and how patient it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// [`PEOPLE`], each with a maildir; everything as it comes out of the box.
    Few,
    /// Whoever it is, in one maildir; what did not go is tried again within seconds, and no id of a
    /// queue file comes twice.
    Everybody,
}

/// Where it lets mail in. All three take the login [`Postfix::USER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// In the clear, no login needed, no STARTTLS.
    Plain,
    /// STARTTLS and the login are needed.
    Submission,
    /// TLS from the first byte, and the login is needed.
    Tls,
}

/// Who has a maildir.
const PEOPLE: [&str; 7] = ["mei", "ravi", "sofia", "archive", "björn", "no-reply", "bounces"];

impl Postfix {
    /// Of the addresses that it takes mail for.
    pub const DOMAIN: &str = "harbour-vale.example";

    /// For the login, with its realm.
    pub const USER: &str = "herald@mail.harbour-vale.example";

    /// Of [`Self::USER`].
    pub const PASSWORD: &str = "correct horse battery";

    /// In bytes, for one message, unless it takes mail for everybody.
    pub const SIZE_LIMIT: usize = 20_000;

    /// Takes mail for `mei`, `ravi`, `sofia`, `archive`, `björn`, `no-reply` and `bounces`, has `greylisted` wait,
    /// sends what comes for `list` on to `sofia` and `no-reply`, takes what comes for `gone` and sends it back
    /// afterwards, and knows nobody else.
    pub fn start() -> Self {
        Self::certified_as(&["localhost", "127.0.0.1"])
    }

    /// The same as [`Self::start`], with a certificate for other names.
    pub fn certified_as(names: &[&str]) -> Self {
        Self::start_as(names, Manner::Few)
    }

    /// Takes mail for every address of every domain, of any size, into one maildir: whoever is written to by mistake
    /// is found there, see [`Self::all_mails`]. A line that ends in LF alone is refused.
    pub fn for_everybody() -> Self {
        Self::start_as(&["localhost", "127.0.0.1"], Manner::Everybody)
    }

    fn start_as(names: &[&str], manner: Manner) -> Self {
        assert!(Path::new(PROGRAMS).join("master").exists(), "{}", MISSING);
        assert_eq!(user_of_this_process(), "0", "Postfix drops privileges: these tests run as root");
        let dir = tempfile::Builder::new().prefix("dirherald-postfix-").tempdir().expect("a directory");
        prepare(dir.path(), names, manner);
        let (ports, master) = wait::until("free ports for Postfix", || {
            let [(first, second), (third, _)] = [(); 2].map(|()| next_port()).map(|port| (port, port + 1));
            let ports = [first, second, third];
            fs::write(dir.path().join("etc/master.cf"), master_cf(ports)).expect("writing master.cf");
            Some((ports, try_start(dir.path(), first)?))
        });
        Self { dir, ports, master: Some(master) }
    }

    fn pid(&self) -> u32 {
        self.master.as_ref().expect("Postfix runs").process.id()
    }

    /// Ends it as an administrator would.
    pub fn stop(&mut self) {
        signal("TERM", self.pid());
        self.wait_for_end();
    }

    /// Ends all its programs at once (SIGKILL).
    pub fn kill(&mut self) {
        signal_group("KILL", self.pid());
        self.wait_for_end();
    }

    fn wait_for_end(&mut self) {
        let mut master = self.master.take().expect("Postfix runs");
        wait::until("Postfix ends", || master.process.try_wait().expect("asking for our own child"));
    }

    /// Starts one that was stopped or killed, at the same ports, with the queue it had.
    pub fn start_again(&mut self) {
        assert!(self.master.is_none(), "Postfix runs already");
        let port = self.ports[0];
        self.master =
            Some(wait::until("Postfix starts on its old ports", || try_start(self.dir.path(), port)));
    }

    /// Stops all its programs without ending them (SIGSTOP).
    pub fn freeze(&self) {
        signal_group("STOP", self.pid());
        wait::until("Postfix is stopped", || (process_state(self.pid()) == Some('T')).then_some(()));
    }

    /// Lets a frozen one run on.
    pub fn thaw(&self) {
        signal_group("CONT", self.pid());
    }

    /// Tries at once whatever waits.
    pub fn flush(&self) {
        let mut command = Command::new("/usr/sbin/postqueue");
        let status = command.arg("-c").arg(self.dir.path().join("etc")).arg("-f").status();
        assert!(status.expect("starting postqueue").success(), "flushing the queue: {}", self.log());
    }

    /// How many messages it has taken and not delivered. A queue file is whole, and its message taken, when its
    /// owner may execute it (cleanup(8)); one that a kill left unfinished stays behind and means nothing.
    pub fn queued(&self) -> usize {
        let queues = ["incoming", "active", "deferred"];
        let files = queues.iter().flat_map(|queue| files_below(&self.dir.path().join("spool").join(queue)));
        files.filter(|file| is_executable(file)).count()
    }

    /// The files of the maildir for everybody, in any order.
    pub fn all_mails(&self) -> Vec<PathBuf> {
        files_below(&self.dir.path().join("maildirs/everybody/new"))
    }

    /// On 127.0.0.1.
    pub fn port(&self, door: Door) -> u16 {
        match door {
            Door::Plain => self.ports[0],
            Door::Submission => self.ports[1],
            Door::Tls => self.ports[2],
        }
    }

    /// The authority behind its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("tls/ca.pem")
    }

    /// Waits until one person has so many mails, and gives them as they lie in the maildir: with the
    /// envelope's sender in `Return-Path` and its recipient in `Delivered-To`.
    pub fn wait_for(&self, person: &str, count: usize) -> Vec<String> {
        wait::until(&format!("{count} mails to {person}"), || {
            let mails = self.mails(person);
            (mails.len() >= count).then_some(mails)
        })
    }

    /// Where the mails of one person lie, a file for each. It comes to be with the first.
    pub fn maildir(&self, person: &str) -> PathBuf {
        self.dir.path().join("maildirs").join(person).join("new")
    }

    /// What one person has now, in any order.
    pub fn mails(&self, person: &str) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.maildir(person)) else { return Vec::new() };
        let read = |file: std::io::Result<fs::DirEntry>| {
            let bytes = fs::read(file.expect("a file of the maildir").path()).expect("a mail");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        files.map(read).collect()
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Its own directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let Some(mut master) = self.master.take() else { return };
        // Its programs are not ours to wait for; they are done when they let go of the queue.
        signal("TERM", master.process.id());
        signal_group("CONT", master.process.id());
        for _ in 0..500 {
            if matches!(master.process.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            wait::pause();
        }
    }
}

const MISSING: &str = "Postfix is not installed: scripts/install-debian.sh --mail";

fn prepare(dir: &Path, names: &[&str], manner: Manner) {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("opening the directory to its users");
    certificates::write(&dir.join("tls"), names);
    let postfix = id("/etc/passwd", "postfix");
    let postdrop = id("/etc/group", "postdrop");
    for (path, owner, group, mode) in [
        ("etc", 0, 0, 0o755),
        ("etc/sasl", 0, id("/etc/group", "postfix"), 0o750),
        ("spool", 0, 0, 0o755),
        ("spool/pid", 0, 0, 0o755),
        ("spool/public", postfix, postdrop, 0o710),
        ("spool/maildrop", postfix, postdrop, 0o730),
        ("data", postfix, 0, 0o700),
        ("maildirs", postfix, 0, 0o755),
    ] {
        make(&dir.join(path), owner, group, mode);
    }
    for queue in [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
        "trace",
    ] {
        make(&dir.join("spool").join(queue), postfix, 0, 0o700);
    }
    let domain = Postfix::DOMAIN;
    let mailboxes = PEOPLE.map(|person| format!("{person}@{domain} {person}/\n"));
    fs::write(dir.join("etc/mailboxes"), mailboxes.concat() + &format!("greylisted@{domain} greylisted/\n"))
        .expect("writing the mailboxes");
    fs::write(dir.join("etc/everything"), "/./ everybody/\n").expect("writing the mailboxes");
    fs::write(dir.join("etc/main.cf"), main_cf(dir, manner)).expect("writing main.cf");
    let access = format!("greylisted@{domain} 450 4.2.0 greylisted, come back later\n");
    fs::write(dir.join("etc/access"), access).expect("writing the access rules");
    let aliases =
        format!("list@{domain} sofia@{domain}, no-reply@{domain}\ngone@{domain} gone@elsewhere.example\n");
    fs::write(dir.join("etc/aliases"), aliases).expect("writing the aliases");
    write_login(dir);
}

fn make(path: &Path, owner: u32, group: u32, mode: u32) {
    fs::create_dir(path).expect("making a directory of Postfix");
    chown(path, Some(owner), Some(group)).expect("giving Postfix its directory");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("giving Postfix its directory");
}

/// The passwords file of Cyrus SASL.
fn write_login(dir: &Path) {
    let file = dir.join("etc/sasl/passwords");
    let configuration = format!(
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: {}\n",
        file.display()
    );
    fs::write(dir.join("etc/sasl/smtpd.conf"), configuration).expect("writing the login's configuration");
    let (user, realm) = Postfix::USER.split_once('@').expect("a realm");
    let mut child = Command::new("/usr/sbin/saslpasswd2")
        .args(["-p", "-c", "-f"])
        .arg(&file)
        .args(["-u", realm, user])
        .stdin(Stdio::piped())
        .spawn()
        .expect("saslpasswd2, of the package sasl2-bin: scripts/install-debian.sh --mail");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(Postfix::PASSWORD.as_bytes()).expect("giving the password");
    drop(stdin);
    assert!(child.wait().expect("waiting for saslpasswd2").success(), "the login is written");
    chown(&file, None, Some(id("/etc/group", "postfix"))).expect("giving Postfix the login");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("giving Postfix the login");
}

/// `None`: a port was taken.
fn try_start(dir: &Path, port: u16) -> Option<Master> {
    let log = fs::File::create(dir.join("output")).expect("a file for its output");
    let begins = fs::read_to_string(dir.join("log")).unwrap_or_default().len();
    let mut command = Command::new(format!("{PROGRAMS}/master"));
    command
        .args(["-d", "-c"])
        .arg(dir.join("etc"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the same file"))
        .stderr(log)
        // On SIGTERM it ends all of its group.
        .process_group(0);
    let mut master = Master::start(command);
    let ended = wait::until("Postfix greets, or ends", || {
        if master.process.try_wait().expect("asking for our own child").is_some() {
            return Some(true);
        }
        greets(port).then_some(false)
    });
    let log = || fs::read_to_string(dir.join("log")).unwrap_or_default().split_off(begins);
    let output = || fs::read_to_string(dir.join("output")).unwrap_or_default();
    if !ended {
        return Some(master);
    }
    assert!(log().contains("Address already in use"), "Postfix ended: {}{}", log(), output());
    None
}

fn greets(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("220 ")
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o100 != 0)
}

/// In all its directories. What goes meanwhile is left out.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(dir) else { return Vec::new() };
    let paths = found.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn main_cf(dir: &Path, manner: Manner) -> String {
    let more = match manner {
        Manner::Few => "",
        Manner::Everybody => {
            "enable_long_queue_ids = yes\nqueue_run_delay = 2s\nminimal_backoff_time = 1s\n\
             maximal_backoff_time = 4s\ntransport_retry_time = 1s\nservice_throttle_time = 1s\n\
             default_process_limit = 30\nanvil_rate_time_unit = 1h\n"
        }
    };
    let postfix = id("/etc/passwd", "postfix");
    let dir = dir.to_str().expect("a temporary path in UTF-8");
    let domain = Postfix::DOMAIN;
    let everything = || format!("regexp:{dir}/etc/everything");
    let (domains, mailboxes, size) = match manner {
        Manner::Few => (domain.to_owned(), format!("texthash:{dir}/etc/mailboxes"), Postfix::SIZE_LIMIT),
        Manner::Everybody => (everything(), everything(), 50_000_000),
    };
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {dir}/spool\n\
         data_directory = {dir}/data\n\
         maillog_file = {dir}/log\n\
         maillog_file_prefixes = {dir}\n\
         syslog_name = postfix\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         myhostname = mail.{domain}\n\
         mydestination =\n\
         mynetworks = 127.0.0.1/32\n\
         default_transport = error:nothing leaves this machine\n\
         relay_transport = error:nothing leaves this machine\n\
         alias_maps =\n\
         local_recipient_maps =\n\
         virtual_mailbox_domains = {domains}\n\
         virtual_mailbox_maps = {mailboxes}\n\
         virtual_alias_maps = texthash:{dir}/etc/aliases\n\
         virtual_mailbox_base = {dir}/maildirs\n\
         virtual_minimum_uid = 1\n\
         virtual_uid_maps = static:{postfix}\n\
         virtual_gid_maps = static:{postfix}\n\
         message_size_limit = {size}\n\
         mailbox_size_limit = 0\n\
         virtual_mailbox_limit = 0\n\
         smtpd_recipient_restrictions = check_recipient_access texthash:{dir}/etc/access, reject_unauth_destination\n\
         smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination\n\
         smtpd_sasl_auth_enable = yes\n\
         smtpd_sasl_path = smtpd\n\
         smtpd_sasl_local_domain = $myhostname\n\
         cyrus_sasl_config_path = {dir}/etc/sasl\n\
         smtpd_tls_cert_file = {dir}/tls/server.pem\n\
         smtpd_tls_key_file = {dir}/tls/server.key\n\
         smtpd_tls_loglevel = 1\n\
         smtputf8_enable = yes\n\
         strict_smtputf8 = yes\n\
         smtpd_error_sleep_time = 0\n\
         smtpd_forbid_bare_newline = reject\n\
         smtpd_forbid_bare_newline_exclusions =\n\
         allow_min_user = yes\n\
         allow_percent_hack = no\n\
         swap_bangpath = no\n\
         allow_untrusted_routing = yes\n\
         in_flow_delay = 0\n\
         {more}"
    )
}

fn master_cf([plain, submission, tls]: [u16; 3]) -> String {
    let needs_login = "\n  -o smtpd_client_restrictions=permit_sasl_authenticated,reject";
    format!(
        "127.0.0.1:{plain} inet n - n - - smtpd\n  -o smtpd_tls_security_level=none\n\
         127.0.0.1:{submission} inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt{needs_login}\n\
         127.0.0.1:{tls} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes{needs_login}\n\
         pickup unix n - n 60 1 pickup\n\
         cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\n\
         flush unix n - n 1000? 0 flush\n\
         proxymap unix - - n - - proxymap\n\
         error unix - - n - - error\n\
         retry unix - - n - - error\n\
         discard unix - - n - - discard\n\
         virtual unix - n n - - virtual\n\
         anvil unix - - n - 1 anvil\n\
         scache unix - - n - 1 scache\n\
         postlog unix-dgram n - n - 1 postlogd\n"
    )
}

/// The number in the third field of a line of `/etc/passwd` or `/etc/group`.
fn id(file: &str, name: &str) -> u32 {
    let text = fs::read_to_string(file).expect("the system's users and groups");
    let line = text.lines().find(|line| line.split(':').next() == Some(name));
    let field =
        line.and_then(|line| line.split(':').nth(2)).unwrap_or_else(|| panic!("no {name}: {MISSING}"));
    field.parse().expect("a number")
}

fn user_of_this_process() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("what the kernel says of us");
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).expect("a user");
    line.split_whitespace().next().expect("a number").to_owned()
}
