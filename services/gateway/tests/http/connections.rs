//! Connections that break, stall, exceed a bound, or outlive the server.

use std::time::Duration;

use beringia_endpoint::ConnectionLimits;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::{EmptyStore, Running, request};

/// A request to create a table, which the store blocks.
fn create_table() -> String {
    let body = json!({
        "TableName": "Music",
        "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    request("CreateTable", &body.to_string())
}

/// A request whose head announces more bytes than follow.
fn half(length: usize) -> String {
    request("ListTables", "{}").replace("content-length: 2\r\n", &format!("content-length: {length}\r\n"))
}

const MIB: usize = 1024 * 1024;
const NO_BODY: (&str, &str) = ("content-length", "0");

#[tokio::test(start_paused = true)]
async fn incomplete_head_times_out() {
    let server = Running::start();
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nhost: loc").await;
    let since = Instant::now();
    assert!(client.closed().await);
    assert_eq!(
        since.elapsed().as_secs(),
        ConnectionLimits::default().head_timeout.as_secs()
    );
}

#[tokio::test(start_paused = true)]
async fn incomplete_body_times_out_with_an_answer() {
    let server = Running::start();
    let mut client = server.connect();
    client.send(half(1000)).await;
    let since = Instant::now();
    assert_eq!(client.answer().await.status, 408);
    assert_eq!(
        since.elapsed().as_secs(),
        ConnectionLimits::default().body_timeout.as_secs()
    );
    assert!(client.closed().await);
}

#[tokio::test(start_paused = true)]
async fn disconnecting_client_does_not_affect_others() {
    let server = Running::start();
    let bytes = request("ListTables", "{\"Limit\":1}");
    for end in 0..bytes.len() {
        let mut client = server.connect();
        client.send(&bytes[..end]).await;
    }
    assert_eq!(server.connect().ask(bytes).await.status, 200);
    server.run_out().await;
}

#[tokio::test]
async fn garbage_is_answered_and_disconnected() {
    let server = Running::start();
    let mut client = server.connect();
    assert_eq!(client.ask("\x16\x03\x01\x02\0 no HTTP\r\n\r\n").await.status, 400);
    assert!(client.closed().await);
    assert_eq!(server.connect().call("ListTables", &json!({})).await.status, 200);
}

/// Most clients send all of a body before they read the answer.
#[tokio::test]
async fn a_body_above_sixteen_mebibytes_is_refused_when_it_was_sent() {
    let server = Running::start();
    let mut client = server.connect();
    for length in [16 * MIB + 1, 40 * MIB] {
        client.send(half(length)).await;
        client.send(" ".repeat(length - 2)).await;
        client.answer().await.is_exactly(413, &[NO_BODY], "");
        assert_eq!(client.call("ListTables", &json!({})).await.status, 200);
    }
}

#[tokio::test]
async fn a_body_that_waits_for_permission_is_refused_unsent() {
    let server = Running::start();
    let mut client = server.connect();
    let waiting = half(16 * MIB + 1).replace("\r\n\r\n{}", "\r\nexpect: 100-continue\r\n\r\n");
    let answer = client.ask(waiting).await;
    answer.is_exactly(413, &[NO_BODY, ("connection", "close")], "");
    assert!(client.closed().await);
}

/// What does not end after 256 MiB is not read on.
#[tokio::test]
async fn an_endless_body_is_disconnected() {
    let server = Running::start();
    let mut client = server.connect();
    client.send(half(1 << 40)).await;
    let part = " ".repeat(MIB);
    for _ in 0..256 {
        client.send(&part).await;
    }
    let answer = client.answer().await;
    answer.is_exactly(413, &[NO_BODY, ("connection", "close")], "");
    assert!(client.closed().await);
}

#[tokio::test]
async fn a_body_that_grows_above_sixteen_mebibytes_is_refused() {
    let server = Running::start();
    let mut client = server.connect();
    let head = request("ListTables", "").replace("content-length: 0\r\n", "transfer-encoding: chunked\r\n");
    client.send(head).await;
    let chunk = format!("8000\r\n{}\r\n", "a".repeat(0x8000));
    for _ in 0..16 * MIB / 0x8000 {
        client.send(&chunk).await;
    }
    client.send("1\r\na\r\n0\r\n\r\n").await;
    client.answer().await.is_exactly(413, &[NO_BODY], "");
    assert_eq!(client.call("ListTables", &json!({})).await.status, 200);
}

#[tokio::test]
async fn a_body_of_sixteen_mebibytes_is_read() {
    let server = Running::start();
    let mut client = server.connect();
    client.send(half(16 * MIB)).await;
    let rest = " ".repeat(16 * MIB - 2);
    client.send(rest).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn large_bodies_wait_for_a_permit_and_small_ones_do_not() {
    let limits = ConnectionLimits {
        large_bodies_max: 1,
        ..ConnectionLimits::default()
    };
    let server = Running::of(EmptyStore::new("eu-west-1"), limits);
    let (mut first, mut second, mut small) = (server.connect(), server.connect(), server.connect());
    first.send(half(2 * MIB)).await;
    // The first request has its permit before the second one asks.
    sleep(Duration::from_millis(1)).await;
    second.send(half(2 * MIB)).await;
    assert_eq!(small.call("ListTables", &json!({})).await.status, 200);
    // The second request's time starts when it gets its permit.
    first.send(" ".repeat(2 * MIB - 2)).await;
    assert_eq!(first.answer().await.status, 200);
    second.send(" ".repeat(2 * MIB - 2)).await;
    assert_eq!(second.answer().await.status, 200);
}

#[tokio::test]
async fn expect_continue_is_answered() {
    let server = Running::start();
    let mut client = server.connect();
    let whole = request("ListTables", "{}").replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    let (head, body) = whole.split_at(whole.len() - 2);
    client.send(head).await;
    assert_eq!(client.answer().await.status, 100);
    client.send(body).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn connections_above_the_bound_wait_until_one_closes() {
    let limits = ConnectionLimits {
        connections_max: 2,
        ..ConnectionLimits::default()
    };
    let server = Running::of(EmptyStore::new("eu-west-1"), limits);
    let (mut first, mut second, mut third) = (server.connect(), server.connect(), server.connect());
    third.send(request("ListTables", "{}")).await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.call("ListTables", &json!({})).await.status, 200);
    }
    tokio::select! {
        biased;
        answer = third.answer() => panic!("{answer:?}"),
        () = async { for _ in 0..100 { tokio::task::yield_now().await } } => {}
    }
    drop(first);
    assert_eq!(third.answer().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_failed_accept_does_not_end_the_server() {
    let server = Running::start();
    server.fail_to_accept();
    server.fail_to_accept();
    assert_eq!(server.connect().call("ListTables", &json!({})).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn shutdown_finishes_requests_and_closes_idle_connections() {
    let store = EmptyStore::new("eu-west-1");
    let mut server = Running::of(store.clone(), ConnectionLimits::default());
    let (mut idle, mut busy, mut half_sent) = (server.connect(), server.connect(), server.connect());
    assert_eq!(idle.call("ListTables", &json!({})).await.status, 200);
    half_sent.send(half(11)).await;
    busy.send(create_table()).await;
    store.reached().await;
    let since = Instant::now();
    server.stop();
    assert!(idle.closed().await);
    store.let_through();
    half_sent.send("         ").await;
    assert_eq!(half_sent.answer().await.status, 200);
    // The store was closed during the request, so the answer is an error.
    assert!(busy.answer().await.status >= 500);
    server.ended().await;
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_no_longer_than_its_timeout() {
    let store = EmptyStore::new("eu-west-1");
    let mut server = Running::of(store.clone(), ConnectionLimits::default());
    let mut stuck = server.connect();
    stuck.send(create_table()).await;
    store.reached().await;
    let since = Instant::now();
    server.stop();
    server.ended().await;
    assert_eq!(
        since.elapsed().as_secs(),
        ConnectionLimits::default().drain_timeout.as_secs()
    );
    assert!(stuck.closed().await);
}

#[tokio::test]
async fn a_killed_server_answers_nothing_more() {
    let store = EmptyStore::new("eu-west-1");
    let server = Running::of(store.clone(), ConnectionLimits::default());
    let mut client = server.connect();
    client.send(create_table()).await;
    store.reached().await;
    server.kill();
    assert!(client.closed().await);
}
