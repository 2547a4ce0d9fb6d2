//! Mutations from other regions, and the outcome of applying them.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{KeyBytes, Mutation, Origin, Region, RowFingerprint, TableId, VersionVector};

/// Mutations from other regions, to be applied in one commit. Transactions are complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteBatch {
    /// The mutations, in the order of each origin's sequence. Those of tables without a replica in
    /// this region are skipped.
    pub mutations: Vec<Mutation>,
    /// After the mutations, everything up to this sequence of this origin has been applied to this
    /// table.
    pub progress: Vec<(TableId, Origin, u64)>,
    /// Only with [`RemoteKind::Copy`]: rows (tombstones too) to remove without leaving a tombstone,
    /// each only if it still has this fingerprint. Only streams get a log record of the removal.
    /// The rows are left over from an earlier, unfinished copy or from before a long absence. The
    /// source has applied their writes and has nothing under their keys, so the items were deleted
    /// there and their tombstones have been collected since.
    pub obsolete: Vec<(TableId, KeyBytes, RowFingerprint)>,
    /// Whether the mutations come from a stream, a copy or a repair.
    pub kind: RemoteKind,
    /// Only with [`RemoteKind::Copy`]: the replica epoch (`Table::replica_epoch`) that was filled.
    /// If the replica has been re-bootstrapped since, the progress says nothing about its rows and
    /// is ignored. `None` for the catalog.
    pub replica_epoch: Option<u32>,
    /// The region that sent them. Mutations of tables for which that region's replica was dropped
    /// are not applied.
    pub from: Option<Region>,
}

impl RemoteBatch {
    /// The tables of its mutations and of its progress.
    #[must_use]
    pub fn tables(&self) -> BTreeSet<TableId> {
        let mutated = self.mutations.iter().map(|mutation| mutation.table);
        mutated.chain(self.progress.iter().map(|(table, ..)| *table)).collect()
    }

    /// The tables and origins of its mutations and of its progress.
    #[must_use]
    pub fn parts(&self) -> BTreeSet<(TableId, Origin)> {
        let mutations = self.mutations.iter();
        let mutated = mutations.map(|mutation| (mutation.table, mutation.origin().clone()));
        let progress = self.progress.iter();
        mutated
            .chain(progress.map(|(table, origin, _)| (*table, origin.clone())))
            .collect()
    }

    /// Its mutations and its progress of one origin and one table.
    #[must_use]
    pub fn part(&self, table: TableId, origin: &Origin) -> Self {
        let mutations = self.mutations.iter();
        let progress = self.progress.iter();
        Self {
            mutations: mutations
                .filter(|mutation| mutation.table == table && mutation.origin() == origin)
                .cloned()
                .collect(),
            progress: progress
                .filter(|(of_table, of, _)| *of_table == table && of == origin)
                .cloned()
                .collect(),
            obsolete: Vec::new(),
            kind: self.kind,
            replica_epoch: self.replica_epoch,
            from: self.from.clone(),
        }
    }
}

/// The vectors that peers have acknowledged, which decide what may be trimmed and collected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// By table and peer, the vector that the peer last acknowledged.
    pub vectors: BTreeMap<TableId, BTreeMap<Region, VersionVector>>,
    /// The tables whose tombstones must stay: a region that is not listed may return, and may not
    /// have applied their deletes.
    pub keeps_tombstones: BTreeSet<TableId>,
    /// By table and peer, a vector as of which the digests of this region and of the peer were
    /// equal, in the present session. Before that a peer may have rows that a tombstone deletes,
    /// although its vector covers the delete.
    pub agreed: BTreeMap<TableId, BTreeMap<Region, VersionVector>>,
}

impl From<BTreeMap<TableId, BTreeMap<Region, VersionVector>>> for Acknowledged {
    /// Acknowledgements of peers whose digests agree as far as they acknowledged.
    fn from(vectors: BTreeMap<TableId, BTreeMap<Region, VersionVector>>) -> Self {
        Self {
            agreed: vectors.clone(),
            vectors,
            keeps_tombstones: BTreeSet::new(),
        }
    }
}

/// How mutations came to this region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RemoteKind {
    /// In the origin's order. A mutation at or below the table's vector is skipped; a later one
    /// advances the vector. Only bootstrapped tables accept any.
    #[default]
    Stream,
    /// Rows of a copy, applied by version alone. Only `progress` advances the vector, and the low
    /// watermark rises with it, since the log does not contain what the vector then covers. A batch
    /// with progress for a table also marks that table as bootstrapped.
    Copy,
    /// Rows of a repair, applied by version alone, and only those that the table's vector covers.
    /// The others arrive by stream.
    Repair,
}

/// The outcomes of a batch's mutations: `newer + stale + skipped` is their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Mutations that became the current version of their items.
    pub newer: usize,
    /// Mutations that lost against the current version.
    pub stale: usize,
    /// Mutations that had been applied already, or concern no table of this region.
    pub skipped: usize,
    /// Mutations among `newer` and `stale` that were concurrent with the current version, so that
    /// the journal has a new entry.
    pub conflicts: usize,
}
