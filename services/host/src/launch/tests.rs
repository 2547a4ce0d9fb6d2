//! Regions that were started together: the loss of one with its disk, and evidence of their logs.

use std::{net::Ipv4Addr, time::Duration};

use beringia_item::{Cause, Item, KeyBytes};
use beringia_proto::v1::{ControlEvidenceRequest, ControlStatusRequest, control_evidence::What};
use beringia_scenario::RegionOptions;
use beringia_storage::{Change, ItemEffect, ItemWrite, Refusal};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use super::*;
use crate::{fleet::Fleet, ports::Listen, region::Health};

const LOST: &str = "us-east-1";
const OTHER: &str = "eu-west-1";
/// How long a commit takes on the disk that is lost: enough for peers to connect again meanwhile.
const SLOW: Duration = Duration::from_millis(1_500);

/// Three regions in memory.
fn three() -> Deployment {
    Deployment {
        topology: Topology::three(),
        data: None,
        authentication: Authentication::default(),
        limits: RegionLimits::from(&RegionOptions::default()),
        shift_policy: ShiftPolicy::default(),
    }
}

/// Three regions in memory, with a table that two of them replicate.
async fn regions() -> Running {
    let listen = Listen::Address(Ipv4Addr::LOCALHOST.into());
    let running = all(three(), listen, &Ports::FREE).await.unwrap();
    create_table(&running).await;
    let replica = json!({"TableName": "Things", "ReplicaUpdates": [{"Create": {"RegionName": OTHER}}]});
    assert_eq!(ask(&running, LOST, "UpdateTable", replica).await.0, 200);
    running
}

async fn create_table(running: &Running) {
    let table = json!({
        "TableName": "Things", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    });
    assert_eq!(ask(running, LOST, "CreateTable", table).await.0, 200);
}

/// The status and the body of a region's answer.
async fn ask(running: &Running, region: &str, operation: &str, parameters: Value) -> (u16, Value) {
    let region = running.host.region(region).unwrap();
    let gateway = region.with_node(beringia_node::Node::gateway).await.unwrap();
    let answer = gateway.ask(operation, parameters.as_object().unwrap().clone()).await;
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap())
}

/// A write whose decision panics on the committer's thread.
struct Fatal;

impl Change for Fatal {
    fn needs_current(&self) -> bool {
        false
    }

    fn decide(&mut self, _: Option<&Item>) -> Result<ItemEffect, Refusal> {
        panic!("a planted panic")
    }
}

/// Makes the committer of a region panic.
async fn panic_in_committer(running: &Running, region: &str) {
    let store = running.host.region(region).unwrap().store().await.unwrap();
    let write = ItemWrite {
        table: store.catalog().by_name["Things"].id,
        replica_epoch: None,
        key: KeyBytes(vec![0; 3].into()),
        cause: Cause::Client,
        change: Box::new(Fatal),
    };
    assert!(store.commit(vec![write]).await.is_err());
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

/// Twice, since the first restart must not end the watch for failures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_fails_is_started_again() {
    let running = regions().await;
    assert_eq!(put(&running, LOST, "before").await, 200);
    for pk in ["first", "second"] {
        panic_in_committer(&running, LOST).await;
        let until = Instant::now() + Duration::from_mins(1);
        // The region is down during the restart.
        let region = running.host.region(LOST).unwrap();
        while !matches!(region.health().await, Health::Running) || put(&running, LOST, pk).await != 200 {
            assert!(Instant::now() < until, "{LOST} is not started again");
            sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(has(&running, LOST, "before").await);
    arrives(&running, OTHER, "second").await;
    running.shutdown().await;
}

/// One that was stopped on request after its failure stays down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_starts_only_regions_that_failed() {
    let running = regions().await;
    let region = running.host.region(LOST).unwrap();
    region.restart().await.unwrap();
    assert!(matches!(region.health().await, Health::Running));
    region.fail(false).await.unwrap();
    region.restart().await.unwrap();
    assert!(matches!(region.health().await, Health::Down));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_region_that_fails_says_so_and_ends() {
    let single = SingleRegion {
        given_up: Vec::new(),
        name: LOST.to_owned(),
        peers: Vec::new(),
        dynamodb_port: Some(0),
        replication_port: Some(0),
        control_port: Some(0),
    };
    let listen = Listen::Address(Ipv4Addr::LOCALHOST.into());
    let running = one(three(), listen, &single).await.unwrap();
    create_table(&running).await;
    assert_eq!(put(&running, LOST, "before").await, 200);
    panic_in_committer(&running, LOST).await;
    let reason = "the committer panicked: a planted panic";
    assert_eq!(running.failure().await, format!("{LOST} failed: {reason}"));
    assert!(has(&running, LOST, "before").await, "reads go on");
    assert_eq!(put(&running, LOST, "after").await, 503);
    let control = [running.addresses().control.clone()];
    let mut client = Fleet::connect(&control).await.unwrap().clients().next().unwrap();
    let status = client.status(ControlStatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.regions[0].failure, reason);
    assert!(status.regions[0].running);
    running.shutdown().await;
}
