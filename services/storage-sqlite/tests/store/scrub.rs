//! Damage to the database from outside: verification detects it, repairs what this region can
//! repair alone, and repair from a peer restores the rest.

use std::{path::PathBuf, sync::Arc};

use beringia_clock::ManualClock;
use beringia_item::RANGES;
use beringia_storage::{
    CommitError, RemoteBatch, RemoteKind, Store, StoreError, StoreOptions, conformance::fixture::*,
};
use beringia_storage_sqlite::{Database, Execution, Options, RegionStore};
use rusqlite::Connection;

use crate::support::Memory;

/// A region in a file with fifty items, and another region with the same items.
struct Pair {
    _directory: tempfile::TempDir,
    path: PathBuf,
    store: RegionStore,
    peer: Site,
}

impl Pair {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("region.db");
        let clock = Arc::new(ManualClock::new(START_MS));
        let database = Database::File(path.clone());
        let options = Options::new(
            StoreOptions::new(region("us-east-1"), clock.clone()),
            database,
            Execution::Inline,
        );
        let (store, peer) = (
            beringia_storage_sqlite::open(&options).unwrap(),
            Site::new(&Memory, "eu-west-1"),
        );
        create_table(&store, true).await;
        edit(
            &store,
            vec![set_replica(TABLE, "eu-west-1", beringia_storage::ReplicaStatus::Active)],
        )
        .await;
        let item = |n: u64| {
            let pk = format!("p{n}");
            item(
                &pk,
                n,
                &[("color", text(&format!("c{}", n % 3))), ("weight", number(n))],
            )
        };
        let transaction = (0..50)
            .map(|n| write(key(&format!("p{n}"), n), Do::Put(item(n))))
            .collect();
        commit(&store, transaction).await.unwrap();
        for table in [beringia_item::TableId::CATALOG, TABLE] {
            let mut filter = all_of(store.origin());
            filter.tables = [(table, Default::default())].into();
            let mutations = read_all(&store, &filter).await;
            let batch = RemoteBatch {
                mutations,
                ..RemoteBatch::default()
            };
            peer.store.apply(batch).await.unwrap();
            // A copy that transferred no rows.
            let merged = RemoteBatch {
                progress: vec![(TABLE, store.origin().clone(), 0)],
                kind: RemoteKind::Copy,
                ..RemoteBatch::default()
            };
            peer.store.apply(merged).await.unwrap();
        }
        Self {
            _directory: directory,
            path,
            store,
            peer,
        }
    }

    /// Changes the file with SQL, as with the `sqlite3` command.
    fn vandalize(&self, sql: &str) {
        let changed = Connection::open(&self.path).unwrap().execute(sql, []).unwrap();
        assert!(changed > 0, "{sql}");
    }

    /// Verifies all ranges and returns how many had to be repaired.
    async fn scrub(&self) -> usize {
        let mut repaired = 0;
        for range in 0..RANGES {
            repaired += usize::from(self.store.verify_range(TABLE, range).await.unwrap());
        }
        repaired
    }

    /// Fetches rows from the peer that are missing here, for each range whose digests differ.
    async fn repair(&self) -> usize {
        let (here, there) = (
            self.store.digest(TABLE).await.unwrap(),
            self.peer.store.digest(TABLE).await.unwrap(),
        );
        assert_eq!(here.vector, there.vector);
        let mut repaired = 0;
        for range in (0..RANGES).filter(|range| here.ranges[usize::from(*range)] != there.ranges[usize::from(*range)]) {
            let rows = self.peer.store.raw_rows(TABLE, range..=range, None, 100).await.unwrap();
            let keys = rows.into_iter().map(|row| row.key).collect();
            let mutations = self.peer.store.mutations_of(TABLE, keys).await.unwrap();
            let batch = RemoteBatch {
                mutations,
                kind: RemoteKind::Repair,
                ..Default::default()
            };
            repaired += self.store.apply(batch).await.unwrap().newer;
        }
        repaired
    }

    async fn assert_whole(&self) {
        let theirs = assert_agrees(&*self.peer.store, TABLE).await;
        assert_eq!(assert_agrees(&self.store, TABLE).await, theirs);
        assert_eq!(
            self.store.digest(TABLE).await.unwrap(),
            self.peer.store.digest(TABLE).await.unwrap()
        );
        assert_eq!(theirs.len(), 50);
    }
}

