//! The statuses of a table, its indexes, its stream and its time to live in this region.
//!
//! Some changes really take time: an index or a replica that is being filled, a replica that ships
//! its last writes. All others are complete when the request is answered, where DynamoDB takes
//! seconds or minutes. The answer to such a request shows the status that DynamoDB begins with, and
//! the next answer shows the final one.
//!
//! If changes are configured to be slow ([`Behaviour::slow_changes`](crate::Behaviour)), a change
//! shows in statuses for the configured time, and blocks what it blocks in DynamoDB, although it
//! took effect at once. Only the region that received the request knows of this, and only until it
//! restarts.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use beringia_clock::WallClock;
use beringia_item::{Region, TableId};
use beringia_storage::{Catalog, GlobalIndex, IndexState, Replica, ReplicaStatus, Table};
use parking_lot::Mutex;

use crate::{
    ApiError,
    api::{IndexStatus, StreamStatus, TableStatus},
};

/// A change of a table's definition that shows in statuses.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The table before the change; `None` if it did not exist.
    before: Option<Arc<Table>>,
    /// Whether the change concerns the encryption, which shows in a status of its own.
    encryption: Encryption,
}

/// How a change concerns the encryption of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    /// The encryption stays as it is.
    Unchanged,
    /// It changes the encryption alone.
    Alone,
    /// It changes the encryption and other settings.
    AndOthers,
}

impl Change {
    /// The change that created the table.
    pub(super) const fn creation() -> Self {
        Self {
            before: None,
            encryption: Encryption::Unchanged,
        }
    }

    /// The change of a table that was `before`.
    pub(super) const fn of(before: Arc<Table>, encryption: Encryption) -> Self {
        Self {
            before: Some(before),
            encryption,
        }
    }

    /// Whether the change concerns the encryption.
    pub(super) fn encrypts(&self) -> bool {
        self.encryption != Encryption::Unchanged
    }

    /// Whether the change shows in the status of the table.
    fn updates_table(&self) -> bool {
        self.encryption != Encryption::Alone
    }

    /// The table before the change; `None` if the change created it.
    pub(super) fn before(&self) -> Option<&Table> {
        self.before.as_deref()
    }

    /// Whether the change created the table.
    pub(super) const fn is_creation(&self) -> bool {
        self.before.is_none()
    }
}

/// Derives the status of a table from its definition and from a change that shows.
pub(super) fn table_status(table: &Table, region: &Region, change: Option<&Change>) -> TableStatus {
    let own = table.replicas.get(region).map(|replica| &replica.status);
    if matches!(own, Some(ReplicaStatus::Deleting)) {
        return TableStatus::Deleting;
    }
    let incomplete = matches!(
        own,
        Some(ReplicaStatus::Creating { .. } | ReplicaStatus::CreationFailed { .. })
    );
    if incomplete || !table.bootstrapped || change.is_some_and(Change::is_creation) {
        return TableStatus::Creating;
    }
    let index_changes = table
        .global_indexes
        .values()
        .any(|(_, state)| *state != IndexState::Active);
    let replica_changes = table
        .replicas
        .values()
        .any(|replica| matches!(replica.status, ReplicaStatus::Creating { .. } | ReplicaStatus::Deleting));
    if index_changes || replica_changes || change.is_some_and(Change::updates_table) {
        TableStatus::Updating
    } else {
        TableStatus::Active
    }
}

/// The status of one of the table's global indexes.
pub(super) fn index_status(name: &str, index: &GlobalIndex, state: IndexState, change: Option<&Change>) -> IndexStatus {
    match state {
        IndexState::Backfilling => return IndexStatus::Creating,
        IndexState::Deleting => return IndexStatus::Deleting,
        IndexState::Active => {}
    }
    let Some(change) = change else {
        return IndexStatus::Active;
    };
    let before = change.before.as_ref().and_then(|table| table.global_indexes.get(name));
    match before {
        None | Some((_, IndexState::Deleting)) => IndexStatus::Creating,
        Some((before, _)) if before != index => IndexStatus::Updating,
        Some(_) => IndexStatus::Active,
    }
}

