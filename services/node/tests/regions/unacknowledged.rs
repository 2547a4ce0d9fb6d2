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

/// The delete has reached one region only, which is cut off, when its origin loses its disk. The
/// origin's later writes cover it in all other regions, although these still have the row.
#[tokio::test(start_paused = true)]
async fn delete_that_its_origin_lost_is_not_undone() {
    let mut cluster = TestCluster::start(&["us-east-1", "eu-west-1", "ap-northeast-1"]).await;
    let all = [0, 1, 2];
    cluster.create_table(0, "Carts").await;
    for site in [1, 2] {
        cluster.add_replica(0, "Carts", site).await;
    }
    cluster.put(0, "Carts", "deleted", "v").await;
    cluster.until(async || cluster.same(&all, "Carts").await).await;

    cluster.cut(0, 2);
    cluster.cut(1, 2);
    cluster.delete(0, "Carts", "deleted").await;
    cluster
        .until(async || cluster.get(1, "Carts", "deleted").await.is_none())
        .await;
    cluster.kill(0);
    cluster.lose_disk(0);
    cluster.heal();
    cluster.cut(0, 1);
    cluster.cut(1, 2);
    cluster.run(0).await;
    cluster
        .until(async || cluster.get(0, "Carts", "deleted").await.is_some())
        .await;
    cluster.put(0, "Carts", "later", "v").await;
    cluster
        .until(async || cluster.get(2, "Carts", "later").await.is_some())
        .await;

    cluster.heal();
    let mut writes = 0;
    cluster
        .until(async || {
            for site in all {
                writes += 1;
                cluster.put(site, "Carts", "busy", &writes.to_string()).await;
            }
            writes > 9_000
        })
        .await;
    cluster.until(async || cluster.same(&all, "Carts").await).await;
    for site in all {
        assert_eq!(cluster.get(site, "Carts", "deleted").await, None, "in region {site}");
        assert!(cluster.get(site, "Carts", "later").await.is_some(), "in region {site}");
    }
}
