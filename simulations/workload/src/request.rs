//! Requests of workloads: each write as parameters of the API and as an entry of a history.

use std::io;

use beringia_history::{Basis, EXPIRES, Effect, KEY, LIST, MARKER, NUMBER, SET, Seen, Write, image_hash};
use beringia_item::{AttributeValue, item_from_json};
use serde_json::{Map, Value, json};

use crate::{
    CallError,
    table::{Spot, marked},
};

/// An update of one key, with its effect and condition.
pub(crate) struct Update {
    pub(crate) spot: Spot,
    pub(crate) marker: String,
    pub(crate) effect: Effect,
    pub(crate) condition: Condition,
    /// The filler of a field, after the marker.
    pub(crate) filler: String,
    /// When the item expires, in seconds since the Unix epoch, if it does.
    pub(crate) expires_s: Option<u64>,
}

/// The condition of a write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    Always,
    Exists,
    /// The item is as it was read: it has this marker, or there is none.
    Unchanged(Option<String>),
    /// The item's number is at least this.
    AtLeast(i64),
}

impl Update {
    /// The parameters of `UpdateItem`, or of an `Update` in a transaction.
    pub(crate) fn parameters(&self, table: &str) -> Value {
        let mut names = Map::from_iter([("#mark".to_owned(), json!(MARKER))]);
        let mut values = Map::from_iter([(":mark".to_owned(), json!({ "S": self.marker }))]);
        let mut sets = vec!["#mark = :mark".to_owned()];
        let mut rest = String::new();
        match &self.effect {
            Effect::Update { fields } => {
                for field in fields {
                    names.insert(format!("#{field}"), json!(field));
                    values.insert(format!(":{field}"), json!({ "S": marked(&self.marker, &self.filler) }));
                    sets.push(format!("#{field} = :{field}"));
                }
            }
            Effect::Add(by) => {
                names.insert("#number".to_owned(), json!(NUMBER));
                values.insert(":by".to_owned(), json!({ "N": by.to_string() }));
                rest = " ADD #number :by".to_owned();
            }
            Effect::Set { add, delete } => {
                names.insert("#set".to_owned(), json!(SET));
                for (elements, verb, value) in [(add, "ADD", ":add"), (delete, "DELETE", ":delete")] {
                    if !elements.is_empty() {
                        values.insert(value.to_owned(), json!({ "SS": elements }));
                        rest.push_str(&format!(" {verb} #set {value}"));
                    }
                }
            }
            Effect::Append => {
                names.insert("#list".to_owned(), json!(LIST));
                values.insert(":none".to_owned(), json!({ "L": [] }));
                values.insert(":one".to_owned(), json!({ "L": [{ "S": self.marker }] }));
                sets.push("#list = list_append(if_not_exists(#list, :none), :one)".to_owned());
            }
            Effect::Put { .. } | Effect::Delete | Effect::Recorded { .. } => {}
        }
        if let Some(expires_s) = self.expires_s {
            names.insert("#until".to_owned(), json!(EXPIRES));
            values.insert(":until".to_owned(), json!({ "N": expires_s.to_string() }));
            sets.push("#until = :until".to_owned());
        }
        let condition = match &self.condition {
            Condition::Always => None,
            Condition::Exists => Some("attribute_exists(#key)"),
            Condition::Unchanged(None) => Some("attribute_not_exists(#key)"),
            Condition::Unchanged(Some(seen)) => {
                values.insert(":seen".to_owned(), json!({ "S": seen }));
                Some("#mark = :seen")
            }
            Condition::AtLeast(least) => {
                names.insert("#number".to_owned(), json!(NUMBER));
                values.insert(":least".to_owned(), json!({ "N": least.to_string() }));
                Some("#number >= :least")
            }
        };
        let mut parameters = json!({
            "TableName": table,
            "Key": self.spot.attributes,
            "UpdateExpression": format!("SET {}{rest}", sets.join(", ")),
        });
        if let Some(condition) = condition {
            if condition.contains("#key") {
                names.insert("#key".to_owned(), json!(KEY));
            }
            parameters["ConditionExpression"] = json!(condition);
        }
        parameters["ExpressionAttributeNames"] = Value::Object(names);
        parameters["ExpressionAttributeValues"] = Value::Object(values);
        parameters
    }

    /// The write as an entry of a history.
    pub(crate) fn write(&self, bytes: u32) -> Write {
        Write {
            key: self.spot.text.clone(),
            marker: self.marker.clone(),
            effect: self.effect.clone(),
            based_on: match &self.condition {
                Condition::Always => Basis::Anything,
                Condition::Exists => Basis::Item,
                Condition::Unchanged(seen) => Basis::unchanged(seen.clone()),
                Condition::AtLeast(least) => Basis::AtLeast(*least),
            },
            expires_s: self.expires_s,
            bytes,
        }
    }
}

/// The parameters of a `ConditionCheck` that an item is as it was read: it has this marker, or
/// there is none.
pub(crate) fn unchanged(table: &str, spot: &Spot, marker: Option<String>) -> Value {
    let mut check = json!({ "TableName": table, "Key": spot.attributes });
    if let Some(marker) = marker {
        check["ConditionExpression"] = json!("#mark = :seen");
        check["ExpressionAttributeNames"] = json!({ "#mark": MARKER });
        check["ExpressionAttributeValues"] = json!({ ":seen": { "S": marker } });
    } else {
        check["ConditionExpression"] = json!("attribute_not_exists(#key)");
        check["ExpressionAttributeNames"] = json!({ "#key": KEY });
    }
    check
}

/// The item under a key according to an answer that shows whole items; `Null` if there is none.
pub(crate) fn seen(key: String, item: Value, is_consistent: bool) -> Seen {
    let is_there = !item.is_null();
    let item = item_from_json(item).ok();
    let text = |value: &AttributeValue| match value {
        AttributeValue::S(text) => Some(text.clone()),
        _ => None,
    };
    let attribute = |name: &str| item.as_ref()?.get(name);
    Seen {
        key,
        // An item without a marker is still an item.
        marker: is_there.then(|| attribute(MARKER).and_then(text).unwrap_or_default()),
        number: match attribute(NUMBER) {
            Some(AttributeValue::N(number)) => number.to_i64(),
            _ => None,
        },
        list: match attribute(LIST) {
            Some(AttributeValue::L(elements)) => Some(elements.iter().filter_map(text).collect()),
            _ => None,
        },
        image_hash: item.as_ref().map(image_hash),
        is_consistent,
    }
}

/// The codes of the reasons for which a transaction was cancelled; empty for other errors.
pub(crate) fn cancellations(error: &CallError) -> Vec<String> {
    let CallError::Refused { body, .. } = error else {
        return Vec::new();
    };
    let reasons = body["CancellationReasons"].as_array().into_iter().flatten();
    let code = |reason: &Value| reason["Code"].as_str().unwrap_or_default().to_owned();
    reasons.map(code).collect()
}

/// The size of a request as histories count it, divided by the number of its writes.
pub(crate) fn bytes(parameters: &Value, writes: usize) -> u32 {
    let mut count = Count(0);
    // A value that was made here can always be serialised, and the counter accepts everything.
    let _ = serde_json::to_writer(&mut count, parameters);
    u32::try_from(count.0 / writes.max(1)).unwrap_or(u32::MAX)
}

/// Counts bytes instead of storing them.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
