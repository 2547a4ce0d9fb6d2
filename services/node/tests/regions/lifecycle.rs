//! Starting, stopping and killing a region.

use std::{sync::Arc, time::Duration};

use beringia_clock::{SystemClock, SystemRandomness, WallClock};
use beringia_item::Region;
use beringia_node::{
    Authentication, Behaviour, BoxedIo, Connector, Incoming, LinkState, Node, NodeConfig, NodeError, NodeTuning, Peer,
};
use beringia_storage::{Store, StoreOptions};
use beringia_storage_sqlite::{Database, Execution, Options};
use futures_util::{FutureExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::support::TestCluster;

#[tokio::test(start_paused = true)]
async fn killed_region_closes_its_connections_at_once() {
    let mut cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    let us = cluster.region(1);
    cluster
        .until(async || cluster.status(0).await.peers[&us].receiving == LinkState::Connected)
        .await;
    // Only the node is killed: its connections stay open until the node itself drops them.
    cluster.sites[1].node.take().unwrap().kill();
    let gone = async || {
        let status = cluster.status(0).await;
        let peer = &status.peers[&us];
        peer.receiving != LinkState::Connected && peer.sending != LinkState::Connected
    };
    let soon = timeout(Duration::from_millis(100), cluster.until(gone)).await;
    assert!(soon.is_ok(), "sooner than any keepalive would notice");
}

#[tokio::test(start_paused = true)]
async fn a_silent_cut_is_noticed_by_keepalive_on_both_sides() {
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    let us = cluster.region(1);
    let connected = async || {
        let status = cluster.status(0).await;
        status.peers[&us].receiving == LinkState::Connected && status.peers[&us].sending == LinkState::Connected
    };
    cluster.until(connected).await;
    cluster.board.set_silent(true);
    sleep(Duration::from_millis(1500)).await;
    assert!(connected().await, "the cut cannot be noticed yet");
    sleep(Duration::from_secs(5)).await;
    let status = cluster.status(0).await;
    assert_ne!(status.peers[&us].receiving, LinkState::Connected);
    assert_ne!(status.peers[&us].sending, LinkState::Connected);
    cluster.board.set_silent(false);
    let back = timeout(Duration::from_secs(5), cluster.until(connected)).await;
    assert!(back.is_ok());
}

#[tokio::test(start_paused = true)]
async fn shutdown_closes_the_store_and_keeps_all_data() {
    let mut cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.put(0, "Carts", "k", "v").await;
    let store = cluster.store(0);
    cluster.sites[0].node.take().unwrap().shutdown().await;
    assert!(
        store.digest(beringia_item::TableId::CATALOG).await.is_err(),
        "the store is closed"
    );
    cluster.run(0).await;
    assert_eq!(cluster.get(0, "Carts", "k").await.as_deref(), Some("v"));
}

#[tokio::test(start_paused = true)]
async fn a_database_of_another_region_is_refused() {
    let clock: Arc<dyn WallClock> = Arc::new(SystemClock);
    let store = beringia_storage_sqlite::open(&Options::new(
        StoreOptions::new(Region::new("eu-west-1").unwrap(), Arc::clone(&clock)),
        Database::Memory(beringia_storage_sqlite::MemoryDisk::new()),
        Execution::Inline,
    ));
    let config = NodeConfig {
        region: Region::new("us-east-1").unwrap(),
        peers: Vec::new(),
        clock,
        randomness: Arc::new(SystemRandomness),
        authentication: Authentication::AcceptAny,
        services: Vec::new(),
        tuning: NodeTuning::default(),
        behaviour: Behaviour::default(),
        observer: None,
    };
    let nobody = || -> Incoming { Box::pin(stream::pending()) };
    let refused = Node::start(config, Arc::new(store.unwrap()), nobody(), nobody()).await;
    let Err(NodeError::WrongRegion { database, region }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((database.as_str(), region.as_str()), ("eu-west-1", "us-east-1"));
}

/// Two regions on threads, over TCP, with database files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regions_run_on_threads_and_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let names = ["eu-west-1", "us-east-1"].map(|name| Region::new(name).unwrap());
    let listeners = [listen().await, listen().await];
    let addresses = listeners.each_ref().map(|(address, _)| *address);
    let mut nodes = Vec::new();
    for (index, (_, incoming)) in listeners.into_iter().enumerate() {
        let clock: Arc<dyn WallClock> = Arc::new(SystemClock);
        let file = Database::File(directory.path().join(names[index].as_str()));
        let options = Options::new(
            StoreOptions::new(names[index].clone(), Arc::clone(&clock)),
            file,
            Execution::Threads,
        );
        let store: Arc<dyn Store> = Arc::new(beringia_storage_sqlite::open(&options).unwrap());
        let address = addresses[1 - index];
        let connector: Connector =
            Arc::new(move || async move { Ok(Box::new(TcpStream::connect(address).await?) as BoxedIo) }.boxed());
        let config = NodeConfig {
            region: names[index].clone(),
            peers: vec![Peer {
                region: names[1 - index].clone(),
                connector,
            }],
            clock,
            randomness: Arc::new(SystemRandomness),
            authentication: Authentication::AcceptAny,
            services: Vec::new(),
            tuning: NodeTuning::default(),
            behaviour: Behaviour::default(),
            observer: None,
        };
        let dynamodb = Box::pin(stream::pending());
        nodes.push(Node::start(config, store, dynamodb, incoming).await.unwrap());
    }
    let cluster = TestCluster::of(nodes);
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    for number in 0..200 {
        cluster.put(number % 2, "Carts", &format!("k{number}"), "v").await;
    }
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    assert_eq!(cluster.get(0, "Carts", "k199").await.as_deref(), Some("v"));
    assert_eq!(cluster.get(1, "Carts", "k198").await.as_deref(), Some("v"));
    for site in cluster.sites {
        site.node.unwrap().shutdown().await;
    }
    let mut refused = TcpStream::connect(addresses[0]).await.unwrap();
    let _ = refused.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = refused.read_to_end(&mut answer).await;
    assert_eq!(answer, b"", "the region does not serve any more");
}

/// A listener on a free port of the loopback.
async fn listen() -> (std::net::SocketAddr, Incoming) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let _ = sender.send(Ok(Box::new(connection) as BoxedIo)).await;
        }
    });
    let incoming = stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    (address, Box::pin(incoming))
}

#[tokio::test(start_paused = true)]
async fn panic_of_a_task_fails_its_region_alone() {
    let cluster = TestCluster::start(&["eu-west-1", "us-east-1"]).await;
    cluster.create_table(0, "Carts").await;
    cluster.add_replica(0, "Carts", 1).await;
    cluster.until(async || cluster.same(&[0, 1], "Carts").await).await;
    assert_eq!(cluster.node(1).failed(), None);
    cluster.sites[1].arrivals.panic();
    cluster.put(0, "Carts", "fatal", "1").await;
    let reason = cluster.node(1).failure().await;
    assert_eq!(reason, "a task panicked: a planted panic");
    assert_eq!(cluster.node(1).failed(), Some(reason));
    assert_eq!(cluster.node(0).failed(), None);
}
