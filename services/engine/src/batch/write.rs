//! Implements the BatchWriteItem operation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_item::{Item, KeyBytes};
use beringia_storage::{CommitError, Table};
use futures_util::future::join_all;

use super::DUPLICATES;
use crate::{
    ApiError, Engine,
    api::{BatchWriteItemInput, BatchWriteItemOutput, ItemCollectionMetrics, ReturnConsumedCapacity, WriteRequest},
    capacity::{Kind, Units},
    item::{collection_metrics, taken},
    keys::{KEY_MISMATCH, request_key},
    throttle::Use,
    write::{ConditionalWrite, check_measured_item, check_size},
};

/// The maximum number of writes in one request.
const WRITES_MAX: usize = 25;

/// One write, after its checks.
struct BatchedWrite {
    /// The table's name as the request gives it.
    name: String,
    table: Arc<Table>,
    key: KeyBytes,
    request: WriteRequest,
}

impl Engine {
    /// Puts and deletes up to 25 items. Each write succeeds or fails independently.
    ///
    /// # Errors
    /// ValidationException or ResourceNotFoundException, before anything is written; a throttling
    /// exception or the store's error, if no write succeeded.
    pub async fn batch_write_item(&self, input: BatchWriteItemInput) -> Result<BatchWriteItemOutput, ApiError> {
        check_form(&input.request_items)?;
        let (mut writes, mut seen) = (Vec::new(), BTreeSet::new());
        for (name, requests) in input.request_items {
            let table = self.usable_table(&name)?;
            for request in requests {
                let key = request_item_key(&table, &request)?;
                // Compare table ids, since one request can name a table by its name and by its ARN.
                if !seen.insert((table.id, key.clone())) {
                    return Err(ApiError::validation(DUPLICATES));
                }
                writes.push(BatchedWrite {
                    name: name.clone(),
                    table: Arc::clone(&table),
                    key,
                    request,
                });
            }
        }
        let wants_units = input.return_consumed_capacity != ReturnConsumedCapacity::None;
        let results = join_all(writes.iter().map(|write| self.write_batched(write, wants_units))).await;

        let mut output = BatchWriteItemOutput::default();
        let mut consumed: BTreeMap<String, Units> = BTreeMap::new();
        let mut metrics: BTreeMap<String, Vec<ItemCollectionMetrics>> = BTreeMap::new();
        let mut failure = None;
        let mut written = 0;
        for (write, result) in writes.into_iter().zip(results) {
            match result {
                Ok(units) => {
                    written += 1;
                    *consumed.entry(write.table.core.name.clone()).or_default() += units;
                    let (WriteRequest::Put { item: key } | WriteRequest::Delete { key }) = &write.request;
                    let collection = collection_metrics(&write.table, key, input.return_item_collection_metrics);
                    if let Some(collection) = collection {
                        metrics.entry(write.name).or_default().push(collection);
                    }
                }
                Err(error) => {
                    // BatchWriteItem does not report transaction conflicts: the write is returned
                    // as unprocessed.
                    if !matches!(error, ApiError::TransactionConflict(_)) {
                        failure.get_or_insert(error);
                    }
                    output
                        .unprocessed_items
                        .entry(write.name)
                        .or_default()
                        .push(write.request);
                }
            }
        }
        if let Some(error) = failure.filter(|_| written == 0) {
            return Err(error);
        }
        let answer =
            |(table, units): (String, Units)| units.answer(input.return_consumed_capacity, &table, Kind::Plain);
        let consumed: Vec<_> = consumed.into_iter().filter_map(answer).collect();
        output.consumed_capacity = (!consumed.is_empty()).then_some(consumed);
        output.item_collection_metrics = (!metrics.is_empty()).then_some(metrics);
        Ok(output)
    }
}

impl Engine {
    /// Executes one write and returns what it consumed. The result is an estimate unless
    /// `wants_units` is set or the table is limited.
    async fn write_batched(&self, write: &BatchedWrite, wants_units: bool) -> Result<Units, ApiError> {
        let table = &write.table;
        let change = match &write.request {
            WriteRequest::Put { item } => ConditionalWrite::put(item.clone(), None),
            WriteRequest::Delete { .. } => ConditionalWrite::delete(None),
        };
        // Acquire this first, so that a write that is returned as unprocessed has consumed nothing.
        let _held = self.contention.write((table.id, write.key.clone()))?;
        let reserved = self.throttle.reserve(table, Use::Write, || change.least_units(table))?;
        let change = change.returning_before(wants_units || reserved.is_some());
        let committed = self.store.commit(vec![change.on(table, write.key.clone())]).await;
        let units = taken(table, &committed);
        self.throttle
            .charge_actual(table, Use::Write, reserved, || units.clone());
        match committed {
            Ok(_) => Ok(units),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(CommitError::Refused(_)) => Err(ApiError::InternalServer(
                "Internal server error: the store rejected a write".to_owned(),
            )),
        }
    }
}

fn check_form(request_items: &BTreeMap<String, Vec<WriteRequest>>) -> Result<(), ApiError> {
    let constraint = |value: &str, constraint: &str| Err(ApiError::constraint(value, "requestItems", constraint));
    if request_items.is_empty() {
        return Err(ApiError::validation(
            "The requestItems parameter is required for BatchWriteItem",
        ));
    }
    if request_items
        .values()
        .any(|requests| requests.is_empty() || requests.len() > WRITES_MAX)
    {
        return constraint(
            "'{...}'",
            "Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length \
             greater than or equal to 1]",
        );
    }
    if request_items.values().map(Vec::len).sum::<usize>() > WRITES_MAX {
        return Err(ApiError::validation(
            "Too many items requested for the BatchWriteItem call",
        ));
    }
    for request in request_items.values().flatten() {
        if let WriteRequest::Put { item } = request {
            check_size(item)?;
        }
    }
    Ok(())
}

/// The key of the item that a request writes. Checks everything about the item.
fn request_item_key(table: &Table, request: &WriteRequest) -> Result<KeyBytes, ApiError> {
    match request {
        WriteRequest::Put { item } => {
            let key = put_key(table, item)?;
            check_measured_item(table, item)?;
            Ok(key)
        }
        WriteRequest::Delete { key } => request_key(table, key),
    }
}

/// The key of an item to put. In a batch, DynamoDB does not say what is wrong with the key.
fn put_key(table: &Table, item: &Item) -> Result<KeyBytes, ApiError> {
    let keys = &table.core.keys;
    let key_attributes: Item = crate::keys::parts(keys)
        .filter_map(|part| item.get_key_value(&part.name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if key_attributes.len() < keys.partition.len() + keys.sort.len() {
        return Err(ApiError::validation(KEY_MISMATCH));
    }
    request_key(table, &key_attributes)
}
