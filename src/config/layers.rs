//! File and environment, merged.

use std::{collections::BTreeMap, fs, io, path::Path};

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};

use super::{
    environment::{self, Variables},
    error::ConfigError,
};

/// What file and environment say together.
pub struct Merged {
    /// The whole tree.
    pub tree: Dict,
    /// The dotted paths that the environment set, each with its variable.
    pub variables: Variables,
}

/// Reads the file and lays the environment over it.
pub fn merge(
    file: &Path,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Merged, ConfigError> {
    let below = parse(file, &read(file)?)?;
    let above = environment::read(environment, &below);
    let figment = Figment::from(Layer { name: "file", tree: below })
        .merge(Layer { name: "environment", tree: above.tree });
    let mut profiles = figment.data().expect("both layers are read already");
    let tree = profiles.remove(&Profile::Default).unwrap_or_default();
    Ok(Merged { tree, variables: above.variables })
}

/// One TOML document as a tree, for values that are written as in the file.
pub fn parse_value(toml: &str) -> Option<Value> {
    Toml::from_str::<BTreeMap<String, Value>>(&format!("value = {toml}")).ok()?.remove("value")
}

fn read(file: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing { file: file.to_owned() },
        _ => ConfigError::Unreadable { file: file.to_owned(), source },
    })
}

/// The parser's own display would show the line it stumbled over, which may hold a secret.
fn parse(file: &Path, text: &str) -> Result<Dict, ConfigError> {
    Toml::from_str::<Dict>(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        ConfigError::Syntax {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            problem: error.message().trim().replace('\n', ", "),
        }
    })
}

struct Layer {
    name: &'static str,
    tree: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.tree.clone()))
    }
}
