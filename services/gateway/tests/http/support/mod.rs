//! A server under test, a client that sends bytes, and a store without tables.

mod client;
mod empty;

use std::{io, sync::Arc};

use beringia_clock::{ManualClock, SeededRandomness};
use beringia_endpoint::{
    Authentication, BoxedIo, ConnectionLimits, OneRegion, RegionServices, Resolver, Server, SharedService, serve,
};
use beringia_engine::Engine;
use beringia_gateway::Gateway;
use beringia_item::Region;
use beringia_storage::{Store, StoreOptions};
use beringia_storage_memory::{Execution, MemoryState, Options};
use tokio::{
    io::DuplexStream,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_stream::{StreamExt as _, wrappers::UnboundedReceiverStream};

pub(crate) use client::{Client, ReceivedAnswer, request, signed};
pub(crate) use empty::EmptyStore;

/// The time that every clock in these tests shows: 2024-02-29T23:59:58Z, in milliseconds.
pub(crate) const NOW_MS: u64 = 1_709_251_198_000;
/// A signature that development mode accepts.
pub(crate) const AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=me/20240229/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00";
/// The buffer size of a pipe in each direction, in bytes.
const PIPE_BYTES: usize = 64 * 1024;

/// A gateway in front of a store.
pub(crate) fn gateway(store: Arc<dyn Store>) -> Arc<Gateway> {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let randomness = Arc::new(SeededRandomness::new(7));
    let region = store.region().clone();
    Arc::new(Gateway::new(Arc::new(Engine::new(store, clock, randomness, [region]))))
}

/// The services of a region that has only a gateway.
pub(crate) fn services(gateway: Arc<Gateway>, authentication: Authentication) -> Arc<RegionServices> {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let region = gateway.region().to_owned();
    let randomness = Arc::new(SeededRandomness::new(7));
    let first = SharedService::new(gateway);
    Arc::new(RegionServices::new(region, authentication, clock, randomness, first))
}

/// A server that runs until it is stopped, dropped, or has no more connections.
pub(crate) struct Running {
    connections: mpsc::UnboundedSender<io::Result<DuplexStream>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// A server for one region with an empty store, in development mode.
    pub(crate) fn start() -> Self {
        Self::of(EmptyStore::new("eu-west-1"), ConnectionLimits::default())
    }

    /// A server for one region with its state in memory, in development mode.
    pub(crate) fn in_memory() -> Self {
        let region = Region::new("eu-west-1").unwrap();
        let clock = Arc::new(ManualClock::new(NOW_MS));
        let options = Options::new(StoreOptions::new(region, clock), MemoryState::new(), Execution::Inline);
        Self::of(
            Arc::new(beringia_storage_memory::open(&options).unwrap()),
            ConnectionLimits::default(),
        )
    }

    /// A server for one region on the given store, in development mode.
    pub(crate) fn of(store: Arc<dyn Store>, limits: ConnectionLimits) -> Self {
        let services = services(gateway(store), Authentication::AcceptAny);
        Self::with(Arc::new(OneRegion(services)), limits)
    }

    /// A server for the regions that the resolver finds.
    pub(crate) fn with(resolver: Arc<dyn Resolver>, limits: ConnectionLimits) -> Self {
        let clock = Arc::new(ManualClock::new(NOW_MS));
        let server = Server::new(resolver, clock, Arc::new(SeededRandomness::new(8)), limits);
        let (connections, incoming) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let incoming = UnboundedReceiverStream::new(incoming);
        let incoming = incoming.map(|accepted: io::Result<DuplexStream>| Ok(Box::new(accepted?) as BoxedIo));
        let shutdown = async move {
            if stopped.await.is_err() {
                // The shutdown handle is gone; the server ends with its connections.
                std::future::pending::<()>().await;
            }
        };
        let task = tokio::spawn(async move { serve(Arc::new(server), Box::pin(incoming), Box::pin(shutdown)).await });
        Self {
            connections,
            stop: Some(stop),
            task,
        }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(self.pipe())
    }

    /// The client's end of a new connection.
    pub(crate) fn pipe(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        self.connections.send(Ok(theirs)).unwrap();
        ours
    }

    /// Makes an accept fail.
    pub(crate) fn fail_to_accept(&self) {
        self.connections
            .send(Err(io::Error::other("too many open files")))
            .unwrap();
    }

    /// Asks the server to shut down.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(&mut self) {
        (&mut self.task).await.unwrap();
    }

    /// Drops the server with all its connections.
    pub(crate) fn kill(self) {
        self.task.abort();
    }

    /// Ends the stream of incoming connections.
    pub(crate) async fn run_out(self) {
        drop(self.connections);
        self.task.await.unwrap();
    }
}
