//! The engine: a handle on the store, and the state that the operations share.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use beringia_clock::{Randomness, WallClock};
use beringia_item::{Item, KeyBytes, Region, TableId, Version};
use beringia_storage::{LogPosition, ReplicaStatus, SchemaError, Store, StoreError, Table};
use parking_lot::Mutex;

use crate::{
    ApiError, contention::Contention, gate::Gate, names, stream::StreamNames, table::Lifecycle, throttle::Throttle,
};

/// The first character of the engine's own table names. Clients cannot use it in a name.
pub(crate) const HIDDEN: char = '$';

/// Behaviour of DynamoDB that a region can imitate, and that developers may prefer to switch off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// Whether requests are limited to the provisioned throughput or on-demand maxima of tables and
    /// indexes.
    pub throttling: bool,
    /// The maximum age of what eventually consistent reads see, including those of global indexes.
    /// The store must keep history for as long. Zero: they see the newest data.
    pub stale_reads: Duration,
    /// How long a change of a table shows in statuses and blocks what it blocks in DynamoDB. Zero:
    /// only the answer to the request shows it.
    pub slow_changes: Duration,
}

/// Requests rejected since the start, counted per item or page as in DynamoDB's metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Reads beyond the available throughput (`ReadThrottleEvents`).
    pub throttled_reads: u64,
    /// Writes beyond the available throughput (`WriteThrottleEvents`).
    pub throttled_writes: u64,
    /// Reads and writes of items that a transaction held, and reads of a transaction of items that
    /// were being written (`TransactionConflict`).
    pub transaction_conflicts: u64,
}

/// Executes DynamoDB's operations in one region. It is shared behind an `Arc` and keeps no state
/// that must survive a crash.
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) randomness: Arc<dyn Randomness>,
    /// The regions that can have replicas.
    pub(crate) regions: BTreeSet<Region>,
    /// The key at which the sweep of expired transaction tokens continues.
    pub(crate) token_sweep: Mutex<Option<KeyBytes>>,
    /// Whether clients may write, and how many writes are in progress.
    pub(crate) gate: Arc<Gate>,
    /// Limits the capacity units that requests consume on each table and index.
    pub(crate) throttle: Throttle,
    /// Tracks the items that are being written.
    pub(crate) contention: Arc<Contention>,
    /// Determines the statuses that tables show.
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// Derives the labels of this region's streams, and the times when they begin.
    pub(crate) stream_names: StreamNames,
    stale_reads: Duration,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("region", self.region())
            .field("regions", &self.regions)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Creates an engine on a region's store. `regions` are those that can have replicas, including
    /// this one.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn WallClock>,
        randomness: Arc<dyn Randomness>,
        regions: impl IntoIterator<Item = Region>,
    ) -> Self {
        let regions = regions.into_iter().collect();
        let stream_names = StreamNames::new(store.region(), &regions);
        let throttle = Throttle::new(false, Arc::clone(&store), Arc::clone(&clock));
        let lifecycle = Lifecycle::new(store.region().clone(), Arc::clone(&clock), Duration::ZERO);
        Self {
            throttle,
            contention: Arc::default(),
            lifecycle: Arc::new(lifecycle),
            stream_names,
            stale_reads: Duration::ZERO,
            store,
            clock,
            randomness,
            regions,
            token_sweep: Mutex::new(None),
            gate: Arc::default(),
        }
    }

    /// Sets which of DynamoDB's behaviour the engine imitates; by default it imitates none of it.
    #[must_use]
    pub fn behaving(mut self, behaviour: Behaviour) -> Self {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let lifecycle = Lifecycle::new(store.region().clone(), Arc::clone(&clock), behaviour.slow_changes);
        self.throttle = Throttle::new(behaviour.throttling, store, clock);
        self.lifecycle = Arc::new(lifecycle);
        self.stale_reads = behaviour.stale_reads;
        self
    }

    /// The requests rejected since the start.
    #[must_use]
    pub fn refused(&self) -> Refused {
        let (throttled_reads, throttled_writes) = self.throttle.refused();
        Refused {
            throttled_reads,
            throttled_writes,
            transaction_conflicts: self.contention.conflicts(),
        }
    }

    /// The region that the engine answers for.
    #[must_use]
    pub fn region(&self) -> &Region {
        self.store.region()
    }

    /// The as-of position that a request reads from; `None` for the newest data. Each request draws
    /// its own position, so a client may see data go back in time, as it does with replicas that
    /// are read in turn.
    pub(crate) fn as_of(&self, consistent: bool) -> Option<LogPosition> {
        if consistent || self.stale_reads.is_zero() {
            return None;
        }
        let most = u64::try_from(self.stale_reads.as_micros()).unwrap_or(u64::MAX >> 1);
        let ago = self.randomness.next_u64() % (most + 1);
        self.store.as_of(Duration::from_micros(ago))
    }

    /// Reads several items, from the as-of position `at` if there is one.
    pub(crate) async fn get_many(
        &self,
        keys: Vec<(TableId, KeyBytes)>,
        at: Option<LogPosition>,
    ) -> Result<Vec<Option<(Version, Item)>>, StoreError> {
        match at {
            None => self.store.get_many(keys).await,
            Some(at) => self.store.get_many_at(keys, at).await,
        }
    }

    /// A new table's id: a random UUID.
    pub(crate) fn new_table_id(&self) -> TableId {
        TableId(self.randomness.uuid_v4_like())
    }

    /// Finds the table whose items a request reads or writes.
    ///
    /// A table that is being created (or filled as a replica) or deleted is not found, as in
    /// DynamoDB.
    pub(crate) fn usable_table(&self, parameter: &str) -> Result<Arc<Table>, ApiError> {
        let name = names::table_name(parameter, self.region())?;
        let table = self
            .store
            .catalog()
            .by_name
            .get(name)
            .filter(|table| usable(table, self.region()) && !self.lifecycle.is_creation(table.id))
            .cloned();
        let table = table.filter(|_| !name.starts_with(HIDDEN));
        match table {
            Some(table) => Ok(table),
            None => {
                // A name that is found is well-formed, so check the form only now.
                check_table_name(name)?;
                Err(not_found())
            }
        }
    }
}

