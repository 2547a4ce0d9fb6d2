//! Bootstraps of replicas (new ones, and those whose disk was lost), and the repair of damaged
//! rows.

use std::{path::Path, time::Duration};

use beringia_item::TableId;
use beringia_node::BootstrapStage;
use serde_json::json;
use tokio::time::sleep;
use tracing::Level;

use crate::{
    capture::{Capture, EventSeen},
    support::TestCluster,
};

#[tokio::test(start_paused = true)]
async fn bootstrap_succeeds_while_all_regions_write() {
    let cluster = TestCluster::start(&["ap-northeast-1", "eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    for number in 0..2000 {
        cluster.put(0, "Carts", &format!("old{number}"), "v").await;
    }
    for number in 0..50 {
        cluster.delete(0, "Carts", &format!("old{number}")).await;
    }
    cluster.ask_for_replica(0, "Carts", 2).await;
    let mut number = 0;
    while cluster.replica_status(2, "Carts", 2).await != "ACTIVE" {
        cluster.put(number % 2, "Carts", &format!("new{number}"), "v").await;
        cluster
            .delete(number % 2, "Carts", &format!("old{}", 100 + number % 500))
            .await;
        number += 1;
        sleep(Duration::from_millis(2)).await;
        assert!(number < 20_000, "{:?}", cluster.status(2).await.tables);
    }
    assert!(number > 3, "the copy took no time, so nothing was tested");
    cluster.put(2, "Carts", "mine", "v").await;
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    assert_eq!(cluster.get(2, "Carts", "old1999").await.as_deref(), Some("v"));
    assert_eq!(cluster.get(2, "Carts", "old7").await, None);
    assert_eq!(cluster.get(0, "Carts", "mine").await.as_deref(), Some("v"));
    for site in 0..3 {
        let items = cluster
            .store(site)
            .digest(cluster.table_id(site, "Carts"))
            .await
            .unwrap();
        assert!(items.ranges.iter().map(|range| range.items).sum::<u64>() > 1400);
    }
}

#[tokio::test(start_paused = true)]
async fn copy_continues_after_its_source_was_killed() {
    let mut cluster = TestCluster::start_with_delay(&["ap-northeast-1", "eu-west-1", "us-east-1"], 5).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    for number in 0..1000 {
        cluster.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    cluster.ask_for_replica(0, "Carts", 2).await;
    let table = cluster.table_id(0, "Carts");
    let copied = async || {
        let status = cluster.status(2).await;
        let bootstrap = status.tables.get(&table).and_then(|table| table.bootstrap.clone());
        bootstrap.is_some_and(|bootstrap| bootstrap.stage == BootstrapStage::Copying && bootstrap.rows > 0)
    };
    while !copied().await {
        sleep(Duration::from_millis(1)).await;
    }
    cluster.kill(0);
    cluster
        .until(async || cluster.replica_status(2, "Carts", 2).await == "ACTIVE")
        .await;
    assert!(cluster.same(&[1, 2], "Carts").await);
    cluster.run(0).await;
    cluster.put(2, "Carts", "after", "v").await;
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
}

#[tokio::test(start_paused = true)]
async fn region_that_lost_its_disk_is_bootstrapped_again() {
    let mut cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    for number in 0..200 {
        cluster.put(number % 2, "Carts", &format!("k{number}"), "v").await;
    }
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    // The region that created the table loses its disk.
    cluster.kill(0);
    cluster.lose_disk(0);
    cluster.put(1, "Carts", "meanwhile", "v").await;
    cluster.delete(1, "Carts", "k3").await;
    cluster.run(0).await;
    let (status, _) = cluster
        .try_ask(0, "GetItem", json!({"TableName": "Carts", "Key": {"pk": {"S": "k7"}}}))
        .await;
    assert_eq!(status, 400, "the table is not there yet");
    cluster
        .until(async || cluster.replica_status(0, "Carts", 0).await == "ACTIVE")
        .await;
    assert_eq!(cluster.get(0, "Carts", "k7").await.as_deref(), Some("v"));
    assert_eq!(cluster.get(0, "Carts", "meanwhile").await.as_deref(), Some("v"));
    assert_eq!(cluster.get(0, "Carts", "k3").await, None);
    cluster.put(0, "Carts", "again", "v").await;
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    assert_eq!(cluster.get(1, "Carts", "again").await.as_deref(), Some("v"));
    cluster
        .until(async || cluster.replica_status(1, "Carts", 0).await == "ACTIVE")
        .await;
}

/// Deletes the table in these regions, one after the other.
async fn delete_table(cluster: &TestCluster, table: &str, sites: &[usize]) {
    for site in sites {
        let is_ready = async || {
            let mut others = sites
                .iter()
                .filter(|other| !cluster.store(**other).catalog().by_name.is_empty());
            others.all(|other| cluster.store(*other).catalog().by_id.len() == 1)
                && cluster.replica_status(*site, table, *site).await == "ACTIVE"
        };
        cluster.until(is_ready).await;
        cluster.ask(*site, "DeleteTable", json!({"TableName": table})).await;
        cluster
            .until(async || !cluster.store(*site).catalog().by_name.contains_key(table))
            .await;
    }
    cluster
        .until(async || {
            cluster
                .sites
                .iter()
                .enumerate()
                .all(|(site, _)| cluster.store(site).catalog().by_id.is_empty())
        })
        .await;
}

/// The table was deleted and created again, twice, before a region loses its disk. The logs still
/// have records of the earlier tables.
#[tokio::test(start_paused = true)]
async fn lost_disk_recovers_a_table_that_was_recreated_before() {
    for last in 0..3 {
        // The logs still have records of the earlier tables.
        let names = ["ap-northeast-1", "eu-west-1", "us-east-1"];
        let mut cluster = TestCluster::start_streaming(&names, beringia_storage::DEFAULT_SHARD_AGE_MS).await;
        let order: Vec<usize> = (1..=3).map(|step| (last + step) % 3).collect();
        for round in 0..3 {
            cluster.create_table(0, "Carts").await;
            cluster.add_replica(0, "Carts", 1).await;
            cluster.add_replica(0, "Carts", 2).await;
            for number in 0..9 {
                cluster
                    .put(number % 3, "Carts", &format!("k{number}"), &format!("v{round}"))
                    .await;
            }
            cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
            if round < 2 {
                delete_table(&cluster, "Carts", &order).await;
            }
        }
        let table = cluster.table_id(0, "Carts");
        cluster.kill(last);
        cluster.lose_disk(last);
        cluster.run(last).await;
        for site in 0..3 {
            cluster
                .until(async || cluster.replica_status(site, "Carts", last).await == "ACTIVE")
                .await;
        }
        assert_eq!(cluster.table_id(last, "Carts"), table);
        assert_eq!(cluster.get(last, "Carts", "k8").await.as_deref(), Some("v2"));
        cluster.put(last, "Carts", "again", "v").await;
        cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    }
}

/// Their replicas fail until one of the two tables is deleted.
#[tokio::test(start_paused = true)]
async fn tables_created_concurrently_with_one_name_stay_apart() {
    let cluster = TestCluster::start(&["ap-northeast-1", "eu-west-1", "us-east-1"]).await;
    cluster.cut(0, 1);
    cluster.cut(0, 2);
    for site in [0, 1] {
        cluster.create_table(site, "Carts").await;
        cluster.put(site, "Carts", "whose", &format!("of {site}")).await;
        cluster.ask_for_replica(site, "Carts", 1 - site).await;
    }
    cluster.heal();
    for site in [0, 1] {
        cluster
            .until(async || cluster.replica_status(site, "Carts", 1 - site).await == "CREATION_FAILED")
            .await;
        assert_eq!(cluster.get(site, "Carts", "whose").await.unwrap(), format!("of {site}"));
        cluster.put(site, "Carts", "more", "v").await;
    }
    assert_ne!(cluster.table_id(0, "Carts"), cluster.table_id(1, "Carts"));
    cluster.ask(1, "DeleteTable", json!({"TableName": "Carts"})).await;
    cluster
        .until(async || cluster.replica_status(0, "Carts", 1).await == "ACTIVE")
        .await;
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    assert_eq!(cluster.get(1, "Carts", "whose").await.as_deref(), Some("of 0"));
}

/// Two regions on disk whose replicas of a table have the same hundred items.
async fn with_a_hundred_items(directory: &Path) -> TestCluster {
    let cluster = TestCluster::start_in(&["eu-west-1", "us-east-1"], Some(directory), |_| {}).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    for number in 0..100 {
        cluster.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    cluster
}

/// Deletes rows from the second region's file.
fn lose_thirty_rows(directory: &Path) {
    let database = rusqlite::Connection::open(directory.join("us-east-1")).unwrap();
    // The numbers 1 and 2 are the catalog and the local table.
    let rows = "SELECT k FROM item WHERE k >= x'00000003' LIMIT 30";
    let lost = database
        .execute(&format!("DELETE FROM item WHERE k IN ({rows})"), [])
        .unwrap();
    assert_eq!(lost, 30);
}

/// Between two writes the vectors of the regions are never equal.
#[tokio::test(start_paused = true)]
async fn repair_restores_rows_while_clients_write() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = with_a_hundred_items(directory.path()).await;
    let table = cluster.table_id(1, "Carts");
    lose_thirty_rows(directory.path());
    let mut writes = 0;
    cluster
        .until(async || {
            for site in [0, 1] {
                writes += 1;
                let (key, value) = (format!("busy{}", writes % 20), writes.to_string());
                cluster.put(site, "Carts", &key, &value).await;
            }
            cluster.status(1).await.tables[&table].repaired_rows >= 30
        })
        .await;
    for number in 0..100 {
        let found = cluster.get(1, "Carts", &format!("k{number}")).await;
        assert_eq!(found.as_deref(), Some("v"), "k{number}");
    }
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    // The writes themselves are no divergence.
    assert_eq!(cluster.status(1).await.tables[&table].repaired_rows, 30);
    assert_eq!(cluster.status(0).await.tables[&table].repaired_rows, 0);
}

#[tokio::test(start_paused = true)]
async fn repair_restores_rows_deleted_from_the_database_file() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = with_a_hundred_items(directory.path()).await;
    let (capture, _guard) = Capture::start(Level::INFO);
    let table = cluster.table_id(1, "Carts");
    lose_thirty_rows(directory.path());
    cluster
        .until(async || cluster.status(1).await.tables[&table].repaired_rows == 30)
        .await;
    for number in 0..100 {
        assert_eq!(
            cluster.get(1, "Carts", &format!("k{number}")).await.as_deref(),
            Some("v")
        );
    }
    cluster
        .until(async || cluster.status(1).await.tables[&table].divergent.is_empty())
        .await;
    assert!(cluster.same(&[0, 1], "Carts").await);
    assert!(cluster.status(1).await.tables[&TableId::CATALOG].divergent.is_empty());
    // Every repair is logged with the number of rows that it fetched.
    let seen = capture.seen();
    let from_eu = [("region", "us-east-1"), ("peer", "eu-west-1"), ("table", "Carts")];
    let began = seen.event("repair began", &from_eu);
    assert_ne!(began.fields["ranges"], "0");
    let (_, repair) = seen.span_of(seen.event("repair ended", &from_eu));
    assert_eq!((repair.name, &*repair.fields["region"]), ("repair", "us-east-1"));
    let rows = |event: &&EventSeen| event.fields["rows"].parse::<u64>().unwrap();
    assert_eq!(seen.events_named("repair ended").iter().map(rows).sum::<u64>(), 30);
}
