//! The shapes of requests, as data: which members there are, of which types, within which bounds, and which of them this server
//! supports.
//!
//! The tables in [`requests`] state what the public model of the API says, corrected where DynamoDB is known to differ; they are
//! generated. [`check()`] walks a request along its table and answers as DynamoDB does: a member of a wrong type first, as a
//! SerializationException, then all broken constraints at once, as one ValidationException. A member that the table does not know
//! is ignored, as DynamoDB ignores it; one that the table knows and this server does not support yet is refused by name, so that
//! nothing is silently ignored. After a check the decoders in [`crate::decode`] find what they expect.

mod check;
mod harmless;
mod pattern;
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
    /// A whole number: its Java name, which messages mention, the least and the greatest.
    Integer(&'static str, i64, i64),
    /// Any number, with its Java name.
    Number(&'static str),
    /// A time: seconds since the epoch.
    Time,
    /// True or false.
    Boolean,
    /// A list.
    List { lengths: Lengths, member: &'static Shape },
    /// A map. The class is the Java name of its values, which messages mention.
    Map {
        class: &'static str,
        lengths: Lengths,
        keys: Text,
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
    pattern: Option<Pattern>,
    lengths: Lengths,
    /// The values of an enumeration; empty where any text will do.
    names: &'static [&'static str],
    /// Whether an ARN will do as well, to which neither the pattern nor the lengths apply.
    or_arn: bool,
}

impl Text {
    /// Any string.
    pub(crate) const ANY: Self = Self::of(Lengths::ANY);

    /// A string of so many characters.
    pub(crate) const fn of(lengths: Lengths) -> Self {
        Self {
            pattern: None,
            lengths,
            names: &[],
            or_arn: false,
        }
    }

    /// One of these strings.
    pub(crate) const fn one_of(names: &'static [&'static str]) -> Self {
        Self { names, ..Self::ANY }
    }

    /// A string that a pattern of the model, and so the function, matches.
    pub(crate) const fn like(regex: &'static str, matches: fn(&str) -> bool, lengths: Lengths) -> Self {
        Self {
            pattern: Some(Pattern { regex, matches }),
            ..Self::of(lengths)
        }
    }

    /// The same, or an ARN.
    pub(crate) const fn or_arn(self) -> Self {
        Self { or_arn: true, ..self }
    }
}

/// How many characters or members there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    min: usize,
    max: usize,
}

impl Lengths {
    pub(crate) const ANY: Self = Self::at_least(0);
    /// Of an ARN.
    const ARN: Self = Self::of(1, 1024);

    pub(crate) const fn at_least(min: usize) -> Self {
        Self::of(min, usize::MAX)
    }

    pub(crate) const fn of(min: usize, max: usize) -> Self {
        Self { min, max }
    }

    const fn is_any(self) -> bool {
        self.min == 0 && self.max == usize::MAX
    }

    fn fit(self, length: usize) -> bool {
        (self.min..=self.max).contains(&length)
    }
}

/// What a string must look like.
#[derive(Debug, Clone, Copy)]
struct Pattern {
    /// As messages show it.
    regex: &'static str,
    matches: fn(&str) -> bool,
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
    name: &'static str,
    shape: Shape,
    presence: Presence,
}

/// Whether a member must be, may be, or cannot be.
#[derive(Debug)]
enum Presence {
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
    const fn of(name: &'static str, shape: Shape, presence: Presence) -> Self {
        Self { name, shape, presence }
    }

    pub(crate) const fn required(name: &'static str, shape: Shape) -> Self {
        Self::of(name, shape, Presence::Required)
    }

    pub(crate) const fn required_first(name: &'static str, shape: Shape) -> Self {
        Self::of(name, shape, Presence::RequiredFirst)
    }

    pub(crate) const fn optional(name: &'static str, shape: Shape) -> Self {
        Self::of(name, shape, Presence::Optional)
    }

    pub(crate) const fn unsupported(
        name: &'static str,
        shape: Shape,
        harmless: fn(&Value) -> bool,
        hint: &'static str,
    ) -> Self {
        Self::of(name, shape, Presence::Unsupported { harmless, hint })
    }
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
