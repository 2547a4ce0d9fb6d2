//! Reads every key back at the end of a run, through the API: by GetItem, by Query, and by Scan of
//! the table and of each index.
//!
//! What a region holds is in its store. Whether its clients can read that is another question,
//! which only the answers to requests decide. GetItem of each key and Query of each partition take
//! turns among the regions; each region answers a Scan of the table and of each of its indexes.

use std::{collections::BTreeMap, time::Duration};

use beringia_history::{FailureCause, Misread, MisreadKind};
use beringia_item::{Item, KeySchema, item_from_json, item_to_json};
use beringia_storage::{IndexProjection, IndexState, Store, Table};
use beringia_workload::{Target, Targets};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{Cluster, SimulationError, evidence::Reader};

/// How often a region is read again where eventually consistent reads are behind, or where items
/// changed meanwhile.
const ATTEMPTS: usize = 10;
/// How often a throttled request is sent.
const THROTTLED_MAX: usize = 120;
/// The pause before another attempt, in virtual time.
const PAUSE: Duration = Duration::from_secs(1);

/// A region's turn among those that hold a table.
#[derive(Clone, Copy)]
struct Turn {
    number: usize,
    of: usize,
}

impl Turn {
    /// Whether the thing with this index is read in the region with this turn.
    const fn has(self, index: usize) -> bool {
        index % self.of == self.number
    }

    const fn next(self) -> Self {
        Self {
            number: (self.number + 1) % self.of,
            of: self.of,
        }
    }
}

/// Reads a table back in all of `holders`, and returns what differs from the regions' stores.
pub(crate) async fn misreads(
    cluster: &Cluster,
    table: &str,
    holders: &[String],
) -> Result<Vec<Misread>, SimulationError> {
    let mut misreads = Vec::new();
    for (number, region) in holders.iter().enumerate() {
        let turn = Turn {
            number,
            of: holders.len(),
        };
        misreads.extend(of_region(cluster, table, region, turn).await?);
    }
    Ok(misreads)
}

async fn of_region(cluster: &Cluster, table: &str, region: &str, turn: Turn) -> Result<Vec<Misread>, SimulationError> {
    let store = cluster.store(region)?;
    let mut attempt = 1;
    loop {
        let Some(definition) = store.catalog().by_name.get(table).cloned() else {
            return Ok(Vec::new());
        };
        let before = digest(&*store, &definition, region).await?;
        let mut back = ReadBack::begin(cluster, &*store, &definition, region).await?;
        back.get_items(turn).await;
        back.query_partitions(turn.next()).await;
        let wrong = std::mem::take(&mut back.misreads);
        back.scan_all().await;
        let is_still = before == digest(&*store, &definition, region).await?;
        // Scans are eventually consistent, the other reads are not.
        let is_final = attempt == ATTEMPTS || is_still && (!wrong.is_empty() || back.misreads.is_empty());
        if is_final {
            return Ok([wrong, back.misreads].concat());
        }
        attempt += 1;
        sleep(PAUSE).await;
    }
}

async fn digest(store: &dyn Store, table: &Table, region: &str) -> Result<impl PartialEq, SimulationError> {
    let digest = store.digest(table.id).await;
    digest.map_err(|source| SimulationError::Store {
        region: region.to_owned(),
        source,
    })
}

/// One attempt to read a table back in one region.
struct ReadBack<'a> {
    region: &'a str,
    table: &'a Table,
    reader: Reader<'a>,
    /// What the store holds, by key text; `None` for a tombstone.
    items: BTreeMap<String, (Item, Option<Item>)>,
    target: Box<dyn Target>,
    misreads: Vec<Misread>,
}

impl<'a> ReadBack<'a> {
    async fn begin(
        cluster: &Cluster,
        store: &'a dyn Store,
        table: &'a Table,
        region: &'a str,
    ) -> Result<Self, SimulationError> {
        let reader = Reader::of(region, store, table);
        Ok(Self {
            region,
            table,
            items: reader.items().await?,
            reader,
            target: cluster.clients().target(region),
            misreads: Vec::new(),
        })
    }

    async fn get_items(&mut self, turn: Turn) {
        let keys: Vec<String> = self.items.keys().cloned().collect();
        for (index, text) in keys.into_iter().enumerate() {
            if !turn.has(index) {
                continue;
            }
            let Some((key, held)) = self.items.get(&text) else {
                continue;
            };
            let parameters = json!({
                "TableName": self.table.core.name,
                "Key": item_to_json(key),
                "ConsistentRead": true,
            });
            let expected: Vec<(String, Item)> = held.iter().map(|item| (text.clone(), item.clone())).collect();
            let answer = call(&mut *self.target, "GetItem", parameters).await;
            let returned = answer.and_then(|mut answer| match answer["Item"].take() {
                Value::Null => Ok(Vec::new()),
                item => Ok(vec![item_of(item)?]),
            });
            self.compare("GetItem", &text, expected.into_iter().collect(), returned);
        }
    }

