//! The parts of a recording that a player needs: which operations went to which region, and which
//! tables they need.

use std::sync::Arc;

use beringia_item::{KeyPart, KeySchema, KeyType};
use beringia_scenario::{Recorded, RecordedTable, Recording};
use serde::Deserialize as _;
use serde_json::Value;

use crate::{WorkloadTable, replay::Keys, table::take_limits};

/// The operations that were sent to a region.
pub(crate) fn of_region(recording: &Recording, region: &str) -> Vec<Arc<Recorded>> {
    let to_it = recording.operations.iter().filter(|recorded| recorded.region == region);
    to_it.cloned().collect()
}

/// The key of each table, by its name.
pub(crate) fn keys(recording: &Recording) -> Keys {
    let tables = recording.tables.iter();
    let named = tables.filter_map(|table| Some((describe(table)?.name, key_schema(table)?)));
    Keys(named.collect())
}

/// The key of a table; `None` if it has none, or if the type of an attribute is missing.
fn key_schema(recorded: &RecordedTable) -> Option<KeySchema> {
    let part = |schema: &Value| {
        let name = schema["AttributeName"].as_str()?;
        let definitions = recorded.table["AttributeDefinitions"].as_array()?.iter();
        let mut named = definitions.filter(|definition| definition["AttributeName"] == name);
        let kind = KeyType::deserialize(&named.next()?["AttributeType"]).ok()?;
        Some(KeyPart {
            name: name.to_owned(),
            kind,
        })
    };
    let parts = |kind: &str| -> Option<Vec<KeyPart>> {
        let schema = recorded.table["KeySchema"].as_array()?.iter();
        schema.filter(|part| part["KeyType"] == kind).map(part).collect()
    };
    Some(KeySchema {
        partition: parts("HASH")?,
        sort: parts("RANGE")?,
    })
}

/// The table to create; `None` if it has no name or no key.
pub(crate) fn describe(recorded: &RecordedTable) -> Option<WorkloadTable> {
    let mut create = recorded.table.clone();
    let limits = take_limits(&mut create);
    Some(WorkloadTable {
        name: recorded.name()?.to_owned(),
        limits,
        key: recorded.key()?.into_iter().map(str::to_owned).collect(),
        create,
        time_to_live: recorded.time_to_live.clone(),
    })
}
