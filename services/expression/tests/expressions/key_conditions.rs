//! The resolution of key conditions, and rejected ones.

use beringia_expression::{ResolvedKeyCondition, SortCondition};
use beringia_item::{KeyPart, KeySchema, KeyType};
use serde_json::{Value, json};

use crate::support::{self, key_condition, value};

fn part((name, kind): (&str, KeyType)) -> KeyPart {
    KeyPart {
        name: name.to_owned(),
        kind,
    }
}

/// Attributes whose names begin with `p` or `h` form the partition key, the others the sort key.
fn keys(parts: &[(&str, KeyType)]) -> KeySchema {
    let (partition, sort) = parts
        .iter()
        .partition::<Vec<_>, _>(|(name, _)| name.starts_with(['p', 'h']));
    let parts = |parts: Vec<&(&str, KeyType)>| parts.into_iter().map(|found| part(*found)).collect();
    KeySchema {
        partition: parts(partition),
        sort: parts(sort),
    }
}

fn simple() -> KeySchema {
    keys(&[("p", KeyType::S)])
}

fn composite(sort: KeyType) -> KeySchema {
    keys(&[("p", KeyType::S), ("c", sort)])
}

fn multi() -> KeySchema {
    keys(&[
        ("h1", KeyType::S),
        ("h2", KeyType::S),
        ("r1", KeyType::N),
        ("r2", KeyType::S),
    ])
}

fn resolve(text: &str, meanings: &Value, keys: &KeySchema) -> Result<ResolvedKeyCondition, String> {
    key_condition(text, meanings)
        .and_then(|parsed| parsed.resolve(keys))
        .map_err(|error| error.to_string())
}

fn resolved(partition: &[Value], sort_equal: &[Value], sort: SortCondition) -> Result<ResolvedKeyCondition, String> {
    let values = |values: &[Value]| values.iter().map(value).collect();
    Ok(ResolvedKeyCondition {
        partition: values(partition),
        sort_equal: values(sort_equal),
        sort,
    })
}

#[test]
fn partition_alone_selects_every_sort_key() {
    for keys in [simple(), composite(KeyType::N)] {
        let expected = resolved(&[json!("x")], &[], SortCondition::Any);
        assert_eq!(resolve(" p  =   :p ", &json!({":p": "x"}), &keys), expected);
        assert_eq!(resolve(":p = #p", &json!({":p": "x", "#p": "p"}), &keys), expected);
        assert_eq!(resolve("(p = :p)", &json!({":p": "x"}), &keys), expected);
    }
}

#[test]
fn the_sort_key_is_equal_to_something_or_in_a_range() {
    let meanings = json!({":p": "x", ":c": 5});
    let five = || value(&json!(5));
    for (text, sort_equal, sort) in [
        ("p=:p AND c=:c", vec![json!(5)], SortCondition::Any),
        ("c=:c AND p=:p", vec![json!(5)], SortCondition::Any),
        (":p=p AND :c=c", vec![json!(5)], SortCondition::Any),
        ("((c=:c) AND (p=:p))", vec![json!(5)], SortCondition::Any),
        ("p=:p AND c<:c", vec![], SortCondition::Less(five())),
        ("p=:p AND c<=:c", vec![], SortCondition::LessOrEqual(five())),
        ("p=:p AND c>:c", vec![], SortCondition::Greater(five())),
        ("p=:p AND c>=:c", vec![], SortCondition::GreaterOrEqual(five())),
        ("p=:p AND :c<c", vec![], SortCondition::Greater(five())),
        ("p=:p AND :c<=c", vec![], SortCondition::GreaterOrEqual(five())),
        ("p=:p AND :c>c", vec![], SortCondition::Less(five())),
        ("p=:p AND :c>=c", vec![], SortCondition::LessOrEqual(five())),
        (
            "p=:p AnD c BeTwEeN :c aNd :c",
            vec![],
            SortCondition::Between(five(), five()),
        ),
    ] {
        assert_eq!(
            resolve(text, &meanings, &composite(KeyType::N)),
            resolved(&[json!("x")], &sort_equal, sort),
            "{text}"
        );
    }
}

#[test]
fn begins_with_is_for_strings_and_binaries() {
    for (kind, prefix) in [(KeyType::S, json!("00")), (KeyType::B, json!({"$b": "00"}))] {
        assert_eq!(
            resolve(
                "p=:p AND begins_with(c, :c)",
                &json!({":p": "x", ":c": prefix}),
                &composite(kind)
            ),
            resolved(&[json!("x")], &[], SortCondition::BeginsWith(value(&prefix)))
        );
    }
    for text in ["p=:p AND begins_with(c, :c)", "begins_with(c, :c) AND p=:p"] {
        assert_eq!(
            resolve(text, &json!({":p": "x", ":c": 3}), &composite(KeyType::N)),
            Err(
                "Invalid KeyConditionExpression: Incorrect operand type for operator or function; \
                 operator or function: begins_with, operand type: N"
                    .to_owned()
            )
        );
    }
}

