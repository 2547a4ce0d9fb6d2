//! Recorded operations, played again: each write gets a mark, and each answer is read for the marks of others.

pub(crate) mod effect;
mod statement;

use std::collections::BTreeMap;

use beringia_history::{Effect, MARK, Outcome, Seen, Write, key_text_of_json};
use beringia_item::KeySchema;
use serde_json::{Map, Value, json};

use crate::{CallError, request::bytes};

/// The name and the value of the mark in expressions; no recorded application uses them.
const NAME: &str = "#beringiaMark";
const VALUE: &str = ":beringiaMark";

/// The keys of recorded tables, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys(pub(crate) BTreeMap<String, KeySchema>);

impl Keys {
    /// The key of the table of that name, or with that ARN.
    fn of(&self, table: &str) -> Option<&KeySchema> {
        self.0.get(name_of(table))
    }

    /// A key as histories have it.
    fn text(&self, table: &str, attributes: &Value) -> Option<String> {
        let schema = self.of(table)?;
        let parts = schema.partition.iter().chain(&schema.sort);
        key_text_of_json(parts.map(|part| part.name.as_str()), attributes)
    }
}

/// The name of a table of which a request has the name or the ARN.
fn name_of(table: &str) -> &str {
    table.split_once(":table/").map_or(table, |(_, name)| name)
}

/// A recorded operation, made ready.
pub(crate) struct Prepared<'a> {
    keys: &'a Keys,
    operation: &'a str,
    pub(crate) parameters: Value,
    /// Which part of it is being made ready.
    place: usize,
    writes: Vec<Marked>,
}

/// A write of a recorded operation.
struct Marked {
    /// Which part of the operation it is, from 0.
    place: usize,
    table: String,
    write: Write,
}

/// What came of a recorded operation in one table.
#[derive(Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) table: String,
    pub(crate) outcome: Outcome,
    pub(crate) reads: Vec<Seen>,
    pub(crate) writes: Vec<Write>,
}

impl<'a> Prepared<'a> {
    /// Gives every write a mark, and asks for what the oracle wants to know: marks, and what deletes removed. What statements select stays as it
    /// is, since the tokens with which they are read on belong to their texts.
    pub(crate) fn new(
        operation: &'a str,
        parameters: &Value,
        keys: &'a Keys,
        mut next_mark: impl FnMut() -> String,
    ) -> Self {
        let mut prepared = Self {
            keys,
            operation,
            parameters: parameters.clone(),
            place: 0,
            writes: Vec::new(),
        };
        let mut parameters = std::mem::take(&mut prepared.parameters);
        match operation {
            "PutItem" => prepared.mark_put(&mut parameters, next_mark()),
            "UpdateItem" => prepared.mark_update(&mut parameters, next_mark()),
            "DeleteItem" => {
                parameters["ReturnValues"] = json!("ALL_OLD");
                prepared.mark_delete(&parameters, next_mark());
            }
            "TransactWriteItems" => {
                drop_token(&mut parameters);
                for action in members(&mut parameters["TransactItems"]) {
                    for (kind, action) in action.as_object_mut().into_iter().flatten() {
                        match kind.as_str() {
                            "Put" => prepared.mark_put(action, next_mark()),
                            "Update" => prepared.mark_update(action, next_mark()),
                            "Delete" => prepared.mark_delete(action, next_mark()),
                            _ => {}
                        }
                    }
                }
            }
            "BatchWriteItem" => {
                for (table, requests) in parameters["RequestItems"].as_object_mut().into_iter().flatten() {
                    for request in members(requests) {
                        prepared.mark_request(table, request, next_mark());
                    }
                }
            }
            "ExecuteStatement" => {
                statement::tell(&mut parameters);
                prepared.mark_statement(&mut parameters, next_mark());
            }
            "BatchExecuteStatement" => {
                for (place, one) in members(&mut parameters["Statements"]).enumerate() {
                    prepared.place = place;
                    prepared.mark_statement(one, next_mark());
                }
            }
            "ExecuteTransaction" => {
                drop_token(&mut parameters);
                members(&mut parameters["TransactStatements"])
                    .for_each(|one| prepared.mark_statement(one, next_mark()));
            }
            "GetItem" | "Query" | "Scan" => show_mark(&mut parameters),
            "TransactGetItems" => members(&mut parameters["TransactItems"]).for_each(|get| show_mark(&mut get["Get"])),
            "BatchGetItem" => {
                let requests = parameters["RequestItems"].as_object_mut().into_iter().flatten();
                requests.for_each(|(_, request)| show_mark(request));
            }
            _ => {}
        }
        let bytes = bytes(&parameters, prepared.writes.len());
        prepared.writes.iter_mut().for_each(|marked| marked.write.bytes = bytes);
        prepared.parameters = parameters;
        prepared
    }

