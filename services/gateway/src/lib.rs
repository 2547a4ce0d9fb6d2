//! The DynamoDB API and its streams: operations, their JSON, and the encoding of errors.
//!
//! A [`Gateway`] is the API of one region. It takes a request from the region's endpoint and
//! answers it with the region's [`beringia_engine::Engine`]. [`beringia_endpoint`] handles
//! connections and signatures.
//!
//! A request passes through `parse JSON → operation → signature → shape → decode → engine →
//! encode`. Each step except the signature is a module, and the first step that finds a fault
//! answers as DynamoDB would.

mod decode;
mod encode;
mod error;
mod gateway;
mod listener;
mod meter;
mod operation;
mod shape;

pub use gateway::{CREDENTIAL_SCOPE, Gateway, HttpAnswer};
pub use listener::{Call, Listener, Plane};
pub use meter::{Meter, MeteredRequest, RequestOutcome};
