//! The requests of every operation, from the public model of the API with corrections
//! (`services/gateway/model`).

mod dynamodb;
mod streams;

pub(crate) use dynamodb::*;
pub(crate) use streams::*;
