//! Operations from the wire to the store and back.

use serde_json::{Value, json};

use crate::support::{Client, ReceivedAnswer, Running};

/// The answer to an operation that must succeed.
#[track_caller]
fn done(answer: &ReceivedAnswer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A client of a region with a table `Music`, whose key is `artist` and `year`.
async fn with_table(server: &Running) -> Client {
    let mut client = server.connect();
    let request = json!({
        "TableName": "Music",
        "AttributeDefinitions": [
            {"AttributeName": "artist", "AttributeType": "S"},
            {"AttributeName": "year", "AttributeType": "N"},
        ],
        "KeySchema": [{"AttributeName": "artist", "KeyType": "HASH"}, {"AttributeName": "year", "KeyType": "RANGE"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let created = done(&client.call("CreateTable", &request).await);
    assert_eq!(created["TableDescription"]["TableName"], "Music");
    assert_eq!(created["TableDescription"]["TableStatus"], "CREATING");
    client
}

fn key(artist: &str, year: u32) -> Value {
    json!({"artist": {"S": artist}, "year": {"N": year.to_string()}})
}

/// A request about the table, with these members.
fn music(members: Value) -> Value {
    let mut request = json!({"TableName": "Music"});
    let Value::Object(members) = members else {
        panic!("the members must be a JSON object")
    };
    request.as_object_mut().unwrap().extend(members);
    request
}

#[tokio::test]
async fn table_is_created_described_listed_and_deleted() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let described = done(&client.call("DescribeTable", &music(json!({}))).await);
    let table = &described["Table"];
    assert_eq!(table["TableStatus"], "ACTIVE");
    assert_eq!(table["CreationDateTime"], 1_709_251_198.0);
    assert_eq!(
        table["KeySchema"][1],
        json!({"AttributeName": "year", "KeyType": "RANGE"})
    );
    assert_eq!(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
    let by_arn = json!({"TableName": table["TableArn"]});
    assert_eq!(done(&client.call("DescribeTable", &by_arn).await), described);
    assert_eq!(
        done(&client.call("ListTables", &json!({})).await),
        json!({"TableNames": ["Music"]})
    );
    let again = json!({
        "TableName": "Music", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
    });
    assert_eq!(
        client.call("CreateTable", &again).await.exception(),
        "ResourceInUseException"
    );
    done(&client.call("DeleteTable", &music(json!({}))).await);
    let gone = client.call("DescribeTable", &music(json!({}))).await;
    assert_eq!(gone.exception(), "ResourceNotFoundException");
    assert_eq!(
        gone.json()["message"],
        "Requested resource not found: Table: Music not found"
    );
}

#[tokio::test]
async fn an_item_with_every_type_comes_back_as_it_was_put() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let mut item = key("Björk", 1997);
    item.as_object_mut().unwrap().extend([
        ("b".to_owned(), json!({"B": "AP8="})),
        ("bool".to_owned(), json!({"BOOL": false})),
        ("null".to_owned(), json!({"NULL": true})),
        ("list".to_owned(), json!({"L": [{"S": ""}, {"L": []}, {"M": {}}]})),
        ("map".to_owned(), json!({"M": {"\u{1f600}": {"N": "-0.5"}}})),
        ("ss".to_owned(), json!({"SS": ["a", "b"]})),
        ("ns".to_owned(), json!({"NS": ["-1", "2", "10"]})),
        ("bs".to_owned(), json!({"BS": ["", "AA=="]})),
    ]);
    assert_eq!(
        done(&client.call("PutItem", &music(json!({"Item": item}))).await),
        json!({})
    );
    let get = music(json!({"Key": key("Björk", 1997), "ReturnConsumedCapacity": "TOTAL"}));
    let got = done(&client.call("GetItem", &get).await);
    assert_eq!(got["Item"], item);
    assert_eq!(
        got["ConsumedCapacity"],
        json!({"TableName": "Music", "CapacityUnits": 0.5})
    );
    let nothing = client.call("GetItem", &music(json!({"Key": key("Björk", 1998)}))).await;
    assert_eq!(nothing.text(), "{}");
}

#[tokio::test]
async fn updates_and_deletes_return_what_was_requested() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let update = music(json!({
        "Key": key("Can", 1971),
        "UpdateExpression": "SET plays = if_not_exists(plays, :zero) + :one",
        "ExpressionAttributeValues": {":zero": {"N": "0"}, ":one": {"N": "1"}},
        "ReturnValues": "UPDATED_NEW",
    }));
    for plays in ["1", "2"] {
        let updated = done(&client.call("UpdateItem", &update).await);
        assert_eq!(updated, json!({"Attributes": {"plays": {"N": plays}}}));
    }
    let delete = music(json!({"Key": key("Can", 1971), "ReturnValues": "ALL_OLD"}));
    let deleted = done(&client.call("DeleteItem", &delete).await);
    assert_eq!(deleted["Attributes"]["plays"], json!({"N": "2"}));
    assert_eq!(client.call("DeleteItem", &delete).await.text(), "{}");
}

#[tokio::test]
async fn failed_condition_returns_the_item_if_requested() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let put = |more: Value| {
        let mut request = music(json!({
            "Item": key("Can", 1971), "ConditionExpression": "attribute_not_exists(artist)",
        }));
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        request
    };
    done(&client.call("PutItem", &put(json!({}))).await);
    let failed = client
        .call(
            "PutItem",
            &put(json!({"ReturnValuesOnConditionCheckFailure": "ALL_OLD"})),
        )
        .await;
    assert_eq!(failed.status, 400);
    assert_eq!(
        failed.json(),
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "Item": key("Can", 1971),
            "message": "The conditional request failed",
        })
    );
    assert!(
        client
            .call("PutItem", &put(json!({})))
            .await
            .json()
            .get("Item")
            .is_none()
    );
}

