//! Document paths into key attributes, whose values are scalars.

use serde_json::{Value, json};

use super::{refused, songs, with};

fn scalar(key: &str) -> String {
    format!("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: {key}")
}

fn flat(members: Value) -> Value {
    with(json!({"TableName": "flat"}), members)
}

fn key() -> Value {
    json!({"b": {"S": "x"}})
}

#[tokio::test]
async fn reads_refuse_projections_into_keys() {
    let (_server, mut client) = songs().await;
    for path in ["b.c", "b[0]", "c, b.c[1]"] {
        let projection = json!({"ProjectionExpression": path});
        let get = with(flat(json!({"Key": key()})), projection.clone());
        refused(&mut client, "GetItem", get.clone(), &scalar("b")).await;
        refused(&mut client, "Scan", flat(projection.clone()), &scalar("b")).await;
        let values = json!({"KeyConditionExpression": "b = :b", "ExpressionAttributeValues": {":b": {"S": "x"}}});
        refused(
            &mut client,
            "Query",
            with(flat(values), projection.clone()),
            &scalar("b"),
        )
        .await;
        let batch = json!({"RequestItems": {"flat": with(json!({"Keys": [key()]}), projection)}});
        refused(&mut client, "BatchGetItem", batch, &scalar("b")).await;
        let transaction = json!({"TransactItems": [{"Get": get}]});
        refused(&mut client, "TransactGetItems", transaction, &scalar("b")).await;
    }
}

#[tokio::test]
async fn reads_refuse_filters_into_keys() {
    let (_server, mut client) = songs().await;
    let filter = json!({"FilterExpression": "attribute_exists(b.c)"});
    refused(&mut client, "Scan", flat(filter.clone()), &scalar("b")).await;
    let values = json!({"KeyConditionExpression": "b = :b", "ExpressionAttributeValues": {":b": {"S": "x"}}});
    refused(&mut client, "Query", with(flat(values), filter), &scalar("b")).await;
    // The keys of the index and of its table.
    for name in ["gk", "pk", "sk"] {
        let on_index = json!({
            "TableName": "songs", "IndexName": "gsi", "FilterExpression": format!("attribute_exists({name}[0])"),
        });
        refused(&mut client, "Scan", on_index.clone(), &scalar(name)).await;
        let values = json!({"KeyConditionExpression": "gk = :g", "ExpressionAttributeValues": {":g": {"S": "g"}}});
        refused(&mut client, "Query", with(on_index, values), &scalar(name)).await;
    }
}

#[tokio::test]
async fn writes_refuse_conditions_into_keys() {
    let (_server, mut client) = songs().await;
    let condition = json!({"ConditionExpression": "attribute_not_exists(b.c)"});
    let put = with(flat(json!({"Item": {"b": {"S": "new"}}})), condition.clone());
    let delete = with(flat(json!({"Key": key()})), condition.clone());
    let set = json!({"UpdateExpression": "SET d = :d", "ExpressionAttributeValues": {":d": {"S": "d"}}});
    let update = with(delete.clone(), set);
    refused(&mut client, "PutItem", put.clone(), &scalar("b")).await;
    refused(&mut client, "DeleteItem", delete.clone(), &scalar("b")).await;
    refused(&mut client, "UpdateItem", update.clone(), &scalar("b")).await;
    for action in [
        json!({"Put": put}),
        json!({"Delete": delete.clone()}),
        json!({"ConditionCheck": delete}),
        json!({"Update": update}),
    ] {
        let request = json!({"TransactItems": [action]});
        refused(&mut client, "TransactWriteItems", request, &scalar("b")).await;
    }
}

#[tokio::test]
async fn statements_refuse_paths_into_keys() {
    let (_server, mut client) = songs().await;
    for statement in [
        "SELECT b.c FROM flat WHERE b = 'x'",
        "SELECT c FROM flat WHERE b[0] = 'x'",
        "DELETE FROM flat WHERE b = 'x' AND b.c IS MISSING",
        "UPDATE flat SET d = 'd' WHERE b = 'x' AND b.c IS MISSING",
    ] {
        let request = json!({"Statement": statement});
        refused(
            &mut client,
            "ExecuteStatement",
            request,
            &scalar("b").replace("Key: b", "Key b"),
        )
        .await;
    }
}
