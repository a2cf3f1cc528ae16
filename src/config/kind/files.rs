//! Files that the configuration names.

use std::{fs, path::PathBuf};

use secrecy::SecretString;

use super::{Misfit, SecretText, Typed};

/// The path is not repeated: it may be the secret itself, written to the wrong key.
pub fn secret_file(path: &str) -> Result<Option<Typed>, Misfit> {
    if path.is_empty() {
        return Ok(None);
    }
    let unreadable = |error: std::io::Error| {
        Misfit::Content(format!(
            "names a file that cannot be read ({}): write the path of a file that holds the secret alone",
            error.kind()
        ))
    };
    let bytes = fs::read(path).map_err(unreadable)?;
    let content = String::from_utf8(bytes).map_err(|_| "names a file that is no UTF-8 text")?;
    let line = content.strip_suffix('\n').unwrap_or(&content);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Ok(Some(Typed::Secret(SecretText(SecretString::from(line)))))
}

pub fn file(path: &str) -> Result<PathBuf, Misfit> {
    let is_file = fs::File::open(path).and_then(|file| file.metadata()).map(|metadata| metadata.is_file());
    match is_file {
        Ok(true) => Ok(PathBuf::from(path)),
        Ok(false) => Err("names something that is no file".into()),
        Err(error) => Err(Misfit::Content(format!("names a file that cannot be read ({})", error.kind()))),
    }
}
