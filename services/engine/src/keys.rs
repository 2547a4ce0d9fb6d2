//! Keys in requests, and DynamoDB's messages for keys that are missing, empty, too long or of a
//! wrong type.

use beringia_expression::{Condition, Projection, Update};
use beringia_item::{AttributeValue, Item, KeyBytes, KeyError, KeyPart, KeySchema, KeyType};
use beringia_storage::{IndexState, Table};

use crate::ApiError;

/// The maximum size of a partition key's value, in bytes (developer guide, "Quotas").
const PARTITION_KEY_BYTES_MAX: usize = 2048;
/// The maximum size of a sort key's value, in bytes.
const SORT_KEY_BYTES_MAX: usize = 1024;

/// The message for a `Key` whose attributes are not the table's key attributes.
pub(crate) const KEY_MISMATCH: &str = "The provided key element does not match the schema";

/// All attributes of a key, partition attributes first.
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

/// The message for a key value of the right type that is invalid; `None` if the error is another
/// one.
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

/// The stored key of a `Key` parameter, which must contain the table's key attributes and no
/// others.
pub(crate) fn request_key(table: &Table, key: &Item) -> Result<KeyBytes, ApiError> {
    let keys = &table.core.keys;
    if key.len() != keys.partition.len() + keys.sort.len() {
        return Err(ApiError::validation(KEY_MISMATCH));
    }
    keys.key_of(key)
        .map_err(|error| ApiError::Validation(value_error(keys, &error).unwrap_or_else(|| KEY_MISMATCH.to_owned())))
}

/// Which of DynamoDB's two wordings an error has, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wording {
    /// The wording for parameters and expressions of a request.
    Request,
    /// The wording for a PartiQL statement.
    Statement,
}

/// Rejects document paths that lead into key attributes of the table or its indexes; `nested` are
/// the attributes at which such paths begin.
fn check_scalar_keys<'n>(
    table: &Table,
    wording: Wording,
    nested: impl IntoIterator<Item = &'n str>,
) -> Result<(), ApiError> {
    let is_in = |keys: &KeySchema, name: &str| parts(keys).any(|part| part.name == name);
    let kind = |name: &'n str| {
        let of_index = || index_keys(table).any(|(_, keys)| is_in(keys, name));
        let is_key = is_in(&table.core.keys, name);
        let kind = is_key.then_some("Key").or_else(|| of_index().then_some("IndexKey"))?;
        Some((kind, name))
    };
    nested.into_iter().find_map(kind).map_or(Ok(()), |(kind, name)| {
        let colon = match wording {
            Wording::Request => ":",
            Wording::Statement => "",
        };
        Err(ApiError::Validation(format!(
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: {kind}{colon} {name}"
        )))
    })
}

/// The keys of the table's indexes, each with the name of its index; not those that are being
/// deleted.
fn index_keys(table: &Table) -> impl Iterator<Item = (&String, &KeySchema)> {
    let local = table.core.local_indexes.iter().map(|(name, index)| (name, &index.keys));
    let global = table
        .global_indexes
        .iter()
        .filter(|(_, (_, state))| *state != IndexState::Deleting)
        .map(|(name, (index, _))| (name, &index.keys));
    global.chain(local)
}

/// Rejects paths into key attributes in the filter and the projection of a read of the table.
pub(crate) fn check_read_paths(
    table: &Table,
    wording: Wording,
    filter: Option<&Condition>,
    projection: Option<&Projection>,
) -> Result<(), ApiError> {
    let in_filter = filter.into_iter().flat_map(Condition::nested_names);
    let in_projection = projection.into_iter().flat_map(Projection::nested_names);
    check_scalar_keys(table, wording, in_filter.chain(in_projection))
}

/// Returns the first part of the table's key that an update writes, which it must not.
pub(crate) fn written_key<'t>(table: &'t Table, update: &Update) -> Option<&'t KeyPart> {
    parts(&table.core.keys).find(|part| update.top_level_names().any(|name| name == part.name))
}

/// Rejects paths into key attributes in the update and the condition of a write. An update that
/// writes a part of the table's key has another error, and passes.
pub(crate) fn check_write_paths(
    table: &Table,
    wording: Wording,
    update: Option<&Update>,
    condition: Option<&Condition>,
) -> Result<(), ApiError> {
    let update = update.filter(|update| written_key(table, update).is_none());
    let in_update = update.into_iter().flat_map(Update::nested_names);
    let in_condition = condition.into_iter().flat_map(Condition::nested_names);
    check_scalar_keys(table, wording, in_update.chain(in_condition))
}

