//! The truth of conditions on items.

use beringia_expression::{Condition, ConditionKind};
use serde_json::{Value, json};

use crate::support::{condition, item, placeholders};

/// Asserts of each condition whether the item meets it.
fn check(stored: &Value, cases: &[(&str, Value, bool)]) {
    for (text, meanings, expected) in cases {
        let parsed = condition(text, meanings).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            parsed.matches(&item(stored)),
            *expected,
            "{text} with {meanings} on {stored}"
        );
    }
}

/// One value of each type.
fn one_of_each() -> Vec<Value> {
    vec![
        json!(1),
        json!("hello"),
        json!(true),
        json!({"$b": "xyz"}),
        json!(null),
        json!(["hello", 42]),
        json!({"hello": "world"}),
        json!({"$ss": ["hello", "world"]}),
        json!({"$ns": [1, 2, 3]}),
        json!({"$bs": ["xyz", "hi"]}),
    ]
}

#[test]
fn values_equal_themselves_and_no_other_type() {
    for (i, left) in one_of_each().iter().enumerate() {
        for (j, right) in one_of_each().iter().enumerate() {
            let stored = json!({"a": left, "b": right});
            check(
                &stored,
                &[
                    ("a = b", json!({}), i == j),
                    ("a <> b", json!({}), i != j),
                    ("a = :v", json!({":v": right}), i == j),
                    ("a IN (b)", json!({}), i == j),
                ],
            );
        }
    }
}

#[test]
fn equality_looks_into_documents_and_ignores_the_order_of_sets() {
    let stored = json!({"a": {"l": ["e", {"$ss": ["g", "h"]}], "n": 10}});
    check(
        &stored,
        &[
            (
                "a = :v",
                json!({":v": {"n": 10.0, "l": ["e", {"$ss": ["h", "g"]}]}}),
                true,
            ),
            (
                "a = :v",
                json!({":v": {"n": 10, "l": ["e", {"$ss": ["h", "x"]}]}}),
                false,
            ),
            (
                "a <> :v",
                json!({":v": {"n": 10, "l": [{"$ss": ["h", "g"]}, "e"]}}),
                true,
            ),
        ],
    );
}

#[test]
fn missing_attribute_is_unequal_and_unordered() {
    check(
        &json!({"a": 1}),
        &[
            ("q = z", json!({}), false),
            ("q <> z", json!({}), true),
            ("q <> :v", json!({":v": 1}), true),
            ("a <> q", json!({}), true),
            ("q < z", json!({}), false),
            ("q <= :v", json!({":v": 1}), false),
            (":v > q", json!({":v": 1}), false),
            ("q >= a", json!({}), false),
            ("q BETWEEN z AND x", json!({}), false),
            ("q IN (z, :v)", json!({":v": 1}), false),
            ("a IN (q, :v)", json!({":v": 1}), true),
            ("NOT q = :v", json!({":v": 1}), true),
            ("NOT q < :v", json!({":v": 1}), true),
        ],
    );
}

#[test]
fn an_item_that_does_not_exist_is_an_empty_one() {
    check(
        &json!({}),
        &[
            ("attribute_not_exists(p)", json!({}), true),
            ("attribute_exists(p)", json!({}), false),
            ("p <> :p", json!({":p": "x"}), true),
            ("p = :p", json!({":p": "x"}), false),
        ],
    );
}

#[test]
fn numbers_strings_and_binaries_have_an_order() {
    let stored = json!({"n": 9, "s": "cat", "b": {"$b": "cat"}});
    for (name, less, same, more) in [
        ("n", json!(-10), json!(9.00), json!(10)),
        ("s", json!("Zebra"), json!("cat"), json!("cats")),
        ("b", json!({"$b": "ca"}), json!({"$b": "cat"}), json!({"$b": "ü"})),
    ] {
        for (operator, below, equal, above) in [
            ("<", false, false, true),
            ("<=", false, true, true),
            (">", true, false, false),
            (">=", true, true, false),
        ] {
            let text = format!("{name} {operator} :v");
            let reversed = format!(
                ":v {} {name}",
                operator.replace('<', "§").replace('>', "<").replace('§', ">")
            );
            for (bound, expected) in [(&less, below), (&same, equal), (&more, above)] {
                let meanings = json!({":v": bound});
                check(
                    &stored,
                    &[(&text, meanings.clone(), expected), (&reversed, meanings, expected)],
                );
            }
        }
    }
}

#[test]
fn different_types_and_types_without_order_compare_as_false() {
    check(
        &json!({"n": 1, "s": "1", "l": [1], "t": true}),
        &[
            ("n < :v", json!({":v": "17"}), false),
            ("n >= s", json!({}), false),
            ("l >= :v", json!({":v": 1}), false),
            ("t <= n", json!({}), false),
            ("s BETWEEN n AND :v", json!({":v": "2"}), false),
            ("n BETWEEN l AND :v", json!({":v": 2}), false),
            ("size(n) = n", json!({}), false),
        ],
    );
}

