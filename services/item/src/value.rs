//! Attribute values: the ten types of DynamoDB.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::Number;

/// An item, or the value of an `M`: attributes by name. It is ordered so that everything derived
/// from it is deterministic.
pub type Item = BTreeMap<String, AttributeValue>;

/// A value of an attribute (developer guide, "Supported data types and naming rules").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// A string in UTF-8.
    S(String),
    /// A number of up to 38 significant digits.
    N(Number),
    /// A string of bytes.
    B(Bytes),
    /// True or false (`BOOL`).
    Bool(bool),
    /// The null value (`NULL`).
    Null,
    /// A list of values of any types.
    L(Vec<AttributeValue>),
    /// A map from name to value.
    M(Item),
    /// A set of strings, never empty.
    Ss(BTreeSet<String>),
    /// A set of numbers, never empty.
    Ns(BTreeSet<Number>),
    /// A set of byte strings, never empty.
    Bs(BTreeSet<Bytes>),
}

impl AttributeValue {
    /// The type's name on the wire: `S`, `N`, `B`, `BOOL`, `NULL`, `L`, `M`, `SS`, `NS` or `BS`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::L(_) => "L",
            Self::M(_) => "M",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
        }
    }
}
