//! A store in memory that follows the contract of the real one as literally as possible.

use std::collections::{BTreeMap, BTreeSet};

use beringia_clock::HybridTime;
use beringia_item::{
    Cause, ConflictPolicy, KeyBytes, Mutation, Origin, RANGES, Region, TableId, Transaction, Version, VersionVector,
    range_of,
};
use beringia_replication::{
    StoreAnswer, StoreCall, TableView,
    message::{KeyPage, RowPage, TableVectors},
};
use beringia_storage_types::{
    Acknowledged, LogFilter, LogPage, LogPosition, OwnSequences, RangeDigest, RemoteBatch, RemoteKind, ReplicaStatus,
    StoreError, TableDigest,
};
use bytes::Bytes;

use super::policy::{Work, fingerprint_of, reconcile, written};

/// How far ahead another region's clock may be, milliseconds.
pub const MAX_OFFSET_MS: u64 = 500;

/// A table's rows, vector and journal.
#[derive(Debug, Default, Clone)]
pub struct Table {
    pub rows: BTreeMap<KeyBytes, Mutation>,
    pub vector: VersionVector,
    low_watermark: VersionVector,
    pub bootstrapped: bool,
    /// Versions that a copy in place brought to an active replica and the vector does not cover
    /// yet.
    pub copied_in_place: BTreeSet<Version>,
    /// This region's replica epoch of the table.
    replica_epoch: u32,
    /// Winner and loser of every conflict seen.
    pub journal: BTreeSet<(Version, Version)>,
}

/// The replicas of a table, and what the others had of it when they dropped one.
type Definition = (BTreeMap<Region, ReplicaStatus>, BTreeMap<Region, VersionVector>);

/// A region's store, with its log and its catalog.
#[derive(Debug, Clone)]
pub struct Store {
    pub region: Region,
    next_sequence: u64,
    /// The store epoch, and the skipped sequences.
    own: OwnSequences,
    last_time: u64,
    pub tables: BTreeMap<TableId, Table>,
    /// The record at position `n`, which counts from 1, has index `n - 1`; trimmed records are
    /// `None`.
    log: Vec<Option<Mutation>>,
    pub log_grew: bool,
    pub catalog_changed: bool,
    /// Tables that were re-bootstrapped because the others had dropped them, and what the others
    /// had.
    pub rebootstrapped: Vec<(TableId, VersionVector)>,
    /// Writes that were current here at that time and that the others may not have.
    pub unshipped: Vec<Mutation>,
}

impl Store {
    pub fn new(region: Region, wall_ms: u64) -> Self {
        let catalog = Table {
            bootstrapped: true,
            ..Table::default()
        };
        Self {
            region,
            next_sequence: (wall_ms << 20) + 1,
            own: OwnSequences::new(wall_ms << 20),
            last_time: 0,
            tables: BTreeMap::from([(TableId::CATALOG, catalog)]),
            log: Vec::new(),
            log_grew: false,
            catalog_changed: true,
            rebootstrapped: Vec::new(),
            unshipped: Vec::new(),
        }
    }

    /// Continues the sequence at the wall clock, as a database that is opened does.
    pub fn start(&mut self, wall_ms: u64) {
        let (last, first) = (self.next_sequence - 1, wall_ms << 20);
        if first > last {
            self.own.skip(last, first);
            self.next_sequence = first + 1;
        }
        self.own.opened = self.next_sequence - 1;
    }

    /// What the database knows about its own sequences.
    pub fn own_sequences(&self) -> OwnSequences {
        let own = self.origin();
        let tables = self.tables.iter();
        OwnSequences {
            copied: tables.map(|(id, table)| (*id, table.low_watermark.get(&own))).collect(),
            ..self.own.clone()
        }
    }

    fn begin_epoch(&mut self, known: u64) {
        let last = self.next_sequence - 1;
        assert!(known > last || self.own.has_skipped(known), "{known} was written here");
        if known > self.own.epoch_start {
            self.own.epoch += 1;
            self.next_sequence = last.max(known) + 1;
            self.own.epoch_start = self.next_sequence - 1;
        }
    }

    fn origin(&self) -> Origin {
        Origin::of_only_shard(&self.region)
    }

