//! Encodes answers as JSON, written directly into the body without a tree in between.

mod account;
mod capacity;
mod operations;
mod statements;
mod streams;
mod table;
mod tags;
#[cfg(test)]
mod tests;
mod ttl;

use std::collections::BTreeMap;

use beringia_item::AttributeValue;
use serde::{Serialize, Serializer, ser::SerializeMap};

pub(crate) use account::Endpoint;
pub(crate) use table::{Deleted, Described};

/// A type of the engine that has a wire form.
pub(crate) trait Encode {
    /// Writes the value in its wire form.
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

/// Passes a value of the engine to `serde` in its wire form.
pub(crate) struct Wire<'a, T: ?Sized>(pub(crate) &'a T);

impl<T: Encode + ?Sized> Serialize for Wire<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.encode(serializer)
    }
}

/// Encodes an answer as JSON.
///
/// # Errors
/// A body in memory causes none; an error is a bug in this program.
pub(crate) fn to_body<T: Encode>(answer: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut body = Vec::with_capacity(256);
    serde_json::to_writer(&mut body, &Wire(answer))?;
    Ok(body)
}

/// Writes a structure and leaves out absent members.
struct Fields<M>(M);

impl<M: SerializeMap> Fields<M> {
    fn begin<S: Serializer<SerializeMap = M, Ok = M::Ok, Error = M::Error>>(serializer: S) -> Result<Self, M::Error> {
        serializer.serialize_map(None).map(Self)
    }

    /// Writes a member with its own serialization.
    fn plain<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), M::Error> {
        self.0.serialize_entry(name, value)
    }

    /// Writes a member in its wire form.
    fn wire<T: Encode + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), M::Error> {
        self.0.serialize_entry(name, &Wire(value))
    }

    /// Writes an optional member with its own serialization.
    fn plain_some<T: Serialize>(&mut self, name: &'static str, value: Option<&T>) -> Result<(), M::Error> {
        value.map_or(Ok(()), |value| self.plain(name, value))
    }

    /// Writes an optional member in its wire form.
    fn wire_some<T: Encode>(&mut self, name: &'static str, value: Option<&T>) -> Result<(), M::Error> {
        value.map_or(Ok(()), |value| self.wire(name, value))
    }

    fn end(self) -> Result<M::Ok, M::Error> {
        self.0.end()
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Wire))
    }
}

impl<T: Encode> Encode for BTreeMap<String, T> {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (name, Wire(value))))
    }
}

impl Encode for AttributeValue {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}
