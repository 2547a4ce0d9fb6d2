//! The write-ahead log starts over, whatever readers do beside the writer.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use beringia_storage::{Store as _, conformance::fixture::*};
use beringia_storage_sqlite::{Database, Execution, Options, RegionStore};
use rusqlite::Connection;

use crate::support::options;

/// An item of this size takes 74 pages.
const ITEM_BYTES: usize = 300_000;
/// So many of these items make the log several times as long as it should be: 180 MiB.
const ITEMS: u64 = 600;
/// The greatest length of a log that no reader holds for long, and some.
const LOG_BYTES_MAX: u64 = 96 << 20;
/// Less than is written in a test: the log has started over.
const OVERLAPPED_BYTES_MAX: u64 = 160 << 20;

async fn open(path: &Path) -> RegionStore {
    let options = Options::new(
        options("us-east-1"),
        Database::File(path.to_owned()),
        Execution::Threads,
    );
    let store = beringia_storage_sqlite::open(&options).unwrap();
    create_table(&store, false).await;
    store
}

/// Puts large items over each other. Returns the greatest length of the log meanwhile.
async fn put_many(store: &RegionStore, count: u64) -> u64 {
    let blob = text(&"x".repeat(ITEM_BYTES));
    let mut longest = 0;
    for n in 0..count {
        let large = item("a", n % 50, &[("blob", blob.clone())]);
        commit(store, vec![write(key("a", n % 50), Do::Put(large))])
            .await
            .unwrap();
        longest = longest.max(store.sizes().unwrap().wal_bytes);
    }
    longest
}

fn begin_read(connection: &Connection) {
    connection.execute_batch("BEGIN; SELECT count(*) FROM log").unwrap();
}

/// Computes for some milliseconds, longer than a commit takes.
fn work_for_milliseconds(connection: &Connection) {
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000) SELECT sum(i) FROM n";
    connection.query_row(numbers, [], |_| Ok(())).unwrap();
}

#[tokio::test]
async fn log_starts_over_beside_a_busy_writer() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("region.db")).await;
    let longest = put_many(&store, ITEMS).await;
    assert!(longest <= LOG_BYTES_MAX, "{longest}");
    store.close().await;
}

/// At no time is there no reader: each ends after the next one has begun.
#[tokio::test]
async fn log_starts_over_beside_overlapping_readers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let store = open(&path).await;
    let reading = Arc::new(AtomicBool::new(true));
    let (readers, goes_on) = ([(); 2].map(|()| Connection::open(&path).unwrap()), reading.clone());
    begin_read(&readers[0]);
    let reader = std::thread::spawn(move || {
        let mut turns = 0_u64;
        while goes_on.load(Ordering::Relaxed) {
            for [ending, beginning] in [[0, 1], [1, 0]] {
                begin_read(&readers[beginning]);
                work_for_milliseconds(&readers[beginning]);
                readers[ending].execute_batch("COMMIT").unwrap();
            }
            turns += 1;
        }
        turns
    });
    let longest = put_many(&store, ITEMS).await;
    reading.store(false, Ordering::Relaxed);
    assert!(reader.join().unwrap() > 0);
    assert!(longest <= OVERLAPPED_BYTES_MAX, "{longest}");
    assert_agrees(&store, TABLE).await;
    store.close().await;
}

#[tokio::test]
async fn log_starts_over_after_a_long_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let store = open(&path).await;
    let reader = Connection::open(&path).unwrap();
    begin_read(&reader);
    // Nothing of it can be copied, and the writer goes on.
    let longest = put_many(&store, ITEMS).await;
    assert!(longest > LOG_BYTES_MAX, "{longest}");
    reader.execute_batch("COMMIT").unwrap();
    put_many(&store, ITEMS).await;
    let length = store.sizes().unwrap().wal_bytes;
    assert!(length <= LOG_BYTES_MAX, "{length}");
    store.close().await;
}
