//! Regions, tables and items for the tests, and the check that all parts of a store agree.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use beringia_clock::{ManualClock, WallClock};
use beringia_item::{
    AttributeValue, Cause, Item, KeyBytes, KeyPart, KeySchema, KeyType, Mutation, Number, Origin, Region,
    RowFingerprint, TableId, Version, VersionVector, content_hash, encode_item,
};

use super::{Disk, DiskMaker};
use crate::{
    Applied, Aspect, Catalog, Change, CommitError, Core, EXPIRY_INDEX, Edit, GlobalIndex, IndexProjection, ItemEffect,
    ItemWrite, LocalIndex, LogFilter, RangePage, RangeRead, Refusal, RemoteBatch, RemoteKind, Replica, ReplicaStatus,
    Store, StoreOptions, Throughput, WriteResult, expiry_keys,
};

/// The wall clock's reading at the start of a test, in ms.
pub const START_MS: u64 = 1_700_000_000_000;
/// The id of the tests' table.
pub const TABLE: TableId = TableId(0x1234_5678);

/// Builds a region from its name.
pub fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

/// Parses an origin from its text.
pub fn origin(text: &str) -> Origin {
    text.parse().unwrap()
}

/// A region's store, with its disk and its clock.
pub struct Site {
    /// The open store of the region.
    pub store: Arc<dyn Store>,
    /// The disk with the region's state.
    pub disk: Arc<dyn Disk>,
    /// The wall clock of the store.
    pub clock: Arc<ManualClock>,
    options: StoreOptions,
}

impl Site {
    /// Creates an empty region whose log keeps nothing for streams.
    pub fn new(backend: &dyn DiskMaker, name: &str) -> Self {
        Self::with(backend, name, |_| {})
    }

    /// Creates an empty region as [`Site::new`] does, with options changed by `set`.
    pub fn with(backend: &dyn DiskMaker, name: &str, set: impl FnOnce(&mut StoreOptions)) -> Self {
        Self::on(backend.disk().into(), name, set)
    }

    /// Creates a region on an empty disk, as [`Site::with`] does.
    pub fn on(disk: Arc<dyn Disk>, name: &str, set: impl FnOnce(&mut StoreOptions)) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let mut options = StoreOptions::new(region(name), clock.clone());
        options.log_retention_ms = 0;
        set(&mut options);
        Self {
            store: disk.open(options.clone()).unwrap(),
            disk,
            clock,
            options,
        }
    }

    /// Crashes the region and opens it again.
    pub fn restarted(self) -> Self {
        self.reopened(|_| {})
    }

    /// Crashes the region and opens it again with options changed by `set`.
    pub fn reopened(self, set: impl FnOnce(&mut StoreOptions)) -> Self {
        let Self {
            store,
            disk,
            clock,
            mut options,
        } = self;
        disk.crash();
        drop(store);
        set(&mut options);
        Self {
            store: disk.open(options.clone()).unwrap(),
            disk,
            clock,
            options,
        }
    }

    /// Advances the region's clock by `ms` milliseconds.
    pub fn advance_ms(&self, ms: u64) {
        self.clock.set(self.clock.now_ms() + ms);
    }
}

fn part(name: &str, kind: KeyType) -> KeyPart {
    KeyPart {
        name: name.to_owned(),
        kind,
    }
}

/// `pk` (S) and `sk` (N).
pub fn keys() -> KeySchema {
    KeySchema {
        partition: vec![part("pk", KeyType::S)],
        sort: vec![part("sk", KeyType::N)],
    }
}

/// A global index over `color` (S).
pub fn by_color() -> GlobalIndex {
    GlobalIndex {
        keys: KeySchema {
            partition: vec![part("color", KeyType::S)],
            sort: vec![],
        },
        projection: IndexProjection::KeysOnly,
        throughput: Throughput::OnDemand,
        capacity: crate::Capacity::default(),
        place: 0,
    }
}

