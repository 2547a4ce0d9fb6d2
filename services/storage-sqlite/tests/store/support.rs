//! Stores, tables and items for the tests, and the check that everything in a store agrees.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use beringia_clock::{ManualClock, WallClock};
use beringia_item::{
    AttributeValue, Cause, Item, KeyBytes, KeyPart, KeySchema, KeyType, Mutation, Number, Region, TableId, Version,
    VersionVector,
};
use beringia_storage::{
    Applied, Aspect, Change, CommitError, Core, EXPIRY_INDEX, Edit, Effect, GlobalIndex, ItemWrite, LocalIndex,
    LogFilter, Outcome, Projection, RangePage, RangeRead, Refusal, RemoteBatch, RemoteKind, Replica, ReplicaStatus,
    Store, Throughput, expiry_keys,
};
use beringia_storage_sqlite::{Database, DiskFaults, Execution, MemoryDisk, Options, SqliteStore};

/// The wall clock's reading at the start of a test, ms.
pub(crate) const START_MS: u64 = 1_700_000_000_000;
pub(crate) const TABLE: TableId = TableId(0x1234_5678);

pub(crate) fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

/// A region's store in memory, its disk and its clock.
pub(crate) struct Site {
    pub(crate) store: SqliteStore,
    pub(crate) disk: MemoryDisk,
    pub(crate) disk_faults: DiskFaults,
    pub(crate) clock: Arc<ManualClock>,
}

impl Site {
    /// An empty region.
    pub(crate) fn new(name: &str) -> Self {
        let disk = MemoryDisk::new();
        let clock = Arc::new(ManualClock::new(START_MS));
        Self::open(name, disk, DiskFaults::default(), clock)
    }

    /// The region after a crash.
    pub(crate) fn restarted(self) -> Self {
        let Self {
            store,
            disk,
            disk_faults,
            clock,
        } = self;
        let name = store.region().to_string();
        drop(store);
        Self::open(&name, disk, disk_faults, clock)
    }

    fn open(name: &str, disk: MemoryDisk, disk_faults: DiskFaults, clock: Arc<ManualClock>) -> Self {
        let options = Options {
            disk_faults: disk_faults.clone(),
            ..memory_options(name, &disk, clock.clone())
        };
        Self {
            store: SqliteStore::open(options).unwrap(),
            disk,
            disk_faults,
            clock,
        }
    }

    pub(crate) fn advance_ms(&self, ms: u64) {
        self.clock.set(self.clock.now_ms() + ms);
    }
}

pub(crate) fn memory_options(name: &str, disk: &MemoryDisk, clock: Arc<ManualClock>) -> Options {
    let mut options = Options::new(region(name), Database::Memory(disk.clone()), Execution::Inline, clock);
    options.log_retention_ms = 0;
    options
}

fn part(name: &str, kind: KeyType) -> KeyPart {
    KeyPart {
        name: name.to_owned(),
        kind,
    }
}

/// `pk` (S) and `sk` (N).
pub(crate) fn keys() -> KeySchema {
    KeySchema {
        partition: vec![part("pk", KeyType::S)],
        sort: vec![part("sk", KeyType::N)],
    }
}

/// A global index over `color` (S).
pub(crate) fn by_color() -> GlobalIndex {
    GlobalIndex {
        keys: KeySchema {
            partition: vec![part("color", KeyType::S)],
            sort: vec![],
        },
        projection: Projection::KeysOnly,
        throughput: Throughput::OnDemand,
        capacity: beringia_storage::Capacity::default(),
        place: 0,
    }
}

/// A table without indexes, or with the local index `by_weight` and the global index `by_color`.
pub(crate) fn core(name: &str, indexed: bool) -> Core {
    let by_weight = LocalIndex {
        keys: KeySchema {
            partition: vec![part("pk", KeyType::S)],
            sort: vec![part("weight", KeyType::N)],
        },
        projection: Projection::All,
        place: 0,
    };
    let local_indexes = if indexed {
        BTreeMap::from([("by_weight".to_owned(), by_weight)])
    } else {
        BTreeMap::new()
    };
    Core {
        name: name.to_owned(),
        keys: keys(),
        local_indexes,
        created_ms: START_MS,
    }
}

pub(crate) fn set(table: TableId, aspect: Aspect) -> Edit {
    Edit::Set { table, aspect }
}

pub(crate) fn set_index(table: TableId) -> Edit {
    set(
        table,
        Aspect::GlobalIndex {
            name: "by_color".to_owned(),
            index: by_color(),
        },
    )
}

pub(crate) fn set_replica(table: TableId, name: &str, status: ReplicaStatus) -> Edit {
    set(
        table,
        Aspect::Replica {
            region: region(name),
            replica: Replica {
                status,
                since_ms: START_MS,
            },
        },
    )
}

pub(crate) async fn edit(store: &SqliteStore, edits: Vec<Edit>) {
    store.change_schema(Box::new(move |_| Ok(edits))).await.unwrap();
}

