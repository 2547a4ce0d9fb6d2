//! The `#names` and `:values` that a request may have.

use std::collections::BTreeMap;

use beringia_expression::{Condition, ConditionKind, Placeholders, Projection, Update};
use beringia_item::AttributeValue;
use serde_json::json;

use crate::support::placeholders;

fn names(names: &[(&str, &str)]) -> Result<Placeholders, String> {
    let names = names
        .iter()
        .map(|(key, name)| ((*key).to_owned(), (*name).to_owned()))
        .collect();
    Placeholders::new(Some(names), None).map_err(|error| error.to_string())
}

fn values(keys: &[&str]) -> Result<Placeholders, String> {
    let values = keys
        .iter()
        .map(|key| ((*key).to_owned(), AttributeValue::Null))
        .collect();
    Placeholders::new(None, Some(values)).map_err(|error| error.to_string())
}

#[test]
fn a_map_of_placeholders_is_not_empty() {
    assert_eq!(names(&[]).unwrap_err(), "ExpressionAttributeNames must not be empty");
    assert_eq!(values(&[]).unwrap_err(), "ExpressionAttributeValues must not be empty");
    let both = Placeholders::new(Some(BTreeMap::new()), Some(BTreeMap::new())).unwrap_err();
    assert_eq!(both.to_string(), "ExpressionAttributeNames must not be empty");
    Placeholders::new(None, None).unwrap().check_all_used().unwrap();
}

#[test]
fn placeholder_is_sign_letters_digits_and_underscores() {
    for key in ["a", "#", "#hi-there", "#!hi", "##a", ":a", "#a b", "#ü", ""] {
        let refused = names(&[(key, "x")]).unwrap_err();
        assert_eq!(
            refused,
            format!("ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\"")
        );
    }
    for key in ["a", ":", ":hi!there", "#a", "::"] {
        let refused = values(&[key]).unwrap_err();
        assert_eq!(
            refused,
            format!("ExpressionAttributeValues contains invalid key: Syntax error; key: \"{key}\"")
        );
    }
    names(&[("#_", "x"), ("#123a", "x"), ("#Alpha_Numeric_123", "x")]).unwrap();
    values(&[":_", ":123", ":a"]).unwrap();
}

#[test]
fn a_placeholder_has_at_most_255_bytes() {
    let longest = format!("#{}", "x".repeat(254));
    names(&[(&longest, "x")]).unwrap();
    assert!(names(&[(&(longest + "x"), "x")]).unwrap_err().contains("too long"));
}

#[test]
fn a_name_has_1_to_65535_bytes() {
    names(&[("#a", &"x".repeat(65535))]).unwrap();
    assert!(
        names(&[("#a", &"x".repeat(65536))])
            .unwrap_err()
            .contains("must be less than 65536 bytes")
    );
    assert!(names(&[("#a", "")]).unwrap_err().contains("Empty attribute name"));
}

#[test]
fn every_placeholder_is_used_by_some_expression() {
    let meanings = json!({"#a": "x", "#b": "y", "#c": "z", ":v": 1, ":w": 2, ":x": 3});
    let mut request = placeholders(&meanings);
    let unused = |request: &Placeholders| request.check_all_used().map_err(|error| error.to_string());
    assert_eq!(
        unused(&request),
        Err("Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b, #c}".to_owned())
    );
    Update::parse("SET #a = :v", &mut request).unwrap();
    Projection::parse("#c[1], q.#b", &mut request).unwrap();
    assert_eq!(
        unused(&request),
        Err("Value provided in ExpressionAttributeValues unused in expressions: keys: {:w, :x}".to_owned())
    );
    // A placeholder counts as used even if the evaluation would never reach it.
    Condition::parse("#a = :v OR #b IN (:w, :x)", ConditionKind::Condition, &mut request).unwrap();
    assert_eq!(unused(&request), Ok(()));
}
