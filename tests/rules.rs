//! Rules of the repository that neither the compiler nor clippy knows.

use std::{fs, path::Path};

/// The modules in the order the data flows. A module imports from lines above its own and from nowhere else.
const LAYERS: &[&[&str]] = &[
    &["clock", "telemetry", "error_chain", "withheld", "fuzz"],
    &["directory"],
    &["connector"],
    &["change"],
    &["notify", "lifecycle", "expiry"],
    &["outbox"],
    &["db"],
    &["config"],
    &["pipeline"],
    &["jobs"],
    &["commands"],
    &["main"],
];

/// Modules that may import less than their line allows.
const NARROW: &[(&str, &[&str])] = &[
    ("connector", &["clock", "withheld", "fuzz", "directory"]),
    ("change", &["clock", "directory"]),
    ("notify", &["clock", "directory", "change"]),
    ("lifecycle", &["clock", "directory", "change"]),
    ("expiry", &["clock", "directory", "change"]),
    (
        "outbox",
        &[
            "clock",
            "telemetry",
            "error_chain",
            "withheld",
            "fuzz",
            "directory",
            "change",
            "notify",
            "lifecycle",
            "expiry",
        ],
    ),
    (
        "db",
        &[
            "clock",
            "telemetry",
            "error_chain",
            "directory",
            "change",
            "notify",
            "lifecycle",
            "expiry",
            "outbox",
        ],
    ),
    (
        "config",
        &[
            "clock",
            "telemetry",
            "directory",
            "connector",
            "change",
            "notify",
            "lifecycle",
            "expiry",
            "outbox",
        ],
    ),
];

/// Crates that one module alone sees.
const OWNED_CRATES: &[(&str, &str)] = &[
    ("rusqlite", "db"),
    ("ldap3", "connector"),
    ("lber", "connector"),
    ("lettre", "outbox"),
    ("clap_complete", "commands"),
    ("clap_mangen", "commands"),
];

/// Modules that do no I/O, and what they would do it with.
const PURE: &[&str] = &["directory", "change", "notify", "lifecycle", "expiry"];
const PURE_FILE: &str = "src/outbox/retry.rs";
const IO: &[&str] = &["tokio", "std::fs", "std::net", "std::process", "std::env"];

#[test]
fn imports_run_one_way() {
    assert_none(sources().iter().flat_map(|(path, text)| backward_imports(path, text)));
}

#[test]
fn every_foreign_world_has_one_door() {
    assert_none(sources().iter().flat_map(|(path, text)| strangers(path, text)));
}

#[test]
fn rules_of_the_core_do_no_io() {
    assert_none(sources().iter().flat_map(|(path, text)| io(path, text)));
}

#[test]
fn module_files_stand_beside_their_folders() {
    let files = sources().into_iter().map(|(path, _)| path);
    assert_none(files.filter(|path| path.ends_with("mod.rs")).map(|path| format!("{path}: rename it")));
}

#[test]
fn nothing_tells_of_the_machine_it_was_written_on() {
    assert_none(repository_files().iter().flat_map(|(path, text)| machine_paths(path, text)));
}

#[test]
fn every_template_and_snapshot_of_a_mail_is_in_use() {
    let files = repository_files();
    let text_of = |wanted: &str| files.iter().find(|(path, _)| path == wanted).map(|(_, text)| text.as_str());
    let mails = text_of("src/notify/render/templates.rs").expect("the list of mails");
    let pinned = text_of("src/notify/render/tests.rs").expect("the list of pinned mails");
    assert_none(files.iter().filter_map(|(path, _)| unused(path, mails, pinned)));
}