/// The global indexes, by name, that the change removed and that no longer exist.
pub(super) fn gone_indexes<'a>(
    table: &'a Table,
    change: Option<&'a Change>,
) -> impl Iterator<Item = (&'a String, &'a GlobalIndex)> {
    let before = change.and_then(|change| change.before.as_ref());
    before
        .into_iter()
        .flat_map(|before| &before.global_indexes)
        .filter(|(name, _)| !table.global_indexes.contains_key(*name))
        .map(|(name, (index, _))| (name, index))
}

/// Whether an active replica was not active before the change.
pub(super) fn is_new_replica(region: &Region, change: Option<&Change>) -> bool {
    let before = change.and_then(|change| change.before.as_ref());
    let was_active = |replica: &Replica| replica.status == ReplicaStatus::Active;
    before.is_some_and(|before| !before.replicas.get(region).is_some_and(was_active))
}

/// Values that are remembered until a given time.
#[derive(Debug)]
struct Until<K, V>(BTreeMap<K, (V, u64)>);

impl<K, V> Default for Until<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V: Clone> Until<K, V> {
    fn remember(&mut self, key: K, value: V, now_ms: u64, lasting_ms: u64) {
        self.0.retain(|_, (_, until_ms)| now_ms < *until_ms);
        self.0.insert(key, (value, now_ms.saturating_add(lasting_ms)));
    }

    fn get<Q: Ord + ?Sized>(&self, key: &Q, now_ms: u64) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let (value, until_ms) = self.0.get(key)?;
        (now_ms < *until_ms).then(|| value.clone())
    }
}

/// The time to live of a table before a change that still shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeToLiveBefore {
    /// No change of it shows.
    Unchanged,
    /// Items did not expire.
    Off,
    /// Items expired by this attribute.
    By(String),
}

/// The changes that currently show.
#[derive(Debug, Default)]
struct Showing {
    /// The last change of each existing table.
    changes: Until<TableId, Change>,
    /// Deleted tables as they were, by name.
    removals: Until<String, Arc<Table>>,
    times_to_live: Until<TableId, TimeToLiveBefore>,
}

/// Determines the statuses of tables in this region.
pub(crate) struct Lifecycle {
    region: Region,
    clock: Arc<dyn WallClock>,
    /// How long a change shows, in ms.
    lasting_ms: u64,
    showing: Mutex<Showing>,
}

