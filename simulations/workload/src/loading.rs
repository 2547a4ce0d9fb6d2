//! The initial items of the tables.

use std::{sync::Arc, time::Duration};

use beringia_history::{Basis, Effect, FailureCause, MARKER, Operation, OperationOutcome, Write, key_text_of_json};
use beringia_scenario::{RecordedTable, Workload};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    CallError, Setting, Targets, WorkloadError,
    client::filler,
    load::recording_of,
    recording::describe,
    replay::effect,
    request::bytes,
    table::{Spot, field_bytes, initial, item},
};

/// Items in one request, the most that DynamoDB accepts.
const BATCH: usize = 25;
/// The number of requests that are under way at once.
const LOADERS: usize = 8;
/// How often a request is sent before the load fails.
const TRIES: u32 = 20;
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// The writes from before the load began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded(pub(crate) Vec<Operation>);

/// One item of a table.
struct Put {
    item: Value,
    write: Write,
}

impl Setting {
    /// Writes the initial items of the tables through one region. The caller waits until the other
    /// regions have them.
    ///
    /// # Errors
    /// [`WorkloadError::NotLoaded`] if the region does not accept them;
    /// [`WorkloadError::Recording`] for a recording that cannot be read.
    pub async fn load(&self, region: &str) -> Result<Loaded, WorkloadError> {
        let mut loaded = Vec::new();
        for workload in &self.workloads {
            for (table, puts) in self.initial_items(workload)? {
                loaded.extend(puts.iter().map(|put| operation(&table, region, put)));
                self.put_all(&table, region, &puts).await?;
            }
        }
        Ok(Loaded(loaded))
    }

    /// The items that a workload needs, by table.
    fn initial_items(&self, workload: &Workload) -> Result<Vec<(String, Vec<Put>)>, WorkloadError> {
        if let Some(recording) = recording_of(workload)? {
            return Ok(recording.tables.iter().filter_map(recorded_items).collect());
        }
        let Some(effect) = initial(&workload.kind) else {
            return Ok(Vec::new());
        };
        let dice = self.dice().derive(&format!("loading {}", workload.name));
        let put = |number: u64| {
            let marker = marker(&workload.name, number);
            let spot = Spot::of(&workload.kind, number);
            let item = Value::Object(item(&spot, &marker, &effect, || filler(&dice, field_bytes(workload))));
            Put::new(item, spot.text, marker, effect.clone())
        };
        Ok(vec![(workload.name.clone(), (0..workload.keys).map(put).collect())])
    }

    async fn put_all(&self, table: &str, region: &str, puts: &[Put]) -> Result<(), WorkloadError> {
        let batches: Vec<&[Put]> = puts.chunks(BATCH).collect();
        for wave in batches.chunks(LOADERS) {
            let mut tasks = JoinSet::new();
            for batch in wave {
                let requests: Vec<Value> = batch
                    .iter()
                    .map(|put| json!({ "PutRequest": { "Item": put.item } }))
                    .collect();
                let requests = json!({ "RequestItems": { (table): requests } });
                let (targets, region) = (Arc::clone(&self.targets), region.to_owned());
                tasks.spawn(async move { put_batch(&*targets, &region, requests).await });
            }
            while let Some(done) = tasks.join_next().await {
                // A task that panicked has failed the run already, at the place of the panic.
                let done = done.unwrap_or_else(|error| Err(CallError::Unknown(FailureCause::Error, error.to_string())));
                done.map_err(|source| WorkloadError::NotLoaded {
                    table: table.to_owned(),
                    region: region.to_owned(),
                    source: Box::new(source),
                })?;
            }
        }
        Ok(())
    }
}

/// Sends a batch until all of it is accepted. Repeating a put changes nothing but the version, so a
/// put that may have happened is sent again too. The one write in the history then stands for both.
async fn put_batch(targets: &dyn Targets, region: &str, mut left: Value) -> Result<(), CallError> {
    let mut target = targets.target(region);
    let mut error = CallError::Unreachable(FailureCause::NotSent, "not tried".to_owned());
    for _ in 0..TRIES {
        match target.call("BatchWriteItem", left.clone()).await {
            Ok(answer) => match answer.get("UnprocessedItems").and_then(Value::as_object) {
                Some(unprocessed) if !unprocessed.is_empty() => left["RequestItems"] = json!(unprocessed),
                _ => return Ok(()),
            },
            Err(refused @ CallError::Refused { .. }) => return Err(refused),
            Err(other) => error = other,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(error)
}

impl Put {
    fn new(item: Value, key: String, marker: String, effect: Effect) -> Self {
        let write = Write {
            key,
            marker,
            effect,
            based_on: Basis::Anything,
            expires_s: None,
            bytes: bytes(&item, 1),
        };
        Self { item, write }
    }
}

fn marker(table: &str, number: u64) -> String {
    format!("loaded/{table}/{number}")
}

fn recorded_items(recorded: &RecordedTable) -> Option<(String, Vec<Put>)> {
    let table = describe(recorded)?;
    let put = |(number, item): (u64, &Value)| {
        let marker = marker(&table.name, number);
        let effect = effect::of_item(item.as_object().into_iter().flat_map(serde_json::Map::keys));
        let mut item = item.clone();
        item[MARKER] = json!({ "S": marker });
        let key = key_text_of_json(table.key.iter().map(String::as_str), &item)?;
        Some(Put::new(item, key, marker, effect))
    };
    let puts = (0..).zip(&recorded.items).filter_map(put).collect();
    Some((table.name.clone(), puts))
}

fn operation(table: &str, region: &str, put: &Put) -> Operation {
    Operation {
        workload: table.to_owned(),
        client: 0,
        part: 0,
        home: region.to_owned(),
        region: region.to_owned(),
        name: "BatchWriteItem".to_owned(),
        due_us: 0,
        cancellations: Vec::new(),
        sent_us: 0,
        done_us: 0,
        outcome: OperationOutcome::Ok,
        failure: None,
        reads: Vec::new(),
        writes: vec![put.write.clone()],
        checked: Vec::new(),
    }
}
