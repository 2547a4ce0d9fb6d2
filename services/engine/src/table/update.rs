//! UpdateTable.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use beringia_store::{Aspect, AspectName, Catalog, Edit, GlobalIndex, IndexState, LocalSettings, Table, Throughput};

use super::{
    GLOBAL_INDEXES_MAX,
    create::{global_index, too_many_global_indexes},
    invalid,
    lifecycle::{Change, in_use, not_found},
    replicas::{Here, replica_edits},
    schema::{
        Definitions, TABLE_NON_KEY_ATTRIBUTES_MAX, check_definitions, check_index, composite_parts_max,
        non_key_attributes,
    },
    settings::{capacity, check_throughput, provisioned, stored_class, stream, throughput_changes},
};
use crate::{
    ApiError, Engine,
    api::{
        BillingMode, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, MultiRegionConsistency, OnDemandThroughput,
        ProvisionedThroughput, TableDescription, TableStatus, UpdateTableInput, WarmThroughput,
    },
    constraint::Constraints,
    keys::{parts, type_name},
    names::check_name,
};

impl Engine {
    /// Changes settings of a table. Those that follow a global table change in all its regions.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ResourceInUseException, LimitExceededException, or the store's.
    pub async fn update_table(&self, input: UpdateTableInput) -> Result<TableDescription, ApiError> {
        let name = self.control_name(&input.table_name)?.to_owned();
        check_form(&input)?;
        check_kinds(&input)?;
        let (region, known, now_ms) = (self.region().clone(), self.regions.clone(), self.clock.now_ms());
        let stream_ms = self.stream_start_ms(&name).await?;
        let (wanted, lifecycle) = (name.clone(), Arc::clone(&self.lifecycle));
        let quiet = is_quiet(&input);
        let change = Arc::new(OnceLock::new());
        let noted = Arc::clone(&change);
        let update = move |catalog: &Catalog| -> Result<Vec<Edit>, Box<dyn std::error::Error + Send + Sync>> {
            let table = lifecycle.find(catalog, &wanted)?;
            let here = Here {
                region: &region,
                known: &known,
                now_ms,
                stream_ms,
                lifecycle: &lifecycle,
            };
            let edits = edits(&input, table, catalog, &here)?;
            if !quiet {
                let change = noted.get_or_init(|| Change::of(Arc::clone(table)));
                lifecycle.begin(table.id, change.clone());
            }
            Ok(edits)
        };
        let catalog = self.store.change_schema(Box::new(update)).await?;
        let table = catalog.by_name.get(&name).ok_or_else(|| not_found(&name))?;
        Ok(self.describe(table, change.get()))
    }
}

fn check_form(input: &UpdateTableInput) -> Result<(), ApiError> {
    let mut constraints = Constraints::default();
    check_definitions(
        &mut constraints,
        input.attribute_definitions.as_deref().unwrap_or_default(),
    );
    check_throughput(
        &mut constraints,
        "provisionedThroughput",
        input.provisioned_throughput.as_ref(),
    );
    for (position, update) in input.global_secondary_index_updates.iter().flatten().enumerate() {
        let member = format!("globalSecondaryIndexUpdates.{}.member", position + 1);
        match update {
            GlobalSecondaryIndexUpdate::Create(index) => {
                let member = format!("{member}.create");
                let parts_max = composite_parts_max();
                let GlobalSecondaryIndex {
                    index_name,
                    key_schema,
                    projection,
                    provisioned_throughput,
                    ..
                } = index;
                check_index(&mut constraints, &member, index_name, key_schema, parts_max, projection);
                let member = format!("{member}.provisionedThroughput");
                check_throughput(&mut constraints, &member, provisioned_throughput.as_ref());
            }
            GlobalSecondaryIndexUpdate::Update {
                index_name,
                provisioned_throughput,
                ..
            } => {
                check_name(&mut constraints, &format!("{member}.update.indexName"), index_name);
                let member = format!("{member}.update.provisionedThroughput");
                check_throughput(&mut constraints, &member, provisioned_throughput.as_ref());
            }
            GlobalSecondaryIndexUpdate::Delete { index_name } => {
                check_name(&mut constraints, &format!("{member}.delete.indexName"), index_name);
            }
        }
    }
    constraints.finish()
}

