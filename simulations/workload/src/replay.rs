//! Replays recorded operations: each write gets a marker, and each answer is searched for the
//! markers of others.

mod answer;
pub(crate) mod effect;
mod marker;
mod prepare;
mod statement;

use std::collections::BTreeMap;

use beringia_history::{Write, key_text_of_json};
use beringia_item::KeySchema;
use serde_json::Value;

pub(crate) use self::answer::{Part, outcome};

/// The keys of recorded tables, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys(pub(crate) BTreeMap<String, KeySchema>);

impl Keys {
    /// The key of the table with that name or ARN.
    fn of(&self, table: &str) -> Option<&KeySchema> {
        self.0.get(name_of(table))
    }

    /// A key in the form of histories.
    fn text(&self, table: &str, attributes: &Value) -> Option<String> {
        let schema = self.of(table)?;
        let parts = schema.partition.iter().chain(&schema.sort);
        key_text_of_json(parts.map(|part| part.name.as_str()), attributes)
    }
}

/// Returns a table's name, given its name or ARN.
fn name_of(table: &str) -> &str {
    table.split_once(":table/").map_or(table, |(_, name)| name)
}

/// A recorded operation with markers, ready to be sent.
pub(crate) struct Prepared<'a> {
    keys: &'a Keys,
    operation: &'a str,
    pub(crate) parameters: Value,
    /// The part of the operation that is being prepared.
    place: usize,
    writes: Vec<MarkedWrite>,
}

/// A write of a recorded operation.
struct MarkedWrite {
    /// The part of the operation that the write is, from 0.
    place: usize,
    table: String,
    write: Write,
}

fn table_of(parameters: &Value) -> String {
    parameters["TableName"].as_str().unwrap_or_default().to_owned()
}

fn listed<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use beringia_item::{KeyPart, KeyType};

    use super::*;

    /// The key of one table, `carts`, whose items are identified by `id`.
    pub(super) fn keys() -> Keys {
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
}
