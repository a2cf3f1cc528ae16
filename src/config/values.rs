//! What one place of the file says, key by key.

use std::collections::BTreeMap;

use super::{
    keys::{Fallback, Key, Table},
    kind::NamedFiles,
    layers::parse_value,
    typed::{FromTyped, Typed},
};

/// What stands at the keys of one table, by path.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeMap<&'static str, Slot>);

/// What stands at one key.
#[derive(Debug, Clone)]
pub enum Slot {
    /// A value.
    Given(Typed),
    /// An empty text where that means: none.
    Empty,
    /// Something that was refused.
    Refused,
}

/// There is no value, and the report says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl Values {
    /// What holds where nothing is given.
    pub fn fallbacks(table: Table) -> Self {
        let slot = |key: &'static Key| Some((key.path, default_of(key)?));
        Self(table.keys.iter().filter_map(slot).collect())
    }

    /// These, and below them what `lower` says of other keys.
    pub fn over(mut self, lower: &Self) -> Self {
        for (path, slot) in &lower.0 {
            self.0.entry(path).or_insert_with(|| slot.clone());
        }
        self
    }

    /// What is said of the key, if anything.
    pub fn slot(&self, path: &str) -> Option<&Slot> {
        self.0.get(path)
    }

    /// Says something of the key.
    pub fn set(&mut self, path: &'static str, slot: Slot) {
        self.0.insert(path, slot);
    }

    /// The value of a key that has a default.
    pub fn get<T: FromTyped>(&self, path: &str) -> Result<T, Refused> {
        self.optional(path)?.ok_or(Refused)
    }

    /// `Ok(None)` where the key was left out, or is empty where that means: none.
    pub fn optional<T: FromTyped>(&self, path: &str) -> Result<Option<T>, Refused> {
        match self.slot(path) {
            Some(Slot::Given(typed)) => {
                Ok(Some(T::from_typed(typed).expect("the key table gives each key its type")))
            }
            Some(Slot::Refused) => Err(Refused),
            Some(Slot::Empty) | None => Ok(None),
        }
    }

    /// Forgets what was said of the key, and returns it.
    pub fn take(&mut self, path: &str) -> Option<Slot> {
        self.0.remove(path)
    }
}

/// The default of a key, if it has one.
pub fn default_of(key: &Key) -> Option<Slot> {
    let Fallback::Default(toml) = key.fallback else {
        return None;
    };
    let value = parse_value(toml).expect("the defaults of the key table are TOML");
    let typed = key
        .kind
        .read(&value, NamedFiles::LeftAlone)
        .expect("the defaults of the key table are of their keys' types");
    Some(typed.map_or(Slot::Empty, Slot::Given))
}
