//! Keys in requests: what DynamoDB says about one that is missing, of a wrong type, empty or too long.

use beringia_item::{AttributeValue, Item, KeyBytes, KeyError, KeyPart, KeySchema, KeyType};
use beringia_store::{IndexState, Table};

use crate::ApiError;

/// Greatest size of a partition key's value, bytes (developer guide, "Quotas").
const PARTITION_KEY_BYTES_MAX: usize = 2048;
/// Greatest size of a sort key's value, bytes.
const SORT_KEY_BYTES_MAX: usize = 1024;

/// The message for a `Key` whose attributes are not the table's key attributes.
pub(crate) const KEY_MISMATCH: &str = "The provided key element does not match the schema";

/// All attributes of a key, partition first.
pub(crate) fn parts(keys: &KeySchema) -> impl Iterator<Item = &KeyPart> {
    keys.partition.iter().chain(&keys.sort)
}

/// The wire name of a key attribute's type.
pub(crate) const fn type_name(kind: KeyType) -> &'static str {
    match kind {
        KeyType::S => "S",
        KeyType::N => "N",
        KeyType::B => "B",
    }
}

fn empty_kind(kind: KeyType) -> &'static str {
    if kind == KeyType::B { "binary" } else { "string" }
}

fn too_long(partition: bool) -> &'static str {
    if partition {
        // The missing space is DynamoDB's.
        "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"
    } else {
        "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
    }
}

/// The message for a key value that has the right type, or none where the value is fit.
fn value_error(keys: &KeySchema, error: &KeyError) -> Option<String> {
    match error {
        KeyError::Empty { name } => {
            let kind = parts(keys)
                .find(|part| part.name == *name)
                .map_or(KeyType::S, |part| part.kind);
            Some(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {} \
                 value. Key: {name}",
                empty_kind(kind)
            ))
        }
        KeyError::TooLong { limit, .. } => Some(too_long(*limit == PARTITION_KEY_BYTES_MAX).to_owned()),
        KeyError::Missing { .. } | KeyError::TypeMismatch { .. } => None,
    }
}

/// The stored key of a whole item.
pub(crate) fn item_key(table: &Table, item: &Item) -> Result<KeyBytes, ApiError> {
    table
        .core
        .keys
        .key_of(item)
        .map_err(|error| ApiError::Validation(item_key_error(&table.core.keys, &error)))
}

fn item_key_error(keys: &KeySchema, error: &KeyError) -> String {
    let what = match error {
        KeyError::Missing { name } => format!("Missing the key {name} in the item"),
        KeyError::TypeMismatch { name, expected, actual } => {
            format!("Type mismatch for key {name} expected: {expected} actual: {actual}")
        }
        KeyError::Empty { .. } | KeyError::TooLong { .. } => return value_error(keys, error).unwrap_or_default(),
    };
    format!("One or more parameter values were invalid: {what}")
}

/// The stored key of a `Key` parameter, which must hold the table's key attributes and no others.
pub(crate) fn request_key(table: &Table, key: &Item) -> Result<KeyBytes, ApiError> {
    let keys = &table.core.keys;
    if key.len() != keys.partition.len() + keys.sort.len() {
        return Err(ApiError::validation(KEY_MISMATCH));
    }
    keys.key_of(key)
        .map_err(|error| ApiError::Validation(value_error(keys, &error).unwrap_or_else(|| KEY_MISMATCH.to_owned())))
}

/// The message for a value in a key condition.
pub(crate) fn condition_error(keys: &KeySchema, error: &KeyError) -> ApiError {
    let message = value_error(keys, error).unwrap_or_else(|| {
        "One or more parameter values were invalid: Condition parameter type does not match schema type".to_owned()
    });
    ApiError::Validation(message)
}

/// Checks the attributes of `item` that are keys of indexes. Where `only` is given, no others than those it accepts.
///
/// An index's key attribute may be absent; then the item is not in the index. But where it is there, it must be fit.
pub(crate) fn check_index_keys(table: &Table, item: &Item, only: impl Fn(&str) -> bool) -> Result<(), String> {
    let local = table.core.local_indexes.iter().map(|(name, index)| (name, &index.keys));
    let global = table
        .global_indexes
        .iter()
        .filter(|(_, (_, state))| *state != IndexState::Deleting)
        .map(|(name, (index, _))| (name, &index.keys));
    for (index, keys) in global.chain(local) {
        for (position, part) in parts(keys).enumerate() {
            if let Some(value) = item.get(&part.name).filter(|_| only(&part.name)) {
                check_index_key(index, part, value, position < keys.partition.len())?;
            }
        }
    }
    Ok(())
}

fn check_index_key(index: &str, part: &KeyPart, value: &AttributeValue, partition: bool) -> Result<(), String> {
    let length = match (part.kind, value) {
        (KeyType::S, AttributeValue::S(text)) => text.len(),
        (KeyType::B, AttributeValue::B(bytes)) => bytes.len(),
        (KeyType::N, AttributeValue::N(_)) => return Ok(()),
        _ => {
            return Err(format!(
                "One or more parameter values were invalid: Type mismatch for Index Key {} Expected: {} Actual: {} IndexName: {index}",
                part.name,
                type_name(part.kind),
                value.type_name()
            ));
        }
    };
    if length == 0 {
        return Err(format!(
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The \
             AttributeValue for a key attribute cannot contain an empty {} value. IndexName: {index}, IndexKey: {}",
            empty_kind(part.kind),
            part.name
        ));
    }
    let limit = if partition {
        PARTITION_KEY_BYTES_MAX
    } else {
        SORT_KEY_BYTES_MAX
    };
    if length > limit {
        Err(too_long(partition).to_owned())
    } else {
        Ok(())
    }
}
