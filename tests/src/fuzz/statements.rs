//! PartiQL statements: any text is refused or has a meaning, and what it reads covers what it
//! selects.

use beringia_expression::{Access, ResolvedKeyCondition, Select, SortCondition, Statement, Where};
use beringia_item::{AttributeValue, Item, MAX_DEPTH, item_depth, item_from_json};
use serde_json::json;

use super::expressions::{item, items, schema};

/// Parses a statement whose `?` stand for values of all types in turn.
pub(super) fn partiql(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let values =
        json!({"v": {"S": "text"}, "w": {"N": "1"}, "x": {"L": [{"N": "1"}]}, "y": {"SS": ["a"]}, "z": {"NULL": true}});
    let values = Vec::from_iter(item(values).into_values());
    let parameters = values.iter().cycle().take(text.matches('?').count()).cloned();
    let Ok(statement) = Statement::parse(text, parameters.collect()) else {
        return;
    };
    assert!(!statement.table().is_empty());
    match statement {
        Statement::Select(select) | Statement::Exists(select) => selects(&select),
        Statement::Insert(insert) => assert!(item_depth(&insert.item) <= MAX_DEPTH),
        Statement::Update(update) => {
            for item in items() {
                if let Ok(after) = update.update.apply(&item) {
                    assert!(item_depth(&after) <= MAX_DEPTH);
                }
            }
            pins(&update.filter);
        }
        Statement::Delete(delete) => pins(&delete.filter),
    }
}

fn selects(select: &Select) {
    if let Some(projection) = &select.projection {
        for item in items() {
            let _ = projection.apply(&item);
        }
    }
    let Ok(access) = select.access(&schema()) else { return };
    let condition = select.filter.condition();
    for item in rows() {
        let selected = condition.as_ref().is_none_or(|condition| condition.matches(&item));
        if let (true, Access::Query { conditions, .. }) = (selected, &access) {
            let readers = conditions.iter().filter(|condition| reads(condition, &item)).count();
            assert_eq!(readers, 1, "{item:?} is selected");
        }
    }
    pins(&select.filter);
}

/// Returns whether an item satisfies the key condition of a table with the key of [`schema`].
fn reads(condition: &ResolvedKeyCondition, item: &Item) -> bool {
    let (AttributeValue::N(sort), [partition]) = (&item["b"], condition.partition.as_slice()) else {
        panic!("one partition attribute, a number to sort by");
    };
    let number = |value: &AttributeValue| match value {
        AttributeValue::N(number) => *number,
        other => panic!("{other:?} is not a number"),
    };
    let within = match &condition.sort {
        SortCondition::Any => true,
        SortCondition::Less(bound) => *sort < number(bound),
        SortCondition::LessOrEqual(bound) => *sort <= number(bound),
        SortCondition::Greater(bound) => *sort > number(bound),
        SortCondition::GreaterOrEqual(bound) => *sort >= number(bound),
        SortCondition::Between(low, high) => (number(low)..=number(high)).contains(sort),
        SortCondition::BeginsWith(_) => panic!("numbers have no beginning"),
    };
    *partition == item["a"] && condition.sort_equal.iter().all(|equal| *equal == item["b"]) && within
}

fn pins(filter: &Where) {
    let schema = schema();
    let condition = filter.condition();
    let Ok(pin) = filter.clone().pin(&schema) else { return };
    assert!(schema.parts().all(|part| pin.key.contains_key(&part.name)));
    let key = pin.key.clone();
    let required = pin.required();
    for item in rows() {
        let here = key.iter().all(|(name, value)| item.get(name) == Some(value));
        let selected = condition.as_ref().is_some_and(|condition| condition.matches(&item));
        assert!(!selected || here, "{item:?} is meant and not pinned");
        assert!(
            !here || required.matches(&item) == selected,
            "{item:?}: pinned and whole disagree"
        );
    }
}

/// Items of a table with the key of [`schema`].
fn rows() -> Vec<Item> {
    let mut rows = Vec::new();
    for partition in ["text", "a", "b"] {
        for sort in ["-2.5", "0", "1", "2", "10"] {
            let row = json!({"a": {"S": partition}, "b": {"N": sort}, "c": {"SS": ["text", "a"]}, "d": {"M": {"e": {"L": [{"N": sort}]}}}});
            rows.push(item_from_json(row).expect("this is an item"));
        }
    }
    rows
}
