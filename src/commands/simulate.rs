//! `simulate`: who would be told of a change, without making it.

use clap::{ArgGroup, Args};

use super::{
    CommandError, Exit, Format, Listing,
    explanation::print,
    output::{Output, remark},
    run::{view, watched},
};
use crate::{
    clock,
    config::{Config, StoreSettings},
    db::{self, Candidate, DbError, Found, Reader, Rules, Simulated, Supposed},
    directory::entry::EntryKind,
    notify::render::visible,
};

/// clap lets a missing other half pass where it would stand in conflict with what is there.
const OTHER_THAN_ADD: [&str; 4] = ["remove_member", "set_owner", "set_manager", "delete"];
const OTHER_THAN_REMOVE: [&str; 4] = ["add_member", "set_owner", "set_manager", "delete"];
const OTHER_THAN_SET: [&str; 3] = ["add_member", "remove_member", "delete"];

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("change")
        .required(true)
        .args(["add_member", "remove_member", "set_owner", "set_manager", "delete"]),
    after_help = "ENTRY is a DN, a mail address, an account name or the name of a group."
)]
pub(super) struct SimulateArguments {
    /// This entry becomes a member of the group that --to names
    #[arg(long, value_name = "ENTRY", requires = "to")]
    add_member: Option<String>,
    /// The group
    #[arg(long, value_name = "ENTRY", requires = "add_member", conflicts_with_all = OTHER_THAN_ADD)]
    to: Option<String>,
    /// This entry leaves the group that --from names
    #[arg(long, value_name = "ENTRY", requires = "from")]
    remove_member: Option<String>,
    /// The group
    #[arg(long, value_name = "ENTRY", requires = "remove_member", conflicts_with_all = OTHER_THAN_REMOVE)]
    from: Option<String>,
    /// This entry becomes the owner, in place of all primary owners, of the group that --of names
    #[arg(long, value_name = "ENTRY", requires = "of")]
    set_owner: Option<String>,
    /// This entry becomes the manager, in place of all primary managers, of the user that --of names
    #[arg(long, value_name = "ENTRY", requires = "of")]
    set_manager: Option<String>,
    /// The group or user
    #[arg(long, value_name = "ENTRY", conflicts_with_all = OTHER_THAN_SET)]
    of: Option<String>,
    /// This entry is deleted
    #[arg(long, value_name = "ENTRY")]
    delete: Option<String>,
    /// Who does it, where the directory would tell; nobody knows otherwise
    #[arg(long, value_name = "ENTRY")]
    by: Option<String>,
    #[command(flatten)]
    listing: Listing,
}

/// A change and what to say where it changes nothing.
struct Change {
    supposed: Supposed,
    already_so: String,
}

/// Prints who would be told, event by event; the state is as before.
pub(super) fn simulate(config: &Config, arguments: &SimulateArguments) -> Result<Exit, CommandError> {
    let store = arguments.listing.choice.single(config)?;
    let name = store.name.as_str();
    let path = &config.state.path;
    let unknown = || DbError::NoBaseline { store: name.to_owned() };
    let reader = Reader::open(path)?.ok_or_else(unknown)?;
    let finder = Finder { reader: &reader, store };
    let Change { supposed, already_so } = finder.change(arguments)?;
    let actor = arguments.by.as_deref().map(|by| finder.entry(by)).transpose()?;
    if !reader.is_read_as(name, &view(store))? {
        remark(
            "The configuration reads the directory in another way than the daemon has read it: start the \
             daemon anew, or this may be wrong.",
        );
    }
    drop(reader);
    let rules = Rules { schema: &store.schema, options: &store.notify };
    let actor = actor.map(|actor| actor.entry.dn);
    let tree = watched(&store.connector);
    let simulated = db::simulate(path, name, &tree, rules, supposed, actor, clock::now())?;
    say(&simulated, &already_so, store, arguments.listing.format())?;
    Ok(Exit::Success)
}

