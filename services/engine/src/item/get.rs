//! Implements the GetItem operation.

use beringia_expression::{Condition, Projection};
use beringia_item::{Item, KeyBytes, item_size};
use beringia_storage::Table;

use crate::{
    ApiError, Engine,
    api::{GetItemInput, GetItemOutput, ReturnConsumedCapacity},
    capacity::{Kind, Units, read_units},
    expressions::read_projection,
    keys::{Wording, check_read_paths, request_key},
    throttle::Use,
};

/// The read of one item.
#[derive(Default)]
pub(crate) struct OneItem {
    /// The condition that the item must meet; an item that does not is treated as missing.
    pub(crate) filter: Option<Condition>,
    /// The attributes to return; `None` returns all.
    pub(crate) projection: Option<Projection>,
    pub(crate) consistent: bool,
    pub(crate) capacity: ReturnConsumedCapacity,
}

impl Engine {
    /// Reads one item by its key.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, a throttling exception, or the store's
    /// error.
    pub async fn get_item(&self, input: GetItemInput) -> Result<GetItemOutput, ApiError> {
        let projection = read_projection(
            input.projection_expression.as_deref(),
            input.expression_attribute_names,
            input.attributes_to_get,
        )?;
        let table = self.usable_table(&input.table_name)?;
        let key = request_key(&table, &input.key)?;
        check_read_paths(&table, Wording::Request, None, projection.as_ref())?;
        let wanted = OneItem {
            filter: None,
            projection,
            consistent: input.consistent_read,
            capacity: input.return_consumed_capacity,
        };
        self.get_one(&table, &key, wanted).await
    }

    /// Reads the item with the given key.
    pub(crate) async fn get_one(
        &self,
        table: &Table,
        key: &KeyBytes,
        wanted: OneItem,
    ) -> Result<GetItemOutput, ApiError> {
        let units_of = |item: Option<&Item>| {
            let bytes = item.map_or(0, item_size);
            Units::of_table(read_units(bytes, wanted.consistent))
        };
        let reserved = self.throttle.reserve(table, Use::Read, || units_of(None))?;
        let found = match self.as_of(wanted.consistent) {
            None => self.store.get(table.id, key).await?,
            Some(at) => {
                let found = self.store.get_many_at(vec![(table.id, key.clone())], at).await?;
                found.into_iter().next().flatten()
            }
        };
        let item = found.map(|(_, item)| item);
        self.throttle
            .charge_actual(table, Use::Read, reserved, || units_of(item.as_ref()));
        let consumed_capacity = if wanted.capacity == ReturnConsumedCapacity::None {
            None
        } else {
            units_of(item.as_ref()).answer(wanted.capacity, &table.core.name, Kind::Plain)
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
