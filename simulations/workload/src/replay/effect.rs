//! The effects of recorded writes, as far as their requests reveal them.

use std::collections::BTreeMap;

use beringia_expression::{AttributeChange, Placeholders, Update};
use beringia_history::{Effect, RecordedTouch};
use beringia_item::{AttributeValue, Item, Number, item_from_json, value_from_json};
use serde_json::{Map, Value};

/// The effect of a put with these attributes.
pub(crate) fn of_item<'a>(attributes: impl IntoIterator<Item = &'a String>) -> Effect {
    let assigned = |attribute: &String| (attribute.clone(), RecordedTouch::Assign);
    Effect::Recorded {
        whole: true,
        touches: attributes.into_iter().map(assigned).collect(),
    }
}

/// The effect of an update, as an expression or in the older form. The effect of an unreadable
/// update is unknown; the region refuses it.
pub(super) fn of_request(request: &Value) -> Effect {
    let parsed = match request.get("AttributeUpdates").and_then(Value::as_object) {
        Some(changes) => of_changes(changes),
        None => of_expression(request),
    };
    parsed.as_ref().map_or_else(
        || Effect::Recorded {
            whole: false,
            touches: BTreeMap::new(),
        },
        of_update,
    )
}

/// The effect of an update. It is derived as if every written attribute were already a number, so
/// that an addition to it counts as one.
pub(super) fn of_update(update: &Update) -> Effect {
    let number = |name: &str| (name.to_owned(), AttributeValue::N(Number::ZERO));
    let before: Item = update.top_level_names().map(number).collect();
    let touch = |(attribute, touch)| {
        let touch = match touch {
            beringia_item::Touch::Assign => RecordedTouch::Assign,
            beringia_item::Touch::Add(_) => RecordedTouch::Add,
            beringia_item::Touch::Unite(_) | beringia_item::Touch::Subtract(_) => RecordedTouch::Members,
        };
        (attribute, touch)
    };
    Effect::Recorded {
        whole: false,
        touches: update.touches(&before).into_iter().map(touch).collect(),
    }
}

fn of_expression(request: &Value) -> Option<Update> {
    let given = |name: &str| request.get(name).filter(|value| !value.is_null()).cloned();
    let names = given("ExpressionAttributeNames").map(serde_json::from_value);
    let values = given("ExpressionAttributeValues").map(item_from_json);
    let mut placeholders = Placeholders::new(names.transpose().ok()?, values.transpose().ok()?).ok()?;
    Update::parse(request["UpdateExpression"].as_str()?, &mut placeholders).ok()
}

fn of_changes(changes: &Map<String, Value>) -> Option<Update> {
    let change = |(attribute, change): (&String, &Value)| {
        let value = change.get("Value").filter(|value| !value.is_null());
        let value = value.map(|value| value_from_json(value.clone()));
        let change = match (change["Action"].as_str().unwrap_or("PUT"), value.transpose().ok()?) {
            ("PUT", Some(value)) => AttributeChange::Put(value),
            ("ADD", Some(value)) => AttributeChange::Add(value),
            ("DELETE", Some(value)) => AttributeChange::Delete(value),
            ("DELETE", None) => AttributeChange::Remove,
            _ => return None,
        };
        Some((attribute.clone(), change))
    };
    Update::of_attributes(changes.iter().map(change).collect::<Option<_>>()?).ok()?
}

#[cfg(test)]
mod tests {
    use beringia_expression::Statement;
    use serde_json::json;

    use super::*;

    fn touches(effect: Effect) -> Vec<(String, RecordedTouch)> {
        match effect {
            Effect::Recorded { whole: false, touches } => touches.into_iter().collect(),
            other => panic!("{other:?}"),
        }
    }

    fn expected(touches: &[(&str, RecordedTouch)]) -> Vec<(String, RecordedTouch)> {
        let own = |(attribute, touch): &(&str, RecordedTouch)| ((*attribute).to_owned(), *touch);
        touches.iter().map(own).collect()
    }

