//! Common parts of the tests of the streams service.

mod records;
mod refused;
mod shards;

use beringia_clock::WallClock;
use beringia_engine::{
    ApiError,
    api::{
        CreateTableInput, DeleteItemInput, DescribeStreamInput, EventName, GetRecordsInput, GetRecordsOutput,
        GetShardIteratorInput, ListStreamsInput, Record, ShardIteratorType, StreamDescription, StreamSpecification,
        StreamViewType, UpdateItemInput, UpdateTableInput, WriteOptions,
    },
};
use beringia_item::Item;
use beringia_storage::Store;

use crate::support::*;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

fn with_stream(table: CreateTableInput, view: StreamViewType) -> CreateTableInput {
    CreateTableInput {
        stream_specification: Some(StreamSpecification {
            stream_enabled: true,
            stream_view_type: Some(view),
        }),
        ..table
    }
}

impl Harness {
    /// A harness with the table `simple`, whose stream has the given view type.
    async fn streaming(view: StreamViewType) -> Self {
        let harness = Self::new();
        harness.engine.create_table(with_stream(simple(), view)).await.unwrap();
        harness
    }

    async fn switch(&self, view: Option<StreamViewType>) {
        let input = UpdateTableInput {
            table_name: "simple".to_owned(),
            stream_specification: Some(StreamSpecification {
                stream_enabled: view.is_some(),
                stream_view_type: view,
            }),
            ..UpdateTableInput::default()
        };
        self.engine.update_table(input).await.unwrap();
    }

    fn advance(&self, ms: u64) {
        self.clock.set(self.clock.now_ms() + ms);
    }

    /// Makes the store check the time.
    async fn wake(&self) {
        self.store
            .collect_garbage(&beringia_storage::Acknowledged::default())
            .await
            .unwrap();
    }

    async fn arns(&self, table: Option<&str>) -> Vec<String> {
        let input = ListStreamsInput {
            table_name: table.map(str::to_owned),
            ..ListStreamsInput::default()
        };
        let listed = self.engine.list_streams(input).await.unwrap();
        listed.streams.into_iter().map(|stream| stream.stream_arn).collect()
    }

    async fn arn(&self) -> String {
        self.arns(None).await.remove(0)
    }

    async fn describe(&self, arn: &str) -> StreamDescription {
        let input = DescribeStreamInput {
            stream_arn: arn.to_owned(),
            ..DescribeStreamInput::default()
        };
        self.engine.describe_stream(input).await.unwrap()
    }

    async fn iterator(
        &self,
        arn: &str,
        shard: &str,
        kind: ShardIteratorType,
        number: Option<&str>,
    ) -> Result<String, ApiError> {
        let input = GetShardIteratorInput {
            stream_arn: arn.to_owned(),
            shard_id: shard.to_owned(),
            shard_iterator_type: kind,
            sequence_number: number.map(str::to_owned),
            timestamp_ms: None,
        };
        Ok(self.engine.get_shard_iterator(input).await?.shard_iterator)
    }

    async fn read(&self, iterator: &str, limit: Option<i64>) -> Result<GetRecordsOutput, ApiError> {
        let input = GetRecordsInput {
            shard_iterator: iterator.to_owned(),
            limit,
        };
        self.engine.get_records(input).await
    }

    /// All records of a stream, shard by shard.
    async fn records(&self, arn: &str) -> Vec<Record> {
        let mut records = Vec::new();
        for shard in self.describe(arn).await.shards {
            let oldest = self.iterator(arn, &shard.shard_id, ShardIteratorType::TrimHorizon, None);
            records.extend(self.read(&oldest.await.unwrap(), None).await.unwrap().records);
        }
        records
    }

    async fn set_value(&self, key: &str, expression: &str, value: i64) {
        let input = UpdateItemInput {
            table_name: "simple".to_owned(),
            key: item([("p", s(key))]),
            update_expression: text(expression),
            options: WriteOptions {
                expression_attribute_values: values([(":v", n(value))]),
                ..WriteOptions::default()
            },
            ..UpdateItemInput::default()
        };
        self.engine.update_item(input).await.unwrap();
    }

    async fn remove(&self, key: &str) {
        let input = DeleteItemInput {
            table_name: "simple".to_owned(),
            key: item([("p", s(key))]),
            ..DeleteItemInput::default()
        };
        self.engine.delete_item(input).await.unwrap();
    }
}

fn with(key: &str, value: i64) -> Item {
    item([("p", s(key)), ("v", n(value))])
}

/// The contents of a record: event, key, old image, new image.
type ReportedRecord = (EventName, Item, Option<Item>, Option<Item>);

fn reported(records: &[Record]) -> Vec<ReportedRecord> {
    let tell = |record: &Record| {
        (
            record.event_name,
            record.keys.clone(),
            record.old_image.clone(),
            record.new_image.clone(),
        )
    };
    records.iter().map(tell).collect()
}
