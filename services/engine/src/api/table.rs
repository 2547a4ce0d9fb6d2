//! CreateTable, DescribeTable, ListTables, DeleteTable, UpdateTable, and the description of a table.

use super::{Tag, wire::wire_enum};

wire_enum! {
    /// The type of a key attribute.
    ScalarAttributeType {
        /// Bytes.
        B = "B",
        /// Number.
        N = "N",
        /// String.
        S = "S",
    }
}

wire_enum! {
    /// The role of a key attribute.
    KeyRole {
        /// Partition key.
        Hash = "HASH",
        /// Sort key.
        Range = "RANGE",
    }
}

wire_enum! {
    /// What an index copies from its table.
    ProjectionType {
        /// Everything.
        All = "ALL",
        /// Keys and the attributes named.
        Include = "INCLUDE",
        /// Keys.
        KeysOnly = "KEYS_ONLY",
    }
}

wire_enum! {
    /// How a table is paid for.
    BillingMode {
        /// By throughput that was bought.
        Provisioned = "PROVISIONED",
        /// By request.
        PayPerRequest = "PAY_PER_REQUEST",
    }
}

wire_enum! {
    /// How a table's storage is paid for.
    TableClass {
        /// For tables in use.
        Standard = "STANDARD",
        /// For tables that are seldom used.
        StandardInfrequentAccess = "STANDARD_INFREQUENT_ACCESS",
    }
}

wire_enum! {
    /// What a stream's records hold.
    StreamViewType {
        /// Item after the change.
        NewImage = "NEW_IMAGE",
        /// Item before and after.
        NewAndOldImages = "NEW_AND_OLD_IMAGES",
        /// Item before the change.
        OldImage = "OLD_IMAGE",
        /// Keys.
        KeysOnly = "KEYS_ONLY",
    }
}

wire_enum! {
    /// How the replicas of a global table agree.
    MultiRegionConsistency {
        /// Eventually; the only mode there is here.
        Eventual = "EVENTUAL",
        /// At every read. Refused.
        Strong = "STRONG",
    }
}

wire_enum! {
    /// The status of a table.
    TableStatus {
        /// Not usable yet.
        Creating = "CREATING",
        /// Usable; a change of settings is under way.
        Updating = "UPDATING",
        /// Going.
        Deleting = "DELETING",
        /// Usable.
        Active = "ACTIVE",
    }
}

wire_enum! {
    /// The status of a global index.
    IndexStatus {
        /// Being filled.
        Creating = "CREATING",
        /// Settings change.
        Updating = "UPDATING",
        /// Going.
        Deleting = "DELETING",
        /// Usable.
        Active = "ACTIVE",
    }
}

wire_enum! {
    /// The status of a replica.
    ReplicaStatusName {
        /// Being filled.
        Creating = "CREATING",
        /// Could not be filled.
        CreationFailed = "CREATION_FAILED",
        /// Going.
        Deleting = "DELETING",
        /// Usable.
        Active = "ACTIVE",
        /// Out of reach for so long that the others dropped it.
        RegionDisabled = "REGION_DISABLED",
    }
}

/// The type of an attribute that is part of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeDefinition {
    /// The attribute.
    pub attribute_name: String,
    /// Its type.
    pub attribute_type: ScalarAttributeType,
}

/// One attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySchemaElement {
    /// The attribute.
    pub attribute_name: String,
    /// Its role.
    pub key_type: KeyRole,
}

/// What an index copies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectionSpecification {
    /// How much.
    pub projection_type: Option<ProjectionType>,
    /// Which attributes besides the keys, for `INCLUDE`.
    pub non_key_attributes: Option<Vec<String>>,
}

/// Throughput that was bought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProvisionedThroughput {
    /// Read units a second.
    pub read_capacity_units: i64,
    /// Write units a second.
    pub write_capacity_units: i64,
}

/// The most that an on-demand table or index takes, units a second; -1 for no maximum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnDemandThroughput {
    /// Of reads.
    pub max_read_request_units: Option<i64>,
    /// Of writes.
    pub max_write_request_units: Option<i64>,
}

/// What a table or index is ready for at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WarmThroughput {
    /// Reads.
    pub read_units_per_second: Option<i64>,
    /// Writes.
    pub write_units_per_second: Option<i64>,
}

/// A stream's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSpecification {
    /// On or off.
    pub stream_enabled: bool,
    /// What its records hold; required to turn it on, forbidden to turn it off.
    pub stream_view_type: Option<StreamViewType>,
}

/// A local index to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSecondaryIndex {
    /// Its name.
    pub index_name: String,
    /// The table's partition key, and a sort key of its own.
    pub key_schema: Vec<KeySchemaElement>,
    /// What it copies.
    pub projection: ProjectionSpecification,
}

