//! The legacy parameters have the documented meaning, the same as expressions.

use std::collections::BTreeMap;

use beringia_expression::{
    AttributeChange, AttributeTest, ComparisonOperator, Condition, ExpressionError, KeyCondition, Projection, Update,
};
use beringia_item::{KeyPart, KeySchema, KeyType};
use serde_json::{Value, json};

use crate::support::{condition, item, key_condition, projection, update, value};

const INVALID: &str = "One or more parameter values were invalid: ";

fn test(name: &str, values: &[Value]) -> AttributeTest {
    AttributeTest {
        comparison: ComparisonOperator::from_name(name).unwrap(),
        values: values.iter().map(value).collect(),
    }
}

/// The condition that attribute `a` passes the test.
fn on_a(name: &str, values: &[Value]) -> Result<Condition, ExpressionError> {
    let tests = BTreeMap::from([("a".to_owned(), test(name, values))]);
    Condition::of_attributes(tests, false).map(Option::unwrap)
}

#[test]
fn every_comparison_round_trips_through_its_name() {
    assert_eq!(ComparisonOperator::NAMES.len(), 13);
    for name in ComparisonOperator::NAMES {
        assert_eq!(
            ComparisonOperator::from_name(name).map(ComparisonOperator::as_str),
            Some(*name)
        );
    }
    assert_eq!(ComparisonOperator::from_name("eq"), None);
}

/// Values of every type, and an absent one.
fn attributes() -> Vec<Value> {
    vec![
        json!({}),
        json!({"a": 1}),
        json!({"a": 2}),
        json!({"a": 3}),
        json!({"a": "1"}),
        json!({"a": "2"}),
        json!({"a": "23"}),
        json!({"a": {"$b": "2"}}),
        json!({"a": {"$b": "\u{7f}23"}}),
        json!({"a": true}),
        json!({"a": null}),
        json!({"a": [1, 2, "2"]}),
        json!({"a": [3]}),
        json!({"a": {"x": 2}}),
        json!({"a": {"$ss": ["2", "x"]}}),
        json!({"a": {"$ns": [2, 4]}}),
        json!({"a": {"$bs": ["2"]}}),
    ]
}

#[test]
fn a_test_means_what_the_expression_means() {
    let cases: &[(&str, &[Value], &str)] = &[
        ("EQ", &[json!(2)], "a = :0"),
        ("EQ", &[json!({"$ss": ["x", "2"]})], "a = :0"),
        ("EQ", &[json!({"x": 2})], "a = :0"),
        ("NE", &[json!(2)], "a <> :0"),
        ("NE", &[json!([3])], "a <> :0"),
        ("LT", &[json!(2)], "a < :0"),
        ("LE", &[json!("2")], "a <= :0"),
        ("GT", &[json!({"$b": "2"})], "a > :0"),
        ("GE", &[json!(2)], "a >= :0"),
        ("BETWEEN", &[json!(2), json!(3)], "a BETWEEN :0 AND :1"),
        ("BETWEEN", &[json!("2"), json!("2")], "a BETWEEN :0 AND :1"),
        ("IN", &[json!("1"), json!("23")], "a IN (:0, :1)"),
        ("IN", &[json!(3)], "a IN (:0)"),
        ("BEGINS_WITH", &[json!("2")], "begins_with(a, :0)"),
        ("CONTAINS", &[json!("2")], "contains(a, :0)"),
        ("CONTAINS", &[json!(2)], "contains(a, :0)"),
        ("CONTAINS", &[json!({"$b": "2"})], "contains(a, :0)"),
        (
            "NOT_CONTAINS",
            &[json!("2")],
            "attribute_exists(a) AND NOT contains(a, :0)",
        ),
        ("NULL", &[], "attribute_not_exists(a)"),
        ("NOT_NULL", &[], "attribute_exists(a)"),
    ];
    for (name, values, text) in cases {
        let meanings: serde_json::Map<_, _> = values
            .iter()
            .enumerate()
            .map(|(place, value)| (format!(":{place}"), value.clone()))
            .collect();
        let (old, new) = (
            on_a(name, values).unwrap(),
            condition(text, &Value::Object(meanings)).unwrap(),
        );
        for attribute in attributes() {
            let subject = item(&attribute);
            assert_eq!(
                old.matches(&subject),
                new.matches(&subject),
                "{name} {values:?} on {attribute}"
            );
        }
    }
}