pub(crate) async fn create_table(store: &SqliteStore, indexed: bool) {
    let mut edits = vec![set(TABLE, Aspect::Core(core("things", indexed)))];
    if indexed {
        edits.push(set_index(TABLE));
    }
    edit(store, edits).await;
}

/// The table with an active replica in each of the regions, all knowing of it, nothing in it.
pub(crate) async fn create_global_table(sites: &[&Site], indexed: bool) {
    let (first, others) = sites.split_first().unwrap();
    create_table(&first.store, indexed).await;
    for other in others {
        add_replica(first, other).await;
    }
    // Those that came earlier hear of those that came later.
    for other in others {
        ship(first, other, TableId::CATALOG).await;
    }
}

/// A replica of the table in `to`, by a copy that found nothing.
pub(crate) async fn add_replica(from: &Site, to: &Site) {
    edit(
        &from.store,
        vec![set_replica(TABLE, to.store.region().as_str(), ReplicaStatus::Active)],
    )
    .await;
    ship(from, to, TableId::CATALOG).await;
    let progress = vec![(TABLE, from.store.region().clone(), 0)];
    to.store
        .apply(RemoteBatch {
            progress,
            kind: RemoteKind::Copy,
            ..RemoteBatch::default()
        })
        .await
        .unwrap();
}

/// Brings everything of one table that `from` has and `to` lacks, relayed writes too, to `to`.
pub(crate) async fn ship(from: &Site, to: &Site, table: TableId) -> Applied {
    let mutations = read_all(&from.store, &wants(from, to, table)).await;
    to.store
        .apply(RemoteBatch {
            mutations,
            ..RemoteBatch::default()
        })
        .await
        .unwrap()
}

/// Copies a table row by row, tombstones too, with the vector that `from` had at the start.
pub(crate) async fn copy(from: &Site, to: &Site, table: TableId) -> Applied {
    let vector = from.store.vectors()[&table].clone();
    let mut mutations = Vec::new();
    for range in 0..beringia_item::RANGES {
        let mut after = None;
        loop {
            let rows = from.store.raw_rows(table, range, after, 3).await.unwrap();
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            let keys = rows.into_iter().map(|row| row.key).collect();
            mutations.extend(from.store.mutations_of(table, keys).await.unwrap());
        }
    }
    let progress = vector
        .iter()
        .map(|(origin, sequence)| (table, origin.clone(), sequence))
        .collect();
    to.store
        .apply(RemoteBatch {
            mutations,
            progress,
            kind: RemoteKind::Copy,
            ..Default::default()
        })
        .await
        .unwrap()
}

/// What `to` lacks of a table that `from` may have.
pub(crate) fn wants(from: &Site, to: &Site, table: TableId) -> LogFilter {
    let vector = to.store.vectors().get(&table).cloned().unwrap_or_default();
    let has = from.store.vectors().get(&table).cloned().unwrap_or_default();
    let origins = has
        .iter()
        .map(|(origin, _)| origin.clone())
        .filter(|origin| origin != to.store.region());
    LogFilter {
        origins: origins.collect(),
        tables: BTreeMap::from([(table, vector)]),
    }
}

/// All records that pass the filter, in small pages.
pub(crate) async fn read_all(store: &SqliteStore, filter: &LogFilter) -> Vec<Mutation> {
    let mut from = store
        .log_position(filter)
        .await
        .unwrap()
        .expect("the log holds what is asked for");
    let mut mutations = Vec::new();
    loop {
        let page = store.read_log(from, filter, 100).await.unwrap();
        mutations.extend(page.records.into_iter().map(|record| record.mutation));
        if page.at_end {
            return mutations;
        }
        assert!(page.next > from, "a page that is not the last moves on");
        from = page.next;
    }
}

pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(Number::from(value))
}

pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub(crate) fn item(pk: &str, sk: u64, others: &[(&str, AttributeValue)]) -> Item {
    let mut item = Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), number(sk))]);
    item.extend(others.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    item
}

pub(crate) fn key(pk: &str, sk: u64) -> KeyBytes {
    keys().key_of(&item(pk, sk, &[])).unwrap()
}

/// What a write is to do.
pub(crate) enum Do {
    Put(Item),
    Delete,
    /// Puts where the condition, over the current item, holds.
    If(fn(Option<&Item>) -> bool, Item),
    /// Puts what is made of the current item.
    Update(fn(Option<&Item>) -> Item),
}

impl Change for Do {
    fn needs_current(&self) -> bool {
        !matches!(self, Self::Put(_))
    }

    fn decide(&mut self, current: Option<&Item>) -> Result<Effect, Refusal> {
        match self {
            Self::Put(item) => Ok(Effect::Put(item.clone())),
            Self::Delete => Ok(Effect::Delete),
            Self::If(condition, item) if condition(current) => Ok(Effect::Put(item.clone())),
            Self::If(..) => Err(Refusal::ConditionFailed),
            Self::Update(make) => Ok(Effect::Put(make(current))),
        }
    }
}

