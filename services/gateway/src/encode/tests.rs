//! Answers of every kind in their wire form.

use beringia_engine::api::{
    AttributeDefinition, BatchGetItemOutput, BatchWriteItemOutput, BillingMode, BillingModeSummary, ConsumedCapacity,
    ConsumedUnits, GetItemOutput, GlobalSecondaryIndexDescription, IndexStatus, ItemCollectionMetrics, KeyRole,
    KeySchemaElement, KeysAndAttributes, ListTablesOutput, LocalSecondaryIndexDescription, MultiRegionConsistency,
    OnDemandThroughput, PageOutput, ProjectionSpecification, ProjectionType, ProvisionedThroughputDescription,
    ReplicaDescription, ReplicaGlobalSecondaryIndexDescription, ReplicaStatusName, ScalarAttributeType, SseDescription,
    SseStatus, SseType, StreamSpecification, StreamViewType, TableClass, TableClassSummary, TableDescription,
    TableStatus, TransactGetItemsOutput, TransactWriteItemsOutput, WarmThroughput, WarmThroughputDescription,
    WriteItemOutput, WriteRequest,
};
use beringia_item::{Item, Number};
use serde_json::{Value, json};

use super::*;

#[track_caller]
fn written<T: Encode>(answer: &T) -> Value {
    serde_json::from_slice(&to_body(answer).unwrap()).unwrap()
}

fn item() -> Item {
    let list = AttributeValue::L(vec![AttributeValue::Null, AttributeValue::Bool(false)]);
    Item::from([
        ("list".to_owned(), list),
        ("n".to_owned(), AttributeValue::N(Number::from(-12_i64))),
        ("pk".to_owned(), AttributeValue::S("a\"é".to_owned())),
    ])
}

fn item_json() -> Value {
    json!({"list": {"L": [{"NULL": true}, {"BOOL": false}]}, "n": {"N": "-12"}, "pk": {"S": "a\"é"}})
}

fn units(capacity_units: f64) -> ConsumedUnits {
    ConsumedUnits {
        capacity_units,
        ..ConsumedUnits::default()
    }
}

fn capacity() -> ConsumedCapacity {
    ConsumedCapacity {
        table_name: "Music".to_owned(),
        total: ConsumedUnits {
            capacity_units: 3.0,
            read_capacity_units: Some(1.0),
            write_capacity_units: Some(2.0),
        },
        table: Some(units(1.0)),
        local_secondary_indexes: Some([("L".to_owned(), units(0.5))].into()),
        global_secondary_indexes: Some([("G".to_owned(), units(1.5))].into()),
    }
}

fn capacity_json() -> Value {
    json!({
        "TableName": "Music",
        "CapacityUnits": 3.0,
        "ReadCapacityUnits": 1.0,
        "WriteCapacityUnits": 2.0,
        "Table": {"CapacityUnits": 1.0},
        "LocalSecondaryIndexes": {"L": {"CapacityUnits": 0.5}},
        "GlobalSecondaryIndexes": {"G": {"CapacityUnits": 1.5}},
    })
}

fn metrics() -> ItemCollectionMetrics {
    let item_collection_key = Item::from([("pk".to_owned(), AttributeValue::S("a".to_owned()))]);
    ItemCollectionMetrics {
        item_collection_key,
        size_estimate_range_gb: [0.0, 1.0],
    }
}

fn metrics_json() -> Value {
    json!({"ItemCollectionKey": {"pk": {"S": "a"}}, "SizeEstimateRangeGB": [0.0, 1.0]})
}

