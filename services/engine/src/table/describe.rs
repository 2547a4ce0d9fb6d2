//! DescribeTable, and the description that every operation on a table returns.

use beringia_item::{KeySchema, KeyType, Region};
use beringia_storage::{
    Billing, Capacity, GlobalIndex, IndexProjection, IndexState, LocalIndex, Replica, ReplicaStatus, Stream, Table,
    Throughput, Units,
};

use super::{
    encryption::describe_encryption,
    lifecycle::{Change, gone_indexes, index_status, is_new_replica, not_found, table_status},
    settings::{decreases_today, warm_now, wire_class, wire_view},
};
use crate::{
    ApiError, Engine,
    api::{
        AttributeDefinition, BillingMode, BillingModeSummary, DescribeTableInput, GlobalSecondaryIndexDescription,
        IndexStatus, KeyRole, KeySchemaElement, LocalSecondaryIndexDescription, MultiRegionConsistency,
        OnDemandThroughput, ProjectionSpecification, ProjectionType, ProvisionedThroughputDescription,
        ReplicaDescription, ReplicaGlobalSecondaryIndexDescription, ReplicaStatusName, ScalarAttributeType,
        StreamSpecification, TableClassSummary, TableDescription, TableStatus, WarmThroughput,
        WarmThroughputDescription,
    },
    keys::parts,
    names::table_arn,
    stream::StreamNames,
};

/// The version of global tables that Beringia implements.
const GLOBAL_TABLE_VERSION: &str = "2019.11.21";

impl Engine {
    /// Returns the description of a table.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException.
    #[expect(clippy::unused_async, reason = "all operations are called alike")]
    pub async fn describe_table(&self, input: DescribeTableInput) -> Result<TableDescription, ApiError> {
        let name = self.control_name(&input.table_name)?;
        let catalog = self.store.catalog();
        if let Some(table) = catalog.by_name.get(name) {
            return Ok(self.describe(table, self.lifecycle.change(table.id).as_ref()));
        }
        let removed = self.lifecycle.removed(name).ok_or_else(|| not_found(name))?;
        Ok(TableDescription {
            table_status: TableStatus::Deleting,
            ..self.describe(&removed, None)
        })
    }

    /// Describes a table as this region knows it. With `change`, describes it while that change is
    /// being carried out.
    pub(super) fn describe(&self, table: &Table, change: Option<&Change>) -> TableDescription {
        describe(table, self.region(), &self.stream_names, self.clock.now_ms(), change)
    }
}

fn describe(
    table: &Table,
    region: &Region,
    stream_names: &StreamNames,
    now_ms: u64,
    change: Option<&Change>,
) -> TableDescription {
    let core = &table.core;
    let status = table_status(table, region, change);
    let before = change.and_then(Change::before);
    let units = shown_units(before.map(|before| before.throughput), table.throughput);
    let table_arn = table_arn(region, &core.name);
    let others: Vec<ReplicaDescription> = table
        .replicas
        .iter()
        .filter(|(other, replica)| *other != region && !is_removed(replica))
        .map(|(other, replica)| describe_replica(table, other, replica, change))
        .collect();
    let global = !others.is_empty();
    TableDescription {
        table_name: core.name.clone(),
        table_id: table.id.to_string(),
        table_status: status,
        creation_date_time_ms: core.created_ms,
        attribute_definitions: attribute_definitions(table, change),
        key_schema: key_schema(&core.keys),
        item_count: table.size.items(),
        table_size_bytes: table.size.bytes(),
        provisioned_throughput: describe_throughput(units, table.billing.capacity, now_ms),
        billing_mode_summary: billing_mode(table),
        on_demand_throughput: describe_maxima(table.billing.capacity),
        warm_throughput: Some(describe_warm(
            table.throughput,
            table.billing.capacity,
            warm_status(status, status.as_str()),
        )),
        table_class_summary: describe_class(table.billing),
        local_secondary_indexes: describe_local(table, &table_arn),
        global_secondary_indexes: describe_global(table, &table_arn, now_ms, status, change),
        stream_specification: table.stream.map(describe_stream),
        sse_description: describe_encryption(table, region, change),
        latest_stream_arn: table.latest_stream.map(|stream| stream_names.arn(&core.name, stream)),
        latest_stream_label: table.latest_stream.map(|stream| stream_names.label(stream)),
        global_table_version: global.then_some(GLOBAL_TABLE_VERSION),
        multi_region_consistency: global.then_some(MultiRegionConsistency::Eventual),
        replicas: global.then_some(others),
        deletion_protection_enabled: table.local.deletion_protection,
        table_arn,
    }
}

