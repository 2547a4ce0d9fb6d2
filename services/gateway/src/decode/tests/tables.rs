//! Decoding CreateTable, DescribeTable, ListTables, DeleteTable and UpdateTable.

use beringia_engine::api::{
    AttributeDefinition, BillingMode, CreateTableInput, DeleteTableInput, DescribeTableInput, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeyRole, KeySchemaElement, ListTablesInput, LocalSecondaryIndex,
    MultiRegionConsistency, OnDemandThroughput, ProjectionSpecification, ProjectionType, ProvisionedThroughput,
    ReplicationGroupUpdate, ScalarAttributeType, SseSpecification, SseType, StreamSpecification, StreamViewType,
    TableClass, Tag, UpdateTableInput, WarmThroughput,
};

use super::*;

fn definition(name: &str, attribute_type: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition {
        attribute_name: name.to_owned(),
        attribute_type,
    }
}

fn key(name: &str, key_type: KeyRole) -> KeySchemaElement {
    KeySchemaElement {
        attribute_name: name.to_owned(),
        key_type,
    }
}

const fn on_demand() -> Option<OnDemandThroughput> {
    Some(OnDemandThroughput {
        max_read_request_units: Some(7),
        max_write_request_units: Some(-1),
    })
}

const fn warm() -> Option<WarmThroughput> {
    Some(WarmThroughput {
        read_units_per_second: Some(8),
        write_units_per_second: None,
    })
}

/// A global index on `a`, as JSON and decoded.
fn global_index() -> (Value, GlobalSecondaryIndex) {
    let json = json!({
        "IndexName": "ByA",
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
        "ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
        "OnDemandThroughput": {"MaxReadRequestUnits": 7, "MaxWriteRequestUnits": -1},
        "WarmThroughput": {"ReadUnitsPerSecond": 8},
    });
    let read = GlobalSecondaryIndex {
        index_name: "ByA".to_owned(),
        key_schema: vec![key("a", KeyRole::Hash)],
        projection: ProjectionSpecification {
            projection_type: Some(ProjectionType::All),
            non_key_attributes: None,
        },
        provisioned_throughput: Some(ProvisionedThroughput {
            read_capacity_units: 3,
            write_capacity_units: 4,
        }),
        on_demand_throughput: on_demand(),
        warm_throughput: warm(),
    };
    (json, read)
}

#[test]
fn create_table_is_decoded_in_full() {
    let (index_json, index) = global_index();
    let request = json!({
        "TableName": "Music",
        "AttributeDefinitions": [
            {"AttributeName": "a", "AttributeType": "S"},
            {"AttributeName": "b", "AttributeType": "N"},
            {"AttributeName": "c", "AttributeType": "B"},
        ],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "RANGE"}],
        "LocalSecondaryIndexes": [{
            "IndexName": "ByC",
            "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "c", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["d", "e"]},
        }],
        "GlobalSecondaryIndexes": [index_json],
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2},
        "TableClass": "STANDARD_INFREQUENT_ACCESS",
        "OnDemandThroughput": {"MaxReadRequestUnits": 7, "MaxWriteRequestUnits": -1},
        "WarmThroughput": {"ReadUnitsPerSecond": 8},
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "SSESpecification": {"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": "alias/mine"},
        "DeletionProtectionEnabled": true,
        "Tags": [{"Key": "k", "Value": ""}],
    });
    let local = LocalSecondaryIndex {
        index_name: "ByC".to_owned(),
        key_schema: vec![key("a", KeyRole::Hash), key("c", KeyRole::Range)],
        projection: ProjectionSpecification {
            projection_type: Some(ProjectionType::Include),
            non_key_attributes: Some(vec!["d".to_owned(), "e".to_owned()]),
        },
    };
    let expected = CreateTableInput {
        table_name: "Music".to_owned(),
        attribute_definitions: vec![
            definition("a", ScalarAttributeType::S),
            definition("b", ScalarAttributeType::N),
            definition("c", ScalarAttributeType::B),
        ],
        key_schema: vec![key("a", KeyRole::Hash), key("b", KeyRole::Range)],
        local_secondary_indexes: Some(vec![local]),
        global_secondary_indexes: Some(vec![index]),
        billing_mode: Some(BillingMode::Provisioned),
        provisioned_throughput: Some(ProvisionedThroughput {
            read_capacity_units: 1,
            write_capacity_units: 2,
        }),
        on_demand_throughput: on_demand(),
        warm_throughput: warm(),
        table_class: Some(TableClass::StandardInfrequentAccess),
        stream_specification: Some(StreamSpecification {
            stream_enabled: true,
            stream_view_type: Some(StreamViewType::NewAndOldImages),
        }),
        sse_specification: Some(SseSpecification {
            enabled: Some(true),
            sse_type: Some(SseType::Kms),
            kms_master_key_id: some("alias/mine"),
        }),
        deletion_protection_enabled: Some(true),
        tags: Some(vec![Tag {
            key: "k".to_owned(),
            value: String::new(),
        }]),
    };
    assert_eq!(read::<CreateTableInput>(request), expected);
}

