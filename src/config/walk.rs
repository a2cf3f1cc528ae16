//! Goes through the merged tree along the table of keys.

use figment::value::{Dict, Value};

use super::{
    keys::{Fallback, Key, Table},
    kind::{Kind, Misfit, NamedFiles, instead_in_the_file, problem_of_a_variable, type_name},
    nearest::{distance, is_near},
    report::{Report, joined},
    typed::Typed,
    values::{Slot, Values, default_of},
};

/// A place in the file with the keys that may stand below it.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The keys.
    pub table: Table,
    /// The dotted path of the place; empty at the top of the file.
    pub prefix: &'a str,
    /// What is done with files that are named there.
    pub files: NamedFiles,
}

impl Place<'_> {
    /// Reads everything below this place; what does not fit goes to the report.
    pub fn read(self, tree: &Dict, report: &mut Report) -> Values {
        let mut values = Values::default();
        self.descend(tree, "", &mut values, report);
        self.settle_secrets(&mut values, report);
        values
    }

    fn descend(self, tree: &Dict, below: &str, values: &mut Values, report: &mut Report) {
        for (name, value) in tree {
            let path = joined(below, &shown(name));
            if let Some(key) = self.table.find(&path) {
                self.read_key(key, value, values, report);
                continue;
            }
            if !self.table.has_below(&path) {
                report.refuse(joined(self.prefix, &path), self.unknown(&path));
                continue;
            }
            match value.as_dict() {
                Some(tree) => self.descend(tree, &path, values, report),
                None => report.refuse(joined(self.prefix, &path), self.no_table(&path, value)),
            }
        }
    }

    fn read_key(self, key: &'static Key, value: &Value, values: &mut Values, report: &mut Report) {
        if self.is_superseded(key, report) {
            return;
        }
        let slot = match key.kind.read(value, self.files) {
            Ok(read) => self.admitted(key, read.map_or(Slot::Empty, Slot::Given), report),
            Err(misfit) => {
                let path = joined(self.prefix, key.path);
                let problem = match misfit {
                    Misfit::Content(sentence) => sentence,
                    Misfit::Type if report.is_from_environment(&path) => {
                        problem_of_a_variable(key.kind, value).unwrap_or_else(|| another_type(key, value))
                    }
                    Misfit::Type => another_type(key, value),
                };
                report.refuse(path, problem);
                Slot::Refused
            }
        };
        values.set(key.path, slot);
        if let Kind::Tables(keys) = key.kind {
            self.read_tables(key, Table { keys, not_yet: &[] }, value, report);
        }
    }

    fn read_tables(self, key: &Key, table: Table, value: &Value, report: &mut Report) {
        let tables = value.as_array().unwrap_or_default().iter().filter_map(Value::as_dict);
        for (number, tree) in (1..).zip(tables) {
            let prefix = format!("{}[{number}]", joined(self.prefix, key.path));
            let place = Place { table, prefix: &prefix, files: self.files };
            let values = place.read(tree, report);
            for key in table.keys.iter().filter(|key| values.slot(key.path).is_none()) {
                report.refuse(joined(&prefix, key.path), missing(key));
            }
        }
    }

    /// A secret in the environment replaces the file's, in whichever of the two forms either stands.
    fn is_superseded(self, key: &Key, report: &Report) -> bool {
        let other_form = match key.kind {
            Kind::Secret => format!("{}_file", key.path),
            Kind::SecretFile => secret_of(key.path).to_owned(),
            _ => return false,
        };
        report.is_from_environment(&joined(self.prefix, &other_form))
            && !report.is_from_environment(&joined(self.prefix, key.path))
    }

    /// Puts what came by `x_file` where `x` is looked for.
    fn settle_secrets(self, values: &mut Values, report: &mut Report) {
        for key in self.table.keys.iter().filter(|key| matches!(key.kind, Kind::Secret)) {
            let Some(from_file) = values.take(&format!("{}_file", key.path)) else {
                continue;
            };
            match (values.slot(key.path), from_file) {
                (Some(_), Slot::Empty) => {}
                (Some(_), Slot::Given(_) | Slot::Refused) => {
                    let name = last(key.path);
                    let problem = format!("is given twice, as {name} and as {name}_file: keep one of them");
                    report.refuse(joined(self.prefix, key.path), problem);
                    values.set(key.path, Slot::Refused);
                }
                (None, slot) => values.set(key.path, slot),
            }
        }
    }

    /// Refuses what this version does not do yet.
    fn admitted(self, key: &Key, slot: Slot, report: &mut Report) -> Slot {
        let path = || joined(self.prefix, key.path);
        match &slot {
            Slot::Given(Typed::Word(word)) if self.table.lacks_word(key.path, word) => {
                let name = last(key.path);
                let instead = key.fallback.example();
                report.refuse(
                    path(),
                    format!("{word:?} is not there yet in this version: write {name} = {instead}"),
                );
                Slot::Refused
            }
            Slot::Given(typed) if self.table.lacks_key(key.path) => {
                let default = default_of(key);
                if !matches!(&default, Some(Slot::Given(default)) if default == typed) {
                    report.refuse(path(), not_there_yet(key));
                }
                slot
            }
            Slot::Given(_) | Slot::Empty | Slot::Refused => slot,
        }
    }

    fn unknown(self, path: &str) -> String {
        let nearest = nearest_of(self.table, path);
        unknown_sentence(path, nearest, nearest.map(|near| joined(self.prefix, near)))
    }

    fn no_table(self, path: &str, value: &Value) -> String {
        format!(
            "must be a table, not {}: write its keys below [{}]",
            type_name(value),
            joined(self.prefix, path)
        )
    }
}