/// A global index to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalSecondaryIndex {
    /// Its name.
    pub index_name: String,
    /// Its key.
    pub key_schema: Vec<KeySchemaElement>,
    /// What it copies.
    pub projection: ProjectionSpecification,
    /// For a provisioned table.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// For an on-demand table.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What it is to be ready for.
    pub warm_throughput: Option<WarmThroughput>,
}

/// Makes a table in this region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateTableInput {
    /// Its name: 3 to 255 characters of a-z, A-Z, 0-9, '_', '-' and '.'.
    pub table_name: String,
    /// The types of all key attributes of the table and its indexes, and of no others.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// Its key.
    pub key_schema: Vec<KeySchemaElement>,
    /// Up to five.
    pub local_secondary_indexes: Option<Vec<LocalSecondaryIndex>>,
    /// Up to twenty.
    pub global_secondary_indexes: Option<Vec<GlobalSecondaryIndex>>,
    /// `PROVISIONED` where it is not given.
    pub billing_mode: Option<BillingMode>,
    /// Required for `PROVISIONED`, forbidden otherwise.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// For an on-demand table.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What it is to be ready for.
    pub warm_throughput: Option<WarmThroughput>,
    /// `STANDARD` where it is not given.
    pub table_class: Option<TableClass>,
    /// Whether to have a stream.
    pub stream_specification: Option<StreamSpecification>,
    /// Whether DeleteTable is refused.
    pub deletion_protection_enabled: Option<bool>,
    /// Labels.
    pub tags: Option<Vec<Tag>>,
}

/// Asks for a description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribeTableInput {
    /// Name or ARN of the table.
    pub table_name: String,
}

/// Deletes the table; of a global table, this region's replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteTableInput {
    /// Name or ARN of the table.
    pub table_name: String,
}

/// Asks for the names of this region's tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListTablesInput {
    /// Names after this one.
    pub exclusive_start_table_name: Option<String>,
    /// How many at most, 1 to 100 (the default).
    pub limit: Option<i64>,
}

/// Names of tables, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListTablesOutput {
    /// The names.
    pub table_names: Vec<String>,
    /// Where to read on; `None` at the end.
    pub last_evaluated_table_name: Option<String>,
}

/// One change to the global indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalSecondaryIndexUpdate {
    /// A new index.
    Create(GlobalSecondaryIndex),
    /// Other throughput; at least one of the three.
    Update {
        /// Which index.
        index_name: String,
        /// Its new throughput.
        provisioned_throughput: Option<ProvisionedThroughput>,
        /// Its new maxima.
        on_demand_throughput: Option<OnDemandThroughput>,
        /// What it is to be ready for.
        warm_throughput: Option<WarmThroughput>,
    },
    /// No index any more.
    Delete {
        /// Which index.
        index_name: String,
    },
}

/// One change to the replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicationGroupUpdate {
    /// A new replica.
    Create {
        /// Where.
        region_name: String,
    },
    /// Other settings of a replica. None can differ between replicas here, so this is checked and then refused.
    Update {
        /// Which.
        region_name: String,
    },
    /// No replica any more.
    Delete {
        /// Which.
        region_name: String,
    },
}

/// Changes settings of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateTableInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The types of a new index's key attributes.
    pub attribute_definitions: Option<Vec<AttributeDefinition>>,
    /// How the table is paid for.
    pub billing_mode: Option<BillingMode>,
    /// New throughput.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// For an on-demand table.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What it is to be ready for.
    pub warm_throughput: Option<WarmThroughput>,
    /// The new class.
    pub table_class: Option<TableClass>,
    /// Changes to the global indexes; one creation or deletion at a time.
    pub global_secondary_index_updates: Option<Vec<GlobalSecondaryIndexUpdate>>,
    /// Turns the stream on or off.
    pub stream_specification: Option<StreamSpecification>,
    /// Changes to the replicas; one at a time, and nothing else in the request.
    pub replica_updates: Option<Vec<ReplicationGroupUpdate>>,
    /// How a table that becomes global agrees; `STRONG` is refused.
    pub multi_region_consistency: Option<MultiRegionConsistency>,
    /// Whether DeleteTable is refused.
    pub deletion_protection_enabled: Option<bool>,
}

/// The answer to CreateTable, DescribeTable, DeleteTable and UpdateTable (as `TableDescription` or `Table`).
pub type TableOutput = TableDescription;