    fn mark_put(&mut self, put: &mut Value, mark: String) {
        let table = table_of(put);
        self.note_put(&table, put, mark);
    }

    fn note_put(&mut self, table: &str, put: &mut Value, mark: String) {
        let effect = effect::of_item(put["Item"].as_object().into_iter().flat_map(Map::keys));
        put["Item"][MARK] = json!({ "S": mark });
        self.note(table, &put["Item"], mark, effect);
    }

    fn mark_update(&mut self, update: &mut Value, mark: String) {
        let effect = effect::of_request(update);
        // The older form and expressions may not be mixed.
        let is_older = |name: &&str| update.get(name).is_some_and(|value| !value.is_null());
        if ["AttributeUpdates", "Expected", "ConditionalOperator"]
            .iter()
            .any(is_older)
        {
            update["AttributeUpdates"][MARK] = json!({ "Action": "PUT", "Value": { "S": mark } });
        } else {
            let expression = update["UpdateExpression"].as_str().unwrap_or_default();
            update["UpdateExpression"] = json!(with_mark_set(expression));
            name_mark(update);
            update["ExpressionAttributeValues"][VALUE] = json!({ "S": mark });
        }
        let table = table_of(update);
        self.note(&table, &update["Key"], mark, effect);
    }

    fn mark_delete(&mut self, delete: &Value, mark: String) {
        self.note(&table_of(delete), &delete["Key"], mark, Effect::Delete);
    }

    fn mark_request(&mut self, table: &str, request: &mut Value, mark: String) {
        if let Some(put) = request.get_mut("PutRequest") {
            self.note_put(table, put, mark);
        } else {
            self.note(table, &request["DeleteRequest"]["Key"].clone(), mark, Effect::Delete);
        }
    }

    fn mark_statement(&mut self, request: &mut Value, mark: String) {
        let Some(about) = statement::about(request, self.keys) else {
            return;
        };
        if let (Some(key), Some(effect)) = (about.key, about.effect) {
            statement::mark(request, &mark);
            self.note(&about.table, &key, mark, effect);
        }
    }

    fn note(&mut self, table: &str, attributes: &Value, mark: String, effect: Effect) {
        if let Some(key) = self.keys.text(table, attributes) {
            self.writes.push(Marked {
                place: self.place,
                table: name_of(table).to_owned(),
                write: Write {
                    key,
                    mark,
                    effect,
                    based_on: None,
                    bytes: 0,
                },
            });
        }
    }

