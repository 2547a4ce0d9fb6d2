//! Implements the UpdateTable operation.

use std::{collections::BTreeSet, sync::Arc};

use beringia_storage::{
    Aspect, AspectName, Catalog, Edit, GlobalIndex, IndexState, LocalSettings, SchemaRefusal, Table, Throughput,
};
use parking_lot::Mutex;

use super::{
    GLOBAL_INDEXES_MAX,
    combinations::{builds_index, check_combination, one_index_at_a_time},
    create::global_index,
    encryption::encryption_aspect,
    invalid,
    lifecycle::{Change, Encryption, in_use, not_found},
    replicas::{Here, replica_edits},
    schema::{Definitions, TABLE_NON_KEY_ATTRIBUTES_MAX, check_definitions, check_index, non_key_attributes},
    settings::{Request, Subject, capacity, check_throughput, provisioned, stored_class, stream, throughput_changes},
    transition::{Beginning, Decided, Transition},
};
use crate::{
    ApiError, Engine,
    api::{
        BillingMode, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, OnDemandThroughput, ProvisionedThroughput,
        TableDescription, TableStatus, UpdateTableInput, WarmThroughput,
    },
    constraint::Constraints,
    keys::{parts, type_name},
    names::check_name,
};

impl Engine {
    /// Changes settings of a table. Settings that all replicas of a global table share change in
    /// all its regions.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ResourceInUseException,
    /// LimitExceededException, or the store's error.
    pub async fn update_table(&self, input: UpdateTableInput) -> Result<TableDescription, ApiError> {
        let name = self.control_name(&input.table_name)?.to_owned();
        check_form(&input)?;
        check_combination(&input)?;
        let (region, known, now_ms) = (self.region().clone(), self.regions.clone(), self.clock.now_ms());
        let stream_ms = self.stream_start_ms(&name).await?;
        let (wanted, lifecycle) = (name.clone(), Arc::clone(&self.lifecycle));
        let (quiet, encryption) = (is_quiet(&input), encryption_change(&input));
        let change = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&change);
        let update = move |catalog: &Catalog| -> Result<Decided, SchemaRefusal> {
            let table = lifecycle.find(catalog, &wanted)?;
            let here = Here {
                region: &region,
                known: &known,
                now_ms,
                stream_ms,
                lifecycle: &lifecycle,
            };
            let edits = edits(&input, table, catalog, &here)?;
            let change = (!quiet).then(|| Change::of(Arc::clone(table), encryption));
            noted.lock().clone_from(&change);
            Ok((edits, change.map(|change| Beginning::Changed(table.id, change))))
        };
        let transition = Transition::boxed(&self.lifecycle, update);
        let catalog = self.store.change_schema(transition).await?;
        let table = catalog.by_name.get(&name).ok_or_else(|| not_found(&name))?;
        let change = change.lock().take();
        Ok(self.describe(table, change.as_ref()))
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
                let GlobalSecondaryIndex {
                    index_name,
                    key_schema,
                    projection,
                    provisioned_throughput,
                    ..
                } = index;
                check_index(
                    &mut constraints,
                    &member,
                    index_name,
                    key_schema,
                    usize::MAX,
                    projection,
                );
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

/// Whether the request changes only the deletion protection, which belongs to this region and
/// conflicts with no other change.
fn is_quiet(input: &UpdateTableInput) -> bool {
    let protection_only = UpdateTableInput {
        table_name: input.table_name.clone(),
        deletion_protection_enabled: input.deletion_protection_enabled,
        ..UpdateTableInput::default()
    };
    *input == protection_only
}

/// How the request concerns the encryption of the table.
fn encryption_change(input: &UpdateTableInput) -> Encryption {
    let encryption_only = UpdateTableInput {
        table_name: input.table_name.clone(),
        sse_specification: input.sse_specification.clone(),
        ..UpdateTableInput::default()
    };
    match &input.sse_specification {
        None => Encryption::Unchanged,
        Some(_) if *input == encryption_only => Encryption::Alone,
        Some(_) => Encryption::AndOthers,
    }
}

/// Whether the request only deletes an index that is being filled, which is allowed at any time.
fn gives_up_index(input: &UpdateTableInput, table: &Table) -> bool {
    let Some([GlobalSecondaryIndexUpdate::Delete { index_name }]) = input.global_secondary_index_updates.as_deref()
    else {
        return false;
    };
    let indexes_only = UpdateTableInput {
        table_name: input.table_name.clone(),
        attribute_definitions: input.attribute_definitions.clone(),
        global_secondary_index_updates: input.global_secondary_index_updates.clone(),
        ..UpdateTableInput::default()
    };
    let state = table.global_indexes.get(index_name).map(|(_, state)| *state);
    *input == indexes_only && state == Some(IndexState::Backfilling)
}

/// The edits that apply the request to the table in its current state.
fn edits(input: &UpdateTableInput, table: &Table, catalog: &Catalog, here: &Here<'_>) -> Result<Vec<Edit>, ApiError> {
    here.lifecycle.check_at_rest(table)?;
    if !is_quiet(input) && !gives_up_index(input, table) {
        let built = |(_, state): &(GlobalIndex, IndexState)| *state != IndexState::Active;
        if builds_index(input) && table.global_indexes.values().any(built) {
            return Err(one_index_at_a_time());
        }
        if here.lifecycle.status(table) == TableStatus::Updating {
            return Err(in_use(&table.core.name, "updated"));
        }
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
    if let Some(specification) = &input.sse_specification {
        let change = here.lifecycle.change(table.id);
        aspects.push(encryption_aspect(specification, table, here.region, change.as_ref())?);
    }
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
            existing(table, index_name, "delete")?;
            let aspect = AspectName::GlobalIndex(index_name.clone());
            edits.push(Edit::Remove {
                table: table.id,
                aspect,
            });
        }
    }
    Ok(edits)
}

