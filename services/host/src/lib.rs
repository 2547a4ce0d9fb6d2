//! Regions in one process: starting, failing, recovering and stopping them, and the control
//! service, server and client, by which they are observed and steered.

mod accept;
mod advice;
pub mod arrival_groups;
pub mod commit_times;
pub mod control;
pub mod convergence;
mod credentials;
mod directory;
mod endpoint;
mod error;
mod faults;
pub mod fleet;
mod host;
mod launch;
mod leases;
mod ports;
mod region;
mod reroutes;
mod supervision;
mod tap;
mod traffic;
pub mod units;

pub use beringia_endpoint::{NotAPolicy, ShiftPolicy};
pub use credentials::{BadLine, CredentialsError, authentication};
pub use error::{BootError, DirectoryError, NotUp, StartError};
pub use launch::{Addresses, Deployment, Ports, RegionAddresses, RegionLimits, Running, SingleRegion, all, one};
pub use leases::{LEASE_MAX, LEASE_METADATA, LEASE_MIN};
pub use ports::{Listen, NotAnAddress};
