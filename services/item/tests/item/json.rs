//! DynamoDB's JSON: reading, writing, and the errors for invalid JSON.

use beringia_item::{
    AttributeValue, JsonError, JsonErrorKind, item_from_json, item_to_json, operand_from_json, value_from_json,
    value_to_json,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::strategies::{any_item, any_value};

const NEST: &str =
    "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit";
const EMPTY: &str = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
const SEVERAL: &str =
    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes";

fn error(json: &Value, serialization: bool) -> String {
    let error: JsonError = value_from_json(json.clone()).expect_err("no value");
    assert_eq!(
        error.kind == JsonErrorKind::Serialization,
        serialization,
        "{json}: {error}"
    );
    error.message
}

fn validation(json: &Value) -> String {
    error(json, false)
}

fn invalid(json: &Value) -> String {
    let message = validation(json);
    message
        .strip_prefix("One or more parameter values were invalid: ")
        .unwrap_or(&message)
        .to_owned()
}

#[test]
fn all_ten_types_are_read_and_written() {
    let json = json!({
        "s": {"S": "text"}, "n": {"N": "-1.5"}, "b": {"B": "AP8="}, "bool": {"BOOL": false}, "null": {"NULL": true},
        "l": {"L": [{"S": ""}, {"L": []}]}, "m": {"M": {"x": {"B": ""}}},
        "ss": {"SS": ["", "a"]}, "ns": {"NS": ["-2", "0", "10"]}, "bs": {"BS": ["AA==", "/w=="]},
    });
    assert_eq!(item_to_json(&item_from_json(json.clone()).unwrap()), json);
}

#[test]
fn numbers_are_returned_in_plain_notation() {
    let number = value_from_json(json!({"N": "+0012.50E2"})).unwrap();
    assert_eq!(value_to_json(&number), json!({"N": "1250"}));
}

/// An operand, a value outside an item, may have twice as many.
#[test]
fn value_in_an_item_has_at_most_32_levels() {
    let nested = |levels| (1..levels).fold(json!({"S": "x"}), |inner, _| json!({"L": [inner]}));
    for (levels, in_item, in_none) in [
        (32, true, true),
        (33, false, true),
        (64, false, true),
        (65, false, false),
    ] {
        let json = nested(levels);
        assert_eq!(value_from_json(json.clone()).is_ok(), in_item, "{levels}");
        assert_eq!(operand_from_json(json.clone()).is_ok(), in_none, "{levels}");
        assert_eq!(item_from_json(json!({"a": json})).is_ok(), in_item, "{levels}");
    }
}

#[test]
fn a_value_has_exactly_one_type() {
    for json in [
        json!({}),
        json!(null),
        json!({"X": "a"}),
        json!({"S": null}),
        json!({"M": {"a": {}}}),
        json!({"L": [{}]}),
    ] {
        assert_eq!(validation(&json), EMPTY);
    }
    assert_eq!(validation(&json!({"S": "a", "N": "1"})), SEVERAL);
    assert_eq!(
        value_from_json(json!({"S": "a", "N": null})),
        Ok(AttributeValue::S("a".to_owned()))
    );
}

#[test]
fn null_must_be_true() {
    for json in [json!({"NULL": false}), json!({"NULL": "no"})] {
        assert_eq!(invalid(&json), "Null attribute value types must have the value of true");
    }
}

#[test]
fn empty_sets_and_repeated_members_are_refused() {
    assert_eq!(invalid(&json!({"SS": []})), "An string set  may not be empty");
    assert_eq!(invalid(&json!({"NS": []})), "An number set  may not be empty");
    assert_eq!(invalid(&json!({"BS": []})), "Binary sets should not be empty");
    assert_eq!(
        invalid(&json!({"SS": ["b", "a", "b"]})),
        "Input collection [b, a, b] contains duplicates."
    );
    assert_eq!(
        invalid(&json!({"SS": ["", "", "z", "a"]})),
        "Input collection [, , z, a] contains duplicates."
    );
    assert_eq!(
        validation(&json!({"NS": ["2", "1", "2.0"]})),
        "Input collection contains duplicates"
    );
    assert_eq!(
        invalid(&json!({"BS": ["/w==", "AA==", "AA=="]})),
        "Input collection [/w==, AA==, AA==]of type BS contains duplicates."
    );
}

#[test]
fn bad_number_is_quoted_in_the_message() {
    assert_eq!(
        validation(&json!({"N": "abc"})),
        "The parameter cannot be converted to a numeric value: abc"
    );
    assert_eq!(
        validation(&json!({"NS": ["1", ""]})),
        "The parameter cannot be converted to a numeric value"
    );
    assert_eq!(
        validation(&json!({"L": [{"N": "1e126"}]})),
        "Number overflow. Attempting to store a number with magnitude larger than supported range"
    );
}

#[test]
fn json_of_the_wrong_type_is_a_serialization_error() {
    let (structure, field) = (
        "Start of structure or map found where not expected",
        "Unexpected field type",
    );
    for (json, message) in [
        (json!("a"), "Unexpected value type in payload"),
        (json!(1), "Unexpected value type in payload"),
        (
            json!([]),
            "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue",
        ),
        (json!({"S": 1}), "NUMBER_VALUE cannot be converted to String"),
        (json!({"N": 1.5}), "DECIMAL_VALUE cannot be converted to String"),
        (json!({"N": true}), "TRUE_VALUE cannot be converted to String"),
        (json!({"S": []}), "Unrecognized collection type class java.lang.String"),
        (json!({"S": {}}), structure),
        (json!({"BOOL": 1}), "NUMBER_VALUE cannot be converted to Boolean"),
        (json!({"BOOL": "maybe"}), "Unexpected token received from parser"),
        (json!({"B": 1}), "only base-64-encoded strings are convertible to bytes"),
        (
            json!({"B": []}),
            "Unrecognized collection type class java.nio.ByteBuffer",
        ),
        (json!({"B": {}}), structure),
        (
            json!({"B": "23456"}),
            "Base64 encoded length is expected a multiple of 4 bytes but found: 5",
        ),
        (json!({"B": "=+/="}), "Invalid last non-pad Base64 character dectected"),
        (json!({"B": "+/+="}), "Invalid last non-pad Base64 character dectected"),
        (json!({"L": "a"}), field),
        (json!({"L": {}}), structure),
        (json!({"SS": [1]}), "NUMBER_VALUE cannot be converted to String"),
        (json!({"SS": [null]}), "NULL_VALUE cannot be converted to String"),
        (json!({"M": "a"}), field),
        (
            json!({"M": []}),
            "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>",
        ),
    ] {
        assert_eq!(error(&json, true), message, "{json}");
    }
}

#[test]
fn booleans_may_be_strings() {
    assert_eq!(value_from_json(json!({"BOOL": "Yes"})), Ok(AttributeValue::Bool(true)));
    assert_eq!(value_from_json(json!({"BOOL": "0"})), Ok(AttributeValue::Bool(false)));
    assert_eq!(value_from_json(json!({"NULL": "true"})), Ok(AttributeValue::Null));
}

#[test]
fn empty_attribute_name_is_refused() {
    for json in [json!({"": {"S": "a"}}), json!({"a": {"M": {"": {"S": "a"}}}})] {
        assert_eq!(item_from_json(json).unwrap_err().message, "Empty attribute name");
    }
}

/// Wraps a string into maps.
fn wrapped(maps: usize) -> Value {
    (0..maps).fold(json!({"S": "leaf"}), |inner, _| json!({"M": {"n": inner}}))
}

#[test]
fn value_may_be_inside_31_maps_but_not_32() {
    assert!(item_from_json(json!({"data": wrapped(31)})).is_ok());
    assert_eq!(item_from_json(json!({"data": wrapped(32)})).unwrap_err().message, NEST);
    let lists = (0..32).fold(json!({"S": "leaf"}), |inner, _| json!({"L": [inner]}));
    assert_eq!(validation(&lists), NEST);
}

proptest! {
    #[test]
    fn item_is_read_back_from_its_json(item in any_item()) {
        prop_assert_eq!(item_from_json(item_to_json(&item)), Ok(item));
    }

    #[test]
    fn serialize_writes_the_same_json(item in any_item()) {
        prop_assert_eq!(serde_json::to_string(&item).unwrap(), item_to_json(&item).to_string());
    }

    #[test]
    fn arbitrary_json_never_panics(value in any_value(), text in "[A-Z\"{}:\\[\\],a1]{0,24}") {
        let _ = serde_json::from_str(&text).map(value_from_json);
        // A value's own JSON inside other types.
        for name in ["S", "N", "B", "BOOL", "L", "M", "SS", "NS", "BS"] {
            let _ = value_from_json(json!({name: value_to_json(&value)}));
        }
    }
}
