//! The access path of a SELECT: which partitions it reads, in which order, or a full scan.

use beringia_expression::{Access, ResolvedKeyCondition, SortCondition};
use beringia_item::{KeyPart, KeySchema, KeyType};
use serde_json::{Value, json};

use crate::{
    statements::{keys, select},
    support::value,
};

fn access(tail: &str) -> Result<Access, String> {
    let select = select(&format!("SELECT * FROM t {tail}"), &json!([]));
    select.access(&keys()).map_err(|error| error.to_string())
}

fn part(partition: &str, sort_equal: &[Value], sort: SortCondition) -> ResolvedKeyCondition {
    ResolvedKeyCondition {
        partition: vec![value(&json!(partition))],
        sort_equal: sort_equal.iter().map(value).collect(),
        sort,
    }
}

fn query(conditions: Vec<ResolvedKeyCondition>, is_descending: bool) -> Result<Access, String> {
    Ok(Access::Query {
        conditions,
        is_descending,
    })
}

/// An equality of the partition key makes a query, and conditions on the sort key narrow it.
#[test]
fn partition_equality_queries_and_sort_key_narrows() {
    use SortCondition::{Any, BeginsWith, Between, Greater, GreaterOrEqual, Less, LessOrEqual};
    let n = |n: i64| value(&json!(n));
    for (clause, sort_equal, sort) in [
        ("p = 'x'", vec![], Any),
        ("'x' = p AND a = 1", vec![], Any),
        ("p = 'x' AND (s = 1 OR a = 2)", vec![], Any),
        ("p = 'x' AND s = 1", vec![json!(1)], Any),
        ("p = 'x' AND s < 1", vec![], Less(n(1))),
        ("p = 'x' AND 1 < s", vec![], Greater(n(1))),
        ("p = 'x' AND (s <= 1 AND a = 1)", vec![], LessOrEqual(n(1))),
        ("p = 'x' AND s >= 1 AND s < 5", vec![], GreaterOrEqual(n(1))),
        ("p = 'x' AND s BETWEEN 1 AND 5", vec![], Between(n(1), n(5))),
        ("p = 'x' AND NOT s = 1", vec![], Any),
        ("p = 'x' AND s = a", vec![], Any),
        ("p = 'x' AND size(s) = 1", vec![], Any),
        ("p = 'x' AND s IN [1, 2]", vec![], Any),
    ] {
        assert_eq!(
            access(&format!("WHERE {clause}")),
            query(vec![part("x", &sort_equal, sort)], false),
            "{clause}"
        );
    }
    let texts = KeySchema {
        sort: vec![KeyPart {
            name: "s".to_owned(),
            kind: KeyType::S,
        }],
        ..keys()
    };
    let select = select("SELECT * FROM t WHERE begins_with(s, 'a') AND p = 'x'", &json!([]));
    assert_eq!(
        select.access(&texts).map_err(|error| error.to_string()),
        query(vec![part("x", &[], BeginsWith(value(&json!("a"))))], false)
    );
}

#[test]
fn in_and_or_read_each_named_partition_once() {
    use SortCondition::{Any, Greater};
    let whole = |partition| part(partition, &[], Any);
    for (clause, expected) in [
        ("p IN ['y', 'x', 'y']", vec![whole("x"), whole("y")]),
        ("p IN ('x')", vec![whole("x")]),
        ("p = 'y' OR p = 'x'", vec![whole("x"), whole("y")]),
        (
            "(p = 'x' OR p IN ['y', 'z']) AND a = 1",
            vec![whole("x"), whole("y"), whole("z")],
        ),
        (
            "p IN ['x', 'y'] AND s = 1",
            vec![part("x", &[json!(1)], Any), part("y", &[json!(1)], Any)],
        ),
        (
            "p = 'x' AND s = 1 OR p = 'y' AND s > 2",
            vec![part("x", &[json!(1)], Any), part("y", &[], Greater(value(&json!(2))))],
        ),
        ("p = 'x' AND s = 1 OR p = 'x' AND s = 2", vec![whole("x")]),
        (
            "p = 'x' AND s = 1 OR p = 'x' AND s = 1",
            vec![part("x", &[json!(1)], Any)],
        ),
    ] {
        assert_eq!(access(&format!("WHERE {clause}")), query(expected, false), "{clause}");
    }
}

