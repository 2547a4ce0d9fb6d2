//! The commands, one file per family.

pub(crate) mod conflicts;
pub(crate) mod converge;
pub(crate) mod drain;
pub(crate) mod drill;
pub(crate) mod explain;
pub(crate) mod net;
mod ready;
pub(crate) mod record;
pub(crate) mod recovery;
pub(crate) mod replication;
pub(crate) mod serve;
pub(crate) mod sim;
pub(crate) mod status;