/// What to say of a key at the top of the file that is none: it may be one of a store.
pub fn unknown_at_top(path: &str, global: Table, store: Table) -> String {
    let at_top = nearest_of(global, path).into_iter().chain(["defaults", "identity_store"]);
    let at_top = at_top.min_by_key(|known| farness(path, known));
    let in_store = nearest_of(store, path);
    match (at_top, in_store) {
        (top, Some(known)) if top.is_none_or(|top| farness(path, known) < farness(path, top)) => {
            unknown_sentence(path, in_store, Some(format!("identity_store.NAME.{known}")))
        }
        (top, _) => unknown_sentence(path, top, top.map(str::to_owned)),
    }
}

fn unknown_sentence(path: &str, nearest: Option<&str>, shown: Option<String>) -> String {
    match (nearest, shown) {
        (Some(near), Some(shown)) if is_slip(path, near) => {
            format!("unknown key; did you mean {shown}?")
        }
        (_, Some(shown)) => format!("unknown key; the nearest known one is {shown}"),
        (_, None) => "unknown key".to_owned(),
    }
}

/// The key or the table of keys that is most like `path`.
fn nearest_of(table: Table, path: &str) -> Option<&'static str> {
    let tables = table
        .keys
        .iter()
        .flat_map(|key| key.path.match_indices('.').filter_map(|(dot, _)| key.path.get(..dot)));
    let keys = table.keys.iter().map(|key| key.path);
    keys.chain(tables).min_by_key(|known| farness(path, known))
}

/// The last name counts most: a key in the wrong table is nearer than another key of the right one. A `_`
/// for the dot counts for nothing.
fn farness(path: &str, known: &str) -> usize {
    let by_parts = 4 * distance(last(path), last(known)) + distance(above(path), above(known)).min(12);
    by_parts.min(4 * distance(&folded(path), &folded(known)))
}

fn is_slip(path: &str, known: &str) -> bool {
    is_near(last(path), last(known)) || distance(&folded(path), &folded(known)) <= 1
}

fn folded(path: &str) -> String {
    path.replace('.', "_")
}

fn another_type(key: &Key, value: &Value) -> String {
    let example = match key.fallback.example() {
        r#""""# | "[]" => key.kind.example(),
        example => example,
    };
    let instead = instead_in_the_file(key.kind, last(key.path), value, example);
    format!("must be {}, not {}: {instead}", key.kind.expected(), type_name(value))
}

/// What to say where a required key is not given.
pub fn missing(key: &Key) -> String {
    format!("is required: write for example {} = {}", last(key.path), key.fallback.example())
}

fn not_there_yet(key: &Key) -> String {
    match key.fallback {
        Fallback::Default(default) => {
            format!("is not there yet in this version: leave it out, or at {} = {default}", last(key.path))
        }
        Fallback::Unset(_) | Fallback::Required(_) => {
            "is not there yet in this version: leave it out".to_owned()
        }
    }
}

fn secret_of(path_of_file: &str) -> &str {
    path_of_file.strip_suffix("_file").unwrap_or(path_of_file)
}

fn last(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}

fn above(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(above, _)| above)
}

/// A name as TOML would write it.
pub fn shown(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if is_bare { name.to_owned() } else { format!("{name:?}") }
}
