//! Evidence: the items, logs and replicas of regions in the oracle's terms, read from their stores
//! and by their clients.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use async_trait::async_trait;
use beringia_history::{
    ConflictEntry, Evidence, FinalReplicas, Journal, Logged, ReplicaHistory, UnshippedWrite, VersionedItem, key_text,
};
use beringia_item::{Cause, Item, KeyBytes, KeySchema, Mutation, Origin, Region, TableId, Version, decode_item};
use beringia_node::TableEvidence;
use beringia_storage::{Store, StoreError, TableDigest};
use beringia_workload::{HeldItems, HeldRows, read_back, replica_statuses};
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::{Cluster, SimulationError};

/// How long replicas may take to become ACTIVE at the end, in virtual time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads one table of one region.
pub(crate) struct Reader<'a> {
    region: &'a str,
    store: &'a dyn Store,
    table: TableId,
    keys: KeySchema,
    /// The attribute that says when items expire.
    expires: Option<String>,
}

/// Gathers the evidence from all regions that hold the table, which must be running. `expected` are
/// the regions that must hold it.
pub(crate) async fn gather(
    cluster: &Cluster,
    table: &str,
    replicas: &ReplicaHistory,
    expected: &BTreeSet<String>,
) -> Result<Evidence, SimulationError> {
    let mut evidence = Evidence::default();
    let digests = cluster.digests(table).await?;
    let holders: Vec<String> = digests.keys().cloned().collect();
    let logs = read_logs(cluster, table).await?;
    let originals = gather_logs(cluster, &logs, table, replicas, &holders, &mut evidence)?;
    for region in cluster.names() {
        let store = cluster.store(&region)?;
        let Some(reader) = Reader::new(&region, &*store, table) else {
            continue;
        };
        if holders.contains(&region) {
            reader.compare_copies(&logs, &originals, &mut evidence)?;
            let held = reader.held(&originals, &evidence).await?;
            evidence.held.insert(region.clone(), held);
            let is_complete = replicas.has_complete_journal(&region, table);
            let journal = Journal {
                entries: reader.journal(is_complete).await?,
                is_complete,
            };
            evidence.journals.insert(region.clone(), journal);
        }
        let unshipped = reader.unshipped().await?;
        if !unshipped.is_empty() || replicas.rebootstrapped.contains(&(region.clone(), table.to_owned())) {
            evidence.unshipped.insert(region.clone(), unshipped);
        }
    }
    let names = cluster.names().into_iter();
    evidence.bootstrapped = names.filter(|name| replicas.may_be_bootstrapped(name, table)).collect();
    let rows = Rows { cluster, table };
    evidence.misreads = read_back(cluster.clients(), table, &holders, &rows).await?;
    evidence.replicas = FinalReplicas {
        expected: expected.clone(),
        shown: replica_statuses(cluster.clients(), table, expected, PATIENCE).await,
        digests: digests
            .iter()
            .map(|(region, digest)| (region.clone(), in_words(digest)))
            .collect(),
    };
    Ok(evidence)
}

/// The records of a table's log: by region with a copy of the log, then by origin.
type Logs = BTreeMap<String, BTreeMap<Origin, Vec<Mutation>>>;

/// Reads the table's log in every region, once.
async fn read_logs(cluster: &Cluster, table: &str) -> Result<Logs, SimulationError> {
    let mut origins = Vec::new();
    for name in cluster.names() {
        origins.push(Origin::of_only_shard(&Region::new(&name)?));
    }
    let mut logs = Logs::new();
    for region in cluster.names() {
        let store = cluster.store(&region)?;
        let Some(reader) = Reader::new(&region, &*store, table) else {
            continue;
        };
        let mut by_origin: BTreeMap<Origin, Vec<Mutation>> = BTreeMap::new();
        for mutation in reader.mutations(origins.clone()).await? {
            match by_origin.get_mut(mutation.origin()) {
                Some(records) => records.push(mutation),
                None => drop(by_origin.insert(mutation.origin().clone(), vec![mutation])),
            }
        }
        logs.insert(region, by_origin);
    }
    Ok(logs)
}

