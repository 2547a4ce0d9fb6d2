//! Requests and answers of CreateTable, DescribeTable, ListTables, DeleteTable and UpdateTable, and
//! the description of a table.

use super::{Tag, wire::wire_enum};

wire_enum! {
    /// The type of a key attribute.
    ScalarAttributeType {
        /// Binary; sorts by unsigned bytes.
        B = "B",
        /// Number; sorts by value.
        N = "N",
        /// String; sorts by unsigned UTF-8 bytes.
        S = "S",
    }
}

wire_enum! {
    /// The role of an attribute in a key schema.
    KeyRole {
        /// Part of the partition key.
        Hash = "HASH",
        /// Part of the sort key.
        Range = "RANGE",
    }
}

wire_enum! {
    /// Which attributes an index copies from its table.
    ProjectionType {
        /// All attributes of the item.
        All = "ALL",
        /// The keys and the attributes named in the projection.
        Include = "INCLUDE",
        /// The keys of table and index.
        KeysOnly = "KEYS_ONLY",
    }
}

wire_enum! {
    /// How a table's throughput is billed.
    BillingMode {
        /// By provisioned throughput, in units per second.
        Provisioned = "PROVISIONED",
        /// By request (on demand).
        PayPerRequest = "PAY_PER_REQUEST",
    }
}

wire_enum! {
    /// How a table's storage is billed.
    TableClass {
        /// For tables that are used regularly.
        Standard = "STANDARD",
        /// For tables that are rarely used.
        StandardInfrequentAccess = "STANDARD_INFREQUENT_ACCESS",
    }
}

wire_enum! {
    /// How a table is encrypted, if not with a key of the service.
    SseType {
        /// A form that DynamoDB no longer supports; requests for it are rejected.
        Aes256 = "AES256",
        /// With a key in the account's key management service.
        Kms = "KMS",
    }
}

wire_enum! {
    /// The status of a table's encryption with a key of the account.
    SseStatus {
        /// The table is encrypted with that key.
        Enabled = "ENABLED",
        /// The key is being changed.
        Updating = "UPDATING",
    }
}

wire_enum! {
    /// Which images a stream's records contain.
    StreamViewType {
        /// The item after the write.
        NewImage = "NEW_IMAGE",
        /// The item before and after the write.
        NewAndOldImages = "NEW_AND_OLD_IMAGES",
        /// The item before the write.
        OldImage = "OLD_IMAGE",
        /// Only the key attributes.
        KeysOnly = "KEYS_ONLY",
    }
}

wire_enum! {
    /// The consistency between the replicas of a global table.
    MultiRegionConsistency {
        /// Eventual consistency, the only supported mode.
        Eventual = "EVENTUAL",
        /// Strong consistency; requests for it are rejected.
        Strong = "STRONG",
    }
}

wire_enum! {
    /// The status of a table.
    TableStatus {
        /// Not yet usable; it can only be described.
        Creating = "CREATING",
        /// Usable, while a change of settings is in progress.
        Updating = "UPDATING",
        /// Being deleted; no longer usable.
        Deleting = "DELETING",
        /// Ready for reads and writes.
        Active = "ACTIVE",
    }
}

wire_enum! {
    /// The status of a global index.
    IndexStatus {
        /// Being filled from the table; not yet readable.
        Creating = "CREATING",
        /// Readable, while its settings are being changed.
        Updating = "UPDATING",
        /// Being deleted; no longer readable.
        Deleting = "DELETING",
        /// Ready to be read.
        Active = "ACTIVE",
    }
}

wire_enum! {
    /// The status of a replica.
    ReplicaStatusName {
        /// Being filled from another replica.
        Creating = "CREATING",
        /// Could not be filled; the description says why.
        CreationFailed = "CREATION_FAILED",
        /// Being deleted; it is removed once the other regions have its writes.
        Deleting = "DELETING",
        /// Ready for reads and writes.
        Active = "ACTIVE",
        /// The other regions dropped it, since it was unreachable for too long.
        RegionDisabled = "REGION_DISABLED",
    }
}

