//! A machine with a store on a faulty disk, and what its clients know of their writes.
//!
//! Clients write pairs of items, each in one transaction, so that a torn one is noticed. A write
//! that was not acknowledged may have been made or not; one that was acknowledged has replaced all
//! earlier ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use beringia_clock::{ManualClock, Randomness as _, SeededRandomness};
use beringia_faulty_disk::FaultyDisk;
use beringia_item::{AttributeValue, Item, TableId};
use beringia_storage::{
    Acknowledged, Aspect, Catalog, ItemWrite, PlantedBug, Store, StoreError, StoreOptions, conformance::fixture::*,
};
use beringia_storage_sqlite::{Database, Execution, Options, RegionStore};
use futures_util::future::join_all;

/// The number of pairs that clients write.
pub(crate) const PAIRS: u64 = 12;
/// The names of the two items of a pair.
const HALVES: [&str; 2] = ["first", "second"];
/// One in so many writes deletes its pair.
const DELETES: u64 = 4;
/// The number of writes that are in flight at once.
const IN_FLIGHT: u64 = 4;
/// Until then a store without requests has emptied its write-ahead log.
const REST: Duration = Duration::from_secs(60);

/// How a machine is used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) execution: Execution,
    /// The greatest size of an item.
    pub(crate) item_bytes: u64,
    /// The number of things that are done in one life of the store.
    pub(crate) steps: u64,
    pub(crate) planted_bug: Option<PlantedBug>,
}

impl Usage {
    /// Small items, and a driver of the committer of this kind.
    pub(crate) const fn of(execution: Execution) -> Self {
        Self {
            execution,
            item_bytes: 6_000,
            steps: 25,
            planted_bug: None,
        }
    }
}

/// A machine with a store on a faulty disk.
pub(crate) struct Machine {
    pub(crate) disk: FaultyDisk,
    pub(crate) random: SeededRandomness,
    usage: Usage,
    /// Whether the creation of the table was acknowledged.
    has_table: bool,
    /// What each pair may contain.
    possible: BTreeMap<u64, BTreeSet<Option<u64>>>,
    /// The number of writes so far.
    writes: u64,
}

impl Machine {
    pub(crate) fn new(seed: u64, usage: Usage) -> Self {
        Self {
            disk: FaultyDisk::new(seed),
            random: SeededRandomness::new(seed).derive("machine"),
            usage,
            has_table: false,
            possible: (0..PAIRS).map(|n| (n, BTreeSet::from([None]))).collect(),
            writes: 0,
        }
    }

    /// Opens the store, and creates the table if there is none. `None` if the disk failed.
    pub(crate) async fn start(&mut self) -> Option<RegionStore> {
        let store = self.open().ok()?;
        self.find_table(&store).await.then_some(store)
    }

    pub(crate) fn open(&self) -> Result<RegionStore, StoreError> {
        let mut store = StoreOptions::new(region("us-east-1"), Arc::new(ManualClock::new(START_MS)));
        store.log_retention_ms = 0;
        store.planted_bug = self.usage.planted_bug;
        let database = Database::File(self.disk.path("region.db"));
        beringia_storage_sqlite::open(&Options {
            file_system: Arc::new(self.disk.clone()),
            ..Options::new(store, database, self.usage.execution)
        })
    }

    async fn find_table(&mut self, store: &RegionStore) -> bool {
        let is_there = store.catalog().by_id.contains_key(&TABLE);
        assert!(is_there || !self.has_table, "the table is lost");
        if !is_there {
            let edits = vec![set(TABLE, Aspect::Core(core("things", true))), set_index(TABLE)];
            let created = store
                .change_schema(Box::new(move |_: &Catalog| Ok(edits.clone())))
                .await;
            self.has_table = created.is_ok();
        }
        is_there || self.has_table
    }

    /// Does random things, until the disk fails for good. Returns the store, unless it is closed.
    pub(crate) async fn live(&mut self) -> Option<RegionStore> {
        let mut store = self.start().await?;
        for _ in 0..self.usage.steps {
            match self.random.below(12) {
                0 => trim(&store).await,
                1 => tokio::time::sleep(REST).await,
                2 => {
                    store.close().await;
                    store = self.start().await?;
                }
                3 | 4 => self.read(&store).await,
                _ => drop(self.write(&store).await),
            }
            if store.failed().is_some() {
                break;
            }
        }
        Some(store)
    }

