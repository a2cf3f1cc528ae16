//! `dirherald demo`, as a user runs it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use mail_parser::MessageParser;
use tempfile::TempDir;

use crate::support::wait;

/// Who is to be told in each step, and by which options, in the order of the names.
const TOLD: &[(&str, &[(&str, &str)])] = &[
    (
        "Jonas Lindqvist adds Nadia Haddad to the group payroll",
        &[
            ("Chloé Martin", "owner"),
            ("Jonas Lindqvist", "logged_in_users, owner"),
            ("Nadia Haddad", "added_members"),
            ("audit@…", "recipients"),
        ],
    ),
    (
        "Lena Hartmann adds Mei Chen to quay-cameras, which a group owns",
        &[
            ("Lena Hartmann", "logged_in_users, owner"),
            ("Mei Chen", "added_members"),
            ("audit@…", "recipients"),
            ("İbrahim Demir", "owner"),
        ],
    ),
    (
        "Kenji Watanabe adds Nadia Haddad to vpn-users, a public group",
        &[
            ("Kenji Watanabe", "logged_in_users, owner, public_group_owner"),
            ("Lena Hartmann", "owner, public_group_owner"),
            ("Nadia Haddad", "added_members"),
            ("Priya Raman", "owner, public_group_owner"),
            ("audit@…", "recipients"),
            ("İbrahim Demir", "owner, public_group_owner"),
        ],
    ),
    (
        "Wanjiru Kamau adds the whole group warehouse to harbour-project",
        &[
            ("Mei Chen", "added_members"),
            ("Wanjiru Kamau", "logged_in_users, owner"),
            ("audit@…", "recipients"),
            ("Óscar Fuentes", "added_members"),
        ],
    ),
    (
        "Amara Okafor removes Óscar Fuentes from crane-log",
        &[
            ("Amara Okafor", "logged_in_users, owner"),
            ("Ravi Pillai", "owner"),
            ("audit@…", "recipients"),
            ("Óscar Fuentes", "removed_members"),
        ],
    ),
    (
        "Lena Hartmann makes Ravi Pillai owner of harbour-project, not Wanjiru",
        &[
            ("Lena Hartmann", "logged_in_users"),
            ("Ravi Pillai", "owner"),
            ("Wanjiru Kamau", "owner"),
            ("audit@…", "recipients"),
        ],
    ),
    (
        "Lena Hartmann renames the account aroha to aroha.ngata",
        &[("Lena Hartmann", "logged_in_users"), ("Sofía Herrera", "manager"), ("audit@…", "recipients")],
    ),
    (
        "The nightly job of personnel gives Mei Chen another job title",
        &[("Ravi Pillai", "manager"), ("audit@…", "recipients")],
    ),
    (
        "İbrahim Demir deletes Tomasz Nowak, who was in finance and payroll",
        &[("Chloé Martin", "owner"), ("Jonas Lindqvist", "manager, owner"), ("audit@…", "recipients")],
    ),
    (
        "Lena Hartmann deletes the group finance",
        &[
            ("Chloé Martin", "removed_members"),
            ("Jonas Lindqvist", "owner, removed_members"),
            ("audit@…", "recipients"),
        ],
    ),
];

/// How many mails there are of all that [`TOLD`] tells.
fn mails_told() -> usize {
    TOLD.iter().map(|(_, told)| told.len()).sum()
}

#[test]
fn demo_tells_the_right_people_and_leaves_nothing_but_the_mails() {
    let place = Place::new();
    let Output { status, stdout, stderr } = place.demo(&[]).output().expect("running the demo");
    let page = String::from_utf8(stdout).expect("UTF-8");
    assert!(status.success() && stderr.is_empty(), "{page}\n{}", String::from_utf8_lossy(&stderr));
    assert_eq!(people_told(&page), expected());
    assert!(page.contains("│ Subject: Nadia Haddad was added to payroll"), "{page}");
    assert!(page.contains("│ X-Dirherald-Reasons: owner"), "{page}");
    assert!(page.contains("│ Hello Chloé Martin,"), "{page}");
    assert!(page.contains("10 changes became 37 mails in "), "{page}");
    assert!(
        page.contains("│   not told: Finn O'Brien, through the group warehouse, has no mail address\n"),
        "{page}"
    );
    for line in page.lines() {
        assert!(line.chars().count() <= 80 && !line.contains('\x1b'), "{line}");
    }

    let left = place.content();
    let [mails] = left.as_slice() else { panic!("only the mails are left, not {left:?}") };
    assert!(page.contains(&format!("They lie in {}, ", mails.display())), "{page}");
    let told = options_in(mails);
    assert_eq!(told.values().sum::<usize>(), mails_told());
    assert_eq!(told, options_of(&expected()), "what was printed is what the mails say");
    assert_eq!(place.processes(), Vec::<u32>::new());
}

