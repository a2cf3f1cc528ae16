//! Whether others on this machine can read what is secret, or change what dirherald obeys.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::report::Section;
use crate::config::{Config, SecretPlace};

/// Rights of everybody (`others`) to a file.
const READ: u32 = 0o4;
const WRITE: u32 = 0o2;
/// To a directory: to reach what is in it.
const ENTER: u32 = 0o1;

/// What everybody on this machine can reach.
pub(super) fn look(file: &Path, config: &Config) -> Section {
    let mut section = Section::default();
    let inline: Vec<&str> = config.secrets.iter().filter_map(|place| inline(place)).collect();
    if !inline.is_empty() && others_may(READ, file) {
        section.problem(
            format!(
                "everybody on this machine may read {}, which holds {}",
                file.display(),
                inline.join(", ")
            ),
            Some(&format!("{}; or name files with password_file", close(file))),
        );
    }
    if others_may(WRITE, file) {
        section.problem(
            format!("everybody on this machine may change {}", file.display()),
            Some(&format!("`chmod o-w {}`", file.display())),
        );
    }
    for (key, path) in config.secrets.iter().filter_map(named) {
        if others_may(READ, path) || others_may(WRITE, path) {
            section.problem(
                format!("{key}: everybody on this machine may read or change {}", path.display()),
                Some(&close(path)),
            );
        }
    }
    section
}

fn inline(place: &SecretPlace) -> Option<&str> {
    match place {
        SecretPlace::Configuration { key } => Some(key),
        SecretPlace::File { .. } => None,
    }
}

fn named(place: &SecretPlace) -> Option<(&str, &PathBuf)> {
    match place {
        SecretPlace::Configuration { .. } => None,
        SecretPlace::File { key, path } => Some((key, path)),
    }
}

fn close(path: &Path) -> String {
    format!("`chmod o= {}`, and change the secret: others may have it by now", path.display())
}

/// The file has the right for everybody, and everybody can come to it: one directory on the way that they may not
/// enter is enough to keep them away. What cannot be looked at is not ours to judge.
fn others_may(right: u32, path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let has = |right: u32, path: &Path| fs::metadata(path).is_ok_and(|found| found.mode() & right != 0);
    has(right, &path) && path.ancestors().skip(1).all(|directory| has(ENTER, directory))
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn m22_who_cannot_come_to_a_file_cannot_read_it() {
        let place = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let inner = place.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let file = inner.join("password");
        fs::write(&file, "x").unwrap();
        let check = |inner_mode, file_mode, right, expected| {
            fs::set_permissions(&inner, Permissions::from_mode(inner_mode)).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(file_mode)).unwrap();
            assert_eq!(others_may(right, &file), expected, "{inner_mode:o} {file_mode:o} {right}");
        };
        check(0o755, 0o644, READ, true);
        check(0o711, 0o604, READ, true);
        check(0o750, 0o644, READ, false);
        check(0o755, 0o640, READ, false);
        check(0o755, 0o644, WRITE, false);
        check(0o755, 0o646, WRITE, true);
        check(0o755, 0o660, WRITE, false);
        assert!(!others_may(READ, &place.path().join("nowhere")));
    }
}
