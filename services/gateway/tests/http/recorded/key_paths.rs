//! Document paths into key attributes, whose values are scalars.

use serde_json::{Value, json};

use super::{cancelled, refused, songs, with};

const SCALARS: &str = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: ";

/// The message for a path into a key attribute of the table.
fn scalar(key: &str) -> String {
    format!("{SCALARS}Key: {key}")
}

/// The message for a path into a key attribute of an index.
fn scalar_of_index(key: &str) -> String {
    format!("{SCALARS}IndexKey: {key}")
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
    for (name, message) in [
        ("gk", scalar_of_index("gk")),
        ("lk", scalar_of_index("lk")),
        ("pk", scalar("pk")),
        ("sk", scalar("sk")),
    ] {
        let on_index = json!({
            "TableName": "songs", "IndexName": "gsi", "FilterExpression": format!("attribute_exists({name}[0])"),
        });
        refused(&mut client, "Scan", on_index.clone(), &message).await;
        let values = json!({"KeyConditionExpression": "gk = :g", "ExpressionAttributeValues": {":g": {"S": "g"}}});
        refused(&mut client, "Query", with(on_index, values), &message).await;
    }
}

fn song() -> Value {
    json!({"pk": {"S": "p"}, "sk": {"S": "s"}})
}

/// The keys of indexes are scalars in every read and write of the table, too.
#[tokio::test]
async fn paths_into_keys_of_indexes_are_refused() {
    let (_server, mut client) = songs().await;
    for key in ["gk", "lk"] {
        let message = scalar_of_index(key);
        let table = json!({"TableName": "songs"});
        let projection = json!({"ProjectionExpression": format!("{key}.a")});
        let filter = json!({"FilterExpression": format!("attribute_not_exists({key}.a)")});
        let partition = json!({
            "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "p"}},
        });
        let get = with(with(table.clone(), json!({"Key": song()})), projection.clone());
        let query = with(table.clone(), partition);
        let condition = json!({"ConditionExpression": format!("attribute_not_exists({key}.a)")});
        let put = with(with(table.clone(), json!({"Item": song()})), condition.clone());
        let delete = with(with(table.clone(), json!({"Key": song()})), condition);
        for (operation, request) in [
            ("GetItem", get.clone()),
            ("TransactGetItems", json!({"TransactItems": [{"Get": get}]})),
            ("Query", with(query.clone(), projection.clone())),
            ("Query", with(query, filter.clone())),
            ("Scan", with(table.clone(), projection.clone())),
            ("Scan", with(table.clone(), filter)),
            (
                "BatchGetItem",
                json!({"RequestItems": {"songs": with(json!({"Keys": [song()]}), projection)}}),
            ),
            ("PutItem", put.clone()),
            ("DeleteItem", delete.clone()),
            ("TransactWriteItems", json!({"TransactItems": [{"Put": put}]})),
            (
                "TransactWriteItems",
                json!({"TransactItems": [{"ConditionCheck": delete}]}),
            ),
        ] {
            refused(&mut client, operation, request, &message).await;
        }
    }
}

#[tokio::test]
async fn updates_refuse_paths_into_keys() {
    let (_server, mut client) = songs().await;
    for (expression, message) in [
        ("SET gk.y = :v", scalar_of_index("gk")),
        ("SET lk[0] = :v", scalar_of_index("lk")),
        ("SET e = :v REMOVE gk.y", scalar_of_index("gk")),
        ("SET e = if_not_exists(pk.c, :v)", scalar("pk")),
        ("SET e = sk.c + :v", scalar("sk")),
        ("SET e = list_append(:v, lk[1])", scalar_of_index("lk")),
        ("SET e = gk.c, f = :v", scalar_of_index("gk")),
        (
            "SET pk.c = :v",
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"
                .to_owned(),
        ),
    ] {
        let request = json!({
            "TableName": "songs", "Key": song(), "UpdateExpression": expression,
            "ExpressionAttributeValues": {":v": {"S": "v"}},
        });
        // An operand of a wrong type is found before the table is known.
        let is_typed = !expression.contains('+') && !expression.contains("list_append");
        let request = if is_typed {
            request
        } else {
            let value = if expression.contains('+') {
                json!({"N": "1"})
            } else {
                json!({"L": []})
            };
            with(request, json!({"ExpressionAttributeValues": {":v": value}}))
        };
        refused(&mut client, "UpdateItem", request.clone(), &message).await;
        let transaction = json!({"TransactItems": [{"Update": request}]});
        if expression.starts_with("SET pk") {
            cancelled(&mut client, "TransactWriteItems", transaction, 0, &message).await;
        } else {
            refused(&mut client, "TransactWriteItems", transaction, &message).await;
        }
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

/// Statements have no colon after the kind of key, as in DynamoDB Local.
#[tokio::test]
async fn statements_refuse_paths_into_keys() {
    let (_server, mut client) = songs().await;
    for (statement, key) in [
        ("SELECT b.c FROM flat WHERE b = 'x'", "Key b"),
        ("SELECT c FROM flat WHERE b[0] = 'x'", "Key b"),
        ("SELECT gk.c FROM songs WHERE pk = 'p'", "IndexKey gk"),
        ("DELETE FROM flat WHERE b = 'x' AND b.c IS MISSING", "Key b"),
        ("UPDATE flat SET d = 'd' WHERE b = 'x' AND b.c IS MISSING", "Key b"),
        ("UPDATE flat SET d = b.c WHERE b = 'x'", "Key b"),
        ("UPDATE songs SET lk.c = 'd' WHERE pk = 'p' AND sk = 's'", "IndexKey lk"),
    ] {
        let request = json!({"Statement": statement});
        let message = format!("{SCALARS}{key}");
        refused(&mut client, "ExecuteStatement", request, &message).await;
    }
}

/// As other faults that need the table, they cancel a transaction of statements.
#[tokio::test]
async fn paths_into_keys_cancel_transactions_of_statements() {
    let (_server, mut client) = songs().await;
    let message = format!("{SCALARS}Key b");
    for statement in [
        "SELECT b.c FROM flat WHERE b = 'x'",
        "DELETE FROM flat WHERE b = 'x' AND b.c IS MISSING",
        "UPDATE flat SET d = 'd' WHERE b = 'x' AND b.c IS MISSING",
        "UPDATE flat SET d = b.c WHERE b = 'x'",
        "EXISTS(SELECT * FROM flat WHERE b = 'x' AND b.c IS MISSING)",
    ] {
        let mut statements = vec![json!({"Statement": statement})];
        if statement.starts_with("EXISTS") {
            statements.insert(0, json!({"Statement": "DELETE FROM flat WHERE b = 'z'"}));
        }
        let index = statements.len() - 1;
        let request = json!({"TransactStatements": statements});
        cancelled(&mut client, "ExecuteTransaction", request, index, &message).await;
    }
}
