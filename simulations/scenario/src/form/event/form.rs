//! An `[[event]]` as in the file: values by field, with their places.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed},
    ser::SerializeMap,
};
use toml::Spanned;

use super::fields::{ActionKind, FIELDS, FieldRole, NAMES, ValueShape, field};
use crate::form::nowhere;

pub(super) type Text = Spanned<String>;
/// The two ends of a link.
pub(super) type Pair = Spanned<Vec<Text>>;

/// The fields that an event has.
#[derive(Default)]
pub(in crate::form) struct EventForm(BTreeMap<&'static str, FieldValue>);

/// The value of a field, by its [`ValueShape`].
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum FieldValue {
    Text(Text),
    Flag(Spanned<bool>),
    Number(Spanned<f64>),
    Whole(Spanned<i64>),
    Count(Spanned<u32>),
    Link(Pair),
    LinkOrAll(Spanned<LinkOrAll>),
}

/// `"*"` for every link, or the two ends of one.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum LinkOrAll {
    All(String),
    Link(Vec<Text>),
}

impl EventForm {
    /// Sets a field to a value that was not read from a file.
    pub(super) fn set(&mut self, name: &'static str, value: FieldValue) {
        debug_assert!(
            field(name).is_some_and(|field| field.shape == value.shape()),
            "{name} is a field of this shape"
        );
        self.0.insert(name, value);
    }

    /// The fields that are there and say what happens, in the order of [`FIELDS`].
    pub(super) fn actions(&self) -> impl Iterator<Item = (&'static ActionKind, &FieldValue)> {
        FIELDS.iter().filter_map(|field| match &field.role {
            FieldRole::Action(kind) => Some((kind, self.0.get(field.name)?)),
            FieldRole::Time | FieldRole::Parameter => None,
        })
    }

    /// The parameters that are there, in the order of [`FIELDS`].
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'static str, &FieldValue)> {
        FIELDS.iter().filter_map(|field| match &field.role {
            FieldRole::Parameter => Some((field.name, self.0.get(field.name)?)),
            FieldRole::Time | FieldRole::Action(_) => None,
        })
    }

    pub(super) fn text(&self, name: &'static str) -> Option<&Text> {
        match self.value(name, ValueShape::Text)? {
            FieldValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns whether a flag is there and set.
    pub(super) fn flag(&self, name: &'static str) -> bool {
        match self.value(name, ValueShape::Flag) {
            Some(FieldValue::Flag(flag)) => *flag.get_ref(),
            _ => false,
        }
    }

    pub(super) fn number(&self, name: &'static str) -> Option<&Spanned<f64>> {
        match self.value(name, ValueShape::Number)? {
            FieldValue::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn whole(&self, name: &'static str) -> Option<&Spanned<i64>> {
        match self.value(name, ValueShape::Whole)? {
            FieldValue::Whole(number) => Some(number),
            _ => None,
        }
    }

    fn value(&self, name: &'static str, shape: ValueShape) -> Option<&FieldValue> {
        debug_assert!(
            field(name).is_some_and(|field| field.shape == shape),
            "{name} is a field of this shape"
        );
        self.0.get(name)
    }
}

impl FieldValue {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(nowhere(text.into()))
    }

    fn shape(&self) -> ValueShape {
        match self {
            Self::Text(_) => ValueShape::Text,
            Self::Flag(_) => ValueShape::Flag,
            Self::Number(_) => ValueShape::Number,
            Self::Whole(_) => ValueShape::Whole,
            Self::Count(_) => ValueShape::Count,
            Self::Link(_) => ValueShape::Link,
            Self::LinkOrAll(_) => ValueShape::LinkOrAll,
        }
    }

    /// Where the value begins in the file.
    pub(super) fn start(&self) -> usize {
        let span = match self {
            Self::Text(text) => text.span(),
            Self::Flag(flag) => flag.span(),
            Self::Number(number) => number.span(),
            Self::Whole(number) => number.span(),
            Self::Count(number) => number.span(),
            Self::Link(pair) => pair.span(),
            Self::LinkOrAll(link) => link.span(),
        };
        span.start
    }
}

impl Serialize for EventForm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for field in &FIELDS {
            if let Some(value) = self.0.get(field.name) {
                map.serialize_entry(field.name, value)?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for EventForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = EventForm;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("struct EventForm")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<EventForm, A::Error> {
                let mut form = EventForm::default();
                while let Some((name, shape)) = map.next_key_seed(FieldName)? {
                    form.0.insert(name, map.next_value_seed(shape)?);
                }
                Ok(form)
            }
        }
        deserializer.deserialize_struct("EventForm", &NAMES, Visitor)
    }
}

/// Reads the name of a field, and determines the type of its value.
struct FieldName;

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = (&'static str, ValueShape);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let name = String::deserialize(deserializer)?;
        let field = field(&name).ok_or_else(|| de::Error::unknown_field(&name, &NAMES))?;
        Ok((field.name, field.shape))
    }
}

impl<'de> DeserializeSeed<'de> for ValueShape {
    type Value = FieldValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FieldValue, D::Error> {
        Ok(match self {
            Self::Text => FieldValue::Text(Deserialize::deserialize(deserializer)?),
            Self::Flag => FieldValue::Flag(Deserialize::deserialize(deserializer)?),
            Self::Number => FieldValue::Number(Deserialize::deserialize(deserializer)?),
            Self::Whole => FieldValue::Whole(Deserialize::deserialize(deserializer)?),
            Self::Count => FieldValue::Count(Deserialize::deserialize(deserializer)?),
            Self::Link => FieldValue::Link(Deserialize::deserialize(deserializer)?),
            Self::LinkOrAll => FieldValue::LinkOrAll(Deserialize::deserialize(deserializer)?),
        })
    }
}

impl<'de> Deserialize<'de> for LinkOrAll {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Implemented manually because serde's derived code for untagged enums would lose the
        /// positions of inner values.
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = LinkOrAll;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"*\" for every link, or two regions, such as [\"us-east-1\", \"eu-west-1\"]")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<LinkOrAll, E> {
                match text {
                    "*" => Ok(LinkOrAll::All(text.to_owned())),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<LinkOrAll, A::Error> {
                Deserialize::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(LinkOrAll::Link)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
