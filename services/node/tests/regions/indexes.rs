//! Global secondary indexes that are added and removed while regions write.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::World;

const TABLE: &str = "Carts";
const INDEX: &str = "by-kind";

async fn update(world: &World, site: usize, change: Value) {
    let definition = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let request = json!({
        "TableName": TABLE,
        "AttributeDefinitions": [definition("kind"), definition("pk")],
        "GlobalSecondaryIndexUpdates": [change],
    });
    world.ask(site, "UpdateTable", request).await;
}

async fn write(world: &World, site: usize, key: &str) {
    let item = json!({"pk": {"S": key}, "kind": {"S": "fruit"}, "from": {"N": site.to_string()}});
    world
        .ask(site, "PutItem", json!({"TableName": TABLE, "Item": item}))
        .await;
}

/// Whether a region's index can be read.
async fn is_active(world: &World, site: usize) -> bool {
    let described = world.ask(site, "DescribeTable", json!({"TableName": TABLE})).await;
    described["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
}

/// The keys in a region's index.
async fn indexed(world: &World, site: usize) -> BTreeSet<String> {
    let mut request = json!({
        "TableName": TABLE, "IndexName": INDEX, "KeyConditionExpression": "kind = :k",
        "ExpressionAttributeValues": {":k": {"S": "fruit"}},
    });
    let mut keys = BTreeSet::new();
    loop {
        let mut page = world.ask(site, "Query", request.clone()).await;
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
    let world = World::start(&["eu-west-1", "us-east-1"]).await;
    world.create_table(0, TABLE).await;
    world.add_replica(0, TABLE, 1).await;
    let mut keys = BTreeSet::new();
    for number in 0..600 {
        keys.insert(format!("before-{number}"));
        write(&world, number % 2, &format!("before-{number}")).await;
    }
    let create = json!({"Create": {
        "IndexName": INDEX,
        "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "pk", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }});
    update(&world, 1, create).await;
    for number in 0..100 {
        keys.insert(format!("meanwhile-{number}"));
        write(&world, number % 2, &format!("meanwhile-{number}")).await;
    }
    // One item leaves the index, and one leaves the table, in the region that did not get the
    // request.
    let other = json!({"pk": {"S": "before-4"}, "kind": {"S": "tool"}});
    world
        .ask(0, "PutItem", json!({"TableName": TABLE, "Item": other}))
        .await;
    world.delete(0, TABLE, "before-2").await;
    keys.remove("before-4");
    keys.remove("before-2");
    for site in [0, 1] {
        world.until(async || is_active(&world, site).await).await;
        world.until(async || indexed(&world, site).await == keys).await;
    }
    world.until(async || world.same(&[0, 1], TABLE).await).await;

    update(&world, 0, json!({"Delete": {"IndexName": INDEX}})).await;
    for site in [0, 1] {
        let gone = async || {
            let described = world.ask(site, "DescribeTable", json!({"TableName": TABLE})).await;
            described["Table"]["GlobalSecondaryIndexes"].is_null()
        };
        world.until(gone).await;
    }
}
