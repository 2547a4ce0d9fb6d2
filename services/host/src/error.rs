//! Why regions cannot be started.

use std::{io, net::SocketAddr, path::PathBuf};

use beringia_item::{Region, RegionError};
use beringia_network::NetworkError;
use beringia_node::NodeError;
use beringia_storage::StoreError;
use tokio::task::JoinError;

/// Why regions cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The topology calls a region what no region can be called.
    #[error("the topology: {0}")]
    RegionName(RegionError),
    /// The topology has other regions.
    #[error("the topology has no region `{name}`: there are {known}")]
    UnknownRegion {
        /// Which one was wanted.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Not the form of a peer's address.
    #[error("--peer {0}: expected NAME=HOST:PORT")]
    PeerForm(String),
    /// An address of what is no other region of the topology.
    #[error("--peer {flag}: the other regions of the topology are {known}")]
    UnknownPeer {
        /// The address.
        flag: String,
        /// Those that there are.
        known: String,
    },
    /// A link of the topology cannot be modelled.
    #[error("the link from {from} to {to}: {source}")]
    Link {
        /// From where.
        from: String,
        /// To where.
        to: String,
        /// Why not.
        source: NetworkError,
    },
    /// A port cannot be had.
    #[error("cannot listen on {address} for {purpose}: {source}; choose another port with {flag}")]
    Port {
        /// Which one.
        address: SocketAddr,
        /// What for.
        purpose: String,
        /// The setting that chooses another one.
        flag: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The topology has more regions than there are ports.
    #[error("{flag} {first} leaves no port for region {number}: ports end at 65535")]
    NoPort {
        /// The setting that chooses the first one.
        flag: &'static str,
        /// The first one.
        first: u16,
        /// Which region, from 1.
        number: usize,
    },
    /// The system does not say where a listener listens.
    #[error("cannot tell a listener's address: {0}")]
    Listener(#[source] io::Error),
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Regions do not come up.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    NotUp(Vec<NotUp>),
}

impl From<NotUp> for StartError {
    fn from(region: NotUp) -> Self {
        Self::NotUp(vec![region])
    }
}

/// A region that does not come up.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {region}: {source}")]
pub struct NotUp {
    /// The region.
    pub region: Region,
    /// Why not.
    pub source: BootError,
}

/// Why a region does not come up, at the start or again after a failure.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Its database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Opening it came to no end.
    #[error(transparent)]
    Unfinished(#[from] JoinError),
    /// It does not serve.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Its port is taken by now.
    #[error("cannot listen on {address}: {source}")]
    Port {
        /// Which one.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be read.
    #[error("cannot use the data directory {}: {source}", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write to the data directory {}: {source}", path.display())]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is that of other regions.
    #[error(
        "the data directory {} belongs to the regions {found}, this topology has {identity}: give another directory with --data, or that \
         topology with --topology",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// The regions of the topology that was to use it.
        identity: String,
    },
}