/// A table without indexes, or with the local index `by_weight` and the global index `by_color`.
pub fn core(name: &str, indexed: bool) -> Core {
    let by_weight = LocalIndex {
        keys: KeySchema {
            partition: vec![part("pk", KeyType::S)],
            sort: vec![part("weight", KeyType::N)],
        },
        projection: IndexProjection::All,
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

/// The edit that sets an aspect of a table.
pub fn set(table: TableId, aspect: Aspect) -> Edit {
    Edit::Set { table, aspect }
}

/// The edit that adds the index `by_color` to the table.
pub fn set_index(table: TableId) -> Edit {
    set(
        table,
        Aspect::GlobalIndex {
            name: "by_color".to_owned(),
            index: by_color(),
        },
    )
}

/// The edit that sets the status of a replica.
pub fn set_replica(table: TableId, name: &str, status: ReplicaStatus) -> Edit {
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

/// Commits a change of definitions.
pub async fn edit(store: &dyn Store, edits: Vec<Edit>) {
    store
        .change_schema(Box::new(move |_: &Catalog| Ok(edits.clone())))
        .await
        .unwrap();
}

/// Creates the tests' table, with both indexes or none.
pub async fn create_table(store: &dyn Store, indexed: bool) {
    let mut edits = vec![set(TABLE, Aspect::Core(core("things", indexed)))];
    if indexed {
        edits.push(set_index(TABLE));
    }
    edit(store, edits).await;
}

/// Creates the table with an active, empty replica in each of the regions; all regions have
/// received the definition.
pub async fn create_global_table(sites: &[&Site], indexed: bool) {
    let (first, others) = sites.split_first().unwrap();
    create_table(&*first.store, indexed).await;
    for other in others {
        add_replica(first, other).await;
    }
    // Earlier regions learn of the later ones.
    for other in others {
        ship(first, other, TableId::CATALOG).await;
    }
}

/// Adds a replica of the table in `to` by a copy that transferred no rows.
pub async fn add_replica(from: &Site, to: &Site) {
    edit(
        &*from.store,
        vec![set_replica(TABLE, to.store.region().as_str(), ReplicaStatus::Active)],
    )
    .await;
    ship(from, to, TableId::CATALOG).await;
    let progress = vec![(TABLE, from.store.origin().clone(), 0)];
    to.store
        .apply(RemoteBatch {
            progress,
            kind: RemoteKind::Copy,
            ..RemoteBatch::default()
        })
        .await
        .unwrap();
}

/// Ships all writes of one table that `from` has and `to` is missing, including relayed ones.
pub async fn ship(from: &Site, to: &Site, table: TableId) -> Applied {
    let mutations = read_all(&*from.store, &wants(from, to, table)).await;
    to.store
        .apply(RemoteBatch {
            mutations,
            ..RemoteBatch::default()
        })
        .await
        .unwrap()
}

/// Copies a table row by row, tombstones too, with the vector that `from` had at the start.
pub async fn copy(from: &Site, to: &Site, table: TableId) -> Applied {
    to.store.apply(rows_of(from, table).await).await.unwrap()
}

/// All rows of a table, as a copy transfers them.
pub async fn rows_of(from: &Site, table: TableId) -> RemoteBatch {
    let vector = from.store.vectors()[&table].clone();
    let mut mutations = Vec::new();
    let mut after = None;
    loop {
        let all = 0..=beringia_item::RANGES - 1;
        let rows = from.store.raw_rows(table, all, after, 3).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = Some(last.key.clone());
        let keys = rows.into_iter().map(|row| row.key).collect();
        mutations.extend(from.store.mutations_of(table, keys).await.unwrap());
    }
    let progress = vector
        .iter()
        .map(|(origin, sequence)| (table, origin.clone(), sequence))
        .collect();
    RemoteBatch {
        mutations,
        progress,
        kind: RemoteKind::Copy,
        ..RemoteBatch::default()
    }
}

/// The filter for what `to` is missing of a table, over all origins that `from` may have.
pub fn wants(from: &Site, to: &Site, table: TableId) -> LogFilter {
    let vector = to.store.vectors().get(&table).cloned().unwrap_or_default();
    let has = from.store.vectors().get(&table).cloned().unwrap_or_default();
    let origins = has
        .iter()
        .map(|(origin, _)| origin.clone())
        .filter(|origin| origin != to.store.origin());
    LogFilter {
        origins: origins.collect(),
        tables: BTreeMap::from([(table, vector)]),
    }
}

/// Reads all records that pass the filter, in small pages.
pub async fn read_all(store: &dyn Store, filter: &LogFilter) -> Vec<Mutation> {
    let mut from = store
        .log_position(filter)
        .await
        .unwrap()
        .expect("the log contains the requested records");
    let mut mutations = Vec::new();
    loop {
        let page = store.read_log(from, filter, 100).await.unwrap();
        mutations.extend(page.mutations);
        if page.end.is_some() {
            return mutations;
        }
        assert!(page.next > from, "each page but the last advances");
        from = page.next;
    }
}

/// A numeric attribute value.
pub fn number(value: u64) -> AttributeValue {
    AttributeValue::N(Number::from(value))
}

/// A string attribute value.
pub fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// An item with the table's key and further attributes.
pub fn item(pk: &str, sk: u64, others: &[(&str, AttributeValue)]) -> Item {
    let mut item = Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), number(sk))]);
    item.extend(others.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    item
}

/// The stored key of an item.
pub fn key(pk: &str, sk: u64) -> KeyBytes {
    keys().key_of(&item(pk, sk, &[])).unwrap()
}

/// The change of a test's write.
pub enum Do {
    /// Puts the item unconditionally.
    Put(Item),
    /// Deletes the item unconditionally.
    Delete,
    /// Puts the item if the condition over the current item holds.
    If(fn(Option<&Item>) -> bool, Item),
    /// Puts the item that the function computes from the current one.
    Update(fn(Option<&Item>) -> Item),
}

/// Checks that the digests of every two regions are equal at the greatest vector that both have
/// applied. The regions have no rows that their vectors do not cover.
pub async fn assert_equal_as_of_common_vectors(sites: &[&Site], table: TableId) {
    for one in sites {
        for other in sites.iter().filter(|other| other.store.origin() > one.store.origin()) {
            let vector = other.store.vectors()[&table].clone();
            let here = one.store.digest_as_of(table, vector).await.unwrap();
            let there = other.store.digest_as_of(table, here.vector.clone()).await.unwrap();
            assert_eq!(
                (&here, here.unknown.len()),
                (&there, 0),
                "{} and {}",
                one.store.origin(),
                other.store.origin()
            );
        }
    }
}

