//! How long a large directory takes to read, beside `ldapsearch`, and a change to become a mail: `make bench`.
//!
//! The directory is generated, the same every time, and served by a throw-away OpenLDAP of its own on this
//! machine. `BENCH_PEOPLE=100000` makes it smaller: the groups and the largest group go with it.

#![expect(clippy::indexing_slicing, reason = "a benchmark that panics has said what it has to say")]

#[path = "large_directory/dirherald.rs"]
mod dirherald;
#[path = "large_directory/generate.rs"]
mod generate;
#[path = "large_directory/measure.rs"]
mod measure;
#[path = "../tests/support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    clippy::panic,
    reason = "the rig of the tests, of which the benchmark needs a part"
)]
mod support;

use std::{
    env, fs,
    process::{Command, Stdio},
    time::Instant,
};

use dirherald::{Dirherald, latency};
use generate::Plan;
use measure::{Measured, median};
use support::{
    slapd::{Setup, Slapd},
    smtp::SmtpServer,
};
use tokio::runtime::Runtime;

/// What dirherald asks for with the default schema.
const ATTRIBUTES: [&str; 22] = [
    "objectClass",
    "entryUUID",
    "entryCSN",
    "modifiersName",
    "modifyTimestamp",
    "cn",
    "uid",
    "displayName",
    "mail",
    "title",
    "department",
    "telephoneNumber",
    "preferredLanguage",
    "pwdAccountLockedTime",
    "manager",
    "member",
    "uniqueMember",
    "memberUid",
    "owner",
    "managedBy",
    "msExchCoManagedByLink",
    "creatorsName",
];

const ROUNDS: usize = 3;

fn main() {
    // Cargo passes this to benchmarks alone, not where it runs all targets as tests.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let plan = Plan::of(people());
    println!(
        "{} entries, {} memberships, the largest group has {} members",
        plan.entries(),
        plan.memberships(),
        plan.largest_group()
    );
    let start = Instant::now();
    let slapd = serve(&plan);
    println!("generated, loaded and served in {:.1} s", start.elapsed().as_secs_f64());

    let runtime = Runtime::new().expect("a runtime");
    let smtp = runtime.block_on(SmtpServer::start());
    let mut searches = Vec::new();
    let mut baselines = Vec::new();
    for round in 1..=ROUNDS {
        searches.push(ldapsearch(&slapd));
        println!("round {round}: ldapsearch {}", searches[round - 1]);
        let dirherald = Dirherald::read(&slapd, &smtp);
        baselines.push(dirherald.baseline);
        println!(
            "round {round}: dirherald  {}, {} MB of state",
            dirherald.baseline,
            dirherald.state_size() / 1_000_000
        );
        if round == ROUNDS {
            changes(&runtime, &slapd, &smtp, &dirherald);
        }
    }
    let (search, baseline) = (median(&searches), median(&baselines));
    println!("median:  ldapsearch {search}");
    println!("median:  dirherald  {baseline}");
    println!(
        "ratio:   {:.2} times the time of ldapsearch",
        baseline.wall.as_secs_f64() / search.wall.as_secs_f64()
    );
}

/// How soon a change is a mail, in a small group and in the largest.
fn changes(runtime: &Runtime, slapd: &Slapd, smtp: &SmtpServer, dirherald: &Dirherald) {
    for group in ["cn=g000001,ou=groups", "cn=large,ou=groups"] {
        println!("from change to mail, {group}: {}", latency(runtime, slapd, smtp, group));
    }
    println!("peak memory of dirherald after that: {} MB", dirherald.peak_memory() / 1_000_000);
}

fn people() -> usize {
    let Ok(text) = env::var("BENCH_PEOPLE") else { return 1_000_000 };
    text.parse().ok().filter(|&people| people >= 1000).expect("BENCH_PEOPLE is a number of at least 1000")
}

fn serve(plan: &Plan) -> Slapd {
    let setup = Setup::seeded(generate::BASE, "").max_size(8 << 30);
    setup.start_with(|out| plan.write(out))
}

fn ldapsearch(slapd: &Slapd) -> Measured {
    let mut command = Command::new("ldapsearch");
    command
        .args(["-LLL", "-x", "-H", &slapd.url(), "-D", &slapd.service_dn(), "-w", Slapd::SERVICE_PASSWORD])
        .args(["-b", slapd.base(), "(objectClass=*)"])
        .args(ATTRIBUTES)
        .stdin(Stdio::null())
        .stdout(fs::File::create("/dev/null").expect("nowhere to write to"));
    measure::until_it_ends(command)
}