/// The type of an attribute that is part of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeDefinition {
    /// An attribute that is part of a key of the table or of an index.
    pub attribute_name: String,
    /// The type that its values must have.
    pub attribute_type: ScalarAttributeType,
}

/// One attribute of a key schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySchemaElement {
    /// An attribute that the attribute definitions list.
    pub attribute_name: String,
    /// Whether it is part of the partition key or of the sort key.
    pub key_type: KeyRole,
}

/// Which attributes an index copies from its table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectionSpecification {
    /// Whether it copies all attributes, some, or only keys.
    pub projection_type: Option<ProjectionType>,
    /// The attributes copied besides the keys, for `INCLUDE`.
    pub non_key_attributes: Option<Vec<String>>,
}

/// Provisioned throughput of a table or index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProvisionedThroughput {
    /// Read units per second; a unit is a consistent read of up to 4 KiB.
    pub read_capacity_units: i64,
    /// Write units per second; a unit is a write of up to 1 KiB.
    pub write_capacity_units: i64,
}

/// The maximum throughput of an on-demand table or index, in units per second; -1 for no maximum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnDemandThroughput {
    /// Read units; `None` in a request leaves the maximum as it is, in a description there is none.
    pub max_read_request_units: Option<i64>,
    /// Write units; `None` in a request leaves the maximum as it is, in a description there is
    /// none.
    pub max_write_request_units: Option<i64>,
}

/// The load that a table or index sustains at once, in units per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WarmThroughput {
    /// Read units per second; a unit is a consistent read of up to 4 KiB.
    pub read_units_per_second: Option<i64>,
    /// Write units per second; a unit is a write of up to 1 KiB.
    pub write_units_per_second: Option<i64>,
}

/// The load that a table, an index or a replica sustains at once, in a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmThroughputDescription {
    /// The units per second; a description has both.
    pub units: WarmThroughput,
    /// The wire name of a status: that of the table, index or replica, except that a new table and
    /// its indexes show `UPDATING`.
    pub status: &'static str,
}

/// The settings of a table's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSpecification {
    /// Whether the table has a stream.
    pub stream_enabled: bool,
    /// Which images the records contain; required to turn the stream on, forbidden to turn it off.
    pub stream_view_type: Option<StreamViewType>,
}

/// The encryption of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SseSpecification {
    /// Whether a key of the account encrypts the table; otherwise a key of the service does, which
    /// is the default.
    pub enabled: Option<bool>,
    /// `KMS`, which is required with a key and otherwise implied.
    pub sse_type: Option<SseType>,
    /// Id, ARN, alias or alias ARN of a key; `None` for the account's key for DynamoDB.
    pub kms_master_key_id: Option<String>,
}

/// A local index to create. It can only be created with its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSecondaryIndex {
    /// The name of the new index: 3 to 255 characters, as in a table's name.
    pub index_name: String,
    /// The table's partition key, and a sort key of its own.
    pub key_schema: Vec<KeySchemaElement>,
    /// The attributes that it copies from the table.
    pub projection: ProjectionSpecification,
}

/// A global index to create, with its table or later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalSecondaryIndex {
    /// The name of the new index: 3 to 255 characters, as in a table's name.
    pub index_name: String,
    /// Up to four partition attributes, then up to four sort attributes.
    pub key_schema: Vec<KeySchemaElement>,
    /// The attributes that it copies from the table.
    pub projection: ProjectionSpecification,
    /// The throughput, for a provisioned table.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// The maximum throughput, for an on-demand table.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// The load that it must sustain at once.
    pub warm_throughput: Option<WarmThroughput>,
}

