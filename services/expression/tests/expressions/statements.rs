//! The meaning of PartiQL statements.

use beringia_expression::{Returning, Select, Statement};
use beringia_item::{AttributeValue, Item, KeyPart, KeySchema, KeyType, Number, Touch};
use serde_json::{Value, json};

use crate::support::{item, value};

pub(crate) fn statement(text: &str, parameters: &Value) -> Statement {
    parse(text, parameters).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn parse(text: &str, parameters: &Value) -> Result<Statement, beringia_expression::ExpressionError> {
    let parameters = parameters.as_array().unwrap().iter().map(value).collect();
    Statement::parse(text, parameters)
}

pub(crate) fn select(text: &str, parameters: &Value) -> Select {
    match statement(text, parameters) {
        Statement::Select(select) => select,
        other => panic!("{text}: {other:?}"),
    }
}

fn inserted(text: &str, parameters: &Value) -> Item {
    match statement(text, parameters) {
        Statement::Insert(insert) => insert.item,
        other => panic!("{text}: {other:?}"),
    }
}

/// A partition key `p`, a string, and a sort key `s`, a number.
pub(crate) fn keys() -> KeySchema {
    let part = |name: &str, kind| KeyPart {
        name: name.to_owned(),
        kind,
    };
    KeySchema {
        partition: vec![part("p", KeyType::S)],
        sort: vec![part("s", KeyType::N)],
    }
}

#[test]
fn a_table_and_an_index_are_named_in_quotes_or_without() {
    for (text, table, index) in [
        ("SELECT * FROM music", "music", None),
        ("select * from \"my-music.v2\" ;", "my-music.v2", None),
        ("SELECT * FROM music.genres", "music", Some("genres")),
        ("SELECT*FROM\"music\".\"by-genre\"", "music", Some("by-genre")),
        (
            "SELECT * FROM \"arn:aws:dynamodb:us-east-1:000000000000:table/music\"",
            "arn:aws:dynamodb:us-east-1:000000000000:table/music",
            None,
        ),
        ("-- all\nSELECT * /* of them */ FROM music", "music", None),
    ] {
        let select = select(text, &json!([]));
        assert_eq!(
            (select.table.as_str(), select.index.as_deref()),
            (table, index),
            "{text}"
        );
        assert!(
            select.projection.is_none() && select.filter.condition().is_none(),
            "{text}"
        );
    }
}

/// A binary can only be given as a parameter.
#[test]
fn literals_have_every_type_except_binary() {
    let text = "INSERT INTO t VALUE {'p': 'it''s', 'n': -1.5e2, 'i': 007, 't': TRUE, 'f': false, 'z': Null, \
                'l': [1, 'two', [], {}], 'm': {'a b': {'c': [<<'x'>>]}}, 'ss': <<'a', 'b'>>, 'ns': <<1, 2.50>>, 'b': ?, 'q': [?, ?]}";
    let parameters = json!([{"$b": "bytes"}, 1, {"$ss": ["y"]}]);
    let expected = json!({
        "p": "it's", "n": -150, "i": 7, "t": true, "f": false, "z": null,
        "l": [1, "two", [], {}], "m": {"a b": {"c": [{"$ss": ["x"]}]}}, "ss": {"$ss": ["a", "b"]}, "ns": {"$ns": [1, 2.5]},
        "b": {"$b": "bytes"}, "q": [1, {"$ss": ["y"]}],
    });
    assert_eq!(inserted(text, &parameters), item(&expected));
    assert_eq!(
        inserted("insert into t value ?", &json!([{"p": 1}])),
        item(&json!({"p": 1}))
    );
}

/// Whether an item meets a WHERE clause.
fn holds(clause: &str, parameters: &Value, of: &Value) -> bool {
    let select = select(&format!("SELECT * FROM t WHERE {clause}"), parameters);
    select.filter.condition().unwrap().matches(&item(of))
}

#[test]
fn where_has_operators_of_conditions_and_of_sql() {
    let song = json!({
        "artist": "Can", "year": 1971, "tags": {"$ss": ["kraut", "rock"]}, "label": null, "size": 3,
        "parts": [{"minutes": 18}, {"minutes": 17}], "a b": {"date": 5},
    });
    for (clause, expected) in [
        ("artist = 'Can'", true),
        ("'Can' = artist", true),
        ("artist <> 'Can' OR artist != 'Can'", false),
        ("year > 1970 AND year >= 1971 and year < 1972 AND year <= 1971", true),
        ("year BETWEEN 1971 AND 1980", true),
        ("year NOT BETWEEN 1971 AND 1980", false),
        ("year IN [1970, 1971]", true),
        ("year IN (1970, 1972)", false),
        ("year NOT IN [1970, 1972] AND NOT year IN (1)", true),
        ("NOT (artist = 'Can' AND (year = 1))", true),
        ("((artist = 'Can'))", true),
        ("artist = 'Neu' OR artist = 'Can' AND year = 1", false),
        ("album IS MISSING AND artist IS NOT MISSING", true),
        ("parts[2] IS MISSING", true),
        ("label IS NULL", true),
        ("artist IS NULL OR album IS NULL", false),
        ("artist IS NOT NULL", true),
        ("parts[0].minutes > parts[1].minutes", true),
        ("\"a b\".\"date\" = 5", true),
        ("\"size\" = 3", true),
        ("size(artist) = 3 AND SIZE(tags) = 2", true),
        ("begins_with(artist, 'C') AND Begins_With(\"artist\", 'Ca')", true),
        ("contains(tags, 'rock') AND NOT CONTAINS(artist, 'x')", true),
        ("attribute_type(tags, 'SS')", true),
        ("tags = <<'rock', 'kraut'>>", true),
        ("parts = [{'minutes': 18}, {'minutes': 17}]", true),
        ("year = '1971'", false),
        ("year > '1'", false),
        ("label = NULL", true),
    ] {
        assert_eq!(holds(clause, &json!([]), &song), expected, "{clause}");
    }
}

#[test]
fn parameters_are_used_in_the_order_of_the_text() {
    let of = json!({"a": 1, "b": "x", "c": {"$b": "y"}});
    assert!(holds(
        "a = ? AND begins_with(b, ?) AND c IN [?, ?]",
        &json!([1, "x", 5, {"$b": "y"}]),
        &of
    ));
    assert!(!holds("a = ? AND b = ?", &json!(["x", 1]), &of));
}

#[test]
fn path_is_returned_under_its_last_name_and_indexes() {
    let of = item(&json!({"a": {"b": [1, {"c": 2}]}, "d": 3, "e f": 4}));
    for (list, expected) in [
        ("d, \"e f\"", json!({"d": 3, "e f": 4})),
        ("a", json!({"a": {"b": [1, {"c": 2}]}})),
        ("a.b", json!({"b": [1, {"c": 2}]})),
        ("a.b[0]", json!({"b[0]": 1})),
        ("a.b[1].c, d, d", json!({"c": 2, "d": 3})),
        ("a.x, a.b[7], g", json!({})),
    ] {
        let select = select(&format!("SELECT {list} FROM t"), &json!([]));
        assert_eq!(select.projection.unwrap().apply(&of), item(&expected), "{list}");
    }
}

/// The item after an UPDATE.
fn updated(clauses: &str, parameters: &Value, before: &Value) -> Result<Item, String> {
    match statement(&format!("UPDATE t {clauses} WHERE p = 'x'"), parameters) {
        Statement::Update(statement) => statement.update.apply(&item(before)).map_err(|error| error.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn updates_set_and_remove_paths_add_numbers_and_append_lists() {
    let before = json!({"p": "x", "n": 1, "l": [1, 2], "m": {"k": 1}, "s": {"$ss": ["a", "b"]}});
    for (clauses, parameters, expected) in [
        (
            "SET n = n + 2 SET m.k = 'v', c = NULL REMOVE l[0]",
            json!([]),
            json!({"p": "x", "n": 3, "l": [2], "m": {"k": "v"}, "c": null, "s": {"$ss": ["a", "b"]}}),
        ),
        (
            "SET n = n -1 REMOVE m, s SET l = list_append(l, [?, 4])",
            json!([3]),
            json!({"p": "x", "n": 0, "l": [1, 2, 3, 4]}),
        ),
        (
            "SET s = SET_ADD(s, <<'c'>>) SET l[1] = -5 set n = (? - n)",
            json!([10]),
            json!({"p": "x", "n": 9, "l": [1, -5], "m": {"k": 1}, "s": {"$ss": ["a", "b", "c"]}}),
        ),
        (
            "SET s = set_delete(s, ?) SET l = LIST_APPEND([0], l) SET n = l[1]",
            json!([{"$ss": ["a", "z"]}]),
            json!({"p": "x", "n": 2, "l": [0, 1, 2], "m": {"k": 1}, "s": {"$ss": ["b"]}}),
        ),
        (
            "SET t = set_add(t, <<1>>) SET \"list\" = m",
            json!([]),
            json!({"p": "x", "n": 1, "l": [1, 2], "m": {"k": 1}, "s": {"$ss": ["a", "b"]}, "t": {"$ns": [1]}, "list": {"k": 1}}),
        ),
    ] {
        assert_eq!(updated(clauses, &parameters, &before), Ok(item(&expected)), "{clauses}");
    }
    let missing = "The provided expression refers to an attribute that does not exist in the item";
    assert_eq!(updated("SET n = z + 1", &json!([]), &before), Err(missing.to_owned()));
}

/// Statements distinguish them in the same way as update expressions.
#[test]
fn additions_are_distinguished_from_assignments() {
    let before = item(&json!({"p": "x", "n": 5}));
    for (clauses, expected) in [
        ("SET n = n + 2", Touch::Add(Number::from(2))),
        ("SET n = n - 2", Touch::Add(Number::from(-2))),
        ("SET n = 2 + n", Touch::Add(Number::from(2))),
        ("SET n = 7", Touch::Assign),
        (
            "SET n = set_add(n, <<'a'>>)",
            Touch::Unite(value(&json!({"$ss": ["a"]}))),
        ),
        (
            "SET n = set_delete(n, <<'a'>>)",
            Touch::Subtract(value(&json!({"$ss": ["a"]}))),
        ),
        ("REMOVE n", Touch::Assign),
    ] {
        let Statement::Update(statement) = statement(&format!("UPDATE t {clauses} WHERE p = 'x'"), &json!([])) else {
            panic!("{clauses}");
        };
        let touched = statement.update.touches(&before);
        assert_eq!(
            touched.into_iter().collect::<Vec<_>>(),
            [("n".to_owned(), expected)],
            "{clauses}"
        );
    }
}

#[test]
fn returning_selects_the_returned_attributes() {
    for (clause, expected) in [
        ("", None),
        ("RETURNING ALL OLD *", Some(Returning::AllOld)),
        ("returning modified old *", Some(Returning::ModifiedOld)),
        ("RETURNING ALL NEW *", Some(Returning::AllNew)),
        ("RETURNING MODIFIED NEW *", Some(Returning::ModifiedNew)),
    ] {
        match statement(&format!("UPDATE t SET a = 1 WHERE p = 'x' {clause}"), &json!([])) {
            Statement::Update(update) => assert_eq!(update.returning, expected, "{clause}"),
            other => panic!("{other:?}"),
        }
    }
    for (clause, expected) in [("", false), ("RETURNING ALL OLD *", true)] {
        match statement(&format!("DELETE FROM t WHERE p = 'x' {clause}"), &json!([])) {
            Statement::Delete(delete) => assert_eq!(delete.returning, expected, "{clause}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn key_equalities_pin_the_item_and_the_rest_is_condition() {
    let pinned = |clause: &str| {
        let pin = select(&format!("SELECT * FROM t WHERE {clause}"), &json!([]))
            .filter
            .pin(&keys());
        pin.unwrap_or_else(|error| panic!("{clause}: {error}"))
    };
    let (there, absent) = (item(&json!({"p": "x", "s": 1, "a": 1})), Item::new());
    for clause in [
        "p = 'x' AND s = 1",
        "1 = s AND ('x' = p)",
        "a = 1 AND (p = 'x' AND s = 1)",
        "p = 'x' AND (a = 1 OR a = 2) AND s = 1",
    ] {
        let pin = pinned(clause);
        assert_eq!(pin.key, item(&json!({"p": "x", "s": 1})), "{clause}");
        assert!(pin.clone().required().matches(&there), "{clause}");
        assert!(!pin.clone().required().matches(&absent), "{clause}");
        assert!(
            pin.where_there()
                .is_none_or(|condition| condition.matches(&there) && condition.matches(&absent))
        );
    }
    let other = item(&json!({"p": "x", "s": 1, "a": 3}));
    let pin = pinned("p = 'x' AND s = 1 AND a < 3");
    assert!(!pin.clone().required().matches(&other));
    assert!(!pin.where_there().unwrap().matches(&other));
    assert!(pinned("p = 'x' AND s = 1").where_there().is_none());
    // An item that does not exist cannot meet conditions on its attributes.
    assert!(!pinned("p = 'x' AND s = 1 AND a IS MISSING").required().matches(&absent));
}

#[test]
fn clause_without_the_whole_key_is_rejected() {
    for clause in [
        "p = 'x'",
        "s = 1",
        "p = 'x' OR s = 1",
        "p = 'x' AND s > 1",
        "p = 'x' AND s IN [1]",
        "p = 'x' AND NOT s = 1",
        "p = a AND s = 1",
        "p.s = 'x' AND s = 1",
    ] {
        let select = select(&format!("SELECT * FROM t WHERE {clause}"), &json!([]));
        assert_eq!(
            select.filter.pin(&keys()).unwrap_err().to_string(),
            "Where clause does not contain a mandatory equality on all key attributes",
            "{clause}"
        );
    }
}

#[test]
fn statements_know_whether_they_read_and_which_table() {
    for (text, is_read) in [
        ("SELECT * FROM t", true),
        ("EXISTS(SELECT * FROM t WHERE p = 'x' AND a IS MISSING)", false),
        ("INSERT INTO t VALUE {'p': 'x'}", false),
        ("UPDATE t REMOVE a WHERE p = 'x'", false),
        ("DELETE FROM \"t\" WHERE p = 'x'", false),
    ] {
        let statement = statement(text, &json!([]));
        assert_eq!((statement.is_read(), statement.table()), (is_read, "t"), "{text}");
    }
}

/// A parameter can have any size, but cannot nest deeper than an item.
#[test]
fn parameter_has_any_size_but_limited_depth() {
    let mut deep = AttributeValue::Null;
    for _ in 0..31 {
        deep = AttributeValue::L(vec![deep]);
    }
    let insert = |text: &str| Statement::parse(text, vec![deep.clone()]);
    assert!(insert("INSERT INTO t VALUE {'p': ?}").is_ok());
    let refused = insert("INSERT INTO t VALUE {'p': [?]}").unwrap_err().to_string();
    assert!(
        refused.starts_with("Nesting Levels have exceeded supported limits"),
        "{refused}"
    );
}
