//! The control service, beside running regions.

pub mod arrivals;
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
