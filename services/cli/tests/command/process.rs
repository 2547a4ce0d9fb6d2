//! Runs the binary: to its end, or as a server that is stopped when it goes out of scope.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a test waits for a condition before it fails. No test depends on actual durations.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The binary, without environment variables that could change its behaviour.
pub(crate) fn beringia() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beringia"));
    command
        .env_remove("BERINGIA_CONTROL")
        .env_remove("BERINGIA_ENDPOINT")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("BERINGIA_ACCESS_KEY")
        .env_remove("RUST_LOG")
        .env_remove("BERINGIA_LOG_FORMAT")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end; kills one that does not end, and fails the test.
pub(crate) fn run(words: &[&str]) -> Output {
    let child = beringia()
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    let (done, output) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    output.recv_timeout(PATIENCE).map(Result::unwrap).unwrap_or_else(|_| {
        let _ = kill_process(pid, Signal::KILL);
        panic!("{words:?} does not end");
    })
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Asserts that a command ended with exit code 2 and printed these words.
pub(crate) fn assert_refused(output: &Output, words: &[&str]) {
    let printed = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{printed}");
    for word in words {
        assert!(printed.contains(word), "expected `{word}` in: {printed}");
    }
    assert_eq!(stdout(output), "", "what is refused prints nothing");
}

/// Starts a server; returns its output up to the first line for which `enough` holds, and later the
/// rest.
pub(crate) fn start_until(
    words: &[&str],
    enough: impl Fn(&str) -> bool + Send + 'static,
) -> (Child, String, mpsc::Receiver<String>) {
    start_program_until(beringia(), words, enough)
}

/// As [`start_until`], with a program that has its own environment.
fn start_program_until(
    mut program: Command,
    words: &[&str],
    enough: impl Fn(&str) -> bool + Send + 'static,
) -> (Child, String, mpsc::Receiver<String>) {
    let mut child = program
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (first, begun) = mpsc::channel();
    let (rest, ended) = mpsc::channel();
    thread::spawn(move || {
        let (mut text, mut last) = (String::new(), String::new());
        while lines.read_line(&mut last).unwrap() > 0 {
            text.push_str(&last);
            if enough(&std::mem::take(&mut last)) {
                break;
            }
        }
        let _ = first.send(text);
        let mut remainder = String::new();
        let _ = lines.read_to_string(&mut remainder);
        let _ = rest.send(remainder);
    });
    let text = begun.recv_timeout(PATIENCE).unwrap();
    if text.is_empty() {
        let mut printed = String::new();
        let _ = child.stderr.take().unwrap().read_to_string(&mut printed);
        panic!("{words:?} did not start: {printed}");
    }
    (child, text, ended)
}

/// A running `up` or `region`.
pub(crate) struct Server {
    child: Child,
    pub(crate) ready: Value,
    /// The output up to and including the ready line.
    pub(crate) first_line: String,
    rest: Option<mpsc::Receiver<String>>,
}

/// The kinds of ports that `up` opens.
pub(crate) const PORTS: [&str; 4] = [
    "--dynamodb-port",
    "--replication-port",
    "--control-port",
    "--endpoint-port",
];

/// The arguments of `up` or `region` on free ports, and more arguments.
pub(crate) fn on_free_ports<'a>(command: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    // `region` has no endpoint port.
    let ports = if command == "region" { &PORTS[..3] } else { &PORTS[..] };
    let mut words = vec![command];
    words.extend(ports.iter().flat_map(|flag| [*flag, "0"]));
    words.extend(arguments);
    words
}

/// The arguments of an `up` that prints its addresses as JSON, and more arguments.
pub(crate) fn up<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    on_free_ports("up", &[&["--format", "json"], arguments].concat())
}

impl Server {
    /// Starts `up` in memory on free ports, with more arguments.
    pub(crate) fn up(arguments: &[&str]) -> Self {
        Self::start(&up(&[&["--ephemeral"], arguments].concat()))
    }

    /// Starts a server and waits for its ready line.
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::start_program(beringia(), words)
    }

    /// As [`Server::start`], with a program that has its own environment.
    pub(crate) fn start_program(program: Command, words: &[&str]) -> Self {
        let (child, first_line, rest) = start_program_until(program, words, |line| !line.is_empty());
        let ready = serde_json::from_str(&first_line).unwrap_or_else(|_| panic!("no ready line: {first_line}"));
        Self {
            child,
            ready,
            first_line,
            rest: Some(rest),
        }
    }

    /// The address of the control service.
    pub(crate) fn control(&self) -> &str {
        self.ready["control"].as_str().unwrap()
    }

    /// The DynamoDB endpoint for all regions; of a single region, its own.
    pub(crate) fn endpoint(&self) -> &str {
        self.ready["endpoint"].as_str().unwrap()
    }

    /// Runs a command against its control service.
    pub(crate) fn command(&self, words: &[&str]) -> Output {
        run(&[words, &["--control", self.control()]].concat())
    }

    /// Runs a command that must succeed and returns its lines of JSON.
    pub(crate) fn json(&self, words: &[&str]) -> Vec<Value> {
        let output = self.command(&[words, &["--format", "json"]].concat());
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        stdout(&output)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The id of the process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM to the server.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Terminates the process and returns its standard error.
    pub(crate) fn end(self) -> String {
        self.terminate();
        self.ended().1
    }

    /// Waits for the end; returns the status and the standard error.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let mut printed = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
        (self.child.wait().unwrap(), printed)
    }

    /// Waits for the end; returns the status, and the output after the ready line.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let rest = self.rest.take().unwrap().recv_timeout(PATIENCE).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The child may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port of this machine. Another process could take it before it is used, which is unlikely.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Starts regions in processes of their own, in memory, which know each other.
pub(crate) fn regions_apart(names: &[&str]) -> Vec<Server> {
    regions_over(names, |replication_port| replication_port)
}

/// Starts regions in processes of their own, in memory. `link` is called for each region and each
/// peer with the port of the peer's replication, and returns the port at which the region reaches
/// it.
pub(crate) fn regions_over(names: &[&str], link: impl Fn(u16) -> u16) -> Vec<Server> {
    let ports: Vec<u16> = names.iter().map(|_| free_port()).collect();
    let start = |own: usize| {
        let port = ports[own].to_string();
        let mut words = vec!["region", "--format", "json", "--ephemeral", "--name", names[own]];
        words.extend([
            "--dynamodb-port",
            "0",
            "--control-port",
            "0",
            "--replication-port",
            &port,
        ]);
        let others = (0..names.len()).filter(|peer| *peer != own);
        let peers: Vec<String> = others
            .map(|peer| format!("--peer={}=127.0.0.1:{}", names[peer], link(ports[peer])))
            .collect();
        words.extend(peers.iter().map(String::as_str));
        Server::start(&words)
    };
    (0..names.len()).map(start).collect()
}