    /// What came of it, by table. Where an operation is no transaction, each write is one of its own; and a delete of which nothing says
    /// whether it found something may have happened.
    pub(crate) fn understand(self, answer: Result<Value, CallError>) -> Vec<Part> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.parts(&outcome(&error)),
        };
        let unprocessed = self.unprocessed(&answer);
        let is_batch = self.is_batch();
        let is_told = matches!(self.operation, "DeleteItem" | "ExecuteStatement");
        let removed = match self.operation {
            "ExecuteStatement" => &answer["Items"][0],
            _ => &answer["Attributes"],
        };
        let mut parts: Vec<Part> = Vec::new();
        for (table, seen) in self.reads(&answer) {
            part(&mut parts, &table, Outcome::Ok).reads.push(seen);
        }
        for Marked { table, write, place } in self.writes {
            let is_delete = write.effect == Effect::Delete;
            let refused = answer["Responses"][place]["Error"]["Code"]
                .as_str()
                .filter(|_| is_batch);
            if is_delete && is_told && removed.is_null() {
                continue;
            }
            if let Some(code) = refused {
                alone(&mut parts, table, Outcome::Refused(format!("{code}Exception")), write);
            } else if unprocessed.contains(&write.mark) || unprocessed.contains(&write.key) {
                alone(&mut parts, table, Outcome::Refused("(unprocessed)".to_owned()), write);
            } else if is_delete && !is_told {
                alone(&mut parts, table, Outcome::Untold, write);
            } else if is_batch {
                alone(&mut parts, table, Outcome::Ok, write);
            } else {
                part(&mut parts, &table, Outcome::Ok).writes.push(write);
            }
        }
        parts
    }

    /// All writes with one outcome.
    fn parts(self, outcome: &Outcome) -> Vec<Part> {
        let is_batch = self.is_batch();
        let mut parts = Vec::new();
        for Marked { table, write, .. } in self.writes {
            if is_batch || write.effect == Effect::Delete {
                alone(&mut parts, table, outcome.clone(), write);
            } else {
                part(&mut parts, &table, outcome.clone()).writes.push(write);
            }
        }
        if parts.is_empty() {
            part(&mut parts, &table_of(&self.parameters), outcome.clone());
        }
        parts
    }

    fn is_batch(&self) -> bool {
        matches!(self.operation, "BatchWriteItem" | "BatchExecuteStatement")
    }

    /// Marks of puts and keys of deletes that a batch did not get to.
    fn unprocessed(&self, answer: &Value) -> Vec<String> {
        let requests = answer.get("UnprocessedItems").and_then(Value::as_object);
        let requests = requests.into_iter().flatten();
        let of_table = |(table, requests): (&String, &Value)| -> Vec<String> {
            let one = |request: &Value| match request.get("PutRequest") {
                Some(put) => put["Item"][MARK]["S"].as_str().map(str::to_owned),
                None => self.keys.text(table, &request["DeleteRequest"]["Key"]),
            };
            requests.as_array().into_iter().flatten().filter_map(one).collect()
        };
        requests.flat_map(of_table).collect()
    }

    /// What an answer shows, by table.
    fn reads(&self, answer: &Value) -> Vec<(String, Seen)> {
        let mut reads = Vec::new();
        let mut saw = |table: &str, key: &Value, item: Option<&Value>| {
            let mark = item.map(|item| item[MARK]["S"].as_str().map(str::to_owned));
            // An item without a mark is a projection: it does not say whose it is.
            let Some(mark) = mark.map_or(Some(None), |mark| mark.map(Some)) else {
                return;
            };
            if let Some(key) = self.keys.text(table, key) {
                let number = None;
                reads.push((name_of(table).to_owned(), Seen { key, mark, number }));
            }
        };
        let table = table_of(&self.parameters);
        match self.operation {
            "GetItem" => saw(&table, &self.parameters["Key"], answer.get("Item")),
            "DeleteItem" => saw(&table, &self.parameters["Key"], answer.get("Attributes")),
            "Query" | "Scan" => {
                for item in answer["Items"].as_array().into_iter().flatten() {
                    saw(&table, item, Some(item));
                }
            }
            "BatchGetItem" => {
                for (table, items) in answer["Responses"].as_object().into_iter().flatten() {
                    for item in items.as_array().into_iter().flatten() {
                        saw(table, item, Some(item));
                    }
                }
            }
            "TransactGetItems" => {
                let gets = self.parameters["TransactItems"].as_array().into_iter().flatten();
                let answers = answer["Responses"].as_array().into_iter().flatten();
                for (get, answer) in gets.zip(answers) {
                    saw(&table_of(&get["Get"]), &get["Get"]["Key"], answer.get("Item"));
                }
            }
            "ExecuteStatement" => {
                let about = statement::about(&self.parameters, self.keys);
                let about = about.filter(|about| matches!(about.effect, None | Some(Effect::Delete)));
                for (about, item) in about
                    .iter()
                    .flat_map(|about| listed(answer, "Items").map(move |item| (about, item)))
                {
                    saw(&about.table, item, Some(item));
                }
            }
            "BatchExecuteStatement" | "ExecuteTransaction" => {
                let statements =
                    listed(&self.parameters, "Statements").chain(listed(&self.parameters, "TransactStatements"));
                for (request, answer) in statements.zip(listed(answer, "Responses")) {
                    let about = statement::about(request, self.keys).filter(|about| about.effect.is_none());
                    // A statement that failed says nothing of its item.
                    if let (Some(about), true) = (about, answer.get("Error").is_none())
                        && let Some(key) = &about.key
                    {
                        saw(&about.table, key, answer.get("Item"));
                    }
                }
            }
            _ => {}
        }
        reads
    }
}

fn listed<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

fn table_of(parameters: &Value) -> String {
    parameters["TableName"].as_str().unwrap_or_default().to_owned()
}

/// The part of a table that is answered like this, or a new one.
fn part<'a>(parts: &'a mut Vec<Part>, table: &str, outcome: Outcome) -> &'a mut Part {
    let found = parts
        .iter()
        .position(|part| part.table == table && part.outcome == outcome);
    let index = found.unwrap_or_else(|| {
        parts.push(Part {
            table: table.to_owned(),
            outcome,
            reads: Vec::new(),
            writes: Vec::new(),
        });
        parts.len() - 1
    });
    &mut parts[index]
}

