//! BatchGetItem.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_expression::Projection;
use beringia_item::{Item, KeyBytes, TableId, item_size};
use beringia_store::Table;

use super::{BATCH_BYTES, DUPLICATES};
use crate::{
    ApiError, Engine,
    api::{BatchGetItemInput, BatchGetItemOutput, KeysAndAttributes},
    capacity::{Kind, Units, read_units},
    constraint::Constraints,
    expressions::read_projection,
    keys::request_key,
};

/// How many items one request can ask for.
const KEYS_MAX: usize = 100;

/// What is asked of one table, checked.
struct TableGets {
    /// As the request calls the table.
    name: String,
    table: Arc<Table>,
    keys: Vec<KeyBytes>,
    projection: Option<Projection>,
    consistent: bool,
    /// As it came, for what stays unprocessed.
    request: KeysAndAttributes,
}

impl Engine {
    /// Reads up to 100 items of several tables, as of one moment.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, or the store's.
    pub async fn batch_get_item(&self, input: BatchGetItemInput) -> Result<BatchGetItemOutput, ApiError> {
        check_form(&input.request_items)?;
        let mut gets = Vec::with_capacity(input.request_items.len());
        for (name, request) in input.request_items {
            gets.push(self.table_gets(name, request)?);
        }
        let keys_of = |of: &TableGets| of.keys.iter().map(|key| (of.table.id, key.clone())).collect::<Vec<_>>();
        let wanted: Vec<(TableId, KeyBytes)> = gets.iter().flat_map(keys_of).collect();
        if wanted.iter().collect::<BTreeSet<_>>().len() < wanted.len() {
            return Err(ApiError::validation(DUPLICATES));
        }
        let mut found = self.store.get_many(wanted).await?.into_iter();

        let mut output = BatchGetItemOutput::default();
        let mut consumed: BTreeMap<String, Units> = BTreeMap::new();
        let mut bytes = 0;
        for of in gets {
            let items = found
                .by_ref()
                .take(of.keys.len())
                .map(|row| row.map(|(_, item)| item))
                .collect();
            let units = take(of, items, &mut bytes, &mut output);
            if let Some((table, units)) = units {
                *consumed.entry(table).or_default() += units;
            }
        }
        let answer =
            |(table, units): (String, Units)| units.answer(input.return_consumed_capacity, &table, Kind::Plain);
        let consumed: Vec<_> = consumed.into_iter().filter_map(answer).collect();
        output.consumed_capacity = (!consumed.is_empty()).then_some(consumed);
        Ok(output)
    }

    fn table_gets(&self, name: String, request: KeysAndAttributes) -> Result<TableGets, ApiError> {
        let projection = read_projection(
            request.projection_expression.as_deref(),
            request.expression_attribute_names.clone(),
            request.attributes_to_get.clone(),
        )?;
        let table = self.usable_table(&name)?;
        let keys: Vec<KeyBytes> = request
            .keys
            .iter()
            .map(|key| request_key(&table, key))
            .collect::<Result<_, _>>()?;
        let consistent = request.consistent_read.unwrap_or(false);
        Ok(TableGets {
            name,
            table,
            keys,
            projection,
            consistent,
            request,
        })
    }
}

fn check_form(request_items: &BTreeMap<String, KeysAndAttributes>) -> Result<(), ApiError> {
    let mut constraints = Constraints::default();
    constraints.list_length("requestItems", request_items.len(), (1, usize::MAX));
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
    Ok(())
}

/// Moves a table's items to the answer until it is full, and the other keys to the unprocessed ones.
fn take(
    of: TableGets,
    items: Vec<Option<Item>>,
    bytes: &mut usize,
    output: &mut BatchGetItemOutput,
) -> Option<(String, Units)> {
    let TableGets {
        name,
        table,
        projection,
        consistent,
        mut request,
        ..
    } = of;
    let responses = output.responses.entry(name.clone()).or_default();
    let mut units = 0.0;
    let mut left = Vec::new();
    for (key, item) in std::mem::take(&mut request.keys).into_iter().zip(items) {
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
    if !left.is_empty() {
        output
            .unprocessed_keys
            .insert(name, KeysAndAttributes { keys: left, ..request });
    }
    (units > 0.0).then(|| (table.core.name.clone(), Units::of_table(units)))
}
