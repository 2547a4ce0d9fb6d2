//! A region that is unreachable for longer than the limit.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::support::TestCluster;

/// Three regions with a replica of one table each, which drop each other after this many
/// milliseconds.
async fn cluster(unreachable_ms_max: u64) -> TestCluster {
    let names = ["ap-northeast-1", "eu-west-1", "us-east-1"];
    let cluster = TestCluster::start_in(&names, None, |tuning| {
        tuning.replication.unreachable_ms_max = unreachable_ms_max;
        tuning.garbage_interval = Some(Duration::from_millis(100));
    })
    .await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.add_replica(0, "Carts", 2).await;
    cluster
}

async fn replica(cluster: &TestCluster, site: usize, of: usize) -> serde_json::Value {
    let answer = cluster.ask(site, "DescribeTable", json!({"TableName": "Carts"})).await;
    let replicas = answer["Table"]["Replicas"].as_array().unwrap().clone();
    let name = cluster.region(of).to_string();
    let found = replicas.into_iter().find(|replica| replica["RegionName"] == name);
    found.unwrap_or_default()
}

/// Whether the region's log still has all its own writes to the table, and how many rows it has,
/// including tombstones.
async fn kept(cluster: &TestCluster, site: usize) -> (bool, usize) {
    let (store, table) = (cluster.store(site), cluster.table_id(site, "Carts"));
    let filter = beringia_storage::LogFilter {
        origins: vec![cluster.origin(site)],
        tables: [(table, beringia_item::VersionVector::default())].into(),
    };
    let is_whole = store.log_position(&filter).await.unwrap().is_ok();
    let all = 0..=beringia_item::RANGES - 1;
    let rows = store.raw_rows(table, all, None, 256_000).await.unwrap();
    (is_whole, rows.len())
}

/// A region that is unreachable for too long is dropped and its tombstones are collected. When it
/// returns, nothing is revived and all its unshipped writes are listed.
#[tokio::test(start_paused = true)]
async fn dropped_region_is_re_bootstrapped_and_loses_nothing() {
    let mut cluster = cluster(20_000).await;
    for number in 0..300 {
        cluster.put(number % 3, "Carts", &format!("k{number}"), "before").await;
    }
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    cluster.cut(0, 2);
    cluster.cut(1, 2);
    // All regions accept writes, including the one that is cut off.
    for number in 0..50 {
        cluster.put(2, "Carts", &format!("k{number}"), "unshipped").await;
        cluster.delete(2, "Carts", &format!("k{}", 100 + number)).await;
        cluster.delete(number % 2, "Carts", &format!("k{}", number + 20)).await;
        cluster
            .put(number % 2, "Carts", &format!("k{}", 200 + number), "after")
            .await;
        sleep(Duration::from_millis(100)).await;
    }
    let (is_whole, rows) = kept(&cluster, 0).await;
    assert!(is_whole && rows == 300, "log and tombstones are held for the third");
    assert_eq!(replica(&cluster, 0, 2).await["ReplicaStatus"], "ACTIVE");
    for site in [0, 1] {
        cluster
            .until(async || cluster.replica_status(site, "Carts", 2).await == "REGION_DISABLED")
            .await;
        let dropped = replica(&cluster, site, 2).await;
        assert!(
            dropped["ReplicaInaccessibleDateTime"].as_f64().unwrap() > 1_700_000_000.0,
            "{dropped}"
        );
        assert!(dropped["ReplicaStatusDescription"].is_string());
        cluster.until(async || kept(&cluster, site).await == (false, 250)).await;
        let table = cluster.ask(site, "DescribeTable", json!({"TableName": "Carts"})).await;
        assert_eq!(table["Table"]["TableStatus"], "ACTIVE");
    }
    // Its clients keep writing.
    cluster.put(2, "Carts", "k299", "unshipped").await;
    // One of the others restarts meanwhile.
    cluster.kill(1);
    cluster.run(1).await;
    cluster.heal();
    cluster
        .until(async || {
            cluster.replica_status(0, "Carts", 2).await == "ACTIVE" && cluster.same(&[0, 1, 2], "Carts").await
        })
        .await;
    for site in 0..3 {
        for number in 20..70 {
            assert_eq!(
                cluster.get(site, "Carts", &format!("k{number}")).await,
                None,
                "it was deleted"
            );
        }
        assert_eq!(cluster.get(site, "Carts", "k7").await.as_deref(), Some("before"));
        assert_eq!(cluster.get(site, "Carts", "k110").await.as_deref(), Some("before"));
        assert_eq!(cluster.get(site, "Carts", "k249").await.as_deref(), Some("after"));
    }
    // All its unshipped writes are listed, including several to one item.
    let written = 50 + 50 + 1;
    cluster
        .until(async || cluster.store(2).unshipped(0, 1000).await.unwrap().len() == written)
        .await;
    let unshipped = cluster.store(2).unshipped(0, 1000).await.unwrap();
    let deletes = unshipped.iter().filter(|write| write.write.image.is_none()).count();
    assert_eq!((unshipped.len(), deletes), (written, 50));
    for write in &unshipped {
        let value = write.write.image.as_ref().map(|image| format!("{:?}", image["v"]));
        assert!(value.is_none_or(|value| value.contains("unshipped")), "{write:?}");
    }
    for site in [0, 1] {
        assert!(cluster.store(site).unshipped(0, 10).await.unwrap().is_empty());
    }
    // The write is repeated, and reaches all regions.
    cluster.put(2, "Carts", "k25", "unshipped").await;
    cluster
        .until(async || cluster.get(0, "Carts", "k25").await.as_deref() == Some("unshipped"))
        .await;
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
}

