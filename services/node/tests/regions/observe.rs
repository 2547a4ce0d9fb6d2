//! The observer's arrivals, and the backlog and traffic of each peer.

use std::time::Duration;

use beringia_node::Way;
use tokio::time::sleep;

use crate::support::TestCluster;

#[tokio::test(start_paused = true)]
async fn observer_sees_each_remote_write_once() {
    let cluster = TestCluster::start_with_delay(&["eu-west-1", "us-east-1"], 40).await;
    cluster.create_table(0, "Carts").await;
    cluster.put(0, "Carts", "before", "1").await;
    cluster.add_replica(0, "Carts", 1).await;
    let table = cluster.table_id(0, "Carts");
    let copied = cluster.sites[1].arrivals.of(table);
    let version = async |key: &str| {
        let found = cluster.store(0).explain(table, &cluster.key(0, "Carts", key)).await;
        found.unwrap().unwrap().version
    };
    let before = version("before").await;
    assert!(
        copied.iter().any(|one| one.version == before && one.way == Way::Copy),
        "{copied:?}"
    );

    for number in 0..20 {
        cluster.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    cluster.delete(0, "Carts", "k3").await;
    cluster.put(1, "Carts", "mine", "v").await;
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    let streamed: Vec<_> = cluster.sites[1].arrivals.of(table).split_off(copied.len());
    assert_eq!(streamed.len(), 21, "own writes do not arrive: {streamed:?}");
    let sequences: Vec<u64> = streamed.iter().map(|arrival| arrival.version.sequence).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    for arrival in &streamed {
        assert_eq!((arrival.origin(), arrival.way), (&cluster.origin(0), Way::Stream));
        // Both clocks show the same virtual time, and the network delay is 40 ms.
        assert!((40..200).contains(&arrival.lag_ms()), "{arrival:?}");
    }
    assert_eq!(streamed[20].version, version("k3").await, "the delete is the last");
    assert_eq!(cluster.sites[0].arrivals.of(table).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn flow_reports_the_backlog_and_traffic_of_each_peer() {
    let cluster = TestCluster::start(&["ap", "eu", "us"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.add_replica(0, "Carts", 2).await;
    let (eu, us) = (cluster.region(1), cluster.region(2));
    let backlog = async |peer| {
        cluster.node(0).flows().await[peer]
            .backlog
            .map(|backlog| backlog.mutations)
    };
    cluster
        .until(async || (backlog(&eu).await, backlog(&us).await) == (Some(0), Some(0)))
        .await;
    let before = cluster.node(0).flows().await;
    cluster.cut(0, 1);
    // During the cut, eu receives ap's writes through us, and cannot tell ap so.
    for number in 0..7 {
        cluster.put(0, "Carts", &format!("k{number}"), "0123456789").await;
    }
    sleep(Duration::from_secs(2)).await;
    let after = cluster.node(0).flows().await;
    let behind = after[&eu].backlog.unwrap();
    assert_eq!(behind.mutations, 7);
    assert!(behind.bytes >= 7 * 10, "{behind:?}");
    assert_eq!(after[&us].backlog.unwrap().mutations, 0);
    assert!(after[&us].bytes_sent >= before[&us].bytes_sent + 7 * 10, "{after:?}");
    let status = cluster.status(0).await;
    for peer in [&eu, &us] {
        let of_status = &status.peers[peer];
        assert_eq!(
            (of_status.backlog, of_status.bytes_sent > 0),
            (after[peer].backlog, after[peer].bytes_sent > 0)
        );
    }
}
