//! What to write instead of a value of another type. What was written is not repeated, but for what it means.

use figment::value::Value;

use super::{Kind, type_name};

/// How a value is written in the file.
enum Form {
    /// Without quotes.
    Switch,
    /// Without quotes.
    Number,
    /// In quotes, with a unit.
    Length,
    /// In quotes.
    Line,
    /// In brackets.
    List,
}

impl Form {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Bool => Self::Switch,
            Kind::Count { .. } => Self::Number,
            Kind::Length { .. } | Kind::LengthOr(_) => Self::Length,
            Kind::Word(_)
            | Kind::Text
            | Kind::Secret
            | Kind::SecretFile
            | Kind::File
            | Kind::Path
            | Kind::Dn
            | Kind::Attribute
            | Kind::Filter
            | Kind::MailboxText
            | Kind::ReplyTo
            | Kind::EnvelopeSender
            | Kind::Host
            | Kind::TimeZone
            | Kind::Clock
            | Kind::HttpsUrl => Self::Line,
            Kind::Counts { .. }
            | Kind::Texts
            | Kind::Urls
            | Kind::Dns
            | Kind::Attributes
            | Kind::Addresses
            | Kind::Domains
            | Kind::Tables(_) => Self::List,
        }
    }
}

/// In the file. `example` is a value that fits the key, as TOML.
pub fn instead_in_the_file(kind: Kind, name: &str, value: &Value, example: &str) -> String {
    let is_text = value.as_str().is_some();
    let how = match Form::of(kind) {
        Form::Switch if is_text => return format!("write {}, without quotes", switch(name, value)),
        Form::Switch => return format!("write {}", switch(name, value)),
        Form::Number if is_text => "write the number without quotes, for example",
        Form::Length if is_bare(value) => "write it with its unit and in quotes, for example",
        Form::Line if is_bare(value) => "write it in quotes, for example",
        Form::List if is_text => "write it in brackets, for example",
        Form::Number | Form::Length | Form::Line | Form::List => "write for example",
    };
    format!("{how} {name} = {example}")
}

/// In the environment nothing has quotes. `None`: the file's words will do.
pub fn problem_of_a_variable(kind: Kind, value: &Value) -> Option<String> {
    match Form::of(kind) {
        Form::Switch => Some(match meaning(value) {
            Some(on) => format!("must be true or false: set it to {on}"),
            None => "must be true or false".to_owned(),
        }),
        Form::Number => Some(format!("must be {}", kind.expected())),
        Form::Length | Form::Line | Form::List => None,
    }
}

fn switch(name: &str, value: &Value) -> String {
    match meaning(value) {
        Some(on) => format!("{name} = {on}"),
        None => format!("{name} = true or {name} = false"),
    }
}

/// What people write for true and false.
fn meaning(value: &Value) -> Option<bool> {
    let text = match value {
        Value::String(_, text) => text.trim().to_lowercase(),
        Value::Num(..) => value.to_i128()?.to_string(),
        _ => return None,
    };
    match text.as_str() {
        "true" | "yes" | "on" | "y" | "1" => Some(true),
        "false" | "no" | "off" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// Whether quotes are what is missing.
fn is_bare(value: &Value) -> bool {
    match value {
        Value::Num(..) | Value::Bool(..) => true,
        _ => type_name(value) == "a date without quotes",
    }
}
