//! DeleteTable.

use beringia_item::Region;
use beringia_store::{Catalog, Edit, Replica, ReplicaStatus, Table};

use super::{describe::status, replicas::set_replica};
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
    /// A replica is first marked as `Deleting`, and goes when the other regions have its writes.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ResourceInUseException, or the store's.
    pub async fn delete_table(&self, input: DeleteTableInput) -> Result<TableDescription, ApiError> {
        let name = self.control_name(&input.table_name)?.to_owned();
        let region = self.region().clone();
        let now_ms = self.clock.now_ms();
        let before = self.store.catalog();
        let description = before.by_name.get(&name).map(|table| self.describe(table));
        let delete = move |catalog: &Catalog| -> Result<Vec<Edit>, Box<dyn std::error::Error + Send + Sync>> {
            let table = catalog.by_name.get(&name).ok_or_else(|| not_found(&name))?;
            check_deletable(table, &region)?;
            Ok(vec![delete_edit(table, &region, now_ms)])
        };
        self.store.change_schema(Box::new(delete)).await?;
        let mut description = description.ok_or_else(|| not_found(&input.table_name))?;
        description.table_status = TableStatus::Deleting;
        Ok(description)
    }
}

/// The table is not there, for operations on the table itself.
pub(crate) fn not_found(name: &str) -> ApiError {
    ApiError::ResourceNotFound(format!("Requested resource not found: Table: {name} not found"))
}

/// The table is in a state that does not allow the operation.
pub(super) fn in_use(name: &str, what: &str) -> ApiError {
    ApiError::ResourceInUse(format!(
        "Attempt to change a resource which is still in use: Table is being {what}: {name}"
    ))
}

/// Refuses a change of settings while the table comes to be or goes.
pub(crate) fn check_at_rest(table: &Table, region: &Region) -> Result<(), ApiError> {
    match status(table, region) {
        TableStatus::Creating => Err(in_use(&table.core.name, "created")),
        TableStatus::Deleting => Err(in_use(&table.core.name, "deleted")),
        TableStatus::Updating | TableStatus::Active => Ok(()),
    }
}

fn check_deletable(table: &Table, region: &Region) -> Result<(), ApiError> {
    let name = &table.core.name;
    check_at_rest(table, region)?;
    if status(table, region) == TableStatus::Updating {
        return Err(in_use(name, "updated"));
    }
    if table.local.deletion_protection {
        return Err(ApiError::validation(
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
        ));
    }
    Ok(())
}

/// A regional table and a last replica go at once; another replica must first hand over its writes.
fn delete_edit(table: &Table, region: &Region, now_ms: u64) -> Edit {
    let remains = |(other, replica): (&Region, &Replica)| other != region && replica.status.is_member();
    if !table.replicas.iter().any(remains) {
        return Edit::Drop { table: table.id };
    }
    set_replica(table, region, ReplicaStatus::Deleting, now_ms)
}
