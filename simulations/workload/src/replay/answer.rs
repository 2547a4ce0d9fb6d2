//! Reads the answer to a recorded operation: the outcomes of its writes, and the markers that it
//! shows.

use beringia_history::{Effect, FailureCause, MARKER, OperationOutcome, Seen, UNPROCESSED, Write};
use serde_json::Value;

use super::{MarkedWrite, Prepared, listed, name_of, statement, table_of};
use crate::CallError;

/// The result of a recorded operation in one table.
#[derive(Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) table: String,
    pub(crate) outcome: OperationOutcome,
    pub(crate) failure: Option<FailureCause>,
    pub(crate) reads: Vec<Seen>,
    pub(crate) writes: Vec<Write>,
}

impl Prepared<'_> {
    /// Returns the results by table, at least one. If the operation is not a transaction, each
    /// write is a result of its own. A delete whose answer does not say whether it found something
    /// may have happened.
    pub(crate) fn understand(self, answer: Result<Value, CallError>) -> Vec<Part> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.parts(&outcome(&error), error.failure()),
        };
        let table = self.table();
        let unprocessed = self.unprocessed(&answer);
        let is_batch = self.is_batch();
        let is_reported = matches!(self.operation, "DeleteItem" | "ExecuteStatement");
        let removed = match self.operation {
            "ExecuteStatement" => &answer["Items"][0],
            _ => &answer["Attributes"],
        };
        let mut parts: Vec<Part> = Vec::new();
        for (table, seen) in self.reads(&answer) {
            part(&mut parts, &table, OperationOutcome::Ok).reads.push(seen);
        }
        for MarkedWrite { table, write, place } in self.writes {
            let is_delete = write.effect == Effect::Delete;
            let refused = answer["Responses"][place]["Error"]["Code"]
                .as_str()
                .filter(|_| is_batch);
            if is_delete && is_reported && removed.is_null() {
                continue;
            }
            if let Some(code) = refused {
                alone(
                    &mut parts,
                    table,
                    OperationOutcome::Refused(format!("{code}Exception")),
                    write,
                );
            } else if unprocessed.contains(&write.marker) || unprocessed.contains(&write.key) {
                alone(
                    &mut parts,
                    table,
                    OperationOutcome::Refused(UNPROCESSED.to_owned()),
                    write,
                );
            } else if is_delete && !is_reported {
                alone(&mut parts, table, OperationOutcome::Unreported, write);
            } else if is_batch {
                alone(&mut parts, table, OperationOutcome::Ok, write);
            } else {
                part(&mut parts, &table, OperationOutcome::Ok).writes.push(write);
            }
        }
        if parts.is_empty() {
            part(&mut parts, &table, OperationOutcome::Ok);
        }
        for part in &mut parts {
            if let OperationOutcome::Refused(kind) = &part.outcome {
                part.failure = FailureCause::of_refusal(kind);
            }
        }
        parts
    }

    /// Gives all writes the same outcome and cause of failure.
    fn parts(self, outcome: &OperationOutcome, failure: Option<FailureCause>) -> Vec<Part> {
        let (is_batch, own_table) = (self.is_batch(), self.table());
        let mut parts = Vec::new();
        for MarkedWrite { table, write, .. } in self.writes {
            if is_batch || write.effect == Effect::Delete {
                alone(&mut parts, table, outcome.clone(), write);
            } else {
                part(&mut parts, &table, outcome.clone()).writes.push(write);
            }
        }
        if parts.is_empty() {
            part(&mut parts, &own_table, outcome.clone());
        }
        for part in &mut parts {
            part.failure = failure;
        }
        parts
    }

    /// The first table that the operation names; empty if it is not known.
    fn table(&self) -> String {
        let of_writes = self.writes.first().map(|write| write.table.clone());
        let of_statement = || statement::about(&self.parameters, self.keys).map(|about| about.table);
        let named = of_writes.or_else(of_statement);
        name_of(&named.unwrap_or_else(|| table_of(&self.parameters))).to_owned()
    }

    fn is_batch(&self) -> bool {
        matches!(self.operation, "BatchWriteItem" | "BatchExecuteStatement")
    }

    /// The markers of puts and the keys of deletes that a batch left unprocessed.
    fn unprocessed(&self, answer: &Value) -> Vec<String> {
        let requests = answer.get("UnprocessedItems").and_then(Value::as_object);
        let requests = requests.into_iter().flatten();
        let of_table = |(table, requests): (&String, &Value)| -> Vec<String> {
            let one = |request: &Value| match request.get("PutRequest") {
                Some(put) => put["Item"][MARKER]["S"].as_str().map(str::to_owned),
                None => self.keys.text(table, &request["DeleteRequest"]["Key"]),
            };
            requests.as_array().into_iter().flatten().filter_map(one).collect()
        };
        requests.flat_map(of_table).collect()
    }

    /// The items that an answer shows, by table.
    fn reads(&self, answer: &Value) -> Vec<(String, Seen)> {
        let mut reads = Vec::new();
        let mut saw = |table: &str, key: &Value, item: Option<&Value>, is_consistent: bool| {
            let marker = item.map(|item| item[MARKER]["S"].as_str().map(str::to_owned));
            // An item without a marker is a projection, which does not show whose write it is.
            let Some(marker) = marker.map_or(Some(None), |marker| marker.map(Some)) else {
                return;
            };
            if let Some(key) = self.keys.text(table, key) {
                let seen = Seen {
                    key,
                    marker,
                    number: None,
                    list: None,
                    image_hash: None,
                    is_consistent,
                };
                reads.push((name_of(table).to_owned(), seen));
            }
        };
        let table = table_of(&self.parameters);
        let asks = |request: &Value| request["ConsistentRead"] == true;
        let is_consistent = asks(&self.parameters);
        match self.operation {
            "GetItem" => saw(&table, &self.parameters["Key"], answer.get("Item"), is_consistent),
            "DeleteItem" => saw(&table, &self.parameters["Key"], answer.get("Attributes"), true),
            "Query" | "Scan" => {
                for item in answer["Items"].as_array().into_iter().flatten() {
                    saw(&table, item, Some(item), is_consistent);
                }
            }
            "BatchGetItem" => {
                for (table, items) in answer["Responses"].as_object().into_iter().flatten() {
                    let is_consistent = asks(&self.parameters["RequestItems"][table]);
                    for item in items.as_array().into_iter().flatten() {
                        saw(table, item, Some(item), is_consistent);
                    }
                }
            }
            "TransactGetItems" => {
                let gets = self.parameters["TransactItems"].as_array().into_iter().flatten();
                let answers = answer["Responses"].as_array().into_iter().flatten();
                for (get, answer) in gets.zip(answers) {
                    saw(&table_of(&get["Get"]), &get["Get"]["Key"], answer.get("Item"), true);
                }
            }
            "ExecuteStatement" => {
                let about = statement::about(&self.parameters, self.keys);
                let about = about.filter(|about| matches!(about.effect, None | Some(Effect::Delete)));
                for (about, item) in about
                    .iter()
                    .flat_map(|about| listed(answer, "Items").map(move |item| (about, item)))
                {
                    let is_consistent = is_consistent || about.effect.is_some();
                    saw(&about.table, item, Some(item), is_consistent);
                }
            }
            "BatchExecuteStatement" | "ExecuteTransaction" => {
                let statements =
                    listed(&self.parameters, "Statements").chain(listed(&self.parameters, "TransactStatements"));
                for (request, answer) in statements.zip(listed(answer, "Responses")) {
                    let about = statement::about(request, self.keys).filter(|about| about.effect.is_none());
                    // A failed statement says nothing about its item.
                    if let (Some(about), true) = (about, answer.get("Error").is_none())
                        && let Some(key) = &about.key
                    {
                        let is_consistent = self.operation == "ExecuteTransaction" || asks(request);
                        saw(&about.table, key, answer.get("Item"), is_consistent);
                    }
                }
            }
            _ => {}
        }
        reads
    }
}

