//! The shapes of requests, as data: which members there are, of which types, within which bounds, and which of them this server
//! supports.
//!
//! The tables in [`requests`] state what the public model of the API says (with the bounds that DynamoDB enforces where the model
//! is laxer); [`check()`] walks a request along its table and answers as DynamoDB does: a member of a wrong type first, as a
//! SerializationException, then all broken constraints at once, as one ValidationException. A member that the table does not know
//! is ignored, as DynamoDB ignores it; one that the table knows and this server does not support yet is refused by name, so that
//! nothing is silently ignored. After a check the decoders in [`crate::decode`] find what they expect.

mod check;
pub(crate) mod requests;
mod show;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub(crate) use check::check;

/// The type of a value, with its constraints.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A string.
    Text(Text),
    /// A whole number within bounds.
    Integer { name: &'static str, min: i64, max: i64 },
    /// True or false.
    Boolean,
    /// A list of at least `min` and at most `max` members.
    List {
        min: usize,
        max: usize,
        member: &'static Shape,
    },
    /// A map. The class is the Java name of its values, which messages mention.
    Map {
        class: &'static str,
        min: usize,
        keys: Option<Text>,
        values: Option<Lengths>,
        member: &'static Shape,
    },
    /// A structure.
    Structure(&'static Structure),
    /// An attribute value; [`beringia_item::value_from_json`] reads it.
    AttributeValue,
    /// A map of attribute values; [`beringia_item::item_from_json`] reads it.
    AttributeMap,
}

/// The constraints of a string.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text {
    pub(crate) pattern: Option<Pattern>,
    pub(crate) lengths: Lengths,
    /// The values of an enumeration; empty where any text will do.
    pub(crate) names: &'static [&'static str],
}

/// How many characters or members there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    pub(crate) min: usize,
    pub(crate) max: usize,
}

impl Lengths {
    pub(crate) const ANY: Self = Self {
        min: 0,
        max: usize::MAX,
    };
}

/// What a string must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// The name of a table or index.
    Name,
    /// The name of a table, or its ARN (to which neither the pattern nor the lengths of a name apply).
    NameOrArn,
}

impl Pattern {
    /// As messages show it.
    pub(crate) const REGEX: &'static str = "[a-zA-Z0-9_.-]+";

    pub(crate) fn matches(text: &str) -> bool {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    }
}

/// A structure's members, in the order in which their errors are listed.
#[derive(Debug)]
pub(crate) struct Structure {
    /// Its Java name, which messages mention.
    pub(crate) class: &'static str,
    pub(crate) members: &'static [Member],
}

/// A member of a structure.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) presence: Presence,
}

/// Whether a member must be, may be, or cannot be.
#[derive(Debug)]
pub(crate) enum Presence {
    /// `Member must not be null`.
    Required,
    /// The same, but found before anything else, and told in other words: the table names of requests about tables.
    RequiredFirst,
    /// May be left out.
    Optional,
    /// DynamoDB knows it and this server does not yet. `harmless` are the values that ask for what is so anyway; the
    /// hint says what to do instead.
    Unsupported {
        harmless: fn(&Value) -> bool,
        hint: &'static str,
    },
}

impl Member {
    pub(crate) const fn required(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            presence: Presence::Required,
        }
    }

    pub(crate) const fn required_first(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            presence: Presence::RequiredFirst,
        }
    }

    pub(crate) const fn optional(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            presence: Presence::Optional,
        }
    }

    pub(crate) const fn unsupported(name: &'static str, shape: Shape, hint: &'static str) -> Self {
        Self {
            name,
            shape,
            presence: Presence::Unsupported { harmless: never, hint },
        }
    }

    pub(crate) const fn unsupported_but(name: &'static str, shape: Shape, harmless: fn(&Value) -> bool) -> Self {
        Self {
            name,
            shape,
            presence: Presence::Unsupported { harmless, hint: "" },
        }
    }
}

fn never(_: &Value) -> bool {
    false
}

/// A JSON value as DynamoDB reads it where it wants a boolean: some texts count too.
pub(crate) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A JSON number as DynamoDB reads it where it wants a whole one: without its fraction.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a conversion from a float saturates, and bounds are checked after it"
    )]
    let floor = |number: f64| number.floor() as i64;
    value.as_i64().or_else(|| value.as_f64().map(floor))
}
