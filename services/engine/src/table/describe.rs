//! DescribeTable, and the description that every operation on a table answers with.

use beringia_item::{KeySchema, KeyType, Region};
use beringia_store::{
    GlobalIndex, IndexState, LocalIndex, Projection, Replica, ReplicaStatus, Stream, Table, Throughput,
};

use super::{delete::not_found, settings::wire_view};
use crate::{
    ApiError, Engine,
    api::{
        AttributeDefinition, BillingMode, BillingModeSummary, DescribeTableInput, GlobalSecondaryIndexDescription,
        IndexStatus, KeyRole, KeySchemaElement, LocalSecondaryIndexDescription, MultiRegionConsistency,
        ProjectionSpecification, ProjectionType, ProvisionedThroughputDescription, ReplicaDescription,
        ReplicaStatusName, ScalarAttributeType, StreamSpecification, TableDescription, TableStatus,
    },
    names::table_arn,
};

/// The version of global tables that this is.
const GLOBAL_TABLE_VERSION: &str = "2019.11.21";

impl Engine {
    /// Describes a table.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException.
    #[expect(clippy::unused_async, reason = "all operations are called alike")]
    pub async fn describe_table(&self, input: DescribeTableInput) -> Result<TableDescription, ApiError> {
        let name = self.control_name(&input.table_name)?;
        let catalog = self.store.catalog();
        let table = catalog.by_name.get(name).ok_or_else(|| not_found(name))?;
        Ok(describe(table, self.region()))
    }
}

/// The status of a table in this region, which follows from what is going on with it.
pub(super) fn status(table: &Table, region: &Region) -> TableStatus {
    let own = table.replicas.get(region).map(|replica| &replica.status);
    if matches!(own, Some(ReplicaStatus::Deleting)) {
        return TableStatus::Deleting;
    }
    if matches!(
        own,
        Some(ReplicaStatus::Creating { .. } | ReplicaStatus::CreationFailed { .. })
    ) || !table.joined
    {
        return TableStatus::Creating;
    }
    let index_changes = table
        .global_indexes
        .values()
        .any(|(_, state)| *state != IndexState::Active);
    let replica_changes = table
        .replicas
        .values()
        .any(|replica| matches!(replica.status, ReplicaStatus::Creating { .. } | ReplicaStatus::Deleting));
    if index_changes || replica_changes {
        TableStatus::Updating
    } else {
        TableStatus::Active
    }
}

/// Describes a table as this region knows it.
pub(super) fn describe(table: &Table, region: &Region) -> TableDescription {
    let core = &table.core;
    let table_arn = table_arn(region, &core.name);
    let label = table.stream.map(|stream| stream_label(stream.enabled_ms));
    let others: Vec<ReplicaDescription> = table
        .replicas
        .iter()
        .filter(|(other, _)| *other != region)
        .map(|(other, replica)| describe_replica(other, replica))
        .collect();
    let global = !others.is_empty();
    TableDescription {
        table_name: core.name.clone(),
        table_id: table.id.to_string(),
        table_status: status(table, region),
        creation_date_time_ms: core.created_ms,
        attribute_definitions: attribute_definitions(table),
        key_schema: key_schema(&core.keys),
        item_count: table.size.items(),
        table_size_bytes: table.size.bytes(),
        provisioned_throughput: describe_throughput(table.throughput),
        billing_mode_summary: billing_mode(table.throughput),
        local_secondary_indexes: describe_local(table, &table_arn),
        global_secondary_indexes: describe_global(table, &table_arn),
        stream_specification: table.stream.map(describe_stream),
        latest_stream_arn: label.as_ref().map(|label| format!("{table_arn}/stream/{label}")),
        latest_stream_label: label,
        global_table_version: global.then_some(GLOBAL_TABLE_VERSION),
        multi_region_consistency: global.then_some(MultiRegionConsistency::Eventual),
        replicas: global.then_some(others),
        deletion_protection_enabled: table.local.deletion_protection,
        table_arn,
    }
}

fn attribute_definitions(table: &Table) -> Vec<AttributeDefinition> {
    let definition = |(name, part): (&str, &beringia_item::KeyPart)| AttributeDefinition {
        attribute_name: name.to_owned(),
        attribute_type: match part.kind {
            KeyType::S => ScalarAttributeType::S,
            KeyType::N => ScalarAttributeType::N,
            KeyType::B => ScalarAttributeType::B,
        },
    };
    table.attribute_definitions().into_iter().map(definition).collect()
}