/// Checks which kinds of change come together.
fn check_kinds(input: &UpdateTableInput) -> Result<(), ApiError> {
    let indexes = input.global_secondary_index_updates.as_deref().unwrap_or_default();
    let replicas = input.replica_updates.as_deref().unwrap_or_default();
    let others = !indexes.is_empty()
        || input.billing_mode.is_some()
        || input.provisioned_throughput.is_some()
        || input.on_demand_throughput.is_some()
        || input.warm_throughput.is_some()
        || input.table_class.is_some()
        || input.stream_specification.is_some()
        || input.deletion_protection_enabled.is_some();
    if !others && replicas.is_empty() {
        return Err(ApiError::validation(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
             SSESpecification or ReplicaUpdates is required",
        ));
    }
    if others && !replicas.is_empty() {
        return Err(invalid(
            "ReplicaUpdates cannot be combined with other updates in one request",
        ));
    }
    if input.multi_region_consistency == Some(MultiRegionConsistency::Strong) {
        return Err(invalid(
            "MultiRegionConsistency STRONG is not supported: replicas are eventually consistent",
        ));
    }
    if input.billing_mode == Some(BillingMode::Provisioned) && input.provisioned_throughput.is_none() {
        return Err(invalid(
            "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
        ));
    }
    let mut names = BTreeSet::new();
    for update in indexes {
        let name = index_name(update);
        if !names.insert(name) {
            return Err(invalid(format!(
                "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
            )));
        }
    }
    let built = indexes
        .iter()
        .filter(|update| !matches!(update, GlobalSecondaryIndexUpdate::Update { .. }));
    if built.count() > 1 {
        return Err(one_index_at_a_time());
    }
    Ok(())
}

fn one_index_at_a_time() -> ApiError {
    ApiError::LimitExceeded(
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table".to_owned(),
    )
}

fn index_name(update: &GlobalSecondaryIndexUpdate) -> &str {
    match update {
        GlobalSecondaryIndexUpdate::Create(GlobalSecondaryIndex { index_name, .. })
        | GlobalSecondaryIndexUpdate::Update { index_name, .. }
        | GlobalSecondaryIndexUpdate::Delete { index_name } => index_name,
    }
}

/// Whether the request is about deletion protection alone, which is this region's and disturbs nothing.
fn is_quiet(input: &UpdateTableInput) -> bool {
    let protection_only = UpdateTableInput {
        table_name: input.table_name.clone(),
        deletion_protection_enabled: input.deletion_protection_enabled,
        ..UpdateTableInput::default()
    };
    *input == protection_only
}

/// The edits that carry out the request on the table as it is.
fn edits(input: &UpdateTableInput, table: &Table, catalog: &Catalog, here: &Here<'_>) -> Result<Vec<Edit>, ApiError> {
    here.lifecycle.check_at_rest(table)?;
    if here.lifecycle.status(table) == TableStatus::Updating && !is_quiet(input) {
        return Err(in_use(&table.core.name, "updated"));
    }
    if let Some(updates) = input.replica_updates.as_deref().filter(|updates| !updates.is_empty()) {
        return replica_edits(updates, table, catalog, here);
    }
    let throughput = new_throughput(input, table)?;
    let mut aspects = index_aspects(input, table, throughput.unwrap_or(table.throughput), here.now_ms)?;
    aspects.extend(throughput.map(Aspect::Throughput));
    aspects.extend(billing_aspect(
        input,
        table,
        throughput.unwrap_or(table.throughput),
        here.now_ms,
    )?);
    aspects.extend(stream_aspect(input, table, here.stream_ms)?);
    if let Some(deletion_protection) = input.deletion_protection_enabled {
        aspects.push(Aspect::Local(LocalSettings {
            deletion_protection,
            ..table.local.clone()
        }));
    }
    let mut edits: Vec<Edit> = aspects
        .into_iter()
        .map(|aspect| Edit::Set {
            table: table.id,
            aspect,
        })
        .collect();
    for update in input.global_secondary_index_updates.iter().flatten() {
        if let GlobalSecondaryIndexUpdate::Delete { index_name } = update {
            existing(table, index_name)?;
            let aspect = AspectName::GlobalIndex(index_name.clone());
            edits.push(Edit::Remove {
                table: table.id,
                aspect,
            });
        }
    }
    Ok(edits)
}