    /// The catalog's record of all replicas: their status, and which were dropped.
    fn definitions(&self) -> BTreeMap<TableId, Definition> {
        let mut all: BTreeMap<TableId, Definition> = BTreeMap::new();
        for row in self.tables[&TableId::CATALOG].rows.values() {
            let Some(image) = &row.image else { continue };
            let (kind, table, region) = parse_aspect(&row.key);
            let (replicas, dropped) = all.entry(table).or_default();
            match (kind, region) {
                (REPLICA, Some(region)) => drop(replicas.insert(region, parse_state(image))),
                (DROPPED, Some(region)) => drop(dropped.insert(region, parse_vector(image))),
                _ => {}
            }
        }
        for (replicas, dropped) in all.values_mut() {
            dropped.retain(|region, _| replicas.contains_key(region));
            replicas.retain(|region, _| !dropped.contains_key(region));
        }
        all
    }

    /// The replicas of every table that has one here.
    pub fn view(&self) -> BTreeMap<TableId, TableView> {
        let mut all = self.definitions();
        all.retain(|_, (replicas, _)| replicas.contains_key(&self.region));
        let bootstrapped = |table: &TableId| self.tables.get(table).is_some_and(|table| table.bootstrapped);
        all.into_iter()
            .map(|(table, (replicas, dropped))| {
                (
                    table,
                    TableView {
                        replicas,
                        bootstrapped: bootstrapped(&table),
                        replica_epoch: self.tables.get(&table).map_or(0, |table| table.replica_epoch),
                        dropped: dropped.into_keys().collect(),
                        removed: BTreeSet::new(),
                    },
                )
            })
            .collect()
    }

    /// Whether clients may write to the table here.
    pub fn is_active(&self, table: TableId) -> bool {
        self.view()
            .get(&table)
            .is_some_and(|view| view.bootstrapped && view.replicas.get(&self.region) == Some(&ReplicaStatus::Active))
    }

    /// The conflict policy of the table in this region's catalog.
    pub fn policy(&self, table: TableId) -> ConflictPolicy {
        let row = self.tables[&TableId::CATALOG]
            .rows
            .get(&aspect_key(POLICY, table, None));
        let image = row.and_then(|row| row.image.as_ref());
        image.map_or(ConflictPolicy::Item, |image| {
            std::str::from_utf8(image).unwrap().parse().unwrap()
        })
    }

    /// Sets the conflict policy, as a client's request does.
    pub fn set_policy(&mut self, table: TableId, policy: ConflictPolicy, wall_ms: u64) {
        let image = Bytes::from_static(policy.as_str().as_bytes());
        self.put_aspect(aspect_key(POLICY, table, None), Some(image), wall_ms);
    }

    fn put_aspect(&mut self, key: KeyBytes, image: Option<Bytes>, wall_ms: u64) {
        self.write(TableId::CATALOG, &[key], &Work::Whole(image), wall_ms);
    }

    /// A client's transaction: the same work on each of some keys of one table.
    pub fn write(&mut self, table: TableId, keys: &[KeyBytes], work: &Work, wall_ms: u64) -> Vec<Mutation> {
        let (own, policy) = (self.origin(), self.policy(table));
        let first = self.next_sequence;
        let last = first + keys.len() as u64 - 1;
        let mut transaction = Vec::new();
        for key in keys {
            self.last_time = (wall_ms << 16).max(self.last_time + 1);
            let version = Version {
                time: HybridTime::from_u64(self.last_time),
                origin: own.clone(),
                sequence: self.next_sequence,
            };
            self.next_sequence += 1;
            let before = self.tables[&table].rows.get(key);
            let mut known = self.tables[&table].vector.clone();
            if let Some(row) = before {
                known.merge(&row.causal_context);
                known.advance(&row.version.origin, row.version.sequence);
            }
            let vector = known.iter().filter(|(origin, _)| **origin != own);
            let vector = vector.map(|(origin, sequence)| (origin.clone(), sequence)).collect();
            let (image, metadata) = written(policy, before, &version, self.own.opened, work);
            transaction.push(Mutation {
                table,
                key: key.clone(),
                version,
                causal_context: vector,
                image,
                metadata,
                cause: Cause::Client,
                transaction: Transaction { first, last },
            });
        }
        for mutation in &transaction {
            let table = self.tables.get_mut(&table).unwrap();
            table.rows.insert(mutation.key.clone(), mutation.clone());
            table.vector.advance(&own, mutation.version.sequence);
            self.log.push(Some(mutation.clone()));
        }
        self.log_grew = true;
        self.catalog_changed |= table == TableId::CATALOG;
        transaction
    }

