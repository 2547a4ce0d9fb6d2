//! What a table is: the settings that follow it to every replica, each an aspect with a version of its own, and the local ones.
//!
//! A definition is not one value but several aspects (core, throughput, stream, each global index, each replica), each
//! stored as an item of `TableId::CATALOG` (global tables) or `TableId::LOCAL` (regional tables) with key (table id, aspect).
//! So two regions that change different aspects at once do not undo each other, and the settings replicate, converge,
//! are digested and repaired by the very mechanism that serves items.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::{KeySchema, Region, TableId, KeyPart};
use serde::{Deserialize, Serialize};

/// What an index copies from the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projection { KeysOnly, Include(Vec<String>), All }

/// The capacity settings of a table or index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Throughput { OnDemand, Provisioned { read_units: u64, write_units: u64 } }

/// What never changes about a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Core {
    pub name: String,
    pub keys: KeySchema,
    pub local_indexes: BTreeMap<String, LocalIndex>,
    pub created_ms: u64,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalIndex { pub keys: KeySchema, pub projection: Projection }
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalIndex { pub keys: KeySchema, pub projection: Projection, pub throughput: Throughput }
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamView { KeysOnly, NewImage, OldImage, NewAndOldImages }
/// A stream that is on. `enabled_ms` makes its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream { pub view: StreamView, pub enabled_ms: u64 }

/// Where a replica stands. Written by the region that asks for it (Creating) and then by the replica's own region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicaStatus { Creating { from: Region }, CreationFailed { reason: String }, Active, Deleting }
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica { pub status: ReplicaStatus, pub since_ms: u64 }

/// One independently versioned part of a definition, with its new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aspect {
    Core(Core),
    Throughput(Throughput),
    Stream(Option<Stream>),
    GlobalIndex { name: String, index: GlobalIndex },
    Replica { region: Region, replica: Replica },
    /// Settings that stay in the region even of a global table.
    Local(LocalSettings),
}
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSettings { pub deletion_protection: bool, pub tags: BTreeMap<String, String> }

/// Names an aspect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AspectName { Core, Throughput, Stream, GlobalIndex(String), Replica(Region), Local }

/// One step of a change of definitions. All steps of one change commit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    Set { table: TableId, aspect: Aspect },
    Remove { table: TableId, aspect: AspectName },
    /// Removes the whole table from this region: its definition where it is regional, its rows in the background.
    Drop { table: TableId },
}

/// The state of a global index in this region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState { Backfilling, Active, Deleting }

/// A table as this region knows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub id: TableId,
    pub core: Core,
    pub throughput: Throughput,
    pub stream: Option<Stream>,
    pub global_indexes: BTreeMap<String, (GlobalIndex, IndexState)>,
    /// Empty for a regional table. Of a global table all replicas, this region's too.
    pub replicas: BTreeMap<Region, Replica>,
    pub local: LocalSettings,
    /// Live items and their bytes, as DynamoDB counts them.
    /// (kept in memory by the committer, persisted per group)
    pub item_count: u64,
    pub item_bytes: u64,
}

impl Table {
    /// The schema of the table (None) or of one of its indexes.
    pub fn keys_of(&self, index: Option<&str>) -> Option<&KeySchema> { todo!() }
    /// The types of all attributes that are part of a key of the table or an index.
    pub fn attribute_definitions(&self) -> BTreeMap<&str, &KeyPart> { todo!() }
}

/// All tables that this region holds or knows of, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Tables that this region holds a replica of (whatever the replica's status) and its regional ones, by name.
    pub by_name: BTreeMap<String, Arc<Table>>,
    /// The same by id, and besides the global tables that this region has no replica of.
    pub by_id: BTreeMap<TableId, Arc<Table>>,
}
