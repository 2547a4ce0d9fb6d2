//! Syncs fail, then the power: no acknowledged write is lost.
//!
//! The child process is this test binary, on a disk whose syncs can fail (`failing_sync.c`). It
//! reads commands from its input and prints an answer to each.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, LazyLock},
};

use beringia_clock::SystemClock;
use beringia_storage::{Store as _, StoreOptions, conformance::fixture::*};
use beringia_storage_sqlite::{Database, Execution, Options, RegionStore};

const FILE: &str = "BERINGIA_SYNC_TEST_FILE";
const THREADS: &str = "BERINGIA_SYNC_TEST_THREADS";
/// An item of this size takes 74 pages, and 28 of them make the committer copy the write-ahead log.
const ITEM_BYTES: usize = 300_000;
const ITEMS_OF_A_CHECKPOINT: u64 = 30;

/// The library that makes syncs fail, built with the C compiler that SQLite needs too.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/failing_sync.c");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("failing_sync.so");
    let built = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()))
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(built.unwrap().success());
    library
});

/// Carries out commands. Does nothing without the environment variable.
#[test]
fn child() {
    let Ok(path) = std::env::var(FILE) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let path = PathBuf::from(path);
    let database = Database::File(path.clone());
    let options = StoreOptions::new(region("us-east-1"), Arc::new(SystemClock));
    // In a task the committer makes all WAL checkpoints itself, so that their order is certain.
    let execution = match std::env::var(THREADS) {
        Ok(_) => Execution::Threads,
        Err(_) => Execution::Inline,
    };
    let options = Options::new(options, database, execution);
    let _inside = runtime.enter();
    let store = match beringia_storage_sqlite::open(&options) {
        Ok(store) => store,
        Err(error) => return answer(&format!("not open: {error}")),
    };
    if !store.catalog().by_id.contains_key(&TABLE) {
        runtime.block_on(create_table(&store, true));
    }
    answer("open");
    let mut reader = None;
    for command in std::io::stdin().lines() {
        let command = command.unwrap();
        let done = match command.split_once(' ').unwrap_or((&command, "")) {
            ("put", n) => runtime.block_on(put(&store, n.parse().unwrap())),
            ("list", _) => runtime.block_on(list(&store)),
            ("close", _) => {
                runtime.block_on(store.close());
                String::new()
            }
            // Keeps a snapshot, beyond which no WAL checkpoint copies.
            ("pin", _) => {
                let connection = rusqlite::Connection::open(&path).unwrap();
                connection.execute_batch("BEGIN; SELECT count(*) FROM log").unwrap();
                reader = Some(connection);
                String::new()
            }
            ("unpin", _) => {
                reader = None;
                String::new()
            }
            _ => panic!("{command}"),
        };
        answer(&done);
    }
    drop(reader);
}

/// Puts an item, in a table that is created if there is none. Returns the error, if there is one.
async fn put(store: &RegionStore, n: u64) -> String {
    let large = item("a", n, &[("blob", text(&"x".repeat(ITEM_BYTES)))]);
    let written = commit(store, vec![write(key("a", n), Do::Put(large))]).await;
    written.err().map(|error| error.to_string()).unwrap_or_default()
}

async fn list(store: &RegionStore) -> String {
    let rows = assert_agrees(store, TABLE).await;
    let listed = (0..2_000).filter(|n| rows.contains_key(&key("a", *n)));
    listed.map(|n| n.to_string()).collect::<Vec<_>>().join(" ")
}

