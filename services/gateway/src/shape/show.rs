//! The notation of paths and values in messages.

use std::fmt::{self, Write};

use serde_json::Value;

use super::Shape;

/// The maximum length of a value in a message, in characters. DynamoDB shows values in full,
/// regardless of their size. A message may be longer than its request, for it has the names of
/// structures.
pub(super) const SHOWN_MAX: usize = 1 << 20;

/// The path of a value in a request. Messages begin the names of members with a small letter; the
/// alternate form (`{:#}`) shows them as the request has them.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    Root,
    /// A member of a structure.
    Member(&'a Path<'a>, &'a str),
    /// A member of a structure whose value messages do not show.
    WithoutValue(&'a Path<'a>, &'a str),
    /// An element of a list, counted from 1.
    Element(&'a Path<'a>, usize),
    /// A value of a map.
    Entry(&'a Path<'a>, &'a str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = |f: &mut fmt::Formatter<'_>, parent: &Path<'_>| match parent {
            Path::Root => Ok(()),
            _ if f.alternate() => write!(f, "{parent:#}."),
            _ => write!(f, "{parent}."),
        };
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) | Self::WithoutValue(parent, name) => {
                begin(f, parent)?;
                if f.alternate() {
                    return f.write_str(name);
                }
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
    let mut bounded = Bounded {
        text: "'".to_owned(),
        left: SHOWN_MAX,
    };
    if write_bare(&mut bounded, value, shape).is_err() {
        bounded.text.push('…');
    }
    bounded.text.push('\'');
    bounded.text
}

/// A text that does not grow beyond a number of characters.
struct Bounded {
    text: String,
    left: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if let Some((end, _)) = text.char_indices().nth(self.left) {
            self.text.push_str(&text[..end]);
            self.left = 0;
            return Err(fmt::Error);
        }
        self.left -= text.chars().count();
        self.text.push_str(text);
        Ok(())
    }
}

fn write_bare(out: &mut Bounded, value: &Value, shape: &Shape) -> fmt::Result {
    match (value, shape) {
        (Value::String(text), _) => out.write_str(text),
        (Value::Array(members), Shape::List { member, .. }) => {
            out.write_char('[')?;
            for (position, value) in members.iter().enumerate() {
                separate(out, position)?;
                write_bare(out, value, member)?;
            }
            out.write_char(']')
        }
        (Value::Object(entries), Shape::Map { member, .. }) => {
            out.write_char('{')?;
            for (position, (key, value)) in entries.iter().enumerate() {
                separate(out, position)?;
                write!(out, "{key}=")?;
                write_bare(out, value, member)?;
            }
            out.write_char('}')
        }
        (Value::Object(entries), Shape::AttributeMap) => {
            out.write_char('{')?;
            for (position, (key, value)) in entries.iter().enumerate() {
                separate(out, position)?;
                write!(out, "{key}={value}")?;
            }
            out.write_char('}')
        }
        (Value::Object(fields), Shape::Structure(structure)) => {
            write!(out, "{}(", structure.class)?;
            let given = structure
                .members
                .iter()
                .filter_map(|member| Some((member, fields.get(member.name)?)));
            for (position, (member, value)) in given.enumerate() {
                separate(out, position)?;
                write!(out, "{}=", Path::Member(&Path::Root, member.name))?;
                write_bare(out, value, &member.shape)?;
            }
            out.write_char(')')
        }
        (other, _) => write!(out, "{other}"),
    }
}

/// Separates an element from the previous one.
fn separate(out: &mut Bounded, position: usize) -> fmt::Result {
    if position > 0 { out.write_str(", ") } else { Ok(()) }
}