#[tokio::test(start_paused = true)]
async fn a_region_that_comes_back_in_time_is_not_dropped() {
    let cluster = cluster(20_000).await;
    cluster.cut(0, 2);
    cluster.cut(1, 2);
    cluster.put(2, "Carts", "k", "mine").await;
    sleep(Duration::from_secs(19)).await;
    cluster.heal();
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.get(0, "Carts", "k").await.as_deref(), Some("mine"));
    assert_eq!(cluster.replica_status(0, "Carts", 2).await, "ACTIVE");
    assert!(cluster.store(2).unshipped(0, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn restart_does_not_reset_the_time_a_peer_is_unreachable() {
    let mut cluster = cluster(20_000).await;
    cluster.put(0, "Carts", "k", "v").await;
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    cluster.cut(0, 2);
    cluster.cut(1, 2);
    sleep(Duration::from_secs(15)).await;
    for site in [0, 1] {
        cluster.kill(site);
        cluster.run(site).await;
    }
    sleep(Duration::from_secs(3)).await;
    assert_eq!(cluster.replica_status(0, "Carts", 2).await, "ACTIVE");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(cluster.replica_status(0, "Carts", 2).await, "REGION_DISABLED");
}

#[tokio::test(start_paused = true)]
async fn dropped_replica_can_be_removed_and_added_again() {
    let cluster = cluster(5_000).await;
    cluster.put(0, "Carts", "k", "v").await;
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    cluster.cut(0, 2);
    cluster.cut(1, 2);
    cluster.put(2, "Carts", "mine", "v").await;
    cluster
        .until(async || cluster.replica_status(0, "Carts", 2).await == "REGION_DISABLED")
        .await;
    let update = json!([{"Delete": {"RegionName": "us-east-1"}}]);
    cluster
        .ask(
            0,
            "UpdateTable",
            json!({"TableName": "Carts", "ReplicaUpdates": update}),
        )
        .await;
    assert!(replica(&cluster, 0, 2).await.is_null());
    cluster.heal();
    cluster
        .until(async || !cluster.store(2).catalog().by_name.contains_key("Carts"))
        .await;
    cluster
        .until(async || cluster.store(2).unshipped(0, 10).await.unwrap().len() == 1)
        .await;
    cluster
        .until(async || cluster.store(0).catalog().by_name["Carts"].replicas.len() == 2)
        .await;
    cluster.add_replica(0, "Carts", 2).await;
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    assert_eq!(cluster.get(2, "Carts", "mine").await, None);
}
