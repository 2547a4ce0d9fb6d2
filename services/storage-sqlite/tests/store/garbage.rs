//! The contents of the database after trimming the log and collecting tombstones.

use std::collections::BTreeMap;

use beringia_item::TableId;
use beringia_storage::{
    Acknowledged, Aspect, Edit, RemoteBatch, RemoteKind, Store, Stream, StreamView, conformance::fixture::*,
};
use beringia_storage_sqlite::{Database, Execution, Options, RegionStore};

use crate::support::options;

/// The number of rows of the log and of items in a file.
fn rows_of(path: &std::path::Path) -> (u64, u64) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let count = |table: &str| {
        connection
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    (count("log").cast_unsigned(), count("item").cast_unsigned())
}

/// Opens a store in this file, and creates a table.
async fn in_file(path: &std::path::Path) -> RegionStore {
    let database = Database::File(path.to_owned());
    let options = Options::new(options("us-east-1"), database, Execution::Threads);
    let store = beringia_storage_sqlite::open(&options).unwrap();
    create_table(&store, false).await;
    store
}

/// A copy removed an item, and a record reports that to the stream. Trimming leaves nothing of it.
#[tokio::test]
async fn records_of_copy_removals_are_trimmed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let store = in_file(&path).await;
    let stream = Stream {
        view: StreamView::NewAndOldImages,
        enabled_ms: START_MS,
    };
    edit(&store, vec![set(TABLE, Aspect::Stream(Some(stream)))]).await;
    let nothing = Acknowledged::from(BTreeMap::from([(TableId::CATALOG, BTreeMap::new())]));
    store.collect_garbage(&nothing).await.unwrap();
    let (_, definitions) = rows_of(&path);
    let version = put(&store, item("a", 1, &[])).await;
    let batch = RemoteBatch {
        obsolete: vec![(TABLE, key("a", 1), fingerprint(version, &item("a", 1, &[])))],
        kind: RemoteKind::Copy,
        ..RemoteBatch::default()
    };
    store.apply(batch).await.unwrap();
    put(&store, item("a", 1, &[])).await;
    assert_eq!(rows_of(&path), (3 + definitions, 1 + definitions), "put, removed, put");
    store.collect_garbage(&nothing).await.unwrap();
    assert_eq!(rows_of(&path), (1 + definitions, 1 + definitions));
}

#[tokio::test]
async fn trimming_a_regional_table_leaves_only_its_items() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region.db");
    let store = in_file(&path).await;
    let nothing = Acknowledged::from(BTreeMap::from([(TableId::CATALOG, BTreeMap::new())]));
    store.collect_garbage(&nothing).await.unwrap();
    let (_, definitions) = rows_of(&path);
    for round in 0..3 {
        let put = |n| write(key("a", n), Do::Put(item("a", n, &[("round", number(round))])));
        commit(&store, (0..700).map(put).collect()).await.unwrap();
    }
    commit(&store, (0..300).map(|n| write(key("a", n), Do::Delete)).collect())
        .await
        .unwrap();
    store.collect_garbage(&nothing).await.unwrap();
    assert_eq!(
        rows_of(&path),
        (400 + definitions, 400 + definitions),
        "one record for each item, no tombstone"
    );
    commit(&store, (300..700).map(|n| write(key("a", n), Do::Delete)).collect())
        .await
        .unwrap();
    commit(
        &store,
        (300..700)
            .map(|n| write(key("a", n), Do::Put(item("a", n, &[]))))
            .collect(),
    )
    .await
    .unwrap();
    store.collect_garbage(&nothing).await.unwrap();
    assert_eq!(
        rows_of(&path),
        (400 + definitions, 400 + definitions),
        "the record in use is removed with its successor"
    );
    assert_agrees(&store, TABLE).await;
    edit(&store, vec![Edit::Drop { table: TABLE }]).await;
    loop {
        store.collect_garbage(&nothing).await.unwrap();
        if rows_of(&path) == (0, 0) {
            break;
        }
        tokio::task::yield_now().await;
    }
}
