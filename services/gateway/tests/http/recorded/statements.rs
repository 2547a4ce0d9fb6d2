//! PartiQL statements, alone, in batches and in transactions.

use serde_json::{Value, json};

use super::{done, refused, songs};

fn transaction(statements: &[&str]) -> Value {
    let statements = statements.iter().map(|text| json!({"Statement": text}));
    json!({"TransactStatements": statements.collect::<Vec<_>>()})
}

#[tokio::test]
async fn transactions_refuse_reads_of_indexes() {
    let (_server, mut client) = songs().await;
    const READ: &str = "Reads on indices are not supported within transactions.";
    const EXISTS: &str = "Operations on indices are not supported in transactions";
    let read = "SELECT * FROM songs.gsi WHERE gk = 'g'";
    let local = "SELECT * FROM songs.lsi WHERE pk = 'p' AND lk = 'l'";
    let get = "SELECT * FROM songs WHERE pk = 'p' AND sk = 's'";
    let exists = "EXISTS(SELECT * FROM songs.gsi WHERE gk = 'g')";
    let insert = "INSERT INTO flat VALUE {'b': 'new'}";
    for (statements, index, problem) in [
        (&[read][..], 0, READ),
        (&[get, local], 1, READ),
        (&[insert, exists], 1, EXISTS),
        (&["SELECT * FROM absent.gsi WHERE gk = 'g'"], 0, READ),
    ] {
        let message = format!("Validation failed in TransactStatements[{index}]: {problem}");
        refused(&mut client, "ExecuteTransaction", transaction(statements), &message).await;
    }
}

#[tokio::test]
async fn transactions_refuse_returning_clauses() {
    let (_server, mut client) = songs().await;
    let insert = "INSERT INTO flat VALUE {'b': 'new'}";
    let update = "UPDATE flat SET d = 'd' WHERE b = 'x' RETURNING ALL NEW *";
    let delete = "DELETE FROM flat WHERE b = 'x' RETURNING ALL OLD *";
    for (statements, index) in [(&[update][..], 0), (&[delete], 0), (&[insert, update], 1)] {
        let message = format!(
            "Validation failed in TransactStatements[{index}]: RETURNING clause is not supported in ExecuteTransaction."
        );
        refused(&mut client, "ExecuteTransaction", transaction(statements), &message).await;
    }
}

#[tokio::test]
async fn transactions_refuse_statements_about_no_single_item() {
    let (_server, mut client) = songs().await;
    let select = "Select statements within ExecuteTransaction must specify the primary key in the where clause.";
    let exists = "EXISTS() must contain a single item read with additional condition";
    for (statement, problem) in [
        ("SELECT * FROM songs WHERE pk = 'p'", select),
        ("SELECT * FROM flat", select),
        ("EXISTS(SELECT * FROM songs WHERE pk = 'p')", exists),
        ("EXISTS(SELECT * FROM flat WHERE b = 'x')", exists),
    ] {
        let message = format!("Validation failed in TransactStatements[0]: {problem}");
        refused(&mut client, "ExecuteTransaction", transaction(&[statement]), &message).await;
    }
}

#[tokio::test]
async fn transactions_of_writes_answer_without_items() {
    let (_server, mut client) = songs().await;
    let writes = transaction(&[
        "INSERT INTO flat VALUE {'b': 'new'}",
        "UPDATE flat SET c = 'z' WHERE b = 'x'",
    ]);
    assert_eq!(
        done(&mut client, "ExecuteTransaction", &writes).await,
        json!({"Responses": []})
    );
    let reads = transaction(&[
        "SELECT c FROM flat WHERE b = 'x'",
        "SELECT c FROM flat WHERE b = 'none'",
    ]);
    assert_eq!(
        done(&mut client, "ExecuteTransaction", &reads).await,
        json!({"Responses": [{"Item": {"c": {"S": "z"}}}, {}]})
    );
}

/// A member of a batch that is refused before it runs names no table; one that ran does.
#[tokio::test]
async fn batch_names_the_table_of_statements_that_ran() {
    let (_server, mut client) = songs().await;
    let error = |message: &str| json!({"Error": {"Code": "ValidationError", "Message": message}});
    let reads = [
        (
            "SELECT * FROM flat WHERE c = 'y'",
            error("Select statements within BatchExecuteStatement must specify the primary key in the where clause."),
        ),
        (
            "SELECT b.c FROM flat WHERE b = 'x'",
            error("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key b"),
        ),
        (
            "SELECT * FROM absent WHERE b = 'x'",
            json!({"Error": {"Code": "ResourceNotFound", "Message": "Requested resource not found"}}),
        ),
        (
            "SELECT c FROM flat WHERE b = 'x'",
            json!({"TableName": "flat", "Item": {"c": {"S": "y"}}}),
        ),
        ("SELECT c FROM flat WHERE b = 'none'", json!({"TableName": "flat"})),
    ];
    let writes = [
        (
            "UPDATE flat SET b = 'z' WHERE b = 'x'",
            error(
                "One or more parameter values were invalid: Cannot update attribute b. This attribute is part of the key",
            ),
        ),
        (
            "DELETE FROM flat WHERE b = 'x' RETURNING MODIFIED OLD *",
            error(
                "Invalid returning clause: RETURNING MODIFIED OLD *. Only RETURNING ALL OLD * is allowed in DELETE statements.",
            ),
        ),
        (
            "UPDATE flat SET c = 'z' WHERE b = 'x' AND c = 'other'",
            json!({
                "TableName": "flat",
                "Error": {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"},
            }),
        ),
        (
            "INSERT INTO flat VALUE {'b': 'x'}",
            json!({
                "TableName": "flat",
                "Error": {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"},
            }),
        ),
        ("UPDATE flat SET c = 'z' WHERE b = 'x'", json!({"TableName": "flat"})),
    ];
    for batch in [&reads, &writes] {
        let statements: Vec<Value> = batch.iter().map(|(text, _)| json!({"Statement": text})).collect();
        let answer = done(&mut client, "BatchExecuteStatement", &json!({"Statements": statements})).await;
        let expected: Vec<&Value> = batch.iter().map(|(_, answer)| answer).collect();
        assert_eq!(answer, json!({"Responses": expected}));
    }
}
