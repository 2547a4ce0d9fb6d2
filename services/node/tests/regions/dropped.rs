//! A region that is unreachable for longer than the limit.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::support::World;

/// Three regions with a replica of one table each, which drop each other after this many
/// milliseconds.
async fn world(unreachable_ms_max: u64) -> World {
    let names = ["ap-northeast-1", "eu-west-1", "us-east-1"];
    let world = World::start_in(&names, None, |tuning| {
        tuning.replication.unreachable_ms_max = unreachable_ms_max;
        tuning.garbage_interval = Some(Duration::from_millis(100));
    })
    .await;
    world.create_table(0, "Carts").await;
    world.add_replica(0, "Carts", 1).await;
    world.add_replica(0, "Carts", 2).await;
    world
}

async fn replica(world: &World, site: usize, of: usize) -> serde_json::Value {
    let answer = world.ask(site, "DescribeTable", json!({"TableName": "Carts"})).await;
    let replicas = answer["Table"]["Replicas"].as_array().unwrap().clone();
    let name = world.region(of).to_string();
    let found = replicas.into_iter().find(|replica| replica["RegionName"] == name);
    found.unwrap_or_default()
}

/// Whether the region's log still has all its own writes to the table, and how many rows it has,
/// including tombstones.
async fn kept(world: &World, site: usize) -> (bool, usize) {
    let (store, table) = (world.store(site), world.table_id(site, "Carts"));
    let filter = beringia_storage::LogFilter {
        origins: vec![world.origin(site)],
        tables: [(table, beringia_item::VersionVector::default())].into(),
    };
    let is_whole = store.log_position(&filter).await.unwrap().is_ok();
    let mut rows = 0;
    for range in 0..beringia_item::RANGES {
        rows += store.raw_rows(table, range, None, 1000).await.unwrap().len();
    }
    (is_whole, rows)
}

/// A region that is unreachable for too long is dropped and its tombstones are collected. When it
/// returns, nothing is revived and all its unshipped writes are listed.
#[tokio::test(start_paused = true)]
async fn dropped_region_is_re_bootstrapped_and_loses_nothing() {
    let mut world = world(20_000).await;
    for number in 0..300 {
        world.put(number % 3, "Carts", &format!("k{number}"), "before").await;
    }
    world.until(async || world.same(&[0, 1, 2], "Carts").await).await;
    world.cut(0, 2);
    world.cut(1, 2);
    // All regions accept writes, including the one that is cut off.
    for number in 0..50 {
        world.put(2, "Carts", &format!("k{number}"), "unshipped").await;
        world.delete(2, "Carts", &format!("k{}", 100 + number)).await;
        world.delete(number % 2, "Carts", &format!("k{}", number + 20)).await;
        world
            .put(number % 2, "Carts", &format!("k{}", 200 + number), "after")
            .await;
        sleep(Duration::from_millis(100)).await;
    }
    let (is_whole, rows) = kept(&world, 0).await;
    assert!(is_whole && rows == 300, "log and tombstones are held for the third");
    assert_eq!(replica(&world, 0, 2).await["ReplicaStatus"], "ACTIVE");
    for site in [0, 1] {
        world
            .until(async || world.replica_status(site, "Carts", 2).await == "REGION_DISABLED")
            .await;
        let dropped = replica(&world, site, 2).await;
        assert!(
            dropped["ReplicaInaccessibleDateTime"].as_f64().unwrap() > 1_700_000_000.0,
            "{dropped}"
        );
        assert!(dropped["ReplicaStatusDescription"].is_string());
        world.until(async || kept(&world, site).await == (false, 250)).await;
        let table = world.ask(site, "DescribeTable", json!({"TableName": "Carts"})).await;
        assert_eq!(table["Table"]["TableStatus"], "ACTIVE");
    }
    // Its clients keep writing.
    world.put(2, "Carts", "k299", "unshipped").await;
    // One of the others restarts meanwhile.
    world.kill(1);
    world.run(1).await;
    world.heal();
    world
        .until(async || world.replica_status(0, "Carts", 2).await == "ACTIVE" && world.same(&[0, 1, 2], "Carts").await)
        .await;
    for site in 0..3 {
        for number in 20..70 {
            assert_eq!(
                world.get(site, "Carts", &format!("k{number}")).await,
                None,
                "it was deleted"
            );
        }
        assert_eq!(world.get(site, "Carts", "k7").await.as_deref(), Some("before"));
        assert_eq!(world.get(site, "Carts", "k110").await.as_deref(), Some("before"));
        assert_eq!(world.get(site, "Carts", "k249").await.as_deref(), Some("after"));
    }
    // All its unshipped writes are listed, including several to one item.
    let written = 50 + 50 + 1;
    world
        .until(async || world.store(2).unshipped(0, 1000).await.unwrap().len() == written)
        .await;
    let unshipped = world.store(2).unshipped(0, 1000).await.unwrap();
    let deletes = unshipped.iter().filter(|write| write.write.image.is_none()).count();
    assert_eq!((unshipped.len(), deletes), (written, 50));
    for write in &unshipped {
        let value = write.write.image.as_ref().map(|image| format!("{:?}", image["v"]));
        assert!(value.is_none_or(|value| value.contains("unshipped")), "{write:?}");
    }
    for site in [0, 1] {
        assert!(world.store(site).unshipped(0, 10).await.unwrap().is_empty());
    }
    // The write is repeated, and reaches all regions.
    world.put(2, "Carts", "k25", "unshipped").await;
    world
        .until(async || world.get(0, "Carts", "k25").await.as_deref() == Some("unshipped"))
        .await;
    world.until(async || world.same(&[0, 1, 2], "Carts").await).await;
}

