//! Items expire in every region, in virtual time.

use std::time::Duration;

use beringia_item::{Cause, TableId};
use beringia_storage::LogFilter;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::TestCluster;

/// When the tests begin, seconds since the Unix epoch.
const EPOCH_S: u64 = 1_700_000_000;

/// Two regions with a table whose items expire. Their logs are never trimmed, so that the tests can
/// read them.
async fn cluster() -> TestCluster {
    let cluster = TestCluster::start_in(&["eu-west-1", "us-east-1"], None, |tuning| {
        tuning.garbage_interval = None;
    })
    .await;
    cluster.create_table(0, "Sessions").await;
    cluster.add_replica(0, "Sessions", 1).await;
    let specification = json!({"Enabled": true, "AttributeName": "until"});
    let enable = json!({"TableName": "Sessions", "TimeToLiveSpecification": specification});
    assert_eq!(
        cluster.ask(0, "UpdateTimeToLive", enable).await,
        json!({"TimeToLiveSpecification": specification})
    );
    cluster
        .until(async || {
            let described = cluster
                .ask(1, "DescribeTimeToLive", json!({"TableName": "Sessions"}))
                .await;
            described["TimeToLiveDescription"] == json!({"TimeToLiveStatus": "ENABLED", "AttributeName": "until"})
        })
        .await;
    cluster
}

async fn put(cluster: &TestCluster, site: usize, key: &str, until: Value) {
    let item = json!({"pk": {"S": key}, "v": {"S": "x"}, "until": until});
    cluster
        .ask(site, "PutItem", json!({"TableName": "Sessions", "Item": item}))
        .await;
}

/// Seconds of virtual time until the item is gone.
async fn gone_after(cluster: &TestCluster, site: usize, key: &str) -> u64 {
    let since = Instant::now();
    cluster
        .until(async || cluster.get(site, "Sessions", key).await.is_none())
        .await;
    since.elapsed().as_secs()
}

/// The deletes of the table in the region's own log: by time to live, and by clients.
async fn deletes(cluster: &TestCluster, site: usize) -> (usize, usize) {
    let (store, table): (_, TableId) = (cluster.store(site), cluster.table_id(site, "Sessions"));
    let filter = LogFilter {
        origins: vec![cluster.origin(site)],
        tables: [(table, Default::default())].into(),
    };
    let from = store.log_position(&filter).await.unwrap().unwrap();
    let page = store.read_log(from, &filter, usize::MAX >> 1).await.unwrap();
    let of = |cause| {
        page.mutations
            .iter()
            .filter(|mutation| mutation.image.is_none() && mutation.cause == cause)
            .count()
    };
    (of(Cause::TimeToLive), of(Cause::Client))
}

fn in_seconds(seconds: u64) -> Value {
    json!({"N": (EPOCH_S + seconds).to_string()})
}

#[tokio::test(start_paused = true)]
async fn item_expires_in_all_regions_and_not_before_its_time() {
    let cluster = cluster().await;
    put(&cluster, 0, "soon", in_seconds(60)).await;
    put(&cluster, 1, "late", in_seconds(3_000_000_000)).await;
    put(&cluster, 1, "never", json!({"S": "1"})).await;
    let elapsed = Instant::now();
    cluster
        .until(async || cluster.get(1, "Sessions", "soon").await.is_some())
        .await;
    sleep(Duration::from_secs(40)).await;
    assert!(cluster.get(0, "Sessions", "soon").await.is_some());
    gone_after(&cluster, 0, "soon").await;
    gone_after(&cluster, 1, "soon").await;
    assert!(elapsed.elapsed() < Duration::from_secs(70), "{:?}", elapsed.elapsed());
    sleep(Duration::from_secs(60)).await;
    for site in [0, 1] {
        assert!(cluster.get(site, "Sessions", "late").await.is_some());
        assert!(cluster.get(site, "Sessions", "never").await.is_some());
        assert_eq!(cluster.store(site).conflicts(None, 0, 10).await.unwrap(), []);
    }
    assert!(cluster.same(&[0, 1], "Sessions").await);
}

#[tokio::test(start_paused = true)]
async fn expired_item_is_deleted_by_the_region_that_wrote_it() {
    let cluster = cluster().await;
    for i in 0..200 {
        put(&cluster, i % 2, &format!("{i}"), in_seconds(10)).await;
    }
    cluster
        .until(async || {
            let sizes = [0, 1].map(|site| cluster.store(site).catalog().by_name["Sessions"].size.items());
            sizes == [0, 0]
        })
        .await;
    cluster.until(async || cluster.same(&[0, 1], "Sessions").await).await;
    for site in [0, 1] {
        assert_eq!(deletes(&cluster, site).await, (100, 0), "region {site}");
        assert_eq!(cluster.store(site).conflicts(None, 0, 10).await.unwrap(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn cut_off_regions_expire_all_items_without_conflict() {
    let cluster = cluster().await;
    put(&cluster, 0, "from eu", in_seconds(20)).await;
    put(&cluster, 1, "from us", in_seconds(20)).await;
    cluster.until(async || cluster.same(&[0, 1], "Sessions").await).await;
    cluster.cut(0, 1);
    for site in [0, 1] {
        for key in ["from eu", "from us"] {
            gone_after(&cluster, site, key).await;
        }
    }
    cluster.heal();
    cluster.until(async || cluster.same(&[0, 1], "Sessions").await).await;
    for site in [0, 1] {
        assert_eq!(cluster.store(site).conflicts(None, 0, 10).await.unwrap(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn item_with_an_extended_time_to_live_stays() {
    let cluster = cluster().await;
    put(&cluster, 0, "a", in_seconds(30)).await;
    sleep(Duration::from_secs(15)).await;
    put(&cluster, 1, "a", in_seconds(3000)).await;
    sleep(Duration::from_secs(60)).await;
    assert!(cluster.get(0, "Sessions", "a").await.is_some());
    assert!(cluster.get(1, "Sessions", "a").await.is_some());
}