#[test]
fn demo_that_is_kept_runs_on_and_stops_the_way_it_says() {
    let place = Place::new();
    let Output { status, stdout, .. } = place.demo(&["--keep"]).output().expect("running the demo");
    let page = String::from_utf8(stdout).expect("UTF-8");
    assert!(status.success(), "{page}");
    assert_eq!(people_told(&page), expected());
    assert_eq!(place.processes().len(), 2, "slapd and dirherald run");
    let after = |mark: &str| page.split_once(mark).expect("the page has it").1.to_owned();
    let commands = after("Paste this to try them:\n");
    let (to_try, to_stop) = commands.split_once("To stop both, and to remove everything:\n").expect("both");

    let tried = shell(to_try);
    assert!(tried.contains("Dmitri Volkov"), "{tried}");
    let [own] = place.content().try_into().expect("one directory");
    let config = fs::metadata(own.join("dirherald.toml")).expect("the configuration");
    assert_eq!(config.permissions().mode() & 0o777, 0o600, "it holds a password");
    wait::until("the change that was tried is told", || {
        let mails = options_in(&own.join("mails"));
        (mails.values().sum::<usize>() > mails_told() + 3).then_some(())
    });

    shell(to_stop);
    wait::until("all has ended", || place.processes().is_empty().then_some(()));
    assert_eq!(place.content(), Vec::<PathBuf>::new());
}

#[test]
fn demo_that_is_interrupted_leaves_nothing() {
    for signal in ["INT", "TERM", "HUP"] {
        let place = Place::new();
        place.put_ldapmodify("#!/bin/sh\n: >\"$BEGUN\"\nexec sleep 1000\n");
        let begun = place.programs.path().join("begun");
        let child = place
            .demo(&[])
            .env("BEGUN", &begun)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting the demo");
        wait::until("the first change begins", || begun.exists().then_some(()));
        // A process that was just started shows its starter's environment for a moment, or none at all.
        wait::until("there are the demo, slapd, dirherald and what acts as ldapmodify", || {
            (place.processes().len() == 4).then_some(())
        });
        shell(&format!("kill -{signal} {}", child.id()));
        let Output { status, stderr, .. } = ended(child);
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "SIG{signal}: {said}");
        assert!(said.contains("interrupted"), "SIG{signal}: {said}");
        wait::until("all has ended", || place.processes().is_empty().then_some(()));
        assert_eq!(place.content(), Vec::<PathBuf>::new(), "SIG{signal}");
    }
}

#[test]
fn demo_that_fails_says_why_and_leaves_nothing() {
    let check = |place: Place, expected: &str| {
        let Output { status, stderr, .. } = place.demo(&[]).output().expect("running the demo");
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.starts_with("dirherald: ") && said.contains(expected), "{said}");
        assert_eq!(place.processes(), Vec::<u32>::new());
        assert_eq!(place.content(), Vec::<PathBuf>::new());
    };
    let refused = Place::new();
    refused.put_ldapmodify("#!/bin/sh\ncat >/dev/null\necho 'no such object (32)' >&2\nexit 32\n");
    check(refused, "no such object (32)");
    let mut missing = Place::new();
    missing.path = "/nonexistent".to_owned();
    check(missing, "ldapmodify is not installed: on Debian and Ubuntu, `apt-get install slapd ldap-utils`");
    let mut awkward = Place::new();
    awkward.inside = "a b";
    fs::create_dir(awkward.root()).expect("a directory");
    check(awkward, "set TMPDIR to another");
}

