//! The PutItem, UpdateItem and DeleteItem operations.

use std::sync::Arc;

use beringia_expression::Condition;
use beringia_item::{Item, KeyBytes};
use beringia_storage::{CommitError, Refusal, Table, WriteResult};

use crate::{
    ApiError, Engine,
    api::{
        DeleteItemInput, ItemCollectionMetrics, PutItemInput, ReturnConsumedCapacity, ReturnItemCollectionMetrics,
        ReturnValues, ReturnValuesOnConditionCheckFailure, UpdateItemInput, WriteItemOutput, WriteOptions,
    },
    attributes::{check_not_mixed, expected, updates},
    capacity::{Kind, Units},
    expressions::{update_and_condition, write_condition},
    keys::{Wording, check_write_paths, item_key, request_key},
    throttle::Use,
    write::{ConditionalWrite, check_measured_item, check_size, check_update},
};

/// The condition of PutItem or DeleteItem, which accept only two of the `ReturnValues`.
fn only_condition(options: &mut WriteOptions) -> Result<Option<Condition>, ApiError> {
    if !matches!(options.return_values, ReturnValues::AllOld | ReturnValues::None) {
        return Err(ApiError::validation("ReturnValues can only be ALL_OLD or NONE"));
    }
    check_not_mixed(
        &older(options),
        &[("ConditionExpression", options.condition_expression.is_some())],
    )?;
    let condition = write_condition(
        options.condition_expression.as_deref(),
        options.expression_attribute_names.take(),
        options.expression_attribute_values.take(),
    )?;
    match condition {
        Some(condition) => Ok(Some(condition)),
        None => expected(options.expected.take(), options.conditional_operator),
    }
}

