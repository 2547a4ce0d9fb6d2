//! The messages of replication as they travel between regions, and back: what is no message is refused with a reason.

mod compress;
mod decode;
mod encode;

#[cfg(test)]
mod tests;

pub use compress::{Packer, Unpacker};
pub use decode::{from_receiver, from_source};
pub use encode::{to_receiver, to_source};

/// The greatest message in either direction, bytes, after decompression: a unit of writes or a page of rows, with room.
pub const MESSAGE_BYTES_MAX: usize = 32 << 20;
/// The greatest key, bytes. A partition key has up to 2048, a sort key up to 1024; zeros count twice.
const KEY_BYTES_MAX: usize = 8 << 10;
/// The greatest image, bytes. An item has up to 400 KiB as DynamoDB counts; the rest is for the form's own bytes, and for rows in
/// which the attributes and members of several regions' items came together.
const IMAGE_BYTES_MAX: usize = 4 << 20;
/// The greatest metadata, bytes: that of a region's own write ([`beringia_item::MAX_STATE_BYTES`]), many times over.
const METADATA_BYTES_MAX: usize = 4 << 20;
/// The greatest number of writes in a unit. A transaction has up to 100.
const UNIT_MAX: u32 = 1000;
/// The greatest sequence: databases know no greater integers.
const SEQUENCE_MAX: u64 = u64::MAX / 2;

/// Why bytes that are a message by their form are none by their meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message makes no sense: {0}")]
pub struct Unreadable(pub(crate) String);
