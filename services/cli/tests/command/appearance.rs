//! Errors as JSON, and the use of colours.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::process::{Server, beringia, run, stderr, stdout};

/// An address at which nothing listens.
const NOWHERE: &str = "http://127.0.0.1:1";
/// The first character of every ANSI escape sequence.
const ESCAPE: char = '\u{1b}';

/// The one JSON object on standard error.
fn error(output: &Output) -> Value {
    let text = stderr(output);
    assert_eq!(text.lines().count(), 1, "one object on one line: {text}");
    assert_eq!(stdout(output), "");
    serde_json::from_str::<Value>(&text).unwrap()["error"].take()
}

fn with(words: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command: Command = beringia();
    command.args(words).envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn errors_for_programs_are_json_with_the_same_exit_codes() {
    let output = run(&["status", "--format", "json", "--control", NOWHERE]);
    assert_eq!(output.status.code(), Some(2));
    let printed = error(&output);
    assert_eq!(printed["kind"], "unreachable");
    assert!(
        printed["message"]
            .as_str()
            .unwrap()
            .contains("is `beringia up` running?"),
        "{printed}"
    );

    let up = Server::up(&[]);
    let output = up.command(&["net", "cut", "us-east-1", "mars-1", "--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(error(&output)["kind"], "usage_error");

    let _ = up.json(&["region-fail", "eu-west-1"]);
    let output = up.command(&["converge", "--timeout", "0", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let printed: Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(printed["error"]["kind"], "check_failed", "{printed}");
}

#[test]
fn invalid_arguments_are_json_errors_for_programs() {
    for words in [["fly", "--format", "json"], ["--format", "json", "fly"]] {
        let output = run(&words);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(
            error(&output),
            json!({"kind": "usage_error", "message": "unrecognized subcommand 'fly'"})
        );
    }
    let output = run(&["net", "--format=json", "loss", "a", "b", "101"]);
    let printed = error(&output);
    assert!(
        printed["message"].as_str().unwrap().contains("0 to 99 percent"),
        "{printed}"
    );
    let output = run(&["net", "--format=xml", "show"]);
    assert!(
        stderr(&output).starts_with("error: invalid value 'xml'"),
        "{}",
        stderr(&output)
    );
    let output = run(&["--help", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("Usage:"), "requested help is not an error");
}

#[test]
fn notes_beside_an_answer_are_json_for_programs_too() {
    let up = Server::up(&[]);
    let output = run(&[
        "status",
        "--format",
        "json",
        "--control",
        up.control(),
        "--control",
        NOWHERE,
    ]);
    let note: Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert!(
        note["note"].as_str().unwrap().contains("its regions are left out"),
        "{note}"
    );
    assert_eq!(
        serde_json::from_str::<Value>(&stdout(&output)).unwrap()["converged"],
        true
    );
}

#[test]
fn pipes_get_colours_only_on_request() {
    let silent = ["status", "--control", NOWHERE];
    let plain = stderr(&run(&silent));
    assert!(plain.starts_with("error: no control service"), "{plain}");
    let asked = [
        with(&[&silent[..], &["--color", "always"]].concat(), &[("NO_COLOR", "1")]),
        with(&silent, &[("CLICOLOR_FORCE", "1")]),
    ];
    for output in asked {
        let printed = stderr(&output);
        assert!(
            printed.starts_with("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m no control"),
            "{printed:?}"
        );
    }
    let refused = [
        with(&silent, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]),
        with(&[&silent[..], &["--color=never"]].concat(), &[("CLICOLOR_FORCE", "1")]),
    ];
    for output in refused {
        assert_eq!(stderr(&output), plain);
    }
}

#[test]
fn help_and_usage_errors_follow_the_choice_of_colours() {
    for words in [&["--help"][..], &["net", "--help"], &["fly"]] {
        let printed = |choice| {
            let output = run(&[words, &["--color", choice]].concat());
            stdout(&output) + &stderr(&output)
        };
        let (plain, coloured) = (printed("never"), printed("always"));
        assert!(!plain.contains(ESCAPE) && coloured.contains(ESCAPE), "{coloured:?}");
        assert!(plain.contains("Usage:"), "{plain}");
    }
}

#[test]
fn states_have_colours_and_json_never_has() {
    let up = Server::up(&[]);
    let _ = up.json(&["net", "cut", "us-east-1", "eu-west-1"]);
    let plain = stdout(&up.command(&["net", "show"]));
    let coloured = stdout(&up.command(&["net", "show", "--color", "always"]));
    assert!(!plain.contains(ESCAPE), "{plain:?}");
    assert_eq!(coloured.matches("\u{1b}[31mcut\u{1b}[0m").count(), 2, "{coloured:?}");
    assert_eq!(coloured.matches("\u{1b}[32mopen\u{1b}[0m").count(), 4, "{coloured:?}");

    let json = ["--format", "json", "--color", "always"];
    for words in [&["net", "show"][..], &["status"]] {
        assert!(!stdout(&up.command(&[words, &json].concat())).contains(ESCAPE));
    }
    let output = run(&[&["status", "--control", NOWHERE][..], &json].concat());
    assert!(!stderr(&output).contains(ESCAPE));
}
