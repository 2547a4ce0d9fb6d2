//! Rejected PartiQL statements, and the messages about them.

use beringia_expression::Statement;
use serde_json::{Value, json};

use crate::support::value;

/// The message about a rejected statement.
fn refused(text: &str, parameters: &Value) -> String {
    let parameters = parameters.as_array().unwrap().iter().map(value).collect();
    match Statement::parse(text, parameters) {
        Err(error) => error.to_string(),
        Ok(statement) => panic!("{text}: {statement:?}"),
    }
}

/// Asserts the messages about statements that do not follow the grammar.
fn check_not_well_formed(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(
            refused(text, &json!([])),
            format!("Statement wasn't well formed, can't be processed: {expected}"),
            "{text}"
        );
    }
}

/// Asserts the messages about well-formed statements that are invalid.
fn check_refused(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(refused(text, &json!([])), *expected, "{text}");
    }
}

#[test]
fn malformed_select_is_rejected() {
    check_not_well_formed(&[
        ("", "Expected data manipulation"),
        ("MERGE INTO t", "Expected data manipulation"),
        ("SELECT", "Unexpected path component at 1:7:0"),
        ("SELECT * FROM", "Unexpected end of statement"),
        ("SELECT * t", "Unexpected term: t at 1:10:1"),
        ("SELECT *, a FROM t", "Unexpected term: , at 1:9:1"),
        ("SELECT COUNT(*) FROM t", "Unexpected path component at 1:8:5"),
        ("SELECT 'a' FROM t", "Unexpected path component at 1:8:3"),
        ("SELECT a FROM 't'", "Unexpected term: 't' at 1:15:3"),
        ("SELECT a FROM t AS x", "Unexpected token after expression"),
        ("SELECT a FROM t x", "Unexpected token after expression"),
        ("SELECT a FROM t; SELECT a FROM t", "Unexpected token after expression"),
        ("SELECT a.size FROM t", "Invalid path dot component"),
        ("SELECT a. FROM t", "Invalid path dot component"),
        ("SELECT a[b] FROM t", "Unexpected term: b at 1:10:1"),
        ("SELECT a[-1] FROM t", "Unexpected term: - at 1:10:1"),
        ("SELECT value FROM t", "Unexpected keyword: value at 1:8:5"),
        ("SELECT * FROM t WHERE", "Unexpected end of statement"),
        ("SELECT * FROM t WHERE a", "Unexpected end of statement"),
        ("SELECT * FROM t\nWHERE a = = 1", "Unexpected term: = at 2:11:1"),
        ("SELECT * FROM t WHERE (a = 1", "Expected RIGHT_PAREN"),
        ("SELECT * FROM t WHERE a = 1)", "Unexpected token after expression"),
        ("SELECT * FROM t WHERE size(a = 1", "Expected RIGHT_PAREN"),
        ("SELECT * FROM t WHERE a = 1 = 2", "Unexpected token after expression"),
        ("SELECT * FROM t WHERE a LIKE 'x'", "Unexpected term: LIKE at 1:25:4"),
        ("SELECT * FROM t WHERE a = 'x", "Unexpected term: ' at 1:27:1"),
        ("SELECT * FROM t WHERE a = `x`", "Unexpected term: ` at 1:27:1"),
        ("SELECT * FROM t WHERE a IS STRING", "Unexpected term: STRING at 1:28:6"),
        (
            "SELECT * FROM t WHERE a = MISSING",
            "Unexpected keyword: MISSING at 1:27:7",
        ),
        ("SELECT * FROM t WHERE a IN []", "Unexpected term: ] at 1:29:1"),
        ("SELECT * FROM t WHERE a IN ?", "Unexpected term: ? at 1:28:1"),
        ("SELECT * FROM t WHERE a = 1 + 1", "Unexpected token after expression"),
        ("SELECT * FROM t ORDER BY", "Unexpected end of statement"),
        ("SELECT * FROM t ORDER BY a UP", "Unexpected token after expression"),
    ]);
}

