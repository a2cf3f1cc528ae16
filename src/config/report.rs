//! Gathers what is wrong.

use super::{environment::Variables, error::ConfigError};

/// All that was found wrong so far.
pub struct Report {
    variables: Variables,
    errors: Vec<ConfigError>,
}

impl Report {
    /// Nothing wrong yet. `variables` says which keys the environment set.
    pub fn new(variables: Variables) -> Self {
        Self { variables, errors: Vec::new() }
    }

    /// Something is wrong at the dotted path.
    pub fn refuse(&mut self, path: String, problem: impl Into<String>) {
        let variable = self.variables.get(&path).cloned();
        self.errors.push(ConfigError::Key { path, problem: problem.into(), variable });
    }

    /// Whether the environment set the key.
    pub fn is_from_environment(&self, path: &str) -> bool {
        self.variables.contains_key(path)
    }

    /// What was found, in the order of the keys.
    pub fn into_errors(self) -> Vec<ConfigError> {
        let mut errors = self.errors;
        errors.sort_by_cached_key(ToString::to_string);
        errors.dedup_by_key(|error| error.to_string());
        errors
    }
}

/// `path` below `prefix`.
pub fn joined(prefix: &str, path: &str) -> String {
    if prefix.is_empty() { path.to_owned() } else { format!("{prefix}.{path}") }
}