impl Lifecycle {
    pub(crate) fn new(region: Region, clock: Arc<dyn WallClock>, lasting: Duration) -> Self {
        Self {
            region,
            clock,
            lasting_ms: u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX),
            showing: Mutex::default(),
        }
    }

    /// Records a change. Called before the change becomes visible, so that no client sees its end
    /// first.
    pub(super) fn begin(&self, table: TableId, change: Change) {
        debug_assert!(
            change.before.as_ref().is_none_or(|before| before.id == table),
            "the change must concern this table"
        );
        self.note(|showing, now_ms, lasting_ms| showing.changes.remember(table, change, now_ms, lasting_ms));
    }

    /// Records that a table is removed.
    pub(super) fn begin_removal(&self, table: &Arc<Table>) {
        let name = table.core.name.clone();
        self.note(|showing, now_ms, lasting_ms| {
            showing.removals.remember(name, Arc::clone(table), now_ms, lasting_ms);
        });
    }

    /// Records a change of a table's time to live; `before` is the previous attribute.
    pub(crate) fn begin_time_to_live(&self, table: TableId, before: Option<String>) {
        let before = before.map_or(TimeToLiveBefore::Off, TimeToLiveBefore::By);
        self.note(|showing, now_ms, lasting_ms| showing.times_to_live.remember(table, before, now_ms, lasting_ms));
    }

    /// The change of the table that currently shows, if any.
    pub(super) fn change(&self, table: TableId) -> Option<Change> {
        self.look(|showing, now_ms| showing.changes.get(&table, now_ms))
    }

    /// The table's time to live before a change that still shows.
    pub(crate) fn time_to_live_before(&self, table: TableId) -> TimeToLiveBefore {
        let before = self.look(|showing, now_ms| showing.times_to_live.get(&table, now_ms));
        before.unwrap_or(TimeToLiveBefore::Unchanged)
    }

    /// The removed table of that name, while its removal shows.
    pub(crate) fn removed(&self, name: &str) -> Option<Arc<Table>> {
        self.look(|showing, now_ms| showing.removals.get(name, now_ms))
    }

    /// The names of the tables whose removal shows.
    pub(super) fn removed_names(&self) -> Vec<String> {
        let shown = self.look(|showing, now_ms| {
            let removals = showing.removals.0.iter();
            let shown = removals.filter(|(_, (_, until_ms))| now_ms < *until_ms);
            Some(shown.map(|(name, _)| name.clone()).collect())
        });
        shown.unwrap_or_default()
    }

    /// The status of a table.
    pub(super) fn status(&self, table: &Table) -> TableStatus {
        table_status(table, &self.region, self.change(table.id).as_ref())
    }

    /// Whether an existing table still appears to clients as being created.
    pub(crate) fn is_creation(&self, table: TableId) -> bool {
        self.change(table).is_some_and(|change| change.is_creation())
    }

    /// Whether an existing global index still shows as being created.
    pub(crate) fn is_new_index(&self, table: &Table, name: &str) -> bool {
        let (Some(change), Some((index, state))) = (self.change(table.id), table.global_indexes.get(name)) else {
            return false;
        };
        index_status(name, index, *state, Some(&change)) == IndexStatus::Creating
    }

    /// The status of a table's stream; `enabled_ms` is when the stream was turned on.
    pub(crate) fn stream_status(&self, table: TableId, enabled_ms: u64, enabled: bool) -> StreamStatus {
        let change = self.change(table);
        let before = change
            .as_ref()
            .map(|change| change.before.as_ref().and_then(|table| table.stream));
        let was_enabled = before.map(|stream| stream.is_some_and(|stream| stream.enabled_ms == enabled_ms));
        match (enabled, was_enabled) {
            (true, Some(false)) => StreamStatus::Enabling,
            (true, _) => StreamStatus::Enabled,
            (false, Some(true)) => StreamStatus::Disabling,
            (false, _) => StreamStatus::Disabled,
        }
    }

    /// Finds a table by name, for an operation on the table itself.
    ///
    /// # Errors
    /// ResourceNotFoundException, or ResourceInUseException while its removal shows.
    pub(crate) fn find<'a>(&self, catalog: &'a Catalog, name: &str) -> Result<&'a Arc<Table>, ApiError> {
        match catalog.by_name.get(name) {
            Some(table) => Ok(table),
            None if self.removed(name).is_some() => Err(in_use(name, "deleted")),
            None => Err(not_found(name)),
        }
    }

    /// Rejects a change of settings while the table is being created or deleted.
    pub(crate) fn check_at_rest(&self, table: &Table) -> Result<(), ApiError> {
        match self.status(table) {
            TableStatus::Creating => Err(in_use(&table.core.name, "created")),
            TableStatus::Deleting => Err(in_use(&table.core.name, "deleted")),
            TableStatus::Updating | TableStatus::Active => Ok(()),
        }
    }

    fn note(&self, note: impl FnOnce(&mut Showing, u64, u64)) {
        if self.lasting_ms > 0 {
            note(&mut self.showing.lock(), self.clock.now_ms(), self.lasting_ms);
        }
    }

    fn look<T>(&self, look: impl FnOnce(&Showing, u64) -> Option<T>) -> Option<T> {
        if self.lasting_ms == 0 {
            return None;
        }
        look(&self.showing.lock(), self.clock.now_ms())
    }
}

/// The error for a missing table, in operations on the table itself.
pub(crate) fn not_found(name: &str) -> ApiError {
    ApiError::ResourceNotFound(format!("Requested resource not found: Table: {name} not found"))
}

/// The error for a table in a state that does not allow the operation.
pub(super) fn in_use(name: &str, what: &str) -> ApiError {
    still_in_use(&format!("Table is being {what}: {name}"))
}

/// The same error, for cases in which DynamoDB words it differently.
pub(super) fn still_in_use(why: &str) -> ApiError {
    ApiError::ResourceInUse(format!("Attempt to change a resource which is still in use: {why}"))
}
