//! Keys: bytes in the order of the values, from which the values can be decoded.

use std::slice::from_ref;

use beringia_item::{AttributeValue, Item, KeyBytes, KeyError, KeyPart, KeySchema, KeyType, RANGES, range_of};
use bytes::Bytes;
use proptest::prelude::*;

use crate::strategies::{any_bytes, any_number, any_text};

fn part(name: &str, kind: KeyType) -> KeyPart {
    KeyPart {
        name: name.to_owned(),
        kind,
    }
}

fn schema(partition: &[(&str, KeyType)], sort: &[(&str, KeyType)]) -> KeySchema {
    let parts = |parts: &[(&str, KeyType)]| parts.iter().map(|(name, kind)| part(name, *kind)).collect();
    KeySchema {
        partition: parts(partition),
        sort: parts(sort),
    }
}

fn orders() -> KeySchema {
    schema(&[("customer", KeyType::S)], &[("order", KeyType::N)])
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn item(attributes: &[(&str, AttributeValue)]) -> Item {
    attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

/// A value for a key, of any of the three types, never empty.
fn any_key_value() -> impl Strategy<Value = (KeyType, AttributeValue)> {
    prop_oneof![
        any_text()
            .prop_filter("empty", |text| !text.is_empty())
            .prop_map(|text| (KeyType::S, AttributeValue::S(text))),
        any_number().prop_map(|number| (KeyType::N, AttributeValue::N(number))),
        any_bytes()
            .prop_filter("empty", |bytes| !bytes.is_empty())
            .prop_map(|bytes| (KeyType::B, AttributeValue::B(bytes))),
    ]
}

/// Two values of one type.
fn any_pair() -> impl Strategy<Value = (KeyType, AttributeValue, AttributeValue)> {
    (any_key_value(), any_key_value()).prop_filter_map("different types", |((one, left), (other, right))| {
        (one == other).then_some((one, left, right))
    })
}

fn compare(one: &AttributeValue, other: &AttributeValue) -> std::cmp::Ordering {
    match (one, other) {
        (AttributeValue::S(one), AttributeValue::S(other)) => one.as_bytes().cmp(other.as_bytes()),
        (AttributeValue::N(one), AttributeValue::N(other)) => one.cmp(other),
        (AttributeValue::B(one), AttributeValue::B(other)) => one.cmp(other),
        _ => panic!("values of different types"),
    }
}

fn sort_bytes(schema: &KeySchema, values: &[&AttributeValue]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, value) in values.iter().enumerate() {
        schema.push_sort(index, value, &mut out).expect("a sort key");
    }
    out
}

#[test]
fn key_that_does_not_fit_its_schema_is_refused() {
    let key_of = |item: &Item| orders().key_of(item).unwrap_err();
    let (customer, order) = (("customer", text("c")), ("order", AttributeValue::N(1.into())));
    assert_eq!(
        key_of(&item(from_ref(&order))),
        KeyError::Missing {
            name: "customer".to_owned()
        }
    );
    assert_eq!(
        key_of(&item(from_ref(&customer))),
        KeyError::Missing {
            name: "order".to_owned()
        }
    );
    assert_eq!(
        key_of(&item(&[customer.clone(), ("order", text("1"))])),
        KeyError::TypeMismatch {
            name: "order".to_owned(),
            expected: "N",
            actual: "S"
        }
    );
    assert_eq!(
        key_of(&item(&[("customer", text("")), order.clone()])),
        KeyError::Empty {
            name: "customer".to_owned()
        }
    );
    assert_eq!(
        key_of(&item(&[("customer", text(&"x".repeat(2049))), order.clone()])),
        KeyError::TooLong {
            name: "customer".to_owned(),
            limit: 2048
        }
    );
    assert!(
        orders()
            .key_of(&item(&[("customer", text(&"x".repeat(2048))), order]))
            .is_ok()
    );

    let documents = schema(&[("id", KeyType::S)], &[("page", KeyType::B)]);
    let of_length = |len| {
        item(&[
            ("id", text("i")),
            ("page", AttributeValue::B(Bytes::from(vec![0; len]))),
        ])
    };
    assert_eq!(
        documents.key_of(&of_length(0)),
        Err(KeyError::Empty {
            name: "page".to_owned()
        })
    );
    assert_eq!(
        documents.key_of(&of_length(1025)),
        Err(KeyError::TooLong {
            name: "page".to_owned(),
            limit: 1024
        })
    );
    assert!(documents.key_of(&of_length(1024)).is_ok());
}

#[test]
fn a_stored_key_keeps_its_layout() {
    // The layout is on disk: changing these bytes changes the file format.
    let key = orders()
        .key_of(&item(&[
            ("customer", text("a\0b")),
            ("order", AttributeValue::N(42.into())),
        ]))
        .unwrap();
    assert_eq!(&key.0[2..], b"a\x00\xffb\x00\x01\x02\x83\x54");
    assert_eq!(
        key.0[..2],
        xxhash_rust::xxh3::xxh3_64(b"a\x00\xffb\x00\x01").to_be_bytes()[..2]
    );
    assert_eq!(range_of(&key), u16::from(key.0[0]));
}

#[test]
fn partitions_spread_over_all_ranges() {
    let schema = schema(&[("id", KeyType::S)], &[]);
    let mut hit = vec![0_u32; RANGES.into()];
    for index in 0..25_600 {
        let key = schema
            .key_of(&item(&[("id", text(&format!("customer-{index}")))]))
            .unwrap();
        hit[usize::from(range_of(&key))] += 1;
    }
    assert!(hit.iter().all(|&count| (50..200).contains(&count)), "{hit:?}");
}

#[test]
fn after_prefix_carries_past_the_greatest_byte() {
    assert_eq!(KeyBytes::after_prefix(&[1, 2]), Some(vec![1, 3]));
    assert_eq!(KeyBytes::after_prefix(&[1, 0xFF, 0xFF]), Some(vec![2]));
    assert_eq!(KeyBytes::after_prefix(&[0xFF, 0xFF]), None);
    assert_eq!(KeyBytes::after_prefix(&[]), None);
}

#[test]
fn a_number_has_no_prefix() {
    let mut out = Vec::new();
    let error = orders()
        .push_sort_prefix(0, &AttributeValue::N(1.into()), &mut out)
        .unwrap_err();
    assert_eq!(
        error,
        KeyError::TypeMismatch {
            name: "order".to_owned(),
            expected: "N",
            actual: "N"
        }
    );
}

proptest! {
    #[test]
    fn keys_in_a_partition_are_in_the_order_of_their_values((kind, one, other) in any_pair()) {
        let schema = schema(&[("p", KeyType::S)], &[("s", kind)]);
        let key = |value: &AttributeValue| schema.key_of(&item(&[("p", text("p")), ("s", value.clone())])).unwrap();
        prop_assert_eq!(key(&one).cmp(&key(&other)), compare(&one, &other));
    }

    #[test]
    fn composite_sort_keys_are_ordered_by_their_first_difference(
        (first, one, other) in any_pair(), (second, left, right) in any_pair(),
    ) {
        let schema = schema(&[("p", KeyType::S)], &[("s", first), ("t", second)]);
        let order = sort_bytes(&schema, &[&one, &left]).cmp(&sort_bytes(&schema, &[&other, &right]));
        prop_assert_eq!(order, compare(&one, &other).then_with(|| compare(&left, &right)));
    }

    #[test]
    fn no_key_is_a_prefix_of_another((kind, one, other) in any_pair()) {
        let schema = schema(&[("p", kind)], &[]);
        let prefix = |value: &AttributeValue| schema.partition_prefix(&[value]).unwrap();
        prop_assert_eq!(prefix(&one).starts_with(&prefix(&other)), one == other);
    }

    #[test]
    fn the_keys_with_a_prefix_are_those_whose_value_begins_with_it(start in any_text(), whole in any_text()) {
        prop_assume!(!whole.is_empty());
        let schema = schema(&[("p", KeyType::S)], &[("s", KeyType::S)]);
        let mut prefix = Vec::new();
        schema.push_sort_prefix(0, &text(&start), &mut prefix).unwrap();
        let key = sort_bytes(&schema, &[&text(&whole)]);
        prop_assert_eq!(key.starts_with(&prefix), whole.starts_with(&start));
        let end = KeyBytes::after_prefix(&prefix);
        let within = key >= prefix && end.is_none_or(|end| key < end);
        prop_assert_eq!(within, whole.starts_with(&start));
    }

    #[test]
    fn attributes_of_a_key_are_read_back(
        (p, one) in any_key_value(), (s, other) in any_key_value(), (t, third) in any_key_value(),
    ) {
        let schema = schema(&[("p", p), ("q", s)], &[("s", t)]);
        let attributes = item(&[("p", one.clone()), ("q", other.clone()), ("s", third)]);
        let key = schema.key_of(&attributes).unwrap();
        prop_assert_eq!(schema.attributes_of(&key), Some(attributes));
        prop_assert!(key.0.starts_with(&schema.partition_prefix(&[&one, &other]).unwrap()));
    }

    #[test]
    fn index_key_splits_into_its_own_part_and_the_tables_key(
        (p, one) in any_key_value(), (s, other) in any_key_value(), order in any_number(),
    ) {
        let index = schema(&[("p", p)], &[("s", s)]);
        let attributes = item(&[
            ("p", one), ("s", other), ("customer", text("c")), ("order", AttributeValue::N(order)),
        ]);
        let base = orders().key_of(&attributes).unwrap();
        let stored = index.index_key_of(&attributes, &base).unwrap();
        let own = index.key_of(&attributes).unwrap();
        prop_assert!(stored.0.starts_with(&own.0));
        prop_assert_eq!(index.attributes_of(&stored), None);
        prop_assert_eq!(index.split_index_key(&stored), Some((own.clone(), base)));
        prop_assert_eq!(index.split_index_key(&own), None);
    }

    #[test]
    fn arbitrary_bytes_are_a_canonical_key_or_none(
        bytes in prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..24), p in 0..3, s in 0..3,
    ) {
        let kind = |index| [KeyType::S, KeyType::N, KeyType::B][index as usize];
        let schema = schema(&[("p", kind(p))], &[("s", kind(s))]);
        let stored = KeyBytes::from(bytes);
        if let Some(attributes) = schema.attributes_of(&stored)
            && let Ok(key) = schema.key_of(&attributes)
        {
                prop_assert_eq!(&key.0[2..], &stored.0[2..]);
        }
        let _ = schema.split_index_key(&stored);
    }
}
