//! Regions that are started on an older copy of their database.

use std::{fs, path::Path, time::Duration};

use serde_json::json;
use tokio::time::sleep;

use crate::support::TestCluster;

const REGIONS: [&str; 3] = ["eu-west-1", "sa-east-1", "us-east-1"];

/// Three regions with database files in a directory, and the table `Carts` in all of them.
async fn cluster_in(directory: &Path) -> TestCluster {
    let cluster = TestCluster::start_in(&REGIONS, Some(directory), |_| {}).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.add_replica(0, "Carts", 2).await;
    cluster
}

/// Copies the database of a region that does not run from one directory to another.
fn copy_database(region: usize, from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("{}{suffix}", REGIONS[region]);
        let _ = fs::remove_file(to.join(&name));
        if from.join(&name).exists() {
            fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

async fn all_same(cluster: &TestCluster) {
    cluster.until(async || cluster.same(&[0, 1, 2], "Carts").await).await;
}

/// Waits until every region serves the table and all are equal.
async fn converged(cluster: &TestCluster) {
    for site in 0..3 {
        cluster
            .until(async || cluster.replica_status(site, "Carts", site).await == "ACTIVE")
            .await;
    }
    all_same(cluster).await;
}

/// Writes until the region serves the table: while it copies it, the region refuses requests.
async fn put_soon(cluster: &TestCluster, site: usize, key: &str) {
    let item = json!({"pk": {"S": key}, "v": {"S": "v"}});
    let put = json!({"TableName": "Carts", "Item": item});
    let is_taken = async || cluster.try_ask(site, "PutItem", put.clone()).await.0 == 200;
    cluster.until(is_taken).await;
}

/// Stops the region and copies its database to another directory, or the copy back.
async fn move_database(cluster: &mut TestCluster, site: usize, from: &Path, to: &Path) {
    cluster.stop(site).await;
    copy_database(site, from, to);
    cluster.run(site).await;
}

async fn assert_everywhere(cluster: &TestCluster, prefix: &str, count: usize) {
    for site in 0..3 {
        for number in 0..count {
            let key = format!("{prefix}{number}");
            assert!(cluster.get(site, "Carts", &key).await.is_some(), "{key} in {site}");
        }
    }
}

fn epoch(cluster: &TestCluster, site: usize) -> u64 {
    cluster.store(site).own_sequences().epoch
}

/// Ten items that the copy of the first region's database has, and ten that came later.
async fn with_writes_since_a_copy(directory: &Path, copies: &Path) -> TestCluster {
    let mut cluster = cluster_in(directory).await;
    for number in 0..10 {
        cluster.put(0, "Carts", &format!("old{number}"), "v").await;
    }
    all_same(&cluster).await;
    move_database(&mut cluster, 0, directory, copies).await;
    for number in 0..10 {
        cluster.put(0, "Carts", &format!("lost{number}"), "v").await;
    }
    cluster
}

/// The other regions have the lost writes. The region gets them back, and they get the new ones.
/// Items whose tombstones the others collected meanwhile do not come back.
#[tokio::test(start_paused = true)]
async fn restored_region_loses_no_new_write() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut cluster = with_writes_since_a_copy(directory.path(), copies.path()).await;
    cluster.put(0, "Carts", "old3", "later").await;
    cluster.delete(0, "Carts", "old7").await;
    cluster.delete(1, "Carts", "old8").await;
    all_same(&cluster).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(epoch(&cluster, 0), 1, "a restart begins no epoch");
    move_database(&mut cluster, 0, copies.path(), directory.path()).await;
    for number in 0..5 {
        put_soon(&cluster, 0, &format!("new{number}")).await;
    }
    converged(&cluster).await;
    assert_everywhere(&cluster, "new", 5).await;
    assert_everywhere(&cluster, "lost", 10).await;
    for site in 0..3 {
        assert_eq!(cluster.get(site, "Carts", "old3").await.as_deref(), Some("later"));
        assert_eq!(cluster.get(site, "Carts", "old7").await, None, "in {site}");
        assert_eq!(cluster.get(site, "Carts", "old8").await, None, "in {site}");
    }
    assert_eq!([0, 1, 2].map(|site| epoch(&cluster, site)), [2, 1, 1]);
    // Once the writes are back, a restart finds nothing missing.
    cluster.stop(0).await;
    cluster.run(0).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(epoch(&cluster, 0), 2);
    assert_eq!(cluster.replica_status(0, "Carts", 0).await, "ACTIVE");
}

/// No peer is reachable when the copy is started, and it is restarted before one is. It takes
/// writes, and learns later what it is missing.
#[tokio::test(start_paused = true)]
async fn restored_region_learns_later_what_it_is_missing() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut cluster = with_writes_since_a_copy(directory.path(), copies.path()).await;
    cluster.delete(0, "Carts", "old7").await;
    all_same(&cluster).await;
    sleep(Duration::from_secs(60)).await;
    cluster.cut(0, 1);
    cluster.cut(0, 2);
    move_database(&mut cluster, 0, copies.path(), directory.path()).await;
    for number in 0..3 {
        cluster.put(0, "Carts", &format!("new{number}"), "v").await;
        cluster.stop(0).await;
        cluster.run(0).await;
    }
    assert_eq!(epoch(&cluster, 0), 1, "no peer has told it");
    cluster.heal();
    cluster.until(async || epoch(&cluster, 0) == 2).await;
    for number in 3..5 {
        put_soon(&cluster, 0, &format!("new{number}")).await;
    }
    converged(&cluster).await;
    assert_everywhere(&cluster, "new", 5).await;
    assert_everywhere(&cluster, "lost", 10).await;
    for site in 0..3 {
        assert_eq!(cluster.get(site, "Carts", "old7").await, None, "in {site}");
    }
}

