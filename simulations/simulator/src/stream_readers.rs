//! Clients that read the DynamoDB stream of every table in every region during the load, from the
//! first record on.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use beringia_history::{Content, ReadStream, StreamedImage, StreamedRecord, key_text_of_json};
use beringia_item::item_from_json;
use beringia_workload::{CallError, Target, Targets as _, WorkloadTable};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use crate::Cluster;

/// The pause after a page without records, and after a request that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// A reader is done when it was told that nothing more comes, and has then got this many pages
/// without records in a row: a page can be empty because it has examined other tables' records.
const EMPTY_PAGES: u32 = 3;
/// How often in a row a request may fail after the load.
const FAILURES_MAX: u32 = 20;

/// The readers of all streams.
pub(crate) struct StreamReaders {
    /// Whether nothing more is written.
    is_over: Arc<AtomicBool>,
    /// By region and table.
    readers: BTreeMap<(String, String), JoinHandle<ReadStream>>,
}

impl StreamReaders {
    /// Starts a reader for each table in each region that may get a replica of it.
    pub(crate) fn start(cluster: &Cluster, tables: &[WorkloadTable]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut readers = BTreeMap::new();
        for region in cluster.names() {
            for table in tables {
                let reader = StreamReader {
                    table: table.clone(),
                    target: cluster.clients().target(&region),
                    stream: None,
                    shard: None,
                    iterator: None,
                    read: ReadStream::default(),
                };
                let reading = tokio::spawn(reader.follow(Arc::clone(&is_over)));
                readers.insert((region.clone(), table.name.clone()), reading);
            }
        }
        Self { is_over, readers }
    }

    /// Lets the readers read to the end, and returns what they have read, by region and table.
    pub(crate) async fn finish(self) -> BTreeMap<(String, String), ReadStream> {
        self.is_over.store(true, Ordering::SeqCst);
        let mut read = BTreeMap::new();
        for (place, reader) in self.readers {
            // A reader that panicked has failed the run already, at the place of the panic.
            read.insert(place, reader.await.unwrap_or_default());
        }
        read
    }
}

/// The reader of one table's stream in one region.
struct StreamReader {
    table: WorkloadTable,
    target: Box<dyn Target>,
    /// The ARN of the stream.
    stream: Option<String>,
    /// The id of the shard that is read, or was read last.
    shard: Option<String>,
    /// The place in the shard; `None` between shards.
    iterator: Option<String>,
    read: ReadStream,
}

impl StreamReader {
    /// Reads until everything is read after `is_over` is set.
    async fn follow(mut self, is_over: Arc<AtomicBool>) -> ReadStream {
        let (mut empty_pages, mut failures) = (0, 0);
        loop {
            let is_last = is_over.load(Ordering::SeqCst);
            match self.step().await {
                Ok(is_empty) => {
                    failures = 0;
                    empty_pages = if is_empty { empty_pages + 1 } else { 0 };
                    if is_last && empty_pages >= EMPTY_PAGES {
                        return self.read;
                    }
                    if !is_empty {
                        continue;
                    }
                }
                Err(error) => {
                    failures += 1;
                    if matches!(error, CallError::Refused { .. }) || is_last && failures >= FAILURES_MAX {
                        self.refused(&error);
                    }
                    if is_last && failures >= FAILURES_MAX {
                        return self.read;
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Keeps a refusal, the same one once.
    fn refused(&mut self, error: &CallError) {
        let error = error.to_string();
        if self.read.refusals.last() != Some(&error) {
            self.read.refusals.push(error);
        }
    }

    /// Reads a page. Returns whether it was empty.
    async fn step(&mut self) -> Result<bool, CallError> {
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => match self.next_shard().await? {
                Some(iterator) => iterator,
                None => return Ok(true),
            },
        };
        // Without an answer, the same page is read again.
        let page = self
            .target
            .call("GetRecords", json!({ "ShardIterator": iterator }))
            .await?;
        let records = page["Records"].as_array().into_iter().flatten();
        let records: Vec<StreamedRecord> = records.filter_map(|record| self.record(record)).collect();
        self.iterator = page["NextShardIterator"].as_str().map(str::to_owned);
        let is_empty = records.is_empty() && self.iterator.is_some();
        self.read.records.extend(records);
        Ok(is_empty)
    }

    /// Goes to the beginning of the first shard that was not read, if there is one.
    async fn next_shard(&mut self) -> Result<Option<String>, CallError> {
        let stream = match &self.stream {
            Some(stream) => stream.clone(),
            None => {
                let table = json!({ "TableName": self.table.name });
                let described = self.target.call("DescribeTable", table).await?;
                let Some(stream) = described["Table"]["LatestStreamArn"].as_str() else {
                    return Ok(None);
                };
                self.stream.insert(stream.to_owned()).clone()
            }
        };
        let described = self
            .target
            .call("DescribeStream", json!({ "StreamArn": stream }))
            .await?;
        let shards = described["StreamDescription"]["Shards"]
            .as_array()
            .into_iter()
            .flatten();
        // The ids of shards are in the order in which they were opened.
        let mut ids = shards.filter_map(|shard| shard["ShardId"].as_str());
        let Some(next) = ids.find(|id| self.shard.as_deref().is_none_or(|read| *id > read)) else {
            return Ok(None);
        };
        let start = json!({ "StreamArn": stream, "ShardId": next, "ShardIteratorType": "TRIM_HORIZON" });
        let begun = self.target.call("GetShardIterator", start).await?;
        self.shard = Some(next.to_owned());
        self.iterator = begun["ShardIterator"].as_str().map(str::to_owned);
        Ok(self.iterator.clone())
    }

    /// A record in the oracle's terms; `None` if it has no key.
    fn record(&self, record: &Value) -> Option<StreamedRecord> {
        let change = &record["dynamodb"];
        Some(StreamedRecord {
            key: key_text_of_json(self.table.key.iter().map(String::as_str), &change["Keys"])?,
            event: record["eventName"].as_str().unwrap_or_default().to_owned(),
            old: image(&change["OldImage"]),
            new: image(&change["NewImage"]),
        })
    }
}

fn image(image: &Value) -> Option<StreamedImage> {
    let item = item_from_json(image.clone()).ok()?;
    let Content { marker, image_hash, .. } = Content::of(&item, None);
    Some(StreamedImage {
        marker,
        hash: image_hash,
    })
}
