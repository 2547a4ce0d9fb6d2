//! A JSON object whose members are taken out one by one.

use std::collections::BTreeMap;

use beringia_engine::{
    ApiError,
    api::{ExpressionNames, ExpressionValues},
};
use beringia_item::{AttributeValue, Item, JsonError, item_from_json, operand_from_json, value_from_json};
use serde_json::{Map, Value};

use crate::{
    error::unreadable,
    shape::{boolean, integer},
};

/// The members of a structure that has passed the check of its shape: each member has the right
/// type or is absent, and required ones are present. A violation of this is reported as a missing
/// member.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) const fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    pub(super) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self(members)),
            _ => None,
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn required_text(&mut self, name: &str) -> Result<String, ApiError> {
        self.text(name).ok_or_else(|| ApiError::missing(name))
    }

    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        boolean(&self.take(name)?)
    }

    pub(super) fn integer(&mut self, name: &str) -> Option<i64> {
        integer(&self.take(name)?)
    }

    /// Takes a time, which is in seconds with a fraction on the wire, as milliseconds since the
    /// epoch; 0 for a time before the epoch.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a conversion from a float saturates"
    )]
    pub(super) fn milliseconds(&mut self, name: &str) -> Option<u64> {
        let seconds = self.take(name)?.as_f64()?;
        Some((seconds * 1000.0).round() as u64)
    }

    /// Takes a value of an enumeration and converts it by its `from_wire`.
    pub(super) fn one_of<T>(
        &mut self,
        name: &str,
        from_wire: fn(&str, &str) -> Result<T, ApiError>,
    ) -> Result<Option<T>, ApiError> {
        self.text(name).map(|text| from_wire(&text, name)).transpose()
    }

    /// Takes a required value of an enumeration.
    pub(super) fn required_one_of<T>(
        &mut self,
        name: &str,
        from_wire: fn(&str, &str) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        from_wire(&self.required_text(name)?, name)
    }

    pub(super) fn structure(&mut self, name: &str) -> Option<Self> {
        self.take(name).and_then(Self::of)
    }

    /// Takes a list of structures and reads each element.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        read: fn(Self) -> Result<T, ApiError>,
    ) -> Result<Option<Vec<T>>, ApiError> {
        self.take(name).map(|value| elements(value, read)).transpose()
    }

    /// Takes a required list of structures and reads each element.
    pub(super) fn required_list<T>(
        &mut self,
        name: &str,
        read: fn(Self) -> Result<T, ApiError>,
    ) -> Result<Vec<T>, ApiError> {
        self.list(name, read)?.ok_or_else(|| ApiError::missing(name))
    }

    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        match self.take(name)? {
            Value::Array(elements) => Some(elements.into_iter().filter_map(into_text).collect()),
            _ => None,
        }
    }

    /// Takes a map and reads each of its values.
    pub(super) fn map<T>(
        &mut self,
        name: &str,
        read: fn(Value) -> Result<T, ApiError>,
    ) -> Result<Option<BTreeMap<String, T>>, ApiError> {
        let Some(Value::Object(entries)) = self.take(name) else {
            return Ok(None);
        };
        let read = |(key, value)| Ok((key, read(value)?));
        entries.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// Takes a required map and reads each of its values.
    pub(super) fn required_map<T>(
        &mut self,
        name: &str,
        read: fn(Value) -> Result<T, ApiError>,
    ) -> Result<BTreeMap<String, T>, ApiError> {
        self.map(name, read)?.ok_or_else(|| ApiError::missing(name))
    }

    /// Takes an attribute value, if present.
    pub(super) fn value(&mut self, name: &str) -> Result<Option<AttributeValue>, ApiError> {
        self.take(name)
            .map(|value| value_from_json(value).map_err(unreadable))
            .transpose()
    }

    /// Takes a list of attribute values.
    pub(super) fn values(&mut self, name: &str) -> Result<Option<Vec<AttributeValue>>, ApiError> {
        let Some(Value::Array(elements)) = self.take(name) else {
            return Ok(None);
        };
        let read = |element| value_from_json(element).map_err(unreadable);
        elements.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn item(&mut self, name: &str) -> Result<Option<Item>, JsonError> {
        self.take(name).map(item_from_json).transpose()
    }

    pub(super) fn required_item(&mut self, name: &str) -> Result<Item, ApiError> {
        self.item(name)
            .map_err(unreadable)?
            .ok_or_else(|| ApiError::missing(name))
    }

    /// Takes a list of items.
    pub(super) fn items(&mut self, name: &str) -> Result<Vec<Item>, ApiError> {
        match self.take(name) {
            Some(Value::Array(elements)) => elements
                .into_iter()
                .map(|element| item_from_json(element).map_err(unreadable))
                .collect(),
            _ => Err(ApiError::missing(name)),
        }
    }

    /// Takes the member `ExpressionAttributeNames`. `None` if the request has none.
    pub(super) fn expression_names(&mut self) -> ExpressionNames {
        match self.take("ExpressionAttributeNames")? {
            Value::Object(entries) => Some(
                entries
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, into_text(value)?)))
                    .collect(),
            ),
            _ => None,
        }
    }

    /// Takes the member `ExpressionAttributeValues`. `None` if the request has none; the error
    /// names an invalid value.
    pub(super) fn expression_values(&mut self) -> Result<ExpressionValues, ApiError> {
        let Some(Value::Object(entries)) = self.take("ExpressionAttributeValues") else {
            return Ok(None);
        };
        let mut values = BTreeMap::new();
        for (name, value) in entries {
            let value = expression_value(&name, value)?;
            values.insert(name, value);
        }
        Ok(Some(values))
    }
}

/// Reads each element of a list of structures.
pub(super) fn elements<T>(list: Value, read: fn(Fields) -> Result<T, ApiError>) -> Result<Vec<T>, ApiError> {
    match list {
        Value::Array(elements) => elements.into_iter().filter_map(Fields::of).map(read).collect(),
        _ => Ok(Vec::new()),
    }
}

/// Reads one value of `ExpressionAttributeValues`; an error names the value.
fn expression_value(name: &str, value: Value) -> Result<AttributeValue, ApiError> {
    operand_from_json(value).map_err(|error| match unreadable(error) {
        ApiError::Validation(message) => ApiError::Validation(format!(
            "ExpressionAttributeValues contains invalid value: {message} for key {name}"
        )),
        other => other,
    })
}

fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
