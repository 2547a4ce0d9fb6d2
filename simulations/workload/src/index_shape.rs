//! The indexes of a table, as `DescribeTable` shows them, and what each of them has of an item.

use std::collections::BTreeSet;

use beringia_item::{Item, KeyPart, KeySchema, KeyType};
use serde_json::Value;

/// A table or one of its indexes: its key, and the attributes that it has of items.
#[derive(Debug, Clone)]
pub(crate) struct IndexShape {
    /// The name of the index; `None` for the table itself.
    pub(crate) name: Option<String>,
    pub(crate) keys: KeySchema,
    /// Whether it can be read: a new index cannot until it is ACTIVE.
    pub(crate) is_active: bool,
    /// The attributes that the index copies, keys included; `None` if it copies all of them.
    copies: Option<BTreeSet<String>>,
}

impl IndexShape {
    /// The table and its indexes, but those that are being deleted, from an answer to
    /// `DescribeTable`. `None` if the answer lacks a key.
    pub(crate) fn all(described: &Value) -> Option<Vec<Self>> {
        let table = &described["Table"];
        let keys = key_schema(&table["KeySchema"], &table["AttributeDefinitions"])?;
        let listed = |name: &str| table[name].as_array().into_iter().flatten();
        let global = listed("GlobalSecondaryIndexes").filter(|index| index["IndexStatus"] != "DELETING");
        let indexes = listed("LocalSecondaryIndexes").chain(global);
        let indexes = indexes.map(|index| Self::of(index, &keys, &table["AttributeDefinitions"]));
        let mut shapes = indexes.collect::<Option<Vec<Self>>>()?;
        shapes.insert(
            0,
            Self {
                name: None,
                is_active: true,
                keys,
                copies: None,
            },
        );
        Some(shapes)
    }

    fn of(index: &Value, table: &KeySchema, definitions: &Value) -> Option<Self> {
        let keys = key_schema(&index["KeySchema"], definitions)?;
        let projection = &index["Projection"];
        let included = projection["NonKeyAttributes"].as_array().into_iter().flatten();
        let included = included.filter_map(|name| name.as_str().map(str::to_owned));
        let parts = table.parts().chain(keys.parts()).map(|part| part.name.clone());
        let copies = (projection["ProjectionType"] != "ALL").then(|| parts.chain(included).collect());
        Some(Self {
            name: Some(index["IndexName"].as_str()?.to_owned()),
            is_active: index["IndexStatus"].as_str().is_none_or(|status| status == "ACTIVE"),
            copies,
            keys,
        })
    }

    /// An operation on the table or the index, as text.
    pub(crate) fn name_of(&self, operation: &str) -> String {
        match &self.name {
            None => operation.to_owned(),
            Some(index) => format!("{operation} of {index}"),
        }
    }

    /// The item as a read of the index returns it; `None` if the index has no entry for it.
    pub(crate) fn of_item(&self, item: &Item) -> Option<Item> {
        self.keys.key_of(item).ok()?;
        let Some(copies) = &self.copies else {
            return Some(item.clone());
        };
        let kept = item.iter().filter(|(name, _)| copies.contains(*name));
        Some(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

fn key_schema(elements: &Value, definitions: &Value) -> Option<KeySchema> {
    let kind = |name: &str| {
        let mut definitions = definitions.as_array()?.iter();
        let definition = definitions.find(|definition| definition["AttributeName"] == name)?;
        match definition["AttributeType"].as_str()? {
            "S" => Some(KeyType::S),
            "N" => Some(KeyType::N),
            "B" => Some(KeyType::B),
            _ => None,
        }
    };
    let parts = |role: &str| {
        let elements = elements.as_array()?.iter().filter(|element| element["KeyType"] == role);
        let part = |element: &Value| {
            let name = element["AttributeName"].as_str()?.to_owned();
            Some(KeyPart {
                kind: kind(&name)?,
                name,
            })
        };
        elements.map(part).collect::<Option<Vec<KeyPart>>>()
    };
    Some(KeySchema {
        partition: parts("HASH")?,
        sort: parts("RANGE")?,
    })
}

#[cfg(test)]
mod tests {
    use beringia_item::item_from_json;
    use serde_json::json;

    use super::*;

    fn item(value: Value) -> Item {
        item_from_json(value).expect("an item")
    }

    #[test]
    fn an_index_has_what_it_copies_of_items_with_its_key() {
        let described = json!({ "Table": {
            "AttributeDefinitions": [
                { "AttributeName": "pk", "AttributeType": "S" },
                { "AttributeName": "user", "AttributeType": "N" },
            ],
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": "some", "IndexStatus": "ACTIVE",
                    "KeySchema": [{ "AttributeName": "user", "KeyType": "HASH" }],
                    "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": ["a"] },
                },
                {
                    "IndexName": "new", "IndexStatus": "CREATING",
                    "KeySchema": [{ "AttributeName": "user", "KeyType": "HASH" }],
                    "Projection": { "ProjectionType": "ALL" },
                },
                {
                    "IndexName": "old", "IndexStatus": "DELETING",
                    "KeySchema": [{ "AttributeName": "user", "KeyType": "HASH" }],
                    "Projection": { "ProjectionType": "ALL" },
                },
            ],
        }});
        let shapes = IndexShape::all(&described).expect("shapes");
        let names: Vec<Option<&str>> = shapes.iter().map(|shape| shape.name.as_deref()).collect();
        assert_eq!(names, [None, Some("some"), Some("new")], "one that is deleted is none");
        let can_be_read: Vec<bool> = shapes.iter().map(|shape| shape.is_active).collect();
        assert_eq!(can_be_read, [true, true, false]);
        let whole = item(json!({ "pk": { "S": "k" }, "user": { "N": "7" }, "a": { "S": "x" }, "b": { "S": "y" } }));
        assert_eq!(shapes[0].of_item(&whole), Some(whole.clone()));
        let copied = item(json!({ "pk": { "S": "k" }, "user": { "N": "7" }, "a": { "S": "x" } }));
        assert_eq!(shapes[1].of_item(&whole), Some(copied));
        let without = item(json!({ "pk": { "S": "k" }, "a": { "S": "x" } }));
        assert_eq!(shapes[1].of_item(&without), None);
        let of_other_type = item(json!({ "pk": { "S": "k" }, "user": { "S": "7" } }));
        assert_eq!(shapes[1].of_item(&of_other_type), None);
    }
}