/// Adds the logs of all origins to the evidence, and returns the records of those whose own log has
/// all of their writes.
fn gather_logs<'a>(
    cluster: &Cluster,
    logs: &'a Logs,
    table: &str,
    replicas: &ReplicaHistory,
    holders: &[String],
    evidence: &mut Evidence,
) -> Result<Originals<'a>, SimulationError> {
    let mut originals = Originals::default();
    for name in cluster.names() {
        let origin = Origin::of_only_shard(&Region::new(&name)?);
        let is_whole = replicas.has_whole_log(&name, table);
        // If a region was empty at some time, other regions have more of its log than it has
        // itself.
        let sources = if is_whole { std::slice::from_ref(&name) } else { holders };
        for region in sources {
            let Some(records) = logs.get(region).and_then(|by_origin| by_origin.get(&origin)) else {
                continue;
            };
            let store = cluster.store(region)?;
            let Some(reader) = Reader::new(region, &*store, table) else {
                continue;
            };
            for mutation in records {
                evidence.log(reader.key_text(&mutation.key)?, reader.logged(mutation)?);
            }
            if is_whole {
                originals.add(origin.clone(), records);
            }
        }
    }
    evidence.sort_logs();
    Ok(originals)
}

/// The log records of origins whose own log has all of their writes, as they are encoded there. A
/// copy that is equal to one need not be decoded again.
#[derive(Default)]
struct Originals<'a>(BTreeMap<Origin, &'a [Mutation]>);

impl<'a> Originals<'a> {
    /// Adds the records of an origin, which are in the order of their sequences.
    fn add(&mut self, origin: Origin, records: &'a [Mutation]) {
        self.0.insert(origin, records);
    }

    /// The record of the write with this version.
    fn get(&self, version: &Version) -> Option<&'a Mutation> {
        let records = self.0.get(&version.origin)?;
        let found = records.binary_search_by_key(&version.sequence, |record| record.version.sequence);
        found.ok().and_then(|index| records.get(index))
    }
}

/// The rows of a table in the regions' stores.
struct Rows<'a> {
    cluster: &'a Cluster,
    table: &'a str,
}

#[async_trait]
impl HeldRows for Rows<'_> {
    type Error = SimulationError;

    async fn digest(&self, region: &str) -> Result<String, SimulationError> {
        let store = self.cluster.store(region)?;
        let Some(reader) = Reader::new(region, &*store, self.table) else {
            return Ok(String::new());
        };
        let digest = store.digest(reader.table).await;
        digest
            .map(|digest| in_words(&digest))
            .map_err(|error| reader.failed(error))
    }

    async fn items(&self, region: &str) -> Result<HeldItems, SimulationError> {
        let store = self.cluster.store(region)?;
        match Reader::new(region, &*store, self.table) {
            Some(reader) => reader.items().await,
            None => Ok(HeldItems::new()),
        }
    }
}

/// A table's digest as text: equal for equal digests, and short.
fn in_words(digest: &TableDigest) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(format!("{digest:?}").as_bytes()))
}

impl<'a> Reader<'a> {
    /// Creates a reader of a region's table; `None` if the region does not hold it.
    pub(crate) fn new(region: &'a str, store: &'a dyn Store, table: &str) -> Option<Self> {
        let definition = store.catalog().by_name.get(table).cloned()?;
        Some(Self {
            region,
            store,
            table: definition.id,
            keys: definition.core.keys.clone(),
            expires: definition.time_to_live.clone(),
        })
    }

    /// Compares the region's copies of the log records of other origins with the originals.
    fn compare_copies(
        &self,
        logs: &Logs,
        originals: &Originals<'_>,
        evidence: &mut Evidence,
    ) -> Result<(), SimulationError> {
        let of_others = logs
            .get(self.region)
            .into_iter()
            .flatten()
            .filter(|(origin, _)| *origin != self.store.origin() && originals.0.contains_key(*origin));
        for copy in of_others.flat_map(|(_, records)| records) {
            if originals.get(&copy.version) != Some(copy) {
                evidence.note_mismatch(self.region, &self.key_text(&copy.key)?, &copy.version);
            }
        }
        Ok(())
    }

    /// A log record in the oracle's terms.
    fn logged(&self, mutation: &Mutation) -> Result<Logged, SimulationError> {
        Ok(Logged {
            held: self.held_by(mutation)?,
            is_expiry: mutation.cause == Cause::TimeToLive,
            causal_context: mutation.causal_context.clone(),
        })
    }

    /// The writes of these origins that are in the region's log, as mutations in log order.
    pub(crate) async fn mutations(&self, origins: Vec<Origin>) -> Result<Vec<Mutation>, SimulationError> {
        let mutations = self.table_evidence().logged(origins).try_collect().await;
        mutations.map_err(|error| self.failed(error))
    }