#[test]
fn absent_members_are_left_out() {
    assert_eq!(written(&WriteItemOutput::default()), json!({}));
    assert_eq!(written(&GetItemOutput::default()), json!({}));
    assert_eq!(written(&ListTablesOutput::default()), json!({"TableNames": []}));
    assert_eq!(written(&PageOutput::default()), json!({"Count": 0, "ScannedCount": 0}));
    assert_eq!(
        written(&BatchGetItemOutput::default()),
        json!({"Responses": {}, "UnprocessedKeys": {}})
    );
    assert_eq!(
        written(&BatchWriteItemOutput::default()),
        json!({"UnprocessedItems": {}})
    );
    assert_eq!(written(&TransactWriteItemsOutput::default()), json!({}));
    assert_eq!(written(&TransactGetItemsOutput::default()), json!({"Responses": []}));
}

#[test]
fn a_write_answers_with_attributes_capacity_and_metrics() {
    let answer = WriteItemOutput {
        attributes: Some(item()),
        consumed_capacity: Some(capacity()),
        item_collection_metrics: Some(metrics()),
    };
    assert_eq!(
        written(&answer),
        json!({
            "Attributes": item_json(), "ConsumedCapacity": capacity_json(), "ItemCollectionMetrics": metrics_json(),
        })
    );
}

#[test]
fn empty_item_is_encoded_as_an_empty_object() {
    let answer = GetItemOutput {
        item: Some(Item::new()),
        consumed_capacity: None,
    };
    assert_eq!(written(&answer), json!({"Item": {}}));
    let answer = GetItemOutput {
        item: Some(item()),
        consumed_capacity: Some(capacity()),
    };
    assert_eq!(
        written(&answer),
        json!({"Item": item_json(), "ConsumedCapacity": capacity_json()})
    );
}

#[test]
fn page_has_its_counts_and_last_key() {
    let answer = PageOutput {
        items: Some(vec![item(), Item::new()]),
        count: 2,
        scanned_count: 5,
        last_evaluated_key: Some(item()),
        consumed_capacity: Some(capacity()),
    };
    assert_eq!(
        written(&answer),
        json!({
            "Items": [item_json(), {}], "Count": 2, "ScannedCount": 5, "LastEvaluatedKey": item_json(),
            "ConsumedCapacity": capacity_json(),
        })
    );
}

#[test]
fn batch_answer_returns_unprocessed_parts_as_a_request() {
    let wanted = KeysAndAttributes {
        keys: vec![item()],
        consistent_read: Some(true),
        attributes_to_get: Some(vec!["a".to_owned()]),
        projection_expression: Some("#a".to_owned()),
        expression_attribute_names: Some([("#a".to_owned(), "a".to_owned())].into()),
    };
    let answer = BatchGetItemOutput {
        responses: [("Music".to_owned(), vec![item()])].into(),
        unprocessed_keys: [("Music".to_owned(), wanted)].into(),
        consumed_capacity: Some(vec![capacity()]),
    };
    let request = json!({
        "Keys": [item_json()], "AttributesToGet": ["a"], "ConsistentRead": true, "ProjectionExpression": "#a",
        "ExpressionAttributeNames": {"#a": "a"},
    });
    assert_eq!(
        written(&answer),
        json!({
            "Responses": {"Music": [item_json()]}, "UnprocessedKeys": {"Music": request},
            "ConsumedCapacity": [capacity_json()],
        })
    );
    let writes = vec![WriteRequest::Put { item: item() }, WriteRequest::Delete { key: item() }];
    let answer = BatchWriteItemOutput {
        unprocessed_items: [("Music".to_owned(), writes)].into(),
        item_collection_metrics: Some([("Music".to_owned(), vec![metrics()])].into()),
        consumed_capacity: Some(vec![capacity()]),
    };
    let requests = json!([{"PutRequest": {"Item": item_json()}}, {"DeleteRequest": {"Key": item_json()}}]);
    assert_eq!(
        written(&answer),
        json!({
            "UnprocessedItems": {"Music": requests}, "ItemCollectionMetrics": {"Music": [metrics_json()]},
            "ConsumedCapacity": [capacity_json()],
        })
    );
}

