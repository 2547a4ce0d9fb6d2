//! Reads every key back at the end of a run, through the API: by GetItem, and by Query and Scan of
//! the table and of each index.
//!
//! What a region holds is in its store. Whether its clients can read that is another question,
//! which only the answers to requests decide. GetItem of each key and Query of each partition, also
//! of indexes, take turns among the regions, and one region answers a Scan of the table; each
//! region answers a Scan of each index.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_trait::async_trait;
use beringia_history::{FailureCause, Misread, MisreadKind, key_text};
use beringia_item::{Item, item_from_json, item_to_json};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{Target, Targets, index_shape::IndexShape};

/// How often a region is read again where eventually consistent reads are behind, or where items
/// changed meanwhile.
const ATTEMPTS: usize = 10;
/// The number of connections over which a region is read: as many reads are under way at once.
const CONNECTIONS: usize = 16;
/// The most reads whose answers are held before they are compared.
const BATCH: usize = 512;
/// How often a throttled request is sent again.
const THROTTLED_MAX: usize = 120;
/// The key of a difference that concerns all of them.
const ALL: &str = "(all)";
/// The pause before another attempt.
const PAUSE: Duration = Duration::from_secs(1);

/// The rows of a table in a region: by key text, the attributes of the key and the item (`None` for
/// a tombstone).
pub type HeldItems = BTreeMap<String, (Item, Option<Item>)>;

/// What regions hold in one table, apart from what they answer.
#[async_trait]
pub trait HeldRows: Sync {
    /// Why the rows cannot be known.
    type Error;

    /// A digest of the table in a region, as text: equal for equal rows.
    async fn digest(&self, region: &str) -> Result<String, Self::Error>;

    /// The rows of the table in a region.
    async fn items(&self, region: &str) -> Result<HeldItems, Self::Error>;
}

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

/// Reads a table back in all of `holders`, and returns what differs from the rows that they hold.
///
/// # Errors
/// The errors of `rows`. A refused read is a difference and not an error.
pub async fn read_back<R: HeldRows>(
    targets: &impl Targets,
    table: &str,
    holders: &[String],
    rows: &R,
) -> Result<Vec<Misread>, R::Error> {
    let mut misreads = Vec::new();
    let mut indexes: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    // Regions that converged hold the same rows, which are read once then.
    let mut known: Option<(String, HeldItems)> = None;
    for (number, region) in holders.iter().enumerate() {
        let turn = Turn {
            number,
            of: holders.len(),
        };
        for attempt in 1.. {
            let before = rows.digest(region).await?;
            if known.as_ref().is_none_or(|(digest, _)| *digest != before) {
                known = Some((before.clone(), rows.items(region).await?));
            }
            let items = known.as_ref().map(|(_, items)| items);
            let mut reader = Reader::begin(targets, table, region, items.into_iter().flatten()).await;
            reader.get_items(turn).await;
            if let Some(table) = reader.shapes.first().cloned() {
                reader.query_partitions(&table, turn.next()).await;
            }
            let wrong = std::mem::take(&mut reader.misreads);
            reader.scan_all(turn).await;
            let is_still = before == rows.digest(region).await?;
            // Scans are eventually consistent, the other reads are not.
            if attempt == ATTEMPTS || is_still && (!wrong.is_empty() || reader.misreads.is_empty()) {
                misreads.extend(wrong);
                misreads.append(&mut reader.misreads);
                indexes.insert(region, reader.indexes().map(str::to_owned).collect());
                break;
            }
            sleep(PAUSE).await;
        }
    }
    misreads.extend(missing_indexes(&indexes));
    Ok(misreads)
}

/// The indexes that some regions describe and others do not.
fn missing_indexes(indexes: &BTreeMap<&str, BTreeSet<String>>) -> Vec<Misread> {
    let all: BTreeSet<&String> = indexes.values().flatten().collect();
    let of_region = |(region, own): (&&str, &BTreeSet<String>)| {
        let missing = all.iter().filter(|name| !own.contains(**name));
        let note = |name: &&String| Misread {
            region: (*region).to_owned(),
            by: format!("Scan of {name}"),
            key: ALL.to_owned(),
            kind: MisreadKind::Refused("DescribeTable does not show the index".to_owned()),
        };
        missing.map(note).collect::<Vec<Misread>>()
    };
    indexes.iter().flat_map(of_region).collect()
}

/// One attempt to read a table back in one region.
struct Reader<'a> {
    region: &'a str,
    table: &'a str,
    /// The names of the key's parts, partition key first; none without `shapes`.
    parts: Vec<String>,
    /// The table and its indexes; none if the region does not describe them.
    shapes: Vec<IndexShape>,
    /// The rows of the region, in the order of their key texts.
    rows: Vec<(&'a str, &'a Item, Option<&'a Item>)>,
    connections: Vec<Box<dyn Target>>,
    misreads: Vec<Misread>,
}

/// The items that an answer must have, by key text.
type ExpectedItems<'a> = BTreeMap<&'a str, Cow<'a, Item>>;

