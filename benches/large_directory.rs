//! How long a large directory takes to read: `make bench`.
//!
//! The directory is generated, the same every time, and served by a throw-away OpenLDAP of its own on this
//! machine. `BENCH_PEOPLE=100000` makes it smaller: the groups and the largest group go with it.

#![expect(clippy::indexing_slicing, reason = "a benchmark that panics has said what it has to say")]

#[path = "large_directory/generate.rs"]
mod generate;
#[path = "large_directory/measure.rs"]
mod measure;
#[path = "../tests/support/mod.rs"]
#[expect(dead_code, clippy::panic, reason = "the rig of the tests, of which the benchmark needs a part")]
mod support;

use std::{
    env, fs,
    process::{Command, Stdio},
    time::Instant,
};

use generate::Plan;
use measure::{Measured, median};
use support::slapd::{Setup, Slapd};

/// What a listener wants of every entry.
const ATTRIBUTES: [&str; 14] = [
    "objectClass",
    "entryUUID",
    "entryCSN",
    "cn",
    "sn",
    "uid",
    "displayName",
    "mail",
    "title",
    "manager",
    "member",
    "uniqueMember",
    "memberUid",
    "owner",
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

    let rounds: Vec<Measured> = (1..=ROUNDS)
        .map(|round| {
            let measured = ldapsearch(&slapd);
            println!("ldapsearch, round {round}: {measured}");
            measured
        })
        .collect();
    println!("ldapsearch, median:  {}", median(&rounds));
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