/// Whether clients can read and write the table's items in this region.
pub(crate) fn usable(table: &Table, region: &Region) -> bool {
    match table.replicas.get(region) {
        None => table.replicas.is_empty(),
        // A replica that lost its disk is `Active`, but not bootstrapped until it is copied again.
        // A replica that the others dropped keeps serving what it has until it can be
        // re-bootstrapped.
        Some(replica) => {
            matches!(replica.status, ReplicaStatus::Active | ReplicaStatus::Dropped { .. }) && table.bootstrapped
        }
    }
}

/// The error for a missing table, in operations on items.
pub(crate) fn not_found() -> ApiError {
    ApiError::ResourceNotFound("Requested resource not found".to_owned())
}

/// Checks the form of the `TableName` parameter.
pub(crate) fn check_table_name(name: &str) -> Result<(), ApiError> {
    let mut constraints = crate::constraint::Constraints::default();
    names::check_name(&mut constraints, "tableName", name);
    constraints.finish()
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            // The table was dropped after the lookup.
            StoreError::UnknownTable(_) => not_found(),
            // The shard was trimmed after the lookup.
            StoreError::UnknownShard(_) => crate::stream::shard_not_found(),
            StoreError::Trimmed(_) => crate::stream::trimmed(),
            StoreError::Closed => Self::ServiceUnavailable("The region is shutting down".to_owned()),
            StoreError::CannotCommit(_) => Self::ServiceUnavailable("The region cannot commit writes".to_owned()),
            // The gateway logs it, with the region.
            other => Self::InternalServer(format!("Internal server error: {other}")),
        }
    }
}

impl From<SchemaError> for ApiError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Refused(reason) => match reason.downcast::<Self>() {
                Ok(own) => *own,
                Err(other) => Self::Validation(other.to_string()),
            },
            SchemaError::Store(error) => error.into(),
        }
    }
}
