//! What other regions send: mutations to apply, and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{KeyBytes, Mutation, Origin, Region, Stamp, TableId, VersionVector};

/// Mutations of other regions, to be applied in one commit, units whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteBatch {
    /// In the order of each origin's sequence. Those of tables that this region does not hold are skipped.
    pub mutations: Vec<Mutation>,
    /// After the mutations: everything up to this sequence of this origin in this table has been applied.
    pub progress: Vec<(TableId, Origin, u64)>,
    /// Only with [`RemoteKind::Copy`]: rows (tombstones too) that go without a trace in log or tombstones, each only if it still
    /// has this stamp. They are left over from an earlier, unfinished copy or from before a long absence; the source knew of
    /// their writes and holds nothing under their keys, so they were deleted there and the tombstones forgotten since.
    pub obsolete: Vec<(TableId, KeyBytes, Stamp)>,
    /// How they came.
    pub kind: RemoteKind,
    /// Only with [`RemoteKind::Copy`]: the holding (`Table::holding`) that was filled. Progress of a table that is held anew since
    /// says nothing about its rows, and is not taken; `None` for the catalog.
    pub holding: Option<u32>,
    /// Who sent them. Nothing is taken of tables of which that region's replica was dropped.
    pub from: Option<Region>,
}

/// What may be forgotten because others have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Per table, per peer, the vector that this peer last acknowledged.
    pub vectors: BTreeMap<TableId, BTreeMap<Region, VersionVector>>,
    /// Of these tables somebody is not listed who may come back, and may not have heard of deletes: tombstones stay.
    pub keeps_tombstones: BTreeSet<TableId>,
}

impl From<BTreeMap<TableId, BTreeMap<Region, VersionVector>>> for Acknowledged {
    fn from(vectors: BTreeMap<TableId, BTreeMap<Region, VersionVector>>) -> Self {
        Self {
            vectors,
            keeps_tombstones: BTreeSet::new(),
        }
    }
}

/// How mutations came to this region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RemoteKind {
    /// In the origin's order: a mutation at or below the table's vector is skipped, a later one advances it. Only tables that are
    /// joined take any.
    #[default]
    Stream,
    /// Rows of a copy: applied by version alone. The vector is moved by `progress` only, and since the log does not hold what the
    /// vector then covers, the floor rises with it. A batch with progress for a table also marks that table as joined.
    Copy,
    /// Rows of a repair: applied by version alone, and only those that the table's vector covers. The others come by stream.
    Repair,
}

/// What became of a batch's mutations: `newer + stale + skipped` is their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Became the current version of their items.
    pub newer: usize,
    /// Lost against the current version.
    pub stale: usize,
    /// Were there already, or concern no table of this region.
    pub skipped: usize,
    /// Of `newer` and `stale`, how many were concurrent with what they met, so that the journal has a new entry.
    pub conflicts: usize,
}
