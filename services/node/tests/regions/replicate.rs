//! Writes reach the other regions, in spite of cuts, crashes and wrong clocks.

use std::time::Duration;

use beringia_node::LinkState;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::World;

#[tokio::test(start_paused = true)]
async fn writes_are_readable_in_the_other_region() {
    let world = World::start(&["eu-west-1", "us-east-1"]).await;
    world.create_table(0, "Carts").await;
    world.put(0, "Carts", "before", "1").await;
    world.add_replica(0, "Carts", 1).await;
    assert_eq!(world.get(1, "Carts", "before").await.as_deref(), Some("1"));
    world.put(0, "Carts", "a", "from eu").await;
    world.put(1, "Carts", "b", "from us").await;
    world
        .until(async || world.get(1, "Carts", "a").await.as_deref() == Some("from eu"))
        .await;
    world
        .until(async || world.get(0, "Carts", "b").await.as_deref() == Some("from us"))
        .await;
    world.delete(1, "Carts", "a").await;
    world.until(async || world.get(0, "Carts", "a").await.is_none()).await;
    world.until(async || world.same(&[0, 1], "Carts").await).await;
    assert!(world.store(0).conflicts(None, 0, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_transaction_arrives_whole() {
    let world = World::start(&["eu-west-1", "us-east-1"]).await;
    world.create_table(0, "Carts").await;
    world.add_replica(0, "Carts", 1).await;
    let put = |key: &str| json!({"Put": {"TableName": "Carts", "Item": {"pk": {"S": key}, "v": {"S": "both"}}}});
    world
        .ask(0, "TransactWriteItems", json!({"TransactItems": [put("x"), put("y")]}))
        .await;
    world
        .until(async || {
            let x = world.get(1, "Carts", "x").await;
            let y = world.get(1, "Carts", "y").await;
            assert_eq!(x, y, "half of a transaction is visible");
            x.is_some()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn status_reports_backlog_lag_and_acknowledged_vectors() {
    let world = World::start(&["eu-west-1", "us-east-1"]).await;
    world.create_table(0, "Carts").await;
    world.add_replica(0, "Carts", 1).await;
    let us = world.region(1);
    let drained = async || {
        world.status(0).await.peers[&us]
            .backlog
            .is_some_and(|backlog| backlog.mutations == 0)
    };
    world.until(drained).await;
    world.cut(0, 1);
    sleep(Duration::from_secs(1)).await;
    for number in 0..5 {
        world.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    sleep(Duration::from_secs(3)).await;
    let status = world.status(0).await;
    let peer = &status.peers[&us];
    assert_eq!(peer.backlog.unwrap().mutations, 5);
    assert!((3000..4000).contains(&peer.lag_ms), "{}", peer.lag_ms);
    assert_ne!(peer.receiving, LinkState::Connected);
    assert_eq!(peer.sending, LinkState::Down);
    assert!(
        peer.last_error.as_ref().unwrap().contains("the line is cut"),
        "{:?}",
        peer.last_error
    );

    world.heal();
    world.until(drained).await;
    let receives = async || world.status(0).await.peers[&us].receiving == LinkState::Connected;
    world.until(receives).await;
    let status = world.status(0).await;
    let peer = &status.peers[&us];
    let table = world.table_id(0, "Carts");
    assert_eq!(
        (&peer.receiving, &peer.sending),
        (&LinkState::Connected, &LinkState::Connected)
    );
    assert_eq!(peer.acknowledged[&table], status.tables[&table].vector);
    assert!(peer.bytes_sent > 0 && peer.bytes_received > 0);
    let lag = world.status(1).await.lag[&world.region(0)];
    assert!(lag.count >= 5 && lag.max >= 3000 && lag.min <= lag.p50, "{lag:?}");
}

#[tokio::test(start_paused = true)]
async fn regions_cut_off_from_each_other_converge_through_a_third() {
    let world = World::start(&["ap-northeast-1", "eu-west-1", "us-east-1"]).await;
    world.create_table(0, "Carts").await;
    world.add_replica(0, "Carts", 1).await;
    world.add_replica(0, "Carts", 2).await;
    world.cut(0, 1);
    world.put(0, "Carts", "a", "from ap").await;
    world.put(1, "Carts", "b", "from eu").await;
    world.until(async || world.get(1, "Carts", "a").await.is_some()).await;
    world.until(async || world.get(0, "Carts", "b").await.is_some()).await;
    let (ap, us) = (world.region(0), world.region(2));
    assert_eq!(world.status(1).await.peers[&ap].relayed_through.as_ref(), Some(&us));
    world.until(async || world.same(&[0, 1, 2], "Carts").await).await;
    world.heal();
    world
        .until(async || world.status(1).await.peers[&ap].relayed_through.is_none())
        .await;
    world.put(0, "Carts", "c", "direct").await;
    world.until(async || world.get(1, "Carts", "c").await.is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn concurrent_writes_converge_and_are_journalled_everywhere() {
    let world = World::start(&["eu-west-1", "us-east-1"]).await;
    world.create_table(0, "Carts").await;
    world.add_replica(0, "Carts", 1).await;
    world.cut(0, 1);
    world.put(0, "Carts", "k", "first").await;
    sleep(Duration::from_millis(50)).await;
    world.put(1, "Carts", "k", "second").await;
    world.heal();
    world.until(async || world.same(&[0, 1], "Carts").await).await;
    for site in [0, 1] {
        assert_eq!(world.get(site, "Carts", "k").await.as_deref(), Some("second"));
        let conflicts = world.store(site).conflicts(None, 0, 10).await.unwrap();
        assert_eq!(conflicts.len(), 1);
        assert_eq!(conflicts[0].winner.version.origin, world.origin(1));
        assert_eq!(conflicts[0].loser.version.origin, world.origin(0));
    }
}

#[tokio::test(start_paused = true)]
async fn killed_region_catches_up_from_its_disk() {
    let mut world = World::start(&["eu-west-1", "us-east-1"]).await;
    world.create_table(0, "Carts").await;
    world.add_replica(0, "Carts", 1).await;
    world.put(1, "Carts", "kept", "yes").await;
    world.kill(1);
    for number in 0..300 {
        world.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    world.run(1).await;
    world.until(async || world.same(&[0, 1], "Carts").await).await;
    assert_eq!(world.get(1, "Carts", "k299").await.as_deref(), Some("v"));
    assert_eq!(world.get(0, "Carts", "kept").await.as_deref(), Some("yes"));
}

#[tokio::test(start_paused = true)]
async fn writes_a_year_ahead_stay_in_quarantine_until_due() {
    const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;
    let world = World::start(&["eu-west-1", "us-east-1"]).await;
    world.create_table(0, "Carts").await;
    world.add_replica(0, "Carts", 1).await;
    world.put(0, "Carts", "k", "before").await;
    world.until(async || world.get(1, "Carts", "k").await.is_some()).await;
    world.set_skew(0, YEAR_MS);
    world.put(0, "Carts", "k", "from the future").await;
    let eu = world.region(0);
    world
        .until(async || world.status(1).await.peers[&eu].quarantined.is_some())
        .await;
    let seen = world.status(1).await.peers[&eu].quarantined.unwrap();
    assert!(seen.ahead_ms > YEAR_MS - 10_000 && seen.limit_ms == 500, "{seen:?}");
    // The other direction continues, and the clock here does not follow the one that is ahead.
    world.put(1, "Carts", "other", "from us").await;
    world
        .until(async || world.get(0, "Carts", "other").await.is_some())
        .await;
    assert_eq!(world.get(1, "Carts", "k").await.as_deref(), Some("before"));
    let (version, _) = world
        .store(1)
        .get(world.table_id(1, "Carts"), &world.key(1, "Carts", "other"))
        .await
        .unwrap()
        .unwrap();
    assert!(version.time.millis() < world.status(1).await.clock_ms + 500);
    // A year later, on both clocks.
    world.set_skew(0, YEAR_MS);
    world.set_skew(1, YEAR_MS);
    world
        .until(async || world.get(1, "Carts", "k").await.as_deref() == Some("from the future"))
        .await;
    assert_eq!(world.status(1).await.peers[&eu].quarantined, None);
}

/// The receiver's clock is half a minute behind, so that each write waits that long.
#[tokio::test(start_paused = true)]
async fn slow_clock_delays_each_write_and_loses_none() {
    const BEHIND_MS: u64 = 30_000;
    const WRITES: usize = 400;
    let world = World::start(&["eu-west-1", "us-east-1"]).await;
    for site in [0, 1] {
        world.set_skew(site, BEHIND_MS);
    }
    world.create_table(0, "Carts").await;
    world.add_replica(0, "Carts", 1).await;
    world.put(0, "Carts", "before", "v").await;
    world.until(async || world.same(&[0, 1], "Carts").await).await;
    let before = world.sites[1].arrivals.of(world.table_id(0, "Carts")).len();

    world.set_skew(1, 0);
    // All waiting writes fit into one batch, the last of which is never due.
    for number in 0..WRITES {
        world.put(0, "Carts", &format!("k{number}"), "v").await;
        sleep(Duration::from_millis(100)).await;
    }
    let eu = world.region(0);
    let held = async || world.status(1).await.peers[&eu].quarantined;
    assert!(held().await.is_some_and(|seen| seen.ahead_ms > seen.limit_ms));
    world.until(async || world.same(&[0, 1], "Carts").await).await;
    world.until(async || held().await.is_none()).await;

    let arrived = world.sites[1].arrivals.of(world.table_id(0, "Carts")).split_off(before);
    assert_eq!(arrived.len(), WRITES);
    let sequences: Vec<u64> = arrived.iter().map(|arrival| arrival.version.sequence).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    for arrival in &arrived {
        // The writer's clock is right.
        let late_ms = arrival.applied_ms + BEHIND_MS - arrival.version.time.millis();
        let allowed_ms = 500;
        assert!(
            (BEHIND_MS - allowed_ms..BEHIND_MS + 2000).contains(&late_ms),
            "{late_ms} ms late: {arrival:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn write_is_sent_without_waiting_for_a_timer() {
    let world = World::start(&["eu-west-1", "us-east-1"]).await;
    world.create_table(0, "Carts").await;
    world.add_replica(0, "Carts", 1).await;
    world
        .until(async || world.status(0).await.peers[&world.region(1)].backlog.is_some())
        .await;
    world.put(0, "Carts", "k", "v").await;
    let since = Instant::now();
    while world.get(1, "Carts", "k").await.is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(
        since.elapsed() <= Duration::from_millis(2),
        "virtual time: no timer is on the way of a write"
    );
}
