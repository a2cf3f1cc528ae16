//! The README tells the truth.

use std::{fs, process::Command};

const README: &str = include_str!("../README.md");
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
    let output = Command::new(env!("CARGO_BIN_EXE_dirherald")).arg("--help").output().expect("the help");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let commands = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let commands: Vec<&str> =
        commands.expect("commands").lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"run"), "{commands:?}");
    let table = section("## Commands");
    for command in commands.into_iter().filter(|command| *command != "help") {
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
