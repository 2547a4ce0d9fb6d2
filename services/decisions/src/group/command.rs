//! The commands to decide, the answers to them, and the other inputs of decisions besides state and
//! rows.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::{Region, TableId};
use beringia_storage::{
    Acknowledged, Applied, Catalog, CommitError, ItemWrite, PlantedBug, PruneFilter, Pruned, RemoteBatch, SchemaChange,
    SchemaError, StoreError, WriteResult,
};

use crate::state::Retention;

/// A command to the committer.
pub enum StoreCommand {
    /// A client's transaction: all of its writes, or none.
    Transaction(Vec<ItemWrite>),
    /// A change of definitions. It is the last command of its group.
    Schema(Box<dyn SchemaChange>),
    /// A batch of other regions' mutations.
    Apply(RemoteBatch),
    /// One step of trimming the log.
    Trim(Arc<Acknowledged>),
    /// One step of removing conflicts and unshipped writes: those among the next ones that match.
    Prune(Arc<PruneFilter>, PrunePlace),
    /// Records for how long peers have been unreachable, in ms.
    NoteUnreachable(BTreeMap<Region, u64>),
    /// Begins a store epoch: another region has this region's own write with this sequence, which
    /// this database never made.
    BeginEpoch(u64),
    /// Repairs one range. It is the first command of its group.
    Repair(TableId, u16),
    /// One step of background work. It is the only command of its group.
    Work,
}

/// The answer to a command; its variant follows from that of the command.
#[derive(Debug)]
pub enum CommandAnswer {
    /// The answer to [`StoreCommand::Transaction`]: one result per write, in order, or why nothing
    /// was written.
    Transaction(Result<Vec<WriteResult>, CommitError>),
    /// The answer to [`StoreCommand::Schema`]: the definitions after the change, or why it was
    /// refused.
    Schema(Result<Arc<Catalog>, SchemaError>),
    /// The answer to [`StoreCommand::Apply`]: what became of the mutations. On an error none was
    /// applied.
    Apply(Result<Applied, StoreError>),
    /// The answer to [`StoreCommand::Trim`] (whether another step would find something) and to
    /// [`StoreCommand::Repair`] (whether anything needed repair).
    More(Result<bool, StoreError>),
    /// The answer to [`StoreCommand::Prune`].
    Pruned(Result<PruneStep, StoreError>),
    /// The answer to [`StoreCommand::NoteUnreachable`], [`StoreCommand::BeginEpoch`] and
    /// [`StoreCommand::Work`].
    Done(Result<(), StoreError>),
}

/// Which conflicts and unshipped writes were not examined yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PrunePlace {
    /// The first conflict, by its number.
    pub conflict: u64,
    /// The first unshipped write, by its number.
    pub unshipped: u64,
}

/// What one step of removing conflicts and unshipped writes did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneStep {
    /// The conflicts and unshipped writes that this step removed.
    pub pruned: Pruned,
    /// Where the next step continues; `None` if all were examined.
    pub next: Option<PrunePlace>,
}

/// The inputs of decisions besides state and rows.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The region whose store takes the commands.
    pub region: Region,
    /// The region's wall time, in ms since the Unix epoch.
    pub now_ms: u64,
    /// How long log records are kept for streams, in ms.
    pub log_retention_ms: u64,
    /// How long conflicts and unshipped writes are kept, in ms.
    pub conflict_retention_ms: u64,
    /// Whether log records stay although nobody is missing them, and conflicts and unshipped writes
    /// whatever their age.
    pub keeps_log: bool,
    /// Reads of the past may refer to positions of the log from this one on; `u64::MAX` if there
    /// are none.
    pub past_from: u64,
    /// The number of records that one pass of a step of the trim examines.
    pub trim_records_max: usize,
    /// Whether the group may use the reserve of a full disk, and does nothing that uses it up.
    pub on_reserve: bool,
    /// The age at which a stream's open shard is closed, in ms.
    pub shard_age_ms: u64,
    /// Whether to return the region's own records ([`Decision::own`](crate::Decision::own)).
    pub wants_own: bool,
    /// The planted bug of the store, for tests of the oracle.
    pub planted_bug: Option<PlantedBug>,
}

impl StoreCommand {
    /// Whether the command leads to free space, or is small and needed for that, so that it may use
    /// the reserve of a full disk. Of other regions' mutations, deletes and definitions are.
    #[must_use]
    pub fn relieves(&self) -> bool {
        match self {
            Self::Transaction(writes) => writes.iter().all(|write| write.change.only_deletes()),
            Self::Apply(batch) => {
                let mut mutations = batch.mutations.iter();
                mutations.all(|mutation| mutation.image.is_none() || mutation.table == TableId::CATALOG)
            }
            Self::Schema(_)
            | Self::Trim(_)
            | Self::Prune(..)
            | Self::NoteUnreachable(_)
            | Self::BeginEpoch(_)
            | Self::Repair(..)
            | Self::Work => true,
        }
    }
}

impl Environment {
    pub(super) const fn retention(&self) -> Retention {
        Retention {
            retention_ms: self.log_retention_ms,
            now_ms: self.now_ms,
        }
    }
}