#[test]
fn several_tests_must_all_hold_or_one_of_them() {
    let tests = || {
        BTreeMap::from([
            ("a".to_owned(), test("EQ", &[json!(1)])),
            ("b".to_owned(), test("NULL", &[])),
        ])
    };
    let (all, any) = [false, true]
        .map(|any| Condition::of_attributes(tests(), any).unwrap().unwrap())
        .into();
    for (subject, of_all, of_any) in [
        (json!({"a": 1}), true, true),
        (json!({"a": 2}), false, true),
        (json!({"a": 1, "b": 1}), false, true),
        (json!({"a": 2, "b": 1}), false, false),
    ] {
        let subject = item(&subject);
        assert_eq!((all.matches(&subject), any.matches(&subject)), (of_all, of_any));
    }
    assert_eq!(all.top_level_names().collect::<Vec<_>>(), ["a", "b"]);
    assert!(Condition::of_attributes(BTreeMap::new(), true).unwrap().is_none());
}

#[test]
fn test_with_wrong_values_is_rejected() {
    let arguments = |name: &str| format!("{INVALID}Invalid number of argument(s) for the {name} ComparisonOperator");
    let kind = |name: &str, kind: &str| {
        format!("{INVALID}ComparisonOperator {name} is not valid for {kind} AttributeValue type")
    };
    let (one, text) = (json!(1), json!("x"));
    let mut cases: Vec<(&str, Vec<Value>, String)> = Vec::new();
    for name in [
        "EQ",
        "NE",
        "LT",
        "LE",
        "GT",
        "GE",
        "CONTAINS",
        "NOT_CONTAINS",
        "BEGINS_WITH",
    ] {
        cases.push((name, vec![], arguments(name)));
        cases.push((name, vec![text.clone(), text.clone()], arguments(name)));
    }
    for name in ["NULL", "NOT_NULL"] {
        cases.push((name, vec![one.clone()], arguments(name)));
    }
    cases.push(("IN", vec![], arguments("IN")));
    for values in [vec![], vec![one.clone()], vec![one.clone(); 3]] {
        cases.push(("BETWEEN", values, arguments("BETWEEN")));
    }
    for (value, type_name) in [
        (json!([1]), "L"),
        (json!({"x": 1}), "M"),
        (json!(true), "BOOL"),
        (json!(null), "NULL"),
        (json!({"$ns": [1]}), "NS"),
    ] {
        for name in ["LT", "LE", "GT", "GE", "IN", "CONTAINS", "NOT_CONTAINS", "BEGINS_WITH"] {
            cases.push((name, vec![value.clone()], kind(name, type_name)));
        }
        cases.push(("BETWEEN", vec![value.clone(), value], kind("BETWEEN", type_name)));
    }
    cases.push(("BEGINS_WITH", vec![one.clone()], kind("BEGINS_WITH", "N")));
    for name in ["IN", "BETWEEN"] {
        let message = format!("{INVALID}AttributeValues inside AttributeValueList must be of same type");
        cases.push((name, vec![one.clone(), text.clone()], message));
    }
    let reversed = "The BETWEEN condition was provided a range where the lower bound is bigger than the upper bound";
    cases.push(("BETWEEN", vec![json!(2), one], reversed.to_owned()));
    for (name, values, message) in cases {
        assert_eq!(
            on_a(name, &values).unwrap_err().to_string(),
            message,
            "{name} {values:?}"
        );
    }
}

/// `p` (S) and `c` (N).
fn keys() -> KeySchema {
    let part = |name: &str, kind| KeyPart {
        name: name.to_owned(),
        kind,
    };
    KeySchema {
        partition: vec![part("p", KeyType::S)],
        sort: vec![part("c", KeyType::N)],
    }
}

fn on_keys(tests: &[(&str, AttributeTest)]) -> Result<KeyCondition, ExpressionError> {
    let tests = tests.iter().map(|(name, test)| ((*name).to_owned(), test.clone()));
    KeyCondition::of_attributes(tests.collect())
}

