//! Items and the changes to them: attribute values, keys, sizes, versions and mutations.
//!
//! - [`AttributeValue`] and [`Item`]: the ten types of DynamoDB. [`Number`] is exact and ordered by
//!   value.
//! - Their three encodings: DynamoDB's JSON ([`item_from_json`], [`item_to_json`]); compact bytes
//!   for the store and between regions ([`encode_item`], [`decode_item`]); and, for keys, bytes in
//!   the order of the values ([`KeySchema`], [`KeyBytes`]).
//! - [`item_size`] and [`item_depth`]: the measures behind DynamoDB's limits.
//! - [`Origin`], [`Version`], [`VersionVector`], [`Mutation`]: the identity of a write, its causal
//!   context, and its change.
//! - [`ItemState`]: a state-based CRDT that records which write made which part of an item, and
//!   merges concurrent writes under each [`ConflictPolicy`].
//!
//! All types are plain values: nothing here reads a clock, draws randomness or does I/O, and every
//! decoder is total.

mod codec;
mod json;
mod key;
mod mutation;
mod number;
mod origin;
mod region;
mod size;
mod state;
mod value;
mod vector;
mod version;

pub use codec::{CodecError, content_hash, decode_item, encode_item, encoded_attributes, encoded_item_size};
pub use json::{
    JsonError, JsonErrorKind, item_from_json, item_to_json, operand_from_json, value_from_json, value_to_json,
};
pub use key::{
    KeyBytes, KeyError, KeyPart, KeySchema, KeyType, MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES, RANGES, range_of,
};
pub use mutation::{Cause, Mutation, TableId, Transaction};
pub use number::{Number, NumberError};
pub use origin::{Origin, OriginError};
pub use region::{Region, RegionError};
pub use size::{MAX_DEPTH, MAX_ITEM_BYTES, item_depth, item_size, value_depth, value_size};
pub use state::{ConflictPolicy, ConflictPolicyError, ItemState, Loss, MAX_STATE_BYTES, StateError, Touch, Touched};
pub use value::{AttributeValue, Item};
pub use vector::VersionVector;
pub use version::{RowFingerprint, Version};
