//! One region: engine, gateway and the gRPC driver of replication, composed.
//!
//! Contract (the node's author turns this into code; cli and simulator use it):
//! ```ignore
//! pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}            // blanket impl
//! pub type BoxedIo = Box<dyn Io>;
//! /// Accepted connections. A node takes them and never knows what is behind them.
//! pub type Incoming = Pin<Box<dyn Stream<Item = io::Result<BoxedIo>> + Send>>;
//! /// Opens a connection to a peer's replication endpoint (wrapped by node into a tower Service<Uri> for tonic).
//! pub type Connector = Arc<dyn Fn() -> BoxFuture<'static, io::Result<BoxedIo>> + Send + Sync>;
//!
//! pub struct Peer { pub region: Region, pub connector: Connector }
//! pub struct NodeConfig {
//!     pub region: Region,
//!     pub peers: Vec<Peer>,
//!     pub clock: Arc<dyn WallClock>,
//!     pub randomness: Arc<dyn Randomness>,
//!     pub authentication: gateway::Authentication,   // AcceptAny | Verify(BTreeMap<access key id, secret>)
//!     pub tuning: Tuning,                            // keepalive, retry, batch bounds, digest and scrub intervals; Default
//! }
//! impl Node {
//!     /// Starts every task of the region on the current runtime.
//!     pub async fn start(config: NodeConfig, store: Arc<dyn Store>, dynamodb: Incoming, replication: Incoming) -> Result<Node, NodeError>;
//!     pub fn gateway(&self) -> Arc<Gateway>;         // for the endpoint that serves all regions
//!     pub fn store(&self) -> Arc<dyn Store>;
//!     pub fn status(&self) -> NodeStatus;            // per peer: connection state, applied/acknowledged vectors, lag quantiles, quarantine, last error
//!     /// Stops taking requests, finishes those under way, closes the store.
//!     pub async fn shutdown(self);
//!     /// Stops at once, as a crash would: no answer is completed, nothing is flushed.
//!     pub fn kill(self);
//! }
//! ```
