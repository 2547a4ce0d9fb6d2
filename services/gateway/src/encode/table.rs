//! Encodes the description of a table.

use beringia_engine::api::{
    AttributeDefinition, BillingModeSummary, GlobalSecondaryIndexDescription, KeySchemaElement,
    LocalSecondaryIndexDescription, OnDemandThroughput, ProjectionSpecification, ProvisionedThroughputDescription,
    ReplicaDescription, ReplicaGlobalSecondaryIndexDescription, SseDescription, StreamSpecification, TableClassSummary,
    TableDescription, WarmThroughputDescription,
};
use serde::Serializer;

use super::{Encode, Fields};

/// An answer whose only member is the description of a table.
pub(crate) struct Described {
    /// The member's name: `Table` or `TableDescription`.
    pub(crate) member: &'static str,
    pub(crate) table: TableDescription,
}

impl Encode for Described {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire(self.member, &self.table)?;
        fields.end()
    }
}

/// The answer to DeleteTable, which contains less about the table than those of other operations.
pub(crate) struct Deleted(pub(crate) TableDescription);

impl Encode for Deleted {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire("TableDescription", &Remains(&self.0))?;
        fields.end()
    }
}

struct Remains<'a>(&'a TableDescription);

impl Encode for Remains<'_> {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = self.0;
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("BillingModeSummary", table.billing_mode_summary.as_ref())?;
        fields.plain("DeletionProtectionEnabled", &table.deletion_protection_enabled)?;
        fields.plain("ItemCount", &table.item_count)?;
        fields.wire("ProvisionedThroughput", &table.provisioned_throughput)?;
        fields.wire_some("SSEDescription", table.sse_description.as_ref())?;
        fields.plain("TableArn", &table.table_arn)?;
        fields.plain("TableId", &table.table_id)?;
        fields.plain("TableName", &table.table_name)?;
        fields.plain("TableSizeBytes", &table.table_size_bytes)?;
        fields.plain("TableStatus", table.table_status.as_str())?;
        fields.end()
    }
}

impl Encode for TableDescription {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = self;
        let mut fields = Fields::begin(serializer)?;
        fields.wire("AttributeDefinitions", &table.attribute_definitions)?;
        fields.wire_some("BillingModeSummary", table.billing_mode_summary.as_ref())?;
        fields.plain("CreationDateTime", &seconds(table.creation_date_time_ms))?;
        fields.plain("DeletionProtectionEnabled", &table.deletion_protection_enabled)?;
        fields.wire_some("GlobalSecondaryIndexes", table.global_secondary_indexes.as_ref())?;
        fields.plain_some("GlobalTableVersion", table.global_table_version.as_ref())?;
        fields.plain("ItemCount", &table.item_count)?;
        fields.wire("KeySchema", &table.key_schema)?;
        fields.plain_some("LatestStreamArn", table.latest_stream_arn.as_ref())?;
        fields.plain_some("LatestStreamLabel", table.latest_stream_label.as_ref())?;
        fields.wire_some("LocalSecondaryIndexes", table.local_secondary_indexes.as_ref())?;
        fields.plain_some(
            "MultiRegionConsistency",
            table.multi_region_consistency.map(|mode| mode.as_str()).as_ref(),
        )?;
        fields.wire_some("OnDemandThroughput", table.on_demand_throughput.as_ref())?;
        fields.wire("ProvisionedThroughput", &table.provisioned_throughput)?;
        fields.wire_some("Replicas", table.replicas.as_ref())?;
        fields.wire_some("SSEDescription", table.sse_description.as_ref())?;
        fields.wire_some("StreamSpecification", table.stream_specification.as_ref())?;
        fields.plain("TableArn", &table.table_arn)?;
        fields.wire_some("TableClassSummary", table.table_class_summary.as_ref())?;
        fields.plain("TableId", &table.table_id)?;
        fields.plain("TableName", &table.table_name)?;
        fields.plain("TableSizeBytes", &table.table_size_bytes)?;
        fields.plain("TableStatus", table.table_status.as_str())?;
        fields.wire_some("WarmThroughput", table.warm_throughput.as_ref())?;
        fields.end()
    }
}

impl Encode for WarmThroughputDescription {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("ReadUnitsPerSecond", self.units.read_units_per_second.as_ref())?;
        fields.plain("Status", self.status)?;
        fields.plain_some("WriteUnitsPerSecond", self.units.write_units_per_second.as_ref())?;
        fields.end()
    }
}

impl Encode for OnDemandThroughput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("MaxReadRequestUnits", self.max_read_request_units.as_ref())?;
        fields.plain_some("MaxWriteRequestUnits", self.max_write_request_units.as_ref())?;
        fields.end()
    }
}

