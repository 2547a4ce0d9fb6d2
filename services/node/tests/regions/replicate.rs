//! Writes reach the other regions, in spite of cuts, crashes and wrong clocks.

use std::time::Duration;

use beringia_node::LinkState;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::TestCluster;

#[tokio::test(start_paused = true)]
async fn writes_are_readable_in_the_other_region() {
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.put(0, "Carts", "before", "1").await;
    cluster.add_replica(0, "Carts", 1).await;
    assert_eq!(cluster.get(1, "Carts", "before").await.as_deref(), Some("1"));
    cluster.put(0, "Carts", "a", "from eu").await;
    cluster.put(1, "Carts", "b", "from us").await;
    cluster
        .until(async || cluster.get(1, "Carts", "a").await.as_deref() == Some("from eu"))
        .await;
    cluster
        .until(async || cluster.get(0, "Carts", "b").await.as_deref() == Some("from us"))
        .await;
    cluster.delete(1, "Carts", "a").await;
    cluster
        .until(async || cluster.get(0, "Carts", "a").await.is_none())
        .await;
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    assert!(cluster.store(0).conflicts(None, 0, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_transaction_arrives_whole() {
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    let put = |key: &str| json!({"Put": {"TableName": "Carts", "Item": {"pk": {"S": key}, "v": {"S": "both"}}}});
    cluster
        .ask(0, "TransactWriteItems", json!({"TransactItems": [put("x"), put("y")]}))
        .await;
    cluster
        .until(async || {
            let x = cluster.get(1, "Carts", "x").await;
            let y = cluster.get(1, "Carts", "y").await;
            assert_eq!(x, y, "half of a transaction is visible");
            x.is_some()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn status_reports_backlog_lag_and_acknowledged_vectors() {
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    let us = cluster.region(1);
    let drained = async || {
        cluster.status(0).await.peers[&us]
            .backlog
            .is_some_and(|backlog| backlog.mutations == 0)
    };
    cluster.until(drained).await;
    cluster.cut(0, 1);
    sleep(Duration::from_secs(1)).await;
    for number in 0..5 {
        cluster.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    sleep(Duration::from_secs(3)).await;
    let status = cluster.status(0).await;
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

    cluster.heal();
    cluster.until(drained).await;
    let receives = async || cluster.status(0).await.peers[&us].receiving == LinkState::Connected;
    cluster.until(receives).await;
    let status = cluster.status(0).await;
    let peer = &status.peers[&us];
    let table = cluster.table_id(0, "Carts");
    assert_eq!(
        (&peer.receiving, &peer.sending),
        (&LinkState::Connected, &LinkState::Connected)
    );
    assert_eq!(peer.acknowledged[&table], status.tables[&table].vector);
    assert!(peer.bytes_sent > 0 && peer.bytes_received > 0);
    let lag = cluster.status(1).await.lag[&cluster.region(0)];
    assert!(lag.count >= 5 && lag.max >= 3000 && lag.min <= lag.p50, "{lag:?}");
}

#[tokio::test(start_paused = true)]
async fn regions_cut_off_from_each_other_converge_through_a_third() {
    let cluster = TestCluster::start(&["ap-northeast-1", "eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.add_replica(0, "Carts", 2).await;
    cluster.cut(0, 1);
    cluster.put(0, "Carts", "a", "from ap").await;
    cluster.put(1, "Carts", "b", "from eu").await;
    cluster
        .until(async || cluster.get(1, "Carts", "a").await.is_some())
        .await;
    cluster
        .until(async || cluster.get(0, "Carts", "b").await.is_some())
        .await;
    let (ap, us) = (cluster.region(0), cluster.region(2));
    assert_eq!(cluster.status(1).await.peers[&ap].relayed_through.as_ref(), Some(&us));
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
    cluster.heal();
    cluster
        .until(async || cluster.status(1).await.peers[&ap].relayed_through.is_none())
        .await;
    cluster.put(0, "Carts", "c", "direct").await;
    cluster
        .until(async || cluster.get(1, "Carts", "c").await.is_some())
        .await;
}

#[tokio::test(start_paused = true)]
async fn concurrent_writes_converge_and_are_journalled_everywhere() {
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.cut(0, 1);
    cluster.put(0, "Carts", "k", "first").await;
    sleep(Duration::from_millis(50)).await;
    cluster.put(1, "Carts", "k", "second").await;
    cluster.heal();
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    for site in [0, 1] {
        assert_eq!(cluster.get(site, "Carts", "k").await.as_deref(), Some("second"));
        let conflicts = cluster.store(site).conflicts(None, 0, 10).await.unwrap();
        assert_eq!(conflicts.len(), 1);
        assert_eq!(conflicts[0].winner.version.origin, cluster.origin(1));
        assert_eq!(conflicts[0].loser.version.origin, cluster.origin(0));
    }
}

#[tokio::test(start_paused = true)]
async fn killed_region_catches_up_from_its_disk() {
    let mut cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.put(1, "Carts", "kept", "yes").await;
    cluster.kill(1);
    for number in 0..300 {
        cluster.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    cluster.run(1).await;
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    assert_eq!(cluster.get(1, "Carts", "k299").await.as_deref(), Some("v"));
    assert_eq!(cluster.get(0, "Carts", "kept").await.as_deref(), Some("yes"));
}

#[tokio::test(start_paused = true)]
async fn writes_a_year_ahead_stay_in_quarantine_until_due() {
    const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.put(0, "Carts", "k", "before").await;
    cluster
        .until(async || cluster.get(1, "Carts", "k").await.is_some())
        .await;
    cluster.set_skew(0, YEAR_MS);
    cluster.put(0, "Carts", "k", "from the future").await;
    let eu = cluster.region(0);
    cluster
        .until(async || cluster.status(1).await.peers[&eu].quarantined.is_some())
        .await;
    let seen = cluster.status(1).await.peers[&eu].quarantined.unwrap();
    assert!(seen.ahead_ms > YEAR_MS - 10_000 && seen.limit_ms == 500, "{seen:?}");
    // The other direction continues, and the clock here does not follow the one that is ahead.
    cluster.put(1, "Carts", "other", "from us").await;
    cluster
        .until(async || cluster.get(0, "Carts", "other").await.is_some())
        .await;
    assert_eq!(cluster.get(1, "Carts", "k").await.as_deref(), Some("before"));
    let (version, _) = cluster
        .store(1)
        .get(cluster.table_id(1, "Carts"), &cluster.key(1, "Carts", "other"))
        .await
        .unwrap()
        .unwrap();
    assert!(version.time.millis() < cluster.status(1).await.clock_ms + 500);
    // A year later, on both clocks.
    cluster.set_skew(0, YEAR_MS);
    cluster.set_skew(1, YEAR_MS);
    cluster
        .until(async || cluster.get(1, "Carts", "k").await.as_deref() == Some("from the future"))
        .await;
    assert_eq!(cluster.status(1).await.peers[&eu].quarantined, None);
}

/// The receiver's clock is half a minute behind, so that each write waits that long.
#[tokio::test(start_paused = true)]
async fn slow_clock_delays_each_write_and_loses_none() {
    const BEHIND_MS: u64 = 30_000;
    const WRITES: usize = 400;
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    for site in [0, 1] {
        cluster.set_skew(site, BEHIND_MS);
    }
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.put(0, "Carts", "before", "v").await;
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    let before = cluster.sites[1].arrivals.of(cluster.table_id(0, "Carts")).len();

    cluster.set_skew(1, 0);
    // All waiting writes fit into one batch, the last of which is never due.
    for number in 0..WRITES {
        cluster.put(0, "Carts", &format!("k{number}"), "v").await;
        sleep(Duration::from_millis(100)).await;
    }
    let eu = cluster.region(0);
    let held = async || cluster.status(1).await.peers[&eu].quarantined;
    assert!(held().await.is_some_and(|seen| seen.ahead_ms > seen.limit_ms));
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    cluster.until(async || held().await.is_none()).await;

    let arrived = cluster.sites[1]
        .arrivals
        .of(cluster.table_id(0, "Carts"))
        .split_off(before);
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
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster
        .until(async || cluster.status(0).await.peers[&cluster.region(1)].backlog.is_some())
        .await;
    cluster.put(0, "Carts", "k", "v").await;
    let since = Instant::now();
    while cluster.get(1, "Carts", "k").await.is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(
        since.elapsed() <= Duration::from_millis(2),
        "virtual time: no timer is on the way of a write"
    );
}
