//! Which options of a store are on, what its filters mean for them, and what cannot work together.

use super::report::Section;
use crate::{
    change::guard::GuardSettings,
    commands::table::roughly,
    directory::schema::{FilterUse, Schema},
    notify::{
        options::{Copies, Options},
        reason::Reason,
        table,
    },
};

/// Asks nobody: the configuration says it all.
pub(super) fn look(options: &Options, schema: &Schema) -> Section {
    let mut section = Section::default();
    for option in table::on(options) {
        section.fact("option on", format!("{}: {}", option.reason, option.wording));
    }
    if options.logged_in_users {
        section.fact(
            "actors",
            "known of changes that arrive live, by modifiersName; what a refresh brings after a break has no \
             actor, and logged_in_users tells nobody of it",
        );
    }
    pilot(options, &mut section);
    copies(options, &mut section);
    filters(options, schema, &mut section);
    limits(options, &mut section);
    alerts(options, &mut section);
    problems(options, schema, &mut section);
    section
}

/// The limits beyond which changes wait for somebody.
pub(super) fn guard(settings: &GuardSettings) -> Section {
    let GuardSettings { window, max_events, membership_percent, membership_min } = *settings;
    let mut section = Section::default();
    section.fact(
        "guard",
        format!(
            "holds what exceeds, within {}, {max_events} events, or {membership_percent} % of the members of a group \
             of at least {membership_min}",
            roughly(window)
        ),
    );
    section
}

fn pilot(options: &Options, section: &mut Section) {
    if options.dry_run {
        section.fact("dry run", "nothing is sent: mails end as suppressed");
    }
    if !options.redirect_to.is_empty() {
        let to = options.redirect_to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        section.fact("redirected", format!("all mail goes to {to}, and to nobody else"));
    }
}

fn copies(options: &Options, section: &mut Section) {
    let recipients = &options.recipients;
    if recipients.to.is_empty() && recipients.cc.is_empty() {
        return;
    }
    let of = match recipients.copy {
        Copies::Notifications => "of each change for which an option fires, even if it finds nobody to tell",
        Copies::AllChanges => {
            "of all changes, those of ignored entries and of what comes into scope or leaves it included"
        }
    };
    section.fact("copies", format!("{} To, {} Cc: {of}", recipients.to.len(), recipients.cc.len()));
}

fn filters(options: &Options, schema: &Schema, section: &mut Section) {
    for (of, filter) in schema.filters() {
        let groups = if filter.reads_groups() {
            "; memberOf is what the groups themselves say, without those within groups"
        } else {
            ""
        };
        section.fact("filter", format!("{} = {filter}: {}{groups}", of.key(), meaning(of, options)));
    }
}

/// What a filter does under these options.
fn meaning(of: FilterUse, options: &Options) -> &'static str {
    match of {
        FilterUse::PublicGroups if options.public_group_owner => "these groups are public",
        FilterUse::PublicGroups => "these groups are public, which only public_group_owner asks for",
        FilterUse::Ignored => match options.recipients.copy {
            Copies::Notifications => "changes of these entries tell nobody",
            Copies::AllChanges => "changes of these entries tell nobody but To and Cc",
        },
        FilterUse::DoNotNotify => {
            "these are told nothing by role, and no group among them is opened; To and Cc get their copies"
        }
        FilterUse::Disabled if options.notify_disabled_accounts => {
            "these are disabled, and told like anybody: notify_disabled_accounts"
        }
        FilterUse::Disabled => "these are disabled, and told nothing by role",
        FilterUse::Pilot => {
            "only these people, and groups written to at their own address, are told by role; To and Cc get \
             their copies"
        }
    }
}

fn limits(options: &Options, section: &mut Section) {
    if !options.recipient_domains.is_empty() {
        let domains = options.recipient_domains.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        section.fact("domains", format!("only addresses at {domains} are written to by role"));
    }
    if tells_by_role(options) {
        section.fact(
            "groups",
            format!(
                "opened up to {} people; a larger one is written to at its own address, if it has one",
                options.group_expansion_limit
            ),
        );
    }
}

fn problems(options: &Options, schema: &Schema, section: &mut Section) {
    if table::on(options).next().is_none() {
        section.problem(
            "no option is on: nobody will be told of anything",
            Some("set one under notify, such as owner = true, or recipients.to"),
        );
    } else if !tells_by_role(options) && options.recipients.copy == Copies::Notifications {
        section.problem(
            "To and Cc hear of changes for which an option fires, and none is on: nobody will be told of anything",
            Some("set one under notify, such as owner = true, or recipients.copy = \"all-changes\""),
        );
    }
    let has_public_groups = schema.filters().any(|(of, _)| of == FilterUse::PublicGroups);
    if options.public_group_owner && !has_public_groups {
        section.problem(
            "public_group_owner is on, and public_group_filter is empty: no group is public, and nobody is told",
            Some("set schema.public_group_filter to a filter for public groups, such as (cn=public-*)"),
        );
    }
    if options.alerted().is_empty() {
        section.problem(
            "neither alerts.to nor recipients.to has an address: nobody hears when the directory cannot be \
             followed, when mail is given up or changes are held back",
            Some("set alerts.to to who looks after dirherald, such as alerts.to = [\"it@acme.example\"]"),
        );
    }
}

fn alerts(options: &Options, section: &mut Section) {
    let to = options.alerted().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !options.alerts_to.is_empty() {
        section.fact("alerts", format!("go to {to}"));
    } else if !to.is_empty() {
        section.fact("alerts", format!("go to recipients.to, {to}, as alerts.to is empty"));
    }
}