impl Encode for TableClassSummary {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        let since = self.last_update_date_time_ms.map(seconds);
        fields.plain_some("LastUpdateDateTime", since.as_ref())?;
        fields.plain("TableClass", self.table_class.as_str())?;
        fields.end()
    }
}

/// A time in its wire form, seconds with a fraction.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age are below 2^53")]
pub(super) fn seconds(epoch_ms: u64) -> f64 {
    epoch_ms as f64 / 1000.0
}

impl Encode for AttributeDefinition {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("AttributeName", &self.attribute_name)?;
        fields.plain("AttributeType", self.attribute_type.as_str())?;
        fields.end()
    }
}

impl Encode for KeySchemaElement {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("AttributeName", &self.attribute_name)?;
        fields.plain("KeyType", self.key_type.as_str())?;
        fields.end()
    }
}

impl Encode for ProjectionSpecification {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("NonKeyAttributes", self.non_key_attributes.as_ref())?;
        fields.plain_some(
            "ProjectionType",
            self.projection_type.map(|kind| kind.as_str()).as_ref(),
        )?;
        fields.end()
    }
}

impl Encode for BillingModeSummary {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("BillingMode", self.billing_mode.as_str())?;
        let since = self.last_update_to_pay_per_request_date_time_ms;
        fields.plain_some("LastUpdateToPayPerRequestDateTime", since.map(seconds).as_ref())?;
        fields.end()
    }
}

impl Encode for ProvisionedThroughputDescription {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        let times = [
            ("LastDecreaseDateTime", self.last_decrease_date_time_ms),
            ("LastIncreaseDateTime", self.last_increase_date_time_ms),
        ];
        for (name, time) in times {
            fields.plain_some(name, time.map(seconds).as_ref())?;
        }
        fields.plain("NumberOfDecreasesToday", &self.number_of_decreases_today)?;
        fields.plain("ReadCapacityUnits", &self.read_capacity_units)?;
        fields.plain("WriteCapacityUnits", &self.write_capacity_units)?;
        fields.end()
    }
}

impl Encode for StreamSpecification {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("StreamEnabled", &self.stream_enabled)?;
        fields.plain_some(
            "StreamViewType",
            self.stream_view_type.map(|view| view.as_str()).as_ref(),
        )?;
        fields.end()
    }
}

impl Encode for SseDescription {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("KMSMasterKeyArn", self.kms_master_key_arn.as_ref())?;
        fields.plain_some("SSEType", self.sse_type.map(|kind| kind.as_str()).as_ref())?;
        fields.plain("Status", self.status.as_str())?;
        fields.end()
    }
}

impl Encode for LocalSecondaryIndexDescription {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("IndexArn", &self.index_arn)?;
        fields.plain("IndexName", &self.index_name)?;
        fields.plain_some("IndexSizeBytes", self.index_size_bytes.as_ref())?;
        fields.plain_some("ItemCount", self.item_count.as_ref())?;
        fields.wire("KeySchema", &self.key_schema)?;
        fields.wire("Projection", &self.projection)?;
        fields.end()
    }
}

impl Encode for GlobalSecondaryIndexDescription {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("Backfilling", self.backfilling.as_ref())?;
        fields.plain("IndexArn", &self.index_arn)?;
        fields.plain("IndexName", &self.index_name)?;
        fields.plain_some("IndexSizeBytes", self.index_size_bytes.as_ref())?;
        fields.plain("IndexStatus", self.index_status.as_str())?;
        fields.plain_some("ItemCount", self.item_count.as_ref())?;
        fields.wire("KeySchema", &self.key_schema)?;
        fields.wire_some("OnDemandThroughput", self.on_demand_throughput.as_ref())?;
        fields.wire("Projection", &self.projection)?;
        fields.wire("ProvisionedThroughput", &self.provisioned_throughput)?;
        fields.wire_some("WarmThroughput", self.warm_throughput.as_ref())?;
        fields.end()
    }
}

impl Encode for ReplicaDescription {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("GlobalSecondaryIndexes", self.global_secondary_indexes.as_ref())?;
        fields.plain("RegionName", &self.region_name)?;
        fields.plain("ReplicaArn", &self.replica_arn)?;
        let since = self.replica_inaccessible_date_time_ms.map(seconds);
        fields.plain_some("ReplicaInaccessibleDateTime", since.as_ref())?;
        fields.plain("ReplicaStatus", self.replica_status.as_str())?;
        fields.plain_some("ReplicaStatusDescription", self.replica_status_description.as_ref())?;
        fields.wire_some("ReplicaTableClassSummary", self.replica_table_class_summary.as_ref())?;
        fields.wire_some("WarmThroughput", self.warm_throughput.as_ref())?;
        fields.end()
    }
}

impl Encode for ReplicaGlobalSecondaryIndexDescription {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("IndexName", &self.index_name)?;
        fields.wire("WarmThroughput", &self.warm_throughput)?;
        fields.end()
    }
}