/// Creates a table in this region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateTableInput {
    /// The name of the table: 3 to 255 characters of a-z, A-Z, 0-9, '_', '-' and '.'.
    pub table_name: String,
    /// The types of all key attributes of the table and its indexes, and of no others.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// The partition attribute and, optionally, a sort attribute.
    pub key_schema: Vec<KeySchemaElement>,
    /// Up to five local indexes.
    pub local_secondary_indexes: Option<Vec<LocalSecondaryIndex>>,
    /// Up to twenty global indexes.
    pub global_secondary_indexes: Option<Vec<GlobalSecondaryIndex>>,
    /// The billing mode; `PROVISIONED` by default.
    pub billing_mode: Option<BillingMode>,
    /// Required for `PROVISIONED`, forbidden otherwise.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// The maximum throughput, for an on-demand table.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// The load that it must sustain at once.
    pub warm_throughput: Option<WarmThroughput>,
    /// The storage class; `STANDARD` by default.
    pub table_class: Option<TableClass>,
    /// The settings of the table's stream; `None` for no stream.
    pub stream_specification: Option<StreamSpecification>,
    /// The encryption of the table; `None` for a key of the service.
    pub sse_specification: Option<SseSpecification>,
    /// Whether DeleteTable is rejected; `None` in CreateTable: it is not, in UpdateTable: as
    /// before.
    pub deletion_protection_enabled: Option<bool>,
    /// The tags of the new table, up to 50. One of them can set the conflict policy.
    pub tags: Option<Vec<Tag>>,
}

/// Asks for the description of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribeTableInput {
    /// Name or ARN of the table.
    pub table_name: String,
}

/// Deletes a table. Of a global table, it deletes this region's replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteTableInput {
    /// Name or ARN of the table.
    pub table_name: String,
}

/// Lists the names of this region's tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListTablesInput {
    /// Lists only the names after this one.
    pub exclusive_start_table_name: Option<String>,
    /// The maximum number of names to return, 1 to 100 (the default).
    pub limit: Option<i64>,
}

/// A page of table names, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListTablesOutput {
    /// At most `limit` names, which follow `exclusive_start_table_name`.
    pub table_names: Vec<String>,
    /// The name to continue after; `None` on the last page.
    pub last_evaluated_table_name: Option<String>,
}

/// One change of a table's global indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalSecondaryIndexUpdate {
    /// Creates a global index, which is filled in the background.
    Create(GlobalSecondaryIndex),
    /// Changes the throughput of an index; at least one of the three is given.
    Update {
        /// The name of an existing index.
        index_name: String,
        /// Its new units per second, for a provisioned table.
        provisioned_throughput: Option<ProvisionedThroughput>,
        /// Its new maximum throughput, for an on-demand table.
        on_demand_throughput: Option<OnDemandThroughput>,
        /// The load that it must sustain at once.
        warm_throughput: Option<WarmThroughput>,
    },
    /// Deletes a global index; its entries are removed in the background.
    Delete {
        /// The name of an existing index.
        index_name: String,
    },
}

/// One change of a table's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicationGroupUpdate {
    /// Adds a replica in another region.
    Create {
        /// The region that gets the replica.
        region_name: String,
    },
    /// Changes settings of one replica. Beringia's replicas cannot differ in these, so the request
    /// is checked and then rejected.
    Update {
        /// The region whose replica would change.
        region_name: String,
    },
    /// Removes the replica of a region.
    Delete {
        /// The region that loses its replica.
        region_name: String,
    },
}

/// Changes the settings of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateTableInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The types of a new index's key attributes.
    pub attribute_definitions: Option<Vec<AttributeDefinition>>,
    /// The new billing mode; `None` leaves it as it is.
    pub billing_mode: Option<BillingMode>,
    /// The new units per second of the table; `None` leaves them as they are.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// The new maximum throughput, for an on-demand table.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// The load that it must sustain at once.
    pub warm_throughput: Option<WarmThroughput>,
    /// The new storage class; `None` leaves it as it is.
    pub table_class: Option<TableClass>,
    /// Changes of the global indexes; a request can create or delete only one.
    pub global_secondary_index_updates: Option<Vec<GlobalSecondaryIndexUpdate>>,
    /// Turns the stream on or off.
    pub stream_specification: Option<StreamSpecification>,
    /// Changes the key that encrypts the table.
    pub sse_specification: Option<SseSpecification>,
    /// Changes of the replicas; only one, and nothing else in the request.
    pub replica_updates: Option<Vec<ReplicationGroupUpdate>>,
    /// The consistency of a table that becomes global; `STRONG` is rejected.
    pub multi_region_consistency: Option<MultiRegionConsistency>,
    /// Whether DeleteTable is rejected; `None` in CreateTable: it is not, in UpdateTable: as
    /// before.
    pub deletion_protection_enabled: Option<bool>,
}

