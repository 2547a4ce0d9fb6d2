//! Recorded PartiQL statements: which item each writes or reads, and the same statement with a
//! marker.

use beringia_expression::Statement;
use beringia_history::{Effect, MARKER};
use beringia_item::{Item, KeySchema, item_to_json, value_from_json};
use serde_json::{Value, json};

use super::{Keys, effect};

/// The table and item of a statement, and its effect.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct About {
    /// The table's name or ARN.
    pub(super) table: String,
    /// The key, in attributes as in the API, if the statement concerns a single item.
    pub(super) key: Option<Value>,
    /// The effect of the statement; `None` if it reads.
    pub(super) effect: Option<Effect>,
}

/// Returns what a request's statement concerns; `None` if it is not a statement, which the region
/// will report too.
pub(super) fn about(request: &Value, keys: &Keys) -> Option<About> {
    let statement = parse(request)?;
    let table = statement.table().to_owned();
    let schema = keys.of(&table);
    let pinned = |filter: beringia_expression::Where, schema: &KeySchema| filter.pin(schema).ok().map(|pin| pin.key);
    let (key, effect) = match statement {
        Statement::Insert(insert) => {
            let effect = effect::of_item(insert.item.keys());
            (Some(insert.item), Some(effect))
        }
        Statement::Update(update) => {
            let effect = effect::of_update(&update.update);
            (schema.and_then(|schema| pinned(update.filter, schema)), Some(effect))
        }
        Statement::Delete(delete) => (
            schema.and_then(|schema| pinned(delete.filter, schema)),
            Some(Effect::Delete),
        ),
        Statement::Select(select) | Statement::Exists(select) => {
            (schema.and_then(|schema| pinned(select.filter, schema)), None)
        }
    };
    let attributes = |item: Item| item_to_json(&item);
    Some(About {
        table,
        key: key.map(attributes),
        effect,
    })
}

/// Makes an INSERT or an UPDATE also set the marker.
pub(super) fn set_marker(request: &mut Value, marker: &str) {
    let Some(statement) = parse(request) else { return };
    let text = request["Statement"].as_str().unwrap_or_default().to_owned();
    match (&statement, statement.place_for_more(&text)) {
        (Statement::Insert(_), Some(place)) => insert(request, &text, place, &format!("'{MARKER}': '{marker}', ")),
        // The whole item is a parameter.
        (Statement::Insert(_), None) => request["Parameters"][0]["M"][MARKER] = json!({ "S": marker }),
        (Statement::Update(_), Some(place)) => {
            insert(request, &text, place, &format!(" SET \"{MARKER}\" = '{marker}'"));
        }
        _ => {}
    }
}

/// Makes a DELETE return what it removed.
pub(super) fn ask_for_old_image(request: &mut Value) {
    let text = request["Statement"].as_str().unwrap_or_default().to_owned();
    if let Some(statement @ Statement::Delete(_)) = parse(request)
        && let Some(place) = statement.place_for_more(&text)
    {
        insert(request, &text, place, " RETURNING ALL OLD *");
    }
}

fn insert(request: &mut Value, text: &str, place: usize, more: &str) {
    let (before, after) = text.split_at(place);
    request["Statement"] = json!(format!("{before}{more}{after}"));
}

fn parse(request: &Value) -> Option<Statement> {
    let parameters = request["Parameters"].as_array().cloned().unwrap_or_default();
    let parameters: Result<Vec<_>, _> = parameters.into_iter().map(value_from_json).collect();
    Statement::parse(request["Statement"].as_str()?, parameters.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, parameters: &Value) -> Value {
        let mut request = json!({ "Statement": text, "Parameters": parameters });
        set_marker(&mut request, "a/1/2");
        request
    }

    /// A statement that writes also sets the marker.
    #[test]
    fn marked_statements_are_still_valid() {
        let none = json!([]);
        for (text, with_marker) in [
            (
                "INSERT INTO \"{\" VALUE {'id': '1', 'it''s': [{}]}",
                "INSERT INTO \"{\" VALUE {'beringia:mark': 'a/1/2', 'id': '1', 'it''s': [{}]}",
            ),
            (
                "update carts set n = n + 1 where id = '1' RETURNING ALL NEW *",
                "update carts SET \"beringia:mark\" = 'a/1/2' set n = n + 1 where id = '1' RETURNING ALL NEW *",
            ),
            (
                "UPDATE /* SET */ \"carts\"-- the\n REMOVE a.b[1] WHERE id = '1';",
                "UPDATE /* SET */ \"carts\" SET \"beringia:mark\" = 'a/1/2'-- the\n REMOVE a.b[1] WHERE id = '1';",
            ),
            ("DELETE FROM carts WHERE id = '1'", "DELETE FROM carts WHERE id = '1'"),
            ("SELECT * FROM carts", "SELECT * FROM carts"),
            ("INSERT INTO carts", "INSERT INTO carts"),
        ] {
            let request = marked(text, &none);
            assert_eq!(request["Statement"], with_marker);
            assert_eq!(parse(&request).is_some(), text != "INSERT INTO carts", "{with_marker}");
        }
        let whole = marked("INSERT INTO carts VALUE ?", &json!([{ "M": { "id": { "S": "1" } } }]));
        assert_eq!(
            whole["Parameters"],
            json!([{ "M": { "id": { "S": "1" }, MARKER: { "S": "a/1/2" } } }])
        );
    }

    #[test]
    fn a_delete_returns_what_it_removed() {
        for (text, telling) in [
            (
                "DELETE FROM carts WHERE id = '1' ; -- done",
                "DELETE FROM carts WHERE id = '1' RETURNING ALL OLD * ; -- done",
            ),
            (
                "DELETE FROM carts WHERE id = '1' RETURNING ALL OLD *",
                "DELETE FROM carts WHERE id = '1' RETURNING ALL OLD *",
            ),
            (
                "UPDATE carts SET a = 1 WHERE id = '1'",
                "UPDATE carts SET a = 1 WHERE id = '1'",
            ),
        ] {
            let mut request = json!({ "Statement": text });
            ask_for_old_image(&mut request);
            assert_eq!(request["Statement"], telling);
        }
    }
}
