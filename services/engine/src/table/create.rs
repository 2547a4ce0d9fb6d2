//! Implements the CreateTable operation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_item::KeySchema;
use beringia_storage::{
    Aspect, Billing, Catalog, Core, Edit, GlobalIndex, LocalIndex, LocalSettings, SchemaRefusal, Throughput,
};

use super::{
    GLOBAL_INDEXES_MAX, LOCAL_INDEXES_MAX, encryption, invalid,
    lifecycle::{Change, in_use, not_found},
    schema::{
        Definitions, TABLE_NON_KEY_ATTRIBUTES_MAX, check_definitions, check_index, check_key_schema,
        non_key_attributes, projection,
    },
    settings::{
        Request, Subject, capacity, check_throughput, index_throughput, stored_class, stream, table_throughput,
    },
    tags,
    transition::{Beginning, Decided, Transition},
};
use crate::{
    ApiError, Engine,
    api::{
        CreateTableInput, GlobalSecondaryIndex, KeyRole, KeySchemaElement, LocalSecondaryIndex, TableDescription,
        WarmThroughput,
    },
    constraint::Constraints,
    names::{check_name, table_name},
};

impl Engine {
    /// Creates a table in this region.
    ///
    /// # Errors
    /// ValidationException, ResourceInUseException, or the store's error.
    pub async fn create_table(&self, mut input: CreateTableInput) -> Result<TableDescription, ApiError> {
        input.table_name = table_name(&input.table_name, self.region())?.to_owned();
        check_form(&input)?;
        let now_ms = self.clock.now_ms();
        let table = self.new_table_id();
        let stream_ms = self.stream_start_ms(&input.table_name).await?;
        let aspects = aspects(&input, now_ms, stream_ms)?;
        let name = input.table_name.clone();
        let taken = name.clone();
        let lifecycle = Arc::clone(&self.lifecycle);
        let create = move |catalog: &Catalog| -> Result<Decided, SchemaRefusal> {
            if catalog.by_name.contains_key(&taken) {
                return Err(Box::new(ApiError::ResourceInUse(format!(
                    "Table already exists: {taken}"
                ))));
            }
            if lifecycle.removed(&taken).is_some() {
                return Err(Box::new(in_use(&taken, "deleted")));
            }
            let aspects = aspects.iter().cloned();
            let edits = aspects.map(|aspect| Edit::Set { table, aspect }).collect();
            Ok((edits, Some(Beginning::Changed(table, Change::creation()))))
        };
        let change = Transition::boxed(&self.lifecycle, create);
        let catalog = self.store.change_schema(change).await?;
        // Look it up by id, since the table may have been deleted and another one created under its
        // name.
        let created = catalog.by_id.get(&table).ok_or_else(|| not_found(&name))?;
        Ok(answer(self.describe(created, Some(&Change::creation())), &input))
    }
}

/// The answer to the request that created the table. In contrast to DescribeTable's, it shows warm
/// throughput only where the request asked for it, and not since when the table is on demand.
fn answer(mut table: TableDescription, input: &CreateTableInput) -> TableDescription {
    table.warm_throughput = table.warm_throughput.filter(|_| asks(input.warm_throughput));
    for index in table.global_secondary_indexes.iter_mut().flatten() {
        let mut wanted = input.global_secondary_indexes.iter().flatten();
        let wanted = wanted.find(|wanted| wanted.index_name == index.index_name);
        let asks = wanted.is_some_and(|wanted| asks(wanted.warm_throughput));
        index.warm_throughput = index.warm_throughput.filter(|_| asks);
    }
    if let Some(summary) = &mut table.billing_mode_summary {
        summary.last_update_to_pay_per_request_date_time_ms = None;
    }
    table
}

/// Whether a request asks for a warm throughput; a value without members asks for nothing.
fn asks(warm: Option<WarmThroughput>) -> bool {
    warm.is_some_and(|wanted| wanted != WarmThroughput::default())
}

fn check_form(input: &CreateTableInput) -> Result<(), ApiError> {
    let mut constraints = Constraints::default();
    check_name(&mut constraints, "tableName", &input.table_name);
    check_definitions(&mut constraints, &input.attribute_definitions);
    check_key_schema(&mut constraints, "keySchema", &input.key_schema, 2);
    check_throughput(
        &mut constraints,
        "provisionedThroughput",
        input.provisioned_throughput.as_ref(),
    );
    for (position, index) in input.local_secondary_indexes.iter().flatten().enumerate() {
        let member = format!("localSecondaryIndexes.{}.member", position + 1);
        check_index(
            &mut constraints,
            &member,
            &index.index_name,
            &index.key_schema,
            2,
            &index.projection,
        );
    }
    for (position, index) in input.global_secondary_indexes.iter().flatten().enumerate() {
        let member = format!("globalSecondaryIndexes.{}.member", position + 1);
        check_index(
            &mut constraints,
            &member,
            &index.index_name,
            &index.key_schema,
            usize::MAX,
            &index.projection,
        );
        let throughput = index.provisioned_throughput.as_ref();
        check_throughput(&mut constraints, &format!("{member}.provisionedThroughput"), throughput);
    }
    constraints.finish()
}

