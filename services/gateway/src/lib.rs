//! The DynamoDB API over HTTP: HTTP, JSON, signatures, and the shapes of errors.
//!
//! A [`Gateway`] is one region's API: it takes a whole HTTP request and gives a whole response, through the region's
//! [`beringia_engine::Engine`]. [`serve`] drives it over given connections, for one region ([`OneRegion`]) or for all regions of a
//! process at once ([`Regions`]), where the region in the request's credential scope chooses.
//!
//! A request goes through `parse JSON → operation → signature → shape → decode → engine → encode`, each step in a module of its
//! own, and the first that finds fault answers as DynamoDB would.

mod auth;
mod coding;
mod connection;
mod cors;
mod decode;
mod encode;
mod error;
mod gateway;
mod listener;
mod operation;
mod regions;
mod server;
mod shape;
mod stamp;

pub use auth::Authentication;
pub use gateway::{Answer, Gateway};
pub use listener::{Call, Listener};
pub use regions::{OneRegion, Regions, Resolver, Unroutable};
pub use server::{Limits, Server, serve};
pub use stamp::Body;
