//! The control service: its server beside running regions, and the client that the commands use.

pub(crate) mod fleet;
