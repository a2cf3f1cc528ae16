//! A long queue: the mail server is away while many messages are written, and then it is back. What that takes of
//! the daemon's memory must not depend on how many they are.
//!
//! Each change of one group concerns a thousand owners. `DIRHERALD_QUEUE_MESSAGES` says how many messages are to
//! wait; `make queue` takes 100,000.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use dirherald::db::Reader;

use crate::support::{
    daemon::Site,
    ldap::Ldap,
    slapd::{COMPANY, Setup},
    smtp::{Mail, SmtpServer},
};

const MESSAGES: &str = "DIRHERALD_QUEUE_MESSAGES";
/// What `make test` takes.
const FEW: usize = 3_000;
/// Who hears of each change.
const OWNERS: usize = 1_000;
/// From the first thousand messages to the last, at the peak, in kilobytes. A message and its notification have some
/// five kilobytes: of a hundred thousand, a tenth in memory would be noticed.
const MAY_GROW: u64 = 48 << 10;
/// A command that lists the queue, at the peak, in kilobytes.
const MAY_LIST_WITH: u64 = 64 << 10;

/// Fails a test in which nothing happens any more.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(50);

#[tokio::test]
async fn m03_a_long_queue_takes_no_more_memory_than_a_short_one() {
    let wanted = messages();
    let slapd = Setup::seeded(COMPANY, &company()).start();
    let mut smtp = SmtpServer::options().keeping_headers(&["Message-ID", "Subject"]).start_down();
    let site = Site::new(&slapd, &smtp).with("notify.owner", "true");
    let daemon = site.start();
    daemon.wait_live().await;
    let ldap = Ldap::admin(&slapd).await;
    println!("messages  seconds  peak MB  now MB");
    let mut peaks = BTreeMap::new();
    let begun = Instant::now();
    for waiting in (OWNERS..=wanted).step_by(OWNERS) {
        ldap.replace("cn=target,ou=groups", "displayName", &[&subject_of(waiting)]).await;
        until(&format!("{waiting} messages wait"), || pending(&site), waiting).await;
        if waiting == wanted || [1_000, 10_000, 100_000].contains(&waiting) {
            let memory = Memory::of(daemon.pid());
            println!("{waiting:8} {:8} {memory}", begun.elapsed().as_secs());
            peaks.insert(waiting, memory.peak);
        }
    }
    look_meanwhile(&site, wanted).await;

    smtp.start_again().await;
    let back = Instant::now();
    until("all is sent", || wanted - pending(&site), wanted).await;
    let seconds = back.elapsed().as_secs_f64();
    let memory = Memory::of(daemon.pid());
    println!("    sent {seconds:8.0} {memory}: {:.0} a second", rate(wanted, seconds));
    assert_sent_once_and_in_order(&smtp.mails(), wanted);
    let first = peaks.first_key_value().map(|(_, peak)| *peak).expect("there are some");
    assert!(memory.peak - first < MAY_GROW, "{first} kB at the first, {} kB at the end", memory.peak);
    assert_eq!(site.count("SELECT count(*) FROM message WHERE state <> 'delivered'"), 0);
    daemon.stop().await;
}

/// Commands, while nothing can be sent.
async fn look_meanwhile(site: &Site, waiting: usize) {
    let begun = Instant::now();
    let [status] = &site.status().await[..] else { panic!("one store") };
    let error = status["last_error"].as_str().expect("an error");
    assert!(error.contains("the mail server cannot be used"), "{error}");
    println!("  status {:8.2} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let (first, memory) = list(site, waiting);
    println!("    list {:8.2} s, {memory}", begun.elapsed().as_secs_f64());
    assert!(memory.peak < MAY_LIST_WITH, "{memory}");
    let shown = site.run(&["outbox", "show", &first]).await;
    assert!(shown.code == 0 && shown.stdout.contains(&subject_of(OWNERS)), "{}", shown.stderr);
}

/// Reads what `outbox list` prints line by line; the first id, and the memory it took to the last line.
fn list(site: &Site, waiting: usize) -> (String, Memory) {
    let mut command = site.command(&["outbox", "list", "--json"]).into_std();
    let mut child = command.stdout(Stdio::piped()).spawn().expect("starting dirherald");
    let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let (mut first, mut memory, mut count) = (None, None, 0);
    for line in lines {
        let line = line.expect("a line");
        first = first.or_else(|| {
            let message: serde_json::Value = serde_json::from_str(&line).expect("a JSON object");
            message["id"].as_str().map(str::to_owned)
        });
        count += 1;
        // What is left to be read then fits into the pipe and the reader's own memory.
        if count % 100 == 0 && count + 100 < waiting {
            memory = Some(Memory::of(child.id()));
        }
    }
    assert!(child.wait().expect("waiting for it").success());
    assert_eq!(count, waiting);
    (first.expect("a message"), memory.expect("many messages"))
}

#[track_caller]
fn assert_sent_once_and_in_order(mails: &[Mail], expected: usize) {
    assert_eq!(mails.len(), expected);
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for mail in mails {
        let [to] = &mail.to[..] else { panic!("one recipient: {mail:?}") };
        let subject = mail.header("Subject").expect("a subject");
        let before = last.entry(to).or_default();
        *before += OWNERS;
        assert!(subject.contains(&subject_of(*before)), "{subject} to {to}, not {}", subject_of(*before));
    }
    assert_eq!(last.len(), OWNERS);
    let ids: std::collections::BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids.len(), expected);
}

