//! The size of the database file after many overwrites and deletes.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use beringia_item::TableId;
use beringia_storage::{Acknowledged, Edit, ItemWrite, Store, conformance::fixture::*};
use beringia_storage_sqlite::{Database, Execution, Options, RegionStore};

use crate::support::options;

/// The number of writes in one transaction.
const TRANSACTION: u64 = 100;
const VALUE_BYTES: usize = 1_000;

/// Opens a store that keeps a stream's records for a day, and creates a table without a stream.
async fn in_file(path: &Path) -> RegionStore {
    let mut store = options("us-east-1");
    store.log_retention_ms = beringia_storage::DEFAULT_LOG_RETENTION_MS;
    let options = Options::new(store, Database::File(path.to_owned()), Execution::Threads);
    let store = beringia_storage_sqlite::open(&options).unwrap();
    create_table(&store, false).await;
    store
}

/// Writes these keys, each once.
async fn put_all(store: &RegionStore, keys: impl Iterator<Item = u64>) {
    let value = text(&"v".repeat(VALUE_BYTES));
    let writes: Vec<ItemWrite> = keys
        .map(|n| write(key("a", n), Do::Put(item("a", n, &[("value", value.clone())]))))
        .collect();
    commit(store, writes).await.unwrap();
}

/// The bytes of the database and its write-ahead log.
fn bytes_of(path: &Path) -> u64 {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    length(path) + length(&path.with_extension("db-wal"))
}

/// Trims until nothing is left, then waits until the files are at most this large.
async fn shrinks_to(store: &RegionStore, path: &Path, bytes_max: u64) {
    let nothing = Acknowledged::from(BTreeMap::from([(TableId::CATALOG, BTreeMap::new())]));
    for _ in 0..60 {
        while store.collect_garbage(&nothing).await.unwrap() {}
        if bytes_of(path) <= bytes_max {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the files have {} bytes, not {bytes_max}", bytes_of(path));
}

/// Overwrites keys, while the region trims its log beside that. Returns the bytes of the files
/// after the writes, and when they are at most three times the live data.
async fn overwrite(keys: u64, overwrites: u64) -> (u64, u64) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("region.db");
    let store = in_file(&path).await;
    let nothing = Acknowledged::from(BTreeMap::from([(TableId::CATALOG, BTreeMap::new())]));
    let writing = AtomicBool::new(true);
    let trim = async {
        while writing.load(Ordering::Relaxed) {
            if !store.collect_garbage(&nothing).await.unwrap() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    };
    let write = async {
        let mut at = 0;
        for _ in 0..overwrites / TRANSACTION {
            // Keys in an order that visits all of them, far apart.
            let next = |n: u64| (at + n) * 7_919 % keys;
            put_all(&store, (0..TRANSACTION).map(next)).await;
            at += TRANSACTION;
        }
        writing.store(false, Ordering::Relaxed);
    };
    tokio::join!(write, trim);
    let live = keys * VALUE_BYTES as u64;
    let written = bytes_of(&path);
    shrinks_to(&store, &path, 3 * live).await;
    assert_eq!(scan(&store, None).await.rows.len() as u64, keys);
    (written, bytes_of(&path))
}

#[tokio::test(flavor = "multi_thread")]
async fn overwrites_leave_at_most_three_times_the_live_data() {
    overwrite(12_000, 120_000).await;
}

/// `cargo test --release -p beringia-storage-sqlite --test store ten_million -- --ignored
/// --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and 10 GB of writes"]
async fn ten_million_overwrites_leave_three_times_the_live_data() {
    let began = tokio::time::Instant::now();
    let (written, kept) = overwrite(100_000, 10_000_000).await;
    println!("{:?}: {} MB, then {} MB", began.elapsed(), written >> 20, kept >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn space_of_deleted_items_returns_to_the_file_system() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("region.db");
    let store = in_file(&path).await;
    for from in (0..400).map(|n| n * TRANSACTION) {
        put_all(&store, from..from + TRANSACTION).await;
    }
    assert!(bytes_of(&path) > 40 << 20);
    edit(&store, vec![Edit::Drop { table: TABLE }]).await;
    shrinks_to(&store, &path, 20 << 20).await;
    store.close().await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}