/// The error for a value in a key condition.
pub(crate) fn condition_error(keys: &KeySchema, error: &KeyError) -> ApiError {
    let message = value_error(keys, error).unwrap_or_else(|| {
        "One or more parameter values were invalid: Condition parameter type does not match schema type".to_owned()
    });
    ApiError::Validation(message)
}

/// Rejects empty values of the table's key attributes, before any other error of a key or item.
pub(crate) fn check_not_empty(table: &Table, attributes: &Item) -> Result<(), ApiError> {
    let keys = &table.core.keys;
    let empty = parts(keys).find(|part| {
        attributes
            .get(&part.name)
            .is_some_and(|value| length(part.kind, value) == Some(0))
    });
    let message = empty.and_then(|part| {
        let name = part.name.clone();
        value_error(keys, &KeyError::Empty { name })
    });
    message.map_or(Ok(()), |message| Err(ApiError::Validation(message)))
}

/// The length of a key value, in bytes; 1 for a number, whose length does not matter, and `None`
/// for a value of another type.
fn length(kind: KeyType, value: &AttributeValue) -> Option<usize> {
    match (kind, value) {
        (KeyType::S, AttributeValue::S(text)) => Some(text.len()),
        (KeyType::B, AttributeValue::B(bytes)) => Some(bytes.len()),
        (KeyType::N, AttributeValue::N(_)) => Some(1),
        _ => None,
    }
}

/// Why an attribute's value cannot be a key of an index.
pub(crate) struct IndexKeyError<'a> {
    index: &'a str,
    part: &'a KeyPart,
    problem: IndexKeyProblem,
}

enum IndexKeyProblem {
    /// The value is of the type with this wire name.
    Type(&'static str),
    Empty,
    /// The value's length and the greatest length, in bytes.
    TooLong(usize, usize),
}

impl IndexKeyError<'_> {
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self.problem, IndexKeyProblem::Empty)
    }

    /// The message if the attribute came with an item.
    pub(crate) fn in_item(&self) -> String {
        let Self { index, part, problem } = self;
        match problem {
            IndexKeyProblem::Type(actual) => format!(
                "One or more parameter values were invalid: Type mismatch for Index Key {} Expected: {} Actual: {actual} \
                 IndexName: {index}",
                part.name,
                type_name(part.kind),
            ),
            IndexKeyProblem::Empty => format!(
                "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The \
                 AttributeValue for a key attribute cannot contain an empty {} value. IndexName: {index}, IndexKey: {}",
                empty_kind(part.kind),
                part.name
            ),
            IndexKeyProblem::TooLong(length, most) => format!(
                "One or more parameter values were invalid: Size limit exceeded for Index Key {} Actual Size: {length} bytes Max \
                 Size: {most} bytes IndexName: {index}",
                part.name
            ),
        }
    }

    /// The message if an update expression set the attribute (API reference, TransactWriteItems,
    /// "Validation Error").
    pub(crate) fn in_update(&self) -> String {
        match self.problem {
            IndexKeyProblem::Type(_) => {
                "The update expression attempted to update the secondary index key to unsupported type".to_owned()
            }
            IndexKeyProblem::Empty => format!(
                "One or more parameter values are not valid. The update expression attempted to update a secondary index key to a \
                 value that is not supported. The AttributeValue for a key attribute cannot contain an empty {} value.",
                empty_kind(self.part.kind)
            ),
            IndexKeyProblem::TooLong(..) => {
                "The update expression attempted to update the secondary index key beyond allowed size limits"
                    .to_owned()
            }
        }
    }
}

/// The error in the attributes that are keys of indexes; `value` returns the attributes to check.
///
/// An index key attribute may be absent; then the item is not in the index. If it is present, it
/// must be valid.
pub(crate) fn unfit_index_keys<'a>(
    table: &'a Table,
    value: impl Fn(&str) -> Option<&'a AttributeValue>,
) -> impl Iterator<Item = IndexKeyError<'a>> {
    let all = index_keys(table).flat_map(|(index, keys)| {
        let partitions = keys.partition.len();
        let numbered = parts(keys).enumerate();
        numbered.map(move |(position, part)| (index, part, position < partitions))
    });
    all.filter_map(move |(index, part, partition)| {
        let value = value(&part.name)?;
        let limit = if partition {
            PARTITION_KEY_BYTES_MAX
        } else {
            SORT_KEY_BYTES_MAX
        };
        let problem = match length(part.kind, value) {
            None => IndexKeyProblem::Type(value.type_name()),
            Some(0) => IndexKeyProblem::Empty,
            Some(length) if length > limit => IndexKeyProblem::TooLong(length, limit),
            Some(_) => return None,
        };
        Some(IndexKeyError { index, part, problem })
    })
}