    /// Sets the status of a replica, as a client's request or the region itself does.
    pub fn set_replica(&mut self, table: TableId, region: &Region, status: &ReplicaStatus, wall_ms: u64) {
        let key = aspect_key(REPLICA, table, Some(region));
        self.put_aspect(key, Some(state_image(status)), wall_ms);
        if *region == self.region && self.view().len() > self.tables.len() - 1 {
            self.tables.entry(table).or_default();
        }
    }

    /// Creates a table here, complete and empty.
    pub fn create(&mut self, table: TableId, wall_ms: u64) {
        self.tables.insert(
            table,
            Table {
                bootstrapped: true,
                ..Table::default()
            },
        );
        let me = self.region.clone();
        self.set_replica(table, &me, &ReplicaStatus::Active, wall_ms);
    }

    pub fn vectors(&self) -> TableVectors {
        self.tables
            .iter()
            .map(|(id, table)| (*id, table.vector.clone()))
            .collect()
    }

    pub fn call(&mut self, call: StoreCall, wall_ms: u64) -> Result<StoreAnswer, StoreError> {
        match call {
            StoreCall::Apply(apply) => self.apply(&apply, wall_ms),
            StoreCall::Position(filter) => Ok(StoreAnswer::Position(self.position(&filter))),
            StoreCall::Read {
                from,
                filter,
                max_bytes,
            } => Ok(self.read(from, &filter, max_bytes)),
            StoreCall::Digest { table, as_of } => self
                .table(table)
                .map(|table| StoreAnswer::Digest(digest(table, as_of.as_ref()))),
            StoreCall::Keys {
                table,
                span,
                after,
                max,
            } => {
                let rows: Vec<_> = self
                    .table(table)?
                    .rows
                    .iter()
                    .filter(|(key, _)| span.contains(key) && after.as_ref().is_none_or(|after| *key > after))
                    .map(|(key, row)| (key.clone(), fingerprint_of(row)))
                    .take(max)
                    .collect();
                Ok(StoreAnswer::Keys(KeyPage {
                    last: rows.len() < max,
                    rows,
                }))
            }
            StoreCall::Rows { table, keys, .. } => {
                // Returns fewer rows than requested, so that this case is tested too.
                let answered = keys.len().min(2);
                let rows = &self.table(table)?.rows;
                let mutations = keys[..answered]
                    .iter()
                    .filter_map(|key| rows.get(key).cloned())
                    .collect();
                Ok(StoreAnswer::Rows(RowPage { mutations, answered }))
            }
            StoreCall::SetReplica { table, status } => {
                let me = self.region.clone();
                if self
                    .view()
                    .get(&table)
                    .is_some_and(|view| view.replicas.get(&me) != Some(&status))
                {
                    self.set_replica(table, &me, &status, wall_ms);
                }
                Ok(StoreAnswer::Done)
            }
            StoreCall::BeginEpoch(known) => {
                self.begin_epoch(known);
                Ok(StoreAnswer::Done)
            }
            StoreCall::Drop { table, region, has, .. } => {
                if self
                    .view()
                    .get(&table)
                    .is_some_and(|view| view.replicas.contains_key(&region))
                {
                    let key = aspect_key(DROPPED, table, Some(&region));
                    self.put_aspect(key, Some(vector_image(&has)), wall_ms);
                }
                Ok(StoreAnswer::Done)
            }
            StoreCall::Leave { table, .. } => {
                Err(StoreError::Database(format!("the model has no call to leave {table}")))
            }
        }
    }

    fn table(&self, table: TableId) -> Result<&Table, StoreError> {
        self.tables.get(&table).ok_or(StoreError::UnknownTable(table))
    }

