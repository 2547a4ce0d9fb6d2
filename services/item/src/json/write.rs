//! Writes attribute values in DynamoDB's JSON.

use base64::{Engine as _, display::Base64Display, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer};

use crate::{AttributeValue, Number};

impl Serialize for AttributeValue {
    /// Serializes as an object with the type's name and the contents.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = self.type_name();
        match self {
            Self::S(text) => one(serializer, name, text),
            Self::N(number) => one(serializer, name, number),
            Self::B(bytes) => one(serializer, name, &Base64(bytes)),
            Self::Bool(value) => one(serializer, name, value),
            Self::Null => one(serializer, name, &true),
            Self::L(members) => one(serializer, name, members),
            Self::M(members) => one(serializer, name, members),
            Self::Ss(members) => one(serializer, name, members),
            Self::Ns(members) => one(serializer, name, members),
            Self::Bs(members) => one(serializer, name, &Base64Set(members)),
        }
    }
}

impl Serialize for Number {
    /// Serializes as a string, as DynamoDB writes numbers.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Bytes that serialize as a base64 string.
struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

struct Base64Set<'a>(&'a std::collections::BTreeSet<bytes::Bytes>);

impl Serialize for Base64Set<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|member| STANDARD.encode(member)))
    }
}

fn one<S: Serializer, T: Serialize + ?Sized>(
    serializer: S,
    name: &'static str,
    contents: &T,
) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap as _;
    let mut object = serializer.serialize_map(Some(1))?;
    object.serialize_entry(name, contents)?;
    object.end()
}
