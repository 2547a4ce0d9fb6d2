//! Sizes and depths as DynamoDB counts them.

use beringia_item::{AttributeValue, Item, item_depth, item_from_json, item_size, value_depth, value_size};
use serde_json::json;

use crate::strategies::{item_of, nested};

fn item(json: serde_json::Value) -> Item {
    item_from_json(json).expect("an item")
}

/// DynamoDB's costs, measured to the byte. Digits on the two sides of the point are counted
/// separately.
#[test]
fn number_costs_a_byte_per_started_pair_of_digits() {
    for (text, bytes) in [
        ("0", 1),
        ("-0", 1),
        ("1", 2),
        ("12", 2),
        ("123", 3),
        ("1234", 3),
        ("12345678901234567890123456789012345678", 20),
        ("0042", 2),
        ("100", 2),
        ("1010", 3),
        ("0.0000001", 2),
        ("1E125", 2),
        ("1E-100", 2),
        ("1.5", 3),
        ("15", 2),
        ("1.2", 3),
        ("1.200", 3),
        ("1.234", 4),
        ("3.14159", 5),
        ("123456", 4),
        ("100.5", 4),
        ("0.15", 2),
        ("0.012", 2),
        ("-42", 3),
    ] {
        assert_eq!(
            value_size(&AttributeValue::N(text.parse().expect("a number"))),
            bytes,
            "{text}"
        );
    }
}

#[test]
fn names_and_strings_count_their_utf8_bytes() {
    assert_eq!(
        item_size(&item(json!({"ä": {"S": "日本"}, "b": {"B": "AAEC"}}))),
        2 + 6 + 1 + 3
    );
}

#[test]
fn lists_and_maps_cost_three_bytes_and_one_for_each_member() {
    assert_eq!(item_size(&item(json!({"a": {"L": []}}))), 1 + 3);
    assert_eq!(
        item_size(&item(json!({"a": {"L": [{"S": "xy"}, {"NULL": true}]}}))),
        1 + 3 + (1 + 2) + (1 + 1)
    );
    assert_eq!(
        item_size(&item(json!({"a": {"M": {"key": {"BOOL": false}}}}))),
        1 + 3 + (1 + 3 + 1)
    );
}

#[test]
fn sets_cost_their_members() {
    assert_eq!(item_size(&item(json!({"a": {"SS": ["x", "yz"]}}))), 1 + 3);
    assert_eq!(item_size(&item(json!({"a": {"NS": ["1", "-1.5"]}}))), 1 + 2 + 4);
    assert_eq!(item_size(&item(json!({"a": {"BS": ["AA==", "AAEC"]}}))), 1 + 1 + 3);
}

#[test]
fn depth_counts_each_value_inside_another() {
    assert_eq!(item_depth(&Item::new()), 0);
    assert_eq!(value_depth(&nested(0)), 1);
    assert_eq!(item_depth(&item_of(nested(31))), 32);
    assert_eq!(
        item_depth(&item(
            json!({"a": {"M": {"b": {"L": []}, "c": {"M": {"d": {"S": ""}}}}}})
        )),
        3
    );
}
