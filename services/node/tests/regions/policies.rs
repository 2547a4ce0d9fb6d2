//! Three regions that write to the same items while they are cut off from each other, under each
//! conflict policy. The expected items are derived manually from `docs/decisions/0004`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::TestCluster;

/// Three regions with a table under a policy, and some items that all of them have.
async fn cluster(policy: &str) -> TestCluster {
    let names = ["ap-northeast-1", "eu-west-1", "us-east-1"];
    let cluster = TestCluster::start_in(&names, None, |tuning| {
        tuning.garbage_interval = Some(Duration::from_millis(100));
    })
    .await;
    cluster.create_table(0, "Shared").await;
    let arn = cluster.ask(0, "DescribeTable", json!({"TableName": "Shared"})).await["Table"]["TableArn"].clone();
    let tags = json!([{"Key": "beringia:conflict-policy", "Value": policy}]);
    cluster
        .ask(0, "TagResource", json!({"ResourceArn": arn, "Tags": tags}))
        .await;
    cluster.add_replica(0, "Shared", 1).await;
    cluster.add_replica(0, "Shared", 2).await;
    for (key, n) in [("all", 10), ("pair", 100), ("revived", 7), ("gone", 7)] {
        let item = json!({"pk": {"S": key}, "n": {"N": n.to_string()}, "s": {"SS": ["a"]}, "t": {"S": "start"}});
        cluster
            .ask(1, "PutItem", json!({"TableName": "Shared", "Item": item}))
            .await;
    }
    cluster.until(async || cluster.same(&[0, 1, 2], "Shared").await).await;
    cluster
}

/// An update of one item, as UpdateItem and TransactWriteItems take it.
fn update(key: &str, expression: &str, values: &Value) -> Value {
    json!({
        "TableName": "Shared", "Key": {"pk": {"S": key}},
        "UpdateExpression": expression, "ExpressionAttributeValues": values,
    })
}

/// A client of a region writes; then time passes, so that the order of the writes' versions is
/// known.
async fn write(cluster: &TestCluster, site: usize, operation: &str, body: Value) {
    cluster.ask(site, operation, body).await;
    sleep(Duration::from_millis(20)).await;
}

/// All three regions write to the same items while they are cut off from each other.
async fn write_apart(cluster: &TestCluster) {
    let add_to_both = |n: &str| {
        let add = |key| json!({"Update": update(key, "ADD n :n", &json!({":n": {"N": n}}))});
        json!({"TransactItems": [add("all"), add("pair")]})
    };
    let first = json!({":n": {"N": "1"}, ":s": {"SS": ["x"]}, ":t": {"S": "first"}});
    write(
        cluster,
        0,
        "UpdateItem",
        update("all", "ADD n :n, s :s SET t = :t", &first),
    )
    .await;
    write(cluster, 0, "TransactWriteItems", add_to_both("10")).await;
    let second = json!({":n": {"N": "2"}, ":s": {"SS": ["y"]}, ":u": {"S": "second"}});
    write(
        cluster,
        1,
        "UpdateItem",
        update("all", "ADD n :n, s :s SET u = :u", &second),
    )
    .await;
    let member = json!({":s": {"SS": ["a"]}});
    write(cluster, 1, "UpdateItem", update("all", "DELETE s :s", &member)).await;
    write(cluster, 1, "TransactWriteItems", add_to_both("20")).await;
    let third = json!({":n": {"N": "4"}, ":t": {"S": "third"}});
    write(cluster, 2, "UpdateItem", update("all", "ADD n :n SET t = :t", &third)).await;

    let delete = |key| json!({"TableName": "Shared", "Key": {"pk": {"S": key}}});
    let five = json!({":n": {"N": "5"}});
    write(cluster, 0, "DeleteItem", delete("revived")).await;
    write(cluster, 1, "UpdateItem", update("revived", "ADD n :n", &five)).await;
    write(cluster, 2, "UpdateItem", update("gone", "ADD n :n", &five)).await;
    write(cluster, 0, "DeleteItem", delete("gone")).await;
}

/// The item under the key, which has to be the same in all regions.
async fn held(cluster: &TestCluster, key: &str) -> Value {
    let body = json!({"TableName": "Shared", "Key": {"pk": {"S": key}}, "ConsistentRead": true});
    let mut held = Vec::new();
    for site in 0..3 {
        let mut item = cluster.ask(site, "GetItem", body.clone()).await["Item"].clone();
        if let Some(item) = item.as_object_mut() {
            item.remove("pk");
        }
        held.push(item);
    }
    assert!(held.windows(2).all(|pair| pair[0] == pair[1]), "{key}: {held:?}");
    held.remove(0)
}

/// How many conflicts over the key the regions have journalled in total.
async fn conflicts(cluster: &TestCluster, key: &str) -> usize {
    let mut count = 0;
    for site in 0..3 {
        let (store, key) = (cluster.store(site), cluster.key(site, "Shared", key));
        let found = store.conflicts(None, 0, 1000).await.unwrap();
        count += found.iter().filter(|conflict| conflict.key == key).count();
    }
    count
}

/// Whether a region has a row under the key, even a tombstone.
async fn remembers(cluster: &TestCluster, site: usize, key: &str) -> bool {
    let (store, table) = (cluster.store(site), cluster.table_id(site, "Shared"));
    let found = store.explain(table, &cluster.key(site, "Shared", key)).await.unwrap();
    found.is_some()
}

