//! Files that the configuration names.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use super::{Misfit, SecretText, Typed};

/// What is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedFiles {
    /// They must be usable, and secrets are read.
    Opened,
    /// Nothing: whoever only looks at the state needs none of them, and often may not read them. A secret in a
    /// file is one that opens no door.
    LeftAlone,
}

/// Stands for a secret that was not read. Not empty: that would say something else to some servers.
const UNREAD: &str = "not read";

impl NamedFiles {
    /// Empty: none.
    pub fn secret(self, path: &str) -> Result<Option<Typed>, Misfit> {
        if path.is_empty() {
            return Ok(None);
        }
        let secret = match self {
            Self::Opened => secret_in(path)?,
            Self::LeftAlone => SecretString::from(UNREAD),
        };
        Ok(Some(Typed::Secret(SecretText(secret))))
    }

    /// Of certificates or a key.
    pub fn pem(self, path: &str) -> Result<PathBuf, Misfit> {
        match self {
            Self::Opened => openable(path),
            Self::LeftAlone => Ok(PathBuf::from(path)),
        }
    }

    /// That mails are to be written into. The error is to follow the key's path.
    pub fn spool(self, path: &Path) -> Result<(), String> {
        match self {
            Self::Opened => match tempfile::tempfile_in(path) {
                Ok(_) => Ok(()),
                Err(error) => Err(SPOOL.problem(path.to_str().unwrap_or_default(), &error)),
            },
            Self::LeftAlone => Ok(()),
        }
    }
}

fn secret_in(path: &str) -> Result<SecretString, Misfit> {
    let bytes = fs::read(path).map_err(|error| Misfit::Content(SECRET.problem(path, &error)))?;
    let content = String::from_utf8(bytes).map_err(|_| "names a file that is no UTF-8 text")?;
    let line = content.strip_suffix('\n').unwrap_or(&content);
    Ok(SecretString::from(line.strip_suffix('\r').unwrap_or(line)))
}

fn openable(path: &str) -> Result<PathBuf, Misfit> {
    let is_file = fs::File::open(path).and_then(|file| file.metadata()).map(|metadata| metadata.is_file());
    match is_file {
        Ok(true) => Ok(PathBuf::from(path)),
        Ok(false) => Err("names something that is no file".into()),
        Err(error) => Err(Misfit::Content(PEM.problem(path, &error))),
    }
}

/// What is wanted, in the words of an error.
struct Wanted {
    what: &'static str,
    /// Done to it.
    used: &'static str,
    /// What to do where there is none.
    when_missing: &'static str,
    /// What to write instead.
    instead: &'static str,
}

const SECRET: Wanted = Wanted {
    what: "file",
    used: "read",
    when_missing: "write the secret alone into it and let only dirherald's user read it, or correct the path",
    instead: "write the absolute path of a file that holds the secret alone",
};

const PEM: Wanted = Wanted {
    what: "file",
    used: "read",
    when_missing: "put the PEM file there, or correct the path",
    instead: "write the absolute path of a PEM file",
};

const SPOOL: Wanted = Wanted {
    what: "directory",
    used: "written to",
    when_missing: "create it, with dirherald's user as its owner, or correct the path",
    instead: "write the absolute path of a directory of dirherald's own",
};

impl Wanted {
    fn problem(&self, path: &str, error: &io::Error) -> String {
        let Self { what, used, when_missing, instead } = self;
        match (error.kind(), surely_a_path(path)) {
            (io::ErrorKind::NotFound, Some(path)) => format!("there is no {what} {path:?}: {when_missing}"),
            (io::ErrorKind::NotFound, None) => format!("names a {what} that does not exist: {instead}"),
            (io::ErrorKind::PermissionDenied, Some(path)) => format!(
                "the {what} {path:?} may not be {used} by this user: run dirherald as the user who may, or \
                 change the rights of the {what}"
            ),
            (kind, Some(path)) => format!("the {what} {path:?} cannot be {used} ({kind}): {instead}"),
            (kind, None) => format!("names a {what} that cannot be {used} ({kind}): {instead}"),
        }
    }
}

/// The text, if it can be nothing else: it begins with a directory that exists. A path is not repeated
/// otherwise, because it may be the secret itself, written to the wrong key.
fn surely_a_path(text: &str) -> Option<&str> {
    let (top, rest) = text.strip_prefix('/')?.split_once('/')?;
    let is_name = !matches!(top, "" | "." | "..") && !rest.is_empty();
    (is_name && Path::new("/").join(top).is_dir()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m22_only_what_is_surely_a_path_is_repeated() {
        for (text, expected) in [
            ("/usr/nowhere", true),
            ("/usr/no/where", true),
            ("/usr", false),
            ("/usr/", false),
            ("/hunter2", false),
            ("/hunter2/secret", false),
            ("//usr/x", false),
            ("/../usr/x", false),
            ("/./x", false),
            ("usr/x", false),
            ("hunter2", false),
            ("", false),
        ] {
            assert_eq!(surely_a_path(text), expected.then_some(text), "{text}");
        }
    }

    #[test]
    fn who_may_not_is_told_so() {
        let denied = io::ErrorKind::PermissionDenied.into();
        assert_eq!(
            SECRET.problem("/usr/password", &denied),
            "the file \"/usr/password\" may not be read by this user: run dirherald as the user who may, or change \
             the rights of the file"
        );
        assert_eq!(
            SPOOL.problem("/usr/spool", &denied),
            "the directory \"/usr/spool\" may not be written to by this user: run dirherald as the user who may, or \
             change the rights of the directory"
        );
    }
}