#[test]
fn between_includes_both_bounds() {
    let stored = json!({"a": 1, "lo": 0, "hi": 2, "two": 2});
    check(
        &stored,
        &[
            ("a BETWEEN :l AND :h", json!({":l": 1, ":h": 1}), true),
            ("a between lo and hi", json!({}), true),
            ("a BETWEEN :l AND :h", json!({":l": 2, ":h": 7}), false),
            ("a BETWEEN two AND :h", json!({":h": 1}), false),
            ("a BETWEEN :l AND two", json!({":l": 3}), false),
            ("lo BETWEEN :l AND a AND a = :h", json!({":l": 0, ":h": 1}), true),
        ],
    );
}

#[test]
fn in_takes_values_of_any_types() {
    check(
        &json!({"a": 174, "b": 3}),
        &[
            ("a IN (:x, :y)", json!({":x": "dog", ":y": 174}), true),
            ("a in (b, :x)", json!({":x": "174"}), false),
            ("NOT a IN (b)", json!({}), true),
        ],
    );
}

#[test]
fn attribute_type_knows_the_ten_types() {
    let names = ["N", "S", "BOOL", "B", "NULL", "L", "M", "SS", "NS", "BS"];
    for (stored, name) in one_of_each().iter().zip(names) {
        for asked in names {
            let stored = json!({"a": stored});
            check(
                &stored,
                &[("attribute_type(a, :t)", json!({":t": asked}), asked == name)],
            );
        }
    }
    check(
        &json!({}),
        &[
            ("attribute_type(a, :t)", json!({":t": "S"}), false),
            ("attribute_type(:v, :t)", json!({":v": 0, ":t": "N"}), true),
        ],
    );
}

/// `begins_with` compares strings with strings and binaries with binaries.
#[test]
fn begins_with_compares_within_one_type() {
    check(
        &json!({"a": "hello", "b": {"$b": "hi there"}, "n": 2}),
        &[
            ("begins_with(a, :v)", json!({":v": "hell"}), true),
            ("begins_with(a, :v)", json!({":v": ""}), true),
            ("begins_with(a, :v)", json!({":v": "hello!"}), false),
            ("begins_with(b, :v)", json!({":v": {"$b": "hi"}}), true),
            ("begins_with(b, :v)", json!({":v": "hi"}), false),
            ("begins_with(n, :v)", json!({":v": "2"}), false),
            ("begins_with(q, :v)", json!({":v": "2"}), false),
            ("begins_with(:v, a)", json!({":v": "hellohi"}), true),
            ("begins_with(a, n)", json!({}), false),
        ],
    );
}

#[test]
fn contains_finds_parts_of_strings_and_elements_of_collections() {
    check(
        &json!({
            "s": "hello", "b": {"$b": "hi there"}, "ns": {"$ns": [2, 4, 7]}, "ss": {"$ss": ["x"]}, "bs": {"$bs": ["y"]},
            "l": ["hi", {"$ns": [1, 2]}, [3, 4], null], "m": {"k": "v"}, "t": true, "part": "ell"
        }),
        &[
            ("contains(s, :v)", json!({":v": "ell"}), true),
            ("contains(s, part)", json!({}), true),
            ("contains(s, :v)", json!({":v": "dog"}), false),
            ("contains(s, :v)", json!({":v": {"$b": "ell"}}), false),
            ("contains(b, :v)", json!({":v": {"$b": "here"}}), true),
            ("contains(b, :v)", json!({":v": {"$b": "dog"}}), false),
            ("contains(ns, :v)", json!({":v": 4.0}), true),
            ("contains(ns, :v)", json!({":v": {"$ns": [4]}}), false),
            ("contains(ss, :v)", json!({":v": "x"}), true),
            ("contains(bs, :v)", json!({":v": {"$b": "y"}}), true),
            ("contains(bs, :v)", json!({":v": "y"}), false),
            ("contains(l, :v)", json!({":v": "hi"}), true),
            ("contains(l, :v)", json!({":v": "h"}), false),
            ("contains(l, :v)", json!({":v": {"$ns": [2, 1]}}), true),
            ("contains(l, :v)", json!({":v": [3, 4]}), true),
            ("contains(l, :v)", json!({":v": null}), true),
            ("contains(m, :v)", json!({":v": "k"}), false),
            ("contains(m, :v)", json!({":v": "v"}), false),
            ("contains(t, :v)", json!({":v": true}), false),
            ("contains(q, :v)", json!({":v": true}), false),
        ],
    );
}

