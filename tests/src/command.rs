//! Runs the `beringia` command as a user does.

use std::{
    path::PathBuf,
    process::{Command, Output},
    sync::OnceLock,
};

use serde_json::Value;

use crate::{cache, profile_directory, repository};

/// The path of the `beringia` binary of this build. It is built first, so it is never older than
/// the tests.
///
/// # Panics
/// If it does not build.
#[must_use]
pub fn beringia() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let directory = profile_directory();
            let mut build = Command::new(env!("CARGO"));
            if directory.ends_with("debug") {
                // The binary is built like the one of the command line's own tests, with the
                // features that `cargo test --workspace` enables in all dependencies. So it usually
                // exists already, and nothing is built twice.
                build.args(["test", "--quiet", "--workspace", "--no-run", "--test", "command"]);
            } else {
                let profile = directory.file_name().expect("a profile has a directory of its name");
                build.args(["build", "--quiet", "--package", "beringia", "--profile"]);
                build.arg(profile);
            }
            build.current_dir(repository()).arg("--target-dir");
            build.arg(directory.parent().expect("the profile lies in the target directory"));
            let status = build.status().expect("cargo starts");
            assert!(status.success(), "the beringia binary does not build");
            directory.join("beringia")
        })
        .clone()
}

/// A control endpoint, and the command line that connects to it.
#[derive(Debug, Clone)]
pub struct Control(pub String);

impl Control {
    /// Runs `beringia WORDS --format json --control …` and waits for its end.
    ///
    /// # Panics
    /// If the command does not start.
    #[must_use]
    pub fn output(&self, words: &[&str]) -> Output {
        Command::new(beringia())
            .args(words)
            .args(["--format", "json", "--control", &self.0])
            .output()
            .expect("beringia starts")
    }

    /// Runs a command that must succeed, and returns its lines of JSON.
    ///
    /// # Panics
    /// If the command fails or prints something else.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Vec<Value> {
        let output = self.output(words);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{words:?}: {}\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        text.lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{words:?} printed `{line}`: {error}"))
            })
            .collect()
    }

    /// Waits until all regions have converged, and returns the output of `converge`.
    ///
    /// # Panics
    /// If they do not converge within a minute.
    #[must_use]
    pub fn converge(&self) -> Value {
        self.run(&["converge", "--timeout", "60"])
            .pop()
            .expect("converge prints a line")
    }
}

/// The program as users build it, linked statically, so that it runs in a container with no other
/// files.
///
/// # Panics
/// If it does not build.
#[must_use]
pub fn static_beringia() -> PathBuf {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let directory = cache().join("static");
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "beringia",
            "--target",
            &target,
            "--target-dir",
        ])
        .arg(&directory)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .current_dir(repository())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the static beringia binary does not build");
    directory.join(target).join("release/beringia")
}
