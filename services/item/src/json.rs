//! Attribute values in DynamoDB's JSON: `{"S": "…"}`, `{"N": "1"}`, `{"B": "<base64>"}` and so on.
//!
//! Writing uses `serde`: [`AttributeValue`] and so [`Item`] serialize into this form without an
//! intermediate tree. Reading takes a JSON tree, since the whole request is one, and moves the
//! strings out of it.

mod read;
mod write;

use crate::{AttributeValue, Item, MAX_DEPTH};

/// The greatest depth of a value outside an item. The most deeply nested JSON that is accepted
/// holds no deeper value.
const OPERAND_DEPTH_MAX: usize = 64;

/// An error in JSON that is not an attribute value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// The JSON has the wrong type for its place. DynamoDB answers `SerializationException` here,
    /// and `ValidationException` for all other kinds.
    Serialization,
    /// A number is malformed or out of bounds, or a set of numbers is empty.
    Number,
    /// A set contains a member twice.
    Duplicates,
    /// The value is invalid for another reason.
    Invalid,
}

/// JSON that is not an attribute value. The message is DynamoDB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JsonError {
    /// The kind of error, which determines DynamoDB's exception.
    pub kind: JsonErrorKind,
    /// The message that DynamoDB returns.
    pub message: String,
}

/// Reads a value, moving the strings out of the JSON rather than copying them. Never recurses
/// deeper than [`crate::MAX_DEPTH`].
///
/// # Errors
/// [`JsonError`] if the JSON is not an attribute value.
pub fn value_from_json(json: serde_json::Value) -> Result<AttributeValue, JsonError> {
    read::value(json, MAX_DEPTH)
}

/// Reads a value outside an item, such as the value of a placeholder. It may be deeper than a value
/// in an item, and then equals none of those. Code that would store it in an item checks the depth
/// there.
///
/// # Errors
/// As [`value_from_json`].
pub fn operand_from_json(json: serde_json::Value) -> Result<AttributeValue, JsonError> {
    read::value(json, OPERAND_DEPTH_MAX)
}

/// Reads a map of attributes.
///
/// # Errors
/// As [`value_from_json`].
pub fn item_from_json(json: serde_json::Value) -> Result<Item, JsonError> {
    read::item(json, MAX_DEPTH)
}

/// Writes a value in DynamoDB's JSON.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "only a map whose keys are not strings fails, and all keys here are strings"
)]
pub fn value_to_json(value: &AttributeValue) -> serde_json::Value {
    serde_json::to_value(value).expect("every attribute value has a JSON form")
}

/// Writes a map of attributes.
#[must_use]
pub fn item_to_json(item: &Item) -> serde_json::Value {
    item.iter()
        .map(|(name, value)| (name.clone(), value_to_json(value)))
        .collect()
}
