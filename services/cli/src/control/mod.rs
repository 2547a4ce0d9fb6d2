//! The control service: its server beside running regions, and the client that the commands use.

pub(crate) mod arrivals;
pub(crate) mod fleet;
pub(crate) mod server;

mod digests;
mod drain;
mod evidence;
mod explain;
mod journal;
mod links;
mod measure;
mod pauses;
mod record;
mod reports;
mod restore;