/// Finds the global index of that name; `change` is the operation, for the message.
fn existing<'a>(table: &'a Table, name: &str, change: &str) -> Result<&'a GlobalIndex, ApiError> {
    if table.core.local_indexes.contains_key(name) {
        return Err(ApiError::Validation(format!(
            "Cannot {change} an index that is not a GlobalSecondaryIndex: {name}"
        )));
    }
    let not_found = || {
        let table = &table.core.name;
        ApiError::ResourceNotFound(format!("Requested resource not found: Index {name} for table {table}"))
    };
    let active = table
        .global_indexes
        .get(name)
        .filter(|(_, state)| *state != IndexState::Deleting);
    active.map(|(index, _)| index).ok_or_else(not_found)
}

/// The new throughput of the table; `None` if it stays the same.
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
    let new = provisioned(wanted, Subject::Table)?;
    if new == table.throughput {
        return Err(no_change(wanted, "the table"));
    }
    Ok(Some(new))
}

/// The error for requested units that the table or index already has.
fn no_change(wanted: ProvisionedThroughput, of: &str) -> ApiError {
    let ProvisionedThroughput {
        read_capacity_units: read,
        write_capacity_units: write,
    } = wanted;
    ApiError::Validation(format!(
        "The provisioned throughput for {of} will not change. The requested value equals the current value. Current \
         ReadCapacityUnits provisioned for {of}: {read}. Requested ReadCapacityUnits: {read}. Current WriteCapacityUnits \
         provisioned for {of}: {write}. Requested WriteCapacityUnits: {write}. Refer to the Amazon DynamoDB Developer Guide for \
         current limits and how to request higher limits."
    ))
}

/// New and changed global indexes. If the table's billing mode changes, all its indexes change with
/// it.
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
                let before = existing(table, index_name, "update")?;
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
        aspects.push(Aspect::GlobalIndex {
            name: name.to_owned(),
            index: index_on_demand(existing(table, name, "update")?, name)?,
        });
    }
    Ok(aspects)
}

/// The index after its table became an on-demand table.
fn index_on_demand(before: &GlobalIndex, name: &str) -> Result<GlobalIndex, ApiError> {
    let was = Some((before.throughput, before.capacity));
    Ok(GlobalIndex {
        throughput: Throughput::OnDemand,
        capacity: capacity(was, Throughput::OnDemand, None, None, Subject::Index(name))?,
        ..before.clone()
    })
}

/// An index with a new throughput; `on_demand` is whether its table is on demand after the request.
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
    let names_none = |max: OnDemandThroughput| max.max_read_request_units.or(max.max_write_request_units).is_none();
    let nothing = throughput.is_none() && on_demand_max.is_none_or(names_none) && warm.is_none();
    if on_demand && (throughput.is_some() || nothing) {
        return Err(invalid(format!(
            "The only Updates for index: {name} when TableThroughputMode is PAY_PER_REQUEST can be to OnDemandThroughput, WarmThroughput"
        )));
    }
    if nothing {
        return Err(ApiError::missing(
            "globalSecondaryIndexUpdates.member.update.provisionedThroughput",
        ));
    }
    let throughput = match throughput {
        Some(wanted) => match provisioned(wanted, Subject::Index(name))? {
            same if same == before.throughput => return Err(no_change(wanted, &format!("the index {name}"))),
            new => new,
        },
        None if on_demand => Throughput::OnDemand,
        None => before.throughput,
    };
    let was = Some((before.throughput, before.capacity));
    Ok(GlobalIndex {
        throughput,
        capacity: capacity(was, throughput, on_demand_max, warm, Subject::Index(name))?,
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
        return Err(ApiError::validation(
            "Attempting to create an index which already exists",
        ));
    }
    let Some(defined) = &input.attribute_definitions else {
        return Err(invalid(format!(
            "AttributeDefinitions is not specified for index: {name}"
        )));
    };
    let definitions = Definitions::new(defined)?;
    definitions.check_count(&wanted.key_schema)?;
    let last = table.global_indexes.values().map(|(index, _)| index.place).max();
    let place = last.map_or(0, |last| last.saturating_add(1));
    let index = global_index(wanted, place, &definitions, throughput, Request::Update)?;
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
        return Err(ApiError::LimitExceeded(format!(
            "Subscriber limit exceeded: Number of global secondary indexes exceeds per-table limit of {GLOBAL_INDEXES_MAX}"
        )));
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

/// The new billing of the table; `None` if it stays the same.
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
    let was = Some((table.throughput, billing.capacity));
    billing.capacity = capacity(was, throughput, on_demand, warm, Subject::Table)?;
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
    // Another stream may have been turned on and off since the request arrived.
    let latest = table.latest_stream.map_or(0, |latest| latest.enabled_ms + 1);
    match (
        stream(specification, stream_ms.max(latest), Request::Update)?,
        table.stream,
    ) {
        (Some(_), Some(_)) => refuse("Table already has an enabled stream"),
        (None, None) => refuse("Table has no stream to disable"),
        // DynamoDB's replication needs the stream, so no application on AWS can turn it off.
        (None, Some(_)) if table.is_global() => {
            Err(invalid("Disabling Stream is not allowed for a Global Table replica."))
        }
        (new, _) => Ok(Some(Aspect::Stream(new))),
    }
}