/// The resulting items `all`, `pair` and `revived`, each without its key.
async fn written_apart_under(policy: &str) -> (TestCluster, [Value; 3]) {
    let cluster = cluster(policy).await;
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        cluster.cut(a, b);
    }
    write_apart(&cluster).await;
    assert!(!cluster.same(&[0, 1], "Shared").await);
    // Two of them are connected first, so that the third receives rows that are merged already.
    cluster.heal();
    cluster.cut(0, 2);
    cluster.cut(1, 2);
    cluster.until(async || cluster.same(&[0, 1], "Shared").await).await;
    cluster.heal();
    cluster.until(async || cluster.same(&[0, 1, 2], "Shared").await).await;
    // The item that was deleted last is gone under each policy, and in the end its tombstone is
    // collected everywhere.
    assert_eq!(held(&cluster, "gone").await, Value::Null);
    for site in 0..3 {
        cluster.until(async || !remembers(&cluster, site, "gone").await).await;
    }
    assert!(cluster.same(&[0, 1, 2], "Shared").await);
    let items = [
        held(&cluster, "all").await,
        held(&cluster, "pair").await,
        held(&cluster, "revived").await,
    ];
    (cluster, items)
}

#[tokio::test(start_paused = true)]
async fn policy_item_keeps_the_last_writers_item() {
    let (cluster, [all, pair, revived]) = written_apart_under("item").await;
    assert_eq!(all, json!({"n": {"N": "14"}, "s": {"SS": ["a"]}, "t": {"S": "third"}}));
    assert_eq!(
        pair,
        json!({"n": {"N": "120"}, "s": {"SS": ["a"]}, "t": {"S": "start"}})
    );
    assert_eq!(
        revived,
        json!({"n": {"N": "12"}, "s": {"SS": ["a"]}, "t": {"S": "start"}})
    );
    for key in ["all", "pair", "revived", "gone"] {
        assert!(conflicts(&cluster, key).await > 0, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn policy_attribute_keeps_each_last_writers_attribute() {
    let (cluster, [all, pair, revived]) = written_apart_under("attribute").await;
    let expected = json!({"n": {"N": "14"}, "s": {"SS": ["y"]}, "t": {"S": "third"}, "u": {"S": "second"}});
    assert_eq!(all, expected);
    assert_eq!(
        pair,
        json!({"n": {"N": "120"}, "s": {"SS": ["a"]}, "t": {"S": "start"}})
    );
    assert_eq!(
        revived,
        json!({"n": {"N": "12"}}),
        "only what was written after the delete"
    );
    for key in ["all", "pair", "revived", "gone"] {
        assert!(conflicts(&cluster, key).await > 0, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn policy_merge_adds_counters_and_unites_sets() {
    let (cluster, [all, pair, revived]) = written_apart_under("merge").await;
    let expected = json!({"n": {"N": "47"}, "s": {"SS": ["x", "y"]}, "t": {"S": "third"}, "u": {"S": "second"}});
    assert_eq!(all, expected);
    assert_eq!(
        pair,
        json!({"n": {"N": "130"}, "s": {"SS": ["a"]}, "t": {"S": "start"}})
    );
    assert_eq!(
        revived,
        json!({"n": {"N": "5"}}),
        "only what was added after the delete"
    );
    assert_eq!(conflicts(&cluster, "pair").await, 0, "additions overrule nothing");
    for key in ["all", "revived", "gone"] {
        assert!(conflicts(&cluster, key).await > 0, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn policy_change_among_writes_leaves_all_regions_equal() {
    let cluster = cluster("item").await;
    cluster.cut(0, 2);
    cluster.cut(1, 2);
    let arn = cluster.ask(0, "DescribeTable", json!({"TableName": "Shared"})).await["Table"]["TableArn"].clone();
    let tags = json!([{"Key": "beringia:conflict-policy", "Value": "merge"}]);
    write(&cluster, 0, "TagResource", json!({"ResourceArn": arn, "Tags": tags})).await;
    // The second region has received the change and the third has not, so that the third writes a
    // whole item.
    let add = |n: &str| update("all", "ADD n :n", &json!({":n": {"N": n}}));
    sleep(Duration::from_secs(1)).await;
    write(&cluster, 2, "UpdateItem", add("5")).await;
    write(&cluster, 0, "UpdateItem", add("1")).await;
    write(&cluster, 1, "UpdateItem", add("2")).await;
    cluster.until(async || cluster.same(&[0, 1], "Shared").await).await;
    let body = json!({"TableName": "Shared", "Key": {"pk": {"S": "all"}}, "ConsistentRead": true});
    assert_eq!(cluster.ask(1, "GetItem", body).await["Item"]["n"], json!({"N": "13"}));
    cluster.heal();
    cluster.until(async || cluster.same(&[0, 1, 2], "Shared").await).await;
    // The additions do not causally depend on the whole item that the third wrote, and were made to
    // the earlier number.
    assert_eq!(held(&cluster, "all").await["n"], json!({"N": "15"}));
    for (site, n) in [(0, "1"), (1, "2"), (2, "4")] {
        write(&cluster, site, "UpdateItem", add(n)).await;
    }
    cluster.until(async || cluster.same(&[0, 1, 2], "Shared").await).await;
    assert_eq!(
        held(&cluster, "all").await["n"],
        json!({"N": "22"}),
        "now all three merge"
    );
}