#[test]
fn the_rules_see_what_they_are_there_for() {
    let check = |rule: fn(&str, &str) -> Vec<String>, path: &str, text: &str, expected: &[&str]| {
        assert_eq!(rule(path, text), expected, "{path}: {text}");
    };
    check(backward_imports, "src/notify.rs", "use crate::directory::dn::Dn;", &[]);
    check(backward_imports, "src/directory/dn.rs", "use super::entry::Entry; crate::directory::x();", &[]);
    check(backward_imports, "src/main.rs", "use dirherald::commands;", &[]);
    check(backward_imports, "src/config/notify.rs", "use super::outbox::Raw;", &[]);
    check(
        backward_imports,
        "src/directory/dn.rs",
        "use crate::{\n    clock,\n    change::{event::Event, diff},\n    directory::{db, entry},\n    outbox,\n};",
        &["src/directory/dn.rs: directory imports change", "src/directory/dn.rs: directory imports outbox"],
    );
    check(
        backward_imports,
        "src/change.rs",
        "#[cfg(test)] mod tests { fn f() { crate::db::open(); } }",
        &["src/change.rs: change imports db"],
    );
    check(backward_imports, "src/change.rs", "use super::db;", &["src/change.rs: change imports db"]);
    check(
        backward_imports,
        "src/change/diff.rs",
        "use super::super::notify::x;",
        &["src/change/diff.rs: change imports notify"],
    );
    check(backward_imports, "src/notify.rs", "use crate::expiry;", &["src/notify.rs: notify imports expiry"]);
    check(
        backward_imports,
        "src/connector.rs",
        "use crate::change;",
        &["src/connector.rs: connector imports change"],
    );
    check(backward_imports, "src/db.rs", "use crate::connector;", &["src/db.rs: db imports connector"]);
    check(backward_imports, "src/helpers.rs", "", &["src/helpers.rs: helpers has no place in the layers"]);
    check(backward_imports, "src/change.rs", "/// [`crate::db`]\n// crate::db\nlet a = \"crate::db\";", &[]);

    check(strangers, "src/db/events.rs", "use rusqlite::Row;", &[]);
    check(strangers, "src/outbox/mailer.rs", "lettre::x(); my_ldap3(); // ldap3", &[]);
    check(
        strangers,
        "src/pipeline.rs",
        "fn f(c: &rusqlite::Connection) { ldap3::x() }",
        &["src/pipeline.rs: rusqlite belongs to db", "src/pipeline.rs: ldap3 belongs to connector"],
    );

    check(io, "src/connector.rs", "use tokio::net;", &[]);
    check(io, "src/directory.rs", "use std::{fmt, path::Path};", &[]);
    check(
        io,
        "src/change/diff.rs",
        "use std::{fmt, fs}; tokio::spawn()",
        &[
            "src/change/diff.rs: change does I/O with tokio",
            "src/change/diff.rs: change does I/O with std::fs",
        ],
    );

    let home = ["/ho", "me/x"].concat();
    check(machine_paths, "README.md", "a path/to/work/on and /etc/dirherald", &[]);
    check(
        machine_paths,
        "README.md",
        &format!("see\nin {home}"),
        &["README.md:2: names a place of one machine"],
    );

    let unused = |path: &str| unused(path, "Receipt = \"receipt\", \"layout/why.txt\"", "(\"receipt-sent\",");
    assert_eq!(unused("config/templates/en/receipt/body.txt"), None);
    assert_eq!(unused("config/templates/en/layout/why.txt"), None);
    assert!(unused("config/templates/en/reminder/body.txt").is_some());
    assert!(unused("config/templates/en/layout/old.txt").is_some());
    assert_eq!(unused("src/notify/render/snapshots/receipt-sent.html.snap"), None);
    assert!(unused("src/notify/render/snapshots/receipt.html.snap").is_some());
    assert_eq!(unused("README.md"), None);
}

/// Every Rust file of the product: its path from the root, its text.
fn sources() -> Vec<(String, String)> {
    let sources: Vec<_> = repository_files()
        .into_iter()
        .filter(|(path, _)| path.starts_with("src/") && is_rust(path))
        .collect();
    assert!(sources.iter().any(|(path, _)| path == "src/main.rs"), "the sources are found");
    sources
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

/// Every text file that belongs to the repository.
fn repository_files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("reading a folder of the repository") {
            let path = entry.expect("an entry of a folder").path();
            if !belongs(&path) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                files.push((below(root, &path), text));
            }
        }
    }
    files.sort();
    files
}

/// Not built, not git's.
fn belongs(path: &Path) -> bool {
    !path.ends_with("target") && !path.ends_with(".git")
}

fn below(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).expect("a path below the root").display().to_string()
}

