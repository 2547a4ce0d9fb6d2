//! Every command explains itself.

use crate::process::{assert_refused, run, stdout};

/// The commands that need no control service.
const ALONE: [&str; 4] = ["up", "region", "sim", "drill"];
/// The commands that talk to a control service.
const STEERING: [&str; 10] = [
    "env",
    "status",
    "net",
    "region-fail",
    "region-recover",
    "drain",
    "undrain",
    "converge",
    "conflicts",
    "explain",
];
const SIM_ACTIONS: [&str; 5] = ["list", "show", "run", "sweep", "shrink"];
const NET_ACTIONS: [&str; 7] = ["show", "cut", "heal", "delay", "loss", "bandwidth", "isolate"];

#[test]
fn the_help_lists_every_command_and_shows_a_tour() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = stdout(&output);
    for command in ALONE.into_iter().chain(STEERING).chain(["aws"]) {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command} is not listed:\n{help}"
        );
    }
    assert!(help.contains("Exit codes:"));
}

#[test]
fn every_command_has_help_with_an_example_and_takes_a_format() {
    for command in ALONE.into_iter().chain(STEERING) {
        let output = run(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        let help = stdout(&output);
        assert!(
            help.contains(&format!("beringia {command}")),
            "{command} has no example:\n{help}"
        );
        assert!(help.contains("--format <FORMAT>"), "{command} takes no format");
    }
    for action in NET_ACTIONS {
        assert_eq!(run(&["net", action, "--help"]).status.code(), Some(0), "net {action}");
    }
    for action in SIM_ACTIONS {
        assert_eq!(run(&["sim", action, "--help"]).status.code(), Some(0), "sim {action}");
    }
}

#[test]
fn help_aws_shows_the_help_of_beringia_aws() {
    let help = stdout(&run(&["help", "aws"]));
    for part in [
        "beringia aws dynamodb",
        "AWS_MAX_ATTEMPTS=2",
        "BERINGIA_CONTROL",
        "BERINGIA_ENDPOINT",
    ] {
        assert!(help.contains(part), "expected {part} in:\n{help}");
    }
}

#[test]
fn commands_show_the_default_control_address() {
    for command in STEERING {
        let help = stdout(&run(&[command, "--help"]));
        assert!(
            help.contains("http://127.0.0.1:9090") && help.contains("BERINGIA_CONTROL"),
            "{command}:\n{help}"
        );
    }
}

#[test]
fn refuses_unknown_commands_and_wrong_quantities() {
    assert_refused(&run(&["fly"]), &["unrecognized subcommand"]);
    assert_refused(
        &run(&["net", "delay", "a", "b", "soon"]),
        &["expected a number of milliseconds"],
    );
    assert_refused(&run(&["net", "loss", "a", "b", "101"]), &["0 to 99 percent"]);
    assert_refused(
        &run(&["converge", "--timeout", "never"]),
        &["expected a number of seconds"],
    );
    assert_refused(&run(&["net", "heal", "only-one"]), &["<B>"]);
}

#[test]
fn commands_without_a_control_service_say_what_to_do() {
    // Nothing listens on the port of a closed listener.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let control = format!("http://127.0.0.1:{port}");
    let commands: [&[&str]; 8] = [
        &["env"],
        &["status"],
        &["net", "show"],
        &["region-fail", "us-east-1"],
        &["region-recover", "us-east-1"],
        &["converge", "--timeout", "0"],
        &["conflicts"],
        &["explain", "--table", "T", "--key", "{}"],
    ];
    for command in commands {
        let output = run(&[command, &["--control", &control]].concat());
        assert_refused(&output, &["is `beringia up` running?", &control, "--control"]);
    }
    assert_refused(
        &run(&["status", "--control", "not an address"]),
        &["is not a control address"],
    );
}

/// Dropping replicas without a quorum can undo deletes.
#[test]
fn giving_a_region_up_needs_its_confirmation() {
    let region = ["region", "--name", "us-east-1", "--ephemeral"];
    let output = run(&[&region[..], &["--give-up", "eu-west-1"]].concat());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--confirm-give-up"));
    let confirmed = ["--give-up", "eu-west-9", "--confirm-give-up"];
    let output = run(&[&region[..], &confirmed].concat());
    assert_refused(&output, &["the topology has no region `eu-west-9`"]);
}
