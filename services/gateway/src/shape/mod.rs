//! The shapes of requests, as data: their members, the members' types and bounds, and which members
//! this server supports.
//!
//! The tables in [`requests`] follow the public model of the API, corrected where DynamoDB is known
//! to differ; they are generated. [`check()`] traverses a request along its table and answers as
//! DynamoDB does: a member of a wrong type is reported first, as a SerializationException, then all
//! broken constraints in one ValidationException. A member that the table does not contain is
//! ignored, as in DynamoDB. A member that the table contains and this server does not support yet
//! is rejected by name, so that nothing is silently ignored. After the check, the decoders in
//! [`crate::decode`] find what they expect.

mod check;
mod no_effect;
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
    /// A string, with its constraints.
    Text(Text),
    /// An integer: its Java name, which messages mention, its minimum and its maximum.
    Integer(&'static str, i64, i64),
    /// Any number, with its Java name.
    Number(&'static str),
    /// A time: seconds since the epoch.
    Time,
    /// A boolean; some texts count, too.
    Boolean,
    /// A list of values of one shape.
    List { lengths: Lengths, member: &'static Shape },
    /// A map. The class is the Java name of its values, which messages mention.
    Map {
        class: &'static str,
        lengths: Lengths,
        keys: Text,
        member: &'static Shape,
    },
    /// A structure with named members.
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
    /// The values of an enumeration; empty if any text is allowed.
    names: &'static [&'static str],
    /// Whether an ARN is also allowed. Neither the pattern nor the lengths apply to it.
    or_arn: bool,
}

impl Text {
    /// Any string, even an empty one.
    pub(crate) const ANY: Self = Self::of(Lengths::ANY);

    /// A string whose length lies within bounds.
    pub(crate) const fn of(lengths: Lengths) -> Self {
        Self {
            pattern: None,
            lengths,
            names: &[],
            or_arn: false,
        }
    }

    /// One of the values of an enumeration.
    pub(crate) const fn one_of(names: &'static [&'static str]) -> Self {
        Self { names, ..Self::ANY }
    }

    /// A string that matches a pattern of the model, which the function implements.
    pub(crate) const fn like(regex: &'static str, matches: fn(&str) -> bool, lengths: Lengths) -> Self {
        Self {
            pattern: Some(Pattern { regex, matches }),
            ..Self::of(lengths)
        }
    }

    /// Also allows an ARN, to which neither the pattern nor the lengths apply.
    pub(crate) const fn or_arn(self) -> Self {
        Self { or_arn: true, ..self }
    }
}

/// Bounds of the number of characters or members.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    min: usize,
    max: usize,
}

impl Lengths {
    pub(crate) const ANY: Self = Self::at_least(0);
    /// The bounds of an ARN.
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

/// A pattern that a string must match.
#[derive(Debug, Clone, Copy)]
struct Pattern {
    /// The regular expression, as messages show it.
    regex: &'static str,
    matches: fn(&str) -> bool,
}

/// A structure's members, in the order in which their errors are listed.
#[derive(Debug)]
pub(crate) struct Structure {
    /// The Java name, which messages mention.
    pub(crate) class: &'static str,
    pub(crate) members: &'static [Member],
}

/// A member of a structure.
#[derive(Debug)]
pub(crate) struct Member {
    name: &'static str,
    shape: Shape,
    presence: Presence,
    /// Whether messages about a broken constraint show the member's value.
    shows_value: bool,
}

/// Whether a member is required, optional or unsupported.
#[derive(Debug)]
enum Presence {
    /// Required; the message is `Member must not be null`.
    Required,
    /// Required and checked before anything else, with a message of its own: the table names of
    /// requests about tables.
    RequiredFirst,
    /// The name of a new table: if it is absent, as `RequiredFirst`. If it is empty, only that is
    /// reported.
    NewName,
    /// The member may be absent.
    Optional,
    /// DynamoDB has the member and this server does not yet. `no_effect` accepts the values that
    /// ask for the existing behaviour; the hint says what to do instead.
    Unsupported {
        no_effect: fn(&Value) -> bool,
        hint: &'static str,
    },
}

impl Member {
    const fn of(name: &'static str, shape: Shape, presence: Presence) -> Self {
        Self {
            name,
            shape,
            presence,
            shows_value: true,
        }
    }

    pub(crate) const fn required(name: &'static str, shape: Shape) -> Self {
        Self::of(name, shape, Presence::Required)
    }

    pub(crate) const fn required_first(name: &'static str, shape: Shape) -> Self {
        Self::of(name, shape, Presence::RequiredFirst)
    }

    pub(crate) const fn new_name(name: &'static str, shape: Shape) -> Self {
        Self::of(name, shape, Presence::NewName)
    }

    /// The member, reported without its value.
    pub(crate) const fn without_value(self) -> Self {
        Self {
            shows_value: false,
            ..self
        }
    }

    pub(crate) const fn optional(name: &'static str, shape: Shape) -> Self {
        Self::of(name, shape, Presence::Optional)
    }

    pub(crate) const fn unsupported(
        name: &'static str,
        shape: Shape,
        no_effect: fn(&Value) -> bool,
        hint: &'static str,
    ) -> Self {
        Self::of(name, shape, Presence::Unsupported { no_effect, hint })
    }
}

/// A JSON value that DynamoDB accepts as a boolean, including some texts.
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

/// A JSON number that DynamoDB accepts as an integer; it drops the fraction.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a conversion from a float saturates, and bounds are checked after it"
    )]
    let floor = |number: f64| number.floor() as i64;
    value.as_i64().or_else(|| value.as_f64().map(floor))
}