#[tokio::test]
async fn pages_cover_the_partition_and_the_table() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let puts: Vec<Value> = (1970..1975)
        .map(|year| json!({"PutRequest": {"Item": key("Can", year)}}))
        .collect();
    let written = done(
        &client
            .call("BatchWriteItem", &json!({"RequestItems": {"Music": puts}}))
            .await,
    );
    assert_eq!(written, json!({"UnprocessedItems": {}}));
    let mut query = music(json!({
        "KeyConditionExpression": "artist = :a",
        "ExpressionAttributeValues": {":a": {"S": "Can"}},
        "Limit": 2,
        "ScanIndexForward": false,
    }));
    let mut years = Vec::new();
    loop {
        let page = done(&client.call("Query", &query).await);
        years.extend(
            page["Items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["year"]["N"].clone()),
        );
        match page.get("LastEvaluatedKey") {
            Some(last) => query["ExclusiveStartKey"] = last.clone(),
            None => break,
        }
    }
    assert_eq!(years, ["1974", "1973", "1972", "1971", "1970"]);
    let counted = done(&client.call("Scan", &music(json!({"Select": "COUNT"}))).await);
    assert_eq!(counted, json!({"Count": 5, "ScannedCount": 5}));
    let keys = json!({"RequestItems": {"Music": {"Keys": [key("Can", 1970), key("Can", 1969)]}}});
    let got = done(&client.call("BatchGetItem", &keys).await);
    assert_eq!(
        got,
        json!({"Responses": {"Music": [key("Can", 1970)]}, "UnprocessedKeys": {}})
    );
}

#[tokio::test]
async fn transaction_commits_in_full_or_reports_reasons() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let put = |year| {
        json!({"Put": music(json!({
            "Item": key("Can", year), "ConditionExpression": "attribute_not_exists(artist)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }))})
    };
    let first = json!({"TransactItems": [put(1971), put(1972)]});
    assert_eq!(done(&client.call("TransactWriteItems", &first).await), json!({}));
    let cancelled = client
        .call("TransactWriteItems", &json!({"TransactItems": [put(1973), put(1972)]}))
        .await;
    let failed = json!({
        "Code": "ConditionalCheckFailed", "Item": key("Can", 1972), "Message": "The conditional request failed",
    });
    assert_eq!(
        cancelled.json(),
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "CancellationReasons": [{"Code": "None"}, failed],
            "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons [None, \
                        ConditionalCheckFailed]",
        })
    );
    let get = |year| json!({"Get": music(json!({"Key": key("Can", year)}))});
    let got = done(
        &client
            .call("TransactGetItems", &json!({"TransactItems": [get(1973), get(1971)]}))
            .await,
    );
    assert_eq!(got, json!({"Responses": [{}, {"Item": key("Can", 1971)}]}));
}

#[tokio::test]
async fn item_above_400_kib_is_rejected_and_one_below_accepted() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let put = |bytes| {
        let mut item = key("Can", 1971);
        item["text"] = json!({"S": "x".repeat(bytes)});
        music(json!({"Item": item}))
    };
    done(&client.call("PutItem", &put(400 * 1024 - 100)).await);
    let refused = client.call("PutItem", &put(400 * 1024)).await;
    assert_eq!(refused.exception(), "ValidationException");
    assert_eq!(
        refused.json()["message"],
        "Item size has exceeded the maximum allowed size"
    );
}

#[tokio::test]
async fn a_table_is_tagged_and_untagged_with_empty_answers() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let described = done(&client.call("DescribeTable", &music(json!({}))).await);
    let arn = &described["Table"]["TableArn"];
    let tags = json!([{"Key": "stage", "Value": "test"}, {"Key": "team", "Value": ""}]);
    let tagged = client
        .call("TagResource", &json!({"ResourceArn": arn, "Tags": tags}))
        .await;
    assert_eq!((tagged.status, tagged.text()), (200, ""));
    let list = json!({"ResourceArn": arn});
    assert_eq!(
        done(&client.call("ListTagsOfResource", &list).await),
        json!({"Tags": tags})
    );
    let untag = json!({"ResourceArn": arn, "TagKeys": ["team"]});
    let untagged = client.call("UntagResource", &untag).await;
    assert_eq!((untagged.status, untagged.text()), (200, ""));
    assert_eq!(
        done(&client.call("ListTagsOfResource", &list).await),
        json!({"Tags": [{"Key": "stage", "Value": "test"}]})
    );
    let nothing = client.call("TagResource", &json!({"ResourceArn": arn})).await;
    assert_eq!(
        nothing.json()["message"],
        "1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null"
    );
}

#[tokio::test]
async fn a_deleted_table_is_described_in_short_and_has_no_backups() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let backups = done(&client.call("DescribeContinuousBackups", &music(json!({}))).await);
    let disabled = json!({
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
    });
    assert_eq!(backups, json!({"ContinuousBackupsDescription": disabled}));
    let deleted = done(&client.call("DeleteTable", &music(json!({}))).await);
    let members: Vec<&String> = deleted["TableDescription"].as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "BillingModeSummary",
            "DeletionProtectionEnabled",
            "ItemCount",
            "ProvisionedThroughput",
            "TableArn",
            "TableId",
            "TableName",
            "TableSizeBytes",
            "TableStatus"
        ]
    );
    assert_eq!(deleted["TableDescription"]["TableStatus"], "DELETING");
    let gone = client.call("DescribeContinuousBackups", &music(json!({}))).await;
    assert_eq!(
        (gone.exception().as_str(), &gone.json()["message"]),
        ("TableNotFoundException", &json!("Table not found: Music"))
    );
}
