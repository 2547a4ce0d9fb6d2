//! Streams of a table that several regions write to: every region's stream has every change that it
//! applied, across shards and restarts.

use std::collections::BTreeMap;

use beringia_item::{Cause, Item};
use beringia_storage::{Change, ItemEffect, ItemWrite, Refusal};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::support::TestCluster;

const TABLE: &str = "Things";
const SHARD_AGE_MS: u64 = 60_000;

/// Reads a region's stream as the Kinesis Client Library does: children after their parents, each
/// from its oldest record on. It remembers sequence numbers, not iterators.
#[derive(Default)]
struct Consumer {
    /// For each shard, the last sequence number that was read; empty if none was.
    checkpoints: BTreeMap<String, String>,
    /// Shards that were read to their end.
    finished: Vec<String>,
    records: Vec<Value>,
}

impl Consumer {
    /// Reads all available records.
    async fn catch_up(&mut self, cluster: &TestCluster, site: usize) {
        let listed = cluster.ask(site, "ListStreams", json!({"TableName": TABLE})).await;
        let arn = &listed["Streams"][0]["StreamArn"];
        let described = cluster.ask(site, "DescribeStream", json!({"StreamArn": arn})).await;
        let shards = described["StreamDescription"]["Shards"].as_array().unwrap();
        for shard in shards {
            let id = shard["ShardId"].as_str().unwrap();
            let parent = shard["ParentShardId"].as_str();
            let ready = parent.is_none_or(|parent| self.finished.iter().any(|finished| finished == parent));
            if ready && !self.finished.iter().any(|finished| finished == id) {
                self.read(cluster, site, arn, id).await;
            }
        }
    }

