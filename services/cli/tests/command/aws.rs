//! The AWS CLI through `beringia aws`, and shells with `beringia env`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Server, assert_refused, beringia, regions_apart, stderr, stdout};

/// Removes the AWS variables of this machine from the command's environment.
fn without_aws(command: &mut Command) -> &mut Command {
    let set = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_"));
    set.fold(command, |command, (name, _)| command.env_remove(name))
}

/// A directory with a fake `aws`, which prints its arguments and its AWS variables and exits with
/// the code that it reads from standard input.
fn fake_aws() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("aws");
    let script = "#!/bin/sh\nfor word in \"$@\"; do echo \"word $word\"; done\nenv | grep '^AWS_'\necho diagnostics >&2\nread code\nexit $code\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// `beringia` with a PATH on which the `aws` of this directory comes first.
fn command(path: &Path) -> Command {
    let mut command = beringia();
    command.env("PATH", format!("{}:/usr/bin:/bin", path.display()));
    without_aws(&mut command);
    command
}

/// The arguments and the AWS variables that the fake `aws` received.
fn received(output: &Output) -> (Vec<String>, Vec<String>) {
    let text = stdout(output);
    let (words, mut variables): (Vec<_>, Vec<_>) = text
        .lines()
        .map(str::to_owned)
        .partition(|line| line.starts_with("word "));
    variables.sort();
    (
        words.into_iter().map(|word| word["word ".len()..].to_owned()).collect(),
        variables,
    )
}

#[test]
fn aws_gets_the_endpoint_and_missing_variables() {
    let (up, path) = (Server::up(&[]), fake_aws());
    let output = command(path.path())
        .args(["--control", up.control(), "aws", "dynamodb", "list-tables"])
        .output()
        .unwrap();
    let (words, variables) = received(&output);
    assert_eq!(words, ["--endpoint-url", up.endpoint(), "dynamodb", "list-tables"]);
    let endpoint = format!("AWS_ENDPOINT_URL={}", up.endpoint());
    let expected = [
        "AWS_ACCESS_KEY_ID=any",
        "AWS_DEFAULT_REGION=us-east-1",
        &endpoint,
        "AWS_MAX_ATTEMPTS=2",
        "AWS_PAGER=",
        "AWS_REGION=us-east-1",
        "AWS_SECRET_ACCESS_KEY=any",
    ];
    assert_eq!(variables, expected);
}

#[test]
fn aws_keeps_variables_that_the_user_set() {
    let path = fake_aws();
    let set = [
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_PAGER", "less"),
        ("AWS_MAX_ATTEMPTS", "9"),
    ];
    let output = command(path.path())
        .args(["aws", "x", "--endpoint-url", "http://elsewhere"])
        .env("BERINGIA_CONTROL", "http://127.0.0.1:1")
        .envs(set)
        .output()
        .unwrap();
    let (words, variables) = received(&output);
    assert_eq!(words, ["x", "--endpoint-url", "http://elsewhere"]);
    for (name, value) in set {
        assert!(variables.contains(&format!("{name}={value}")), "{variables:?}");
    }
    assert!(
        variables.contains(&"AWS_DEFAULT_REGION=eu-west-1".to_owned()),
        "{variables:?}"
    );
}

#[test]
fn arguments_after_aws_are_passed_on_unchanged() {
    let path = fake_aws();
    let theirs = [
        "--help",
        "--format",
        "x",
        "--color",
        "off",
        "--",
        "aws",
        "",
        "a b",
        "--version",
    ];
    let output = command(path.path())
        .args(["--color=never", "--endpoint", "127.0.0.1:1", "aws"])
        .args(theirs)
        .output()
        .unwrap();
    let (words, _) = received(&output);
    assert_eq!(words[..2], ["--endpoint-url", "http://127.0.0.1:1"]);
    assert_eq!(words[2..], theirs);
}

