//! A fake store made of maps, which tests can put into states and failures that a real store
//! reaches only by chance.

use std::{
    collections::BTreeMap,
    ops::{Bound, RangeInclusive},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use beringia_clock::{HybridOffset, HybridTime};
use beringia_item::{Item, KeyBytes, Mutation, Origin, Region, TableId, Version, VersionVector, item_size};
use beringia_storage::{
    Applied, Aspect, AspectName, Backlog, Catalog, CommitError, Conflict, EXPIRY_INDEX, Edit, Explained, IndexState,
    ItemEffect, ItemWrite, LogFilter, LogPage, LogPosition, RangePage, RangeRead, RawRow, RemoteBatch, Replica,
    ReplicaStatus, Row, SchemaChange, SchemaError, SharedVectors, Store, StoreDamage, StoreError, StreamPage,
    StreamRead, Streams, Table, TableDigest, TableSize, Throughput, WriteResult, expiry_keys,
};
use tokio::sync::Notify;

/// The fake store. It implements only what the engine calls.
pub(crate) struct FakeStore {
    origin: Origin,
    state: Mutex<State>,
    notify: Notify,
}

#[derive(Default)]
struct State {
    tables: BTreeMap<TableId, Table>,
    items: BTreeMap<(TableId, KeyBytes), (Version, Item)>,
    sequence: u64,
    failure: Option<StoreError>,
    /// The number of commits that succeed before `failure` occurs.
    commits_left: usize,
}

impl FakeStore {
    pub(crate) fn new(region: &Region) -> Self {
        Self {
            origin: Origin::of_only_shard(region),
            state: Mutex::default(),
            notify: Notify::new(),
        }
    }

    /// Makes every call fail with `failure` after `commits_left` more commits.
    pub(crate) fn fail(&self, failure: StoreError, commits_left: usize) {
        let mut state = self.state.lock().unwrap();
        state.failure = Some(failure);
        state.commits_left = commits_left;
    }

    /// Changes a table without the engine's knowledge.
    pub(crate) fn alter(&self, name: &str, change: impl FnOnce(&mut Table)) {
        let mut state = self.state.lock().unwrap();
        change(state.tables.values_mut().find(|table| table.core.name == name).unwrap());
    }
}

impl State {
    fn catalog(&self) -> Catalog {
        self.tables.values().cloned().collect()
    }

    fn check(&self) -> Result<(), StoreError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn set(&mut self, id: TableId, aspect: Aspect, own: &Region) {
        if let Aspect::Core(core) = aspect {
            let table = Table {
                id,
                core,
                throughput: Throughput::OnDemand,
                billing: beringia_storage::Billing::default(),
                stream: None,
                time_to_live: None,
                latest_stream: None,
                global_indexes: BTreeMap::new(),
                encryption: None,
                conflict_policy: None,
                index_sizes: BTreeMap::new(),
                replicas: BTreeMap::new(),
                local: beringia_storage::LocalSettings::default(),
                held: true,
                replica_epoch: 1,
                bootstrapped: true,
                size: Arc::new(TableSize::default()),
            };
            self.tables.insert(id, table);
            return;
        }
        let table = self.tables.get_mut(&id).unwrap();
        match aspect {
            Aspect::Core(_) => unreachable!(),
            Aspect::Throughput(throughput) => table.throughput = throughput,
            Aspect::Billing(billing) => table.billing = billing,
            Aspect::Stream(stream) => {
                table.stream = stream;
                table.latest_stream = stream.or(table.latest_stream);
            }
            Aspect::TimeToLive(attribute) => table.time_to_live = attribute,
            Aspect::Encryption(key) => table.encryption = key,
            Aspect::GlobalIndex { name, index } => {
                table.global_indexes.insert(name, (index, IndexState::Active));
            }
            Aspect::ConflictPolicy(policy) => table.conflict_policy = policy,
            Aspect::Replica { region, replica } | Aspect::Dropped { region, replica } => {
                let active = Replica {
                    status: ReplicaStatus::Active,
                    since_ms: 0,
                };
                table.replicas.entry(own.clone()).or_insert(active);
                table.replicas.insert(region, replica);
            }
            Aspect::Local(local) => table.local = local,
        }
    }

    fn edit(&mut self, edit: Edit, own: &Region) {
        match edit {
            Edit::Set { table, aspect } => self.set(table, aspect, own),
            Edit::Remove { table, aspect } => {
                let table = self.tables.get_mut(&table).unwrap();
                match aspect {
                    AspectName::GlobalIndex(name) => drop(table.global_indexes.remove(&name)),
                    AspectName::Replica(region) => drop(table.replicas.remove(&region)),
                    other => panic!("the engine does not remove {other:?}"),
                }
            }
            Edit::Drop { table } => {
                self.tables.remove(&table);
                self.items.retain(|(of, _), _| *of != table);
            }
            Edit::Leave { .. } => panic!("only replication removes a replica that is being deleted"),
        }
    }

    /// Rows of a table or index in key order.
    fn rows(&self, read: &RangeRead) -> Result<Vec<Row>, StoreError> {
        let table = self
            .tables
            .get(&read.table)
            .ok_or(StoreError::UnknownTable(read.table))?;
        let expiry = table.time_to_live.as_deref().map(expiry_keys);
        let keys = match read.index.as_deref() {
            Some(EXPIRY_INDEX) => expiry.as_ref(),
            index => table.keys_of(index),
        };
        let keys = keys.unwrap();
        let mut rows: Vec<Row> = Vec::new();
        for ((of, base), (version, item)) in &self.items {
            let key = match read.index {
                None => Some(base.clone()),
                Some(_) => keys.index_key_of(item, base).ok(),
            };
            if let Some(key) = key.filter(|_| *of == read.table) {
                rows.push(Row {
                    key,
                    version: version.clone(),
                    item: item.clone(),
                });
            }
        }
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(rows)
    }
}

#[async_trait]
impl Store for FakeStore {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn catalog(&self) -> Arc<Catalog> {
        Arc::new(self.state.lock().unwrap().catalog())
    }

    fn catalog_changed(&self) -> &Notify {
        &self.notify
    }

    async fn commit(&self, transaction: Vec<ItemWrite>) -> Result<Vec<WriteResult>, CommitError> {
        let mut state = self.state.lock().unwrap();
        if state.commits_left == 0 {
            state.check()?;
        } else {
            state.commits_left -= 1;
        }
        let mut decided = Vec::new();
        let mut refusals = Vec::new();
        for mut write in transaction {
            let Some(table) = state.tables.get(&write.table) else {
                return Err(StoreError::UnknownTable(write.table).into());
            };
            let is_local = write.table == TableId::LOCAL;
            assert_eq!(write.replica_epoch, (!is_local).then_some(table.replica_epoch));
            let place = (write.table, write.key.clone());
            let current = state
                .items
                .get(&place)
                .map(|(_, item)| item.clone())
                .filter(|_| write.change.needs_current());
            match write.change.decide(current.as_ref()) {
                Ok(effect) => {
                    refusals.push(None);
                    decided.push((place, current, effect));
                }
                Err(refusal) => refusals.push(Some((refusal, current))),
            }
        }
        if refusals.iter().any(Option::is_some) {
            return Err(CommitError::Refused(refusals));
        }
        let mut outcomes = Vec::new();
        for (place, before, effect) in decided {
            state.sequence += 1;
            let version = Version {
                time: HybridTime::default(),
                origin: self.origin.clone(),
                sequence: state.sequence,
            };
            let effect = match effect {
                ItemEffect::Update { item, .. } => ItemEffect::Put(Arc::new(item)),
                effect => effect,
            };
            outcomes.push(match effect {
                ItemEffect::Put(item) => {
                    state.items.insert(place, (version.clone(), Item::clone(&item)));
                    WriteResult {
                        before,
                        after: Some(item),
                        version: Some(version),
                    }
                }
                ItemEffect::Delete => {
                    let gone = state.items.remove(&place);
                    WriteResult {
                        before,
                        after: None,
                        version: gone.map(|_| version),
                    }
                }
                ItemEffect::Keep | ItemEffect::Update { .. } => WriteResult {
                    before,
                    after: None,
                    version: None,
                },
            });
        }
        for (id, table) in &state.tables {
            let items = state
                .items
                .iter()
                .filter(|((of, _), _)| of == id)
                .map(|(_, (_, item))| item_size(item));
            table
                .size
                .set(items.clone().count() as u64, items.sum::<usize>() as u64);
        }
        Ok(outcomes)
    }

    async fn change_schema(&self, mut change: Box<dyn SchemaChange>) -> Result<Arc<Catalog>, SchemaError> {
        let mut state = self.state.lock().unwrap();
        state.check()?;
        for edit in change.decide(&state.catalog()).map_err(SchemaError::Refused)? {
            state.edit(edit, self.region());
        }
        change.committed();
        Ok(Arc::new(state.catalog()))
    }

    async fn get(&self, table: TableId, key: &KeyBytes) -> Result<Option<(Version, Item)>, StoreError> {
        let state = self.state.lock().unwrap();
        state.check()?;
        Ok(state.items.get(&(table, key.clone())).cloned())
    }

    async fn get_many(&self, keys: Vec<(TableId, KeyBytes)>) -> Result<Vec<Option<(Version, Item)>>, StoreError> {
        let state = self.state.lock().unwrap();
        state.check()?;
        Ok(keys.iter().map(|place| state.items.get(place).cloned()).collect())
    }

    async fn range(&self, read: RangeRead) -> Result<RangePage, StoreError> {
        let state = self.state.lock().unwrap();
        state.check()?;
        let mut rows = state.rows(&read)?;
        rows.retain(|row| {
            let key = row.key.0.as_ref();
            let after = match &read.from {
                Bound::Included(from) => key >= from.as_slice(),
                Bound::Excluded(from) => key > from.as_slice(),
                Bound::Unbounded => true,
            };
            let before = match &read.to {
                Bound::Included(to) => key <= to.as_slice(),
                Bound::Excluded(to) => key < to.as_slice(),
                Bound::Unbounded => true,
            };
            after && before
        });
        if read.reverse {
            rows.reverse();
        }
        let mut page = RangePage::default();
        let mut bytes = 0;
        for row in rows {
            bytes += item_size(&row.item);
            page.rows.push(row);
            if page.rows.len() >= read.max_rows || bytes >= read.max_bytes {
                page.limited = true;
                break;
            }
        }
        Ok(page)
    }

    async fn streams(&self) -> Result<Streams, StoreError> {
        self.state.lock().unwrap().check()?;
        Ok(Streams::default())
    }

    async fn close(&self) {}

    // The engine does not call the methods below.

    async fn apply(&self, _: RemoteBatch) -> Result<Applied, StoreError> {
        Err(StoreError::Closed)
    }
    fn log_appended(&self) -> &Notify {
        &self.notify
    }
    async fn log_position(&self, _: &LogFilter) -> Result<Result<LogPosition, Vec<(TableId, Origin)>>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn read_log(&self, _: LogPosition, _: &LogFilter, _: usize) -> Result<LogPage, StoreError> {
        Err(StoreError::Closed)
    }
    async fn read_stream(&self, _: StreamRead) -> Result<StreamPage, StoreError> {
        Err(StoreError::Closed)
    }
    async fn backlog(&self, _: &BTreeMap<TableId, VersionVector>) -> Result<Backlog, StoreError> {
        Err(StoreError::Closed)
    }
    fn vectors(&self) -> SharedVectors {
        SharedVectors::new()
    }

    fn hybrid_offset(&self) -> HybridOffset {
        HybridOffset::default()
    }
    async fn digest_as_of(&self, _: TableId, _: VersionVector) -> Result<TableDigest, StoreError> {
        Err(StoreError::Closed)
    }
    fn damage(&self) -> StoreDamage {
        StoreDamage::default()
    }
    async fn digest(&self, _: TableId) -> Result<TableDigest, StoreError> {
        Err(StoreError::Closed)
    }
    async fn verify_range(&self, _: TableId, _: u16) -> Result<bool, StoreError> {
        Err(StoreError::Closed)
    }
    async fn raw_rows(
        &self,
        _: TableId,
        _: RangeInclusive<u16>,
        _: Option<KeyBytes>,
        _: usize,
    ) -> Result<Vec<RawRow>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn mutations_of(&self, _: TableId, _: Vec<KeyBytes>) -> Result<Vec<Mutation>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn conflicts(&self, _: Option<TableId>, _: u64, _: usize) -> Result<Vec<Conflict>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn explain(&self, _: TableId, _: &KeyBytes) -> Result<Option<Explained>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn unshipped(&self, _: u64, _: usize) -> Result<Vec<beringia_storage::Unshipped>, StoreError> {
        Err(StoreError::Closed)
    }

    fn is_saving_unshipped(&self) -> bool {
        false
    }

    async fn collect_garbage(&self, _: &beringia_storage::Acknowledged) -> Result<bool, StoreError> {
        Err(StoreError::Closed)
    }

    async fn note_unreachable(&self, _: BTreeMap<Region, u64>) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    async fn unreachable(&self) -> Result<BTreeMap<Region, u64>, StoreError> {
        Err(StoreError::Closed)
    }

    fn own_sequences(&self) -> beringia_storage::OwnSequences {
        beringia_storage::OwnSequences::default()
    }

    async fn begin_epoch(&self, _: u64) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
}
