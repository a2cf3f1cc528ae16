//! Gathers what is wrong.

use std::collections::BTreeSet;

use super::{environment::Variables, error::ConfigError};

/// All that was found wrong so far.
pub struct Report {
    variables: Variables,
    /// Path and problem.
    refused: BTreeSet<(String, String)>,
}

impl Report {
    /// Nothing wrong yet. `variables` says which keys the environment set.
    pub fn new(variables: Variables) -> Self {
        Self { variables, refused: BTreeSet::new() }
    }

    /// Something is wrong at the dotted path.
    pub fn refuse(&mut self, path: String, problem: impl Into<String>) {
        self.refused.insert((path, problem.into()));
    }

    /// Whether the environment set the key.
    pub fn is_from_environment(&self, path: &str) -> bool {
        self.variables.contains_key(path)
    }

    /// What was found, each once, in the order of the paths.
    pub fn into_errors(self) -> Vec<ConfigError> {
        let error = |(path, problem)| {
            let variable = self.variables.get(&path).cloned();
            ConfigError::Key { path, problem, variable }
        };
        self.refused.into_iter().map(error).collect()
    }
}

/// `path` below `prefix`.
pub fn joined(prefix: &str, path: &str) -> String {
    if prefix.is_empty() { path.to_owned() } else { format!("{prefix}.{path}") }
}