    fn apply(&mut self, apply: &RemoteBatch, wall_ms: u64) -> Result<StoreAnswer, StoreError> {
        let definitions = self.definitions();
        let is_dropped = |table: &TableId| {
            let from = apply.from.as_ref();
            from.is_some_and(|from| {
                definitions
                    .get(table)
                    .is_some_and(|(_, dropped)| dropped.contains_key(from))
            })
        };
        let mut apply = apply.clone();
        apply.mutations.retain(|mutation| !is_dropped(&mutation.table));
        apply.progress.retain(|(table, _, _)| !is_dropped(table));
        apply.obsolete.retain(|(table, _, _)| !is_dropped(table));
        for mutation in &apply.mutations {
            let time = mutation.version.time.millis();
            if time > wall_ms + MAX_OFFSET_MS {
                let origin = mutation.origin().clone();
                return Err(StoreError::Quarantined {
                    origin,
                    ahead_ms: time - wall_ms,
                    limit_ms: MAX_OFFSET_MS,
                });
            }
        }
        let mut touched: BTreeSet<TableId> = apply.mutations.iter().map(|mutation| mutation.table).collect();
        touched.extend(apply.progress.iter().map(|(table, _, _)| *table));
        touched.insert(TableId::CATALOG);
        if apply.kind == RemoteKind::Copy {
            for mutation in &apply.mutations {
                let is_active = self.is_active(mutation.table);
                if let Some(table) = self.tables.get_mut(&mutation.table).filter(|_| is_active) {
                    table.copied_in_place.insert(mutation.version.clone());
                }
            }
        }
        let newer = apply
            .mutations
            .iter()
            .filter(|mutation| self.merge(mutation, apply.kind))
            .count();
        for (id, origin, sequence) in &apply.progress {
            let Some(table) = self.tables.get_mut(id) else { continue };
            let is_former = apply
                .replica_epoch
                .is_some_and(|replica_epoch| replica_epoch != table.replica_epoch);
            if is_former || (!table.bootstrapped && apply.kind != RemoteKind::Copy) {
                continue;
            }
            table.vector.advance(origin, *sequence);
            if apply.kind == RemoteKind::Copy {
                table.low_watermark.advance(origin, *sequence);
                self.catalog_changed |= !table.bootstrapped;
                table.bootstrapped = true;
            }
        }
        for (id, key, fingerprint) in &apply.obsolete {
            assert_eq!(apply.kind, RemoteKind::Copy);
            let Some(table) = self.tables.get_mut(id) else { continue };
            if table
                .rows
                .get(key)
                .is_some_and(|row| fingerprint_of(row) == *fingerprint)
            {
                table.rows.remove(key);
            }
        }
        self.rebootstrap(wall_ms);
        self.hold_new_tables();
        let vectors = self
            .vectors()
            .into_iter()
            .filter(|(table, _)| touched.contains(table))
            .collect();
        Ok(StoreAnswer::Applied { vectors, newer })
    }

    /// Applies one mutation. Returns whether it became the current version.
    fn merge(&mut self, mutation: &Mutation, kind: RemoteKind) -> bool {
        let Some(table) = self.tables.get_mut(&mutation.table) else {
            return false;
        };
        let version = &mutation.version;
        let is_covered = table.vector.covers(version);
        match kind {
            RemoteKind::Stream if is_covered || !table.bootstrapped => return false,
            RemoteKind::Repair if !is_covered => return false,
            _ => {}
        }
        self.last_time = self.last_time.max(version.time.as_u64());
        if kind == RemoteKind::Stream {
            table.vector.advance(&version.origin, version.sequence);
            self.log.push(Some(mutation.clone()));
            self.log_grew = true;
        }
        let current = table.rows.get(&mutation.key);
        let is_more = |row: &Mutation| row.metadata.is_some() || mutation.metadata.is_some();
        let mut left = mutation.clone();
        if let Some(current) = current.filter(|current| is_more(current)) {
            let Some(union) = reconcile(current, mutation, &mut table.journal) else {
                return false;
            };
            left = union;
        } else if let Some(current) = current {
            if current.version == *version {
                return false;
            }
            if !mutation.depends_on(&current.version) && !current.depends_on(version) {
                let (winner, loser) = if *version > current.version {
                    (version, &current.version)
                } else {
                    (&current.version, version)
                };
                table.journal.insert((winner.clone(), loser.clone()));
            }
            if current.version > *version {
                return false;
            }
        }
        table.rows.insert(mutation.key.clone(), left);
        self.catalog_changed |= mutation.table == TableId::CATALOG;
        true
    }