#[test]
fn malformed_write_is_rejected() {
    check_not_well_formed(&[
        ("EXISTS SELECT * FROM t", "Unexpected term: SELECT at 1:8:6"),
        ("EXISTS(SELECT * FROM t", "Expected RIGHT_PAREN"),
        ("EXISTS(DELETE FROM t)", "Unexpected term: DELETE at 1:8:6"),
        ("INSERT t VALUE {}", "Unexpected term: t at 1:8:1"),
        ("INSERT INTO t VALUES {}", "Unexpected term: VALUES at 1:15:6"),
        ("INSERT INTO t VALUE 'x'", "Expected a map to insert at 1:21:3"),
        ("INSERT INTO t VALUE {'a'}", "Unexpected term: } at 1:25:1"),
        ("INSERT INTO t VALUE {a: 1}", "Unexpected term: a at 1:22:1"),
        ("INSERT INTO t VALUE {\"a\": 1}", "Unexpected term: \"a\" at 1:22:3"),
        ("INSERT INTO t VALUE {'a': b}", "Unexpected term: b at 1:27:1"),
        ("INSERT INTO t VALUE {'a': [1}", "Unexpected term: } at 1:29:1"),
        ("INSERT INTO t VALUE {'a': <<1}", "Unexpected term: } at 1:30:1"),
        ("INSERT INTO t VALUE {'a': -'1'}", "Unexpected term: '1' at 1:28:3"),
        ("UPDATE t WHERE p = 1", "Unexpected term: WHERE at 1:10:5"),
        ("UPDATE t SET a WHERE p = 1", "Unexpected term: WHERE at 1:16:5"),
        (
            "UPDATE t SET a = 1 + 1 + 1 WHERE p = 1",
            "Unexpected token after expression",
        ),
        (
            "UPDATE t SET a = set_add(a) WHERE p = 1",
            "Unexpected term: ) at 1:27:1",
        ),
        (
            "UPDATE t SET a = set_add(a, b) WHERE p = 1",
            "Unexpected term: ) at 1:30:1",
        ),
        ("UPDATE t.i SET a = 1 WHERE p = 1", "Unexpected term: . at 1:9:1"),
        (
            "UPDATE t SET a = 1 WHERE p = 1 RETURNING ALL *",
            "Unexpected term: * at 1:46:1",
        ),
        (
            "UPDATE t SET a = 1 WHERE p = 1 RETURNING ALL NEW a",
            "Unexpected term: a at 1:50:1",
        ),
        ("DELETE t WHERE p = 1", "Unexpected term: t at 1:8:1"),
    ]);
}