pub(crate) fn write(key: KeyBytes, what: Do) -> ItemWrite {
    ItemWrite {
        table: TABLE,
        key,
        cause: Cause::Client,
        change: Box::new(what),
    }
}

pub(crate) async fn put(store: &SqliteStore, item: Item) -> Version {
    let key = keys().key_of(&item).unwrap();
    let outcome = commit(store, vec![write(key, Do::Put(item))]).await.unwrap();
    outcome[0].version.clone().unwrap()
}

pub(crate) async fn delete(store: &SqliteStore, key: KeyBytes) -> Option<Version> {
    commit(store, vec![write(key, Do::Delete)])
        .await
        .unwrap()
        .remove(0)
        .version
}

pub(crate) async fn commit(store: &SqliteStore, unit: Vec<ItemWrite>) -> Result<Vec<Outcome>, CommitError> {
    store.commit(unit).await
}

pub(crate) fn whole(table: TableId, index: Option<&str>) -> RangeRead {
    RangeRead {
        table,
        index: index.map(str::to_owned),
        from: Bound::Unbounded,
        to: Bound::Unbounded,
        reverse: false,
        max_rows: usize::MAX,
        max_bytes: usize::MAX,
    }
}

pub(crate) async fn scan(store: &SqliteStore, index: Option<&str>) -> RangePage {
    store.range(whole(TABLE, index)).await.unwrap()
}

/// Asserts that rows, log, digests, indexes and size of a table agree, and returns its live items.
pub(crate) async fn assert_agrees(store: &SqliteStore, table: TableId) -> BTreeMap<KeyBytes, (Version, Item)> {
    let page = store.range(whole(table, None)).await.unwrap();
    let catalog = store.catalog();
    for range in 0..beringia_item::RANGES {
        assert!(
            !store.verify_range(table, range).await.unwrap(),
            "range {range} of {table} had to be mended"
        );
    }
    if let Some(described) = catalog.by_id.get(&table) {
        let bytes: usize = page.rows.iter().map(|row| beringia_item::item_size(&row.item)).sum();
        assert_eq!(described.size.items(), page.rows.len() as u64, "the number of items");
        assert_eq!(described.size.bytes(), bytes as u64, "the bytes of the items");
        let (expiry, name) = (
            described.time_to_live.as_deref().map(expiry_keys),
            EXPIRY_INDEX.to_owned(),
        );
        let local = described
            .core
            .local_indexes
            .iter()
            .map(|(name, index)| (name, &index.keys));
        let global = described
            .global_indexes
            .iter()
            .map(|(name, (index, _))| (name, &index.keys));
        for (name, keys) in local.chain(global).chain(expiry.iter().map(|keys| (&name, keys))) {
            let expected: Vec<KeyBytes> = {
                let entries = page
                    .rows
                    .iter()
                    .filter_map(|row| keys.index_key_of(&row.item, &row.key).ok());
                let mut entries: Vec<_> = entries.collect();
                entries.sort();
                entries
            };
            let entries = store.range(whole(table, Some(name))).await.unwrap().rows;
            if let Some(size) = described.index_sizes.get(name) {
                let global = described.global_indexes.get(name).map(|(index, _)| &index.projection);
                let keys_only = global == Some(&Projection::KeysOnly);
                let weight = |row: &beringia_storage::Row| -> u64 {
                    let shown = |name: &str| {
                        !keys_only || core_keys().contains(&name) || keys.parts().any(|part| part.name == name)
                    };
                    let item: Item = row.item.clone().into_iter().filter(|(name, _)| shown(name)).collect();
                    beringia_item::item_size(&item) as u64
                };
                assert_eq!(size.items(), entries.len() as u64, "how many {name} shows");
                assert_eq!(
                    size.bytes(),
                    entries.iter().map(weight).sum::<u64>(),
                    "bytes that {name} shows"
                );
            }
            assert_eq!(
                entries.into_iter().map(|row| row.key).collect::<Vec<_>>(),
                expected,
                "the index {name}"
            );
        }
    }
    let digest = store.digest(table).await.unwrap();
    assert_eq!(
        digest.ranges.iter().map(|range| range.items).sum::<u64>(),
        page.rows.len() as u64,
        "digested items"
    );
    assert_eq!(Some(&digest.vector), store.vectors().get(&table), "the vector");
    page.rows
        .into_iter()
        .map(|row| (row.key, (row.version, row.item)))
        .collect()
}

const fn core_keys() -> [&'static str; 2] {
    ["pk", "sk"]
}

/// A filter for all that a region wrote to the test's table.
pub(crate) fn all_of(origin: &Region) -> LogFilter {
    LogFilter {
        origins: vec![origin.clone()],
        tables: BTreeMap::from([(TABLE, VersionVector::default())]),
    }
}
