//! Decodes requests from JSON: checks them against their shape, then moves them into the engine's
//! structures without copying their texts.

mod account;
mod attributes;
mod batch;
mod fields;
mod items;
mod statements;
mod streams;
mod tables;
mod tags;
mod transact;
mod ttl;

#[cfg(test)]
mod tests;

pub(crate) use account::EndpointsRequest;
use beringia_engine::ApiError;
use fields::Fields;
use serde_json::{Map, Value};

use crate::shape::{self, Structure};

/// A request that can be decoded from JSON.
pub(crate) trait Decode: Sized {
    /// The shape that JSON of this request must have.
    const SHAPE: &'static Structure;

    /// Reads a request that has passed the check of its shape.
    fn from_fields(fields: Fields) -> Result<Self, ApiError>;
}

/// Checks and decodes a request.
///
/// # Errors
/// SerializationException or ValidationException, with DynamoDB's messages.
pub(crate) fn decode<T: Decode>(request: Map<String, Value>) -> Result<T, ApiError> {
    shape::check(&request, T::SHAPE)?;
    T::from_fields(Fields::new(request))
}