/// Everything there is to say about a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDescription {
    /// Its name.
    pub table_name: String,
    /// Its identity, a UUID; the same in every region.
    pub table_id: String,
    /// Its ARN in this region.
    pub table_arn: String,
    /// Its status in this region.
    pub table_status: TableStatus,
    /// When it was created, milliseconds since the epoch (on the wire: seconds, with fraction).
    pub creation_date_time_ms: u64,
    /// Types of all key attributes.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// Its key.
    pub key_schema: Vec<KeySchemaElement>,
    /// Live items.
    pub item_count: u64,
    /// Their bytes.
    pub table_size_bytes: u64,
    /// Throughput; zeros for an on-demand table.
    pub provisioned_throughput: ProvisionedThroughputDescription,
    /// For a table that is or was on demand.
    pub billing_mode_summary: Option<BillingModeSummary>,
    /// The maxima of an on-demand table, where there are any.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What it is ready for.
    pub warm_throughput: WarmThroughput,
    /// For a table whose class was chosen.
    pub table_class_summary: Option<TableClassSummary>,
    /// `None` where there are none.
    pub local_secondary_indexes: Option<Vec<LocalSecondaryIndexDescription>>,
    /// `None` where there are none.
    pub global_secondary_indexes: Option<Vec<GlobalSecondaryIndexDescription>>,
    /// Where the stream is on.
    pub stream_specification: Option<StreamSpecification>,
    /// The label of the stream that is on, or of the last one that can still be read: the time of its start.
    pub latest_stream_label: Option<String>,
    /// That stream.
    pub latest_stream_arn: Option<String>,
    /// `2019.11.21` for a global table.
    pub global_table_version: Option<&'static str>,
    /// The other regions' replicas of a global table (developer guide, "DynamoDB global tables versions").
    pub replicas: Option<Vec<ReplicaDescription>>,
    /// `EVENTUAL` for a global table.
    pub multi_region_consistency: Option<MultiRegionConsistency>,
    /// Whether DeleteTable is refused.
    pub deletion_protection_enabled: bool,
}

/// Throughput as a description shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProvisionedThroughputDescription {
    /// Read units a second.
    pub read_capacity_units: u64,
    /// Write units a second.
    pub write_capacity_units: u64,
    /// Decreases today (UTC). Nothing limits them here.
    pub number_of_decreases_today: u64,
    /// When units were last added, ms since the epoch.
    pub last_increase_date_time_ms: Option<u64>,
    /// When units were last taken away, ms since the epoch.
    pub last_decrease_date_time_ms: Option<u64>,
}

/// The class of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableClassSummary {
    /// The class.
    pub table_class: TableClass,
    /// Since when, milliseconds since the epoch (on the wire: seconds); `None` where it never changed.
    pub last_update_date_time_ms: Option<u64>,
}

/// How an on-demand table is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillingModeSummary {
    /// The mode.
    pub billing_mode: BillingMode,
    /// When it last became an on-demand table, milliseconds since the epoch (on the wire: seconds).
    pub last_update_to_pay_per_request_date_time_ms: Option<u64>,
}

/// A local index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSecondaryIndexDescription {
    /// Its name.
    pub index_name: String,
    /// Its ARN.
    pub index_arn: String,
    /// Its key.
    pub key_schema: Vec<KeySchemaElement>,
    /// What it copies.
    pub projection: ProjectionSpecification,
    /// Entries; `None` where this region has no such index any more.
    pub item_count: Option<u64>,
    /// Their bytes; likewise.
    pub index_size_bytes: Option<u64>,
}

/// A global index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalSecondaryIndexDescription {
    /// Its name.
    pub index_name: String,
    /// Its ARN.
    pub index_arn: String,
    /// Its key.
    pub key_schema: Vec<KeySchemaElement>,
    /// What it copies.
    pub projection: ProjectionSpecification,
    /// Its status in this region.
    pub index_status: IndexStatus,
    /// Given only while it is `CREATING`.
    pub backfilling: Option<bool>,
    /// Throughput; zeros for an on-demand table.
    pub provisioned_throughput: ProvisionedThroughputDescription,
    /// The maxima of an on-demand index, where there are any.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What it is ready for.
    pub warm_throughput: WarmThroughput,
    /// Entries; `None` where this region has no such index any more.
    pub item_count: Option<u64>,
    /// Their bytes; likewise.
    pub index_size_bytes: Option<u64>,
}

/// A replica of a global table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaDescription {
    /// Where.
    pub region_name: String,
    /// Its table's ARN there.
    pub replica_arn: String,
    /// How it stands.
    pub replica_status: ReplicaStatusName,
    /// Why, where it failed.
    pub replica_status_description: Option<String>,
    /// Since when it is out of reach, where that is why it was dropped, ms since the epoch.
    pub replica_inaccessible_date_time_ms: Option<u64>,
    /// Its class, which is the table's, where that was chosen.
    pub replica_table_class_summary: Option<TableClassSummary>,
    /// What it is ready for, which follows the table; `None` where there is no table of it.
    pub warm_throughput: Option<WarmThroughput>,
    /// Its global indexes; `None` where there are none.
    pub global_secondary_indexes: Option<Vec<ReplicaGlobalSecondaryIndexDescription>>,
}

/// A global index of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaGlobalSecondaryIndexDescription {
    /// Its name.
    pub index_name: String,
    /// What it is ready for, which follows the table.
    pub warm_throughput: WarmThroughput,
}
