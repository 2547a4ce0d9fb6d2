//! Settings of a global table: which are the same in every region, whichever region changes them,
//! and which stay in their region (developer guide, "How DynamoDB global tables work", "Settings
//! synchronization").

use serde_json::{Value, json};

use crate::support::TestCluster;

const TABLE: &str = "Carts";

/// Two regions with a provisioned table, created in the first with every setting that a table can
/// have.
async fn cluster() -> TestCluster {
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
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
    cluster.ask(0, "CreateTable", create).await;
    cluster.add_replica(0, TABLE, 1).await;
    cluster
}

async fn described(cluster: &TestCluster, site: usize) -> Value {
    let table = json!({"TableName": TABLE});
    cluster.ask(site, "DescribeTable", table).await["Table"].take()
}

/// The synchronised settings of the table, as a region shows them.
async fn followed(cluster: &TestCluster, site: usize) -> Value {
    let table = described(cluster, site).await;
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
    let time_to_live = cluster
        .ask(site, "DescribeTimeToLive", json!({"TableName": TABLE}))
        .await;
    json!({
        "status": table["TableStatus"],
        "keys": table["KeySchema"],
        "mode": table["BillingModeSummary"],
        "units": units(&table),
        "class": table["TableClassSummary"],
        "stream": table["StreamSpecification"],
        "encryption": table["SSEDescription"]["SSEType"],
        "indexes": indexes,
        "time to live": time_to_live["TimeToLiveDescription"],
    })
}

/// Waits until both regions show the same settings and the one at `place` is `wanted`.
async fn shows(cluster: &TestCluster, place: &str, wanted: Value) {
    let both = async || {
        let (here, there) = (followed(cluster, 0).await, followed(cluster, 1).await);
        here["status"] == "ACTIVE" && here == there && here.pointer(place) == Some(&wanted)
    };
    cluster.until(both).await;
}

async fn update(cluster: &TestCluster, site: usize, change: Value) {
    let mut request = json!({"TableName": TABLE});
    let members = change.as_object().cloned().unwrap_or_default();
    request.as_object_mut().unwrap().extend(members);
    cluster.ask(site, "UpdateTable", request).await;
}

async fn tags(cluster: &TestCluster, site: usize) -> Value {
    let arn = described(cluster, site).await["TableArn"].take();
    cluster
        .ask(site, "ListTagsOfResource", json!({"ResourceArn": arn}))
        .await["Tags"]
        .take()
}

