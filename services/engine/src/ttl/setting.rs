//! Implements UpdateTimeToLive and DescribeTimeToLive.

use std::sync::Arc;

use beringia_storage::{Aspect, Catalog, Edit, SchemaRefusal, Table};

use crate::{
    ApiError, Engine,
    api::{
        DescribeTimeToLiveInput, DescribeTimeToLiveOutput, TimeToLiveSpecification, TimeToLiveStatus,
        UpdateTimeToLiveInput, UpdateTimeToLiveOutput,
    },
    constraint::Constraints,
    table::{Beginning, Decided, TimeToLiveBefore, Transition, not_found},
};

/// Bounds of the length of the attribute's name, in characters.
const ATTRIBUTE_LENGTH: (usize, usize) = (1, 255);

impl Engine {
    /// Turns the expiry of a table's items on or off, in all its regions. Unlike in DynamoDB, it
    /// can be changed again at once, unless changes are configured to be slow.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ResourceInUseException, or the store's
    /// error.
    pub async fn update_time_to_live(&self, input: UpdateTimeToLiveInput) -> Result<UpdateTimeToLiveOutput, ApiError> {
        let name = self.control_name(&input.table_name)?.to_owned();
        let specification = input.time_to_live_specification;
        let mut constraints = Constraints::default();
        let member = "timeToLiveSpecification.attributeName";
        constraints.text_length(member, &specification.attribute_name, ATTRIBUTE_LENGTH);
        constraints.finish()?;
        let (wanted, lifecycle) = (specification.clone(), Arc::clone(&self.lifecycle));
        let change = move |catalog: &Catalog| -> Result<Decided, SchemaRefusal> {
            let table = lifecycle.find(catalog, &name)?;
            lifecycle.check_at_rest(table)?;
            if lifecycle.time_to_live_before(table.id) != TimeToLiveBefore::Unchanged {
                return Err(Box::new(ApiError::validation(
                    "Time to live has been modified multiple times within a fixed interval",
                )));
            }
            let aspect = Aspect::TimeToLive(changed(table, wanted.clone())?);
            let edit = Edit::Set {
                table: table.id,
                aspect,
            };
            let beginning = Beginning::TimeToLive(table.id, table.time_to_live.clone());
            Ok((vec![edit], Some(beginning)))
        };
        self.store
            .change_schema(Transition::boxed(&self.lifecycle, change))
            .await?;
        Ok(UpdateTimeToLiveOutput {
            time_to_live_specification: specification,
        })
    }

    /// Reports whether a table's items expire.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException.
    #[expect(clippy::unused_async, reason = "all operations are called alike")]
    pub async fn describe_time_to_live(
        &self,
        input: DescribeTimeToLiveInput,
    ) -> Result<DescribeTimeToLiveOutput, ApiError> {
        let name = self.control_name(&input.table_name)?;
        let catalog = self.store.catalog();
        let Some(table) = catalog.by_name.get(name) else {
            let removed = self.lifecycle.removed(name);
            return Err(removed.map_or_else(|| not_found(name), |_| in_state("DELETING")));
        };
        if self.lifecycle.is_creation(table.id) {
            return Err(in_state("CREATING"));
        }
        let (time_to_live_status, attribute_name) =
            match (&table.time_to_live, self.lifecycle.time_to_live_before(table.id)) {
                (Some(now), TimeToLiveBefore::Off) => (TimeToLiveStatus::Enabling, Some(now.clone())),
                (Some(now), TimeToLiveBefore::By(before)) if before != *now => {
                    (TimeToLiveStatus::Enabling, Some(now.clone()))
                }
                (Some(now), _) => (TimeToLiveStatus::Enabled, Some(now.clone())),
                (None, TimeToLiveBefore::By(before)) => (TimeToLiveStatus::Disabling, Some(before)),
                (None, _) => (TimeToLiveStatus::Disabled, None),
            };
        Ok(DescribeTimeToLiveOutput {
            time_to_live_status,
            attribute_name,
        })
    }
}

/// The error for a table that is being created or deleted.
fn in_state(state: &str) -> ApiError {
    ApiError::Validation(format!(
        "Cannot describe time to live while table is in {state} state: Current table state is {state}"
    ))
}

/// The new expiry attribute; `None` turns expiry off.
fn changed(table: &Table, wanted: TimeToLiveSpecification) -> Result<Option<String>, ApiError> {
    let TimeToLiveSpecification {
        enabled,
        attribute_name,
    } = wanted;
    match (&table.time_to_live, enabled) {
        (Some(current), _) if *current != attribute_name => Err(ApiError::Validation(format!(
            "TimeToLive is active on a different AttributeName: current AttributeName is {current}"
        ))),
        (Some(_), true) => Err(ApiError::validation("TimeToLive is already enabled")),
        (None, false) => Err(ApiError::validation("TimeToLive is already disabled")),
        (Some(_), false) => Ok(None),
        (None, true) => Ok(Some(attribute_name)),
    }
}
