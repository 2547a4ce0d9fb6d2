//! GetItem.

use beringia_item::{Item, item_size};

use crate::{
    ApiError, Engine,
    api::{GetItemInput, GetItemOutput, ReturnConsumedCapacity},
    capacity::{Kind, Units, read_units},
    expressions::read_projection,
    keys::request_key,
    throttle::Use,
};

impl Engine {
    /// Reads one item.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, what throttles, or the store's.
    pub async fn get_item(&self, input: GetItemInput) -> Result<GetItemOutput, ApiError> {
        let projection = read_projection(
            input.projection_expression.as_deref(),
            input.expression_attribute_names,
            input.attributes_to_get,
        )?;
        let table = self.usable_table(&input.table_name)?;
        let key = request_key(&table, &input.key)?;
        let units_of = |item: Option<&Item>| {
            let bytes = item.map_or(0, item_size);
            Units::of_table(read_units(bytes, input.consistent_read))
        };
        let reserved = self.throttle.reserve(&table, Use::Read, || units_of(None))?;
        let found = match self.moment(input.consistent_read) {
            None => self.store.get(table.id, &key).await?,
            Some(at) => self.store.get_many_at(vec![(table.id, key)], at).await?.pop().flatten(),
        };
        let item = found.map(|(_, item)| item);
        self.throttle
            .settle(&table, Use::Read, reserved, || units_of(item.as_ref()));
        let consumed_capacity = if input.return_consumed_capacity == ReturnConsumedCapacity::None {
            None
        } else {
            units_of(item.as_ref()).answer(input.return_consumed_capacity, &table.core.name, Kind::Plain)
        };
        let item = match projection {
            Some(projection) => item.map(|item| projection.apply(&item)),
            None => item,
        };
        Ok(GetItemOutput {
            item,
            consumed_capacity,
        })
    }
}
