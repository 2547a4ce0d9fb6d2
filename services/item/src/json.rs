//! Attribute values in DynamoDB's JSON: `{"S": "…"}`, `{"N": "1"}`, `{"B": "<base64>"}` and so on.
//!
//! Writing is `serde`'s: [`AttributeValue`] serializes into this form, so an [`Item`] does too, without a tree of JSON
//! between. Reading takes a tree, since the whole request is one, and moves the strings out of it.

mod read;
mod write;

use crate::{AttributeValue, Item, MAX_DEPTH};

/// Greatest depth of a value that is in no item. JSON that is nested as deep as it may be holds no deeper one.
const OPERAND_DEPTH_MAX: usize = 64;

/// What is wrong with JSON that is no attribute value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// It is of another JSON type than belongs there. DynamoDB answers `SerializationException`,
    /// for all others `ValidationException`.
    Serialization,
    /// A number is none or out of bounds, or a set of numbers is empty.
    Number,
    /// A set contains a member twice.
    Duplicates,
    /// It is no value for another reason.
    Invalid,
}

/// JSON that is no attribute value. The message is the one that DynamoDB gives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// What DynamoDB says.
    pub message: String,
}

/// Reads a value, taking the strings out of the JSON rather than copying them. Never recurses deeper than
/// [`crate::MAX_DEPTH`].
///
/// # Errors
/// [`JsonError`] where the JSON is no attribute value.
pub fn value_from_json(json: serde_json::Value) -> Result<AttributeValue, JsonError> {
    read::value(json, MAX_DEPTH)
}

/// Reads a value that is in no item, such as what a placeholder stands for. It may be deeper than one in an item, and is then unlike
/// all of these; where it would get into one, that is found out there.
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

/// Writes a value.
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