fn alone(parts: &mut Vec<Part>, table: String, outcome: Outcome, write: Write) {
    parts.push(Part {
        table,
        outcome,
        reads: Vec::new(),
        writes: vec![write],
    });
}

pub(crate) fn outcome(error: &CallError) -> Outcome {
    match error {
        CallError::Refused { kind, .. } => Outcome::Refused(kind.clone()),
        CallError::Unreachable(_) => Outcome::Unreachable,
        CallError::Unknown(_) => Outcome::Unknown,
    }
}

fn members(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

fn name_mark(parameters: &mut Value) {
    let names = &mut parameters["ExpressionAttributeNames"];
    if names.is_null() {
        *names = Value::Object(Map::new());
    }
    names[NAME] = json!(MARK);
}

/// The mark makes it another request than the one with this token.
fn drop_token(parameters: &mut Value) {
    parameters
        .as_object_mut()
        .map(|parameters| parameters.remove("ClientRequestToken"));
}

/// Where a read says which attributes it wants, the mark is one of them. An index need not have it.
fn show_mark(read: &mut Value) {
    if read.get("IndexName").is_some_and(|index| !index.is_null()) {
        return;
    }
    if let Some(projection) = read.get("ProjectionExpression").and_then(Value::as_str) {
        read["ProjectionExpression"] = json!(format!("{projection}, {NAME}"));
        name_mark(read);
    }
}

/// An update expression that sets the mark too. `SET` is a reserved word: where it stands alone, it is the clause.
fn with_mark_set(expression: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || "_#:.".contains(c);
    let mut start = None;
    for (index, c) in expression.char_indices().chain([(expression.len(), ' ')]) {
        match (start, is_word(c)) {
            (None, true) => start = Some(index),
            (Some(begun), false) => {
                if expression[begun..index].eq_ignore_ascii_case("set") {
                    let (before, after) = expression.split_at(index);
                    return format!("{before} {NAME} = {VALUE},{after}");
                }
                start = None;
            }
            _ => {}
        }
    }
    format!("SET {NAME} = {VALUE} {expression}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use beringia_item::{KeyPart, KeyType};

    use super::*;

    fn keys() -> Keys {
        let id = KeyPart {
            name: "id".to_owned(),
            kind: KeyType::S,
        };
        let schema = KeySchema {
            partition: vec![id],
            sort: Vec::new(),
        };
        Keys(BTreeMap::from([("carts".to_owned(), schema)]))
    }

    fn told(operation: &str, parameters: &Value, answer: Value) -> Vec<(String, String, Outcome)> {
        let keys = keys();
        let mut marks = 0;
        let prepared = Prepared::new(operation, parameters, &keys, || {
            marks += 1;
            format!("m{marks}")
        });
        let parts = prepared.understand(Ok(answer)).into_iter();
        let writes = parts.flat_map(|part| part.writes.into_iter().map(move |write| (write, part.outcome.clone())));
        writes
            .map(|(write, outcome)| (write.key, write.mark, outcome))
            .collect()
    }

    #[test]
    fn statements_write_what_they_say_and_a_batch_tells_of_each() {
        let ok = |key: &str, mark: &str| (key.to_owned(), mark.to_owned(), Outcome::Ok);
        let update =
            json!({ "Statement": "UPDATE carts SET n = ? WHERE id = ?", "Parameters": [{ "N": "1" }, { "S": "7" }] });
        assert_eq!(
            told("ExecuteStatement", &update, json!({ "Items": [] })),
            [ok("7", "m1")]
        );
        let delete = json!({ "Statement": "DELETE FROM carts WHERE id = '7'" });
        assert_eq!(told("ExecuteStatement", &delete, json!({ "Items": [] })), []);
        let old = json!({ "Items": [{ "id": { "S": "7" } }] });
        assert_eq!(told("ExecuteStatement", &delete, old), [ok("7", "m1")]);

        let insert = json!({ "Statement": "INSERT INTO \"carts\" VALUE {'id': '8'}" });
        let select = json!({ "Statement": "SELECT * FROM carts WHERE id = '8'" });
        let batch = json!({ "Statements": [update, insert, delete] });
        let answers = json!({ "Responses": [{}, { "Error": { "Code": "DuplicateItem" } }, {}] });
        let refused = Outcome::Refused("DuplicateItemException".to_owned());
        assert_eq!(
            told("BatchExecuteStatement", &batch, answers),
            [
                ok("7", "m1"),
                ("8".to_owned(), "m2".to_owned(), refused),
                ("7".to_owned(), "m3".to_owned(), Outcome::Untold)
            ]
        );
        let transaction = json!({ "TransactStatements": [update, insert], "ClientRequestToken": "t" });
        let arn = json!({ "Statement": "UPDATE \"arn:aws:dynamodb:a:0:table/carts\" REMOVE n WHERE id = '9'" });
        assert_eq!(
            told("ExecuteTransaction", &transaction, json!({})),
            [ok("7", "m1"), ok("8", "m2")]
        );
        assert_eq!(told("ExecuteStatement", &arn, json!({})), [ok("9", "m1")]);

        let reads = |operation: &str, parameters: &Value, answer: Value| {
            let keys = keys();
            let parts = Prepared::new(operation, parameters, &keys, String::new).understand(Ok(answer));
            let reads = parts.into_iter().flat_map(|part| part.reads);
            reads.map(|seen| (seen.key, seen.mark)).collect::<Vec<_>>()
        };
        let item = json!({ "id": { "S": "8" }, MARK: { "S": "a/1/1" } });
        let seen = [("8".to_owned(), Some("a/1/1".to_owned()))];
        assert_eq!(reads("ExecuteStatement", &select, json!({ "Items": [item] })), seen);
        let all = json!({ "TransactStatements": [select, select] });
        let answers = json!({ "Responses": [{ "Item": item }, {}] });
        assert_eq!(
            reads("ExecuteTransaction", &all, answers),
            [seen[0].clone(), ("8".to_owned(), None)]
        );
    }

    #[test]
    fn an_update_sets_the_mark_wherever_its_set_clause_stands() {
        assert_eq!(with_mark_set("SET a = :a"), "SET #beringiaMark = :beringiaMark, a = :a");
        assert_eq!(
            with_mark_set("REMOVE b.set set a = a + :a"),
            "REMOVE b.set set #beringiaMark = :beringiaMark, a = a + :a"
        );
        assert_eq!(
            with_mark_set("ADD offset :a"),
            "SET #beringiaMark = :beringiaMark ADD offset :a"
        );
        assert_eq!(with_mark_set(""), "SET #beringiaMark = :beringiaMark");
    }

    #[test]
    fn an_update_in_the_older_form_sets_the_mark_in_that_form() {
        let put = |value: &str| json!({ "Action": "PUT", "Value": { "S": value } });
        let prepared = |older: Value| {
            let mut parameters = json!({ "TableName": "carts", "Key": { "id": { "S": "1" } } });
            parameters
                .as_object_mut()
                .unwrap()
                .extend(older.as_object().unwrap().clone());
            let keys = keys();
            let prepared = Prepared::new("UpdateItem", &parameters, &keys, || "m1".to_owned());
            assert_eq!(prepared.writes[0].write.mark, "m1");
            prepared.parameters
        };
        let updated = prepared(json!({ "AttributeUpdates": { "a": put("x") } }));
        assert_eq!(updated["AttributeUpdates"], json!({ "a": put("x"), MARK: put("m1") }));
        let expected = json!({ "a": { "Exists": false } });
        let conditional = prepared(json!({ "Expected": expected }));
        assert_eq!(conditional["AttributeUpdates"], json!({ MARK: put("m1") }));
        assert_eq!(conditional["Expected"], expected);
        for parameters in [updated, conditional] {
            let names: Vec<_> = parameters.as_object().unwrap().keys().collect();
            assert!(!names.iter().any(|name| name.contains("Expression")), "{names:?}");
        }
    }

    #[test]
    fn what_a_batch_did_not_get_to_did_not_happen() {
        let requests = json!([
            { "PutRequest": { "Item": { "id": { "S": "1" } } } },
            { "PutRequest": { "Item": { "id": { "S": "2" } } } },
            { "DeleteRequest": { "Key": { "id": { "S": "3" } } } },
        ]);
        let (keys, parameters) = (keys(), json!({ "RequestItems": { "carts": requests } }));
        let mut marks = 0;
        let prepared = Prepared::new("BatchWriteItem", &parameters, &keys, || {
            marks += 1;
            format!("m{marks}")
        });
        let unprocessed = prepared.parameters["RequestItems"]["carts"][1].clone();
        let parts = prepared.understand(Ok(json!({ "UnprocessedItems": { "carts": [unprocessed] } })));
        let told: Vec<_> = parts
            .iter()
            .map(|part| (part.writes[0].mark.as_str(), &part.outcome))
            .collect();
        let not_processed = Outcome::Refused("(unprocessed)".to_owned());
        assert_eq!(
            told,
            [("m1", &Outcome::Ok), ("m2", &not_processed), ("m3", &Outcome::Untold)]
        );
    }
}