#[test]
fn size_counts_code_units_bytes_or_elements() {
    check(
        &json!({
            "s": "héllo😀", "b": {"$b": "hé"}, "ss": {"$ss": ["a", "b"]}, "ns": {"$ns": [1]}, "bs": {"$bs": ["a", "b", "c"]},
            "l": [1, [2, 3]], "m": {"x": {"y": 1}}, "n": 5, "t": true, "z": null, "seven": 7
        }),
        &[
            ("size(s) = seven", json!({}), true),
            ("size(b) = :v", json!({":v": 3}), true),
            ("size(ss) = :v", json!({":v": 2}), true),
            ("size(ns) = :v", json!({":v": 1}), true),
            ("size(bs) = :v", json!({":v": 3}), true),
            ("size(l) = :v", json!({":v": 2}), true),
            ("size(m) = :v", json!({":v": 1}), true),
            ("size(n) = :v", json!({":v": 1}), false),
            ("size(n) < :v OR size(n) >= :v", json!({":v": 1}), false),
            ("size(t) >= :v", json!({":v": 0}), false),
            ("size(z) >= :v", json!({":v": 0}), false),
            ("size(q) >= :v", json!({":v": 0}), false),
            ("size(l) <> :v", json!({":v": 3}), true),
            ("size(l) = :v", json!({":v": "2"}), false),
            ("size(l) BETWEEN :v AND n", json!({":v": 2}), true),
            ("size(l) IN (n, :v)", json!({":v": 2}), true),
            (":v > size(l)", json!({":v": 3}), true),
            ("size(:v) = n", json!({":v": "abcde"}), true),
            ("size(l) = size(ss)", json!({}), true),
        ],
    );
}

#[test]
fn paths_reach_into_documents() {
    check(
        &json!({"b": {"x": 1, "y": [-1, {"or": 2}, 0]}, "a.b": 7, "and": {"or": 3}}),
        &[
            ("attribute_exists(b.x)", json!({}), true),
            ("b.x < b.y[1].#or", json!({"#or": "or"}), true),
            ("b.x < b.y[0]", json!({}), false),
            ("attribute_exists(b.y[3])", json!({}), false),
            ("attribute_exists(b.y.x)", json!({}), false),
            ("attribute_exists(b[0])", json!({}), false),
            ("attribute_exists(b.x.z)", json!({}), false),
            ("b.z < b.y[100]", json!({}), false),
            ("#dotted = :v", json!({"#dotted": "a.b", ":v": 7}), true),
            ("#and.#or = :v", json!({"#and": "and", "#or": "or", ":v": 3}), true),
            ("(b.y)[0] < (b.x)", json!({}), true),
            ("(b).y[ 2 ] = :v", json!({":v": 0}), true),
        ],
    );
}

#[test]
fn not_binds_tighter_than_and_tighter_than_or() {
    check(
        &json!({"a": 1, "b": 2, "c": 3}),
        &[
            ("a < b OR c < b AND b < a", json!({}), true),
            ("(a < b OR c < b) AND b < a", json!({}), false),
            ("b < a AND c < b OR a < b", json!({}), true),
            ("NOT a < b AND c < b", json!({}), false),
            ("NOT (a < b AND c < b)", json!({}), true),
            ("NOT a < b OR a < b", json!({}), true),
            ("NOT NOT NOT NOT a < b", json!({}), true),
            ("not not NOT a < b", json!({}), false),
            ("b BETWEEN a AND c AND a < b", json!({}), true),
            ("b BETWEEN a AND c AND b < a", json!({}), false),
            ("(a < b OR b < a) aNd (b < c AND (a < b oR c < b))", json!({}), true),
            ("(((a=a1) AND b=b1) OR a=:one) or NoT a<:one", json!({":one": 1}), true),
            ("NOT attribute_exists(q)", json!({}), true),
            ("(attribute_exists(a))", json!({}), true),
            ("((a < b) AND (b < c))", json!({}), true),
            ("((a < b) AND b < c)", json!({}), true),
        ],
    );
}

#[test]
fn white_space_does_not_matter() {
    check(
        &json!({"a": 1}),
        &[
            ("  a\n=\t:v\r ", json!({":v": 1}), true),
            ("attribute_exists  (  a  )", json!({}), true),
            ("a=:v", json!({":v": 1}), true),
        ],
    );
}

#[test]
fn condition_lists_its_top_level_attributes() {
    let meanings = json!({"#n": "and", ":v": 1});
    let text = "size(a.b) > :v AND (#n[1] = b OR NOT c.d IN (e, a)) AND attribute_exists(f) AND begins_with(g, h)";
    let parsed = Condition::parse(text, ConditionKind::Filter, &mut placeholders(&meanings)).unwrap();
    let names: Vec<&str> = parsed.top_level_names().collect();
    assert_eq!(names, ["a", "and", "b", "c", "e", "f", "g", "h"]);
}
