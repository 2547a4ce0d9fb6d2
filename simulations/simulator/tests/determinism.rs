//! The same seed is the same run, byte for byte: in another process, and under another wall clock.

#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Seven years and a bit, so that every field of a date differs.
const SHIFT_SECONDS: u64 = 7 * 365 * 86_400 + 3_723;

fn started(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

fn printed(child: Child) -> String {
    let output = child.wait_with_output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

fn output(command: &mut Command) -> String {
    printed(started(command))
}

fn simulated(seed: u64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulate"));
    command.args(["storm", &seed.to_string()]);
    command
}

/// The library that shifts the wall clock, made with the C compiler that SQLite needs too.
fn shifting_library(directory: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shifted_clock.c");
    let library = directory.join("shifted_clock.so");
    let mut compiler = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
    output(
        compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(&source)
            .arg("-ldl"),
    );
    library
}

fn shifted<'a>(command: &'a mut Command, library: &Path) -> &'a mut Command {
    command
        .env("LD_PRELOAD", library)
        .env("CLOCK_SHIFT_SECONDS", SHIFT_SECONDS.to_string())
}

/// Names the first line in which two runs differ, instead of printing both.
fn assert_same(one: &str, other: &str) {
    let difference = one
        .lines()
        .zip(other.lines())
        .enumerate()
        .find(|(_, (one, other))| one != other);
    assert_eq!(difference, None, "the first difference");
    assert_eq!(one.lines().count(), other.lines().count());
}

#[test]
fn the_same_seed_gives_the_same_trace_in_two_processes_and_under_two_wall_clocks_and_another_seed_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let library = shifting_library(directory.path());
    let seconds = |text: &str| text.trim().parse::<u64>().expect("seconds");
    let now = seconds(&output(Command::new("date").arg("+%s")));
    let later = seconds(&output(shifted(Command::new("date").arg("+%s"), &library)));
    assert!(later - now >= SHIFT_SECONDS, "the clock is shifted");

    let runs = [
        started(&mut simulated(7)),
        started(&mut simulated(7)),
        started(shifted(&mut simulated(7), &library)),
    ];
    let another = started(&mut simulated(8));
    let [first, second, under_another_clock] = runs.map(printed);
    assert!(
        first
            .lines()
            .any(|line| line.starts_with("wire: ") && !line.starts_with("wire: 0 ")),
        "{first}"
    );
    assert_same(&first, &second);
    assert_same(&first, &under_another_clock);
    assert_ne!(first, printed(another));
}
