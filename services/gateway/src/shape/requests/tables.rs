//! The requests about tables.

use beringia_engine::api::{
    BillingMode, KeyRole, MultiRegionConsistency, ProjectionType, ScalarAttributeType, StreamViewType, TableClass,
};
use serde_json::Value;

use super::common::{LONG, NAME, TABLE_NAME, TEXT, list_of, one_of, positive, text_of};
use super::tags::TAGS;
use crate::shape::{Member, Shape, Structure, boolean};

pub(super) const TABLE: Member = Member::required_first("TableName", TABLE_NAME);
const KEY_ATTRIBUTE_NAME: Member = Member::required("AttributeName", text_of(1, 255));

static ATTRIBUTE_DEFINITION: Structure = Structure {
    class: "AttributeDefinition",
    members: &[
        KEY_ATTRIBUTE_NAME,
        Member::required("AttributeType", one_of(ScalarAttributeType::NAMES)),
    ],
};
static ATTRIBUTE_DEFINITION_SHAPE: Shape = Shape::Structure(&ATTRIBUTE_DEFINITION);
const ATTRIBUTE_DEFINITIONS: Shape = list_of(&ATTRIBUTE_DEFINITION_SHAPE);

static KEY_SCHEMA_ELEMENT: Structure = Structure {
    class: "KeySchemaElement",
    members: &[KEY_ATTRIBUTE_NAME, Member::required("KeyType", one_of(KeyRole::NAMES))],
};
static KEY_SCHEMA_ELEMENT_SHAPE: Shape = Shape::Structure(&KEY_SCHEMA_ELEMENT);
/// Of a table or a local index.
const KEY_SCHEMA: Member = Member::required(
    "KeySchema",
    Shape::List {
        min: 1,
        max: 2,
        member: &KEY_SCHEMA_ELEMENT_SHAPE,
    },
);
/// Of a global index: up to four attributes of each role.
const GLOBAL_INDEX_KEY_SCHEMA: Member = Member::required(
    "KeySchema",
    Shape::List {
        min: 1,
        max: 8,
        member: &KEY_SCHEMA_ELEMENT_SHAPE,
    },
);

static PROJECTION_SPECIFICATION: Structure = Structure {
    class: "Projection",
    members: &[
        Member::optional("ProjectionType", one_of(ProjectionType::NAMES)),
        Member::optional(
            "NonKeyAttributes",
            Shape::List {
                min: 1,
                max: 20,
                member: &text_of(1, 255),
            },
        ),
    ],
};
const PROJECTION: Member = Member::required("Projection", Shape::Structure(&PROJECTION_SPECIFICATION));

static THROUGHPUT: Structure = Structure {
    class: "ProvisionedThroughput",
    members: &[
        Member::required("WriteCapacityUnits", positive("Long")),
        Member::required("ReadCapacityUnits", positive("Long")),
    ],
};
const PROVISIONED_THROUGHPUT: Member = Member::optional("ProvisionedThroughput", Shape::Structure(&THROUGHPUT));

static ON_DEMAND: Structure = Structure {
    class: "OnDemandThroughput",
    members: &[
        Member::optional("MaxReadRequestUnits", LONG),
        Member::optional("MaxWriteRequestUnits", LONG),
    ],
};
const ON_DEMAND_THROUGHPUT: Member = Member::optional("OnDemandThroughput", Shape::Structure(&ON_DEMAND));

static WARM: Structure = Structure {
    class: "WarmThroughput",
    members: &[
        Member::optional("ReadUnitsPerSecond", LONG),
        Member::optional("WriteUnitsPerSecond", LONG),
    ],
};
const WARM_THROUGHPUT: Member = Member::optional("WarmThroughput", Shape::Structure(&WARM));