#[test]
fn key_conditions_mean_what_the_expression_means() {
    let partition = ("p", test("EQ", &[json!("x")]));
    let cases: &[(&str, &[Value], &str)] = &[
        ("EQ", &[json!(1)], "c = :0"),
        ("LT", &[json!(1)], "c < :0"),
        ("LE", &[json!(1)], "c <= :0"),
        ("GT", &[json!(1)], "c > :0"),
        ("GE", &[json!(1)], "c >= :0"),
        ("BETWEEN", &[json!(1), json!(2)], "c BETWEEN :0 AND :1"),
    ];
    for (name, values, text) in cases {
        let mut meanings: serde_json::Map<_, _> = values
            .iter()
            .enumerate()
            .map(|(place, value)| (format!(":{place}"), value.clone()))
            .collect();
        meanings.insert(":p".to_owned(), json!("x"));
        let new = key_condition(&format!("p = :p AND {text}"), &Value::Object(meanings)).unwrap();
        let old = on_keys(&[partition.clone(), ("c", test(name, values))]).unwrap();
        assert_eq!(old.resolve(&keys()), new.resolve(&keys()), "{text}");
    }
    let alone = on_keys(&[partition]).unwrap().resolve(&keys());
    assert_eq!(
        alone,
        key_condition("p = :p", &json!({":p": "x"})).unwrap().resolve(&keys())
    );
}

#[test]
fn key_conditions_without_an_index_are_rejected() {
    for (name, values) in [
        ("NE", vec![json!(1)]),
        ("IN", vec![json!(1)]),
        ("CONTAINS", vec![json!(1)]),
        ("NOT_CONTAINS", vec![json!(1)]),
        ("NULL", vec![]),
        ("NOT_NULL", vec![]),
    ] {
        assert_eq!(
            on_keys(&[("c", test(name, &values))]).unwrap_err().to_string(),
            "Attempted conditional constraint is not an indexable operation",
            "{name}"
        );
    }
    let resolved = |tests: &[(&str, AttributeTest)]| on_keys(tests).unwrap().resolve(&keys()).unwrap_err().to_string();
    assert_eq!(
        resolved(&[("c", test("EQ", &[json!(1)]))]),
        "Query condition missed key schema element: p"
    );
    assert_eq!(
        resolved(&[("p", test("GT", &[json!("x")]))]),
        "Query key condition not supported"
    );
    assert_eq!(
        resolved(&[("p", test("EQ", &[json!(1)]))]),
        format!("{INVALID}Condition parameter type does not match schema type")
    );
}

#[test]
fn a_projection_takes_names_as_they_are() {
    let subject = item(&json!({"a": 1, "b.c": 2, "d": {"e": 3}}));
    let names = ["b.c", "d", "nothing"].map(str::to_owned).to_vec();
    let cut = Projection::of_attributes(names).unwrap().apply(&subject);
    assert_eq!(cut, item(&json!({"b.c": 2, "d": {"e": 3}})));
    let same = projection("#b, d, nothing", &json!({"#b": "b.c"})).unwrap();
    assert_eq!(same.apply(&subject), cut);
    let twice = ["a", "b", "a"].map(str::to_owned).to_vec();
    assert_eq!(
        Projection::of_attributes(twice).unwrap_err().to_string(),
        format!("{INVALID}Duplicate value in attribute name: a")
    );
}

fn change_of_a(change: AttributeChange) -> Result<Update, ExpressionError> {
    Update::of_attributes([("a".to_owned(), change)].into()).map(Option::unwrap)
}

type Kind = fn(beringia_item::AttributeValue) -> AttributeChange;

