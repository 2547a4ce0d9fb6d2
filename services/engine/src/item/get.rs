//! GetItem.

use beringia_expression::{Condition, Projection};
use beringia_item::{KeyBytes, item_size};
use beringia_store::Table;

use crate::{
    ApiError, Engine,
    api::{GetItemInput, GetItemOutput, ReturnConsumedCapacity},
    capacity::{Kind, Units, read_units},
    expressions::read_projection,
    keys::request_key,
};

/// What is wanted of one item.
#[derive(Default)]
pub(crate) struct OneItem {
    /// What must hold of it; otherwise it is as if it were not there.
    pub(crate) filter: Option<Condition>,
    /// Which parts.
    pub(crate) projection: Option<Projection>,
    pub(crate) consistent: bool,
    pub(crate) capacity: ReturnConsumedCapacity,
}

impl Engine {
    /// Reads one item.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, or the store's.
    pub async fn get_item(&self, input: GetItemInput) -> Result<GetItemOutput, ApiError> {
        let projection = read_projection(
            input.projection_expression.as_deref(),
            input.expression_attribute_names,
            input.attributes_to_get,
        )?;
        let table = self.usable_table(&input.table_name)?;
        let key = request_key(&table, &input.key)?;
        let wanted = OneItem {
            filter: None,
            projection,
            consistent: input.consistent_read,
            capacity: input.return_consumed_capacity,
        };
        self.get_one(&table, &key, wanted).await
    }

    /// Reads the item with that key.
    pub(crate) async fn get_one(
        &self,
        table: &Table,
        key: &KeyBytes,
        wanted: OneItem,
    ) -> Result<GetItemOutput, ApiError> {
        let item = self.store.get(table.id, key).await?.map(|(_, item)| item);
        let consumed_capacity = if wanted.capacity == ReturnConsumedCapacity::None {
            None
        } else {
            let bytes = item.as_ref().map_or(0, item_size);
            let units = Units::of_table(read_units(bytes, wanted.consistent));
            units.answer(wanted.capacity, &table.core.name, Kind::Plain)
        };
        let item = item.filter(|item| wanted.filter.as_ref().is_none_or(|filter| filter.matches(item)));
        let item = match wanted.projection {
            Some(projection) => item.map(|item| projection.apply(&item)),
            None => item,
        };
        Ok(GetItemOutput {
            item,
            consumed_capacity,
        })
    }
}
