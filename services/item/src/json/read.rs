//! Reads attribute values from DynamoDB's JSON. Errors carry DynamoDB's messages.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;

use super::{JsonError, JsonErrorKind};
use crate::{AttributeValue, Item, Number};

/// The class name of a value in DynamoDB's messages.
const VALUE_CLASS: &str = "com.amazonaws.dynamodb.v20120810.AttributeValue";

/// Reads attributes whose values have at most `levels` levels.
pub(super) fn item(json: Value, levels: usize) -> Result<Item, JsonError> {
    match json {
        Value::Object(attributes) if attributes.contains_key("") => Err(invalid("Empty attribute name")),
        Value::Object(attributes) => attributes
            .into_iter()
            .map(|(name, json)| Ok((name, value(json, levels)?)))
            .collect(),
        Value::Array(_) => Err(serialization(format!(
            "Unrecognized collection type java.util.Map<java.lang.String, {VALUE_CLASS}>"
        ))),
        _ => Err(serialization("Unexpected field type")),
    }
}

/// Reads a value that has at most `levels` levels.
pub(super) fn value(json: Value, levels: usize) -> Result<AttributeValue, JsonError> {
    if levels == 0 {
        return Err(invalid(
            "Nesting Levels have exceeded supported limits: \
             Attributes in the item have nested levels beyond supported limit",
        ));
    }
    let members = match json {
        Value::Object(members) => members,
        // DynamoDB treats a null member as an absent one.
        Value::Null => return Err(invalid(EMPTY)),
        Value::Array(_) => {
            return Err(serialization(format!(
                "Unrecognized collection type class {VALUE_CLASS}"
            )));
        }
        _ => return Err(serialization("Unexpected value type in payload")),
    };
    let mut found = None;
    for (name, contents) in members {
        if contents.is_null() {
            continue;
        }
        let Some(read) = typed(&name, contents, levels)? else {
            continue;
        };
        if found.replace(read).is_some() {
            return Err(invalid(
                "Supplied AttributeValue has more than one datatypes set, \
                 must contain exactly one of the supported datatypes",
            ));
        }
    }
    found.ok_or_else(|| invalid(EMPTY))
}

const EMPTY: &str = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";

/// Reads the contents of the type called `name`. `None` if there is no such type, which DynamoDB
/// ignores.
fn typed(name: &str, contents: Value, levels: usize) -> Result<Option<AttributeValue>, JsonError> {
    Ok(Some(match name {
        "S" => AttributeValue::S(string(contents)?),
        "N" => AttributeValue::N(number(&string(contents)?)?),
        "B" => AttributeValue::B(blob(contents)?),
        "BOOL" => AttributeValue::Bool(boolean(&contents)?),
        "NULL" => {
            if !boolean(&contents)? {
                return Err(invalid_parameter(
                    "Null attribute value types must have the value of true",
                ));
            }
            AttributeValue::Null
        }
        "L" => AttributeValue::L(
            list(contents)?
                .into_iter()
                .map(|json| value(json, levels - 1))
                .collect::<Result<_, _>>()?,
        ),
        "M" => AttributeValue::M(item(contents, levels - 1)?),
        "SS" => AttributeValue::Ss(string_set(contents)?),
        "NS" => AttributeValue::Ns(number_set(contents)?),
        "BS" => AttributeValue::Bs(bytes_set(contents)?),
        _ => return Ok(None),
    }))
}

fn string_set(json: Value) -> Result<BTreeSet<String>, JsonError> {
    let members = list(json)?.into_iter().map(string).collect::<Result<Vec<_>, _>>()?;
    if members.is_empty() {
        return Err(invalid_parameter("An string set  may not be empty"));
    }
    distinct(members).map_err(|members| {
        let shown = members.join(", ");
        duplicates(invalid_parameter(&format!(
            "Input collection [{shown}] contains duplicates."
        )))
    })
}

fn number_set(json: Value) -> Result<BTreeSet<Number>, JsonError> {
    let members = list(json)?.into_iter().map(string).collect::<Result<Vec<_>, _>>()?;
    if members.is_empty() {
        return Err(about_numbers(invalid_parameter("An number set  may not be empty")));
    }
    let members = members.iter().map(|text| number(text)).collect::<Result<Vec<_>, _>>()?;
    distinct(members).map_err(|_| duplicates(invalid("Input collection contains duplicates")))
}

