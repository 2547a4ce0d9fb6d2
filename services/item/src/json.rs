//! Attribute values in DynamoDB's JSON: `{"S": "…"}`, `{"N": "1"}`, `{"B": "<base64>"}` and so on.

use crate::{AttributeValue, Item};

/// JSON that is no attribute value. The message is the one that DynamoDB gives; `serialization` where DynamoDB answers
/// SerializationException instead of ValidationException (wrong JSON type at a place).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JsonError { pub serialization: bool, pub message: String }

/// Reads a value, taking the strings out of the JSON rather than copying them.
pub fn value_from_json(json: serde_json::Value) -> Result<AttributeValue, JsonError> { todo!() }
/// Reads a map of attributes.
pub fn item_from_json(json: serde_json::Value) -> Result<Item, JsonError> { todo!() }
/// Writes a value.
pub fn value_to_json(value: &AttributeValue) -> serde_json::Value { todo!() }
/// Writes a map of attributes.
pub fn item_to_json(item: &Item) -> serde_json::Value { todo!() }