/// The fingerprint of the row of an item that was written as a whole.
#[must_use]
pub fn fingerprint(version: Version, item: &Item) -> RowFingerprint {
    RowFingerprint {
        version,
        state: 0,
        content: content_hash(Some(&encode_item(item))),
    }
}

impl Change for Do {
    fn needs_current(&self) -> bool {
        !matches!(self, Self::Put(_))
    }

    fn only_deletes(&self) -> bool {
        matches!(self, Self::Delete)
    }

    fn decide(&mut self, current: Option<&Item>) -> Result<ItemEffect, Refusal> {
        match self {
            Self::Put(item) => Ok(ItemEffect::Put(Arc::new(item.clone()))),
            Self::Delete => Ok(ItemEffect::Delete),
            Self::If(condition, item) if condition(current) => Ok(ItemEffect::Put(Arc::new(item.clone()))),
            Self::If(..) => Err(Refusal::ConditionFailed),
            Self::Update(make) => Ok(ItemEffect::Put(Arc::new(make(current)))),
        }
    }
}

/// Puts an item, and counts how often it is decided.
pub struct Counted(pub Item, pub Arc<AtomicU32>);

impl Change for Counted {
    fn needs_current(&self) -> bool {
        false
    }

    fn decide(&mut self, _: Option<&Item>) -> Result<ItemEffect, Refusal> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(ItemEffect::Put(Arc::new(self.0.clone())))
    }
}

/// Puts an item, and returns how often it was decided.
pub async fn put_counted(store: &dyn Store, item: Item) -> u32 {
    let asked = Arc::new(AtomicU32::new(0));
    let mut put = write(keys().key_of(&item).unwrap(), Do::Delete);
    put.change = Box::new(Counted(item, asked.clone()));
    commit(store, vec![put]).await.unwrap();
    asked.load(Ordering::Relaxed)
}

/// A client's write to the table.
pub fn write(key: KeyBytes, what: Do) -> ItemWrite {
    ItemWrite {
        table: TABLE,
        replica_epoch: None,
        key,
        cause: Cause::Client,
        change: Box::new(what),
    }
}

/// Puts an item and returns its version.
pub async fn put(store: &dyn Store, item: Item) -> Version {
    let key = keys().key_of(&item).unwrap();
    let outcome = commit(store, vec![write(key, Do::Put(item))]).await.unwrap();
    outcome[0].version.clone().unwrap()
}

/// Deletes an item; `None` if there is none.
pub async fn delete(store: &dyn Store, key: KeyBytes) -> Option<Version> {
    commit(store, vec![write(key, Do::Delete)])
        .await
        .unwrap()
        .remove(0)
        .version
}

/// Commits several writes as one transaction.
pub async fn commit(store: &dyn Store, transaction: Vec<ItemWrite>) -> Result<Vec<WriteResult>, CommitError> {
    store.commit(transaction).await
}

/// A read of all rows of a table or of one of its indexes.
pub fn whole(table: TableId, index: Option<&str>) -> RangeRead {
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

/// Reads all rows of the table or of one of its indexes.
pub async fn scan(store: &dyn Store, index: Option<&str>) -> RangePage {
    store.range(whole(TABLE, index)).await.unwrap()
}

/// Asserts that rows, log, digests, indexes and size of a table agree, and returns its live items.
pub async fn assert_agrees(store: &dyn Store, table: TableId) -> BTreeMap<KeyBytes, (Version, Item)> {
    let page = store.range(whole(table, None)).await.unwrap();
    let catalog = store.catalog();
    for range in 0..beringia_item::RANGES {
        assert!(
            !store.verify_range(table, range).await.unwrap(),
            "range {range} of {table} had to be repaired"
        );
    }
    if let Some(described) = catalog.by_id.get(&table) {
        for row in &page.rows {
            let own = described.core.keys.key_of(&row.item);
            assert_eq!(own.as_ref(), Ok(&row.key), "the key of {:?}", row.item);
        }
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
                let keys_only = global == Some(&IndexProjection::KeysOnly);
                let weight = |row: &crate::Row| -> u64 {
                    let shown = |name: &str| {
                        !keys_only || core_keys().contains(&name) || keys.parts().any(|part| part.name == name)
                    };
                    let item: Item = row.item.clone().into_iter().filter(|(name, _)| shown(name)).collect();
                    beringia_item::item_size(&item) as u64
                };
                assert_eq!(size.items(), entries.len() as u64, "the entries of {name}");
                assert_eq!(
                    size.bytes(),
                    entries.iter().map(weight).sum::<u64>(),
                    "the projected bytes of {name}"
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

/// A filter for all writes of an origin to the test's table.
pub fn all_of(origin: &Origin) -> LogFilter {
    LogFilter {
        origins: vec![origin.clone()],
        tables: BTreeMap::from([(TABLE, VersionVector::default())]),
    }
}