#[test]
fn multi_attribute_keys_need_whole_partition_and_sort_prefix() {
    let meanings = |names: &[&str]| {
        let all = json!({":h1": "a", ":h2": "b", ":r1": 1, ":r2": "z"});
        Value::Object(
            names
                .iter()
                .map(|name| ((*name).to_owned(), all[*name].clone()))
                .collect(),
        )
    };
    let partition = [json!("a"), json!("b")];
    for (text, used, sort_equal, sort) in [
        ("h2=:h2 AND h1=:h1", &[":h1", ":h2"][..], vec![], SortCondition::Any),
        (
            "h1=:h1 AND h2=:h2 AND r1=:r1",
            &[":h1", ":h2", ":r1"],
            vec![json!(1)],
            SortCondition::Any,
        ),
        (
            "h1=:h1 AND r1>:r1 AND h2=:h2",
            &[":h1", ":h2", ":r1"],
            vec![],
            SortCondition::Greater(value(&json!(1))),
        ),
        (
            "r2=:r2 AND h1=:h1 AND h2=:h2 AND r1=:r1",
            &[":h1", ":h2", ":r1", ":r2"],
            vec![json!(1), json!("z")],
            SortCondition::Any,
        ),
        (
            "h1=:h1 AND h2=:h2 AND (r1=:r1 AND begins_with(r2, :r2))",
            &[":h1", ":h2", ":r1", ":r2"],
            vec![json!(1)],
            SortCondition::BeginsWith(value(&json!("z"))),
        ),
    ] {
        assert_eq!(
            resolve(text, &meanings(used), &multi()),
            resolved(&partition, &sort_equal, sort),
            "{text}"
        );
    }
    for (text, used, words) in [
        ("h1=:h1", &[":h1"][..], "HASH key attributes need an equality"),
        (
            "h1=:h1 AND h2>:h2",
            &[":h1", ":h2"],
            "HASH key attributes need an equality",
        ),
        (
            "h1=:h1 AND begins_with(h2, :h2)",
            &[":h1", ":h2"],
            "HASH key attributes need an equality",
        ),
        (
            "h1=:h1 AND h2=:h2 AND r2=:r2",
            &[":h1", ":h2", ":r2"],
            "RANGE key attributes before r2 need an equality",
        ),
        (
            "h1=:h1 AND h2=:h2 AND r1>:r1 AND r2=:r2",
            &[":h1", ":h2", ":r1", ":r2"],
            "before r2 need an equality",
        ),
        (
            "h1=:h1 AND h2=:h2 AND r1>:r1 AND r2>:r2",
            &[":h1", ":h2", ":r1", ":r2"],
            "before r2 need an equality",
        ),
        (
            "h1=:h1 AND h2=:h2 AND x=:r1",
            &[":h1", ":h2", ":r1"],
            "x is no HASH or RANGE key attribute",
        ),
    ] {
        let refused = resolve(text, &meanings(used), &multi()).unwrap_err();
        assert!(refused.contains(words), "{text}: {refused}");
    }
}

#[test]
fn conditions_must_fit_the_schema() {
    let number = composite(KeyType::N);
    let meanings = json!({":p": "x", ":c": 3});
    let mismatch = "One or more parameter values were invalid: Condition parameter type does not match schema type";
    for (text, meanings, keys, expected) in [
        (
            "c=:c",
            json!({":c": 3}),
            &number,
            "Query condition missed key schema element: p",
        ),
        (
            "z BETWEEN :c AND :c",
            json!({":c": 3}),
            &number,
            "Query condition missed key schema element: p",
        ),
        ("p<:p", json!({":p": "x"}), &number, "Query key condition not supported"),
        (
            "p=:p AND a<:c",
            meanings.clone(),
            &number,
            "Query condition missed key schema element: c",
        ),
        (
            "p=:p AND a<:c",
            meanings.clone(),
            &simple(),
            "Query key condition not supported",
        ),
        (
            "p=:p AND c<:c AND a<:c",
            meanings.clone(),
            &number,
            "Conditions can be of length 1 or 2 only",
        ),
        (
            "p=:p AND c<:c AND a<:c",
            meanings,
            &simple(),
            "Conditions can be of length 1 or 2 only",
        ),
        ("p=:p", json!({":p": 3}), &number, mismatch),
        ("p=:p AND c=:c", json!({":p": "x", ":c": "hello"}), &number, mismatch),
        (
            "p=:p AND begins_with(c, :c)",
            json!({":p": "x", ":c": "1"}),
            &number,
            mismatch,
        ),
        (
            "p=:p AND c BETWEEN :c AND :d",
            json!({":p": "x", ":c": {"$b": "a"}, ":d": {"$b": "b"}}),
            &number,
            mismatch,
        ),
        (
            "p=:p",
            json!({":p": ""}),
            &number,
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
             string value. Key: p",
        ),
        (
            "p=:p AND c=:c",
            json!({":p": "x", ":c": {"$b": ""}}),
            &composite(KeyType::B),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
             binary value. Key: c",
        ),
    ] {
        assert_eq!(
            resolve(text, &meanings, keys),
            Err(expected.to_owned()),
            "{text} with {meanings}"
        );
    }
}

