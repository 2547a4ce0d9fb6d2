//! The same seed gives the same run, byte for byte, in another process and under another wall
//! clock.

#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use beringia_tests::command::beringia;

/// Seven years and a bit, so that every field of a date differs.
const SHIFT_SECONDS: u64 = 7 * 365 * 86_400 + 3_723;

fn printed(child: Child) -> String {
    let output = child.wait_with_output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

fn started(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// A run with its trace. Its other output, including measurements, is on its standard output.
struct Simulated {
    child: Child,
    trace: PathBuf,
}

impl Simulated {
    /// Thirty faults of all kinds within ten seconds.
    fn start(directory: &Path, name: &str, seed: u64, shifting: Option<&Path>) -> Self {
        let trace = directory.join(name);
        let mut command = Command::new(beringia());
        command
            .args(["sim", "run", "swarm", "--format", "json", "--seed", &seed.to_string()])
            .args(["--set", "event.1.lasts=8s", "--set", "duration=14s"])
            .arg("--trace")
            .arg(&trace);
        if let Some(library) = shifting {
            shift(&mut command, library);
        }
        let child = started(&mut command);
        Self { child, trace }
    }

    fn finish(self) -> (String, String) {
        let printed = printed(self.child);
        (fs::read_to_string(self.trace).expect("a trace"), printed)
    }
}

/// Builds the library that shifts the wall clock, with the C compiler that SQLite needs too.
fn shifting_library(directory: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shifted_clock.c");
    let library = directory.join("shifted_clock.so");
    let mut compiler = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
    compiler
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source)
        .arg("-ldl");
    printed(started(&mut compiler));
    library
}

fn shift(command: &mut Command, library: &Path) {
    command
        .env("LD_PRELOAD", library)
        .env("CLOCK_SHIFT_SECONDS", SHIFT_SECONDS.to_string());
}

/// Reports the first line in which two runs differ, instead of printing both.
fn assert_same((one, printed): &(String, String), (other, printed_by_other): &(String, String)) {
    let difference = one
        .lines()
        .zip(other.lines())
        .enumerate()
        .find(|(_, (one, other))| one != other);
    assert_eq!(difference, None, "the first difference");
    assert_eq!(one.lines().count(), other.lines().count());
    assert_eq!(printed, printed_by_other);
}

/// The same seed gives the same trace in two processes and under two wall clocks; another seed
/// gives another one.
#[test]
fn traces_depend_on_the_seed_and_not_on_process_or_clock() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let library = shifting_library(directory);
    let seconds = |text: &str| text.trim().parse::<u64>().expect("seconds");
    let now = seconds(&printed(started(Command::new("date").arg("+%s"))));
    let mut date = Command::new("date");
    shift(&mut date, &library);
    let later = seconds(&printed(started(date.arg("+%s"))));
    assert!(later - now >= SHIFT_SECONDS, "the clock is shifted");

    let runs = [
        Simulated::start(directory, "first", 7, None),
        Simulated::start(directory, "second", 7, None),
        Simulated::start(directory, "under another clock", 7, Some(&library)),
        Simulated::start(directory, "another seed", 8, None),
    ];
    let [first, second, under_another_clock, another] = runs.map(Simulated::finish);
    let is_wire = |line: &str| line.starts_with("wire: ") && !line.starts_with("wire: 0 ");
    assert!(first.0.lines().any(is_wire), "bytes went over wires");
    assert_same(&first, &second);
    assert_same(&first, &under_another_clock);
    assert_ne!(first.0, another.0);
}