    #[test]
    fn expressions_add_assign_or_change_members() {
        let (add, assign, members) = (RecordedTouch::Add, RecordedTouch::Assign, RecordedTouch::Members);
        for (expression, does) in [
            ("ADD #n :one", &[("n", add)][..]),
            ("SET #n = #n + :one", &[("n", add)]),
            ("SET #n = :one + #n", &[("n", add)]),
            ("SET #n = #n - :one", &[("n", add)]),
            ("SET #n = if_not_exists(#n, :zero) + :one", &[("n", add)]),
            ("SET #n = if_not_exists(#n, :one) - :one", &[("n", add)]),
            ("SET #n = if_not_exists(#n, :zero)", &[("n", assign)]),
            ("SET #n = :one - #n", &[("n", assign)]),
            ("SET #n = #n + #n", &[("n", assign)]),
            ("SET #n = m + :one", &[("n", assign)]),
            ("SET #n.a = #n.a + :one", &[("n", assign)]),
            ("SET l = list_append(l, :list)", &[("l", assign)]),
            ("REMOVE a, b[1]", &[("a", assign), ("b", assign)]),
            ("ADD tags :tags", &[("tags", members)]),
            ("DELETE tags :tags", &[("tags", members)]),
            (
                "ADD #n :one, tags :tags SET a = :list",
                &[("a", assign), ("n", add), ("tags", members)],
            ),
            ("SET", &[]),
            ("ADD #n :missing", &[]),
        ] {
            let request = json!({
                "UpdateExpression": expression,
                "ExpressionAttributeNames": { "#n": "n" },
                "ExpressionAttributeValues": {
                    ":one": { "N": "1" }, ":zero": { "N": "0" }, ":tags": { "SS": ["x"] }, ":list": { "L": [] },
                },
            });
            assert_eq!(touches(of_request(&request)), expected(does), "{expression}");
        }
        let without = json!({ "UpdateExpression": "REMOVE a", "ExpressionAttributeNames": null });
        assert_eq!(touches(of_request(&without)), expected(&[("a", assign)]));
        assert_eq!(touches(of_request(&json!({ "Key": {} }))), []);
    }

    #[test]
    fn the_older_form_has_the_same_effects() {
        let of = |changes: Value| touches(of_request(&json!({ "AttributeUpdates": changes })));
        let changes = json!({
            "n": { "Action": "ADD", "Value": { "N": "1" } },
            "tags": { "Action": "DELETE", "Value": { "SS": ["x"] } },
            "gone": { "Action": "DELETE" },
            "list": { "Action": "ADD", "Value": { "L": [] } },
            "plain": { "Value": { "S": "x" } },
        });
        let does = [
            ("gone", RecordedTouch::Assign),
            ("list", RecordedTouch::Assign),
            ("n", RecordedTouch::Add),
            ("plain", RecordedTouch::Assign),
            ("tags", RecordedTouch::Members),
        ];
        assert_eq!(of(changes), expected(&does));
        assert_eq!(of(json!({ "n": { "Action": "ADD" } })), [], "the region refuses it");
        assert_eq!(of(json!({})), []);
    }

    #[test]
    fn a_statement_adds_or_assigns() {
        let of = |text: &str| match Statement::parse(text, Vec::new()) {
            Ok(Statement::Update(statement)) => touches(of_update(&statement.update)),
            other => panic!("{other:?}"),
        };
        let text = "UPDATE carts SET n = n + 1 SET a = 'x' REMOVE b WHERE id = '1'";
        let does = [
            ("a", RecordedTouch::Assign),
            ("b", RecordedTouch::Assign),
            ("n", RecordedTouch::Add),
        ];
        assert_eq!(of(text), expected(&does));
        let members = "UPDATE carts SET tags = set_add(tags, <<'x'>>) WHERE id = '1'";
        assert_eq!(of(members), expected(&[("tags", RecordedTouch::Members)]));
    }
}
