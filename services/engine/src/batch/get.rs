//! Implements the BatchGetItem operation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_expression::Projection;
use beringia_item::{Item, KeyBytes, TableId, item_size};
use beringia_storage::Table;

use super::{BATCH_BYTES, DUPLICATES};
use crate::{
    ApiError, Engine,
    api::{BatchGetItemInput, BatchGetItemOutput, KeysAndAttributes},
    capacity::{Kind, Units, read_units},
    constraint::Constraints,
    expressions::read_projection,
    keys::{Wording, check_read_paths, request_key},
    throttle::Use,
};

/// The maximum number of keys in one request.
const KEYS_MAX: usize = 100;

/// The checked keys of one table.
struct TableGets {
    /// The table's name as the request gives it.
    name: String,
    table: Arc<Table>,
    keys: Vec<KeyBytes>,
    /// How many of the keys are read: as many as the table's throughput allows.
    admitted: usize,
    projection: Option<Projection>,
    consistent: bool,
    /// The original request, for keys that stay unprocessed.
    request: KeysAndAttributes,
}

impl Engine {
    /// Reads up to 100 items of several tables. All consistent reads see one snapshot of the
    /// region, and all eventually consistent reads see one.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, a throttling exception if nothing could be
    /// read, or the store's error.
    pub async fn batch_get_item(&self, input: BatchGetItemInput) -> Result<BatchGetItemOutput, ApiError> {
        check_form(&input.request_items)?;
        let mut requests = Vec::with_capacity(input.request_items.len());
        for (name, request) in input.request_items {
            let projection = read_projection(
                request.projection_expression.as_deref(),
                request.expression_attribute_names.clone(),
                request.attributes_to_get.clone(),
            )?;
            requests.push((name, request, projection));
        }
        let gets = requests
            .into_iter()
            .map(|(name, request, projection)| self.table_gets(name, request, projection));
        let mut gets: Vec<TableGets> = gets.collect::<Result<_, _>>()?;
        let keys_of = |of: &TableGets| of.keys.iter().map(|key| (of.table.id, key.clone())).collect::<Vec<_>>();
        let asked: Vec<(TableId, KeyBytes)> = gets.iter().flat_map(keys_of).collect();
        if asked.iter().collect::<BTreeSet<_>>().len() < asked.len() {
            return Err(ApiError::validation(DUPLICATES));
        }
        let reserved = self.admit(&mut gets)?;
        let mut found = [false, true].map(|_| Vec::new().into_iter());
        for consistent in [false, true] {
            let of_kind = gets.iter().filter(|of| of.consistent == consistent);
            let wanted: Vec<_> = of_kind
                .flat_map(|of| keys_of(of).into_iter().take(of.admitted))
                .collect();
            if !wanted.is_empty() {
                let rows = self.get_many(wanted, self.as_of(consistent)).await?;
                found[usize::from(consistent)] = rows.into_iter();
            }
        }

        let mut output = BatchGetItemOutput::default();
        let mut consumed: BTreeMap<String, Units> = BTreeMap::new();
        let mut bytes = 0;
        for (of, reserved) in gets.into_iter().zip(reserved) {
            let items = found[usize::from(of.consistent)]
                .by_ref()
                .take(of.admitted)
                .map(|row| row.map(|(_, item)| item))
                .collect();
            let table = Arc::clone(&of.table);
            let units = take(of, items, &mut bytes, &mut output);
            self.throttle
                .charge_actual(&table, Use::Read, reserved, || units.clone());
            if units.table > 0.0 {
                *consumed.entry(table.core.name.clone()).or_default() += units;
            }
        }
        let answer =
            |(table, units): (String, Units)| units.answer(input.return_consumed_capacity, &table, Kind::Plain);
        let consumed: Vec<_> = consumed.into_iter().filter_map(answer).collect();
        output.consumed_capacity = (!consumed.is_empty()).then_some(consumed);
        Ok(output)
    }

