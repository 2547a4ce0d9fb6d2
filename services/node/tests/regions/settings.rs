//! Settings of a global table: which are the same in every region, whichever region changes them,
//! and which stay in their region (developer guide, "How DynamoDB global tables work", "Settings
//! synchronization").

use serde_json::{Value, json};

use crate::support::World;

const TABLE: &str = "Carts";

/// Two regions with a provisioned table, created in the first with every setting that a table can
/// have.
async fn world() -> World {
    let world = World::start(&["eu-west-1", "us-east-1"]).await;
    let create = json!({
        "TableName": TABLE,
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "x", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        "WarmThroughput": {"ReadUnitsPerSecond": 50, "WriteUnitsPerSecond": 60},
        "TableClass": "STANDARD_INFREQUENT_ACCESS",
        "DeletionProtectionEnabled": true,
        "Tags": [{"Key": "team", "Value": "shop"}],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by-x",
            "KeySchema": [{"AttributeName": "x", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
        }],
    });
    world.ask(0, "CreateTable", create).await;
    world.add_replica(0, TABLE, 1).await;
    world
}

async fn described(world: &World, site: usize) -> Value {
    let table = json!({"TableName": TABLE});
    world.ask(site, "DescribeTable", table).await["Table"].take()
}

/// The synchronised settings of the table, as a region shows them.
async fn followed(world: &World, site: usize) -> Value {
    let table = described(world, site).await;
    let units = |of: &Value| {
        let (bought, warm) = (&of["ProvisionedThroughput"], &of["WarmThroughput"]);
        json!({
            "bought": [bought["ReadCapacityUnits"], bought["WriteCapacityUnits"]],
            "warm": [warm["ReadUnitsPerSecond"], warm["WriteUnitsPerSecond"]],
            "maxima": of["OnDemandThroughput"],
        })
    };
    let indexes = table["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
    let indexes: Vec<Value> = indexes
        .map(|index| {
            json!([
                index["IndexName"],
                index["KeySchema"],
                index["Projection"],
                index["IndexStatus"],
                units(index)
            ])
        })
        .collect();
    let time_to_live = world.ask(site, "DescribeTimeToLive", json!({"TableName": TABLE})).await;
    json!({
        "status": table["TableStatus"],
        "keys": table["KeySchema"],
        "mode": table["BillingModeSummary"],
        "units": units(&table),
        "class": table["TableClassSummary"],
        "stream": table["StreamSpecification"],
        "indexes": indexes,
        "time to live": time_to_live["TimeToLiveDescription"],
    })
}

/// Waits until both regions show the same settings and the one at `place` is `wanted`.
async fn shows(world: &World, place: &str, wanted: Value) {
    let both = async || {
        let (here, there) = (followed(world, 0).await, followed(world, 1).await);
        here["status"] == "ACTIVE" && here == there && here.pointer(place) == Some(&wanted)
    };
    world.until(both).await;
}

async fn update(world: &World, site: usize, change: Value) {
    let mut request = json!({"TableName": TABLE});
    let members = change.as_object().cloned().unwrap_or_default();
    request.as_object_mut().unwrap().extend(members);
    world.ask(site, "UpdateTable", request).await;
}

async fn tags(world: &World, site: usize) -> Value {
    let arn = described(world, site).await["TableArn"].take();
    world.ask(site, "ListTagsOfResource", json!({"ResourceArn": arn})).await["Tags"].take()
}

#[tokio::test(start_paused = true)]
async fn synchronised_settings_are_equal_in_every_region() {
    let world = world().await;
    shows(&world, "/units/bought", json!([5, 6])).await;
    shows(&world, "/units/warm", json!([50, 60])).await;
    shows(&world, "/class/TableClass", json!("STANDARD_INFREQUENT_ACCESS")).await;
    shows(&world, "/indexes/0/4/bought", json!([3, 4])).await;
    let view = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    shows(&world, "/stream", view).await;

    let units = json!({"ReadCapacityUnits": 7, "WriteCapacityUnits": 8});
    update(&world, 1, json!({"ProvisionedThroughput": units})).await;
    shows(&world, "/units/bought", json!([7, 8])).await;
    let warm = json!({"ReadUnitsPerSecond": 70, "WriteUnitsPerSecond": 80});
    update(&world, 1, json!({"WarmThroughput": warm})).await;
    shows(&world, "/units/warm", json!([70, 80])).await;
    update(&world, 0, json!({"TableClass": "STANDARD"})).await;
    shows(&world, "/class/TableClass", json!("STANDARD")).await;

    let maxima = json!({"MaxReadRequestUnits": 100, "MaxWriteRequestUnits": 200});
    let on_demand = json!({"BillingMode": "PAY_PER_REQUEST", "OnDemandThroughput": maxima});
    update(&world, 1, on_demand).await;
    shows(&world, "/mode/BillingMode", json!("PAY_PER_REQUEST")).await;
    shows(&world, "/units/maxima", maxima.clone()).await;
    let of_index = json!([{"Update": {"IndexName": "by-x", "OnDemandThroughput": maxima}}]);
    update(&world, 0, json!({"GlobalSecondaryIndexUpdates": of_index})).await;
    shows(&world, "/indexes/0/4/maxima", maxima).await;

    let added = json!([{"Create": {
        "IndexName": "by-y",
        "KeySchema": [{"AttributeName": "y", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }}]);
    let definitions = json!([{"AttributeName": "y", "AttributeType": "N"}]);
    let add = json!({"AttributeDefinitions": definitions, "GlobalSecondaryIndexUpdates": added});
    update(&world, 1, add).await;
    shows(&world, "/indexes/1/0", json!("by-y")).await;
    let removed = json!([{"Delete": {"IndexName": "by-x"}}]);
    update(&world, 0, json!({"GlobalSecondaryIndexUpdates": removed})).await;
    shows(&world, "/indexes/0/0", json!("by-y")).await;

    let expiry = json!({"TableName": TABLE, "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "until"}});
    world.ask(1, "UpdateTimeToLive", expiry).await;
    let enabled = json!({"TimeToLiveStatus": "ENABLED", "AttributeName": "until"});
    shows(&world, "/time to live", enabled).await;
}

#[tokio::test(start_paused = true)]
async fn deletion_protection_and_tags_stay_in_their_region() {
    let world = world().await;
    let protected = async |site| described(&world, site).await["DeletionProtectionEnabled"].take();
    assert_eq!((protected(0).await, protected(1).await), (json!(true), json!(false)));
    let team = json!([{"Key": "team", "Value": "shop"}]);
    assert_eq!(
        (tags(&world, 0).await, tags(&world, 1).await),
        (team.clone(), json!([]))
    );

    update(&world, 0, json!({"DeletionProtectionEnabled": false})).await;
    update(&world, 1, json!({"DeletionProtectionEnabled": true})).await;
    let arn = described(&world, 1).await["TableArn"].take();
    let stage = json!([{"Key": "stage", "Value": "test"}]);
    world
        .ask(1, "TagResource", json!({"ResourceArn": arn, "Tags": stage}))
        .await;
    // Synchronised settings that were changed later have arrived, so these would have arrived, too.
    // One after the other: how a table is billed is a single setting, of which the last change is
    // kept.
    update(&world, 0, json!({"TableClass": "STANDARD"})).await;
    shows(&world, "/class/TableClass", json!("STANDARD")).await;
    update(&world, 1, json!({"WarmThroughput": {"ReadUnitsPerSecond": 99}})).await;
    shows(&world, "/units/warm", json!([99, 60])).await;
    assert_eq!((protected(0).await, protected(1).await), (json!(false), json!(true)));
    assert_eq!((tags(&world, 0).await, tags(&world, 1).await), (team, stage));
    let (status, refused) = world.try_ask(1, "DeleteTable", json!({"TableName": TABLE})).await;
    assert_eq!(
        (
            status,
            refused["__type"].as_str().unwrap_or_default().contains("Validation")
        ),
        (400, true)
    );
}