fn existing<'a>(table: &'a Table, name: &str) -> Result<&'a GlobalIndex, ApiError> {
    let not_found = || ApiError::ResourceNotFound(format!("Requested resource not found: Index: {name} not found"));
    let active = table
        .global_indexes
        .get(name)
        .filter(|(_, state)| *state != IndexState::Deleting);
    active.map(|(index, _)| index).ok_or_else(not_found)
}

/// The table's new throughput; `None` where it stays.
fn new_throughput(input: &UpdateTableInput, table: &Table) -> Result<Option<Throughput>, ApiError> {
    let on_demand = match input.billing_mode {
        Some(mode) => mode == BillingMode::PayPerRequest,
        None => table.throughput == Throughput::OnDemand,
    };
    let Some(wanted) = input.provisioned_throughput else {
        return Ok((on_demand && table.throughput != Throughput::OnDemand).then_some(Throughput::OnDemand));
    };
    if on_demand {
        return Err(invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ));
    }
    let new = provisioned(wanted)?;
    if new == table.throughput {
        let ProvisionedThroughput {
            read_capacity_units: read,
            write_capacity_units: write,
        } = wanted;
        return Err(ApiError::Validation(format!(
            "The provisioned throughput for the table will not change. The requested value equals the current value. Current \
             ReadCapacityUnits provisioned for the table: {read}. Requested ReadCapacityUnits: {read}. Current WriteCapacityUnits \
             provisioned for the table: {write}. Requested WriteCapacityUnits: {write}. Refer to the Amazon DynamoDB Developer \
             Guide for current limits and how to request higher limits."
        )));
    }
    Ok(Some(new))
}

/// New and changed global indexes. When the table's mode changes, all its indexes change with it.
fn index_aspects(
    input: &UpdateTableInput,
    table: &Table,
    throughput: Throughput,
    now_ms: u64,
) -> Result<Vec<Aspect>, ApiError> {
    let on_demand = throughput == Throughput::OnDemand;
    let mode_changes = on_demand != (table.throughput == Throughput::OnDemand);
    let mut remaining: BTreeSet<&str> = table
        .global_indexes
        .iter()
        .filter(|(_, (_, state))| *state != IndexState::Deleting)
        .map(|(name, _)| name.as_str())
        .collect();
    let mut aspects = Vec::new();
    for update in input.global_secondary_index_updates.iter().flatten() {
        match update {
            GlobalSecondaryIndexUpdate::Create(wanted) => {
                let index = new_index(input, wanted, table, throughput)?;
                aspects.push(Aspect::GlobalIndex {
                    name: wanted.index_name.clone(),
                    index,
                });
            }
            GlobalSecondaryIndexUpdate::Update {
                index_name,
                provisioned_throughput,
                on_demand_throughput,
                warm_throughput,
            } => {
                let before = existing(table, index_name)?;
                let units = (*provisioned_throughput, *on_demand_throughput, *warm_throughput);
                let mut index = updated_index(index_name, before, units, on_demand)?;
                index.capacity.changes =
                    throughput_changes(index.capacity.changes, before.throughput, index.throughput, now_ms);
                if on_demand || provisioned_throughput.is_some() {
                    remaining.remove(index_name.as_str());
                }
                aspects.push(Aspect::GlobalIndex {
                    name: index_name.clone(),
                    index,
                });
            }
            GlobalSecondaryIndexUpdate::Delete { index_name } => {
                remaining.remove(index_name.as_str());
            }
        }
    }
    if !mode_changes {
        return Ok(aspects);
    }
    if !on_demand && !remaining.is_empty() {
        let names: Vec<&str> = remaining.into_iter().collect();
        return Err(invalid(format!(
            "ProvisionedThroughput must be specified for index: {}",
            names.join(",")
        )));
    }
    for name in remaining {
        let index = GlobalIndex {
            throughput: Throughput::OnDemand,
            ..existing(table, name)?.clone()
        };
        aspects.push(Aspect::GlobalIndex {
            name: name.to_owned(),
            index,
        });
    }
    Ok(aspects)
}

