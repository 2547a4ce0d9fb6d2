//! What is to be decided, what it comes to, and what that depends on besides state and rows.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::{Region, TableId};
use beringia_storage::{
    Acknowledged, Applied, Catalog, CommitError, ItemWrite, Outcome, PlantedBug, RemoteBatch, SchemaChange,
    SchemaError, StoreError,
};

use crate::state::Retention;

/// What is to be decided.
pub enum Command {
    /// A client's writes, all or none.
    Unit(Vec<ItemWrite>),
    /// A change of definitions. The last of its group.
    Schema(Box<dyn SchemaChange>),
    /// Other regions' mutations.
    Apply(RemoteBatch),
    /// One step of trimming the log.
    Trim(Arc<Acknowledged>),
    /// Notes for how long peers have been unreachable, ms.
    NoteUnreachable(BTreeMap<Region, u64>),
    /// Repairs one range. The first of its group.
    Repair(TableId, u16),
    /// One step of the background work. Alone in its group.
    Work,
}

/// What a command came to.
#[derive(Debug)]
pub enum Answer {
    /// To [`Command::Unit`].
    Unit(Result<Vec<Outcome>, CommitError>),
    /// To [`Command::Schema`].
    Schema(Result<Arc<Catalog>, SchemaError>),
    /// To [`Command::Apply`].
    Apply(Result<Applied, StoreError>),
    /// To [`Command::Trim`] (whether another step would find something) and [`Command::Repair`] (whether
    /// there was something to repair).
    More(Result<bool, StoreError>),
    /// To [`Command::NoteUnreachable`] and [`Command::Work`].
    Done(Result<(), StoreError>),
}

/// What the decisions depend on besides state and rows.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The region.
    pub region: Region,
    /// Its wall time, ms since the epoch.
    pub now_ms: u64,
    /// How long log records stay for streams, ms.
    pub log_retention_ms: u64,
    /// How old a stream's open shard gets, ms.
    pub shard_age_ms: u64,
    /// Whether the region's own records are to be handed over ([`Decision::own`](crate::Decision::own)).
    pub wants_own: bool,
    /// A bug to have.
    pub planted_bug: Option<PlantedBug>,
}

impl Environment {
    pub(super) const fn retention(&self) -> Retention {
        Retention {
            retention_ms: self.log_retention_ms,
            now_ms: self.now_ms,
        }
    }
}
