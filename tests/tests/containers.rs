//! Three regions as three containers on their own networks: one is disconnected, both sides write,
//! it is connected again, and all converge.
//!
//! Needs a Docker engine. Without one, the test says so and is skipped, unless
//! `BERINGIA_REQUIRE_DOCKER` is set. The image is built `FROM scratch` with a static binary, so
//! nothing is pulled.

mod docker;
mod drills;

use std::time::Duration;

use beringia_tests::{
    command::{Control, static_beringia},
    http::Connection,
};
use serde_json::json;
use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt,
    core::{IntoContainerPort, Mount, WaitFor},
    runners::AsyncRunner,
};

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-northeast-1"];
const IMAGE: &str = "beringia-tests";

/// All regions converge after a region was disconnected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_survive_a_disconnected_region_and_a_full_disk() {
    let Some(docker) = docker::connect().await else { return };
    docker::build_image(&docker, IMAGE, &static_beringia()).await;
    // testcontainers uses its own version of the API and takes the engine's address from the
    // environment alone.
    let bridge = docker::Bridge::open(&docker).await;
    docker::run_ignored_test("disconnected_region", &bridge.address()).await;
    docker::run_ignored_test("region_on_a_full_disk", &bridge.address()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drills_over_containers_lose_nothing_unexpected() {
    let Some(docker) = docker::connect().await else { return };
    if !docker::has_command_line() {
        return;
    }
    docker::build_image(&docker, IMAGE, &static_beringia()).await;
    let bridge = docker::Bridge::open(&docker).await;
    docker::run_ignored_test("drills::shipped_scenarios", &bridge.address()).await;
    docker::run_ignored_test("drills::links_with_conditions", &bridge.address()).await;
}

/// One region in its container.
struct Member {
    container: ContainerAsync<GenericImage>,
    region: &'static str,
    dynamodb: String,
    control: Control,
}

impl Member {
    /// Starts a region with a disk of that size. Nothing restarts it.
    async fn start(region: &'static str, wan: &docker::Network, disk_bytes: i64) -> Self {
        let disk = Mount::tmpfs_mount("/data").with_size_bytes(disk_bytes);
        Self::run(region, wan, image(disk)).await
    }

    /// Runs a region in a container that is prepared except for its command and its networks.
    async fn run(region: &'static str, wan: &docker::Network, prepared: ContainerRequest<GenericImage>) -> Self {
        let address = |name: &str| wan.address(REGIONS.iter().position(|region| *region == name).expect("one of ours"));
        let peers = REGIONS
            .iter()
            .filter(|peer| **peer != region)
            .flat_map(|peer| ["--peer".to_owned(), format!("{peer}={}:9001", address(peer))]);
        let command = [
            "region", "--name", region, "--data", "/data", "--listen", "0.0.0.0", "--format", "json",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain(
            [
                "--dynamodb-port",
                "8001",
                "--replication-port",
                "9001",
                "--control-port",
                "9090",
            ]
            .map(str::to_owned),
        )
        .chain(peers);
        let container = prepared
            .with_cmd(command)
            // The clients' own network: the region can be reached on it regardless of the state of
            // the network between the regions.
            .with_network(format!("{}-{region}", wan.name()))
            .start()
            .await
            .unwrap_or_else(|error| panic!("the container of {region} starts: {error}"));
        wan.connect(container.id(), &address(region)).await;
        let dynamodb = format!(
            "http://127.0.0.1:{}",
            container.get_host_port_ipv4(8001).await.expect("its port is published")
        );
        let control = Control(format!(
            "http://127.0.0.1:{}",
            container.get_host_port_ipv4(9090).await.expect("its port is published")
        ));
        Self {
            container,
            region,
            dynamodb,
            control,
        }
    }

    async fn call(&self, operation: &str, body: &serde_json::Value) -> serde_json::Value {
        let mut connection = Connection::open(&self.dynamodb, self.region)
            .await
            .expect("the region is there");
        let answer = connection.call(operation, &body.to_string()).await.expect("an answer");
        assert_eq!(answer.status, 200, "{operation} in {}: {}", self.region, answer.json());
        answer.json()
    }

    async fn create_table(&self) {
        self.call(
            "CreateTable",
            &json!({
                "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            }),
        )
        .await;
    }

    async fn put(&self, id: &str) {
        self.call(
            "PutItem",
            &json!({"TableName": "things", "Item": {"id": {"S": id}, "from": {"S": self.region}}}),
        )
        .await;
    }

    async fn origin_of(&self, id: &str) -> Option<String> {
        let got = self
            .call(
                "GetItem",
                &json!({"TableName": "things", "Key": {"id": {"S": id}}, "ConsistentRead": true}),
            )
            .await;
        got["Item"]["from"]["S"].as_str().map(str::to_owned)
    }
}

/// A container with this disk.
fn image(disk: Mount) -> ContainerRequest<GenericImage> {
    GenericImage::new(IMAGE, "latest")
        .with_exposed_port(8001.tcp())
        .with_exposed_port(9090.tcp())
        .with_wait_for(WaitFor::message_on_stdout(r#""event":"ready""#))
        .with_mount(disk)
}

/// Waits at most a minute for a condition that another region causes.
async fn eventually<F: AsyncFn() -> bool>(what: &str, condition: F) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(waited.await.is_ok(), "timed out after a minute: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test above, which tells testcontainers where the engine is"]
async fn disconnected_region() {
    let docker = docker::connect().await.expect("the caller has found Docker");
    let wan = docker::Network::create(docker, "beringia-wan").await;
    let mut members = Vec::new();
    for region in REGIONS {
        members.push(Member::start(region, &wan, 256 << 20).await);
    }
    let [us, eu, ap] = members.as_slice() else {
        unreachable!("three regions")
    };
    let everywhere = Control(
        members
            .iter()
            .map(|member| member.control.0.clone())
            .collect::<Vec<_>>()
            .join(","),
    );

    us.create_table().await;
    for region in &REGIONS[1..] {
        us.call(
            "UpdateTable",
            &json!({"TableName": "things", "ReplicaUpdates": [{"Create": {"RegionName": region}}]}),
        )
        .await;
        eventually("the replica becomes active", async || {
            let table = us.call("DescribeTable", &json!({"TableName": "things"})).await;
            let active =
                |replica: &serde_json::Value| replica["RegionName"] == *region && replica["ReplicaStatus"] == "ACTIVE";
            table["Table"]["Replicas"]
                .as_array()
                .is_some_and(|replicas| replicas.iter().any(active))
                && table["Table"]["TableStatus"] == "ACTIVE"
        })
        .await;
    }

    us.put("before").await;
    let _ = everywhere.converge();
    assert_eq!(ap.origin_of("before").await.as_deref(), Some("us-east-1"));

    wan.disconnect(ap.container.id()).await;
    for number in 0..50 {
        us.put(&format!("us-{number}")).await;
        ap.put(&format!("ap-{number}")).await;
    }
    us.put("both").await;
    eventually("the connected side agrees", async || {
        eu.origin_of("both").await.as_deref() == Some("us-east-1")
    })
    .await;
    ap.put("both").await;
    assert_eq!(ap.origin_of("us-0").await, None, "the network is disconnected");
    assert!(
        !everywhere.output(&["converge", "--timeout", "1"]).status.success(),
        "the regions differ while one is cut off"
    );

    wan.connect(ap.container.id(), &wan.address(2)).await;
    let _ = everywhere.converge();
    for member in &members {
        for number in 0..50 {
            assert_eq!(
                member.origin_of(&format!("us-{number}")).await.as_deref(),
                Some("us-east-1")
            );
            assert_eq!(
                member.origin_of(&format!("ap-{number}")).await.as_deref(),
                Some("ap-northeast-1")
            );
        }
        assert_eq!(
            member.origin_of("both").await.as_deref(),
            Some("ap-northeast-1"),
            "the later write stays"
        );
    }
    let conflicts = everywhere.run(&["conflicts", "--table", "things"]);
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    drop(members);
    wan.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test above, which tells testcontainers where the engine is"]
async fn region_on_a_full_disk() {
    let docker = docker::connect().await.expect("the caller has found Docker");
    let wan = docker::Network::create(docker, "beringia-full").await;
    let member = Member::start(REGIONS[0], &wan, 4 << 20).await;
    member.create_table().await;

    let mut connection = Connection::open(&member.dynamodb, member.region)
        .await
        .expect("the region is there");
    let value = "x".repeat(10_000);
    let mut acknowledged = 0;
    // Four mebibytes hold fewer than a thousand such items, however they are written.
    let refused = loop {
        assert!(acknowledged < 1000, "the disk never gets full");
        let item =
            json!({"TableName": "things", "Item": {"id": {"S": acknowledged.to_string()}, "value": {"S": value}}});
        let answer = connection.call("PutItem", &item.to_string()).await.expect("an answer");
        if answer.status != 200 {
            break answer;
        }
        acknowledged += 1;
    };
    assert_eq!(refused.status, 500, "{}", refused.json());
    let message = refused.json().to_string();
    assert!(
        message.contains("InternalServerError") && message.contains("no space"),
        "{message}"
    );
    assert!(acknowledged > 10, "only {acknowledged} items found room");
    for id in 0..acknowledged {
        let key = json!({"TableName": "things", "Key": {"id": {"S": id.to_string()}}});
        assert_eq!(
            member.call("GetItem", &key).await["Item"]["value"]["S"],
            value,
            "acknowledged item {id}"
        );
    }
    drop(member);
    wan.remove().await;
}
