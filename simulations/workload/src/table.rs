//! The tables of workloads: their definitions, keys and initial items.

use beringia_history::{EXPIRES, Effect, KEY, MARKER, NUMBER, SORT_KEY};
use beringia_scenario::{TableThroughput, Workload, WorkloadKind};
use serde_json::{Map, Value, json};

/// The number of fields of an item that has fields.
pub(crate) const FIELDS: u32 = 4;
/// The balance of an account when the load begins.
pub(crate) const BALANCE: i64 = 1_000;
/// The most accounts in a branch of a bank. Money moves within a branch, and audits read a whole
/// branch.
pub(crate) const BRANCH: u64 = 20;
/// The stock of a product when the load begins.
pub(crate) const STOCK: i64 = 100;
/// The number of keys in a partition of a table with a sort key.
const PARTITION: u64 = 100;
/// The attribute that the index of sessions is keyed by.
pub(crate) const USER: &str = "user";
/// The index of sessions by user.
pub(crate) const BY_USER: &str = "by-user";

/// A table that a workload needs.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadTable {
    /// The name of the table.
    pub name: String,
    /// The names of its key attributes, partition key first.
    pub key: Vec<String>,
    /// Parameters of `CreateTable`, for its first region; the caller adds replicas.
    pub create: Value,
    /// Parameters of `UpdateTimeToLive`, if items expire.
    pub time_to_live: Option<Value>,
    /// Parameters of `UpdateTable` that set the table's throughput once it is filled. Only for
    /// regions that throttle.
    pub limits: Option<Value>,
}

impl WorkloadTable {
    /// The attribute that says when items expire, if they do.
    #[must_use]
    pub fn expires(&self) -> Option<&str> {
        self.time_to_live.as_ref()?["TimeToLiveSpecification"]["AttributeName"].as_str()
    }

    /// Returns whether a region's answer to `DescribeTable` shows all limits of the table.
    #[must_use]
    pub fn is_held(&self, described: &Value) -> bool {
        let Some(limits) = &self.limits else { return true };
        let shown = &described["Table"];
        let mode = shown["BillingModeSummary"]["BillingMode"]
            .as_str()
            .unwrap_or("PROVISIONED");
        let has_mode = limits["BillingMode"].is_null() || limits["BillingMode"] == mode;
        let listed = |of: &Value, name| of[name].as_array().cloned().unwrap_or_default();
        let indexes = listed(shown, "GlobalSecondaryIndexes");
        let has_index = |update: &Value| {
            let update = &update["Update"];
            let found = indexes.iter().find(|index| index["IndexName"] == update["IndexName"]);
            found.is_some_and(|index| has_units(index, update))
        };
        has_mode && has_units(shown, limits) && listed(limits, "GlobalSecondaryIndexUpdates").iter().all(has_index)
    }

    /// The table of a workload of any kind but recorded operations, which bring their own.
    #[must_use]
    pub fn of(workload: &Workload) -> Self {
        let name = workload.name.clone();
        let mut attributes = vec![json!({ "AttributeName": KEY, "AttributeType": "S" })];
        let mut key = vec![json!({ "AttributeName": KEY, "KeyType": "HASH" })];
        let mut names = vec![KEY.to_owned()];
        if has_sort_key(&workload.kind) {
            attributes.push(json!({ "AttributeName": SORT_KEY, "AttributeType": "N" }));
            key.push(json!({ "AttributeName": SORT_KEY, "KeyType": "RANGE" }));
            names.push(SORT_KEY.to_owned());
        }
        let mut create = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": key,
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
        });
        let mut time_to_live = None;
        if let WorkloadKind::Sessions { .. } = workload.kind {
            attributes.push(json!({ "AttributeName": USER, "AttributeType": "S" }));
            create["GlobalSecondaryIndexes"] = json!([{
                "IndexName": BY_USER,
                "KeySchema": [{ "AttributeName": USER, "KeyType": "HASH" }],
                "Projection": { "ProjectionType": "ALL" },
            }]);
            let specification = json!({ "Enabled": true, "AttributeName": EXPIRES });
            time_to_live = Some(json!({ "TableName": name, "TimeToLiveSpecification": specification }));
        }
        create["AttributeDefinitions"] = Value::Array(attributes);
        Self {
            name,
            key: names,
            limits: limits(&create, workload.billing),
            create,
            time_to_live,
        }
    }
}

