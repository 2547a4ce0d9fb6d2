//! The observer's arrivals, and the backlog and traffic of each peer.

use std::time::Duration;

use beringia_node::Way;
use tokio::time::sleep;

use crate::support::World;

#[tokio::test(start_paused = true)]
async fn observer_sees_each_remote_write_once() {
    let world = World::start_with_delay(&["eu-west-1", "us-east-1"], 40).await;
    world.create_table(0, "Carts").await;
    world.put(0, "Carts", "before", "1").await;
    world.add_replica(0, "Carts", 1).await;
    let table = world.table_id(0, "Carts");
    let copied = world.sites[1].arrivals.of(table);
    let version = async |key: &str| {
        let found = world.store(0).explain(table, &world.key(0, "Carts", key)).await;
        found.unwrap().unwrap().version
    };
    let before = version("before").await;
    assert!(
        copied.iter().any(|one| one.version == before && one.way == Way::Copy),
        "{copied:?}"
    );

    for number in 0..20 {
        world.put(0, "Carts", &format!("k{number}"), "v").await;
    }
    world.delete(0, "Carts", "k3").await;
    world.put(1, "Carts", "mine", "v").await;
    world.until(async || world.same(&[0, 1], "Carts").await).await;
    let streamed: Vec<_> = world.sites[1].arrivals.of(table).split_off(copied.len());
    assert_eq!(streamed.len(), 21, "own writes do not arrive: {streamed:?}");
    let sequences: Vec<u64> = streamed.iter().map(|arrival| arrival.version.sequence).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    for arrival in &streamed {
        assert_eq!((arrival.origin(), arrival.way), (&world.origin(0), Way::Stream));
        // Both clocks show the same virtual time, and the network delay is 40 ms.
        assert!((40..200).contains(&arrival.lag_ms()), "{arrival:?}");
    }
    assert_eq!(streamed[20].version, version("k3").await, "the delete is the last");
    assert_eq!(world.sites[0].arrivals.of(table).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn flow_reports_the_backlog_and_traffic_of_each_peer() {
    let world = World::start(&["ap", "eu", "us"]).await;
    world.create_table(0, "Carts").await;
    world.add_replica(0, "Carts", 1).await;
    world.add_replica(0, "Carts", 2).await;
    let (eu, us) = (world.region(1), world.region(2));
    let backlog = async |peer| {
        world.node(0).flows().await[peer]
            .backlog
            .map(|backlog| backlog.mutations)
    };
    world
        .until(async || (backlog(&eu).await, backlog(&us).await) == (Some(0), Some(0)))
        .await;
    let before = world.node(0).flows().await;
    world.cut(0, 1);
    // During the cut, eu receives ap's writes through us, and cannot tell ap so.
    for number in 0..7 {
        world.put(0, "Carts", &format!("k{number}"), "0123456789").await;
    }
    sleep(Duration::from_secs(2)).await;
    let after = world.node(0).flows().await;
    let behind = after[&eu].backlog.unwrap();
    assert_eq!(behind.mutations, 7);
    assert!(behind.bytes >= 7 * 10, "{behind:?}");
    assert_eq!(after[&us].backlog.unwrap().mutations, 0);
    assert!(after[&us].bytes_sent >= before[&us].bytes_sent + 7 * 10, "{after:?}");
    let status = world.status(0).await;
    for peer in [&eu, &us] {
        let of_status = &status.peers[peer];
        assert_eq!(
            (of_status.backlog, of_status.bytes_sent > 0),
            (after[peer].backlog, after[peer].bytes_sent > 0)
        );
    }
}
