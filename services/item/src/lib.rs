//! What a table holds: attribute values, keys, sizes, versions, and the record of a change.

mod codec;
mod json;
mod key;
mod mutation;
mod number;
mod size;
mod value;
mod version;

pub use codec::{CodecError, decode_item, encode_item};
pub use json::{JsonError, item_from_json, item_to_json, value_from_json, value_to_json};
pub use key::{KeyBytes, KeyError, KeyPart, KeySchema, KeyType, RANGES, range_of};
pub use mutation::{Cause, Mutation, TableId, Unit};
pub use number::{Number, NumberError};
pub use size::{MAX_DEPTH, MAX_ITEM_BYTES, item_size, value_size};
pub use value::{AttributeValue, Item};
pub use version::{Region, RegionError, Version, VersionVector};
