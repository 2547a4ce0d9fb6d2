//! One running region: the engine, the gateway and the gRPC driver of replication, composed into a
//! [`Node`].

mod background;
mod calls;
mod changes;
mod config;
mod drain;
mod driver;
mod evidence;
mod lag;
mod node;
mod observe;
mod outbox;
mod restart_pauses;
mod scope;
mod status;
mod traffic;
mod transport;

pub use beringia_endpoint::{Authentication, BoxedIo, Incoming, Io};
pub use beringia_engine::{ApiError, Behaviour, LostWrite, Refused};
pub use beringia_replication::{BootstrapStage, BootstrapStatus, DEFAULT_UNREACHABLE_MS_MAX, LinkState, Quarantine};
pub use config::{Connector, NodeConfig, NodeTuning, Peer};
pub use drain::{Drain, DrainWatch, DrainWatermark, Obstacle};
pub use evidence::TableEvidence;
pub use node::{Node, NodeError, NotReplicated};
pub use observe::{Arrival, Observer, Way};
pub use restart_pauses::RestartPauses;
pub use status::{Flow, LagQuantiles, NodeStatus, PeerStatus, TableStatus};