    /// Handles drops of this region's replicas by the others: each is bootstrapped again from an
    /// active replica. If none is left, the first of them by name continues with what it has.
    fn rebootstrap(&mut self, wall_ms: u64) {
        for (id, (replicas, dropped)) in self.definitions() {
            let Some(has) = dropped.get(&self.region) else {
                continue;
            };
            let me = self.region.clone();
            let is_filled = |state: &ReplicaStatus| matches!(state, ReplicaStatus::Creating { .. });
            let active = replicas.iter().find(|(_, state)| **state == ReplicaStatus::Active);
            let state = match active {
                Some((from, _)) => ReplicaStatus::Creating { from: from.clone() },
                None if replicas.values().all(is_filled) && dropped.keys().next() == Some(&me) => ReplicaStatus::Active,
                None => continue,
            };
            self.put_aspect(aspect_key(DROPPED, id, Some(&me)), None, wall_ms);
            if let Some(table) = self.tables.get_mut(&id).filter(|_| state != ReplicaStatus::Active) {
                let former = std::mem::take(table);
                table.journal = former.journal;
                table.replica_epoch = former.replica_epoch + 1;
                // Active replicas have their own writes.
                let mut has = has.clone();
                for (other, _) in replicas.iter().filter(|(_, state)| **state == ReplicaStatus::Active) {
                    has.advance(&Origin::of_only_shard(other), u64::MAX);
                }
                let rows = former.rows.into_values();
                self.unshipped.extend(rows.filter(|row| !has.covers(&row.version)));
                for record in &mut self.log {
                    if record.as_ref().is_some_and(|record| record.table == id) {
                        *record = None;
                    }
                }
                self.rebootstrapped.push((id, has.clone()));
            }
            self.set_replica(id, &me, &state, wall_ms);
        }
    }

    fn hold_new_tables(&mut self) {
        for table in self.view().keys() {
            self.tables.entry(*table).or_default();
        }
    }

    fn position(&self, filter: &LogFilter) -> Result<LogPosition, Vec<(TableId, Origin)>> {
        let mut missing = Vec::new();
        for (id, vector) in &filter.tables {
            for origin in &filter.origins {
                let is_held = self
                    .tables
                    .get(id)
                    .is_some_and(|table| vector.get(origin) >= table.low_watermark.get(origin));
                if !is_held {
                    missing.push((*id, origin.clone()));
                }
            }
        }
        if missing.is_empty() {
            Ok(LogPosition(1))
        } else {
            Err(missing)
        }
    }

    fn read(&self, LogPosition(from): LogPosition, filter: &LogFilter, max_bytes: usize) -> StoreAnswer {
        let mut mutations: Vec<Mutation> = Vec::new();
        let mut next = from;
        let mut bytes = 0;
        while let Some(record) = self.log.get(usize::try_from(next).unwrap() - 1) {
            let transaction = record
                .as_ref()
                .map(|record| (record.origin().clone(), record.transaction.first));
            let previous = mutations
                .last()
                .map(|record| (record.origin().clone(), record.transaction.first));
            if bytes >= max_bytes && transaction != previous {
                break;
            }
            next += 1;
            let Some(record) = record else { continue };
            let above = filter
                .tables
                .get(&record.table)
                .is_some_and(|vector| !vector.covers(&record.version));
            if above && filter.origins.contains(record.origin()) {
                bytes += 1 + record.image.as_ref().map_or(0, Bytes::len);
                mutations.push(record.clone());
            }
        }
        let at_end = usize::try_from(next).unwrap() > self.log.len();
        let vectors = || self.vectors().into_iter().collect();
        StoreAnswer::Log(LogPage {
            mutations,
            next: LogPosition(next),
            end: at_end.then(vectors),
        })
    }

