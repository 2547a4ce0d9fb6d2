//! Prepares recorded operations: every write gets a marker, and every read asks for markers.

use beringia_history::{Basis, Effect, MARK, Write};
use serde_json::{Map, Value, json};

use super::{Keys, Marked, Prepared, effect, mark, name_of, statement, table_of};
use crate::request::bytes;

impl<'a> Prepared<'a> {
    /// Gives every write a marker, and requests what the oracle needs: markers, and what deletes
    /// removed. The projections of statements stay as they are, because continuation tokens belong
    /// to the statement's text.
    pub(crate) fn new(
        operation: &'a str,
        parameters: &Value,
        keys: &'a Keys,
        mut next_mark: impl FnMut() -> String,
    ) -> Self {
        let mut prepared = Self {
            keys,
            operation,
            parameters: Value::Null,
            place: 0,
            writes: Vec::new(),
        };
        let mut parameters = parameters.clone();
        match operation {
            "GetItem" | "Query" | "Scan" => mark::show(&mut parameters),
            "TransactGetItems" => members(&mut parameters["TransactItems"]).for_each(|get| mark::show(&mut get["Get"])),
            "BatchGetItem" => {
                let requests = parameters["RequestItems"].as_object_mut().into_iter().flatten();
                requests.for_each(|(_, request)| mark::show(request));
            }
            _ => prepared.mark_writes(&mut parameters, &mut next_mark),
        }
        let bytes = bytes(&parameters, prepared.writes.len());
        prepared.writes.iter_mut().for_each(|marked| marked.write.bytes = bytes);
        prepared.parameters = parameters;
        prepared
    }

    /// Gives every write of the operation a marker; does nothing for other operations.
    fn mark_writes(&mut self, parameters: &mut Value, next_mark: &mut impl FnMut() -> String) {
        match self.operation {
            "PutItem" => self.mark_put(parameters, next_mark()),
            "UpdateItem" => self.mark_update(parameters, next_mark()),
            "DeleteItem" => {
                parameters["ReturnValues"] = json!("ALL_OLD");
                self.mark_delete(parameters, next_mark());
            }
            "TransactWriteItems" => {
                drop_token(parameters);
                for action in members(&mut parameters["TransactItems"]) {
                    for (kind, action) in action.as_object_mut().into_iter().flatten() {
                        match kind.as_str() {
                            "Put" => self.mark_put(action, next_mark()),
                            "Update" => self.mark_update(action, next_mark()),
                            "Delete" => self.mark_delete(action, next_mark()),
                            _ => {}
                        }
                    }
                }
            }
            "BatchWriteItem" => {
                for (table, requests) in parameters["RequestItems"].as_object_mut().into_iter().flatten() {
                    for request in members(requests) {
                        self.mark_request(table, request, next_mark());
                    }
                }
            }
            "ExecuteStatement" => {
                statement::tell(parameters);
                self.mark_statement(parameters, next_mark());
            }
            "BatchExecuteStatement" => {
                for (place, one) in members(&mut parameters["Statements"]).enumerate() {
                    self.place = place;
                    self.mark_statement(one, next_mark());
                }
            }
            "ExecuteTransaction" => {
                drop_token(parameters);
                members(&mut parameters["TransactStatements"]).for_each(|one| self.mark_statement(one, next_mark()));
            }
            _ => {}
        }
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
        mark::set_by_update(update, &mark);
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
                    based_on: Basis::Anything,
                    bytes: 0,
                },
            });
        }
    }
}

fn members(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

/// Removes the idempotency token: with the marker, the request differs from the one that had it.
fn drop_token(parameters: &mut Value) {
    parameters
        .as_object_mut()
        .map(|parameters| parameters.remove("ClientRequestToken"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::tests::keys;

    #[test]
    fn updates_in_the_older_form_set_the_marker_in_that_form() {
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
}
