//! Rejected updates, by their text alone or on an item, and the messages about them.

use serde_json::{Value, json};

use crate::support::{check_grammar_refuses, check_refused, item, update};

fn check(cases: &[(&str, Value, &str)]) {
    check_refused(update, "UpdateExpression", cases);
}

/// Asserts the message about an update that parses but fails on an item.
fn check_on_item(cases: &[(&str, Value, Value, &str)]) {
    for (text, meanings, stored, expected) in cases {
        let parsed = update(text, meanings).unwrap_or_else(|error| panic!("{text}: {error}"));
        let refused = parsed.apply(&item(stored)).expect_err(text);
        assert_eq!(refused.to_string(), *expected, "{text} with {meanings} on {stored}");
    }
}

const TYPE: &str = "An operand in the update expression has an incorrect data type";
const MISSING: &str = "The provided expression refers to an attribute that does not exist in the item";
const PATH: &str = "The document path provided in the update expression is invalid for update";

#[test]
fn a_syntax_error_shows_the_token_and_its_neighbours() {
    check(&[
        (
            "INVALID SYNTAX HERE",
            json!({}),
            r#"Syntax error; token: "INVALID", near: "INVALID SYNTAX""#,
        ),
        (
            "ADD hits : incr",
            json!({}),
            r#"Syntax error; token: ":", near: "hits : incr""#,
        ),
        (
            "SET _123 = :v",
            json!({}),
            r#"Syntax error; token: "_", near: "SET _123""#,
        ),
        (
            "SET a = :v, updated = :w",
            json!({}),
            "An expression attribute value used in expression is not defined; attribute value: :v",
        ),
        (
            "SET a = b SET, updated = c",
            json!({}),
            r#"Syntax error; token: ",", near: "SET, updated""#,
        ),
        (
            "REMOVE a, #, b",
            json!({}),
            r##"Syntax error; token: "#", near: ", #,""##,
        ),
        ("SET", json!({}), r#"Syntax error; token: "<EOF>", near: "SET""#),
    ]);
    check(&[
        ("", json!({}), "The expression can not be empty;"),
        (" \n", json!({}), "The expression can not be empty;"),
    ]);
}

#[test]
fn violations_of_the_grammar_are_syntax_errors() {
    let ungrammatical = [
        "whatever",
        "set a",
        "add a",
        "delete a",
        "set a=set",
        "remove a = b",
        "add a = b",
        "delete a = b",
        "delete a b",
        "delete a if_not_exist(b)",
        "add abort b",
        "add a if_not_exist(b)",
        "remove a b",
        "set a b",
        "set :a = b",
        "add :a b",
        "delete :a b",
        "remove :a",
        "set a = b / c",
        "set a = b * c",
        "set a[1] = \"eight\"",
        "set a[1] = 1",
        "set a[:xyz] = :v",
        "set a[#xyz] = :v",
        "SET a = if_not_exist(a, 100)",
        "SET if_not_exist(a, b) = a",
        "set (a = (b + c))",
        "set a = (b.c).d + e",
        "set a = (b.c)[0] + e",
        "set a = b + c + d",
        "set a = (b + c) + d",
        "set a = b + (c + d)",
        "set c = if_not_exists(c, :a+:b)",
        "set b = if_not_exists(non@sense, :a)",
        "set a = _f(b,c,d)",
        "set a = b,",
        "set a = b remove",
        "set 123a = :v",
        "set hi-there = :v",
        "set hi$there = :v",
        "set a = :",
        "set # = :v",
        "HELLO b = :v",
    ];
    check_grammar_refuses(update, "UpdateExpression", &ungrammatical);
}

#[test]
fn reserved_words_are_rejected_as_names() {
    for (text, word) in [
        (" set #c = :c set abOrt = true ", "abOrt"),
        (" remove Absolute ", "Absolute"),
        ("set a = dog(status)", "status"),
        ("set a.name = b", "name"),
    ] {
        let expected = format!("Attribute name is a reserved keyword; reserved keyword: {word}");
        check(&[(text, json!({}), &expected)]);
    }
}

#[test]
fn functions_must_exist_and_be_allowed() {
    let unknown = |name: &str| format!("Invalid function name; function: {name}");
    let foreign = |name: &str| format!("The function is not allowed in an update expression; function: {name}");
    let nested = "The function is not allowed to be used this way in an expression; function: list_append";
    check(&[
        (
            "set #c = if_not_exist(:c) set c = d",
            json!({}),
            &unknown("if_not_exist"),
        ),
        ("SET a = f123_hi(b,c,d)", json!({}), &unknown("f123_hi")),
        ("SET a = LIST_APPEND(b, c)", json!({}), &unknown("LIST_APPEND")),
        ("SET a = size(b)", json!({}), &foreign("size")),
        ("SET a = list_append(list_append(b, c), d)", json!({}), nested),
        ("SET a = if_not_exists(b, list_append(c, d))", json!({}), nested),
    ]);
}

#[test]
fn a_clause_occurs_only_once() {
    for (text, clause) in [
        ("set a = #c set c = :d", "SET"),
        ("remove #d set a = b remove e", "REMOVE"),
        ("add #d :e set a = b add e :f", "ADD"),
        ("delete #d :e set a = b delete #e :f", "DELETE"),
    ] {
        let expected = format!("The \"{clause}\" section can only be used once in an update expression;");
        check(&[(text, json!({}), &expected)]);
    }
}

#[test]
fn placeholders_must_be_defined() {
    check(&[
        (
            "SET #c = if_not_exists(:c)",
            json!({"#a": "a"}),
            "An expression attribute name used in the document path is not defined; attribute name: #c",
        ),
        (
            "SET #a = if_not_exists(:c)",
            json!({"#a": "a"}),
            "An expression attribute value used in expression is not defined; attribute value: :c",
        ),
    ]);
}

#[test]
fn written_paths_neither_overlap_nor_conflict() {
    let names = json!({"#c": "c", "#d": "[3]"});
    for (text, what, one, two) in [
        (
            "set d[1] = a, d.b = a, c[1].a = a, #c = if_not_exists(a)",
            "overlap",
            "[c, [1], a]",
            "[c]",
        ),
        ("set #c[3].#d = a, #c[3] = a", "overlap", "[c, [3], [3]]", "[c, [3]]"),
        ("SET a = b REMOVE a", "overlap", "[a]", "[a]"),
        ("SET a.b = x, a.b.c.d.e = y", "overlap", "[a, b]", "[a, b, c, d, e]"),
        ("SET a[1][1] = x, a[1] = y", "overlap", "[a, [1], [1]]", "[a, [1]]"),
        (
            "set #c[3].#d = a, #c.#d[3] = if_not_exists(a)",
            "conflict",
            "[c, [3], [3]]",
            "[c, [3], [3]]",
        ),
        ("remove a.#c set a[1] = #d", "conflict", "[a, c]", "[a, [1]]"),
    ] {
        let expected = format!(
            "Two document paths {what} with each other; must remove or rewrite one of these paths; \
             path one: {one}, path two: {two}"
        );
        check(&[(text, names.clone(), &expected)]);
    }
    for text in [
        "SET a.b = x, a.c = y",
        "SET a[1] = x, a[2] = y",
        "SET a.b.c = x, a.d[1] = y",
        "SET a = ab, ab = a",
    ] {
        update(text, &json!({})).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn operands_have_the_types_that_clauses_take() {
    let types = [
        (json!("a"), "STRING"),
        (json!({"$b": "a"}), "BINARY"),
        (json!(null), "NULL"),
        (json!(true), "BOOLEAN"),
        (json!({"a": [1]}), "MAP"),
        (json!([1]), "LIST"),
    ];
    for (meaning, name) in types {
        for (text, clause) in [
            ("set b = list_append(:a, a), c = if_not_exists(a) add a.b :a", "ADD"),
            ("add a.b :a", "ADD"),
            ("delete a.b :a", "DELETE"),
        ] {
            let expected = format!(
                "Incorrect operand type for operator or function; operator: {clause}, operand type: {name}, \
                 typeSet: ALLOWED_FOR_{clause}_OPERAND"
            );
            check(&[(text, json!({":a": meaning}), &expected)]);
        }
    }
    check(&[(
        "delete a.b :a",
        json!({":a": 1}),
        "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, \
         typeSet: ALLOWED_FOR_DELETE_OPERAND",
    )]);
}

#[test]
fn operands_have_the_number_and_types_that_functions_take() {
    for (text, function, count) in [
        ("set a = if_not_exists(c)", "if_not_exists", 1),
        ("set a = list_append(b, c, d)", "list_append", 3),
    ] {
        let expected = format!(
            "Incorrect number of operands for operator or function; operator or function: {function}, \
             number of operands: {count}"
        );
        check(&[(text, json!({}), &expected)]);
    }
    for text in [
        "set a = if_not_exists(:a, c)",
        "set a = if_not_exists(if_not_exists(a, b), c)",
    ] {
        let expected = "Operator or function requires a document path; operator or function: if_not_exists";
        check(&[(text, json!({":a": 1}), expected)]);
    }
    for (meaning, name) in [
        (json!("a"), "S"),
        (json!(1), "N"),
        (json!({"$b": "a"}), "B"),
        (json!(true), "BOOL"),
        (json!(null), "NULL"),
        (json!([]), "L"),
        (json!({}), "M"),
        (json!({"$ss": ["1"]}), "SS"),
        (json!({"$ns": [1]}), "NS"),
        (json!({"$bs": ["a"]}), "BS"),
    ] {
        for (text, operator, accepted) in [
            ("set a = list_append(:a, a)", "list_append", "L"),
            ("set a = list_append(a, :a)", "list_append", "L"),
            ("set a = a + :a", "+", "N"),
            ("set a = :a + a", "+", "N"),
            ("set a = a - :a", "-", "N"),
        ] {
            let expected = format!(
                "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {name}"
            );
            if name == accepted {
                update(text, &json!({":a": meaning})).unwrap();
            } else {
                check(&[(text, json!({":a": meaning}), &expected)]);
            }
        }
    }
}

#[test]
fn right_hand_side_operands_must_exist() {
    check_on_item(&[
        ("SET c = z", json!({}), json!({"a": 1}), MISSING),
        ("SET c = z", json!({}), json!({}), MISSING),
        ("SET x = :v, y = x", json!({":v": 1}), json!({"a": 1}), MISSING),
        ("SET b = b + :v", json!({":v": 7}), json!({"a": 1}), MISSING),
        (
            "SET b = list_append(b, :v)",
            json!({":v": []}),
            json!({"a": 1}),
            MISSING,
        ),
        ("SET b = if_not_exists(b, a.c)", json!({}), json!({"a": 1}), MISSING),
        ("SET b = a[0]", json!({}), json!({"a": []}), MISSING),
    ]);
}

#[test]
fn operands_from_the_item_have_the_right_types() {
    check_on_item(&[
        ("ADD b :v", json!({":v": 1}), json!({"b": "hi"}), TYPE),
        ("ADD b :v", json!({":v": {"$ns": [1]}}), json!({"b": 1}), TYPE),
        ("ADD b :v", json!({":v": {"$ns": [1]}}), json!({"b": [1]}), TYPE),
        (
            "ADD b :v",
            json!({":v": {"$ns": [1]}}),
            json!({"b": {"$ss": ["1"]}}),
            TYPE,
        ),
        (
            "DELETE b :v",
            json!({":v": {"$ns": [1]}}),
            json!({"b": {"$ss": ["1"]}}),
            TYPE,
        ),
        ("DELETE b :v", json!({":v": {"$ss": ["1"]}}), json!({"b": "1"}), TYPE),
        ("SET b = b + :v", json!({":v": 1}), json!({"b": "1"}), TYPE),
        ("SET b = b - a", json!({}), json!({"a": 1, "b": null}), TYPE),
        (
            "SET b = list_append(b, :v)",
            json!({":v": []}),
            json!({"b": {"$ss": ["1"]}}),
            TYPE,
        ),
        ("SET b = list_append(a, b)", json!({}), json!({"a": [], "b": {}}), TYPE),
    ]);
}

#[test]
fn nested_paths_need_existing_maps_and_lists() {
    let stored = json!({"a": "hello", "b": ["hi"], "m": {}});
    for path in ["a.c", "b.c", "c.c", "a[0]", "c[0]", "m[0]", "m.x.y", "b[1].x", "b[0].x"] {
        for text in [format!("SET {path} = :v"), format!("ADD {path} :v")] {
            check_on_item(&[(&text, json!({":v": 7}), stored.clone(), PATH)]);
            check_on_item(&[(&text, json!({":v": 7}), json!({}), PATH)]);
        }
        let meanings = json!({":v": {"$ss": ["x"]}});
        check_on_item(&[(&format!("DELETE {path} :v"), meanings, stored.clone(), PATH)]);
        check_on_item(&[(&format!("REMOVE {path}"), json!({}), stored.clone(), PATH)]);
    }
    // An element that the same update appends does not exist yet.
    check_on_item(&[("SET b[1] = :m, b[2].x = :m", json!({":m": {}}), stored, PATH)]);
}

#[test]
fn sums_stay_within_the_range_and_precision_of_numbers() {
    let overflow = "Number overflow. Attempting to store a number with magnitude larger than supported range";
    let large = json!({":x": {"$n": "9e125"}, ":y": {"$n": "9e125"}, ":z": {"$n": "-9e125"}});
    let only = |names: &[&str]| {
        Value::Object(
            names
                .iter()
                .map(|name| ((*name).to_owned(), large[*name].clone()))
                .collect(),
        )
    };
    check_on_item(&[
        ("SET b = :x + :y", only(&[":x", ":y"]), json!({}), overflow),
        ("SET b = :x - :z", only(&[":x", ":z"]), json!({}), overflow),
        ("ADD b :x", only(&[":x"]), json!({"b": {"$n": "9e125"}}), overflow),
        (
            "SET b = :x + :y",
            json!({":x": {"$n": "1e50"}, ":y": 1}),
            json!({}),
            overflow,
        ),
        (
            "SET b = :x - :y",
            json!({":x": {"$n": "1e50"}, ":y": 1}),
            json!({}),
            overflow,
        ),
    ]);
}

#[test]
fn document_depth_stays_within_the_limit() {
    // `levels` nested maps.
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({ "m": inner }));
    let text = "SET a.b.c = :v";
    let stored = json!({"a": {"b": {}}});
    let parsed = update(text, &json!({":v": deep(29)})).unwrap();
    assert_eq!(
        beringia_item::item_depth(&parsed.apply(&item(&stored)).unwrap()),
        beringia_item::MAX_DEPTH
    );
    check_on_item(&[(
        text,
        json!({":v": deep(30)}),
        stored,
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
    )]);
}
