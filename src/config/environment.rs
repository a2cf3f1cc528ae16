//! `DIRHERALD_STATE__PATH`: the environment as a tree of keys.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use super::{
    keys::{GLOBAL_KEYS, Key, STORE_KEYS},
    kind::Kind,
    layers::parse_value,
};

const PREFIX: &str = "DIRHERALD_";
const STORES: &str = "IDENTITY_STORE__";

/// Dotted path → name of the environment variable that set it.
pub type Variables = BTreeMap<String, String>;

/// What the environment says.
#[derive(Default)]
pub struct Environment {
    /// As a tree, each value of its key's type where it can be one.
    pub tree: Dict,
    /// Who said it.
    pub variables: Variables,
}

/// Takes the variables that begin with `DIRHERALD_`. Names of stores are found in `file` first, because a
/// name with `--` in it can be told from a path in no other way.
pub fn read(variables: impl Iterator<Item = (String, String)>, file: &Dict) -> Environment {
    let stores = stores_by_variable(file);
    let mut environment = Environment::default();
    let ours: BTreeMap<_, _> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    for (variable, text) in ours {
        let path = path_of(variable.strip_prefix(PREFIX).unwrap_or_default(), &stores);
        let value = coerced(&path, text);
        insert(&mut environment.tree, &path, value);
        environment.variables.insert(path.join("."), variable);
    }
    environment
}

/// `ACME_EU` → `acme-eu`, for the stores of the file; the longest name is to be tried first.
fn stores_by_variable(file: &Dict) -> Vec<(String, String)> {
    let stores = file.get("identity_store").and_then(Value::as_dict);
    let mut names: Vec<_> = stores
        .into_iter()
        .flat_map(BTreeMap::keys)
        .map(|name| (format!("{}__", name.to_ascii_uppercase().replace('-', "_")), name.clone()))
        .collect();
    names.sort_by_key(|(variable, _)| std::cmp::Reverse(variable.len()));
    names
}

fn path_of(name: &str, stores: &[(String, String)]) -> Vec<String> {
    let Some(below_stores) = name.strip_prefix(STORES) else {
        return segments(name).collect();
    };
    let known =
        stores.iter().find_map(|(prefix, store)| Some((store.clone(), below_stores.strip_prefix(prefix)?)));
    let (store, rest) = known.unwrap_or_else(|| {
        let (store, rest) = below_stores.split_once("__").unwrap_or((below_stores, ""));
        (store.to_ascii_lowercase().replace('_', "-"), rest)
    });
    let below = segments(rest).filter(|segment| !segment.is_empty());
    ["identity_store".to_owned(), store].into_iter().chain(below).collect()
}

fn segments(name: &str) -> impl Iterator<Item = String> {
    name.split("__").map(str::to_ascii_lowercase)
}

fn insert(tree: &mut Dict, path: &[String], value: Value) {
    let [segment, rest @ ..] = path else {
        return;
    };
    if rest.is_empty() {
        tree.insert(segment.clone(), value);
        return;
    }
    let below = tree.entry(segment.clone()).or_insert_with(|| Value::from(Dict::new()));
    if !matches!(below, Value::Dict(..)) {
        *below = Value::from(Dict::new());
    }
    if let Value::Dict(_, below) = below {
        insert(below, rest, value);
    }
}

/// The text as a value of its key's type. What does not fit stays a text, and is refused like one.
fn coerced(path: &[String], text: String) -> Value {
    let Some(key) = key_at(path) else {
        return Value::from(text);
    };
    match key.kind {
        Kind::Bool => text.parse().map_or_else(|_| Value::from(text), |on: bool| Value::from(on)),
        Kind::Count { .. } => whole_number(&text).unwrap_or_else(|| Value::from(text)),
        Kind::Counts { .. } => list(&text, |item| whole_number(item).unwrap_or_else(|| Value::from(item))),
        Kind::Texts | Kind::Urls | Kind::Attributes | Kind::Addresses | Kind::Domains => {
            list(&text, |item| Value::from(item))
        }
        // The names themselves have commas.
        Kind::Dns | Kind::Tables(_) => as_in_the_file(&text).unwrap_or_else(|| Value::from(text)),
        Kind::Length { .. }
        | Kind::LengthOr(_)
        | Kind::Word(_)
        | Kind::Text
        | Kind::Secret
        | Kind::SecretFile
        | Kind::File
        | Kind::Path
        | Kind::Dn
        | Kind::Attribute
        | Kind::Filter
        | Kind::MailboxText
        | Kind::ReplyTo
        | Kind::EnvelopeSender
        | Kind::Host
        | Kind::TimeZone
        | Kind::Clock
        | Kind::HttpsUrl => Value::from(text),
    }
}

fn key_at(path: &[String]) -> Option<&'static Key> {
    let (keys, below) = match path {
        [first, _, below @ ..] if first == "identity_store" => (STORE_KEYS, below),
        [first, below @ ..] if first == "defaults" => (STORE_KEYS, below),
        _ => (GLOBAL_KEYS, path),
    };
    let dotted = below.join(".");
    keys.iter().find(|key| key.path == dotted)
}

fn whole_number(text: &str) -> Option<Value> {
    text.trim().parse::<i64>().ok().map(Value::from)
}

fn as_in_the_file(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Value::from(Vec::<Value>::new()));
    }
    text.starts_with('[').then(|| parse_value(text)).flatten()
}

fn list(text: &str, item: impl Fn(&str) -> Value) -> Value {
    as_in_the_file(text).unwrap_or_else(|| {
        let items: Vec<Value> =
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(item).collect();
        Value::from(items)
    })
}