#[test]
fn missing_item_in_transaction_is_an_empty_object() {
    let answer = TransactGetItemsOutput {
        responses: vec![Some(item()), None],
        consumed_capacity: None,
    };
    assert_eq!(written(&answer), json!({"Responses": [{"Item": item_json()}, {}]}));
}

fn key(name: &str) -> Vec<KeySchemaElement> {
    vec![KeySchemaElement {
        attribute_name: name.to_owned(),
        key_type: KeyRole::Hash,
    }]
}

const fn warm(read: i64, write: i64, status: &'static str) -> WarmThroughputDescription {
    WarmThroughputDescription {
        units: WarmThroughput {
            read_units_per_second: Some(read),
            write_units_per_second: Some(write),
        },
        status,
    }
}

fn described_replica() -> ReplicaDescription {
    ReplicaDescription {
        region_name: "eu-west-1".to_owned(),
        replica_status: ReplicaStatusName::CreationFailed,
        replica_status_description: Some("why".to_owned()),
        replica_inaccessible_date_time_ms: Some(1_700_000_000_456),
        replica_arn: "arn/eu".to_owned(),
        replica_table_class_summary: Some(TableClassSummary {
            table_class: TableClass::Standard,
            last_update_date_time_ms: None,
        }),
        warm_throughput: Some(warm(12, 4, "CREATION_FAILED")),
        global_secondary_indexes: Some(vec![ReplicaGlobalSecondaryIndexDescription {
            index_name: "by-b".to_owned(),
            warm_throughput: warm(13, 4, "CREATION_FAILED"),
        }]),
    }
}

fn described() -> TableDescription {
    let throughput = ProvisionedThroughputDescription {
        read_capacity_units: 1,
        write_capacity_units: 2,
        number_of_decreases_today: 0,
        last_increase_date_time_ms: Some(1_700_000_000_500),
        last_decrease_date_time_ms: None,
    };
    let projection = |projection_type, non_key_attributes| ProjectionSpecification {
        projection_type,
        non_key_attributes,
    };
    TableDescription {
        table_name: "Music".to_owned(),
        table_id: "id".to_owned(),
        table_arn: "arn".to_owned(),
        table_status: TableStatus::Active,
        creation_date_time_ms: 1_700_000_000_123,
        attribute_definitions: vec![AttributeDefinition {
            attribute_name: "a".to_owned(),
            attribute_type: ScalarAttributeType::S,
        }],
        key_schema: key("a"),
        item_count: 3,
        table_size_bytes: 40,
        provisioned_throughput: throughput,
        billing_mode_summary: Some(BillingModeSummary {
            billing_mode: BillingMode::PayPerRequest,
            last_update_to_pay_per_request_date_time_ms: Some(1_700_000_000_000),
        }),
        on_demand_throughput: Some(OnDemandThroughput {
            max_read_request_units: Some(5),
            max_write_request_units: Some(6),
        }),
        warm_throughput: Some(warm(13, 14, "ACTIVE")),
        table_class_summary: Some(TableClassSummary {
            table_class: TableClass::StandardInfrequentAccess,
            last_update_date_time_ms: Some(1_700_000_000_500),
        }),
        local_secondary_indexes: Some(vec![LocalSecondaryIndexDescription {
            index_name: "L".to_owned(),
            index_arn: "arn/L".to_owned(),
            key_schema: key("a"),
            projection: projection(Some(ProjectionType::Include), Some(vec!["x".to_owned()])),
            item_count: Some(1),
            index_size_bytes: Some(10),
        }]),
        global_secondary_indexes: Some(vec![GlobalSecondaryIndexDescription {
            index_name: "G".to_owned(),
            index_arn: "arn/G".to_owned(),
            key_schema: key("b"),
            projection: projection(Some(ProjectionType::KeysOnly), None),
            index_status: IndexStatus::Creating,
            backfilling: Some(true),
            provisioned_throughput: throughput,
            on_demand_throughput: Some(OnDemandThroughput {
                max_read_request_units: Some(-1),
                max_write_request_units: Some(7),
            }),
            warm_throughput: Some(warm(12, 4, "CREATING")),
            item_count: Some(2),
            index_size_bytes: Some(20),
        }]),
        stream_specification: Some(StreamSpecification {
            stream_enabled: true,
            stream_view_type: Some(StreamViewType::KeysOnly),
        }),
        sse_description: Some(SseDescription {
            status: SseStatus::Enabled,
            sse_type: Some(SseType::Kms),
            kms_master_key_arn: Some("arn/key".to_owned()),
        }),
        latest_stream_label: Some("label".to_owned()),
        latest_stream_arn: Some("arn/stream".to_owned()),
        global_table_version: Some("2019.11.21"),
        replicas: Some(vec![described_replica()]),
        multi_region_consistency: Some(MultiRegionConsistency::Eventual),
        deletion_protection_enabled: false,
    }
}