/// A directory for temporary files that only one demo uses, and programs that go before the installed ones.
struct Place {
    temporary: TempDir,
    inside: &'static str,
    programs: TempDir,
    path: String,
}

impl Place {
    fn new() -> Self {
        let programs = tempfile::tempdir().expect("a directory");
        let path = std::env::var("PATH").expect("a path");
        let path = format!("{}:{path}", programs.path().display());
        Self { temporary: tempfile::tempdir().expect("a directory"), inside: "", programs, path }
    }

    fn root(&self) -> PathBuf {
        self.temporary.path().join(self.inside)
    }

    fn put_ldapmodify(&self, script: &str) {
        let file = self.programs.path().join("ldapmodify");
        fs::write(&file, script).expect("writing a program");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("making it a program");
    }

    fn demo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dirherald"));
        command.arg("demo").args(arguments).env("TMPDIR", self.root()).env("PATH", &self.path);
        // The settings of another dirherald do not reach the demo's.
        command.env("DIRHERALD_STATE__PATH", "/nonexistent/state.db");
        command
    }

    fn content(&self) -> Vec<PathBuf> {
        let root = fs::read_dir(self.root()).expect("the directory for temporary files");
        root.map(|entry| entry.expect("an entry").path()).collect()
    }

    /// Everything that the demo started has its directory for temporary files in the environment. The dead
    /// who are not yet waited for have none.
    fn processes(&self) -> Vec<u32> {
        let mark = format!("TMPDIR={}\0", self.root().display());
        let numbers = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
        numbers
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &u32| {
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment.windows(mark.len()).any(|part| part == mark.as_bytes())
            })
            .collect()
    }
}

/// A test that failed may have left something.
impl Drop for Place {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = Command::new("sh").args(["-c", &format!("kill -KILL {pid}")]).status();
        }
    }
}

fn shell(script: &str) -> String {
    let output = Command::new("sh").args(["-e", "-c", script]).output().expect("starting a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ended(mut child: Child) -> Output {
    wait::until("the demo ends", || child.try_wait().expect("asking for our own child"));
    child.wait_with_output().expect("what the demo said")
}

type Steps = Vec<(String, Vec<(String, String)>)>;

fn expected() -> Steps {
    let told = |told: &[(&str, &str)]| told.iter().map(|(n, o)| ((*n).to_owned(), (*o).to_owned())).collect();
    TOLD.iter().map(|(step, people)| ((*step).to_owned(), told(people))).collect()
}

/// The rows below each numbered heading: name and options, which may need several lines.
fn people_told(page: &str) -> Steps {
    let mut steps = Steps::new();
    for line in page.lines() {
        if let Some((_, words)) = line.split_once(". ").filter(|(n, _)| n.parse::<u8>().is_ok()) {
            steps.push((words.to_owned(), Vec::new()));
        }
        let Some((_, told)) = steps.last_mut() else { continue };
        let Some((name, option)) = row(line) else { continue };
        match told.last_mut() {
            Some((_, options)) if name.is_empty() => *options = format!("{options}, {option}"),
            _ => told.push((name, option)),
        }
    }
    for (_, told) in &mut steps {
        told.sort();
    }
    steps
}

fn row(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("    ")?;
    let column = |from, width| line.chars().skip(from).take(width).collect::<String>().trim().to_owned();
    let option = column(18, 20);
    let known = [
        "logged_in_users",
        "owner",
        "manager",
        "public_group_owner",
        "added_members",
        "removed_members",
        "recipients",
    ]
    .contains(&option.as_str());
    known.then(|| (column(0, 18), option))
}

/// How often each set of options occurs.
fn options_of(steps: &Steps) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for (_, options) in steps.iter().flat_map(|(_, told)| told) {
        *count.entry(options.clone()).or_default() += 1;
    }
    count
}

/// The same, of the mails in a directory.
fn options_in(mails: &Path) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for file in fs::read_dir(mails).expect("the mails") {
        let path = file.expect("a mail").path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        let bytes = fs::read(path).expect("a mail");
        let mail = MessageParser::default().parse(&bytes).expect("a mail");
        let reasons = mail.header("X-Dirherald-Reasons").and_then(|value| value.as_text()).expect("reasons");
        *count.entry(reasons.to_owned()).or_default() += 1;
    }
    count
}