fn attribute_definitions(table: &Table, change: Option<&Change>) -> Vec<AttributeDefinition> {
    let definition = |(name, part): (&str, &beringia_item::KeyPart)| AttributeDefinition {
        attribute_name: name.to_owned(),
        attribute_type: match part.kind {
            KeyType::S => ScalarAttributeType::S,
            KeyType::N => ScalarAttributeType::N,
            KeyType::B => ScalarAttributeType::B,
        },
    };
    let mut definitions = table.attribute_definitions();
    for part in gone_indexes(table, change).flat_map(|(_, index)| parts(&index.keys)) {
        definitions.entry(&part.name).or_insert(part);
    }
    definitions.into_iter().map(definition).collect()
}

/// A key schema in its wire form.
pub(crate) fn key_schema(keys: &KeySchema) -> Vec<KeySchemaElement> {
    let partition = keys.partition.iter().map(|part| (part, KeyRole::Hash));
    let sort = keys.sort.iter().map(|part| (part, KeyRole::Range));
    let element = |(part, key_type): (&beringia_item::KeyPart, KeyRole)| KeySchemaElement {
        attribute_name: part.name.clone(),
        key_type,
    };
    partition.chain(sort).map(element).collect()
}

fn describe_projection(projection: &IndexProjection) -> ProjectionSpecification {
    let (kind, names) = match projection {
        IndexProjection::All => (ProjectionType::All, None),
        IndexProjection::KeysOnly => (ProjectionType::KeysOnly, None),
        IndexProjection::Include(names) => (ProjectionType::Include, Some(names.clone())),
    };
    ProjectionSpecification {
        projection_type: Some(kind),
        non_key_attributes: names,
    }
}

/// The throughput that a description shows. While provisioned units change, it is the previous
/// units.
const fn shown_units(before: Option<Throughput>, after: Throughput) -> Throughput {
    match (before, after) {
        (Some(before @ Throughput::Provisioned { .. }), Throughput::Provisioned { .. }) => before,
        _ => after,
    }
}

fn describe_throughput(throughput: Throughput, capacity: Capacity, now_ms: u64) -> ProvisionedThroughputDescription {
    let (read_capacity_units, write_capacity_units) = match throughput {
        Throughput::OnDemand => (0, 0),
        Throughput::Provisioned {
            read_units,
            write_units,
        } => (read_units, write_units),
    };
    ProvisionedThroughputDescription {
        read_capacity_units,
        write_capacity_units,
        number_of_decreases_today: decreases_today(capacity.changes, now_ms),
        last_increase_date_time_ms: capacity.changes.increased_ms,
        last_decrease_date_time_ms: capacity.changes.decreased_ms,
    }
}

fn billing_mode(table: &Table) -> Option<BillingModeSummary> {
    let since = table.billing.on_demand_since_ms;
    let billing_mode = match table.throughput {
        Throughput::OnDemand => BillingMode::PayPerRequest,
        // DynamoDB omits the mode of a table that never had another one.
        Throughput::Provisioned { .. } => since.map(|_| BillingMode::Provisioned)?,
    };
    Some(BillingModeSummary {
        billing_mode,
        last_update_to_pay_per_request_date_time_ms: since,
    })
}

fn describe_maxima(capacity: Capacity) -> Option<OnDemandThroughput> {
    let units = |units: Option<u64>| Some(units.map_or(-1, u64::cast_signed));
    let Units { read, write } = capacity.on_demand_max;
    (read.is_some() || write.is_some()).then(|| OnDemandThroughput {
        max_read_request_units: units(read),
        max_write_request_units: units(write),
    })
}

fn describe_warm(throughput: Throughput, capacity: Capacity, status: &'static str) -> WarmThroughputDescription {
    let (read, write) = warm_now(throughput, capacity);
    WarmThroughputDescription {
        units: WarmThroughput {
            read_units_per_second: Some(read.cast_signed()),
            write_units_per_second: Some(write.cast_signed()),
        },
        status,
    }
}

