//! Arbitrary numbers, values and items.

use std::collections::BTreeSet;

use beringia_item::{AttributeValue, Item, Number};
use bytes::Bytes;
use proptest::{collection, prelude::*};

/// Any number: up to 38 digits, over the whole range.
pub(crate) fn any_number() -> impl Strategy<Value = Number> {
    let digits = prop_oneof![0..1_000_u128, 0..10_u128.pow(20), 0..10_u128.pow(38)];
    (any::<bool>(), digits, prop_oneof![-6..6_i32, -130..=125_i32]).prop_map(|(negative, digits, magnitude)| {
        let digits = digits.to_string();
        let (first, rest) = digits.split_at(1);
        let sign = if negative { "-" } else { "" };
        format!("{sign}{first}.{rest}e{magnitude}")
            .parse()
            .expect("made in range")
    })
}

/// Any text, including bytes that key encodings treat specially.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[\u{0}\u{1}ab\u{ff}\u{10ffff}]{0,4}", ".{0,6}"]
}

/// Any bytes, including those that key encodings treat specially.
pub(crate) fn any_bytes() -> impl Strategy<Value = Bytes> {
    let byte = prop_oneof![Just(0), Just(1), Just(0xFE), Just(0xFF), any::<u8>()];
    collection::vec(byte, 0..6).prop_map(Bytes::from)
}

fn any_set<S: Strategy>(members: S) -> impl Strategy<Value = BTreeSet<S::Value>>
where
    S::Value: Ord,
{
    collection::btree_set(members, 1..4)
}

/// Any value, nested a few levels deep.
pub(crate) fn any_value() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        any_text().prop_map(AttributeValue::S),
        any_number().prop_map(AttributeValue::N),
        any_bytes().prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        any_set(any_text()).prop_map(AttributeValue::Ss),
        any_set(any_number()).prop_map(AttributeValue::Ns),
        any_set(any_bytes()).prop_map(AttributeValue::Bs),
    ];
    leaf.prop_recursive(4, 24, 4, |member| {
        prop_oneof![
            collection::vec(member.clone(), 0..4).prop_map(AttributeValue::L),
            collection::btree_map(any_name(), member, 0..4).prop_map(AttributeValue::M),
        ]
    })
}

/// Any name of an attribute.
fn any_name() -> impl Strategy<Value = String> {
    "[a-zß_]{1,5}"
}

/// An item with any attributes.
pub(crate) fn any_item() -> impl Strategy<Value = Item> {
    collection::btree_map(any_name(), any_value(), 0..5)
}

/// A string inside `lists` lists.
pub(crate) fn nested(lists: usize) -> AttributeValue {
    (0..lists).fold(AttributeValue::S("leaf".to_owned()), |inner, _| {
        AttributeValue::L(vec![inner])
    })
}

/// An item of one attribute, `a`.
pub(crate) fn item_of(value: AttributeValue) -> Item {
    Item::from([("a".to_owned(), value)])
}
