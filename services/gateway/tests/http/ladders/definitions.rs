//! Operations on tables, their tags and expiry, and on the account.

use serde_json::{Value, json};

use super::{call, ladder, music};

const NOT_THERE: &str = "ResourceNotFoundException";
const NAME_LENGTH: &str = "TableName must be at least 3 characters long and at most 255 characters long";
const SHORT_NAME: &str =
    "Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3";
const EMPTY_NAME: &str =
    "Value '' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 1";
const NAME_MISSING: &str = "The parameter 'TableName' is required but was not present in the request";
const CLASS: &str = "Invalid table-class parameter provided. Please try again with a valid table-class value: [STANDARD, STANDARD_INFREQUENT_ACCESS].";
const NAME_PATTERN: &str = "Value 'a;b' at 'tableName' failed to satisfy constraint";

#[tokio::test]
async fn create_table() {
    let (_server, mut client) = music().await;
    let request = json!({
        "TableName": "Films",
        "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let units = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
    ladder(
        &mut client,
        "CreateTable",
        request,
        &[
            (
                json!({"KeySchema": {}}),
                "Start of structure or map found where not expected",
            ),
            (json!({"TableName": null}), NAME_MISSING),
            (
                json!({"AttributeDefinitions": null}),
                "Value null at 'attributeDefinitions'",
            ),
            (json!({"TableName": "ab"}), SHORT_NAME),
            (json!({"TableName": ""}), EMPTY_NAME),
            (json!({"TableName": "a;b"}), NAME_PATTERN),
            (json!({"BillingMode": "x"}), "Value 'x' at 'billingMode'"),
            (
                json!({"KeySchema": []}),
                "Value '[]' at 'keySchema' failed to satisfy constraint",
            ),
            (
                json!({"ResourcePolicy": "{}"}),
                "The parameter ResourcePolicy is not supported yet.",
            ),
            (json!({"TableClass": "x"}), CLASS),
            (
                json!({"Tags": [{"Key": "k"}]}),
                "The Tag Value provided is invalid, Value: null",
            ),
            (
                json!({"ProvisionedThroughput": units}),
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified",
            ),
            (
                json!({"KeySchema": [{"AttributeName": "z", "KeyType": "HASH"}]}),
                "One or more parameter values were invalid",
            ),
            (
                json!({"GlobalSecondaryIndexes": []}),
                "List of GlobalSecondaryIndexes is empty",
            ),
            (
                json!({"StreamSpecification": {"StreamEnabled": true}}),
                "Table is being created with a stream enabled, UpdateViewType is required",
            ),
            (
                json!({"SSESpecification": {"Enabled": true, "SSEType": "AES256"}}),
                "SSEType AES256 is not supported",
            ),
            (
                json!({"Tags": [{"Key": "aws:k", "Value": "v"}]}),
                "Tag Key cannot be prefixed with aws:, Key: aws:k",
            ),
            (
                json!({"OnDemandThroughput": {"MaxReadRequestUnits": 0}}),
                "is outside of valid range",
            ),
            (json!({"TableName": "Music"}), "Table already exists: Music"),
        ],
    )
    .await;
}

#[tokio::test]
async fn operations_with_only_a_table_name() {
    let (_server, mut client) = music().await;
    for operation in [
        "DescribeTable",
        "DescribeTimeToLive",
        "DescribeContinuousBackups",
        "DeleteTable",
    ] {
        let gone = if operation == "DescribeContinuousBackups" {
            "TableNotFoundException"
        } else {
            NOT_THERE
        };
        ladder(
            &mut client,
            operation,
            json!({"TableName": "Music"}),
            &[
                (json!({"TableName": 1}), "NUMBER_VALUE cannot be converted to String"),
                (json!({"TableName": null}), NAME_MISSING),
                (json!({"TableName": ""}), NAME_LENGTH),
                (json!({"TableName": "a;b"}), NAME_PATTERN),
                (json!({"TableName": "Films"}), gone),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn update_table() {
    let (_server, mut client) = music().await;
    ladder(
        &mut client,
        "UpdateTable",
        json!({"TableName": "Music", "BillingMode": "PAY_PER_REQUEST"}),
        &[
            (
                json!({"DeletionProtectionEnabled": "x"}),
                "Unexpected token received from parser",
            ),
            (json!({"TableName": null}), NAME_MISSING),
            (json!({"TableName": "ab"}), NAME_LENGTH),
            (json!({"TableName": "a;b"}), NAME_PATTERN),
            (
                json!({"ReplicaUpdates": []}),
                "Value '[]' at 'replicaUpdates' failed to satisfy constraint",
            ),
            (
                json!({"VectorIndexUpdates": []}),
                "The parameter VectorIndexUpdates is not supported yet.",
            ),
            (json!({"TableClass": "x"}), CLASS),
            (
                json!({"GlobalSecondaryIndexUpdates": [{}]}),
                "GlobalSecondaryIndexUpdate.Delete must not be null",
            ),
            (
                json!({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-c"}, "Update": {"IndexName": "by-c"}}]}),
                "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object",
            ),
            (
                json!({"GlobalSecondaryIndexUpdates": []}),
                "List of GlobalSecondaryIndexUpdates is empty",
            ),
            (
                json!({"TableClass": "STANDARD"}),
                "TableClass modification must be the only operation in the request",
            ),
            (
                json!({"DeletionProtectionEnabled": true}),
                "DeletionProtection modification must be the only operation in the request",
            ),
            (json!({"TableName": "Films"}), NOT_THERE),
            (
                json!({"StreamSpecification": {"StreamEnabled": true}, "GlobalSecondaryIndexUpdates": null}),
                "If stream is being enabled then UpdateViewType is required",
            ),
            (
                json!({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-x"}}]}),
                NOT_THERE,
            ),
        ],
    )
    .await;
    let (_, body) = call(&mut client, "UpdateTable", &json!({"TableName": "Music"})).await;
    assert!(
        body.contains("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled"),
        "{body}"
    );
}

#[tokio::test]
async fn list_tables() {
    let (_server, mut client) = music().await;
    ladder(
        &mut client,
        "ListTables",
        json!({}),
        &[
            (json!({"Limit": "1"}), "STRING_VALUE cannot be converted to Integer"),
            (
                json!({"ExclusiveStartTableName": "a;b"}),
                "Value 'a;b' at 'exclusiveStartTableName'",
            ),
            (json!({"Limit": 0}), "Value '0' at 'limit' failed to satisfy constraint"),
            (
                json!({"Limit": 101}),
                "Member must have value less than or equal to 100",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn expiry() {
    let (_server, mut client) = music().await;
    let specification = |name: &str| json!({"TimeToLiveSpecification": {"AttributeName": name, "Enabled": true}});
    let mut request = specification("t");
    request["TableName"] = json!("Music");
    ladder(
        &mut client,
        "UpdateTimeToLive",
        request,
        &[
            (json!({"TimeToLiveSpecification": 1}), "Unexpected field type"),
            (json!({"TableName": null}), NAME_MISSING),
            (json!({"TableName": "ab"}), NAME_LENGTH),
            (json!({"TableName": "a;b"}), NAME_PATTERN),
            (
                json!({"TimeToLiveSpecification": null}),
                "Value null at 'timeToLiveSpecification'",
            ),
            (
                specification(""),
                "Value '' at 'timeToLiveSpecification.attributeName' failed to satisfy constraint",
            ),
            (
                specification(&"a".repeat(256)),
                "Member must have length less than or equal to 255",
            ),
            (json!({"TableName": "Films"}), NOT_THERE),
        ],
    )
    .await;
    let (_, body) = call(&mut client, "DescribeTimeToLive", &json!({"TableName": "Music"})).await;
    assert!(body.contains("\"AttributeName\":\"t\""), "{body}");
}

const ARN: &str = "arn:aws:dynamodb:eu-west-1:000000000000:table/Music";

/// The possible faults of a table's ARN: it is missing, empty, not an ARN, or names no table.
fn wrong_arns() -> [(Value, &'static str); 4] {
    [
        (json!({"ResourceArn": null}), "Value null at 'resourceArn'"),
        (json!({"ResourceArn": ""}), "Value '' at 'resourceArn'"),
        (json!({"ResourceArn": "Music"}), "ARNs must start with 'arn:': Music"),
        (json!({"ResourceArn": ARN.replace("Music", "Films")}), NOT_THERE),
    ]
}

#[tokio::test]
async fn tag_resource() {
    let (_server, mut client) = music().await;
    let [missing, empty, none, gone] = wrong_arns();
    let tag = |key: &str, value: &str| json!([{"Key": key, "Value": value}]);
    ladder(
        &mut client,
        "TagResource",
        json!({"ResourceArn": ARN, "Tags": tag("k", "v")}),
        &[
            (
                json!({"Tags": {}}),
                "Start of structure or map found where not expected",
            ),
            missing,
            empty,
            (
                json!({"Tags": null}),
                "Value null at 'tags' failed to satisfy constraint",
            ),
            (
                json!({"Tags": [{"Value": "v"}]}),
                "The Tag Key provided is invalid, Key: null",
            ),
            (
                json!({"Tags": [{"Key": "k"}]}),
                "The Tag Value provided is invalid, Value: null",
            ),
            none,
            (json!({"Tags": tag("", "v")}), "The Tag Key provided is invalid, Key: "),
            (
                json!({"Tags": tag("k", &"v".repeat(257))}),
                "The Tag Value provided is invalid, Value: vvv",
            ),
            (json!({"Tags": []}), "Atleast one Tag needs to be provided as Input."),
            gone,
        ],
    )
    .await;
}

#[tokio::test]
async fn list_tags_of_resource() {
    let (_server, mut client) = music().await;
    let [missing, empty, none, _] = wrong_arns();
    ladder(
        &mut client,
        "ListTagsOfResource",
        json!({"ResourceArn": ARN}),
        &[
            (json!({"NextToken": 1}), "NUMBER_VALUE cannot be converted to String"),
            missing,
            empty,
            none,
        ],
    )
    .await;
}

#[tokio::test]
async fn untag_resource() {
    let (_server, mut client) = music().await;
    let [missing, empty, none, gone] = wrong_arns();
    ladder(
        &mut client,
        "UntagResource",
        json!({"ResourceArn": ARN, "TagKeys": ["k"]}),
        &[
            (json!({"TagKeys": "k"}), "Unexpected field type"),
            missing,
            empty,
            (
                json!({"TagKeys": null}),
                "Value null at 'tagKeys' failed to satisfy constraint",
            ),
            none,
            (
                json!({"TagKeys": []}),
                "Atleast one Tag Key needs to be provided as Input.",
            ),
            (json!({"TagKeys": [""]}), "The Tag Key provided is invalid, Key: "),
            gone,
        ],
    )
    .await;
}

#[tokio::test]
async fn operations_without_parameters() {
    let (_server, mut client) = music().await;
    for (operation, words) in [
        ("DescribeLimits", "AccountMaxReadCapacityUnits"),
        ("DescribeEndpoints", "CachePeriodInMinutes"),
    ] {
        let (status, body) = call(&mut client, operation, &json!({"Anything": [1]})).await;
        assert!(status == 200 && body.contains(words), "{operation}: {body}");
    }
}
