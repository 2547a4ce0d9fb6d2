//! Damage behind the server's back: seen by verification, mended where this region can, and brought back by repair.

use std::{path::PathBuf, sync::Arc};

use beringia_clock::ManualClock;
use beringia_item::RANGES;
use beringia_storage::{RemoteBatch, RemoteKind, Store, StoreOptions, conformance::fixture::*};
use beringia_storage_sqlite::{Database, Execution, Options, RegionStore};
use rusqlite::Connection;

use crate::support::Memory;

/// A region in a file, with fifty items, and the same items in another region.
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
            Execution::Threads,
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
        let unit = (0..50)
            .map(|n| write(key(&format!("p{n}"), n), Do::Put(item(n))))
            .collect();
        commit(&store, unit).await.unwrap();
        for table in [beringia_item::TableId::CATALOG, TABLE] {
            let mut filter = all_of(store.origin());
            filter.tables = [(table, Default::default())].into();
            let mutations = read_all(&store, &filter).await;
            let batch = RemoteBatch {
                mutations,
                ..RemoteBatch::default()
            };
            peer.store.apply(batch).await.unwrap();
            // A copy that found nothing.
            let joined = RemoteBatch {
                progress: vec![(TABLE, store.origin().clone(), 0)],
                kind: RemoteKind::Copy,
                ..RemoteBatch::default()
            };
            peer.store.apply(joined).await.unwrap();
        }
        Self {
            _directory: directory,
            path,
            store,
            peer,
        }
    }

    /// Changes the file as somebody with the `sqlite3` command would.
    fn vandalize(&self, sql: &str) {
        let changed = Connection::open(&self.path).unwrap().execute(sql, []).unwrap();
        assert!(changed > 0, "{sql}");
    }

    /// How many ranges had to be mended.
    async fn scrub(&self) -> usize {
        let mut mended = 0;
        for range in 0..RANGES {
            mended += usize::from(self.store.verify_range(TABLE, range).await.unwrap());
        }
        mended
    }

    /// Fetches from the peer what it has and this region lacks, range by range where the digests differ.
    async fn repair(&self) -> usize {
        let (here, there) = (
            self.store.digest(TABLE).await.unwrap(),
            self.peer.store.digest(TABLE).await.unwrap(),
        );
        assert_eq!(here.vector, there.vector);
        let mut repaired = 0;
        for range in (0..RANGES).filter(|range| here.ranges[usize::from(*range)] != there.ranges[usize::from(*range)]) {
            let rows = self.peer.store.raw_rows(TABLE, range, None, 100).await.unwrap();
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
async fn what_is_as_it_should_be_is_not_mended() {
    let pair = Pair::new().await;
    assert_eq!(pair.scrub().await, 0);
    pair.assert_whole().await;
}

#[tokio::test]
async fn rows_that_were_deleted_come_back_by_repair() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM item WHERE k IN (SELECT k FROM item WHERE size > 0 ORDER BY k DESC LIMIT 20)");
    assert!(pair.scrub().await > 0);
    assert_eq!(pair.scrub().await, 0, "once mended, it is whole");
    assert_eq!(assert_agrees(&pair.store, TABLE).await.len(), 30);
    assert_eq!(pair.repair().await, 20);
    pair.assert_whole().await;
}

#[tokio::test]
async fn log_records_that_were_deleted_take_their_rows_with_them_until_repair_brings_both() {
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
async fn index_entries_are_mended_on_the_spot() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM entries WHERE k IN (SELECT k FROM entries LIMIT 13)");
    pair.vandalize("UPDATE entries SET k = k || x'61' WHERE k = (SELECT max(k) FROM entries)");
    pair.vandalize("UPDATE entries SET k = substr(k, 1, length(k) - 3) WHERE k = (SELECT min(k) FROM entries)");
    assert!(pair.scrub().await > 0);
    assert_eq!(pair.scrub().await, 0);
    pair.assert_whole().await;
}

#[tokio::test]
async fn a_put_that_finds_its_index_entry_left_behind_is_decided_again_and_the_entry_counted_once() {
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
async fn a_row_that_was_changed_is_put_right() {
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
async fn a_stored_digest_that_was_changed_is_put_right() {
    let pair = Pair::new().await;
    pair.vandalize("UPDATE digests SET v = zeroblob(512) WHERE k >= 3 * 16");
    assert!(pair.scrub().await > 0);
    pair.assert_whole().await;
}

#[tokio::test]
async fn what_was_vandalized_can_still_be_written() {
    let pair = Pair::new().await;
    pair.vandalize("DELETE FROM log WHERE pos > (SELECT max(pos) - 50 FROM log)");
    for n in 0..50 {
        let pk = format!("p{n}");
        assert_eq!(pair.store.get(TABLE, &key(&pk, n)).await.unwrap(), None);
        put(&pair.store, item(&pk, n, &[("color", text("new"))])).await;
    }
    pair.scrub().await;
    assert_eq!(assert_agrees(&pair.store, TABLE).await.len(), 50);
}
