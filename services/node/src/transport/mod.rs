//! gRPC: dialled streams, accepted streams, and the tasks that read them.

mod client;
mod server;

pub(crate) use client::dial;
pub(crate) use server::serve;
