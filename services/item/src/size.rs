//! Sizes as DynamoDB counts them (developer guide, "DynamoDB item sizes and formats"), and depth.

use crate::{AttributeValue, Item, Number};

/// The greatest size of an item, in bytes.
pub const MAX_ITEM_BYTES: usize = 400 * 1024;
/// The greatest number of levels in an item, counting its attributes as the first. A value may
/// therefore be inside 31 lists or maps (as observed of DynamoDB; the developer guide says "up to
/// 32 levels deep").
pub const MAX_DEPTH: usize = 32;

/// The cost of a list or a map without its members, in bytes.
pub(crate) const DOCUMENT_BYTES: usize = 3;
/// The cost of each member of a list or a map besides its name and value, in bytes.
pub(crate) const MEMBER_BYTES: usize = 1;

/// The size of an item in bytes: its names and values.
#[must_use]
pub fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

/// The size of a value in bytes.
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

/// One byte, plus one for each started pair of digits before the decimal point and after it, plus
/// one for a negative sign. Zeros at either end of the digits cost nothing. This was observed of
/// DynamoDB, to the byte, at its limit of 400 KB; the developer guide's rule omits that digits on
/// the two sides of the point are counted separately.
pub(crate) fn number_size(number: &Number) -> usize {
    let digits = number.significant_digits();
    if digits == 0 {
        return 1;
    }
    // If there are more fraction digits than digits, the rest are the leading zeros of a pure
    // fraction.
    let fraction = number.fraction_digits().min(digits);
    let integer = digits - fraction;
    1 + integer.div_ceil(2) + fraction.div_ceil(2) + usize::from(number.is_negative())
}

/// The number of levels in an item: 0 for no attributes, 1 if none is a list or map with members.
/// Stored items never have more than [`MAX_DEPTH`].
#[must_use]
pub fn item_depth(item: &Item) -> usize {
    item.values().map(value_depth).max().unwrap_or(0)
}

/// The number of levels in a value, itself included: 1 for a value without members.
#[must_use]
pub fn value_depth(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::L(members) => 1 + members.iter().map(value_depth).max().unwrap_or(0),
        AttributeValue::M(members) => 1 + item_depth(members),
        _ => 1,
    }
}
