//! Malformed requests, and DynamoDB's messages about them.

mod all;
mod pairs;

use serde_json::json;

use super::{requests, *};
use beringia_engine::ApiError;

fn verdict(shape: &Structure, request: Value) -> Result<(), ApiError> {
    match request {
        Value::Object(members) => check(&members, shape),
        other => panic!("{other} is not a JSON object"),
    }
}

/// Asserts that a request is rejected for exactly these broken constraints, in this order.
#[track_caller]
fn broken(shape: &Structure, request: Value, constraints: &[&str]) {
    let plural = if constraints.len() == 1 { "" } else { "s" };
    let message = format!(
        "{} validation error{plural} detected: {}",
        constraints.len(),
        constraints.join("; ")
    );
    assert_eq!(verdict(shape, request), Err(ApiError::Validation(message)));
}

const NAME_PATTERN: &str =
    "failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
const NOT_NULL: &str = "failed to satisfy constraint: Member must not be null";

#[test]
fn missing_members_are_named() {
    broken(
        &requests::GET_ITEM,
        json!({}),
        &[
            &format!("Value null at 'tableName' {NOT_NULL}"),
            &format!("Value null at 'key' {NOT_NULL}"),
        ],
    );
    broken(
        &requests::PUT_ITEM,
        json!({"TableName": "abc", "Item": null}),
        &[&format!("Value null at 'item' {NOT_NULL}")],
    );
    broken(
        &requests::BATCH_WRITE_ITEM,
        json!({}),
        &[&format!("Value null at 'requestItems' {NOT_NULL}")],
    );
    broken(
        &requests::UPDATE_TIME_TO_LIVE,
        json!({"TableName": "abc", "TimeToLiveSpecification": {}}),
        &[
            &format!("Value null at 'timeToLiveSpecification.attributeName' {NOT_NULL}"),
            &format!("Value null at 'timeToLiveSpecification.enabled' {NOT_NULL}"),
        ],
    );
    broken(
        &requests::UPDATE_TABLE,
        json!({"TableName": "abc", "GlobalSecondaryIndexUpdates": [{"Delete": {}}]}),
        &[&format!(
            "Value null at 'globalSecondaryIndexUpdates.1.member.delete.indexName' {NOT_NULL}"
        )],
    );
    broken(
        &requests::TRANSACT_GET_ITEMS,
        json!({}),
        &[&format!("Value null at 'transactItems' {NOT_NULL}")],
    );
}

#[test]
fn names_must_match_pattern_and_length() {
    let long = "a".repeat(256);
    broken(
        &requests::GET_ITEM,
        json!({"TableName": "", "Key": {}}),
        &[
            &format!("Value '' at 'tableName' {NAME_PATTERN}"),
            "Value '' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
        ],
    );
    broken(
        &requests::GET_ITEM,
        json!({"TableName": long, "Key": {}}),
        &[&format!(
            "Value '{long}' at 'tableName' failed to satisfy constraint: Member must have length less than or equal to 255"
        )],
    );
    broken(
        &requests::LIST_TABLES,
        json!({"ExclusiveStartTableName": "a;", "Limit": 500}),
        &[
            &format!("Value 'a;' at 'exclusiveStartTableName' {NAME_PATTERN}"),
            "Value 'a;' at 'exclusiveStartTableName' failed to satisfy constraint: Member must have length greater than or \
             equal to 3",
            "Value '500' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100",
        ],
    );
}