    /// Reserves the minimum cost of each read, key by key, until a table's throughput is used up.
    /// Returns what it reserved of each table; fails if not a single key can be read.
    fn admit(&self, gets: &mut [TableGets]) -> Result<Vec<Option<Units>>, ApiError> {
        let mut refusal = None;
        let mut all = Vec::with_capacity(gets.len());
        for of in gets.iter_mut() {
            let mut reserved: Option<Units> = None;
            for admitted in 0..of.keys.len() {
                let least = || Units::of_table(read_units(0, of.consistent));
                match self.throttle.reserve(&of.table, Use::Read, least) {
                    Ok(Some(units)) => *reserved.get_or_insert_default() += units,
                    // The table is not limited.
                    Ok(None) => break,
                    Err(throttled) => {
                        of.admitted = admitted;
                        refusal.get_or_insert(throttled);
                        break;
                    }
                }
            }
            all.push(reserved);
        }
        match refusal.filter(|_| gets.iter().all(|of| of.admitted == 0)) {
            Some(throttled) => Err(throttled.into()),
            None => Ok(all),
        }
    }

    fn table_gets(
        &self,
        name: String,
        request: KeysAndAttributes,
        projection: Option<Projection>,
    ) -> Result<TableGets, ApiError> {
        let table = self.usable_table(&name)?;
        let keys: Vec<KeyBytes> = request
            .keys
            .iter()
            .map(|key| request_key(&table, key))
            .collect::<Result<_, _>>()?;
        check_read_paths(&table, Wording::Request, None, projection.as_ref())?;
        let consistent = request.consistent_read.unwrap_or(false);
        Ok(TableGets {
            name,
            table,
            admitted: keys.len(),
            keys,
            projection,
            consistent,
            request,
        })
    }
}

fn check_form(request_items: &BTreeMap<String, KeysAndAttributes>) -> Result<(), ApiError> {
    if request_items.is_empty() {
        return Err(ApiError::validation(
            "1 validation error detected: Value at 'RequestItems' failed to satisfy constraint: Member must have length greater \
             than or equal to 1",
        ));
    }
    let mut constraints = Constraints::default();
    for (name, request) in request_items {
        constraints.list_length(
            &format!("requestItems.{name}.member.keys"),
            request.keys.len(),
            (1, KEYS_MAX),
        );
    }
    constraints.finish()?;
    if request_items.values().map(|request| request.keys.len()).sum::<usize>() > KEYS_MAX {
        return Err(ApiError::validation(
            "Too many items requested for the BatchGetItem call",
        ));
    }
    if request_items.values().any(|request| has_repeated(&request.keys)) {
        return Err(ApiError::validation(DUPLICATES));
    }
    Ok(())
}

/// Whether a key occurs twice, which is an error under every key schema.
fn has_repeated(keys: &[Item]) -> bool {
    keys.iter()
        .enumerate()
        .any(|(count, key)| keys.iter().take(count).any(|earlier| earlier == key))
}

/// Moves a table's items to the answer until the answer is full, and the remaining keys to the
/// unprocessed ones. Returns what the read consumed.
fn take(of: TableGets, items: Vec<Option<Item>>, bytes: &mut usize, output: &mut BatchGetItemOutput) -> Units {
    let TableGets {
        name,
        projection,
        consistent,
        mut request,
        ..
    } = of;
    let responses = output.responses.entry(name.clone()).or_default();
    let mut units = 0.0;
    let mut keys = std::mem::take(&mut request.keys);
    let beyond = keys.split_off(items.len());
    let mut left = Vec::new();
    for (key, item) in keys.into_iter().zip(items) {
        let size = item.as_ref().map_or(0, item_size);
        if !left.is_empty() || *bytes + size > BATCH_BYTES {
            left.push(key);
            continue;
        }
        *bytes += size;
        units += read_units(size, consistent);
        responses.extend(item.map(|item| match &projection {
            Some(projection) => projection.apply(&item),
            None => item,
        }));
    }
    left.extend(beyond);
    if !left.is_empty() {
        output
            .unprocessed_keys
            .insert(name, KeysAndAttributes { keys: left, ..request });
    }
    Units::of_table(units)
}
