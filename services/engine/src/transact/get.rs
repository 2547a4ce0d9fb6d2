//! Implements the TransactGetItems operation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_expression::{Condition, Projection};
use beringia_item::{Item, KeyBytes, TableId, item_size};
use beringia_storage::Table;

use super::{TRANSACTION_BYTES, check_count, invalid_action, repeated_item, too_large};
use crate::{
    ApiError, Engine,
    api::{TransactGetItemsInput, TransactGetItemsOutput},
    capacity::{Kind, Units, read_units},
    expressions::read_projection,
    keys::{Wording, check_not_empty, check_read_paths, request_key},
    throttle::Use,
};

/// One read of a transaction.
pub(super) struct Get {
    pub(super) table: Arc<Table>,
    pub(super) key: KeyBytes,
    /// The condition that the item must meet; an item that does not is treated as missing.
    pub(super) filter: Option<Condition>,
    /// The attributes to return; `None` returns all.
    pub(super) projection: Option<Projection>,
}

impl Engine {
    /// Reads up to 100 items from one snapshot.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, TransactionCanceledException, or the store's
    /// error.
    pub async fn transact_get_items(&self, input: TransactGetItemsInput) -> Result<TransactGetItemsOutput, ApiError> {
        let count = input.transact_items.len();
        check_count("transactItems", count)?;
        let mut gets = Vec::with_capacity(count);
        for get in input.transact_items {
            // Unlike outside transactions, names may be given without an expression.
            let names = get
                .expression_attribute_names
                .filter(|_| get.projection_expression.is_some());
            let projection = read_projection(get.projection_expression.as_deref(), names, None)?;
            gets.push((self.usable_table(&get.table_name)?, get.key, projection));
        }
        for (table, key, _) in &gets {
            check_not_empty(table, key)?;
        }
        let mut wanted = Vec::with_capacity(count);
        for (index, (table, key, projection)) in gets.into_iter().enumerate() {
            let key = request_key(&table, &key).map_err(|error| invalid_action(count, index, error))?;
            check_read_paths(&table, Wording::Request, None, projection.as_ref())?;
            wanted.push(Get {
                table,
                key,
                filter: None,
                projection,
            });
        }
        let found = self.get_all(&wanted).await?;
        let mut consumed: BTreeMap<&str, Units> = BTreeMap::new();
        let mut responses = Vec::with_capacity(count);
        for (get, (item, units)) in wanted.iter().zip(found) {
            *consumed.entry(&get.table.core.name).or_default() += units;
            responses.push(item);
        }
        let answer =
            |(table, units): (&str, Units)| units.answer(input.return_consumed_capacity, table, Kind::TransactRead);
        let consumed: Vec<_> = consumed.into_iter().filter_map(answer).collect();
        Ok(TransactGetItemsOutput {
            responses,
            consumed_capacity: (!consumed.is_empty()).then_some(consumed),
        })
    }

    /// Reads all items from one snapshot, and returns what each read consumed.
    pub(super) async fn get_all(&self, gets: &[Get]) -> Result<Vec<(Option<Item>, Units)>, ApiError> {
        let wanted: Vec<(TableId, KeyBytes)> = gets.iter().map(|get| (get.table.id, get.key.clone())).collect();
        if wanted.iter().collect::<BTreeSet<_>>().len() < wanted.len() {
            return Err(repeated_item());
        }
        let units_of = |bytes| Units::of_table(read_units(bytes, true)).in_transaction();
        let tables = gets.iter().map(|get| (get.table.as_ref(), units_of(0)));
        self.contention.read(&wanted)?;
        let reserved = self.reserve_all(Use::Read, tables)?;
        let found = self.store.get_many(wanted).await?;

        let mut bytes = 0;
        let mut answers = Vec::with_capacity(gets.len());
        for ((get, row), reserved) in gets.iter().zip(found).zip(reserved) {
            let item = row.map(|(_, item)| item);
            let size = item.as_ref().map_or(0, item_size);
            bytes += size;
            let units = units_of(size);
            self.throttle
                .charge_actual(&get.table, Use::Read, reserved, || units.clone());
            let item = item.filter(|item| get.filter.as_ref().is_none_or(|filter| filter.matches(item)));
            let item = match &get.projection {
                Some(projection) => item.map(|item| projection.apply(&item)),
                None => item,
            };
            answers.push((item, units));
        }
        if bytes > TRANSACTION_BYTES {
            return Err(too_large());
        }
        Ok(answers)
    }
}
