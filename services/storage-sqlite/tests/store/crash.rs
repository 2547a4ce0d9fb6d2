//! A real process is killed under load, twenty times (with `BERINGIA_LONG` two hundred times): no
//! acknowledged write is lost, and all parts of the state agree.
//!
//! The child process is this test binary, with an environment variable that says what to do. It
//! prints an acknowledgement of each write once the store has answered.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use beringia_clock::SystemClock;
use beringia_item::{Item, TableId};
use beringia_storage::{Store, StoreOptions, conformance::fixture::*};
use beringia_storage_sqlite::{Database, Execution, Options, RegionStore};

const FILE: &str = "BERINGIA_CRASH_TEST_FILE";
const ROUND: &str = "BERINGIA_CRASH_TEST_ROUND";
const ROUNDS: u64 = 20;
/// The number of rounds with `BERINGIA_LONG` in the environment.
const LONG_ROUNDS: u64 = 200;
/// The number of items that each writer of the child overwrites in turn.
const KEYS: u64 = 20;
const WRITERS: u64 = 16;

fn open(path: &Path) -> RegionStore {
    let database = Database::File(path.to_owned());
    let mut options = StoreOptions::new(region("us-east-1"), Arc::new(SystemClock));
    options.log_retention_ms = 0;
    beringia_storage_sqlite::open(&Options::new(options, database, Execution::Threads)).unwrap()
}

fn stamped(writer: u64, n: u64, round: u64, count: u64) -> Item {
    let others = [
        ("round", number(round)),
        ("count", number(count)),
        ("color", text(&format!("c{}", count % 5))),
        ("weight", number(count % 7)),
        ("blob", text(&"x".repeat(700))),
    ];
    item(&format!("w{writer}"), n, &others)
}

/// Writes until it is killed. Does nothing without the environment variable.
#[test]
fn child() {
    let (Ok(path), Ok(round)) = (std::env::var(FILE), std::env::var(ROUND)) else {
        return;
    };
    let round: u64 = round.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Arc::new(open(Path::new(&path)));
        if !store.catalog().by_id.contains_key(&TABLE) {
            create_table(&*store, true).await;
        }
        let writers = (0..WRITERS).map(|writer| tokio::spawn(write_for_ever(store.clone(), writer, round)));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

/// Writes transactions of two items, so that a torn one is noticed.
async fn write_for_ever(store: Arc<RegionStore>, writer: u64, round: u64) {
    for count in 0.. {
        let (n, m) = (count % KEYS, KEYS + count % KEYS);
        let name = format!("w{writer}");
        let second = if count.is_multiple_of(3) {
            Do::Delete
        } else {
            Do::Put(stamped(writer, m, round, count))
        };
        let transaction = vec![
            write(key(&name, n), Do::Put(stamped(writer, n, round, count))),
            write(key(&name, m), second),
        ];
        commit(&*store, transaction).await.unwrap();
        let line = format!("ack {writer} {count}\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        if count % 50 == 49 {
            // Trimming continues during the writes.
            store
                .collect_garbage(&BTreeMap::from([(TableId::CATALOG, BTreeMap::new())]).into())
                .await
                .unwrap();
        }
    }
}

fn start(path: &Path, round: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture", "--test-threads=1"])
        .env(FILE, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Kills a child after `kill_after` acknowledgements, and returns the last write that each writer
/// acknowledged.
fn acknowledged(mut child: Child, kill_after: u64) -> BTreeMap<u64, u64> {
    let mut last = BTreeMap::new();
    let mut seen = 0;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Acknowledgements that were in the pipe at the kill count, too.
    while let Some(Ok(line)) = lines.next() {
        // The test harness prints its own text before the first acknowledgement, on the same line.
        let Some((_, said)) = line.split_once("ack ") else {
            continue;
        };
        let (writer, count) = said.split_once(' ').unwrap();
        last.insert(writer.parse().unwrap(), count.parse().unwrap());
        seen += 1;
        if seen == kill_after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen >= kill_after, "the child ended on its own after {seen} writes");
    last
}

/// The number of the round's last write that an item contains.
fn shown(
    items: &BTreeMap<beringia_item::KeyBytes, (beringia_item::Version, Item)>,
    writer: u64,
    n: u64,
) -> Option<(u64, u64)> {
    let (_, item) = items.get(&key(&format!("w{writer}"), n))?;
    let value = |name: &str| match &item[name] {
        beringia_item::AttributeValue::N(number) => number.to_i64().unwrap().cast_unsigned(),
        _ => panic!("{name} is not a number"),
    };
    Some((value("round"), value("count")))
}

/// After each kill, items, index, digest and log agree.
#[tokio::test]
async fn kill_loses_no_acknowledged_write() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let rounds = std::env::var_os("BERINGIA_LONG").map_or(ROUNDS, |_| LONG_ROUNDS);
    for round in 0..rounds {
        let last = acknowledged(start(&path, round), 40 + round % ROUNDS * 37);
        let store = open(&path);
        let items = assert_agrees(&store, TABLE).await;
        for (writer, count) in last {
            // The write after the last acknowledged one may have been committed, too.
            for done in count.saturating_sub(KEYS - 1)..=count {
                let (n, m) = (done % KEYS, KEYS + done % KEYS);
                let found = shown(&items, writer, n).unwrap_or_else(|| panic!("item {n} of writer {writer} is lost"));
                assert!(
                    found.0 == round && (found.1 == done || found.1 == count + 1),
                    "{found:?} instead of {done}"
                );
                let second = (!found.1.is_multiple_of(3)).then_some(found);
                assert_eq!(
                    shown(&items, writer, m),
                    second,
                    "the transaction of {found:?} is complete"
                );
            }
        }
        let versions: Vec<_> = items.values().map(|(version, _)| version.sequence).collect();
        let next = put(&store, item("after", round, &[])).await;
        assert!(
            versions.iter().all(|sequence| *sequence < next.sequence),
            "no sequence is used twice"
        );
    }
}
