//! TransactGetItems.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::item_size;

use super::{TRANSACTION_BYTES, check_count, invalid_action, repeated_item, too_large};
use crate::{
    ApiError, Engine,
    api::{TransactGetItemsInput, TransactGetItemsOutput},
    capacity::{Kind, Units, read_units},
    expressions::read_projection,
    keys::request_key,
    throttle::Use,
};

/// What a transaction costs, compared to the same reads and writes without one.
pub(super) const FACTOR: f64 = 2.0;

impl Engine {
    /// Reads up to 100 items as of one moment.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, TransactionCanceledException, or the store's.
    pub async fn transact_get_items(&self, input: TransactGetItemsInput) -> Result<TransactGetItemsOutput, ApiError> {
        let count = input.transact_items.len();
        check_count(count)?;
        let mut gets = Vec::with_capacity(count);
        for get in input.transact_items {
            let projection = read_projection(
                get.projection_expression.as_deref(),
                get.expression_attribute_names,
                None,
            )?;
            gets.push((self.usable_table(&get.table_name)?, get.key, projection));
        }
        let mut wanted = Vec::with_capacity(count);
        for (index, (table, key, _)) in gets.iter().enumerate() {
            let key = request_key(table, key).map_err(|error| invalid_action(count, index, error))?;
            wanted.push((table.id, key));
        }
        if wanted.iter().collect::<BTreeSet<_>>().len() < count {
            return Err(repeated_item());
        }
        let units_of = |bytes| Units::of_table(read_units(bytes, true) * FACTOR);
        let tables = gets.iter().map(|(table, ..)| (table.as_ref(), units_of(0)));
        let reserved = self.reserve_all(Use::Read, tables)?;
        self.contention.read(&wanted)?;
        let found = self.store.get_many(wanted).await?;

        let mut bytes = 0;
        let mut consumed: BTreeMap<&str, Units> = BTreeMap::new();
        let mut responses = Vec::with_capacity(count);
        for (((table, _, projection), row), reserved) in gets.iter().zip(found).zip(reserved) {
            let item = row.map(|(_, item)| item);
            let size = item.as_ref().map_or(0, item_size);
            bytes += size;
            self.throttle.settle(table, Use::Read, reserved, || units_of(size));
            *consumed.entry(&table.core.name).or_default() += units_of(size);
            responses.push(match projection {
                Some(projection) => item.map(|item| projection.apply(&item)),
                None => item,
            });
        }
        if bytes > TRANSACTION_BYTES {
            return Err(too_large());
        }
        let answer =
            |(table, units): (&str, Units)| units.answer(input.return_consumed_capacity, table, Kind::TransactRead);
        let consumed: Vec<_> = consumed.into_iter().filter_map(answer).collect();
        Ok(TransactGetItemsOutput {
            responses,
            consumed_capacity: (!consumed.is_empty()).then_some(consumed),
        })
    }
}