static STREAM: Structure = Structure {
    class: "StreamSpecification",
    members: &[
        Member::required("StreamEnabled", Shape::Boolean),
        Member::optional("StreamViewType", one_of(StreamViewType::NAMES)),
    ],
};
const STREAM_SPECIFICATION: Member = Member::optional("StreamSpecification", Shape::Structure(&STREAM));
const BILLING_MODE: Member = Member::optional("BillingMode", one_of(BillingMode::NAMES));
const DELETION_PROTECTION: Member = Member::optional("DeletionProtectionEnabled", Shape::Boolean);

static ENCRYPTION: Structure = Structure {
    class: "SSESpecification",
    members: &[
        Member::optional("Enabled", Shape::Boolean),
        Member::optional("SSEType", one_of(&["AES256", "KMS"])),
        Member::optional("KMSMasterKeyId", TEXT),
    ],
};
/// Not enabled means the service's own key, which asks for nothing.
const SSE_SPECIFICATION: Member =
    Member::unsupported_but("SSESpecification", Shape::Structure(&ENCRYPTION), is_not_enabled);
const TABLE_CLASS: Member = Member::optional("TableClass", one_of(TableClass::NAMES));
const SETTINGS_REPLICATION: Member = Member::unsupported(
    "GlobalTableSettingsReplicationMode",
    one_of(&["ENABLED", "DISABLED", "ENABLED_WITH_OVERRIDES"]),
    "",
);

fn is_not_enabled(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|members| members.len() == 1 && members.get("Enabled").and_then(boolean) == Some(false))
}

fn is_false(value: &Value) -> bool {
    boolean(value) == Some(false)
}

static LOCAL_INDEX: Structure = Structure {
    class: "LocalSecondaryIndex",
    members: &[Member::required("IndexName", NAME), KEY_SCHEMA, PROJECTION],
};
const GLOBAL_INDEX_MEMBERS: &[Member] = &[
    Member::required("IndexName", NAME),
    GLOBAL_INDEX_KEY_SCHEMA,
    PROJECTION,
    PROVISIONED_THROUGHPUT,
    ON_DEMAND_THROUGHPUT,
    WARM_THROUGHPUT,
];
static GLOBAL_INDEX: Structure = Structure {
    class: "GlobalSecondaryIndex",
    members: GLOBAL_INDEX_MEMBERS,
};

/// A structure of which nothing is read, since it is not supported.
const ANYTHING: Shape = Shape::Structure(&Structure {
    class: "Structure",
    members: &[],
});

pub(crate) static CREATE_TABLE: Structure = Structure {
    class: "CreateTableInput",
    members: &[
        Member::required("AttributeDefinitions", ATTRIBUTE_DEFINITIONS),
        Member::required_first("TableName", NAME),
        BILLING_MODE,
        PROVISIONED_THROUGHPUT,
        KEY_SCHEMA,
        Member::optional("LocalSecondaryIndexes", list_of(&Shape::Structure(&LOCAL_INDEX))),
        Member::optional("GlobalSecondaryIndexes", list_of(&Shape::Structure(&GLOBAL_INDEX))),
        STREAM_SPECIFICATION,
        Member::optional("Tags", TAGS),
        DELETION_PROTECTION,
        SSE_SPECIFICATION,
        TABLE_CLASS,
        WARM_THROUGHPUT,
        ON_DEMAND_THROUGHPUT,
        Member::unsupported("ResourcePolicy", TEXT, ""),
        Member::unsupported("GlobalTableSourceArn", TEXT, "Use ReplicaUpdates of UpdateTable."),
        SETTINGS_REPLICATION,
        Member::unsupported("VectorIndexes", list_of(&ANYTHING), ""),
    ],
};

pub(crate) static DESCRIBE_TABLE: Structure = Structure {
    class: "DescribeTableInput",
    members: &[TABLE],
};
pub(crate) static DELETE_TABLE: Structure = Structure {
    class: "DeleteTableInput",
    members: &[TABLE],
};

