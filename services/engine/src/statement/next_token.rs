//! Tokens to continue a SELECT: where the page ended, and which statement it was.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use beringia_item::{AttributeValue, Item, decode_item, encode_item};
use xxhash_rust::xxh3::Xxh3;

use crate::ApiError;

/// Bounds of a token's length, in characters (API reference, ExecuteStatement).
pub(super) const LENGTH: (usize, usize) = (1, 32768);

/// A hash of the statement and its parameters, which identifies the statement.
pub(super) fn fingerprint(statement: &str, parameters: Option<&[AttributeValue]>) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&(statement.len() as u64).to_le_bytes());
    hash.update(statement.as_bytes());
    for parameter in parameters.unwrap_or_default() {
        let bytes = encode_item(&Item::from([(String::new(), parameter.clone())]));
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    hash.digest128()
}

/// Creates a token for a page that ended at `position`.
pub(super) fn write(position: &Item, fingerprint: u128) -> String {
    let mut bytes = fingerprint.to_be_bytes().to_vec();
    bytes.extend_from_slice(&encode_item(position));
    STANDARD.encode(bytes)
}

/// The position at which the token's page ended.
pub(super) fn read(token: &str, fingerprint: u128) -> Result<Item, ApiError> {
    let invalid = || ApiError::validation("Invalid NextToken");
    let bytes = STANDARD.decode(token).map_err(|_| invalid())?;
    let (of, position) = bytes.split_first_chunk().ok_or_else(invalid)?;
    if u128::from_be_bytes(*of) != fingerprint {
        return Err(ApiError::validation("NextToken does not match request"));
    }
    decode_item(position).map_err(|_| invalid())
}