/// The definition of the new table. The order of the checks is DynamoDB's.
fn aspects(input: &CreateTableInput, now_ms: u64, stream_ms: u64) -> Result<Vec<Aspect>, ApiError> {
    let throughput = table_throughput(input.billing_mode, input.provisioned_throughput)?;
    let definitions = Definitions::new(&input.attribute_definitions)?;
    definitions.check_count(&input.key_schema)?;
    let keys = definitions.simple_key(&input.key_schema)?;
    // DynamoDB checks the keys of global indexes before anything else about indexes.
    for index in input.global_secondary_indexes.iter().flatten() {
        definitions.composite_key(&index.key_schema)?;
    }
    check_index_lists(input, &keys)?;
    definitions.check_all_used(&input.key_schema, keys_of_indexes(input))?;
    let mut names = BTreeSet::new();
    let local_indexes = local_indexes(
        input.local_secondary_indexes.as_deref(),
        &definitions,
        &keys,
        &mut names,
    )?;
    let global_indexes = global_indexes(
        input.global_secondary_indexes.as_deref(),
        &definitions,
        throughput,
        &mut names,
    )?;
    check_copied(&local_indexes, &global_indexes)?;
    let stream = input
        .stream_specification
        .map(|wanted| stream(wanted, stream_ms, Request::Create))
        .transpose()?
        .flatten();
    let settings = LocalSettings {
        deletion_protection: input.deletion_protection_enabled.unwrap_or(false),
        ..LocalSettings::default()
    };
    let encryption = input
        .sse_specification
        .as_ref()
        .map(encryption::key)
        .transpose()?
        .flatten();
    let tags = tags::checked(input.tags.as_deref().unwrap_or_default())?;

    let core = Core {
        name: input.table_name.clone(),
        keys,
        local_indexes,
        created_ms: now_ms,
    };
    let mut aspects = vec![
        Aspect::Core(core),
        Aspect::Throughput(throughput),
        Aspect::Billing(billing(input, throughput, now_ms)?),
    ];
    aspects.extend(tags::tag_aspects(&settings, None, tags)?);
    aspects.extend(stream.map(|stream| Aspect::Stream(Some(stream))));
    aspects.extend(encryption.map(|key| Aspect::Encryption(Some(key))));
    aspects.extend(
        global_indexes
            .into_iter()
            .map(|(name, index)| Aspect::GlobalIndex { name, index }),
    );
    Ok(aspects)
}

/// Rejects empty lists of indexes, and local indexes where the table or the index has no sort key.
fn check_index_lists(input: &CreateTableInput, table_keys: &KeySchema) -> Result<(), ApiError> {
    if let Some(wanted) = &input.local_secondary_indexes {
        if wanted.is_empty() {
            return Err(invalid("List of LocalSecondaryIndexes is empty"));
        }
        if table_keys.sort.is_empty() {
            return Err(invalid(
                "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
            ));
        }
        let has_no_sort_key =
            |index: &&LocalSecondaryIndex| matches!(&*index.key_schema, [only] if only.key_type == KeyRole::Hash);
        if let Some(LocalSecondaryIndex { index_name, .. }) = wanted.iter().find(has_no_sort_key) {
            return Err(invalid(format!(
                "Index KeySchema does not have a range key for index: {index_name}"
            )));
        }
    }
    if input.global_secondary_indexes.as_ref().is_some_and(Vec::is_empty) {
        return Err(invalid("List of GlobalSecondaryIndexes is empty"));
    }
    Ok(())
}

/// The key schemas of the requested indexes; `None` if the request has no list of indexes.
fn keys_of_indexes(input: &CreateTableInput) -> Option<Vec<&[KeySchemaElement]>> {
    if input.local_secondary_indexes.is_none() && input.global_secondary_indexes.is_none() {
        return None;
    }
    let local = input.local_secondary_indexes.iter().flatten();
    let global = input.global_secondary_indexes.iter().flatten();
    let keys = local.map(|index| &*index.key_schema);
    Some(keys.chain(global.map(|index| &*index.key_schema)).collect())
}