/// What the group is called when so many messages wait.
fn subject_of(waiting: usize) -> String {
    format!("target {waiting:07}")
}

fn messages() -> usize {
    let given = std::env::var(MESSAGES).ok().map(|text| text.parse().expect("a number of messages"));
    given.unwrap_or(FEW) / OWNERS * OWNERS
}

/// A group whose owner is a group of a thousand.
fn company() -> String {
    let person = |number: usize| format!("uid=u{number:04},ou=people,{COMPANY}");
    let mut ldif = format!(
        "dn: {COMPANY}\nobjectClass: dcObject\nobjectClass: organization\ndc: harbour-vale\no: x\n\n"
    );
    for unit in ["people", "groups", "services"] {
        write!(ldif, "dn: ou={unit},{COMPANY}\nobjectClass: organizationalUnit\nou: {unit}\n\n")
            .expect("memory");
    }
    write!(
        ldif,
        "dn: cn=dirherald,ou=services,{COMPANY}\nobjectClass: applicationProcess\n\
         objectClass: simpleSecurityObject\ncn: dirherald\nuserPassword: demo-only\n\n"
    )
    .expect("memory");
    for number in 0..OWNERS {
        write!(
            ldif,
            "dn: {}\nobjectClass: inetOrgPerson\nuid: u{number:04}\ncn: Person {number}\nsn: {number}\n\
             mail: u{number:04}@harbour-vale.example\n\n",
            person(number)
        )
        .expect("memory");
    }
    let members: String =
        (0..OWNERS).map(|number| format!("member: {}\n", person(number))).collect::<Vec<_>>().concat();
    write!(ldif, "dn: cn=crowd,ou=groups,{COMPANY}\nobjectClass: groupOfNames\ncn: crowd\n{members}\n")
        .expect("memory");
    write!(
        ldif,
        "dn: cn=target,ou=groups,{COMPANY}\nobjectClass: groupOfNames\nobjectClass: dirheraldManaged\ncn: target\n\
         owner: cn=crowd,ou=groups,{COMPANY}\nmember: {}\n\n",
        person(0)
    )
    .expect("memory");
    ldif
}

fn pending(site: &Site) -> usize {
    let reader = Reader::open(&site.state_file()).expect("opening the state").expect("there is one");
    let [row] = &reader.status().expect("reading the status")[..] else { panic!("one store") };
    usize::try_from(row.outbox_pending).expect("a number of messages")
}

/// Waits until `look` gives `wanted`, for as long as it gives something else than before.
async fn until(what: &str, look: impl Fn() -> usize, wanted: usize) {
    let (mut seen, mut since) = (look(), Instant::now());
    while seen != wanted {
        assert!(since.elapsed() < PATIENCE, "{what}: {seen}, and for {PATIENCE:?} no more");
        tokio::time::sleep(PAUSE).await;
        let now = look();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
}

fn rate(count: usize, seconds: f64) -> f64 {
    let count = u32::try_from(count).expect("a number of messages");
    f64::from(count) / seconds
}

/// Of a process, in kilobytes: proc_pid_status(5).
struct Memory {
    peak: u64,
    now: u64,
}

impl Memory {
    fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("what the kernel says of it");
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
            value.split_whitespace().next().and_then(|number| number.parse().ok()).expect("kilobytes")
        };
        Self { peak: field("VmHWM:"), now: field("VmRSS:") }
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:8} {:7}", self.peak >> 10, self.now >> 10)
    }
}