/// A read, and what it must return.
struct Read<'a> {
    /// The key or partition that is read, for messages.
    asked: String,
    parameters: Value,
    expected: ExpectedItems<'a>,
}

impl<'a> Reader<'a> {
    async fn begin(
        targets: &impl Targets,
        table: &'a str,
        region: &'a str,
        items: impl Iterator<Item = (&'a String, &'a (Item, Option<Item>))> + Send,
    ) -> Self {
        let rows = items.map(|(text, (key, item))| (text.as_str(), key, item.as_ref()));
        let mut reader = Self {
            region,
            table,
            parts: Vec::new(),
            shapes: Vec::new(),
            rows: rows.collect(),
            connections: (0..CONNECTIONS).map(|_| targets.target(region)).collect(),
            misreads: Vec::new(),
        };
        let described = call(
            &mut *reader.connections[0],
            "DescribeTable",
            &json!({ "TableName": table }),
        )
        .await;
        match described.map(|answer| IndexShape::all(&answer)) {
            Ok(Some(shapes)) => {
                let keys = shapes.first().into_iter().flat_map(|table| table.keys.parts());
                reader.parts = keys.map(|part| part.name.clone()).collect();
                reader.shapes = shapes;
            }
            Ok(None) => reader.note(
                "DescribeTable",
                table,
                MisreadKind::Refused("the answer has no key schema".to_owned()),
            ),
            Err(error) => reader.note("DescribeTable", table, MisreadKind::Refused(error)),
        }
        reader
    }

    fn note(&mut self, by: &str, key: &str, kind: MisreadKind) {
        self.misreads.push(Misread {
            region: self.region.to_owned(),
            by: by.to_owned(),
            key: key.to_owned(),
            kind,
        });
    }

    async fn get_items(&mut self, turn: Turn) {
        if self.parts.is_empty() {
            return;
        }
        let table = self.table;
        let asked = move |(text, key, held): (&'a str, &Item, Option<&'a Item>)| Read {
            asked: text.to_owned(),
            parameters: json!({
                "TableName": table,
                "Key": item_to_json(key),
                "ConsistentRead": true,
            }),
            expected: held.into_iter().map(|item| (text, Cow::Borrowed(item))).collect(),
        };
        let rows = self.rows.iter().enumerate().filter(|(index, _)| turn.has(*index));
        let rows: Vec<_> = rows.map(|(_, row)| *row).collect();
        self.read("GetItem", "GetItem", rows.into_iter().map(asked)).await;
    }

