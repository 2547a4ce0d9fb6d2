//! The requests that add replicas to tables and remove them.

use serde_json::{Value, json};

/// Parameters of `UpdateTable` that add a replica of a table in a region.
#[must_use]
pub fn replica_added(table: &str, region: &str) -> Value {
    json!({ "TableName": table, "ReplicaUpdates": [{ "Create": { "RegionName": region } }] })
}

/// Parameters of `UpdateTable` that remove the replica of a table in a region.
#[must_use]
pub fn replica_removed(table: &str, region: &str) -> Value {
    json!({ "TableName": table, "ReplicaUpdates": [{ "Delete": { "RegionName": region } }] })
}
