//! `transport = "file"`: one `.eml` file per message.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::outbox::state::Answer;

/// Writes the message durably and in one step: a file with its final name is always whole. The same
/// Message-ID again replaces the file. Mode 0600.
pub(super) async fn write(directory: &Path, message_id: &str, bytes: &[u8]) -> io::Result<Answer> {
    let name = file_name(message_id);
    let answer = Answer::words(&format!("written to {name}"));
    let path = directory.join(name);
    let directory = directory.to_owned();
    let bytes = bytes.to_owned();
    in_background(move || write_now(&directory, &path, &bytes)).await?;
    Ok(answer)
}

/// Whether a message could be written, without leaving one.
pub(super) async fn probe(directory: &Path) -> io::Result<()> {
    let directory = directory.to_owned();
    in_background(move || NamedTempFile::new_in(directory)?.close()).await
}

async fn in_background(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn write_now(directory: &PathBuf, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(directory)?.sync_all()
}

/// Without the angle brackets, and nothing that means something to a file system.
fn file_name(message_id: &str) -> String {
    let id: String = message_id
        .trim_matches(['<', '>'])
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '@' | '-' | '.' | '_') { c } else { '_' })
        .take(200)
        .collect();
    format!("{}.eml", id.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn file_names_stay_in_their_directory() {
        let check = |id, expected: &str| assert_eq!(file_name(id), expected);
        check("<0192-ab@acme.example>", "0192-ab@acme.example.eml");
        check("<../../etc/passwd>", "_.._etc_passwd.eml");
        check("", ".eml");
        check("<a\0b/c>", "a_b_c.eml");
    }

    #[tokio::test]
    async fn a_message_is_one_whole_private_file() {
        let directory = tempfile::tempdir().unwrap();
        for bytes in [b"Subject: one\r\n".as_slice(), b"Subject: two\r\n"] {
            let answer = write(directory.path(), "<1@acme.example>", bytes).await.unwrap();
            assert_eq!(answer.to_string(), "written to 1@acme.example.eml");
            let path = directory.path().join("1@acme.example.eml");
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        probe(directory.path()).await.unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[tokio::test]
    async fn a_missing_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap().path().join("gone");
        assert_eq!(write(&directory, "<1@a>", b"").await.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(probe(&directory).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