/// The fields with the limits of a table or an index.
const THROUGHPUT: [&str; 2] = ["ProvisionedThroughput", "OnDemandThroughput"];

/// Returns whether a description of a table or an index shows the units of a request.
fn has_units(shown: &Value, asked: &Value) -> bool {
    THROUGHPUT.into_iter().all(|name| {
        let units = asked[name].as_object().into_iter().flatten();
        units.into_iter().all(|(field, units)| shown[name][field] == *units)
    })
}

/// The request that sets the limits of a table and its global indexes; `None` if there are none.
fn limits(create: &Value, billing: TableThroughput) -> Option<Value> {
    match billing {
        TableThroughput::OnDemand {
            read_max: None,
            write_max: None,
        } => None,
        TableThroughput::OnDemand { read_max, write_max } => {
            let mut maxima = Map::new();
            maxima.extend(read_max.map(|units| ("MaxReadRequestUnits".to_owned(), json!(units))));
            maxima.extend(write_max.map(|units| ("MaxWriteRequestUnits".to_owned(), json!(units))));
            Some(json!({ "TableName": create["TableName"], "OnDemandThroughput": maxima }))
        }
        TableThroughput::Provisioned { read, write } => {
            let units = json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": write });
            let mut limits = json!({
                "TableName": create["TableName"],
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": units,
            });
            let indexes = create["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
            let updates = indexes
                .map(|index| json!({ "Update": { "IndexName": index["IndexName"], "ProvisionedThroughput": units } }));
            let updates: Vec<Value> = updates.collect();
            if !updates.is_empty() {
                limits["GlobalSecondaryIndexUpdates"] = Value::Array(updates);
            }
            Some(limits)
        }
    }
}

/// Removes the throughput from the request that creates a recorded table, and returns the request
/// that sets it later.
pub(crate) fn take_limits(create: &mut Value) -> Option<Value> {
    let taken = |from: &mut Value| -> Map<String, Value> {
        let from = from.as_object_mut().into_iter();
        let taken = from.flat_map(|from| THROUGHPUT.map(|name| (name, from.remove(name))));
        taken
            .filter_map(|(name, taken)| Some((name.to_owned(), taken?)))
            .collect()
    };
    let mut limits = taken(create);
    let indexes = create.get_mut("GlobalSecondaryIndexes").and_then(Value::as_array_mut);
    let indexes = indexes.into_iter().flatten();
    let updates = indexes.filter_map(|index| {
        let mut update = taken(index);
        update.insert("IndexName".to_owned(), index["IndexName"].clone());
        (update.len() > 1).then(|| json!({ "Update": update }))
    });
    let updates: Vec<Value> = updates.collect();
    if !updates.is_empty() {
        limits.insert("GlobalSecondaryIndexUpdates".to_owned(), Value::Array(updates));
    }
    if create["BillingMode"] == "PROVISIONED" {
        limits.insert("BillingMode".to_owned(), json!("PROVISIONED"));
        create["BillingMode"] = json!("PAY_PER_REQUEST");
    }
    if limits.is_empty() {
        return None;
    }
    limits.insert("TableName".to_owned(), create["TableName"].clone());
    Some(Value::Object(limits))
}

pub(crate) const fn has_sort_key(kind: &WorkloadKind) -> bool {
    matches!(kind, WorkloadKind::YcsbE)
}

/// A key of a workload's table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spot {
    /// The key attributes, as in the API.
    pub(crate) attributes: Map<String, Value>,
    /// The key in the form of histories.
    pub(crate) text: String,
}

impl Spot {
    /// The key with this number.
    pub(crate) fn of(kind: &WorkloadKind, number: u64) -> Self {
        let partition = partition(kind, number);
        let mut attributes = Map::from_iter([(KEY.to_owned(), json!({ "S": partition }))]);
        let mut text = partition;
        if has_sort_key(kind) {
            attributes.insert(SORT_KEY.to_owned(), json!({ "N": number.to_string() }));
            text = format!("{text}/{number}");
        }
        Self { attributes, text }
    }
}

/// The partition key of the key with this number.
pub(crate) fn partition(kind: &WorkloadKind, number: u64) -> String {
    if has_sort_key(kind) {
        format!("p{}", number / PARTITION)
    } else {
        format!("k{number}")
    }
}

/// The greatest number of a key in the partition of this one, where partitions have several keys.
pub(crate) const fn last_of_partition(number: u64) -> u64 {
    number - number % PARTITION + PARTITION - 1
}

