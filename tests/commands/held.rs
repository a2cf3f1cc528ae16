//! `held` where nothing is held, and where what is asked for is not; the rest stands in `cases::guard`.

use super::{assert_says, healthy, run};
use crate::support::daemon::STORE;

#[tokio::test]
async fn nothing_is_held_and_that_is_what_it_says() {
    let (_slapd, _smtp, site) = healthy().await;
    for more in [&[][..], &["--store", STORE]] {
        let table = run(&site, &[&["held", "list"], more].concat()).await;
        assert_eq!(table.code, 0);
        assert_says(&table.stderr, &["there is no state file"]);
        assert_eq!(table.stdout, "ID  STORE  SINCE  EVENTS  GROUP  WHY  ASKED FOR\n");
        let json = run(&site, &[&["held", "list", "--json"], more].concat()).await;
        assert_eq!((json.code, json.stdout.as_str()), (0, ""));
        for wish in ["release", "discard"] {
            let all = run(&site, &[&["held", wish, "--all"], more].concat()).await;
            assert_eq!((all.code, all.stdout.as_str(), all.stderr.as_str()), (0, "nothing is held\n", ""));
        }
    }
    assert!(!site.state_file().exists(), "looking leaves no trace");
}

#[tokio::test]
async fn whatever_is_asked_for_is_not_held() {
    let (_slapd, _smtp, site) = healthy().await;
    let id = "01890000-0000-7000-8000-000000000000";
    let words = format!("dirherald: nothing is held under {id}; `dirherald held list` shows what is\n");
    for command in [&["held", "show"][..], &["held", "release"], &["held", "discard"]] {
        for more in [&[][..], &["--store", STORE]] {
            let ran = run(&site, &[command, &[id], more].concat()).await;
            assert_eq!((ran.code, ran.stdout.as_str(), &ran.stderr), (1, "", &words), "{command:?} {more:?}");
        }
        let odd = run(&site, &[command, &["a\u{1b}[2J\r\nb"]].concat()).await;
        assert_eq!(odd.code, 1);
        assert_says(&odd.stderr, &["nothing is held under a[2J b; "]);
        assert_eq!(run(&site, command).await.code, 2, "{command:?} needs an ID");
    }
    for word in ["show", "release", "discard"] {
        assert_eq!(run(&site, &["held", word, id, "--json"]).await.stderr, words, "{word}");
    }
    assert_eq!(run(&site, &["held", "release", id, "--all"]).await.code, 2, "one or all");
}

#[tokio::test]
async fn its_help_says_what_it_does() {
    let (_slapd, _smtp, site) = healthy().await;
    let help = run(&site, &["held", "--help"]).await;
    assert_says(&help.stdout, &["mass change", "list", "show", "release", "discard"]);
}
