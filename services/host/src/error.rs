//! The errors with which regions fail to start.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use beringia_item::{Region, RegionError};
use beringia_network::NetworkError;
use beringia_node::NodeError;
use beringia_storage::StoreError;
use tokio::task::JoinError;

/// The reason why regions cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A region of the topology has an invalid name.
    #[error("the topology: {0}")]
    RegionName(RegionError),
    /// The topology has no region with this name.
    #[error("the topology has no region `{name}`; its regions are {known}")]
    UnknownRegion {
        /// The name that was requested.
        name: String,
        /// The regions of the topology, separated by commas.
        known: String,
    },
    /// The value of `--peer` does not have the form of a peer's address.
    #[error("--peer {0}: expected NAME=HOST:PORT")]
    PeerForm(String),
    /// The address is not of another region of the topology.
    #[error("--peer {flag}: the other regions of the topology are {known}")]
    UnknownPeer {
        /// The value of `--peer`, as it was given.
        flag: String,
        /// The other regions of the topology, separated by commas.
        known: String,
    },
    /// A link of the topology cannot be modelled.
    #[error("the link from {from} to {to}: {source}")]
    Link {
        /// The region at which the link begins.
        from: String,
        /// The region at which the link ends.
        to: String,
        /// The reason given by the network model.
        source: NetworkError,
    },
    /// A port cannot be bound, for example because it is taken.
    #[error(
        "cannot listen on {address} for {purpose}: {source}; {}",
        remedy(source, flag, address)
    )]
    Port {
        /// The address that cannot be bound.
        address: SocketAddr,
        /// The service that would have listened there.
        purpose: String,
        /// The flag that chooses another port.
        flag: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The topology has more regions than there are ports.
    #[error("{flag} {first} leaves no port for region {number}: ports end at 65535")]
    NoPort {
        /// The flag that chooses the first port.
        flag: &'static str,
        /// The port of the first region.
        first: u16,
        /// The number of the first region without a port, counted from 1.
        number: usize,
    },
    /// The local address of a listener cannot be read.
    #[error("cannot read a listener's address: {0}")]
    Listener(#[source] io::Error),
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// One or more regions cannot be started.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    NotUp(Vec<NotUp>),
}

/// How to choose an address that can be bound.
fn remedy(source: &io::Error, flag: &str, address: &SocketAddr) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse if address.ip() == Ipv6Addr::LOCALHOST => {
            format!("choose another port with {flag}, or listen on IPv4 alone with --listen 127.0.0.1")
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: choose another with --listen".to_owned(),
        _ => format!("choose another port with {flag}"),
    }
}

impl From<NotUp> for StartError {
    fn from(region: NotUp) -> Self {
        Self::NotUp(vec![region])
    }
}

/// A region that cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {region}: {source}")]
pub struct NotUp {
    /// The region that was to be started.
    pub region: Region,
    /// The reason why it cannot be started.
    pub source: BootError,
}

/// The reason why a region cannot be started, for the first time or after a failure.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The task that opened the database panicked or was cancelled.
    #[error(transparent)]
    Unfinished(#[from] JoinError),
    /// The node does not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The port cannot be bound, for example because it is taken.
    #[error("cannot listen on {address}: {source}")]
    Port {
        /// The address that cannot be bound.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// The reason why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The directory cannot be read.
    #[error("cannot use the data directory {}: {source}", path.display())]
    Unreadable {
        /// The path of the directory.
        path: PathBuf,
        /// The error from the file system.
        source: io::Error,
    },
    /// The directory cannot be written.
    #[error("cannot write to the data directory {}: {source}", path.display())]
    Unwritable {
        /// The path of the directory.
        path: PathBuf,
        /// The error from the file system.
        source: io::Error,
    },
    /// The directory belongs to another topology.
    #[error(
        "the data directory {} belongs to the regions {found}, this topology has {identity}: give another directory with --data, or those \
         regions with --topology or --regions",
        path.display()
    )]
    Foreign {
        /// The path of the directory.
        path: PathBuf,
        /// The regions that the directory belongs to.
        found: String,
        /// The regions of the topology that was to use it.
        identity: String,
    },
}