#[test]
fn arn_is_accepted_as_the_name_of_an_existing_table() {
    let arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/Music";
    assert_eq!(
        verdict(&requests::GET_ITEM, json!({"TableName": arn, "Key": {}})),
        Ok(())
    );
    assert_eq!(verdict(&requests::DESCRIBE_TABLE, json!({"TableName": arn})), Ok(()));
    assert_eq!(
        verdict(
            &requests::BATCH_GET_ITEM,
            json!({"RequestItems": {arn: {"Keys": [{}]}}})
        ),
        Ok(())
    );
    broken(
        &requests::CREATE_TABLE,
        json!({"TableName": arn, "AttributeDefinitions": [], "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}]}),
        &[&format!("Value '{arn}' at 'tableName' {NAME_PATTERN}")],
    );
}

/// They also have messages of their own for it.
#[test]
fn table_requests_report_a_missing_or_short_name_first() {
    let length = "TableName must be at least 3 characters long and at most 255 characters long";
    let missing = "The parameter 'TableName' is required but was not present in the request";
    assert_eq!(
        verdict(&requests::CREATE_TABLE, json!({})),
        Err(ApiError::validation(missing))
    );
    for shape in [
        &requests::DESCRIBE_TABLE,
        &requests::DELETE_TABLE,
        &requests::UPDATE_TABLE,
    ] {
        for (request, message) in [
            (json!({}), missing),
            (json!({"TableName": ""}), length),
            (json!({"TableName": "a;"}), length),
            (json!({"TableName": "a".repeat(256)}), length),
        ] {
            assert_eq!(
                verdict(shape, request),
                Err(ApiError::Validation(message.to_owned())),
                "{}",
                shape.class
            );
        }
    }
}

#[test]
fn paths_pass_through_lists_and_maps() {
    broken(
        &requests::CREATE_TABLE,
        json!({
            "TableName": "abc",
            "AttributeDefinitions": [],
            "BillingMode": "A",
            "ProvisionedThroughput": {"ReadCapacityUnits": -1, "WriteCapacityUnits": -1},
            "KeySchema": [{"KeyType": "HASH"}, {"AttributeName": "a"}, {"KeyType": "Woop", "AttributeName": "a"}],
        }),
        &[
            "Value 'A' at 'billingMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, \
             PAY_PER_REQUEST]",
            "Value '-1' at 'provisionedThroughput.writeCapacityUnits' failed to satisfy constraint: Member must have value \
             greater than or equal to 1",
            "Value '-1' at 'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: Member must have value \
             greater than or equal to 1",
            "Value '[KeySchemaElement(keyType=HASH), KeySchemaElement(attributeName=a), KeySchemaElement(attributeName=a, \
             keyType=Woop)]' at 'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2",
            &format!("Value null at 'keySchema.1.member.attributeName' {NOT_NULL}"),
            &format!("Value null at 'keySchema.2.member.keyType' {NOT_NULL}"),
            "Value 'Woop' at 'keySchema.3.member.keyType' failed to satisfy constraint: Member must satisfy enum value set: \
             [HASH, RANGE]",
        ],
    );
    broken(
        &requests::BATCH_WRITE_ITEM,
        json!({"RequestItems": {"abc": [{"DeleteRequest": {}}]}}),
        &[&format!(
            "Value null at 'requestItems.abc.member.1.member.deleteRequest.key' {NOT_NULL}"
        )],
    );
    broken(
        &requests::TRANSACT_WRITE_ITEMS,
        json!({"TransactItems": [{"Put": {"TableName": "abc"}}, {"ConditionCheck": {"TableName": "abc", "Key": {}}}]}),
        &[
            &format!("Value null at 'transactItems.1.member.put.item' {NOT_NULL}"),
            &format!("Value null at 'transactItems.2.member.conditionCheck.conditionExpression' {NOT_NULL}"),
        ],
    );
}

#[test]
fn keys_and_values_of_a_map_are_reported_together() {
    let keys = "Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length \
                greater than or equal to 3, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]";
    broken(
        &requests::BATCH_GET_ITEM,
        json!({"RequestItems": {"aa;": {}}, "ReturnConsumedCapacity": "hi"}),
        &[
            "Value 'hi' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: \
             [INDEXES, TOTAL, NONE]",
            &format!("Value '{{aa;=KeysAndAttributes()}}' at 'requestItems' failed to satisfy constraint: {keys}"),
            &format!("Value null at 'requestItems.aa;.member.keys' {NOT_NULL}"),
        ],
    );
    broken(
        &requests::BATCH_WRITE_ITEM,
        json!({"RequestItems": {"abc": []}}),
        &[
            "Value '{abc=[]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member \
           must have length less than or equal to 25, Member must have length greater than or equal to 1]",
        ],
    );
    broken(
        &requests::BATCH_WRITE_ITEM,
        json!({"RequestItems": {"abc": [{"DeleteRequest": {"Key": {"p": {"S": "x"}}}}], "abd": []}}),
        &[
            "Value '{abc=[WriteRequest(deleteRequest=DeleteRequest(key={p={\"S\":\"x\"}}))], abd=[]}' at 'requestItems' failed to \
             satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must \
             have length greater than or equal to 1]",
        ],
    );
}

#[test]
fn no_more_than_ten_errors_are_listed() {
    let elements = vec![json!({}); 20];
    let verdict = verdict(&requests::TRANSACT_GET_ITEMS, json!({"TransactItems": elements}));
    let Err(ApiError::Validation(message)) = verdict else {
        panic!("{verdict:?}")
    };
    assert!(message.starts_with("10 validation errors detected: "), "{message}");
    assert_eq!(message.matches("Member must not be null").count(), 10);
}

/// In full, up to a bound that protects the memory.
#[test]
fn a_very_long_value_is_shown_in_part() {
    let message = |count: usize| {
        let request = json!({"TableName": "abc", "Item": {}, "ReturnValues": "é".repeat(count)});
        match verdict(&requests::PUT_ITEM, request) {
            Err(ApiError::Validation(message)) => message,
            other => panic!("{other:?}"),
        }
    };
    let max = show::SHOWN_MAX;
    assert!(message(max).contains(&format!("Value '{}' at", "é".repeat(max))));
    assert!(message(max + 1).contains(&format!("Value '{}…' at", "é".repeat(max))));
}

/// The name of a new table is checked like other members; an empty one breaks one constraint.
#[test]
fn a_new_tables_name_is_reported_among_other_members() {
    let request = |name: &str| json!({"TableName": name, "AttributeDefinitions": [], "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}]});
    let shorter = "failed to satisfy constraint: Member must have length greater than or equal to";
    broken(
        &requests::CREATE_TABLE,
        request(""),
        &[&format!("Value '' at 'tableName' {shorter} 1")],
    );
    broken(
        &requests::CREATE_TABLE,
        request("ab"),
        &[&format!("Value 'ab' at 'tableName' {shorter} 3")],
    );
    broken(
        &requests::CREATE_TABLE,
        request("a;"),
        &[
            &format!("Value 'a;' at 'tableName' {NAME_PATTERN}"),
            &format!("Value 'a;' at 'tableName' {shorter} 3"),
        ],
    );
}

#[test]
fn some_members_are_reported_without_their_value() {
    let table = json!({"TableName": "abc", "Limit": 0});
    let constraint = "failed to satisfy constraint: Member must have";
    broken(
        &requests::QUERY,
        table.clone(),
        &[&format!(
            "Value at 'Limit' {constraint} value greater than or equal to 1"
        )],
    );
    broken(
        &requests::SCAN,
        table,
        &[&format!(
            "Value '0' at 'limit' {constraint} value greater than or equal to 1"
        )],
    );
    let keys = |keys: Vec<Value>| json!({"RequestItems": {"Music": {"Keys": keys}}});
    broken(
        &requests::BATCH_GET_ITEM,
        keys(Vec::new()),
        &[&format!(
            "Value at 'RequestItems.Music.member.Keys' {constraint} length greater than or equal to 1"
        )],
    );
    broken(
        &requests::BATCH_GET_ITEM,
        keys(vec![json!({"a": {"S": "a"}}); 101]),
        &[&format!(
            "Value at 'RequestItems.Music.member.Keys' {constraint} length less than or equal to 100"
        )],
    );
    broken(
        &requests::BATCH_GET_ITEM,
        json!({"RequestItems": {"Music": {}}}),
        &[&format!("Value null at 'requestItems.Music.member.keys' {NOT_NULL}")],
    );
}

/// Asserts that a request is rejected for a wrong type with this message.
#[track_caller]
fn mistyped(shape: &Structure, request: Value, message: &str) {
    assert_eq!(
        verdict(shape, request),
        Err(ApiError::Serialization(message.to_owned()))
    );
}

const STRUCTURE: &str = "Start of structure or map found where not expected";

#[test]
fn scalar_of_wrong_type_has_dynamodbs_message() {
    let get = |request: Value, message: &str| mistyped(&requests::GET_ITEM, request, message);
    get(json!({"TableName": true}), "TRUE_VALUE cannot be converted to String");
    get(json!({"TableName": false}), "FALSE_VALUE cannot be converted to String");
    get(json!({"TableName": 23}), "NUMBER_VALUE cannot be converted to String");
    get(json!({"TableName": 2.5}), "DECIMAL_VALUE cannot be converted to String");
    get(
        json!({"TableName": []}),
        "Unrecognized collection type class java.lang.String",
    );
    get(json!({"TableName": {}}), STRUCTURE);
    get(
        json!({"ConsistentRead": 1}),
        "NUMBER_VALUE cannot be converted to Boolean",
    );
    get(
        json!({"ConsistentRead": "maybe"}),
        "Unexpected token received from parser",
    );
    get(
        json!({"AttributesToGet": [1]}),
        "NUMBER_VALUE cannot be converted to String",
    );
    let query = |request: Value, message: &str| mistyped(&requests::QUERY, request, message);
    query(json!({"Limit": "10"}), "STRING_VALUE cannot be converted to Integer");
    query(json!({"Limit": true}), "TRUE_VALUE cannot be converted to Integer");
    mistyped(
        &requests::CREATE_TABLE,
        json!({"ProvisionedThroughput": {"ReadCapacityUnits": "1"}}),
        "STRING_VALUE cannot be converted to Long",
    );
}

#[test]
fn collection_of_wrong_type_has_dynamodbs_message() {
    let class = "com.amazonaws.dynamodb.v20120810";
    let map = |class: &str| format!("Unrecognized collection type java.util.Map<java.lang.String, {class}>");
    let get = |request: Value, message: &str| mistyped(&requests::GET_ITEM, request, message);
    get(json!({"Key": "a"}), "Unexpected field type");
    get(json!({"Key": []}), &map(&format!("{class}.AttributeValue")));
    get(json!({"AttributesToGet": "a"}), "Unexpected field type");
    get(json!({"AttributesToGet": {}}), STRUCTURE);
    let create = |request: Value, message: &str| mistyped(&requests::CREATE_TABLE, request, message);
    create(json!({"KeySchema": "HASH"}), "Unexpected field type");
    create(json!({"KeySchema": ["a"]}), "Unexpected value type in payload");
    create(
        json!({"KeySchema": [[]]}),
        &format!("Unrecognized collection type class {class}.KeySchemaElement"),
    );
    create(json!({"ProvisionedThroughput": "1"}), "Unexpected field type");
    create(
        json!({"ProvisionedThroughput": []}),
        &format!("Unrecognized collection type class {class}.ProvisionedThroughput"),
    );
    mistyped(
        &requests::PUT_ITEM,
        json!({"ExpressionAttributeNames": []}),
        &map("java.lang.String"),
    );
    let batch = json!({"RequestItems": {"a": 1}});
    mistyped(&requests::BATCH_GET_ITEM, batch, "Unexpected value type in payload");
}

#[test]
fn wrong_type_is_reported_before_any_constraint() {
    let request = json!({"TableName": "a;", "Key": {"pk": {"S": 1}}});
    let verdict = verdict(&requests::GET_ITEM, request);
    assert!(matches!(verdict, Err(ApiError::Serialization(_))), "{verdict:?}");
}

#[test]
fn members_that_dynamodb_does_not_have_are_ignored() {
    assert_eq!(
        verdict(
            &requests::GET_ITEM,
            json!({"TableName": "abc", "Key": {}, "Colour": [{}]})
        ),
        Ok(())
    );
}

/// Asserts that a request, valid except for one parameter, is rejected for that parameter.
#[track_caller]
fn unsupported(shape: &Structure, mut request: Value, parameter: &str, value: Value) {
    request[parameter] = value;
    let message = format!("The parameter {parameter} is not supported yet.");
    assert_eq!(verdict(shape, request), Err(ApiError::Validation(message)));
}

#[test]
fn comparisons_and_operators_must_have_known_names() {
    let names = "IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS";
    broken(
        &requests::QUERY,
        json!({
            "TableName": "abc", "KeyConditions": {"p": {"ComparisonOperator": "eq"}}, "QueryFilter": {"a": {}},
            "ConditionalOperator": "and",
        }),
        &[
            &format!("Value null at 'queryFilter.a.member.comparisonOperator' {NOT_NULL}"),
            "Value 'and' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum value set: [OR, AND]",
            &format!(
                "Value 'eq' at 'keyConditions.p.member.comparisonOperator' failed to satisfy constraint: Member must satisfy enum \
                 value set: [{names}]"
            ),
        ],
    );
    broken(
        &requests::UPDATE_ITEM,
        json!({"TableName": "abc", "Key": {}, "AttributeUpdates": {"a": {"Action": "SET"}}}),
        &[
            "Value 'SET' at 'attributeUpdates.a.member.action' failed to satisfy constraint: Member must satisfy enum value set: \
           [ADD, PUT, DELETE]",
        ],
    );
    broken(
        &requests::GET_ITEM,
        json!({"TableName": "abc", "Key": {}, "AttributesToGet": []}),
        &[
            "Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ],
    );
}

/// A minimal request to create a table.
fn create_table() -> Value {
    json!({
        "TableName": "abc",
        "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
    })
}

#[test]
fn unsupported_table_settings_are_rejected_by_name() {
    for (parameter, value) in [
        ("ResourcePolicy", json!("{}")),
        ("GlobalTableSettingsReplicationMode", json!("ENABLED")),
        ("VectorIndexes", json!([])),
    ] {
        unsupported(&requests::CREATE_TABLE, create_table(), parameter, value);
    }
    let replica = json!({"Create": {"RegionName": "eu-west-1", "KMSMasterKeyId": "key"}});
    let verdict = verdict(
        &requests::UPDATE_TABLE,
        json!({"TableName": "abc", "ReplicaUpdates": [replica]}),
    );
    let message =
        "The parameter KMSMasterKeyId (at 'replicaUpdates.1.member.create.kMSMasterKeyId') is not supported yet.";
    assert_eq!(verdict, Err(ApiError::Validation(message.to_owned())));
}

#[test]
fn unsupported_setting_with_its_default_is_accepted() {
    let request = json!({"TableName": "abc", "DisassociationProtectionEnabled": false});
    assert_eq!(verdict(&requests::UPDATE_TABLE, request), Ok(()));
}

#[test]
fn texts_count_as_booleans_and_fractions_are_dropped() {
    for (text, value) in [
        ("true", true),
        ("YES", true),
        ("1", true),
        ("False", false),
        ("no", false),
        ("0", false),
    ] {
        assert_eq!(boolean(&json!(text)), Some(value), "{text}");
    }
    assert_eq!(boolean(&json!("maybe")), None);
    assert_eq!(integer(&json!(2.9)), Some(2));
    assert_eq!(integer(&json!(-0.5)), Some(-1));
    assert_eq!(integer(&json!(1e300)), Some(i64::MAX));
    assert_eq!(integer(&json!(u64::MAX)), Some(i64::MAX));
    assert_eq!(integer(&json!("1")), None);
}

#[test]
fn texts_of_a_list_are_reported_together() {
    broken(
        &requests::UPDATE_TABLE,
        json!({"TableName": "abc", "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "abc", "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}], "Projection": {"NonKeyAttributes": ["", "b"]},
        }}]}),
        &[
            "Value '[, b]' at 'globalSecondaryIndexUpdates.1.member.create.projection.nonKeyAttributes' failed to satisfy constraint: \
             Member must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than \
             or equal to 1]",
        ],
    );
    broken(
        &requests::START_BULK_PUT_ITEMS,
        json!({
            "InputS3Configuration": {"S3Bucket": "ab", "InputFormat": "ION"}, "OutputS3Configuration": {"OutputType": ["ALL"]},
            "TableName": "abc",
        }),
        &[
            "Value '[ALL]' at 'outputS3Configuration.outputType' failed to satisfy constraint: Member must satisfy constraint: \
             [Member must satisfy enum value set: [ERROR, CONDITION_CHECK_FAILURE]]",
        ],
    );
}

#[test]
fn a_time_is_a_number_of_seconds() {
    for (time, found) in [(json!("2026-01-01"), "STRING_VALUE"), (json!(true), "TRUE_VALUE")] {
        let request = json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time});
        let message = format!("{found} can not be converted to milliseconds since epoch");
        mistyped(&requests::GET_SHARD_ITERATOR, request, &message);
    }
    let request = json!({
        "StreamArn": "a".repeat(37), "ShardId": "a".repeat(28), "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1.5,
    });
    assert_eq!(verdict(&requests::GET_SHARD_ITERATOR, request), Ok(()));
}
