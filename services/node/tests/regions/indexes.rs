//! Global secondary indexes that are added and removed while regions write.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::TestCluster;

const TABLE: &str = "Carts";
const INDEX: &str = "by-kind";

async fn update(cluster: &TestCluster, site: usize, change: Value) {
    let definition = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let request = json!({
        "TableName": TABLE,
        "AttributeDefinitions": [definition("kind"), definition("pk")],
        "GlobalSecondaryIndexUpdates": [change],
    });
    cluster.ask(site, "UpdateTable", request).await;
}

async fn write(cluster: &TestCluster, site: usize, key: &str) {
    let item = json!({"pk": {"S": key}, "kind": {"S": "fruit"}, "from": {"N": site.to_string()}});
    cluster
        .ask(site, "PutItem", json!({"TableName": TABLE, "Item": item}))
        .await;
}

/// Whether a region's index can be read.
async fn is_active(cluster: &TestCluster, site: usize) -> bool {
    let described = cluster.ask(site, "DescribeTable", json!({"TableName": TABLE})).await;
    described["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
}

/// The keys in a region's index.
async fn indexed(cluster: &TestCluster, site: usize) -> BTreeSet<String> {
    let mut request = json!({
        "TableName": TABLE, "IndexName": INDEX, "KeyConditionExpression": "kind = :k",
        "ExpressionAttributeValues": {":k": {"S": "fruit"}},
    });
    let mut keys = BTreeSet::new();
    loop {
        let mut page = cluster.ask(site, "Query", request.clone()).await;
        let items = page["Items"].as_array().into_iter().flatten();
        keys.extend(items.map(|item| item["pk"]["S"].as_str().unwrap().to_owned()));
        if page["LastEvaluatedKey"].is_null() {
            return keys;
        }
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"].take();
    }
}

/// All regions write meanwhile.
#[tokio::test(start_paused = true)]
async fn index_added_in_one_region_is_built_in_all() {
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, TABLE).await;
    cluster.add_replica(0, TABLE, 1).await;
    let mut keys = BTreeSet::new();
    for number in 0..600 {
        keys.insert(format!("before-{number}"));
        write(&cluster, number % 2, &format!("before-{number}")).await;
    }
    let create = json!({"Create": {
        "IndexName": INDEX,
        "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "pk", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }});
    update(&cluster, 1, create).await;
    for number in 0..100 {
        keys.insert(format!("meanwhile-{number}"));
        write(&cluster, number % 2, &format!("meanwhile-{number}")).await;
    }
    // One item leaves the index, and one leaves the table, in the region that did not get the
    // request.
    let other = json!({"pk": {"S": "before-4"}, "kind": {"S": "tool"}});
    cluster
        .ask(0, "PutItem", json!({"TableName": TABLE, "Item": other}))
        .await;
    cluster.delete(0, TABLE, "before-2").await;
    keys.remove("before-4");
    keys.remove("before-2");
    for site in [0, 1] {
        cluster.until(async || is_active(&cluster, site).await).await;
        cluster.until(async || indexed(&cluster, site).await == keys).await;
    }
    cluster.until(async || cluster.same(&[0, 1], TABLE).await).await;

    update(&cluster, 0, json!({"Delete": {"IndexName": INDEX}})).await;
    for site in [0, 1] {
        let gone = async || {
            let described = cluster.ask(site, "DescribeTable", json!({"TableName": TABLE})).await;
            described["Table"]["GlobalSecondaryIndexes"].is_null()
        };
        cluster.until(gone).await;
    }
}