pub(crate) static LIST_TABLES: Structure = Structure {
    class: "ListTablesInput",
    members: &[
        Member::optional("ExclusiveStartTableName", NAME),
        Member::optional(
            "Limit",
            Shape::Integer {
                name: "Integer",
                min: 1,
                max: 100,
            },
        ),
    ],
};

static UPDATE_INDEX: Structure = Structure {
    class: "UpdateGlobalSecondaryIndexAction",
    members: &[
        Member::required("IndexName", NAME),
        PROVISIONED_THROUGHPUT,
        ON_DEMAND_THROUGHPUT,
        WARM_THROUGHPUT,
    ],
};
static DELETE_INDEX: Structure = Structure {
    class: "DeleteGlobalSecondaryIndexAction",
    members: &[Member::required("IndexName", NAME)],
};
static CREATE_INDEX: Structure = Structure {
    class: "CreateGlobalSecondaryIndexAction",
    members: GLOBAL_INDEX_MEMBERS,
};
static INDEX_UPDATE: Structure = Structure {
    class: "GlobalSecondaryIndexUpdate",
    members: &[
        Member::optional("Update", Shape::Structure(&UPDATE_INDEX)),
        Member::optional("Create", Shape::Structure(&CREATE_INDEX)),
        Member::optional("Delete", Shape::Structure(&DELETE_INDEX)),
    ],
};

const REGION_NAME: Member = Member::required("RegionName", TEXT);
/// Settings in which a replica may differ from its table.
static REPLICA_MEMBER: Structure = Structure {
    class: "CreateReplicationGroupMemberAction",
    members: &[
        REGION_NAME,
        Member::unsupported("KMSMasterKeyId", TEXT, ""),
        Member::unsupported("ProvisionedThroughputOverride", ANYTHING, ""),
        Member::unsupported("OnDemandThroughputOverride", ANYTHING, ""),
        Member::unsupported("GlobalSecondaryIndexes", list_of(&ANYTHING), ""),
        Member::unsupported("TableClassOverride", TEXT, ""),
    ],
};
static DELETE_REPLICA: Structure = Structure {
    class: "DeleteReplicationGroupMemberAction",
    members: &[REGION_NAME],
};
static REPLICA_UPDATE: Structure = Structure {
    class: "ReplicationGroupUpdate",
    members: &[
        Member::optional("Create", Shape::Structure(&REPLICA_MEMBER)),
        Member::optional("Update", Shape::Structure(&REPLICA_MEMBER)),
        Member::optional("Delete", Shape::Structure(&DELETE_REPLICA)),
        Member::unsupported("Disassociate", ANYTHING, "Use Delete."),
    ],
};

pub(crate) static UPDATE_TABLE: Structure = Structure {
    class: "UpdateTableInput",
    members: &[
        TABLE,
        PROVISIONED_THROUGHPUT,
        BILLING_MODE,
        Member::optional("GlobalSecondaryIndexUpdates", list_of(&Shape::Structure(&INDEX_UPDATE))),
        Member::optional("AttributeDefinitions", ATTRIBUTE_DEFINITIONS),
        STREAM_SPECIFICATION,
        Member::optional(
            "ReplicaUpdates",
            Shape::List {
                min: 1,
                max: usize::MAX,
                member: &Shape::Structure(&REPLICA_UPDATE),
            },
        ),
        Member::optional("MultiRegionConsistency", one_of(MultiRegionConsistency::NAMES)),
        DELETION_PROTECTION,
        SSE_SPECIFICATION,
        TABLE_CLASS,
        Member::unsupported("GlobalTableWitnessUpdates", list_of(&ANYTHING), ""),
        ON_DEMAND_THROUGHPUT,
        WARM_THROUGHPUT,
        SETTINGS_REPLICATION,
        Member::unsupported_but("DisassociationProtectionEnabled", Shape::Boolean, is_false),
        Member::unsupported("VectorIndexUpdates", list_of(&ANYTHING), ""),
    ],
};
