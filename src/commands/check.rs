//! `check`: everything is tried that can be tried without telling anybody anything.

mod directory;
mod exposure;
mod mail;
mod options;
mod report;
mod wrong_port;

use std::path::Path;

use futures_util::future::join_all;

use self::report::Section;
use super::{CommandError, Exit, StoreChoice, output::Output, state_file};
use crate::{
    config::{Complete, Config, StoreSettings},
    db::StateFile,
    error_chain::chain,
};

/// Checks all there is, however much of it is broken.
pub(super) async fn check(
    file: &Path,
    config: &Complete,
    choice: &StoreChoice,
) -> Result<Exit, CommandError> {
    let stores = choice.of(config)?;
    let sections = join_all(stores.into_iter().map(store)).await;
    let sections: Vec<_> = [here(file, config)].into_iter().chain(sections).collect();
    let mut output = Output::new();
    for section in &sections {
        output.line(section)?;
    }
    let problems: usize = sections.iter().map(Section::problems).sum();
    let (sentence, exit) = match problems {
        0 => ("everything is as it should be; nothing was sent".to_owned(), Exit::Success),
        1 => ("1 problem; nothing was sent".to_owned(), Exit::Found),
        count => (format!("{count} problems; nothing was sent"), Exit::Found),
    };
    output.line(sentence)?;
    output.finish()?;
    Ok(exit)
}

/// What concerns this machine and no store.
fn here(file: &Path, config: &Config) -> Section {
    let mut section = Section::new("dirherald");
    section.fact("configuration", format!("{} has no errors", file.display()));
    let path = config.state.path.display();
    match StateFile::inspect(&config.state.path) {
        Ok(StateFile::New) => section.fact("state", format!("{path} will be created")),
        Ok(StateFile::Usable { daemon_runs: true }) => {
            section.fact("state", format!("{path} can be used; a daemon runs on it"));
        }
        Ok(StateFile::Usable { daemon_runs: false }) => {
            section.fact("state", format!("{path} can be used"));
        }
        Err(error) => section.problem(chain(&error), state_file::advice(&error).as_deref()),
    }
    section.append(exposure::look(file, config));
    section
}

async fn store(settings: &StoreSettings) -> Section {
    let mut section = Section::new(&format!("identity store {}", settings.name));
    let (directory, mail) = tokio::join!(directory::look(settings), mail::look(&settings.mail));
    section.append(directory);
    section.append(options::look(&settings.notify, &settings.schema));
    section.append(options::guard(&settings.guard));
    section.append(mail);
    section
}
