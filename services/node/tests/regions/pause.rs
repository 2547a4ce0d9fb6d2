//! Pauses of a table's replication in one region, as a drill makes them.

use std::time::Duration;

use beringia_item::TableId;
use tokio::time::sleep;

use crate::support::World;

async fn three_with_a_table() -> (World, TableId) {
    let world = World::start_with_delay(&["ap", "eu", "us"], 30).await;
    for table in ["Carts", "Orders"] {
        world.create_table(0, table).await;
        world.add_replica(0, table, 1).await;
        world.add_replica(0, table, 2).await;
    }
    let table = world.table_id(0, "Carts");
    (world, table)
}

#[tokio::test(start_paused = true)]
async fn paused_table_serves_clients_and_catches_up_from_the_log() {
    let (world, carts) = three_with_a_table().await;
    world.until(async || world.same(&[0, 1, 2], "Carts").await).await;
    world.node(0).pause_replication(carts).unwrap();
    assert!(world.status(0).await.tables[&carts].paused);
    world.put(0, "Carts", "inside", "1").await;
    world.put(1, "Carts", "outside", "2").await;
    world.put(1, "Orders", "other", "3").await;
    sleep(Duration::from_secs(30)).await;

    assert_eq!(world.get(0, "Carts", "inside").await.as_deref(), Some("1"));
    assert_eq!(world.get(0, "Carts", "outside").await, None);
    assert_eq!(world.get(1, "Carts", "inside").await, None);
    assert_eq!(world.get(2, "Carts", "inside").await, None);
    assert_eq!(world.get(2, "Carts", "outside").await.as_deref(), Some("2"));
    assert_eq!(world.get(0, "Orders", "other").await.as_deref(), Some("3"));
    for site in 0..3 {
        let status = world.status(site).await;
        for (peer, of_peer) in &status.peers {
            assert_eq!(of_peer.relayed_through, None, "{site} {peer}");
            assert_eq!(of_peer.quarantined, None);
            assert_eq!(of_peer.last_error, None);
        }
        let carts = &status.tables[&carts];
        assert!(carts.divergent.is_empty() && carts.bootstrap.is_none(), "{carts:?}");
    }
    let behind = world.node(1).flows().await[&world.region(0)].backlog.unwrap();
    assert_eq!(behind.mutations, 1, "the others see that it lags");

    let before = world.sites[0].arrivals.of(carts).len();
    world.node(0).resume_replication(carts);
    assert!(!world.status(0).await.tables[&carts].paused);
    world.until(async || world.same(&[0, 1, 2], "Carts").await).await;
    assert_eq!(world.get(2, "Carts", "inside").await.as_deref(), Some("1"));
    assert_eq!(
        world.sites[0].arrivals.of(carts).len(),
        before + 1,
        "through the log, and once"
    );
    assert_eq!(world.status(0).await.tables[&carts].repaired_rows, 0);
}

#[tokio::test(start_paused = true)]
async fn delete_during_a_pause_is_not_undone_by_a_stale_write() {
    let (world, carts) = three_with_a_table().await;
    world.put(1, "Carts", "k", "old").await;
    world.until(async || world.get(0, "Carts", "k").await.is_some()).await;
    world.node(0).pause_replication(carts).unwrap();
    world.put(0, "Carts", "k", "stale").await;
    sleep(Duration::from_millis(50)).await;
    world.delete(1, "Carts", "k").await;
    // Long enough for every tombstone that may be collected to be collected.
    sleep(Duration::from_secs(60)).await;
    world.node(0).resume_replication(carts);
    world.until(async || world.same(&[0, 1, 2], "Carts").await).await;
    for site in 0..3 {
        assert_eq!(world.get(site, "Carts", "k").await, None);
    }
    let conflicts = world.store(0).conflicts(Some(carts), 0, 10).await.unwrap();
    assert_eq!(conflicts.len(), 1, "the two writes are concurrent");
}

#[tokio::test(start_paused = true)]
async fn new_replica_is_copied_from_a_region_without_a_pause() {
    let world = World::start_with_delay(&["ap", "eu", "us"], 30).await;
    world.create_table(0, "Carts").await;
    world.add_replica(0, "Carts", 1).await;
    let carts = world.table_id(0, "Carts");
    world.put(0, "Carts", "k", "v").await;
    world.until(async || world.same(&[0, 1], "Carts").await).await;
    world.node(0).pause_replication(carts).unwrap();
    world.put(0, "Carts", "kept in", "v").await;
    world.add_replica(0, "Carts", 2).await;
    assert_eq!(world.get(2, "Carts", "k").await.as_deref(), Some("v"));
    assert_eq!(world.get(2, "Carts", "kept in").await, None);
}

#[tokio::test(start_paused = true)]
async fn bootstrap_waits_for_the_end_of_a_pause() {
    let world = World::start_with_delay(&["ap", "eu"], 30).await;
    world.create_table(0, "Carts").await;
    for number in 0..100 {
        world.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    let carts = world.table_id(0, "Carts");
    world.ask_for_replica(0, "Carts", 1).await;
    world
        .until(async || world.node(1).pause_replication(carts).is_ok())
        .await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.replica_status(0, "Carts", 1).await, "CREATING");
    world.node(1).resume_replication(carts);
    world
        .until(async || world.replica_status(0, "Carts", 1).await == "ACTIVE")
        .await;
    assert!(world.same(&[0, 1], "Carts").await);
}

#[tokio::test(start_paused = true)]
async fn a_restart_ends_the_pause() {
    let (mut world, carts) = three_with_a_table().await;
    world.node(0).pause_replication(carts).unwrap();
    world.put(0, "Carts", "k", "v").await;
    world.kill(0);
    world.run(0).await;
    assert!(!world.status(0).await.tables[&carts].paused);
    world.until(async || world.get(1, "Carts", "k").await.is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn only_replicated_tables_can_be_paused() {
    let world = World::start(&["eu", "us"]).await;
    world.create_table(0, "Local").await;
    let local = world.table_id(0, "Local");
    let refused = world.node(0).pause_replication(local).unwrap_err();
    assert_eq!(refused.table, local);
    assert!(
        refused
            .to_string()
            .starts_with("region eu has no replica of a global table")
    );
    world.node(0).pause_replication(TableId::CATALOG).unwrap_err();
    world.node(0).resume_replication(local);
}
