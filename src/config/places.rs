//! Where secrets lie on this machine, as far as the configuration tells.

use std::path::PathBuf;

use figment::value::{Dict, Value};

use super::{
    environment::Variables,
    keys::{Key, STORE_KEYS},
    kind::Kind,
    layers::Merged,
    report::joined,
    walk::shown,
};

/// Where a secret lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretPlace {
    /// In the configuration file itself.
    Configuration {
        /// Dotted, from the top of the file.
        key: String,
    },
    /// In a file of its own.
    File {
        /// The key that names it.
        key: String,
        /// As configured.
        path: PathBuf,
    },
}

/// The key of a private key, which is as secret as a password.
const PRIVATE_KEY: &str = "tls.client_key_file";

/// Of all stores and of `[defaults]`, in this order. What the environment says lies nowhere.
pub fn places_of_secrets(merged: &Merged) -> Vec<SecretPlace> {
    let Merged { tree, variables } = merged;
    let stores = tree.get("identity_store").and_then(Value::as_dict).into_iter().flatten();
    let stores = stores.map(|(name, store)| (format!("identity_store.{}", shown(name)), store));
    let defaults = tree.get("defaults").map(|defaults| ("defaults".to_owned(), defaults));
    let tables = stores.chain(defaults).filter_map(|(prefix, table)| Some((prefix, table.as_dict()?)));
    tables
        .flat_map(|(prefix, table)| {
            STORE_KEYS.iter().filter_map(move |key| place(key, &prefix, table, variables))
        })
        .collect()
}

fn place(key: &Key, prefix: &str, table: &Dict, variables: &Variables) -> Option<SecretPlace> {
    let text = value_at(table, key.path)?.as_str().filter(|text| !text.is_empty())?;
    let named = joined(prefix, key.path);
    if matches!(key.kind, Kind::Secret) {
        return (!variables.contains_key(&named)).then_some(SecretPlace::Configuration { key: named });
    }
    let is_secret = matches!(key.kind, Kind::SecretFile) || key.path == PRIVATE_KEY;
    is_secret.then(|| SecretPlace::File { key: named, path: text.into() })
}

fn value_at<'a>(table: &'a Dict, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        Some((first, rest)) => value_at(table.get(first)?.as_dict()?, rest),
        None => table.get(path),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::layers::merge, *};

    #[test]
    fn secrets_are_found_wherever_they_lie() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("dirherald.toml");
        let toml = "defaults.smtp.password = 'a'
            identity_store.x.bind.password_file = '/b'
            identity_store.x.tls.client_key_file = '/c'
            identity_store.x.tls.client_cert_file = '/d'
            identity_store.y.bind.password = 'e'
            identity_store.y.smtp.password = 'f'
            identity_store.z.bind.password = ''";
        std::fs::write(&file, toml).unwrap();
        let variable = ("DIRHERALD_IDENTITY_STORE__Y__SMTP__PASSWORD".to_owned(), "g".to_owned());
        let merged = merge(&file, [variable].into_iter()).unwrap();
        let in_file = |key: &str, path: &str| SecretPlace::File { key: key.to_owned(), path: path.into() };
        let inline = |key: &str| SecretPlace::Configuration { key: key.to_owned() };
        assert_eq!(
            places_of_secrets(&merged),
            [
                in_file("identity_store.x.bind.password_file", "/b"),
                in_file("identity_store.x.tls.client_key_file", "/c"),
                inline("identity_store.y.bind.password"),
                inline("defaults.smtp.password"),
            ]
        );
    }
}