    /// Queries each partition of the table, or of an index, that has its turn.
    async fn query_partitions(&mut self, shape: &IndexShape, turn: Turn) {
        let parts: Vec<&str> = shape.keys.partition.iter().map(|part| part.name.as_str()).collect();
        let mut partitions: BTreeMap<String, (Vec<Value>, ExpectedItems<'a>)> = BTreeMap::new();
        for (text, key, held) in &self.rows {
            let entry = held.and_then(|item| match shape.name {
                None => Some(Cow::Borrowed(item)),
                Some(_) => shape.of_item(item).map(Cow::Owned),
            });
            // A partition of the table in which all items are deleted is read, too.
            let named = entry.as_deref().or(Some(*key).filter(|_| shape.name.is_none()));
            let Some(mut named) = named.map(item_to_json) else {
                continue;
            };
            let values: Vec<Value> = parts.iter().map(|part| named[*part].take()).collect();
            let name = values.iter().map(Value::to_string).collect::<Vec<_>>().join(" ");
            let (_, items) = partitions.entry(name).or_insert_with(|| (values, ExpectedItems::new()));
            items.extend(entry.map(|item| (*text, item)));
        }
        let table = self.table;
        let asked = |(name, (values, expected))| {
            let mut parameters = query(table, &parts, values);
            match &shape.name {
                None => parameters["ConsistentRead"] = json!(true),
                Some(index) => parameters["IndexName"] = json!(index),
            }
            Read {
                asked: name,
                parameters,
                expected,
            }
        };
        let partitions = partitions.into_iter().enumerate();
        let partitions = partitions.filter(|(index, _)| turn.has(*index));
        let reads = partitions.map(|(_, partition)| asked(partition));
        self.read("Query", &shape.name_of("Query"), reads).await;
    }

    /// The names of the table's indexes.
    fn indexes(&self) -> impl Iterator<Item = &str> {
        self.shapes.iter().filter_map(|shape| shape.name.as_deref())
    }

    /// Scans each index, and queries its partitions that have their turn. Scans the table if its
    /// turn comes first.
    async fn scan_all(&mut self, turn: Turn) {
        for shape in &self.shapes.clone() {
            if shape.name.is_none() && !turn.has(0) {
                continue;
            }
            let mut parameters = json!({ "TableName": self.table });
            let by = shape.name_of("Scan");
            let live = self.rows.iter().filter_map(|(text, _, held)| Some((*text, (*held)?)));
            let expected = match &shape.name {
                None => live.map(|(text, item)| (text, Cow::Borrowed(item))).collect(),
                Some(name) => {
                    parameters["IndexName"] = json!(name);
                    let entries = live.filter_map(|(text, item)| Some((text, Cow::Owned(shape.of_item(item)?))));
                    entries.collect()
                }
            };
            if !shape.is_active {
                self.note(&by, ALL, MisreadKind::Refused("the index is not ACTIVE".to_owned()));
                continue;
            }
            let scan = Read {
                asked: ALL.to_owned(),
                parameters,
                expected,
            };
            self.read("Scan", &by, std::iter::once(scan)).await;
            if shape.name.is_some() {
                self.query_partitions(shape, turn).await;
            }
        }
    }

    /// Reads over all connections at once, and compares the answers in the order of `reads`.
    async fn read(&mut self, operation: &str, by: &str, mut reads: impl Iterator<Item = Read<'a>>) {
        loop {
            let mut expected = Vec::new();
            let mut shares: Vec<Vec<Value>> = vec![Vec::new(); self.connections.len()];
            for (index, read) in reads.by_ref().take(BATCH).enumerate() {
                shares[index % CONNECTIONS].push(read.parameters);
                expected.push((read.asked, read.expected));
            }
            if expected.is_empty() {
                return;
            }
            let connections = self.connections.iter_mut().zip(shares);
            let answers = connections.map(|(connection, share)| in_turn(&mut **connection, operation, share));
            let mut answers: Vec<_> = join_all(answers).await.into_iter().map(Vec::into_iter).collect();
            for (index, (asked, expected)) in expected.into_iter().enumerate() {
                let answer = answers[index % CONNECTIONS].next();
                let returned = answer.unwrap_or_else(|| Err("the read was not sent".to_owned()));
                self.compare(by, &asked, expected, returned);
            }
        }
    }

    /// Compares the items of an answer with the expected ones.
    fn compare(&mut self, by: &str, asked: &str, mut expected: ExpectedItems<'a>, returned: Result<Vec<Item>, String>) {
        let returned = match returned {
            Ok(returned) => returned,
            Err(error) => return self.note(by, asked, MisreadKind::Refused(error)),
        };
        let mut seen = BTreeSet::new();
        for item in returned {
            let Some(key) = key_text(self.parts.iter().map(String::as_str), &item) else {
                self.note(by, asked, MisreadKind::Different);
                continue;
            };
            match expected.remove(key.as_str()) {
                Some(held) if *held == item => {}
                Some(_) => self.note(by, &key, MisreadKind::Different),
                None if seen.contains(&key) => self.note(by, &key, MisreadKind::Repeated),
                None => self.note(by, &key, MisreadKind::Superfluous),
            }
            seen.insert(key);
        }
        for key in expected.into_keys() {
            self.note(by, key, MisreadKind::Missing);
        }
    }
}

/// The parameters of a Query of the partition with these attributes.
fn query(table: &str, parts: &[&str], values: Vec<Value>) -> Value {
    let (mut names, mut of_parts, mut conditions) = (json!({}), json!({}), Vec::new());
    for (place, (part, value)) in parts.iter().zip(values).enumerate() {
        names[format!("#p{place}")] = json!(part);
        of_parts[format!(":p{place}")] = value;
        conditions.push(format!("#p{place} = :p{place}"));
    }
    json!({
        "TableName": table,
        "KeyConditionExpression": conditions.join(" AND "),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": of_parts,
    })
}

/// Sends reads over one connection, one after the other.
async fn in_turn(target: &mut dyn Target, operation: &str, reads: Vec<Value>) -> Vec<Result<Vec<Item>, String>> {
    let mut answers = Vec::with_capacity(reads.len());
    for parameters in reads {
        answers.push(pages(target, operation, parameters).await);
    }
    answers
}

/// Reads the item of a GetItem, or all pages of a Query or a Scan.
async fn pages(target: &mut dyn Target, operation: &str, mut parameters: Value) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    loop {
        let mut answer = call(target, operation, &parameters).await?;
        if let Some(item) = answer.get_mut("Item").filter(|item| !item.is_null()) {
            items.push(item_of(item.take())?);
        }
        if let Some(Value::Array(page)) = answer.get_mut("Items").map(Value::take) {
            for item in page {
                items.push(item_of(item)?);
            }
        }
        match answer.get_mut("LastEvaluatedKey").map(Value::take) {
            None | Some(Value::Null) => return Ok(items),
            Some(last) => parameters["ExclusiveStartKey"] = last,
        }
    }
}

/// Calls an operation, again and again while it is throttled.
async fn call(target: &mut dyn Target, operation: &str, parameters: &Value) -> Result<Value, String> {
    let mut throttled = 0;
    loop {
        match target.call(operation, parameters.clone()).await {
            Err(error) if throttled < THROTTLED_MAX && error.failure() == Some(FailureCause::Throttled) => {
                throttled += 1;
                sleep(PAUSE).await;
            }
            answer => return answer.map_err(|error| error.to_string()),
        }
    }
}

fn item_of(item: Value) -> Result<Item, String> {
    item_from_json(item).map_err(|error| error.to_string())
}
