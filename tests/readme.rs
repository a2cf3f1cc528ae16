//! The README tells the truth, and so does `docs/operations.md` as far as that can be seen from here.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

const README: &str = include_str!("../README.md");
const OPERATIONS: &str = include_str!("../docs/operations.md");
const EXAMPLE: &str = include_str!("../config/dirherald.example.toml");
const MANIFEST: &str = include_str!("../Cargo.toml");

#[test]
fn readme_configures_what_is_accepted() {
    let place = tempfile::tempdir().expect("a directory");
    let secret = place.path().join("ldap-password");
    fs::write(&secret, "secret").expect("writing a file");
    let block = README.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let written = "\"/etc/dirherald/ldap-password\"";
    assert!(block.contains(written), "{block}");
    let file = place.path().join("dirherald.toml");
    fs::write(&file, block.replace(written, &format!("{secret:?}"))).expect("writing a file");
    let config = dirherald::config::load(&file, std::iter::empty()).expect("a configuration without errors");
    assert_eq!(config.stores.len(), 1);
}

#[test]
fn readme_names_every_command() {
    let commands = commands_in(&help(&[]));
    assert!(commands.contains("run"), "{commands:?}");
    let table = section("## Commands");
    for command in commands {
        assert!(table.contains(&format!("| `{command}")), "{command} is not in the table");
    }
}

#[test]
fn readme_gives_a_reason_for_every_dependency() {
    let reasons = section("## Dependencies");
    let names: Vec<&str> = MANIFEST
        .split("dependencies]\n")
        .skip(1)
        .flat_map(|table| table.split("\n\n").next().expect("a table").lines())
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
        .collect();
    assert!(names.contains(&"tokio") && names.contains(&"insta"), "{names:?}");
    for name in names {
        assert!(reasons.contains(&format!("`{name}`")), "{name} is not in the table");
    }
}

fn section(heading: &str) -> &'static str {
    let after = README.split_once(heading).expect("the heading").1;
    after.split_once("\n## ").map_or(after, |(section, _)| section)
}

#[test]
fn operations_quotes_log_messages_that_exist() {
    let sources = sources();
    let messages: BTreeSet<&str> = blocks(OPERATIONS).filter_map(message).collect();
    assert!(
        messages.contains("the mail server can be reached again") && messages.len() > 15,
        "{messages:#?}"
    );
    for message in messages {
        assert!(sources.contains(message), "no source says {message:?}");
    }
}

#[test]
fn operations_quotes_fields_that_the_log_has() {
    let sources = sources();
    for line in blocks(OPERATIONS).filter(|line| message(line).is_some()) {
        for field in fields(line) {
            let written =
                [format!("{field} = "), format!("{field},"), format!("%{field},"), format!("{field})")];
            assert!(written.iter().any(|written| sources.contains(written)), "no field {field}: {line}");
        }
    }
}

#[test]
fn operations_names_commands_and_options_that_exist() {
    let top = commands_in(&help(&[]));
    let mut seen = BTreeSet::new();
    for said in OPERATIONS.split("dirherald ").skip(1) {
        let said = said.split(['`', ',', ';', ':', '.', '|', '(']).next().unwrap_or_default();
        let words: Vec<&str> = said.split_whitespace().collect();
        let Some(command) = words.first().filter(|word| top.contains(**word)) else { continue };
        let own = help(&[command]);
        let within = words.get(1).filter(|word| commands_in(&own).contains(**word));
        assert!(
            within.is_some() || words.len() == 1 || !own.contains("Commands:"),
            "{command} takes a command, not {words:?}"
        );
        let path: Vec<&str> = [Some(command), within].into_iter().flatten().copied().collect();
        let own = help(&path);
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(own.contains(option), "{path:?} has no {option}");
        }
        seen.insert(path.join(" "));
    }
    for command in ["accept", "backup", "check", "compare", "held discard", "outbox retry", "status"] {
        assert!(seen.contains(command), "{command} is not looked at: {seen:?}");
    }
    for command in
        OPERATIONS.split("`dirherald ").skip(1).filter_map(|said| said.split([' ', '`', '\n']).next())
    {
        assert!(top.contains(command), "there is no `dirherald {command}`");
    }
}

#[test]
fn operations_names_keys_that_exist() {
    let sections = ["alerts", "bind", "guard", "notify", "recipients", "schema", "smtp", "state", "tls"];
    let keys: BTreeSet<(&str, &str)> = OPERATIONS
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.split_once('.'))
        .filter(|(section, key)| {
            sections.contains(section) && key.chars().all(|c| c == '_' || c.is_ascii_lowercase())
        })
        .filter(|name| *name != ("state", "db"))
        .collect();
    assert!(keys.contains(&("alerts", "to")) && keys.len() > 10, "{keys:?}");
    for (section, key) in keys {
        let heading = [format!("[{section}]\n"), format!(".{section}]\n")];
        let table =
            heading.iter().find_map(|heading| EXAMPLE.split_once(heading.as_str())).expect("a table").1;
        let table = table.split_once("\n[").map_or(table, |(table, _)| table);
        let stands = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{key} = "));
        assert!(table.lines().any(stands), "{section}.{key} is no key");
    }
}

/// The lines of what is quoted between three backticks.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").skip(1).step_by(2).flat_map(str::lines)
}

/// The fixed message of a line of the log: what stands between the level and the first field.
fn message(line: &str) -> Option<&str> {
    let said = ["INFO ", "WARN ", "ERROR "].iter().find_map(|level| line.strip_prefix(level))?;
    let said =
        said.split_once("}: ").filter(|(span, _)| span.starts_with("store{")).map_or(said, |(_, said)| said);
    let is_field = |word: &str| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| !name.is_empty() && name.chars().all(is_of_a_field))
    };
    let first = said.split(' ').find(|word| is_field(word));
    let end = first.and_then(|field| said.find(&format!(" {field}")));
    Some(end.and_then(|end| said.get(..end)).unwrap_or(said))
}

fn is_of_a_field(letter: char) -> bool {
    letter.is_ascii_lowercase() || "._".contains(letter)
}

/// The names of a log line's fields; what stands in quotes is passed over.
fn fields(line: &str) -> Vec<&str> {
    let bare = line.split('"').step_by(2).flat_map(|bare| bare.split(' '));
    let names = bare.filter_map(|word| word.split_once('=').map(|(name, _)| name));
    names.filter(|name| !name.is_empty() && name.chars().all(is_of_a_field)).collect()
}

/// Of all our files, with texts that go over several lines in one.
fn sources() -> String {
    let mut found = String::new();
    let mut left = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(place) = left.pop() {
        if place.is_dir() {
            left.extend(
                fs::read_dir(place).expect("a directory").map(|entry| entry.expect("an entry").path()),
            );
        } else {
            found.push_str(&fs::read_to_string(place).expect("a source"));
        }
    }
    let mut parts = found.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| whole + part.trim_start())
}

fn help(command: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_dirherald"));
    let output = program.args(command).arg("--help").output().expect("the help");
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// All that a help lists but `help` itself.
fn commands_in(help: &str) -> BTreeSet<String> {
    let Some(listed) = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()) else {
        return BTreeSet::new();
    };
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}
