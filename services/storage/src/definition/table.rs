//! Tables and the catalog, assembled from their aspects as one region knows them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use beringia_item::{ConflictPolicy, KeyPart, KeySchema, Region, TableId};

use super::{Aspect, Billing, Core, Edit, EncryptionKey, GlobalIndex, LocalSettings, Stream, Throughput};
use crate::Replica;

/// The state of a global index in this region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// Entries for existing rows are being created; the index cannot be read yet.
    Backfilling,
    /// The index has an entry for each row, and can be read.
    Active,
    /// The entries of the index are being removed.
    Deleting,
}

/// The size of a table or index. The committer updates it with every commit, and all catalogs share
/// it.
#[derive(Debug, Default)]
pub struct TableSize {
    items: AtomicU64,
    bytes: AtomicU64,
}

impl TableSize {
    /// Creates a size that stays the same until it is set.
    #[must_use]
    pub fn new(items: u64, bytes: u64) -> Self {
        Self {
            items: AtomicU64::new(items),
            bytes: AtomicU64::new(bytes),
        }
    }

    /// The number of live items.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }

    /// The size of the live items in bytes, as DynamoDB counts them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Sets the number of items and their size in bytes.
    pub fn set(&self, items: u64, bytes: u64) {
        self.items.store(items, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

/// A table as this region knows it.
#[derive(Debug, Clone)]
pub struct Table {
    /// The permanent identity of the table.
    pub id: TableId,
    /// The part of the definition that never changes.
    pub core: Core,
    /// Whether capacity is provisioned, and how much, or is on demand.
    pub throughput: Throughput,
    /// The other billing settings of the table.
    pub billing: Billing,
    /// The table's stream, if enabled.
    pub stream: Option<Stream>,
    /// The attribute that contains an item's expiry time, if there is one.
    pub time_to_live: Option<String>,
    /// The key that encrypts the table; `None` for a key of the service.
    pub encryption: Option<EncryptionKey>,
    /// The enabled stream, or else the last one whose records can still be read.
    pub latest_stream: Option<Stream>,
    /// The global indexes, by name. In the state `Deleting` an index stays here after its
    /// definition has been removed.
    pub global_indexes: BTreeMap<String, (GlobalIndex, IndexState)>,
    /// The conflict policy; `None` if none was chosen, which means [`ConflictPolicy::Item`].
    pub conflict_policy: Option<ConflictPolicy>,
    /// The current size of each index in this region.
    pub index_sizes: BTreeMap<String, Arc<TableSize>>,
    /// All replicas of a global table, including this region's. Empty for a regional table.
    pub replicas: BTreeMap<Region, Replica>,
    /// The settings that apply to this region alone.
    pub local: LocalSettings,
    /// Whether this region stores the table's rows: the table is regional, or has a replica here
    /// that did not fail. Only such tables can be read and written.
    pub held: bool,
    /// The replica epoch of this region's replica. It changes each time the rows are removed and
    /// the replica starts over empty; 0 if the table is not held.
    pub replica_epoch: u32,
    /// Whether the replica has been bootstrapped, so that the table's vector describes its rows:
    /// the table was created here, or a copy into this region ended. A held table that is not
    /// bootstrapped must be copied before clients use it, regardless of the replica's status (the
    /// disk may have been lost).
    pub bootstrapped: bool,
    /// The current size of the table.
    pub size: Arc<TableSize>,
}

impl Table {
    /// The key of the table (`None`) or of one of its indexes. Returns `None` if there is no such
    /// index.
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

    /// Whether the table's definition is in the catalog, which all regions share.
    #[must_use]
    pub fn is_global(&self) -> bool {
        !self.replicas.is_empty()
    }
}

/// All tables that this region holds or knows of, at one point of its commit order.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// The tables that this region holds ([`Table::held`]), by name.
    pub by_name: BTreeMap<String, Arc<Table>>,
    /// The same tables by id, and in addition the global tables without a replica in this region.
    pub by_id: BTreeMap<TableId, Arc<Table>>,
}

impl Catalog {
    /// The name of a table in messages. `None` if the region does not know the table. The names of
    /// the two tables of definitions are in parentheses, which names of clients' tables cannot
    /// have.
    #[must_use]
    pub fn name_of(&self, id: TableId) -> Option<&str> {
        match id {
            TableId::CATALOG => Some("(catalog)"),
            TableId::LOCAL => Some("(local)"),
            id => self.by_id.get(&id).map(|table| table.core.name.as_str()),
        }
    }

    /// The edit that sets a region's replica of a table; `None` if the replica is gone or being
    /// deleted, or has that status already.
    #[must_use]
    pub fn change_of_replica(&self, table: TableId, region: &Region, replica: Replica) -> Option<Edit> {
        let current = &self.by_id.get(&table)?.replicas.get(region)?.status;
        (current.stays() && *current != replica.status).then(|| Edit::Set {
            table,
            aspect: Aspect::Replica {
                region: region.clone(),
                replica,
            },
        })
    }

    /// Whether each table in `by_name` is held, has that name, and is the same as in `by_id`.
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