    async fn read(&mut self, cluster: &TestCluster, site: usize, arn: &Value, shard: &str) {
        let checkpoint = self.checkpoints.entry(shard.to_owned()).or_default();
        let mut from = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        if !checkpoint.is_empty() {
            from["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
            from["SequenceNumber"] = json!(checkpoint);
        }
        let mut iterator = cluster.ask(site, "GetShardIterator", from).await["ShardIterator"].clone();
        loop {
            let page = cluster
                .ask(site, "GetRecords", json!({"ShardIterator": iterator, "Limit": 3}))
                .await;
            let records = page["Records"].as_array().unwrap();
            if let Some(last) = records.last() {
                *checkpoint = last["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned();
            }
            self.records.extend(records.iter().cloned());
            match page.get("NextShardIterator") {
                None => return self.finished.push(shard.to_owned()),
                Some(_) if records.is_empty() => return,
                Some(next) => iterator = next.clone(),
            }
        }
    }

    /// The history of each item, in order: event and value.
    fn histories(&self) -> BTreeMap<String, Vec<(String, String)>> {
        let mut histories: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for record in &self.records {
            let change = &record["dynamodb"];
            let text = |value: &Value| value["S"].as_str().unwrap_or_default().to_owned();
            let event = record["eventName"].as_str().unwrap().to_owned();
            histories
                .entry(text(&change["Keys"]["pk"]))
                .or_default()
                .push((event, text(&change["NewImage"]["v"])));
        }
        histories
    }
}

/// A table with replicas in all regions.
async fn cluster(names: &[&str]) -> TestCluster {
    let cluster = TestCluster::start_streaming(names, SHARD_AGE_MS).await;
    cluster.create_table(0, TABLE).await;
    for site in 1..names.len() {
        cluster.add_replica(0, TABLE, site).await;
    }
    cluster
}

#[tokio::test(start_paused = true)]
async fn streams_have_local_and_remote_changes_across_restarts() {
    let mut cluster = cluster(&["us-east-1", "eu-west-1", "ap-northeast-1"]).await;
    let mut consumers: [Consumer; 3] = Default::default();
    let mut expected: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for round in 0..6_usize {
        for site in 0..3 {
            let (key, value) = (format!("k{site}"), format!("{round}"));
            let event = if round % 3 == 0 { "INSERT" } else { "MODIFY" };
            cluster.put(site, TABLE, &key, &value).await;
            // A write that changes nothing adds no record.
            cluster.put(site, TABLE, &key, &value).await;
            expected.entry(key.clone()).or_default().push((event.to_owned(), value));
            if round % 3 == 2 {
                cluster.delete(site, TABLE, &key).await;
                expected
                    .entry(key)
                    .or_default()
                    .push(("REMOVE".to_owned(), String::new()));
            }
        }
        cluster.until(async || cluster.same(&[0, 1, 2], TABLE).await).await;
        for (site, consumer) in consumers.iter_mut().enumerate() {
            consumer.catch_up(&cluster, site).await;
        }
        sleep(Duration::from_millis(SHARD_AGE_MS / 2)).await;
        cluster.kill(round % 3);
        cluster.run(round % 3).await;
    }
    for (site, consumer) in consumers.iter_mut().enumerate() {
        consumer.catch_up(&cluster, site).await;
        // A closed shard may have made its child ready only now.
        consumer.catch_up(&cluster, site).await;
        assert_eq!(consumer.histories(), expected, "in {}", cluster.region(site));
        assert!(consumer.finished.len() >= 2, "shards were rolled over");
        let regions: Vec<_> = consumer
            .records
            .iter()
            .map(|record| record["awsRegion"].clone())
            .collect();
        assert!(
            regions
                .iter()
                .all(|region| *region == json!(cluster.region(site).as_str()))
        );
    }
}

/// The stream of a region, as each operation names it: ARN and label.
async fn named(cluster: &TestCluster, site: usize) -> (String, String) {
    let described = cluster.ask(site, "DescribeTable", json!({"TableName": TABLE})).await;
    let table = &described["Table"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (arn, label) = (text(&table["LatestStreamArn"]), text(&table["LatestStreamLabel"]));
    let region = cluster.region(site);
    assert_eq!(
        arn,
        format!("arn:aws:dynamodb:{region}:000000000000:table/{TABLE}/stream/{label}")
    );
    let listed = cluster.ask(site, "ListStreams", json!({"TableName": TABLE})).await;
    assert_eq!(
        listed,
        json!({"Streams": [{"StreamArn": arn, "StreamLabel": label, "TableName": TABLE}]})
    );
    let described = cluster.ask(site, "DescribeStream", json!({"StreamArn": arn})).await;
    let stream = &described["StreamDescription"];
    assert_eq!(
        (&stream["StreamArn"], &stream["StreamLabel"]),
        (&json!(arn), &json!(label))
    );
    let from = json!({
        "StreamArn": arn, "ShardId": stream["Shards"][0]["ShardId"], "ShardIteratorType": "TRIM_HORIZON",
    });
    cluster.ask(site, "GetShardIterator", from).await;
    (arn, label)
}

/// Clients find a stream by its ARN in its own region only, even if they correct the region in it.
#[tokio::test(start_paused = true)]
async fn each_region_labels_its_stream_and_accepts_no_other() {
    let mut cluster = cluster(&["us-east-1", "eu-west-1", "ap-northeast-1"]).await;
    let mut names = Vec::new();
    for site in 0..3 {
        names.push(named(&cluster, site).await);
    }
    for site in 0..3 {
        for other in (0..3).filter(|other| *other != site) {
            assert_ne!(names[site].1, names[other].1);
            let own = cluster.region(site);
            let label = &names[other].1;
            let arn = format!("arn:aws:dynamodb:{own}:000000000000:table/{TABLE}/stream/{label}");
            let from = json!({"StreamArn": arn, "ShardId": "shardId-00000001700000000000-00000000", "ShardIteratorType": "LATEST"});
            for (operation, request) in [
                ("DescribeStream", json!({"StreamArn": arn})),
                ("GetShardIterator", from),
            ] {
                let refused = cluster.try_ask(site, operation, request).await;
                let expected = json!({
                    "__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
                    "message": format!("Requested resource not found: Stream: {arn} not found"),
                });
                assert_eq!(refused, (400, expected), "{operation}");
            }
            let arn = &names[other].0;
            let (status, refused) = cluster.try_ask(site, "DescribeStream", json!({"StreamArn": arn})).await;
            let message = format!("1 validation error detected: Invalid AWS region in '{arn}'");
            assert_eq!((status, &refused["message"]), (400, &json!(message)));
        }
    }
    cluster.kill(1);
    cluster.run(1).await;
    for (site, names) in names.iter().enumerate() {
        assert_eq!(
            named(&cluster, site).await,
            *names,
            "after a restart of the second region"
        );
    }
}

/// A delete as the expiry task makes it.
struct Expire;

impl Change for Expire {
    fn needs_current(&self) -> bool {
        false
    }

    fn decide(&mut self, _: Option<&Item>) -> Result<ItemEffect, Refusal> {
        Ok(ItemEffect::Delete)
    }
}

/// DynamoDB Streams mark such a delete with the service's identity.
#[tokio::test(start_paused = true)]
async fn only_the_expiring_region_attributes_the_delete_to_ttl() {
    let cluster = cluster(&["us-east-1", "eu-west-1"]).await;
    cluster.put(1, TABLE, "session", "1").await;
    cluster
        .until(async || cluster.get(0, TABLE, "session").await.is_some())
        .await;
    let expire = ItemWrite {
        table: cluster.table_id(0, TABLE),
        replica_epoch: None,
        key: cluster.key(0, TABLE, "session"),
        cause: Cause::TimeToLive,
        change: Box::new(Expire),
    };
    cluster.store(0).commit(vec![expire]).await.unwrap();
    cluster
        .until(async || cluster.get(1, TABLE, "session").await.is_none())
        .await;
    let service = json!({"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"});
    for (site, identity) in [(0, Some(&service)), (1, None)] {
        let mut consumer = Consumer::default();
        consumer.catch_up(&cluster, site).await;
        let [insert, remove] = &consumer.records[..] else {
            panic!("two records: {:?}", consumer.records)
        };
        assert_eq!(insert.get("userIdentity"), None);
        assert_eq!(
            (remove["eventName"].as_str(), remove.get("userIdentity")),
            (Some("REMOVE"), identity)
        );
        assert_eq!(remove["dynamodb"]["OldImage"]["v"], json!({"S": "1"}));
    }
}

#[tokio::test(start_paused = true)]
async fn stream_continues_in_a_new_shard_after_a_lost_disk() {
    let mut cluster = cluster(&["us-east-1", "eu-west-1"]).await;
    cluster.put(0, TABLE, "early", "1").await;
    cluster.until(async || cluster.same(&[0, 1], TABLE).await).await;
    let mut consumer = Consumer::default();
    consumer.catch_up(&cluster, 1).await;
    cluster.kill(1);
    cluster.lose_disk(1);
    cluster.run(1).await;
    cluster
        .until(async || cluster.replica_status(1, TABLE, 1).await == "ACTIVE" && cluster.same(&[0, 1], TABLE).await)
        .await;
    cluster.put(0, TABLE, "late", "2").await;
    cluster.until(async || cluster.same(&[0, 1], TABLE).await).await;
    consumer.catch_up(&cluster, 1).await;
    let once = |value: &str| vec![("INSERT".to_owned(), value.to_owned())];
    let expected = BTreeMap::from([("early".to_owned(), once("1")), ("late".to_owned(), once("2"))]);
    assert_eq!(
        consumer.histories(),
        expected,
        "rows that the copy restored are not changes"
    );
    let numbers: Vec<u128> = consumer
        .records
        .iter()
        .map(|record| record["dynamodb"]["SequenceNumber"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}
