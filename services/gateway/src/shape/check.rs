//! Checks a request against its shape.

use beringia_engine::ApiError;
use beringia_item::{JsonErrorKind, item_from_json, value_from_json};
use serde_json::{Map, Value};

use super::{
    Lengths, Member, Presence, Shape, Structure, Text, boolean, integer,
    show::{Path, show},
};
use crate::error::unreadable;

/// The maximum number of errors that DynamoDB lists.
const ERRORS_MAX: usize = 10;

/// Checks a request: its types, then its constraints, then whether everything in it is supported.
///
/// # Errors
/// SerializationException for the first wrong type, otherwise one ValidationException for all
/// broken constraints.
pub(crate) fn check(request: &Map<String, Value>, shape: &Structure) -> Result<(), ApiError> {
    let mut traversal = Traversal::default();
    traversal.structure(request, shape, &Path::Root)?;
    if let Some(first) = traversal.first.take() {
        return Err(ApiError::Validation(first));
    }
    if !traversal.broken.is_empty() {
        traversal.attributes_readable()?;
        let count = traversal.broken.len();
        let plural = if count == 1 { "" } else { "s" };
        return Err(ApiError::Validation(format!(
            "{count} validation error{plural} detected: {}",
            traversal.broken.join("; ")
        )));
    }
    traversal
        .unsupported
        .map_or(Ok(()), |message| Err(ApiError::Validation(message)))
}

/// Whether a structure is a member, or an element or value; messages distinguish these.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Member,
    Inside,
}

/// A value that a message shows, with its shape.
type Shown<'a> = (&'a Value, &'a Shape);

/// A traversal of a request, with its findings.
#[derive(Default)]
struct Traversal<'r> {
    /// The error that is reported before everything else.
    first: Option<String>,
    broken: Vec<String>,
    unsupported: Option<String>,
    /// The attribute values found, whose types are checked before any constraint.
    attributes: Vec<(&'r Value, bool)>,
}

impl<'r> Traversal<'r> {
    fn structure(
        &mut self,
        fields: &'r Map<String, Value>,
        shape: &Structure,
        path: &Path<'_>,
    ) -> Result<(), ApiError> {
        for member in shape.members {
            let value = fields.get(member.name).filter(|value| !value.is_null());
            let at = if member.shows_value {
                Path::Member(path, member.name)
            } else {
                Path::WithoutValue(path, member.name)
            };
            self.presence(member, value, &at);
            match (value, &member.presence) {
                (Some(Value::String(text)), Presence::NewName) if text.is_empty() => {
                    self.broken(value.map(|value| (value, &member.shape)), &at, &longer(1));
                }
                (Some(value), _) => self.value(value, &member.shape, Place::Member, &at)?,
                (None, _) => {}
            }
        }
        Ok(())
    }

    fn presence(&mut self, member: &Member, value: Option<&Value>, path: &Path<'_>) {
        match (&member.presence, value) {
            (Presence::Required, None) => self.broken(None, path, "Member must not be null"),
            (Presence::RequiredFirst | Presence::NewName, None) => {
                let name = member.name;
                self.first.get_or_insert(format!(
                    "The parameter '{name}' is required but was not present in the request"
                ));
            }
            (Presence::RequiredFirst, Some(Value::String(text)))
                if !text.starts_with("arn:") && !(3..=255).contains(&text.chars().count()) =>
            {
                let name = member.name;
                self.first.get_or_insert(format!(
                    "{name} must be at least 3 characters long and at most 255 characters long"
                ));
            }
            (Presence::Unsupported { no_effect, hint }, Some(value)) if !no_effect(value) => {
                self.unsupported
                    .get_or_insert_with(|| not_supported(member.name, path, hint));
            }
            _ => {}
        }
    }