/// An index with other throughput; `on_demand` is whether its table is on demand from now on.
fn updated_index(
    name: &str,
    before: &GlobalIndex,
    (throughput, on_demand_max, warm): (
        Option<ProvisionedThroughput>,
        Option<OnDemandThroughput>,
        Option<WarmThroughput>,
    ),
    on_demand: bool,
) -> Result<GlobalIndex, ApiError> {
    if throughput.is_none() && on_demand_max.is_none() && warm.is_none() {
        return Err(ApiError::missing(
            "globalSecondaryIndexUpdates.member.update.provisionedThroughput",
        ));
    }
    let throughput = match throughput {
        Some(_) if on_demand => {
            return Err(invalid(format!(
                "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
            )));
        }
        Some(wanted) => provisioned(wanted)?,
        None if on_demand => Throughput::OnDemand,
        None => before.throughput,
    };
    let of = format!("index {name}");
    Ok(GlobalIndex {
        throughput,
        capacity: capacity(before.capacity, throughput, on_demand_max, warm, &of)?,
        ..before.clone()
    })
}

fn new_index(
    input: &UpdateTableInput,
    wanted: &GlobalSecondaryIndex,
    table: &Table,
    throughput: Throughput,
) -> Result<GlobalIndex, ApiError> {
    let name = &wanted.index_name;
    if table.keys_of(Some(name)).is_some() {
        return Err(ApiError::Validation(format!(
            "Attempting to create an index which already exists: {name}"
        )));
    }
    let definitions = Definitions::new(input.attribute_definitions.as_deref().unwrap_or_default())?;
    definitions.check_count(&wanted.key_schema)?;
    let index = global_index(wanted, &definitions, throughput)?;
    let known = table.attribute_definitions();
    for part in parts(&index.keys) {
        if let Some(before) = known.get(part.name.as_str()).filter(|before| before.kind != part.kind) {
            let (name, was, is) = (&part.name, type_name(before.kind), type_name(part.kind));
            return Err(invalid(format!(
                "Attributes cannot be redefined. Please check that your attribute has the same type as previously defined. \
                 Existing schema: Schema:[SchemaElement: key{{{name}:{was}}}] New schema: Schema:[SchemaElement: key{{{name}:{is}}}]"
            )));
        }
    }
    if table.global_indexes.len() >= GLOBAL_INDEXES_MAX {
        return Err(too_many_global_indexes());
    }
    let local = table.core.local_indexes.values().map(|index| &index.projection);
    let projections = local.chain(table.global_indexes.values().map(|(index, _)| &index.projection));
    let named = projections
        .chain([&index.projection])
        .map(non_key_attributes)
        .sum::<usize>();
    if named > TABLE_NON_KEY_ATTRIBUTES_MAX {
        return Err(invalid(format!(
            "Number of NonKeyAttributes in all indexes exceeds the per-table limit of {TABLE_NON_KEY_ATTRIBUTES_MAX}"
        )));
    }
    Ok(index)
}

/// How the table is paid for from now on; `None` where that stays.
fn billing_aspect(
    input: &UpdateTableInput,
    table: &Table,
    throughput: Throughput,
    now_ms: u64,
) -> Result<Option<Aspect>, ApiError> {
    let mut billing = table.billing;
    if throughput == Throughput::OnDemand && table.throughput != Throughput::OnDemand {
        billing.on_demand_since_ms = Some(now_ms);
    }
    let (on_demand, warm) = (input.on_demand_throughput, input.warm_throughput);
    billing.capacity = capacity(billing.capacity, throughput, on_demand, warm, "table")?;
    billing.capacity.changes = throughput_changes(billing.capacity.changes, table.throughput, throughput, now_ms);
    if let Some(class) = input
        .table_class
        .map(stored_class)
        .filter(|class| *class != billing.class)
    {
        billing.class = class;
        billing.class_since_ms = Some(now_ms);
    }
    Ok((billing != table.billing).then_some(Aspect::Billing(billing)))
}

fn stream_aspect(input: &UpdateTableInput, table: &Table, stream_ms: u64) -> Result<Option<Aspect>, ApiError> {
    let Some(specification) = input.stream_specification else {
        return Ok(None);
    };
    let name = &table.core.name;
    let refuse = |what: &str| Err(ApiError::Validation(format!("{what}: TableName: {name}")));
    // Another one may have begun and ended since the request came.
    let latest = table.latest_stream.map_or(0, |latest| latest.enabled_ms + 1);
    match (stream(specification, stream_ms.max(latest))?, table.stream) {
        (Some(_), Some(_)) => refuse("Table already has an enabled stream"),
        (None, None) => refuse("Table has no stream to disable"),
        // Replication needs it in DynamoDB, so no application there can do without.
        (None, Some(_)) if table.is_global() => refuse("The stream of a table with replicas cannot be disabled"),
        (new, _) => Ok(Some(Aspect::Stream(new))),
    }
}
