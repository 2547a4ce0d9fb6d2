//! The write marker in the expressions of a request.

use beringia_history::MARKER;
use serde_json::{Map, Value, json};

/// The name and the value of the marker in expressions, which no recorded application uses.
const NAME: &str = "#beringiaMark";
const VALUE: &str = ":beringiaMark";

/// Makes an `UpdateItem`, or the update of a transaction, also set the marker.
pub(super) fn set_by_update(update: &mut Value, marker: &str) {
    // The older form and expressions must not be mixed.
    let is_older = |name: &&str| update.get(name).is_some_and(|value| !value.is_null());
    if ["AttributeUpdates", "Expected", "ConditionalOperator"]
        .iter()
        .any(is_older)
    {
        update["AttributeUpdates"][MARKER] = json!({ "Action": "PUT", "Value": { "S": marker } });
    } else {
        let expression = update["UpdateExpression"].as_str().unwrap_or_default();
        update["UpdateExpression"] = json!(with_marker_set(expression));
        name_marker(update);
        update["ExpressionAttributeValues"][VALUE] = json!({ "S": marker });
    }
}

fn name_marker(parameters: &mut Value) {
    let names = &mut parameters["ExpressionAttributeNames"];
    if names.is_null() {
        *names = Value::Object(Map::new());
    }
    names[NAME] = json!(MARKER);
}

/// Adds the marker to a read's projection, if it has one. An index need not contain it.
pub(super) fn show(read: &mut Value) {
    if read.get("IndexName").is_some_and(|index| !index.is_null()) {
        return;
    }
    if let Some(projection) = read.get("ProjectionExpression").and_then(Value::as_str) {
        read["ProjectionExpression"] = json!(format!("{projection}, {NAME}"));
        name_marker(read);
    }
}

/// Extends an update expression so that it also sets the marker. `SET` is a reserved word, so where
/// it is alone, it is the clause.
fn with_marker_set(expression: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || "_#:.".contains(c);
    let mut start = None;
    for (index, c) in expression.char_indices().chain([(expression.len(), ' ')]) {
        match (start, is_word(c)) {
            (None, true) => start = Some(index),
            (Some(begun), false) => {
                if expression[begun..index].eq_ignore_ascii_case("set") {
                    let (before, after) = expression.split_at(index);
                    return format!("{before} {NAME} = {VALUE},{after}");
                }
                start = None;
            }
            _ => {}
        }
    }
    format!("SET {NAME} = {VALUE} {expression}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_set_the_marker_wherever_the_set_clause_is() {
        assert_eq!(
            with_marker_set("SET a = :a"),
            "SET #beringiaMark = :beringiaMark, a = :a"
        );
        assert_eq!(
            with_marker_set("REMOVE b.set set a = a + :a"),
            "REMOVE b.set set #beringiaMark = :beringiaMark, a = a + :a"
        );
        assert_eq!(
            with_marker_set("ADD offset :a"),
            "SET #beringiaMark = :beringiaMark ADD offset :a"
        );
        assert_eq!(with_marker_set(""), "SET #beringiaMark = :beringiaMark");
    }
}
