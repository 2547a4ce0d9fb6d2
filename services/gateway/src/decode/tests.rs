//! Requests of every operation, in full and minimal form, and what the engine receives.

mod items;
mod many;
mod tables;

use beringia_item::{AttributeValue, Item};
use serde_json::{Value, json};

use super::*;

/// Decodes a request that must be valid.
#[track_caller]
fn read<T: Decode>(request: Value) -> T {
    match refused(request) {
        Ok(read) => read,
        Err(error) => panic!("{error:?}"),
    }
}

fn refused<T: Decode>(request: Value) -> Result<T, ApiError> {
    match request {
        Value::Object(members) => decode(members),
        other => panic!("{other} is not a JSON object"),
    }
}

/// The validation message of a request that must be rejected.
#[track_caller]
fn invalid<T: Decode>(request: Value) -> String {
    match refused::<T>(request).err() {
        Some(ApiError::Validation(message)) => message,
        other => panic!("{other:?}"),
    }
}

/// An item with one attribute.
fn item(name: &str, text: &str) -> Item {
    Item::from([(name.to_owned(), value(text))])
}

fn value(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// `ExpressionAttributeNames` of one name.
fn names() -> beringia_engine::api::ExpressionNames {
    Some([("#a".to_owned(), "a".to_owned())].into())
}

/// `ExpressionAttributeValues` of one value.
fn values() -> beringia_engine::api::ExpressionValues {
    Some([(":v".to_owned(), value("v"))].into())
}

/// A request extended by the members of `all`.
fn with(mut request: Value, all: &Value) -> Value {
    let (Value::Object(members), Value::Object(more)) = (&mut request, all) else {
        panic!("both must be JSON objects")
    };
    members.extend(more.clone());
    request
}

/// The members with the names and values of expressions.
fn placeholders() -> Value {
    json!({"ExpressionAttributeNames": {"#a": "a"}, "ExpressionAttributeValues": {":v": {"S": "v"}}})
}

#[test]
fn invalid_attribute_value_has_the_item_crates_message() {
    use beringia_engine::api::PutItemInput;
    let put = |attribute: Value| json!({"TableName": "Music", "Item": {"pk": attribute}});
    assert_eq!(
        invalid::<PutItemInput>(put(json!({}))),
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
    );
    let mistyped = refused::<PutItemInput>(put(json!({"S": 1})));
    assert_eq!(
        mistyped,
        Err(ApiError::Serialization(
            "NUMBER_VALUE cannot be converted to String".to_owned()
        ))
    );
}

#[test]
fn invalid_expression_value_is_named() {
    use beringia_engine::api::ScanInput;
    let scan = json!({"TableName": "Music", "ExpressionAttributeValues": {":v": {"N": "x"}}});
    assert_eq!(
        invalid::<ScanInput>(scan),
        "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x for key :v"
    );
}

#[test]
fn null_counts_as_absent() {
    use beringia_engine::api::GetItemInput;
    let request = json!({
        "TableName": "Music", "Key": {"pk": {"S": "a"}}, "ConsistentRead": null, "ProjectionExpression": null,
        "ExpressionAttributeNames": null, "ReturnConsumedCapacity": null, "AttributesToGet": null,
    });
    let expected = GetItemInput {
        table_name: "Music".to_owned(),
        key: item("pk", "a"),
        ..GetItemInput::default()
    };
    assert_eq!(read::<GetItemInput>(request), expected);
}