#[test]
fn input_output_and_exit_code_are_those_of_aws() {
    let path = fake_aws();
    let code = path.path().join("code");
    fs::write(&code, "254\n").unwrap();
    let output = command(path.path())
        .args(["aws", "x"])
        .env("BERINGIA_ENDPOINT", "http://127.0.0.1:1")
        .stdin(fs::File::open(code).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(254));
    assert_eq!(stderr(&output), "diagnostics\n");
}

#[test]
fn missing_aws_or_regions_are_errors_with_advice() {
    let empty = tempfile::tempdir().unwrap();
    let run = |path: &Path, words: &[&str]| {
        let mut command = command(path);
        command
            .env("PATH", path)
            .env("BERINGIA_CONTROL", "http://127.0.0.1:1")
            .args(words)
            .output()
            .unwrap()
    };
    let output = run(empty.path(), &["--endpoint", "http://127.0.0.1:1", "aws", "x"]);
    assert_refused(&output, &["no program `aws`", "apt-get install awscli"]);
    let path = fake_aws();
    assert_refused(&run(path.path(), &["aws", "x"]), &["is `beringia up` running?"]);
    let output = run(path.path(), &["--format", "json", "aws", "x"]);
    let printed: Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(printed["error"]["kind"], "unreachable");
}

#[test]
fn separate_processes_are_chosen_by_the_region_option() {
    let regions = regions_apart(&["us-east-1", "eu-west-1"]);
    let path = fake_aws();
    let control = regions.iter().map(Server::control).collect::<Vec<_>>().join(",");
    let endpoint = |words: &[&str]| {
        let output = command(path.path())
            .args(["--control", &control, "aws"])
            .args(words)
            .output()
            .unwrap();
        received(&output).0[1].clone()
    };
    assert_eq!(endpoint(&["x"]), regions[0].endpoint());
    assert_eq!(endpoint(&["x", "--region", "eu-west-1"]), regions[1].endpoint());
    assert_eq!(endpoint(&["--region=eu-west-1", "x"]), regions[1].endpoint());
}

#[test]
fn a_shell_that_evaluates_env_reaches_the_regions() {
    let (up, path) = (Server::up(&[]), fake_aws());
    let printed = command(path.path())
        .args(["env", "--control", up.control()])
        .output()
        .unwrap();
    let text = stdout(&printed);
    assert!(
        text.ends_with("use: beringia aws\n") && text.contains("older than 2.13"),
        "{text}"
    );
    // People write `eval` with and without quotes.
    for script in [r#"eval "$LINES_OF_ENV"; aws"#, "eval $LINES_OF_ENV\naws"] {
        let mut shell = Command::new("sh");
        let output = without_aws(&mut shell)
            .args(["-c", script])
            .env("PATH", format!("{}:/usr/bin:/bin", path.path().display()))
            .env("LINES_OF_ENV", &text)
            .output()
            .unwrap();
        let (_, variables) = received(&output);
        assert_eq!(variables.len(), 7, "{variables:?}");
        assert!(
            variables.contains(&format!("AWS_ENDPOINT_URL={}", up.endpoint())),
            "{variables:?}"
        );
    }
}

#[test]
fn env_is_printed_for_other_shells_and_programs() {
    let path = tempfile::tempdir().unwrap();
    let printed = |words: &[&str]| {
        let mut command = command(path.path());
        let command = command.args(["env", "--endpoint", "http://h:1"]).args(words);
        stdout(&command.env("AWS_ACCESS_KEY_ID", "mine").output().unwrap())
    };
    assert!(printed(&["--shell", "fish"]).contains("set -gx AWS_ENDPOINT_URL 'http://h:1'\n"));
    assert!(printed(&["--shell", "powershell"]).contains("$Env:AWS_ENDPOINT_URL = 'http://h:1'\n"));
    let json: Value = serde_json::from_str(&printed(&["--format", "json"])).unwrap();
    assert_eq!(json["AWS_REGION"], "us-east-1");
    assert_eq!(
        json["BERINGIA_ENDPOINT"], "http://h:1",
        "`beringia aws` uses the endpoint, too"
    );
    assert_eq!(json["AWS_ACCESS_KEY_ID"], Value::Null, "the user's value is kept");
}
