//! Aspects as items: the format of rows of the catalog and of the local table.

use std::sync::LazyLock;

use beringia_item::{AttributeValue, Item, KeyBytes, KeyPart, KeySchema, KeyType, Region, TableId};
use beringia_storage::{Aspect, AspectName, StoreError};
use bytes::Bytes;

const TABLE: &str = "t";
const ASPECT: &str = "a";
const VALUE: &str = "v";

/// The key of both definition tables: the table's id, then the aspect's name.
pub(crate) static KEYS: LazyLock<KeySchema> = LazyLock::new(|| KeySchema {
    partition: vec![KeyPart {
        name: TABLE.to_owned(),
        kind: KeyType::B,
    }],
    sort: vec![KeyPart {
        name: ASPECT.to_owned(),
        kind: KeyType::S,
    }],
});

fn name_text(name: &AspectName) -> String {
    match name {
        AspectName::Core => "core".to_owned(),
        AspectName::Throughput => "throughput".to_owned(),
        AspectName::Billing => "billing".to_owned(),
        AspectName::Stream => "stream".to_owned(),
        AspectName::TimeToLive => "ttl".to_owned(),
        AspectName::Encryption => "encryption".to_owned(),
        AspectName::GlobalIndex(index) => format!("index/{index}"),
        AspectName::ConflictPolicy => "conflict-policy".to_owned(),
        AspectName::Replica(region) => format!("replica/{region}"),
        AspectName::Dropped(region) => format!("dropped/{region}"),
        AspectName::Local => "local".to_owned(),
    }
}

fn parse_name(text: &str) -> Option<AspectName> {
    Some(match text.split_once('/') {
        Some(("index", index)) => AspectName::GlobalIndex(index.to_owned()),
        Some(("replica", region)) => AspectName::Replica(Region::new(region).ok()?),
        Some(("dropped", region)) => AspectName::Dropped(Region::new(region).ok()?),
        Some(_) => return None,
        None => match text {
            "core" => AspectName::Core,
            "throughput" => AspectName::Throughput,
            "billing" => AspectName::Billing,
            "stream" => AspectName::Stream,
            "ttl" => AspectName::TimeToLive,
            "encryption" => AspectName::Encryption,
            "conflict-policy" => AspectName::ConflictPolicy,
            "local" => AspectName::Local,
            _ => return None,
        },
    })
}

fn key_item(table: TableId, name: &AspectName) -> Item {
    let id = Bytes::copy_from_slice(&table.0.to_be_bytes());
    Item::from([
        (TABLE.to_owned(), AttributeValue::B(id)),
        (ASPECT.to_owned(), AttributeValue::S(name_text(name))),
    ])
}

/// The stored key of an aspect.
pub(crate) fn key(table: TableId, name: &AspectName) -> Result<KeyBytes, StoreError> {
    KEYS.key_of(&key_item(table, name))
        .map_err(|error| StoreError::Definition(error.to_string()))
}

/// The item that contains an aspect.
pub(crate) fn to_item(table: TableId, aspect: &Aspect) -> Result<Item, StoreError> {
    let value = serde_json::to_string(aspect).map_err(|error| StoreError::Definition(error.to_string()))?;
    let mut item = key_item(table, &aspect.name());
    item.insert(VALUE.to_owned(), AttributeValue::S(value));
    Ok(item)
}

/// The table and aspect that a stored key names; `None` for an aspect that this version of the
/// software does not know.
pub(crate) fn parse_key(key: &KeyBytes) -> Option<(TableId, AspectName)> {
    let attributes = KEYS.attributes_of(key)?;
    let (Some(AttributeValue::B(id)), Some(AttributeValue::S(name))) = (attributes.get(TABLE), attributes.get(ASPECT))
    else {
        return None;
    };
    Some((
        TableId(u128::from_be_bytes(id.as_ref().try_into().ok()?)),
        parse_name(name)?,
    ))
}

/// The aspect in an item; `None` for one that this version of the software does not know.
pub(crate) fn from_item(item: &Item) -> Option<Aspect> {
    let Some(AttributeValue::S(value)) = item.get(VALUE) else {
        return None;
    };
    serde_json::from_str(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use beringia_storage::{Replica, ReplicaStatus};

    #[test]
    fn aspect_is_read_back_from_item_and_key() {
        let region = Region::new("eu-west-1").unwrap();
        let replica = Replica {
            status: ReplicaStatus::Creating { from: region.clone() },
            since_ms: 7,
        };
        let aspect = Aspect::Replica {
            region: region.clone(),
            replica,
        };
        let table = TableId(99);
        let item = to_item(table, &aspect).unwrap();
        assert_eq!(from_item(&item), Some(aspect));
        let key = KEYS.key_of(&item).unwrap();
        assert_eq!(parse_key(&key), Some((table, AspectName::Replica(region))));
    }

    #[test]
    fn every_aspect_name_is_read_back() {
        let names = [
            AspectName::Core,
            AspectName::Throughput,
            AspectName::Billing,
            AspectName::Stream,
            AspectName::TimeToLive,
            AspectName::Encryption,
            AspectName::GlobalIndex("by/date".to_owned()),
            AspectName::ConflictPolicy,
            AspectName::Replica(Region::new("a").unwrap()),
            AspectName::Dropped(Region::new("a").unwrap()),
            AspectName::Local,
        ];
        for name in names {
            assert_eq!(parse_name(&name_text(&name)), Some(name));
        }
        assert_eq!(parse_name("backup"), None);
    }
}