/// A key as the wire has it.
fn key_schema(keys: &KeySchema) -> Vec<KeySchemaElement> {
    let partition = keys.partition.iter().map(|part| (part, KeyRole::Hash));
    let sort = keys.sort.iter().map(|part| (part, KeyRole::Range));
    let element = |(part, key_type): (&beringia_item::KeyPart, KeyRole)| KeySchemaElement {
        attribute_name: part.name.clone(),
        key_type,
    };
    partition.chain(sort).map(element).collect()
}

fn describe_projection(projection: &Projection) -> ProjectionSpecification {
    let (kind, names) = match projection {
        Projection::All => (ProjectionType::All, None),
        Projection::KeysOnly => (ProjectionType::KeysOnly, None),
        Projection::Include(names) => (ProjectionType::Include, Some(names.clone())),
    };
    ProjectionSpecification {
        projection_type: Some(kind),
        non_key_attributes: names,
    }
}

fn describe_throughput(throughput: Throughput) -> ProvisionedThroughputDescription {
    match throughput {
        Throughput::OnDemand => ProvisionedThroughputDescription::default(),
        Throughput::Provisioned {
            read_units,
            write_units,
        } => ProvisionedThroughputDescription {
            read_capacity_units: read_units,
            write_capacity_units: write_units,
            number_of_decreases_today: 0,
        },
    }
}

fn billing_mode(throughput: Throughput) -> Option<BillingModeSummary> {
    (throughput == Throughput::OnDemand).then_some(BillingModeSummary {
        billing_mode: BillingMode::PayPerRequest,
        last_update_to_pay_per_request_date_time_ms: None,
    })
}

fn describe_local(table: &Table, table_arn: &str) -> Option<Vec<LocalSecondaryIndexDescription>> {
    let describe = |(name, index): (&String, &LocalIndex)| LocalSecondaryIndexDescription {
        index_name: name.clone(),
        index_arn: format!("{table_arn}/index/{name}"),
        key_schema: key_schema(&index.keys),
        projection: describe_projection(&index.projection),
        item_count: None,
        index_size_bytes: None,
    };
    let indexes: Vec<_> = table.core.local_indexes.iter().map(describe).collect();
    (!indexes.is_empty()).then_some(indexes)
}

fn describe_global(table: &Table, table_arn: &str) -> Option<Vec<GlobalSecondaryIndexDescription>> {
    let describe = |(name, (index, state)): (&String, &(GlobalIndex, IndexState))| GlobalSecondaryIndexDescription {
        index_name: name.clone(),
        index_arn: format!("{table_arn}/index/{name}"),
        key_schema: key_schema(&index.keys),
        projection: describe_projection(&index.projection),
        index_status: match state {
            IndexState::Backfilling => IndexStatus::Creating,
            IndexState::Active => IndexStatus::Active,
            IndexState::Deleting => IndexStatus::Deleting,
        },
        backfilling: (*state == IndexState::Backfilling).then_some(true),
        provisioned_throughput: describe_throughput(index.throughput),
        item_count: None,
        index_size_bytes: None,
    };
    let indexes: Vec<_> = table.global_indexes.iter().map(describe).collect();
    (!indexes.is_empty()).then_some(indexes)
}

const fn describe_stream(stream: Stream) -> StreamSpecification {
    StreamSpecification {
        stream_enabled: true,
        stream_view_type: Some(wire_view(stream.view)),
    }
}

fn describe_replica(region: &Region, replica: &Replica) -> ReplicaDescription {
    let (replica_status, reason) = match &replica.status {
        ReplicaStatus::Creating { .. } => (ReplicaStatusName::Creating, None),
        ReplicaStatus::CreationFailed { reason } => (ReplicaStatusName::CreationFailed, Some(reason.clone())),
        ReplicaStatus::Active => (ReplicaStatusName::Active, None),
        ReplicaStatus::Deleting => (ReplicaStatusName::Deleting, None),
    };
    ReplicaDescription {
        region_name: region.to_string(),
        replica_status,
        replica_status_description: reason,
    }
}

/// A stream's label: when it was turned on, as `2026-01-31T23:59:59.999`.
fn stream_label(ms: u64) -> String {
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}",
        ms % 1000
    )
}

/// The date so many days after 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March, so that the
/// leap day is a year's last.
const fn civil(days: u64) -> (u64, u64, u64) {
    // From 0000-03-01 on; 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_label_is_the_time_in_utc() {
        for (ms, label) in [
            (0, "1970-01-01T00:00:00.000"),
            (951_782_399_999, "2000-02-28T23:59:59.999"),
            (951_782_400_000, "2000-02-29T00:00:00.000"),
            (1_709_251_199_001, "2024-02-29T23:59:59.001"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000"),
        ] {
            assert_eq!(stream_label(ms), label);
        }
    }
}