#[test]
fn well_formed_statement_can_still_be_invalid() {
    check_refused(&[
        ("SELECT * FROM t LIMIT 5", "Unsupported clause: LIMIT at 1:17:5"),
        (
            "SELECT * FROM t WHERE a = 1 GROUP BY a",
            "Unsupported clause: GROUP at 1:29:5",
        ),
        (
            "INSERT INTO t VALUE {} RETURNING ALL OLD *",
            "RETURNING is not supported in INSERT",
        ),
        (
            "SELECT a FROM t.i.x",
            "A path may contain at most 2 components in the FROM clause",
        ),
        ("SELECT a FROM t.\"\"", "Path component cannot be an empty string"),
        (
            "DELETE FROM t WHERE p = 1 RETURNING ALL NEW *",
            "Invalid returning clause: RETURNING ALL NEW *. Only RETURNING ALL OLD * is allowed in DELETE statements.",
        ),
        (
            "SELECT * FROM t WHERE exists(a)",
            "Invalid function name; function: exists",
        ),
        (
            "SELECT * FROM t WHERE attribute_exists(a)",
            "Invalid function name; function: attribute_exists",
        ),
        (
            "UPDATE t SET a = if_not_exists(a, 1) WHERE p = 1",
            "Invalid function name; function: if_not_exists",
        ),
        (
            "SELECT * FROM t WHERE begins_with(a, 1)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "SELECT * FROM t WHERE size(a) > 1 AND contains(a)",
            "Incorrect number of operands for operator or function; operator or function: contains, number of operands: 1",
        ),
        (
            "SELECT * FROM t WHERE attribute_type(a, 'STRING')",
            "Invalid attribute type name found; type: STRING, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "SELECT * FROM t WHERE a BETWEEN 2 AND 1",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: \
             AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
        ),
        (
            "SELECT * FROM t WHERE 'a' IS MISSING",
            "Operator or function requires a document path; operator or function: IS MISSING",
        ),
        (
            "UPDATE t SET a = 1 SET a.b = 2 WHERE p = 1",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: \
             [a, b]",
        ),
        (
            "UPDATE t SET a = a + 'x' WHERE p = 1",
            "Incorrect operand type for operator or function; operator or function: +, operand type: S",
        ),
        (
            "UPDATE t SET a = set_add(a, 1) WHERE p = 1",
            "Incorrect operand type for operator or function; operator: ADD, operand type: NUMBER, \
         typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
        (
            "UPDATE t SET a = set_delete(b, <<1>>) WHERE p = 1",
            "The first argument to SET_DELETE must equal the assignment value",
        ),
    ]);
}

#[test]
fn literals_that_no_attribute_can_have_are_rejected() {
    check_refused(&[
        ("INSERT INTO t VALUE {'a': <<>>}", "Empty bags are not supported"),
        (
            "INSERT INTO t VALUE {'a': <<1, 'x'>>}",
            "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags",
        ),
        (
            "INSERT INTO t VALUE {'a': <<NULL>>}",
            "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags",
        ),
        (
            "INSERT INTO t VALUE {'a': <<1, 1.0>>}",
            "One or more parameter values were invalid: Input collection contains duplicates.",
        ),
        (
            "INSERT INTO t VALUE {'a': 1, 'a': 2}",
            "One or more parameter values were invalid: A map names a member twice",
        ),
        (
            "INSERT INTO t VALUE {'a': {'': 1}}",
            "One or more parameter values were invalid: Empty attribute name",
        ),
        (
            "INSERT INTO t VALUE {'a': 123456789012345678901234567890123456789}",
            "Attempting to store more than 38 significant digits in a Number",
        ),
        (
            "INSERT INTO t VALUE {'a': 1e200}",
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
    ]);
}

#[test]
fn statement_has_one_question_mark_per_parameter() {
    for (text, parameters) in [
        ("SELECT * FROM t WHERE a = ?", json!([])),
        ("SELECT * FROM t WHERE a = ?", json!([1, 2])),
        ("SELECT * FROM t", json!([1])),
        ("SELECT * FROM t WHERE a = '?'", json!([1])),
        ("INSERT INTO t VALUE {'a': ?, 'b': [?]}", json!([1])),
    ] {
        assert_eq!(
            refused(text, &parameters),
            "Number of parameters in request and statement don't match.",
            "{text} with {parameters}"
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let lists = format!("INSERT INTO t VALUE {{'a': {}", "[".repeat(4000));
    assert_eq!(
        refused(&lists, &json!([])),
        "Statement wasn't well formed, can't be processed: Nesting Levels have exceeded supported limits"
    );
    let parentheses = format!("SELECT * FROM t WHERE {}a = 1", "(".repeat(4000));
    assert!(refused(&parentheses, &json!([])).ends_with("Expected RIGHT_PAREN"));
    let negations = format!("SELECT * FROM t WHERE {}a = 1", "NOT ".repeat(301));
    assert!(
        refused(&negations, &json!([])).contains("The expression contains too many operators; operator count: 301")
    );
    let calls = format!("SELECT * FROM t WHERE {}a", "size(".repeat(100));
    assert!(refused(&calls, &json!([])).contains("The expression is nested too deeply"));
    let candidates = format!("SELECT * FROM t WHERE a IN [{}1]", "1,".repeat(100));
    assert_eq!(
        refused(&candidates, &json!([])),
        "The IN operator is provided with too many operands; number of operands: 101"
    );
}
