//! A state file that is not there or cannot be opened: what is said of it.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::Path,
};

use super::output::remark;
use crate::db::{DbError, Reader};

/// For what lists: without a state file there is nothing to list, and that is said.
pub(super) fn to_look_at(path: &Path) -> Result<Option<Reader>, DbError> {
    let reader = Reader::open(path)?;
    if reader.is_none() {
        remark(format_args!(
            "there is no state file {} yet: `dirherald run` makes it; or state.path means another one",
            path.display()
        ));
    }
    Ok(reader)
}

/// More exactly than the error itself says; `None` where it says all there is.
pub(super) fn advice(error: &DbError) -> Option<String> {
    match error {
        DbError::Open { path, .. } if path.is_dir() => Some(format!(
            "{0} is a directory: set state.path to a file in it, such as {0}/state.db",
            path.display()
        )),
        DbError::Open { path, .. } => {
            let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
            about_directory(directory, fs::metadata(directory).map(|found| found.is_dir()))
                .or_else(|| about_writing(directory, can_write(directory)))
                .or_else(|| Some(format!("this user may not read and write {}", path.display())))
        }
        DbError::Damaged { .. } | DbError::Room { .. } | DbError::Statement { .. } => {
            error.trouble().map(|trouble| trouble.advice().to_owned())
        }
        DbError::Foreign { .. }
        | DbError::Empty { .. }
        | DbError::LogAlone { .. }
        | DbError::Newer { .. }
        | DbError::Older { .. }
        | DbError::NoBaseline { .. }
        | DbError::Locked { .. }
        | DbError::Corrupt { .. }
        | DbError::NothingShown
        | DbError::Closed => None,
    }
}

fn about_directory(directory: &Path, is_directory: io::Result<bool>) -> Option<String> {
    let shown = directory.display();
    match is_directory.map_err(|error| error.kind()) {
        Ok(true) => None,
        Ok(false) | Err(ErrorKind::NotADirectory) => {
            Some(format!("{shown} is no directory: set state.path to a file in one"))
        }
        Err(ErrorKind::NotFound) => Some(format!(
            "the directory {shown} does not exist: create it with `install -d -m 700 {shown}`, as the user that \
             dirherald runs as"
        )),
        Err(_) => Some(format!("this user may not enter {shown}: run dirherald as the user who may")),
    }
}

/// A few bytes, as a disk that is full still takes the name of a file.
fn can_write(directory: &Path) -> io::Result<()> {
    tempfile::tempfile_in(directory)?.write_all(&[0; 4096])
}

fn about_writing(directory: &Path, written: io::Result<()>) -> Option<String> {
    let shown = directory.display();
    let error = written.err()?;
    Some(match error.kind() {
        ErrorKind::PermissionDenied => format!(
            "this user may not write into {shown}: run dirherald as the user who owns it, or give it to this user \
             with chown"
        ),
        ErrorKind::ReadOnlyFilesystem => {
            format!(
                "{shown} is on a file system that is read-only: make that writable, or move the state file to one \
                 that is and set state.path"
            )
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("the disk of {shown} is full: make room on it")
        }
        _ => format!("nothing can be written into {shown}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_has_its_advice() {
        let directory = Path::new("/var/lib/dirherald");
        let entered = |kind: ErrorKind| about_directory(directory, Err(kind.into())).unwrap();
        assert_eq!(
            entered(ErrorKind::NotFound),
            "the directory /var/lib/dirherald does not exist: create it with `install -d -m 700 \
             /var/lib/dirherald`, as the user that dirherald runs as"
        );
        assert!(entered(ErrorKind::NotADirectory).starts_with("/var/lib/dirherald is no directory"));
        assert!(entered(ErrorKind::PermissionDenied).contains("may not enter /var/lib/dirherald"));
        assert_eq!(about_directory(directory, Ok(true)), None);
        assert_eq!(about_directory(directory, Ok(false)), Some(entered(ErrorKind::NotADirectory)));

        let written = |kind: ErrorKind| about_writing(directory, Err(kind.into())).unwrap();
        assert!(written(ErrorKind::PermissionDenied).contains("may not write into /var/lib/dirherald"));
        assert!(written(ErrorKind::ReadOnlyFilesystem).contains("read-only"));
        assert_eq!(
            written(ErrorKind::StorageFull),
            "the disk of /var/lib/dirherald is full: make room on it"
        );
        assert!(written(ErrorKind::Other).starts_with("nothing can be written into /var/lib/dirherald: "));
        assert_eq!(about_writing(directory, Ok(())), None);
    }

    #[test]
    fn it_is_found_out_which() {
        let place = tempfile::tempdir().unwrap();
        let said = |path: &Path| {
            let source = io::Error::from(ErrorKind::NotFound).into();
            advice(&DbError::Open { path: path.to_owned(), source }).unwrap()
        };
        assert!(said(&place.path().join("missing/state.db")).contains("missing does not exist"));
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(said(&file.join("state.db")).contains("file is no directory"));
        assert!(said(&file).contains("may not read and write"));
        assert!(said(place.path()).contains("is a directory: set state.path to a file in it"));
        assert_eq!(advice(&DbError::Closed), None);
    }
}