/// Returns the part of a table with this outcome, adding one if there is none.
fn part<'a>(parts: &'a mut Vec<Part>, table: &str, outcome: OperationOutcome) -> &'a mut Part {
    let found = parts
        .iter()
        .position(|part| part.table == table && part.outcome == outcome);
    let index = found.unwrap_or_else(|| {
        parts.push(Part {
            table: table.to_owned(),
            outcome,
            failure: None,
            reads: Vec::new(),
            writes: Vec::new(),
        });
        parts.len() - 1
    });
    &mut parts[index]
}

fn alone(parts: &mut Vec<Part>, table: String, outcome: OperationOutcome, write: Write) {
    parts.push(Part {
        table,
        outcome,
        failure: None,
        reads: Vec::new(),
        writes: vec![write],
    });
}

pub(crate) fn outcome(error: &CallError) -> OperationOutcome {
    match error {
        CallError::Refused { kind, .. } => OperationOutcome::Refused(kind.clone()),
        CallError::Unreachable(..) => OperationOutcome::Unreachable,
        CallError::Unknown(..) => OperationOutcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::replay::tests::keys;

    fn reported(operation: &str, parameters: &Value, answer: Value) -> Vec<(String, String, OperationOutcome)> {
        let keys = keys();
        let mut markers = 0;
        let prepared = Prepared::new(operation, parameters, &keys, || {
            markers += 1;
            format!("m{markers}")
        });
        let parts = prepared.understand(Ok(answer)).into_iter();
        let writes = parts.flat_map(|part| part.writes.into_iter().map(move |write| (write, part.outcome.clone())));
        writes
            .map(|(write, outcome)| (write.key, write.marker, outcome))
            .collect()
    }

    #[test]
    fn statements_have_effects_and_a_batch_answers_each() {
        let ok = |key: &str, marker: &str| (key.to_owned(), marker.to_owned(), OperationOutcome::Ok);
        let update =
            json!({ "Statement": "UPDATE carts SET n = ? WHERE id = ?", "Parameters": [{ "N": "1" }, { "S": "7" }] });
        assert_eq!(
            reported("ExecuteStatement", &update, json!({ "Items": [] })),
            [ok("7", "m1")]
        );
        let delete = json!({ "Statement": "DELETE FROM carts WHERE id = '7'" });
        assert_eq!(reported("ExecuteStatement", &delete, json!({ "Items": [] })), []);
        let old = json!({ "Items": [{ "id": { "S": "7" } }] });
        assert_eq!(reported("ExecuteStatement", &delete, old), [ok("7", "m1")]);

        let insert = json!({ "Statement": "INSERT INTO \"carts\" VALUE {'id': '8'}" });
        let select = json!({ "Statement": "SELECT * FROM carts WHERE id = '8'" });
        let batch = json!({ "Statements": [update, insert, delete] });
        let answers = json!({ "Responses": [{}, { "Error": { "Code": "DuplicateItem" } }, {}] });
        let refused = OperationOutcome::Refused("DuplicateItemException".to_owned());
        assert_eq!(
            reported("BatchExecuteStatement", &batch, answers),
            [
                ok("7", "m1"),
                ("8".to_owned(), "m2".to_owned(), refused),
                ("7".to_owned(), "m3".to_owned(), OperationOutcome::Unreported)
            ]
        );
        let transaction = json!({ "TransactStatements": [update, insert], "ClientRequestToken": "t" });
        let arn = json!({ "Statement": "UPDATE \"arn:aws:dynamodb:a:0:table/carts\" REMOVE n WHERE id = '9'" });
        assert_eq!(
            reported("ExecuteTransaction", &transaction, json!({})),
            [ok("7", "m1"), ok("8", "m2")]
        );
        assert_eq!(reported("ExecuteStatement", &arn, json!({})), [ok("9", "m1")]);

        let reads = |operation: &str, parameters: &Value, answer: Value| {
            let keys = keys();
            let parts = Prepared::new(operation, parameters, &keys, String::new).understand(Ok(answer));
            let reads = parts.into_iter().flat_map(|part| part.reads);
            reads.map(|seen| (seen.key, seen.marker)).collect::<Vec<_>>()
        };
        let item = json!({ "id": { "S": "8" }, MARKER: { "S": "a/1/1" } });
        let seen = [("8".to_owned(), Some("a/1/1".to_owned()))];
        assert_eq!(reads("ExecuteStatement", &select, json!({ "Items": [item] })), seen);
        let all = json!({ "TransactStatements": [select, select] });
        let answers = json!({ "Responses": [{ "Item": item }, {}] });
        assert_eq!(
            reads("ExecuteTransaction", &all, answers),
            [seen[0].clone(), ("8".to_owned(), None)]
        );
    }

    /// It is a request that was answered, although there is nothing to check.
    #[test]
    fn an_answer_that_shows_nothing_is_a_result() {
        let keys = keys();
        let tables = |operation: &str, parameters: Value, answer: Value| -> Vec<(String, OperationOutcome)> {
            let parts = Prepared::new(operation, &parameters, &keys, String::new).understand(Ok(answer));
            parts.into_iter().map(|part| (part.table, part.outcome)).collect()
        };
        let carts = [("carts".to_owned(), OperationOutcome::Ok)];
        let query = json!({ "TableName": "arn:aws:dynamodb:a:0:table/carts" });
        assert_eq!(tables("Query", query, json!({ "Items": [] })), carts);
        let delete = json!({ "Statement": "DELETE FROM carts WHERE id = '7'" });
        assert_eq!(tables("ExecuteStatement", delete, json!({ "Items": [] })), carts);
        let select = json!({ "Statement": "SELECT * FROM carts WHERE id = '7'" });
        assert_eq!(tables("ExecuteStatement", select, json!({ "Items": [] })), carts);
    }

    #[test]
    fn unprocessed_parts_of_a_batch_did_not_happen() {
        let requests = json!([
            { "PutRequest": { "Item": { "id": { "S": "1" } } } },
            { "PutRequest": { "Item": { "id": { "S": "2" } } } },
            { "DeleteRequest": { "Key": { "id": { "S": "3" } } } },
        ]);
        let (keys, parameters) = (keys(), json!({ "RequestItems": { "carts": requests } }));
        let mut markers = 0;
        let prepared = Prepared::new("BatchWriteItem", &parameters, &keys, || {
            markers += 1;
            format!("m{markers}")
        });
        let unprocessed = prepared.parameters["RequestItems"]["carts"][1].clone();
        let parts = prepared.understand(Ok(json!({ "UnprocessedItems": { "carts": [unprocessed] } })));
        let reported: Vec<_> = parts
            .iter()
            .map(|part| (part.writes[0].marker.as_str(), &part.outcome))
            .collect();
        let not_processed = OperationOutcome::Refused("(unprocessed)".to_owned());
        assert_eq!(
            reported,
            [
                ("m1", &OperationOutcome::Ok),
                ("m2", &not_processed),
                ("m3", &OperationOutcome::Unreported)
            ]
        );
    }
}