#[tokio::test(start_paused = true)]
async fn synchronised_settings_are_equal_in_every_region() {
    let cluster = cluster().await;
    shows(&cluster, "/units/bought", json!([5, 6])).await;
    shows(&cluster, "/units/warm", json!([50, 60])).await;
    shows(&cluster, "/class/TableClass", json!("STANDARD_INFREQUENT_ACCESS")).await;
    shows(&cluster, "/indexes/0/4/bought", json!([3, 4])).await;
    let view = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    shows(&cluster, "/stream", view).await;

    let units = json!({"ReadCapacityUnits": 7, "WriteCapacityUnits": 8});
    update(&cluster, 1, json!({"ProvisionedThroughput": units})).await;
    shows(&cluster, "/units/bought", json!([7, 8])).await;
    let warm = json!({"ReadUnitsPerSecond": 70, "WriteUnitsPerSecond": 80});
    update(&cluster, 1, json!({"WarmThroughput": warm})).await;
    shows(&cluster, "/units/warm", json!([70, 80])).await;
    update(&cluster, 0, json!({"TableClass": "STANDARD"})).await;
    shows(&cluster, "/class/TableClass", json!("STANDARD")).await;

    shows(&cluster, "/encryption", json!(null)).await;
    update(&cluster, 1, json!({"SSESpecification": {"Enabled": true}})).await;
    shows(&cluster, "/encryption", json!("KMS")).await;
    for site in [0, 1] {
        let arn = described(&cluster, site).await["SSEDescription"]["KMSMasterKeyArn"].take();
        let own = format!("arn:aws:kms:{}:000000000000:key/", cluster.region(site));
        assert!(arn.as_str().is_some_and(|arn| arn.starts_with(&own)), "{arn}");
    }
    update(&cluster, 0, json!({"SSESpecification": {"Enabled": false}})).await;
    shows(&cluster, "/encryption", json!(null)).await;

    let maxima = json!({"MaxReadRequestUnits": 100, "MaxWriteRequestUnits": 200});
    let on_demand = json!({"BillingMode": "PAY_PER_REQUEST", "OnDemandThroughput": maxima});
    update(&cluster, 1, on_demand).await;
    shows(&cluster, "/mode/BillingMode", json!("PAY_PER_REQUEST")).await;
    shows(&cluster, "/units/maxima", maxima.clone()).await;
    let of_index = json!([{"Update": {"IndexName": "by-x", "OnDemandThroughput": maxima}}]);
    update(&cluster, 0, json!({"GlobalSecondaryIndexUpdates": of_index})).await;
    shows(&cluster, "/indexes/0/4/maxima", maxima).await;

    let added = json!([{"Create": {
        "IndexName": "by-y",
        "KeySchema": [{"AttributeName": "y", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }}]);
    let definitions = json!([{"AttributeName": "y", "AttributeType": "N"}]);
    let add = json!({"AttributeDefinitions": definitions, "GlobalSecondaryIndexUpdates": added});
    update(&cluster, 1, add).await;
    shows(&cluster, "/indexes/1/0", json!("by-y")).await;
    let removed = json!([{"Delete": {"IndexName": "by-x"}}]);
    update(&cluster, 0, json!({"GlobalSecondaryIndexUpdates": removed})).await;
    shows(&cluster, "/indexes/0/0", json!("by-y")).await;

    let expiry = json!({"TableName": TABLE, "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "until"}});
    cluster.ask(1, "UpdateTimeToLive", expiry).await;
    let enabled = json!({"TimeToLiveStatus": "ENABLED", "AttributeName": "until"});
    shows(&cluster, "/time to live", enabled).await;
}

/// The description of the key of this id, as the region shows it.
fn encrypted(cluster: &TestCluster, site: usize, key: &str) -> Value {
    let arn = format!("arn:aws:kms:{}:000000000000:key/{key}", cluster.region(site));
    json!({"KMSMasterKeyArn": arn, "SSEType": "KMS", "Status": "ENABLED"})
}

/// Waits until each region shows the encryption that is wanted of it.
async fn shows_encryption(cluster: &TestCluster, wanted: [Value; 2]) {
    let both = async || {
        let here = described(cluster, 0).await;
        let there = described(cluster, 1).await;
        here["SSEDescription"] == wanted[0] && there["SSEDescription"] == wanted[1]
    };
    cluster.until(both).await;
}

/// A replica has the table's key from the start, under the ARN of its own region, and follows every
/// change.
#[tokio::test(start_paused = true)]
async fn each_replica_shows_the_key_as_one_of_its_region() {
    const KEY: &str = "abcd1234-abcd-1234-a123-ab1234a1b234";
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    let customer = json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": KEY});
    let create = json!({
        "TableName": TABLE,
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "SSESpecification": customer,
    });
    cluster.ask(0, "CreateTable", create).await;
    cluster.add_replica(0, TABLE, 1).await;
    let of_customer = [0, 1].map(|site| encrypted(&cluster, site, KEY));
    shows_encryption(&cluster, of_customer.clone()).await;
    for site in [0, 1] {
        let replicas = described(&cluster, site).await["Replicas"].take();
        let other = cluster.region(1 - site);
        assert_eq!(replicas[0]["RegionName"], json!(other.as_str()), "{replicas}");
        assert_eq!(replicas[0].get("KMSMasterKeyId"), None, "{replicas}");
    }

    update(&cluster, 1, json!({"SSESpecification": {"Enabled": true}})).await;
    let managed = |key: &str| [0, 1].map(|site| encrypted(&cluster, site, key));
    shows_encryption(&cluster, managed("a3c27016-7cb5-fecb-f7ba-c26ff943b3f4")).await;
    update(&cluster, 0, json!({"SSESpecification": {"Enabled": false}})).await;
    shows_encryption(&cluster, [Value::Null, Value::Null]).await;
    update(&cluster, 1, json!({"SSESpecification": customer})).await;
    shows_encryption(&cluster, of_customer).await;
}

#[tokio::test(start_paused = true)]
async fn deletion_protection_and_tags_stay_in_their_region() {
    let cluster = cluster().await;
    let protected = async |site| described(&cluster, site).await["DeletionProtectionEnabled"].take();
    assert_eq!((protected(0).await, protected(1).await), (json!(true), json!(false)));
    let team = json!([{"Key": "team", "Value": "shop"}]);
    assert_eq!(
        (tags(&cluster, 0).await, tags(&cluster, 1).await),
        (team.clone(), json!([]))
    );

    update(&cluster, 0, json!({"DeletionProtectionEnabled": false})).await;
    update(&cluster, 1, json!({"DeletionProtectionEnabled": true})).await;
    let arn = described(&cluster, 1).await["TableArn"].take();
    let stage = json!([{"Key": "stage", "Value": "test"}]);
    cluster
        .ask(1, "TagResource", json!({"ResourceArn": arn, "Tags": stage}))
        .await;
    // Synchronised settings that were changed later have arrived, so these would have arrived, too.
    // One after the other: how a table is billed is a single setting, of which the last change is
    // kept.
    update(&cluster, 0, json!({"TableClass": "STANDARD"})).await;
    shows(&cluster, "/class/TableClass", json!("STANDARD")).await;
    update(&cluster, 1, json!({"WarmThroughput": {"ReadUnitsPerSecond": 99}})).await;
    shows(&cluster, "/units/warm", json!([99, 60])).await;
    assert_eq!((protected(0).await, protected(1).await), (json!(false), json!(true)));
    assert_eq!((tags(&cluster, 0).await, tags(&cluster, 1).await), (team, stage));
    let (status, refused) = cluster.try_ask(1, "DeleteTable", json!({"TableName": TABLE})).await;
    assert_eq!(
        (
            status,
            refused["__type"].as_str().unwrap_or_default().contains("Validation")
        ),
        (400, true)
    );
}