fn bytes_set(json: Value) -> Result<BTreeSet<Bytes>, JsonError> {
    let members = list(json)?.into_iter().map(blob).collect::<Result<Vec<_>, _>>()?;
    if members.is_empty() {
        return Err(invalid_parameter("Binary sets should not be empty"));
    }
    distinct(members).map_err(|members| {
        let texts: Vec<String> = members.iter().map(|member| STANDARD.encode(member)).collect();
        let shown = texts.join(", ");
        // The missing space is DynamoDB's.
        duplicates(invalid_parameter(&format!(
            "Input collection [{shown}]of type BS contains duplicates."
        )))
    })
}

/// Collects the members into a set. Returns them unchanged if one repeats.
fn distinct<T: Ord>(members: Vec<T>) -> Result<BTreeSet<T>, Vec<T>> {
    if members.iter().collect::<BTreeSet<_>>().len() < members.len() {
        return Err(members);
    }
    Ok(members.into_iter().collect())
}

fn number(text: &str) -> Result<Number, JsonError> {
    text.parse()
        .map_err(|error: crate::NumberError| about_numbers(invalid(error.to_string())))
}

fn string(json: Value) -> Result<String, JsonError> {
    match json {
        Value::String(text) => Ok(text),
        other => Err(no_conversion(&other, "String")),
    }
}

/// DynamoDB also accepts a few strings as booleans.
fn boolean(json: &Value) -> Result<bool, JsonError> {
    const TRUE: [&str; 3] = ["true", "1", "yes"];
    const FALSE: [&str; 3] = ["false", "0", "no"];
    match json {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if TRUE.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(true),
        Value::String(text) if FALSE.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(false),
        Value::String(_) => Err(serialization("Unexpected token received from parser")),
        other => Err(no_conversion(other, "Boolean")),
    }
}

fn blob(json: Value) -> Result<Bytes, JsonError> {
    match json {
        Value::String(text) => match STANDARD.decode(&text) {
            Ok(bytes) => Ok(bytes.into()),
            Err(_) if text.len() % 4 != 0 => Err(serialization(format!(
                "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
                text.len()
            ))),
            // The misspelling is DynamoDB's.
            Err(_) => Err(serialization("Invalid last non-pad Base64 character dectected")),
        },
        Value::Array(_) => Err(serialization("Unrecognized collection type class java.nio.ByteBuffer")),
        Value::Object(_) => Err(serialization(UNEXPECTED_START)),
        _ => Err(serialization("only base-64-encoded strings are convertible to bytes")),
    }
}

fn list(json: Value) -> Result<Vec<Value>, JsonError> {
    match json {
        Value::Array(members) => Ok(members),
        Value::Object(_) => Err(serialization(UNEXPECTED_START)),
        _ => Err(serialization("Unexpected field type")),
    }
}

const UNEXPECTED_START: &str = "Start of structure or map found where not expected";

/// DynamoDB's message for JSON of another type where it expects a Java class.
fn no_conversion(json: &Value, class: &str) -> JsonError {
    let kind = match json {
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Null => "NULL_VALUE",
        Value::Array(_) => return serialization(format!("Unrecognized collection type class java.lang.{class}")),
        Value::Object(_) => return serialization(UNEXPECTED_START),
    };
    serialization(format!("{kind} cannot be converted to {class}"))
}

fn serialization(message: impl Into<String>) -> JsonError {
    JsonError {
        kind: JsonErrorKind::Serialization,
        message: message.into(),
    }
}

fn invalid(message: impl Into<String>) -> JsonError {
    JsonError {
        kind: JsonErrorKind::Invalid,
        message: message.into(),
    }
}

fn about_numbers(error: JsonError) -> JsonError {
    JsonError {
        kind: JsonErrorKind::Number,
        ..error
    }
}

fn duplicates(error: JsonError) -> JsonError {
    JsonError {
        kind: JsonErrorKind::Duplicates,
        ..error
    }
}

fn invalid_parameter(message: &str) -> JsonError {
    invalid(format!("One or more parameter values were invalid: {message}"))
}
