//! The table of every world, its keys, and the definitions that create it.

use std::collections::BTreeMap;

use beringia_item::{AttributeValue, ConflictPolicy, Item, KeyBytes, KeyPart, KeySchema, KeyType, Region, TableId};
use beringia_storage::{
    Aspect, Catalog, Core, Edit, Replica, ReplicaStatus, SchemaChange, StoreError, backend::KeyRange,
};

use crate::bounds::REGIONS;

/// The id of the table.
pub(crate) const TABLE: TableId = TableId(0x1234_5678);
/// The wall time at the start, in ms since the Unix epoch. The planted bugs strike at sequences
/// that are multiples of 7 or 31. With this time the first write of a region has such a sequence.
pub(crate) const START_MS: u64 = first_start_after(1_700_000_000_000);

/// The first time from `ms` on at which 2^20 times the time is 6 modulo 7 and 30 modulo 31.
const fn first_start_after(mut ms: u64) -> u64 {
    while (ms << 20) % 7 != 6 || (ms << 20) % 31 != 30 {
        ms += 1;
    }
    ms
}

fn keys() -> KeySchema {
    KeySchema {
        partition: vec![KeyPart {
            name: "id".to_owned(),
            kind: KeyType::S,
        }],
        sort: vec![],
    }
}

/// The attributes of a key.
pub(crate) fn key_item(key: u8) -> Item {
    Item::from([("id".to_owned(), AttributeValue::S(format!("k{key}")))])
}

/// A key as rows store it.
pub(crate) fn key_bytes(key: u8) -> Result<KeyBytes, StoreError> {
    keys()
        .key_of(&key_item(key))
        .map_err(|error| StoreError::damaged(&error.to_string()))
}

/// All keys of a keyspace.
pub(crate) const fn everything() -> KeyRange {
    KeyRange {
        from: Vec::new(),
        to: None,
        reverse: false,
    }
}

/// A change of definitions that is decided once.
pub(crate) struct Edits(pub(crate) Vec<Edit>);

impl SchemaChange for Edits {
    fn decide(&mut self, _: &Catalog) -> Result<Vec<Edit>, beringia_storage::SchemaRefusal> {
        Ok(self.0.clone())
    }
}

/// The definition of the table, with an active replica in every region.
pub(crate) fn definition(regions: &[Region], policy: ConflictPolicy) -> Vec<Edit> {
    let core = Core {
        name: "things".to_owned(),
        keys: keys(),
        local_indexes: BTreeMap::new(),
        created_ms: START_MS,
    };
    let mut edits = vec![Edit::Set {
        table: TABLE,
        aspect: Aspect::Core(core),
    }];
    if policy != ConflictPolicy::Item {
        edits.push(Edit::Set {
            table: TABLE,
            aspect: Aspect::ConflictPolicy(Some(policy)),
        });
    }
    edits.extend(regions.iter().map(|region| replica(region, ReplicaStatus::Active)));
    edits
}

/// The edit that sets the status of a region's replica.
fn replica(region: &Region, status: ReplicaStatus) -> Edit {
    let since_ms = START_MS;
    Edit::Set {
        table: TABLE,
        aspect: Aspect::Replica {
            region: region.clone(),
            replica: Replica { status, since_ms },
        },
    }
}

/// The regions, by their places.
pub(crate) fn regions() -> Result<Vec<Region>, StoreError> {
    let region = |name: &&str| Region::new(name).map_err(|error| StoreError::damaged(&error.to_string()));
    REGIONS.iter().map(region).collect()
}
