//! Which updates only add to an attribute, and which assign it.

use beringia_item::{Number, Touch};
use serde_json::{Value, json};

use crate::support::{item, update, value};

/// Asserts the effect of an update on the only attribute that it writes.
fn check(text: &str, meanings: &Value, before: &Value, expected: &Touch) {
    let touched = update(text, meanings).unwrap().touches(&item(before));
    assert_eq!(
        touched.values().collect::<Vec<_>>(),
        [expected],
        "{text} with {meanings} on {before}"
    );
}

#[test]
fn additions_are_recognised_in_every_notation() {
    let by = |n: i64| Touch::Add(Number::from(n));
    let (n, there) = (json!({":n": 3}), json!({"p": "x", "a": 1, "b": 7}));
    check("ADD a :n", &n, &there, &by(3));
    check("ADD a :n", &n, &json!({"p": "x"}), &by(3));
    check("SET a = a + :n", &n, &there, &by(3));
    check("SET a = :n + a", &n, &there, &by(3));
    check("SET a = a - :n", &n, &there, &by(-3));
    check("SET #a = a + :n", &json!({"#a": "a", ":n": 3}), &there, &by(3));
    check("SET a = a + b", &json!({}), &there, &by(7));
    check("SET a = a + if_not_exists(c, :n)", &n, &there, &by(3));
    let from_zero = json!({":n": 3, ":zero": 0});
    for before in [&there, &json!({"p": "x"})] {
        check("SET a = if_not_exists(a, :zero) + :n", &from_zero, before, &by(3));
        check("SET a = if_not_exists(a, :zero) - :n", &from_zero, before, &by(-3));
    }
}

#[test]
fn other_uses_of_the_old_value_are_assignments() {
    let (n, there) = (
        json!({":n": 3}),
        json!({"p": "x", "a": 1, "b": 7, "m": {"a": 1}, "l": [1]}),
    );
    for text in [
        "SET a = :n",
        "SET a = :n - a",
        "SET a = b + :n",
        "SET a = m.a + :n",
        "SET m.a = m.a + :n",
        "ADD m.a :n",
        "SET l = list_append(l, :n)",
    ] {
        let meanings = if text.contains("list_append") {
            json!({":n": [3]})
        } else {
            n.clone()
        };
        check(text, &meanings, &there, &Touch::Assign);
    }
    check("SET a = a + a", &json!({}), &there, &Touch::Assign);
    check("REMOVE a", &json!({}), &there, &Touch::Assign);
    check("REMOVE l[0], l[2]", &json!({}), &there, &Touch::Assign);
    // If there is no number yet, this starts at five.
    let from_five = json!({":n": 3, ":five": 5});
    check(
        "SET a = if_not_exists(a, :five) + :n",
        &from_five,
        &json!({"p": "x"}),
        &Touch::Assign,
    );
    check(
        "SET a = if_not_exists(a, :five) + :n",
        &from_five,
        &there,
        &Touch::Add(Number::from(3)),
    );
}

#[test]
fn members_are_added_and_taken_away() {
    let members = json!({":s": {"$ss": ["x", "y"]}});
    let set = value(&members[":s"]);
    for before in [json!({"p": "x"}), json!({"p": "x", "a": {"$ss": ["x"]}})] {
        check("ADD a :s", &members, &before, &Touch::Unite(set.clone()));
        check("DELETE a :s", &members, &before, &Touch::Subtract(set.clone()));
    }
}

/// That includes attributes that the update leaves unchanged.
#[test]
fn each_top_level_attribute_is_listed_once() {
    let meanings = json!({":n": 3});
    let update = update("SET m.a = :n, m.b = :n, a = :n REMOVE c ADD b :n", &meanings).unwrap();
    let touched = update.touches(&item(&json!({"p": "x", "a": 3, "m": {}, "b": 0})));
    let expected = [
        ("a", Touch::Assign),
        ("b", Touch::Add(Number::from(3))),
        ("c", Touch::Assign),
        ("m", Touch::Assign),
    ];
    let touched: Vec<_> = touched
        .iter()
        .map(|(name, touch)| (name.as_str(), touch.clone()))
        .collect();
    assert_eq!(touched, expected);
}