#[test]
fn describe_delete_and_list_are_decoded() {
    let named = || json!({"TableName": "Music"});
    assert_eq!(
        read::<DescribeTableInput>(named()),
        DescribeTableInput {
            table_name: "Music".to_owned()
        }
    );
    assert_eq!(
        read::<DeleteTableInput>(named()),
        DeleteTableInput {
            table_name: "Music".to_owned()
        }
    );
    assert_eq!(read::<ListTablesInput>(json!({})), ListTablesInput::default());
    let list = ListTablesInput {
        exclusive_start_table_name: some("Music"),
        limit: Some(10),
    };
    assert_eq!(
        read::<ListTablesInput>(json!({"ExclusiveStartTableName": "Music", "Limit": 10})),
        list
    );
}

#[test]
fn update_table_is_decoded_in_full() {
    let (index_json, index) = global_index();
    let request = json!({
        "TableName": "Music",
        "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2},
        "TableClass": "STANDARD_INFREQUENT_ACCESS",
        "OnDemandThroughput": {"MaxReadRequestUnits": 7, "MaxWriteRequestUnits": -1},
        "WarmThroughput": {"ReadUnitsPerSecond": 8},
        "GlobalSecondaryIndexUpdates": [
            {"Create": index_json},
            {"Update": {"IndexName": "Old", "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}}},
            {"Delete": {"IndexName": "Older"}},
        ],
        "StreamSpecification": {"StreamEnabled": false},
        "SSESpecification": {},
        "ReplicaUpdates": [
            {"Create": {"RegionName": "eu-west-1"}},
            {"Update": {"RegionName": "eu-west-2"}},
            {"Delete": {"RegionName": "eu-west-3"}},
        ],
        "MultiRegionConsistency": "EVENTUAL",
        "DeletionProtectionEnabled": false,
    });
    let expected = UpdateTableInput {
        table_name: "Music".to_owned(),
        attribute_definitions: Some(vec![definition("a", ScalarAttributeType::S)]),
        billing_mode: Some(BillingMode::PayPerRequest),
        provisioned_throughput: Some(ProvisionedThroughput {
            read_capacity_units: 1,
            write_capacity_units: 2,
        }),
        on_demand_throughput: on_demand(),
        warm_throughput: warm(),
        table_class: Some(TableClass::StandardInfrequentAccess),
        global_secondary_index_updates: Some(vec![
            GlobalSecondaryIndexUpdate::Create(index),
            GlobalSecondaryIndexUpdate::Update {
                index_name: "Old".to_owned(),
                provisioned_throughput: Some(ProvisionedThroughput {
                    read_capacity_units: 5,
                    write_capacity_units: 6,
                }),
                on_demand_throughput: None,
                warm_throughput: None,
            },
            GlobalSecondaryIndexUpdate::Delete {
                index_name: "Older".to_owned(),
            },
        ]),
        stream_specification: Some(StreamSpecification {
            stream_enabled: false,
            stream_view_type: None,
        }),
        sse_specification: Some(SseSpecification::default()),
        replica_updates: Some(vec![
            ReplicationGroupUpdate::Create {
                region_name: "eu-west-1".to_owned(),
            },
            ReplicationGroupUpdate::Update {
                region_name: "eu-west-2".to_owned(),
            },
            ReplicationGroupUpdate::Delete {
                region_name: "eu-west-3".to_owned(),
            },
        ]),
        multi_region_consistency: Some(MultiRegionConsistency::Eventual),
        deletion_protection_enabled: Some(false),
    };
    assert_eq!(read::<UpdateTableInput>(request), expected);
    let smallest = UpdateTableInput {
        table_name: "Music".to_owned(),
        ..UpdateTableInput::default()
    };
    assert_eq!(read::<UpdateTableInput>(json!({"TableName": "Music"})), smallest);
}

#[test]
fn a_change_of_indexes_or_replicas_is_one_action() {
    let update = |member: &str, element: Value| {
        let mut request = json!({"TableName": "Music"});
        request[member] = json!([element]);
        invalid::<UpdateTableInput>(request)
    };
    let index = update("GlobalSecondaryIndexUpdates", json!({}));
    assert!(index.starts_with("One or more parameter values were invalid: One of GlobalSecondaryIndexUpdate.Update"));
    let (create, delete) = (global_index().0, json!({"IndexName": "ByB"}));
    let index = update(
        "GlobalSecondaryIndexUpdates",
        json!({"Create": create, "Delete": delete}),
    );
    assert!(
        index.contains("Only one global secondary index action is allowed"),
        "{index}"
    );
    let (create, delete) = (json!({"RegionName": "a"}), json!({"RegionName": "b"}));
    let replicas = update("ReplicaUpdates", json!({"Create": create, "Delete": delete}));
    assert_eq!(
        replicas,
        "Update table operation with more than one type of replica actions not allowed."
    );
    assert_eq!(
        update("ReplicaUpdates", json!({})),
        "There are no actions specified in the Replica Update Action of the request."
    );
}