    /// Writes several pairs at once. Returns whether all were acknowledged.
    pub(crate) async fn write(&mut self, store: &RegionStore) -> bool {
        let first = self.random.below(PAIRS);
        let mut commits = Vec::new();
        for n in 0..=self.random.below(IN_FLIGHT) {
            let n = (first + n) % PAIRS;
            self.writes += 1;
            let written = (self.random.below(DELETES) > 0).then_some(self.writes);
            self.possible.entry(n).or_default().insert(written);
            let transaction = self.transaction(n, written);
            commits.push(async move { (n, written, commit(store, transaction).await.is_ok()) });
        }
        let mut all = true;
        for (n, written, is_acknowledged) in join_all(commits).await {
            all &= is_acknowledged;
            if is_acknowledged {
                self.possible.insert(n, BTreeSet::from([written]));
            }
        }
        all
    }

    fn transaction(&self, n: u64, written: Option<u64>) -> Vec<ItemWrite> {
        let len = usize::try_from(self.random.below(self.usage.item_bytes)).unwrap();
        let others = |written| {
            let blob = text(&"x".repeat(len));
            let color = text(&format!("c{}", written % 5));
            [("count", number(written)), ("color", color), ("blob", blob)]
        };
        let changes = HALVES.map(|half| match written {
            Some(written) => Do::Put(item(half, n, &others(written))),
            None => Do::Delete,
        });
        let writes = HALVES.into_iter().zip(changes);
        writes.map(|(half, change)| write(key(half, n), change)).collect()
    }

    /// Reads an item. It is one that was written there, unless the read fails.
    pub(crate) async fn read(&self, store: &RegionStore) {
        let (n, half) = (self.random.below(PAIRS), self.random.below(2));
        let half = HALVES[usize::try_from(half).unwrap()];
        if let Ok(found) = store.get(TABLE, &key(half, n)).await {
            let found = found.map(|(_, item)| count_of(&item));
            assert!(self.possible[&n].contains(&found), "read {found:?} of pair {n}");
        }
    }

    /// Reads all items, of which bits have changed. Each is what was written last, or missing, or
    /// cannot be read.
    pub(crate) async fn read_all_damaged(&self, store: &RegionStore) {
        for (n, possible) in &self.possible {
            for half in HALVES {
                if let Ok(Some((_, item))) = store.get(TABLE, &key(half, *n)).await {
                    let found = Some(count_of(&item));
                    assert!(
                        possible.contains(&found),
                        "read {found:?} of pair {n}, not of {possible:?}"
                    );
                }
            }
        }
    }

    /// Loses power, and checks the store that is left.
    pub(crate) async fn lose_power(&mut self, store: Option<RegionStore>) {
        self.disk.lose_power();
        self.recover(store).await;
    }

    /// Kills the process, and checks the store that is left.
    pub(crate) async fn kill(&mut self, store: Option<RegionStore>) {
        self.disk.kill();
        self.recover(store).await;
    }

    /// The next process opens the store, checks it, and uses it.
    async fn recover(&mut self, before: Option<RegionStore>) {
        if let Some(before) = before {
            before.abandon();
        }
        let store = self.open().unwrap_or_else(|error| panic!("it does not open: {error}"));
        assert!(self.find_table(&store).await, "the table cannot be created");
        let rows = assert_agrees(&store, TABLE).await;
        for (n, possible) in &mut self.possible {
            let found = HALVES.map(|half| rows.get(&key(half, *n)).map(|(_, item)| count_of(item)));
            assert_eq!(found[0], found[1], "pair {n} is torn");
            assert!(
                possible.contains(&found[0]),
                "pair {n} has {found:?}, not of {possible:?}"
            );
            *possible = BTreeSet::from([found[0]]);
        }
        assert!(self.write(&store).await, "it takes no writes");
        if self.random.below(2) == 0 {
            store.close().await;
        } else {
            self.disk.lose_power();
            store.abandon();
        }
    }
}

fn count_of(item: &Item) -> u64 {
    match &item["count"] {
        AttributeValue::N(count) => count.to_i64().unwrap().cast_unsigned(),
        other => panic!("{other:?} is not a number"),
    }
}

/// Trims the log. If that fails, it is done later.
pub(crate) async fn trim(store: &RegionStore) {
    let nothing = Acknowledged::from(BTreeMap::from([(TableId::CATALOG, BTreeMap::new())]));
    let _ = store.collect_garbage(&nothing).await;
}

/// Runs `work` with time that passes only while nothing else happens. Returns false if it panics.
pub(crate) fn holds(work: impl Future<Output = ()>) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(work))).is_ok()
}