/// The status of the warm throughput of a table with the status `table`, or of one of its indexes;
/// `own` is its own status. The warm throughput of a new table is being updated.
const fn warm_status(table: TableStatus, own: &'static str) -> &'static str {
    match table {
        TableStatus::Creating => TableStatus::Updating.as_str(),
        _ => own,
    }
}

fn describe_class(billing: Billing) -> Option<TableClassSummary> {
    let chosen = billing.class != beringia_storage::TableClass::Standard || billing.class_since_ms.is_some();
    chosen.then(|| TableClassSummary {
        table_class: wire_class(billing.class),
        last_update_date_time_ms: billing.class_since_ms,
    })
}

fn describe_local(table: &Table, table_arn: &str) -> Option<Vec<LocalSecondaryIndexDescription>> {
    let mut indexes: Vec<_> = table.core.local_indexes.iter().collect();
    indexes.sort_by_key(|(_, index)| index.place);
    let describe = |(name, index): (&String, &LocalIndex)| LocalSecondaryIndexDescription {
        index_name: name.clone(),
        index_arn: format!("{table_arn}/index/{name}"),
        key_schema: key_schema(&index.keys),
        projection: describe_projection(&index.projection),
        item_count: table.index_sizes.get(name).map(|size| size.items()),
        index_size_bytes: table.index_sizes.get(name).map(|size| size.bytes()),
    };
    let indexes: Vec<_> = indexes.into_iter().map(describe).collect();
    (!indexes.is_empty()).then_some(indexes)
}

fn describe_global(
    table: &Table,
    table_arn: &str,
    now_ms: u64,
    table_status: TableStatus,
    change: Option<&Change>,
) -> Option<Vec<GlobalSecondaryIndexDescription>> {
    let before = |name: &str| {
        let (before, _) = change.and_then(Change::before)?.global_indexes.get(name)?;
        Some(before.throughput)
    };
    let describe = |name: &String, index: &GlobalIndex, index_status: IndexStatus, backfilling: Option<bool>| {
        GlobalSecondaryIndexDescription {
            index_name: name.clone(),
            index_arn: format!("{table_arn}/index/{name}"),
            key_schema: key_schema(&index.keys),
            projection: describe_projection(&index.projection),
            index_status,
            backfilling,
            provisioned_throughput: describe_throughput(
                shown_units(before(name), index.throughput),
                index.capacity,
                now_ms,
            ),
            on_demand_throughput: describe_maxima(index.capacity),
            warm_throughput: Some(describe_warm(
                index.throughput,
                index.capacity,
                warm_status(table_status, index_status.as_str()),
            )),
            item_count: table.index_sizes.get(name).map(|size| size.items()),
            index_size_bytes: table.index_sizes.get(name).map(|size| size.bytes()),
        }
    };
    let there = table.global_indexes.iter().map(|(name, (index, state))| {
        let status = index_status(name, index, *state, change);
        // DynamoDB does not report the filling of a new table's indexes.
        let added = status == IndexStatus::Creating && !change.is_some_and(Change::is_creation);
        let backfilling = added.then_some(*state == IndexState::Backfilling);
        (index.place, describe(name, index, status, backfilling))
    });
    let gone = gone_indexes(table, change)
        .map(|(name, index)| (index.place, describe(name, index, IndexStatus::Deleting, None)));
    let mut indexes: Vec<_> = there.chain(gone).collect();
    indexes.sort_by_key(|(place, _)| *place);
    (!indexes.is_empty()).then(|| indexes.into_iter().map(|(_, index)| index).collect())
}

const fn describe_stream(stream: Stream) -> StreamSpecification {
    StreamSpecification {
        stream_enabled: true,
        stream_view_type: Some(wire_view(stream.view)),
    }
}

/// Whether the replica was dropped and then removed by an operator. Only its own region still has
/// to learn of that.
pub(super) const fn is_removed(replica: &Replica) -> bool {
    matches!(replica.status, ReplicaStatus::Dropped { returns: false, .. })
}

fn describe_replica(table: &Table, region: &Region, replica: &Replica, change: Option<&Change>) -> ReplicaDescription {
    let (replica_status, reason) = match &replica.status {
        ReplicaStatus::Creating { .. } => (ReplicaStatusName::Creating, None),
        ReplicaStatus::CreationFailed { reason } => (ReplicaStatusName::CreationFailed, Some(reason.clone())),
        ReplicaStatus::Active if is_new_replica(region, change) => (ReplicaStatusName::Creating, None),
        ReplicaStatus::Active => (ReplicaStatusName::Active, None),
        ReplicaStatus::Deleting => (ReplicaStatusName::Deleting, None),
        ReplicaStatus::Dropped { .. } => {
            let reason =
                "The replica was unreachable for too long and was dropped; it is copied again once it is reachable";
            (ReplicaStatusName::RegionDisabled, Some(reason.to_owned()))
        }
    };
    let inaccessible = replica_status == ReplicaStatusName::RegionDisabled;
    let member = replica.status.is_member();
    let mut indexes: Vec<_> = table.global_indexes.iter().filter(|_| member).collect();
    indexes.sort_by_key(|(_, (index, _))| index.place);
    let indexes: Vec<_> = indexes
        .into_iter()
        .map(|(name, (index, _))| ReplicaGlobalSecondaryIndexDescription {
            index_name: name.clone(),
            warm_throughput: describe_warm(index.throughput, index.capacity, replica_status.as_str()),
        })
        .collect();
    ReplicaDescription {
        region_name: region.to_string(),
        replica_arn: table_arn(region, &table.core.name),
        replica_status,
        replica_status_description: reason,
        replica_inaccessible_date_time_ms: inaccessible.then_some(replica.since_ms),
        replica_table_class_summary: describe_class(table.billing),
        warm_throughput: member
            .then(|| describe_warm(table.throughput, table.billing.capacity, replica_status.as_str())),
        global_secondary_indexes: (!indexes.is_empty()).then_some(indexes),
    }
}
