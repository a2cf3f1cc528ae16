//! A hostile directory through the whole path: slapd, dirherald, Postfix, a maildir. Whatever stands in names,
//! values, DNs and addresses, each mail is well-formed to parsers that share nothing with what wrote it, has
//! the headers, the tags and the one recipient that a harmless value gives it, and shows the value as text.
//!
//! What slapd does not take goes the same way from a server that sends anything.
//!
//! `make hostile` is the long form. `DIRHERALD_HOSTILE_CASES` says how many values, `DIRHERALD_HOSTILE_SEED` which.

mod cells;
mod played;
mod real;
mod supply;
mod values;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use mail_parser::{MessageParser, MimeHeaders};
use serde_json::Value;

use self::{
    cells::{BASE, Cell, REFERENCES, tone},
    played::Playwright,
    real::{Directory, RINGERS},
    supply::{Refused, Supply},
    values::Values,
};
use crate::support::{
    daemon::{Daemon, Site},
    ldap::Ldap,
    postfix::{Door, Postfix},
    scripted_ldap::ScriptedLdap,
    smtp::SmtpServer,
    wait,
};

/// So many cells are played before the mails are waited for.
const ROUND: usize = 10;

/// Values in one cell, roughly: enough cells are prepared for as many values as are wanted.
const LEAST_IN_A_CELL: usize = 95;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m16_m17_m18_whatever_stands_in_the_directory_arrives_as_text() {
    let seed = setting("SEED", 1);
    let cases = usize::try_from(setting("CASES", 2000)).expect("a small number");
    println!("seed {seed}: at least {cases} values");
    let start = Instant::now();
    let mut refused = Refused::default();
    let by_slapd = on_slapd(seed, cases, &mut refused).await;
    println!(
        "seed {seed}, slapd: {by_slapd}, {} values refused, {:.1} s",
        refused.len(),
        start.elapsed().as_secs_f64()
    );
    assert!(refused.len() > cases / 100, "what slapd takes is not all there is");
    let by_script = scripted(seed, &mut refused).await;
    println!("seed {seed}, scripted: {by_script}, {:.1} s", start.elapsed().as_secs_f64());
}

