//! The semantics of DynamoDB's operators and functions on values, independent of any syntax.

use std::{borrow::Cow, cmp::Ordering};

use beringia_item::{AttributeValue, Number, NumberError};

/// The order of two strings, numbers or binaries (strings and binaries by unsigned bytes); `None`
/// for other types and for two different types.
pub(crate) fn order(left: &AttributeValue, right: &AttributeValue) -> Option<Ordering> {
    match (left, right) {
        (AttributeValue::S(left), AttributeValue::S(right)) => Some(left.cmp(right)),
        (AttributeValue::N(left), AttributeValue::N(right)) => Some(left.cmp(right)),
        (AttributeValue::B(left), AttributeValue::B(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Whether a string or binary begins with another one.
pub(crate) fn begins_with(value: &AttributeValue, prefix: &AttributeValue) -> bool {
    match (value, prefix) {
        (AttributeValue::S(value), AttributeValue::S(prefix)) => value.starts_with(prefix.as_str()),
        (AttributeValue::B(value), AttributeValue::B(prefix)) => value.starts_with(prefix),
        _ => false,
    }
}

/// Whether a string or binary contains another one, or a set or list contains the value as an
/// element.
pub(crate) fn contains(container: &AttributeValue, value: &AttributeValue) -> bool {
    match (container, value) {
        (AttributeValue::S(text), AttributeValue::S(part)) => text.contains(part.as_str()),
        (AttributeValue::B(bytes), AttributeValue::B(part)) => memchr::memmem::find(bytes, part).is_some(),
        (AttributeValue::Ss(set), AttributeValue::S(element)) => set.contains(element),
        (AttributeValue::Ns(set), AttributeValue::N(element)) => set.contains(element),
        (AttributeValue::Bs(set), AttributeValue::B(element)) => set.contains(element),
        (AttributeValue::L(elements), value) => elements.contains(value),
        _ => false,
    }
}

/// The result of `size`: UTF-16 code units of a string, bytes of a binary, elements of a set, list
/// or map; `None` for a number, boolean or null.
pub(crate) fn size(value: &AttributeValue) -> Option<Number> {
    let size = match value {
        AttributeValue::S(text) => text.encode_utf16().count(),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::Ss(set) => set.len(),
        AttributeValue::Ns(set) => set.len(),
        AttributeValue::Bs(set) => set.len(),
        AttributeValue::L(elements) => elements.len(),
        AttributeValue::M(members) => members.len(),
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null => return None,
    };
    Some(Number::from(size))
}

/// Why an operation on values fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OperandError {
    /// An operand does not have the type that the operation needs.
    #[error("An operand in the update expression has an incorrect data type")]
    Type,
    /// The result is not representable as a number.
    #[error(transparent)]
    Number(NumberError),
}

/// The sum of two numbers.
pub(crate) fn add(left: &AttributeValue, right: &AttributeValue) -> Result<AttributeValue, OperandError> {
    arithmetic(left, right, Number::checked_add)
}

/// The difference of two numbers.
pub(crate) fn subtract(left: &AttributeValue, right: &AttributeValue) -> Result<AttributeValue, OperandError> {
    arithmetic(left, right, Number::checked_sub)
}

fn arithmetic(
    left: &AttributeValue,
    right: &AttributeValue,
    operation: fn(&Number, &Number) -> Result<Number, NumberError>,
) -> Result<AttributeValue, OperandError> {
    let (AttributeValue::N(left), AttributeValue::N(right)) = (left, right) else {
        return Err(OperandError::Type);
    };
    operation(left, right)
        .map(AttributeValue::N)
        .map_err(OperandError::Number)
}

/// Concatenates two lists. Fails with [`OperandError::Type`] if one of the values is not a list.
pub(crate) fn append(
    front: Cow<'_, AttributeValue>,
    back: Cow<'_, AttributeValue>,
) -> Result<AttributeValue, OperandError> {
    match (front.into_owned(), back.into_owned()) {
        (AttributeValue::L(mut front), AttributeValue::L(back)) => {
            front.extend(back);
            Ok(AttributeValue::L(front))
        }
        _ => Err(OperandError::Type),
    }
}

/// The result of ADD: numbers are added, sets united.
pub(crate) fn add_or_unite(old: &AttributeValue, new: &AttributeValue) -> Result<AttributeValue, OperandError> {
    match (old, new) {
        (AttributeValue::N(_), AttributeValue::N(_)) => add(old, new),
        (AttributeValue::Ss(old), AttributeValue::Ss(new)) => Ok(AttributeValue::Ss(old | new)),
        (AttributeValue::Ns(old), AttributeValue::Ns(new)) => Ok(AttributeValue::Ns(old | new)),
        (AttributeValue::Bs(old), AttributeValue::Bs(new)) => Ok(AttributeValue::Bs(old | new)),
        _ => Err(OperandError::Type),
    }
}

/// The result of DELETE on a set; `None` if no element is left, since sets cannot be empty.
pub(crate) fn subtract_set(
    old: &AttributeValue,
    gone: &AttributeValue,
) -> Result<Option<AttributeValue>, OperandError> {
    let left = match (old, gone) {
        (AttributeValue::Ss(old), AttributeValue::Ss(gone)) => {
            Some(old - gone).filter(|set| !set.is_empty()).map(AttributeValue::Ss)
        }
        (AttributeValue::Ns(old), AttributeValue::Ns(gone)) => {
            Some(old - gone).filter(|set| !set.is_empty()).map(AttributeValue::Ns)
        }
        (AttributeValue::Bs(old), AttributeValue::Bs(gone)) => {
            Some(old - gone).filter(|set| !set.is_empty()).map(AttributeValue::Bs)
        }
        _ => return Err(OperandError::Type),
    };
    Ok(left)
}
