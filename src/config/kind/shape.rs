//! What a value of the file is, before what it says.

use figment::value::{Num, Value};

use super::{Misfit, Typed};

/// What an error calls the type of a value.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "a text",
        Value::Bool(..) => "true or false",
        Value::Num(_, number) if is_whole(*number) => "a whole number",
        Value::Num(..) => "a number with a fraction",
        Value::Empty(..) => "nothing",
        Value::Dict(_, table) if table.contains_key("$__toml_private_datetime") => "a date without quotes",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    }
}

pub fn is_whole(number: Num) -> bool {
    !matches!(number, Num::F32(_) | Num::F64(_))
}

pub fn text(value: &Value) -> Result<&str, Misfit> {
    value.as_str().ok_or(Misfit::Type)
}

/// An error within the list says which entry it is; `wanted` is what each must be.
pub fn each<T>(
    value: &Value,
    wanted: &str,
    read: impl Fn(&Value) -> Result<T, Misfit>,
) -> Result<Vec<T>, Misfit> {
    let list = value.as_array().ok_or(Misfit::Type)?;
    let numbered = list.iter().zip(1..);
    let entries = numbered.map(|(item, number): (&Value, usize)| {
        read(item).map_err(|misfit| match misfit {
            Misfit::Type => {
                Misfit::Content(format!("entry {number} must be {wanted}, not {}", type_name(item)))
            }
            Misfit::Content(sentence) => Misfit::Content(format!("entry {number} {sentence}")),
        })
    });
    entries.collect()
}

/// [`each`], of texts.
pub fn each_text<T>(value: &Value, read: impl Fn(&str) -> Result<T, Misfit>) -> Result<Vec<T>, Misfit> {
    each(value, "a text in quotes", |item| text(item).and_then(&read))
}

pub fn optional<T>(text: &str, read: impl Fn(&str) -> Result<T, Misfit>) -> Result<Option<T>, Misfit> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

/// The walk goes into the tables itself.
pub fn tables(value: &Value) -> Result<Option<Typed>, Misfit> {
    let list = value.as_array().ok_or(Misfit::Type)?;
    if !list.iter().all(|item| item.as_dict().is_some()) {
        return Err(Misfit::Type);
    }
    Ok(Some(Typed::Tables(list.len())))
}
