//! One region: engine, gateway and the gRPC driver of replication, composed.

mod config;
mod node;
mod status;

pub use config::{Authentication, BoxedIo, Connector, Incoming, Io, NodeConfig, Peer, Tuning};
pub use node::{Node, NodeError};
pub use status::{JoinProgress, JoinStage, LagQuantiles, LinkState, NodeStatus, PeerStatus, Quarantine, TableStatus};