#[tokio::test]
async fn intact_state_needs_no_repair() {
    let pair = Pair::new().await;
    assert_eq!(pair.scrub().await, 0);
    pair.assert_whole().await;
}

#[tokio::test]
async fn deleted_rows_are_restored_by_repair() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM item WHERE k IN (SELECT k FROM item WHERE size > 0 ORDER BY k DESC LIMIT 20)");
    assert!(pair.scrub().await > 0);
    assert_eq!(pair.scrub().await, 0, "nothing is left to repair");
    assert_eq!(assert_agrees(&pair.store, TABLE).await.len(), 30);
    assert_eq!(pair.repair().await, 20);
    pair.assert_whole().await;
}

/// Verification removes rows whose log records were deleted. Repair restores both.
#[tokio::test]
async fn rows_without_log_records_are_restored_by_repair() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM log WHERE pos IN (SELECT max(pos) - 7 FROM log)");
    pair.vandalize("UPDATE log SET image = x'0102' WHERE pos = (SELECT max(pos) - 3 FROM log)");
    pair.vandalize("UPDATE log SET image = NULL WHERE pos = (SELECT max(pos) - 4 FROM log)");
    assert!(pair.scrub().await > 0);
    assert_eq!(assert_agrees(&pair.store, TABLE).await.len(), 47);
    assert_eq!(pair.repair().await, 3);
    pair.assert_whole().await;
}

#[tokio::test]
async fn verification_repairs_index_entries() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM entries WHERE k IN (SELECT k FROM entries LIMIT 13)");
    pair.vandalize("UPDATE entries SET k = k || x'61' WHERE k = (SELECT max(k) FROM entries)");
    pair.vandalize("UPDATE entries SET k = substr(k, 1, length(k) - 3) WHERE k = (SELECT min(k) FROM entries)");
    assert!(pair.scrub().await > 0);
    assert_eq!(pair.scrub().await, 0);
    pair.assert_whole().await;
}

/// The put finds an index entry that should not exist, and is decided again.
#[tokio::test]
async fn put_over_a_stale_index_entry_counts_it_once() {
    let pair = Pair::new().await;
    let colored = |color| item("p1", 1, &[("color", text(color)), ("weight", number(1))]);
    assert_eq!(put_counted(&pair.store, colored("left")).await, 1);
    let database = Connection::open(&pair.path).unwrap();
    let mut entries = database.prepare("SELECT k FROM entries").unwrap();
    let left: Vec<Vec<u8>> = entries
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(put_counted(&pair.store, colored("right")).await, 1);
    let mut changed = 0;
    for entry in left {
        let insert = "INSERT OR IGNORE INTO entries (k, v) VALUES (?1, x'')";
        changed += database.execute(insert, [entry]).unwrap();
    }
    assert_eq!(changed, 1);
    assert_eq!(put_counted(&pair.store, colored("left")).await, 2);
    assert_eq!(pair.scrub().await, 0);
    assert_agrees(&pair.store, TABLE).await;
}

#[tokio::test]
async fn changed_row_is_repaired() {
    let pair = Pair::new().await;
    pair.vandalize("UPDATE item SET seq = seq + 1 WHERE k = (SELECT max(k) FROM item)");
    pair.vandalize(
        "UPDATE item SET size = 0 WHERE k = (SELECT min(k) FROM item WHERE size > 0 AND hex(k) > '00000003')",
    );
    assert!(pair.scrub().await > 0);
    assert_eq!(pair.repair().await, 2);
    pair.assert_whole().await;
}

#[tokio::test]
async fn changed_digest_is_repaired() {
    let pair = Pair::new().await;
    pair.vandalize("UPDATE digests SET v = zeroblob(512) WHERE k >= 3 * 16");
    assert!(pair.scrub().await > 0);
    pair.assert_whole().await;
}

/// The error for the item of this number.
fn corrupt(n: u64) -> StoreError {
    StoreError::Corrupt {
        table: TABLE,
        key: key(&format!("p{n}"), n),
    }
}

