//! The effects of updates on items.

use serde_json::{Value, json};

use crate::support::{item, update};

/// Asserts the item after an update.
fn check(cases: &[(&str, Value, Value, Value)]) {
    for (text, meanings, before, after) in cases {
        let parsed = update(text, meanings).unwrap_or_else(|error| panic!("{text}: {error}"));
        let updated = parsed
            .apply(&item(before))
            .unwrap_or_else(|error| panic!("{text} on {before}: {error}"));
        assert_eq!(updated, item(after), "{text} with {meanings} on {before}");
    }
}

#[test]
fn set_writes_attributes_and_leaves_the_others() {
    check(&[
        (
            "SET b = :v",
            json!({":v": 4}),
            json!({"p": "x"}),
            json!({"p": "x", "b": 4}),
        ),
        (
            "set b=:v,c=:v",
            json!({":v": 4}),
            json!({"b": "old"}),
            json!({"b": 4, "c": 4}),
        ),
        (
            "sEt a = :v",
            json!({":v": {"x": [1]}}),
            json!({"a": {"y": 1}}),
            json!({"a": {"x": [1]}}),
        ),
        (
            "SET #d = :v",
            json!({"#d": "a.b", ":v": 3}),
            json!({}),
            json!({"a.b": 3}),
        ),
    ]);
}

#[test]
fn right_hand_sides_see_the_item_as_it_was() {
    check(&[
        (
            "SET a = b, b = a",
            json!({}),
            json!({"a": 1, "b": 2}),
            json!({"a": 2, "b": 1}),
        ),
        ("REMOVE a SET b = a", json!({}), json!({"a": "x"}), json!({"b": "x"})),
        ("SET c = a REMOVE a", json!({}), json!({"a": "x"}), json!({"c": "x"})),
        ("SET a = a", json!({}), json!({"a": 1}), json!({"a": 1})),
        (
            "SET z = a.c.x",
            json!({}),
            json!({"a": {"c": {"x": 7}}}),
            json!({"a": {"c": {"x": 7}}, "z": 7}),
        ),
        (
            "SET l[0] = l[1], l[1] = l[0]",
            json!({}),
            json!({"l": [1, 2]}),
            json!({"l": [2, 1]}),
        ),
        (
            "ADD n :one SET m = n",
            json!({":one": 1}),
            json!({"n": 5}),
            json!({"n": 6, "m": 5}),
        ),
    ]);
}

#[test]
fn set_adds_and_subtracts_two_numbers() {
    check(&[
        ("SET b = :x + :y", json!({":x": 4, ":y": 3}), json!({}), json!({"b": 7})),
        ("SET b = :x-:y", json!({":x": 5, ":y": 7}), json!({}), json!({"b": -2})),
        (
            "SET a = a + :x",
            json!({":x": 0.25}),
            json!({"a": 2}),
            json!({"a": 2.25}),
        ),
        (
            "SET a = b - a",
            json!({}),
            json!({"a": 2, "b": 10}),
            json!({"a": 8, "b": 10}),
        ),
        ("SET a = (a + :x)", json!({":x": 1}), json!({"a": 2}), json!({"a": 3})),
        (
            "SET a = ((b.c)-(:x))",
            json!({":x": 1}),
            json!({"b": {"c": 3}}),
            json!({"b": {"c": 3}, "a": 2}),
        ),
        ("SET a = (a) + (a)", json!({}), json!({"a": 2}), json!({"a": 4})),
        (
            "SET b = :x + :y",
            json!({":x": {"$n": "10000000000000000000000"}, ":y": 1}),
            json!({}),
            json!({"b": {"$n": "10000000000000000000001"}}),
        ),
    ]);
}

