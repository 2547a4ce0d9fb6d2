//! Peers that violate the protocol.

use std::time::Duration;

use beringia_node::{BoxedIo, LinkState};
use beringia_proto::v1::{
    Acknowledge, FromReceiver, FromSource, Goodbye, Hello, Request, Subscribe, TableVector, from_receiver, from_source,
    replication_client::ReplicationClient,
};
use beringia_replication::message::PROTOCOL;
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::timeout,
};
use tonic::{Streaming, transport::Endpoint};
use tower::service_fn;

use crate::support::TestCluster;

/// A stream on which a test sends messages itself.
struct ScriptedRegion {
    sender: mpsc::UnboundedSender<FromReceiver>,
    receiver: Streaming<FromSource>,
}

impl ScriptedRegion {
    async fn open(cluster: &TestCluster, site: usize) -> Self {
        let connection = std::sync::Mutex::new(Some(cluster.dial(site)));
        let connector = service_fn(move |_: http::Uri| {
            let connection = connection.lock().unwrap().take();
            async move {
                connection
                    .map(TokioIo::<BoxedIo>::new)
                    .ok_or_else(|| std::io::Error::other("once"))
            }
        });
        let channel = Endpoint::from_static("http://x")
            .connect_with_connector(connector)
            .await
            .unwrap();
        let mut client = ReplicationClient::new(channel);
        let (sender, mut messages) = mpsc::unbounded_channel();
        let outgoing = futures_util::stream::poll_fn(move |context| messages.poll_recv(context));
        let receiver = client.replicate(outgoing).await.unwrap().into_inner();
        Self { sender, receiver }
    }

    fn send(&self, kind: from_receiver::Kind) {
        self.sender.send(FromReceiver { kind: Some(kind) }).unwrap();
    }

    /// The goodbye with which the stream ends.
    async fn goodbye(&mut self) -> Goodbye {
        loop {
            let message = timeout(Duration::from_secs(60), self.receiver.message())
                .await
                .unwrap()
                .unwrap();
            let message = message.expect("a goodbye before the end");
            if let Some(from_source::Kind::Goodbye(goodbye)) = message.kind {
                assert!(
                    self.receiver.message().await.unwrap().is_none(),
                    "the goodbye is the last message"
                );
                return goodbye;
            }
        }
    }
}

fn hello(protocol: u32, region: &str, peer: &str) -> from_receiver::Kind {
    from_receiver::Kind::Hello(Hello {
        protocol,
        region: region.to_owned(),
        peer: peer.to_owned(),
        incarnation: Bytes::from_static(&[7; 16]),
        wall_clock_ms: 0,
    })
}

async fn refused(messages: Vec<from_receiver::Kind>) -> String {
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    let mut region = ScriptedRegion::open(&cluster, 0).await;
    for kind in messages {
        region.send(kind);
    }
    let goodbye = region.goodbye().await;
    // The region keeps serving its real peer.
    let us = cluster.region(1);
    cluster
        .until(async || cluster.status(0).await.peers[&us].sending == LinkState::Connected)
        .await;
    goodbye.reason
}

#[tokio::test(start_paused = true)]
async fn another_protocol_version_is_refused_with_the_reason() {
    let reason = refused(vec![hello(PROTOCOL + 1, "us-east-1", "eu-west-1")]).await;
    assert_eq!(
        reason,
        format!(
            "eu-west-1 speaks version {PROTOCOL} of the replication protocol, us-east-1 version {} \
             (run the same version of beringia in both regions)",
            PROTOCOL + 1
        )
    );
}

#[tokio::test(start_paused = true)]
async fn unknown_region_is_refused() {
    let reason = refused(vec![hello(PROTOCOL, "sa-east-1", "eu-west-1")]).await;
    assert_eq!(reason, "eu-west-1 does not know region sa-east-1");
}

#[tokio::test(start_paused = true)]
async fn connection_to_itself_is_refused() {
    let reason = refused(vec![hello(PROTOCOL, "eu-west-1", "eu-west-1")]).await;
    assert_eq!(reason, "eu-west-1 was connected to a region of its own name");
}

#[tokio::test(start_paused = true)]
async fn connection_to_the_wrong_region_is_refused() {
    let reason = refused(vec![hello(PROTOCOL, "us-east-1", "ap-northeast-1")]).await;
    assert_eq!(reason, "us-east-1 expected region ap-northeast-1 but reached eu-west-1");
}