/// Two regions are put back to copies of one time. Each gets its own writes back from the third,
/// and from the other what that one has.
#[tokio::test(start_paused = true)]
async fn two_restored_regions_get_their_writes_back() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut cluster = cluster_in(directory.path()).await;
    for site in [0, 1] {
        move_database(&mut cluster, site, directory.path(), copies.path()).await;
    }
    for number in 0..10 {
        cluster.put(number % 2, "Carts", &format!("lost{number}"), "v").await;
    }
    all_same(&cluster).await;
    for site in [0, 1] {
        cluster.stop(site).await;
        copy_database(site, copies.path(), directory.path());
    }
    for site in [0, 1] {
        cluster.run(site).await;
    }
    for number in 0..4 {
        put_soon(&cluster, number % 2, &format!("new{number}")).await;
    }
    converged(&cluster).await;
    assert_everywhere(&cluster, "new", 4).await;
    assert_everywhere(&cluster, "lost", 10).await;
    assert_eq!([0, 1, 2].map(|site| epoch(&cluster, site)), [2, 2, 1]);
}

/// All regions are put back to copies of one time: no region has the writes since, and none asks
/// for them.
#[tokio::test(start_paused = true)]
async fn regions_restored_together_go_on() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut cluster = cluster_in(directory.path()).await;
    for site in 0..3 {
        move_database(&mut cluster, site, directory.path(), copies.path()).await;
    }
    for number in 0..9 {
        cluster.put(number % 3, "Carts", &format!("lost{number}"), "v").await;
    }
    all_same(&cluster).await;
    for site in 0..3 {
        cluster.stop(site).await;
        copy_database(site, copies.path(), directory.path());
    }
    for site in 0..3 {
        cluster.run(site).await;
        put_soon(&cluster, site, &format!("new{site}")).await;
    }
    converged(&cluster).await;
    assert_everywhere(&cluster, "new", 3).await;
    for site in 0..3 {
        assert_eq!(cluster.get(site, "Carts", "lost4").await, None);
        assert_eq!(epoch(&cluster, site), 1);
    }
}

/// A table that the region created after the copy was made is in the catalog of the others.
#[tokio::test(start_paused = true)]
async fn restored_region_gets_its_catalog_back() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut cluster = TestCluster::start_in(&REGIONS, Some(directory.path()), |_| {}).await;
    move_database(&mut cluster, 0, directory.path(), copies.path()).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.add_replica(0, "Carts", 2).await;
    for number in 0..5 {
        cluster.put(0, "Carts", &format!("lost{number}"), "v").await;
    }
    all_same(&cluster).await;
    move_database(&mut cluster, 0, copies.path(), directory.path()).await;
    put_soon(&cluster, 0, "new0").await;
    converged(&cluster).await;
    assert_everywhere(&cluster, "new", 1).await;
    assert_everywhere(&cluster, "lost", 5).await;
    assert_eq!(epoch(&cluster, 0), 2);
}