#[test]
fn if_not_exists_gives_the_attribute_or_else_the_other_operand() {
    check(&[
        (
            "SET a = if_not_exists(a, :v)",
            json!({":v": 2}),
            json!({}),
            json!({"a": 2}),
        ),
        (
            "SET a = if_not_exists(a, :v)",
            json!({":v": 3}),
            json!({"a": 2}),
            json!({"a": 2}),
        ),
        (
            "SET b = if_not_exists(a, :v)",
            json!({":v": 6}),
            json!({"a": null}),
            json!({"a": null, "b": null}),
        ),
        (
            "SET b = if_not_exists(a.c[0], b)",
            json!({}),
            json!({"b": 1}),
            json!({"b": 1}),
        ),
        (
            "SET x = if_not_exists(b, if_not_exists(a, :v))",
            json!({":v": 4}),
            json!({"a": 3}),
            json!({"a": 3, "x": 3}),
        ),
        (
            "SET n = if_not_exists(n, :z) + :v",
            json!({":z": 0, ":v": 7}),
            json!({}),
            json!({"n": 7}),
        ),
        (
            "SET n = :v + if_not_exists(n, :z)",
            json!({":z": 0, ":v": 7}),
            json!({"n": 1}),
            json!({"n": 8}),
        ),
        // The unused operand is not looked up.
        (
            "SET a = if_not_exists(a, nowhere)",
            json!({}),
            json!({"a": 1}),
            json!({"a": 1}),
        ),
    ]);
}

#[test]
fn list_append_joins_lists_in_the_order_written() {
    check(&[
        (
            "SET a = list_append(:x, :y)",
            json!({":x": [4, "h"], ":y": ["i"]}),
            json!({}),
            json!({"a": [4, "h", "i"]}),
        ),
        (
            "SET a = list_append(a, :x)",
            json!({":x": [3]}),
            json!({"a": [1, 2]}),
            json!({"a": [1, 2, 3]}),
        ),
        (
            "SET a = list_append(:x, a)",
            json!({":x": [3]}),
            json!({"a": [1, 2]}),
            json!({"a": [3, 1, 2]}),
        ),
        (
            "SET c = list_append(a, b.l)",
            json!({}),
            json!({"a": [1], "b": {"l": []}}),
            json!({"a": [1], "b": {"l": []}, "c": [1]}),
        ),
        (
            "SET a = list_append(if_not_exists(a, :e), :x)",
            json!({":e": [], ":x": [1]}),
            json!({}),
            json!({"a": [1]}),
        ),
    ]);
}

#[test]
fn remove_drops_attributes_members_and_elements() {
    check(&[
        ("REMOVE a", json!({}), json!({"a": 1, "b": 2}), json!({"b": 2})),
        ("REMOVE a, c", json!({}), json!({"a": 1, "b": 2}), json!({"b": 2})),
        ("REMOVE a.b", json!({}), json!({"a": {"b": 1}}), json!({"a": {}})),
        ("REMOVE a[0]", json!({}), json!({"a": [1]}), json!({"a": []})),
        (
            "REMOVE a.c[1].x.y[1], a.c[1].q",
            json!({}),
            json!({"a": {"b": 3, "c": ["hi", {"x": {"y": [3, 5, 7]}, "q": 2}]}}),
            json!({"a": {"b": 3, "c": ["hi", {"x": {"y": [3, 7]}}]}}),
        ),
    ]);
}

#[test]
fn removing_a_missing_value_changes_nothing() {
    let stored = json!({"a": {"x": 3}, "b": ["hi"]});
    for text in ["REMOVE a.y", "REMOVE b[7]", "REMOVE c", "REMOVE b[1], a.z, d"] {
        check(&[(text, json!({}), stored.clone(), stored.clone())]);
    }
}

#[test]
fn missing_item_is_created_from_its_key() {
    for (text, after) in [
        ("SET a = :v", json!({"p": "k", "a": 1})),
        ("SET a = p", json!({"p": "k", "a": "k"})),
        ("ADD a :v", json!({"p": "k", "a": 1})),
        ("REMOVE a SET b = :v", json!({"p": "k", "b": 1})),
        // On an existing item, these two are errors.
        ("REMOVE x.y SET b = :v", json!({"p": "k", "b": 1})),
        ("REMOVE x[0] SET b = :v", json!({"p": "k", "b": 1})),
    ] {
        let parsed = update(text, &json!({":v": 1})).unwrap();
        assert_eq!(
            parsed.create(&item(&json!({"p": "k"}))).unwrap(),
            item(&after),
            "{text}"
        );
    }
    for text in ["SET a = b", "SET a.b = p", "ADD a.b :v"] {
        let parsed = update(text, &json!({":v": 1})).unwrap();
        assert!(parsed.create(&item(&json!({"p": "k"}))).is_err(), "{text}");
    }
}

