//! UpdateTimeToLive and DescribeTimeToLive.

use beringia_store::{Aspect, Catalog, Edit, Table};

use crate::{
    ApiError, Engine,
    api::{
        DescribeTimeToLiveInput, DescribeTimeToLiveOutput, TimeToLiveSpecification, TimeToLiveStatus,
        UpdateTimeToLiveInput, UpdateTimeToLiveOutput,
    },
    constraint::Constraints,
    table::{check_at_rest, not_found},
};

/// Bounds of the attribute's name, characters.
const ATTRIBUTE_LENGTH: (usize, usize) = (1, 255);

impl Engine {
    /// Turns the expiry of a table's items on or off, in all its regions. Unlike DynamoDB, it can be changed again at once.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ResourceInUseException, or the store's.
    pub async fn update_time_to_live(&self, input: UpdateTimeToLiveInput) -> Result<UpdateTimeToLiveOutput, ApiError> {
        let name = self.control_name(&input.table_name)?.to_owned();
        let specification = input.time_to_live_specification;
        let mut constraints = Constraints::default();
        let member = "timeToLiveSpecification.attributeName";
        constraints.text_length(member, &specification.attribute_name, ATTRIBUTE_LENGTH);
        constraints.finish()?;
        let (wanted, region) = (specification.clone(), self.region().clone());
        let change = move |catalog: &Catalog| -> Result<Vec<Edit>, Box<dyn std::error::Error + Send + Sync>> {
            let table = catalog.by_name.get(&name).ok_or_else(|| not_found(&name))?;
            check_at_rest(table, &region)?;
            let aspect = Aspect::TimeToLive(changed(table, wanted)?);
            Ok(vec![Edit::Set {
                table: table.id,
                aspect,
            }])
        };
        self.store.change_schema(Box::new(change)).await?;
        Ok(UpdateTimeToLiveOutput {
            time_to_live_specification: specification,
        })
    }

    /// Tells whether a table's items expire.
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
        let table = catalog.by_name.get(name).ok_or_else(|| not_found(name))?;
        Ok(DescribeTimeToLiveOutput {
            time_to_live_status: match table.time_to_live {
                Some(_) => TimeToLiveStatus::Enabled,
                None => TimeToLiveStatus::Disabled,
            },
            attribute_name: table.time_to_live.clone(),
        })
    }
}

/// The new attribute; `None` for none.
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
