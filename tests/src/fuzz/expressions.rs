//! Expressions of all kinds: any text is refused or has a meaning, and has it on every item.

use std::collections::BTreeMap;

use beringia_expression::{Condition, ConditionKind, KeyCondition, Placeholders, Projection, Update};
use beringia_item::{AttributeValue, Item, KeyPart, KeySchema, KeyType, MAX_DEPTH, item_depth, item_from_json};
use serde_json::json;

/// Parses a text as each kind of expression. `#a` and `#b` stand for names, `:s`, `:n` and so on
/// for values of that type.
pub(super) fn expression(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    condition(text);
    update(text);
    if let Ok(projection) = Projection::parse(text, &mut placeholders()) {
        for item in items() {
            let cut = projection.apply(&item);
            assert!(cut.keys().all(|name| item.contains_key(name)));
            assert!(projection.top_level_names().count() > 0);
        }
    }
    let key = KeyCondition::parse(text, &mut placeholders()).and_then(|condition| condition.resolve(&schema()));
    if let Ok(key) = key {
        assert_eq!(key.partition.len(), 1);
    }
}

fn condition(text: &str) {
    let parse = |text: &str, kind| Condition::parse(text, kind, &mut placeholders());
    let Ok(condition) = parse(text, ConditionKind::Condition) else {
        return;
    };
    let filter = parse(text, ConditionKind::Filter).expect("a condition is a filter");
    // The longer text may exceed a limit.
    let denied = parse(&format!("NOT ({text})"), ConditionKind::Condition).ok();
    for item in items() {
        let holds = condition.matches(&item);
        assert_eq!(filter.matches(&item), holds);
        if let Some(denied) = &denied {
            assert_eq!(denied.matches(&item), !holds);
        }
    }
}

fn update(text: &str) {
    let Ok(update) = Update::parse(text, &mut placeholders()) else {
        return;
    };
    let written: Vec<&str> = update.top_level_names().collect();
    assert!(!written.is_empty());
    for item in items() {
        let _ = update.touches(&item);
        let Ok(after) = update.apply(&item) else { continue };
        assert!(item_depth(&after) <= MAX_DEPTH);
        for (name, value) in &after {
            assert!(
                written.contains(&name.as_str()) || item.get(name) == Some(value),
                "{name} was not named"
            );
        }
        let touched = update.touched(&after);
        assert!(touched.keys().all(|name| written.contains(&name.as_str())));
    }
    let _ = update.create(&Item::from([("a".to_owned(), AttributeValue::S("key".to_owned()))]));
}

fn placeholders() -> Placeholders {
    let values = item(json!({
        ":s": {"S": "text"}, ":t": {"S": "S"}, ":n": {"N": "1"}, ":m": {"N": "-2.5"}, ":b": {"B": "AAEC"}, ":y": {"BOOL": true}, ":z": {"NULL": true},
        ":l": {"L": [{"N": "1"}, {"S": "text"}]}, ":d": {"M": {"c": {"N": "1"}}}, ":ss": {"SS": ["text", "b"]}, ":ns": {"NS": ["1", "2"]}, ":bs": {"BS": ["AAEC"]},
    }));
    let names =
        [("#a", "a"), ("#b", "b"), ("#c", "c"), ("#d", "a.b")].map(|(key, name)| (key.to_owned(), name.to_owned()));
    Placeholders::new(Some(BTreeMap::from(names)), Some(values)).expect("these are placeholders")
}

/// The key of a table: `a`, a string, and the sort key `b`, a number.
pub(super) fn schema() -> KeySchema {
    let part = |name: &str, kind| KeyPart {
        name: name.to_owned(),
        kind,
    };
    KeySchema {
        partition: vec![part("a", KeyType::S)],
        sort: vec![part("b", KeyType::N)],
    }
}

/// Items of different shapes.
pub(super) fn items() -> [Item; 3] {
    [
        Item::new(),
        item(
            json!({"a": {"S": "text"}, "b": {"N": "1"}, "c": {"SS": ["a", "b"]}, "d": {"NULL": true}, "a.b": {"B": "AAECAw=="}}),
        ),
        item(json!({
            "a": {"M": {"b": {"L": [{"N": "1"}, {"M": {"c": {"NS": ["1"]}}}, {"S": "x"}]}, "c": {"BS": ["AAEC"]}}}, "b": {"L": [{"N": "7"}, {"L": []}]},
            "c": {"N": "99999999999999999999999999999999999999"}, "d": {"BOOL": false},
        })),
    ]
}

/// Parses an item in DynamoDB's JSON.
pub(super) fn item(json: serde_json::Value) -> Item {
    item_from_json(json).expect("this is an item")
}
