//! The AWS SDK for Rust against a running `up`: one endpoint, three regions, a cut, a conflict,
//! convergence.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    error::ProvideErrorMetadata,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, CreateReplicationGroupMemberAction, KeySchemaElement,
        KeyType, Put, ReplicaStatus, ReplicationGroupUpdate, ScalarAttributeType, TransactWriteItem, Update,
    },
};
use beringia_tests::up::Up;

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-northeast-1"];

fn client(endpoint: &str, region: &'static str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(Credentials::new("key", "secret", None, None, "tests"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

fn s(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn n(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Waits at most a minute for a condition that another task or region causes.
async fn eventually<F: AsyncFn() -> bool>(what: &str, condition: F) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "timed out after a minute: {what}");
}

async fn replica_is_active(client: &Client, region: &str) -> bool {
    let table = client
        .describe_table()
        .table_name("accounts")
        .send()
        .await
        .expect("the table is there")
        .table
        .expect("it is described");
    table.replicas().iter().any(|replica| {
        replica.region_name() == Some(region) && replica.replica_status() == Some(&ReplicaStatus::Active)
    })
}

/// The table `accounts` with a replica in every region.
async fn global_table(clients: &[Client]) {
    let home = &clients[0];
    regional_table(home).await;
    for region in &REGIONS[1..] {
        let create = CreateReplicationGroupMemberAction::builder()
            .region_name(*region)
            .build()
            .expect("complete");
        let update = ReplicationGroupUpdate::builder().create(create).build();
        eventually("the table takes updates", async || {
            home.update_table()
                .table_name("accounts")
                .replica_updates(update.clone())
                .send()
                .await
                .is_ok()
        })
        .await;
        eventually("the replica becomes active", async || {
            replica_is_active(home, region).await
        })
        .await;
    }
}

async fn balance(client: &Client, id: &str) -> Option<i64> {
    let found = client
        .get_item()
        .table_name("accounts")
        .key("id", s(id))
        .consistent_read(true)
        .send()
        .await
        .expect("reads work");
    found
        .item
        .map(|item| item["balance"].as_n().expect("a number").parse().expect("an integer"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_sdk_writes_in_every_region_converge_after_a_cut() {
    let up = Up::start(&["--ephemeral"]);
    let clients = REGIONS.map(|region| client(up.endpoint(), region));
    global_table(&clients).await;
    let [us, eu, ap] = &clients;

    for (id, amount) in [("alice", 100), ("bob", 0)] {
        us.put_item()
            .table_name("accounts")
            .item("id", s(id))
            .item("balance", n(amount))
            .send()
            .await
            .expect("writes work");
    }
    let _ = up.control.converge();
    assert_eq!(balance(eu, "alice").await, Some(100));

    // A transfer in Tokyo: both sides or neither, there and, later, in every region.
    let change = |id: &str, amount: i64| {
        TransactWriteItem::builder()
            .update(
                Update::builder()
                    .table_name("accounts")
                    .key("id", s(id))
                    .update_expression("SET balance = balance + :amount")
                    .condition_expression("balance >= :least")
                    .expression_attribute_values(":amount", n(amount))
                    .expression_attribute_values(":least", n((-amount).max(0)))
                    .build()
                    .expect("complete"),
            )
            .build()
    };
    ap.transact_write_items()
        .transact_items(change("alice", -30))
        .transact_items(change("bob", 30))
        .send()
        .await
        .expect("there is enough");
    let refused = ap
        .transact_write_items()
        .transact_items(change("bob", 500))
        .transact_items(change("alice", -500))
        .send()
        .await
        .expect_err("there is not enough");
    assert_eq!(refused.code(), Some("TransactionCanceledException"));
    let _ = up.control.converge();
    for client in &clients {
        assert_eq!(
            (balance(client, "alice").await, balance(client, "bob").await),
            (Some(70), Some(30))
        );
    }

    // Europe is cut off. Both sides accept writes without waiting.
    let _ = up.control.run(&["net", "isolate", "eu-west-1"]);
    for (client, id) in [(us, "us-only"), (eu, "eu-only")] {
        client
            .put_item()
            .table_name("accounts")
            .item("id", s(id))
            .item("balance", n(1))
            .send()
            .await
            .expect("a cut stops no write");
    }
    us.put_item()
        .table_name("accounts")
        .item("id", s("both"))
        .item("balance", n(1))
        .send()
        .await
        .expect("a cut stops no write");
    // Puts the two writes apart in hybrid time; there is no condition to wait for.
    tokio::time::sleep(Duration::from_millis(5)).await;
    eu.put_item()
        .table_name("accounts")
        .item("id", s("both"))
        .item("balance", n(2))
        .send()
        .await
        .expect("a cut stops no write");
    assert_eq!(balance(eu, "us-only").await, None, "the link is cut");

    let _ = up.control.run(&["net", "heal"]);
    let _ = up.control.converge();
    for client in &clients {
        assert_eq!(balance(client, "us-only").await, Some(1));
        assert_eq!(balance(client, "eu-only").await, Some(1));
        assert_eq!(balance(client, "both").await, Some(2), "the later write stays");
    }
    let conflicts = up.control.run(&["conflicts", "--table", "accounts"]);
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    assert_eq!(conflicts[0]["key"], serde_json::json!({"id": {"S": "both"}}));

    let explained = up
        .control
        .run(&["explain", "--table", "accounts", "--key", r#"{"id":{"S":"both"}}"#]);
    assert!(!explained.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rust_sdk_sees_dynamodbs_errors() {
    let up = Up::start(&["--ephemeral"]);
    let us = client(up.region("us-east-1"), "us-east-1");

    let missing = us
        .get_item()
        .table_name("nowhere")
        .key("id", s("x"))
        .send()
        .await
        .expect_err("there is no such table");
    assert!(missing.into_service_error().is_resource_not_found_exception());

    regional_table(&us).await;
    let put = Put::builder()
        .table_name("accounts")
        .item("id", s("a"))
        .condition_expression("attribute_exists(id)")
        .build()
        .expect("complete");
    let refused = us
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(put).build())
        .send()
        .await
        .expect_err("it is not there");
    let refused = refused.into_service_error();
    assert!(refused.is_transaction_canceled_exception(), "{refused:?}");

    let invalid = us
        .put_item()
        .table_name("accounts")
        .item("nokey", s("x"))
        .send()
        .await
        .expect_err("the key is missing");
    assert_eq!(invalid.code(), Some("ValidationException"));
    assert!(
        invalid
            .message()
            .is_some_and(|message| message.contains("Missing the key id in the item")),
        "{invalid:?}"
    );
}

/// The table `accounts`, in one region.
async fn regional_table(client: &Client) {
    client
        .create_table()
        .table_name("accounts")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("id")
                .attribute_type(ScalarAttributeType::S)
                .build()
                .expect("complete"),
        )
        .key_schema(
            KeySchemaElement::builder()
                .attribute_name("id")
                .key_type(KeyType::Hash)
                .build()
                .expect("complete"),
        )
        .send()
        .await
        .expect("the table is created");
}