/// The legacy parameters of a condition.
const fn older(options: &WriteOptions) -> [(&'static str, bool); 2] {
    [
        ("Expected", options.expected.is_some()),
        ("ConditionalOperator", options.conditional_operator.is_some()),
    ]
}

impl Engine {
    /// Puts a whole item, replacing an existing one.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ConditionalCheckFailedException,
    /// TransactionConflictException, a throttling exception, or the store's error.
    pub async fn put_item(&self, input: PutItemInput) -> Result<WriteItemOutput, ApiError> {
        let mut options = input.options;
        let condition = only_condition(&mut options)?;
        check_size(&input.item)?;
        let table = self.usable_table(&input.table_name)?;
        let key = item_key(&table, &input.item)?;
        check_measured_item(&table, &input.item)?;
        check_write_paths(&table, Wording::Request, None, condition.as_ref())?;
        let collection = collection_metrics(&table, &input.item, options.return_item_collection_metrics);
        let write = ConditionalWrite::put(input.item, condition);
        self.write_one(&table, key, write, &options, collection, |_| Item::new())
            .await
    }

    /// Changes attributes of an item, or creates the item.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ConditionalCheckFailedException,
    /// TransactionConflictException, a throttling exception, or the store's error.
    pub async fn update_item(&self, input: UpdateItemInput) -> Result<WriteItemOutput, ApiError> {
        let mut options = input.options;
        let [of_condition, operator] = older(&options);
        check_not_mixed(
            &[
                ("AttributeUpdates", input.attribute_updates.is_some()),
                of_condition,
                operator,
            ],
            &[
                ("UpdateExpression", input.update_expression.is_some()),
                ("ConditionExpression", options.condition_expression.is_some()),
            ],
        )?;
        let (mut update, mut condition) = update_and_condition(
            input.update_expression.as_deref(),
            options.condition_expression.as_deref(),
            options.expression_attribute_names.take(),
            options.expression_attribute_values.take(),
        )?;
        if update.is_none() && condition.is_none() {
            update = updates(input.attribute_updates.unwrap_or_default())?;
            condition = expected(options.expected.take(), options.conditional_operator)?;
        }
        let table = self.usable_table(&input.table_name)?;
        let key = request_key(&table, &input.key)?;
        check_update(&table, update.as_ref())?;
        check_write_paths(&table, Wording::Request, update.as_ref(), condition.as_ref())?;
        let update = update.map(Arc::new);
        let collection = collection_metrics(&table, &input.key, options.return_item_collection_metrics);
        // Only these need the update after the store has taken it along with the write.
        let returned = match options.return_values {
            ReturnValues::UpdatedOld | ReturnValues::UpdatedNew => update.clone(),
            _ => None,
        };
        let touched = |item: &Item| returned.as_ref().map(|update| update.touched(item)).unwrap_or_default();
        let write = ConditionalWrite::update(Arc::clone(&table), input.key, update, condition);
        self.write_one(&table, key, write, &options, collection, touched).await
    }

    /// Deletes an item. Deleting an item that does not exist is not an error.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ConditionalCheckFailedException,
    /// TransactionConflictException, a throttling exception, or the store's error.
    pub async fn delete_item(&self, input: DeleteItemInput) -> Result<WriteItemOutput, ApiError> {
        let mut options = input.options;
        let condition = only_condition(&mut options)?;
        let table = self.usable_table(&input.table_name)?;
        let key = request_key(&table, &input.key)?;
        check_write_paths(&table, Wording::Request, None, condition.as_ref())?;
        let collection = collection_metrics(&table, &input.key, options.return_item_collection_metrics);
        let write = ConditionalWrite::delete(condition);
        self.write_one(&table, key, write, &options, collection, |_| Item::new())
            .await
    }

    /// Commits a single write and answers with what `options` ask for. `touched` reduces an item to
    /// what an update writes.
    pub(crate) async fn write_one(
        &self,
        table: &Table,
        key: KeyBytes,
        write: ConditionalWrite,
        options: &WriteOptions,
        item_collection_metrics: Option<ItemCollectionMetrics>,
        touched: impl Fn(&Item) -> Item,
    ) -> Result<WriteItemOutput, ApiError> {
        // Acquire this first, so that a write that is rejected here has consumed nothing.
        let _held = self.contention.write((table.id, key.clone()))?;
        let reserved = self.throttle.reserve(table, Use::Write, || write.least_units(table))?;
        let wants_before = reserved.is_some()
            || options.return_consumed_capacity != ReturnConsumedCapacity::None
            || options.return_values_on_condition_check_failure == ReturnValuesOnConditionCheckFailure::AllOld
            || options.return_values != ReturnValues::None;
        let write = write.returning_before(wants_before).on(table, key);
        let committed = self.store.commit(vec![write]).await;
        self.throttle
            .charge_actual(table, Use::Write, reserved, || taken(table, &committed));
        let mut outcomes =
            committed.map_err(|error| refusal(error, options.return_values_on_condition_check_failure))?;
        let WriteResult { before, after, version } = outcomes.pop().unwrap_or_default();
        // If nothing was written, the item is unchanged.
        let after = if version.is_some() {
            after.map(Arc::unwrap_or_clone)
        } else {
            before.clone()
        };
        let consumed_capacity = if options.return_consumed_capacity == ReturnConsumedCapacity::None {
            None
        } else {
            let units = Units::of_write(table, before.as_ref(), after.as_ref());
            units.answer(options.return_consumed_capacity, &table.core.name, Kind::Plain)
        };
        let attributes = match options.return_values {
            ReturnValues::None => None,
            ReturnValues::AllOld => before,
            ReturnValues::AllNew => after,
            ReturnValues::UpdatedOld => before.as_ref().map(&touched).filter(|item| !item.is_empty()),
            ReturnValues::UpdatedNew => after.as_ref().map(&touched).filter(|item| !item.is_empty()),
        };
        Ok(WriteItemOutput {
            attributes,
            consumed_capacity,
            item_collection_metrics,
        })
    }
}

/// The throughput of the table that a single write consumed, if the previous item is known. A
/// failed condition consumes what writing the existing item would; a write that was never decided
/// consumes nothing.
pub(crate) fn taken(table: &Table, committed: &Result<Vec<WriteResult>, CommitError>) -> Units {
    match committed {
        Ok(outcomes) => outcomes.first().map_or_else(Units::default, |outcome| {
            let after = if outcome.version.is_some() {
                outcome.after.as_deref()
            } else {
                outcome.before.as_ref()
            };
            Units::of_write(table, outcome.before.as_ref(), after)
        }),
        Err(CommitError::Refused(reasons)) => match reasons.first() {
            Some(Some((Refusal::ConditionFailed, item))) => Units::of_write(table, item.as_ref(), item.as_ref()),
            _ => Units::default(),
        },
        Err(CommitError::Store(_)) => Units::default(),
    }
}

/// Converts the error of a single write.
pub(super) fn refusal(error: CommitError, item_on_failure: ReturnValuesOnConditionCheckFailure) -> ApiError {
    let reasons = match error {
        CommitError::Refused(reasons) => reasons,
        CommitError::Store(error) => return error.into(),
    };
    match reasons.into_iter().flatten().next() {
        Some((Refusal::ConditionFailed, item)) => ApiError::ConditionalCheckFailed {
            item: item.filter(|_| item_on_failure == ReturnValuesOnConditionCheckFailure::AllOld),
        },
        Some((Refusal::Invalid(message), _)) => ApiError::Validation(message),
        // A single write never repeats another one.
        Some((Refusal::Repeated, _)) | None => {
            ApiError::InternalServer("Internal server error: the store rejected a write without a reason".to_owned())
        }
    }
}

/// The item collection that a write with this key changed. Only tables with local indexes have
/// collections.
pub(crate) fn collection_metrics(
    table: &Table,
    key: &Item,
    wanted: ReturnItemCollectionMetrics,
) -> Option<ItemCollectionMetrics> {
    if wanted == ReturnItemCollectionMetrics::None || table.core.local_indexes.is_empty() {
        return None;
    }
    let partition = table.core.keys.partition.iter();
    let item_collection_key = partition
        .filter_map(|part| key.get(&part.name).map(|value| (part.name.clone(), value.clone())))
        .collect();
    // DynamoDB's estimate is a range, too. No collection is larger than its table.
    #[expect(clippy::cast_precision_loss, reason = "an estimate in whole gigabytes")]
    let upper = table.size.bytes().div_ceil(1 << 30).max(1) as f64;
    Some(ItemCollectionMetrics {
        item_collection_key,
        size_estimate_range_gb: [0.0, upper],
    })
}
