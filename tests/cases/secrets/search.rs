//! Looking for secrets in whatever form somebody may have written them down.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use mail_parser::MessageParser;
use rusqlite::{Connection, types::ValueRef};

use crate::support::smtp::Mail;

/// What must be nowhere.
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    /// As they are; in lower case, and so is what is searched.
    pub fn of(secrets: &[&str]) -> Self {
        let forms = secrets.iter().flat_map(|secret| forms(secret));
        Self(forms.map(|form| form.to_lowercase()).collect())
    }

    /// Fails where one of them stands in `bytes`.
    #[track_caller]
    pub fn assert_absent(&self, place: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        for form in &self.0 {
            let Some(at) = text.find(form) else { continue };
            let (before, after) = text.split_at(at);
            let before = before.chars().rev().take(300).collect::<Vec<_>>().into_iter().rev();
            let around: String = before.chain(after.chars().take(300)).collect();
            panic!("{form:?} stands in {place}: {around}");
        }
    }

    /// Of the message as it went over the wire, and as its reader sees it.
    #[track_caller]
    pub fn assert_absent_in_mail(&self, mail: &Mail) {
        let place = format!("the mail to {:?}", mail.to);
        self.assert_absent(&place, &mail.bytes);
        let parsed = MessageParser::default().parse(&mail.bytes).expect("a message");
        for part in parsed.parts.iter().map(mail_parser::MessagePart::contents) {
            self.assert_absent(&place, part);
        }
        self.assert_absent(&place, format!("{:?}", parsed.headers()).as_bytes());
    }

    /// Of every file below a directory, page by page; what is a database also value by value, because a value may
    /// be spread over several pages. `kept` are those that hold secrets by their nature. Nobody writes meanwhile.
    #[track_caller]
    pub fn assert_absent_below(&self, directory: &Path, kept: &[&Path]) {
        let mut databases = Vec::new();
        for path in files_below(directory).into_iter().filter(|path| !kept.contains(&path.as_path())) {
            let bytes = fs::read(&path).expect("a readable file");
            self.assert_absent(&path.display().to_string(), &bytes);
            if bytes.starts_with(b"SQLite format 3") {
                databases.push(path);
            }
        }
        // Last of all: SQLite tidies up what lies beside a database.
        for path in databases {
            self.assert_absent_in_database(&path);
        }
    }

    #[track_caller]
    fn assert_absent_in_database(&self, path: &Path) {
        let database = Connection::open(path).expect("a database");
        let mut tables =
            database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").expect("tables");
        let tables: Vec<String> =
            tables.query_map([], |row| row.get(0)).expect("tables").map(Result::unwrap).collect();
        assert!(tables.len() > 5, "{tables:?}");
        for table in tables {
            let mut all = database.prepare(&format!("SELECT * FROM {table}")).expect("a table");
            let columns = all.column_count();
            let mut rows = all.query([]).expect("its rows");
            while let Some(row) = rows.next().expect("a row") {
                for column in 0..columns {
                    if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) =
                        row.get_ref(column).expect("a value")
                    {
                        self.assert_absent(&format!("{table} of {}", path.display()), bytes);
                    }
                }
            }
        }
    }
}

/// All of them, at any depth.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let (directories, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(directories.iter().flat_map(|directory| files_below(directory)));
    files
}

/// A secret as it is, quoted, escaped and encoded.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let list: Vec<String> = bytes.iter().map(ToString::to_string).collect();
    let json = serde_json::to_string(secret).expect("a text");
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut forms = vec![
        secret.to_owned(),
        json.trim_matches('"').to_owned(),
        secret.escape_debug().to_string(),
        secret.escape_default().to_string(),
        html,
        hex(bytes),
        list.join(", "),
        list.join(","),
        percent(bytes, "-._~"),
        percent(bytes, "-._~ ").replace(' ', "+"),
        percent(bytes, ""),
    ];
    forms.extend((0..3).map(|before| base64_within(before, bytes)));
    forms
}

/// In lower case.
pub fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

fn percent(bytes: &[u8], kept: &str) -> String {
    let each = |&byte: &u8| match char::from(byte) {
        plain if plain.is_ascii_alphanumeric() || kept.contains(plain) => plain.to_string(),
        _ => format!("%{byte:02x}"),
    };
    bytes.iter().map(each).collect()
}

/// The digits that depend on nothing else where the secret stands behind so many bytes (modulo 3) of something
/// longer.
fn base64_within(before: usize, secret: &[u8]) -> String {
    let padded = [&vec![0; before], secret].concat();
    let all = BASE64_STANDARD.encode(&padded);
    let first = [0, 2, 3][before];
    all.get(first..padded.len() * 8 / 6).expect("digits of base64 are ASCII").to_owned()
}

#[test]
fn every_form_is_found() {
    let secrets = Secrets::of(&["a\"b\\c ü%&<d>"]);
    let finds =
        |text: &str| std::panic::catch_unwind(|| secrets.assert_absent("a text", text.as_bytes())).is_err();
    for text in [
        "xa\"b\\c ü%&<d>x",
        r#"{"x":"a\"b\\c ü%&<d>"}"#,
        "a&quot;b\\c ü%&amp;&lt;d&gt;",
        "?a%22b%5Cc%20%C3%BC%25%26%3Cd%3E",
        "612262 6122625c6320c3bc25263c643e",
        "A\"B\\C Ü%&<D>",
    ] {
        assert!(finds(text), "{text}");
    }
    for before in 0..5 {
        let around = [&vec![b'x'; before][..], "a\"b\\c ü%&<d>".as_bytes(), b"yy"].concat();
        assert!(finds(&BASE64_STANDARD.encode(around)), "{before}");
    }
    assert!(!finds("a\"b\\c"));
}