#[test]
fn attribute_changes_mean_what_the_expression_means() {
    let cases: &[(Kind, Value, &str)] = &[
        (AttributeChange::Put, json!({"x": []}), "SET a = :0"),
        (AttributeChange::Add, json!(5), "ADD a :0"),
        (AttributeChange::Add, json!({"$ns": [1, 7]}), "ADD a :0"),
        (AttributeChange::Delete, json!({"$ss": ["2", "9"]}), "DELETE a :0"),
        (AttributeChange::Delete, json!({"$bs": ["2"]}), "DELETE a :0"),
    ];
    for (kind, operand, text) in cases {
        let old = change_of_a(kind(value(operand))).unwrap();
        let new = update(text, &json!({":0": operand})).unwrap();
        for attribute in attributes() {
            let subject = item(&attribute);
            let (was, is) = (old.apply(&subject), new.apply(&subject));
            assert_eq!(was.is_ok(), is.is_ok(), "{text} on {attribute}");
            match was {
                Ok(after) => assert_eq!(Ok(after), is, "{text} on {attribute}"),
                Err(error) => assert_eq!(
                    error.to_string(),
                    "Type mismatch for attribute to update",
                    "{text} on {attribute}"
                ),
            }
            assert_eq!(old.touched(&subject), new.touched(&subject));
        }
    }
    let remove = change_of_a(AttributeChange::Remove).unwrap();
    assert_eq!(
        remove.apply(&item(&json!({"a": 1, "b": 2}))),
        Ok(item(&json!({"b": 2})))
    );
    assert_eq!(Update::of_attributes(BTreeMap::new()).unwrap().map(|_| ()), None);
}

#[test]
fn a_list_is_added_to_the_end_of_a_list() {
    let add = change_of_a(AttributeChange::Add(value(&json!([3, "x"])))).unwrap();
    assert_eq!(
        add.apply(&item(&json!({"a": [1]}))),
        Ok(item(&json!({"a": [1, 3, "x"]})))
    );
    assert_eq!(add.apply(&item(&json!({}))), Ok(item(&json!({"a": [3, "x"]}))));
    assert!(add.apply(&item(&json!({"a": {"$ss": ["x"]}}))).is_err());
}

#[test]
fn values_that_cannot_be_added_or_deleted_are_rejected() {
    let message = |action: &str, kind: &str| format!("{INVALID}{action} is not supported for the type {kind}");
    for (operand, kind) in [
        (json!("x"), "S"),
        (json!({"x": 1}), "M"),
        (json!(true), "BOOL"),
        (json!({"$b": "x"}), "B"),
    ] {
        assert_eq!(
            change_of_a(AttributeChange::Add(value(&operand)))
                .unwrap_err()
                .to_string(),
            message("ADD action", kind)
        );
        assert_eq!(
            change_of_a(AttributeChange::Delete(value(&operand)))
                .unwrap_err()
                .to_string(),
            message("DELETE action with value", kind)
        );
    }
    for (operand, kind) in [(json!(1), "N"), (json!([1]), "L")] {
        assert_eq!(
            change_of_a(AttributeChange::Delete(value(&operand)))
                .unwrap_err()
                .to_string(),
            message("DELETE action with value", kind)
        );
    }
}

#[test]
fn update_that_only_removes_creates_no_item() {
    for (text, creates) in [
        ("REMOVE a", false),
        ("DELETE a :s", false),
        ("REMOVE b DELETE a :s", false),
        ("REMOVE b SET a = :s", true),
        ("ADD a :s", true),
    ] {
        let used = text.contains(":s");
        let meanings = if used { json!({":s": {"$ss": ["x"]}}) } else { json!({}) };
        assert_eq!(update(text, &meanings).unwrap().creates(), creates, "{text}");
    }
    assert!(!change_of_a(AttributeChange::Remove).unwrap().creates());
    assert!(change_of_a(AttributeChange::Put(value(&json!(1)))).unwrap().creates());
}

#[test]
fn invalid_attribute_names_are_rejected() {
    let long = "n".repeat(65_536);
    for (name, message) in [
        ("", "Empty attribute name"),
        (
            long.as_str(),
            "Attribute name is too large, must be less than 65536 bytes",
        ),
    ] {
        let expected = ExpressionError(format!("{INVALID}{message}"));
        let tests = BTreeMap::from([(name.to_owned(), test("NULL", &[]))]);
        assert_eq!(
            Condition::of_attributes(tests.clone(), false).err(),
            Some(expected.clone())
        );
        assert_eq!(KeyCondition::of_attributes(tests).err(), Some(expected.clone()));
        assert_eq!(
            Projection::of_attributes(vec![name.to_owned()]).err(),
            Some(expected.clone())
        );
        let changes = BTreeMap::from([(name.to_owned(), AttributeChange::Remove)]);
        assert_eq!(Update::of_attributes(changes).err(), Some(expected));
    }
    assert!(Projection::of_attributes(vec!["n".repeat(65_535)]).is_ok());
}
