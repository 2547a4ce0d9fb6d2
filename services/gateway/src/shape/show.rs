//! How messages show where a value stands and what it is.

use std::fmt;

use serde_json::Value;

/// The longest text of a value in a message, characters. DynamoDB shows values whole, whatever their size.
const SHOWN_MAX: usize = 2_000;

/// Where a value stands in a request.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    Root,
    /// A member of a structure.
    Member(&'a Path<'a>, &'a str),
    /// An element of a list, from 1.
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

/// A value as messages show it: texts bare, lists in brackets; cut where it is very long.
pub(super) fn show(value: Option<&Value>) -> String {
    let Some(value) = value else { return "null".to_owned() };
    let mut text = bare(value);
    if let Some((end, _)) = text.char_indices().nth(SHOWN_MAX) {
        text.truncate(end);
        text.push('…');
    }
    format!("'{text}'")
}

fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(members) => format!("[{}]", members.iter().map(bare).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
