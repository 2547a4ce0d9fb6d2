//! Whole answers of the operations on tables.

use serde_json::{Value, json};

use crate::support::{Client, NOW_MS, ReceivedAnswer, Running};

/// The answer to an operation that must succeed.
#[track_caller]
fn done(answer: &ReceivedAnswer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The time of every clock, in its wire form.
fn now() -> Value {
    json!(NOW_MS as f64 / 1000.0)
}

/// A request for a table `Music` with the key `a` and an index `by-b`, with these members.
fn music(members: &Value) -> Value {
    let mut request = json!({
        "TableName": "Music",
        "AttributeDefinitions": [
            {"AttributeName": "a", "AttributeType": "S"}, {"AttributeName": "b", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by-b",
            "KeySchema": [{"AttributeName": "b", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    merge(&mut request, members);
    request
}

/// Sets members of a value; those of objects and the elements of lists are merged one by one, and
/// null removes a member.
fn merge(value: &mut Value, members: &Value) {
    match (value, members) {
        (Value::Object(value), Value::Object(members)) => {
            for (name, member) in members {
                if member.is_null() {
                    value.remove(name);
                } else {
                    merge(value.entry(name).or_insert(Value::Null), member);
                }
            }
        }
        (Value::Array(values), Value::Array(members)) if values.len() == members.len() => {
            for (value, member) in values.iter_mut().zip(members) {
                merge(value, member);
            }
        }
        (value, member) => *value = member.clone(),
    }
}

/// The description of the new on-demand table in CreateTable's answer, with these members. The id
/// is random.
fn new_music(id: &Value, members: &Value) -> Value {
    let units = json!({"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0});
    let mut description = music(&json!({
        "BillingMode": null,
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "CreationDateTime": now(),
        "DeletionProtectionEnabled": false,
        "ItemCount": 0,
        "ProvisionedThroughput": units,
        "TableArn": "arn:aws:dynamodb:eu-west-1:000000000000:table/Music",
        "TableId": id,
        "TableSizeBytes": 0,
        "TableStatus": "CREATING",
        "GlobalSecondaryIndexes": [{
            "IndexArn": "arn:aws:dynamodb:eu-west-1:000000000000:table/Music/index/by-b",
            "IndexSizeBytes": 0,
            "IndexStatus": "CREATING",
            "ItemCount": 0,
            "ProvisionedThroughput": units,
        }],
    }));
    merge(&mut description, members);
    description
}

async fn describe(client: &mut Client) -> Value {
    let described = done(&client.call("DescribeTable", &json!({"TableName": "Music"})).await);
    described["Table"].clone()
}

/// The other members are those of DescribeTable.
#[tokio::test]
async fn a_new_table_shows_neither_warm_throughput_nor_time() {
    let server = Running::in_memory();
    let mut client = server.connect();
    let created = done(&client.call("CreateTable", &music(&json!({}))).await);
    let id = &created["TableDescription"]["TableId"];
    assert_eq!(created, json!({"TableDescription": new_music(id, &json!({}))}));
    let warm = json!({"ReadUnitsPerSecond": 12_000, "Status": "ACTIVE", "WriteUnitsPerSecond": 4_000});
    let expected = new_music(
        id,
        &json!({
            "BillingModeSummary": {"LastUpdateToPayPerRequestDateTime": now()},
            "GlobalSecondaryIndexes": [{"IndexStatus": "ACTIVE", "WarmThroughput": warm}],
            "TableStatus": "ACTIVE",
            "WarmThroughput": warm,
        }),
    );
    assert_eq!(describe(&mut client).await, expected);
}

#[tokio::test]
async fn warm_throughput_of_a_new_table_shows_if_asked_for() {
    let server = Running::in_memory();
    let mut client = server.connect();
    let wanted = json!({"ReadUnitsPerSecond": 13_000, "WriteUnitsPerSecond": 5_000});
    let shown = json!({"ReadUnitsPerSecond": 13_000, "Status": "UPDATING", "WriteUnitsPerSecond": 5_000});
    let request = music(&json!({"WarmThroughput": wanted}));
    let created = done(&client.call("CreateTable", &request).await);
    let id = &created["TableDescription"]["TableId"];
    let expected = new_music(id, &json!({"WarmThroughput": shown}));
    assert_eq!(created, json!({"TableDescription": expected}));

    let server = Running::in_memory();
    let mut client = server.connect();
    let request = music(&json!({"GlobalSecondaryIndexes": [{"WarmThroughput": wanted}]}));
    let created = done(&client.call("CreateTable", &request).await);
    let id = &created["TableDescription"]["TableId"];
    let expected = new_music(id, &json!({"GlobalSecondaryIndexes": [{"WarmThroughput": shown}]}));
    assert_eq!(created, json!({"TableDescription": expected}));
}

/// The times of the changes are new.
#[tokio::test]
async fn an_update_of_units_answers_with_the_old_units() {
    let server = Running::in_memory();
    let mut client = server.connect();
    let units = |read, write| json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write});
    let request = music(&json!({
        "BillingMode": "PROVISIONED",
        "GlobalSecondaryIndexes": [{"ProvisionedThroughput": units(3, 4)}],
        "ProvisionedThroughput": units(1, 2),
    }));
    done(&client.call("CreateTable", &request).await);
    let before = describe(&mut client).await;
    let update = json!({
        "TableName": "Music",
        "GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "by-b", "ProvisionedThroughput": units(2, 4)}}],
        "ProvisionedThroughput": units(10, 2),
    });
    let updated = done(&client.call("UpdateTable", &update).await);
    let increased = json!({"LastIncreaseDateTime": now()});
    let decreased = json!({"LastDecreaseDateTime": now(), "NumberOfDecreasesToday": 1});
    let warm =
        |read, write, status| json!({"ReadUnitsPerSecond": read, "Status": status, "WriteUnitsPerSecond": write});
    let mut expected = before.clone();
    merge(
        &mut expected,
        &json!({
            "GlobalSecondaryIndexes": [{
                "IndexStatus": "UPDATING", "ProvisionedThroughput": decreased, "WarmThroughput": warm(3, 4, "UPDATING"),
            }],
            "ProvisionedThroughput": increased,
            "TableStatus": "UPDATING",
            "WarmThroughput": warm(10, 2, "UPDATING"),
        }),
    );
    assert_eq!(updated, json!({"TableDescription": expected}));
    merge(
        &mut expected,
        &json!({
            "GlobalSecondaryIndexes": [{
                "IndexStatus": "ACTIVE", "ProvisionedThroughput": units(2, 4), "WarmThroughput": warm(3, 4, "ACTIVE"),
            }],
            "ProvisionedThroughput": units(10, 2),
            "TableStatus": "ACTIVE",
            "WarmThroughput": warm(10, 2, "ACTIVE"),
        }),
    );
    assert_eq!(describe(&mut client).await, expected);
}

/// There are no previous units, or no new ones.
#[tokio::test]
async fn a_change_of_the_billing_mode_answers_with_the_new_units() {
    let server = Running::in_memory();
    let mut client = server.connect();
    done(&client.call("CreateTable", &music(&json!({}))).await);
    let units = |read, write| json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write});
    for (billing_mode, of_table, of_index) in [
        ("PROVISIONED", units(10, 2), units(3, 4)),
        ("PAY_PER_REQUEST", units(0, 0), units(0, 0)),
    ] {
        let mut update = json!({"TableName": "Music", "BillingMode": billing_mode});
        if billing_mode == "PROVISIONED" {
            update["ProvisionedThroughput"] = of_table.clone();
            update["GlobalSecondaryIndexUpdates"] =
                json!([{"Update": {"IndexName": "by-b", "ProvisionedThroughput": of_index}}]);
        }
        let updated = done(&client.call("UpdateTable", &update).await);
        // The other members are those of the next description.
        let mut expected = describe(&mut client).await;
        for (subject, shown) in [("", &of_table), ("/GlobalSecondaryIndexes/0", &of_index)] {
            let described = &expected.pointer(subject).unwrap()["ProvisionedThroughput"];
            for member in ["ReadCapacityUnits", "WriteCapacityUnits"] {
                assert_eq!(described[member], shown[member], "{billing_mode} {subject}");
            }
        }
        assert_eq!(expected["BillingModeSummary"]["BillingMode"], billing_mode);
        let status = json!({"Status": "UPDATING"});
        merge(
            &mut expected,
            &json!({
                "GlobalSecondaryIndexes": [{"IndexStatus": "UPDATING", "WarmThroughput": status}],
                "TableStatus": "UPDATING",
                "WarmThroughput": status,
            }),
        );
        assert_eq!(updated, json!({"TableDescription": expected}), "{billing_mode}");
    }
}

/// The ARN of the account's key for DynamoDB. The keys do not exist, so its id is arbitrary.
const MANAGED: &str = "arn:aws:kms:eu-west-1:000000000000:key/a3c27016-7cb5-fecb-f7ba-c26ff943b3f4";
const KEY: &str = "abcd1234-abcd-1234-a123-ab1234a1b234";

/// An UpdateTable of the encryption alone.
async fn encrypt(client: &mut Client, specification: &Value) -> ReceivedAnswer {
    let request = json!({"TableName": "Music", "SSESpecification": specification});
    client.call("UpdateTable", &request).await
}

fn enabled(arn: &str) -> Value {
    json!({"KMSMasterKeyArn": arn, "SSEType": "KMS", "Status": "ENABLED"})
}

fn updating(arn: &str) -> Value {
    json!({"KMSMasterKeyArn": arn, "SSEType": "KMS", "Status": "UPDATING"})
}

#[tokio::test]
async fn new_table_shows_the_key_that_encrypts_it() {
    let own = format!("arn:aws:kms:eu-west-1:000000000000:key/{KEY}");
    let foreign = format!("arn:aws:kms:eu-west-1:111122223333:key/{KEY}");
    for (specification, shown) in [
        (json!({}), Value::Null),
        (json!({"Enabled": false}), Value::Null),
        (json!({"Enabled": true}), enabled(MANAGED)),
        (json!({"Enabled": true, "SSEType": "KMS"}), enabled(MANAGED)),
        (
            json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": "alias/aws/dynamodb"}),
            enabled(MANAGED),
        ),
        (
            json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": KEY}),
            enabled(&own),
        ),
        (
            json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": own}),
            enabled(&own),
        ),
        (
            json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": foreign}),
            enabled(&foreign),
        ),
    ] {
        let server = Running::in_memory();
        let mut client = server.connect();
        let request = music(&json!({"SSESpecification": specification}));
        let created = done(&client.call("CreateTable", &request).await);
        let id = &created["TableDescription"]["TableId"];
        let expected = new_music(id, &json!({"SSEDescription": shown}));
        assert_eq!(created, json!({"TableDescription": expected}), "{specification}");
        assert_eq!(describe(&mut client).await["SSEDescription"], shown, "{specification}");
        let deleted = done(&client.call("DeleteTable", &json!({"TableName": "Music"})).await);
        assert_eq!(deleted["TableDescription"]["SSEDescription"], shown);
    }
}

/// The status of the table does not change.
#[tokio::test]
async fn a_change_of_the_key_shows_the_previous_key() {
    let server = Running::in_memory();
    let mut client = server.connect();
    done(&client.call("CreateTable", &music(&json!({}))).await);
    let before = describe(&mut client).await;
    let own = format!("arn:aws:kms:eu-west-1:000000000000:key/{KEY}");
    let customer = json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": KEY});
    for (specification, during, after) in [
        (
            json!({"Enabled": true}),
            json!({"Status": "UPDATING"}),
            enabled(MANAGED),
        ),
        // The same key, which only its ARN would say.
        (json!({"Enabled": true}), updating(MANAGED), enabled(MANAGED)),
        (customer.clone(), updating(MANAGED), enabled(&own)),
        (customer, updating(&own), enabled(&own)),
        (json!({"Enabled": false}), updating(&own), Value::Null),
    ] {
        let mut expected = before.clone();
        merge(&mut expected, &json!({"SSEDescription": during}));
        let updated = done(&encrypt(&mut client, &specification).await);
        assert_eq!(updated, json!({"TableDescription": expected}), "{specification}");
        merge(&mut expected, &json!({"SSEDescription": null}));
        merge(&mut expected, &json!({"SSEDescription": after}));
        assert_eq!(describe(&mut client).await, expected, "{specification}");
    }
}

#[tokio::test]
async fn contradictory_requests_for_encryption_change_nothing() {
    let server = Running::in_memory();
    let mut client = server.connect();
    let refusals = [
        (
            json!({"SSEType": "KMS"}),
            "SSEType can not be specified if Enabled is false",
        ),
        (
            json!({"Enabled": false, "KMSMasterKeyId": KEY}),
            "KMSMasterKeyId can not be specified if Enabled is false",
        ),
        (
            json!({"Enabled": true, "KMSMasterKeyId": KEY}),
            "SSEType KMS is required if KMSMasterKeyId is specified",
        ),
        (
            json!({"Enabled": true, "SSEType": "AES256"}),
            "SSEType AES256 is not supported",
        ),
    ];
    let invalid = |answer: ReceivedAnswer, message: &str| {
        let expected = json!({
            "__type": "com.amazon.coral.validate#ValidationException",
            "message": format!("One or more parameter values were invalid: {message}"),
        });
        assert_eq!((answer.status, answer.json()), (400, expected));
    };
    for (specification, message) in &refusals {
        let request = music(&json!({"SSESpecification": specification}));
        invalid(client.call("CreateTable", &request).await, message);
    }
    let listed = done(&client.call("ListTables", &json!({})).await);
    assert_eq!(listed, json!({"TableNames": []}));

    done(&client.call("CreateTable", &music(&json!({}))).await);
    for specification in [json!({}), json!({"Enabled": false})] {
        invalid(
            encrypt(&mut client, &specification).await,
            "Table is already encrypted by default",
        );
    }
    done(&encrypt(&mut client, &json!({"Enabled": true})).await);
    let before = describe(&mut client).await;
    for (specification, message) in &refusals {
        invalid(encrypt(&mut client, specification).await, message);
    }
    let same = json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": MANAGED});
    invalid(
        encrypt(&mut client, &same).await,
        "Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to change Master Key",
    );
    assert_eq!(describe(&mut client).await, before);
}

#[tokio::test]
async fn key_ids_that_are_empty_or_too_long_change_nothing() {
    let server = Running::in_memory();
    let mut client = server.connect();
    let invalid = |answer: ReceivedAnswer, id: &str, bound: &str| {
        let expected = json!({
            "__type": "com.amazon.coral.validate#ValidationException",
            "message": format!(
                "1 validation error detected: Value '{id}' at 'sSESpecification.kMSMasterKeyId' failed to satisfy \
                 constraint: Member must have length {bound}"
            ),
        });
        assert_eq!((answer.status, answer.json()), (400, expected));
    };
    let of = |id: &str| json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": id});
    let bounds = [
        (String::new(), "greater than or equal to 1"),
        ("k".repeat(2_049), "less than or equal to 2048"),
    ];
    for (id, bound) in &bounds {
        let request = music(&json!({"SSESpecification": of(id)}));
        invalid(client.call("CreateTable", &request).await, id, bound);
    }
    let listed = done(&client.call("ListTables", &json!({})).await);
    assert_eq!(listed, json!({"TableNames": []}));
    done(&client.call("CreateTable", &music(&json!({}))).await);
    let before = describe(&mut client).await;
    for (id, bound) in &bounds {
        invalid(encrypt(&mut client, &of(id)).await, id, bound);
    }
    assert_eq!(describe(&mut client).await, before);
    done(&encrypt(&mut client, &of(&"k".repeat(2_048))).await);
}
