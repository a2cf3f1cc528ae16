//! dirherald under measurement: its baseline, its memory, and how soon a change is a mail.

use std::{
    fmt, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ::dirherald::clock;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    measure::{Measured, peak_memory_of},
    support::{ldap::Ldap, slapd::Slapd, smtp::SmtpServer},
};

/// What `run` says when the mirror stands.
const READ: &str = "baseline stored";

/// Single changes of the latency measurement.
const CHANGES: usize = 200;

/// A running dirherald with a state file of its own.
pub struct Dirherald {
    child: Child,
    dir: TempDir,
    /// From its start until the baseline stood.
    pub baseline: Measured,
}

/// Times from the directory's answer to a change until the mail server had the mail.
pub struct Latency {
    sorted: Vec<Duration>,
}

impl Dirherald {
    /// Starts it and waits until its baseline stands.
    pub fn read(slapd: &Slapd, smtp: &SmtpServer) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = dir.path().join("dirherald.toml");
        fs::write(&config, configuration(dir.path(), slapd, smtp)).expect("writing the configuration");
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_dirherald"))
            .arg("--config")
            .arg(&config)
            .arg("run")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting dirherald");
        let mut log = BufReader::new(child.stderr.take().expect("its log")).lines();
        let read = log.by_ref().any(|line| line.expect("a line of its log").contains(READ));
        assert!(read, "dirherald ended before its baseline stood");
        let wall = start.elapsed();
        let peak_memory = peak_memory_of(&child).expect("its memory");
        // Nobody may stop reading its log, or it stops at a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, dir, baseline: Measured { wall, peak_memory } }
    }

    /// Bytes of the state file with all that belongs to it.
    pub fn state_size(&self) -> u64 {
        let files = fs::read_dir(self.dir.path()).expect("its directory");
        files.map(|file| file.and_then(|file| file.metadata()).expect("a file of the state").len()).sum()
    }

    /// The most memory it had resident so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        peak_memory_of(&self.child).expect("its memory")
    }
}

impl Drop for Dirherald {
    fn drop(&mut self) {
        self.child.kill().expect("ending our own child");
        self.child.wait().expect("waiting for our own child");
    }
}

/// Adds people to a group one by one, each after the mail about the one before has arrived.
pub fn latency(runtime: &Runtime, slapd: &Slapd, smtp: &SmtpServer, group: &str) -> Latency {
    runtime.block_on(async {
        let ldap = Ldap::admin(slapd).await;
        let mut sorted = Vec::with_capacity(CHANGES);
        for number in 0..CHANGES {
            let mails = smtp.mails().len();
            // Numbers that no generated membership of this group has, as it takes every tenth or a few.
            ldap.add_member(group, &format!("uid=u{:07},ou=people", number * 10 + 3)).await;
            let answered = clock::now();
            let arrived = smtp.wait_for(mails + 1).await;
            let mail = arrived.last().expect("we waited for it");
            sorted.push(Duration::try_from(mail.at.duration_since(answered)).unwrap_or_default());
        }
        sorted.sort_unstable();
        Latency { sorted }
    })
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: usize| {
            let last = self.sorted.len() - 1;
            self.sorted[last * share / 100].as_secs_f64() * 1000.0
        };
        write!(f, "median {:.1} ms, 95 of 100 within {:.1} ms, slowest {:.1} ms", at(50), at(95), at(100))
    }
}

fn configuration(dir: &Path, slapd: &Slapd, smtp: &SmtpServer) -> String {
    format!(
        r#"
        [state]
        path = "{state}"
        [identity_store.large]
        urls = ["{url}"]
        base_dn = "{base}"
        bind = {{ dn = "{dn}", password = "{password}" }}
        tls = {{ allow_plaintext = true }}
        smtp = {{ server = "127.0.0.1", port = {port}, security = "none", from = "dirherald@large.example" }}
        notify = {{ owner = true, digest_window = "0s", max_messages_per_hour = 1000000 }}
        guard = {{ max_events = 1000000, membership_percent = 1000 }}
        "#,
        state = dir.join("state.db").display(),
        url = slapd.url(),
        base = slapd.base(),
        dn = slapd.service_dn(),
        password = Slapd::SERVICE_PASSWORD,
        port = smtp.port(),
    )
}