/// A put that needs nothing of the item that it replaces.
#[tokio::test]
async fn item_without_its_log_record_can_be_put() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM log WHERE pos > (SELECT max(pos) - 50 FROM log)");
    for n in 0..50 {
        put(&pair.store, item(&format!("p{n}"), n, &[("color", text("new"))])).await;
    }
    pair.scrub().await;
    assert_eq!(assert_agrees(&pair.store, TABLE).await.len(), 50);
}

/// The read that finds the damage has the range repaired, so that a peer can restore the item.
#[tokio::test]
async fn read_of_an_item_without_its_log_record_fails() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM log WHERE pos > (SELECT max(pos) - 4 FROM log)");
    let keys = |n: u64| vec![(TABLE, key(&format!("p{n}"), n))];
    assert_eq!(pair.store.get(TABLE, &key("p49", 49)).await, Err(corrupt(49)));
    assert_eq!(pair.store.get(TABLE, &key("p49", 49)).await, Ok(None));
    assert_eq!(pair.store.get_many(keys(48)).await, Err(corrupt(48)));
    assert_eq!(pair.store.get_many(keys(48)).await, Ok(vec![None]));
    let sent = pair.store.mutations_of(TABLE, vec![key("p47", 47)]).await;
    assert_eq!(sent, Err(corrupt(47)));
    for index in [None, Some("by_color")] {
        let page = pair.store.range(whole(TABLE, index)).await;
        match index {
            None => assert_eq!(page.map(drop), Err(corrupt(46))),
            Some(_) => assert_eq!(page.unwrap().rows.len(), 46),
        }
    }
    // The index entries are in other ranges.
    pair.scrub().await;
    assert_eq!(pair.repair().await, 4);
    pair.assert_whole().await;
}

#[tokio::test]
async fn condition_on_an_item_without_its_log_record_fails() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM log WHERE pos = (SELECT max(pos) FROM log)");
    let put_if_absent = || write(key("p49", 49), Do::If(|item| item.is_none(), item("p49", 49, &[])));
    let refused = commit(&pair.store, vec![put_if_absent()]).await;
    assert!(
        matches!(&refused, Err(CommitError::Store(error)) if *error == corrupt(49)),
        "{refused:?}"
    );
    assert_eq!(pair.repair().await, 1);
    let refused = commit(&pair.store, vec![put_if_absent()]).await;
    assert!(matches!(refused, Err(CommitError::Refused(_))), "{refused:?}");
    pair.assert_whole().await;
}

/// A mutation that is concurrent with the item cannot be reconciled. The batch is refused as a
/// whole, and the client's write that is decided in the same group is not.
#[tokio::test]
async fn mutation_over_an_item_without_its_log_record_is_refused() {
    let pair = Pair::new().await;
    pair.peer.advance_ms(5);
    for n in [7, 8] {
        put(&*pair.peer.store, item(&format!("p{n}"), n, &[("color", text("east"))])).await;
    }
    put(&pair.store, item("p8", 8, &[("color", text("west"))])).await;
    pair.vandalize("DELETE FROM log WHERE pos = (SELECT max(pos) FROM log)");
    let batch = RemoteBatch {
        mutations: read_all(&*pair.peer.store, &all_of(pair.peer.store.origin())).await,
        ..RemoteBatch::default()
    };
    let before = pair.store.vectors();
    let (wrote, refused) = tokio::join!(
        put(&pair.store, item("p9", 9, &[("color", text("west"))])),
        pair.store.apply(batch.clone())
    );
    assert_eq!(refused, Err(corrupt(8)));
    let origin = pair.peer.store.origin();
    let vectors = pair.store.vectors();
    assert_eq!(vectors[&TABLE].get(origin), before[&TABLE].get(origin));
    let written = pair.store.get(TABLE, &key("p9", 9)).await.unwrap();
    assert_eq!(written.map(|(version, _)| version), Some(wrote));
    let untouched = pair.store.get(TABLE, &key("p7", 7)).await.unwrap().unwrap();
    assert_eq!(untouched.1["color"], text("c1"));
    // The range was repaired, so the batch is applied when it arrives again.
    assert_eq!(pair.store.apply(batch).await.unwrap().newer, 2);
    pair.scrub().await;
    assert_eq!(assert_agrees(&pair.store, TABLE).await.len(), 50);
}