#[tokio::test(start_paused = true)]
async fn stream_without_a_hello_is_ended() {
    assert_eq!(refused(vec![]).await, "no hello arrived in time");
}

#[tokio::test(start_paused = true)]
async fn malformed_messages_end_the_stream_with_a_reason() {
    let table = || Bytes::from_static(&[0; 3]);
    let senseless = vec![
        (hello(PROTOCOL, "No Region", ""), "`No Region` is not a region name"),
        (
            from_receiver::Kind::Hello(Hello {
                protocol: PROTOCOL,
                incarnation: Bytes::new(),
                region: "a".to_owned(),
                ..Hello::default()
            }),
            "an incarnation must have 16 bytes",
        ),
        (
            from_receiver::Kind::Subscribe(Subscribe {
                generation: 1,
                tables: vec![TableVector {
                    table: table(),
                    vector: None,
                }],
                origins: vec![],
            }),
            "a table id must have 16 bytes",
        ),
        (
            from_receiver::Kind::Request(Request::default()),
            "a request without a question",
        ),
    ];
    for (kind, why) in senseless {
        let reason = refused(vec![kind]).await;
        assert!(reason.contains(why), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn message_before_the_hello_ends_the_stream() {
    let acknowledge = || {
        from_receiver::Kind::Acknowledge(Acknowledge {
            batch: 9,
            tables: vec![],
        })
    };
    let reason = refused(vec![acknowledge()]).await;
    assert_eq!(reason, "a message arrived before the hello");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_not_http_do_no_harm() {
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xFF; 5000],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xFF\xFF\xFF\xFF\xFF",
    ] {
        let mut connection = cluster.dial(0);
        let _ = connection.write_all(garbage).await;
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(60), connection.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the connection is closed");
    }
    let us = cluster.region(1);
    cluster
        .until(async || cluster.status(0).await.peers[&us].sending == LinkState::Connected)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_shows_in_the_status_of_both_sides() {
    let mut cluster = TestCluster::start(&["eu-west-1", "sa-east-1", "us-east-1"]).await;
    cluster.mislead(0, 2, 1);
    let us = cluster.region(2);
    cluster
        .until(async || matches!(cluster.status(0).await.peers[&us].receiving, LinkState::Refused(_)))
        .await;
    let refusal = LinkState::Refused("eu-west-1 expected region us-east-1 but reached sa-east-1".to_owned());
    assert_eq!(cluster.status(0).await.peers[&us].receiving, refusal);

    cluster.kill(2);
    cluster
        .until(async || cluster.status(0).await.peers[&us].sending == LinkState::Down)
        .await;
    let mut region = ScriptedRegion::open(&cluster, 0).await;
    region.send(hello(9, "us-east-1", "eu-west-1"));
    let reason = region.goodbye().await.reason;
    assert_eq!(cluster.status(0).await.peers[&us].sending, LinkState::Refused(reason));
}

#[tokio::test(start_paused = true)]
async fn peer_that_does_not_read_answers_is_disconnected() {
    let small = |tuning: &mut beringia_node::NodeTuning| tuning.outbox_bytes_max = 100_000;
    let mut cluster = TestCluster::start_in(&["eu-west-1", "us-east-1"], None, small).await;
    cluster.kill(1);
    let region = ScriptedRegion::open(&cluster, 0).await;
    region.send(hello(PROTOCOL, "us-east-1", "eu-west-1"));
    let us = cluster.region(1);
    let sending = async || cluster.status(0).await.peers[&us].sending.clone();
    cluster.until(async || sending().await == LinkState::Connected).await;
    // The answers compress well, so many fit into the transport; the limit counts the uncompressed
    // answers that wait.
    for id in 0..20_000 {
        let digest = Some(beringia_proto::v1::request::Kind::Digest(
            beringia_proto::v1::DigestRequest { as_of: None },
        ));
        let catalog = Bytes::copy_from_slice(&beringia_item::TableId::CATALOG.0.to_be_bytes());
        region.send(from_receiver::Kind::Request(Request {
            id,
            table: catalog,
            kind: digest,
        }));
    }
    cluster.until(async || sending().await == LinkState::Down).await;
    drop(region);
}
