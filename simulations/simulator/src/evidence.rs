//! Evidence: the items, logs and replicas of regions in the oracle's terms, read from their stores
//! and by their clients.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use beringia_history::{
    ConflictEntry, Evidence, FinalReplicas, Journal, Logged, MARKER, ReplicaHistory, UnshippedWrite, VersionedItem,
    key_text,
};
use beringia_item::{Cause, Item, KeyBytes, KeySchema, Mutation, Origin, Region, TableId, decode_item};
use beringia_node::TableEvidence;
use beringia_storage::{Store, StoreError, Table, TableDigest};
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::{Cluster, SimulationError, read_back, tables};

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
    for region in cluster.names() {
        let store = cluster.store(&region)?;
        let Some(reader) = Reader::new(&region, &*store, table) else {
            continue;
        };
        // If a region was empty at some time, other regions have more of its log than it has
        // itself.
        if replicas.has_whole_log(&region, table) {
            reader.log(store.origin().clone(), &mut evidence).await?;
        }
        if holders.contains(&region) {
            evidence.held.insert(region.clone(), reader.held().await?);
            let journal = Journal {
                entries: reader.journal().await?,
                is_complete: replicas.has_complete_journal(&region, table),
            };
            evidence.journals.insert(region.clone(), journal);
        }
        let unshipped = reader.unshipped().await?;
        if !unshipped.is_empty() || replicas.rebootstrapped.contains(&(region.clone(), table.to_owned())) {
            evidence.unshipped.insert(region.clone(), unshipped);
        }
    }
    let names = cluster.names().into_iter();
    let (whole, partial): (Vec<String>, Vec<String>) = names.partition(|name| replicas.has_whole_log(name, table));
    for origin in partial {
        for region in &holders {
            let store = cluster.store(region)?;
            if let Some(reader) = Reader::new(region, &*store, table) {
                let origin = Origin::of_only_shard(&Region::new(&origin)?);
                reader.log(origin, &mut evidence).await?;
            }
        }
    }
    let names = cluster.names().into_iter();
    evidence.bootstrapped = names.filter(|name| replicas.may_be_bootstrapped(name, table)).collect();
    evidence.sort_logs();
    for region in &holders {
        let store = cluster.store(region)?;
        let Some(reader) = Reader::new(region, &*store, table) else {
            continue;
        };
        for origin in whole.iter().filter(|origin| *origin != region) {
            let origin = Origin::of_only_shard(&Region::new(origin)?);
            for (key, copy) in reader.logged(origin).await? {
                evidence.compare_copy(region, &key, &copy);
            }
        }
    }
    evidence.misreads = read_back::misreads(cluster, table, &holders).await?;
    evidence.replicas = FinalReplicas {
        expected: expected.clone(),
        shown: tables::statuses(cluster.clients(), table, expected, PATIENCE).await,
        digests: digests
            .iter()
            .map(|(region, digest)| (region.clone(), in_words(digest)))
            .collect(),
    };
    Ok(evidence)
}

/// A table's digest as text: equal for equal digests, and short.
fn in_words(digest: &TableDigest) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(format!("{digest:?}").as_bytes()))
}

impl<'a> Reader<'a> {
    /// Creates a reader of a region's table; `None` if the region does not hold it.
    pub(crate) fn new(region: &'a str, store: &'a dyn Store, table: &str) -> Option<Self> {
        let definition = store.catalog().by_name.get(table).cloned()?;
        Some(Self::of(region, store, &definition))
    }

    /// Creates a reader of a table that the region holds.
    pub(crate) fn of(region: &'a str, store: &'a dyn Store, table: &Table) -> Self {
        Self {
            region,
            store,
            table: table.id,
            keys: table.core.keys.clone(),
            expires: table.time_to_live.clone(),
        }
    }

    /// Adds the writes of this origin that are in the region's log.
    async fn log(&self, origin: Origin, evidence: &mut Evidence) -> Result<(), SimulationError> {
        for (key, logged) in self.logged(origin).await? {
            evidence.log(key, logged);
        }
        Ok(())
    }

    /// The writes of this origin that are in the region's log, with their keys as text.
    async fn logged(&self, origin: Origin) -> Result<Vec<(String, Logged)>, SimulationError> {
        let mutations = self.mutations(origin).await?;
        let logged = mutations.into_iter().map(|mutation| {
            let logged = Logged {
                held: self.held_by(&mutation)?,
                is_expiry: mutation.cause == Cause::TimeToLive,
                causal_context: mutation.causal_context,
            };
            Ok((self.key_text(&mutation.key)?, logged))
        });
        logged.collect()
    }

    /// The writes of this origin that are in the region's log, as mutations in log order.
    pub(crate) async fn mutations(&self, origin: Origin) -> Result<Vec<Mutation>, SimulationError> {
        let mutations = self.table_evidence().logged(vec![origin]).try_collect().await;
        mutations.map_err(|error| self.failed(error))
    }

    fn table_evidence(&self) -> TableEvidence<'a> {
        TableEvidence::new(self.store, self.table)
    }

    async fn held(&self) -> Result<BTreeMap<String, VersionedItem>, SimulationError> {
        let mut held = BTreeMap::new();
        let mut rows = pin!(self.table_evidence().rows());
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| self.failed(error))?;
            held.insert(self.key_text(&row.key)?, self.held_by(&row)?);
        }
        Ok(held)
    }

    /// The attributes of each key that the region holds, and the whole item there (`None` for a
    /// tombstone), by the key as text.
    pub(crate) async fn items(&self) -> Result<BTreeMap<String, (Item, Option<Item>)>, SimulationError> {
        let mut items = BTreeMap::new();
        let mut rows = pin!(self.table_evidence().rows());
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| self.failed(error))?;
            let key = self.keys.attributes_of(&row.key);
            let key = key.ok_or_else(|| self.foreign(format!("the key {:?}", row.key)))?;
            items.insert(self.key_text(&row.key)?, (key, self.item_of(&row)?));
        }
        Ok(items)
    }

    async fn journal(&self) -> Result<Vec<ConflictEntry>, SimulationError> {
        let mut journal = Vec::new();
        let mut conflicts = pin!(self.table_evidence().conflicts());
        while let Some(conflict) = conflicts.next().await {
            let conflict = conflict.map_err(|error| self.failed(error))?;
            let loser = VersionedItem::new(conflict.loser.version, conflict.loser.image.as_ref(), None);
            journal.push(ConflictEntry {
                key: self.key_text(&conflict.key)?,
                winner: conflict.winner.version,
                loser_marker: loser.marker().map(str::to_owned),
                lost_marker_only: conflict.attributes == [MARKER],
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