    async fn query_partitions(&mut self, turn: Turn) {
        let Some(part) = self.table.core.keys.partition.first().cloned() else {
            return;
        };
        let mut partitions: BTreeMap<String, (Value, BTreeMap<String, Item>)> = BTreeMap::new();
        for (text, (key, held)) in &self.items {
            let value = item_to_json(key)[&part.name].take();
            let (_, items) = partitions
                .entry(value.to_string())
                .or_insert_with(|| (value, BTreeMap::new()));
            items.extend(held.iter().map(|item| (text.clone(), item.clone())));
        }
        for (index, (name, (value, expected))) in partitions.into_iter().enumerate() {
            if !turn.has(index) {
                continue;
            }
            let parameters = json!({
                "TableName": self.table.core.name,
                "KeyConditionExpression": "#p = :p",
                "ExpressionAttributeNames": { "#p": part.name },
                "ExpressionAttributeValues": { ":p": value },
                "ConsistentRead": true,
            });
            let returned = pages(&mut *self.target, "Query", parameters).await;
            self.compare("Query", &name, expected, returned);
        }
    }

    /// Scans the table and each index that can be read.
    async fn scan_all(&mut self) {
        let live = |(text, (_, held)): (&String, &(Item, Option<Item>))| Some((text.clone(), held.clone()?));
        let items: BTreeMap<String, Item> = self.items.iter().filter_map(live).collect();
        let core = &self.table.core;
        let local = core.local_indexes.iter();
        let local = local.map(|(name, index)| (name, &index.keys, &index.projection));
        let global = self.table.global_indexes.iter();
        let global = global.filter(|(_, (_, state))| *state == IndexState::Active);
        let global = global.map(|(name, (index, _))| (name, &index.keys, &index.projection));
        let mut scans = vec![("Scan".to_owned(), json!({ "TableName": core.name }), items.clone())];
        for (name, keys, projection) in local.chain(global) {
            let entry = |(text, item): (&String, &Item)| {
                let item = projected(item, &core.keys, keys, projection)?;
                Some((text.clone(), item))
            };
            scans.push((
                format!("Scan of {name}"),
                json!({ "TableName": core.name, "IndexName": name }),
                items.iter().filter_map(entry).collect(),
            ));
        }
        for (by, parameters, expected) in scans {
            let returned = pages(&mut *self.target, "Scan", parameters).await;
            self.compare(&by, "(all)", expected, returned);
        }
    }

    /// Compares the items of an answer with the expected ones, by key text.
    fn compare(
        &mut self,
        by: &str,
        asked: &str,
        mut expected: BTreeMap<String, Item>,
        returned: Result<Vec<Item>, String>,
    ) {
        let mut note = |key: &str, kind| {
            self.misreads.push(Misread {
                region: self.region.to_owned(),
                by: by.to_owned(),
                key: key.to_owned(),
                kind,
            });
        };
        let returned = match returned {
            Ok(returned) => returned,
            Err(error) => return note(asked, MisreadKind::Refused(error)),
        };
        let all = expected.clone();
        for item in returned {
            let Some(key) = self.reader.text_of(&item) else {
                note(asked, MisreadKind::Different);
                continue;
            };
            match (expected.remove(&key), all.contains_key(&key)) {
                (Some(held), _) if held == item => {}
                (Some(_), _) => note(&key, MisreadKind::Different),
                (None, true) => note(&key, MisreadKind::Repeated),
                (None, false) => note(&key, MisreadKind::Superfluous),
            }
        }
        for key in expected.keys() {
            note(key, MisreadKind::Missing);
        }
    }
}

/// The item as an index returns it; `None` if the index has no entry for it.
fn projected(item: &Item, table: &KeySchema, index: &KeySchema, projection: &IndexProjection) -> Option<Item> {
    index.key_of(item).ok()?;
    let is_key = |name: &String| table.parts().chain(index.parts()).any(|part| part.name == *name);
    let has = |name: &String| match projection {
        IndexProjection::All => true,
        IndexProjection::KeysOnly => is_key(name),
        IndexProjection::Include(names) => is_key(name) || names.contains(name),
    };
    let kept = item.iter().filter(|(name, _)| has(name));
    Some(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Reads all pages of a Query or a Scan.
async fn pages(target: &mut dyn Target, operation: &str, mut parameters: Value) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    loop {
        let mut answer = call(target, operation, parameters.clone()).await?;
        if let Value::Array(page) = answer["Items"].take() {
            for item in page {
                items.push(item_of(item)?);
            }
        }
        match answer["LastEvaluatedKey"].take() {
            Value::Null => return Ok(items),
            last => parameters["ExclusiveStartKey"] = last,
        }
    }
}

/// Calls an operation, again and again while it is throttled.
async fn call(target: &mut dyn Target, operation: &str, parameters: Value) -> Result<Value, String> {
    for _ in 1..THROTTLED_MAX {
        match target.call(operation, parameters.clone()).await {
            Err(error) if error.failure() == Some(FailureCause::Throttled) => sleep(PAUSE).await,
            answer => return answer.map_err(|error| error.to_string()),
        }
    }
    let answer = target.call(operation, parameters).await;
    answer.map_err(|error| error.to_string())
}

fn item_of(item: Value) -> Result<Item, String> {
    item_from_json(item).map_err(|error| error.to_string())
}
