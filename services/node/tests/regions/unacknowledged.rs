//! The count of what would be lost with a region: its writes that no other region has acknowledged.

use crate::support::TestCluster;

/// How many writes of the first region no other region has acknowledged.
async fn count(cluster: &TestCluster) -> Option<u64> {
    let backlog = cluster.node(0).unacknowledged().await;
    backlog.map(|backlog| backlog.mutations)
}

/// Every region has acknowledged something else: the second has a replica of one table, the third
/// of the other, and the fourth of none.
#[tokio::test(start_paused = true)]
async fn writes_are_counted_for_the_replicas_of_their_table() {
    let cluster = TestCluster::start(&["us", "eu", "ap", "sa"]).await;
    for (table, replica) in [("Carts", 1), ("Orders", 2)] {
        cluster.create_table(0, table).await;
        cluster.add_replica(0, table, replica).await;
        cluster.put(0, table, "before", "the cut").await;
    }
    cluster.create_table(0, "Local").await;
    cluster.put(0, "Local", "alone", "in no log of others").await;
    cluster.until(async || count(&cluster).await == Some(0)).await;

    cluster.cut(0, 1);
    for key in ["a", "b", "c"] {
        cluster.put(0, "Carts", key, "").await;
    }
    cluster.put(0, "Orders", "arrives", "").await;
    let arrived = async || count(&cluster).await == Some(3);
    cluster.until(arrived).await;
    cluster.cut(0, 2);
    for key in ["d", "e"] {
        cluster.put(0, "Orders", key, "").await;
    }
    let backlog = cluster.node(0).unacknowledged().await.unwrap();
    assert_eq!(backlog.mutations, 5);
    assert!(backlog.first_sequence.is_some() && backlog.oldest.is_some());
    let least = cluster.node(0).flows().await;
    let least = least
        .values()
        .filter_map(|flow| flow.backlog)
        .map(|backlog| backlog.mutations)
        .min();
    assert_eq!(least, Some(0), "the fourth region has nothing to acknowledge");
}

/// A write that any other replica has is not lost.
#[tokio::test(start_paused = true)]
async fn the_replica_that_has_most_counts() {
    let cluster = TestCluster::start(&["us", "eu", "ap"]).await;
    cluster.create_table(0, "Carts").await;
    for replica in [1, 2] {
        cluster.add_replica(0, "Carts", replica).await;
    }
    cluster.cut(0, 1);
    cluster.put(0, "Carts", "a", "").await;
    cluster.until(async || count(&cluster).await == Some(0)).await;
    cluster.cut(0, 2);
    cluster.put(0, "Carts", "b", "").await;
    assert_eq!(count(&cluster).await, Some(1));
}