#[test]
fn everything_else_is_a_scan() {
    for tail in [
        "",
        "WHERE a = 1",
        "WHERE s = 1",
        "WHERE p > 'x'",
        "WHERE p <> 'x'",
        "WHERE NOT p = 'x'",
        "WHERE begins_with(p, 'x')",
        "WHERE p = 'x' OR a = 1",
        "WHERE p IN ['x', a]",
        "WHERE p.q = 'x'",
        "WHERE p = a",
    ] {
        assert_eq!(access(tail), Ok(Access::Scan), "{tail}");
    }
}

#[test]
fn order_by_follows_the_key() {
    let whole = |partition| part(partition, &[], SortCondition::Any);
    for (tail, partitions, is_descending) in [
        ("p = 'x' ORDER BY s", vec!["x"], false),
        ("p = 'x' ORDER BY s DESC", vec!["x"], true),
        ("p = 'x' ORDER BY \"p\" DESC, s asc", vec!["x"], false),
        ("p IN ['x', 'y'] ORDER BY p", vec!["x", "y"], false),
        ("p IN ['x', 'y'] ORDER BY p DESC, s", vec!["y", "x"], false),
        ("p IN ['x', 'y'] ORDER BY p ASC, s DESC", vec!["x", "y"], true),
    ] {
        let expected = query(partitions.into_iter().map(whole).collect(), is_descending);
        assert_eq!(access(&format!("WHERE {tail}")), expected, "{tail}");
    }
}

#[test]
fn orders_and_types_that_no_key_provides_are_rejected() {
    for (tail, expected) in [
        (
            "ORDER BY s",
            "Must have WHERE clause in the statement when using ORDER BY clause.",
        ),
        (
            "WHERE a = 1 ORDER BY s",
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        ),
        (
            "WHERE p = 'x' ORDER BY a",
            "Variable reference a in ORDER BY clause must be part of the primary key",
        ),
        (
            "WHERE p IN ['x', 'y'] ORDER BY s",
            "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.",
        ),
        (
            "WHERE p = 'x' ORDER BY s, s DESC",
            "ORDER BY clause must have one direction for all attributes of the same key",
        ),
        (
            "WHERE p = 1",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "WHERE p = 'x' AND s > 'y'",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "WHERE p = ''",
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string \
             value. Key: p",
        ),
    ] {
        assert_eq!(access(tail), Err(expected.to_owned()), "{tail}");
    }
    let many: Vec<String> = (0..51).map(|number| format!("'{number}'")).collect();
    assert_eq!(
        access(&format!("WHERE p IN [{}]", many.join(", "))),
        Err("The number of values for the hash key exceeds the limit of 50; number of values: 51".to_owned())
    );
    assert!(access(&format!("WHERE p IN [{}]", many[..50].join(", "))).is_ok());
    let several = vec![format!("p IN [{}]", many[..50].join(", ")); 4].join(" OR ");
    assert!(access(&format!("WHERE ({several}) AND a = 1")).is_err());
}

#[test]
fn keys_of_several_attributes_need_an_equality_for_each() {
    let part = |name: &str| KeyPart {
        name: name.to_owned(),
        kind: KeyType::N,
    };
    let keys = KeySchema {
        partition: vec![part("a"), part("b")],
        sort: vec![part("c"), part("d")],
    };
    let of = |clause: &str| {
        let select = select(&format!("SELECT * FROM t.i WHERE {clause}"), &json!([]));
        select.access(&keys).map_err(|error| error.to_string())
    };
    let resolved = |partition: [i64; 2], sort_equal: &[i64], sort| ResolvedKeyCondition {
        partition: partition.iter().map(|n| value(&json!(n))).collect(),
        sort_equal: sort_equal.iter().map(|n| value(&json!(n))).collect(),
        sort,
    };
    let five = || value(&json!(5));
    assert_eq!(of("a = 1"), Ok(Access::Scan));
    assert_eq!(
        of("a = 1 AND b IN [3, 2] AND d = 4 AND c = 3"),
        query(
            vec![
                resolved([1, 2], &[3, 4], SortCondition::Any),
                resolved([1, 3], &[3, 4], SortCondition::Any)
            ],
            false
        )
    );
    assert_eq!(
        of("a = 1 AND b = 2 AND c = 3 AND d > 5"),
        query(vec![resolved([1, 2], &[3], SortCondition::Greater(five()))], false)
    );
    // A range of a later attribute cannot be used without an equality for the one before.
    assert_eq!(
        of("a = 1 AND b = 2 AND d > 5"),
        query(vec![resolved([1, 2], &[], SortCondition::Any)], false)
    );
}
