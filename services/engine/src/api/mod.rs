//! The requests and answers of every operation as plain data, which the gateway decodes from JSON
//! and encodes to it.
//!
//! Fields are those of DynamoDB, in Rust's spelling. A field that DynamoDB requires is not an
//! `Option`: if it is missing, the gateway answers with [`crate::ApiError::missing`]. Numbers are
//! as wide as the wire allows; the engine checks their bounds.

mod account;
mod attributes;
mod batch;
mod common;
mod item;
mod query;
mod statement;
mod stream;
mod table;
mod tag;
mod transact;
mod ttl;
mod wire;

pub use account::*;
pub use attributes::*;
pub use batch::*;
pub use common::*;
pub use item::*;
pub use query::*;
pub use statement::*;
pub use stream::*;
pub use table::*;
pub use tag::*;
pub use transact::*;
pub use ttl::*;