/// The item that a key has when the load begins, as an effect; `None` for no item.
pub(crate) fn initial(kind: &WorkloadKind) -> Option<Effect> {
    let number = match kind {
        WorkloadKind::Counters => Some(0),
        WorkloadKind::Bank => Some(BALANCE),
        WorkloadKind::Inventory => Some(STOCK),
        _ => None,
    };
    match kind {
        WorkloadKind::YcsbA
        | WorkloadKind::YcsbB
        | WorkloadKind::YcsbC
        | WorkloadKind::YcsbD
        | WorkloadKind::YcsbE
        | WorkloadKind::YcsbF
        | WorkloadKind::Pairs => Some(whole_item()),
        WorkloadKind::Counters | WorkloadKind::Bank | WorkloadKind::Inventory | WorkloadKind::Carts => {
            Some(Effect::Put {
                fields: Vec::new(),
                number,
            })
        }
        WorkloadKind::Mixed { .. } | WorkloadKind::Sessions { .. } | WorkloadKind::Replay { .. } => None,
    }
}

/// A put with all fields and no number.
pub(crate) fn whole_item() -> Effect {
    Effect::Put {
        fields: (0..u64::from(FIELDS)).map(field).collect(),
        number: None,
    }
}

/// Bytes of a field after its marker.
pub(crate) const fn field_bytes(workload: &Workload) -> usize {
    workload.value_bytes / (FIELDS as usize)
}

/// The name of a field.
pub(crate) fn field(number: u64) -> String {
    format!("f{number}")
}

/// The value of a field.
pub(crate) fn marked(marker: &str, filler: &str) -> String {
    [marker, ":", filler].concat()
}

/// The item that a put of that effect leaves behind; `filler` returns the text after a field's
/// marker.
pub(crate) fn item(
    spot: &Spot,
    marker: &str,
    effect: &Effect,
    mut filler: impl FnMut() -> String,
) -> Map<String, Value> {
    let mut item = spot.attributes.clone();
    item.insert(MARKER.to_owned(), json!({ "S": marker }));
    if let Effect::Put { fields, number } = effect {
        for field in fields {
            item.insert(field.clone(), json!({ "S": marked(marker, &filler()) }));
        }
        if let Some(number) = number {
            item.insert(NUMBER.to_owned(), json!({ "N": number.to_string() }));
        }
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(read: u64, write: u64) -> Value {
        json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": write, "NumberOfDecreasesToday": 0 })
    }

    /// The units are those of the table and of its indexes.
    #[test]
    fn recognises_limits_by_mode_units_and_index_units() {
        let name = "t".to_owned();
        let table = |limits| WorkloadTable {
            name: name.clone(),
            key: Vec::new(),
            create: Value::Null,
            time_to_live: None,
            limits,
        };
        let described = |mode: &str, own: Value, index: Value| {
            json!({ "Table": {
                "BillingModeSummary": { "BillingMode": mode },
                "ProvisionedThroughput": own,
                "OnDemandThroughput": { "MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 7 },
                "GlobalSecondaryIndexes": [{ "IndexName": "by-user", "ProvisionedThroughput": index }],
            } })
        };
        let create = json!({ "TableName": name, "GlobalSecondaryIndexes": [{ "IndexName": "by-user" }] });
        let provisioned = table(limits(&create, TableThroughput::Provisioned { read: 3, write: 4 }));
        for (mode, own, index, is_held) in [
            ("PROVISIONED", units(3, 4), units(3, 4), true),
            ("PAY_PER_REQUEST", units(3, 4), units(3, 4), false),
            ("PROVISIONED", units(3, 5), units(3, 4), false),
            ("PROVISIONED", units(3, 4), units(0, 4), false),
        ] {
            assert_eq!(provisioned.is_held(&described(mode, own, index)), is_held, "{mode}");
        }
        let maxima = |read_max, write_max| table(limits(&create, TableThroughput::OnDemand { read_max, write_max }));
        let here = described("PAY_PER_REQUEST", units(0, 0), units(0, 0));
        assert!(maxima(None, Some(7)).is_held(&here) && maxima(Some(5), Some(7)).is_held(&here));
        assert!(!maxima(Some(7), None).is_held(&here));
        assert!(table(None).is_held(&Value::Null), "it has no limits");
    }
}