#[test]
fn list_indexes_mean_the_list_as_it_was() {
    let before = json!({"a": [2, 3, 4, 5, 6, 7]});
    for (text, after) in [
        ("REMOVE a[1] SET a[3] = :v", json!({"a": [2, 4, 17, 6, 7]})),
        ("SET a[3] = :v REMOVE a[1]", json!({"a": [2, 4, 17, 6, 7]})),
        ("REMOVE a[0], a[2], a[1] SET b = :v", json!({"a": [5, 6, 7], "b": 17})),
        (
            "REMOVE a[4], a[0], a[17] SET b = :v",
            json!({"a": [3, 4, 5, 7], "b": 17}),
        ),
        ("REMOVE a[5], a[6] SET a[9] = :v", json!({"a": [2, 3, 4, 5, 6, 17]})),
    ] {
        check(&[(text, json!({":v": 17}), before.clone(), after)]);
    }
    check(&[(
        "REMOVE a[0].x[1], a[1], a[0].x[0]",
        json!({}),
        json!({"a": [{"x": [1, 2, 3]}, 5, 6]}),
        json!({"a": [{"x": [3]}, 6]}),
    )]);
}

#[test]
fn elements_beyond_the_end_are_appended_in_index_order() {
    check(&[
        (
            "SET a[7] = :v",
            json!({":v": "x"}),
            json!({"a": [1, 2, 3]}),
            json!({"a": [1, 2, 3, "x"]}),
        ),
        (
            "SET a[84] = :a, a[37] = :b, a[17] = :c, a[50] = :d, a[0] = :e",
            json!({":a": 1, ":b": 2, ":c": 3, ":d": 4, ":e": 5}),
            json!({"a": [0]}),
            json!({"a": [5, 3, 2, 4, 1]}),
        ),
        (
            "SET a[1] = :v, a[2] = :v",
            json!({":v": "x"}),
            json!({"a": []}),
            json!({"a": ["x", "x"]}),
        ),
    ]);
}

#[test]
fn nested_paths_change_only_what_they_name() {
    check(&[
        (
            "SET a.c[1].#n.y[1] = :v",
            json!({"#n": "x", ":v": 9}),
            json!({"a": {"b": 3, "c": ["hi", {"x": {"y": [3, 5, 7]}}]}}),
            json!({"a": {"b": 3, "c": ["hi", {"x": {"y": [3, 9, 7]}}]}}),
        ),
        (
            "SET a.b = :v, a.c.d = :v, b.x = :v REMOVE a.x, b.y",
            json!({":v": 1}),
            json!({"a": {"x": 3, "y": 4, "c": {"y": 3}}, "b": {"x": 0, "y": 2}}),
            json!({"a": {"b": 1, "y": 4, "c": {"y": 3, "d": 1}}, "b": {"x": 1}}),
        ),
    ]);
}

#[test]
fn add_sums_numbers_from_zero_and_unites_sets_from_nothing() {
    check(&[
        ("ADD a :v", json!({":v": 4}), json!({"a": 3}), json!({"a": 7})),
        ("ADD a :v", json!({":v": -4}), json!({}), json!({"a": -4})),
        ("ADD a.n :v", json!({":v": 4}), json!({"a": {}}), json!({"a": {"n": 4}})),
        (
            "ADD a[0] :v, b :v",
            json!({":v": 4}),
            json!({"a": [1]}),
            json!({"a": [5], "b": 4}),
        ),
        (
            "add a :v",
            json!({":v": {"$ss": ["b", "c"]}}),
            json!({"a": {"$ss": ["a", "b"]}}),
            json!({"a": {"$ss": ["a", "b", "c"]}}),
        ),
        (
            "ADD a :v",
            json!({":v": {"$ns": [1]}}),
            json!({}),
            json!({"a": {"$ns": [1]}}),
        ),
        (
            "ADD a :v",
            json!({":v": {"$bs": ["x"]}}),
            json!({"a": {"$bs": ["y"]}}),
            json!({"a": {"$bs": ["x", "y"]}}),
        ),
    ]);
}

