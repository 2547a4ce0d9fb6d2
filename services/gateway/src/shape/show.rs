//! The notation of paths and values in messages.

use std::fmt;

use serde_json::Value;

use super::Shape;

/// The maximum length of a value in a message, in characters. DynamoDB shows values in full,
/// regardless of their size.
const SHOWN_MAX: usize = 2_000;

/// The path of a value in a request.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    Root,
    /// A member of a structure.
    Member(&'a Path<'a>, &'a str),
    /// An element of a list, counted from 1.
    Element(&'a Path<'a>, usize),
    /// A value of a map.
    Entry(&'a Path<'a>, &'a str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = |f: &mut fmt::Formatter<'_>, parent: &Path<'_>| match parent {
            Path::Root => Ok(()),
            _ => write!(f, "{parent}."),
        };
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => {
                begin(f, parent)?;
                let mut letters = name.chars();
                letters
                    .next()
                    .map_or(Ok(()), |first| write!(f, "{}", first.to_ascii_lowercase()))?;
                f.write_str(letters.as_str())
            }
            Self::Element(parent, position) => {
                begin(f, parent)?;
                write!(f, "{position}.member")
            }
            Self::Entry(parent, key) => {
                begin(f, parent)?;
                write!(f, "{key}.member")
            }
        }
    }
}

/// A value in the notation of messages, which resembles Java's: texts bare, lists in brackets,
/// `{key=value}`, `Structure(member=value)`. Truncated if it is very long.
pub(super) fn show(shown: Option<(&Value, &Shape)>) -> String {
    let Some((value, shape)) = shown else {
        return "null".to_owned();
    };
    let mut text = bare(value, shape);
    if let Some((end, _)) = text.char_indices().nth(SHOWN_MAX) {
        text.truncate(end);
        text.push('…');
    }
    format!("'{text}'")
}

fn bare(value: &Value, shape: &Shape) -> String {
    match (value, shape) {
        (Value::String(text), _) => text.clone(),
        (Value::Array(members), Shape::List { member, .. }) => {
            let shown: Vec<String> = members.iter().map(|value| bare(value, member)).collect();
            format!("[{}]", shown.join(", "))
        }
        (Value::Object(entries), Shape::Map { member, .. }) => {
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{key}={}", bare(value, member)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        (Value::Object(entries), Shape::AttributeMap) => {
            let entries = entries.iter().map(|(key, value)| format!("{key}={value}"));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        (Value::Object(fields), Shape::Structure(structure)) => {
            let given = structure.members.iter().filter_map(|member| {
                let value = bare(fields.get(member.name)?, &member.shape);
                Some(format!("{}={value}", Path::Member(&Path::Root, member.name)))
            });
            format!("{}({})", structure.class, given.collect::<Vec<_>>().join(", "))
        }
        (other, _) => other.to_string(),
    }
}