fn billing(input: &CreateTableInput, throughput: Throughput, now_ms: u64) -> Result<Billing, ApiError> {
    let (on_demand, warm) = (input.on_demand_throughput, input.warm_throughput);
    Ok(Billing {
        on_demand_since_ms: (throughput == Throughput::OnDemand).then_some(now_ms),
        capacity: capacity(None, throughput, on_demand, warm, Subject::Table)?,
        class: input.table_class.map(stored_class).unwrap_or_default(),
        class_since_ms: None,
    })
}

/// Rejects indexes that together copy too many attributes by name.
fn check_copied(local: &BTreeMap<String, LocalIndex>, global: &BTreeMap<String, GlobalIndex>) -> Result<(), ApiError> {
    let projections = local
        .values()
        .map(|index| &index.projection)
        .chain(global.values().map(|index| &index.projection));
    if projections.map(non_key_attributes).sum::<usize>() > TABLE_NON_KEY_ATTRIBUTES_MAX {
        return Err(invalid(format!(
            "Number of NonKeyAttributes in all indexes exceeds the per-table limit of {TABLE_NON_KEY_ATTRIBUTES_MAX}"
        )));
    }
    Ok(())
}

fn duplicate_index(name: &str) -> ApiError {
    invalid(format!("Duplicate index name: {name}"))
}

fn local_indexes(
    wanted: Option<&[LocalSecondaryIndex]>,
    definitions: &Definitions<'_>,
    table_keys: &KeySchema,
    names: &mut BTreeSet<String>,
) -> Result<BTreeMap<String, LocalIndex>, ApiError> {
    let Some(wanted) = wanted else {
        return Ok(BTreeMap::new());
    };
    let mut indexes = BTreeMap::new();
    for (place, wanted) in (0..).zip(wanted) {
        let LocalSecondaryIndex {
            index_name,
            key_schema,
            projection: specification,
        } = wanted;
        let keys = definitions.simple_key(key_schema)?;
        if keys.partition != table_keys.partition {
            let name_of = |keys: &KeySchema| keys.partition.first().map(|part| part.name.clone()).unwrap_or_default();
            return Err(invalid(format!(
                "Index KeySchema does not have the same leading hash key as table KeySchema for index: {index_name}. index hash \
                 key: {}, table hash key: {}",
                name_of(&keys),
                name_of(table_keys)
            )));
        }
        let projection = projection(specification)?;
        if !names.insert(index_name.clone()) {
            return Err(duplicate_index(index_name));
        }
        let index = LocalIndex {
            keys,
            projection,
            place,
        };
        indexes.insert(index_name.clone(), index);
    }
    if wanted.len() > LOCAL_INDEXES_MAX {
        return Err(invalid(format!(
            "Number of LocalSecondaryIndexes exceeds per-table limit of {LOCAL_INDEXES_MAX}"
        )));
    }
    Ok(indexes)
}

fn global_indexes(
    wanted: Option<&[GlobalSecondaryIndex]>,
    definitions: &Definitions<'_>,
    throughput: Throughput,
    names: &mut BTreeSet<String>,
) -> Result<BTreeMap<String, GlobalIndex>, ApiError> {
    let Some(wanted) = wanted else {
        return Ok(BTreeMap::new());
    };
    let mut indexes = BTreeMap::new();
    for (place, wanted) in (0..).zip(wanted) {
        let index = global_index(wanted, place, definitions, throughput, Request::Create)?;
        if !names.insert(wanted.index_name.clone()) {
            return Err(duplicate_index(&wanted.index_name));
        }
        indexes.insert(wanted.index_name.clone(), index);
    }
    if wanted.len() > GLOBAL_INDEXES_MAX {
        return Err(invalid(format!(
            "GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL_INDEXES_MAX}"
        )));
    }
    Ok(indexes)
}

/// A global index of a table with the given throughput.
pub(super) fn global_index(
    wanted: &GlobalSecondaryIndex,
    place: u32,
    definitions: &Definitions<'_>,
    throughput: Throughput,
    request: Request,
) -> Result<GlobalIndex, ApiError> {
    let keys = definitions.composite_key(&wanted.key_schema)?;
    let projection = projection(&wanted.projection)?;
    let name = &wanted.index_name;
    let throughput = index_throughput(name, throughput, wanted.provisioned_throughput, request)?;
    let capacity = capacity(
        None,
        throughput,
        wanted.on_demand_throughput,
        wanted.warm_throughput,
        Subject::Index(name),
    )?;
    Ok(GlobalIndex {
        keys,
        projection,
        throughput,
        capacity,
        place,
    })
}