#[test]
fn table_is_described_in_full() {
    let throughput = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 2, "NumberOfDecreasesToday": 0,
        "LastIncreaseDateTime": 1_700_000_000.5});
    let expected = json!({
        "TableName": "Music",
        "TableId": "id",
        "TableArn": "arn",
        "TableStatus": "ACTIVE",
        "CreationDateTime": 1_700_000_000.123,
        "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
        "ItemCount": 3,
        "TableSizeBytes": 40,
        "ProvisionedThroughput": throughput,
        "BillingModeSummary": {
            "BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": 1_700_000_000.0,
        },
        "OnDemandThroughput": {"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 6},
        "SSEDescription": {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": "arn/key"},
        "WarmThroughput": {"ReadUnitsPerSecond": 13, "WriteUnitsPerSecond": 14, "Status": "ACTIVE"},
        "TableClassSummary": {
            "TableClass": "STANDARD_INFREQUENT_ACCESS", "LastUpdateDateTime": 1_700_000_000.5,
        },
        "LocalSecondaryIndexes": [{
            "IndexName": "L",
            "IndexArn": "arn/L",
            "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]},
            "ItemCount": 1,
            "IndexSizeBytes": 10,
        }],
        "GlobalSecondaryIndexes": [{
            "IndexName": "G",
            "IndexArn": "arn/G",
            "KeySchema": [{"AttributeName": "b", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
            "IndexStatus": "CREATING",
            "Backfilling": true,
            "ProvisionedThroughput": throughput,
            "OnDemandThroughput": {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": 7},
            "WarmThroughput": {"ReadUnitsPerSecond": 12, "WriteUnitsPerSecond": 4, "Status": "CREATING"},
            "ItemCount": 2,
            "IndexSizeBytes": 20,
        }],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
        "LatestStreamLabel": "label",
        "LatestStreamArn": "arn/stream",
        "GlobalTableVersion": "2019.11.21",
        "Replicas": [
            {
                "RegionName": "eu-west-1",
                "ReplicaArn": "arn/eu",
                "ReplicaStatus": "CREATION_FAILED",
                "ReplicaTableClassSummary": {"TableClass": "STANDARD"},
                "WarmThroughput": {"ReadUnitsPerSecond": 12, "WriteUnitsPerSecond": 4, "Status": "CREATION_FAILED"},
                "GlobalSecondaryIndexes": [{
                    "IndexName": "by-b",
                    "WarmThroughput": {"ReadUnitsPerSecond": 13, "WriteUnitsPerSecond": 4, "Status": "CREATION_FAILED"},
                }],
                "ReplicaStatusDescription": "why",
                "ReplicaInaccessibleDateTime": 1_700_000_000.456,
            },
        ],
        "MultiRegionConsistency": "EVENTUAL",
        "DeletionProtectionEnabled": false,
    });
    assert_eq!(
        written(&Described {
            member: "Table",
            table: described()
        }),
        json!({"Table": expected})
    );
}
