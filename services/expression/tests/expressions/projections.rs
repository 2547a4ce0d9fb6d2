//! The results of projections, and rejected projections.

use serde_json::{Value, json};

use crate::support::{self, check_grammar_refuses, item, projection};

fn check(stored: &Value, cases: &[(&str, Value)]) {
    for (text, expected) in cases {
        let parsed = projection(text, &json!({})).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(parsed.apply(&item(stored)), item(expected), "{text}");
    }
}

fn check_refused(cases: &[(&str, Value, &str)]) {
    support::check_refused(projection, "ProjectionExpression", cases);
}

#[test]
fn top_level_attributes_are_returned_where_they_are() {
    check(
        &json!({"p": "k", "a": "hello", "b": "hi"}),
        &[
            ("a", json!({"a": "hello"})),
            (" a  ,   b  ", json!({"a": "hello", "b": "hi"})),
            ("nonexistent", json!({})),
            ("b,nonexistent", json!({"b": "hi"})),
        ],
    );
}

#[test]
fn nested_values_keep_the_documents_around_them() {
    check(
        &json!({"a": {"b": [2, 4, {"x": "hi", "y": "yo"}], "c": 5}, "b": "hello"}),
        &[
            ("a.b", json!({"a": {"b": [2, 4, {"x": "hi", "y": "yo"}]}})),
            ("a.b[0]", json!({"a": {"b": [2]}})),
            ("a.b[2]", json!({"a": {"b": [{"x": "hi", "y": "yo"}]}})),
            ("a.b[2].y", json!({"a": {"b": [{"y": "yo"}]}})),
            ("a.b[0],a.c", json!({"a": {"b": [2], "c": 5}})),
            ("a.c,b", json!({"a": {"c": 5}, "b": "hello"})),
            ("a.x, a.b[0], x, a.b[3].x", json!({"a": {"b": [2]}})),
        ],
    );
}

#[test]
fn missing_parts_are_left_out() {
    let stored = json!({"a": {"b": [2, 4, {"x": "hi"}], "c": 5}});
    for text in [
        "x",
        "a.b[3]",
        "a.x",
        "a.x.y",
        "a.b[3].x",
        "a.b.x",
        "a[0]",
        "a.b[0].x",
        "a.b[0][0]",
        "a.c.d",
    ] {
        check(&stored, &[(text, json!({}))]);
    }
}

#[test]
fn list_elements_move_together_in_index_order() {
    check(
        &json!({"l": [0, 1, 2, {"a": 3, "b": 4, "c": 5}, [6, 7, 8]]}),
        &[
            ("l[2], l[0]", json!({"l": [0, 2]})),
            ("l[3].b, l[1], l[3].a", json!({"l": [1, {"a": 3, "b": 4}]})),
            ("l[4][2], l[4][0], l[9]", json!({"l": [[6, 8]]})),
        ],
    );
}

#[test]
fn empty_documents_are_returned_whole() {
    check(
        &json!({"a": {"m": {}, "l": []}}),
        &[("a.m", json!({"a": {"m": {}}})), ("a.l", json!({"a": {"l": []}}))],
    );
}

#[test]
fn a_placeholder_is_one_part_of_a_path() {
    let stored = item(&json!({"a.b": "hi", "a": {"b": "yo", "c": "jo"}}));
    for (text, meanings, expected) in [
        ("#n", json!({"#n": "a.b"}), json!({"a.b": "hi"})),
        ("#n1.#n2", json!({"#n1": "a", "#n2": "b"}), json!({"a": {"b": "yo"}})),
        ("a.#n2", json!({"#n2": "a.b"}), json!({})),
    ] {
        assert_eq!(
            projection(text, &meanings).unwrap().apply(&stored),
            item(&expected),
            "{text}"
        );
    }
}

#[test]
fn paths_neither_overlap_nor_conflict() {
    for (text, what, one, two) in [
        ("a, a", "overlap", "[a]", "[a]"),
        ("b[1], b.a, #a.b, a", "overlap", "[a, b]", "[a]"),
        ("a, #a[1]", "overlap", "[a]", "[a, [1]]"),
        ("a.b[0],a.b[0]", "overlap", "[a, b, [0]]", "[a, b, [0]]"),
        ("a.b, a.b.d.e", "overlap", "[a, b]", "[a, b, d, e]"),
        ("a.b, #a[1], #b", "conflict", "[a, b]", "[a, [1]]"),
        ("a.b[1], #a[1], #b", "conflict", "[a, b, [1]]", "[a, [1]]"),
        ("a[3].b, #a.#b.b", "conflict", "[a, [3], b]", "[a, [3], b]"),
        ("a.b.c, a.b[1]", "conflict", "[a, b, c]", "[a, b, [1]]"),
    ] {
        let expected = format!(
            "Two document paths {what} with each other; must remove or rewrite one of these paths; \
             path one: {one}, path two: {two}"
        );
        check_refused(&[(text, json!({"#a": "a", "#b": "[3]"}), &expected)]);
    }
    for text in ["a, b", "a.b, a.c", "a.b.d, a.b.e", "a[1], a[2]", "a.b, a.c[2]"] {
        projection(text, &json!({})).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn violations_of_the_grammar_are_syntax_errors() {
    let ungrammatical = [
        "whatever(stuff)",
        ":a",
        "abort,",
        "a,,b",
        ",a",
        "a..b",
        "a[b]",
        "a[-1]",
        "a[]",
        "(a.b).c",
        "(a)",
        "(a),(b)",
        "(a,b)",
        "a-b",
        "a b",
    ];
    check_grammar_refuses(projection, "ProjectionExpression", &ungrammatical);
    check_refused(&[("!!!", json!({}), r#"Syntax error; token: "!", near: "!!""#)]);
}

#[test]
fn names_are_not_reserved_and_placeholders_are_defined() {
    check_refused(&[
        ("", json!({}), "The expression can not be empty;"),
        (
            "a.abORt",
            json!({}),
            "Attribute name is a reserved keyword; reserved keyword: abORt",
        ),
        (
            "#a,ABSoLUTE",
            json!({}),
            "Attribute name is a reserved keyword; reserved keyword: ABSoLUTE",
        ),
        (
            "and",
            json!({}),
            "Attribute name is a reserved keyword; reserved keyword: and",
        ),
        (
            "a,b,a,#a",
            json!({}),
            "An expression attribute name used in the document path is not defined; attribute name: #a",
        ),
    ]);
}

#[test]
fn projection_lists_its_top_level_attributes() {
    let parsed = projection("c[1].x, a.b, #n, a.d", &json!({"#n": "b.c"})).unwrap();
    assert_eq!(parsed.top_level_names().collect::<Vec<_>>(), ["a", "b.c", "c"]);
}
