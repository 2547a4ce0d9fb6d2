//! Database files: creation, reopening, refusal of foreign files, and full disks.

use std::{fs, path::Path};

use beringia_storage::{CommitError, Store, StoreError, conformance::fixture::*};
use beringia_storage_sqlite::{Database, Execution, Options, RegionStore};

use crate::support;

fn options(name: &str, path: &Path) -> Options {
    let database = Database::File(path.to_owned());
    Options::new(support::options(name), database, Execution::Threads)
}

/// The message with which opening is refused.
fn refusal(options: &Options) -> String {
    match beringia_storage_sqlite::open(options) {
        Err(StoreError::Unusable { what, .. }) => what,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the database was opened"),
    }
}

/// The names and contents of all files in a directory.
fn contents(directory: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = files
        .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn file_keeps_what_was_committed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let store = beringia_storage_sqlite::open(&options("us-east-1", &path)).unwrap();
    create_table(&store, true).await;
    for n in 0..50 {
        put(&store, item("a", n, &[("color", text("red"))])).await;
    }
    let before = assert_agrees(&store, TABLE).await;
    store.close().await;
    assert!(
        !directory.path().join("region.db-wal").exists()
            || fs::metadata(directory.path().join("region.db-wal")).unwrap().len() == 0
    );
    let store = beringia_storage_sqlite::open(&options("us-east-1", &path)).unwrap();
    assert_eq!(assert_agrees(&store, TABLE).await, before);
    store.abandon();
    assert_eq!(store.get(TABLE, &key("a", 1)).await, Err(StoreError::Closed));
    let again = beringia_storage_sqlite::open(&options("us-east-1", &path)).unwrap();
    assert_eq!(assert_agrees(&again, TABLE).await, before);
}

#[test]
fn foreign_file_is_refused_and_left_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let foreign = || {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        connection.close().unwrap();
        fs::read(&path).unwrap()
    };
    let foreign = foreign();
    let mut newer = foreign.clone();
    newer[68..72].copy_from_slice(&0x4252_4e47_u32.to_be_bytes());
    newer[60..64].copy_from_slice(&77_u32.to_be_bytes());
    let cases = [
        (Vec::new(), "is not a database: it has only 0 bytes"),
        (b"hello".to_vec(), "is not a database: it has only 5 bytes"),
        (vec![7; 5000], "is not an SQLite database"),
        (foreign, "is an SQLite database, but not one of Beringia's"),
        (
            newer,
            "has format 77, and this version of beringia reads format 13 (run the version that wrote it, or move the \
             file away to start with an empty database)",
        ),
    ];
    for (bytes, expected) in cases {
        fs::write(&path, &bytes).unwrap();
        let before = contents(directory.path());
        assert_eq!(refusal(&options("us-east-1", &path)), expected);
        assert_eq!(contents(directory.path()), before, "{expected}");
    }
}

/// The file is left unchanged.
#[tokio::test]
async fn database_of_another_region_or_topology_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let topology = |name: &str| {
        let mut options = options("us-east-1", &path);
        options.store.topology = Some(name.to_owned());
        options
    };
    let store = beringia_storage_sqlite::open(&options("us-east-1", &path)).unwrap();
    create_table(&store, false).await;
    store.close().await;
    // A database without a topology takes the first one with which it is opened.
    beringia_storage_sqlite::open(&topology("three")).unwrap().close().await;
    let before = contents(directory.path());
    assert_eq!(
        refusal(&options("eu-west-1", &path)),
        "belongs to region us-east-1, not to eu-west-1"
    );
    assert_eq!(refusal(&topology("two")), "belongs to another topology: three, not two");
    let database = |files: Vec<(std::ffi::OsString, Vec<u8>)>| files.into_iter().find(|(name, _)| name == "region.db");
    assert_eq!(database(contents(directory.path())), database(before));
    let store = beringia_storage_sqlite::open(&topology("three")).unwrap();
    assert!(store.catalog().by_name.contains_key("things"));
}

#[tokio::test]
async fn database_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let store = beringia_storage_sqlite::open(&options("us-east-1", &path)).unwrap();
    assert_eq!(refusal(&options("us-east-1", &path)), "is in use by another process");
    create_table(&store, false).await;
    put(&store, item("a", 1, &[])).await;
    drop(store);
    assert_eq!(
        scan(
            &beringia_storage_sqlite::open(&options("us-east-1", &path)).unwrap(),
            None
        )
        .await
        .rows
        .len(),
        1
    );
}

#[tokio::test]
async fn truncated_file_is_refused_and_left_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let store = beringia_storage_sqlite::open(&options("us-east-1", &path)).unwrap();
    create_table(&store, false).await;
    store.close().await;
    let whole = fs::read(&path).unwrap();
    for len in [whole.len() - 1, whole.len() / 2, 4096, 1000, 99] {
        fs::write(&path, &whole[..len]).unwrap();
        let before = contents(directory.path());
        let what = refusal(&options("us-east-1", &path));
        assert!(what.contains("truncated") || what.contains("only 99 bytes"), "{what}");
        assert_eq!(contents(directory.path()), before);
    }
}

