//! Operations on PartiQL statements.

use serde_json::{Value, json};

use super::{call, ladder, music};

const EMPTY_VALUE: &str = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
const NOT_WELL_FORMED: &str = "Statement wasn't well formed, can't be processed";
const READ: &str = "SELECT * FROM \"Music\" WHERE a = ?";

#[tokio::test]
async fn execute_statement() {
    let (_server, mut client) = music().await;
    ladder(
        &mut client,
        "ExecuteStatement",
        json!({"Statement": READ, "Parameters": [{"S": "x"}]}),
        &[
            (json!({"Statement": 1}), "NUMBER_VALUE cannot be converted to String"),
            (json!({"Statement": null}), "Value null at 'statement'"),
            (json!({"Parameters": []}), "Value '[]' at 'parameters'"),
            (json!({"NextToken": ""}), "Value '' at 'nextToken'"),
            (
                json!({"ReturnConsumedCapacity": "x"}),
                "Value 'x' at 'returnConsumedCapacity'",
            ),
            (json!({"Limit": 0}), "Value '0' at 'limit'"),
            (json!({"Parameters": [{}]}), EMPTY_VALUE),
            (json!({"Statement": "SELECT"}), NOT_WELL_FORMED),
            (
                json!({"Statement": READ.replace("Music", "Films")}),
                "ResourceNotFoundException",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn batch_execute_statement() {
    let (_server, mut client) = music().await;
    let of = |statements: Vec<Value>| json!({"Statements": statements});
    let read = json!({"Statement": "SELECT * FROM \"Music\" WHERE a = 'x' AND b = 1"});
    ladder(
        &mut client,
        "BatchExecuteStatement",
        of(vec![read.clone()]),
        &[
            (
                json!({"Statements": {}}),
                "Start of structure or map found where not expected",
            ),
            (of(Vec::new()), "Value '[]' at 'statements'"),
            (of(vec![read; 26]), "Member must have length less than or equal to 25"),
            (of(vec![json!({})]), "Value null at 'statements.1.member.statement'"),
            (
                of(vec![json!({"Statement": READ, "Parameters": []})]),
                "Value '[]' at 'statements.1.member.parameters'",
            ),
            (
                json!({"ReturnConsumedCapacity": "x"}),
                "Value 'x' at 'returnConsumedCapacity'",
            ),
            (of(vec![json!({"Statement": READ, "Parameters": [{}]})]), EMPTY_VALUE),
        ],
    )
    .await;
    // A fault of one statement is reported next to the answers of the others.
    let wrong = of(vec![json!({"Statement": "SELECT"})]);
    let (status, body) = call(&mut client, "BatchExecuteStatement", &wrong).await;
    assert!(status == 200 && body.contains(NOT_WELL_FORMED), "{status} {body}");
}

#[tokio::test]
async fn execute_transaction() {
    let (_server, mut client) = music().await;
    let of = |statements: Vec<Value>| json!({"TransactStatements": statements});
    let insert = |number: u32| {
        let statement = format!("INSERT INTO \"Music\" VALUE {{'a': 'x', 'b': {number}}}");
        json!({"Statement": statement})
    };
    ladder(
        &mut client,
        "ExecuteTransaction",
        of(vec![insert(1), insert(2)]),
        &[
            (
                json!({"ClientRequestToken": 1}),
                "NUMBER_VALUE cannot be converted to String",
            ),
            (of(Vec::new()), "Value '[]' at 'transactStatements'"),
            (
                of(vec![insert(1); 101]),
                "Member must have length less than or equal to 100",
            ),
            (
                of(vec![json!({})]),
                "Value null at 'transactStatements.1.member.statement'",
            ),
            (json!({"ClientRequestToken": ""}), "Value '' at 'clientRequestToken'"),
            (of(vec![json!({"Statement": READ, "Parameters": [{}]})]), EMPTY_VALUE),
            (
                of(vec![insert(3), insert(3)]),
                "Transaction request cannot include multiple operations on one item",
            ),
        ],
    )
    .await;
    let (status, body) = call(&mut client, "ExecuteTransaction", &of(vec![insert(1)])).await;
    assert!(status == 400 && body.contains("TransactionCanceledException"), "{body}");
}
