//! The whole tree: what stands outside the stores, `[defaults]`, and each store over them.

use std::{collections::BTreeMap, time::Duration};

use figment::value::{Dict, Value};

use super::{
    Config, LogSettings, StateSettings, StoreSettings,
    error::ConfigErrors,
    keys::{GLOBAL_KEYS, STORE_KEYS, Table},
    kind::{NamedFiles, type_name},
    layers::Merged,
    not_yet,
    places::places_of_secrets,
    report::Report,
    store::StoreReader,
    values::{Refused, Values},
    walk::{Place, shown, unknown_at_top},
};
use crate::{directory::store_name::StoreName, telemetry::LogFormat};

/// The cap of the hour and the guard look back; nobody wants to know less than a day.
const SHORTEST_KEEP: Duration = Duration::from_hours(24);

const GLOBAL: Table = Table { keys: GLOBAL_KEYS, not_yet: not_yet::GLOBAL };
const STORE: Table = Table { keys: STORE_KEYS, not_yet: not_yet::STORE };

/// Checks the whole tree; all that is wrong is said at once.
pub fn read(merged: Merged, files: NamedFiles) -> Result<Config, ConfigErrors> {
    let secrets = places_of_secrets(&merged);
    let Merged { mut tree, variables } = merged;
    let mut report = Report::new(variables);
    let defaults = tree.remove("defaults");
    let stores = tree.remove("identity_store");
    let state_and_log = read_global(tree, files, &mut report);
    let defaults = read_defaults(defaults, files, &mut report);
    let stores = read_stores(stores, &defaults, files, &mut report);
    let errors = report.into_errors();
    match state_and_log {
        Ok((state, log)) if errors.is_empty() => Ok(Config { state, log, stores, secrets }),
        Ok(_) | Err(Refused) => Err(ConfigErrors(errors)),
    }
}

fn read_global(
    tree: Dict,
    files: NamedFiles,
    report: &mut Report,
) -> Result<(StateSettings, LogSettings), Refused> {
    let is_known = |name: &String, _: &mut Value| GLOBAL.has_below(name);
    let mut unknown = tree;
    let known: Dict = unknown.extract_if(.., is_known).collect();
    for name in unknown.keys() {
        report.refuse(shown(name), unknown_at_top(name, GLOBAL, STORE));
    }
    let values =
        Place { table: GLOBAL, prefix: "", files }.read(&known, report).over(&Values::fallbacks(GLOBAL));
    let Some(path) = values.optional("state.path")? else {
        let problem = "must not be empty: write for example path = \"/var/lib/dirherald/state.db\"";
        report.refuse("state.path".into(), problem);
        return Err(Refused);
    };
    let keep = values.get("state.keep")?;
    if keep < SHORTEST_KEEP {
        report.refuse("state.keep".into(), "must be at least 1d: what was just told is still asked about");
        return Err(Refused);
    }
    let state = StateSettings { path, keep };
    Ok((state, LogSettings { format: log_format(&values)?, level: log_level(&values)? }))
}

fn log_format(values: &Values) -> Result<LogFormat, Refused> {
    match values.get("log.format")? {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(Refused),
    }
}

fn log_level(values: &Values) -> Result<tracing::Level, Refused> {
    values.get::<&str>("log.level")?.parse().map_err(|_| Refused)
}

fn read_defaults(defaults: Option<Value>, files: NamedFiles, report: &mut Report) -> Values {
    let fallbacks = Values::fallbacks(STORE);
    let Some(defaults) = defaults else {
        return fallbacks;
    };
    let Value::Dict(_, tree) = defaults else {
        report.refuse(
            "defaults".into(),
            format!("must be a table, not {}: write [defaults]", type_name(&defaults)),
        );
        return fallbacks;
    };
    Place { table: STORE, prefix: "defaults", files }.read(&tree, report).over(&fallbacks)
}

fn read_stores(
    stores: Option<Value>,
    defaults: &Values,
    files: NamedFiles,
    report: &mut Report,
) -> BTreeMap<StoreName, StoreSettings> {
    let stores = match stores {
        Some(Value::Dict(_, stores)) => stores,
        Some(other) => {
            let problem = format!("must be a table, not {}: write [identity_store.acme]", type_name(&other));
            report.refuse("identity_store".into(), problem);
            return BTreeMap::new();
        }
        None => Dict::new(),
    };
    if stores.is_empty() {
        let problem =
            "there is none: write at least one table such as [identity_store.acme], with urls and base_dn";
        report.refuse("identity_store".into(), problem);
    }
    let read =
        stores.iter().filter_map(|(name, store)| read_store(name, store, defaults, files, report).ok());
    read.map(|store| (store.name.clone(), store)).collect()
}

fn read_store(
    name: &str,
    store: &Value,
    defaults: &Values,
    files: NamedFiles,
    report: &mut Report,
) -> Result<StoreSettings, Refused> {
    let path = format!("identity_store.{}", shown(name));
    let Some(tree) = store.as_dict() else {
        let problem = format!(
            "must be a table, not {}: write [identity_store.acme], with a name of your own",
            type_name(store)
        );
        report.refuse(path, problem);
        return Err(Refused);
    };
    let Ok(name) = name.parse::<StoreName>() else {
        report.refuse(
            path,
            "a store's name is made of a-z, 0-9 and -: write for example [identity_store.acme-eu]",
        );
        return Err(Refused);
    };
    let values = Place { table: STORE, prefix: &path, files }.read(tree, report).over(defaults);
    StoreReader { name, table: STORE, values, files, report }.read()
}
