//! What clients of simulated regions can know: that a region is down, that it may have done what it
//! was asked, or its answer.

use std::{process::abort, time::Duration};

use beringia_history::FailureCause;
use beringia_regions::Topology;
use beringia_simulator::{Cluster, ClusterConfig, in_virtual_time};
use beringia_storage::Catalog;
use beringia_workload::{CallError, Targets as _};
use serde_json::{Value, json};
use tokio::time::Instant;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn played<T>(what: &str, test: impl AsyncFnOnce(Cluster, String) -> T) -> T {
    // The stuck thread can be neither interrupted nor made to fail its test.
    in_virtual_time(what, Duration::from_secs(120), |_| abort(), async {
        let cluster = Cluster::start(ClusterConfig::new(Topology::two(), 7));
        let cluster = cluster.await.unwrap_or_else(|error| panic!("{error}"));
        let region = cluster.names().swap_remove(0);
        test(cluster, region).await
    })
}

fn table() -> Value {
    json!({
        "TableName": "Things",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
    })
}

/// While the region is down, it refuses the connection.
#[test]
fn clients_reconnect_to_a_restarted_region() {
    played(
        "clients of a region that comes and goes",
        async |mut cluster, region| {
            let mut client = cluster.clients().target(&region);
            let no_tables = Ok(json!({ "TableNames": [] }));
            let began = Instant::now();
            assert_eq!(client.call("ListTables", json!({})).await, no_tables);
            assert_eq!(began.elapsed(), millis(4), "to connect, and there and back");
            assert_eq!(client.call("ListTables", json!({})).await, no_tables);
            assert_eq!(began.elapsed(), millis(6), "the connection is open");

            cluster.crash_region(&region, false).expect("it ran");
            let refused = client.call("ListTables", json!({})).await;
            assert!(
                matches!(refused, Err(CallError::Unreachable(FailureCause::Refused, _))),
                "{refused:?}"
            );
            cluster.start_region(&region).await.expect("it starts");
            assert_eq!(client.call("ListTables", json!({})).await, no_tables);

            let unknown = client.call("DescribeTable", json!({ "TableName": "Things" })).await;
            let Err(CallError::Refused { kind, .. }) = unknown else {
                panic!("{unknown:?}");
            };
            assert_eq!(kind, "ResourceNotFoundException");
        },
    );
}

#[test]
fn a_crash_leaves_clients_with_unknown_outcomes() {
    played("clients of a region that crashes", async |mut cluster, region| {
        let mut client = cluster.clients().target(&region);
        client.call("CreateTable", table()).await.expect("it is created");
        for key in ["on its way", "committed"] {
            let mut client = cluster.clients().target(&region);
            client.call("ListTables", json!({})).await.expect("connected");
            let parameters = json!({ "TableName": "Things", "Item": { "pk": { "S": key } } });
            let store = cluster.store(&region).expect("it runs");
            let committed = store.log_appended().notified();
            let asked = tokio::spawn(async move { client.call("PutItem", parameters).await });
            tokio::task::yield_now().await;
            if key == "committed" {
                committed.await;
            }
            cluster.crash_region(&region, false).expect("it ran");
            let answer = asked.await.expect("no panic");
            assert!(
                matches!(answer, Err(CallError::Unknown(FailureCause::Reset, _))),
                "{key}: {answer:?}"
            );
            cluster.start_region(&region).await.expect("it starts");
        }
        // Uncommitted writes are gone. Committed ones exist, although they were not acknowledged.
        let mut client = cluster.clients().target(&region);
        let answer = client
            .call("Scan", json!({ "TableName": "Things" }))
            .await
            .expect("read");
        let items = answer["Items"].as_array().expect("items");
        assert!(!items.contains(&json!({ "pk": { "S": "on its way" } })), "{items:?}");
        assert!(items.contains(&json!({ "pk": { "S": "committed" } })), "{items:?}");
    });
}

/// Nothing else would notice it: the region still answers reads.
#[test]
fn a_panic_of_a_committer_fails_the_run() {
    played("a region whose committer panics", async |cluster, region| {
        cluster.check().expect("nothing has failed");
        let store = cluster.store(&region).expect("it runs");
        let fatal = |_: &Catalog| panic!("a planted panic");
        assert!(store.change_schema(Box::new(fatal)).await.is_err());
        let mut client = cluster.clients().target(&region);
        let no_tables = Ok(json!({ "TableNames": [] }));
        assert_eq!(client.call("ListTables", json!({})).await, no_tables);
        let failed = cluster.check().expect_err("it has failed").to_string();
        assert_eq!(
            failed,
            format!("region {region} failed: the committer panicked: a planted panic")
        );
    });
}