fn assert_none(violations: impl Iterator<Item = String>) {
    let violations: Vec<_> = violations.collect();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

fn backward_imports(path: &str, text: &str) -> Vec<String> {
    let module = module_of(path);
    if module == "lib" {
        return Vec::new();
    }
    let Some(layer) = layer(module) else {
        return vec![format!("{path}: {module} has no place in the layers")];
    };
    let narrow = NARROW.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
    let allowed = |imported: &str| match narrow {
        Some(allowed) => allowed.contains(&imported),
        // What is no module is an item of the crate's root.
        None => self::layer(imported).is_none_or(|of_imported| of_imported < layer),
    };
    let imports = imports(path, text).into_iter().filter(|imported| imported != module);
    imports
        .filter(|imported| self::layer(imported).is_some() && !allowed(imported))
        .map(|imported| format!("{path}: {module} imports {imported}"))
        .collect()
}

fn strangers(path: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let strange =
        |(name, owner): &&(&str, &str)| module_of(path) != *owner && tokens.iter().any(|t| t == name);
    let strange = OWNED_CRATES.iter().filter(strange);
    strange.map(|(name, owner)| format!("{path}: {name} belongs to {owner}")).collect()
}

fn io(path: &str, text: &str) -> Vec<String> {
    let module = module_of(path);
    if !PURE.contains(&module) && path != PURE_FILE {
        return Vec::new();
    }
    let tokens = tokens(text);
    let mut used: Vec<String> = tokens.iter().filter(|token| *token == "tokio").cloned().collect();
    used.extend(after(&tokens, &["std", "::"]).into_iter().map(|name| format!("std::{name}")));
    let used_one = |name: &&&str| used.iter().any(|used| used == **name);
    IO.iter().filter(used_one).map(|name| format!("{path}: {module} does I/O with {name}")).collect()
}

fn machine_paths(path: &str, text: &str) -> Vec<String> {
    // Written in parts, so that this file does not break its own rule.
    let places = [["/wo", "rk/"], ["/tmp/", "wt"], ["/ro", "ot/"], ["/ho", "me/"], ["../sha", "red"]]
        .map(|p| p.concat());
    let names_a_place = |line: &str| {
        places.iter().any(|place| {
            line.match_indices(place).any(|(at, _)| {
                let before = line.get(..at).and_then(|before| before.chars().next_back());
                !before.is_some_and(|c| c.is_alphanumeric() || "_-.)}~".contains(c))
            })
        })
    };
    let lines = text.lines().enumerate().filter(|(_, line)| names_a_place(line));
    lines.map(|(number, _)| format!("{path}:{}: names a place of one machine", number + 1)).collect()
}

/// A template whose folder is no mail of the list, or a snapshot that no test writes.
fn unused(path: &str, mails: &str, pinned: &str) -> Option<String> {
    let is_named = |list: &str, name: &str| list.contains(&format!("\"{name}\""));
    if let Some(template) = path.strip_prefix("config/templates/en/") {
        let folder = template.split('/').next().unwrap_or(template);
        let is_used = is_named(mails, template) || is_named(mails, folder);
        return (!is_used).then(|| format!("{path}: no mail of the list"));
    }
    let snapshot = path.strip_prefix("src/notify/render/snapshots/")?;
    let name = snapshot.split('.').next().unwrap_or(snapshot);
    (!is_named(pinned, name)).then(|| format!("{path}: no test writes it"))
}

/// `src/change/diff.rs` and `src/change.rs` are of `change`.
fn module_of(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split(['/', '.']).next().unwrap_or(inside)
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// The modules of the crate that a file names, in the order in which it does.
fn imports(path: &str, text: &str) -> Vec<String> {
    let depth = path.matches('/').count();
    let tokens = tokens(text);
    let up = ["super", "::"].repeat(depth);
    let mut found = after(&tokens, &["crate", "::"]);
    found.extend(after(&tokens, &["dirherald", "::"]));
    found.extend(after(&tokens, &up));
    found
}

/// The names that follow `path` in a list of tokens: one, or those at the top of a group in braces.
fn after(tokens: &[String], path: &[&str]) -> Vec<String> {
    let starts = tokens.windows(path.len()).enumerate().filter(|(_, window)| *window == path);
    starts.flat_map(|(at, _)| tops(tokens.get(at + path.len()..).unwrap_or_default())).collect()
}

fn tops(tokens: &[String]) -> Vec<String> {
    let Some(first) = tokens.first() else { return Vec::new() };
    if first != "{" {
        return vec![first.clone()];
    }
    let mut names = Vec::new();
    let (mut depth, mut fresh) = (0, false);
    for token in tokens {
        match token.as_str() {
            "{" => (depth, fresh) = (depth + 1, depth == 0),
            "}" => depth -= 1,
            "," => fresh = depth == 1,
            name if fresh && depth == 1 => {
                names.push(name.to_owned());
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Names, `::` and single signs of Rust source, without comments and the contents of strings. Raw strings with
/// quotes in them are beyond it.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            string_length(rest)
        } else if let Some(character) =
            ["'\"'", "'\\\"'", "'\\''", "'/'"].iter().find(|c| rest.starts_with(**c))
        {
            character.len()
        } else if is_name(c) {
            let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            tokens.extend(rest.get(..length).map(str::to_owned));
            length
        } else {
            let sign = if rest.starts_with("::") { "::".to_owned() } else { c.to_string() };
            let length = sign.len();
            if !c.is_whitespace() {
                tokens.push(sign);
            }
            length
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    tokens
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Of a string literal at the beginning of `text`, its quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}
