//! One HTTP endpoint for the services of one or all regions: connections, signatures, and the table
//! that routes a request to its service.
//!
//! A service is a type that implements [`Service`]. The services of a region are listed in one
//! table ([`RegionServices`]). [`serve`] answers requests on the given connections, either with one
//! such table on a region's own port ([`OneRegion`]), or with the tables of all regions of a
//! process, where the region in the credential scope chooses ([`Regions`]). If clients of a region
//! were moved, another region answers in its place, as the [`ShiftPolicy`] says.
//!
//! A request passes through `head and body within bounds → region → service → the service's checks
//! before the signature → signature → the service's answer`. Every answer gets an id, a date and a
//! checksum, and is compressed if the client accepts that.

mod auth;
mod coding;
mod connection;
mod cors;
mod io;
mod policy;
mod refusal;
mod regions;
mod reroutes;
mod response;
mod server;
mod service;
mod table;

pub use auth::{Authentication, CredentialScope, access_key};
pub use io::{BoxedIo, Incoming, Io};
pub use policy::{NotAPolicy, ShiftPolicy};
pub use refusal::{ERROR_TYPE, EndpointRefusal};
pub use regions::{OneRegion, Regions, Resolved, Resolver, Unroutable};
pub use reroutes::Reroute;
pub use response::Body;
pub use server::{ConnectionLimits, Server, serve};
pub use service::{ContentType, Early, Protocol, Received, Route, Service, SharedService, json, media_type};
pub use table::RegionServices;
