//! Rejected conditions, and the messages about them.

use beringia_expression::{Condition, ConditionKind};
use serde_json::{Value, json};

use crate::support::{check_grammar_refuses, check_refused, condition, placeholders};

/// Asserts the message about each condition, without its prefix.
fn check(cases: &[(&str, Value, &str)]) {
    check_refused(condition, "ConditionExpression", cases);
}

#[test]
fn the_message_names_the_parameter() {
    for (kind, name) in [
        (ConditionKind::Condition, "ConditionExpression"),
        (ConditionKind::Filter, "FilterExpression"),
    ] {
        let refused = Condition::parse("", kind, &mut placeholders(&json!({}))).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("Invalid {name}: The expression can not be empty;")
        );
    }
}

#[test]
fn a_syntax_error_shows_the_token_and_its_neighbours() {
    check(&[
        ("a-b", json!({}), r#"Syntax error; token: "-", near: "a-b""#),
        ("a != :v", json!({}), r#"Syntax error; token: "!", near: "a !=""#),
        ("a", json!({}), r#"Syntax error; token: "<EOF>", near: "a""#),
        ("a =", json!({}), r#"Syntax error; token: "<EOF>", near: "=""#),
        ("a IN ()", json!({}), r#"Syntax error; token: ")", near: "()""#),
        ("= a", json!({}), r#"Syntax error; token: "=", near: "= a""#),
        (
            "a = :v :w",
            json!({":v": 1}),
            r#"Syntax error; token: ":w", near: ":v :w""#,
        ),
        ("!!!", json!({}), r#"Syntax error; token: "!", near: "!!""#),
    ]);
}

#[test]
fn violations_of_the_grammar_are_syntax_errors() {
    let ungrammatical = [
        "things are not gonna be ok",
        "a > 4",
        "attribute_exists(Pictures-RearView)",
        "attribute_exists(\"Pictures.RearView\")",
        "attribute_exists(Pictures..RearView)",
        "attribute_exists(Pi#ctures.RearView)",
        "attribute_exists(asdf[a])",
        "a in b, c",
        "a > between",
        "a in b",
        "a in (b,c,)",
        "(a)between(b.(c.d))and(c)",
        "(a)between(b.c.d)and((c)",
        "#$.b > a",
        "a > :things.stuff",
        "b[:a] > a",
        "b[#_] > a",
        "b[-1] > a",
        "b[] > a",
        "ü > a",
        "(a)between(b.c[4.5].#d)and(:a)",
        "size(a).b > a",
        "(size(a)).b > a",
        "size(a)[0] > a",
        "(size(a))[0] > a",
        "a",
        ":v",
        "NOT a",
        "a AND :v",
        "a OR NOT :v",
        "a = :v OR NOT :v",
        "(a)",
        "a = b)",
        "(a = b",
        "a = b = c",
        "a < b < c",
        "(a = b) = c",
        "f()",
        "AND",
        "a = b AND",
        "NOT",
        "a BETWEEN b",
        "a BETWEEN b OR c",
        "_a = b",
        "a = b;",
    ];
    check_grammar_refuses(condition, "ConditionExpression", &ungrammatical);
}

#[test]
fn parentheses_around_nothing_but_parentheses_are_redundant() {
    for text in [
        "((a = b))",
        "a=a and a > ((views))",
        "(a)between(((b.c)).d)and(c)",
        "a > whatever((:things), ((a)))",
        "a=a AND ((a=a AND a=a)) AND a=a",
        "a=a OR ((a=a OR a=a)) OR a=a",
        "a=a AND ((a=a AND (a=a AND a=a)))",
        "((attribute_exists(a)))",
    ] {
        check(&[(text, json!({}), "The expression has redundant parentheses;")]);
    }
    for text in [
        "(a = b)",
        "((a = b) AND c = d)",
        "(a = b AND (c = d))",
        "(a) = (b)",
        "(size((a)) > (b))",
        "NOT ((a) = (b))",
    ] {
        condition(text, &json!({})).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn functions_must_exist_under_exactly_this_name() {
    check(&[
        (
            "a=a and whatever((:things)) > a",
            json!({}),
            "Invalid function name; function: whatever",
        ),
        (
            "attRIbute_exIsts((views), #a)",
            json!({}),
            "Invalid function name; function: attRIbute_exIsts",
        ),
        ("dog(a) = :v", json!({":v": 1}), "Invalid function name; function: dog"),
        (
            "BEGINS_WITH(a, :v)",
            json!({":v": "x"}),
            "Invalid function name; function: BEGINS_WITH",
        ),
        ("size(dog(a)) > b", json!({}), "Invalid function name; function: dog"),
    ]);
}

#[test]
fn functions_are_allowed_only_where_their_result_is() {
    for (text, function) in [
        ("a=a and attribute_exists((views), (#a)) > b", "attribute_exists"),
        ("attribute_not_exists(things) > b", "attribute_not_exists"),
        ("attribute_type(things, :a) > b", "attribute_type"),
        ("begins_with(things, a) > b", "begins_with"),
        ("contains(:things, c) > b", "contains"),
        ("size(contains(a, b)) > a", "contains"),
        ("size(things)", "size"),
        ("NOT size(things)", "size"),
        ("a between b and attribute_exists(things)", "attribute_exists"),
        ("a in (b, attribute_exists(things))", "attribute_exists"),
    ] {
        let expected =
            format!("The function is not allowed to be used this way in an expression; function: {function}");
        check(&[(text, json!({}), &expected)]);
    }
    for (text, function) in [
        ("if_not_exists(a, b) = c", "if_not_exists"),
        ("list_append(a, b) = c", "list_append"),
    ] {
        let expected = format!("The function is not allowed in a condition expression; function: {function}");
        check(&[(text, json!({}), &expected)]);
    }
}

#[test]
fn reserved_words_are_rejected_as_names() {
    for (text, word) in [
        ("attribute_exists(views, #a)", "views"),
        (":a < abOrT", "abOrT"),
        ("a.status = b.name", "status"),
        ("size = a", "size"),
    ] {
        let expected = format!("Attribute name is a reserved keyword; reserved keyword: {word}");
        check(&[(text, json!({}), &expected)]);
    }
}

#[test]
fn placeholders_must_be_defined() {
    let name = "An expression attribute name used in the document path is not defined; attribute name: ";
    let value = "An expression attribute value used in expression is not defined; attribute value: ";
    for (text, message, placeholder) in [
        ("attribute_exists(#Pictures.RearView, :a) and a=a", name, "#Pictures"),
        ("begins_with(Pictures.#RearView)", name, "#RearView"),
        ("(#P between :lo and :hi) and (#PC in (:cat1, :cat2))", name, "#P"),
        ("#4g > a", name, "#4g"),
        ("#_ > a", name, "#_"),
        ("(a)between(b.c[45].#d)and(:a)", name, "#d"),
        ("begins_with(:hello, #a, #b)", value, ":hello"),
        (":a < :b", value, ":a"),
        (":_ > a", value, ":_"),
    ] {
        check(&[(text, json!({}), &format!("{message}{placeholder}"))]);
    }
}

#[test]
fn functions_take_a_fixed_number_of_operands() {
    for (text, function, count) in [
        ("attribute_exists(things, a) and a=a", "attribute_exists", 2),
        ("attribute_not_exists(things, b)", "attribute_not_exists", 2),
        ("attribute_type(things)", "attribute_type", 1),
        ("begins_with(things)", "begins_with", 1),
        ("begins_with(things, size(a), b)", "begins_with", 3),
        ("contains(things)", "contains", 1),
        ("size(things, a) > b", "size", 2),
    ] {
        let expected = format!(
            "Incorrect number of operands for operator or function; operator or function: {function}, \
             number of operands: {count}"
        );
        check(&[(text, json!({}), &expected)]);
    }
}

#[test]
fn operands_have_the_types_that_functions_take() {
    let s = json!("1");
    let n = json!(1);
    let b = json!({"$b": "a"});
    let others = [
        (json!(true), "BOOL"),
        (json!(null), "NULL"),
        (json!([]), "L"),
        (json!({}), "M"),
        (json!({"$ss": ["1"]}), "SS"),
        (json!({"$ns": [1]}), "NS"),
        (json!({"$bs": ["a"]}), "BS"),
    ];
    let mut cases = vec![
        (
            "attribute_type(a, size(a)) and a=a and a=:a",
            "attribute_type",
            n.clone(),
            "N",
        ),
        ("attribute_type(a, :a)", "attribute_type", n.clone(), "N"),
        ("attribute_type(a, :a)", "attribute_type", b, "B"),
        ("begins_with(a, size(a)) and a=:a", "begins_with", s, "N"),
        ("begins_with(a, :a)", "begins_with", n.clone(), "N"),
        ("begins_with(:a, a)", "begins_with", n.clone(), "N"),
        ("size(size(a)) > :a", "size", n.clone(), "N"),
        ("attribute_not_exists(size(:a))", "size", n.clone(), "N"),
        ("size(:a) > a", "size", n, "N"),
        ("size(:a) > a", "size", json!(true), "BOOL"),
        ("size(:a) > a", "size", json!(null), "NULL"),
    ];
    for (meaning, name) in others {
        cases.push(("attribute_type(a, :a)", "attribute_type", meaning.clone(), name));
        cases.push(("begins_with(a, :a)", "begins_with", meaning.clone(), name));
        cases.push(("begins_with(:a, a)", "begins_with", meaning.clone(), name));
        for (text, operator) in [("a < :a", "<"), (":a >= a", ">="), ("a <= :a", "<="), ("a > :a", ">")] {
            cases.push((text, operator, meaning.clone(), name));
        }
        cases.push(("a BETWEEN :a AND b", "BETWEEN", meaning.clone(), name));
        cases.push((":a BETWEEN b AND c", "BETWEEN", meaning, name));
    }
    for (text, operator, meaning, name) in cases {
        let expected = format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {name}"
        );
        check(&[(text, json!({":a": meaning}), &expected)]);
    }
}

#[test]
fn attribute_type_needs_a_type_name_as_a_value() {
    check(&[
        (
            "attribute_type(a, :a)",
            json!({":a": "DOG"}),
            "Invalid attribute type name found; type: DOG, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "attribute_type(a, b)",
            json!({}),
            "Incorrect operand type for operator or function; operator or function: attribute_type, \
             operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}",
        ),
    ]);
}

#[test]
fn existence_applies_only_to_paths() {
    for (text, function) in [
        ("attribute_exists(:a) and a=a", "attribute_exists"),
        ("attribute_not_exists(size(:a))", "attribute_not_exists"),
    ] {
        let expected = format!("Operator or function requires a document path; operator or function: {function}");
        check(&[(text, json!({":a": "1"}), &expected)]);
    }
}

#[test]
fn a_path_is_not_compared_with_itself() {
    for (text, operator, path) in [
        ("a = a AND #a = b AND :views > a", "=", "[a]"),
        ("#a <> a", "<>", "[a]"),
        ("a > #a", ">", "[a]"),
        ("((a=a) OR (a=#a))", "=", "[a]"),
        ("contains(ab.bc[1].a, ab.bc[1].#a)", "contains", "[ab, bc, [1], a]"),
        (
            "attribute_type(ab.bc[1].#a, ab.bc[1].a)",
            "attribute_type",
            "[ab, bc, [1], a]",
        ),
        (
            "begins_with(ab.bc[1].a, ab.bc[1].#a)",
            "begins_with",
            "[ab, bc, [1], a]",
        ),
    ] {
        let expected = format!(
            "The first operand must be distinct from the remaining operands for this operator or function; \
             operator: {operator}, first operand: {path}"
        );
        check(&[(text, json!({"#a": "a"}), &expected)]);
    }
    condition(":v > :v", &json!({":v": 1})).unwrap();
}

#[test]
fn the_bounds_of_between_have_one_type_and_are_in_order() {
    check(&[
        (
            "a BETWEEN :b AND :a",
            json!({":a": "a", ":b": 1}),
            "The BETWEEN operator requires same data type for lower and upper bounds; \
             lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:a}",
        ),
        (
            "a BETWEEN :b AND :a",
            json!({":a": "a", ":b": "b"}),
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; \
             lower bound operand: AttributeValue: {S:b}, upper bound operand: AttributeValue: {S:a}",
        ),
    ]);
}

#[test]
fn one_of_several_mistakes_is_reported_consistently() {
    // Reported in this order: grammar, then redundant parentheses, unknown functions, misplaced
    // functions and reserved words, then problems comparison by comparison.
    check(&[
        (
            "((a = b)) AND dog(a) AND",
            json!({}),
            r#"Syntax error; token: "<EOF>", near: "AND""#,
        ),
        (
            "status = b AND size(c) AND dog(a) AND ((a = b))",
            json!({}),
            "The expression has redundant parentheses;",
        ),
        (
            "status = b AND size(c) AND dog(a)",
            json!({}),
            "Invalid function name; function: dog",
        ),
        (
            "status = b AND size(c)",
            json!({}),
            "The function is not allowed to be used this way in an expression; function: size",
        ),
        (
            "a = :v AND status = b",
            json!({}),
            "Attribute name is a reserved keyword; reserved keyword: status",
        ),
        (
            "begins_with(a) AND b = :v",
            json!({}),
            "Incorrect number of operands for operator or function; operator or function: begins_with, \
             number of operands: 1",
        ),
        (
            "b = :v AND begins_with(a)",
            json!({}),
            "An expression attribute value used in expression is not defined; attribute value: :v",
        ),
    ]);
}