    /// Trims the log as the contract says: records that all listed peers acknowledged.
    pub fn collect_garbage(&mut self, acknowledged: &Acknowledged) {
        let mut cut: BTreeMap<TableId, VersionVector> = BTreeMap::new();
        for (id, peers) in &acknowledged.vectors {
            let Some(table) = self.tables.get_mut(id) else { continue };
            let lowest = |origin: &Origin| {
                peers
                    .values()
                    .map(|vector| vector.get(origin))
                    .min()
                    .unwrap_or(u64::MAX)
            };
            let knows = peers
                .iter()
                .flat_map(|(peer, vector)| vector.of_region(peer))
                .all(|(origin, sequence)| table.vector.get(origin) >= sequence);
            let agreed = acknowledged.agreed.get(id);
            let agrees = |version: &Version| {
                peers.keys().all(|peer| {
                    let agreed = agreed.and_then(|agreed| agreed.get(peer));
                    agreed.is_some_and(|vector| vector.covers(version))
                })
            };
            if knows && !acknowledged.keeps_tombstones.contains(id) {
                table.rows.retain(|_, row| {
                    row.image.is_some()
                        || row.version.sequence > lowest(&row.version.origin)
                        || !agrees(&row.version)
                        || !table.vector.covers(&row.version)
                });
            }
            let mut below = VersionVector::default();
            for (origin, sequence) in table.vector.iter() {
                below.advance(origin, sequence.min(lowest(origin)));
            }
            table.low_watermark.merge(&below);
            cut.insert(*id, below);
        }
        for record in &mut self.log {
            let is_cut = |mutation: &Mutation| {
                cut.get(&mutation.table)
                    .is_some_and(|below| below.get(mutation.origin()) >= mutation.transaction.last)
            };
            if record.as_ref().is_some_and(is_cut) {
                *record = None;
            }
        }
    }
}

/// The digests of a table. As of a lesser vector than its own they are not known.
fn digest(table: &Table, as_of: Option<&VersionVector>) -> TableDigest {
    let mut ranges = vec![RangeDigest::default(); usize::from(RANGES)];
    for (key, row) in table.rows.iter().filter(|(_, row)| row.image.is_some()) {
        let mut hash = 0xcbf2_9ce4_8422_2325_u128;
        let version = format!("{key:?}{:?}", fingerprint_of(row));
        for byte in version.bytes() {
            hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
        let range = &mut ranges[usize::from(range_of(key))];
        range.sum = range.sum.wrapping_add(hash);
        range.items += 1;
    }
    let vector = as_of.map_or_else(|| table.vector.clone(), |as_of| table.vector.meet(as_of));
    let unknown = if vector == table.vector { 0..0 } else { 0..RANGES };
    TableDigest {
        vector,
        ranges,
        unknown: unknown.collect(),
    }
}

/// The kinds of a table's aspects. Their images are the status of a replica, what the others had of
/// a dropped one, and the table's conflict policy.
const REPLICA: u8 = 0;
const DROPPED: u8 = 1;
const POLICY: u8 = 2;

fn aspect_key(kind: u8, table: TableId, region: Option<&Region>) -> KeyBytes {
    let mut key = vec![0, kind];
    key.extend(table.0.to_be_bytes());
    key.extend(region.into_iter().flat_map(|region| region.as_str().bytes()));
    KeyBytes(key.into())
}

fn parse_aspect(key: &KeyBytes) -> (u8, TableId, Option<Region>) {
    let table = u128::from_be_bytes(key.0[2..18].try_into().unwrap());
    let region = std::str::from_utf8(&key.0[18..]).unwrap();
    (key.0[1], TableId(table), Region::new(region).ok())
}

fn vector_image(vector: &VersionVector) -> Bytes {
    let parts: Vec<String> = vector
        .iter()
        .map(|(origin, sequence)| format!("{origin} {sequence}"))
        .collect();
    Bytes::from(parts.join(","))
}

fn parse_vector(image: &Bytes) -> VersionVector {
    let parts = std::str::from_utf8(image).unwrap().split_terminator(',');
    let entry = |part: &str| {
        let (origin, sequence) = part.split_once(' ').unwrap();
        (origin.parse().unwrap(), sequence.parse().unwrap())
    };
    parts.map(entry).collect()
}

fn state_image(state: &ReplicaStatus) -> Bytes {
    match state {
        ReplicaStatus::Active => Bytes::from_static(b"active"),
        ReplicaStatus::Deleting => Bytes::from_static(b"leaving"),
        ReplicaStatus::Creating { from } => Bytes::from(format!("creating {from}")),
        other => panic!("the model has no replica status {other:?}"),
    }
}

fn parse_state(image: &Bytes) -> ReplicaStatus {
    match std::str::from_utf8(image).unwrap() {
        "active" => ReplicaStatus::Active,
        "leaving" => ReplicaStatus::Deleting,
        creating => {
            let from = Region::new(creating.strip_prefix("creating ").unwrap()).unwrap();
            ReplicaStatus::Creating { from }
        }
    }
}