/// The answer to CreateTable, DescribeTable, DeleteTable and UpdateTable (as `TableDescription` or
/// `Table`).
pub type TableOutput = TableDescription;

/// The full description of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDescription {
    /// The name of the table, the same in all of its regions.
    pub table_name: String,
    /// The table's id, a UUID that is the same in every region.
    pub table_id: String,
    /// The table's ARN in this region.
    pub table_arn: String,
    /// The table's status in this region.
    pub table_status: TableStatus,
    /// When it was created, in milliseconds since the epoch (on the wire: seconds, with fraction).
    pub creation_date_time_ms: u64,
    /// The types of all key attributes.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// The partition attribute of the table and, if there is one, the sort attribute.
    pub key_schema: Vec<KeySchemaElement>,
    /// The number of live items in this region.
    pub item_count: u64,
    /// The size of the live items, in bytes.
    pub table_size_bytes: u64,
    /// The throughput; zeros for an on-demand table.
    pub provisioned_throughput: ProvisionedThroughputDescription,
    /// Present for a table that is or was on demand.
    pub billing_mode_summary: Option<BillingModeSummary>,
    /// The maximum throughput of an on-demand table, if one is set.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// The load that it sustains at once; CreateTable's answer has it only if the request asked for
    /// it.
    pub warm_throughput: Option<WarmThroughputDescription>,
    /// Present if the class was ever set.
    pub table_class_summary: Option<TableClassSummary>,
    /// The local indexes; `None` if there are none.
    pub local_secondary_indexes: Option<Vec<LocalSecondaryIndexDescription>>,
    /// The global indexes; `None` if there are none.
    pub global_secondary_indexes: Option<Vec<GlobalSecondaryIndexDescription>>,
    /// Present while the stream is on.
    pub stream_specification: Option<StreamSpecification>,
    /// Present if a key of the account encrypts the table, or while that changes.
    pub sse_description: Option<SseDescription>,
    /// The label of the open stream, or of the last one that can still be read: the time when this
    /// region turned it on.
    pub latest_stream_label: Option<String>,
    /// The ARN of that stream.
    pub latest_stream_arn: Option<String>,
    /// `2019.11.21` for a global table, `None` for a regional one.
    pub global_table_version: Option<&'static str>,
    /// The replicas of a global table in other regions (developer guide, "DynamoDB global tables
    /// versions").
    pub replicas: Option<Vec<ReplicaDescription>>,
    /// `EVENTUAL` for a global table, `None` for a regional one.
    pub multi_region_consistency: Option<MultiRegionConsistency>,
    /// Whether this region rejects DeleteTable.
    pub deletion_protection_enabled: bool,
}

/// Provisioned throughput in a description, with its changes so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProvisionedThroughputDescription {
    /// Read units per second; a unit is a consistent read of up to 4 KiB.
    pub read_capacity_units: u64,
    /// Write units per second; a unit is a write of up to 1 KiB.
    pub write_capacity_units: u64,
    /// The number of decreases today (UTC). Beringia does not limit it.
    pub number_of_decreases_today: u64,
    /// When the units were last increased, in ms since the epoch.
    pub last_increase_date_time_ms: Option<u64>,
    /// When the units were last decreased, in ms since the epoch.
    pub last_decrease_date_time_ms: Option<u64>,
}

