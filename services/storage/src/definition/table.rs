//! Tables and the catalog: the aspects put together, as one region knows them at one moment.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use beringia_item::{ConflictPolicy, KeyPart, KeySchema, Region, TableId};

use super::{Billing, Core, GlobalIndex, LocalSettings, Stream, Throughput};
use crate::Replica;

/// The state of a global index in this region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// Entries for the rows that were there before it are being made; it cannot be read yet.
    Backfilling,
    /// Complete.
    Active,
    /// Its entries are being removed.
    Deleting,
}

/// How much a table holds or an index shows, kept current by the committer with every commit; all catalogs share it.
#[derive(Debug, Default)]
pub struct TableSize {
    items: AtomicU64,
    bytes: AtomicU64,
}

impl TableSize {
    /// A size that stays until it is set.
    #[must_use]
    pub fn new(items: u64, bytes: u64) -> Self {
        Self {
            items: AtomicU64::new(items),
            bytes: AtomicU64::new(bytes),
        }
    }

    /// Live items.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }

    /// Their bytes, as DynamoDB counts them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Sets both.
    pub fn set(&self, items: u64, bytes: u64) {
        self.items.store(items, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

/// A table as this region knows it now.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its identity for ever.
    pub id: TableId,
    /// What never changes.
    pub core: Core,
    /// Its throughput.
    pub throughput: Throughput,
    /// How it is paid for besides.
    pub billing: Billing,
    /// Its stream, where it is on.
    pub stream: Option<Stream>,
    /// The attribute that says when an item expires, where one does.
    pub time_to_live: Option<String>,
    /// The stream that is on, or else the last one whose records can still be read.
    pub latest_stream: Option<Stream>,
    /// Its global indexes, by name; in the state `Deleting` also those whose definition is gone already.
    pub global_indexes: BTreeMap<String, (GlobalIndex, IndexState)>,
    /// What of concurrent writes to an item is kept; `None` where nobody chose, which means [`ConflictPolicy::Item`].
    pub conflict_policy: Option<ConflictPolicy>,
    /// How much each index that this region has shows, now.
    pub index_sizes: BTreeMap<String, Arc<TableSize>>,
    /// Empty for a regional table. Of a global table all replicas, this region's too.
    pub replicas: BTreeMap<Region, Replica>,
    /// Settings of this region alone.
    pub local: LocalSettings,
    /// Whether this region holds the table's rows: it is regional, or has a replica here that did not fail. Only such tables
    /// can be read and written.
    pub held: bool,
    /// Which of this region's holdings of the table this is: another one each time the rows are let go and the table is held anew, empty;
    /// 0 where it is not held.
    pub holding: u32,
    /// Whether the rows were complete once, so that the table's vector says the truth about them: it was created here, or a copy
    /// into this region ended. A held table that is not joined must be copied before clients use it, whatever the replica's
    /// status says (the disk may have been lost).
    pub joined: bool,
    /// How much it holds, now.
    pub size: Arc<TableSize>,
}

impl Table {
    /// The key of the table (`None`) or of one of its indexes; `None` where there is no such index.
    #[must_use]
    pub fn keys_of(&self, index: Option<&str>) -> Option<&KeySchema> {
        let Some(index) = index else {
            return Some(&self.core.keys);
        };
        let local = self.core.local_indexes.get(index).map(|index| &index.keys);
        local.or_else(|| self.global_indexes.get(index).map(|(index, _)| &index.keys))
    }

    /// The attributes that are part of a key of the table or of an index, by name.
    #[must_use]
    pub fn attribute_definitions(&self) -> BTreeMap<&str, &KeyPart> {
        let local = self.core.local_indexes.values().map(|index| &index.keys);
        let global = self.global_indexes.values().map(|(index, _)| &index.keys);
        std::iter::once(&self.core.keys)
            .chain(local)
            .chain(global)
            .flat_map(|keys| keys.partition.iter().chain(&keys.sort))
            .map(|part| (part.name.as_str(), part))
            .collect()
    }

    /// Whether its definition is in the catalog of all regions.
    #[must_use]
    pub fn is_global(&self) -> bool {
        !self.replicas.is_empty()
    }
}

/// All tables that this region holds or knows of, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// The tables that this region holds ([`Table::held`]), by name.
    pub by_name: BTreeMap<String, Arc<Table>>,
    /// The same by id, and besides the global tables that this region has no replica of.
    pub by_id: BTreeMap<TableId, Arc<Table>>,
}

impl Catalog {
    /// Whether what a name leads to is held, has that name, and is the same by its id.
    fn is_consistent(&self) -> bool {
        self.by_name.iter().all(|(name, table)| {
            let by_id = self.by_id.get(&table.id);
            table.held && table.core.name == *name && by_id.is_some_and(|same| Arc::ptr_eq(same, table))
        })
    }
}

impl FromIterator<Table> for Catalog {
    fn from_iter<I: IntoIterator<Item = Table>>(tables: I) -> Self {
        let mut catalog = Self::default();
        for table in tables {
            let table = Arc::new(table);
            if table.held {
                catalog.by_name.insert(table.core.name.clone(), table.clone());
            }
            catalog.by_id.insert(table.id, table);
        }
        debug_assert!(catalog.is_consistent(), "{catalog:?}");
        catalog
    }
}