/// Damage is never returned as data.
#[tokio::test]
async fn damaged_file_is_refused_or_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let store = beringia_storage_sqlite::open(&options("us-east-1", &path)).unwrap();
    create_table(&store, false).await;
    store.close().await;
    let mut bytes = fs::read(&path).unwrap();
    for byte in &mut bytes[4096..] {
        *byte = 0xA5;
    }
    fs::write(&path, &bytes).unwrap();
    let what = refusal(&options("us-east-1", &path));
    assert!(what.starts_with("cannot be"), "{what}");
}

#[test]
fn missing_directory_is_a_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let what = refusal(&options("us-east-1", &directory.path().join("no/region.db")));
    assert!(what.starts_with("cannot be locked: "), "{what}");
    assert_eq!(contents(directory.path()), vec![]);
}

#[tokio::test]
async fn leftovers_of_an_interrupted_creation_are_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    fs::write(directory.path().join("region.db-new"), b"half of a data").unwrap();
    let store = beringia_storage_sqlite::open(&options("us-east-1", &path)).unwrap();
    create_table(&store, false).await;
    assert!(!directory.path().join("region.db-new").exists());
}

async fn fill(store: &RegionStore) -> (u64, StoreError) {
    for n in 0.. {
        let transaction = vec![write(
            key("a", n),
            Do::Put(item("a", n, &[("blob", text(&"x".repeat(3000)))])),
        )];
        match store.commit(transaction).await {
            Ok(_) => {}
            Err(CommitError::Store(error)) => return (n, error),
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!()
}

/// Reads continue while the disk is full.
#[tokio::test]
async fn full_disk_stops_writes_until_space_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let bounded = |bytes| Options {
        max_bytes: Some(bytes),
        ..options("us-east-1", &path)
    };
    let store = beringia_storage_sqlite::open(&bounded(1 << 20)).unwrap();
    create_table(&store, true).await;
    let (written, error) = fill(&store).await;
    assert!(matches!(error, StoreError::DiskFull(_)), "{error}");
    assert!(written > 100, "{written}");
    let items = assert_agrees(&store, TABLE).await;
    assert_eq!(items.len() as u64, written);
    let last = items.values().map(|(version, _)| version.clone()).max().unwrap();
    // The failed writes left no trace, not even in memory: vector and size are unchanged.
    assert_eq!(store.vectors()[&TABLE].get(&last.origin), last.sequence);
    // Small writes may still fit into half-full pages; a large one does not.
    for n in 0..3 {
        let transaction = vec![write(
            key("b", n),
            Do::Put(item("b", n, &[("blob", text(&"x".repeat(300_000)))])),
        )];
        assert!(matches!(
            store.commit(transaction).await,
            Err(CommitError::Store(StoreError::DiskFull(_)))
        ));
    }
    store.close().await;
    let store = beringia_storage_sqlite::open(&bounded(2 << 20)).unwrap();
    let next = put(&store, item("a", 0, &[("color", text("red"))])).await;
    assert!(next > last);
    let after = assert_agrees(&store, TABLE).await;
    assert_eq!(after.len(), items.len());
    let (more, _) = fill(&store).await;
    assert!(more > written);
    // Deletes go on, on the reserve. Space that trimming frees is reused in the same process.
    for n in 0..more {
        store.commit(vec![write(key("a", n), Do::Delete)]).await.unwrap();
    }
    assert!(assert_agrees(&store, TABLE).await.is_empty());
    let nothing = std::collections::BTreeMap::from([(beringia_item::TableId::CATALOG, Default::default())]);
    store.collect_garbage(&nothing.clone().into()).await.unwrap();
    put(&store, item("c", 0, &[])).await;
    assert_agrees(&store, TABLE).await;
}

#[tokio::test]
async fn too_large_command_fails_its_group_without_effect() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let store = beringia_storage_sqlite::open(&Options {
        max_bytes: Some(600_000),
        ..options("us-east-1", &path)
    })
    .unwrap();
    create_table(&store, true).await;
    put(&store, item("a", 1, &[("color", text("red"))])).await;
    let before = (
        assert_agrees(&store, TABLE).await,
        store.vectors(),
        store.digest(TABLE).await.unwrap(),
    );
    for _ in 0..3 {
        let blob = text(&"x".repeat(390_000));
        let transaction = (2..4)
            .map(|n| write(key("a", n), Do::Put(item("a", n, &[("blob", blob.clone())]))))
            .collect();
        assert!(matches!(
            store.commit(transaction).await,
            Err(CommitError::Store(StoreError::DiskFull(_)))
        ));
        let after = (
            assert_agrees(&store, TABLE).await,
            store.vectors(),
            store.digest(TABLE).await.unwrap(),
        );
        assert_eq!(after, before);
    }
    let version = put(&store, item("a", 2, &[])).await;
    assert!(version > before.0[&key("a", 1)].0);
}
