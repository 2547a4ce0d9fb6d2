//! Implements the DeleteTable operation.

use std::sync::Arc;

use beringia_item::Region;
use beringia_storage::{Catalog, Edit, IndexState, Replica, ReplicaStatus, SchemaRefusal, Table};
use parking_lot::Mutex;

use super::{
    lifecycle::{Lifecycle, not_found, still_in_use},
    replicas::set_replica,
    transition::{Beginning, Decided, Transition},
};
use crate::{
    ApiError, Engine,
    api::{DeleteTableInput, TableDescription, TableStatus},
    engine::{HIDDEN, check_table_name},
    names::table_name,
};

impl Engine {
    /// The name in the `TableName` parameter of an operation on the table itself.
    pub(crate) fn control_name<'a>(&self, parameter: &'a str) -> Result<&'a str, ApiError> {
        let name = table_name(parameter, self.region())?;
        check_table_name(name)?;
        debug_assert!(!name.starts_with(HIDDEN), "no well-formed name is hidden");
        Ok(name)
    }

    /// Deletes a table; of a global table, this region's replica.
    ///
    /// A replica is first marked as `Deleting`, and is dropped once the other regions have its
    /// writes.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ResourceInUseException, or the store's
    /// error.
    pub async fn delete_table(&self, input: DeleteTableInput) -> Result<TableDescription, ApiError> {
        let name = self.control_name(&input.table_name)?.to_owned();
        let region = self.region().clone();
        let now_ms = self.clock.now_ms();
        let lifecycle = Arc::clone(&self.lifecycle);
        let deleted = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&deleted);
        let delete = move |catalog: &Catalog| -> Result<Decided, SchemaRefusal> {
            let table = lifecycle.find(catalog, &name)?;
            check_deletable(table, &lifecycle)?;
            let edit = delete_edit(table, &region, now_ms);
            *noted.lock() = Some(Arc::clone(table));
            let removal = matches!(edit, Edit::Drop { .. }).then(|| Beginning::Removed(Arc::clone(table)));
            Ok((vec![edit], removal))
        };
        self.store
            .change_schema(Transition::boxed(&self.lifecycle, delete))
            .await?;
        let deleted = deleted.lock().take().ok_or_else(|| not_found(&input.table_name))?;
        Ok(TableDescription {
            table_status: TableStatus::Deleting,
            ..self.describe(&deleted, None)
        })
    }
}

fn check_deletable(table: &Table, lifecycle: &Lifecycle) -> Result<(), ApiError> {
    let name = &table.core.name;
    lifecycle.check_at_rest(table)?;
    if table
        .global_indexes
        .values()
        .any(|(_, state)| *state != IndexState::Active)
    {
        return Err(still_in_use(
            "Cannot delete table while indexes are being created, updated, or deleted.",
        ));
    }
    if lifecycle.status(table) == TableStatus::Updating {
        return Err(still_in_use(&format!(
            "Table: {name} is in the process of being updated."
        )));
    }
    if lifecycle.change(table.id).is_some_and(|change| change.encrypts()) {
        return Err(still_in_use("Server-Side Encryption is still being updated"));
    }
    if table.local.deletion_protection {
        return Err(ApiError::validation(
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
        ));
    }
    Ok(())
}

/// A regional table or a last replica is dropped at once; any other replica must first ship its
/// writes.
fn delete_edit(table: &Table, region: &Region, now_ms: u64) -> Edit {
    let remains = |(other, replica): (&Region, &Replica)| other != region && replica.status.is_member();
    if !table.replicas.iter().any(remains) {
        return Edit::Drop { table: table.id };
    }
    set_replica(table, region, ReplicaStatus::Deleting, now_ms)
}
