//! `completions` and `man`: what shells and `man` make of them.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::support::daemon::{Ran, Site};

async fn bare(arguments: &[&str]) -> Ran {
    let mut command = Site::bare_command();
    command.args(arguments);
    Ran::of(command, arguments).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What bash would offer for the last of `words`.
fn offered(script: &Path, words: &[&str]) -> Vec<String> {
    let play = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        function=$(complete -p dirherald | sed 's/.* -F \([^ ]*\) .*/\1/')
        "$function" dirherald "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", play, "bash"]).arg(script).arg("dirherald").args(words);
    let Output { status, stdout, stderr } = bash.output().expect("bash");
    assert!(status.success() && stderr.is_empty(), "{words:?}: {status} {}", text(&stderr));
    text(&stdout).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn bash_completes_commands_and_their_options() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("dirherald");
    fs::write(&script, bare(&["completions", "bash"]).await.stdout).expect("writing the script");
    let check =
        |words: &[&str], expected: &[&str]| assert_eq!(offered(&script, words), expected, "{words:?}");
    check(&["ev"], &["events"]);
    check(&["sta"], &["status"]);
    check(&["events", "--"], &["--since", "--follow", "--store", "--json", "--config", "--help"]);
    check(&["outbox", "sh"], &["show"]);
    check(&["held", "re"], &["release"]);
    check(&["completions", "z"], &["zsh"]);
    check(&["--config", "/etc/dirherald.toml", "held", "dis"], &["discard"]);
    check(&["nonsense-"], &[""]);
}

#[tokio::test]
async fn each_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = bare(&["completions", shell]).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
        for word in ["test-mail", "follow", "discard"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
}

/// What `groff`, or where there is none `man`, has to say against a page.
fn warnings(page: &Path) -> String {
    let groff = Command::new("groff").args(["-man", "-Tutf8", "-ww"]).arg(page).output();
    let Output { status, stderr, .. } = groff
        .or_else(|_| Command::new("man").args(["--warnings", "-l"]).arg(page).output())
        .expect("groff or man");
    format!("{}{}", text(&stderr), if status.success() { "" } else { "failed" })
}

#[tokio::test]
async fn there_is_a_manual_page_for_each_command_and_nothing_wrong_with_any() {
    let directory = tempfile::tempdir().expect("a directory");
    let pages = directory.path().join("share/man/man1");
    let ran = bare(&["man", "--directory", pages.to_str().expect("a path in UTF-8")]).await;
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    let mut names = Vec::new();
    for page in fs::read_dir(&pages).expect("the pages") {
        let page = page.expect("a page").path();
        assert_eq!(warnings(&page), "", "{}", page.display());
        names.push(page.file_name().expect("a name").to_string_lossy().into_owned());
    }
    for command in
        ["", "-run", "-check", "-events", "-outbox", "-outbox-list", "-held-release", "-status", "-man"]
    {
        assert!(names.contains(&format!("dirherald{command}.1")), "{command} in {names:?}");
    }
    let page = |name: &str| fs::read_to_string(pages.join(name)).expect("a page");
    assert!(page("dirherald.1").contains("dirherald\\-events(1)"));
    assert!(page("dirherald-events.1").contains(r"\-\-follow"));
    assert!(page("dirherald-events.1").contains(concat!("dirherald ", env!("CARGO_PKG_VERSION"))));

    let one = bare(&["man"]).await;
    assert_eq!((one.code, one.stdout), (0, page("dirherald.1")));
}

#[tokio::test]
async fn a_place_that_takes_no_pages_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    fs::write(&file, "").expect("writing");
    let below = file.join("man1");
    let below = below.to_str().expect("a path in UTF-8");
    let ran = bare(&["man", "--directory", below]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    let words =
        format!("dirherald: cannot write the manual pages into {below}: name a directory that can be");
    assert!(ran.stderr.starts_with(&words), "{}", ran.stderr);
}