    fn table_evidence(&self) -> TableEvidence<'a> {
        TableEvidence::new(self.store, self.table)
    }

    async fn held(
        &self,
        originals: &Originals<'_>,
        evidence: &Evidence,
    ) -> Result<BTreeMap<String, VersionedItem>, SimulationError> {
        let mut held = BTreeMap::new();
        let mut rows = pin!(self.table_evidence().rows());
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| self.failed(error))?;
            let key = self.key_text(&row.key)?;
            let original = originals
                .get(&row.version)
                .filter(|original| original.version == row.version && original.image == row.image);
            let logged = original.and_then(|_| evidence.original(&key, &row.version));
            let item = logged.map_or_else(|| self.held_by(&row), |logged| Ok(logged.held.clone()))?;
            held.insert(key, item);
        }
        Ok(held)
    }

    /// The attributes of each key that the region holds, and the whole item there (`None` for a
    /// tombstone), by the key as text.
    pub(crate) async fn items(&self) -> Result<HeldItems, SimulationError> {
        let mut items = HeldItems::new();
        let mut rows = pin!(self.table_evidence().rows());
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| self.failed(error))?;
            let key = self.keys.attributes_of(&row.key);
            let key = key.ok_or_else(|| self.foreign(format!("the key {:?}", row.key)))?;
            items.insert(self.key_text(&row.key)?, (key, self.item_of(&row)?));
        }
        Ok(items)
    }

    /// The conflicts in the region's journal; if it need not be complete, those before the first
    /// damaged one.
    async fn journal(&self, is_complete: bool) -> Result<Vec<ConflictEntry>, SimulationError> {
        let mut journal = Vec::new();
        let mut conflicts = pin!(self.table_evidence().conflicts());
        while let Some(conflict) = conflicts.next().await {
            let conflict = match conflict {
                Err(StoreError::Unreadable(_)) if !is_complete => break,
                conflict => conflict.map_err(|error| self.failed(error))?,
            };
            let loser = VersionedItem::new(conflict.loser.version, conflict.loser.image.as_ref(), None);
            journal.push(ConflictEntry {
                key: self.key_text(&conflict.key)?,
                winner: conflict.winner.version,
                loser_marker: loser.marker().map(str::to_owned),
                attributes: conflict.attributes,
                loser: loser.version,
            });
        }
        Ok(journal)
    }

    async fn unshipped(&self) -> Result<Vec<UnshippedWrite>, SimulationError> {
        let mut kept = Vec::new();
        let mut unshipped = pin!(self.table_evidence().unshipped());
        while let Some(write) = unshipped.next().await {
            let write = write.map_err(|error| self.failed(error))?;
            let image = write.write.image.as_ref();
            kept.push(UnshippedWrite {
                key: self
                    .text_of(&write.key)
                    .ok_or_else(|| self.foreign(format!("the key {:?}", write.key)))?,
                held: VersionedItem::new(write.write.version, image, self.expires.as_deref()),
            });
        }
        Ok(kept)
    }

    fn held_by(&self, mutation: &Mutation) -> Result<VersionedItem, SimulationError> {
        Ok(VersionedItem::new(
            mutation.version.clone(),
            self.item_of(mutation)?.as_ref(),
            self.expires.as_deref(),
        ))
    }

    /// The item as a mutation left it; `None` for a delete.
    fn item_of(&self, mutation: &Mutation) -> Result<Option<Item>, SimulationError> {
        let item = mutation.image.as_ref().map(|image| decode_item(image)).transpose();
        item.map_err(|error| self.foreign(format!("the image of {:?}: {error}", mutation.key)))
    }

    pub(crate) fn key_text(&self, key: &KeyBytes) -> Result<String, SimulationError> {
        let attributes = self.keys.attributes_of(key);
        let found = attributes.as_ref().and_then(|attributes| self.text_of(attributes));
        found.ok_or_else(|| self.foreign(format!("the key {key:?}")))
    }

    /// An item's key as text; `None` if it lacks a part of the key.
    pub(crate) fn text_of(&self, attributes: &Item) -> Option<String> {
        let parts = self.keys.partition.iter().chain(&self.keys.sort);
        key_text(parts.map(|part| part.name.as_str()), attributes)
    }

    fn foreign(&self, what: String) -> SimulationError {
        SimulationError::Foreign {
            region: self.region.to_owned(),
            what,
        }
    }

    fn failed(&self, source: StoreError) -> SimulationError {
        SimulationError::Store {
            region: self.region.to_owned(),
            source,
        }
    }
}
