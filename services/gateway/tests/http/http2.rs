//! Clients that speak HTTP/2 from the first byte.

use std::{collections::BTreeSet, time::Duration};

use beringia_endpoint::ConnectionLimits;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::support::{AUTHORIZATION, EmptyStore, ReceivedAnswer, Running};

const MIB: usize = 1024 * 1024;

/// A client connection and its task.
struct Http2 {
    requests: SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Http2 {
    async fn open(server: &Running) -> Self {
        let (requests, connection) = handshake(TokioExecutor::new(), TokioIo::new(server.pipe()))
            .await
            .unwrap();
        Self {
            requests,
            connection: tokio::spawn(connection),
        }
    }

    fn send(&self, request: Request<Full<Bytes>>) -> impl Future<Output = hyper::Result<Response<Bytes>>> + use<> {
        let mut requests = self.requests.clone();
        async move {
            requests.ready().await?;
            let (parts, body) = requests.send_request(request).await?.into_parts();
            Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
        }
    }

    fn call(&self, operation: &str, body: &Value) -> impl Future<Output = hyper::Result<Response<Bytes>>> + use<> {
        self.send(request(operation, body.to_string()))
    }
}

fn request(operation: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("http://localhost:8000/")
        .version(Version::HTTP_2)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("x-amz-date", "20240229T235958Z")
        .header("authorization", AUTHORIZATION)
        .body(Full::new(body.into()))
        .unwrap()
}

fn music() -> Value {
    json!({
        "TableName": "Music",
        "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

/// `ListTables` with a body padded to `bytes` bytes.
fn padded(bytes: usize) -> Request<Full<Bytes>> {
    request("ListTables", format!("{{}}{}", " ".repeat(bytes - 2)))
}

#[tokio::test]
async fn answer_has_the_same_headers_as_over_http1() {
    let server = Running::start();
    let client = Http2::open(&server).await;
    let answer = client.call("ListTables", &json!({})).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    assert_eq!(answer.body(), "{\"TableNames\":[]}");
    let headers = answer.headers();
    assert_eq!(headers["content-type"], "application/x-amz-json-1.0");
    assert_eq!(headers["content-length"], "17");
    assert_eq!(headers["x-amz-crc32"], crc32fast::hash(answer.body()).to_string());
    let dates: Vec<_> = headers.get_all("date").iter().collect();
    assert_eq!(dates, ["Thu, 29 Feb 2024 23:59:58 GMT"]);
}

#[tokio::test]
async fn the_host_is_the_one_that_the_client_named() {
    let server = Running::start();
    let health = Request::get("http://example:8000/").body(Full::default()).unwrap();
    let answer = Http2::open(&server).await.send(health).await.unwrap();
    assert_eq!(answer.body(), "healthy: example:8000 ");
}

#[tokio::test]
async fn hundreds_of_streams_share_a_connection() {
    let server = Running::in_memory();
    let client = Http2::open(&server).await;
    assert_eq!(client.call("CreateTable", &music()).await.unwrap().status(), 200);
    let put = |number: usize| {
        let item = json!({"a": {"S": number.to_string()}, "v": {"N": number.to_string()}});
        client.call("PutItem", &json!({"TableName": "Music", "Item": item}))
    };
    let answers = join_all((0..500).map(put)).await;
    let ids: BTreeSet<_> = answers
        .iter()
        .map(|answer| {
            let answer = answer.as_ref().unwrap();
            assert_eq!(answer.status(), 200, "{answer:?}");
            answer.headers()["x-amzn-requestid"].clone()
        })
        .map(|id| id.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 500);
    let scanned = client.call("Scan", &json!({"TableName": "Music"})).await.unwrap();
    let scanned: Value = serde_json::from_slice(scanned.body()).unwrap();
    let numbers: BTreeSet<_> = scanned["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["v"]["N"].to_string())
        .collect();
    assert_eq!(numbers.len(), 500);
}

/// A body of exactly 16 MiB is read.
#[tokio::test]
async fn body_above_16_mib_is_rejected_and_connection_survives() {
    let server = Running::start();
    let client = Http2::open(&server).await;
    assert_eq!(client.send(padded(16 * MIB)).await.unwrap().status(), 200);
    let refused = client.send(padded(16 * MIB + 1)).await.unwrap();
    ReceivedAnswer::of(&refused).is_exactly(413, &[], "");
    assert_eq!(client.call("ListTables", &json!({})).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn waiting_large_bodies_block_no_other_stream() {
    let limits = ConnectionLimits {
        large_bodies_max: 1,
        ..ConnectionLimits::default()
    };
    let server = Running::of(EmptyStore::new("eu-west-1"), limits);
    let client = Http2::open(&server).await;
    let since = Instant::now();
    let large = (0..12).map(|_| client.send(padded(2 * MIB)));
    let (large, small) = tokio::join!(join_all(large), client.call("ListTables", &json!({})));
    assert_eq!(small.unwrap().status(), 200);
    for answer in large {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert!(since.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_head_above_its_bound_is_refused() {
    let server = Running::start();
    let client = Http2::open(&server).await;
    let mut request = request("ListTables", "{}");
    let long = "a".repeat(17 * 1024).parse().unwrap();
    request.headers_mut().insert("x-long", long);
    assert_eq!(client.send(request.clone()).await.unwrap().status(), 400);
    let longer = "a".repeat(70 * 1024).parse().unwrap();
    request.headers_mut().insert("x-long", longer);
    assert_eq!(client.send(request).await.unwrap().status(), 431);
    assert_eq!(client.call("ListTables", &json!({})).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_request_above_the_bound_waits_until_another_is_answered() {
    let store = EmptyStore::new("eu-west-1");
    let limits = ConnectionLimits {
        connections_max: 1,
        ..ConnectionLimits::default()
    };
    let server = Running::of(store.clone(), limits);
    let client = Http2::open(&server).await;
    let first = tokio::spawn(client.call("CreateTable", &music()));
    store.reached().await;
    let mut second = tokio::spawn(client.call("ListTables", &json!({})));
    assert!(timeout(Duration::from_secs(1), &mut second).await.is_err());
    store.let_through();
    first.await.unwrap().unwrap();
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn silent_or_idle_connection_is_closed() {
    let server = Running::start();
    let since = Instant::now();
    assert_eq!(server.pipe().read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(since.elapsed(), ConnectionLimits::default().head_timeout);

    let client = Http2::open(&server).await;
    assert_eq!(client.call("ListTables", &json!({})).await.unwrap().status(), 200);
    let since = Instant::now();
    client.connection.await.unwrap().unwrap();
    assert_eq!(
        since.elapsed().as_secs(),
        ConnectionLimits::default().head_timeout.as_secs()
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_request_under_way_does_not_idle() {
    let store = EmptyStore::new("eu-west-1");
    let server = Running::of(store.clone(), ConnectionLimits::default());
    let client = Http2::open(&server).await;
    let slow = tokio::spawn(client.call("CreateTable", &music()));
    store.reached().await;
    sleep(ConnectionLimits::default().head_timeout * 3).await;
    assert_eq!(client.call("ListTables", &json!({})).await.unwrap().status(), 200);
    store.let_through();
    slow.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_finishes_the_streams_that_are_open() {
    let store = EmptyStore::new("eu-west-1");
    let mut server = Running::of(store.clone(), ConnectionLimits::default());
    let (busy, idle) = (Http2::open(&server).await, Http2::open(&server).await);
    assert_eq!(idle.call("ListTables", &json!({})).await.unwrap().status(), 200);
    let slow = tokio::spawn(busy.call("CreateTable", &music()));
    store.reached().await;
    let since = Instant::now();
    server.stop();
    idle.connection.await.unwrap().unwrap();
    store.let_through();
    // The store was closed during the request, so the answer is an error.
    assert!(slow.await.unwrap().unwrap().status().as_u16() >= 500);
    server.ended().await;
    assert_eq!(since.elapsed(), Duration::ZERO);
    assert!(busy.call("ListTables", &json!({})).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_no_longer_than_its_timeout_for_a_stream() {
    let store = EmptyStore::new("eu-west-1");
    let mut server = Running::of(store.clone(), ConnectionLimits::default());
    let client = Http2::open(&server).await;
    let stuck = tokio::spawn(client.call("CreateTable", &music()));
    store.reached().await;
    let since = Instant::now();
    server.stop();
    server.ended().await;
    assert_eq!(since.elapsed(), ConnectionLimits::default().drain_timeout);
    assert!(stuck.await.unwrap().is_err());
}

#[tokio::test]
async fn a_killed_server_drops_the_streams_that_are_open() {
    let store = EmptyStore::new("eu-west-1");
    let server = Running::of(store.clone(), ConnectionLimits::default());
    let client = Http2::open(&server).await;
    let slow = tokio::spawn(client.call("CreateTable", &music()));
    store.reached().await;
    server.kill();
    assert!(slow.await.unwrap().is_err());
    store.abandoned().await;
}
