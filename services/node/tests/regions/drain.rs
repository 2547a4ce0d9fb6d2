//! Draining a region: it refuses writes, and reports when the last one has arrived everywhere.

use std::time::Duration;

use beringia_item::TableId;
use beringia_node::{Drain, Obstacle};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::TestCluster;

async fn with_a_table(names: &[&str]) -> (TestCluster, TableId) {
    let cluster = TestCluster::start_with_delay(names, 30).await;
    cluster.create_table(0, "Carts").await;
    for site in 1..names.len() {
        cluster.add_replica(0, "Carts", site).await;
    }
    let table = cluster.table_id(0, "Carts");
    (cluster, table)
}

async fn drain(cluster: &TestCluster, site: usize) -> Drain {
    cluster.node(site).drain_state().await.expect("it is being drained")
}

/// The obstacle of each peer, for one table.
fn obstacles(drain: &Drain, table: TableId) -> Vec<(&str, Option<Obstacle>)> {
    let of_table = drain.watermarks.iter().filter(|watermark| watermark.table == table);
    of_table
        .map(|watermark| (watermark.peer.as_str(), watermark.obstacle))
        .collect()
}

fn writes() -> [(&'static str, Value); 11] {
    let (name, item) = ("Carts", json!({"pk": {"S": "k"}}));
    let arn = "arn:aws:dynamodb:ap:000000000000:table/Carts";
    [
        ("PutItem", json!({"TableName": name, "Item": item})),
        ("UpdateItem", json!({"TableName": name, "Key": item})),
        ("DeleteItem", json!({"TableName": name, "Key": item})),
        (
            "BatchWriteItem",
            json!({"RequestItems": {name: [{"PutRequest": {"Item": item}}]}}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [{"Put": {"TableName": name, "Item": item}}]}),
        ),
        (
            "CreateTable",
            json!({
                "TableName": "Other",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            }),
        ),
        (
            "UpdateTable",
            json!({"TableName": name, "DeletionProtectionEnabled": true}),
        ),
        ("DeleteTable", json!({"TableName": name})),
        (
            "UpdateTimeToLive",
            json!({"TableName": name, "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "t"}}),
        ),
        (
            "TagResource",
            json!({"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "b"}]}),
        ),
        ("UntagResource", json!({"ResourceArn": arn, "TagKeys": ["a"]})),
    ]
}

/// This lasts until the region is opened again.
#[tokio::test(start_paused = true)]
async fn drained_region_refuses_all_writes_and_serves_reads() {
    let (cluster, _) = with_a_table(&["ap", "eu"]).await;
    cluster.put(0, "Carts", "k", "v").await;
    assert_eq!(cluster.node(0).drain_state().await, None);
    cluster.node(0).drain();
    for (operation, body) in writes() {
        let (status, answer) = cluster.try_ask(0, operation, body).await;
        assert_eq!(status, 503, "{operation}: {answer}");
        let kind = answer["__type"].as_str().unwrap();
        assert!(kind.ends_with("#ServiceUnavailable"), "{operation}: {kind}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with("ap is being drained"), "{message}");
    }
    let key = json!({"pk": {"S": "k"}});
    for (operation, body) in [
        ("GetItem", json!({"TableName": "Carts", "Key": key})),
        ("BatchGetItem", json!({"RequestItems": {"Carts": {"Keys": [key]}}})),
        (
            "TransactGetItems",
            json!({"TransactItems": [{"Get": {"TableName": "Carts", "Key": key}}]}),
        ),
        ("Scan", json!({"TableName": "Carts"})),
        (
            "Query",
            json!({
                "TableName": "Carts",
                "KeyConditionExpression": "pk = :k",
                "ExpressionAttributeValues": {":k": {"S": "k"}},
            }),
        ),
        ("DescribeTable", json!({"TableName": "Carts"})),
        ("ListTables", json!({})),
    ] {
        cluster.ask(0, operation, body).await;
    }
    cluster.put(1, "Carts", "elsewhere", "v").await;
    cluster
        .until(async || cluster.get(0, "Carts", "elsewhere").await.is_some())
        .await;
    cluster.node(0).undrain();
    assert_eq!(cluster.node(0).drain_state().await, None);
    cluster.put(0, "Carts", "k", "w").await;
}

#[tokio::test(start_paused = true)]
async fn drain_completes_once_every_peer_acked_the_last_write() {
    let (cluster, table) = with_a_table(&["ap", "eu", "us"]).await;
    for number in 0..50 {
        cluster.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    cluster.node(0).drain();
    let started = drain(&cluster, 0).await;
    assert!(!started.is_complete(), "bytes take 30 ms: {started:?}");
    assert_eq!(
        obstacles(&started, table),
        [("eu", Some(Obstacle::Behind)), ("us", Some(Obstacle::Behind))]
    );
    cluster.until(async || drain(&cluster, 0).await.is_complete()).await;
    let done = drain(&cluster, 0).await;
    assert_eq!(done.since_ms, started.since_ms);
    assert_eq!(done.watermarks.len(), 4, "two peers, the table and the catalog");
    let own = cluster.store(0).vectors()[&table].get(&cluster.origin(0));
    for watermark in done.watermarks.iter().filter(|watermark| watermark.table == table) {
        assert_eq!((watermark.last, watermark.acknowledged), (own, own));
        let way_ms = watermark.acknowledged_ms.unwrap() - done.since_ms;
        assert!((60..2000).contains(&way_ms), "there and back again: {way_ms}");
    }
    for site in 1..3 {
        assert_eq!(cluster.get(site, "Carts", "k49").await.as_deref(), Some("v"));
    }
}

/// A relay has brought the peer everything, but the drained region cannot know that.
#[tokio::test(start_paused = true)]
async fn drain_does_not_count_an_unreachable_peer() {
    let (cluster, table) = with_a_table(&["ap", "eu", "us"]).await;
    cluster.cut(0, 1);
    cluster.put(0, "Carts", "k", "v").await;
    cluster.node(0).drain();
    cluster
        .until(async || cluster.get(1, "Carts", "k").await.is_some())
        .await;
    sleep(Duration::from_secs(10)).await;
    let state = drain(&cluster, 0).await;
    assert!(!state.is_complete());
    assert_eq!(
        obstacles(&state, table),
        [("eu", Some(Obstacle::Unreachable)), ("us", None)]
    );
    let eu = state
        .watermarks
        .iter()
        .find(|watermark| watermark.peer.as_str() == "eu");
    assert_eq!(eu.map(|eu| (eu.acknowledged, eu.acknowledged_ms)), Some((0, None)));
    let missing = |peer: &str| {
        let of_peer =
            |watermark: &&beringia_node::DrainWatermark| (watermark.peer.as_str(), watermark.table) == (peer, table);
        state.watermarks.iter().find(of_peer).unwrap().missing.mutations
    };
    assert_eq!((missing("eu"), missing("us")), (1, 0));
    cluster.heal();
    cluster.until(async || drain(&cluster, 0).await.is_complete()).await;
}

#[tokio::test(start_paused = true)]
async fn drain_names_a_pause_and_a_bootstrap_as_obstacles() {
    let (cluster, table) = with_a_table(&["ap", "eu"]).await;
    cluster.node(0).pause_replication(table).unwrap();
    cluster.put(0, "Carts", "k", "v").await;
    cluster.node(0).drain();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        obstacles(&drain(&cluster, 0).await, table),
        [("eu", Some(Obstacle::Paused))]
    );
    cluster.node(0).resume_replication(table);
    cluster.until(async || drain(&cluster, 0).await.is_complete()).await;
    cluster.node(0).undrain();

    let (cluster, _) = with_a_table(&["ap", "eu"]).await;
    cluster.create_table(0, "Orders").await;
    cluster.put(0, "Orders", "k", "v").await;
    cluster.ask_for_replica(0, "Orders", 1).await;
    cluster.node(0).drain();
    let orders = cluster.table_id(0, "Orders");
    assert_eq!(
        obstacles(&drain(&cluster, 0).await, orders),
        [("eu", Some(Obstacle::Filling))]
    );
    cluster.until(async || drain(&cluster, 0).await.is_complete()).await;
    assert_eq!(cluster.get(1, "Orders", "k").await.as_deref(), Some("v"));
}

#[tokio::test(start_paused = true)]
async fn region_without_own_writes_is_drained_at_once() {
    let (cluster, table) = with_a_table(&["ap", "eu", "us"]).await;
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    cluster.put(0, "Carts", "k", "v").await;
    cluster.cut(1, 2);
    sleep(Duration::from_secs(10)).await;
    cluster.node(2).drain();
    let state = drain(&cluster, 2).await;
    assert_eq!(obstacles(&state, table), [("ap", None), ("eu", None)]);
}