/// Asserts the message about each key condition, without its prefix.
fn check_refused(cases: &[(&str, Value, &str)]) {
    support::check_refused(key_condition, "KeyConditionExpression", cases);
}

#[test]
fn key_conditions_are_parsed_like_other_conditions() {
    check_refused(&[
        ("", json!({}), "The expression can not be empty;"),
        (
            "p=:p AND c!=:c",
            json!({":p": 1}),
            r#"Syntax error; token: "!", near: "c!=""#,
        ),
        ("p", json!({}), r#"Syntax error; token: "<EOF>", near: "p""#),
        (
            "p=:p",
            json!({}),
            "An expression attribute value used in expression is not defined; attribute value: :p",
        ),
        (
            "p=:p AND dog(c, :p)",
            json!({":p": 1}),
            "Invalid function name; function: dog",
        ),
        (
            "((c=:c) AND ((p=:c)))",
            json!({":c": 1}),
            "The expression has redundant parentheses;",
        ),
        (
            "a between :b and :a",
            json!({":a": "a", ":b": "b"}),
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; \
             lower bound operand: AttributeValue: {S:b}, upper bound operand: AttributeValue: {S:a}",
        ),
    ]);
}

#[test]
fn operators_that_no_index_answers_are_rejected() {
    for (text, operator) in [
        ("a > b and size(b) > c or a > c", "OR"),
        ("a in (b, size(c), d)", "IN"),
        ("attribute_exists(a)", "attribute_exists"),
        ("attribute_not_exists(a)", "attribute_not_exists"),
        ("attribute_type(a, :a)", "attribute_type"),
        ("contains(a.d, b)", "contains"),
        ("not a > b", "NOT"),
        ("a <> b", "<>"),
    ] {
        let meanings = if text.contains(":a") {
            json!({":a": "S"})
        } else {
            json!({})
        };
        check_refused(&[(
            text,
            meanings,
            &format!("Invalid operator used in KeyConditionExpression: {operator}"),
        )]);
    }
}

#[test]
fn each_condition_compares_one_key_attribute_with_values() {
    let meanings = json!({":a": "1", ":b": "1"});
    let first = "operator must have the key attribute as its first operand";
    let nested_operation = "KeyConditionExpressions cannot contain nested operations";
    let several = "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition";
    let nested = "KeyConditionExpressions cannot have conditions on nested attributes";
    let none = "Invalid condition in KeyConditionExpression: No key attribute specified";
    let twice = "KeyConditionExpressions must only contain one condition per key";
    for (text, expected) in [
        (
            ":a between size(b) and size(a) and b > :b",
            &*format!("Invalid condition in KeyConditionExpression: BETWEEN {first}"),
        ),
        (
            "begins_with(:a, b) and a > :b",
            &*format!("Invalid condition in KeyConditionExpression: begins_with {first}"),
        ),
        ("size(b) > a AND a.b > b AND b > c", nested_operation),
        ("a > size(b.d)", nested_operation),
        ("a between size(b) and size(a)", nested_operation),
        ("b > a.b", several),
        ("b between c[1] and d", several),
        ("a between b and size(a)", several),
        ("begins_with(a, b)", several),
        ("p = c", several),
        ("b.d > a AND c.d > e.f", nested),
        ("a.d > c", nested),
        ("b[0] > a", nested),
        (":b > :a AND a < :b", none),
        ("p=:a AND p=:a", twice),
        ("b > :a AND b < :a and c = :a and d = :a", twice),
        ("(a > :a and b > :a) and (b > :a and c > :a)", twice),
    ] {
        check_refused(&[(text, meanings.clone(), expected)]);
    }
}
