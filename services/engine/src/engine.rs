//! The engine: a handle on the store with what the operations share.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
};

use beringia_clock::{Randomness, WallClock};
use beringia_item::{KeyBytes, Region, TableId};
use beringia_store::{ReplicaStatus, SchemaError, Store, StoreError, Table};

use crate::{ApiError, gate::Gate, names};

/// Begins the names of tables that are the engine's own. No client's name begins so.
pub(crate) const HIDDEN: char = '$';

/// Carries out DynamoDB's operations in one region. Shared behind an `Arc`; it keeps nothing that must survive a crash.
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) randomness: Arc<dyn Randomness>,
    /// Where replicas can be.
    pub(crate) regions: BTreeSet<Region>,
    /// How far the sweep of expired transaction tokens has come.
    pub(crate) token_sweep: Mutex<Option<KeyBytes>>,
    /// Whether clients may write.
    pub(crate) gate: Arc<Gate>,
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
    /// An engine on a region's store. `regions` are those that a replica can be created in, this one among them.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn WallClock>,
        randomness: Arc<dyn Randomness>,
        regions: impl IntoIterator<Item = Region>,
    ) -> Self {
        let regions = regions.into_iter().collect();
        Self {
            store,
            clock,
            randomness,
            regions,
            token_sweep: Mutex::new(None),
            gate: Arc::default(),
        }
    }

    /// The region that it answers for.
    #[must_use]
    pub fn region(&self) -> &Region {
        self.store.region()
    }

    /// A new table's identity: a random UUID.
    pub(crate) fn new_table_id(&self) -> TableId {
        let random = (u128::from(self.randomness.next_u64()) << 64) | u128::from(self.randomness.next_u64());
        // Version 4, variant 1 (RFC 9562, section 5.4).
        TableId(random & !(0xF << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62))
    }

    /// The table whose items a request reads or writes.
    ///
    /// A table that is being created (or filled as a replica) or deleted is not found, as in DynamoDB.
    pub(crate) fn usable_table(&self, parameter: &str) -> Result<Arc<Table>, ApiError> {
        let name = names::table_name(parameter, self.region())?;
        let table = self
            .store
            .catalog()
            .by_name
            .get(name)
            .filter(|table| usable(table, self.region()))
            .cloned();
        let table = table.filter(|_| !name.starts_with(HIDDEN));
        match table {
            Some(table) => Ok(table),
            None => {
                // Only now: a name that is found is well-formed.
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
        // One that lost its disk is active by name, but not joined until it is copied again.
        // One that the others dropped goes on with what it has until it can begin anew.
        Some(replica) => {
            matches!(replica.status, ReplicaStatus::Active | ReplicaStatus::Dropped { .. }) && table.joined
        }
    }
}

/// The table is not there, for operations on items.
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
            // The table was dropped after it was looked up.
            StoreError::UnknownTable(_) => not_found(),
            // It was trimmed after it was looked up.
            StoreError::UnknownShard(_) => crate::stream::shard_not_found(),
            StoreError::Trimmed(_) => crate::stream::trimmed(),
            StoreError::Closed => Self::ServiceUnavailable("The region is shutting down".to_owned()),
            other => {
                tracing::error!(error = %other, "the store failed");
                Self::InternalServer(format!("Internal server error: {other}"))
            }
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
