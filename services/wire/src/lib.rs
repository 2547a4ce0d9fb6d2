//! The messages of replication: encoding, decoding and compression. Invalid messages are refused
//! with a reason.

mod compress;
mod decode;
mod encode;

#[cfg(test)]
mod tests;

pub use compress::{Packer, Unpacker};
pub use decode::{from_receiver, from_source};
pub use encode::{to_receiver, to_source};

/// The greatest message in either direction, in bytes after decompression: a transaction or a page
/// of rows, with room to spare.
pub const MESSAGE_BYTES_MAX: usize = 32 << 20;
/// The greatest key, in bytes. A partition key has up to 2048 bytes, a sort key up to 1024; zeros
/// count twice.
const KEY_BYTES_MAX: usize = 8 << 10;
/// The greatest image, in bytes. An item has up to 400 KiB as DynamoDB counts; the rest is for the
/// encoding, and for merged rows with the attributes and members of several regions' items.
const IMAGE_BYTES_MAX: usize = 4 << 20;
/// The greatest metadata, in bytes: many times that of a region's own write
/// ([`beringia_item::MAX_STATE_BYTES`]).
const METADATA_BYTES_MAX: usize = 4 << 20;
/// The greatest number of writes that a message may place in one transaction. A client's
/// transaction has up to 100.
const TRANSACTION_MAX: u32 = 1000;
/// The greatest sequence: databases have no greater integers.
const SEQUENCE_MAX: u64 = u64::MAX / 2;

/// Why bytes that decode as protobuf are not a valid message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid message: {0}")]
pub struct Unreadable(pub(crate) String);
