//! A region in a file, and another region with the same items.

use std::{path::PathBuf, sync::Arc};

use beringia_clock::ManualClock;
use beringia_item::RANGES;
use beringia_storage::{RemoteBatch, RemoteKind, Store, StoreOptions, conformance::fixture::*};
use beringia_storage_sqlite::{Database, Execution, Options, RegionStore};
use rusqlite::Connection;

use crate::support::Memory;

/// A region in a file with fifty items, and another region with the same items.
pub(crate) struct Pair {
    _directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) store: RegionStore,
    pub(crate) peer: Site,
}

impl Pair {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("region.db");
        let (store, peer) = (Self::open(path.clone()), Site::new(&Memory, "eu-west-1"));
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

    /// Opens the file of the region.
    pub(crate) fn open(path: PathBuf) -> RegionStore {
        let clock = Arc::new(ManualClock::new(START_MS));
        let options = StoreOptions::new(region("us-east-1"), clock);
        let options = Options::new(options, Database::File(path), Execution::Inline);
        beringia_storage_sqlite::open(&options).unwrap()
    }

    /// Changes the file with SQL, as with the `sqlite3` command.
    pub(crate) fn vandalize(&self, sql: &str) {
        let changed = Connection::open(&self.path).unwrap().execute(sql, []).unwrap();
        assert!(changed > 0, "{sql}");
    }

    /// Flips one bit of a value in the file, at this byte from its end. `place` selects the row, as
    /// the rest of a statement after `FROM`.
    pub(crate) fn flip(&self, column: &str, place: &str, from_end: usize) {
        let database = Connection::open(&self.path).unwrap();
        let mut value: Vec<u8> = database
            .query_row(&format!("SELECT {column} FROM {place}"), [], |row| row.get(0))
            .unwrap();
        let at = value.len() - 1 - from_end;
        value[at] ^= 4;
        let (table, condition) = place.split_once(" WHERE ").unwrap();
        let update = format!("UPDATE {table} SET {column} = ?1 WHERE {condition}");
        assert_eq!(database.execute(&update, [value]).unwrap(), 1, "{place}");
    }

    /// Overwrites the pages of the file that contain these bytes, other than the first, so that
    /// SQLite cannot read them.
    pub(crate) async fn overwrite_pages_of(&mut self, bytes: &[u8]) {
        const PAGE: usize = 4096;
        self.store.close().await;
        let mut file = std::fs::read(&self.path).unwrap();
        let contains = |page: &[u8]| page.windows(bytes.len()).any(|window| window == bytes);
        let pages = file.chunks_mut(PAGE).skip(1).filter(|page| contains(page));
        let overwritten = pages.map(|page| page.fill(0)).count();
        assert!(overwritten > 0);
        std::fs::write(&self.path, file).unwrap();
        self.store = Self::open(self.path.clone());
    }

    /// Verifies all ranges and returns how many had to be repaired.
    pub(crate) async fn scrub(&self) -> usize {
        let mut repaired = 0;
        for range in 0..RANGES {
            repaired += usize::from(self.store.verify_range(TABLE, range).await.unwrap());
        }
        repaired
    }

    /// Fetches rows from the peer that are missing here, for each range whose digests differ.
    pub(crate) async fn repair(&self) -> usize {
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

    pub(crate) async fn assert_whole(&self) {
        let theirs = assert_agrees(&*self.peer.store, TABLE).await;
        assert_eq!(assert_agrees(&self.store, TABLE).await, theirs);
        assert_eq!(
            self.store.digest(TABLE).await.unwrap(),
            self.peer.store.digest(TABLE).await.unwrap()
        );
        assert_eq!(theirs.len(), 50);
    }
}
