//! The DynamoDB API and its streams: operations, their JSON, and the shapes of errors.
//!
//! A [`Gateway`] is one region's API: it takes a request that arrived at the region's endpoint and
//! gives the answer, through the region's [`beringia_engine::Engine`]. Connections and signatures
//! are [`beringia_endpoint`]'s.
//!
//! A request goes through `parse JSON → operation → signature → shape → decode → engine → encode`,
//! each step but the signature in a module of its own, and the first that finds fault answers as
//! DynamoDB would.

mod decode;
mod encode;
mod error;
mod gateway;
mod listener;
mod operation;
mod shape;

pub use gateway::{Answer, Gateway};
pub use listener::{Call, Listener, Plane};