#[tokio::test(start_paused = true)]
async fn a_region_that_comes_back_in_time_is_not_dropped() {
    let world = world(20_000).await;
    world.cut(0, 2);
    world.cut(1, 2);
    world.put(2, "Carts", "k", "mine").await;
    sleep(Duration::from_secs(19)).await;
    world.heal();
    world.until(async || world.same(&[0, 1, 2], "Carts").await).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.get(0, "Carts", "k").await.as_deref(), Some("mine"));
    assert_eq!(world.replica_status(0, "Carts", 2).await, "ACTIVE");
    assert!(world.store(2).unshipped(0, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn restart_does_not_reset_the_time_a_peer_is_unreachable() {
    let mut world = world(20_000).await;
    world.put(0, "Carts", "k", "v").await;
    world.until(async || world.same(&[0, 1, 2], "Carts").await).await;
    world.cut(0, 2);
    world.cut(1, 2);
    sleep(Duration::from_secs(15)).await;
    for site in [0, 1] {
        world.kill(site);
        world.run(site).await;
    }
    sleep(Duration::from_secs(3)).await;
    assert_eq!(world.replica_status(0, "Carts", 2).await, "ACTIVE");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.replica_status(0, "Carts", 2).await, "REGION_DISABLED");
}

#[tokio::test(start_paused = true)]
async fn dropped_replica_can_be_removed_and_added_again() {
    let world = world(5_000).await;
    world.put(0, "Carts", "k", "v").await;
    world.until(async || world.same(&[0, 1, 2], "Carts").await).await;
    world.cut(0, 2);
    world.cut(1, 2);
    world.put(2, "Carts", "mine", "v").await;
    world
        .until(async || world.replica_status(0, "Carts", 2).await == "REGION_DISABLED")
        .await;
    let update = json!([{"Delete": {"RegionName": "us-east-1"}}]);
    world
        .ask(
            0,
            "UpdateTable",
            json!({"TableName": "Carts", "ReplicaUpdates": update}),
        )
        .await;
    assert!(replica(&world, 0, 2).await.is_null());
    world.heal();
    world
        .until(async || !world.store(2).catalog().by_name.contains_key("Carts"))
        .await;
    world
        .until(async || world.store(2).unshipped(0, 10).await.unwrap().len() == 1)
        .await;
    world
        .until(async || world.store(0).catalog().by_name["Carts"].replicas.len() == 2)
        .await;
    world.add_replica(0, "Carts", 2).await;
    world.until(async || world.same(&[0, 1, 2], "Carts").await).await;
    assert_eq!(world.get(2, "Carts", "mine").await, None);
}
