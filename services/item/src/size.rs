//! Sizes as DynamoDB counts them (developer guide, "DynamoDB item sizes and formats"), and depth.

use crate::{AttributeValue, Item, Number};

/// The greatest size of an item, bytes.
pub const MAX_ITEM_BYTES: usize = 400 * 1024;
/// How many levels of values an item may have, counting its attributes as the first. So 31 lists or maps may lie around
/// a value (as observed of DynamoDB; the developer guide says "up to 32 levels deep").
pub const MAX_DEPTH: usize = 32;

/// What a list or a map costs before its members.
pub(crate) const DOCUMENT_BYTES: usize = 3;
/// What each member of a list or a map costs besides its name and value.
pub(crate) const MEMBER_BYTES: usize = 1;

/// Bytes of an item: names and values.
#[must_use]
pub fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

/// Bytes of a value.
#[must_use]
pub fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number_size(number),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::Bool(_) | AttributeValue::Null => 1,
        AttributeValue::L(members) => {
            DOCUMENT_BYTES
                + members
                    .iter()
                    .map(|member| MEMBER_BYTES + value_size(member))
                    .sum::<usize>()
        }
        AttributeValue::M(members) => DOCUMENT_BYTES + MEMBER_BYTES * members.len() + item_size(members),
        AttributeValue::Ss(members) => members.iter().map(String::len).sum(),
        AttributeValue::Ns(members) => members.iter().map(number_size).sum(),
        AttributeValue::Bs(members) => members.iter().map(bytes::Bytes::len).sum(),
    }
}

/// One byte, one for each two digits begun before the decimal point and behind it, and one for a negative sign. Zeros
/// at either end of the digits cost nothing. This is as observed of DynamoDB, to the byte, at its limit of 400 KB; the
/// developer guide's rule leaves out that digits on both sides of the point are counted apart.
pub(crate) fn number_size(number: &Number) -> usize {
    let digits = number.significant_digits();
    if digits == 0 {
        return 1;
    }
    // More digits behind the point than there are digits: zeros that lead a pure fraction.
    let fraction = number.fraction_digits().min(digits);
    let integer = digits - fraction;
    1 + integer.div_ceil(2) + fraction.div_ceil(2) + usize::from(number.is_negative())
}

/// How many levels of values an item has: 0 for no attributes, 1 where none is a list or map with members. What is stored
/// never has more than [`MAX_DEPTH`].
#[must_use]
pub fn item_depth(item: &Item) -> usize {
    item.values().map(value_depth).max().unwrap_or(0)
}

/// How many levels of values a value has, itself included: 1 for one without members.
#[must_use]
pub fn value_depth(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::L(members) => 1 + members.iter().map(value_depth).max().unwrap_or(0),
        AttributeValue::M(members) => 1 + item_depth(members),
        _ => 1,
    }
}