fn say(
    simulated: &Simulated,
    already_so: &str,
    store: &StoreSettings,
    format: Format,
) -> Result<(), CommandError> {
    let nothing = format!("This would change nothing: {}.", visible(already_so));
    let mut output = Output::new();
    match format {
        Format::Table if simulated.explanations.is_empty() => output.line(nothing)?,
        Format::Json if simulated.explanations.is_empty() => remark(nothing),
        Format::Table | Format::Json => {}
    }
    for (place, explanation) in simulated.explanations.iter().enumerate() {
        if place > 0 && format == Format::Table {
            output.line("")?;
        }
        print(&mut output, explanation, &store.timezone, format)?;
    }
    output.finish()?;
    for name in &simulated.unresolved {
        remark(format_args!(
            "{} is not known yet: the directory would be asked for it first.",
            visible(name.as_str())
        ));
    }
    Ok(())
}

/// Finds the entry that a text means.
pub(super) struct Finder<'a> {
    pub(super) reader: &'a Reader,
    pub(super) store: &'a StoreSettings,
}

impl Finder<'_> {
    fn change(&self, arguments: &SimulateArguments) -> Result<Change, CommandError> {
        match arguments {
            SimulateArguments { add_member: Some(member), to: Some(group), .. } => {
                let (member, group) = (self.entry(member)?, self.entry(group)?);
                let already_so = format!("{} is a member of {} already", shown(&member), shown(&group));
                let supposed = Supposed::MemberAdded { member: member.id, group: group.id };
                Ok(Change { supposed, already_so })
            }
            SimulateArguments { remove_member: Some(member), from: Some(group), .. } => {
                let (member, group) = (self.entry(member)?, self.entry(group)?);
                let already_so = format!("{} is no direct member of {}", shown(&member), shown(&group));
                let supposed = Supposed::MemberRemoved { member: member.id, group: group.id };
                Ok(Change { supposed, already_so })
            }
            SimulateArguments { set_owner: Some(owner), of: Some(group), .. } => {
                let (owner, group) = (self.entry(owner)?, self.entry(group)?);
                let already_so = format!("{} owns {} already", shown(&owner), shown(&group));
                let supposed = Supposed::OwnerSet { owner: owner.id, group: group.id };
                Ok(Change { supposed, already_so })
            }
            SimulateArguments { set_manager: Some(manager), of: Some(of), .. } => {
                let (manager, of) = (self.entry(manager)?, self.entry(of)?);
                let already_so = format!("{} manages {} already", shown(&manager), shown(&of));
                let supposed = Supposed::ManagerSet { manager: manager.id, of: of.id };
                Ok(Change { supposed, already_so })
            }
            arguments => {
                let entry = arguments.delete.as_deref().expect("clap asks for exactly one change, whole");
                let entry = self.entry(entry)?;
                let already_so = format!("{} is gone already", shown(&entry));
                Ok(Change { supposed: Supposed::Deleted { entry: entry.id }, already_so })
            }
        }
    }

    pub(super) fn entry(&self, text: &str) -> Result<Candidate, CommandError> {
        let (store, text) = (self.store.name.to_string(), text.to_owned());
        match self.reader.find(&store, &self.store.schema, &text)? {
            Found::One(candidate) => Ok(candidate),
            Found::Several(several) => {
                let candidates = listed(&several);
                Err(CommandError::SeveralEntries { store, text, candidates })
            }
            Found::Nobody(near) => {
                let did_you_mean = if near.is_empty() { "" } else { "; did you mean:" };
                let candidates = format!("{did_you_mean}{}", listed(&near));
                Err(CommandError::NoSuchEntry { store, text, candidates })
            }
        }
    }
}

fn shown(candidate: &Candidate) -> String {
    format!("{} ({})", candidate.entry.name, candidate.entry.dn)
}

/// One a line, each after a line break.
fn listed(candidates: &[Candidate]) -> String {
    let line = |candidate: &Candidate| {
        let kind = candidate.entry.kind.map_or("entry", EntryKind::as_str);
        let own = [candidate.account.as_deref(), candidate.mail.as_deref()];
        let known_by = own.into_iter().flatten().fold(String::new(), |all, name| all + ", " + name);
        let Candidate { entry, .. } = candidate;
        format!("\n  {}", visible(&format!("{}: {}, {kind}{known_by}", entry.dn, entry.name)))
    };
    candidates.iter().map(line).collect()
}
