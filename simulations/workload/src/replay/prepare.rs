//! Prepares recorded operations: every write gets a marker, and every read asks for markers.

use beringia_history::{Basis, Effect, MARKER, Write};
use serde_json::{Map, Value, json};

use super::{Keys, MarkedWrite, Prepared, effect, marker, name_of, statement, table_of};
use crate::request::bytes;

impl<'a> Prepared<'a> {
    /// Gives every write a marker, and requests what the oracle needs: markers, and what deletes
    /// removed. The projections of statements stay as they are, because continuation tokens belong
    /// to the statement's text.
    pub(crate) fn new(
        operation: &'a str,
        parameters: &Value,
        keys: &'a Keys,
        mut next_marker: impl FnMut() -> String,
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
            "GetItem" | "Query" | "Scan" => marker::show(&mut parameters),
            "TransactGetItems" => {
                members(&mut parameters["TransactItems"]).for_each(|get| marker::show(&mut get["Get"]));
            }
            "BatchGetItem" => {
                let requests = parameters["RequestItems"].as_object_mut().into_iter().flatten();
                requests.for_each(|(_, request)| marker::show(request));
            }
            _ => prepared.set_markers(&mut parameters, &mut next_marker),
        }
        let bytes = bytes(&parameters, prepared.writes.len());
        prepared.writes.iter_mut().for_each(|marked| marked.write.bytes = bytes);
        prepared.parameters = parameters;
        prepared
    }

    /// Gives every write of the operation a marker; does nothing for other operations.
    fn set_markers(&mut self, parameters: &mut Value, next_marker: &mut impl FnMut() -> String) {
        match self.operation {
            "PutItem" => self.set_put_marker(parameters, next_marker()),
            "UpdateItem" => self.set_update_marker(parameters, next_marker()),
            "DeleteItem" => {
                parameters["ReturnValues"] = json!("ALL_OLD");
                self.set_delete_marker(parameters, next_marker());
            }
            "TransactWriteItems" => {
                drop_token(parameters);
                for action in members(&mut parameters["TransactItems"]) {
                    for (kind, action) in action.as_object_mut().into_iter().flatten() {
                        match kind.as_str() {
                            "Put" => self.set_put_marker(action, next_marker()),
                            "Update" => self.set_update_marker(action, next_marker()),
                            "Delete" => self.set_delete_marker(action, next_marker()),
                            _ => {}
                        }
                    }
                }
            }
            "BatchWriteItem" => {
                for (table, requests) in parameters["RequestItems"].as_object_mut().into_iter().flatten() {
                    for request in members(requests) {
                        self.set_marker(table, request, next_marker());
                    }
                }
            }
            "ExecuteStatement" => {
                statement::ask_for_old_image(parameters);
                self.set_statement_marker(parameters, next_marker());
            }
            "BatchExecuteStatement" => {
                for (place, one) in members(&mut parameters["Statements"]).enumerate() {
                    self.place = place;
                    self.set_statement_marker(one, next_marker());
                }
            }
            "ExecuteTransaction" => {
                drop_token(parameters);
                members(&mut parameters["TransactStatements"])
                    .for_each(|one| self.set_statement_marker(one, next_marker()));
            }
            _ => {}
        }
    }

    fn set_put_marker(&mut self, put: &mut Value, marker: String) {
        let table = table_of(put);
        self.note_put(&table, put, marker);
    }

    fn note_put(&mut self, table: &str, put: &mut Value, marker: String) {
        let effect = effect::of_item(put["Item"].as_object().into_iter().flat_map(Map::keys));
        put["Item"][MARKER] = json!({ "S": marker });
        self.note(table, &put["Item"], marker, effect);
    }

    fn set_update_marker(&mut self, update: &mut Value, marker: String) {
        let effect = effect::of_request(update);
        marker::set_by_update(update, &marker);
        let table = table_of(update);
        self.note(&table, &update["Key"], marker, effect);
    }

    fn set_delete_marker(&mut self, delete: &Value, marker: String) {
        self.note(&table_of(delete), &delete["Key"], marker, Effect::Delete);
    }

    fn set_marker(&mut self, table: &str, request: &mut Value, marker: String) {
        if let Some(put) = request.get_mut("PutRequest") {
            self.note_put(table, put, marker);
        } else {
            self.note(table, &request["DeleteRequest"]["Key"].clone(), marker, Effect::Delete);
        }
    }

    fn set_statement_marker(&mut self, request: &mut Value, marker: String) {
        let Some(about) = statement::about(request, self.keys) else {
            return;
        };
        if let (Some(key), Some(effect)) = (about.key, about.effect) {
            statement::set_marker(request, &marker);
            self.note(&about.table, &key, marker, effect);
        }
    }

    fn note(&mut self, table: &str, attributes: &Value, marker: String, effect: Effect) {
        if let Some(key) = self.keys.text(table, attributes) {
            self.writes.push(MarkedWrite {
                place: self.place,
                table: name_of(table).to_owned(),
                write: Write {
                    key,
                    marker,
                    effect,
                    based_on: Basis::Recorded,
                    expires_s: None,
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
            assert_eq!(prepared.writes[0].write.marker, "m1");
            prepared.parameters
        };
        let updated = prepared(json!({ "AttributeUpdates": { "a": put("x") } }));
        assert_eq!(updated["AttributeUpdates"], json!({ "a": put("x"), MARKER: put("m1") }));
        let expected = json!({ "a": { "Exists": false } });
        let conditional = prepared(json!({ "Expected": expected }));
        assert_eq!(conditional["AttributeUpdates"], json!({ MARKER: put("m1") }));
        assert_eq!(conditional["Expected"], expected);
        for parameters in [updated, conditional] {
            let names: Vec<_> = parameters.as_object().unwrap().keys().collect();
            assert!(!names.iter().any(|name| name.contains("Expression")), "{names:?}");
        }
    }
}
