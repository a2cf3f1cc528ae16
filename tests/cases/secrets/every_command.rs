//! Every command there is, and the daemon at trace level, with every secret there is.

use clap::CommandFactory;
use dirherald::commands::Arguments;

use super::{
    said,
    search::Secrets,
    sites::{Given, MARKERS, Sealed},
};
use crate::support::daemon::Ran;

/// What commands are asked about.
struct Known {
    event: String,
    message: String,
    other_message: String,
    backup: String,
}

/// One command as clap knows it.
struct Leaf {
    path: String,
    has_json: bool,
}

/// Those that have no subcommands, but for clap's own help.
fn every_command() -> Vec<Leaf> {
    let mut leaves = Vec::new();
    descend(&Arguments::command(), "", &mut leaves);
    leaves
}

fn descend(command: &clap::Command, path: &str, leaves: &mut Vec<Leaf>) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let path = format!("{path} {}", below.get_name()).trim_start().to_owned();
        if below.has_subcommands() {
            descend(below, &path, leaves);
            continue;
        }
        let has_json = below.get_arguments().any(|argument| argument.get_long() == Some("json"));
        leaves.push(Leaf { path, has_json });
    }
}

/// What is written behind a command: each of these is tried.
fn ways(command: &str, known: &Known) -> Vec<Vec<String>> {
    let Known { event, message, other_message, backup } = known;
    let nobody = "00000000-0000-0000-0000-000000000000";
    let ways: &[&[&str]] = match command {
        "check" | "events" | "outbox list" | "held list" | "status" => &[&[], &["--store", "company"]],
        // A second one on the same state; a page of the manual.
        "run" | "man" => &[&[]],
        "test-mail" => &[&["--to", "somebody@harbour-vale.example"]],
        "explain" => &[&[event], &["ffffffff"]],
        "simulate" => &[&["--add-member", "wanjiru", "--to", "warehouse"], &["--delete", "mei"]],
        "outbox show" | "outbox retry" => &[&[message], &[nobody]],
        "outbox delete" => &[&[other_message], &[nobody]],
        "held show" | "held release" | "held discard" => &[&["1"], &[nobody]],
        "compare" => &[&[], &["--apply"]],
        "accept" => &[&["--group", "warehouse"], &[]],
        "backup" => &[&[backup]],
        // It reads no configuration, and its servers have passwords of their own.
        "demo" => &[&["--help"]],
        "completions" => &[&["bash"]],
        new => panic!("`{new}` is new: say here how it is tried"),
    };
    ways.iter().map(|way| way.iter().map(|word| (*word).to_owned()).collect()).collect()
}

async fn try_commands(sealed: &Sealed, secrets: &Secrets, known: &Known, commands: Vec<Leaf>) {
    for Leaf { path, has_json } in commands {
        for way in ways(&path, known) {
            let words: Vec<&str> = path.split(' ').chain(way.iter().map(String::as_str)).collect();
            try_command(sealed, secrets, &words).await;
            if has_json {
                try_command(sealed, secrets, &[&words[..], &["--json"]].concat()).await;
            }
        }
    }
}

async fn try_command(sealed: &Sealed, secrets: &Secrets, words: &[&str]) {
    let ran = sealed.scene.site.run(words).await;
    assert_understood(words, &ran);
    secrets.assert_absent(&words.join(" "), said(&ran).as_bytes());
}

/// A command line that clap refuses tries nothing.
#[track_caller]
fn assert_understood(words: &[&str], ran: &Ran) {
    assert!(!ran.stderr.contains("Usage:") && !ran.stderr.contains("panicked"), "{words:?}: {}", said(ran));
}

async fn nothing_tells(given: Given, format: &str) {
    let sealed = Sealed::start(given, format).await;
    let secrets = Secrets::of(&MARKERS);
    let daemon = sealed.scene.live().await;
    sealed.make_changes().await;
    let event = sealed.scene.change_events().first().expect("an event").id.to_string();
    let outbox = sealed.scene.site.outbox_json().await;
    let [message, other, ..] = &outbox[..] else { panic!("two messages") };
    let id = |message: &serde_json::Value| message["id"].as_str().expect("an id").to_owned();
    let backup = sealed.scratch().join("copy.db").display().to_string();
    let known = Known { event, message: id(message), other_message: id(other), backup };
    try_commands(&sealed, &secrets, &known, every_command()).await;
    daemon.stop().await;
    // Through a refresh, and once more without anybody who carries requests out.
    sealed.make_more_changes().await;
    let daemon = sealed.scene.live().await;
    sealed.scene.settle().await;
    daemon.stop().await;
    let mut without_daemon = every_command();
    without_daemon.retain(|leaf| leaf.path != "run");
    try_commands(&sealed, &secrets, &known, without_daemon).await;

    let log = sealed.scene.site.log();
    assert!(log.contains("dirherald runs") && log.contains("dispatched"), "{log}");
    assert!(sealed.scene.smtp.mails().len() > 6);
    for mail in sealed.scene.smtp.mails() {
        secrets.assert_absent_in_mail(&mail);
    }
    secrets.assert_absent_below(sealed.scene.site.directory(), &[&sealed.scene.site.config_file()]);
    secrets.assert_absent_below(&sealed.scratch(), &[]);
    secrets.assert_absent_below(&sealed.temporary(), &[]);
}

#[tokio::test]
async fn m22_m23_no_command_tells_a_secret_that_stands_in_the_configuration() {
    nothing_tells(Given::Inline, "text").await;
}

#[tokio::test]
async fn m22_m23_no_command_tells_a_secret_that_stands_in_a_file() {
    nothing_tells(Given::Files, "json").await;
}

#[tokio::test]
async fn m22_m23_no_command_tells_a_secret_of_the_environment() {
    nothing_tells(Given::Environment, "text").await;
}
