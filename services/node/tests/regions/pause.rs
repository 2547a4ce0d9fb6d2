//! Pauses of a table's replication in one region, as a drill makes them.

use std::time::Duration;

use beringia_item::TableId;
use tokio::time::sleep;

use crate::support::TestCluster;

async fn three_with_a_table() -> (TestCluster, TableId) {
    let cluster = TestCluster::start_with_delay(&["ap", "eu", "us"], 30).await;
    for table in ["Carts", "Orders"] {
        cluster.create_table(0, table).await;
        cluster.add_replica(0, table, 1).await;
        cluster.add_replica(0, table, 2).await;
    }
    let table = cluster.table_id(0, "Carts");
    (cluster, table)
}

#[tokio::test(start_paused = true)]
async fn paused_table_serves_clients_and_catches_up_from_the_log() {
    let (cluster, carts) = three_with_a_table().await;
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    cluster.node(0).pause_replication(carts).unwrap();
    assert!(cluster.status(0).await.tables[&carts].paused);
    cluster.put(0, "Carts", "inside", "1").await;
    cluster.put(1, "Carts", "outside", "2").await;
    cluster.put(1, "Orders", "other", "3").await;
    sleep(Duration::from_secs(30)).await;

    assert_eq!(cluster.get(0, "Carts", "inside").await.as_deref(), Some("1"));
    assert_eq!(cluster.get(0, "Carts", "outside").await, None);
    assert_eq!(cluster.get(1, "Carts", "inside").await, None);
    assert_eq!(cluster.get(2, "Carts", "inside").await, None);
    assert_eq!(cluster.get(2, "Carts", "outside").await.as_deref(), Some("2"));
    assert_eq!(cluster.get(0, "Orders", "other").await.as_deref(), Some("3"));
    for site in 0..3 {
        let status = cluster.status(site).await;
        for (peer, of_peer) in &status.peers {
            assert_eq!(of_peer.relayed_through, None, "{site} {peer}");
            assert_eq!(of_peer.quarantined, None);
            assert_eq!(of_peer.last_error, None);
        }
        let carts = &status.tables[&carts];
        assert!(carts.divergent.is_empty() && carts.bootstrap.is_none(), "{carts:?}");
    }
    let behind = cluster.node(1).flows().await[&cluster.region(0)].backlog.unwrap();
    assert_eq!(behind.mutations, 1, "the others see that it lags");

    let before = cluster.sites[0].arrivals.of(carts).len();
    cluster.node(0).resume_replication(carts);
    assert!(!cluster.status(0).await.tables[&carts].paused);
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    assert_eq!(cluster.get(2, "Carts", "inside").await.as_deref(), Some("1"));
    assert_eq!(
        cluster.sites[0].arrivals.of(carts).len(),
        before + 1,
        "through the log, and once"
    );
    assert_eq!(cluster.status(0).await.tables[&carts].repaired_rows, 0);
}

#[tokio::test(start_paused = true)]
async fn delete_during_a_pause_is_not_undone_by_a_stale_write() {
    let (cluster, carts) = three_with_a_table().await;
    cluster.put(1, "Carts", "k", "old").await;
    cluster
        .until(async || cluster.get(0, "Carts", "k").await.is_some())
        .await;
    cluster.node(0).pause_replication(carts).unwrap();
    cluster.put(0, "Carts", "k", "stale").await;
    sleep(Duration::from_millis(50)).await;
    cluster.delete(1, "Carts", "k").await;
    // Long enough for every tombstone that may be collected to be collected.
    sleep(Duration::from_secs(60)).await;
    cluster.node(0).resume_replication(carts);
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    for site in 0..3 {
        assert_eq!(cluster.get(site, "Carts", "k").await, None);
    }
    let conflicts = cluster.store(0).conflicts(Some(carts), 0, 10).await.unwrap();
    assert_eq!(conflicts.len(), 1, "the two writes are concurrent");
}

#[tokio::test(start_paused = true)]
async fn new_replica_is_copied_from_a_region_without_a_pause() {
    let cluster = TestCluster::start_with_delay(&["ap", "eu", "us"], 30).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    let carts = cluster.table_id(0, "Carts");
    cluster.put(0, "Carts", "k", "v").await;
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    cluster.node(0).pause_replication(carts).unwrap();
    cluster.put(0, "Carts", "kept in", "v").await;
    cluster.add_replica(0, "Carts", 2).await;
    assert_eq!(cluster.get(2, "Carts", "k").await.as_deref(), Some("v"));
    assert_eq!(cluster.get(2, "Carts", "kept in").await, None);
}

#[tokio::test(start_paused = true)]
async fn bootstrap_waits_for_the_end_of_a_pause() {
    let cluster = TestCluster::start_with_delay(&["ap", "eu"], 30).await;
    cluster.create_table(0, "Carts").await;
    for number in 0..100 {
        cluster.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    let carts = cluster.table_id(0, "Carts");
    cluster.ask_for_replica(0, "Carts", 1).await;
    cluster
        .until(async || cluster.node(1).pause_replication(carts).is_ok())
        .await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(cluster.replica_status(0, "Carts", 1).await, "CREATING");
    cluster.node(1).resume_replication(carts);
    cluster
        .until(async || cluster.replica_status(0, "Carts", 1).await == "ACTIVE")
        .await;
    assert!(cluster.same(&[0, 1], "Carts").await);
}

#[tokio::test(start_paused = true)]
async fn a_restart_ends_the_pause() {
    let (mut cluster, carts) = three_with_a_table().await;
    cluster.node(0).pause_replication(carts).unwrap();
    cluster.put(0, "Carts", "k", "v").await;
    cluster.kill(0);
    cluster.run(0).await;
    assert!(!cluster.status(0).await.tables[&carts].paused);
    cluster
        .until(async || cluster.get(1, "Carts", "k").await.is_some())
        .await;
}

#[tokio::test(start_paused = true)]
async fn only_replicated_tables_can_be_paused() {
    let cluster = TestCluster::start(&["eu", "us"]).await;
    cluster.create_table(0, "Local").await;
    let local = cluster.table_id(0, "Local");
    let refused = cluster.node(0).pause_replication(local).unwrap_err();
    assert_eq!(refused.table, local);
    assert!(
        refused
            .to_string()
            .starts_with("region eu has no replica of a global table")
    );
    cluster.node(0).pause_replication(TableId::CATALOG).unwrap_err();
    cluster.node(0).resume_replication(local);
}