/// Whether somebody may be told for what they are, and not because a list names them.
fn tells_by_role(options: &Options) -> bool {
    table::on(options).any(|option| option.reason != Reason::Recipients)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::{filter::Filter, schema::SchemaSettings},
        notify::company::options,
    };

    type Change = fn(&mut SchemaSettings, Filter);

    /// What `check` says under these options, with these filters: each expected text, in this order.
    #[track_caller]
    fn check(ticked: &str, filters: &[(Change, &str)], problems: usize, expected: &[&str]) -> String {
        let mut settings = SchemaSettings { disabled_filter: None, ..SchemaSettings::openldap() };
        for (set, filter) in filters {
            set(&mut settings, Filter::parse(filter).unwrap());
        }
        let section = look(&options(ticked), &Schema::new(settings).unwrap());
        let text = section.to_string();
        let mut rest = text.as_str();
        for expected in expected {
            rest = rest
                .split_once(expected)
                .unwrap_or_else(|| panic!("{expected:?} is not in {rest}\n{text}"))
                .1;
        }
        assert_eq!(section.problems(), problems, "{text}");
        text
    }

    const PUBLIC: Change = |settings, filter| settings.public_group_filter = Some(filter);
    const IGNORE: Change = |settings, filter| settings.ignore_filter = Some(filter);
    const DO_NOT_NOTIFY: Change = |settings, filter| settings.do_not_notify_filter = Some(filter);
    const DISABLED: Change = |settings, filter| settings.disabled_filter = Some(filter);
    const PILOT: Change = |settings, filter| settings.pilot_filter = Some(filter);
    const TO: &str = "to=audit@acme.example";

    #[test]
    fn every_option_that_is_on_is_listed_in_its_words() {
        let on = "logged_in_users owner manager object_modified added_members removed_members";
        let text = check(
            &format!("{on} {TO} cc=desk@acme.example"),
            &[],
            0,
            &[
                "logged_in_users: Notify logged-in users about changes being made to objects",
                "owner: Notify owner (of groups)",
                "manager: Notify manager (of users/contacts)",
                "object_modified: Notify object being modified",
                "added_members: Notify newly added group members on addition",
                "removed_members: Notify removed group member on removal",
                "recipients: Recipients: To and CC",
                "actors",
                "modifiersName",
                "copies",
                "1 To, 1 Cc: of each change for which an option fires",
                "groups",
                "opened up to 1000 people",
            ],
        );
        assert!(!text.contains("public_group_owner") && !text.contains("domains"), "{text}");
        let text = check(&format!("owner {TO}"), &[], 0, &["owner: "]);
        assert!(!text.contains("actors"), "{text}");
    }

    #[test]
    fn the_guards_limits_are_told_in_a_line() {
        assert_eq!(
            guard(&GuardSettings::default()).to_string().lines().nth(1).unwrap().trim(),
            "guard          holds what exceeds, within 5 min, 1000 events, or 50 % of the members of a group of at least \
             20"
        );
    }

    #[test]
    fn filters_are_told_with_what_they_do() {
        check(
            &format!("owner {TO} domains=acme.example,b.example limit=5"),
            &[
                (PUBLIC, "(cn=public-*)"),
                (IGNORE, "(cn=tmp-*)"),
                (DO_NOT_NOTIFY, "(title=robot)"),
                (DISABLED, "(memberOf=cn=locked,dc=x)"),
                (PILOT, "(|(memberOf=cn=pilot,dc=x)(cn=a))"),
            ],
            0,
            &[
                "schema.public_group_filter = (cn=public-*): these groups are public, which only",
                "schema.ignore_filter = (cn=tmp-*): changes of these entries tell nobody\n",
                "schema.do_not_notify_filter = (title=robot): these are told nothing by role",
                "schema.disabled_filter = (memberof=cn=locked,dc=x): these are disabled, and told nothing",
                "; memberOf is what the groups themselves say",
                "notify.pilot_filter = (|(memberof=cn=pilot,dc=x)(cn=a)): only these people",
                "; memberOf is what the groups themselves say",
                "only addresses at acme.example, b.example",
                "opened up to 5 people",
            ],
        );
        check(
            &format!("public_group_owner all-changes disabled-too {TO}"),
            &[(PUBLIC, "(cn=a)"), (IGNORE, "(cn=b)"), (DISABLED, "(cn=c)")],
            0,
            &[
                "1 To, 0 Cc: of all changes",
                "(cn=a): these groups are public\n",
                "(cn=b): changes of these entries tell nobody but To and Cc\n",
                "(cn=c): these are disabled, and told like anybody",
            ],
        );
    }

    #[test]
    fn what_cannot_work_is_a_problem() {
        check(
            &format!("public_group_owner {TO}"),
            &[],
            1,
            &["PROBLEM", "public_group_filter is empty", "what to do", "set schema.public_group_filter"],
        );
        check(TO, &[], 1, &["PROBLEM", "none is on: nobody will be told", "all-changes"]);
        check(&format!("all-changes {TO}"), &[], 0, &["of all changes"]);
        check("owner alerts=it@acme.example", &[], 0, &["alerts", "go to it@acme.example\n"]);
        check(
            &format!("owner {TO},AUDIT@acme.example"),
            &[],
            0,
            &["go to recipients.to, audit@acme.example, as alerts.to is empty"],
        );
        check("owner", &[], 1, &["PROBLEM", "neither alerts.to nor recipients.to"]);
        check("", &[], 2, &["PROBLEM", "no option is on", "PROBLEM", "neither alerts.to", "alerts.to = ["]);
    }
}
