//! Writes a recording line by line as it arrives, so that it may be larger than memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use beringia_proto::v1::{ControlTable, RecordedCall};
use beringia_scenario::{Recorded, RecordedItems, RecordedTable};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{error::CommandError, output};

/// The file of a recording in progress, and what it contains so far.
pub(super) struct Writing {
    file: BufWriter<File>,
    path: PathBuf,
    operations: u64,
    /// The regions that clients sent requests to.
    asked: BTreeSet<String>,
    tables: BTreeMap<String, TableLocation>,
}

/// The source of a table, and its replicas.
struct TableLocation {
    /// The index of the control service that sends it.
    place: usize,
    replicas: Vec<String>,
}

impl Writing {
    pub(super) fn new(file: File, path: &Path) -> Self {
        Self {
            file: BufWriter::new(file),
            path: path.to_path_buf(),
            operations: 0,
            asked: BTreeSet::new(),
            tables: BTreeMap::new(),
        }
    }

    pub(super) const fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// Whether clients sent requests to this region, or it has one of the tables.
    pub(super) fn has(&self, region: &str) -> bool {
        let holds = |held: &TableLocation| held.replicas.iter().any(|replica| replica == region);
        self.asked.contains(region) || self.tables.values().any(holds)
    }

    /// Appends an answered operation to the file, with the time `at` since the recording began, in
    /// whole milliseconds.
    pub(super) fn operation(&mut self, at: Duration, call: RecordedCall) -> Result<(), CommandError> {
        self.operations += 1;
        if !self.asked.contains(&call.region) {
            self.asked.insert(call.region.clone());
        }
        let recorded = Recorded {
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            region: call.region,
            operation: call.operation,
            parameters: parse(&call.parameters_json)?,
            status: u16::try_from(call.status).ok(),
        };
        self.line(&recorded)
    }

    /// Writes a table, or more of its items, from the control service at index `place`. The first
    /// service that has the table sends all of it.
    pub(super) fn table(&mut self, place: usize, message: ControlTable, items_max: u64) -> Result<(), CommandError> {
        let ControlTable {
            table: name,
            description_json,
            time_to_live_json,
            items_json,
            has_more,
        } = message;
        if has_more && items_max > 0 {
            output::note(&format!(
                "{name} has more than {items_max} items: the others are left out; raise the limit with --items"
            ));
        }
        let items: Vec<Value> = items_json.iter().map(|item| parse(item)).collect::<Result<_, _>>()?;
        if let Some(held) = self.tables.get(&name) {
            let is_more = held.place == place && description_json.is_empty() && !items.is_empty();
            return if is_more {
                self.line(&RecordedItems { items_of: name, items })
            } else {
                Ok(())
            };
        }
        let description = parse(&description_json)?;
        let replicas = description["Replicas"].as_array().into_iter().flatten();
        let replicas = replicas.filter_map(|replica| replica["RegionName"].as_str().map(str::to_owned));
        let held = TableLocation {
            place,
            replicas: replicas.collect(),
        };
        self.tables.insert(name, held);
        self.line(&recorded(&description, &parse(&time_to_live_json)?, items))
    }

    /// Flushes the recording to its file.
    pub(super) fn end(&mut self) -> Result<(), CommandError> {
        let flushed = self.file.flush();
        flushed.map_err(|error| self.unwritten(&error))
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), CommandError> {
        let written = serde_json::to_writer(&mut self.file, line).map_err(std::io::Error::from);
        let written = written.and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|error| self.unwritten(&error))
    }

    fn unwritten(&self, error: &std::io::Error) -> CommandError {
        CommandError::usage(format!("cannot write {}: {error}", self.path.display()))
    }
}

fn parse(text: &str) -> Result<Value, CommandError> {
    serde_json::from_str(text)
        .map_err(|error| CommandError::usage(format!("the control service sent invalid JSON: {error}")))
}

/// The requests that create a table like the described one.
fn recorded(description: &Value, time_to_live: &Value, items: Vec<Value>) -> RecordedTable {
    let throughput = |described: &Value| {
        json!({
            "ReadCapacityUnits": described["ReadCapacityUnits"],
            "WriteCapacityUnits": described["WriteCapacityUnits"],
        })
    };
    let is_provisioned = description["BillingModeSummary"]["BillingMode"] != "PAY_PER_REQUEST";
    let index = |index: &Value| {
        let mut created = json!({
            "IndexName": index["IndexName"],
            "KeySchema": index["KeySchema"],
            "Projection": index["Projection"],
        });
        limits(&mut created, index);
        if is_provisioned && index["ProvisionedThroughput"].is_object() {
            created["ProvisionedThroughput"] = throughput(&index["ProvisionedThroughput"]);
        }
        created
    };
    let mut table = json!({
        "TableName": description["TableName"],
        "AttributeDefinitions": description["AttributeDefinitions"],
        "KeySchema": description["KeySchema"],
        "BillingMode": if is_provisioned { "PROVISIONED" } else { "PAY_PER_REQUEST" },
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    });
    limits(&mut table, description);
    if is_provisioned {
        table["ProvisionedThroughput"] = throughput(&description["ProvisionedThroughput"]);
    }
    for kind in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        if let Some(indexes) = description[kind].as_array() {
            table[kind] = indexes.iter().map(index).collect();
        }
    }
    let setting = &time_to_live["TimeToLiveDescription"];
    RecordedTable {
        time_to_live: (setting["TimeToLiveStatus"] == "ENABLED").then(|| {
            json!({
                "TableName": description["TableName"],
                "TimeToLiveSpecification": {"Enabled": true, "AttributeName": setting["AttributeName"]},
            })
        }),
        table,
        items,
    }
}

/// Copies the maxima of an on-demand table or index.
fn limits(created: &mut Value, described: &Value) {
    if described["OnDemandThroughput"].is_object() {
        created["OnDemandThroughput"] = described["OnDemandThroughput"].clone();
    }
}
