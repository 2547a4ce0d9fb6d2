//! The requests of every operation, as the public model of the API says them, corrected (`services/gateway/model`).

mod dynamodb;
mod streams;

pub(crate) use dynamodb::*;
pub(crate) use streams::*;