    fn value(&mut self, value: &'r Value, shape: &Shape, place: Place, path: &Path<'_>) -> Result<(), ApiError> {
        match shape {
            Shape::Text(constraints) => self.text((value, shape), constraints, place, path),
            Shape::Integer(name, min, max) => self.integer((value, shape), name, (*min, *max), path),
            Shape::Number(name) => number_type(value).ok_or_else(|| not_converted(value, name)),
            Shape::Time => number_type(value).ok_or_else(|| no_time(value)),
            Shape::Boolean => boolean_type(value),
            Shape::List { lengths, member } => {
                let members = list_type(value)?;
                if place == Place::Member {
                    self.lengths((value, shape), members.len(), *lengths, path);
                }
                self.judged_together("Member", members.iter(), (value, shape), member, path);
                for (position, value) in members.iter().enumerate().filter(|(_, value)| !value.is_null()) {
                    self.value(value, member, Place::Inside, &Path::Element(path, position + 1))?;
                }
                Ok(())
            }
            Shape::Map {
                class,
                lengths,
                keys,
                member,
            } => {
                let entries = map_type(value, class)?;
                self.lengths((value, shape), entries.len(), *lengths, path);
                self.keys((value, shape), entries, keys, path);
                self.judged_together("Map value", entries.values(), (value, shape), member, path);
                for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
                    self.value(value, member, Place::Inside, &Path::Entry(path, key))?;
                }
                Ok(())
            }
            Shape::Structure(structure) => {
                let fields = structure_type(value, structure.class, place)?;
                self.structure(fields, structure, path)
            }
            Shape::AttributeValue => {
                self.attributes.push((value, false));
                structure_type(value, "AttributeValue", place).map(|_| ())
            }
            Shape::AttributeMap => {
                self.attributes.push((value, true));
                map_type(value, "com.amazonaws.dynamodb.v20120810.AttributeValue").map(|_| ())
            }
        }
    }

    fn text(&mut self, shown: Shown<'_>, constraints: &Text, place: Place, path: &Path<'_>) -> Result<(), ApiError> {
        let Value::String(text) = shown.0 else {
            return Err(not_converted(shown.0, "String"));
        };
        if place == Place::Inside {
            return Ok(());
        }
        let names = constraints.names;
        if !names.is_empty() && !names.contains(&text.as_str()) {
            self.broken(Some(shown), path, &one_of(names));
        }
        let arn = is_arn(text, constraints);
        if let Some(pattern) = constraints.pattern
            && !arn
            && !(pattern.matches)(text)
        {
            self.broken(Some(shown), path, &like(pattern.regex));
        }
        let lengths = if arn { Lengths::ARN } else { constraints.lengths };
        if !lengths.is_any() {
            self.lengths(shown, text.chars().count(), lengths, path);
        }
        Ok(())
    }

    fn integer(&mut self, shown: Shown<'_>, name: &str, bounds: (i64, i64), path: &Path<'_>) -> Result<(), ApiError> {
        let number = integer(shown.0).ok_or_else(|| not_converted(shown.0, name))?;
        if number < bounds.0 {
            let min = bounds.0;
            self.broken(
                Some(shown),
                path,
                &format!("Member must have value greater than or equal to {min}"),
            );
        }
        if number > bounds.1 {
            let max = bounds.1;
            self.broken(
                Some(shown),
                path,
                &format!("Member must have value less than or equal to {max}"),
            );
        }
        Ok(())
    }

    fn lengths(&mut self, shown: Shown<'_>, length: usize, lengths: Lengths, path: &Path<'_>) {
        if length < lengths.min {
            self.broken(Some(shown), path, &longer(lengths.min));
        }
        if length > lengths.max {
            self.broken(Some(shown), path, &shorter(lengths.max));
        }
    }

    /// Checks the keys of a map, which are reported together in one error.
    fn keys(&mut self, shown: Shown<'_>, entries: &Map<String, Value>, keys: &Text, path: &Path<'_>) {
        if !entries.keys().all(|key| text_fits(key, keys)) {
            self.together("Map keys", shown, &text_constraints(keys), path);
        }
    }

    /// Checks texts and lists as members of a list or values of a map, which are also reported
    /// together; structures are checked one by one.
    fn judged_together<'v>(
        &mut self,
        what: &str,
        mut members: impl Iterator<Item = &'v Value>,
        shown: Shown<'_>,
        shape: &Shape,
        path: &Path<'_>,
    ) {
        match shape {
            Shape::Text(text)
                if !members.all(|member| member.as_str().is_none_or(|member| text_fits(member, text))) =>
            {
                self.together(what, shown, &text_constraints(text), path);
            }
            Shape::List { lengths, .. }
                if !members.all(|member| member.as_array().is_none_or(|list| lengths.fit(list.len()))) =>
            {
                self.together(what, shown, &length_constraints(*lengths), path);
            }
            _ => {}
        }
    }

    fn together(&mut self, what: &str, shown: Shown<'_>, constraints: &[String], path: &Path<'_>) {
        let constraints = constraints.join(", ");
        self.broken(
            Some(shown),
            path,
            &format!("{what} must satisfy constraint: [{constraints}]"),
        );
    }

    fn broken(&mut self, shown: Option<Shown<'_>>, path: &Path<'_>, constraint: &str) {
        if self.broken.len() < ERRORS_MAX {
            let subject = match (shown, path) {
                (Some(_), Path::WithoutValue(..)) => format!("Value at '{path:#}'"),
                _ => format!("Value {} at '{path}'", show(shown)),
            };
            self.broken
                .push(format!("{subject} failed to satisfy constraint: {constraint}"));
        }
    }

    /// Checks the types of attribute values, which take precedence over broken constraints.
    fn attributes_readable(&self) -> Result<(), ApiError> {
        for (value, map) in &self.attributes {
            let value = (*value).clone();
            let read = if *map {
                item_from_json(value).map(|_| ())
            } else {
                value_from_json(value).map(|_| ())
            };
            match read {
                Err(error) if error.kind == JsonErrorKind::Serialization => return Err(unreadable(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn not_supported(name: &str, path: &Path<'_>, hint: &str) -> String {
    let place = match path {
        Path::Member(Path::Root, _) => String::new(),
        nested => format!(" (at '{nested}')"),
    };
    let space = if hint.is_empty() { "" } else { " " };
    format!("The parameter {name}{place} is not supported yet.{space}{hint}")
}

fn longer(min: usize) -> String {
    format!("Member must have length greater than or equal to {min}")
}

fn shorter(max: usize) -> String {
    format!("Member must have length less than or equal to {max}")
}

fn like(regex: &str) -> String {
    format!("Member must satisfy regular expression pattern: {regex}")
}

fn one_of(names: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", names.join(", "))
}

fn is_arn(text: &str, constraints: &Text) -> bool {
    constraints.or_arn && text.starts_with("arn:")
}

/// Whether a text meets all constraints.
fn text_fits(text: &str, constraints: &Text) -> bool {
    let long = |lengths: Lengths| lengths.is_any() || lengths.fit(text.chars().count());
    if is_arn(text, constraints) {
        return long(Lengths::ARN);
    }
    (constraints.names.is_empty() || constraints.names.contains(&text))
        && constraints.pattern.is_none_or(|pattern| (pattern.matches)(text))
        && long(constraints.lengths)
}

/// All constraints of a text, as messages list them where several texts are reported together.
fn text_constraints(text: &Text) -> Vec<String> {
    let mut constraints = length_constraints(text.lengths);
    constraints.extend(text.pattern.map(|pattern| like(pattern.regex)));
    if !text.names.is_empty() {
        constraints.push(one_of(text.names));
    }
    constraints
}

fn length_constraints(lengths: Lengths) -> Vec<String> {
    let most = (lengths.max < usize::MAX).then(|| shorter(lengths.max));
    let least = (lengths.min > 0).then(|| longer(lengths.min));
    most.into_iter().chain(least).collect()
}

fn wrong(message: impl Into<String>) -> ApiError {
    ApiError::Serialization(message.into())
}

const STRUCTURE_FOUND: &str = "Start of structure or map found where not expected";
const MODEL: &str = "com.amazonaws.dynamodb.v20120810";

/// The error for a scalar of another type, or a value that is not a scalar, where a type of Java's
/// `java.lang` is expected.
fn not_converted(value: &Value, class: &str) -> ApiError {
    match scalar(value, &format!("java.lang.{class}")) {
        Ok(found) => wrong(format!("{found} cannot be converted to {class}")),
        Err(error) => error,
    }
}

/// The same error where a time is expected.
fn no_time(value: &Value) -> ApiError {
    match scalar(value, "java.util.Date") {
        Ok(found) => wrong(format!("{found} can not be converted to milliseconds since epoch")),
        Err(error) => error,
    }
}

/// DynamoDB's name for a scalar's type; an error if the value is not a scalar.
fn scalar(value: &Value, wanted: &str) -> Result<&'static str, ApiError> {
    match value {
        Value::Bool(true) => Ok("TRUE_VALUE"),
        Value::Bool(false) => Ok("FALSE_VALUE"),
        Value::Number(number) if number.is_f64() => Ok("DECIMAL_VALUE"),
        Value::Number(_) => Ok("NUMBER_VALUE"),
        Value::Array(_) => Err(wrong(format!("Unrecognized collection type class {wanted}"))),
        Value::Object(_) => Err(wrong(STRUCTURE_FOUND)),
        Value::String(_) | Value::Null => Ok("STRING_VALUE"),
    }
}

fn boolean_type(value: &Value) -> Result<(), ApiError> {
    match value {
        value if boolean(value).is_some() => Ok(()),
        Value::String(_) => Err(wrong("Unexpected token received from parser")),
        other => Err(not_converted(other, "Boolean")),
    }
}

fn number_type(value: &Value) -> Option<()> {
    value.is_number().then_some(())
}

fn list_type(value: &Value) -> Result<&Vec<Value>, ApiError> {
    match value {
        Value::Array(members) => Ok(members),
        Value::Object(_) => Err(wrong(STRUCTURE_FOUND)),
        _ => Err(wrong("Unexpected field type")),
    }
}

fn map_type<'v>(value: &'v Value, class: &str) -> Result<&'v Map<String, Value>, ApiError> {
    match value {
        Value::Object(entries) => Ok(entries),
        Value::Array(_) => Err(wrong(format!(
            "Unrecognized collection type java.util.Map<java.lang.String, {class}>"
        ))),
        _ => Err(wrong("Unexpected field type")),
    }
}

fn structure_type<'v>(value: &'v Value, class: &str, place: Place) -> Result<&'v Map<String, Value>, ApiError> {
    match (value, place) {
        (Value::Object(fields), _) => Ok(fields),
        (Value::Array(_), _) => Err(wrong(format!("Unrecognized collection type class {MODEL}.{class}"))),
        (_, Place::Member) => Err(wrong("Unexpected field type")),
        (_, Place::Inside) => Err(wrong("Unexpected value type in payload")),
    }
}
