//! Whole errors, and that a refused request changes nothing.

use serde_json::{Value, json};

use crate::support::{Client, Running};

const VALIDATION: &str = "com.amazon.coral.validate#ValidationException";

/// Asserts that a request is refused with exactly this message.
async fn invalid(client: &mut Client, operation: &str, request: &Value, message: &str) {
    let answer = client.call(operation, request).await;
    let expected = json!({"__type": VALIDATION, "message": message});
    assert_eq!((answer.status, answer.json()), (400, expected), "{operation}");
}

/// What an operation that must succeed answers.
async fn done(client: &mut Client, operation: &str, request: &Value) -> Value {
    let answer = client.call(operation, request).await;
    assert_eq!(answer.status, 200, "{operation}: {}", answer.text());
    if answer.body.is_empty() {
        Value::Null
    } else {
        answer.json()
    }
}

/// A request for a table with the key `a`, with these members.
fn table(name: &str) -> Value {
    json!({
        "TableName": name,
        "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

/// A client of a region with an empty table `Music`, whose key is `a`.
async fn with_table(server: &Running) -> Client {
    let mut client = server.connect();
    done(&mut client, "CreateTable", &table("Music")).await;
    client
}

async fn items(client: &mut Client) -> Value {
    done(client, "Scan", &json!({"TableName": "Music"})).await["Items"].take()
}

#[tokio::test]
async fn a_name_that_a_new_table_cannot_have() {
    let server = Running::in_memory();
    let mut client = server.connect();
    let broken = "1 validation error detected: Value";
    let failed = "at 'tableName' failed to satisfy constraint: Member must";
    let long = "a".repeat(256);
    for (name, message) in [
        (
            "",
            format!("{broken} '' {failed} have length greater than or equal to 1"),
        ),
        (
            "ab",
            format!("{broken} 'ab' {failed} have length greater than or equal to 3"),
        ),
        (
            &long,
            format!("{broken} '{long}' {failed} have length less than or equal to 255"),
        ),
        (
            "a;b",
            format!("{broken} 'a;b' {failed} satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
        ),
    ] {
        invalid(&mut client, "CreateTable", &table(name), &message).await;
    }
    let mut missing = table("Music");
    missing.as_object_mut().unwrap().remove("TableName");
    let message = "The parameter 'TableName' is required but was not present in the request";
    invalid(&mut client, "CreateTable", &missing, message).await;
    assert_eq!(
        done(&mut client, "ListTables", &json!({})).await,
        json!({"TableNames": []})
    );
    // The other operations have a message of their own.
    let message = "TableName must be at least 3 characters long and at most 255 characters long";
    invalid(&mut client, "DescribeTable", &json!({"TableName": "ab"}), message).await;
}

#[tokio::test]
async fn bounds_of_a_query_and_of_batched_keys_name_no_value() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let failed = "failed to satisfy constraint: Member must have";
    let query = json!({
        "TableName": "Music", "Limit": 0, "KeyConditionExpression": "a = :a",
        "ExpressionAttributeValues": {":a": {"S": "x"}},
    });
    let message = format!("1 validation error detected: Value at 'Limit' {failed} value greater than or equal to 1");
    invalid(&mut client, "Query", &query, &message).await;
    let message =
        format!("1 validation error detected: Value '0' at 'limit' {failed} value greater than or equal to 1");
    invalid(
        &mut client,
        "Scan",
        &json!({"TableName": "Music", "Limit": 0}),
        &message,
    )
    .await;
    let at = "1 validation error detected: Value at 'RequestItems.Music.member.Keys'";
    for (keys, than) in [(0, "greater than or equal to 1"), (101, "less than or equal to 100")] {
        let keys: Vec<Value> = (0..keys).map(|key| json!({"a": {"S": key.to_string()}})).collect();
        let batch = json!({"RequestItems": {"Music": {"Keys": keys}}});
        invalid(
            &mut client,
            "BatchGetItem",
            &batch,
            &format!("{at} {failed} length {than}"),
        )
        .await;
    }
}

#[tokio::test]
async fn too_many_actions_are_repeated_in_full() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let text = "x".repeat(1000);
    let put = |number: u32| json!({"Put": {"TableName": "Music", "Item": {"a": {"S": number.to_string()}, "text": {"S": text}}}});
    let actions: Vec<Value> = (0..101).map(put).collect();
    let shown: Vec<String> = (0..101)
        .map(|number| {
            format!(
                "TransactWriteItem(put=Put(item={{a={{\"S\":\"{number}\"}}, text={{\"S\":\"{text}\"}}}}, tableName=Music))"
            )
        })
        .collect();
    let message = format!(
        "1 validation error detected: Value '[{}]' at 'transactItems' failed to satisfy constraint: Member must have \
         length less than or equal to 100",
        shown.join(", ")
    );
    invalid(
        &mut client,
        "TransactWriteItems",
        &json!({"TransactItems": actions}),
        &message,
    )
    .await;
    assert_eq!(items(&mut client).await, json!([]));
}

/// Their texts are not examined: each of them is wrong.
#[tokio::test]
async fn too_many_statements_are_repeated_in_full() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let text = "x".repeat(1000);
    for (operation, member, shown_as, list, most) in [
        (
            "ExecuteTransaction",
            "TransactStatements",
            "ParameterizedStatement",
            "transactStatements",
            100,
        ),
        (
            "BatchExecuteStatement",
            "Statements",
            "BatchStatementRequest",
            "statements",
            25,
        ),
    ] {
        let statement = |number: u32| json!({"Statement": format!("INSERT {number}"), "Parameters": [{"S": text}]});
        let statements: Vec<Value> = (0..=most).map(statement).collect();
        let shown: Vec<String> = (0..=most)
            .map(|number| format!("{shown_as}(statement=INSERT {number}, parameters=[{{\"S\":\"{text}\"}}])"))
            .collect();
        let message = format!(
            "1 validation error detected: Value '[{}]' at '{list}' failed to satisfy constraint: Member must have length \
             less than or equal to {most}",
            shown.join(", ")
        );
        invalid(&mut client, operation, &json!({member: statements}), &message).await;
    }
    assert_eq!(items(&mut client).await, json!([]));
}

#[tokio::test]
async fn tags_of_another_account_are_denied() {
    let server = Running::in_memory();
    let mut client = with_table(&server).await;
    let own = "arn:aws:dynamodb:eu-west-1:000000000000:table/Music";
    let foreign = "arn:aws:dynamodb:eu-west-1:111122223333:table/Music";
    let tags = json!([{"Key": "team", "Value": "shop"}]);
    done(&mut client, "TagResource", &json!({"ResourceArn": own, "Tags": tags})).await;
    for (operation, request) in [
        (
            "TagResource",
            json!({"ResourceArn": foreign, "Tags": [{"Key": "team", "Value": "other"}]}),
        ),
        ("UntagResource", json!({"ResourceArn": foreign, "TagKeys": ["team"]})),
        ("ListTagsOfResource", json!({"ResourceArn": foreign})),
    ] {
        let answer = client.call(operation, &request).await;
        let expected = json!({
            "__type": "com.amazon.coral.service#AccessDeniedException",
            "Message": format!(
                "User: arn:aws:iam::000000000000:root is not authorized to perform: dynamodb:{operation} on resource: {foreign} \
                 because no resource-based policy allows the dynamodb:{operation} action"
            ),
        });
        assert_eq!((answer.status, answer.json()), (400, expected));
    }
    let listed = done(&mut client, "ListTagsOfResource", &json!({"ResourceArn": own})).await;
    assert_eq!(listed, json!({"Tags": tags}));
}
