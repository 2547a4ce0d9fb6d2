//! Requests from JSON: checked along their shape, then moved into the engine's structures without copying their texts.

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

/// A request that can be read from JSON.
pub(crate) trait Decode: Sized {
    /// Its shape.
    const SHAPE: &'static Structure;

    /// Reads a request that has passed the check of its shape.
    fn from_fields(fields: Fields) -> Result<Self, ApiError>;
}

/// Checks and reads a request.
///
/// # Errors
/// SerializationException or ValidationException, as DynamoDB words them.
pub(crate) fn decode<T: Decode>(request: Map<String, Value>) -> Result<T, ApiError> {
    shape::check(&request, T::SHAPE)?;
    T::from_fields(Fields::new(request))
}
