//! Short notations for items and placeholders.

use std::{collections::BTreeMap, fmt::Debug};

use beringia_expression::{Condition, ConditionKind, ExpressionError, KeyCondition, Placeholders, Projection, Update};
use beringia_item::{AttributeValue, Item};
use bytes::Bytes;
use serde_json::Value;

/// The value that JSON stands for: strings, numbers, booleans, null, lists and maps. `{"$b":
/// "text"}` is a binary, `{"$ss": […]}`, `{"$ns": […]}` and `{"$bs": […]}` are sets, `{"$n":
/// "1E10"}` a number too large for JSON.
pub(crate) fn value(json: &Value) -> AttributeValue {
    let texts = |json: &Value| -> Vec<String> {
        json.as_array()
            .unwrap()
            .iter()
            .map(|element| element.as_str().unwrap().to_owned())
            .collect()
    };
    match json {
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Number(number) => AttributeValue::N(number.to_string().parse().unwrap()),
        Value::Bool(flag) => AttributeValue::Bool(*flag),
        Value::Null => AttributeValue::Null,
        Value::Array(elements) => AttributeValue::L(elements.iter().map(value).collect()),
        Value::Object(members) => match members.iter().next().map(|(key, inner)| (key.as_str(), inner)) {
            Some(("$b", text)) => AttributeValue::B(Bytes::from(text.as_str().unwrap().to_owned())),
            Some(("$n", text)) => AttributeValue::N(text.as_str().unwrap().parse().unwrap()),
            Some(("$ss", set)) => AttributeValue::Ss(texts(set).into_iter().collect()),
            Some(("$bs", set)) => AttributeValue::Bs(texts(set).into_iter().map(Bytes::from).collect()),
            Some(("$ns", set)) => AttributeValue::Ns(
                set.as_array()
                    .unwrap()
                    .iter()
                    .map(|n| n.to_string().parse().unwrap())
                    .collect(),
            ),
            _ => AttributeValue::M(item(json)),
        },
    }
}

/// The item that a JSON object stands for.
pub(crate) fn item(json: &Value) -> Item {
    json.as_object()
        .unwrap()
        .iter()
        .map(|(name, inner)| (name.clone(), value(inner)))
        .collect()
}

/// `#names` and `:values` from one JSON object; `None` for a kind that it does not contain.
pub(crate) fn placeholders(json: &Value) -> Placeholders {
    let mut names = BTreeMap::new();
    let mut values = BTreeMap::new();
    for (key, meaning) in json.as_object().unwrap() {
        if key.starts_with('#') {
            names.insert(key.clone(), meaning.as_str().unwrap().to_owned());
        } else {
            values.insert(key.clone(), value(meaning));
        }
    }
    Placeholders::new(
        (!names.is_empty()).then_some(names),
        (!values.is_empty()).then_some(values),
    )
    .unwrap()
}

pub(crate) fn condition(text: &str, meanings: &Value) -> Result<Condition, ExpressionError> {
    Condition::parse(text, ConditionKind::Condition, &mut placeholders(meanings))
}

pub(crate) fn key_condition(text: &str, meanings: &Value) -> Result<KeyCondition, ExpressionError> {
    KeyCondition::parse(text, &mut placeholders(meanings))
}

pub(crate) fn projection(text: &str, meanings: &Value) -> Result<Projection, ExpressionError> {
    Projection::parse(text, &mut placeholders(meanings))
}

pub(crate) fn update(text: &str, meanings: &Value) -> Result<Update, ExpressionError> {
    Update::parse(text, &mut placeholders(meanings))
}

/// Parses an expression from its text and placeholders.
type Parse<T> = fn(&str, &Value) -> Result<T, ExpressionError>;

/// Asserts the message about each rejected expression; `parameter` precedes all of them.
pub(crate) fn check_refused<T: Debug>(parse: Parse<T>, parameter: &str, cases: &[(&str, Value, &str)]) {
    for (text, meanings, expected) in cases {
        let refused = parse(text, meanings).expect_err(text);
        assert_eq!(
            refused.to_string(),
            format!("Invalid {parameter}: {expected}"),
            "{text} with {meanings}"
        );
    }
}

/// Asserts that none of these texts follows the grammar.
pub(crate) fn check_grammar_refuses<T: Debug>(parse: Parse<T>, parameter: &str, texts: &[&str]) {
    let expected = format!("Invalid {parameter}: Syntax error; token: ");
    for text in texts {
        let refused = parse(text, &Value::Object(Default::default()))
            .expect_err(text)
            .to_string();
        assert!(refused.starts_with(&expected), "{text}: {refused}");
    }
}
