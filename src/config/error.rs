//! What is wrong with a configuration.

use std::{fmt, io, path::PathBuf};

/// Everything that is wrong, ordered by key; never empty. Displayed one error per line.
#[derive(Debug)]
pub struct ConfigErrors(pub(super) Vec<ConfigError>);

/// One thing that is wrong. No variant holds or shows a value of the configuration: it may be a secret in
/// the wrong place.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error(
        "{}: there is no such file: copy config/dirherald.example.toml there and fill it in, or name another \
         one with --config",
        file.display()
    )]
    Missing {
        /// The configuration file.
        file: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("{}: cannot be read: let this user read it, or name another one with --config", file.display())]
    Unreadable {
        /// The configuration file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}: line {line} is not valid TOML: {problem}", file.display())]
    Syntax {
        /// The configuration file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The parser's words.
        problem: String,
    },
    /// A key, or one that is missing.
    #[error("{path}: {problem}{}", Origin(variable.as_deref()))]
    Key {
        /// Dotted, from the top of the file.
        path: String,
        /// What is wrong, and what to write instead.
        problem: String,
        /// The environment variable that set it, where one did.
        variable: Option<String>,
    },
}

/// Where a value came from, said only where it was not the file.
struct Origin<'a>(Option<&'a str>);

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(variable) => write!(f, " (set by the environment variable {variable})"),
            None => Ok(()),
        }
    }
}

impl ConfigErrors {
    /// Each error by itself.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
            if let Some(cause) = std::error::Error::source(error) {
                write!(f, ": {cause}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
