//! Regions that were started together: the loss of one with its disk, and evidence of their logs.

use std::{net::Ipv4Addr, time::Duration};

use beringia_proto::v1::{ControlEvidenceRequest, control_evidence::What};
use beringia_scenario::RegionOptions;
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use super::*;
use crate::{fleet::Fleet, ports::Listen};

const LOST: &str = "us-east-1";
const OTHER: &str = "eu-west-1";
/// How long a commit takes on the disk that is lost: enough for peers to connect again meanwhile.
const SLOW: Duration = Duration::from_millis(1_500);

/// Three regions in memory, with a table that two of them replicate.
async fn regions() -> Running {
    let deployment = Deployment {
        topology: Topology::three(),
        data: None,
        authentication: Authentication::default(),
        limits: RegionLimits::from(&RegionOptions::default()),
        shift_policy: ShiftPolicy::default(),
    };
    let listen = Listen::Address(Ipv4Addr::LOCALHOST.into());
    let running = all(deployment, listen, &Ports::FREE).await.unwrap();
    let table = json!({
        "TableName": "Things", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    });
    assert_eq!(ask(&running, LOST, "CreateTable", table).await.0, 200);
    let replica = json!({"TableName": "Things", "ReplicaUpdates": [{"Create": {"RegionName": OTHER}}]});
    assert_eq!(ask(&running, LOST, "UpdateTable", replica).await.0, 200);
    running
}

/// The status and the body of a region's answer.
async fn ask(running: &Running, region: &str, operation: &str, parameters: Value) -> (u16, Value) {
    let region = running.host.region(region).unwrap();
    let gateway = region.with_node(beringia_node::Node::gateway).await.unwrap();
    let answer = gateway.ask(operation, parameters.as_object().unwrap().clone()).await;
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap())
}

async fn put(running: &Running, region: &str, pk: &str) -> u16 {
    let item = json!({"TableName": "Things", "Item": {"pk": {"S": pk}}});
    ask(running, region, "PutItem", item).await.0
}

async fn has(running: &Running, region: &str, pk: &str) -> bool {
    let key = json!({"TableName": "Things", "Key": {"pk": {"S": pk}}});
    let (_, found) = ask(running, region, "GetItem", key).await;
    found["Item"].is_object()
}

async fn arrives(running: &Running, region: &str, pk: &str) {
    let until = Instant::now() + Duration::from_mins(1);
    while !has(running, region, pk).await {
        assert!(Instant::now() < until, "{pk} does not arrive in {region}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a server listens at the address of the URL.
async fn listens(url: &str) -> bool {
    TcpStream::connect(url.trim_start_matches("http://")).await.is_ok()
}

/// The region is connected when its disk is lost, and a write is under way that its slow disk
/// commits long after the loss. Nobody may see this write, and it is counted as lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_region_is_gone_before_its_slow_disk() {
    let running = regions().await;
    assert_eq!(put(&running, LOST, "early").await, 200);
    arrives(&running, OTHER, "early").await;
    let lost = running.host.region(LOST).unwrap();
    lost.disk_faults().set_commit_delay(SLOW);
    let dying = async {
        // The write is on its way to the disk.
        sleep(SLOW / 10).await;
        lost.fail(true).await.unwrap()
    };
    let watching = async {
        sleep(SLOW / 3).await;
        (
            listens(&lost.dynamodb_url()).await,
            listens(&lost.replication_url()).await,
        )
    };
    let (_, unacknowledged, listened) = tokio::join!(put(&running, LOST, "late"), dying, watching);
    assert!(!has(&running, OTHER, "late").await, "it was shipped after the loss");
    assert_eq!(listened, (false, false), "clients, regions");
    assert_eq!(
        unacknowledged.map(|backlog| backlog.mutations),
        Some(1),
        "the third region, which has no replica, does not matter"
    );
    running.shutdown().await;
}

/// By region, the origins and sequences of the log records that a request yields.
async fn logged(running: &Running, request: ControlEvidenceRequest) -> Vec<(String, String)> {
    let control = [running.addresses().control.clone()];
    let fleet = Fleet::connect(&control).await.unwrap();
    let mut client = fleet.clients().next().unwrap();
    let messages = client.evidence(request).await.unwrap().into_inner();
    let messages: Vec<_> = messages.try_collect().await.unwrap();
    let logged = messages.into_iter().filter_map(|message| match message.what? {
        What::Logged(write) => Some((message.region, write.version?.origin)),
        _ => None,
    });
    logged.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_in_the_logs_of_other_regions_are_sent_alone() {
    let running = regions().await;
    for (region, pk) in [(OTHER, "a"), (LOST, "b"), (LOST, "c")] {
        // A replica that takes writes gets those of others from their logs, not as rows.
        let until = Instant::now() + Duration::from_mins(1);
        while put(&running, region, pk).await != 200 {
            assert!(Instant::now() < until, "{region} does not take {pk}");
            sleep(Duration::from_millis(10)).await;
        }
        for receiver in [LOST, OTHER] {
            arrives(&running, receiver, pk).await;
        }
    }
    let request = |copies_only| ControlEvidenceRequest {
        table: "Things".to_owned(),
        copies_of: vec![LOST.to_owned()],
        copies_only,
        ..ControlEvidenceRequest::default()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let pairs = pairs
            .iter()
            .map(|(region, origin)| ((*region).to_owned(), (*origin).to_owned()));
        pairs.collect()
    };
    assert_eq!(logged(&running, request(true)).await, pairs(&[(OTHER, LOST); 2]));
    let all = [(LOST, LOST), (LOST, LOST), (OTHER, OTHER), (OTHER, LOST), (OTHER, LOST)];
    assert_eq!(logged(&running, request(false)).await, pairs(&all));
    running.shutdown().await;
}