#[test]
fn delete_removes_set_elements_and_leaves_no_empty_set() {
    check(&[
        (
            "DELETE a :v",
            json!({":v": {"$ss": ["a", "z"]}}),
            json!({"a": {"$ss": ["a", "b"]}}),
            json!({"a": {"$ss": ["b"]}}),
        ),
        (
            "DELETE a :v",
            json!({":v": {"$ns": [1, 2]}}),
            json!({"a": {"$ns": [1, 2]}, "b": 1}),
            json!({"b": 1}),
        ),
        (
            "DELETE a.s :v",
            json!({":v": {"$bs": ["x"]}}),
            json!({"a": {"s": {"$bs": ["x"]}}}),
            json!({"a": {}}),
        ),
        (
            "DELETE a :v",
            json!({":v": {"$ss": ["a"]}}),
            json!({"b": 1}),
            json!({"b": 1}),
        ),
        (
            "DELETE a.s :v",
            json!({":v": {"$ss": ["a"]}}),
            json!({"a": {}}),
            json!({"a": {}}),
        ),
    ]);
}

#[test]
fn each_clause_occurs_once_in_any_order() {
    check(&[(
        "DELETE d :s ADD n :one REMOVE r SET s = :one",
        json!({":s": {"$ss": ["x"]}, ":one": 1}),
        json!({"d": {"$ss": ["x", "y"]}, "n": 1, "r": 1}),
        json!({"d": {"$ss": ["y"]}, "n": 2, "s": 1}),
    )]);
}

#[test]
fn touched_shows_the_written_parts_before_and_after() {
    let before = item(&json!({"p": "k", "a": {"b": "dog", "c": [1, 2, 3]}, "d": "cat"}));
    for (text, old, new) in [
        ("SET d = :v", json!({"d": "cat"}), json!({"d": 70})),
        ("SET a.b = :v", json!({"a": {"b": "dog"}}), json!({"a": {"b": 70}})),
        (
            "SET a.c[1] = :v, a.b = :v",
            json!({"a": {"b": "dog", "c": [2]}}),
            json!({"a": {"b": 70, "c": [70]}}),
        ),
        ("SET x = :v", json!({}), json!({"x": 70})),
        ("SET a.x1 = :v", json!({}), json!({"a": {"x1": 70}})),
        // As in DynamoDB, an appended element is at another index than the one named, and the
        // element after a removed one is at its index.
        ("SET a.c[100] = :v", json!({}), json!({})),
        (
            "REMOVE a.c[1], a.c[3] SET d = :v",
            json!({"a": {"c": [2]}, "d": "cat"}),
            json!({"a": {"c": [3]}, "d": 70}),
        ),
    ] {
        let parsed = update(text, &json!({":v": 70})).unwrap();
        assert_eq!(parsed.touched(&before), item(&old), "{text} before");
        assert_eq!(
            parsed.touched(&parsed.apply(&before).unwrap()),
            item(&new),
            "{text} after"
        );
    }
}

/// Attributes that it only reads are not listed.
#[test]
fn update_lists_the_top_level_attributes_it_writes() {
    let parsed = update(
        "SET a.b = z, #n[1] = y REMOVE c ADD d :v DELETE a.s :s",
        &json!({"#n": "e", ":v": 1, ":s": {"$ss": ["x"]}}),
    );
    assert_eq!(
        parsed.unwrap().top_level_names().collect::<Vec<_>>(),
        ["a", "c", "d", "e"]
    );
}
