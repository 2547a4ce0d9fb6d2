//! The control service for the regions of this process.

pub mod arrival_stream;
pub(crate) mod server;

mod digests;
pub(crate) mod drain;
mod evidence;
mod explain;
mod journal;
pub(crate) mod links;
mod measure;
pub(crate) mod pauses;
mod prune;
mod record;
mod reports;
mod restore;
