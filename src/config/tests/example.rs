use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use figment::{
    providers::{Format, Toml},
    value::{Dict, Value},
};

use super::{file_with, load_text};
use crate::config::{
    keys::{GLOBAL_KEYS, Key, POLICY_KEYS, STORE_KEYS, Table},
    layers::parse_value,
    not_yet::{self, NotYet},
};

fn example() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/dirherald.example.toml")).unwrap()
}

/// The example with each `# key = value` and `# [table]` switched on.
fn switched_on(example: &str) -> String {
    let is_key = |line: &str| {
        line.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let line_on = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if is_key(rest) || (rest.starts_with('[') && rest.ends_with(']')) => rest.to_owned(),
        Some(_) | None => line.to_owned(),
    };
    example.lines().map(line_on).collect::<Vec<_>>().join("\n")
}

/// Each leaf of `tree` that is a key of `table`, and each path that leads to none.
fn leaves(table: Table, tree: &Dict, below: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (name, value) in tree {
        let path = if below.is_empty() { name.clone() } else { format!("{below}.{name}") };
        match value.as_dict() {
            Some(tree) if table.find(&path).is_none() => found.extend(leaves(table, tree, &path)),
            Some(_) | None => {
                found.insert(path, value.clone());
            }
        }
    }
    found
}

fn check_keys(keys: &'static [Key], tree: &Dict) {
    let found = leaves(Table { keys, not_yet: &[] }, tree, "");
    let expected: BTreeSet<_> = keys.iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for key in keys.iter().filter(|key| key.path != "lifecycle.policy") {
        let expected = parse_value(key.fallback.example()).unwrap();
        assert_eq!(found[key.path], expected, "{}", key.path);
    }
}

#[test]
fn the_example_has_every_key_with_its_default_and_no_other() {
    let mut tree: Dict = Toml::from_str(&switched_on(&example())).unwrap();
    let stores = tree.remove("identity_store").unwrap();
    let acme = stores.as_dict().unwrap()["acme"].as_dict().unwrap();
    assert!(tree.remove("defaults").unwrap().as_dict().unwrap().is_empty());
    check_keys(GLOBAL_KEYS, &tree);
    check_keys(STORE_KEYS, acme);
    let policies = acme["lifecycle"].as_dict().unwrap()["policy"].as_array().unwrap();
    check_keys(POLICY_KEYS, policies[0].as_dict().unwrap());
}

/// The paths whose comment, or whose table's comment, says `(later)`.
fn marked_later(example: &str) -> BTreeSet<String> {
    let mut later = BTreeSet::new();
    let (mut table, mut table_is_later, mut comment) = (String::new(), false, String::new());
    for line in example.lines() {
        let on = switched_on(line);
        if on.starts_with('[') {
            table = on.trim_matches(['[', ']']).to_owned();
            table_is_later = comment.contains("(later)");
            comment.clear();
        } else if let Some((key, _)) = on.split_once(" = ").filter(|_| !on.starts_with('#')) {
            if table_is_later || comment.contains("(later)") {
                later.insert(format!("{table}.{key}"));
            }
            comment.clear();
        } else if line.is_empty() {
            comment.clear();
        } else {
            comment.push_str(line);
        }
    }
    later
}

#[test]
fn the_example_says_later_of_what_waits_and_of_nothing_else() {
    let example = example();
    let mut expected = BTreeSet::new();
    for (prefix, waiting) in [("", not_yet::GLOBAL), ("identity_store.acme.", not_yet::STORE)] {
        for not_yet in waiting {
            match not_yet {
                NotYet::Key("lifecycle.policy") => {
                    let below =
                        POLICY_KEYS.iter().map(|key| format!("{prefix}lifecycle.policy.{}", key.path));
                    expected.extend(below);
                }
                NotYet::Key(path) => {
                    expected.insert(format!("{prefix}{path}"));
                }
                NotYet::Word(_, word) => assert!(example.contains(&format!("{word:?}")), "{word}"),
            }
        }
    }
    assert_eq!(marked_later(&example), expected);
}

#[test]
fn the_example_works_after_filling_in() {
    let (_directory, file) = file_with("hunter2\n");
    let filled_in = example().replace("/run/credentials/acme-ldap\"", &format!("{}\"", file.display()));
    let config = load_text(&filled_in, &[]).unwrap();
    assert_eq!(config.stores.len(), 1);
}