fn setting(name: &str, otherwise: u64) -> u64 {
    let name = format!("DIRHERALD_HOSTILE_{name}");
    std::env::var(&name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// What is the same on both servers.
struct Stage {
    postfix: Postfix,
    site: Site,
    cells: Vec<Cell>,
}

impl Stage {
    fn new(postfix: Postfix, site: Site) -> Self {
        let site = site
            .by_postfix(&postfix, Door::Plain)
            .with_guard_wide_open()
            .with("base_dn", &format!("\"{BASE}\""))
            .with("exclude", &format!("[\"ou=probes,{BASE}\"]"))
            .with("schema.dummy_members", &format!("[\"cn=nobody,{BASE}\"]"))
            .with(
                "schema.watched_attributes",
                "[\"displayName\", \"mail\", \"title\", \"businessCategory\", \"telephoneNumber\", \"description\", \
                 \"l\", \"street\", \"audio\"]",
            );
        let options =
            ["logged_in_users", "owner", "manager", "object_modified", "added_members", "removed_members"];
        let site = options.iter().fold(site, |site, option| site.with(&format!("notify.{option}"), "true"));
        Self { postfix, site, cells: Vec::new() }
    }

    /// Waits for the mail of a ring, and for the end of the queue.
    async fn heard(&self, ring: &str) {
        let mut known = 0;
        wait::until_async(&format!("the mail of {ring}"), async || {
            let Ok(files) = fs::read_dir(self.postfix.maildir("everybody")) else { return None };
            let mut names: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
            if names.len() == known {
                return None;
            }
            known = names.len();
            names.sort();
            names.iter().rev().take(300).any(|path| is_of_ring(path, ring)).then_some(())
        })
        .await;
        wait::until_async("an empty queue", async || {
            let pending = "SELECT count(*) FROM message WHERE state IN ('scheduled', 'deferred')";
            (self.site.count(pending) == 0 && self.arrived() == self.delivered()).then_some(())
        })
        .await;
    }

    fn arrived(&self) -> usize {
        fs::read_dir(self.postfix.maildir("everybody")).map_or(0, Iterator::count)
    }

    fn delivered(&self) -> usize {
        let delivered = self.site.count("SELECT count(*) FROM message WHERE state = 'delivered'");
        usize::try_from(delivered).expect("a number of mails")
    }

    /// Has the maildir read by others, and says what they saw.
    async fn judge(self, daemon: Daemon) -> String {
        daemon.stop().await;
        self.write_expectations();
        let failed = self.site.count("SELECT count(*) FROM message WHERE state <> 'delivered'");
        assert_eq!(failed, 0, "every mail was taken at its first recipient");
        self.assert_skipped();
        let maildir = self.postfix.maildir("everybody");
        let output = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/read_mails.py"))
            .args([&maildir, &self.expectations()])
            .output()
            .expect("python3: scripts/install-debian.sh --mail");
        let (said, complaints) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{said}{complaints}");
        assert_eq!(by_mail_parser(&maildir), self.delivered());
        said.trim().to_owned()
    }

    fn expectations(&self) -> PathBuf {
        self.postfix.dir().join("expectations.json")
    }

    fn write_expectations(&self) {
        let cells = Value::from(self.cells.iter().map(Cell::expectation).collect::<Vec<_>>());
        fs::write(self.expectations(), cells.to_string()).expect("writing what is expected");
    }

    /// M16: of whom the address is none, it is recorded that they were not told, and why.
    fn assert_skipped(&self) {
        let without = self.cells.iter().filter(|cell| cell.new_address().is_none()).count();
        let of_one = "SELECT count(DISTINCT facts ->> '$.who.id') FROM skipped \
                      WHERE facts ->> '$.why' IN ('invalid-address', 'no-address')";
        assert_eq!(usize::try_from(self.site.count(of_one)).expect("a number"), without);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}\nthe mails are kept in {:?}", self.site.log(), kept(&self.postfix));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A copy of the mails that outlives the test which failed.
fn kept(postfix: &Postfix) -> PathBuf {
    let copy = tempfile::Builder::new().prefix("dirherald-hostile-").tempdir().expect("a directory").keep();
    let _ = Command::new("cp").arg("-r").args([postfix.maildir("everybody"), copy.clone()]).status();
    let _ = fs::copy(postfix.dir().join("expectations.json"), copy.join("expectations.json"));
    copy
}

fn is_of_ring(path: &Path, ring: &str) -> bool {
    let mail = fs::read(path).unwrap_or_default();
    let mail = String::from_utf8_lossy(&mail);
    mail.contains(&format!("Delivered-To: {RINGERS}")) && mail.contains(ring)
}

/// The second opinion. Answers how many mails there are.
fn by_mail_parser(maildir: &Path) -> usize {
    let files = fs::read_dir(maildir).expect("mails");
    let read = files.map(|file| {
        let bytes = fs::read(file.expect("a file").path()).expect("a mail");
        let mail = MessageParser::default().parse(&bytes).expect("a message");
        let to = mail.to().and_then(|to| to.first()).expect("a recipient");
        // It takes a local part in quotes for a name where no angle brackets follow.
        let shown = match (to.name(), to.address()) {
            (Some(name), Some(rest)) if rest.starts_with('@') => format!("{name}{rest}"),
            (_, address) => address.expect("a recipient").to_owned(),
        };
        let delivered = mail.header_raw("Delivered-To").expect("a recipient").trim();
        assert_eq!(shown.replace('"', ""), delivered.replace('"', ""), "{}", text(&bytes));
        assert_eq!(mail.to().map(|to| to.iter().count()), Some(1));
        assert!(mail.cc().is_none() && mail.bcc().is_none());
        assert_eq!((mail.text_body_count(), mail.html_body_count(), mail.attachment_count()), (1, 1, 0));
        assert_eq!(mail.parts.len(), 3);
        assert!(mail.parts.iter().all(|part| !part.is_encoding_problem));
        assert!(mail.content_type().is_some_and(|kind| kind.c_type == "multipart"));
    });
    read.count()
}

/// Until so many values were taken by a real server. Puts aside what it refuses.
async fn on_slapd(seed: u64, cases: usize, refused: &mut Refused) -> String {
    let prepared = REFERENCES.len() + cases.div_ceil(LEAST_IN_A_CELL) + 1;
    let slapd = real::slapd(prepared);
    let (unused, postfix) = (SmtpServer::start().await, Postfix::for_everybody());
    let mut stage = Stage::new(postfix, Site::new(&slapd, &unused));
    let daemon = stage.site.start();
    daemon.wait_live().await;
    let ldap = Ldap::admin(&slapd).await;
    let mut directory = Directory::new(&slapd, &ldap);
    let mut values = Values::new(seed);
    let mut supply = Supply::checked(&mut values, &ldap, refused);
    for number in 0..prepared {
        if supply.total() >= cases {
            break;
        }
        let tone = REFERENCES.get(number).copied().unwrap_or_else(|| tone(supply.values()));
        let cell = Cell::fill(number, tone, &mut supply).await;
        directory.play(&cell).await;
        stage.cells.push(cell);
        if number % ROUND == ROUND - 1 {
            stage.heard(&directory.ring().await).await;
        }
    }
    assert!(supply.total() >= cases, "{} values in {prepared} cells", supply.total());
    let counted = format!("{:?}", supply.counted);
    stage.heard(&directory.ring().await).await;
    format!("{counted} {}", stage.judge(daemon).await)
}

/// What a real server refused, from one that does not look.
async fn scripted(seed: u64, refused: &mut Refused) -> String {
    let all = refused.len();
    let mut values = Values::new(!seed);
    let mut supply = Supply::unchecked(&mut values, refused);
    let mut cells = Vec::new();
    while supply.left() > 0 || cells.len() <= REFERENCES.len() {
        let tone = REFERENCES.get(cells.len()).copied().unwrap_or_else(|| tone(supply.values()));
        cells.push(Cell::fill(cells.len(), tone, &mut supply).await);
    }
    let counted = format!("{all} refused values among {:?}", supply.counted);
    let mut script = Playwright::new(&cells.iter().map(|cell| cell.number).collect());
    let mut rings = Vec::new();
    for round in cells.chunks(ROUND) {
        for cell in round {
            script.play(cell);
        }
        rings.push(script.ring());
    }
    let server = ScriptedLdap::start([script.finished()]).await;
    let site = Site::empty();
    let site = [
        ("urls", format!("[\"{}\"]", server.url())),
        ("bind.dn", format!("\"cn=dirherald,ou=services,{BASE}\"")),
        ("bind.password", "\"demo-only\"".to_owned()),
        ("tls.allow_plaintext", "true".to_owned()),
        ("smtp.server", "\"127.0.0.1\"".to_owned()),
        ("smtp.security", "\"none\"".to_owned()),
        ("smtp.from", "\"Directory <no-reply@harbour-vale.example>\"".to_owned()),
        ("notify.digest_window", "\"0s\"".to_owned()),
        ("notify.max_messages_per_hour", "1000000".to_owned()),
    ]
    .iter()
    .fold(site, |site, (key, value)| site.with(key, value));
    let mut stage = Stage::new(Postfix::for_everybody(), site);
    stage.cells = cells;
    let daemon = stage.site.start();
    daemon.wait_live().await;
    for ring in &rings {
        stage.heard(ring).await;
        server.go_on();
    }
    format!("{counted} {}", stage.judge(daemon).await)
}