fn answer(text: &str) {
    // The test harness prints its own text before the first answer, on the same line.
    let line = format!("answer {text}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// A machine whose syncs can fail.
struct Machine {
    directory: tempfile::TempDir,
    /// The writes that were acknowledged.
    acknowledged: BTreeSet<u64>,
    execution: Execution,
}

/// A process of the machine.
struct Process {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Machine {
    /// A machine with a table, and without running processes.
    fn new(execution: Execution) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["cache", "disk"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        Self {
            directory,
            acknowledged: BTreeSet::new(),
            execution,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a process whose sync of that number fails. Returns `None` if it cannot open the
    /// database.
    fn start(&self, failing_sync: Option<u32>) -> Option<Process> {
        let mut command = Command::new(std::env::current_exe().unwrap());
        if let Some(number) = failing_sync {
            command.env("SYNC_FAULTS_AT", number.to_string());
        }
        if self.execution == Execution::Threads {
            command.env(THREADS, "1");
        }
        let mut child = command
            .args(["--exact", "sync_failure::child", "--nocapture", "--test-threads=1"])
            .env(FILE, self.path("cache/region.db"))
            .env("LD_PRELOAD", &*LIBRARY)
            .env("SYNC_FAULTS_CACHE", self.path("cache"))
            .env("SYNC_FAULTS_DISK", self.path("disk"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut process = Process {
            child,
            commands,
            answers,
        };
        (process.answer() == "open").then_some(process)
    }

    /// Starts a process whose syncs work.
    fn started(&self) -> Process {
        self.start(None).unwrap()
    }

    /// The next sync of a file whose name ends so fails.
    fn fail_next_sync_of(&self, suffix: &str) {
        fs::write(self.path("disk/fail"), suffix).unwrap();
    }

    fn has_failed(&self) -> bool {
        !self.path("disk/fail").exists()
    }

    /// Puts an item; returns whether it was acknowledged.
    fn put(&mut self, process: &mut Process, n: u64) -> bool {
        let is_acknowledged = process.ask(&format!("put {n}")).as_deref() == Some("");
        if is_acknowledged {
            self.acknowledged.insert(n);
        }
        is_acknowledged
    }

    /// Of all files, only what was synced is left.
    fn lose_power(&self) {
        fs::remove_dir_all(self.path("cache")).unwrap();
        fs::create_dir(self.path("cache")).unwrap();
        for file in fs::read_dir(self.path("disk")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), self.path("cache").join(file.file_name())).unwrap();
        }
    }

    /// Loses power, and checks that every acknowledged write is still there.
    fn assert_nothing_is_lost(&self, story: &str) {
        self.lose_power();
        let mut process = self.start(None).unwrap_or_else(|| panic!("{story}: it opens"));
        let listed = process.ask("list").unwrap_or_else(|| panic!("{story}: it is intact"));
        let listed: BTreeSet<u64> = listed.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let lost: Vec<_> = self.acknowledged.difference(&listed).collect();
        assert!(lost.is_empty(), "{story}: lost {lost:?}");
    }
}

impl Process {
    /// The answer to a command; `None` if the process has ended.
    fn ask(&mut self, command: &str) -> Option<String> {
        writeln!(self.commands, "{command}").ok()?;
        Some(self.answer()).filter(|answer| answer != "none")
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        while self.answers.read_line(&mut line).unwrap() > 0 {
            if let Some((_, answer)) = line.trim_end_matches('\n').split_once("answer ") {
                return answer.to_owned();
            }
            line.clear();
        }
        "none".to_owned()
    }
}

impl Drop for Process {
    /// Kills the process: nothing is closed.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the failed sync should have stored is in the page cache, from where the next process reads
/// it: it must not take it for durable, and append to it.
#[test]
fn write_after_a_failed_sync_and_a_restart_is_durable() {
    let mut machine = Machine::new(Execution::Inline);
    let mut process = machine.started();
    assert!(machine.put(&mut process, 1));
    machine.fail_next_sync_of("-wal");
    assert!(!machine.put(&mut process, 2), "its sync failed");
    assert!(machine.has_failed());
    drop(process);
    let mut process = machine.started();
    assert!(machine.put(&mut process, 3));
    drop(process);
    machine.assert_nothing_is_lost("a failed sync, a restart, a write");
}

#[test]
fn nothing_is_committed_between_a_failed_sync_and_a_restart() {
    let mut machine = Machine::new(Execution::Inline);
    let mut process = machine.started();
    assert!(machine.put(&mut process, 1));
    machine.fail_next_sync_of("-wal");
    assert!(!machine.put(&mut process, 2), "its sync failed");
    assert!(!machine.put(&mut process, 3), "the next sync would succeed");
    assert_eq!(process.ask("list").as_deref(), Some("1"), "reads continue");
    drop(process);
    let mut process = machine.started();
    assert!(machine.put(&mut process, 4));
    drop(process);
    machine.assert_nothing_is_lost("a failed sync, a restart");
}

/// A WAL checkpoint that a reader stops in the middle writes pages without syncing them. When the
/// sync of the next one fails, those pages are lost, too, and a further one would not write them
/// again before the log starts over.
#[test]
fn failed_sync_of_a_checkpoint_loses_no_earlier_pages() {
    let mut machine = Machine::new(Execution::Inline);
    let mut process = machine.started();
    for n in 0..3 {
        assert!(machine.put(&mut process, n));
    }
    process.ask("pin");
    for n in 3..3 + ITEMS_OF_A_CHECKPOINT {
        assert!(machine.put(&mut process, n));
    }
    process.ask("unpin");
    machine.fail_next_sync_of(".db");
    for n in 40..40 + 3 * ITEMS_OF_A_CHECKPOINT {
        if !machine.put(&mut process, n) {
            drop(process);
            process = machine.started();
        }
    }
    assert!(machine.has_failed());
    drop(process);
    machine.assert_nothing_is_lost("a failed sync of a WAL checkpoint");
}

/// The thread of WAL checkpoints syncs what it has copied, since SQLite does not where a commit has
/// overtaken it. When that fails, the pages are lost, and the log must not start over.
#[test]
fn failed_sync_of_the_checkpoint_thread_loses_no_pages() {
    let mut machine = Machine::new(Execution::Threads);
    let mut process = machine.started();
    assert!(machine.put(&mut process, 0));
    machine.fail_next_sync_of(".db");
    let mut n = 1;
    while machine.put(&mut process, n) {
        n += 1;
        assert!(n < 20 * ITEMS_OF_A_CHECKPOINT, "the failure ends the committer");
    }
    assert!(machine.has_failed());
    assert!(
        !machine.put(&mut process, n + 1),
        "nothing is committed until a restart"
    );
    drop(process);
    let mut process = machine.started();
    for n in 1_000..1_000 + ITEMS_OF_A_CHECKPOINT {
        assert!(machine.put(&mut process, n));
    }
    drop(process);
    machine.assert_nothing_is_lost("a failed sync of the checkpoint thread");
}

/// Every sync in the life of a database fails once: of its creation, of the first commits, of a
/// recovery, of a clean end.
#[test]
fn no_acknowledged_write_is_lost_whichever_sync_fails() {
    // None has the number 0: without a failure the disk loses nothing either.
    for failing_sync in 0..=16 {
        let mut machine = Machine::new(Execution::Inline);
        let mut process = machine.start(Some(failing_sync));
        for n in 1..=4 {
            let mut running = process.take().unwrap_or_else(|| machine.started());
            if machine.put(&mut running, n) {
                process = Some(running);
            }
        }
        // The next process recovers what the last one leaves.
        drop(process);
        let mut process = machine.start(Some(failing_sync)).unwrap_or_else(|| machine.started());
        machine.put(&mut process, 5);
        process.ask("close");
        drop(process);
        let mut process = machine.started();
        assert!(machine.put(&mut process, 6));
        drop(process);
        machine.assert_nothing_is_lost(&format!("sync {failing_sync} failed"));
    }
}
