//! A running `beringia up` on free ports, which ends when it goes out of scope.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::command::{Control, beringia};

/// A running `beringia up` process.
#[derive(Debug)]
pub struct Up {
    child: Child,
    // Kept open, because a closed pipe would end the process at its next line.
    _stdout: BufReader<ChildStdout>,
    ready: Value,
    /// The control endpoint of the process.
    pub control: Control,
}

impl Up {
    /// Starts `beringia up` with three ephemeral regions, or as `arguments` say, and waits until it
    /// is ready.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_program(&beringia(), arguments)
    }

    /// Like [`Up::start`], with another build of the program.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_program(program: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(["up", "--format", "json"])
            .args(["dynamodb", "replication", "control", "endpoint"].map(|kind| format!("--{kind}-port=0")))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("beringia starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its output is readable");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("`up` printed `{line}`: {error}"));
        assert_eq!(ready["event"], "ready");
        let control = Control(
            ready["control"]
                .as_str()
                .expect("the ready line names the control endpoint")
                .to_owned(),
        );
        Self {
            child,
            _stdout: stdout,
            ready,
            control,
        }
    }

    /// The endpoint that serves all regions.
    ///
    /// # Panics
    /// If the ready line does not name it.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.ready["endpoint"]
            .as_str()
            .expect("the ready line names the endpoint")
    }

    /// The DynamoDB endpoint of one region.
    ///
    /// # Panics
    /// If there is no such region.
    #[must_use]
    pub fn region(&self, name: &str) -> &str {
        self.address(name, "dynamodb")
    }

    /// The replication endpoint of one region.
    ///
    /// # Panics
    /// If there is no such region.
    #[must_use]
    pub fn replication(&self, name: &str) -> &str {
        self.address(name, "replication")
    }

    fn address(&self, name: &str, kind: &str) -> &str {
        self.ready["regions"]
            .as_array()
            .and_then(|regions| regions.iter().find(|region| region["name"] == name))
            .and_then(|region| region[kind].as_str())
            .unwrap_or_else(|| panic!("the ready line names {name}: {}", self.ready))
    }

    /// The id of the process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The greatest and the present resident memory of the process, in KiB (`VmHWM` and `VmRSS` of
    /// proc(5)).
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn memory_kib(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process runs");
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.trim().parse().ok())
                .unwrap_or_else(|| panic!("proc(5) has {name}"))
        };
        (field("VmHWM:"), field("VmRSS:"))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // This ends only the child that we started. Its files are in a temporary directory or in
        // memory.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