/// The encryption of a table with a key of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseDescription {
    /// Whether the key is being changed.
    pub status: SseStatus,
    /// The type; `None` while the table is changed from a key of the service.
    pub sse_type: Option<SseType>,
    /// The ARN of the key in this region, or of the previous key while the key is changed.
    pub kms_master_key_arn: Option<String>,
}

/// The storage class of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableClassSummary {
    /// The class that was set last.
    pub table_class: TableClass,
    /// When the class last changed, in milliseconds since the epoch (on the wire: seconds); `None`
    /// if it never did.
    pub last_update_date_time_ms: Option<u64>,
}

/// The billing mode of a table that is or was on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillingModeSummary {
    /// The mode that was set last.
    pub billing_mode: BillingMode,
    /// When the table last became an on-demand table, in milliseconds since the epoch (on the wire:
    /// seconds); `None` in CreateTable's answer, and if it never did.
    pub last_update_to_pay_per_request_date_time_ms: Option<u64>,
}

/// A local index in a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSecondaryIndexDescription {
    /// The name of the index, unique within its table.
    pub index_name: String,
    /// The index's ARN in this region: the table's ARN, then the name of the index.
    pub index_arn: String,
    /// The index's partition attributes, then its sort attributes.
    pub key_schema: Vec<KeySchemaElement>,
    /// The attributes that it copies from the table.
    pub projection: ProjectionSpecification,
    /// The number of entries; `None` if this region no longer has the index.
    pub item_count: Option<u64>,
    /// The size of the entries, in bytes; `None` if this region no longer has the index.
    pub index_size_bytes: Option<u64>,
}

/// A global index in a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalSecondaryIndexDescription {
    /// The name of the index, unique within its table.
    pub index_name: String,
    /// The index's ARN in this region: the table's ARN, then the name of the index.
    pub index_arn: String,
    /// The index's partition attributes, then its sort attributes.
    pub key_schema: Vec<KeySchemaElement>,
    /// The attributes that it copies from the table.
    pub projection: ProjectionSpecification,
    /// The index's status in this region.
    pub index_status: IndexStatus,
    /// Whether it is being filled; present only while it is `CREATING`.
    pub backfilling: Option<bool>,
    /// The throughput; zeros for an on-demand table.
    pub provisioned_throughput: ProvisionedThroughputDescription,
    /// The maximum throughput of an on-demand index, if one is set.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// The load that it sustains at once; CreateTable's answer has it only if the request asked for
    /// it.
    pub warm_throughput: Option<WarmThroughputDescription>,
    /// The number of entries; `None` if this region no longer has the index.
    pub item_count: Option<u64>,
    /// The size of the entries, in bytes; `None` if this region no longer has the index.
    pub index_size_bytes: Option<u64>,
}

/// A replica of a global table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaDescription {
    /// The region that has the replica, never the one that answers.
    pub region_name: String,
    /// The ARN of the table in that region.
    pub replica_arn: String,
    /// The replica's status, as this region knows it.
    pub replica_status: ReplicaStatusName,
    /// The reason, if the replica failed or was dropped.
    pub replica_status_description: Option<String>,
    /// Since when the replica has been unreachable, in ms since the epoch, if it was dropped for
    /// that.
    pub replica_inaccessible_date_time_ms: Option<u64>,
    /// The replica's storage class, which is the table's, if one was ever set.
    pub replica_table_class_summary: Option<TableClassSummary>,
    /// The load that it sustains at once, which is the table's; `None` if the region has no copy of
    /// the table.
    pub warm_throughput: Option<WarmThroughputDescription>,
    /// Its global indexes; `None` if there are none.
    pub global_secondary_indexes: Option<Vec<ReplicaGlobalSecondaryIndexDescription>>,
}

/// A global index of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaGlobalSecondaryIndexDescription {
    /// The name of the index, unique within its table.
    pub index_name: String,
    /// The load that it sustains at once, which follows the table.
    pub warm_throughput: WarmThroughputDescription,
}
