//! The configuration from the outside: a file and variables in, a [`Config`] or a list of sentences out.

mod accepted;
mod contract;
mod environment;
mod example;
mod joint_rules;
mod secrets;
mod single_keys;
mod unknown_keys;
mod whole_file;

use std::{fs, path::PathBuf};

use super::{Complete, Config, ConfigErrors, StoreSettings, load, load_for_looking};

/// A store that can be loaded; the lines of a test go before these, key by key.
const MINIMAL: &[&str] = &[
    r#"urls = ["ldaps://dc1.acme.example"]"#,
    r#"base_dn = "dc=acme,dc=example""#,
    r#"bind.method = "anonymous""#,
    r#"smtp.server = "mail.acme.example""#,
    r#"smtp.from = "no-reply@acme.example""#,
];

type Variable<'a> = (&'a str, &'a str);

fn load_text(toml: &str, variables: &[Variable]) -> Result<Config, ConfigErrors> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dirherald.toml");
    fs::write(&file, toml).unwrap();
    load(&file, owned(variables)).map(Complete::into_config)
}

fn look_at_text(toml: &str, variables: &[Variable]) -> Result<Config, ConfigErrors> {
    let (_directory, file) = file_with(toml);
    load_for_looking(&file, owned(variables))
}

fn owned(variables: &[Variable]) -> impl Iterator<Item = (String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

/// `[identity_store.acme]` with these lines, and of `MINIMAL` what they leave open.
fn acme(lines: &str) -> String {
    let key = |line: &str| line.split(" = ").next().unwrap().to_owned();
    let given: Vec<_> = lines.lines().map(|line| key(line.trim())).collect();
    let rest = MINIMAL.iter().filter(|line| !given.contains(&key(line)));
    let lines: Vec<_> = lines.lines().map(str::trim).chain(rest.copied()).collect();
    format!("[identity_store.acme]\n{}\n", lines.join("\n"))
}

fn load_acme(lines: &str, variables: &[Variable]) -> StoreSettings {
    let config = load_text(&acme(lines), variables).unwrap_or_else(|errors| panic!("{lines}\n{errors}"));
    config.stores.into_values().next().unwrap()
}

/// A file with this content that lives as long as the handle.
fn file_with(content: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, content).unwrap();
    (directory, file)
}

fn sentences(result: Result<Config, ConfigErrors>) -> Vec<String> {
    match result {
        Ok(_) => Vec::new(),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

/// What is said of a store with these lines, `identity_store.acme.` left away.
fn check(lines: &str, expected: &[&str]) {
    let said: Vec<_> = sentences(load_text(&acme(lines), &[]))
        .into_iter()
        .map(|sentence| sentence.replacen("identity_store.acme.", "", 1))
        .collect();
    assert_eq!(said, expected, "\n{lines}");
}

fn check_file(toml: &str, variables: &[Variable], expected: &[&str]) {
    assert_eq!(sentences(load_text(toml, variables)), expected, "\n{toml}");
}
